"""Second-order optimizers of parameters: exact resumption, closures that lie, groups, random layers, memory."""

import gc
import tracemalloc
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim import descent

X = np.random.default_rng(0).normal(size=(40, 6))
LABELS = np.random.default_rng(1).integers(0, 3, 40)
RULES = {
    "newton": (optim.Newton, {}),
    "bfgs": (optim.BFGS, {}),
    "lbfgs": (optim.LBFGS, {"history_size": 5}),
    "cg": (optim.NonlinearCG, {}),
    "newton-cg": (optim.NewtonCG, {}),
    "newton-cg-damped": (optim.NewtonCG, {"damping": 0.1}),
    "gauss-newton": (optim.NewtonCG, {"damping": 0.1, "curvature": "gauss-newton"}),
    "trust-ncg": (optim.TrustRegionNewtonCG, {}),
}


def network(dtype=np.float64, *middle):
    mg.seed(3)
    return nn.Sequential(nn.Linear(6, 5, dtype=dtype), nn.Tanh(), *middle, nn.Linear(5, 3, dtype=dtype))


def closure_of(model, name="", x=X):
    def closure():
        z = model(x.astype(model[0].weight.dtype))
        loss = mg.cross_entropy(z, LABELS[: len(x)])
        return (loss, z) if name == "gauss-newton" else loss

    return closure


def build(name, model=None, **options):
    rule, own = RULES[name]
    model = network() if model is None else model
    return model, rule(model.parameters(), **own, **options), closure_of(model, name)


def values(model):
    return [p.data.copy() for p in model.parameters()]


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", RULES)
def test_learns_and_reports(name):
    model, opt, closure = build(name, max_iter=25)
    before = opt.step(closure)
    after = closure()[0].item() if name == "gauss-newton" else closure().item()
    assert before == pytest.approx(1.2, abs=0.3) and after < 0.5 * before
    assert opt.n_iter == 25 and opt.status == "max-iter" and "25" in opt.message
    assert opt.counts.n_fev >= 25 and all(isinstance(p.grad, np.ndarray) for p in model.parameters())
    assert all(p.is_leaf for p in model.parameters())
    model.zero_grad()
    loss = closure()[0] if name == "gauss-newton" else closure()
    kept = [g.copy() for g in mg.pull(loss, list(model.parameters())) for g in [g.data]]
    opt.max_iter = 1
    opt.step(closure)
    assert len(kept) == 4


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", RULES)
def test_one_long_step_is_many_short_ones(name, dtype):
    one, opt, closure = build(name, network(dtype), max_iter=20)
    opt.step(closure)
    n_iter = opt.n_iter
    many, opt, closure = build(name, network(dtype), max_iter=4)
    for k in range(5):
        opt.step(closure)
        if k == 2:  # saved and loaded on the way, into a new model
            state, weights = opt.state_dict(), values(many)
            assert all(isinstance(v, np.ndarray) for v in state.values())
            many, opt, closure = build(name, network(dtype), max_iter=4)
            for p, w in zip(many.parameters(), weights):
                p.data = w
            opt.load_state_dict(state)
            again = opt.state_dict()
            assert again.keys() == state.keys() and all(np.array_equal(again[k], state[k]) for k in state)
    assert same(values(one), values(many)) and opt.n_iter == n_iter


@pytest.mark.slow
def test_two_hundred_iterations():
    one, opt, closure = build("lbfgs", max_iter=200, gtol=0)
    opt.step(closure)
    many, opt, closure = build("lbfgs", max_iter=20, gtol=0)
    for _ in range(10):
        opt.step(closure)
    assert same(values(one), values(many)) and opt.n_iter == 200


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 2, 5, 9])
@pytest.mark.parametrize("name", RULES)
def test_limit_on_evaluations_is_exact_and_the_best_point_is_kept(name, limit):
    model, opt, closure = build(name, max_evaluations=limit)
    seen = []

    def counted():
        found = closure()
        loss = found[0] if name == "gauss-newton" else found
        seen.append((loss.item(), values(model)))
        return found

    opt.step(counted)
    assert len(seen) == opt.counts.n_fev == limit and opt.status == "max-evaluations"
    best = min(range(limit), key=lambda i: seen[i][0])
    assert same(values(model), seen[best][1])


