"""Pictures and pages: learning curves, and the report of a training run. The graph of a computation is `mg.graph`."""

from .curves import curves
from .report import Findings, report

__all__ = ["Findings", "curves", "report"]
