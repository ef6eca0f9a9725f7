"""Batch normalisation as a layer: batch statistics in training, running statistics at test time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import conv, norm, shape
from ..ranges import COUNT, POSITIVE, SWITCH, UNIT, check
from ..tape import Array, Tensor, constant, effect, real_dtype, snapshot
from ..typing import ArrayLike, DTypeLike
from .module import Buffer, Module, Parameter


class _BatchNorm(Module):
    axes: tuple[int, ...]  # how many axes an input may have
    wanted: str
    weight: Any  # a Parameter, or None without `affine`
    bias: Any
    running_mean: Any  # a Buffer, or None without `track_running_stats`
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        name = type(self).__name__
        check(name, COUNT, num_features=num_features)
        check(name, POSITIVE, eps=eps)
        check(name, UNIT.or_none, momentum=momentum)
        check(name, SWITCH, affine=affine, track_running_stats=track_running_stats)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        zeros, ones = np.zeros(num_features, dtype), np.ones(num_features, dtype)
        self.weight = Parameter(ones) if affine else None
        self.bias = Parameter(zeros) if affine else None
        wide = np.result_type(dtype, np.float32)  # a variance may be beyond float16
        self.running_mean = Buffer(zeros.astype(wide)) if track_running_stats else None
        self.running_var = Buffer(ones.astype(wide)) if track_running_stats else None
        self.num_batches_tracked = Buffer(np.array(0)) if track_running_stats else None

    def forward(self, x: ArrayLike) -> Tensor:
        x = shape.as_tensor(x)
        name = type(self).__name__
        if x.ndim not in self.axes or x.shape[1] != self.num_features:
            raise ValueError(f"{name}: x has shape {x.shape}; it must be {self.wanted} with C = {self.num_features}")
        c, real = self.num_features, real_dtype(x.dtype)
        gamma = self.weight if self.weight is not None else Tensor(constant(np.ones(c, real)))
        beta = self.bias if self.bias is not None else Tensor(constant(np.zeros(c, real)))
        conv.same_dtype(name, x, gamma)
        if self.training or self.running_mean is None:
            norm.check_batch(x)
            moments = norm.channel_moments(x)
            if self.running_mean is not None:
                effect(self._track, *moments, x.size // self.num_features)
            return norm.batch_norm(x, gamma, beta, eps=self.eps, moments=moments)
        mean, var = snapshot(self.running_mean), snapshot(self.running_var)  # which go on moving
        return norm.normalize(x, mean, var, gamma, beta, eps=self.eps)

    def _track(self, mean: Array, var: Array, n: int) -> None:
        """Move the running statistics towards those of n values a channel; the variance is the unbiased one."""
        mean, var = mean.real, var.real  # the imaginary part of a complex step is not data
        count = self.num_batches_tracked
        count.data = count.read() + 1
        rate = 1 / int(count.read()) if self.momentum is None else self.momentum
        for running, new in ((self.running_mean, mean), (self.running_var, var * (n / (n - 1)))):
            running.data = ((1 - rate) * running.read() + rate * new).astype(running.dtype)


class BatchNorm1d(_BatchNorm):
    """Each feature of (N, C) normalised over the batch, then scaled by `weight` and shifted by `bias`.

    In training the batch's own mean and biased variance are used, and running statistics follow them:
    running ← (1 − momentum) · running + momentum · batch, or their plain average if momentum is None. In eval mode
    the running statistics are used, and nothing moves.

    >>> layer = BatchNorm1d(2)
    >>> layer(np.array([[1, 2], [3, 6]], np.float32)).shape, layer.running_mean.data
    ((2, 2), array([0.2, 0.4], dtype=float32))
    """

    axes = (2,)
    wanted = "(N, C)"


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) normalised over images and pixels; otherwise as `BatchNorm1d`."""

    axes = (4,)
    wanted = "(N, C, H, W)"
