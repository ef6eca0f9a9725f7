"""Convolution and its two adjoints by direct summation over register tiles.

    conv2d         y[n,o,i,j]  = sum over c,a,b  of  w[o,c,a,b] * x[n, c, sh*i - ph + dh*a, sw*j - pw + dw*b]
    conv2d_weight  gw[o,c,a,b] = sum over n,i,j  of  g[n,o,i,j] * the same x
    conv2d_input   gx          = conv2d again, of g with taps in reverse; with a stride, one convolution per phase

`blocks.py` says which input an output reads, axis by axis, and copies what a block of them reads into a scratch that
stays in cache, unless no window leaves the image, which is then read in place. There, six or eight pixels times two
vectors of output channels, or more times one (`tile.py`), are summed in registers at a time, and finished there
(`epilogue.py`). Weights are packed once per call, in the order in which they are read (`pack.py`). The scratch is all
the memory it takes: there is no im2col. Only some adjoints are made of columns (`_spread`).

A vector in which few output channels are would leave most lanes idle. There, each channel has several lanes, for as many
numbers of a window that lie together (`share`), and they are added up at the end; and a gradient of such weights is made
of vectors of weights, not of channels (`_few_weights`).

Depthwise convolutions go to `depthwise.py`, and most of those with 3x3 kernels at stride 1 to `winograd.py`.
"""

from functools import cache, lru_cache
from math import ceil

import numpy as np

from . import crew, depthwise, epilogue, threads, winograd
from .blocks import (
    PAST,
    Axis,
    adjoint_axes,
    blocks,
    bounds,
    cache_lines,
    copied_apart,
    empty,
    forward_axes,
    locate,
    look,
    scratch,
    taps_inside,
)
from .jit import channels_first, channels_last, contiguous, kernel
from .pack import order, pack, products, share, together, unpack
from .tile import (
    BYTES,
    DEPTH,
    TALL,
    VECS,
    WIDE,
    clear,
    lanes,
    lanes_of,
    round_up,
    tile_add,
    tile_finish,
    tile_fma,
    tile_fma_by,
    tile_fma_few,
    tile_fma_rest,
    tile_fold,
    tile_load,
    tile_load_part,
    tile_offsets,
    tile_steps,
    tile_store,
    tile_zero,
)

WEIGHTS = 128 * 1024  # bytes that each thread may read again for each block
COLUMNS = 2 * 1024 * 1024  # bytes of columns of an image, at most


