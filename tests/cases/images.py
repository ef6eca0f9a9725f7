"""Rows of ops/conv.py and ops/pool.py."""

import numpy as np

import minigrad as mg
from minigrad import Primitive

from .base import a, case

P = Primitive.registry
STRIDED = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 1}
GROUPED = {"stride": (1, 2), "padding": (0, 1), "dilation": (1, 1), "groups": 2}
WINNERS = np.array([[[[3, 2], [1, 3]]]], np.uint8)  # overlapping windows share a winner
OVERLAPPING = {"kernel": (2, 2), "stride": (1, 1), "padding": (0, 0)}
BY_ROW = {"regions": "disjoint", "sequence": "random", "mode": "row"}
POOL = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}

CASES = [
    # images
    case("conv2d", mg.conv2d, a(2, 2, 4, 4), a(3, 2, 3, 3), a(3)),
    case("conv2d stride, padding, dilation", lambda x, w: P["conv2d"](x, w, **STRIDED), a(1, 2, 5, 6), a(2, 2, 3, 2)),
    case("conv2d groups", lambda x, w: P["conv2d"](x, w, **GROUPED), a(2, 4, 3, 5), a(4, 2, 2, 3)),
    case("conv2d 1×1, odd size", lambda x, w: mg.conv2d(x, w, stride=2), a(2, 3, 5, 3), a(2, 3, 1, 1)),
    case("conv2d_input", lambda g, w: P["conv2d_input"](g, w, size=(5, 6), **STRIDED), a(1, 2, 3, 4), a(2, 2, 3, 2)),
    case("conv2d_input groups", lambda g, w: P["conv2d_input"](g, w, size=(3, 5), **GROUPED), a(1, 4, 2, 3), a(4, 1, 2, 3)),
    case("conv2d_weight", lambda x, g: P["conv2d_weight"](x, g, kernel=(3, 2), **STRIDED), a(1, 2, 5, 6), a(1, 2, 3, 4)),
    case("conv2d_weight groups", lambda x, g: P["conv2d_weight"](x, g, kernel=(2, 3), **GROUPED), a(1, 2, 3, 5), a(1, 2, 2, 3)),
    case("affine", mg.affine, a(3, 4), a(2, 4), a(2)),
    case("unfold", lambda x: mg.unfold(x, 2), a(1, 2, 3, 4)),
    case("unfold stride, padding, dilation", lambda x: mg.unfold(x, (2, 3), (2, 1), 1, (1, 2)), a(1, 2, 3, 4)),
    case("fold", lambda x: mg.fold(x, (3, 4), stride=(2, 1), padding=1), a(1, 2, 2, 3, 2, 4)),
    case("max_pool2d", lambda x: mg.max_pool2d(x, 2), a(2, 2, 4, 4)),
    case("max_pool2d overlapping", lambda x: mg.max_pool2d(x, 3, stride=1), a(1, 2, 5, 4)),
    case("max_pool2d padded, odd", lambda x: mg.max_pool2d(x, 3, stride=2, padding=1), a(1, 2, 5, 7)),
    case("max_pool2d tied", lambda x: mg.max_pool2d(x, 2, stride=1), np.ones((1, 1, 3, 3)), kink=True),
    case("pool_take", lambda x: P["pool_take"](x, winners=WINNERS, **OVERLAPPING), a(1, 1, 3, 3)),
    case("pool_put", lambda g: P["pool_put"](g, winners=WINNERS, size=(3, 3), **OVERLAPPING), a(1, 1, 2, 2)),
    case("avg_pool2d", lambda x: mg.avg_pool2d(x, 2), a(2, 2, 4, 4)),
    case("avg_pool2d overlapping, padded, odd", lambda x: mg.avg_pool2d(x, 3, stride=2, padding=1), a(1, 2, 5, 4)),
    case("avg_pool2d_input", lambda g: P["avg_pool2d_input"](g, size=(5, 4), **POOL), a(1, 2, 3, 2)),
    case("fractional_max_pool2d", lambda x: mg.fractional_max_pool2d(x, (3, 4), rng=0), a(2, 2, 5, 6)),
    case("fractional_max_pool2d disjoint, rows", lambda x: mg.fractional_max_pool2d(x, 3, **BY_ROW, rng=1), a(3, 1, 7, 4)),
    case("fractional_max_pool2d default generator", lambda x: mg.fractional_max_pool2d(x, 2), a(1, 2, 4, 4)),
    case("fractional_max_pool2d tied", lambda x: mg.fractional_max_pool2d(x, 3, rng=0), np.ones((1, 1, 5, 5)), kink=True),
    case("global_avg_pool2d", mg.global_avg_pool2d, a(2, 3, 2, 2)),
]  # fmt: skip
