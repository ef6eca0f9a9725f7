"""The verdicts other than WRONG, and what a report says."""

import json

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, elementwise, primitive
from minigrad.gradcheck import EXACT, KINK, VACUOUS, WITHIN, gradcheck

rng = np.random.default_rng(0)


def test_exact_through_three_orders_and_nested_arguments():
    def f(params, x):
        return mg.tanh(x @ params["w"] + params["b"][0])

    report = gradcheck(f, {"w": rng.normal(size=(3, 2)), "b": [rng.normal(size=2)]}, rng.normal(size=(4, 3)), order=3)
    assert report.ok
    assert report.verdicts == {"params['w']": EXACT, "params['b'][0]": EXACT, "x": EXACT}
    assert [(row.name, row.order) for row in report.rows][3:6] == [("params['w']", 2), ("params['b'][0]", 2), ("x", 2)]
    assert all(error < 1e-13 for row in report.rows for error in row.walks.values())
    assert set(report.rows[0].walks) == {"reverse", "forward"}
    assert set(report.rows[-1].walks) == {"reverse", "forward", "mixed"}


def test_kink_near_x_is_named_and_right():
    report = gradcheck(lambda x: mg.relu(x), np.array([-1.0, 2.0, 1e-9, 3.0]))
    row = report.rows[0]
    assert report.ok and row.verdict == KINK
    assert row.kink.op == "relu" and row.kink.index == (2,) and row.kink.count == 1
    assert row.text.startswith("kink at relu[2] (test_verdicts.py:")
    assert row.complex_step < 1e-15 and row.central > 0.3  # the usual check cries wolf, the exact one does not


@pytest.mark.parametrize(
    "f, op",
    [
        (mg.relu, "relu"),
        (lambda x: mg.abs(x) + mg.relu(x), "abs"),
        (lambda x: mg.max(mg.concat([x, 3 * x, 3 * x])), "max"),
        (lambda x: mg.where(x > 0, x, 3 * x), "where"),
    ],
)
def test_kink_at_x(f, op):
    report = gradcheck(f, np.array([0.0, -1.0, -2.0]))
    assert report.rows[0].verdict == KINK and report.rows[0].kink.op == op, str(report)


def test_kink_of_max_pooling():
    x = rng.normal(size=(1, 1, 4, 4))
    x[0, 0, 2, 2] = x[0, 0, 2, 3] = 5.0
    report = gradcheck(lambda x: mg.tanh(mg.max_pool2d(x, 2)), x)
    assert report.rows[0].kink.op == "max_pool2d" and report.rows[0].kink.index == (0, 0, 1, 1)


def test_kink_at_order_two():
    report = gradcheck(lambda x: mg.relu(x) ** 2, np.array([1e-9, 2.0]), order=2)
    assert [row.verdict for row in report.rows] == [EXACT, KINK]


def test_kink_of_control_flow():
    report = gradcheck(lambda x: x.sum() if x.data.real[0] > 0 else (3 * x).sum(), np.array([1e-9, 2.0]))
    assert report.ok and report.rows[0].verdict in (EXACT, KINK)


def test_exact_where_central_differences_leave_the_domain():
    report = gradcheck(mg.log, np.array([1e-7, 1.0]))
    assert report["x"] == EXACT and report.rows[0].central is None


def test_vacuous():
    x, gamma = rng.normal(size=(8, 3)), np.ones(2)

    def f(w, b, unused):
        return mg.tanh(mg.batch_norm(x @ w + b, gamma, np.zeros(2)))

    report = gradcheck(f, rng.normal(size=(3, 2)), rng.normal(size=2), np.ones(4))
    assert report.ok
    assert report.verdicts == {"w": EXACT, "b": VACUOUS, "unused": VACUOUS}
    assert "1 exact, 2 vacuous" in report.summary
    assert report.rows[1].walks == {}  # relative errors of noise are not shown


def test_linear_function_says_nothing_at_order_two():
    report = gradcheck(lambda x: 3 * x, rng.normal(size=4), order=2)
    assert [row.verdict for row in report.rows] == [EXACT, VACUOUS] and report["x"] == EXACT


