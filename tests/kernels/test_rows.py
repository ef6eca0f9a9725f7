"""Rows normalised, and added up at places: jitted against plain, in any layout, on one thread and two."""

import numpy as np
import pytest
from bounds import moved, summed, within
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

LAYOUTS = st.sampled_from(["plain", "sliced", "reversed", "read-only"])


@pytest.mark.slow
@cases(60)
@given(
    st.integers(1, 6), st.integers(2, 60), st.integers(1, 4), st.booleans(), LAYOUTS, st.sampled_from("fd"),
    st.integers(1, 2), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_norms_agree_with_plain(laid_out, times, k, period, centred, layout, dtype, n_threads, seed):
    kernels.set_num_threads(n_threads)
    rng = np.random.default_rng(seed)
    x, g = (laid_out(rng, (times * period, k), dtype, layout) for _ in range(2))
    scale, shift = (laid_out(rng, (period, k), dtype, layout) for _ in range(2))

    def agree(f, *arrays):
        ours, exact = f(kernels, *arrays), f(plain, *(a.astype("d") for a in arrays))
        bounds = moved(lambda *inputs: f(plain, *inputs), arrays, k + times, dtype)
        for a, b, bound in zip(ours, exact, bounds, strict=True):
            assert a.dtype == np.dtype(dtype)
            within(a, b, bound)
        return [b.astype(dtype) for b in exact]

    _, stats = agree(lambda room, *a: room.row_norm(*a, eps=1e-2, centred=centred), x, scale, shift)
    agree(lambda room, *a: room.row_norm_backward(*a, centred=centred), g, x, scale, stats)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_work_is_shared(n_threads, eager_threads):
    kernels.set_num_threads(n_threads)
    rng = np.random.default_rng(0)
    (x, g), scale, shift = rng.standard_normal((2, 600, 5)), np.ones((3, 5)), np.zeros((3, 5))
    y, stats = kernels.row_norm(x, scale, shift, eps=1e-5, centred=True)
    for a, b in zip((y, stats), plain.row_norm(x, scale, shift, eps=1e-5, centred=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)  # sums of 5 numbers of size 4 at most
    ours, twin = (room.row_norm_backward(g, x, scale, stats, centred=True) for room in (kernels, plain))
    for a, b in zip(ours, twin, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)  # and of 200 of them


@pytest.mark.parametrize("offset", [1000, -30_000])
def test_no_digits_cancel_far_from_zero(offset):
    """A row longer than a block, whose mean is far larger than what it varies by."""
    x = (offset * (1 + 1e-4 * np.random.default_rng(0).standard_normal((2, 10_000)))).astype("f")
    one, none = np.ones((1, 10_000), "f"), np.zeros((1, 10_000), "f")
    _, stats = kernels.row_norm(x, one, none, eps=1e-5, centred=True)
    _, exact = plain.row_norm(x.astype("d"), one.astype("d"), none.astype("d"), eps=1e-5, centred=True)
    np.testing.assert_allclose(stats[:, 0], exact[:, 0], rtol=1e-6)
    np.testing.assert_allclose(stats[:, 1], exact[:, 1], rtol=1e-4)


@cases(40)
@given(
    st.integers(0, 40), st.integers(0, 20), st.integers(1, 6), LAYOUTS, st.sampled_from("fd"), st.integers(0, 2**32 - 1)
)
def test_rows_that_are_added_agree_with_plain(laid_out, n, k, size, layout, dtype, seed):
    rng = np.random.default_rng(seed)
    g, index = laid_out(rng, (n, k), dtype, layout), rng.integers(0, size, n)
    ours, twin = kernels.add_rows(g, index, size), plain.add_rows(g.astype("d"), index, size)
    assert ours.dtype == np.dtype(dtype)
    within(ours, twin, summed(n, plain.add_rows(np.abs(g.astype("d")), index, size), dtype))
