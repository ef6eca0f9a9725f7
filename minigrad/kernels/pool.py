"""Pooling on channels-last memory: every loop over channels is one run of memory.

Max pooling is split in three so that it differentiates to any order: the winners are an index, the value is a gather
through it, and its adjoint a scatter. Average pooling is linear and has its adjoint. No parameter is checked here.
"""

import numpy as np

from . import threads
from .jit import channels_first, channels_last, kernel


def pool_winners(x, *, kernel, stride, padding):
    x = channels_last(x)
    n, h, w, c = x.shape
    index = np.empty((n, *_windows((h, w), kernel, stride, padding), c), np.int32)
    _run(_winners, index, index.size * kernel[0] * kernel[1], x, index, *kernel, *stride, *padding)
    return channels_first(index)


def pool_take(x, index):
    x, index = channels_last(x), channels_last(index)
    y = np.empty(index.shape, x.dtype)
    _run(_take, y, y.size, _flat(x), index, y)
    return channels_first(y)


def pool_put(g, index, *, size):
    g, index = channels_last(g), channels_last(index)
    gx = np.empty((len(g), *size, g.shape[3]), g.dtype)
    _run(_put, gx, gx.size, g, index, _flat(gx))
    return channels_first(gx)


def avg_pool2d(x, *, kernel, stride, padding):
    x = channels_last(x)
    n, h, w, c = x.shape
    y = np.empty((n, *_windows((h, w), kernel, stride, padding), c), x.dtype)
    _run(_average, y, y.size * kernel[0] * kernel[1], x, y, *kernel, *stride, *padding)
    return channels_first(y)


def avg_pool2d_input(g, *, size, kernel, stride, padding):
    g = channels_last(g)
    gx = np.empty((len(g), *size, g.shape[3]), g.dtype)
    _run(_spread, gx, gx.size + g.size * kernel[0] * kernel[1], g, gx, *kernel, *stride, *padding)
    return channels_first(gx)


def _windows(size, kernel, stride, padding):
    return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))


def _flat(x):  # (N,H,W,C) -> (N,H*W,C)
    n, h, w, c = x.shape
    return x.reshape(n, h * w, c)


def _run(function, images, elements, *args):
    """Split over images: no window crosses from one to the next."""
    threads.run(function, [(*args, lo, hi) for lo, hi in threads.spans(len(images), threads.PASS * elements)])


@kernel
def _winners(x, index, kh, kw, sh, sw, ph, pw, lo, hi):
    _, h, w, c = x.shape
    best = np.empty(c, x.dtype)
    for n in range(lo, hi):
        for i in range(index.shape[1]):
            for j in range(index.shape[2]):
                winner, first = index[n, i, j], True
                for a in range(max(0, i * sh - ph), min(h, i * sh - ph + kh)):
                    for b in range(max(0, j * sw - pw), min(w, j * sw - pw + kw)):
                        row, place = x[n, a, b], np.int32(a * w + b)
                        if first:
                            for k in range(c):
                                best[k] = row[k]
                                winner[k] = place
                            first = False
                        else:
                            for k in range(c):
                                wins = (row[k] > best[k]) | (row[k] != row[k])
                                best[k] = row[k] if wins else best[k]
                                winner[k] = place if wins else winner[k]


@kernel
def _take(x, index, y, lo, hi):
    for n in range(lo, hi):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for k in range(y.shape[3]):
                    y[n, i, j, k] = x[n, index[n, i, j, k], k]


@kernel
def _put(g, index, gx, lo, hi):
    gx[lo:hi] = 0
    for n in range(lo, hi):
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                for k in range(g.shape[3]):
                    gx[n, index[n, i, j, k], k] += g[n, i, j, k]


@kernel
def _average(x, y, kh, kw, sh, sw, ph, pw, lo, hi):
    _, h, w, c = x.shape
    scale = x.dtype.type(1 / (kh * kw))
    for n in range(lo, hi):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                total = y[n, i, j]
                for k in range(c):
                    total[k] = 0
                for a in range(max(0, i * sh - ph), min(h, i * sh - ph + kh)):
                    for b in range(max(0, j * sw - pw), min(w, j * sw - pw + kw)):
                        row = x[n, a, b]
                        for k in range(c):
                            total[k] += row[k]
                for k in range(c):
                    total[k] *= scale


@kernel
def _spread(g, gx, kh, kw, sh, sw, ph, pw, lo, hi):
    _, h, w, c = gx.shape
    scale = g.dtype.type(1 / (kh * kw))
    gx[lo:hi] = 0
    for n in range(lo, hi):
        for i in range(g.shape[1]):
            for j in range(g.shape[2]):
                share = g[n, i, j]
                for a in range(max(0, i * sh - ph), min(h, i * sh - ph + kh)):
                    for b in range(max(0, j * sw - pw), min(w, j * sw - pw + kw)):
                        row = gx[n, a, b]
                        for k in range(c):
                            row[k] += share[k] * scale
