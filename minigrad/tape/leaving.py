"""What leaves the tape: a number, an array or a copy of a tensor has no derivative."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .node import Node
from .watch import state

if TYPE_CHECKING:
    from .tensor import Tensor

_WAY = (
    "use a function of minigrad (mg.sin for math.sin, mg.stack for an array filled entry by entry), "
    "or x.detach() to hold x constant"
)


def leave(x: Tensor, what: str, way: str = _WAY) -> Tensor:
    """x, whose value goes to `what`, where no tape follows it.

    Raises TypeError where that would make a derivative zero in silence: inside a function that is being differentiated
    by what x depends on, and in the rule of an operation whose derivative is recorded. Not under `no_grad`.
    """
    if (
        x.requires_grad
        and state.recording
        and (state.within is not None or (state.traced and _depends(x, state.traced)))
    ):
        raise TypeError(f"{what} of a tensor that is being differentiated: its derivative would be lost; {way}")
    return x


def _depends(x: Tensor, traced: tuple) -> bool:
    sources, found = {id(s) for xs in traced for s in xs}, {id(x): x}
    stack = [x] if sources else []
    while stack:
        t = stack.pop()
        if id(t) in sources:
            return True
        for i in t.node.inputs if isinstance(t.node, Node) else ():
            if i.requires_grad and id(i) not in found:
                found[id(i)] = i
                stack.append(i)
    return False
