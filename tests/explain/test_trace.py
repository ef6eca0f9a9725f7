"""Every number of a trace is the tape's: values, gradients of values and of edges, tangents, bytes; and every edge is there."""

import json
import math
import re
import weakref
from pathlib import Path

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st
from programs import Program

import minigrad as mg
from minigrad import nn
from minigrad.explain.memory import held, owner
from minigrad.graph import in_order
from minigrad.nn import models
from minigrad.tape import Node, Tensor, Watcher, alias, history, pull, recording, watching

EPS = np.finfo(np.float64).eps
programs = st.builds(
    Program,
    st.integers(0, 2**32 - 1),
    st.integers(1, 14),
    st.integers(1, 4),
    st.sampled_from([(), (), (3,), (2, 3), (1,), (9, 9)]),
)


class Eager(Watcher):
    """Nobody in particular: only, no value is put off."""

    eager = True


def recorded(program, dtype=np.float64, h=0.0):
    """The leaves and the loss, computed as `explain` does."""
    leaves = [
        Tensor((x + 1j * h * v) if h else x.astype(dtype), requires_grad=True)
        for x, v in zip(program.leaves, program.directions)
    ]
    with watching(Eager()), recording(True):
        return leaves, program.run(*leaves)


def agree(said, array):
    """What a trace says of an array is what NumPy says of it."""
    array = np.asarray(array)
    if array.size == 1:
        return said == array.item()
    n = array.size
    top = float(np.abs(array).max())
    return (
        said["min"] == array.min()
        and said["max"] == array.max()
        and said["zeros"] == (array == 0).sum()
        and said["nonfinite"] == 0
        and math.isclose(said["norm"], np.sqrt((array**2).sum()), rel_tol=4 * n * EPS)
        and abs(said["mean"] - array.mean()) <= 4 * n * EPS * top  # a sum of n numbers of that size, by n
        and abs(said["std"] ** 2 - array.var()) <= 16 * n * EPS * top**2
        and ("values" not in said or np.array_equal(said["values"], array))
    )


@cases(200)
@given(programs)
def test_every_number_and_every_edge(program):
    trace = mg.explain(program.run, *program.leaves).to_dict()
    _, y = recorded(program)
    values = [v for v, _ in in_order([y])]
    nodes = trace["nodes"]
    assert len(nodes) == len(values)
    reaching = [v for v in values if v.requires_grad]
    gradients = dict(zip(map(id, reaching), pull(y, reaching, retain_graph=True)))
    ids = {id(v): i for i, v in enumerate(values)}
    reached = {id(t) for t in history([y])}
    for v, node in zip(values, nodes):
        assert agree(node["value"], v.data)
        if id(v) in reached:
            assert agree(node["adjoint"], gradients[id(v)].data)
        else:
            assert node["adjoint"] is None
        if isinstance(v.node, Node):
            assert node["op"] == v.node.op.name and node["inputs"] == [ids[id(x)] for x in v.node.inputs]
    edges = {(i, n["id"], k) for n in nodes if n["kind"] == "operation" for k, i in enumerate(n["inputs"])}
    assert edges == {(e.source, e.target, e.argument) for e in mg.graph(y).edges}
    sent = {(n["id"], a["from"], a["argument"]) for n in nodes for a in n.get("addends", ())}
    assert sent == {(i, j, k) for i, j, k in edges if nodes[i]["adjoint"] is not None and nodes[j]["step"] is not None}


@cases(100)
@given(programs)
def test_what_arrives_along_each_edge_is_the_gradient_of_that_edge(program):
    trace = mg.explain(program.run, *program.leaves).to_dict()
    _, y = recorded(program)
    # the same tape again, with an alias on each edge, whose gradient is what flows along it
    edges, again = {}, {}
    values = [v for v, _ in in_order([y])]
    for number, v in enumerate(values):
        if not isinstance(v.node, Node):
            again[id(v)] = Tensor(v.data, v.requires_grad)
            continue
        with watching(Eager()):
            inputs = [alias(again[id(x)]) for x in v.node.inputs]
            again[id(v)] = v.node.op(*inputs, **v.node.params)
        edges |= {(number, k): x for k, x in enumerate(inputs) if x.requires_grad}
    flowing = dict(zip(edges, pull(again[id(y)], list(edges.values()), retain_graph=True)))
    seen = 0
    for node in trace["nodes"]:
        total = 0.0
        for addend in node.get("addends", ()):
            gradient = flowing[addend["from"], addend["argument"]].data
            said = addend["value"]["norm"] if isinstance(addend["value"], dict) else abs(addend["value"])
            # (where a value forks again, the other tape adds in another order: a rounding for each of its operations)
            assert math.isclose(said, np.linalg.norm(gradient), rel_tol=1e3 * len(values) ** 2 * EPS, abs_tol=1e-300)
            seen += 1
            if gradient.size == 1:
                total += addend["value"]
                assert addend["sum"] == total
        if "addends" in node and "sum" in node["addends"][-1]:
            assert node["addends"][-1]["sum"] == node["adjoint"]
    assert seen == len([x for (j, _), x in edges.items() if trace["nodes"][j]["step"] is not None])


