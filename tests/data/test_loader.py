"""The loader: what a sample looks like depends on (seed, epoch, sample) only, whatever makes it, and nothing else is left."""

import contextlib
import gc
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from data import faulty

from minigrad.data import (
    Affine,
    ColorJitter,
    Compose,
    CutMix,
    Dataset,
    GaussianNoise,
    HorizontalFlip,
    Loader,
    Mixup,
    RandomCrop,
    end_with_parent,
)

RNG = np.random.default_rng(0)
IMAGES = Dataset(RNG.random((53, 3, 8, 8), np.float32), RNG.integers(0, 10, 53))
NUMBERS = Dataset(np.arange(40.0), np.arange(40))
NUMBERED = Dataset(RNG.random((37, 1, 8, 8), np.float32), np.arange(37))
CHANGE = Compose(
    RandomCrop(2), HorizontalFlip(), Affine(10, shift=1), ColorJitter(0.3, 0.3, 0.3, 0.1), GaussianNoise(0.1)
)
FORK = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")


def processes(n, method):
    return ProcessPoolExecutor(n, multiprocessing.get_context(method))


def seen(loader):
    """{label: image} and the order of the labels in one epoch."""
    batches = list(loader)
    labels = np.concatenate([y for _, y in batches])
    return dict(zip(labels, np.concatenate([x for x, _ in batches]))), labels


def equal(one, other):
    return len(one) == len(other) and all(
        np.array_equal(a, b) and a.dtype == b.dtype for x, y in zip(one, other) for a, b in zip(x, y)
    )


def nothing_is_left(before, seconds=5):
    """Wait until the loader's threads have ended."""
    deadline = time.monotonic() + seconds
    while set(threading.enumerate()) - before:
        assert time.monotonic() < deadline, threading.enumerate()
        time.sleep(0.002)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    nothing_is_left(before)


# ---- the same batches ----


def test_each_epoch_has_every_sample_once_in_an_order_of_its_own():
    loader = Loader(NUMBERED, 8, seed=3)
    orders = [seen(loader)[1] for _ in range(3)]
    assert all(sorted(order) == list(range(37)) for order in orders) and loader.epoch == 3
    assert not np.array_equal(orders[0], orders[1]) and not np.array_equal(orders[1], orders[2])
    again = Loader(NUMBERED, 8, seed=3)
    again.epoch = 2  # a run resumed
    np.testing.assert_array_equal(seen(again)[1], orders[2])
    assert not np.array_equal(seen(Loader(NUMBERED, 8, seed=4))[1], orders[0])
    np.testing.assert_array_equal(seen(Loader(NUMBERED, 5, seed=3))[1], orders[0])  # the same for any batch size
    np.testing.assert_array_equal(seen(Loader(NUMBERED, 8, shuffle=False))[1], np.arange(37))


def test_a_broken_off_epoch_counts():
    loader = Loader(NUMBERED, 8)
    next(iter(loader))
    assert loader.epoch == 1


def test_lengths_and_bad_arguments():
    assert [len(y) for _, y in Loader(NUMBERED, 8)] == [8, 8, 8, 8, 5] and len(Loader(NUMBERED, 8)) == 5
    assert (
        [len(y) for _, y in Loader(NUMBERED, 8, drop_last=True)]
        == [8] * 4
        == [8] * len(Loader(NUMBERED, 8, drop_last=True))
    )
    with pytest.raises(ValueError, match="batch_size is 0"):
        Loader(NUMBERED, 0)
    with pytest.raises(ValueError, match="drop_last leaves no batch"):
        Loader(NUMBERED, 38, drop_last=True)


