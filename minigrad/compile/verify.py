"""A replay, and the plain function from the same state: whatever either of them has changed must be equal."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import tree
from ..tape import Tensor
from .program import STALE, Program


def verified(f: Callable, program: Program, flat: Any, args: tuple, kwargs: dict) -> Any:
    """What f returns, after the program; RuntimeError names the first array in which they differ."""
    known = {name: v for name, v in program.names.items() if name != "__builtins__"}
    roots = {**{f"argument {i}": a for i, a in enumerate(flat)}, **known}
    before = State(roots)
    out = program.run(*flat)
    if out is STALE:
        return STALE
    after = State(roots)
    before.put_back()
    plain = f(*args, **kwargs)
    ours, theirs = (dict(_arrays("result", tree.flatten(x)[0])) for x in (out, plain))
    for now, then in (theirs, ours), (State(roots).arrays, after.arrays):
        for name in {**now, **then}:
            a, b = now.get(name), then.get(name)
            if a is None or b is None or a.dtype != b.dtype or not np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"):
                who = getattr(f, "__name__", type(f).__name__)
                raise RuntimeError(
                    f"compile: {name} of {who} is not what the plain function gives; its state is now the latter's"
                )
    return out


class State:
    """Copies of all arrays and containers that can be reached from these, and of the places of random generators."""

    def __init__(self, roots: dict[str, Any]) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._undo: list[tuple[Callable, tuple]] = []
        self._seen: dict[int, Any] = {}
        for name, x in roots.items():
            self._take(x, name)

    def put_back(self) -> None:
        """Let everything be as it was, in place."""
        for f, args in self._undo:
            f(*args)

    def _take(self, x: Any, name: str) -> None:
        if isinstance(x, (types.MethodType, types.BuiltinFunctionType)):
            x = x.__self__
        if id(x) in self._seen or isinstance(
            x, (type, types.ModuleType, types.FunctionType, str, int, float, type(None))
        ):
            return
        self._seen[id(x)] = x
        if isinstance(x, Tensor):
            name = x.name or name
            parts = {"": x._data, ".grad": x.grad}
            self._undo.append((_put_tensor, (x, x._data, x.grad, x.version)))
            for part, a in parts.items():
                self._take(a, name + part)
        elif isinstance(x, np.ndarray):
            self.arrays[name] = copy = x.copy()
            if x.flags.writeable:
                self._undo.append((np.copyto, (x, copy)))
        elif isinstance(x, np.random.Generator):
            state = x.bit_generator.state
            self.arrays[name] = np.array([repr(state)])
            self._undo.append((setattr, (x.bit_generator, "state", state)))
        elif isinstance(x, (dict, list, tuple)):
            if not isinstance(x, tuple):
                self._undo.append((_put_entries, (x, x.copy())))
            for key, part in x.items() if isinstance(x, dict) else enumerate(x):
                self._number(part, f"{name}[{key!r}]")
                self._take(part, f"{name}[{key!r}]")
        elif type(x).__module__.split(".")[0] == "minigrad" and hasattr(x, "__dict__"):
            own = vars(x)
            self._undo.append((_put_entries, (own, own.copy())))
            for key, part in own.items():
                self._number(part, f"{type(x).__name__}.{key}")
                self._take(part, f"{type(x).__name__}.{key}")

    def _number(self, x: Any, name: str) -> None:
        if isinstance(x, (bool, int, float)):
            self.arrays[name] = np.array(x)


def _put_tensor(x: Tensor, data: np.ndarray, grad: Any, version: int) -> None:
    x._data, x.grad, x.version = data, grad, version


def _put_entries(container: Any, then: Any) -> None:
    container.clear()
    if isinstance(container, dict):
        container.update(then)
    else:
        container.extend(then)


def _arrays(name: str, leaves: list) -> Iterator[tuple[str, np.ndarray]]:
    for i, x in enumerate(leaves):
        yield f"{name} {i}", np.asarray(x._data if isinstance(x, Tensor) else x)
