"""Training adds randomness, testing averages it out: three pictures of that, with layers of minigrad alone.

python examples/noise_in_training.py [folder]     the pictures of docs/regularisation.md; default: runs/noise
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

import minigrad as mg
from minigrad import data, nn
from minigrad.ops.pool import region_edges
from minigrad.viz import style
from minigrad.viz.style import GRID, INK

BARS, MEAN, TEST = "#b7c6dd", style.BLUE, style.ORANGE
DRAWS = 4000


class Output(nn.Module):
    """A layer, and one number of what comes out of it: its first entry for the first sample."""

    def __init__(self, *layers: nn.Module) -> None:
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Any) -> mg.Tensor:
        return self.layers(x).flatten(1)[:1, :1]


def linear(n: int, m: int) -> nn.Linear:
    return nn.Linear(n, m, rng=n + m)


def relu_dropconnect(inference: str) -> Output:
    return Output(nn.DropConnect(linear(12, 2), 0.5, "row", activation=mg.relu, inference=inference, rng=0))


def deep() -> Output:
    drops = [nn.StochasticDepth(p, rng=k) for k, p in enumerate(nn.linear_decay(4, 0.5))]
    return Output(
        *(nn.Residual(nn.Sequential(nn.Tanh(), nn.Linear(12, 12, rng=k)), drop=d) for k, d in enumerate(drops))
    )


def spread() -> Any:
    """For each random layer: the outputs of many training passes, their mean, and the one output of testing."""
    rng = np.random.default_rng(3)
    row = rng.standard_normal((1, 12)).astype(np.float32)
    image = rng.standard_normal((1, 3, 9, 9)).astype(np.float32)
    panels = [
        ("dropout", Output(nn.Dropout(0.5, rng=0), linear(12, 1)), row, None),
        ("spatial dropout", Output(nn.Dropout2d(0.5, rng=0), nn.Conv2d(3, 1, 9, rng=1)), image, None),
        ("DropConnect, then relu", relu_dropconnect("mean"), row, relu_dropconnect("gaussian")),
        ("stochastic depth, 4 blocks", deep(), row, None),
        (
            "fractional max-pooling, 8 draws in testing",
            Output(nn.FractionalMaxPool2d(6, rng=0), nn.Conv2d(3, 1, 6, rng=4)),
            image,
            None,
        ),
        ("batch norm, batches of 16", *batch_norm(rng), None),
    ]
    figure = style.figure(10.5, 5.4, "the picture")
    for axes, (title, model, x, matched) in zip(figure.subplots(2, 3).flat, panels):
        with mg.no_grad():
            drawn = np.array([model.train()(next_of(x)).item() for _ in range(DRAWS)])
            tested = model.eval()(next_of(x)).item()
        axes.hist(drawn, bins=60, color=BARS)
        axes.axvline(drawn.mean(), color=MEAN, linewidth=2.2, label=f"mean of training {drawn.mean():.3f}")
        axes.axvline(tested, color=TEST, linewidth=2.2, linestyle=(0, (3, 2)), label=f"testing {tested:.3f}")
        if matched is not None:
            value = matched.eval()(x).item()
            axes.axvline(value, color=INK, linewidth=1.6, linestyle=":", label=f"testing, gaussian {value:.3f}")
        axes.set_title(title, color=INK, fontsize=11, loc="left")
        axes.set_ylim(0, 1.5 * axes.get_ylim()[1])  # room for the legend
        axes.legend(edgecolor="none", framealpha=1, fontsize=8.5, labelcolor=INK, loc="upper right")
        bare(axes)
    figure.supxlabel(f"one output of the layer, over {DRAWS:,} training passes on one sample", color=INK, fontsize=10)
    return figure


def batch_norm(rng: np.random.Generator) -> tuple[Output, Any]:
    """A batch norm whose running statistics have settled, and batches that all begin with one sample."""
    sample = np.array([[1.0]], np.float32)
    batches = (np.concatenate([sample, rng.standard_normal((15, 1)).astype(np.float32)]) for _ in itertools.count())
    model = Output(nn.BatchNorm1d(1, momentum=None))
    for _ in range(500):
        model(next(batches))
    return model, batches


def next_of(x: Any) -> np.ndarray:
    return x if isinstance(x, np.ndarray) else next(x)


def bare(axes: Any) -> None:
    axes.set_yticks([])
    style.quiet(axes, size=8)


def regions() -> Any:
    """A digit under the regions of four poolings; below, what each gives, and the mean over draws."""
    digit = data.digits().train.x[0, 0]
    kinds = [
        ("2×2 max-pooling, 8 → 4", 4, "disjoint", "pseudorandom"),
        ("disjoint, 8 → 6", 6, "disjoint", "pseudorandom"),
        ("disjoint, random, 8 → 5", 5, "disjoint", "random"),
        ("overlapping, 8 → 5", 5, "overlapping", "pseudorandom"),
    ]
    figure = style.figure(10.5, 7.4, "the picture")
    grid = figure.subplots(3, 4)
    for column, (title, n, kind, sequence) in zip(grid.T, kinds):
        overlap, rng = int(kind == "overlapping"), np.random.default_rng(4)
        rows, columns = (region_edges(8, n, overlap, sequence, 1, rng)[0] for _ in "hw")
        column[0].imshow(digit, cmap="Greys", vmin=0, vmax=1.6 * digit.max())
        for i, j in [(1, 1), (3, 3)] if overlap else itertools.product(range(n), range(n)):
            corner = (columns[j] - 0.5, rows[i] - 0.5)
            size = (columns[j + 1] - columns[j] + overlap, rows[i + 1] - rows[i] + overlap)
            column[0].add_patch(Rectangle(corner, *size, fill=False, edgecolor=MEAN, linewidth=1.8))
        for across, down in zip(columns[1:-1], rows[1:-1]) if overlap else ():  # pixels that two regions share
            column[0].axvspan(across - 0.5, across + 0.5, color=TEST, alpha=0.25, linewidth=0)
            column[0].axhspan(down - 0.5, down + 0.5, color=TEST, alpha=0.25, linewidth=0)
        pool = nn.FractionalMaxPool2d(n, regions=kind, sequence=sequence, samples=64, rng=np.random.default_rng(4))
        x = digit[None, None]
        shown = [("one draw, in training", pool(x).data), ("mean over draws, at test time", pool.eval()(x).data)]
        column[0].set_title(title, color=INK, fontsize=11, loc="left")
        for axes, (name, image) in zip(column[1:], shown):
            axes.imshow(image[0, 0], cmap="Greys", vmin=0, vmax=1.6 * digit.max())
            axes.set_title(name, color=INK, fontsize=9, loc="left")
        for axes in column:
            axes.set_xticks([]), axes.set_yticks([])
            axes.spines[:].set_color(GRID)
    return figure


def depth(blocks: int = 18, p: float = 0.5, steps: int = 60) -> Any:
    """Which blocks run in which step, beside the survival probabilities; and how many run, step by step."""
    drops = [nn.StochasticDepth(q, rng=k) for k, q in enumerate(nn.linear_decay(blocks, p))]
    model = nn.Sequential(*(nn.Residual(nn.Identity(), drop=d) for d in drops))
    ran = np.array([[d(0.0, lambda: 1.0).item() > 0 for d in drops] for _ in range(steps)]).T
    figure = style.figure(10.5, 4.6, "the picture")
    (board, chance), (count, blank) = figure.subplots(2, 2, width_ratios=[5, 1], height_ratios=[3, 1])
    rows, middle = np.arange(1, blocks + 1), np.arange(1, steps + 1)
    board.pcolormesh(middle, rows, ran, cmap="Blues", vmin=0, vmax=1.6, edgecolors="white", linewidth=1)
    board.set_title("blocks that are executed, step by step", color=INK, fontsize=11, loc="left")
    board.set_ylabel("block", color=INK)
    seen = chance.barh(rows, ran.mean(1), color=BARS)
    (law,) = chance.plot([1 - d.p for d in drops], rows, color=TEST, linewidth=2)
    chance.set_title("survival", color=INK, fontsize=11, loc="left")
    chance.set_xlim(0, 1.05)
    chance.set_ylim(board.get_ylim())
    chance.set_yticks([])
    blank.legend([law, seen], ["1 − p", "seen"], frameon=False, fontsize=8.5, labelcolor=INK, loc="center")
    expected = nn.expected_depth(model)
    count.bar(middle, ran.sum(0), color=BARS)
    count.axhline(expected, color=TEST, linewidth=2, label=f"expected depth {expected:g} of {blocks}")
    count.set_ylim(0, blocks * 1.45)
    count.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="upper right")
    count.set_xlabel("training step", color=INK)
    count.set_ylabel("blocks run", color=INK)
    count.set_xlim(board.get_xlim())
    blank.set_axis_off()
    for axes in (board, chance, count):
        style.quiet(axes, grid=False, size=8)
    return figure


def main(folder: str = "runs/noise") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, draw in (("noise_in_training", spread), ("fractional_pooling", regions), ("stochastic_depth", depth)):
        path = Path(folder) / f"{name}.png"
        style.finished(draw(), "", path, dpi=110)
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
