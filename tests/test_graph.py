"""The graph of the tape: its data against the tape, its text, and every way of drawing it or failing to."""

import json
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad import tape as engine
from minigrad.graph import Graph, graph

module = sys.modules["minigrad.graph"]
X = np.random.default_rng(0).standard_normal((4, 1, 8, 8)).astype(np.float32)


def network():
    branch = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, rng=0), nn.BatchNorm2d(2), nn.ReLU())
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, rng=0), nn.Residual(branch), nn.Flatten(), nn.Linear(128, 10, rng=0)
    )
    net.parameters()
    return net


def loss_of(net):
    return mg.cross_entropy(net(X), np.arange(4))


@pytest.fixture
def loss():
    return loss_of(network())


def test_every_edge_of_the_tape_is_there_and_no_other(loss):
    g = graph(loss)
    tape = [t for t in engine.history([loss]) if t.node is not None]
    operations = [n for n in g.nodes if n.kind == "operation"]
    assert [(n.op, n.shape, n.dtype, n.bytes) for n in operations] == [
        (t.node.op.name, t.shape, t.dtype.name, t.nbytes) for t in tape
    ]
    number = {id(t): n.id for t, n in zip(tape, operations)}
    for t in tape:
        into = sorted((e for e in g.edges if e.target == number[id(t)]), key=lambda e: e.argument)
        assert [e.argument for e in into] == list(range(len(t.node.inputs)))
        for x, edge in zip(t.node.inputs, into):
            assert edge.source == number[id(x)] if id(x) in number else g.nodes[edge.source].kind != "operation"
            assert g.nodes[edge.source].shape == x.shape
    assert len(g.edges) == sum(len(t.node.inputs) for t in tape)
    assert all(e.source < e.target for e in g.edges) and [n.id for n in g.nodes] == list(range(len(g.nodes)))
    assert g.outputs == (number[id(loss)],)


def test_kinds_names_and_modules(loss):
    nodes = graph(loss).nodes
    parameters = {n.name: n for n in nodes if n.kind == "parameter"}
    assert set(parameters) == {name for name, _ in network().named_parameters()}
    assert parameters["1.branch.0.weight"].module == "1.branch.0"
    assert [n.shape for n in nodes if n.kind == "input"] == [X.shape]
    (conv, _) = [n for n in nodes if n.op == "conv2d"]
    assert conv.module == "0" and conv.line.startswith("test_graph.py:") and conv.params["padding"] == "(1, 1)"
    assert [n.params["labels"] for n in nodes if n.op == "cross_entropy"] == ["int64 (4,)"]


def test_a_named_constant_is_an_input_and_others_are_hidden():
    w = mg.tensor(np.ones(3), requires_grad=True)
    y = w * np.array([1.0, 2.0, 0.5])
    hidden = graph(y.sum())
    assert [n.kind for n in hidden.nodes].count("constant") == 1 and "constant" not in hidden.dot
    shown = graph(y.sum(), constants=True)
    assert "constant" in shown.dot and "[1, 2, 0.5]" in shown.dot
    pixels = mg.tensor(np.ones(3))
    assert "pixels" in graph((w * pixels).sum()).dot
    pixels.name = "image"
    assert "image" in graph((w * pixels).sum()).dot


def test_several_outputs():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y, z = mg.exp(x), mg.sin(x)
    assert [graph([y, z]).nodes[i].op for i in graph([y, z]).outputs] == ["exp", "sin"]


def test_dot_is_the_same_text_for_the_same_computation(loss):
    first = graph(loss).dot
    assert first == graph(loss).dot and str(id(loss)) not in first
    loss = loss_of(network())
    assert graph(loss).dot == first


def test_modules_are_nested_boxes_and_a_module_called_twice_is_drawn_twice(loss):
    dot = graph(loss).dot
    for path in ("0", "1.branch", "1.branch.0", "3"):
        assert f'tooltip="{path}"' in dot or f"tooltip={path}" in dot
    layer = nn.Linear(2, 2, bias=False, rng=0)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert graph(net(np.ones((1, 2), np.float32))).dot.count("subgraph cluster_") == 2


def test_the_graph_holds_no_tensor(loss):
    flat = json.dumps(graph(loss).to_dict())  # plain values only
    assert json.loads(flat)["nodes"][0]["shape"] == [4, 1, 8, 8]


