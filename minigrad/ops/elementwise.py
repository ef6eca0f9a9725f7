"""Mathematics entry by entry: each function, and its derivative in one line under it.

Functions stay complex-analytic, with branches decided on the real part, so that the complex step is exact through
kinks. One convention at kinks: relu and abs have derivative 0 there, and tied maxima share the gradient equally.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..errors import check, is_number, named, shown
from ..tape import Array, Primitive, Tensor, as_array, dispatch, elementwise, fused, general, linear, primitive
from ..typing import ArrayLike


def _is_zero(a: Array) -> Array:
    return a.real == 0


def decision(a: Array, like: Tensor) -> Tensor:
    """A decision taken on values, such as a mask, as a tensor of like's dtype: its derivative is zero almost everywhere."""
    return Tensor(dispatch(np.asarray, a, dtype=like.dtype))


# ---- arithmetic (add and mul live in tape/: the chain rule needs them) ---------------------------------------------


@primitive
def sub(a: Array, b: Array) -> Array:
    """a − b, with broadcasting."""
    return a - b


elementwise(sub, 1, -1)


@primitive
def neg(x: Array) -> Array:
    """−x."""
    return -x


elementwise(neg, -1)


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


def _log_base(a: Tensor) -> Tensor:  # 0**b does not move with b, though log 0 would say so
    return log(where(dispatch(_is_zero, a._data), 1, a))


elementwise(_tensor_power, lambda y, a, b: b * _tensor_power(a, b - 1), lambda y, a, b: y * _log_base(a))


@named
def power(a: ArrayLike, b: ArrayLike) -> Tensor:
    """a to the power b, with broadcasting; b may be a number or a tensor.

    >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> power(x, 3).sum().backward()
    >>> x.grad
    array([ 3., 12.])
    """
    if isinstance(b, (int, float)):
        return _power(a, n=b)
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
def log1p(x: Array) -> Array:
    """log(1 + x), accurate near 0."""
    if x.dtype.kind != "c":
        return np.log1p(x)
    # NumPy's complex log1p loses the tiny imaginary part of a complex step
    return np.log1p(x.real) + np.log(1 + 1j * x.imag / (1 + x.real))


elementwise(log1p, lambda y, x: 1 / (1 + x))


@primitive
def sqrt(x: Array) -> Array:
    """The square root."""
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
    return np.maximum(x, 0) if x.dtype.kind != "c" else np.where(x.real <= 0, 0, x)


@primitive
def gate(g: Array, *, by: Array) -> Array:
    """g where `by` is positive, else 0."""
    return kernels.gate(g, by)


