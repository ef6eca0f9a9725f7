"""What is true of numbers: comparisons, logic, bits. All of it is constant: truth has no derivative."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import named
from ..ranges import NOT_NEGATIVE, SWITCH, check
from ..tape import Array, Tensor, as_array, as_tensor, dispatch, wrap, zeros_like
from ..typing import ArrayLike

__all__ = [
    "allclose", "array_equal", "bitwise_and", "bitwise_count", "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "conj", "equal", "gcd", "greater", "greater_equal", "imag", "isclose", "isfinite", "isinf", "isnan", "isneginf",
    "isposinf", "isreal", "lcm", "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "not_equal",
    "positive", "real",
]  # fmt: skip


def _operand(x: Any) -> Any:
    x = x.item() if isinstance(x, np.generic) else x  # weak, as Python's numbers are
    return x if isinstance(x, (int, float, complex)) else as_array(x)


def _of_two(name: str, f: Callable, doc: str, *, real: bool = False) -> Callable[[ArrayLike, ArrayLike], Tensor]:
    """A function of two arrays that broadcasts; of `real` parts, so that a complex step decides as its real part does."""

    def value(a: Any, b: Any) -> Array:
        return np.asarray(f(np.real(a), np.real(b)) if real else f(a, b))

    def function(a: ArrayLike, b: ArrayLike) -> Tensor:
        return wrap(dispatch(value, _operand(a), _operand(b)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}, with broadcasting; without a derivative."
    return named(function)


def _of_one(name: str, f: Callable, doc: str) -> Callable[[ArrayLike], Tensor]:
    def value(x: Array) -> Array:
        return np.asarray(f(x.real))

    def function(x: ArrayLike) -> Tensor:
        return wrap(dispatch(value, as_array(x)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}, entry by entry; without a derivative."
    return named(function)


equal = _of_two("equal", operator.eq, "Whether a = b", real=True)
not_equal = _of_two("not_equal", operator.ne, "Whether a ≠ b", real=True)
less = _of_two("less", operator.lt, "Whether a < b", real=True)
less_equal = _of_two("less_equal", operator.le, "Whether a ≤ b", real=True)
greater = _of_two("greater", operator.gt, "Whether a > b", real=True)
greater_equal = _of_two("greater_equal", operator.ge, "Whether a ≥ b", real=True)

logical_and = _of_two("logical_and", np.logical_and, "Whether both are true, that is not 0", real=True)
logical_or = _of_two("logical_or", np.logical_or, "Whether one of both is true, that is not 0", real=True)
logical_xor = _of_two("logical_xor", np.logical_xor, "Whether just one of both is true, that is not 0", real=True)
logical_not = _of_one("logical_not", np.logical_not, "Whether x is false, that is 0")

bitwise_and = _of_two("bitwise_and", np.bitwise_and, "The bits that are set in both, of integers or booleans")
bitwise_or = _of_two("bitwise_or", np.bitwise_or, "The bits that are set in one of both, of integers or booleans")
bitwise_xor = _of_two(
    "bitwise_xor", np.bitwise_xor, "The bits that are set in just one of both, of integers or booleans"
)
bitwise_left_shift = _of_two("bitwise_left_shift", np.left_shift, "Integers a with their bits b places to the left")
bitwise_right_shift = _of_two("bitwise_right_shift", np.right_shift, "Integers a with their bits b places to the right")
gcd = _of_two("gcd", np.gcd, "The greatest common divisor of integers")
lcm = _of_two("lcm", np.lcm, "The least common multiple of integers")
bitwise_count = _of_one("bitwise_count", np.bitwise_count, "How many bits of the absolute value are set, of integers")
bitwise_invert = _of_one("bitwise_invert", np.invert, "Integers or booleans with all bits turned")
bitwise_count = _of_one("bitwise_count", np.bitwise_count, "How many bits of the integer |x| are set")
gcd = _of_two("gcd", np.gcd, "The greatest common divisor of integers")
lcm = _of_two("lcm", np.lcm, "The least common multiple of integers")

isfinite = _of_one("isfinite", np.isfinite, "Whether x is neither infinite nor NaN")
isinf = _of_one("isinf", np.isinf, "Whether x is infinite")
isnan = _of_one("isnan", np.isnan, "Whether x is NaN")
isposinf = _of_one("isposinf", lambda x: x == np.inf, "Whether x is ∞")
isneginf = _of_one("isneginf", lambda x: x == -np.inf, "Whether x is −∞")
isreal = _of_one("isreal", lambda x: np.ones(x.shape, bool), "Whether x is a real number: the engine knows no other")


@named
def isclose(a: ArrayLike, b: ArrayLike, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Whether |a − b| ≤ atol + rtol · |b|, with broadcasting; infinities are close to their like. Without a derivative."""
    check("isclose", NOT_NEGATIVE, rtol=rtol, atol=atol)
    check("isclose", SWITCH, equal_nan=equal_nan)
    return wrap(np.asarray(dispatch(np.isclose, as_array(a), as_array(b), rtol=rtol, atol=atol, equal_nan=equal_nan)))


@named
def allclose(a: ArrayLike, b: ArrayLike, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether all entries are close (`isclose`).

    >>> allclose(np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-9]))
    True
    """
    return bool(isclose(a, b, rtol, atol, equal_nan).data.all())


@named
def array_equal(a: ArrayLike, b: ArrayLike) -> bool:
    """Whether both have one shape and the same entries."""
    a, b = as_tensor(a), as_tensor(b)
    return a.shape == b.shape and bool(equal(a, b).data.all())


# ---- complex numbers: the engine is real, and what is complex is a step ----------------------------------------------------


@named
def positive(x: ArrayLike) -> Tensor:
    """x itself."""
    return as_tensor(x)


@named
def real(x: ArrayLike) -> Tensor:
    """x itself: the engine is real, and the imaginary part of a complex step is a derivative."""
    return as_tensor(x)


@named
def conj(x: ArrayLike) -> Tensor:
    """x itself, as `real` says."""
    return as_tensor(x)


@named
def imag(x: ArrayLike) -> Tensor:
    """Zeros, as `real` says."""
    return zeros_like(as_tensor(x))
