"""The line searches: their conditions hold at what they accept, on Moré and Thuente's functions and on any others."""

import math

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad.optim.line_search import Trial, armijo, is_wolfe, strong_wolfe

# ---- the functions of Moré and Thuente, ACM TOMS 20 (1994), section 5 -----------------------------------------------


def rational(b):
    return lambda a: (-a / (a * a + b), (a * a - b) / (a * a + b) ** 2)


def fifth(b):
    return lambda a: ((a + b) ** 5 - 2 * (a + b) ** 4, 5 * (a + b) ** 4 - 8 * (a + b) ** 3)


def kinked(b, n):  # |1 - a| rounded off within b, and ripples over it
    def phi(a):
        if a <= 1 - b:
            value, slope = 1 - a, -1.0
        elif a >= 1 + b:
            value, slope = a - 1, 1.0
        else:
            value, slope = (a - 1) ** 2 / (2 * b) + b / 2, (a - 1) / b
        wave = n * math.pi / 2
        return value + 2 * (1 - b) / (n * math.pi) * math.sin(wave * a), slope + (1 - b) * math.cos(wave * a)

    return phi


def yanai(b1, b2):
    def gamma(b):
        return math.sqrt(1 + b * b) - b

    def phi(a):
        left, right = math.hypot(1 - a, b2), math.hypot(a, b1)
        value = gamma(b1) * left + gamma(b2) * right
        return value, gamma(b1) * (a - 1) / left + gamma(b2) * a / right

    return phi


MORE_THUENTE = {  # with the paper's c1 and c2
    "rational": (rational(2), 1e-3, 0.1),
    "fifth": (fifth(0.004), 0.1, 0.1),
    "kinked": (kinked(0.01, 39), 0.1, 0.1),
    "yanai-1": (yanai(1e-3, 1e-3), 1e-3, 1e-3),
    "yanai-2": (yanai(1e-2, 1e-3), 1e-3, 1e-3),
    "yanai-3": (yanai(1e-3, 1e-2), 1e-3, 1e-3),
}


@pytest.mark.parametrize("first", [1e-3, 1e-1, 1e1, 1e3])
@pytest.mark.parametrize("name", MORE_THUENTE)
def test_more_thuente(name, first):
    phi, c1, c2 = MORE_THUENTE[name]
    calls = []

    def counted(a):
        calls.append(a)
        return phi(a)

    start = Trial(0.0, *phi(0.0))
    found = strong_wolfe(counted, start.value, start.slope, first, c1=c1, c2=c2)
    assert found.ok and is_wolfe(start, found.trial, c1, c2)
    assert found.trial == Trial(found.trial.alpha, *phi(found.trial.alpha))
    assert len(calls) <= 20  # the paper's own search takes up to 13


@pytest.mark.slow
@cases(150)
@given(
    st.lists(st.floats(-3, 3), min_size=4, max_size=4),
    st.floats(-8, 8),
    st.floats(-12, 12),
    st.sampled_from([0.1, 0.5, 0.9]),
)
def test_wolfe_conditions_hold_whatever_the_function(waves, first, scale, c2):
    c, a = 10.0**scale, np.arange(1, 5)

    def phi(t):  # bounded below, with many minima
        wave = np.array(waves)
        return c * (0.01 * t * t - t + float(wave @ np.sin(a * t))), c * (
            0.02 * t - 1 + float((wave * a) @ np.cos(a * t))
        )

    start = Trial(0.0, *phi(0.0))
    if start.slope >= 0:
        return
    found = strong_wolfe(phi, start.value, start.slope, 10.0**first, c2=c2, max_trials=60)
    assert found.ok
    assert is_wolfe(start, found.trial, 1e-4, c2)


@pytest.mark.parametrize("c", [1e-10, 1.0, 1e10])
def test_scales_of_the_value_drop_out(c):
    phi = kinked(0.01, 39)
    found = strong_wolfe(lambda a: (c * phi(a)[0], c * phi(a)[1]), c * phi(0)[0], c * phi(0)[1], 0.1, c1=0.1, c2=0.1)
    assert math.isclose(found.trial.alpha, strong_wolfe(phi, *phi(0), 0.1, c1=0.1, c2=0.1).trial.alpha, rel_tol=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_walls_are_stepped_back_from(bad):
    def phi(a):
        return (bad, math.nan) if a > 1e-3 else ((a - 5e-4) ** 2, 2 * (a - 5e-4))

    found = strong_wolfe(phi, *phi(0), 1e3)
    assert found.ok and 0 < found.trial.alpha <= 1e-3


def test_no_false_failure_where_values_are_round_off():
    def phi(a):  # near its minimum the value stays 1 to the last digit
        return 1.0 + 1e-20 * (a - 1) ** 2, 2e-20 * (a - 1)

    found = strong_wolfe(phi, *phi(0), 0.3, c2=0.1, noise=1e-15)
    assert found.ok and abs(found.trial.alpha - 1) < 0.1


def test_unbounded_and_hopeless():
    found = strong_wolfe(lambda a: (-a if a < 1e6 else -math.inf, -1.0), 0.0, -1.0)
    assert found.unbounded and not found.ok and found.trial.value < 0
    found = strong_wolfe(lambda a: (a, -1.0), 0.0, -1.0)  # its slope lies
    assert not found.ok and found.trial.alpha == 0
    found = strong_wolfe(lambda a: (-a, -1.0), 0.0, -1.0, max_trials=7)  # no minimum, but lower
    assert not found.ok and found.trial.value < -10


def test_limit_on_trials_is_exact():
    calls = []
    strong_wolfe(lambda a: (calls.append(a), 1.0, -1.0)[1:], 0.0, -1.0, max_trials=9)
    assert len(calls) <= 9


def test_armijo():
    found = armijo(lambda a: (a - 1) ** 2, 1.0, -2.0, 100.0)
    assert found.ok and found.trial.value <= 1 - 2e-4 * found.trial.alpha
    assert armijo(lambda a: math.nan if a > 0.01 else -a, 0.0, -1.0).ok
    assert not armijo(lambda a: 1 + a, 1.0, -1.0).ok