@cases(60)
@given(programs)
def test_tangents_are_those_of_the_complex_step(program):
    h = 1e-30
    trace = mg.explain(program.run, *program.leaves, order=2, direction=program.directions).to_dict()
    _, y = recorded(program, h=h)
    values = [v for v, _ in in_order([y])]
    reached = [v for v in values if v.requires_grad]
    gradients = dict(zip(map(id, reached), pull(y, reached, retain_graph=True)))
    top = max(float(np.abs(g.data.imag / h).max()) for g in gradients.values())
    bound = 1e3 * len(values) ** 2 * EPS  # paths of products, each rounded; their slopes are below 10
    for v, node in zip(values, trace["nodes"]):
        if not v.requires_grad:
            continue
        for said, array in ((node["tangent"], v.data), (node["adjoint_tangent"], gradients[id(v)].data)):
            exact = array.imag / h
            got = said if array.size == 1 else said.get("values")
            if got is not None:
                scale = max(1.0, top, float(np.abs(exact).max()))
                assert np.abs(np.reshape(got, exact.shape) - exact).max() <= bound * scale


def test_the_parameters_adjoints_move_by_the_hessian_times_the_direction():
    x, v = np.array([0.5, -1.5, 2.0]), np.array([1.0, 0.5, -2.0])

    def f(x):
        return (mg.sin(x) * x * x[::-1]).sum()

    node = mg.explain(f, x, order=2, direction=v).to_dict()["nodes"][0]
    np.testing.assert_allclose(node["adjoint_tangent"]["values"], mg.hvp(f, [x], [v])[0].data, rtol=1e-14)


# ---- memory ----------------------------------------------------------------------------------------------------------


def let_go(y):
    """The bytes that really die as a walk passes each operation, first to last, of those that the tape held."""
    tape = [t for t in history([y]) if isinstance(t.node, Node)]
    own = {id(owner(x.data)) for t in tape for x in t.node.inputs if x.node is None and x.requires_grad}
    alive = {}
    for t in tape:
        alive |= {id(a): (weakref.ref(a), a.nbytes) for a in held(t) if id(a) not in own}
    found = []

    class Dying(Watcher):
        eager = True

        def take(self):
            dead = [i for i, (a, _) in alive.items() if a() is None]
            found.append(sum(alive.pop(i)[1] for i in dead))

        def pulling(self, y, g):
            self.take()

        def walk_ended(self):
            self.take()

    del tape, t
    seen = Dying()
    with watching(seen):
        y.backward()
    return found[1:]


@pytest.mark.parametrize("seed", range(40))
def test_bytes_let_go_are_those_that_die(seed):
    program = Program(seed, 10, shape=(5,))
    trace = mg.explain(program.run, *program.leaves).to_dict()
    said = {n["step"]: n["freed"] for n in trace["nodes"] if n["kind"] == "operation" and n["step"] is not None}
    _, y = recorded(program)
    assert [said[k] for k in sorted(said)] == let_go(y)
    assert trace["memory"]["kept"] == sum(said.values())


def test_bytes_let_go_of_a_network():
    net = models.resnet8(rng=0)
    x, labels = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype("f"), np.array([1, 2])
    trace = mg.explain(net, x, labels).to_dict()
    said = {n["step"]: n["freed"] for n in trace["nodes"] if n["kind"] == "operation"}
    with watching(Eager()):
        y = mg.cross_entropy(net(Tensor(x)), labels)
    assert [said[k] for k in sorted(said)] == let_go(y)


# ---- names, modules, skipped blocks -----------------------------------------------------------------------------------


def test_names_are_those_of_the_program():
    def f(x, params):
        h = x * params["w"]
        h = h + params["b"]
        out = mg.tanh(h)
        return out.sum()

    nodes = mg.explain(f, np.ones(2), {"w": np.ones(2), "b": np.zeros(2)}).to_dict()["nodes"]
    assert [n["name"] for n in nodes] == ["x", "params['w']", "h", "params['b']", "h", "out", ""]
    weight = mg.tensor(2.0, requires_grad=True)
    nodes = mg.explain(lambda: weight * weight).to_dict()["nodes"]
    assert nodes[0]["name"] == "weight"
    loss = weight * 3.0
    trace = mg.explain(loss).to_dict()
    assert trace["title"] == "loss" and [n["name"] for n in trace["nodes"]] == ["weight", "", "loss"]
    loss.name = "by hand"
    assert mg.explain(loss).to_dict()["nodes"][2]["name"] == "by hand"


