"""Two samples in one image: mixup and CutMix. The label becomes a distribution over the classes.

The partner of a sample is drawn from the whole data set by the sample's own stream, not from the batch that it happens
to lie in, as the papers do. So here, too, what a sample looks like depends on (seed, epoch, sample) alone: not on the
batch size, and a batch may be small or hold one sample. The price is that two images are transformed for each one.
The `Loader` finds the partners and mixes the labels (its argument `mix`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ranges import COUNT, POSITIVE, check
from ...typing import Array
from ..streams import Streams
from .compose import check_images
from .erase import inside


@dataclass(frozen=True)
class Mixup:
    """λ x + (1 − λ) x′ with λ of the law Beta(alpha, alpha), for a data set of so many `classes`.

    A call takes images, their partners and streams and returns the mixed images and λ (N,), which is the part of the
    first one's label. H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: beyond empirical risk minimization", 2018.

    >>> x, share = Mixup(classes=10)(np.ones((2, 1, 4, 4)), np.zeros((2, 1, 4, 4)), Streams(0, epoch=0, samples=[0, 1]))
    >>> np.array_equal(x[:, 0, 0, 0], share)
    True
    """

    classes: int
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check_settings(self)

    def __call__(self, x: Array, partners: Array, streams: Streams) -> tuple[Array, Array]:
        _check_partners("Mixup", x, partners, streams)
        share = streams.beta(self.alpha)
        part = share.astype(x.dtype)[:, None, None, None]
        return part * x + (1 - part) * partners, share


@dataclass(frozen=True)
class CutMix:
    """The image with a rectangle of its partner, for a data set of so many `classes`.

    With λ of the law Beta(alpha, alpha), the sides of the rectangle are those of the image times √(1 − λ), rounded
    down; its centre is any pixel, and what reaches beyond the image is cut off. Returned, as by `Mixup`, with the part
    of the pixels that are the first image's. S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe, Y. Yoo, "CutMix", 2019.
    """

    classes: int
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check_settings(self)

    def __call__(self, x: Array, partners: Array, streams: Streams) -> tuple[Array, Array]:
        _check_partners("CutMix", x, partners, streams)
        h, w = x.shape[2:]
        side = np.sqrt(1 - streams.beta(self.alpha))
        height, width = (h * side).astype(int), (w * side).astype(int)
        top, left = streams.integers((h, w), (2,)).T - [height // 2, width // 2]
        theirs = inside(top, left, height, width, h, w)
        return np.where(theirs, partners, x), 1 - theirs.mean((1, 2, 3))


Mix = Mixup | CutMix


def distributions(y: Array, partners: Array, share: Array, classes: int) -> Array:
    """share · one-hot(y) + (1 − share) · one-hot(partners): (N, classes), float32, rows with sum one.

    >>> distributions(np.array([2, 0]), np.array([0, 0]), np.array([0.75, 0.5]), 3)
    array([[0.25, 0.  , 0.75],
           [1.  , 0.  , 0.  ]], dtype=float32)
    """
    for labels in y, partners:
        if labels.dtype.kind not in "iu" or not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(
                f"Loader: labels {labels.dtype} {labels}; to be mixed, they must be ints in [0, {classes})"
            )
    mixed, rows = np.zeros((len(y), classes)), np.arange(len(y))
    mixed[rows, y] += share
    mixed[rows, partners] += 1 - share
    return mixed.astype(np.float32)


def _check_settings(mix: Mixup | CutMix) -> None:
    name = type(mix).__name__
    check(name, COUNT, classes=mix.classes)
    check(name, POSITIVE, alpha=mix.alpha)


def _check_partners(name: str, x: Array, partners: Array, streams: Streams) -> None:
    check_images(name, x, streams)
    check_images(name, partners, streams)
    if (partners.shape, partners.dtype) != (x.shape, x.dtype):
        raise ValueError(
            f"{name}: images {x.dtype} {x.shape}, partners {partners.dtype} {partners.shape}; make them alike"
        )
