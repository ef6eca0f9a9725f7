"""What a function's result may depend on besides its arguments, found by reading its bytecode.

Python code can only learn something from its arguments, its variables (globals, closure, defaults) and their
attributes, and what it calls. Of all that, `Guards` knows the kinds that it can watch: numbers and strings, tensors,
modules, functions, plain objects and containers of these. Anything else (a random generator, an open file, a clock) is
a reason to refuse; so is a change that the code makes to something outside, which a replay would not repeat.
"""

from __future__ import annotations

import argparse
import builtins
import dis
import functools
import operator
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..tape import HOME, Tensor, attributes

_ERRORS = {v for v in vars(builtins).values() if isinstance(v, type) and issubclass(v, BaseException)}
_PURE = _ERRORS | {
    abs, all, any, bool, callable, complex, dict, divmod, enumerate, filter, float, frozenset, getattr, hasattr,
    int, isinstance, issubclass, len, list, map, max, min, pow, property, range, reversed, round, set, slice, sorted,
    str, sum, super, tuple, type, zip,
}  # fmt: skip
_NUMBERS = (type(None), bool, int, float, complex, str, bytes, type(...), np.dtype, np.generic, range, slice)
_CHANGES = {
    "STORE_GLOBAL", "STORE_ATTR", "STORE_SUBSCR", "DELETE_GLOBAL", "DELETE_ATTR", "DELETE_SUBSCR", "IMPORT_NAME",
}  # fmt: skip
_RECORDS = (types.SimpleNamespace, argparse.Namespace)
_MUTATORS = {
    "append", "extend", "insert", "pop", "remove", "clear", "update", "add", "discard", "setdefault", "sort", "popitem",
}  # fmt: skip
_DRAWS = {"random", "default_rng", "RandomState", "seed", "generator", "held"}
_VALUES = {"state_dict", "load_state_dict", "version", "_data", "tobytes"}
_MOST = 256  # entries of a container that is watched


class Wrapper:
    """What the library makes around a user's function f; it depends on what f depends on."""

    f: Callable


