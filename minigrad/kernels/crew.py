"""The threads that make the parts of kernels, and wait for more: they look at the board for a while, and then sleep.

Numba's own `parallel=True` aborts the process when two Python threads enter it and costs seconds of compile time. Here
kernels release the GIL and run on a few threads of our own; the calling thread works too. Where another process keeps a
core busy, the thread on it takes fewer parts. Functions of Python (`call`), such as products by BLAS, are made by the
same threads, which then need the GIL for each.
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
from typing import Any

import numpy as np

from . import board, threads

_workers: list[_Worker]
_hiring: threading.Lock
_board: np.ndarray
_using: threading.Lock  # the board
_addresses: dict[tuple, int] = {}  # of kernels, by the types of their arguments


def run(kernel: Any, args: tuple, parts: Sequence[tuple[int, ...]]) -> None:
    """Call kernel(*args, *part) for all parts, each thread the next one, and return when all are done."""
    if len(parts) == 1 or not _using.acquire(blocking=False):  # the others are busy with the work of another caller
        for part in parts:
            kernel(*args, *part)
        return
    try:
        types = (kernel, *[(a.dtype, a.ndim) if isinstance(a, np.ndarray) else type(a) for a in args])
        address = _addresses.get(types)
        if address is None:
            address = _addresses[types] = board.address(kernel, (*args, *parts[0]))
        helpers = _at_work(len(parts) - 1)
        for worker in helpers:
            worker.wake()
        if not board.share(len(parts[0]))(_board, len(helpers), address, np.array(parts, np.int64), *args):
            raise MemoryError(f"no memory for the kernel {kernel.__name__}")
    finally:
        _using.release()


def call(function: Callable, calls: Sequence[tuple]) -> None:
    """Make all calls function(*args) of a Python function, each thread the next one, and return when all are done."""
    if len(calls) == 1:
        function(*calls[0])
        return
    job = _Job(function, calls)
    for worker in _at_work(len(calls) - 1):
        worker.call(job)
    try:
        job.work()
    finally:  # never leave while another thread still writes to our arrays
        errors = job.wait()
    for error in errors:
        raise error


class _Job:
    """Calls of a function, taken one by one."""

    def __init__(self, function: Callable, calls: Sequence[tuple]) -> None:
        self.function, self.rest = function, deque(calls)
        self.lock, self.helpers, self.over = threading.Lock(), 0, False
        self.done: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self) -> None:
        """Make calls until none is left."""
        while self.rest:
            try:
                args = self.rest.popleft()
            except IndexError:  # another thread was faster
                return
            self.function(*args)

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
    """A thread that lives as long as the process: it makes parts of kernels, and sleeps where there are none."""

    def __init__(self, number: int) -> None:
        self.number, self.board = number, _board
        self.queue: SimpleQueue[_Job | None] = SimpleQueue()
        self.avoided = -1  # a core
        self.thread = threading.Thread(target=self._work, name=f"minigrad-{number + 1}", daemon=True)
        self.thread.start()

    def wake(self) -> None:
        """See to it that it looks at the board, now or soon."""
        if self.board[board.ASLEEP + self.number]:
            self.board[board.ASLEEP + self.number] = 0
            self.queue.put(None)

    def call(self, job: _Job) -> None:
        """Have it help with calls of Python."""
        self.queue.put(job)
        self.board[board.CALLED + self.number] += 1  # which ends its looking at the board

    def _work(self) -> None:
        heard = 0
        while True:
            board.serve(self.board, self.number, heard, board.IDLE)
            job = self.queue.get()
            if job is not None:
                heard += 1
                job.help()
                del job  # a thread that sleeps keeps nothing alive

    def avoid(self, core: int) -> None:
        """Run on any core but this one, the caller's: some schedulers wake a thread on the core that woke it."""
        self.avoided = core
        if others := _cores - {core}:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(self.thread.native_id or 0, others)


def _at_work(n: int) -> list[_Worker]:
    """As many threads, if so many are allowed, each off the caller's core."""
    n = min(n, threads.get_num_threads() - 1, board.MOST)
    if len(_workers) < n:
        with _hiring:
            while len(_workers) < n:
                _workers.append(_Worker(len(_workers)))
    helpers = _workers[:n]
    if _current_core is not None:
        core = _current_core()
        for worker in helpers:
            if core != worker.avoided:
                worker.avoid(core)
    return helpers


def _start_anew() -> None:
    """No threads yet, and an empty board. In a child process too, which has none of its parent's threads."""
    global _workers, _hiring, _board, _using
    _workers, _hiring = [], threading.Lock()
    _board, _using = np.zeros(board.WORDS, np.int64), threading.Lock()


# The core that a thread is on, and those it may be on, where the system (Linux with glibc or musl) tells.
_current_core = getattr(ctypes.CDLL(None), "sched_getcpu", None) if sys.platform.startswith("linux") else None
_cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
_start_anew()
