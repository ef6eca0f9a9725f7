"""Read a pickle of plain data without running anything that is in it.

A pickle is a program: loading one may call any function that it names. CIFAR's files for Python are pickles, and they
need very little: dicts, lists, numbers, text, bytes, and arrays. Here a machine of our own reads them. It knows the
instructions that such data needs, arrays are rebuilt by stand-ins, so not even NumPy's constructors are called, and any
other name or instruction ends the reading.

It is bounded before anything is done: only text, bytes and integers are keys, so nothing nested is hashed; there are few
dicts, entries and lists, and tuples are short and lie one in another at most; what is copied is no more than the file.
"""

from __future__ import annotations

import codecs
import pickle
import re
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from ..typing import Array

_CONTAINERS = 100  # dicts and lists in a file: their nesting is no deeper
_ENTRIES = 1000  # of all dicts
_ITEMS = 16  # of a tuple: those that rebuild arrays have up to nine
_WORD = 100  # characters of a name
_DTYPE = re.compile("[biuf](1|2|4|8|16)")  # numbers; never objects


class _Dtype:
    """Stands in for numpy.dtype: a code such as u1, and the byte order, which comes later."""

    def __init__(self, code: str | bytes, align: bool = False, copy: bool = True) -> None:
        self.code, self.order = _word(code), ""

    def __setstate__(self, state: tuple) -> None:
        self.order = _word(state[1])  # <, > or |

    @property
    def real(self) -> np.dtype:
        if not _DTYPE.fullmatch(self.code) or self.order not in ("", "<", ">", "|", "="):
            raise pickle.UnpicklingError(f"it holds an array of {self.order + self.code:.20}; only numbers are read")
        return np.dtype(self.order + self.code)


class _Ndarray:
    """Stands in for numpy.ndarray while the pickle is read."""

    array: Array

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, content = state
        self.array = _from_buffer(content, dtype, shape, "F" if fortran else "C").array


def _from_buffer(content: bytes, dtype: _Dtype, shape: tuple, order: str | bytes = "C") -> _Ndarray:
    made = _Ndarray()
    if type(shape) is not tuple or not all(type(n) is int for n in shape):
        raise pickle.UnpicklingError("it holds an array whose shape is no tuple of integers")
    made.array = np.frombuffer(content, dtype.real).reshape(shape, order="F" if _word(order) == "F" else "C")
    return made


def _reconstruct(kind: Any, shape: tuple, code: Any) -> _Ndarray:
    return _Ndarray()


def _scalar(dtype: _Dtype, content: bytes) -> Any:
    return _from_buffer(content, dtype, ()).array[()]


def _encode(text: str, encoding: str | bytes) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if _word(encoding) != "latin1":
        raise pickle.UnpicklingError("it asks for an encoding that is not latin1")
    return text.encode("latin1")


def _word(value: Any) -> str:
    if not isinstance(value, str | bytes) or len(value) > _WORD:
        raise pickle.UnpicklingError(f"it has a {type(value).__name__} in the place of a short name")
    return value.decode("latin1") if isinstance(value, bytes) else value


