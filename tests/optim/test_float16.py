"""Parameters of float16: moved in float32, of which they are the rounded copy; what needs curvature refuses them."""

import numpy as np
import pytest
from optim.rules import RULES

import minigrad as mg
from minigrad import nn, optim

rng = np.random.default_rng(5)
START, GRADS = rng.normal(size=(4, 3)).astype("e"), (rng.normal(size=(8, 4, 3)) * 1e-4).astype("e")
GRADS[:, 0] = 0.0


def made(name, p, **options):
    rule, _, given = RULES[name]
    return rule([p], **{**given, **options})


def stepped(opt, p, grads):
    for g in grads:
        p.grad = g.astype(p.dtype)
        opt.step()
        yield p.data.copy()


@pytest.mark.parametrize("name", RULES)
def test_every_rule_moves_as_in_float32(name):
    half, single = (mg.tensor(START, dtype=d, requires_grad=True) for d in ("float16", "float32"))
    array = half.data
    opt = made(name, half)
    for got, want in zip(stepped(opt, half, GRADS), stepped(made(name, single), single, GRADS), strict=True):
        assert np.isfinite(got).all() and np.array_equal(got, want.astype("e"))
    assert half.data is array and half.dtype == np.float16
    assert all(v.dtype == np.float32 for k, v in opt.state[0].items() if k != "t")


@pytest.mark.parametrize("name", RULES)
def test_it_resumes_bit_for_bit(name):
    p, q = (mg.tensor(START, requires_grad=True) for _ in range(2))
    first = made(name, p)
    list(stepped(first, p, GRADS[:4]))
    q.data = p.data.copy()
    second = made(name, q)
    second.load_state_dict(first.state_dict())
    for a, b in zip(stepped(first, p, GRADS[4:]), stepped(second, q, GRADS[4:])):
        assert np.array_equal(a, b)
    lacking = first.state_dict()
    del lacking["0.master"]
    with pytest.raises(ValueError, match=r"missing: 0\.master"):
        second.load_state_dict(lacking)


def test_steps_below_its_round_off_add_up():
    p = mg.tensor(np.ones(1, np.float16), requires_grad=True)
    list(stepped(optim.SGD([p], lr=1e-4), p, np.ones((100, 1))))
    assert p.data == np.float16(0.99)


def test_a_parameter_that_was_changed_by_hand_goes_on_from_there():
    p = mg.tensor(np.ones(1, np.float16), requires_grad=True)
    opt = optim.SGD([p], lr=0.5)
    list(stepped(opt, p, np.ones((1, 1))))
    p.data = np.array([4.0], np.float16)
    assert list(stepped(opt, p, np.ones((1, 1)))) == [3.5]


def test_nesterov_looks_ahead():
    p = mg.tensor(np.array([1.0, 2.0], np.float16), requires_grad=True)
    opt = optim.Nesterov([p], lr=0.25, momentum=0.5)
    for _ in range(2):
        opt.step(lambda: (p * p).sum())
    assert p.dtype == np.float16 and p.data.tolist() == [0.125, 0.25]


def test_gradients_are_clipped_in_float32():
    p = mg.tensor(np.zeros(10000), dtype="float16", requires_grad=True)
    p.grad = np.full(10000, 10.0, np.float16)
    assert optim.clip_grad_norm([p], 1e-2).item() == 1000.0
    assert p.grad.dtype == np.float16 and np.array_equal(p.grad, np.full(10000, 1e-4, np.float16))
    p.grad[0] = 60000
    optim.clip_grad_value([p], 1e6)
    assert p.grad[0] == np.float16(60000)


SECOND = ["Newton", "BFGS", "LBFGS", "NonlinearCG", "NewtonCG", "TrustRegionNewtonCG", "SQN", "AdaHessian", "Sophia"]


@pytest.mark.parametrize("name", SECOND)
def test_what_needs_curvature_refuses(name):
    p = mg.tensor(START, requires_grad=True)
    options = {"lr": 0.1} if name in ("SQN", "AdaHessian", "Sophia") else {}
    with pytest.raises(ValueError, match=rf"{name}: params\[0\] is of float16, in whose .* use float32"):
        getattr(optim, name)([p], **options)


def test_minimize_refuses():
    with pytest.raises(TypeError, match="minimize: x0 has dtype float16"):
        optim.minimize(lambda x: (x * x).sum(), START)


def test_a_network_learns_and_its_statistics_are_float32():
    net = nn.Sequential(nn.Conv2d(1, 4, 3, rng=0), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2, rng=1))
    net.astype("float16")
    assert {b.dtype.name for b in net.buffers()} == {"float32", "int64"}
    x, labels = 300 * np.random.default_rng(0).standard_normal((8, 1, 4, 4)).astype("e"), np.arange(8) % 2
    opt, losses = optim.Adam(net.parameters(), lr=0.01), []
    for _ in range(30):
        opt.zero_grad()
        loss = mg.cross_entropy(net(x), labels)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    assert loss.dtype == np.float16 and losses[-1] < losses[0] / 2
    assert net.eval()(x).dtype == np.float16
