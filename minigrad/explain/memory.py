"""What the tape keeps for the way back, operation by operation."""

from __future__ import annotations

import numpy as np

from .. import tree
from ..tape import Node, Tensor
from ..typing import Array


def owner(a: Array) -> Array:
    """The array that owns the memory which a is a view of."""
    while isinstance(a.base, np.ndarray):
        a = a.base
    return a


def held(y: Tensor) -> list[Array]:
    """The memory that an operation holds on to: its value, its inputs, what it saved, its parameters."""
    node = y.node
    if not isinstance(node, Node):
        return []
    things = tree.flatten([y, list(node.inputs), node.saved, node.params])[0]
    # (a tensor of no bytes is put off, or was folded into the next operation's own)
    arrays = [x.read() if isinstance(x, Tensor) else x for x in things if not isinstance(x, Tensor) or x.nbytes]
    return [owner(a) for a in arrays if isinstance(a, np.ndarray)]


def kept(tape: list[Tensor]) -> list[int]:
    """The bytes that each of the tape keeps because of it, which are let go when the walk back has passed it.

    Memory that several hold on to counts where it was held first; the walk up comes there last. What the caller holds
    does not count: what the tape began with, but for numbers and what was computed on the way without a derivative, and
    the result, the last of the tape.
    """
    counted = {id(owner(tape[-1].read()))}
    for y in tape:
        nodes = y.node.inputs if isinstance(y.node, Node) else (y,)
        counted |= {id(owner(x.read())) for x in nodes if x.node is None and not _ours(x)}
    found = []
    for y in tape:
        new = {id(a): a for a in held(y) if id(a) not in counted}
        counted |= new.keys()
        found.append(sum(a.nbytes for a in new.values()))
    return found


def _ours(x: Tensor) -> bool:
    """Whether a leaf is a number that was written in an expression, or computed where nothing asked for a gradient."""
    return x.version == -1 or (x.locked and not x.requires_grad)
