"""Depthwise convolution: every channel by itself. A vector holds many channels, each with its own weights.

    y[n,c,i,j]  = sum over a,b    of  w[c,a,b] * x[n, c, sh*i - ph + dh*a, sw*j - pw + dw*b]
    gw[c,a,b]   = sum over n,i,j  of  g[n,c,i,j] * the same x

The blocks are those of `conv.py`, which calls this file.
"""

import numpy as np

from . import crew, threads
from .blocks import blocks, bounds, locate, look, scratch
from .jit import kernel
from .tile import (
    ROWS,
    TALL,
    lanes,
    lanes_of,
    round_up,
    tile_add,
    tile_finish,
    tile_fma_each,
    tile_load_part,
    tile_offsets,
    tile_steps,
    tile_store,
    tile_zero,
)

TAPS = 9  # rows of a tile of sums of weights: all of a 3x3 kernel


def applies(groups: int, o: int, c: int) -> bool:
    """Whether groups of c channels in and o channels out are convolved here."""
    return groups > 1 and o == c == 1


def correlate(x, w, y, ys, xs, end):  # x (N,H,W,C), w (C,kh,kw), y (N,OH,OW,C)
    """Fill the pixels (ys.writes, xs.writes) of y; `end` is their epilogue."""
    images, rows, count = blocks(len(x), x.shape[3] * x.itemsize, ys, xs, w.nbytes, threads.get_num_threads())
    if count == 0:
        return
    parts = threads.spans(count, 8 * len(x) * ys.size * xs.size * w.size)
    w = _whole_vectors(w.reshape(len(w), -1).T)  # (kh*kw,C')
    args = (x, w, y, *end, ys.reads, ys.offsets, ys.writes, xs.reads, xs.offsets, xs.writes, images, rows)
    crew.run(_correlate_blocks, args, parts)


def correlate_weight(x, g, size, ys, xs):  # x (N,H,W,C), g (N,OH,OW,C) -> (C,1,kh,kw)
    (n, _, _, c), taps = x.shape, size[0] * size[1]
    images, rows, count = blocks(n, c * x.itemsize, ys, xs, taps * c * x.itemsize, threads.get_num_threads())
    parts = threads.spans(count, 8 * g.size * taps)
    sums = np.zeros((len(parts), round_up(taps, TAPS), round_up(c, lanes(x.dtype))), x.dtype)
    if count:
        args = (x, g, sums, ys.reads, ys.offsets, xs.reads, xs.offsets, images, rows)
        crew.run(_correlate_weight, args, threads.numbered(parts))
    return np.ascontiguousarray(sums.sum(axis=0)[:taps, :c].T).reshape(c, 1, *size)


def _whole_vectors(a):
    """a with zeros after its last axis, up to a whole number of vectors; a itself if it has that already."""
    c = a.shape[-1]
    padded = np.zeros((*a.shape[:-1], round_up(c, lanes(a.dtype))), a.dtype)
    if padded.shape == a.shape and a.flags.carray:
        return a
    padded[..., :c] = a
    return padded


@kernel
def _correlate_blocks(x, w, y, scale, shift, plus, relu, top, dh, row_out, left, dw, col_out, images, rows, lo, hi):
    """Blocks lo to hi of y[n, row_out[i], col_out[j]] = sum over a, b of w[a,b] * x[n, top[i]+dh[a], left[j]+dw[b]]."""
    n, _, _, c = x.shape
    _, yh, yw, _ = y.shape
    seen, pixel, line, area, inside = scratch(x, top, dh, left, dw, images, rows, 1, c % lanes_of(x) > 0)
    pixels = np.empty(images * rows * left.size + TALL, np.int64)  # where the window of a pixel starts in the scratch
    places = np.empty(images * rows * left.size + TALL, np.int64)  # where the pixel lies in y, counted from the first
    taps = np.empty(dh.size * dw.size + TALL, np.int64)
    locate(taps, np.arange(1), 0, dh, line, dw, c)
    known = 0
    for block in range(lo, hi):
        n0, n1, i0, i1 = bounds(block, images, rows, n, top.size)
        count = (n1 - n0) * (i1 - i0) * left.size
        if count != known:
            locate(pixels, np.arange(n1 - n0), area, top[: i1 - i0], line, left, c)
            locate(places, np.arange(n1 - n0), yh * yw * c, row_out[: i1 - i0], yw * c, col_out, c)
            known = count
        start = look(
            seen, pixel, inside, x, 0, 1, n0, n1, top[i0] + dh[0], area // line, left[0] + dw[0], line // pixel
        )
        base = ((n0 * yh + row_out[i0]) * yw + col_out[0]) * c
        for p in range(0, count, ROWS):
            windows, offsets = tile_offsets(pixels, p, ROWS), tile_offsets(places, p, ROWS)
            for c0 in range(0, c, lanes_of(x)):
                acc = tile_zero(x, ROWS, 1)
                for t in range(dh.size * dw.size):
                    acc = tile_fma_each(acc, seen, windows, start + taps[t] + c0, w, t * w.shape[1] + c0)
                acc = tile_finish(acc, scale, shift, c0, plus, offsets, base + c0, c - c0, relu)
                tile_store(y, offsets, base + c0, acc, c - c0)


@kernel
def _correlate_weight(x, g, sums, top, dh, left, dw, images, rows, part, lo, hi):
    """Add what blocks lo to hi give: sums[part, (a,b), c] += g[n,i,j,c] * x[n, top[i]+dh[a], left[j]+dw[b], c]."""
    n, _, _, c = x.shape
    _, oh, ow, _ = g.shape
    sums, lane = sums[part], lanes_of(x)
    seen, pixel, line, area, inside = scratch(x, top, dh, left, dw, images, rows, 1, c % lane > 0)
    pixels = np.empty(images * rows * ow + TALL, np.int64)
    locate(pixels, np.arange(images), area, top[:rows], line, left, c)
    taps, places = np.empty(dh.size * dw.size + max(TAPS, TALL), np.int64), np.arange(len(sums)) * sums.shape[1]
    locate(taps, np.arange(1), 0, dh, line, dw, c)
    flat, last = g.reshape(-1), np.empty(images * rows * ow * lane if c % lane else 0, x.dtype)
    for block in range(lo, hi):
        n0, n1, i0, i1 = bounds(block, images, rows, n, top.size)
        count = (n1 - n0) * (i1 - i0) * ow
        start = look(
            seen, pixel, inside, x, 0, 1, n0, n1, top[i0] + dh[0], area // line, left[0] + dw[0], line // pixel
        )
        base = (n0 * oh + i0) * ow * c
        for c0 in range(0, c, lane):
            rows_of_g, first, step = flat, base + c0, c
            if c0 + lane > c:  # a vector of g would reach into the next pixel, or past the last
                for p in range(count):
                    part = tile_load_part(flat, tile_steps(0, 1), first + p * c, 0, 1, c - c0)
                    tile_store(last, tile_steps(0, 1), p * lane, part, lane)
                rows_of_g, first, step = last, 0, lane
            for t in range(0, dh.size * dw.size, TAPS):
                offsets, acc = tile_offsets(taps, t, TAPS), tile_zero(x, TAPS, 1)
                for p in range(count):
                    acc = tile_fma_each(acc, seen, offsets, start + pixels[p] + c0, rows_of_g, first + p * step)
                tile_add(sums, tile_offsets(places, t, TAPS), c0, acc, lane)
