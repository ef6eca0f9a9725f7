"""The doctor: each planted ill is named as the first likely cause, the healthy are let go, all are left as they were."""

import copy

import numpy as np
import pytest
from click.testing import CliRunner

import minigrad as mg
from minigrad import data, lab, nn, optim, train
from minigrad.cli import main
from minigrad.gradcheck import gradcheck
from minigrad.lab.doctor import checks, doctor
from minigrad.nn.modes import generators

X, Y = (a[:320] for a in data.digits().train[:])


def net(*, norm=False, last=None, drop=0.0, seed=0):
    rng = np.random.default_rng(seed)
    layers = [nn.Flatten(), nn.Linear(64, 32, rng=rng)]
    layers += [nn.BatchNorm1d(32)] * norm
    layers += [nn.ReLU(), *([nn.Dropout(drop, rng=seed)] if drop else []), nn.Linear(32, 10, rng=rng)]
    return nn.Sequential(*layers, *([last] if last else []))


def trained(model, optimizer, *, zero=True, eval_mode=False):
    """A training step as a user writes it, perhaps with a mistake."""

    def step(x, y):
        model.train(not eval_mode)
        loss = mg.cross_entropy(model(x), y)
        if zero:
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


HEALTHY = {
    "an MLP": lambda: net(),
    "batch norm and dropout": lambda: net(norm=True, drop=0.3),
    "a residual network with stochastic depth": lambda: lab.DigitsNet(width=8, stochastic_depth=0.3, rng=0),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_the_healthy_are_let_go(name):
    found = doctor(HEALTHY[name](), X, Y)
    assert (
        found.ok and found.cause == "" and found.failed == [] and "Healthy: all 13 checks" in str(found) == repr(found)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [lambda p: optim.SGD(p, 0.1), lambda p: optim.SGD(p, 0.05, 0.9), lambda p: optim.AdamW(p, 3e-3),
     lambda p: optim.Adam(p, optim.schedules.one_cycle(5e-3, 1000, start=0))],
    ids=["SGD", "momentum", "AdamW", "a schedule that warms up"],
)  # fmt: skip
def test_rates_in_use_raise_no_alarm(rule):
    model = net(norm=True)
    assert doctor(model, X, Y, optimizer=rule(model.parameters())).failed == []


def dead_relus():
    model = net()
    model[1].bias.data = np.full(32, -20, np.float32)
    return model, {}


def rate_too_high(rule, lr):
    model = net(norm=True)
    optimizer = rule(model.parameters(), lr)
    return model, {"optimizer": optimizer, "step": trained(model, optimizer)}


def forgotten_zero_grad():
    model = net(norm=True)
    optimizer = optim.SGD(model.parameters(), 0.05)
    return model, {"optimizer": optimizer, "step": trained(model, optimizer, zero=False)}


def zero_grad_afterwards():
    model = net()
    optimizer = optim.Adam(model.parameters(), 1e-3)

    def step(x, y):
        mg.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()

    return model, {"optimizer": optimizer, "step": step}


@pytest.mark.slow
def test_where_in_the_step_gradients_are_forgotten_does_not_matter():
    model, options = zero_grad_afterwards()
    assert doctor(model, X, Y, **options).ok


def left_in_eval():
    model = net(norm=True)
    optimizer = optim.Adam(model.parameters(), 1e-3)
    return model, {"optimizer": optimizer, "step": trained(model, optimizer, eval_mode=True)}


ILLS = {
    "a dead-ReLU initialisation": (dead_relus, "dead relus", "dead relus from the initialisation"),
    "a rate 100 times too high, Adam": (lambda: rate_too_high(optim.Adam, 0.1), "learning rate", "rate is too high"),
    "a rate 100 times too high, SGD": (lambda: rate_too_high(optim.SGD, 20.0), "learning rate", "rate is too high"),
    "a rate 1000 times too low": (lambda: rate_too_high(optim.SGD, 1e-4), "learning rate", "rate is too low"),
    "labels shuffled": (lambda: (net(), {"y": np.random.default_rng(0).permutation(Y)}), "labels", "do not go with the inputs"),
    "softmax applied twice": (lambda: (net(last=nn.Softmax()), {}), "outputs", "softmax is applied twice"),
    "a forgotten zero_grad": (forgotten_zero_grad, "old gradients", "zero_grad was forgotten"),
    "batch norm left in eval, by the step": (left_in_eval, "batch norm", "left in eval mode"),
    "batch norm left in eval, by the model": (lambda: (net(norm=True).eval(), {}), "batch norm", "model.train()"),
    "inputs that are not normalised": (lambda: (net(), {"x": 255 * X}), "inputs", "not normalised"),
    "inputs that are not finite": (lambda: (net(), {"x": np.where(X > 0.99, np.nan, X)}), "inputs", "not finite"),
    "a penalty of the wrong sign": (lambda: (net(), {"penalty": lambda m: -1e-4 * nn.l2_penalty(m)}), "regularisation", "does not raise"),
    "a last layer that starts too large": (lambda: (loud(), {}), "initial loss", "last layer starts too large"),
    "a step on other labels": (lambda: other_labels(), "few by heart", "something else than this loss"),
}  # fmt: skip


def loud():
    model = net()
    model[3].weight.data = 100 * model[3].weight.data
    return model


def other_labels():
    model, rng = net(), np.random.default_rng(0)
    optimizer = optim.Adam(model.parameters(), 1e-3)
    right = trained(model, optimizer)
    return model, {"optimizer": optimizer, "step": lambda x, y: right(x, rng.permutation(y))}


@pytest.mark.slow
@pytest.mark.parametrize("ill", ILLS)
def test_a_planted_ill_is_named_first(ill):
    make, check, cause = ILLS[ill]
    model, options = make()
    options = dict(options)
    found = doctor(model, options.pop("x", X), options.pop("y", Y), **options)
    assert found.failed[0] == check and cause in found.cause, str(found)
    assert cause in " ".join(str(found).split())


@pytest.mark.slow
def test_a_wrong_derivative_is_named():
    @mg.primitive
    def half_wrong(x):
        return x * 1.5

    mg.elementwise(half_wrong, lambda y, x: 1.4)
    wrong = type("Wrong", (nn.Module,), {"forward": lambda self, x: half_wrong(x)})()
    found = doctor(nn.Sequential(net(), wrong), X, Y)
    assert found.failed == ["gradient of the loss"] and "rule of half_wrong" in found.cause


@pytest.mark.slow
def test_depth_that_swallows_the_signal_is_named():
    rng = np.random.default_rng(0)
    layers = [layer for _ in range(8) for layer in (nn.Linear(64, 64, rng=rng), nn.Tanh())]
    model = nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10, rng=rng))
    for layer in list(model)[1:-1:2]:
        layer.weight.data, layer.bias.data = 0.2 * layer.weight.data, 0 * layer.bias.data
    found = doctor(model, X, Y)
    assert found.failed[0] == "scales" and "vanish with depth" in found.cause
    activations = [layer.activation for layer in found.layers]
    assert activations[-2] < 1e-3 * activations[0]


