"""Nothing breaks a minimizer: functions with plateaus, cliffs, walls of nan, saddles, no minimum at all.

Every run ends with the lowest point that was looked at, finite, within its limits, and with a reason. Where it converged,
that is the point where it did: another one may be lower by round-off alone, and its gradient larger.
"""

import math

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import optim
from minigrad.optim import descent

REASONS = {
    "converged", "max-iter", "max-evaluations", "no-progress", "unbounded", "not-finite", "flat",
}  # fmt: skip


def bowl(x, a):
    return (a * x * x).sum()


def quartic(x, a):  # saddles and 2ⁿ minima
    return ((x * x - 1) ** 2 * a).sum()


def waves(x, a):
    return (mg.sin(x * a) + 0.01 * x * x).sum()


def valley(x, a):
    return (a[0] * (x[1:] - x[:-1] ** 2) ** 2).sum() + ((1 - x) ** 2).sum()


def plateau(x, a):  # flat for ever, and exactly so in floating point
    return mg.tanh((a * x * x).sum())


def shelf(x, a):  # its gradient is 0 beyond the edge
    return mg.minimum((x * x).sum(), 2.0)


def cliff(x, a):
    return mg.where(x[0].data > 0.3, 1e6 * a[0], (x * x).sum())


def wall(x, a):
    return mg.where(x[0].data > 0.3, np.inf, (x * x).sum() - x[0])


def logarithm(x, a):  # nan where x < 0
    return (x - mg.log(x)).sum()


def arc(x, a):  # nan beyond |x| = 1, and minima at the edge
    return mg.sqrt(1 - x * x).sum()


def hole(x, a):  # -inf at 0
    return mg.log((x * x).sum())


def slope(x, a):
    return (a * x).sum()


def hill(x, a):
    return -(a * x * x).sum()


def dive(x, a):  # overflows to -inf
    return -mg.exp(x * 3).sum()


def tower(x, a):  # overflows to inf
    return mg.exp(mg.exp(x * x)).sum()


def kinks(x, a):
    return mg.abs(a * x).sum()


def ripples(x, a):  # far finer than any step
    return (x * x).sum() + 1e-3 * mg.sin(1e9 * x).sum()


def flat(x, a):
    return (0 * x).sum() + 3


FAMILIES = [bowl, quartic, waves, valley, plateau, shelf, cliff, wall, logarithm, arc, hole, slope, hill, dive, tower, kinks, ripples, flat]  # fmt: skip


def problem(seed):
    """A function, its start, and what it saw: a list of (x, value)."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[seed % len(FAMILIES)]
    n = int(rng.integers(2, 6))
    a = 10 ** rng.uniform(-4, 4, n) if rng.random() < 0.5 else 10 ** rng.uniform(-1, 1, n)
    of_f, of_x = (10 ** rng.uniform(-12, 12) if rng.random() < 0.7 else 1.0 for _ in range(2))
    x0 = rng.normal(size=n) * 10 ** rng.uniform(-2, 1) * of_x
    seen = []

    def f(x):
        y = of_f * family(x / of_x, a)
        seen.append((x.data.copy(), y.detach().item()))
        return y

    return f, x0, seen, rng


def check(method, seed):
    f, x0, seen, rng = problem(seed)
    limit = int(rng.integers(1, 50))
    gtol = 1e-10 * float(rng.integers(0, 2))
    result = optim.minimize(f, x0, method, gtol=0.0, gtol_rel=gtol, max_evaluations=limit, max_iter=15)
    what = (method, seed, FAMILIES[seed % len(FAMILIES)].__name__, result)
    assert result.n_fev == len(seen) <= limit, what
    assert result.status in REASONS and result.message, what
    assert (result.status == "max-evaluations") <= (result.n_fev == limit), what
    assert np.array_equal(seen[0][0], x0)
    finite = [v for _, v in seen if math.isfinite(v)]
    assert result.n_iter < result.n_fev, what
    if math.isfinite(seen[0][1]):
        assert np.isfinite(result.x).all() and math.isfinite(result.fun), what
        noise = descent.NOISE * np.finfo(float).eps * abs(result.fun) if result.success else 0
        assert 0 <= result.fun - min(finite) <= noise, what
        assert not result.success or result.grad_norm <= gtol * descent.top(first_gradient(f, x0)), what
        assert any(v == result.fun and np.array_equal(x, result.x) for x, v in seen), what
    else:
        assert result.status == "not-finite" and np.array_equal(result.x, x0), what
    return result.status


def first_gradient(f, x0):
    x = mg.tensor(x0, requires_grad=True)
    return mg.pull(f(x), [x])[0].data


@pytest.mark.slow
def test_lbfgs_meets_five_hundred_functions_and_every_end():
    reasons = {check("lbfgs", seed) for seed in range(500)}
    assert reasons >= {"converged", "max-iter", "max-evaluations", "no-progress", "unbounded", "not-finite"}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["bfgs", "cg", "lbfgs", "newton", "newton-cg", "trust-ncg"])
@cases(50)
@given(st.integers(1000, 2**32 - 1))
def test_every_method_meets_them(method, seed):
    check(method, seed)
