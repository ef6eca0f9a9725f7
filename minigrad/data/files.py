"""Data sets from files on this machine: MNIST's format (IDX), and CIFAR-10 and CIFAR-100, binary or for Python.

Every file is held against its format: what is cut, damaged or something else is an error that names the file, what was
expected and what was found. Files that look right but are not those that were published (their MD5 differs, say because
they are your own) are read with a `ChecksumWarning`. Nothing is downloaded, and archives are read without unpacking.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import math
import os
import pickle
import reprlib
import tarfile
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np

from ..errors import named, warn
from ..typing import Array
from . import pickles
from .datasets import Dataset, Split

Source = str | os.PathLike

_IDX = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # dtypes by the third byte of the file
_CIFAR = "https://www.cs.toronto.edu/~kriz/cifar.html"
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist, https://github.com/zalandoresearch/fashion-mnist"
_PIXELS = 3 * 32 * 32
_GZIP = b"\x1f\x8b"
_DEFLATE = 1032  # bytes that one byte can unpack to: 258 take two bits at least
_LARGEST = 1 << 31  # bytes that an archive may unpack to, over ten times as many as those published
_MEMBERS = 1000  # of an archive


class _Absent(FileNotFoundError):
    """Not one file of the set is there."""


class ChecksumWarning(UserWarning):
    """A file has the name and the format of a published one, and other content."""


@named
def read_idx(path: Source) -> Array:
    """The array in an IDX file, gzipped or not, in this machine's byte order: the format of the MNIST files.

    Raises FileNotFoundError; ValueError for a file that is cut, damaged or no IDX file.
    The format: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"read_idx: {path}: there is no such file")
    return _idx(path)[0]


@named
def mnist(folder: Source, *, verify: bool = True) -> Split:
    """MNIST, Fashion-MNIST or any set in their four files: float32 (N, 1, H, W) in [0, 1], int64 labels.

    The folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the two of t10k, each with .gz or without.
    Raises FileNotFoundError if one is missing, ValueError if one is not right. With `verify`, a `ChecksumWarning` tells
    of content that was not published.
    """
    parts: list[Dataset] = []
    strange: list[Path] = []
    for part in "train", "t10k":
        images = _idx_of(Path(folder), f"{part}-images-idx3-ubyte", 3, strange)
        labels = _idx_of(Path(folder), f"{part}-labels-idx1-ubyte", 1, strange)
        if len(images) != len(labels):
            raise ValueError(f"{folder}: {part} has {len(images)} images and {len(labels)} labels; take both anew")
        parts.append(Dataset(_scaled([images[:, None]]), labels.astype(np.int64)))
    _warn_of(strange if verify else [])
    return Split(*parts)


