"""Normalisation of each sample by itself: layer, group, instance and RMS norm are one operation on rows.

A row is what is normalised together. The composition is the truth, and one kernel, for value and first gradient, equals it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named, shown
from ..ranges import COUNT, NOT_NEGATIVE, NUMBER, POSITIVE, SWITCH, UNIT, check
from ..tape import (
    FLOATS,
    Array,
    Tensor,
    as_tensor,
    broadcast_to,
    constant,
    effect,
    fused,
    in_floats,
    snapshot,
    wrap,
)
from ..typing import ArrayLike
from .conv import same_dtype
from .distances import vector_norm
from .elementwise import maximum, power
from .norm import channel_moments, normalize
from .pool import avg_pool3d
from .reduce import mean
from .shape import pad, reshape

__all__ = ["group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]


def _composed_row_norm(x: Tensor, scale: Tensor, shift: Tensor, *, eps: float, centred: bool) -> Tensor:
    c = x - mean(x, 1, keepdims=True) if centred else x
    y = reshape(c * power(mean(c * c, 1, keepdims=True) + eps, -0.5), (-1, *scale.shape))
    return reshape(y * scale + shift, x.shape)


def _fused_row_norm(x: Array, scale: Array, shift: Array, *, eps: float, centred: bool) -> tuple[Array, Array]:
    return kernels.row_norm(x, scale, shift, eps=eps, centred=centred)


def _row_norm_backward(
    g: Array, stats: Array, x: Array, scale: Array, shift: Array, *, eps: float, centred: bool
) -> tuple[Array, Array, Array]:
    return kernels.row_norm_backward(g, x, scale, stats, centred=centred)


_row_norm = fused(_composed_row_norm, _fused_row_norm, _row_norm_backward)


def _spread(v: Any, size: tuple[int, ...], x: Tensor, fill: float) -> Tensor:
    """A weight (C,), or none, as rows (P, K): of `size` (P, C/P, pixels), each for all the pixels of its channel."""
    if v is None:
        return wrap(constant(np.full((size[0], size[1] * size[2]), fill, x.dtype)))
    v = reshape(v, (size[0], size[1], 1))
    return reshape(broadcast_to(v, shape=size), (size[0], size[1] * size[2]))


def _normalized(
    name: str, x: Tensor, rows: int, size: tuple[int, ...], weight: Any, bias: Any, eps: float, centred: bool = True
) -> Tensor:
    if x.dtype.char not in FLOATS:
        return in_floats(lambda x, *v: _normalized(name, x, rows, size, weight, bias, eps, centred), x)
    k = size[1] * size[2]
    if not k:
        raise ValueError(f"{name}: x has shape {x.shape}; there is nothing in a row to normalise")
    scale, shift = _spread(weight, size, x, 1), _spread(bias, size, x, 0)
    return reshape(_row_norm(reshape(x, (rows, k)), scale, shift, eps=float(eps), centred=centred), x.shape)


def _last(name: str, x: Tensor, normalized_shape: Any) -> tuple[int, ...]:
    wanted = (normalized_shape,) if isinstance(normalized_shape, int | np.integer) else normalized_shape
    if not isinstance(wanted, tuple | list) or not wanted or not all(map(COUNT.holds, wanted)):
        raise ValueError(
            f"{name}: normalized_shape is {shown(normalized_shape)}; it must be a whole number ≥ 1, or several"
        )
    wanted = tuple(map(int, wanted))
    if x.shape[x.ndim - len(wanted) :] != wanted or x.ndim < len(wanted):
        raise ValueError(f"{name}: x has shape {x.shape}; its last axes must be {wanted}")
    return wanted


def _like(name: str, x: Tensor, shape: tuple[int, ...], **vectors: Any) -> list[Tensor | None]:
    """Weight and bias, if there are, as tensors of this shape and x's dtype."""
    found: list[Tensor | None] = []
    for what, v in vectors.items():
        v = None if v is None else as_tensor(v)
        if v is not None and v.shape != shape:
            raise ValueError(f"{name}: {what} has shape {v.shape}; it must be {shape}")
        if v is not None:
            same_dtype(name, x, v, what)
        found.append(v)
    return found


