"""Who watches sees a training step: what is computed, changed, drawn, looked at, walked, called, skipped and let go."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.tape import Watcher, state, user_line, watching, where_is

rng = np.random.default_rng(0)
X, LABELS = rng.standard_normal((8, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, 8)


class Trace(Watcher):
    """A step as a list of events, and where the first NaN came from."""

    eager = True

    def __init__(self):
        self.events, self.first_nan = [], None

    def note(self, kind, what):
        self.events.append((kind, what, state.scope, where_is(user_line())))

    def computed(self, f, inputs, params, out):
        self.note("computed", f.__name__.strip("_"))
        arrays = [a for a in (out if isinstance(out, tuple) else (out,)) if isinstance(a, np.ndarray)]
        if self.first_nan is None and any(a.dtype.kind == "f" and np.isnan(a).any() for a in arrays):
            self.first_nan = self.events[-1]

    def drew(self, f, args, out):
        self.note("drew", f.__name__)

    def changed(self, f, args, kwargs):
        self.note("changed", f.__name__)

    def looked(self, why, x=None):
        self.note("looked", why)

    def walk_begun(self, direction, tape):
        self.note("walk", direction)

    def walk_ended(self):
        self.note("walk", "ended")

    def entered(self, path, module):
        self.note("entered", path)

    def left(self, path, module):
        self.note("left", path)

    def skipped(self, module):
        self.note("skipped", type(module).__name__)

    def released(self, x):
        self.note("released", x.node.name)

    def of(self, kind):
        return [what for k, what, *_ in self.events if k == kind]


class Broken(nn.Module):
    def forward(self, x):
        return mg.log(x - 100)


def net(*more, drop=1 - 1e-9):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=0), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Residual(nn.Conv2d(4, 4, 3, padding=1, rng=1), drop=nn.StochasticDepth(drop, rng=2)),
        nn.Dropout(0.5, rng=3), *more, nn.Flatten(), nn.Linear(64, 3, rng=4),
    )  # fmt: skip


def step(model, watcher):
    opt = optim.SGD(model.parameters(), lr=0.1)
    with watching(watcher), np.errstate(invalid="ignore"):
        opt.zero_grad()
        loss = mg.cross_entropy(model(X), LABELS)
        loss.backward()
        norm = optim.clip_grad_norm(opt.params, 1e9) if watcher.first_nan is None else 0.0
        opt.step()
    return loss, norm


def test_a_training_step_is_seen():
    trace = Trace()
    loss, norm = step(net(), trace)
    assert not trace.first_nan and np.isfinite(loss.item()) and norm.item() > 0
    assert trace.of("entered") == ["", "0", "1", "2", "3", "4", "5", "6", "7"]
    assert sorted(trace.of("left")) == sorted(trace.of("entered"))
    assert trace.of("skipped") == ["StochasticDepth"] and trace.of("drew") == ["_uniform", "mask"]
    assert trace.of("walk") == ["up", "ended"]
    changed = trace.of("changed")
    assert changed[0] == "_forget" and changed[-1] == "_step" and {"_track", "_clip_norm", "_accumulate"} <= {*changed}
    assert changed.count("_accumulate") == 6, "the parameters, but for those of the block that was not executed"
    assert trace.of("released")[0] == "cross_entropy" and trace.of("released")[-1] == "conv2d"
    assert trace.of("looked") == ["stochastic depth decides anew in each call what is executed"]
    assert {line.partition(":")[0] for *_, line in trace.events} == {"test_watch.py"}
    where = {what: scope for kind, what, scope, _ in trace.events if kind == "computed"}
    assert where["conv2d"] == "0" and where["fused_max_pool2d"] == "3", "values are computed where they are asked for"


def test_the_first_nan_is_found():
    trace = Trace()
    step(net(Broken()), trace)
    assert trace.first_nan[:3] == ("computed", "log", "6")
    trace, model = Trace(), net()
    model[0].weight.data[0, 0, 0, 0] = np.nan
    step(model, trace)
    assert trace.first_nan[:3] == ("computed", "conv2d", "0")


def test_watching_changes_no_bit():
    results = []
    for watcher in (Watcher(), Trace()):
        model = net(drop=0.5)
        results.append((step_plain(model), model.state_dict()) if type(watcher) is Watcher else None)
        if results[-1] is None:
            model = net(drop=0.5)
            loss, _ = step(model, watcher)
            results[-1] = loss.data, model.state_dict()
    (a, before), (b, after) = results
    assert np.array_equal(a, b) and all(np.array_equal(before[k], after[k]) for k in before)


def step_plain(model):
    opt = optim.SGD(model.parameters(), lr=0.1)
    loss = mg.cross_entropy(model(X), LABELS)
    loss.backward()
    opt.step()
    return loss.data


def test_what_is_put_off_does_not_see_later_changes_when_somebody_watches():
    x, w = mg.tensor(rng.standard_normal((2, 1, 6, 6))), mg.tensor(rng.standard_normal((32, 1, 3, 3)))
    expected = mg.conv2d(x, w).data.copy()
    with watching(Watcher()):
        y = mg.conv2d(x, w)
        x.data[:] = 0
        w.data[:] = 0
    assert np.array_equal(y.data, expected)


def test_two_may_watch_and_each_is_gone_after_its_block():
    outer, inner = Trace(), Trace()
    with watching(outer):
        mg.exp(np.ones(2))
        with watching(inner):
            mg.tanh(np.ones(2))
        mg.sin(np.ones(2))
    mg.cos(np.ones(2))
    assert outer.of("computed") == ["exp", "tanh", "sin"] and inner.of("computed") == ["tanh"]
    assert state.watcher is None


def test_a_watcher_may_refuse():
    class Strict(Watcher):
        def looked(self, why, x=None):
            raise RuntimeError(f"no: {why}")

        def computed(self, f, inputs, params, out):
            if not np.isfinite(out).all():
                raise FloatingPointError(f"{f.__name__} is not finite")

    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with watching(Strict()):
        with pytest.raises(RuntimeError, match="no: the value of a tensor is read"):
            x.item()
        with np.errstate(divide="ignore"), pytest.raises(FloatingPointError, match="log is not finite"):
            mg.log(mg.tensor([0.0]))
    assert state.watcher is None and state.recording and state.within is None


def test_a_compiled_function_that_is_watched_runs_as_it_is():
    f, trace = mg.compile(lambda x: mg.exp(x) + 1), Trace()
    f(np.ones(2)), f(np.ones(2))
    with watching(trace):
        f(np.ones(2))
    assert trace.of("computed") == ["exp", "add"]


def test_a_node_knows_the_operation_whose_walk_made_it():
    x = mg.tensor(rng.standard_normal((4, 3)), requires_grad=True)
    y = mg.batch_norm(mg.tanh(x), np.ones(3), np.zeros(3))
    made = [t.node for t in mg.tape.history([y]) if t.node]
    assert {n.within for n in made} == {None}
    (g,) = mg.pull((y * y).sum(), [x], create_graph=True)
    behind = mg.tape.history([g])
    within = {n.op.name: n.within.name for n in (t.node for t in behind) if n and n.within}
    assert within["along_tanh"] == "tanh" and within["standardize_pull"] == "batch_norm"
    (t,) = mg.push([y], [x], [np.ones((4, 3))], create_graph=True)
    assert "batch_norm" in {n.within.name for n in (t.node for t in mg.tape.history([t])) if n and n.within}
    assert mg.exp(x).node.within is None and state.within is None
