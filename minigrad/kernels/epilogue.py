"""What a convolution does to its sums before it stores them, while they are in registers:

    y[n,o,i,j] = relu?(sum * scale[o] + shift[o] + plus[n,o,i,j])

What is left out is an empty array here, not another type: one kernel serves them all.
"""

from functools import lru_cache
from math import ceil

import numpy as np

from .jit import channels_last, contiguous
from .tile import lanes


def arguments(dtype, groups, scale=None, shift=None, plus=None, relu=False):
    """The arguments of `tile_finish`: scale and shift with the channels of each group padded to whole vectors."""
    nothing, no_image = _nothing(dtype)
    if scale is not None or shift is not None:
        scale = np.ones(len(shift), dtype) if scale is None else scale
        shift = np.zeros(len(scale), dtype) if shift is None else shift
        scale, shift = _whole_vectors(scale, groups), _whole_vectors(shift, groups)
    else:
        scale = shift = nothing
    return scale, shift, no_image if plus is None else channels_last(plus), bool(relu)


@lru_cache
def _nothing(dtype):
    return np.empty(0, dtype), np.empty((0, 0, 0, 0), dtype)


def _whole_vectors(a, groups):
    lane, o = lanes(a.dtype), len(a) // groups
    if o % lane == 0:
        return contiguous(a)
    padded = np.zeros((groups, ceil(o / lane) * lane), a.dtype)
    padded[:, :o] = a.reshape(groups, o)
    return padded.reshape(-1)
