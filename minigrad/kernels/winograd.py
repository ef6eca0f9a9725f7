"""Winograd's convolution: 3x3 kernels at stride 1 with a quarter of the products (Lavin & Gray 2016).

Four by four pixels y of the output need six by six pixels d of the input, and the kernel w. Both are taken as
polynomials and evaluated at six points each way, where convolution is a product; y is interpolated from the products.
Both adjoints have the same form: that in x is such a convolution again, and that in w turns the arrows round.

    y  = At [ sum over channels of (G w Gt) * (Bt d B) ] A        36 products for 16 pixels instead of 144
    gw = Gt [ sum over tiles of    (A gy At) * (Bt d B) ] G

Over all tiles and channels, what stands in brackets is one matrix product for each of the 36 points. A block of tiles
goes through all stages while it is in cache. The points are 0, ±3/4, ±3/2 and infinity: with ±1 and ±2, which are more
usual, errors are twice as large. The error in float32 of normal numbers, as a fraction of the result, both in root mean
square, for 16, 64 and 256 channels each way and 128x32x32, 128x8x8 and 8x16x16 pixels:

    y     here  5.2e-7  8.7e-7  1.6e-6      direct  2.1e-7  4.0e-7  8.3e-7      (gx the same)
    gw    here  1.2e-6  7.1e-7  8.6e-7      direct  4.0e-7  2.0e-7  2.8e-7

That is so where all of a tile's input is of one size. One large pixel leaves its round-off in all sixteen outputs, an
infinity leaves NaN. So tiles are looked at on their way in, and those with an output whose own window is less than
1 / SPREAD of the tile, as Euclidean norms, are convolved again, by direct summation; where a window is empty, the output
is set to what that is, 0. What stays is off by

    |error of y| <= (channels + 25) u * GROWTH * |kernel| * |tile|,    |tile| <= SPREAD * |window|,

where u is the unit round-off and GROWTH the norm of the transforms, their numbers taken as positive (Higham 2002,
section 3.1: no path from an input to a result has more roundings). Direct summation has 9 channels u |kernel| |window|.
A gradient of weights sums over tiles, and is off by (tiles + 25) u GROWTH times the sum of |tile of gy| * |tile of d|;
it is done again if a number of it is not finite. Norms so large or small that a step might overflow, or lose digits to
underflow, are summed directly too.

`conv.py` comes here where `applies` says that it is faster, and never with MINIGRAD_WINOGRAD=0.
"""

import os
from functools import cache, lru_cache
from math import ceil, lcm

import numpy as np

from . import crew, threads
from .blocks import FAR, LINE, Axis, cache_lines, empty
from .jit import kernel
from .pack import pack_panel, products, unpack
from .tile import (
    BYTES,
    DEPTH,
    REGISTERS,
    ROWS,
    TALL,
    VECS,
    WIDE,
    clear,
    copy,
    lanes,
    prefetch,
    round_up,
    tile_add,
    tile_finish,
    tile_fma,
    tile_load,
    tile_load_part,
    tile_squares,
    tile_steps,
    tile_store,
    tile_sums,
    tile_zero,
)

USE = os.environ.get("MINIGRAD_WINOGRAD", "1") != "0"
P, Q = 3 / 4, 3 / 2  # the points are 0, P, -P, Q, -Q and infinity
LANE = lanes(np.dtype("f4"))
PANEL = lcm(WIDE, TALL)  # tiles whose values at one point lie together
AGAIN = 1 << 16  # the flaw of a tile that has to be summed directly; others are of single outputs
SPREAD = 16  # how many times as large as the window of an output the input of its tile may be
BIG, SMALL = 2.0**55, 2.0**-50  # of norms, with whose squares float32 can reckon; no sum grows by 2**17
AHEAD = 8  # tiles that lie between the one in work and the one that memory is asked for
STRIP = 128 // BYTES  # tiles beside each other: with more, their columns are pushed out of the fastest cache
BLOCK = 256 * 1024  # bytes of values in work at a time, more where the weights are large


