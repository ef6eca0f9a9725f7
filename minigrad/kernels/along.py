"""Sums of a few entries along one axis: what comes after the axis is one run of memory for each of them."""

import numpy as np

from . import crew, threads
from .jit import contiguous, kernel


def taps(x, starts, places, weights):
    x, many = contiguous(x), len(starts) - 1
    y = np.empty((len(x), many, x.shape[2]), x.dtype)
    parts = threads.spans(len(x) * many, threads.PASS * x.shape[2] * len(x) * (many + len(places)))
    args = x, y, starts, places, weights.astype(x.dtype)
    crew.run(_taps, args, parts)
    return y


@kernel
def _taps(x, y, starts, places, weights, lo, hi):  # x (L,N,R), y (L,M,R)
    """The entries of y from lo to hi, (L,M) taken as flat. Taps come two at a time: an odd one first."""
    for i in range(lo, hi):
        image, m = i // y.shape[1], i % y.shape[1]
        row, first, end = y[image, m], starts[m], starts[m + 1]
        if (end - first) % 2:
            w, a = weights[first], x[image, places[first]]
            for r in range(row.size):
                row[r] = w * a[r]
            first += 1
        elif end == first:
            row[:] = 0
        else:
            v, w, a, b = weights[first], weights[first + 1], x[image, places[first]], x[image, places[first + 1]]
            for r in range(row.size):
                row[r] = v * a[r] + w * b[r]
            first += 2
        for t in range(first, end, 2):
            v, w, a, b = weights[t], weights[t + 1], x[image, places[t]], x[image, places[t + 1]]
            for r in range(row.size):
                row[r] += v * a[r] + w * b[r]
