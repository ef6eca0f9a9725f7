"""Whether a tape can still be walked: nothing of it was freed, and no array that it reads was changed since.

What lies behind a freed node would be lost in silence; rules applied to changed data would be wrong in silence. Of the
arrays on a tape, what an operation computed cannot change: callers get it read-only. A leaf's own array is known by its
version until somebody takes its `data`, and may write to it; what a caller gave may change at any time. Of those two the
content is kept: their bytes, or where these are many a checksum by place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernels, tree
from .node import Freed, Node, where_is

if TYPE_CHECKING:
    from .tensor import Array, Tensor

_FEW = 1 << 16  # bytes up to which a copy costs less than calling a kernel


def content(a: Array) -> Any:
    """A witness of what the array holds: equal for the same numbers, bit by bit, in the same places."""
    if a.nbytes <= _FEW:
        return a.tobytes("A")
    octets = a.ravel("K").view("u1")  # in the order of memory, if a is not strided
    whole = octets.size // 8 * 8
    words = octets[:whole].view("u8")
    return kernels.checksum(words if words.flags.carray else words.copy()), octets[whole:].tobytes()


def hand_out(x: Tensor) -> None:
    """Somebody outside gets the array of the leaf x, and may write to it from now on."""
    if x.handed is None and not x.locked:
        x.handed = content(x._data)
    elif type(x.handed) is list:
        for leaf in x.handed:
            hand_out(leaf)
        x.handed = b""


def views(y: Tensor, inputs: tuple[Tensor, ...]) -> Tensor:
    """y, a leaf that may lie in the memory of an input: who gets y may write to that one, too."""
    y.handed = [leaf for x in inputs for leaf in leaves(x)]
    return y


def leaves(x: Tensor) -> list[Tensor]:
    """Those in whose memory x may lie."""
    if x.locked:
        return []
    if x.node is not None:
        return x.node.leaves if isinstance(x.node, Freed) else [leaf for z in x.node.inputs for leaf in leaves(z)]
    return x.handed if type(x.handed) is list else [x]


def stamp(x: Tensor) -> Any:
    """A witness of an input's value: its version, and its content where somebody outside can write to it.

    Assignments to `data`, optimizer steps and load_state_dict change the version. A recorded input needs none: what it
    was computed of has its own.
    """
    if x.locked or x.node is not None:
        return None
    return x.version, None if x.handed is None else content(x._data)


def of_arrays(params: dict[str, Any], y: Tensor) -> tuple:
    """Witnesses of the arrays in the parameters of an operation that is not the library's own, and of its result."""
    return tuple((a, content(a)) for a in (*tree.flatten(params)[0], y._data) if isinstance(a, np.ndarray))


def unchanged(tape: list[Tensor], targets: set[int] | None, reached: set[int] | None) -> None:
    """Raise, before anything is walked, if an earlier walk has freed a part of the tape or what it reads has changed."""
    todo = []
    for t in tape:
        if isinstance(t.node, Freed):
            if targets is None or id(t) not in targets:
                raise RuntimeError(
                    f"backward: {t.node} has been freed by the backward at {where_is(t.node.freed_by)}; pass "
                    "retain_graph=True to that one to walk the tape twice, or detach() its result to hold it constant"
                )
        elif t.node is not None and (reached is None or id(t) in reached):
            todo.append(t)
    listed = {id(t) for t in todo}
    contents: dict[int, Any] = {}  # a leaf may be an input of many operations
    for t in todo:
        node: Any = t.node
        for i, (x, then) in enumerate(zip(node.inputs, node.stamps)):
            if then is not None:
                if not _same(x, then, contents):
                    name = f" ({x.name})" if x.name else ""
                    raise _changed(f"input {i}{name} of {node}, {x.dtype} {x.shape},")
            elif not x.locked and isinstance(x.node, Node) and id(x) not in listed:
                listed.add(id(x))
                todo.append(x)  # it may lie in the memory of a leaf
        for a, then in node.stamps[len(node.inputs) :]:
            if content(a) != then:
                raise _changed(f"an array that {node} was given, {a.dtype} {a.shape},")


def _same(x: Tensor, then: tuple[int, Any], contents: dict[int, Any]) -> bool:
    version, held = then
    if x.version != version:
        return False
    if x.handed is None:
        return True
    if id(x) not in contents:
        contents[id(x)] = content(x._data)
    return contents[id(x)] == (x.handed if held is None else held)


def _changed(what: str) -> RuntimeError:
    return RuntimeError(
        f"backward: {what} was changed after it was recorded; run backward before the change, or compute the loss "
        "again after it"
    )
