"""Activations: made of the functions of `elementwise`, some with a kernel of their own for value and gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named
from ..ranges import NUMBER, check
from ..tape import Array, Primitive, Tensor, dispatch, elementwise, fused, primitive
from ..typing import ArrayLike
from .elementwise import expm1, log1p, power, relu, sigmoid, where

__all__ = ["elu", "gelu", "leaky_relu", "silu", "softplus"]


def _one_pass(composition: Callable, forward: Callable, backward: Callable) -> Primitive:
    """A composition with one kernel for its value and one for its gradient."""

    @functools.wraps(forward)
    def value(x: Array, **k: Any) -> tuple[Array, None]:
        return forward(x, **k), None

    @functools.wraps(backward)
    def gradient(g: Array, _: None, x: Array, **k: Any) -> tuple[Array]:
        return (backward(g, x, **k),)

    return fused(composition, value, gradient)


def _positive(x: Array) -> Array:
    return x.real > 0


def _composed_leaky_relu(x: Tensor, *, slope: float) -> Tensor:
    return where(dispatch(_positive, x._data), x, slope * x)


_leaky_relu = _one_pass(_composed_leaky_relu, kernels.leaky_relu, kernels.leaky_relu_backward)
_leaky_relu.branch = lambda y, x, *, slope: _positive(x)


@named
def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Tensor:
    """x where positive, negative_slope · x elsewhere (Maas, Hannun, Ng 2013); derivative negative_slope at 0."""
    check("leaky_relu", NUMBER, negative_slope=negative_slope)
    return _leaky_relu(x, slope=negative_slope)


def _composed_elu(x: Tensor, *, alpha: float) -> Tensor:
    positive = dispatch(_positive, x._data)
    return where(positive, x, alpha * expm1(where(positive, 0, x)))


_elu = _one_pass(_composed_elu, kernels.elu, kernels.elu_backward)
_elu.branch = lambda y, x, *, alpha: _positive(x)


@named
def elu(x: ArrayLike, alpha: float = 1.0) -> Tensor:
    """x where positive, alpha · (eˣ − 1) elsewhere (Clevert, Unterthiner, Hochreiter 2016); derivative alpha at 0."""
    check("elu", NUMBER, alpha=alpha)
    return _elu(x, alpha=alpha)


@primitive
def softplus(x: Array) -> Array:
    """log(1 + eˣ), without overflow: a smooth relu."""
    positive = x.real > 0
    return np.where(positive, x, 0) + log1p.forward(np.exp(np.where(positive, -x, x)))


elementwise(softplus, lambda y, x: sigmoid(x))


def _beyond(x: Array, limit: float) -> Array:
    return np.abs(x.real) > limit


def _relu_beyond(limit: float, x: Tensor, near: Callable[[Tensor], Tensor]) -> Tensor:
    """near(x), which beyond the limit is relu(x) to the last digit; there it would say ∞ · 0."""
    far = dispatch(_beyond, x._data, limit)
    return where(far, relu(x), near(where(far, 0, x)))


def _composed_silu(x: Tensor) -> Tensor:
    return _relu_beyond(kernels.plain.SILU_IS_RELU, x, lambda x: x * sigmoid(x))


_silu = _one_pass(_composed_silu, kernels.silu, kernels.silu_backward)


@named
def silu(x: ArrayLike) -> Tensor:
    """x · sigmoid(x) (Elfwing, Uchibe, Doya 2018)."""
    return _silu(x)


def _near_gelu(x: Tensor) -> Tensor:
    return x * sigmoid((8 / np.pi) ** 0.5 * (x + 0.044715 * power(x, 3)))  # (1 + tanh u)/2 = sigmoid 2u


def _composed_gelu(x: Tensor) -> Tensor:
    return _relu_beyond(kernels.plain.GELU_IS_RELU, x, _near_gelu)


_gelu = _one_pass(_composed_gelu, kernels.gelu, kernels.gelu_backward)


@named
def gelu(x: ArrayLike) -> Tensor:
    """x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): the tanh form of GELU (Hendrycks, Gimpel 2016)."""
    return _gelu(x)
