"""Layers of a CNN, with PyTorch's names, argument order, defaults, weight layouts and initial distributions.

A layer holds parameters and settings; its mathematics is a function of `ops`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np

from .. import random
from ..ops import conv, linalg, pool, shape
from ..ranges import COUNT, INSIDE, SWITCH, WHOLE, check, choice
from ..tape import Tensor, total
from ..typing import ArrayLike, DTypeLike, OneOrTwo, Rng
from . import init
from .module import Module, Parameter

_PADDING = choice("same", "valid")._replace(text="'same', 'valid', an int or two ints")


class Identity(Module):
    """x itself."""

    def forward(self, x: ArrayLike) -> Tensor:
        return shape.as_tensor(x)


class Flatten(Module):
    """All axes from `start_dim` on made one, so that (N, C, H, W) becomes (N, C·H·W)."""

    def __init__(self, start_dim: int = 1) -> None:
        check("Flatten", WHOLE, start_dim=start_dim)
        self.start_dim = start_dim

    def forward(self, x: ArrayLike) -> Tensor:
        return shape.flatten(x, self.start_dim)


class Linear(Module):
    """x Wᵀ + b on the last axis: (…, in_features) gives (…, out_features). The weight is (out_features, in_features).

    Weight and bias start uniform in ±1/√in_features. Raises ValueError when x has another number of features,
    TypeError when its dtype is not the weight's.

    >>> Linear(3, 2, rng=0)(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("Linear", COUNT, in_features=in_features, out_features=out_features)
        check("Linear", SWITCH, bias=bias)
        rng = random.generator(rng)
        self.in_features, self.out_features = in_features, out_features
        size = (out_features, in_features)
        self.weight = Parameter(init.kaiming_uniform(size, a=math.sqrt(5), rng=rng, dtype=dtype))
        self.bias = _bias(out_features, in_features, rng, dtype) if bias else None

    def forward(self, x: ArrayLike) -> Tensor:
        return self.with_weights(x, self.weight, self.bias)

    def with_weights(self, x: ArrayLike, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What the layer gives for x if these are its weight and bias, of its own shapes."""
        x = self.checked(x)
        if bias is None:
            return linalg.matmul(x, shape.matrix_transpose(weight))
        if x.ndim == 2:
            return linalg.affine(x, weight, bias)
        rows = shape.reshape(x, (math.prod(x.shape[:-1]), self.in_features))
        return shape.reshape(linalg.affine(rows, weight, bias), (*x.shape[:-1], self.out_features))

    def checked(self, x: ArrayLike) -> Tensor:
        """x as a tensor, if it has the layer's features and dtype."""
        x = shape.as_tensor(x)
        if not x.ndim or x.shape[-1] != self.in_features:
            given = f"{x.shape[-1]} features" if x.ndim else "no axis of features"
            raise ValueError(
                f"linear: x has {given}, weight expects {self.in_features}; "
                f"x has shape {x.shape}, it must be (…, {self.in_features})"
            )
        conv.same_dtype("linear", x, self.weight)
        return x


class Conv2d(Module):
    """The cross-correlation of images (N, C, H, W) with weights (out_channels, C/groups, kh, kw), plus a bias.

    Spatial arguments are ints or pairs. `padding` may be 'valid' (none) or 'same' (the output keeps the image's size;
    stride 1). Weight and bias start uniform in ±1/√fan_in.

    >>> Conv2d(3, 8, 5, padding="same", rng=0)(np.ones((2, 3, 7, 7), np.float32)).shape
    (2, 8, 7, 7)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: OneOrTwo,
        stride: OneOrTwo = 1,
        padding: OneOrTwo = 0,
        dilation: OneOrTwo = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("Conv2d", COUNT, in_channels=in_channels, out_channels=out_channels, groups=groups)
        check("Conv2d", SWITCH, bias=bias)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        rng = random.generator(rng)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = conv.pair("Conv2d", "kernel_size", kernel_size, 1)
        self.stride = conv.pair("Conv2d", "stride", stride, 1)
        self.padding = _padding(padding, self.stride)
        self.dilation = conv.pair("Conv2d", "dilation", dilation, 1)
        self.groups = groups
        size = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(init.kaiming_uniform(size, a=math.sqrt(5), rng=rng, dtype=dtype))
        self.bias = _bias(out_channels, init.fans(size)[0], rng, dtype) if bias else None

    def forward(self, x: ArrayLike) -> Tensor:
        return self.with_weights(x, self.weight, self.bias)

    def with_weights(self, x: ArrayLike, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What the layer gives for x if these are its weight and bias, of its own shapes."""
        x, padding = self.padded(x)
        return conv.conv2d(x, weight, bias, self.stride, padding, self.dilation, self.groups)

    def padded(self, x: Any) -> tuple[Any, Any]:
        """x, with what 'same' adds on one side only, and the padding on both sides."""
        if self.padding == "valid":
            return x, (0, 0)
        if self.padding != "same":
            return x, self.padding
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
        if any(r % 2 for r in reach):  # the odd row or column goes below or to the right, as in PyTorch
            x = shape.pad(x, [0, 0, *((0, r % 2) for r in reach)])
        return x, tuple(r // 2 for r in reach)


class MaxPool2d(Module):
    """The largest entry of each window; stride defaults to the kernel size."""

    def __init__(self, kernel_size: OneOrTwo, stride: OneOrTwo | None = None, padding: OneOrTwo = 0) -> None:
        _check_window(type(self).__name__, kernel_size, stride, padding)
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding

    def forward(self, x: ArrayLike) -> Tensor:
        return pool.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class FractionalMaxPool2d(Module):
    """The largest entry of each of output_size random regions, between one and a few pixels wide (Graham 2014).

    Give `output_size`, or `output_ratio`, output over input, in (0, 1): an image can shrink by √2, say, and so pass more
    poolings than halving allows. In training regions are drawn anew in each call: see `mg.fractional_max_pool2d` for
    `regions`, `sequence` and `mode`. At test time the layer gives the mean of poolings over `samples` choices of
    regions, always the same ones. What follows the layer is not linear, so that a network's mean prediction over random
    regions is something else: for it, see `nn.averaged`.

    >>> pool = FractionalMaxPool2d(output_ratio=0.7, rng=0)
    >>> pool(np.ones((2, 3, 10, 10), np.float32)).shape
    (2, 3, 7, 7)
    """

    def __init__(
        self,
        output_size: Any = None,
        output_ratio: Any = None,
        *,
        regions: str = "overlapping",
        sequence: str = "pseudorandom",
        mode: str = "batch",
        samples: int = 8,
        rng: Rng = None,
    ) -> None:
        name = "FractionalMaxPool2d"
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name}: give one of output_size and output_ratio")
        pool.check_regions(name, regions, sequence, mode)
        check(name, COUNT, samples=samples)
        self.output_size = None if output_size is None else conv.pair(name, "output_size", output_size, 1)
        self.output_ratio = None if output_ratio is None else _ratios(name, output_ratio)
        self.regions, self.sequence, self.mode, self.samples = regions, sequence, mode, samples
        self.rng = own_generator(rng)

    def forward(self, x: ArrayLike) -> Tensor:
        x = shape.as_tensor(x)
        conv.check_image("fractional_max_pool2d", x)
        (h, w), (rows, columns) = x.shape[2:], self.output_ratio or (0, 0)
        size = self.output_size or (max(1, int(h * rows)), max(1, int(w * columns)))
        kind = {"regions": self.regions, "sequence": self.sequence}
        if self.training:
            return pool.fractional_max_pool2d(x, size, **kind, mode=self.mode, rng=self.rng)
        poolings = [pool.fractional_max_pool2d(x, size, **kind, rng=seed) for seed in range(self.samples)]
        return total(poolings) * (1 / self.samples)


class AvgPool2d(Module):
    """The mean of each window, padding counted as zeros; stride defaults to the kernel size."""

    def __init__(self, kernel_size: OneOrTwo, stride: OneOrTwo | None = None, padding: OneOrTwo = 0) -> None:
        _check_window(type(self).__name__, kernel_size, stride, padding)
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding

    def forward(self, x: ArrayLike) -> Tensor:
        return pool.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class AdaptiveAvgPool2d(Module):
    """The means of output_size equal windows: with 1, of the whole image, as (N, C, 1, 1).

    Raises ValueError when the output size does not divide the image's.
    """

    def __init__(self, output_size: Any = 1) -> None:
        self.output_size = conv.pair("AdaptiveAvgPool2d", "output_size", output_size, 1)

    def forward(self, x: ArrayLike) -> Tensor:
        x = shape.as_tensor(x)
        conv.check_image("AdaptiveAvgPool2d", x)
        (h, w), (oh, ow) = x.shape[2:], self.output_size
        if h % oh or w % ow:
            raise ValueError(f"AdaptiveAvgPool2d: output size {(oh, ow)} does not divide the image's {(h, w)}")
        return pool.avg_pool2d(x, (h // oh, w // ow))


def own_generator(rng: Rng) -> np.random.Generator | None:
    """What a layer that draws keeps: None for the default generator; a seed becomes one generator, drawn on from."""
    return None if rng is None else random.generator(rng)


def _bias(size: int, fan_in: int, rng: np.random.Generator, dtype: DTypeLike) -> Parameter:
    bound = 1 / math.sqrt(fan_in)
    return Parameter(init.uniform((size,), -bound, bound, rng=rng, dtype=dtype))


def _check_window(name: str, kernel_size: Any, stride: Any, padding: Any) -> None:
    conv.pair(name, "kernel_size", kernel_size, 1)
    if stride is not None:
        conv.pair(name, "stride", stride, 1)
    conv.pair(name, "padding", padding, 0)


def _padding(padding: OneOrTwo, stride: conv.Pair) -> Any:
    """'same', 'valid' or a pair of ints."""
    if not isinstance(padding, str):
        return conv.pair("Conv2d", "padding", padding, 0)
    check("Conv2d", _PADDING, padding=padding)
    if padding == "same" and stride != (1, 1):
        raise ValueError(f"Conv2d: padding='same' needs stride 1, not {stride}")
    return padding


def _ratios(name: str, ratio: Any) -> tuple[float, float]:
    two = ratio if isinstance(ratio, tuple | list | np.ndarray) else (ratio, ratio)
    if len(two) != 2 or not all(map(INSIDE.holds, two)):
        raise ValueError(
            f"{name}: output_ratio is {INSIDE.told(ratio)}; it must be a number, or two, in (0, 1): output over input"
        )
    return float(two[0]), float(two[1])
