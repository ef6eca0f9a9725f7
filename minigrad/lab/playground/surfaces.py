"""Surfaces over the plane, each with something that optimizers find hard.

A surface is a function of a tensor x of shape (2,) or (2, …): the same lines give one number to an optimizer and a whole
grid of them to a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...ops.elementwise import exp
from ...tape import Array, Tensor, no_grad

Point = tuple[float, float]


class Surface(NamedTuple):
    """f over the plane, where a race starts, the window that pictures show, and the points at which f is least.

    `noise` is the standard deviation of what a stochastic gradient adds to each entry of the true one. `hard` says in
    half a sentence what makes the surface worth a look.
    """

    name: str
    f: Callable[[Tensor], Tensor]
    start: Point
    window: tuple[Point, Point]  # from, to
    minima: tuple[Point, ...]
    hard: str
    noise: float = 0.0

    def values(self, points: Array) -> Array:
        """f at points (…, 2), without noise.

        >>> SURFACES["himmelblau"].values(np.array([[3.0, 2.0], [0.0, 0.0]]))
        array([  0., 170.])
        """
        with no_grad(), np.errstate(all="ignore"):
            return self.f(Tensor(np.moveaxis(np.asarray(points, float), -1, 0))).data

    @property
    def least(self) -> float:
        """The lowest value of f."""
        return float(self.values(np.array(self.minima)).min())


def quadratic(x: Tensor) -> Tensor:
    return (x[0] ** 2 + 20 * x[1] ** 2) / 2


def rosenbrock(x: Tensor) -> Tensor:
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def beale(x: Tensor) -> Tensor:
    a, b = x[0], x[1]
    return (1.5 - a * (1 - b)) ** 2 + (2.25 - a * (1 - b**2)) ** 2 + (2.625 - a * (1 - b**3)) ** 2


def himmelblau(x: Tensor) -> Tensor:
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def saddle(x: Tensor) -> Tensor:
    return x[0] ** 2 / 2 - x[1] ** 2 / 2 + x[1] ** 4 / 4


def plateau(x: Tensor) -> Tensor:
    return 1 - exp(-(x[0] ** 2 + x[1] ** 2) / 2)


def bowl(x: Tensor) -> Tensor:
    return (x[0] ** 2 + 4 * x[1] ** 2) / 2


SURFACES = {
    surface.name: surface
    for surface in (
        Surface("quadratic", quadratic, (-9, 2), ((-10, -3.5), (4, 3.5)), ((0, 0),),
                "curved 20 times more one way than the other"),
        Surface("rosenbrock", rosenbrock, (-1.2, 1), ((-1.9, -0.8), (1.7, 2.2)), ((1, 1),),
                "a narrow valley, and a bent one"),
        Surface("beale", beale, (1, 1.5), ((-1, -1.5), (4, 2)), ((3, 0.5),),
                "steep walls around a nearly flat floor"),
        Surface("himmelblau", himmelblau, (-0.5, -1), ((-5.5, -5.5), (5.5, 5.5)),
                ((3, 2), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126)),
                "four minima, all as good"),
        Surface("saddle", saddle, (-1.9, 1e-3), ((-2.2, -1.6), (1.2, 1.6)), ((0, 1), (0, -1)),
                "at (0, 0) the gradient is 0, and no minimum"),
        Surface("plateau", plateau, (-2.9, 1.4), ((-3.6, -2), (1.8, 2.4)), ((0, 0),),
                "far from the minimum there is hardly a slope"),
        Surface("noisy-bowl", bowl, (-4, 1.5), ((-4.6, -2.2), (2, 2.4)), ((0, 0),),
                "the gradient comes with noise of standard deviation 2", noise=2.0),
    )
}  # fmt: skip
