"""Word of what is being compiled: nobody waits for more than a few seconds in silence."""

import os
import shutil
import sys
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from numba.core.compiler_lock import global_compiler_lock

from .. import notebook

PATIENCE = 1.0  # seconds of compiling that pass without a word
PACE = 1.0  # seconds between two words about one kernel
LINES = 2.0  # seconds between two lines, where a line cannot be written over

Watcher = Callable[[str, bool | None], None]
_now: list[list] = []  # [name, whether it was on disk] of what was asked for, innermost last: kernels call kernels


def told(dispatcher: Any, kept: bool) -> Callable:
    """A dispatcher's `compile`, with word of it to the watchers; `kept`: it will say if the kernel `was_on_disk`."""
    name = f"{dispatcher.__module__.rpartition('.')[2]}.{dispatcher.__name__}"
    compile = dispatcher.compile

    def compile_and_tell(signature):
        with global_compiler_lock:
            if signature in dispatcher.overloads:
                return compile(signature)
            if outermost := not _now:
                report.begin()
                done = threading.Event()
                reminder = threading.Thread(target=_remind, args=(done,), daemon=True)
                reminder.start()
            _now.append([name, None if kept else False])
            try:
                compiled = compile(signature)
            finally:
                on_disk = bool(_now.pop()[1])
                if outermost:
                    done.set()
                    reminder.join()  # or its last word would come after the end
                    report.end()
            _tell(name, on_disk)
        return compiled

    return compile_and_tell


def was_on_disk(found: bool) -> None:
    """Whether the kernel that was asked for last need not be compiled."""
    _now[-1][1] = found


def _remind(done: threading.Event) -> None:
    while not done.wait(PACE):
        for name, on_disk in _now[-1:]:
            if on_disk is False:
                _tell(name, None)


def _tell(name: str, on_disk: bool | None) -> None:
    for watcher in watchers:
        watcher(name, on_disk)


class Report:
    """How many kernels this process has compiled, and for how long: on stderr, once that is more than a moment; in a
    notebook, below the cell that waits.
    """

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0
        self.begun: float | None = None
        self.said: float | None = None  # after so many seconds of compiling
        self.total: int | None = None  # kernels at the most, where that is known
        self.line = notebook.Line()
        self.quiet = os.environ.get("MINIGRAD_QUIET", "0") != "0"

    def begin(self) -> None:
        self.begun = perf_counter()

    def end(self) -> None:
        begun, self.seconds, self.begun = self.seconds, self._elapsed(), None
        if self.said is None:
            return
        if notebook.shell():
            if self.said > begun:  # since it was begun: the line is this cell's
                self.line.write(f"minigrad: compiled kernels, once, in {self.seconds:.0f} s")
        elif _on_terminal():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # the line is somebody else's now

    def __call__(self, name: str, on_disk: bool | None) -> None:
        self.count += on_disk is False
        elapsed, terminal = self._elapsed(), _on_terminal()
        if self.quiet or on_disk or self.begun is None or elapsed < PATIENCE:
            return
        count = f"{self.count}" if self.total is None else f"{self.count} of at most {self.total}"
        text = f"minigrad: compiling kernels, once: {count} in {elapsed:.0f} s, now {_now[-1][0] if _now else name}"
        if notebook.shell():
            self.line.write(text)
            self.said = elapsed
            return
        if terminal:
            text = f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K"
        elif self.said is None:
            text += " (`minigrad warmup` does it beforehand)\n"
        elif elapsed - self.said >= LINES:
            text += "\n"
        else:
            return
        print(text, end="", file=sys.stderr, flush=True)
        self.said = elapsed

    def _elapsed(self) -> float:
        return self.seconds + (0.0 if self.begun is None else perf_counter() - self.begun)


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


report = Report()
# Called with a kernel's name, and whether it was on disk; None: it is still being compiled.
watchers: list[Watcher] = [report]
