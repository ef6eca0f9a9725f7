"""What a model is made of and what one recorded pass of it costs, measured on the tape."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import random, tree
from ..explain.memory import held, owner
from ..notebook import Table
from ..ranges import check
from ..tape import Array, Node, Tensor, history, recording, state
from .module import MODULE, Module, Parameter, holdings
from .residual import StochasticDepth, expected_depth


class Row(NamedTuple):
    """One module: its path and class, the shape of its output (None if it was not called), its own parameters, and the
    bytes that the tape keeps for its own operations until the backward walk has passed."""

    path: str
    kind: str
    shape: tuple[int, ...] | None
    parameters: int
    kept: int


class Summary(Table, list[Row]):
    """The rows of a summary; it is shown as a table with a line of totals.

    `depth` is (expected, all): how many branches with stochastic depth are executed on average in training, of how many.
    """

    depth: tuple[float, int] = (0, 0)
    _text_columns = 3
    _total = True

    @property
    def parameters(self) -> int:
        """The number of parameters of the whole model, shared ones counted once."""
        return sum(row.parameters for row in self)

    @property
    def kept(self) -> int:
        """The bytes that the tape of one pass keeps, beyond the parameters and the inputs."""
        return sum(row.kept for row in self)

    def _cells(self) -> tuple[list[Sequence[str]], list[str]]:
        rows: list[Sequence[str]] = [("module", "class", "output", "parameters", "kept for backward")]
        for r in self:
            output = "not called" if r.shape is None else str(r.shape)
            rows.append((r.path or "(model)", r.kind, output, f"{r.parameters:,}", _bytes(r.kept)))
        rows.append(("total", "", "", f"{self.parameters:,}", _bytes(self.kept)))
        expected, branches = self.depth
        depth = f"stochastic depth: {expected:.4g} of {branches} branches expected in training"
        return rows, [depth] if expected < branches else []


def summary(model: Module, *inputs: Any) -> Summary:
    """Call model(*inputs), in the mode it is in, and return a row for each module.

    Works on a copy, and rewinds random generators: the model is left as it was. `kept` is measured, not estimated:
    the arrays that the tape holds, each counted once, at the operation that made it.

    >>> from minigrad import nn
    >>> nn.summary(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), np.ones((2, 3), np.float32))
    module   class       output  parameters  kept for backward
    ----------------------------------------------------------
    (model)  Sequential  (2, 4)           0                0 B
    0        Linear      (2, 4)          16               32 B
    1        Tanh        (2, 4)           0               32 B
    ----------------------------------------------------------
    total                                16               64 B
    """
    check("summary", MODULE, model=model)
    model = copy.deepcopy(model)
    named = model.named_modules()
    shapes: dict[int, tuple[int, ...]] = {}
    for _, m in named:
        if hasattr(m, "forward"):  # a list of modules has none
            m.forward = _watched(m, m.forward, shapes)
    before, state.scope = state.scope, ""
    try:
        with random.held(), recording(True):
            y = model(*inputs)
    finally:
        state.scope = before
    given = [x.data if isinstance(x, Tensor) else x for x in inputs if isinstance(x, Tensor | np.ndarray)]
    free = {id(owner(a)) for a in [*given, *(x.read() for x in [*model.parameters(), *model.buffers()])]}
    kept: dict[str, int] = {}
    for scope, a in _held_arrays(y):
        if id(a) not in free:
            free.add(id(a))
            kept[scope] = kept.get(scope, 0) + a.nbytes
    rows, counted = Summary(), set[int]()
    rows.depth = expected_depth(model), sum(isinstance(m, StochasticDepth) for _, m in named)
    for path, m in named:
        own = {id(x): x.size for _, x in holdings(vars(m)) if isinstance(x, Parameter) and id(x) not in counted}
        counted |= own.keys()
        rows.append(Row(path, type(m).__name__, shapes.get(id(m)), sum(own.values()), kept.get(path, 0)))
    return rows


def _watched(m: Module, forward: Callable[..., Any], shapes: dict[int, tuple[int, ...]]) -> Callable[..., Any]:
    def watched(*args: Any, **kwargs: Any) -> Any:
        y = forward(*args, **kwargs)
        if isinstance(y, Tensor):
            shapes[id(m)] = y.shape
        return y

    return watched


def _held_arrays(y: Any) -> Iterator[tuple[str, Array]]:
    """(scope, memory) for everything that the nodes behind y hold on to."""
    for t in history([t for t in tree.flatten(y)[0] if isinstance(t, Tensor)]):
        if isinstance(t.node, Node):
            yield from ((t.node.scope, a) for a in held(t))


def _bytes(n: float) -> str:
    """n bytes to read: 950 B, 12.3 kB, 4.56 MB."""
    units = iter(["B", "kB", "MB", "GB"])
    unit = next(units)
    while n >= 1000 and unit != "GB":
        n, unit = n / 1000, next(units)
    return f"{n:.3g} {unit}"
