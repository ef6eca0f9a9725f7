"""`optim.minimize`: known answers, rates of convergence, invariances, limits, and messages."""

import itertools
import math

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import optim
from minigrad.optim import descent, line_search
from minigrad.optim.vector import Function

METHODS = ["newton", "bfgs", "lbfgs", "cg", "newton-cg", "trust-ncg"]
rng = np.random.default_rng(0)


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def quadratic(n, condition=100.0, seed=0):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    A, b = Q @ np.diag(np.geomspace(1, condition, n)) @ Q.T, rng.normal(size=n)
    return lambda x: 0.5 * (x * (A @ x)).sum() - (b * x).sum(), np.linalg.solve(A, b)


X = rng.normal(size=(60, 4))
LABELS = (X @ rng.normal(size=4) + 2 * rng.normal(size=60) > 0).astype(float)


def logistic(w):  # with a small penalty, strictly convex
    z = X @ w
    return (mg.softplus(z) - LABELS * z).mean() + 0.005 * (w * w).sum()


LOGISTIC = optim.minimize(logistic, np.zeros(4), "newton", gtol=1e-15).x


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_finds_minima(method):
    f, solution = quadratic(8)
    found = optim.minimize(f, np.zeros(8), method, gtol=1e-8)
    assert found.success and found.status == "converged"
    np.testing.assert_allclose(found.x, solution, atol=1e-7)
    found = optim.minimize(rosenbrock, np.full(6, -1.0), method, gtol=1e-8)
    np.testing.assert_allclose(found.x, 1, atol=1e-6)
    assert found.grad_norm == np.abs(found.grad).max() <= 1e-8
    assert math.isclose(found.fun, rosenbrock(mg.tensor(found.x)).item())


@pytest.mark.parametrize("method", METHODS)
def test_any_shape_and_its_dtype(method):
    target = rng.normal(size=(2, 1, 3))
    found = optim.minimize(lambda x: ((x - target) ** 2).sum(), np.ones((2, 1, 3)), method)
    assert found.x.shape == found.grad.shape == (2, 1, 3)
    np.testing.assert_allclose(found.x, target, atol=1e-5)
    single = optim.minimize(
        lambda x: ((x - target.astype(np.float32)) ** 2).sum(), np.ones((2, 1, 3), np.float32), method
    )
    assert single.x.dtype == np.float32
    np.testing.assert_allclose(single.x, target, atol=1e-4)
    assert optim.minimize(lambda x: (x - 2) ** 2, 0.5, method).x == pytest.approx(2, abs=1e-5)


# ---- rates ---------------------------------------------------------------------------------------------------------


def errors(method):
    found = optim.minimize(logistic, np.full(4, 0.5), method, gtol=1e-14, path=True)
    return [np.linalg.norm(x - LOGISTIC) for x in found.path]


def test_newton_converges_quadratically():
    e = [v for v in errors("newton") if v > 1e-11]
    exponents = [math.log(c / b) / math.log(b / a) for a, b, c in zip(e, e[1:], e[2:])]
    assert len(e) >= 3 and 1.7 < exponents[-1] < 2.5


@pytest.mark.parametrize("method", ["bfgs", "newton-cg", "trust-ncg"])
def test_converges_superlinearly(method):
    e = [v for v in errors(method) if v > 1e-12]
    ratios = [b / a for a, b in itertools.pairwise(e)]
    assert ratios[-1] < 0.1 * max(ratios) and ratios[-1] < 0.05


def test_newton_is_done_with_a_quadratic_at_once():
    f, solution = quadratic(6)
    for method in ("newton", "newton-cg"):
        found = (
            optim.minimize(f, np.zeros(6), method, forcing=1e-12)
            if method == "newton-cg"
            else optim.minimize(f, np.zeros(6), method)
        )
        assert found.n_iter == 1 and found.n_fev == 2
        np.testing.assert_allclose(found.x, solution, atol=1e-8)
    assert found.n_hvp <= 7


