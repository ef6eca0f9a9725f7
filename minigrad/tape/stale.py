"""Whether a tape can be walked: from what and along what, nothing of it was freed, no leaf was changed since.

What lies behind a freed node would be lost in silence; rules applied to changed data would be wrong in silence.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import shown
from .node import Freed, where_is
from .tensor import Array, Tensor, as_array
from .watch import constant


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


def walkable(name: str, ys: Any, xs: Any, *directions: Any) -> None:
    """Raise unless ys are tensors, xs tensors that require grad, and vs, if given, directions of as many."""
    for what, given in ("ys", ys), ("xs", xs), *(("vs", vs) for vs in directions):
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"{name}: {what} is {shown(given)}; it must be a list")
        for i, x in enumerate(given if what != "vs" else ()):
            if not isinstance(x, Tensor):
                raise TypeError(f"{name}: {what}[{i}] is {shown(x)}; it must be a tensor")
            if what == "xs" and not x.requires_grad:
                raise RuntimeError(f"{name}: xs[{i}] does not require grad; create it with requires_grad=True")
    for vs in directions:
        if len(vs) != len(xs):
            raise ValueError(f"{name}: {len(vs)} directions were given for {len(xs)} inputs")


def start(name: str, y: Tensor, g: Any) -> Tensor:
    """The gradient that a walk up from y begins with: g, or 1."""
    if not y.requires_grad:
        raise RuntimeError(
            f"{name}: nothing to differentiate: no input of this tensor requires grad, or it was computed under no_grad"
        )
    if g is None:
        if y.size != 1:
            raise RuntimeError(f"{name}: the tensor has shape {y.shape}; reduce it to a scalar (y.sum()) or pass g")
        return Tensor(constant(np.ones_like(y._data)))
    g = g if isinstance(g, Tensor) else like(g, y, name)
    if g.shape != y.shape:
        raise ValueError(f"{name}: the tensor has shape {y.shape}, g has shape {g.shape}; they must be the same")
    return g


def like(v: Any, x: Tensor, name: str) -> Tensor:
    """A direction of x, or a gradient, of x's dtype or complex."""
    a = as_array(v, None, name)
    return Tensor(a if a.dtype.kind == "c" else as_array(a, x.dtype, name))


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
