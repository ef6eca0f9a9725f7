"""First-order rules: each against NumPy written from its paper, what the lecture says of them, and how they meet
parameters that are tied, frozen, without gradient, scalar or not contiguous."""

import numpy as np
import pytest
from optim.rules import RULES

import minigrad as mg
from minigrad import kernels, nn, optim

rng = np.random.default_rng(1)
START, GRADS = rng.normal(size=(5, 3)), rng.normal(size=(12, 5, 3))


def run(opt, p, grads):
    """The values of p after each step."""
    path = []
    for g in grads:
        p.grad = g
        opt.step()
        path.append(p.data.copy())
    return path


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    rule, reference, options = RULES[name]
    p = mg.tensor(START, requires_grad=True)
    for ours, theirs in zip(run(rule([p], **options), p, GRADS), reference(START, GRADS, **options), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_rule_in_float32_stays_float32_and_with_the_jit_off_gives_the_same(name, monkeypatch):
    rule, reference, options = RULES[name]
    ends = []
    for jit in (True, False):
        monkeypatch.setattr(kernels, "JIT", jit and kernels.JIT)
        p = mg.tensor(START, dtype="float32", requires_grad=True)
        opt = rule([p], **options)
        ends += run(opt, p, GRADS.astype(np.float32))[-1:]
        assert p.dtype == np.float32 and all(v.dtype == np.float32 for s in opt.state for k, v in s.items() if k != "t")
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ends[0], list(reference(START, GRADS, **options))[-1], rtol=1e-3, atol=1e-4)


# ---- what the lecture says -------------------------------------------------------------------------------------------


def bowl(p):
    """An ill-conditioned quadratic, and its gradient."""
    return (p * p * mg.tensor([1.0, 25.0])).sum() / 2, np.array([1.0, 25.0]) * p.data


def test_the_two_forms_of_momentum_are_one_for_a_constant_rate_only():
    def ends(lr):
        p, q = (mg.tensor(START, requires_grad=True) for _ in range(2))
        ours, theirs = optim.Momentum([p], lr, momentum=0.9), optim.SGD([q], lr, momentum=0.9)
        paths = run(ours, p, GRADS), run(theirs, q, GRADS)
        return paths, ours.state[0]["v"], theirs.state[0]["v"]

    (ours, theirs), v, w = ends(0.1)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)
    np.testing.assert_allclose(v, -0.1 * w, rtol=1e-13)  # the change of variables
    (ours, theirs), _, _ = ends(optim.schedules.step_decay(0.1, 6))
    np.testing.assert_allclose(ours[:6], theirs[:6], rtol=0, atol=1e-14)
    assert abs(ours[6] - theirs[6]).max() > 0.01


@pytest.mark.parametrize("lr", [0.02, optim.schedules.inverse(0.02, 0.1)])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_nesterov_ahead_and_shifted_are_one_up_to_the_change_of_variables(lr, decay):
    p, q = (mg.tensor([3.0, 1.0], requires_grad=True) for _ in range(2))
    ahead = optim.Nesterov([p], lr, 0.8, decay)
    shifted = optim.Nesterov([q], lr, 0.8, decay, shifted=True)
    seen, theta, v = [], np.array([3.0, 1.0]), np.zeros(2)

    def loss():
        seen.append(p.data.copy())
        return bowl(p)[0]

    for k in range(30):
        rate = lr(k) if callable(lr) else lr
        point = theta + 0.8 * v  # the lecture's form, literally
        v = 0.8 * v - rate * (np.array([1.0, 25.0]) * point + decay * point)
        theta = theta + v
        before = q.data.copy()
        assert ahead.step(loss) == pytest.approx(shifted.step(lambda: bowl(q)[0]), rel=1e-12)
        np.testing.assert_allclose(seen[-1], before, rtol=0, atol=1e-13)  # φ = θ + momentum · v
        np.testing.assert_allclose(p.data, theta, rtol=0, atol=1e-13)
        np.testing.assert_allclose(q.data, theta + 0.8 * v, rtol=0, atol=1e-13)


