"""Tensors, and the doors between them and arrays.

A tensor is an array that may know how it was made. Whatever the library computes on arrays passes one door, `dispatch`,
where there may be `rules`: other ways to a value. What a caller gives becomes an array by `as_array`, and what a function
of arrays returned a tensor by `wrap`. Nothing here knows a derivative.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import named, shown
from .dtypes import FLOATS, converted, floats_for
from .leaving import leave
from .node import Freed, Node
from .stale import content, hand_out
from .watch import constant, effectful, look, state

if TYPE_CHECKING:
    from .methods import Methods  # a stub: what ops/operators.py binds
else:
    Methods = object

Array = np.ndarray
_new = object.__new__


class Size(int):
    """The number of entries of a tensor; PyTorch's `x.size()` and `x.size(0)` ask it for the shape.

    >>> x = Tensor(np.ones((2, 3)))
    >>> x.size, x.size(), x.size(-1)
    (6, (2, 3), 3)
    """

    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Size:
        size = cls(math.prod(shape))
        size.shape = shape
        return size

    def __call__(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]


class Tensor(Methods):
    """An ndarray that remembers how it was computed.

    `data` is the ndarray, `grad` an ndarray of the same shape once a backward walk has reached this leaf (never a
    graph), `requires_grad` says whether derivatives flow to it, `node` how it was made (None for a leaf).
    Arithmetic and methods are bound by `minigrad.ops.operators`.

    >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> x.shape, x.dtype.name, x.requires_grad
    ((2,), 'float64', True)
    """

    __slots__ = ("__weakref__", "_data", "grad", "handed", "locked", "name", "node", "requires_grad", "version")
    pending = False  # whether the value is still to be computed
    _data: Array
    grad: Array | None
    handed: Any  # what the array held when it was handed out; None: nobody has it; a list: a view of these, perhaps
    locked: bool  # whether nobody outside will ever be able to write to the array
    name: str | None
    node: Node | Freed | None
    requires_grad: bool
    version: int  # how often the value was changed; -1 for a number that nobody else holds

    def __init_subclass__(cls, valued: bool = True) -> None:
        if valued:
            VALUED.add(cls)

    @named
    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        data = (
            leave(data, "a new tensor").detach()._data if isinstance(data, Tensor) else _numeric(as_array(data), data)
        )
        if requires_grad and data.dtype.kind not in "fc":
            raise TypeError(f"tensor: dtype {data.dtype} has no derivatives; use a float dtype, e.g. float32")
        self._data, self.requires_grad = data, requires_grad
        self.grad = self.name = self.node = None
        self.locked, self.handed = False, b""
        self.version = 0
        if state.watcher is not None:
            state.watcher.made(self)

    def read(self) -> Array:
        """The value for the library's own eyes: neither written to, nor kept, nor handed on."""
        if state.watcher is not None:
            state.watcher.looked("the value of a tensor is read", self)
        return self._data

    def _get_data(self) -> Array:
        self.read()
        if self.node is None and not self.locked:
            hand_out(self)
            return self._data
        view = self._data.view()  # what was computed is part of a tape, or of work that is still to be done
        view.flags.writeable = False
        return view

    def _set_data(self, value: Any) -> None:
        if self.node is not None:
            raise RuntimeError(
                f"data: this tensor was made by {self.node}, and its value is part of the tape; "
                "change a leaf instead, or detach() first"
            )
        look("the value of a tensor is set")
        own = value is self._data  # as after `x.data -= …`
        value = np.asarray(value)
        if value.shape != self._data.shape:
            raise ValueError(f"data: the tensor has shape {self._data.shape}, the new value has shape {value.shape}")
        value = converted(value, self._data.dtype, "data")
        self.locked = False
        if own:
            self.assign(value)
        else:
            self.assign(dispatch(np.array, value))
            self.handed = None

    data = property(
        _get_data,
        _set_data,
        doc="""The value, an ndarray: of a computed tensor it cannot be written to (copy it).

        A leaf's may be written to, or replaced by a copy of another of its shape, before recording or after backward. The
        dtype stays: the new value is converted; TypeError where more than round-off would be lost.""",
    )
    shape = property(attrgetter("_data.shape"), doc="The shape, a tuple of ints.")
    dtype = property(attrgetter("_data.dtype"), doc="The NumPy dtype.")
    ndim = property(attrgetter("_data.ndim"), doc="The number of axes.")
    size = property(lambda self: Size.of(self.shape), doc="The number of entries, an int; called, it gives the shape.")
    nbytes = property(attrgetter("_data.nbytes"), doc="The bytes that its value takes.")
    is_leaf = property(lambda self: self.node is None, doc="Whether no recorded operation made this tensor.")

    def detach(self) -> Tensor:
        """A leaf with the same data (shared; a view's are copied) and no history."""
        if state.watcher is not None:
            state.watcher.detached(self)
        if self.node is not None and not self.locked:
            return wrap(dispatch(np.array, self))  # a view of what may change: a copy
        hand_out(self)
        x = wrap(self._data)
        x.locked, x.handed = self.locked, b""
        return x

    @effectful
    def assign(self, array: Array, version: int | None = None) -> None:
        """Let a leaf have this array, unchecked: tapes that have read another see that the version is a new one.

        Give the array itself when it was written to; and the old `version` too, when a former value comes back.
        """
        new, self._data = array is not self._data, array
        self.version = self.version + 1 if version is None else version
        if self.handed is not None and version is not None:
            self.handed = content(array)  # those who recorded this version may not have looked at what it holds
        elif new and version is None:
            self.handed = b""  # whose array it is, is not known

    def claim(self) -> None:
        """An operation is going to read the value. It is there, unless the tensor is of a kind that puts it off."""

    def __repr__(self) -> str:
        made = f", from={self.node.op.name}" if isinstance(self.node, Node) else ""
        grad = ", requires_grad=True" if self.requires_grad and not made else ""
        name = f", name={self.name!r}" if self.name else ""
        return f"tensor({np.array2string(self.read(), prefix='tensor(', separator=', ')}{name}{made}{grad})"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len: a tensor of shape () has no length")
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise TypeError(
                "a tensor that requires grad became an ndarray: its derivative would be lost; use a function of "
                "minigrad (mg.stack for a list of tensors), or x.data, which holds it constant"
            )
        return np.array(self.data, dtype=dtype, copy=copy)

    def __reduce__(self) -> tuple:  # copies and pickles are leaves
        hand_out(leave(self, "a copy"))
        return _restore, (type(self), self._data, self.requires_grad, self.grad, self.name)