@pytest.mark.parametrize("rule", [descent.BFGS, descent.LBFGS])
def test_quasi_newton_with_exact_searches_is_done_with_a_quadratic_in_n_steps(rule):
    exact = type("Exact", (rule,), {"c2": 1e-9})()
    n = 6
    f, solution = quadratic(n, 20.0)
    objective = descent_objective(f, n)
    state = descent.State(objective.at(np.zeros(n)))
    descent.descend(exact, objective, state, gtol=1e-7)
    assert state.n_iter <= n + 1
    np.testing.assert_allclose(state.point.x, solution, atol=1e-6)


def descent_objective(f, n):
    return Function(f, (n,), np.dtype(float))


# ---- what must not matter --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("c", [1e-10, 1e10])
def test_the_unit_of_f_does_not_matter(method, c):
    """By a power of two, nothing is rounded otherwise: the path is the same bit for bit."""
    start = np.array([-1.2, 1.0, 0.5])
    one = optim.minimize(rosenbrock, start, method, gtol=1e-6, path=True)
    power = 2.0 ** round(math.log2(c))
    same = optim.minimize(lambda x: power * rosenbrock(x), start, method, gtol=1e-6 * power, path=True)
    assert np.array_equal(one.path, same.path)
    near = optim.minimize(lambda x: c * rosenbrock(x), start, method, gtol=1e-6 * c, path=True)
    np.testing.assert_allclose(near.path[:8], one.path[:8], rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_rotations_and_the_unit_of_x_do_not_matter(method):
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    start = np.array([-1.2, 1.0, 0.5])
    one = optim.minimize(rosenbrock, start, method, max_iter=6, path=True)
    turned = optim.minimize(lambda z: rosenbrock(Q @ z), Q.T @ start, method, max_iter=6, path=True)
    np.testing.assert_allclose([Q @ z for z in turned.path], one.path, atol=1e-6)
    grown = optim.minimize(lambda z: rosenbrock(z / 1024), 1024 * start, method, gtol=0, max_iter=6, path=True)
    np.testing.assert_allclose(np.array(grown.path) / 1024, one.path, atol=1e-9)


def test_newton_knows_no_linear_map():
    A = rng.normal(size=(4, 4)) + 2 * np.eye(4)
    one = optim.minimize(logistic, np.ones(4), "newton", max_iter=4, path=True)
    mapped = optim.minimize(lambda z: logistic(A @ z), np.linalg.solve(A, np.ones(4)), "newton", max_iter=4, path=True)
    np.testing.assert_allclose([A @ z for z in mapped.path], one.path, atol=1e-8)


# ---- every accepted step ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@cases(25)
@given(st.integers(0, 10**6), st.sampled_from(["bfgs", "lbfgs", "cg", "newton", "newton-cg"]))
def test_every_step_satisfies_the_strong_wolfe_conditions(seed, method):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 5))
    rule, seen = descent.METHODS[method](), []
    search = line_search.strong_wolfe

    def watched(phi, value, slope, alpha, **options):
        found = search(phi, value, slope, alpha, **options)
        start = line_search.Trial(0.0, value, slope)
        seen.append(
            not found.ok
            or line_search.is_wolfe(start, found.trial, rule.c1, rule.c2)
            or line_search.is_nearly_wolfe(start, found.trial, rule.c1, rule.c2, options["noise"])
        )
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_search, "strong_wolfe", watched)
        optim.minimize(
            lambda x: (mg.sin(a * x) + 0.1 * (x - b) ** 2).sum() + rosenbrock(x),
            rng.normal(size=5),
            method,
            max_iter=30,
        )
    assert seen and all(seen)


