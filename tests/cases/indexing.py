"""Rows of ops/indexing.py."""

import numpy as np

import minigrad as mg
from minigrad import Primitive

from .base import a, case

P = Primitive.registry
CASES = [
    # indexing
    case("getitem basic", lambda x: x[1, ::2], a(2, 5)),
    case("getitem new axis, ellipsis, backwards", lambda x: x[None, ..., ::-1], a(2, 3)),
    case("getitem advanced", lambda x: x[[0, 2], :], a(3, 2)),
    case("getitem repeated", lambda x: x[[0, 0, 2], [1, 1, 0]], a(3, 2)),
    case("getitem boolean", lambda x: x[np.array([True, False, True])], a(3, 2)),
    case("putitem", lambda x: P["putitem"](x, index=(slice(0, 3, 2),), shape=(4, 2)), a(2, 2)),
    case("putitem repeated", lambda x: P["putitem"](x, index=([0, 0, 2],), shape=(4, 2)), a(3, 2)),
    case("set_at", lambda x, v: mg.set_at(x, np.array([0, 2, 0]), v), a(4, 2), a(3, 2)),
    case("set_at of a slice", lambda x, v: mg.set_at(x, slice(1, 3), v), a(4, 2), a(2)),
    case("add_at", lambda x, v: mg.add_at(x, np.array([0, 2, 0]), v), a(4, 2), a(3, 2)),
]  # fmt: skip
