"""Stochastic second order: each rule beside a step-by-step NumPy reference, and states that resume exactly."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim.curvature import sample_labels, signs

A = np.diag([1.0, 10.0, 100.0, 3.0]) + 0.5
B = np.array([1.0, -2.0, 3.0, 0.0])


def quadratic(w):
    """½ wᵀAw − bᵀw, of Hessian A."""
    return lambda: 0.5 * (w @ (mg.tensor(A) @ w)) - mg.tensor(B) @ w


def start():
    return mg.tensor(np.array([1.0, -1.0, 0.5, 2.0]), requires_grad=True)


# ---- SQN -----------------------------------------------------------------------------------------------------------


def test_sqn_is_algorithm_1_of_byrd_et_al():
    """The H of the paper, as a dense matrix by its own formula (2.6), and means of iterates with the Hessian at them."""
    L, M, rates = 3, 2, [0.01] * 6 + [0.2] * 14
    w = start()
    opt = optim.SQN([w], lr=lambda k: rates[k], memory=M, every=L)

    x, total, last, pairs, path = start().data.copy(), np.zeros(4), None, [], []
    for k in range(1, 21):
        g, total, H = A @ x - B, total + x, np.eye(4)
        if pairs:
            s, y = pairs[-1]
            H = (s @ y) / (y @ y) * np.eye(4)
            for s, y in pairs:
                V = np.eye(4) - np.outer(y, s) / (y @ s)
                H = V.T @ H @ V + np.outer(s, s) / (y @ s)
        x = x - rates[k - 1] * H @ g
        if k % L == 0:
            if last is not None:
                s = total / L - last
                pairs = [*pairs, (s, A @ s)][-M:]
            last, total = total / L, np.zeros(4)
        path.append(x)
    for x in path:
        opt.step(quadratic(w))
        assert np.allclose(w.data, x, rtol=1e-12, atol=1e-13)
    assert len(opt.pairs) == M and opt.skipped == 0
    assert quadratic(w)().item() < 0.05 * quadratic(start())().item()


def test_sqn_takes_its_curvature_from_the_larger_batch_at_the_mean_of_iterates():
    w, asked = start(), []

    def curvature():
        asked.append(w.data.copy())
        return (w**4).sum()

    opt = optim.SQN([w], lr=0.01, every=2)
    iterates = []
    for _ in range(4):
        iterates.append(w.data.copy())
        opt.step(quadratic(w), curvature)
    first, second = np.mean(iterates[:2], 0), np.mean(iterates[2:], 0)
    assert len(asked) == 1 and np.allclose(asked[0], second, rtol=1e-15)
    ((s, y),) = opt.pairs
    assert np.allclose(s, second - first, rtol=1e-13) and np.allclose(y, 12 * second**2 * s, rtol=1e-12)


def test_sqn_skips_negative_curvature_and_counts_it():
    w = start()
    opt = optim.SQN([w], lr=1e-3, every=2)
    for _ in range(6):
        opt.step(quadratic(w), lambda: -(w * w).sum())
    assert opt.skipped == 2 and not opt.pairs and np.isfinite(w.data).all()


def test_sqn_with_gauss_newton_groups_frozen_and_unread_parameters():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((20, 3)), rng.integers(0, 2, 20)
    w, b, frozen, unread = (mg.tensor(rng.standard_normal(s), requires_grad=True) for s in ((3, 2), (2,), (2,), (5,)))
    frozen.requires_grad = False
    before = [frozen.data.copy(), unread.data.copy()]

    def closure():
        z = mg.tanh(mg.tensor(x) @ w + b + frozen)
        return mg.cross_entropy(z, labels), z

    opt = optim.SQN([{"params": [w, frozen]}, {"params": [b, unread], "lr": 0.0}], lr=0.1, every=2, gauss_newton=True)
    kept = b.data.copy()
    losses = [opt.step(closure) for _ in range(12)]
    assert losses[-1] < losses[0] and len(opt.pairs) == 5
    assert np.array_equal(b.data, kept) and np.array_equal(frozen.data, before[0])
    assert np.array_equal(unread.data, before[1])
    s, y = opt.pairs[-1]
    directions = [s[:6].reshape(3, 2), s[8:10]]
    last = optim.SQN([w, b], lr=0.1)  # the product itself, by calculus, at the last mean of iterates
    assert last.skipped == 0
    with optim.curvature.placed([w], [opt._last[:6].reshape(3, 2)]):
        exact = mg.linearize_ggn(closure, [w, b])[2](*directions)
    assert np.allclose(y[:6], exact[0].data.ravel(), rtol=1e-10) and np.allclose(y[8:10], exact[1].data, rtol=1e-10)
    assert not y[6:8].any() and not y[10:].any()


# ---- AdaHessian ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power, every, decay", [(1.0, 1, 0.0), (0.5, 1, 0.1), (1.0, 3, 0.01)])
def test_adahessian_step_by_step(power, every, decay):
    w = start()
    opt = optim.AdaHessian([w], lr=0.1, power=power, every=every, weight_decay=decay, seed=4)
    x, m, s = start().data.copy(), 0.0, 0.0
    for t in range(1, 31):
        g = A @ x - B
        if (t - 1) % every == 0:
            v = signs((4,), np.random.default_rng((4, t - 1)))
            d = np.abs(v * (A @ v))
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * d**2
        scale = np.sqrt(s / (1 - 0.999**t)) ** power + 1e-4
        x = x - 0.1 * (m / (1 - 0.9**t) / scale + decay * x)
        loss = opt.step(quadratic(w))
        assert np.allclose(w.data, x, rtol=1e-12, atol=1e-13)
    assert isinstance(loss, float) and np.allclose(w.grad, g, rtol=1e-12)


@pytest.mark.slow
def test_adahessian_averages_over_the_positions_of_a_kernel():
    rng = np.random.default_rng(0)
    w, b = (mg.tensor(rng.standard_normal(s), requires_grad=True) for s in ((2, 3, 3, 3), (2,)))
    x = rng.standard_normal((4, 3, 5, 5))

    def loss():
        return (mg.tanh(mg.conv2d(x, w) + b.reshape(1, 2, 1, 1)) ** 2).sum()

    gen = np.random.default_rng((0, 0))
    vs = [signs(p.shape, gen) for p in (w, b)]
    hw, hb = (h.data for h in mg.hvp(loss, [w, b], vs))
    opt = optim.AdaHessian([w, b], lr=0.0)
    opt.step(loss)
    d = np.abs(vs[0] * hw)
    assert np.allclose(opt.state[0]["d"], np.broadcast_to(d.mean((2, 3), keepdims=True), d.shape), rtol=1e-12)
    assert np.allclose(opt.state[1]["d"], np.abs(vs[1] * hb), rtol=1e-12)


# ---- Sophia --------------------------------------------------------------------------------------------------------


def test_sophia_h_step_by_step():
    w = start()
    opt = optim.Sophia([w], lr=0.05, gamma=0.5, weight_decay=0.1, every=4, hutchinson=True, seed=2)
    x, m, h = start().data.copy(), 0.0, 0.0
    clipped = 0
    for t in range(1, 41):
        m = 0.96 * m + 0.04 * (A @ x - B)
        if (t - 1) % 4 == 0:
            v = np.random.default_rng((2, t - 1)).standard_normal(4)
            h = 0.99 * h + 0.01 * v * (A @ v)
        ratio = m / np.maximum(0.5 * h, 1e-12)
        clipped += np.sum(np.abs(ratio) > 1)
        x = x - 0.05 * 0.1 * x
        x = x - 0.05 * np.clip(ratio, -1, 1)
        opt.step(quadratic(w))
        assert np.allclose(w.data, x, rtol=1e-12, atol=1e-13)
    assert 0 < clipped < 160, "some entries are clipped and some are not"


def test_sophia_g_squares_gradients_of_sampled_labels():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((12, 3)), rng.integers(0, 4, 12)
    w = mg.tensor(rng.standard_normal((3, 4)), requires_grad=True)

    def closure():
        z = mg.tensor(x) @ w
        return mg.cross_entropy(z, labels), z

    opt = optim.Sophia([w], lr=0.01, every=2, seed=1)
    u, m, h = w.data.copy(), 0.0, 0.0
    for t in range(1, 9):
        p = np.exp(x @ u)
        p /= p.sum(1, keepdims=True)
        m = 0.96 * m + 0.04 * x.T @ (p - np.eye(4)[labels]) / 12
        if (t - 1) % 2 == 0:
            drawn = sample_labels(x @ u, np.random.default_rng((1, t - 1)))
            h = 0.99 * h + 0.01 * 12 * (x.T @ (p - np.eye(4)[drawn]) / 12) ** 2
        u = u - 0.01 * np.clip(m / np.maximum(0.05 * h, 1e-12), -1, 1)
        opt.step(closure)
        assert np.allclose(w.data, u, rtol=1e-11, atol=1e-13)


@pytest.mark.slow
def test_sophias_estimate_is_right_on_average():
    """N ĝ², of sampled labels, has the diagonal of the Gauss–Newton matrix as its mean; with the true ones it has not."""
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((12, 3)), rng.integers(0, 4, 12)
    w = mg.tensor(0.3 * rng.standard_normal((3, 4)), requires_grad=True)

    def closure():
        z = mg.tensor(x) @ w
        return mg.cross_entropy(z, labels), z

    exact = np.diag(optim.curvature.gauss_newton(closure, [w]) @ np.eye(12)).reshape(3, 4)
    opt = optim.Sophia([w], lr=0.0, betas=(0.0, 0.0), every=1)
    draws = []
    for _ in range(3000):
        opt.step(closure)
        draws.append(opt.state[0]["h"])
    error = np.std(draws, 0) / np.sqrt(3000)
    assert np.all(np.abs(np.mean(draws, 0) - exact) < 4 * error)
    true_labels = 12 * w.grad**2
    assert np.abs(true_labels - exact).max() > 20 * error.max()


# ---- all of them ---------------------------------------------------------------------------------------------------

RULES = {
    "sqn": lambda p: optim.SQN(p, lr=0.05, memory=2, every=3),
    "sqn, gauss-newton": lambda p: optim.SQN(p, lr=0.05, memory=2, every=3, gauss_newton=True),
    "adahessian": lambda p: optim.AdaHessian(p, lr=0.05, every=3, seed=5),
    "sophia g": lambda p: optim.Sophia(p, lr=0.01, every=3, seed=5),
    "sophia h": lambda p: optim.Sophia(p, lr=0.01, every=3, hutchinson=True, seed=5),
}


def network():
    """A small CNN in float32, and its closure for `rule`."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=0), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(16, 3, rng=0)
    )
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((10, 1, 8, 8)).astype("f"), rng.integers(0, 3, 10)

    def pair():
        z = model(x)
        return mg.cross_entropy(z, labels), z

    return model, pair


