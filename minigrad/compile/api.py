"""`compile`: choose between replaying a program, recording a new one, and calling the function as it is."""

from __future__ import annotations

import copy
import functools
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..errors import check_function, warn
from ..ranges import INDEX, check
from ..tape import Tensor, listeners, state, watching
from .capture import Capture
from .places import same
from .program import STALE, Program
from .verify import verified
from .world import World, Wrapper

_NUMBERS = (int, float, complex, str, bytes, bool, type(None), np.number, np.bool_, np.dtype, type)
LIMIT = 32  # recordings after which a function is taken to change all the time


def compile(f: Callable | None = None, *, verify: int = 0) -> Any:
    """Return a function that computes what f computes, bit for bit, but runs f's Python code only the first time.

    What the first call did to arrays is written down (forward, backward, the optimizer's step, running statistics) and
    replayed by later calls. It is recorded anew when anything that the code reads is another: an argument's shape, dtype
    or value (numbers, strings), a variable, an attribute, an entry of a container, a method, a mode, a parameter's shape.
    `explain()` of the returned function says what is compared. Results are tensors without a tape: take derivatives inside.

    What cannot be replayed safely is not, nor what is not understood: if f reads the value of a tensor (`item()`, `data`,
    a comparison) or a gradient, prints, imports, catches exceptions, draws random numbers other than by minigrad's layers,
    changes a variable or an object, uses arrays that are neither arguments nor tensors made before, or calls installed
    code, f is called as it is, always, and a RuntimeWarning says why, once. What minigrad's own modules consist of is taken
    to stay as it is. A replay that a check of values ends early, by its error, does not leave the blocks (`with`) that it
    is in.

    With `verify=k` every k-th replay also runs f, on the state from before, and RuntimeError names the first array that
    differs. Used as a decorator it is `@mg.compile` or `@mg.compile(verify=100)`, of methods, too: each object has its
    own programs.

    >>> import minigrad as mg
    >>> w = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> @mg.compile
    ... def step(x):
    ...     return mg.grad(lambda w: (w * w * x).sum())(w)
    >>> [step(np.array([1.0, s])).data.tolist() for s in (1.0, 10.0)]
    [[2.0, 4.0], [2.0, 40.0]]
    """
    check("compile", INDEX, verify=verify)
    if f is None:
        return functools.partial(compile, verify=verify)
    check_function("compile", "f", f)
    return functools.wraps(f)(Compiled(f, verify)) if hasattr(f, "__name__") else Compiled(f, verify)


