"""Pooling: jitted against plain, gather against scatter, and the rule for ties, NaN and padding."""

import numpy as np
import pytest
from bounds import summed, within
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

LAYOUTS = st.sampled_from(["plain", "channels last", "sliced", "reversed", "read-only", "broadcast"])
TERMS = 4 * 4  # of the largest window, and so many windows at the most share a pixel


@st.composite
def pools(draw):
    """An image shape and a pool: padding at most half the kernel, so that no window is empty."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    size = [max(1, k - 2 * p) + draw(st.integers(0, 8)) for k, p in zip(kernel, padding, strict=True)]
    shape = (draw(st.integers(0, 4)), draw(st.integers(1, 40)), *size)
    return shape, {"kernel": kernel, "stride": stride, "padding": padding}


@pytest.mark.slow
@cases(60)
@given(pools(), LAYOUTS, st.sampled_from("fd"), st.booleans(), st.integers(0, 2**32 - 1))
def test_max_pool_agrees_with_plain(laid_out, pool, layout, dtype, ties, seed):
    shape, parameters = pool
    rng = np.random.default_rng(seed)
    x = laid_out(rng, shape, dtype, layout)
    x = np.round(x) if ties else x
    y, winners = kernels.max_pool2d(x, **parameters)
    assert winners.dtype == np.uint8
    for ours, twin in zip((y, winners), plain.max_pool2d(x, **parameters), strict=True):
        np.testing.assert_array_equal(ours, twin)
    for room in kernels, plain:
        np.testing.assert_array_equal(y, room.pool_take(x, winners, **parameters))
    g = laid_out(rng, y.shape, dtype, layout)
    gx, twin = (room.pool_put(g, winners, size=shape[2:], **parameters) for room in (kernels, plain))
    magnitude = plain.pool_put(np.abs(g), winners, size=shape[2:], **parameters)
    within(gx, twin, summed(TERMS, magnitude, dtype))
    for image in winners, y, gx:
        assert image.transpose(0, 2, 3, 1).flags.c_contiguous


@cases(40)
@given(pools(), LAYOUTS, st.sampled_from("fd"), st.integers(0, 2**32 - 1))
def test_avg_pool_agrees_with_plain(laid_out, pool, layout, dtype, seed):
    shape, parameters = pool
    rng = np.random.default_rng(seed)
    x = laid_out(rng, shape, dtype, layout)
    y, twin = (room.avg_pool2d(x, **parameters) for room in (kernels, plain))
    within(y, twin, summed(TERMS, plain.avg_pool2d(np.abs(x), **parameters), dtype))
    g = laid_out(rng, y.shape, dtype, layout)
    gx, twin = (room.avg_pool2d_input(g, size=shape[2:], **parameters) for room in (kernels, plain))
    within(gx, twin, summed(TERMS, plain.avg_pool2d_input(np.abs(g), size=shape[2:], **parameters), dtype))


@cases(30)
@given(pools(), st.sampled_from([kernels, plain]), st.integers(0, 2**32 - 1))
def test_adjoints(pool, room, seed):
    shape, parameters = pool
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    y, winners = room.max_pool2d(x, **parameters)
    g = rng.standard_normal(y.shape)
    scale = 1e-12 * (1 + np.abs(g).sum())
    gap = (y * g).sum() - (x * room.pool_put(g, winners, size=shape[2:], **parameters)).sum()
    assert abs(gap) <= scale
    gap = (room.avg_pool2d(x, **parameters) * g).sum()
    gap -= (x * room.avg_pool2d_input(g, size=shape[2:], **parameters)).sum()
    assert abs(gap) <= scale


@pytest.mark.parametrize("room", [kernels, plain])
def test_the_first_maximum_wins_nan_always_and_padding_never(room):
    nan, inf = np.nan, np.inf
    x = np.array([[3, 3, -1, -2], [1, 3, -4, -3], [nan, 9, -inf, -inf], [8, nan, -inf, -inf]], "f")[None, None]
    y, winners = room.max_pool2d(x, kernel=(2, 2), stride=(2, 2), padding=(0, 0))
    assert winners[0, 0].tolist() == [[0, 0], [3, 0]]  # as in PyTorch, the last of several NaN
    np.testing.assert_array_equal(y[0, 0], [[3, -1], [nan, -inf]])
    x = np.full((1, 1, 2, 2), -5, "f")
    y, winners = room.max_pool2d(x, kernel=(2, 2), stride=(1, 1), padding=(1, 1))
    assert winners[0, 0].tolist() == [[3, 2, 2], [1, 0, 0], [1, 0, 0]] and (y == -5).all()


@pytest.mark.slow
def test_large_windows():
    x = np.random.default_rng(0).standard_normal((1, 2, 20, 20))
    y, winners = kernels.max_pool2d(x, kernel=(20, 20), stride=(1, 1))
    assert winners.ravel().tolist() == x.reshape(2, 400).argmax(axis=1).tolist()
    assert y.ravel().tolist() == x.reshape(2, 400).max(axis=1).tolist()
    gx = kernels.pool_put(y, winners, size=(20, 20), kernel=(20, 20), stride=(1, 1))
    assert np.count_nonzero(gx) == 2 and gx.max() == x.max()


def test_complex_numbers_compare_by_their_real_part():
    x = np.array([[1 + 9j, 2 - 9j], [0, -3]])[None, None]
    y, winners = kernels.max_pool2d(x, kernel=(2, 2), stride=(2, 2))
    assert winners.item() == 1 and y.item() == 2 - 9j
    assert kernels.avg_pool2d(x, kernel=(2, 2), stride=(2, 2)).item() == 0
