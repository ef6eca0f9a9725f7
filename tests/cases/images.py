"""Rows of ops/conv.py, ops/pool.py, ops/taps.py and ops/resize.py."""

import numpy as np

import minigrad as mg
from minigrad import Primitive

from .base import a, case, pos

P = Primitive.registry
STRIDED = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 1}
GROUPED = {"stride": (1, 2), "padding": (0, 1), "dilation": (1, 1), "groups": 2}
WINNERS = np.array([[[[3, 2], [1, 3]]]], np.uint8)  # overlapping windows share a winner
OVERLAPPING = {"kernel": (2, 2), "stride": (1, 1), "padding": (0, 0)}
BY_ROW = {"regions": "disjoint", "sequence": "random", "mode": "row"}
POOL = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}
PLACES = np.array([[[[0, 1], [1, 0]]]])
THETA = np.array([[[0.7, 0.2, 0.1], [-0.3, 0.8, -0.2]], [[1.1, -0.4, 0.3], [0.2, 0.6, 0.2]]])
VOLUME = {"stride": (2, 1, 1), "padding": (1, 0, 1), "dilation": (1, 1, 2), "groups": 1}


def thirds(size: int, n: int):
    """Taps of an uneven map, one entry of which has none."""
    return np.array([0, 0, 2, 2, 2]), np.array([0, 1, 1, 2, 3]), np.array([0.5, 2.0, -1.0, 0.3, 0.7])


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
    # along one and three axes, and back
    case("conv1d", mg.conv1d, a(2, 2, 5), a(3, 2, 3), a(3)),
    case("conv1d same, one signal", lambda x, w: mg.conv1d(x, w, padding="same", dilation=3), a(2, 5), a(2, 2, 2)),
    case("conv2d one image, valid", lambda x, w: mg.conv2d(x, w, padding="valid"), a(2, 3, 4), a(2, 2, 2, 2)),
    case("conv3d", mg.conv3d, a(1, 2, 3, 3, 3), a(2, 2, 2, 2, 2), a(2)),
    case("conv3d stride, padding, dilation", lambda x, w: mg.conv3d(x, w, **VOLUME), a(1, 2, 3, 3, 4), a(1, 2, 2, 2, 2)),
    case("conv_transpose1d", lambda x, w, b: mg.conv_transpose1d(x, w, b, 2, 1, 1), a(2, 2, 3), a(2, 3, 3), a(3)),
    case("conv_transpose2d", lambda x, w, b: mg.conv_transpose2d(x, w, b, 2, 1), a(2, 2, 2, 3), a(2, 3, 4, 4), a(3)),
    case("conv_transpose2d groups, dilation, much output padding", lambda x, w: mg.conv_transpose2d(x, w, None, 1, 0, 2, 2, 3), a(1, 2, 2, 2), a(2, 1, 2, 1)),
    case("conv_transpose3d", lambda x, w, b: mg.conv_transpose3d(x, w, b, (2, 1, 1), 1), a(1, 1, 2, 2, 2), a(1, 2, 3, 2, 3), a(2)),
    case("unfold_columns", lambda x: mg.unfold_columns(x, 2, 1, 1, 2), a(1, 2, 3, 4)),
    case("fold_columns", lambda x: mg.fold_columns(x, (3, 4), 2, stride=(1, 2)), a(8, 4)),
    # pooling
    case("max_pool1d", lambda x: mg.max_pool1d(x, 2), a(2, 2, 5)),
    case("max_pool1d dilation, ceil_mode", lambda x: mg.max_pool1d(x, 2, 3, 1, 2, True), a(1, 2, 6)),
    case("max_pool1d return_indices", lambda x: mg.max_pool1d(x, 2, return_indices=True)[0], a(2, 5)),
    case("max_pool3d", lambda x: mg.max_pool3d(x, 2, 1), a(1, 1, 2, 3, 3)),
    case("avg_pool1d", lambda x: mg.avg_pool1d(x, 3, 2, 1), a(1, 2, 5)),
    case("avg_pool2d ceil_mode", lambda x: mg.avg_pool2d(x, 3, 2, 1, True), a(1, 2, 4, 6)),
    case("avg_pool2d without padding", lambda x: mg.avg_pool2d(x, 3, 2, 1, False, False), a(1, 2, 4, 5)),
    case("avg_pool2d divisor_override", lambda x: mg.avg_pool2d(x, 2, divisor_override=3), a(2, 4, 4)),
    case("avg_pool3d", lambda x: mg.avg_pool3d(x, 2, 1), a(1, 1, 2, 3, 3)),
    case("adaptive_avg_pool1d", lambda x: mg.adaptive_avg_pool1d(x, 3), a(1, 2, 7)),
    case("adaptive_avg_pool2d", lambda x: mg.adaptive_avg_pool2d(x, (3, None)), a(1, 2, 5, 3)),
    case("adaptive_avg_pool2d tiles", lambda x: mg.adaptive_avg_pool2d(x, (2, 1)), a(1, 2, 4, 3)),
    case("adaptive_avg_pool3d", lambda x: mg.adaptive_avg_pool3d(x, (2, 2, 1)), a(1, 1, 3, 2, 3)),
    case("adaptive_max_pool1d", lambda x: mg.adaptive_max_pool1d(x, 3), a(1, 2, 7)),
    case("adaptive_max_pool2d", lambda x: mg.adaptive_max_pool2d(x, (3, 2)), a(1, 2, 5, 3)),
    case("adaptive_max_pool2d tiles", lambda x: mg.adaptive_max_pool2d(x, (2, 1)), a(1, 2, 4, 3)),
    case("adaptive_max_pool3d", lambda x: mg.adaptive_max_pool3d(x, (2, 2, 1)), a(1, 1, 3, 2, 3)),
    case("max_unpool1d", lambda x: mg.max_unpool1d(x, np.array([[1, 2], [0, 3]]), 2), a(2, 2)),
    case("max_unpool2d", lambda x: mg.max_unpool2d(x, np.array([[[[0, 3], [9, 9]]]]), 2, output_size=(3, 4)), a(1, 1, 2, 2)),
    case("max_unpool3d", lambda x: mg.max_unpool3d(x, np.array([[[[[1, 6]]]]]), 2), a(1, 1, 1, 1, 2)),
    case("lp_pool1d", lambda x: mg.lp_pool1d(x, 2, 2), a(1, 2, 5)),
    case("lp_pool2d", lambda x: mg.lp_pool2d(x, 3, 2, 1, True), pos(1, 2, 3, 3)),
    case("lp_pool3d", lambda x: mg.lp_pool3d(x, 2.5, 2), pos(1, 1, 2, 2, 4)),
    # resizing
    case("taps", lambda x: P["taps"](x, axis=1, rule=(thirds,), size=4, n=3, back=False), a(2, 4, 3)),
    case("taps back", lambda g: P["taps"](g, axis=1, rule=(thirds,), size=4, n=3, back=True), a(2, 3, 3)),
    case("interpolate nearest", lambda x: mg.interpolate(x, scale_factor=(2, 0.6)), a(1, 2, 2, 5)),
    case("interpolate linear", lambda x: mg.interpolate(x, 5, mode="linear"), a(2, 2, 3)),
    case("interpolate bilinear", lambda x: mg.interpolate(x, (5, 2), mode="bilinear", align_corners=True), a(1, 2, 3, 4)),
    case("interpolate bicubic", lambda x: mg.interpolate(x, (5, 2), mode="bicubic"), a(1, 2, 3, 4)),
    case("interpolate trilinear", lambda x: mg.interpolate(x, 3, mode="trilinear"), a(1, 1, 2, 2, 2)),
    case("interpolate area", lambda x: mg.interpolate(x, (3, 2), mode="area"), a(1, 2, 4, 3)),
    case("interpolate antialias", lambda x: mg.interpolate(x, (2, 3), mode="bicubic", antialias=True), a(1, 1, 5, 4)),
    case("upsample", lambda x: mg.upsample(x, scale_factor=2), a(1, 2, 3)),
    case("upsample_nearest", lambda x: mg.upsample_nearest(x, 5), a(1, 2, 3)),
    case("upsample_bilinear", lambda x: mg.upsample_bilinear(x, scale_factor=2), a(1, 2, 2, 3)),
    case("pixel_shuffle", lambda x: mg.pixel_shuffle(x, 2), a(1, 4, 2, 3)),
    case("pixel_unshuffle", lambda x: mg.pixel_unshuffle(x, 2), a(1, 2, 2, 4)),
    case("channel_shuffle", lambda x: mg.channel_shuffle(x, 2), a(1, 4, 2, 2)),
    case("pad_last", lambda x: mg.pad_last(x, (1, -1, 2, 0), "reflect"), a(2, 3, 4)),
    case("pad_last value", lambda x: mg.pad_last(x, (1, 2), value=3.0), a(2, 3)),
    case("grid_sample", mg.grid_sample, a(1, 2, 3, 4), a(1, 2, 2, 2)),
    case("grid_sample border, corners", lambda x, g: mg.grid_sample(x, g, "bilinear", "border", True), a(1, 1, 3, 4), a(1, 2, 2, 2)),
    case("grid_sample bicubic, border", lambda x, g: mg.grid_sample(x, g, "bicubic", "border"), a(1, 1, 3, 4), a(1, 2, 2, 2)),
    case("grid_sample nearest", lambda x: mg.grid_sample(x, PLACES.astype(mg.tape.real_dtype(x.dtype)), "nearest"), a(1, 2, 3, 4)),
    case("grid_sample volume", mg.grid_sample, a(1, 1, 2, 3, 2), 0.6 * a(1, 1, 2, 2, 3)),
    case("affine_grid", lambda t: mg.affine_grid(t, (2, 1, 2, 3)), THETA),
    case("affine_grid volume, corners", lambda t: mg.affine_grid(t, (1, 1, 2, 2, 2), True), a(1, 3, 4)),
]  # fmt: skip