def test_the_line_of_an_operation_is_in_its_source():
    def f(x):
        y = x * 2.0
        return mg.sin(y)  # here

    trace = mg.explain(f, 0.5).to_dict()
    at, number = trace["nodes"][-1]["line"]
    source = trace["sources"][at]
    assert source["lines"][number - source["first"]].endswith("# here") and source["function"] == "f"


def test_modules_repeats_and_what_was_not_executed():
    net = models.ResNet(3, 10, 1, rng=0, stochastic_depth=0.9)
    x, labels = np.ones((2, 1, 8, 8), np.float32), np.array([0, 1])
    trace = mg.explain(net, x, labels).to_dict()
    assert trace["skipped"] and all(s["text"].startswith("not executed, p = ") for s in trace["skipped"])
    for s in trace["skipped"]:
        assert s["path"].startswith("stage") and 0 < s["before"] <= len(trace["nodes"])
    trace = mg.explain(net.eval(), x, labels).to_dict()
    assert not trace["skipped"]
    groups = {g["path"]: g for g in trace["groups"]}
    assert groups["stage1.1"]["kind"] == "BasicBlock" and groups["stage1.1"]["parent"] == groups["stage1"]["id"]
    assert groups["stage1.2"]["same"] == groups["stage1.1"]["id"] and groups["stage2.1"]["same"] is None
    size = sum(p.size for p in net.stage1.parameters())
    assert groups["stage1"]["parameters"] == size
    for n in trace["nodes"]:  # the innermost call that it lies in
        inside = [g for g in trace["groups"] if g["first"] <= n["id"] <= g["last"]]
        assert n["group"] == (inside[-1]["id"] if inside else None)


def test_frozen_parameters_say_so():
    net = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Linear(3, 2, rng=1))
    net[0].weight.requires_grad = False
    trace = mg.explain(net, np.ones((1, 2), np.float32), np.array([0])).to_dict()
    kinds = {n["name"]: (n["kind"], n["adjoint"] is None) for n in trace["nodes"] if n["name"]}
    assert kinds["0.weight"] == ("frozen", True) and kinds["0.bias"] == ("parameter", False)


# ---- what is run, and what is left behind -------------------------------------------------------------------------------


def timeless(trace):
    changing = "forward_ns", "backward_ns", "where", "line"
    return [{k: v for k, v in node.items() if k not in changing} for node in trace["nodes"]]


def test_it_leaves_no_trace():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten(), nn.Linear(72, 3, rng=1)
    )
    x, labels = np.random.default_rng(0).standard_normal((4, 1, 8, 8)).astype("f"), np.array([0, 1, 2, 0])
    before = {k: np.array(v) for k, v in net.state_dict().items()}
    mg.seed(3)
    first = mg.explain(net, x, labels).to_dict()
    drawn = mg.dropout(np.ones(8), 0.5).data
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    mg.seed(3)
    assert np.array_equal(drawn, mg.dropout(np.ones(8), 0.5).data)
    mg.seed(3)
    assert timeless(first) == timeless(mg.explain(net, x, labels).to_dict())


def test_kernels_or_compositions():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, rng=0), nn.BatchNorm1d(3))
    x, labels = np.random.default_rng(0).standard_normal((5, 4)), np.array([0, 1, 2, 0, 1])
    for order, how in ((1, "kernel"), (2, "composition")):
        trace = mg.explain(net, x.astype("f"), labels, order=order).to_dict()
        assert trace["how"] == how + "s"
        assert {n["back"] for n in trace["nodes"] if n["op"] == "batch_norm"} == {how}
        assert {n["back"] for n in trace["nodes"] if n["op"] == "affine"} == {"rule"}


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda: mg.explain(lambda x: x * 2, np.ones(3)), "result has shape (3,)"),
        (lambda: mg.explain(lambda x: x, 2.0), "asks for a gradient"),
        (lambda: mg.explain(lambda a, b: a * b, 2, 3), "floats (2.0"),
        (lambda: mg.explain(lambda x: 3.0, 2.0), "must return a tensor"),
        (lambda: mg.explain(7), "f is 7 (int)"),
        (lambda: mg.explain(lambda x: x * x, 2.0, order=3), "1 or 2"),
        (lambda: mg.explain(lambda x: x * x, 2.0, direction=1.0), "order=2"),
        (lambda: mg.explain(lambda x: x * x, 2.0, order=2, direction=[1.0, 2.0]), "one for each of x"),
        (lambda: mg.explain(lambda x: (x * x).sum(), np.ones(3), order=2, direction=np.ones(2)), "shape (3,)"),
        (lambda: mg.explain(mg.tensor(2.0, requires_grad=True) * 2, check=True), "needs the function"),
        (lambda: mg.explain(lambda x: mg.tensor(float(x)), 2.0), "its derivative would be lost"),
    ],
)
def test_errors(call, said):
    with pytest.raises((TypeError, ValueError), match=r"^explain: |being differentiated") as error:
        call()
    assert said in str(error.value)


