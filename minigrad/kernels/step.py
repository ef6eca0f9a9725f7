"""Optimizer steps: parameters, gradients and state are read and written once each, in place, all in one call.

The rules are PyTorch's. Coefficients are computed in float64 and rounded once to the parameters' dtype. Which
parameters to move, and the learning rate of a step, are the caller's affair.

A network has many small parameters, and handing arrays over to a kernel takes longer than moving a bias. So a kernel
gets one table of integers with a column for each parameter: its size, a number of the rule's, and the places
of its arrays, which is what `id` tells. `_array` makes arrays of them again.
"""

import ctypes
import math
from typing import Any

import numba
import numpy as np
from numba import types

from . import plain, threads
from .jit import kernel

_HEAD = object.__basicsize__  # what every Python object begins with; in an array, the address of its numbers follows
_probe = np.empty(1)
assert ctypes.c_void_p.from_address(id(_probe) + _HEAD).value == _probe.ctypes.data


def sgd_step(ps, gs, vs, *, lr, momentum, dampening, nesterov, weight_decay, first):
    arrays = _movable(ps, gs, *([] if vs is None else vs))
    if arrays is None:
        rule = {"momentum": momentum, "dampening": dampening, "nesterov": nesterov, "weight_decay": weight_decay}
        plain.sgd_step(ps, gs, vs, lr=lr, first=first, **rule)
    elif vs is None:
        _run(_sgd, ps, arrays, first, float(lr), float(weight_decay))
    else:
        numbers = map(float, (lr, momentum, 1 - dampening, weight_decay))
        _run(_sgd_momentum, ps, arrays, first, *numbers, bool(nesterov))


def adam_step(ps, gs, ms, ss, *, lr, beta1, beta2, eps, weight_decay, decoupled, t):
    arrays = _movable(ps, gs, *ms, *ss)
    if arrays is None:
        rule = {"beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay, "decoupled": decoupled}
        plain.adam_step(ps, gs, ms, ss, lr=lr, t=t, **rule)
    else:
        _run(_adam, ps, arrays, t, *map(float, (lr, beta1, beta2, eps, weight_decay)), bool(decoupled))


def _movable(ps, gs, *states):
    """All arrays in a list, gradients copied where need be; None if a kernel cannot move the others in place.

    For that they must be of one dtype, C-contiguous and writable, and for each parameter of one size.
    """
    dtype, arrays = ps[0].dtype, [*ps, *gs, *states]
    if not _fit(arrays, dtype):
        if not _fit([*ps, *states], dtype):
            return None
        arrays[len(ps) : 2 * len(ps)] = [np.array(g, dtype, order="C") for g in gs]
    sizes = [a.size for a in arrays]
    return arrays if sizes == sizes[: len(ps)] * (len(sizes) // len(ps)) else None


def _fit(arrays, dtype):
    return False not in [a.flags.carray and a.dtype == dtype for a in arrays]


def _run(function, ps, arrays, numbers, *rule):
    sizes = [p.size for p in ps]
    size = sum(sizes)
    table = np.array([*sizes, *numbers, *map(id, arrays)], np.int64).reshape(-1, len(ps))
    like = ps[0].reshape(-1)
    threads.run(function, [(table, like, *rule, lo, hi) for lo, hi in threads.spans(size, threads.PASS * size)])


intrinsic: Any = numba.extending.intrinsic  # what it makes is called with other arguments than what it decorates


@intrinsic
def _pointer(typing, address, like):
    """An integer as a pointer to numbers of like's dtype."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(types.int64, like), codegen


@kernel
def _array(place, start, stop, like):
    """The numbers from start to stop of the array at that place."""
    address = numba.carray(_pointer(place + _HEAD, np.empty(0, np.int64)), 1)[0]
    return numba.carray(_pointer(address, like), stop)[start:]


@kernel
def _sgd(table, like, lr, decay, lo, hi):
    real, begin = like.dtype.type, 0
    for i in range(table.shape[1]):  # every parameter, as far as it lies between lo and hi of all numbers
        a, b = max(lo - begin, 0), min(hi - begin, table[0, i])
        begin += table[0, i]
        if a < b:
            p, g = _array(table[2, i], a, b, like), _array(table[3, i], a, b, like)
            _move_plainly(p, g, real(lr), real(decay))


@kernel
def _move_plainly(p, g, lr, decay):
    for j in range(p.size):
        p[j] -= lr * (g[j] + decay * p[j])


@kernel
def _sgd_momentum(table, like, lr, momentum, take, decay, nesterov, lo, hi):
    real, begin = like.dtype.type, 0
    for i in range(table.shape[1]):
        a, b = max(lo - begin, 0), min(hi - begin, table[0, i])
        begin += table[0, i]
        if a < b:
            p, g, v = _array(table[2, i], a, b, like), _array(table[3, i], a, b, like), _array(table[4, i], a, b, like)
            first = table[1, i]
            if first:
                v[:] = 0
            _move_with_momentum(p, g, v, real(lr), real(momentum), real(1 if first else take), real(decay), nesterov)


@kernel
def _move_with_momentum(p, g, v, lr, momentum, take, decay, nesterov):
    for j in range(p.size):
        d = g[j] + decay * p[j]
        v[j] = momentum * v[j] + take * d
        p[j] -= lr * (d + momentum * v[j] if nesterov else v[j])


@kernel
def _adam(table, like, lr, beta1, beta2, eps, weight_decay, decoupled, lo, hi):
    real, begin = like.dtype.type, 0
    keep, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    for i in range(table.shape[1]):
        a, b = max(lo - begin, 0), min(hi - begin, table[0, i])
        begin += table[0, i]
        if a < b:
            p, g = _array(table[2, i], a, b, like), _array(table[3, i], a, b, like)
            m, s = _array(table[4, i], a, b, like), _array(table[5, i], a, b, like)
            t = np.float64(table[1, i])
            root = math.sqrt(1 - beta2**t)
            rate = lr / (1 - beta1**t) * root
            moments = real(1 - beta1), real(beta2), real(1 - beta2)
            _move_by_moments(p, g, m, s, real(keep), real(decay), moments, real(rate), real(eps * root))


@kernel
def _move_by_moments(p, g, m, s, keep, decay, moments, rate, eps):
    take1, keep2, take2 = moments
    for j in range(p.size):
        d = g[j] + decay * p[j]
        m[j] += take1 * (d - m[j])
        s[j] = keep2 * s[j] + take2 * (d * d)
        p[j] = keep * p[j] - rate * m[j] / (math.sqrt(s[j]) + eps)