def applies(dtype: np.dtype, n: int, c: int, o: int, ys: Axis, xs: Axis) -> bool:
    """Whether a convolution of n images, from c channels to o, can be done here, and is done faster."""
    return USE and dtype == np.float32 and _wins(n, c, o, ys, xs)


@lru_cache(1024)
def _wins(n, c, o, ys, xs):
    """Costs are in multiply-adds of a vector.

    A transform of 6x6 vectors costs as much as 250 of them, back to 4x4 as much, a tile besides 150, and weights 500, or
    twice that if they are too many for the cache: so 70 random shapes take 1.5 % longer than if the faster were known.
    """
    if not (ys.dense and xs.dense and ys.taps.size == xs.taps.size == 3):
        return False
    tiles, vectors, wide = n * ceil(ys.size / 4) * ceil(xs.size / 4), ceil(o / LANE), round_up(c, LANE)
    weights = 500 if c * vectors <= 4096 else 1000
    here = ceil(tiles / PANEL) * PANEL * 36 * wide * vectors
    here += tiles * (250 * (wide // LANE + vectors) + 150) + weights * c * vectors
    return here < n * ys.size * xs.size * products(o, 3, 3 * c, LANE)


def tame(w) -> bool:
    """Whether all numbers are finite, and none so large or small in all that the products might leave float32."""
    return SMALL <= norm(w) <= BIG


def norm(w):
    """The Euclidean norm, in w's own dtype: infinite or NaN if a number is, or if it is too large."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.vdot(w, w) ** 0.5


def correlate(x, w, adjoint, taps, y, ys, xs, end):  # x (N,H,W,C), w (O,C,3,3) or its adjoint, y (N,OH,OW,O)
    """Fill y; `end` is its epilogue. Returns the tiles that have to be done again, by direct summation."""
    c, o = x.shape[3], y.shape[3]
    wide, vectors = round_up(c, LANE), ceil(o / LANE)
    u = empty((36, wide * vectors * LANE + LANE), x.dtype)  # more than needed, see `_points`
    parts = threads.spans(vectors, threads.PASS * w.size)
    crew.run(_transform_weights, (w, adjoint, taps, c, o, u), parts)
    tiles, size, count = _blocks(len(x), wide, o, ys, xs, u.nbytes, threads.get_num_threads())
    flaws = np.zeros(tiles, np.int32)
    args = (x, u, y, *end, flaws, *corner(ys, xs), tiles, size)
    crew.run(_correlate_blocks, args, threads.spans(count, 2 * 9 * y.size * c))
    return np.flatnonzero(flaws == AGAIN)


def correlate_weight(x, g, ys, xs):  # x (N,H,W,C), g (N,OH,OW,O) -> (O,C,3,3)
    """None if it has to be done again, by direct summation: a number that is not finite has spread over its tile."""
    (n, _, _, c), wide, o = x.shape, round_up(x.shape[3], LANE), round_up(g.shape[3], LANE)
    tiles, size, count = _blocks(n, wide, o, ys, xs, 36 * wide * o * x.itemsize, threads.get_num_threads())
    work, panels = 2 * 9 * g.size * c, ceil(o / (VECS * LANE))
    if tiles < 8 * o and panels >= threads.get_num_threads():  # sums are larger than what they are of: share them
        parts = [(0, 0, count, lo * VECS * LANE, min(o, hi * VECS * LANE)) for lo, hi in threads.spans(panels, work, 1)]
    else:
        parts = [(i, lo, hi, 0, o) for i, (lo, hi) in enumerate(threads.spans(count, work, 1))]
    sums = empty((parts[-1][0] + 1, 36, wide, o), x.dtype)
    crew.run(_correlate_weight, (x, g, sums, *corner(ys, xs), tiles, size), parts)
    gw = empty((1, 9 * c, o), x.dtype)
    crew.run(_gather_weights, (sums, gw), threads.spans(c * o // LANE, threads.PASS * sums.size))
    return unpack(gw, g.shape[3], c, (3, 3)) if tame(gw) else None


def corner(ys, xs):
    """The first pixel that the first output reads."""
    return int(ys.reads[0] + ys.offsets[0]), int(xs.reads[0] + xs.offsets[0])


@lru_cache(1024)
def _blocks(n, c, o, ys, xs, weights, threads):
    """Number of tiles, tiles per block, number of blocks: at least one for every thread."""
    tiles = n * ceil(ys.size / 4) * ceil(xs.size / 4)
    panels = ceil(tiles / PANEL)
    many = max(BLOCK, weights // 2) // (36 * PANEL * (c + o) * 4)
    many = max(1, min(many, panels // threads))
    return tiles, many * PANEL, ceil(panels / many)


@kernel
def _transform_weights(w, adjoint, taps, c, o, u, lo, hi):
    """G w Gt of vectors lo to hi of output channels: u[point] holds a row of one or two vectors for each channel, and rows
    of zeros up to whole vectors of channels, panel after panel.
    """
    flat, point, rows = u.reshape(-1), u.shape[1], round_up(c, LANE)
    packed, half = cache_lines(9 * c * LANE, w), cache_lines(18 * LANE, w)
    for v in range(lo, hi):
        pack_panel(w, 1, adjoint, taps, 0, v * LANE, 1, packed, 0)
        first = v // VECS * VECS
        wide = min(VECS, (o + LANE - 1) // LANE - first) * LANE
        for i in range(c):
            for b in range(3):
                d = tile_load(packed, tile_steps(3 * c * LANE, 3), (b * c + i) * LANE)
                tile_store(half, tile_steps(3 * LANE, 6), b * LANE, _g(d), LANE)
            place = first * LANE * rows + i * wide + (v - first) * LANE
            for a in range(6):
                d = tile_load(half, tile_steps(LANE, 3), 3 * a * LANE)
                tile_store(flat, tile_steps(point, 6), place + 6 * a * point, _g(d), LANE)
        for i in range(c, rows):
            for a in range(36):
                place = a * point + first * LANE * rows + i * wide + (v - first) * LANE
                clear(flat, place, place + LANE)


@kernel
def _correlate_blocks(x, u, y, scale, shift, plus, relu, flaws, top, left, tiles, size, lo, hi):
    """Blocks lo to hi, of `size` tiles each."""
    c, o = round_up(x.shape[3], LANE), round_up(y.shape[3], LANE)
    v, m, memory = _points(size * c, x), _points(size * o, x), _memory(x)
    for block in range(lo, hi):
        first, last = block * size, min(block * size + size, tiles)
        _transform_input_watched(x, top, left, first, last, v, y, flaws, memory)
        _multiply(v, u, m, last - first, c, o)
        _transform_output(m, o, first, last, y, flaws, (scale, shift, plus, relu))


@kernel
def _points(count, like):
    """`count` numbers for each point, and some more: a power of two apart, points would compete for the same cache sets."""
    return cache_lines(36 * (count + LANE), like)


@cache
def _input_transform(watched):
    """Bt d B of tiles first to last: v[point, panel, vector of channels, tile]; and if watched, the flaws of tiles.

    Tiles beside each other read the same columns, of which each is transformed once. For one vector of channels, the
    columns of a strip of tiles stay in the fastest cache.
    """

    @kernel
    def transform_input(x, top, left, first, last, v, y, flaws, memory):
        _, h, w, c = x.shape
        _, oh, ow, _ = y.shape
        down, across, point, wide = (oh + 3) // 4, (ow + 3) // 4, v.size // 36, round_up(c, LANE)
        pixels, (columns, energy, patch, squares), t, far = x.reshape(-1), memory, first, x.nbytes >= FAR
        while t < last:
            n, i0, j0 = t // (down * across), t // across % down * 4, t % across * 4
            i, j, many = i0 + top, j0 + left, min(STRIP, min(last - t, across - t % across))
            rows_lo, rows_hi = max(0, -i), min(6, h - i)
            lo, hi, end = max(0, -j), min(4 * many + 2, w - j), 4 * many + 2
            clear(columns, 0, 6 * lo * LANE)
            clear(columns, 6 * hi * LANE, 6 * end * LANE)
            if watched:
                clear(energy, 0, end * LANE)
            if far:
                _prefetch_tiles(x, t + AHEAD, many, top + 2, left + 2, down, across)  # the others are of tiles before
            for k in range(0, c, LANE):
                for b in range(lo, hi):
                    place = ((n * h + i) * w + j + b) * c + k
                    if rows_lo == 0 and rows_hi == 6 and k + LANE <= c:
                        d = tile_load(pixels, tile_steps(w * c, 6), place)
                    else:
                        d = tile_load_part(pixels, tile_steps(w * c, 6), place, rows_lo, rows_hi, c - k)
                    if watched:
                        one = tile_load(energy, tile_steps(0, 1), b * LANE)
                        tile_store(energy, tile_steps(0, 1), b * LANE, tile_squares(one, d), LANE)
                    tile_store(columns, tile_steps(LANE, 6), 6 * b * LANE, _b(d), LANE)
                for s in range(many):
                    panel, row = divmod(t + s - first, PANEL)
                    place = (panel * wide + k) * PANEL + row * LANE
                    for a in range(6):
                        d = tile_load(columns, tile_steps(6 * LANE, 6), (24 * s + a) * LANE)
                        tile_store(v, tile_steps(point, 6), place + 6 * a * point, _b(d), LANE)
            if watched:
                for s in range(many):
                    rows, width, beside = min(oh - i0, 4), min(ow - j0 - 4 * s, 4), j + 4 * s
                    (total,) = tile_sums(_added(tile_load(energy, tile_steps(LANE, 6), 4 * s * LANE)))
                    if not _seems_even(x, n, i, beside, rows, width, total):
                        _cut(patch, x, n, i, beside)
                        flaws[t + s] = _flaws(patch, c, rows, width, squares)
            t += many

    return transform_input


@kernel
def _prefetch_tiles(x, t, many, top, left, down, across):
    """Ask memory for the four by four pixels, from (top, left) of a tile on, of tiles t to t + many."""
    size, h, w, c = x.shape
    n, i, j = t // (down * across), t // across % down * 4 + top, t % across * 4 + left
    if n < size:
        first, last = max(0, j), min(w, j + 4 * many)
        for line in range(n * h + max(0, i), n * h + min(h, i + 4)):
            for k in range((line * w + first) * c, (line * w + last) * c, LINE // x.itemsize):
                prefetch(x, k)


@kernel
def _memory(x):
    """What `_input_transform` needs: columns of a strip, their squares, a patch and its squares."""
    columns = 4 * STRIP + 2
    return (
        cache_lines(6 * columns * LANE, x),
        cache_lines(columns * LANE, x),
        cache_lines(36 * x.shape[3], x),
        np.empty(36),
    )


_transform_input, _transform_input_watched = _input_transform(False), _input_transform(True)


@kernel
def _added(d):
    d0, d1, d2, d3, d4, d5 = d
    return (d0 + d1 + d2 + d3 + d4 + d5,)


@kernel
def _seems_even(x, n, i, j, rows, columns, total):
    """Whether each window has a pixel, of four that are looked at, that is not small beside the patch, whose squares are
    `total` in all.
    """
    _, h, w, c = x.shape
    i0, j0 = i + min(rows, 2), j + min(columns, 2)
    i1, j1 = i + 3 if rows == 4 else i0, j + 3 if columns == 4 else j0
    if i0 < 0 or j0 < 0 or i1 >= h or j1 >= w:
        return False
    middle, pixels, number = tile_zero(x, 4, 1), x.reshape(-1), x.dtype.type
    place, line, step = ((n * h + i0) * w + j0) * c, (i1 - i0) * w * c, (j1 - j0) * c
    looked = place, place + step, place + line, place + line + step
    for k in range(0, c, LANE):
        middle = tile_squares(middle, tile_load_part(pixels, looked, k, 0, 4, c - k))
    p0, p1, p2, p3 = tile_sums(middle)
    least = min(min(p0, p1), min(p2, p3))
    return number(SMALL**2) <= total <= number(BIG**2) and least * number(SPREAD**2) >= total


@kernel
def _flaws(d, c, rows, columns, energy):
    """A bit for each output whose window is empty; AGAIN if another is small beside the patch, or that too large or small."""
    total = 0.0
    for i in range(6):
        for j in range(6):
            pixel = 0.0
            for k in range((6 * i + j) * c, (6 * i + j + 1) * c):
                pixel += np.float64(d[k]) * np.float64(d[k])
            energy[6 * i + j] = pixel
            total += pixel
    if total == 0:
        return 0
    if not SMALL**2 <= total <= BIG**2:
        return AGAIN
    flaws = 0
    for i in range(rows):
        for j in range(columns):
            window = 0.0
            for k in range(6 * i + j, 6 * i + j + 18, 6):
                window += energy[k] + energy[k + 1] + energy[k + 2]
            if window == 0:
                flaws |= 1 << (4 * i + j)
            elif not window * SPREAD**2 >= total:
                return AGAIN
    return flaws


@kernel
def _cut(patch, x, n, i0, j0):
    """Fill a patch with the six by six pixels of image n from (i0, j0) on, and with zeros where there is no image."""
    _, h, w, c = x.shape
    pixels = x.reshape(-1)
    for i in range(6):
        for j in range(6):
            d = (6 * i + j) * c
            if 0 <= i0 + i < h and 0 <= j0 + j < w:
                copy(patch, d, pixels, ((n * h + i0 + i) * w + j0 + j) * c, c)
            else:
                clear(patch, d, d + c)


@kernel
def _multiply(v, u, m, count, c, o):
    """m[point, tile] = u[point] @ v[point, tile], by register tiles."""
    flat = u.reshape(-1)
    for point in range(36):
        k = 0
        while k < o:
            w = point * u.shape[1] + k * c
            wide = k + LANE < o
            for t in range(0, count, PANEL):
                a, out = point * (v.size // 36) + t * c, point * (m.size // 36) + t * o + k
                if wide:
                    _products_wide(v, a, c, flat, w, m, out, o)
                else:
                    _products_slim(v, a, c, flat, w, m, out, o)
            k += VECS * LANE if wide else LANE


@cache
def _product_tiles(rows, vecs):
    """The product of a panel with one or two vectors of output channels, `rows` tiles at a time."""

    @kernel
    def product_tiles(v, a, c, w, j0, m, out, o):
        for row in range(0, PANEL, rows):
            acc, i, j = tile_zero(v, rows, vecs), a + row * LANE, j0
            for _ in range(0, c, LANE):
                for k in range(i, i + LANE, DEPTH):
                    acc = tile_fma(acc, v, tile_steps(LANE, rows), k, w, j, DEPTH)
                    j += DEPTH * vecs * LANE
                i += PANEL * LANE
            tile_store(m, tile_steps(o, rows), out + row * o, acc, vecs * LANE)

    return product_tiles


_products_wide, _products_slim = _product_tiles(WIDE, VECS), _product_tiles(TALL, 1)


@kernel
def _transform_output(m, o, first, last, y, flaws, end):
    """At m A of tiles first to last, as far as they lie in y."""
    _, oh, ow, channels = y.shape
    scale, shift, plus, relu = end
    down, across = (oh + 3) // 4, (ow + 3) // 4
    half, part, point = cache_lines(24 * LANE, y), cache_lines(4 * LANE, y), m.size // 36
    for t in range(first, last):
        n, i0, j0 = t // (down * across), t // across % down * 4, t % across * 4
        rows, columns = min(oh - i0, 4), min(ow - j0, 4)
        corner, line = ((n * oh + i0) * ow + j0) * channels, ow * channels
        for k in range(0, o, LANE):
            for j in range(6):
                column = tile_load(m, tile_steps(6 * point, 6), (t - first) * o + k + j * point)
                tile_store(half, tile_steps(6 * LANE, 4), j * LANE, _a(column), LANE)
            if rows == columns == 4 and k + LANE <= channels and flaws[t] == 0:
                for i in range(4):
                    row = _a(tile_load(half, tile_steps(LANE, 6), 6 * i * LANE))
                    pixels, place = tile_steps(channels, 4), corner + i * line + k
                    row = tile_finish(row, scale, shift, k, plus, pixels, place, LANE, relu)
                    tile_store(y, pixels, place, row, LANE)
                continue
            for i in range(rows):
                row = _a(tile_load(half, tile_steps(LANE, 6), 6 * i * LANE))
                tile_store(part, tile_steps(LANE, 4), 0, row, LANE)
                for j in range(columns):
                    if flaws[t] >> (4 * i + j) & 1:  # its window is empty
                        clear(part, j * LANE, (j + 1) * LANE)
                    one, place, valid = tile_steps(0, 1), corner + i * line + j * channels + k, min(LANE, channels - k)
                    pixel = tile_finish(tile_load(part, one, j * LANE), scale, shift, k, plus, one, place, valid, relu)
                    tile_store(y, one, place, pixel, valid)


@kernel
def _correlate_weight(x, g, sums, top, left, tiles, size, part, lo, hi, k0, k1):
    """What blocks lo to hi give for output channels k0 to k1: sums[part, point, c, o] = v[point, tile, c] * m[point, tile, o]."""
    _, _, c, o = sums.shape
    v, m, nothing, memory = _points(size * c, x), _points(size * o, x), np.zeros(0, np.int32), _memory(x)
    for block in range(lo, hi):
        first, last = block * size, min(block * size + size, tiles)
        _transform_input(x, top, left, first, last, v, g, nothing, memory)
        _transform_gradient(g, first, last, m, o, k0, k1)
        _multiply_weight(v, m, sums[part], last - first, k0, k1, block == lo)


@kernel
def _transform_gradient(g, first, last, m, o, k0, k1):
    """A g At of tiles first to last: m[point, tile, o]; channels that g has not are zeros."""
    _, h, w, channels = g.shape
    down, across, point = (h + 3) // 4, (w + 3) // 4, m.size // 36
    pixels, columns, far = g.reshape(-1), cache_lines(24 * LANE, g), g.nbytes >= FAR
    for t in range(first, last):
        if far and (t - first) % STRIP == 0:
            _prefetch_tiles(g, t + AHEAD, min(STRIP, last - t), 0, 0, down, across)
        n, i, j = t // (down * across), t // across % down * 4, t % across * 4
        place, there = (t - first) * o, ((n * h + i) * w + j) * channels
        rows, wide = min(4, h - i), min(4, w - j)
        clear(columns, 6 * wide * LANE, 24 * LANE)
        for k in range(k0, k1, LANE):
            for b in range(wide):
                at = there + b * channels + k
                if rows == 4 and k + LANE <= channels:
                    d = tile_load(pixels, tile_steps(w * channels, 4), at)
                else:
                    d = tile_load_part(pixels, tile_steps(w * channels, 4), at, 0, rows, channels - k)
                tile_store(columns, tile_steps(LANE, 6), 6 * b * LANE, _a_adjoint(d), LANE)
            for a in range(6):
                d = tile_load(columns, tile_steps(6 * LANE, 4), a * LANE)
                tile_store(m, tile_steps(point, 6), place + k + 6 * a * point, _a_adjoint(d), LANE)


@kernel
def _multiply_weight(v, m, sums, count, k0, k1, fresh):
    _, c, o = sums.shape
    for point in range(36):
        a, b = point * (v.size // 36), point * (m.size // 36)
        for i in range(0, c, LANE):
            k = k0
            while k < k1:
                out = (point * c + i) * o + k
                if k + LANE < k1:
                    _sums_wide(v, a + i * PANEL, c, m, b + k, o, count, sums, out, fresh)
                    k += VECS * LANE
                else:
                    _sums_slim(v, a + i * PANEL, c, m, b + k, o, count, sums, out, fresh)
                    k += LANE


@cache
def _sum_tiles(rows, vecs):
    """Products summed over tiles, for one vector of input channels, `rows` of them at a time."""

    @kernel
    def sum_tiles(v, a, c, m, b, o, count, sums, out, fresh):
        for row in range(0, LANE, rows):
            acc, i, j = tile_zero(v, rows, vecs), a + row, b
            for t in range(0, count, PANEL):
                for k in range(i, i + min(PANEL, count - t) * LANE, LANE):
                    acc = tile_fma(acc, v, tile_steps(1, rows), k, m, j, 1)
                    j += o
                i += PANEL * c
            if fresh:
                tile_store(sums, tile_steps(o, rows), out + row * o, acc, vecs * LANE)
            else:
                tile_add(sums, tile_steps(o, rows), out + row * o, acc, vecs * LANE)

    return sum_tiles


_sums_wide, _sums_slim = _sum_tiles(min(ROWS, LANE, REGISTERS // 4), VECS), _sum_tiles(min(TALL, LANE), 1)


@kernel
def _gather_weights(sums, gw, lo, hi):
    """Gt u G of vectors lo to hi of kernels, u being the sum of all sums: gw[tap, c, o], without the rows that fill vectors."""
    parts, _, c, o = sums.shape
    flat, out, point, tap = sums.reshape(-1), gw.reshape(-1), c * o, gw.size // 9
    half, one = cache_lines(18 * LANE, gw), tile_steps(0, 1)
    for k in range(lo * LANE, hi * LANE, LANE):
        for other in range(36, 36 * parts):
            tile_add(flat, one, other % 36 * point + k, tile_load(flat, one, other * point + k), LANE)
        for j in range(6):
            column = tile_load(flat, tile_steps(6 * point, 6), j * point + k)
            tile_store(half, tile_steps(6 * LANE, 3), j * LANE, _g_adjoint(column), LANE)
        for i in range(3):
            row = tile_load(half, tile_steps(LANE, 6), 6 * i * LANE)
            tile_store(out, tile_steps(tap, 3), 3 * i * tap + k, _g_adjoint(row), LANE)


P2, P3, Q2, Q3 = P**2, P**3, Q**2, Q**3
AT_0, AT_P, AT_Q = 1 / (P2 * Q2), 1 / (2 * P2 * (P2 - Q2)), 1 / (2 * Q2 * (Q2 - P2))  # Lagrange's denominators


@kernel
def _b(d):
    """Bt d: the input at the points, as the interpolation of y wants it."""
    d0, d1, d2, d3, d4, d5 = d
    even_p, odd_p = d4 - Q2 * d2, P * d3 - P * Q2 * d1
    even_q, odd_q = d4 - P2 * d2, Q * d3 - Q * P2 * d1
    first, last = P2 * Q2 * d0 - (P2 + Q2) * d2 + d4, P2 * Q2 * d1 - (P2 + Q2) * d3 + d5
    return first, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, last


@kernel
def _g(w):
    """G w: the kernel w0 + w1 p + w2 p^2 at the points, over Lagrange's denominators."""
    w0, w1, w2 = w
    even_p, odd_p = AT_P * w0 + P2 * AT_P * w2, P * AT_P * w1
    even_q, odd_q = AT_Q * w0 + Q2 * AT_Q * w2, Q * AT_Q * w1
    return AT_0 * w0, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, w2


@kernel
def _g_adjoint(u):
    """Gt u."""
    u0, u1, u2, u3, u4, u5 = u
    even_p, odd_p, even_q, odd_q = AT_P * (u1 + u2), AT_P * (u1 - u2), AT_Q * (u3 + u4), AT_Q * (u3 - u4)
    return AT_0 * u0 + even_p + even_q, P * odd_p + Q * odd_q, P2 * even_p + Q2 * even_q + u5


@kernel
def _a(m):
    """At m: four pixels from the products at the points."""
    m0, m1, m2, m3, m4, m5 = m
    even_p, odd_p, even_q, odd_q = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + even_p + even_q, P * odd_p + Q * odd_q, P2 * even_p + Q2 * even_q, P3 * odd_p + Q3 * odd_q + m5


@kernel
def _a_adjoint(y):
    """A y: the pixels y0 + y1 p + y2 p^2 + y3 p^3 at the points."""
    y0, y1, y2, y3 = y
    even_p, odd_p, even_q, odd_q = y0 + P2 * y2, P * y1 + P3 * y3, y0 + Q2 * y2, Q * y1 + Q3 * y3
    return y0, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, y3
