"""Penalties against their formulas and gradients, max-norm, gradient noise and its law, soft targets."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

rng = np.random.default_rng(9)


def net(dtype="float64"):
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, dtype=dtype, rng=0), nn.BatchNorm2d(3, dtype=dtype), nn.ReLU(), nn.Flatten(),
        nn.Linear(12, 4, dtype=dtype, rng=1),
    )  # fmt: skip


# ---- penalties -----------------------------------------------------------------------------------------------------


def test_penalties_are_sums_over_weights_and_leave_biases_and_norms_alone():
    model = net()
    conv, linear = model[0].weight, model[4].weight
    assert nn.weights(model) == [conv, linear]
    l1, l2 = nn.l1_penalty(model), nn.l2_penalty(model)
    assert l2.item() == pytest.approx((conv.data**2).sum() + (linear.data**2).sum(), rel=1e-13)
    assert l1.item() == pytest.approx(abs(conv.data).sum() + abs(linear.data).sum(), rel=1e-13)
    (l1 * 0.5 + l2 * 0.25).backward()
    for w in (conv, linear):
        np.testing.assert_allclose(w.grad, 0.5 * np.sign(w.data) + 0.5 * w.data, rtol=1e-13)
    assert all(p.grad is None for p in model.parameters() if p.ndim < 2)


def test_paths_and_lists_say_what_is_meant():
    model = net()
    assert nn.weights(model, leave_out=["4.*"]) == [model[0].weight]
    assert nn.l2_penalty(model, leave_out=["0.weight"]).item() == nn.l2_penalty([model[4].weight]).item()
    bias = model[4].bias
    assert nn.l2_penalty([bias]).item() == pytest.approx((bias.data**2).sum())


def test_penalties_at_higher_order():
    w = mg.tensor(rng.standard_normal((2, 3)), requires_grad=True)
    for penalty in (nn.l1_penalty, nn.l2_penalty):
        assert mg.gradcheck(lambda: mg.sin(penalty([w])), params={"w": w}, order=2).ok


def test_l2_is_weight_decay_under_sgd():
    x, y = rng.standard_normal((6, 1, 4, 4)), rng.integers(0, 4, 6)
    results = []
    for decay in (True, False):
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 4, bias=False, dtype="float64", rng=1))
        opt = optim.SGD(model.parameters(), lr=0.1, weight_decay=0.02 if decay else 0.0)
        for _ in range(5):
            opt.zero_grad()
            loss = mg.cross_entropy(model(x), y)
            (loss if decay else loss + 0.01 * nn.l2_penalty(model)).backward()
            opt.step()
        results.append(model[1].weight.data)
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_float32_stays_float32():
    model = net("float32")
    assert nn.l1_penalty(model).dtype == nn.l2_penalty(model).dtype == np.float32


# ---- max-norm ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_max_norm_scales_down_the_units_that_exceed_it_and_no_others(dtype):
    model = net(dtype)
    before = model.state_dict()
    nn.max_norm_(model, 0.5)
    for path, new in model.state_dict().items():
        old = before[path]
        if new.ndim < 2:
            assert np.array_equal(new, old)
            continue
        norms = np.sqrt((old.reshape(len(old), -1) ** 2).sum(1))
        assert new.dtype == old.dtype and (norms > 0.5).any()
        for unit, was, norm in zip(new, old, norms):
            if norm > 0.5:
                np.testing.assert_allclose(unit, was * (0.5 / norm), rtol=1e-6)
            else:
                assert np.array_equal(unit, was)


def test_max_norm_leaves_the_frozen_and_the_left_out_alone_and_zeros_whole():
    model = net()
    model[0].requires_grad_(False)
    before = model.state_dict()
    nn.max_norm_(model, 1e-3, leave_out=["4.weight"])
    assert all(np.array_equal(v, before[k]) for k, v in model.state_dict().items())
    w = mg.tensor(np.zeros((2, 2)), requires_grad=True)
    nn.max_norm_([w], 1.0)
    assert np.array_equal(w.data, np.zeros((2, 2)))


def test_a_compiled_step_keeps_the_constraint():
    xs, y = rng.standard_normal((4, 5, 3)), rng.integers(0, 2, 5)
    results = []
    for compiled in (False, True):
        layer = nn.Linear(3, 2, dtype="float64", rng=0)
        opt = optim.SGD(layer.parameters(), lr=1.0)

        def step(x, y, layer=layer, opt=opt):
            opt.zero_grad()
            loss = mg.cross_entropy(layer(x), y)
            loss.backward()
            opt.step()
            nn.max_norm_(layer, 0.3)
            return loss

        run = mg.compile(step) if compiled else step
        for x in xs:
            run(x, y)
            assert (np.sqrt((layer.weight.data**2).sum(1)) <= 0.3 * (1 + 1e-12)).all()
        results.append(layer.weight.data)
    assert np.array_equal(*results)


# ---- gradient noise ------------------------------------------------------------------------------------------------


def noise(step, seed=0, n=40_000, **options):
    p = mg.tensor(np.zeros(n), requires_grad=True)
    p.grad = np.zeros(n)
    nn.gradient_noise_([p], step, rng=seed, **options)
    return p.grad


@pytest.mark.parametrize("step", [0, 9, 999])
def test_gradient_noise_has_the_variance_of_its_step(step):
    g = noise(step, eta=0.3, gamma=0.55)
    variance = 0.3 / (1 + step) ** 0.55
    assert abs(g.mean()) < 5 * (variance / g.size) ** 0.5
    assert abs(g.var() / variance - 1) < 5 * (2 / g.size) ** 0.5


def test_gradient_noise_is_keyed_by_seed_and_step_or_drawn_from_a_stream():
    assert np.array_equal(noise(3), noise(3))
    for other in (noise(4, gamma=0.0), noise(3, seed=1, gamma=0.0)):  # all of one variance, and uncorrelated
        assert abs(np.corrcoef(noise(3, gamma=0.0), other)[0, 1]) < 5 / 200
    stream = np.random.default_rng(0)
    assert not np.array_equal(noise(3, stream), noise(3, stream))
    mg.seed(2)
    first = noise(3, None)
    mg.seed(2)
    assert np.array_equal(first, noise(3, None))


def test_gradient_noise_takes_numbers_of_numpy():
    p = mg.tensor(np.zeros(20, np.float32), requires_grad=True)

    def noise(step, seed, eta):
        p.grad = np.zeros_like(p.data)
        nn.gradient_noise_([p], step, eta=eta, rng=seed)
        return p.grad

    for step in (0, 5):
        found = noise(np.int64(step), np.int64(3), np.float64(0.3))
        assert found.dtype == np.float32 and np.array_equal(found, noise(step, 3, 0.3))


def test_a_single_tensor_is_taken_whole():
    w = mg.tensor(np.full((2, 3, 4), 2.0), requires_grad=True)
    w.grad = np.zeros_like(w.data)
    nn.gradient_noise_(w, 0, rng=0)
    assert w.grad.all()
    assert nn.l2_penalty(w).item() == 4 * w.size
    with mg.no_grad():
        nn.max_norm_(w, 1.0)
    assert np.allclose(np.linalg.norm(w.data.reshape(2, -1), axis=1), 1)


def test_gradient_noise_is_added_where_there_is_a_gradient():
    model = net("float32")
    x = rng.standard_normal((2, 1, 4, 4)).astype(np.float32)
    mg.cross_entropy(model(x), np.array([0, 1])).backward()
    model[4].requires_grad_(False)
    model[0].bias.grad = None
    before = {k: None if p.grad is None else p.grad.copy() for k, p in model.named_parameters()}
    nn.gradient_noise_(model, 0, rng=0)
    for path, p in model.named_parameters():
        if path == "0.bias":
            assert p.grad is None
        else:
            assert p.grad.dtype == np.float32 and np.array_equal(p.grad, before[path]) == path.startswith("4")


def test_a_compiled_step_with_gradient_noise_steps_aside():
    p = mg.tensor(np.ones(3), requires_grad=True)
    opt = optim.SGD([p], lr=1.0)

    @mg.compile
    def step(x):
        opt.zero_grad()
        (x * p).sum().backward()
        nn.gradient_noise_([p], 0, rng=0)
        opt.step()

    with pytest.warns(RuntimeWarning, match="gradient noise depends on the number of the step"):
        step(np.ones(3))
    np.testing.assert_allclose(p.data, -(0.3**0.5) * np.random.default_rng([0, 0]).standard_normal(3), rtol=1e-12)


# ---- soft targets: label smoothing, mixup ----------------------------------------------------------------------------


def probabilities(n, k):
    raw = rng.random((n, k)) + 0.1
    return raw / raw.sum(1, keepdims=True)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_class_probabilities(reduction):
    logits, t, s = rng.standard_normal((5, 4)), probabilities(5, 4), 0.1
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    losses = -(((1 - s) * t + s / 4) * log_p).sum(1)
    expected = {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[reduction]
    ours = nn.CrossEntropyLoss(reduction=reduction, label_smoothing=s)(logits, t)
    np.testing.assert_allclose(ours.data, expected, rtol=1e-13)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_certain_probabilities_are_labels(smoothing):
    logits, labels = rng.standard_normal((6, 3)), rng.integers(0, 3, 6)
    slopes = [
        mg.value_and_grad(lambda z: mg.cross_entropy(z, target, label_smoothing=smoothing))(logits)
        for target in (labels, np.eye(3)[labels])
    ]
    for ours, theirs in zip(*slopes):
        np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-13)


def test_mixup_is_the_mean_of_two_losses():
    """λ L(z, a) + (1 − λ) L(z, b) is the loss for the mixed targets, for one λ or one each (Zhang et al. 2018)."""
    logits, a, b = rng.standard_normal((6, 3)), rng.integers(0, 3, 6), rng.integers(0, 3, 6)
    for mixed in (0.3, rng.random(6)):
        each = [mg.cross_entropy(logits, y, reduction="none").data for y in (a, b)]
        w = np.broadcast_to(mixed, 6)[:, None]
        soft = mg.cross_entropy(logits, w * np.eye(3)[a] + (1 - w) * np.eye(3)[b], reduction="none")
        np.testing.assert_allclose(soft.data, mixed * each[0] + (1 - mixed) * each[1], rtol=1e-12)


def test_probabilities_take_the_dtype_of_the_logits_and_carry_derivatives():
    logits = mg.tensor(rng.standard_normal((4, 3)).astype(np.float32), requires_grad=True)
    loss = mg.cross_entropy(logits, probabilities(4, 3))
    loss.backward()
    assert loss.dtype == logits.grad.dtype == np.float32
    teacher = mg.tensor(rng.standard_normal((4, 3)), requires_grad=True)  # its softmax are the targets
    report = mg.gradcheck(lambda z, u: mg.cross_entropy(z, mg.softmax(u)), logits.data.astype(float), teacher, order=2)
    assert report.ok and {row.verdict for row in report.rows} == {"exact"}


def test_a_compiled_step_with_probabilities():
    fast = mg.compile(lambda z, t: mg.cross_entropy(z, t, label_smoothing=0.1))
    for _ in range(3):
        z, t = rng.standard_normal((4, 3)), probabilities(4, 3)
        assert fast(z, t).item() == mg.cross_entropy(z, t, label_smoothing=0.1).item()
    with pytest.raises(ValueError, match="row 2"):
        fast(z, np.where(np.arange(4)[:, None] == 2, 0.5, t))


Z = np.zeros((2, 3))
BAD_TARGETS = {
    "shape": (np.full((3, 3), 1 / 3), ValueError, "logits are (2, 3), class probabilities (3, 3); they must be the same"),
    "sum": (np.array([[1.0, 0, 0], [0.5, 0, 0]]), ValueError, "class probabilities in row 1 are [0.5, 0.0, 0.0]"),
    "negative": (np.array([[1.5, -0.5, 0], [1, 0, 0]]), ValueError, "row 0 are [1.5, -0.5, 0.0]; they must be ≥ 0 with sum 1"),
    "nan": (np.array([[np.nan, 0, 0], [1, 0, 0]]), ValueError, "row 0"),
    "floats": (np.ones(2), TypeError, "labels have dtype float64; they must be class indices, integers, or class probabilities"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TARGETS)
def test_bad_targets(name):
    targets, error, message = BAD_TARGETS[name]
    with pytest.raises(error) as caught:
        mg.cross_entropy(Z, targets)
    assert message in str(caught.value)


# ---- errors --------------------------------------------------------------------------------------------------------


BAD = {
    "pattern": (lambda: nn.l2_penalty(net(), ["fc*"]), ValueError, "l2_penalty: no parameter matches 'fc*'; there are 0.weight, 0.bias"),
    "string": (lambda: nn.weights(net(), "4.*"), ValueError, "leave_out is '4.*' (str); it must be a list of patterns"),
    "paths of a list": (lambda: nn.l1_penalty(net().parameters(), ["4.*"]), ValueError, "l1_penalty: leave_out names paths"),
    "no weights": (lambda: nn.l2_penalty(nn.ReLU()), ValueError, "l2_penalty: there are no weights"),
    "limit": (lambda: nn.max_norm_(net(), 0.0), ValueError, "max_norm_: limit is 0.0; it must be > 0"),
    "bias": (lambda: nn.max_norm_(net().parameters(), 1.0), ValueError, "max_norm_: a parameter has shape (3,)"),
    "step": (lambda: nn.gradient_noise_(net(), -1), ValueError, "gradient_noise_: step is -1"),
    "eta": (lambda: nn.gradient_noise_(net(), 0, eta=-0.1), ValueError, "eta is -0.1; it must be ≥ 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    do, error, message = BAD[name]
    with pytest.raises(error) as caught:
        do()
    assert message in str(caught.value)
