"""Settings that are declared once: as annotated attributes of a class, `name: Annotated[type, range, meaning] = default`.

A class becomes a dataclass of them, so its constructor takes them in this order, and editors know its signature. The
checks, the repr, what `help` says and tables in the docs read the same lines.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, InitVar, dataclass, field, fields
from typing import Annotated, Any, Literal, NamedTuple, dataclass_transform, get_args, get_origin, get_type_hints

from . import ranges
from .ranges import ANYTHING, COUNT, FRACTION, NOT_NEGATIVE, NUMBER, POSITIVE, SWITCH, Range, check

ONCE = object()  # marks a hyperparameter of the optimizer, which groups do not have

# types with a range
Number = Annotated[float, NUMBER]
NotNegative = Annotated[float, NOT_NEGATIVE]
Positive = Annotated[float, POSITIVE]
Fraction = Annotated[float, FRACTION]
Count = Annotated[int, COUNT]
CountOrNone = Annotated[int | None, COUNT.or_none]


class Hyperparameter(NamedTuple):
    """A declaration, read: `default` is MISSING where one must be given, `once` where groups do not have it."""

    name: str
    default: Any
    range: Range
    meaning: str
    once: bool
    given: bool  # whether the constructor takes it


def _plain(hint: Any) -> Any:
    """The type that is annotated, without notes."""
    hint = hint.type if isinstance(hint, InitVar) else hint
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _read(name: str, hint: Any, default: Any, given: bool) -> Hyperparameter:
    kind, notes = _plain(hint), get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    if kind is bool:
        found = [SWITCH]
    elif get_origin(kind) is Literal:
        found = [ranges.choice(*get_args(kind))]
    else:
        found = [ANYTHING, *(note for note in notes if isinstance(note, Range))]
    meaning = ["", *(note for note in notes if isinstance(note, str))][-1]
    return Hyperparameter(name, default, found[-1], meaning, ONCE in notes, given)


def declare(cls: Any, heading: str) -> None:
    """Make a dataclass of a class's annotated attributes; `hyperparameters` is what they say, and so does its help."""
    documented = "__doc__" in vars(cls) and cls.__doc__
    dataclass(eq=False, repr=False)(cls)
    hints = get_type_hints(cls, include_extras=True)
    shown = cls.__init__.__annotations__  # by signatures
    cls.__init__.__annotations__ = {name: _plain(hints.get(name, hint)) for name, hint in shown.items()}
    cls.hyperparameters = {f.name: _read(f.name, hints[f.name], f.default, f.init) for f in _in_order(cls)}
    told = [_told(h) for h in cls.hyperparameters.values() if h.given]
    if documented and told:
        cls.__doc__ = "\n".join([inspect.cleandoc(documented), "", f"{heading}:", "", *told])


@dataclass_transform(field_specifiers=(field,))
class Declared:
    """Base of classes whose annotated attributes are hyperparameters: they become dataclasses, and say so in help."""

    hyperparameters: dict[str, Hyperparameter]  # in the constructor's order

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        declare(cls, "Hyperparameters")

    def _require(self, name: str, value: Any) -> None:
        """Raise ValueError unless the value is in the range of the hyperparameter of this name."""
        check(type(self).__name__, self.hyperparameters[name].range, **{name: value})


def _in_order(cls: Any) -> list[Any]:
    """The fields as the constructor takes them: those that are given by name come last."""
    return sorted(fields(cls), key=lambda f: bool(f.kw_only))


def _told(h: Hyperparameter) -> str:
    facts = [*[h.range.text] * bool(h.range.text), "no default" if h.default is MISSING else f"default {h.default}"]
    return f"- `{h.name}` ({'; '.join(facts)}): {h.meaning}".removesuffix(": ")
