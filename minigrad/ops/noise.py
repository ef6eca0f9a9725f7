"""Operations that draw: always from a generator that the caller passes, or the documented default (`mg.seed`).

All of them multiply by a mask in training and by the mask's mean at test time. With scaling 'inverted' what survives
is divided by the keep probability, so that the mean is 1 and testing does nothing; with 'test' what survives passes as
it is, and testing multiplies by the keep probability. Either way both modes agree in expectation.
"""

from __future__ import annotations

import numpy as np

from .. import random
from ..errors import named
from ..ranges import FRACTION, check, choice
from ..tape import Array, Tensor, draw, mul, real_dtype, wrap
from ..typing import ArrayLike, Rng
from .conv import check_image
from .shape import as_tensor

__all__ = ["dropout", "dropout2d"]

SCALING = choice("inverted", "test")
MODE = choice("batch", "row")


def factor(p: float, scaling: str, training: bool) -> float:
    """What a survivor is multiplied by in training, and everything at test time, if each is dropped with probability p.

    >>> [factor(0.2, "inverted", True), factor(0.2, "inverted", False)], [factor(0.2, "test", t) for t in (True, False)]
    ([1.25, 1.0], [1.0, 0.8])
    """
    if scaling == "inverted":
        return 1 / (1 - p) if training else 1.0
    return 1.0 if training else 1 - p


def mask(rng: Rng, size: tuple[int, ...], dtype: np.dtype, p: float, value: float) -> Array:
    """`value` with probability 1 − p, else 0, in the real dtype of `dtype`. To be drawn (`draw`), so that those who watch see it."""
    real = real_dtype(dtype)
    keep = random.generator(rng).random(size, np.float32) >= p
    return keep * real.type(value)


def drop(name: str, x: Tensor, size: tuple[int, ...], p: float, scaling: str, training: bool, rng: Rng) -> Tensor:
    """x times a mask of `size`, which broadcasts against x, or in test mode times the mean of that mask."""
    check(name, FRACTION, p=p)
    check(name, SCALING, scaling=scaling)
    if x.dtype.kind not in "fc":
        raise TypeError(f"{name}: x is {x.dtype}; what survives is scaled, so it must be a float tensor")
    if p == 0:
        return x
    scale = factor(p, scaling, training)
    if training:
        return mul(x, wrap(draw(mask, rng, size, x.dtype, p, scale)))
    return x if scale == 1 else mul(x, scale)


@named
def dropout(
    x: ArrayLike, p: float = 0.5, *, training: bool = True, scaling: str = "inverted", rng: Rng = None
) -> Tensor:
    """x with each entry zeroed with probability p and the others divided by 1 − p (inverted dropout).

    The expectation is x itself, so at test time (`training=False`) x passes unchanged. With scaling 'test', the form of
    the paper, survivors pass as they are, and at test time x is multiplied by 1 − p. Srivastava et al. 2014.

    >>> sorted(set(dropout(np.ones(100), 0.5, rng=0).data.tolist()))
    [0.0, 2.0]
    >>> dropout(np.ones(2), 0.25, training=False, scaling="test").data
    array([0.75, 0.75])
    """
    x = as_tensor(x)
    return drop("dropout", x, x.shape, p, scaling, training, rng)


@named
def dropout2d(
    x: ArrayLike, p: float = 0.5, *, training: bool = True, scaling: str = "inverted", rng: Rng = None
) -> Tensor:
    """Images x (N, C, H, W) with whole channels of an image zeroed with probability p; otherwise as `dropout`.

    Neighbouring pixels carry nearly the same: to drop one of them hides little (Tompson et al. 2015, spatial dropout).

    >>> y = dropout2d(np.ones((2, 3, 4, 4)), 0.5, rng=1).data
    >>> y[:, :, 0, 0].tolist(), bool((y == y[:, :, :1, :1]).all())
    ([[0.0, 2.0, 2.0], [2.0, 0.0, 0.0]], True)
    """
    x = as_tensor(x)
    check_image("dropout2d", x)
    return drop("dropout2d", x, (*x.shape[:2], 1, 1), p, scaling, training, rng)
