"""Weights and checkpoints on disk: safetensors files, written whole or not at all.

A checkpoint is a tree: dicts and lists of arrays and of what JSON knows. Its arrays are the tensors of the file, the
rest is JSON in the file's metadata, where each array has left its name. Nothing is pickled: to read a file runs nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..extras import extra
from ..nn import Module

_TREE = "minigrad.checkpoint"  # the entry of the metadata
_ARRAY = "array:"  # what stands for an array in the JSON; strings that begin so are escaped
_TEXT = "text:"
_PARTIAL = ".partial"  # how the name of a file ends that is being written


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or of a run with other settings."""


def save_weights(model: Module, path: str | os.PathLike) -> None:
    """Write the model's state dict. Whoever reads `path`, at any time, finds the old file or the new one, complete."""
    write_atomically(Path(path), _format("train.save_weights").save(model.state_dict()))


def load_weights(model: Module, path: str | os.PathLike) -> None:
    """Load what `save_weights` wrote into a model of the same shape; otherwise ValueError, and nothing is changed."""
    model.load_state_dict(_format("train.load_weights").load(Path(path).read_bytes()))


def save_tree(tree: Any, path: str | os.PathLike) -> None:
    """Write nested dicts (with string keys) and lists of arrays, strings, numbers, booleans and None, as one file.

    Whoever reads `path`, at any time, finds the old file or the new one, complete; so it is after an OSError too.
    """
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_without_arrays(tree, (), arrays), default=number)
    write_atomically(Path(path), _format("train.save_tree").save(arrays, {_TREE: text}))


def load_tree(path: str | os.PathLike) -> Any:
    """Return what `save_tree` wrote. Raises CheckpointError if the file is none of these, or is damaged."""
    content = Path(path).read_bytes()
    library = _format("train.load_tree")
    try:
        arrays = library.load(content)
        head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        tree = json.loads(head["__metadata__"][_TREE])
    except (KeyError, ValueError, extra("safetensors", "train.load_tree").SafetensorError) as error:
        raise CheckpointError(f"load_tree: {path} is no checkpoint, or is damaged: {error!r}") from error
    return _with_arrays(tree, arrays)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside `path`, then rename it, which is one step to the file system.

    When this returns, the content is on the disk, under that name. If it raises, there is the old file and no other.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PARTIAL)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp lets nobody else read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)  # unless it has its name already
        raise
    _sync_folder(path.parent)


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


def _format(purpose: str) -> Any:
    return extra("safetensors.numpy", purpose)


def _without_arrays(tree: Any, path: tuple[str, ...], arrays: dict[str, np.ndarray]) -> Any:
    """The tree with the name of each array in its place; the arrays go into `arrays`."""
    if isinstance(tree, dict):
        return {key: _without_arrays(v, (*path, key), arrays) for key, v in tree.items()}
    if isinstance(tree, list | tuple):
        return [_without_arrays(v, (*path, str(i)), arrays) for i, v in enumerate(tree)]
    if isinstance(tree, np.ndarray):
        name = "/".join(path)
        while name in arrays:
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
