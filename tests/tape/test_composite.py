"""A composite: a function of tensors that is one operation, with the derivative that was declared for it."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.gradcheck import WRONG


def softplus():
    """log(1 + eˣ) and its slope, which by parts would be ∞ / ∞ at 1000."""

    @mg.composite
    def softplus(x):
        return mg.where(x > 30, x, mg.log(1 + mg.exp(mg.minimum(x, 30.0))))

    mg.elementwise(softplus, lambda y, x: mg.sigmoid(x))
    return softplus


def test_its_declared_derivative_is_exact_at_every_order_by_both_walks():
    assert mg.gradcheck(lambda x: mg.sin(softplus()(x)), np.array([-2.0, 0.3, 4.0]), order=3).ok
    assert mg.grad(lambda x: softplus()(x).sum())(np.array([1000.0])).data == 1


def test_it_is_one_operation_with_parameters_and_several_inputs():
    @mg.composite
    def line(x, w, *, shift):
        return x * w + shift

    mg.general(
        line,
        [lambda g, y, x, w, *, shift: g * w, lambda g, y, x, w, *, shift: g * x],
        [lambda t, y, x, w, *, shift: t * w, lambda t, y, x, w, *, shift: t * x],
    )
    x, w = mg.tensor([1.0, 2.0], requires_grad=True), mg.tensor(3.0, requires_grad=True)
    y = line(x, w, shift=1.0)
    assert y.node.op is line and y.tolist() == [4.0, 7.0]
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0] and w.grad == 3.0


def test_another_derivative_than_its_own_is_called_wrong():
    @mg.composite
    def limited(x):
        return x * x

    mg.elementwise(limited, lambda y, x: mg.clip(2 * x, -1.0, 1.0))
    assert mg.grad(limited)(5.0).item() == 1.0
    assert WRONG in {row.verdict for row in mg.gradcheck(limited, np.array(5.0)).rows}


def test_without_a_declaration_and_without_a_tensor_it_says_so():
    x = mg.tensor(1.0, requires_grad=True)
    with pytest.raises(NotImplementedError, match="square: no derivative is declared"):
        mg.composite(square)(x).backward()
    with pytest.raises(TypeError, match="must return a tensor"):
        mg.composite(lambda x: 3.0)(x)


def square(x):
    return x * x
