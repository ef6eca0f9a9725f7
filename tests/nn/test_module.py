"""Modules: what they find and how they name it, state in and out, modes, scopes on the tape."""

import copy
import pickle
import threading
from collections import UserDict, deque
from types import MappingProxyType

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.tape import Node, history, state


class Inner(nn.Module):
    def __init__(self, n):
        self.w = nn.Parameter(np.ones(n))
        self.seen = nn.Buffer(np.array(0))

    def forward(self, x):
        return x * self.w


class Outer(nn.Module):
    def __init__(self):
        self.late = Inner(2)
        self.own = nn.Parameter(np.zeros(2))
        self.blocks = [Inner(2), {"a": Inner(2), "b": (nn.Parameter(np.ones(1)),)}]
        self.again = self.late
        self.note = [1, "two", None]

    def forward(self, x):
        x = self.blocks[1]["a"](self.blocks[0](self.late(x)))
        return mg.exp(x) + self.own


OUTER = ["late.w", "own", "blocks.0.w", "blocks.1.a.w", "blocks.1.b.0"]


def scopes(y):
    return {t.node.op.name + "@" + t.node.scope for t in history([y]) if isinstance(t.node, Node)}


def test_parameters_are_found_in_order_of_assignment_and_shared_ones_once():
    m = Outer()
    assert [path for path, _ in m.named_parameters()] == OUTER
    assert [path for path, _ in m.named_buffers()] == ["late.seen", "blocks.0.seen", "blocks.1.a.seen"]
    assert [path for path, _ in m.named_modules()] == ["", "late", "blocks.0", "blocks.1.a"]
    assert m.parameters()[0] is m.late.w and m.buffers()[0] is m.late.seen and m.modules()[0] is m


def test_a_plain_tensor_is_neither_parameter_nor_buffer():
    m = Inner(2)
    m.hidden = mg.tensor([1.0], requires_grad=True)
    assert len(m.parameters()) == 1 and "hidden" not in m.state_dict()


def test_parameters_know_their_path():
    m = Outer()
    m.late.parameters()
    assert m.late.w.name == "w"
    m.parameters()
    assert m.late.w.name == "late.w"
    m.late.parameters()
    assert m.late.w.name == "late.w"
    loss = m(np.ones(2)).sum()
    m.blocks[0].w.data = np.zeros(2)
    with pytest.raises(RuntimeError, match=r"blocks\.0\.w"):
        loss.backward()


def test_a_module_that_holds_its_owner_is_walked_once():
    m = Outer()
    m.late.owner = m
    assert [path for path, _ in m.named_parameters()] == OUTER
    assert "..." in repr(m)
    m.load_state_dict(m.state_dict())


def test_nodes_carry_module_paths():
    m = Outer()
    assert scopes(m(np.ones(2))) == {"mul@late", "mul@blocks.0", "mul@blocks.1.a", "exp@", "add@"}
    assert state.scope == ""
    assert scopes(nn.Sequential(m, Inner(2))(np.ones(2))) >= {"mul@0.blocks.0", "exp@0", "mul@1"}
    assert scopes(m.late(np.ones(2))) == {"mul@"}  # called by itself, it is the root


def test_a_module_held_out_of_sight_is_named_from_where_it_is_called():
    hidden = nn.Sequential(Inner(2))

    class Caller(nn.Module):
        def __init__(self):
            self.call = lambda x: hidden(x)

        def forward(self, x):
            return self.call(x)

    assert scopes(nn.Sequential(Caller())(np.ones(2))) == {"mul@0.0"}


def test_the_scope_is_left_when_forward_raises():
    m = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(ValueError, match="linear"):
        m(np.ones((1, 4), np.float32))
    assert state.scope == ""
    assert scopes(m(np.ones((1, 3), np.float32))) == {"affine@0"}


