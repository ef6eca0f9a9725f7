"""Entries taken by their places along an axis, and put or added there: compositions of indexing and of `x.at`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import COUNT, check, whole
from ..tape import Array, Tensor, as_tensor, broadcast_to, look, private, rounded_once, wrap
from ..typing import ArrayLike
from .entries import add_at, set_at
from .indexing import _getitem
from .layout import ravel
from .shape import normal_axis, reshape

__all__ = [
    "gather", "index_add", "index_copy", "index_fill", "one_hot", "scatter", "scatter_add", "take", "take_along_axis",
]  # fmt: skip


def _places(name: str, index: Any, x: Tensor, axis: int) -> Array:
    """Indices as whole numbers within the axis, that nobody else can change."""
    at = private(index)
    if at.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices are {shown(index)}, of dtype {at.dtype}; they must be integers")
    n = x.shape[axis] if x.ndim else 1
    if at.size and not -n <= at.min() <= at.max() < n:
        raise IndexError(f"{name}: indices go from {at.min()} to {at.max()}; axis {axis} of {x.shape} has {n} entries")
    return at


@named
def take(x: ArrayLike, indices: ArrayLike, /, *, axis: int | None = None) -> Tensor:
    """The entries of x at these places along `axis`; without axis, of x as a vector.

    >>> take(np.array([10.0, 20.0, 30.0]), [2, 0]).tolist()
    [30.0, 10.0]
    """
    x = as_tensor(x)
    x, axis = (ravel(x), 0) if axis is None else (x, normal_axis("take", axis, x.ndim))
    return _getitem(x, index=(*[slice(None)] * axis, _places("take", indices, x, axis)))


def _grid(at: Array, axis: int) -> tuple[Any, ...]:
    """An index that names, for each place, that place along the axis and its own along the others."""
    grid: list[Any] = list(np.ogrid[tuple(map(slice, at.shape))])
    grid[axis] = at
    return tuple(grid)


@named
def take_along_axis(x: ArrayLike, indices: ArrayLike, /, *, axis: int = -1) -> Tensor:
    """The entries of x at places along `axis`, one list for each of the other places: what `argsort` gives sorts x."""
    x = as_tensor(x)
    axis = normal_axis("take_along_axis", axis, x.ndim)
    at = _places("take_along_axis", indices, x, axis)
    if at.ndim != x.ndim:
        raise ValueError(f"take_along_axis: x has shape {x.shape}, indices {at.shape}; they must have as many axes")
    others = [m if a == axis else np.broadcast_shapes((n,), (m,))[0] for a, (n, m) in enumerate(zip(x.shape, at.shape))]
    whole_x = [*others]
    whole_x[axis] = x.shape[axis]
    at = np.broadcast_to(at, others)
    return _getitem(broadcast_to(x, shape=tuple(whole_x)), index=_grid(at, axis))


def _fitting(name: str, x: ArrayLike, axis: int, index: Any) -> tuple[Tensor, tuple[Any, ...], Array]:
    """x with axes, the index as one of all of them, and as given. A number is a vector of one; no places fit anywhere."""
    x = as_tensor(x)
    x = x if x.ndim else reshape(x, (1,))
    axis = normal_axis(name, axis, x.ndim)
    given = _places(name, index, x, axis)
    at = given.reshape(given.shape or (1,)) if given.size else given.reshape((0,) * x.ndim)
    if at.ndim != x.ndim or any(m > n for a, (m, n) in enumerate(zip(at.shape, x.shape)) if a != axis):
        raise ValueError(f"{name}: x has shape {x.shape}, index {at.shape}; it must fit into x but along axis {axis}")
    return x, _grid(at, axis), given


@named
def gather(x: ArrayLike, axis: int, index: ArrayLike) -> Tensor:
    """x[…, index[…, i, …], …]: the entries at places along `axis`; the index may be smaller than x along other axes."""
    x, grid, at = _fitting("gather", x, axis, index)
    return reshape(_getitem(x, index=grid), at.shape)


def _source(name: str, source: Any, at: Array) -> Any:
    """As much of the source as there are places."""
    if isinstance(source, int | float):
        return source
    source = as_tensor(source)
    if not source.ndim:
        return source
    if source.ndim != at.ndim or any(n < m for n, m in zip(source.shape, at.shape)):
        raise ValueError(
            f"{name}: the source has shape {source.shape}, index {at.shape}; there must be an entry for each"
        )
    return _getitem(source, index=tuple(slice(0, m) for m in at.shape))


@named
def scatter(x: ArrayLike, axis: int, index: ArrayLike, source: ArrayLike) -> Tensor:
    """x with the source's entries at places along `axis`, the last one where several meet: the reverse of `gather`."""
    y, grid, at = _fitting("scatter", x, axis, index)
    return reshape(set_at(y, grid, _source("scatter", source, at)), np.shape(x))


@named
def scatter_add(x: ArrayLike, axis: int, index: ArrayLike, source: ArrayLike) -> Tensor:
    """x with the source's entries added at places along `axis`: the adjoint of `gather`."""
    y, grid, at = _fitting("scatter_add", x, axis, index)
    return reshape(add_at(y, grid, _source("scatter_add", source, at)), np.shape(x))


def _line(name: str, x: Tensor, axis: int, index: Any) -> tuple[Any, ...]:
    axis = normal_axis(name, axis, x.ndim)
    at = _places(name, index, x, axis)
    if at.ndim > 1:
        raise ValueError(f"{name}: index has shape {at.shape}; it must be a vector")
    return (*[slice(None)] * axis, at.reshape(-1))


@named
def index_add(x: ArrayLike, axis: int, index: ArrayLike, source: ArrayLike, *, alpha: float = 1) -> Tensor:
    """x with alpha times slices of the source added at places along `axis`."""
    x = as_tensor(x)
    line = _line("index_add", x, axis, index)
    return rounded_once(lambda x, source: add_at(x, line, source if alpha == 1 else alpha * source))(
        x, as_tensor(source)
    )


@named
def index_copy(x: ArrayLike, axis: int, index: ArrayLike, source: ArrayLike) -> Tensor:
    """x with slices of the source at places along `axis`."""
    x = as_tensor(x)
    return set_at(x, _line("index_copy", x, axis, index), source)


@named
def index_fill(x: ArrayLike, axis: int, index: ArrayLike, value: ArrayLike) -> Tensor:
    """x with one value at places along `axis`."""
    x = as_tensor(x)
    return set_at(x, _line("index_fill", x, axis, index), value)


@named
def one_hot(x: ArrayLike, num_classes: int = -1) -> Tensor:
    """Classes as rows of zeros with a one: x.shape + (num_classes,), int64; −1 is as many as there are in x.

    >>> one_hot([1, 0]).tolist()
    [[0, 1], [1, 0]]
    """
    labels = private(x)
    check("one_hot", whole(-1), num_classes=num_classes)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: x is {shown(x)}, of dtype {labels.dtype}; classes are integers")
    if num_classes == -1:
        if not labels.size:
            raise ValueError("one_hot: x is empty; give num_classes")
        look("how many classes there are depends on values")
        num_classes = int(labels.max()) + 1
    check("one_hot", COUNT, num_classes=num_classes)
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(f"one_hot: x goes from {labels.min()} to {labels.max()}; there are {num_classes} classes")
    return wrap((labels[..., None] == np.arange(num_classes)).astype(np.int64))
