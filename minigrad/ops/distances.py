"""Norms and distances. In units of the largest entry squares are in range, so nothing overflows that need not."""

from __future__ import annotations

import numpy as np

from ..errors import named
from ..ranges import SWITCH, Range, check, number
from ..tape import Array, Tensor, constant, dispatch, in_floats, rounded_once
from ..typing import ArrayLike
from . import decompositions, reduce
from .elementwise import abs, decision, sqrt, where
from .matrices import matrix
from .shape import _reshape, as_tensor, expand_dims, normal_axes, permute_dims

__all__ = ["cdist", "dist", "norm", "pdist"]

_ORDER = Range(lambda p: number().holds(p) or p in (np.inf, -np.inf), "a number, inf or −inf")


def _unit(x: Array, axes: tuple[int, ...]) -> Array:
    """A power of two of the size of x's entries, 1 where all are zero or one is not finite."""
    size = np.abs(x.real).max(axis=axes, keepdims=True, initial=0)
    fine = (size > 0) & np.isfinite(size)
    return np.where(fine, np.maximum(np.ldexp(np.ones_like(size), np.frexp(size)[1] - 1), np.finfo(size.dtype).tiny), 1)


def _is_zero(x: Array) -> Array:
    return x.real == 0


def _are_zero(x: Array, axes: tuple[int, ...]) -> Array:
    return (x.real == 0).all(axis=axes, keepdims=True)


def _norm(x: Tensor, axes: tuple[int, ...], p: float, keepdims: bool) -> Tensor:
    if p in (np.inf, -np.inf):
        return (reduce.max if p > 0 else reduce.min)(abs(x), axes, keepdims)
    if p == 1:
        return reduce.sum(abs(x), axes, keepdims)
    if p == 0:
        return reduce.sum(where(dispatch(_is_zero, x), 0, x**0), axes, keepdims)
    unit, none = decision(dispatch(_unit, x, axes), x), dispatch(_are_zero, x, axes)
    z = where(none, 1, x / unit)
    powers = reduce.sum(z * z if p == 2 else abs(z) ** p, axes, keepdims=True)
    y = where(none, 0, (sqrt(powers) if p == 2 else powers ** (1 / p)) * unit)
    return reduce.sum(y, axes, keepdims) if axes else y


@named
def vector_norm(
    x: ArrayLike, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, ord: float = 2
) -> Tensor:
    """The norm (Σ |x|^ord)^(1/ord) over `axis`, or all axes: for ±inf the largest or smallest |x|, for 0 how many are not 0.

    At zero the derivative is 0.

    >>> vector_norm(np.array([[3e200, 4e200], [0.0, 0.0]]), axis=1).data / 1e200
    array([5., 0.])
    """
    x = as_tensor(x)
    check("vector_norm", _ORDER, ord=ord)
    check("vector_norm", SWITCH, keepdims=keepdims)
    axes = normal_axes("vector_norm", axis, x.ndim)
    if ord < 0 or ord == np.inf:
        reduce._count("vector_norm", x, axes)
    return in_floats(lambda x: _norm(x, axes, ord, keepdims), x)


_MATRIX_NORMS = ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
_MATRIX_ORDER = Range(
    lambda p: isinstance(p, (str, int, float)) and not isinstance(p, bool) and p in _MATRIX_NORMS,
    "'fro', 'nuc', 1, −1, 2, −2, inf or −inf; vector_norm takes every number",
    (str, int, float),
)


