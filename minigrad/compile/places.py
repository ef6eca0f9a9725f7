"""Places that a recording depends on, what they held, and whether they still hold it.

A value is still there if it is the same object, or the equal number or string. What is compared is kept alive, so that no
other object can take its identity.
"""

from __future__ import annotations

import collections
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from ..tape import Tensor

# What is compared before a program is replayed; `explain` counts by these words.
COMPARED = {
    "argument": "of arrays and tensors shape, dtype, and which of them are one; of anything else type and value",
    "variable": "global variables, builtins, and the variables of enclosing functions",
    "attribute": "attributes of objects, modules of code and classes, those that are absent too",
    "container": "the entries of lists, sets, dicts and deques, in their order",
    "class": "an object's class, the classes above it, and all that they define",
    "function": "a function's code and its defaults",
    "model": "all attributes of an nn.Module, and the parameters, buffers and modules in its containers",
    "tensor": "shape, dtype and requires_grad of tensors that are no arguments",
}
ABSENT = object()
_EQUAL = (bool, int, float, str, bytes)  # kinds whose equal values are as good as the same
_READ = {
    "entry": "{holder}.get({key!r}, ABSENT)",
    "attribute": "getattr({holder}, {key!r}, ABSENT)",
    "cell": "content({holder})",
    "kind": "type({holder})",
}


class Place(NamedTuple):
    """Where something is found."""

    word: str  # of COMPARED
    name: str
    how: str  # of _READ
    holder: Any
    key: str
    value: Any

    def now(self) -> Any:
        """What it holds at present."""
        if self.how == "entry":
            return self.holder.get(self.key, ABSENT)
        if self.how == "cell":
            return content(self.holder)
        return type(self.holder) if self.how == "kind" else getattr(self.holder, self.key, ABSENT)


class Contents(NamedTuple):
    """The entries of a container, or the definitions of a class."""

    word: str
    name: str
    holder: Any
    keys: list
    values: list

    def hold(self) -> bool:
        """Whether they are the same, in the same order."""
        if isinstance(self.holder, type):
            now = vars(self.holder)
            return same(now, self.keys) and same(now.values(), self.values)
        if isinstance(self.holder, dict):
            return same(self.holder, self.keys) and same(self.holder.values(), self.values)
        return same(self.holder, self.values)


class Model(NamedTuple):
    """A Module, and what it holds."""

    module: Any
    names: list
    values: list
    held: list[tuple[Any, list]]  # its containers, and what they hold

    @classmethod
    def of(cls, m: Any) -> Model:
        """The module as it is."""
        containers = [v for v in vars(m).values() if isinstance(v, (list, tuple, dict)) and _held(v)]
        return cls(m, [*vars(m)], [*vars(m).values()], [(c, _held(c)) for c in containers])


class Places:
    """All places of a recording."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, int, str], Place] = {}
        self.contents: dict[int, Contents] = {}
        self.models: dict[int, Model] = {}
        self._hold: Callable[[], bool] | None = None

    def watch(self, word: str, name: str, how: str, holder: Any, key: str, value: Any) -> None:
        """Remember what a place holds; the first time counts."""
        self.places.setdefault((how, id(holder), key), Place(word, name, how, holder, key, value))

    def contain(self, word: str, name: str, holder: Any) -> None:
        """Remember the entries of a container, or what a class defines."""
        if id(holder) not in self.contents:
            entries = vars(holder) if isinstance(holder, type) else holder
            mapping = isinstance(holder, (type, dict))
            keys, values = ([*entries], [*entries.values()]) if mapping else ([], [*entries])
            self.contents[id(holder)] = Contents(word, name, holder, keys, values)

    def changed(self) -> str | None:
        """The name of a place that holds something else now, of those that only the recorded code can have changed."""
        for place in self.places.values():
            if not _alike(place.now(), place.value):
                return place.name
        return next((c.name for c in self.contents.values() if not c.hold()), None)

    def hold(self) -> bool:
        """Whether everything is as it was."""
        if self._hold is None:
            self._hold = self._compiled()
        return self._hold() and all(same(_held(c), held) for m in self.models.values() for c, held in m.held)

    def _compiled(self) -> Callable[[], bool]:
        names: dict[str, Any] = {"ABSENT": ABSENT, "content": content, "alike": _alike}
        tests = []
        for i, place in enumerate(self.places.values()):
            names[f"h{i}"], names[f"v{i}"] = place.holder, place.value
            found = _READ[place.how].format(holder=f"h{i}", key=place.key)
            tests.append(f"((x := {found}) is v{i} or alike(x, v{i}))")
        for i, c in enumerate(self.contents.values()):
            names[f"c{i}"] = c.hold
            tests.append(f"c{i}()")
        if self.models:
            names["models"] = self._attributes()
            tests.append("models()")
        exec(f"def hold():\n    return {' and '.join(tests) or True}", names)
        return names["hold"]

    def _attributes(self) -> Callable[[], bool]:
        """Whether all modules have the attributes that they had, asked in one sweep: models have hundreds."""
        dicts, end = [vars(m.module) for m in self.models.values()], [object()]
        names = [name for m in self.models.values() for name in m.names] + end
        values = [v for m in self.models.values() for v in m.values] + end

        def hold() -> bool:
            now = itertools.chain(*map(dict.values, dicts), end)
            return [*itertools.chain(*dicts, end)] == names and all(map(operator.is_, now, values))

        return hold

    def counts(self, tensors: int) -> dict[str, int]:
        """How many things are compared, by the words of COMPARED; arguments are not counted."""
        found = collections.Counter(p.word for p in itertools.chain(self.places.values(), self.contents.values()))  # type: ignore[attr-defined]
        found.update(model=len(self.models), tensor=tensors)
        return {word: found[word] for word in COMPARED if found[word] or word == "argument"}


def content(cell: Any) -> Any:
    """What a free variable holds."""
    try:
        return cell.cell_contents
    except ValueError:
        return ABSENT


def same(now: Any, then: list) -> bool:
    """Whether these are the same objects."""
    return len(now) == len(then) and all(map(operator.is_, now, then))


def _alike(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b) or type(a) not in _EQUAL or a != b:
        return False
    return type(a) is not float or a != 0 or math.copysign(1, a) == math.copysign(1, b)


def _held(container: Any) -> list:
    """The tensors and modules in a container, and in those inside it, with their keys."""
    found: list[Any] = []
    for key, x in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(x, Tensor) or hasattr(type(x), "named_modules"):
            found += [key, x] if isinstance(container, dict) else [x]
        elif isinstance(x, (list, tuple, dict)):
            found += _held(x)
    return found
