"""Circular and hyperbolic functions and their inverses, powers and logarithms of other bases, and functions made of these."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import named
from ..tape import INTEGERS, Array, Tensor, as_tensor, dispatch, elementwise, in_floats, mul, primitive, rounded_once
from ..typing import ArrayLike
from .elementwise import _is_zero, clip, decision, div, log, log1p, power, sigmoid, sqrt, where

__all__ = [
    "acos",
    "acosh",
    "addcdiv",
    "addcmul",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "cosh",
    "deg2rad",
    "exp2",
    "float_power",
    "hypot",
    "ldexp",
    "lerp",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "rad2deg",
    "reciprocal",
    "rsqrt",
    "sinc",
    "sinh",
    "square",
    "tan",
    "xlog1py",
    "xlogy",
]  # fmt: skip

_LN2 = math.log(2)


def stepped(f: Callable, *slopes: Callable) -> Callable:
    """f of arrays, with its slopes in each, for which complex numbers are a step: f(x + ih) = f(x) + ih · f′(x)."""

    def value(*xs: Array, **k: Any) -> Array:
        if not any(x.dtype.kind == "c" for x in xs):
            return f(*xs, **k)
        reals = [x.real for x in xs]
        steps = [(x.imag, slope(*reals, **k)) for x, slope in zip(xs, slopes) if x.dtype.kind == "c"]
        with np.errstate(invalid="ignore"):  # no step goes nowhere, on an infinite slope, too
            return f(*reals, **k) + 1j * sum(np.where(h == 0, 0, h * slope) for h, slope in steps)

    return value


# ---- circular and hyperbolic ------------------------------------------------------------------------------------------


@primitive
def tan(x: Array) -> Array:
    """The tangent."""
    return np.tan(x)


@primitive
def sinh(x: Array) -> Array:
    """The hyperbolic sine."""
    return np.sinh(x)


@primitive
def cosh(x: Array) -> Array:
    """The hyperbolic cosine."""
    return np.cosh(x)


@primitive
def asin(x: Array) -> Array:
    """The angle in [−π/2, π/2] whose sine is x; NaN outside [−1, 1], of infinite slope at ±1."""
    return stepped(np.arcsin, lambda x: 1 / np.sqrt((1 - x) * (1 + x)))(x)


@primitive
def acos(x: Array) -> Array:
    """The angle in [0, π] whose cosine is x; NaN outside [−1, 1], of infinite slope at ±1."""
    return stepped(np.arccos, lambda x: -1 / np.sqrt((1 - x) * (1 + x)))(x)


@primitive
def atan(x: Array) -> Array:
    """The angle in (−π/2, π/2) whose tangent is x."""
    return stepped(np.arctan, lambda x: 1 / (1 + x * x))(x)


@primitive
def asinh(x: Array) -> Array:
    """The number whose hyperbolic sine is x."""
    return stepped(np.arcsinh, lambda x: 1 / np.hypot(x, 1))(x)


@primitive
def acosh(x: Array) -> Array:
    """The number ≥ 0 whose hyperbolic cosine is x; NaN below 1, of infinite slope there."""
    return stepped(np.arccosh, lambda x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)))(x)


@primitive
def atanh(x: Array) -> Array:
    """The number whose hyperbolic tangent is x; NaN outside [−1, 1]."""
    return stepped(np.arctanh, lambda x: 1 / ((1 - x) * (1 + x)))(x)


elementwise(tan, lambda y, x: 1 + y * y)
elementwise(sinh, lambda y, x: cosh(x))
elementwise(cosh, lambda y, x: sinh(x))
elementwise(asin, lambda y, x: 1 / sqrt((1 - x) * (1 + x)))
elementwise(acos, lambda y, x: -1 / sqrt((1 - x) * (1 + x)))
elementwise(atan, lambda y, x: 1 / (1 + x * x))
elementwise(acosh, lambda y, x: 1 / (sqrt(x - 1) * sqrt(x + 1)))
elementwise(atanh, lambda y, x: 1 / ((1 - x) * (1 + x)))


def _safe(r: Tensor) -> Tensor:
    """r to divide by; 1 where it is 0, and the number above is, too."""
    return where(dispatch(_is_zero, r._data), 1, r)


def _over(a: Array, b: Array) -> Array:
    return a / np.where(b == 0, 1, b)


@primitive
def hypot(a: Array, b: Array) -> Array:
    """√(a² + b²), with broadcasting, without overflow; slope 0 where both are 0."""
    return stepped(np.hypot, lambda a, b: _over(a, np.hypot(a, b)), lambda a, b: _over(b, np.hypot(a, b)))(a, b)


elementwise(asinh, lambda y, x: 1 / hypot(x, 1))
elementwise(hypot, lambda y, a, b: a / _safe(y), lambda y, a, b: b / _safe(y))


@primitive
def atan2(a: Array, b: Array) -> Array:
    """The angle in [−π, π] of the point (b, a), with broadcasting: a is its height; slope 0 where both are 0."""
    return stepped(
        np.arctan2,
        lambda a, b: _over(_over(b, r := np.hypot(a, b)), r),
        lambda a, b: -_over(_over(a, r := np.hypot(a, b)), r),
    )(a, b)


def _turn(a: Tensor, b: Tensor) -> Tensor:
    r = _safe(hypot(a, b))
    return b / r / r


elementwise(atan2, lambda y, a, b: _turn(a, b), lambda y, a, b: -_turn(b, a))


@primitive
def _sinc(x: Array, *, n: int) -> Array:
    """The n-th derivative of sin(πx) / (πx) = ∫₀¹ cos(πxt) dt."""
    near = np.abs(x.real) < 1
    far = np.where(near, 1, x)
    y = np.sin(np.pi * far) / (np.pi * far)
    for k in range(1, n + 1):  # the k-th derivative of x sinc x = sin(πx)/π is x sincᵏ + k sincᵏ⁻¹
        y = (np.pi ** (k - 1) * np.sin(np.pi * far + k * np.pi / 2) - k * y) / far
    small, series = np.where(near, x, 0), 0
    for k in range(20 + n, (n - 1) // 2, -1):  # the power series, from its least term on
        power = small ** (2 * k - n)
        series = series + (-1) ** k * (np.pi ** (2 * k) / (math.factorial(2 * k - n) * (2 * k + 1))) * power
    return np.where(near, series, y)


elementwise(_sinc, lambda y, x, *, n: _sinc(x, n=n + 1))


@named
def sinc(x: ArrayLike) -> Tensor:
    """sin(πx) / (πx), and 1 at 0.

    >>> sinc(np.array([0.0, 0.5])).data.round(4)
    array([1.    , 0.6366])
    """
    return _sinc(x, n=0)


@named
def deg2rad(x: ArrayLike) -> Tensor:
    """Degrees as radians."""
    return mul(as_tensor(x), math.pi / 180)


@named
def rad2deg(x: ArrayLike) -> Tensor:
    """Radians as degrees."""
    return mul(as_tensor(x), 180 / math.pi)


# ---- powers and logarithms ---------------------------------------------------------------------------------------------


@primitive
def exp2(x: Array) -> Array:
    """2 to the power x."""
    return np.exp2(x) if x.dtype.kind != "c" else np.exp(_LN2 * x)


@primitive
def log2(x: Array) -> Array:
    """The logarithm to base 2."""
    return np.log2(x)


@primitive
def log10(x: Array) -> Array:
    """The logarithm to base 10."""
    return np.log10(x)


@primitive
def cbrt(x: Array) -> Array:
    """The cube root, of negative numbers, too; its slope at 0 is infinite."""
    return stepped(np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2))(x)


@primitive
def square(x: Array) -> Array:
    """x²."""
    return x * x


elementwise(exp2, lambda y, x: y * _LN2)
elementwise(log2, lambda y, x: 1 / _LN2 / x)
elementwise(log10, lambda y, x: 1 / math.log(10) / x)
elementwise(cbrt, lambda y, x: 1 / (3 * y * y))
elementwise(square, lambda y, x: 2 * x)
square.numbers = INTEGERS


@named
def reciprocal(x: ArrayLike) -> Tensor:
    """1 / x."""
    return div(1, as_tensor(x))


@named
def rsqrt(x: ArrayLike) -> Tensor:
    """1 / √x."""
    return power(x, -0.5)


def _logistic(x: Array) -> Array:
    z = np.exp(-np.abs(x))
    return np.where(x < 0, z, 1) / (1 + z)


def _ahead(a: Array, b: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0, a - b)


@primitive
def logaddexp(a: Array, b: Array) -> Array:
    """log(eᵃ + eᵇ), with broadcasting, without overflow; where both are infinite alike, each has half of the slope."""
    return stepped(np.logaddexp, lambda a, b: _logistic(_ahead(a, b)), lambda a, b: _logistic(_ahead(b, a)))(a, b)


elementwise(logaddexp, lambda y, a, b: _share(a, b), lambda y, a, b: _share(b, a))


@primitive
def _difference(a: Array, b: Array) -> Array:
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(a.real) & (a.real == b.real), 0, a - b)


elementwise(_difference, 1, -1)


def _share(a: Tensor, b: Tensor) -> Tensor:
    return sigmoid(_difference(a, b))


@named
def float_power(a: ArrayLike, b: ArrayLike) -> Tensor:
    """a to the power b, with broadcasting, in float64 whatever they are."""
    a, b = as_tensor(a), as_tensor(b)
    return power(a.astype(np.result_type(a.dtype, np.float64)), b.astype(np.result_type(b.dtype, np.float64)))


@named
def logaddexp2(a: ArrayLike, b: ArrayLike) -> Tensor:
    """log₂(2ᵃ + 2ᵇ), with broadcasting, without overflow."""
    a, b = as_tensor(a), as_tensor(b)
    return in_floats(lambda a, b: logaddexp(mul(a, _LN2), mul(b, _LN2)) / _LN2, a, b)


def _xlog(a: Array, of: Callable, b: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((a == 0) & ~np.isnan(b), 0, a * of(b))


@primitive
def xlogy(a: Array, b: Array) -> Array:
    """a · log b, with broadcasting; 0 where a is 0, whatever b is."""
    return stepped(
        lambda a, b: _xlog(a, np.log, b),
        lambda a, b: np.log(np.where((a == 0) & (b <= 0), 1, b)),
        lambda a, b: _over_or_0(a, b),
    )(a, b)


@primitive
def xlog1py(a: Array, b: Array) -> Array:
    """a · log(1 + b), with broadcasting; 0 where a is 0, whatever b is."""
    return stepped(
        lambda a, b: _xlog(a, np.log1p, b),
        lambda a, b: np.log1p(np.where((a == 0) & (b <= -1), 0, b)),
        lambda a, b: _over_or_0(a, 1 + b),
    )(a, b)


def _over_or_0(a: Array, b: Array) -> Array:
    return np.where(a == 0, 0, a / np.where(a == 0, 1, b))


def _none(a: Array, b: Array, least: float) -> Array:
    return (a.real == 0) & (b.real <= least)


elementwise(
    xlogy,
    lambda y, a, b: log(where(dispatch(_none, a, b, 0), 1, b)),
    lambda y, a, b: a / where(dispatch(_none, a, b, 0), 1, b),
)
elementwise(
    xlog1py,
    lambda y, a, b: log1p(where(dispatch(_none, a, b, -1), 0, b)),
    lambda y, a, b: a / (1 + where(dispatch(_none, a, b, -1), 0, b)),
)


@primitive
def _logit(x: Array) -> Array:
    with np.errstate(divide="ignore"):
        return stepped(lambda x: np.log(x) - np.log1p(-x), lambda x: 1 / (x * (1 - x)))(x)


elementwise(_logit, lambda y, x: 1 / (x * (1 - x)))


@named
def logit(x: ArrayLike, eps: float | None = None) -> Tensor:
    """log(x / (1 − x)), the inverse of the sigmoid; with eps, x is limited to [eps, 1 − eps] first."""
    return _logit(x if eps is None else clip(x, eps, 1 - eps))


@named
def ldexp(a: ArrayLike, n: ArrayLike) -> Tensor:
    """a · 2ⁿ, with broadcasting; whole n leave a float's dtype as it is."""
    a, n = as_tensor(a), as_tensor(n)
    if a.dtype.kind == "f" and n.dtype.kind in "biu":
        return a * decision(dispatch(np.ldexp, 1.0, n), a)
    return mul(a, exp2(n))


@named
def lerp(a: ArrayLike, b: ArrayLike, weight: ArrayLike) -> Tensor:
    """a + weight · (b − a), with broadcasting.

    >>> lerp(np.array([0.0]), np.array([4.0]), 0.25).data
    array([1.])
    """
    return rounded_once(lambda a, b, weight: a + weight * (b - a))(a, b, weight)


@named
def addcmul(x: ArrayLike, a: ArrayLike, b: ArrayLike, *, value: float = 1) -> Tensor:
    """x + value · a · b, with broadcasting."""
    return rounded_once(lambda x, a, b: x + value * (a * b))(x, a, b)


@named
def addcdiv(x: ArrayLike, a: ArrayLike, b: ArrayLike, *, value: float = 1) -> Tensor:
    """x + value · a / b, with broadcasting."""
    return rounded_once(lambda x, a, b: x + value * (a / b))(x, a, b)
