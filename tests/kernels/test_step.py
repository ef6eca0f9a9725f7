"""Optimizer steps: every rule jitted against plain, in place, over several steps, all parameters at once."""

import inspect

import numpy as np
import pytest
from bounds import unit
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain, rules

ULPS = {dtype: 4 * 25 * unit(dtype) for dtype in "fd"}  # four steps, of at most 25 roundings each
SHAPES = st.sampled_from([(), (1,), (7,), (33, 5), (4, 3, 3, 3), (0, 2)])
LAYOUTS = st.sampled_from(["plain", "sliced", "read-only"])
RULES = [f for f in vars(rules).values() if inspect.isfunction(f)]
COEFFICIENTS = {"lr": 0.1, "lr_g": 0.1, "lr_m": 0.2, "rho": 0.9, "take": 0.1, "keep": 0.9, "take1": 0.2, "take2": 0.3,
                "keep2": 0.7, "inside": 1e-3, "outside": 1e-3, "eps": 1e-3,
                "shrink": 0.5, "grow": 1.2, "least": 1e-6, "most": 50.0}  # fmt: skip


def form(rule):
    """How many arrays of state a rule has, and some coefficients for it."""
    names = list(inspect.signature(rule).parameters)[2:]
    numbers = [COEFFICIENTS[name] for name in names if name in COEFFICIENTS]
    return len(names) - len(numbers), numbers


def close(ours, theirs, dtype):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=ULPS[dtype], atol=ULPS[dtype])


@pytest.mark.parametrize("rule", RULES, ids=lambda f: f.__name__)
@cases(8)
@given(SHAPES, LAYOUTS, st.sampled_from("fd"), st.sampled_from([(1.0, 0.0), (0.9, 0.2)]), st.integers(0, 2**32 - 1))
def test_rule(rule, laid_out, shape, layout, dtype, decay, seed):
    rng, (n, numbers), (keep, decay) = np.random.default_rng(seed), form(rule), decay
    p = rng.standard_normal(shape).astype(dtype)
    gradients = [laid_out(rng, shape, dtype, layout if shape else "plain") for _ in range(4)]
    ends = []
    for room in (kernels, plain):
        moved, states = p.copy(), [np.zeros(shape, dtype) for _ in range(n)]
        for g in gradients:
            room.update(rule, [moved], [g], [[s] for s in states], numbers, keep=keep, decay=decay)
        ends.append([moved, *states])
    close(*ends, dtype)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("rule", RULES, ids=lambda f: f.__name__)
def test_many_parameters_at_once_are_moved_as_one_by_one(rule, dtype, n_threads, eager_threads):
    n, numbers = form(rule)
    rng = np.random.default_rng(0)
    shapes = [(3, 5), (), (0,), (40,), (2, 2, 2)]
    ps, gs, *states = ([np.array(1 + rng.random(shape), dtype) for shape in shapes] for _ in range(2 + n))
    arrays = [*ps, *gs, *(a for s in states for a in s)]
    one_by_one = [[a.copy() for a in parts] for parts in (ps, gs, *states)]
    alone = [[a.copy() for a in parts] for parts in (ps, gs, *states)]
    kernels.set_num_threads(n_threads)
    kernels.update(rule, ps, gs, states, numbers, keep=0.9, decay=0.1)
    for p, g, *own in zip(*one_by_one):
        plain.update(rule, [p], [g], [[a] for a in own], numbers, keep=0.9, decay=0.1)
    close(arrays, [a for parts in one_by_one for a in parts], dtype)
    kernels.set_num_threads(1)
    kernels.update(rule, alone[0], alone[1], alone[2:], numbers, keep=0.9, decay=0.1)
    close(arrays, [a for parts in alone for a in parts], dtype)


def test_arrays_that_are_not_contiguous_are_still_moved_in_place():
    base = np.ones((4, 6), "f")
    kernels.update(rules.sgd, [base[:, ::2]], [np.ones((4, 3), "f")], [], [0.5])
    assert base[0].tolist() == [0.5, 1, 0.5, 1, 0.5, 1]
    v = np.zeros((4, 3), "f")
    kernels.update(rules.velocity, [base[:, ::2]], [np.ones((4, 3), "f")], [[v]], [0.5, 0.9])
    assert base[0].tolist() == [0, 1, 0, 1, 0, 1] and (v == -0.5).all()


def test_the_variance_of_equal_gradients_is_never_negative():
    p, s, a = np.zeros(1000, "f"), np.zeros(1000, "f"), np.zeros(1000, "f")
    g = np.random.default_rng(0).random(1000, np.float32)
    for _ in range(300):  # s − a² is round-off by then
        kernels.update(rules.rmsprop_centered, [p], [g], [[s], [a]], [1e-3, 0.9, 0.1, 0.0, 1e-8])
    assert (s < a * a).any() and np.isfinite(p).all()


def test_a_squared_gradient_that_overflows_stops_the_parameter_and_leaves_no_nan():
    p, m, s = np.zeros(1, "f"), np.zeros(1, "f"), np.zeros(1, "f")
    for g in (1e25, 1.0, 1.0):
        with np.errstate(over="ignore"):
            kernels.update(rules.adam, [p], [np.array([g], "f")], [[m], [s]], [0.1, 0.1, 0.9, 0.1, 0.0, 1e-8])
    assert p == 0 and s == np.inf


def test_arrays_of_different_sizes_are_refused_or_moved_but_never_written_beyond():
    p, g, v = np.zeros(4, "f"), np.ones(2, "f"), np.zeros(4, "f")
    with pytest.raises(ValueError, match="broadcast"):
        kernels.update(rules.velocity, [p], [g], [[v]], [0.1, 0.9])
