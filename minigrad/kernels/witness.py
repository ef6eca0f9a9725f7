"""A witness of what an array holds, at the speed of memory."""

import numpy as np

from .jit import kernel

_STEP, _LOW, _HIGH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFFFFFFFF), np.uint64(32)  # 2⁶⁴ / golden ratio


@kernel
def checksum(words):
    """Σ low(v) · high(v), where v is a word mixed with its place; and Σ words, which tells any one change."""
    by_place, plain, key = np.uint64(0), np.uint64(0), np.uint64(0)
    for i in range(words.size):  # (a loop over words themselves is not vectorised)
        key += _STEP
        v = words[i] ^ key
        by_place += (v & _LOW) * (v >> _HIGH)
        plain += words[i]
    return by_place, plain