_ALLOWED: dict[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
    ("numpy", "ndarray"): _Ndarray,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Machine:
    """What runs a pickle: a stack, marks on it, and a memo."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks beneath marks
        self.memo: dict[int, Any] = {}
        self.containers = self.entries = self.copied = 0

    def run(self) -> Any:
        """What stands on the stack at the end."""
        while (code := self.take(1)) != pickle.STOP:
            if code in _VALUES:
                value = _VALUES[code](self)
                self.stack.append(value)  # which may be another stack by now
            elif code in _STEPS:
                _STEPS[code](self)
            else:
                raise pickle.UnpicklingError(f"it has the instruction {code!r}, which no data needs")
        return self.stack.pop()

    # ---- reading

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self.at += count
        if count < 0 or self.at > len(self.content):
            raise pickle.UnpicklingError(f"it is cut or damaged: truncated after {len(self.content)} bytes")
        return self.content[self.at - count : self.at]

    def line(self) -> bytes:
        """The bytes up to the end of the line."""
        end = self.content.find(b"\n", self.at)
        return self.take(end - self.at + 1 if end >= 0 else len(self.content))[:-1]

    def number(self, size: int, signed: bool = False) -> int:
        """An integer of so many bytes."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def sized(self, size: int) -> bytes:
        """Bytes, after their number in so many bytes."""
        return self.take(self.number(size))

    # ---- steps

    def items(self) -> list[Any]:
        """What stands above the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def new(self, container: Any) -> Any:
        """A dict or list, of which there are few."""
        self.containers += 1
        if self.containers > _CONTAINERS:
            raise pickle.UnpicklingError(f"it holds more than {_CONTAINERS} dicts and lists, which no data needs")
        return container

    def tuple(self, items: list[Any]) -> tuple:
        """A tuple: short, and of the tuples in it none holds another."""
        inner = (x for item in items if type(item) is tuple for x in item)
        if len(items) > _ITEMS or any(type(x) is tuple for x in inner):
            raise pickle.UnpicklingError("it holds long or deeply nested tuples, which no data needs")
        return tuple(items)

    def extend(self, items: list[Any]) -> None:
        """Put the items into the list on the stack."""
        self.top(list).extend(map(_plain, items))

    def update(self, items: list[Any]) -> None:
        """Put keys and values, in turns, into the dict on the stack."""
        into, keys = self.top(dict), items[::2]
        self.entries += len(keys)
        if self.entries > _ENTRIES or not all(type(key) in (str, bytes, int) for key in keys):
            raise pickle.UnpicklingError(f"it holds other keys than text, bytes and integers, or more than {_ENTRIES}")
        into.update(zip(keys, map(_plain, items[1::2]), strict=True))

    def top(self, kind: type) -> Any:
        """What stands on the stack, if it is of this kind."""
        if type(self.stack[-1]) is not kind:
            raise pickle.UnpicklingError(f"it is cut or damaged: a {_kind(self.stack[-1])} for a {kind.__name__}")
        return self.stack[-1]

    def find(self, module: str, name: str) -> None:
        """Push what stands in for a name."""
        if (allowed := _ALLOWED.get((_word(module), _word(name)))) is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no data needs")
        self.stack.append(allowed)

    def call(self) -> None:
        """Call what stands in for a name."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(arguments) is not tuple or function not in _ALLOWED.values():
            raise pickle.UnpicklingError(f"it is cut or damaged: it calls a {_kind(function)}")
        if function is _encode:
            self.copied += len(arguments[0])
            if self.copied > len(self.content):
                raise pickle.UnpicklingError("it copies more text than it holds")
        self.stack.append(function(*arguments))

    def build(self) -> None:
        """Set the state of a stand-in."""
        state, made = self.stack.pop(), self.stack[-1]
        if type(state) is not tuple or type(made) not in (_Dtype, _Ndarray):
            raise pickle.UnpicklingError(f"it holds a {_kind(made)} with a state, which no data needs")
        made.__setstate__(state)


def _plain(value: Any) -> Any:
    """What goes into a list or a dict: never a stand-in."""
    if isinstance(value, _Ndarray):
        return value.array
    if isinstance(value, _Dtype) or callable(value):
        raise pickle.UnpicklingError(f"it holds a {_kind(value)}, which is no data")
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _kind(value: Any) -> str:
    return "function" if callable(value) else type(value).__name__


def _decimal(m: _Machine) -> int | bool:
    """An integer in a line; 00 and 01 are how Python 2 wrote what is true or false."""
    line = m.line().removesuffix(b"L")
    return line == b"01" if line in (b"00", b"01") else int(line)


def _mark(m: _Machine) -> None:
    m.below.append(m.stack)
    m.stack = []


def _keep(m: _Machine, index: int) -> None:
    m.memo[index] = m.stack[-1]


def _utf8(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


_VALUES: dict[bytes, Callable[[_Machine], Any]] = {  # instructions that push a value
    pickle.NONE: lambda m: None,
    pickle.NEWTRUE: lambda m: True,
    pickle.NEWFALSE: lambda m: False,
    pickle.INT: _decimal,
    pickle.LONG: _decimal,
    pickle.BININT: lambda m: m.number(4, signed=True),
    pickle.BININT1: lambda m: m.number(1),
    pickle.BININT2: lambda m: m.number(2),
    pickle.LONG1: lambda m: m.number(m.number(1), signed=True),
    pickle.FLOAT: lambda m: float(m.line()),
    pickle.BINFLOAT: lambda m: struct.unpack(">d", m.take(8))[0],
    pickle.STRING: lambda m: codecs.escape_decode(m.line()[1:-1])[0],
    pickle.BINSTRING: lambda m: m.sized(4),
    pickle.SHORT_BINSTRING: lambda m: m.sized(1),
    pickle.UNICODE: lambda m: m.line().decode("raw-unicode-escape"),
    pickle.BINUNICODE: lambda m: _utf8(m.sized(4)),
    pickle.SHORT_BINUNICODE: lambda m: _utf8(m.sized(1)),
    pickle.BINUNICODE8: lambda m: _utf8(m.sized(8)),
    pickle.BINBYTES: lambda m: m.sized(4),
    pickle.SHORT_BINBYTES: lambda m: m.sized(1),
    pickle.BINBYTES8: lambda m: m.sized(8),
    pickle.BYTEARRAY8: lambda m: m.sized(8),
    pickle.GET: lambda m: m.memo[int(m.line())],
    pickle.BINGET: lambda m: m.memo[m.number(1)],
    pickle.LONG_BINGET: lambda m: m.memo[m.number(4)],
    pickle.EMPTY_LIST: lambda m: m.new([]),
    pickle.LIST: lambda m: m.new([*map(_plain, m.items())]),
    pickle.EMPTY_DICT: lambda m: m.new({}),
    pickle.EMPTY_TUPLE: lambda m: (),
    pickle.TUPLE: lambda m: m.tuple(m.items()),
    pickle.TUPLE1: lambda m: m.tuple([m.stack.pop()]),
    pickle.TUPLE2: lambda m: m.tuple([m.stack.pop(-2), m.stack.pop()]),
    pickle.TUPLE3: lambda m: m.tuple([m.stack.pop(-3), m.stack.pop(-2), m.stack.pop()]),
}


def _dict(m: _Machine) -> None:
    items = m.items()
    m.stack.append(m.new({}))
    m.update(items)


_STEPS: dict[bytes, Callable[[_Machine], Any]] = {  # instructions that do something else
    pickle.PROTO: lambda m: m.take(1),
    pickle.FRAME: lambda m: m.take(8),
    pickle.MARK: _mark,
    pickle.PUT: lambda m: _keep(m, int(m.line())),
    pickle.BINPUT: lambda m: _keep(m, m.number(1)),
    pickle.LONG_BINPUT: lambda m: _keep(m, m.number(4)),
    pickle.MEMOIZE: lambda m: _keep(m, len(m.memo)),
    pickle.APPEND: lambda m: m.extend([m.stack.pop()]),
    pickle.APPENDS: lambda m: m.extend(m.items()),
    pickle.DICT: _dict,
    pickle.SETITEM: lambda m: m.update([m.stack.pop(-2), m.stack.pop()]),
    pickle.SETITEMS: lambda m: m.update(m.items()),
    pickle.GLOBAL: lambda m: m.find(_utf8(m.line()), _utf8(m.line())),
    pickle.STACK_GLOBAL: lambda m: m.find(m.stack.pop(-2), m.stack.pop()),
    pickle.REDUCE: lambda m: m.call(),
    pickle.BUILD: lambda m: m.build(),
}


def load(file: BinaryIO) -> dict[str, Any]:
    """The dict that is pickled in the file: keys as text, arrays of numbers as such, whichever Python wrote it.

    Raises pickle.UnpicklingError for whatever is no such dict, before anything that it names is called.

    >>> import io
    >>> load(io.BytesIO(pickle.dumps({b"labels": [3, 1]})))
    {'labels': [3, 1]}
    """
    try:
        content = _Machine(file.read()).run()
        if not isinstance(content, dict):
            raise pickle.UnpicklingError(f"it holds a {_kind(content)}, not a dict")
        keys = [key.decode("latin1") if isinstance(key, bytes) else key for key in content]
        return dict(zip(keys, content.values()))
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a pickle that is cut or damaged may fail in any way
        raise pickle.UnpicklingError(f"it is cut or damaged ({type(error).__name__}: {error})") from error
