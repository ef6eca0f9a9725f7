"""Parameter groups, the rate as a function of the step, and what is said of bad input."""

import numpy as np
import pytest
from optim.rules import RULES

import minigrad as mg
from minigrad import nn, optim

rng = np.random.default_rng(3)
SHAPES = [(5, 3), (2, 4), (3, 3)]


def leaf(*shape):
    return mg.tensor(np.ones(shape), requires_grad=True)


def two(seed=0):
    draw = np.random.default_rng(seed)
    return [mg.tensor(draw.normal(size=shape), requires_grad=True) for shape in SHAPES]


@pytest.mark.parametrize("name", RULES)
def test_groups_are_as_optimizers_of_their_own(name):
    rule, _, options = RULES[name]
    ps, qs = two(), two()
    other = {"lr": lambda k: 0.1 / (k + 1), "weight_decay": 0.3}
    opt = rule([{"params": ps[:2]}, {"params": ps[2:], **other}], **options)
    alone = [rule(qs[:2], **options), rule(qs[2:], **{**options, **other})]
    for _ in range(4):
        for p, q in zip(ps, qs):
            p.grad = q.grad = rng.normal(size=p.shape)
        opt.step()
        for one in alone:
            one.step()
    assert all(np.array_equal(p.data, q.data) for p, q in zip(ps, qs))
    assert opt.params == ps and len(opt.state) == 3 and opt.steps == 4


def test_hyperparameters_of_a_group_may_change_between_steps():
    p = leaf(1)
    opt = optim.SGD([p], lr=1.0)
    for lr in (1.0, 0.1, lambda k: 10.0**-k):
        opt.param_groups[0]["lr"] = lr
        p.grad = np.ones(1)
        opt.step()
    assert p.data[0] == pytest.approx(1 - 1 - 0.1 - 0.01)
    opt.param_groups[0]["lr"] = float("nan")
    with pytest.raises(ValueError, match="SGD: lr at step 3 is nan; it must be ≥ 0"):
        opt.step()
    assert opt.steps == 3


def test_momentum_may_be_turned_on_and_off():
    p = leaf(1)
    opt = optim.SGD([p], lr=1.0)
    for momentum in (0.0, 0.5, 0.5, 0.0):
        opt.param_groups[0]["momentum"] = momentum
        p.grad = np.ones(1)
        opt.step()
    assert p.data[0] == 1 - 1 - 1 - 1.5 - 1


def test_more_parameters_may_join():
    trunk, head = nn.Linear(2, 2, rng=0), nn.Linear(2, 2, rng=1)
    opt = optim.Adam(head.parameters(), lr=0.1)
    x = np.ones((1, 2), np.float32)

    def loss():
        return (head(trunk(x)) ** 2).sum()

    opt.step(loss)
    before = trunk.weight.data.copy()
    opt.add_param_group({"params": trunk.parameters(), "lr": 0.01})
    opt.step(loss)
    np.testing.assert_allclose(abs(trunk.weight.data - before), 0.01, rtol=1e-3)
    assert [s["t"] for s in opt.state] == [2, 2, 1, 1]


def test_a_bad_gradient_in_the_last_group_moves_nothing():
    ps = two()
    opt = optim.SGD([{"params": ps[:1]}, {"params": ps[1:]}], lr=0.1)
    before = [p.data.copy() for p in ps]
    for p in ps:
        p.grad = np.ones(p.shape)
    ps[2].grad = np.ones(7)
    with pytest.raises(ValueError, match=r"SGD: params\[2\]: the gradient has shape \(7,\)"):
        opt.step()
    assert all(np.array_equal(p.data, b) for p, b in zip(ps, before)) and opt.steps == 0
    assert opt.state == [{}, {}, {}]


def stepped(g):
    p = leaf(2)
    p.name = "fc.bias"
    p.grad = g
    optim.SGD([p], lr=0.1).step()


def grouped(*groups):
    return lambda: optim.Adam(list(groups))


