"""Binds operators and methods to Tensor: the one place that does, in one visible list."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import named
from ..tape import Array, Tensor, add, as_array, backward, cast, dispatch, mul, register_hook, retain_grad, wrap
from ..typing import DTypeLike
from . import by_numpy, elementwise, entries, indexing, linalg, shape, spelling, values


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


def _later(name: str) -> Callable:
    """A function of minigrad by its public name, found at the first call."""
    return lambda a, b: getattr(spelling.mg, name)(a, b)


def _reflected(f: Callable) -> Callable:
    return lambda a, b: f(b, a)


def _bitwise(name: str, sign: str, f: Callable) -> dict[str, Callable]:
    """An operator on integers and booleans: it has no derivative."""

    def operate(a: Any, b: Any) -> Tensor:
        return wrap(dispatch(f, _value(a), _value(b)))

    operate.__name__ = f.__name__
    operate = named(operate)
    return {
        f"__{name}__": operate,
        f"__r{name}__": _reflected(operate),
        f"__i{name}__": values.in_place(sign, operate),
    }


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
    "__floordiv__": _later("floor_divide"),
    "__rfloordiv__": _reflected(_later("floor_divide")),
    "__ifloordiv__": values.in_place("//", _later("floor_divide")),
    "__mod__": _later("remainder"),
    "__rmod__": _reflected(_later("remainder")),
    "__imod__": values.in_place("%", _later("remainder")),
    "__divmod__": lambda a, b: (a // b, a % b),
    "__rdivmod__": lambda a, b: (b // a, b % a),
    **_bitwise("and", "&", np.bitwise_and),
    **_bitwise("or", "|", np.bitwise_or),
    **_bitwise("xor", "^", np.bitwise_xor),
    **_bitwise("lshift", "<<", np.left_shift),
    **_bitwise("rshift", ">>", np.right_shift),
    "__invert__": lambda x: wrap(dispatch(np.invert, as_array(x))),
    "__pos__": lambda x: x,
    "__neg__": elementwise.neg,
    "__abs__": elementwise.abs,
    "__getitem__": indexing.getitem,
    "__array_function__": by_numpy.by_function,
    "__array_ufunc__": by_numpy.by_ufunc,
    "__setitem__": entries.assign_entry,
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
    "argmax": argmax,
    "tolist": values.tolist,
    "backward": backward,
    "register_hook": register_hook,
    "retain_grad": retain_grad,
    "reshape": _reshape,
    "permute_dims": _permute_dims,
    "astype": astype,
    "at": property(entries.At),
    "T": property(lambda x: shape.permute_dims(x, tuple(reversed(range(x.ndim))))),
    "mT": property(shape.matrix_transpose),
}


def bind(modules: list[ModuleType]) -> None:
    """Give tensors their operators and methods: the list above, and the methods of the tables of names."""
    for name, f in {**_BOUND, **spelling.methods(modules)}.items():
        setattr(Tensor, name, f)
