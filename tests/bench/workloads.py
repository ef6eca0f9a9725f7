"""The workloads of the benchmark: for each, one step as a function, for minigrad and for every peer installed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad as mg
from minigrad import nn, optim

try:
    import torch
except ImportError:
    torch = None

Steps = dict[str, Callable[[], object]]
rng = np.random.default_rng(0)


def versions() -> str:
    """The versions of what is compared."""
    import numba

    found = [f"NumPy {np.__version__}", f"Numba {numba.__version__}"]
    return ", ".join([*found, f"PyTorch {torch.__version__}"] if torch else found)


def set_threads(n: int) -> None:
    """Give every contender n threads."""
    mg.set_num_threads(n)
    if torch:
        torch.set_num_threads(n)


def _training(model: nn.Module, twin: Callable, x: np.ndarray, labels: np.ndarray, lr: float = 0.01) -> Steps:
    """One step of SGD with momentum: forward, backward, update."""
    opt = optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)

    def step() -> None:
        opt.zero_grad()
        mg.cross_entropy(model(x), labels).backward()
        opt.step()

    steps: Steps = {"minigrad": step}
    if torch:
        for mode, layout in (("torch", torch.contiguous_format), ("torch channels_last", torch.channels_last)):
            steps[mode] = _torch_training(twin().to(memory_format=layout), x, labels, lr, layout)
    return steps


def _torch_training(model: object, x: np.ndarray, labels: np.ndarray, lr: float, layout: object) -> Callable:
    opt = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4)
    batch = torch.from_numpy(x).to(memory_format=layout)
    target = torch.from_numpy(labels)

    def step() -> None:
        opt.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), target).backward()
        opt.step()

    return step


def _images(n: int, c: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((n, c, size, size)).astype(np.float32), rng.integers(0, 10, n)


def resnet20() -> Steps:
    """ResNet-20 on 128 images of 3×32×32."""
    return _training(nn.models.resnet20(), _torch_resnet20, *_images(128, 3, 32))


def _torch_resnet20() -> object:
    from torch import nn as tnn

    class Block(tnn.Module):
        def __init__(self, c: int, out: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = tnn.Conv2d(c, out, 3, stride, 1, bias=False), tnn.BatchNorm2d(out)
            self.conv2, self.bn2 = tnn.Conv2d(out, out, 3, 1, 1, bias=False), tnn.BatchNorm2d(out)
            self.relu1, self.relu2 = tnn.ReLU(inplace=True), tnn.ReLU(inplace=True)
            self.grow, self.stride = out - c, stride

        def forward(self, x: object) -> object:
            y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
            if self.grow or self.stride > 1:
                x = torch.nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.grow))
            return self.relu2(y + x)

    blocks, c = [], 16
    for stage, out in enumerate((16, 32, 64)):
        for i in range(3):
            blocks.append(Block(c, out, 2 if stage and not i else 1))
            c = out
    return tnn.Sequential(
        tnn.Conv2d(3, 16, 3, 1, 1, bias=False), tnn.BatchNorm2d(16), tnn.ReLU(), *blocks,
        tnn.AdaptiveAvgPool2d(1), tnn.Flatten(), tnn.Linear(64, 10),
    )  # fmt: skip


def _digits(module: object, pool: object) -> object:
    return module.Sequential(
        module.Conv2d(1, 16, 3, padding=1, bias=False), module.BatchNorm2d(16), module.ReLU(), pool(2),
        module.Conv2d(16, 32, 3, padding=1, bias=False), module.BatchNorm2d(32), module.ReLU(), pool(2),
        module.Flatten(), module.Linear(128, 10),
    )  # fmt: skip


def digits_cnn() -> Steps:
    """Two convolutions with batch norm on 64 images of 1×8×8."""
    return _training(_digits(nn, nn.MaxPool2d), lambda: _digits(torch.nn, torch.nn.MaxPool2d), *_images(64, 1, 8))


def scalar_chain() -> Steps:
    """1,000 multiplications of a scalar, and back: the overhead of a recorded operation, in ms for 1,000."""
    x = mg.tensor(1.0, requires_grad=True)

    def step() -> None:
        y = x
        for _ in range(1000):
            y = y * 1.0000001
        y.backward()

    steps: Steps = {"minigrad": step}
    if torch:
        t = torch.tensor(1.0, requires_grad=True)

        def torch_step() -> None:
            y = t
            for _ in range(1000):
                y = y * 1.0000001
            y.backward()

        steps["torch"] = torch_step
    return steps


ALL = {"resnet20": resnet20, "digits_cnn": digits_cnn, "scalar_chain": scalar_chain}