def closure_for(rule, pair):
    return pair if rule in ("sqn, gauss-newton", "sophia g") else (lambda: pair()[0])


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_state_saves_and_resumes_exactly(rule):
    """13 steps are 8, a new optimizer with the state of the old one, and 5: bit for bit, whatever the model's draws."""
    model, pair = network()
    opt = RULES[rule](model.parameters())
    losses = [opt.step(closure_for(rule, pair)) for _ in range(13)]

    again, pair = network()
    opt = RULES[rule](again.parameters())
    for _ in range(8):
        opt.step(closure_for(rule, pair))
    saved = opt.state_dict()
    assert all(isinstance(v, np.ndarray) and v.dtype.kind in "fib" for v in saved.values())
    other, pair = network()
    other.load_state_dict(again.state_dict())
    fresh = RULES[rule](other.parameters())
    fresh.load_state_dict(saved)
    resumed = [fresh.step(closure_for(rule, pair)) for _ in range(5)]
    assert resumed == losses[8:]
    for p, q in zip(model.parameters(), other.parameters()):
        assert np.array_equal(p.data, q.data) and p.dtype == np.float32
    assert not any(np.shares_memory(v, w) for v in saved.values() for w in fresh.state_dict().values())


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_learns_and_leaves_frozen_parameters_alone(rule):
    model, pair = network()
    conv = model[0]
    conv.requires_grad_(False)
    before = conv.weight.data.copy()
    opt = RULES[rule](model.parameters())
    losses = [opt.step(closure_for(rule, pair)) for _ in range(30)]
    assert losses[-1] < losses[0]
    assert np.array_equal(conv.weight.data, before) and conv.weight.grad is None
    conv.requires_grad_()
    opt.step(closure_for(rule, pair))
    assert not np.array_equal(conv.weight.data, before) and np.isfinite(conv.weight.data).all()


