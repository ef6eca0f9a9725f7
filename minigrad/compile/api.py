"""`compile`: choose between replaying a program, recording a new one, and calling the function as it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..errors import check_function, warn
from ..tape import Tensor, listeners, state, watching
from .capture import Capture
from .guards import Guards, Wrapper
from .program import STALE, Program

_NUMBERS = (int, float, complex, str, bytes, bool, type(None), np.number, np.bool_, np.dtype, type)
LIMIT = 32  # recordings after which a function is taken to change all the time


def compile(f: Callable) -> Callable:
    """Return a function that computes what f computes, bit for bit, but runs f's Python code only the first time.

    What the first call did to arrays is written down (forward, backward, the optimizer's step, running statistics) and
    replayed by later calls. It is recorded anew when an argument has another shape, dtype or value (numbers, strings),
    a module another mode or attribute, a parameter another shape, or when a variable that f's code reads has changed.
    Results are tensors without a tape: take derivatives inside.

    What cannot be replayed safely is not: if f reads the value of a tensor (`item()`, `data`, a comparison), prints,
    draws random numbers other than by minigrad's layers, changes variables, uses arrays that are neither arguments nor
    tensors made before, or two tensors that share one array, f is called as it is, always, and a RuntimeWarning says
    why, once.

    >>> import minigrad as mg
    >>> w = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> @mg.compile
    ... def step(x):
    ...     return mg.grad(lambda w: (w * w * x).sum())(w)
    >>> [step(np.array([1.0, s])).data.tolist() for s in (1.0, 10.0)]
    [[2.0, 4.0], [2.0, 40.0]]
    """
    check_function("compile", "f", f)
    return functools.wraps(f)(Compiled(f)) if hasattr(f, "__name__") else Compiled(f)


class Compiled(Wrapper):
    """A function and its recorded programs."""

    def __init__(self, f: Callable) -> None:
        self.f = f
        self.programs: dict[Any, list[Program]] = {}
        self.recordings = 0
        self.refused: str | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.refused is not None or state.watcher is not None or state.traced:  # who is outside sees all of it
            return self.f(*args, **kwargs)
        plain = not (kwargs or [a for a in args if type(a) is not np.ndarray and not isinstance(a, Tensor)])
        flat = args if plain else tree.flatten((args, kwargs))[0]
        try:
            key = _signature(flat)
            key = key if plain or key is None else (key, _structure((args, kwargs)))
            if key is None:  # an argument has a tape, which goes on through f
                return self.f(*args, **kwargs)
            programs = self.programs.get(key, ())
        except TypeError:  # an argument that cannot be compared
            return self._as_it_is("an argument is neither an array nor a number or string", args, kwargs)
        hooked = {i for i, hooks in listeners.items() if hooks} if listeners else ()
        for program in programs:
            if program.guards.hold() and not (hooked and hooked & {*program.tensors, *map(id, flat)}):
                out = program.run(*flat)
                if out is not STALE:
                    return out
        return self._record(key, flat, args, kwargs)

    def _record(self, key: Any, flat: Any, args: tuple, kwargs: dict) -> Any:
        self.recordings += 1
        if self.recordings > LIMIT:
            return self._as_it_is(f"it was recorded {LIMIT} times, and something was different each time", args, kwargs)
        guards = Guards(self.f, flat)
        capture = Capture(flat, guards.refused)
        rebuild = tree.flatten((args, kwargs))[1]
        args, kwargs = rebuild([capture.exposed(a) for a in flat])
        with watching(capture):
            outputs, build = tree.flatten(self.f(*args, **kwargs))
            values = [capture.result(x) for x in outputs]
        outputs = [capture.returned(x) for x in outputs]
        if capture.refused is not None:
            self._warn(capture.refused)
            return build(outputs)
        program = Program(capture, guards, values, build)
        self.programs.setdefault(key, []).append(program)
        return build([x.detach() if isinstance(x, Tensor) and not x.is_leaf else x for x in outputs])

    def _as_it_is(self, reason: str, args: tuple, kwargs: dict) -> Any:
        self._warn(reason)
        return self.f(*args, **kwargs)

    def _warn(self, reason: str) -> None:
        self.refused = reason
        self.programs.clear()
        name = getattr(self.f, "__name__", type(self.f).__name__)
        warn(f"compile: {name} runs as it is, because {reason}", RuntimeWarning)


def _signature(flat: Any) -> Any:
    """What the arguments must have in common for one program to serve them; None if one of them has a tape.

    Raises TypeError for an argument that cannot be compared.
    """
    found: list[Any] = []
    first: dict[int, int] = {}
    for i, a in enumerate(flat):
        if type(a) is np.ndarray:
            found += a.shape, a.dtype, first.setdefault(id(a), i)
        elif isinstance(a, Tensor):
            if a.requires_grad and a.node is not None:
                return None
            # a parameter may also be reached in other ways: a program holds for this one alone
            found += a.shape, a.dtype, a if a.requires_grad else first.setdefault(id(a), i), a.version == -1
            found.append(first.setdefault(id(a._data), i))  # two may have one array
        elif isinstance(a, _NUMBERS):
            found += type(a), a or str(a)  # 0.0 equals -0.0
        else:
            raise TypeError
    return (state.recording, *found)


def _structure(t: Any) -> Any:
    if isinstance(t, dict):
        return tuple((k, _structure(v)) for k, v in t.items())
    return (type(t), *map(_structure, t)) if isinstance(t, (list, tuple)) else None
