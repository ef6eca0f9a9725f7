"""Rows of ops/rounding.py: of flat functions x · f(x) and the like, so that there is a derivative to check."""

import numpy as np

import minigrad as mg

from .base import a, case


def beside(f):
    """x f(x), whose slope is f(x) where f is flat."""
    return lambda x: x * f(x)


CASES = [
    case("positive", mg.positive, a(2, 3)),
    case("real", mg.real, a(2, 3)),
    case("conj", mg.conj, a(2, 3)),
    case("floor", beside(mg.floor), 2.93 * a(2, 3)),
    case("ceil", beside(mg.ceil), 2.93 * a(2, 3)),
    case("trunc", beside(mg.trunc), 2.93 * a(2, 3)),
    case("round", beside(mg.round), 2.93 * a(2, 3) + 0.1),
    case("round to tenths", beside(lambda x: mg.round(x, 1)), 2.93 * a(2, 3) + 0.01),
    case("sign", beside(mg.sign), a(2, 3)),
    case("frac", mg.frac, 2.93 * a(2, 3)),
    case("remainder", mg.remainder, 2.93 * a(2, 3), a(2, 1)),
    case("fmod", mg.fmod, 2.93 * a(2, 3), a(2, 1)),
    case("floor_divide", lambda x, y: x * mg.floor_divide(x, y) + y, 2.93 * a(2, 3), a(2, 1)),
    case("copysign", lambda x, y: mg.copysign(x, y) * y, a(2, 3), a(3)),
    case("heaviside", lambda x, v: mg.heaviside(x, v) * x + mg.heaviside(0 * x, v), a(2, 3), a(3)),
    case("frexp", lambda x: mg.frexp(x)[0], 2.93 * a(2, 3)),
    case("fmax", lambda x, y: mg.fmax(mg.where(np.array([True, False, True]), x, np.nan), y), a(2, 3), a(3) + 0.07),
    case("fmin", mg.fmin, a(2, 3), a(3) + 0.07),
    case("nan_to_num", lambda x: mg.nan_to_num(mg.where(np.array([True, False, True]), x, np.inf), posinf=2.0), a(2, 3)),
]  # fmt: skip
