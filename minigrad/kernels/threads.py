"""Threads for kernels: a range is cut into equal parts, always the same way, and each thread takes the next part.

Numba's own `parallel=True` aborts the process when two Python threads enter it and costs seconds of compile time. Here
kernels release the GIL and run on a few threads of our own, each with a queue; the calling thread works too. Where
another process keeps a core busy, the thread on it takes fewer parts. Who takes a part changes nothing in it, and what
parts give is added up in their order: for a given number of threads results are the same bit for bit.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from ..ranges import COUNT, check

WORTH = 20_000_000  # operations below which handing work to a second thread (some 75 microseconds) does not pay
SHARES = 4  # parts for each thread, where a part needs nothing of its own
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


def spans(count: int, work: float, shares: int = SHARES) -> list[tuple[int, int]]:
    """Cut range(count) into equal parts (lo, hi), `shares` for each thread, or into one if there is less than WORTH of work."""
    parts = 1
    if _threads > 1 and work >= WORTH:
        each = max(1, min(shares, int(work // (_threads * max(WORTH, 1)))))  # a part is WORTH handing out
        parts = max(1, min(_threads * each, count))
    return [(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def run(kernel: Callable, calls: Sequence[tuple]) -> None:
    """Make all calls kernel(*args), each thread the next one, and return when all are done."""
    if len(calls) == 1:
        kernel(*calls[0])
        return
    job = _Job(kernel, calls)
    for worker in _at_work(min(_threads, len(calls)) - 1):
        worker.queue.put(job)
    try:
        job.work()
    finally:  # never leave while another thread still writes to our arrays
        errors = job.wait()
    for error in errors:
        raise error


class _Job:
    """Calls of a kernel, taken one by one."""

    def __init__(self, kernel: Callable, calls: Sequence[tuple]) -> None:
        self.kernel, self.rest = kernel, deque(calls)
        self.lock, self.helpers, self.over = threading.Lock(), 0, False
        self.done: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self) -> None:
        """Make calls until none is left."""
        while self.rest:
            try:
                args = self.rest.popleft()
            except IndexError:  # another thread was faster
                return
            self.kernel(*args)

    def help(self) -> None:
        """Work, in a thread of ours, unless it wakes only when all is over: such a one is not waited for."""
        with self.lock:
            if self.over:
                return
            self.helpers += 1
        try:
            self.work()
        except BaseException as error:
            self.done.put(error)
        else:
            self.done.put(None)

    def wait(self) -> list[BaseException]:
        """The errors of the threads that help, when they are done."""
        self.rest.clear()
        with self.lock:
            self.over = True
        return [error for _ in range(self.helpers) if (error := self.done.get()) is not None]


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
        job = queue.get()
        job.help()
        del job  # a thread that sleeps keeps nothing alive


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
