"""Matrix products by NumPy's BLAS, shared out over our own threads.

BLAS has threads too, but after each product they spin for a while, on the cores that the next kernel needs. So it is
held to one thread for good (`threads.hold_blas`), and a large product is cut, one part for each of our threads.
"""

import numpy as np

from . import crew, threads


def matmul(a, b):
    if a.ndim != 2 or b.ndim != 2:
        return _batches(a, b)
    (m, k), n = a.shape, b.shape[1]
    work = 2.0 * m * k * n
    if work < threads.WORTH_CALLING or len(parts := threads.spans(max(m, n), work, 1)) == 1:
        return a.dot(b)  # as `@`, with less ado
    out = np.empty((m, n), a.dtype)
    if m >= n:
        crew.call(np.matmul, [(a[lo:hi], b, out[lo:hi]) for lo, hi in parts])
    else:
        crew.call(np.matmul, [(a, b[:, lo:hi], out[:, lo:hi]) for lo, hi in parts])
    return out


def _batches(a, b):
    """Products of many matrices, shared out by the first axis."""
    if a.ndim != b.ndim or a.shape[:-2] != b.shape[:-2]:
        return a @ b
    if a.size and b.strides[-1] != b.itemsize and b.size < a.size // a.shape[-1] * b.shape[-1]:
        b = np.ascontiguousarray(b)  # a transposed one; BLAS would read it again and again
    work = 2.0 * a.size * b.shape[-1]
    many = a.shape[0] * (a.shape[1] if a.ndim > 3 else 1)
    if work < threads.WORTH_CALLING or len(parts := threads.spans(many, work)) == 1:
        return a @ b
    out = np.empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    if a.ndim > 3:  # the first two axes as one would be, whatever the strides
        pairs = [(i, j) for i in range(a.shape[0]) for j in range(a.shape[1])]
        crew.call(_each, [(a, b, out, pairs[lo:hi]) for lo, hi in parts])
    else:
        crew.call(np.matmul, [(a[lo:hi], b[lo:hi], out[lo:hi]) for lo, hi in parts])
    return out


def _each(a, b, out, places):
    for i in places:
        np.matmul(a[i], b[i], out[i])


threads.hold_blas()
