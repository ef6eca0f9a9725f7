"""Ensembles: the same models from every executor, failures that lose nothing, and measures against their formulas."""

import copy
import math
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from train import members

import minigrad as mg
from minigrad import data, nn, optim, train
from minigrad.train.ensemble import each

TEST = data.Loader(data.Dataset(*data.digits().test[:200]), 64, shuffle=False)


def weights(model):
    return b"".join(a.tobytes() for a in model.state_dict().values())


@pytest.fixture(scope="module")
def models():
    """Three models, trained one after another, here."""
    return [members.member(seed) for seed in (5, 6, 7)]


@pytest.mark.slow
def test_processes_train_the_same_models_on_their_share_of_the_cores(models):
    with train.processes(3, workers=2, threads=1) as pool:  # spawned once, for all that a test asks of processes
        outcomes = []
        found = train.ensemble(members.member, [5, 6, 7], pool, watch=outcomes.append)
        assert [o.item for o in sorted(outcomes)] == [5, 6, 7]
        with pytest.raises(train.MembersFailed) as caught:
            train.ensemble(members.fails_at_2, 4, pool)
        assert sorted(caught.value.finished) == [0, 1, 3]
        assert "member with seed 2" in str(caught.value) and "ValueError: out of luck" in str(caught.value)
        assert "fails_at_2" in str(caught.value)  # its own traceback
        with pytest.raises(train.MembersFailed, match="pickle"):
            train.ensemble(members.not_to_be_sent, 1, pool)
        with pytest.raises(train.MembersFailed, match="member with seed 1") as caught:
            train.ensemble(members.dies_at_1, [0, 1], pool)
        assert "terminated abruptly" in str(caught.value)
    assert {m.threads for m in found} == {1} and models[0].process not in {m.process for m in found}
    if models[0].threads == 1:  # otherwise sums are cut elsewhere
        assert [weights(m) for m in found] == [weights(m) for m in models]
    for a, b in zip(found, models):
        assert all(np.allclose(p.data, q.data, atol=1e-5) for p, q in zip(a.parameters(), b.parameters()))


def test_threads_do_as_well(models):
    with ThreadPoolExecutor(2) as pool:
        found = train.ensemble(members.member, iter([5, 6, 7]), pool)
    assert [weights(m) for m in found] == [weights(m) for m in models]


@pytest.mark.parametrize(("seeds", "options"), [([1, 1], {}), ([], {}), (2, {"workers": 0}), (2, {"threads": 0})])
def test_bad_arguments_are_refused(seeds, options):
    with pytest.raises(ValueError, match="ensemble: "):
        train.ensemble(members.member, seeds, **options)


def test_what_is_no_model_is_a_failure():
    with ThreadPoolExecutor() as pool, pytest.raises(train.MembersFailed, match="returned a int"):
        train.ensemble(members.no_model, 2, pool)


def test_outcomes_come_one_by_one_and_a_caller_may_leave():
    with ThreadPoolExecutor(1) as pool:
        for outcome in each(lambda i: i * i, range(100), pool):
            assert outcome.value == outcome.item**2
            break


# ---- snapshots


def test_snapshots_are_taken_at_the_end_of_each_cosine():
    model, seen = nn.Linear(2, 3, rng=0), []
    optimizer = optim.SGD(model.parameters(), 0.5)
    x, y = np.random.default_rng(0).standard_normal((24, 2)).astype("f"), np.arange(24) % 3
    batches = data.Loader(data.Dataset(x, y), 8, seed=0)

    def loss(logits, labels):
        seen.append(optimizer.rate)
        return mg.cross_entropy(logits, labels)

    taken = train.snapshots(model, optimizer, batches, cycles=2, epochs=4, loss=loss, progress=False)
    cosine = [0.25 * (math.cos(math.pi * t / 12) + 1) for t in range(12)]  # α₀/2 (cos(π t/T) + 1)
    assert np.allclose(seen, cosine * 2) and optimizer.param_groups[0]["lr"] == 0.5
    assert weights(taken[1]) == weights(model) != weights(taken[0])

    again = nn.Linear(2, 3, rng=0)  # one cycle is an ordinary run under that rate
    rate = optim.schedules.cosine(0.5, 12)
    train.fit(again, optim.SGD(again.parameters(), rate), data.Loader(data.Dataset(x, y), 8, seed=0), epochs=4, progress=False)  # fmt: skip
    assert weights(again) == weights(taken[0])


def test_snapshots_of_a_run_that_goes_on_begin_a_cycle():
    model = nn.Linear(2, 3, rng=0)
    optimizer = optim.SGD(model.parameters(), 0.5)
    batches = [(np.ones((4, 2), "f"), np.zeros(4, int))]
    train.fit(model, optimizer, batches, epochs=3, progress=False)
    rates = []
    train.snapshots(model, optimizer, batches, cycles=1, epochs=2, progress=False,
                    loss=lambda z, y: (rates.append(optimizer.rate), (z * z).mean())[1])  # fmt: skip
    assert np.allclose(rates, [0.5, 0.25])


