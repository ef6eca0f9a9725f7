"""Softmax cross-entropy: jitted against plain, stable, and its gradient against a complex step."""

import numpy as np
import pytest
from bounds import unit
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

# Up to 30 terms, exponentials of numbers of size 10 at most, ten roundings around them.
TOLERANCE = {dtype: (30 + 10 + 10) * 2 * unit(dtype) for dtype in "fd"}


@cases(40)
@given(
    st.integers(0, 40),
    st.integers(1, 30),
    st.sampled_from(["plain", "sliced", "read-only"]),
    st.sampled_from("fd"),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from(["int64", "int32", "uint8"]),
    st.integers(0, 2**32 - 1),
)
def test_jitted_agree_with_plain(laid_out, n, k, layout, dtype, smoothing, label_type, seed):
    rng = np.random.default_rng(seed)
    logits = laid_out(rng, (n, k), dtype, layout)
    labels = rng.integers(0, k, n).astype(label_type)
    ours, twin = (room.softmax_cross_entropy(logits, labels, smoothing=smoothing) for room in (kernels, plain))
    for a, b in zip(ours, twin, strict=True):
        assert a.dtype == b.dtype == np.dtype(dtype)
        np.testing.assert_allclose(a, b, rtol=10 * TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("room", [kernels, plain])
def test_huge_logits_neither_overflow_nor_vanish(room):
    logits = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], "f")
    losses, slopes = room.softmax_cross_entropy(logits, np.array([1, 2]), smoothing=0.0)
    np.testing.assert_allclose(losses, [1e4, np.log(3)], rtol=1e-6)
    np.testing.assert_allclose(slopes, [[1, -1, 0], [1 / 3, 1 / 3, -2 / 3]], rtol=1e-6)


@pytest.mark.parametrize("room", [kernels, plain])
def test_an_impossible_class_costs_the_others_nothing(room):
    logits = np.array([[0, -np.inf, 0]])
    losses, slopes = room.softmax_cross_entropy(logits, np.array([0]), smoothing=0.0)
    np.testing.assert_allclose(losses, [np.log(2)])
    np.testing.assert_allclose(slopes, [[-0.5, 0, 0.5]])


def test_gradient_agrees_with_a_complex_step():
    rng = np.random.default_rng(0)
    logits, v = rng.standard_normal((2, 6, 5))
    labels = rng.integers(0, 5, 6)
    losses, _ = kernels.softmax_cross_entropy(logits + 1e-30j * v, labels, smoothing=0.2)
    _, slopes = kernels.softmax_cross_entropy(logits, labels, smoothing=0.2)
    np.testing.assert_allclose((slopes * v).sum(axis=1), losses.imag / 1e-30, rtol=1e-12)
