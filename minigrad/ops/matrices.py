"""Parts of matrices: diagonals and triangles, and matrices made of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import named
from ..ranges import INDEX, WHOLE, check
from ..tape import ENTRIES, Array, Tensor, constant, dispatch, linear, primitive, wrap
from ..typing import ArrayLike
from . import reduce
from .elementwise import where
from .shape import as_tensor, concat, flatten, normal_axis, pad, permute_dims

__all__ = [
    "block_diag", "diag", "diag_embed", "diagflat", "diagonal", "trace", "tril", "tril_indices", "triu", "triu_indices",
]  # fmt: skip


@primitive
def _diagonal(x: Array, *, offset: int) -> Array:
    return np.diagonal(x, offset, -2, -1)


@primitive
def _diag_embed(d: Array, *, offset: int, shape: tuple[int, int]) -> Array:
    out = np.zeros_like(d, shape=(*d.shape[:-1], *shape))
    i = np.arange(d.shape[-1])
    out[..., i - min(offset, 0), i + max(offset, 0)] = d
    return out


_diagonal.may_alias = True
_diagonal.numbers = _diag_embed.numbers = ENTRIES
linear(_diagonal, lambda g, y, x, *, offset: _diag_embed(g, offset=offset, shape=x.shape[-2:]))
linear(_diag_embed, lambda g, y, d, *, offset, shape: _diagonal(g, offset=offset))


def matrix(name: str, x: ArrayLike) -> Tensor:
    """x as a tensor of matrices, or an error in op's name."""
    x = as_tensor(x)
    if x.ndim < 2:
        raise ValueError(f"{name}: a tensor of shape {x.shape} is no matrix; it must have two axes or more")
    return x


def _offset(name: str, k: int, rows: int, columns: int) -> int:
    """The offset of a diagonal, cut to where there is none: those beyond are all empty."""
    check(name, WHOLE, k=k)
    return int(min(max(k, -rows), columns))


def diagonal_of(x: Tensor, offset: int = 0) -> Tensor:
    """The diagonals of matrices, the last two axes."""
    return _diagonal(x, offset=offset)


def diagonal_matrix(d: Tensor) -> Tensor:
    """Square matrices with d on the diagonal."""
    return _diag_embed(d, offset=0, shape=(d.shape[-1], d.shape[-1]))


def _planes(name: str, x: Tensor, axis1: int, axis2: int) -> Tensor:
    """x with two axes moved to the end."""
    a, b = normal_axis(name, axis1, x.ndim), normal_axis(name, axis2, x.ndim)
    if a == b:
        raise ValueError(f"{name}: axis1 {axis1} and axis2 {axis2} are one axis of {x.shape}; name two")
    return permute_dims(x, (*(i for i in range(x.ndim) if i not in (a, b)), a, b))


