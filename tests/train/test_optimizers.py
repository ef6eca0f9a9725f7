"""`fit` with every optimizer: those that need a closure get one, one of another model is refused, none goes unnoticed."""

import inspect
import warnings

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn, optim, train

RNG = np.random.default_rng(0)
X = RNG.standard_normal((24, 4))
Y = (X[:, 0] > X[:, 1]).astype(np.int64)
FULL, HALVES = [(X, Y)], [(X[:12], Y[:12]), (X[12:], Y[12:])]


def network(*between):
    return nn.Sequential(nn.Linear(4, 3, rng=0), *between, nn.Tanh(), nn.Linear(3, 2, rng=1)).astype("float64")


def fitted(net, opt, batches=FULL, epochs=2, **options):
    return train.fit(net, opt, batches, epochs=epochs, progress=False, **options)


# ---- of which model ---------------------------------------------------------------------------------------------------


def test_an_optimizer_of_another_model_is_refused():
    net, other = network(), network()
    with pytest.raises(
        ValueError, match=r"fit: this SGD holds none of the 4 parameters of this Sequential; give SGD\(mod"
    ):
        fitted(net, optim.SGD(other.parameters(), 0.1))
    with pytest.raises(ValueError, match="none of the 0 parameters of this ReLU"):
        fitted(nn.ReLU(), optim.SGD(other.parameters(), 0.1))


@cases(25)
@given(st.lists(st.booleans(), min_size=8, max_size=8), st.booleans())
def test_parameters_that_are_not_held_are_named(flags, extra):
    """Any part of the parameters held, any frozen: a warning for those that require grad and are not held, once."""
    net = network()
    named, (held, learns) = net.named_parameters(), (flags[:4], flags[4:])
    for (_, p), flag in zip(named, learns):
        p.requires_grad = flag
    params = [p for (_, p), flag in zip(named, held) if flag]
    opt = optim.SGD([*params, *([nn.Parameter(np.ones(1))] if extra or not params else [])], 0.1)
    left = [path for (path, _), h, g in zip(named, held, learns) if g and not h]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if not params:
            with pytest.raises(ValueError, match="fit: this SGD holds none"):
                fitted(net, opt)
        elif any(learns):
            fitted(net, opt)
    said = [str(w.message) for w in caught]
    assert len(said) == bool(params and any(learns) and left)
    for text in said:
        assert all(path in text for path in left[:3]) and ("1 more" in text) == (len(left) > 3)
        assert caught[0].filename == __file__


# ---- closures ---------------------------------------------------------------------------------------------------------

CLOSED = {
    "Nesterov": lambda ps: optim.Nesterov(ps, 0.1),
    "Newton": lambda ps: optim.Newton(ps, max_iter=2),
    "BFGS": lambda ps: optim.BFGS(ps, max_iter=3),
    "LBFGS": lambda ps: optim.LBFGS(ps, max_iter=3),
    "NonlinearCG": lambda ps: optim.NonlinearCG(ps, max_iter=3),
    "NewtonCG": lambda ps: optim.NewtonCG(ps, max_iter=2),
    "NewtonCG, Gauss-Newton": lambda ps: optim.NewtonCG(ps, max_iter=2, curvature="gauss-newton", damping=0.1),
    "TrustRegionNewtonCG": lambda ps: optim.TrustRegionNewtonCG(ps, max_iter=2),
    "SQN": lambda ps: optim.SQN(ps, 0.1, every=1),
    "SQN, Gauss-Newton": lambda ps: optim.SQN(ps, 0.1, every=1, gauss_newton=True),
    "AdaHessian": lambda ps: optim.AdaHessian(ps, lambda step: 0.1 / (1 + step)),
    "Sophia": lambda ps: optim.Sophia(ps, 0.1, every=1),
    "Sophia, Hutchinson": lambda ps: optim.Sophia(ps, 0.1, every=1, hutchinson=True),
}


def test_every_optimizer_that_needs_a_closure_is_here():
    kinds = [k for k in vars(optim).values() if inspect.isclass(k) and issubclass(k, optim.Optimizer)]
    for kind in set(kinds) - {optim.Optimizer}:
        opt = kind([nn.Parameter(np.ones(2))], **({"lr": 0.1} if "lr" in kind.hyperparameters else {}))
        assert opt.needs_closure == any(name.split(",")[0] == kind.__name__ for name in CLOSED)
        if not opt.needs_closure:
            opt.step()  # needs none


def by_hand(net, opt, batches, epochs):
    for _ in range(epochs):
        for x, y in batches:

            def closure(x=x, y=y):
                outputs = net(x)
                loss = mg.cross_entropy(outputs, y)
                return (loss, outputs) if opt.needs_outputs else loss

            opt.step(closure)
    return net


