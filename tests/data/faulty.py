"""Transforms that fail, for workers in processes, which must be able to import them."""

import os
import signal
import threading
import time


def raises(x, streams):
    """Fails on the batch that holds a 7."""
    if (x == 7).any():
        deep_inside()
    return x


def deep_inside():
    raise KeyError("seven")


def is_killed(x, streams):
    """Ends its own process as the kernel would, for want of memory."""
    if (x == 7).any() and threading.current_thread() is threading.main_thread():
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def slow(x, streams):
    time.sleep(0.05)
    return x


def process(x, streams):
    """Where it was made."""
    return x * 0 + os.getpid()