# ---- saddles, softmax, limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_leaves_a_saddle(method):
    found = optim.minimize(lambda x: x[0] ** 2 - x[1] ** 2 + 0.25 * x[1] ** 4, np.array([1.0, 1e-6]), method, gtol=1e-9)
    assert found.success and math.isclose(found.fun, -1, rel_tol=1e-6)


@pytest.mark.slow
def test_softmax_regression_in_closed_form():
    """H = 1/N Σ xxᵀ ⊗ (diag p − ppᵀ): the product is that, and Newton–CG's steps solve with it."""
    n, k, d = 40, 3, 4
    inputs, labels = rng.normal(size=(n, d)), rng.integers(0, k, n)

    def loss(W):
        return mg.cross_entropy(inputs @ W, labels) + 1e-3 * (W * W).sum()

    W = rng.normal(size=(d, k))
    z = np.exp(inputs @ W)
    p = z / z.sum(axis=1, keepdims=True)
    H = sum(np.kron(np.outer(x, x), np.diag(q) - np.outer(q, q)) for x, q in zip(inputs, p)) / n
    H += 2e-3 * np.eye(d * k)
    point = descent_objective(lambda w: loss(w.reshape(d, k)), d * k).at(W.ravel())
    np.testing.assert_allclose(np.array([point.product(e) for e in np.eye(d * k)]), H, atol=1e-12)
    trace = sum((x @ x) * (1 - q @ q) for x, q in zip(inputs, p)) / n
    assert math.isclose(np.trace(H) - 2e-3 * d * k, trace)
    values = {m: optim.minimize(loss, W, m, gtol=1e-9).fun for m in METHODS}
    assert max(values.values()) - min(values.values()) < 1e-12


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20])
def test_limit_on_evaluations_is_exact(method, limit):
    calls = []

    def f(x):
        calls.append(x.data.copy())
        return rosenbrock(x)

    found = optim.minimize(f, np.array([-1.2, 1.0]), method, max_evaluations=limit)
    assert len(calls) == found.n_fev == limit and found.status == "max-evaluations" and not found.success
    values = [rosenbrock(mg.tensor(x)).item() for x in calls]
    assert found.fun == min(values) and np.array_equal(found.x, calls[int(np.argmin(values))])


@pytest.mark.parametrize("method", METHODS)
def test_limit_on_iterations_callback_and_path(method):
    found = optim.minimize(rosenbrock, np.array([-1.2, 1.0]), method, max_iter=4, path=True)
    assert found.n_iter == 4 and found.status == "max-iter" and len(found.path) == 5
    assert np.array_equal(found.path[0], [-1.2, 1.0]) and found.n_gev <= found.n_fev
    seen = []
    found = optim.minimize(
        rosenbrock, np.array([-1.2, 1.0]), method, callback=lambda x: seen.append(x) or len(seen) == 3
    )
    assert found.status == "stopped" and len(seen) == found.n_iter == 3


def test_tolerances():
    f, _ = quadratic(5)
    start = np.ones(5)
    first = np.abs(optim.minimize(f, start, max_iter=0).grad).max()
    assert optim.minimize(f, start, gtol=0.0, gtol_rel=1e-3).grad_norm <= 1e-3 * first
    assert optim.minimize(f, start, gtol=first).n_iter == 0


@pytest.mark.parametrize("method", METHODS)
def test_starts_that_are_not_finite_and_minima_that_do_not_exist(method):
    start = np.array([-1.0, 2.0])
    with np.errstate(all="ignore"):
        found = optim.minimize(lambda x: mg.log(x).sum(), start, method)
    assert found.status == "not-finite" and not found.success and np.array_equal(found.x, start)
    found = optim.minimize(lambda x: -mg.exp(x).sum(), np.ones(2), method, max_evaluations=200)
    assert not found.success and np.isfinite(found.x).all() and math.isfinite(found.fun) and found.message


