"""Rows of ops/attention.py and ops/lookup.py."""

import numpy as np

import minigrad as mg

from .base import a, case

MASK = np.array([[True, False, True, True], [False, False, False, False], [True, True, True, False]])
IDS = np.array([[2, 0, 2], [1, 2, 3]])
ATTENTION = mg.scaled_dot_product_attention

CASES = [
    case("scaled_dot_product_attention", ATTENTION, a(2, 3, 2), a(2, 4, 2), a(2, 4, 3)),
    case("scaled_dot_product_attention causal", lambda *k: ATTENTION(*k, is_causal=True), a(3, 2), a(3, 2), a(3, 2)),
    case("scaled_dot_product_attention mask", lambda *k: ATTENTION(*k, MASK, scale=0.3), a(3, 2), a(4, 2), a(4, 2)),
    case("scaled_dot_product_attention float mask", lambda q, k, m: ATTENTION(q, k, k, 1.0 * m), a(3, 2), a(4, 2), a(3, 4)),
    case("scaled_dot_product_attention shared heads", lambda *k: ATTENTION(*k, enable_gqa=True), a(4, 2, 2), a(2, 3, 2), a(2, 3, 2)),
    case("embedding", lambda w: mg.embedding(IDS, w), a(5, 2)),
    case("embedding_bag", lambda w: mg.embedding_bag(IDS, w), a(5, 2)),
    case("embedding_bag weights, offsets", lambda w, s: mg.embedding_bag(IDS.reshape(-1), w, np.array([0, 2, 2]), mode="sum", per_sample_weights=s), a(5, 2), a(6)),
    case("embedding_bag max", lambda w: mg.embedding_bag(IDS, w, mode="max"), a(5, 2)),
]  # fmt: skip