@pytest.mark.parametrize("name", RULES)
def test_parameters_do_not_move_when_nothing_is_found(name):
    p = mg.tensor(np.array([1.0, 2.0]), requires_grad=True)
    rule, own = RULES[name]
    opt = rule([p], **own)
    start = p.data.copy()

    def wall():
        loss = mg.where(not np.array_equal(p.data, start), np.nan, (p * p).sum())
        return (loss, p * 1) if name == "gauss-newton" else loss

    if name == "gauss-newton":
        opt = optim.NewtonCG([p], damping=0.1)
        wall_ = wall
        wall = lambda: wall_()[0]  # noqa: E731
    assert opt.step(wall) == 5.0
    assert np.array_equal(p.data, start) and opt.status == "no-progress"
    assert opt.step(lambda: (p * p).sum()) == 5.0 and np.abs(p.data).max() < 1e-3  # and goes on from there


def test_a_loss_that_is_not_finite_at_the_start():
    p = mg.tensor(np.array([1.0]), requires_grad=True)
    opt = optim.LBFGS([p])
    opt.step(lambda: (p * np.inf).sum())
    assert opt.status == "not-finite" and p.data == 1


def test_a_failing_closure_leaves_the_parameters():
    model, opt, closure = build("lbfgs")
    before, calls = values(model), []

    def failing():
        calls.append(1)
        if len(calls) == 4:
            raise KeyError("mine")
        return closure()

    with pytest.raises(KeyError):
        opt.step(failing)
    assert same(before, values(model))


# ---- closures that are not functions of the parameters -----------------------------------------------------------------


def test_stale_closures():
    p = mg.tensor(np.array([1.0, 2.0]), requires_grad=True)
    other = mg.tensor(np.array([1.0]), requires_grad=True)
    loss = (p * p).sum()
    with pytest.raises(RuntimeError, match="returned the loss that it returned before"):
        optim.LBFGS([p]).step(lambda: loss)
    with pytest.raises(ValueError, match="does not depend on the parameters"):
        optim.LBFGS([p]).step(lambda: (other * other).sum())
    with pytest.raises(ValueError, match="does not depend on the parameters"):
        optim.LBFGS([p]).step(lambda: (p.detach() ** 2).sum())
    with pytest.raises(TypeError, match="returned a float"):
        optim.LBFGS([p]).step(lambda: 1.0)
    with pytest.raises(TypeError, match="needs a closure"):
        optim.LBFGS([p]).step()
    with pytest.raises(TypeError, match=r"return \(loss, outputs\)"):
        optim.NewtonCG([p], curvature="gauss-newton").step(lambda: (p * p).sum())

    def walked():
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="without calling backward"):
        optim.LBFGS([p]).step(walked)
    opt = optim.LBFGS([p])
    opt.step(lambda: (p * 0).sum() + mg.Tensor(1.0) + (p - p.detach()).sum())  # a slope, but never another value
    assert opt.status == "flat" and "does not read what is moved" in opt.message
    assert np.array_equal(p.data, [1, 2])


def test_noisy_closures():
    model, opt, closure = build("lbfgs", max_iter=2)
    batches = iter(np.split(X, 4) * 3)

    def sampled():
        return closure_of(model, x=batch)()

    batch = next(batches)
    opt.step(sampled)
    batch = next(batches)
    with pytest.warns(RuntimeWarning, match=r"(?s)same parameters.*dropout, batch norm, sampled.*on_noise='allow'"):
        opt.step(sampled)
    opt.on_noise = "raise"
    batch, before = next(batches), values(model)
    with pytest.raises(RuntimeError, match="at the same parameters"):
        opt.step(sampled)
    assert same(before, values(model))
    opt.on_noise = "allow"
    opt.step(sampled)
    rng = np.random.default_rng(0)
    opt = optim.LBFGS(model.parameters())
    opt.step(lambda: closure() + rng.random())  # noise within a step, that nothing holds
    assert opt.status == "noisy" and "minigrad's generators" in opt.message


def test_parameters_moved_from_outside_start_afresh():
    model, opt, closure = build("lbfgs", max_iter=3)
    opt.step(closure)
    moved = values(network())
    for p, w in zip(model.parameters(), moved):
        p.data = w
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.step(closure)
    fresh, other, closure = build("lbfgs", max_iter=3)
    other.step(closure)
    assert same(values(model), values(fresh))