@named
def layer_norm(
    x: ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """x with its last axes, of `normalized_shape`, at mean 0 and variance 1, times weight plus bias of that shape.

    (x − μ) / √(σ² + eps), σ² the biased variance (Ba, Kiros, Hinton 2016).

    >>> layer_norm(np.array([[1.0, 3.0], [2.0, 8.0]]), 2).data.round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    x = as_tensor(x)
    check("layer_norm", NOT_NEGATIVE, eps=eps)
    size = _last("layer_norm", x, normalized_shape)
    weight, bias = _like("layer_norm", x, size, weight=weight, bias=bias)
    k = math.prod(size)
    return _normalized("layer_norm", x, x.size // k, (1, k, 1), weight, bias, eps)


@named
def rms_norm(
    x: ArrayLike, normalized_shape: int | Sequence[int], weight: ArrayLike | None = None, eps: float | None = None
) -> Tensor:
    """x over the root of its mean square (plus eps, by default the dtype's round-off) over its last axes, times weight.

    Zhang, Sennrich 2019.
    """
    x = as_tensor(x)
    check("rms_norm", NOT_NEGATIVE.or_none, eps=eps)
    size = _last("rms_norm", x, normalized_shape)
    (weight,) = _like("rms_norm", x, size, weight=weight)
    least = float(np.finfo(x.dtype if x.dtype.kind in "fc" else np.float32).eps) if eps is None else eps
    k = math.prod(size)
    return _normalized("rms_norm", x, x.size // k, (1, k, 1), weight, None, least, centred=False)


def _images(name: str, x: Tensor) -> tuple[int, int, int]:
    if x.ndim < 2:
        raise ValueError(f"{name}: x has shape {x.shape}; it must be (N, C, …)")
    return x.shape[0], x.shape[1], math.prod(x.shape[2:])


@named
def group_norm(
    x: ArrayLike,
    num_groups: int,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """x (N, C, …) with each of `num_groups` groups of channels of a sample normalised, times weight plus bias (C,).

    Wu, He 2018: as `layer_norm`, within a group.
    """
    x = as_tensor(x)
    n, c, pixels = _images("group_norm", x)
    check("group_norm", COUNT, num_groups=num_groups)
    check("group_norm", NOT_NEGATIVE, eps=eps)
    if c % num_groups:
        raise ValueError(f"group_norm: x has {c} channels; num_groups={num_groups} must divide them")
    weight, bias = _like("group_norm", x, (c,), weight=weight, bias=bias)
    return _normalized("group_norm", x, n * num_groups, (num_groups, c // num_groups, pixels), weight, bias, eps)


@named
def instance_norm(
    x: ArrayLike,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """x (N, C, …) with each channel of a sample normalised, times weight plus bias (C,) (Ulyanov, Vedaldi, Lempitsky 2016).

    Without `use_input_stats` by the running statistics (C,), as at test time. With it, running statistics that are
    tensors move towards the batch's mean, and its unbiased variance, by `momentum`.
    """
    name, x = "instance_norm", as_tensor(x)
    n, c, pixels = _images(name, x)
    check(name, SWITCH, use_input_stats=use_input_stats)
    check(name, NOT_NEGATIVE, eps=eps)
    check(name, UNIT, momentum=momentum)
    weight, bias = _like(name, x, (c,), weight=weight, bias=bias)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError(f"{name}: without use_input_stats it needs running_mean and running_var")
        scale, shift = (as_tensor(np.full(c, f, x.dtype)) if v is None else v for v, f in ((weight, 1), (bias, 0)))
        flat = reshape(x, (n, c, pixels, 1))
        mu, var = (snapshot(as_tensor(v)) for v in (running_mean, running_var))  # which go on moving
        return reshape(normalize(flat, mu, var, scale, shift, eps=eps or float(np.finfo(x.dtype).tiny)), x.shape)
    if pixels < 2:
        raise ValueError(f"{name}: x has shape {x.shape}; a channel needs more than one value to have a variance")
    if isinstance(running_mean, Tensor) and isinstance(running_var, Tensor):
        moments = channel_moments(reshape(x, (1, n * c, pixels, 1)))
        effect(_track, running_mean, running_var, *moments, momentum, n, pixels)
    return _normalized(name, x, n * c, (c, 1, pixels), weight, bias, eps)


def _track(
    running_mean: Tensor, running_var: Tensor, mean: Array, var: Array, momentum: float, n: int, pixels: int
) -> None:
    for x, new in ((running_mean, mean), (running_var, var * (pixels / (pixels - 1)))):
        new = new.real.reshape(n, -1).mean(0)  # the imaginary part of a complex step is not data
        x.assign(((1 - momentum) * x._data + momentum * new).astype(x.dtype))


@named
def local_response_norm(x: ArrayLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha · mean of squares over `size` neighbouring channels)^beta of x (N, C, …) (Krizhevsky et al. 2012)."""
    x = as_tensor(x)
    check("local_response_norm", COUNT, size=size)
    check("local_response_norm", NUMBER, alpha=alpha, beta=beta, k=k)
    n, c, pixels = _images("local_response_norm", x)

    def normed(x: Tensor) -> Tensor:
        squares = pad(reshape(x * x, (n, 1, c, 1, pixels)), [0, 0, (size // 2, (size - 1) // 2), 0, 0])
        means = reshape(avg_pool3d(squares, (size, 1, 1), 1), x.shape) if x.size else x
        return x / power(means * alpha + k, beta)

    return in_floats(normed, x)


@named
def lp_normalize(x: ArrayLike, p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖, eps), with the norm of order p over `axis`: PyTorch's `functional.normalize`."""
    check("lp_normalize", POSITIVE, eps=eps)
    return in_floats(lambda x: x / maximum(vector_norm(x, axis=axis, keepdims=True, ord=p), eps), as_tensor(x))
