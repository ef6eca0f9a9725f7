"""Optimizer steps: jitted against plain, in place, over several steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

ULPS = {"f": 5e-6, "d": 1e-14}
SHAPES = st.sampled_from([(), (1,), (7,), (33, 5), (4, 3, 3, 3), (0, 2)])
LAYOUTS = st.sampled_from(["plain", "sliced", "read-only"])


def walk(room, step, parameters, gradients, states):
    """The parameters and states after as many steps as there are gradients."""
    parameters, states = parameters.copy(), [None if s is None else s.copy() for s in states]
    for t, g in enumerate(gradients, 1):
        step(room, parameters, g, states, t)
    return [a for a in (parameters, *states) if a is not None]


def agree(step, shape, layout, dtype, seed, n_states, laid_out):
    rng = np.random.default_rng(seed)
    p = rng.standard_normal(shape).astype(dtype)
    gradients = [laid_out(rng, shape, dtype, layout if shape else "plain") for _ in range(4)]
    states = [np.zeros(shape, dtype) for _ in range(n_states)]
    ours, twin = (walk(room, step, p, gradients, states) for room in (kernels, plain))
    for a, b in zip(ours, twin, strict=True):
        np.testing.assert_allclose(a, b, rtol=ULPS[dtype], atol=ULPS[dtype])


@settings(max_examples=40, deadline=None)
@given(
    SHAPES,
    LAYOUTS,
    st.sampled_from("fd"),
    st.sampled_from([None, 0.0, 0.9]),
    st.sampled_from([0.0, 0.3]),
    st.booleans(),
    st.sampled_from([0.0, 1e-2]),
    st.integers(0, 2**32 - 1),
)
def test_sgd(laid_out, shape, layout, dtype, momentum, dampening, nesterov, decay, seed):
    rule = {"momentum": momentum or 0.0, "dampening": dampening, "nesterov": nesterov, "weight_decay": decay}

    def step(room, p, g, states, t):
        room.sgd_step(p, g, *(states or [None]), first=t == 1, lr=0.1, **rule)

    agree(step, shape, layout, dtype, seed, 0 if momentum is None else 1, laid_out)


@settings(max_examples=40, deadline=None)
@given(SHAPES, LAYOUTS, st.sampled_from("fd"), st.booleans(), st.sampled_from([0.0, 1e-2]), st.integers(0, 2**32 - 1))
def test_adam(laid_out, shape, layout, dtype, decoupled, decay, seed):
    rule = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": decay, "decoupled": decoupled}

    def step(room, p, g, states, t):
        room.adam_step(p, g, *states, t=t, lr=0.01, **rule)

    agree(step, shape, layout, dtype, seed, 2, laid_out)


@pytest.mark.parametrize("room", [kernels, plain])
def test_the_first_buffer_is_the_gradient_whatever_it_held(room):
    p, g, v = np.zeros(3, "f"), np.array([1, 2, 3], "f"), np.full(3, np.nan, "f")
    rule = {"lr": 1.0, "momentum": 0.9, "dampening": 0.5, "nesterov": False, "weight_decay": 0.0}
    room.sgd_step(p, g, v, first=True, **rule)
    assert v.tolist() == [1, 2, 3] and p.tolist() == [-1, -2, -3]
    room.sgd_step(p, g, v, first=False, **rule)
    np.testing.assert_allclose(v, 1.4 * g, rtol=1e-6)


def test_arrays_that_are_not_contiguous_are_still_moved_in_place():
    base = np.ones((4, 6), "f")
    kernels.sgd_step(base[:, ::2], np.ones((4, 3), "f"), None, lr=0.5)
    assert base[0].tolist() == [0.5, 1, 0.5, 1, 0.5, 1]
    m, s = np.zeros((2, 4, 3), "f")
    kernels.adam_step(base[:, ::2], np.ones((4, 3), "f"), m, s, lr=0.5, t=1)
    np.testing.assert_allclose(base[0], [0, 1, 0, 1, 0, 1], atol=1e-6)
