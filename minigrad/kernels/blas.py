"""Matrix products by NumPy's BLAS, shared out over our own threads.

BLAS has threads too, but they spin for a while after each product, on the cores that the next kernel needs. So a large
product is cut in two or more, one part for each of our threads, and BLAS is held to one meanwhile.
"""

import threading
from contextlib import contextmanager

import numpy as np

from . import threads

_lock = threading.Lock()
_libraries = None
_inside, _before = 0, []


def matmul(a, b):
    work = 2.0 * a.shape[-2] * a.shape[-1] * b.shape[-1]
    if a.ndim != 2 or b.ndim != 2 or work < threads.WORTH or a.dtype != b.dtype or a.dtype.kind != "f":
        return a @ b
    (m, _), n = a.shape, b.shape[1]
    parts = threads.spans(max(m, n), work)
    if len(parts) == 1:
        return a @ b
    out = np.empty((m, n), a.dtype)
    if m >= n:
        calls = [(a[lo:hi], b, out[lo:hi]) for lo, hi in parts]
    else:
        calls = [(a, b[:, lo:hi], out[:, lo:hi]) for lo, hi in parts]
    with _one_thread():
        threads.run(np.matmul, calls)
    return out


@contextmanager
def _one_thread():
    """BLAS uses one thread, until the last of those who asked for it leaves."""
    global _libraries, _inside, _before
    with _lock:
        if _libraries is None:
            from threadpoolctl import ThreadpoolController

            _libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        if not _inside:
            _before = [library.get_num_threads() for library in _libraries]
            for library in _libraries:
                library.set_num_threads(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for library, n in zip(_libraries, _before):
                    library.set_num_threads(n)
