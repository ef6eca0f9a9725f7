"""Networks for small images, after VGG, MobileNetV2 and U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import named
from ...ops import pool, shape
from ...ranges import COUNT, FRACTION, Range, check
from ...tape import Tensor
from ...typing import ArrayLike, DTypeLike, Rng
from ..activations import ReLU, ReLU6
from ..containers import ModuleList, Sequential
from ..convolution import Conv2d, ConvTranspose2d
from ..dropout import Dropout
from ..layers import Flatten, Linear, own_generator
from ..module import Module
from ..norm import BatchNorm2d
from ..pooling import AdaptiveAvgPool2d, MaxPool2d

_COUNTS = Range(
    lambda v: isinstance(v, tuple | list) and bool(v) and all(map(COUNT.holds, v)), "whole numbers ≥ 1", tuple
)


def _conv(
    inputs: int, outputs: int, kernel: int, act: type[Module] | None, *, stride: int = 1, groups: int = 1, **made: Any
) -> list[Module]:
    """A convolution without bias, a batch norm, an activation."""
    layers = [
        Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False, **made),
        BatchNorm2d(outputs, dtype=made["dtype"]),
    ]
    return [*layers, *([] if act is None else [act()])]


@named
def vgg(
    num_classes: int = 10,
    in_channels: int = 3,
    *,
    blocks: Sequence[Sequence[int]] = ((32, 32), (64, 64), (128, 128)),
    dropout: float = 0.5,
    dtype: DTypeLike = np.float32,
    rng: Rng = None,
) -> Sequential:
    """Blocks of 3×3 convolutions with batch norm and relu, each followed by 2×2 max-pooling; the mean, a linear layer.

    `blocks` are the channels of each block's convolutions (after Simonyan, Zisserman 2015; these are small ones).

    >>> vgg(rng=0)(np.zeros((2, 3, 16, 16), np.float32)).shape
    (2, 10)
    """
    check("vgg", COUNT, num_classes=num_classes, in_channels=in_channels)
    check("vgg", FRACTION, dropout=dropout)
    if not isinstance(blocks, tuple | list) or not all(map(_COUNTS.holds, blocks)):
        raise ValueError(f"vgg: blocks is {_COUNTS.told(blocks)}; it must be, for each block, a tuple of channels ≥ 1")
    rng = own_generator(rng)
    made: dict[str, Any] = {"dtype": dtype, "rng": rng}
    layers: list[Module] = []
    channels = in_channels
    for block in blocks:
        for width in block:
            layers += _conv(channels, width, 3, ReLU, **made)
            channels = width
        layers.append(MaxPool2d(2))
    head = [AdaptiveAvgPool2d(1), Flatten(), Dropout(dropout, rng=rng), Linear(channels, num_classes, **made)]
    return Sequential(*layers, *head)


class _InvertedResidual(Module):
    """1×1 to more channels, 3×3 in each channel, 1×1 to few channels without an activation; added to x where it fits."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int, **made: Any) -> None:
        wide = inputs * expand
        first = _conv(inputs, wide, 1, ReLU6, **made) if expand > 1 else []
        middle = _conv(wide, wide, 3, ReLU6, stride=stride, groups=wide, **made)
        self.conv = Sequential(*first, *middle, *_conv(wide, outputs, 1, None, **made))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(Module):
    """Inverted residuals with depthwise convolutions (Sandler et al. 2018), with strides for 32×32 images.

    `blocks` are rows (expansion, channels, how many, stride). The paper's rows are the default, those of its strides that
    a small image does not bear being 1.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        *,
        blocks: Sequence[Sequence[int]] = (
            (1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
        ),
        last: int = 1280,
        dropout: float = 0.2,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:  # fmt: skip
        check("MobileNetV2", COUNT, num_classes=num_classes, in_channels=in_channels, last=last)
        check("MobileNetV2", FRACTION, dropout=dropout)
        if not isinstance(blocks, tuple | list) or not all(_COUNTS.holds(row) and len(row) == 4 for row in blocks):
            told = _COUNTS.told(blocks)
            raise ValueError(f"MobileNetV2: blocks is {told}; it must be rows (expansion, channels, how many, stride)")
        rng = own_generator(rng)
        made: dict[str, Any] = {"dtype": dtype, "rng": rng}
        layers: list[Module] = [Sequential(*_conv(in_channels, 32, 3, ReLU6, **made))]
        channels = 32
        for expand, width, many, stride in blocks:
            for i in range(many):
                layers.append(_InvertedResidual(channels, width, 1 if i else stride, expand, **made))
                channels = width
        layers.append(Sequential(*_conv(channels, last, 1, ReLU6, **made)))
        self.features = Sequential(*layers)
        self.classifier = Sequential(Dropout(dropout, rng=rng), Linear(last, num_classes, **made))

    def forward(self, x: ArrayLike) -> Tensor:
        return self.classifier(pool.global_avg_pool2d(self.features(x)))


@named
def mobilenet_v2(num_classes: int = 10, in_channels: int = 3, **options: Any) -> MobileNetV2:
    """A MobileNetV2 for 32×32 images, 2.2 million parameters; options are those of `MobileNetV2`."""
    return MobileNetV2(num_classes, in_channels, **options)


class UNet(Module):
    """A U-Net (Ronneberger, Fischer, Brox 2015): down by pooling, up by transposed convolutions, joined level by level.

    `width` channels at the top, twice as many at each of `depth` levels below. The output has the image's size, which must
    be a multiple of 2^depth (the original shrinks at each convolution; here they are padded).

    >>> UNet(3, 1, width=4, depth=2, rng=0)(np.zeros((1, 1, 16, 16), np.float32)).shape
    (1, 3, 16, 16)
    """

    def __init__(
        self,
        num_classes: int = 2,
        in_channels: int = 3,
        *,
        width: int = 16,
        depth: int = 3,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("UNet", COUNT, num_classes=num_classes, in_channels=in_channels, width=width, depth=depth)
        made: dict[str, Any] = {"dtype": dtype, "rng": own_generator(rng)}

        def two(inputs: int, outputs: int) -> Sequential:
            return Sequential(*_conv(inputs, outputs, 3, ReLU, **made), *_conv(outputs, outputs, 3, ReLU, **made))

        sizes = [width * 2**i for i in range(depth + 1)]
        self.down = ModuleList(map(two, [in_channels, *sizes], sizes))
        self.up = ModuleList(ConvTranspose2d(2 * n, n, 2, 2, **made) for n in reversed(sizes[:-1]))
        self.join = ModuleList(two(2 * n, n) for n in reversed(sizes[:-1]))
        self.head = Conv2d(width, num_classes, 1, **made)
        self.depth = depth

    def forward(self, x: ArrayLike) -> Tensor:
        x = shape.as_tensor(x)
        if x.ndim != 4 or any(n % 2**self.depth for n in x.shape[2:]):
            many = 2**self.depth
            raise ValueError(f"UNet: x has shape {x.shape}; it must be (N, C, H, W), H and W multiples of {many}")
        levels = []
        for i, block in enumerate(self.down):
            x = block(pool.max_pool2d(x, 2) if i else x)
            levels.append(x)
        for up, join, level in zip(self.up, self.join, levels[-2::-1]):
            x = join(shape.concat([level, up(x)], 1))
        return self.head(x)


@named
def unet(num_classes: int = 2, in_channels: int = 3, **options: Any) -> UNet:
    """A U-Net for images whose sides are multiples of 8; options are those of `UNet`."""
    return UNet(num_classes, in_channels, **options)
