"""What a call depends on besides its arguments: every place that its code reads.

While a call is recorded, each function that Python runs is seen (`sys.setprofile`), and before it runs its bytecode is
read: the variables, attributes and containers that it can reach become places, with what they hold. So the world is
closed: what runs was read, what was read is watched, and what is of no kind that is known here refuses the recording.

Why a replay is right: code that does the same from the same is a function of what it reads. If every place holds what it
held when the recording began, and the recording left all places as they were, the code would do again what it did; and
what it did to arrays is in the program. What the library does passes its own doors; nothing here knows an operation.
"""

from __future__ import annotations

import argparse
import builtins
import collections
import functools
import itertools
import math
import operator
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import tree
from ..ops.by_numpy import counterpart
from ..tape import HOME, Tensor, state
from .code import Chain, reads
from .places import ABSENT, Places, content

_ERRORS = {v for v in vars(builtins).values() if isinstance(v, type) and issubclass(v, BaseException)}
_PURE = _ERRORS | {
    abs, all, any, bool, bytes, callable, complex, dict, divmod, enumerate, filter, float, frozenset, getattr, hasattr, int,
    isinstance, issubclass, iter, len, list, map, max, min, next, object, pow, property, range, reversed, round, set, slice,
    sorted, str, sum, super, tuple, type, zip, functools.partial, functools.reduce, collections.deque,
    collections.OrderedDict, types.SimpleNamespace, *(v for v in vars(itertools).values() if isinstance(v, type)),
    *(v for v in [*vars(math).values(), *vars(operator).values()] if isinstance(v, types.BuiltinFunctionType)),
}  # fmt: skip
_OF_NUMPY = {
    "broadcast_shapes", "can_cast", "finfo", "iinfo", "isscalar", "issubdtype", "prod", "promote_types", "result_type",
}  # fmt: skip
_PACKAGES = {"minigrad", "math", "operator", "itertools", "functools", "collections", "types", "builtins"}
_FIXED = {type(None), bool, int, float, complex, str, bytes, type(...), range, slice, type(NotImplemented)}
_CONTAINERS = {list, tuple, set, frozenset, dict, collections.OrderedDict, collections.deque}
_RECORDS = {types.SimpleNamespace, argparse.Namespace}
_VIEWS = {type({}.keys()), type({}.values()), type({}.items())}
_PASSING = {types.GeneratorType, zip, map, filter, enumerate, reversed, *_VIEWS}  # a call makes them and uses them up
_MOST = 256  # entries of a container that is watched

_HIDDEN = {"grad", "node", "version", "handed", "locked", "_data"}  # of a tensor: they change, and are not watched
_SAID = {"requires_grad", "name", "is_leaf", "dtype"}  # those that are

_WORKS = tuple(
    os.path.join(HOME, part)
    for part in (
        "tape", "ops", "nn", "optim", "kernels", "compile", "calculus.py", "recompute.py", "fft.py", "linalg.py", "special.py",
        "keywords.py", "tree.py", "errors.py", "ranges.py", "declared.py", os.path.join("train", "averaging.py"),
    )
)  # fmt: skip  # the library's own that reports what it does
_PYTHON = os.path.dirname(os.__file__) + os.sep
_INSTALLED = tuple({_PYTHON, *(p for p in sys.path if p.endswith("-packages"))})
_NUMPY = os.path.dirname(np.__file__) + os.sep
_CONTEXTS = _PYTHON + "contextlib.py"
_HERE = os.path.dirname(__file__) + os.sep


class Wrapper:
    """What the library makes around a user's function f; it depends on what f depends on."""

    f: Callable


