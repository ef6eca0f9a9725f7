"""Rows of ops/transcendental.py."""

import numpy as np

import minigrad as mg

from .base import a, case, pos

CASES = [
    case("tan", mg.tan, a(2, 3) / 2),
    case("sinh", mg.sinh, a(2, 3)),
    case("cosh", mg.cosh, a(2, 3)),
    case("asin", lambda x: 2 * mg.asin(x), a(2, 3) / 2),
    case("acos", mg.acos, a(2, 3) / 2),
    case("atan", mg.atan, a(2, 3)),
    case("asinh", mg.asinh, a(2, 3)),
    case("acosh", mg.acosh, pos(2, 3) + 1),
    case("atanh", mg.atanh, a(2, 3) / 2),
    case("hypot", mg.hypot, a(2, 3), a(3)),
    case("atan2", mg.atan2, a(2, 3), a(2, 1)),
    case("sinc", mg.sinc, a(2, 3)),
    case("sinc at 0 and beyond 1", mg.sinc, np.array([0.0, 1e-3, 0.999, 1.0, 2.5])),
    case("deg2rad", mg.deg2rad, a(2, 3)),
    case("rad2deg", mg.rad2deg, a(2, 3) / 50),
    case("exp2", mg.exp2, a(2, 3)),
    case("float_power", mg.float_power, pos(2, 3), a(3)),
    case("log2", mg.log2, pos(2, 3)),
    case("log10", mg.log10, pos(2, 3)),
    case("cbrt", mg.cbrt, a(2, 3)),
    case("square", mg.square, a(2, 3)),
    case("reciprocal", mg.reciprocal, a(2, 3)),
    case("rsqrt", mg.rsqrt, pos(2, 3)),
    case("logaddexp", mg.logaddexp, a(2, 3), a(3)),
    case("difference", lambda x, y: mg.ops.transcendental._difference(x, y), a(2, 3), a(3)),
    case("logaddexp2", mg.logaddexp2, a(2, 3), a(2, 1)),
    case("xlogy", mg.xlogy, a(2, 3), pos(2, 3)),
    case("xlogy at 0", lambda x: mg.xlogy(x, np.array([0.5, 2.0])), np.array([0.0, 1.0])),
    case("xlog1py", mg.xlog1py, a(2, 3), pos(2, 3)),
    case("logit", mg.logit, pos(2, 3) / 2),
    case("logit limited", lambda x: mg.logit(x, 0.3), pos(2, 3) / 2),
    case("ldexp", lambda x: mg.ldexp(x, np.array([1, -2, 3])), a(2, 3)),
    case("lerp", mg.lerp, a(2, 3), a(2, 3), a(3)),
    case("addcmul", lambda *xs: mg.addcmul(*xs, value=0.5), a(2, 3), a(2, 3), a(3)),
    case("addcdiv", lambda *xs: mg.addcdiv(*xs, value=0.5), a(2, 3), a(2, 3), a(3)),
]  # fmt: skip
