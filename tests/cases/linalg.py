"""Rows of ops/linalg.py."""

import minigrad as mg

from .base import a, case

CASES = [
    # matrix products
    case("matmul", mg.matmul, a(2, 3), a(3, 2)),
    case("matmul batched", mg.matmul, a(2, 2, 3), a(2, 3, 1)),
    case("matmul broadcast", mg.matmul, a(2, 1, 2, 3), a(2, 3, 2)),
    case("matmul vector left", mg.matmul, a(3), a(2, 3, 2)),
    case("matmul vector right", mg.matmul, a(2, 3), a(3)),
    case("matmul vectors", mg.matmul, a(3), a(3)),
]  # fmt: skip
