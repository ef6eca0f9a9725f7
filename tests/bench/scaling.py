"""How the cost of a training step grows with the batch, the width, the depth and the size of the images.

One residual network is made larger in one way at a time. On logarithmic axes a cost that grows like a power is a
straight line, and the power is its slope: 1 for batch and depth, 2 for width and image size, once the arithmetic
outweighs what every operation costs whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import style
import workloads
from nets import batch
from timing import OWN, Steps, interleaved

import minigrad as mg
from minigrad import nn

PEER = "torch channels_last"
BASE = {"batch": 16, "width": 16, "depth": 1, "image size": 16}
GROWN = {
    "batch": [1, 4, 16, 64, 256],
    "width": [4, 8, 16, 32, 64],
    "depth": [1, 2, 4, 8],
    "image size": [4, 8, 16, 32, 64],
}
LABELS = {"depth": "blocks in each of three stages", "image size": "pixels on a side"}


def draw(path: Path, threads: int) -> dict[str, Any]:
    """Time every size, save the picture, and return the seconds and slopes."""
    workloads.set_threads(threads)
    figure, found = style.figure(9.2, 6.4), {}
    for axes, (what, sizes) in zip(figure.subplots(2, 2, sharey=True).flat, GROWN.items()):
        style.axes(axes, LABELS.get(what, what), "ms a step")
        times = [interleaved(_steps(BASE | {what: size}), 0.6) for size in sizes]
        for name, color in zip(times[0], style.COLORS):
            ms = [1e3 * float(np.median(t[name])) for t in times]
            slope = float(np.polyfit(np.log(sizes[-3:]), np.log(ms[-3:]), 1)[0])
            axes.plot(sizes, ms, "o-", color=color, linewidth=1.6, markersize=4, label=f"{name}, slope {slope:.2f}")
            found[f"{what}, {name}"] = {"sizes": sizes, "ms": ms, "slope": slope}
        axes.set_xticks(sizes, sizes)
        axes.set_xticks([], minor=True)
        axes.set_yticks([1, 3, 10, 30, 100], [1, 3, 10, 30, 100])
        axes.set_yticks([], minor=True)
        axes.legend(frameon=False, fontsize=9, labelcolor=style.INK)
    fixed = ", ".join(f"{k} {v}" for k, v in BASE.items())
    figure.suptitle(f"A training step of a residual network ({fixed} unless it varies), {style.threads(threads)}",
                    color=style.INK, fontsize=11)  # fmt: skip
    figure.savefig(path, dpi=140)
    return found


def _steps(sizes: dict[str, int]) -> Steps:
    """Forward and backward of the network of these sizes."""
    n, width, depth, side = sizes.values()
    model, (x, labels) = nn.models.ResNet(depth, width=width), batch((n, 3, side, side))
    steps: Steps = {OWN: _own(model, x, labels)}
    for peer in workloads.PEERS:
        if peer.__name__ == "torch_peer":
            steps[PEER] = peer.gradient_of_resnet(depth, width, x, labels)
    return steps


def _own(model: nn.Module, x: np.ndarray, labels: np.ndarray) -> Callable[[], object]:
    def step() -> None:
        for p in model.parameters():
            p.grad = None
        mg.cross_entropy(model(x), labels).backward()

    return step
