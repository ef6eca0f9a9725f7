"""What was captured, as one straight Python function: no tape, no walk, no tensor until the end.

def program(a0, a1):
    a = t0._data
    if not (a.shape == t0_shape and …): return STALE       parameters may have been exchanged
    v0 = f0(a0, t0._data, t1._data)
    v1, v2 … ; del v0                                      an array is let go of after its last use
    return build([wrap(v7)])
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..tape import wrap
from .capture import Capture
from .guards import Guards

STALE = object()
_NAME = re.compile(r"\bv\d+\b")


class Program:
    """The recorded function, and what it depends on besides its arguments."""

    def __init__(self, capture: Capture, guards: Guards, results: list[str], build: Callable[[list], Any]) -> None:
        self.guards = guards
        self.tensors = [id(t) for t in capture.tensors.values()]
        self.source = _source(capture, results, guards.arguments)
        names = {**capture.names, "STALE": STALE, "wrap": wrap, "build": build}
        for name, t in capture.tensors.items():
            names[f"{name}_shape"], names[f"{name}_dtype"] = t._data.shape, t._data.dtype
        exec(self.source, names)
        self.run = names["program"]


def _source(capture: Capture, results: list[str], arguments: int) -> str:
    needed, entries = _names(" ".join(results)), []
    for entry in reversed(capture.entries):
        used = _names(entry.code)
        if entry.effect or entry.name in needed:  # nobody asks for the others
            entries.append((entry, used - needed))  # nothing after this one needs those
            needed |= used
    lines = [f"def program({', '.join(f'a{i}' for i in range(arguments))}):"]
    for name, t in capture.tensors.items():
        as_before = f"a.shape == {name}_shape and a.dtype == {name}_dtype and {name}.requires_grad is {t.requires_grad}"
        lines.append(f"    a = {name}._data")
        lines.append(f"    if not ({as_before}): return STALE")
    alive = _names(" ".join(results))
    for entry, last in reversed(entries):
        lines.append(f"    {entry.code}" if entry.effect else f"    {entry.name} = {entry.code}")
        if last - alive:
            lines.append(f"    del {', '.join(sorted(last - alive))}")
    lines.append(f"    return build([{', '.join(results)}])")
    return "\n".join(lines)


def _names(expressions: str) -> set[str]:
    return set(_NAME.findall(expressions))
