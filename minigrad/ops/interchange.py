"""Tensors among other arrays: the array API's namespace, and DLPack."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..errors import named, shown
from ..tape import Tensor
from .creation import on_cpu

VERSION = "2025.12"  # of the standard


class Info:
    """What the standard asks of a namespace about itself."""

    def capabilities(self) -> dict[str, Any]:
        """That indexing by booleans is possible, shapes may depend on data, and there is no limit of axes but NumPy's."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """'cpu'."""
        return "cpu"

    def devices(self) -> list[str]:
        """The one that there is."""
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, Any]:
        """What numbers become where nothing is said."""
        on_cpu("default_dtypes", device)
        names = {"real floating": "f8", "complex floating": "c16", "integral": "i8", "indexing": "i8"}
        return {kind: np.dtype(name) for kind, name in names.items()}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, Any]:
        """The dtypes by name, of a kind or of several."""
        on_cpu("dtypes", device)
        names = [
            "bool",
            "int8",
            "int16",
            "int32",
            "int64",
            "uint8",
            "uint16",
            "uint32",
            "uint64",
            "float32",
            "float64",
            "complex64",
            "complex128",
        ]
        found = {name: np.dtype(name) for name in names}
        return found if kind is None else {n: d for n, d in found.items() if np.isdtype(d, kind)}


def namespace(x: Tensor, *, api_version: str | None = None) -> Any:
    """minigrad itself, as the array API's namespace of x."""
    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12", VERSION):
        raise ValueError(
            f"__array_namespace__: version {shown(api_version)} of the standard is not known; {VERSION} is"
        )
    return sys.modules[__package__.partition(".")[0]]  # from above: it is there whenever tensors are


@named
def to_device(x: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    """x itself: there is one device."""
    on_cpu("to_device", device)
    return x


def dlpack(
    x: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
) -> Any:
    """A capsule of x's memory; of a computed tensor, of a copy, unless `copy` is False: then it is read-only.

    Raises BufferError for a tensor that requires grad, and where a consumer knows of no read-only memory.
    """
    if x.requires_grad:
        raise BufferError("__dlpack__: a tensor that requires grad would lose its derivative; give x.detach()")
    data = x.data
    data = data if data.flags.writeable or copy is False else data.copy()
    return data.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)


def dlpack_device(x: Tensor) -> tuple[int, int]:
    """The CPU."""
    return 1, 0
