"""Rounding, remainders and signs: functions that are flat almost everywhere, and what is made of them.

A flat function is recorded as any other, and its derivative is zero, at its jumps too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import named
from ..ranges import WHOLE, check
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
    in_floats,
    primitive,
    wrap,
    zeros_like,
)
from ..typing import ArrayLike
from .elementwise import decision, maximum, minimum, where
from .transcendental import stepped

__all__ = [
    "ceil", "copysign", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "frexp", "heaviside", "nan_to_num",
    "nextafter", "remainder", "round", "sign", "signbit", "trunc",
]  # fmt: skip


def _flat(op: Primitive, inputs: int = 1) -> None:
    """Declare that op has the derivative 0 in each input."""

    def up(i: int) -> Callable:
        return lambda g, y, *xs, **k: zeros_like(xs[i])

    general(op, [up(i) for i in range(inputs)], [lambda t, y, *xs, **k: zeros_like(y)] * inputs)
    op.kind = "flat"


def _whole(f: Callable, x: Array, **k: Any) -> Array:
    """f, which changes no integers, of the real part."""
    return x if x.dtype.kind in "biu" else f(x.real, **k).astype(x.dtype, copy=False)


@primitive
def floor(x: Array) -> Array:
    """The largest whole number ≤ x."""
    return _whole(np.floor, x)


@primitive
def ceil(x: Array) -> Array:
    """The smallest whole number ≥ x."""
    return _whole(np.ceil, x)


@primitive
def trunc(x: Array) -> Array:
    """x without its fraction: towards 0."""
    return _whole(np.trunc, x)


@primitive
def _round(x: Array, *, decimals: int) -> Array:
    if x.dtype.kind == "b":
        return x
    return np.round(x.real, decimals).astype(x.dtype, copy=False)


@primitive
def sign(x: Array) -> Array:
    """−1, 0 or 1; NaN stays."""
    return x if x.dtype.kind == "b" else np.sign(x.real).astype(x.dtype, copy=False)


for _op in (floor, ceil, trunc, _round, sign):
    _flat(_op)
    _op.numbers = ENTRIES
    _op.may_alias = True
    _op.branch = lambda y, x, **k: y.real


@named
def round(x: ArrayLike, decimals: int = 0) -> Tensor:
    """The nearest number of so many decimals; halves go to the even one. Negative decimals round tens, hundreds …

    >>> round(np.array([0.5, 1.5, 2.25]), 1).data, round(np.array([0.5, 1.5])).data
    (array([0.5, 1.5, 2.2]), array([0., 2.]))
    """
    check("round", WHOLE, decimals=decimals)
    return _round(x, decimals=int(decimals))


@named
def frac(x: ArrayLike) -> Tensor:
    """x − trunc x: the fraction, with the sign of x."""
    x = as_tensor(x)
    return x - trunc(x)


# ---- division with a rest ------------------------------------------------------------------------------------------------


def _rest(f: Callable, quotient: Callable) -> Callable:
    """f(a, b), which is a − quotient(a, b) · b, of a complex step; integers refuse 0."""

    def rest(a: Array, b: Array) -> Array:
        if a.dtype.kind != "c" and b.dtype.kind != "c":
            return f(a, _not_zero(b))
        return a - quotient(a.real, b.real) * b

    return rest


def _not_zero(b: Array) -> Array:
    if b.dtype.kind in "biu" and (b == 0).any():
        raise ZeroDivisionError("of integers")  # a TypeError that names their dtypes, by `in_int64`
    return b


def _floors(a: Array, b: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.floor_divide(a.real, _not_zero(b.real))


def _truncs(a: Array, b: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.rint((a.real - np.fmod(a.real, b.real)) / b.real)  # a/b itself may round up to a whole number


@primitive
def remainder(a: Array, b: Array) -> Array:
    """a − ⌊a/b⌋ · b, with broadcasting: it has the sign of b, as Python's % does."""
    return _rest(np.remainder, _floors)(a, b)


@primitive
def fmod(a: Array, b: Array) -> Array:
    """a − trunc(a/b) · b, with broadcasting: it has the sign of a, as C's fmod does."""
    return _rest(np.fmod, _truncs)(a, b)


@primitive
def floor_divide(a: Array, b: Array) -> Array:
    """⌊a/b⌋, with broadcasting: Python's //."""
    kind = np.result_type(a, b)
    return _floors(a, b).astype(kind, copy=False) if kind.kind == "c" else np.floor_divide(a, _not_zero(b))


