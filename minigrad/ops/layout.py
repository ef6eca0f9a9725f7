"""Entries in another order, repeated, split and joined: compositions of reshape, broadcast_to, getitem and concat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import INDEX, WHOLE, check
from ..tape import Tensor, as_tensor, broadcast_to, private
from ..typing import ArrayLike
from .indexing import _getitem
from .shape import _ints, _sequence, concat, normal_axes, normal_axis, permute_dims, reshape

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_shapes", "column_stack", "dstack", "flip",
    "fliplr", "flipud", "hstack", "moveaxis", "ravel", "repeat", "roll", "rot90", "split", "swapaxes", "tile", "unflatten",
    "unstack", "vstack",
]  # fmt: skip

_ALL = slice(None)


def along(x: Tensor, axis: int, part: Any) -> Tensor:
    """x[…, part, …], the part being of this axis."""
    return _getitem(x, index=(*[_ALL] * axis, part))


@named
def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that these broadcast to."""
    return np.broadcast_shapes(*shapes)


@named
def broadcast_arrays(*arrays: ArrayLike) -> list[Tensor]:
    """The tensors, all broadcast to one shape."""
    xs = [as_tensor(x) for x in arrays]
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    return [broadcast_to(x, shape=shape) for x in xs]


@named
def moveaxis(x: ArrayLike, source: Any, destination: Any, /) -> Tensor:
    """x with the axes `source` at the places `destination`, the others in their order."""
    x = as_tensor(x)
    old, new = (normal_axes("moveaxis", a, x.ndim) for a in (source, destination))
    if len(old) != len(new):
        raise ValueError(f"moveaxis: source {shown(source)} and destination {shown(destination)} differ in number")
    order = [a for a in range(x.ndim) if a not in old]
    for place, a in sorted(zip(new, old)):
        order.insert(place, a)
    return permute_dims(x, order)


@named
def swapaxes(x: ArrayLike, axis1: int, axis2: int) -> Tensor:
    """x with two axes exchanged."""
    x = as_tensor(x)
    a, b = (normal_axis("swapaxes", n, x.ndim) for n in (axis1, axis2))
    order = list(range(x.ndim))
    order[a], order[b] = b, a
    return permute_dims(x, order)


@named
def ravel(x: ArrayLike) -> Tensor:
    """x as a vector."""
    return reshape(x, (-1,)) if as_tensor(x).size else reshape(x, (0,))


@named
def unflatten(x: ArrayLike, axis: int, sizes: Any) -> Tensor:
    """x with one axis laid out as several, of these sizes, one of which may be −1."""
    x = as_tensor(x)
    axis, sizes = normal_axis("unflatten", axis, x.ndim), list(_ints("unflatten", "sizes", sizes))
    if sizes.count(-1) == 1 and (rest := -math.prod(sizes)) > 0 and x.shape[axis] % rest == 0:
        sizes[sizes.index(-1)] = x.shape[axis] // rest
    if math.prod(sizes) != x.shape[axis] or min(sizes, default=0) < 0:
        raise ValueError(f"unflatten: axis {axis} of {x.shape} has no layout {tuple(sizes)}")
    return reshape(x, (*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))


