"""Rows of ops/layer_norm.py."""

import numpy as np

import minigrad as mg
from minigrad.ops.layer_norm import _row_norm, lp_normalize

from .base import a, case, pos

CASES = [
    case("row_norm", lambda *k: _row_norm(*k, eps=1e-3, centred=True), a(4, 3), a(2, 3), a(2, 3)),
    case("row_norm not centred", lambda *k: _row_norm(*k, eps=1e-3, centred=False), a(4, 3), a(1, 3), a(1, 3)),
    case("layer_norm", lambda *k: mg.layer_norm(k[0], (3, 2), *k[1:]), a(2, 3, 2), a(3, 2), a(3, 2)),
    case("layer_norm alone", lambda x: mg.layer_norm(x, 3), a(2, 3)),
    case("rms_norm", lambda x, w: mg.rms_norm(x, 3, w, 1e-5), a(2, 3), a(3)),
    case("group_norm", lambda x, *k: mg.group_norm(x, 2, *k), a(2, 4, 2), a(4), a(4)),
    case("instance_norm", lambda x, w, b: mg.instance_norm(x, weight=w, bias=b), a(2, 2, 3), a(2), a(2)),
    case("instance_norm by running statistics", lambda x: mg.instance_norm(x, np.array([0.1, 0.2]), np.array([0.5, 2.0]), use_input_stats=False), a(2, 2, 3)),
    case("local_response_norm", lambda x: mg.local_response_norm(x, 3, 0.5), a(2, 4, 2)),
    case("lp_normalize", lp_normalize, a(2, 3)),
    case("lp_normalize of order 3", lambda x: lp_normalize(x, 3.0, 0), pos(2, 3)),
]  # fmt: skip
