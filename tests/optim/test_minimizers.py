"""Every method of `minimize` on the problems of Moré, Garbow and Hillstrom: what it promises, it solves.

`bench/minimizers.py` has the whole comparison with SciPy, with evaluations and in disguises.
"""

import numpy as np
import pytest
from bench.minimizers import (
    GTOL,
    METHODS,
    Pair,
    Posed,
    Run,
    Watched,
    compare,
    details,
    markdown,
    moved,
    ours,
    plain,
    scipys,
    summary,
    totals,
)  # fmt: skip
from generated import SECONDS, cases
from hypothesis import given
from hypothesis import strategies as st
from optim.more_garbow_hillstrom import PROBLEMS
from scipy import stats

import minigrad as mg
from minigrad import optim

BUDGET = 1500  # evaluations that either may take
NEAR = 1e-9  # how far apart, relatively, starts are that are one and the same to a user


@pytest.fixture(autouse=True)
def budget(monkeypatch):
    monkeypatch.setattr("bench.minimizers.BUDGET", BUDGET)


def condition(problem):
    """Of the Hessian at the minimum that Newton's method finds."""
    found = optim.minimize(problem.f, problem.start, "newton", gtol=1e-9, max_iter=10**9, max_evaluations=BUDGET)
    values = np.abs(np.linalg.eigvalsh(mg.hessian(problem.f)(mg.tensor(found.x)).data))
    return np.divide(values.max(), values.min())


def promised(method, problem):
    """Whether a method has to solve a problem within the budget, whatever round-off does to its path.

    The methods that build or use a Hessian converge superlinearly. Conjugate gradients reduce f − f* in k iterations by
    4 ((√κ − 1)/(√κ + 1))²ᵏ ≈ 4 exp(−4k/√κ) (Hestenes, Stiefel 1952; the asymptotic rate): to 1e-13, about what five
    digits take, in 7.8 √κ iterations, of two evaluations each, so κ < (BUDGET / 15.6)² is promised. Beyond that it
    depends on round-off whether it comes in time: from eight starts that are NEAR, 1, 7, 7 and 6 times not, on
    gulf_research_and_development, osborne_1, biggs_exp6 and powell_badly_scaled, and on meyer and watson_n9 never.
    """
    return method != "cg" or condition(problem) < (BUDGET / 15.6) ** 2


@pytest.mark.slow
@pytest.mark.processor
@pytest.mark.parametrize("method", METHODS)
def test_solves_what_its_rate_promises_and_says_the_truth_of_the_rest(method):
    for name, problem in PROBLEMS.items():
        with np.errstate(all="ignore"):
            posed = plain(problem)
            watched = Watched(problem, posed)
            found = optim.minimize(watched, posed.x0, method, gtol=GTOL, max_iter=10**9, max_evaluations=BUDGET)
            x = mg.tensor(found.x, requires_grad=True)
            value = problem.f(x)
            gradient = mg.pull(value, [x])[0].data
            excused = problem.solved_by(found.fun) or not promised(method, problem)
        assert len(watched.values) == found.n_fev <= BUDGET, name
        assert found.fun == value.item() <= watched.values[0], f"{name}: the result is no lower than the start"
        assert found.status != "converged" or np.abs(gradient).max() <= GTOL, f"{name}: it has not converged"
        assert excused, f"{name}: {found.fun} after {found.n_fev} evaluations"


@pytest.mark.skipif(not SECONDS, reason="it takes many runs: `make fuzz` has time for them")
@cases(1)
@given(st.integers(0, 2**32 - 1))
@pytest.mark.filterwarnings("ignore")  # SciPy's, on the way to no result
def test_cg_solves_as_many_as_scipys_but_for_chance(seed):
    """Of the problems that nothing is promised of, from starts drawn NEAR: a sign test of the pairs of which one solves.

    Were both equally good, minigrad's would miss so many more of them once in 10,000.
    """
    rng, pairs = np.random.default_rng(seed), []
    for name in ("gulf_research_and_development", "biggs_exp6", "osborne_1", "powell_badly_scaled"):
        problem = PROBLEMS[name]
        for _ in range(4):
            start = problem.start * (1 + NEAR * rng.standard_normal(problem.start.size))
            with np.errstate(all="ignore"):
                pairs.append(tuple(run(problem, Posed(problem.f, start), "cg").solved for run in (ours, scipys)))
    alone, theirs = pairs.count((True, False)), pairs.count((False, True))
    assert stats.binomtest(alone, max(1, alone + theirs), 0.5, "less").pvalue > 1e-4, pairs


def test_disguises_have_the_same_minima():
    for problem in PROBLEMS.values():
        posed = moved(problem)
        assert abs(posed.f(posed.x0).item() / problem.f(problem.start).item() - 1) < 1e-8


@pytest.mark.slow
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


@pytest.mark.slow
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
