"""Images in another size, shape or place: interpolated, shuffled, padded by their own pixels, sampled on a grid.

Interpolation is linear in the image and goes along one axis after the other, by a few taps for each pixel. Sampling on a
grid is a composition, differentiable in the image and in the grid.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import COUNT, POSITIVE, SWITCH, WHOLE, check, choice
from ..tape import FLOATS, Array, Tensor, constant, dispatch, in_floats, mul, total, wrap
from ..typing import ArrayLike
from .conv import AXES, ints, same_dtype
from .elementwise import decision, where
from .indexing import getitem
from .linalg import matmul
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from .shape import MODES, REAL, as_tensor, crop, matrix_transpose, permute_dims, reshape
from .shape import pad as around
from .taps import along, copied, windowed

__all__ = [
    "affine_grid", "channel_shuffle", "grid_sample", "interpolate", "pad_last", "pixel_shuffle", "pixel_unshuffle",
    "upsample", "upsample_bilinear", "upsample_nearest",
]  # fmt: skip

LINEAR = {"linear": 1, "bilinear": 2, "trilinear": 3}
MODE = choice("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")
SAMPLED = choice("bilinear", "nearest", "bicubic")
BEYOND = choice("zeros", "border", "reflection")


# ---- interpolation -----------------------------------------------------------------------------------------------------


def _nearest(size: int, n: int, step: float, exact: bool) -> Array:
    """The nearest entry for each of n, in float32 as PyTorch computes it."""
    step = size / n if not exact and n in (size, 2 * size) else step  # so PyTorch has it, whatever scale_factor said
    at = (np.arange(n, dtype=np.float32) + np.float32(0.5 if exact else 0)) * np.float32(step)
    return np.minimum(at.astype(int), size - 1)


def _places(size: int, n: int, step: float | None) -> Array:
    """Where n pixels lie among `size`, `step` apart; with None, the corner pixels of both lie on each other."""
    if step is None:
        return np.arange(n) * ((size - 1) / (n - 1) if n > 1 else 0.0)
    return step * (np.arange(n) + 0.5) - 0.5


def _linear(size: int, n: int, step: float | None) -> Any:
    at = np.maximum(_places(size, n, step), 0)
    first = np.minimum(at.astype(int), size - 1)
    t = at - first
    index = np.stack([first, np.minimum(first + 1, size - 1)], axis=1)
    return windowed(index, np.ones_like(index, bool), np.stack([1 - t, t], axis=1))


def _near(d: Any, a: float) -> Any:
    return ((a + 2) * d - (a + 3)) * d * d + 1


def _far(d: Any, a: float) -> Any:
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a


def _weights(t: Any, a: float = -0.75) -> list[Any]:
    """Those of the four pixels around a place, t from the second one (Keys 1981): of an array or of a tensor."""
    return [_far(t + 1, a), _near(t, a), _near(1 - t, a), _far(2 - t, a)]


def _cubic(size: int, n: int, step: float | None) -> Any:
    at = _places(size, n, step)
    first = np.floor(at).astype(int)
    index = np.clip(first[:, None] + np.arange(-1, 3), 0, size - 1)
    return windowed(index, np.ones_like(index, bool), np.stack(_weights(at - first), axis=1))


def _hat(d: Array) -> Array:
    return np.maximum(1 - d, 0)


def _bump(d: Array) -> Array:
    return np.where(d < 1, _near(d, -0.5), np.where(d < 2, _far(d, -0.5), 0))


def _antialiased(size: int, n: int, step: float | None, order: int) -> Any:
    """Taps of a hat (order 1) or of Keys' cubic (3), as wide as the pixels of the result are."""
    scale = ((size - 1) / (n - 1) if n > 1 else 0.0) if step is None else step
    wide = max(scale, 1.0)
    reach = (order + 1) / 2 * wide
    center = scale * (np.arange(n)[:, None] + 0.5)
    start = np.maximum((center - reach + 0.5).astype(int), 0)
    end = np.minimum((center + reach + 0.5).astype(int), size)
    at = start + np.arange((end - start).max(initial=1))
    weights = np.where(at < end, (_hat if order == 1 else _bump)(np.abs(at - center + 0.5) / wide), 0)
    return windowed(at, at < end, weights / weights.sum(axis=1, keepdims=True))


