"""First-order rules, schedules and clipping beside PyTorch's of the same name: 50 steps, to 1e-10, in float64."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import optim
from minigrad.optim import schedules

torch = pytest.importorskip("torch")
T = torch.optim


@pytest.fixture(autouse=True)
def _double():
    """PyTorch keeps counts and NAdam's product in the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


RULES = {
    "sgd": (optim.SGD, T.SGD, {"lr": 0.05}, {}),
    "sgd-decay": (optim.SGD, T.SGD, {"lr": 0.05, "weight_decay": 0.1}, {}),
    "sgd-momentum": (optim.SGD, T.SGD, {"lr": 0.02, "momentum": 0.9, "dampening": 0.3}, {}),
    "sgd-nesterov": (optim.SGD, T.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {}),
    "momentum": (optim.Momentum, T.SGD, {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}, {}),
    "nesterov": (optim.Nesterov, T.SGD, {"lr": 0.02, "momentum": 0.9}, {"shifted": True, "!nesterov": True}),
    "adagrad": (optim.AdaGrad, T.Adagrad, {"lr": 0.1, "eps": 1e-7, "weight_decay": 0.1}, {}),
    "adagrad-decay": (optim.AdaGrad, T.Adagrad, {"eps": 1e-10}, {"lr": schedules.inverse(0.1, 0.2), "!lr": 0.1, "!lr_decay": 0.2}),
    "rmsprop": (optim.RMSProp, T.RMSprop, {"lr": 0.01}, {}),
    "rmsprop-all": (
        optim.RMSProp, T.RMSprop, {"lr": 0.01, "momentum": 0.9, "centered": True, "eps": 1e-3, "weight_decay": 0.1},
        {"rho": 0.9, "!alpha": 0.9},
    ),
    "rmsprop-centered": (optim.RMSProp, T.RMSprop, {"lr": 0.01, "centered": True}, {}),
    "rmsprop-momentum": (optim.RMSProp, T.RMSprop, {"lr": 0.01, "momentum": 0.5}, {}),
    "rprop": (optim.Rprop, T.Rprop, {}, {}),
    "rprop-options": (optim.Rprop, T.Rprop, {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-2, 0.3)}, {}),
    "asgd": (optim.ASGD, T.ASGD, {}, {}),
    "asgd-options": (optim.ASGD, T.ASGD, {"lr": 0.05, "lambd": 0.3, "alpha": 0.5, "t0": 10, "weight_decay": 0.1}, {}),
    "adafactor": (optim.Adafactor, T.Adafactor, {}, {}),
    "adafactor-options": (
        optim.Adafactor, T.Adafactor,
        {"lr": 0.5, "beta2_decay": -0.5, "eps": (1e-3, 1e-2), "d": 1.5, "weight_decay": 0.2}, {},
    ),
    "maximize": (optim.SGD, T.SGD, {"lr": 0.002, "momentum": 0.5, "weight_decay": 0.1, "maximize": True}, {}),
    "adam-maximize": (optim.Adam, T.Adam, {"lr": 0.02, "weight_decay": 0.1, "maximize": True}, {}),
    "adadelta": (optim.Adadelta, T.Adadelta, {"weight_decay": 0.1}, {}),
    "adadelta-options": (optim.Adadelta, T.Adadelta, {"lr": 0.5, "rho": 0.7, "eps": 1e-3}, {}),
    "adam": (optim.Adam, T.Adam, {}, {}),
    "adam-options": (optim.Adam, T.Adam, {"lr": 0.05, "betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.1}, {}),
    "adam-decoupled": (optim.Adam, T.Adam, {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}, {}),
    "amsgrad": (optim.Adam, T.Adam, {"lr": 0.05, "betas": (0.8, 0.5), "amsgrad": True}, {}),
    "adamw": (optim.AdamW, T.AdamW, {"lr": 0.05}, {}),
    "adamw-options": (optim.AdamW, T.AdamW, {"lr": 0.05, "betas": (0.7, 0.9), "weight_decay": 0.3, "amsgrad": True}, {}),
    "adamax": (optim.Adamax, T.Adamax, {"lr": 0.05, "weight_decay": 0.1}, {}),
    "nadam": (optim.NAdam, T.NAdam, {"lr": 0.05, "weight_decay": 0.1}, {}),
    "nadam-options": (
        optim.NAdam, T.NAdam,
        {"betas": (0.7, 0.9), "momentum_decay": 0.1, "weight_decay": 0.3, "decoupled_weight_decay": True}, {},
    ),
    "radam": (optim.RAdam, T.RAdam, {"lr": 0.05}, {}),
    "radam-options": (
        optim.RAdam, T.RAdam,
        {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.3, "decoupled_weight_decay": True}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    """On a bumpy function of two tensors; the second has no gradient at every third step."""
    rule, rule_t, options, differing = RULES[name]
    ours = options | {k: v for k, v in differing.items() if not k.startswith("!")}
    theirs = options | {k[1:]: v for k, v in differing.items() if k.startswith("!")}
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=3)
    ps = [mg.tensor(a, requires_grad=True), mg.tensor(b, requires_grad=True)]
    qs = [torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)]
    opt, opt_t = rule(ps, **ours), rule_t(qs, **theirs)
    for k in range(50):
        opt.zero_grad(), opt_t.zero_grad()
        if k % 3 == 2 and "lr_decay" not in theirs:  # that counts a parameter's updates, a schedule counts steps
            loss, loss_t = (mg.sin(ps[0]) * 3).sum() + (ps[0] ** 2).mean(), (torch.sin(qs[0]) * 3).sum()
            loss_t = loss_t + (qs[0] ** 2).mean()
        else:
            loss, loss_t = (mg.sin(ps[0] * ps[1]) + ps[1] ** 2).sum(), (torch.sin(qs[0] * qs[1]) + qs[1] ** 2).sum()
        loss.backward(), loss_t.backward()
        opt.step(), opt_t.step()
        for p, q in zip(ps, qs):
            np.testing.assert_allclose(p.data, q.detach().numpy(), err_msg=f"step {k}", rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", [(6, 4), (3, 5)])
@pytest.mark.parametrize(
    "options, theirs",
    [({}, {}), ({"lr": 0.1, "nesterov": False, "match_adamw": True}, {"adjust_lr_fn": "match_rms_adamw"})],
)
def test_muon_but_for_bfloat16(shape, options, theirs, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)  # it iterates in that; keep float64
    rng = np.random.default_rng(6)
    p = mg.tensor(rng.normal(size=shape), requires_grad=True)
    q = torch.tensor(p.data.copy(), requires_grad=True)
    theirs = {k: v for k, v in options.items() if k != "match_adamw"} | theirs
    opt, opt_t = optim.Muon([p], **options), T.Muon([q], **theirs)
    for _ in range(50):
        p.grad = rng.normal(size=shape)
        q.grad = torch.tensor(p.grad)
        opt.step(), opt_t.step()
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_groups():
    rng = np.random.default_rng(7)
    ps = [mg.tensor(rng.normal(size=3), requires_grad=True) for _ in range(2)]
    qs = [torch.tensor(p.data.copy(), requires_grad=True) for p in ps]
    opt, opt_t = (
        rule([{"params": xs[:1], "lr": 0.1}, {"params": xs[1:], "weight_decay": 0.5}], lr=0.01, momentum=0.9)
        for rule, xs in ((optim.SGD, ps), (T.SGD, qs))
    )
    for k in range(20):
        if k == 10:
            opt.param_groups[0]["lr"] = opt_t.param_groups[0]["lr"] = 0.02
        loss, loss_t = ((x[0] * x[1] - 1) ** 2 for x in (ps, qs))
        opt.zero_grad(), opt_t.zero_grad()
        loss.sum().backward(), loss_t.sum().backward()
        opt.step(), opt_t.step()
        for p, q in zip(ps, qs):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-10, atol=1e-12)


S = T.lr_scheduler
SCHEDULES = {
    "step": (schedules.step_decay(0.5, 7, 0.3), lambda o: S.StepLR(o, 7, 0.3)),
    "multi-step": (schedules.multi_step(0.5, [3, 11, 12], 0.3), lambda o: S.MultiStepLR(o, [3, 11, 12], 0.3)),
    "exponential": (schedules.exponential(0.5, -math.log(0.9)), lambda o: S.ExponentialLR(o, 0.9)),
    "polynomial": (schedules.polynomial(0.5, 20, 2.0), lambda o: S.PolynomialLR(o, 20, 2.0)),
    "cosine": (schedules.cosine(0.5, 30, 0.1), lambda o: S.CosineAnnealingLR(o, 30, 0.1)),
    "linear": (schedules.linear(0.5, 6, 0.2, 0.9), lambda o: S.LinearLR(o, 0.2, 0.9, 6)),
    "multiplicative": (
        schedules.multiplicative(0.5, lambda k: 0.9 + k % 3 / 10),
        lambda o: S.MultiplicativeLR(o, lambda k: 0.9 + k % 3 / 10),
    ),
    "product": (
        schedules.product(0.5, [schedules.linear(1.0, 4, 0.25), schedules.exponential(1.0, -math.log(0.9))]),
        lambda o: S.ChainedScheduler([S.LinearLR(o, 0.25, 1.0, 4), S.ExponentialLR(o, 0.9)], o),
    ),
    **{
        f"cyclic {mode}": (
            schedules.cyclic(0.1, 0.5, 4, 3, mode=mode, gamma=0.95),
            lambda o, mode=mode: S.CyclicLR(o, 0.1, 0.5, 4, 3, mode, 0.95, cycle_momentum=False),
        )
        for mode in ("triangular", "triangular2", "exp_range")
    },
    "one cycle": (
        schedules.one_cycle(0.5, 30, rise=0.4, start=1 / 20, end=1 / 20 / 1e3),
        lambda o: S.OneCycleLR(o, 0.5, 30, pct_start=0.4, div_factor=20, final_div_factor=1e3, cycle_momentum=False),
    ),
    "warm restarts": (
        schedules.warm_restarts(0.5, 4, factor=2, end=0.1),
        lambda o: S.CosineAnnealingWarmRestarts(o, 4, 2, 0.1),
    ),
    "warm restarts of one length": (
        schedules.warm_restarts(0.5, 4), lambda o: S.CosineAnnealingWarmRestarts(o, 4)
    ),
    "sequence": (
        schedules.sequence([schedules.constant(0.05), schedules.step_decay(0.5, 5, 0.5)], [6]),
        lambda o: S.SequentialLR(o, [S.ConstantLR(o, 0.1, 100), S.StepLR(o, 5, 0.5)], [6]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name):
    ours, make = SCHEDULES[name]
    opt = T.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs, rates = make(opt), []
    for _ in range(30):
        rates.append(opt.param_groups[0]["lr"])
        opt.step(), theirs.step()
    np.testing.assert_allclose([ours(k) for k in range(30)], rates, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "patience": 2, "threshold": 0.05, "cooldown": 3},
        {"threshold_mode": "abs", "threshold": 0.2, "patience": 1, "factor": 0.5, "eps": 1e-3},
    ],
)
def test_plateau(options):
    rng = np.random.default_rng(9)
    opt = T.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    theirs = S.ReduceLROnPlateau(opt, **options, min_lr=1e-3)
    ours = schedules.ReduceOnPlateau(0.5, **options, least=1e-3)
    for k in range(200):
        metric = 1 + 1 / (1 + k) + 0.1 * rng.normal()
        theirs.step(metric), ours.step(metric)
        assert ours(k) == pytest.approx(opt.param_groups[0]["lr"], rel=1e-12), k
        again = schedules.ReduceOnPlateau(0.5, **options, least=1e-3)
        again.load_state_dict(ours.state_dict())
        ours = again


def test_clipping():
    rng = np.random.default_rng(8)
    grads = [rng.normal(size=(4, 3)), rng.normal(size=5)]
    for most in (0.5, 100.0):
        ps = [mg.tensor(np.zeros(g.shape), requires_grad=True) for g in grads]
        qs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in grads]
        for p, q, g in zip(ps, qs, grads):
            p.grad, q.grad = g.copy(), torch.tensor(g)
        norm_t = torch.nn.utils.clip_grad_norm_(qs, most).item()
        assert optim.clip_grad_norm(ps, most) == pytest.approx(norm_t, rel=1e-12)
        for p, q in zip(ps, qs):
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-6)  # theirs divides by norm + 1e-6
        optim.clip_grad_value(ps, 0.05), torch.nn.utils.clip_grad_value_(qs, 0.05)
        for p, q in zip(ps, qs):
            np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=1e-6)
