"""Where randomness comes from: a `numpy.random.Generator` or a seed that the caller passes, or one documented default.

Nothing in minigrad draws from NumPy's global state. `held` lets a function with random layers be evaluated again and
again with the same draws, which is what a gradient check of a model with dropout needs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .ranges import INDEX, Range, check

_default = np.random.default_rng()
_local = threading.local()
_RNG = Range(INDEX.holds, "a numpy.random.Generator, a whole number ≥ 0, or None")


def seed(n: int) -> None:
    """Restart the default generator, from which initialisers, dropout and stochastic depth draw unless given another.

    >>> seed(0); a = generator().random()
    >>> seed(0); b = generator().random()
    >>> a == b
    True
    """
    check("seed", INDEX, n=n)
    _default.bit_generator.state = np.random.default_rng(n).bit_generator.state


def generator(rng: np.random.Generator | int | None = None) -> np.random.Generator:
    """Return the generator to draw from: `rng` itself, a new one seeded by the int `rng`, or the default.

    >>> generator(3).integers(10) == generator(3).integers(10)
    np.True_
    """
    if rng is None:
        rng = _default
    elif not isinstance(rng, np.random.Generator):
        check("generator", _RNG, rng=rng)
        return np.random.default_rng(rng)
    states = getattr(_local, "states", None)
    if states is not None and id(rng) not in states:
        states[id(rng)] = rng, rng.bit_generator.state
    return rng


@contextmanager
def held(*, advance: bool = False) -> Iterator[Callable[[], None]]:
    """Give a function `rewind`: after it, every generator drawn from in the block starts again where it first stood.

    The generators are rewound at the end too: the block leaves no trace. With `advance` it leaves that of one
    evaluation: they stand where the first `rewind` after a draw found them.

    >>> with held() as rewind:
    ...     a = generator().random(); rewind(); b = generator().random()
    >>> a == b
    True
    """
    before, _local.states = getattr(_local, "states", None), {}
    states = _local.states
    once: list[tuple[np.random.Generator, Any]] = []

    def rewind() -> None:
        if not once:
            once.extend((rng, rng.bit_generator.state) for rng, _ in states.values())
        for rng, state in states.values():
            rng.bit_generator.state = state

    try:
        yield rewind
    finally:
        rewind()
        for rng, state in once if advance else ():
            rng.bit_generator.state = state
        _local.states = before


@contextmanager
def drawing() -> Iterator[list[tuple[np.random.Generator, Any]]]:
    """Give a list that holds, after the block, each generator that was drawn from in it, and the state that it had before."""
    drawn: list[tuple[np.random.Generator, Any]] = []
    before, _local.states = getattr(_local, "states", None), {}
    try:
        yield drawn
    finally:
        drawn.extend(_local.states.values())
        if before is not None:
            before.update({k: v for k, v in _local.states.items() if k not in before})
        _local.states = before


@contextmanager
def drawn_again(drawn: list[tuple[np.random.Generator, Any]]) -> Iterator[None]:
    """Within the block these generators start from the states given; after it they stand where they stood before it."""
    now = [(rng, rng.bit_generator.state) for rng, _ in drawn]
    for rng, state in drawn:
        rng.bit_generator.state = state
    try:
        yield
    finally:
        for rng, state in now:
            rng.bit_generator.state = state
