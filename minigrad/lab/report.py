"""The report of a training run: one HTML page that needs no network and no other file; scripts are in one frame only."""

from __future__ import annotations

import base64
import io
import os
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..escape import xml
from ..explain import Explanation
from ..explain.pages import frame
from ..gradcheck import Report as GradientCheck
from ..typing import Array
from ..viz.curves import curves


class Findings(NamedTuple):
    """What a report shows: `images` (N, 1, H, W) in [0, 1], `logits` (N, K) and `labels` (N,) are those of the test."""

    title: str
    records: Sequence[dict[str, Any]]  # of train.fit
    images: Array
    logits: Array
    labels: Array
    rivals: Mapping[str, float]  # accuracy of other methods on the same split
    check: GradientCheck
    step: Explanation
    summary: str
    settings: Mapping[str, Any]


def report(findings: Findings, path: str | os.PathLike | None = None) -> str:
    """Return the page as HTML text; with `path`, write it there too."""
    f = findings
    wrong = int((f.logits.argmax(1) != f.labels).sum())
    sections = [
        ("Result", _result(f)),
        ("Learning curves", _curves(f)),
        ("Confusion matrix", _confusion(f)),
        (f"The {wrong} it got wrong" if wrong else "Got wrong", _mistakes(f)),
        ("One training step", _step(f)),
        ("Model", f"<pre>{xml(f.summary)}</pre>"),
        ("Settings", _table([("setting", "value")], [(xml(k), xml(v)) for k, v in f.settings.items()])),
    ]
    ids = [re.sub(r"\W+", "-", title.lower()).strip("-") for title, _ in sections]
    links = "".join(f'<a href="#{i}">{xml(title)}</a>' for i, (title, _) in zip(ids, sections))
    body = "".join(
        f'<section id="{i}"><h2>{xml(title)}</h2>{content}</section>' for i, (title, content) in zip(ids, sections)
    )
    title = xml(f.title)
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"/><style>{_STYLE}</style></head>'
        f"<body><header><h1>{title}</h1><nav>{links}</nav></header><main>{body}</main></body></html>\n"
    )
    if path is not None:
        Path(path).write_text(page, encoding="utf-8")
    return page


def _result(f: Findings) -> str:
    predicted = f.logits.argmax(1)
    right, n = int((predicted == f.labels).sum()), len(f.labels)
    last = f.records[-1]
    tiles = [
        (f"{right / n:.2%}", "test accuracy", f"{right} of {n} images", "main"),
        *((f"{accuracy:.2%}", name, "same split", "") for name, accuracy in f.rivals.items()),
        (f"{last['step_ms']:.1f} ms", "per training step", "median, last epoch", ""),
        (f"{sum(r['seconds'] for r in f.records):.0f} s", "training", f"{len(f.records)} epochs", ""),
        ("ok" if f.check.ok else "FAILED", "gradient check", f.check.summary.partition(": ")[2], _tone(f.check)),
    ]
    return '<div class="tiles">' + "".join(
        f'<div class="tile {tone}"><b>{xml(big)}</b><span>{xml(what)}</span>'
        f"<small>{xml(detail)}</small></div>"
        for big, what, detail, tone in tiles
    ) + "</div>"  # fmt: skip


def _tone(check: GradientCheck) -> str:
    return "good" if check.ok else "bad"


def _curves(f: Findings) -> str:
    picture = io.BytesIO()
    curves(f.records).savefig(picture, format="png", dpi=150)
    return _image(picture.getvalue(), "loss and accuracy by epoch", "wide")


def _confusion(f: Findings) -> str:
    classes = f.logits.shape[1]
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (f.labels, f.logits.argmax(1)), 1)
    rows = []
    for i, row in enumerate(counts):
        cells = "".join(_cell(n, i == j, row.sum()) for j, n in enumerate(row))
        recall = f"{row[i] / row.sum():.1%}" if row.sum() else "–"
        rows.append(f'<tr><th scope="row">{i}</th>{cells}<td class="side">{recall}</td></tr>')
    head = "".join(f'<th scope="col">{j}</th>' for j in range(classes))
    return (
        "<p>Rows are the true classes, columns the predicted ones; at the end of a row, the part that was recognised.</p>"
        f'<table class="confusion"><tr><th></th>{head}<th></th></tr>{"".join(rows)}</table>'
    )


def _cell(n: int, diagonal: bool, total: int) -> str:
    if not n:
        return '<td class="none">·</td>'
    strength = 0.12 + 0.5 * n / total if diagonal else 0.25 + 0.75 * min(1, n / 5)
    color = "47,93,155" if diagonal else "214,120,60"
    return f'<td style="background:rgba({color},{strength:.2f})">{n}</td>'


