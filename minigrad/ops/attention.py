"""Attention: each query's mean of values, weighted by how well their keys match."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import named
from ..ranges import FRACTION, POSITIVE, SWITCH, check
from ..tape import FLOATS, Array, Tensor, as_tensor, dispatch, in_floats, wrap
from ..typing import ArrayLike, Rng
from .elementwise import where
from .linalg import matmul
from .loss import softmax
from .noise import dropout
from .shape import expand_dims, reshape, swapped

__all__ = ["scaled_dot_product_attention"]


@named
def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    attn_mask: ArrayLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    rng: Rng = None,
) -> Tensor:
    """softmax(query keyᵀ · scale + mask) value: query (…, L, d), key (…, S, d), value (…, S, e) give (…, L, e).

    scale is 1/√d unless given. A boolean mask says what takes part, a float one is added; `is_causal` lets query i see keys
    up to i. A query that sees none gives 0. With `enable_gqa` each head of key and value serves several of the
    query's. Vaswani et al. 2017.

    >>> q, k = np.zeros((1, 2, 4)), np.zeros((1, 3, 4))
    >>> scaled_dot_product_attention(q, k, np.arange(3.0).reshape(1, 3, 1)).data.ravel()
    array([1., 1.])
    """
    name = "scaled_dot_product_attention"
    q, k, v = as_tensor(query), as_tensor(key), as_tensor(value)
    check(name, FRACTION, dropout_p=dropout_p)
    check(name, SWITCH, is_causal=is_causal, enable_gqa=enable_gqa)
    check(name, POSITIVE.or_none, scale=scale)
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"{name}: query is {q.shape}, key {k.shape}, value {v.shape}; they must be (…, L, d), (…, S, d) and (…, S, e)"
        )
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: give a mask or is_causal, not both")
    if any(x.dtype.char not in FLOATS for x in (q, k, v)):
        options: dict[str, Any] = {"is_causal": is_causal, "scale": scale, "enable_gqa": enable_gqa, "rng": rng}
        options |= {"attn_mask": attn_mask, "dropout_p": dropout_p}
        return in_floats(scaled_dot_product_attention, q, k, v, **options)
    if enable_gqa:
        k, v = (_shared(name, x, q) for x in (k, v))
    scores = matmul(q * (1 / math.sqrt(q.shape[-1]) if scale is None else scale), swapped(k))
    if is_causal:
        attn_mask = np.tri(scores.shape[-2], scores.shape[-1], dtype=bool)
    sees = None
    if attn_mask is not None:
        mask = as_tensor(attn_mask)
        if mask.dtype == bool:
            sees = mask._data
            scores = where(sees, scores, -np.inf)
        else:
            scores = scores + mask
            sees = dispatch(_above_minus_infinity, mask)
    weights = softmax(_for_some(scores, sees))
    if sees is not None:
        weights = where(sees, weights, 0)
    return matmul(dropout(weights, dropout_p, rng=rng), v)


def _for_some(scores: Tensor, sees: Array | None) -> Tensor:
    """Scores, with zeros in rows that see nothing, which have no softmax."""
    if sees is None or sees.any(axis=-1).all():
        return scores
    return where(dispatch(_sees_none, sees), 0, scores)


def _sees_none(sees: Array) -> Array:
    return np.logical_not(sees.any(axis=-1, keepdims=True))


def _above_minus_infinity(mask: Array) -> Array:
    return mask.real > -np.inf


def _shared(name: str, x: Tensor, q: Tensor) -> Tensor:
    """(…, heads, S, d) with each head repeated for the query's heads that it serves."""
    if x.ndim < 3 or q.ndim < 3 or q.shape[-3] % x.shape[-3]:
        raise ValueError(
            f"{name}: query has shape {q.shape}, key or value {x.shape}; heads must divide those of the query"
        )
    times = q.shape[-3] // x.shape[-3]
    y = expand_dims(x, -3) + wrap(np.zeros((times, 1, 1), x.dtype))
    return reshape(y, (*x.shape[:-3], q.shape[-3], *x.shape[-2:]))
