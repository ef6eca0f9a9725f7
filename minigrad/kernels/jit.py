"""How every kernel of this floor is compiled: `@kernel` above a function, and nothing at import.

A kernel is compiled on its first call, once per dtype, and kept on disk. Numba would compile it again for every other
memory layout and for every read-only array, so kernels only ever see what `contiguous` lets through.

Numba keeps an index of compiled functions, which two processes may write at once, and reads no folder that it cannot
write. Here a file's name is all there is to know about it: the source, the signature, the processor. Functions that one
`def` makes, Numba tells apart by numbers that each process counts anew, and by pickles of what they close over: a process
would take another's kernel of 8 rows for that of 16, or would not find it again. Here they have names of their own.
"""

import contextlib
import gc
import hashlib
import inspect
import pathlib
from typing import Any

import numba
import numpy as np
from numba.core.caching import CacheImpl, CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator

from . import memory, progress

# Sums may be reordered and multiply-adds contracted; NaN and infinity keep their meaning.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}
_njit: Any = numba.njit  # which has more options than its types tell
KERNELS: list = []  # every kernel whose module has been imported


def kernel(function):
    """Compile `function` on first use: no GIL while it runs, kept on disk where the disk allows it."""
    function.__qualname__ = _own_name(function)
    dispatcher: Any = _njit(nogil=True, fastmath=FASTMATH, error_model="numpy", no_cfunc_wrapper=True)(function)
    if FOLDERS:
        dispatcher._cache = _Cache(function)
    dispatcher.compile = _plainly(progress.told(dispatcher, kept=bool(FOLDERS)))
    KERNELS.append(dispatcher)
    return dispatcher


def _own_name(function):
    """Its name and those of what it closes over: pixel_tiles_8_2."""
    names = [getattr(value, "__qualname__", str(value)).rpartition(".")[2] for value in _closed_over(function)]
    return "_".join([function.__qualname__, *names])


def _closed_over(function):
    return [cell.cell_contents for cell in function.__closure__ or ()]


def _plainly(compile):
    """Compile for integers, not once more for a 0, and without Python's garbage collector: it would take a seventh of the
    time to look through what compilers keep.
    """

    def compile_plainly(signature):
        collecting = gc.isenabled()
        gc.disable()
        try:
            return compile(tuple(map(numba.types.unliteral, signature)))
        finally:
            if collecting:
                gc.enable()

    return compile_plainly


def contiguous(x: np.ndarray) -> np.ndarray:
    """x itself if it is C-contiguous, aligned and writable, else a copy that is: one type for Numba."""
    return x if x.flags.carray else x.copy()


def channels_last(x: np.ndarray) -> np.ndarray:  # (N,C,H,W) -> (N,H,W,C)
    """The (N,H,W,C) memory behind a logical (N,C,H,W) array: free if it is stored that way, else a copy."""
    return contiguous(x.transpose(0, 2, 3, 1))


def channels_first(y: np.ndarray) -> np.ndarray:  # (N,H,W,C) -> (N,C,H,W)
    """The logical (N,C,H,W) view of (N,H,W,C) memory."""
    return y.transpose(0, 3, 1, 2)


class _Locator(_CacheLocator):
    """What Numba asks of a place to keep a function in."""

    def __init__(self, function, file):
        self._py_file, self._line = file, function.__code__.co_firstlineno

    def get_cache_path(self):
        return FOLDERS[-1]

    def get_source_stamp(self):
        return _STAMP

    def get_disambiguator(self):
        return str(self._line)

    @classmethod
    def from_function(cls, function, file):
        return cls(function, file)


class _Entry(CompileResultCacheImpl):
    _locator_classes = (_Locator,)  # type: ignore[assignment]


class _Files(IndexDataCacheFile):
    """The compiled forms of one kernel in one folder."""

    def __init__(self, folder, base):
        super().__init__(folder, base, _STAMP)
        self._folder, self._base = pathlib.Path(folder), base

    def load(self, key):
        with contextlib.suppress(FileNotFoundError):
            return self._load_data(self._name(key))

    def save(self, key, data, *_):
        self._save_data(self._name(key), data)
        for file in self._folder.glob(f"{self._base.partition('-')[0]}-*.nb?"):
            if _STAMP not in file.name:  # of older sources
                file.unlink(missing_ok=True)

    def _name(self, key):
        return f"{self._base}.{_STAMP}.{_digest(repr(key).encode())}.nbc"


class _Cache(FunctionCache):
    """A kernel on disk: read from every folder, written to the last, and whatever fails, the work goes on."""

    _impl_class = _Entry

    def __init__(self, function):
        super().__init__(function)
        self._files = [_Files(folder, self._impl.filename_base) for folder in FOLDERS]

    def _index_key(self, sig, codegen):
        functions = [f for f in (self._py_func, *_closed_over(self._py_func)) if hasattr(f, "__code__")]
        return sig, codegen.magic_tuple(), [(f.__module__, f.__code__.co_code) for f in functions]

    def load_overload(self, sig, target_context):
        found = None
        for file in self._files:
            self._cache_file = file
            with contextlib.suppress(Exception):  # a damaged file is no file
                found = super().load_overload(sig, target_context)
            if found is not None:
                break
        progress.was_on_disk(found is not None)
        return found

    def save_overload(self, sig, data):
        with contextlib.suppress(OSError):  # it cannot be written, or the disk is full: compiled again next time
            super().save_overload(sig, data)


def _folders():
    """Where Numba would look for a place to keep kernels, in its order, as far as the first that can be written."""
    locators: list[Any] = CacheImpl._locator_classes
    for locator in locators:
        reading: Any = type("Reading", (locator,), {"ensure_cache_path": lambda self: None})
        place = reading.from_function(_folders, inspect.getfile(_folders))
        if place is not None:
            yield place.get_cache_path()
            if locator.from_function(_folders, inspect.getfile(_folders)) is not None:
                return


def _digest(told):
    return hashlib.sha256(told).hexdigest()[:16]


memory.keep()  # whoever runs kernels wants it

FOLDERS = list(_folders())
# A kernel on disk is stale when any file of this folder has changed: kernels call each other across files.
_FILES = sorted(pathlib.Path(__file__).parent.glob("*.py"))
_STAMP = _digest(b"".join([numba.__version__.encode(), *(file.read_bytes() for file in _FILES)]))