@pytest.mark.parametrize("name", CLOSED)
def test_a_step_is_that_of_a_loop_of_ones_own(name):
    net, hand = network(), network()
    records = fitted(net, CLOSED[name](net.parameters()), epochs=3)
    by_hand(hand, CLOSED[name](hand.parameters()), FULL, 3)
    assert all(np.array_equal(p.data, q.data) for p, q in zip(net.parameters(), hand.parameters()))
    assert records[0]["loss"] == mg.cross_entropy(network()(X), Y).item() > records[-1]["loss"]
    assert ("lr" in records[0]) == ("lr" in CLOSED[name](net.parameters()).defaults)


@pytest.mark.parametrize("name", CLOSED)
def test_accumulated_batches_are_one(name):
    """The loss is the mean over the same samples: to first order in round-off, whatever the method makes of it in a step."""
    few, many = network(), network()
    make = (
        CLOSED[name] if "max_iter" not in inspect.signature(type(CLOSED[name](few.parameters()))).parameters else None
    )
    for net, batches, options in ((few, FULL, {}), (many, HALVES, {"accumulate": 2})):
        opt = CLOSED[name](net.parameters())
        if make is None:
            opt.max_iter = 1
        records = fitted(net, opt, batches, epochs=1, **options)
        assert opt.steps == 1 and records[0]["accuracy"] == (network()(X).data.argmax(1) == Y).mean()
    for p, q in zip(few.parameters(), many.parameters()):
        np.testing.assert_allclose(p.data, q.data, rtol=1e-9, atol=1e-9)  # ε times a condition number below 10⁶


@pytest.mark.parametrize("name", CLOSED)
def test_buffers_and_draws_are_those_of_one_evaluation(name):
    """However often a method evaluates the loss, the model has seen each batch once."""
    net = network(nn.BatchNorm1d(3), nn.Dropout(0.2, rng=3))
    opt = CLOSED[name](net.parameters())
    if hasattr(opt, "on_noise"):
        opt.on_noise = "allow"
    fitted(net, opt, HALVES, epochs=1)
    assert net[1].num_batches_tracked.item() == 2
    first = network(nn.BatchNorm1d(3))
    first(X[:12])
    once = network(nn.BatchNorm1d(3), nn.Dropout(0.2, rng=3))
    fitted(once, CLOSED[name](once.parameters()), HALVES[:1], epochs=1)
    assert np.array_equal(once[1].running_mean.data, first[1].running_mean.data)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSED)
def test_a_resumed_run_equals_the_whole_one(name, tmp_path):
    def run(epochs, **options):
        net = network()
        fitted(net, CLOSED[name](net.parameters()), epochs=epochs, **options)
        return net.state_dict()

    run(2, out=tmp_path)
    resumed, whole = run(4, out=tmp_path, resume=True), run(4)
    assert all(np.array_equal(resumed[k], whole[k]) for k in whole)


def test_a_limit_on_iterations_is_among_the_settings(tmp_path):
    net = network()
    fitted(net, optim.LBFGS(net.parameters(), max_iter=2), out=tmp_path)
    with pytest.raises(train.CheckpointError, match=r"optimizer.max_iter: 2 in the checkpoint, 5 here"):
        fitted(net, optim.LBFGS(net.parameters(), max_iter=5), out=tmp_path, resume=True, epochs=3)


def test_what_an_optimizer_with_a_closure_does_not_take():
    net = network()
    opt = optim.LBFGS(net.parameters())
    with pytest.raises(
        ValueError, match=r"fit: clip_norm is 1.0, but LBFGS evaluates the loss .* itself.*; leave it out"
    ):
        fitted(net, opt, clip_norm=1.0)
    with pytest.raises(ValueError, match=r"before the step, but LBFGS evaluates.*; use after_step"):
        fitted(net, opt, callbacks=[train.before_step(lambda state: None)])
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1"):
        fitted(net, opt, [(X * np.nan, Y)])
    seen = []
    fitted(net, opt, callbacks=[train.after_step(lambda state: seen.append(state.loss))])
    assert len(seen) == 2 and seen[1] < seen[0]
    with pytest.raises(ValueError, match="lr_range: the step of LBFGS needs a closure"):
        train.lr_range(net, opt, FULL)
    with pytest.raises(ValueError, match="snapshots: LBFGS has no lr"):
        train.snapshots(net, opt, FULL, cycles=1, epochs=1)


# ---- accuracy -----------------------------------------------------------------------------------------------------------


