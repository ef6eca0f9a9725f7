"""Layers of a CNN, with PyTorch's names, argument order, defaults, weight layouts and initial distributions.

A layer holds parameters and settings; its mathematics is a function of `ops`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import random
from ..ops import conv, linalg, noise, pool, shape
from ..tape import Tensor
from . import init
from .module import Module, Parameter


class Sequential(Module):
    """Modules applied one after another; their paths are '0', '1', … Indexing gives one, slicing a new Sequential.

    >>> net = Sequential(Linear(4, 8, rng=0), Flatten(), Linear(8, 2, rng=1))
    >>> len(net), [path for path, _ in net[1:].named_parameters()], net(np.ones((3, 4), np.float32)).shape
    (3, ['1.weight', '1.bias'], (3, 2))
    """

    def __init__(self, *modules: Module) -> None:
        for m in modules:
            self.append(m)

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; returns self."""
        if not isinstance(module, Module):
            raise TypeError(f"Sequential: item {len(self)} is a {type(module).__name__}; it must be a Module")
        setattr(self, str(len(self)), module)
        return self

    def forward(self, x: Any) -> Any:
        for m in self:
            x = m(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return iter([m for m in vars(self).values() if isinstance(m, Module)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __getitem__(self, index: int | slice) -> Any:
        chosen = list(self)[index]
        return Sequential(*chosen) if isinstance(chosen, list) else chosen


class Identity(Module):
    """x itself."""

    def forward(self, x: Any) -> Tensor:
        return shape.as_tensor(x)


class Flatten(Module):
    """All axes from `start_dim` on made one, so that (N, C, H, W) becomes (N, C·H·W)."""

    def __init__(self, start_dim: int = 1) -> None:
        self.start_dim = start_dim

    def forward(self, x: Any) -> Tensor:
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
        dtype: Any = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        _positive("Linear", in_features=in_features, out_features=out_features)
        rng = random.generator(rng)
        self.in_features, self.out_features = in_features, out_features
        size = (out_features, in_features)
        self.weight = Parameter(init.kaiming_uniform(size, a=math.sqrt(5), rng=rng, dtype=dtype))
        self.bias = _bias(out_features, in_features, rng, dtype) if bias else None

    def forward(self, x: Any) -> Tensor:
        x = shape.as_tensor(x)
        if not x.ndim or x.shape[-1] != self.in_features:
            given = f"{x.shape[-1]} features" if x.ndim else "no axis of features"
            raise ValueError(
                f"linear: x has {given}, weight expects {self.in_features}; "
                f"x has shape {x.shape}, it must be (…, {self.in_features})"
            )
        conv.same_dtype("linear", x, self.weight)
        if self.bias is None:
            return linalg.matmul(x, shape.matrix_transpose(self.weight))
        if x.ndim == 2:
            return linalg.affine(x, self.weight, self.bias)
        rows = shape.reshape(x, (math.prod(x.shape[:-1]), self.in_features))
        return shape.reshape(linalg.affine(rows, self.weight, self.bias), (*x.shape[:-1], self.out_features))


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
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        _positive("Conv2d", in_channels=in_channels, out_channels=out_channels, groups=groups)
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

    def forward(self, x: Any) -> Tensor:
        padding = (0, 0) if self.padding == "valid" else self.padding
        if self.padding == "same":
            reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
            padding = tuple(r // 2 for r in reach)
            if any(r % 2 for r in reach):  # the odd row or column goes below or to the right, as in PyTorch
                x = shape.pad(x, [0, 0, *((0, r % 2) for r in reach)])
        return conv.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Dropout(Module):
    """In training, entries zeroed with probability p and the others divided by 1 − p; at test time x itself."""

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        noise.check_probability("Dropout", p)
        self.p, self.rng = p, own_generator(rng)

    def forward(self, x: Any) -> Tensor:
        return noise.dropout(x, self.p, training=self.training, rng=self.rng)


class MaxPool2d(Module):
    """The largest entry of each window; stride defaults to the kernel size."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding

    def forward(self, x: Any) -> Tensor:
        return pool.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(Module):
    """The mean of each window, padding counted as zeros; stride defaults to the kernel size."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding

    def forward(self, x: Any) -> Tensor:
        return pool.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class AdaptiveAvgPool2d(Module):
    """The means of output_size equal windows: with 1, of the whole image, as (N, C, 1, 1).

    Raises ValueError when the output size does not divide the image's.
    """

    def __init__(self, output_size: Any = 1) -> None:
        self.output_size = conv.pair("AdaptiveAvgPool2d", "output_size", output_size, 1)

    def forward(self, x: Any) -> Tensor:
        x = shape.as_tensor(x)
        conv.check_image("adaptive_avg_pool2d", x)
        (h, w), (oh, ow) = x.shape[2:], self.output_size
        if h % oh or w % ow:
            raise ValueError(f"adaptive_avg_pool2d: output size {(oh, ow)} does not divide the image's {(h, w)}")
        return pool.avg_pool2d(x, (h // oh, w // ow))


def own_generator(rng: np.random.Generator | int | None) -> np.random.Generator | None:
    """What a layer that draws keeps: None for the default generator; a seed becomes one generator, drawn on from."""
    return None if rng is None else random.generator(rng)


def _bias(size: int, fan_in: int, rng: np.random.Generator, dtype: Any) -> Parameter:
    bound = 1 / math.sqrt(fan_in)
    return Parameter(init.uniform((size,), -bound, bound, rng=rng, dtype=dtype))


def _padding(padding: Any, stride: conv.Pair) -> Any:
    """'same', 'valid' or a pair of ints."""
    if not isinstance(padding, str):
        return conv.pair("Conv2d", "padding", padding, 0)
    if padding not in ("same", "valid"):
        raise ValueError(f"Conv2d: padding is {padding!r}; it must be 'same', 'valid', an int or two ints")
    if padding == "same" and stride != (1, 1):
        raise ValueError(f"Conv2d: padding='same' needs stride 1, not {stride}")
    return padding


def _positive(name: str, **sizes: int) -> None:
    for what, n in sizes.items():
        if n < 1:
            raise ValueError(f"{name}: {what} is {n}; it must be at least 1")
