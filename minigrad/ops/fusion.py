"""Which operations share a pass over memory: rules from functions of arrays to values that are put off.

A convolution or a batch norm is put off until somebody asks for its value. Its pass can end with

    y = relu(value * scale + shift + plus)

where scale and shift are one number for each channel, plus is an array like y, and each is optional. So
relu(conv2d(x, w) + bias), and relu(batch_norm(x) + shortcut), are one pass. On the way back, the gate of a relu goes into
the pass of the batch norm before it, or to the winners of the max-pooling after it.

What two operations read is computed once: the first that takes a value which is put off may fold itself into it; when a
second one comes, the value is computed, and what was folded goes on from there. Only for a reader that comes after the
folded pass has run, which nobody could foresee, the value is computed once more.

The tape shows every operation all the same: it is only values that are never computed. All of it stands here, as `rules`
at the door where the library computes: neither the engine nor an operation knows that it is fused.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import numpy as np

from .. import kernels
from ..tape import Array, Tensor, add, as_array, compute, dispatch, leave, rules, state
from ..tape.primitive import _sum_to
from . import conv, norm, pool
from .elementwise import gate, relu

_ORDER = ("scale", "shift", "plus", "relu")
_ENDS: dict[Callable, set[str]] = {kernels.conv2d: set(_ORDER), kernels.normalize: {"plus", "relu"}}
_MANY = 4096  # numbers from which a kernel of our own adds them up faster than NumPy


class Deferred(Tensor, valued=False):
    """A computed tensor whose value is `finish(*args, **options)`, when it is first asked for.

    If it was `folded` from another one, it is also f(that one's value, *rest), which may be there by then.
    """

    __slots__ = ("_claimed", "_dtype", "_shape", "_value", "args", "finish", "folded", "options")

    _value: Array | None

    def __init__(
        self, finish: Callable[..., Array], args: tuple, shape: tuple, dtype: np.dtype, options: dict[str, Any]
    ) -> None:
        self.finish, self.args, self.options = finish, args, options
        self._shape, self._dtype, self._value = shape, dtype, None
        self._claimed = False
        self.folded: tuple[Deferred, Callable[..., Array], tuple] | None = None
        self.grad = self.name = self.node = None
        self.requires_grad, self.locked = False, True
        self.version, self.handed = 0, None

    @property
    def pending(self) -> bool:  # type: ignore[override]
        """Whether the value has not been computed yet."""
        return self._value is None

    def claim(self) -> None:
        """An operation is going to read the value: the second one finds it computed."""
        if self._claimed and self._value is None:
            self._data  # noqa: B018
        self._claimed = True

    def fold(self, f: Callable[..., Array], *rest: Array, **more: Any) -> Deferred:
        """f(value, *rest), by the same pass with further options."""
        y = Deferred(self.finish, self.args, self._shape, self._dtype, {**self.options, **more})
        y.folded = self, f, rest
        return y

    @property
    def _data(self) -> Array:
        if self._value is None:
            before = self.folded
            while before is not None and before[0]._value is None:
                before = before[0].folded
            if before is None or before[0].version:  # none, or it has been written to since
                self._value = compute(self.finish, self.args, self.options)
            else:  # a value that this one was folded from has been computed
                source, f, rest = self.folded  # type: ignore[misc]
                self._value = compute(f, (source._data, *rest), {})
            self.args, self.options, self.folded = (), {}, None
        return self._value

    @_data.setter
    def _data(self, array: Array) -> None:
        self._value = array
        self.args, self.options, self.folded = (), {}, None

    shape = property(attrgetter("_shape"))
    dtype = property(attrgetter("_dtype"))
    ndim = property(lambda self: len(self._shape))
    nbytes = property(lambda self: 0 if self._value is None else self._value.nbytes)

    def __reduce__(self) -> tuple:
        copy = Tensor(leave(self, "a copy")._data, self.requires_grad)
        copy.grad, copy.name = self.grad, self.name
        return copy.__reduce__()


def waits_for(y: Tensor, option: str) -> bool:
    """Whether y's value is still to be computed, and the pass that will do it can end with `option`."""
    if not (isinstance(y, Deferred) and y.pending and y.dtype.kind == "f" and option in _ENDS.get(y.finish, ())):
        return False
    return not any(later in y.options for later in _ORDER[_ORDER.index(option) :])


def unchanging(x: Tensor) -> bool:
    """Whether nobody can write to x's array before it is used."""
    return x.locked or (state.watcher is not None and state.watcher.unchanging(x))


def put_off(finish: Callable, x: Tensor, rest: tuple, shape: tuple[int, ...], dtype: np.dtype, **options: Any) -> Any:
    """finish(x, *rest, **options) for later; at once if x may change meanwhile and is no small part of it."""
    if unchanging(x):
        first = as_array(x)
    elif x.size * 8 > math.prod(shape):
        return dispatch(finish, x, *rest, **options)
    else:
        first = dispatch(np.array, x)
    return Deferred(finish, (first, *rest), shape, dtype, options)


# ---- what is put off -----------------------------------------------------------------------------------------------


def _putting_off(rule: Callable) -> Callable:
    """The rule, unless somebody who watches wants each value computed where its operation is called."""

    @functools.wraps(rule)
    def putting_off(*inputs: Any, **params: Any) -> Any:
        eager = state.watcher is not None and state.watcher.eager
        return None if eager else rule(*inputs, **params)

    return putting_off


@_putting_off
def _conv2d(x: Tensor, w: Tensor, **k: Any) -> Any:
    size = conv.windows("conv2d", x.shape[2:], w.shape[2:], k["stride"], k["padding"], k["dilation"])
    return put_off(kernels.conv2d, x, (dispatch(np.array, w),), (len(x), len(w), *size), x.dtype, **k)


@_putting_off
def _batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, *, eps: float, moments: Any) -> Any:
    saved, scale, shift = dispatch(norm.batch_statistics, x, gamma, beta, eps=eps, moments=moments)
    return put_off(kernels.normalize, x, (saved[0], scale, shift), x.shape, x.dtype), saved


