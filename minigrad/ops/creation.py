"""Tensors of shapes and numbers, and of other libraries' arrays; dtypes, and what is known of them."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import SWITCH, WHOLE, check, choice
from ..tape import Array, Tensor, as_array, as_tensor, broadcast_to, cast, constant, converted, floats_for, tensor, wrap
from ..typing import ArrayLike, DTypeLike
from .elementwise import where
from .shape import _ints, reshape

__all__ = [
    "arange", "asarray", "astype", "bool", "can_cast", "complex64", "complex128", "e", "empty", "empty_like", "eye", "finfo",
    "float32", "float64", "from_dlpack", "full", "full_like", "iinfo", "inf", "int8", "int16", "int32", "int64", "isdtype",
    "linspace", "meshgrid", "nan", "newaxis", "ones", "ones_like", "pi", "result_type", "uint8", "uint16", "uint32", "uint64",
    "zeros", "zeros_like",
]  # fmt: skip

e, inf, nan, newaxis, pi = math.e, math.inf, math.nan, None, math.pi
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
float32, float64 = np.float32, np.float64
complex64, complex128 = np.complex64, np.complex128  # of complex steps: the engine is real
bool = np.bool_


def on_cpu(name: str, device: Any) -> None:
    """Raise unless the device is the one that there is."""
    if device is not None and str(device) != "cpu":
        raise ValueError(f"{name}: device is {shown(device)}; arrays are in the memory of the CPU: give 'cpu' or None")


def _new(name: str, array: Array, device: Any, requires_grad: builtins.bool) -> Tensor:
    on_cpu(name, device)
    check(name, SWITCH, requires_grad=requires_grad)
    x = wrap(constant(array))
    if requires_grad:
        if array.dtype.kind not in "fc":
            what = f"requires_grad is True, and dtype {array.dtype} has no derivatives"
            raise TypeError(f"{name}: {what}; use a float dtype, e.g. float32")
        x.requires_grad = True
    return x


def _filled(
    name: str, shape: Any, value: Any, dtype: DTypeLike | None, device: Any, requires_grad: builtins.bool
) -> Tensor:
    size = _ints(name, "shape", shape)
    if min(size, default=0) < 0:
        raise ValueError(f"{name}: shape is {size}; sizes are ≥ 0")
    if isinstance(value, Tensor) and value.requires_grad:
        on_cpu(name, device)
        return broadcast_to(value if dtype is None else astype(value, dtype), shape=size)
    number = _number(value)
    number = number if dtype is None else converted(number, np.dtype(dtype), name)
    return _new(name, np.full(size, number), device, requires_grad)


def _number(x: Any) -> Any:
    """What a constant is made of: of a tensor the value, which is looked at."""
    return x.read() if isinstance(x, Tensor) else as_array(x)


@named
def asarray(
    obj: Any, /, *, dtype: DTypeLike | None = None, device: Any = None, copy: builtins.bool | None = None
) -> Tensor:
    """obj, an array, number or nested list, as a tensor. A tensor stays itself, with its derivative, copied if asked for.

    An array is shared unless `copy`. Raises ValueError where `copy` is False and there must be one.

    >>> asarray([1, 2]).dtype.name, asarray(np.ones(2, np.float32), dtype=float64).dtype.name
    ('int64', 'float64')
    """
    on_cpu("asarray", device)
    check("asarray", SWITCH.or_none, copy=copy)
    if isinstance(obj, Tensor):
        x = obj if dtype is None else astype(obj, dtype)
        return where(np.True_, x, x) if copy and x is obj else x
    array = np.asarray(obj)
    needed = array is not obj or (dtype is not None and array.dtype != dtype)
    if copy is False and needed and not hasattr(obj, "__array_interface__") and not hasattr(obj, "__buffer__"):
        raise ValueError(f"asarray: {shown(obj)} cannot become a tensor without a copy")
    return tensor(obj, dtype=dtype) if copy or needed else as_tensor(obj)


@named
def astype(x: Tensor, dtype: DTypeLike, /, *, copy: builtins.bool = True, device: Any = None) -> Tensor:
    """x in another dtype; the gradient returns in x's own, and none from a dtype that is no float.

    What is on a tape never changes, so whether it is a copy makes no difference.
    """
    on_cpu("astype", device)
    check("astype", SWITCH, copy=copy)
    x = as_tensor(x)
    return cast(x if np.dtype(dtype).kind in "fc" else x.detach(), dtype=dtype)


@named
def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DTypeLike | None = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """start, start + step, … below stop; of one number, from 0 to it.

    >>> arange(3).tolist(), arange(1, 2, 0.5).tolist()
    ([0, 1, 2], [1.0, 1.5])
    """
    low, high = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise ValueError("arange: step is 0; it must lead from start to stop")
    return _new("arange", np.arange(low, high, step, dtype=dtype), device, requires_grad)


@named
def linspace(
    start: float,
    stop: float,
    /,
    num: int = 50,
    *,
    dtype: DTypeLike | None = None,
    device: Any = None,
    endpoint: builtins.bool = True,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """`num` numbers at equal distances from start to stop, which is the last of them if `endpoint`; a derivative in both."""
    check("linspace", WHOLE, num=num)
    check("linspace", SWITCH, endpoint=endpoint)
    if any(isinstance(x, Tensor) and x.requires_grad for x in (start, stop)):
        on_cpu("linspace", device)
        own = result_type(start, stop)
        part = np.linspace(0.0, 1.0, num, endpoint).astype(floats_for(own)[0])
        y: Any = start * (1 - part) + stop * part
        return astype(y, own if dtype is None else dtype)
    ends = (_number(x) for x in (start, stop))
    a, b = (x.astype(np.float32) if x.dtype == np.float16 else x for x in ends)
    array = np.linspace(a, b, num, endpoint, dtype=dtype)
    if dtype is None and all(isinstance(x, Tensor | np.generic | int | float) for x in (start, stop)):
        own = result_type(start, stop)
        array = array.astype(own, copy=False) if own.kind == "f" else array
    return _new("linspace", array, device, requires_grad)


@named
def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: DTypeLike | None = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """A matrix with ones on its k-th diagonal."""
    check("eye", WHOLE, n_rows=n_rows, k=k)
    check("eye", WHOLE.or_none, n_cols=n_cols)
    return _new("eye", np.eye(n_rows, n_cols, k, float64 if dtype is None else dtype), device, requires_grad)


@named
def full(
    shape: int | Sequence[int],
    fill_value: float,
    *,
    dtype: DTypeLike | None = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """A tensor of that shape, all of one number, in which it has a derivative."""
    return _filled("full", shape, fill_value, dtype, device, requires_grad)


@named
def zeros(
    shape: int | Sequence[int],
    *,
    dtype: DTypeLike | None = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """A tensor of zeros, float64 by default."""
    return _filled("zeros", shape, 0, float64 if dtype is None else dtype, device, requires_grad)


@named
def ones(
    shape: int | Sequence[int],
    *,
    dtype: DTypeLike | None = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """A tensor of ones, float64 by default."""
    return _filled("ones", shape, 1, float64 if dtype is None else dtype, device, requires_grad)


@named
def empty(
    shape: int | Sequence[int],
    *,
    dtype: DTypeLike | None = None,
    device: Any = None,
    requires_grad: builtins.bool = False,
) -> Tensor:
    """A tensor of zeros: what is not set has a value here, too."""
    return _filled("empty", shape, 0, float64 if dtype is None else dtype, device, requires_grad)


@named
def full_like(x: ArrayLike, /, fill_value: float, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """A tensor of x's shape and dtype, all of one number."""
    x = as_tensor(x)
    return _filled("full_like", x.shape, fill_value, x.dtype if dtype is None else dtype, device, False)


