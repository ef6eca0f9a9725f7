"""Rows of ops/gather.py."""

import numpy as np

import minigrad as mg

from .base import a, case

AT = np.array([[0, 2], [1, 1]])

CASES = [
    case("take", lambda x: mg.take(x, [2, 0, 2], axis=1), a(2, 3)),
    case("take of a vector", lambda x: mg.take(x, AT), a(2, 3)),
    case("take_along_axis", lambda x: mg.take_along_axis(x, AT, axis=1), a(2, 3)),
    case("gather", lambda x: mg.gather(x, 1, AT), a(3, 3)),
    case("scatter", lambda x, s: mg.scatter(x, 1, AT, s), a(3, 3), a(2, 3)),
    case("scatter_add", lambda x, s: mg.scatter_add(x, 1, AT, s), a(3, 3), a(2, 3)),
    case("index_add", lambda x, s: mg.index_add(x, 1, [2, 0, 2], s, alpha=0.5), a(2, 3), a(2, 3)),
    case("index_copy", lambda x, s: mg.index_copy(x, 1, [2, 0], s), a(2, 3), a(2, 2)),
    case("index_fill", lambda x, v: mg.index_fill(x, 1, [2, 0], v), a(2, 3), a()),
]  # fmt: skip
