"""One stream of random numbers for each sample, keyed by (seed, epoch, sample).

What a sample looks like in an epoch then depends on nothing else: not on the batch it lands in, not on the order of
the batches, not on what was drawn before. A run that stops and resumes sees the very images it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import WHOLE, check
from ..typing import Array

_STEP = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio


def _mixed(z: Array) -> Array:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): every bit of the result depends on every bit of z."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Streams:
    """Independent random streams, one for each of the integer `samples`, that depend on (seed, epoch, sample) only.

    Another `use` gives the same samples other streams, independent of these.

    >>> both = Streams(0, epoch=3, samples=[7, 8]).uniform(-1, 1)
    >>> alone = Streams(0, epoch=3, samples=[8]).uniform(-1, 1)
    >>> both[1] == alone[0], both[0] == both[1]
    (np.True_, np.False_)
    """

    @named
    def __init__(self, seed: int, epoch: int, samples: Any, use: int = 0) -> None:
        check("Streams", WHOLE, seed=seed, epoch=epoch, use=use)
        given, samples = samples, np.asarray(samples)
        if samples.ndim != 1 or (samples.dtype.kind not in "iu" and samples.size):
            raise TypeError(f"Streams: samples are {shown(given)}; they must be whole numbers (N,)")
        key = np.zeros(len(samples), np.uint64)
        for part in (seed, epoch, samples, *([use] if use else [])):
            key = _mixed((key ^ np.asarray(part).astype(np.uint64)) + _STEP)
        self.key, self.drawn = key, 0

    def __len__(self) -> int:
        return len(self.key)

    def uniform(self, low: float = 0.0, high: float = 1.0, shape: Sequence[int] = ()) -> Array:
        """The next numbers of every stream, uniform in [low, high): (N, *shape), float64."""
        count = int(np.prod(shape, dtype=int))
        counter = np.arange(self.drawn + 1, self.drawn + 1 + count, dtype=np.uint64)
        self.drawn += count
        bits = _mixed(self.key[:, None] + counter * _STEP) >> np.uint64(11)  # 53 bits: a float64's mantissa
        return (low + (high - low) * (bits * 2.0**-53)).reshape(-1, *shape)

    def integers(self, high: Any, shape: Sequence[int] = ()) -> Array:
        """The next integers of every stream, uniform in [0, high), where `high` may be an array (N, *shape)."""
        return (self.uniform(0, 1, shape) * high).astype(np.int64)

    def normal(self, shape: Sequence[int] = ()) -> Array:
        """The next numbers of every stream, normal with mean 0 and deviation 1: (N, *shape), float64.

        Two uniform numbers give two (Box, Muller 1958).
        """
        count = int(np.prod(shape, dtype=int))
        half = (count + 1) // 2
        radius = np.sqrt(-2 * np.log1p(-self.uniform(0, 1, (half,))))
        angle = 2 * np.pi * self.uniform(0, 1, (half,))
        pairs = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return pairs[:, :count].reshape(-1, *shape)

    def beta(self, a: float, shape: Sequence[int] = ()) -> Array:
        """The next numbers of every stream, of the law Beta(a, a): (N, *shape), float64.

        Two uniform numbers give one, for every a > 0. √(2a (u^(−1/a) − 1)) cos 2πv follows Student's law of 2a degrees
        of freedom (Bailey 1994), and t ↦ ½ + ½ t/√(2a + t²) makes it this one. Written with p = u^(1/a), nothing
        overflows.
        """
        u, v = self.uniform(0, 1, shape), self.uniform(0, 1, shape)
        p, cos = u ** (1 / a), np.cos(2 * np.pi * v)
        part = (1 - p) * cos * cos
        return (1 + np.sign(cos) * np.sqrt(part / (p + part))) / 2
