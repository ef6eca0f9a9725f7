"""Writes down what a call computes on arrays: one entry for each function that the library launches on them.

An array is known by where it came from: an argument, a tensor that existed before, a number, or an earlier entry. One
that came from anywhere else cannot be found again at the next call, so the capture refuses: it goes on watching
nothing, and says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from .. import tree
from ..tape import Array, Node, Primitive, Tensor, Watcher, tick, unchanged, user_line, where_is
from .forms import written
from .world import World

_FOREIGN = "an array that is no argument meets a tensor: pass it as an argument, or let it be a tensor made before"
_SEEN = {"shape", "dtype", "ndim", "size", "nbytes", "itemsize", "__class__", "__array_ufunc__", "__array_priority__"}


class Argument(np.ndarray):
    """An array as the captured function sees it: the library takes it, but a look at its values ends the capture."""

    def __getattribute__(self, name: str) -> Any:
        if name in _SEEN or name == "__dict__":
            return super().__getattribute__(name)
        return getattr(_plain(self), name)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **k: Any) -> Any:
        if any(isinstance(x, Tensor) for x in inputs):
            return NotImplemented  # the tensor answers
        given, build = tree.flatten(({**k}, list(inputs)))
        k, inputs = build([_plain(x) for x in given])
        return getattr(ufunc, method)(*inputs, **k)

    def __array_function__(self, f: Any, types: Any, args: Any, k: Any) -> Any:
        if any(issubclass(kind, Tensor) for kind in types):
            return NotImplemented
        leaves, build = tree.flatten((list(args), k))
        args, k = build([_plain(a) for a in leaves])
        return f(*args, **k)


def _watch(plain: np.ndarray, given: np.ndarray, capture: Capture) -> Argument:
    x = plain.view(Argument)
    vars(x).update(plain=plain, given=given, capture=capture)
    return x


def _plain(a: Any) -> Any:
    """The array behind an argument, whose values somebody wants to see."""
    if not isinstance(a, Argument):
        return a
    own = vars(a)
    if "capture" in own:
        own["capture"].refuse("NumPy or Python reads the values of an array; make it a tensor first")
        return own["plain"]
    return a.view(np.ndarray)


def _forward(name: str) -> Callable:
    return lambda self, *args: getattr(_plain(self), name)(*args)


for _name in (
    "__getitem__", "__setitem__", "__iter__", "__contains__", "__float__", "__int__", "__bool__", "__index__",
    "__complex__", "__repr__", "__str__", "__format__", "__iadd__", "__isub__", "__imul__", "__itruediv__",
    "__reduce__", "__reduce_ex__", "__copy__", "__deepcopy__", "__array__",
):  # fmt: skip
    setattr(Argument, _name, _forward(_name))


_PURE = {op.forward for op in Primitive.registry.values()} | {np.asarray}
_STEADY = _PURE | {np.array}
NAMES = re.compile(r"\bv\d+\b")  # of what a program computes
TENSORS = re.compile(r"\bt\d+\b")  # and of those that it finds
_SIZES = (np.integer, np.bool_)  # numbers that NumPy made of shapes


class Entry(NamedTuple):
    """`name = code`, done in every call if it is an `effect`, and else if somebody needs it."""

    name: str
    code: str
    effect: bool
    steady: bool = False  # whether it is the same wherever it stands, given the same
    expected: str | None = None  # what it must give, for the program to be the right one


class Capture(Watcher):
    """What a call on these arguments does, while the capture is watching."""

    def __init__(self, flat: Any, world: World) -> None:
        self.world = world
        self.busy = 0  # inside of how many functions of arrays this thread is
        self.entries: list[Entry] = []
        self.names: dict[str, Any] = {}  # what the program refers to
        self.tensors: dict[str, Tensor] = {}  # those that existed before
        self._expressions: dict[int, str] = {}  # of arrays, tuples of them, and tensors, by identity
        self._kept: list[Any] = []  # so that no identity is given to another object
        self._created: set[int] = set()
        self._owners: dict[int, Tensor] = {}  # whose array it is, of tensors that existed before
        self._fixed: set[int] = set()
        self._watched: dict[int, Argument] = {}
        self._start = next(tick)
        self._given = {id(a) for a in flat if isinstance(a, Tensor)}
        for i, a in enumerate(flat):
            if isinstance(a, Tensor):
                self._know(a, f"a{i}")
                self._own(a, f"a{i}")
            elif isinstance(a, np.generic):
                self._know(a, f"a{i}")
            elif type(a) is np.ndarray and id(a) not in self._watched:
                plain = a.view()  # a tensor may have the very array itself
                self._watched[id(a)] = _watch(plain, a, self)
                self._know(plain, f"a{i}")

    def exposed(self, a: Any) -> Any:
        """An argument, or an array of the library's own, as the function gets it."""
        if type(a) is not np.ndarray:
            return a
        known = self._watched.get(id(a))
        return _watch(a, a, self) if known is None else known

    def given(self, data: Any) -> Any:
        """What the library got from the function: the array behind it, if it is an argument."""
        return vars(data)["plain"] if type(data) is Argument else data

    def returned(self, x: Any) -> Any:
        """What the function returned: the argument itself, if it is one."""
        return vars(x)["given"] if type(x) is Argument else x

    @property
    def refused(self) -> str | None:
        """Why the call cannot be replayed, if it cannot."""
        return self.world.refused

    def refuse(self, reason: str) -> None:
        """This call cannot be replayed."""
        if self.refused is None:
            self.world.refuse(f"{reason} ({where_is(user_line())})")

    # ---- what the library reports

    def unchanging(self, x: Tensor) -> bool:
        """What this call made of its arguments is written to by nobody; what was there before, an optimizer may move."""
        return id(x) in self._created

    def computing(self, f: Callable) -> None:
        """What is inside is done in every call."""
        self.busy += 1

    def computed(self, f: Callable, inputs: tuple, params: dict[str, Any], out: Any) -> None:
        """It is done in every call; or it is a constant, if it is computed of constants only."""
        self.busy -= 1
        if type(out) is bool:  # by which Python goes on
            self.assumed(f, inputs, out)
        else:
            self._came(f, inputs, params, out)

    def _came(self, f: Callable, inputs: tuple, params: dict[str, Any], out: Any, drawn: bool = False) -> None:
        if self.refused is None:
            self._find([x for x in inputs if isinstance(x, Tensor)])
        if self.refused is None and id(out) not in self._expressions:
            args = tuple([x._data if isinstance(x, Tensor) else x for x in inputs])
            if f in _PURE and all(id(a) in self._fixed for a in args) and self._is_fixed(list(params.values())):
                self.constant(out)
            else:
                self._know(out, self._write(f, args, params, effect=drawn))

    def failed(self) -> None:
        """That depends on values, and somebody may go on after it."""
        self.busy = 0
        self.refuse("an operation raises an error")

    def drew(self, f: Callable, args: tuple, out: Any) -> None:
        """It is drawn anew in every call, used or not: the next draw is another one."""
        self._came(f, args, {}, out, drawn=True)

    def assumed(self, f: Callable, args: tuple, out: bool) -> None:
        """The program holds where it is so again: that is asked first of all, so it may depend on nothing but arguments."""
        if self.refused is None:
            name = self._write(f, args, {}, effect=False, expected=repr(out))
            if self.first([name]) is None:
                self.refuse("what is done next depends on computed values")

    def first(self, names: Iterable[str]) -> set[str] | None:
        """The entries that these need, if all can be computed before anything is changed."""
        found: set[str] = set()
        for name in names:
            entry = self.entries[int(name[1:])]
            below = self.first(NAMES.findall(entry.code)) if entry.steady and not TENSORS.search(entry.code) else None
            if below is None:
                return None
            found |= {name, *below}
        return found

    def attribute_set(self, module: Any, name: str) -> None:
        """Only the library's own methods may set one, which a replay calls again."""
        if self.world.knows(module):
            self.refuse(f"{name!r} of {type(module).__name__} is changed")

    def changed(self, f: Callable, args: tuple, kwargs: dict[str, Any]) -> None:
        """It is done in every call."""
        if self.refused is None:
            for a in args:
                if isinstance(a, np.ndarray) and id(a) in self._fixed:
                    self._renew(a)
            self._write(f, args, kwargs, effect=True)

    def _renew(self, a: Array) -> None:
        """Somebody may keep a constant and change it, or it is there to be written to: each call has one of its own."""
        name = f"v{len(self.entries)}"
        self.entries.append(Entry(name, f"{self._expression(a)}.copy('K')", effect=False))
        self._expressions[id(a)] = name
        self._fixed.discard(id(a))

    def looked(self, why: str, x: Any = None) -> None:
        """What follows may be different in another call."""
        self.refuse(why)

    def made(self, x: Tensor) -> None:
        """It is no tensor that existed before."""
        self._created.add(id(x))
        self._kept.append(x)

    def makes(self, x: Any) -> bool:
        """Whether it is a tensor with a tape that the call made."""
        return isinstance(x, Tensor) and not x.is_leaf and not self.world.knows(x) and id(x) not in self._given

    def constant(self, array: Any) -> None:
        """It is the same in every call."""
        self._fixed.add(id(array))
        self._know(array, self._constant(array))

    def took(self, x: Tensor) -> None:
        """Its array will be met again."""
        self._find([x])

    def detached(self, x: Tensor) -> None:
        """What is made of it has its array."""
        self._find([x])

    def _is_fixed(self, value: Any) -> bool:
        """Whether all arrays in a parameter are the same in every call; labels, indices and winners need not be."""
        if isinstance(value, (tuple, list)):
            return all(map(self._is_fixed, value))
        return id(value) in self._fixed or not _has_arrays(value)

    def _find(self, tensors: Any) -> None:
        """The arrays of these tensors are used: know where they are to be found."""
        for x in tensors:
            if x.pending:
                continue
            if id(x) in self._created:
                if id(x._data) not in self._expressions:
                    self.refuse(_FOREIGN)
            elif id(x._data) not in self._expressions:
                self._own(x, self._tensor(x))
            elif x.node is None and self._owners.get(id(x._data), x) is not x:
                self.refuse("two tensors share one array, and may not always: let one of them be a copy")

    def walk_begun(self, direction: str, tape: list[Tensor]) -> None:
        """Some of the tape was perhaps recorded before."""
        before = [(t, t.node) for t in tape if isinstance(t.node, Node) and t.node.time < self._start]
        for t, node in before:
            self._find((t, *node.inputs))
            for a in (node.saved, *node.params.values()):
                if isinstance(a, (np.ndarray, tuple)) and id(a) not in self._expressions:
                    self._know(a, self._constant(a))
        if before:
            self.changed(unchanged, ([t for t, _ in before], None, None), {})

    def result(self, x: Any) -> str:
        """The expression of what the call returns."""
        if isinstance(x, Tensor):
            if id(x) in self._expressions or id(x) in map(id, self.tensors.values()) or self.world.knows(x):
                return self._expression(x)
            self._find((x,))
            if id(x._data) in self._fixed:
                self._renew(x._data)
            return f"wrap({self._expression(x._data)})"
        if x is None or isinstance(x, (bool, int, float, str)):
            return self._constant(x)
        self.refuse(f"it returns a {type(x).__name__}; return tensors")
        return "None"

    # ---- expressions

    def _know(self, value: Any, expression: str) -> None:
        """Remember where an array, a tensor, or a tuple of arrays, is to be found."""
        self._kept.append(value)
        if isinstance(value, tuple):
            for i, part in enumerate(value):
                self._know(part, f"{expression}[{i}]")
        if isinstance(value, (np.ndarray, np.generic, Tensor)) or _has_arrays(value):
            self._expressions.setdefault(id(value), expression)

    def _own(self, x: Tensor, expression: str) -> None:
        """Remember that this tensor, which existed before, has this array."""
        self._know(x._data, f"{expression}._data")
        self._owners.setdefault(id(x._data), x)

    def _write(
        self, f: Callable, args: tuple, params: dict[str, Any], effect: bool, expected: str | None = None
    ) -> str:
        name = f"v{len(self.entries)}"
        given = [self._expression(a) for a in args]
        code = written(f, args, given, params)
        if code is None:
            given += [f"{k}={self._expression(v)}" for k, v in params.items()]
            code = f"{self._constant(f)}({', '.join(given)})"
        self.entries.append(Entry(name, code, effect, f in _STEADY or expected is not None, expected))
        return name

    def _expression(self, value: Any) -> str:
        known = self._expressions.get(id(value))
        if known is not None:
            return known
        if isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, _SIZES):
            self.refuse(_FOREIGN)
        elif isinstance(value, Tensor):
            if id(value) not in self._created:
                return self._tensor(value)
            self.refuse("a tensor made inside is changed")
        elif type(value) in (tuple, list) and _has_arrays(value):
            inner = ", ".join(map(self._expression, value))
            return f"({inner},)" if type(value) is tuple else f"[{inner}]"
        return self._constant(value)

    def _tensor(self, x: Tensor) -> str:
        """The name of a tensor that existed before."""
        known = self._expressions.get(id(x))
        if known is None:
            known = f"t{len(self.tensors)}"
            self.tensors[known] = self.names[known] = x
            self._know(x, known)
        return known

    def _constant(self, value: Any) -> str:
        if value is None or type(value) in (bool, int):
            return repr(value)
        name = f"c{id(value)}"
        self._kept.append(value)
        mine = id(value) in self._fixed and isinstance(value, np.ndarray)
        self.names[name] = _twin(value) if mine else value  # the caller gets the original, and may change it
        return name


def _twin(a: Array) -> Array:
    """A copy that lies in memory as a does, repeated entries too: by that the order of sums goes, and so their round-off."""
    once = a[(*[slice(0, 1) if stride == 0 and n > 1 else slice(None) for n, stride in zip(a.shape, a.strides)], ...)]
    return np.broadcast_to(once.copy("K"), a.shape) if once.shape != a.shape else once.copy("K")


def _has_arrays(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(map(_has_arrays, value))
    return isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, _SIZES)
