"""Pooling on channels-last memory: every loop over channels is one run of memory, and takes two taps of a window at once.

Max pooling finds the value and the tap it came from (a * kw + b) in one pass. Gathering at these taps, and its adjoint,
scattering to them, serve every order of derivative. Average pooling is linear and has its adjoint. No parameter is
checked here.
"""

import numpy as np

from . import crew, threads
from .jit import channels_first, channels_last, kernel


def max_pool2d(x, *, kernel, stride, padding=(0, 0)):
    x = channels_last(x)
    y = _outputs(x, kernel, stride, padding, x.dtype)
    winners = np.empty(y.shape, np.uint8 if kernel[0] * kernel[1] <= 256 else np.int32)
    _run(_max, x, y.size * kernel[0] * kernel[1], x, y, winners, *kernel, *stride, *padding)
    return channels_first(y), channels_first(winners)


def pool_take(x, winners, *, kernel, stride, padding=(0, 0)):
    x, winners = channels_last(x), channels_last(winners)
    y = np.empty(winners.shape, x.dtype)
    _run(_take, x, y.size * kernel[0] * kernel[1], x, y, winners, *kernel, *stride, *padding)
    return channels_first(y)


def pool_put(g, winners, *, size, kernel, stride, padding=(0, 0)):
    g, winners = channels_last(g), channels_last(winners)
    gx, add = _inputs(g, size, kernel, stride, padding)
    _run(_put, gx, gx.size + g.size * kernel[0] * kernel[1], g, gx, winners, add, *kernel, *stride, *padding)
    return channels_first(gx)


def avg_pool2d(x, *, kernel, stride, padding=(0, 0)):
    x = channels_last(x)
    y = _outputs(x, kernel, stride, padding, x.dtype)
    _run(_average, x, y.size * kernel[0] * kernel[1], x, y, *kernel, *stride, *padding)
    return channels_first(y)


def avg_pool2d_input(g, *, size, kernel, stride, padding=(0, 0)):
    g = channels_last(g)
    gx, add = _inputs(g, size, kernel, stride, padding)
    _run(_spread, gx, gx.size + g.size * kernel[0] * kernel[1], g, gx, add, *kernel, *stride, *padding)
    return channels_first(gx)


