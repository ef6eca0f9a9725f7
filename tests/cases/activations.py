"""Rows of ops/activations.py."""

import numpy as np

import minigrad as mg
from minigrad import Primitive

from .base import a, case

P = Primitive.registry
CASES = [
    # activations
    case("gate", lambda g: P["gate"](g, by=np.array([[-1.0, 0.0, 2.0], [3.0, 1.0, -2.0]])), a(2, 3)),
    case("leaky_relu", mg.leaky_relu, a(2, 3)),
    case("leaky_relu at 0", mg.leaky_relu, np.array([-1.0, 0.0, 2.0]), kink=True),
    case("elu", mg.elu, a(2, 3)),
    case("elu at 0", mg.elu, np.array([-1.0, 0.0, 2.0]), kink=True),
    case("elu at 0, α = 0.3", lambda x: mg.elu(x, 0.3), np.array([-1.0, 0.0, 2.0]), kink=True),
    case("softplus", mg.softplus, a(2, 3)),
    case("softplus β, beyond a threshold", lambda x: mg.softplus(x, 2.0, threshold=2.0), a(2, 3)),
    case("gelu_tanh", lambda x: mg.gelu(x, "tanh"), a(2, 3)),
    case("celu", lambda x: mg.celu(x, 0.7), a(2, 3)),
    case("celu of negative α", lambda x: mg.celu(x, -0.7), a(2, 3)),
    case("glu", mg.glu, a(3, 4)),
    case("glu axis 0", lambda x: mg.glu(x, 0), a(2, 3)),
    case("hardshrink", mg.hardshrink, a(2, 3)),
    case("hardsigmoid", mg.hardsigmoid, 4.01 * a(2, 3)),
    case("hardswish", mg.hardswish, 4.01 * a(2, 3)),
    case("hardtanh", mg.hardtanh, 1.01 * a(2, 4)),
    case("hardtanh at its ends", mg.hardtanh, np.array([-1.0, 0.5, 1.0]), kink=True),
    case("logsigmoid", mg.logsigmoid, a(2, 3)),
    case("mish", mg.mish, a(2, 3)),
    case("prelu", mg.prelu, a(2, 3, 2), a(3)),
    case("prelu one weight", mg.prelu, a(2, 3), a(1)),
    case("relu6", mg.relu6, 4.01 * a(2, 3)),
    case("rrelu", lambda x: mg.rrelu(x, training=True, rng=0), a(2, 3)),
    case("rrelu at test time", mg.rrelu, a(2, 3)),
    case("selu", mg.selu, a(2, 3)),
    case("softshrink", mg.softshrink, a(2, 3)),
    case("softsign", mg.softsign, a(2, 3)),
    case("tanhshrink", mg.tanhshrink, a(2, 3)),
    case("threshold", lambda x: mg.threshold(x, 0.1, 20.0), a(2, 3)),
    case("silu", mg.silu, a(2, 3)),
    case("gelu", mg.gelu, a(2, 3)),
]  # fmt: skip