def test_augmentation_depends_on_seed_epoch_and_sample_only():
    change = Affine(rotate=20, scale=0.2, shear=0.2, shift=1)
    first, _ = seen(Loader(NUMBERED, 8, seed=1, transform=change))
    otherwise, _ = seen(Loader(NUMBERED, 5, shuffle=False, seed=1, transform=change))
    for label, image in first.items():
        np.testing.assert_array_equal(image, otherwise[label])
    loader = Loader(NUMBERED, 8, seed=1, transform=change)
    list(loader)
    second, _ = seen(loader)
    reseeded, _ = seen(Loader(NUMBERED, 8, seed=2, transform=change))
    assert all(not np.array_equal(first[i], second[i]) and not np.array_equal(first[i], reseeded[i]) for i in range(37))


@pytest.mark.parametrize("mix", [None, Mixup(10, 0.4), CutMix(10)], ids=repr)
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("prefetch", [None, 1, 100])
def test_threads_change_nothing(workers, mix, prefetch):
    settings = {"seed": 3, "transform": CHANGE, "mix": mix}
    alone, background = Loader(IMAGES, 8, **settings), Loader(IMAGES, 8, workers=workers, prefetch=prefetch, **settings)
    for _ in range(2):
        assert equal(list(background), list(alone))
    assert background.state_dict() == alone.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("method", [pytest.param("fork", marks=FORK), "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_nor_do_processes_however_they_start(method):
    settings = {"seed": 3, "transform": CHANGE, "mix": CutMix(10)}
    with processes(2, method) as pool:
        loader = Loader(IMAGES, 8, workers=pool, **settings)
        assert equal(list(loader), list(Loader(IMAGES, 8, **settings)))
        (x, _), *_ = Loader(NUMBERS, 8, transform=faulty.process, workers=pool)  # they stay for other loaders
        assert x[0] != os.getpid() and (x[0] == x).all()


def test_any_executor_will_do_and_stays_open():
    with ThreadPoolExecutor(3) as pool:
        for _ in range(2):
            assert equal(
                list(Loader(IMAGES, 8, transform=CHANGE, workers=pool)), list(Loader(IMAGES, 8, transform=CHANGE))
            )


@FORK
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_loader_with_threads_works_in_a_forked_process():
    loader = Loader(IMAGES, 8, transform=CHANGE, workers=2)
    running = iter(loader)
    next(running)  # its threads do not exist over there
    with processes(1, "fork") as pool:
        elsewhere = pool.submit(list, Loader(IMAGES, 8, transform=CHANGE, workers=2)).result(20)
    assert equal(elsewhere, list(Loader(IMAGES, 8, transform=CHANGE)))
    running.close()


def test_mixed_samples_do_not_depend_on_the_batch():
    for mix in Mixup(10), CutMix(10):
        one, other = (Loader(IMAGES, n, seed=1, transform=CHANGE, mix=mix, shuffle=n == 8) for n in (8, 53))
        x, y = next(iter(other))
        seen = 0
        for few, labels in one:
            for image, label in zip(few, labels):
                (i,) = np.flatnonzero((x == image).all((1, 2, 3)))
                np.testing.assert_array_equal(y[i], label)
                seen += 1
        assert seen == 53


def test_a_mixed_sample_is_made_of_two_as_they_look_in_that_epoch():
    plain = Loader(IMAGES, 53, transform=CHANGE, shuffle=False)
    x, _ = plain.look(4, range(53))
    mixed, y = Loader(IMAGES, 53, transform=CHANGE, shuffle=False, mix=Mixup(10)).look(4, range(53))
    assert y.shape == (53, 10) and y.dtype == np.float32
    np.testing.assert_allclose(y.sum(1), 1, atol=1e-6)
    found = set()
    for i in range(53):
        for j in range(53):
            if IMAGES.y[i] != IMAGES.y[j]:
                share = y[i, IMAGES.y[i]]
                if np.allclose(share * x[i] + (1 - share) * x[j], mixed[i], atol=1e-5):
                    np.testing.assert_allclose(y[i, IMAGES.y[j]], 1 - share, atol=1e-6)
                    found.add(i)
    assert len(found) > 35  # the others have a partner of their own class


def test_partners_are_uniform_over_the_data_set():
    marked = Dataset(np.eye(20).reshape(20, 1, 4, 5), np.arange(20))
    counts = np.zeros(20)
    loader = Loader(marked, 20, shuffle=False, mix=Mixup(20))
    for epoch in range(200):
        _, y = loader.look(epoch, range(20))
        y[range(20), range(20)] = 0
        counts += (y > 0).sum(0)
    from scipy.stats import chisquare

    assert chisquare(counts).pvalue > 0.01


def test_labels_that_cannot_be_mixed_are_refused():
    with pytest.raises(ValueError, match=r"must be ints in \[0, 3\)"):
        next(iter(Loader(IMAGES, 8, mix=Mixup(3))))
    with pytest.raises(ValueError, match="must be ints"):
        next(iter(Loader(Dataset(IMAGES.x, IMAGES.y / 2), 8, mix=Mixup(10))))


@pytest.mark.parametrize(
    "setting", [{"workers": -1}, {"prefetch": 0}, {"seed": -1}, {"seed": 2**63}, {"batch_size": 0}]
)
def test_bad_settings_are_named(setting):
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        Loader(IMAGES, **({"batch_size": 8} | setting))


@pytest.mark.parametrize("name", ["batch_size", "seed", "workers", "prefetch"])
def test_settings_are_whole_numbers(name):
    with pytest.raises(ValueError, match=f"{name} is 2.5; it must be a whole number"):
        Loader(IMAGES, **({"batch_size": 8} | {name: 2.5}))
    assert len(Loader(IMAGES, **({"batch_size": 8} | {name: np.int64(8)}))) == 7


# ---- ahead, but not too far ----


@pytest.mark.parametrize("prefetch", [1, 3])
def test_as_many_batches_as_said_are_made_ahead(prefetch):
    made = []

    def count(x, streams):
        made.append(len(x))
        return x

    batches = iter(Loader(NUMBERS, 1, transform=count, workers=2, prefetch=prefetch))
    for given in range(1, 6):
        next(batches)
        deadline = time.monotonic() + 5
        while len(made) < given + prefetch and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.005)
        assert len(made) == given + prefetch
    batches.close()


def test_batches_are_made_while_the_trainer_is_busy():
    started = threading.Semaphore(0)

    def signals(x, streams):
        started.release()
        return x

    for _ in Loader(NUMBERS, 20, transform=signals, workers=1):
        assert started.acquire(timeout=5)  # without the trainer asking for the next
    with_none = Loader(NUMBERS, 20, transform=signals)
    next(iter(with_none))
    assert started.acquire(timeout=5) and not started.acquire(timeout=0.01)


# ---- position ----


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_resumes_at_any_batch(workers):
    settings = {"batch_size": 8, "seed": 5, "transform": CHANGE, "mix": CutMix(10), "workers": workers}
    whole = Loader(IMAGES, **settings)
    states, batches = [whole.state_dict()], []
    for _ in range(3):
        for batch in whole:
            batches.append(batch)
            states.append(whole.state_dict())
    assert [(s["epoch"], s["batch"]) for s in states] == [divmod(i, 7) for i in range(22)]
    for i in (0, 1, 6, 7, 10, 14, 20, 21):
        resumed = Loader(IMAGES, **settings)
        resumed.load_state_dict(json.loads(json.dumps(states[i])))
        assert resumed.state_dict() == states[i]
        rest = [batch for _ in range(3 - states[i]["epoch"]) for batch in resumed]
        assert equal(rest, batches[i:]) and resumed.state_dict() == states[-1]


def test_what_is_skipped_is_not_made():
    seen = []

    def watch(x, streams):
        seen.extend(x)
        return x

    loader = Loader(NUMBERS, 4, shuffle=False, transform=watch)
    loader.load_state_dict(loader.state_dict() | {"epoch": 2, "batch": 8})
    assert [list(y) for _, y in loader] == [[32, 33, 34, 35], [36, 37, 38, 39]]
    assert seen == [*range(32, 40)] and loader.epoch == 3
    assert len(list(loader)) == 10  # the next one is whole


def test_the_epoch_can_be_set_in_the_middle():
    loader = Loader(NUMBERS, 4, seed=1)
    first = list(loader)
    batches = iter(loader)
    next(batches)
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (1, 1)
    loader.epoch = 0
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (0, 0)
    assert equal(list(loader), first)
    loader.load_state_dict(loader.state_dict() | {"epoch": 1, "batch": 4})
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (1, 4)
    loader.epoch = 1  # the whole of it
    assert len(list(loader)) == 10


def test_a_state_of_another_loader_is_refused():
    state = Loader(NUMBERS, 4).state_dict()
    plain, short = Loader(NUMBERS, 4, shuffle=False), Loader(NUMBERS, 4, drop_last=True)
    for other in Loader(NUMBERS, 5), Loader(NUMBERS, 4, seed=1), Loader(IMAGES, 4), plain, short:
        with pytest.raises(ValueError, match=r"the state has .*, the loader .*; they must agree"):
            other.load_state_dict(state)
    for wrong in {"batch": 10}, {"batch": -1}, {"epoch": -1}:
        with pytest.raises(ValueError, match="an epoch has batches 0 to 9"):
            Loader(NUMBERS, 4).load_state_dict(state | wrong)


def test_a_look_moves_nothing():
    loader = Loader(IMAGES, 8, transform=CHANGE, shuffle=False)
    state = loader.state_dict()
    x, y = loader.look(0, [9, 2])
    assert loader.state_dict() == state
    batches = list(loader)
    np.testing.assert_array_equal(x, [batches[1][0][1], batches[0][0][2]])
    np.testing.assert_array_equal(y, IMAGES.y[[9, 2]])


def test_a_look_names_samples_in_any_way():
    loader = Loader(IMAGES, 8, transform=CHANGE)
    x, _ = loader.look(0, [52])
    mask = np.arange(53) == 52
    for samples in [-1], slice(52, None), mask, 52:
        np.testing.assert_array_equal(loader.look(0, samples)[0], x)
    with pytest.raises(IndexError, match="out of bounds"):
        loader.look(0, [53])


# ---- when something goes wrong ----


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_error_in_a_transform_reaches_the_caller(workers):
    loader = Loader(NUMBERS, 5, shuffle=False, transform=faulty.raises, workers=workers)
    got = []
    with pytest.raises(KeyError, match="seven") as caught:
        got.extend(y for _, y in loader)
    assert len(got) == 1  # what came before is given
    assert caught.value.__notes__ == ["Loader: this was batch 1 of epoch 0"]
    assert "in deep_inside" in "".join(traceback.format_exception(caught.value))
    assert len(list(Loader(NUMBERS, 5, workers=workers))) == 8


@pytest.mark.parametrize("method", [pytest.param("fork", marks=FORK)])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_and_out_of_a_process(method):
    with processes(2, method) as pool:
        with pytest.raises(KeyError, match="seven") as caught:
            list(Loader(NUMBERS, 5, shuffle=False, transform=faulty.raises, workers=pool))
        assert "in deep_inside" in str(caught.value.__cause__)
        assert caught.value.__notes__ == ["Loader: this was batch 1 of epoch 0"]
        assert len(list(Loader(NUMBERS, 5, workers=pool))) == 8  # the processes still work


@FORK
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_killed_process_is_an_error_and_no_wait():
    with processes(2, "fork") as pool:
        with pytest.raises(BrokenProcessPool, match="terminated abruptly") as caught:
            list(Loader(NUMBERS, 5, shuffle=False, transform=faulty.is_killed, workers=pool))
        assert caught.value.__notes__[0].startswith("Loader: this was batch ")
        with pytest.raises(BrokenProcessPool):
            list(Loader(NUMBERS, 5, workers=pool))
    assert not multiprocessing.active_children()


def test_a_transform_that_cannot_be_sent_to_a_process_is_an_error():
    with (
        processes(1, "spawn") as pool,
        pytest.raises((AttributeError, pickle.PicklingError), match=r"(?i)pickle"),
    ):
        list(Loader(NUMBERS, 5, transform=lambda x, streams: x, workers=pool))


@pytest.mark.slow
def test_whoever_stops_early_leaves_nothing_behind():
    before = set(threading.enumerate())
    for _ in Loader(NUMBERS, 1, transform=faulty.slow, workers=1, prefetch=39):  # 2 s of work, if it were done
        break
    nothing_is_left(before, 1)
    batches = iter(Loader(NUMBERS, 1, transform=faulty.slow, workers=3))
    next(batches)
    del batches
    gc.collect()
    nothing_is_left(before, 1)


@pytest.mark.slow
def test_a_loader_in_a_generator_that_is_dropped():
    before = set(threading.enumerate())

    def forever():
        loader = Loader(NUMBERS, 1, transform=faulty.slow, workers=2)
        cycle = [loader]
        cycle.append(cycle)
        while True:
            yield from loader

    endless = forever()
    for _ in range(3):
        next(endless)
    del endless
    gc.collect()
    nothing_is_left(before, 1)


def test_an_iterator_nobody_began_starts_nothing():
    before = threading.active_count()
    loader = Loader(NUMBERS, 1, workers=2)
    iter(loader)
    assert threading.active_count() == before and loader.epoch == 0


INTERRUPTED = """
import multiprocessing, sys, time
import numpy as np
from concurrent.futures import ProcessPoolExecutor
sys.path.insert(0, {tests!r})
from data import faulty
from minigrad.data import Dataset, Loader

def train(workers):
    for _ in Loader(Dataset(np.arange(10_000.0), np.arange(10_000)), 1, transform=faulty.slow, workers=workers):
        print("ready", flush=True)

if __name__ == "__main__":
    if {processes}:
        with ProcessPoolExecutor(1, multiprocessing.get_context({method!r})) as pool:
            train(pool)
    else:
        train(2)
"""


def ended(process):
    """What it said on stdout and stderr, once it and every process that it began have ended: all hold its output open."""
    try:
        return process.communicate(timeout=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("method", "whole_group"), [(None, True), (None, False), ("fork", True), ("spawn", False)])
def test_ctrl_c_ends_it_at_once_and_nothing_is_left(tmp_path, method, whole_group):
    script = tmp_path / "script.py"
    script.write_text(
        INTERRUPTED.format(tests=str(Path(__file__).parents[1]), processes=bool(method), method=method or "fork")
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for _ in range(3):
        assert process.stdout.readline() == "ready\n"
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    _, errors = ended(process)
    assert process.returncode in (-signal.SIGINT, 1) and "KeyboardInterrupt" in errors


KILLED = """
import multiprocessing, os, signal
import numpy as np
from concurrent.futures import ProcessPoolExecutor
from minigrad.data import Dataset, HorizontalFlip, Loader, end_with_parent

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2, multiprocessing.get_context({method!r}), initializer=end_with_parent)
    data = Dataset(np.zeros((64, 3, 8, 8)), np.zeros(64))
    next(iter(Loader(data, 8, transform=HorizontalFlip(), workers=pool)))
    print("given", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_end_with_a_killed_trainer(tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(KILLED.format(method=method))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said, _ = ended(process)
    assert said.startswith("given") and process.returncode == -signal.SIGKILL


def test_only_workers_end_with_their_parent():
    with pytest.raises(RuntimeError, match="this is no worker"):
        end_with_parent()


@pytest.mark.slow
def test_importing_minigrad_stays_light():
    code = "import sys, minigrad; print([m for m in ('concurrent.futures.thread', 'tarfile', 'minigrad.data') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "minigrad.data" not in done.stdout and "tarfile" not in done.stdout
