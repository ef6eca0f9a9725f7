"""Normalisation as layers. Batch norm has batch statistics in training and running ones at test time; the others depend on
one sample alone, and are the same in both."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar

import numpy as np

from ..declared import Number
from ..ops import conv, norm, rownorm, shape
from ..ranges import COUNT, POSITIVE, SWITCH, UNIT, check
from ..tape import Array, Tensor, constant, effect, real_dtype, snapshot
from ..typing import ArrayLike, DTypeLike
from .function import Function
from .module import Buffer, Module, Parameter

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LayerNorm", "LocalResponseNorm", "RMSNorm"]  # fmt: skip


class _BatchNorm(Module):
    axes: tuple[int, ...]  # how many axes an input may have
    channel = 1  # the axis of channels
    wanted: str
    weight: Any  # a Parameter, or None without `affine`
    bias: Any
    running_mean: Any  # a Buffer, or None without `track_running_stats`
    running_var: Any
    num_batches_tracked: Any
    counts: ClassVar[bool] = True

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        unbiased: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._begin(num_features, eps, momentum, affine, track_running_stats, bias, unbiased, dtype)

    def _begin(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        unbiased: bool,
        dtype: DTypeLike,
    ) -> None:
        name = type(self).__name__
        check(name, COUNT, num_features=num_features)
        check(name, POSITIVE, eps=eps)
        check(name, UNIT.or_none, momentum=momentum)
        check(name, SWITCH, affine=affine, track_running_stats=track_running_stats, bias=bias, unbiased=unbiased)
        self.num_features, self.eps, self.momentum, self.unbiased = num_features, eps, momentum, unbiased
        zeros, ones = np.zeros(num_features, dtype), np.ones(num_features, dtype)
        self.weight = Parameter(ones) if affine else None
        self.bias = Parameter(zeros) if affine and bias else None
        wide = np.result_type(dtype, np.float32)  # a variance may be beyond float16
        self.running_mean = Buffer(zeros.astype(wide)) if track_running_stats else None
        self.running_var = Buffer(ones.astype(wide)) if track_running_stats else None
        self.num_batches_tracked = Buffer(np.array(0)) if track_running_stats else None

    def _taken(self, x: ArrayLike) -> tuple[Tensor, Tensor, Tensor]:
        """x, checked, and the scale and shift of each channel."""
        x, name = shape.as_tensor(x), type(self).__name__
        channels = x.shape[self.channel] if x.ndim in self.axes else 0
        if channels != self.num_features:
            raise ValueError(f"{name}: x has shape {x.shape}; it must be {self.wanted} with C = {self.num_features}")
        ones, zeros = (constant(f(self.num_features, real_dtype(x.dtype))) for f in (np.ones, np.zeros))
        gamma = self.weight if self.weight is not None else Tensor(ones)
        beta = self.bias if self.bias is not None else Tensor(zeros)
        conv.same_dtype(name, x, gamma)
        return x, gamma, beta

    def forward(self, x: ArrayLike) -> Tensor:
        x, gamma, beta = self._taken(x)
        if self.training or self.running_mean is None:
            norm.check_batch(x)
            moments = norm.channel_moments(x)
            if self.running_mean is not None:
                effect(self._track, *moments, x.size // self.num_features)
            return norm.batch_norm(x, gamma, beta, eps=self.eps, moments=moments)
        mean, var = snapshot(self.running_mean), snapshot(self.running_var)  # which go on moving
        return norm.normalize(x, mean, var, gamma, beta, eps=self.eps)

    def _track(self, mean: Array, var: Array, n: int) -> None:
        """Move the running statistics towards those of n values a channel; the variance is the unbiased one, or not."""
        mean, var = mean.real, var.real  # the imaginary part of a complex step is not data
        count = self.num_batches_tracked
        if self.counts or self.momentum is None:
            count.data = count.read() + 1
        rate = 1 / int(count.read()) if self.momentum is None else self.momentum
        for running, new in (
            (self.running_mean, mean),
            (self.running_var, var * (n / (n - 1) if self.unbiased else 1)),
        ):
            running.data = ((1 - rate) * running.read() + rate * new).astype(running.dtype)


class BatchNorm1d(_BatchNorm):
    """Each feature of (N, C), or channel of signals (N, C, L), normalised over the batch, scaled by `weight`, shifted by `bias`.

    In training the batch's own mean and biased variance are used, and running statistics follow them:
    running ← (1 − momentum) · running + momentum · batch, or their plain average if momentum is None. The
    running variance is the unbiased one, unless `unbiased` is False. In eval mode the running statistics are used, and
    nothing moves.

    >>> layer = BatchNorm1d(2)
    >>> layer(np.array([[1, 2], [3, 6]], np.float32)).shape, layer.running_mean.data
    ((2, 2), array([0.2, 0.4], dtype=float32))
    """

    axes = (2, 3)
    wanted = "(N, C) or (N, C, L)"


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) normalised over images and pixels; otherwise as `BatchNorm1d`."""

    axes = (4,)
    wanted = "(N, C, H, W)"


