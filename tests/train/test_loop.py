"""Training: the loop learns, tests without a trace, and the same settings give the same weights bit for bit."""

import json
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, nn, optim, train

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


def gradients(batches, **options):
    """Of a linear map and its squared error, at each step, and the losses of the steps; it is never moved."""
    net = nn.Linear(3, 1, dtype=np.float64)
    net.weight.data[:], net.bias.data[:] = [[0.5, -0.25, 1.0]], 0.5
    seen = []
    note = train.before_step(lambda state: seen.append([state.loss, *(p.grad.copy() for p in net.parameters())]))
    opt = optim.SGD(net.parameters(), 0.0)
    train.fit(net, opt, batches, epochs=1, loss=mg.mse_loss, callbacks=[note], progress=False, **options)
    return seen


def cut(sizes):
    """Batches of these sizes, one after another, of samples that are small whole numbers."""
    rng = np.random.default_rng(4)
    x, y = (
        rng.integers(-8, 9, (sum(sizes), 3)).astype(np.float64),
        rng.integers(-8, 9, (sum(sizes), 1)).astype(np.float64),
    )
    ends = np.cumsum(sizes)
    return [(x[end - n : end], y[end - n : end]) for n, end in zip(sizes, ends)]


def test_accumulated_gradients_are_exactly_those_of_the_large_batch():
    """Groups have 8, 4 and 4 samples, the last fewer batches: all shares are powers of two, no number is rounded."""
    few, many = gradients(cut([8, 4, 4])), gradients(cut([2, 2, 4, 1, 1, 2, 1, 3]), accumulate=3)
    assert len(few) == len(many) == 3
    assert all(np.array_equal(a, b) for step, other in zip(few, many) for a, b in zip(step, other))


@pytest.mark.parametrize(("accumulate", "sizes"), [(1, [2] * 6 + [1]), (2, [4, 4, 4, 1]), (5, [10, 3]), (9, [13])])
def test_every_sample_counts_the_same_however_they_are_cut(accumulate, sizes):
    few, many = gradients(cut(sizes)), gradients(cut([2] * 6 + [1]), accumulate=accumulate)
    assert len(few) == len(many)
    assert all(np.allclose(a, b, rtol=1e-14, atol=1e-14) for x, y in zip(few, many) for a, b in zip(x, y))


def test_accumulating_trains_the_same_network_as_large_batches():
    """Cross-entropy, momentum and clipping, over epochs, in float64."""

    def run(size, **options):
        net = nn.Sequential(nn.Linear(4, 8, rng=0), nn.Tanh(), nn.Linear(8, 2, rng=1)).astype(np.float64)
        opt = optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
        loader = data.Loader(data.Dataset(X.astype(np.float64), Y), size, seed=2)
        records = train.fit(net, opt, loader, epochs=4, clip_norm=0.5, progress=False, **options)
        return net, opt, records

    (a, opt, few), (b, other, many) = run(24), run(8, accumulate=3)  # 60 samples: 24, 24, 12
    assert opt.steps == other.steps == 12
    assert all(np.allclose(p.data, q.data, rtol=0, atol=1e-12) for p, q in zip(a.parameters(), b.parameters()))
    assert [r["loss"] for r in few] == pytest.approx([r["loss"] for r in many], rel=1e-13)


def test_the_norm_of_the_gradients_is_clipped_over_all_parameters():
    norms = []

    def note(state):
        norms.append(np.sqrt(sum((p.grad.astype(float) ** 2).sum() for p in state.model.parameters())))

    trained(epochs=1, callbacks=[train.before_step(note)])
    free, norms[:] = norms[0], []
    trained(epochs=1, clip_norm=free / 2, callbacks=[train.before_step(note)])
    assert norms[0] == pytest.approx(free / 2, rel=1e-5) and max(norms) <= free / 2 * (1 + 1e-5)


def test_labels_may_be_distributions():
    net = network()
    soft = np.eye(2, dtype=np.float32)[Y] * 0.8 + 0.1
    hard, mixed = train.evaluate(net, [(X, Y)]), train.evaluate(net, [(X, soft)])
    assert hard.accuracy == mixed.accuracy and hard.loss != mixed.loss


def test_fit_says_what_is_wrong_with_its_arguments():
    net = network()
    opt = optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="accumulate is 0"):
        train.fit(net, opt, batches(), epochs=1, accumulate=0, progress=False)
    with pytest.raises(ValueError, match="no batches in epoch 2; give a Loader or a list"):
        train.fit(net, opt, iter([(X, Y)]), epochs=2, progress=False)
    with pytest.raises(ValueError, match="fit: clip_norm is -1"):
        train.fit(net, opt, batches(), epochs=1, clip_norm=-1, progress=False)


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


@pytest.mark.parametrize(("package", "use"), [("tqdm", "fit"), ("safetensors", "save")])
def test_what_is_not_installed_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path, package, use):
    monkeypatch.setitem(sys.modules, package, None)
    net = network()
    with pytest.raises(ModuleNotFoundError, match=r'pip install "minigrad-numba\[app\]"'):
        if use == "fit":
            train.fit(net, optim.SGD(net.parameters(), lr=0.1), batches(), epochs=1)
        else:
            train.save_weights(net, tmp_path / "w.safetensors")
