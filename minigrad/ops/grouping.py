"""Entries that go to the same place, reduced: one table of who goes where, and a reduction over its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import named
from ..ranges import SWITCH, check, choice
from ..tape import Array, Tensor, as_tensor, broadcast_to, in_floats, rounded_once
from ..typing import ArrayLike
from .gather import _fitting, _line, _source
from .indexing import _getitem
from .layout import ravel
from .reduce import max, min, sum
from .shape import concat, reshape
from .statistics import prod

__all__ = ["index_reduce", "scatter_reduce"]

REDUCE = choice("sum", "prod", "mean", "amax", "amin")


def _table(places: Array, size: int, include_self: bool) -> Array:
    """For each entry of x the entries it is reduced of: its own, counted from 0, and those of the source; then the neutral one."""
    counts = np.bincount(places, minlength=size)
    order = np.argsort(places, kind="stable")
    neutral = size + places.size
    table = np.full((size, 1 + counts.max(initial=0)), neutral)
    table[:, 0] = np.where((counts == 0) | include_self, np.arange(size), neutral)
    at = places[order]
    table[at, 1 + np.arange(at.size) - (np.cumsum(counts) - counts)[at]] = size + order
    return table


def _ends(dtype: np.dtype) -> tuple[Any, Any]:
    """The least and the largest number of a dtype."""
    if dtype.kind in "fc":
        return -np.inf, np.inf
    return (False, True) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


def _reduced(name: str, x: Tensor, places: Array, source: Tensor, reduce: str, include_self: bool) -> Tensor:
    """x with its entries and those of the source that go to the same place reduced."""
    check(name, REDUCE, reduce=reduce)
    check(name, SWITCH, include_self=include_self)
    if not x.size:
        return x
    table = _table(places.ravel(), x.size, include_self)

    def over(x: Tensor, source: Tensor) -> Tensor:
        entries = concat([ravel(x), ravel(source)])
        low, high = _ends(entries.dtype)
        neutral = {"prod": 1, "amax": low, "amin": high}.get(reduce, 0)
        entries = concat([entries, np.full(1, neutral, entries.dtype)])
        rows = _getitem(entries, index=(table,))
        if reduce == "mean":
            counts = (table < x.size + source.size).sum(1)
            return in_floats(lambda rows: sum(rows, 1) / counts.astype(rows.dtype), rows)
        reductions: dict[str, Callable[..., Tensor]] = {"sum": sum, "prod": prod, "amax": max, "amin": min}
        return reductions[reduce](rows, axis=1)

    return reshape(rounded_once(over)(x, source), x.shape)


@named
def scatter_reduce(
    x: ArrayLike, axis: int, index: ArrayLike, source: ArrayLike, reduce: str, *, include_self: bool = True
) -> Tensor:
    """x with the source's entries taken in at places along `axis`: their "sum", "prod", "mean", "amax" or "amin".

    x's own entry is one of them unless include_self is False; where nothing is taken in, x stays. Ties share the gradient.

    >>> scatter_reduce(np.array([1.0, 1.0]), 0, [0, 0], [3.0, 2.0], "amax").tolist()
    [3.0, 1.0]
    """
    y, grid, at = _fitting("scatter_reduce", x, axis, index)
    source = _source("scatter_reduce", as_tensor(source), at)
    places = np.arange(y.size).reshape(y.shape)[grid]
    source = reshape(broadcast_to(as_tensor(source), shape=at.shape), places.shape)
    return reshape(_reduced("scatter_reduce", y, places, source, reduce, include_self), np.shape(x))


@named
def index_reduce(
    x: ArrayLike, axis: int, index: ArrayLike, source: ArrayLike, reduce: str, *, include_self: bool = True
) -> Tensor:
    """x with slices of the source taken in at places along `axis`, as `scatter_reduce` does with entries."""
    x, source = as_tensor(x), as_tensor(source)
    places = np.arange(x.size).reshape(x.shape)[_line("index_reduce", x, axis, index)] if x.ndim else np.zeros((), int)
    if source.shape != places.shape:
        raise ValueError(f"index_reduce: the source has shape {source.shape}; the places have {places.shape}")
    return _reduced("index_reduce", x, places, source, reduce, include_self)
