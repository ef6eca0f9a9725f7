"""What an operation computes in: one rule for all of them.

float32, float64, longdouble and complex numbers are computed in as they are. Integers, booleans and float16 are dtypes to
store numbers in. An operation says of which kind it is (`Primitive.numbers`), and on such numbers

- *entries* (reshape, getitem, concat, relu, maximum: each number of the result is one of the inputs) take any dtype;
- *integers* (add, mul, sum, matmul, conv2d: sums and products) are exact in int64, or refuse;
- *reals* (exp, div, mean, softmax, power: everything else) are computed in floats: float32 holds integers of up to 16
  bits, float64 the others.

Where floats meet integers the result has the floats' dtype, and a number (`2`, `np.float64(0.5)`) has no say. float16 is
computed in float32, by all but entries. What was computed in a wider dtype than the result's is rounded once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..typing import Array

ENTRIES, INTEGERS, REALS = "entries", "integers", "reals"
SINGLE, DOUBLE = np.dtype("f"), np.dtype("d")
FLOATS = frozenset("fdgFDG")  # the characters of the dtypes that are computed in as they are


@functools.lru_cache
def floats_for(*dtypes: np.dtype) -> tuple[np.dtype, np.dtype]:
    """The floats to compute in for inputs of these dtypes, and those to round the result to.

    >>> floats_for(np.dtype("uint8")), floats_for(np.dtype("float32"), np.dtype("int64"))
    ((dtype('float32'), dtype('float32')), (dtype('float64'), dtype('float32')))
    """
    wide = np.result_type(np.float32, *dtypes)
    own = [d for d in dtypes if d.kind in "fc"]
    return wide, np.result_type(*own) if own else wide


@functools.cache
def in_int64(f: Callable[..., Array]) -> Callable[..., Array]:
    """f, made of sums and products, of arrays of integers: exact, or a TypeError.

    int64 computes modulo 2⁶⁴, so a result that fits is right whatever happened on the way. Whether it fits, float64 tells:
    half of the range is left for its round-off, and sums of terms so large that their round-off is larger are refused.
    Sums and single products of numbers of 8 and 16 bits always do; an f that `multiplies` many says so.
    """

    @functools.wraps(f)
    def exact(*arrays: Array, **params: Any) -> Array:
        name, given = f.__name__.strip("_"), " and ".join(str(a.dtype) for a in arrays)
        most = np.iinfo(np.int64).max
        if getattr(f, "divides", False) and any(a.dtype == np.uint64 and (a > most).any() for a in arrays):
            raise TypeError(f"{name}: {given}, too large for int64; use floats, e.g. x.astype('float64')")
        try:
            with np.errstate(over="ignore"):
                y = f(*[a.astype(np.int64) for a in arrays], **params)
        except ZeroDivisionError:
            raise TypeError(f"{name}: {given} have no quotient by 0; use floats, e.g. x.astype('float64')") from None
        if max(a.itemsize for a in arrays) > 2 or getattr(f, "multiplies", False):
            wide = [a.astype(np.float64) for a in arrays]
            with np.errstate(over="ignore", invalid="ignore"):  # NaN is ∞ · 0, of integers 0
                results = [f(*x, **params) for x in (wide, [np.abs(a) for a in wide])]
            size, terms = (np.fmax.reduce(np.abs(y), axis=None, initial=0) for y in results)
            if size >= 2.0**62 or terms >= 2.0**92:
                size = max(size, terms)
                raise TypeError(
                    f"{name}: {given} give ±{size:.3g}, too large for int64; use floats, e.g. x.astype('float64')"
                )
        return y

    return exact


def converted(value: Array, dtype: np.dtype, name: str) -> Array:
    """value in a tensor's dtype; itself, if it has it. Raises TypeError if more than round-off would be lost."""
    if value.dtype == dtype:
        return value
    if value.dtype.kind in "fciub" and (dtype.kind == "c" or value.dtype.kind != "c"):
        with np.errstate(invalid="ignore"):
            new = value.astype(dtype)
        if dtype.kind in "fc" or np.array_equal(new, value):
            return new
    raise TypeError(f"{name}: the tensor has dtype {dtype}, which cannot hold the new value, of dtype {value.dtype}")
