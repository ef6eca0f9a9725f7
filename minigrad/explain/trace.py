"""The trace: a recording as one JSON document, which every picture and page is drawn from.

docs/trace.md describes it. Nothing here runs the function or computes a derivative; but for the decisions of piecewise
operations, which are asked again a little to the side.
"""

from __future__ import annotations

import inspect
import linecache
import os
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np

from ..gradcheck import Report
from ..graph import described, in_order
from ..names import named_values
from ..tape import Node, Primitive, Tensor, recording, user_line, where_is
from ..tape.node import line_number
from .memory import kept
from .record import Recording
from .rules import rule, worked
from .statistics import brief, number, statistics

VERSION = 1
_NEAR = 1e-3  # of the largest input: how far a kink may be to be near by
_MANY = 1000  # values from which an array is shown by its statistics alone
_LINES = 400  # of source, of one function
_HOW = {
    "kernels": "The way back as training runs it: where an operation has a kernel of its own for its derivative, that ran. "
    "Neighbours that share a pass over memory in training were computed one by one.",
    "compositions": "The way back was itself recorded, to be differentiated again: of operations with a fused kernel the "
    "composition was differentiated that the kernel equals.",
}


def trace(
    r: Recording, title: str, names: Mapping[int, str], held: Mapping[int, str], check: Report | None
) -> dict[str, Any]:
    """The document. `names` are those of arguments and parameters by id, `held` those of variables of the caller."""
    return _Writer(r, names, held).document(title, check)


