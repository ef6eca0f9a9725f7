"""Softmax cross-entropy, one row of logits at a time: its loss, and the gradient of that.

    loss  = log(sum of exp(logits)) - (1 - smoothing) * own logit - smoothing * mean of logits
    slope = softmax(logits) - smoothing / K, and less 1 - smoothing for the own class

All logits are taken relative to their row's maximum, so that nothing overflows.
"""

import math

import numpy as np

from . import crew, threads
from .exponential import exp
from .jit import contiguous, kernel

BLOCK = 4096  # numbers that stay in the cache while a few rows are gone over several times


def softmax_cross_entropy(logits, labels, *, smoothing=0.0):
    logits, labels = contiguous(logits), contiguous(labels.astype(np.int64, copy=False))
    losses, slopes = np.empty(len(logits), logits.dtype), np.empty_like(logits)
    args = (logits, labels, logits.dtype.type(smoothing), losses, slopes)
    crew.run(_forward, args, threads.spans(len(logits), 2 * threads.PASS * logits.size))
    return losses, slopes


def softmax_rows(x):
    rows = contiguous(x).reshape(-1, x.shape[-1])
    y = np.empty_like(rows)
    crew.run(_softmax, (rows, y), threads.spans(len(rows), 2 * threads.PASS * x.size))
    return y.reshape(x.shape)


def softmax_rows_backward(g, y):
    gs, ys = (contiguous(a).reshape(-1, y.shape[-1]) for a in (g, y))
    gx = np.empty_like(ys)
    crew.run(_softmax_backward, (gs, ys, gx), threads.spans(len(ys), threads.PASS * y.size))
    return gx.reshape(y.shape)


@kernel
def _softmax(x, y, lo, hi):
    """As `_forward`: a long row by itself, of short ones many at once."""
    k = x.shape[1]
    tops, flat = np.empty(LANES, x.dtype), y.reshape(-1)
    step = 1 if k >= LANES else max(1, BLOCK // max(1, k))
    for start in range(lo, hi, step):
        stop = min(start + step, hi)
        for n in range(start, stop):
            top = _largest(x[n], tops)
            for j in range(k):
                y[n, j] = x[n, j] - top
            if top == np.inf:
                _from_infinity(x[n], y[n])
        if step > 1:
            _exponentials(flat[start * k : stop * k])
        for n in range(start, stop):
            total = _exponentials(y[n]) if step == 1 else _sum(y[n])
            scale = x.dtype.type(1) / total
            for j in range(k):
                y[n, j] *= scale


@kernel
def _softmax_backward(g, y, gx, lo, hi):
    for n in range(lo, hi):
        up, row, out = g[n], y[n], gx[n]
        dot = y.dtype.type(0)
        for j in range(row.size):
            dot += up[j] * row[j]
        for j in range(row.size):
            out[j] = row[j] * (up[j] - dot)


@kernel
def _forward(logits, labels, smoothing, losses, slopes, lo, hi):
    """A long row by itself. Of short ones many at once: exponentials are fastest over many numbers."""
    k = logits.shape[1]
    classes, own, flat = logits.dtype.type(k), logits.dtype.type(1) - smoothing, slopes.reshape(-1)
    tops = np.empty(LANES, logits.dtype)
    step = 1 if k >= LANES else max(1, BLOCK // max(1, k))
    for start in range(lo, hi, step):
        stop = min(start + step, hi)
        for n in range(start, stop):
            top, mean = _largest(logits[n], tops), logits.dtype.type(0)
            for j in range(k):
                slopes[n, j] = logits[n, j] - top
                mean += slopes[n, j]
            if top == np.inf:
                mean = _from_infinity(logits[n], slopes[n])
            losses[n] = -own * slopes[n, labels[n]] if own > 0 else logits.dtype.type(0)
            if smoothing > 0:  # or an impossible class, of logit -inf, would make the loss NaN
                losses[n] -= smoothing * (mean / classes)
        if step > 1:
            _exponentials(flat[start * k : stop * k])
        for n in range(start, stop):
            total = _exponentials(slopes[n]) if step == 1 else _sum(slopes[n])
            losses[n] += math.log(total)
            scale, rest = logits.dtype.type(1) / total, smoothing / classes
            for j in range(k):
                slopes[n, j] = slopes[n, j] * scale - rest
            slopes[n, labels[n]] -= own


@kernel
def _from_infinity(logits, slopes):
    """How far logits are from infinity, where the largest are; and the sum."""
    total = slopes.dtype.type(0)
    for j in range(logits.size):
        slopes[j] = 0 if logits[j] == np.inf else logits[j] - np.inf
        total += slopes[j]
    return total


@kernel
def _exponentials(x):
    """Of all numbers in place; and their sum."""
    total = x.dtype.type(0)
    for i in range(x.size):
        x[i] = exp(x[i])
        total += x[i]
    return total


@kernel
def _sum(x):
    total = x.dtype.type(0)
    for i in range(x.size):
        total += x[i]
    return total


LANES = 64  # how many maxima are sought side by side: one alone would wait for itself


@kernel
def _largest(row, tops):
    """The largest number that is not NaN."""
    top, whole = row[0], row.size // LANES * LANES
    if whole:
        for j in range(LANES):
            tops[j] = row[j]
        for start in range(LANES, whole, LANES):
            for j in range(LANES):
                x = row[start + j]
                tops[j] = x if x > tops[j] else tops[j]
        for j in range(tops.size):
            top = tops[j] if tops[j] > top or top != top else top
    for j in range(whole, row.size):
        top = row[j] if row[j] > top or top != top else top
    return top
