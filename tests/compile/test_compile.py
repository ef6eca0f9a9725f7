"""`mg.compile` computes what the function computes, bit for bit; records anew when anything changes; or steps aside."""

import gc
import math
import random
import re
import subprocess
import sys
import threading
import time
import tracemalloc
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
from documents import hold

import minigrad as mg
from minigrad import nn, optim
from minigrad.compile.places import COMPARED

rng = np.random.default_rng(0)
IMAGES = [rng.standard_normal((6, 1, 8, 8)).astype(np.float32) for _ in range(6)]
ROWS = [rng.standard_normal((6, 5)).astype(np.float32) for _ in range(6)]
LABELS = [rng.integers(0, 3, 6) for _ in range(6)]


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=0), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1, bias=False, rng=1), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Dropout(0.3, rng=2), nn.Linear(24, 3, rng=3),
    )  # fmt: skip


def residual():
    def block(seed):
        return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False, rng=seed), nn.BatchNorm2d(4), nn.ReLU())

    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=0),
        nn.Residual(block(1), drop=nn.StochasticDepth(0.4, "row", rng=5)),
        nn.Residual(block(2)),
        nn.Flatten(),
        nn.Linear(256, 3, rng=3),
    )


def mlp():
    return nn.Sequential(nn.Linear(5, 8, rng=0), nn.Tanh(), nn.Linear(8, 8, rng=1), nn.GELU(), nn.Linear(8, 3, rng=2))


NETS = {"cnn": (cnn, IMAGES), "residual": (residual, IMAGES), "mlp": (mlp, ROWS)}
RULES = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda ps: optim.Adam(ps, lr=lambda k: 0.01 / (k + 1)),
}


def refuses(reason):
    return pytest.warns(RuntimeWarning, match=reason)


def trained(make, xs, rule, compiled, steps=6):
    model = make()
    opt = RULES[rule](model.parameters())

    def step(x, y):
        opt.zero_grad()
        loss = mg.cross_entropy(model(x), y, label_smoothing=0.1)
        loss.backward()
        opt.step()
        return loss

    step = mg.compile(step) if compiled else step
    losses = [step(x, y).data.copy() for x, y in list(zip(xs, LABELS))[:steps]]
    return losses, model.state_dict(), opt.state_dict(), [p.grad for p in model.parameters()]


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("net", NETS)
def test_training_is_equal_bit_for_bit(net, rule):
    plain, fast = (trained(*NETS[net], rule, compiled) for compiled in (False, True))
    assert plain[0] == fast[0]
    for ours, theirs in zip(plain[1:3], fast[1:3]):
        assert ours.keys() == theirs.keys() and all(np.array_equal(ours[k], theirs[k]) for k in ours)
    assert all(np.array_equal(a, b) for a, b in zip(plain[3], fast[3]))


@pytest.mark.parametrize("net", NETS)
def test_inference_and_modes(net):
    make, xs = NETS[net]
    model, twin = make(), make()
    fast = mg.compile(lambda x: model(x))
    for mode in (True, False, False, True, True, False):
        model.train(mode), twin.train(mode)
        for x in xs[:3]:
            with mg.no_grad():
                assert np.array_equal(fast(x).data, twin(x).data)
    with mg.no_grad():
        assert mg.compile(model)(xs[0]).shape == (6, 3)


def test_python_code_runs_only_when_it_is_recorded():
    calls = types.SimpleNamespace(n=0)
    w = mg.tensor([2.0, 3.0], requires_grad=True)

    class Counting(nn.Module):
        def forward(self, x):
            return count(x) * w

    def count(x):
        return mg.exp(x)

    model = Counting()
    fast = mg.compile(lambda x: model(x).sum())
    before = mg.exp.forward
    try:
        mg.exp.forward = lambda x: setattr(calls, "n", calls.n + 1) or np.exp(x)
        for k in range(5):
            x = np.array([0.0, k])
            assert fast(x).item() == (np.exp(x) * w.data).sum()
    finally:
        mg.exp.forward = before
    assert calls.n == 5, "arrays are computed anew in every call"


