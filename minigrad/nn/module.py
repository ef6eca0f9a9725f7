"""Objects that own parameters: a Module finds them by walking its own attributes, in the order of assignment.

Parameters, buffers and submodules are told apart by their type, also inside lists, tuples and dicts, nested as they
may be. Nothing is registered, so an attribute is only ever an attribute, and `__init__` needs no call to `super()`.
Other collections, a set or a deque, are refused if they alone hold a parameter; other objects, iterators and closures
are not looked into. This file computes nothing: what a module does is its `forward`.
"""

from __future__ import annotations

import difflib
import reprlib
import threading
import weakref
from collections import UserDict, UserList, deque
from collections.abc import Callable, Iterator, Mapping, Set, ValuesView
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np

from ..errors import check_function, named, shown
from ..keywords import respelt
from ..ranges import ANYTHING, SWITCH, check, instance
from ..tape import Array, Tensor, as_array, attributes, copied, effectful, state
from ..typing import ArrayLike, DTypeLike
from .hooks import _Hooked


class Parameter(Tensor):
    """A leaf tensor that a model learns, a copy of `data`: of a float dtype, and requiring grad.

    >>> Parameter(np.zeros(3, np.float32)).requires_grad
    True
    """

    __slots__ = ()

    @named
    def __init__(self, data: ArrayLike) -> None:
        super().__init__(copied(data), requires_grad=True)
        self.handed = None


class Buffer(Tensor):
    """A leaf tensor that belongs to a model's state but is not learnt, such as a running mean."""

    __slots__ = ()

    @named
    def __init__(self, data: ArrayLike) -> None:
        super().__init__(copied(data))
        self.handed = None


