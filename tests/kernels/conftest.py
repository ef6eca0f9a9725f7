"""What the kernel tests share: arrays in every memory layout, and the number of threads put back after each test."""

from pathlib import Path

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import threads

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def laid_out():
    def laid_out(rng, shape, dtype, layout="plain"):
        """Normal numbers of that shape, in that memory layout."""
        x = rng.standard_normal(shape).astype(dtype)
        if layout == "channels last":
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        if layout == "sliced":
            return np.repeat(x, 2, axis=-1)[..., ::2]
        if layout == "reversed":
            return x[..., ::-1]
        if layout == "read-only":
            x.flags.writeable = False
        if layout == "broadcast":
            return np.broadcast_to(x[:1], shape) if len(x) else x
        return x

    return laid_out


@pytest.fixture(autouse=True)
def same_threads_after():
    before = kernels.get_num_threads()
    yield
    if kernels.get_num_threads() != before:
        kernels.set_num_threads(before)


@pytest.fixture
def eager_threads(monkeypatch):
    """Hand even the smallest work to other threads."""
    monkeypatch.setattr(threads, "WORTH", 0)
    monkeypatch.setattr(threads, "WORTH_CALLING", 0)


def pytest_collection_modifyitems(items):
    """All that is tested here depends on the processor."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker("processor")
