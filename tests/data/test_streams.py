"""Streams of random numbers: uniform, independent, one for each seed, epoch and sample."""

import numpy as np

from minigrad.data import Streams


def test_streams_are_uniform_and_independent():
    streams = Streams(0, 0, np.arange(20_000))
    u = streams.uniform(-1, 3, (4,))
    assert u.shape == (20_000, 4) and u.min() >= -1 and u.max() < 3
    error = 4 * 4 / np.sqrt(12 * len(u))  # four standard errors of the mean of a uniform of width 4
    assert np.abs(u.mean(0) - 1).max() < error and abs(u.var() - 16 / 12) < 0.05
    correlations = np.corrcoef(np.column_stack([u[:-1], u[1:]]).T) - np.eye(8)
    assert np.abs(correlations).max() < 4.5 / np.sqrt(len(u))
    assert not np.intersect1d(u, streams.uniform(-1, 3, (4,))).size  # the next ones are new
    halves = Streams(0, 0, [5])
    np.testing.assert_array_equal(
        np.append(halves.uniform(), halves.uniform()), Streams(0, 0, [5]).uniform(shape=(2,))[0]
    )


def test_no_two_keys_share_a_stream():
    firsts = [Streams(s, e, np.arange(50)).uniform() for s in range(10) for e in range(10)]
    assert len(np.unique(firsts)) == 5000
