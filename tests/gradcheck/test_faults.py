"""Planted faults: each is caught, and the primitive at fault is named."""

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, elementwise, fused, general, kernels, linear, primitive
from minigrad.gradcheck import NOT_DETERMINISTIC, WRONG, gradcheck

rng = np.random.default_rng(0)


def cube_with(*rules):
    @primitive
    def cube(x):
        return x**3

    elementwise(cube, *rules)
    return cube


def named(report, op, **facts):
    """The suspects of a failed report, which must all be `op` and have these facts."""
    assert not report.ok
    assert {s.op for s in report.suspects} == {op}, str(report)
    for s in report.suspects:
        assert "test_faults.py:" in s.line
        assert facts.items() <= vars(s).items(), str(s)
    return report.suspects


def test_the_right_cube_passes():
    report = gradcheck(lambda x: mg.sin(cube_with(lambda y, x: 3 * x * x)(x)), rng.normal(size=(3, 4)), order=3)
    assert report.ok and report["x"] == "exact" and not report.suspects


def test_factor_1_001():
    report = gradcheck(lambda x: mg.sin(cube_with(lambda y, x: 3.003 * x * x)(x)).sum(), np.array([0.5, 2.0]))
    (suspect,) = named(report, "cube", input=0, order=1)
    assert suspect.got / suspect.expected == pytest.approx(1.001)
    worst = report.rows[0].worst[0]
    assert worst.index == (1,) and worst.got / worst.expected == pytest.approx(1.001)
    assert worst.expected == pytest.approx(12 * np.cos(8))
    assert "rule of cube (test_faults.py:" in str(report) and "got" in str(report)


def test_factor_1_001_in_one_entry_of_ten_thousand():
    """Central differences cannot see it along a random direction; the complex step does, and halving finds it."""
    place = np.ones((100, 100))
    place[37, 61] = 1.001
    square = primitive(lambda x: x * x)
    square.name = "square"
    elementwise(square, lambda y, x: 2 * x * place)
    x = rng.uniform(0.5, 1.5, (100, 100))
    report = gradcheck(lambda x: square(x).sum(), x)
    assert report.rows[0].central < 1e-4
    assert report.rows[0].verdict == WRONG
    worst = report.rows[0].worst[0]
    assert worst.index == (37, 61)
    assert worst.got == pytest.approx(2.002 * x[37, 61]) and worst.expected == pytest.approx(2 * x[37, 61])
    named(report, "square", input=0)


def test_rule_that_leaves_the_tape():
    cube = cube_with(lambda y, x: Tensor(3 * x.data**2))
    report = gradcheck(lambda x: cube(x), rng.normal(size=5), order=2)
    assert [row.verdict for row in report.rows] == ["exact", WRONG]
    named(report, "cube", order=2, input=0)


def test_wrong_adjoint():
    @primitive
    def times(a, b):
        return a @ b

    linear(times, lambda g, y, a, b: g @ mg.matrix_transpose(b), lambda g, y, a, b: -(mg.matrix_transpose(a) @ g))
    report = gradcheck(lambda a, b: mg.tanh(times(a, b)), rng.normal(size=(3, 4)), rng.normal(size=(4, 2)))
    assert report.verdicts == {"a": "exact", "b": WRONG}
    named(report, "times", input=1, walk="reverse")
    assert "only the reverse walk is wrong" in str(report)


def test_wrong_tangent():
    @primitive
    def double(x):
        return 2 * x

    general(double, [lambda g, y, x: 2 * g], [lambda t, y, x: 3 * t])
    report = gradcheck(lambda x: mg.sin(double(x)), rng.normal(size=6))
    assert report.rows[0].walks["reverse"] < 1e-14 < 0.1 < report.rows[0].walks["forward"]
    named(report, "double", walk="forward")
    assert "only the forward walk is wrong" in str(report)


def pool_that_assigns():
    """Max-pooling whose scatter assigns where it should add."""

    @primitive
    def pool(x, *, winners, stride):
        return kernels.pool_take(x, winners, kernel=(2, 2), stride=(stride, stride))

    @primitive
    def scatter(g, *, winners, stride, size):
        out, (h, w) = np.zeros((*g.shape[:2], *size), g.dtype), g.shape[2:]
        for tap, (a, b) in enumerate(np.ndindex(2, 2)):
            np.copyto(out[:, :, a : a + stride * h : stride, b : b + stride * w : stride], g, where=winners == tap)
        return out

    linear(pool, lambda g, y, x, **k: scatter(g, size=x.shape[2:], **k))
    linear(scatter, lambda u, y, g, *, size, **k: pool(u, **k))
    return pool


