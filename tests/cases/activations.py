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
    case("silu", mg.silu, a(2, 3)),
    case("gelu", mg.gelu, a(2, 3)),
]  # fmt: skip
