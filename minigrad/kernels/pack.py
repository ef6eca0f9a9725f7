"""Weights in the order in which register tiles read them.

A convolution from C to O channels reads K = kh*kw*C rows of O numbers, all channels of one tap after all of another.
They lie in panels of one or two vectors of output channels, panel after panel, group after group, with zeros where a
vector has no channel. The adjoint in x has the same weights w, in which the two kinds of channels change places.
"""

from functools import lru_cache
from math import ceil

import numpy as np

from . import threads
from .blocks import cache_lines, clear, empty
from .jit import kernel
from .tile import VECS, copy, lanes, lanes_of, transpose


def pack(w, groups, adjoint, order, o, k):  # -> (G,O'*K), O' the next multiple of the lanes; channel o starts at o*K
    lane = lanes(w.dtype)
    vectors = ceil(o / lane)
    packed = empty((groups, vectors * lane * k), w.dtype)
    parts = threads.spans(groups * vectors, threads.PASS * w.size)
    threads.run(_pack, [(w, groups, adjoint, order, packed, lo, hi) for lo, hi in parts])
    return packed


@lru_cache(1024)
def order(taps, ys, xs):
    """The place of every tap of a kernel among those that two axes use; -1 if they do not."""
    place = np.full(taps, -1)
    place[ys.taps[:, None], xs.taps] = np.arange(ys.taps.size * xs.taps.size).reshape(ys.taps.size, -1)
    return place.reshape(-1)


@kernel
def _pack(w, groups, adjoint, order, packed, lo, hi):
    lane, o = lanes_of(w), w.shape[1] if adjoint else w.shape[0] // groups
    vectors, flat = (o + lane - 1) // lane, packed.reshape(-1)
    for i in range(lo, hi):
        group, v = divmod(i, vectors)
        first = v // VECS * VECS
        place = group * packed.shape[1] + first * (packed.shape[1] // vectors) + (v - first) * lane
        pack_vector(w, groups, adjoint, order, group, v * lane, flat, place, min(VECS, vectors - first) * lane)


@kernel
def pack_vector(w, groups, adjoint, order, group, o0, packed, place, width):
    """One vector of output channels of a group, o0 and the next: row k to packed[place + k*width :]."""
    lane, taps = lanes_of(w), order.size
    one, other = w.shape[0] // groups, w.shape[1]
    o, c = (other, one) if adjoint else (one, other)
    valid = min(lane, o - o0)
    flat, square = w.reshape(-1), cache_lines(lane * lane, w)
    step = taps if adjoint else other * taps  # from one output channel to the next; as much lies together
    for first in range(one if adjoint else 1):
        start, i, tap = (group * one + first) * other * taps + o0 * step, first, 0
        for s in range(0, step, lane):
            rows = min(lane, step - s)
            if step == 1:
                clear(square, valid, lane)
                copy(square, 0, flat, start, valid)
            else:
                transpose(square, flat, start + s, step, valid, rows)
            for row in range(rows):
                if order[tap] >= 0:
                    copy(packed, place + (order[tap] * c + i) * width, square, row * lane, lane)
                tap += 1
                if tap == taps:
                    i, tap = i + 1, 0


def unpack(sums, o, c, kernel):  # (G,K',O') -> (G*O,C,kh,kw)
    """The other way: K rows of O numbers for each group, and perhaps some more of both, as weights."""
    gw = np.empty((len(sums) * o, c, *kernel), sums.dtype)
    vectors = len(sums) * ceil(o / lanes(sums.dtype))
    parts = threads.spans(vectors, threads.PASS * gw.size)
    threads.run(_unpack, [(sums, gw, o, kernel[0] * kernel[1], lo, hi) for lo, hi in parts])
    return gw


@kernel
def _unpack(sums, gw, o, taps, lo, hi):
    lane, c, (_, rows, width) = lanes_of(gw), gw.shape[1], sums.shape
    sums, gw, vectors = sums.reshape(-1), gw.reshape(-1), (o + lane - 1) // lane
    square, turned = cache_lines(lane * lane, gw), cache_lines(lane * lane, gw)
    for vector in range(lo, hi):
        group, v = divmod(vector, vectors)
        i = tap = 0
        for s in range(0, c * taps, lane):
            many = min(lane, c * taps - s)
            for row in range(many):
                copy(square, row * lane, sums, (group * rows + tap * c + i) * width + v * lane, lane)
                tap += 1
                if tap == taps:
                    i, tap = i + 1, 0
            transpose(turned, square, 0, lane, many, lane)
            for row in range(min(lane, o - v * lane)):
                copy(gw, (group * o + v * lane + row) * c * taps + s, turned, row * lane, many)
