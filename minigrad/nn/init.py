"""Initial weights: each function returns an ndarray of a shape, drawn from a generator. Nothing is changed in place.

Weights are (out, in, *kernel), as in PyTorch: fan-in is in · kernel size, fan-out is out · kernel size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import random
from ..errors import named
from ..ranges import NOT_NEGATIVE, NUMBER, check
from ..tape import Array
from ..typing import DTypeLike, Rng, Shape


@named
def fans(shape: Shape) -> tuple[int, int]:
    """The fan-in and fan-out of a weight: how many inputs an output sees, and how many outputs an input reaches.

    >>> fans((16, 3, 5, 5))
    (75, 400)
    """
    if len(shape) < 2:
        raise ValueError(f"fans: shape {shape} has no fan-in; a weight is (out, in, *kernel)")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


@named
def zeros(shape: Shape, *, dtype: DTypeLike = np.float32) -> Array:
    """All zero."""
    return np.zeros(shape, dtype)


@named
def ones(shape: Shape, *, dtype: DTypeLike = np.float32) -> Array:
    """All one."""
    return np.ones(shape, dtype)


@named
def uniform(
    shape: Shape,
    low: float = 0.0,
    high: float = 1.0,
    *,
    rng: Rng = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Uniform in [low, high)."""
    check("uniform", NUMBER, low=low, high=high)
    return random.generator(rng).uniform(low, high, shape).astype(dtype)


@named
def normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    rng: Rng = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Gaussian with that mean and standard deviation."""
    check("normal", NUMBER, mean=mean)
    check("normal", NOT_NEGATIVE, std=std)
    return random.generator(rng).normal(mean, std, shape).astype(dtype)


@named
def xavier_uniform(shape: Shape, *, gain: float = 1.0, **draw: Any) -> Array:
    """Uniform with variance gain² · 2 / (fan-in + fan-out) (Glorot, Bengio 2010)."""
    check("xavier_uniform", NOT_NEGATIVE, gain=gain)
    bound = gain * math.sqrt(6 / sum(fans(shape)))
    return uniform(shape, -bound, bound, **draw)


@named
def xavier_normal(shape: Shape, *, gain: float = 1.0, **draw: Any) -> Array:
    """Gaussian with variance gain² · 2 / (fan-in + fan-out) (Glorot, Bengio 2010)."""
    check("xavier_normal", NOT_NEGATIVE, gain=gain)
    return normal(shape, 0.0, gain * math.sqrt(2 / sum(fans(shape))), **draw)


@named
def kaiming_uniform(shape: Shape, *, a: float = 0.0, mode: str = "fan_in", **draw: Any) -> Array:
    """Uniform with variance 2 / ((1 + a²) fan), for units leaky with slope a (He et al. 2015).

    >>> w = kaiming_uniform((8, 6), rng=0)
    >>> w.shape, bool(abs(w).max() <= 1)  # the bound is √(6 / fan-in)
    ((8, 6), True)
    """
    bound = math.sqrt(3) * _kaiming_std(shape, a, mode)
    return uniform(shape, -bound, bound, **draw)


@named
def kaiming_normal(shape: Shape, *, a: float = 0.0, mode: str = "fan_in", **draw: Any) -> Array:
    """Gaussian with variance 2 / ((1 + a²) fan), for units leaky with slope a (He et al. 2015)."""
    return normal(shape, 0.0, _kaiming_std(shape, a, mode), **draw)


def _kaiming_std(shape: Shape, a: float, mode: str) -> float:
    check("kaiming", NUMBER, a=a)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode is {mode!r}; it must be 'fan_in' or 'fan_out'")
    return math.sqrt(2 / (1 + a * a) / fans(shape)[mode == "fan_out"])
