"""The first NaN or infinity: found where it is made, forward and back, and nowhere else."""

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st
from programs import Program

import minigrad as mg
from minigrad import nn, optim


def raised(f):
    with pytest.raises(FloatingPointError) as error, mg.debug():
        f()
    return str(error.value)


@pytest.mark.parametrize(
    "f, said",
    [
        (lambda x: mg.log(x), "log of float64 (3,) has -inf at (1,)"),
        (lambda x: 1 / x, "div"),
        (lambda x: mg.exp(x * 1000.0), "exp of float64 (3,) has inf at (0,)"),
        (lambda x: mg.sqrt(x - 1), "sqrt of float64 (3,) has NaN at (1,)"),
    ],
)
def test_forward(f, said):
    x = mg.tensor([1.0, 0.0, 2.0], requires_grad=True)
    message = raised(lambda: f(x))
    assert said in message and "test_anomalies.py:" in message


def test_back():
    x = mg.tensor([1.0, 0.0], requires_grad=True)
    y = mg.sqrt(x) * 2.0
    message = raised(lambda: y.sum().backward())
    assert "on the way back, sqrt sends its input 0" in message and "test_anomalies.py:" in message


def test_the_module_is_named():
    class Log(nn.Module):
        def forward(self, x):
            return mg.log(x)

    net = nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU(), Log()))
    assert ", in 1.1 (" in raised(lambda: net(mg.tensor([[-1.0, 2.0]], requires_grad=True)))


def test_a_parameter_that_an_update_has_spoilt():
    net = nn.Linear(2, 1, rng=0)
    opt = optim.SGD(net.parameters(), lr=1e38)
    x = np.full((4, 2), 1e3, np.float32)

    def steps():
        for _ in range(3):
            opt.zero_grad()
            net(x).mean().backward()
            opt.step()

    assert "weight, float32 (1, 2), has " in raised(steps)


def test_infinities_that_are_given_pass():
    mask = np.array([0.0, -np.inf, 0.0])
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with mg.debug():
        mg.softmax(x + mask)[0].backward()
    assert np.isfinite(x.grad).all()


def test_where_leaks_nothing_of_the_branch_not_taken():
    """√(where(x > 0, x, 1)): no infinity is ever made."""
    x = mg.tensor([4.0, 0.0], requires_grad=True)
    with mg.debug():
        mg.where(x > 0, mg.sqrt(mg.where(x > 0, x, 1.0)), 0.0).sum().backward()
    assert x.grad.tolist() == [0.25, 0.0]


@cases(40)
@given(st.integers(0, 2**32))
def test_programs_that_stay_finite_pass_and_compute_the_same(seed):
    program = Program(seed, count=12, shape=(2,))

    def gradients():
        return [g.data for g in mg.grad(program.run, argnums=(0, 1, 2))(*program.leaves)]

    want = gradients()
    with mg.debug():
        got = gradients()
    for a, b in zip(got, want):
        np.testing.assert_array_equal(a, b)


@cases(40)
@given(st.integers(0, 2**32), st.integers(0, 11))
def test_a_planted_nan_is_found_where_it_is_made(seed, place):
    """One operation of a random program gives NaN: that one is named, whatever reads it."""
    program = Program(seed, count=12, shape=(2,))
    step, places = program.steps[place]

    @mg.primitive
    def planted(x):
        return x * np.nan

    mg.elementwise(planted, 1.0)
    program.steps[place] = (lambda *xs: planted(step(*xs)), places)
    assert raised(lambda: program.run(*[mg.tensor(a, requires_grad=True) for a in program.leaves])).startswith(
        "debug: planted of float64 (2,) has NaN at (0,)"
    )
