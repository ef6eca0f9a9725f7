"""Rows as one thing each: normalised, and added up at places.

    row_norm     y = (x - mean) * istd * scale + shift, with mean and istd = 1 / sqrt(mean of squares + eps) of the row;
                 not centred, the mean counts as 0. Row r takes row r % P of scale and shift (P,K)
    backward     a = g * scale,  gx = istd * (a - mean of a - xhat * mean of a * xhat)
    add_rows     out[index[i]] += g[i]

Sums are kept in the array's own dtype for a block, then in float64.
"""

import math

import numpy as np

from . import threads
from .jit import contiguous, kernel

BLOCK = 4096  # numbers of a row, whose sum is kept in the array's own dtype
MANY = 256  # rows, likewise


def row_norm(x, scale, shift, *, eps, centred):
    x, scale, shift = contiguous(x), contiguous(scale), contiguous(shift)
    y, stats = np.empty_like(x), np.empty((len(x), 2), x.dtype)
    parts = threads.spans(len(x), 3 * threads.PASS * x.size)
    threads.run(_normalize, [(x, scale, shift, eps, centred, y, stats, lo, hi) for lo, hi in parts])
    return y, stats


def row_norm_backward(g, x, scale, stats, *, centred):
    g, x, scale = contiguous(g), contiguous(x), contiguous(scale)
    gx = np.empty_like(x)
    parts = threads.spans(len(x), 4 * threads.PASS * x.size)
    sums = np.zeros((len(parts), 2, *scale.shape))
    threads.run(_pull_back, [(g, x, scale, stats, centred, gx, sums[i], lo, hi) for i, (lo, hi) in enumerate(parts)])
    gs = sums.sum(axis=0).astype(x.dtype)
    return gx, gs[0], gs[1]


def add_rows(g, index, size):
    out = np.zeros((size, g.shape[1]), g.dtype)
    _add_rows(contiguous(g), contiguous(index), out)
    return out


@kernel
def _sum(row):
    total = 0.0
    for start in range(0, row.size, BLOCK):
        part = row.dtype.type(0)
        for j in range(start, min(start + BLOCK, row.size)):
            part += row[j]
        total += part
    return total


@kernel
def _sum_of_squares(row, mean):
    total = 0.0
    for start in range(0, row.size, BLOCK):
        part = row.dtype.type(0)
        for j in range(start, min(start + BLOCK, row.size)):
            part += (row[j] - mean) * (row[j] - mean)
        total += part
    return total


@kernel
def _normalize(x, scale, shift, eps, centred, y, stats, lo, hi):
    k, p, to = x.shape[1], scale.shape[0], x.dtype.type
    for r in range(lo, hi):
        mean = to(_sum(x[r]) / k) if centred else to(0)
        istd = to(1 / math.sqrt(_sum_of_squares(x[r], mean) / k + eps))
        stats[r, 0], stats[r, 1] = mean, istd
        q = r % p
        for j in range(k):
            y[r, j] = (x[r, j] - mean) * istd * scale[q, j] + shift[q, j]


@kernel
def _pull_back(g, x, scale, stats, centred, gx, sums, lo, hi):
    k, p, to = x.shape[1], scale.shape[0], x.dtype.type
    some = np.zeros((2, p, k), x.dtype)
    for start in range(lo, hi, MANY):
        stop = min(start + MANY, hi)
        for r in range(start, stop):
            mean, istd, q = stats[r, 0], stats[r, 1], r % p
            total, along = 0.0, 0.0
            for first in range(0, k, BLOCK):
                a, b = to(0), to(0)
                for j in range(first, min(first + BLOCK, k)):
                    h = g[r, j] * scale[q, j]
                    a += h
                    b += h * (x[r, j] - mean)
                total += a
                along += b
            middle = to(total / k) if centred else to(0)
            slope = to(along / k) * istd
            for j in range(k):
                xhat = (x[r, j] - mean) * istd
                gx[r, j] = istd * (g[r, j] * scale[q, j] - middle - xhat * slope)
                some[0, q, j] += g[r, j] * xhat
                some[1, q, j] += g[r, j]
        for i in range(2):
            for q in range(p):
                for j in range(k):
                    sums[i, q, j] += some[i, q, j]
                    some[i, q, j] = 0


@kernel
def _add_rows(g, index, out):
    for i in range(index.size):
        at = index[i]
        for j in range(g.shape[1]):
            out[at, j] += g[i, j]
