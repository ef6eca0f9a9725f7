"""Rows of ops/grouping.py."""

import numpy as np

import minigrad as mg

from .base import a, case

AT = np.array([[0, 2], [1, 0]])


def scattered(reduce, include_self):
    return lambda x, s: mg.scatter_reduce(x, 0, AT, s, reduce, include_self=include_self)


CASES = [
    *(case(f"scatter_reduce {r}", scattered(r, r != "prod"), a(3, 3), a(2, 2)) for r in ("sum", "prod", "mean", "amax", "amin")),
    case("index_reduce", lambda x, s: mg.index_reduce(x, 1, [2, 0, 2], s, "prod"), a(2, 3), a(2, 3)),
]  # fmt: skip
