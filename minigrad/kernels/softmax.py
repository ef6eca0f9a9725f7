"""Softmax cross-entropy, one row of logits at a time; the probabilities are kept for the way back.

    loss = log(sum of exp(logits)) - (1 - smoothing) * own logit - smoothing * mean of logits

All logits are taken relative to their row's maximum, so that nothing overflows.
"""

import math

import numpy as np

from . import threads
from .jit import contiguous, kernel

EXP = 100  # what one exponential costs, in operations


def softmax_cross_entropy(logits, labels, *, smoothing):
    logits, labels = contiguous(logits), contiguous(labels.astype(np.int64, copy=False))
    losses, probs = np.empty(len(logits), logits.dtype), np.empty_like(logits)
    args = (logits, labels, logits.dtype.type(smoothing), losses, probs)
    threads.run(_forward, [(*args, lo, hi) for lo, hi in threads.spans(len(logits), EXP * logits.size)])
    return losses, probs


def softmax_cross_entropy_backward(g, probs, labels, *, smoothing):
    g, probs, labels = contiguous(g), contiguous(probs), contiguous(labels.astype(np.int64, copy=False))
    glogits = np.empty_like(probs)
    args = (g, probs, labels, probs.dtype.type(smoothing), glogits)
    threads.run(_backward, [(*args, lo, hi) for lo, hi in threads.spans(len(probs), threads.PASS * probs.size)])
    return glogits


@kernel
def _forward(logits, labels, smoothing, losses, probs, lo, hi):
    k = logits.shape[1]
    one = logits.dtype.type(1)
    for n in range(lo, hi):
        top = logits[n, 0]
        for j in range(1, k):
            top = max(top, logits[n, j])
        total, mean = logits.dtype.type(0), logits.dtype.type(0)
        for j in range(k):
            probs[n, j] = math.exp(logits[n, j] - top)
            total += probs[n, j]
            mean += logits[n, j] - top
        for j in range(k):
            probs[n, j] /= total
        own, mean = logits[n, labels[n]] - top, mean / logits.dtype.type(k)
        losses[n] = math.log(total) - (one - smoothing) * own - smoothing * mean


@kernel
def _backward(g, probs, labels, smoothing, glogits, lo, hi):
    k = probs.shape[1]
    one, rest = probs.dtype.type(1), smoothing / probs.dtype.type(k)
    for n in range(lo, hi):
        for j in range(k):
            glogits[n, j] = (probs[n, j] - rest) * g[n]
        glogits[n, labels[n]] = (probs[n, labels[n]] - rest - (one - smoothing)) * g[n]
