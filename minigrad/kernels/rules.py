"""First-order update rules as in their papers: from a parameter p, its gradient g and its state to their new values.

Each rule is one function of numbers, which is one of arrays too: plain NumPy applies it to arrays, and `step.py`
compiles it into a loop over all parameters. Coefficients are numbers that the caller has computed in float64; `take` is
what a running mean takes of the new value, 1 − β, and `keep` is β. A root is √(s + inside) + outside, so that ε may
stand where the source has it. Weight decay is part of no rule: the caller of the rule adds it.
"""

import numpy as np

ZERO = np.float32(0)  # the narrowest dtype: it widens none


def sgd(p, g, lr):
    return (p - lr * g,)


def momentum(p, g, v, lr, rho, take):
    v = rho * v + take * g
    return p - lr * v, v


def nesterov(p, g, v, lr, rho, take):
    v = rho * v + take * g
    return p - lr * (g + rho * v), v


def velocity(p, g, v, lr, rho):
    v = rho * v - lr * g
    return p + v, v


def shifted_velocity(p, g, v, lr, rho):
    new = rho * v - lr * g
    return p + new + rho * (new - v), new


def adagrad(p, g, s, lr, inside, outside):
    s = s + g * g
    return p - lr * g / (np.sqrt(s + inside) + outside), s


def rmsprop(p, g, s, lr, keep, take, inside, outside):
    s = keep * s + take * (g * g)
    return p - lr * g / (np.sqrt(s + inside) + outside), s


def rmsprop_momentum(p, g, s, v, lr, keep, take, inside, outside, rho):
    s = keep * s + take * (g * g)
    v = rho * v + g / (np.sqrt(s + inside) + outside)
    return p - lr * v, s, v


def rmsprop_centered(p, g, s, a, lr, keep, take, inside, outside):
    s = keep * s + take * (g * g)
    a = a + take * (g - a)
    return p - lr * g / (np.sqrt(np.maximum(s - a * a, ZERO) + inside) + outside), s, a


def rmsprop_centered_momentum(p, g, s, a, v, lr, keep, take, inside, outside, rho):
    s = keep * s + take * (g * g)
    a = a + take * (g - a)
    v = rho * v + g / (np.sqrt(np.maximum(s - a * a, ZERO) + inside) + outside)
    return p - lr * v, s, a, v


def rprop(p, g, last, size, shrink, grow, least, most):
    turn = np.sign(g * last)
    size = np.minimum(
        np.maximum(size * (1 + (grow - 1) * np.maximum(turn, ZERO) + (1 - shrink) * np.minimum(turn, ZERO)), least),
        most,
    )
    g = g * (1 + np.minimum(turn, ZERO))  # a step back is not taken
    return p - np.sign(g) * size, g, size


def asgd(p, g, a, lr, keep, take):
    p = keep * p - lr * g
    return p, a + take * (p - a)


def adadelta(p, g, s, d, lr, keep, take, eps):
    s = keep * s + take * (g * g)
    step = np.sqrt(d + eps) / np.sqrt(s + eps) * g
    d = keep * d + take * (step * step)
    return p - lr * step, s, d


def adam(p, g, m, s, lr, take1, keep2, take2, inside, outside):
    m = m + take1 * (g - m)
    s = keep2 * s + take2 * (g * g)
    return p - lr * m / (np.sqrt(s + inside) + outside), m, s


def amsgrad(p, g, m, s, h, lr, take1, keep2, take2, inside, outside):
    m = m + take1 * (g - m)
    s = keep2 * s + take2 * (g * g)
    h = np.maximum(h, s)
    return p - lr * m / (np.sqrt(h + inside) + outside), m, s, h


def adam_unscaled(p, g, m, s, lr, take1, keep2, take2):  # RAdam's first steps
    m = m + take1 * (g - m)
    s = keep2 * s + take2 * (g * g)
    return p - lr * m, m, s


def nadam(p, g, m, s, lr_g, lr_m, take1, keep2, take2, outside):
    m = m + take1 * (g - m)
    s = keep2 * s + take2 * (g * g)
    return p - (lr_g * g + lr_m * m) / (np.sqrt(s) + outside), m, s


def adamax(p, g, m, u, lr, take1, keep2, eps):
    m = m + take1 * (g - m)
    u = np.maximum(keep2 * u, np.abs(g) + eps)
    return p - lr * m / u, m, u


def lion(p, g, m, lr, take1, take2):
    step = np.sign(m + take1 * (g - m))
    return p - lr * step, m + take2 * (g - m)
