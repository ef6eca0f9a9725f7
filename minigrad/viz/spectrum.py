"""The spectrum of a curvature matrix as a picture, by Matplotlib; pyplot and its global state are not touched."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..extras import extra

if TYPE_CHECKING:
    from ..optim.curvature import Density

_INK, _GRID, _LINE = "#3e4c59", "#e4e7eb", "#2f5d9b"


def spectrum(
    density: Density, path: str | os.PathLike | None = None, *, width: float | None = None, title: str = ""
) -> Any:
    """Return a Matplotlib figure of a `minigrad.optim.curvature.density`, on a logarithmic scale: outliers are rare.

    Each eigenvalue is a bell of standard deviation `width`. With `path` it is also saved; the ending says in which
    format.
    """
    grid, height = density.smoothed(width=width)
    figure = extra("matplotlib.figure", "viz.spectrum").Figure(
        figsize=(8, 3.4), layout="constrained", facecolor="white"
    )
    axes = figure.subplots()
    low = height.max() * 1e-6
    axes.semilogy(grid, np.maximum(height, low), color=_LINE, linewidth=1.4)
    axes.fill_between(grid, low, np.maximum(height, low), color=_LINE, alpha=0.15, linewidth=0)
    axes.set_ylim(low, height.max() * 3)
    axes.set_xlabel("eigenvalue", color=_INK)
    axes.set_ylabel("density", color=_INK)
    axes.set_title(title, color=_INK, fontsize=11, loc="left")
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK, labelsize=9, length=0, which="both")
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
