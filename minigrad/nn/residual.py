"""Residual blocks, and stochastic depth: whole blocks dropped in training (Huang, Sun, Liu, Sedra, Weinberger 2016).

Training adds randomness, testing averages it out. A branch survives with probability q = 1 − p. With scaling 'test',
as in the paper, a surviving branch is added as it is, and at test time q times the branch is added; with 'inverted',
1/q times the branch is added in training and the plain branch at test time. Either way both modes agree in
expectation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import random
from ..errors import check_function, named
from ..ops import noise, shape
from ..ranges import FRACTION, check, whole
from ..tape import Tensor, draw, look, skip
from ..typing import ArrayLike, Rng
from .layers import own_generator
from .module import Module


class StochasticDepth(Module):
    """shortcut + branch(), the branch dropped with probability p in training.

    `mode` 'batch' draws once: a dropped branch is not executed at all, so its parameters get no gradient and its
    batch norms see no data. 'row' executes it and draws for each sample. Raises ValueError when the shapes of
    shortcut and branch differ.

    >>> depth = StochasticDepth(0.5, rng=1)
    >>> [depth(np.zeros(1), lambda: np.ones(1)).item() for _ in range(4)]
    [2.0, 2.0, 0.0, 2.0]
    >>> depth.eval()(np.zeros(1), lambda: np.ones(1)).item()
    1.0
    """

    def __init__(
        self,
        p: float,
        mode: str = "batch",
        scaling: str = "inverted",
        *,
        rng: Rng = None,
    ) -> None:
        check("StochasticDepth", FRACTION, p=p)
        check("StochasticDepth", noise.MODE, mode=mode)
        check("StochasticDepth", noise.SCALING, scaling=scaling)
        self.p, self.mode, self.scaling, self.rng = p, mode, scaling, own_generator(rng)

    def __call__(self, shortcut: Any, branch: Callable[[], Any]) -> Tensor:
        return (self._hooked if self._hooks else self.forward)(
            shortcut, branch
        )  # no scope of its own: what the branch records is the caller's

    def forward(self, shortcut: Any, branch: Callable[[], Any]) -> Tensor:
        shortcut = shape.as_tensor(shortcut)
        drops = self.training and self.p > 0
        if drops and self.mode == "batch":
            look("stochastic depth decides anew in each call what is executed")
            if draw(_uniform, self.rng) < self.p:
                skip(self)
                return shortcut
        y = shape.as_tensor(branch())
        if y.shape != shortcut.shape:
            raise ValueError(
                f"StochasticDepth: the shortcut has shape {shortcut.shape}, the branch {y.shape}; they must be one"
            )
        if drops and self.mode == "row":
            size = (len(shortcut), *[1] * (shortcut.ndim - 1))
            return shortcut + noise.drop("StochasticDepth", y, size, self.p, self.scaling, True, self.rng)
        factor = noise.factor(self.p, self.scaling, self.training)
        return shortcut + (y if factor == 1 else y * factor)


def _uniform(rng: np.random.Generator | None) -> float:
    return random.generator(rng).random()


class Residual(Module):
    """shortcut(x) + branch(x), with stochastic depth: `drop` is the branch's drop probability, or a StochasticDepth.

    Without a shortcut, x itself is added.

    >>> from minigrad import nn
    >>> Residual(nn.Linear(3, 3, rng=0), drop=0.2)(np.ones((2, 3), np.float32)).shape
    (2, 3)
    """

    def __init__(
        self,
        branch: Callable[[Any], Any],
        shortcut: Callable[[Any], Any] | None = None,
        drop: float | StochasticDepth = 0.0,
    ) -> None:
        check_function("Residual", "branch", branch)
        check_function("Residual", "shortcut", shortcut, None)
        self.branch = branch
        self.shortcut = shortcut
        if not isinstance(drop, StochasticDepth):
            check("Residual", FRACTION, drop=drop)
            drop = StochasticDepth(drop)
        self.drop = drop

    def forward(self, x: ArrayLike) -> Tensor:
        return self.drop(x if self.shortcut is None else self.shortcut(x), lambda: self.branch(x))


@named
def linear_decay(blocks: int, p: float) -> list[float]:
    """The drop probabilities p_l = l/L · p of blocks l = 1 … L: early blocks, whose features all others use, stay.

    In the paper's terms, the survival probability decays linearly from 1 at the input to 1 − p at the last block.

    >>> linear_decay(4, 0.5)
    [0.125, 0.25, 0.375, 0.5]
    """
    check("linear_decay", whole(0, 10**6), blocks=blocks)
    check("linear_decay", FRACTION, p=p)
    return [p * block / blocks for block in range(1, blocks + 1)]


@named
def expected_depth(model: Module) -> float:
    """How many residual branches of the model are executed on average in training: the sum of their survival.

    With linear decay to p over L blocks it is L − p (L + 1)/2; for p = 1/2 the paper's (3L − 1)/4.

    >>> blocks = Module()
    >>> blocks.drops = [StochasticDepth(p) for p in linear_decay(54, 0.5)]
    >>> round(expected_depth(blocks), 6)
    40.25
    """
    return float(sum(1 - m.p for m in model.modules() if isinstance(m, StochasticDepth)))
