"""Rules as text are what the engine computes: each is evaluated, and compared with what the operation sends back."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.explain.rules import rule, worked
from minigrad.tape import Primitive, Tensor

OPS = sorted(Primitive.registry.items())


@pytest.mark.parametrize("name, op", OPS, ids=[name for name, _ in OPS])
def test_every_operation_says_its_rule(name, op):
    said = rule(op)
    assert said["kind"] == op.kind and said["arguments"]
    assert len(said["up"]) in (1, len(said["arguments"]))
    for text in said["up"]:
        assert text and "_data" not in text and "dispatch" not in text and "**" not in text.replace("** ", "")
        assert "a rule of its own" not in text
    assert (said["composition"] is not None) == (op.kind == "fused")
    if op.kind == "fused":
        assert said["composition"].startswith("def ")


SCALAR = [
    (mg.add, [1.5, -2.0]), (mg.mul, [1.5, -2.0]), (mg.sub, [1.5, -2.0]), (mg.div, [1.5, -2.0]), (mg.exp, [-0.5]),
    (mg.log, [0.5]), (mg.sqrt, [0.25]), (mg.sin, [0.5]), (mg.cos, [0.5]), (mg.tanh, [-0.5]), (mg.sigmoid, [0.25]),
    (mg.neg, [3.0]), (Primitive.registry["softplus"], [0.5]), (mg.expm1, [0.5]), (mg.log1p, [-0.5]),
]  # fmt: skip


@pytest.mark.parametrize("op, xs", SCALAR, ids=lambda v: getattr(v, "name", ""))
def test_the_rule_with_numbers_is_the_gradient(op, xs):
    leaves = [Tensor(np.array(x), requires_grad=True) for x in xs]
    y = op(*leaves)
    for i, (x, g) in enumerate(zip(leaves, mg.pull(y, leaves, -0.5, retain_graph=True))):
        text = worked(op, i, -0.5, y.data.item(), xs, {})
        functions = {n: getattr(np, n) for n in ("exp", "sin", "cos")} | {"sigmoid": lambda x: 1 / (1 + np.exp(-x))}
        got = eval(text, functions)
        assert got == pytest.approx(g.data.item(), rel=1e-3)  # the numbers in it have four digits
        assert x is leaves[i]


def test_rules_of_a_user():
    @mg.primitive
    def cube(x):
        return x**3

    @mg.primitive
    def both(a, b):
        return a * b * b

    mg.elementwise(cube, lambda y, x: 3 * x * x)
    mg.elementwise(both, lambda y, a, b: b * b, lambda y, a, b: 2 * a * b)
    assert rule(cube)["up"] == ["g * (3 * x * x)"]
    assert rule(both)["up"] == ["g * (b * b)", "g * (2 * a * b)"]
    assert worked(both, 1, 0.5, 18.0, [2.0, -3.0], {}) == "0.5 * (2 * 2 * (-3))"


def test_a_rule_that_is_more_than_an_expression_is_named_with_its_docstring():
    def up(g, y, x):
        """Twice g."""
        z = g + g
        return z

    twice = mg.primitive(lambda x: 2 * x)
    mg.general(twice, [up], [up])
    assert rule(twice)["up"] == ["up(g, y, x): Twice g."]
    assert worked(twice, 0, 1.0, 2.0, [1.0], {}) is None


def test_code_without_source_is_no_error():
    made = eval("lambda y, x: y")
    op = mg.primitive(lambda x: np.exp(x))
    mg.elementwise(op, made)
    assert rule(op)["up"] == ["a rule of its own"]
