"""What a compiled function does besides computing: state, modes, draws, errors, copies, methods, memory, and `verify`."""

import copy
import gc
import pickle
import types
import warnings
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

X = np.array([[1.0, -2.0, 0.5], [0.3, 0.7, -1.0]])


def twins(make, calls, xs=None):
    """Results and what `state` tells, of the plain step and of the compiled one."""
    ends = []
    for compiled in (False, True):
        mg.seed(0)
        step, state = make()
        step = mg.compile(step) if compiled else step
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ends.append(
                [([np.array(y.data) for y in mg.tree.flatten(step(x))[0]], state()) for x in (xs or [X] * calls)]
            )
    np.testing.assert_equal(ends[1], ends[0])
    return step


def model_step(body, **settings):
    """A step that does `body(model, opt)`, then what a step does, and what it leaves."""

    def make():
        model = nn.Sequential(
            nn.Linear(3, 4, rng=0, dtype="d"),
            nn.BatchNorm1d(4, dtype="d"),
            nn.Dropout(0.5, rng=1),
            nn.Linear(4, 2, rng=2, dtype="d"),
        )
        opt = optim.SGD(model.parameters(), lr=0.1, **settings)

        def step(x):
            body(model, opt)
            loss = mg.mean(model(x) ** 2)
            loss.backward()
            opt.step()
            return loss

        def state():
            return (
                model.state_dict(),
                [p.grad for p in model.parameters()],
                [m.training for m in model.modules()],
                [p.requires_grad for p in model.parameters()],
            )

        return step, state

    return make


@pytest.mark.parametrize(
    "body",
    [
        lambda m, o: m.zero_grad(),
        lambda m, o: o.zero_grad(),
        lambda m, o: (o.zero_grad(), m.eval()),
        lambda m, o: (m.zero_grad(), m.train()),
        lambda m, o: (m.zero_grad(), m[1].eval()),
        lambda m, o: (m.zero_grad(), m[0].requires_grad_(False)),
        lambda m, o: (m.zero_grad(), m.requires_grad_(True)),
        lambda m, o: (m.zero_grad(), m.eval(), m.train()),
        lambda m, o: (m.zero_grad(), m.load_state_dict(m.state_dict())),
        lambda m, o: [setattr(p, "grad", None) for p in m.parameters()],
        lambda m, o: (m.zero_grad(), o.param_groups[0].update(lr=0.05)),
    ],
)
def test_what_changes_a_model_inside_a_step(body):
    twins(model_step(body), 5)


def test_gradients_and_results_are_the_callers():
    """He may write to them: neither is a constant of the program."""

    w = mg.tensor(np.ones(3), requires_grad=True)

    @mg.compile
    def fast(x):
        loss = w.sum()
        loss.backward()
        return loss, mg.ones(3)

    for _ in range(3):
        loss, ones = fast(X)
        assert (loss.item(), ones.tolist(), w.grad.tolist()) == (3.0, [1.0] * 3, [1.0] * 3)
        w.grad[...] = 7.0
        w.grad = None


def test_a_draw_that_nobody_uses_is_drawn():
    def make():
        drop = nn.Dropout(0.5, rng=3)

        def step(x):
            drop(mg.tensor(x))
            return drop(mg.tensor(x))

        return step, lambda: None

    assert twins(make, 6).replays


def test_the_first_call_does_work_in_the_order_of_the_code():
    def make():
        w, v = mg.tensor([1.0, 2.0, 3.0], requires_grad=True), mg.tensor([0.5, 0.5, 0.5])

        def step(x):
            y = w * v
            v.assign(v._data * 2)
            return y + v

        return step, lambda: v.tolist()

    twins(make, 4)


