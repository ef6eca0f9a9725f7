"""The reliability diagram: how often predictions are right, against how sure they are; by Matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import named
from ..escape import mathtext
from . import style


@named
def reliability(calibrations: Any, path: style.Path = None, *, title: str = "") -> Any:
    """Return a Matplotlib figure of one `train.calibration`, or of a dict of several by name, side by side.

    A bar is a bin of confidence; its height the accuracy there. Orange is the gap to the diagonal, where confidence is
    accuracy; below, the fraction of the samples in each bin. With `path` it is also saved there.
    """
    found = dict(calibrations) if isinstance(calibrations, Mapping) else {"": calibrations}
    if not found:
        raise ValueError("reliability: there is nothing to draw; give a calibration, or a dict of them by name")
    figure = style.figure(max(3.2 * len(found), 3.6), 4.2, "viz.reliability")
    rows = figure.subplots(2, len(found), sharex=True, sharey="row", squeeze=False, height_ratios=(4, 1))
    for (name, c), above, below in zip(found.items(), *rows):
        width, middle = np.diff(c.edges), (c.edges[:-1] + c.edges[1:]) / 2
        above.bar(middle, c.accuracy, 0.9 * width, color=style.PALE, label="accuracy")
        gap = {"color": style.ORANGE, "alpha": 0.35, "label": "gap to the confidence"}
        above.bar(middle, c.confidence - c.accuracy, 0.9 * width, bottom=c.accuracy, **gap)
        above.plot([0, 1], [0, 1], color=style.INK, linewidth=1, linestyle=(0, (4, 3)))
        above.set_title(f"{mathtext(name)}  ECE {c.ece:.1%}".strip(), color=style.INK, fontsize=10, loc="left")
        below.bar(middle, 100 * c.samples / c.samples.sum(), 0.9 * width, color=style.PALE)
        below.set_xlabel("confidence", color=style.INK, fontsize=9)
        for axes in above, below:
            axes.set_xlim(0, 1)
            style.quiet(axes, size=8)
    rows[0][0].set_ylabel("fraction right", color=style.INK, fontsize=9)
    rows[1][0].set_ylabel("samples, %", color=style.INK, fontsize=9)
    style.legend(rows[0][0], "upper left", 8)
    return style.finished(figure, title, path)
