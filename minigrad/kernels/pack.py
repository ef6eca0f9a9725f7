"""Weights in the order in which register tiles read them.

A convolution from C to O channels reads K = kh*kw*C rows of O numbers, all channels of one tap after all of another.
They lie in panels of one or two vectors of output channels, panel after panel, group after group, with zeros where a
vector has no channel. The adjoint in x has the same weights w, in which the two kinds of channels change places.
"""

from functools import lru_cache
from math import ceil

import numpy as np

from . import crew, threads
from .blocks import cache_lines, empty
from .jit import kernel
from .tile import VECS, clear, copy, lanes, lanes_of, transpose, transpose_part

COST = 60  # what moving one number costs, in operations of a register tile
TURNED = 128  # rows that are turned at a time, about


def pack(w, groups, adjoint, order, o, k):  # -> (G,O'*K), O' the next multiple of the lanes; channel o starts at o*K
    lane = lanes(w.dtype)
    vectors = ceil(o / lane)
    packed = empty((groups, vectors * lane * k), w.dtype)
    parts = threads.spans(groups * ceil(vectors / VECS), COST * w.size)
    crew.run(_pack, (w, groups, adjoint, order, packed), parts)
    return packed


@lru_cache(1024)
def order(taps, phases):
    """The place of every tap of a kernel among those that all phases use, one phase after another; -1 if none does."""
    place, used = np.full(taps, -1), 0
    for ys, xs in phases:
        place[ys.taps[:, None], xs.taps] = used + np.arange(ys.taps.size * xs.taps.size).reshape(ys.taps.size, -1)
        used += ys.taps.size * xs.taps.size
    return place.reshape(-1)


@lru_cache(1024)
def together(o: int, runs: int, run: int, lane: int) -> int:
    """How many numbers that lie together the lanes of the last vector of output channels had best share, see `share`.

    A window reads `runs` stretches of `run` numbers. To add up shared lanes costs as much as a few multiply-adds.
    """
    vectors = ceil(o / lane)
    if vectors % VECS == 0:  # the last vector shares its panel with another
        return 1
    valid = o - (vectors - 1) * lane
    choices = [2**i for i in range(lane.bit_length()) if 2**i * valid <= lane]
    return min(choices, key=lambda many: runs * ceil(run / many) + 3 * many.bit_length())


def products(o: int, runs: int, run: int, lane: int) -> int:
    """What the multiply-adds of a window cost, in those of vectors: shared lanes load more for each, often across cache lines."""
    many = together(o, runs, run, lane)
    return runs * ((ceil(o / lane) - 1) * run + ceil(run / many) * (1 if many == 1 else 2 if many < lane else 4))


@kernel
def _pack(w, groups, adjoint, order, packed, lo, hi):
    """Panels lo to hi, of all groups."""
    lane, o = lanes_of(w), w.shape[1] if adjoint else w.shape[0] // groups
    vectors, flat = (o + lane - 1) // lane, packed.reshape(-1)
    panels = (vectors + VECS - 1) // VECS
    for i in range(lo, hi):
        group, v = i // panels, i % panels * VECS
        place = group * packed.shape[1] + v * (packed.shape[1] // vectors)
        pack_panel(w, groups, adjoint, order, group, v * lane, min(VECS, vectors - v), flat, place)


@kernel
def pack_panel(w, groups, adjoint, order, group, o0, vectors, packed, place):
    """A few vectors of output channels of a group, o0 and the next: row k to packed[place + k * vectors * lane :].

    A few input channels at a time are turned in a scratch, and then go tap after tap to where they belong.
    """
    lane, taps, flat = lanes_of(w), order.size, w.reshape(-1)
    one, other = w.shape[0] // groups, w.shape[1]
    o, c = (other, one) if adjoint else (one, other)
    width, few = vectors * lane, max(1, min(lane, TURNED // taps))
    turned = cache_lines((few * taps + lane) * width, w)
    for i0 in range(0, c, few):
        many = min(few, c - i0)
        for v in range(vectors):
            first, valid = o0 + v * lane, min(lane, o - o0 - v * lane)
            if adjoint:  # for each input channel, the taps of all output channels lie together
                for i in range(many):
                    start, row = ((group * one + i0 + i) * other + first) * taps, i * taps
                    if taps == 1:
                        clear(turned, row * width + v * lane + valid, row * width + (v + 1) * lane)
                        copy(turned, row * width + v * lane, flat, start, valid)
                    else:
                        _turn(turned, row * width + v * lane, width, flat, start, taps, valid, taps)
            else:
                start = ((group * one + first) * other + i0) * taps
                _turn(turned, v * lane, width, flat, start, other * taps, valid, many * taps)
        for tap in range(taps):
            if order[tap] >= 0:
                for i in range(many):
                    to, s = place + (order[tap] * c + i0 + i) * width, (i * taps + tap) * width
                    for v in range(0, width, lane):
                        copy(packed, to + v, turned, s + v, lane)


@kernel
def share(packed, done, runs, run, o, lane, many):
    """Weights of the last vector of output channels of each group, in which few are, as vectors of (o, s): channel o and
    number s of `many` that lie together in a run of input. Their rows follow `done` others. Each run starts a new vector.
    """
    before = (o - 1) // lane * lane  # in other vectors
    rows = packed.shape[1] // (before + lane)
    groups, vectors, flat = packed.shape[0], (run + many - 1) // many, packed.reshape(-1)
    shared = cache_lines(groups * runs * vectors * lane, packed)
    clear(shared, 0, shared.size)
    for group in range(groups):
        for r in range(runs):
            for i in range(run):
                s = group * packed.shape[1] + before * rows + (done + r * run + i) * lane
                d = ((group * runs + r) * vectors + i // many) * lane + i % many
                for k in range(o - before):
                    shared[d + k * many] = flat[s + k]
    return shared


@kernel
def _turn(out, o, to, a, k, step, rows, columns):
    """`transpose_part` of more columns than a vector has lanes; some rows of zeros may follow."""
    lane = lanes_of(a)
    whole = columns // lane * lane if rows == lane else 0
    for s in range(0, whole, lane):
        transpose(out, o + s * to, to, a, k + s, step)
    for s in range(whole, columns, lane):
        transpose_part(out, o + s * to, to, a, k + s, step, rows, min(lane, columns - s))


def unpack(sums, o, c, kernel):  # (G,K',O') -> (G*O,C,kh,kw)
    """The other way: K rows of O numbers for each group, and perhaps some more of both, as weights."""
    gw = np.empty((len(sums) * o, c, *kernel), sums.dtype)
    vectors = len(sums) * ceil(o / lanes(sums.dtype))
    crew.run(_unpack, (sums, gw, o, kernel[0] * kernel[1]), threads.spans(vectors, COST * gw.size))
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
            transpose(turned, 0, lane, square, 0, lane)
            for row in range(min(lane, o - v * lane)):
                to = (group * o + v * lane + row) * c * taps + s
                if many == lane:
                    copy(gw, to, turned, row * lane, lane)
                else:
                    copy(gw, to, turned, row * lane, many)
