"""Pooling of images (N, C, H, W), each operation with its adjoint.

Max-pooling is a gather at the winner of each window (the first one, where several tie); its adjoint scatters back
and adds where windows overlap. Once the winners are chosen both are linear, so the pair closes at every order; at first
order one kernel finds value and winner together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import kernels, random
from ..errors import named, shown
from ..ranges import INSIDE, POSITIVE, SWITCH, WHOLE, check, choice
from ..tape import (
    ENTRIES,
    FLOATS,
    INTEGERS,
    Array,
    Tensor,
    as_array,
    dispatch,
    draw,
    fused,
    in_floats,
    linear,
    primitive,
    wrap,
)
from ..typing import ArrayLike, OneOrTwo
from .conv import AXES, MEANING, Pair, check_image, ints, pair, row, windows
from .elementwise import power, relu, where
from .indexing import getitem
from .noise import MODE
from .reduce import mean
from .shape import as_tensor, pad, permute_dims, reshape
from .taps import along, windowed

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "fractional_max_pool2d", "global_avg_pool2d",
    "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d", "max_unpool2d",
    "max_unpool3d",
]  # fmt: skip

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


# ---- windows along one, two or three axes -----------------------------------------------------------------------------


class Windows(NamedTuple):
    """Where windows lie along one axis: the o-th has the places o·stride − padding + a·dilation, a < kernel."""

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    n: int  # how many there are

    @property
    def beyond(self) -> int:
        """How far the last window reaches over the border and its padding."""
        return max(0, (self.n - 1) * self.stride + self.dilation * (self.kernel - 1) + 1 - self.size - 2 * self.padding)

    def places(self) -> tuple[Array, Array]:
        """The places of each window, (n, kernel), and whether they are inside the image."""
        at = np.arange(self.n)[:, None] * self.stride - self.padding + np.arange(self.kernel) * self.dilation
        return at, (at >= 0) & (at < self.size)


class Regions(NamedTuple):
    """Where n regions of an adaptive pooling lie along one axis: the o-th from ⌊o·size/n⌋ to ⌈(o + 1)·size/n⌉."""

    size: int
    n: int

    def places(self) -> tuple[Array, Array]:
        start = np.arange(self.n)[:, None] * self.size // self.n
        end = -(-np.arange(1, self.n + 1)[:, None] * self.size // self.n)
        at = start + np.arange((end - start).max(initial=0))
        return at, at < end


def _images(name: str, d: int, x: Any) -> tuple[Tensor, bool]:
    """x with a batch axis, and whether it had none."""
    x = as_tensor(x)
    if x.ndim not in (d + 1, d + 2):
        raise ValueError(
            f"{name}: x has shape {x.shape}; it must be (N, C, {AXES[d]}), or (C, {AXES[d]}): {MEANING[d]}"
        )
    return (reshape(x, (1, *x.shape)), True) if x.ndim == d + 1 else (x, False)


def _back(y: Tensor, single: bool) -> Tensor:
    return reshape(y, y.shape[1:]) if single else y


def _axes(
    name: str, size: tuple[int, ...], kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Windows, ...]:
    """The windows along each axis of images of this size, or an error in op's name."""
    d = len(size)
    check(name, SWITCH, ceil_mode=ceil_mode)
    kernel, dilation = ints(name, "kernel_size", kernel_size, 1, d), ints(name, "dilation", dilation, 1, d)
    stride = kernel if stride is None or stride == () else ints(name, "stride", stride, 1, d)
    padding = ints(name, "padding", padding, 0, d)
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise ValueError(f"{name}: padding {padding} must be at most half of the kernel {kernel}")
    many = windows(name, size, kernel, stride, padding, dilation)
    if ceil_mode:  # one window more where entries are left, if it starts inside the image or left of it
        each = zip(size, kernel, stride, padding, dilation, many)
        many = tuple(m + ((m - 1) * s + a * (k - 1) + 1 < n + 2 * p and m * s < n + p) for n, k, s, p, a, m in each)
    return tuple(map(Windows, size, kernel, stride, padding, dilation, many))


