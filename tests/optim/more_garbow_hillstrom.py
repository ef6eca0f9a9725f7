"""The 35 test problems of Moré, Garbow and Hillstrom: each is a sum of squares of the residuals that a function returns.

J. J. Moré, B. S. Garbow, K. E. Hillstrom, "Testing unconstrained optimization software", ACM TOMS 7 (1981), 17-41.
Numbers, names and letters are the paper's. A start and the published minima stand over each function; where there are
several minima the first is the global one, and some are limits at infinity. Problems of any size appear in one or two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import Tensor, concat, cos, exp, pad, sin, sqrt
from minigrad import stack as stacked

PROBLEMS: dict[str, Problem] = {}


class Problem(NamedTuple):
    """Minimise f, the sum of squared residuals, from `start`; `minima` are the published values of f at minima."""

    number: int
    name: str
    residuals: Callable[[Tensor], Tensor]
    start: np.ndarray
    minima: tuple[float, ...]

    def f(self, x: Any) -> Tensor:
        """The objective, at a tensor of n variables."""
        r = self.residuals(x)
        return (r * r).sum()

    def solved_by(self, f: float) -> bool:
        """Whether f has five correct digits of a published minimum; where that is 0, whether |f| ≤ 1e-10."""
        return any(abs(f - least) <= (1e-5 * abs(least) if least else 1e-10) for least in self.minima)


def problem(number: int, start: Sequence[float] | np.ndarray, minima: Sequence[float]) -> Callable:
    def enter(residuals: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        x = np.array(start, dtype=float)
        name = residuals.__name__
        if any(p.residuals is residuals for p in PROBLEMS.values()):
            name += f"_n{x.size}"
        PROBLEMS[name] = Problem(number, name, residuals, x, tuple(map(float, minima)))
        return residuals

    return enter


def stack(*xs: Tensor) -> Tensor:
    return stacked(xs)


def upto(n: int) -> np.ndarray:
    """1, 2, …, n: the paper counts from one."""
    return np.arange(1.0, n + 1)


@mg.primitive
def arctan(x: np.ndarray) -> np.ndarray:
    return np.arctan(x)


mg.elementwise(arctan, lambda y, x: 1 / (1 + x * x))


@problem(1, start=[-1.2, 1], minima=[0])
def rosenbrock(x):
    x1, x2 = x
    return stack(10 * (x2 - x1**2), 1 - x1)


@problem(2, start=[0.5, -2], minima=[0, 48.9842])
def freudenstein_and_roth(x):
    x1, x2 = x
    return stack(-13 + x1 + ((5 - x2) * x2 - 2) * x2, -29 + x1 + ((x2 + 1) * x2 - 14) * x2)


@problem(3, start=[0, 1], minima=[0])
def powell_badly_scaled(x):
    x1, x2 = x
    return stack(1e4 * x1 * x2 - 1, exp(-x1) + exp(-x2) - 1.0001)


@problem(4, start=[1, 1], minima=[0])
def brown_badly_scaled(x):
    x1, x2 = x
    return stack(x1 - 1e6, x2 - 2e-6, x1 * x2 - 2)


@problem(5, start=[1, 1], minima=[0])
def beale(x):
    x1, x2 = x
    return stack(1.5 - x1 * (1 - x2), 2.25 - x1 * (1 - x2**2), 2.625 - x1 * (1 - x2**3))


@problem(6, start=[0.3, 0.4], minima=[124.362])
def jennrich_and_sampson(x):
    i = upto(10)
    x1, x2 = x
    return 2 + 2 * i - (exp(i * x1) + exp(i * x2))


@problem(7, start=[-1, 0, 0], minima=[0])
def helical_valley(x):
    x1, x2, x3 = x
    theta = arctan(x2 / x1) / (2 * np.pi) + (0.5 if x1 < 0 else 0)
    return stack(10 * (x3 - 10 * theta), 10 * (sqrt(x1**2 + x2**2) - 1), x3)


BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])


@problem(8, start=[1, 1, 1], minima=[8.21487e-3, 17.4286])  # the second at (0.8406…, -∞, -∞)
def bard(x):
    u = upto(15)
    v = 16 - u
    w = np.minimum(u, v)
    x1, x2, x3 = x
    return BARD - (x1 + u / (v * x2 + w * x3))


GAUSSIAN = np.array([0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989])


@problem(9, start=[0.4, 1, 0], minima=[1.12793e-8])
def gaussian(x):
    y = np.append(GAUSSIAN, GAUSSIAN[-2::-1])
    t = (8 - upto(15)) / 2
    x1, x2, x3 = x
    return x1 * exp(-x2 * (t - x3) ** 2 / 2) - y


MEYER = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872.0]
)


@problem(10, start=[0.02, 4000, 250], minima=[87.9458])
def meyer(x):
    t = 45 + 5 * upto(16)
    x1, x2, x3 = x
    return x1 * exp(x2 / (t + x3)) - MEYER


@problem(11, start=[5, 2.5, 0.15], minima=[0])
def gulf_research_and_development(x):
    t = upto(99) / 100
    y = 25 + (-50 * np.log(t)) ** (2 / 3)
    x1, x2, x3 = x
    return exp(-(mg.abs(y - x2) ** x3) / x1) - t  # the paper's factor m·i inside the modulus is a misprint


@problem(12, start=[0, 10, 20], minima=[0])
def box_three_dimensional(x):
    t = 0.1 * upto(10)
    x1, x2, x3 = x
    return exp(-t * x1) - exp(-t * x2) - x3 * (np.exp(-t) - np.exp(-10 * t))


@problem(13, start=[3, -1, 0, 1], minima=[0])
def powell_singular(x):
    x1, x2, x3, x4 = x
    return stack(x1 + 10 * x2, 5**0.5 * (x3 - x4), (x2 - 2 * x3) ** 2, 10**0.5 * (x1 - x4) ** 2)


@problem(14, start=[-3, -1, -3, -1], minima=[0])
def wood(x):
    x1, x2, x3, x4 = x
    return stack(
        10 * (x2 - x1**2),
        1 - x1,
        90**0.5 * (x4 - x3**2),
        1 - x3,
        10**0.5 * (x2 + x4 - 2),
        10**-0.5 * (x2 - x4),
    )


KOWALIK_AND_OSBORNE = (
    np.array([0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]),
    np.array([4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625]),
)


@problem(15, start=[0.25, 0.39, 0.415, 0.39], minima=[3.07505e-4, 1.02734e-3])  # the second at (∞, -14.07…, -∞, -∞)
def kowalik_and_osborne(x):
    y, u = KOWALIK_AND_OSBORNE
    x1, x2, x3, x4 = x
    return y - x1 * (u**2 + u * x2) / (u**2 + u * x3 + x4)


@problem(16, start=[25, 5, -5, -1], minima=[85822.2])
def brown_and_dennis(x):
    t = upto(20) / 5
    x1, x2, x3, x4 = x
    return (x1 + t * x2 - np.exp(t)) ** 2 + (x3 + x4 * np.sin(t) - np.cos(t)) ** 2


OSBORNE_1 = np.array([
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603, 0.580,
    0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406,
])  # fmt: skip


@problem(17, start=[0.5, 1.5, -1, 0.01, 0.02], minima=[5.46489e-5])
def osborne_1(x):
    t = 10 * (upto(33) - 1)
    x1, x2, x3, x4, x5 = x
    return OSBORNE_1 - (x1 + x2 * exp(-t * x4) + x3 * exp(-t * x5))


@problem(18, start=[1, 2, 1, 1, 1, 1], minima=[0, 5.65565e-3])
def biggs_exp6(x):
    t = 0.1 * upto(13)
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    x1, x2, x3, x4, x5, x6 = x
    return x3 * exp(-t * x1) - x4 * exp(-t * x2) + x6 * exp(-t * x5) - y


OSBORNE_2 = np.array([
    1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608, 0.655, 0.616, 0.606, 0.602,
    0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395, 0.375,
    0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653, 0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591,
    0.559, 0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054,
])  # fmt: skip


@problem(19, start=[1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5], minima=[4.01377e-2])
def osborne_2(x):
    t = (upto(65) - 1) / 10
    x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11 = x
    peaks = x2 * exp(-((t - x9) ** 2) * x6) + x3 * exp(-((t - x10) ** 2) * x7) + x4 * exp(-((t - x11) ** 2) * x8)
    return OSBORNE_2 - (x1 * exp(-t * x5) + peaks)


@problem(20, start=np.zeros(9), minima=[1.39976e-6])
@problem(20, start=np.zeros(6), minima=[2.28767e-3])
def watson(x):
    j = upto(x.size)
    t = upto(29)[:, None] / 29
    slope = (j[1:] - 1) * t ** (j[1:] - 2)  # (29, n - 1)
    value = t ** (j - 1)  # (29, n)
    x1, x2 = x[0], x[1]
    return concat([slope @ x[1:] - (value @ x) ** 2 - 1, stack(x1, x2 - x1**2 - 1)])


@problem(21, start=[-1.2, 1] * 5, minima=[0])
def extended_rosenbrock(x):
    odd, even = x[0::2], x[1::2]
    return concat([10 * (even - odd**2), 1 - odd])


@problem(22, start=[3, -1, 0, 1] * 3, minima=[0])
def extended_powell_singular(x):
    x1, x2, x3, x4 = x[0::4], x[1::4], x[2::4], x[3::4]
    return concat([x1 + 10 * x2, 5**0.5 * (x3 - x4), (x2 - 2 * x3) ** 2, 10**0.5 * (x1 - x4) ** 2])


@problem(23, start=upto(10), minima=[7.08765e-5])
@problem(23, start=upto(4), minima=[2.24997e-5])
def penalty_1(x):
    return concat([1e-5**0.5 * (x - 1), stack((x**2).sum() - 0.25)])


@problem(24, start=np.full(10, 0.5), minima=[2.93660e-4])
@problem(24, start=np.full(4, 0.5), minima=[9.37629e-6])
def penalty_2(x):
    n = x.size
    i = upto(n)[1:]
    y = np.exp(i / 10) + np.exp((i - 1) / 10)
    e = exp(x / 10)
    small = concat([e[1:] + e[:-1] - y, e[1:] - np.exp(-0.1)])
    return concat([stack(x[0] - 0.2), 1e-5**0.5 * small, stack(((n + 1 - upto(n)) * x**2).sum() - 1)])


@problem(25, start=1 - upto(10) / 10, minima=[0])
def variably_dimensioned(x):
    s = (upto(x.size) * (x - 1)).sum()
    return concat([x - 1, stack(s, s**2)])


@problem(26, start=np.full(10, 1 / 10), minima=[0, 2.79506e-5])
def trigonometric(x):
    n = x.size
    return n - cos(x).sum() + upto(n) * (1 - cos(x)) - sin(x)


@problem(27, start=np.full(10, 0.5), minima=[0, 1])  # the second at (0, …, 0, n + 1)
def brown_almost_linear(x):
    n = x.size
    product = x[0]
    for j in range(1, n):
        product = product * x[j]
    return concat([x[:-1] + x.sum() - (n + 1), stack(product - 1)])


def grid(n: int) -> np.ndarray:
    """The n inner points of [0, 1], h = 1/(n + 1) apart."""
    return upto(n) / (n + 1)


@problem(28, start=grid(10) * (grid(10) - 1), minima=[0])
def discrete_boundary_value(x):
    t, h = grid(x.size), 1 / (x.size + 1)
    around = pad(x, [(1, 1)])
    return 2 * x - around[:-2] - around[2:] + h**2 * (x + t + 1) ** 3 / 2


@problem(29, start=grid(10) * (grid(10) - 1), minima=[0])
def discrete_integral_equation(x):
    t, h = grid(x.size), 1 / (x.size + 1)
    kernel = np.minimum.outer(t, t) * (1 - np.maximum.outer(t, t))
    return x + h / 2 * (kernel @ (x + t + 1) ** 3)


@problem(30, start=np.full(10, -1), minima=[0])
def broyden_tridiagonal(x):
    around = pad(x, [(1, 1)])
    return (3 - 2 * x) * x - around[:-2] - 2 * around[2:] + 1


@problem(31, start=np.full(10, -1), minima=[0])
def broyden_banded(x):
    i = upto(x.size)[:, None]
    j = upto(x.size)
    band = (i - 5 <= j) & (j <= i + 1) & (j != i)
    return x * (2 + 5 * x**2) + 1 - band.astype(float) @ (x * (1 + x))


M = 20  # residuals of the three linear problems; n = 10


@problem(32, start=np.ones(10), minima=[M - 10])
def linear_full_rank(x):
    return pad(x, [(0, M - x.size)]) - 2 / M * x.sum() - 1


@problem(33, start=np.ones(10), minima=[M * (M - 1) / (2 * (2 * M + 1))])
def linear_rank_1(x):
    return upto(M) * (upto(x.size) * x).sum() - 1


@problem(34, start=np.ones(10), minima=[(M**2 + 3 * M - 6) / (2 * (2 * M - 3))])
def linear_rank_1_with_zero_columns_and_rows(x):
    rows = np.append(upto(M - 1) - 1, 0)
    return rows * (upto(x.size)[1:-1] * x[1:-1]).sum() - 1


@problem(35, start=grid(9), minima=[0])
@problem(35, start=grid(8), minima=[3.51687e-3])
def chebyquad(x):
    n = x.size
    u = 2 * x - 1  # from [0, 1] to [-1, 1]
    before, now = np.ones(n), u
    means = []
    for _ in range(n):
        means.append(now.mean())
        before, now = now, 2 * u * now - before  # by the recurrence, which holds outside [0, 1] too
    i = upto(n)
    integrals = np.where(i % 2 == 0, -1 / np.where(i % 2 == 0, i**2 - 1, 1), 0)
    return stack(*means) - integrals
