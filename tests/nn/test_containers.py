"""Containers beside plain lists and dicts, and the ways into a module."""

import numpy as np
import pytest

from minigrad import nn


def layers(n):
    return [nn.Linear(2, 2, rng=i) for i in range(n)]


def test_a_module_list_is_changed_as_a_list_is_and_found():
    plain = layers(3)
    held = nn.ModuleList(plain)
    for change in (
        lambda x: x.append(plain[0]),
        lambda x: x.insert(1, plain[2]),
        lambda x: x.pop(0),
        lambda x: x.extend(plain[:1]),
        lambda x: x.__setitem__(0, plain[1]),
        lambda x: x.__delitem__(slice(1, 2)),
    ):
        change(held), change(plain)
        assert list(held) == plain and len(held) == len(plain) and held[-1] is plain[-1]
        assert [p for p, _ in held.named_children()] == [str(i) for i, m in enumerate(plain) if m not in plain[:i]]
    assert isinstance(held[1:], nn.ModuleList) and list(held + layers(1))[:-1] == plain
    with pytest.raises(TypeError, match="ModuleList: item 0 is a function; it must be a Module"):
        nn.ModuleList([lambda x: x])


def test_parameter_lists_and_dicts_make_parameters():
    row = nn.ParameterList([np.ones(2), nn.Parameter(np.zeros(3))])
    assert [p.shape for p in row.parameters()] == [(2,), (3,)] and list(row.state_dict()) == ["0", "1"]
    named = nn.ParameterDict({"a": np.ones(2)})
    named["b"] = np.zeros(1)
    assert [path for path, _ in named.named_parameters()] == ["a", "b"] and named["a"].requires_grad
    with pytest.raises(TypeError, match="ParameterList: item 0 is a ReLU; it must be a Parameter"):
        nn.ParameterList([nn.ReLU()])


def test_a_module_dict():
    a, b, c = layers(3)
    held = nn.ModuleDict({"a": a})
    held.update([("b", b)])
    held["c"] = c
    assert (
        list(held) == held.keys() == ["a", "b", "c"] and held.values() == [a, b, c] and "b" in held and len(held) == 3
    )
    assert held.items()[1] == ("b", b) and held.pop("b") is b and "b" not in held
    del held["a"]
    assert [path for path, _ in held.named_parameters()] == ["c.weight", "c.bias"]
    held.clear()
    assert len(held) == 0 and held.parameters() == []
    for key in ("training", "pop", "a.b", "", 3):
        with pytest.raises(ValueError, match=r"ModuleDict.*: name is"):
            held[key] = a
    with pytest.raises(ValueError, match="ModuleDict: there is no 'x'"):
        held["x"]


def test_a_sequential_of_a_dict_has_its_names():
    net = nn.Sequential({"fc": nn.Linear(2, 3, rng=0), "act": nn.ReLU()})
    assert list(net.state_dict()) == ["fc.weight", "fc.bias"] and net.fc is net[0]
    assert net(np.ones((1, 2), np.float32)).shape == (1, 3)
    with pytest.raises(ValueError, match="name is 'forward'"):
        nn.Sequential({"forward": nn.ReLU()})


def test_children_apply_and_paths():
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Sequential(nn.ReLU(), nn.BatchNorm1d(2)))
    net.again = net[0]
    assert [name for name, _ in net.named_children()] == ["0", "1"] and net.children()[1] is net[1]
    seen = []
    assert net.apply(seen.append) is net and seen[-1] is net and seen[0] is net[0] and len(seen) == 5
    assert net.get_submodule("1.1") is net[1][1] and net.get_submodule("") is net
    assert net.get_parameter("0.bias") is net[0].bias and net.get_buffer("1.1.running_var") is net[1][1].running_var
    with pytest.raises(ValueError, match=r"has no Module of the path '1\.2'; did you mean '1\.1'\?"):
        net.get_submodule("1.2")


def test_registering_is_assigning():
    net = nn.Module()
    net.add_module("fc", nn.Linear(2, 2, rng=0))
    net.register_parameter("w", nn.Parameter(np.ones(1)))
    net.register_parameter("none", None)
    net.register_buffer("mean", np.zeros(1))
    net.register_buffer("mask", np.ones(2), persistent=False)
    assert list(net.state_dict()) == ["fc.weight", "fc.bias", "w", "mean"]
    assert net.mask.data.tolist() == [1, 1] and net.none is None
    for wrong in (
        lambda: net.add_module("x", 3),
        lambda: net.register_parameter("x", np.ones(1)),
        lambda: net.add_module("a.b", nn.ReLU()),
    ):
        with pytest.raises(ValueError):
            wrong()


def test_dtypes_by_pytorchs_words():
    net = nn.Linear(2, 2, rng=0)
    assert net.double() is net and net.weight.dtype == np.float64
    assert net.to("cpu").to("float32").weight.dtype == np.float32 and net.type(np.float64).weight.dtype == np.float64
    assert net.half().weight.dtype == np.float16 and net.float().cpu() is net
    with pytest.raises(ValueError, match="to: the device is 'cuda'"):
        net.to("cuda")
    net(np.ones((1, 2), np.float32)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.weight.grad.tolist() == [[0, 0], [0, 0]]
    net.zero_grad()
    assert net.weight.grad is None


def test_a_model_with_lists_of_layers_is_summed_up():
    model = nn.models.TextTransformer(10, width=8, heads=2, layers=1, context=6, rng=0)
    rows = {row.path: row for row in nn.summary(model, np.array([[1, 2, 3]]))}
    assert rows["encoder.layers"].shape is None and rows["encoder.layers.0.norm1"].shape == (1, 3, 8)
    assert rows["encoder.layers.0.self_attn"].parameters == 3 * 8 * 8 + 3 * 8
