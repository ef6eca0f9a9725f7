"""The reliability diagram: how often predictions are right, against how sure they are; by Matplotlib."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..extras import extra

_INK, _GRID, _BAR, _GAP = "#3e4c59", "#e4e7eb", "#8fa3bf", "#d1603d"


def reliability(shown: Any, path: str | os.PathLike | None = None, *, title: str = "") -> Any:
    """Return a Matplotlib figure of one `train.calibration`, or of a dict of several by name, side by side.

    A bar is a bin of confidence; its height the accuracy there. Orange is the gap to the diagonal, where confidence is
    accuracy; below, the fraction of the samples in each bin. With `path` it is also saved there.
    """
    found = dict(shown) if isinstance(shown, Mapping) else {"": shown}
    if not found:
        raise ValueError("reliability: there is nothing to draw; give a calibration, or a dict of them by name")
    size = (max(3.2 * len(found), 3.6), 4.2)
    figure = extra("matplotlib.figure", "viz.reliability").Figure(size, layout="constrained", facecolor="white")
    rows = figure.subplots(2, len(found), sharex=True, sharey="row", squeeze=False, height_ratios=(4, 1))
    for (name, c), above, below in zip(found.items(), *rows):
        width, middle = np.diff(c.edges), (c.edges[:-1] + c.edges[1:]) / 2
        above.bar(middle, c.accuracy, 0.9 * width, color=_BAR, label="accuracy")
        gap = {"color": _GAP, "alpha": 0.35, "label": "gap to the confidence"}
        above.bar(middle, c.confidence - c.accuracy, 0.9 * width, bottom=c.accuracy, **gap)
        above.plot([0, 1], [0, 1], color=_INK, linewidth=1, linestyle=(0, (4, 3)))
        above.set_title(f"{name}  ECE {c.ece:.1%}".strip(), color=_INK, fontsize=10, loc="left")
        below.bar(middle, 100 * c.samples / c.samples.sum(), 0.9 * width, color=_BAR)
        below.set_xlabel("confidence", color=_INK, fontsize=9)
        for axes in above, below:
            axes.set_xlim(0, 1)
            axes.grid(color=_GRID, linewidth=0.8)
            axes.set_axisbelow(True)
            axes.tick_params(colors=_INK, labelsize=8, length=0)
            axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    rows[0][0].set_ylabel("fraction right", color=_INK, fontsize=9)
    rows[1][0].set_ylabel("samples, %", color=_INK, fontsize=9)
    rows[0][0].legend(loc="upper left", frameon=False, fontsize=8, labelcolor=_INK)
    if title:
        figure.suptitle(title, color=_INK, fontsize=12)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
