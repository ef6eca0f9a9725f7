"""What pixels hold: brightness, contrast, saturation and hue; the light of PCA; noise; normalisation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import shown
from ...ranges import NOT_NEGATIVE, Range, check, number
from ...typing import Array
from ..streams import Streams
from .compose import check_images

_LUMA = np.array([0.299, 0.587, 0.114])  # how bright red, green and blue look: ITU-R BT.601


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast and saturation each times a factor in [1 − s, 1 + s], and the hue turned; in this order.

    `brightness`, `contrast` and `saturation` are s ≥ 0 (a factor is never below 0); `hue`, in [0, ½], is the largest
    turn, a part of the full circle. Contrast stretches from the mean of the grey image, saturation from the grey of
    each pixel. Images are in [0, 1] and stay there: values beyond are clipped. All zero: the images themselves.
    Raises ValueError for images outside [0, 1] (normalise after it), and for saturation or hue without 3 channels.

    >>> red = np.zeros((1, 3, 1, 1)); red[:, 0] = 1
    >>> ColorJitter(hue=0.1)(red, Streams(0, epoch=0, samples=[0])).ravel().round(3)
    array([1.   , 0.229, 0.   ])
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        check("ColorJitter", number(0, 0.5), hue=self.hue)
        check("ColorJitter", NOT_NEGATIVE, **vars(self))

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("ColorJitter", x, streams, 3 if self.saturation or self.hue else None)
        if x.size and not -1e-3 <= x.min() <= x.max() <= 1 + 1e-3:
            found = f"from {x.min():.3g} to {x.max():.3g}"
            raise ValueError(f"ColorJitter: images are {found}; they must lie in [0, 1] (normalise after it)")
        u = streams.uniform(-1, 1, (4,)).astype(x.dtype)[:, :, None, None, None]  # the same draws for any settings
        if self.brightness:
            x = _clipped(x * _factor(self.brightness, u[:, 0]))
        if self.contrast:
            x = _blended(x, _grey(x).mean((2, 3), keepdims=True), _factor(self.contrast, u[:, 1]))
        if self.saturation:
            x = _blended(x, _grey(x), _factor(self.saturation, u[:, 2]))
        return turn_hue(x, u[:, 3] * x.dtype.type(self.hue)) if self.hue else x


def _numbers(name: str, given: Any) -> Array:
    try:
        array = np.asarray(given)
    except (ValueError, TypeError):
        array = np.empty(0, object)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: {shown(given)} is no array of real numbers")
    return array


def _images(name: str, given: Any) -> Array:
    x = _numbers(name, given)
    if x.ndim != 4:
        raise ValueError(f"{name}: images are {x.shape}; they must be (N, C, H, W)")
    return x


def _factor(strength: float, u: Array) -> Array:
    return np.maximum(0, 1 + u.dtype.type(strength) * u)


def _blended(x: Array, start: Array, factor: Array) -> Array:
    return _clipped(start + (x - start) * factor)


def _clipped(x: Array) -> Array:
    return np.clip(x, 0, 1, out=x)


def _grey(x: Array) -> Array:
    """(N, 1, H, W): the luma of colours, the mean of any other channels."""
    weights = _LUMA if x.shape[1] == 3 else np.full(x.shape[1], 1 / x.shape[1])
    return np.einsum("nchw,c->nhw", x, weights.astype(x.dtype))[:, None]


def turn_hue(x: Array, turns: Array) -> Array:
    """Colours x (N, 3, H, W) in [0, 1] with their hue turned, saturation and value kept: ½ makes red cyan.

    The hexagonal HSV of A. R. Smith, "Color gamut transform pairs", 1978. `turns` broadcasts against (N, 1, H, W).
    """
    value = x.max(1, keepdims=True)
    chroma = value - x.min(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        red, green, blue = np.moveaxis((value - x) / chroma, 1, 0)[:, :, None]  # how far each is from the largest
    sextant = np.where(red == 0, blue - green, np.where(green == 0, 2 + red - blue, 4 + green - red))
    sextant = np.where(chroma > 0, sextant, 0) + 6 * turns
    k = np.mod(np.array([5, 3, 1], x.dtype)[:, None, None] + sextant, 6)
    return value - chroma * np.clip(np.minimum(k, 4 - k), 0, 1)


@dataclass(frozen=True, eq=False)
class Lighting:
    """Light of a random strength and colour on each image, along the principal components of the data set's pixels.

    To every pixel of an image is added Σₖ aₖ λₖ pₖ, with aₖ normal of deviation `std`, drawn once for the image:
    pₖ, the rows of `vectors` (C, C), and λₖ, the `values` (C,), are the eigenvectors and eigenvalues of the covariance
    of pixels over channels. `Lighting.fit(images)` finds them. Images may leave [0, 1] a little.
    A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional networks", 2012, § 4.1.
    """

    vectors: Array = field(repr=False)
    values: Array
    std: float = 0.1

    def __post_init__(self) -> None:
        check("Lighting", NOT_NEGATIVE, std=self.std)
        shapes = np.shape(_numbers("Lighting", self.vectors)), np.shape(_numbers("Lighting", self.values))
        good = len(shapes[1]) == 1 and shapes[0] == 2 * shapes[1]
        if not good:
            raise ValueError(f"Lighting: vectors and values are of shapes {shapes}; they must be (C, C) and (C,)")

    @classmethod
    def fit(cls, x: Array, std: float = 0.1) -> Lighting:
        """The components of images (N, C, H, W), largest first.

        >>> grey = np.repeat(np.linspace(0, 1, 12).reshape(3, 1, 2, 2), 3, axis=1)
        >>> abs(Lighting.fit(grey).vectors[0]).round(3)
        array([0.577, 0.577, 0.577])
        """
        x = _images("Lighting.fit", x)
        flat = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(float)
        values, columns = np.linalg.eigh(np.atleast_2d(np.cov(flat, bias=True)))
        return cls(columns.T[::-1].copy(), values[::-1].copy(), std)

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("Lighting", x, streams, len(self.values))
        amounts = streams.normal((len(self.values),)) * self.std * self.values
        light = (amounts[:, :, None] * self.vectors).sum(
            1
        )  # (N, C); a product by BLAS would depend on N in its last bits
        return x + light.astype(x.dtype)[:, :, None, None]


@dataclass(frozen=True)
class GaussianNoise:
    """Each entry plus a normal number of its own, of deviation `std`. Images may leave the range they had."""

    std: float

    def __post_init__(self) -> None:
        check("GaussianNoise", NOT_NEGATIVE, std=self.std)

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("GaussianNoise", x, streams)
        return x + (self.std * streams.normal(x.shape[1:])).astype(x.dtype)


@dataclass(frozen=True, eq=False)
class Normalize:
    """(x − mean) / std, channel by channel; nothing is random. `Normalize.fit(images)` finds mean and std.

    Raises ValueError unless mean and std are (C,) and every std is above 0.

    >>> x = np.array([1.0, 3.0]).reshape(1, 1, 1, 2)
    >>> Normalize.fit(x)(x, Streams(0, epoch=0, samples=[0])).ravel()
    array([-1.,  1.])
    """

    mean: Array
    std: Array

    def __post_init__(self) -> None:
        mean, std = _numbers("Normalize", self.mean), _numbers("Normalize", self.std)
        if mean.ndim != 1 or mean.shape != std.shape:
            shapes = mean.shape, std.shape
            raise ValueError(
                f"Normalize: mean and std are of shapes {shapes}; they must be (C,), one of each for a channel"
            )
        check("Normalize", Range(lambda _: bool(np.all(std > 0)), "> 0 in every channel", object), std=self.std)

    @classmethod
    def fit(cls, x: Array) -> Normalize:
        """The mean and the standard deviation of each channel of images (N, C, H, W)."""
        x = _images("Normalize.fit", x)
        return cls(x.mean((0, 2, 3), dtype=float), x.std((0, 2, 3), dtype=float))

    def __call__(self, x: Array, streams: Streams) -> Array:
        check_images("Normalize", x, streams, len(self.mean))
        mean, std = (np.asarray(a).astype(x.dtype)[:, None, None] for a in (self.mean, self.std))
        return (x - mean) / std