class Scaled(nn.Module):
    def __init__(self):
        self.weight = nn.Parameter(np.array([1.0, 2.0]))
        self.factor = 2.0
        self.powers = [1, 2]
        self.config = types.SimpleNamespace(shift=0.5)

    def forward(self, x):
        y = x * self.weight * self.factor + self.config.shift
        for power in self.powers:
            y = y**power
        return y.sum()


SWITCH = 1.0


def switched(x):
    return mg.add(x, SWITCH)


def changes():
    """Ways to change what a compiled function depends on: (function, a list of changes)."""
    global SWITCH
    model = Scaled()
    bonus = [3.0]

    def f(x):
        return model(x) + bonus[0] + switched(x).sum()

    def set_switch(v):
        global SWITCH
        SWITCH = v

    return f, [
        lambda: None,
        lambda: setattr(model, "factor", 5.0),
        lambda: model.powers.append(3),
        lambda: setattr(model.config, "shift", -1.0),
        lambda: setattr(model, "powers", [2]),
        lambda: model.weight.data.__setitem__(0, 7.0),
        lambda: setattr(model.weight, "data", np.array([4.0, 4.0])),
        lambda: model.load_state_dict({"weight": np.array([-1.0, 1.0])}),
        lambda: model.astype("float32"),
        lambda: model.astype("float64"),
        lambda: bonus.__setitem__(0, 10.0),
        lambda: set_switch(2.0),
        lambda: model.requires_grad_(False),
        lambda: set_switch(1.0),
    ]


def test_everything_it_depends_on_is_watched():
    f, steps = changes()
    fast = mg.compile(f)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for change in steps:
            change()
            for x in ([1.0, 2.0], [3.0, -4.0], [0.5, 0.25]):
                x = np.array(x)
                assert fast(x).item() == f(x).item()


def test_arguments_of_other_shapes_dtypes_and_values():
    w = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)

    def f(x, power=2, *, name="a", extra=None):
        y = (x @ w) ** power
        y = y if extra is None else y + extra["b"][0]
        return {"loss": y.sum() if name == "a" else y.max(), "all": [y]}

    fast = mg.compile(f)
    a, b = rng.standard_normal((3, 2)), rng.standard_normal((5, 2))
    calls = [
        ((a,), {}), ((b,), {}), ((a,), {"power": 3}), ((a,), {"name": "b"}), ((mg.tensor(a),), {}),
        ((a.astype(np.float32),), {}), ((a,), {"extra": {"b": [np.ones((3, 2))]}}),
        ((a,), {"extra": {"b": [2.0]}}), ((a,), {"extra": {"b": [3.0]}}),
    ]  # fmt: skip
    for _ in range(3):
        for args, kwargs in calls:
            ours, theirs = fast(*args, **kwargs), f(*args, **kwargs)
            assert np.array_equal(ours["loss"].data, theirs["loss"].data)
            assert np.array_equal(ours["all"][0].data, theirs["all"][0].data)
            assert ours["loss"].dtype == theirs["loss"].dtype and not ours["loss"].requires_grad


def test_the_same_array_twice_is_another_call_than_two_arrays():
    fast = mg.compile(lambda x, y: (mg.exp(x) * y).sum())
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    for x, y in [(a, a), (a, b), (b, a), (b, b), (a, b)]:
        assert fast(x, y).item() == (np.exp(x) * y).sum()


def test_a_leaf_as_argument_gets_its_gradient():
    fast = mg.compile(lambda x: (x * x).sum().backward())
    for k in range(3):
        x = mg.tensor([1.0, float(k)], requires_grad=True)
        fast(x), fast(x)
        assert np.array_equal(x.grad, 4 * x.data)


def test_gradients_accumulate_and_frozen_parameters_get_none():
    a, b = (mg.tensor([1.0, 2.0], requires_grad=True) for _ in range(2))
    fast = mg.compile(lambda x: ((a * x).sum() + (b * x).sum()).backward())
    x = np.array([1.0, 10.0])
    fast(x), fast(x), fast(x)
    assert np.array_equal(a.grad, 3 * x) and np.array_equal(b.grad, 3 * x) and a.grad is not b.grad
    b.requires_grad, b.grad = False, None
    fast(x), fast(x)
    assert np.array_equal(a.grad, 5 * x) and b.grad is None