class World:
    """The places that a function depends on when it is called with these arguments."""

    def __init__(self, f: Callable, flat: Any) -> None:
        self.refused: str | None = None
        self.places = Places()
        self.watched: list[Tensor] = []  # those that it can reach
        self._given = {id(a) for a in flat if isinstance(a, (np.ndarray, Tensor))}
        self._arrays = any(isinstance(a, np.ndarray) for a in flat)
        self._reached: dict[int, Any] = {}
        self._objects: list[Any] = []  # whose attributes count if some code names them
        self._functions: dict[types.CodeType, list[types.FunctionType]] = {}
        self._inner: set[types.CodeType] = set()  # of functions that are made while the call runs
        self._read: set[types.CodeType] = set()
        self._names: set[str] = set()
        self.reach(f, getattr(f, "__name__", "f"))

    def refuse(self, reason: str) -> None:
        """This call cannot be replayed; the first reason stays."""
        if self.refused is None:
            self.refused = reason

    def knows(self, v: Any) -> bool:
        """Whether v was there before the call, and the call can reach it."""
        return id(v) in self._reached

    # ---- what runs

    @contextmanager
    def witness(self) -> Iterator[None]:
        """Within the block, each function that this thread runs is read before it runs."""
        before, watcher = sys.getprofile(), state.watcher

        def see(frame: types.FrameType, event: str, called: Any) -> None:
            if self.refused is not None:
                sys.setprofile(before)
            elif state.watcher is watcher and not watcher.busy:  # type: ignore[union-attr]  # else it is done in each replay
                if event == "call":
                    self._runs(frame)
                    if self.refused is not None:
                        self._uncover(frame)
                elif event == "c_call" and _whose(frame) == "user" and not _imports(frame):
                    self._calls(frame, called)

        sys.setprofile(see)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _uncover(self, frame: types.FrameType) -> None:
        """Let a function that will not be replayed have its arguments as they were given."""
        for name, v in [*frame.f_locals.items()]:
            plain = tree.exchange(v, state.watcher.returned)  # type: ignore[union-attr]
            if plain is not v:
                frame.f_locals[name] = plain

    def _runs(self, frame: types.FrameType) -> None:
        whose, caller, file = _whose(frame), frame.f_back, frame.f_code.co_filename
        if whose != "library" and _imports(frame):
            return
        if whose == "user":
            self._begins(frame)
        elif whose == "library":
            if caller is not None and _whose(caller) == "user" and not file.startswith(("<", *_WORKS)):
                self.refuse(
                    f"it calls {frame.f_code.co_name} ({os.path.relpath(file, HOME)}), which does more than compute"
                )
        elif whose == "other":
            while caller is not None and _whose(caller) == "other":
                caller = caller.f_back
            if caller is not None and _whose(caller) == "user":
                self.refuse(f"it calls {_title(frame.f_code)} of {os.path.basename(file)}, of which nothing is known")

    def _calls(self, frame: types.FrameType, f: Any) -> None:
        """A function that is no Python code; the method of a number, string or container changes that alone."""
        if not (_is_pure(f) or type(getattr(f, "__self__", f)) in _FIXED | _CONTAINERS | _PASSING):
            self.refuse(f"{_title(frame.f_code)} calls {_called(f)}, which is not known to have no effects")

    def _begins(self, frame: types.FrameType) -> None:
        """A function of the user's: read what its code reads."""
        code, first = frame.f_code, frame.f_code not in self._read
        found, who = reads(code), _title(code)
        if found.refused is not None:
            self.refuse(f"{who} {found.refused}")
        elif code not in self._functions and code not in self._inner:
            self.refuse(f"{who} runs, which it reaches in a way that is not watched")
        if self.refused is not None:
            return
        if first:
            self._read.add(code)
            self._inner.update(found.inner)
            for f in self._functions.get(code, ()):
                self._function(f)
            for chain in found.chains:
                if chain.kind == "global":
                    self._global(frame, chain, who)
            self._look_for(found.names, who, found.stored)
        for chain in found.chains:
            if chain.kind != "global" and chain.variable in frame.f_locals:
                mine = chain.kind == "parameter" or code not in self._functions
                self._follow(frame.f_locals[chain.variable], chain, who, mine)

    def _function(self, f: types.FunctionType) -> None:
        """What a function is besides the code that runs."""
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            self.places.watch("variable", name, "cell", cell, name, content(cell))
            if not isinstance(content(cell), types.ModuleType) and content(cell) is not ABSENT:
                self.reach(content(cell), name)  # functions inside of it may read it
        for part in ("__code__", "__defaults__", "__kwdefaults__"):
            self.places.watch("function", f.__name__, "attribute", f, part, getattr(f, part))
        for values in (f.__defaults__, f.__kwdefaults__):
            self.reach(values, f"the defaults of {f.__name__}")

    def _global(self, frame: types.FrameType, chain: Chain, who: str) -> None:
        name = chain.variable
        value = frame.f_globals.get(name, ABSENT)
        self.places.watch("variable", name, "entry", frame.f_globals, name, value)
        if value is ABSENT:
            value = frame.f_builtins.get(name, ABSENT)
            self.places.watch("variable", name, "entry", frame.f_builtins, name, value)
            if value is type and self._arrays:
                self.refuse(f"{who} asks for a type, and arrays are of another while a call is recorded")
        if value is not ABSENT:
            self._follow(value, chain, who)

    # ---- what code reads

    def _follow(self, v: Any, chain: Chain, who: str, mine: bool = False) -> None:
        """Watch what a chain reads off the value of its variable; of one of the call's own, which may be new, if that is known."""
        if mine and not self.knows(v) and not isinstance(v, types.ModuleType):
            for name in chain.attributes[:1]:
                self._of_tensor(v, name, who, chain.stored and len(chain.attributes) == 1)
            self._look_for([*chain.attributes[1:], *({*chain.attributes[:1]} - _HIDDEN - _SAID)], who)
            return
        if chain.stored and not chain.attributes:
            return
        names = [chain.variable, *chain.attributes]
        for i, name in enumerate(chain.attributes, 1):
            sets = chain.stored and i == len(chain.attributes)
            if not isinstance(v, types.ModuleType):
                self.reach(v, names[i - 1])
            v = self._attribute(v, name, who, sets) if self.refused is None else ABSENT
            if v is ABSENT or sets:
                return self._look_for(chain.attributes[i:], who)
        self.reach(v, names[-1], chain.called)

    def _look_for(self, names: Iterable[str], who: str, stored: Iterable[str] = ()) -> None:
        """Some code reads these attributes of what nobody knows: watch them of all that it can reach."""
        for name in {*names} & _HIDDEN:
            self.refuse(f"{who} reads {'a gradient' if name == 'grad' else 'what only the library may'} ({name!r})")
        for name in {*stored} & _SAID:
            self.refuse(f"{who} sets {name!r}")
        new = sorted({*names} - self._names)
        self._names.update(new)
        for v in [*self._objects, *(self.watched if _SAID & {*new} else ())]:
            self._find(v, new)

    def _find(self, v: Any, names: Iterable[str]) -> None:
        for name in names:
            found = self._attribute(v, name, "it")
            if found is not ABSENT and not isinstance(found, types.ModuleType):  # through a module goes a chain
                self.reach(found, name)

    def _attribute(self, v: Any, name: str, who: str, sets: bool = False) -> Any:
        """Watch an attribute; returns its value, or ABSENT where there is none, or code or the library finds it."""
        if isinstance(v, Tensor):
            return self._of_tensor(v, name, who, sets)
        if isinstance(v, types.ModuleType):
            return self._of_package(v, name, who, sets)
        if type(v) in _FIXED | _CONTAINERS | _PASSING or isinstance(v, (np.ndarray, np.generic, np.dtype, np.ufunc)):
            return ABSENT  # methods, seen when they are called
        library = _is_minigrads(v) and not _is_module(v)
        if library and sets:
            self.refuse(f"{who} sets {name!r} of {type(v).__name__}")
        defined = _static(v if isinstance(v, type) else type(v), name)
        own = ABSENT if isinstance(v, type) else getattr(v, "__dict__", {}).get(name, ABSENT)
        if isinstance(defined, property) and not library:
            return ABSENT  # its function runs
        if own is ABSENT and hasattr(type(defined), "__set__"):  # a slot
            own = getattr(v, name, ABSENT)
            self.places.watch("attribute", name, "attribute", v, name, own)
        elif not isinstance(v, (type, types.FunctionType)) and hasattr(v, "__dict__") and not _is_module(v):
            self.places.watch("attribute", name, "entry", vars(v), name, own)
        found = defined if own is ABSENT else own
        if library and not (
            type(found) in _FIXED or isinstance(found, np.generic) or callable(found) or found is ABSENT
        ):
            self.refuse(f"the attribute {name!r} of {type(v).__name__} is read")
        if own is ABSENT and (isinstance(defined, (types.FunctionType, staticmethod, classmethod)) or library):
            return ABSENT
        return found

    def _of_tensor(self, t: Any, name: str, who: str, sets: bool) -> Any:
        if isinstance(t, Tensor):
            if name in _HIDDEN or (sets and name in _SAID) or (name in _SAID - {"dtype"} and not self.knows(t)):
                self.refuse(
                    f"{who} {'sets' if sets else 'reads'} {'a gradient' if name == 'grad' else 'of a tensor'} ({name!r})"
                )
            elif name in _SAID:
                self.places.watch("attribute", name, "attribute", t, name, getattr(t, name))
        return ABSENT

    def _of_package(self, v: types.ModuleType, name: str, who: str, sets: bool) -> Any:
        if not (
            v.__name__.split(".")[0] in _PACKAGES
            or v.__name__ in ("numpy", "numpy.linalg", "numpy.fft")
            or _is_users_module(v)
        ) or (sets and not _is_users_module(v)):
            self.refuse(f"{who} {'sets' if sets else 'uses'} {v.__name__}.{name}, of which nothing is known")
            return ABSENT
        value = getattr(v, name, ABSENT)
        how, holder = ("entry", vars(v)) if name in vars(v) else ("attribute", v)
        self.places.watch("attribute", f"{v.__name__}.{name}", how, holder, name, value)
        return value

    # ---- what is reached

    def reach(self, v: Any, name: str, called: bool = False) -> None:
        """Watch v, which code reaches as `name`."""
        kind = type(v)
        if kind in _FIXED:
            return
        if id(v) in self._given:
            return self.refuse(f"'{name}' is an argument and a variable at once; use one of them")
        if isinstance(v, type):
            return self._class(v, name, called)
        if id(v) in self._reached:
            return
        self._reached[id(v)] = v
        if isinstance(v, Tensor):
            self._tensor(v)
        elif isinstance(v, np.ndarray):
            self.refuse(f"the array '{name}' is no argument; pass it as one, or make it a tensor before")
        elif kind is types.FunctionType:
            self._code(v, name)
        elif kind is types.MethodType:
            self.reach(v.__self__, name)
            self.reach(v.__func__, name)
        elif kind is functools.partial:
            for part in (v.func, v.args, v.keywords):
                self.reach(part, name)
            self._object(v)
        elif kind is types.MemberDescriptorType:
            return  # a slot: what it finds is watched with the object
        elif kind in (staticmethod, classmethod, property):
            for f in (v.fget, v.fset, v.fdel) if kind is property else (v.__func__,):
                self.reach(f, name)
        elif kind in _CONTAINERS:
            self._container(v, name)
        elif isinstance(v, types.ModuleType):
            self.refuse(f"the module {v.__name__} is used as a value; write {v.__name__}.name")
        elif kind is types.BuiltinFunctionType:
            if not _is_pure(v):
                self.refuse(f"it uses {_called(v)}, which is not known to have no effects")
        elif _is_module(v):
            for m in v.modules():
                self._module(m)
        elif _is_minigrads(v):
            self._object(v)
            self._used_by_library(v.f if isinstance(v, Wrapper) else None, name)
        elif kind in _RECORDS or _is_plain(kind):
            self._class(kind, name)
            self.places.watch("class", kind.__name__, "kind", v, "", kind)
            self._object(v)
        elif (
            not isinstance(v, (np.ufunc, np.dtype))
            and not _for_tensors(v)
            and not (isinstance(v, np.generic) and v.dtype.kind != "V")
        ):
            self.refuse(f"it uses '{name}', a {kind.__name__}, of which nothing is known")

    def _object(self, v: Any) -> None:
        self._objects.append(v)
        self._find(v, sorted(self._names))

    def _tensor(self, t: Tensor) -> None:
        self.watched.append(t)
        self._reached[id(t)] = t
        self._find(t, self._names & _SAID)

    def _code(self, f: types.FunctionType, name: str) -> None:
        file = f.__code__.co_filename
        if _is_users(file):
            self._functions.setdefault(f.__code__, []).append(f)
            if f.__code__ in self._read:
                self._function(f)
            self.places.contain("function", f.__name__, vars(f))
            self._object(f)
        elif file.startswith(HOME) or file == _CONTEXTS:
            for values in ([content(c) for c in f.__closure__ or ()], f.__defaults__ or (), f.__kwdefaults__ or {}):
                self._used_by_library(values, name)
        elif file.startswith(_NUMPY) and f.__name__ not in _OF_NUMPY and not _for_tensors(f):
            self.refuse(f"it uses {f.__name__} of NumPy, which is not known to have no effects")

    def _used_by_library(self, v: Any, name: str) -> None:
        """What the library holds for the user, and may call; the rest of what it holds is its own affair."""
        if isinstance(v, (types.FunctionType, types.MethodType, functools.partial, Wrapper)) or _is_module(v):
            self.reach(v, name)
        elif type(v) in _CONTAINERS:
            for part in v.values() if isinstance(v, dict) else v:
                self._used_by_library(part, name)
        elif isinstance(v, Tensor):
            self._tensor(v)
        elif callable(v) and _is_plain(type(v)):
            self.reach(v, name)

    def _container(self, v: Any, name: str) -> None:
        if len(v) > _MOST:
            return self.refuse(f"it uses '{name}', a {type(v).__name__} of {len(v)} entries")
        if not isinstance(v, (tuple, frozenset)):
            self.places.contain("container", name, v)
        for part in [x for item in v.items() for x in item] if isinstance(v, dict) else v:
            self.reach(part, name)

    def _module(self, m: Any) -> None:
        """An nn.Module: its attributes decide what it does."""
        if id(m) not in self.places.models:
            self._reached[id(m)] = m
            self.places.model(m)
            self._class(type(m), type(m).__name__)
            self.places.watch("class", type(m).__name__, "kind", m, "", type(m))
            self._object(m)
            for name, v in vars(m).items():
                self._used_by_library(v, name)

    def _class(self, kind: type, name: str, called: bool = False) -> None:
        """What a class and those above it define; whether an instance has it or not is seen here, too."""
        if kind in _PURE or kind in _RECORDS:
            return
        if issubclass(kind, np.generic):
            if called:
                self.refuse(f"it calls {name} of NumPy, which may read the values of an array")
        elif not (_is_minigrads(kind) or _is_plain(kind)):
            self.refuse(f"it uses '{name}', a class {kind.__name__} of which nothing is known")
        elif id(kind) not in self._reached:
            self._reached[id(kind)] = kind
            if not _is_minigrads(kind):
                self.places.watch("class", kind.__name__, "attribute", kind, "__mro__", kind.__mro__)
            for method in ("__call__", "forward") if _is_module(kind) else ():  # of a layer of the library, too
                self.places.watch("class", method, "attribute", kind, method, getattr(kind, method, ABSENT))
            for c in kind.__mro__:
                if c is object or (_is_minigrads(c) and not _is_module(c)):
                    continue
                self._object(c)
                if _is_minigrads(c):
                    continue
                self.places.contain("class", c.__name__, c)
                for part in vars(c).values():
                    if isinstance(part, (types.FunctionType, staticmethod, classmethod, property)):
                        self.reach(part, c.__name__)  # some run without being named