@pytest.mark.parametrize("name", ["lbfgs", "newton-cg", "trust-ncg"])
def test_dropout_is_held_within_a_step_and_drawn_anew_in_the_next(name):
    model = network(np.float64, nn.Dropout(0.5))
    rule, own = RULES[name]
    opt = rule(model.parameters(), **own, max_iter=5, on_noise="allow")
    mg.seed(7)
    closure, losses = closure_of(model), []
    before = values(model)
    first = opt.step(lambda: losses.append(closure()) or losses[-1])
    mg.seed(7)
    after = values(model)
    for p, w in zip(model.parameters(), before):
        p.data = w
    assert closure().item() == first  # the draws of one evaluation from there
    drawn = mg.dropout(np.ones(20)).data
    for p, w in zip(model.parameters(), after):
        p.data = w
    mg.seed(7)
    for p, w in zip(model.parameters(), before):
        p.data = w
    opt = rule(model.parameters(), **own, max_iter=5, on_noise="allow")
    opt.step(closure)
    np.testing.assert_array_equal(mg.dropout(np.ones(20)).data, drawn)  # and the next step draws what comes after
    assert opt.status in ("max-iter", "converged")


@pytest.mark.slow
def test_running_statistics_move_once_in_a_step():
    model = network(np.float64, nn.BatchNorm1d(5, dtype=np.float64))
    opt = optim.LBFGS(model.parameters(), max_iter=5, buffers=model.buffers())
    other = network(np.float64, nn.BatchNorm1d(5, dtype=np.float64))
    opt.step(closure_of(model))
    closure_of(other)()
    for a, b in zip(model.buffers(), other.buffers(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    assert opt.counts.n_fev > 5


# ---- groups ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in RULES if n != "gauss-newton"])
def test_weight_decay_by_group_is_a_penalty(name):
    def run(in_loss):
        model = network()
        first, second = list(model[0].parameters()), list(model[2].parameters())
        rule, own = RULES[name]
        groups = [{"params": first, "weight_decay": 0 if in_loss else 0.1}, {"params": second}]
        opt = rule(groups, **own, max_iter=4, weight_decay=0.0)
        closure = closure_of(model)
        opt.step(lambda: closure() + 0.05 * sum((p * p).sum() for p in first) if in_loss else closure())
        return values(model)

    for a, b in zip(run(True), run(False)):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", RULES)
def test_frozen_parameters_are_left_out_and_tied_ones_just_work(name):
    model, opt, closure = build(name, max_iter=3)
    model[0].weight.requires_grad = False
    frozen = model[0].weight.data.copy()
    opt.step(closure)
    assert np.array_equal(model[0].weight.data, frozen)
    p, q = mg.tensor(np.array([0.5, 1.5]), requires_grad=True), mg.tensor(np.array([0.5, 1.5]), requires_grad=True)
    rule = RULES[name][0]
    rule([p], max_iter=3).step(lambda: ((p * p) * (p - 1)).sum() + (p**4).sum())
    rule([q], max_iter=3).step(lambda: (q**3 - q**2 + q**4).sum())
    np.testing.assert_allclose(p.data, q.data, rtol=1e-7)


# ---- curvature ---------------------------------------------------------------------------------------------------------


def test_gauss_newton_is_newton_where_outputs_are_linear():
    runs = []
    for curvature in ("hessian", "gauss-newton"):
        w = mg.tensor(np.zeros((6, 3)), requires_grad=True)

        def closure():
            z = X @ w
            loss = mg.cross_entropy(z, LABELS) + 0.01 * (w * w).sum()
            return (loss, z) if curvature == "gauss-newton" else loss

        opt = optim.NewtonCG([w], curvature=curvature, max_iter=3)
        opt.step(closure)
        runs.append(w.data)
    np.testing.assert_allclose(*runs, atol=1e-9)


@pytest.mark.parametrize("name", ["newton-cg", "gauss-newton"])
def test_curvature_of_a_part_of_the_batch(name):
    model, opt, closure = build(name, max_iter=8)
    calls = []
    part = closure_of(model, name, X[:20])
    before = opt.step(closure, curvature=lambda: calls.append(1) or part())
    after = closure()
    assert 8 <= len(calls) <= 9 and (after[0] if name == "gauss-newton" else after).item() < before
    whole, other, closure = build(name, max_iter=8)
    other.step(closure, curvature=closure_of(whole, name))
    plain, third, closure = build(name, max_iter=8)
    third.step(closure)
    for a, b in zip(values(whole), values(plain)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_preconditioner_saves_products():
    a = np.geomspace(1, 1e4, 30)

    def run(**options):
        p = mg.tensor(np.ones(30), requires_grad=True)
        opt = optim.NewtonCG([p], forcing=1e-6, gtol=1e-6, **options)
        opt.step(lambda: (a * (p * p + 0.1 * p**4)).sum())
        return opt

    plain, helped = run(), run(preconditioner=lambda: [a])
    assert plain.status == helped.status == "converged" and helped.counts.n_hvp < 0.5 * plain.counts.n_hvp


def test_damping_follows_the_model():
    p = mg.tensor(np.array([-1.2, 1.0]), requires_grad=True)
    opt = optim.NewtonCG([p], damping=1.0, max_iter=200, gtol=1e-8)
    opt.step(lambda: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2)
    assert opt.status == "converged" and opt._memory["lambda"] < 0.1
    np.testing.assert_allclose(p.data, 1, atol=1e-6)


@pytest.mark.slow
def test_a_thousand_products_leave_nothing_behind():
    w = mg.tensor(np.zeros((6, 3)), requires_grad=True)
    opt = optim.NewtonCG([w], max_iter=1, forcing=0.0, max_products=50, gtol=0)

    def closure():
        return mg.cross_entropy(X @ w, LABELS) + 0.01 * (w * w).sum()

    gc.collect()
    gc.disable()
    try:
        for step in range(24):
            if step == 3:  # whatever is kept once is there by now
                tracemalloc.start()
                before, n_hvp = tracemalloc.get_traced_memory()[0], opt.counts.n_hvp
            opt.step(closure)
            w.data = np.full((6, 3), 0.1 * step)
        grown, peak = (m - before for m in tracemalloc.get_traced_memory())
    finally:
        tracemalloc.stop()
        gc.enable()
    assert opt.counts.n_hvp - n_hvp >= 1000
    assert grown < 200_000 and peak < 1_000_000


# ---- saving, messages --------------------------------------------------------------------------------------------------


def test_states_that_do_not_fit_are_refused():
    _, opt, closure = build("lbfgs", max_iter=3)
    opt.step(closure)
    state = opt.state_dict()
    _, bfgs, _ = build("bfgs")
    with pytest.raises(ValueError, match=r"unexpected: descent\.memory\.s \(bfgs has"):
        bfgs.load_state_dict(state)
    _, other, _ = build("lbfgs")
    with pytest.raises(ValueError, match=r"missing: descent\.x"):
        other.load_state_dict({k: v for k, v in state.items() if k != "descent.x"})
    assert other.n_iter == 0 and other.steps == 0


@pytest.mark.parametrize(
    "options, text",
    [
        ({"max_iter": 0}, "max_iter is 0"),
        ({"max_evaluations": 0}, "max_evaluations is 0"),
        ({"gtol": -1}, "gtol is -1"),
        ({"on_noise": "cry"}, "on_noise is 'cry'; it must be"),
        ({"weight_decay": -1}, "weight_decay is -1"),
        ({"history_size": 0}, "history_size is 0"),
        ({"on_reject": "cry"}, "on_reject is 'cry'; it must be"),
    ],
)
def test_options_out_of_range(options, text):
    with pytest.raises(ValueError, match=text):
        optim.LBFGS([mg.tensor([1.0], requires_grad=True)], **options)


def test_options_of_the_others():
    p = mg.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="curvature is 'fisher'; it must be"):
        optim.NewtonCG([p], curvature="fisher")
    with pytest.raises(ValueError, match="damping is -1"):
        optim.NewtonCG([p], damping=-1)
    with pytest.raises(ValueError, match="max_products is 0"):
        optim.NewtonCG([p], max_products=0)
    with pytest.raises(TypeError, match="LBFGS: step needs a closure"):
        optim.LBFGS([p]).step((p * p).sum())
    for bad, text in ((-1.0, r"preconditioner returned -1.0; all of it must be > 0"), (np.ones(2), "2 numbers; .* 1")):
        with pytest.raises(ValueError, match=text):
            optim.NewtonCG([p], preconditioner=lambda bad=bad: [np.array(bad)]).step(lambda: (p**4).sum())
    assert optim.LBFGS([p], max_iter=np.int64(3), history_size=np.int32(2)).max_iter == 3
    with pytest.raises(ValueError, match="'lr'"):
        optim.LBFGS([{"params": [p], "lr": 0.1}])
    p.requires_grad = False
    with pytest.raises(ValueError, match="every parameter is frozen"):
        optim.LBFGS([p]).step(lambda: (p * p).sum())
    assert set(descent.METHODS) == {"newton", "bfgs", "lbfgs", "cg", "newton-cg", "trust-ncg"}