@named
def diagonal(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonals of the planes of two axes, as in NumPy, along a last axis. (`linalg.diagonal` takes the last two.)

    >>> diagonal(np.arange(6.0).reshape(2, 3), 1).data
    array([1., 5.])
    """
    x = _planes("diagonal", matrix("diagonal", x), axis1, axis2)
    return _diagonal(x, offset=_offset("diagonal", offset, *x.shape[-2:]))


@named
def trace(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sums of the diagonals, as in NumPy. (`linalg.trace` takes those of the last two axes.)

    >>> float(trace(np.arange(4.0).reshape(2, 2)).data)
    3.0
    """
    return reduce.sum(diagonal(x, offset, axis1, axis2), axis=-1)


@named
def diag(x: ArrayLike, k: int = 0) -> Tensor:
    """The k-th diagonal of a matrix; of a vector, the matrix that has it there and zeros elsewhere.

    >>> diag(np.array([1.0, 2.0]), 1).data
    array([[0., 1., 0.],
           [0., 0., 2.],
           [0., 0., 0.]])
    """
    x = as_tensor(x)
    if x.ndim not in (1, 2):
        raise ValueError(f"diag: a tensor of shape {x.shape} is neither a vector nor a matrix")
    return diagonal(x, k) if x.ndim == 2 else diag_embed(x, k)


@named
def diag_embed(x: ArrayLike, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Tensor:
    """Square matrices, in the planes of two new axes, with the last axis of x on a diagonal and zeros elsewhere."""
    x = as_tensor(x)
    if not x.ndim:
        raise ValueError(f"diag_embed: a tensor of shape {x.shape} has no axis to lay on a diagonal")
    check("diag_embed", WHOLE, offset=offset)
    n, a, b = x.shape[-1] + abs(offset), *(normal_axis("diag_embed", i, x.ndim + 1) for i in (axis1, axis2))
    if a == b:
        raise ValueError(f"diag_embed: axis1 {axis1} and axis2 {axis2} are one axis; name two")
    y = _diag_embed(x, offset=int(offset), shape=(n, n))
    order = [i for i in range(y.ndim) if i not in (a, b)]
    return permute_dims(y, tuple(np.argsort([*order, a, b]).tolist()))


@named
def diagflat(x: ArrayLike, k: int = 0) -> Tensor:
    """The matrix with all entries of x on its k-th diagonal."""
    return diag_embed(flatten(as_tensor(x)) if as_tensor(x).ndim else as_tensor(x).reshape(1), k)


def _below(name: str, x: Tensor, k: int, strictly: int = 0) -> Array:
    """Where a matrix is below its k-th diagonal, or on it."""
    rows, columns = x.shape[-2:]
    return constant(np.tri(rows, columns, _offset(name, k, rows, columns) - strictly, dtype=bool))


@named
def tril(x: ArrayLike, k: int = 0) -> Tensor:
    """Matrices (the last two axes) with zeros above their k-th diagonal.

    >>> tril(np.ones((2, 2))).data
    array([[1., 0.],
           [1., 1.]])
    """
    x = matrix("tril", x)
    return where(_below("tril", x, k), x, 0)


@named
def triu(x: ArrayLike, k: int = 0) -> Tensor:
    """Matrices (the last two axes) with zeros below their k-th diagonal."""
    x = matrix("triu", x)
    return where(_below("triu", x, k, 1), 0, x)


def _indices(name: str, f: Callable, n: int, k: int, m: int | None) -> tuple[Tensor, Tensor]:
    check(name, INDEX, n=n)
    check(name, INDEX.or_none, m=m)
    columns = n if m is None else m
    rows, cols = f(n, _offset(name, k, n, columns), columns)
    return wrap(dispatch(np.asarray, rows)), wrap(dispatch(np.asarray, cols))


@named
def tril_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Tensor, Tensor]:
    """The rows and the columns of the entries of an n × m matrix on and below its k-th diagonal, as in NumPy.

    >>> rows, columns = tril_indices(2)
    >>> rows.tolist(), columns.tolist()
    ([0, 1, 1], [0, 0, 1])
    """
    return _indices("tril_indices", np.tril_indices, n, k, m)


@named
def triu_indices(n: int, k: int = 0, m: int | None = None) -> tuple[Tensor, Tensor]:
    """The rows and the columns of the entries of an n × m matrix on and above its k-th diagonal, as in NumPy."""
    return _indices("triu_indices", np.triu_indices, n, k, m)


@named
def block_diag(*xs: ArrayLike) -> Tensor:
    """The matrix with the matrices xs along its diagonal and zeros elsewhere; a vector is a row.

    >>> block_diag(np.ones((1, 2)), np.array([[3.0]])).data
    array([[1., 1., 0.],
           [0., 0., 3.]])
    """
    found = [as_tensor(x) for x in xs]
    if not found or any(x.ndim > 2 for x in found):
        raise ValueError(f"block_diag: shapes {[x.shape for x in found]}; give matrices, one or more")
    blocks = [x if x.ndim == 2 else x.reshape(1, -1) for x in found]
    width, before, rows = sum(x.shape[1] for x in blocks), 0, []
    for x in blocks:
        rows.append(pad(x, [(0, 0), (before, width - before - x.shape[1])]))
        before += x.shape[1]
    return concat(rows)