def test_nesterov_puts_the_parameters_back_when_the_closure_fails():
    p = mg.tensor([1.0], requires_grad=True)
    opt = optim.Nesterov([p], 0.1)
    opt.step(lambda: (p * p).sum())
    there, array = p.data.copy(), p.data
    with pytest.raises(ZeroDivisionError):
        opt.step(lambda: 1 / 0)
    assert p.data is array and p.data == there and opt.steps == 1
    opt.step(lambda: (p * p).sum())
    assert p.data is array, "moved in place"


def test_uncorrected_adam_starts_with_too_long_a_step():
    p, q = (mg.tensor(START, requires_grad=True) for _ in range(2))
    run(optim.Adam([p], lr=1e-3, bias_correction=False), p, GRADS[:1])
    run(optim.Adam([q], lr=1e-3), q, GRADS[:1])
    np.testing.assert_allclose(abs(q.data - START), 1e-3, rtol=1e-3)
    np.testing.assert_allclose(abs(p.data - START), 1e-3 * 0.1 / np.sqrt(0.001), rtol=1e-3)
    assert 0.1 / np.sqrt(0.001) == pytest.approx(3.16, abs=0.01)


def test_the_step_of_adagrad_shrinks_for_ever_and_that_of_rmsprop_does_not():
    p, q = (mg.tensor(np.zeros(1), requires_grad=True) for _ in range(2))
    grads = np.full((100, 1), 2.0)
    shrinking = -np.diff(np.ravel(run(optim.AdaGrad([p], lr=0.1, eps=0.0), p, grads)), prepend=0.0)
    steady = -np.diff(np.ravel(run(optim.RMSProp([q], lr=0.1, rho=0.9, eps=0.0), q, grads)), prepend=0.0)
    np.testing.assert_allclose(shrinking, 0.1 / np.sqrt(np.arange(1, 101)), rtol=1e-12)
    np.testing.assert_allclose(steady[-1], 0.1, rtol=1e-4)


def test_radam_starts_unadapted_and_nadams_product_is_that_of_its_factors():
    from minigrad.optim.adaptive import _halving_product

    for q, t in ((0.9998, 1), (0.9998, 300), (0.5, 40), (1.0, 7)):
        assert _halving_product(q, t) == pytest.approx(np.prod(1 - q ** np.arange(1, t + 1) / 2), rel=1e-12)
    p = mg.tensor(START, requires_grad=True)
    (end,) = run(optim.RAdam([p], lr=0.1), p, GRADS[:1])
    np.testing.assert_allclose(end, START - 0.1 * GRADS[0], rtol=1e-12)


def test_muon_moves_matrices_by_orthogonal_steps_and_the_rest_by_adamw():
    w, b, e = (mg.tensor(rng.normal(size=shape), requires_grad=True) for shape in ((6, 4), (4,), (5, 4)))
    twins = [mg.tensor(x.data, requires_grad=True) for x in (b, e)]
    opt = optim.Muon([{"params": [w, b]}, {"params": [e], "adamw": True, "lr": 0.02}], lr=0.1, weight_decay=0.05)
    adamw = optim.AdamW([{"params": twins[:1]}, {"params": twins[1:], "lr": 0.02}], lr=0.1, weight_decay=0.05)
    before = w.data.copy()
    for _ in range(3):
        for x in (w, b, e):
            x.grad = rng.normal(size=x.shape)
        for x, twin in zip((b, e), twins):
            twin.grad = x.grad.copy()
        opt.step(), adamw.step()
    assert np.array_equal(b.data, twins[0].data) and np.array_equal(e.data, twins[1].data)
    assert [set(s) for s in opt.state] == [{"v", "t"}, {"m", "s", "t"}, {"m", "s", "t"}]
    assert np.linalg.norm(w.data - before) > 0.1
    values = np.linalg.svd(optim.layerwise.orthogonal(rng.normal(size=(7, 4)), 8))[1]
    assert values.min() > 0.65 and values.max() < 1.25


def test_lamb_takes_the_plain_step_where_a_norm_is_zero():
    p = mg.tensor(np.zeros(3), requires_grad=True)
    run(optim.LAMB([p], lr=0.5), p, [np.array([4.0, -4.0, 0.0])])
    np.testing.assert_allclose(p.data, [-0.5, 0.5, 0.0], rtol=1e-5)
    run(optim.LAMB([p], lr=0.5, weight_decay=0.0), p, [np.zeros(3)])
    np.testing.assert_allclose(p.data, [-0.5, 0.5, 0.0], rtol=1e-5)


