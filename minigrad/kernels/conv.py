"""Convolution and its two adjoints by direct summation over register tiles.

    conv2d         y[n,o,i,j]  = sum over c,a,b  of  w[o,c,a,b] * x[n, c, sh*i - ph + dh*a, sw*j - pw + dw*b]
    conv2d_weight  gw[o,c,a,b] = sum over n,i,j  of  g[n,o,i,j] * the same x
    conv2d_input   gx          = conv2d again, of g with taps in reverse; with a stride, one convolution per phase

`blocks.py` says which input an output reads, axis by axis, and copies what a block of them reads into a scratch that
stays in cache. There, eight pixels times one or two vectors of output channels are summed in registers at a time.
Weights are packed once per call, in the order in which the scratch is read: K = kh*kw*C/groups rows of one or two
vectors, panel after panel. The scratch is all the memory it takes: there is no im2col.

Depthwise convolutions go to `depthwise.py`, and most of those with 3x3 kernels at stride 1 to `winograd.py`.
"""

from itertools import product
from math import ceil

import numpy as np

from . import depthwise, threads, winograd
from .blocks import adjoint_axes, blocks, fill, forward_axis, locate, scratch
from .jit import channels_first, channels_last, kernel
from .tile import DEPTH, ROWS, TALL, VECS, lanes, lanes_of, tile_add, tile_fma, tile_offsets, tile_store, tile_zero