def _scales(name: str, d: int, scale_factor: Any) -> list[float]:
    each = scale_factor if isinstance(scale_factor, tuple | list) else [scale_factor] * d
    check(name, POSITIVE, **{"scale_factor": next((s for s in each if not POSITIVE.holds(s)), 1)})
    if len(each) != d:
        raise ValueError(f"{name}: scale_factor is {shown(scale_factor)}; it must be a number or {d} of them")
    return [float(s) for s in each]


@named
def interpolate(
    x: ArrayLike,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """x (N, C, L), (N, C, H, W) or (N, C, D, H, W) with its last axes resized to `size`, or by `scale_factor`.

    mode is 'nearest', 'nearest-exact', 'area' (means of regions), or by the number of axes 'linear', 'bilinear',
    'bicubic', 'trilinear'. With `align_corners` the centres of the corner pixels stay, else their outer edges. With
    `antialias`, for 'bilinear' and 'bicubic', pixels of the result are means over all that they cover. As PyTorch.

    >>> import numpy as np
    >>> interpolate(np.array([[[1.0, 3.0]]]), scale_factor=2, mode="linear").data
    array([[[1. , 1.5, 2.5, 3. ]]])
    """
    x, name = as_tensor(x), "interpolate"
    d = x.ndim - 2
    if d not in AXES or 0 in x.shape[1:]:
        raise ValueError(
            f"{name}: x has shape {x.shape}; it must be (N, C, L), (N, C, H, W) or (N, C, D, H, W), not empty"
        )
    check(name, MODE, mode=mode)
    check(name, SWITCH, antialias=antialias)
    check(name, SWITCH.or_none, align_corners=align_corners, recompute_scale_factor=recompute_scale_factor)
    smooth = mode in LINEAR or mode == "bicubic"
    if LINEAR.get(mode, d) != d or (mode == "bicubic" and d != 2):
        raise ValueError(f"{name}: mode {mode!r} does not resize {d} axes, and x has shape {x.shape}")
    if align_corners is not None and not smooth:
        raise ValueError(f"{name}: align_corners goes with a linear or cubic mode, not with {mode!r}")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"{name}: antialias goes with 'bilinear' or 'bicubic', not with {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{name}: give one of size and scale_factor")
    if recompute_scale_factor and scale_factor is None:
        raise ValueError(f"{name}: recompute_scale_factor needs a scale_factor")
    scales: Any = [None] * d
    if size is None:
        scales = _scales(name, d, scale_factor)
        size = [math.floor(n * s) for n, s in zip(x.shape[2:], scales)]
        scales = [None] * d if recompute_scale_factor else scales
    size = ints(name, "size", size, 1, d)
    if mode == "area":
        return {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}[d](x, size)
    steps = [n / m if s is None else 1 / s for n, m, s in zip(x.shape[2:], size, scales)]
    return _interpolated(x, size=size, steps=[None] * d if align_corners else steps, mode=mode, antialias=antialias)


def _interpolated(x: Tensor, *, size: Any, steps: list[Any], mode: str, antialias: bool) -> Tensor:
    if x.dtype.char not in FLOATS and not mode.startswith("nearest"):
        return in_floats(_interpolated, x, size=size, steps=steps, mode=mode, antialias=antialias)
    for axis, (n, step) in enumerate(zip(size, steps), start=2):
        x = _resized(x, axis, n, mode, antialias, step)
    return x


def _resized(x: Tensor, axis: int, n: int, mode: str, antialias: bool, step: Any) -> Tensor:
    if mode.startswith("nearest"):
        return copied(x, axis, n, _nearest, step, mode != "nearest")
    if n == x.shape[axis] and (antialias or mode != "bicubic"):
        return x  # as PyTorch, even if a scale_factor said otherwise
    if antialias:
        return along(x, axis, n, _antialiased, step, 3 if mode == "bicubic" else 1)
    return along(x, axis, n, _cubic if mode == "bicubic" else _linear, step)


