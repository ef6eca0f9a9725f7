"""A race as it happens: a GIF, or a page of HTML that needs nothing else, with a slider over the evaluations."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ... import escape
from ...extras import extra
from ...tape import Array
from ...viz.style import INK
from .pictures import LOWEST, color, draw_surface, figure
from .race import Track
from .surfaces import Surface

FRAMES = 60  # of a GIF, at most


def animate(surface: Surface, tracks: Sequence[Track], path: str | os.PathLike) -> Path:
    """Write the race to a file, .gif or .html, and return its path. Raises ValueError for another ending."""
    path = Path(path)
    writers = {".gif": _gif, ".html": _html}
    if path.suffix not in writers:
        raise ValueError(f"animate: {path.name} ends in {path.suffix!r}; it must end in .gif or .html")
    writers[path.suffix](surface, tracks, path)
    return path


def _reached(track: Track, spent: int) -> int:
    """How many of the track's points are there after so many evaluations."""
    return int(np.searchsorted(track.spent, spent, side="right"))


def _ground(surface: Surface, width: float) -> tuple[Any, Any]:
    """A figure whose axes fill it: the surface and nothing else, so that a place in it is a place in the window."""
    (x0, y0), (x1, y1) = surface.window
    made = figure(width, width * 0.72)
    made.set_layout_engine("none")
    axes = made.add_axes((0, 0, 1, 1))
    draw_surface(axes, surface)
    axes.set(xlim=(x0, x1), ylim=(y0, y1))
    axes.set_axis_off()
    return made, axes


def _gif(surface: Surface, tracks: Sequence[Track], path: Path) -> None:
    made, axes = _ground(surface, 6.4)
    lines = [axes.plot([], [], color=color(i), linewidth=1.8, zorder=3)[0] for i in range(len(tracks))]
    heads = [
        axes.plot([], [], "o", color=color(i), markersize=9, markeredgecolor="white", zorder=5)[0]
        for i in range(len(tracks))
    ]
    box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 3}
    for i, track in enumerate(tracks):
        axes.text(0.015, 0.97 - 0.05 * i, escape.mathtext(track.label), transform=axes.transAxes, color=color(i), weight="bold",
                  fontsize=10, va="top", bbox=box, zorder=7)  # fmt: skip
    clock = axes.text(0.985, 0.97, "", transform=axes.transAxes, color=INK, fontsize=10, ha="right", va="top", bbox=box)
    last = max(int(track.spent[-1]) for track in tracks)
    times = np.unique(np.linspace(0, last, min(last + 1, FRAMES)).astype(int))
    image = extra("PIL.Image", "animate")
    canvas = extra("matplotlib.backends.backend_agg", "animate").FigureCanvasAgg(made)
    frames = []
    for spent in [*times, *[last] * 15]:
        for track, line, head in zip(tracks, lines, heads):
            points = track.points[: _reached(track, spent)]
            line.set_data(*points.T)
            head.set_data(points[-1:, 0], points[-1:, 1])
        clock.set_text(f"{spent} evaluations")
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
        frames.append(image.fromarray(pixels.copy()).quantize(128, dither=0))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=80, loop=0)


def _html(surface: Surface, tracks: Sequence[Track], path: Path) -> None:
    made, _ = _ground(surface, 7.2)
    png = io.BytesIO()
    made.savefig(png, format="png", dpi=120)
    low, high = np.array(surface.window, float)
    data = [
        {
            "label": track.label,
            "color": color(i),
            "spent": track.spent.tolist(),
            "points": _places(track.points, low, high),
            "loss": [float(f"{x:.3g}") for x in np.maximum(np.nan_to_num(track.losses - surface.least), LOWEST)],
        }
        for i, track in enumerate(tracks)
    ]
    page = Template(_PAGE).substitute(
        title=escape.xml(f"{surface.name}: {surface.hard}"),
        image=base64.b64encode(png.getvalue()).decode(),
        tracks=escape.script(data),
        last=max(int(track.spent[-1]) for track in tracks),
    )
    path.write_text(page, encoding="utf-8")


def _places(points: Array, low: Array, high: Array) -> list[list[float]]:
    """Points in per mille of the picture, y downwards; what is far outside stays just outside."""
    parts = np.clip((points - low) / (high - low), -0.2, 1.2)
    return (1000 * np.stack([parts[:, 0], 0.72 * (1 - parts[:, 1])], axis=-1)).round(1).tolist()


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title><style>
body { font: 15px/1.5 system-ui, sans-serif; color: #3e4c59; max-width: 880px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.2em } svg { width: 100%; border-radius: 6px } polyline { fill: none; stroke-width: 3.2 }
.bar { display: flex; gap: 1em; align-items: center } input { flex: 1 } button { font: inherit; width: 5em }
td { padding: 0 1.2em 0 0; font-variant-numeric: tabular-nums } b { font-weight: 700 }
</style></head><body><h1>$title</h1>
<svg viewBox="0 0 1000 720"><image href="data:image/png;base64,$image" width="1000" height="720"/><g id="race"></g></svg>
<p class="bar"><button id="play">pause</button><input id="time" type="range" min="0" max="$last" value="0"
aria-label="evaluations"><span><span id="now">0</span> evaluations</span></p><table id="table"></table>
<script>
const tracks = $tracks, last = $last, at = id => document.getElementById(id), ns = "http://www.w3.org/2000/svg";
for (const t of tracks) {
  t.line = at("race").appendChild(document.createElementNS(ns, "polyline")); t.line.setAttribute("stroke", t.color);
  t.head = at("race").appendChild(document.createElementNS(ns, "circle"));
  for (const [k, v] of [["r", 8], ["fill", t.color], ["stroke", "white"], ["stroke-width", 2]]) t.head.setAttribute(k, v);
  const row = at("table").insertRow(), name = row.insertCell(); name.innerHTML = "<b></b>";
  name.firstChild.textContent = t.label; name.style.color = t.color; t.cell = row.insertCell();
}
function show(spent) {
  at("now").textContent = spent; at("time").value = spent;
  for (const t of tracks) {
    let n = 0; while (n < t.spent.length && t.spent[n] <= spent) n++;
    t.line.setAttribute("points", t.points.slice(0, n).join(" "));
    t.head.setAttribute("cx", t.points[n - 1][0]); t.head.setAttribute("cy", t.points[n - 1][1]);
    t.cell.textContent = "loss above the minimum " + t.loss[n - 1].toExponential(1);
  }
}
let playing = true;
setInterval(() => { if (playing) show((+at("time").value + 1) % (last + 1)) }, Math.max(40, 6000 / last));
at("play").onclick = () => { playing = !playing; at("play").textContent = playing ? "pause" : "play" };
at("time").oninput = e => { playing = false; at("play").textContent = "play"; show(+e.target.value) };
show(0);
</script></body></html>
"""
