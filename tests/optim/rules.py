"""Every first-order rule, written from its paper in float64 NumPy, step by step: what minigrad's rules are held to.

Each reference takes θ, the list of gradients and the rule's options, and gives the list of θ after each step.
"""

import numpy as np

from minigrad import optim


def sgd(theta, grads, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False):
    v = None
    for g in grads:
        g = g + weight_decay * theta
        v = g if v is None else momentum * v + (1 - dampening) * g
        theta = theta - lr * (g + momentum * v if nesterov else v if momentum else g)
        yield theta


def momentum(theta, grads, lr, momentum=0.9, weight_decay=0):
    v = 0
    for g in grads:
        v = momentum * v - lr * (g + weight_decay * theta)
        theta = theta + v
        yield theta


def shifted(theta, grads, lr, momentum=0.9, weight_decay=0, shifted=True):  # the lecture's second form
    v = 0
    for g in grads:
        old, v = v, momentum * v - lr * (g + weight_decay * theta)
        theta = theta - momentum * old + (1 + momentum) * v
        yield theta


def adagrad(theta, grads, lr=1e-2, eps=1e-7, eps_inside=False, weight_decay=0, initial_accumulator_value=0):
    s = initial_accumulator_value
    for g in grads:
        g = g + weight_decay * theta
        s = s + g**2
        theta = theta - lr * g / (np.sqrt(s + eps) if eps_inside else np.sqrt(s) + eps)
        yield theta


def rmsprop(theta, grads, lr=1e-2, rho=0.99, eps=1e-8, momentum=0, centered=False, eps_inside=False):
    s = a = v = 0
    for g in grads:
        s, a = rho * s + (1 - rho) * g**2, rho * a + (1 - rho) * g
        variance = s - a**2 if centered else s
        v = momentum * v + g / (np.sqrt(variance + eps) if eps_inside else np.sqrt(variance) + eps)
        theta = theta - lr * v
        yield theta


def adadelta(theta, grads, lr=1.0, rho=0.9, eps=1e-6):
    s = d = 0
    for g in grads:
        s = rho * s + (1 - rho) * g**2
        u = np.sqrt(d + eps) / np.sqrt(s + eps) * g
        d = rho * d + (1 - rho) * u**2
        theta = theta - lr * u
        yield theta