def test_every_order_of_derivative():
    w = mg.tensor(rng.standard_normal(4), requires_grad=True)

    def f(x):
        return mg.tanh(w * x).sum() + (w * w * w).sum()

    def third(x, v):
        return mg.grad(lambda: (mg.hvp(lambda: f(x), [w], [v])[0] * v).sum(), params=[w])()[0]

    fast, hvp = mg.compile(third), mg.compile(lambda x, v: mg.hvp(lambda: f(x), [w], [v]))
    for _ in range(3):
        x, v = rng.standard_normal((2, 4))
        w.data = rng.standard_normal(4)
        assert np.array_equal(fast(x, v).data, third(x, v).data)
        assert np.array_equal(hvp(x, v)[0].data, mg.hvp(lambda: f(x), [w], [v])[0].data)


def test_products_on_a_tape_recorded_before():
    model = cnn()
    params = model.parameters()
    model.eval()
    product = mg.linearize_grad(lambda: mg.cross_entropy(model(IMAGES[0]), LABELS[0]), params)[2]
    fast = mg.compile(product)
    for _ in range(3):
        vs = [rng.standard_normal(p.shape).astype(np.float32) for p in params]
        assert all(np.array_equal(a.data, b.data) for a, b in zip(fast(*vs), product(*vs)))
    params[0].data = params[0].data * 2
    with pytest.raises(RuntimeError, match="was changed after it was recorded"):
        fast(*vs)


def test_what_a_constant_meets_in_a_parameter_may_change():
    """Labels, indices and winners are parameters: where they meet constants alone, the result is none."""
    w = mg.tensor(rng.standard_normal((3, 5)).astype(np.float32), requires_grad=True)

    def labels(x, y):
        return mg.grad(lambda w: mg.cross_entropy(mg.matmul(x, w.T), y, label_smoothing=0.1))(w)

    def indices(i):
        return mg.grad(lambda w: w[i].sum())(w)

    def winners(x, v):
        return mg.grad(lambda z: (mg.grad(lambda z: mg.max_pool2d(z**3, 2).sum())(z) * v).sum())(mg.Tensor(x))

    for f, calls in (
        (labels, list(zip(ROWS, LABELS))),
        (indices, [(mg.tensor([0, 1]),), (mg.tensor([2, 2]),)]),
        (winners, list(zip(IMAGES, reversed(IMAGES)))),
    ):
        fast = mg.compile(f)
        for args in calls:
            assert np.array_equal(fast(*args).data, f(*args).data)


def test_an_array_that_is_argument_and_tensor_at_once():
    w = mg.tensor(rng.standard_normal(3), requires_grad=True)
    x = rng.standard_normal(3)
    closed, both = mg.compile(lambda x: (w * x).sum()), mg.compile(lambda t, x: (t * x * 2).sum())
    assert closed(w.data).item() == (w.data * w.data).sum()
    assert closed(x).item() == (w.data * x).sum()
    t = mg.tensor(x)
    for a in t.data, w.data:
        assert both(t, a).item() == (x * a * 2).sum()


@pytest.mark.parametrize("argument", [True, False])
def test_tensors_that_share_an_array_are_refused(argument):
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    shared = w.detach()
    f = (lambda t: (w * t).sum()) if argument else (lambda t: (w * t - shared).sum())
    fast, t = mg.compile(f), shared if argument else mg.tensor([1.0, 1.0])
    with refuses("two tensors share one array"):
        fast(t)
    w.data = np.array([5.0, 7.0])
    for t in shared, mg.tensor([3.0, 1.0]):
        assert fast(t).item() == f(t).item()


def test_logsumexp_of_a_tensor_made_before():
    w = mg.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    fast = mg.compile(lambda x: (mg.logsumexp(w, 1) * x).sum())
    for _ in range(3):
        x, w.data = rng.standard_normal(3), rng.standard_normal((3, 4))
        assert fast(x).item() == (mg.logsumexp(w, 1) * x).sum().item()


