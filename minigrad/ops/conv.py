"""Convolution on images (N, C, H, W), and the sliding windows it is made of.

conv2d, conv2d_input and conv2d_weight are one trilinear form ⟨conv2d(x, w), g⟩ seen from its three corners. Each is
linear in its two arguments, and the adjoint of each is another of them, so the trio closes at every order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..errors import named
from ..ranges import COUNT, WHOLE, check
from ..tape import ENTRIES, INTEGERS, Array, Tensor, linear, primitive
from ..typing import ArrayLike, OneOrTwo
from .shape import as_tensor, reshape

__all__ = ["conv2d", "fold", "unfold"]

Pair = tuple[int, int]


def pair(name: str, what: str, value: Any, least: int) -> Pair:
    """`value`, an int or two ints, as a pair of ints ≥ least, or an error in op's name."""
    two = value if isinstance(value, tuple | list | np.ndarray) else (value, value)
    if len(two) != 2 or not all(WHOLE.holds(v) and v >= least for v in two):
        raise ValueError(f"{name}: {what} is {WHOLE.told(value)}; it must be an int or a pair of ints ≥ {least}")
    return int(two[0]), int(two[1])


def check_image(name: str, x: Tensor) -> None:
    """Raise unless x is a batch of images."""
    if x.ndim != 4:
        raise ValueError(f"{name}: x has shape {x.shape}; it must be (N, C, H, W): images, channels, height, width")


