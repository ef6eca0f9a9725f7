"""Rows of ops/distances.py."""

import numpy as np

import minigrad as mg
from minigrad import linalg

from .base import a, case

CASES = [
    case("vector_norm", lambda x: linalg.vector_norm(x, axis=1), a(2, 3)),
    case("vector_norm 3", lambda x: linalg.vector_norm(x, ord=3, axis=(0, 2), keepdims=True), a(2, 3, 2)),
    case("vector_norm 1", lambda x: linalg.vector_norm(x, ord=1), a(2, 3)),
    case("vector_norm inf", lambda x: linalg.vector_norm(x, ord=np.inf, axis=0), a(2, 3)),
    case("vector_norm −inf", lambda x: linalg.vector_norm(x, ord=-np.inf), a(2, 3)),
    case("matrix_norm", linalg.matrix_norm, a(2, 2, 3)),
    case("matrix_norm 1", lambda x: linalg.matrix_norm(x, ord=1), a(2, 3)),
    case("matrix_norm −inf", lambda x: linalg.matrix_norm(x, ord=-np.inf, keepdims=True), a(2, 3)),
    case("norm", mg.norm, a(2, 3)),
    case("norm inf of planes", lambda x: mg.norm(x, np.inf, (2, 0)), np.array([0.3, -1.1, 0.7, 1.9, -0.2, 0.4, -1.3, 0.8, 0.55, -0.65, 1.45, 0.9]).reshape(2, 2, 3)),
    case("dist", mg.dist, a(2, 3), a(3)),
    case("cdist", mg.cdist, a(2, 3), a(3, 3) + 0.1),
    case("pdist", lambda x: mg.pdist(x, 3), a(3, 2)),
]  # fmt: skip