def _open(g: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """What flows through relu, up or down: g where the output is positive. It asks for y, never for x."""
    return gate(g, by=y._data)


linear(gate, lambda u, y, g, *, by: gate(u, by=by))
general(relu, [_open], [_open])
relu.branch = lambda y, x: y.real > 0


def _sign(x: Array) -> Array:
    return np.sign(x.real)


@primitive
def abs(x: Array) -> Array:
    """The absolute value of a real x; derivative 0 at 0."""
    return np.abs(x) if x.dtype.kind != "c" else x * np.sign(x.real)


elementwise(abs, lambda y, x: decision(dispatch(_sign, x._data), x))
abs.branch = lambda y, x: _sign(x)


def _wins(a: Array, b: Array) -> Array:
    """1 where a is the larger, ½ where both are equal, else 0."""
    return np.heaviside(a.real - b.real, 0.5)


@primitive
def maximum(a: Array, b: Array) -> Array:
    """The larger of a and b, with broadcasting; where they tie, each gets half of the gradient."""
    if a.dtype.kind != "c" and b.dtype.kind != "c":
        return np.maximum(a, b)
    w = _wins(a, b)
    return w * a + (1 - w) * b


elementwise(
    maximum,
    lambda y, a, b: decision(dispatch(_wins, a._data, b._data), y),
    lambda y, a, b: decision(dispatch(_wins, b._data, a._data), y),
)
maximum.branch = lambda y, a, b: _wins(a, b)


@named
def minimum(a: Tensor | Array | float, b: Tensor | Array | float) -> Tensor:
    """The smaller of a and b, with broadcasting; where they tie, each gets half of the gradient."""
    return -maximum(-a, -b)


@named
def clip(x: Any, low: float | None = None, high: float | None = None) -> Tensor:
    """x limited to [low, high]; None leaves a side open.

    >>> clip(Tensor(np.array([-2.0, 0.5, 2.0])), -1, 1).data
    array([-1. ,  0.5,  1. ])
    """
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


@named
def where(condition: ArrayLike, a: ArrayLike, b: ArrayLike) -> Tensor:
    """a where the boolean `condition` holds, else b, with broadcasting. No derivative flows from the branch not taken.

    >>> where(np.array([True, False]), Tensor(np.array([1.0, 2.0])), 0).data
    array([1., 0.])
    """
    given, condition = condition, as_array(condition)
    if condition.dtype != bool:
        raise TypeError(
            f"where: the condition has dtype {condition.dtype}; it must be boolean, e.g. x > 0, not {shown(given)}"
        )
    return _where(a, b, condition=condition)


# ---- activations made of the above ----------------------------------------------------------------------------------


def _one_pass(composition: Callable, forward: Callable, backward: Callable) -> Primitive:
    """A composition with one kernel for its value and one for its gradient."""

    @functools.wraps(forward)
    def value(x: Array, **k: Any) -> tuple[Array, None]:
        return forward(x, **k), None

    @functools.wraps(backward)
    def gradient(g: Array, _: None, x: Array, **k: Any) -> tuple[Array]:
        return (backward(g, x, **k),)

    return fused(composition, value, gradient)


def _composed_leaky_relu(x: Tensor, *, slope: float) -> Tensor:
    return relu(x) - slope * relu(-x)


_leaky_relu = _one_pass(_composed_leaky_relu, kernels.leaky_relu, kernels.leaky_relu_backward)


@named
def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Tensor:
    """x where positive, negative_slope · x elsewhere (Maas, Hannun, Ng 2013)."""
    check("leaky_relu", "negative_slope", negative_slope, is_number(negative_slope), "a number")
    return _leaky_relu(x, slope=negative_slope)


def _composed_elu(x: Tensor, *, alpha: float) -> Tensor:
    return relu(x) + alpha * (exp(-relu(-x)) - 1)


_elu = _one_pass(_composed_elu, kernels.elu, kernels.elu_backward)


@named
def elu(x: ArrayLike, alpha: float = 1.0) -> Tensor:
    """x where positive, alpha · (eˣ − 1) elsewhere (Clevert, Unterthiner, Hochreiter 2016)."""
    check("elu", "alpha", alpha, is_number(alpha), "a number")
    return _elu(x, alpha=alpha)


@primitive
def softplus(x: Array) -> Array:
    """log(1 + eˣ), without overflow: a smooth relu."""
    positive = x.real > 0
    return np.where(positive, x, 0) + np.log1p(np.exp(np.where(positive, -x, x)))


elementwise(softplus, lambda y, x: sigmoid(x))


def _composed_silu(x: Tensor) -> Tensor:
    return x * sigmoid(x)


_silu = _one_pass(_composed_silu, kernels.silu, kernels.silu_backward)


@named
def silu(x: ArrayLike) -> Tensor:
    """x · sigmoid(x) (Elfwing, Uchibe, Doya 2018)."""
    return _silu(x)


def _composed_gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * power(x, 3))))


_gelu = _one_pass(_composed_gelu, kernels.gelu, kernels.gelu_backward)


@named
def gelu(x: ArrayLike) -> Tensor:
    """x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): the tanh form of GELU (Hendrycks, Gimpel 2016)."""
    return _gelu(x)
