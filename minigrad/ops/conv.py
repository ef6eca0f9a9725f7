"""Convolution on images (N, C, H, W), and the sliding windows it is made of.

conv2d, conv2d_input and conv2d_weight are one trilinear form ⟨conv2d(x, w), g⟩ seen from its three corners. Each is
linear in its two arguments, and the adjoint of each is another of them, so the trio closes at every order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named
from ..ranges import COUNT, WHOLE, check, choice
from ..tape import ENTRIES, INTEGERS, Array, Tensor, linear, primitive, rounded_once, total
from ..typing import ArrayLike, OneOrTwo
from .indexing import _putitem, getitem
from .shape import as_tensor, crop, pad, permute_dims, reshape, squeeze

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold", "fold_columns",
    "unfold", "unfold_columns",
]  # fmt: skip

PADDING = choice("valid", "same")

Pair = tuple[int, int]


def ints(name: str, what: str, value: Any, least: int, d: int) -> tuple[int, ...]:
    """`value`, an int or d ints, as d ints ≥ least, or an error in op's name."""
    each = value if isinstance(value, tuple | list | np.ndarray) else (value,) * d
    each = [*each] * d if len(each) == 1 else each  # as PyTorch takes them
    if len(each) != d or not all(WHOLE.holds(v) and v >= least for v in each):
        many = {1: "", 2: " or a pair of ints", 3: " or three ints"}[d]
        raise ValueError(f"{name}: {what} is {WHOLE.told(value)}; it must be an int{many} ≥ {least}")
    return tuple(map(int, each))


def pair(name: str, what: str, value: Any, least: int) -> Pair:
    """The same for both axes of an image."""
    two: Any = ints(name, what, value, least, 2)
    return two


def check_image(name: str, x: Tensor) -> None:
    """Raise unless x is a batch of images."""
    if x.ndim != 4:
        raise ValueError(f"{name}: x has shape {x.shape}; it must be (N, C, H, W): images, channels, height, width")