HOSTILE = '<b>&"\\N\x1b\n\x00'


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_labels_are_escaped(tmp_path, kind):
    w = mg.tensor(np.ones((2, 2)), requires_grad=True)
    w.name = f"{HOSTILE}.{HOSTILE}"
    engine.state.scope = HOSTILE
    try:
        path = graph((w * w).sum()).save(tmp_path / f"x.{kind}")
    finally:
        engine.state.scope = ""
    if kind == "svg":
        texts = "".join(t.text or "" for t in ET.parse(path).iter())
        assert '<b>&"\\N' in texts and "\x1b" not in texts
    else:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_freed_tape_says_so():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    trunk = mg.exp(x)
    a, b = trunk.sum(), (trunk * trunk).sum()
    a.backward()
    with pytest.raises(RuntimeError, match=r"sum.*freed by the backward at test_graph.py:\d+.*retain_graph=True"):
        graph(a)
    (freed,) = (n for n in graph(b).nodes if n.kind == "freed")
    assert freed.op == "exp" and "exp → trunk, freed" in graph(b).dot


def test_what_was_not_recorded_says_so():
    x = mg.tensor([1.0], requires_grad=True)
    with mg.no_grad():
        y = mg.exp(x)
    for t in (x, y):
        with pytest.raises(RuntimeError, match="nothing was recorded"):
            graph(t)
    with pytest.raises(TypeError, match="not ndarray"):
        graph([np.ones(2)])


@pytest.mark.slow
def test_a_diamond_of_2_to_the_60_paths_and_a_chain_of_20000():
    y = x = mg.tensor(1.0, requires_grad=True)
    for _ in range(60):
        y = y + y
    assert len(graph(y).nodes) == 61 and len(graph(y).edges) == 120 and len(graph(y).dot) < 50_000
    y = x
    for _ in range(20_000):
        y = mg.sin(y)
    g = graph(y)
    assert len(g.edges) == 20_000 and g.dot.count(" -> ") == 20_000


# ---- drawing ---------------------------------------------------------------------------------------------------------


def refuse(*args, **kwargs):
    raise AssertionError("this must not be reached")


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")
def test_the_program_dot_comes_first(loss, monkeypatch):
    monkeypatch.setattr(module, "_has_pygraphviz", refuse)
    assert ET.fromstring(graph(loss).svg).tag.endswith("svg")


@pytest.mark.slow
def test_pygraphviz_stands_in(loss, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert ET.parse(graph(loss).save(tmp_path / "step.svg")).getroot().tag.endswith("svg")
    assert graph(loss).save(tmp_path / "step.png").read_bytes().startswith(b"\x89PNG")


def test_without_either_the_text_is_saved_and_the_message_says_what_to_install(loss, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr(module, "_has_pygraphviz", lambda: False)
    with pytest.raises(RuntimeError, match=r'pip install "minigrad-numba\[app\]"[\s\S]*step.dot'):
        graph(loss).save(tmp_path / "step.svg")
    assert (tmp_path / "step.dot").read_text() == graph(loss).dot
    assert not (tmp_path / "step.svg").exists()


@pytest.mark.slow
@pytest.mark.parametrize("program", ["dot", None])
def test_a_drawing_that_takes_too_long_is_stopped(loss, monkeypatch, tmp_path, program):
    slow = tmp_path / "dot"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(slow) if program else None)
    monkeypatch.setattr(module, "_BY_PYGRAPHVIZ", "import time; time.sleep(60)")
    monkeypatch.setattr(module, "TIME_LIMIT", 0.3)
    started = time.perf_counter()
    with pytest.raises(RuntimeError, match=r"in 0.3 s[\s\S]*step.dot"):
        graph(loss).save(tmp_path / "step.svg")
    assert time.perf_counter() - started < 10
    assert (tmp_path / "step.dot").exists()


def test_what_graphviz_says_is_passed_on(loss, monkeypatch, tmp_path):
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\necho out of ink >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken))
    monkeypatch.setattr(module, "_has_pygraphviz", lambda: False)
    with pytest.raises(RuntimeError, match="dot could not draw it: out of ink"):
        _ = graph(loss).svg


@pytest.mark.slow
@pytest.mark.parametrize("does", ["echo 'Format: \"svg\" not recognized' >&2; exit 1", "exit 0"])
def test_a_dot_that_cannot_draw_is_stood_in_for(loss, monkeypatch, tmp_path, does):
    broken = tmp_path / "dot"
    broken.write_text(f"#!/bin/sh\n{does}\n")
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken))
    assert ET.fromstring(graph(loss).svg).tag.endswith("svg")


