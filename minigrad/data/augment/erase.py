"""Rectangles that are gone: random erasing and cutout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ranges import INDEX, NUMBER, UNIT, check
from ...typing import Array
from ..streams import Streams
from .compose import check_images, check_pair

_TRIES = 10  # rectangles drawn for each image, of which the first that fits is taken


def inside(top: Array, left: Array, height: Array, width: Array, h: int, w: int) -> Array:
    """Which pixels lie in each image's rectangle: bools (N, 1, h, w); what lies outside the image is cut off.

    >>> inside(np.array([1]), np.array([-1]), np.array([5]), np.array([2]), 3, 3)[0, 0].astype(int)
    array([[0, 0, 0],
           [1, 0, 0],
           [1, 0, 0]])
    """
    rows, cols = np.arange(h), np.arange(w)
    top, left, height, width = (np.asarray(a)[:, None] for a in (top, left, height, width))
    high = (top <= rows) & (rows < top + height)  # (N, h)
    wide = (left <= cols) & (cols < left + width)
    return (high[:, :, None] & wide[:, None, :])[:, None]


@dataclass(frozen=True)
class RandomErasing:
    """A rectangle of each image erased with probability p, its area and its shape drawn anew each time.

    `area` bounds its part of the image, uniform; `ratio` its height by its width, uniform on a logarithmic scale, and
    every place within the image is equally likely. Of ten rectangles drawn the first that fits is erased; if none
    does, none. `fill` is what comes in its place, None for noise uniform in [0, 1) as in the paper.
    Z. Zhong, L. Zheng, G. Kang, S. Li, Y. Yang, "Random erasing data augmentation", 2017 (its ratio is uniform).
    """

    p: float = 0.5
    area: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    fill: float | None = 0.0

    def __post_init__(self) -> None:
        check("RandomErasing", UNIT, p=self.p)
        check_pair("RandomErasing", "area", self.area, 0, 1)
        check_pair("RandomErasing", "ratio", self.ratio, 1e-3, 1e3)
        check("RandomErasing", NUMBER.or_none, fill=self.fill)

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("RandomErasing", x, streams)
        gone = inside(*self.rectangles(streams, *x.shape[2:]), *x.shape[2:])
        if self.fill is None:
            return np.where(gone, streams.uniform(0, 1, x.shape[1:]).astype(x.dtype), x)
        return np.where(gone, x.dtype.type(self.fill), x)

    def rectangles(self, streams: Streams, h: int, w: int) -> tuple[Array, Array, Array, Array]:
        """Top, left, height and width of each image's rectangle; height and width 0 where nothing is erased."""
        wanted = streams.uniform() < self.p
        area, shape = np.moveaxis(streams.uniform(0, 1, (_TRIES, 2)), 2, 0)  # (N, tries)
        area = h * w * (self.area[0] + area * (self.area[1] - self.area[0]))
        low, high = np.log(self.ratio)
        ratio = np.exp(low + shape * (high - low))
        heights, widths = (np.rint(np.sqrt(side)).astype(int) for side in (area * ratio, area / ratio))
        fits = (heights <= h) & (widths <= w)
        rows, first = np.arange(len(area)), fits.argmax(1)
        erased = wanted & fits.any(1)
        height, width = (np.where(erased, sides[rows, first], 0) for sides in (heights, widths))
        top, left = streams.integers(np.stack([h - height + 1, w - width + 1], 1), (2,)).T
        return top, left, height, width


@dataclass(frozen=True)
class Cutout:
    """A square of `size` pixels of each image replaced by `fill`; its centre is any pixel, and it may reach beyond.

    Size 0: the images themselves. After normalisation a fill of 0 is the mean.
    T. DeVries, G. Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """

    size: int
    fill: float = 0.0

    def __post_init__(self) -> None:
        check("Cutout", INDEX, size=self.size)
        check("Cutout", NUMBER, fill=self.fill)

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("Cutout", x, streams)
        h, w = x.shape[2:]
        top, left = streams.integers((h, w), (2,)).T - self.size // 2
        side = np.full(len(x), self.size)
        return np.where(inside(top, left, side, side, h, w), x.dtype.type(self.fill), x)
