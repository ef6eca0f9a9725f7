"""The ledger of a trace as a still picture: SVG written here, PNG and PDF by Matplotlib, all of one list of shapes.

Nothing here decides where anything stands: see layout.py. The same trace gives the same bytes of SVG.
"""

from __future__ import annotations

import base64
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import escape
from ..extras import extra
from .layout import Box, Gray, Line, Scene, Shape, Trace, Words, scene

_COLOURS = {  # name: on light paper, on dark
    "paper": ("#ffffff", "#14181d"),
    "ink": ("#1f2933", "#e4e9ee"),
    "pale": ("#5d6b79", "#9fadbb"),
    "edge": ("#52606d", "#9fadbb"),
    "up": ("#b3400c", "#f0946a"),
    "along": ("#6d28d9", "#b79cf7"),
    "again": ("#0f766e", "#5cc9bd"),
    "good": ("#2b7a46", "#7ccf95"),
    "wrong": ("#b91c1c", "#ff8a80"),
    "band0": ("#f4f7fa", "#1a2027"),
    "band1": ("#e9eef4", "#212932"),
    "rim": ("#d5dce4", "#37424d"),
    "ghost": ("#f9fafb", "#1a2027"),
    "value": ("#8795a3", "#7b8896"),
    "value-fill": ("#ffffff", "#232b34"),
    "result": ("#c98f2b", "#d9a441"),
    "result-fill": ("#fdf3dd", "#3a301a"),
    "adjoint": ("#d68b68", "#a8643f"),
    "adjoint-fill": ("#fdf1ea", "#33241c"),
    "tangent": ("#a78bda", "#7d63b8"),
    "tangent-fill": ("#f4effd", "#2a2438"),
    "adjoint_tangent": ("#6fb3aa", "#3f8a80"),
    "adjoint_tangent-fill": ("#e8f6f4", "#17302d"),
    "parameter": ("#6f94c9", "#5d84bd"),
    "parameter-fill": ("#e8f0fb", "#1d2a3d"),
    "input": ("#68a67d", "#4f8f66"),
    "input-fill": ("#e7f5ec", "#1b2f23"),
    "constant": ("#9aa5b1", "#6b7785"),
    "constant-fill": ("#f9fafb", "#1c2229"),
    "again-leaf": ("#9aa5b1", "#6b7785"),
    "again-leaf-fill": ("#f9fafb", "#1c2229"),
}
_FORMATS = (".svg", ".png", ".pdf")
_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


def svg(trace: Trace, *, depth: int | None = None, rows: int = 60) -> str:
    """The picture as SVG: with `depth`, modules are open to that depth, else as many as `rows` rows can show."""
    picture = scene(trace, depth, rows)
    title = escape.xml(picture.title)
    w, h = _n(picture.width), _n(picture.height)
    text = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" role="img" '
        f'aria-label="{title}" font-family="{_FONT}">',
        f"<title>{title}</title>",
        f"<style>{_style()}</style>",
    ]
    for part in picture.parts:
        said = f"<title>{escape.xml(part.title)}</title>" if part.title else ""
        text.append(f"<g>{said}{''.join(map(_element, part.shapes))}</g>")
    return "\n".join([*text, "</svg>\n"])


def save(trace: Trace, path: str | os.PathLike, *, depth: int | None = None, rows: int = 60) -> Path:
    """Write the picture and return its path; its ending, .svg, .png or .pdf, says what. Others raise ValueError."""
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in _FORMATS:
        raise ValueError(f"explain: cannot draw {path.name!r}; the ending must be one of {' '.join(_FORMATS)}")
    if kind == ".svg":
        path.write_text(svg(trace, depth=depth, rows=rows), encoding="utf-8")
    else:
        _by_matplotlib(scene(trace, depth, rows), path, kind[1:])
    return path


# ---- SVG -------------------------------------------------------------------------------------------------------------


def _style() -> str:
    """On dark paper, where the viewer has it; the attributes of the shapes are for light paper, and need no style."""
    dark = "".join(f".f-{name}{{fill:{colour}}}.s-{name}{{stroke:{colour}}}" for name, (_, colour) in _COLOURS.items())
    return f"@media (prefers-color-scheme: dark){{{dark}}}"


