"""Rows of ops/attention.py."""

import numpy as np

import minigrad as mg

from .base import a, case

SEES = np.array([[True, False, True], [False, False, False]])
attention = mg.scaled_dot_product_attention

CASES = [
    case("scaled_dot_product_attention", attention, a(2, 2, 3), a(2, 3, 3), a(2, 3, 2)),
    case("scaled_dot_product_attention causal, scaled", lambda *k: attention(*k, is_causal=True, scale=0.7), a(2, 3), a(2, 3), a(2, 2)),
    case("scaled_dot_product_attention masked, a row of nothing", lambda *k: attention(*k, SEES), a(2, 3), a(3, 3), a(3, 2)),
    case("scaled_dot_product_attention plus a mask", attention, a(2, 3), a(3, 3), a(3, 2), a(2, 3)),
    case("scaled_dot_product_attention shared heads", lambda *k: attention(*k, enable_gqa=True), a(4, 2, 3), a(2, 3, 3), a(2, 3, 2)),
    case("scaled_dot_product_attention dropout", lambda *k: attention(*k, dropout_p=0.4, rng=2), a(2, 3), a(3, 3), a(3, 2)),
]  # fmt: skip