@named
def upsample(
    x: ArrayLike, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """`interpolate`, by its older name."""
    return interpolate(x, size, scale_factor, mode, align_corners)


@named
def upsample_nearest(x: ArrayLike, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode 'nearest'."""
    return interpolate(x, size, scale_factor)


@named
def upsample_bilinear(x: ArrayLike, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` of images with mode 'bilinear', corners aligned."""
    return interpolate(x, size, scale_factor, "bilinear", True)


# ---- pixels and channels -----------------------------------------------------------------------------------------------


def _many(name: str, what: str, value: Any, x: Tensor, least: int) -> int:
    check(name, COUNT, **{what: value})
    if x.ndim < least:
        raise ValueError(f"{name}: x has shape {x.shape}; it must be (…, C, H, W)")
    return int(value)


@named
def pixel_shuffle(x: ArrayLike, upscale_factor: int) -> Tensor:
    """x (…, C·r², H, W) as (…, C, H·r, W·r), r = upscale_factor: channels become pixels (Shi et al. 2016).

    >>> import numpy as np
    >>> pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), 2).data
    array([[[0., 1.],
            [2., 3.]]])
    """
    x = as_tensor(x)
    r = _many("pixel_shuffle", "upscale_factor", upscale_factor, x, 3)
    *lead, c, h, w = x.shape
    if c % (r * r):
        raise ValueError(f"pixel_shuffle: x has {c} channels; they must be a multiple of {r}² = {r * r}")
    n = len(lead)
    y = permute_dims(reshape(x, (*lead, c // (r * r), r, r, h, w)), (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return reshape(y, (*lead, c // (r * r), h * r, w * r))


@named
def pixel_unshuffle(x: ArrayLike, downscale_factor: int) -> Tensor:
    """x (…, C, H·r, W·r) as (…, C·r², H, W), r = downscale_factor: undoes `pixel_shuffle`."""
    x = as_tensor(x)
    r = _many("pixel_unshuffle", "downscale_factor", downscale_factor, x, 3)
    *lead, c, h, w = x.shape
    if h % r or w % r:
        raise ValueError(f"pixel_unshuffle: x has images of {(h, w)}; both must be multiples of {r}")
    n = len(lead)
    y = permute_dims(reshape(x, (*lead, c, h // r, r, w // r, r)), (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return reshape(y, (*lead, c * r * r, h // r, w // r))


@named
def channel_shuffle(x: ArrayLike, groups: int) -> Tensor:
    """x (N, C, …) with its channels, in `groups` of equal size, dealt in turn (Zhang et al. 2018)."""
    x = as_tensor(x)
    groups = _many("channel_shuffle", "groups", groups, x, 3)
    n, c, *rest = x.shape
    if c % groups:
        raise ValueError(f"channel_shuffle: x has {c} channels; they must be a multiple of groups={groups}")
    y = reshape(x, (n, groups, c // groups, *rest))
    return reshape(permute_dims(y, (0, 2, 1, *range(3, y.ndim))), x.shape)


# ---- padding, PyTorch's way --------------------------------------------------------------------------------------------


@named
def pad_last(x: ArrayLike, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """x with its last axes padded, PyTorch's way: `pad` is (left, right), (left, right, top, bottom) and so on.

    mode is 'constant' (with `value`, 0 by default), 'reflect', 'replicate' or 'circular'. A negative number crops.

    >>> import numpy as np
    >>> pad_last(np.array([1.0, 2.0, 3.0]), (2, -1), "reflect").data
    array([3., 2., 1., 2.])
    """
    x, name = as_tensor(x), "pad_last"
    widths = [pad] if WHOLE.holds(pad) else pad
    if not isinstance(widths, tuple | list) or not all(map(WHOLE.holds, widths)) or len(widths) % 2:
        raise ValueError(f"{name}: pad is {shown(pad)}; it must be pairs (before, after) of ints, the last axis first")
    if len(widths) > 2 * x.ndim:
        raise ValueError(f"{name}: pad {widths} has more than two numbers for each axis of shape {x.shape}")
    check(name, MODES, mode=mode)
    check(name, REAL.or_none, value=value)
    pairs = [(0, 0)] * (x.ndim - len(widths) // 2) + [(int(a), int(b)) for a, b in zip(widths[-2::-2], widths[::-2])]
    less, more = ([tuple(max(sign * n, 0) for n in each) for each in pairs] for sign in (-1, 1))
    early = mode in ("constant", "circular", "wrap")  # as in PyTorch, what is cropped comes back by other modes only
    x = crop(x, less) if early else x
    most = {"reflect": -1, "circular": 0, "wrap": 0}.get(mode)
    if most is not None and any(max(w) > max(n + most, 0) for n, w in zip(x.shape, more)):
        raise ValueError(f"{name}: pad {widths} in mode {mode!r} is too large for shape {x.shape}")
    x = around(x, more, mode=mode, value=value or 0)
    return x if early else crop(x, less)


# ---- sampling on a grid ------------------------------------------------------------------------------------------------


def _negative(at: Array) -> Array:
    return at.real < 0


def _flips(at: Array, span: float) -> Array:
    return np.floor(at.real / span)


def _odd(flips: Array) -> Array:
    return flips.real % 2 == 1


def _low(at: Array) -> Array:
    return at.real <= 0


def _high(at: Array, last: int) -> Array:
    return at.real >= last


def _floor(at: Array) -> Array:
    return np.floor(at.real)


def _round(at: Array) -> Array:
    return np.rint(at.real)


def _pixels(*whole: Array, size: tuple[int, ...]) -> tuple[Array, Array]:
    """Where in images (N, …), taken as flat, the pixels (N, …) at these whole coordinates are, and whether they exist."""
    inside = functools.reduce(np.logical_and, [(at.real >= 0) & (at.real < n) for at, n in zip(whole, size)])
    places = np.ravel_multi_index([np.where(inside, at.real, 0).astype(int) for at in whole], size)
    images = np.arange(len(places)) * math.prod(size)
    return places + images.reshape(-1, *[1] * (places.ndim - 1)), inside[..., None]


def _brought_back(at: Tensor, size: int, beyond: str, aligned: bool) -> Tensor:
    """Coordinates along an axis, those beyond the image moved to its border or reflected into it."""
    if beyond == "zeros":
        return at
    if beyond == "reflection":
        low, span = (0.0, size - 1.0) if aligned else (-0.5, float(size))
        at = at - low
        at = where(dispatch(_negative, at._data), -at, at)
        flips = decision(dispatch(_flips, at._data, max(span, 1.0)), at)
        rest = at - flips * span
        at = where(dispatch(_odd, flips._data), span - rest, rest) + low
    at = where(dispatch(_low, at._data), 0, at)
    return where(dispatch(_high, at._data, size - 1), size - 1, at)


@named
def grid_sample(
    x: ArrayLike,
    grid: ArrayLike,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """x (N, C, H, W) sampled at grid (N, oh, ow, 2), or x (N, C, D, H, W) at grid (N, od, oh, ow, 3): (N, C, oh, ow).

    The last axis of the grid has a place's coordinates, the one along W first, from −1 at one border to 1 at the other: at
    the centres of the corner pixels with `align_corners`, else at their outer edges. mode is 'bilinear', 'nearest' or
    'bicubic' (images only). What is beyond is 0, with padding_mode 'border' the nearest pixel, with 'reflection' the
    image mirrored. Differentiable in x and grid; where a coordinate is brought to the border its slope is 0.
    Jaderberg et al. 2015, "Spatial transformer networks". As PyTorch.

    >>> import numpy as np
    >>> grid_sample(np.array([[[[1.0, 3.0]]]]), np.array([[[[0.0, 0.0], [-0.5, 0.0]]]])).data
    array([[[[2., 1.]]]])
    """
    x, grid, name = as_tensor(x), as_tensor(grid), "grid_sample"
    d = x.ndim - 2
    if d not in (2, 3) or grid.ndim != d + 2 or grid.shape[-1] != d or len(grid) != len(x) or 0 in x.shape:
        raise ValueError(
            f"{name}: x has shape {x.shape}, grid {grid.shape}; they must be (N, C, H, W) and (N, oh, ow, 2), or "
            "(N, C, D, H, W) and (N, od, oh, ow, 3), and x not empty"
        )
    same_dtype(name, x, grid, "grid")
    check(name, SAMPLED, mode=mode)
    check(name, BEYOND, padding_mode=padding_mode)
    check(name, SWITCH.or_none, align_corners=align_corners)
    if mode == "bicubic" and d == 3:
        raise ValueError(f"{name}: mode 'bicubic' is for images (N, C, H, W), not for volumes")
    k: dict[str, Any] = {"mode": mode, "beyond": padding_mode, "aligned": bool(align_corners)}
    wide = x.dtype.char in FLOATS and grid.dtype.char in FLOATS
    return _grid_sample(x, grid, **k) if wide else in_floats(_grid_sample, x, grid, **k)


def _grid_sample(x: Tensor, grid: Tensor, *, mode: str, beyond: str, aligned: bool) -> Tensor:
    size, axes = x.shape[2:], []
    for axis, n in enumerate(size):
        at = getitem(grid, (..., len(size) - 1 - axis))
        at = (at + 1) * ((n - 1) / 2) if aligned else ((at + 1) * n - 1) / 2
        axes.append(_taps_at(at, n, mode, beyond, aligned))
    pixels = reshape(permute_dims(x, (0, *range(2, x.ndim), 1)), (-1, x.shape[1]))
    y = total(_sampled(pixels, corner, size) for corner in itertools.product(*axes))
    return permute_dims(y, (0, y.ndim - 1, *range(1, y.ndim - 1)))


def _taps_at(at: Tensor, n: int, mode: str, beyond: str, aligned: bool) -> list[tuple[Tensor, Tensor | None]]:
    """The pixels that count at these coordinates along an axis, as whole numbers, with their weights."""
    if mode == "bicubic":
        floor = decision(dispatch(_floor, at._data), at)
        weights = _weights(at - floor)
        return [(_brought_back(floor + k, n, beyond, aligned), w) for k, w in zip(range(-1, 3), weights)]
    at = _brought_back(at, n, beyond, aligned)
    if mode == "nearest":
        return [(decision(dispatch(_round, at._data), at), None)]
    floor = decision(dispatch(_floor, at._data), at)
    t = at - floor
    return [(floor, 1 - t), (floor + 1, t)]


def _sampled(pixels: Tensor, corner: tuple, size: tuple[int, ...]) -> Tensor:
    places, inside = dispatch(_pixels, *[at._data for at, _ in corner], size=size)
    y = where(inside, getitem(pixels, places), 0)
    weights = [w for _, w in corner if w is not None]
    if not weights:
        return y
    weight = functools.reduce(mul, weights)
    return y * reshape(weight, (*weight.shape, 1))


@named
def affine_grid(theta: ArrayLike, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid at which `grid_sample` shows images moved by theta (N, 2, 3), for a result of size (N, C, H, W).

    Each pixel's coordinates (x, y, 1), from −1 to 1, times theta: (N, H, W, 2). With theta (N, 3, 4) and size
    (N, C, D, H, W) likewise (N, D, H, W, 3).

    >>> import numpy as np
    >>> affine_grid(np.array([[[1.0, 0, 0], [0, 1, 0]]]), (1, 1, 1, 2)).data
    array([[[[-0.5,  0. ],
             [ 0.5,  0. ]]]])
    """
    theta, name = as_tensor(theta), "affine_grid"
    check(name, SWITCH.or_none, align_corners=align_corners)
    d = theta.shape[1] if theta.ndim == 3 else 0
    if d not in (2, 3) or theta.shape[2] != d + 1:
        raise ValueError(f"{name}: theta has shape {theta.shape}; it must be (N, 2, 3), or (N, 3, 4) for volumes")
    size = ints(name, "size", size if isinstance(size, tuple | list) else None, 1, d + 2)
    if size[0] != len(theta):
        raise ValueError(f"{name}: size {size} is of {size[0]} images, theta of {len(theta)}")
    base = _base(size[2:], bool(align_corners))

    def moved(theta: Tensor) -> Tensor:
        return matmul(wrap(constant(base.astype(theta.dtype))), matrix_transpose(theta))

    return reshape(in_floats(moved, theta), (len(theta), *size[2:], d))


def _base(size: tuple[int, ...], aligned: bool) -> Array:
    axes = [np.linspace(-1, 1, n) * (1 if aligned else (n - 1) / n) if n > 1 else np.zeros(1) for n in size]
    places = np.meshgrid(*axes, indexing="ij")[::-1]
    return np.stack([*places, np.ones(size)], axis=-1).reshape(-1, len(size) + 1)
