"""Word of what is being compiled: nobody waits for more than a few seconds in silence."""

import os
import sys
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from numba.core.compiler_lock import global_compiler_lock

PATIENCE = 1.0  # seconds of compiling that pass without a word
PACE = 1.0  # seconds between two words about one kernel
LINES = 2.0  # seconds between two lines, where a line cannot be written over

Watcher = Callable[[str, bool | None], None]
_now: list[list] = []  # [name, whether it was on disk] of what is being compiled, innermost last: kernels call kernels


def told(dispatcher: Any) -> Callable:
    """A dispatcher's `compile`, with word of it to the watchers."""
    name = f"{dispatcher.__module__.rpartition('.')[2]}.{dispatcher.__name__}"
    compile = dispatcher.compile

    def compile_and_tell(signature):
        with global_compiler_lock:
            if signature in dispatcher.overloads:
                return compile(signature)
            if outermost := not _now:
                report.begin()
                done = threading.Event()
                threading.Thread(target=_remind, args=(done,), daemon=True).start()
            _now.append([name, False])
            try:
                compiled = compile(signature)
            finally:
                on_disk = _now.pop()[1]
                if outermost:
                    done.set()
                    report.end()
            _tell(name, on_disk)
        return compiled

    return compile_and_tell


def found_on_disk() -> None:
    """The kernel that was begun last need not be compiled."""
    _now[-1][1] = True


def _remind(done: threading.Event) -> None:
    while not done.wait(PACE):
        for name, _ in _now[-1:]:
            _tell(name, None)


def _tell(name: str, on_disk: bool | None) -> None:
    for watcher in watchers:
        watcher(name, on_disk)


class Report:
    """How many kernels this process has compiled, and for how long: on stderr, once that is more than a moment."""

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0
        self.begun: float | None = None
        self.said: float | None = None  # after so many seconds of compiling
        self.total: int | None = None  # kernels at the most, where that is known
        self.quiet = os.environ.get("MINIGRAD_QUIET", "0") != "0"

    def begin(self) -> None:
        self.begun = perf_counter()

    def end(self) -> None:
        self.seconds, self.begun = self._elapsed(), None
        if self.said is not None and sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # the line is somebody else's now

    def __call__(self, name: str, on_disk: bool | None) -> None:
        self.count += on_disk is False
        elapsed, terminal = self._elapsed(), sys.stderr.isatty()
        if self.quiet or self.begun is None or elapsed < PATIENCE:
            return
        if self.said is None or terminal or elapsed - self.said >= LINES:
            first = "" if self.said is not None and not terminal else ", once (`minigrad warmup` does it beforehand)"
            count = f"{self.count}" if self.total is None else f"{self.count} of at most {self.total}"
            name = _now[-1][0] if _now else name
            text = f"minigrad: compiling kernels for this machine{first}: {count} in {elapsed:.0f} s, now {name}"
            print(*(["\r", text, "\x1b[K"] if terminal else [text, "\n"]), sep="", end="", file=sys.stderr, flush=True)
            self.said = elapsed

    def _elapsed(self) -> float:
        return self.seconds + (0.0 if self.begun is None else perf_counter() - self.begun)


report = Report()
# Called with a kernel's name, and whether it was on disk; None: it is still being compiled.
watchers: list[Watcher] = [report]