def test_a_tape_that_was_freed_says_by_whom():
    x = mg.tensor(2.0, requires_grad=True)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"freed by the backward at test_trace.py"):
        mg.explain(y)


def test_json_has_no_number_that_json_does_not_know():
    with np.errstate(all="ignore"):
        trace = mg.explain(lambda x: (mg.log(x) * np.array([1.0, 0.0])).sum(), np.array([1.0, 0.0])).to_dict()
    text = json.dumps(trace, allow_nan=False)
    assert '"nan"' in text or "-inf" in text
    assert trace["nodes"][1]["value"]["nonfinite"] == 1


def test_statistics_neither_overflow_nor_vanish():
    for scale in (1e-200, 1e200):
        said = mg.explain(lambda x: (x * 1e-300).sum(), np.array([3.0, -4.0]) * scale).to_dict()["nodes"][0]["value"]
        assert math.isclose(said["norm"], 5 * scale) and math.isclose(said["std"], 3.5 * scale)


def test_kinks_near_by():
    x = np.linspace(-1, 1, 2001)  # in steps of a thousandth
    trace = mg.explain(lambda x: mg.relu(x).sum(), x).to_dict()
    kinks = trace["nodes"][1]["kinks"]
    assert kinks["of"] == 2001 and 1 <= kinks["near"] <= 3 and kinks["within"] == 1e-3


def test_the_document_is_described():
    page = (Path(mg.__file__).parent.parent / "docs" / "trace.md").read_text()
    named = set(re.findall(r"`\"?(\w+)\"?`", page))

    @mg.primitive
    def wrong(x):
        return x**3

    mg.elementwise(wrong, lambda y, x: x * x)
    net = models.ResNet(1, 10, 1, rng=0, stochastic_depth=0.9)
    x, labels = np.ones((2, 1, 8, 8), np.float32), np.array([0, 1])
    for trace in (
        mg.explain(net, x, labels, order=2).to_dict(),
        mg.explain(lambda x: wrong(mg.relu(x) * x), 2.0, check=True).to_dict(),
    ):
        lists = [trace[k] for k in ("nodes", "groups", "skipped", "sources")] + [list(trace["rules"].values())]
        keys = set(trace) | {k for entries in lists for entry in entries for k in entry}
        keys |= {k for n in trace["nodes"] for a in n.get("addends", ()) for k in a} | set(trace["memory"])
        keys |= {k for n in trace["nodes"] if isinstance(n["value"], dict) for k in n["value"]}
        keys |= set(trace["check"] or ())
        assert keys <= named, keys - named


def affine(x, w):
    """x w, and what its derivative needs."""
    return x @ w, (x, w)


def affine_backward(dout, cache):
    """Of both factors."""
    x, w = cache
    return dout @ w.T, x.T @ dout


def test_a_backward_written_by_hand_is_one_operation():
    x, w = np.random.default_rng(0).standard_normal((2, 3, 3))
    found = mg.explain(affine, x, w, backward=affine_backward, check=True).to_dict()
    op = next(n for n in found["nodes"] if n["op"] == "affine")
    assert [found["nodes"][i]["name"] for i in op["inputs"]] == ["x", "w"] and found["title"] == "affine"
    assert found["rules"]["affine"]["up"][0] == "affine_backward(dout, cache): Of both factors."
    assert found["check"]["ok"] and [r["node"] for r in found["check"]["rows"]] == op["inputs"]
    seed = np.random.default_rng([0, 0]).standard_normal((3, 3))
    assert found["nodes"][0]["adjoint"]["values"] == (seed @ w.T).tolist()

    def transposed(dout, cache):
        return affine_backward(dout, cache)[0].T, cache[0].T @ dout

    found = mg.explain(affine, x, w, backward=transposed, check=True).to_dict()
    assert not found["check"]["ok"] and "expected is dout @ w.T" in found["check"]["rows"][0]["detail"]
    assert [source["function"] for source in found["sources"]] == ["affine", "transposed"]
    with pytest.raises(ValueError, match="no gradients of 2 arguments"):
        mg.explain(affine, x, w, backward=lambda dout, cache: dout)
