"""Training: the loop learns, tests without a trace, and the same settings give the same weights bit for bit."""

import json
import os
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, nn, optim, train
from minigrad.train import checkpoint, digits

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4)).astype(np.float32)
Y = (X[:, 0] > X[:, 1]).astype(np.int64)


def network(rng=0):
    return nn.Sequential(
        nn.Linear(4, 16, rng=rng), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1, rng=rng), nn.Linear(16, 2, rng=rng)
    )


def batches(**options):
    return data.Loader(data.Dataset(X, Y), 20, **options)


def trained(epochs=8, **options):
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    return net, train.fit(net, opt, batches(), batches(shuffle=False), epochs=epochs, progress=False, **options)


def test_fit_learns_and_its_records_say_so(tmp_path):
    _, records = trained(out=tmp_path / "run")
    assert [r["epoch"] for r in records] == list(range(1, 9))
    assert records[-1]["loss"] < 0.5 * records[0]["loss"] and records[-1]["test_accuracy"] > 0.9
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == records
    again = network(rng=1)
    train.load_weights(again, tmp_path / "run" / "weights.safetensors")
    tested = train.evaluate(again, batches(shuffle=False))
    assert (tested.loss, tested.accuracy) == (records[-1]["test_loss"], records[-1]["test_accuracy"])


def test_a_new_run_begins_new_metrics(tmp_path):
    trained(epochs=2, out=tmp_path)
    trained(epochs=1, out=tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_the_same_run_gives_the_same_weights_bit_for_bit():
    (a, first), (b, second) = trained(), trained()
    assert all(np.array_equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))
    assert [r["loss"] for r in first] == [r["loss"] for r in second]


def test_means_are_over_samples_not_batches():
    net = network()
    loader = data.Loader(data.Dataset(X, Y), 50, shuffle=False)  # batches of 50 and 10
    logits, labels = train.predict(net, loader)
    result = train.evaluate(net, loader)
    assert result.loss == pytest.approx(mg.cross_entropy(logits, labels).item(), rel=1e-6)
    assert result.accuracy == (logits.argmax(1) == Y).mean()
    np.testing.assert_array_equal(labels, Y)


def test_evaluation_records_nothing_and_leaves_modes_and_statistics_alone():
    net = network()
    net.train()
    net[1].training = False  # a part that was frozen
    before, modes = net.state_dict(), [m.training for m in net.modules()]
    seen = []
    train.evaluate(net, batches(), loss=lambda logits, y: seen.append(logits) or mg.cross_entropy(logits, y))
    assert all(t.node is None and not t.requires_grad for t in seen)
    assert [m.training for m in net.modules()] == modes
    assert all(np.array_equal(x, y) for x, y in zip(before.values(), net.state_dict().values()))
    with pytest.raises(ValueError):  # the mode is put back after an error too
        train.evaluate(net, [(X[:, :3], Y)])
    assert [m.training for m in net.modules()] == modes


def test_a_loss_that_is_not_finite_stops_the_run():
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1"):
        train.fit(net, opt, [(X * np.nan, Y)], epochs=3, progress=False)


def test_another_loss_and_generators_of_batches():
    net = nn.Linear(4, 1, rng=0)
    opt = optim.SGD(net.parameters(), lr=0.05)
    target = X @ np.array([[1.0], [2], [3], [4]], np.float32)

    def squared(y, labels):
        return ((y - target[labels]) ** 2).mean()

    records = train.fit(net, opt, [(X, np.arange(60))], epochs=60, loss=squared, progress=False)
    assert records[-1]["loss"] < 0.1 * records[0]["loss"]
    assert "test_loss" not in records[0] and records[0]["lr"] == 0.05


def test_the_bar_shows_epochs_and_accuracy(capsys):
    net = network()
    train.fit(net, optim.SGD(net.parameters(), lr=0.1), batches(), batches(), epochs=2)
    shown = capsys.readouterr().err
    assert "epoch 2/2" in shown and "accuracy" in shown and "6/6" in shown


@pytest.mark.parametrize(("package", "use"), [("tqdm", "fit"), ("safetensors.numpy", "save")])
def test_what_is_not_installed_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path, package, use):
    monkeypatch.setitem(sys.modules, package, None)
    net = network()
    with pytest.raises(ModuleNotFoundError, match=r'pip install "minigrad-numba\[app\]"'):
        if use == "fit":
            train.fit(net, optim.SGD(net.parameters(), lr=0.1), batches(), epochs=1)
        else:
            train.save_weights(net, tmp_path / "w.safetensors")


# ---- weights on disk -------------------------------------------------------------------------------------------------


def test_weights_survive_a_round_trip_in_a_file_that_others_read(tmp_path):
    from safetensors.numpy import load_file

    net = network()
    train.save_weights(net, tmp_path / "w.safetensors")
    stored = load_file(tmp_path / "w.safetensors")
    assert stored.keys() == net.state_dict().keys()
    assert all(np.array_equal(stored[k], v) and stored[k].dtype == v.dtype for k, v in net.state_dict().items())
    other = network(rng=5)
    train.load_weights(other, tmp_path / "w.safetensors")
    assert all(np.array_equal(x, y) for x, y in zip(net.state_dict().values(), other.state_dict().values()))
    with pytest.raises(ValueError, match="differ"):
        train.load_weights(nn.Linear(4, 2), tmp_path / "w.safetensors")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    train.save_weights(network(), path)
    old = path.read_bytes()

    def no_space(handle):
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        train.save_weights(network(rng=9), path)
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["w.safetensors"]


def test_the_file_is_never_half_written(tmp_path, monkeypatch):
    """Until the very rename, the old content stands; the new one is complete beside it."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")
    replace, seen = os.replace, []

    def watched(source, target):
        seen.append((path.read_bytes(), os.stat(source).st_size))
        replace(source, target)

    monkeypatch.setattr(checkpoint.os, "replace", watched)
    train.save_weights(network(), path)
    assert seen == [(b"old", len(path.read_bytes()))]
    assert path.stat().st_mode & 0o777 == 0o666 & ~checkpoint._umask()


# ---- the digits ------------------------------------------------------------------------------------------------------


def test_an_epoch_on_the_digits_is_the_same_twice_and_another_with_another_seed():
    runs = [train.train_digits(train.Settings(epochs=1, seed=s), progress=False) for s in (0, 0, 1)]
    a, b, c = (run.model.state_dict() for run in runs)
    assert all(np.array_equal(a[k], b[k]) for k in a)
    assert not np.array_equal(a["fc.weight"], c["fc.weight"])
    assert runs[0].records[0]["accuracy"] > 0.15  # 0.1 is chance


def test_the_training_step_shown_drops_no_block_and_its_draws_stand_ready():
    run = train.train_digits(train.Settings(epochs=1), progress=False)
    for module in run.model.modules():
        if isinstance(module, nn.StochasticDepth):
            module.p = 0.7
    step = train.training_step(run)
    parameters = len(run.model.parameters())
    assert sum(node.kind == "parameter" for node in step.nodes) == parameters
    x, y = run.train.dataset[:4]
    mg.cross_entropy(run.model(x), y).backward()
    assert all(p.grad is not None for p in run.model.parameters())


def test_the_support_vector_machine_scores_as_in_scikit_learns_example():
    assert round(digits.svm_accuracy(data.digits()), 4) == 0.9689
