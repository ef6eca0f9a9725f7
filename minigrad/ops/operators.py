"""Binds operators and methods to Tensor: the one place that does, in one visible list."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..tape import Tensor, add, backward, mul, register_hook, retain_grad
from . import (
    by_numpy,
    creation,
    elementwise,
    entries,
    indexing,
    interchange,
    linalg,
    logic,
    rounding,
    shape,
    sorting,
    spelling,
    values,
)


def _reshape(x: Tensor, *sizes: Any) -> Tensor:
    return shape.reshape(x, sizes[0] if len(sizes) == 1 else sizes)


def _permute_dims(x: Tensor, *axes: Any) -> Tensor:
    return shape.permute_dims(x, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes)


def _reflected(f: Callable) -> Callable:
    return lambda a, b: f(b, a)


def _bitwise(name: str, sign: str, f: Callable) -> dict[str, Callable]:
    return {f"__{name}__": f, f"__r{name}__": _reflected(f), f"__i{name}__": values.in_place(sign, f)}


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
    "__floordiv__": rounding.floor_divide,
    "__rfloordiv__": _reflected(rounding.floor_divide),
    "__ifloordiv__": values.in_place("//", rounding.floor_divide),
    "__mod__": rounding.remainder,
    "__rmod__": _reflected(rounding.remainder),
    "__imod__": values.in_place("%", rounding.remainder),
    "__divmod__": lambda a, b: (a // b, a % b),
    "__rdivmod__": lambda a, b: (b // a, b % a),
    **_bitwise("and", "&", logic.bitwise_and),
    **_bitwise("or", "|", logic.bitwise_or),
    **_bitwise("xor", "^", logic.bitwise_xor),
    **_bitwise("lshift", "<<", logic.bitwise_left_shift),
    **_bitwise("rshift", ">>", logic.bitwise_right_shift),
    "__invert__": logic.bitwise_invert,
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
    "__lt__": logic.less,
    "__le__": logic.less_equal,
    "__gt__": logic.greater,
    "__ge__": logic.greater_equal,
    "__eq__": logic.equal,
    "__ne__": logic.not_equal,
    "__hash__": object.__hash__,
    # methods
    "tolist": values.tolist,
    "backward": backward,
    "register_hook": register_hook,
    "retain_grad": retain_grad,
    "reshape": _reshape,
    "permute_dims": _permute_dims,
    "astype": creation.astype,
    "argmax": sorting.argmax,
    "__array_namespace__": interchange.namespace,
    "__dlpack__": interchange.dlpack,
    "__dlpack_device__": interchange.dlpack_device,
    "device": property(lambda x: "cpu"),
    "to_device": interchange.to_device,
    "at": property(entries.At),
    "T": property(lambda x: shape.permute_dims(x, tuple(reversed(range(x.ndim))))),
    "mT": property(shape.matrix_transpose),
}


def bind(modules: list[ModuleType]) -> None:
    """Give tensors their operators and methods: the list above, and the methods of the tables of names."""
    for name, f in {**_BOUND, **spelling.methods(modules)}.items():
        setattr(Tensor, name, f)
