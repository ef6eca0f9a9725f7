"""Operations that reduce axes: sum is `sum_to` followed by a reshape, and all but max are compositions of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .. import kernels
from ..errors import named
from ..ranges import NUMBER, SWITCH, check
from ..tape import ENTRIES, FLOATS, Array, Tensor, dispatch, general, in_floats, primitive, sum_to, wrap
from ..typing import ArrayLike, DTypeLike
from .elementwise import _is_zero, decision, neg, where
from .shape import _reshape, as_tensor, normal_axes

__all__ = ["all", "any", "logsumexp", "max", "mean", "min", "std", "sum", "var"]

Axis = int | tuple[int, ...] | None


def _kept(x: Tensor, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else n for i, n in enumerate(x.shape))


def _dropped(y: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return y if keepdims else _reshape(y, shape=tuple(n for i, n in enumerate(y.shape) if i not in axes))


def _count(name: str, x: Tensor, axes: tuple[int, ...]) -> int:
    n = math.prod(x.shape) if len(axes) == x.ndim else math.prod([x.shape[a] for a in axes])
    if n == 0:
        raise ValueError(f"{name}: a tensor of shape {x.shape} is empty along axes {axes}; there is nothing to reduce")
    return n


@named
def sum(x: ArrayLike, axis: Axis = None, keepdims: bool = False, *, dtype: DTypeLike | None = None) -> Tensor:
    """The sum over `axis` (all axes by default), of x in another dtype if given.

    >>> sum(Tensor(np.ones((2, 3))), axis=1).data
    array([3., 3.])
    """
    x = as_tensor(x) if dtype is None else as_tensor(x).astype(dtype)
    return _sum(x, normal_axes("sum", axis, x.ndim), keepdims)


def _sum(x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    if x.dtype.kind in "biu" and _kept(x, axes) == x.shape:
        x = x + np.zeros((), np.int64)  # as all sums of integers
    if len(axes) == x.ndim and not keepdims:
        return sum_to(x, shape=())
    return _dropped(sum_to(x, shape=_kept(x, axes)), axes, keepdims)


@named
def mean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis` (all axes by default)."""
    x = as_tensor(x)
    if x.dtype.char not in FLOATS:
        return in_floats(mean, x, axis=axis, keepdims=keepdims)
    axes = normal_axes("mean", axis, x.ndim)
    return _sum(x, axes, keepdims) / _count("mean", x, axes)


@named
def var(x: ArrayLike, axis: Axis = None, keepdims: bool = False, *, correction: float = 0) -> Tensor:
    """The variance over `axis`: squared deviations from the mean, summed and divided by (count − correction).

    >>> float(var(Tensor(np.array([1.0, 3.0])), correction=1).data)
    2.0
    """
    x = as_tensor(x)
    if x.dtype.char not in FLOATS:
        return in_floats(var, x, axis=axis, keepdims=keepdims, correction=correction)
    n = _count("var", x, normal_axes("var", axis, x.ndim))
    check("var", NUMBER, correction=correction)
    if n <= correction:
        raise ValueError(f"var: correction {correction} needs more than {n} entries")
    c = x - mean(x, axis, keepdims=True)
    return sum(c * c, axis, keepdims) / (n - correction)


@primitive
def _std(x: Array, *, axes: tuple[int, ...], degrees: float) -> Array:
    c = x - x.mean(axis=axes, keepdims=True)
    size = np.abs(c.real).max(axis=axes, keepdims=True)
    # in units of its size, a normal power of two, squares of c are in range, and digits stay
    unit = np.maximum(np.ldexp(np.ones_like(size), np.frexp(size)[1] - 1), np.finfo(size.dtype).tiny)
    return np.where(size == 0, 0, unit * np.sqrt(np.sum((c / unit) ** 2, axis=axes, keepdims=True) / degrees))


def _slope_of_std(y: Tensor, x: Tensor, axes: tuple[int, ...], degrees: float) -> Tensor:
    equal = dispatch(_is_zero, y._data)
    return where(equal, 0, x - mean(x, axes, keepdims=True)) / where(equal, 1, y) / degrees


general(
    _std,
    [lambda g, y, x, **k: g * _slope_of_std(y, x, **k)],
    [lambda t, y, x, *, axes, degrees: sum(t * _slope_of_std(y, x, axes, degrees), axes, keepdims=True)],
)


@named
def std(x: ArrayLike, axis: Axis = None, keepdims: bool = False, *, correction: float = 0) -> Tensor:
    """The standard deviation over `axis`, the root of `var`; derivative 0 where all entries are equal."""
    x = as_tensor(x)
    axes = normal_axes("std", axis, x.ndim)
    n = _count("std", x, axes)
    if n <= correction:
        raise ValueError(f"std: correction {correction} needs more than {n} entries")
    return _dropped(_std(x, axes=axes, degrees=n - correction), axes, keepdims)


