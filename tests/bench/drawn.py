"""Blocks drawn at random, as users build them: a list that changes is one that nobody tunes to.

A block is a convolution, with or without bias, batch norm, activation, pooling and a sum with its input, on a batch of
images. Everything is drawn from one seed; what is too little work to measure, or too much, is drawn again.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from nets import batch, own
from timing import TORCH, Row, Steps

import minigrad as mg

SEED, COUNT = 0, 60
WORK = 2e6, 6e8  # multiplications and additions of the convolution
NUMBERS = 8_000_000  # that come or go, at most
NEAR = 2e-3  # what is timed and its twin in float64 may be apart by this fraction: nobody computes something else


class Block(NamedTuple):
    """One drawn block."""

    batch: int
    size: int
    channels: int
    out: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    groups: int
    bias: bool
    norm: bool
    activation: str
    pool: str
    residual: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.batch, self.channels, self.size, self.size

    @property
    def outputs(self) -> int:
        """Pixels of a side of what the convolution gives."""
        return (self.size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    @property
    def work(self) -> float:
        return 2 * self.batch * self.outputs**2 * self.out * self.channels / self.groups * self.kernel**2

    @property
    def classes(self) -> list[str]:
        """What it is counted with."""
        depthwise = self.groups > 1 and self.groups == self.channels
        found = {
            "depthwise": depthwise,
            "grouped": self.groups > 1 and not depthwise,
            "1×1": self.kernel == 1 and self.groups == 1,
            "3×3": self.kernel == 3 and self.groups == 1,
            "even kernels": self.kernel % 2 == 0 and self.groups == 1,
            "5×5 and 7×7": self.kernel in (5, 7) and self.groups == 1,
            "at most 8 channels out": self.out <= 8 and not depthwise,
            "channels that fill no vector": self.out % 8 > 0 and self.out > 8,
            "strided": self.stride > 1,
        }
        return [name for name, is_so in found.items() if is_so]

    def __str__(self) -> str:
        parts = [f"{self.kernel}×{self.kernel}", f"{self.channels}→{self.out}"]
        options = {"stride": self.stride, "dilation": self.dilation, "groups": self.groups}
        parts += [f"{name} {value}" for name, value in options.items() if value > 1]
        then = [*["bias"] * self.bias, *["norm"] * self.norm, self.activation, self.pool, *["sum"] * self.residual]
        return " ".join([*parts, f"on {self.batch}×{self.size}²", *filter(None, then)])

    def build(self, t: Any) -> Any:
        """The block of minigrad's layers or of PyTorch's."""
        options = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}
        layers = [t.Conv2d(self.channels, self.out, self.kernel, bias=self.bias, **options)]
        layers += [t.BatchNorm2d(self.out)] * self.norm
        layers += [getattr(t, self.activation)()] if self.activation else []
        layers += [getattr(t, self.pool)(2)] if self.pool else []
        net = t.Sequential(*layers)
        return _plus(t, net) if self.residual else net


def _plus(t: Any, net: Any) -> Any:
    class Plus(t.Module):  # type: ignore[misc]
        """x + net(x)"""

        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Any) -> Any:
            return x + self.net(x)

    return Plus()


def draw(seed: int = SEED, count: int = COUNT) -> list[Block]:
    """So many blocks."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        block = _draw(rng)
        numbers = math.prod(block.shape) + block.batch * block.out * max(block.outputs, 0) ** 2
        # on the way back PyTorch 2.13 crashes here, with channels last
        crashes = block.kernel == 1 and block.stride > 1 and block.channels < 16
        if not crashes and block.outputs > 1 and WORK[0] <= block.work <= WORK[1] and numbers <= NUMBERS:
            found.append(block)
    return found


