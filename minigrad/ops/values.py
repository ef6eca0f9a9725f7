"""Tensors as numbers and sequences, and changed in place: what Python's own syntax asks of them.

A number has no tape. So inside a function that is being differentiated, nothing here makes one of a tensor that the
derivative goes through: it raises (`leave`). Comparisons and truth values are branches, and stay; so does text.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..tape import Array, Tensor, converted, effect, leave, state, tensor


def _one(name: str, x: Tensor) -> Array:
    """The value of x, if it is one entry."""
    value = x.data
    if value.size != 1:
        raise ValueError(f"{name}: a tensor of shape {x.shape} is not one number; index it, or reduce it")
    return value


def item(x: Tensor) -> Any:
    """The value of a tensor of one entry, as a Python number.

    Raises ValueError for other shapes; and TypeError inside a function that is being differentiated by what x depends
    on, where it would be a constant in silence: use x, or `x.detach()` to hold it constant.

    >>> item(Tensor(np.array([[2.5]])))
    2.5
    """
    return _one("item", leave(x, "item")).item()


def tolist(x: Tensor) -> Any:
    """The entries as nested lists of Python numbers; raises where `item` does."""
    return leave(x, "tolist").data.tolist()


def number(kind: Callable) -> Callable:
    """kind(x), for one of Python's functions from numbers to numbers."""
    name = kind.__name__
    return lambda x, *digits: kind(_one(name, leave(x, name)).item(), *digits)


def index(x: Tensor) -> int:
    """One integer, to index with."""
    if x.dtype.kind not in "iu":
        raise TypeError(f"a tensor of dtype {x.dtype} is no index; use int(x)")
    return _one("index", x).item()


def truth(x: Tensor) -> bool:
    """Whether one entry is not zero: a branch."""
    value = x.data
    if value.size != 1:
        raise ValueError(f"a tensor of shape {x.shape} is not one truth value; use (x > 0).any() or .all()")
    return bool(value)


def text(x: Tensor, spec: str) -> str:
    """f"{x:.3f}" of one entry. It may be shown while a derivative is taken: nobody computes with text."""
    if spec and x.size != 1:
        raise TypeError(f"format {spec!r} is for one number; the tensor has shape {x.shape}")
    return format(x.data.item(), spec) if spec else str(x)


def iterate(x: Tensor) -> Iterator[Tensor]:
    """x[0], x[1], …"""
    if not x.ndim:
        raise TypeError("a tensor of shape () cannot be iterated over: it is one number")
    return (x[i] for i in range(len(x)))


# ---- in place


def in_place(sign: str, f: Callable) -> Callable:
    """x sign= other, where f(x, other) is x sign other.

    Under `no_grad` a leaf is written to: it stays the same tensor, of the same dtype. While recording, a leaf that
    requires grad refuses. Everywhere else the name gets a new tensor: nothing on a tape ever changes.
    """

    def update(x: Tensor, other: Any) -> Tensor:
        if x.node is not None or (state.recording and not x.requires_grad):
            return f(x, other)
        if state.recording:
            raise RuntimeError(
                f"{sign}=: a leaf that requires grad cannot be changed while recording; update it under mg.no_grad(), "
                f"or make a new tensor: y = x {sign} …"
            )
        y = f(x, other)
        if y.shape != x.shape:
            raise ValueError(f"{sign}=: the tensor has shape {x.shape}, the result {y.shape}; write x = x {sign} …")
        effect(write, x, y._data, f"{sign}=")
        return x

    return update


def write(x: Tensor, value: Array, name: str) -> None:
    """Let x have this value, in its own array where nobody else has that too."""
    value = converted(value, x.dtype, name)
    if not x.locked and x._data.flags.owndata and x._data.flags.writeable and _holders(x) == _ALONE:
        x._data[...] = value
        x.assign(x._data)
    else:
        x.locked = False
        x.assign(np.array(value))
        x.handed = None


def _holders(x: Tensor) -> int:
    return sys.getrefcount(x._data)


_ALONE = _holders(tensor(0.0))