# ---- kinds -------------------------------------------------------------------------------------------------------


def _is_pure(f: Any) -> bool:
    of = getattr(f, "__self__", None)
    if isinstance(of, types.ModuleType) or of is None:
        return f in _PURE or ((getattr(f, "__module__", "") or "").startswith("numpy") and f.__name__ in _OF_NUMPY)
    return type(of) in _FIXED or (isinstance(of, type) and of in _PURE) or isinstance(of, np.generic)


def _for_tensors(f: Any) -> bool:
    """Whether f is a function of NumPy that takes tensors, too: it makes a result, and changes nothing."""
    mine = callable(f) and hasattr(f, "__name__") and (getattr(f, "__module__", None) or "").startswith("numpy")
    return mine and counterpart(f) is not None


def _called(f: Any) -> str:
    module, name = getattr(f, "__module__", None), getattr(f, "__qualname__", type(f).__name__)
    return f"{module}.{name}" if isinstance(module, str) and module != "builtins" else name


def _title(code: types.CodeType) -> str:
    return code.co_qualname.replace("<locals>.", "")


def _static(kind: type, name: str) -> Any:
    return next((vars(c)[name] for c in kind.__mro__ if name in vars(c)), ABSENT)


def _is_module(v: Any) -> bool:
    kind = v if isinstance(v, type) else type(v)
    return any(c.__module__.startswith("minigrad.") and c.__name__ == "Module" for c in kind.__mro__)


