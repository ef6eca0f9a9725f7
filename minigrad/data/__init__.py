"""Data sets, files, batches and augmentation. Knows NumPy only."""

from .augment import (
    Affine,
    ColorJitter,
    Compose,
    CutMix,
    Cutout,
    GaussianNoise,
    HorizontalFlip,
    Lighting,
    Mix,
    Mixup,
    Normalize,
    RandomCrop,
    RandomErasing,
    VerticalFlip,
    warp,
)
from .datasets import Dataset, Split, digits
from .files import ChecksumWarning, cifar10, cifar100, mnist, read, read_idx
from .loader import Loader, end_with_parent
from .streams import Streams

__all__ = [
    "Affine", "ChecksumWarning", "ColorJitter", "Compose", "CutMix", "Cutout", "Dataset", "GaussianNoise",
    "HorizontalFlip", "Lighting", "Loader", "Mix", "Mixup", "Normalize", "RandomCrop", "RandomErasing", "Split", "Streams",
    "VerticalFlip", "cifar10", "cifar100", "digits", "end_with_parent", "mnist", "read", "read_idx", "warp",
]  # fmt: skip
