"""Optimizer steps: parameters, gradients and state are read and written once each, in place, all in one call.

A network has many small parameters, and handing arrays over to a kernel takes longer than moving a bias. So a kernel
gets one table of integers with a column for each parameter: its size, and the places of its arrays, which is what `id`
tells. `_array` makes arrays of them again.
"""

import ctypes
import functools
import itertools
from typing import Any

import numba
import numpy as np
from numba import types
from numba.np.unsafe.ndarray import to_fixed_tuple

from . import crew, plain, threads
from .jit import kernel

_HEAD = object.__basicsize__  # what every Python object begins with; in an array, the address of its numbers follows
_MOST = 3  # arrays of state that a rule may have
_probe = np.empty(1)
assert ctypes.c_void_p.from_address(id(_probe) + _HEAD).value == _probe.ctypes.data


def update(rule, ps, gs, states, numbers, *, keep=1.0, decay=0.0):
    arrays = _movable(ps, gs, states)
    sizes = [a.size for a in arrays]
    if sizes[: len(ps)] * (len(sizes) // len(ps)) != sizes or not sizes:  # not one size for each, or none can be moved
        plain.update(rule, ps, gs, states, numbers, keep=keep, decay=decay)
        return
    places = [*map(id, arrays), *[0] * (_MOST - len(states)) * len(ps)]
    table = np.array([*sizes[: len(ps)], *places], np.int64).reshape(-1, len(ps))
    like, coefficients = ps[0].reshape(-1), np.array([keep, decay, *numbers], ps[0].dtype)
    size, walk = sum(sizes[: len(ps)]), _walk(rule, len(states), len(numbers))
    crew.run(walk, (table, like, coefficients), threads.spans(size, threads.PASS * size))


def _movable(ps, gs, states):
    """All arrays in a list, gradients copied where need be; none if a kernel cannot move the others in place.

    For that they must be of one dtype, C-contiguous and writable.
    """
    dtype, arrays = ps[0].dtype, [*ps, *gs, *itertools.chain(*states)]
    if not _fit(arrays, dtype):
        arrays[len(ps) : 2 * len(ps)] = [np.array(g, dtype, order="C") for g in gs]
        if not _fit(arrays, dtype):
            return []
    return arrays


def _fit(arrays, dtype):
    return False not in [a.flags.carray and a.dtype == dtype for a in arrays]


@functools.cache
def _walk(rule, n, k):
    """The kernel for a rule with n arrays of state and k coefficients, compiled when it is first needed."""
    move = numba.extending.register_jitable(rule)

    def walk(table, like, coefficients, lo, hi):
        begin, keep, decay = 0, coefficients[0], coefficients[1]
        numbers = _tuple(coefficients[2:], k)
        for i in range(table.shape[1]):  # every parameter, as far as it lies between lo and hi of all numbers
            start, stop = max(lo - begin, 0), min(hi - begin, table[0, i])
            begin += table[0, i]
            if start >= stop:
                continue
            p, g = _array(table[1, i], start, stop, like), _array(table[2, i], start, stop, like)
            if n >= 1:
                a = _array(table[3, i], start, stop, like)
            if n >= 2:
                b = _array(table[4, i], start, stop, like)
            if n >= 3:
                c = _array(table[5, i], start, stop, like)
            for j in range(p.size):
                d, q = g[j] + decay * p[j], keep * p[j]
                if n == 0:
                    (p[j],) = move(q, d, *numbers)
                elif n == 1:
                    p[j], a[j] = move(q, d, a[j], *numbers)
                elif n == 2:
                    p[j], a[j], b[j] = move(q, d, a[j], b[j], *numbers)
                else:
                    p[j], a[j], b[j], c[j] = move(q, d, a[j], b[j], c[j], *numbers)

    walk.__name__ = walk.__qualname__ = rule.__name__
    return kernel(walk)


# What an intrinsic makes is called with other arguments than what it decorates.
intrinsic: Any = numba.extending.intrinsic
_tuple: Any = to_fixed_tuple


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
