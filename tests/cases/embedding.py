"""Rows of ops/embedding.py."""

import numpy as np

import minigrad as mg
from minigrad import Primitive

from .base import a, case, pos

P = Primitive.registry
INDEX = np.array([2, 0, 2])
BAGS = np.array([[0, 2, 2], [1, 1, 0]])

CASES = [
    case("take_rows", lambda w: P["take_rows"](w, index=INDEX), a(3, 2)),
    case("add_rows", lambda g: P["add_rows"](g, index=INDEX, size=4), a(3, 2)),
    case("embedding", lambda w: mg.embedding(BAGS, w), a(3, 2)),
    case("embedding_bag", lambda w: mg.embedding_bag(BAGS, w), a(3, 2)),
    case("embedding_bag sum, weighted", lambda w, s: mg.embedding_bag(BAGS, w, mode="sum", per_sample_weights=s), a(3, 2), pos(2, 3)),
    case("embedding_bag max, offsets", lambda w: mg.embedding_bag(INDEX, w, np.array([0, 1]), mode="max"), a(3, 2)),
]  # fmt: skip
