"""Where pixels go: crops, flips, and affine changes by bilinear interpolation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import shown
from ...ranges import COUNT, INDEX, NOT_NEGATIVE, SWITCH, UNIT, check, two
from ...typing import Array
from ..streams import Streams
from .compose import check_images, chosen


@dataclass(frozen=True)
class RandomCrop:
    """A part of each image, framed by `padding` pixels of zeros first, or of its mirror image with `reflect`.

    Every place of the part is equally likely. `size` is its (height, width), that of the images if None.
    Raises ValueError if the part is larger than the framed image, the padding no int ≥ 0, or the size no pair of ints.

    >>> RandomCrop(padding=4)(np.ones((2, 3, 32, 32)), Streams(0, epoch=0, samples=[0, 1])).shape
    (2, 3, 32, 32)
    """

    padding: int = 0
    size: tuple[int, int] | None = None
    reflect: bool = False

    def __post_init__(self) -> None:
        check("RandomCrop", INDEX, padding=self.padding)
        check("RandomCrop", two(COUNT, "(height, width), whole numbers ≥ 1").or_none, size=self.size)
        check("RandomCrop", SWITCH, reflect=self.reflect)

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("RandomCrop", x, streams)
        pad = self.padding
        h, w = self.size or x.shape[2:]
        if self.reflect and pad >= min(x.shape[2:]):
            raise ValueError(f"RandomCrop: padding is {pad}; images {x.shape} reflect at most {min(x.shape[2:]) - 1}")
        framed = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="reflect" if self.reflect else "constant")
        high, wide = framed.shape[2] - h + 1, framed.shape[3] - w + 1
        if min(h, w, high, wide) < 1:
            raise ValueError(f"RandomCrop: size is {(h, w)}; the images are {x.shape[2:]}, padded by {pad}")
        top, left = streams.integers((high, wide), (2,)).T
        parts = np.lib.stride_tricks.sliding_window_view(framed, (h, w), axis=(2, 3))
        return parts[np.arange(len(x)), :, top, left]


@dataclass(frozen=True)
class HorizontalFlip:
    """Each image mirrored left to right with probability p."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check("HorizontalFlip", UNIT, p=self.p)

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("HorizontalFlip", x, streams)
        return np.where(chosen(self.p, streams), x[:, :, :, ::-1], x)


@dataclass(frozen=True)
class VerticalFlip:
    """Each image mirrored upside down with probability p."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check("VerticalFlip", UNIT, p=self.p)

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("VerticalFlip", x, streams)
        return np.where(chosen(self.p, streams), x[:, :, ::-1], x)


def warp(x: Array, matrices: Array) -> Array:
    """Each image of x (N, C, H, W) seen through its 2×3 matrix, by bilinear interpolation; outside is zero.

    A matrix takes a pixel (column, row, 1) of the result, measured from the centre, to the place in the image that is
    looked up. Raises ValueError when the shapes do not fit.

    >>> x = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> np.array_equal(warp(x, np.array([[[1.0, 0, 0], [0, 1, 0]]])), x)  # the identity
    True
    """
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or not isinstance(matrices, np.ndarray):
        raise TypeError(f"warp: images are {shown(x)}, matrices {shown(matrices)}; they must be arrays of floats")
    if x.ndim != 4 or matrices.shape != (len(x), 2, 3):
        raise ValueError(f"warp: images {x.shape}, matrices {matrices.shape}; they must be (N, C, H, W) and (N, 2, 3)")
    n, c, h, w = x.shape
    rows, cols = np.mgrid[:h, :w].reshape(2, -1)
    centre = np.array([(w - 1) / 2, (h - 1) / 2])
    grid = np.stack([cols - centre[0], rows - centre[1], np.ones(h * w)])  # (3, HW)
    places = matrices @ grid + centre[:, None] + 1  # (N, 2, HW); +1: into the image with its border of zeros
    left, top = np.clip(np.floor(places), 0, [[w], [h]]).astype(int).transpose(1, 0, 2)
    right, down = np.clip(places - np.stack([left, top], 1), 0, 1).astype(x.dtype).transpose(1, 0, 2)[:, :, None]
    framed = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))).reshape(n, c, -1)

    def pixels(row: Array, col: Array) -> Array:
        return np.take_along_axis(framed, (row * (w + 2) + col)[:, None], axis=2)  # (N, C, HW)

    above = pixels(top, left) * (1 - right) + pixels(top, left + 1) * right
    below = pixels(top + 1, left) * (1 - right) + pixels(top + 1, left + 1) * right
    return (above * (1 - down) + below * down).reshape(x.shape)


@dataclass(frozen=True)
class Affine:
    """A random affine change of each image: rotated, scaled, sheared and shifted, each uniformly within its bound.

    `rotate` in degrees, `scale` and `shear` as fractions, `shift` in pixels: numbers ≥ 0. All zero: the images themselves.

    >>> x = np.ones((2, 1, 8, 8), "float32")
    >>> Affine(rotate=10, shift=1)(x, Streams(0, epoch=0, samples=[0, 1])).shape
    (2, 1, 8, 8)
    """

    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        check("Affine", NOT_NEGATIVE, **vars(self))

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("Affine", x, streams)
        return warp(x, self.matrices(streams))

    def matrices(self, streams: Streams) -> Array:
        """The matrices (N, 2, 3) that `warp` takes."""
        angle, sx, sy, shear, dx, dy = streams.uniform(-1, 1, (6,)).T
        angle, shear = np.radians(self.rotate) * angle, self.shear * shear
        sx, sy = np.exp(np.log1p(self.scale) * np.stack([sx, sy]))  # as often larger as smaller
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = [
            [cos * sx, (cos * shear - sin) * sy, self.shift * dx],
            [sin * sx, (sin * shear + cos) * sy, self.shift * dy],
        ]
        return np.moveaxis(np.array(matrix), 2, 0)
