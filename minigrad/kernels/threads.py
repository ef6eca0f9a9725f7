"""Threads for kernels: a range is cut into equal parts, one part per thread, always the same way.

Numba's own `parallel=True` aborts the process when two Python threads enter it and costs seconds of compile time. Here
kernels release the GIL and run on a few threads of our own, each with a queue; the calling thread works too. Nothing is
stolen and nothing is balanced at run time, so for a given number of threads results are the same bit for bit.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from ..ranges import COUNT, check

WORTH = 20_000_000  # operations below which handing work to a second thread (some 75 microseconds) does not pay
PASS = 50  # what reading and writing one number of an array costs, in operations of a register tile

_lock = threading.Lock()
_workers: list[_Worker] = []
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


def spans(count: int, work: float) -> list[tuple[int, int]]:
    """Cut range(count) into equal parts (lo, hi), one per thread, or into a single part if the work is small."""
    parts = max(1, min(_threads, count)) if work >= WORTH else 1
    return [(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def run(kernel: Callable, calls: Sequence[tuple]) -> None:
    """Make all calls kernel(*args) at the same time, and return when all are done."""
    if len(calls) == 1:
        kernel(*calls[0])
        return
    done: SimpleQueue = SimpleQueue()
    for worker, args in zip(_at_work(len(calls) - 1), calls[1:]):
        worker.queue.put((kernel, args, done))
    try:
        kernel(*calls[0])
    finally:  # never leave while another thread still writes to our arrays
        errors = [done.get() for _ in calls[1:]]
    for error in filter(None, errors):
        raise error


class _Worker:
    """A thread that lives as long as the process, and sleeps until there is work."""

    def __init__(self, name: str) -> None:
        self.queue: SimpleQueue = SimpleQueue()
        self.avoided = -1  # a core
        self.thread = threading.Thread(target=_work, args=(self.queue,), name=name, daemon=True)
        self.thread.start()

    def avoid(self, core: int) -> None:
        """Run on any core but this one, the caller's: some schedulers wake a thread on the core that woke it."""
        others = _cores - {core}
        if core != self.avoided and others:
            self.avoided = core
            with contextlib.suppress(OSError):
                os.sched_setaffinity(self.thread.native_id or 0, others)


def _at_work(n: int) -> list[_Worker]:
    with _lock:
        while len(_workers) < n:
            _workers.append(_Worker(f"minigrad-{len(_workers) + 1}"))
    if _current_core is not None:
        core = _current_core()
        for worker in _workers[:n]:
            worker.avoid(core)
    return _workers[:n]


def _work(queue: SimpleQueue) -> None:
    while True:
        kernel, args, done = queue.get()
        error = None
        try:
            kernel(*args)
        except BaseException as e:
            error = e
        done.put(error)
        del kernel, args, done, error  # a thread that sleeps keeps nothing alive


def _after_fork():
    """A child process has none of its parent's threads, and perhaps a lock that nobody will open again."""
    global _workers, _lock
    _workers, _lock = [], threading.Lock()


def _default() -> int:
    asked = os.environ.get("MINIGRAD_NUM_THREADS")
    if asked is not None:
        if not asked.isdigit() or int(asked) < 1:
            raise ValueError(f"MINIGRAD_NUM_THREADS must be a whole number of at least 1, got {asked!r}")
        set_num_threads(int(asked))
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# The core that a thread is on, and those it may be on, where the system (Linux with glibc or musl) tells.
_current_core = getattr(ctypes.CDLL(None), "sched_getcpu", None) if sys.platform.startswith("linux") else None
_cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
_threads = _default()
