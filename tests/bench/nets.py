"""The networks and data of the benchmark. `t` is `minigrad.nn` or `torch.nn`: the layers have the same names.

Every contender starts from the same weights, and multiplies by the same directions: `tests/peers/test_bench.py` holds
their results together, so that none is timed at something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn


def small_cnn(t: Any) -> Any:
    """Two 3×3 convolutions of 32 and 64 channels on 28×28 images, each pooled, then 3136-128-10."""
    return t.Sequential(
        t.Conv2d(1, 32, 3, padding=1), t.ReLU(), t.MaxPool2d(2),
        t.Conv2d(32, 64, 3, padding=1), t.ReLU(), t.MaxPool2d(2),
        t.Flatten(), t.Linear(3136, 128), t.ReLU(), t.Linear(128, 10),
    )  # fmt: skip


def digits_cnn(t: Any) -> Any:
    """Two convolutions with batch norm on 8×8 images."""
    return t.Sequential(
        t.Conv2d(1, 16, 3, padding=1, bias=False), t.BatchNorm2d(16), t.ReLU(), t.MaxPool2d(2),
        t.Conv2d(16, 32, 3, padding=1, bias=False), t.BatchNorm2d(32), t.ReLU(), t.MaxPool2d(2),
        t.Flatten(), t.Linear(128, 10),
    )  # fmt: skip


def mlp(t: Any) -> Any:
    """784-512-512-10."""
    return t.Sequential(
        t.Linear(784, 512), t.ReLU(), t.Linear(512, 512), t.ReLU(), t.Linear(512, 10)
    )  # fmt: skip


def tiny_mlp(t: Any) -> Any:
    """2-16-16-2 with tanh: nearly all of a step is overhead."""
    return t.Sequential(t.Linear(2, 16), t.Tanh(), t.Linear(16, 16), t.Tanh(), t.Linear(16, 2))


def resnet20(t: Any) -> Any:
    """minigrad's own; PyTorch's twin stands in `torch_peer.py`."""
    if t.__name__ == "minigrad.nn":
        return t.models.resnet20()
    from torch_peer import ResNet20

    return ResNet20()


# name: network, shape of a batch, optimizer and its options. Rates are low on purpose: a network that learns its one
# batch by heart has gradients so small (denormal) that the processor computes many times slower.
NETS = {
    "resnet20": (resnet20, (128, 3, 32, 32), "SGD", {"lr": 1e-5, "momentum": 0.9, "weight_decay": 1e-4}),
    "small_cnn": (small_cnn, (64, 1, 28, 28), "SGD", {"lr": 1e-5, "momentum": 0.9}),
    "digits_cnn": (digits_cnn, (64, 1, 8, 8), "SGD", {"lr": 1e-5, "momentum": 0.9}),
    "mlp": (mlp, (128, 784), "Adam", {"lr": 1e-6}),
    "tiny_mlp": (tiny_mlp, (32, 2), "SGD", {"lr": 1e-5}),
}


def batch(shape: tuple[int, ...], classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Normal inputs of that shape, and random labels below `classes`."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape).astype(np.float32), rng.integers(0, classes, shape[0])


def own(build: Callable[[Any], Any]) -> nn.Module:
    """minigrad's module, always with the same weights."""
    mg.seed(0)
    return build(nn)


def directions(module: nn.Module) -> list[np.ndarray]:
    """A direction in the space of its parameters."""
    rng = np.random.default_rng(1)
    return [rng.standard_normal(p.shape).astype(np.float32) for p in module.parameters()]
