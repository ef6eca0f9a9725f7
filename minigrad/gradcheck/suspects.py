"""Which primitive is wrong: each one on the tape is checked alone, on the inputs it was recorded with."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from ..ops.elementwise import sin
from ..tape import Array, Node, Tensor, history, where_is
from .report import UNEXPLAINED, WRONG, Row, Suspect
from .subject import Subject

Check = Callable[[Subject, int, int], list[Row]]
_MOST = 400  # primitives looked at


def suspects(subject: Subject, order: int, check: Check, directions: list[list[Array]]) -> list[Suspect]:
    """The primitives wrong by themselves at the lowest order at which any is; empty if all are right.

    They come from the tape of the derivative of order `order` − 1, so rules that only backward walks use are looked
    at as well.
    """
    nodes = list(itertools.islice(_distinct(subject, directions[: order - 1]), _MOST))
    for k in range(1, order + 1):
        found = [s for t in nodes for s in _alone(t, k, check, subject.seed)]
        if found:
            return found
    return []


def _distinct(subject: Subject, directions: list[list[Array]]) -> Iterator[Tensor]:
    """One recorded tensor for each operation, line and shapes."""
    tapes = [history([subject.at(subject.start)])]
    if directions:
        with contextlib.suppress(ValueError, TypeError, IndexError):  # a walk that fails: the first tape has the rule
            tapes.append(history([subject.along(subject.start, directions)]))
    seen = set()
    for t in itertools.chain(*tapes):
        if isinstance(t.node, Node):
            key = t.node.op, where_is(t.node.line), tuple(x.shape for x in t.node.inputs)
            if key not in seen:
                seen.add(key)
                yield t


def _alone(t: Tensor, order: int, check: Check, seed: int) -> list[Suspect]:
    node = t.node
    assert isinstance(node, Node)
    places = [i for i, x in enumerate(node.inputs) if x.requires_grad]

    def suspect(i: int, walk: str, got: float | None, expected: float | None, detail: str = "") -> Suspect:
        return Suspect(node.op.name, where_is(node.line), node.scope, i, order, walk, got, expected, detail)

    misfits = [(i, _misfit(t, node, i)) for i in places] if order == 1 else []
    if any(said for _, said in misfits):
        return [suspect(i, "reverse", None, None, said) for i, said in misfits if said]

    leaves = [Tensor(node.inputs[i].data, True) for i in places]
    scale = float(np.abs(t.data).max(initial=0.0)) or 1.0

    def f() -> Tensor:
        inputs = list(node.inputs)
        for i, x in zip(places, leaves):
            inputs[i] = x
        y = node.op(*inputs, **node.params)
        return y if order == 1 else sin(y * (1 / scale))  # bent: a linear operation too has derivatives of every order

    found = []
    for row in check(Subject(f, [str(i) for i in places], leaves, [], lambda: None, seed), order, 4):
        # (an operation of the library's own may hold constant what it was given, such as moments, that moves with x)
        if (row.verdict == WRONG or (row.verdict == UNEXPLAINED and node.op.foreign)) and row.order == order:
            if row.worst:
                worst = row.worst[0]
                found.append(suspect(int(row.name), worst.walk, worst.got, worst.expected))
            else:
                found.append(suspect(int(row.name), "reverse", None, None, row.detail))
    return found


def _misfit(t: Tensor, node: Node, i: int) -> str:
    """What is wrong with the shape or dtype of the gradient that a rule gives for input i, before the walk fits it."""
    if node.op.vjp is None:
        return ""
    x = node.inputs[i]
    try:
        g = node.op.vjp(i, Tensor(np.ones_like(t.data)), t, *node.inputs, **node.params)
    except (ValueError, TypeError, IndexError):
        return ""  # it raises in the check itself, which says so
    tail = zip(reversed(g.shape), reversed(x.shape))
    fits = g.dtype == x.dtype and g.ndim >= x.ndim and all(n in (m, 1) for m, n in tail)
    return "" if fits else f"its gradient is {g.dtype} {g.shape}, the input {x.dtype} {x.shape}"
