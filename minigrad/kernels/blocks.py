"""The geometry of convolutions: which input an output reads, and how an image is cut into blocks that stay in cache.

Along one axis a convolution is an `Axis`; all arithmetic of stride, padding and dilation happens in the two functions
that make one. A block is a few images, or a few rows of one image. What it reads is copied into a scratch, with zeros
where there is no image, so that the loops over it need no bounds. No sums are computed here.
"""

from functools import lru_cache
from math import ceil
from typing import NamedTuple

import numpy as np

from . import threads
from .jit import kernel
from .tile import ROWS, copy

PAST = 64  # numbers that a vector may reach past the last
LINE = 64  # bytes of a cache line
SCRATCH = 24 * 1024  # bytes of input that a block copies, more where the weights are large


class Axis(NamedTuple):
    """One axis of a convolution: output writes[i] = sum over t of tap taps[t] * input (reads[i] + offsets[t])."""

    reads: np.ndarray
    writes: np.ndarray
    taps: np.ndarray
    offsets: np.ndarray  # ascending

    @property
    def size(self) -> int:
        return len(self.reads)

    @property
    def dense(self) -> bool:
        """Whether outputs, what they read and the taps all advance by one."""
        return all(a.size == 0 or a[-1] - a[0] == a.size - 1 for a in (self.reads, self.writes, self.offsets))

    def span(self, outputs: int) -> int:
        """How much input that many outputs in a row read, gaps included."""
        return int(self.reads[outputs - 1] - self.reads[0] + self.offsets[-1] - self.offsets[0]) + 1


@lru_cache(1024)
def forward_axis(size: int, kernel: int, stride: int, padding: int, dilation: int) -> Axis:
    out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    i, t = np.arange(max(out, 0)), np.arange(kernel)
    return Axis(stride * i - padding, i, t, dilation * t)


@lru_cache(1024)
def adjoint_axes(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[Axis]:
    """The transposed axis, phase by phase: pixels equal modulo the stride see the same taps, at stride 1."""
    axes = []
    for phase in range(stride):
        h = np.arange((phase - padding) % stride, size, stride)
        t = np.arange(kernel)[::-1]
        t = t[(phase - dilation * t) % stride == 0]
        axes.append(Axis((h + padding) // stride, h, t, (phase - dilation * t) // stride))
    return axes


def blocks(x: np.ndarray, ys: Axis, xs: Axis, weights: int) -> tuple[int, int, int]:
    """Images per block, output rows per block, number of blocks.

    A block stays in cache but outweighs the weights, which are read again for each, and there is one for every thread.
    """
    n, _, _, c = x.shape
    if n * ys.size * xs.size == 0:
        return 1, 1, 0
    few = 4 * threads.get_num_threads()
    line = xs.span(xs.size) * c * x.itemsize
    most = min(max(weights // 4, SCRATCH), 20 * SCRATCH)
    rows = ys.size
    while rows > 1 and (ys.span(rows) * line > most or (n * ceil(ys.size / rows) < few and rows > 4)):
        rows = ceil(rows / 2)
    images = 1 if rows < ys.size else max(1, min(n // few, most // (ys.span(rows) * line)))
    return images, rows, ceil(n / images) * ceil(ys.size / rows)


@kernel
def cache_lines(count, like):
    """An array of like's dtype from the start of a cache line on: no vector of it lies across two."""
    a = np.empty(count + LINE // like.itemsize, like.dtype)
    skip = -a.ctypes.data % LINE // like.itemsize
    return a[skip : skip + count]


@kernel
def scratch(x, drop, dh, left, dw, images):
    """A scratch for the input of one block, the length of its lines, and of an image in it."""
    line = (left[-1] - left[0] + dw[-1] - dw[0] + 1) * x.shape[3]
    area = (drop + dh[-1] - dh[0] + 1) * line
    return np.empty(images * area + PAST, x.dtype), line, area


@kernel
def fill(scratch, x, n0, n1, h0, height, w0, width):
    """Copy images n0 to n1, rows from h0, columns from w0; zeros where there is no image."""
    _, h, w, c = x.shape
    before = min(max(-w0, 0), width) * c
    after = max(min(w - w0, width) * c, before)
    for n in range(n0, n1):
        for i in range(h0, h0 + height):
            s = ((n - n0) * height + i - h0) * width * c
            if 0 <= i < h:
                _clear(scratch, s, s + before)
                copy(scratch, s + before, x, ((n * h + i) * w + max(w0, 0)) * c, after - before)
                _clear(scratch, s + after, s + width * c)
            else:
                _clear(scratch, s, s + width * c)


@kernel
def _clear(scratch, lo, hi):
    for i in range(lo, hi):
        scratch[i] = 0


@kernel
def locate(table, images, image_step, rows, row_step, cols, col_step):
    """Where each pixel of a block lies, counted from the first; the last one again to fill a tile."""
    p = 0
    for n in range(images):
        for i in range(rows.size):
            for j in range(cols.size):
                table[p] = n * image_step + (rows[i] - rows[0]) * row_step + (cols[j] - cols[0]) * col_step
                p += 1
    for q in range(p, p + ROWS):
        table[q] = table[p - 1]