@named
def cifar10(path: Source, *, verify: bool = True) -> Split:
    """CIFAR-10, or any set in its files: float32 (N, 3, 32, 32) in [0, 1], int64 labels in [0, 10).

    The path is the folder of the files, data_batch_1 to 5 and test_batch (for Python) or the same with .bin; a folder
    that holds it; or the archive as it was downloaded, .tar.gz. The files may hold any number of images.
    Raises FileNotFoundError if a file is missing, ValueError if one is not right; see `ChecksumWarning` for `verify`.
    Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    return _cifar(Path(path), _CIFAR10, "labels", verify)


@named
def cifar100(path: Source, labels: str = "fine", *, verify: bool = True) -> Split:
    """CIFAR-100, as `cifar10`: the 100 classes, or with labels="coarse" their 20 superclasses.

    The files are train and test (for Python) or train.bin and test.bin.
    """
    if not isinstance(labels, str) or labels not in ("fine", "coarse"):
        raise ValueError(f"cifar100: labels is {labels!r}; it must be 'fine' or 'coarse'")
    return _cifar(Path(path), _CIFAR100, f"{labels}_labels", verify)


@named
def read(path: Source, *, verify: bool = True) -> Split:
    """The data set in a folder or archive, told by the names of its files: `mnist`, `cifar10` or `cifar100`."""
    path = Path(path)
    if any((path / f"train-images-idx3-ubyte{end}").is_file() for end in ("", ".gz")):
        return mnist(path, verify=verify)
    for reader in cifar10, cifar100:
        with contextlib.suppress(_Absent):
            return reader(path, verify=verify)
    raise FileNotFoundError(f"{path}: no files of MNIST, CIFAR-10 or CIFAR-100; get them from {_MNIST} or {_CIFAR}")


# ---- MNIST ----


def _idx_of(folder: Path, name: str, axes: int, strange: list[Path]) -> Array:
    """The array in the file, gzipped or not; the file is added to the strange ones if it was not published so."""
    for path in folder / name, folder / f"{name}.gz":
        if path.is_file():
            array, content = _idx(path)
            if array.ndim != axes or array.dtype != np.uint8:
                raise ValueError(f"{path}: it holds {array.dtype} {array.shape}; it must be uint8, of {axes} axes")
            if not _published(name, content):
                strange.append(path)
            return array
    raise FileNotFoundError(f"{folder / name}: not there, nor with .gz; get it from {_MNIST}")


def _idx(path: Path) -> tuple[Array, bytes]:
    """The array in the file, and what is in the file or gzip file: no more is unpacked than its header promises."""
    with open(path, "rb") as raw:
        zipped = raw.read(2) == _GZIP
        raw.seek(0)
        file = gzip.GzipFile(fileobj=raw) if zipped else raw
        try:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX:
                raise ValueError(f"{path}: begins with {head!r}; no IDX file (two zeros, dtype, number of axes)")
            dtype, start = np.dtype(_IDX[head[2]]), 4 + 4 * head[3]
            head += file.read(start - 4)
            if len(head) < start:
                raise ValueError(f"{path}: {len(head)} bytes; its header alone has {start}. It is cut; take it anew")
            shape = tuple(int(n) for n in np.frombuffer(head[4:], ">u4"))
            expected = start + dtype.itemsize * math.prod(shape)
            possible = os.fstat(raw.fileno()).st_size * (_DEFLATE if zipped else 1)
            content = head + file.read(expected + 1 - start) if expected <= possible else b""
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: the gzip file is cut or damaged ({error}); take it anew") from error
    if len(content) != expected:
        found = f"more than {expected}" if len(content) > expected else f"at most {len(content) or possible}"
        raise ValueError(f"{path}: {found} bytes; {shape} of {dtype} need {expected}. Take it anew")
    try:
        return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("=")), content
    except ValueError as error:  # more axes than NumPy has, or longer ones
        raise ValueError(f"{path}: {len(shape)} axes; no array can have this shape ({error}). Take it anew") from error


# ---- CIFAR ----


class _Form(NamedTuple):
    """The files of CIFAR-10 or CIFAR-100, without the .bin of the binary ones; the labels in the order of their bytes."""

    name: str
    folders: tuple[str, ...]
    archives: tuple[str, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: dict[str, int]  # their keys in a pickle, and how many classes there are


_CIFAR10 = _Form(
    "CIFAR-10",
    ("cifar-10-batches-py", "cifar-10-batches-bin"),
    ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"),
    tuple(f"data_batch_{i}" for i in range(1, 6)),
    ("test_batch",),
    {"labels": 10},
)
_CIFAR100 = _Form(
    "CIFAR-100",
    ("cifar-100-python", "cifar-100-binary"),
    ("cifar-100-python.tar.gz", "cifar-100-binary.tar.gz"),
    ("train",),
    ("test",),
    {"coarse_labels": 20, "fine_labels": 100},
)


def _cifar(path: Path, form: _Form, key: str, verify: bool) -> Split:
    files = _files(path, form)
    if files is None:
        wanted = f"{form.train[0]} or {form.train[0]}.bin"
        raise _Absent(f"{path}: no {wanted}, nor {form.archives[0]}; get {form.name} from {_CIFAR}")
    for name in form.train + form.test:
        if name not in files:
            raise FileNotFoundError(f"{path}: of {form.name}, {name} is missing; get it from {_CIFAR}")
    strange = [file for file, content in files.values() if verify and not _published(file.name, content)]
    parts = []
    for names in form.train, form.test:
        pixels, labels = zip(*(_records(*files.pop(name), form, key) for name in names))
        parts.append(Dataset(_scaled(pixels), np.concatenate(labels)))
    _warn_of(strange)  # only now: what is damaged is an error
    return Split(*parts)


def _files(path: Path, form: _Form) -> dict[str, tuple[Path, bytes]] | None:
    """The files by their names without .bin, each with what is in it; None if the first is nowhere."""
    first = form.train[0]
    for folder in path, *(path / name for name in form.folders):
        for end in "", ".bin":
            if (folder / f"{first}{end}").is_file():
                there = [folder / f"{name}{end}" for name in form.train + form.test]
                return {file.stem: (file, file.read_bytes()) for file in there if file.is_file()}
    for archive in path, *(path / name for name in form.archives):
        if archive.is_file():
            files = _archived(archive, form)
            if first in files:
                return files
    return None


def _archived(archive: Path, form: _Form) -> dict[str, tuple[Path, bytes]]:
    """Those of the form's files that are in the archive, in one pass."""
    try:
        with _opened(archive) as packed, tarfile.open(fileobj=packed, mode="r:") as tar:
            wanted = {n for name in form.train + form.test for n in (name, f"{name}.bin")}
            found = {}
            for count, member in enumerate(tar):
                if count == _MEMBERS:
                    raise ValueError(f"it has more than {_MEMBERS} members")
                name = Path(member.name)
                if name.name in wanted and name.parent.name in form.folders and member.isfile():
                    if member.issparse():
                        raise ValueError(f"{name} is a sparse file, which may have any size")
                    if file := tar.extractfile(member):
                        found[name.stem] = archive / name, file.read()
            while packed.read(1 << 20):
                pass  # what is packed has its checksum at the very end
            return found
    except Exception as error:  # what unpacks it may fail in any way
        raise ValueError(f"{archive}: the archive is cut or damaged ({error}); take it anew") from error


