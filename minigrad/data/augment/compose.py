"""Several transforms as one, and what every transform asks of its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...errors import check_function, shown
from ...ranges import check, number, two
from ...typing import Array
from ..streams import Streams

Transform = Callable[[Array, Streams], Array]


class Compose:
    """The transforms one after the other, given as arguments or as one list; none: the images themselves.

    >>> Compose(lambda x, streams: x + 1, lambda x, streams: 2 * x)(np.zeros(2), Streams(0, epoch=0, samples=[0, 1]))
    array([2., 2.])
    """

    def __init__(self, *transforms: Transform | Sequence[Transform]) -> None:
        if len(transforms) == 1 and isinstance(transforms[0], list | tuple):
            transforms = tuple(transforms[0])
        for i, transform in enumerate(transforms):
            check_function("Compose", f"transform {i}", transform)
        self.transforms: tuple[Transform, ...] = transforms  # type: ignore[assignment]

    def __call__(self, x: Array, streams: Streams) -> Array:
        for transform in self.transforms:
            x = transform(x, streams)
        return x

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.transforms))})"


def check_images(name: str, x: Array, streams: Streams, channels: int | None = None) -> None:
    """Raise unless x is a batch of images of floats, one for each stream."""
    if not isinstance(x, np.ndarray) or not isinstance(streams, Streams):
        given = f"images are {shown(x)}, streams {type(streams).__name__}"
        raise TypeError(f"{name}: {given}; they must be an array (N, C, H, W) and data.Streams")
    if x.ndim != 4 or x.dtype.kind != "f":
        raise ValueError(f"{name}: images are {x.dtype} {x.shape}; they must be floats (N, C, H, W)")
    if len(x) != len(streams):
        raise ValueError(f"{name}: {len(x)} images and {len(streams)} streams; there must be one for each")
    if channels is not None and x.shape[1] != channels:
        raise ValueError(f"{name}: images are {x.shape}; they must have {channels} channels")


def check_pair(name: str, setting: str, pair: tuple[float, float], low: float, high: float) -> None:
    """Raise unless the pair is a range within [low, high]."""
    limits = two(number(low, high), f"(least, most), within [{low}, {high}]")
    check(name, limits._replace(holds=lambda v: limits.holds(v) and v[0] <= v[1]), **{setting: pair})


def chosen(p: float, streams: Streams) -> Array:
    """Whether each sample is chosen, with probability p: (N, 1, 1, 1)."""
    return (streams.uniform() < p)[:, None, None, None]
