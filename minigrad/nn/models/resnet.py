"""The residual networks of He et al. 2016 for large images, with torchvision's names and shapes of parameters.

So a state dict of torchvision's carries over: `model.load_state_dict(theirs.state_dict())`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import named
from ...ops import elementwise, shape
from ...ranges import COUNT, SWITCH, check
from ...tape import Tensor
from ...typing import ArrayLike, DTypeLike, Rng
from .. import init
from ..containers import Sequential
from ..convolution import Conv2d
from ..layers import Linear, own_generator
from ..module import Module
from ..norm import BatchNorm2d
from ..pooling import AdaptiveAvgPool2d, MaxPool2d


class _Block(Module):
    """relu(x + branch(x)), or the downsampled x; the branch is of convolutions and batch norms, relus between them.

    A basic block has two 3×3 kernels; a bottleneck 1×1, 3×3 and 1×1 ones, the last with four times the channels (the
    stride is that of the 3×3 kernel, as in torchvision).
    """

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool, **made: Any) -> None:
        outputs = 4 * width if bottleneck else width
        sizes = (
            [(width, 1, 1), (width, 3, stride), (outputs, 1, 1)] if bottleneck else [(width, 3, stride), (width, 3, 1)]
        )
        channels, dtype = inputs, made["dtype"]
        for i, (width, kernel, step) in enumerate(sizes, 1):
            conv = Conv2d(channels, width, kernel, step, kernel // 2, bias=False, **made)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", BatchNorm2d(width, dtype=dtype))
            channels = width
        self.downsample = None
        if stride != 1 or inputs != outputs:
            project = Conv2d(inputs, outputs, 1, stride, bias=False, **made)
            self.downsample = Sequential(project, BatchNorm2d(outputs, dtype=dtype))
        self.convs = len(sizes)

    @property
    def last_norm(self) -> BatchNorm2d:
        return getattr(self, f"bn{self.convs}")

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(1, self.convs + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = elementwise.relu(y) if i < self.convs else y
        return elementwise.relu(y + (x if self.downsample is None else self.downsample(x)))


class ImageNetResNet(Module):
    """conv 7×7/2 – bn – relu – max-pool 3×3/2, four stages of `layers` blocks with 64 to 512 channels, mean, linear.

    `bottleneck` blocks end with four times the channels. Convolutions start Gaussian with variance 2/fan-out (He et al.
    2015); `zero_init_residual` starts the last batch norm of each branch at γ = 0.
    """

    def __init__(
        self,
        layers: tuple[int, int, int, int],
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        bottleneck: bool = False,
        zero_init_residual: bool = False,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        if not isinstance(layers, tuple | list) or len(layers) != 4 or not all(map(COUNT.holds, layers)):
            raise ValueError(f"ImageNetResNet: layers is {COUNT.told(layers)}; it must be four whole numbers ≥ 1")
        check("ImageNetResNet", COUNT, num_classes=num_classes, in_channels=in_channels)
        check("ImageNetResNet", SWITCH, bottleneck=bottleneck, zero_init_residual=zero_init_residual)
        rng = own_generator(rng)
        made: dict[str, Any] = {"dtype": dtype, "rng": rng}
        self.conv1 = Conv2d(in_channels, 64, 7, 2, 3, bias=False, **made)
        self.bn1 = BatchNorm2d(64, dtype=dtype)
        self.maxpool = MaxPool2d(3, 2, 1)
        channels = 64
        for i, blocks in enumerate(layers):
            stage, width = Sequential(), 64 * 2**i
            for block in range(blocks):
                stage.append(_Block(channels, width, 2 if i and not block else 1, bottleneck, **made))
                channels = width * (4 if bottleneck else 1)
            setattr(self, f"layer{i + 1}", stage)
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc = Linear(channels, num_classes, **made)
        for m in self.modules():
            if isinstance(m, Conv2d):
                m.weight.data = init.kaiming_normal(m.weight.shape, mode="fan_out", **made)
            if isinstance(m, _Block) and zero_init_residual:
                m.last_norm.weight.data = np.zeros_like(m.last_norm.weight.data)

    def forward(self, x: ArrayLike) -> Tensor:
        x = self.maxpool(elementwise.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(shape.flatten(self.avgpool(x), 1))


@named
def resnet18(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ImageNetResNet:
    """ResNet-18, 11.7 million parameters; options are those of `ImageNetResNet`.

    >>> resnet18(10, rng=0)(np.zeros((1, 3, 64, 64), np.float32)).shape
    (1, 10)
    """
    return ImageNetResNet((2, 2, 2, 2), num_classes, in_channels, **options)


@named
def resnet34(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ImageNetResNet:
    """ResNet-34, 21.8 million parameters; options are those of `ImageNetResNet`."""
    return ImageNetResNet((3, 4, 6, 3), num_classes, in_channels, **options)


@named
def resnet50(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ImageNetResNet:
    """ResNet-50, of bottlenecks, 25.6 million parameters; options are those of `ImageNetResNet`."""
    return ImageNetResNet((3, 4, 6, 3), num_classes, in_channels, bottleneck=True, **options)
