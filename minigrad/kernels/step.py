"""Optimizer steps: parameter, gradient and state are read and written once each, in place.

The rules are PyTorch's. Coefficients are computed in float64 and rounded once to the parameter's dtype. Which
parameters to move, and the learning rate of a step, are the caller's affair.
"""

import math

from . import plain, threads
from .jit import contiguous, kernel


def sgd_step(p, g, v, *, lr, momentum, dampening, nesterov, weight_decay, first):
    if not _flat(p, v):
        return plain.sgd_step(
            p,
            g,
            v,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            nesterov=nesterov,
            weight_decay=weight_decay,
            first=first,
        )
    number = p.dtype.type
    if v is None:
        return _run(_sgd, p, g, [], number(lr), number(weight_decay))
    if first:
        v.fill(0)
    coefficients = number(lr), number(momentum), number(1 if first else 1 - dampening), number(weight_decay)
    return _run(_sgd_momentum, p, g, [v], *coefficients, bool(nesterov))


def adam_step(p, g, m, s, *, lr, beta1, beta2, eps, weight_decay, decoupled, t):
    if not _flat(p, m, s):
        return plain.adam_step(
            p, g, m, s, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay, decoupled=decoupled, t=t
        )
    keep, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    coefficients = keep, decay, 1 - beta1, beta2, 1 - beta2, lr / (1 - beta1**t), (1 - beta2**t) ** 0.5, eps
    return _run(_adam, p, g, [m, s], *map(p.dtype.type, coefficients))


def _flat(*arrays):
    """In-place kernels need the memory itself: C-contiguous and writable."""
    return all(a is None or a.flags.carray for a in arrays)


def _run(function, p, g, state, *coefficients):
    args = [a.reshape(-1) for a in (p, contiguous(g), *state)]
    parts = threads.spans(p.size, threads.PASS * p.size)
    threads.run(function, [(*args, *coefficients, lo, hi) for lo, hi in parts])


@kernel
def _sgd(p, g, lr, decay, lo, hi):
    for i in range(lo, hi):
        p[i] -= lr * (g[i] + decay * p[i])


@kernel
def _sgd_momentum(p, g, v, lr, momentum, take, decay, nesterov, lo, hi):
    for i in range(lo, hi):
        d = g[i] + decay * p[i]
        v[i] = momentum * v[i] + take * d
        p[i] -= lr * (d + momentum * v[i] if nesterov else v[i])


@kernel
def _adam(p, g, m, s, keep, decay, take1, keep2, take2, lr, root, eps, lo, hi):
    for i in range(lo, hi):
        d = g[i] + decay * p[i]
        m[i] += take1 * (d - m[i])
        s[i] = keep2 * s[i] + take2 * (d * d)
        p[i] = keep * p[i] - lr * m[i] / (math.sqrt(s[i]) / root + eps)
