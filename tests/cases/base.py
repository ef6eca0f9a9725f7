"""What a row of the table is, and the example inputs that rows are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

rng = np.random.default_rng(20)


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
    n = int(np.prod(shape))
    return rng.permuted(np.linspace(0.2, 1.8, n) * np.where(np.arange(n) % 2, 1, -1)).reshape(shape)


def pos(*shape: int) -> np.ndarray:
    """Positive entries."""
    return np.abs(a(*shape))
