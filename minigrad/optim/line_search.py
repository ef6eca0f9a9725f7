"""Line searches: how far to go along a direction in which the loss falls. Pure functions of one number.

phi(α) returns the value of the loss and its slope at x + α d. It may return inf or nan, which is taken for a wall.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

Phi = Callable[[float], tuple[float, float]]


class Trial(NamedTuple):
    """phi at alpha: its value and slope."""

    alpha: float
    value: float
    slope: float

    @property
    def finite(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.slope)


class Found(NamedTuple):
    """What a search ended with: the last `trial` worth taking, and whether it satisfies the search's conditions.

    The trial is the start, α = 0, if no lower value was found. `unbounded`: the search met −inf.
    """

    trial: Trial
    ok: bool
    unbounded: bool = False


def is_wolfe(start: Trial, trial: Trial, c1: float, c2: float) -> bool:
    """The strong Wolfe conditions: φ(α) ≤ φ(0) + c₁ α φ'(0) and |φ'(α)| ≤ c₂ |φ'(0)|."""
    return trial.value <= start.value + c1 * trial.alpha * start.slope and abs(trial.slope) <= -c2 * start.slope


def is_nearly_wolfe(start: Trial, trial: Trial, c1: float, c2: float, noise: float) -> bool:
    """The approximate Wolfe conditions, for values that differ by round-off only (Hager, Zhang 2005).

    Sufficient decrease then shows in the slopes alone: for a quadratic it is φ'(α) ≤ (2 c₁ − 1) φ'(0).
    """
    return abs(trial.value - start.value) <= noise and abs(trial.slope) <= -min(c2, 1 - 2 * c1) * start.slope


def strong_wolfe(
    phi: Phi,
    value: float,
    slope: float,
    alpha: float = 1.0,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
    noise: float = 0.0,
    max_trials: int = 25,
) -> Found:
    """Search from 0, where phi has `value` and `slope` < 0, for a step that satisfies the strong Wolfe conditions.

    Steps grow until a minimum is bracketed, then the bracket shrinks around it (Nocedal, Wright 2006, algorithms 3.5
    and 3.6), by safeguarded interpolation (Moré, Thuente 1994). Values that differ by less than `noise` are told
    apart by their slopes.
    """
    start = low = before = Trial(0.0, value, slope)
    high: Trial | None = None
    widths = [math.inf, math.inf]
    if not 0 < alpha < math.inf:
        alpha = 1.0
    for _ in range(max_trials):
        trial = Trial(alpha, *phi(alpha))
        if trial.value == -math.inf:
            return Found(low, False, unbounded=True)
        if trial.finite and (is_wolfe(start, trial, c1, c2) or is_nearly_wolfe(start, trial, c1, c2, noise)):
            return Found(trial, True)
        ceiling = min(start.value + c1 * alpha * start.slope, low.value) + noise
        if not trial.finite or trial.value > ceiling:
            high = trial
        else:
            if trial.slope * ((math.inf if high is None else high.alpha) - low.alpha) >= 0:
                high = low
            before, low = low, trial
        if high is None:
            alpha = _beyond(before, low)
            if alpha > 1e100:
                break
            continue
        width = abs(high.alpha - low.alpha)
        if width > 2 / 3 * widths[0] and high.finite:
            alpha = (low.alpha + high.alpha) / 2
        else:
            alpha = _between(low, high, noise)
        widths = [widths[1], width]
        if not min(low.alpha, high.alpha) < alpha < max(low.alpha, high.alpha):
            break
    return Found(low, False)


def _between(low: Trial, high: Trial, noise: float) -> float:
    """The next trial within a bracket."""
    width = high.alpha - low.alpha
    if not high.finite:
        return low.alpha + width * 0.1
    t = _cubic(low, high)
    quadratic = _quadratic(low, high)
    if not math.isfinite(t):
        t = quadratic
    elif high.value > low.value and math.isfinite(quadratic) and abs(quadratic - low.alpha) < abs(t - low.alpha):
        t = (t + quadratic) / 2
    if abs(high.value - low.value) <= noise or not math.isfinite(t):
        t = _secant(low, high)
    if not math.isfinite(t):
        t = low.alpha + width / 2
    inside = (t - low.alpha) / width
    return low.alpha + width * min(max(inside, 0.02), 0.9)


def _beyond(before: Trial, low: Trial) -> float:
    """The next trial beyond the last one, where phi still falls."""
    step = low.alpha - before.alpha
    t = _cubic(before, low)
    if not (math.isfinite(t) and t > low.alpha):
        t = _secant(before, low)
    if not (math.isfinite(t) and t > low.alpha):
        t = math.inf
    return min(max(t, low.alpha + step), low.alpha + 9 * step)


def _cubic(a: Trial, b: Trial) -> float:
    """The minimum of the cubic through the values and slopes of a and b; nan if it has none."""
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.alpha - b.alpha)
    scale = max(abs(d1), abs(a.slope), abs(b.slope))
    if not 0 < scale < math.inf:
        return math.nan
    square = (d1 / scale) ** 2 - (a.slope / scale) * (b.slope / scale)
    if square < 0:
        return math.nan
    d2 = math.copysign(scale * math.sqrt(square), b.alpha - a.alpha)
    bottom = b.slope - a.slope + 2 * d2
    return b.alpha - (b.alpha - a.alpha) * (b.slope + d2 - d1) / bottom if bottom else math.nan


def _quadratic(a: Trial, b: Trial) -> float:
    """The minimum of the parabola through the value and slope of a and the value of b; nan if it has none."""
    width = b.alpha - a.alpha
    bend = (b.value - a.value) - a.slope * width
    return a.alpha - a.slope * width * width / (2 * bend) if bend > 0 else math.nan


def _secant(a: Trial, b: Trial) -> float:
    """Where the slope between a and b passes zero; nan if it is constant."""
    change = b.slope - a.slope
    return a.alpha - a.slope * (b.alpha - a.alpha) / change if change else math.nan


def armijo(
    phi: Callable[[float], float],
    value: float,
    slope: float,
    alpha: float = 1.0,
    *,
    c1: float = 1e-4,
    noise: float = 0.0,
    max_trials: int = 40,
) -> Found:
    """Shrink alpha until phi(alpha) ≤ phi(0) + c₁ α φ'(0): backtracking by interpolation (Armijo 1966).

    phi returns values only; the slope of the result is nan.
    """
    start = Trial(0.0, value, slope)
    for _ in range(max_trials):
        trial = Trial(alpha, phi(alpha), math.nan)
        if trial.value <= value + c1 * alpha * slope + noise and (noise or trial.value < value):
            return Found(trial, True)
        if alpha + 0.0 == 0:
            break
        shrunk = _quadratic(start, trial) if math.isfinite(trial.value) else 0.1 * alpha
        alpha = min(max(shrunk, 0.1 * alpha), 0.5 * alpha)
    return Found(start, False)