def test_what_a_callback_does_to_its_point_changes_nothing():
    start, seen = np.full(3, -1.0, np.float32), []

    def spoil(x):
        seen.append(x.dtype)
        x[:] = 0

    found = optim.minimize(rosenbrock, start, callback=spoil, path=True)
    alone = optim.minimize(rosenbrock, start, path=True)
    assert np.array_equal(found.path, alone.path) and found.n_fev == alone.n_fev and found.success
    assert {a.dtype for a in found.path} == set(seen) == {np.dtype(np.float32)}


def test_noise_is_named():
    rng = np.random.default_rng(0)
    found = optim.minimize(lambda x: rosenbrock(x) + rng.random(), np.zeros(3), gtol=0, max_evaluations=500)
    assert found.status == "noisy" and "dropout" in found.message


def test_random_layers_draw_the_same_in_every_evaluation():
    x0 = np.ones(200)
    found = optim.minimize(lambda x: ((mg.dropout(x) - 1) ** 2).sum(), x0, gtol=1e-9)
    assert found.success and set(np.round(found.x, 6)) == {0.5, 1.0}


@pytest.mark.parametrize("reject", ["skip", "damp", "reset"])
@pytest.mark.parametrize("method", ["bfgs", "lbfgs"])
def test_pairs_without_curvature_are_counted(method, reject):
    start = np.array([-1.2, 1.0])
    found = optim.minimize(rosenbrock, start, method, curvature=0.5, on_reject=reject, max_iter=30)
    assert found.n_damped + found.n_skipped > 0 and (reject == "damp" or not found.n_damped)


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], "nelder-mead"), ValueError, "method is 'nelder-mead'; it must"),
        (lambda: optim.minimize(rosenbrock, [0, 0]), TypeError, "x0 has dtype int64; give floats"),
        (lambda: optim.minimize(lambda x: x * x, [1.0, 2.0]), ValueError, r"f returned shape \(2,\); .* by \.sum"),
        (lambda: optim.minimize(lambda x: 3.0, [1.0]), TypeError, "f returned a float; it must return a tensor"),
        (lambda: optim.minimize(lambda x: mg.tensor(1.0), [1.0]), ValueError, "does not depend on x"),
        (lambda: optim.minimize(lambda x: mg.tensor(x.data.sum()), [1.0]), ValueError, "does not depend on x"),
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], "lbfgs", history_size=0), ValueError, "history_size is 0"),
        (
            lambda: optim.minimize(rosenbrock, [0.0, 0.0], "bfgs", on_reject="no"),
            ValueError,
            "on_reject is 'no'; it must be 'skip'",
        ),
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], "cg", history_size=3), TypeError, "cg: .*history_size"),
        (lambda: optim.minimize(rosenbrock, []), ValueError, "x0 is empty"),
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], max_evaluations=0), ValueError, "max_evaluations is 0"),
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], gtol=math.nan), ValueError, "gtol is nan"),
        (
            lambda: optim.minimize(rosenbrock, [0.0, 0.0], max_iter=-1),
            ValueError,
            "max_iter is -1; it must be a whole number ≥ 0",
        ),
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], history_size=2.5), ValueError, "history_size is 2.5"),
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], curvature=math.nan), ValueError, "curvature is nan"),
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], "newton", damping=-1), ValueError, "newton: damping is -1"),
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], "newton-cg", forcing=-1), ValueError, "forcing is -1"),
        (lambda: optim.minimize(rosenbrock, [0.0, 0.0], "trust-ncg", max_products=0), ValueError, "max_products is 0"),
    ],
)
def test_messages(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_result_is_read_line_by_line():
    found = optim.minimize(lambda x: ((x - 1) ** 2).sum(), np.zeros((2, 30)), path=True)
    assert [line[:9].strip() for line in repr(found).splitlines() if line[8] != " "] == list(vars(found))
    assert repr(found).startswith(f"{'x':>9}  [[") and " ... " in repr(found)  # shortened
    assert repr(found).endswith(f"path  {len(found.path)} points")