class LoadedKeys(NamedTuple):
    """What `load_state_dict(strict=False)` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class _Paths(threading.local):
    """The path of each module of the model that this thread calls, by identity."""

    def __init__(self) -> None:
        self.now: dict[int, str] = {}  # of those below the outermost one that is being called
        self._found: weakref.WeakKeyDictionary[Module, tuple[int, str, dict[int, str]]] = weakref.WeakKeyDictionary()

    def below(self, module: Module, scope: str) -> dict[int, str]:
        """Of the module and all below; what was found is good until an attribute of a module changes."""
        found = self._found.get(module)
        if found is None or found[:2] != (attributes.changes, scope):
            below = _walk(module, scope)
            _name(below)
            found = attributes.changes, scope, {id(m): path for path, m in reversed(below) if isinstance(m, Module)}
            self._found[module] = found
        return found[2]


_paths = _Paths()


class Module(_Hooked):
    """Base of all layers and models: assign parameters and modules to attributes, and define `forward`.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Parameter(np.array([2.0, 3.0]))
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> model = Scale()
    >>> model(np.array([1.0, 1.0])).data, [path for path, _ in model.named_parameters()]
    (array([2., 3.]), ['factor'])
    """

    training = True
    frozen = False  # see `train.freeze`

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """forward(*args, **kwargs); operations are recorded under this module's path below the outermost call."""
        watcher, forward = state.watcher, self.forward if not self._hooks else self._hooked
        if "input" in kwargs:  # PyTorch's name for what is x here
            args, kwargs = respelt(self.forward, args, kwargs) or (args, kwargs)
        if watcher is None and not state.recording:
            return forward(*args, **kwargs)
        scope, paths = state.scope, _paths.now
        if id(self) not in paths:  # the outermost call names everything below it
            _paths.now = _paths.below(self, scope)
        state.scope = _paths.now[id(self)]
        if watcher is not None:
            watcher.entered(state.scope, self)
        try:
            return forward(*args, **kwargs)
        finally:
            if watcher is not None:
                watcher.left(state.scope, self)
            state.scope, _paths.now = scope, paths

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls) and cls.__module__.startswith(__package__.partition(".")[0] + "."):
            cls.__init__ = named(cls.__init__)  # type: ignore[method-assign]
        for name, x in vars(cls).items():
            found = _walk(x) if isinstance(x, Module) else [("", x)]
            if any(isinstance(y, _STATE) for _, y in found):
                what = f"{cls.__name__}.{name} is a {type(x).__name__} of the class, whose parameters no model finds"
                raise TypeError(f"{what}; assign it in __init__: self.{name} = …")

    def __setattr__(self, name: str, value: Any) -> None:
        had = vars(self).get(name)
        if isinstance(had, _STATE) and value is not None and not isinstance(value, _kind(had)):
            kind, who = _kind(had).__name__, type(self).__name__
            raise TypeError(
                f"{who}: {name} is a {kind}, {had.dtype} {had.shape}; with a {type(value).__name__} in its place {who} would "
                f"no longer have it: set its numbers ({name}.data = …), assign an nn.{kind}(…), or delete it first (del)"
            )
        self._changes(name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        self._changes(name)
        object.__delattr__(self, name)

    def _changes(self, name: str) -> None:
        attributes.changed()
        if state.watcher is not None:
            state.watcher.attribute_set(self, name)

    # ---- what it holds

    def named_modules(self) -> list[tuple[str, Module]]:
        """Each module once, with its path: this one first, under ''."""
        return _first_paths(self, Module)

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """Each parameter once, with its path, e.g. 'stage1.0.conv1.weight', which also becomes its name in messages."""
        found = _first_paths(self, Parameter)
        _name(found)
        return found

    def named_buffers(self) -> list[tuple[str, Buffer]]:
        """Each buffer once, with its path."""
        return _first_paths(self, Buffer)

    def modules(self) -> list[Module]:
        """This module and all below it, each once."""
        return [m for _, m in self.named_modules()]

    def parameters(self) -> list[Parameter]:
        """All parameters, shared ones once, in the order of assignment."""
        return [p for _, p in self.named_parameters()]

    def buffers(self) -> list[Buffer]:
        """All buffers, shared ones once, in the order of assignment."""
        return [b for _, b in self.named_buffers()]

    def named_children(self) -> list[tuple[str, Module]]:
        """The modules that this one holds itself, each once, with their names ('blocks.0' in a list)."""
        found: dict[int, tuple[str, Module]] = {}
        for name, m in holdings(vars(self)):
            if isinstance(m, Module):
                found.setdefault(id(m), (name, m))
        return list(found.values())

    def children(self) -> list[Module]:
        """The modules that this one holds itself, each once."""
        return [m for _, m in self.named_children()]

    @named
    def get_submodule(self, target: str) -> Any:
        """The module of that path; '' is this one."""
        return self._at("get_submodule", target, Module)

    @named
    def get_parameter(self, target: str) -> Any:
        """The parameter of that path."""
        return self._at("get_parameter", target, Parameter)

    @named
    def get_buffer(self, target: str) -> Any:
        """The buffer of that path."""
        return self._at("get_buffer", target, Buffer)

    def _at(self, who: str, path: str, kind: type) -> Any:
        check(who, instance(str, "a path, such as 'stage1.0'"), target=path)
        there = {p: x for p, x in _found(self) if isinstance(x, kind)}
        if path not in there:
            near = difflib.get_close_matches(path, there, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{who}: {type(self).__name__} has no {kind.__name__} of the path {path!r}{hint}")
        return there[path]

    @effectful
    def add_module(self, name: str, module: Module | None) -> None:
        """The same as an assignment: self.name = module."""
        self._add("add_module", name, module, instance((Module, type(None)), "a Module, or None"))

    register_module = add_module

    @effectful
    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """The same as an assignment: self.name = param."""
        self._add("register_parameter", name, param, instance((Parameter, type(None)), "an nn.Parameter, or None"))

    @effectful
    @named
    def register_buffer(self, name: str, tensor: ArrayLike | None, persistent: bool = True) -> None:
        """The same as the assignment self.name = nn.Buffer(tensor); if not persistent, of a plain tensor, no state."""
        check("register_buffer", SWITCH, persistent=persistent)
        made = tensor if tensor is None or isinstance(tensor, Buffer) else Buffer(tensor)
        self._add("register_buffer", name, made if persistent or made is None else made.detach())

    def _add(self, who: str, name: str, x: Any, allowed: Any = ANYTHING) -> None:
        if not isinstance(name, str) or not name or "." in name or hasattr(type(self), name):
            raise ValueError(
                f"{who}: name is {shown(name)}; it must be a name without a dot that the class does not use"
            )
        check(who, allowed, **{name: x})
        setattr(self, name, x)

    @named
    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call fn(module) for every module below, then for this one; returns self."""
        check_function("apply", "fn", fn)
        for m in self.children():
            m.apply(fn)
        fn(self)
        return self

    # ---- modes

    @effectful
    def train(self, mode: bool = True) -> Self:
        """Set `training` here and in all modules below, but for those `frozen`, which stay in test mode; returns self."""
        check("train", SWITCH, mode=mode)
        for m in self.modules():
            if m.training is not (now := mode and not m.frozen):
                m.training = now
        return self

    def eval(self) -> Self:
        """Test mode: no dropout, running statistics used and left alone; returns self."""
        return self.train(False)

    @effectful
    def requires_grad_(self, flag: bool = True) -> Self:
        """Let all parameters learn, or freeze them; returns self."""
        for p in self.parameters():
            p.requires_grad = flag
        return self

    @effectful
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; or fill those that there are with zeros."""
        check("zero_grad", SWITCH, set_to_none=set_to_none)
        for p in self.parameters():
            p.grad = None if set_to_none or p.grad is None else np.zeros_like(p.grad)

    @named
    @effectful
    def astype(self, dtype: DTypeLike) -> Self:
        """Turn parameters, their gradients and float buffers into another float dtype, in place; returns self.

        Buffers, such as running statistics, stay in float32 when the others go to float16. Raises TypeError if `dtype`
        is no float dtype.
        """
        dtype = np.dtype(dtype)
        if dtype.kind != "f":
            raise TypeError(f"astype: {dtype} is not a float dtype; parameters need one, e.g. float32")
        for xs, into in (self.parameters(), dtype), (self.buffers(), np.result_type(dtype, np.float32)):
            for x in xs:
                if x.dtype.kind == "f" and x.dtype != into:
                    x.assign(x.read().astype(into))
                    x.grad = None if x.grad is None else x.grad.astype(into)
        return self

    @named
    def to(self, where: Any = None, dtype: DTypeLike | None = None) -> Self:
        """`astype`, in PyTorch's words: to('float64'), or to('cpu'), where everything is; returns self."""
        if isinstance(where, str) and where.partition(":")[0] in ("cpu", "cuda", "mps"):
            if where != "cpu":
                raise ValueError(f"to: the device is {where!r}; minigrad computes on the CPU: to('cpu')")
            where = None
        dtype = where if dtype is None else dtype
        return self if dtype is None else self.astype(dtype)

    def cpu(self) -> Self:
        """Self: everything is on the CPU."""
        return self

    def type(self, dst_type: DTypeLike) -> Self:
        """The same as `astype`."""
        return self.astype(dst_type)

    def half(self) -> Self:
        """Parameters in float16, buffers in float32; returns self."""
        return self.astype(np.float16)

    def float(self) -> Self:
        """Parameters and float buffers in float32; returns self."""
        return self.astype(np.float32)

    def double(self) -> Self:
        """Parameters and float buffers in float64; returns self."""
        return self.astype(np.float64)

    # ---- state

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers by path.

        A snapshot: training on does not change it (PyTorch's holds references). A shared tensor has all its paths.
        """
        return {path: x.read().copy() for path, x in _found(self) if isinstance(x, _STATE)}

    @effectful
    def load_state_dict(self, values: dict[str, Any], strict: bool = True) -> LoadedKeys:
        """Copy arrays into the parameters and buffers of the same path, in the dtype that those have.

        Raises one ValueError that lists every missing path, unexpected path (unless not `strict`), wrong shape and
        dtype that cannot be cast; nothing is changed then. Returns the paths passed over.
        """
        check("load_state_dict", SWITCH, strict=strict)
        check("load_state_dict", instance(Mapping, "a dict of arrays by path"), values=values)
        own = {path: x for path, x in _found(self) if isinstance(x, _STATE)}
        if not isinstance(values, Mapping):
            raise TypeError(f"load_state_dict: the state dict is {shown(values)}; it must be a dict of arrays by path")
        arrays = {path: as_array(v, name=f"load_state_dict: {path}") for path, v in values.items()}
        missing = [path for path in own if path not in arrays]
        unexpected = [path for path in arrays if path not in own]
        problems = []
        if strict:
            problems += [f"missing: {path} {own[path].shape}" for path in missing]
            problems += [f"unexpected: {path} {arrays[path].shape}" for path in unexpected]
        shared = [path for path in own if path in arrays]
        for path in shared:
            x, new = own[path], arrays[path]
            if new.shape != x.shape:
                problems.append(f"wrong shape: {path} is {x.shape} in the model, {new.shape} in the state dict")
            elif not np.can_cast(new.dtype, x.dtype, "same_kind"):
                problems.append(f"wrong dtype: {path} is {x.dtype} in the model, {new.dtype} in the state dict")
        if problems:
            head = f"load_state_dict: {type(self).__name__} and the state dict differ"
            raise ValueError("\n  ".join([head, *problems]))
        into = {path: np.asarray(arrays[path], own[path].dtype, order="C") for path in shared}
        for path, array in into.items():
            own[path].data = array
        return LoadedKeys(missing, unexpected)

    # ---- what it shows

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        head = ", ".join(f"{k}={v!r}" for k, v in vars(self).items() if _is_told(k, v))
        held = [f"({name}): {x!r}".replace("\n", "\n  ") for name, x in holdings(vars(self)) if isinstance(x, Module)]
        inside = "\n  ".join(["", *([head] if head else []), *held]) + "\n" if held else head
        return f"{type(self).__name__}({inside})"

    def __getattr__(self, name: str) -> Any:  # only on a miss
        known = [*vars(self), *dir(type(self))]
        near = difflib.get_close_matches(name, [k for k in known if not k.startswith("_")], 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{hint}")


MODULE = instance(Module, "a Module")
_STATE = (Parameter, Buffer)
_OWNED = (Parameter, Buffer, Module)
_CONTAINERS = (list, tuple, dict)
_LEAVES = (Tensor, Module, int, float, str, type(None))
_OTHERS = (Set, deque, UserList, UserDict, ValuesView, MappingProxyType)


def holdings(items: dict) -> list[tuple[str, Any]]:
    """(name, x) for the parameters, buffers and modules among the items, looking into lists, tuples and dicts."""
    found = []
    for name, x in items.items():
        if isinstance(x, _OWNED):
            found.append((name, x))
        elif isinstance(x, _CONTAINERS):
            inside = holdings(x if isinstance(x, dict) else dict(enumerate(x)))
            found += [(f"{name}.{path}", y) for path, y in inside]
    return found


def _hidden(items: dict) -> Iterator[tuple[str, Any, Any]]:
    """(name, collection, x) for those that `holdings` does not find, since they are in other collections."""
    for name, x in items.items():
        if isinstance(x, _CONTAINERS):
            inside = _hidden(x if isinstance(x, dict) else dict(enumerate(x)))
            yield from ((f"{name}.{path}", collection, y) for path, collection, y in inside)
        elif not isinstance(x, _LEAVES) and isinstance(x, _OTHERS):
            members = x.values() if isinstance(x, Mapping) else x  # a few say which kind they are
            yield from ((name, x, y) for y in islice(members, 100) if isinstance(y, _OWNED))


def _name(found: list[tuple[str, Any]]) -> None:
    """Let parameters know their paths, for messages and pictures: those within the largest model that has asked."""
    for path, x in found:
        if isinstance(x, Parameter) and len(path) > len(x.name or ""):
            x.name = path


def _walk(module: Module, path: str = "", inside: tuple[Module, ...] = ()) -> list[tuple[str, Any]]:
    """(path, x) for the module and every parameter, buffer and module below it, under every path that it has."""
    found: list[tuple[str, Any]] = [(path, module)]
    inside = (*inside, module)
    for name, x in holdings(vars(module)):
        below = f"{path}.{name}" if path else str(name)
        if not isinstance(x, Module):
            found.append((below, x))
        elif x not in inside:  # else it holds its owner
            found += _walk(x, below, inside)
    return found


def _kind(x: Tensor) -> type[Tensor]:
    return Parameter if isinstance(x, Parameter) else Buffer


def _found(module: Module) -> list[tuple[str, Any]]:
    """What `_walk` finds, if each has a path of its own, and none is in a collection that is not looked into."""
    found, who = _walk(module), type(module).__name__
    first: dict[str, Any] = {}
    for path, x in found:
        if first.setdefault(path, x) is not x:
            raise ValueError(
                f"{who}: {path!r} is the path of a {type(first[path]).__name__} and of another {type(x).__name__}; rename "
                "one of them (a key counts as its text, and a dot in a name as a step)"
            )
    known = {id(x) for _, x in found}
    for path, x in found:
        for name, collection, y in _hidden(vars(x)) if isinstance(x, Module) else ():
            if id(y) not in known:
                at = f"{path}.{name}" if path else name
                raise TypeError(
                    f"{who}: {at} is a {type(collection).__name__} that holds a {type(y).__name__}; a model finds what "
                    "it owns in attributes, lists, tuples and dicts: use one of these"
                )
    return found


def _first_paths(module: Module, kind: type) -> list[tuple[str, Any]]:
    """The things of a kind in a module, each once, under the first path that it has."""
    found: dict[int, tuple[str, Any]] = {}
    for path, x in _found(module):
        if isinstance(x, kind):
            found.setdefault(id(x), (path, x))
    return list(found.values())


def _is_told(name: str, value: Any) -> bool:
    return name != "training" and _is_plain(value) and (name != "inplace" or value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(map(_is_plain, value))
    return isinstance(value, int | float | str)
