"""The geometry of convolutions: which input an output reads, and how an image is cut into blocks that stay in cache.

Along one axis a convolution is an `Axis`; all arithmetic of stride, padding and dilation happens in the two functions
that make one. A block is a few images, or a few rows of one image. What it reads is copied into a scratch, with zeros
where there is no image, so that the loops over it need no bounds; if it reads nothing outside, it is not copied. No
sums are computed here.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from math import ceil, prod

import numpy as np
from numba.extending import register_jitable

from .jit import kernel
from .tile import TALL, WIDE, clear, copy, prefetch

PAST = 64  # numbers that a vector may reach past the last
LINE = 64  # bytes of a cache line
FAR = 1 << 22  # bytes from which on it pays to ask memory for the numbers of an array ahead
AHEAD = 8  # rows of some hundred bytes: by then they have come
TOGETHER = 8  # channels of a group, from which it is enough that those of one pixel lie together
SCRATCH = 24 * 1024  # bytes of input that a block copies, more where the weights are large


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a convolution: output writes[i] = sum over t of tap taps[t] * input (reads[i] + offsets[t])."""

    reads: np.ndarray
    writes: np.ndarray
    taps: np.ndarray
    offsets: np.ndarray  # ascending

    @cached_property
    def size(self) -> int:
        return len(self.reads)

    @cached_property
    def dense(self) -> bool:
        """Whether outputs, what they read and the taps all advance by one."""
        return all(a.size == 0 or a[-1] - a[0] == a.size - 1 for a in (self.reads, self.writes, self.offsets))

    @cached_property
    def pointwise(self) -> bool:
        """Whether every output reads the one input at its place."""
        return self.taps.size == 1 and self.size > 0 and self.dense and self.reads[0] + self.offsets[0] == 0

    def span(self, outputs: int) -> int:
        """How much input that many outputs in a row read, gaps included."""
        return int(self.reads[outputs - 1] - self.reads[0] + self.offsets[-1] - self.offsets[0]) + 1


