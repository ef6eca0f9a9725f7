"""Batch and group normalisation with the fewest passes over memory: two forward and two backward.

    forward    read x for its moments, read x and write y = (x - mean) * gamma * istd + beta
    backward   read g and x for the sums of g and of g * (x - mean), read both and write
               gx = gamma * istd * (g - mean of g - (x - mean) * istd**2 * mean of g * (x - mean))

Arrays that lie in no fast cache are asked for some rows ahead: what is done with a row is not enough for the processor
to look so far.

Images are rows of channels (M,C). Rows of few channels are read several at a time, as (M/k, k*C), which gives the
vectoriser long loops; the k parts of a channel meet again in `_join` and `_slopes`. Running statistics live with the
caller. Groups of the channels of an image are normalised image by image, by the same passes.
"""

import functools
import math

import numpy as np

from . import crew, threads
from .blocks import prefetch_row, rows_ahead
from .jit import channels_first, channels_last, contiguous, kernel

WIDE = 128  # numbers in a row from which loops over it are efficient
BLOCK = 4096  # numbers whose sums are kept in the array's own dtype before they go to float64
ROWS = 8  # rows that are added up in registers


def channel_moments(x):
    rows = _rows(x)
    parts = threads.spans(len(rows), threads.PASS * x.size)
    means, squares = np.zeros((2, len(parts), rows.shape[1]))
    crew.run(_moments, (rows, means, squares), threads.numbered(parts))
    moments = np.empty((2, x.shape[1]), x.dtype)
    _join(means, squares, len(rows), moments)
    return moments[0], moments[1]