class Guards:
    """The checks that hold as long as f, called with these arguments, depends on nothing that has changed."""

    def __init__(self, f: Callable, flat: Any) -> None:
        self.refused: str | None = None
        self.arguments = len(flat)
        self._given = {id(a) for a in flat if isinstance(a, (np.ndarray, Tensor))}
        self._variables: list[tuple[Any, Any, Any]] = []  # (dict, key, value)
        self._cells: list[tuple[Any, Any]] = []
        self._properties: list[tuple[Any, str, Any]] = []
        self._contents: list[tuple[Any, list]] = []
        self._modules: dict[int, tuple[Any, list]] = {}
        self._seen: dict[int | tuple[int, str], Any] = {}
        self._objects: list[Any] = []  # whose attributes count if some code names them
        self._names: set[str] = set()
        self._look(f, getattr(f, "__name__", "f"))
        before = -1
        while self.refused is None and len(self._names) != before:  # new code may name new attributes
            before = len(self._names)
            for thing in list(self._objects):
                self._attributes(thing)
        self._changes = attributes.changes

    def hold(self) -> bool:
        """Whether everything is as it was."""
        if self._changes != attributes.changes:
            if not all(_same(_own(m), then) for m, then in self._modules.values()):
                return False
            self._changes = attributes.changes
        for variables, name, value in self._variables:
            if variables.get(name, _MISSING) is not value:
                return False
        for cell, value in self._cells:
            if cell.cell_contents is not value:
                return False
        for thing, name, value in self._properties:
            if getattr(thing, name, _MISSING) != value:
                return False
        return all(_same(_entries(container), then) for container, then in self._contents)

    def _refuse(self, reason: str) -> None:
        if self.refused is None:
            self.refused = reason

    # ---- values

    def _look(self, v: Any, name: str) -> None:
        """Watch v, which code reaches as `name`."""
        if isinstance(v, _NUMBERS) or id(v) in self._seen:
            return
        self._seen[id(v)] = v
        if id(v) in self._given:
            self._refuse(f"'{name}' is an argument and a variable at once; use one of them")
        elif isinstance(v, Tensor):
            pass  # the capture knows what is computed with it
        elif isinstance(v, np.ndarray):
            self._refuse(f"the array '{name}' is no argument; pass it as one, or make it a tensor before")
        elif isinstance(v, types.FunctionType):
            self._function(v)
        elif isinstance(v, types.MethodType):
            self._look(v.__self__, name)
            self._look(v.__func__, name)
        elif isinstance(v, functools.partial):
            for part in (v.func, *v.args, *v.keywords.values()):
                self._look(part, name)
        elif isinstance(v, (list, tuple, set, frozenset, dict)):
            self._container(v, name)
        elif isinstance(v, types.ModuleType):
            self._package(v, name)
        elif isinstance(v, (types.BuiltinFunctionType, np.ufunc)) or (isinstance(v, type) and v in _PURE):
            if v not in _PURE and (getattr(v, "__module__", None) or "").split(".")[0] not in ("math", "numpy"):
                self._refuse(f"it calls {name}, which is not known to have no effects")
        elif _is_module(v):
            for m in v.modules():
                self._module(m)
        elif _from_minigrad(v):
            if not isinstance(v, type):
                self._objects.append(v)
                if isinstance(v, Wrapper):
                    self._look(v.f, name)
        elif isinstance(v, type) or not hasattr(v, "__dict__") or not (_is_users(type(v)) or isinstance(v, _RECORDS)):
            kind = v.__name__ if isinstance(v, type) else type(v).__name__
            self._refuse(f"it uses '{name}', a {kind}, of which nothing is known")
        else:
            self._objects.append(v)

    def _container(self, v: Any, name: str) -> None:
        if len(v) > _MOST:
            self._refuse(f"it uses '{name}', a {type(v).__name__} of {len(v)} entries")
            return
        self._contents.append((v, _entries(v)))
        for part in v.values() if isinstance(v, dict) else v:
            self._look(part, name)

    def _package(self, v: types.ModuleType, name: str) -> None:
        package = v.__name__.split(".")[0]
        if package in ("minigrad", "math") or v.__name__ == "numpy":
            return
        if not _is_users(v):
            self._refuse(f"it uses {v.__name__}, of which nothing is known")
        else:
            self._objects.append(v)

    def _module(self, m: Any) -> None:
        """A minigrad Module: its attributes decide what it does. Those of a user's may be anything."""
        if id(m) in self._modules:
            return
        self._seen[id(m)] = m
        self._modules[id(m)] = m, _own(m)
        if _from_minigrad(m):
            return
        for k, v in vars(m).items():
            self._look(v, f"{type(m).__name__}.{k}")
        self._names.add("forward")
        self._objects.append(m)

    def _attributes(self, thing: Any) -> None:
        """Watch those attributes of a plain object that some code names."""
        for k in sorted(self._names):
            own = vars(thing) if hasattr(thing, "__dict__") else {}
            if k in own:
                if (id(thing), k) not in self._seen:
                    self._seen[id(thing), k] = thing
                    self._variables.append((own, k, own[k]))
                    if not _from_minigrad(thing):
                        self._look(own[k], k)
                    elif not isinstance(own[k], _NUMBERS) and not callable(own[k]):
                        self._refuse(f"the attribute {k!r} of {type(thing).__name__} is read")
                continue
            found = getattr(type(thing), k, None)
            if isinstance(found, property):
                if (id(thing), k) not in self._seen:
                    self._seen[id(thing), k] = thing
                    if _from_minigrad(thing):
                        self._properties.append((thing, k, getattr(thing, k)))
                    else:
                        self._look(found.fget, k)
            elif isinstance(found, types.FunctionType) and not _from_minigrad(found):
                self._look(found, k)
            elif found is not None and not callable(found) and not _from_minigrad(thing):
                self._properties.append((thing, k, found))

    # ---- code

    def _function(self, f: types.FunctionType) -> None:
        if f.__code__.co_filename.startswith(HOME):
            return  # the library's own reports what it does
        if not _is_users(f):
            self._refuse(f"it calls {f.__module__}.{f.__qualname__}, of which nothing is known")
            return
        if f.__code__.co_flags & (0x20 | 0x80 | 0x200):
            self._refuse(f"{f.__qualname__} is a generator or a coroutine")
            return
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            try:
                self._cells.append((cell, cell.cell_contents))
            except ValueError:
                self._refuse(f"the variable '{name}' has no value yet")
                return
            self._look(cell.cell_contents, name)
        for value in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
            self._look(value, "a default")
        self._variables.append((_Of(f), "__code__", f.__code__))
        for code in _codes(f.__code__):
            self._code(code, f)

    def _code(self, code: types.CodeType, f: types.FunctionType) -> None:
        loaded: Any = None
        for instruction in dis.get_instructions(code):
            op, name = instruction.opname, instruction.argval
            if op in _CHANGES or (op in ("STORE_DEREF", "DELETE_DEREF") and name in f.__code__.co_freevars):
                self._refuse(f"{f.__qualname__} changes {name!r}" if name else f"{f.__qualname__} changes an entry")
            elif op in ("LOAD_GLOBAL", "LOAD_NAME"):
                if name in f.__globals__:
                    loaded = f.__globals__[name]
                    self._variables.append((f.__globals__, name, loaded))
                    self._look(loaded, name)
                elif getattr(builtins, name, None) not in _PURE:
                    self._refuse(f"{f.__qualname__} calls {name}")
            elif op in ("LOAD_ATTR", "LOAD_METHOD"):
                on_package = isinstance(loaded, types.ModuleType)
                if name in _DRAWS:
                    self._refuse(f"{f.__qualname__} draws random numbers ('{name}')")
                elif name in _VALUES:
                    self._refuse(f"{f.__qualname__} reads or sets values ('{name}')")
                elif (
                    name in _MUTATORS
                    and not on_package
                    and any(isinstance(v, (list, dict, set)) for v in self._seen.values())
                ):
                    self._refuse(f"{f.__qualname__} may change a container ('{name}')")
                elif name == "grad" and not on_package:
                    self._refuse(f"{f.__qualname__} reads a gradient ('grad')")
                self._names.add(name)
                loaded = getattr(loaded, name, None) if on_package else None
            elif op not in ("PRECALL", "PUSH_NULL", "CACHE", "EXTENDED_ARG", "RESUME"):
                loaded = None


