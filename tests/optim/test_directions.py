"""The directions of descent against linear algebra: solves, dense products, and what the theory promises."""

import math

import numpy as np
import pytest

from minigrad.optim.directions import (
    accept,
    bfgs_update,
    conjugate,
    conjugate_gradients,
    damped,
    newton,
    norm,
    scaling,
    steihaug,
    two_loop,
)

rng = np.random.default_rng(0)


def spd(n, condition=100.0, seed=0):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return Q @ np.diag(np.geomspace(1, condition, n)) @ Q.T


def pairs_of(A, count):
    S = rng.normal(size=(count, len(A)))
    return [(s, A @ s) for s in S]


def test_two_loop_is_the_dense_product():
    A, g = spd(7), rng.normal(size=7)
    pairs = pairs_of(A, 5)
    H = np.eye(7) * scaling(*pairs[-1])
    for s, y in pairs:
        V = np.eye(7) - np.outer(y, s) / (s @ y)
        H = V.T @ H @ V + np.outer(s, s) / (s @ y)
    np.testing.assert_allclose(two_loop(g, pairs), H @ g, rtol=1e-12)
    np.testing.assert_array_equal(two_loop(g, []), g)
    np.testing.assert_allclose(two_loop(g, [], 0.5), g / 2)


def test_bfgs_update_is_the_formula_and_keeps_the_secant():
    A = spd(6)
    H = spd(6, seed=1)
    H = (H + H.T) / 2
    ((s, y),) = pairs_of(A, 1)
    rho = 1 / (s @ y)
    V = np.eye(6) - rho * np.outer(y, s)
    new = bfgs_update(H, s, y)
    np.testing.assert_allclose(new, V.T @ H @ V + rho * np.outer(s, s), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(new @ y, s, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(new, new.T, rtol=1e-14)


@pytest.mark.parametrize("memory", ["dense", "two-loop"])
def test_quasi_newton_with_exact_search_ends_in_n_steps_with_the_inverse(memory):
    n = 8
    A, b = spd(n, 50.0), rng.normal(size=n)
    x, H, pairs = np.zeros(n), np.eye(n), []
    for _ in range(n):
        g = A @ x - b
        d = -(H @ g) if memory == "dense" else -two_loop(g, pairs, 1.0)
        s = -(d @ g) / (d @ A @ d) * d
        x, y = x + s, A @ s
        H = bfgs_update(H, s, y)
        pairs.append((s, y))
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-8)
    inverse = np.linalg.inv(A)
    learnt = H if memory == "dense" else np.array([two_loop(e, pairs, 1.0) for e in np.eye(n)])
    np.testing.assert_allclose(learnt, inverse, atol=1e-8)


@pytest.mark.parametrize("c", [1e-150, 1e-10, 1.0, 1e10, 1e150])
def test_acceptance_knows_no_scale(c):
    s = np.array([1.0, 0.0])
    assert accept(s, c * np.array([2e-8, 1.0])) and accept(c * s, np.array([2e-8, 1.0]))
    assert not accept(s, c * np.array([0.5e-8, 1.0])) and not accept(c * s, np.array([0.5e-8, 1.0]))
    assert not accept(s, -c * s) and not accept(s, 0 * s) and not accept(0 * s, s)
    assert not accept(s, np.full(2, math.nan)) and not accept(s, np.full(2, math.inf))


def test_damping_keeps_a_fifth_of_the_curvature():
    B, s = spd(5), rng.normal(size=5)
    mended = damped(s, -s, B @ s)
    assert math.isclose(s @ mended, 0.2 * (s @ B @ s))
    np.testing.assert_array_equal(damped(s, B @ s, B @ s), B @ s)


def test_conjugate_gradients_solve_within_n_products():
    for n in (1, 5, 10):
        A, g, count = spd(n, 10.0), rng.normal(size=n), []
        solution = conjugate_gradients(lambda v: (count.append(1), A @ v)[1], g, tol=1e-9)
        assert solution.reason == "solved" and len(count) <= n
        np.testing.assert_allclose(A @ solution.p, -g, atol=1e-7)
        assert math.isclose(solution.decrease, 0.5 * g @ np.linalg.solve(A, g), rel_tol=1e-7)


def test_preconditioner_of_the_diagonal_solves_a_diagonal_system_at_once():
    a, g = np.geomspace(1, 1e8, 10), rng.normal(size=10)
    count = []
    solution = conjugate_gradients(lambda v: (count.append(1), a * v)[1], g, preconditioner=a)
    assert solution.reason == "solved" and len(count) == 1
    np.testing.assert_allclose(solution.p, -g / a)


def test_negative_curvature_ends_it_with_a_direction_of_descent():
    A = np.diag([1.0, 2.0, -3.0])
    for g in (np.array([1.0, 1.0, 0.1]), np.array([0.0, 0.0, 1.0])):
        solution = conjugate_gradients(lambda v: A @ v, g)
        assert solution.reason == "curvature" and g @ solution.p < 0
        q = -(g @ solution.p) - 0.5 * solution.p @ A @ solution.p
        assert math.isclose(solution.decrease, q, rel_tol=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e-10, 1.0, 1e10, 1e100])