def _is_minigrads(v: Any) -> bool:
    module = v.__module__ if isinstance(v, (type, types.FunctionType)) else type(v).__module__
    return module is not None and module.split(".")[0] == "minigrad"


def _is_plain(kind: type) -> bool:
    """Whether a class is the user's, made of nothing but classes of the user's or the library's."""
    return all(c is object or (type(c) is type and (_is_minigrads(c) or _is_users_module(c))) for c in kind.__mro__)


def _is_users(file: str) -> bool:
    """Whether code is the user's own: not the library's, nor an installed one's or Python's."""
    return not file.startswith(HOME) and not file.startswith(_INSTALLED) and not file.startswith("<frozen")


def _whose(frame: types.FrameType) -> str:
    """Who wrote the code that runs: the 'user', the 'library', 'other' people, or those that call on others' behalf."""
    file = frame.f_code.co_filename
    if file.startswith(HOME):
        return "library"
    if file == _CONTEXTS or file.startswith(_NUMPY):
        return "between"
    if file.startswith("<"):  # made of a text: by dataclasses for a class, by namedtuple, or in a notebook
        package = str(frame.f_globals.get("__name__")).split(".")[0]
        if package.startswith("namedtuple_"):
            return "between"
        return (
            "library"
            if package == "minigrad"
            else "other"
            if package in sys.stdlib_module_names - {"__main__"}
            else "user"
        )
    return "other" if file.startswith(_INSTALLED) else "user"


def _imports(frame: types.FrameType | None) -> bool:
    """Whether what runs in the call that is recorded is the code of a module: Python too runs it once, at the first call."""
    while frame is not None and not frame.f_code.co_filename.startswith(_HERE):
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _is_users_module(v: Any) -> bool:
    """The same of a module of code, or of the one that a class stands in."""
    module = v if isinstance(v, types.ModuleType) else sys.modules.get(v.__module__)
    if module is not None and module.__name__.split(".")[0] in sys.stdlib_module_names - {"__main__"}:
        return False
    return _is_users(getattr(module, "__file__", None) or "")
