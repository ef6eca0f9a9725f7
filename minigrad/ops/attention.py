"""Scaled dot-product attention: softmax(q kᵀ / √d) v."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import named
from ..ranges import FRACTION, NUMBER, SWITCH, check
from ..tape import Array, Tensor, as_tensor, constant, dispatch, in_floats, real_dtype
from ..typing import ArrayLike
from .elementwise import where
from .linalg import _matmul
from .noise import dropout
from .reduce import _softmax
from .shape import broadcast_to, reshape, swapped

__all__ = ["scaled_dot_product_attention"]


@named
def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    attn_mask: ArrayLike | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query keyᵀ · scale + mask) value: query (…, L, E), key (…, S, E), value (…, S, V) give (…, L, V).

    A boolean mask, broadcast to (…, L, S), is True where a query may look; a float one is added. `is_causal` lets query i look
    at keys 0 to i. A query that may look nowhere gets zeros, as PyTorch's. `scale` is 1/√E by default, and weights are dropped with
    probability `dropout_p`, also outside of training. `enable_gqa` lets several heads of the query, the third axis from
    behind, share one of key and value. Vaswani et al. 2017.

    >>> x = np.eye(2)
    >>> scaled_dot_product_attention(x, x, x, is_causal=True).data.round(3)
    array([[1.  , 0.  ],
           [0.33, 0.67]])
    """
    name = "scaled_dot_product_attention"
    check(name, FRACTION, dropout_p=dropout_p)
    check(name, SWITCH, is_causal=is_causal, enable_gqa=enable_gqa)
    check(name, NUMBER.or_none, scale=scale)
    q, k, v = as_tensor(query), as_tensor(key), as_tensor(value)
    if min((q.ndim, k.ndim, v.ndim)) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2] or not q.shape[-1]:
        raise ValueError(
            f"{name}: query is {q.shape}, key {k.shape}, value {v.shape}; they must be (…, L, E), (…, S, E), (…, S, V)"
        )
    if is_causal and attn_mask is not None:
        raise ValueError(f"{name}: is_causal and attn_mask are both given; give one of them")
    if enable_gqa:
        k, v = (_for_heads(name, a, q) for a in (k, v))
    mask: Any = attn_mask if not is_causal else constant(np.tri(q.shape[-2], k.shape[-2], dtype=bool))
    if mask is not None:
        mask = as_tensor(mask)
        try:
            fits = np.broadcast_shapes(
                mask.shape, (*np.broadcast_shapes(q.shape[:-2], k.shape[:-2]), q.shape[-2], k.shape[-2])
            )
        except ValueError:
            fits = ()
        if not fits or fits[-2:] != (q.shape[-2], k.shape[-2]) or mask.dtype.kind not in "bfc":
            raise ValueError(
                f"{name}: attn_mask is {mask.dtype} {mask.shape}; it must be boolean or float, and broadcast to "
                f"(…, {q.shape[-2]}, {k.shape[-2]})"
            )
    factor = q.shape[-1] ** -0.5 if scale is None else scale

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores, dead = _matmul(q * factor, swapped(k)), None
        if is_causal:
            scores = scores + constant(np.triu(np.full(mask.shape, -np.inf, real_dtype(scores.dtype)), 1))
        elif mask is not None:
            dead = dispatch(_nowhere, mask._data)
            scores = scores + _added(mask, dead, real_dtype(scores.dtype))
        weights = _softmax(scores, axes=(scores.ndim - 1,))
        y = _matmul(dropout(weights, dropout_p) if dropout_p else weights, v)
        return y if dead is None else where(dead, 0.0, y)

    return in_floats(attend, q, k, v)


def _nowhere(mask: Array) -> Array:
    """Queries that may look at no key: of them zeros are made, and their scores are left as they are."""
    return np.logical_not((mask if mask.dtype == bool else mask.real != -np.inf).any(-1, keepdims=True))


def _added(mask: Tensor, dead: Array, dtype: np.dtype) -> Any:
    """What is added to scores; a pass less than choosing, and none on the way back."""
    if mask.dtype == bool:
        return dispatch(_infinite, mask._data, dead, dtype)
    mask = mask if mask.dtype == dtype or mask.dtype.kind == "c" else mask.astype(dtype)
    return where(dead, 0.0, mask)


def _infinite(mask: Array, dead: Array, dtype: np.dtype) -> Array:
    return np.where(mask | dead, 0, -np.inf).astype(dtype)


def _for_heads(name: str, a: Tensor, q: Tensor) -> Tensor:
    """a, each of whose heads serves several of the query's, with as many heads as that."""
    heads, have = q.shape[-3] if q.ndim > 2 else 0, a.shape[-3] if a.ndim > 2 else 0
    if not have or heads % have:
        raise ValueError(f"{name}: query has {heads} heads, {have} of key or value do not divide them")
    each = reshape(a, (*a.shape[:-2], 1, *a.shape[-2:]))
    shape = (*a.shape[:-2], heads // have, *a.shape[-2:])
    return reshape(broadcast_to(each, shape=shape), (*a.shape[:-3], heads, *a.shape[-2:]))
