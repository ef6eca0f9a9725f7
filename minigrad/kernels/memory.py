"""Keep the memory that arrays give back, for the next ones: a page touched for the first time costs far more than one
touched again, and a training step allocates the same arrays every time.
"""

import ctypes
import os
import sys

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # the names that mallopt has for them
_LARGEST = 32 << 20  # the most that glibc allows: larger arrays still come from the system


def keep() -> None:
    """Ask glibc's allocator, where it is in use, not to return freed memory to the system. MINIGRAD_KEEP_MEMORY=0: don't.

    The process then holds on to its peak, within which arrays come and go without page faults.
    """
    if not sys.platform.startswith("linux") or os.environ.get("MINIGRAD_KEEP_MEMORY") == "0":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
