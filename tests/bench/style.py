"""How the pictures look. Matplotlib's pyplot and its global state are not touched."""

from __future__ import annotations

from typing import Any

from minigrad.viz import style

INK = style.INK
COLORS = ("#2f5d9b", "#d1603d", "#3f8f6b", "#8a5fa8", "#c79a1e", "#7a8794")


def figure(width: float, height: float) -> Any:
    return style.figure(width, height, "the benchmark's pictures")


def axes(axes: Any, x: str, y: str) -> Any:
    """Logarithmic axes, quiet grid, no frame."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.label(axes, x=x, y=y)
    style.quiet(axes)
    return axes


def threads(n: int) -> str:
    return "1 thread" if n == 1 else f"{n} threads"
