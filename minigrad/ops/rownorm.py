"""Normalisation of a sample by itself: over its last axes (layer norm, RMS norm), over groups of channels, or over neighbours.

Layer, RMS, group and instance norm are one operation: rows x (M, F) normalised, scaled by w and shifted by b, both (R, K).
Row r has row r mod R of them, each of whose entries serves F/K numbers one after the other.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named, shown
from ..ranges import COUNT, NUMBER, POSITIVE, SWITCH, UNIT, check
from ..tape import (
    Array,
    Tensor,
    as_tensor,
    constant,
    effect,
    floats_for,
    fused,
    in_floats,
    real_dtype,
    rounded_once,
    snapshot,
)
from ..typing import ArrayLike
from . import distances, norm
from .conv import same_dtype
from .elementwise import maximum, power
from .reduce import mean
from .shape import pad, reshape

__all__ = ["group_norm", "instance_norm", "layer_norm", "local_response_norm", "lp_normalize", "rms_norm"]


def _composed_row_norm(
    x: Tensor, weight: Tensor, bias: Tensor, *, rows: int, by: tuple[int, int], eps: float, centred: bool
) -> Tensor:
    flat, (r, k) = reshape(x, (rows, -1)), by
    c = flat - mean(flat, 1, keepdims=True) if centred else flat
    y = c * power(mean(c * c, 1, keepdims=True) + eps, -0.5)
    y = reshape(y, (rows // r, r, k, y.shape[1] // k)) * reshape(weight, (r, k, 1)) + reshape(bias, (r, k, 1))
    return reshape(y, x.shape)


def _fused_row_norm(
    x: Array, weight: Array, bias: Array, *, rows: int, by: tuple[int, int], eps: float, centred: bool
) -> tuple[Array, Array]:
    weight, bias = weight.reshape(by), bias.reshape(by)
    if _groups_channels_last(x, rows, by, centred):
        return kernels.normalize_groups(x, weight, bias, eps=eps)
    y, stats = kernels.normalize_rows(x.reshape(rows, -1), weight, bias, eps=eps, centred=centred)
    return y.reshape(x.shape), stats


def _groups_channels_last(x: Array, rows: int, by: tuple[int, int], centred: bool) -> bool:
    """Whether rows are groups of an image's channels, and x is not stored row after row: most likely channels last."""
    groups, channels = by
    split = x.ndim == 4 and rows == len(x) * groups and x.shape[1] == groups * channels
    return split and centred and not x.flags.c_contiguous


def _row_norm_backward(
    g: Array,
    stats: Array,
    x: Array,
    weight: Array,
    bias: Array,
    *,
    rows: int,
    by: tuple[int, int],
    centred: bool,
    **_: Any,
) -> tuple[Array, ...]:
    if _groups_channels_last(x, rows, by, centred):
        gx, gw, gb = kernels.normalize_groups_backward(g, x, weight.reshape(by), stats)
    else:
        laid = g.reshape(rows, -1), x.reshape(rows, -1), weight.reshape(by), stats
        gx, gw, gb = kernels.normalize_rows_backward(*laid, centred=centred)
    return gx.reshape(x.shape), gw.reshape(weight.shape), gb.reshape(bias.shape)


_row_norm = fused(_composed_row_norm, _fused_row_norm, _row_norm_backward)


@functools.lru_cache(64)
def _filled(value: float, shape: tuple[int, int], dtype: np.dtype) -> Array:
    return constant(np.full(shape, value, dtype))


def _normalized(x: Tensor, rows: int, by: tuple[int, int], weight: Any, bias: Any, eps: float, centred: bool) -> Tensor:
    """x as that many rows, normalised, then scaled and shifted by what is laid out in (R, K); in x's shape."""
    if x.size == 0:
        return x
    wide = floats_for(x.dtype)[0] if x.dtype.kind != "c" else real_dtype(x.dtype)
    scale, shift = (Tensor(_filled(f, by, wide)) if v is None else v for v, f in ((weight, 1.0), (bias, 0.0)))
    y = _row_norm(x, scale, shift, rows=rows, by=by, eps=eps, centred=centred)
    return y if y.dtype == x.dtype or x.dtype.kind != "f" else y.astype(x.dtype)