@pytest.mark.parametrize("rule", ["adahessian", "sophia h"])
def test_a_parameter_that_the_loss_does_not_read_costs_no_products(rule):
    w, unread = start(), start()
    opt = RULES[rule]([w, unread])
    opt.param_groups[0]["every"] = 4
    estimates = []
    for step in range(10):
        known = opt.state[0].get("d", opt.state[0].get("h"))
        opt.step(quadratic(w) if step < 9 else lambda: quadratic(w)() + quadratic(unread)())
        estimates.append(opt.state[0].get("d", opt.state[0].get("h")) is not known)
    assert [k for k, new in enumerate(estimates) if new] == [0, 4, 8, 9], "9: the first that reads the other"


def test_numpys_numbers_are_numbers():
    opt = optim.AdaHessian([start()], lr=np.float32(0.1), power=np.float32(0.5), every=np.int64(2), seed=np.uint8(3))
    assert opt.param_groups[0]["seed"] == 3


def test_a_state_of_other_parameters_is_refused():
    saved = RULES["sqn"]([start()]).state_dict()
    with pytest.raises(ValueError, match=r"sum has shape \(4,\); the parameters have 3 entries"):
        RULES["sqn"]([mg.tensor(np.ones(3), requires_grad=True)]).load_state_dict(saved)
    with pytest.raises(ValueError, match="missing: s"):
        RULES["sqn"]([start()]).load_state_dict({"steps": np.array(1)})
    with pytest.raises(ValueError, match="the state differ"):
        RULES["adahessian"]([start()]).load_state_dict(saved)