@_putting_off
def _normalize(x: Tensor, mean: Tensor, var: Tensor, gamma: Tensor, beta: Tensor, *, eps: float) -> Any:
    """Into the convolution before, unless the tape will ask for its value; else put off."""
    vectors = mean, var, gamma, beta
    asked = state.recording and any(t.requires_grad for t in (x, *vectors))
    if not asked and waits_for(x, "scale") and all(v.dtype == x.dtype for v in vectors):
        scale, shift = dispatch(norm.scale_and_shift, *vectors, eps=eps)
        return x.fold(_scaled, scale, shift, scale=scale, shift=shift), None  # type: ignore[attr-defined]
    saved, scale, shift = dispatch(norm.fixed_statistics, x, *vectors, eps=eps)
    return put_off(kernels.normalize, x, (saved[0], scale, shift), x.shape, x.dtype), saved


@_putting_off
def _max_pool2d_backward(g: Tensor, saved: tuple[Array, Array], x: Tensor, **k: Any) -> Any:
    args = (as_array(g), *saved, as_array(x))
    return (Deferred(_put_back, args, x.shape, g.dtype, {"size": x.shape[2:], **k}),)


def _put_back(g: Array, winners: Array, y: Array, x: Array, **k: Any) -> Array:
    """The gradient of max-pooling y out of x; y and x are there for a relu before it, see `_gate`."""
    return kernels.pool_put(g, winners, **k)


# ---- what folds itself in ------------------------------------------------------------------------------------------


def _relu(x: Tensor) -> Deferred | None:
    return x.fold(relu.forward, relu=True) if waits_for(x, "relu") else None  # type: ignore[attr-defined]


def _add(a: Tensor, b: Tensor) -> Deferred | None:
    if type(b) is Deferred and b.pending and not (type(a) is Deferred and a.pending):
        a, b = b, a
    if b.dtype != a.dtype:
        return None
    if type(a) is not Deferred or not a.pending:
        return _bias_alone(a, b)
    if b.shape == a.shape:
        if not (unchanging(b) and waits_for(a, "plus")):
            return None
        plus = as_array(b)
        return a.fold(add.forward, plus, plus=plus)
    if _is_bias(b, a) and waits_for(a, "shift"):
        shift = dispatch(_vector, b)
        return a.fold(_shifted, shift, shift=shift)
    return None