class _Unzipped(gzip.GzipFile):
    """A gzip file of which no more than `_LARGEST` bytes are unpacked."""

    def read(self, size: int | None = -1) -> bytes:
        self._allow(self.tell() + max(size or 0, 0))
        return super().read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._allow(offset)
        return super().seek(offset, whence)

    def _allow(self, end: int) -> None:
        if end > _LARGEST:
            raise ValueError(f"it unpacks to more than {_LARGEST} bytes; unpack it yourself if that is meant")


def _opened(archive: Path) -> IO[bytes]:
    with open(archive, "rb") as file:
        zipped = file.read(2) == _GZIP
    return cast(IO[bytes], _Unzipped(archive)) if zipped else open(archive, "rb")


def _records(file: Path, content: bytes, form: _Form, key: str) -> tuple[Array, Array]:
    """The pixels (N, 3, 32, 32), bytes, and the labels (N,) of a file."""
    pixels, labels = (_binary if file.suffix else _pickled)(file, content, form, key)
    classes = form.labels[key]
    if labels.ndim != 1 or len(labels) != len(pixels):
        raise ValueError(f"{file}: {len(pixels)} images and labels of shape {labels.shape}; there must be one each")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"{file}: labels from {labels.min()} to {labels.max()}; {form.name} has {classes} classes")
    return pixels, labels


def _binary(file: Path, content: bytes, form: _Form, key: str) -> tuple[Array, Array]:
    record = len(form.labels) + _PIXELS
    if not content or len(content) % record:
        raise ValueError(f"{file}: {len(content)} bytes, no multiple of {record}, a label and its pixels. Take it anew")
    rows = np.frombuffer(content, np.uint8).reshape(-1, record)
    labels = rows[:, list(form.labels).index(key)].astype(np.int64)
    return rows[:, len(form.labels) :].reshape(-1, 3, 32, 32), labels