@named
def matrix_norm(x: ArrayLike, /, *, keepdims: bool = False, ord: float | str = "fro") -> Tensor:
    """The norms of matrices, the last two axes: the root of the sum of squares ("fro"), the sum of singular values ("nuc"),
    the largest or smallest of them (±2), of the sums of |x| of a column (±1) or of a row (±inf).

    >>> float(matrix_norm(np.array([[3.0, 4.0], [0.0, 0.0]])).data)
    5.0
    """
    x = matrix("matrix_norm", x)
    check("matrix_norm", _MATRIX_ORDER, ord=ord)
    check("matrix_norm", SWITCH, keepdims=keepdims)
    if ord == "fro":
        return in_floats(lambda x: _norm(x, (x.ndim - 2, x.ndim - 1), 2, keepdims), x)
    spectral = ord in ("nuc", 2, -2)
    sizes = decompositions.svdvals(x) if spectral else reduce.sum(abs(x), -2 if ord in (1, -1) else -1)
    y = reduce.sum(sizes, -1) if ord == "nuc" else (reduce.max if float(ord) > 0 else reduce.min)(sizes, -1)
    return expand_dims(expand_dims(y, -1), -1) if keepdims else y


@named
def norm(
    x: ArrayLike,
    ord: float | str | None = None,
    axis: int | tuple[int, ...] | None = None,
    keepdims: bool = False,
) -> Tensor:
    """`vector_norm` over one axis, `matrix_norm` over two, as in `np.linalg.norm`.

    Without `axis`, that of a vector or a matrix; without `ord` as well, the root of the sum of all squares.

    >>> float(norm(np.array([[3.0, 4.0], [0.0, 0.0]]), 1).data)
    4.0
    """
    x = as_tensor(x)
    axes = normal_axes("norm", axis, x.ndim)
    if len(axes) == 1 or (ord is None and (axis is None or len(axes) == 2)):
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)  # type: ignore[arg-type]
    if len(axes) != 2:
        raise ValueError(f"norm: axes {axes} of {x.shape}; ord={ord!r} is for one axis (a vector) or two (a matrix)")
    check("norm", SWITCH, keepdims=keepdims)
    rest = [i for i in range(x.ndim) if i not in axes]
    y = matrix_norm(permute_dims(x, (*rest, *axes)), ord=ord)  # type: ignore[arg-type]
    return _reshape(y, shape=tuple(1 if i in axes else n for i, n in enumerate(x.shape))) if keepdims else y


@named
def cond(x: ArrayLike, p: float | str | None = None) -> Tensor:
    """The condition numbers of matrices: their norm times that of the inverse; by default in the norm 2, of any shape."""
    x = matrix("cond", x)
    if p is None or p in (2, -2):
        s = decompositions.svdvals(x)
        return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    return matrix_norm(x, ord=p) * matrix_norm(decompositions.inv(x), ord=p)


@named
def dist(x: ArrayLike, y: ArrayLike, p: float = 2) -> Tensor:
    """The norm of x − y, of order p, over all entries."""
    return rounded_once(lambda x, y: vector_norm(x - y, ord=p))(x, y)


@named
def cdist(x1: ArrayLike, x2: ArrayLike, p: float = 2.0) -> Tensor:
    """The distances of order p between all rows of x1 (…, n, d) and of x2 (…, m, d): (…, n, m).

    >>> cdist([[0.0, 0.0]], [[3.0, 4.0], [0.0, 1.0]]).data
    array([[5., 1.]])
    """
    a, b = matrix("cdist", x1), matrix("cdist", x2)
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"cdist: rows of {a.shape} and of {b.shape} must be of one length")
    return rounded_once(lambda a, b: vector_norm(a - b, axis=-1, ord=p))(expand_dims(a, -2), expand_dims(b, -3))


@named
def pdist(x: ArrayLike, p: float = 2.0) -> Tensor:
    """The distances of order p between the rows of a matrix, each pair once, as in `cdist(x, x)` above the diagonal."""
    x = as_tensor(x)
    if x.ndim != 2:
        raise ValueError(f"pdist: a tensor of shape {x.shape} is no matrix, (n, d)")
    i, j = map(constant, np.triu_indices(x.shape[0], 1))
    return rounded_once(lambda a, b: vector_norm(a - b, axis=-1, ord=p))(x[i], x[j])
