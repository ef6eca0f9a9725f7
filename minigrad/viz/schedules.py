"""Learning rates over the steps of a training run, by Matplotlib."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..extras import extra

_INK, _LINE, _GRID = "#3e4c59", "#2f5d9b", "#e4e7eb"
_ACROSS = 4


def schedules(
    shown: float | Callable[[int], float] | Mapping[str, float | Callable[[int], float]],
    steps: int,
    path: str | os.PathLike | None = None,
    *,
    title: str = "",
) -> Any:
    """Return a Matplotlib figure of learning rates against the step, each in a panel of its own, all to one scale.

    `shown` is a number or a function of the step, or a dict of them by name; `steps` how many steps to show. With
    `path` it is also saved there; the ending says in which format.
    """
    rates = dict(shown) if isinstance(shown, Mapping) else {"learning rate": shown}
    if not rates:
        raise ValueError("schedules: there is nothing to plot; give a schedule, or a dict of schedules by name")
    if steps < 1:
        raise ValueError(f"schedules: steps is {steps}; it must be at least 1")
    across = min(len(rates), _ACROSS)
    down = math.ceil(len(rates) / across)
    size = (6, 3) if len(rates) == 1 else (2.6 * across, 1.9 * down)
    figure = extra("matplotlib.figure", "viz.schedules").Figure(size, layout="constrained", facecolor="white")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat
    for (name, rate), axes in zip(rates.items(), panels):
        values = np.array([rate(k) if callable(rate) else rate for k in range(steps)])
        axes.plot(values, color=_LINE, label=name, linewidth=1.6)
        axes.set_title(name, color=_INK, fontsize=10, loc="left")
        axes.set_ylim(bottom=0)
        axes.grid(color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_INK, labelsize=8, length=0)
        axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    for axes in list(panels):  # what the last row has no schedule for
        axes.set_visible(False)
    figure.supxlabel("step", color=_INK, fontsize=9)
    if title:
        figure.suptitle(title, color=_INK, fontsize=12)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