def _restore(cls: type[Tensor], data: Array, requires_grad: bool, grad: Array | None, name: str | None) -> Tensor:
    x = cls.__new__(cls)
    Tensor.__init__(x, data, requires_grad)
    x.grad, x.name = grad, name
    return x


VALUED = {Tensor}  # kinds of tensors whose value is always there


@named
def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a new leaf tensor holding a copy of `data`: a number, nested list, ndarray or tensor.

    Arrays keep their dtype unless `dtype` is given. Raises TypeError for data that is not numeric.

    >>> tensor([[1, 2], [3, 4]], dtype="float32", requires_grad=True).shape
    (2, 2)
    """
    x = Tensor(copied(data, dtype), requires_grad)
    x.handed = None
    return x


def copied(data: Any, dtype: Any = None) -> Array:
    """A copy of what a caller gave, for a tensor of its own, of which nobody else has the array."""
    data = leave(data, "a new tensor") if isinstance(data, Tensor) else data
    return _numeric(dispatch(np.array, as_array(data), dtype=dtype), data)


_NUMERIC = "fciub"  # kinds of dtypes


def _numeric(array: Array, given: Any) -> Array:
    if array.dtype.kind not in _NUMERIC:
        what = f"data of dtype {array.dtype} is not numeric: {shown(given)}"
        raise TypeError(f"tensor: {what}; give numbers or an array of them")
    return array


# ---- the doors ---------------------------------------------------------------------------------------------------

rules: dict[Callable, Callable] = {}  # f: another way to f(*inputs, **params); it returns None where there is none


def dispatch(f: Callable, *inputs: Any, **params: Any) -> Any:
    """f(*arrays, **params), the arrays being the inputs or their values: whatever the library computes passes here."""
    rule = rules.get(f)
    out = None if rule is None else rule(*inputs, **params)
    return compute(f, inputs, params) if out is None else out


def compute(f: Callable, inputs: tuple, params: dict[str, Any]) -> Any:
    """The same, by no other way than f itself."""
    watcher = state.watcher
    if watcher is None:
        return f(*[x._data if isinstance(x, Tensor) else x for x in inputs], **params)
    watcher.computing(f)
    try:
        out = f(*[x._data if isinstance(x, Tensor) else x for x in inputs], **params)
    except BaseException:
        watcher.failed()
        raise
    watcher.computed(f, inputs, params, out)
    return out


def as_array(x: Any, dtype: Any = None, name: str = "tensor") -> Array:
    """What a caller gave (labels, an index, a condition, data) as an ndarray: itself, if it is one of that dtype."""
    try:
        if isinstance(x, Tensor):
            if state.watcher is not None:
                state.watcher.took(x)
            return np.asarray(x._data, dtype)
        if state.watcher is None:
            return np.asarray(x, dtype)
        array = np.asarray(state.watcher.given(x), dtype)
        if _is_written(x):
            state.watcher.constant(array)
        return array
    except (ValueError, TypeError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name}: {shown(x)} makes no array{'' if dtype is None else f' of {dtype}'}: {error}") from error


def _is_written(x: Any) -> bool:
    """Whether x is Python's numbers, or lists of them: nothing was computed."""
    return all(map(_is_written, x)) if type(x) in (list, tuple) else type(x) in (bool, int, float)


