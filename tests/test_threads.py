"""Whole models and threads: weights reproducible bit for bit, training after a fork, and kernels on disk that are
shared, missing, unwritable or switched off. The kernels themselves are tested in `tests/kernels`.
"""

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad import kernels, nn, optim

LIMIT = 120  # seconds after which a process is taken to hang


def train(steps=3, threads=None, seed=0, make=lambda **k: nn.models.resnet8(width=8, stochastic_depth=0.2, **k)):
    """The weights of a network after a few steps, as one vector."""
    if threads:
        mg.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    model = make(rng=seed)
    opt = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(steps):
        opt.zero_grad()
        x = rng.standard_normal((24, 3, 16, 16)).astype("f")
        mg.cross_entropy(model(x), rng.integers(0, 10, 24)).backward()
        opt.step()
    return np.concatenate([p.data.ravel() for p in model.parameters()])


IMPORTS = "import os, sys\nimport numpy as np\nimport minigrad as mg\nfrom minigrad import kernels, nn, optim\n"
EAGER = "kernels.threads.WORTH = 0  # even the smallest work goes to other threads\n"


def start(code, **environment):
    """A fresh interpreter that runs this code and knows `train`."""
    code = IMPORTS + inspect.getsource(train) + code
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code]
    return subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True)


def answer(process):
    """What it printed; an error if it failed, or hangs."""
    try:
        printed = process.communicate(timeout=LIMIT)[0]
    finally:
        process.kill()
    assert process.returncode == 0
    return printed.strip()


@pytest.fixture(autouse=True)
def same_threads_after():
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)


@pytest.mark.parametrize("n", [1, 2])
def test_the_same_weights_bit_for_bit(n, monkeypatch):
    monkeypatch.setattr(kernels.threads, "WORTH", 0)
    once = train(threads=n)
    np.testing.assert_array_equal(once, train(threads=n))
    assert not np.array_equal(once, train(threads=n, seed=1))


def test_the_same_weights_in_another_process():
    code = "import hashlib; print(hashlib.sha256(train(threads=2).tobytes()).hexdigest())"
    first, second = start(EAGER + code), start(EAGER + code)
    assert answer(first) == answer(second)


AFTER_FORK = """
first = train(threads=2)
child = os.fork()
same = np.array_equal(train(), first)
if child == 0:
    os._exit(0 if same else 1)
print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_training_goes_on_after_a_fork():
    assert answer(start(EAGER + AFTER_FORK)) == "True 0"


# ---- kernels on disk -------------------------------------------------------------------------------------------------

SMALL = """
make = lambda rng: nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(48, 10, rng=rng))  # few kernels, soon compiled
weights = train(make=make)
from minigrad.kernels import pool, softmax, step
jitted = [f for room in (pool, softmax, step) for f in vars(room).values() if hasattr(f, "stats")]
hits, misses = (sum(sum(getattr(f.stats, which).values()) for f in jitted) for which in ("cache_hits", "cache_misses"))
print(weights.tobytes().hex(), hits, misses)
"""
compiled = pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")


@compiled
def test_two_processes_fill_an_empty_cache_at_once(tmp_path):
    first, second = (start(SMALL, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    weights, *_ = answer(first).split()
    assert answer(second).split()[0] == weights
    again, hits, misses = answer(start(SMALL, NUMBA_CACHE_DIR=str(tmp_path))).split()
    assert again == weights
    assert int(hits) > 0 and misses == "0"  # and what they left is whole


@compiled
def test_a_cache_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    weights, *_ = answer(start(SMALL, NUMBA_CACHE_DIR=str(tmp_path / "file" / "cache"))).split()
    assert weights == answer(start(SMALL)).split()[0]


READ_ONLY = """
import tempfile
import numba.core.caching

def refuse(*args, **options):
    raise PermissionError("read-only file system")

tempfile.TemporaryFile = refuse  # how Numba finds out (and how the superuser, too, may not write)
"""


@compiled
def test_a_read_only_cache_directory(tmp_path):
    weights, *_ = answer(start(SMALL, NUMBA_CACHE_DIR=str(tmp_path))).split()
    left = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert answer(start(READ_ONLY + SMALL, NUMBA_CACHE_DIR=str(tmp_path))).split()[0] == weights
    assert left == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@compiled
def test_one_step_without_the_jit_is_the_same_step():
    """Relative to its length, the step's vector differs by less than 1e-5: sums in another order."""
    code = "make = lambda rng: nn.models.resnet8(width=8, rng=rng)\nprint(train(1, make=make).tobytes().hex())"
    plain, jitted = start(code, MINIGRAD_JIT="0"), start(code)
    before = np.concatenate([p.data.ravel() for p in nn.models.resnet8(width=8, rng=0).parameters()])
    plain, jitted = (np.frombuffer(bytes.fromhex(answer(p)), "f") - before for p in (plain, jitted))
    assert np.linalg.norm(plain - jitted) < 1e-5 * np.linalg.norm(plain)
    assert np.linalg.norm(plain) > 0


def test_a_disk_that_fills_up_does_not_stop_the_work(tmp_path):
    full = (
        "from numba.core.caching import IndexDataCacheFile\n"
        "def refuse(*args): raise OSError(28, 'No space left on device')\n"
        "IndexDataCacheFile._save_data = refuse\n"
    )
    assert answer(start(full + "print(np.isfinite(train(1)).all())", NUMBA_CACHE_DIR=str(tmp_path))) == "True"
