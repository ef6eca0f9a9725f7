"""Pictures by Matplotlib: learning curves, rates, spectra, reliability, augmented images. A computation's is `mg.graph`."""

from .curves import curves
from .images import preview
from .lr_range import lr_range
from .reliability import reliability
from .schedules import schedules
from .spectrum import spectrum

__all__ = ["curves", "lr_range", "preview", "reliability", "schedules", "spectrum"]
