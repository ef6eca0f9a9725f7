"""One style for all pictures: an empty figure, quiet axes, a title, and the colours. By Matplotlib, without pyplot and
its global state."""

from __future__ import annotations

import os
from typing import Any

from ..escape import mathtext
from ..extras import extra
from ..ranges import PATH, check, instance

INK, GRID = "#3e4c59", "#e4e7eb"  # of texts, and of what should not be looked at
BLUE, PALE, ORANGE, GREY = (
    "#2f5d9b",
    "#8fa3bf",
    "#d1603d",
    "#9aa5b1",
)  # what matters, what it is held against, beware, no matter

Path = str | os.PathLike | None
_TEXT = instance(str, "a text")


def figure(width: float, height: float, who: str) -> Any:
    """An empty white figure, in inches; `who` asks for it, if Matplotlib is missing."""
    made = extra("matplotlib.figure", who).Figure
    return made(figsize=(width, height), layout="constrained", facecolor="white")


def quiet(axes: Any, *, grid: bool = True, size: float = 9) -> None:
    """No frame and no ticks, labels of this size, and a pale grid behind everything."""
    axes.tick_params(colors=INK, labelsize=size, length=0, which="both")
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    if grid:
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)


def label(axes: Any, *, x: str = "", y: str = "", title: str = "", size: float = 10) -> None:
    """Name the axes, and give them a title at the left."""
    check("figure", _TEXT, title=title)
    axes.set_xlabel(x, color=INK, fontsize=size)
    axes.set_ylabel(y, color=INK, fontsize=size)
    axes.set_title(title, color=INK, fontsize=size + 1, loc="left")


def legend(axes: Any, place: str, size: float = 9) -> None:
    """A legend without a frame."""
    axes.legend(loc=place, frameon=False, fontsize=size, labelcolor=INK)


def finished(made: Any, title: str, path: Path, *, dpi: int = 150) -> Any:
    """The figure with a title; with `path`, it is also saved there, and the ending says in which format."""
    check("figure", _TEXT, title=title)
    check("figure", PATH.or_none, path=path)
    if title:
        made.suptitle(mathtext(title), color=INK, fontsize=12)
    if path is not None:
        made.savefig(path, dpi=dpi)
    return made