def _pickled(file: Path, content: bytes, form: _Form, key: str) -> tuple[Array, Array]:
    try:
        batch = pickles.load(BytesIO(content))
    except pickle.UnpicklingError as error:
        raise ValueError(f"{file}: no file of {form.name} for Python: {error}. Take it anew from {_CIFAR}") from error
    if not {"data", key} <= batch.keys():
        raise ValueError(f"{file}: its keys are {reprlib.repr([*batch])}; {form.name} has 'data' and {key!r}")
    pixels, labels = batch["data"], batch[key]
    if not isinstance(pixels, Array) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
        found = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, Array) else type(pixels).__name__
        raise ValueError(f"{file}: its data are {found}; they must be uint8 (N, {_PIXELS})")
    if isinstance(labels, list) and all(isinstance(label, int | float | np.number) for label in labels):
        labels = np.asarray(labels)  # but nothing nested: a few bytes could ask for all memory
    if not isinstance(labels, Array) or labels.dtype.kind not in "iu":
        found = labels.dtype if isinstance(labels, Array) else f"a {type(labels).__name__}"
        raise ValueError(f"{file}: its {key} are {found}; they must be integers, in a list or an array")
    return pixels.reshape(-1, 3, 32, 32), labels.astype(np.int64)


# ---- both ----


def _scaled(parts: Sequence[Array]) -> Array:
    """Bytes as float32 in [0, 1], one after the other."""
    scaled = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), np.float32)
    return np.divide(np.concatenate(parts), np.float32(255), out=scaled)


def _warn_of(strange: Sequence[Path]) -> None:
    if strange:
        names = ", ".join(file.name for file in strange)
        text = (
            f"not as published, by their MD5, though in the right format: {names} in {strange[0].parent}. If they are "
        )
        text += "your own, verify=False says so; if they should be the published ones, take them anew"
        warn(text, ChecksumWarning)


def _published(name: str, content: bytes) -> bool:
    """Whether the content is a published one, as far as is known."""
    return name not in _MD5 or hashlib.md5(content, usedforsecurity=False).hexdigest() in _MD5[name]


# Of what is in the files, unpacked; of MNIST, and of Fashion-MNIST. (No two sources agree to tell CIFAR-100's .bin.)
_MD5 = {
    "train-images-idx3-ubyte": ("6bbc9ace898e44ae57da46a324031adb", "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
    "train-labels-idx1-ubyte": ("a25bea736e30d166cdddb491f175f624", "9018921c3c673c538a1fc5bad174d6f9"),
    "t10k-images-idx3-ubyte": ("2646ac647ad5339dbf082846283269ea", "8181f5470baa50b63fa0f6fddb340f0a"),
    "t10k-labels-idx1-ubyte": ("27ae3e4e09519cfbb04c329615203637", "15d484375f8d13e6eb1aabb0c3f46965"),
    "data_batch_1": ("c99cafc152244af753f735de768cd75f",),
    "data_batch_2": ("d4bba439e000b95fd0a9bffe97cbabec",),
    "data_batch_3": ("54ebc095f3ab1f0389bbae665268c751",),
    "data_batch_4": ("634d18415352ddfa80567beed471001a",),
    "data_batch_5": ("482c414d41f54cd18b22e5b47cb7c3cb",),
    "test_batch": ("40351d587109b95175f43aff81a1287e",),
    "data_batch_1.bin": ("5dd7e06a14cb22eb9f671a540d1b7c25",),
    "data_batch_2.bin": ("5ea93a67294ea407fff1d09f752e9692",),
    "data_batch_3.bin": ("942cd6a4bcdd0dd3c604fbe906cb4421",),
    "data_batch_4.bin": ("ae636b3ba5c66a11e91e8cb52e771fcb",),
    "data_batch_5.bin": ("53f37980c15c3d472c316c40844f3f0d",),
    "test_batch.bin": ("803d5f7f4d78ea53de84dbe85f74fb6d",),
    "train": ("16019d7e3df5f24257cddd939b257f8d",),
    "test": ("f0ef6b0ae62326f3e7ffdfab6717acfc",),
}
