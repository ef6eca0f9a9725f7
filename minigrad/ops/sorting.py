"""Order: sorting, searching and quantiles, which pick entries, and sets.

What is picked has a derivative, that of `take_along_axis` at places that do not move; places and sets have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import named, shown
from ..ranges import COUNT, INDEX, SWITCH, UNIT, check, choice
from ..tape import Array, Tensor, as_array, as_tensor, dispatch, in_floats, look, wrap
from ..typing import ArrayLike
from .elementwise import where
from .gather import take_along_axis
from .layout import moveaxis, ravel
from .reduce import sum
from .shape import _reshape, expand_dims, normal_axes, normal_axis, reshape
from .transcendental import lerp

__all__ = [
    "argmax", "argmin", "argsort", "argwhere", "bincount", "bucketize", "count_nonzero", "isin", "kthvalue", "median", "mode",
    "msort", "nanmedian", "nanquantile", "nonzero", "quantile", "searchsorted", "sort", "topk", "unique_all",
    "unique_counts", "unique_inverse", "unique_values",
]  # fmt: skip


class Found(NamedTuple):
    """Entries, and the places along the axis where they were."""

    values: Tensor
    indices: Tensor


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Tensor
    inverse_indices: Tensor


def _order(x: Array, axis: int, descending: bool) -> Array:
    """The places that sort x, stable; NaN counts as largest."""
    if not descending:
        return np.argsort(x.real, axis, stable=True)
    turned = np.argsort(np.flip(x.real, axis), axis, stable=True)
    return np.flip(x.shape[axis] - 1 - turned, axis)


def _ordered(name: str, x: ArrayLike, axis: int, descending: bool, stable: bool) -> tuple[Tensor, Tensor, int]:
    x = as_tensor(x)
    check(name, SWITCH, descending=descending, stable=stable)
    axis = normal_axis(name, axis, x.ndim)
    return x, wrap(dispatch(_order, x, axis, descending)), axis


@named
def argsort(x: ArrayLike, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The places along `axis` that sort x. It is always stable: entries that are equal keep their order."""
    return _ordered("argsort", x, axis, descending, stable)[1]