def test_numbers_of_numpy_and_the_sign_of_zero():
    f = mg.compile(lambda x, s: x / s + 0 * x)
    x = mg.tensor([1.0, -1.0])
    with np.errstate(divide="ignore"):
        for s in (0.0, -0.0, np.float32(0.5), np.float64(-0.0), np.int64(2), np.float32(0.25)):
            assert np.array_equal(f(x, s).data, (x / s + 0 * x).data)


def test_checks_of_values_are_repeated():
    fast = mg.compile(lambda x, y: mg.cross_entropy(x, y))
    x, y = rng.standard_normal((4, 3)), np.array([0, 1, 2, 0])
    fast(x, y), fast(x, y)
    with pytest.raises(ValueError, match="label 3 is out of range"):
        fast(x, np.array([0, 1, 3, 0]))
    assert fast(x, y).item() == mg.cross_entropy(x, y).item()


def test_default_generator_draws_as_without():
    fast = mg.compile(lambda x: mg.dropout(x, 0.5))
    x = np.ones((3, 4))
    for seed in (0, 1, 2):
        mg.seed(seed)
        ours = [fast(x).data for _ in range(2)]
        mg.seed(seed)
        assert all(np.array_equal(a, mg.dropout(x, 0.5).data) for a in ours)
        assert not np.array_equal(*ours)


W = mg.tensor([1.0, 2.0], requires_grad=True)
MASK = np.array([1.0, 0.0])
GENERATOR = np.random.default_rng(0)


class Noisy(nn.Module):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        return x * self.rng.normal()


class Remembering(nn.Module):
    def forward(self, x):
        self.last = x
        return x * 2.0


class Plain:
    n = 0


def steps_aside():
    log, plain, noisy, remembering = [], Plain(), Noisy(), Remembering()
    count = 0

    def counts(x):
        nonlocal count
        count += 1
        return W * count

    def sets(x):
        plain.n += 1
        return W * plain.n

    def imports(x):
        import random

        return x * random.random()

    def draws(x):
        return x * GENERATOR.uniform()

    def logs(x):
        log.append(1)
        return W * len(log)

    opt = optim.SGD([W], lr=0.1)
    batch = nn.StochasticDepth(0.5, rng=0)
    return {
        "item": (lambda x: x * (x * W).sum().item(), "the value of a tensor is read"),
        "data": (lambda x: x * W.data, "the value of a tensor is read"),
        "a branch": (lambda x: x if (x * W).sum() > 0 else -x, "the value of a tensor is read"),
        "assignment": (lambda x: setattr(W, "data", W.data + 1) or x * W, "it uses setattr"),
        "print": (lambda x: print(end="") or x * W, "it uses print"),
        "an array": (lambda x: x * W * MASK, "the array 'MASK' is no argument"),
        "a new array": (lambda x: x * W * np.ones(2), "it uses ones of NumPy"),
        "a clock": (lambda x: x * W * time.time(), "uses time.time"),
        "random": (lambda x: x * W * random.random(), "random"),
        "a generator": (draws, "GENERATOR"),
        "a module's generator": (lambda x: noisy(x) * W, "Generator"),
        "a module that remembers": (lambda x: remembering(x) * W, "'last' of Remembering is changed"),
        "nonlocal": (counts, "changes 'count'"),
        "an attribute": (sets, "changes 'n'"),
        "an import": (imports, "imports"),
        "a container": (logs, "changes 'log'"),
        "a gradient": (lambda x: x * (0.0 if W.grad is None else 1.0), "reads a gradient"),
        "depth": (lambda x: batch(x * W, lambda: x), "stochastic depth"),
        "a string": (lambda x: x.dtype.name, None),
        "NumPy": (lambda x: np.exp(x) * W, "reads the values of an array"),
        "a number of NumPy": (lambda x: W * float(x.max()), "reads the values of an array"),
        "an entry": (lambda x: W * x[0], "reads the values of an array"),
        "a loop": (lambda x: W * sum(x), "reads the values of an array"),
        "state": (lambda x: x * W * opt.steps * len(opt.state), "is read"),
        "an argument and a variable": (lambda x: x * W, None),
    }  # fmt: skip


