"""Whole networks: a LeNet for small images, and the residual networks of He et al. 2016 for 32×32 images.

Paths are those of their attributes (`stage1.0.conv1.weight`). Each is a Module like any other: read it, copy it,
change it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import named
from ...ops import elementwise, pool, shape
from ...ranges import COUNT, FRACTION, SWITCH, check, choice
from ...tape import Tensor
from ...typing import ArrayLike, DTypeLike, Rng
from .. import init
from ..containers import Sequential
from ..convolution import Conv2d
from ..dropout import Dropout
from ..layers import Linear, own_generator
from ..module import Module
from ..norm import BatchNorm2d
from ..residual import Residual, StochasticDepth, linear_decay


class LeNet(Module):
    """Two 5×5 convolutions, each with relu and 2×2 max-pooling, then three linear layers (after LeCun et al. 1998).

    Unlike the original, both convolutions keep the image's size, so that 8×8 images pass too, and units are relus.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        *,
        image_size: int = 28,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("LeNet", COUNT, num_classes=num_classes, in_channels=in_channels, image_size=image_size)
        check("LeNet", FRACTION, dropout=dropout)
        if image_size < 4:
            raise ValueError(f"LeNet: image_size is {image_size}; two poolings need at least 4")
        rng = own_generator(rng)
        made: dict[str, Any] = {"dtype": dtype, "rng": rng}
        self.conv1 = Conv2d(in_channels, 6, 5, padding=2, **made)
        self.conv2 = Conv2d(6, 16, 5, padding=2, **made)
        self.fc1 = Linear(16 * (image_size // 4) ** 2, 120, **made)
        self.fc2 = Linear(120, 84, **made)
        self.dropout = Dropout(dropout, rng=rng)
        self.fc3 = Linear(84, num_classes, **made)

    def forward(self, x: ArrayLike) -> Tensor:
        x = pool.max_pool2d(elementwise.relu(self.conv1(x)), 2)
        x = pool.max_pool2d(elementwise.relu(self.conv2(x)), 2)
        x = elementwise.relu(self.fc1(shape.flatten(x, 1)))
        return self.fc3(self.dropout(elementwise.relu(self.fc2(x))))


@named
def lenet(num_classes: int = 10, in_channels: int = 1, **options: Any) -> LeNet:
    """A LeNet for 28×28 images, or others of `image_size`; options are those of `LeNet`.

    >>> lenet(image_size=8)(np.zeros((2, 1, 8, 8), np.float32)).shape
    (2, 10)
    """
    return LeNet(num_classes, in_channels, **options)


class Subsample(Module):
    """Every stride-th pixel, with zero channels appended: the shortcut A of He et al. 2016, without parameters."""

    def __init__(self, channels: int, stride: int) -> None:
        check("Subsample", COUNT, channels=channels, stride=stride)
        self.channels, self.stride = channels, stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        return shape.pad(x, [0, (0, self.channels - x.shape[1]), 0, 0])


class BasicBlock(Residual):
    """relu(shortcut(x) + branch(x)), the branch conv – bn – relu – conv – bn with 3×3 kernels."""

    def __init__(self, in_channels: int, channels: int, stride: int, shortcut: str, drop: StochasticDepth, **made: Any):
        dtype = made.get("dtype", np.float32)
        self.conv1 = Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False, **made)
        self.bn1 = BatchNorm2d(channels, dtype=dtype)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False, **made)
        self.bn2 = BatchNorm2d(channels, dtype=dtype)
        self.shortcut = None
        if stride != 1 or in_channels != channels:
            project = Conv2d(in_channels, channels, 1, stride=stride, bias=False, **made) if shortcut == "B" else None
            self.shortcut = (
                Sequential(project, BatchNorm2d(channels, dtype=dtype)) if project else Subsample(channels, stride)
            )
        self.drop = drop

    def branch(self, x: ArrayLike) -> Tensor:
        return self.bn2(self.conv2(elementwise.relu(self.bn1(self.conv1(x)))))

    def forward(self, x: ArrayLike) -> Tensor:
        return elementwise.relu(super().forward(x))


