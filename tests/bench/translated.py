"""minigrad's modules computed by the functions of another framework: the same network, from the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad import nn
from minigrad.nn.models import BasicBlock, ResNet, Subsample


def forward(ops: Any, model: nn.Module, weights: Sequence[Any], x: Any) -> Any:
    """What the model makes of x. `ops` has the functions; weights are the other framework's, in the model's order."""
    at = dict(zip(map(id, model.parameters()), weights))

    def run(m: Any, x: Any) -> Any:
        match m:
            case nn.Sequential():
                for child in m:
                    x = run(child, x)
                return x
            case nn.Linear():
                return ops.linear(x, at[id(m.weight)], at[id(m.bias)])
            case nn.Conv2d():
                y = ops.conv2d(
                    x, at[id(m.weight)], stride=m.stride, padding=m.padding, dilation=m.dilation, groups=m.groups
                )
                return y if m.bias is None else ops.add_channels(y, at[id(m.bias)])
            case nn.BatchNorm2d():
                return ops.batch_norm(x, at[id(m.weight)], at[id(m.bias)], m)
            case nn.MaxPool2d() | nn.AvgPool2d():
                return (ops.max_pool2d if isinstance(m, nn.MaxPool2d) else ops.avg_pool2d)(x, m.kernel_size)
            case nn.ReLU() | nn.Tanh() | nn.GELU() | nn.Flatten():
                return getattr(ops, type(m).__name__.lower())(x)
            case Subsample():
                return ops.subsample(x, m.channels, m.stride)
            case BasicBlock():
                y = run(m.bn2, run(m.conv2, ops.relu(run(m.bn1, run(m.conv1, x)))))
                return ops.relu(y + (x if m.shortcut is None else run(m.shortcut, x)))
            case ResNet():
                x = ops.relu(run(m.bn1, run(m.conv1, x)))
                return run(m.fc, ops.global_mean(run(m.stage3, run(m.stage2, run(m.stage1, x)))))
        raise NotImplementedError(f"{type(m).__name__} is not translated")

    return run(model, x)
