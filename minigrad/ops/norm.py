"""Batch normalisation: the composition, and the fused kernel that equals it.

Ioffe, Szegedy 2015: y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² the batch mean and (biased) variance of a channel.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .. import kernels
from ..tape import Array, Deferred, Tensor, add, fused
from .conv import same_dtype
from .elementwise import power, relu
from .reduce import mean
from .shape import as_tensor, reshape


def _per_channel(a: Any, ndim: int) -> Tensor:
    return reshape(a, (1, -1) + (1,) * (ndim - 2))


Moments = tuple[Array, Array]


def _composed_batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, *, eps: float, moments: Moments | None) -> Tensor:
    axes = (0, *range(2, x.ndim))
    c = x - mean(x, axes, keepdims=True)
    istd = power(mean(c * c, axes, keepdims=True) + eps, -0.5)
    return c * (istd * _per_channel(gamma, x.ndim)) + _per_channel(beta, x.ndim)


def _deferred(x: Array, gamma: Array, beta: Array, *, eps: float, moments: Moments | None) -> tuple[Deferred, Moments]:
    mean, var = kernels.channel_moments(x) if moments is None else moments
    istd = 1 / np.sqrt(var + var.dtype.type(eps))
    finish = partial(kernels.normalize, x, mean, gamma * istd, beta.copy())  # β may be changed in place meanwhile
    return Deferred(finish, x.shape, x.dtype), (mean, istd)


def _forward(*arrays: Array, **params: Any) -> tuple[Array, Moments]:
    y, saved = _deferred(*arrays, **params)
    return y.data, saved


def _backward(g: Array, saved: Moments, x: Array, gamma: Array, beta: Array, **_: Any) -> tuple[Array, ...]:
    return kernels.batch_norm_backward(g, x, gamma, *saved)


_batch_norm = fused(_composed_batch_norm, _forward, _backward)

# relu(batch_norm(x)) and relu(batch_norm(x) + shortcut) are one pass over memory: each folds itself into the one before
_batch_norm.defer = _deferred


def _fold_relu(x: Tensor) -> Array | None:
    return x.finish(relu=True) if isinstance(x, Deferred) and x.pending else None


def _fold_add(a: Tensor, b: Tensor) -> Deferred | None:
    a, b = (a, b) if isinstance(a, Deferred) and a.pending else (b, a)
    if not (isinstance(a, Deferred) and a.pending and _takes(a, b)):
        return None
    return Deferred(partial(a.finish, plus=b.data), a.shape, a.dtype)


def _takes(a: Deferred, b: Tensor) -> bool:
    """Whether b is like a, safe from changes, and the first to be added to it."""
    return b.node is not None and b.shape == a.shape and b.dtype == a.dtype and "plus" not in a.finish.keywords


relu.fold = _fold_relu
add.fold = _fold_add


def _check(x: Tensor, **vectors: Any) -> None:
    if x.ndim not in (2, 4):
        raise ValueError(f"batch_norm: x has shape {x.shape}; it must be (N, C) or (N, C, H, W)")
    c = x.shape[1]
    for name, v in vectors.items():
        if v.shape != (c,):
            raise ValueError(f"batch_norm: {name} has shape {v.shape}, x has {c} channels; it must be one each")
    same_dtype("batch_norm", x, vectors["gamma"])


def check_batch(x: Tensor) -> None:
    """Raise unless each channel of x has more than one value."""
    if x.size <= x.shape[1]:
        raise ValueError(
            f"batch_norm: x has shape {x.shape}; a channel needs more than one value to have a variance: "
            "use a larger batch, or eval()"
        )


def batch_norm(x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5, moments: Moments | None = None) -> Tensor:
    """Each channel of x, (N, C) or (N, C, H, W), normalised over the batch, then scaled by γ (C,) and shifted by β (C,).

    `moments` may hand over what `channel_moments(x.data)` returned, to spare computing it again. Raises ValueError
    when there is one value per channel: it has no variance.

    >>> y = batch_norm(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), eps=0.0)
    >>> y.data
    array([[-1.],
           [ 1.]])
    """
    x, gamma, beta = as_tensor(x), as_tensor(gamma), as_tensor(beta)
    _check(x, gamma=gamma, beta=beta)
    check_batch(x)
    return _batch_norm(x, gamma, beta, eps=eps, moments=moments)


def channel_moments(x: Array) -> Moments:
    """The mean and the biased variance of each channel of an ndarray x: what a layer's running statistics follow."""
    return kernels.channel_moments(x)


def normalize(x: Any, mean: Array, var: Array, gamma: Any, beta: Any, *, eps: float = 1e-5) -> Tensor:
    """Batch normalisation by given statistics (C,), as at test time: γ (x − mean) / √(var + ε) + β."""
    x, gamma, beta = as_tensor(x), as_tensor(gamma), as_tensor(beta)
    _check(x, mean=mean, var=var, gamma=gamma, beta=beta)
    scale = gamma * (1 / np.sqrt(var + eps)).astype(gamma.dtype)
    shift = beta - scale * mean
    return x * _per_channel(scale, x.ndim) + _per_channel(shift, x.ndim)
