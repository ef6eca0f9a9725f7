"""Weights and checkpoints on disk: safetensors files, written whole or not at all, and read whole or not at all.

Arrays go to the file and come from it one by one: neither needs the memory of a second model.

A checkpoint is a tree: dicts and lists of arrays and of what JSON knows. Its arrays are the tensors of the file, the
rest is JSON in the file's metadata, where each array has left its name. Nothing is pickled: to read a file runs nothing.

The metadata of every file that is written here has one entry, `minigrad`: "minigrad 1 sha256:… …", the format, the
checksum of the whole file with zeros in the checksum's place, and the JSON. It names minigrad twice, so that a file with
either name damaged is not taken for one of another program, which has no checksum.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile

import numpy as np

from ..errors import named, shown
from ..extras import extra
from ..nn import Module
from .given import check_model, check_path

_MARK = "minigrad"  # the entry of the metadata, and the first word in it
_FORMAT = "1"
_HEAD = re.compile(rf"{_MARK} (\S+) sha256:([0-9a-f]{{64}}) (.*)", re.DOTALL)
_ZEROS = "0" * 64
_UNCHECKED = "minigrad.checkpoint"  # the entry of trees from before there was a checksum
_ARRAY = "array:"  # what stands for an array in the JSON; strings that begin so are escaped
_TEXT = "text:"
Write = Callable[[BinaryIO], Any]  # writes what a file is to hold
_PARTIAL = ".partial"  # how the name of a file ends that is being written


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or of a run with other settings."""


@named
def save_weights(model: Module, path: str | os.PathLike) -> None:
    """Write the model's state dict: as safetensors, or where the path ends in .npz as NumPy's archive of arrays.

    Whoever reads `path`, at any time, finds the old file or the new one, complete.
    """
    check_model("save_weights", model)
    check_path("save_weights", "path", path)
    arrays = model.state_dict()
    if _is_npz(path):
        write_atomically(Path(path), lambda file: np.savez(file, allow_pickle=False, **arrays))
    else:
        write_atomically(Path(path), _packed(arrays, "", "save_weights"))


@named
def load_weights(model: Module, path: str | os.PathLike) -> None:
    """Load a safetensors or .npz file into a model of the same paths and shapes: one of `save_weights`, or another program's.

    A state dict of PyTorch goes to `model.load_state_dict` as it is, or by `safetensors.torch.save_file` through a file; its
    own files are pickles, which are not read. Raises FileNotFoundError; CheckpointError, a ValueError that names the file, if it is damaged (what `save_weights`
    wrote has a checksum) or does not fit the model. Nothing is changed then.
    """
    check_model("load_weights", model)
    arrays, tree = read(path, "load_weights")
    if tree:
        raise CheckpointError(
            f"load_weights: {path} is a checkpoint; `train.load_tree` reads it, `fit` resumes from it"
        )
    try:
        model.load_state_dict(arrays)
    except ValueError as error:
        raise CheckpointError(f"load_weights: {path}: {error}") from error


@named
def save_tree(tree: Any, path: str | os.PathLike) -> None:
    """Write nested dicts (with string keys) and lists of arrays, strings, numbers, booleans and None, as one file.

    Whoever reads `path`, at any time, finds the old file or the new one, complete; so it is after an OSError too.
    """
    check_path("save_tree", "path", path)
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_without_arrays(tree, (), arrays), default=number)
    write_atomically(Path(path), _packed(arrays, text, "save_tree"))


@named
def load_tree(path: str | os.PathLike) -> Any:
    """Return what `save_tree` wrote. Raises CheckpointError if the file is none of these, or is damaged."""
    arrays, text = read(path, "load_tree", "checkpoint")
    try:
        return _with_arrays(json.loads(text, object_pairs_hook=_unique), arrays)
    except (KeyError, ValueError, RecursionError) as error:
        why = f"it has no tree ({error!r})" if text else "it holds tensors only; `train.load_weights` reads weights"
        raise CheckpointError(f"load_tree: {path} is no checkpoint, or is damaged: {why}") from error


def read(path: str | os.PathLike, purpose: str, kind: str = "file of weights") -> tuple[dict[str, np.ndarray], str]:
    """Return the arrays of a safetensors or .npz file by name, and the JSON of its tree, '' if there is none.

    Raises CheckpointError, which names the file, for any other file or a damaged one.
    """
    check_path(purpose, "path", path)
    path = Path(path)
    try:
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, f"{purpose}: there is no file", str(path))
        if not path.is_file():
            raise ValueError("it is no regular file")
        if _is_npz(path):
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return dict(archive), ""
        with extra("safetensors", f"train.{purpose}").safe_open(path, "np") as found:
            with path.open("rb") as file:
                head = json.loads(file.read(int.from_bytes(file.read(8), "little")), object_pairs_hook=_unique)
            tree = _checked(path, head.get("__metadata__") or {})
            for name, entry in head.items():
                if name != "__metadata__" and not re.fullmatch(r"BOOL|[IU](8|16|32|64)|F(16|32|64)", entry["dtype"]):
                    raise ValueError(f"NumPy has no dtype {entry['dtype']}; convert it to F32")
            return {name: found.get_tensor(name) for name in found.keys()}, tree  # noqa: SIM118 it is no dict
    except (ValueError, KeyError, RecursionError, BadZipFile, EOFError, _damage(purpose)) as error:
        text = f"{purpose}: {path} is no {kind}, or is damaged: {error}. Take another copy of it"
        raise CheckpointError(text) from error


