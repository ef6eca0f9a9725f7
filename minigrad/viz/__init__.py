"""Pictures and pages: learning curves, and the report of a training run. The graph of a computation is `mg.graph`."""

from . import playground
from .curves import curves
from .effects import effects
from .images import preview, scenes, usual_transforms
from .lr_range import lr_range
from .reliability import reliability
from .report import Findings, report
from .schedules import schedules
from .spectrum import spectrum

__all__ = [
    "Findings",
    "curves",
    "effects",
    "lr_range",
    "playground",
    "preview",
    "reliability",
    "report",
    "scenes",
    "schedules",
    "spectrum",
    "usual_transforms",
]