def conv2d(x, w, *, stride, padding, dilation, groups):
    (n, _, h, wd), (o, _, kh, kw) = x.shape, w.shape
    ys, xs = (forward_axis(*a) for a in zip((h, wd), (kh, kw), stride, padding, dilation, strict=True))
    y = np.empty((n, ys.size, xs.size, o), x.dtype)
    _correlate(channels_last(x), w.reshape(groups, o // groups, -1, kh, kw), y, ys, xs)
    return channels_first(y)


def conv2d_input(g, w, *, size, stride, padding, dilation, groups):
    (o, cg, kh, kw), g = w.shape, channels_last(g)
    w = w.reshape(groups, o // groups, cg, kh, kw).swapaxes(1, 2)  # (G,C/G,O/G,kh,kw)
    gx = np.empty((len(g), *size, groups * cg), g.dtype)
    axes = (adjoint_axes(*a) for a in zip(size, (kh, kw), stride, padding, dilation, strict=True))
    for ys, xs in product(*axes):
        _correlate(g, w, gx, ys, xs)
    return channels_first(gx)


def conv2d_weight(x, g, *, kernel, stride, padding, dilation, groups):
    (_, c, h, wd), o, (kh, kw) = x.shape, g.shape[1], kernel
    ys, xs = (forward_axis(*a) for a in zip((h, wd), kernel, stride, padding, dilation, strict=True))
    k, og = kh * kw * (c // groups), o // groups
    if depthwise.applies(groups, og, c // groups):
        return depthwise.correlate_weight(channels_last(x), channels_last(g), kernel, ys, xs)
    if groups == 1 and o % lanes(x.dtype) == 0 and winograd.applies(x.dtype, len(x), c, o, ys, xs):
        return winograd.correlate_weight(channels_last(x), channels_last(g), ys, xs)
    x, g = channels_last(x), _whole_vectors(channels_last(g), groups, lanes(x.dtype))
    images, rows, count = blocks(x, ys, xs, k * o * x.itemsize)
    parts = threads.spans(count, 2 * g.size * k)
    sums = np.zeros((len(parts), groups, _round_up(k, TALL), g.shape[3] // groups), x.dtype)
    args = (ys.reads, ys.offsets, xs.reads, xs.offsets, images, rows, lanes(x.dtype))
    if count:
        threads.run(_correlate_weight, [(x, g, sums[i], *args, lo, hi) for i, (lo, hi) in enumerate(parts)])
    gw = sums.sum(axis=0)[:, :k, :og].swapaxes(1, 2)  # (G,O/G,K)
    return np.ascontiguousarray(gw.reshape(o, kh, kw, c // groups).transpose(0, 3, 1, 2))


def _correlate(x, w, y, ys, xs):  # x (N,H,W,C), w (G,O/G,C/G,kh,kw), y (N,OH,OW,O)
    """Fill the pixels (ys.writes, xs.writes) of y."""
    if ys.taps.size == 0 or xs.taps.size == 0:
        y[:, ys.writes[:, None], xs.writes] = 0
        return
    w = w[:, :, :, ys.taps[:, None], xs.taps]
    if depthwise.applies(*w.shape[:3]):
        return depthwise.correlate(x, w[:, 0, 0], y, ys, xs)
    if len(w) == 1 and winograd.applies(x.dtype, len(x), w.shape[2], w.shape[1], ys, xs):
        return winograd.correlate(x, w[0], y, ys, xs)
    images, rows, count = blocks(x, ys, xs, w.nbytes)
    if count == 0:
        return
    parts = threads.spans(count, 2 * len(x) * ys.size * xs.size * w.size)
    lane = lanes(x.dtype)
    args = (x, _pack(w, lane), y, ys.reads, ys.offsets, ys.writes, xs.reads, xs.offsets, xs.writes, images, rows, lane)
    threads.run(_correlate_blocks, [(*args, lo, hi) for lo, hi in parts])


def _pack(w, lane):  # (G,O/G,C/G,kh,kw) -> (G,O'*K), O' the next multiple of the lanes
    """K rows as wide as the tile that reads them, zeros where there is no channel: those of channel o start at o*K."""
    groups, o, c, kh, kw = w.shape
    k, vecs = kh * kw * c, ceil(o / lane)
    wide = vecs // VECS * VECS * lane
    rows = np.zeros((groups, vecs * lane, kh, kw, c), w.dtype)
    rows[:, :o] = w.transpose(0, 1, 3, 4, 2)
    rows = rows.reshape(groups, vecs * lane, k)
    panels = rows[:, :wide].reshape(groups, -1, VECS * lane, k).swapaxes(2, 3).reshape(groups, wide * k)
    return np.concatenate([panels, rows[:, wide:].swapaxes(1, 2).reshape(groups, -1)], axis=1)


def _whole_vectors(g, groups, lane):  # (N,OH,OW,G*O) -> (N,OH,OW,G*O'), O' a multiple of the lanes
    """g itself if the channels of a group fill whole vectors, else a copy padded with zeros."""
    n, oh, ow, o = g.shape
    channels = _round_up(o // groups, lane)
    if groups * channels == o:
        return g
    padded = np.zeros((n, oh, ow, groups, channels), g.dtype)
    padded[..., : o // groups] = g.reshape(n, oh, ow, groups, o // groups)
    return padded.reshape(n, oh, ow, groups * channels)


def _round_up(n, step):
    return ceil(n / step) * step


@kernel
def _correlate_blocks(x, w, y, top, dh, row_out, left, dw, col_out, images, rows, lane, lo, hi):
    """Blocks lo to hi of y[n, row_out[i], col_out[j]] = sum over a, b of w[a,b] @ x[n, top[i]+dh[a], left[j]+dw[b]]."""
    n, _, _, c = x.shape
    _, yh, yw, o = y.shape
    groups = w.shape[0]
    cg, og = c // groups, o // groups
    k = dh.size * dw.size * cg
    bands = (top.size + rows - 1) // rows
    seen, line, area = scratch(x, top[min(rows, top.size) - 1] - top[0], dh, left, dw, images)
    runs, run = _runs(dh, dw, line, c, groups)
    pixels = np.empty(images * rows * left.size + ROWS, np.int64)  # where the window of a pixel starts in the scratch
    places = np.empty(images * rows * left.size + ROWS, np.int64)  # where the pixel lies in y, counted from the first
    known = 0
    for block in range(lo, hi):
        n0, i0 = block // bands * images, block % bands * rows
        n1, i1 = min(n0 + images, n), min(i0 + rows, top.size)
        count = (n1 - n0) * (i1 - i0) * left.size
        if count != known:
            locate(pixels, n1 - n0, area, top[: i1 - i0], line, left, c)
            locate(places, n1 - n0, yh * yw * o, row_out[: i1 - i0], yw * o, col_out, o)
            known = count
        fill(seen, x, n0, n1, top[i0] + dh[0], area // line, left[0] + dw[0], line // c)
        base = ((n0 * yh + row_out[i0]) * yw + col_out[0]) * o
        for group in range(groups):
            v = 0
            while v < og:
                panel, out = group * w.shape[1] + v * k, base + group * og + v
                if VECS == 2 and v + lane < og:
                    _pixels_wide(seen, pixels, count, runs, run, group * cg, w, panel, y, places, out, og - v)
                    v += 2 * lane
                else:
                    _pixels_slim(seen, pixels, count, runs, run, group * cg, w, panel, y, places, out, og - v)
                    v += lane


def _pixel_tiles(vecs):
    """The inner loops of conv2d, for tiles of ROWS pixels x vecs vectors of output channels."""

    @kernel
    def pixel_tiles(seen, pixels, count, runs, run, c0, w, panel, y, places, out, valid):
        width = vecs * lanes_of(y)
        for p in range(0, count, ROWS):
            windows = tile_offsets(pixels, p, ROWS)
            acc, j = tile_zero(y, ROWS, vecs), panel
            for r in runs:
                i, end = r + c0, r + c0 + run
                while i <= end - DEPTH:
                    acc = tile_fma(acc, seen, windows, i, w, j, DEPTH)
                    i, j = i + DEPTH, j + DEPTH * width
                while i < end:
                    acc = tile_fma(acc, seen, windows, i, w, j, 1)
                    i, j = i + 1, j + width
            tile_store(y, tile_offsets(places, p, ROWS), out, acc, valid)

    return pixel_tiles


_pixels_wide, _pixels_slim = _pixel_tiles(VECS), _pixel_tiles(1)


@kernel
def _correlate_weight(x, g, sums, top, dh, left, dw, images, rows, lane, lo, hi):
    """Add what blocks lo to hi give: sums[group, (a,b,c), o] += g[n,i,j,o] * x[n, top[i]+dh[a], left[j]+dw[b], c]."""
    n, _, _, c = x.shape
    _, oh, ow, o = g.shape
    groups, padded, og = sums.shape
    cg = c // groups
    k = dh.size * dw.size * cg
    bands = (top.size + rows - 1) // rows
    seen, line, area = scratch(x, top[min(rows, top.size) - 1] - top[0], dh, left, dw, images)
    pixels = np.empty(images * rows * ow + ROWS, np.int64)
    locate(pixels, images, area, top[:rows], line, left, c)
    weights, places = _weights(dh, dw, cg, line, c, padded), np.arange(padded) * og
    for block in range(lo, hi):
        n0, i0 = block // bands * images, block % bands * rows
        n1, i1 = min(n0 + images, n), min(i0 + rows, top.size)
        count = (n1 - n0) * (i1 - i0) * ow
        fill(seen, x, n0, n1, top[i0] + dh[0], area // line, left[0] + dw[0], line // c)
        base = (n0 * oh + i0) * ow * o
        for group in range(groups):
            out, v = group * padded * og, 0
            while v < og:
                first = base + group * og + v
                if VECS == 2 and v + lane < og:
                    _weights_wide(seen, pixels, count, weights, k, group * cg, g, first, o, sums, places, out + v)
                    v += 2 * lane
                else:
                    _weights_slim(seen, pixels, count, weights, k, group * cg, g, first, o, sums, places, out + v)
                    v += lane


def _weight_tiles(rows, vecs):
    """The inner loops of conv2d_weight, for tiles of `rows` weights x `vecs` vectors of output channels."""

    @kernel
    def weight_tiles(seen, pixels, count, weights, k, c0, g, first, o, sums, places, out):
        for t in range(0, k, rows):
            offsets = tile_offsets(weights, t, rows)
            acc, j = tile_zero(g, rows, vecs), first
            for p in range(count):
                acc = tile_fma(acc, seen, offsets, pixels[p] + c0, g, j, 1)
                j += o
            tile_add(sums, tile_offsets(places, t, rows), out, acc, o)

    return weight_tiles


_weights_wide, _weights_slim = _weight_tiles(ROWS, VECS), _weight_tiles(TALL, 1)


@kernel
def _runs(dh, dw, line, c, groups):
    """Where the stretches of memory that a window reads start, and how long they are.

    The taps of a kernel row are one stretch, unless dilation or groups leave gaps.
    """
    joined = groups == 1 and dw[-1] - dw[0] == dw.size - 1
    kw, run = (1, dw.size * c) if joined else (dw.size, c // groups)
    runs = np.empty(dh.size * kw, np.int64)
    for a in range(dh.size):
        for b in range(kw):
            runs[a * kw + b] = (dh[a] - dh[0]) * line + (dw[b] - dw[0]) * c
    return runs, run


@kernel
def _weights(dh, dw, cg, line, c, padded):
    """Where weight (a,b,c) reads, counted from the start of a window; the last one again to fill a tile."""
    weights = np.empty(padded, np.int64)
    for t in range(padded):
        tap, i = divmod(min(t, dh.size * dw.size * cg - 1), cg)
        weights[t] = (dh[tap // dw.size] - dh[0]) * line + (dw[tap % dw.size] - dw[0]) * c + i
    return weights
