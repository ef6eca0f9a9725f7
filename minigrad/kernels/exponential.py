"""The exponential function, written so that a loop over it becomes vector code: no branch, and no call to a library.

    exp(x) = 2**n * exp(r), n = x / ln 2 rounded, |r| = |x - n * ln 2| <= ln 2 / 2, and exp(r) - 1 a polynomial

It is right to within 2 ulp, and overflows, underflows (gradually) and passes NaN on as it should; so is exp(x) - 1 where
x <= 0. Compiled without `FASTMATH`: its roundings are on purpose.
"""

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import overload

intrinsic: Any = numba.extending.intrinsic

# low and high, beyond which the result is 0 or inf; minus ln 2 in two parts, the first with so few digits that n times it
# is exact; the coefficients of (exp(r) - 1 - r) / r**2, the highest first
_SINGLE = -104.0, 89.0, -0.693359375, 2.12194440e-4, (
    1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
)  # fmt: skip
_DOUBLE = (
    -746.0,
    710.0,
    -6.93145751953125e-1,
    -1.42860682030941723212e-6,
    tuple(1 / math.factorial(i) for i in range(13, 1, -1)),
)


@numba.njit(fastmath=False, error_model="numpy")
def exp(x):
    """e to the power x: a scalar, in a kernel."""
    n, q = _reduced(x)
    y = q + type(x)(1)
    m = _rint(n * type(x)(0.5))  # in two steps: 2**n alone may overflow, or be subnormal
    return y * _exp2(m) * _exp2(n - m)


@numba.njit(fastmath=False, error_model="numpy")
def expm1(x):
    """e to the power x, less 1, of an x <= 0: a scalar, in a kernel. Of a positive x it is anything."""
    n, q = _reduced(x)
    low, one = type(x)(-64), type(x)(1)
    scale = _exp2(low if n < low else n)
    return scale * q + (scale - one)


def _reduced(x):
    """n and q with exp(x) = 2**n * (1 + q): the same steps for both floats, with constants of its own for each."""
    raise NotImplementedError


@overload(_reduced)
def _compiled(x):
    real: Any = np.float32 if x == types.float32 else np.float64
    *constants, coefficients = _SINGLE if x == types.float32 else _DOUBLE
    low, high, ln2, rest, log2e = map(real, (*constants, 1 / math.log(2)))
    lead, others = real(coefficients[0]), tuple(map(real, coefficients[1:]))

    def reduced(x):
        x = low if x < low else x
        x = high if x > high else x
        n = _rint(x * log2e)
        r = _fma(n, rest, _fma(n, ln2, x))
        p = lead
        for c in numba.literal_unroll(others):
            p = _fma(p, r, c)
        return n, _fma(p, r * r, r)

    return reduced


@intrinsic
def _rint(typing, x):
    def codegen(context, builder, signature, args):
        return builder.call(builder.module.declare_intrinsic("llvm.rint", [args[0].type]), args)

    return x(x), codegen


@intrinsic
def _fma(typing, a, b, c):
    def codegen(context, builder, signature, args):
        real = args[0].type
        f = builder.module.declare_intrinsic("llvm.fmuladd", [real], ir.FunctionType(real, [real] * 3))
        return builder.call(f, args)

    return a(a, a, a), codegen


@intrinsic
def _exp2(typing, n):
    """2**n of a whole number n that is small enough, from its bits. NaN gives anything."""
    bits, digits, bias = (32, 23, 127) if n == types.float32 else (64, 52, 1023)

    def codegen(context, builder, signature, args):
        integer = context.get_value_type(types.Integer.from_bitwidth(bits))
        whole = builder.fptosi(args[0], integer)
        power = builder.shl(builder.add(whole, integer(bias)), integer(digits))
        return builder.bitcast(power, args[0].type)

    return n(n), codegen
