"""How every kernel of this floor is compiled: `@kernel` above a function, and nothing at import.

A kernel is compiled on its first call, once per dtype, and kept on disk. Numba would compile it again for every other
memory layout and for every read-only array, so kernels only ever see what `contiguous` lets through.
"""

import contextlib
import pathlib

import numba
import numpy as np

from . import memory

# Sums may be reordered and multiply-adds contracted; NaN and infinity keep their meaning.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}


def kernel(function):
    """Compile `function` on first use: no GIL while it runs, kept on disk where the disk allows it."""
    dispatcher = numba.njit(nogil=True, fastmath=FASTMATH, error_model="numpy")(function)
    try:
        dispatcher.enable_caching()
    except RuntimeError:  # no directory can be written: compile anew in every process
        return dispatcher
    _stamp(dispatcher)
    _survive_a_full_disk(dispatcher)
    return dispatcher


def _survive_a_full_disk(dispatcher):
    """A kernel that cannot be written is compiled again next time; the work goes on."""
    save = dispatcher._cache.save_overload

    def save_or_not(*args):
        with contextlib.suppress(OSError):
            save(*args)

    dispatcher._cache.save_overload = save_or_not


def contiguous(x: np.ndarray) -> np.ndarray:
    """x itself if it is C-contiguous, aligned and writable, else a copy that is: one type for Numba."""
    return x if x.flags.carray else x.copy()


def channels_last(x: np.ndarray) -> np.ndarray:  # (N,C,H,W) -> (N,H,W,C)
    """The (N,H,W,C) memory behind a logical (N,C,H,W) array: free if it is stored that way, else a copy."""
    return contiguous(x.transpose(0, 2, 3, 1))


def channels_first(y: np.ndarray) -> np.ndarray:  # (N,H,W,C) -> (N,C,H,W)
    """The logical (N,C,H,W) view of (N,H,W,C) memory."""
    return y.transpose(0, 3, 1, 2)


def _stamp(dispatcher):
    """A kernel on disk is stale when any file of this folder changed: Numba looks only at the kernel's own file."""
    cache_file = getattr(dispatcher._cache, "_cache_file", None)
    if cache_file is not None:
        cache_file._source_stamp = _SOURCES


memory.keep()  # whoever runs kernels wants it

_FILES = sorted(pathlib.Path(__file__).parent.glob("*.py"))
_SOURCES = tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in _FILES)