def _of_all(name: str, f: Callable) -> Callable:
    def value(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        return np.asarray(f(x.real, axis=axes, keepdims=keepdims))

    def function(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
        x = as_tensor(x)
        check(name, SWITCH, keepdims=keepdims)
        return wrap(dispatch(value, x, normal_axes(name, axis, x.ndim), keepdims))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Whether {name} of the entries over `axis` (all axes by default) are true; without a derivative."
    )
    return named(function)


all, any = _of_all("all", np.all), _of_all("any", np.any)


def _shares(x: Array, axes: tuple[int, ...]) -> Array:
    """1/k at each of the k places where x is largest along axes, or NaN, 0 elsewhere."""
    top = (x.real == x.real.max(axis=axes, keepdims=True)) | np.isnan(x.real)
    return top / top.sum(axis=axes, keepdims=True)


@primitive
def _max(x: Array, *, axes: tuple[int, ...]) -> Array:
    if x.dtype.kind != "c":
        return x.max(axis=axes, keepdims=True)
    shares = _shares(x, axes)
    return np.sum(shares * np.where(shares == 0, 0, x), axis=axes, keepdims=True)


general(
    _max,
    [lambda g, y, x, *, axes: g * decision(dispatch(_shares, x._data, axes), x)],
    [lambda t, y, x, *, axes: sum_to(t * decision(dispatch(_shares, x._data, axes), x), shape=y.shape)],
)
_max.branch = lambda y, x, *, axes: x.real == y.real
_max.numbers = ENTRIES


@named
def max(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest entry over `axis` (all axes by default); tied entries share the gradient equally.

    >>> float(max(Tensor(np.array([1.0, 5.0, 2.0]))).data)
    5.0
    """
    x = as_tensor(x)
    axes = normal_axes("max", axis, x.ndim)
    _count("max", x, axes)
    return _dropped(_max(x, axes=axes), axes, keepdims)


@named
def min(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest entry over `axis` (all axes by default); tied entries share the gradient equally."""
    x = as_tensor(x)
    turned = _inverted if x.dtype.kind in "biu" else neg
    return turned(max(turned(x), axis, keepdims))


def _inverted(x: Tensor) -> Tensor:
    """−x − 1 of integers, ¬x of booleans: it turns their order round, and they can hold it."""
    return wrap(dispatch(np.invert, x))


@primitive
def _softmax(x: Array, *, axes: tuple[int, ...]) -> Array:
    if axes == (x.ndim - 1,) and x.size:
        return kernels.softmax_rows(x)
    z = np.exp(kernels.plain.from_top(x, axes))
    return z / z.sum(axes, keepdims=True)


@primitive
def _along_softmax(u: Array, y: Array, *, axes: tuple[int, ...]) -> Array:
    """(diag y − y yᵀ) u: the Jacobian of softmax is symmetric, so one rule serves both walks."""
    if axes == (y.ndim - 1,) and y.size:
        return kernels.softmax_rows_backward(u, y)
    return y * (u - (u * y).sum(axes, keepdims=True))


def _less_mean(u: Tensor, y: Tensor, axes: tuple[int, ...]) -> Tensor:
    return u - sum(u * y, axes, keepdims=True)


general(
    _softmax,
    [lambda g, y, x, *, axes: _along_softmax(g, y, axes=axes)],
    [lambda t, y, x, *, axes: _along_softmax(t, y, axes=axes)],
)
general(
    _along_softmax,
    [
        lambda g, z, u, y, *, axes: _along_softmax(g, y, axes=axes),
        lambda g, z, u, y, *, axes: g * _less_mean(u, y, axes) - u * sum(g * y, axes, keepdims=True),
    ],
    [
        lambda t, z, u, y, *, axes: _along_softmax(t, y, axes=axes),
        lambda t, z, u, y, *, axes: t * _less_mean(u, y, axes) - y * sum(u * t, axes, keepdims=True),
    ],
)


@primitive
def _logsumexp(x: Array, *, axes: tuple[int, ...]) -> Array:
    top = x.real.max(axis=axes, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)  # a shift: any value is right
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - top).sum(axes, keepdims=True)) + top


def _counting(y: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Softmax, the derivative of logsumexp; 0 where no entry counts, all being −∞."""
    none = dispatch(_is_minus_infinity, y._data)
    return where(none, 0, _softmax(where(none, 0, x), axes=axes))


def _is_minus_infinity(y: Array) -> Array:
    return y.real == -np.inf


general(
    _logsumexp,
    [lambda g, y, x, *, axes: g * _counting(y, x, axes)],
    [lambda t, y, x, *, axes: sum(t * _counting(y, x, axes), axes, keepdims=True)],
)


@named
def logsumexp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log Σ eˣ over `axis`, without overflow.

    >>> float(logsumexp(Tensor(np.array([1000.0, 1000.0]))).data)
    1000.6931471805599
    """
    x = as_tensor(x)
    axes = normal_axes("logsumexp", axis, x.ndim)
    _count("logsumexp", x, axes)
    return _dropped(_logsumexp(x, axes=axes), axes, keepdims)