def _draw(rng: np.random.Generator) -> Block:
    def log_uniform(low: int, high: int) -> int:
        return int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))

    def chance(p: float) -> bool:
        return bool(rng.random() < p)

    kernel = int(rng.choice([1, 2, 3, 4, 5, 6, 7], p=[0.2, 0.06, 0.4, 0.06, 0.14, 0.04, 0.1]))
    channels, out = log_uniform(1, 512), log_uniform(1, 512)
    if chance(0.6):  # mostly, people take round numbers
        channels, out = (c if c < 8 else c // 8 * 8 for c in (channels, out))
    kind = rng.choice(["plain", "depthwise", "grouped", "residual"], p=[0.5, 0.15, 0.15, 0.2])
    groups = 1
    if kind == "depthwise":
        groups = out = channels
    elif kind == "grouped":
        groups = 2 ** int(rng.integers(1, 4))
        channels, out = (max(1, c // groups) * groups for c in (channels, out))
    elif kind == "residual":
        out = channels
    stride = 1 if kind == "residual" else int(rng.choice([1, 2], p=[0.7, 0.3]))
    dilation = 2 if kernel > 1 and chance(0.1) else 1
    whole = kernel % 2 == 1 and (kind == "residual" or chance(0.8))
    norm = chance(0.5)
    return Block(
        batch=log_uniform(1, 128), size=log_uniform(4, 64), channels=channels, out=out, kernel=kernel, stride=stride,
        padding=dilation * (kernel - 1) // 2 if whole else 0, dilation=dilation, groups=groups,
        bias=not norm and chance(0.8), norm=norm, activation=str(rng.choice(["", "ReLU", "GELU"], p=[0.3, 0.6, 0.1])),
        pool="" if kind == "residual" else str(rng.choice(["", "MaxPool2d", "AvgPool2d"], p=[0.75, 0.15, 0.1])),
        residual=kind == "residual" and whole,
    )  # fmt: skip


def checked(block: Block, steps: Steps) -> Steps:
    """The steps, of which each was asked for its gradients once, and held against a twin in float64."""
    module, (x, _) = own(block.build).double(), batch(block.shape)
    given = mg.tensor(x.astype(np.float64), requires_grad=True)
    y = module(given)
    want = [t.data for t in mg.pull(y, [given, *module.parameters()], batch(y.shape)[0].astype(np.float64))]
    scale = max(float(np.linalg.norm(b)) / b.size**0.5 for b in want)
    for who, step in steps.items():
        for a, b in zip(step(), want, strict=True):
            a = np.asarray(a.detach() if hasattr(a, "detach") else a.data if isinstance(a, mg.Tensor) else a)
            apart = np.linalg.norm(a - b) / (np.linalg.norm(b) + scale * b.size**0.5)
            assert apart < NEAR, f"{block}: {who} is off by {apart:.2g}"
    return steps


def rows(blocks: Iterable[Block], layer: Callable[[Any, tuple[int, ...]], Steps]) -> dict[str, Callable[[], Steps]]:
    """Rows of the benchmark; `layer` makes the contenders."""
    return {str(b): partial(lambda b: checked(b, layer(b.build, b.shape)), b) for b in blocks}


class Column(NamedTuple):
    """Under which conditions all blocks are timed."""

    threads: int
    busy: bool = False  # another process keeps one core busy
    features: str = ""  # to which the processor is limited

    def __str__(self) -> str:
        limited = f", {self.features} only" if self.features else ""
        return f"{self.threads} thread{'s' * (self.threads > 1)}{', one core busy' * self.busy}{limited}"


def columns(threads: Iterable[int], features: str = "") -> list[Column]:
    """Each number of threads, and the largest once more beside another process unless features are limited."""
    numbers = list(threads)
    return [*(Column(n, False, features) for n in numbers), *([] if features else [Column(max(numbers), True)])]


def by_class(blocks: Iterable[Block], rows: Iterable[Row]) -> dict[str, list[float]]:
    """For all blocks, and those of each class that occurs, the ratios to PyTorch's fastest mode."""
    ratio = {row.workload: row.ratio(TORCH) for row in rows}
    found: dict[str, list[float]] = {"all": []}
    for block in blocks:
        if (one := ratio.get(str(block))) is not None:
            for name in ("all", *block.classes):
                found.setdefault(name, []).append(one)
    return found


def summary(ratios: list[float]) -> str:
    """Geometric mean, tenth percentile and least."""
    return f"{statistics.geometric_mean(ratios):.2f}, {np.quantile(ratios, 0.1):.2f}, {min(ratios):.2f}"


def distribution(blocks: list[Block]) -> dict[str, str]:
    """How the numbers of the blocks are spread: least, quartiles, largest; and how many have what."""
    found = {
        what: " – ".join(f"{q:.0f}" for q in np.quantile([getattr(b, name) for b in blocks], [0, 0.25, 0.5, 0.75, 1]))
        for what, name in (("images", "batch"), ("pixels of a side", "size"), ("channels in", "channels"), ("channels out", "out"))
    }  # fmt: skip
    found["million operations"] = " – ".join(
        f"{q / 1e6:.0f}" for q in np.quantile([b.work for b in blocks], [0, 0.25, 0.5, 0.75, 1])
    )
    kernels = sorted({b.kernel for b in blocks})
    found["kernels"] = ", ".join(f"{k}×{k}: {sum(b.kernel == k for b in blocks)}" for k in kernels)
    have = {"stride 2": "stride", "dilation 2": "dilation", "groups": "groups"}
    numbers = {what: sum(getattr(b, name) > 1 for b in blocks) for what, name in have.items()}
    flags = {
        name: sum(bool(getattr(b, name)) for b in blocks) for name in ("bias", "norm", "activation", "pool", "residual")
    }
    found["with"] = ", ".join(f"{what}: {n}" for what, n in (numbers | flags).items())
    return found
