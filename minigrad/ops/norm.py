"""Batch normalisation: the composition, and the fused kernel that equals it.

Ioffe, Szegedy 2015: y = γ (x − μ) / √(σ² + ε) + β, with μ and σ² the batch mean and (biased) variance of a channel.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named
from ..ranges import POSITIVE, check
from ..tape import Array, Tensor, cast, dispatch, floats_for, fused, general, primitive, private
from ..typing import ArrayLike
from .conv import same_dtype
from .elementwise import power
from .shape import as_tensor, reshape

__all__ = ["batch_norm"]


def _per_channel(a: Any, ndim: int) -> Tensor:
    return reshape(a, (1, -1) + (1,) * (ndim - 2))


Moments = tuple[Array, Array]


# ---- x̂ = (x − μ)/√(σ² + ε), and its first and second derivative -----------------------------------------------------
#
# With averages ⟨·⟩ over a channel and s = 1/√(σ² + ε), ∂x̂/∂x is symmetric:   P(g) = s (g − ⟨g⟩ − x̂ ⟨g x̂⟩).
# How it changes when x moves along t is symmetric in g and t:   D(g, t) = −s (P(g) ⟨t x̂⟩ + P(t) ⟨g x̂⟩ + x̂ ⟨g P(t)⟩).
# `stats`, (μ, s), is what the kernels need of x; a complex x brings its own.


def _average(x: Any) -> Any:
    return x.mean((0, *range(2, x.ndim)), keepdims=True)


def _centred(x: Array, eps: float) -> tuple[Array, Array]:
    c = x - _average(x)
    return c, (_average(c * c) + eps) ** -0.5


@primitive
def _standardize(x: Array, *, eps: float, stats: Moments) -> Array:
    if x.dtype.kind == "c":
        c, s = _centred(x, eps)
        return c * s
    return kernels.normalize(x, *stats, np.zeros_like(stats[0]))


@primitive
def _standardize_pull(g: Array, x: Array, *, eps: float, stats: Moments) -> Array:
    if g.dtype.kind == "c" or x.dtype.kind == "c":
        c, s = _centred(x, eps)
        return s * (g - _average(g) - c * s * _average(g * c * s))
    return kernels.batch_norm_backward(g, x, np.ones_like(stats[0]), *stats)[0]


def _composed_standardize_second(g: Tensor, t: Tensor, x: Tensor, *, eps: float, stats: Moments) -> Tensor:
    k = {"eps": eps, "stats": stats}
    y, pg, pt, c = _standardize(x, **k), _standardize_pull(g, x, **k), _standardize_pull(t, x, **k), x - _average(x)
    return -power(_average(c * c) + eps, -0.5) * (pg * _average(t * y) + pt * _average(g * y) + y * _average(g * pt))


_standardize_second = fused(
    _composed_standardize_second,
    lambda g, t, x, *, eps, stats: (kernels.batch_norm_second(g, t, x, *stats), None),
)


def _pull(u: Tensor, y: Tensor, x: Tensor, **k: Any) -> Tensor:
    return _standardize_pull(u, x, **k)


def _pull_moving_g(u: Tensor, y: Tensor, g: Tensor, x: Tensor, **k: Any) -> Tensor:
    return _standardize_pull(u, x, **k)


def _pull_moving_x(u: Tensor, y: Tensor, g: Tensor, x: Tensor, **k: Any) -> Tensor:
    return _standardize_second(g, u, x, **k)


general(_standardize, [_pull], [_pull])
general(_standardize_pull, [_pull_moving_g, _pull_moving_x], [_pull_moving_g, _pull_moving_x])


# ---- batch normalisation ----------------------------------------------------------------------------------------------


def _composed_batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, *, eps: float, moments: Moments | None) -> Tensor:
    mean, var = dispatch(kernels.channel_moments, x._data) if moments is None else moments
    stats = mean, dispatch(_inverse_root, var, eps)
    return _standardize(x, eps=eps, stats=stats) * _per_channel(gamma, x.ndim) + _per_channel(beta, x.ndim)


def _inverse_root(var: Array, eps: float) -> Array:
    return 1 / np.sqrt(var + var.real.dtype.type(eps))


def batch_statistics(
    x: Array, gamma: Array, beta: Array, *, eps: float, moments: Moments | None
) -> tuple[Moments, Array, Array]:
    """(mean, 1/σ), and the scale and shift that they and γ and β make: arrays that nobody else holds."""
    mean, var = kernels.channel_moments(x) if moments is None else moments
    istd = _inverse_root(var, eps)
    return (mean, istd), gamma * istd, beta.copy()


def _fused_batch_norm(x: Array, gamma: Array, beta: Array, **k: Any) -> tuple[Array, Moments]:
    saved, scale, shift = batch_statistics(x, gamma, beta, **k)
    return kernels.normalize(x, saved[0], scale, shift), saved


def batch_norm_backward(
    g: Array, saved: Moments, x: Array, gamma: Array, beta: Array, *, gate: Array | None = None, **_: Any
) -> tuple[Array, ...]:
    """The gradients of x, γ and β; with a `gate`, g counts only where that is positive."""
    return kernels.batch_norm_backward(g, x, gamma, *saved, gate=gate)


def _batch_norm_tangent(ts: tuple, saved: Moments, x: Array, gamma: Array, beta: Array, **_: Any) -> Array:
    t, t_gamma, t_beta = ts
    mean, istd = saved
    moved = None if t is None else kernels.batch_norm_backward(t, x, gamma, mean, istd)[0]
    return _plus_affine(moved, x, mean, istd, t_gamma, t_beta)


def _plus_affine(moved: Array | None, x: Array, mean: Array, istd: Array, scale: Any, shift: Any) -> Array:
    """moved + scale · x̂ + shift, each of them optional."""
    if moved is not None and scale is None and shift is None:
        return moved
    zero = np.zeros_like(mean)
    scale, shift = zero if scale is None else scale * istd, zero if shift is None else shift
    return kernels.normalize(x, mean, scale, shift, plus=moved)


_batch_norm = fused(_composed_batch_norm, _fused_batch_norm, batch_norm_backward, _batch_norm_tangent)


def _composed_normalize(x: Tensor, mean: Tensor, var: Tensor, gamma: Tensor, beta: Tensor, *, eps: float) -> Tensor:
    scale = gamma * power(var + eps, -0.5)
    return (x - _per_channel(mean, x.ndim)) * _per_channel(scale, x.ndim) + _per_channel(beta, x.ndim)


def fixed_statistics(
    x: Array, mean: Array, var: Array, gamma: Array, beta: Array, *, eps: float
) -> tuple[Moments, Array, Array]:
    """As `batch_statistics`, of given moments."""
    istd = np.asarray(_inverse_root(var, eps), x.dtype)
    return (np.array(mean, x.dtype), istd), gamma * istd, beta.copy()  # running statistics move: a copy


def _fused_normalize(x: Array, *vectors: Array, eps: float) -> tuple[Array, Moments]:
    saved, scale, shift = fixed_statistics(x, *vectors, eps=eps)
    return kernels.normalize(x, saved[0], scale, shift), saved


def _normalize_backward(
    g: Array, saved: Moments, x: Array, _mean: Array, var: Array, gamma: Array, beta: Array, **_: Any
) -> tuple[Array, ...]:
    mean, istd = saved
    g_gamma, g_beta = kernels.batch_norm_backward(g, x, gamma, mean, istd)[1:]
    zero = np.zeros_like(mean)
    gx = kernels.normalize(g, zero, gamma * istd, zero)
    return gx, -gamma * istd * g_beta, -0.5 * gamma * istd**2 * g_gamma, g_gamma, g_beta


def _normalize_tangent(
    ts: tuple, saved: Moments, x: Array, _mean: Array, var: Array, gamma: Array, beta: Array, **_: Any
) -> Array:
    t, t_mean, t_var, t_gamma, t_beta = ts
    mean, istd = saved
    zero = np.zeros_like(mean)
    moved = None if t is None else kernels.normalize(t, zero, gamma * istd, zero)
    if t_var is not None:
        t_gamma = (zero if t_gamma is None else t_gamma) - 0.5 * gamma * istd**2 * t_var
    if t_mean is not None:
        t_beta = (zero if t_beta is None else t_beta) - gamma * istd * t_mean
    return _plus_affine(moved, x, mean, istd, t_gamma, t_beta)


_normalize = fused(_composed_normalize, _fused_normalize, _normalize_backward, _normalize_tangent)


def scale_and_shift(mean: Array, var: Array, gamma: Array, beta: Array, *, eps: float) -> tuple[Array, Array]:
    """The normalisation by given moments as x · scale + shift."""
    scale = gamma * _inverse_root(var, eps)
    return scale, beta - mean * scale


def _check(x: Tensor, eps: float, **vectors: Any) -> None:
    check("batch_norm", POSITIVE, eps=eps)
    if x.ndim < 2:
        raise ValueError(f"batch_norm: x has shape {x.shape}; it must be (N, C, …)")
    c = x.shape[1]
    for name, v in vectors.items():
        if v.shape != (c,):
            raise ValueError(f"batch_norm: {name} has shape {v.shape}, x has {c} channels; it must be one each")
    for name in ("gamma", "beta"):
        same_dtype("batch_norm", x, vectors[name], name)


def _images(x: Tensor) -> Tensor:
    """x as the kernels take it: (N, C), or (N, C, H, W)."""
    return x if x.ndim in (2, 4) else reshape(x, (*x.shape[:2], math.prod(x.shape[2:]), 1))


def check_batch(x: Tensor) -> None:
    """Raise unless each channel of x has more than one value."""
    if x.size <= x.shape[1]:
        raise ValueError(
            f"batch_norm: x has shape {x.shape}; a channel needs more than one value to have a variance: "
            "use a larger batch, or eval()"
        )


@named
def batch_norm(
    x: ArrayLike, gamma: ArrayLike, beta: ArrayLike, *, eps: float = 1e-5, moments: Moments | None = None
) -> Tensor:
    """Each channel of x, (N, C, …), normalised over the batch, then scaled by γ (C,) and shifted by β (C,).

    `moments` may hand over what `channel_moments(x)` returned, to spare computing it again. Raises ValueError
    when there is one value per channel: it has no variance.

    >>> y = batch_norm(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1))
    >>> y.data.round(4)
    array([[-1.],
           [ 1.]])
    """
    x, gamma, beta = as_tensor(x), as_tensor(gamma), as_tensor(beta)
    _check(x, eps, gamma=gamma, beta=beta)
    check_batch(x)
    if moments is not None:
        moments = private(moments[0]), private(moments[1])
    y = _batch_norm(_images(x), gamma, beta, eps=eps, moments=moments)
    return y if y.ndim == x.ndim else reshape(y, x.shape)


def channel_moments(x: ArrayLike) -> Moments:
    """The mean and the biased variance of each channel of x, as arrays: what a layer's running statistics follow."""
    x = _images(as_tensor(x))
    return dispatch(kernels.channel_moments, cast(x, dtype=floats_for(x.dtype)[0]))


@named
def normalize(
    x: ArrayLike, mean: ArrayLike, var: ArrayLike, gamma: ArrayLike, beta: ArrayLike, *, eps: float = 1e-5
) -> Tensor:
    """Batch normalisation by given statistics (C,), as at test time: γ (x − mean) / √(var + ε) + β."""
    x, mean, var, gamma, beta = (as_tensor(a) for a in (x, mean, var, gamma, beta))
    _check(x, eps, mean=mean, var=var, gamma=gamma, beta=beta)
    y = _normalize(_images(x), mean, var, gamma, beta, eps=eps)
    return y if y.ndim == x.ndim else reshape(y, x.shape)