def private(x: Any) -> Array:
    """The same as an array that nobody else can write to: what an operation keeps of its caller's to differentiate by."""
    return x.copy("K") if type(x) is Array and state.watcher is None else dispatch(np.array, as_array(x))


def snapshot(x: Tensor) -> Tensor:
    """A constant: a copy of x's data as it is now."""
    y = wrap(dispatch(np.array, x))
    y.version, y.locked = -1, True
    return y


def wrap(array: Any) -> Tensor:
    """A tensor of what a function of arrays returned: an array, a NumPy number, or a tensor already."""
    if type(array) is not Array:
        if isinstance(array, Tensor):
            if array.node is not None:
                raise TypeError("a function of arrays computed with a tensor; give tensors by position, not by keyword")
            return array
        array = np.asarray(array) if state.watcher is None else dispatch(np.asarray, array)
    y = fresh(array)
    if state.watcher is not None:
        state.watcher.made(y)
    return y


def fresh(array: Array) -> Tensor:
    """The same where nobody watches."""
    y = _new(Tensor)
    y._data = array
    y.grad = y.name = y.node = None
    y.requires_grad = y.locked = False
    y.version, y.handed = 0, None
    return y


def as_tensor(x: Any) -> Tensor:
    """x if it is a tensor, else a constant that shares its data."""
    if type(x) is Array and state.watcher is None and x.dtype.kind in _NUMERIC:  # as below, with fewer calls
        y = fresh(x)
        y.handed = b""
        return y
    return x if isinstance(x, Tensor) else Tensor(x)


def tensors(args: tuple) -> tuple[Tensor, ...]:
    """The arguments of an operation: what is no tensor becomes a constant, and what is put off learns of its reader."""
    found = []
    for a in args:
        if isinstance(a, Tensor):
            a.claim()
            found.append(a)
        else:
            found.append(_constant(a, args))
    return tuple(found)


_NUMBERS, _COMPLEX = (np.number, np.bool_), (complex, np.complexfloating)


def _constant(a: Any, args: tuple) -> Tensor:
    """Scalars are weak (NEP 50): they take the dtype of the arrays they meet."""
    if isinstance(a, (int, float, complex)) or (isinstance(a, _NUMBERS) and not isinstance(a, np.timedelta64)):
        for b in args:
            if isinstance(b, Tensor) and b.dtype.char in FLOATS and not isinstance(a, _COMPLEX):
                dtype = b.dtype
                break
        else:
            a = a.item() if isinstance(a, np.generic) else a
            dtype = _weak(a, [b.dtype for b in args if isinstance(b, (Tensor, np.ndarray))])
        try:
            x = wrap(constant(np.asarray(a, dtype)))
        except OverflowError:
            raise TypeError(f"an integer of {int(a).bit_length()} bits is too large for {dtype}") from None
        x.version = -1
        return x
    if not isinstance(a, (np.ndarray, list, tuple)):
        raise TypeError(f"expected a tensor, an array or a number, not {shown(a)}")
    return as_tensor(a)


def _weak(a: int | float | complex, dtypes: list[np.dtype]) -> np.dtype:
    """The dtype of a number among arrays of these dtypes, which are not all floats that are computed in."""
    dtype = np.result_type(*dtypes, a) if dtypes else np.asarray(a).dtype
    if dtype.kind == "O" or (isinstance(a, int) and dtype.kind in "iu" and not _fits(a, np.iinfo(dtype))):
        return np.dtype(np.int64)  # which holds it, or is said not to
    return floats_for(*dtypes)[0] if dtypes and dtype.kind == "f" else dtype


def _fits(a: int, of: np.iinfo) -> bool:
    return of.min <= a <= of.max


def real_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of the real part: masks and statistics are real."""
    return np.empty(0, dtype).real.dtype
