"""Weights on disk: the state dict of a model as a safetensors file, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..extras import extra
from ..nn import Module


def save_weights(model: Module, path: str | os.PathLike) -> None:
    """Write the model's state dict. Whoever reads `path`, at any time, finds the old file or the new one, complete."""
    content = extra("safetensors.numpy", "train.save_weights").save(model.state_dict())
    write_atomically(Path(path), content)


def load_weights(model: Module, path: str | os.PathLike) -> None:
    """Load what `save_weights` wrote into a model of the same shape; otherwise ValueError, and nothing is changed."""
    model.load_state_dict(extra("safetensors.numpy", "train.load_weights").load(Path(path).read_bytes()))


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside `path`, then rename it, which is one step to the file system."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp lets nobody else read
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
