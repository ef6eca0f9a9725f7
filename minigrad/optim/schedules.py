"""Learning rates as functions of the step: 0 at the first step. An optimizer takes one wherever it takes a number.

There is no scheduler object to call in the right order: the optimizer counts its own steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """lr at every step."""
    return lambda step: lr


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """lr, multiplied by `factor` after each `every` steps.

    >>> [step_decay(1.0, 2, 0.5)(k) for k in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    _at_least_one("step_decay", every=every)
    return lambda step: lr * factor ** (step // every)


def cosine(lr: float, steps: int, end: float = 0.0) -> Schedule:
    """From lr down to `end` along half a cosine, over so many steps, then constant (Loshchilov, Hutter 2017).

    >>> [round(cosine(1.0, 4)(k), 3) for k in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _at_least_one("cosine", steps=steps)
    return lambda step: _half_cosine(lr, end, step / steps)


def warmup(lr: float | Schedule, steps: int) -> Schedule:
    """lr, or a schedule, scaled up in equal parts over the first steps: 1/steps, 2/steps, …, 1 (Goyal et al. 2017).

    The schedule within starts when the warm-up starts.

    >>> [warmup(1.0, 4)(k) for k in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    _at_least_one("warmup", steps=steps)
    inner = lr if callable(lr) else constant(lr)
    return lambda step: inner(step) * min((step + 1) / steps, 1)


def one_cycle(lr: float, steps: int, *, rise: float = 0.3, start: float = 1 / 25, end: float = 1e-4) -> Schedule:
    """Half a cosine up from start · lr to the peak lr over a part `rise` of the steps, another down to end · lr.

    Smith, Topin 2019. `start` and `end` are fractions of the peak.

    >>> [round(one_cycle(1.0, 10, rise=0.5, start=0, end=0)(k), 3) for k in (0, 5, 10)]
    [0.0, 1.0, 0.0]
    """
    _at_least_one("one_cycle", steps=steps)
    if not 0 < rise < 1:
        raise ValueError(f"one_cycle: rise is {rise}; it must lie in (0, 1), the part of the steps before the peak")
    peak = rise * steps

    def rate(step: int) -> float:
        if step < peak:
            return _half_cosine(start * lr, lr, step / peak)
        return _half_cosine(lr, end * lr, (step - peak) / (steps - peak))

    return rate


def _half_cosine(a: float, b: float, part: float) -> float:
    """From a, where part is 0, to b, where it is 1 or more."""
    return b + (a - b) * (1 + math.cos(math.pi * min(part, 1))) / 2


def _at_least_one(name: str, **counts: int) -> None:
    for what, n in counts.items():
        if n < 1:
            raise ValueError(f"{name}: {what} is {n}; it must be at least 1")
