"""Mathematics entry by entry: each function, and its derivative in one line under it.

Functions stay complex-analytic, with branches decided on the real part, so that the complex step is exact through
kinks. At a kink the derivative lies between the two slopes, and is their value where they agree:

    relu, leaky_relu, elu    that of the side below 0: 0, negative_slope, alpha
    abs                      0
    maximum, minimum, clip   ½ to each of two that tie, at infinity too; in `max` and `min`, 1/k to each of k
    max_pool2d               1 to the first that ties
    std                      0 where all are equal
    power                    0 in both a and b at 0 ** 0, and in b at 0 ** b

Where a slope is infinite (sqrt, log and a negative power at 0) the derivative is, too.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named, shown
from ..tape import (
    ENTRIES,
    INTEGERS,
    Array,
    Primitive,
    Tensor,
    as_tensor,
    dispatch,
    elementwise,
    general,
    linear,
    mul,
    primitive,
    private,
    wrap,
)
from ..typing import ArrayLike

__all__ = [
    "abs", "clip", "cos", "div", "divide", "exp", "expm1", "log", "log1p", "maximum", "minimum", "multiply", "neg", "negative",
    "pow", "power", "relu", "sigmoid", "sin", "sqrt", "sub", "subtract", "tanh", "where",
]  # fmt: skip


def decision(a: Array, like: Tensor) -> Tensor:
    """A decision taken on values, such as a mask, as a tensor of like's dtype: its derivative is zero almost everywhere."""
    return wrap(dispatch(np.asarray, a, dtype=like.dtype))


def _is_zero(x: Array) -> Array:
    return x.real == 0


# ---- arithmetic (add and mul live in tape/: the chain rule needs them) ---------------------------------------------


@primitive
def sub(a: Array, b: Array) -> Array:
    """a − b, with broadcasting."""
    return a - b


elementwise(sub, 1, -1)
sub.numbers = INTEGERS


@primitive
def neg(x: Array) -> Array:
    """−x."""
    return -x


elementwise(neg, -1)
neg.numbers = INTEGERS


@primitive
def div(a: Array, b: Array) -> Array:
    """a / b, with broadcasting."""
    return a / b


elementwise(div, lambda y, a, b: 1 / b, lambda y, a, b: -y / b)


@primitive
def _power(x: Array, *, n: float) -> Array:
    return x**n


elementwise(_power, lambda y, x, *, n: n * _power(x, n=n - 1) if n else decision(np.zeros(x.shape), x))


@primitive
def _tensor_power(a: Array, b: Array) -> Array:
    return a**b


