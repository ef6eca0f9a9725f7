"""One stream of random numbers for each sample, keyed by (seed, epoch, sample).

What a sample looks like in an epoch then depends on nothing else: not on the batch it lands in, not on the order of
the batches, not on what was drawn before. A run that stops and resumes sees the very images it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray
_STEP = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio


def _mixed(z: Array) -> Array:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): every bit of the result depends on every bit of z."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Streams:
    """Independent random streams, one for each of the integer `samples`, that depend on (seed, epoch, sample) only.

    >>> both = Streams(0, epoch=3, samples=[7, 8]).uniform(-1, 1)
    >>> alone = Streams(0, epoch=3, samples=[8]).uniform(-1, 1)
    >>> both[1] == alone[0], both[0] == both[1]
    (np.True_, np.False_)
    """

    def __init__(self, seed: int, epoch: int, samples: Any) -> None:
        key = np.zeros(len(samples), np.uint64)
        for part in (seed, epoch, samples):
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
