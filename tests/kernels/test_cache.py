"""Compiled kernels on disk: shared, read where nothing can be written, damaged, out of date, of another processor.

Every test runs fresh interpreters, on a folder of its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad
from minigrad import kernels

pytestmark = pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")

WORK = """
import hashlib, sys
import numpy as np
import minigrad as mg

x = mg.tensor(np.linspace(-1, 1, 12, dtype=sys.argv[1]).reshape(3, 4), requires_grad=True)
loss = mg.elu(x).mean()  # which needs a few small kernels, one of them inside of another
loss.backward()
found = hashlib.sha256(x.grad.tobytes() + loss.data.tobytes()).hexdigest()

from minigrad.kernels import jit
count = lambda which: sum(sum(getattr(k.stats, which).values()) for k in jit.KERNELS)
print(found, count("cache_hits"), count("cache_misses"))
"""


def start(first="", dtype="float32", **environment):
    """A fresh interpreter that does some work, and perhaps something first."""
    command = [sys.executable, "-P", "-W", "error", "-c", first + WORK, dtype]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | environment, stdout=pipe, stderr=pipe, text=True)


def answer(process):
    """What it found, how many kernels came from disk, and how many were compiled."""
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, err
    found, hits, misses = out.split()
    return found, int(hits), int(misses)


MAKER = """
import sys
import numpy as np
from minigrad.kernels.jit import kernel

def times(k):
    @kernel
    def add_up(x):
        total = 0.0
        for i in range(x.size):
            total += k * x[i]
        return total

    return add_up

one, two = times(1), times(2)

@kernel
def first(x):
    return one(x), 0.0

@kernel
def second(x):
    return 0.0, two(x)

@kernel
def both(x):
    return one(x), two(x)

print(*globals()[sys.argv[1]](np.ones(5)), sum(both.stats.cache_misses.values()))
"""


def run(code, *args, **environment):
    """What code prints in a fresh interpreter, in words."""
    command = [sys.executable, "-P", "-W", "error", "-c", code, *args]
    return subprocess.run(
        command, env=os.environ | environment, check=True, capture_output=True, text=True
    ).stdout.split()


def work(*args, **environment):
    return answer(start(*args, **environment))


def files(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.nb?")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder of kernels, what the work found, how many kernels it compiled, and how many it loads: not inner ones."""
    folder = tmp_path_factory.mktemp("filled")
    found, hits, misses = work(NUMBA_CACHE_DIR=str(folder))
    assert hits == 0 and misses > 0
    again, loaded, none = work(NUMBA_CACHE_DIR=str(folder))
    assert again == found and loaded > 0 and none == 0
    return folder, found, misses, loaded


@pytest.fixture
def cache(filled, tmp_path):
    """A copy of that folder, as environment; and the folder."""
    shutil.copytree(filled[0], tmp_path / "cache")
    return {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}, tmp_path / "cache"


@pytest.mark.slow
def test_a_second_process_compiles_nothing(filled, cache):
    environment, folder = cache
    before = files(folder)
    assert work(**environment) == (filled[1], filled[3], 0)
    assert files(folder) == before


