"""One run of a function, forward and back, seen through the engine's own door for those who watch.

What comes out are facts: which operation took how long, which adjoints arrived where and in which order, what was
skipped. Nothing here computes a derivative, and nothing is written as text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, NamedTuple

import numpy as np

from ..recompute import Buffers
from ..tape import HOME, Fused, Node, Tensor, Watcher, history, pull, push, recording, state, watching
from ..tape.watch import Skip

_MODELS = os.path.join(HOME, "nn", "models.py"), os.path.join(HOME, "lab", "")


class Arrival(NamedTuple):
    """A gradient that an operation, the tensor `user`, sent back to its argument number `argument`."""

    user: Tensor
    argument: int
    gradient: Tensor


class Forward(Buffers):
    """Sees a function run: how long each value took, which modules were called, what was skipped."""

    eager = True

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[int, int] = {}  # id of an array: nanoseconds; the latest array of that id is meant
        self.lines: dict[int, tuple] = {}  # likewise, where a model of the library's own asked for it
        self.modules: dict[str, Any] = {}
        self.skips: list[Skip] = []
        self.outermost: Any = None
        self._began = 0

    def computing(self, f: Callable) -> None:
        self._began = perf_counter_ns()

    def computed(self, f: Callable, inputs: tuple, params: dict[str, Any], out: Any) -> None:
        array = id(out[0] if isinstance(out, tuple) else out)
        self.times[array] = perf_counter_ns() - self._began
        if (line := _models_line()) is not None:
            self.lines[array] = line

    def entered(self, path: str, module: Any) -> None:
        if not path:
            self.outermost = module if self.outermost is None else self.outermost
        super().entered(path, module)
        self.modules.setdefault(path, module)

    def skipped(self, module: Any) -> None:
        self.skips.append(state.skips[-1])


def _models_line() -> tuple | None:
    """Where a model of the library's own is, if it is one that called: (code, instruction)."""
    frame = sys._getframe(2)
    while frame.f_back is not None and (file := frame.f_code.co_filename).startswith(HOME):
        if file.startswith(_MODELS):
            return frame.f_code, frame.f_lasti
        frame = frame.f_back
    return None


class Backward(Watcher):
    """Sees the walk up: at each operation the gradient that it got, those that it gave, how, and how long it took."""

    eager = True

    def __init__(self) -> None:
        self.order: list[Tensor] = []
        self.adjoints: dict[int, Tensor] = {}
        self.arrivals: dict[int, list[Arrival]] = {}
        self.times: dict[int, int] = {}
        self.how: dict[int, str] = {}
        self._depth = 0
        self._began = 0

    def walk_begun(self, direction: str, tape: list) -> None:
        self._depth += 1

    def walk_ended(self) -> None:
        self._depth -= 1

    def pulling(self, y: Tensor, g: Tensor) -> None:
        if self._depth == 1:
            self.order.append(y)
            self.adjoints[id(y)] = g
            self.how[id(y)] = _how(y, g)
            self._began = perf_counter_ns()

    def pulled(self, y: Tensor, wanted: list, gradients: list) -> None:
        if self._depth == 1:
            self.times[id(y)] = perf_counter_ns() - self._began
            for (i, x), g in zip(wanted, gradients):
                self.arrivals.setdefault(id(x), []).append(Arrival(y, i, g))


def _how(y: Tensor, g: Tensor) -> str:
    assert isinstance(y.node, Node)
    op = y.node.op
    if not isinstance(op, Fused):
        return "rule"
    return "composition" if op.backward is None or state.recording or g.dtype.char not in "fdg" else "kernel"


class Recording:
    """A result, the walk back from it, and, with directions, how all of it moves along them."""

    def __init__(self, y: Tensor, forward: Forward, directions: dict[int, Any] | None) -> None:
        self.y, self.forward = y, forward
        self.tape = history([y])
        self.leaves = [t for t in self.tape if t.node is None or not isinstance(t.node, Node)]
        self.back = Backward()
        with watching(self.back):
            gradients = pull(y, self.leaves, create_graph=directions is not None, retain_graph=True)
        self.adjoints = {**self.back.adjoints, **{id(x): g for x, g in zip(self.leaves, gradients)}}
        self.tangents: dict[int, Tensor] = {}
        if directions is not None:
            self._push(directions)

    def _push(self, directions: dict[int, Any]) -> None:
        gradients = [a.gradient for arrived in self.back.arrivals.values() for a in arrived]
        wanted = {id(t): t for t in [*self.tape, *self.adjoints.values(), *gradients]}
        moved = [x for x in self.leaves if id(x) in directions]
        with recording(False):
            found = push(list(wanted.values()), moved, [directions[id(x)] for x in moved])
        self.tangents = dict(zip(wanted, found))
        for x in self.leaves:
            self.tangents.setdefault(id(x), Tensor(np.zeros_like(x.data)))
