"""A report as HTML: the table, what is wrong, and the curves as small pictures. It judges nothing.

One element with a style of its own, no script, no colours but those of the glyphs: the rest is the page's own ink, so
that it reads on light and on dark.
"""

from __future__ import annotations

import math

from ..escape import xml
from .report import EXACT, KINK, NOT_DETERMINISTIC, UNEXPLAINED, VACUOUS, WITHIN, WRONG, Curve, Entry, Report, Row

GLYPHS = {VACUOUS: "○", EXACT: "✓", WITHIN: "≈", KINK: "∧", UNEXPLAINED: "?", NOT_DETERMINISTIC: "≠", WRONG: "✗"}
_TONES = {NOT_DETERMINISTIC: "bad", WRONG: "bad", EXACT: "good", WITHIN: "good"}
_HEAD = ("parameter", "shape", "order", "complex step", "central", "walks", "verdict")

STYLE = """
.minigrad-check { font: 13px/1.5 system-ui, sans-serif; color: inherit; max-width: 100% }
.minigrad-check .scroll { overflow-x: auto }
.minigrad-check table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 6px 0; color: inherit }
.minigrad-check tr { background: none }
.minigrad-check td, .minigrad-check th { text-align: left; padding: 2px 14px 2px 0; border: 0; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); vertical-align: top; white-space: nowrap; color: inherit }
.minigrad-check th { font-weight: 600 }
.minigrad-check code { font: 12px/1.5 ui-monospace, Menlo, Consolas, monospace; background: none; color: inherit }
.minigrad-check ul { margin: 2px 0 8px; padding-left: 20px }
.minigrad-check p { margin: 6px 0 0; color: inherit; max-width: none }
.minigrad-check .glyph { display: inline-block; width: 1.3em; font-weight: 700; text-align: center }
.minigrad-check .good { color: #2b8a57 } .minigrad-check .mild { color: #a5731c } .minigrad-check .bad { color: #d64545 }
.minigrad-check figure { display: inline-block; margin: 8px 16px 0 0 }
.minigrad-check svg { display: block; max-width: 100%; height: auto }
"""


def html(report: Report) -> str:
    """The report as one element of HTML, with its style."""
    given = "" if report.dtype == "float64" else f", given in {report.dtype}"
    head = f"Gradient check of <code>{xml(report.subject)}</code>, in float64{xml(given)}: {report.evaluations} evaluations, {report.seconds:.2f} s"
    titles = "".join(f'<th scope="col">{xml(t)}</th>' for t in _HEAD)
    rows = "".join(map(_row, report.rows))
    suspects = "".join(f"<li>{xml(s)}</li>" for s in report.suspects)
    return (
        f'<div class="minigrad-check"><style>{STYLE}</style><p>{head}</p>'
        f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table></div>'
        + "".join(map(_details, report.rows))
        + (f"<p>Suspected:</p><ul>{suspects}</ul>" if suspects else "")
        + "".join(map(_figure, report.curves))
        + f"<p><b>{xml(report.summary)}</b></p></div>"
    )


def _verdict(row: Row) -> str:
    tone = _TONES.get(row.verdict, "mild")
    return f'<span class="glyph {tone}" aria-hidden="true">{GLYPHS[row.verdict]}</span>{xml(row.text)}'


def _row(row: Row) -> str:
    walks = " ".join(f"{walk} {_number(error)}" for walk, error in row.walks.items())
    shape = "×".join(map(str, row.shape)) or "scalar"
    cells = shape, str(row.order), _number(row.complex_step), _number(row.central), walks
    rest = "".join(f"<td>{xml(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row"><code>{xml(row.name)}</code></th>{rest}<td>{_verdict(row)}</td></tr>'


def _details(row: Row) -> str:
    worst = row.worst if row.verdict in (WRONG, UNEXPLAINED) else []
    if not (worst or row.detail):
        return ""
    said = f": {xml(row.detail)}" if row.detail else ""
    entries = "".join(f"<li>{_entry(row.name, e)}</li>" for e in worst)
    return (
        f"<p><code>{xml(row.name)}</code>, order {row.order}: {_verdict(row)}{said}</p>"
        + f"<ul>{entries}</ul>" * bool(entries)
    )


def _entry(name: str, e: Entry) -> str:
    at = "a random direction" if e.index is None else f"<code>{xml(name)}{list(e.index)}</code>"
    return f"{at}, {xml(e.walk)}: got {e.got:.9g}, expected {e.expected:.9g}, relative error {e.error:.1e}"


def _number(x: float | None) -> str:
    return "–" if x is None else f"{x:.1e}"


# ---- the curves: both axes are powers of ten

_LEFT, _TOP, _WIDTH, _HEIGHT, _LOWEST = 34, 8, 240, 110, -17
_DASHES = {"central": "", "one-sided": "5 3", "complex": "1.5 3"}


def _figure(curve: Curve) -> str:
    columns = {"central": curve.central, "one-sided": curve.forward, "complex": curve.complex}
    lines, keys = "", ""
    for i, (what, errors) in enumerate((w, e) for w, e in columns.items() if e is not None):
        points = " ".join(f"{_x(h):.1f},{_y(e):.1f}" for h, e in zip(curve.steps, errors) if math.isfinite(e))
        stroke = f'fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="{_DASHES[what]}"'
        lines += f'<polyline points="{points}" {stroke}/>'
        x = _LEFT + i * 86
        keys += f'<path d="M{x} {_TOP + _HEIGHT + 32}h18" {stroke}/>{_text(x + 22, _TOP + _HEIGHT + 36, what)}'
    ticks = "".join(_text(_x(10.0**k), _TOP + _HEIGHT + 16, f"1e{k}", "middle") for k in (-15, -10, -5, -1))
    ticks += "".join(_text(_LEFT - 4, _y(10.0**k) + 4, f"1e{k}", "end") for k in (-15, -10, -5, 0))
    name = xml(curve.name)
    said = f"Relative error of difference quotients of {name} against their step"
    return (
        f"<figure><figcaption><code>{name}</code>: relative error against step</figcaption>"
        f'<svg role="img" aria-label="{said}" width="{_LEFT + _WIDTH + 16}" height="{_TOP + _HEIGHT + 44}" '
        f'viewBox="0 0 {_LEFT + _WIDTH + 16} {_TOP + _HEIGHT + 44}">'
        f'<path d="M{_LEFT} {_TOP}v{_HEIGHT}h{_WIDTH}" fill="none" stroke="currentColor" opacity=".4"/>'
        f"{lines}{ticks}{keys}</svg></figure>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="10" fill="currentColor" text-anchor="{anchor}">{text}</text>'


def _x(h: float) -> float:
    return _LEFT + (math.log10(h) + 15) / 14 * _WIDTH


def _y(error: float) -> float:
    power = min(max(math.log10(error) if error else _LOWEST, _LOWEST), 1)
    return _TOP + (1 - power) / (1 - _LOWEST) * _HEIGHT
