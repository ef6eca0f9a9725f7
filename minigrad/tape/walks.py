"""The two walks over the tape.

The tape is the list of recorded operations in the order of their creation. `pull` walks it up (reverse mode) and `push`
walks it down (forward mode); what an operation does to a gradient or a tangent, it is asked itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..ranges import SWITCH, check
from .hooks import hooked, listeners, retained
from .leaving import leave
from .node import Freed, Node, user_line
from .primitive import add, broadcast_to, fit, zeros_like
from .seed import like, start, walkable
from .stale import leaves, unchanged
from .tensor import Array, Tensor
from .watch import effect, state, walking


def backward(y: Tensor, g: Any = None, *, retain_graph: bool = False) -> None:
    """Add d⟨g, y⟩/dx to `x.grad` for every leaf x that asked for gradients, and free the tape on the way.

    It is a method of tensors, `y.backward()`. `g` has the shape of y; a tensor of one entry needs none. With `retain_graph` the tape stays and can be walked
    again. Raises RuntimeError when there is nothing to differentiate, when the tape has been freed by an earlier walk,
    or when an array that the tape reads changed after it was recorded.

    >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> (x * x).backward(np.array([1.0, 1.0]))
    >>> x.grad
    array([2., 4.])
    """
    check("backward", SWITCH, retain_graph=retain_graph)
    seed = start("backward", y, g)
    leave(y, "backward", "x.grad is an array without a tape: use mg.grad, whose result can be differentiated")
    seen = {id(seed._data)}
    for leaf, gx in _pull(y, seed, None, create_graph=False, retain_graph=retain_graph):
        effect(_accumulate, leaf, gx._data, id(gx._data) in seen)
        seen.add(id(gx._data))


def _accumulate(leaf: Tensor, g: Array, shared: bool) -> None:
    if leaf.grad is not None:
        leaf.grad = leaf.grad + g
    else:  # a copy, where g is a view, or shared with another leaf or the caller
        leaf.grad = g if g.flags.owndata and g.flags.writeable and not shared else np.array(g)


def pull(
    y: Tensor,
    xs: Sequence[Tensor],
    g: Any = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
    since: int | None = None,
) -> list[Tensor]:
    """Return d⟨g, y⟩/dx for each x in xs, as tensors, by one walk up the tape (reverse mode).

    `g` has the shape of y; a y of one entry needs none. xs may be leaves or recorded tensors; an x that y does not
    depend on gets zeros. With `create_graph` the walk is recorded and can be walked again; the tape is then kept,
    as it is with `retain_graph`. Operations older than tick `since` are not entered: what they gave is constant.

    >>> x = Tensor(np.array(3.0), requires_grad=True)
    >>> y = x * x * x
    >>> (dy,) = pull(y, [x], create_graph=True)
    >>> (d2y,) = pull(dy, [x])
    >>> float(dy.data), float(d2y.data)
    (27.0, 18.0)
    """
    walkable("pull", [y], xs)
    retain_graph = create_graph if retain_graph is None else retain_graph
    since = min(map(_time, xs), default=0) if since is None else since
    found = _pull(y, start("pull", y, g), xs, since, create_graph=create_graph, retain_graph=retain_graph)
    grads = {id(x): gx for x, gx in found}
    return [grads[id(x)] if id(x) in grads else zeros_like(x) for x in xs]


def _pull(
    y: Tensor, g: Tensor, xs: Sequence[Tensor] | None, since: int = 0, *, create_graph: bool, retain_graph: bool
) -> list[tuple[Tensor, Tensor]]:
    """The pairs (x, gradient) for the xs that y depends on; for every leaf, where no xs are named."""
    targets = None if xs is None else {id(x) for x in xs}
    tape = history([y], since)
    reached = None if targets is None else _downstream(tape, targets)
    unchanged(tape, targets, reached)
    freed_by = () if retain_graph else user_line()
    grads = {id(y): g}
    found = []
    with walking("up", tape, create_graph) as outer:
        while tape:  # popping lets go of each tensor as the walk passes
            t = tape.pop()
            g_t = grads.pop(id(t), None)
            if g_t is None or (reached is not None and id(t) not in reached):
                continue
            g_t = hooked(t, g_t) if listeners and listeners.get(id(t)) else g_t
            if (t.node is None or id(t) in retained) if targets is None else id(t) in targets:
                found.append((t, g_t))
            node = t.node
            if not isinstance(node, Node):
                continue
            state.within = outer or node.op
            wanted = [
                (i, x) for i, x in enumerate(node.inputs) if x.requires_grad and (reached is None or id(x) in reached)
            ]
            if state.watcher is not None:
                state.watcher.pulling(t, g_t)
            pulled = node.op.pull_back(g_t, t, wanted)
            if state.watcher is not None:
                state.watcher.pulled(t, wanted, [gx for _, gx in pulled])
            for x, gx in pulled:
                before = grads.get(id(x))
                grads[id(x)] = gx if before is None else add(before, gx)
            if not retain_graph:
                t.node = Freed(node.op.name, node.line, freed_by, [] if t.locked else leaves(t))
                if state.watcher is not None:
                    state.watcher.released(t)
            del t, g_t, node, wanted, pulled
    return found


def push(
    ys: Sequence[Tensor],
    xs: Sequence[Tensor],
    vs: Sequence[Any],
    *,
    create_graph: bool = False,
    tape: list[Tensor] | None = None,
) -> list[Tensor]:
    """Return the tangents of ys when xs move along vs, by one walk down the recorded tape (forward mode).

    Nothing is evaluated again, so one tape serves many directions: pass `tape=history(ys)` to sort it once. vs are
    tensors or arrays of the shapes of xs; None stands for zero. With `create_graph` the walk is recorded.

    >>> x = Tensor(np.array(3.0), requires_grad=True)
    >>> y = x * x * x
    >>> float(push([y], [x], [np.array(1.0)])[0].data)
    27.0
    """
    walkable("push", ys, xs, vs)
    tangents: dict[int, Tensor] = {}
    for i, (x, v) in enumerate(zip(xs, vs)):
        if v is not None:
            v = v if isinstance(v, Tensor) else like(v, x, "push")
            if v.shape != x.shape:
                raise ValueError(f"push: xs[{i}] has shape {x.shape}, its direction has shape {v.shape}")
            tangents[id(x)] = v
    tape = history(ys, since=min(map(_time, xs), default=0)) if tape is None else tape
    unchanged(tape, {id(x) for x in xs}, None)
    with walking("down", tape, create_graph) as outer:
        for y in tape:
            node = y.node
            if not isinstance(node, Node) or id(y) in tangents:
                continue
            ts = [tangents.get(id(x)) for x in node.inputs]
            if any(t is not None for t in ts):
                state.within = outer or node.op
                t = broadcast_to(node.op.push_on(ts, y), shape=y.shape)
                tangents[id(y)] = fit(t, y)
    return [tangents[id(y)] if id(y) in tangents else zeros_like(y) for y in ys]


# ---- the tape ----------------------------------------------------------------------------------------------------


def history(ys: Iterable[Tensor], since: int = 0) -> list[Tensor]:
    """Every tensor that the ys depend on through recorded operations, in order of creation: a topological order.

    What is older than tick `since`, but for leaves, is left out.
    """
    found = {id(y): y for y in ys}
    stack = list(found.values())
    while stack:
        node = stack.pop().node
        if isinstance(node, Node) and node.time >= since:
            for x in node.inputs:
                if x.requires_grad and id(x) not in found and not 0 < _time(x) < since:
                    found[id(x)] = x
                    stack.append(x)
    return sorted(found.values(), key=_time)


def _time(t: Tensor) -> int:
    return t.node.time if isinstance(t.node, Node) else 0


def _downstream(tape: list[Tensor], sources: Iterable[int]) -> set[int]:
    """The ids of the sources and of all on the tape that depends on them: gradients need to flow nowhere else."""
    reached = set(sources)
    for t in tape:
        if isinstance(t.node, Node) and any(id(x) in reached for x in t.node.inputs):
            reached.add(id(t))
    return reached