@pytest.mark.parametrize("name", [k for k in steps_aside() if k != "an argument and a variable"])
def test_steps_aside_with_a_warning_and_right_numbers(name):
    f, reason = steps_aside()[name]
    twin = steps_aside()[name][0]
    fast = mg.compile(f)
    x = np.array([3.0, -4.0])
    stateful = name in ("a clock", "random", "a generator", "an import", "assignment")
    with refuses(reason) if reason else warnings.catch_warnings():
        first = fast(x)
    others = [fast(x * k) for k in (2, 3)]
    if not stateful:
        for k, y in zip((1, 2, 3), [first, *others]):
            expected = twin(x * k)
            assert np.array_equal(getattr(y, "data", y), getattr(expected, "data", expected))


def test_a_variable_that_is_also_an_argument():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    fast = mg.compile(lambda x: x * w)
    with refuses("an argument and a variable at once"):
        assert np.array_equal(fast(w).data, [1.0, 4.0])
    assert np.array_equal(fast(mg.tensor([2.0, 2.0])).data, [2.0, 4.0])


def test_stepping_aside_is_said_once_and_what_differs_every_time_is_given_up():
    calls = []
    fast = mg.compile(lambda x, k: mg.exp(x) * k)
    x = np.ones(2)
    with refuses("recorded 32 times"):
        for k in range(40):
            calls.append(fast(x, float(k)).data[0])
    assert calls == [k * np.exp(1.0) for k in map(float, range(40))]


def test_errors_pass_through_and_nothing_is_kept():
    def f(x):
        if x.shape[0] == 3:
            raise ValueError("three")
        return mg.exp(x).sum()

    fast = mg.compile(f)
    for _ in range(2):
        with pytest.raises(ValueError, match="three"):
            fast(np.ones(3))
        assert fast(np.ones(2)).item() == 2 * math.e


def test_nested():
    inner = mg.compile(lambda x: mg.exp(x) * W)
    outer = mg.compile(lambda x: inner(x).sum())
    for k in range(3):
        x = np.array([0.0, float(k)])
        assert outer(x).item() == (np.exp(x) * W.data).sum()


def test_inside_a_function_that_is_differentiated_it_is_an_ordinary_function():
    w = mg.tensor([2.0, 3.0], requires_grad=True)
    fast = mg.compile(lambda x: (mg.exp(x) * w).sum())
    x = np.array([0.5, 1.0])
    for _ in range(3):
        assert fast(x).item() == (np.exp(x) * w.data).sum()
        assert np.array_equal(mg.grad(fast)(x).data, np.exp(x) * w.data)
        assert np.array_equal(mg.grad(lambda: fast(x), params=[w])()[0].data, np.exp(x))
        y = mg.tensor(x, requires_grad=True)
        fast(y * 1.0).backward()
        assert np.array_equal(y.grad, np.exp(x) * w.data)
    with pytest.raises(RuntimeError, match="nothing to differentiate"):
        fast(x).backward()


@pytest.mark.slow
def test_memory_does_not_grow():
    model = mlp()
    opt = optim.SGD(model.parameters(), lr=0.1)

    @mg.compile
    def step(x, y):
        opt.zero_grad()
        mg.cross_entropy(model(x), y).backward()
        opt.step()

    def run(n):
        for _ in range(n):
            step(ROWS[0], LABELS[0])

    run(10)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        run(50)
        before = tracemalloc.get_traced_memory()[0]
        run(500)
        assert tracemalloc.get_traced_memory()[0] - before < 5_000
    finally:
        tracemalloc.stop()
        gc.enable()