def _is_plain(axes: tuple[Windows, ...]) -> bool:
    """Whether the kernels know these windows."""
    return len(axes) < 3 and all(w.dilation == 1 and not w.beyond for w in axes)


def _settings(axes: tuple[Windows, ...]) -> dict[str, Any]:
    """The same as settings of a kernel; along one axis, as those of images of height 1."""
    rows: tuple = (*[Windows(1, 1, 1, 0, 1, 1)] * (2 - len(axes)), *axes)
    return {what: tuple(getattr(w, what) for w in rows) for what in ("kernel", "stride", "padding")}


def _as_images(f: Callable[..., Tensor], x: Tensor, axes: tuple[Windows, ...]) -> Tensor:
    y = f(row(x) if x.ndim == 3 else x, **_settings(axes))
    return row(y) if x.ndim == 3 else y


def _largest(x: Array, axes: tuple) -> Array:
    """Where in each image (N, C, …), taken as flat, the largest entry of each window stands, the first that ties; or NaN.

    One axis after the other, the last one first.
    """
    best, winners = x.real, np.broadcast_to(np.arange(math.prod(x.shape[2:])).reshape(x.shape[2:]), x.shape)
    for axis in reversed(range(2, x.ndim)):
        before, (places, inside) = (best, winners), axes[axis - 2].places()
        shape = (*best.shape[:axis], len(places), *best.shape[axis + 1 :])
        best, winners = np.zeros(shape, best.dtype), np.full(shape, -1)
        for at, there in zip(places.T, inside.T):
            values, here = (v.take(np.where(there, at, 0), axis) for v in before)
            there = there.reshape(-1, *[1] * (x.ndim - axis - 1))
            wins = there & ((values > best) | (values != values) | (winners < 0))
            best, winners = np.where(wins, values, best), np.where(wins, here, winners)
    if winners.min(initial=0) < 0:
        raise ValueError(f"max_pool: a window has no entry of the image of {x.shape[2:]}: all of them are padding")
    return winners


def _among_all(winners: Array, size: int) -> Array:
    """Places in each image (N, C, …), taken as flat, as places in all of them."""
    n, c = winners.shape[:2]
    return (winners + size * np.arange(n * c).reshape(n, c, *[1] * (winners.ndim - 2))).reshape(-1)


def _pick(x: Tensor, winners: Array) -> Tensor:
    at = dispatch(_among_all, winners, math.prod(x.shape[2:]))
    return reshape(getitem(reshape(x, (-1,)), at), winners.shape)


def _max_pool(
    name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, return_indices: bool
) -> Any:
    check(name, SWITCH, return_indices=return_indices)
    x, single = _images(name, int(name[-2]), x)
    axes = _axes(name, x.shape[2:], kernel_size, stride, padding, dilation, ceil_mode)
    if ceil_mode and not return_indices and x.dtype.char in "fd":  # −∞ around it never wins: it comes after an entry
        x = pad(x, [0, 0, *((0, w.beyond) for w in axes)], value=-np.inf) if any(w.beyond for w in axes) else x
        axes = tuple(w._replace(size=w.size + w.beyond) for w in axes)
    if _is_plain(axes) and not return_indices:
        return _back(_as_images(_max_pool2d, x, axes), single)
    return _max_over(x, axes, single, return_indices)


def _max_over(x: Tensor, axes: tuple, single: bool, return_indices: bool) -> Any:
    winners = dispatch(_largest, x, axes=axes)
    y = _back(_pick(x, winners), single)
    return (y, _back(wrap(winners), single)) if return_indices else y


