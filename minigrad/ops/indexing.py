"""Indexing, `x[index]`, and its adjoint, which adds each entry back to where it came from."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named
from ..tape import ENTRIES, INTEGERS, Array, Tensor, linear, look, primitive, private


@primitive
def _getitem(x: Array, *, index: Any) -> Array:
    return x[index]


_getitem.may_alias = True
_getitem.numbers = ENTRIES


@primitive
def _putitem(g: Array, *, index: Any, shape: tuple[int, ...]) -> Array:
    if (ids := _rows_by_number(index, shape)) is not None:
        return kernels.add_rows(g.reshape(ids.size, -1), ids, rows=shape[0]).reshape(shape)
    out = np.zeros_like(g, shape=shape)  # in g's memory order, if it has as many axes
    if _repeats(index):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


def _rows_by_number(index: Any, shape: tuple[int, ...]) -> Array | None:
    """The numbers of rows, from 0 on, if that is what the index is, and there is enough of them for a kernel."""
    if isinstance(index, np.ndarray) and index.dtype.kind in "iu" and index.size and len(shape) > 1 and 0 not in shape:
        ids = index.reshape(-1)
        if ids.max() >= shape[0] or ids.min() < -shape[0]:  # which a kernel would not see
            raise IndexError(f"indices go from {ids.min()} to {ids.max()}; there are {shape[0]} rows")
        return ids % shape[0] if ids.dtype.kind == "i" else ids
    return None


_ONE_BY_ONE = int, np.integer, slice, type(None), type(...)
_FIXED = {*_ONE_BY_ONE, bool}


def _repeats(index: Any) -> bool:
    """Whether an index may name an entry twice: what NumPy takes for an array of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return not all(isinstance(p, _ONE_BY_ONE) or np.asarray(p).dtype == bool for p in parts)


linear(_getitem, lambda g, y, x, *, index: _putitem(g, index=index, shape=x.shape))
_putitem.numbers = INTEGERS
linear(_putitem, lambda g, y, x, *, index, shape: _getitem(g, index=index))


def _kept(part: Any) -> Any:
    """A part of an index that nobody else can change."""
    if isinstance(part, (Tensor, np.ndarray)):
        if part.dtype == bool:
            look("how many entries x[index] has depends on values")
        return private(part)
    return copy.deepcopy(part) if isinstance(part, list) else part


@named
def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index] with all of NumPy's indices: ints, slices, None, ellipsis, integer and boolean arrays.

    >>> x = Tensor(np.zeros(3), requires_grad=True)
    >>> getitem(x, [0, 0, 2]).sum().backward()
    >>> x.grad
    array([2., 0., 1.])
    """
    if type(index) not in _FIXED:
        index = tuple([_kept(p) for p in index]) if isinstance(index, tuple) else _kept(index)
    return _getitem(x, index=index)
