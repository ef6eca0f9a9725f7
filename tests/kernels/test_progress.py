"""Whoever waits for a compiler is told so: what it compiles, and for how long."""

import io
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from minigrad import kernels

pytestmark = pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")
progress = pytest.importorskip("minigrad.kernels.progress")


class Terminal(io.StringIO):
    isatty = staticmethod(lambda: True)


@pytest.fixture
def heard(monkeypatch):
    """Every word to the watchers."""
    words = []
    monkeypatch.setattr(progress, "watchers", [lambda *word: words.append(word)])
    return words


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set, and a report that goes by it."""
    now = SimpleNamespace(time=0.0)
    monkeypatch.setattr(progress, "perf_counter", lambda: now.time)
    monkeypatch.delenv("MINIGRAD_QUIET", raising=False)
    now.report = progress.Report()
    return now


def dispatcher(name, compile):
    made = SimpleNamespace(__module__="minigrad.kernels.conv", __name__=name, overloads={}, compile=compile)
    made.compile = progress.told(made, kept=False)
    return made


def test_a_kernel_that_calls_another_is_told_after_it_and_each_once(heard):
    def outer(signature):
        inner.compile(signature)
        inner.overloads[signature] = True
        inner.compile(signature)  # as Numba asks again and again
        return "code"

    def from_disk(signature):
        if signature not in inner.overloads:
            progress.was_on_disk(True)

    inner = dispatcher("inner", from_disk)
    assert dispatcher("outer", outer).compile(("f",)) == "code"
    assert heard == [("conv.inner", True), ("conv.outer", False)]


def test_an_error_ends_it(heard):
    def fails(signature):
        raise TypeError("no such type")

    for _ in range(2):
        with pytest.raises(TypeError, match="no such type"):
            dispatcher("fails", fails).compile(("f",))
    assert not heard and not progress._now and progress.report.begun is None


def test_while_one_kernel_takes_long_there_is_a_word_again_and_again(monkeypatch):
    told, words = threading.Event(), []

    def watch(name, on_disk):
        words.append((name, on_disk))
        if len(words) == 3:
            told.set()

    monkeypatch.setattr(progress, "PACE", 0.001)
    monkeypatch.setattr(progress, "watchers", [watch])
    dispatcher("long", lambda signature: told.wait(60)).compile(("f",))
    assert words[:3] == [("conv.long", None)] * 3 and words[-1] == ("conv.long", False)


def test_no_word_comes_after_the_end(monkeypatch):
    begun, events = threading.Event(), []

    def watch(name, on_disk):
        if on_disk is None:
            begun.set()
            time.sleep(0.05)  # a word that takes its time, such as that to a notebook's page
        events.append((name, on_disk))

    monkeypatch.setattr(progress, "PACE", 0.001)
    monkeypatch.setattr(progress, "watchers", [watch])
    monkeypatch.setattr(progress.report, "end", lambda: events.append("end"))
    dispatcher("long", lambda signature: begun.wait(60)).compile(("f",))
    time.sleep(0.1)
    assert events[-2:] == ["end", ("conv.long", False)] and set(events[:-2]) == {("conv.long", None)}


def test_no_three_seconds_pass_without_a_line(clock, capsys):
    """Words come at least every PACE seconds; the first line after PATIENCE, and one every LINES from then on."""
    said, clock.report.total = [], 89
    clock.report.begin()
    while clock.time < 60:
        clock.time += progress.PACE
        clock.report("conv.slow", None)
        if line := capsys.readouterr().err:
            said.append((clock.time, line))
    times = [time for time, _ in said]
    assert times[0] <= 3 and max(np.diff(times)) <= 3 and len(said) < 35
    assert "minigrad warmup" in said[0][1] and not any("minigrad warmup" in line for _, line in said[1:])
    assert all("of at most 89 in" in line and "conv.slow" in line and line.endswith("\n") for _, line in said)


def test_a_moment_needs_no_words_and_moments_add_up(clock, capsys):
    for _ in range(3):
        clock.report.begin()
        clock.time += progress.PATIENCE / 2 - 0.01
        clock.report("conv.short", False)
        clock.report.end()
        clock.time += 100  # in which nothing is compiled
    assert "3 in 1 s" in capsys.readouterr().err


def test_on_a_terminal_one_line_is_written_over_and_gone_in_the_end(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    clock.report.begin()
    for _ in range(3):
        clock.time += 1
        clock.report("conv.slow", None)
    clock.report.end()
    text = sys.stderr.getvalue()
    assert "\n" not in text and text.count("\rminigrad: compiling") == 3 and text.endswith("\r\x1b[K")


def test_who_wants_no_word_hears_none(clock, monkeypatch, capsys):
    monkeypatch.setenv("MINIGRAD_QUIET", "1")
    report = progress.Report()
    report.begin()
    clock.time += 60
    report("conv.slow", None)
    assert capsys.readouterr().err == ""