def channel_sums(x):
    rows, c = _rows(x), x.shape[1]
    parts = threads.spans(len(rows), threads.PASS * x.size)
    sums = np.zeros((len(parts), rows.shape[1]))
    crew.run(_add_up, (rows, sums), threads.numbered(parts))
    return sums.reshape(sums.size // max(1, c), c).sum(axis=0).astype(x.dtype)


def normalize(x, mean, scale, shift, *, plus=None, relu=False):
    rows = _rows(x)
    y = np.empty_like(rows)
    floor = x.dtype.type(0 if relu else -np.inf)
    added = rows if plus is None else _rows(plus)
    args = rows, y, *map(contiguous, (mean, scale, shift)), added, plus is not None, floor
    crew.run(_normalize, args, threads.spans(len(rows), threads.PASS * x.size))
    return _like(y, x)


def batch_norm_backward(g, x, gamma, mean, istd, *, gate=None):
    rows, gs = _rows(x), _rows(g)
    args = gs, gs if gate is None else _rows(gate), gate is not None, rows, contiguous(mean)
    parts = threads.spans(len(rows), threads.PASS * x.size)
    sums = np.zeros((len(parts), 2, rows.shape[1]))
    crew.run(_sums, (*args, sums), threads.numbered(parts))
    (grads, coefficients), gx = np.empty((2, 3, x.shape[1]), x.dtype), np.empty_like(rows)
    _slopes(sums, contiguous(gamma), contiguous(istd), x.size, grads, coefficients)
    crew.run(_pull_back, (*args, coefficients, gx), parts)
    return _like(gx, x), grads[0], grads[1]


def batch_norm_second(g, t, x, mean, istd):
    rows, gs, ts = _rows(x), _rows(g), _rows(t)
    parts = threads.spans(len(rows), threads.PASS * x.size)
    sums = np.zeros((len(parts), 5, rows.shape[1]))
    args = gs, ts, rows, contiguous(mean)
    crew.run(_sums_of_two, (*args, sums), threads.numbered(parts))
    c = x.shape[1]
    mean_g, mean_t, a, b, q = sums.reshape(len(parts), 5, -1, c).sum(axis=(0, 2)) / max(1, x.size // max(1, c))
    i = istd.astype("d")
    a, b = a * i, b * i
    coefficients = -i * i * np.array([b, a, i * (q - mean_g * mean_t - 3 * a * b), -b * mean_g - a * mean_t])
    out = np.empty_like(rows)
    crew.run(_combine, (*args, coefficients.astype(x.dtype), out), parts)
    return _like(out, x)


def normalize_groups(x, weight, bias, *, eps):
    rows, n = _rows(x, len(x)), len(x)
    y, stats = np.empty_like(rows), np.empty((n * len(weight), 2), x.dtype)
    args = rows, contiguous(weight), contiguous(bias), eps, len(rows) // max(1, n), y, stats
    crew.run(_normalize_groups, args, threads.spans(n, threads.PASS * x.size))
    return _like(y, x), stats


def normalize_groups_backward(g, x, weight, stats):
    rows, gs, n = _rows(x, len(x)), _rows(g, len(x)), len(x)
    gx, parts = np.empty_like(rows), threads.spans(n, threads.PASS * x.size)
    sums = np.zeros((len(parts), 2, *weight.shape))
    args = gs, rows, contiguous(weight), contiguous(stats), len(rows) // max(1, n), gx, sums
    crew.run(_pull_back_groups, args, threads.numbered(parts))
    gw, gb = sums.sum(axis=0).astype(x.dtype)
    return _like(gx, x), gw, gb


def _rows(x, parts=1):  # (N,C) or (N,C,H,W) -> (M/k, k*C)
    """x as rows of k times all channels, k such that rows are long and so many equal parts of x have whole rows."""
    c = x.shape[1]
    x = channels_last(x) if x.ndim == 4 else contiguous(x)
    k = _rows_in_one(x.size // max(1, c * parts), c)
    return x.reshape(x.size // max(1, k * c), k * c)


@functools.lru_cache(1024)
def _rows_in_one(m, c):
    return next(k for k in range(max(1, min(m, WIDE // max(1, c))), 0, -1) if m % k == 0)


def _like(rows, x):
    if x.ndim == 2:
        return rows.reshape(x.shape)
    n, c, h, w = x.shape
    return channels_first(rows.reshape(n, h, w, c))


@kernel
def _moments(x, means, squares, part, lo, hi):
    """Into zeros: the mean of each column, and the sum of squares about it, of rows lo to hi.

    Numbers are taken relative to the mean so far: their squares stay small, and no digits cancel in float32.
    """
    c, mean, square = x.shape[1], means[part], squares[part]
    shift, s1, s2 = np.empty(c, x.dtype), np.zeros(c, x.dtype), np.zeros(c, x.dtype)
    step, ahead = max(1, BLOCK // max(1, c)), rows_ahead(x)
    for j in range(c):
        shift[j] = x[lo, j] if lo < hi else 0
    for r0 in range(lo, hi, step):
        r1 = min(r0 + step, hi)
        whole = r0 + (r1 - r0) // ROWS * ROWS
        for r in range(r0, whole, ROWS):
            for i in range(r, r + ROWS):
                prefetch_row(x, i + ahead)
            for j in range(c):
                total, squared = s1[j], s2[j]
                for i in range(ROWS):
                    d = x[r + i, j] - shift[j]
                    total += d
                    squared += d * d
                s1[j], s2[j] = total, squared
        for r in range(whole, r1):
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
def _add_up(x, sums, part, lo, hi):
    """Add to `sums` those of the columns of rows lo to hi."""
    c = x.shape[1]
    s = np.zeros(c, x.dtype)
    step = max(1, BLOCK // max(1, c))
    for r0 in range(lo, hi, step):
        for r in range(r0, min(r0 + step, hi)):
            for j in range(c):
                s[j] += x[r, j]
        for j in range(c):
            sums[part, j] += s[j]
            s[j] = 0


@kernel
def _join(means, squares, rows, moments):
    """The mean and the variance of each channel from those of its groups: (parts, k*C) twice -> (2,C).

    Squares are taken about the common mean, group by group. Rows are shared out as `threads.spans` does it.
    """
    parts, width = means.shape
    c = moments.shape[1]
    count = np.array([rows * (i + 1) // parts - rows * i // parts for i in range(parts)])
    total = max(1, rows * (width // max(1, c)))
    for j in range(c):
        mean = square = 0.0
        for i in range(parts):
            for column in range(j, width, c):
                mean += count[i] * means[i, column]
        mean /= total
        for i in range(parts):
            for column in range(j, width, c):
                square += squares[i, column] + count[i] * (means[i, column] - mean) ** 2
        moments[0, j], moments[1, j] = mean, square / total


@kernel
def _repeat(v, width):
    """v over and over, up to that width."""
    out = np.empty(width, v.dtype)
    for start in range(0, width, max(1, v.size)):
        for i in range(v.size):
            out[start + i] = v[i]
    return out


@kernel
def _normalize(x, y, mean, scale, shift, plus, add, floor, lo, hi):
    """y = (x - mean) * scale + shift, + plus if `add`, and not below the floor. NaN stays NaN."""
    width = x.shape[1]
    mean, scale, shift = _repeat(mean, width), _repeat(scale, width), _repeat(shift, width)
    ahead = rows_ahead(x)
    for r in range(lo, hi):
        prefetch_row(x, r + ahead)
        if add:
            prefetch_row(plus, r + ahead)
            for j in range(width):
                value = (x[r, j] - mean[j]) * scale[j] + shift[j] + plus[r, j]
                y[r, j] = floor if value < floor else value
        else:
            for j in range(width):
                value = (x[r, j] - mean[j]) * scale[j] + shift[j]
                y[r, j] = floor if value < floor else value


@kernel
def _sums(g, gate, gated, x, mean, sums, part, lo, hi):
    """Add to `sums` those of g and of g * (x - mean) over rows lo to hi; g counts where its gate is positive."""
    c = x.shape[1]
    mean = _repeat(mean, c)
    s1, s2 = np.zeros(c, x.dtype), np.zeros(c, x.dtype)
    step, ahead = max(1, BLOCK // max(1, c)), rows_ahead(x)
    for r0 in range(lo, hi, step):
        for r in range(r0, min(r0 + step, hi)):
            prefetch_row(g, r + ahead)
            prefetch_row(x, r + ahead)
            if gated:
                prefetch_row(gate, r + ahead)
            for j in range(c):
                value = _through(g[r, j], gate[r, j], gated)
                s1[j] += value
                s2[j] += value * (x[r, j] - mean[j])
        for j in range(c):
            sums[part, 0, j] += s1[j]
            sums[part, 1, j] += s2[j]
            s1[j], s2[j] = 0, 0


@kernel
def _through(g, gate, gated):
    """g if its gate is positive or there is none, else 0."""
    return g if (gate > 0) | (not gated) else type(g)(0)


@kernel
def _slopes(sums, gamma, istd, size, grads, coefficients):
    """From the sums of all groups (parts,2,k*C): the gradients of gamma and beta, and what `_pull_back` needs."""
    parts, _, width = sums.shape
    c = gamma.size
    m = max(1, size // max(1, c))
    for j in range(c):
        gbeta = ggamma = 0.0
        for i in range(parts):
            for column in range(j, width, c):
                gbeta += sums[i, 0, column]
                ggamma += sums[i, 1, column]
        ggamma *= istd[j]
        grads[0, j], grads[1, j], scale = ggamma, gbeta, gamma[j] * istd[j]
        coefficients[0, j], coefficients[1, j] = scale, scale * (gbeta / m)
        coefficients[2, j] = scale * (ggamma * istd[j] / m)


@kernel
def _pull_back(g, gate, gated, x, mean, coefficients, gx, lo, hi):
    """gx = g * scale - shift - (x - mean) * slope, the three being the coefficients; g counts where its gate is positive."""
    c = x.shape[1]
    mean = _repeat(mean, c)
    scale, shift, slope = _repeat(coefficients[0], c), _repeat(coefficients[1], c), _repeat(coefficients[2], c)
    ahead = rows_ahead(x)
    for r in range(lo, hi):
        prefetch_row(g, r + ahead)
        prefetch_row(x, r + ahead)
        if gated:
            prefetch_row(gate, r + ahead)
        for j in range(c):
            value = _through(g[r, j], gate[r, j], gated)
            gx[r, j] = scale[j] * value - shift[j] - (x[r, j] - mean[j]) * slope[j]


@kernel
def _sums_of_two(g, t, x, mean, sums, part, lo, hi):
    """Add to `sums` those of g, t, g * (x - mean), t * (x - mean) and g * t over rows lo to hi."""
    c = x.shape[1]
    mean = _repeat(mean, c)
    here = np.zeros((5, c), x.dtype)
    s1, s2, s3, s4, s5 = here[0], here[1], here[2], here[3], here[4]
    step = max(1, BLOCK // max(1, c))
    for r0 in range(lo, hi, step):
        for r in range(r0, min(r0 + step, hi)):
            for j in range(c):
                d = x[r, j] - mean[j]
                s1[j] += g[r, j]
                s2[j] += t[r, j]
                s3[j] += g[r, j] * d
                s4[j] += t[r, j] * d
                s5[j] += g[r, j] * t[r, j]
        for i in range(5):
            for j in range(c):
                sums[part, i, j] += here[i, j]
                here[i, j] = 0


@kernel
def _combine(g, t, x, mean, coefficients, out, lo, hi):
    c = x.shape[1]
    mean = _repeat(mean, c)
    of_g, of_t = _repeat(coefficients[0], c), _repeat(coefficients[1], c)
    of_x, shift = _repeat(coefficients[2], c), _repeat(coefficients[3], c)
    for r in range(lo, hi):
        for j in range(c):
            out[r, j] = of_g[j] * g[r, j] + of_t[j] * t[r, j] + of_x[j] * (x[r, j] - mean[j]) + shift[j]


@kernel
def _normalize_groups(x, weight, bias, eps, size, y, stats, lo, hi):
    """Images lo to hi, of `size` rows each."""
    (groups, k), width, c = weight.shape, x.shape[1], weight.size
    moments, mean, scale, shift = np.empty((2, c)), np.empty(c, x.dtype), np.empty(c, x.dtype), bias.reshape(-1)
    for n in range(lo, hi):
        sums = np.zeros((2, 1, width))
        _moments(x, sums[0], sums[1], 0, n * size, (n + 1) * size)
        _join(sums[0], sums[1], size, moments)
        for i in range(groups):
            middle = square = 0.0
            for j in range(i * k, (i + 1) * k):
                middle += moments[0, j] / k
            for j in range(i * k, (i + 1) * k):
                square += (moments[1, j] + (moments[0, j] - middle) ** 2) / k
            istd = 1 / math.sqrt(square + eps)
            stats[n * groups + i, 0], stats[n * groups + i, 1] = middle, istd
            for j in range(k):
                mean[i * k + j], scale[i * k + j] = middle, istd * weight[i, j]
        _normalize(x, y, mean, scale, shift, x, False, x.dtype.type(-np.inf), n * size, (n + 1) * size)


@kernel
def _pull_back_groups(g, x, weight, stats, size, gx, sums, part, lo, hi):
    """Images lo to hi; what they give for weight and bias is added to `sums`."""
    (groups, k), width, c = weight.shape, x.shape[1], weight.size
    mean, coefficients, count = np.empty(c, x.dtype), np.empty((3, c), x.dtype), max(1, size * width // max(1, groups))
    for n in range(lo, hi):
        here = np.zeros((1, 2, width))
        for j in range(c):
            mean[j] = stats[n * groups + j // k, 0]
        _sums(g, g, False, x, mean, here, 0, n * size, (n + 1) * size)
        for i in range(groups):
            istd, a, b = np.float64(stats[n * groups + i, 1]), 0.0, 0.0
            for j in range(k):
                of_w = of_b = 0.0
                for column in range(i * k + j, width, c):
                    of_b += here[0, 0, column]
                    of_w += here[0, 1, column] * istd
                sums[part, 0, i, j] += of_w
                sums[part, 1, i, j] += of_b
                a += of_b * weight[i, j] / count
                b += of_w * weight[i, j] / count
            for j in range(k):
                at = i * k + j
                coefficients[0, at], coefficients[1, at] = weight[i, j] * istd, a * istd
                coefficients[2, at] = istd * istd * b
        _pull_back(g, g, False, x, mean, coefficients, gx, n * size, (n + 1) * size)