def test_scopes_of_threads_do_not_mix():
    models = [nn.Sequential(*[Inner(1) for _ in range(40)]) for _ in range(2)]
    results = {}

    def work(i):
        results[i] = [scopes(models[i](np.ones(1))) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    [t.start() for t in threads], [t.join() for t in threads]
    expected = {f"mul@{k}" for k in range(40)}
    assert all(found == expected for i in range(2) for found in results[i])


# ---- state -----------------------------------------------------------------------------------------------------------


def test_state_dict_is_a_snapshot():
    m = Outer()
    saved = m.state_dict()
    assert list(saved) == [
        "late.w", "late.seen", "own", "blocks.0.w", "blocks.0.seen", "blocks.1.a.w", "blocks.1.a.seen", "blocks.1.b.0",
        "again.w", "again.seen",
    ]  # fmt: skip
    m.own.data[:] = 7
    assert saved["own"].tolist() == [0, 0]


def test_state_dict_round_trip():
    a, b = nn.models.resnet8(rng=1), nn.models.resnet8(rng=2)
    a(np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32))  # moves the running statistics
    assert b.load_state_dict(a.state_dict()) == ([], [])
    for (path, x), (_, y) in zip(a.state_dict().items(), b.state_dict().items(), strict=True):
        assert x.dtype == y.dtype and np.array_equal(x, y), path
    assert a.bn1.num_batches_tracked.item() == b.bn1.num_batches_tracked.item() == 1


def test_loading_keeps_the_own_dtype_copies_and_bumps_versions():
    m = nn.Linear(2, 1)
    w, version = np.array([[1, 2]], np.float32), m.weight.version
    m.load_state_dict({"weight": w, "bias": mg.tensor([3.0])})
    assert m.weight.dtype == np.float32 and m.weight.version > version
    w[:] = 9
    assert m.weight.data.tolist() == [[1, 2]] and m.bias.data.tolist() == [3]


def test_load_state_dict_lists_every_problem_and_changes_nothing():
    m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    before = m.state_dict()
    wrong = m.state_dict()
    wrong.update({"0.weight": np.zeros((2, 3)), "1.num_batches_tracked": np.array(0.5), "extra.bias": np.zeros(4)})
    del wrong["0.bias"]
    with pytest.raises(ValueError) as error:
        m.load_state_dict(wrong)
    for part in (
        "Sequential",
        "missing: 0.bias (3,)",
        "unexpected: extra.bias (4,)",
        "wrong shape: 0.weight is (3, 2) in the model, (2, 3) in the state dict",
        "wrong dtype: 1.num_batches_tracked is int64 in the model, float64 in the state dict",
    ):
        assert part in str(error.value)
    assert all(np.array_equal(before[k], v) for k, v in m.state_dict().items())


def test_loading_leniently_returns_what_was_passed_over():
    m = nn.Linear(2, 3)
    result = m.load_state_dict({"weight": np.ones((3, 2)), "head": np.ones(1)}, strict=False)
    assert result.missing_keys == ["bias"] and result.unexpected_keys == ["head"]
    assert m.weight.data.min() == 1
    with pytest.raises(ValueError, match="wrong shape"):
        m.load_state_dict({"weight": np.ones((2, 2))}, strict=False)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent_and_keep_sharing(duplicate):
    m = Outer()
    m.own.grad = np.ones(2)
    c = duplicate(m)
    assert isinstance(c.own, nn.Parameter) and c.own is not m.own and c.own.grad.tolist() == [1, 1]
    assert c.again is c.late and [p for p, _ in c.named_parameters()] == OUTER
    c.own.data[:] = 5
    assert m.own.data.tolist() == [0, 0]


# ---- modes -----------------------------------------------------------------------------------------------------------


def test_train_and_eval_reach_every_module():
    m = Outer()
    assert m.training and m.eval() is m
    assert not any(x.training for x in m.modules())
    m.train()
    assert all(x.training for x in m.modules())


def test_astype_turns_floats_in_place_and_leaves_ints():
    m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    p = m[0].weight
    m(np.ones((2, 2), np.float32)).sum().backward()
    assert m.astype("float64") is m and m[0].weight is p
    assert {x.dtype.name for x in m.parameters()} == {"float64"} == {x.grad.dtype.name for x in m.parameters()}
    assert [b.dtype.name for b in m.buffers()] == ["float64", "float64", "int64"]
    with pytest.raises(TypeError, match="astype: int32"):
        m.astype(np.int32)


