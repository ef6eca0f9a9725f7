"""Pooling: jitted against plain, gather against scatter, and the rule for ties, NaN and padding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

LAYOUTS = st.sampled_from(["plain", "channels last", "sliced", "reversed", "read-only", "broadcast"])
TOLERANCE = {"f": 1e-5, "d": 1e-13}


@st.composite
def pools(draw):
    """An image shape and a pool: padding at most half the kernel, so that no window is empty."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 8)) for k, p in zip(kernel, padding, strict=True)]
    shape = (draw(st.integers(0, 4)), draw(st.integers(1, 40)), *size)
    return shape, {"kernel": kernel, "stride": stride, "padding": padding}


@settings(max_examples=60, deadline=None)
@given(pools(), LAYOUTS, st.sampled_from("fd"), st.booleans(), st.integers(0, 2**32 - 1))
def test_max_pool_agrees_with_plain(laid_out, pool, layout, dtype, ties, seed):
    shape, parameters = pool
    rng = np.random.default_rng(seed)
    x = laid_out(rng, shape, dtype, layout)
    x = np.round(x) if ties else x
    index = kernels.pool_winners(x, **parameters)
    assert index.dtype == np.int32
    np.testing.assert_array_equal(index, plain.pool_winners(x, **parameters))
    y = kernels.pool_take(x, index)
    np.testing.assert_array_equal(y, plain.pool_take(x, index))
    g = laid_out(rng, y.shape, dtype, layout)
    gx, twin = (room.pool_put(g, index, size=shape[2:]) for room in (kernels, plain))
    np.testing.assert_allclose(gx, twin, rtol=0, atol=10 * TOLERANCE[dtype])
    for image in index, y, gx:
        assert image.transpose(0, 2, 3, 1).flags.c_contiguous


@settings(max_examples=40, deadline=None)
@given(pools(), LAYOUTS, st.sampled_from("fd"), st.integers(0, 2**32 - 1))
def test_avg_pool_agrees_with_plain(laid_out, pool, layout, dtype, seed):
    shape, parameters = pool
    rng = np.random.default_rng(seed)
    x = laid_out(rng, shape, dtype, layout)
    y, twin = (room.avg_pool2d(x, **parameters) for room in (kernels, plain))
    np.testing.assert_allclose(y, twin, rtol=0, atol=TOLERANCE[dtype])
    g = laid_out(rng, y.shape, dtype, layout)
    gx, twin = (room.avg_pool2d_input(g, size=shape[2:], **parameters) for room in (kernels, plain))
    np.testing.assert_allclose(gx, twin, rtol=0, atol=TOLERANCE[dtype])


@settings(max_examples=30, deadline=None)
@given(pools(), st.sampled_from([kernels, plain]), st.integers(0, 2**32 - 1))
def test_adjoints(pool, room, seed):
    shape, parameters = pool
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    index = room.pool_winners(x, **parameters)
    g = rng.standard_normal(index.shape)
    scale = 1e-12 * (1 + np.abs(g).sum())
    gap = (room.pool_take(x, index) * g).sum() - (x * room.pool_put(g, index, size=shape[2:])).sum()
    assert abs(gap) <= scale
    gap = (room.avg_pool2d(x, **parameters) * g).sum()
    gap -= (x * room.avg_pool2d_input(g, size=shape[2:], **parameters)).sum()
    assert abs(gap) <= scale


@pytest.mark.parametrize("room", [kernels, plain])
def test_the_first_maximum_wins_nan_always_and_padding_never(room):
    nan, inf = np.nan, np.inf
    x = np.array([[3, 3, -1, -2], [1, 3, -4, -3], [nan, 9, -inf, -inf], [8, nan, -inf, -inf]], "f")[None, None]
    index = room.pool_winners(x, kernel=(2, 2), stride=(2, 2), padding=(0, 0))
    assert index[0, 0].tolist() == [[0, 2], [13, 10]]  # as in PyTorch, the last of several NaN
    index = room.pool_winners(np.full((1, 1, 2, 2), -5, "f"), kernel=(2, 2), stride=(1, 1), padding=(1, 1))
    assert index[0, 0].tolist() == [[0, 0, 1], [0, 0, 1], [2, 2, 3]]


def test_complex_numbers_compare_by_their_real_part():
    x = np.array([[1 + 9j, 2 - 9j], [0, -3]])[None, None]
    index = kernels.pool_winners(x, kernel=(2, 2), stride=(2, 2))
    assert index.item() == 1
    assert kernels.pool_take(x, index).item() == 2 - 9j
    assert kernels.avg_pool2d(x, kernel=(2, 2), stride=(2, 2)).item() == 0