@named
def zeros_like(x: ArrayLike, /, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """Zeros of x's shape and dtype."""
    return full_like(x, 0, dtype=dtype, device=device)


@named
def ones_like(x: ArrayLike, /, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """Ones of x's shape and dtype."""
    return full_like(x, 1, dtype=dtype, device=device)


@named
def empty_like(x: ArrayLike, /, *, dtype: DTypeLike | None = None, device: Any = None) -> Tensor:
    """Zeros of x's shape and dtype."""
    return full_like(x, 0, dtype=dtype, device=device)


@named
def meshgrid(*arrays: ArrayLike, indexing: str = "xy") -> tuple[Tensor, ...]:
    """Vectors as coordinates of all points of a grid: one tensor for each, by 'xy' with the first two axes exchanged."""
    check("meshgrid", choice("xy", "ij"), indexing=indexing)
    xs = [as_tensor(x) for x in arrays]
    if any(x.ndim > 1 for x in xs):
        raise ValueError(f"meshgrid: shapes {[x.shape for x in xs]}; they must be vectors")
    order = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        order[:2] = 1, 0
    shape = tuple(xs[i].size for i in order)
    return tuple(
        broadcast_to(reshape(x, tuple(x.size if j == i else 1 for j in order)), shape=shape) for i, x in enumerate(xs)
    )


@named
def from_dlpack(x: Any, /, *, device: Any = None, copy: builtins.bool | None = None) -> Tensor:
    """A tensor in the memory of another library's array, by DLPack; a copy if asked for.

    Writing to that array changes the tensor: a tape that has read it notices.
    """
    on_cpu("from_dlpack", device)
    check("from_dlpack", SWITCH.or_none, copy=copy)
    if not hasattr(x, "__dlpack__"):
        raise TypeError(f"from_dlpack: {shown(x)} has no __dlpack__; give an array of another library")
    try:
        array = np.from_dlpack(x)
    except (BufferError, RuntimeError) as error:
        raise ValueError(f"from_dlpack: {shown(x)} cannot be taken over: {error}") from error
    return tensor(array) if copy else as_tensor(array)


# ---- dtypes -----------------------------------------------------------------------------------------------------------------


def _dtype(x: Any) -> np.dtype:
    return x.dtype if isinstance(x, Tensor | np.ndarray | np.generic) else np.dtype(x)


@named
def can_cast(from_: Any, to: DTypeLike, /) -> builtins.bool:
    """Whether a dtype, or that of a tensor, goes into another without loss."""
    return builtins.bool(np.can_cast(_dtype(from_), np.dtype(to)))


@named
def finfo(type: Any, /) -> Any:
    """The properties of a float dtype, or of that of a tensor: bits, eps, max, min, smallest_normal, dtype."""
    return np.finfo(_dtype(type))


@named
def iinfo(type: Any, /) -> Any:
    """The properties of an integer dtype, or of that of a tensor: bits, max, min, dtype."""
    return np.iinfo(_dtype(type))


@named
def isdtype(dtype: DTypeLike, kind: Any) -> builtins.bool:
    """Whether a dtype is of a kind: 'bool', 'signed integer', 'unsigned integer', 'integral', 'real floating',
    'complex floating', 'numeric', a dtype, or one of several."""
    return builtins.bool(np.isdtype(np.dtype(dtype), kind))


@named
def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype of an operation on these: where floats meet integers it is that of the floats; Python's numbers have no say.

    >>> result_type(np.float32, np.int64)
    dtype('float32')
    """
    if not arrays_and_dtypes:
        raise ValueError("result_type: give at least one tensor or dtype")
    numbers = [x for x in arrays_and_dtypes if isinstance(x, int | float | complex)]
    dtypes = [_dtype(x) for x in arrays_and_dtypes if not isinstance(x, int | float | complex)]
    floats = [d for d in dtypes if d.kind in "fc"]
    return np.result_type(*(floats or dtypes), *(n for n in numbers if not floats or isinstance(n, complex)))