def test_decoupled_decay_of_any_rule_is_the_rule_after_a_shrinking():
    for rule in (optim.SGD, optim.RMSProp, optim.Adamax, optim.NAdam):
        p, q = (mg.tensor(START, requires_grad=True) for _ in range(2))
        decayed = rule([p], lr=0.1, weight_decay=0.5, decoupled_weight_decay=True)
        plain = rule([q], lr=0.1)
        for g in GRADS:
            q.data *= 1 - 0.1 * 0.5
            p.grad = q.grad = g
            decayed.step(), plain.step()
        np.testing.assert_allclose(p.data, q.data, rtol=1e-12, atol=1e-14)


# ---- the closure -----------------------------------------------------------------------------------------------------


def test_a_closure_gives_gradients_and_the_loss_before_the_step():
    p, unread, frozen = (mg.tensor([3.0], requires_grad=True) for _ in range(3))
    frozen.requires_grad = False
    p.grad, unread.grad = np.array([100.0]), np.array([100.0])
    opt = optim.SGD([p, unread, frozen], lr=0.25)
    with mg.no_grad():  # it records all the same
        assert opt.step(lambda: (p * p * frozen).sum()) == 27.0
    assert p.grad == 18.0 and p.data == 3 - 0.25 * 18 and type(p.grad) is np.ndarray
    assert unread.grad is None and unread.data == 3, "gradients of before are forgotten"
    assert opt.step() is None


def test_a_closure_that_walks_the_tape_itself_is_told_so():
    p = mg.tensor([3.0], requires_grad=True)
    opt = optim.SGD([p], lr=0.25)

    def closure():
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="return it without calling backward"):
        opt.step(closure)
    with pytest.raises(TypeError, match="the closure returned a NoneType; return the loss"):
        opt.step(lambda: None)
    with pytest.raises(ValueError, match=r"the closure returned shape \(1, 1, 2\); return one number"):
        opt.step(lambda: mg.reshape(mg.concat([p, p]), (1, 1, 2)))
    with pytest.raises(TypeError, match="step was given a Tensor; give a function"):
        opt.step((p * p).sum())
    with pytest.raises(TypeError, match="Nesterov: step needs a closure"):
        optim.Nesterov([p], 0.1).step()


def test_a_loss_that_does_not_depend_on_the_parameters_is_an_error_and_moves_nothing():
    p = mg.tensor([3.0], requires_grad=True)
    compiled = mg.compile(lambda: (p * p).sum())
    for closure in (lambda: mg.tensor(p.data**2).sum(), lambda: (p.detach() ** 2).sum(), compiled):
        for opt in (optim.Adam([p]), optim.SQN([p], lr=0.1), optim.AdaHessian([p])):
            with pytest.raises(ValueError, match="loss does not depend on the parameters"):
                opt.step(closure)
            assert p.data == 3 and opt.steps == 0
    p.requires_grad = False
    assert optim.SGD([p], lr=0.1).step(lambda: (p * p).sum()) == 9, "but all may be frozen"


# ---- compiled steps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in RULES if "-" not in n])
def test_a_compiled_step_is_the_same_and_takes_a_new_rate_in(name):
    rule, _, options = RULES[name]
    x = rng.normal(size=(4, 5))
    ends = []
    for compiled in (False, True):
        w = mg.tensor(START, requires_grad=True)
        opt = rule([w], **options)

        def step(x, w=w, opt=opt):
            opt.zero_grad()
            loss = ((x @ w) ** 2).sum()
            loss.backward()
            norm = optim.clip_grad_norm([w], 1.0)
            opt.step()
            return loss, norm

        run_step = mg.compile(lambda x, step=step: step(x)) if compiled else step
        norms = []
        for k in range(6):
            if k == 3:
                opt.param_groups[0]["lr"] = 0.01
            norms.append(float(run_step(mg.tensor(x))[1]))
        ends.append((w.data.copy(), norms))
    assert np.array_equal(ends[0][0], ends[1][0]) and ends[0][1] == ends[1][1] and len(set(norms)) > 1


def test_a_closure_in_a_compiled_step_steps_aside():
    p = mg.tensor([3.0], requires_grad=True)
    opt = optim.SGD([p], lr=0.25)
    step = mg.compile(lambda: opt.step(lambda: (p * p).sum()))
    with pytest.warns(RuntimeWarning, match="value of a tensor is read"):
        assert step() == 9.0
    assert step() == 2.25 and p.data == 0.75


