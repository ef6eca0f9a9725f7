"""The learning-rate range test as a picture, by Matplotlib."""

from __future__ import annotations

import os
from typing import Any

from ..extras import extra

_INK, _RAW, _LINE, _MARK, _GRID = "#3e4c59", "#c3cfdb", "#2f5d9b", "#c2553d", "#e4e7eb"


def lr_range(found: Any, path: str | os.PathLike | None = None, *, title: str = "") -> Any:
    """Return a Matplotlib figure of what `train.lr_range` found: the loss against the rate, and the rate it suggests.

    With `path` it is also saved there; the ending says in which format.
    """
    figure = extra("matplotlib.figure", "viz.lr_range").Figure((6, 3.4), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color=_RAW, linewidth=1, label="loss")
    axes.plot(found.rates, found.smoothed, color=_LINE, linewidth=1.8, label="smoothed")
    axes.axvline(
        found.suggestion, color=_MARK, linewidth=1.2, linestyle="--", label=f"suggested: {found.suggestion:.2g}"
    )
    axes.set_xscale("log")
    low, high = float(found.smoothed.min()), float(found.smoothed[0])
    axes.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low))  # how far it explodes says nothing
    axes.set_xlabel("learning rate", color=_INK)
    axes.set_title(title or "loss", color=_INK, fontsize=11, loc="left")
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, labelsize=9, length=0, which="both")
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=_INK)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
