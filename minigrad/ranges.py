"""What settings must be: each range once, with how to say it, and the check that says what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from .errors import brief, shown


class Range(NamedTuple):
    """What holds for a value, how to say it, and the kind that it is of."""

    holds: Callable[[Any], bool]
    text: str
    kind: Any = Real

    @property
    def or_none(self) -> Range:
        """The same, or None."""
        return Range(lambda v: v is None or self.holds(v), f"{self.text}, or None", self.kind)

    def told(self, value: Any) -> str:
        """The value, with its type if that may be what is wrong.

        >>> COUNT.told(2.5), COUNT.told("4"), COUNT.told(True), COUNT.told(None)
        ('2.5', "'4' (str)", 'True (bool)', 'None')
        """
        right = isinstance(value, self.kind) and not isinstance(value, bool)
        return brief(value) if right else shown(value)


def number(least: float = -np.inf, most: float = np.inf, text: str = "") -> Range:
    """A finite real number in [least, most], NumPy's included and booleans not."""

    def holds(value: Any) -> bool:
        real = type(value) is float or (isinstance(value, Real) and not isinstance(value, bool))
        return real and bool(-np.inf < value < np.inf and least <= value <= most)

    return Range(holds, text or f"in [{least}, {most}]")


def whole(least: float = -np.inf, most: float = np.inf, text: str = "") -> Range:
    """A whole number in [least, most], NumPy's included and booleans not."""

    def holds(value: Any) -> bool:
        integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        return integer and bool(least <= value <= most)

    return Range(holds, text or f"a whole number from {least} to {most}")


def choice(*texts: str) -> Range:
    """One of these texts."""
    *first, last = map(repr, texts)
    return Range(lambda v: isinstance(v, str) and v in texts, f"{', '.join(first)} or {last}", str)


def instance(kind: Any, text: str) -> Range:
    """Anything of a class, or of one of several."""
    return Range(lambda v: isinstance(v, kind), text, kind)


def two(each: Range, text: str) -> Range:
    """A tuple or list of two that are in the range."""
    kind = tuple, list
    return Range(lambda v: isinstance(v, kind) and len(v) == 2 and all(map(each.holds, v)), text, kind)


NUMBER = number(text="a number")
NOT_NEGATIVE = number(0, text="≥ 0")
POSITIVE = number(np.nextafter(0, 1), text="> 0")
FRACTION = number(0, np.nextafter(1, 0), "in [0, 1)")
INSIDE = number(np.nextafter(0, 1), np.nextafter(1, 0), "in (0, 1)")
UNIT = number(0, 1)
AT_LEAST_ONE = number(1, text="a number ≥ 1")
WHOLE = whole(text="a whole number")
INDEX = whole(0, text="a whole number ≥ 0")
COUNT = whole(1, text="a whole number ≥ 1")
SWITCH = instance((bool, np.bool_), "True or False")
PATH = instance((str, os.PathLike), "a path")
ANYTHING = instance(object, "")


def check(who: str, allowed: Range, **values: Any) -> None:
    """Raise ValueError, in the name of `who`, for the first of the values that is not in the range.

    >>> check("Linear", COUNT, in_features=3, out_features="4")
    Traceback (most recent call last):
    ValueError: Linear: out_features is '4' (str); it must be a whole number ≥ 1
    """
    for name, value in values.items():
        if not allowed.holds(value):
            raise ValueError(f"{who}: {name} is {allowed.told(value)}; it must be {allowed.text}")