def _outputs(x, kernel, stride, padding, dtype):
    n, h, w, c = x.shape
    axes = zip((h, w), kernel, stride, padding, strict=True)
    return np.empty((n, *((size + 2 * p - k) // s + 1 for size, k, s, p in axes), c), dtype)


def _inputs(g, size, kernel, stride, padding):
    """Memory for the gradient of images, and whether to add to it: not if the windows tile the images."""
    axes = zip(size, g.shape[1:3], kernel, stride, padding, strict=True)
    tiled = all(s == k and windows * k - p >= n for n, windows, k, s, p in axes)
    return (np.empty if tiled else np.zeros)((len(g), *size, g.shape[3]), g.dtype), not tiled


def _run(function, images, elements, *args):
    """Split over images: no window crosses from one to the next."""
    parts = threads.spans(len(images), threads.PASS * elements)
    crew.run(function, args, parts)


# The loops below go over rows of windows, then over taps, two side by side where there is no padding to the left and the
# right, then over the windows of the row, from `left` to `right`, that have this tap in the image. Windows for which it
# is the first, those left of `seen`, are `new`. An odd tap is taken twice: in a maximum it wins but once.


@kernel
def _columns(b, w, windows, sw, pw):
    """The windows of a row that have column b in the image: from, to."""
    return max(0, (pw - b + sw - 1) // sw), min(windows, (w - 1 + pw - b) // sw + 1)


@kernel
def _max(x, y, winners, kh, kw, sh, sw, ph, pw, lo, hi):
    _, h, w, _ = x.shape
    for n in range(lo, hi):
        for i in range(y.shape[1]):
            top, seen = i * sh - ph, y.shape[2]
            for a in range(max(0, top), min(h, top + kh)):
                for b in range(0, kw, 1 if pw else 2):
                    left, right = _columns(b, w, y.shape[2], sw, pw)
                    taps = (a - top) * kw + b, (a - top) * kw + (b if pw else min(b + 1, kw - 1))
                    new = min(seen, right)
                    _larger(x[n, a], y[n, i], winners[n, i], left, new, sw, b - pw, *taps)
                    _largest(x[n, a], y[n, i], winners[n, i], max(left, new), right, sw, b - pw, *taps)
                    seen = min(seen, left)


@kernel
def _larger(x, y, winners, left, right, sw, shift, tap1, tap2):
    for j in range(left, right):
        one, two = j * sw + shift, j * sw + shift + tap2 - tap1
        for k in range(y.shape[1]):
            wins = (x[two, k] > x[one, k]) | (x[two, k] != x[two, k])
            y[j, k] = x[two, k] if wins else x[one, k]
            winners[j, k] = tap2 if wins else tap1


@kernel
def _largest(x, y, winners, left, right, sw, shift, tap1, tap2):
    for j in range(left, right):
        one, two = j * sw + shift, j * sw + shift + tap2 - tap1
        for k in range(y.shape[1]):
            second = (x[two, k] > x[one, k]) | (x[two, k] != x[two, k])
            value, tap = x[two, k] if second else x[one, k], tap2 if second else tap1
            best, winner = y[j, k], winners[j, k]
            wins = (value > best) | (value != value)
            y[j, k] = value if wins else best
            winners[j, k] = tap if wins else winner


@kernel
def _take(x, y, winners, kh, kw, sh, sw, ph, pw, lo, hi):
    _, h, w, _ = x.shape
    for n in range(lo, hi):
        for i in range(y.shape[1]):
            top = i * sh - ph
            for a in range(max(0, top), min(h, top + kh)):
                for b in range(kw):
                    left, right = _columns(b, w, y.shape[2], sw, pw)
                    _select(x[n, a], y[n, i], winners[n, i], left, right, sw, b - pw, (a - top) * kw + b)


@kernel
def _select(x, y, winners, left, right, sw, shift, tap):
    for j in range(left, right):
        p = j * sw + shift
        for k in range(y.shape[1]):
            own, before = x[p, k], y[j, k]
            y[j, k] = own if winners[j, k] == tap else before


@kernel
def _put(g, gx, winners, add, kh, kw, sh, sw, ph, pw, lo, hi):
    _, h, w, _ = gx.shape
    for n in range(lo, hi):
        for i in range(g.shape[1]):
            top = i * sh - ph
            for a in range(max(0, top), min(h, top + kh)):
                for b in range(kw):
                    left, right = _columns(b, w, g.shape[2], sw, pw)
                    tap = (a - top) * kw + b
                    _share(g[n, i], winners[n, i], gx[n, a], left, right, sw, b - pw, tap, add)


@kernel
def _share(g, winners, gx, left, right, sw, shift, tap, add):
    for j in range(left, right):
        p = j * sw + shift
        if add:
            for k in range(g.shape[1]):
                own = g[j, k]
                gx[p, k] += own if winners[j, k] == tap else 0
        else:
            for k in range(g.shape[1]):
                own = g[j, k]
                gx[p, k] = own if winners[j, k] == tap else 0


@kernel
def _average(x, y, kh, kw, sh, sw, ph, pw, lo, hi):
    _, h, w, _ = x.shape
    scale = x.dtype.type(1 / (kh * kw))
    for n in range(lo, hi):
        for i in range(y.shape[1]):
            top, seen = i * sh - ph, y.shape[2]
            for a in range(max(0, top), min(h, top + kh)):
                for b in range(0, kw, 1 if pw else 2):
                    left, right = _columns(b, w, y.shape[2], sw, pw)
                    once = pw > 0 or b + 1 == kw
                    new = min(seen, right)
                    _set(x[n, a], y[n, i], left, new, sw, b - pw, once)
                    _add(x[n, a], y[n, i], max(left, new), right, sw, b - pw, once)
                    seen = min(seen, left)
            for j in range(y.shape[2]):
                for k in range(y.shape[3]):
                    y[n, i, j, k] *= scale


@kernel
def _set(x, y, left, right, sw, shift, once):
    for j in range(left, right):
        p = j * sw + shift
        q, weight = (p, x.dtype.type(0.5)) if once else (p + 1, x.dtype.type(1))
        for k in range(y.shape[1]):
            y[j, k] = (x[p, k] + x[q, k]) * weight


@kernel
def _add(x, y, left, right, sw, shift, once):
    for j in range(left, right):
        p = j * sw + shift
        q, weight = (p, x.dtype.type(0.5)) if once else (p + 1, x.dtype.type(1))
        for k in range(y.shape[1]):
            y[j, k] += (x[p, k] + x[q, k]) * weight


@kernel
def _spread(g, gx, add, kh, kw, sh, sw, ph, pw, lo, hi):
    _, h, w, _ = gx.shape
    scale = g.dtype.type(1 / (kh * kw))
    for n in range(lo, hi):
        for i in range(g.shape[1]):
            top = i * sh - ph
            for a in range(max(0, top), min(h, top + kh)):
                for b in range(kw):
                    left, right = _columns(b, w, g.shape[2], sw, pw)
                    _give(g[n, i], gx[n, a], left, right, sw, b - pw, scale, add)


@kernel
def _give(g, gx, left, right, sw, shift, scale, add):
    for j in range(left, right):
        p = j * sw + shift
        if add:
            for k in range(g.shape[1]):
                gx[p, k] += g[j, k] * scale
        else:
            for k in range(g.shape[1]):
                gx[p, k] = g[j, k] * scale