p = leaf(2)
BAD = {
    "empty": (lambda: optim.SGD([], lr=0.1), ValueError, "SGD: params is empty"),
    "a tensor": (lambda: optim.SGD(leaf(2), lr=0.1), TypeError, "params is a Tensor; give a list"),
    "a number": (lambda: optim.SGD(3, lr=0.1), TypeError, "params is a int; give a list"),
    "a dict": (lambda: optim.Adam({"params": [p]}), TypeError, "params is a dict"),
    "arrays": (lambda: optim.Adam([np.ones(2)]), TypeError, "Adam: params[0] is a ndarray, not a tensor"),
    "pairs": (lambda: optim.Adam([("w", p)]), TypeError, "params[0] is a tuple, not a tensor"),
    "ints": (lambda: optim.Adam([mg.tensor([1])]), ValueError, "of dtype int64"),
    "results": (lambda: optim.Adam([p, p * 2]), ValueError, "params[1] is the result of an operation"),
    "twice": (lambda: optim.Adam([p, leaf(1), p]), ValueError, "params[2] and params[0] are one tensor"),
    "twice in groups": (grouped({"params": [p]}, {"params": [leaf(1), p]}), ValueError, "params[2] and params[0] are"),
    "groups and tensors": (grouped({"params": [p]}, leaf(1)), TypeError, "params[0] is a dict, not a tensor"),
    "group of a tensor": (grouped({"params": p}), TypeError, "a group's params is a Tensor; give a list"),
    "group of none": (grouped({"params": [p]}, {"params": []}), ValueError, "params is empty"),
    "group without": (grouped({"lr": 0.1}), ValueError, "a group has no 'params'; give 'params' and any of lr, betas"),
    "group misspelt": (
        grouped({"params": [p], "Lr": 1}),
        ValueError,
        "a group has the unknown 'Lr'; give 'params' and",
    ),
    "group's rate": (grouped({"params": [p], "lr": -1}), ValueError, "Adam: lr is -1; it must be ≥ 0"),
    "rate": (lambda: optim.SGD([p], lr=-1), ValueError, "SGD: lr is -1; it must be ≥ 0"),
    "rate of NaN": (lambda: optim.Lion([p], lr=float("nan")), ValueError, "Lion: lr is nan; it must be ≥ 0"),
    "rate of text": (lambda: optim.SGD([p], lr="0.1"), ValueError, "SGD: lr is '0.1' (str); it must be ≥ 0"),
    "momentum": (lambda: optim.SGD([p], 0.1, momentum=-0.9), ValueError, "momentum is -0.9"),
    "decay": (lambda: optim.SGD([p], 0.1, weight_decay=-1), ValueError, "weight_decay is -1"),
    "nesterov": (lambda: optim.SGD([p], 0.1, nesterov=True), ValueError, "unless momentum > 0 and dampening is 0"),
    "betas": (lambda: optim.Adam([p], betas=(0.9, 1.0)), ValueError, "betas is (0.9, 1.0)"),
    "one beta": (
        lambda: optim.Lion([p], betas=0.9),
        ValueError,
        "betas is 0.9 (float); it must be two numbers in [0, 1)",
    ),
    "rho": (lambda: optim.Adadelta([p], rho=1.0), ValueError, "Adadelta: rho is 1.0; it must be in [0, 1)"),
    "eps": (lambda: optim.AdamW([p], eps=-1e-8), ValueError, "AdamW: eps is -1e-08"),
    "switch": (lambda: optim.RMSProp([p], centered=1), ValueError, "centered is 1 (int); it must be True or False"),
    "shifted": (
        lambda: optim.Nesterov([p], 0.1, shifted="yes"),
        ValueError,
        "shifted is 'yes' (str); it must be True or False",
    ),
    "steps": (lambda: optim.Muon([p], ns_steps=0), ValueError, "ns_steps is 0; it must be a whole number ≥ 1"),
    "adam's decay": (lambda: optim.AdamW([p], weight_decay=-1), ValueError, "AdamW: weight_decay is -1"),
    "gradient": (lambda: stepped(np.ones(3)), ValueError, "SGD: params[0] (fc.bias): the gradient has shape (3,), the"),
    "gradient of PyTorch's kind": (
        lambda: stepped(mg.tensor([1.0, 1.0])),
        TypeError,
        "the gradient is a Tensor; it must",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    do, error, message = BAD[name]
    with pytest.raises(error) as caught:
        do()
    assert message in str(caught.value)
