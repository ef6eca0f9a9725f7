"""Rows: each normalised by itself, and rows added to rows.

Of a row that is in the cache, the mean is taken, then the mean of what is left, and of its square: no digits cancel far from
zero. Sums over rows are kept in the array's own dtype for a block of rows, and go to float64 then.
"""

import math

import numpy as np

from . import crew, threads
from .jit import contiguous, kernel

BLOCK = 64  # rows


def normalize_rows(x, weight, bias, *, eps, centred):
    x = contiguous(x)
    y, stats = np.empty_like(x), np.empty((len(x), 2), x.dtype)
    args = x, contiguous(weight), contiguous(bias), eps, centred, y, stats
    crew.run(_normalize, args, threads.spans(len(x), threads.PASS * x.size))
    return y, stats


def normalize_rows_backward(g, x, weight, stats, *, centred):
    g, x, weight = contiguous(g), contiguous(x), contiguous(weight)
    gx = np.empty_like(x)
    parts = threads.spans(len(x), threads.PASS * x.size)
    sums = np.zeros((len(parts), 2, *weight.shape))
    args = g, x, weight, contiguous(stats), centred, gx
    crew.run(_pull_back, (*args, sums), threads.numbered(parts))
    gw, gb = sums.sum(axis=0).astype(x.dtype)
    return gx, gw, gb


def add_rows(g, ids, *, rows):
    g, ids = contiguous(g), contiguous(ids.astype(np.int64, copy=False))
    out = np.zeros((rows, g.shape[1]), g.dtype)
    crew.run(_add, (g, ids, out), threads.spans(g.shape[1], threads.PASS * g.size))
    return out


@kernel
def _normalize(x, weight, bias, eps, centred, y, stats, lo, hi):
    f, (period, k) = x.shape[1], weight.shape
    span = f // max(1, k)
    count = x.dtype.type(max(1, f))
    for r in range(lo, hi):
        row, out, mean, rest, square = x[r], y[r], x.dtype.type(0), x.dtype.type(0), x.dtype.type(0)
        if centred:
            for j in range(f):
                mean += row[j]
            mean /= count
        for j in range(f):
            d = row[j] - mean
            rest += d
            square += d * d
        rest /= count
        square /= count
        if centred:
            mean += rest
            square -= rest * rest
        istd = x.dtype.type(1 / math.sqrt(square + eps))
        stats[r, 0], stats[r, 1] = mean, istd
        w, b = weight[r % period], bias[r % period]
        if span == 1:
            for j in range(f):
                out[j] = (row[j] - mean) * istd * w[j] + b[j]
        else:
            for i in range(k):
                _scaled(row[i * span : (i + 1) * span], mean, istd * w[i], b[i], out[i * span : (i + 1) * span])


@kernel
def _scaled(x, mean, scale, shift, y):
    for j in range(x.size):
        y[j] = (x[j] - mean) * scale + shift


@kernel
def _two_sums(g, x, mean):
    a, b = x.dtype.type(0), x.dtype.type(0)
    for j in range(x.size):
        a += g[j]
        b += g[j] * (x[j] - mean)
    return a, b


@kernel
def _combine(g, x, mean, scale, shift, slope, out):
    for j in range(x.size):
        out[j] = g[j] * scale - shift - (x[j] - mean) * slope


@kernel
def _pull_back(g, x, weight, stats, centred, gx, sums, part, lo, hi):
    f, (period, k) = x.shape[1], weight.shape
    span = f // max(1, k)
    here = np.zeros((2, period, k), x.dtype)
    count, zero = x.dtype.type(max(1, f)), x.dtype.type(0)
    for r0 in range(lo, hi, BLOCK):
        for r in range(r0, min(r0 + BLOCK, hi)):
            row, up, out, mean, istd = x[r], g[r], gx[r], stats[r, 0], stats[r, 1]
            w, of_w, of_b = weight[r % period], here[0, r % period], here[1, r % period]
            a, b = zero, zero
            if span == 1:
                for j in range(f):
                    y, h = (row[j] - mean) * istd, up[j] * w[j]
                    a += h
                    b += h * y
                a, b = a / count, b / count
                if not centred:
                    a = zero
                for j in range(f):
                    out[j] = (up[j] * w[j] - a - (row[j] - mean) * istd * b) * istd
                for j in range(f):
                    of_w[j] += up[j] * ((row[j] - mean) * istd)
                for j in range(f):
                    of_b[j] += up[j]
            else:
                for i in range(k):
                    c, d = _two_sums(up[i * span : (i + 1) * span], row[i * span : (i + 1) * span], mean)
                    d *= istd
                    of_w[i] += d
                    of_b[i] += c
                    a += c * w[i]
                    b += d * w[i]
                a, b = a / count, b / count
                if not centred:
                    a = zero
                for i in range(k):
                    part_of = slice(i * span, (i + 1) * span)
                    _combine(up[part_of], row[part_of], mean, istd * w[i], a * istd, istd * istd * b, out[part_of])
        for p in range(period):
            for i in range(k):
                sums[part, 0, p, i] += here[0, p, i]
                sums[part, 1, p, i] += here[1, p, i]
                here[0, p, i], here[1, p, i] = zero, zero


@kernel
def _add(g, ids, out, lo, hi):
    """Columns lo to hi: each thread has its own."""
    for i in range(len(ids)):
        row, to = g[i], out[ids[i]]
        for j in range(lo, hi):
            to[j] += row[j]
