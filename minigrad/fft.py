"""What of the array API standard's extension `fft` is real: frequencies, and the order in which they are laid out.

Left out are the transforms themselves (`fft`, `ifft`, `rfft`, `irfft`, `hfft`, `ihfft` and those of several axes): they
give or take complex numbers, and numbers here are real.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import named
from .ops.creation import on_cpu
from .ops.shape import as_tensor, concat, normal_axes
from .ranges import COUNT, Range, check, number
from .tape import Tensor, dispatch, wrap
from .typing import ArrayLike, DTypeLike

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]

_SPACING = Range(lambda d: number().holds(d) and d != 0, "a number other than 0")


@named
def fftfreq(n: int, /, *, d: float = 1.0, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """The frequencies of a transform of n samples at distance d: 0 and the positive ones, then the negative ones.

    >>> fftfreq(4).data
    array([ 0.  ,  0.25, -0.5 , -0.25])
    """
    on_cpu("fftfreq", device)
    check("fftfreq", COUNT, n=n)
    check("fftfreq", _SPACING, d=d)
    return wrap(dispatch(np.asarray, np.fft.fftfreq(n, d), dtype=dtype))


@named
def rfftfreq(n: int, /, *, d: float = 1.0, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """The frequencies of a transform of n real samples at distance d, which are not negative.

    >>> rfftfreq(4).data
    array([0.  , 0.25, 0.5 ])
    """
    on_cpu("rfftfreq", device)
    check("rfftfreq", COUNT, n=n)
    check("rfftfreq", _SPACING, d=d)
    return wrap(dispatch(np.asarray, np.fft.rfftfreq(n, d), dtype=dtype))


@named
def fftshift(x: ArrayLike, /, *, axes: int | tuple[int, ...] | None = None) -> Tensor:
    """x with the second half of each axis before the first, so that the frequency 0 comes to the middle.

    >>> fftshift(fftfreq(4)).data
    array([-0.5 , -0.25,  0.  ,  0.25])
    """
    x = as_tensor(x)
    for axis in normal_axes("fftshift", axes, x.ndim):
        x = _parted(x, axis, (x.shape[axis] + 1) // 2)
    return x


@named
def ifftshift(x: ArrayLike, /, *, axes: int | tuple[int, ...] | None = None) -> Tensor:
    """The inverse of `fftshift`; it differs where a length is odd."""
    x = as_tensor(x)
    for axis in normal_axes("ifftshift", axes, x.ndim):
        x = _parted(x, axis, x.shape[axis] // 2)
    return x


def _parted(x: Tensor, axis: int, n: int) -> Tensor:
    """x along an axis from n on, and then up to n."""
    before = (slice(None),) * axis
    return concat([x[(*before, slice(n, None))], x[(*before, slice(n))]], axis)
