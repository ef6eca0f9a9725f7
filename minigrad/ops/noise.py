"""Operations that draw: always from a generator that the caller passes, or the documented default (`mg.seed`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import random
from ..tape import Array, Tensor, launch, mul
from .shape import as_tensor


def check_probability(name: str, p: float) -> None:
    """Raise unless p can be the probability of dropping."""
    if not 0 <= p < 1:
        raise ValueError(f"{name}: the drop probability is {p}; it must lie in [0, 1)")


def dropout(x: Any, p: float = 0.5, *, training: bool = True, rng: np.random.Generator | int | None = None) -> Tensor:
    """x with each entry zeroed with probability p and the others divided by 1 − p (inverted dropout).

    The expectation is x itself, so at test time (`training=False`) x passes unchanged. Srivastava et al. 2014.

    >>> sorted(set(dropout(np.ones(100), 0.5, rng=0).data.tolist()))
    [0.0, 2.0]
    """
    x = as_tensor(x)
    check_probability("dropout", p)
    if not training or p == 0:
        return x
    return mul(x, Tensor(launch(_mask, rng, x.shape, x.dtype, p)))


def _mask(rng: Any, shape: tuple[int, ...], dtype: np.dtype, p: float) -> Array:
    """1/(1 − p) with probability 1 − p, else 0."""
    real = np.empty(0, dtype).real.dtype
    keep = random.generator(rng).random(shape, np.float32) >= p
    return keep * (real.type(1) / real.type(1 - p))