@pytest.mark.parametrize("stride", [1, 2])
def test_scatter_wrong_for_overlapping_windows_only(stride):
    pool = pool_that_assigns()

    def f(x):
        _, winners = kernels.max_pool2d(x.data, kernel=(2, 2), stride=(stride, stride))
        return mg.tanh(pool(x, winners=winners, stride=stride))

    report = gradcheck(f, rng.permutation(32.0 * np.arange(1, 33) / 512).reshape(1, 2, 4, 4))
    if stride == 2:  # windows do not overlap: there it is right
        assert report.ok and report["x"] == "exact"
    else:
        named(report, "pool", input=0, walk="reverse")


def test_random_function():
    own = np.random.default_rng(3)  # not minigrad's: it cannot be held
    report = gradcheck(lambda x: mg.tanh(x * own.random(x.shape)), rng.normal(size=4))
    assert report["x"] == NOT_DETERMINISTIC and not report.ok
    assert "f gives two values at one point" in str(report)


def test_random_rule():
    own = np.random.default_rng(3)
    report = gradcheck(lambda x: cube_with(lambda y, x: 3 * x * x * own.random())(x), rng.normal(size=4))
    assert report["x"] == NOT_DETERMINISTIC
    assert "two gradients at one point" in str(report)


def test_gradient_of_a_wrong_dtype():
    @primitive
    def identity(x):
        return x + 0

    general(identity, [lambda g, y, x: mg.astype(g, "float32")], [lambda t, y, x: t])
    named(gradcheck(lambda x: mg.sin(identity(x)), rng.normal(size=4)), "identity", walk="reverse")


def test_gradient_of_a_wrong_shape():
    @primitive
    def column(x):
        return x + 0

    general(column, [lambda g, y, x: mg.sum(g, axis=0)], [lambda t, y, x: t])
    report = gradcheck(lambda x: mg.sin(column(x)), rng.normal(size=(2, 3)), order=2)
    (suspect,) = named(report, "column", input=0)
    assert suspect.detail == "its gradient is float64 (3,), the input float64 (2, 3)"
    assert "the reverse walk raised ValueError" in str(report)


def test_gradient_of_a_wrong_shape_that_the_walk_happens_to_fit():
    @primitive
    def identity(x):
        return x + 0

    general(identity, [lambda g, y, x: g.flatten()], [lambda t, y, x: t])
    report = gradcheck(lambda x: mg.sin(identity(x)), rng.normal(size=(2, 3)), order=2)
    assert not report.ok and report.suspects[0].op == "identity"
    assert report.suspects[0].detail == "its gradient is float64 (6,), the input float64 (2, 3)"


def twice(x):
    return x * 2.0


@pytest.mark.parametrize("part", ["forward", "backward"])
def test_fused_kernel_that_differs_from_its_spec(part):
    up, down = (2.001, 2.0) if part == "forward" else (2.0, 2.001)
    kernel = fused(twice, forward=lambda x: (up * x, None), backward=lambda g, saved, x: (down * g,))
    report = gradcheck(lambda x: mg.sin(kernel(x)), rng.normal(size=4))
    named(report, "twice")
    assert ("a fused kernel differs from its spec" in str(report)) == (part == "forward")


def test_fault_in_a_rule_that_only_backward_walks_use():
    """At order 1 all is right; the adjoint's own adjoint is the one that is wrong."""

    @primitive
    def gather(x):
        return x[::2] * 1.0

    @primitive
    def put(g):
        out = np.zeros(2 * len(g), g.dtype)
        out[::2] = g
        return out

    linear(gather, lambda g, y, x: put(g))
    linear(put, lambda u, y, g: 1.01 * gather(u))
    report = gradcheck(lambda x: mg.sin(gather(x)), rng.normal(size=6), order=2)
    assert [row.verdict for row in report.rows] == ["exact", WRONG]
    assert "put" in {s.op for s in report.suspects}, str(report)


def test_gradient_that_is_not_a_number_in_one_entry():
    hole = np.array([1.0, np.nan, 1.0])
    report = gradcheck(
        lambda x: mg.sin(cube_with(lambda y, x: 3 * hole * x * x)(x)), np.array([0.5, 1.0, 2.0]), order=2
    )
    named(report, "cube", order=1)
    assert report.rows[0].worst[0].index == (1,)
    json.dumps(report.to_dict(), allow_nan=False)


def test_wrong_only_below_what_central_differences_see():
    report = gradcheck(lambda x: cube_with(lambda y, x: (3 + 1e-8) * x * x)(x).sum(), np.array([1.0, 2.0]))
    assert report.rows[0].central < 1e-7 and report["x"] == WRONG


def test_what_seed_zero_draws_is_not_the_cotangent():
    """gᵀx is its own transpose where g is x: that would hide a transposed gradient of the users' usual numbers."""

    @primitive
    def times(a, b):
        return a @ b

    linear(times, lambda g, y, a, b: g @ mg.matrix_transpose(b), lambda g, y, a, b: mg.matrix_transpose(g) @ a)
    x = np.random.default_rng(0).normal(size=(3, 2))
    assert gradcheck(times, x, rng.normal(size=(2, 2)))["b"] == WRONG
