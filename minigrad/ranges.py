"""What numbers that are given must be: each range once, with how to say it, and the check that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from .errors import is_number, is_whole


class Range(NamedTuple):
    """What holds for a number, and how to say it."""

    holds: Callable[[Any], bool]
    text: str

    @property
    def or_none(self) -> Range:
        """The same, or None."""
        return Range(lambda v: v is None or self.holds(v), f"{self.text}, or None")


NUMBER = Range(is_number, "a number")
NOT_NEGATIVE = Range(lambda v: is_number(v, 0), "≥ 0")
POSITIVE = Range(lambda v: is_number(v) and v > 0, "> 0")
FRACTION = Range(lambda v: is_number(v) and 0 <= v < 1, "in [0, 1)")
INSIDE = Range(lambda v: is_number(v) and 0 < v < 1, "in (0, 1)")
UNIT = Range(lambda v: is_number(v, 0, 1), "in [0, 1]")
WHOLE = Range(is_whole, "a whole number")
INDEX = Range(lambda v: is_whole(v, 0), "a whole number ≥ 0")
AT_LEAST_ONE = Range(lambda v: is_number(v, 1), "a number ≥ 1")
COUNT = Range(lambda v: is_whole(v, 1), "a whole number ≥ 1")
SWITCH = Range(lambda v: isinstance(v, (bool, np.bool_)), "True or False")
ANYTHING = Range(lambda v: True, "")


def check(who: str, allowed: Range, **values: Any) -> None:
    """Raise ValueError, in the name of `who`, for the first of the values that is not in the range.

    >>> check("Linear", COUNT, in_features=3, out_features="4")
    Traceback (most recent call last):
    ValueError: Linear: out_features is the str '4'; it must be a whole number ≥ 1
    """
    for name, value in values.items():
        if not allowed.holds(value):
            raise ValueError(f"{who}: {name} is {told(value)}; it must be {allowed.text}")


def told(value: Any) -> str:
    """A number as it is written; anything else with its type, which may be what is wrong."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return str(value)
    return "None" if value is None else f"the {type(value).__name__} {value!r}"