def test_a_notebook_shows_the_picture_or_says_why_not(loss, monkeypatch):
    g = graph(loss)
    assert g._repr_mimebundle_() == {"image/svg+xml": g.svg, "text/plain": repr(g)}
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setattr(module, "_has_pygraphviz", lambda: False)
    (text,) = g._repr_mimebundle_().values()
    assert text.startswith(f"{g!r}\ngraph: nothing here can draw it")


# ---- what boxes say --------------------------------------------------------------------------------------------------


def neuron():
    x1, w1 = mg.tensor(2.0), mg.tensor(-3.0, requires_grad=True)
    b = mg.tensor(6.5, requires_grad=True)
    n = x1 * w1 + b
    return mg.tanh(n), x1, w1, b


def test_scalars_have_values_and_gradients_and_none_is_a_dash():
    y, _x1, w1, b = neuron()
    g = graph(y)
    by = {n.name: n for n in g.nodes}
    assert set(by) == {"_x1", "w1", "", "b", "n", "y"}
    assert [by[k].value for k in ("_x1", "w1", "b", "n")] == [2.0, -3.0, 6.5, 0.5] and by["y"].value == np.tanh(0.5)
    assert by["_x1"].kind == "input" and all(n.grad is None for n in g.nodes)
    assert g.dot.count("∂ –") == 2 and "0.4621" in g.dot
    y.backward(retain_graph=True)
    by = {n.name: n for n in graph(y).nodes}
    assert by["w1"].grad == w1.grad and by["b"].grad == b.grad and by["_x1"].grad is None
    assert "∂ 1.573" in graph(y).dot and "∂ –" not in graph(y).dot


def test_what_is_not_finite_or_large_is_data_too():
    x = mg.tensor([np.nan, 1.0], requires_grad=True)
    w = mg.tensor(np.ones(5), requires_grad=True)
    data = graph([x * 2.0, w * 2.0]).to_dict()
    assert [n["value"] for n in data["nodes"]] == [["nan", 1.0], 2.0, ["nan", 2.0], None, 2.0, None]
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_titles_say_what_is_drawn():
    y, _, w1, _ = neuron()
    assert w1.name is None
    titles = [t.text for t in ET.fromstring(graph(y).svg).iter("{http://www.w3.org/2000/svg}title")]
    assert {"w1 parameter", "y tanh", "n add → y tanh", repr(graph(y))} <= set(titles) and not any(
        "n0" in t for t in titles if t
    )


def test_a_block_that_is_not_executed_is_a_ghost():
    blocks = [nn.Residual(nn.Linear(2, 2, rng=i), drop=nn.StochasticDepth(p, rng=0)) for i, p in enumerate((0, 0.999))]
    net = nn.Sequential(nn.Linear(2, 2, rng=0), *blocks, nn.ReLU())
    for _ in range(2):
        g = graph(net(np.ones((1, 2), np.float32)))
        (ghost,) = (n for n in g.nodes if n.kind == "skipped")
        assert (ghost.module, ghost.name) == ("2", "not executed, p = 0.999")
        assert g.nodes[ghost.id - 1].module == "1" and g.nodes[ghost.id + 1].op == "relu"
        assert g.dot.count("style=dotted") == 2 and all(ghost.id not in edge[:2] for edge in g.edges)


@pytest.mark.slow
def test_the_tape_of_a_recorded_walk_is_drawn():
    net = nn.Sequential(*[nn.Sequential(nn.Linear(8, 8, rng=i), nn.Tanh()) for i in range(32)])
    params = list(net.parameters())
    grads = mg.pull(net(np.ones((2, 8), np.float32)).sum(), params, create_graph=True)
    g = graph(mg.concat([d.reshape(-1) for d in grads]))
    assert len(g.edges) > module._LARGE and "rank=same" not in g.dot and len(g.svg) > 100_000


def test_save_writes_text_and_data_and_knows_its_endings(loss, tmp_path):
    g = graph(loss)
    assert g.save(tmp_path / "deep" / "x.dot").read_text() == g.dot
    assert json.loads(g.save(tmp_path / "x.json").read_text()) == g.to_dict()
    with pytest.raises(ValueError, match=r"'x.jpeg'.*\.svg \.png"):
        g.save(tmp_path / "x.jpeg")
    assert isinstance(g, Graph) and repr(g).startswith("Graph(")


@pytest.mark.slow
def test_graphviz_is_not_imported_until_something_is_drawn():
    code = "import sys, minigrad.graph; sys.exit('graphviz' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
