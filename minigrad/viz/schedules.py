"""Learning rates over the steps of a training run, by Matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import named
from ..escape import mathtext
from ..ranges import NUMBER, Range, check, whole
from . import style

_ACROSS = 4
_MOST = 10_000_000  # steps, which are drawn one by one
_RATE = Range(lambda v: callable(v) or NUMBER.holds(v), "a number, or a function of the step")


@named
def schedules(
    rates: float | Callable[[int], float] | Mapping[str, float | Callable[[int], float]],
    steps: int,
    path: style.Path = None,
    *,
    title: str = "",
) -> Any:
    """Return a Matplotlib figure of learning rates against the step, each in a panel of its own, all to one scale.

    `rates` is a number or a function of the step, or a dict of them by name; `steps` how many steps to show. With
    `path` it is also saved there; the ending says in which format.
    """
    rates = dict(rates) if isinstance(rates, Mapping) else {"learning rate": rates}
    if not rates:
        raise ValueError("schedules: there is nothing to plot; give a schedule, or a dict of schedules by name")
    check("schedules", whole(1, _MOST), steps=steps)
    check("schedules", _RATE, **{str(name): rate for name, rate in rates.items()})
    across = min(len(rates), _ACROSS)
    down = math.ceil(len(rates) / across)
    width, height = (6.0, 3.0) if len(rates) == 1 else (2.6 * across, 1.9 * down)
    figure = style.figure(width, height, "viz.schedules")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat
    for (name, rate), axes in zip(rates.items(), panels):
        values = np.array([rate(k) if callable(rate) else rate for k in range(steps)])
        axes.plot(values, color=style.BLUE, label=mathtext(name), linewidth=1.6)
        axes.set_title(mathtext(name), color=style.INK, fontsize=10, loc="left")
        axes.set_ylim(bottom=0)
        style.quiet(axes, size=8)
    for axes in list(panels):  # what the last row has no schedule for
        axes.set_visible(False)
    figure.supxlabel("step", color=style.INK, fontsize=9)
    return style.finished(figure, title, path)
