"""Where everything of a ledger stands: a trace (docs/trace.md) as shapes, which still.py writes in three languages.

Rows are operations in tape order, columns what happens at each: value, adjoint, and at order 2 tangent and adjoint's
tangent. What the tape begins with stands left of its first user. Nothing here searches for a layout: a row is as high as
what stands in it, and edges that pass rows have lanes beside their column. Widths of texts are estimated, not measured.
"""

from __future__ import annotations

import base64
import math
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

Trace = dict[str, Any]


class Box(NamedTuple):
    x: float
    y: float
    w: float
    h: float
    fill: str = ""  # names of colours, as `ink` is
    ink: str = ""
    dashed: bool = False
    width: float = 1.0
    radius: float = 5.0


class Words(NamedTuple):
    """A line of text that fits into `w`; x is its left end, its middle or its right end."""

    x: float
    y: float  # of the baseline
    w: float
    text: str
    size: float = 11.0
    ink: str = "ink"
    anchor: str = "start"  # start | middle | end
    bold: bool = False


class Line(NamedTuple):
    points: tuple[tuple[float, float], ...]
    ink: str = "edge"
    dashed: bool = False
    arrow: bool = True  # at its last point


class Gray(NamedTuple):
    x: float
    y: float
    size: float
    rows: int
    columns: int
    gray: bytes


Shape = Box | Words | Line | Gray


class Part(NamedTuple):
    """Shapes that belong together, and what they show in words."""

    title: str
    shapes: list[Shape]


class Scene(NamedTuple):
    width: float
    height: float
    title: str
    parts: list[Part]


# ---- texts -----------------------------------------------------------------------------------------------------------

_NARROW, _PLAIN, _WIDE = frozenset(" ijlfI|.,:;'()[]/·-"), frozenset('_?*$"r!‖'), frozenset("mwMW@%#+<>=^~→←↑↓⊕…—⋮")


def width(text: str, size: float, bold: bool = False) -> float:
    """At most how wide the text is: of DejaVu Sans, which is wider than Helvetica."""
    return size * (1.18 if bold else 1.0) * sum(map(_advance, text))


def _advance(c: str) -> float:
    if c in _NARROW:
        return 0.4
    if c in _WIDE:
        return 1.0
    if c.isascii():
        return 0.64 if c.islower() or c.isdigit() or c in _PLAIN else 0.79
    return 1.1 if unicodedata.east_asian_width(c) in "WF" else 0.9


def fit(text: str, size: float, room: float, bold: bool = False) -> str:
    """The text on one line, cut to the room with … where it is longer."""
    text = " ".join(text.split())
    if width(text, size, bold) <= room:
        return text
    while text and (over := width(text + "…", size, bold) - room) > 0:
        text = text[: -max(1, int(over / size / 1.3))]
    return text.rstrip() + "…"


def number(value: float | str | None, digits: int = 4) -> str:
    return (
        f"{value:.{digits}g}".replace("-", "−") if isinstance(value, (int, float)) else "–" if value is None else value
    )


def told(stats: Any) -> str:
    """A value in a few characters: a number, the norm of an array, a dash for none."""
    return f"‖·‖ {number(stats['norm'])}" if isinstance(stats, dict) else number(stats)


def warned(stats: Any) -> list[tuple[str, float, str]]:
    """A line for an array that is not finite everywhere."""
    count = stats["nonfinite"] if isinstance(stats, dict) else 0
    return [(f"! {count:,} not finite", _SMALL, "wrong")] if count else []


def shape_of(node: dict[str, Any]) -> str:
    size = "×".join(map(str, node["shape"])) or "scalar"
    return f"{size} {node['dtype'].replace('complex', 'c').replace('float', 'f').replace('int', 'i')}"


def below(path: str, base: str) -> str:
    """The path seen from the module `base`."""
    return "" if path == base else path.removeprefix(base + ".") if base else path


# ---- rows ------------------------------------------------------------------------------------------------------------


