"""What an operation may fold into the pass over memory that its input still waits for.

A convolution or a batch norm whose value is deferred can end with

    y = relu(value * scale + shift + plus)

at no further pass: scale and shift are one number for each channel, plus is an array like y, and each is optional.
So relu(conv2d(x, w) + bias), and relu(batch_norm(x) + shortcut), are one pass. The tape shows every operation all the
same: it is only values that are never computed.
"""

from __future__ import annotations

from .. import kernels
from ..tape import Array, Deferred, Tensor, add, launch, state
from . import pool
from .elementwise import gate, relu

ORDER = ("scale", "shift", "plus", "relu")
_ENDS = {kernels.conv2d: set(ORDER), kernels.normalize: {"plus", "relu"}}


def waits_for(y: Tensor, option: str) -> bool:
    """Whether y's value is still to be computed, and the pass that will do it can end with `option`."""
    if not (isinstance(y, Deferred) and y.pending and y.dtype.kind == "f" and option in _ENDS.get(y.finish, ())):
        return False
    return not any(later in y.options for later in ORDER[ORDER.index(option) :])


def unchanging(x: Tensor) -> bool:
    """Whether nobody can write to x's array before it is used."""
    return x.locked or state.capture is not None


def gated(g: Deferred) -> tuple[Array, dict[str, Array]] | None:
    """What g is without the gate of the relu that it comes from, and that gate."""
    return (g.args[0], {"gate": g.args[1]}) if g.finish is kernels.gate and not g.options else None


def _prepare_gate(g: Array, *, by: Array) -> tuple:
    return None, g.shape, g.dtype, (g, by), {}


def _fold_gate(g: Tensor, *, by: Array) -> Deferred | None:
    """The gate of a relu before max-pooling is the same at the winners: they are fewer, and not yet put back."""
    if not (isinstance(g, Deferred) and g.pending and g.finish is pool.put_back and g.args[3] is by):
        return None
    pooled, winners, y, x = g.args
    return Deferred(g.finish, (launch(kernels.gate, pooled, y), winners, y, x), g.shape, g.dtype, **g.options)


def _fold_relu(x: Tensor) -> Array | None:
    return x.value(relu=True) if waits_for(x, "relu") else None  # type: ignore[attr-defined]


def _fold_add(a: Tensor, b: Tensor) -> Deferred | None:
    if type(b) is Deferred and b.pending and not (type(a) is Deferred and a.pending):
        a, b = b, a
    if type(a) is not Deferred or b.dtype != a.dtype:
        return None
    if b.shape == a.shape:
        return a.with_option(plus=b._data) if unchanging(b) and waits_for(a, "plus") else None
    if b.ndim == a.ndim and b.size == b.shape[1] == a.shape[1] and waits_for(a, "shift"):
        return a.with_option(shift=launch(_vector, b._data))
    return None


def _vector(a: Array) -> Array:
    return a.reshape(-1).copy()


gate.defer = _prepare_gate, kernels.gate
gate.fold = _fold_gate
relu.fold = _fold_relu
add.fold = _fold_add
