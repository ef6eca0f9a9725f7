"""Operations that move entries without changing them. All are linear; their adjoints come in pairs.

reshape and reshape, permute_dims and its inverse, pad and crop, concat and crop, broadcast_to and sum_to.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import INDEX, SWITCH, WHOLE, check, choice, instance
from ..tape import ENTRIES, Array, Tensor, broadcast_to, dispatch, linear, primitive
from ..tape import as_tensor as as_tensor
from ..typing import ArrayLike
from .elementwise import where
from .taps import copied

__all__ = [
    "broadcast_to", "concat", "crop", "expand_dims", "flatten", "matrix_transpose", "pad", "permute_dims", "reshape",
    "squeeze", "stack",
]  # fmt: skip


def _ints(name: str, what: str, given: Any) -> tuple[int, ...]:
    """An int, or a sequence of ints, NumPy's included, as a tuple of ints, or an error in op's name."""
    several = isinstance(given, (tuple, list, range)) or (isinstance(given, np.ndarray) and given.ndim)
    none: Any = None  # what True counts as: it is an int, but no axis and no length
    try:
        entries: Any = given if several else (given,)
        return tuple([operator.index(none if type(n) is bool else n) for n in entries])
    except TypeError:
        raise TypeError(f"{name}: {what} is {shown(given)}; it must be an int or a sequence of ints") from None


def normal_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """`axis` (None, an int or a tuple of ints) as a tuple of distinct non-negative ints, or an error in op's name."""
    if axis is None:
        return tuple(range(ndim))
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    axes = _ints(name, "axis", axis)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"{name}: axis {a} is out of range for a tensor of {ndim} axes")
    axes = tuple(a % ndim for a in axes)
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis twice")
    return axes


def normal_axis(name: str, axis: Any, ndim: int) -> int:
    """The same of one axis."""
    axes = normal_axes(name, axis, ndim)
    if len(axes) != 1:
        raise ValueError(f"{name}: axis is {shown(axis)}; it must be one int")
    return axes[0]


@primitive
def _reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


linear(_reshape, lambda g, y, x, *, shape: _reshape(g, shape=x.shape))


def _in_place(x: Array, shape: tuple[int, ...]) -> bool:
    return not x.size or np.may_share_memory(x, x.reshape(shape))


@named
def reshape(x: ArrayLike, shape: int | Sequence[int], *, copy: bool | None = None) -> Tensor:
    """x with its entries, in row-major order, laid out in `shape`; one size may be −1.

    It lies in x's memory where it can; with `copy` never, and with copy=False it raises ValueError where it cannot.

    >>> reshape(Tensor(np.arange(6.0)), (2, -1)).shape
    (2, 3)
    """
    x = as_tensor(x)
    shape = _ints("reshape", "shape", shape)
    known = math.prod(n for n in shape if n != -1)
    size = math.prod(x.shape)
    fits = size == known if -1 not in shape else shape.count(-1) == 1 and known > 0 and size % known == 0
    if not fits or min(shape, default=0) < -1:
        raise ValueError(f"reshape: a tensor of shape {x.shape} has {x.size} entries; they do not fill {shape}")
    check("reshape", SWITCH.or_none, copy=copy)
    if copy is False and not dispatch(_in_place, x, shape):
        raise ValueError(f"reshape: a tensor of shape {x.shape} cannot become {shape} without a copy; give copy=None")
    return _reshape(where(np.True_, x, x) if copy else x, shape=shape)


@named
def flatten(x: ArrayLike, start: int = 0, end: int = -1) -> Tensor:
    """x with the axes from `start` to `end` made one: flatten(x, 1) keeps the batch axis."""
    x = as_tensor(x)
    if not x.ndim:
        return reshape(x, (1,))
    start, end = (normal_axis("flatten", a, x.ndim) for a in (start, end))
    if start > end:
        raise ValueError(f"flatten: start is {start}, end {end}; axes go from the first to the last")
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


@named
def squeeze(x: ArrayLike, axis: int | tuple[int, ...]) -> Tensor:
    """x without the named axes, which must have length 1."""
    x = as_tensor(x)
    axes = normal_axes("squeeze", axis, x.ndim)
    if any(x.shape[a] != 1 for a in axes):
        raise ValueError(f"squeeze: axis {axis} of a tensor of shape {x.shape} is not of length 1")
    return _reshape(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in axes))


