"""How the pictures look. Matplotlib's pyplot and its global state are not touched."""

from __future__ import annotations

from typing import Any

from minigrad.extras import extra

INK, GRID = "#3e4c59", "#e4e7eb"
COLORS = ("#2f5d9b", "#d1603d", "#3f8f6b", "#8a5fa8", "#c79a1e", "#7a8794")


def figure(width: float, height: float) -> Any:
    return extra("matplotlib.figure", "the benchmark's pictures").Figure(
        figsize=(width, height), layout="constrained", facecolor="white"
    )


def axes(axes: Any, x: str, y: str) -> Any:
    """Logarithmic axes, quiet grid, no frame."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9, length=0, which="both")
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    return axes


def threads(n: int) -> str:
    return "1 thread" if n == 1 else f"{n} threads"