# ---- parameters of all kinds -----------------------------------------------------------------------------------------


def test_tied_weights_move_once_by_the_sum_of_their_gradients():
    class Tied(nn.Module):
        def __init__(self):
            self.encode = nn.Linear(4, 4, bias=False, rng=0, dtype="float64")
            self.decode = nn.Linear(4, 4, bias=False, rng=1, dtype="float64")
            self.decode.weight = self.encode.weight

        def forward(self, x):
            return self.decode(self.encode(x))

    model, x = Tied(), rng.normal(size=(3, 4))
    assert len(model.parameters()) == 1
    w = model.encode.weight.data.copy()
    optim.SGD(model.parameters(), lr=0.1).step(lambda: model(x).sum())
    ones = np.ones((3, 4))
    gradient = (ones @ w).T @ x + ones.T @ (x @ w.T)
    np.testing.assert_allclose(model.encode.weight.data, w - 0.1 * gradient, rtol=1e-12)


def test_the_rate_may_be_a_function_of_the_step():
    p = mg.tensor([0.0], requires_grad=True)
    opt = optim.SGD([p], lr=lambda step: 10.0**-step)
    rates = []
    for _ in range(3):
        rates.append(opt.rate)
        run(opt, p, [np.ones(1)])
    assert rates == [1.0, 0.1, 0.01] and p.data[0] == pytest.approx(-1.11)


def test_parameters_without_gradient_and_frozen_ones_are_left_alone():
    a, b, c = (mg.tensor([1.0], requires_grad=True) for _ in range(3))
    opt = optim.Adam([a, b, c], lr=0.5)
    a.grad = c.grad = np.ones(1)
    c.requires_grad = False
    opt.step()
    assert a.data[0] != 1 and b.data[0] == c.data[0] == 1
    assert b.version == c.version == 0 and opt.state[1] == opt.state[2] == {}
    b.grad = np.ones(1)
    opt.step()
    assert opt.state[0]["t"] == 2 and opt.state[1]["t"] == 1  # each counts its own updates


def test_a_step_between_recording_and_backward_is_found_out():
    p = mg.tensor([1.0, 2.0], requires_grad=True)
    opt = optim.SGD([p], lr=0.1)
    loss = (p * p).sum()
    p.grad = np.zeros(2)  # the data stay, yet the step counts
    opt.step()
    with pytest.raises(RuntimeError, match="changed after it was recorded"):
        loss.backward()


def test_steps_are_in_place_where_they_can_be():
    p = mg.tensor(START, requires_grad=True)
    array = p.data
    run(optim.SGD([p], lr=0.1), p, GRADS)
    assert p.data is array
    for data in (np.asfortranarray(START), np.broadcast_to(START[0], (5, 3))):
        q = mg.Tensor(data, requires_grad=True)
        run(optim.SGD([q], lr=0.1), q, [np.ones((5, 3))])
        np.testing.assert_allclose(q.data, data - 0.1)


@pytest.mark.parametrize("name", [n for n in RULES if "muon" not in n])
def test_a_scalar_parameter_stays_scalar(name):
    rule, _, options = RULES[name]
    for dtype in ("float64", "float16"):  # float16 takes the plain path
        p = mg.tensor(2.0, dtype=dtype, requires_grad=True)
        opt = rule([p], **{**options, "lr": 0.5})
        run(opt, p, [np.ones((), dtype)] * 2)
        assert p.shape == () and p.dtype == dtype and p.item() < 2


def test_zero_grad():
    p = mg.tensor(START, requires_grad=True)
    p.grad = GRADS[0]
    optim.SGD([p], lr=0.1).zero_grad()
    assert p.grad is None


def test_it_learns():
    net = nn.Sequential(nn.Linear(2, 16, rng=0), nn.Tanh(), nn.Linear(16, 2, rng=1))
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    labels = np.array([0, 1, 1, 0])
    opt = optim.Adam(net.parameters(), lr=0.05)
    for _ in range(100):
        opt.zero_grad()
        mg.cross_entropy(net(x), labels).backward()
        opt.step()
    assert (net(x).argmax(1) == labels).all()
