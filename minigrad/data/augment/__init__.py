"""Random changes of images that leave their class alone, or mix it in a known way. NumPy only, a whole batch at a time.

A transform is a function of (images, streams): (N, C, H, W) floats in, the same dtype out, all randomness drawn from the
samples' own `Streams`. How a sample looks therefore depends on (seed, epoch, sample) and the settings, on nothing else.
"""

from .color import ColorJitter, GaussianNoise, Lighting, Normalize
from .compose import Compose
from .erase import Cutout, RandomErasing
from .geometry import Affine, HorizontalFlip, RandomCrop, VerticalFlip, warp
from .mix import CutMix, Mix, Mixup

__all__ = [
    "Affine", "ColorJitter", "Compose", "CutMix", "Cutout", "GaussianNoise", "HorizontalFlip", "Lighting", "Mix", "Mixup",
    "Normalize", "RandomCrop", "RandomErasing", "VerticalFlip", "warp",
]  # fmt: skip
