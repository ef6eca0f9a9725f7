"""Softmax cross-entropy, one row of logits at a time; the probabilities are kept for the way back.

    loss = log(sum of exp(logits)) - (1 - smoothing) * own logit - smoothing * mean of logits

All logits are taken relative to their row's maximum, so that nothing overflows.
"""

import math

import numpy as np

from . import threads
from .exponential import exp
from .jit import contiguous, kernel

BLOCK = 4096  # numbers that stay in the cache while a few rows are gone over several times


def softmax_cross_entropy(logits, labels, *, smoothing):
    logits, labels = contiguous(logits), contiguous(labels.astype(np.int64, copy=False))
    losses, probs = np.empty(len(logits), logits.dtype), np.empty_like(logits)
    args = (logits, labels, logits.dtype.type(smoothing), losses, probs)
    threads.run(_forward, [(*args, lo, hi) for lo, hi in threads.spans(len(logits), 2 * threads.PASS * logits.size)])
    return losses, probs


def softmax_cross_entropy_backward(g, probs, labels, *, smoothing):
    g, probs, labels = contiguous(g), contiguous(probs), contiguous(labels.astype(np.int64, copy=False))
    glogits = np.empty_like(probs)
    args = (g, probs, labels, probs.dtype.type(smoothing), glogits)
    threads.run(_backward, [(*args, lo, hi) for lo, hi in threads.spans(len(probs), threads.PASS * probs.size)])
    return glogits


@kernel
def _forward(logits, labels, smoothing, losses, probs, lo, hi):
    """A long row by itself. Of short ones many at once: exponentials are fastest over many numbers."""
    k = logits.shape[1]
    classes, one, flat = logits.dtype.type(k), logits.dtype.type(1), probs.reshape(-1)
    tops = np.empty(LANES, logits.dtype)
    step = 1 if k >= LANES else max(1, BLOCK // max(1, k))
    for start in range(lo, hi, step):
        stop = min(start + step, hi)
        for n in range(start, stop):
            top, mean = _largest(logits[n], tops), logits.dtype.type(0)
            for j in range(k):
                probs[n, j] = logits[n, j] - top
                mean += probs[n, j]
            losses[n] = -(one - smoothing) * probs[n, labels[n]] - smoothing * (mean / classes)
        if step == 1:
            _normalize(probs[start], _exponentials(probs[start]), losses, start)
            continue
        _exponentials(flat[start * k : stop * k])
        for n in range(start, stop):
            total = logits.dtype.type(0)
            for j in range(k):
                total += probs[n, j]
            _normalize(probs[n], total, losses, n)


@kernel
def _exponentials(x):
    """Of all numbers in place; and their sum."""
    total = x.dtype.type(0)
    for i in range(x.size):
        x[i] = exp(x[i])
        total += x[i]
    return total


@kernel
def _normalize(row, total, losses, n):
    scale = row.dtype.type(1) / total
    for j in range(row.size):
        row[j] *= scale
    losses[n] += math.log(total)


LANES = 64  # how many maxima are sought side by side: one alone would wait for itself


@kernel
def _largest(row, tops):
    """The largest number that is not NaN."""
    top, whole = row[0], row.size // LANES * LANES
    if whole:
        tops[:] = row[:LANES]
        for start in range(LANES, whole, LANES):
            part = row[start : start + LANES]
            for j in range(tops.size):
                tops[j] = part[j] if part[j] > tops[j] else tops[j]
        for j in range(tops.size):
            top = tops[j] if tops[j] > top or top != top else top
    for j in range(whole, row.size):
        top = row[j] if row[j] > top or top != top else top
    return top


@kernel
def _backward(g, probs, labels, smoothing, glogits, lo, hi):
    k = probs.shape[1]
    one, rest = probs.dtype.type(1), smoothing / probs.dtype.type(k)
    for n in range(lo, hi):
        for j in range(k):
            glogits[n, j] = (probs[n, j] - rest) * g[n]
        glogits[n, labels[n]] = (probs[n, labels[n]] - rest - (one - smoothing)) * g[n]
