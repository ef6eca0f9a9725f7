"""The gate of relu's gradient: jitted against plain, in any layout."""

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import plain


def layouts(a):
    yield a
    yield np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)  # channels last
    yield np.repeat(a, 2, axis=2)[:, :, ::2]
    yield a[::-1]


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_jitted_agrees_with_plain(dtype, n_threads, eager_threads):
    kernels.set_num_threads(n_threads)
    rng = np.random.default_rng(0)
    g, y = rng.standard_normal((2, 3, 4, 5, 7)).astype(dtype)
    y[0, 0] = 0
    y[1, 1] = np.nan
    g[2, 2] = np.nan
    for one in layouts(g):
        for other in layouts(y):
            ours = kernels.gate(one, other)
            assert ours.dtype == np.dtype(dtype) and ours.shape == g.shape
            assert np.array_equal(ours, np.where(other > 0, one, 0), equal_nan=True)
            assert np.array_equal(ours, plain.gate(one, other), equal_nan=True)
    broadcast = np.broadcast_to(np.ones(1, dtype), y.shape)
    assert np.array_equal(kernels.gate(broadcast, y), y > 0)
    assert kernels.gate(g[:0], y[:0]).shape == (0, 4, 5, 7)
