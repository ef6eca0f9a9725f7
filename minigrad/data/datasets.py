"""Data sets: arrays of samples and their labels. Knows NumPy only."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import named, shown
from ..extras import extra
from ..typing import Array


class Dataset:
    """Samples x and labels y, arrays of one length; indexing gives a pair (x[i], y[i]).

    Raises ValueError when the lengths differ or there is nothing in it.

    >>> d = Dataset(np.zeros((5, 1, 8, 8)), np.arange(5))
    >>> len(d), d[1:3][1]
    (5, array([1, 2]))
    """

    @named
    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = _array("x", x), _array("y", y)
        if not self.x.ndim or not self.y.ndim or len(self.x) != len(self.y):
            raise ValueError(f"Dataset: x has shape {self.x.shape}, y {self.y.shape}; they must have one length")
        if not len(self.x):
            raise ValueError("Dataset: there are no samples")

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: Any) -> tuple[Array, Array]:
        return self.x[i], self.y[i]

    def __repr__(self) -> str:
        return f"Dataset(x: {self.x.dtype} {self.x.shape}, y: {self.y.dtype} {self.y.shape})"


def _array(name: str, given: Any) -> Array:
    try:
        return np.asarray(given)
    except ValueError as error:
        raise ValueError(f"Dataset: {name} is {shown(given)}, which makes no array: {error}") from error


class Split(NamedTuple):
    """What to learn from and what to be judged by."""

    train: Dataset
    test: Dataset


def digits() -> Split:
    """1,797 handwritten digits, 8×8, by 43 writers, as (train, test): float32 (N, 1, 8, 8) in [0, 1], int64 labels.

    The first half is for training and the second for testing, unshuffled, as in scikit-learn's own example of
    digit classification; the writers of the halves differ. Source: E. Alpaydin, C. Kaynak, "Optical Recognition of
    Handwritten Digits", UCI 1998, as bundled with scikit-learn. Raises ModuleNotFoundError without scikit-learn.

    >>> digits().train
    Dataset(x: float32 (898, 1, 8, 8), y: int64 (898,))
    """
    bunch = extra("sklearn.datasets", "data.digits").load_digits()
    x, y = bunch.images[:, None].astype(np.float32) / 16, bunch.target.astype(np.int64)
    half = len(x) // 2
    return Split(Dataset(x[:half], y[:half]), Dataset(x[half:], y[half:]))
