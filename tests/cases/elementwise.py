"""Rows of ops/elementwise.py."""

import numpy as np

import minigrad as mg
from minigrad import Primitive

from .base import a, case, pos

P = Primitive.registry
CASES = [
    # arithmetic
    case("add", mg.add, a(2, 3), a(2, 3)),
    case("add broadcast", mg.add, a(2, 1, 3), a(4, 1)),
    case("sub", mg.sub, a(2, 3), a(3)),
    case("mul", mg.mul, a(2, 3), a(2, 3)),
    case("mul broadcast", mg.mul, a(2, 1, 3), a(4, 1)),
    case("mul by a scalar tensor", mg.mul, a(2, 3), a()),
    case("div", mg.div, a(2, 3), a(2, 1)),
    case("neg", mg.neg, a(2, 3)),
    case("power 3", lambda x: mg.power(x, 3), a(2, 3)),
    case("power −½", lambda x: mg.power(x, -0.5), pos(2, 3)),
    case("power 1", lambda x: mg.power(x, 1), a(2, 3)),
    case("power 2 at 0", lambda x: mg.power(x, 2), np.array([0.0, 1.0])),
    case("tensor_power", lambda x, y: x**y, pos(2, 3), a(3)),
    case("tensor_power at 0", lambda x: x ** np.array([0.0, 1.0, 2.0]), np.zeros(3)),
    case("power number ** tensor", lambda x: 2.0**x, a(2, 3)),
    case("alias", P["alias"], a(2, 3)),
    case("cast", lambda x: P["cast"](x, dtype=np.dtype("float64")), a(2, 3)),
    # functions of one entry
    case("exp", mg.exp, a(2, 3)),
    case("log", mg.log, pos(2, 3)),
    case("expm1", mg.expm1, a(2, 3)),
    case("log1p", mg.log1p, pos(2, 3)),
    case("sqrt", mg.sqrt, pos(2, 3)),
    case("sin", mg.sin, a(2, 3)),
    case("cos", mg.cos, a(2, 3)),
    case("tanh", mg.tanh, a(2, 3)),
    case("sigmoid", mg.sigmoid, a(2, 3)),
    case("sigmoid far out", mg.sigmoid, np.array([-15.0, 0.0, 15.0])),
    case("along_tanh", P["along_tanh"], a(2, 3), a(2, 3)),
    case("along_sigmoid", P["along_sigmoid"], a(2, 3), a(2, 3)),
    # piecewise
    case("relu", mg.relu, a(2, 3)),
    case("relu at 0", mg.relu, np.array([-1.0, 0.0, 1e-9, 2.0]), kink=True),
    case("abs", mg.abs, a(2, 3)),
    case("abs at 0", mg.abs, np.array([-1.0, 0.0, 2.0]), kink=True),
    case("maximum", mg.maximum, a(2, 3), a(2, 3) + 0.1),
    case("maximum broadcast", mg.maximum, a(2, 3), a(3)),
    case("maximum tied", mg.maximum, np.array([1.0, 2.0]), np.array([1.0, 3.0]), kink=True),
    case("minimum", mg.minimum, a(3, 4), a(3, 1) / 2),
    case("clip", lambda x: mg.clip(x, -1.0, 1.0), a(2, 4)),
    case("where", lambda x, y: mg.where(np.array([True, False, True]), x, y), a(2, 3), a(3)),
]  # fmt: skip
