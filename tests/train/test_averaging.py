"""The average of a model: its weights follow the formula in `fit`, its batch norms the policy that was asked for."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, nn, optim, train
from minigrad.optim.averaging import ema, equal

RNG = np.random.default_rng(0)
X = (RNG.standard_normal((50, 4)) * [1, 2, 3, 4] + [4, 3, 2, 1]).astype(np.float32)
Y = (X[:, 0] > X[:, 1] + 1).astype(np.int64)
BATCHES = [(X[i : i + 16], Y[i : i + 16]) for i in range(0, 50, 16)]  # the last has 2


def network():
    return nn.Sequential(
        nn.BatchNorm1d(4), nn.Linear(4, 8, rng=0), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2, rng=1)
    )


def fitted(average_of, epochs=3, **options):
    net = network()
    average = average_of(net)
    path = [net.state_dict()]
    keep = train.after_step(lambda state: path.append(state.model.state_dict()))
    opt = optim.SGD(net.parameters(), 0.1, momentum=0.9)
    records = train.fit(
        net, opt, BATCHES, BATCHES, epochs=epochs, average=average, callbacks=[keep], progress=False, **options
    )
    return net, average, path, records


@pytest.mark.parametrize("policy", train.averaging.POLICIES)
def test_fit_tests_the_average_and_trains_the_model(policy):
    batches = BATCHES if policy == "recalibrate" else None
    net, average, path, records = fitted(lambda net: train.Averaging(net, ema(0.8), batch_norm=policy, batches=batches))
    plain, _, plain_path, plain_records = fitted(lambda net: None)
    assert all(np.array_equal(a, b) for a, b in zip(net.state_dict().values(), plain.state_dict().values()))
    assert len(path) == len(plain_path) == 13 and records[0]["loss"] == plain_records[0]["loss"]
    powers = 0.8 ** np.arange(11, -1, -1)
    live = net.state_dict()
    with average.swapped() as swapped:
        assert swapped is net
        inside = net.state_dict()
        tested = train.evaluate(net, BATCHES)
    assert (tested.loss, tested.accuracy) == (records[-1]["test_loss"], records[-1]["test_accuracy"])
    assert records[-1]["test_loss"] != plain_records[-1]["test_loss"]
    for key in inside:
        series = 0.8**12 * path[0][key] + 0.2 * np.tensordot(powers, [p[key] for p in path[1:]], 1)
        if "running" not in key and "num" not in key:
            assert np.allclose(inside[key], series, rtol=1e-6, atol=1e-7)
        elif policy == "copy":
            assert np.array_equal(inside[key], live[key])
        elif policy == "average" and "running" in key:
            assert np.allclose(inside[key], series, rtol=1e-6)
    if policy == "recalibrate":
        assert np.allclose(inside["0.running_mean"], X.mean(0), rtol=1e-6)
        assert np.allclose(inside["0.running_var"], X.var(0, ddof=1), rtol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(live.values(), net.state_dict().values()))
    average.put()
    assert all(np.array_equal(a, b) for a, b in zip(inside.values(), net.state_dict().values()))


def test_swa_is_the_mean_of_the_ends_of_epochs_from_its_start():
    def make(net):
        return train.Averaging(net, equal(), every="epoch", start=3, batch_norm="copy")

    _, average, path, records = fitted(make, epochs=5)
    ends = [path[4 * epoch]["1.weight"] for epoch in (3, 4, 5)]
    with average.swapped() as net:
        assert np.allclose(net.state_dict()["1.weight"], np.mean(ends, 0), rtol=1e-6)
    _, _, _, plain = fitted(lambda net: None, epochs=5)
    same = [a["test_loss"] == b["test_loss"] for a, b in zip(records, plain)]
    assert same == [True, True, True, False, False]  # of one model the mean is that model


def test_before_its_start_an_exponential_average_is_the_model():
    _, average, path, _ = fitted(lambda net: train.Averaging(net, ema(0.5), start=2, batch_norm="copy"), epochs=2)
    wanted = 0.5**4 * path[4]["1.weight"] + sum(0.5 ** (9 - k) * path[k]["1.weight"] for k in range(5, 9))
    with average.swapped() as net:
        assert np.allclose(net.state_dict()["1.weight"], wanted, rtol=1e-5, atol=1e-7)


def test_the_policy_is_asked_for_and_nothing_else():
    with pytest.raises(ValueError, match="say with batch_norm='copy', 'average' or 'recalibrate'"):
        train.Averaging(network())
    with pytest.raises(ValueError, match="batch_norm is 'guess'"):
        train.Averaging(network(), batch_norm="guess")
    for options in ({"batch_norm": "recalibrate"}, {"batch_norm": "copy", "batches": BATCHES}):
        with pytest.raises(ValueError, match="give both or neither"):
            train.Averaging(network(), **options)
    with pytest.raises(ValueError, match="every is 'day'"):
        train.Averaging(nn.Linear(1, 1), every="day")
    with pytest.raises(ValueError, match="start is 0"):
        train.Averaging(nn.Linear(1, 1), start=0)
    train.Averaging(nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2, track_running_stats=False)))  # nothing to ask
    with pytest.raises(ValueError, match="the average is that of another model"):
        fitted(lambda net: train.Averaging(nn.Linear(4, 2)))


def test_out_again_after_an_error_with_statistics_and_modes():
    net = network()
    average = train.Averaging(net, equal(), batch_norm="recalibrate", batches=BATCHES)
    net[0].training = False
    net[1].weight.data = net[1].weight.data * 2
    before, modes = net.state_dict(), [m.training for m in net.modules()]
    with pytest.raises(ZeroDivisionError), average.swapped():
        assert not np.array_equal(net[0].running_mean.data, before["0.running_mean"])
        1 / 0  # noqa: B018
    average.batches = [(X[:, :3], Y)]  # which the model refuses
    with pytest.raises(ValueError, match="BatchNorm1d: x has shape"), average.swapped():
        pass
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), net.state_dict().values()))
    assert [m.training for m in net.modules()] == modes and "_track" not in vars(net[0])


# ---- recalibrate_batch_norm ------------------------------------------------------------------------------------------


def test_recalibrated_statistics_are_those_of_the_data():
    """For the first layer exactly, whatever the batches; for a later one, of what it sees in training mode."""
    net = network()
    for size in (50, 8, 2):
        train.recalibrate_batch_norm(net, [(X[i : i + size], Y) for i in range(0, 50, size)])
        assert np.allclose(net[0].running_mean.data, X.mean(0), rtol=1e-6)
        assert np.allclose(net[0].running_var.data, X.var(0, ddof=1, dtype=np.float64), rtol=1e-6)
        assert net[0].num_batches_tracked.data == -(-50 // size)
    train.recalibrate_batch_norm(net, [(X, Y)])
    normed = (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5)
    hidden = normed @ net[1].weight.data.T + net[1].bias.data
    assert np.allclose(net[2].running_mean.data, hidden.mean(0), atol=1e-6)
    assert np.allclose(net[2].running_var.data, hidden.var(0, ddof=1), rtol=1e-5)


def test_images_and_dropout_that_is_off():
    x = RNG.standard_normal((9, 2, 3, 3))
    net = nn.Sequential(nn.Dropout(0.5, rng=0), nn.BatchNorm2d(2, momentum=None, dtype=np.float64))
    train.recalibrate_batch_norm(net, [(x[:4], None), (x[4:], None)])
    assert np.allclose(net[1].running_mean.data, x.mean((0, 2, 3)), rtol=0, atol=1e-15)
    assert np.allclose(net[1].running_var.data, x.var((0, 2, 3), ddof=1), rtol=1e-14)


def test_recalibrating_leaves_no_other_trace():
    net = network()
    net[0].training = False
    weights = [p.data.copy() for p in net.parameters()]
    modes = [m.training for m in net.modules()]
    loader = data.Loader(data.Dataset(X, Y), 10, seed=3)
    stream = iter(loader)
    first = [next(stream) for _ in range(2)]
    train.recalibrate_batch_norm(net, loader)
    rest = list(stream)
    fresh = data.Loader(data.Dataset(X, Y), 10, seed=3)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip([*first, *rest], fresh, strict=True))
    assert loader.state_dict() == fresh.state_dict() and [m.training for m in net.modules()] == modes
    assert all(np.array_equal(p.data, w) and p.grad is None for p, w in zip(net.parameters(), weights))


def test_what_cannot_be_recalibrated():
    with pytest.raises(ValueError, match="no batch norm"):
        train.recalibrate_batch_norm(nn.Linear(2, 2), BATCHES)
    net = network()
    before = net.state_dict()
    with pytest.raises(ValueError, match="batch norm '0' saw no data"):
        train.recalibrate_batch_norm(net, [])
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), net.state_dict().values()))
    assert mg.relu(net(X)).shape == (50, 2)


def test_recalibration_leaves_frozen_batch_norms_alone():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2, rng=0), nn.BatchNorm1d(2))
    x = np.random.default_rng(0).normal(3, 2, (50, 2)).astype(np.float32)
    train.freeze(model, "0")
    with train.Audit(model) as audit:
        train.recalibrate_batch_norm(model, [(x, None)])
    assert audit.changes == [] and model[2].running_mean.data.any()
    train.freeze(model, "*")
    before = model[2].running_mean.data.copy()
    train.recalibrate_batch_norm(model, [(x + 1, None)])
    assert np.array_equal(model[2].running_mean.data, before)