class _Of:
    """A function's attributes, as a dict."""

    def __init__(self, f: types.FunctionType) -> None:
        self.f = f

    def get(self, key: str, default: Any) -> Any:
        return getattr(self.f, key, default)


_MISSING = object()


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _own(m: Any) -> list:
    """The attributes of a module, those of its containers included."""
    found = []
    for k, v in vars(m).items():
        found += [k, v, *(_entries(v) if isinstance(v, (list, tuple, dict)) else ())]
    return found


def _entries(container: Any) -> list:
    return [x for item in container.items() for x in item] if isinstance(container, dict) else list(container)


def _same(now: list, then: list) -> bool:
    """Whether two lists hold the same objects. (Those of `then` are kept alive by it, so no other can take their place.)"""
    return len(now) == len(then) and all(map(operator.is_, now, then))


def _is_module(v: Any) -> bool:
    return any(c.__module__.startswith("minigrad.") and c.__name__ == "Module" for c in type(v).__mro__)


def _from_minigrad(v: Any) -> bool:
    module = v.__module__ if isinstance(v, (type, types.FunctionType)) else type(v).__module__
    return module is not None and module.split(".")[0] == "minigrad"


_INSTALLED = tuple({os.path.dirname(os.__file__) + os.sep, *(p for p in sys.path if p.endswith("-packages"))})


def _is_users(v: Any) -> bool:
    """Whether a function, class or module is the user's own code, not an installed library's or Python's."""
    if isinstance(v, types.FunctionType):
        file = v.__code__.co_filename
    else:
        module = v if isinstance(v, types.ModuleType) else sys.modules.get(v.__module__)
        if module is not None and module.__name__.split(".")[0] in sys.stdlib_module_names - {"__main__"}:
            return False
        file = getattr(module, "__file__", None) or ""
    return not file.startswith(_INSTALLED)
