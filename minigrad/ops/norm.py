"""Batch normalisation: the composition, and the fused kernel that equals it.

Ioffe, Szegedy 2015: y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² the batch mean and (biased) variance of a channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..tape import Array, Tensor, fused
from .conv import same_dtype
from .elementwise import power
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


def _forward(x: Array, gamma: Array, beta: Array, *, eps: float, moments: Moments | None) -> tuple[Array, Moments]:
    mean, var = kernels.channel_moments(x) if moments is None else moments
    istd = 1 / np.sqrt(var + var.dtype.type(eps))
    return kernels.normalize(x, mean, gamma * istd, beta), (mean, istd)


def _backward(g: Array, y: Array, saved: Moments, x: Array, gamma: Array, beta: Array, **_: Any) -> tuple[Array, ...]:
    return kernels.batch_norm_backward(g, x, gamma, *saved)


_batch_norm = fused(_composed_batch_norm, _forward, _backward)


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
