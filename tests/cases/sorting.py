"""Rows of ops/sorting.py."""

import numpy as np

import minigrad as mg

from .base import a, case

HOLES = np.array([[True, False, True], [True, True, True]])

CASES = [
    case("sort", mg.sort, a(2, 3)),
    case("sort descending", lambda x: mg.sort(x, axis=0, descending=True), a(3, 2)),
    case("msort", mg.msort, a(3, 2)),
    case("topk", lambda x: mg.topk(x, 2).values, a(2, 4)),
    case("topk smallest", lambda x: mg.topk(x, 2, 0, False)[0], a(3, 2)),
    case("kthvalue", lambda x: mg.kthvalue(x, 2).values, a(2, 3)),
    case("mode", lambda x: mg.mode(x, keepdims=True).values, a(2, 3)),
    case("median", lambda x: mg.median(x, axis=1), a(2, 4)),
    case("nanmedian", lambda x: mg.nanmedian(mg.where(HOLES, x, np.nan), axis=1), a(2, 3)),
    case("quantile", lambda x: mg.quantile(x, [0.3, 0.8], axis=0, keepdims=True), a(4, 2)),
    case("quantile nearest", lambda x: mg.quantile(x, 0.3, method="nearest"), a(2, 3)),
    case("nanquantile", lambda x: mg.nanquantile(mg.where(HOLES, x, np.nan), 0.3, axis=1), a(2, 3)),
    case("bincount of weights", lambda w: mg.bincount([0, 2, 2], w), a(3)),
]  # fmt: skip
