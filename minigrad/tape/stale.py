"""Whether a tape can still be walked: nothing of it was freed, and no leaf was changed since it was recorded.

What lies behind a freed node would be lost in silence; rules applied to changed data would be wrong in silence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .node import Freed, where_is
from .tensor import Array, Tensor


def stamp(x: Tensor) -> tuple | None:
    """A witness of a leaf's content: its version, and a checksum.

    Assignments to `data`, optimizer steps and load_state_dict change the version; the checksum betrays writes into
    the array behind the tensor's back. Recorded tensors need none: their data cannot be assigned. Nor do the
    numbers that `tensors` wrapped: nobody else holds them.
    """
    return None if x.node is not None or x.version < 0 else (x.version, _checksum(x._data))


def _checksum(a: Array) -> Any:
    if a.nbytes <= 4096 or a.itemsize > 8:
        return a.tobytes()
    words = a.view(f"u{a.itemsize}").ravel("K")  # in the order of memory: their sum runs at its speed,
    if words.dtype.itemsize == 4 and words.size % 2 == 0 and words.flags.contiguous:
        words = words.view("u8")
    return int(np.add.reduce(words, dtype=words.dtype)), a.flat[:: a.size // 16].tobytes()  # samples tell a permutation


def unchanged(tape: list[Tensor], targets: set[int] | None, reached: set[int] | None) -> None:
    """Raise, before anything is walked, if an earlier walk has freed a part of the tape or its leaves have changed."""
    stamps: dict[int, tuple | None] = {}  # a leaf may be an input of many operations
    for t in tape:
        node = t.node
        if isinstance(node, Freed):
            if targets is None or id(t) not in targets:
                raise RuntimeError(
                    f"backward: {node} has been freed by the backward at {where_is(node.freed_by)}; pass "
                    "retain_graph=True to that one to walk the tape twice, or detach() its result to hold it constant"
                )
        elif node is not None and (reached is None or id(t) in reached):
            for i, (x, then) in enumerate(zip(node.inputs, node.stamps)):
                if then is None:
                    continue
                if id(x) not in stamps:
                    stamps[id(x)] = stamp(x)
                if then != stamps[id(x)]:
                    name = f" ({x.name})" if x.name else ""
                    raise RuntimeError(
                        f"backward: input {i}{name} of {node}, {x.dtype} {x.shape}, was changed after it "
                        "was recorded; run backward before the change, or compute the loss again after it"
                    )
