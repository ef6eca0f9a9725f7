"""Functions of one entry, and their gradients: one pass over memory each, whatever the layout.

    sigmoid     s(x) = 1 / (1 + exp(-x)), from exp(-|x|), which cannot overflow
    silu        y = x s(x)      dy/dx = s + x s (1 - s)
    gelu_erf    y = x N(x)      dy/dx = N + x n,  N = erfc(-x / sqrt(2)) / 2 and n its density
    gelu        y = x s(2 u)    dy/dx = s + x s (1 - s) 2 du/dx,  u = sqrt(2 / pi) (x + 0.044715 x**3)
    elu         y = x, or alpha (exp(x) - 1) where x <= 0
    leaky_relu  y = x, or slope x where x <= 0

GELU's usual form x / 2 (1 + tanh(u)) is the same: (1 + tanh(u)) / 2 = s(2 u). Far out, where s is 0 or 1, there
is no infinity times 0: below, an x counts as no further than where s is 0, and a slope of 0 is left out.
"""

import functools
import math

import numpy as np

from . import crew, threads
from .exponential import bell, exp, expm1
from .jit import kernel
from .plain import GELU_ERF_IS_RELU, GELU_IS_RELU, SILU_IS_RELU

_ROOT_HALF, _PEAK = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)
_SCALE = 2 * math.sqrt(2 / math.pi)
HEAVY = 2 * threads.PASS  # what an exponential and its surroundings cost for each number


def sigmoid(x):
    return _apply(_sigmoid, HEAVY, x)


def sigmoid_backward(g, y):
    return _apply(_sigmoid_backward, threads.PASS, y, g)


def tanh_backward(g, y):
    return _apply(_tanh_backward, threads.PASS, y, g)


def silu(x):
    return _apply(_silu, HEAVY, x)


def silu_backward(g, x):
    return _apply(_silu_backward, HEAVY, x, g)


def gelu(x):
    return _apply(_gelu, HEAVY, x)


def gelu_backward(g, x):
    return _apply(_gelu_backward, HEAVY, x, g)


def erf(x):
    return _apply(_erf, HEAVY, x)


def erfc(x):
    return _apply(_erfc, HEAVY, x)


def gelu_erf(x):
    return _apply(_gelu_erf, HEAVY, x)


def gelu_erf_backward(g, x):
    return _apply(_gelu_erf_backward, HEAVY, x, g)


def elu(x, *, alpha):
    return _apply(_elu, HEAVY, x, parameters=(x.dtype.type(alpha),))


def elu_backward(g, x, *, alpha):
    return _apply(_elu_backward, HEAVY, x, g, parameters=(x.dtype.type(alpha),))


def leaky_relu(x, *, slope):
    return _apply(_leaky_relu, threads.PASS, x, parameters=(x.dtype.type(slope),))


def leaky_relu_backward(g, x, *, slope):
    return _apply(_leaky_relu_backward, threads.PASS, x, g, parameters=(x.dtype.type(slope),))


def relu(x):
    return _apply(_relu, threads.PASS, x)


def gate(g, y):
    return _apply(_gate, threads.PASS, y, g)


def _apply(function, cost, *arrays, parameters=()):
    """function(*arrays, out, *parameters) on all of memory in its own order, whatever that is; out is like the first."""
    out = np.empty_like(arrays[0])
    flat = [_flat(_laid_out(a, out)) for a in (*arrays, out)]
    crew.run(function, (*flat, *parameters), threads.spans(out.size, cost * out.size))
    return out


def _laid_out(a, like):
    """a itself if it lies in memory as `like` does, which has no gaps, else a copy that does."""
    if a.strides == like.strides and a.flags.behaved:
        return a
    copy = np.empty_like(like)
    copy[...] = a
    return copy


def _flat(a):
    """An array without gaps as a vector, in the order of memory."""
    return a.reshape(-1) if a.flags.c_contiguous else a.transpose(_order(a.strides)).reshape(-1)


@functools.lru_cache(1024)
def _order(strides):
    return sorted(range(len(strides)), key=lambda axis: -strides[axis])


@kernel
def _s(x):
    """The sigmoid of a scalar, and its derivative s (1 - s)."""
    one = type(x)(1)
    z = exp(-abs(x))
    large = one / (one + z)
    small = z * large
    return small if x < 0 else large, small * large


@kernel
def _sigmoid(x, out, lo, hi):
    x, out = x[lo:hi], out[lo:hi]
    for i in range(out.size):
        out[i] = _s(x[i])[0]


@kernel
def _sigmoid_backward(y, g, out, lo, hi):
    y, g, out = y[lo:hi], g[lo:hi], out[lo:hi]
    one = y.dtype.type(1)
    for i in range(out.size):
        out[i] = g[i] * (y[i] * (one - y[i]))