@named
def flip(x: ArrayLike, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """x with the order of its entries turned round along `axis` (all axes by default)."""
    x = as_tensor(x)
    axes = normal_axes("flip", axis, x.ndim)
    return _getitem(x, index=tuple(slice(None, None, -1) if a in axes else _ALL for a in range(x.ndim)))


@named
def flipud(x: ArrayLike) -> Tensor:
    """x with its first axis turned round."""
    return flip(x, axis=0)


@named
def fliplr(x: ArrayLike) -> Tensor:
    """x with its second axis turned round."""
    return flip(x, axis=1)


@named
def rot90(x: ArrayLike, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    """x turned by k right angles, from the first of two axes to the second."""
    x = as_tensor(x)
    check("rot90", WHOLE, k=k)
    plane = normal_axes("rot90", tuple(axes), x.ndim)
    if len(plane) != 2:
        raise ValueError(f"rot90: axes are {shown(axes)}; give two")
    k %= 4
    if k in (1, 3):
        x = swapaxes(x, *plane)
    turned: Any = {1: plane[0], 2: plane, 3: plane[1]}
    return flip(x, axis=turned[k]) if k else x


@named
def roll(x: ArrayLike, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """x with its entries moved on by `shift` along `axis`, the last ones coming first; without axis, as a vector.

    >>> roll(np.arange(4), 1).tolist()
    [3, 0, 1, 2]
    """
    x = as_tensor(x)
    if axis is None:
        return reshape(_rolled(ravel(x), 0, sum(_ints("roll", "shift", shift))), x.shape)
    axes = [normal_axis("roll", a, x.ndim) for a in _ints("roll", "axis", axis)]
    shifts = _ints("roll", "shift", shift)
    if len(shifts) == 1:
        shifts *= len(axes)
    if len(shifts) != len(axes):
        raise ValueError(f"roll: shift {shown(shift)} and axis {shown(axis)} differ in number")
    for n, a in zip(shifts, axes):
        x = _rolled(x, a, n)
    return x


def _rolled(x: Tensor, axis: int, shift: int) -> Tensor:
    at = -shift % max(x.shape[axis], 1)
    return concat([along(x, axis, slice(at, None)), along(x, axis, slice(0, at))], axis) if at else x


@named
def tile(x: ArrayLike, repetitions: int | tuple[int, ...], /) -> Tensor:
    """Copies of x side by side, as many along each axis as `repetitions` says.

    >>> tile(np.array([1, 2]), (2, 2)).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    x, times = as_tensor(x), _ints("tile", "repetitions", repetitions)
    if min(times, default=0) < 0:
        raise ValueError(f"tile: repetitions are {times}; they must be ≥ 0")
    n = max(x.ndim, len(times))
    shape, times = (1,) * (n - x.ndim) + x.shape, (1,) * (n - len(times)) + times
    spread = reshape(x, tuple(m for size in shape for m in (1, size)))
    spread = broadcast_to(spread, shape=tuple(m for pair in zip(times, shape) for m in pair))
    return reshape(spread, tuple(t * size for t, size in zip(times, shape)))


@named
def repeat(x: ArrayLike, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Each entry of x along `axis` so many times in a row: a number for all, or one for each; without axis, as a vector."""
    x = as_tensor(x)
    x, axis = (ravel(x), 0) if axis is None else (x, normal_axis("repeat", axis, x.ndim))
    times = private(repeats)
    if times.dtype.kind not in "iu" or times.ndim > 1 or (times < 0).any():
        raise ValueError(f"repeat: repeats are {shown(repeats)}; they must be whole numbers ≥ 0")
    if times.size == 1:
        n = int(times.reshape(()))
        shape = (*x.shape[: axis + 1], 1, *x.shape[axis + 1 :])
        wide = broadcast_to(reshape(x, shape), shape=(*shape[: axis + 1], n, *shape[axis + 2 :]))
        return reshape(wide, (*x.shape[:axis], x.shape[axis] * n, *x.shape[axis + 1 :]))
    if times.size != x.shape[axis]:
        raise ValueError(f"repeat: {times.size} repeats for axis {axis} of {x.shape}")
    return along(x, axis, np.repeat(np.arange(x.shape[axis]), times))


@named
def unstack(x: ArrayLike, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The tensors that x is a stack of, along `axis`."""
    x = as_tensor(x)
    axis = normal_axis("unstack", axis, x.ndim)
    return tuple(along(x, axis, i) for i in range(x.shape[axis]))


@named
def split(x: ArrayLike, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Parts of x along `axis`, as NumPy's: a number of equal parts, or the places at which to cut.

    PyTorch's split takes the size of a part: that is `x.chunk`, or a list of places here.
    """
    x = as_tensor(x)
    axis = normal_axis("split", axis, x.ndim)
    n = x.shape[axis]
    if INDEX.holds(indices_or_sections):
        parts = int(indices_or_sections)
        if not parts or n % parts:
            raise ValueError(f"split: axis {axis} of {x.shape} has no {parts} equal parts")
        cuts = [n // parts * i for i in range(1, parts)]
    else:
        cuts = list(_ints("split", "indices_or_sections", indices_or_sections))
    return [along(x, axis, slice(a, b)) for a, b in zip([0, *cuts], [*cuts, n])]


def _at_least(n: int) -> Any:
    def function(x: ArrayLike) -> Tensor:
        x = as_tensor(x)
        if n == 3 and x.ndim in (1, 2):
            return reshape(x, (1, *x.shape, 1) if x.ndim == 1 else (*x.shape, 1))
        return reshape(x, (1,) * (n - x.ndim) + x.shape)

    function.__name__ = function.__qualname__ = f"atleast_{n}d"
    function.__doc__ = f"x with axes of length 1 added, as NumPy adds them, until there are {n}."
    return named(function)


atleast_1d, atleast_2d, atleast_3d = map(_at_least, (1, 2, 3))


@named
def hstack(xs: Sequence[Any]) -> Tensor:
    """The tensors one after another along their second axis, or vectors along their only one."""
    rows = [atleast_1d(x) for x in _sequence("hstack", xs)]
    return concat(rows, 0 if rows and rows[0].ndim == 1 else 1)


@named
def vstack(xs: Sequence[Any]) -> Tensor:
    """The tensors one after another along their first axis, vectors as rows."""
    return concat([atleast_2d(x) for x in _sequence("vstack", xs)], 0)


@named
def dstack(xs: Sequence[Any]) -> Tensor:
    """The tensors one after another along their third axis."""
    return concat([atleast_3d(x) for x in _sequence("dstack", xs)], 2)


@named
def column_stack(xs: Sequence[Any]) -> Tensor:
    """Vectors as the columns of a matrix, beside matrices."""
    found = [reshape(x, (x.size, 1)) if x.ndim < 2 else x for x in _sequence("column_stack", xs)]
    return concat(found, 1)