class _Writer:
    def __init__(self, r: Recording, names: Mapping[int, str], held: Mapping[int, str]) -> None:
        self.r = r
        self.caller = user_line()
        self.values = in_order([r.y])
        self.brief = len(self.values) > _MANY
        self.ids = {id(y): i for i, (y, _) in enumerate(self.values)}
        stored = named_values([y for y, node in self.values if node.line != self.caller])
        self.names = {**held, **stored, **names}
        self.own = {id(p) for m in [r.forward.outermost] if m is not None for _, p in m.named_parameters()}
        self.kept = dict(zip(map(id, r.tape), kept(r.tape)))
        self.steps = {id(y): k for k, y in enumerate(r.back.order)}
        self.sources: dict[CodeType, int] = {}
        self.source_texts: list[dict[str, Any]] = []
        self.rules: dict[str, Primitive] = {}
        self.said: dict[int, Any] = {}

    def document(self, title: str, check: Report | None) -> dict[str, Any]:
        order = 2 if self.r.tangents else 1
        how = "compositions" if order == 2 else "kernels"
        nodes = [self._node(i, y, user) for i, (y, user) in enumerate(self.values)]
        groups = _groups(nodes, self.r.forward.modules)
        return {
            "format": "minigrad-trace",
            "version": VERSION,
            "title": title,
            "order": order,
            "how": how,
            "how_text": _HOW[how],
            "result": self.ids[id(self.r.y)],
            "nodes": nodes,
            "groups": groups,
            "skipped": self._skipped(groups),
            "rules": {name: rule(op) for name, op in sorted(self.rules.items())},
            "sources": self.source_texts,
            "check": None if check is None else _check(check, nodes),
            "memory": {"kept": sum(self.kept.values())},
        }

    def _node(self, i: int, y: Tensor, user: Node) -> dict[str, Any]:
        d = described(i, y, user, "")
        operation = user is y.node
        kind = d.kind if d.kind != "freed" else "constant"
        if not operation and not y.requires_grad and (id(y) in self.own or type(y).__name__ == "Parameter"):
            kind = "frozen"
        found: dict[str, Any] = {
            "id": i,
            "kind": kind,
            "op": d.op if operation else "",
            "name": self.names.get(id(y), d.name) or "",
            "module": d.module,
            "group": None,
            "shape": list(d.shape),
            "dtype": d.dtype,
            "bytes": d.bytes,
            "value": self._of(y),
            "adjoint": self._of(self.r.adjoints.get(id(y))),
        }
        if self.r.tangents:
            found["tangent"] = self._of(self.r.tangents.get(id(y)))
            adjoint = self.r.adjoints.get(id(y))
            found["adjoint_tangent"] = None if adjoint is None else self._of(self.r.tangents.get(id(adjoint)))
        if operation:
            found |= self._operation(y, user, d.params)
        if y is not self.r.y and id(y) in self.r.back.arrivals:
            found["addends"] = self._addends(y)
        return found

    def _of(self, t: Tensor | None) -> Any:
        if t is None:
            return None
        if id(t) not in self.said:  # what arrives alone is the adjoint itself
            self.said[id(t)] = statistics(t.read(), self.brief)
        return self.said[id(t)]

    def _operation(self, y: Tensor, node: Node, params: dict[str, str]) -> dict[str, Any]:
        self.rules.setdefault(node.op.name, node.op)
        back, memory = self.r.back, self.kept.get(id(y), 0)
        found: dict[str, Any] = {
            "inputs": [self.ids[id(x)] for x in node.inputs],
            "params": params,
            "where": where_is(node.line),
            "line": self._source_line(y, node),
            "forward_ns": self.r.forward.times.get(id(y.read())),
            "backward_ns": back.times.get(id(y)),
            "step": self.steps.get(id(y)),
            "kept": memory,
            "freed": memory,
            "back": back.how.get(id(y), "rule"),
        }
        if y.size == 1 and all(x.size == 1 for x in node.inputs) and id(y) in self.steps:
            found["local"] = _local(y, node)
            g = _scalar(self.r.adjoints[id(y)])
            inputs = [_scalar(x) for x in node.inputs]
            found["worked"] = [
                worked(node.op, k, g, _scalar(y), inputs, node.params) if x.requires_grad else None
                for k, x in enumerate(node.inputs)
            ]
        if node.op.branch is not None:
            found["kinks"] = _kinks(y, node)
        return found

    def _addends(self, x: Tensor) -> list[dict[str, Any]]:
        found, total = [], None
        arrived = self.r.back.arrivals[id(x)]
        for a in arrived:
            addend: dict[str, Any] = {
                "from": self.ids[id(a.user)],
                "argument": a.argument,
                "value": brief(self._of(a.gradient)),
            }
            if x.size == 1:
                value = a.gradient.read()
                total = value if total is None else total + value
                addend["sum"] = number(total.item())
            if self.r.tangents:
                addend["tangent"] = brief(self._of(self.r.tangents.get(id(a.gradient))))
            found.append(addend)
        return found

    def _source_line(self, y: Tensor, node: Node) -> list[int] | None:
        lines = [(f.__code__, 0) for f in getattr(node.op.forward, "sources", ()) if hasattr(f, "__code__")]
        found = [self._line(line) for line in lines or [self.r.forward.lines.get(id(y.read()), node.line)]]
        return found[0]

    def _line(self, line: tuple) -> list[int] | None:
        if line == self.caller:
            return None  # that of the call of `explain` itself
        code = line[0]
        if code not in self.sources:
            self.sources[code] = -1
            if (text := _source(code)) is not None:
                self.sources[code] = len(self.source_texts)
                self.source_texts.append(text)
        at = self.sources[code]
        return None if at < 0 else [at, line_number(line)]

    def _skipped(self, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The blocks that were not executed, each with the value before which it stands."""
        found = []
        for skip in self.r.forward.skips:
            later = (i for i, (_, node) in enumerate(self.values) if node.time > skip.time)
            before = next(later, len(self.values))
            around = (
                g["id"]
                for g in reversed(groups)
                if _inside(skip.scope, g["path"]) and g["first"] <= before <= g["last"] + 1
            )
            found.append({
                "before": before, "group": next(around, None), "path": skip.scope, "kind": skip.kind, "p": skip.p, "text": skip.text,
            })  # fmt: skip
        return found


def _scalar(t: Tensor) -> float:
    return float(t.read().real.item())


def _local(y: Tensor, node: Node) -> list[Any]:
    """d out / d input of an operation on numbers, by argument: what it sends back for an adjoint of one."""
    wanted = [(i, x) for i, x in enumerate(node.inputs) if x.requires_grad]
    with recording(False):
        one = Tensor(np.ones_like(y.read()))
        found = {i: g for (i, _), (_, g) in zip(wanted, node.op.pull_back(one, y, wanted))}
    return [number(found[i].read().item()) if i in found else None for i in range(len(node.inputs))]


def _kinks(y: Tensor, node: Node) -> dict[str, Any] | None:
    """How many decisions change when the inputs move a little, each entry up or down at random, to one side and the other."""
    assert node.op.branch is not None
    arrays = [x.read() for x in node.inputs]
    top = max((float(np.abs(a).max(initial=0.0)) for a in arrays), default=0.0)
    if not 0 < top < np.inf or any(a.dtype.kind != "f" for a in arrays):
        return None
    rng, h = np.random.default_rng(0), _NEAR * top
    moves = [rng.choice(np.array([-h, h], a.dtype), a.shape) for a in arrays]
    sides = []
    with recording(False):
        for side in (1, -1):
            moved = [np.asarray(a + side * d, a.dtype) for a, d in zip(arrays, moves)]
            value = node.op(*moved, **node.params).read()
            sides.append(np.asarray(node.op.branch(value, *moved, **node.params)))
    return {"near": int((sides[0] != sides[1]).sum()), "of": int(sides[0].size), "within": number(h)}


def _source(code: CodeType) -> dict[str, Any] | None:
    try:
        lines, first = inspect.getsourcelines(code)
    except (OSError, TypeError):
        lines, first = linecache.getlines(code.co_filename), 1
        if not lines:
            return None
    first = max(first, 1)
    file = os.path.basename(code.co_filename)
    name = "" if code.co_name == "<module>" else code.co_name
    return {"file": file, "function": name, "first": first, "lines": [t.rstrip("\n") for t in lines[:_LINES]]}


# ---- modules -------------------------------------------------------------------------------------------------------


def _groups(nodes: list[dict[str, Any]], modules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calls of modules, nested: uninterrupted stretches of the tape; of one operation alone there is none."""
    operations = [n for n in nodes if n["kind"] == "operation"]
    starts = {}  # an operation begins with the leaves before it
    before = 0
    for n in operations:
        starts[n["id"]], before = before, n["id"] + 1
    found: list[dict[str, Any]] = []
    open_: list[dict[str, Any]] = []
    for n in operations:
        while open_ and not _inside(n["module"], open_[-1]["path"]):
            open_.pop()
        for path in _prefixes(n["module"])[len(open_) :]:
            group = {
                "path": path,
                "first": starts[n["id"]],
                "last": n["id"],
                "parent": open_[-1] if open_ else None,
                "of": [],
            }
            open_.append(group)
            found.append(group)
        for group in open_:
            group["last"] = n["id"]
            group["of"].append(n)
    whole = len(operations)
    keep = [g for g in found if 1 < len(g["of"]) < whole]
    for i, g in enumerate(keep):
        g["id"] = i
    last: dict[Any, dict[str, Any]] = {}
    written = []
    for g in keep:
        parent = g["parent"]
        while parent is not None and "id" not in parent:
            parent = parent["parent"]
        form = tuple((n["op"], tuple(n["shape"]), n["module"].removeprefix(g["path"])) for n in g["of"])
        key = None if parent is None else parent["id"]
        previous = last.get(key)
        same = previous is not None and previous["form"] == form and previous["last"] + 1 == g["first"]
        last[key] = g
        g["form"] = form
        module = modules.get(g["path"])
        for n in nodes[g["first"] : g["last"] + 1]:
            n["group"] = g["id"]  # inner groups come later
        size = sum(p.size for p in module.parameters()) if module is not None else 0
        kind = "" if module is None else type(module).__name__
        written.append({
            "id": g["id"], "parent": key, "path": g["path"], "kind": kind, "first": g["first"], "last": g["last"],
            "parameters": size, "same": previous["id"] if same and previous is not None else None,
        })  # fmt: skip
    return written


def _prefixes(path: str) -> list[str]:
    parts = path.split(".") if path else []
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _inside(path: str, outer: str) -> bool:
    return f"{path}.".startswith(f"{outer}.")


# ---- the gradient check ----------------------------------------------------------------------------------------------


def _check(report: Report, nodes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    by_name = {n["name"]: n["id"] for n in reversed(nodes) if n["kind"] == "parameter"}
    plain = report.to_dict()

    def at(op: str, line: str, scope: str) -> int | None:
        """The operation of that name on that line in that module."""
        here = (n["id"] for n in nodes if n["op"] == op and n["module"] == scope and n["where"] == line)
        return next(here, None)

    rows = []
    for row in plain["rows"]:
        kink = row["kink"] and {**row["kink"], "node": at(row["kink"]["op"], row["kink"]["line"], row["kink"]["scope"])}
        keys = "name", "order", "verdict", "text", "complex_step", "central", "walks", "worst", "detail"
        rows.append({"node": by_name.get(row["name"]), **{k: row[k] for k in keys}, "kink": kink})
    suspects = [
        {
            "node": at(s["op"], s["line"], s["scope"]),
            **{k: s[k] for k in ("op", "input", "walk", "got", "expected", "text")},
        }
        for s in plain["suspects"]
    ]
    curves = [{"node": by_name.get(c["name"]), **c} for c in plain.get("curves", [])]
    return {
        "ok": report.ok, "summary": report.summary, "evaluations": report.evaluations, "seconds": report.seconds,
        "rows": rows, "suspects": suspects, "curves": curves,
    }  # fmt: skip
