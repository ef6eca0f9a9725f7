"""Operations that reduce axes: sum is `sum_to` followed by a reshape, and all but max are compositions of it."""

from __future__ import annotations

import math

import numpy as np

from ..errors import check, is_number, named
from ..tape import Array, Tensor, as_array, dispatch, general, primitive, sum_to
from ..typing import ArrayLike
from .elementwise import decision, exp, log, sqrt
from .shape import _reshape, as_tensor, normal_axes

Axis = int | tuple[int, ...] | None


def _kept(x: Tensor, axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if i in axes else n for i, n in enumerate(x.shape))


def _dropped(y: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
    return y if keepdims else _reshape(y, shape=tuple(n for i, n in enumerate(y.shape) if i not in axes))


def _count(name: str, x: Tensor, axes: tuple[int, ...]) -> int:
    n = math.prod(x.shape[a] for a in axes)
    if n == 0:
        raise ValueError(f"{name}: a tensor of shape {x.shape} is empty along axes {axes}; there is nothing to reduce")
    return n


@named
def sum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis` (all axes by default).

    >>> sum(Tensor(np.ones((2, 3))), axis=1).data
    array([3., 3.])
    """
    x = as_tensor(x)
    axes = normal_axes("sum", axis, x.ndim)
    if len(axes) == x.ndim and not keepdims:
        return sum_to(x, shape=())
    return _dropped(sum_to(x, shape=_kept(x, axes)), axes, keepdims)


@named
def mean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis` (all axes by default)."""
    x = as_tensor(x)
    return sum(x, axis, keepdims) / _count("mean", x, normal_axes("mean", axis, x.ndim))


@named
def var(x: ArrayLike, axis: Axis = None, keepdims: bool = False, *, correction: float = 0) -> Tensor:
    """The variance over `axis`: squared deviations from the mean, summed and divided by (count − correction).

    >>> float(var(Tensor(np.array([1.0, 3.0])), correction=1).data)
    2.0
    """
    x = as_tensor(x)
    n = _count("var", x, normal_axes("var", axis, x.ndim))
    check("var", "correction", correction, is_number(correction), "a number")
    if n <= correction:
        raise ValueError(f"var: correction {correction} needs more than {n} entries")
    c = x - mean(x, axis, keepdims=True)
    return sum(c * c, axis, keepdims) / (n - correction)


@named
def std(x: ArrayLike, axis: Axis = None, keepdims: bool = False, *, correction: float = 0) -> Tensor:
    """The standard deviation over `axis`, the root of `var`."""
    return sqrt(var(x, axis, keepdims, correction=correction))


def _shares(x: Array, axes: tuple[int, ...]) -> Array:
    """1/k at each of the k places where x is largest along axes, 0 elsewhere."""
    top = x.real == x.real.max(axis=axes, keepdims=True)
    return top / top.sum(axis=axes, keepdims=True)


@primitive
def _max(x: Array, *, axes: tuple[int, ...]) -> Array:
    if x.dtype.kind != "c":
        return x.max(axis=axes, keepdims=True)
    return np.sum(_shares(x, axes) * x, axis=axes, keepdims=True)


general(
    _max,
    [lambda g, y, x, *, axes: g * decision(dispatch(_shares, x._data, axes), x)],
    [lambda t, y, x, *, axes: sum_to(t * decision(dispatch(_shares, x._data, axes), x), shape=y.shape)],
)
_max.branch = lambda y, x, *, axes: x.real == y.real


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
    return -max(-as_tensor(x), axis, keepdims)


def _top(x: Array, axes: tuple[int, ...]) -> Array:
    top = x.real.max(axis=axes, keepdims=True)
    return np.where(np.isfinite(top), top, 0).astype(top.dtype)


@named
def logsumexp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log Σ eˣ over `axis`, without overflow.

    >>> float(logsumexp(Tensor(np.array([1000.0, 1000.0]))).data)
    1000.6931471805599
    """
    x = as_tensor(x)
    axes = normal_axes("logsumexp", axis, x.ndim)
    _count("logsumexp", x, axes)
    top = dispatch(_top, as_array(x), axes)  # a shift, so a constant: any value is right
    y = log(sum(exp(x - top), axes, keepdims=True)) + top
    return _dropped(y, axes, keepdims)


__all__ = ["logsumexp", "max", "mean", "min", "std", "sum", "var"]