@kernel
def _tanh_backward(y, g, out, lo, hi):
    y, g, out = y[lo:hi], g[lo:hi], out[lo:hi]
    one = y.dtype.type(1)
    for i in range(out.size):
        out[i] = g[i] * (one - y[i] * y[i])


@kernel
def _not_below(x, low):
    return low if x < low else x


@kernel
def _unless_flat(slope, more):
    return more if slope > 0 else type(slope)(0)


@kernel
def _silu(x, out, lo, hi):
    x, out = x[lo:hi], out[lo:hi]
    limit = x.dtype.type(SILU_IS_RELU)
    for i in range(out.size):
        near = _not_below(x[i], -limit)
        out[i] = near * _s(near)[0]


@kernel
def _silu_backward(x, g, out, lo, hi):
    x, g, out = x[lo:hi], g[lo:hi], out[lo:hi]
    for i in range(out.size):
        s, slope = _s(x[i])
        out[i] = g[i] * (s + _unless_flat(slope, x[i] * slope))


@kernel
def _gelu(x, out, lo, hi):
    x, out = x[lo:hi], out[lo:hi]
    limit = x.dtype.type(GELU_IS_RELU)
    for i in range(out.size):
        near = _not_below(x[i], -limit)
        out[i] = near * _s(_two_u(near))[0]


@kernel
def _erf(x, out, lo, hi):
    x, out = x[lo:hi], out[lo:hi]
    for i in range(out.size):
        out[i] = math.erf(x[i])


@kernel
def _erfc(x, out, lo, hi):
    x, out = x[lo:hi], out[lo:hi]
    for i in range(out.size):
        out[i] = bell(x[i])[1]


@kernel
def _gelu_erf(x, out, lo, hi):
    x, out = x[lo:hi], out[lo:hi]
    limit, half, scale = x.dtype.type(GELU_ERF_IS_RELU), x.dtype.type(0.5), x.dtype.type(-_ROOT_HALF)
    for i in range(out.size):
        near = _not_below(x[i], -limit)
        out[i] = near * (half * bell(near * scale)[1])


@kernel
def _gelu_erf_backward(x, g, out, lo, hi):
    x, g, out = x[lo:hi], g[lo:hi], out[lo:hi]
    half, scale, peak = x.dtype.type(0.5), x.dtype.type(-_ROOT_HALF), x.dtype.type(_PEAK)
    for i in range(out.size):
        height, tail = bell(x[i] * scale)
        density = peak * height
        out[i] = g[i] * (half * tail + _unless_flat(density, x[i] * density))


@kernel
def _gelu_backward(x, g, out, lo, hi):
    x, g, out = x[lo:hi], g[lo:hi], out[lo:hi]
    a, b = x.dtype.type(_SCALE), x.dtype.type(3 * 0.044715 * _SCALE)
    for i in range(out.size):
        s, slope = _s(_two_u(x[i]))
        out[i] = g[i] * (s + _unless_flat(slope, x[i] * slope * (a + b * x[i] * x[i])))


@kernel
def _two_u(x):
    a, b = type(x)(_SCALE), type(x)(0.044715 * _SCALE)
    return x * (a + b * x * x)


@kernel
def _elu(x, out, alpha, lo, hi):
    x, out = x[lo:hi], out[lo:hi]
    for i in range(out.size):
        below = alpha * expm1(x[i])
        out[i] = x[i] if x[i] > 0 else below


@kernel
def _elu_backward(x, g, out, alpha, lo, hi):
    x, g, out = x[lo:hi], g[lo:hi], out[lo:hi]
    for i in range(out.size):
        above = g[i]  # read in any case: then the loop has no branch
        below = above * alpha * exp(x[i])
        out[i] = above if x[i] > 0 else below


@kernel
def _leaky_relu(x, out, slope, lo, hi):
    x, out = x[lo:hi], out[lo:hi]
    for i in range(out.size):
        below = slope * x[i]
        out[i] = x[i] if x[i] > 0 else below


@kernel
def _leaky_relu_backward(x, g, out, slope, lo, hi):
    x, g, out = x[lo:hi], g[lo:hi], out[lo:hi]
    for i in range(out.size):
        above = g[i]
        below = slope * above
        out[i] = above if x[i] > 0 else below


@kernel
def _relu(x, out, lo, hi):
    x, out = x[lo:hi], out[lo:hi]
    for i in range(out.size):
        out[i] = 0 if x[i] <= 0 else x[i]  # NaN stays


@kernel
def _gate(y, g, out, lo, hi):
    y, g, out = y[lo:hi], g[lo:hi], out[lo:hi]
    for i in range(out.size):
        passing = g[i]
        out[i] = passing if y[i] > 0 else 0