def conv2d(
    x, w, *, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, scale=None, shift=None, plus=None, relu=False
):
    (n, _, *size), (o, _, *kernel) = x.shape, w.shape
    ys, xs = forward_axes(*size, *kernel, *stride, *padding, *dilation)
    y = empty((n, ys.size, xs.size, o), x.dtype)
    parts = 1 if depthwise.applies(groups, o // groups, w.shape[1]) else groups
    end = epilogue.arguments(x.dtype, parts, scale, shift, plus, relu)
    _correlate(channels_last(x), contiguous(w), groups, False, y, ((ys, xs),), end)
    return channels_first(y)


def conv2d_input(g, w, *, size, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    g, w = channels_last(g), contiguous(w)
    gx = empty((len(g), *size, groups * w.shape[1]), g.dtype)
    o = len(w) // groups
    phases = adjoint_axes(*size, *w.shape[2:], *stride, *padding, *dilation)
    if (
        phases
        and not depthwise.applies(groups, o, w.shape[1])
        and _spreads(len(g), g.shape[1:3], (o, *w.shape[1:]), groups, phases, g.dtype)
    ):
        axes = forward_axes(*size, *w.shape[2:], *stride, *padding, *dilation)
        _spread(g, w, gx, groups, *axes)
        return channels_first(gx)
    end = epilogue.arguments(g.dtype, groups)
    if len(phases) < stride[0] * stride[1]:  # the others see no tap
        gx.fill(0)
    _correlate(g, w, groups, True, gx, phases, end)
    return channels_first(gx)


def conv2d_weight(x, g, *, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    (_, c, *size), o, (kh, kw) = x.shape, g.shape[1], kernel
    ys, xs = forward_axes(*size, *kernel, *stride, *padding, *dilation)
    k, og = kh * kw * (c // groups), o // groups
    if depthwise.applies(groups, og, c // groups):
        return depthwise.correlate_weight(channels_last(x), channels_last(g), kernel, ys, xs)
    if groups == 1 and winograd.applies(x.dtype, len(x), c, o, ys, xs):
        gw = winograd.correlate_weight(channels_last(x), channels_last(g), ys, xs)
        if gw is not None:
            return gw
    x, g, ys, xs = _column(channels_last(x), channels_last(g), ys, xs)
    runs, run = _stretches(c // groups, groups, ys, xs)
    chunks = ceil(run / lanes(x.dtype)) * runs
    if 1.5 * og * round_up(chunks, WIDE) < round_up(k, TALL) * ceil(og / lanes(x.dtype)):  # each reads x again
        return _few_weights(x, g, kernel, ys, xs, groups, runs, run)
    weights = k * o * x.itemsize * (4 if xs.pointwise else 1)  # which has no scratch to keep in the fastest cache
    images, rows, count = blocks(len(x), c // groups * x.itemsize, ys, xs, weights, threads.get_num_threads())
    work, panels = 2 * g.size * k, groups * _panels(og, x.dtype)
    shares = min(threads.SHARES, (x.size + g.size) // (8 * k * o))  # each part has sums of its own, to be added up
    if shares == 0 and panels >= threads.get_num_threads():  # which are more than what they are of: share them
        parts = [(0, 0, count, *part) for part in threads.spans(panels, work, 1)]
    else:
        parts = [(i, *part, 0, panels) for i, part in enumerate(threads.spans(count, work, shares))]
    sums = np.zeros((parts[-1][0] + 1, groups, round_up(k, TALL) + WIDE, round_up(og, lanes(x.dtype))), x.dtype)
    if count:
        args = (x, g, sums, ys.reads, ys.offsets, xs.reads, xs.offsets, images, rows)
        crew.run(_correlate_weight, args, parts)
    return unpack(sums[0] if len(sums) == 1 else sums.sum(axis=0), og, c // groups, kernel)


def _few_weights(x, g, kernel, ys, xs, groups, runs, run):  # x (N,H,W,C), g (N,OH,OW,O) -> (O,C/G,kh,kw)
    """conv2d_weight for few output channels: vectors of weights that read what lies together, two output channels at a time."""
    (n, _, _, c), o, lane = x.shape, g.shape[3], lanes(x.dtype)
    chunks = runs * ceil(run / lane)
    images, rows, count = blocks(
        n, c // groups * x.itemsize, ys, xs, chunks * lane * x.itemsize, threads.get_num_threads()
    )
    shares = min(threads.SHARES, (x.size + g.size) // (8 * chunks * lane * o))
    parts = threads.spans(count, 2 * g.size * runs * run, max(1, shares))
    sums = np.zeros((len(parts), groups * ceil(o // groups / 2), round_up(chunks, WIDE), 2, lane), x.dtype)
    if count:
        args = (x, g, sums, ys.reads, ys.offsets, xs.reads, xs.offsets, images, rows, groups)
        crew.run(_correlate_few_weights, args, threads.numbered(parts))
    gw = sums[:, :, :chunks].swapaxes(2, 3).reshape(len(parts), groups, -1, runs, chunks // runs * lane)
    gw = gw[:, :, : o // groups, :, :run].sum(axis=0).reshape(o, *kernel, c // groups)  # the rest is of no meaning
    return np.ascontiguousarray(gw.transpose(0, 3, 1, 2))


def _correlate(x, w, groups, adjoint, y, phases, end):  # x (N,H,W,C), w (O,C/G,kh,kw) or its adjoint, y (N,OH,OW,O)
    """Fill the pixels (ys.writes, xs.writes) of y for all pairs (ys, xs) in phases; `end` is their epilogue."""
    n, c, o = len(x), x.shape[3] // groups, y.shape[3] // groups
    if depthwise.applies(groups, o, c):
        for ys, xs in phases:
            depthwise.correlate(x, w[:, 0, ys.taps[:, None], xs.taps], y, ys, xs, end)
        return
    if groups == len(phases) == 1:
        ((ys, xs),) = phases
        if winograd.applies(x.dtype, n, c, o, ys, xs) and winograd.tame(w):
            again = winograd.correlate(x, w, adjoint, order(w.shape[2:], phases), y, ys, xs, end)
            if again.size:
                _correlate_tiles(x, w, adjoint, y, ys, xs, end, again)
            return
    _correlate_directly(x, w, groups, adjoint, y, phases, end)


def _correlate_tiles(x, w, adjoint, y, ys, xs, end, tiles):
    """Fill some tiles of y, of four by four pixels, by direct summation: each is an image of its own."""
    (_, oh, ow, o), (scale, shift, plus, relu) = y.shape, end
    top, left = winograd.corner(ys, xs)
    n, i, j = np.unravel_index(tiles, (len(y), -(-oh // 4), -(-ow // 4)))
    images, tile = _cut(x, n, 4 * i + top, 4 * j + left, 6), empty((tiles.size, 4, 4, o), y.dtype)
    plus = _cut(plus, n, 4 * i, 4 * j, 4) if plus.size else plus
    down, across = (Axis(np.arange(4), np.arange(4), axis.taps, np.arange(3)) for axis in (ys, xs))
    _correlate_directly(images, w, 1, adjoint, tile, ((down, across),), (scale, shift, plus, relu))
    pixels, inside = _pixels(y, n, 4 * i, 4 * j, 4)
    y[tuple(index[inside] for index in pixels)] = tile[inside]


def _cut(x, n, i, j, size):
    """Squares of x from images n, whose first pixels are (i, j); 0 outside of it."""
    (n, i, j), inside = _pixels(x, n, i, j, size)
    squares = x[n, i.clip(0, x.shape[1] - 1), j.clip(0, x.shape[2] - 1)]
    squares[~inside] = 0
    return squares


def _pixels(x, n, i, j, size):
    """Their indices; and which of them are inside."""
    n, i, j = np.broadcast_arrays(
        n[:, None, None], i[:, None, None] + np.arange(size)[:, None], j[:, None, None] + np.arange(size)
    )
    return (n, i, j), (i >= 0) & (i < x.shape[1]) & (j >= 0) & (j < x.shape[2])


def _correlate_directly(x, w, groups, adjoint, y, phases, end):
    """_correlate by direct summation; the weights of all phases are packed at once."""
    c, o = x.shape[3] // groups, y.shape[3] // groups
    rows = c * sum(ys.taps.size * xs.taps.size for ys, xs in phases)  # of weights
    packed, done = pack(w, groups, adjoint, order(w.shape[2:], phases), o, rows), 0
    inside = [taps_inside(ys, x.shape[1]) for ys, _ in phases]
    if any(taps.size for taps in inside) and not np.isfinite(winograd.norm(w)):
        inside = [taps[:0] for taps in inside]  # infinity times the zeros outside is NaN
    for (ys, xs), taps in zip(phases, inside):
        k = ys.taps.size * xs.taps.size * c
        work = 2 * len(x) * ys.size * xs.size * y.shape[3] * k
        there, here, ys, xs = _column(x, y, ys, xs)
        size, parts = _cut_up(there, c, ys, xs, y.shape[3] * k * x.itemsize, groups * _panels(o, x.dtype), work)
        if parts:
            axes = (ys.reads, ys.offsets, ys.writes, xs.reads, xs.offsets, xs.writes)
            tiles = _correlating(together(o, *_stretches(c, groups, ys, xs), lanes(x.dtype)))
            crew.run(tiles, (there, packed, done, here, *end, taps, *axes, *size), parts)
        done += k


def _stretches(c, groups, ys, xs):
    """How many stretches of memory a window of c channels reads, and how long they are; see `_runs`."""
    joined = groups == 1 or copied_apart(groups, xs.taps.size, c * groups)
    if joined and xs.offsets[-1] - xs.offsets[0] == xs.taps.size - 1:
        return ys.taps.size, xs.taps.size * c
    return ys.taps.size * xs.taps.size, c


def _panels(o, dtype):
    return ceil(o / (VECS * lanes(dtype)))


def _cut_up(x, c, ys, xs, weights, panels, work):
    """Images and rows of a block; and parts: blocks from and to, panels of output channels from and to.

    Where weights are more than a core keeps in its cache, each thread reads some of them only.
    """
    many, pixel = threads.get_num_threads(), c * x.itemsize
    if weights > WEIGHTS and panels >= 2 * many > 2:
        *size, count = blocks(len(x), pixel, ys, xs, weights // many, 1)
        parts = [(0, count, *part) for part in threads.spans(panels, work, 1)]
    else:
        *size, count = blocks(len(x), pixel, ys, xs, weights, many)
        parts = [(*part, 0, panels) for part in threads.spans(count, work)]
    return size, parts if count else []


def _column(x, y, ys, xs):
    """A 1x1 convolution of all pixels has no use for images: here they are one column, which can be cut anywhere."""
    if not (ys.pointwise and xs.pointwise and x.shape[1:3] == y.shape[1:3] == (ys.size, xs.size)):
        return x, y, ys, xs
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    x, y = x.reshape(1, pixels, 1, x.shape[3]), y.reshape(1, pixels, 1, y.shape[3])
    return x, y, *forward_axes(pixels, 1, 1, 1, 1, 1, 0, 0, 1, 1)


@lru_cache(1024)
def _spreads(n, size, weights, groups, phases, dtype):
    """Whether _spread is faster, from n gradients of that size; its columns must stay in cache.

    Costs are in multiply-adds of a vector: a vector of columns costs as much as 20, adding a row of a kernel as 60, what a
    tile does beside its sums as 30 for each vector of pixels, weights as 5 a number more than for direct summation.
    """
    (o, c, kh, kw), (oh, ow), lane = weights, size, lanes(dtype)
    columns, vectors = ceil(kh * kw * c / lane), ceil(c / lane)
    here = n * oh * ow * (columns * (o + 20) + 60 * kh) + 5 * kh * kw * c * o
    there = 0
    for ys, xs in phases:
        runs, run = _stretches(o, groups, ys, xs)
        there += n * ys.size * xs.size * (products(c, runs, run, lane) + 30 * vectors)
    if groups == 1 and winograd.applies(dtype, n, o, c, *phases[0]):
        there //= 2
    return here < there and oh * ow * columns * groups * BYTES <= COLUMNS


def _spread(g, w, gx, groups, ys, xs):  # g (N,OH,OW,O), w (O,C/G,kh,kw), gx (N,H,W,C)
    """conv2d_input where channels leave a vector empty, or windows are mostly outside: all that a pixel of g gives, added
    where it goes.
    """
    (n, oh, ow, o), k = g.shape, w[0].size
    w = w.transpose(0, 2, 3, 1).reshape(o, k, 1, 1)  # the adjoint of a convolution from kh*kw*C to O channels
    down, across = forward_axes(oh, ow, 1, 1, 1, 1, 0, 0, 1, 1)
    packed = pack(w, groups, True, order((1, 1), ((down, across),)), k, o // groups)
    _, rows, count = blocks(1, o * g.itemsize, down, across, packed.nbytes, 1)
    axes = (ys.reads, ys.offsets, xs.reads, xs.offsets, down.reads, down.offsets, across.reads, across.offsets)
    args = (g, packed, gx, *epilogue.arguments(g.dtype, groups), *axes, rows, count)
    crew.run(_spread_images, args, threads.spans(n, 2 * g.size * k))


@kernel
def _runs_inside(rows_of, p, q):
    """Which stretches of a window some of pixels p to q read inside the image: the others are zeros.

    Pixels are row by row, `across` in each; there are `runs` stretches in all, `run` for each row of the kernel.
    """
    taps, i0, across, run, runs = rows_of
    if taps.size == 0:  # all do
        return 0, runs
    return taps[i0 + q // across, 0] * run, taps[i0 + p // across, 1] * run


@cache
def _pixel_tiles(rows, vecs):
    """The inner loops of conv2d, for tiles of `rows` pixels x vecs vectors of output channels."""

    @kernel
    def pixel_tiles(seen, pixels, count, rows_of, runs, run, c0, w, panel, y, places, out, valid, end, first):
        width = vecs * lanes_of(y)
        scale, shift, plus, relu = end
        for p in range(0, count, rows):
            windows, (r0, r1) = tile_offsets(pixels, p, rows), _runs_inside(rows_of, p, min(p + rows, count) - 1)
            acc, j = tile_zero(y, rows, vecs), panel + r0 * run * width
            for r in range(r0, r1):
                i, last = runs[r] + c0, runs[r] + c0 + run
                while i <= last - DEPTH:
                    acc = tile_fma(acc, seen, windows, i, w, j, DEPTH)
                    i, j = i + DEPTH, j + DEPTH * width
                while i < last:
                    acc = tile_fma(acc, seen, windows, i, w, j, 1)
                    i, j = i + 1, j + width
            offsets = tile_offsets(places, p, rows)
            acc = tile_finish(acc, scale, shift, first, plus, offsets, out, valid, relu)
            tile_store(y, offsets, out, acc, valid)

    return pixel_tiles


_pixels_wide, _pixels_slim = _pixel_tiles(WIDE, VECS), _pixel_tiles(TALL, 1)


@cache
def _few_pixel_tiles(many):
    """The same for few output channels: pixels x one vector, of all output channels and `many` numbers beside each other."""

    @kernel
    def few_pixel_tiles(seen, pixels, count, rows_of, runs, run, c0, w, panel, y, places, out, valid, end, first):
        lane = lanes_of(y)
        scale, shift, plus, relu = end
        for p in range(0, count, TALL):
            windows, (r0, r1) = tile_offsets(pixels, p, TALL), _runs_inside(rows_of, p, min(p + TALL, count) - 1)
            acc, j = tile_zero(y, TALL, 1), panel + r0 * round_up(run, many) // many * lane
            for r in range(r0, r1):
                i, last = runs[r] + c0, runs[r] + c0 + run
                while i <= last - DEPTH * many:
                    acc = tile_fma_few(acc, seen, windows, i, w, j, many, DEPTH)
                    i, j = i + DEPTH * many, j + DEPTH * lane
                while i <= last - many:
                    acc = tile_fma_few(acc, seen, windows, i, w, j, many, 1)
                    i, j = i + many, j + lane
                if i < last:
                    acc = tile_fma_rest(acc, seen, windows, i, w, j, many, last - i)
                    j += lane
            offsets = tile_offsets(places, p, TALL)
            acc = tile_finish(tile_fold(acc, many), scale, shift, first, plus, offsets, out, valid, relu)
            tile_store(y, offsets, out, acc, valid)

    return few_pixel_tiles


@cache
def _correlating(many):
    """The kernel that convolves by tiles which read `many` numbers at a time, see `together`."""
    tiles_of_the_rest = _few_pixel_tiles(many) if many > 1 else _pixels_slim

    @kernel
    def correlate_blocks(
        x, w, done, y, scale, shift, plus, relu, taps, top, dh, row_out, left, dw, col_out, images, rows,
        lo, hi, p0, p1,
    ):  # fmt: skip
        """y[n, row_out[i], col_out[j]] = sum over a, b of w[a,b] @ x[n, top[i]+dh[a], left[j]+dw[b]], for blocks lo to hi and
        panels p0 to p1 of output channels.

        Before the rows of these taps, each panel of w has those of others, `done` of them. `taps` is `taps_inside`, or empty.
        """
        n, _, _, c = x.shape
        _, yh, yw, o = y.shape
        groups, lane = w.shape[0], lanes_of(w)
        cg, og = c // groups, o // groups
        k = w.shape[1] // round_up(og, lane)
        seen, pixel, line, area, inside = scratch(x, top, dh, left, dw, images, rows, groups, False)
        runs, run = _runs(dh, dw, line, pixel, cg)
        flat = w.reshape(-1)
        shared = share(w, done, runs.size, run, og, lane, many) if many > 1 else flat
        end, most = (scale, shift, plus, relu), images * rows * left.size + TALL
        pixels = np.empty(most, np.int64)  # where the window of a pixel starts in the scratch
        places = np.empty(most, np.int64)  # where the pixel lies in y, counted from the first
        known = 0
        for block in range(lo, hi):
            n0, n1, i0, i1 = bounds(block, images, rows, n, top.size)
            count = (n1 - n0) * (i1 - i0) * left.size
            rows_of = taps, i0, (n1 - n0) * left.size, runs.size // dh.size, runs.size
            if count != known:
                locate(pixels, top[: i1 - i0], line, np.arange(n1 - n0), area, left, pixel)
                locate(places, row_out[: i1 - i0], yw * o, np.arange(n1 - n0), yh * yw * o, col_out, o)
                known = count
            base = ((n0 * yh + row_out[i0]) * yw + col_out[0]) * o
            for group in range(groups):
                there = n0, n1, top[i0] + dh[0], area // line, left[0] + dw[0], line // pixel
                v, last = _channels(group, og, p0, p1, VECS * lane)
                if v >= last and group > 0:
                    continue
                start = look(seen, pixel, inside, x, group, groups, *there)
                while v < last:
                    panel, out, first = group * w.shape[1] + v * k, base + group * og + v, group * w.shape[1] // k + v
                    if v + lane < og:
                        at = panel + done * VECS * lane
                        _pixels_wide(
                            seen, pixels, count, rows_of, runs, run, start, flat, at, y, places, out, og - v, end, first
                        )
                        v += VECS * lane
                    else:
                        at = group * (shared.size // groups) if many > 1 else panel + done * lane
                        what = shared, at, y, places, out, og - v, end, first
                        tiles_of_the_rest(seen, pixels, count, rows_of, runs, run, start, *what)
                        v += lane

    return correlate_blocks


_correlate_blocks = _correlating(1)


@kernel
def _correlate_weight(x, g, sums, top, dh, left, dw, images, rows, part, lo, hi, p0, p1):
    """sums[part, group, (a,b,c), o] += g[n,i,j,o] * x[n, top[i]+dh[a], left[j]+dw[b], c], for blocks lo to hi and panels p0
    to p1 of output channels.
    """
    n, _, _, c = x.shape
    _, oh, ow, o = g.shape
    sums, lane = sums[part], lanes_of(x)
    groups, padded, width = sums.shape
    cg, og = c // groups, o // groups
    k = dh.size * dw.size * cg
    seen, pixel, line, area, inside = scratch(x, top, dh, left, dw, images, rows, groups, False)
    pixels = np.empty(images * rows * ow + TALL, np.int64)
    locate(pixels, np.arange(images), area, top[:rows], line, left, pixel)
    weights, places = _weights(dh, dw, cg, line, pixel, padded), np.arange(padded) * width
    flat, panel = g.reshape(-1), cache_lines(images * rows * ow * VECS * lane, g)
    for block in range(lo, hi):
        n0, n1, i0, i1 = bounds(block, images, rows, n, top.size)
        count = (n1 - n0) * (i1 - i0) * ow
        base = (n0 * oh + i0) * ow * o
        for group in range(groups):
            there = n0, n1, top[i0] + dh[0], area // line, left[0] + dw[0], line // pixel
            v, last = _channels(group, og, p0, p1, VECS * lane)
            if v >= last and group > 0:
                continue
            start, out = look(seen, pixel, inside, x, group, groups, *there), group * padded * width
            while v < last:
                first = base + group * og + v
                what = start, flat, first, o, og - v, panel, sums, places, out + v
                if v + lane < og:
                    _weights_wide(seen, pixels, count, weights, k, *what)
                    v += VECS * lane
                else:
                    _weights_slim(seen, pixels, count, weights, k, *what)
                    v += lane


@cache
def _weight_tiles(rows, vecs):
    """The inner loops of conv2d_weight, for tiles of `rows` weights x `vecs` vectors of output channels."""

    @kernel
    def weight_tiles(seen, pixels, count, weights, k, c0, g, first, o, valid, panel, sums, places, out):
        width = vecs * lanes_of(g)
        step = o
        if valid < width or (o != width and k > 4 * rows):  # what is read many times had better lie together
            for p in range(count):
                for v in range(0, width, lanes_of(g)):
                    part = tile_load_part(g, tile_steps(0, 1), first + p * o + v, 0, 1, valid - v)
                    tile_store(panel, tile_steps(0, 1), p * width + v, part, lanes_of(g))
            g, first, step = panel, 0, width
        for t in range(0, k, rows):
            offsets = tile_offsets(weights, t, rows)
            acc, j = tile_zero(g, rows, vecs), first
            if (
                t + rows <= k and weights[t + rows - 1] - weights[t] == rows - 1
            ):  # one address, where several would fill the registers
                k0 = c0 + weights[t]
                for p in range(count):
                    acc = tile_fma(acc, seen, tile_steps(1, rows), pixels[p] + k0, g, j, 1)
                    j += step
            else:
                for p in range(count):
                    acc = tile_fma(acc, seen, offsets, pixels[p] + c0, g, j, 1)
                    j += step
            tile_add(sums, tile_offsets(places, t, rows), out, acc, width)

    return weight_tiles


_weights_wide, _weights_slim = _weight_tiles(WIDE, VECS), _weight_tiles(TALL, 1)


@kernel
def _correlate_few_weights(x, g, sums, top, dh, left, dw, images, rows, groups, part, lo, hi):
    """sums[part, pair, chunk, o] += g[n,i,j,o] * a vector of x[n, top[i]+dh[a], left[j]+dw[b], c], for blocks lo to hi; a
    pair are two output channels of a group, chunks are the stretches of (b,c) or c, cut into vectors: the last may read on.
    """
    n, _, _, c = x.shape
    _, oh, ow, o = g.shape
    sums, lane = sums[part], lanes_of(x)
    cg, og = c // groups, o // groups
    seen, pixel, line, area, inside = scratch(x, top, dh, left, dw, images, rows, groups, True)
    pixels = np.empty(images * rows * ow + TALL, np.int64)
    locate(pixels, np.arange(images), area, top[:rows], line, left, pixel)
    runs, run = _runs(dh, dw, line, pixel, cg)
    vectors, flat = (run + lane - 1) // lane, g.reshape(-1)
    chunks = np.empty(sums.shape[1], np.int64)  # the last one again to fill a tile
    for t in range(chunks.size):
        r, v = divmod(min(t, runs.size * vectors - 1), vectors)
        chunks[t] = runs[r] + v * lane
    for block in range(lo, hi):
        n0, n1, i0, i1 = bounds(block, images, rows, n, top.size)
        count = (n1 - n0) * (i1 - i0) * ow
        base = (n0 * oh + i0) * ow * o
        for group in range(groups):
            there = n0, n1, top[i0] + dh[0], area // line, left[0] + dw[0], line // pixel
            start = look(seen, pixel, inside, x, group, groups, *there)
            for k in range(group * og, (group + 1) * og, 2):
                pair = group * ((og + 1) // 2) + (k - group * og) // 2
                what = seen, pixels, count, start, flat, base + k, o, sums, pair * 2 * chunks.size * lane
                if k + 1 < (group + 1) * og:
                    _few_weights_two(chunks, *what)
                else:
                    _few_weights_one(chunks, *what)


@cache
def _few_weight_tiles(outputs):
    """The inner loops of that, for tiles of WIDE chunks x one or two output channels."""

    @kernel
    def few_weight_tiles(chunks, seen, pixels, count, c0, g, first, o, sums, out):
        lane = lanes_of(g)
        for t in range(0, chunks.size, WIDE):
            offsets, acc = tile_offsets(chunks, t, WIDE), tile_zero(g, WIDE, outputs)
            for p in range(count):
                acc = tile_fma_by(acc, seen, offsets, pixels[p] + c0, g, first + p * o)
            tile_add(sums, tile_steps(2 * lane, WIDE), out + 2 * t * lane, acc, outputs * lane)

    return few_weight_tiles


_few_weights_two, _few_weights_one = _few_weight_tiles(2), _few_weight_tiles(1)


@kernel
def _spread_images(
    g, w, gx, scale, shift, plus, relu, top, dh, left, dw, down, here, across, there, rows, count, lo, hi
):
    """gx[n, top[i]+dh[a], left[j]+dw[b]] = sum over i, j, a, b of g[n,i,j] @ w[a,b], for images lo to hi."""
    _, oh, ow, _ = g.shape
    _, h, wd, all_channels = gx.shape
    groups, lane = w.shape[0], lanes_of(w)
    c = all_channels // groups
    k = dh.size * dw.size * c
    flat, out, one = cache_lines(oh * ow * groups * k + PAST, g), gx.reshape(-1), tile_steps(0, 1)
    cols = flat[: oh * ow * groups * k].reshape(1, oh, ow, groups * k)
    image = out if groups == 1 else cache_lines(h * wd * c + PAST, g)  # of one group
    taps = dw.size if dw[-1] == dw.size - 1 else 1  # that lie together
    apart = (taps + left[1] - left[0] - 1) // (left[1] - left[0]) if ow > 1 else 1  # windows that do not overlap
    for n in range(lo, hi):
        args = scale, shift, plus, relu, np.empty((0, 2), np.int64), down, here, down, across, there, across
        _correlate_blocks(g[n : n + 1], w, 0, cols, *args, 1, rows, 0, count, 0, cols.shape[3])
        for group in range(groups):
            start = n * h * wd * c if groups == 1 else 0
            clear(image, start, start + h * wd * c)
            for i in range(oh):
                for a in range(dh.size):
                    if not 0 <= top[i] + dh[a] < h:
                        continue
                    line = (top[i] + dh[a]) * wd
                    for b in range(0, dw.size, taps):
                        for phase in range(apart):
                            for j in range(phase, ow, apart):
                                first = left[j] + dw[b]
                                b0, b1 = max(0, -first), min(taps, wd - first)
                                to = start + (line + first + b0) * c
                                s = ((i * ow + j) * groups + group) * k + (a * dw.size + b + b0) * c
                                for q in range(0, (b1 - b0) * c, lane):
                                    tile_add(image, one, to + q, tile_load(flat, one, s + q), (b1 - b0) * c - q)
            if groups > 1:
                for p in range(h * wd):
                    for i in range(c):
                        out[(n * h * wd + p) * all_channels + group * c + i] = image[p * c + i]


@kernel
def _channels(group, channels, p0, p1, width):
    """Which channels of a group, `width` in a panel, are in panels p0 to p1 of all groups: from, to."""
    before = group * ((channels + width - 1) // width)
    return max(0, (p0 - before) * width), min(channels, (p1 - before) * width)


@kernel
def _runs(dh, dw, line, pixel, channels):
    """Where the stretches of memory that a window reads start, and how long they are.

    The taps of a kernel row are one stretch, unless dilation or the other groups' channels leave gaps.
    """
    joined = pixel == channels and dw[-1] - dw[0] == dw.size - 1
    kw, run = (1, dw.size * channels) if joined else (dw.size, channels)
    runs = np.empty(dh.size * kw, np.int64)
    for a in range(dh.size):
        for b in range(kw):
            runs[a * kw + b] = (dh[a] - dh[0]) * line + (dw[b] - dw[0]) * pixel
    return runs, run


@kernel
def _weights(dh, dw, cg, line, pixel, padded):
    """Where weight (a,b,c) reads, counted from the start of a window; the last one again to fill a tile."""
    weights = np.empty(padded, np.int64)
    for t in range(padded):
        tap, i = divmod(min(t, dh.size * dw.size * cg - 1), cg)
        weights[t] = (dh[tap // dw.size] - dh[0]) * line + (dw[tap % dw.size] - dw[0]) * pixel + i
    return weights