@st.composite
def targets(draw):
    """(outputs, labels, how many are right or None)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, k = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    outputs, classes = rng.standard_normal((n, k)).astype("f4"), rng.integers(0, k, n)
    right = int((outputs.argmax(1) == classes).sum()) if k > 1 else None
    kind = draw(
        st.sampled_from(["classes", "distributions", "one-hot", "values", "vector", "outside", "floats", "flat"])
    )
    if kind == "distributions":
        mixed = np.eye(k)[classes] * 0.8 + 0.2 / k
        return outputs, mixed.astype(draw(st.sampled_from("efd"))), right
    outside = classes.copy()
    outside[rng.integers(n)] = draw(st.sampled_from([-1, k, 255]))
    return {
        "classes": (outputs, classes.astype(draw(st.sampled_from("bBhil"))), right),
        "one-hot": (outputs, np.eye(k, dtype=draw(st.sampled_from("lf")))[classes], right),
        "values": (outputs, rng.standard_normal((n, k)) + 3, None),
        "vector": (outputs, rng.standard_normal(n), None),
        "outside": (outputs, outside, None),
        "floats": (outputs, classes.astype("f4"), None),
        "flat": (outputs[:, 0], classes, None),
    }[kind]


@cases(60)
@given(targets(), targets())
def test_there_is_an_accuracy_where_there_are_classes(one, other):
    def run(*batches):
        """Each x is its own output."""
        loss = lambda outputs, y: (outputs * outputs).mean()  # noqa: E731
        tested = train.evaluate(nn.Identity(), [(x, y) for x, y, _ in batches], loss)
        net = nn.Module()
        net.scale, net.forward = nn.Parameter(np.ones(1, "f4")), lambda x: x * net.scale
        data = [(x, y) for x, y, _ in batches]
        records = train.fit(net, optim.SGD([net.scale], 0.0), data, data, epochs=1, loss=loss, progress=False)
        assert records[0].get("accuracy") == records[0].get("test_accuracy") == tested.accuracy
        return tested.accuracy

    assert run(one) == (None if one[2] is None else one[2] / len(one[1]))
    both = None if one[2] is None or other[2] is None else (one[2] + other[2]) / (len(one[1]) + len(other[1]))
    assert run(one, other) == both


@pytest.mark.slow
def test_who_reads_an_accuracy_gets_along_without(tmp_path, capsys):
    from minigrad import viz

    def run(*callbacks, progress=False):
        net, target = nn.Linear(4, 1, rng=0), X[:, :1].astype("f4")
        batches = [(X.astype("f4"), target)]
        opt = optim.SGD(net.parameters(), 0.1)
        return train.fit(net, opt, batches, batches, epochs=2, loss=mg.mse_loss, callbacks=callbacks, progress=progress)

    records = run(
        train.CSVLog(tmp_path / "log.csv"), train.TensorBoardLog(tmp_path), train.EarlyStopping(), progress=True
    )
    assert not any("accuracy" in key for r in records for key in r)
    head, rule, *rows = repr(records).splitlines()
    assert (
        head.split() == list(records[0]) and rule == "-" * len(head) and [row.split()[0] for row in rows] == ["1", "2"]
    )
    assert "accuracy" not in (tmp_path / "log.csv").read_text() and "accuracy" not in capsys.readouterr().err
    assert len(viz.curves(records).axes) == 1
    with pytest.raises(KeyError, match=r"no 'test_accuracy'.* and classes"):
        run(train.EarlyStopping("test_accuracy"))


def test_an_empty_evaluation_says_which():
    net, once = network(), iter(FULL)
    for batches in ([], iter([]), [(X[:0], Y[:0])]):
        loss = lambda outputs, y: (outputs * 0.0).sum()  # noqa: E731
        with pytest.raises(ValueError, match="evaluate: batches gave no samples; give a Loader or a list"):
            train.evaluate(net, batches, loss)
        with pytest.raises(ValueError, match="fit: test, in epoch 1, gave no samples"):
            fitted(net, optim.SGD(net.parameters(), 0.1), test=batches, loss=loss)
    with pytest.raises(ValueError, match="fit: test, in epoch 2, gave no samples"):
        fitted(net, optim.SGD(net.parameters(), 0.1), test=once)
    with pytest.raises(ValueError, match="predict: batches gave no samples"):
        train.predict(net, [])
    with pytest.raises(ValueError, match="fit: a batch of train has no samples, in epoch 1, step 2"):
        fitted(net, optim.SGD(net.parameters(), 0.1), [*FULL, (X[:0], Y[:0])])


@pytest.mark.parametrize("name", ["epochs", "accumulate", "checkpoint_every", "clip_norm"])
@pytest.mark.parametrize("value", ["3", 2.5j, -1, np.nan])
def test_numbers_of_fit_are_named_with_their_type(name, value, tmp_path):
    net = network()
    with pytest.raises(ValueError, match=rf"fit: {name} is ") as error:
        fitted(net, optim.SGD(net.parameters(), 0.1), **{"epochs": 1, "out": tmp_path, name: value})
    assert isinstance(value, int | float) or type(value).__name__ in str(error.value)
