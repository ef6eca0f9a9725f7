"""Matrix products by NumPy's BLAS, shared out over our own threads.

BLAS has threads too, but after each product they spin for a while, on the cores that the next kernel needs. So it is
held to one thread for good (`threads.hold_blas`), and a large product is cut, one part for each of our threads.
"""

import numpy as np

from . import threads


def matmul(a, b):
    if a.ndim != 2 or b.ndim != 2:
        return a @ b
    (m, k), n = a.shape, b.shape[1]
    work = 2.0 * m * k * n
    if work < threads.WORTH or len(parts := threads.spans(max(m, n), work)) == 1:
        return a.dot(b)  # as `@`, with less ado
    out = np.empty((m, n), a.dtype)
    if m >= n:
        threads.run(np.matmul, [(a[lo:hi], b, out[lo:hi]) for lo, hi in parts])
    else:
        threads.run(np.matmul, [(a, b[:, lo:hi], out[:, lo:hi]) for lo, hi in parts])
    return out


threads.hold_blas()