@pytest.mark.slow
def test_processes_that_fill_a_folder_at_once(filled, tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    together = [start(dtype=dtype, **environment) for dtype in ("float32", "float64", "float32")]
    found = [answer(process)[0] for process in together]
    assert found[0] == found[2] == filled[1] != found[1]
    for dtype, expected in zip(("float32", "float64"), found):  # and what they left is whole
        assert work(dtype=dtype, **environment) == (expected, filled[3], 0)


@pytest.mark.slow
def test_kernels_of_one_line_are_not_taken_for_each_other(tmp_path):
    """Two processes number what they compile alike, and a third reads what both have left."""
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONHASHSEED": "0"}
    assert run(MAKER, "first", **environment) == ["5.0", "0.0", "0"]
    assert run(MAKER, "second", **environment) == ["0.0", "10.0", "0"]
    assert run(MAKER, "both", **environment) == ["5.0", "10.0", "1"]
    assert run(MAKER, "both", **environment) == ["5.0", "10.0", "0"]  # a kernel that calls others is found again


def test_every_process_has_the_same_names_for_kernels():
    names = """
from minigrad.kernels import board, conv, elementwise, jit, norm, pool, rules, softmax, step
made = [conv._correlating(many) for many in (2, 4, 8)] + [board.share(n) for n in (2, 3)]
made += [step._walk(rule, n, k) for rule, n, k in ((rules.sgd, 0, 1), (rules.sgd, 1, 3), (rules.adam, 2, 6))]
cpu = __import__("numba").core.registry.cpu_target.target_context.codegen()
for k in jit.KERNELS:
    print(k._cache._files[0]._base, jit._digest(repr(k._cache._index_key((), cpu)).encode()), sep=":")
"""
    one, other = (run(names, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert one == other and len(one) > 100
    assert len({name.partition(":")[0] for name in one}) == len(one)


def test_another_rule_of_the_same_name_is_another_kernel():
    keys = """
from minigrad.kernels import jit, rules, step

def sgd(p, d, lr):
    return (p + lr * d,)

cpu = __import__("numba").core.registry.cpu_target.target_context.codegen()
for rule in (rules.sgd, sgd):
    print(jit._digest(repr(step._walk(rule, 0, 1)._cache._index_key((), cpu)).encode()))
"""
    ours, another = run(keys)
    assert ours != another


def refuse(folder):
    """Code after which Numba, and the superuser too, finds this folder read-only."""
    return f"""
import tempfile
make = tempfile.TemporaryFile
def refuse(*args, dir=None, **options):
    if str(dir).startswith({str(folder)!r}):
        raise PermissionError("read-only file system")
    return make(*args, dir=dir, **options)
tempfile.TemporaryFile = refuse
"""


@pytest.mark.slow
def test_a_read_only_folder_is_read(filled, cache):
    environment, folder = cache
    before = files(folder)
    assert work(refuse(folder), **environment) == (filled[1], filled[3], 0)
    assert files(folder) == before


@pytest.mark.slow
def test_nothing_can_be_written_anywhere(filled, cache, tmp_path):
    environment, folder = cache
    before = files(folder)
    assert work(refuse("/"), **environment) == (filled[1], filled[3], 0)
    found = work(refuse("/"), dtype="float64", **environment)[0]
    assert files(folder) == before
    assert work(dtype="float64", NUMBA_CACHE_DIR=str(tmp_path / "empty"))[0] == found


@pytest.mark.slow
def test_a_folder_that_cannot_be_made(filled, tmp_path):
    (tmp_path / "file").touch()
    assert work(NUMBA_CACHE_DIR=str(tmp_path / "file" / "cache"))[0] == filled[1]


@pytest.fixture
def package(tmp_path):
    """A copy of the package, its kernels in its own folder, and a home: as environment; and the two folders."""
    own, home = tmp_path / "site" / "minigrad", tmp_path / "home"
    shutil.copytree(Path(minigrad.__file__).parent, own, ignore=shutil.ignore_patterns("__pycache__"))
    home.mkdir()
    environment = {"PYTHONPATH": str(own.parent), "HOME": str(home), "XDG_CACHE_HOME": str(home), "NUMBA_CACHE_DIR": ""}
    return environment, own, home


@pytest.mark.slow
def test_a_read_only_package_is_read_and_what_it_lacks_is_kept_at_home(package, filled):
    environment, own, home = package
    assert work(**environment) == (filled[1], 0, filled[2])
    before = files(own)
    assert len(before) == filled[2]
    assert work(refuse(own), **environment) == (filled[1], filled[3], 0)
    found, _, misses = work(refuse(own), dtype="float64", **environment)
    assert misses == filled[2] and files(own) == before and len(files(home)) == misses
    assert work(refuse(own), dtype="float64", **environment) == (found, filled[3], 0)


@pytest.mark.slow
def test_new_sources_replace_old_kernels(package, filled):
    environment, own, _ = package
    work(**environment)
    before = files(own)
    source = own / "kernels" / "pool.py"  # not the file of any of these kernels
    times = source.stat()
    source.write_bytes(source.read_bytes()[:-1] + b" ")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))  # as large and as old as before
    assert work(**environment) == (filled[1], 0, filled[2])
    assert len(files(own)) == filled[2] and not files(own).keys() & before.keys()
    assert work(**environment) == (filled[1], filled[3], 0)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"\0" * len(data)],
                         ids=["truncated", "empty", "zeros"])  # fmt: skip
def test_a_damaged_file_is_compiled_again(filled, cache, damage):
    environment, folder = cache
    for path in files(folder):
        path.write_bytes(damage(path.read_bytes()))
    assert work(**environment) == (filled[1], 0, filled[2])
    assert work(**environment) == (filled[1], filled[3], 0)


@pytest.mark.slow
def test_another_processor_has_kernels_of_its_own(filled, cache):
    environment, folder = cache
    other = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    before = files(folder)
    assert work(**environment, **other)[1:] == (0, filled[2])
    assert files(folder).items() > before.items()
    assert work(**environment) == (filled[1], filled[3], 0)


@pytest.mark.slow
def test_a_disk_that_fills_up_does_not_stop_the_work(filled, tmp_path):
    full = """
from numba.core.caching import IndexDataCacheFile
def refuse(*args):
    raise OSError(28, "No space left on device")
IndexDataCacheFile._save_data = refuse
"""
    assert work(full, NUMBA_CACHE_DIR=str(tmp_path)) == (filled[1], 0, filled[2])
    assert files(tmp_path) == {}


@pytest.mark.slow
def test_compiling_is_told_and_loading_is_not(tmp_path):
    impatient = "from minigrad.kernels import progress; progress.PATIENCE = progress.LINES = 0; progress.PACE = 0.01\n"

    def said(quiet, folder):
        environment = {"NUMBA_CACHE_DIR": str(tmp_path / folder), "MINIGRAD_QUIET": quiet}
        return start(impatient, **environment).communicate(timeout=120)[1].splitlines()

    compiling = said("0", "a")
    assert compiling and all(line.startswith("minigrad: compiling kernels") for line in compiling)
    assert said("0", "a") == said("1", "b") == []