@named
def max_pool1d(
    x: ArrayLike,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool2d` along one axis: x is (N, C, L) or (C, L)."""
    return _max_pool("max_pool1d", x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@named
def max_pool2d(
    x: ArrayLike,
    kernel_size: OneOrTwo,
    stride: OneOrTwo | None = None,
    padding: OneOrTwo = 0,
    dilation: OneOrTwo = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest entry of each window of x (N, C, H, W), or (C, H, W); stride defaults to the kernel size.

    Padding never wins; of entries that tie, the first one has the derivative. With `ceil_mode` a window may reach over
    the border. With `return_indices` come the winners' places, in each image taken as flat, too.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2).data
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return _max_pool("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@named
def max_pool3d(
    x: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool2d` along three axes: x is (N, C, D, H, W) or (C, D, H, W)."""
    return _max_pool("max_pool3d", x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@primitive
def _avg_pool2d(x: Array, **k: Pair) -> Array:
    return kernels.avg_pool2d(x, **k)


@primitive
def _avg_pool2d_input(g: Array, *, size: Pair, **k: Pair) -> Array:
    return kernels.avg_pool2d_input(g, size=size, **k)


linear(_avg_pool2d, lambda g, y, x, **k: _avg_pool2d_input(g, size=x.shape[2:], **k))
linear(_avg_pool2d_input, lambda u, y, g, *, size, **k: _avg_pool2d(u, **k))


def _avg_pool(
    name: str, x: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, with_padding: bool, divisor: Any
) -> Tensor:
    check(name, SWITCH, count_include_pad=with_padding)
    if divisor is not None and (not WHOLE.holds(divisor) or divisor == 0):
        raise ValueError(
            f"{name}: divisor_override is {WHOLE.told(divisor)}; it must be a whole number, not 0, or None"
        )
    x, single = _images(name, int(name[-2]), x)
    axes = _axes(name, x.shape[2:], kernel_size, stride, padding, 1, ceil_mode)
    if _is_plain(axes) and divisor is None and (with_padding or not any(w.padding for w in axes)):
        return _back(_as_images(_avg_pool2d, x, axes), single)
    counting = "all" if with_padding else "inside"
    return _back(_means(x, axes=axes, counting=counting if divisor is None else "none", divisor=divisor or 1), single)


def _means(x: Tensor, *, axes: tuple, counting: str = "inside", divisor: int = 1) -> Tensor:
    """Means over windows, one axis after the other."""
    if x.dtype.char not in FLOATS:
        return in_floats(_means, x, axes=axes, counting=counting, divisor=divisor)
    for a, w in enumerate(axes, start=2):
        x = along(x, a, w.n, _averages, w, counting)
    return x if divisor == 1 else x / divisor


def _averages(size: int, n: int, axis: Any, counting: str) -> Any:
    """The taps of means over windows along an axis: entries inside count, or padding as well, or a sum is wanted."""
    at, inside = axis.places()
    counted = at < size + axis.padding if counting == "all" else inside  # what reaches over that is no padding
    return windowed(at, inside, 1.0 if counting == "none" else 1 / counted.sum(axis=1, keepdims=True))


@named
def avg_pool1d(
    x: ArrayLike,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """`avg_pool2d` along one axis: x is (N, C, L) or (C, L)."""
    return _avg_pool("avg_pool1d", x, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@named
def avg_pool2d(
    x: ArrayLike,
    kernel_size: OneOrTwo,
    stride: OneOrTwo | None = None,
    padding: OneOrTwo = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of x (N, C, H, W), or (C, H, W); stride defaults to the kernel size.

    Padding counts as zeros, or not at all without `count_include_pad`. With `ceil_mode` a window may reach over the
    border; what is beyond the padding does not count. `divisor_override` replaces the count.
    """
    return _avg_pool("avg_pool2d", x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@named
def avg_pool3d(
    x: ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """`avg_pool2d` along three axes: x is (N, C, D, H, W) or (C, D, H, W)."""
    return _avg_pool("avg_pool3d", x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# ---- to a given size ---------------------------------------------------------------------------------------------------


def _adaptive(name: str, x: Any, output_size: Any) -> tuple[Tensor, bool, tuple[Regions, ...]]:
    """x with a batch axis, whether it had none, and the regions; None as a size keeps that of x."""
    d = int(name[-2])
    x, single = _images(name, d, x)
    sizes = output_size if isinstance(output_size, tuple | list) else (output_size,) * d
    if len(sizes) == d:
        sizes = [n if m is None else m for m, n in zip(sizes, x.shape[2:])]
    out = ints(name, "output_size", sizes, 1, d)
    if 0 in x.shape[2:]:
        raise ValueError(f"{name}: an image of {x.shape[2:]} is empty; there is nothing to pool")
    return x, single, tuple(map(Regions, x.shape[2:], out))


def _even(axes: tuple[Regions, ...]) -> tuple[Windows, ...]:
    """Regions that tile an image as windows that the kernels know, if they do."""
    if len(axes) > 2 or any(r.size % r.n for r in axes):
        return ()
    return tuple(Windows(r.size, r.size // r.n, r.size // r.n, 0, 1, r.n) for r in axes)


def _adaptive_avg_pool(name: str, x: Any, output_size: Any) -> Tensor:
    x, single, axes = _adaptive(name, x, output_size)
    if even := _even(axes):
        return _back(_as_images(_avg_pool2d, x, even), single)
    return _back(_means(x, axes=axes), single)


def _adaptive_max_pool(name: str, x: Any, output_size: Any, return_indices: bool) -> Any:
    check(name, SWITCH, return_indices=return_indices)
    x, single, axes = _adaptive(name, x, output_size)
    if not return_indices and (even := _even(axes)):
        return _back(_as_images(_max_pool2d, x, even), single)
    return _max_over(x, axes, single, return_indices)


@named
def adaptive_avg_pool1d(x: ArrayLike, output_size: int) -> Tensor:
    """`adaptive_avg_pool2d` along one axis: x is (N, C, L) or (C, L)."""
    return _adaptive_avg_pool("adaptive_avg_pool1d", x, output_size)


@named
def adaptive_avg_pool2d(x: ArrayLike, output_size: Any) -> Tensor:
    """The means of output_size regions of x (N, C, H, W), or (C, H, W), the o-th from ⌊o·H/oh⌋ to ⌈(o + 1)·H/oh⌉.

    Where the sizes do not divide, regions overlap. A size of None is that of x.

    >>> import numpy as np
    >>> adaptive_avg_pool2d(np.arange(5.0).reshape(1, 1, 5), (None, 2)).data
    array([[[1., 3.]]])
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", x, output_size)


@named
def adaptive_avg_pool3d(x: ArrayLike, output_size: Any) -> Tensor:
    """`adaptive_avg_pool2d` along three axes: x is (N, C, D, H, W) or (C, D, H, W)."""
    return _adaptive_avg_pool("adaptive_avg_pool3d", x, output_size)


@named
def adaptive_max_pool1d(x: ArrayLike, output_size: int, return_indices: bool = False) -> Any:
    """`adaptive_max_pool2d` along one axis: x is (N, C, L) or (C, L)."""
    return _adaptive_max_pool("adaptive_max_pool1d", x, output_size, return_indices)


@named
def adaptive_max_pool2d(x: ArrayLike, output_size: Any, return_indices: bool = False) -> Any:
    """The largest entry of each of output_size regions of x (N, C, H, W), those of `adaptive_avg_pool2d`.

    With `return_indices` come the winners' places, in each image taken as flat, too.
    """
    return _adaptive_max_pool("adaptive_max_pool2d", x, output_size, return_indices)


@named
def adaptive_max_pool3d(x: ArrayLike, output_size: Any, return_indices: bool = False) -> Any:
    """`adaptive_max_pool2d` along three axes: x is (N, C, D, H, W) or (C, D, H, W)."""
    return _adaptive_max_pool("adaptive_max_pool3d", x, output_size, return_indices)


# ---- back from winners, and other means ---------------------------------------------------------------------------------


def _sources(indices: Array, size: tuple[int, ...]) -> tuple[Array, Array]:
    """For each place of images of this size the entry that comes there, the last of several; and whether there is one."""
    flat, n = indices.reshape(math.prod(indices.shape[:2]), -1), math.prod(size)
    low, high = flat.min(initial=0), flat.max(initial=0)
    if low < 0 or high >= n:
        raise ValueError(f"max_unpool: indices go from {low} to {high}; an image of {size} has {n} places")
    source = np.full((len(flat), n), -1)
    np.put_along_axis(source, flat, np.arange(flat.size).reshape(flat.shape), 1)
    return np.maximum(source, 0).reshape(-1), source.reshape(-1) >= 0


def _max_unpool(
    name: str, x: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    d = int(name[-2])
    x, single = _images(name, d, x)
    at = as_array(indices, name=name)
    at = dispatch(np.reshape, at, (1, *at.shape)) if single else at
    if at.shape != x.shape or at.dtype.kind not in "iu":
        raise ValueError(f"{name}: indices are {shown(at)}; they must be integers of x's shape {x.shape}")
    kernel = ints(name, "kernel_size", kernel_size, 1, d)
    stride = kernel if stride is None or stride == () else ints(name, "stride", stride, 1, d)
    padding = ints(name, "padding", padding, 0, d)
    usual = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(x.shape[2:], stride, padding, kernel))
    if output_size is not None:
        output_size = output_size[-d:] if isinstance(output_size, tuple | list) else output_size
    size = usual if output_size is None else ints(name, "output_size", output_size, 1, d)
    if any(not u - s < n < u + s for n, u, s in zip(size, usual, stride)) or min(size) < 1:
        raise ValueError(f"{name}: output_size {size} must be within one stride of {usual}")
    source, there = dispatch(_sources, at, size=size)
    y = where(there, getitem(reshape(x, (-1,)), source), 0)
    return _back(reshape(y, (*x.shape[:2], *size)), single)


@named
def max_unpool1d(
    x: ArrayLike,
    indices: ArrayLike,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    output_size: Any = None,
) -> Tensor:
    """`max_unpool2d` along one axis: x is (N, C, L) or (C, L)."""
    return _max_unpool("max_unpool1d", x, indices, kernel_size, stride, padding, output_size)


@named
def max_unpool2d(
    x: ArrayLike,
    indices: ArrayLike,
    kernel_size: OneOrTwo,
    stride: OneOrTwo | None = None,
    padding: OneOrTwo = 0,
    output_size: Any = None,
) -> Tensor:
    """The entries of x at the places `indices` of larger images of zeros: undoes `max_pool2d` with `return_indices`.

    The size is (H − 1)·stride − 2·padding + kernel_size, or output_size. Where two entries go to one place, the last
    one is there, and it alone has a derivative.
    """
    return _max_unpool("max_unpool2d", x, indices, kernel_size, stride, padding, output_size)


@named
def max_unpool3d(
    x: ArrayLike, indices: ArrayLike, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """`max_unpool2d` along three axes: x is (N, C, D, H, W) or (C, D, H, W)."""
    return _max_unpool("max_unpool3d", x, indices, kernel_size, stride, padding, output_size)


def _lp_pool(name: str, x: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    check(name, POSITIVE, norm_type=norm_type)
    x, single = _images(name, int(name[-2]), x)
    axes = _axes(name, x.shape[2:], kernel_size, stride, 0, 1, ceil_mode)
    return _back(_norms(x, axes=axes, p=norm_type), single)


def _norms(x: Tensor, *, axes: tuple, p: float) -> Tensor:
    if x.dtype.char not in FLOATS:
        return in_floats(_norms, x, axes=axes, p=p)
    means = _means(power(x, p), axes=axes, counting="all")
    return power(relu(means) * math.prod(w.kernel for w in axes), 1 / p)


@named
def lp_pool1d(
    x: ArrayLike, norm_type: float, kernel_size: int, stride: int | None = None, ceil_mode: bool = False
) -> Tensor:
    """`lp_pool2d` along one axis: x is (N, C, L) or (C, L)."""
    return _lp_pool("lp_pool1d", x, norm_type, kernel_size, stride, ceil_mode)


@named
def lp_pool2d(
    x: ArrayLike, norm_type: float, kernel_size: OneOrTwo, stride: OneOrTwo | None = None, ceil_mode: bool = False
) -> Tensor:
    """(Σ xᵖ)^(1/p) of each window of x (N, C, H, W), p = norm_type. As in PyTorch, odd powers keep their sign."""
    return _lp_pool("lp_pool2d", x, norm_type, kernel_size, stride, ceil_mode)


@named
def lp_pool3d(x: ArrayLike, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """`lp_pool2d` along three axes: x is (N, C, D, H, W) or (C, D, H, W)."""
    return _lp_pool("lp_pool3d", x, norm_type, kernel_size, stride, ceil_mode)


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


def fractional_windows(
    x: ArrayLike, axes: int, kernel: Any, size: Any, ratio: Any, return_indices: bool, samples: Any = None
) -> Any:
    """PyTorch's form: windows of one size, side by side, each plane's at places of its own draw, or by its `samples`."""
    name = f"fractional_max_pool{axes}d"
    x = as_tensor(x)
    if x.ndim not in (axes + 1, axes + 2):
        raise ValueError(f"{name}: x has shape {x.shape}; it must be (N, C, {AXES[axes]}), or (C, {AXES[axes]})")
    if (size is None) == (ratio is None):
        raise ValueError(f"{name}: give one of output_size and output_ratio")
    space, kernel = x.shape[-axes:], ints(name, "kernel_size", kernel, 1, axes)
    if ratio is not None:
        each = ratio if isinstance(ratio, tuple | list) else (ratio,) * axes
        if len(each) != axes or not all(map(INSIDE.holds, each)):
            raise ValueError(
                f"{name}: output_ratio is {INSIDE.told(ratio)}; it must be a number in (0, 1), or one for each axis"
            )
        size = tuple(int(n * r) for n, r in zip(space, each))
    out = ints(name, "output_size", size, 1, axes)
    if any(k + n - 1 > m for k, n, m in zip(kernel, out, space)):
        raise ValueError(f"{name}: {space} has no {out} windows of {kernel} at places of their own; ask for fewer")
    planes = reshape(x, (math.prod(x.shape[:-axes]), math.prod(space)))
    shares = None if samples is None else as_array(samples)
    if shares is not None and shares.size != planes.shape[0] * axes:
        raise ValueError(
            f"{name}: _random_samples has shape {shares.shape}; x of shape {x.shape} needs {axes} for each plane"
        )
    if shares is not None:
        shares = shares.reshape(-1, axes)[:, :: -1 if axes == 2 else 1]  # of images PyTorch's has the width first
    winners = draw(_window_winners, as_array(planes), space, kernel, out, shares)
    y = reshape(getitem(planes, (np.arange(len(winners))[:, None], winners)), (*x.shape[:-axes], *out))
    return (y, wrap(winners.reshape(y.shape))) if return_indices else y


def _window_winners(x: Array, space: Any, kernel: Any, out: Any, shares: Array | None) -> Array:
    """The place in each plane, a row of x, of the largest entry of each window: (planes, windows)."""
    shares = random.generator(None).random((len(x), len(space))) if shares is None else shares
    at = np.zeros((len(x), 1, 1), int)  # (planes, windows, entries)
    for n, k, m, u in zip(space, kernel, out, shares.T[:, :, None]):
        step = (n - k) / max(m - 1, 1)
        starts = ((np.arange(m) + u) * step).astype(int) - (u * step).astype(int)
        starts[:, -1] = n - k
        places = (starts[:, :, None] + np.arange(k))[:, None, :, None, :]
        at = (at[:, :, None, :, None] * n + places).reshape(len(x), at.shape[1] * m, at.shape[2] * k)
    rows = np.arange(len(x))[:, None]
    best = x.real[rows[:, :, None], at].argmax(2)
    return at[rows, np.arange(at.shape[1]), best]


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