@named
def sort(x: ArrayLike, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The entries of x in order along `axis`; NaN counts as largest. The derivative goes to where each came from.

    >>> sort(np.array([2.0, 1.0, 3.0]), descending=True).tolist()
    [3.0, 2.0, 1.0]
    """
    x, order, axis = _ordered("sort", x, axis, descending, stable)
    return take_along_axis(x, order, axis=axis)


@named
def msort(x: ArrayLike) -> Tensor:
    """x sorted along its first axis."""
    return sort(x, axis=0)


@named
def topk(x: ArrayLike, k: int, axis: int = -1, largest: bool = True, sorted: bool = True) -> Found:
    """The k largest or smallest entries along `axis`, in order, and their places.

    >>> topk(np.array([2.0, 1.0, 3.0]), 2).values.tolist()
    [3.0, 2.0]
    """
    check("topk", INDEX, k=k)
    check("topk", SWITCH, largest=largest, sorted=sorted)
    x = as_tensor(x)
    if not x.ndim:
        return Found(x, wrap(np.array(0)))
    axis = normal_axis("topk", axis, x.ndim)
    if k > x.shape[axis]:
        raise ValueError(f"topk: k is {k}; axis {axis} of {x.shape} has {x.shape[axis]} entries")
    places = wrap(dispatch(_first, x, axis, largest, k))
    return Found(take_along_axis(x, places, axis=axis), places)


def _first(x: Array, axis: int, largest: bool, k: int) -> Array:
    return np.take(_order(x, axis, largest), np.arange(k), axis)


@named
def kthvalue(x: ArrayLike, k: int, axis: int = -1, keepdims: bool = False) -> Found:
    """The k-th smallest entry along `axis`, k = 1 being the smallest, and its place."""
    x = as_tensor(x)
    check("kthvalue", COUNT, k=k)
    check("kthvalue", SWITCH, keepdims=keepdims)
    if not x.ndim and k == 1:
        return Found(x, wrap(np.array(0)))
    axis = normal_axis("kthvalue", axis, x.ndim)
    if k > x.shape[axis]:
        raise ValueError(f"kthvalue: k is {k}; axis {axis} of {x.shape} has {x.shape[axis]} entries")
    return _picked(x, dispatch(_kth, x, axis, k), axis, keepdims)


def _kth(x: Array, axis: int, k: int) -> Array:
    return np.take(_order(x, axis, False), np.array([k - 1]), axis)


def _picked(x: Tensor, places: Array, axis: int, keepdims: bool) -> Found:
    """What is at one place of the axis, which may go."""
    values, at = take_along_axis(x, places, axis=axis), wrap(places)
    shape = values.shape if keepdims else values.shape[:axis] + values.shape[axis + 1 :]
    return Found(_reshape(values, shape=shape), wrap(dispatch(np.reshape, at, shape)))


def _most_common(x: Array, axis: int) -> Array:
    """The last place of the smallest of the entries that are most frequent."""
    rows = np.moveaxis(x.real, axis, -1)
    found = np.empty(rows.shape[:-1], int)
    for place in np.ndindex(found.shape):
        values, counts = np.unique(rows[place], return_counts=True)
        found[place] = np.flatnonzero(rows[place] == values[counts.argmax()])[-1]
    return np.expand_dims(found, axis)


@named
def mode(x: ArrayLike, axis: int = -1, keepdims: bool = False) -> Found:
    """The most frequent entry along `axis`, the smallest of several, and a place where it is."""
    x = as_tensor(x)
    check("mode", SWITCH, keepdims=keepdims)
    if not x.ndim:
        return Found(x, wrap(np.array(0)))
    axis = normal_axis("mode", axis, x.ndim)
    if not x.shape[axis]:
        raise ValueError(f"mode: axis {axis} of {x.shape} is empty")
    return _picked(x, dispatch(_most_common, x, axis), axis, keepdims)


# ---- quantiles ---------------------------------------------------------------------------------------------------------------

_METHODS = choice("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(name: str, x: Any, q: Any, axis: Any, keepdims: bool, method: str, skip_nan: bool) -> Tensor:
    x = as_tensor(x)
    check(name, SWITCH, keepdims=keepdims)
    check(name, _METHODS, method=method)
    qs = np.asarray(as_array(q), float)
    if qs.ndim > 1 or not all(UNIT.holds(v) for v in qs.reshape(-1).tolist()):
        raise ValueError(f"{name}: q is {shown(q)}; it must be a number in [0, 1], or a vector of them")
    axes = normal_axes(name, axis, x.ndim)
    rest = [a for a in range(x.ndim) if a not in axes]
    rows = moveaxis(x, axes, tuple(range(len(rest), x.ndim))) if axes else x
    rows = reshape(rows, (*(x.shape[a] for a in rest), -1)) if x.size else rows
    if not x.size:
        raise ValueError(f"{name}: a tensor of shape {x.shape} is empty; there is nothing to pick")
    rows = rows if rows.dtype.kind in "fc" else rows.astype(np.float64)
    low, high, part = dispatch(_between_places, rows, qs.reshape(-1), method, skip_nan)
    order = dispatch(_order, rows, rows.ndim - 1, False)
    ends = [take_along_axis(rows, dispatch(np.take_along_axis, order, at, -1), axis=-1) for at in (low, high)]
    if method in ("lower", "higher", "nearest"):
        y = ends[0]
    else:
        y = in_floats(lambda a, b: lerp(a, b, part.astype(a.dtype)), *ends)
    if not skip_nan:
        y = where(dispatch(_has_nan, rows), np.nan, y)
    y = moveaxis(y, -1, 0) if qs.ndim else reshape(y, y.shape[:-1])
    if keepdims:
        y = reshape(y, (*qs.shape, *(1 if a in axes else n for a, n in enumerate(x.shape))))
    return y


def _has_nan(x: Array) -> Array:
    return np.isnan(x.real).any(axis=-1, keepdims=True)


def _between_places(x: Array, qs: Array, method: str, skip_nan: bool) -> tuple[Array, Array, Array]:
    """The places of a sorted row between which each quantile lies, and how far on."""
    n = x.shape[-1] - (np.isnan(x.real).sum(axis=-1, keepdims=True) if skip_nan else 0)
    at = qs * (np.maximum(n, 1) - 1) + np.zeros((*x.shape[:-1], 1))
    low, high = np.floor(at).astype(int), np.ceil(at).astype(int)
    if method in ("lower", "higher"):
        return (low, low, at) if method == "lower" else (high, high, at)
    if method == "nearest":
        near = np.rint(at).astype(int)
        return near, near, at
    return low, high, (at - low if method == "linear" else np.full(at.shape, 0.5) * (high > low))


@named
def quantile(x: ArrayLike, q: ArrayLike, axis: Any = None, keepdims: bool = False, *, method: str = "linear") -> Tensor:
    """The q-quantile of x along `axis`, or all axes, q in [0, 1]: between two entries as `method` says; NaN if one is.

    >>> quantile(np.array([1.0, 2.0, 4.0]), 0.75).item()
    3.0
    """
    return _quantile("quantile", x, q, axis, keepdims, method, False)


@named
def nanquantile(
    x: ArrayLike, q: ArrayLike, axis: Any = None, keepdims: bool = False, *, method: str = "linear"
) -> Tensor:
    """The q-quantile of the entries that are not NaN."""
    return _quantile("nanquantile", x, q, axis, keepdims, method, True)


@named
def median(x: ArrayLike, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The middle entry, or the mean of the two in the middle, as NumPy's; PyTorch takes the lower one of two."""
    return _quantile("median", x, 0.5, axis, keepdims, "midpoint", False)


@named
def nanmedian(x: ArrayLike, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The median of the entries that are not NaN."""
    return _quantile("nanmedian", x, 0.5, axis, keepdims, "midpoint", True)


# ---- places: without a derivative -----------------------------------------------------------------------------------------------


def _arg(name: str, f: Callable) -> Callable:
    def value(x: Array, axis: int | None, keepdims: bool) -> Array:
        return np.asarray(f(x.real, axis, keepdims=keepdims))

    def function(x: ArrayLike, /, axis: int | None = None, keepdims: bool = False) -> Tensor:
        x = as_tensor(x)
        check(name, SWITCH, keepdims=keepdims)
        axis = None if axis is None or not x.ndim else normal_axis(name, axis, x.ndim)
        if not (x.size if axis is None else x.shape[axis]):
            raise ValueError(f"{name}: a tensor of shape {x.shape} has no entries there")
        return wrap(dispatch(value, x, axis, keepdims))

    function.__name__ = function.__qualname__ = name
    what = "largest" if name == "argmax" else "smallest"
    function.__doc__ = (
        f"The place of the {what} entry along `axis`, the first of several; without axis, in x as a vector."
    )
    return named(function)


argmax, argmin = _arg("argmax", np.argmax), _arg("argmin", np.argmin)


@named
def nonzero(x: ArrayLike, /) -> tuple[Tensor, ...]:
    """The places of the entries that are not 0: a tensor of ints for each axis."""
    x = as_tensor(x)
    if not x.ndim:
        raise ValueError("nonzero: a tensor of shape () has no places")
    return tuple(map(wrap, np.nonzero(x.read().real)))


@named
def argwhere(x: ArrayLike) -> Tensor:
    """The places of the entries that are not 0, a row for each: (n, x.ndim)."""
    return wrap(np.argwhere(as_tensor(x).read().real))


def _count(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.asarray(np.count_nonzero(x.real, axis=axes, keepdims=keepdims))


@named
def count_nonzero(x: ArrayLike, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """How many entries along `axis` are not 0."""
    x = as_tensor(x)
    check("count_nonzero", SWITCH, keepdims=keepdims)
    return wrap(dispatch(_count, x, normal_axes("count_nonzero", axis, x.ndim), keepdims))


@named
def searchsorted(
    x1: ArrayLike, x2: ArrayLike, /, *, side: str = "left", sorter: ArrayLike | None = None, right: bool = False
) -> Tensor:
    """Where in the sorted x1, (…, n), the entries of x2, (…, m), would stand: before equal ones, or by side 'right' after."""
    check("searchsorted", choice("left", "right"), side=side)
    check("searchsorted", SWITCH, right=right)
    a, b = as_tensor(x1), as_tensor(x2)
    if sorter is not None:
        a = take_along_axis(a, sorter, axis=-1)
    if a.ndim != 1 and a.shape[:-1] != b.shape[:-1]:
        raise ValueError(
            f"searchsorted: x1 has shape {a.shape}, x2 {b.shape}; x1 must be a vector, or their first axes agree"
        )
    return wrap(dispatch(_search, a, b, "right" if right else side))


def _search(a: Array, b: Array, side: Any) -> Array:
    if a.ndim == 1:
        return np.asarray(np.searchsorted(a.real, b.real, side))
    found = np.empty(b.shape, np.int64)
    for place in np.ndindex(a.shape[:-1]):
        found[place] = np.searchsorted(a[place].real, b[place].real, side)
    return found


@named
def bucketize(x: ArrayLike, boundaries: ArrayLike, *, right: bool = False) -> Tensor:
    """Which of the intervals between sorted boundaries each entry of x is in."""
    return searchsorted(boundaries, x, right=right)


@named
def bincount(x: ArrayLike, weights: ArrayLike | None = None, minlength: int = 0) -> Tensor:
    """How often each whole number occurs in a vector of them, or the sums of their weights."""
    check("bincount", INDEX, minlength=minlength)
    labels = as_array(x)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels < 0).any():
        raise ValueError(f"bincount: x is {shown(labels)}; it must be a vector of whole numbers ≥ 0")
    if weights is not None:
        from .gather import one_hot

        n = int(max(labels.max(initial=-1) + 1, minlength, 1))
        return sum(expand_dims(as_tensor(weights), 1) * one_hot(labels, n), 0)
    look("how many bins there are depends on values")
    return wrap(dispatch(np.bincount, labels, minlength=minlength))


# ---- sets: without a derivative ------------------------------------------------------------------------------------------------


def _unique(x: Any) -> Any:
    return np.unique_all(ravel(as_tensor(x)).read())


@named
def unique_values(x: ArrayLike, /) -> Tensor:
    """The entries of x, each once, in order; without a derivative."""
    return wrap(_unique(x).values)


@named
def unique_counts(x: ArrayLike, /) -> UniqueCounts:
    """The entries of x, each once, and how often each occurs; without a derivative."""
    found = _unique(x)
    return UniqueCounts(wrap(found.values), wrap(found.counts))


@named
def unique_inverse(x: ArrayLike, /) -> UniqueInverse:
    """The entries of x, each once, and which of them is where in x; without a derivative."""
    found, x = _unique(x), as_tensor(x)
    return UniqueInverse(wrap(found.values), wrap(found.inverse_indices.reshape(x.shape)))


@named
def unique_all(x: ArrayLike, /) -> UniqueAll:
    """The entries of x, each once; the first place of each, which is where in x, and how often; without a derivative."""
    found, x = _unique(x), as_tensor(x)
    return UniqueAll(*map(wrap, (found.values, found.indices, found.inverse_indices.reshape(x.shape), found.counts)))


@named
def isin(x1: ArrayLike, x2: ArrayLike, /, *, invert: bool = False) -> Tensor:
    """Whether each entry of x1 is one of x2, or with `invert` none; without a derivative."""
    check("isin", SWITCH, invert=invert)
    return wrap(dispatch(np.isin, as_array(x1), as_array(x2), invert=invert))
