"""Activations: made of the functions of `elementwise`, some with a kernel of their own for value and gradient."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels, random
from ..errors import named
from ..ranges import NOT_NEGATIVE, NUMBER, POSITIVE, SWITCH, Range, check, choice
from ..tape import (
    Array,
    Primitive,
    Tensor,
    as_tensor,
    dispatch,
    draw,
    elementwise,
    fused,
    in_floats,
    primitive,
    real_dtype,
    wrap,
)
from ..typing import ArrayLike, Rng
from .elementwise import abs, clip, expm1, log1p, power, relu, sigmoid, tanh, where
from .shape import crop, normal_axis, reshape
from .special import erfc

__all__ = [
    "celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish",
    "prelu", "relu6", "rrelu", "selu", "silu", "softplus", "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip


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
def _softplus(x: Array) -> Array:
    positive = x.real > 0
    return np.where(positive, x, 0) + log1p.forward(np.exp(np.where(positive, -x, x)))


elementwise(_softplus, lambda y, x: sigmoid(x))


@named
def softplus(x: ArrayLike, beta: float = 1.0, threshold: float | None = None) -> Tensor:
    """log(1 + e^(beta x)) / beta, without overflow: a smooth relu. Where beta · x is above a threshold it is x.

    PyTorch's threshold is 20, where the two differ by 2e-9; without one nothing is cut off.
    """
    check("softplus", POSITIVE, beta=beta)
    check("softplus", NUMBER.or_none, threshold=threshold)
    x = as_tensor(x)
    y = _softplus(x) if beta == 1 else _softplus(x * beta) / beta
    return y if threshold is None else where(dispatch(_beyond_threshold, x * beta, threshold), x, y)


def _beyond(x: Array, limit: float) -> Array:
    return (x.real > limit) | (x.real < -limit)


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


def _composed_gelu_tanh(x: Tensor) -> Tensor:
    return _relu_beyond(kernels.plain.GELU_IS_RELU, x, _near_gelu)


_gelu_tanh = _one_pass(_composed_gelu_tanh, kernels.gelu, kernels.gelu_backward)


def _composed_gelu(x: Tensor) -> Tensor:
    return _relu_beyond(kernels.plain.GELU_ERF_IS_RELU, x, lambda x: x * (0.5 * erfc(x * -math.sqrt(0.5))))


_gelu = _one_pass(_composed_gelu, kernels.gelu_erf, kernels.gelu_erf_backward)
APPROXIMATE = choice("none", "tanh")


@named
def gelu(x: ArrayLike, approximate: str = "none") -> Tensor:
    """x · Φ(x), with Φ the normal distribution (Hendrycks, Gimpel 2016); by `approximate` 'tanh' its form
    x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))), which is within 5e-4 of it.

    >>> gelu(np.array([-1.0, 0.0, 1.0])).data.round(4)
    array([-0.1587,  0.    ,  0.8413])
    """
    check("gelu", APPROXIMATE, approximate=approximate)
    return _gelu(x) if approximate == "none" else _gelu_tanh(x)


# ---- with a threshold, or made of the others -----------------------------------------------------------------------------


def _between(x: Array, low: float, high: float) -> Array:
    return (x.real > low) & (x.real < high)


def _clipped(x: Array, low: float, high: float) -> Array:
    return np.clip(x.real, low, high).astype(x.dtype)


@named
def hardtanh(x: ArrayLike, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """x limited to [min_val, max_val]; derivative 0 at both, and where it is NaN."""
    check("hardtanh", NUMBER, min_val=min_val, max_val=max_val)
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is above max_val {max_val}")
    x = as_tensor(x)
    if x.dtype.kind in "biu":  # they have no slope, and stay where both ends are whole
        return clip(x, *(int(v) if float(v).is_integer() else v for v in (min_val, max_val)))
    return where(dispatch(_between, x, min_val, max_val), x, wrap(dispatch(_clipped, x, min_val, max_val)))


@named
def relu6(x: ArrayLike) -> Tensor:
    """x limited to [0, 6]; derivative 0 at both (Krizhevsky 2010)."""
    return hardtanh(x, 0.0, 6.0)


@named
def hardsigmoid(x: ArrayLike) -> Tensor:
    """(x + 3)/6 limited to [0, 1]."""
    return relu6(as_tensor(x) + 3) / 6


@named
def hardswish(x: ArrayLike) -> Tensor:
    """x · hardsigmoid(x) (Howard et al. 2019)."""
    x = as_tensor(x)
    return x * hardsigmoid(x)


_SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@named
def selu(x: ArrayLike) -> Tensor:
    """1.0507 · elu(x, 1.6733), whose fixed point has mean 0 and variance 1 (Klambauer et al. 2017)."""
    return elu(x, _SELU[1]) * _SELU[0]


@named
def celu(x: ArrayLike, alpha: float = 1.0) -> Tensor:
    """x where positive, alpha · (e^(x/alpha) − 1) elsewhere (Barron 2017); derivative 1 at 0."""
    check("celu", NONZERO, alpha=alpha)
    return elu(as_tensor(x) / alpha) * alpha if alpha > 0 else _negative_celu(as_tensor(x), alpha)


def _negative_celu(x: Tensor, alpha: float) -> Tensor:
    positive = dispatch(_positive, x)
    return where(positive, x, alpha * expm1(where(positive, 0, x) / alpha))


NONZERO = Range(lambda v: NUMBER.holds(v) and v != 0, "a number, not 0")


@named
def prelu(x: ArrayLike, weight: ArrayLike) -> Tensor:
    """x where positive, weight · x elsewhere: one weight (1,), or one for each channel, axis 1 (He et al. 2015)."""
    x, weight = as_tensor(x), as_tensor(weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.size != 1 and weight.shape != (channels,):
        raise ValueError(f"prelu: weight has shape {weight.shape}; it must be (1,) or ({channels},) for x of {x.shape}")
    many = weight.size != 1 and x.ndim > 1
    slope = reshape(weight, (1, -1) + (1,) * (x.ndim - 2)) if many else reshape(weight, (1,) * x.ndim)
    return where(dispatch(_positive, x), x, slope * x)


@named
def rrelu(
    x: ArrayLike, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, *, rng: Rng = None
) -> Tensor:
    """x where positive, slope · x elsewhere: a slope drawn for each entry from [lower, upper) in training, else their mean
    (Xu et al. 2015)."""
    check("rrelu", NUMBER, lower=lower, upper=upper)
    check("rrelu", SWITCH, training=training)
    if lower > upper:
        raise ValueError(f"rrelu: lower {lower} is above upper {upper}")
    x = as_tensor(x)
    if not training:
        return leaky_relu(x, (lower + upper) / 2)

    def slanted(x: Tensor) -> Tensor:
        return where(dispatch(_positive, x), x, wrap(draw(_slopes, rng, x.shape, x.dtype, lower, upper)) * x)

    return in_floats(slanted, x)


def _slopes(rng: Rng, shape: tuple[int, ...], dtype: np.dtype, lower: float, upper: float) -> Array:
    return random.generator(rng).uniform(lower, upper, shape).astype(real_dtype(dtype))


@named
def logsigmoid(x: ArrayLike) -> Tensor:
    """log sigmoid(x), without overflow."""
    return -_softplus(-as_tensor(x))


@named
def mish(x: ArrayLike) -> Tensor:
    """x · tanh(softplus(x)) (Misra 2019)."""
    x = as_tensor(x)
    return _relu_beyond(kernels.plain.SILU_IS_RELU, x, lambda x: x * tanh(_softplus(x)))


@named
def softsign(x: ArrayLike) -> Tensor:
    """x / (1 + |x|)."""
    x = as_tensor(x)
    return x / (1 + abs(x))


@named
def tanhshrink(x: ArrayLike) -> Tensor:
    """x − tanh(x)."""
    x = as_tensor(x)
    return x - tanh(x)


def _outside(x: Array, limit: float) -> Array:
    return ~((x.real <= limit) & (x.real >= -limit))  # NaN, too, which stays


@named
def hardshrink(x: ArrayLike, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, else 0."""
    check("hardshrink", NUMBER, lambd=lambd)
    x = as_tensor(x)
    return where(dispatch(_outside, x, lambd), x, 0)


