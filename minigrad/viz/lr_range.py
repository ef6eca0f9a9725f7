"""The learning-rate range test as a picture, by Matplotlib."""

from __future__ import annotations

from typing import Any

from ..errors import named
from . import style


@named
def lr_range(found: Any, path: style.Path = None, *, title: str = "") -> Any:
    """Return a Matplotlib figure of what `train.lr_range` found: the loss against the rate, and the rate it suggests.

    With `path` it is also saved there; the ending says in which format.
    """
    figure = style.figure(6, 3.4, "viz.lr_range")
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color=style.PALE, linewidth=1, label="loss")
    axes.plot(found.rates, found.smoothed, color=style.BLUE, linewidth=1.8, label="smoothed")
    axes.axvline(
        found.suggestion, color=style.ORANGE, linewidth=1.2, linestyle="--", label=f"suggested: {found.suggestion:.2g}"
    )
    axes.set_xscale("log")
    low, high = float(found.smoothed.min()), float(found.smoothed[0])
    axes.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low))  # how far it explodes says nothing
    style.label(axes, x="learning rate", title=title or "loss")
    style.quiet(axes)
    style.legend(axes, "upper left")
    return style.finished(figure, "", path)