@named
def expand_dims(x: ArrayLike, axis: int | tuple[int, ...]) -> Tensor:
    """x with a new axis of length 1 at position `axis` of the result, or at each of several."""
    x = as_tensor(x)
    new = _ints("expand_dims", "axis", axis)
    axes = normal_axes("expand_dims", new, x.ndim + len(new))
    sizes = iter(x.shape)
    return _reshape(x, shape=tuple(1 if a in axes else next(sizes) for a in range(x.ndim + len(new))))


@primitive
def _permute_dims(x: Array, *, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes)


linear(_permute_dims, lambda g, y, x, *, axes: _permute_dims(g, axes=tuple(np.argsort(axes))))


@named
def permute_dims(x: ArrayLike, axes: Sequence[int]) -> Tensor:
    """x with its axes in the order `axes`.

    >>> permute_dims(Tensor(np.ones((2, 3, 4))), (2, 0, 1)).shape
    (4, 2, 3)
    """
    x = as_tensor(x)
    axes = _ints("permute_dims", "axes", axes)
    if len(axes) != x.ndim:
        raise ValueError(f"permute_dims: axes {axes} must name each of the {x.ndim} axes of {x.shape} once")
    return _permute_dims(x, axes=normal_axes("permute_dims", axes, x.ndim))