def test_bad_use_is_an_error_that_says_so():
    w = start()
    for rule in ("sqn", "adahessian", "sophia h"):
        with pytest.raises(TypeError, match="needs a closure"):
            RULES[rule]([w]).step(None)
    with pytest.raises(TypeError, match=r"must return \(loss, logits\)"):
        optim.Sophia([w]).step(quadratic(w))
    with pytest.raises(ValueError, match="seed is given for a group, but it is one for all"):
        optim.AdaHessian([{"params": [w], "seed": 1}])
    with pytest.raises(ValueError, match="every is 0"):
        optim.SQN([w], lr=0.1, every=0)
    with pytest.raises(ValueError, match="power is 2"):
        optim.AdaHessian([w], power=2)
    opt = RULES["sqn"]([w])
    opt.step(quadratic(w))
    with pytest.raises(RuntimeError, match="cannot be added after a step"):
        opt.add_param_group({"params": [start()]})


@pytest.mark.slow
def test_the_example_runs_all_its_methods(monkeypatch):
    """On little data and for one pass: each comes down, and the picture and the table have a place for each."""
    path = Path(__file__).parents[2] / "examples" / "stochastic_quasi_newton.py"
    spec = importlib.util.spec_from_file_location("stochastic_quasi_newton", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    monkeypatch.setattr(example, "PASSES", 2)
    monkeypatch.setattr(example, "EPOCHS", 1)
    problem = example.Problem(30.0, samples=500, features=6)
    assert abs(problem.excess(problem.w.data)) < 1e-15
    start = problem.excess(np.zeros(6))
    found = {}
    for name, (method, rates) in example.METHODS.items():
        run = method(problem, rates[0], 1)
        assert run.passes[-1] >= 2 and 0 <= run.last < start
        found[name] = example.Result(rates[0], [run])
    assert len(example.picture({problem.condition: found}).axes[0].lines) == len(example.COLORS)
    assert example.table({problem.condition: found}).count("|") == 3 * (len(example.METHODS) + 2)
