"""Pooling of images (N, C, H, W), each operation with its adjoint.

Max-pooling is a gather at the winner of each window (the first one, where several tie); its adjoint scatters back
and adds where windows overlap. Once the winners are chosen both are linear, so the pair closes at every order; at first
order one kernel finds value and winner together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels, random
from ..errors import named
from ..ranges import check, choice
from ..tape import ENTRIES, INTEGERS, Array, Tensor, as_array, dispatch, draw, fused, linear, primitive
from ..typing import ArrayLike, OneOrTwo
from .conv import Pair, check_image, pair, windows
from .indexing import getitem
from .noise import MODE
from .reduce import mean
from .shape import as_tensor, permute_dims, reshape

__all__ = ["avg_pool2d", "fractional_max_pool2d", "global_avg_pool2d", "max_pool2d"]

REGIONS = choice("overlapping", "disjoint")
SEQUENCE = choice("pseudorandom", "random")


@primitive
def _pool_take(x: Array, *, winners: Array, **k: Pair) -> Array:
    return kernels.pool_take(x, winners, **k)


@primitive
def _pool_put(g: Array, *, winners: Array, size: Pair, **k: Pair) -> Array:
    return kernels.pool_put(g, winners, size=size, **k)


linear(_pool_take, lambda g, y, x, **k: _pool_put(g, size=x.shape[2:], **k))
linear(_pool_put, lambda u, y, g, *, size, **k: _pool_take(u, **k))


def _composed_max_pool2d(x: Tensor, *, winners: Array | None = None, **k: Pair) -> Tensor:
    winners = dispatch(kernels.max_pool2d, x._data, **k)[1] if winners is None else winners
    return _pool_take(x, winners=winners, **k)


def _fused_max_pool2d(x: Array, **k: Pair) -> tuple[Array, tuple[Array, Array]]:
    y, winners = kernels.max_pool2d(x, **k)
    return y, (winners, y)


def _max_pool2d_backward(g: Array, saved: tuple[Array, Array], x: Array, **k: Pair) -> tuple[Array]:
    return (kernels.pool_put(g, saved[0], size=x.shape[2:], **k),)


def _max_pool2d_tangent(ts: tuple[Array], saved: tuple[Array, Array], x: Array, **k: Pair) -> Array:
    return kernels.pool_take(ts[0], saved[0], **k)


_max_pool2d = fused(_composed_max_pool2d, _fused_max_pool2d, _max_pool2d_backward, _max_pool2d_tangent)
_max_pool2d.reuse = lambda saved: {"winners": saved[0]}
_max_pool2d.numbers = _pool_take.numbers = ENTRIES
_pool_put.numbers = INTEGERS
_max_pool2d.branch = lambda y, x, **k: kernels.max_pool2d(x, **k)[1]


def _windows(name: str, x: Tensor, kernel_size: Any, stride: Any, padding: Any) -> dict[str, Pair]:
    check_image(name, x)
    kernel = pair(name, "kernel_size", kernel_size, 1)
    stride = kernel if stride is None else pair(name, "stride", stride, 1)
    padding = pair(name, "padding", padding, 0)
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise ValueError(f"{name}: padding {padding} must be at most half of the kernel {kernel}")
    windows(name, x.shape[2:], kernel, stride, padding, (1, 1))
    return {"kernel": kernel, "stride": stride, "padding": padding}


@named
def max_pool2d(x: ArrayLike, kernel_size: OneOrTwo, stride: OneOrTwo | None = None, padding: OneOrTwo = 0) -> Tensor:
    """The largest entry of each window of x (N, C, H, W); stride defaults to the kernel size. Padding never wins.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2).data
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    x = as_tensor(x)
    return _max_pool2d(x, **_windows("max_pool2d", x, kernel_size, stride, padding))


@primitive
def _avg_pool2d(x: Array, **k: Pair) -> Array:
    return kernels.avg_pool2d(x, **k)


@primitive
def _avg_pool2d_input(g: Array, *, size: Pair, **k: Pair) -> Array:
    return kernels.avg_pool2d_input(g, size=size, **k)


linear(_avg_pool2d, lambda g, y, x, **k: _avg_pool2d_input(g, size=x.shape[2:], **k))
linear(_avg_pool2d_input, lambda u, y, g, *, size, **k: _avg_pool2d(u, **k))


@named
def avg_pool2d(x: ArrayLike, kernel_size: OneOrTwo, stride: OneOrTwo | None = None, padding: OneOrTwo = 0) -> Tensor:
    """The mean of each window of x (N, C, H, W), padding counted as zeros; stride defaults to the kernel size."""
    x = as_tensor(x)
    return _avg_pool2d(x, **_windows("avg_pool2d", x, kernel_size, stride, padding))


@named
def global_avg_pool2d(x: ArrayLike) -> Tensor:
    """The mean of each channel of x (N, C, H, W), as (N, C)."""
    x = as_tensor(x)
    check_image("global_avg_pool2d", x)
    size = x.shape[2:]
    if 0 in size:
        return mean(x, (2, 3))
    return reshape(_avg_pool2d(x, kernel=size, stride=size, padding=(0, 0)), x.shape[:2])


