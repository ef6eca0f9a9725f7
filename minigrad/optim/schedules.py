"""Learning rates as functions of the step: 0 at the first step. An optimizer takes one wherever it takes a number.

There is no scheduler object to call in the right order: the optimizer counts its own steps. Schedules are made of
schedules: `warmup` scales any of them up at its start, `sequence` joins them, `product` multiplies them. What a rate cannot
know of the step alone, that a loss has stopped falling, is told to a `ReduceOnPlateau`.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import check_function
from ..ranges import AT_LEAST_ONE, FRACTION, INDEX, INSIDE, NOT_NEGATIVE, NUMBER, check, choice, instance

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """lr at every step."""
    check("constant", NOT_NEGATIVE, lr=lr)
    return lambda step: lr


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """lr, multiplied by `factor` after each `every` steps.

    >>> [step_decay(1.0, 2, 0.5)(k) for k in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    check("step_decay", NOT_NEGATIVE, lr=lr, factor=factor)
    check("step_decay", AT_LEAST_ONE, every=every)
    return lambda step: lr * factor ** (step // every)


def multi_step(lr: float, milestones: Sequence[int], factor: float = 0.1) -> Schedule:
    """lr, multiplied by `factor` from each of these steps on, which ascend.

    >>> [multi_step(1.0, [1, 4], 0.5)(k) for k in range(6)]
    [1.0, 0.5, 0.5, 0.5, 0.25, 0.25]
    """
    check("multi_step", NOT_NEGATIVE, lr=lr, factor=factor)
    milestones = _ascending("multi_step", milestones)
    return lambda step: lr * factor ** bisect.bisect_right(milestones, step)


def exponential(lr: float, k: float) -> Schedule:
    """lr · e^(−k · step), the lecture's exponential decay. For PyTorch's lr · gamma^step, k is −log(gamma).

    >>> [round(exponential(1.0, 0.5)(t), 3) for t in range(4)]
    [1.0, 0.607, 0.368, 0.223]
    """
    check("exponential", NOT_NEGATIVE, lr=lr, k=k)
    return lambda step: lr * math.exp(-k * step)


def inverse(lr: float, k: float) -> Schedule:
    """lr / (1 + k · step): the 1/t decay, whose rates add up to infinity and their squares do not (Robbins, Monro 1951).

    >>> [inverse(1.0, 1.0)(t) for t in (0, 1, 3)]
    [1.0, 0.5, 0.25]
    """
    check("inverse", NOT_NEGATIVE, lr=lr, k=k)
    return lambda step: lr / (1 + k * step)


def polynomial(lr: float, steps: int, power: float = 1.0, end: float = 0.0) -> Schedule:
    """From lr down to `end` as (1 − step/steps)^power, a straight line where power is 1; then constant.

    >>> [polynomial(1.0, 4, power=2.0)(k) for k in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """
    check("polynomial", AT_LEAST_ONE, steps=steps)
    check("polynomial", NOT_NEGATIVE, lr=lr, power=power, end=end)
    return lambda step: end + (lr - end) * max(1 - step / steps, 0.0) ** power if step < steps else end


def cosine(lr: float, steps: int, end: float = 0.0) -> Schedule:
    """From lr down to `end` along half a cosine, over so many steps, then constant (Loshchilov, Hutter 2017).

    >>> [round(cosine(1.0, 4)(k), 3) for k in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    check("cosine", AT_LEAST_ONE, steps=steps)
    check("cosine", NOT_NEGATIVE, lr=lr, end=end)
    return lambda step: _half_cosine(lr, end, step / steps)


def linear(lr: float, steps: int, start: float = 1 / 3, end: float = 1.0) -> Schedule:
    """A straight line from start · lr to end · lr over so many steps, then constant: PyTorch's LinearLR.

    >>> [linear(1.0, 4, 0.5)(k) for k in range(6)]
    [0.5, 0.625, 0.75, 0.875, 1.0, 1.0]
    """
    check("linear", AT_LEAST_ONE, steps=steps)
    check("linear", NOT_NEGATIVE, lr=lr, start=start, end=end)
    return lambda step: lr * (start + (end - start) * min(step, steps) / steps)


def multiplicative(lr: float, factor: Callable[[int], float]) -> Schedule:
    """lr · factor(1) · factor(2) ⋯ factor(step): PyTorch's MultiplicativeLR. It costs a product of so many factors.

    >>> [multiplicative(1.0, lambda k: 0.5 if k % 2 else 1.0)(k) for k in range(5)]
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """
    check("multiplicative", NOT_NEGATIVE, lr=lr)
    check_function("multiplicative", "factor", factor)
    return lambda step: lr * math.prod(factor(k) for k in range(1, step + 1))


def product(lr: float, schedules: Sequence[Schedule]) -> Schedule:
    """lr times all of these, each of which is made for a rate of 1: PyTorch's ChainedScheduler.

    >>> [product(0.5, [linear(1.0, 2, 0.5), step_decay(1.0, 3, 0.5)])(k) for k in range(5)]
    [0.25, 0.375, 0.5, 0.25, 0.25]
    """
    check("product", NOT_NEGATIVE, lr=lr)
    check("product", instance(list | tuple, "a list of schedules"), schedules=schedules)
    parts = [_schedule("product", schedule) for schedule in schedules]
    return lambda step: lr * math.prod(part(step) for part in parts)


def cyclic(
    low: float, high: float, up: int, down: int | None = None, *, mode: str = "triangular", gamma: float = 1.0
) -> Schedule:
    """Straight lines from low to high in `up` steps and back in `down` (as many, if None), again and again (Smith 2017).

    By `mode` the height above low is the same in each cycle ('triangular'), half of that of the cycle before
    ('triangular2'), or is multiplied by gamma at each step ('exp_range'). PyTorch's CyclicLR, whose momentum cycles besides.

    >>> [cyclic(1.0, 2.0, 2)(k) for k in range(6)]
    [1.0, 1.5, 2.0, 1.5, 1.0, 1.5]
    """
    down = up if down is None else down
    check("cyclic", NOT_NEGATIVE, low=low, high=high, gamma=gamma)
    check("cyclic", AT_LEAST_ONE, up=up, down=down)
    check("cyclic", choice("triangular", "triangular2", "exp_range"), mode=mode)

    def rate(step: int) -> float:
        cycle, at = divmod(step, up + down)
        part = at / up if at <= up else (up + down - at) / down
        scale = 0.5**cycle if mode == "triangular2" else gamma**step if mode == "exp_range" else 1.0
        return low + (high - low) * part * scale

    return rate


def warmup(lr: float | Schedule, steps: int) -> Schedule:
    """lr, or a schedule, scaled up in equal parts over the first steps: 1/steps, 2/steps, …, 1 (Goyal et al. 2017).

    The schedule within starts when the warm-up starts.

    >>> [warmup(1.0, 4)(k) for k in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    check("warmup", AT_LEAST_ONE, steps=steps)
    inner = _schedule("warmup", lr)
    return lambda step: inner(step) * min((step + 1) / steps, 1)


def one_cycle(lr: float, steps: int, *, rise: float = 0.3, start: float = 1 / 25, end: float = 1e-4) -> Schedule:
    """Half a cosine up from start · lr to the peak lr over a part `rise` of the steps, another down to end · lr at the last.

    Smith, Topin 2019. `start` and `end` are fractions of the peak, which is reached at step rise · steps − 1, as in PyTorch,
    whose default end is a 250,000th.

    >>> [round(one_cycle(1.0, 10, rise=0.5, start=0, end=0)(k), 3) for k in (0, 4, 9)]
    [0.0, 1.0, 0.0]
    """
    check("one_cycle", AT_LEAST_ONE, steps=steps)
    check("one_cycle", NOT_NEGATIVE, lr=lr, start=start, end=end)
    check("one_cycle", INSIDE, rise=rise)  # the part of the steps before the peak
    peak, last = max(rise * steps - 1, 0), max(steps - 1, 1)

    def rate(step: int) -> float:
        if step < peak:
            return _half_cosine(start * lr, lr, step / peak)
        return _half_cosine(lr, end * lr, (step - peak) / (last - peak))

    return rate


def warm_restarts(lr: float, steps: int, *, factor: int = 1, end: float = 0.0) -> Schedule:
    """Half a cosine from lr down to `end` over so many steps, again and again, each `factor` times as long as the last.

    SGDR (Loshchilov, Hutter 2017), where `factor` is called T_mult. The last step of each cosine is where snapshot
    ensembles take a model.

    >>> [round(warm_restarts(1.0, 2, factor=2)(k), 3) for k in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """
    check("warm_restarts", AT_LEAST_ONE, steps=steps, factor=factor)
    check("warm_restarts", NOT_NEGATIVE, lr=lr, end=end)

    def rate(step: int) -> float:
        length = steps
        while factor > 1 and step >= length:
            step, length = step - length, length * factor
        return _half_cosine(lr, end, step % length / length)

    return rate


def sequence(schedules: Sequence[float | Schedule], milestones: Sequence[int]) -> Schedule:
    """The first of these schedules up to the first milestone, then the second from its own beginning, and so on.

    `milestones` are the steps at which one begins after another: one fewer than there are schedules.

    >>> [sequence([0.1, step_decay(1.0, 2)], [3])(k) for k in range(7)]
    [0.1, 0.1, 0.1, 1.0, 1.0, 0.1, 0.1]
    """
    milestones = _ascending("sequence", milestones)
    check("sequence", instance(list | tuple, "a list of schedules"), schedules=schedules)
    if len(schedules) != len(milestones) + 1:
        counts = f"{len(schedules)} schedules and {len(milestones)} milestones"
        raise ValueError(f"sequence: there are {counts}; give one milestone fewer than schedules")
    parts = [_schedule("sequence", schedule) for schedule in schedules]
    begins = [0, *milestones]

    def rate(step: int) -> float:
        i = bisect.bisect_right(milestones, step)
        return parts[i](step - begins[i])

    return rate


class ReduceOnPlateau:
    """A rate that is multiplied by `factor` when what it is told has not improved for more than `patience` tellings.

    It is a schedule, to be given to an optimizer as its `lr`; `step(metric)` tells it a loss, once an epoch or as often as
    it is measured. Better is lower by mode 'min', higher by 'max'; by more than `threshold`, as a part of the best
    ('rel') or as it is ('abs'). After a reduction it waits for `cooldown` tellings. The rate does not fall below `least`, nor
    by less than `eps`. PyTorch's ReduceLROnPlateau. `state_dict` and `load_state_dict` hold where it stands; in
    `train.fit` it is a callback, too, which is told the record's `metric` ('test_loss').

    >>> rate = ReduceOnPlateau(1.0, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     rate.step(loss)
    >>> rate(0)
    0.5
    """

    def __init__(
        self,
        lr: float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        least: float = 0.0,
        eps: float = 1e-8,
        *,
        metric: str = "test_loss",
    ) -> None:
        name = "ReduceOnPlateau"
        check(name, NOT_NEGATIVE, lr=lr, threshold=threshold, least=least, eps=eps)
        check(name, choice("min", "max"), mode=mode)
        check(name, choice("rel", "abs"), threshold_mode=threshold_mode)
        check(name, FRACTION, factor=factor)
        check(name, INDEX, patience=patience, cooldown=cooldown)
        check(name, instance(str, "a key of the records"), metric=metric)
        self.rate, self.factor, self.least, self.eps, self.metric = lr, factor, least, eps, metric
        self.patience, self.cooldown = patience, cooldown
        self._sign, self._part = (1 if mode == "min" else -1), (threshold if threshold_mode == "rel" else 0.0)
        self._step = threshold if threshold_mode == "abs" else 0.0
        self.best, self.bad, self.waits = math.inf, 0, 0  # best of what is to be made small

    def __call__(self, step: Any) -> float | None:
        """The rate, at any step; or, called by `fit` with its state, told the metric of the record."""
        if isinstance(step, int):
            return self.rate
        if self.metric not in (step.record or {}):
            raise KeyError(f"ReduceOnPlateau: the records have no {self.metric!r}, but {', '.join(step.record or {})}")
        self.step(step.record[self.metric])
        return None

    def step(self, metric: float) -> None:
        """Tell it the metric."""
        check("ReduceOnPlateau", NUMBER, metric=float(metric))
        value = self._sign * float(metric)
        enough = self.best - self._part * abs(self.best) - self._step if self.best < math.inf else math.inf
        if value < enough:
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.waits:
            self.waits, self.bad = self.waits - 1, 0
        if self.bad > self.patience:
            new = max(self.rate * self.factor, self.least)
            self.rate = new if self.rate - new > self.eps else self.rate
            self.waits, self.bad = self.cooldown, 0

    def state_dict(self) -> dict[str, float]:
        """Where it stands."""
        return {"rate": self.rate, "best": self.best, "bad": self.bad, "waits": self.waits}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.rate, self.best = float(state["rate"]), float(state["best"])
        self.bad, self.waits = int(state["bad"]), int(state["waits"])


def _half_cosine(a: float, b: float, part: float) -> float:
    """From a, where part is 0, to b, where it is 1 or more."""
    return b + (a - b) * (1 + math.cos(math.pi * min(part, 1))) / 2


def _schedule(name: str, lr: float | Schedule) -> Schedule:
    if callable(lr):
        return lr
    check(name, NOT_NEGATIVE, lr=lr)
    return constant(lr)


def _ascending(name: str, milestones: Sequence[int]) -> list[int]:
    good = isinstance(milestones, list | tuple) and all(map(AT_LEAST_ONE.holds, milestones))
    if not good or list(milestones) != sorted(set(milestones)):
        raise ValueError(f"{name}: milestones are {milestones!r}; they must ascend from 1 or more")
    return list(milestones)
