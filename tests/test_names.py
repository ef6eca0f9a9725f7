"""What the user's program calls a tensor: in every form of statement, or not at all."""

import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.names import held, named_values, stored
from minigrad.tape import history


def names(*ys):
    """The names along a tape, '' for none."""
    tape = [y for y in history(ys) if y.node is not None]
    found = named_values(tape)
    return [found.get(id(y), "") for y in tape]


@pytest.fixture
def x():
    return mg.tensor([1.0, 2.0], requires_grad=True)


def test_every_way_to_assign(x):
    y = mg.sin(x)
    z = w = y * y
    y += (a := -z)  # noqa: F841
    assert names(y) == ["y", "z", "a", "y"]

    class Model: ...

    self = Model()
    self.h = (w + 1.0).sum()
    self.h: mg.Tensor = self.h * 2.0
    assert names(self.h)[-3:] == ["", "self.h", "self.h"]
    _ = mg.exp(x)
    assert stored(_.node.line) == ""

    def inner():
        nonlocal z
        z = x @ x
        return z * 1.0

    assert names(inner())[-2:] == ["z", ""]
    space = {"x": x, "mg": mg}
    exec("y = mg.tanh(x)\ndef f():\n    global g\n    g = mg.cos(y)\nf()\nb = [g * g for i in [1]][0]", space)
    assert names(space["b"]) == ["y", "g", ""]


def test_what_has_no_name_or_several(x):
    a, b = x
    row = None
    for row in x:
        print(row)
    both = list(x)
    assert names(row) == ["row"] and names(a + b, *both) == ["", "", "", "", ""]
    c, d = mg.sin(x), mg.cos(x)
    e = (x * 2.0 if len(both) else x) + c + d
    f = [*x][1]
    assert names(e) == ["", "d", "", "", "e"] and names(f) == [""]
    g = mg.matmul(*[x, x])
    h = mg.sum(**{"x": x})
    assert names(g, h)[-2:] == ["g", "h"]
    many = {f"v{i}": x for i in range(300)}  # arguments of instructions that take more than a byte
    exec("def f(x):\n" + "".join(f"    {v} = x * 2.0\n" for v in many) + "    return v299", {}, space := {})
    assert names(space["f"](x)) == ["v299"]


def test_a_name_set_by_hand_wins(x):
    y = mg.sin(x)
    y.name = "sine"
    assert names(y) == ["sine"]


def test_a_call_of_several_operations_names_the_last(x):
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Sequential(nn.ReLU(), nn.Linear(3, 2, rng=0)))
    logits = net(np.ones((1, 2), np.float32))
    loss = mg.mse_loss(logits, np.zeros((1, 2), np.float32))
    found = names(loss)
    assert [name for name in found if name] == ["logits", "loss"] and found[-1] == "loss"
    for _ in range(2):  # how often a model ran is not told by its tape
        logits = net(logits)
    assert names(logits)[-1] == "logits" and names(logits).count("logits") == 2


def test_passes_of_a_loop_are_told_apart_where_that_is_certain(x):
    layers = [nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh()) for _ in range(3)]

    class Net(nn.Module):
        def __init__(self):
            self.blocks = layers

        def forward(self, h):
            for block in self.blocks:
                h = block(h)
            for i, block in enumerate(self.blocks):
                h = block(h)
                h = h * float(i)
            return h

    y = Net()(np.ones((1, 2), np.float32))
    assert names(y) == ["", "h"] * 3 + ["", "h", "h"] * 3
    y = x
    for _ in range(3):
        y = mg.sin(y)
        y = y * y
    assert names(y) == ["y"] * 6
    for _ in range(3):
        y = -y
    assert names(y) == ["y"] * 9


def test_variables_of_a_frame(x):
    ws = [x, mg.tensor(1.0)]
    by = {"scale": mg.tensor(2.0), ("a",): mg.tensor(3.0)}
    _private = mg.tensor(4.0)
    _1 = _ = mg.tensor(5.0)
    alias = _private
    found = held(sys._getframe())
    assert found[id(x)] == "x" and found[id(ws[1])] == "ws[1]" and found[id(by["scale"])] == "by['scale']"
    assert id(by[("a",)]) not in found and id(_1) not in found and found[id(alias)] == "alias"
    assert found[id(mg)] == "mg" == held()[id(mg)]