def test_requires_grad_and_zero_grad():
    m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    m[0].requires_grad_(False)
    m(np.ones((1, 2), np.float32)).sum().backward()
    assert m[0].weight.grad is None and m[1].weight.grad is not None
    m.zero_grad()
    assert m[1].weight.grad is None
    assert m.requires_grad_() is m and all(p.requires_grad for p in m.parameters())


# ---- messages --------------------------------------------------------------------------------------------------------


def test_misspelt_attributes():
    m = nn.Linear(2, 2)
    with pytest.raises(AttributeError, match=r"Linear has no attribute 'wieght'; did you mean 'weight'\?"):
        _ = m.wieght
    with pytest.raises(AttributeError, match=r"did you mean 'state_dict'\?"):
        m.state_dcit()
    with pytest.raises(AttributeError, match=r"has no attribute 'zzzzzz'$"):
        _ = m.zzzzzz
    with pytest.raises(AttributeError):
        m.weight.gard = np.zeros(2)
    assert not hasattr(m, "nothing")


def test_a_module_without_forward_says_so():
    with pytest.raises(AttributeError, match="Module has no attribute 'forward'"):
        nn.Module()(1)


def test_parameters_are_floats():
    with pytest.raises(TypeError, match="int64"):
        nn.Parameter(np.arange(3))
    assert nn.Buffer(np.arange(3)).dtype == np.int64


def test_repr_is_nested():
    m = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.LeakyReLU(0.2)))
    assert repr(m) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3)\n  (1): Sequential(\n    (0): ReLU()\n"
        "    (1): LeakyReLU(negative_slope=0.2)\n  )\n)"
    )


# ---- what is not lost in silence --------------------------------------------------------------------------------------


