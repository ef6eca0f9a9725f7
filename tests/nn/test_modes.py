"""Modes, draws, and a model put back as it was."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import modes


def model():
    return nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.Dropout(0.5, rng=1), nn.Dropout(0.5))


def test_who_draws():
    assert [modes.draws(m) for m in model().modules()] == [False, False, False, True, True]
    found = modes.generators(net := model())
    assert list(found) == ["default", "model.2.rng"]
    assert found["model.2.rng"] is net[2].rng and found["default"] is mg.random.generator()


def test_modes_are_restored_each_for_itself_and_after_an_error():
    net = model()
    net[2].training = False
    with pytest.raises(RuntimeError), modes.modes_restored(net):
        net.eval()
        raise RuntimeError
    assert [m.training for m in net] == [True, True, False, True] and net.training


def test_all_of_a_model_is_restored():
    net, other, x = model(), mg.tensor([1.0], requires_grad=True), np.ones((2, 3), np.float32)
    net[0].weight.requires_grad = False
    net[0].bias.grad = np.ones(4, np.float32)
    before, expected = net.state_dict(), None
    for _ in range(2):
        with modes.restored(net, [other]):
            net.requires_grad_()
            (net(x) ** 2).sum().backward()
            other.data = np.zeros(1)
            for p in net.parameters():
                p.data -= p.grad
            drawn = net[2].rng.random()
            net.eval()
        assert expected in (None, drawn)
        expected = drawn
    assert all(np.array_equal(v, before[path]) for path, v in net.state_dict().items())
    assert not net[0].weight.requires_grad and net[0].weight.grad is None and net[0].bias.grad.tolist() == [1] * 4
    assert other.data == 1 and all(m.training for m in net.modules())
