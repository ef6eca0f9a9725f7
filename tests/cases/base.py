"""What a row of the table is, and the example inputs that rows are made of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_rngs: dict[str, np.random.Generator] = {}


@dataclass(eq=False)
class Case:
    name: str
    f: Callable
    inputs: tuple[np.ndarray, ...]
    kink: bool = False  # whether the inputs stand at a kink or a tie, where central differences are of no use

    @property
    def op(self) -> str:
        return self.name.split()[0]


def case(name: str, f: Callable, *inputs: np.ndarray, kink: bool = False) -> Case:
    return Case(name, f, inputs, kink)


def a(*shape: int) -> np.ndarray:
    """Entries on both sides of zero, none near it, no two equal."""
    return _drawn(shape, sys._getframe(1).f_globals["__name__"])


def pos(*shape: int) -> np.ndarray:
    """Positive entries."""
    return np.abs(_drawn(shape, sys._getframe(1).f_globals["__name__"]))


def _drawn(shape: tuple[int, ...], chapter: str) -> np.ndarray:
    """Each chapter draws for itself, so that a row that is added changes no other chapter."""
    rng = _rngs.setdefault(chapter, np.random.default_rng(20))
    n = int(np.prod(shape))
    return rng.permuted(np.linspace(0.2, 1.8, n) * np.where(np.arange(n) % 2, 1, -1)).reshape(shape)