elementwise(remainder, 1, lambda y, a, b: -decision(dispatch(_floors, a, b), y))
elementwise(fmod, 1, lambda y, a, b: -decision(dispatch(_truncs, a, b), y))
_flat(floor_divide, 2)
for _op in (remainder, fmod, floor_divide):
    _op.numbers = INTEGERS
    _op.forward.divides = True  # type: ignore[attr-defined]
remainder.branch = lambda y, a, b: _floors(a, b)
fmod.branch = lambda y, a, b: _truncs(a, b)
floor_divide.branch = lambda y, a, b: y.real


# ---- signs and steps -----------------------------------------------------------------------------------------------------


def _to(a: Array, b: Array) -> Array:
    """The slope of copysign in a: ±1, and 0 at 0."""
    return np.sign(a.real) * np.copysign(1.0, b.real)


@primitive
def copysign(a: Array, b: Array) -> Array:
    """The size of a with the sign of b, with broadcasting; its slope in b is 0."""
    return stepped(np.copysign, _to, lambda a, b: np.zeros(np.broadcast_shapes(a.shape, b.shape)))(a, b)


def _turned(g: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """g · (sign a · ±1 as b is), and 0 where a is 0"""
    return g * decision(dispatch(_to, a, b), y)


general(
    copysign,
    [_turned, lambda g, y, a, b: zeros_like(b)],
    [_turned, lambda t, y, a, b: zeros_like(y)],
)
copysign.branch = lambda y, a, b: _to(a, b)


@named
def signbit(x: ArrayLike) -> Tensor:
    """Whether the sign is minus, of −0.0, too; boolean, without a derivative."""
    return wrap(dispatch(_signbit, as_tensor(x)))


def _signbit(x: Array) -> Array:
    return x < 0 if x.dtype.kind in "bu" else np.signbit(x.real)


def _at(x: Array) -> Array:
    return x.real == 0


def _above(x: Array) -> Array:
    return np.where(np.isnan(x.real), x.real, x.real > 0)


@named
def heaviside(x: ArrayLike, values: ArrayLike) -> Tensor:
    """0 where x < 0, 1 where x > 0, and `values` where x is 0, with broadcasting; NaN stays. Its slope in x is 0."""
    x = as_tensor(x)
    return where(dispatch(_at, x), values, decision(dispatch(_above, x), x))


@named
def nextafter(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The next float after a towards b, with broadcasting; without a derivative."""
    return wrap(dispatch(np.nextafter, as_tensor(a), as_tensor(b)))


def _exponent(x: Array) -> Array:
    return np.frexp(x.real)[1]


@named
def frexp(x: ArrayLike) -> tuple[Tensor, Tensor]:
    """(m, e) with x = m · 2ᵉ and ½ ≤ |m| < 1: floats, which have a derivative, and ints, which have none."""
    x = as_tensor(x)
    e = dispatch(_exponent, x)

    def mantissa(x: Tensor) -> Tensor:
        for half in (-e // 2, -e - -e // 2):  # a power of two that is too large for a dtype, in two that are not
            x = x * decision(dispatch(np.ldexp, 1.0, half), x)
        return x

    return in_floats(mantissa, x), wrap(e)


# ---- NaN -----------------------------------------------------------------------------------------------------------------


def _is_nan(x: Array) -> Array:
    return np.isnan(x.real)


@named
def fmax(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The larger of a and b, with broadcasting, and of NaN and a number the number; where they tie, each has half."""
    return _but_nan(maximum, as_tensor(a), as_tensor(b))


@named
def fmin(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The smaller of a and b, with broadcasting, and of NaN and a number the number; where they tie, each has half."""
    return _but_nan(minimum, as_tensor(a), as_tensor(b))


def _but_nan(f: Callable, a: Tensor, b: Tensor) -> Tensor:
    if a.dtype.kind not in "fc" and b.dtype.kind not in "fc":
        return f(a, b)
    no_a, no_b = dispatch(_is_nan, a), dispatch(_is_nan, b)
    return f(where(no_a, b, a), where(no_b, a, b))


def _is(x: Array, value: float) -> Array:
    return x.real == value


@named
def nan_to_num(x: ArrayLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """x with NaN, ∞ and −∞ replaced: by default by 0 and the largest numbers. No derivative flows from them."""
    x = as_tensor(x)
    if x.dtype.kind not in "fc":
        return x
    most = np.finfo(x.dtype).max
    x = where(dispatch(_is_nan, x), nan, x)
    x = where(dispatch(_is, x, np.inf), most if posinf is None else posinf, x)
    return where(dispatch(_is, x, -np.inf), -most if neginf is None else neginf, x)
