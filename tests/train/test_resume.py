"""A run that is killed, at any moment, and resumed equals the uninterrupted one bit for bit; all else is refused."""

import contextlib
import csv
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st
from train import runs

import minigrad as mg
from minigrad import data, nn, optim, train
from minigrad.train import checkpoint

SCRIPT = Path(runs.__file__)
TIMES = ("step_ms", "seconds")


class Killed(BaseException):
    """What stands for SIGKILL within one process: nothing handles it, and nothing of the run is used again."""


def without_times(record):
    return {key: value for key, value in record.items() if key not in TIMES}


def left(out):
    """All that a run has left in its folder, but for the times."""
    tree = train.load_tree(out / "checkpoint.safetensors")
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert records == tree["records"]
    with open(out / "metrics.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["loss"] for row in rows] == [repr(r["loss"]) for r in records]
    tree["records"] = [without_times(r) for r in records]
    del tree["seen"]["seconds"]
    names = sorted(p.name for p in out.iterdir())
    assert names == ["checkpoint.safetensors", "metrics.csv", "metrics.jsonl", "weights.safetensors"]
    return tree | {"weights": (out / "weights.safetensors").read_bytes()}


def same(a, b):
    """Whether two trees are equal, arrays bit for bit."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return a == b


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the uninterrupted run leaves."""
    out = tmp_path_factory.mktemp("whole")
    assert len(runs.start(out)[1]()) == runs.EPOCHS
    return left(out)


@pytest.mark.slow
def test_a_run_without_a_folder_is_the_same(whole):
    records = runs.start()[1]()
    assert [without_times(r) for r in records] == whole["records"]


def test_every_part_of_the_run_is_random_or_has_state(whole):
    """Otherwise the other tests would say little."""
    assert {"default", "model.depth.rng", "model.drop2.rng", "model..sources.0"} <= whole["streams"].keys()
    assert whole["average"]["count"] == runs.STEPS == whole["step"]
    assert whole["callbacks"][0]["kept"].keys() == {"model", "average"} and whole["callbacks"][1] is None
    assert len({r["lr"] for r in whole["records"]}) == runs.EPOCHS


def pieces(out):
    """Run in one 'process' after another, all within this one, until one of them is not killed; return how many."""
    for count in range(1, 1000):
        try:
            runs.start(out, resume=True)[1]()
        except Killed:
            continue
        return count
    raise AssertionError("the run makes no headway")


@pytest.mark.slow
def test_killed_in_the_midst_of_every_step(whole, tmp_path, monkeypatch):
    update, begun = optim.AdamW._update, set()

    def killing(self, ps, gs, states, *rest):
        if self.steps not in begun:
            begun.add(self.steps)
            update(self, ps[:2], gs[:2], states[:2], *rest)  # half of the work
            raise Killed
        update(self, ps, gs, states, *rest)

    monkeypatch.setattr(optim.AdamW, "_update", killing)
    assert pieces(tmp_path) == runs.STEPS + 1
    assert same(left(tmp_path), whole)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_writes_of_every_kind(whole, tmp_path, monkeypatch, when):
    replace, writes = os.replace, Counter()

    def killing(source, target):
        writes[Path(target).name] += 1
        dies = writes[Path(target).name] % 3 == 1
        if dies and when == "before":
            raise Killed
        replace(source, target)
        if dies:
            raise Killed

    monkeypatch.setattr(checkpoint.os, "replace", killing)
    (tmp_path / ".checkpoint.safetensors.abc.partial").write_bytes(b"of one that was killed while writing")
    assert pieces(tmp_path) > 8 and len(writes) == 4
    assert same(left(tmp_path), whole)


@pytest.mark.slow
def test_killed_by_the_system_at_random_moments(whole, tmp_path):
    """Each process gets some steps done, and is killed a few milliseconds later: in a step, or while it writes."""
    rng, ends, command = np.random.default_rng(5), [], [sys.executable, str(SCRIPT), str(tmp_path)]
    environment = {**os.environ, "MINIGRAD_NUM_THREADS": str(mg.get_num_threads())}
    for steps in (2, 3, 4, 2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(steps):
            process.stdout.readline()
        time.sleep(rng.uniform(0, 0.006))
        process.kill()
        process.communicate(timeout=60)
        ends.append(process.returncode)
    assert ends.count(-signal.SIGKILL) >= 2  # a fast machine may be done before
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    assert same(left(tmp_path), whole)


# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------


def pressed(monkeypatch, *moments):
    """Ctrl-C is pressed when the optimizer's `zero_grad` is called, at these of its calls."""
    forget, calls = optim.AdamW.zero_grad, []

    def press(self):
        calls.append(self.steps)
        for _ in range(moments.count(len(calls))):
            signal.raise_signal(signal.SIGINT)
        forget(self)

    monkeypatch.setattr(optim.AdamW, "zero_grad", press)
    return calls


@pytest.mark.slow
def test_ctrl_c_ends_the_step_saves_and_says_how_to_go_on(whole, tmp_path, monkeypatch, capsys):
    pressed(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step 6, 1 of 4 epochs done; .*resume=True"):
        runs.start(tmp_path, checkpoint_every=None)[1]()
    assert "Stopping after this step" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert train.load_tree(tmp_path / "checkpoint.safetensors")["step"] == 6
    runs.start(tmp_path, resume=True)[1]()
    assert same(left(tmp_path), whole)


def test_a_second_ctrl_c_works_as_ever(tmp_path, monkeypatch):
    calls = pressed(monkeypatch, 6, 6)
    with pytest.raises(KeyboardInterrupt) as stop:
        runs.start(tmp_path)[1]()
    assert not str(stop.value) and len(calls) == 6
    assert train.load_tree(tmp_path / "checkpoint.safetensors")["step"] == 5


def test_without_a_folder_ctrl_c_is_left_alone(monkeypatch):
    calls = pressed(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        runs.start()[1]()
    assert len(calls) == 3


# ---- a full disk -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_full_disk_leaves_the_checkpoint_before_and_no_other_file(whole, tmp_path, monkeypatch):
    fsync, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as failure:
        runs.start(tmp_path)[1]()
    assert any("the one before stands in" in note for note in failure.value.__notes__)
    assert not list(tmp_path.glob(".*"))
    monkeypatch.undo()
    assert 0 < train.load_tree(tmp_path / "checkpoint.safetensors")["step"] < runs.STEPS
    runs.start(tmp_path, resume=True)[1]()
    assert same(left(tmp_path), whole)


def test_a_limit_of_the_system_on_the_size_of_files(tmp_path):
    """The kernel cuts the write short, as a full disk does."""
    path, old = tmp_path / "tree.safetensors", {"x": np.arange(3.0)}
    train.save_tree(old, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            train.save_tree({"x": np.zeros(5000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert same(train.load_tree(path), old) and os.listdir(tmp_path) == [path.name]


# ---- what is refused, and what is not --------------------------------------------------------------------------------


def interrupted(out, step):
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        pressed(patch, step)
        runs.start(out)[1]()
    return out


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """The folder of a run that was interrupted after six steps, in its second epoch."""
    return interrupted(tmp_path_factory.mktemp("half"), 6)


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    """The checkpoint of the same run, interrupted after its first step."""
    return train.load_tree(interrupted(tmp_path_factory.mktemp("early"), 1) / "checkpoint.safetensors")


PARTS = ["model", "optimizer", "average", "seen", "step", "train", "test", "records"]
STREAMS = ["default", "model.depth.rng", "model.drop2.rng", "model..sources.0"]


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS + STREAMS)
def test_no_part_of_a_checkpoint_is_idle(half, early, whole, tmp_path, part):
    """Were one of them not restored, the tests above would notice: with an old one in its place the run is another."""
    tree = train.load_tree(half / "checkpoint.safetensors")
    into, old = (tree, early) if part in tree else (tree["streams"], early["streams"])
    assert not same(into[part], old[part])
    into[part] = old[part]
    train.save_tree(tree, tmp_path / "checkpoint.safetensors")
    runs.start(tmp_path, resume=True)[1]()
    assert not same(left(tmp_path), whole)


def other_net():
    net = runs.Net()
    net.drop.p, net.fc = 0.5, nn.Linear(4 * 36, 4)
    return {"net": net}


def other_optimizer(**options):
    net = runs.Net()
    options = {"lr": optim.schedules.one_cycle(0.02, runs.STEPS), "weight_decay": 0.1, **options}
    return {"net": net, "optimizer": optim.AdamW(net.parameters(), **options)}


def other_rule():
    net = runs.Net()
    return {"net": net, "optimizer": optim.SGD(net.parameters(), 0.1)}


def other_data():
    return {"loader": data.Loader(data.Dataset(runs.X, runs.Y), 6, seed=8, transform=data.Affine(rotate=10))}


OTHERS = {
    "model": (other_net, ["model.drop: Dropout(p=0.2", "model.fc.weight: float32 (3, 144) in", "(4, 144) here"]),
    "weight decay": (lambda: other_optimizer(weight_decay=0.2), ["weight_decay: 0.1 in the checkpoint, 0.2 here"]),
    "a rate that is a number": (lambda: other_optimizer(lr=0.1), ["optimizer.groups.0.lr: <function one_cycle"]),
    "a schedule that differs later": (
        lambda: other_optimizer(lr=optim.schedules.one_cycle(0.02, 2 * runs.STEPS)),
        ["optimizer.groups.0.lr at step 1: "],
    ),
    "rule": (
        other_rule,
        ["optimizer: AdamW in the checkpoint, SGD here", "betas: (0.9, 0.999) in the checkpoint, none"],
    ),
    "data": (other_data, ["train.seed: 7 in the checkpoint, 8 here", "train.transform: Affine"]),
    "loss": (
        lambda: {"loss": mg.mse_loss},
        ["loss: <function cross_entropy> in the checkpoint, <function mse_loss> h"],
    ),
    "accumulation": (lambda: {"accumulate": 3}, ["accumulate: 2 in the checkpoint, 3 here"]),
    "average": (lambda: {"average": None}, ["average: Averaging(weights", "None here"]),
    "callbacks": (lambda: {"callbacks": [train.EarlyStopping()]}, ["callbacks: ", "patience=5"]),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_checkpoint_of_other_settings_is_refused_and_the_difference_named(half, what):
    make, words = OTHERS[what]
    files = {p: p.read_bytes() for p in half.iterdir()}
    net, fit = runs.start(half, resume=True, **make())
    before = net.state_dict()
    with pytest.raises(train.CheckpointError, match="other settings") as refusal:
        fit()
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
    assert same(net.state_dict(), before) and files == {p: p.read_bytes() for p in half.iterdir()}


@pytest.mark.slow
def test_other_threads_are_allowed_with_a_warning(half, tmp_path):
    for path in half.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    threads = mg.get_num_threads()
    mg.set_num_threads(threads + 1)
    try:
        with pytest.warns(UserWarning, match=f"begun with {threads} threads") as warned:
            runs.start(tmp_path, resume=True)[1]()
        assert warned[0].filename == runs.__file__
    finally:
        mg.set_num_threads(threads)


def test_a_damaged_checkpoint_is_said_to_be_one(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"half a file")
    with pytest.raises(train.CheckpointError, match="no checkpoint, or is damaged"):
        runs.start(tmp_path, resume=True)[1]()


def test_a_checkpoint_that_lacks_a_part_is_said_to(early, tmp_path):
    for tree in {k: v for k, v in early.items() if k != "streams"}, [], {**early, "optimizer": {}}:
        train.save_tree(tree, tmp_path / "checkpoint.safetensors")
        with pytest.raises(train.CheckpointError, match=r"checkpoint.safetensors: .*begin anew"):
            runs.start(tmp_path, resume=True)[1]()


def plain(out, epochs, batches, **options):
    """A run with a constant rate, on batches of the caller's."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, rng=0))
    opt = optim.SGD(net.parameters(), 0.1, momentum=0.9)
    return net, train.fit(net, opt, batches, epochs=epochs, out=out, progress=False, **options)


LIST = [(runs.X[i : i + 6], runs.Y[i : i + 6]) for i in range(0, 42, 6)]


@pytest.mark.parametrize("stops", [False, True])
def test_a_run_goes_on_for_more_epochs_and_is_done_when_it_is_done(tmp_path, stops):
    """What early stopping puts back at the end is not where the run goes on."""

    def run(out, epochs, **options):
        stop = train.EarlyStopping("accuracy", patience=2 if stops else 9, min_delta=1.0 if stops else 0.0)
        return plain(tmp_path / out, epochs, LIST, callbacks=[stop], **options)

    whole, records = run("a", 5)
    run("b", 2)
    net, longer = run("b", 5, resume=True)
    assert same(net.state_dict(), whole.state_dict()) and len(records) == (3 if stops else 5)
    assert [without_times(r) for r in longer] == [without_times(r) for r in records]
    again, same_records = run("b", 5 if stops else 4, resume=True)  # nothing was left to do
    assert same(again.state_dict(), whole.state_dict()) and same_records == longer


@pytest.mark.slow
def test_background_workers_change_nothing(half, whole, tmp_path):
    for path in half.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    augment = data.Affine(rotate=20, shift=1)
    loader = data.Loader(data.Dataset(runs.X, runs.Y), 6, seed=7, transform=augment, workers=2)
    runs.start(tmp_path, resume=True, loader=loader)[1]()
    assert same(left(tmp_path), whole)


@pytest.mark.parametrize("kind", ["list", "iterable"])
def test_a_list_goes_on_within_an_epoch_and_what_cannot_says_so(tmp_path, monkeypatch, kind):
    class Stream:
        def __iter__(self):
            return iter(LIST)

        def __repr__(self):
            return "Stream()"

    batches = LIST if kind == "list" else Stream()
    whole, _ = plain(None, 2, batches)
    step = optim.SGD.step

    def interrupt(self):
        if self.steps == 9:
            raise Killed
        step(self)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(optim.SGD, "step", interrupt)
        plain(tmp_path, 2, batches, checkpoint_every=1)
    if kind == "iterable":
        with pytest.raises(TypeError, match=r"Stream\(\) cannot go on from there; give a data.Loader or a list"):
            plain(tmp_path, 2, batches, resume=True)
    else:
        net, _ = plain(tmp_path, 2, batches, resume=True)
        assert same(net.state_dict(), whole.state_dict())


# ---- a new run in the folder of an old one ---------------------------------------------------------------------------


def anew(out, rng, epochs, **options):
    """A run with a log; all its settings but the weights that it begins with are the same for every `rng`."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, rng=rng))
    log = train.CSVLog(out / "metrics.csv")
    train.fit(
        net, optim.SGD(net.parameters(), 0.1), LIST, epochs=epochs, out=out, callbacks=[log], progress=False, **options
    )
    return net.state_dict()  # fmt: skip


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The files of a run of three epochs, and where a new one of two ends."""
    out = tmp_path_factory.mktemp("old")
    anew(out, 0, 3)
    return {p.name: p.read_bytes() for p in out.iterdir()}, anew(tmp_path_factory.mktemp("new"), 1, 2)


def crashing(monkeypatch, operation, when):
    """The process dies before or after so many operations on files."""
    count = 0

    def watched(function):
        def call(*args, **options):
            nonlocal count
            count += 1
            if count == operation and when == "before":
                raise Killed
            result = function(*args, **options)
            if count == operation:
                raise Killed
            return result

        return call

    for name in "replace", "unlink", "chmod":
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    monkeypatch.setattr(os, "fsync", watched(lambda handle: None))


@cases(40)
@given(st.integers(1, 40), st.sampled_from(["before", "after"]), st.sampled_from([None, 1, 3, 7]))
def test_the_old_run_is_whole_until_the_new_one_has_a_checkpoint(old, operation, when, every):
    files, end = old
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        out = Path(folder)
        for name, content in files.items():
            (out / name).write_bytes(content)
        crashing(patch, operation, when)
        with contextlib.suppress(Killed):
            anew(out, 1, 2, checkpoint_every=every)
        patch.undo()
        kept = {p.read_bytes() for p in out.iterdir()}
        of_the_new = (out / "checkpoint.safetensors").exists() and files["checkpoint.safetensors"] not in {
            (out / "checkpoint.safetensors").read_bytes()
        }
        assert of_the_new or kept >= {*files.values()}
        patch.setattr(os, "fsync", lambda handle: None)
        assert same(anew(out, 1, 2, resume=operation > 1 or when == "after", checkpoint_every=every), end)
        assert {p.name for p in out.iterdir()} == files.keys()
        assert not {p.read_bytes() for p in out.iterdir()} & {*files.values()}


def test_a_run_that_fails_before_its_first_checkpoint_leaves_the_old_one(old, tmp_path):
    for name, content in old[0].items():
        (tmp_path / name).write_bytes(content)
    wrong = [(np.full_like(runs.X, np.nan), runs.Y)]
    for _ in range(2):
        with pytest.raises(FloatingPointError):
            plain(tmp_path, 1, wrong)
        kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        assert kept.pop("checkpoint.previous.safetensors") == old[0]["checkpoint.safetensors"]
        assert kept == {name: content for name, content in old[0].items() if name in kept} and len(kept) == 3
    (tmp_path / "checkpoint.previous.safetensors").rename(tmp_path / "checkpoint.safetensors")
    longer = anew(tmp_path, 5, 4, resume=True)  # the way back
    assert same(longer, anew(tmp_path / "whole", 0, 4))


def test_a_run_of_no_epochs_takes_over_too(old, tmp_path):
    for name, content in old[0].items():
        (tmp_path / name).write_bytes(content)
    anew(tmp_path, 1, 0)
    assert not (tmp_path / "checkpoint.previous.safetensors").exists()
    assert train.load_tree(tmp_path / "checkpoint.safetensors")["step"] == 0


def test_checkpoints_need_a_folder():
    with pytest.raises(ValueError, match="checkpoints need a folder"):
        plain(None, 1, LIST, resume=True)
    with pytest.raises(ValueError, match="checkpoint_every is 0"):
        plain("here", 1, LIST, checkpoint_every=0)


def test_modules_that_a_callback_thawed_stay_thawed(tmp_path):
    def thaw(state):
        if state.epoch == 2:
            train.unfreeze(state.model, "1")

    def run(epochs, **options):
        net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(36), nn.Linear(36, 3, rng=0))
        train.freeze(net, "1")
        opt = optim.SGD(net.parameters(), 0.1)
        train.fit(net, opt, LIST, epochs=epochs, progress=False, callbacks=[thaw], **options)
        return net.state_dict()

    run(2, out=tmp_path)
    resumed = run(4, out=tmp_path, resume=True)
    assert same(resumed, run(4)) and resumed["1.running_mean"].any()


def test_frozen_parameters_stay_frozen(tmp_path):
    def thaw(state):
        state.model[1].bias.requires_grad = state.epoch >= 2

    def run(epochs, **options):
        net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, rng=0)).requires_grad_(False)
        net[1].weight.requires_grad = True
        opt = optim.SGD(net.parameters(), 0.1)
        train.fit(net, opt, LIST, epochs=epochs, progress=False, callbacks=[thaw], **options)
        return net

    run(2, out=tmp_path)
    assert same(run(4, out=tmp_path, resume=True).state_dict(), run(4).state_dict())


# ---- the same run, or a word about it --------------------------------------------------------------------------------

SMALL = np.random.default_rng(1).standard_normal((12, 4)).astype(np.float32), np.arange(12) % 3


def small(out, make, epochs, *, batches=None, callbacks=(), resume=False, test=None):
    """A run of few numbers, on a list of batches or whatever else is given."""
    net = make()
    opt = optim.SGD(net.parameters(), 0.1, momentum=0.9)
    batches = [SMALL] if batches is None else batches
    train.fit(net, opt, batches, test, epochs=epochs, out=out, resume=resume, callbacks=callbacks, progress=False)
    return net


def linear():
    return nn.Linear(4, 3, rng=0)


CHANGES = {
    "an entry": lambda rng, x, y: x.__setitem__((rng.integers(12), rng.integers(4)), 7.0),
    "a label": lambda rng, x, y: y.__setitem__(i := rng.integers(12), (y[i] + 1) % 3),
    "two rows": lambda rng, x, y: x.__setitem__(slice(0, 2), x[1::-1].copy()),
    "a sign": lambda rng, x, y: x.__setitem__(slice(None), -x),
    "fewer": lambda rng, x, y: (x[:-1], y[:-1]),
    "its dtype": lambda rng, x, y: (x, y.astype(np.int32)),
    "its cut": lambda rng, x, y: None,
}


@pytest.mark.slow
@cases(25)
@given(
    st.sampled_from(["list", "loader", "own data set", "tensors"]),
    st.sampled_from(["train", "test"]),
    st.sampled_from([None, *CHANGES]),
    st.integers(0, 2**32),
)
def test_other_data_are_refused(tmp_path_factory, kind, which, change, seed):
    """However the data are given, any change of them, and none of their memory's order."""
    out = tmp_path_factory.mktemp("data")

    class Own:
        def __init__(self, x, y):
            self.x, self.y = x, y

        def __len__(self):
            return len(self.x)

        def __getitem__(self, i):
            return self.x[i], self.y[i]

    def given_as(x, y, cut=6):
        if kind in ("list", "tensors"):
            wrap = mg.tensor if kind == "tensors" else np.asfortranarray
            return [(wrap(x[i : i + cut]), y[i : i + cut]) for i in range(0, len(x), cut)]
        return data.Loader(data.Dataset(x, y) if kind == "loader" else Own(x, y), cut, seed=3)

    x, y = SMALL[0].copy(), SMALL[1].copy()
    if change is not None:
        x, y = CHANGES[change](np.random.default_rng(seed), x, y) or (x, y)
    other = given_as(x, y, cut=4 if change == "its cut" else 6)
    first = {"batches": given_as(*SMALL), "test": given_as(*SMALL)}
    small(out, linear, 1, **first)
    then = {"batches": given_as(*SMALL), "test": given_as(*SMALL), "batches" if which == "train" else "test": other}
    if change is None:
        small(out, linear, 2, resume=True, **then)
    else:
        with pytest.raises(train.CheckpointError, match=rf"{which}\.(data|batch_size): "):
            small(out, linear, 2, resume=True, **then)


def test_a_data_set_that_draws_at_random_is_not_compared(tmp_path):
    class Drawn:
        def __len__(self):
            return 12

        def __getitem__(self, i):
            return np.random.default_rng().random((len(i), 4), np.float32), SMALL[1][i]

    small(tmp_path, linear, 1, batches=data.Loader(Drawn(), 6))
    small(tmp_path, linear, 2, batches=data.Loader(Drawn(), 6), resume=True)


class Annealed(nn.Module):
    """Numbers of every kind, in the class, in a submodule and in containers."""

    def __init__(self):
        self.fc, self.drop = nn.Linear(4, 3, rng=0), nn.Dropout(0.1, rng=1)
        self.scale, self.pair, self.options, self.steps, self.kind = 1.0, (1.0, 2.0), {"shift": 0.0}, [], None

    def forward(self, x):
        self.steps.append(len(x))
        factor = self.scale * self.pair[0] * (2.0 if self.kind == "double" else 1.0)
        return self.drop(self.fc(x)) * factor + self.options["shift"] * len(self.steps)


ACTS = {
    "model.drop.p": lambda m, e: setattr(m.drop, "p", 0.1 * e),
    "model.scale": lambda m, e: setattr(m, "scale", 1.0 / e),
    "model.pair": lambda m, e: setattr(m, "pair", (1.0 + e, 2.0)),
    "model.options": lambda m, e: m.options.update(shift=0.01 * e),
    "model.kind": lambda m, e: setattr(m, "kind", "double" if e > 1 else None),
    "model.later": lambda m, e: setattr(m, "later", e),
}


@pytest.mark.slow
@cases(6)
@given(st.sets(st.sampled_from(sorted(ACTS))))
def test_numbers_that_a_callback_has_changed_go_on_and_are_named(tmp_path_factory, names):
    out = tmp_path_factory.mktemp("numbers")

    def callback(state):
        for name in names:
            ACTS[name](state.model, state.epoch + 1)

    whole = small(None, Annealed, 4, callbacks=[callback])
    small(out, Annealed, 2, callbacks=[callback])
    with pytest.warns(
        UserWarning, match=r"fit: numbers that changed after the run began go on as in its check"
    ) as caught:
        resumed = small(out, Annealed, 4, callbacks=[callback], resume=True)
    said = str(caught[0].message)
    assert len(caught) == 1 and caught[0].filename == __file__ and "model.steps is [12, 12], not []" in said
    assert all((f"{name} is " in said) == (name in names) for name in ACTS)
    assert (
        same(resumed.state_dict(), whole.state_dict()) and resumed.pair == whole.pair and resumed.drop.p == whole.drop.p
    )


def test_a_module_that_a_callback_has_replaced_is_refused(tmp_path):
    make = lambda: nn.Sequential(nn.Linear(4, 3, rng=0), nn.ReLU())  # noqa: E731
    small(tmp_path, make, 1, callbacks=[lambda state: setattr(state.model, "1", nn.Tanh())])
    with pytest.raises(train.CheckpointError, match=r"model\.1: Tanh in the checkpoint, ReLU here"):
        small(tmp_path, make, 2, callbacks=[lambda state: None], resume=True)


def test_a_parameter_of_the_loss_goes_on_too(tmp_path):
    def run(epochs, **options):
        net, scale = linear(), nn.Parameter(np.ones((), np.float32))
        opt = optim.SGD([*net.parameters(), scale], 0.1, momentum=0.9)
        loss = lambda outputs, y: mg.cross_entropy(outputs * scale, y)  # noqa: E731
        train.fit(net, opt, [SMALL], epochs=epochs, loss=loss, progress=False, **options)
        return {**net.state_dict(), "scale": scale.data}

    run(2, out=tmp_path)
    assert same(run(4, out=tmp_path, resume=True), run(4))


class Holder(nn.Module):
    """An array that is neither parameter nor buffer."""

    def __init__(self, held, change=None):
        self.fc, self.held, self.change = nn.Linear(4, 3, rng=0), held, change

    def forward(self, x):
        if self.change:
            self.change(self)
        return self.fc(x)


@pytest.mark.parametrize("wrap", [lambda a: a, mg.tensor, lambda a: [{"deep": a}]], ids=["array", "tensor", "nested"])
def test_an_array_that_no_checkpoint_keeps_is_named(tmp_path, wrap):
    def held(values):
        return lambda: Holder(wrap(np.array(values)))

    def changing():
        return Holder(wrap(np.zeros(3)), lambda m: setattr(m, "held", wrap(np.ones(3))))

    small(tmp_path / "constant", held([1.0, 2.0]), 1)
    with pytest.warns(
        UserWarning, match=r"fit: model\.held.*: an array that is neither Parameter nor Buffer is in no ch"
    ):
        small(tmp_path / "constant", held([1.0, 2.0]), 2, resume=True)
    with pytest.raises(
        train.CheckpointError, match=r"model\.held.*: float64 \(2,\), checksum \w+ in the ch.*, float64 \(2,\)"
    ):
        small(tmp_path / "constant", held([1.0, 3.0]), 3, resume=True)
    small(tmp_path / "changing", changing, 1)
    with pytest.raises(train.CheckpointError, match=r"model\.held.*: it has changed since the run began.*nn\.Buffer"):
        small(tmp_path / "changing", changing, 2, resume=True)

    def late():
        return Holder(None, lambda m: setattr(m, "held", wrap(np.ones(3))))

    small(tmp_path / "late", late, 1)
    with pytest.warns(UserWarning, match=r"model\.held.*: an array"):  # what it keeps for a look, perhaps
        small(tmp_path / "late", late, 2, resume=True)