def _vectors(name: str, x: Tensor, shape: tuple[int, ...], **given: Any) -> list[Tensor | None]:
    """Weight and bias, checked; None stays None."""
    found: list[Tensor | None] = []
    for what, v in given.items():
        v = None if v is None else as_tensor(v)
        if v is not None and v.shape != shape:
            raise ValueError(f"{name}: {what} has shape {v.shape}; for x of shape {x.shape} it must be {shape}")
        if v is not None:
            same_dtype(name, x, v, what)
        found.append(v)
    return found


def _last_axes(name: str, x: Tensor, normalized_shape: Any) -> tuple[int, ...]:
    shape = (normalized_shape,) if COUNT.holds(normalized_shape) else normalized_shape
    if not isinstance(shape, (tuple, list)) or not shape or not all(COUNT.holds(n) for n in shape):
        raise ValueError(
            f"{name}: normalized_shape is {shown(normalized_shape)}; it must be ints ≥ 1, the last axes of x"
        )
    if x.shape[-len(shape) :] != tuple(shape):
        raise ValueError(f"{name}: x has shape {x.shape}; its last axes must be {tuple(shape)}")
    return tuple(int(n) for n in shape)


@named
def layer_norm(
    x: ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """x normalised over its last axes, of `normalized_shape`, then scaled by `weight` and shifted by `bias`, both of that shape.

    (x − μ) / √(σ² + eps), σ² being the biased variance. Ba, Kiros, Hinton 2016.

    >>> layer_norm(np.array([[1.0, 3.0], [5.0, 9.0]]), 2).data.round(4)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    return _over_last_axes("layer_norm", x, normalized_shape, weight, bias, eps, True)


@named
def rms_norm(
    x: ArrayLike, normalized_shape: int | Sequence[int], weight: ArrayLike | None = None, eps: float | None = None
) -> Tensor:
    """x / √(⟨x²⟩ + eps) over its last axes, of `normalized_shape`, times `weight`. eps is the dtype's own, if None.

    Zhang, Sennrich 2019.
    """
    x = as_tensor(x)
    eps = float(np.finfo(real_dtype(floats_for(x.dtype)[0])).eps) if eps is None else eps
    return _over_last_axes("rms_norm", x, normalized_shape, weight, None, eps, False)


def _over_last_axes(
    name: str, x: ArrayLike, normalized_shape: Any, weight: Any, bias: Any, eps: float, centred: bool
) -> Tensor:
    x = as_tensor(x)
    check(name, POSITIVE, eps=eps)
    shape = _last_axes(name, x, normalized_shape)
    weight, bias = _vectors(name, x, shape, weight=weight, bias=bias)
    size = math.prod(shape)
    return _normalized(x, x.size // size, (1, size), weight, bias, eps, centred)


@named
def group_norm(
    x: ArrayLike,
    num_groups: int,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """The channels of x (N, C, …) in `num_groups` groups, each group of each sample normalised by itself.

    Then each channel is scaled by `weight` (C,) and shifted by `bias` (C,). Wu, He 2018.
    """
    x = as_tensor(x)
    check("group_norm", POSITIVE, eps=eps)
    check("group_norm", COUNT, num_groups=num_groups)
    if x.ndim < 2 or x.shape[1] % num_groups:
        raise ValueError(f"group_norm: x has shape {x.shape}; it must be (N, C, …), C a multiple of {num_groups}")
    return _in_groups("group_norm", x, int(num_groups), weight, bias, eps)


def _in_groups(name: str, x: Tensor, groups: int, weight: Any, bias: Any, eps: float) -> Tensor:
    n, c = x.shape[:2]
    weight, bias = _vectors(name, x, (c,), weight=weight, bias=bias)
    return _normalized(x, n * groups, (groups, c // groups), weight, bias, eps, True)


@named
def instance_norm(
    x: ArrayLike,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each sample of x (N, C, L, …) normalised by itself, then scaled by `weight` and shifted by `bias`, (C,).

    Running statistics, if tensors (C,) are given, follow the samples' average, the variance being unbiased; without
    `use_input_stats` they are what x is normalised by. Ulyanov, Vedaldi, Lempitsky 2016.
    """
    x = as_tensor(x)
    check("instance_norm", POSITIVE, eps=eps)
    check("instance_norm", UNIT, momentum=momentum)
    check("instance_norm", SWITCH, use_input_stats=use_input_stats)
    if x.ndim < 3:
        raise ValueError(f"instance_norm: x has shape {x.shape}; it must be (N, C, L, …)")
    n, c = x.shape[:2]
    pixels = math.prod(x.shape[2:])
    running: list[Any] = [running_mean, running_var]
    for what, r in zip(("running_mean", "running_var"), running):
        if (r is None and not use_input_stats) or (r is not None and np.shape(r) != (c,)):
            raise ValueError(f"instance_norm: {what} is {shown(r)}; it must be of shape ({c},)")
    if not use_input_stats:
        ones, zeros = (Tensor(_filled(v, (1, c), real_dtype(x.dtype))) for v in (1.0, 0.0))
        gamma = reshape(ones, c) if weight is None else weight
        beta = reshape(zeros, c) if bias is None else bias
        mean, var = (snapshot(as_tensor(r)) for r in running)  # which go on moving
        return reshape(norm.normalize(reshape(x, (n, c, pixels, 1)), mean, var, gamma, beta, eps=eps), x.shape)
    if pixels < 2:
        raise ValueError(f"instance_norm: x has shape {x.shape}; a channel needs more than one value")
    if any(r is not None for r in running):
        if not all(isinstance(r, Tensor) for r in running):
            raise TypeError("instance_norm: running_mean and running_var must both be tensors, which follow x, or None")
        effect(_follow, running[0], running[1], x._data, momentum)
    return _in_groups("instance_norm", x, c, weight, bias, eps)


def _follow(running_mean: Tensor, running_var: Tensor, x: Array, momentum: float) -> None:
    flat = x.real.reshape(*x.shape[:2], -1)
    for running, new in ((running_mean, flat.mean(2).mean(0)), (running_var, flat.var(2, ddof=1).mean(0))):
        running.data = ((1 - momentum) * running._data + momentum * new).astype(running.dtype)


@named
def local_response_norm(x: ArrayLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha · ⟨x²⟩)^beta, the average being over `size` neighbouring channels of x (N, C, L, …), zeros beyond the ends.

    Krizhevsky, Sutskever, Hinton 2012 have the sum in its place.
    """
    check("local_response_norm", COUNT, size=size)
    check("local_response_norm", NUMBER, alpha=alpha, beta=beta, k=k)
    x = as_tensor(x)
    if x.ndim < 3:
        raise ValueError(f"local_response_norm: x has shape {x.shape}; it must be (N, C, L, …)")

    def response(x: Tensor) -> Tensor:
        squares = pad(x * x, [(0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * (x.ndim - 2)])
        c = x.shape[1]
        total = squares[:, :c]
        for i in range(1, size):
            total = total + squares[:, i : i + c]
        return x * power(k + alpha / size * total, -beta)

    return in_floats(response, x)


@named
def lp_normalize(x: ArrayLike, p: float = 2.0, axis: int | tuple[int, ...] = 1, eps: float = 1e-12) -> Tensor:
    """x / max(‖x‖ₚ, eps) along an axis: PyTorch's `nn.functional.normalize`.

    >>> lp_normalize(np.array([[3.0, 4.0]])).data
    array([[0.6, 0.8]])
    """
    check("lp_normalize", NUMBER, p=p)
    check("lp_normalize", POSITIVE, eps=eps)
    return rounded_once(lambda x: x / maximum(distances.vector_norm(x, axis=axis, keepdims=True, ord=p), eps))(x)
