"""The spectrum of a curvature matrix as a picture, by Matplotlib; pyplot and its global state are not touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import named
from . import style

if TYPE_CHECKING:
    from ..optim.curvature import Density


@named
def spectrum(density: Density, path: style.Path = None, *, width: float | None = None, title: str = "") -> Any:
    """Return a Matplotlib figure of a `minigrad.optim.curvature.density`, on a logarithmic scale: outliers are rare.

    Each eigenvalue is a bell of standard deviation `width`. With `path` it is also saved; the ending says in which
    format.
    """
    grid, height = density.smoothed(width=width)
    figure = style.figure(8, 3.4, "viz.spectrum")
    axes = figure.subplots()
    low = height.max() * 1e-6
    axes.semilogy(grid, np.maximum(height, low), color=style.BLUE, linewidth=1.4)
    axes.fill_between(grid, low, np.maximum(height, low), color=style.BLUE, alpha=0.15, linewidth=0)
    axes.set_ylim(low, height.max() * 3)
    style.label(axes, x="eigenvalue", y="density", title=title)
    style.quiet(axes)
    return style.finished(figure, "", path)
