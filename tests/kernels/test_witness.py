"""The witness of what an array holds: jitted as in NumPy, and no sum that an exchange of words leaves alone."""

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

pytestmark = pytest.mark.processor
WORDS = st.integers(0, 2**64 - 1)


@cases(60)
@given(st.lists(WORDS, max_size=300), st.integers(0, 2**32))
def test_jitted_as_in_numpy(words, seed):
    few = np.array(words, "u8")
    many = np.random.default_rng(seed).integers(0, 2**63, 5000).astype("u8")
    for a in few, many, many[7:]:
        assert kernels.checksum(a) == tuple(map(int, plain.checksum(a)))


@cases(100)
@given(st.lists(WORDS, min_size=2, max_size=50), st.data())
def test_exchanges_and_pairs_of_flipped_bits(words, data):
    a = np.array(words, "u8")
    i, j = data.draw(st.lists(st.integers(0, a.size - 1), min_size=2, max_size=2, unique=True))
    exchanged, flipped = a.copy(), a.copy()
    exchanged[[i, j]] = a[[j, i]]
    flipped[[i, j]] ^= np.uint64(1) << np.uint64(data.draw(st.integers(0, 63)))
    assert (kernels.checksum(exchanged) == kernels.checksum(a)) == (a[i] == a[j])
    assert kernels.checksum(flipped) != kernels.checksum(a)