def windows(name: str, size: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """The number of windows down and across an image of `size`, or an error if the kernel does not fit."""
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel))
    padded = tuple(n + 2 * p for n, p in zip(size, padding))
    if any(n < r for n, r in zip(padded, reach)):
        raise ValueError(
            f"{name}: a window of {reach} does not fit an image of {tuple(size)} with padding {padding}; "
            "use a smaller kernel or more padding"
        )
    oh, ow = ((n - r) // s + 1 for n, r, s in zip(padded, reach, stride))
    return oh, ow


@primitive
def _conv2d(x: Array, w: Array, *, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    return kernels.conv2d(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)


@primitive
def _conv2d_input(g: Array, w: Array, *, size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array:
    return kernels.conv2d_input(g, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)


@primitive
def _conv2d_weight(
    x: Array, g: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    return kernels.conv2d_weight(x, g, kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups)


linear(
    _conv2d,
    lambda g, y, x, w, **k: _conv2d_input(g, w, size=x.shape[2:], **k),
    lambda g, y, x, w, **k: _conv2d_weight(x, g, kernel=w.shape[2:], **k),
)
linear(
    _conv2d_input,
    lambda u, y, g, w, *, size, **k: _conv2d(u, w, **k),
    lambda u, y, g, w, *, size, **k: _conv2d_weight(u, g, kernel=w.shape[2:], **k),
)
linear(
    _conv2d_weight,
    lambda u, y, x, g, *, kernel, **k: _conv2d_input(g, u, size=x.shape[2:], **k),
    lambda u, y, x, g, *, kernel, **k: _conv2d(x, u, **k),
)


@named
def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    stride: OneOrTwo = 1,
    padding: OneOrTwo = 0,
    dilation: OneOrTwo = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of images x (N, C, H, W) with weights w (O, C/groups, kh, kw), plus a bias b (O,).

    Returns (N, O, oh, ow) with oh = (H + 2·padding − dilation·(kh − 1) − 1) // stride + 1. Spatial arguments are ints
    or pairs. Raises ValueError when shapes do not fit, TypeError when the dtypes of x and w differ.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3)), padding=1).shape
    (1, 2, 4, 4)
    """
    x, w = as_tensor(x), as_tensor(w)
    check_image("conv2d", x)
    if w.ndim != 4:
        raise ValueError(f"conv2d: weight has shape {w.shape}; it must be (O, C/groups, kh, kw)")
    check("conv2d", COUNT, groups=groups)
    if x.shape[1] % groups or w.shape[0] % groups:
        raise ValueError(
            f"conv2d: groups={groups} must divide the {x.shape[1]} channels of x and the {w.shape[0]} of the output"
        )
    if x.shape[1] != w.shape[1] * groups:
        kh, kw = w.shape[2:]
        raise ValueError(
            f"conv2d: x has {x.shape[1]} channels, weight expects {w.shape[1] * groups}; "
            f"weight must be (O, {x.shape[1] // groups}, {kh}, {kw})"
        )
    same_dtype("conv2d", x, w)
    stride, dilation = pair("conv2d", "stride", stride, 1), pair("conv2d", "dilation", dilation, 1)
    padding = pair("conv2d", "padding", padding, 0)
    windows("conv2d", x.shape[2:], w.shape[2:], stride, padding, dilation)
    y = _conv2d(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if b is None:
        return y
    b = as_tensor(b)
    if b.shape != (w.shape[0],):
        raise ValueError(f"conv2d: bias has shape {b.shape}; it must be ({w.shape[0]},), one for each output channel")
    return y + reshape(b, (1, -1, 1, 1))


def same_dtype(name: str, x: Tensor, w: Tensor, what: str = "weight") -> None:
    """Raise if a float32 model met float64 data or the reverse: the result would silently be float64."""
    if x.dtype != w.dtype and x.dtype.kind != "c" and w.dtype.kind != "c":
        raise TypeError(f"{name}: x is {x.dtype}, {what} is {w.dtype}; make them one, e.g. x.astype({w.dtype.name!r})")


@primitive
def _unfold(x: Array, **k: Any) -> Array:
    return kernels.unfold(x, **k)


@primitive
def _fold(cols: Array, *, size: Pair, **k: Any) -> Array:
    return kernels.fold(cols, size=size, **k)


linear(_unfold, lambda g, y, x, *, kernel, **k: _fold(g, size=x.shape[2:], **k))
linear(_fold, lambda g, y, cols, *, size, **k: _unfold(g, kernel=cols.shape[2:4], **k))
_unfold.numbers = ENTRIES
_fold.numbers = _conv2d.numbers = _conv2d_input.numbers = _conv2d_weight.numbers = INTEGERS


@named
def unfold(
    x: ArrayLike, kernel_size: OneOrTwo, stride: OneOrTwo = 1, padding: OneOrTwo = 0, dilation: OneOrTwo = 1
) -> Tensor:
    """The sliding windows of x (N, C, H, W), as (N, C, kh, kw, oh, ow): what convolution and pooling reduce.

    >>> import numpy as np
    >>> unfold(np.ones((1, 2, 5, 5)), 3, stride=2).shape
    (1, 2, 3, 3, 2, 2)
    """
    x = as_tensor(x)
    check_image("unfold", x)
    kernel, stride = pair("unfold", "kernel_size", kernel_size, 1), pair("unfold", "stride", stride, 1)
    padding, dilation = pair("unfold", "padding", padding, 0), pair("unfold", "dilation", dilation, 1)
    windows("unfold", x.shape[2:], kernel, stride, padding, dilation)
    return _unfold(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


@named
def fold(cols: Any, size: Any, stride: OneOrTwo = 1, padding: OneOrTwo = 0, dilation: OneOrTwo = 1) -> Tensor:
    """Windows (N, C, kh, kw, oh, ow) added up where they overlap, into (N, C, H, W): the adjoint of `unfold`."""
    cols = as_tensor(cols)
    if cols.ndim != 6:
        raise ValueError(f"fold: cols has shape {cols.shape}; it must be (N, C, kh, kw, oh, ow), as unfold returns")
    size, stride = pair("fold", "size", size, 1), pair("fold", "stride", stride, 1)
    padding, dilation = pair("fold", "padding", padding, 0), pair("fold", "dilation", dilation, 1)
    kernel = cols.shape[2:4]
    expected = windows("fold", size, kernel, stride, padding, dilation)
    if cols.shape[4:] != expected:
        raise ValueError(f"fold: an image of {size} has {expected} windows, cols has {cols.shape[4:]}")
    return _fold(cols, size=size, stride=stride, padding=padding, dilation=dilation)
