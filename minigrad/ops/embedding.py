"""Rows of a table by number, and their adjoint, which adds rows up."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named, shown
from ..ranges import SWITCH, WHOLE, check, choice
from ..tape import ENTRIES, INTEGERS, Array, Tensor, as_tensor, linear, primitive, private
from ..typing import ArrayLike
from .elementwise import where
from .reduce import max, mean, sum
from .shape import expand_dims, reshape, stack

__all__ = ["embedding", "embedding_bag"]


@primitive
def _take_rows(w: Array, *, index: Array) -> Array:
    return w[index]


@primitive
def _add_rows(g: Array, *, index: Array, size: int) -> Array:
    return kernels.add_rows(g, index, size)


linear(_take_rows, lambda g, y, w, *, index: _add_rows(g, index=index, size=w.shape[0]))
linear(_add_rows, lambda u, y, g, *, index, size: _take_rows(u, index=index))
_take_rows.numbers, _add_rows.numbers = ENTRIES, INTEGERS


def _indices(name: str, x: Any, weight: Tensor) -> Array:
    index = private(x)
    if index.dtype.kind not in "iu" or weight.ndim != 2:
        raise TypeError(
            f"{name}: x is {shown(index)}, weight {shown(weight._data)}; they must be integers and (rows, d)"
        )
    if index.size and not 0 <= index.min() <= index.max() < weight.shape[0]:
        raise ValueError(f"{name}: x goes from {index.min()} to {index.max()}; weight has {weight.shape[0]} rows")
    return index.astype(np.int64, copy=False)


def _padding(name: str, padding_idx: int | None, rows: int) -> int | None:
    check(name, WHOLE.or_none, padding_idx=padding_idx)
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(f"{name}: padding_idx is {padding_idx}; weight has {rows} rows")
    return None if padding_idx is None else padding_idx % rows


@named
def embedding(
    x: ArrayLike,
    weight: ArrayLike,
    padding_idx: int | None = None,
    max_norm: None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight (rows, d) that the integers x name: x.shape + (d,). The row of `padding_idx` gets no gradient.

    Of PyTorch's further options `max_norm` and `scale_grad_by_freq` are refused: the first changes the weight while it is
    read, the second gives what is no gradient. `sparse` has no effect.

    >>> embedding([2, 0], np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).data
    array([[5., 6.],
           [1., 2.]])
    """
    weight = as_tensor(weight)
    index = _indices("embedding", x, weight)
    check("embedding", SWITCH, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)
    if max_norm is not None or scale_grad_by_freq:
        raise ValueError(
            "embedding: max_norm and scale_grad_by_freq are not offered: scale the weight, or its gradient"
        )
    pad = _padding("embedding", padding_idx, weight.shape[0])
    if pad is not None and weight.requires_grad:
        weight = where((np.arange(weight.shape[0]) == pad)[:, None], weight.detach(), weight)
    return reshape(_take_rows(weight, index=index.reshape(-1)), (*index.shape, weight.shape[1]))


@named
def embedding_bag(
    x: ArrayLike,
    weight: ArrayLike,
    offsets: ArrayLike | None = None,
    *,
    mode: str = "mean",
    per_sample_weights: ArrayLike | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or largest entries over bags of rows of weight (rows, d): (bags, d).

    x is (bags, n), or all bags one after another with the `offsets` at which they begin. `per_sample_weights`, of x's
    shape, multiply rows that are added up. Rows of `padding_idx` do not count; an empty bag is 0.
    """
    name, weight = "embedding_bag", as_tensor(weight)
    check(name, choice("mean", "sum", "max"), mode=mode)
    check(name, SWITCH, include_last_offset=include_last_offset)
    index = _indices(name, x, weight)
    if (offsets is None) != (index.ndim == 2) or index.ndim not in (1, 2):
        raise ValueError(f"{name}: x has shape {index.shape}; give (bags, n), or one axis and offsets")
    if per_sample_weights is not None and mode != "sum":
        raise ValueError(f"{name}: per_sample_weights go with mode 'sum', not with {mode!r}")
    pad = _padding(name, padding_idx, weight.shape[0])
    rows = embedding(index.reshape(-1), weight, pad)
    if per_sample_weights is not None:
        rows = rows * expand_dims(reshape(per_sample_weights, (-1,)), 1)
    if index.ndim == 2:
        ends = np.arange(len(index) + 1) * index.shape[1]
    else:
        ends = private(offsets).astype(int)
        ends = ends if include_last_offset else np.append(ends, len(index))
    counts = np.ones(index.size, bool) if pad is None else index.reshape(-1) != pad
    return _bags(rows, ends, counts, {"mean": mean, "sum": sum, "max": max}[mode], weight)


def _bags(rows: Tensor, ends: Array, counts: Array, of: Any, weight: Tensor) -> Tensor:
    empty = as_tensor(np.zeros(weight.shape[1], weight.dtype))
    bags = []
    for lo, hi in itertools.pairwise(ends):
        places = np.flatnonzero(counts[lo:hi]) + lo
        bags.append(of(rows[places], axis=0) if len(places) else empty)
    return stack(bags) if bags else reshape(empty[:0], (0, weight.shape[1]))
