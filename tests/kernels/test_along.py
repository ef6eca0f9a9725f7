"""Sums of taps along an axis: jitted against plain."""

import numpy as np
import pytest
from bounds import summed, within
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain


@st.composite
def tables(draw):
    """Taps of m entries among n: some have none, some several, and some read one place twice."""
    n, many = draw(st.integers(1, 5)), draw(st.lists(st.integers(0, 5), min_size=1, max_size=6))
    starts = np.cumsum([0, *many])
    places = draw(st.lists(st.integers(0, n - 1), min_size=int(starts[-1]), max_size=int(starts[-1])))
    return n, starts, np.array(places, int), np.linspace(-1, 2, len(places))


@pytest.mark.slow
@cases(60)
@given(tables(), st.integers(0, 3), st.integers(0, 40), st.sampled_from("fd"), st.integers(0, 2**32 - 1))
def test_taps_agree_with_plain(table, lead, rest, dtype, seed):
    n, *table = table
    x = np.random.default_rng(seed).standard_normal((lead, n, rest)).astype(dtype)
    y, twin = kernels.taps(x, *table), plain.taps(x, *table)
    starts, places, weights = table
    within(y, twin, summed(6, plain.taps(np.abs(x), starts, places, np.abs(weights)), dtype))


def test_an_entry_without_taps_is_zero_and_no_other_entry_counts():
    x = np.array([[[1.0], [np.nan]]])
    for room in kernels, plain:
        y = room.taps(x, np.array([0, 0, 1, 3]), np.array([0, 0, 0]), np.array([2.0, 1.0, 0.5]))
        assert np.array_equal(y, [[[0.0], [2.0], [1.5]]])
