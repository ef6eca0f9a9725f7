"""What was captured, as one straight Python function: no tape, no walk, no tensor until the end.

def program(a0, a1):
    if not (t0._data.shape == … and …): return STALE      parameters may have been exchanged
    v0 = f0(a0, t0._data, t1._data)
    v1, v2 … ; del v0                                      an array is let go of after its last use
    return build([wrap(v7)])
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..tape import wrap
from .capture import Capture, Entry
from .guards import Guards

STALE = object()
_NAME = re.compile(r"\bv\d+\b")


class Program:
    """The recorded function, and what it depends on besides its arguments."""

    def __init__(self, capture: Capture, guards: Guards, results: list[str], build: Callable[[list], Any]) -> None:
        self.guards = guards
        self.source = _source(capture, results, guards.arguments)
        names = {**capture.names, "STALE": STALE, "wrap": wrap, "build": build}
        for name, t in capture.tensors.items():
            names[f"{name}_as"] = (t._data.shape, t._data.dtype, t.requires_grad)
        exec(self.source, names)
        self.run = names["program"]


def _source(capture: Capture, results: list[str], arguments: int) -> str:
    needed, entries = _names(" ".join(results)), []
    for entry in reversed(capture.entries):
        used = _names(" ".join([*entry.args, *entry.params.values()]))
        if entry.effect or entry.name in needed:  # nobody asks for the others
            entries.append((entry, used - needed))  # nothing after this one needs those
            needed |= used
    lines = [f"def program({', '.join(f'a{i}' for i in range(arguments))}):"]
    for t in capture.tensors:
        lines.append(f"    s = {t}._data")
        lines.append(f"    if (s.shape, s.dtype, {t}.requires_grad) != {t}_as: return STALE")
    alive = _names(" ".join(results))
    for entry, last in reversed(entries):
        lines.append(f"    {_call(entry)}")
        if last - alive:
            lines.append(f"    del {', '.join(sorted(last - alive))}")
    lines.append(f"    return build([{', '.join(results)}])")
    return "\n".join(lines)


def _call(entry: Entry) -> str:
    given = ", ".join([*entry.args, *(f"{k}={v}" for k, v in entry.params.items())])
    return f"{entry.f}({given})" if entry.effect else f"{entry.name} = {entry.f}({given})"


def _names(expressions: str) -> set[str]:
    return set(_NAME.findall(expressions))
