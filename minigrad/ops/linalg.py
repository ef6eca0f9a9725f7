"""Matrix products, and the affine map that layers are made of."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..errors import named
from ..tape import INTEGERS, Array, Tensor, general, linear, primitive, sum_to
from ..typing import ArrayLike
from .conv import same_dtype
from .shape import as_tensor, expand_dims, squeeze, swapped

__all__ = ["affine", "matmul"]


@primitive
def _matmul(a: Array, b: Array) -> Array:
    return kernels.matmul(a, b)


linear(
    _matmul,
    lambda g, y, a, b: _matmul(g, swapped(b)),
    lambda g, y, a, b: _matmul(swapped(a), g),
)


@named
def matmul(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The matrix product a @ b: (…, n, k) by (…, k, m) gives (…, n, m); leading axes broadcast.

    A vector on the left is a row, on the right a column, as in NumPy.

    >>> matmul(Tensor(np.ones((5, 2, 3))), Tensor(np.ones((3, 4)))).shape
    (5, 2, 4)
    """
    a, b = as_tensor(a), as_tensor(b)
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape}; a scalar has no matrix product, use * instead")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: the last axis of {a.shape} and the {'second-last' if b.ndim > 1 else 'only'} axis of {b.shape} "
            f"must be equal: {a.shape[-1]} is not {b.shape[-2 if b.ndim > 1 else 0]}"
        )
    y = _matmul(a if a.ndim > 1 else expand_dims(a, 0), b if b.ndim > 1 else expand_dims(b, 1))
    y = y if a.ndim > 1 else squeeze(y, -2)
    return y if b.ndim > 1 else squeeze(y, -1)


@primitive
def _affine(x: Array, w: Array, b: Array) -> Array:
    y = kernels.matmul(w, x.T)  # BLAS takes this product faster than x Wᵀ, by a tenth
    return np.add(y, b[:, None], out=y if b.dtype == y.dtype else None).T


def _turned(a: Tensor, b: Tensor) -> Tensor:
    """a b, computed as (bᵀ aᵀ)ᵀ: it then lies in memory as what `_affine` returns, and neighbours need not be copied."""
    return swapped(_matmul(swapped(b), swapped(a)))


general(
    _affine,
    [
        lambda g, y, x, w, b: _turned(g, w),
        lambda g, y, x, w, b: _matmul(swapped(g), x),
        lambda g, y, x, w, b: sum_to(g, shape=b.shape),
    ],
    [
        lambda t, y, x, w, b: _turned(t, swapped(w)),
        lambda t, y, x, w, b: _turned(x, swapped(t)),
        lambda t, y, x, w, b: t,
    ],
)


_matmul.numbers = _affine.numbers = INTEGERS


@named
def affine(x: ArrayLike, w: ArrayLike, b: ArrayLike) -> Tensor:
    """x Wᵀ + b: x (N, in), w (out, in) and b (out,) give (N, out). One node on the tape, one pass for the bias.

    >>> affine(np.ones((2, 3)), np.ones((4, 3)), np.zeros(4)).shape
    (2, 4)
    """
    x, w, b = as_tensor(x), as_tensor(w), as_tensor(b)
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[1] or b.shape != w.shape[:1]:
        raise ValueError(
            f"affine: x has shape {x.shape}, w {w.shape}, b {b.shape}; they must be (N, in), (out, in) and (out,)"
        )
    same_dtype("affine", x, w)
    return _affine(x, w, b)
