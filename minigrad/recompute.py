"""Memory for time: a block of which the tape keeps only what went in, and computes the rest once more on the way back.

Griewank, Walther 2000; Chen, Xu, Zhang, Guestrin 2016, "Training Deep Nets with Sublinear Memory Cost".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import random
from .errors import check_function, named, shown
from .tape import (
    Array,
    Node,
    Primitive,
    Tensor,
    Watcher,
    as_tensor,
    fit,
    history,
    look,
    pull,
    push,
    replay,
    state,
    tick,
    watching,
    wrap,
)


class Buffers(Watcher):
    """Remembers what the modules that are called keep besides their parameters, such as running statistics."""

    def __init__(self) -> None:
        self._before: list[tuple[Tensor, Array, int]] = []

    def entered(self, path: str, module: Any) -> None:
        if not path:
            self._before += [(b, b.read().copy(), b.version) for _, b in module.named_buffers()]

    def restore(self) -> None:
        """Put it back."""
        for b, data, version in reversed(self._before):
            if b.version != version or not np.array_equal(b.read(), data, equal_nan=True):
                b.assign(data, version)


class _Recomputed(Primitive):
    """f of its first inputs; the others are what f reads besides them. Every walk through it evaluates f again."""

    kind = "composition"
    numbers = None
    may_alias = foreign = False
    name = "checkpoint"

    def __init__(self, f: Callable, count: int, drawn: list[tuple[np.random.Generator, Any]], value: Array) -> None:
        self.composition, self.count, self.drawn, self.value = f, count, drawn, value

    def evaluate(self, inputs: tuple[Tensor, ...], params: dict[str, Any]) -> tuple[Tensor, Any]:
        return wrap(self.__dict__.pop("value")), None  # the tape needs it no longer

    def again(self, y: Tensor) -> tuple[Tensor, list[Tensor], int]:
        """The result on a tape that begins at a tick, the inputs that it was computed of, and that tick."""
        node: Any = y.node
        given, read = node.inputs[: self.count], node.inputs[self.count :]
        buffers, began = Buffers(), next(tick)
        with random.drawn_again(self.drawn), watching(buffers):
            z, aliases = replay(self.composition, given, {})
        buffers.restore()
        return z, [*aliases, *read], began

    def pull_back(self, g: Tensor, y: Tensor, wanted: list[tuple[int, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        z, xs, began = self.again(y)
        gs = pull(z, [xs[i] for i, _ in wanted], g, create_graph=state.recording, since=began)
        return [(x, fit(gx, x)) for (_, x), gx in zip(wanted, gs)]

    def push_on(self, ts: list[Tensor | None], y: Tensor) -> Tensor:
        z, xs, began = self.again(y)
        moved = [(x, t) for x, t in zip(xs, ts) if t is not None]
        return push(
            [z], [x for x, _ in moved], [t for _, t in moved], create_graph=state.recording, tape=history([z], began)
        )[0]


@named
def checkpoint(f: Callable, *xs: Any) -> Tensor:
    """f(*xs), of which the tape keeps only xs and what f reads (a model's parameters); walks compute the rest again.

    So a chain of blocks needs the memory of one block and of what lies between them, for one more evaluation. f is a
    function of tensors, or a module, that returns a tensor; what was computed before is given as an argument. The same numbers come out at every order: what f draws is drawn again
    (generators stand where they stood), and running statistics follow the batch once. Raises RuntimeError, on the way back,
    if a parameter was changed in between; ValueError if f reads a computed tensor that is no argument.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: mg.exp(mg.sin(x)), x).sum().backward()
    >>> bool(np.allclose(x.grad, np.exp(np.sin(x.data)) * np.cos(x.data)))
    True
    """
    check_function("checkpoint", "f", f)
    if not state.recording:
        return f(*xs)
    given = [as_tensor(x) for x in xs]
    began = next(tick)
    with random.drawing() as drawn:
        y, aliases = replay(f, given, {})
    if not isinstance(y, Tensor):
        raise TypeError(f"checkpoint: f returned {shown(y)}; it must return one tensor")
    if drawn:
        look("a checkpoint draws again")
    return _Recomputed(f, len(given), drawn, y._data)(*given, *_read(y, aliases, began))


def _read(y: Tensor, given: list[Tensor], began: int) -> list[Tensor]:
    """The leaves that y was computed of besides what was given: parameters."""
    seen, read, stack = {id(x) for x in given}, [], [y]
    while stack:
        x = stack.pop()
        if x.requires_grad and id(x) not in seen:
            seen.add(id(x))
            if x.node is None:
                read.append(x)
            elif isinstance(x.node, Node) and x.node.time >= began:
                stack.extend(x.node.inputs)
            else:
                raise ValueError(f"checkpoint: f reads what {x.node} computed before; give it as an argument")
    return read