@named
def softshrink(x: ArrayLike, lambd: float = 0.5) -> Tensor:
    """x moved by lambd towards 0, and 0 where it is no further away."""
    check("softshrink", NOT_NEGATIVE, lambd=lambd)
    x = as_tensor(x)
    return in_floats(_softshrink, x, lambd=lambd)


def _softshrink(x: Tensor, *, lambd: float) -> Tensor:
    return where(dispatch(_outside, x, lambd), x - wrap(dispatch(_clipped, x, -lambd, lambd)), 0)


def _beyond_threshold(x: Array, threshold: float) -> Array:
    return (x.real > threshold) | np.isnan(x.real)


@named
def threshold(x: ArrayLike, threshold: float, value: float) -> Tensor:
    """x where it is above the threshold, else `value`."""
    check("threshold", NUMBER, threshold=threshold, value=value)
    x = as_tensor(x)
    return where(dispatch(_beyond_threshold, x, threshold), x, value)


@named
def glu(x: ArrayLike, axis: int = -1) -> Tensor:
    """a · sigmoid(b), where a and b are the halves of x along `axis` (Dauphin et al. 2017)."""
    x = as_tensor(x)
    axis = normal_axis("glu", axis, x.ndim)
    n = x.shape[axis]
    if n % 2:
        raise ValueError(f"glu: axis {axis} of x {x.shape} has an odd size; it is cut into halves")
    first = [(0, 0)] * x.ndim
    second = list(first)
    first[axis], second[axis] = (0, n // 2), (n // 2, 0)
    return crop(x, first) * sigmoid(crop(x, second))
