"""Initial weights: their distributions, and the forms that fill a tensor."""

import math

import numpy as np
import pytest
from generated import cases
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

import minigrad as mg
from minigrad import nn
from minigrad.nn import init

SEEDS = st.integers(0, 2**32)


@cases(30)
@given(SEEDS, st.integers(1, 9), st.integers(1, 9), st.sampled_from([(), (3,), (2, 3)]), st.floats(-3, 3))
def test_orthogonal(seed, out, inside, kernel, gain):
    w = init.orthogonal((out, inside, *kernel), gain, rng=seed, dtype=np.float64)
    assert w.shape == (out, inside, *kernel)
    w = w.reshape(out, -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    float64 = np.finfo(float)
    bound = (
        20 * max(w.shape) * (float64.eps * gain**2 + float64.smallest_subnormal)
    )  # of a QR decomposition; of underflow
    np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), rtol=0, atol=bound)


def test_orthogonal_has_no_preferred_sign():
    """Of 1,000 draws of one number ±1 half are 1, within five standard deviations."""
    ones = sum(init.orthogonal((1, 1), rng=k).item() > 0 for k in range(1000))
    assert abs(ones - 500) < 5 * math.sqrt(250)


@cases(20)
@given(SEEDS, st.floats(-2, 2), st.floats(0.1, 3), st.floats(-2, 1), st.floats(0.5, 3))
def test_trunc_normal(seed, mean, std, low, width):
    """Kolmogorov and Smirnov: by chance a statistic of 5,000 draws is beyond 2.3/√n once in 40,000."""
    exact = stats.norm(mean, std)
    assume(exact.cdf(low + width) - exact.cdf(low) > 1e-2)
    w = init.trunc_normal((50, 100), mean, std, low, low + width, rng=seed, dtype=np.float64)
    assert w.min() >= low and w.max() <= low + width
    exact = stats.truncnorm((low - mean) / std, (low + width - mean) / std, mean, std)
    assert stats.kstest(w.ravel(), exact.cdf).statistic < 2.3 / math.sqrt(w.size)


def test_trunc_normal_refuses_what_would_take_for_ever():
    with pytest.raises(ValueError, match="less than a thousandth"):
        init.trunc_normal((2,), 0.0, 1.0, 4.0, 5.0)


@cases(20)
@given(SEEDS, st.integers(1, 20), st.integers(1, 20), st.floats(0, 1))
def test_sparse(seed, rows, columns, sparsity):
    w = init.sparse((rows, columns), sparsity, std=1.0, rng=seed)
    assert ((w == 0).sum(0) == math.ceil(sparsity * rows)).all()


def test_forms_that_fill_a_tensor():
    w = nn.Linear(30, 20, dtype=np.float64).weight
    same = [
        (init.constant_, init.constant, (0.25,), {}),
        (init.kaiming_normal_, init.kaiming_normal, (), {"mode": "fan_out", "nonlinearity": "relu", "rng": 3}),
        (init.xavier_uniform_, init.xavier_uniform, (2.0,), {"rng": 3}),
        (init.orthogonal_, init.orthogonal, (), {"rng": 3}),
        (init.trunc_normal_, init.trunc_normal, (0.0, 0.5), {"rng": 3}),
        (init.sparse_, init.sparse, (0.5,), {"rng": 3}),
        (init.eye_, init.eye, (), {}),
        (init.zeros_, init.zeros, (), {}),
    ]
    for fill, draw, args, options in same:
        assert fill(w, *args, **options) is w
        np.testing.assert_array_equal(w.data, draw(w.shape, *args, dtype=np.float64, **options))
    with pytest.raises(AttributeError, match="no attribute 'fans_'"):
        init.fans_  # noqa: B018
    with pytest.raises(ValueError, match="constant_: value is"):
        init.constant_(w, "a")
    y = mg.tensor(1.0, requires_grad=True) * 2.0
    with pytest.raises(RuntimeError, match="part of the tape"):
        init.constant_(y, 1.0)


def test_the_recommended_gains():
    assert init.gain("leaky_relu", 0.2) == math.sqrt(2 / 1.04) and init.gain("tanh") == 5 / 3
    a, b = (init.kaiming_uniform((4, 5), rng=0, nonlinearity=n) for n in ("relu", "leaky_relu"))
    np.testing.assert_array_equal(a, b)  # of slope 0