def test_conjugate_gradients_know_no_scale(scale):
    A, g = spd(6), rng.normal(size=6)
    a = conjugate_gradients(lambda v: A @ v, g, tol=1e-8).p
    np.testing.assert_allclose(conjugate_gradients(lambda v: A @ v, g * scale, tol=1e-8).p, scale * a, rtol=1e-6)


def test_conjugate_gradients_survive_products_that_are_not_finite():
    g = np.ones(3)
    for bad in (math.nan, math.inf):
        with np.errstate(all="ignore"):
            solution = conjugate_gradients(lambda v: v * bad, g)
        assert np.isfinite(solution.p).all() and g @ solution.p < 0


def test_steihaug_is_the_newton_step_inside_and_ends_on_the_boundary_outside():
    A, g = spd(6), rng.normal(size=6)
    step = -np.linalg.solve(A, g)
    inside = steihaug(lambda v: A @ v, g, 2 * norm(step), tol=1e-10)
    assert inside.reason == "solved"
    np.testing.assert_allclose(inside.p, step, atol=1e-8)
    before = 0.0
    for radius in (1e-6, 1e-2, 0.3 * norm(step)):
        outside = steihaug(lambda v: A @ v, g, radius, tol=1e-10)
        assert outside.reason == "boundary" and math.isclose(norm(outside.p), radius, rel_tol=1e-10)
        assert math.isclose(outside.decrease, -(g @ outside.p) - 0.5 * outside.p @ A @ outside.p, rel_tol=1e-9)
        cauchy = radius * norm(g) - 0.5 * radius**2 * (g @ A @ g) / (g @ g)
        assert outside.decrease >= cauchy - 1e-12 and outside.decrease > before
        before = outside.decrease
    saddle = steihaug(lambda v: v * np.array([1, 1, 1, 1, 1, -1.0]), g, 10.0, tol=1e-10)
    assert saddle.reason == "curvature" and math.isclose(norm(saddle.p), 10)


def test_newton_solves_and_turns_negative_curvature_round():
    A, g = spd(6, 1e6), rng.normal(size=6)
    np.testing.assert_allclose(newton(A, g), -np.linalg.solve(A, g), rtol=1e-7)
    np.testing.assert_allclose(newton(np.diag([2.0, -4.0]), np.array([2.0, 4.0])), [-1.0, -1.0])
    np.testing.assert_allclose(newton(np.diag([1.0, 0.0, -1.0]), np.ones(3)), [-1, -1000, -1])
    np.testing.assert_array_equal(newton(np.zeros((3, 3)), np.ones(3)), -np.ones(3))


def test_conjugate_directions_on_a_quadratic_are_those_of_linear_conjugate_gradients():
    n = 8
    A, b = spd(n, 30.0), rng.normal(size=n)
    x, g = np.zeros(n), -b
    d, used = -g, []
    for _ in range(n):
        for e in used:
            assert abs(d @ A @ e) < 1e-8 * norm(d) * norm(A @ e)
        used.append(d)
        x = x - (d @ g) / (d @ A @ d) * d
        new = A @ x - b
        d, g = conjugate(new, new - g, d), new
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-100, 1.0, 1e100])
def test_conjugate_directions_are_the_formula_and_start_afresh(scale):
    g, old, d = rng.normal(size=(3, 4))
    expected = -g + max(0, g @ (g - old) / (old @ old)) * d
    np.testing.assert_allclose(conjugate(scale * g, scale * (g - old), scale * d), scale * expected)
    np.testing.assert_array_equal(conjugate(g, -g, d), -g)
    np.testing.assert_array_equal(conjugate(g, g, d), -g)


@pytest.mark.parametrize("scale", [1e-200, 1e-100, 1.0, 1e100, 1e200])
def test_norm_neither_overflows_nor_vanishes(scale):
    with np.errstate(all="ignore"):
        assert math.isclose(norm(np.array([3.0, -4.0]) * scale), 5 * scale)
    assert norm(np.zeros(3)) == 0