def rprop(theta, grads, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
    last, size = 0, lr
    for g in grads:
        agree = np.sign(g * last)
        size = np.clip(np.where(agree > 0, size * etas[1], np.where(agree < 0, size * etas[0], size)), *step_sizes)
        last = np.where(agree < 0, 0, g)
        theta = theta - size * np.sign(last)
        yield theta


def asgd(theta, grads, lr=1e-2, lambd=1e-4, alpha=0.75, weight_decay=0, t0=1e6):
    for t, g in enumerate(grads):
        eta = lr / (1 + lambd * lr * t) ** alpha
        theta = theta - eta * lambd * theta - eta * (g + weight_decay * theta)
        yield theta


def adafactor(theta, grads, lr=1e-2, beta2_decay=-0.8, eps=(2.0**-52, 1e-3), d=1.0, weight_decay=0):
    r = c = 0
    for t, g in enumerate(grads, 1):
        keep = 1 - t**beta2_decay
        if theta.ndim > 1:
            r = keep * r + (1 - keep) * (g**2).mean(-1, keepdims=True)
            c = keep * c + (1 - keep) * (g**2).mean(-2, keepdims=True)
            v = r @ c / np.maximum(r.mean(-2, keepdims=True), eps[0])
        else:
            v = r = keep * r + (1 - keep) * g**2
        u = g / np.sqrt(np.maximum(v, eps[0] ** 2))
        step = max(eps[1], np.sqrt((theta**2).mean())) * min(lr, t**-0.5)
        theta = theta * (1 - lr * weight_decay) - step * u / max(1, np.sqrt((u**2).mean()) / d)
        yield theta


def adam(
    theta, grads, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, decoupled_weight_decay=False,
    bias_correction=True, eps_hat=False, eps_inside=False, amsgrad=False,
):  # fmt: skip
    m = s = h = 0
    for t, g in enumerate(grads, 1):
        if decoupled_weight_decay:
            theta = theta - lr * weight_decay * theta
        else:
            g = g + weight_decay * theta
        m, s = betas[0] * m + (1 - betas[0]) * g, betas[1] * s + (1 - betas[1]) * g**2
        h = np.maximum(h, s) if amsgrad else s
        c1, c2 = (1 - betas[0] ** t, 1 - betas[1] ** t) if bias_correction else (1, 1)
        if eps_hat:
            root = (np.sqrt(h + eps) if eps_inside else np.sqrt(h) + eps) / np.sqrt(c2)
        else:
            root = np.sqrt(h / c2 + eps) if eps_inside else np.sqrt(h / c2) + eps
        theta = theta - lr * (m / c1) / root
        yield theta


def adamw(theta, grads, weight_decay=1e-2, **options):
    return adam(theta, grads, weight_decay=weight_decay, decoupled_weight_decay=True, **options)


def adamax(theta, grads, lr=2e-3, betas=(0.9, 0.999), eps=1e-8):
    m = u = 0
    for t, g in enumerate(grads, 1):
        m, u = betas[0] * m + (1 - betas[0]) * g, np.maximum(betas[1] * u, np.abs(g) + eps)
        theta = theta - lr / (1 - betas[0] ** t) * m / u
        yield theta


def nadam(theta, grads, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, momentum_decay=4e-3):
    m = s = 0
    product = 1
    for t, g in enumerate(grads, 1):
        mu, following = (betas[0] * (1 - 0.5 * 0.96 ** (k * momentum_decay)) for k in (t, t + 1))
        product = product * mu
        m, s = betas[0] * m + (1 - betas[0]) * g, betas[1] * s + (1 - betas[1]) * g**2
        ahead = (1 - mu) / (1 - product) * g + following / (1 - product * following) * m
        theta = theta - lr * ahead / (np.sqrt(s / (1 - betas[1] ** t)) + eps)
        yield theta


def radam(theta, grads, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    m = s = 0
    for t, g in enumerate(grads, 1):
        m, s = betas[0] * m + (1 - betas[0]) * g, betas[1] * s + (1 - betas[1]) * g**2
        hat = m / (1 - betas[0] ** t)
        most = 2 / (1 - betas[1]) - 1
        length = most - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        if length > 5:
            r = np.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
            theta = theta - lr * r * hat * np.sqrt(1 - betas[1] ** t) / (np.sqrt(s) + eps)
        else:
            theta = theta - lr * hat
        yield theta


def lion(theta, grads, lr=1e-4, betas=(0.9, 0.99), weight_decay=0):
    m = 0
    for g in grads:
        theta = theta - lr * (np.sign(betas[0] * m + (1 - betas[0]) * g) + weight_decay * theta)
        m = betas[1] * m + (1 - betas[1]) * g
        yield theta


def lamb(theta, grads, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=1e-2):
    m = s = 0
    for t, g in enumerate(grads, 1):
        m, s = betas[0] * m + (1 - betas[0]) * g, betas[1] * s + (1 - betas[1]) * g**2
        u = m / (1 - betas[0] ** t) / (np.sqrt(s / (1 - betas[1] ** t)) + eps) + weight_decay * theta
        norms = np.sqrt((theta**2).sum()), np.sqrt((u**2).sum())
        theta = theta - lr * (norms[0] / norms[1] if min(norms) > 0 else 1) * u
        yield theta


def muon(theta, grads, lr=1e-3, momentum=0.95, weight_decay=0.1, nesterov=True, ns_steps=5, match_adamw=False):
    v = np.zeros_like(theta)
    rows, columns = theta.shape
    for g in grads:
        v = momentum * v + (1 - momentum) * g
        u, values, w = np.linalg.svd(momentum * v + (1 - momentum) * g if nesterov else v, full_matrices=False)
        values = values / np.sqrt((values**2).sum())
        for _ in range(ns_steps):  # what the iteration does to the singular values, which is all that it changes
            values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
        scale = 0.2 * np.sqrt(max(rows, columns)) if match_adamw else np.sqrt(max(1, rows / columns))
        theta = theta * (1 - lr * weight_decay) - lr * scale * (u * values) @ w
        yield theta


RULES = {
    "sgd": (optim.SGD, sgd, {"lr": 0.1}),
    "sgd-decay": (optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.2}),
    "sgd-momentum": (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.2}),
    "sgd-nesterov": (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2, "nesterov": True}),
    "momentum": (optim.Momentum, momentum, {"lr": 0.1}),
    "momentum-decay": (optim.Momentum, momentum, {"lr": 0.1, "momentum": 0.99, "weight_decay": 0.2}),
    "nesterov": (optim.Nesterov, shifted, {"lr": 0.1, "shifted": True}),
    "nesterov-decay": (optim.Nesterov, shifted, {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.2, "shifted": True}),
    "adagrad": (optim.AdaGrad, adagrad, {}),
    "adagrad-initial": (optim.AdaGrad, adagrad, {"lr": 0.1, "initial_accumulator_value": 0.5}),
    "adagrad-inside": (optim.AdaGrad, adagrad, {"lr": 0.1, "eps": 0.1, "eps_inside": True, "weight_decay": 0.2}),
    "rmsprop": (optim.RMSProp, rmsprop, {}),
    "rmsprop-inside": (optim.RMSProp, rmsprop, {"lr": 0.1, "rho": 0.9, "eps": 0.1, "eps_inside": True}),
    "rmsprop-momentum": (optim.RMSProp, rmsprop, {"rho": 0.9, "momentum": 0.9}),
    "rmsprop-centered": (optim.RMSProp, rmsprop, {"rho": 0.9, "eps": 1e-3, "centered": True}),
    "rmsprop-both": (optim.RMSProp, rmsprop, {"eps": 1e-3, "centered": True, "momentum": 0.5, "eps_inside": True}),
    "rprop": (optim.Rprop, rprop, {}),
    "rprop-options": (optim.Rprop, rprop, {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (1e-2, 0.2)}),
    "asgd": (optim.ASGD, asgd, {}),
    "asgd-options": (optim.ASGD, asgd, {"lr": 0.1, "lambd": 0.5, "alpha": 0.5, "weight_decay": 0.2}),
    "adafactor": (optim.Adafactor, adafactor, {}),
    "adafactor-options": (optim.Adafactor, adafactor, {"lr": 0.5, "beta2_decay": -0.5, "d": 0.5, "weight_decay": 0.2}),
    "adadelta": (optim.Adadelta, adadelta, {}),
    "adam": (optim.Adam, adam, {}),
    "adam-options": (optim.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.2}),
    "adam-uncorrected": (optim.Adam, adam, {"eps": 1e-2, "bias_correction": False}),
    "adam-hat": (optim.Adam, adam, {"eps": 1e-2, "eps_hat": True}),
    "adam-inside": (optim.Adam, adam, {"eps": 1e-2, "eps_inside": True}),
    "adam-hat-inside": (optim.Adam, adam, {"eps": 1e-2, "eps_hat": True, "eps_inside": True}),
    "amsgrad": (optim.Adam, adam, {"lr": 0.1, "betas": (0.9, 0.5), "amsgrad": True}),
    "adamw": (optim.AdamW, adamw, {"lr": 0.1}),
    "adamw-options": (optim.AdamW, adamw, {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.5}),
    "adamax": (optim.Adamax, adamax, {"betas": (0.8, 0.6)}),
    "nadam": (optim.NAdam, nadam, {}),
    "nadam-options": (optim.NAdam, nadam, {"betas": (0.5, 0.7), "momentum_decay": 0.5}),
    "radam": (optim.RAdam, radam, {"lr": 0.1}),
    "lion": (optim.Lion, lion, {"lr": 0.1, "weight_decay": 0.5}),
    "lamb": (optim.LAMB, lamb, {"lr": 0.1}),
    "muon": (optim.Muon, muon, {"lr": 0.1}),
    "muon-options": (optim.Muon, muon, {"lr": 0.1, "nesterov": False, "ns_steps": 3, "match_adamw": True}),
}