def real_only(derivative):
    """A primitive that raises on complex numbers."""

    @primitive
    def hypotenuse(x):
        return np.hypot(x, 1.0)

    elementwise(hypotenuse, derivative)
    return hypotenuse


def test_within_round_off_where_complex_numbers_raise():
    f = real_only(lambda y, x: x / y)
    report = gradcheck(lambda x: f(x), rng.normal(size=5))
    assert report.ok and report["x"] == WITHIN and report.rows[0].complex_step is None
    wrong = real_only(lambda y, x: 1.001 * x / y)
    report = gradcheck(lambda x: wrong(x), rng.normal(size=5))
    assert not report.ok and report.suspects[0].op == "hypotenuse"


def test_within_round_off_where_imaginary_parts_are_dropped():
    @primitive
    def square(x):
        return x.real**2

    elementwise(square, lambda y, x: 2 * x)
    report = gradcheck(lambda x: mg.sin(square(x)), rng.normal(size=5))
    assert report["x"] == WITHIN
    report = gradcheck(lambda x: mg.sin(square(x)) + x, rng.normal(size=5))  # part of it comes through
    assert report["x"] == WITHIN and "does not go through f" in str(report)


def test_kink_where_only_central_differences_are_to_be_had():
    @primitive
    def relu(x):
        return np.hypot(np.maximum(x, 0.0), 0.0)

    elementwise(relu, lambda y, x: Tensor((x.data > 0) * 1.0))
    relu.branch = lambda y, x: x > 0
    report = gradcheck(lambda x: relu(x), np.array([1e-9, 2.0]))
    assert report.rows[0].verdict == KINK and report.ok


def test_large_arguments_are_sampled():
    report = gradcheck(lambda x: mg.tanh(x), rng.normal(size=(50, 40)), entries=16, samples=3, directions=2)
    assert report["x"] == EXACT and report.evaluations < 40


def test_float32_is_checked_in_float64_and_dropout_with_its_mask_held():
    before = mg.random.generator().bit_generator.state
    x = Tensor(rng.normal(size=(4, 3)).astype(np.float32), requires_grad=True)
    report = gradcheck(lambda x: mg.tanh(mg.dropout(x, 0.5)), x, order=2)
    assert report["x"] == EXACT and report.dtype == "float32"
    assert x.dtype == np.float32 and x.grad is None and x.version == 0
    assert mg.random.generator().bit_generator.state == before


def test_same_seed_same_report():
    def run(seed):
        d = gradcheck(lambda x: mg.tanh(x @ x), rng_x, order=2, seed=seed).to_dict()
        return {**d, "seconds": 0}

    rng_x = rng.normal(size=(5, 5))
    assert run(1) == run(1) != run(2)


def test_report_as_data_and_as_text():
    report = gradcheck(mg.relu, np.array([1e-9, 2.0]), order=2)
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["ok"] is True and data["verdicts"] == {"x": "kink"}
    assert data["rows"][0]["text"].startswith("kink at relu[0]")
    lines = str(report).splitlines()
    assert lines[0].startswith("Gradient check of relu, in float64: ")
    assert lines[2].split() == ["parameter", "shape", "order", "complex", "step", "central", "walks", "verdict"]
    assert lines[-1] == "ok: 1 kink (up to order 2)"


@pytest.mark.parametrize(
    "run, error, text",
    [
        (lambda: gradcheck(lambda n: Tensor(1.0), 3), ValueError, "nothing to check"),
        (lambda: gradcheck(lambda x: x.data, np.ones(2)), TypeError, "f returned ndarray"),
        (lambda: gradcheck(lambda x: x / 0.0, np.array([0.0])), ValueError, "not finite"),
        (lambda: gradcheck(mg.exp, np.ones(2) * 1j), TypeError, "complex128"),
        (lambda: gradcheck(mg.exp, np.ones(2), order=0), ValueError, "order is 0"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_errors(run, error, text):
    with pytest.raises(error, match=text):
        run()


def test_the_name_is_the_function():
    import minigrad.gradcheck as by_path
    from minigrad.gradcheck import Report

    assert callable(mg.gradcheck) and by_path is mg.gradcheck
    assert isinstance(mg.gradcheck(mg.exp, 1.0), Report)
