"""Pictures of a race, by Matplotlib: the paths over the surface, and loss against evaluations. Labels stand at the lines.

Colours are those of Okabe and Ito (2008), which colour-blind eyes tell apart; the surface is grey. Pyplot and its global
state are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...escape import mathtext
from ...extras import extra
from ...tape import Array
from ...viz import style
from ...viz.style import INK, Path, finished, quiet
from .race import Track
from .surfaces import Surface

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1a1a1a", "#8c6d1f")
GRAIN = 240  # points along each side of the grid on which a surface is drawn
LOWEST = 1e-12  # of losses: what is below counts as solved


def figure(width: float, height: float) -> Any:
    """An empty white figure, in inches."""
    return style.figure(width, height, "the playground's pictures")


def color(i: int) -> str:
    return COLORS[i % len(COLORS)]


def paths(surface: Surface, tracks: Sequence[Track], path: Path = None, *, title: str | None = None) -> Any:
    """Return a figure of the tracks over the contours of the surface; with `path`, it is also saved there."""
    made = figure(7.2, 5.2)
    draw_paths(made.subplots(), surface, tracks)
    return finished(made, f"{surface.name}: {surface.hard}" if title is None else title, path)


def losses(surface: Surface, tracks: Sequence[Track], path: Path = None, *, title: str | None = None) -> Any:
    """Return a figure of f − min f, without noise, against the evaluations spent; with `path`, it is also saved there."""
    made = figure(7.2, 4.2)
    draw_losses(made.subplots(), surface, tracks)
    return finished(made, f"{surface.name}: loss against evaluations" if title is None else title, path)


# ---- the surface and the paths ------------------------------------------------------------------------------------


def draw_paths(axes: Any, surface: Surface, tracks: Sequence[Track]) -> None:
    """Contours, the start, the minima, and each track with its name where there is room."""
    draw_surface(axes, surface)
    for i, track in enumerate(tracks):
        many = len(track.points) > 60
        axes.plot(*track.points.T, color=color(i), linewidth=1.6, zorder=3, solid_joinstyle="round")
        axes.plot(*track.points.T, "o", color=color(i), markersize=2 if many else 3.2, zorder=3)
        axes.plot(*track.points[-1], "o", color=color(i), markersize=7, markeredgecolor="white", zorder=5)
    if tracks:
        start = tracks[0].points[0]
        axes.plot(*start, "o", color="white", markeredgecolor=INK, markersize=8, markeredgewidth=1.6, zorder=6)
    _name(axes, surface, tracks)


def draw_surface(axes: Any, surface: Surface) -> None:
    """Grey bands of f, a third of a decade apart or evenly, whichever tells more, and a star at each minimum."""
    (x0, y0), (x1, y1) = surface.window
    x, y = np.linspace(x0, x1, GRAIN), np.linspace(y0, y1, GRAIN)
    z = surface.values(np.stack(np.meshgrid(x, y), axis=-1)) - surface.least
    steep = np.quantile(z, 0.98) > 20 * np.quantile(z, 0.25)
    heights = np.log10(z + 1e-3 * np.median(z)) if steep else z
    levels = np.linspace(heights.min(), np.quantile(heights, 0.995), 22)
    axes.contourf(x, y, heights, levels=levels, cmap=_greys(), extend="max", zorder=0)
    axes.contour(x, y, heights, levels=levels, colors="white", linewidths=0.6, linestyles="solid", alpha=0.8,
                 zorder=1)  # fmt: skip
    axes.plot(*np.transpose(surface.minima), "*", color="white", markeredgecolor=INK, markersize=13, zorder=4)
    axes.set(xlim=(x0, x1), ylim=(y0, y1))
    quiet(axes, grid=False)


def _greys() -> Any:
    """Dark where f is low, so that paths go down into the dark; never so dark or light that lines are lost."""
    return extra("matplotlib.colors", "the playground's pictures").LinearSegmentedColormap.from_list(
        "greys", ["#aab4bf", "#c9d0d7", "#e3e7eb", "#f5f6f8"]
    )


def _name(axes: Any, surface: Surface, tracks: Sequence[Track]) -> None:
    """Write each track's label beside it, where it is farthest from other tracks and labels."""
    low, high = np.array(surface.window, float)
    inside = [_dense((t.points - low) / (high - low)) for t in tracks]
    taken = [np.array([[0.5, -1.0]])]
    for i, track in enumerate(tracks):
        half = 0.011 * len(track.label)  # a letter takes about 2 % of the width
        others = np.concatenate([p for k, p in enumerate(inside) if k != i] + taken)
        best, where = -1.0, np.array([0.5, 0.5])
        for point in inside[i][:: max(1, len(inside[i]) // 60)]:
            for offset in ([0, 0.035], [0, -0.045], [half + 0.02, 0], [-half - 0.02, 0]):
                at = np.clip(point + offset, [half + 0.01, 0.03], [0.99 - half, 0.97])
                clear = min(_clearance(at, others, half), 4 * _clearance(at, inside[i], half))
                if clear > best:
                    best, where = clear, at
        taken.append(where + np.linspace(-half, half, 9)[:, None] * [1, 0])
        text = axes.text(*(low + where * (high - low)), mathtext(track.label), color=color(i), fontsize=10, weight="bold",
                         ha="center", va="center", zorder=7)  # fmt: skip
        text.set_path_effects([_halo()])


def _clearance(at: Array, others: Array, half: float) -> float:
    """How far a label around `at` is from points, all in parts of the window; up and down counts double."""
    gap = np.abs(others - at)
    gap[:, 0] = np.maximum(gap[:, 0] - half, 0)
    return float(np.hypot(gap[:, 0], 2 * gap[:, 1]).min(initial=0.5))


def _dense(points: Array) -> Array:
    """Points along a path, close to each other, in the window."""
    if len(points) > 1:
        t = np.linspace(0, len(points) - 1, 400)
        points = np.stack([np.interp(t, np.arange(len(points)), p) for p in points.T], axis=-1)
    within = ((points >= 0) & (points <= 1)).all(axis=1)
    return points[within] if within.any() else np.clip(points[:1], 0, 1)


def _halo() -> Any:
    return extra("matplotlib.patheffects", "the playground's pictures").withStroke(linewidth=3, foreground="white")


# ---- against evaluations ------------------------------------------------------------------------------------------


def draw_losses(axes: Any, surface: Surface, tracks: Sequence[Track]) -> None:
    """f − min f on a logarithmic axis; what is below 1e-12 is drawn there."""
    lines = [(t.label, t.spent, np.maximum(t.losses - surface.least, LOWEST)) for t in tracks]
    draw_lines(axes, lines, "gradients and products", "loss above the minimum")


def draw_lines(axes: Any, lines: Sequence[tuple[str, Array, Array]], xlabel: str, ylabel: str) -> None:
    """Lines (label, x, y) on a logarithmic axis, each with its name at its right end."""
    axes.set_yscale("log")
    for i, (_, x, y) in enumerate(lines):
        axes.plot(x, y, color=color(i), linewidth=1.8, zorder=3)
        axes.plot(x[-1], y[-1], "o", color=color(i), markersize=5, zorder=4)
    axes.set_ylim(*_span([y for _, _, y in lines]))
    ends = [np.log10(np.clip(y[-1], *axes.get_ylim())) for _, _, y in lines]
    low, high = np.log10(axes.get_ylim())
    for i, at in enumerate(spread(ends, 0.065 * (high - low), low, high)):
        name, x, y = lines[i]
        axes.annotate(
            mathtext(name), (x[-1], np.clip(y[-1], *axes.get_ylim())), xytext=(1.02, (at - low) / (high - low)),
            textcoords="axes fraction", color=color(i), fontsize=10, weight="bold", va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color(i), "linewidth": 0.6, "alpha": 0.5, "shrinkA": 1, "shrinkB": 4},
        )  # fmt: skip
    style.label(axes, x=xlabel, y=ylabel)
    axes.minorticks_off()
    if high - low < 2.3:  # decades are too few for ticks
        axes.yaxis.set_major_locator(extra("matplotlib.ticker", "the playground's pictures").LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    quiet(axes)


def _span(ys: Sequence[Array]) -> tuple[float, float]:
    """From below the lowest to above the highest start: what explodes leaves the picture."""
    low = min(float(y[np.isfinite(y)].min()) for y in ys)
    high = max(float(np.nanmedian(y[: max(2, len(y) // 5)])) for y in ys)
    high = max(high, max(float(y[0]) for y in ys))
    return low / 1.6, 2 * max(high, 10 * low)


def spread(ends: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The heights of labels: near the ends of their lines, in their order, at least a gap apart, between low and high."""
    order = np.argsort(ends, kind="stable")
    at = np.array([ends[i] for i in order], float)
    for _ in range(200):  # push neighbours apart, keep all inside
        for k in range(len(at) - 1):
            short = gap - (at[k + 1] - at[k])
            if short > 0:
                at[k] -= short / 2
                at[k + 1] += short / 2
        at[0], at[-1] = max(at[0], low), min(at[-1], high)
    heights = np.empty(len(at))
    heights[order] = at
    return heights.tolist()
