"""Convolutions as layers, along one to three axes (…1d, …2d, …3d), and their adjoints."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from .. import random
from ..ops import conv, resize, shape
from ..ranges import COUNT, SWITCH, check, choice
from ..tape import Tensor
from ..typing import ArrayLike, DTypeLike, Rng
from . import init
from .module import Module, Parameter

_PADDING = choice("same", "valid")._replace(text="'same', 'valid', or whole numbers ≥ 0")
_MODE = choice("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    d: ClassVar[int]  # the number of axes
    bias: Parameter | None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__name__[-2:] in ("1d", "2d", "3d"):
            cls.d = int(cls.__name__[-2])

    def _begin(
        self, in_channels: int, out_channels: int, groups: int, bias: bool, dtype: DTypeLike, rng: Rng, **axes: Any
    ) -> None:
        """Check and keep the settings, and draw weights (first, second / groups, *kernel)."""
        name = type(self).__name__
        check(name, COUNT, in_channels=in_channels, out_channels=out_channels, groups=groups)
        check(name, SWITCH, bias=bias)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        for what, value in axes.items():
            by_name = what == "padding" and isinstance(value, str)
            setattr(self, what, value if by_name else conv.ints(name, what, value, int("padding" not in what), self.d))
        self.groups = groups
        first, second = (in_channels, out_channels) if isinstance(self, _Transposed) else (out_channels, in_channels)
        size = (first, second // groups, *self.kernel_size)
        rng = random.generator(rng)
        self.weight = Parameter(init.kaiming_uniform(size, a=math.sqrt(5), rng=rng, dtype=dtype))
        bound = 1 / math.sqrt(init.fans(size)[0])
        self.bias = Parameter(init.uniform((out_channels,), -bound, bound, rng=rng, dtype=dtype)) if bias else None


class _Conv(_Convolution):
    padding: Any

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
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        name = type(self).__name__
        check(name, _MODE, padding_mode=padding_mode)
        if isinstance(padding, str):
            check(name, _PADDING, padding=padding)
        axes = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        self._begin(in_channels, out_channels, groups, bias, dtype, rng, **axes)
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(f"{name}: padding='same' needs stride 1, not {self.stride}")
        self.padding_mode = padding_mode

    def forward(self, x: ArrayLike) -> Tensor:
        return self.with_weights(x, self.weight, self.bias)

    def with_weights(self, x: ArrayLike, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What the layer gives for x if these are its weight and bias, of its own shapes."""
        x, padding = self.padded(x)
        return _CONV[self.d](x, weight, bias, self.stride, padding, self.dilation, self.groups)

    def padded(self, x: Any) -> tuple[Any, Any]:
        """x with what is padded around by its own entries, and the padding with zeros that is left to do."""
        if self.padding_mode == "zeros" or self.padding == "valid":
            return x, self.padding
        if self.padding == "same":
            reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
            sides = [(r // 2, r - r // 2) for r in reach]
        else:
            sides = [(p, p) for p in self.padding]
        return resize.pad_last(x, [n for two in reversed(sides) for n in two], self.padding_mode), 0


class Conv1d(_Conv):
    """`Conv2d` along one axis: signals (N, C, L), weights (out_channels, C/groups, k)."""


class Conv2d(_Conv):
    """The cross-correlation of images (N, C, H, W) with weights (out_channels, C/groups, kh, kw), plus a bias.

    Spatial arguments are ints or pairs. `padding` may be 'valid' (none) or 'same' (the output keeps the image's size;
    stride 1); `padding_mode` is 'zeros', 'reflect', 'replicate' or 'circular'. Weight and bias start uniform in
    ±1/√fan_in.

    >>> Conv2d(3, 8, 5, padding="same", rng=0)(np.ones((2, 3, 7, 7), np.float32)).shape
    (2, 8, 7, 7)
    """


class Conv3d(_Conv):
    """`Conv2d` along three axes: volumes (N, C, D, H, W), weights (out_channels, C/groups, kd, kh, kw)."""


class _Transposed(_Convolution):
    output_padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check(type(self).__name__, choice("zeros", "zeros")._replace(text="'zeros'"), padding_mode=padding_mode)
        axes = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "output_padding": output_padding}
        self._begin(in_channels, out_channels, groups, bias, dtype, rng, **axes, dilation=dilation)
        self.padding_mode = padding_mode

    def forward(self, x: ArrayLike, output_size: Any = None) -> Tensor:
        x = shape.as_tensor(x)
        extra = self.output_padding if output_size is None else self._extra(x, output_size)
        settings = self.stride, self.padding, extra, self.groups, self.dilation
        return _TRANSPOSED[self.d](x, self.weight, self.bias, *settings)

    def _extra(self, x: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives images of that size."""
        name = type(self).__name__
        size = conv.ints(
            name,
            "output_size",
            output_size[-self.d :] if isinstance(output_size, tuple | list) else output_size,
            1,
            self.d,
        )
        axes = zip(x.shape[-self.d :], self.stride, self.padding, self.dilation, self.kernel_size)
        least = tuple((n - 1) * s - 2 * p + a * (k - 1) + 1 for n, s, p, a, k in axes)
        extra = tuple(n - m for n, m in zip(size, least))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride)):
            most = tuple(m + s - 1 for m, s in zip(least, self.stride))
            raise ValueError(f"{name}: output_size is {size}; it must be from {least} to {most}")
        return extra


class ConvTranspose1d(_Transposed):
    """`ConvTranspose2d` along one axis: signals (N, C, L), weights (C, out_channels/groups, k)."""


class ConvTranspose2d(_Transposed):
    """The adjoint of `Conv2d` in its images (N, C, H, W), which it enlarges; weights are (C, out_channels/groups, kh, kw).

    `output_padding` is added to the size at one side; or give `output_size` in the call. Weight and bias start uniform in
    ±1/√fan_in, the fan-in being that of the convolution, out_channels/groups · kh · kw.

    >>> ConvTranspose2d(8, 3, 4, stride=2, padding=1, rng=0)(np.ones((2, 8, 7, 7), np.float32)).shape
    (2, 3, 14, 14)
    """


class ConvTranspose3d(_Transposed):
    """`ConvTranspose2d` along three axes: volumes (N, C, D, H, W), weights (C, out_channels/groups, kd, kh, kw)."""


_CONV: dict[int, Any] = {1: conv.conv1d, 2: conv.conv2d, 3: conv.conv3d}
_TRANSPOSED: dict[int, Any] = {1: conv.conv_transpose1d, 2: conv.conv_transpose2d, 3: conv.conv_transpose3d}
