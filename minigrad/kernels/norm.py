"""Batch normalisation with the fewest passes over memory: two forward and two backward.

    forward    read x for its moments, read x and write y = (x - mean) * gamma * istd + beta
    backward   read g and x for the sums of g and of g * (x - mean), read both and write
               gx = gamma * istd * (g - mean of g - (x - mean) * istd**2 * mean of g * (x - mean))

Images are rows of channels (M,C). Rows of few channels are read several at a time, as (M/k, k*C), which gives the
vectoriser long loops; the k parts of a channel meet again in `_meet`. Running statistics live with the caller.
"""

import numpy as np

from . import threads
from .jit import channels_first, channels_last, contiguous, kernel

WIDE = 128  # numbers in a row from which loops over it are efficient
BLOCK = 4096  # numbers whose sums are kept in the array's own dtype before they go to float64


def channel_moments(x):
    rows, c, k = _rows(x)
    parts = threads.spans(len(rows), threads.PASS * x.size)
    mean, square = (np.zeros((len(parts), k * c)) for _ in range(2))
    threads.run(_moments, [(rows, mean[i], square[i], lo, hi) for i, (lo, hi) in enumerate(parts)])
    mean, var = _meet(mean, square, parts, k)
    return mean.astype(x.dtype), var.astype(x.dtype)


def normalize(x, mean, scale, shift, *, plus=None, relu=False):
    rows, _, k = _rows(x)
    parts = threads.spans(len(rows), threads.PASS * x.size)
    y = np.empty_like(rows)
    args = (rows, y, _repeat(mean, k), _repeat(scale, k), _repeat(shift, k))
    floor = x.dtype.type(0 if relu else -np.inf)
    added = rows if plus is None else _rows(plus)[0]
    threads.run(_normalize, [(*args, added, plus is not None, floor, lo, hi) for lo, hi in parts])
    return _like(y, x)


def batch_norm_backward(g, x, gamma, mean, istd):
    (rows, c, k), (gs, _, _) = _rows(x), _rows(g)
    parts = threads.spans(len(rows), threads.PASS * x.size)
    sum_g, sum_gx = (np.zeros((len(parts), k * c)) for _ in range(2))
    centre = _repeat(mean, k)
    threads.run(_sums, [(gs, rows, centre, sum_g[i], sum_gx[i], lo, hi) for i, (lo, hi) in enumerate(parts)])
    gbeta, ggamma = sum_g.reshape(-1, c).sum(axis=0), sum_gx.reshape(-1, c).sum(axis=0) * istd
    m = max(1, x.size // c)
    gx = np.empty_like(rows)
    per_channel = gamma * istd, gbeta / m, ggamma * istd / m
    args = (gs, rows, gx, centre, *(_repeat(v.astype(x.dtype), k) for v in per_channel))
    threads.run(_pull_back, [(*args, lo, hi) for lo, hi in parts])
    return _like(gx, x), ggamma.astype(x.dtype), gbeta.astype(x.dtype)


def _rows(x):  # (N,C) or (N,C,H,W) -> (M/k, k*C), C, k
    """x as rows of k times all channels, k such that rows are long and all are whole."""
    c = x.shape[1]
    m = x.size // max(1, c)
    k = next(k for k in range(max(1, min(m, WIDE // max(1, c))), 0, -1) if m % k == 0)
    x = channels_last(x) if x.ndim == 4 else contiguous(x)
    return x.reshape(m // k, k * c), c, k


def _like(rows, x):
    if x.ndim == 2:
        return rows.reshape(x.shape)
    n, c, h, w = x.shape
    return channels_first(rows.reshape(n, h, w, c))


def _repeat(v, k):
    return np.tile(v, k)


def _meet(mean, square, parts, k):  # (parts, k*C) twice -> mean (C,), variance (C,)
    """Join the moments of groups of equal channels: squares about a common mean, group by group."""
    count = np.repeat([hi - lo for lo, hi in parts], k)[:, None]
    mean, square = mean.reshape(len(count), -1), square.reshape(len(count), -1)
    total = max(1, count.sum())
    common = (count * mean).sum(axis=0) / total
    return common, (square + count * (mean - common) ** 2).sum(axis=0) / total


@kernel
def _moments(x, mean, square, lo, hi):
    """Into zeros: the mean of each column, and the sum of squares about it, of rows lo to hi.

    Numbers are taken relative to the mean so far: their squares stay small, and no digits cancel in float32.
    """
    c = x.shape[1]
    shift, s1, s2 = np.empty(c, x.dtype), np.zeros(c, x.dtype), np.zeros(c, x.dtype)
    step = max(1, BLOCK // max(1, c))
    for j in range(c):
        shift[j] = x[lo, j] if lo < hi else 0
    for r0 in range(lo, hi, step):
        r1 = min(r0 + step, hi)
        for r in range(r0, r1):
            for j in range(c):
                d = x[r, j] - shift[j]
                s1[j] += d
                s2[j] += d * d
        before, new = r0 - lo, r1 - r0
        for j in range(c):
            here = shift[j] + s1[j] / np.float64(new)
            gap = here - mean[j]
            square[j] += s2[j] - np.float64(s1[j]) * s1[j] / new + gap * gap * (before * new / (before + new))
            mean[j] += gap * (new / (before + new))
            shift[j], s1[j], s2[j] = mean[j], 0, 0


@kernel
def _normalize(x, y, mean, scale, shift, plus, add, floor, lo, hi):
    """y = (x - mean) * scale + shift, + plus if `add`, and not below the floor. NaN stays NaN."""
    for r in range(lo, hi):
        for j in range(x.shape[1]):
            y[r, j] = (x[r, j] - mean[j]) * scale[j] + shift[j]
        if add:
            for j in range(x.shape[1]):
                y[r, j] += plus[r, j]
        for j in range(x.shape[1]):
            y[r, j] = floor if y[r, j] < floor else y[r, j]


@kernel
def _sums(g, x, mean, sum_g, sum_gx, lo, hi):
    """Add to sum_g and sum_gx the sums of g and g * (x - mean) over rows lo to hi."""
    c = x.shape[1]
    s1, s2 = np.zeros(c, x.dtype), np.zeros(c, x.dtype)
    step = max(1, BLOCK // max(1, c))
    for r0 in range(lo, hi, step):
        for r in range(r0, min(r0 + step, hi)):
            for j in range(c):
                s1[j] += g[r, j]
                s2[j] += g[r, j] * (x[r, j] - mean[j])
        for j in range(c):
            sum_g[j] += s1[j]
            sum_gx[j] += s2[j]
            s1[j], s2[j] = 0, 0


@kernel
def _pull_back(g, x, gx, mean, scale, mean_g, slope, lo, hi):
    for r in range(lo, hi):
        for j in range(x.shape[1]):
            gx[r, j] = scale[j] * (g[r, j] - mean_g[j] - (x[r, j] - mean[j]) * slope[j])