@pytest.mark.parametrize(
    ("lr", "cycles", "error"), [(lambda step: 0.1, 2, "is a function"), (0.1, 0, "a whole number ≥ 1")]
)
def test_snapshots_refuse_what_makes_no_cycles(lr, cycles, error):
    model = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=error):
        train.snapshots(model, optim.SGD(model.parameters(), lr), [], cycles=cycles, epochs=1)


# ---- what they say together


def test_probabilities_are_averaged_not_logits(models):
    probs, labels = train.probabilities(models, TEST)
    assert probs.shape == (3, 200, 10) and np.allclose(probs.sum(2), 1, atol=1e-6)
    assert np.array_equal(labels, data.digits().test.y[:200])
    found = train.judge(models, TEST)
    mean = probs.mean(0)
    assert found.accuracy == (mean.argmax(1) == labels).mean()
    assert np.isclose(found.loss, -np.log(mean[np.arange(200), labels]).mean(), rtol=1e-5)
    assert found.loss <= np.mean(found.losses) + 1e-9  # Jensen: −log of a mean
    assert found.accuracies[1] == train.evaluate(models[1], TEST).accuracy
    assert f"{found.accuracy:.2%}" in str(found) and "mean of the members" in str(found)


def test_equal_members_agree_and_change_nothing(models):
    found = train.judge([models[0], copy.deepcopy(models[0])], TEST)
    assert found.disagreement.mean == 0 and found.accuracy == found.accuracies[0]
    assert np.isclose(found.calibration.ece, found.calibrations[0].ece, atol=1e-6)


def test_disagreement_counts_pairs():
    said = np.array([[0, 1, 2, 2], [0, 1, 2, 0], [0, 2, 1, 0]])
    found = train.disagreement(np.eye(3)[said], np.array([0, 0, 1, 1]))
    assert np.array_equal(found.pairwise, [[0, 0.25, 0.75], [0.25, 0, 0.5], [0.75, 0.5, 0]])
    assert found.mean == 0.5
    assert np.allclose(found.by_label[:2], [1 / 3, 2 / 3]) and np.isnan(found.by_label[2])
    with pytest.raises(ValueError, match="two members or more"):
        train.disagreement(np.eye(3)[said][:1], np.zeros(4, int))


def test_calibration_against_its_definition():
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([0.5] * 4, 500)
    labels = rng.integers(0, 4, 500)
    found = train.calibration(probs, labels, bins=7)
    confidence, right, ece = probs.max(1), probs.argmax(1) == labels, 0.0
    for low, high in zip(found.edges, found.edges[1:]):  # Guo et al. 2017, equation 3
        inside = (low < confidence) & (confidence <= high)
        if inside.any():
            ece += inside.sum() / 500 * abs(right[inside].mean() - confidence[inside].mean())
    assert np.isclose(found.ece, ece) and found.samples.sum() == 500
    assert len(train.calibration(probs, labels).samples) == 15  # the paper's


def test_who_says_what_happens_is_calibrated():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, 40_000)
    labels = (rng.uniform(size=40_000) > p).astype(int)
    probs = np.stack([p, 1 - p], 1)
    assert train.calibration(probs, labels).ece < 0.01
    sharp = probs**3 / (probs**3).sum(1, keepdims=True)  # surer than it may be
    assert train.calibration(sharp, labels).ece > 0.1


@pytest.mark.parametrize(("probs", "said"), [(np.ones((2, 3)), "sum one"), (np.ones((2, 2, 3)) / 3, "average"), (np.ones((0, 3)), "of one sample")])  # fmt: skip
def test_calibration_refuses_what_is_no_distribution(probs, said):
    with pytest.raises(ValueError, match=said):
        train.calibration(probs, np.zeros(len(probs), int))


def test_batches_in_another_order_are_refused(models):
    shuffled = data.Loader(data.Dataset(*data.digits().test[:200]), 64, seed=0)
    with pytest.raises(ValueError, match="shuffle=False"):
        train.probabilities(models, shuffled)


@pytest.mark.slow
def test_the_example_trains_members_and_snapshots(tmp_path, capsys):
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "ensembles.py"))
    names = example["main"].__globals__
    names.update(IMAGES=40, EPOCHS=2)
    names["member"].__defaults__, names["snapshots"].__defaults__ = (1,), (2, 1)
    with ThreadPoolExecutor(1) as pool:
        example["main"](str(tmp_path), 2, pool)
    assert "2 members, trained apart" in capsys.readouterr().out
    assert (tmp_path / "reliability.png").stat().st_size > 5000
