"""Data sets, batches and augmentation. Knows NumPy only."""

from .augment import Affine, warp
from .datasets import Dataset, Split, digits
from .loader import Loader
from .streams import Streams

__all__ = ["Affine", "Dataset", "Loader", "Split", "Streams", "digits", "warp"]
