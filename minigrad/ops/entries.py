"""Entries replaced: `x.at[index].set(values)` and `.add(values)`, new tensors with a derivative, and `x[index] = values`.

A tape never changes, so neither does a tensor on it. What is written to is a leaf, whose value nobody has recorded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import named
from ..tape import Array, Tensor, add, as_tensor, broadcast_to, dispatch, effect, rounded_once, state
from ..typing import ArrayLike
from .elementwise import _where
from .indexing import _getitem, _kept, _putitem
from .shape import _reshape
from .values import write

__all__ = ["add_at", "set_at"]


def _places(*, shape: tuple[int, ...], index: Any) -> Array:
    """Which entry, in row-major order, each entry of x[index] is."""
    return np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape)[index])


def _winners(places: Array, *, shape: tuple[int, ...]) -> Array:
    """Which of the values each entry of x gets, the last one of several; −1 for none."""
    out = np.full(np.prod(shape, dtype=int), -1)
    out[places.ravel()] = np.arange(places.size)
    return out.reshape(shape)


def _none(winners: Array) -> Array:
    return winners < 0


def _some(winners: Array) -> Array:
    return np.maximum(winners, 0).ravel()


def _fitted(name: str, x: Tensor, index: Any, values: Any) -> tuple[Tensor, Any, Array]:
    """The values, one for each entry of x[index], the index, which nobody else can change, and the places."""
    index = tuple([_kept(p) for p in index]) if isinstance(index, tuple) else _kept(index)
    places = dispatch(_places, shape=x.shape, index=index)
    v = as_tensor(values if isinstance(values, Tensor) else _weak(values, x))
    while v.ndim > places.ndim and v.shape[0] == 1:  # as NumPy, which ignores leading axes of length 1
        v = _reshape(v, shape=v.shape[1:])
    try:
        return broadcast_to(v, shape=places.shape), index, places
    except ValueError:
        raise ValueError(f"{name}: values of shape {v.shape} do not fill x[index], of shape {places.shape}") from None


def _weak(values: Any, x: Tensor) -> Any:
    """Python's numbers take the dtype of x, if they are no finer."""
    if isinstance(values, (bool, int, float, complex)):
        return np.asarray(values, np.result_type(x.dtype, values))
    return values


@named
def set_at(x: ArrayLike, index: Any, values: ArrayLike) -> Tensor:
    """x with the entries x[index] replaced by `values`, which broadcast: all of NumPy's indices, and a derivative in both.

    Where an index is repeated, the last of its values counts, and only that one has a derivative.

    >>> set_at(np.zeros(3), [0, 2, 2], [1.0, 2.0, 3.0]).data
    array([1., 0., 3.])
    """
    x = as_tensor(x)
    v, _, places = _fitted("set_at", x, index, values)
    if not v.size:
        return x
    winners = dispatch(_winners, places, shape=x.shape)
    picked = _getitem(_reshape(v, shape=(v.size,)), index=(dispatch(_some, winners),))
    return _where(x, _reshape(picked, shape=x.shape), condition=dispatch(_none, winners))


@named
def add_at(x: ArrayLike, index: Any, values: ArrayLike) -> Tensor:
    """x with `values`, which broadcast, added to the entries x[index]; where an index is repeated, all its values.

    >>> add_at(np.zeros(3), [0, 2, 2], [1.0, 2.0, 3.0]).data
    array([1., 0., 5.])
    """
    x = as_tensor(x)
    v, index, _ = _fitted("add_at", x, index, values)
    return rounded_once(lambda x, v: add(x, _putitem(v, index=index, shape=x.shape)))(x, v)


class At:
    """`x.at[index]`: the entries of x that `set` and `add` give anew."""

    def __init__(self, x: Tensor, index: Any = ...) -> None:
        self.x, self.index = x, index

    def __getitem__(self, index: Any) -> At:
        return At(self.x, index)

    def set(self, values: Any) -> Tensor:
        """A tensor like x with these entries replaced: mg.set_at(x, index, values)."""
        return set_at(self.x, self.index, values)

    def add(self, values: Any) -> Tensor:
        """A tensor like x with values added to these entries: mg.add_at(x, index, values)."""
        return add_at(self.x, self.index, values)


def assign_entry(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value: under `no_grad` a leaf is written to, and a constant everywhere, by constants."""
    moves = state.recording and (x.requires_grad or (isinstance(value, Tensor) and value.requires_grad))
    if x.node is not None or moves:
        raise TypeError(
            "x[…] = …: what is on a tape never changes, and the array of a leaf has no derivative; "
            "write y = x.at[index].set(value), or .add(value), which have one; or update a leaf under mg.no_grad()"
        )
    effect(write, x, set_at(x, index, value)._data, "set_at")