class Row:
    """One line of the ledger: an operation, calls of modules that are folded, what was left out, or a block's name."""

    def __init__(self, kind: str, base: str, depth: int, **known: Any) -> None:
        self.kind, self.base, self.depth = kind, base, depth  # kind: operation | folded | gap | ghost | head
        self.operations: list[dict[str, Any]] = []
        self.groups: list[dict[str, Any]] = []
        self.skipped: list[dict[str, Any]] = []
        self.leaves: list[tuple[str, Any]] = []  # (new | again | sum, node or nodes)
        self.y = self.h = 0.0
        self.__dict__.update(known)

    @property
    def node(self) -> dict[str, Any]:
        """The operation whose value the row gives."""
        return self.operations[-1]


def rows_of(trace: Trace, depth: int | None, limit: int) -> list[Row]:
    """The rows: with `depth`, modules are open to that depth; else as many as stay within the limit, repeats last."""
    groups = trace["groups"]
    depths = [0] * len(groups)
    for g in groups:
        depths[g["id"]] = 0 if g["parent"] is None else depths[g["parent"]] + 1
    opened = _opened(trace, depths, limit) if depth is None else {g["id"] for g in groups if depths[g["id"]] < depth}
    rows: list[Row] = []
    stack: list[int] = []  # open groups around the row before
    skips = list(trace["skipped"])

    def enter(group: int | None) -> int | None:
        """Go on within this group: the outermost one around it that is folded, or None."""
        chain: list[int] = []
        while group is not None:
            chain.insert(0, group)
            group = groups[group]["parent"]
        folded = next((i for i, g in enumerate(chain) if g not in opened), len(chain))
        while stack != chain[: len(stack)] or len(stack) > folded:
            stack.pop()
        for g in chain[len(stack) : folded]:
            rows.append(Row("head", _path(groups, stack), len(stack), groups=[groups[g]]))
            stack.append(g)
        return chain[folded] if folded < len(chain) else None

    def base() -> str:
        return _path(groups, stack)

    for node in trace["nodes"]:
        while skips and skips[0]["before"] <= node["id"]:
            skip = skips.pop(0)
            folded = enter(skip["group"])
            if folded is None or not (rows and rows[-1].kind == "folded" and rows[-1].groups[-1]["id"] == folded):
                rows.append(Row("ghost", base(), len(stack), skipped=[skip]))
            else:
                rows[-1].skipped.append(skip)
        if node["kind"] != "operation":
            continue
        folded = enter(node["group"])
        if folded is None:
            rows.append(Row("operation", base(), len(stack), operations=[node]))
            continue
        last = rows[-1] if rows and rows[-1].kind == "folded" else None
        if last is None or (last.groups[-1]["id"] != folded and last.groups[-1]["id"] != groups[folded]["same"]):
            last = Row("folded", base(), len(stack))
            rows.append(last)
        if not last.groups or last.groups[-1]["id"] != folded:
            last.groups.append(groups[folded])
        last.operations.append(node)
    rows += [Row("ghost", "", 0, skipped=[skip]) for skip in skips]
    if len(rows) > limit:
        middle = rows[limit // 2 : -(limit // 2)]
        gap = Row("gap", "", 0, operations=[node for row in middle for node in row.operations])
        rows[limit // 2 : -(limit // 2)] = [gap] if gap.operations else []
    _place_leaves(trace, rows)
    return rows


def _path(groups: list[dict[str, Any]], stack: list[int]) -> str:
    return groups[stack[-1]]["path"] if stack else ""


def _opened(trace: Trace, depths: list[int], limit: int) -> set[int]:
    """The groups to open: outer ones first, and of those that have one form only the first."""
    groups = trace["groups"]
    direct: dict[int | None, int] = {}  # rows that stand in a group itself
    for node in trace["nodes"]:
        if node["kind"] == "operation":
            direct[node["group"]] = direct.get(node["group"], 0) + 1
    followed = set()
    for g in groups:
        if g["same"] is None or groups[g["same"]]["same"] is None:
            direct[g["parent"]] = direct.get(g["parent"], 0) + 1
        followed.add(g["same"])
    count, opened = direct.get(None, 0), set()
    for g in sorted(groups, key=lambda g: (depths[g["id"]], g["id"])):
        more = direct.get(g["id"], 0) + (g["id"] in followed)
        if g["same"] is None and (g["parent"] is None or g["parent"] in opened) and count + more <= limit:
            opened.add(g["id"])
            count += more
    return opened


def _place_leaves(trace: Trace, rows: list[Row]) -> None:
    nodes, seen = trace["nodes"], set()
    for row in rows:
        used = {
            i: nodes[i] for node in row.operations for i in node.get("inputs", ()) if nodes[i]["kind"] != "operation"
        }
        if row.kind == "operation":
            row.leaves = [("again" if i in seen else "new", leaf) for i, leaf in used.items()]
        else:
            parameters = [leaf for i, leaf in used.items() if leaf["kind"] in ("parameter", "frozen") and i not in seen]
            row.leaves = [("new", leaf) for i, leaf in used.items() if leaf["kind"] == "input" and i not in seen][:3]
            row.leaves += [("sum", parameters)] if parameters else []
        seen |= set(used)


# ---- places ----------------------------------------------------------------------------------------------------------

_MARGIN, _HEAD, _STEP = 16.0, 84.0, 14.0  # around the picture; above the rows; between them
_LEAF, _LEAF_GAP, _FAN = 214.0, 4.0, 26.0
_CELL, _LANE, _LANES = 212.0, 8.0, 12
_VALUE, _SMALL = 11.0, 9.0  # sizes of text
_GLYPHS = {"vacuous": "∅", "exact": "✓", "within round-off": "✓", "kink": "∧", "unexplained": "?", "WRONG": "✗"}
_COLUMNS = {"value": "value", "adjoint": "adjoint", "tangent": "tangent", "adjoint_tangent": "adjoint's tangent"}


def scene(trace: Trace, depth: int | None = None, rows: int = 60) -> Scene:
    """The picture of a trace."""
    return _Ledger(trace, rows_of(trace, depth, rows)).scene


class _Ledger:
    def __init__(self, trace: Trace, rows: list[Row]) -> None:
        self.trace, self.rows = trace, rows
        self.parts: list[Part] = []
        self.nodes = trace["nodes"]
        self.columns = list(_COLUMNS)[: 2 * trace["order"]]
        self.row_of = {node["id"]: i for i, row in enumerate(rows) for node in row.operations}
        check = trace["check"] or {"rows": [], "suspects": []}
        self.verdicts: dict[int, dict[str, Any]] = {r["node"]: r for r in check["rows"] if r["node"] is not None}
        self.suspects: dict[int, dict[str, Any]] = {s["node"]: s for s in check["suspects"] if s["node"] is not None}
        self.indent = 8.0 * max((row.depth for row in rows), default=0) + 8
        self.edges = {column: self._edges(column) for column in self.columns}
        self.lanes = {column: self._lanes(self.edges[column]) for column in self.columns}
        self.x: dict[str, float] = {}
        x = _MARGIN + self.indent + _LEAF + _FAN
        for column in self.columns:
            self.x[column] = x
            x += _CELL + 16 + _LANE * (max(self.lanes[column].values(), default=-1) + 1) + 12
        self.width = x + self.indent + _MARGIN - 20
        self.cells = [self._cells(row) for row in rows]
        y = _HEAD
        for row, cells in zip(rows, self.cells):
            row.y = y
            leaves = sum(self._leaf_height(*leaf) + _LEAF_GAP for leaf in row.leaves) - _LEAF_GAP
            row.h = 20.0 if row.kind == "head" else max(leaves, *(_height(c) for c in cells.values()), 24.0)
            y += row.h + (4 if row.kind == "head" else _STEP)
        self.height = y + 4
        self._draw()
        self.scene = Scene(math.ceil(self.width), math.ceil(self.height), trace["title"], self.parts)

    # ---- what is connected

    def _edges(self, column: str) -> dict[int, list[int]]:
        """For each row those below that it is connected with, in a column."""
        found: dict[int, set[int]] = {}
        up = column.startswith("adjoint")
        for row, r in ((self.row_of[n["id"]], n) for n in self.nodes if n["id"] in self.row_of):
            others = [a["from"] for a in r.get("addends", ())] if up else r["inputs"]
            if not up and r.get(column) is None:
                continue
            for other in (self.row_of[i] for i in others if i in self.row_of):
                if other != row:
                    found.setdefault(min(row, other), set()).add(max(row, other))
        return {a: sorted(found[a]) for a in sorted(found)}

    def _next(self, row: int) -> int:
        """The row of operations below, past names of blocks and ghosts."""
        return next((i for i in range(row + 1, len(self.rows)) if self.rows[i].operations), len(self.rows))

    def _lanes(self, edges: dict[int, list[int]]) -> dict[int, int]:
        """The lane of each row from which edges pass others; those that find none are named in the cells."""
        lanes: dict[int, int] = {}
        spans = sorted((max(ends) - row, row, max(ends)) for row, ends in edges.items() if max(ends) > self._next(row))
        taken: list[list[tuple[int, int]]] = [[] for _ in range(_LANES)]
        for _, first, last in spans:
            for lane, others in enumerate(taken):
                if all(last < a or b < first for a, b in others):
                    others.append((first, last))
                    lanes[first] = lane
                    break
        return lanes

    # ---- what is said

    def _cells(self, row: Row) -> dict[str, _Cell]:
        """The cells of a row by column."""
        if row.kind in ("head", "ghost"):
            return {"value": _Cell([], "ghost")} if row.kind == "ghost" else {}
        node, cells = row.node, {}
        is_one = row.kind == "operation"
        for column in self.columns:
            stats = node.get(column)
            lines: list[tuple[str, float, str]] = []
            look, thumb = column, stats.get("thumb") if isinstance(stats, dict) and row.kind != "gap" else None
            if column == "value":
                look = "result" if node["id"] == self.trace["result"] else "folded" if row.kind == "folded" else "value"
                lines += [(self._title(row), _VALUE, "ink")]
                if row.kind == "folded":
                    count, many = len(row.groups), f"{len(row.operations) // len(row.groups):,} operations"
                    times = f" × {count:,} of {many}" if count > 1 else f", {many}"
                    lines += [(f"{row.groups[0]['kind']}{times}".removeprefix(", "), _SMALL, "pale")]
                    lines += [(f"{skip['kind']}: {skip['text']}", _SMALL, "pale") for skip in row.skipped[:1]]
                if node["shape"]:
                    lines += [(shape_of(node), _SMALL, "pale")]
                if row.kind == "gap":
                    lines, look = lines[:1], "gap"
                else:
                    lines += [(told(stats), _VALUE if not node["shape"] else _SMALL, self._ink(stats)), *warned(stats)]
                missed = [a for a, ends in self.edges[column].items() if self.row_of[node["id"]] in ends]
                missed = [a for a in missed if self._next(a) != self.row_of[node["id"]] and a not in self.lanes[column]]
                if missed:
                    lines += [("also from " + ", ".join(f"#{self.rows[a].node['id']}" for a in missed), _SMALL, "pale")]
            elif row.kind == "gap":
                lines, look = [("⋮", _VALUE, "pale")], "gap"
            elif stats is None:
                lines, look = [("–", _VALUE, "pale"), ("no gradient flows here", _SMALL, "pale")], "none"
                lines = lines if column == "adjoint" else lines[:1]
            else:
                lines += [("∂ " * (column == "adjoint") + told(stats), _VALUE, self._ink(stats)), *warned(stats)]
                if column == "adjoint" and is_one:
                    lines += [(self._rule(node), _SMALL, "pale")]
                lines += self._sum(node, column) if column.startswith("adjoint") else ()
                suspect = next((self.suspects[n["id"]] for n in row.operations if n["id"] in self.suspects), None)
                if column == "adjoint" and suspect:
                    look, found = "wrong", f"got {number(suspect['got'])}, expected {number(suspect['expected'])}"
                    lines += [(f"✗ rule of {suspect['op']}, input {suspect['input']}", _SMALL, "wrong")]
                    lines += [(found, _SMALL, "wrong")]
            cells[column] = _Cell(lines, look, thumb)
        return cells

    def _ink(self, stats: Any) -> str:
        bad = stats["nonfinite"] if isinstance(stats, dict) else isinstance(stats, str)
        return "wrong" if bad else "ink"

    def _title(self, row: Row) -> str:
        if row.kind == "gap":
            return f"⋮ {len(row.operations):,} operations more"
        if row.kind == "folded":
            first, last = row.groups[0]["path"] or row.groups[0]["kind"], row.groups[-1]["path"]
            return f"{first} … {last.rpartition('.')[2]}" if len(row.groups) > 1 else first
        module = below(row.node["module"], row.base)
        name = f" → {row.node['name']}" if row.node["name"] else ""
        return f"{module + ' · ' if module else ''}{row.node['op']}{name}"

    def _rule(self, node: dict[str, Any]) -> str:
        """What is sent back, by argument: ×1 where the adjoint is passed on as it is."""
        rule = self.trace["rules"].get(node["op"], {"up": [], "arguments": []})
        local = node.get("local") or [None] * len(node["inputs"])
        said = []
        for i, x in enumerate(node["inputs"]):
            if self.nodes[x]["adjoint"] is None:
                continue
            up = rule["up"][i] if i < len(rule["up"]) else ""
            if local[i] is not None:
                said.append(f"×{number(local[i])}")
            else:
                said.append("×1" if up == "g" else up)
        same = len(set(said)) == 1 and (said[0] == "×1" or None in local)  # passed on as it is, or by one kernel
        return "↑ " + ", ".join(said[:1] if same else said)

    def _sum(self, node: dict[str, Any], column: str = "adjoint") -> Iterator[tuple[str, float, str]]:
        """What arrives at a fan-out, added up."""
        addends = [a["value" if column == "adjoint" else "tangent"] for a in node.get("addends") or ()]
        if len(addends) < 2 or None in addends:
            return
        digits = 3 if isinstance(addends[0], dict) else 4
        few = [number(a["norm"] if isinstance(a, dict) else a, digits) for a in addends[:4]]
        more = [f"… ({len(addends)})"] * (len(addends) > 4)
        if isinstance(addends[0], dict):
            yield f"⊕ ‖·‖ {', '.join(few + more)}", _SMALL, _TONES[column]
        else:
            shown = " + ".join(few + more).replace("+ −", "− ")
            yield f"⊕ {shown} = {number(node[column])}", _SMALL, _TONES[column]

    def _leaf_lines(self, kind: str, leaf: Any, base: str = "") -> list[tuple[str, float, str]]:
        if kind == "again":
            return [(f"{below(leaf['name'], base) or leaf['kind']}, as above", _SMALL, "pale")]
        if kind == "sum":
            entries = sum(math.prod(p["shape"]) for p in leaf)
            lines = [(f"{len(leaf):,} parameters, {entries:,} entries", _SMALL, "ink")]
            return [*lines, (f"‖·‖ {_root(leaf, 'value')}\t∂ ‖·‖ {_root(leaf, 'adjoint')}", _SMALL, "ink")]
        if kind == "new" and leaf["kind"] == "constant":
            value = told(leaf["value"])
            return [(value if not leaf["name"] else f"{leaf['name']} = {value}", _SMALL, "pale")]
        name = below(leaf["name"], base) or leaf["kind"]
        frozen = ", frozen" if leaf["kind"] == "frozen" else ""
        gradient = f"\t∂ {told(leaf['adjoint'])}" if leaf["kind"] == "parameter" else ""
        value = told(leaf["value"]) + gradient
        if leaf["shape"]:
            lines = [(f"{name}  {shape_of(leaf)}{frozen}", _SMALL, "ink"), (value, _SMALL, self._ink(leaf["value"]))]
        else:
            lines = [(f"{name}{frozen}\t{value}", _SMALL, self._ink(leaf["value"]))]
        lines += [*warned(leaf["value"]), *warned(leaf["adjoint"]), *self._sum(leaf)]
        if self.trace["order"] == 2 and leaf["kind"] == "parameter":
            moves = f"v {told(leaf.get('tangent'))}\tH·v {told(leaf.get('adjoint_tangent'))}"
            lines += [(moves if leaf["shape"] else f"\t{moves}", _SMALL, "along"), *self._sum(leaf, "adjoint_tangent")]
        if verdict := self.verdicts.get(leaf["id"]):
            glyph = _GLYPHS.get(verdict["verdict"], "?")
            lines += [(f"{glyph} {verdict['verdict']}", _SMALL, "wrong" if verdict["verdict"] == "WRONG" else "good")]
        return lines

    def _leaf_height(self, kind: str, leaf: Any) -> float:
        return 10.0 + 12 * len(self._leaf_lines(kind, leaf))

    # ---- what is drawn

    def _draw(self) -> None:
        trace, room = self.trace, self.width - 2 * _MARGIN
        count = sum(node["kind"] == "operation" for node in self.nodes)
        shapes: list[Shape] = [Box(0, 0, math.ceil(self.width), math.ceil(self.height), "paper", radius=0)]
        shapes += [Words(_MARGIN, 22, room, fit(trace["title"], 14, room, bold=True), 14, bold=True)]
        result = self.nodes[trace["result"]]
        of = result["name"] or result["op"] or "the result"
        said = f"{count:,} operations; ∂: derivative of {of}; ‖·‖: norm; {trace['how']} on the way back"
        shapes += [Words(_MARGIN, 37, room, fit(said, _SMALL, room), _SMALL, "pale")]
        if check := trace["check"]:
            found = f"{'✓' if check['ok'] else '✗'} gradient check {check['summary']}"
            shapes += [Words(_MARGIN, 50, room, fit(found, _SMALL, room), _SMALL, "good" if check["ok"] else "wrong")]
            said += f"; {found}"
        for column in self.columns:
            shapes += [
                Words(self.x[column] + _CELL / 2, 74, _CELL, _COLUMNS[column], 11, _TONES[column], "middle", True)
            ]
        self.parts.append(Part(f"{trace['title']}: {said}", [*shapes, *self._bands()]))
        edges: list[Shape] = []
        for column in self.columns:
            edges += self._arrows(column)
        self.parts.append(Part("", edges))
        for row, cells in zip(self.rows, self.cells):
            self.parts.append(Part(self._words(row), [*self._row(row, cells)]))

    def _bands(self) -> Iterator[Shape]:
        for i, row in enumerate(self.rows):
            if row.kind == "head":
                end = next((j for j in range(i + 1, len(self.rows)) if self.rows[j].depth <= row.depth), len(self.rows))
                last = self.rows[end - 1]
                inset = _MARGIN + 8 * row.depth
                h = last.y + last.h + 5 - row.y + 2
                yield Box(inset, row.y - 2, self.width - 2 * inset, h, f"band{row.depth % 2}", "rim", radius=6)

    def _row(self, row: Row, cells: dict[str, _Cell]) -> Iterator[Shape]:
        left = _MARGIN + self.indent
        if row.kind == "head":
            x = _MARGIN + 8 * row.depth + 8
            (group,) = row.groups
            room = left + _LEAF - x
            name = fit(group["path"] or group["kind"], 10, room, bold=True)
            yield Words(x, row.y + 13, room, name, 10, "ink", bold=True)
            after = x + width(name, 10, bold=True) + 8
            many = f"{group['parameters']:,} parameters" if group["parameters"] else ""
            text = ", ".join(filter(None, (group["kind"], many)))
            if left + _LEAF - after > 40:
                yield Words(after, row.y + 13, left + _LEAF - after, fit(text, 9, left + _LEAF - after), 9, "pale")
            return
        middle = row.y + row.h / 2
        y = middle - (sum(self._leaf_height(*leaf) + _LEAF_GAP for leaf in row.leaves) - _LEAF_GAP) / 2
        for kind, leaf in row.leaves:
            h = self._leaf_height(kind, leaf)
            yield from self._leaf(kind, leaf, row, left, y, h)
            yield Line(((left + _LEAF, y + h / 2), (self.x["value"] - 1, middle)), _leaf_look(kind, leaf), arrow=True)
            y += h + _LEAF_GAP
        if row.kind == "ghost":
            skip = row.skipped[0]
            x, w = self.x["value"], _CELL + (self.x["adjoint"] - self.x["value"] if "adjoint" in self.x else 0)
            yield Box(x, row.y, w, row.h, "ghost", "pale", dashed=True)
            text = f"{skip['path'] or skip['kind']}: {skip['text']}"
            yield Words(x + w / 2, middle + 4, w - 16, fit(text, 10, w - 16), 10, "pale", "middle")
            return
        for column, cell in cells.items():
            yield from self._cell(row, column, cell)

    def _leaf(self, kind: str, leaf: Any, row: Row, x: float, y: float, h: float) -> Iterator[Shape]:
        look = _leaf_look(kind, leaf)
        dashed = kind == "again" or look == "constant" or (kind == "new" and leaf["kind"] == "frozen")
        is_wrong = kind == "new" and self.verdicts.get(leaf["id"], {}).get("verdict") == "WRONG"
        yield Box(x, y, _LEAF, h, f"{look}-fill", "wrong" if is_wrong else look, dashed, 2 if is_wrong else 1)
        room, text_x = _LEAF - 14, x + 7
        thumb = leaf["value"].get("thumb") if kind == "new" and isinstance(leaf["value"], dict) else None
        if thumb and h >= 30:
            room -= 32
            yield Gray(
                x + _LEAF - 31, y + h / 2 - 13, 26, thumb["rows"], thumb["columns"], base64.b64decode(thumb["gray"])
            )
        base = row.base if kind == "sum" or row.kind != "operation" else row.node["module"] or row.base
        for i, (text, size, ink) in enumerate(self._leaf_lines(kind, leaf, base)):
            parts = text.split("\t")
            each = room / len(parts)
            for j, part in enumerate(parts):
                yield Words(text_x + each * j, y + 14 + 12 * i, each - 4, fit(part, size, each - 4), size, ink)

    def _cell(self, row: Row, column: str, cell: _Cell) -> Iterator[Shape]:
        x, h = self.x[column], _height(cell)
        y = row.y + (row.h - h) / 2
        if cell.look == "folded":
            yield Box(x + 4, y + 4, _CELL, h, "value-fill", "value")
        look = {"folded": "value", "none": "pale", "gap": "pale"}.get(cell.look, cell.look)
        fill = f"{look}-fill" if look not in ("pale", "wrong") else "ghost" if look == "pale" else f"{column}-fill"
        dashed = cell.look in ("none", "gap")
        yield Box(x, y, _CELL, h, fill, look, dashed, 2 if look in ("wrong", "result") else 1)
        pictured = y + h
        if cell.thumb and h >= 36:
            pictured -= 30
            data = base64.b64decode(cell.thumb["gray"])
            yield Gray(x + _CELL - 32, pictured, 26, cell.thumb["rows"], cell.thumb["columns"], data)
        top = y + 3.5
        for i, (text, size, ink) in enumerate(cell.lines):
            top += size + 3.5
            room = _CELL - 16 - (30 if top - 1 + 0.22 * size > pictured else 0)
            bold = i == 0 and column == "value"
            if bold and row.kind == "operation":
                label = f"#{row.node['id']}"
                yield Words(x + 8 + room, top - 1, width(label, 7), label, 7, "pale", "end")
                room -= width(label, 7) + 4
            yield Words(x + 8, top - 1, room, fit(text, size, room, bold), size, ink, bold=bold)

    def _arrows(self, column: str) -> Iterator[Shape]:
        """Down where a value is used, up where an adjoint comes from."""
        x, up, ink = self.x[column] + _CELL / 2, column.startswith("adjoint"), _TONES[column]
        for first, ends in self.edges[column].items():
            a = self._box(first, column)
            for end in ends:
                b = self._box(end, column)
                if end == self._next(first):
                    ghosts = [row for row in self.rows[first + 1 : end] if row.kind == "ghost"]
                    points = ((x, a[1]), (x, b[0]))
                    if ghosts and not up:  # around the ghost there is a path, and it is this one
                        yield Line(((x, a[1]), (x, ghosts[0].y)), ink, dashed=True, arrow=False)
                        points = ((x, ghosts[-1].y + ghosts[-1].h), (x, b[0]))
                    elif ghosts:
                        yield Line(((x, b[0]), (x, ghosts[-1].y + ghosts[-1].h)), ink, dashed=True, arrow=False)
                        points = ((x, a[1]), (x, ghosts[0].y))
                    yield Line(points[::-1] if up else points, ink)
                elif first in self.lanes[column]:
                    edge, lane = self.x[column] + _CELL, self.x[column] + _CELL + 14 + _LANE * self.lanes[column][first]
                    high, low = a[1] - 8, b[0] + 8
                    path = (
                        (edge, high),
                        (lane - 4, high),
                        (lane, high + 4),
                        (lane, low - 4),
                        (lane - 4, low),
                        (edge, low),
                    )
                    yield Line(path[::-1] if up else path, ink)

    def _box(self, i: int, column: str) -> tuple[float, float]:
        """Top and bottom of a cell."""
        row, h = self.rows[i], _height(self.cells[i][column])
        top = row.y + (row.h - h) / 2
        return top, top + h + (4 if self.cells[i][column].look == "folded" else 0)

    def _words(self, row: Row) -> str:
        """The row for those who do not see it, or hold a pointer over it."""
        if row.kind == "head":
            return f"module {row.groups[0]['path']} ({row.groups[0]['kind']})"
        if row.kind == "ghost":
            return f"{row.skipped[0]['path']}: {row.skipped[0]['kind']} {row.skipped[0]['text']}"
        node, said = row.node, [self._title(row)]
        if row.kind == "gap":
            return said[0]
        said[0] = f"#{node['id']} {said[0]}" if row.kind == "operation" else said[0]
        said += [f"{_COLUMNS[column]} {told(node.get(column))}" for column in self.columns]
        said += [text for column in self.columns[1::2] for text, *_ in self._sum(node, column)]
        worked = [text for text in node.get("worked") or () if text] if row.kind == "operation" else []
        if worked:
            said.append("back: " + ", ".join(worked))
        if row.kind == "operation" and node.get("line"):
            source = self.trace["sources"][node["line"][0]]
            said.append(f"{source['file']}:{node['line'][1]}")
        for kind, leaf in row.leaves:
            said.append(" ".join(text for text, *_ in self._leaf_lines(kind, leaf)))
        return "; ".join(" ".join(text.split()) for text in said)


class _Cell(NamedTuple):
    lines: list[tuple[str, float, str]]  # text, size, ink
    look: str
    thumb: dict[str, Any] | None = None


_TONES = {"value": "edge", "adjoint": "up", "tangent": "along", "adjoint_tangent": "again"}


def _height(cell: _Cell) -> float:
    return 10 + sum(size + 3.5 for _, size, _ in cell.lines) if cell.lines else 24.0


def _leaf_look(kind: str, leaf: Any) -> str:
    return (
        "again-leaf" if kind == "again" else "parameter" if kind == "sum" or leaf["kind"] == "frozen" else leaf["kind"]
    )


def _root(leaves: Iterable[dict[str, Any]], what: str) -> str:
    """The norm of several arrays together."""
    found = [leaf[what]["norm"] if isinstance(leaf[what], dict) else leaf[what] for leaf in leaves]
    known = [float(v) for v in found if v is not None]
    return number(math.hypot(*known)) if known else "–"
