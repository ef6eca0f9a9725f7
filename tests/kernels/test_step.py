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
        step(room, [parameters], [g], [None if s is None else [s] for s in states], [t])
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
        room.sgd_step(p, g, *(states or [None]), first=[n == 1 for n in t], lr=0.1, **rule)

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
    room.sgd_step([p], [g], [v], first=[True], **rule)
    assert v.tolist() == [1, 2, 3] and p.tolist() == [-1, -2, -3]
    room.sgd_step([p], [g], [v], first=[False], **rule)
    np.testing.assert_allclose(v, 1.4 * g, rtol=1e-6)


def test_arrays_that_are_not_contiguous_are_still_moved_in_place():
    base = np.ones((4, 6), "f")
    kernels.sgd_step([base[:, ::2]], [np.ones((4, 3), "f")], None, lr=0.5, first=[True])
    assert base[0].tolist() == [0.5, 1, 0.5, 1, 0.5, 1]
    m, s = np.zeros((2, 4, 3), "f")
    kernels.adam_step([base[:, ::2]], [np.ones((4, 3), "f")], [m], [s], lr=0.5, t=[1])
    np.testing.assert_allclose(base[0], [0, 1, 0, 1, 0, 1], atol=1e-6)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_many_parameters_at_once_are_moved_as_one_by_one(dtype, n_threads, eager_threads):
    kernels.set_num_threads(n_threads)
    rng = np.random.default_rng(0)
    shapes = [(3, 5), (), (0,), (40,), (2, 2, 2)]
    ps, gs, ms, ss = ([rng.random(shape).astype(dtype) for shape in shapes] for _ in range(4))
    one = [[a.copy() for a in arrays] for arrays in (ps, gs, ms, ss)]
    t, first = [1, 2, 3, 4, 5], [True, False, True, False, False]
    kernels.adam_step(ps, gs, ms, ss, lr=0.1, weight_decay=0.1, t=t)
    kernels.sgd_step(ps, gs, ms, lr=0.1, momentum=0.5, first=first)
    kernels.sgd_step(ps, gs, None, lr=0.1, first=first)
    for i, (p, g, m, s) in enumerate(zip(*one)):
        plain.adam_step([p], [g], [m], [s], **ADAM, lr=0.1, weight_decay=0.1, t=t[i : i + 1])
        plain.sgd_step([p], [g], [m], **SGD, momentum=0.5, first=first[i : i + 1])
        plain.sgd_step([p], [g], None, **SGD, momentum=0, first=[True])
    for a, b in zip([*ps, *gs, *ms, *ss], [a for arrays in one for a in arrays]):
        np.testing.assert_allclose(a, b, rtol=ULPS[dtype], atol=ULPS[dtype])


SGD = {"lr": 0.1, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0}
ADAM = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "decoupled": False}


def test_arrays_of_different_sizes_are_refused_or_moved_but_never_written_beyond():
    p, g, m, s = np.zeros(4, "f"), np.ones(2, "f"), np.zeros(4, "f"), np.zeros(4, "f")
    with pytest.raises(ValueError, match="broadcast"):
        kernels.adam_step([p], [g], [m], [s], lr=0.1, t=[1])
