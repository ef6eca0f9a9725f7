"""Pictures and pages: learning curves, and the report of a training run. The graph of a computation is `mg.graph`."""

from . import playground
from .curves import curves
from .images import preview, scenes, usual_transforms
from .report import Findings, report
from .schedules import schedules
from .spectrum import spectrum

__all__ = [
    "Findings",
    "curves",
    "playground",
    "preview",
    "report",
    "scenes",
    "schedules",
    "spectrum",
    "usual_transforms",
]
