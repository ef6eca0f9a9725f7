"""Places that a recording depends on, what they held, and whether they still hold it.

A value is still there if it is the same object, or the equal number or string. What is compared is kept alive, so that no
other object can take its identity.
"""

from __future__ import annotations

import collections
import itertools
import keyword
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
    "class": "an object's class, the classes above it, and all that they define; of the library's layers, how they are called",
    "function": "a function's code and its defaults",
    "model": "all attributes of an nn.Module, and the parameters, buffers and modules in its containers",
    "tensor": "shape, dtype and requires_grad of tensors that are no arguments",
}
ABSENT = object()
_EQUAL = (bool, int, float, str, bytes)  # kinds whose equal values are as good as the same
_READ = {  # quickly where there is something, and else it is absent, or an error, which is told apart
    "entry": ("{holder}[{key!r}]", "{holder}.get({key!r}, ABSENT)"),
    "attribute": ("{holder}.{key}", "getattr({holder}, {key!r}, ABSENT)"),
    "cell": ("{holder}.cell_contents", "content({holder})"),
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
    """What a container holds, or a class defines: keys and values, in their order."""

    word: str
    name: str
    now: Any  # the container, or the dict of the class, as it is at present
    values: Callable[[], Any] | None  # of a dict
    then: list

    @classmethod
    def of(cls, word: str, name: str, holder: Any) -> Contents:
        """The contents as they are."""
        now = vars(holder) if isinstance(holder, type) else holder
        mapping = isinstance(holder, (type, dict))
        return cls(word, name, now, now.values if mapping else None, [*now, *now.values()] if mapping else [*now])

    def hold(self) -> bool:
        """Whether they are the same."""
        now = [*self.now, *(self.values() if self.values else ())]
        return len(now) == len(self.then) and all(map(_alike, now, self.then))


class Places:
    """All places of a recording."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, int, str], Place] = {}
        self.contents: dict[int, Contents] = {}
        self.models: dict[int, list[Contents]] = {}
        self._hold: Callable[[], bool] | None = None

    def watch(self, word: str, name: str, how: str, holder: Any, key: str, value: Any) -> None:
        """Remember what a place holds; the first time counts."""
        self.places.setdefault((how, id(holder), key), Place(word, name, how, holder, key, value))

    def contain(self, word: str, name: str, holder: Any) -> None:
        """Remember the entries of a container, or what a class defines."""
        if id(holder) not in self.contents:
            self.contents[id(holder)] = Contents.of(word, name, holder)

    def model(self, m: Any) -> None:
        """Remember the attributes of a Module, and the containers in which it has tensors and modules."""
        name = type(m).__name__
        holders = [vars(m), *(c for v in vars(m).values() for c in _inside(v))]
        self.models[id(m)] = [Contents.of("model", name, h) for h in holders]

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
        return self._hold()

    def _compiled(self) -> Callable[[], bool]:
        names: dict[str, Any] = {"ABSENT": ABSENT, "content": content, "alike": _alike, "same": operator.is_}
        tests = []
        kinds = [p for p in self.places.values() if p.how == "kind"]
        for i, place in enumerate(p for p in self.places.values() if p.how != "kind"):
            names[f"h{i}"], names[f"v{i}"] = place.holder, place.value
            plain = place.how != "attribute" or (place.key.isidentifier() and not keyword.iskeyword(place.key))
            told = place.value is not ABSENT and plain
            found = _READ[place.how][not told].format(holder=f"h{i}", key=place.key)
            tests.append(f"((x := {found}) is v{i} or alike(x, v{i}))")
        if kinds:
            names["objects"], names["kinds"] = [p.holder for p in kinds], [p.value for p in kinds]
            tests.append("all(map(same, map(type, objects), kinds))")
        names["contents"] = _all_hold([*self.contents.values(), *itertools.chain(*self.models.values())])
        lines = ["def hold():", "    try:", f"        return {' and '.join([*tests, 'contents()'])}"]
        exec("\n".join([*lines, "    except (AttributeError, KeyError, ValueError):", "        return False"]), names)
        return names["hold"]

    def counts(self, tensors: int) -> dict[str, int]:
        """How many things are compared, by the words of COMPARED; arguments are not counted."""
        found = collections.Counter(p.word for p in itertools.chain(self.places.values(), self.contents.values()))  # type: ignore[attr-defined]
        found.update(model=len(self.models), tensor=tensors)
        return {word: found[word] for word in COMPARED if found[word] or word == "argument"}


def _all_hold(contents: list[Contents]) -> Callable[[], bool]:
    """Whether all of them are the same, asked in one sweep: a model has hundreds of attributes."""
    whole, values = [c.now for c in contents], [c.values for c in contents if c.values]
    sizes = [*map(len, whole)]
    then = [x for c in contents for x in c.then[: len(c.now)]] + [x for c in contents for x in c.then[len(c.now) :]]

    def hold() -> bool:
        now = itertools.chain(*whole, *[v() for v in values])
        if [*map(len, whole)] == sizes and all(map(operator.is_, now, then)):
            return True
        return all(c.hold() for c in contents)  # numbers may be equal, and not the same objects

    return hold


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


def _inside(x: Any) -> list[Any]:
    """x and the containers in it, those that have tensors or modules, or nothing yet."""
    if not isinstance(x, (list, tuple, dict)):
        return []
    parts = [*x.values()] if isinstance(x, dict) else [*x]
    below = [c for part in parts for c in _inside(part)]
    mine = not parts or below or any(isinstance(p, Tensor) or hasattr(type(p), "named_modules") for p in parts)
    return [x, *below] if mine else []