class ResNet(Module):
    """conv – bn – relu, three stages of n blocks with `width`, 2·width and 4·width channels, mean pooling, linear.

    Stages 2 and 3 begin with stride 2; there the shortcut is 'A' (strided identity, zero-padded channels) or 'B' (1×1
    convolution and batch norm). A is the default: the paper uses it for these networks, and it adds no parameters.

    `stochastic_depth` is the drop probability of the last block; it decays linearly to the first. `dropout` stands
    before the last layer. `zero_gamma` starts the last batch norm of each branch at γ = 0, so that every block starts
    as its shortcut (Goyal et al. 2017). Convolutions start Gaussian with variance 2/fan-out (He et al. 2015). All draws
    come from `rng`, those of dropout and stochastic depth too.
    """

    def __init__(
        self,
        blocks: int,
        num_classes: int = 10,
        in_channels: int = 3,
        *,
        stochastic_depth: float = 0.0,
        dropout: float = 0.0,
        shortcut: str = "A",
        zero_gamma: bool = False,
        width: int = 16,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("ResNet", choice("A", "B"), shortcut=shortcut)
        check("ResNet", SWITCH, zero_gamma=zero_gamma)
        check("ResNet", COUNT, blocks=blocks, num_classes=num_classes, in_channels=in_channels, width=width)
        check("ResNet", FRACTION, stochastic_depth=stochastic_depth, dropout=dropout)
        rng = own_generator(rng)
        made: dict[str, Any] = {"dtype": dtype, "rng": rng}
        drops = iter([StochasticDepth(p, rng=rng) for p in linear_decay(3 * blocks, stochastic_depth)])

        def stage(in_channels: int, channels: int, stride: int) -> Sequential:
            first = BasicBlock(in_channels, channels, stride, shortcut, next(drops), **made)
            rest = [BasicBlock(channels, channels, 1, shortcut, next(drops), **made) for _ in range(blocks - 1)]
            return Sequential(first, *rest)

        self.conv1 = Conv2d(in_channels, width, 3, padding=1, bias=False, **made)
        self.bn1 = BatchNorm2d(width, dtype=dtype)
        self.stage1 = stage(width, width, 1)
        self.stage2 = stage(width, 2 * width, 2)
        self.stage3 = stage(2 * width, 4 * width, 2)
        self.dropout = Dropout(dropout, rng=rng)
        self.fc = Linear(4 * width, num_classes, **made)
        for m in self.modules():
            if isinstance(m, Conv2d):
                m.weight.data = init.kaiming_normal(m.weight.shape, mode="fan_out", rng=rng, dtype=dtype)
            if isinstance(m, BasicBlock) and zero_gamma:
                m.bn2.weight.data = np.zeros_like(m.bn2.weight.data)

    def forward(self, x: ArrayLike) -> Tensor:
        x = elementwise.relu(self.bn1(self.conv1(x)))
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.fc(self.dropout(pool.global_avg_pool2d(x)))


@named
def resnet8(num_classes: int = 10, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-8: one block in each stage; options are those of `ResNet`.

    >>> resnet8(rng=0)(np.zeros((2, 3, 32, 32), np.float32)).shape
    (2, 10)
    """
    return ResNet(1, num_classes, in_channels, **options)


@named
def resnet20(num_classes: int = 10, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-20: three blocks in each stage, 0.27 million parameters; options are those of `ResNet`."""
    return ResNet(3, num_classes, in_channels, **options)


@named
def resnet32(num_classes: int = 10, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-32: five blocks in each stage, 0.46 million parameters; options are those of `ResNet`."""
    return ResNet(5, num_classes, in_channels, **options)


@named
def resnet44(num_classes: int = 10, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-44: seven blocks in each stage, 0.66 million parameters; options are those of `ResNet`."""
    return ResNet(7, num_classes, in_channels, **options)


@named
def resnet56(num_classes: int = 10, in_channels: int = 3, **options: Any) -> ResNet:
    """ResNet-56: nine blocks in each stage, 0.85 million parameters; options are those of `ResNet`."""
    return ResNet(9, num_classes, in_channels, **options)
