"""Binds operators and methods to Tensor: the one place that does, in one visible list."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import named
from ..tape import Array, Tensor, add, as_array, backward, cast, dispatch, mul, register_hook, retain_grad, wrap
from ..typing import DTypeLike
from . import elementwise, indexing, linalg, reduce, shape, values


def _value(x: Any) -> Any:
    x = x.item() if isinstance(x, np.generic) else x  # weak, as Python's numbers are
    return x if isinstance(x, (int, float, complex)) else as_array(x)


def _compare(f: Callable) -> Callable:
    """A comparison gives a boolean tensor: it has no derivative."""

    def compare(a: Any, b: Any) -> Array:
        return np.asarray(f(a.real, np.real(b)))

    def compared(a: Any, b: Any) -> Tensor:
        return wrap(dispatch(compare, _value(a), _value(b)))

    compared.__name__ = f.__name__
    return named(compared)


def _reshape(x: Tensor, *sizes: Any) -> Tensor:
    return shape.reshape(x, sizes[0] if len(sizes) == 1 else sizes)


def _permute_dims(x: Tensor, *axes: Any) -> Tensor:
    return shape.permute_dims(x, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)


@named
def astype(x: Tensor, dtype: DTypeLike) -> Tensor:
    """x in another dtype; the gradient returns in x's own, and none from a dtype that is no float."""
    return cast(x if np.dtype(dtype).kind in "fc" else x.detach(), dtype=dtype)


@named
def argmax(x: Tensor, axis: int | None = None) -> Tensor:
    """The index of the largest entry along axis, as a tensor of ints."""
    return wrap(dispatch(_argmax, as_array(x), axis))


def _argmax(x: Array, axis: int | None) -> Array:
    return np.asarray(x.real.argmax(axis))


_NAMES = {"concatenate": "concat", "transpose": "permute_dims", "dot": "matmul", "absolute": "abs"}  # NumPy's, and ours


def _by_numpy(x: Tensor, function: Callable, types: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """What a function of NumPy gives for tensors, if they serve it as arrays; it knows no derivative."""
    if not all(issubclass(kind, Tensor | np.ndarray) for kind in types):
        return NotImplemented
    try:
        return function._implementation(*args, **kwargs)  # type: ignore[attr-defined]
    except (TypeError, AttributeError) as error:
        name = function.__name__
        ours = _NAMES.get(name, name)
        there = any(hasattr(module, ours) for module in (elementwise, indexing, linalg, reduce, shape))
        instead = f"use mg.{ours}, or" if there else "give an array,"
        raise TypeError(
            f"np.{name}: a tensor is no array; {instead} np.{name} of x.data, without a derivative"
        ) from error


_BOUND: dict[str, Callable | property] = {
    # operators
    "__add__": add,
    "__radd__": lambda a, b: add(b, a),
    "__sub__": elementwise.sub,
    "__rsub__": lambda a, b: elementwise.sub(b, a),
    "__mul__": mul,
    "__rmul__": lambda a, b: mul(b, a),
    "__truediv__": elementwise.div,
    "__rtruediv__": lambda a, b: elementwise.div(b, a),
    "__pow__": elementwise.power,
    "__rpow__": lambda a, b: elementwise.power(b, a),
    "__matmul__": linalg.matmul,
    "__rmatmul__": lambda a, b: linalg.matmul(b, a),
    "__iadd__": values.in_place("+", add),
    "__isub__": values.in_place("-", elementwise.sub),
    "__imul__": values.in_place("*", mul),
    "__itruediv__": values.in_place("/", elementwise.div),
    "__ipow__": values.in_place("**", elementwise.power),
    "__imatmul__": values.in_place("@", linalg.matmul),
    "__neg__": elementwise.neg,
    "__abs__": elementwise.abs,
    "__getitem__": indexing.getitem,
    "__array_function__": _by_numpy,
    "__setitem__": values.refuse_entry,
    "__iter__": values.iterate,
    # numbers
    "item": values.item,
    "__float__": values.number(float),
    "__int__": values.number(int),
    "__complex__": values.number(complex),
    "__round__": values.number(round),
    "__floor__": values.number(math.floor),
    "__ceil__": values.number(math.ceil),
    "__trunc__": values.number(math.trunc),
    "__index__": values.index,
    "__bool__": values.truth,
    "__format__": values.text,
    # comparisons
    "__lt__": _compare(operator.lt),
    "__le__": _compare(operator.le),
    "__gt__": _compare(operator.gt),
    "__ge__": _compare(operator.ge),
    "__eq__": _compare(operator.eq),
    "__ne__": _compare(operator.ne),
    "__hash__": object.__hash__,
    # methods
    "exp": elementwise.exp,
    "log": elementwise.log,
    "sqrt": elementwise.sqrt,
    "tanh": elementwise.tanh,
    "sigmoid": elementwise.sigmoid,
    "relu": elementwise.relu,
    "abs": elementwise.abs,
    "clip": elementwise.clip,
    "sum": reduce.sum,
    "mean": reduce.mean,
    "var": reduce.var,
    "std": reduce.std,
    "max": reduce.max,
    "min": reduce.min,
    "logsumexp": reduce.logsumexp,
    "argmax": argmax,
    "tolist": values.tolist,
    "all": reduce.all,
    "any": reduce.any,
    "__invert__": lambda x: wrap(dispatch(np.invert, as_array(x))),
    "__and__": lambda x, y: wrap(dispatch(np.bitwise_and, as_array(x), as_array(y))),
    "__or__": lambda x, y: wrap(dispatch(np.bitwise_or, as_array(x), as_array(y))),
    "backward": backward,
    "register_hook": register_hook,
    "retain_grad": retain_grad,
    "reshape": _reshape,
    "flatten": shape.flatten,
    "squeeze": shape.squeeze,
    "permute_dims": _permute_dims,
    "astype": astype,
    "T": property(lambda x: shape.permute_dims(x, tuple(reversed(range(x.ndim))))),
    "mT": property(shape.matrix_transpose),
}


for _name, _f in _BOUND.items():
    setattr(Tensor, _name, _f)
