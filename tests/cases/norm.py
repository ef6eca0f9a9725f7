"""Rows of ops/norm.py."""

import numpy as np

import minigrad as mg
from minigrad import Primitive
from minigrad.ops import norm

from .base import a, case, pos

P = Primitive.registry


def stats(x: mg.Tensor) -> dict:
    """What the kernels of batch norm need of x: mean and 1/√(variance + ε)."""
    mean, var = norm.channel_moments(x)
    return {"eps": 1e-3, "stats": (mean, 1 / np.sqrt(var + 1e-3))}


CASES = [
    # normalisation and noise
    case("batch_norm", mg.batch_norm, a(5, 3), a(3), a(3)),
    case("batch_norm images", mg.batch_norm, a(2, 3, 2, 3), a(3), a(3)),
    case("batch_norm γ = 0", mg.batch_norm, a(4, 2), np.zeros(2), a(2)),
    case("normalize", lambda x, *k: norm.normalize(x, np.array([0.1, -0.3]), np.array([0.5, 2.0]), *k), a(4, 2), a(2), a(2)),
    case("normalize statistics", norm.normalize, a(4, 2, 2, 1), a(2), pos(2), a(2), a(2)),
    case("standardize", lambda x: P["standardize"](x, **stats(x)), a(3, 2, 2, 2)),
    case("standardize_pull", lambda g, x: P["standardize_pull"](g, x, **stats(x)), a(5, 3), a(5, 3)),
    case("standardize_second", lambda *k: P["standardize_second"](*k, **stats(k[2])), a(5, 2), a(5, 2), a(5, 2)),
    case("layer_norm", lambda *k: mg.layer_norm(k[0], 4, *k[1:]), a(3, 4), a(4), a(4)),
    case("layer_norm two axes, no weight", lambda x: mg.layer_norm(x, (2, 2)), a(3, 2, 2)),
    case("rms_norm", lambda *k: mg.rms_norm(k[0], 4, *k[1:]), a(3, 4), a(4)),
    case("group_norm", lambda *k: mg.group_norm(k[0], 2, *k[1:]), a(2, 4, 2, 1), a(4), a(4)),
    case("group_norm channels last", lambda x, *k: mg.group_norm(mg.moveaxis(x, 3, 1), 2, *k), a(2, 3, 2, 4), a(4), a(4)),
    case("instance_norm", lambda x, *k: mg.instance_norm(x, None, None, *k), a(2, 3, 3), a(3), a(3)),
    case("row_norm", lambda *k: P["row_norm"](*k, rows=4, by=(2, 3), eps=1e-3, centred=True), a(4, 6), a(2, 3), a(2, 3)),
    case("row_norm not centred", lambda *k: P["row_norm"](*k, rows=4, by=(1, 3), eps=1e-3, centred=False), a(4, 3), a(1, 3), a(1, 3)),
    case("local_response_norm", lambda x: mg.local_response_norm(x, 3, alpha=0.5), a(2, 4, 2)),
    case("lp_normalize", mg.lp_normalize, a(3, 4)),
    case("dropout", lambda x: mg.dropout(x, 0.4, rng=3), a(3, 4)),
    case("dropout default generator", lambda x: mg.dropout(x, 0.4), a(3, 4)),
    case("dropout scaled at test time", lambda x: mg.dropout(x, 0.4, training=False, scaling="test"), a(3, 4)),
    case("dropout2d", lambda x: mg.dropout2d(x, 0.4, rng=3), a(3, 2, 2, 2)),
]  # fmt: skip