@named
def matrix_transpose(x: ArrayLike) -> Tensor:
    """x with its last two axes swapped."""
    x = as_tensor(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: a tensor of shape {x.shape} has no two axes to swap")
    return swapped(x)


def swapped(x: Tensor) -> Tensor:
    """The same, of a tensor that has them, for rules."""
    n = x.ndim
    return _permute_dims(x, axes=(1, 0) if n == 2 else (*range(n - 2), n - 1, n - 2))


@primitive
def _pad(x: Array, *, widths: tuple[tuple[int, int], ...]) -> Array:
    shape = tuple(a + n + b for (a, b), n in zip(widths, x.shape))
    y = np.zeros_like(x, shape=shape)  # in x's memory order, which np.pad would not keep
    y[tuple(slice(a, a + n) for (a, _), n in zip(widths, x.shape))] = x
    return y


@primitive
def _crop(x: Array, *, widths: tuple[tuple[int, int], ...]) -> Array:
    return x[tuple(slice(a, n - b) for (a, b), n in zip(widths, x.shape))]


_reshape.may_alias = _permute_dims.may_alias = _crop.may_alias = True
_reshape.numbers = _permute_dims.numbers = _crop.numbers = _pad.numbers = ENTRIES


linear(_pad, lambda g, y, x, *, widths: _crop(g, widths=widths))
linear(_crop, lambda g, y, x, *, widths: _pad(g, widths=widths))


def _widths(name: str, widths: Any, x: Tensor) -> tuple[tuple[int, int], ...]:
    """(before, after) for each axis: as in np.pad, a number or a pair may stand for all of them."""
    widths = widths.tolist() if isinstance(widths, np.ndarray) else widths
    each = list(widths) if isinstance(widths, (list, tuple)) else [widths]
    if len(each) == 2 and all(map(WHOLE.holds, each)):
        each = [each]
    if len(each) == 1:
        each *= x.ndim
    pairs = [(w, w) if WHOLE.holds(w) else tuple(w) if isinstance(w, (list, tuple)) else () for w in each]
    if len(pairs) != x.ndim or any(len(w) != 2 or not all(map(INDEX.holds, w)) for w in pairs):
        raise ValueError(
            f"{name}: widths {shown(widths)} do not fit shape {x.shape}; give a whole number ≥ 0, a pair of them "
            "(before, after), or one of these for each axis"
        )
    return tuple((int(a), int(b)) for a, b in pairs)


REAL = instance(Real, "a number")  # infinite ones, too
MODES = choice("constant", "edge", "reflect", "symmetric", "wrap", "replicate", "circular")
_NUMPYS = {"replicate": "edge", "circular": "wrap"}  # PyTorch's names


@named
def pad(x: ArrayLike, widths: Any, mode: str = "constant", value: float = 0) -> Tensor:
    """x with entries around it: `widths` is a number, a pair (before, after), or one of these for each axis.

    As in NumPy, two numbers are a pair, for all axes. mode is 'constant' (with `value`), 'edge' or 'replicate' (the last
    entry), 'reflect' (mirrored at it), 'symmetric' (mirrored behind it), 'wrap' or 'circular' (from the other side).

    >>> pad(Tensor(np.array([1.0])), (1, 2)).data
    array([0., 1., 0., 0.])
    >>> pad(Tensor(np.array([1.0, 2.0, 3.0])), 2, "reflect").data
    array([3., 2., 1., 2., 3., 2., 1.])
    >>> pad(Tensor(np.ones((2, 2))), 1).shape, pad(Tensor(np.ones((2, 2))), [(1, 0), 2]).shape
    ((4, 4), (3, 6))
    """
    x = as_tensor(x)
    check("pad", MODES, mode=mode)
    check("pad", REAL, value=value)
    widths = _widths("pad", widths, x)
    if mode == "constant":
        y = _pad(x, widths=widths)
        return where(dispatch(_outside, x, widths), value, y) if value else y
    for axis, (n, around) in enumerate(zip(x.shape, widths)):
        if any(around):
            if not n:
                raise ValueError(f"pad: shape {x.shape} has no entries along axis {axis} to pad with in mode {mode!r}")
            x = copied(x, axis, n + sum(around), _places_around, around, _NUMPYS.get(mode, mode))
    return x


def _places_around(size: int, n: int, around: tuple[int, int], mode: Any) -> Array:
    return np.pad(np.arange(size), around, mode)


def _outside(x: Array, widths: tuple[tuple[int, int], ...]) -> Array:
    """Where the padding is, broadcast along axes that have none."""
    padded = [n if any(w) else 1 for n, w in zip(x.shape, widths)]
    return np.pad(np.zeros(padded, bool), widths, constant_values=True)


@named
def crop(x: ArrayLike, widths: Any) -> Tensor:
    """x without its borders: the adjoint of `pad` with the same widths."""
    x = as_tensor(x)
    widths = _widths("crop", widths, x)
    if any(sum(w) > n for w, n in zip(widths, x.shape)):
        raise ValueError(f"crop: widths {widths} take more than there is of shape {x.shape}")
    return _crop(x, widths=widths)


@primitive
def _concat(*xs: Array, axis: int) -> Array:
    return np.concatenate(xs, axis)


def _concat_adjoint(i: int, g: Tensor, y: Tensor, *xs: Tensor, axis: int) -> Tensor:
    before = sum(x.shape[axis] for x in xs[:i])
    after = g.shape[axis] - before - xs[i].shape[axis]
    return _crop(g, widths=tuple((before, after) if a == axis else (0, 0) for a in range(g.ndim)))


linear(_concat, _concat_adjoint, jointly=True)
_concat.numbers = ENTRIES


@named
def concat(xs: Sequence[Any], axis: int | None = 0) -> Tensor:
    """The tensors xs one after another along `axis`; their other axes must agree. Without axis, as vectors.

    >>> concat([Tensor(np.ones((2, 3))), Tensor(np.ones((1, 3)))]).shape
    (3, 3)
    """
    xs = _sequence("concat", xs)
    if not xs:
        raise ValueError("concat: there is nothing to join; give at least one tensor")
    if axis is None:
        xs, axis = [_reshape(x, shape=(math.prod(x.shape),)) for x in xs], 0
    shapes = [x.shape for x in xs]
    axis = normal_axis("concat", axis, xs[0].ndim)
    if len({(*s[:axis], *s[axis + 1 :]) for s in shapes}) > 1:
        raise ValueError(f"concat: shapes {shapes} must agree in every axis but axis {axis}")
    return _concat(*xs, axis=axis)


@named
def stack(xs: Sequence[Any], axis: int = 0) -> Tensor:
    """The tensors xs, all of one shape, along a new axis at position `axis`."""
    xs = _sequence("stack", xs)
    shapes = [x.shape for x in xs]
    if len(set(shapes)) > 1:
        raise ValueError(f"stack: shapes {shapes} must be the same")
    return concat([expand_dims(x, axis) for x in xs], axis)


def _sequence(name: str, xs: Any) -> list[Tensor]:
    if isinstance(xs, (str, bytes, dict)) or not (isinstance(xs, Iterable) or hasattr(xs, "__getitem__")):
        raise TypeError(f"{name}: xs is {shown(xs)}; it must be a sequence of tensors")
    return [as_tensor(x) for x in xs]
