"""The lecture's experiment in small: what a run is, what resumes, what the table says; and the published table itself."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from documents import hold

from minigrad import data
from minigrad.cli import main
from minigrad.lab import lecture
from minigrad.lab.lecture import TECHNIQUES, Recipe, recipe, table

SMALL = Recipe(images=40, epochs=4)
DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.slow
def test_each_technique_changes_something_and_runs():
    few = Recipe(images=40, epochs=5)
    for technique in TECHNIQUES.values():
        without, with_it = technique._replace(base={**technique.base, "epochs": 5}).recipes(few)
        assert without != with_it
        assert 0 <= recipe.test_error(with_it, 0) <= 100


@pytest.mark.slow
def test_only_the_technique_differs_between_two_runs():
    plain, dropped = (recipe._trained(r, recipe._task(r, 3, data.digits()), 3) for r in (SMALL, SMALL))
    assert all(np.array_equal(p.data, q.data) for p, q in zip(plain[0].parameters(), dropped[0].parameters()))
    shape = (1, 8, 8)
    nets = [recipe.LectureNet(r, shape, 10, np.random.default_rng(1)) for r in (SMALL, Recipe(dropout=0.5))]
    assert all(np.array_equal(p.data, q.data) for p, q in zip(*(net.parameters() for net in nets)))
    assert recipe.test_error(SMALL, 3) == recipe.test_error(Recipe(images=40, epochs=4, swa=0.0), 3)


def test_a_run_sees_its_images_alone():
    split = data.digits()
    task = recipe._task(SMALL, 0, split)
    assert len(task.train) == 40 and task.test is split.test
    pixels = {x.tobytes() for x in split.train.x}
    assert {x.tobytes() for x in task.train.x} < pixels
    stopped = recipe._task(Recipe(images=40, patience=3), 0, split)
    assert (len(stopped.train), len(stopped.held_out)) == (32, 8)
    both = np.concatenate([stopped.train.x, stopped.held_out.x])
    assert np.array_equal(both, task.train.x)  # what is held out is paid for
    second = recipe._task(Recipe(images=200, task="second half"), 0, split)
    assert np.array_equal(np.bincount(second.train.y), [10] * 5) and second.classes == 5
    assert set(second.other.y) == set(second.test.y) == set(range(5)) and len(second.other) > 400


@pytest.mark.slow
def test_averages_and_members_are_what_they_are_called():
    split = data.digits()
    swa = Recipe(images=40, epochs=4, swa=0.5)
    (averaged,) = recipe._trained(swa, recipe._task(swa, 0, split), 0)
    last = [recipe._trained(Recipe(images=40, epochs=e), recipe._task(swa, 0, split), 0)[0] for e in (3, 4)]
    for mean, a, b in zip(averaged.parameters(), *(m.parameters() for m in last)):
        assert np.allclose(mean.data, (a.data + b.data) / 2, atol=1e-6)
    cycles = Recipe(images=40, epochs=4, cycles=2)
    assert len(recipe._trained(cycles, recipe._task(cycles, 0, split), 0)) == 2
    assert recipe.test_error(Recipe(images=40, epochs=4, members=2), 0) != recipe.test_error(SMALL, 0)


@pytest.mark.slow
def test_a_pretrained_model_learns_on_in_what_is_left_free():
    split, free = data.digits(), {}
    for what in ("head", "linear layers", "all"):
        r = Recipe(images=40, epochs=4, task="second half", pretrained=what)
        (model,) = recipe._trained(r, recipe._task(r, 0, split), 0)
        free[what] = sorted({path.split(".")[0] for path, p in model.named_parameters() if p.requires_grad})
    assert free == {"head": ["head"], "linear layers": ["head", "hidden"], "all": ["head", "hidden", "trunk"]}


def test_the_normalised_weight_decay_is_the_papers():
    _, with_it = TECHNIQUES["decoupled weight decay"].recipes(Recipe())
    assert with_it.weight_decay == round(0.05 * (20 / (200 * 100)) ** 0.5 / 1e-3, 3)  # λ √(b/(B T)), over the rate


NAMES = ["dropout", "label smoothing", "Polyak averaging"]
CHOSEN = [TECHNIQUES[name] for name in NAMES]


@pytest.mark.slow
def test_the_table_is_completed_kept_and_resumed(tmp_path):
    calls = []
    options = {"plain": SMALL, "watch": lambda done, total: calls.append((done, total))}
    with ThreadPoolExecutor(1) as pool:
        found = lecture.complete(CHOSEN[:2], range(2), tmp_path / "r.json", executor=pool, **options)
        assert calls[-1] == (6, 6) and len(found) == 3
        content = json.loads((tmp_path / "r.json").read_text())
        key = SMALL.key
        content["test error, %"][key]["0"] = 12.5  # what is there is not run again
        (tmp_path / "r.json").write_text(json.dumps(content))
        calls.clear()
        found = lecture.complete(CHOSEN, range(2), tmp_path / "r.json", executor=pool, **options)
        assert calls[-1] == (2, 2) and found[key]["0"] == 12.5 and len(found) == 4
        with pytest.raises(ValueError, match="choose another file"):
            lecture.complete(CHOSEN, range(2), tmp_path / "r.json", plain=Recipe(), executor=pool)


def test_a_failed_run_is_told_and_the_others_are_kept(tmp_path, monkeypatch):
    def run(job, data_from):
        if job[0].dropout:
            raise FloatingPointError("the loss is nan")
        return 10.0

    monkeypatch.setattr(table, "_run", run)
    said = r"1 of 2 runs failed[\s\S]*dropout=0.5, seed 1[\s\S]*the loss is nan"
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match=said):
        lecture.complete([CHOSEN[0]], [1], tmp_path / "r.json", plain=SMALL, executor=pool)
    assert json.loads((tmp_path / "r.json").read_text())["test error, %"] == {SMALL.key: {"1": 10.0}}


def test_rows_are_paired_and_judged_by_two_standard_errors():
    def results(with_it):
        return {"plain": {str(s): v for s, v in enumerate([10.0, 12, 11, 13])}, "dropout=0.5": {str(s): v for s, v in enumerate(with_it)}}  # fmt: skip

    (row,) = lecture.rows(results([9, 11, 9.5, 12, 50]), CHOSEN)  # the fifth has no partner
    assert row.seeds == 4 and np.isclose(row.difference[0], -1.125)
    assert np.isclose(row.difference[1], np.std([-1, -1, -1.5, -1], ddof=1) / 2)
    assert row.verdict == "better" and np.isclose(row.without[1], np.std([10, 12, 11, 13], ddof=1) / 2)
    assert lecture.rows(results([11, 13, 12.5, 14]), CHOSEN)[0].verdict == "worse"
    assert lecture.rows(results([9, 13, 10, 14]), CHOSEN)[0].verdict == "no clear difference"
    assert lecture.rows(results([9]), CHOSEN) == []
    assert "| −1.12 ± 0.12 | better |" in lecture.markdown([row])


def test_the_page_is_renewed_between_its_marks():
    page = f"before\n{table.START}\nold\n{table.END}\nafter"
    assert lecture.renewed(page, "new") == f"before\n{table.START}\n\nnew\n\n{table.END}\nafter"
    with pytest.raises(ValueError, match="no place"):
        lecture.renewed("before", "new")


@pytest.mark.slow
def test_the_command_writes_results_table_and_picture(tmp_path):
    def run(*args, code=0):
        done = CliRunner().invoke(main, ["lecture", *map(str, args)])
        assert done.exit_code == code, done.output
        return done.output

    assert "DropConnect" in run() and "p = 0.5 before both" in run("--only", "dropout")
    assert "is none of" in run("--only", "luck", code=2)
    only = [part for name in NAMES for part in ("--only", name)]
    options = ("--seeds", 2, "--images", 40, "--epochs", 4, "--quiet", "--out", tmp_path)
    said = run("--table", *only, *options)
    assert all(name in said for name in NAMES) and (tmp_path / "images" / "lecture.png").stat().st_size > 10_000
    page = (tmp_path / "lecture.md").read_text()
    assert page.count("| dropout |") == 1 and "Seeds: 2" in page
    assert run("--table", *only, *options) == said  # nothing is run again
    assert "choose another file" in run("--table", "--images", 60, "--out", tmp_path, code=1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::minigrad.data.ChecksumWarning")
def test_files_in_the_format_of_cifar_do_as_well(tmp_path):
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        records = rng.integers(0, 256, (12, 3073), np.uint8)
        records[:, 0] = np.arange(12) % 10
        records.tofile(tmp_path / f"{name}.bin")
    for changed in ({}, {"augment": "shift"}, {"augment": "cutout"}, {"pool": "random"}, {"task": "second half", "pretrained": "all"}):  # fmt: skip
        assert 0 <= recipe.test_error(Recipe(images=40, epochs=1, **changed), 0, str(tmp_path)) <= 100


def test_the_picture_marks_what_lies_beyond(tmp_path):
    figure = lecture.effects([("a", -1.0, 0.2, "better"), ("b", 20.0, 1.0, "worse")], limit=8)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["b", "a"]
    assert "+20.0" in [t.get_text() for t in figure.axes[0].texts] and figure.axes[0].get_xlim()[1] < 9
    with pytest.raises(ValueError, match="no rows"):
        lecture.effects([])


def test_the_published_table_is_that_of_the_published_runs():
    results = json.loads((DOCS / "lecture.json").read_text())["test error, %"]
    found = lecture.rows(results, TECHNIQUES.values())
    page = (DOCS / "lecture.md").read_text()
    hold(DOCS / "lecture.md", lecture.renewed(page, lecture.markdown(found)))
    assert len(found) == len(TECHNIQUES) and min(row.seeds for row in found) >= 5
    assert all(re.search(rf"\| {re.escape(name)} \|", page) for name in TECHNIQUES)
