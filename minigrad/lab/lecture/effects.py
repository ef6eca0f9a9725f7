"""What each technique changed: paired differences with their standard errors, as a dot plot; by Matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import named, shown
from ...ranges import NOT_NEGATIVE, check, choice
from ...viz import style

_COLORS = {"better": style.BLUE, "worse": style.ORANGE, "no clear difference": style.GREY}


@named
def effects(
    rows: Sequence[tuple[str, float, float, str]],
    path: style.Path = None,
    *,
    label: str = "test error with it minus without it, percentage points",
    limit: float | None = None,
) -> Any:
    """Return a Matplotlib figure of rows (name, difference, standard error, verdict), the best at the top.

    The verdict, 'better', 'worse' or 'no clear difference', gives the colour. Bars span two standard errors to each
    side. What lies beyond `limit` is drawn at the edge, with its number. With `path` the figure is also saved there.
    """
    if not isinstance(rows, list | tuple) or not all(isinstance(row, tuple) and len(row) == 4 for row in rows):
        raise TypeError(f"effects: rows is {shown(rows)}; it must be a list of (name, difference, error, verdict)")
    if not rows:
        raise ValueError("effects: there are no rows")
    for row in rows:
        check("effects", choice(*_COLORS), verdict=row[3])
    check("effects", NOT_NEGATIVE.or_none, limit=limit)
    rows = sorted(rows, key=lambda row: -row[1])
    figure = style.figure(8.4, 1.1 + 0.27 * len(rows), "lab.lecture.effects")
    axes = figure.subplots()
    axes.axvline(0, color=style.INK, linewidth=1)
    for i, (_, mean, error, verdict) in enumerate(rows):
        color = _COLORS[verdict]
        if limit is not None and abs(mean) > limit:
            edge = limit if mean > 0 else -limit
            axes.plot(edge, i, ">" if mean > 0 else "<", color=color, markersize=7)
            axes.annotate(f"{mean:+.1f}", (edge, i), (-8 if mean > 0 else 8, 0), textcoords="offset points",
                          ha="right" if mean > 0 else "left", va="center", fontsize=8, color=color)  # fmt: skip
            continue
        axes.errorbar(mean, i, xerr=2 * error, fmt="o", color=color, markersize=5, elinewidth=1.6, capsize=0)
    for verdict, color in _COLORS.items():
        axes.plot([], [], "o", color=color, markersize=5, label=verdict)
    if limit is not None:
        axes.set_xlim(-1.05 * limit, 1.05 * limit)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    style.label(axes, x=f"{label} (bars: ± 2 standard errors)", size=9)
    style.quiet(axes)
    style.legend(axes, "upper right")
    return style.finished(figure, "", path)