def _is_bias(b: Tensor, a: Tensor) -> bool:
    """Whether b is a number for each channel of a."""
    return b.ndim == a.ndim and b.size == b.shape[1] == a.shape[1]


def _bias_alone(a: Tensor, b: Tensor) -> Deferred | None:
    """A bias of images that are there already: a pass of its own, which a relu may end."""
    if not (a.ndim == 4 and _is_bias(b, a) and a.size > _MANY and unchanging(a)):
        return None
    if a.dtype.char not in "fd" or not as_array(a).transpose(0, 2, 3, 1).flags.c_contiguous:
        return None
    return Deferred(_with_bias, (as_array(a), dispatch(_vector, b)), a.shape, a.dtype, {})


def _with_bias(x: Array, shift: Array, **end: Any) -> Array:
    return kernels.normalize(x, np.zeros_like(shift), np.ones_like(shift), shift, **end)


_ENDS[_with_bias] = {"plus", "relu"}


def _vector(a: Array) -> Array:
    return a.reshape(-1).copy()


def _shifted(x: Array, shift: Array) -> Array:
    return x + shift.reshape(1, -1, *[1] * (x.ndim - 2))


def _scaled(x: Array, scale: Array, shift: Array) -> Array:
    return _shifted(x * scale.reshape(1, -1, *[1] * (x.ndim - 2)), shift)


@_putting_off
def _gate(g: Tensor, *, by: Array) -> Any:
    """The gate of a relu before max-pooling is the same at the winners: they are fewer, and not yet put back."""
    if isinstance(g, Deferred) and g.pending and g.finish is _put_back and g.args[3] is by:
        pooled, winners, y, x = g.args
        return Deferred(_put_back, (dispatch(kernels.gate, pooled, y), winners, y, x), g.shape, g.dtype, g.options)
    return put_off(kernels.gate, g, (by,), g.shape, g.dtype)


def _batch_norm_backward(g: Tensor, saved: Any, *inputs: Tensor, **k: Any) -> Any:
    """The gate of a relu after batch norm goes into its gradient's pass."""
    if isinstance(g, Deferred) and g.pending and g.finish is kernels.gate:
        array, gate = g.args
        return dispatch(norm.batch_norm_backward, array, saved, *inputs, gate=gate, **k)
    return None


# ---- sums down to a bias -------------------------------------------------------------------------------------------


def _bias(x: Tensor, *, shape: tuple[int, ...]) -> Array | None:
    """The copies of a layer's bias, added up by BLAS; of a convolution's, by a kernel."""
    a = x._data
    if a.ndim == 2 and a.shape[1:] == shape and a.dtype.kind == "f":
        return compute(_column_sums, (x,), {})
    if a.ndim == 4 and a.size > _MANY and shape[-3:] == (a.shape[1], 1, 1) and shape[:-3] in ((), (1,)):
        return compute(_channel_sums, (x,), {"shape": shape})
    return None


def _column_sums(x: Array) -> Array:
    return _ones(len(x), x.dtype).dot(x)


def _channel_sums(x: Array, *, shape: tuple[int, ...]) -> Array:
    return kernels.channel_sums(x).reshape(shape)


@functools.lru_cache(16)
def _ones(n: int, dtype: np.dtype) -> Array:
    return np.ones(n, dtype)


rules |= {
    conv._conv2d.forward: _conv2d,
    norm._batch_norm.forward: _batch_norm,
    norm._normalize.forward: _normalize,
    pool._max_pool2d.backward: _max_pool2d_backward,  # type: ignore[dict-item]
    relu.forward: _relu,
    add.forward: _add,
    gate.forward: _gate,
    norm.batch_norm_backward: _batch_norm_backward,
    _sum_to.forward: _bias,
}