def _element(shape: Shape) -> str:
    if isinstance(shape, Box):
        size = (
            f'x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.w)}" height="{_n(shape.h)}" rx="{_n(shape.radius)}"'
        )
        stroke = f' stroke="{_COLOURS[shape.ink][0]}" stroke-width="{_n(shape.width)}"' if shape.ink else ""
        names = f"f-{shape.fill}" + (f" s-{shape.ink}" if shape.ink else "")
        return f'<rect class="{names}" {size} fill="{_COLOURS[shape.fill][0]}"{stroke}{_dashes(shape.dashed)}/>'
    if isinstance(shape, Words):
        anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
        weight = ' font-weight="bold"' if shape.bold else ""
        place = f'x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{_n(shape.size)}"{anchor}{weight}'
        return f'<text class="f-{shape.ink}" {place} fill="{_COLOURS[shape.ink][0]}">{escape.xml(shape.text)}</text>'
    if isinstance(shape, Line):
        ink = _COLOURS[shape.ink][0]
        points = " ".join(f"{_n(x)},{_n(y)}" for x, y in shape.points)
        line = f'<polyline class="s-{shape.ink}" points="{points}" fill="none" stroke="{ink}"{_dashes(shape.dashed)}/>'
        head = " ".join(f"{_n(x)},{_n(y)}" for x, y in _head(shape)) if shape.arrow else ""
        return line + (f'<polygon class="f-{shape.ink}" points="{head}" fill="{ink}"/>' if head else "")
    data = base64.b64encode(_png(shape)).decode()
    place = f'x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.size)}" height="{_n(shape.size)}"'
    return f'<image {place} preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _dashes(dashed: bool) -> str:
    return ' stroke-dasharray="3 2"' if dashed else ""


def _head(line: Line) -> Iterator[tuple[float, float]]:
    """The arrow's head: a triangle whose tip is the line's last point."""
    (x0, y0), (x, y) = line.points[-2:]
    length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5 or 1.0
    dx, dy = (x - x0) / length, (y - y0) / length
    yield x, y
    yield x - 6 * dx - 2.4 * dy, y - 6 * dy + 2.4 * dx
    yield x - 6 * dx + 2.4 * dy, y - 6 * dy - 2.4 * dx


def _png(shape: Gray) -> bytes:
    """A gray picture; stored, not deflated, so that no version of zlib changes a byte."""
    rows = b"".join(b"\0" + shape.gray[i * shape.columns : (i + 1) * shape.columns] for i in range(shape.rows))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", shape.columns, shape.rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


# ---- PNG and PDF -----------------------------------------------------------------------------------------------------


def _by_matplotlib(picture: Scene, path: Path, kind: str) -> None:
    purpose = f"a picture as {kind.upper()} (.svg does not)"
    figures, patches = extra("matplotlib.figure", purpose), extra("matplotlib.patches", purpose)
    import warnings

    import numpy as np

    w, h = picture.width, picture.height
    figure = figures.Figure(figsize=(w / 72, h / 72), dpi=144)
    axes: Any = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, w), ylim=(h, 0))
    axes.axis("off")
    for order, shape in enumerate(s for part in picture.parts for s in part.shapes):
        if isinstance(shape, Box):
            style: dict[str, Any] = {"boxstyle": f"round,pad=0,rounding_size={min(shape.radius, shape.h / 2)}"}
            edge = _COLOURS[shape.ink][0] if shape.ink else "none"
            style |= {"facecolor": _COLOURS[shape.fill][0], "edgecolor": edge, "linewidth": shape.width}
            dashes = (0, (3, 2)) if shape.dashed else "solid"
            axes.add_patch(
                patches.FancyBboxPatch((shape.x, shape.y), shape.w, shape.h, linestyle=dashes, zorder=order, **style)
            )
        elif isinstance(shape, Words):
            side = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            look: dict[str, Any] = {"color": _COLOURS[shape.ink][0], "weight": "bold" if shape.bold else "normal"}
            look |= {"fontsize": shape.size, "ha": side, "va": "baseline", "zorder": order, "family": "DejaVu Sans"}
            axes.text(shape.x, shape.y, escape.mathtext(shape.text), **look)
        elif isinstance(shape, Line):
            ink = _COLOURS[shape.ink][0]
            axes.plot(
                *zip(*shape.points), color=ink, linewidth=1, zorder=order, linestyle="--" if shape.dashed else "-"
            )
            if shape.arrow:
                axes.add_patch(patches.Polygon(list(_head(shape)), facecolor=ink, edgecolor="none", zorder=order))
        else:
            pixels = np.frombuffer(shape.gray, np.uint8).reshape(shape.rows, shape.columns)
            extent = (shape.x, shape.x + shape.size, shape.y + shape.size, shape.y)
            place: dict[str, Any] = {
                "cmap": "gray",
                "vmin": 0,
                "vmax": 255,
                "interpolation": "nearest",
                "aspect": "auto",
            }
            axes.imshow(pixels, extent=extent, zorder=order, **place)
    axes.set(xlim=(0, w), ylim=(h, 0))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # of users' names: a box stands for them
        figure.savefig(path, format=kind)
