"""The exponential function, and the error function's complement, without branches and calls: loops become vector code.

    exp(x)  = 2**n * exp(r), n = x / ln 2 rounded, |r| = |x - n * ln 2| <= ln 2 / 2, and exp(r) - 1 a polynomial
    erfc(x) = exp(-x**2) * p / (1 + 2 x) where x >= 0, and 2 - erfc(-x) elsewhere; p is a polynomial in (x - k) / (x + k)
              (Shepherd & Laframboise 1981), x**2 is the rounded square and its error (Dekker 1971)

exp is right to within 2 ulp, and overflows, underflows (gradually) and passes NaN on as it should; so is exp(x) - 1 where
x <= 0. erfc is right to within 4 ulp of normal numbers. Compiled without `FASTMATH`: their roundings are on purpose.
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
# k, an x whose erfc is 0, and 1 + 2**(half of the digits); the coefficients of p, the highest first, of its expansion in
# Chebyshev polynomials
_TAIL_SINGLE = (2.5, 12.0, 2.0**12 + 1), (
    -6.190753097e-5, -6.391786604e-5, 5.757346293e-4, 4.633375206e-4, -4.350492340e-3, 9.467596303e-4,
    3.275205257e-2, -1.029705384e-1, 1.576309944e-1, -9.902424166e-2, -1.223568008e-1, 1.264838180,
)  # fmt: skip
_TAIL_DOUBLE = (3.75, 40.0, 2.0**27 + 1), (
    3.1114333809799254e-10, -2.623107347133476e-09, -3.744210080962018e-09, 3.197926671666804e-08,
    2.3263508708859124e-08, -2.4857126248016745e-07, -5.7218230603224086e-08, 1.7419821586224816e-06,
    -9.73559896736775e-07, -1.1438048033346894e-05, 2.238423915508223e-05, 5.164652974177416e-05,
    -0.0002901540805408417, 0.000293714378044958, 0.0017556258528952954, -0.009746579683265262, 0.028362277418956406,
    -0.05869339857664934, 0.09230432116037748, -0.10880393014244462, 0.0822767384901452, 0.0035854154854790257,
    -0.14024059858554697, 1.2375126308378275,
)  # fmt: skip


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


@numba.njit(fastmath=False, error_model="numpy")
def bell(x):
    """exp(-x * x) and erfc(x): scalars, in a kernel."""
    one = type(x)(1)
    size, error, p = _tail(abs(x))
    height = exp(-size) * (one - error)
    tail = height * p
    return height, tail if x >= 0 else type(x)(2) - tail


def _tail(x):
    """Of an x >= 0 its rounded square, what that is off by, and erfc(x) * exp(x * x)."""
    raise NotImplementedError


@overload(_tail)
def _compiled_tail(x):
    real: Any = np.float32 if x == types.float32 else np.float64
    (*constants, split), coefficients = _TAIL_SINGLE if x == types.float32 else _TAIL_DOUBLE
    middle, far, split = map(real, (*constants, split))
    lead, others, one, two = real(coefficients[0]), tuple(map(real, coefficients[1:])), real(1), real(2)

    def tail(x):
        x = far if x > far else x  # where erfc is 0
        square, upper = x * x, split * x
        upper = upper - (upper - x)  # half of the digits, and the others: their products are exact
        lower = x - upper
        error = ((upper * upper - square) + two * upper * lower) + lower * lower
        t, p = (x - middle) / (x + middle), lead
        for c in numba.literal_unroll(others):
            p = _fma(p, t, c)
        return square, error, p / (one + two * x)

    return tail


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
