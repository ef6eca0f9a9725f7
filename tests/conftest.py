"""What all tests share: the processor is named, Ctrl-C works wherever they were started, generated cases have a budget."""

import itertools
import os
import signal
import threading
import time

import hypothesis
import processor
import pytest
from generated import SECONDS, SEED

os.environ.setdefault("MINIGRAD_QUIET", "1")  # in all processes that tests start: what they print is looked at


def pytest_configure(config):
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts a job in the background has it ignore Ctrl-C, and so all its children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    processor.check()


def pytest_report_header():
    return [processor.named(), *[f"fuzzing for {SECONDS:g} s with FUZZ_SEED={SEED}"] * bool(SECONDS)]


def pytest_collection_modifyitems(items):
    """The slow go first, so that none of them ends alone."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish(session):
    session.generated = sum(item.get_closest_marker("generated") is not None for item in session.items)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """`make fuzz`: draw new cases again and again, for this test's share of the seconds."""
    if SECONDS and pyfuncitem.get_closest_marker("generated"):
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        until = time.monotonic() + SECONDS * workers / pyfuncitem.session.generated
        arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        for turn in itertools.count():  # pytest itself takes one more, with the last seed
            hypothesis.seed(SEED + turn)(pyfuncitem.obj)
            if time.monotonic() > until:
                break
            pyfuncitem.obj(**arguments)
