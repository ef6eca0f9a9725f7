"""Pooling of images (N, C, H, W), each operation with its adjoint.

Max-pooling is a gather at the winner of each window (the first one, where several tie); its adjoint scatters back
and adds where windows overlap. Once the winners are chosen both are linear, so the pair closes at every order; at first
order one kernel finds value and winner together.
"""

from __future__ import annotations

from typing import Any

from .. import kernels
from ..tape import Array, Deferred, Tensor, fused, launch, linear, primitive
from .conv import Pair, check_image, pair, windows
from .reduce import mean
from .shape import as_tensor, reshape


@primitive
def _pool_take(x: Array, *, winners: Array, **k: Pair) -> Array:
    return kernels.pool_take(x, winners, **k)


@primitive
def _pool_put(g: Array, *, winners: Array, size: Pair, **k: Pair) -> Array:
    return kernels.pool_put(g, winners, size=size, **k)


linear(_pool_take, lambda g, y, x, **k: _pool_put(g, size=x.shape[2:], **k))
linear(_pool_put, lambda u, y, g, *, size, **k: _pool_take(u, **k))


def _composed_max_pool2d(x: Tensor, **k: Pair) -> Tensor:
    return _pool_take(x, winners=launch(kernels.max_pool2d, x._data, **k)[1], **k)


def _forward(x: Array, **k: Pair) -> tuple[Array, tuple[Array, Array]]:
    y, winners = kernels.max_pool2d(x, **k)
    return y, (winners, y)


def _backward(g: Array, saved: tuple[Array, Array], x: Array, **k: Pair) -> tuple[Deferred]:
    return (Deferred(put_back, (g, *saved, x), x.shape, g.dtype, size=x.shape[2:], **k),)


def put_back(g: Array, winners: Array, y: Array, x: Array, **k: Pair) -> Array:
    """The gradient of max-pooling y out of x; y and x are there for a relu before it, see `epilogue.py`."""
    return kernels.pool_put(g, winners, **k)


def _tangent(ts: tuple[Array], saved: tuple[Array, Array], x: Array, **k: Pair) -> Array:
    return kernels.pool_take(ts[0], saved[0], **k)


_max_pool2d = fused(_composed_max_pool2d, _forward, _backward, _tangent)
_max_pool2d.branch = lambda y, x, **k: kernels.max_pool2d(x, **k)[1]


def _windows(name: str, x: Tensor, kernel_size: Any, stride: Any, padding: Any) -> dict[str, Pair]:
    check_image(name, x)
    kernel = pair(name, "kernel_size", kernel_size, 1)
    stride = kernel if stride is None else pair(name, "stride", stride, 1)
    padding = pair(name, "padding", padding, 0)
    if any(2 * p > k for p, k in zip(padding, kernel)):
        raise ValueError(f"{name}: padding {padding} must be at most half of the kernel {kernel}")
    windows(name, x.shape[2:], kernel, stride, padding, (1, 1))
    return {"kernel": kernel, "stride": stride, "padding": padding}


def max_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Tensor:
    """The largest entry of each window of x (N, C, H, W); stride defaults to the kernel size. Padding never wins.

    >>> import numpy as np
    >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2).data
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    x = as_tensor(x)
    return _max_pool2d(x, **_windows("max_pool2d", x, kernel_size, stride, padding))


@primitive
def _avg_pool2d(x: Array, **k: Pair) -> Array:
    return kernels.avg_pool2d(x, **k)


@primitive
def _avg_pool2d_input(g: Array, *, size: Pair, **k: Pair) -> Array:
    return kernels.avg_pool2d_input(g, size=size, **k)


linear(_avg_pool2d, lambda g, y, x, **k: _avg_pool2d_input(g, size=x.shape[2:], **k))
linear(_avg_pool2d_input, lambda u, y, g, *, size, **k: _avg_pool2d(u, **k))


def avg_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Tensor:
    """The mean of each window of x (N, C, H, W), padding counted as zeros; stride defaults to the kernel size."""
    x = as_tensor(x)
    return _avg_pool2d(x, **_windows("avg_pool2d", x, kernel_size, stride, padding))


def global_avg_pool2d(x: Any) -> Tensor:
    """The mean of each channel of x (N, C, H, W), as (N, C)."""
    x = as_tensor(x)
    check_image("global_avg_pool2d", x)
    size = x.shape[2:]
    if 0 in size:
        return mean(x, (2, 3))
    return reshape(_avg_pool2d(x, kernel=size, stride=size, padding=(0, 0)), x.shape[:2])
