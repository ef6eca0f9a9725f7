"""On the problems of Moré, Garbow and Hillstrom no method of `minimize` solves fewer than SciPy's of the same name.

`bench/minimizers.py` has the whole comparison, with evaluations and in disguises. Here SciPy runs only on problems that
its methods are known to miss: minigrad may miss as many.
"""

import numpy as np
import pytest
from bench.minimizers import METHODS, Pair, Run, compare, details, markdown, moved, ours, plain, scipys, summary, totals
from optim.more_garbow_hillstrom import PROBLEMS

from minigrad import optim

BUDGET = 1500  # evaluations that either may take
MISSED = {"cg": ["brown_badly_scaled", "variably_dimensioned", "meyer", "osborne_1"]}  # by SciPy; others: none needed
HARD = {"cg": ["powell_badly_scaled", "meyer", "watson_n9"]}  # which minigrad's spends its budget on, as it may


@pytest.fixture(autouse=True)
def budget(monkeypatch):
    monkeypatch.setattr("bench.minimizers.BUDGET", BUDGET)


@pytest.mark.filterwarnings("ignore")  # SciPy's, on the way to no result
@pytest.mark.parametrize("method", METHODS)
def test_solves_at_least_as_many_as_scipy(method):
    with np.errstate(all="ignore"):
        hard = HARD.get(method, [])
        runs = {name: ours(problem, plain(problem), method) for name, problem in PROBLEMS.items() if name not in hard}
        missed = [scipys(PROBLEMS[name], plain(PROBLEMS[name]), method) for name in MISSED.get(method, [])]
    unsolved = {name: run for name, run in runs.items() if not run.solved}
    assert len(unsolved) + len(hard) <= sum(not run.solved for run in missed), unsolved
    assert all(run.evaluations <= BUDGET for run in runs.values())


def test_disguises_have_the_same_minima():
    for problem in PROBLEMS.values():
        posed = moved(problem)
        assert abs(posed.f(posed.x0).item() / problem.f(problem.start).item() - 1) < 1e-8


def test_both_count_all_and_the_tables_add_up():
    found = compare(["small"], ["bfgs", "newton"], ["rosenbrock", "beale"])
    pairs = found["small", "bfgs"]
    for pair in pairs.values():
        assert all(0 < run.until_solved <= run.evaluations for run in pair)
        assert pair.theirs.products == 0 and pair.ours.products == 1  # that of the first step's length
    own, theirs = totals(pairs)
    assert own.solved == theirs.solved == own.shared == 2
    assert own.evaluations == sum(p.ours.evaluations for p in pairs.values())
    row = next(r for r in summary(found) if r[:2] == ["small", "bfgs"])
    assert row[3] == f"{own.evaluations:,} / {theirs.evaluations:,}" and row[2] == "2 / 2 of 2"
    assert len(totals(found["small", "newton"])) == 1
    lines = markdown(details(found)).splitlines()
    assert lines[0] == "| variant | problem | bfgs | newton |" and len(lines) == 4


def test_only_what_both_solve_is_compared():
    good, bad = Run(True, 0, 10, 7, 10, 0, ""), Run(False, 1, 99, None, 99, 0, "")
    own, theirs = totals({"a": Pair(good, good), "b": Pair(bad, good), "c": Pair(good, bad)})
    assert (own.solved, theirs.solved, own.shared, own.until_solved, theirs.until_solved) == (2, 2, 1, 7, 7)
    assert own.evaluations == theirs.evaluations == 119


@pytest.mark.parametrize("method", METHODS)
def test_a_factor_on_f_changes_no_iterate(method):
    """A power of two multiplies without round-off: the paths are the same, bit for bit."""
    for problem in [PROBLEMS[name] for name in ("wood", "biggs_exp6", "penalty_1", "trigonometric", "meyer")]:
        paths = [
            optim.minimize(
                lambda x: c * problem.f(x), problem.start, method, gtol=1e-7 * c, max_iter=20, path=True
            ).path
            for c in (1.0, 2.0**-33, 2.0**33)  # about 1e-10 and 1e10
        ]
        for scaled in paths[1:]:
            np.testing.assert_array_equal(scaled, paths[0], err_msg=problem.name)
