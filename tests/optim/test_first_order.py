"""Optimizers: each rule against NumPy written from its formula, exact resumption, and messages."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim


def sgd(theta, grads, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False):
    v = None
    for g in grads:
        g = g + weight_decay * theta
        v = g if v is None else momentum * v + (1 - dampening) * g
        theta = theta - lr * (g + momentum * v if nesterov else v if momentum else g)
    return theta


def adam(theta, grads, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled=False):
    m = s = np.zeros_like(theta)
    for t, g in enumerate(grads, 1):
        if decoupled:
            theta = theta - lr * weight_decay * theta
        else:
            g = g + weight_decay * theta
        m, s = betas[0] * m + (1 - betas[0]) * g, betas[1] * s + (1 - betas[1]) * g**2
        theta = theta - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(s / (1 - betas[1] ** t)) + eps)
    return theta


def adamw(theta, grads, weight_decay=1e-2, **options):
    return adam(theta, grads, weight_decay=weight_decay, decoupled=True, **options)


RULES = {
    "sgd": (optim.SGD, sgd, {"lr": 0.1}),
    "sgd-decay": (optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.2}),
    "momentum": (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.2}),
    "nesterov": (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2, "nesterov": True}),
    "adam": (optim.Adam, adam, {}),
    "adam-options": (optim.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.2}),
    "adamw": (optim.AdamW, adamw, {"lr": 0.1}),
    "adamw-options": (optim.AdamW, adamw, {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.5}),
}
rng = np.random.default_rng(1)
START, GRADS = rng.normal(size=(5, 3)), rng.normal(size=(12, 5, 3))


def run(opt, p, grads):
    for g in grads:
        p.grad = g
        opt.step()


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    rule, reference, options = RULES[name]
    p = mg.tensor(START, requires_grad=True)
    run(rule([p], **options), p, GRADS)
    np.testing.assert_allclose(p.data, reference(START, GRADS, **options), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", RULES)
def test_rule_in_float32_stays_float32(name):
    rule, reference, options = RULES[name]
    p = mg.tensor(START, dtype="float32", requires_grad=True)
    opt = rule([p], **options)
    run(opt, p, GRADS.astype(np.float32))
    assert p.dtype == np.float32 and all(v.dtype == np.float32 for s in opt.state for k, v in s.items() if k != "t")
    np.testing.assert_allclose(p.data, reference(START, GRADS, **options), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", RULES)
def test_resuming_is_exact(name):
    rule, _, options = RULES[name]
    options = {**options, "lr": optim.schedules.cosine(0.1, 12)}
    p, q = (mg.tensor(START, requires_grad=True) for _ in range(2))
    opt = rule([p], **options)
    run(opt, p, GRADS[:5])
    q.data, saved = p.data.copy(), opt.state_dict()
    run(opt, p, GRADS[5:])  # going on must not change what was saved
    other = rule([q], **options)
    other.load_state_dict(saved)
    run(other, q, GRADS[5:])
    assert np.array_equal(p.data, q.data) and other.steps == opt.steps == 12


def test_the_rate_may_be_a_function_of_the_step():
    p = mg.tensor([0.0], requires_grad=True)
    opt = optim.SGD([p], lr=lambda step: 10.0**-step)
    rates = []
    for _ in range(3):
        rates.append(opt.rate)
        run(opt, p, [np.ones(1)])
    assert rates == [1.0, 0.1, 0.01] and p.data[0] == pytest.approx(-1.11)


def test_parameters_without_gradient_and_frozen_ones_are_left_alone():
    a, b, c = (mg.tensor([1.0], requires_grad=True) for _ in range(3))
    opt = optim.Adam([a, b, c], lr=0.5)
    a.grad = c.grad = np.ones(1)
    c.requires_grad = False
    opt.step()
    assert a.data[0] != 1 and b.data[0] == c.data[0] == 1
    assert b.version == c.version == 0 and opt.state[1] == opt.state[2] == {}
    b.grad = np.ones(1)
    opt.step()
    assert opt.state[0]["t"] == 2 and opt.state[1]["t"] == 1  # each counts its own updates


def test_a_step_between_recording_and_backward_is_found_out():
    p = mg.tensor([1.0, 2.0], requires_grad=True)
    opt = optim.SGD([p], lr=0.1)
    loss = (p * p).sum()
    p.grad = np.zeros(2)  # the data stay, yet the step counts
    opt.step()
    with pytest.raises(RuntimeError, match="changed after it was recorded"):
        loss.backward()


def test_steps_are_in_place_where_they_can_be():
    p = mg.tensor(START, requires_grad=True)
    array = p.data
    run(optim.SGD([p], lr=0.1), p, GRADS)
    assert p.data is array
    for data in (np.asfortranarray(START), np.broadcast_to(START[0], (5, 3))):
        q = mg.Tensor(data, requires_grad=True)
        run(optim.SGD([q], lr=0.1), q, [np.ones((5, 3))])
        np.testing.assert_allclose(q.data, data - 0.1)


@pytest.mark.parametrize("rule", [optim.SGD, optim.AdamW])
def test_a_scalar_parameter_stays_scalar(rule):
    for dtype in ("float64", "float16"):  # float16 takes the plain path
        p = mg.tensor(2.0, dtype=dtype, requires_grad=True)
        opt = rule([p], lr=0.5)
        run(opt, p, [np.ones((), dtype)] * 2)
        assert p.shape == () and p.dtype == dtype and p.item() < 1.5


def test_zero_grad():
    p = mg.tensor(START, requires_grad=True)
    p.grad = GRADS[0]
    optim.SGD([p], lr=0.1).zero_grad()
    assert p.grad is None


def test_it_learns():
    net = nn.Sequential(nn.Linear(2, 16, rng=0), nn.Tanh(), nn.Linear(16, 2, rng=1))
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    labels = np.array([0, 1, 1, 0])
    opt = optim.Adam(net.parameters(), lr=0.05)
    for _ in range(100):
        opt.zero_grad()
        mg.cross_entropy(net(x), labels).backward()
        opt.step()
    assert (net(x).argmax(1) == labels).all()


def leaf(*shape):
    return mg.tensor(np.ones(shape), requires_grad=True)


def stepped(g):
    p = leaf(2)
    p.name = "fc.bias"
    p.grad = g
    optim.SGD([p], lr=0.1).step()


def loaded(**changes):
    p = leaf(2)
    opt = optim.Adam([p])
    run(opt, p, [np.ones(2)])
    values = {**opt.state_dict(), **changes}
    before = opt.state_dict()
    try:
        opt.load_state_dict({k: v for k, v in values.items() if v is not None})
    finally:
        assert all(np.array_equal(before[k], v) for k, v in opt.state_dict().items())


p = leaf(2)
BAD = {
    "empty": (lambda: optim.SGD([], lr=0.1), ValueError, "SGD: params is empty"),
    "a tensor": (lambda: optim.SGD(leaf(2), lr=0.1), TypeError, "params is a Tensor; give a list"),
    "a number": (lambda: optim.SGD(3, lr=0.1), TypeError, "params is a int; give a list"),
    "groups": (lambda: optim.Adam({"params": [p]}), TypeError, "params is a dict"),
    "arrays": (lambda: optim.Adam([np.ones(2)]), TypeError, "Adam: params[0] is a ndarray, not a tensor"),
    "pairs": (lambda: optim.Adam([("w", p)]), TypeError, "params[0] is a tuple, not a tensor"),
    "ints": (lambda: optim.Adam([mg.tensor([1])]), ValueError, "of dtype int64"),
    "results": (lambda: optim.Adam([p, p * 2]), ValueError, "params[1] is the result of an operation"),
    "twice": (lambda: optim.Adam([p, leaf(1), p]), ValueError, "params[2] and params[0] are one tensor"),
    "rate": (lambda: optim.SGD([p], lr=-1), ValueError, "SGD: lr is -1; it must be ≥ 0"),
    "momentum": (lambda: optim.SGD([p], 0.1, momentum=-0.9), ValueError, "momentum is -0.9"),
    "decay": (lambda: optim.SGD([p], 0.1, weight_decay=-1), ValueError, "weight_decay is -1"),
    "nesterov": (lambda: optim.SGD([p], 0.1, nesterov=True), ValueError, "unless momentum > 0 and dampening is 0"),
    "betas": (lambda: optim.Adam([p], betas=(0.9, 1.0)), ValueError, "betas is (0.9, 1.0)"),
    "eps": (lambda: optim.AdamW([p], eps=-1e-8), ValueError, "AdamW: eps is -1e-08"),
    "adam's decay": (lambda: optim.AdamW([p], weight_decay=-1), ValueError, "AdamW: weight_decay is -1"),
    "gradient": (lambda: stepped(np.ones(3)), ValueError, "SGD: params[0] (fc.bias): the gradient has shape (3,), the"),
    "state: steps": (lambda: loaded(steps=None), ValueError, "missing: steps"),
    "state: missing": (lambda: loaded(**{"0.s": None}), ValueError, "missing: 0.s"),
    "state: more parameters": (lambda: loaded(**{"1.m": np.ones(2)}), ValueError, "unexpected: 1.m (there are 1"),
    "state: another rule": (lambda: loaded(**{"0.v": np.ones(2)}), ValueError, "unexpected: 0.v"),
    "state: shape": (lambda: loaded(**{"0.m": np.ones(3)}), ValueError, "is float64 (2,), 0.m is float64 (3,)"),
    "state: dtype": (lambda: loaded(**{"0.m": np.ones(2, "f4")}), ValueError, "0.m is float32 (2,)"),
    "cosine": (lambda: optim.schedules.cosine(0.1, 0), ValueError, "cosine: steps is 0"),
    "warmup": (lambda: optim.schedules.warmup(0.1, 0), ValueError, "warmup: steps is 0"),
    "step_decay": (lambda: optim.schedules.step_decay(0.1, 0), ValueError, "step_decay: every is 0"),
    "one_cycle": (lambda: optim.schedules.one_cycle(0.1, 5, rise=1.0), ValueError, "one_cycle: rise is 1.0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    do, error, message = BAD[name]
    with pytest.raises(error) as caught:
        do()
    assert message in str(caught.value)
