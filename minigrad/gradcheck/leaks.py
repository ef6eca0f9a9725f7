"""Where values leave the tape: the user's lines that go on with a value of what is checked as if it were a constant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tape import Tensor, Watcher, history, state, user_line, watching, where_is
from .subject import Subject


class _Leaks(Watcher):
    """Sees, while f is evaluated, which tensors' values go on without a tape, how, and where."""

    def __init__(self) -> None:
        self.found: list[tuple[Tensor, str]] = []

    def _add(self, x: Any, how: str) -> None:
        if isinstance(x, Tensor) and x.requires_grad:
            self.found.append((x, f"{how} ({where_is(user_line())})"))

    def looked(self, why: str, x: Any = None) -> None:
        self._add(x, "its .data is read")

    def detached(self, x: Any) -> None:
        self._add(x, "detach")

    def computed(self, f: Callable, inputs: tuple, params: dict[str, Any], out: Any) -> None:
        if not state.recording:
            for x in inputs:
                self._add(x, f"{f.__name__.strip('_')} is computed under no_grad")


def leaks(s: Subject) -> list[list[str]]:
    """Those lines for each leaf of s, in the order in which they are reached."""
    seen = _Leaks()
    with watching(seen):
        s.at(s.start)
    found: list[dict[str, None]] = [{} for _ in s.leaves]
    for x, how in seen.found:
        sources = {id(t) for t in history([x])}
        for leaf, hows in zip(s.leaves, found):
            if id(leaf) in sources:
                hows[how] = None
    return [list(hows) for hows in found]