def windows(name: str, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The number of windows along each axis of an image of `size`, or an error if the kernel does not fit."""
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel))
    padded = tuple(n + 2 * p for n, p in zip(size, padding))
    if any(n < r for n, r in zip(padded, reach)):
        raise ValueError(
            f"{name}: a window of {reach} does not fit an image of {tuple(size)} with padding {padding}; "
            "use a smaller kernel or more padding"
        )
    return tuple((n - r) // s + 1 for n, r, s in zip(padded, reach, stride))


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


def convolution(
    name: str, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Tensor:
    """Cross-correlation along as many axes as `name`, conv1d to conv3d, says; images may come without a batch."""
    d = int(name[-2])
    x, weight, single = _batch(name, d, as_tensor(x), as_tensor(weight), "(O, C/groups, ")
    check(name, COUNT, groups=groups)
    if x.shape[1] % groups or weight.shape[0] % groups:
        raise ValueError(
            f"{name}: groups={groups} must divide the {x.shape[1]} channels of x and the {weight.shape[0]} of the output"
        )
    if x.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            f"{name}: x has {x.shape[1]} channels, weight expects {weight.shape[1] * groups}; "
            f"weight must be (O, {x.shape[1] // groups}, {str(weight.shape[2:])[1:-1].rstrip(',')})"
        )
    stride, dilation = ints(name, "stride", stride, 1, d), ints(name, "dilation", dilation, 1, d)
    if isinstance(padding, str):
        x, padding = _by_name(name, x, padding, weight.shape[2:], stride, dilation)
    padding = ints(name, "padding", padding, 0, d)
    windows(name, x.shape[2:], weight.shape[2:], stride, padding, dilation)
    k = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _with_bias(name, _FORWARD[d], x, weight, bias, weight.shape[0], single, k)


def _batch(name: str, d: int, x: Tensor, weight: Tensor, layout: str) -> tuple[Tensor, Tensor, bool]:
    """x with a batch axis, its weights, and whether x had none; or an error where they do not fit."""
    if x.ndim not in (d + 1, d + 2):
        raise ValueError(
            f"{name}: x has shape {x.shape}; it must be (N, C, {AXES[d]}), or (C, {AXES[d]}): {MEANING[d]}"
        )
    if weight.ndim != d + 2:
        raise ValueError(f"{name}: weight has shape {weight.shape}; it must be {layout}{_KERNEL[d]})")
    same_dtype(name, x, weight)
    single = x.ndim == d + 1
    return (reshape(x, (1, *x.shape)) if single else x), weight, single


AXES = {1: "L", 2: "H, W", 3: "D, H, W"}
_KERNEL = {1: "k", 2: "kh, kw", 3: "kd, kh, kw"}
MEANING = {1: "channels, length", 2: "images, channels, height, width", 3: "channels, depth, height, width"}


def _with_bias(
    name: str, f: Any, x: Tensor, weight: Tensor, bias: Any, channels: int, single: bool, k: dict[str, Any]
) -> Tensor:
    if bias is None:
        y = f(x, weight, **k)
    else:
        bias = as_tensor(bias)
        if bias.shape != (channels,):
            raise ValueError(
                f"{name}: bias has shape {bias.shape}; it must be ({channels},), one for each output channel"
            )
        along = (1, -1, *[1] * (x.ndim - 2))
        y = rounded_once(lambda x, weight, bias: f(x, weight, **k) + reshape(bias, along))(x, weight, bias)
    return reshape(y, y.shape[1:]) if single else y


def _by_name(name: str, x: Tensor, padding: str, kernel: Any, stride: Any, dilation: Any) -> tuple[Tensor, Any]:
    """x and its padding on both sides for 'valid', none, and 'same', by which the image keeps its size."""
    check(name, PADDING, padding=padding)
    if padding == "valid":
        return x, 0
    if max(stride) > 1:
        raise ValueError(f"{name}: padding='same' needs stride 1, not {stride}")
    reach = [n * (k - 1) for n, k in zip(dilation, kernel)]
    if any(r % 2 for r in reach):  # the odd row or column goes below or to the right, as in PyTorch
        x = pad(x, [0, 0, *((0, r % 2) for r in reach)])
    return x, tuple(r // 2 for r in reach)


def _flat(k: dict[str, Any]) -> dict[str, Any]:
    """Settings along one axis as those of images of height 1."""
    least = {"stride": 1, "padding": 0, "dilation": 1, "size": 1}
    return {what: (least[what], *v) if what in least else v for what, v in k.items()}


def row(x: Tensor) -> Tensor:
    """Signals (N, C, L) as images of height 1, and back."""
    return reshape(x, (*x.shape[:2], 1, x.shape[2]) if x.ndim == 3 else (*x.shape[:2], x.shape[3]))


def _conv1d(x: Tensor, w: Tensor, **k: Any) -> Tensor:
    return row(_conv2d(row(x), row(w), **_flat(k)))


def _conv1d_input(g: Tensor, w: Tensor, **k: Any) -> Tensor:
    return row(_conv2d_input(row(g), row(w), **_flat(k)))


def _slices(x: Tensor, n: int, at: int, step: int) -> Tensor:
    """n slices of the depth of x (N, C, D, H, W) from `at` on, as images (N·n, C, H, W)."""
    x = permute_dims(getitem(x, (slice(None), slice(None), slice(at, at + (n - 1) * step + 1, step))), (0, 2, 1, 3, 4))
    return reshape(x, (-1, *x.shape[2:]))


def _volumes(y: Tensor, n: int) -> Tensor:
    """Images (N·n, C, H, W) as volumes (N, C, n, H, W)."""
    return permute_dims(reshape(y, (-1, n, *y.shape[1:])), (0, 2, 1, 3, 4))


def _by_depth(k: dict[str, Any]) -> tuple[dict[str, Any], int, int, int]:
    """Settings along three axes as those of images, and stride, padding and dilation along the depth."""
    flat = {what: v[1:] if isinstance(v, tuple) else v for what, v in k.items()}
    return flat, k["stride"][0], k["padding"][0], k["dilation"][0]


def _conv3d(x: Tensor, w: Tensor, **k: Any) -> Tensor:
    flat, s, p, d = _by_depth(k)
    x = pad(x, [0, 0, p, 0, 0]) if p else x
    n = (x.shape[2] - d * (w.shape[2] - 1) - 1) // s + 1
    return _volumes(total(_conv2d(_slices(x, n, a * d, s), w[:, :, a], **flat) for a in range(w.shape[2])), n)


def _conv3d_input(g: Tensor, w: Tensor, **k: Any) -> Tensor:
    flat, s, p, d = _by_depth(k)
    n, depth = g.shape[2], k["size"][0] + 2 * p
    each = [_volumes(_conv2d_input(_slices(g, n, 0, 1), w[:, :, a], **flat), n) for a in range(w.shape[2])]
    shape = *each[0].shape[:2], depth, *each[0].shape[3:]
    layers = [slice(a * d, a * d + (n - 1) * s + 1, s) for a in range(w.shape[2])]
    y = total(_putitem(y, index=(slice(None), slice(None), rows), shape=shape) for y, rows in zip(each, layers))
    return crop(y, [0, 0, p, 0, 0]) if p else y


_FORWARD: dict[int, Any] = {1: _conv1d, 2: _conv2d, 3: _conv3d}
_ADJOINT: dict[int, Any] = {1: _conv1d_input, 2: _conv2d_input, 3: _conv3d_input}


def transposed(
    name: str, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, extra: Any, groups: Any, dilation: Any
) -> Tensor:
    """The adjoint of a convolution in its images, along as many axes as `name` says; x may come without a batch."""
    d = int(name[-2])
    x, weight, single = _batch(name, d, as_tensor(x), as_tensor(weight), "(C, O/groups, ")
    check(name, COUNT, groups=groups)
    if x.shape[1] != weight.shape[0] or x.shape[1] % groups:
        raise ValueError(
            f"{name}: x has {x.shape[1]} channels, weight expects {weight.shape[0]}; they must be equal, and a multiple "
            f"of groups={groups}"
        )
    stride, dilation = ints(name, "stride", stride, 1, d), ints(name, "dilation", dilation, 1, d)
    padding, extra = ints(name, "padding", padding, 0, d), ints(name, "output_padding", extra, 0, d)
    if any(e >= max(s, n) for e, s, n in zip(extra, stride, dilation)):
        raise ValueError(
            f"{name}: output_padding {extra} must be smaller than stride {stride} or dilation {dilation} on each axis"
        )
    settings = zip(x.shape[2:], stride, padding, dilation, weight.shape[2:], extra)
    size = tuple((n - 1) * s - 2 * p + a * (k - 1) + e + 1 for n, s, p, a, k, e in settings)
    if min(size) < 1 or 0 in weight.shape:
        raise ValueError(f"{name}: an image of {x.shape[2:]} would become one of {size}; use less padding")
    if any(e >= s for e, s in zip(extra, stride)):  # windows of zeros: the adjoint has one for each that fits
        x = pad(x, [0, 0, *((0, e // s) for e, s in zip(extra, stride))])
    k = {"size": size, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return _with_bias(name, _ADJOINT[d], x, weight, bias, weight.shape[1] * groups, single, k)


@named
def conv1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int = 1,
    padding: int | str = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """`conv2d` along one axis: signals x (N, C, L) or (C, L), weights (O, C/groups, k), a bias (O,).

    >>> import numpy as np
    >>> conv1d(np.ones((1, 1, 5)), np.ones((2, 1, 3)), padding="same").data[0, 0]
    array([2., 3., 3., 3., 2.])
    """
    return convolution("conv1d", x, weight, bias, stride, padding, dilation, groups)


@named
def conv2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: OneOrTwo = 1,
    padding: OneOrTwo | str = 0,
    dilation: OneOrTwo = 1,
    groups: int = 1,
) -> Tensor:
    """The cross-correlation of images x (N, C, H, W) with weights (O, C/groups, kh, kw), plus a bias (O,).

    Returns (N, O, oh, ow) with oh = (H + 2·padding − dilation·(kh − 1) − 1) // stride + 1. Spatial arguments are ints
    or pairs; padding may be 'valid' (none) or 'same' (stride 1, the image keeps its size). One image (C, H, W) needs no
    batch. Raises ValueError when shapes do not fit, TypeError when the dtypes of x and weight differ.

    >>> import numpy as np
    >>> conv2d(np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3)), padding=1).shape
    (1, 2, 4, 4)
    """
    return convolution("conv2d", x, weight, bias, stride, padding, dilation, groups)


@named
def conv3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """`conv2d` along three axes: volumes x (N, C, D, H, W) or (C, D, H, W), weights (O, C/groups, kd, kh, kw).

    A sum of convolutions of images, one for each slice of the kernel.
    """
    return convolution("conv3d", x, weight, bias, stride, padding, dilation, groups)


@named
def conv_transpose1d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
) -> Tensor:
    """`conv_transpose2d` along one axis: signals x (N, C, L) or (C, L), weights (C, O/groups, k)."""
    return transposed("conv_transpose1d", x, weight, bias, stride, padding, output_padding, groups, dilation)


@named
def conv_transpose2d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: OneOrTwo = 1,
    padding: OneOrTwo = 0,
    output_padding: OneOrTwo = 0,
    groups: int = 1,
    dilation: OneOrTwo = 1,
) -> Tensor:
    """The adjoint of `conv2d` in its images, plus a bias: x (N, C, H, W) and weights (C, O/groups, kh, kw).

    Each entry of x adds a multiple of the kernel to the result, (N, O, oh, ow) with oh = (H − 1)·stride − 2·padding +
    dilation·(kh − 1) + output_padding + 1. One image (C, H, W) needs no batch.

    >>> import numpy as np
    >>> conv_transpose2d(np.ones((1, 3, 8, 8)), np.ones((3, 2, 4, 4)), stride=2, padding=1).shape
    (1, 2, 16, 16)
    """
    return transposed("conv_transpose2d", x, weight, bias, stride, padding, output_padding, groups, dilation)


@named
def conv_transpose3d(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """`conv_transpose2d` along three axes: volumes x (N, C, D, H, W), weights (C, O/groups, kd, kh, kw)."""
    return transposed("conv_transpose3d", x, weight, bias, stride, padding, output_padding, groups, dilation)


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


@named
def unfold_columns(
    x: ArrayLike, kernel_size: OneOrTwo, dilation: OneOrTwo = 1, padding: OneOrTwo = 0, stride: OneOrTwo = 1
) -> Tensor:
    """The sliding windows of x (N, C, H, W) as columns (N, C·kh·kw, windows), PyTorch's `unfold`; x may lack N.

    >>> import numpy as np
    >>> unfold_columns(np.ones((1, 2, 5, 5)), 3).shape
    (1, 18, 9)
    """
    x = as_tensor(x)
    if x.ndim == 3:
        return squeeze(unfold_columns(reshape(x, (1, *x.shape)), kernel_size, dilation, padding, stride), 0)
    cols = unfold(x, kernel_size, stride, padding, dilation)
    return reshape(cols, (len(cols), math.prod(cols.shape[1:4]), math.prod(cols.shape[4:])))


@named
def fold_columns(
    x: ArrayLike,
    output_size: OneOrTwo,
    kernel_size: OneOrTwo,
    dilation: OneOrTwo = 1,
    padding: OneOrTwo = 0,
    stride: OneOrTwo = 1,
) -> Tensor:
    """Columns (N, C·kh·kw, windows) added up where they overlap into (N, C, H, W), PyTorch's `fold`; x may lack N."""
    x = as_tensor(x)
    size, kernel = (
        pair("fold_columns", "output_size", output_size, 1),
        pair("fold_columns", "kernel_size", kernel_size, 1),
    )
    settings = {"stride": stride, "padding": padding, "dilation": dilation}
    k = {what: pair("fold_columns", what, v, int(what != "padding")) for what, v in settings.items()}
    many = windows("fold_columns", size, kernel, **k)
    taps = math.prod(kernel)
    if x.ndim not in (2, 3) or x.shape[-2] % taps or x.shape[-1] != math.prod(many):
        raise ValueError(
            f"fold_columns: x has shape {x.shape}; an image of {size} has {math.prod(many)} windows: "
            f"x must be (N, C·{taps}, {math.prod(many)}) or lack N"
        )
    cols = reshape(x, (len(x) if x.ndim == 3 else 1, x.shape[-2] // taps, *kernel, *many))
    y = _fold(cols, size=size, **k)
    return y if x.ndim == 3 else reshape(y, y.shape[1:])
