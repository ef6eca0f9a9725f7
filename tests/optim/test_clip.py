"""Clipping: the norm where it is known, at the ends of the range of floats, and what is said of gradients that are not."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.optim import clip_grad_norm, clip_grad_value

rng = np.random.default_rng(4)


def leaves(*grads):
    ps = [mg.tensor(np.zeros(np.shape(g) if g is not None else 2), requires_grad=True) for g in grads]
    for p, g in zip(ps, grads):
        p.grad = g if g is None else np.asarray(g)
    return ps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norm(dtype):
    a, b = rng.normal(size=(3, 4)).astype(dtype), rng.normal(size=5).astype(dtype)
    norm = math.sqrt((a.astype(float) ** 2).sum() + (b.astype(float) ** 2).sum())
    ps = leaves(a, None, b)
    assert clip_grad_norm(iter(ps), math.inf) == pytest.approx(norm, rel=1e-6)
    assert ps[0].grad is a and ps[1].grad is None, "only measured"
    before = a.copy()
    assert clip_grad_norm(ps, norm / 4) == pytest.approx(norm, rel=1e-6)
    assert np.array_equal(a, before), "the arrays themselves are not written to"
    np.testing.assert_allclose(ps[0].grad, a / 4, rtol=1e-6)
    np.testing.assert_allclose(ps[2].grad, b / 4, rtol=1e-6)
    assert ps[0].grad.dtype == dtype and clip_grad_norm(ps, 1e9) == pytest.approx(norm / 4, rel=1e-6)


def test_norms_whose_squares_no_float_holds():
    for size, dtype in ((1e30, "float32"), (1e-30, "float32"), (1e200, "float64"), (1e-200, "float64")):
        g = np.array([3.0, 4.0]).astype(dtype) * np.dtype(dtype).type(size)
        ps = leaves(g)
        assert clip_grad_norm(ps, size) == pytest.approx(5 * size, rel=1e-6)
        np.testing.assert_allclose(ps[0].grad, g / 5, rtol=1e-6)
    assert clip_grad_norm(leaves(np.zeros(3), np.zeros((0, 2)), None), 1.0) == 0.0
    assert clip_grad_norm([], 1.0) == 0.0


def test_value():
    g = rng.normal(size=(4, 3))
    ps = leaves(g, None, np.array([np.inf, -np.inf]))
    clip_grad_value(ps, 0.5)
    assert np.array_equal(ps[0].grad, np.clip(g, -0.5, 0.5)) and ps[2].grad.tolist() == [0.5, -0.5]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_is_an_error_that_says_where(bad):
    ps = leaves(np.ones(3), np.array([[1.0, bad], [bad, 0.0]]))
    ps[1].name = "fc.weight"
    with pytest.raises(FloatingPointError, match=r"norm of the gradients is (nan|inf), for 2 of the 4 numbers of") as e:
        clip_grad_norm(ps, 1.0)
    assert "params[1] (fc.weight); lower the learning rate" in str(e.value)
    assert ps[0].grad.tolist() == [1, 1, 1]


def test_other_faults():
    ps = leaves(np.array([1.0, np.nan]))
    with pytest.raises(
        FloatingPointError, match=r"clip_grad_value: NaN is the gradient of 1 of the 2 numbers of params"
    ):
        clip_grad_value(ps, 1.0)
    with pytest.raises(ValueError, match="clip_grad_norm: max_norm is 0; it must be > 0"):
        clip_grad_norm(ps, 0)
    with pytest.raises(ValueError, match="clip_grad_value: max_value is nan"):
        clip_grad_value(ps, float("nan"))
    with pytest.raises(TypeError, match="clip_grad_norm: params is a Tensor; give a list"):
        clip_grad_norm(ps[0], 1.0)
    with pytest.raises(TypeError, match="clip_grad_norm: params is a Linear; give a list"):
        clip_grad_norm(nn.Linear(2, 2), 1.0)


def test_the_gradient_of_one_number_stays_an_array():
    (p,) = leaves(np.array(3.0))
    clip_grad_norm([p], 2.0)
    assert type(p.grad) is np.ndarray and p.grad == 2
    clip_grad_value([p], 0.5)
    assert type(p.grad) is np.ndarray and p.grad == 0.5


def test_a_tensor_that_stands_there_twice_counts_once():
    (p,) = leaves(np.array([3.0, 4.0]))
    assert clip_grad_norm([p, p], 1.0) == 5
    np.testing.assert_allclose(p.grad, [0.6, 0.8], rtol=1e-15)
