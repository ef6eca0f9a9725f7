"""What was captured, as one straight Python function: no tape, no walk, no tensor until the end.

def program(a0, a1):
    a = t0._data
    if not (a.shape == t0_shape and …): return STALE       parameters may have been exchanged
    v0 = f0(a0, t0._data, t1._data)
    v1, v2 … ; del v0                                      an array is let go of after its last use
    return build([wrap(v7)])
"""

from __future__ import annotations

from collections.abc import Callable

from ..tape import wrap
from .capture import NAMES, Capture
from .places import COMPARED
from .world import World

STALE = object()


class Program:
    """The recorded function, and what it depends on besides its arguments."""

    def __init__(self, capture: Capture, world: World, arguments: int, results: list[str], build: Callable) -> None:
        self.places = world.places
        self.watched = world.watched  # tensors that its code can reach
        self.tensors = frozenset(map(id, [*capture.tensors.values(), *self.watched]))
        self.entries = len(capture.entries)
        self.source = _source(capture, results, arguments)
        self.names = {**capture.names, "STALE": STALE, "wrap": wrap, "build": build}
        for name, t in capture.tensors.items():
            self.names[f"{name}_shape"], self.names[f"{name}_dtype"] = t._data.shape, t._data.dtype
        exec(self.source, self.names)
        self.run = self.names["program"]

    def compared(self) -> list[str]:
        """What is compared in each call, a line for each kind."""
        return [f"{word} ({n}): {COMPARED[word]}" for word, n in self.places.counts(len(self.tensors)).items()]


def _source(capture: Capture, results: list[str], arguments: int) -> str:
    first = capture.first([e.name for e in capture.entries if e.expected is not None]) or set()
    in_order = [*(e for e in capture.entries if e.name in first), *(e for e in capture.entries if e.name not in first)]
    needed, entries = _names(" ".join(results)), []
    for entry in reversed(in_order):
        used = _names(entry.code)
        if entry.effect or entry.expected is not None or entry.name in needed:  # nobody asks for the others
            entries.append((entry, used - needed))  # nothing after this one needs those
            needed |= used
    lines = [f"def program({', '.join(f'a{i}' for i in range(arguments))}):"]
    for name, t in capture.tensors.items():
        as_before = f"a.shape == {name}_shape and a.dtype == {name}_dtype and {name}.requires_grad is {t.requires_grad}"
        lines.append(f"    a = {name}._data")
        lines.append(f"    if not ({as_before}): return STALE")
    alive = _names(" ".join(results))
    for entry, last in reversed(entries):
        if entry.expected is not None:
            lines.append(f"    if {entry.code} is not {entry.expected}: return STALE")
        else:
            lines.append(f"    {entry.name} = {entry.code}" if entry.name in needed else f"    {entry.code}")
        if last - alive:
            lines.append(f"    del {', '.join(sorted(last - alive))}")
    lines.append(f"    return build([{', '.join(results)}])")
    return "\n".join(lines)


def _names(expressions: str) -> set[str]:
    return set(NAMES.findall(expressions))
