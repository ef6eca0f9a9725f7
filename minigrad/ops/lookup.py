"""Rows of a table, looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import SWITCH, WHOLE, check, choice
from ..tape import Array, Tensor, as_tensor, constant, dispatch, effect, in_floats, private, rounded_once
from ..typing import ArrayLike
from .elementwise import where
from .indexing import _putitem, getitem
from .reduce import max
from .shape import reshape, stack

__all__ = ["embedding", "embedding_bag"]


def _numbers(name: str, x: Any, weight: Tensor) -> Array:
    ids = private(x)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"{name}: x is {shown(x)}; it must be ints, the numbers of rows")
    if weight.ndim != 2:
        raise ValueError(f"{name}: weight has shape {weight.shape}; it must be (rows, features)")
    effect(_check_rows, name, ids, weight.shape[0])
    return ids


def _check_rows(name: str, ids: Array, rows: int) -> None:
    if ids.size and (ids.min() < 0 or ids.max() >= rows):
        raise ValueError(f"{name}: x has numbers from {ids.min()} to {ids.max()}; there are {rows} rows")


def _no(name: str, **given: Any) -> None:
    for what, value in given.items():
        if value is not None and value is not False:
            raise ValueError(f"{name}: {what} is {shown(value)}; it is not offered")


def _padding(name: str, padding_idx: int | None, rows: int) -> int | None:
    check(name, WHOLE.or_none, padding_idx=padding_idx)
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(f"{name}: padding_idx is {padding_idx}; there are {rows} rows")
    return None if padding_idx is None else padding_idx % rows


def _at(ids: Array, padding: int) -> Array:
    return (ids == padding)[..., None]


@named
def embedding(
    x: ArrayLike,
    weight: ArrayLike,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of `weight` (rows, features), looked up by ints x of any shape: (…) gives (…, features).

    No gradient flows to row `padding_idx`. `max_norm` and `scale_grad_by_freq` are refused: the one would write to the
    weight, the other's gradient is that of no function. `sparse` has no effect: gradients are dense.

    >>> embedding(np.array([2, 0]), np.array([[1.0], [2.0], [3.0]])).data
    array([[3.],
           [1.]])
    """
    check("embedding", SWITCH, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)
    _no("embedding", max_norm=max_norm, scale_grad_by_freq=scale_grad_by_freq)
    weight = as_tensor(weight)
    ids = _numbers("embedding", x, weight)
    padding = _padding("embedding", padding_idx, weight.shape[0])
    y = getitem(weight, ids)
    return y if padding is None else where(dispatch(_at, ids, padding), y.detach(), y)


@named
def embedding_bag(
    x: ArrayLike,
    weight: ArrayLike,
    offsets: ArrayLike | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: ArrayLike | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or max of rows of `weight` in each bag: bags are the rows of x (N, L), or start at `offsets` in x (L,).

    An empty bag gives zeros. `per_sample_weights`, shaped as x, weigh the rows of a 'sum'. Numbers `padding_idx` do not
    count. With `include_last_offset` the last of the offsets is the end.
    """
    name = "embedding_bag"
    check(name, choice("sum", "mean", "max"), mode=mode)
    check(name, SWITCH, include_last_offset=include_last_offset, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)
    _no(name, max_norm=max_norm, scale_grad_by_freq=scale_grad_by_freq)
    weight = as_tensor(weight)
    ids = _numbers(name, x, weight)
    padding = _padding(name, padding_idx, weight.shape[0])
    if ids.ndim not in (1, 2) or (ids.ndim == 1) == (offsets is None):
        raise ValueError(f"{name}: x has shape {ids.shape}; give bags (N, L), or numbers (L,) and their offsets")
    if ids.ndim == 2:
        starts = np.arange(ids.shape[0] + 1) * ids.shape[1]
    else:
        starts = private(offsets)
        if starts.ndim != 1 or starts.dtype.kind not in "iu" or len(starts) < include_last_offset:
            raise ValueError(f"{name}: offsets are {shown(offsets)}; they must be ints, one for each bag")
        starts = starts if include_last_offset else np.append(starts, len(ids))
        if (np.diff(starts) < 0).any() or (len(starts) and (starts[0] != 0 or starts[-1] > len(ids))):
            raise ValueError(f"{name}: offsets are {starts.tolist()}; they must rise from 0 to at most {len(ids)}")
    flat = ids.reshape(-1)[: starts[-1] if len(starts) else 0]
    bags = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    if per_sample_weights is not None:
        per_sample_weights = as_tensor(per_sample_weights)
        if mode != "sum" or per_sample_weights.shape != ids.shape:
            raise ValueError(f"{name}: per_sample_weights are for mode='sum', of x's shape {ids.shape}")
        per_sample_weights = reshape(per_sample_weights, (-1, 1))[: len(flat)]
    if padding is not None:
        kept = flat != padding
        flat, bags = flat[kept], bags[kept]
        per_sample_weights = None if per_sample_weights is None else per_sample_weights[kept]
    n, counts = len(starts) - 1, np.bincount(bags, minlength=len(starts) - 1)
    rows = getitem(weight, flat)
    if mode == "max":
        zeros = Tensor(constant(np.zeros(weight.shape[1], weight.dtype)))
        found = [max(rows[bags == i], 0) if counts[i] else zeros for i in range(n)]
        return stack(found) if found else reshape(rows, (0, weight.shape[1]))

    def total(rows: Tensor) -> Tensor:
        return _putitem(rows, index=constant(bags), shape=(n, weight.shape[1]))

    if per_sample_weights is not None:
        return rounded_once(lambda rows, w: total(rows * w))(rows, per_sample_weights)
    if mode == "sum":
        return total(rows)
    counts = np.maximum(counts, 1)[:, None]
    return in_floats(lambda rows: total(rows) / counts.astype(rows.dtype), rows)
