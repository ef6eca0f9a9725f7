"""The types that signatures share, each said once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike as ArrayLike  # what np.asarray takes: numbers, nested lists, arrays; and tensors
from numpy.typing import DTypeLike as DTypeLike

Array = np.ndarray
Shape = tuple[int, ...]
Pair = tuple[int, int]
OneOrTwo = int | Pair  # of both axes of an image, or (height, width)
Rng = np.random.Generator | int | None  # to draw from: one, the seed of a new one, or the default (`mg.seed`)