def _is_npz(path: str | os.PathLike) -> bool:
    return Path(path).suffix == ".npz"


def _packed(arrays: dict[str, np.ndarray], tree: str, purpose: str) -> Write:
    """What writes the file, with its checksum: its head, and then the arrays as they lie in memory."""
    if "__metadata__" in arrays:
        raise ValueError(f"{purpose}: a safetensors file cannot hold an array named '__metadata__'; rename it")
    for name, a in arrays.items():
        if a.dtype.kind not in "biuf" or a.dtype.itemsize > 8:
            what = f"{purpose}: {name!r} is {shown(a)}"
            raise TypeError(f"{what}; a safetensors file holds booleans, integers and floats of up to 64 bits")
    extra("safetensors", f"train.{purpose}")  # the reader's
    head: dict[str, Any] = {"__metadata__": {_MARK: f"{_MARK} {_FORMAT} sha256:{_ZEROS} {tree}"}}
    body: list[memoryview] = []
    end = 0
    for name, a in sorted(
        arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])
    ):  # so that all are aligned
        a = np.asarray(a, a.dtype.newbyteorder("<"), order="C")
        kind = "BOOL" if a.dtype.kind == "b" else f"{a.dtype.kind.upper()}{8 * a.dtype.itemsize}"
        head[name] = {"dtype": kind, "shape": a.shape, "data_offsets": [end, end + a.nbytes]}
        body.append(a.reshape(-1).view(np.uint8).data)
        end += a.nbytes
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    start = len(text).to_bytes(8, "little")
    digest = hashlib.sha256(start + text)
    for part in body:
        digest.update(part)
    text = text.replace(_ZEROS.encode(), digest.hexdigest().encode(), 1)
    return lambda file: file.writelines([start, text, *body])


def _checked(path: Path, metadata: dict[str, str]) -> str:
    """The tree in the metadata. ValueError unless the checksum is right, or the file is from where there is none."""
    if _UNCHECKED in metadata:
        return metadata[_UNCHECKED]
    found = _HEAD.fullmatch(metadata.get(_MARK, ""))
    if found is None:
        if any(_MARK in (key, value.partition(" ")[0]) for key, value in metadata.items()):
            raise ValueError("the mark of minigrad in it is not whole")
        return ""
    version, digest, tree = found.groups()
    if version != _FORMAT:
        raise ValueError(f"its format is {version}, and this version of minigrad reads format {_FORMAT}")
    with path.open("rb") as file:
        start = file.read(8)
        text = file.read(int.from_bytes(start, "little"))
        check = hashlib.sha256(start + text.replace(digest.encode(), _ZEROS.encode(), 1))
        while part := file.read(1 << 20):
            check.update(part)
    if check.hexdigest() != digest:
        raise ValueError("its content does not have its checksum")
    return tree


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict of JSON. A key that comes twice hides a value: ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice in its JSON")
    return found


def write_atomically(path: Path, content: bytes | Write) -> None:
    """Write a file beside `path`, by bytes or a function that writes, then rename it, which is one step to the file system.

    When this returns, the content is on the disk, under that name. If it raises, there is the old file and no other.
    """
    try:
        _write(path, content)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, f"{error.strerror}; not written", str(path)) from error
    _sync_folder(path.parent)


def _write(path: Path, content: bytes | Write) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PARTIAL)
    try:
        with os.fdopen(handle, "wb") as file:
            content(file) if callable(content) else file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp lets nobody else read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)  # unless it has its name already
        raise


def sweep(folder: Path) -> None:
    """Remove what processes that were killed while writing have left."""
    for path in folder.glob(f".*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Let the name itself reach the disk, where folders can be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _damage(purpose: str) -> Any:
    return extra("safetensors", f"train.{purpose}").SafetensorError


def _without_arrays(tree: Any, path: tuple[str, ...], arrays: dict[str, np.ndarray]) -> Any:
    """The tree with the name of each array in its place; the arrays go into `arrays`."""
    if isinstance(tree, dict):
        if other := [key for key in tree if not isinstance(key, str)]:
            raise TypeError(f"save_tree: the key {other[0]!r} is no string; JSON has no others")
        return {key: _without_arrays(v, (*path, key), arrays) for key, v in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without_arrays(v, (*path, str(i)), arrays) for i, v in enumerate(tree)]
    if isinstance(tree, np.ndarray):
        name = "/".join(path)
        while name in arrays or name == "__metadata__":  # which safetensors keeps to itself
            name += "'"
        arrays[name] = np.asarray(tree, order="C")  # safetensors writes memory as it lies
        return _ARRAY + name
    if isinstance(tree, str) and tree.startswith((_ARRAY, _TEXT)):
        return _TEXT + tree
    return tree


def _with_arrays(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(tree, dict):
        return {key: _with_arrays(v, arrays) for key, v in tree.items()}
    if isinstance(tree, list):
        return [_with_arrays(v, arrays) for v in tree]
    if isinstance(tree, str) and tree.startswith(_ARRAY):
        return arrays[tree.removeprefix(_ARRAY)]
    return tree.removeprefix(_TEXT) if isinstance(tree, str) else tree


def number(value: Any) -> Any:
    """NumPy's scalars as Python's, which JSON knows; TypeError for anything else."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be saved; give arrays, numbers, text, lists or dicts")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
