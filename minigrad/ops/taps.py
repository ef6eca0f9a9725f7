"""Linear maps along one axis in which few entries count: what resizing, averaging and padding by copies are made of.

Each entry of the result is a sum of a few weighted entries of x, its taps. The adjoint is another such map, with the
taps turned round, so that one primitive is its own adjoint's adjoint, and every order exists.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..tape import FLOATS, Array, Tensor, linear, primitive
from .indexing import getitem

Table = tuple[Array, Array, Array]  # of all taps: the place in the result, the place in x, the weight
Rule = tuple[Any, ...]  # a function that makes a table, and its arguments: what can be compared


@functools.lru_cache(64)
def _sorted(rule: Rule, size: int, n: int, back: bool) -> Table:
    """The taps of each of n entries, one entry after the other: where they start, their places, their weights."""
    make, *args = rule
    to, of, weights = make(size, n, *args)
    if back:
        to, of, n = of, to, size
    order = np.argsort(to, kind="stable")
    starts = np.searchsorted(to[order], np.arange(n + 1))
    return starts, of[order], weights[order]


@primitive
def _taps(x: Array, *, axis: int, rule: Rule, size: int, n: int, back: bool) -> Array:
    """From `size` entries to n along an axis, or back."""
    starts, places, weights = _sorted(rule, size, n, back)
    order = sorted(range(x.ndim), key=lambda a: -abs(x.strides[a]))  # as it lies in memory
    at = order.index(axis)
    shape = [x.shape[a] for a in order]
    lead, rest = shape[:at], shape[at + 1 :]
    flat = x.transpose(order).reshape(int(np.prod(lead)), shape[at], int(np.prod(rest)))
    y = kernels.taps(flat, starts, places, weights)
    return y.reshape(*lead, y.shape[1], *rest).transpose(np.argsort(order))


linear(_taps, lambda g, y, x, *, back, **k: _taps(g, back=not back, **k))


def along(x: Tensor, axis: int, n: int, make: Callable[..., Table], *args: Any) -> Tensor:
    """x with n entries along an axis, each the sum of its taps: make(size, n, *args) has them all."""
    return _taps(x, axis=axis, rule=(make, *args), size=x.shape[axis], n=n, back=False)


def windowed(index: Array, inside: Array, weights: Any = 1.0) -> Table:
    """The taps of windows (n, taps): the places that are inside, with their weights."""
    to = np.broadcast_to(np.arange(len(index))[:, None], index.shape)
    return to[inside], index[inside], np.broadcast_to(np.asarray(weights, float), index.shape)[inside]


def copied(x: Tensor, axis: int, n: int, places: Callable[..., Array], *args: Any) -> Tensor:
    """The entries of x at places(size, n, *args) along an axis: as `getitem`, with an adjoint that goes by taps."""
    if x.dtype.char not in FLOATS:
        return getitem(x, (slice(None),) * axis + (places(x.shape[axis], n, *args).tolist(),))
    return along(x, axis, n, _copies, places, *args)


def _copies(size: int, n: int, places: Callable[..., Array], *args: Any) -> Table:
    return np.arange(n), places(size, n, *args), np.ones(n)