def forward_axis(size: int, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
    out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    i, t = np.arange(max(out, 0)), np.arange(kernel)
    return Axis(stride * i - padding, i, t, dilation * t)


def adjoint_axis(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[Axis]:
    """The transposed axis, phase by phase: pixels equal modulo the stride see the same taps, at stride 1."""
    axes = []
    for phase in range(stride):
        h = np.arange((phase - padding) % stride, size, stride)
        t = np.arange(kernel)[::-1]
        t = t[(phase - dilation * t) % stride == 0]
        axes.append(Axis((h + padding) // stride, h, t, (phase - dilation * t) // stride))
    return axes


@lru_cache(1024)
def forward_axes(*down_and_across: int) -> tuple[Axis, Axis]:  # each argument of forward_axis, down and across
    return forward_axis(*down_and_across[::2]), forward_axis(*down_and_across[1::2])


@lru_cache(1024)
def adjoint_axes(*down_and_across: int) -> tuple[tuple[Axis, Axis], ...]:
    """Every pair of phases that sees a tap."""
    phases = product(adjoint_axis(*down_and_across[::2]), adjoint_axis(*down_and_across[1::2]))
    return tuple((ys, xs) for ys, xs in phases if ys.taps.size and xs.taps.size)


@lru_cache(1024)
def taps_inside(axis: Axis, size: int) -> np.ndarray:
    """For each output, which of the axis' taps read one of `size` inputs: from, to. Empty if all taps always do."""
    reads = axis.reads[:, None] + axis.offsets
    taps = np.stack([(reads < 0).sum(1), (reads < size).sum(1)], 1)
    return taps if (taps != [0, axis.taps.size]).any() else taps[:0]


@lru_cache(1024)
def blocks(n: int, pixel: int, ys: Axis, xs: Axis, weights: int, threads: int) -> tuple[int, int, int]:
    """Images per block, output rows per block, number of blocks, for n images; pixel and weights in bytes.

    A block stays in cache but outweighs the weights, which are read again for each, and what its neighbours read too;
    and there is one for every thread.
    """
    if n * ys.size * xs.size == 0:
        return 1, 1, 0
    few = 4 * threads
    line = xs.span(xs.size) * pixel
    most = min(max(weights // 4, SCRATCH), 20 * SCRATCH)
    least = ys.span(1)
    rows = ys.size
    while rows > 1 and (
        ys.span(rows) * line > (most if rows > 2 * least else 20 * SCRATCH)
        or (n * ceil(ys.size / rows) < few and rows > 4)
    ):
        rows = ceil(rows / 2)
    if rows < ys.size and rows * xs.size < 10 * WIDE:  # whole tiles
        rows = next((r for r in range(rows, min(rows + WIDE, ys.size)) if r * xs.size % WIDE == 0), rows)
    images = 1 if rows < ys.size else max(1, min(n // few, most // (ys.span(rows) * line)))
    return images, rows, ceil(n / images) * ceil(ys.size / rows)


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """np.empty from the start of a cache line on: no vector of it lies across two."""
    size = prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, _skip(memory))


@kernel
def cache_lines(count, like):
    """`empty` in a kernel: an array of like's dtype."""
    a = np.empty(count + LINE // like.itemsize, like.dtype)
    skip = _skip(a) // like.itemsize
    return a[skip : skip + count]


@register_jitable
def rows_ahead(x: np.ndarray) -> int:
    """How many rows before its turn to ask memory for a row of x; as many as there are, so for none, if x lies near."""
    return AHEAD if x.nbytes >= FAR else len(x)


@kernel
def prefetch_row(x, r):
    """Ask memory for row r of x, if there is one."""
    for k in range(r * x.shape[1], min((r + 1) * x.shape[1], x.size), LINE // x.itemsize):
        prefetch(x, k)


@kernel
def _skip(memory):
    """How many bytes of it lie before the next cache line."""
    return -memory.ctypes.data % LINE


@kernel
def bounds(block, images, rows, n, height):
    """The images and the output rows of a block: from, to, from, to."""
    bands = (height + rows - 1) // rows
    n0, i0 = block // bands * images, block % bands * rows
    return n0, min(n0 + images, n), i0, min(i0 + rows, height)


@kernel
def scratch(x, top, dh, left, dw, images, rows, groups, copied):
    """Memory for what a block reads, the numbers of a pixel, a line and an image in it; and whether it is x itself.

    That is so if no window leaves an image, unless a copy is asked for: by who reads vectors that may reach past the end.
    Groups of few channels are copied one by one: then what a window reads of a line lies together.
    """
    _, h, w, c = x.shape
    inside = (
        not copied and top[0] + dh[0] >= 0 and top[-1] + dh[-1] < h and left[0] + dw[0] >= 0 and left[-1] + dw[-1] < w
    )
    apart = copied_apart(groups, dw.size, c)
    if inside and not apart:
        return x.reshape(-1), c, w * c, h * w * c, True
    pixel = c // groups if apart else c
    line = (left[-1] - left[0] + dw[-1] - dw[0] + 1) * pixel
    area = (top[min(rows, top.size) - 1] - top[0] + dh[-1] - dh[0] + 1) * line
    return cache_lines(images * area + PAST, x), pixel, line, area, False


@register_jitable
def copied_apart(groups: int, taps: int, channels: int) -> bool:
    """Whether the channels of each group are copied by themselves, so many taps beside each other."""
    return groups > 1 and taps > 1 and channels // groups < TOGETHER


@kernel
def look(seen, pixel, inside, x, group, groups, n0, n1, h0, height, w0, width):
    """Where in `seen` a group of a block's channels starts, that is copied there first if it is not there yet."""
    _, h, w, c = x.shape
    first = group * (c // groups)
    if inside:
        return ((n0 * h + h0) * w + w0) * c + first
    if pixel == c and group > 0:
        return first
    fill(seen, x, first, pixel, n0, n1, h0, height, w0, width)
    return 0


@kernel
def fill(scratch, x, first, channels, n0, n1, h0, height, w0, width):
    """Copy some channels of images n0 to n1, rows from h0, columns from w0; zeros where there is no image."""
    _, h, w, c = x.shape
    before = min(max(-w0, 0), width) * channels
    after = max(min(w - w0, width) * channels, before)
    flat = x.reshape(-1)
    for n in range(n0, n1):
        for i in range(h0, h0 + height):
            s = ((n - n0) * height + i - h0) * width * channels
            if not 0 <= i < h:
                clear(scratch, s, s + width * channels)
                continue
            clear(scratch, s, s + before)
            there = ((n * h + i) * w + max(w0, 0)) * c + first
            if channels == c:
                copy(scratch, s + before, x, there, after - before)
            else:
                for q in range(s + before, s + after, channels):
                    for k in range(channels):
                        scratch[q + k] = flat[there + k]
                    there += c
            clear(scratch, s + after, s + width * channels)


@kernel
def locate(table, outer, outer_step, middle, middle_step, inner, inner_step):
    """Where each pixel of a block lies, counted from the first; the last one again to fill a tile. Its images, rows and
    columns are given in that order, or rows before images.
    """
    p = 0
    for a in outer:
        for b in middle:
            for c in inner:
                table[p] = (a - outer[0]) * outer_step + (b - middle[0]) * middle_step + (c - inner[0]) * inner_step
                p += 1
    for q in range(p, p + TALL):
        table[q] = table[p - 1]