OTHERS = {
    "a tensor": lambda p: mg.tensor(p.data),
    "a result": lambda p: p * 0.5,
    "an array": lambda p: p.data,
    "a number": lambda p: 0.5,
    "text": lambda p: "0.5",
    "a list": lambda p: [p],
    "a module": lambda p: nn.ReLU(),
    "the other kind": lambda p: (nn.Buffer if isinstance(p, nn.Parameter) else nn.Parameter)(np.ones(2)),
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("name", ["weight", "running_mean"])
def test_a_parameter_or_buffer_is_not_overwritten_by_something_else(what, name):
    m = nn.BatchNorm1d(2)
    kind, before = type(getattr(m, name)).__name__, getattr(m, name)
    with pytest.raises(
        TypeError, match=rf"BatchNorm1d: {name} is a {kind}, float32 \(2,\).*{name}\.data = ….*nn\.{kind}"
    ):
        setattr(m, name, OTHERS[what](before))
    assert getattr(m, name) is before and len(m.state_dict()) == 5


def test_what_may_take_the_place_of_a_parameter():
    m, w = nn.Linear(2, 2, rng=0), nn.Parameter(np.zeros((2, 2), np.float32))
    m.weight = w
    m.weight = m.weight
    m.bias = None
    assert m.parameters() == [w]
    m.bias = nn.Parameter(np.ones(2))
    del m.weight
    m.weight = 3.0  # said twice
    assert m.parameters() == [m.bias]
    with pytest.raises(TypeError, match="Linear: bias is a Parameter"):
        m.bias = m.bias - 0.1
    with mg.no_grad():
        m.bias -= 0.1
    assert np.allclose(m.parameters()[0].data, 0.9)


def test_two_things_have_two_paths():
    class Net(nn.Module):
        pass

    linear = nn.Linear(2, 2, rng=0)
    for attributes in (
        {"heads": {0: nn.ReLU(), "0": nn.Linear(2, 2, rng=1)}},
        {"heads": {"0": nn.Parameter(np.ones(1))}, "heads.0": nn.Buffer(np.ones(1))},
        {"a": linear, "a.weight": nn.Parameter(np.ones(1))},
        {"": linear},
    ):
        net = Net()
        vars(net).update(attributes)
        for act in (
            net.state_dict,
            net.named_parameters,
            net.named_modules,
            net.parameters,
            lambda: net.load_state_dict({}),
        ):
            with pytest.raises(
                ValueError, match=r"Net: '.*' is the path of a .* and of another .*; rename one of them"
            ):
                act()
    net = Net()
    net.tied, net.heads = linear, {0: linear, "0": linear}  # one thing
    assert list(net.state_dict()) == ["tied.weight", "tied.bias", "heads.0.weight", "heads.0.bias"]
    assert net.parameters() == linear.parameters()


UNSEEN = {"set": lambda x: {x}, "frozenset": lambda x: frozenset([x]), "deque": lambda x: deque([x])}
UNSEEN |= {"UserDict": lambda x: UserDict(a=x), "mappingproxy": lambda x: MappingProxyType({"a": x})}
UNSEEN |= {"dict_values": lambda x: {"a": x}.values()}


@pytest.mark.parametrize("kind", UNSEEN)
def test_a_collection_that_is_not_looked_into_hides_nothing(kind):
    net = nn.Sequential(nn.ReLU())
    net[0].held = [{"deep": UNSEEN[kind](inner := nn.Linear(2, 2, rng=0))}]
    with pytest.raises(TypeError, match=rf"Sequential: 0\.held\.0\.deep is a {kind} that holds a Linear; .* lists"):
        net.parameters()
    net.append(inner)  # it is a note of what is found elsewhere
    assert net.parameters() == inner.parameters()
    net[0].held = UNSEEN[kind](3)
    assert net.parameters() == inner.parameters()


def test_a_parameter_of_a_class_is_refused():
    for x in (nn.Parameter(np.ones(1)), nn.Buffer(np.ones(1)), nn.Sequential(nn.Linear(2, 2, rng=0))):
        with pytest.raises(TypeError, match=rf"Net.part is a {type(x).__name__} of the class.*self.part = …"):
            type("Net", (nn.Module,), {"part": x})
    type("Net", (nn.Module,), {"act": nn.ReLU()})


LEAVES = st.sampled_from("pbmtn")  # a parameter, a buffer, a layer, one that is shared, a number
KEYS = st.sampled_from(["a", "b", "a.b", "0", "1", 0, 1, "weight"])
TREES = st.recursive(
    LEAVES,
    lambda inside: st.one_of(
        st.lists(inside, max_size=3), st.lists(inside, max_size=3).map(tuple), st.dictionaries(KEYS, inside, max_size=3)
    ),
    max_leaves=8,
)


@cases(60)
@given(st.dictionaries(st.sampled_from(["a", "a.b", "0", "b"]), TREES, min_size=1))
def test_every_parameter_has_one_path_or_the_model_says_which_two_have_one(tree):
    """Against a walk of its own, which knows what was put where."""
    shared, put = nn.Linear(1, 1, rng=0), []

    def built(node, path):
        if isinstance(node, dict):
            return {k: built(v, f"{path}.{k}") for k, v in node.items()}
        if isinstance(node, list | tuple):
            return type(node)(built(v, f"{path}.{i}") for i, v in enumerate(node))
        x = {"p": lambda: nn.Parameter(np.ones(1)), "b": lambda: nn.Buffer(np.ones(1)), "t": lambda: shared,
             "m": lambda: nn.Linear(1, 1, rng=0), "n": lambda: 1.5}[node]()  # fmt: skip
        put.extend([(path, x)] if node != "n" else [])
        put.extend((f"{path}.{k}", getattr(x, k)) for k in ("weight", "bias") if isinstance(x, nn.Module))
        return x

    net = nn.Module()
    for name, node in tree.items():
        setattr(net, name, built(node, name))
    things = {}
    for path, x in put:
        things.setdefault(path, {})[id(x)] = x
    if all(len(found) == 1 for found in things.values()):
        tensors = list({path: x for path, x in put if isinstance(x, mg.Tensor)}.items())  # one may be put there twice
        state = net.state_dict()
        assert list(state) == [path for path, _ in tensors]
        assert {id(p) for p in net.parameters()} == {id(x) for _, x in tensors if isinstance(x, nn.Parameter)}
        net.load_state_dict({path: np.full(x.shape, i) for i, (path, x) in enumerate(dict(tensors).items())})
        assert copy.deepcopy(net).state_dict().keys() == state.keys()
    else:
        with pytest.raises(ValueError, match="is the path of"):
            net.state_dict()
