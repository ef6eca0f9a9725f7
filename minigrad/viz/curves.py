"""Learning curves, by Matplotlib; pyplot and its global state are not touched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..extras import extra

_PARTS = (("train", "", "#8fa3bf"), ("test", "test_", "#2f5d9b"))
_INK, _GRID = "#3e4c59", "#e4e7eb"


def curves(records: Sequence[dict[str, Any]], path: str | os.PathLike | None = None, *, title: str = "") -> Any:
    """Return a Matplotlib figure of loss and accuracy against the epoch, from the records of `train.fit`.

    With `path` it is also saved there; the ending says in which format. Raises ValueError if there are no records.
    """
    if not records:
        raise ValueError("curves: there are no records; train for at least one epoch")
    figure = extra("matplotlib.figure", "viz.curves").Figure(figsize=(9, 3.4), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    _lines(left, records, "loss", "loss", 1, "upper right")
    _lines(right, records, "accuracy", "accuracy, %", 100, "lower right")
    top = max(r.get("test_accuracy", r["accuracy"]) for r in records)
    right.set_ylim(max(0, min(90, 100 * top - 10)), 100.3)  # the last percents are the ones that differ
    if title:
        figure.suptitle(title, color=_INK, fontsize=12)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def _lines(axes: Any, records: Sequence[dict[str, Any]], key: str, label: str, unit: float, legend: str) -> None:
    for name, prefix, color in _PARTS:
        points = [(r["epoch"], unit * r[prefix + key]) for r in records if prefix + key in r]
        if points:
            x, y = zip(*points)
            marker = "o" if len(points) == 1 else None
            axes.plot(x, y, color=color, label=f"{name}, last {y[-1]:.3g}", linewidth=1.6, marker=marker)
    axes.set_xlabel("epoch", color=_INK)
    axes.set_title(label, color=_INK, fontsize=11, loc="left")
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, labelsize=9, length=0)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.legend(loc=legend, frameon=False, fontsize=9, labelcolor=_INK)
    axes.xaxis.get_major_locator().set_params(integer=True)