def test_an_error_while_recording_is_not_recorded():
    fast = mg.compile(lambda x, t: mg.binary_cross_entropy(x, t))
    for value in (2.0, 0.5, 2.0, 0.25):
        x, t = np.full((2, 2), value), np.ones((2, 2))
        if value > 1:
            with pytest.raises(ValueError, match="outside"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fast(x, t)
        else:
            assert fast(x, t).item() == mg.binary_cross_entropy(x, t).item()


def test_a_caught_error_does_not_leave_a_recording():
    def make():
        def step(x):
            try:
                return mg.matmul(x, np.ones((5, 5)))
            except ValueError:
                return mg.tensor(x) * 2.0

        return step, lambda: None

    twins(make, 3)


class Net(nn.Module):
    def __init__(self, seed=0):
        self.layer = nn.Linear(3, 2, rng=seed, dtype="d")
        self.scale = 2.0
        self.fast = mg.compile(self.plain)

    def plain(self, x):
        return self.layer(x) * self.scale

    @mg.compile
    def forward(self, x):
        return self.layer(x) * self.scale


def test_methods_belong_to_their_object():
    a, b = Net(0), Net(1)
    for net in (a, b, a, b):
        for scale in (2.0, 3.0):
            net.scale = scale
            assert np.array_equal(net(X).data, net.plain(X).data)
    assert Net.forward is vars(Net)["forward"]


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_have_their_own_weights(twin):
    net = Net()
    net(X), net.fast(X)
    other = twin(net)
    for p in other.parameters():
        p.data = p.data + 1.0
    for n in (net, other):
        assert np.array_equal(n(X).data, n.plain(X).data) and np.array_equal(n.fast(X).data, n.plain(X).data)
    assert not np.array_equal(net(X).data, other(X).data)


def tripled(x):
    return mg.tensor(x) * 3.0


@mg.compile
def doubled(x):
    return mg.tensor(x) * 2.0


def test_a_compiled_function_can_be_pickled_and_copied():
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    fast = mg.compile(tripled)
    for twin in (pickle.loads(pickle.dumps(fast)), copy.deepcopy(fast)):
        assert twin is not fast and twin(X).tolist() == (X * 3.0).tolist()


def test_programs_keep_no_argument_alive():
    w = mg.tensor(np.ones(3), requires_grad=True)
    fast = mg.compile(lambda x, n: w * x * n)
    kept = []
    for n in range(5):
        x = mg.tensor(np.full((2, 3), 1.0), requires_grad=True)
        fast(x, float(n))
        kept.append(weakref.ref(x))
        del x
    gc.collect()
    assert [r() for r in kept] == [None] * 5


def test_attributes_may_have_any_name():
    cfg = types.SimpleNamespace(version=2.0, seed=3.0, data=1.0, grad_scale=0.5)
    w = mg.tensor(np.ones(3), requires_grad=True)
    fast = mg.compile(lambda x: w * x * cfg.version * cfg.seed * cfg.grad_scale)
    for k in range(3):
        cfg.version = float(k // 2)
        assert fast(X).tolist() == (X * cfg.version * 1.5).tolist()
    assert fast.replays and not fast.refused


@pytest.mark.parametrize("wrong", ["v0", "t0._data"], ids=["a result", "a parameter"])
def test_verify_finds_what_differs(wrong):
    """A program that was tampered with."""
    model = nn.Linear(3, 2, rng=0, dtype="d")
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(x):
        opt.zero_grad()
        loss = mg.mean(model(x) ** 2)
        loss.backward()
        opt.step()
        return loss

    fast = mg.compile(step, verify=2)
    for _ in range(6):
        fast(X)  # equal
    program = fast.programs[0]
    run = program.run

    def tampered(*args):
        y = run(*args)
        if wrong == "v0":
            return y * 2.0
        model.weight.data = model.weight.data + 1e-3
        return y

    program.run = tampered
    with pytest.raises(RuntimeError, match="result" if wrong == "v0" else "weight"):
        for _ in range(2):
            fast(X)


def test_verify_runs_every_so_often_and_changes_nothing():
    plain, fast = (model_step(lambda m, o: o.zero_grad())() for _ in range(2))
    checked = mg.compile(fast[0], verify=3)
    for _ in range(9):
        assert np.array_equal(plain[0](X).data, checked(X).data)
    np.testing.assert_equal(plain[1](), fast[1]())
    assert checked.replays == 8
    with pytest.raises(ValueError, match="verify is -1"):
        mg.compile(fast[0], verify=-1)


def test_explain_says_why_not():
    log = []
    fast = mg.compile(lambda x: log.append(1) or mg.tensor(x) * 2.0)
    with pytest.warns(RuntimeWarning, match="runs as it is, because"):
        fast(X)
    assert "it runs as it is, because" in fast.explain() and not fast.programs
    fast(X)
    assert len(log) == 2


def test_lists_of_numbers_are_constants_that_are_followed():
    w = mg.tensor(np.ones((2, 3)), requires_grad=True)
    cfg = types.SimpleNamespace(weights=[1.0, 2.0, 0.5])
    for f in (
        lambda x: mg.cross_entropy(w * x, [0, 2], weight=cfg.weights),
        lambda x: mg.cross_entropy(w * x, [0, 2], ignore_index=2),
        lambda x: mg.tensor(cfg.weights) * (w * x),
        lambda x: (w * x) @ cfg.weights,
    ):
        cfg.weights = [1.0, 2.0, 0.5]
        fast = mg.compile(f)
        for k in range(6):
            cfg.weights[0] = float(1 + k // 3)
            assert np.array_equal(fast(X + k).data, f(X + k).data)
        assert fast.replays >= 4 and not fast.refused
