"""Containers: modules and parameters in a row or by name. Each is held as an attribute, so its path is its place or name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

from ..errors import named, shown
from ..tape import effectful
from ..typing import ArrayLike
from .module import Module, Parameter


class _Holder(Module):
    """What holds things of one kind as its attributes."""

    kind: ClassVar[type] = Module

    def _held(self) -> list[tuple[str, Any]]:
        return [(name, x) for name, x in vars(self).items() if isinstance(x, self.kind)]

    def _made(self, where: Any, x: Any) -> Any:
        """x, as a thing of the kind, or TypeError."""
        if self.kind is Parameter and x is not None and not isinstance(x, Module):
            return x if isinstance(x, Parameter) else Parameter(x)
        if not isinstance(x, self.kind):
            what = f"{type(self).__name__}: item {where} is a {type(x).__name__}"
            raise TypeError(f"{what}; it must be a {self.kind.__name__}")
        return x

    def __len__(self) -> int:
        return len(self._held())


class _Row(_Holder):
    """Things one after another, changed as a list is."""

    def append(self, module: Any) -> Self:
        """Add one at the end; returns self."""
        return self._hold([*self, module])

    @named
    def extend(self, modules: Iterable[Any]) -> Self:
        """Add several at the end; returns self."""
        return self._hold([*self, *modules])

    __iadd__ = extend

    @named
    def insert(self, index: int, module: Any) -> Self:
        """Add one before that place; returns self."""
        modules = list(self)
        modules.insert(index, module)
        return self._hold(modules)

    @named
    def pop(self, index: int = -1) -> Any:
        """Take the one at that place out, and return it."""
        modules = list(self)
        module = modules.pop(index)
        self._hold(modules)
        return module

    @effectful
    def _hold(self, modules: Iterable[Any]) -> Self:
        """Hold these instead, each named by its place, but for those that were given another name."""
        modules = [self._made(i, m) for i, m in enumerate(modules)]
        held = [
            (name, m) for name, m in vars(self).items() if isinstance(m, self.kind) or (m is None and name.isdecimal())
        ]
        names = {id(m): name for name, m in held if not name.isdecimal()}
        new = [(names.pop(id(m), str(i)), m) for i, m in enumerate(modules)]
        same = next(
            (i for i, (a, b) in enumerate(zip(held, new)) if a[0] != b[0] or a[1] is not b[1]), min(len(held), len(new))
        )
        for name, _ in held[same:]:
            delattr(self, name)
        for name, m in new[same:]:
            setattr(self, name, m)
        return self

    def _new(self, modules: list[Any]) -> Any:
        return type(self)(modules)  # type: ignore[call-arg]

    def __iter__(self) -> Iterator[Any]:
        return iter([m for _, m in self._held()])

    @named
    def __getitem__(self, index: int | slice) -> Any:
        chosen = list(self)[index]
        return self._new(chosen) if isinstance(chosen, list) else chosen

    @named
    def __setitem__(self, index: int | slice, module: Any) -> None:
        modules = list(self)
        modules[index] = module
        self._hold(modules)

    @named
    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        del modules[index]
        self._hold(modules)

    @named
    def __add__(self, modules: Iterable[Any]) -> Any:
        return self._new([*self, *modules])


class Sequential(_Row):
    """Modules applied one after another; their paths are '0', '1', … Indexing gives one, slicing a new Sequential.

    Of a dict the names are the paths. It is changed as a list is, always by place (`append`, `insert`, `extend`, `pop`,
    `net[i] = m`, `del net[1:]`), and the paths follow. Raises TypeError, and changes nothing, for what is no Module.

    >>> import numpy as np
    >>> from minigrad import nn
    >>> net = Sequential(nn.Linear(4, 8, rng=0), nn.Flatten(), nn.Linear(8, 2, rng=1))
    >>> len(net), [path for path, _ in net[1:].named_parameters()], net(np.ones((3, 4), np.float32)).shape
    (3, ['1.weight', '1.bias'], (3, 2))
    >>> Sequential({"fc": nn.Linear(4, 8, rng=0)}).named_parameters()[0][0]
    'fc.weight'
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, self._made(repr(name), module))
        else:
            self._hold([*self, *modules])  # a subclass may have some already

    def _new(self, modules: list[Any]) -> Sequential:
        return Sequential(*modules)

    def forward(self, x: Any) -> Any:
        for m in self:
            x = m(x)
        return x


class ModuleList(_Row):
    """Modules in a row, for a `forward` of one's own: a list that a model finds; their paths are '0', '1', …

    (A plain list of modules is found just as well.) Raises TypeError for what is no Module.

    >>> from minigrad import nn
    >>> [path for path, _ in ModuleList([nn.Linear(2, 2), nn.ReLU()]).named_modules()]
    ['', '0', '1']
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        self._hold([] if modules is None else modules)


class ParameterList(_Row):
    """Parameters in a row: what is no Parameter yet, an array or a tensor, becomes one."""

    kind = Parameter

    def __init__(self, values: Iterable[ArrayLike] | None = None) -> None:
        self._hold([] if values is None else values)


class _Names(_Holder):
    """Things by name, changed as a dict is."""

    @named
    def __getitem__(self, key: str) -> Any:
        there = dict(self._held())
        if key not in there:
            raise ValueError(f"{type(self).__name__}: there is no {shown(key)}; there are {', '.join(there) or 'none'}")
        return there[key]

    @named
    def __setitem__(self, key: str, module: Any) -> None:
        self._put({key: module})

    @named
    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._held()])

    def __contains__(self, key: object) -> bool:
        return key in dict(self._held())

    def keys(self) -> list[str]:
        """The names, in the order in which they came."""
        return list(self)

    def values(self) -> list[Any]:
        """What stands under them."""
        return [x for _, x in self._held()]

    def items(self) -> list[tuple[str, Any]]:
        """Both."""
        return self._held()

    @named
    def pop(self, key: str) -> Any:
        """Take the one of that name out, and return it."""
        x = self[key]
        delattr(self, key)
        return x

    @effectful
    def clear(self) -> None:
        """Take all out."""
        for key in self:
            delattr(self, key)

    @named
    def update(self, modules: Any) -> None:
        """Add those of a dict, or of pairs (name, module)."""
        self._put(dict(modules))

    @effectful
    def _put(self, modules: Mapping[str, Any]) -> None:
        made = {key: self._made(repr(key), x) for key, x in modules.items()}
        for key, x in made.items():
            self._add(type(self).__name__, key, x)


class ModuleDict(_Names):
    """Modules by name, for a `forward` of one's own: a dict that a model finds; the names are their paths.

    (A plain dict of modules is found just as well.) A name must be text without a dot, and none of the class's own names.

    >>> from minigrad import nn
    >>> heads = ModuleDict({"digits": nn.Linear(4, 10), "parity": nn.Linear(4, 2)})
    >>> list(heads), heads["parity"].out_features, [path for path, _ in heads.named_parameters()][:2]
    (['digits', 'parity'], 2, ['digits.weight', 'digits.bias'])
    """

    def __init__(self, modules: Any = None) -> None:
        self.update({} if modules is None else modules)


class ParameterDict(_Names):
    """Parameters by name: what is no Parameter yet, an array or a tensor, becomes one."""

    kind = Parameter

    def __init__(self, parameters: Any = None) -> None:
        self.update({} if parameters is None else parameters)