def _mistakes(f: Findings) -> str:
    shifted = np.exp(f.logits - f.logits.max(1, keepdims=True))
    probabilities = shifted / shifted.sum(1, keepdims=True)
    predicted = f.logits.argmax(1)
    wrong = np.flatnonzero(predicted != f.labels)
    if not len(wrong):
        return "<p>Every test image was recognised.</p>"
    surest = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")]
    figures = []
    for i in surest[:60]:
        p, true = predicted[i], f.labels[i]
        text = (
            f"<b>{p}</b> <small>{probabilities[i, p]:.0%}</small><br/>true <b>{true}</b> "
            f"<small>{probabilities[i, true]:.0%}</small>"
        )
        picture = _image(png(1 - f.images[i, 0]), f"test image {i}: {true}, taken for {p}")
        figures.append(f"<figure>{picture}<figcaption>{text}</figcaption></figure>")
    more = f"<p>… and {len(surest) - 60} more.</p>" if len(surest) > 60 else ""
    return f'<p>The surest mistakes first: what it said, and the truth, each with the probability it gave.</p><div class="digits">{"".join(figures)}</div>{more}'


def _step(f: Findings) -> str:
    return (
        "<p>This very model, trained, in training mode: batch norm by batch statistics, dropout and stochastic depth on, "
        "their draws held. Walk through the step forward and back; each parameter has the verdict of the gradient check. The "
        "complex step is exact to round-off; central differences are shown beside it. A kink is a right derivative at which "
        f"central differences straddle a decision of a ReLU.</p>{frame(f.step.html, 760)}"
        f"<details><summary>The gradient check as a table</summary>{f.check._repr_html_()}</details>"
    )


def _table(head: list[tuple], rows: Sequence[tuple]) -> str:
    titles = "".join(f"<th>{xml(t)}</th>" for t in head[0])
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{titles}</tr>{body}</table></div>'


def _image(content: bytes, alt: str, kind: str = "") -> str:
    source = base64.b64encode(content).decode()
    return f'<img class="{kind}" alt="{xml(alt)}" src="data:image/png;base64,{source}"/>'


def png(gray: Array) -> bytes:
    """A greyscale PNG of an array (H, W) in [0, 1]."""
    h, w = gray.shape
    pixels = np.zeros((h, 1 + w), np.uint8)  # each row begins with its filter: 0, none
    pixels[:, 1:] = np.round(255 * np.clip(gray, 0, 1))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", w, h, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(pixels.tobytes()))
        + chunk(b"IEND", b"")
    )


_STYLE = """
:root { color-scheme: light dark; --ink: #1f2933; --soft: #5b6875; --line: #e4e7eb; --blue: #2f5d9b; --paper: #fff; --ground: #f5f7fa; --good: #2f7d4f; --mild: #8a5d0c; --bad: #b83232; --main: #eaf1fa }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #a3b0bd; --line: #39434d; --blue: #8fb8ee; --paper: #1c2227; --ground: #14181c; --good: #77c797; --mild: #e0b25c; --bad: #f08a8a; --main: #20303f } img.wide { background: #fff; border-radius: 6px } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
header, main { max-width: 1000px; margin: 0 auto; padding: 0 20px }
h1 { font-size: 26px; font-weight: 650; margin: 36px 0 6px }
h2 { font-size: 17px; font-weight: 650; margin: 0 0 12px }
p { color: var(--soft); margin: 0 0 14px; max-width: 78ch }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-bottom: 22px; font-size: 14px }
nav a { color: var(--blue); text-decoration: none } nav a:hover { text-decoration: underline }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 22px 24px; margin-bottom: 18px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; display: flex; flex-direction: column }
.tile b { font-size: 23px; font-weight: 650; font-variant-numeric: tabular-nums } .tile small { color: var(--soft) }
.tile.main { background: var(--main); border-color: var(--blue) } .tile.main b { color: var(--blue) }
.tile.good b { color: var(--good) } .tile.bad b { color: var(--bad) }
img.wide { width: 100%; height: auto }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 600; color: var(--soft) } td, th { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top }
.confusion td, .confusion th { text-align: center; width: 46px; height: 34px; padding: 0; border: 1px solid var(--paper); border-radius: 4px; vertical-align: middle }
.confusion .none { color: var(--soft) } .confusion .side { width: 64px; color: var(--soft) }
.digits { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 16px }
figure { margin: 0 } figure img { width: 96px; height: 96px; image-rendering: pixelated; border: 1px solid var(--line); border-radius: 6px }
figcaption { font-size: 13px; line-height: 1.4; margin-top: 4px } small { color: var(--soft) }
code, pre { font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace } pre { overflow-x: auto; margin: 0 }
.scroll { overflow-x: auto } details { margin-top: 12px } summary { cursor: pointer; color: var(--blue) }
@media print { body { background: #fff } section { break-inside: avoid } }
"""
