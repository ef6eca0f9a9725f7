"""Activations: the kernels of value and first order equal the compositions, at every order that is asked for."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.tape import pull, push

rng = np.random.default_rng(0)
ACTIVATIONS = {
    "leaky_relu": lambda f, x: f(x, slope=0.3),
    "elu": lambda f, x: f(x, alpha=0.7),
    "silu": lambda f, x: f(x),
    "gelu": lambda f, x: f(x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_equal_to_the_composition_at_orders_1_2_3(name):
    op = mg.Primitive.registry[name]
    x = mg.tensor(np.concatenate([3 * rng.standard_normal(20), [0.0, 15.0, -15.0]]), requires_grad=True)
    v = rng.standard_normal(x.shape)
    found = []
    for f in (op, op.composition):
        y = ACTIVATIONS[name](f, x)
        loss = mg.tanh(y).sum()
        (first,) = pull(loss, [x], retain_graph=True)
        grads = pull(loss, [x], create_graph=True)
        second = push(grads, [x], [v], create_graph=True)
        found.append([t.data for t in (y, first, *grads, *second, *push(second, [x], [v]), *push([y], [x], [v]))])
    for ours, composed in zip(*found, strict=True):
        np.testing.assert_allclose(ours, composed, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_float32_stays_float32(name):
    x = mg.tensor(rng.standard_normal((3, 4)), dtype="float32", requires_grad=True)
    y = getattr(mg, name)(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32
