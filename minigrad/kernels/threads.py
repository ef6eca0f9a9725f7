"""How many threads kernels use, and how work is cut for them: a range into equal parts, always the same way.

Who takes a part (`crew.py`) changes nothing in it, and what parts give is added up in their order: for a given number of
threads results are the same bit for bit.
"""

from __future__ import annotations

import os

from ..ranges import COUNT, check

WORTH = 1_500_000  # operations below which handing work to a second thread does not pay
WORTH_CALLING = 10_000_000  # the same where Python makes the calls
SHARES = 4  # parts for each thread, where a part needs nothing of its own
PASS = 20  # what reading and writing one number of an array in cache costs, in operations of a register tile

_threads = 1


def get_num_threads() -> int:
    """How many threads a kernel may use."""
    return _threads


def set_num_threads(n: int) -> None:
    """Let kernels use n threads, matrix products among them.

    The BLAS behind NumPy is held to one, in the whole process: large products are cut over minigrad's threads instead.
    """
    global _threads
    check("set_num_threads", COUNT, n=n)
    _threads = int(n)
    hold_blas()


def hold_blas() -> None:
    """From now on, NumPy's BLAS uses one thread: those of its own would spin on the cores that kernels need."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")


def spans(count: int, work: float, shares: int = SHARES) -> list[tuple[int, int]]:
    """Cut range(count) into equal parts (lo, hi), `shares` for each thread, or into one if there is less than WORTH of work."""
    parts = 1
    if _threads > 1 and work >= WORTH:
        worth = max(WORTH, 1)
        each = max(1, min(shares, int(work // (_threads * worth))))  # a part is WORTH handing out
        parts = max(1, min(_threads * each, max(2, int(2 * work // worth)), count))  # or half of that, to few threads
    return [(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def numbered(parts: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Each part with its number, for kernels whose parts have a result of their own: (i, lo, hi)."""
    return [(i, lo, hi) for i, (lo, hi) in enumerate(parts)]


def _default() -> int:
    asked = os.environ.get("MINIGRAD_NUM_THREADS")
    if asked is not None:
        if not asked.isdigit() or int(asked) < 1:
            raise ValueError(f"MINIGRAD_NUM_THREADS must be a whole number of at least 1, got {asked!r}")
        set_num_threads(int(asked))
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_threads = _default()