class Compiled(Wrapper):
    """A function and its recorded programs."""

    def __init__(self, f: Callable, verify: int = 0) -> None:
        self.f, self.verify = f, int(verify)
        self.recorded: dict[Any, list[Program]] = {}
        self.recordings = self.replays = 0
        self.refused: str | None = None

    @property
    def programs(self) -> list[Program]:
        """What was recorded: each program's `source`, and how many things of what kinds it `compares` in each call."""
        return [p for programs in self.recorded.values() for p in programs]

    def explain(self) -> str:
        """What was recorded, what is compared in each call, and what was refused and why, as a text."""
        name = getattr(self.f, "__name__", type(self.f).__name__)
        lines = [f"{name}: {len(self.programs)} programs, {self.recordings} recordings, {self.replays} replays"]
        if self.refused is not None:
            lines.append(f"  it runs as it is, because {self.refused}")
        for i, p in enumerate(self.programs, 1):
            lines += [f"  program {i}: {p.entries} operations; compared:", *(f"    {line}" for line in p.compared())]
        return "\n".join(lines)

    def __get__(self, owner: Any, kind: type) -> Any:
        """A method of an object is compiled for this object alone, which keeps it."""
        if owner is None:
            return self
        bound = types.MethodType(self.f, owner)
        if not hasattr(owner, "__dict__"):
            return bound
        mine = vars(owner)[self.f.__name__] = functools.wraps(self.f)(Compiled(bound, self.verify))
        return mine

    def __deepcopy__(self, memo: dict) -> Compiled:
        return compile(copy.deepcopy(self.f, memo), verify=self.verify)

    def __reduce__(self) -> tuple:
        path = getattr(self.f, "__qualname__", "")
        if _found(getattr(self.f, "__module__", None), path) is self:  # it has taken the function's place
            return path  # type: ignore[return-value]
        return _compiled, (self.f, self.verify)

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
            programs = self.recorded.get(key, ())
        except TypeError:  # an argument that cannot be compared
            return self._as_it_is("an argument is neither an array nor a number or string", args, kwargs)
        ids = {*map(id, flat)}
        hooked = {i for i, hooks in listeners.items() if hooks} if listeners else ()
        for program in programs:
            if (
                program.tensors.isdisjoint(ids)
                and program.places.hold()
                and not (hooked and hooked & {*program.tensors, *ids})
            ):
                self.replays += 1
                if self.verify and self.replays % self.verify == 0:
                    out = verified(self.f, program, flat, args, kwargs)
                else:
                    out = program.run(*flat)
                if out is not STALE:
                    return out
                self.replays -= 1
        return self._record(key, flat, args, kwargs)

    def _record(self, key: Any, flat: Any, args: tuple, kwargs: dict) -> Any:
        self.recordings += 1
        if self.recordings > LIMIT:
            return self._as_it_is(f"it was recorded {LIMIT} times, and something was different each time", args, kwargs)
        world = World(self.f, flat)
        capture = Capture(flat, world)
        args, kwargs = tree.exchange((args, kwargs), capture.exposed)
        form, leaves = _form((args, kwargs)), tree.flatten((args, kwargs))[0]
        try:
            with watching(capture):
                with world.witness():
                    returned = self.f(*args, **kwargs)
                outputs, build = tree.flatten(returned)
                values = [capture.result(x) for x in outputs]
            if _form((args, kwargs)) != form or not same(tree.flatten((args, kwargs))[0], leaves):
                world.refuse("it changes a list or dict that is an argument")
        finally:
            args, kwargs = tree.exchange((args, kwargs), capture.returned)
        if any(map(world.knows, _containers(returned))):
            world.refuse("it returns a list or dict that was there before")
        changed = world.places.changed()
        if changed is not None:
            world.refuse(f"it changes {changed!r}")
        if capture.refused is not None:
            self._warn(capture.refused)
            return tree.exchange(returned, capture.returned)
        self.recorded.setdefault(key, []).append(Program(capture, world, len(flat), values, build))
        outputs = [capture.returned(x) for x in outputs]
        return build([x.detach() if capture.makes(x) else x for x in outputs])

    def _as_it_is(self, reason: str, args: tuple, kwargs: dict) -> Any:
        self._warn(reason)
        return self.f(*args, **kwargs)

    def _warn(self, reason: str) -> None:
        self.refused = reason
        self.recorded.clear()
        name = getattr(self.f, "__name__", type(self.f).__name__)
        warn(f"compile: {name} runs as it is, because {reason}", RuntimeWarning)


def _found(module: Any, path: str) -> Any:
    """What stands in a module under this name."""
    return functools.reduce(lambda v, name: getattr(v, name, None), path.split("."), sys.modules.get(module))


def _compiled(f: Callable, verify: int) -> Any:
    return compile(f, verify=verify)


class _This:
    """A tensor in a key: itself, and not kept alive."""

    def __init__(self, x: Tensor) -> None:
        self.at, self.identity = weakref.ref(x), id(x)

    def __hash__(self) -> int:
        return self.identity

    def __eq__(self, other: object) -> bool:
        x = self.at()
        return x is not None and isinstance(other, _This) and x is other.at()


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
            found += a.shape, a.dtype, _This(a) if a.requires_grad else first.setdefault(id(a), i), a.version == -1
            found += type(a), first.setdefault(id(a._data), i)  # two may have one array
        elif isinstance(a, _NUMBERS):
            found += type(a), a or str(a)  # 0.0 equals -0.0
        else:
            raise TypeError
    return (state.recording, *found)


def _structure(t: Any) -> Any:
    """The containers of arguments, and their keys. Raises TypeError for a dict or list of a kind of its own."""
    if isinstance(t, (dict, list)) and type(t) not in (dict, list):
        raise TypeError
    if isinstance(t, dict):
        return (dict, *((k, _structure(v)) for k, v in t.items()))
    return (type(t), *map(_structure, t)) if isinstance(t, (list, tuple)) else None


def _form(t: Any) -> Any:
    """The same of what a function left of them."""
    try:
        return _structure(t)
    except TypeError:
        return None


def _containers(t: Any) -> list[Any]:
    """The lists and dicts in t."""
    if not isinstance(t, (dict, list, tuple)):
        return []
    parts = t.values() if isinstance(t, dict) else t
    return [*([] if isinstance(t, tuple) else [t]), *(c for part in parts for c in _containers(part))]
