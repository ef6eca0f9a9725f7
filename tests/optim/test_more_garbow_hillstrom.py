"""The test problems themselves: their derivatives, and the published minima, found anew by Levenberg and Marquardt."""

import numpy as np
import pytest
from optim.more_garbow_hillstrom import PROBLEMS
from scipy.optimize import least_squares

import minigrad as mg

FAR = 1e15  # for infinity
NEAR = {  # a point near each published minimum, where the standard start does not lead to all of them
    "freudenstein_and_roth": ([4.9, 4.1], [0.5, -2]),
    "bard": ([1, 1, 1], [0.84, -FAR, -FAR]),
    "kowalik_and_osborne": ([0.25, 0.39, 0.415, 0.39], [FAR, -14, -45 * FAR, -28 * FAR]),
    "biggs_exp6": ([1.01, 9.9, 1.01, 5.01, 4.01, 3.01], [1.71, 1.71, 3.5, 1.18, 17.7, -5.2]),
    "trigonometric": (np.full(10, 1e-3), np.full(10, 1 / 10)),
    "brown_almost_linear": (np.full(10, 1.01), [*np.zeros(9), 11.1]),
}


def polished(problem, start):
    """The least f that is found from there, to about ten digits."""
    scale = np.maximum(np.abs(start), 1)
    jacobian = mg.jacobian(problem.residuals)
    tight = dict.fromkeys(("ftol", "xtol", "gtol"), 1e-15)
    with np.errstate(over="ignore", invalid="ignore"):  # trials that go too far
        found = least_squares(
            lambda z: problem.residuals(mg.tensor(scale * z)).data,
            start / scale,
            jac=lambda z: jacobian(scale * z).data * scale,
            method="lm",
            max_nfev=1000,
            **tight,
        )
    return 2 * found.cost


def test_all_problems_of_the_paper_are_there():
    assert {p.number for p in PROBLEMS.values()} == set(range(1, 36))


@pytest.mark.slow
@pytest.mark.parametrize("name", PROBLEMS)
def test_published_minima(name):
    problem = PROBLEMS[name]
    starts = NEAR.get(name, [problem.start])
    assert len(starts) == len(problem.minima)
    for start, minimum in zip(starts, problem.minima):
        f = polished(problem, np.array(start, dtype=float))
        assert abs(f - minimum) <= (6e-6 * minimum if minimum else 1e-20), (f, minimum)  # six digits are printed
        assert problem.solved_by(f)
    assert not problem.solved_by(problem.f(mg.tensor(problem.start)).item())


@pytest.mark.parametrize("name", PROBLEMS)
def test_derivatives_up_to_the_second_by_the_complex_step(name):
    problem = PROBLEMS[name]
    rng = np.random.default_rng(problem.number)
    wander = rng.normal(size=(2, problem.start.size))
    report = mg.gradcheck(problem.f, problem.start * (1 + 0.01 * wander[0]) + 1e-3 * wander[1], order=2)
    assert report.ok, report
