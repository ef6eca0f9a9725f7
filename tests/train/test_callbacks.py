"""Callbacks are called when they say, with the state as it is; early stopping keeps the best epoch."""

import functools

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim, train

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
BATCHES = [(X[i : i + 10], Y[i : i + 10]) for i in range(0, 40, 10)]


def fitted(callbacks, epochs=3, lr=0.1, **options):
    net = nn.Linear(3, 2, rng=0)
    opt = optim.SGD(net.parameters(), lr)
    return net, train.fit(net, opt, BATCHES, BATCHES, epochs=epochs, callbacks=callbacks, progress=False, **options)


def test_the_moments_come_in_order_and_the_state_says_where_it_is():
    seen = []

    def note(name):
        return lambda state: seen.append((name, state.epoch, state.step, state.optimizer.steps, state.record is None))

    fitted([note("epoch"), train.after_step(note("after")), train.before_step(note("before"))], epochs=2)
    wanted = []
    for epoch in (1, 2):
        for step in range(4 * epoch - 4, 4 * epoch):
            wanted += [("before", epoch, step, step, True), ("after", epoch, step + 1, step + 1, True)]
        wanted.append(("epoch", epoch, 4 * epoch, 4 * epoch, False))
    assert seen == wanted


def test_a_callback_may_change_what_the_state_names():
    """Gradients before the step, weights after it, records and rates after the epoch."""

    def noise(state):
        nn.gradient_noise_(state.model, state.step, rng=3)

    def lower(state):
        state.optimizer.param_groups[0]["lr"] *= 0.5
        state.record["norm"] = float(np.abs(state.model.weight.data).max())

    limit = train.after_step(lambda state: nn.max_norm_(state.model, 0.2))
    plain, _ = fitted([limit, lower])
    net, records = fitted([train.before_step(noise), limit, lower])
    assert not np.array_equal(net.weight.data, plain.weight.data)
    assert (np.linalg.norm(net.weight.data, axis=1) < 0.2 + 1e-6).all()
    assert [r["lr"] for r in records] == [0.1, 0.05, 0.025] and records[2]["norm"] == np.abs(net.weight.data).max()


def test_gradients_are_there_before_and_after_the_step():
    norms = []

    def note(state):
        norms.append(float(np.linalg.norm(state.model.weight.grad)))

    fitted([train.before_step(functools.partial(note)), train.after_step(note)], epochs=1, clip_norm=1e-3)
    assert norms[::2] == norms[1::2] and all(0 < n <= 1e-3 * (1 + 1e-6) for n in norms)


def test_true_ends_the_training_with_the_epoch():
    _, records = fitted([lambda state: state.epoch == 2])
    assert [r["epoch"] for r in records] == [1, 2]
    _, records = fitted([lambda state: np.bool_(state.record["loss"] < 100)])
    assert len(records) == 1


def test_true_after_a_step_ends_the_epoch_at_once():
    ended = []
    _, records = fitted([train.after_step(lambda state: state.step == 6), lambda state: ended.append(state.step)])
    _, first = fitted([], epochs=1)
    assert ended == [4, 6] and [r["epoch"] for r in records] == [1, 2] and "test_loss" in records[1]
    assert records[0]["loss"] == first[0]["loss"]


def test_only_true_ends_the_training():
    """A callback may return what it likes: a norm, a tensor, the number of its calls."""
    for answer in (1, 1.0, "yes", mg.tensor(1.0), np.ones(3), None, False, np.False_):
        assert len(fitted([lambda state: answer])[1]) == 3


def test_what_cannot_be_marked_is_said():
    with pytest.raises(TypeError, match="takes no attributes; wrap it: lambda state"):
        train.after_step([].append)


# ---- early stopping --------------------------------------------------------------------------------------------------


class Script:
    """A callback that gives the epochs these losses, and the weights the number of the epoch."""

    def __init__(self, losses):
        self.losses = losses

    def __call__(self, state):
        state.record["test_loss"] = self.losses[state.epoch - 1]
        state.model.weight.data = np.full((2, 3), state.epoch, np.float32)


@pytest.mark.parametrize(
    ("losses", "options", "epochs", "best"),
    [
        ([5, 4, 3, 4, 4, 4, 2], {"patience": 3}, 6, 3),
        ([5, 4, 3, 4, 4, 2, 2], {"patience": 3}, 7, 6),  # epochs were all there was
        ([5, 4, 3, 4, 4, 4, 2], {"patience": 1}, 4, 3),
        ([5, 4.9, 4.8, 4.7, 4.6, 4.6, 4.6], {"patience": 3, "min_delta": 0.25}, 7, 4),  # 0.1 is no gain, 0.3 is
        ([5, 5, 5, 5, 5, 5, 5], {"patience": 2}, 3, 1),
        ([5, float("nan"), float("nan"), 1, 1, 1, 1], {"patience": 2}, 3, 1),
        ([1, 2, 3, 2, 2, 2, 2], {"patience": 2, "better": "higher"}, 5, 3),
    ],
)
def test_early_stopping(losses, options, epochs, best):
    stop = train.EarlyStopping("test_loss", **options)
    net, records = fitted([Script(losses), stop], epochs=7)
    assert len(records) == epochs and stop.best_epoch == best and stop.best == losses[best - 1]
    assert (net.weight.data == best).all()
    net, _ = fitted([Script(losses), train.EarlyStopping("test_loss", restore=False, **options)], epochs=7)
    assert (net.weight.data == epochs).all()


def test_early_stopping_brings_back_buffers_and_the_average():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2, rng=0))
    average = train.Averaging(net, optim.averaging.ema(0.9), batch_norm="copy")
    stop, kept = train.EarlyStopping("test_accuracy", patience=2), {}

    def note(state):
        state.record["test_accuracy"] = -abs(state.epoch - 3)
        kept[state.epoch] = state.model.state_dict(), state.average.state_dict()

    opt = optim.SGD(net.parameters(), 0.1)
    train.fit(net, opt, BATCHES, BATCHES, epochs=9, average=average, callbacks=[note, stop], progress=False)
    assert list(kept) == [1, 2, 3, 4, 5] and stop.best_epoch == 3
    for have, wanted in zip((net.state_dict(), average.state_dict()), kept[3]):
        assert all(np.array_equal(have[k], wanted[k]) for k in wanted)


def test_the_best_weights_are_those_on_disk(tmp_path):
    fitted([Script([3, 1, 2, 2]), train.EarlyStopping(patience=2)], epochs=4, out=tmp_path)
    net = nn.Linear(3, 2)
    train.load_weights(net, tmp_path / "weights.safetensors")
    assert (net.weight.data == 2).all()


def test_early_stopping_says_what_it_lacks():
    with pytest.raises(KeyError, match="no 'test_error', but epoch, loss, accuracy"):
        fitted([train.EarlyStopping("test_error", better="lower")])
    with pytest.raises(ValueError, match="whether 'lower' or 'higher' is better for 'f1'"):
        train.EarlyStopping("f1")
    with pytest.raises(ValueError, match="patience is 0"):
        train.EarlyStopping(patience=0)
    with pytest.raises(ValueError, match="min_delta is -1"):
        train.EarlyStopping(min_delta=-1)
