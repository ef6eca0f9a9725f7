"""A checkpoint is the plain call: the same numbers at every order, the same draws, less memory."""

import tracemalloc

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st
from programs import Program

import minigrad as mg
from minigrad import nn


def plain(f, *xs):
    return f(*xs)


@cases(30)
@given(st.integers(0, 2**32), st.sampled_from([(), (3,)]))
def test_random_programs_at_orders_one_to_three(seed, shape):
    program = Program(seed, count=10, shape=shape)
    leaves, v = program.leaves, program.directions

    def derivatives(call):
        def f(*xs):
            return mg.sin(call(program.run, *xs))

        g = mg.vjp(f, *leaves)[1](1.0)
        h = mg.hvp(f, leaves, v)
        t = mg.jvp(lambda *xs: mg.hvp(f, xs, v)[0], leaves, v)[1]
        return [a.data for a in (*g, *h, t)]

    for a, b in zip(derivatives(mg.checkpoint), derivatives(plain), strict=True):
        np.testing.assert_array_equal(a, b)


def network():
    return nn.Sequential(
        nn.Linear(4, 6, rng=0),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.Dropout(0.4, rng=3),
        nn.Linear(6, 2, rng=1),
        nn.Dropout(0.2),
    )


def trained(wrap):
    mg.seed(7)
    net, other = network(), nn.Linear(2, 2, rng=5)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    seen = []
    for _ in range(3):
        net.zero_grad()
        z = other(net[0](x)[:, :2])  # recorded before
        loss = wrap(lambda x, z: mg.concat([net(x), z], axis=1), x, z)
        mg.mean(loss * loss).backward()
        seen += [p.grad for p in [*net.parameters(), *other.parameters()]]
        for p in net.parameters():
            p.data -= 0.1 * p.grad
    drawn = nn.init.normal((3,))  # the default generator stands where it would
    return [*seen, *net.state_dict().values(), drawn]


def test_models_with_draws_statistics_and_tensors_recorded_before():
    for a, b in zip(trained(mg.checkpoint), trained(plain), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_module_as_the_block():
    net = network().eval()
    x = mg.tensor(np.ones((3, 4), np.float32), requires_grad=True)
    mg.checkpoint(net, x).sum().backward()
    got = x.grad, net[0].weight.grad
    x.grad = None
    net.zero_grad()
    net(x).sum().backward()
    np.testing.assert_array_equal(got[0], x.grad)
    np.testing.assert_array_equal(got[1], net[0].weight.grad)


def peak(wrap, blocks=16, n=200_000):
    """The most bytes at once of a chain of blocks of four operations each, forward and back."""
    x = mg.tensor(np.linspace(0.1, 0.9, n), requires_grad=True)

    def block(y):
        return mg.sin(mg.exp(mg.sin(y * 0.5)))

    tracemalloc.start()
    y = x
    for _ in range(blocks):
        y = wrap(block, y)
    y.sum().backward()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / x.nbytes


def test_memory():
    """Plain, each of four operations of sixteen blocks keeps its result; a checkpoint keeps one array a block, and on the
    way back one block at a time."""
    assert peak(plain) >= 16 * 4
    assert peak(mg.checkpoint) <= 16 + 2 * 4 + 4


def test_a_parameter_that_changed_is_noticed():
    net = nn.Linear(3, 2, rng=0)
    y = mg.checkpoint(net, np.ones((1, 3), np.float32)).sum()
    net.weight.data = np.zeros((2, 3))
    with pytest.raises(RuntimeError, match="checkpoint"):
        y.backward()


def test_no_grad_and_what_is_refused():
    with mg.no_grad():
        assert mg.checkpoint(mg.sin, mg.tensor(1.0, requires_grad=True)).is_leaf
    with pytest.raises(TypeError, match="checkpoint: f returned"):
        mg.checkpoint(lambda x: (x, x), 1.0)
    z = mg.sin(mg.tensor(1.0, requires_grad=True))
    with pytest.raises(
        ValueError, match=r"f reads what sin \(test_recompute.py:\d+\) computed before; give it as an argument"
    ):
        mg.checkpoint(lambda x: x * z, 1.0)