# ---- fractional max-pooling: a gather at the winners of random regions ------------------------------------------------


@named
def fractional_max_pool2d(
    x: ArrayLike,
    output_size: OneOrTwo,
    *,
    regions: str = "overlapping",
    sequence: str = "pseudorandom",
    mode: str = "batch",
    rng: np.random.Generator | int | None = None,
) -> Tensor:
    """The largest entry of each of output_size random regions of x (N, C, H, W), the first one where several tie.

    With α = input over output size, regions are ⌊α⌋ or ⌈α⌉ pixels wide, in an order that is drawn: by sequence 'random'
    any order, by 'pseudorandom' a_i = ⌈α(i + u)⌉, u uniform in (0, 1), which spreads them evenly. 'disjoint' regions
    [a_i, a_i+1) tile the image; 'overlapping' ones [a_i, a_i+1] share their border pixels. Both reach to the last pixel.
    One set of regions serves the batch, or with mode 'row' each image has its own; channels always share them.
    Graham 2014, "Fractional Max-Pooling". Raises ValueError if the image is too small for as many regions.

    >>> fractional_max_pool2d(np.arange(25.0).reshape(1, 1, 5, 5), 3, rng=0).data
    array([[[[ 7.,  8.,  9.],
             [12., 13., 14.],
             [22., 23., 24.]]]])
    """
    x = as_tensor(x)
    check_image("fractional_max_pool2d", x)
    check_regions("fractional_max_pool2d", regions, sequence, mode)
    out = pair("fractional_max_pool2d", "output_size", output_size, 1)
    overlap = int(regions == "overlapping")
    if any(n > size - overlap for n, size in zip(out, x.shape[2:])):
        raise ValueError(
            f"fractional_max_pool2d: an image of {x.shape[2:]} has no {out} {regions} regions; "
            f"output_size may be at most {tuple(max(0, size - overlap) for size in x.shape[2:])}"
        )
    pixels = permute_dims(x, (0, 2, 3, 1))  # (N,C,H,W) -> (N,H,W,C), as it mostly lies in memory
    winners = draw(_winners, as_array(pixels), rng, out, overlap, sequence, mode)  # (N,oh,ow,C)
    return permute_dims(getitem(reshape(pixels, (-1,)), winners), (0, 3, 1, 2))


def check_regions(name: str, regions: str, sequence: str, mode: str) -> None:
    """Raise unless these settings of fractional max-pooling exist."""
    check(name, REGIONS, regions=regions)
    check(name, SEQUENCE, sequence=sequence)
    check(name, MODE, mode=mode)


def region_edges(size: int, n: int, overlap: int, sequence: str, count: int, rng: np.random.Generator) -> Array:
    """`count` draws of where n regions meet on an axis of `size` pixels: (count, n + 1) ints, from 0 to size − overlap.

    >>> region_edges(10, 7, 0, "pseudorandom", 2, np.random.default_rng(0))
    array([[ 0,  1,  3,  4,  5,  7,  8, 10],
           [ 0,  2,  3,  5,  6,  8,  9, 10]])
    """
    reach = size - overlap
    if sequence == "pseudorandom":  # ⌈α(i + u)⌉ for α = reach/n, in whole numbers: reach · u is rounded up first
        shift = rng.integers(1, reach + 1, (count, 1))
        edges = -(-(reach * np.arange(n + 1) + shift) // n)
        return edges - edges[:, :1]
    widths = np.full((count, n), reach // n)
    widths[:, : reach % n] += 1
    return np.pad(rng.permuted(widths, axis=1).cumsum(1), ((0, 0), (1, 0)))


def _winners(x: Array, rng: Any, out: Pair, overlap: int, sequence: str, mode: str) -> Array:
    """Where in x (N, H, W, C), taken as flat, the largest entry of each region stands: (N, oh, ow, C)."""
    n, h, w, c = x.shape
    rng, count = random.generator(rng), n if mode == "row" else 1
    rows, columns = (region_edges(size, k, overlap, sequence, count, rng) for size, k in zip((h, w), out))
    tall, wide = (-(-(size - overlap) // k) + overlap for size, k in zip((h, w), out))
    images, flat = np.arange(n)[:, None, None] * (h * w), x.real.reshape(-1, c)
    best: Any = None
    winners: Any = None
    for a in range(tall):
        row = np.minimum(rows[:, :-1] + a, rows[:, 1:] + (overlap - 1))[:, :, None]  # past its end: the last row again
        for b in range(wide):
            column = np.minimum(columns[:, :-1] + b, columns[:, 1:] + (overlap - 1))[:, None, :]
            at = images + row * w + column  # (N,oh,ow)
            values = flat[at]  # (N,oh,ow,C)
            if best is None:
                best, winners = values, np.broadcast_to(at[..., None], values.shape)
            else:
                wins = (values > best) | (values != values)
                best, winners = np.where(wins, values, best), np.where(wins, at[..., None], winners)
    return winners * c + np.arange(c)