class BatchNorm3d(_BatchNorm):
    """Each channel of (N, C, D, H, W) normalised over volumes and their entries; otherwise as `BatchNorm1d`."""

    axes = (5,)
    wanted = "(N, C, D, H, W)"


class _InstanceNorm(_BatchNorm):
    counts = False  # as in PyTorch, num_batches_tracked stays, but for an average, which needs it

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._begin(num_features, eps, momentum, affine, track_running_stats, bias, True, dtype)

    def forward(self, x: ArrayLike) -> Tensor:
        x, gamma, beta = self._taken(x)
        images = x if x.ndim == self.axes[1] else shape.expand_dims(x, 0)
        own = self.training or self.running_mean is None
        mean, var = (None, None) if own else (self.running_mean, self.running_var)
        y = rownorm.instance_norm(images, mean, var, gamma, beta, own, eps=self.eps)
        if own and self.running_mean is not None:
            n, pixels = len(images), math.prod(images.shape[2:])
            moments = norm.channel_moments(shape.reshape(images, (1, n * self.num_features, pixels, 1)))
            effect(self._track_mean, *moments, n, pixels)
        return shape.reshape(y, x.shape)

    def _track_mean(self, mean: Array, var: Array, n: int, pixels: int) -> None:
        mean, var = (m.reshape(n, -1).mean(0) for m in (mean, var))  # over the samples
        self._track(mean, var, pixels)


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each signal (N, C, L), or (C, L), normalised by itself; affine and tracked only if asked for."""

    axes, channel = (2, 3), -2
    wanted = "(N, C, L) or (C, L)"


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image (N, C, H, W), or (C, H, W), normalised by itself; as `InstanceNorm1d` (Ulyanov et al. 2016)."""

    axes, channel = (3, 4), -3
    wanted = "(N, C, H, W) or (C, H, W)"


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each volume (N, C, D, H, W), or (C, D, H, W), normalised by itself; as `InstanceNorm1d`."""

    axes, channel = (4, 5), -4
    wanted = "(N, C, D, H, W) or (C, D, H, W)"


def _normalized(name: str, normalized_shape: Any) -> tuple[int, ...]:
    size = (normalized_shape,) if COUNT.holds(normalized_shape) else normalized_shape
    if not isinstance(size, tuple | list) or not size or not all(map(COUNT.holds, size)):
        told = COUNT.told(normalized_shape)
        raise ValueError(f"{name}: normalized_shape is {told}; it must be a whole number ≥ 1, or several")
    return tuple(map(int, size))


class LayerNorm(Module):
    """Each sample normalised over its last axes, of `normalized_shape`, then scaled and shifted entry by entry.

    Ba, Kiros, Hinton 2016. The variance is the biased one.

    >>> LayerNorm(2)(np.array([[1, 3], [2, 8]], np.float32)).data.round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    weight: Any
    bias: Any

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = _normalized("LayerNorm", normalized_shape)
        check("LayerNorm", POSITIVE, eps=eps)
        check("LayerNorm", SWITCH, elementwise_affine=elementwise_affine, bias=bias)
        self.eps = eps
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if elementwise_affine and bias else None

    def forward(self, x: ArrayLike) -> Tensor:
        return rownorm.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(Module):
    """Each sample divided by the root of its mean square over its last axes, then scaled entry by entry.

    Zhang, Sennrich 2019. eps is added to the mean square; None is the smallest step of the dtype at 1.
    """

    weight: Any

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = _normalized("RMSNorm", normalized_shape)
        check("RMSNorm", POSITIVE.or_none, eps=eps)
        check("RMSNorm", SWITCH, elementwise_affine=elementwise_affine)
        self.eps = eps
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None

    def forward(self, x: ArrayLike) -> Tensor:
        return rownorm.rms_norm(x, self.normalized_shape, self.weight, self.eps)


class GroupNorm(Module):
    """The channels of x (N, C, …) in num_groups groups, each group of each sample normalised by itself (Wu, He 2018).

    Then each channel is scaled by `weight` and shifted by `bias`.
    """

    weight: Any
    bias: Any

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        check("GroupNorm", COUNT, num_groups=num_groups, num_channels=num_channels)
        check("GroupNorm", POSITIVE, eps=eps)
        check("GroupNorm", SWITCH, affine=affine, bias=bias)
        if num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(np.ones(num_channels, dtype)) if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype)) if affine and bias else None

    def forward(self, x: ArrayLike) -> Tensor:
        x = shape.as_tensor(x)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ValueError(f"GroupNorm: x has shape {x.shape}; it must be (N, {self.num_channels}, …)")
        return rownorm.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class LocalResponseNorm(Function, f=rownorm.local_response_norm):
    """x / (k + alpha · mean of x² over `size` neighbouring channels)^beta (Krizhevsky et al. 2012)."""

    size: Annotated[int, COUNT]
    alpha: Number = 1e-4
    beta: Number = 0.75
    k: Number = 1.0
