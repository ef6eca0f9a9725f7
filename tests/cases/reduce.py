"""Rows of ops/reduce.py."""

import numpy as np

import minigrad as mg

from .base import a, case

TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])

CASES = [
    # reductions
    case("sum", mg.sum, a(2, 3)),
    case("sum axis", lambda x: mg.sum(x, axis=1), a(2, 3, 2)),
    case("sum axes keepdims", lambda x: mg.sum(x, axis=(0, -1), keepdims=True), a(2, 3, 2)),
    case("mean", lambda x: mg.mean(x, axis=0), a(2, 3)),
    case("mean all keepdims", lambda x: mg.mean(x, keepdims=True), a(2, 3)),
    case("var", mg.var, a(2, 3)),
    case("var axis correction", lambda x: mg.var(x, axis=-1, keepdims=True, correction=1), a(2, 3)),
    case("std", lambda x: mg.std(x, axis=(0, 2)), a(2, 3, 2)),
    case("max", mg.max, a(2, 3)),
    case("max axis", lambda x: mg.max(x, axis=1), a(3, 4)),
    case("max axes keepdims", lambda x: mg.max(x, axis=(0, 2), keepdims=True), a(2, 3, 2)),
    case("max tied", lambda x: mg.max(x, axis=1), TIES, kink=True),
    case("min", lambda x: mg.min(x, axis=0), a(2, 3)),
    case("logsumexp", lambda x: mg.logsumexp(x, axis=1), a(2, 3)),
    case("logsumexp all, large", lambda x: mg.logsumexp(x + 1000.0), a(2, 3)),
    case("sum_to", lambda x: mg.sum_to(x, shape=(1, 3)), a(2, 2, 3)),
    case("broadcast_to", lambda x: mg.broadcast_to(x, shape=(2, 4, 3)), a(4, 1)),
]  # fmt: skip
