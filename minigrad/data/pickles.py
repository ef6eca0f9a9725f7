"""Read a pickle of plain data without running anything that is in it.

A pickle is a program: loading one may call any function that it names. CIFAR's files for Python are pickles, and they
need very little: dicts, lists, numbers, text, bytes, and arrays. Here arrays are rebuilt by stand-ins of our own, so
not even NumPy's constructors are called, and any other name ends the reading.
"""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO

import numpy as np

from ..typing import Array

_KINDS = "biuf"  # of numbers; never objects


class _Dtype:
    """Stands in for numpy.dtype: a code such as u1, and the byte order, which comes later."""

    def __init__(self, code: str | bytes, align: bool = False, copy: bool = True) -> None:
        self.code, self.order = _text(code), ""

    def __setstate__(self, state: tuple) -> None:
        self.order = _text(state[1])  # <, > or |

    @property
    def real(self) -> np.dtype:
        dtype = np.dtype(self.order + self.code)
        if dtype.kind not in _KINDS:
            raise pickle.UnpicklingError(f"it holds an array of {dtype}; only numbers are read")
        return dtype


class _Ndarray:
    """Stands in for numpy.ndarray while the pickle is read."""

    array: Array

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        self.array = _from_buffer(content, dtype, shape, "F" if fortran else "C").array


def _from_buffer(content: Any, dtype: _Dtype, shape: tuple, order: str = "C") -> _Ndarray:
    made = _Ndarray()
    raw = content.encode("latin1") if isinstance(content, str) else content
    made.array = np.frombuffer(raw, dtype.real).reshape(shape, order="F" if _text(order) == "F" else "C")
    return made


def _reconstruct(kind: Any, shape: tuple, code: Any) -> _Ndarray:
    return _Ndarray()


def _scalar(dtype: _Dtype, content: Any) -> Any:
    return _from_buffer(content, dtype, ()).array[()]


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if _text(encoding) != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


def _text(value: str | bytes) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else value


_ALLOWED: dict[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
    ("numpy", "ndarray"): _Ndarray,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        allowed = _ALLOWED.get((module, name))
        if allowed is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no data needs")
        return lambda *args: allowed(*args)  # a pickle may also set attributes: it gets nothing that lasts


def load(file: BinaryIO) -> dict[str, Any]:
    """The dict that is pickled in the file: keys as text, arrays of numbers as such, whichever Python wrote it.

    Raises pickle.UnpicklingError for whatever is no such dict, before anything that it names is called.

    >>> import io
    >>> load(io.BytesIO(pickle.dumps({b"labels": [3, 1]})))
    {'labels': [3, 1]}
    """
    try:
        content = _Unpickler(file, encoding="bytes").load()
        if not isinstance(content, dict):
            raise pickle.UnpicklingError(f"it holds a {type(content).__name__}, not a dict")
        return {_text(k): v.array if isinstance(v, _Ndarray) else v for k, v in content.items()}
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a pickle that is cut or damaged may fail in any way
        raise pickle.UnpicklingError(f"it is cut or damaged ({type(error).__name__}: {error})") from error