def test_threads_share_programs():
    fast = mg.compile(lambda x: mg.tanh(x * W).sum())
    found = {}

    def work(i):
        found[i] = [fast(np.array([float(i), float(k)])).item() for k in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    for i, values in found.items():
        assert values == [np.tanh(np.array([float(i), float(k)]) * W.data).sum() for k in range(20)]


def test_results_carry_no_tape_and_cannot_be_written_to():
    fast = mg.compile(lambda x: mg.exp(x * W))
    for _ in range(2):
        y = fast(np.ones(2))
        assert y.is_leaf and not y.requires_grad


def test_the_page_lists_what_is_compared():
    page = Path(__file__).parents[2] / "docs" / "architecture.md"
    text = page.read_text(encoding="utf-8")
    table = "\n".join(
        ["| | what is compared |", "|---|---|", *(f"| {word} | {what} |" for word, what in COMPARED.items())]
    )
    hold(page, re.sub(r"(?<=<!-- compared -->\n).*?(?=<!-- end -->)", lambda _: table + "\n", text, flags=re.S))
    assert table in page.read_text(encoding="utf-8")


def test_every_kind_of_comparison_is_counted_and_made():
    """A function that depends on one thing of each kind is recorded anew when any of them changes, and says so."""
    cfg, parts = types.SimpleNamespace(k=2.0), [1.0]
    w, net = mg.tensor([1.0, 2.0], requires_grad=True), nn.Sequential(nn.Tanh())

    class Scale:
        def __call__(self, x):
            return x * 2.0

    def scaled(x, by=3.0):
        return x * by

    scale = Scale()
    fast = mg.compile(lambda x: net(scale(scaled(w * x * cfg.k * sum(parts) * SWITCH))))
    changes = {
        "argument": None,
        "variable": lambda: globals().update(SWITCH=SWITCH + 1),
        "attribute": lambda: setattr(cfg, "k", 5.0),
        "container": lambda: parts.append(0.5),
        "class": lambda: setattr(Scale, "__call__", lambda self, x: x * 7.0),
        "function": lambda: setattr(scaled, "__defaults__", (4.0,)),
        "model": lambda: net.append(nn.Sigmoid()),
        "tensor": lambda: setattr(w, "requires_grad", False),
    }
    assert changes.keys() == COMPARED.keys()
    x = np.array([0.1, 0.2])
    try:
        for n, (word, change) in enumerate(changes.items(), 1):
            if change is None:
                x = np.array([[0.1, 0.2]])
            else:
                change()
            want = net(scale(scaled(w * x * cfg.k * sum(parts) * SWITCH)))
            assert fast(x).tolist() == want.tolist() == fast(x).tolist(), word
            assert (fast.recordings, len(fast.programs)) == (n, n), word
            assert f"{word} (" in fast.explain() and COMPARED[word] in fast.explain()
    finally:
        globals().update(SWITCH=1.0)


FRESH = """
import sys
import warnings

import numpy as np
import minigrad as mg
from minigrad import nn, optim

warnings.simplefilter("error", RuntimeWarning)
assert "numba" not in sys.modules
net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 4))
opt = optim.Adam(net.parameters())

@mg.compile
def step(x, labels):
    opt.zero_grad()
    loss = mg.cross_entropy(net(x), labels)
    loss.backward()
    opt.step()
    return loss

x, labels = np.ones((6, 1, 4, 4), "f"), np.arange(6) % 4
losses = [step(x, labels).item() for _ in range(4)]
assert len(step.programs) == 1 and losses[-1] < losses[0], step.explain()
"""


@pytest.mark.slow
def test_the_first_call_of_a_process_imports_what_kernels_need_and_is_recorded():
    subprocess.run([sys.executable, "-c", FRESH], check=True, timeout=300)


def test_what_runs_while_a_module_is_imported_is_watched_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "experiment_at_import.py").write_text(
        "import minigrad as mg\n"
        "scale = 2.0\n"
        "def plain(x):\n    return x * scale\n"
        "step = mg.compile(plain)\n"
        "x = mg.tensor([1.0, 2.0])\n"
        "first = [step(x).tolist() for _ in range(3)]\n"
        "scale = 3.0\n"
        "then = step(x).tolist()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import experiment_at_import as found

    assert found.first == [[2.0, 4.0]] * 3 and found.then == [3.0, 6.0] and len(found.step.programs) > 0