def _slope_in_base(y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    moves = b.requires_grad or b.dtype.kind == "c"
    return b * _tensor_power(a, where(dispatch(_constant_in_base, a._data, b._data, moves), 1, b) - 1)


def _slope_in_exponent(y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return y * log(where(dispatch(_constant_in_exponent, y._data, a._data, b._data), 1, a))


def _constant_in_base(a: Array, b: Array, moves: bool) -> Array:
    """Where a**b is 1 for every a, and b · a**(b − 1) may be 0 · ∞. If b moves as well, only where it is."""
    return (b.real == 0) & (not moves or np.abs(a.real) < np.finfo(a.dtype).tiny)


def _constant_in_exponent(y: Array, a: Array, b: Array) -> Array:
    """Where 0**b does not move with b, though log 0 would say so; or where a**b vanishes faster than log a grows."""
    return (y.real == 0) | (a.real == 0) & (b.real == 0)


elementwise(_tensor_power, _slope_in_base, _slope_in_exponent)


@named
def power(a: ArrayLike, b: ArrayLike) -> Tensor:
    """a to the power b, with broadcasting; b may be a number or a tensor. 0 to the power 0 is 1, with slope 0.

    >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> power(x, 3).sum().backward()
    >>> x.grad
    array([ 3., 12.])
    """
    if isinstance(b, (int, float, np.integer, np.floating)):
        return _power(a, n=b.item() if isinstance(b, np.generic) else b)
    return _tensor_power(a, b)


# ---- smooth functions ---------------------------------------------------------------------------------------------


@primitive
def exp(x: Array) -> Array:
    """e to the power x."""
    return np.exp(x)


elementwise(exp, lambda y, x: y)


@primitive
def log(x: Array) -> Array:
    """The natural logarithm."""
    return np.log(x)


elementwise(log, lambda y, x: 1 / x)


@primitive
def expm1(x: Array) -> Array:
    """eˣ − 1, accurate near 0."""
    return np.expm1(x)


elementwise(expm1, lambda y, x: exp(x))


@primitive
def log1p(x: Array) -> Array:
    """log(1 + x), accurate near 0."""
    if x.dtype.kind != "c":
        return np.log1p(x)
    # NumPy's complex log1p loses the tiny imaginary part of a complex step
    return np.log1p(x.real) + np.log(1 + 1j * x.imag / (1 + x.real))


elementwise(log1p, lambda y, x: 1 / (1 + x))


@primitive
def sqrt(x: Array) -> Array:
    """The square root; its slope at 0 is infinite."""
    return np.sqrt(x)


elementwise(sqrt, lambda y, x: 0.5 / y)


@primitive
def sin(x: Array) -> Array:
    """The sine."""
    return np.sin(x)


@primitive
def cos(x: Array) -> Array:
    """The cosine."""
    return np.cos(x)


elementwise(sin, lambda y, x: cos(x))
elementwise(cos, lambda y, x: -sin(x))


@primitive
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


@primitive
def _along_tanh(u: Array, y: Array) -> Array:
    return kernels.tanh_backward(u, y)


def _declare_by_value(op: Primitive, along: Primitive, *partials: Callable) -> None:
    """Up or down, op's derivative asks for its value y, never for x: along(u, y), whose own partials are given."""
    general(op, [lambda g, y, x: along(g, y)], [lambda t, y, x: along(t, y)])
    elementwise(along, *partials)


_declare_by_value(tanh, _along_tanh, lambda z, u, y: 1 - y * y, lambda z, u, y: -2 * u * y)


@primitive
def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), without overflow."""
    return kernels.sigmoid(x)


@primitive
def _along_sigmoid(u: Array, y: Array) -> Array:
    return kernels.sigmoid_backward(u, y)


_declare_by_value(sigmoid, _along_sigmoid, lambda z, u, y: y * (1 - y), lambda z, u, y: u * (1 - 2 * y))


# ---- piecewise functions: the branch is decided by the real part ----------------------------------------------------


@primitive
def relu(x: Array) -> Array:
    """max(x, 0); derivative 0 at 0."""
    return kernels.relu(x)


@primitive
def gate(g: Array, *, by: Array) -> Array:
    """g where `by` is positive, else 0."""
    return kernels.gate(g, by)


def _open(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """What flows through relu, up or down: g where the output is positive. It asks for y, never for x."""
    return gate(g, by=y._data)


linear(gate, lambda u, y, g, *, by: gate(u, by=by))
general(relu, [_open], [_open])
relu.numbers = gate.numbers = ENTRIES
relu.branch = lambda y, x: y.real > 0


def _sign(x: Array) -> Array:
    return np.sign(x.real)


@primitive
def abs(x: Array) -> Array:
    """The absolute value of a real x; derivative 0 at 0."""
    return np.abs(x) if x.dtype.kind != "c" else x * np.sign(x.real)


elementwise(abs, lambda y, x: decision(dispatch(_sign, x._data), x))
abs.branch = lambda y, x: _sign(x)
abs.numbers = INTEGERS


def _wins(a: Array, b: Array) -> Array:
    """1 where a is the larger, ½ where both are equal, else 0; NaN wins."""
    return np.where(a.real == b.real, 0.5, ~(a.real <= b.real))


@primitive
def maximum(a: Array, b: Array) -> Array:
    """The larger of a and b, with broadcasting; where they tie, each gets half of the gradient."""
    if a.dtype.kind != "c" and b.dtype.kind != "c":
        return np.maximum(a, b)
    w = _wins(a, b)
    return np.where(w == 1, a, np.where(w == 0, b, a / 2 + b / 2))


elementwise(
    maximum,
    lambda y, a, b: decision(dispatch(_wins, a._data, b._data), y),
    lambda y, a, b: decision(dispatch(_wins, b._data, a._data), y),
)
maximum.branch = lambda y, a, b: _wins(a, b)


@primitive
def minimum(a: Array, b: Array) -> Array:
    """The smaller of a and b, with broadcasting; where they tie, each gets half of the gradient."""
    if a.dtype.kind != "c" and b.dtype.kind != "c":
        return np.minimum(a, b)
    return -maximum.forward(-a, -b)


elementwise(
    minimum,
    lambda y, a, b: decision(dispatch(_wins, b._data, a._data), y),
    lambda y, a, b: decision(dispatch(_wins, a._data, b._data), y),
)
minimum.branch = lambda y, a, b: _wins(b, a)
maximum.numbers = minimum.numbers = ENTRIES


def _is_real(bound: Any) -> bool:
    return isinstance(bound, Real)


def _stuck(x: Array, low: Array, high: Array) -> Array:
    """Where all three are one number: there x would get half of low's half."""
    return (np.real(x) == np.real(low)) & (np.real(low) == np.real(high))


@named
def clip(x: ArrayLike, min: Any = None, max: Any = None) -> Tensor:
    """x limited to [min, max]; None leaves a side open. Where min ≥ max it is `max`, as in NumPy, and x has no slope.

    >>> clip(Tensor(np.array([-2.0, 0.5, 2.0])), -1, 1).data
    array([-1. ,  0.5,  1. ])
    """
    x, low, high = as_tensor(x), min, max
    if low is not None and high is not None and not (_is_real(low) and _is_real(high) and low < high):
        x = _where(low, x, condition=dispatch(_stuck, x, low, high))
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


@primitive
def _where(a: Array, b: Array, *, condition: Array) -> Array:
    return np.where(condition, a, b)


linear(
    _where,
    lambda i, g, y, a, b, *, condition: _where(*((g, 0) if i == 0 else (0, g)), condition=condition),
    jointly=True,
)
_where.numbers = ENTRIES


@named
def where(condition: ArrayLike, a: ArrayLike, b: ArrayLike) -> Tensor:
    """a where the boolean `condition` holds, else b, with broadcasting. No derivative flows from the branch not taken.

    >>> where(np.array([True, False]), Tensor(np.array([1.0, 2.0])), 0).data
    array([1., 0.])
    """
    given, condition = condition, private(condition)
    if condition.dtype != bool:
        raise TypeError(
            f"where: the condition has dtype {condition.dtype}; it must be boolean, e.g. x > 0, not {shown(given)}"
        )
    return _where(a, b, condition=condition)


# ---- the names of the array API standard -------------------------------------------------------------------------------

subtract, multiply, divide, negative, pow = sub, mul, div, neg, power
