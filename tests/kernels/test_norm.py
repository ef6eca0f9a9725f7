"""Batch normalisation: jitted against plain, stable far from zero, any layout, images and vectors."""

from functools import partial

import numpy as np
import pytest
from bounds import moved, within
from generated import cases
from hypothesis import assume, given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

LAYOUTS = st.sampled_from(["plain", "channels last", "sliced", "reversed", "read-only"])


def batch_norm(room, x, gamma, beta, *, eps):
    mean, var = room.channel_moments(x)
    istd = 1 / np.sqrt(var + x.dtype.type(eps))
    return room.normalize(x, mean, gamma * istd, beta), mean, istd


def agreeing(f, *arrays, terms, dtype):
    """f(room, *arrays) gives the same by the kernels and by their twins, whose own sums count as well."""
    ours, exact = f(kernels, *arrays), f(plain, *(a.astype("d") for a in arrays))
    bounds = moved(lambda *inputs: f(plain, *inputs), arrays, terms, dtype)
    for a, b, bound in zip(ours, exact, bounds, strict=True):
        assert a.dtype == np.dtype(dtype)
        within(a, b, bound)
    return [b.astype(dtype) for b in exact]


@st.composite
def shapes(draw):
    n, c = draw(st.integers(2, 40)), draw(st.integers(1, 150))
    if draw(st.booleans()):
        return n, c
    return n, c, draw(st.integers(1, 9)), draw(st.integers(1, 9))


@pytest.mark.slow
@cases(60)
@given(shapes(), LAYOUTS, st.sampled_from("fd"), st.integers(1, 2), st.integers(0, 2**32 - 1))
def test_jitted_agree_with_plain(laid_out, shape, layout, dtype, n_threads, seed):
    kernels.set_num_threads(n_threads)
    rng = np.random.default_rng(seed)
    x, g, t = (laid_out(rng, shape, dtype, layout) for _ in range(3))
    gamma, beta = rng.standard_normal((2, shape[1])).astype(dtype)
    agree = partial(agreeing, terms=x[:, 0].size, dtype=dtype)
    _, mean, istd = agree(lambda room, *a: batch_norm(room, *a, eps=1e-2), x, gamma, beta)
    agree(lambda room, x: [room.channel_sums(x)], x)
    for gate in None, laid_out(rng, shape, dtype, layout).round():
        agree(lambda room, *a: room.batch_norm_backward(*a, gate=gate), g, x, gamma, mean, istd)
    agree(lambda room, *a: [room.batch_norm_second(*a)], g, t, x, mean, istd)


@pytest.mark.slow
@cases(60)
@given(
    st.tuples(*[st.integers(1, 5), st.integers(1, 9), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9)]),
    LAYOUTS, st.sampled_from("fd"), st.integers(1, 2), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_jitted_groups_agree_with_plain(laid_out, shape, layout, dtype, n_threads, seed):
    kernels.set_num_threads(n_threads)
    (n, groups, k, h, w), rng = shape, np.random.default_rng(seed)
    assume(k * h * w > 1)  # else the gradient is 0, here up to its round-off
    x, g = (laid_out(rng, (n, groups * k, h, w), dtype, layout) for _ in range(2))
    weight, bias = rng.standard_normal((2, groups, k)).astype(dtype)
    agree = partial(agreeing, terms=k * h * w, dtype=dtype)
    _, stats = agree(lambda room, *a: room.normalize_groups(*a, eps=1e-2), x, weight, bias)
    agree(lambda room, *a: room.normalize_groups_backward(*a), g, x, weight, stats)


@pytest.mark.parametrize("offset", [1000, -30_000, 1e6])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_no_digits_cancel_far_from_zero(offset, n_threads, eager_threads):
    kernels.set_num_threads(n_threads)
    rng = np.random.default_rng(0)
    x = (offset + abs(offset) * 1e-4 * rng.standard_normal((128, 3, 32, 32))).astype("f")
    x[0, 0, 0, 0] = 0  # the first number may be an outlier
    _, mean, istd = batch_norm(kernels, x, np.ones(3, "f"), np.zeros(3, "f"), eps=1e-5)
    _, mean64, istd64 = batch_norm(plain, x.astype("d"), np.ones(3), np.zeros(3), eps=1e-5)
    np.testing.assert_allclose(mean, mean64, rtol=1e-6)
    np.testing.assert_allclose(istd, istd64, rtol=1e-4)


@pytest.mark.parametrize("offset", [1000, -30_000, 1e6])
def test_no_digits_of_a_group_cancel_far_from_zero(laid_out, offset):
    x = (offset + abs(offset) * 1e-4 * laid_out(np.random.default_rng(0), (8, 6, 32, 32), "d", "channels last")).astype(
        "f"
    )
    y, _ = kernels.normalize_groups(x, np.ones((2, 3), "f"), np.zeros((2, 3), "f"), eps=1e-5)
    exact, _ = plain.normalize_groups(x.astype("d"), np.ones((2, 3)), np.zeros((2, 3)), eps=1e-5)
    np.testing.assert_allclose(y, exact, atol=2e-3)


def test_gradient_agrees_with_a_complex_step():
    rng = np.random.default_rng(0)
    x, v, g = rng.standard_normal((3, 4, 5, 2, 3))
    gamma, beta = rng.standard_normal((2, 5))
    y, _, _ = batch_norm(kernels, x + 1e-30j * v, gamma.astype("D"), beta.astype("D"), eps=1e-5)
    _, mean, istd = batch_norm(kernels, x, gamma, beta, eps=1e-5)
    gx, _, _ = kernels.batch_norm_backward(g, x, gamma, mean, istd)
    assert (gx * v).sum() == pytest.approx((g * y.imag).sum() / 1e-30, rel=1e-10)


@pytest.mark.parametrize("room", [kernels, plain])
def test_nan_stays_in_its_channel(room):
    x = np.random.default_rng(0).standard_normal((4, 3, 2, 2)).astype("f")
    x[1, 1, 0, 0] = np.nan
    y, mean, _ = batch_norm(room, x, np.ones(3, "f"), np.zeros(3, "f"), eps=1e-5)
    assert np.isnan(y[:, 1]).all() and np.isfinite(y[:, [0, 2]]).all() and np.isnan(mean).tolist() == [0, 1, 0]


@pytest.mark.parametrize("room", [kernels, plain])
def test_what_a_closed_gate_holds_back_does_not_count(room):
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, 6, 3, 2, 2))
    gamma, mean, istd = rng.standard_normal((3, 3))
    gate = x.copy()
    gate[0, 0], gate[1, 1] = 0, np.nan
    passing = np.where(gate > 0, g, 0)
    g[gate < 0] = np.nan
    expected = room.batch_norm_backward(passing, x, gamma, mean, istd)
    for a, b in zip(room.batch_norm_backward(g, x, gamma, mean, istd, gate=gate), expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 2, 2), (4, 3, 0, 2), (2, 0, 2, 2)])
def test_empty_images(shape):
    x, v = np.zeros(shape), np.ones(shape[1])
    assert [a.tolist() for a in kernels.channel_moments(x)] == [[0.0] * shape[1]] * 2
    assert kernels.normalize(x, v, v, v).shape == shape
    assert kernels.channel_sums(x).tolist() == [0.0] * shape[1]
    assert [a.shape for a in kernels.batch_norm_backward(x, x, v, v, v)] == [shape, v.shape, v.shape]
