"""Races: each optimizer runs on one surface until its budget of gradients is spent.

One gradient costs one evaluation; so does one product with the Hessian, which takes about as long. What a step of first
order, or an iteration of second order with its line search, takes in all is counted, and a step that the budget does not
cover is not shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ... import optim
from ...errors import named, shown
from ...optim import descent
from ...optim.vector import Function
from ...ranges import INDEX, check, instance, whole
from ...tape import Array, Tensor
from .surfaces import Surface

Rate = float | Callable[[int], float]
Rule = Callable[..., optim.Optimizer]  # (params, lr=…)
RATES = [m * 10.0**k for k in range(-5, 1) for m in (1, 2, 5)]  # that are tried where none is given

OPTIMIZERS: dict[str, Rule | str] = {
    "sgd": optim.SGD,
    "momentum": optim.Momentum,
    "nesterov": optim.Nesterov,
    "adagrad": optim.AdaGrad,
    "rmsprop": optim.RMSProp,
    "adadelta": optim.Adadelta,
    "adam": optim.Adam,
    "adam-uncorrected": partial(optim.Adam, bias_correction=False),
    "adamax": optim.Adamax,
    "nadam": optim.NAdam,
    "radam": optim.RAdam,
    "amsgrad": partial(optim.Adam, amsgrad=True),
    "lion": optim.Lion,
    **{name: name for name in descent.METHODS},
}  # rules of first order, which take a rate; methods of second order, which do not, by their names in `optim.minimize`


class Racer(NamedTuple):
    """A rule, its rate, and how pictures call the two. A method of `optim.minimize` is given by its name, without rate."""

    label: str
    rule: Rule | str
    lr: Rate = 0.0


class Track(NamedTuple):
    """What a racer did: its points (T, 2), the evaluations spent at each, and f there, without noise."""

    label: str
    points: Array
    spent: Array
    losses: Array


@named
def race(
    surface: Surface,
    racers: Sequence[str | Racer],
    budget: int = 100,
    *,
    rates: Mapping[str, Rate] | None = None,
    start: tuple[float, float] | None = None,
    seed: int = 0,
) -> list[Track]:
    """Return the tracks of optimizers, names of OPTIMIZERS or `Racer`s, that spend at most `budget` evaluations each.

    `rates` are learning rates by name. A rule without one gets, of 1, 2 and 5 times powers of ten, the rate that brings
    f lowest at the end of the budget, of those that stay in the surface's window. Noise is the same for all. Raises
    ValueError for a name that is not known.

    >>> from .surfaces import SURFACES
    >>> track, = race(SURFACES["quadratic"], ["newton"], budget=10)
    >>> track.points.round(9), track.label
    (array([[-9.,  2.],
           [ 0.,  0.]]), 'newton')
    """
    check("race", whole(1, 10**6), budget=budget)
    check("race", INDEX, seed=seed)
    check("race", instance(Surface, "a Surface, e.g. of SURFACES"), surface=surface)
    if not isinstance(racers, list | tuple) or not all(isinstance(racer, str | Racer) for racer in racers):
        raise TypeError(f"race: racers is {shown(racers)}; it must be a list of names of OPTIMIZERS, or of Racers")
    rates, at = dict(rates or {}), np.array(surface.start if start is None else start, float)
    if at.shape != (2,):
        raise ValueError(f"race: start has shape {at.shape}; give two numbers")
    for name in racers:
        if isinstance(name, str) and name not in OPTIMIZERS:
            raise ValueError(f"race: {name!r} is none of {', '.join(OPTIMIZERS)}")
    idle = [name for name in rates if name not in racers or isinstance(OPTIMIZERS[name], str)]
    if idle:
        raise ValueError(f"race: a rate is given for {', '.join(idle)}, where no such rule takes part")

    def run(racer: Racer) -> Track:
        follow = _descend if isinstance(racer.rule, str) else _step
        return follow(surface, racer, budget, at, seed)

    def best(name: str) -> Track:
        rule = OPTIMIZERS[name]
        if isinstance(rule, str):
            return run(Racer(name, rule))
        tries = [rates[name]] if name in rates else RATES
        tracks = [run(Racer(f"{name}, lr {lr:g}" if isinstance(lr, float | int) else name, rule, lr)) for lr in tries]
        return min(tracks, key=lambda track: _score(surface, track, budget))

    return [best(racer) if isinstance(racer, str) else run(racer) for racer in racers]


def _score(surface: Surface, track: Track, budget: int) -> tuple[bool, float]:
    """Whether it left the window, and the mean loss in the last tenth: a single value may be low by chance."""
    low, high = np.array(surface.window)
    left = bool(((track.points < low) | (track.points > high)).any())
    last = track.losses[track.spent >= 0.9 * track.spent[-1]]
    return left, math.inf if track.spent[-1] < budget else float(last.mean())


def _noisy(surface: Surface, seed: int) -> Callable[[Tensor], Tensor]:
    """f, with a tilt that is drawn anew in each evaluation: its gradient has the surface's noise."""
    if not surface.noise:
        return surface.f
    rng = np.random.default_rng(seed)
    return lambda x: surface.f(x) + (surface.noise * rng.standard_normal(2) * x).sum()


def _step(surface: Surface, racer: Racer, budget: int, start: Array, seed: int) -> Track:
    """A run of first order: one gradient, one step."""
    assert not isinstance(racer.rule, str)
    x, f = Tensor(start.copy(), True), _noisy(surface, seed)
    optimizer = racer.rule([x], lr=racer.lr)
    points = [start]
    with np.errstate(all="ignore"):
        for _ in range(budget):
            optimizer.step(lambda: f(x))
            if not np.isfinite(x.data).all() or np.abs(x.data).max() > 1e6:
                break
            points.append(x.data.copy())
    return _track(surface, racer.label, points, range(len(points)))


def _descend(surface: Surface, racer: Racer, budget: int, start: Array, seed: int) -> Track:
    """A run of second order: what an iteration costs is what the method has evaluated."""
    assert isinstance(racer.rule, str)
    objective = Function(_noisy(surface, seed), start.shape, start.dtype)
    points, spent = [start], [0]

    def after(state: descent.State) -> bool:
        points.append(state.point.x)
        spent.append(objective.counts.n_gev + objective.counts.n_hvp)
        return spent[-1] >= budget

    state = descent.State(objective.at(start))
    descent.descend(descent.METHODS[racer.rule](), objective, state, gtol=0.0, max_iter=budget, callback=after)
    within = [i for i, n in enumerate(spent) if n <= budget]
    return _track(surface, racer.label, [points[i] for i in within], [spent[i] for i in within])


def _track(surface: Surface, label: str, points: list[Array], spent: Any) -> Track:
    found = np.array(points)
    return Track(label, found, np.array(spent), surface.values(found))