def state(model, optimizer):
    arrays = [
        *(p.data for p in model.parameters()),
        *(b.data for b in model.buffers()),
        *optimizer.state_dict().values(),
    ]
    return (
        [a.tobytes() for a in arrays], [m.training for m in model.modules()], [p.grad is None for p in model.parameters()],
        [p.requires_grad for p in model.parameters()], {k: rng.bit_generator.state for k, rng in generators(model).items()},
    )  # fmt: skip


@pytest.mark.slow
def test_everything_is_left_as_it_was():
    model = net(norm=True, drop=0.5)
    model[1].bias.requires_grad = False
    model[2].training = False
    optimizer = optim.Adam(model.parameters(), 1e-3)
    trained(model, optimizer)(X[:32], Y[:32])
    model[2].training = False
    before = copy.deepcopy(state(model, optimizer))
    doctor(model, X, Y, optimizer=optimizer, step=trained(model, optimizer))
    assert state(model, optimizer) == before and optimizer.param_groups[0]["lr"] == 1e-3


@pytest.mark.slow
def test_what_the_layers_show_is_what_is_there():
    model = net()
    layers = doctor(model, X, Y).layers
    assert [layer.name for layer in layers] == ["1", "relu after 1", "3"]
    order = np.random.default_rng(0).permutation(len(X))[len(X) // 5 :][:128]
    w, b = model[1].weight.data, model[1].bias.data
    hidden = X[order].reshape(128, 64) @ w.T + b
    assert np.isclose(layers[0].activation, hidden.std(), rtol=1e-4)
    assert layers[1].dead == ((hidden <= 0).all(0)).mean()
    p = np.exp(logits := np.maximum(hidden, 0) @ model[3].weight.data.T + model[3].bias.data)
    slope = (p / p.sum(1, keepdims=True) - np.eye(10)[Y[order]]) / 128
    assert logits.shape == layers[2].shape and np.isclose(layers[2].gradient, np.sqrt((slope**2).mean()), rtol=1e-4)


@pytest.mark.slow
def test_the_gradient_checks_hold_the_masks_of_dropout():
    model = net(drop=0.5)
    found = doctor(model, X, Y)
    assert found.finding("gradient of the loss").ok and model[3].training
    assert gradcheck(model, X[:4], Y[:4]).ok  # as it was, and still drawing


@pytest.mark.parametrize(
    ("change", "said"),
    [({"y": Y.astype(float)}, "their classes, integers"), ({"x": X[:5]}, "at least 20 samples"),
     ({"step": lambda x, y: None}, "without its optimizer"), ({"y": Y + 5}, "a number for each class")],
    ids=["float labels", "lengths", "a step alone", "labels beyond the outputs"],
)  # fmt: skip
def test_what_cannot_be_examined_is_refused(change, said):
    arguments = {"x": X, "y": Y} | change
    with pytest.raises(ValueError, match=said):
        doctor(net(), **arguments)


def test_an_optimizer_without_a_rate_is_refused():
    model = net()
    with pytest.raises(TypeError, match="LBFGS has no learning rate"):
        doctor(model, X, Y, optimizer=optim.LBFGS(model.parameters()))


@pytest.mark.slow
def test_a_frozen_model_is_refused_and_frozen_batch_norm_is_no_ill():
    with pytest.raises(ValueError, match="nothing to train"):
        doctor(net().requires_grad_(False), X, Y)
    model = net(norm=True)
    train.freeze(model, "2")
    assert doctor(model, X, Y).finding("batch norm").measured == "there is none to train"


@pytest.mark.slow
def test_few_samples_tell_nothing_of_labels():
    assert "too few to tell" in doctor(net(), X[:30], Y[:30]).finding("labels").measured
    assert [check.__name__ for check in checks.CHECKS][:3] == ["inputs", "labels", "double_softmax"]


# ---- the command

MODELS = """
import numpy as np
import minigrad as mg
from minigrad import data, nn, optim

x, y = data.digits().train[:120]

def healthy():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32, rng=0), nn.ReLU(), nn.Linear(32, 10, rng=1)), x, y

def forgetful():
    model, x, y = healthy()
    optimizer = optim.SGD(model.parameters(), 0.05)
    def step(x, y):
        mg.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, x, y, optimizer, step

def unlabelled():
    return healthy()[:2]

def tiny():
    model, x, y = healthy()
    return model, x[:3], y[:3]
"""


def run(*args, code=0):
    done = CliRunner().invoke(main, ["doctor", *map(str, args)])
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.slow
def test_the_command_reports_and_exits_with_1_on_findings(tmp_path):
    (tmp_path / "models.py").write_text(MODELS)
    assert "Healthy: all 13 checks" in run(f"{tmp_path}/models.py:healthy")
    assert "zero_grad was forgotten" in run(f"{tmp_path}/models.py:forgetful", code=1)
    assert "rate is too high" in run(f"{tmp_path}/models.py:healthy", "--lr", 0.3, code=1)
    assert "it must return (model, x, labels)" in run(f"{tmp_path}/models.py:unlabelled", code=2)
    assert "at least 20 samples" in run(f"{tmp_path}/models.py:tiny", code=1)
    assert "is none of digits" in run("resnet9", code=2)


@pytest.mark.slow
def test_the_command_examines_the_librarys_models_on_the_digits():
    said = run("lenet")
    assert "Healthy" in said and "relu after conv2" in said and "(128, 16, 4, 4)" in said
