"""How a rule declares its hyperparameters: each once, as `name: Annotated[type, range, meaning] = default`.

A rule is a dataclass of them, so its constructor takes them in this order, after the parameters, and editors know its
signature. The checks, the groups, the repr, what `help` says and the table in docs/optimizers.md read the same lines.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, InitVar, dataclass, field, fields
from typing import Annotated, Any, Literal, NamedTuple, dataclass_transform, get_args, get_origin, get_type_hints

from .. import ranges
from ..ranges import ANYTHING, COUNT, FRACTION, INDEX, NOT_NEGATIVE, NUMBER, POSITIVE, SWITCH, UNIT, Range, check

ONCE = object()  # marks a hyperparameter of the optimizer, which groups do not have

# types with a range
Number = Annotated[float, NUMBER]
NotNegative = Annotated[float, NOT_NEGATIVE]
Positive = Annotated[float, POSITIVE]
Fraction = Annotated[float, FRACTION]
Count = Annotated[int, COUNT]
CountOrNone = Annotated[int | None, COUNT.or_none]

# hyperparameters of many rules
Rate = Annotated[
    float | Callable[[int], float],
    Range(lambda v: callable(v) or NOT_NEGATIVE.holds(v), "≥ 0"),
    "the learning rate, or a function that gives it for the number of steps taken before",
]
Decay = Annotated[
    NotNegative, "the part of θ that is added to the gradient (L2) or, if decoupled, taken from θ, times lr"
]
DecoupledDecay = Annotated[NotNegative, "the part of θ that is taken from θ, times lr, beside the step"]
Decoupled = Annotated[bool, "shrink θ by the weight decay before the step, instead of adding to the gradient"]
Maximize = Annotated[bool, "step along the gradient, not against it"]
Epsilon = Annotated[NotNegative, "added to what is divided by, against division by 0"]
EpsInside = Annotated[bool, "add eps under the root, not to the root"]
Betas = Annotated[
    tuple[float, float],
    ranges.two(FRACTION, "two numbers in [0, 1)"),
    "what the two running means keep of their value, (β₁, β₂)",
]
Power = Annotated[
    float,
    UNIT,
    "of the curvature, which is divided by: 1 as Newton, 0 not at all",
]
Every = Annotated[Count, "the steps from one estimate of the curvature to the next"]
Curvature = Annotated[Fraction, "the least sᵀy / (‖s‖ ‖y‖) of a pair (s, y) to learn from"]
OnReject = Annotated[
    Literal["skip", "damp", "reset"], "what becomes of another pair: left out, mended, or taken to start afresh"
]
History = Annotated[Count, "pairs that are kept"]
Damping = Annotated[NotNegative, "added to the diagonal, as a part of the largest curvature, or of that along g"]
Forcing = Annotated[Fraction, "the largest part of g that is left over when a system is solved"]
Products = Annotated[CountOrNone, "products with the curvature in one iteration, at most"]
Seed = Annotated[int, INDEX, "of the random draws"]


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


@dataclass_transform(field_specifiers=(field,))
class Declared:
    """Base of classes whose annotated attributes are hyperparameters: they become dataclasses, and say so in help."""

    hyperparameters: dict[str, Hyperparameter]  # in the constructor's order

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        documented = "__doc__" in vars(cls) and cls.__doc__
        dataclass(eq=False, repr=False)(cls)
        hints = get_type_hints(cls, include_extras=True)
        shown = cls.__init__.__annotations__  # by signatures
        cls.__init__.__annotations__ = {name: _plain(hints.get(name, hint)) for name, hint in shown.items()}
        cls.hyperparameters = {f.name: _read(f.name, hints[f.name], f.default, f.init) for f in _in_order(cls)}
        told = [_told(h) for h in cls.hyperparameters.values() if h.given]
        if documented and told:
            cls.__doc__ = "\n".join([inspect.cleandoc(documented), "", "Hyperparameters:", "", *told])

    def _require(self, name: str, value: Any) -> None:
        """Raise ValueError unless the value is in the range of the hyperparameter of this name."""
        check(type(self).__name__, self.hyperparameters[name].range, **{name: value})


def _in_order(cls: Any) -> list[Any]:
    """The fields as the constructor takes them: those that are given by name come last."""
    return sorted(fields(cls), key=lambda f: bool(f.kw_only))


def _told(h: Hyperparameter) -> str:
    facts = [*[h.range.text] * bool(h.range.text), "no default" if h.default is MISSING else f"default {h.default}"]
    return f"- `{h.name}` ({'; '.join(facts)}): {h.meaning}"
