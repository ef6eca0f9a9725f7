"""What `explain` was given, run once: its arguments as tensors with names, its result as one number on a tape.

Afterwards generators and running statistics stand where they stood. Nothing here walks back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import random, tree
from ..errors import shown
from ..gradcheck import Report, gradcheck
from ..gradcheck.subject import argument_names, is_model
from ..ops.loss import cross_entropy
from ..tape import Freed, Node, Tensor, history, recording, tracing, watching, where_is
from .by_hand import by_hand
from .record import Forward


class Run:
    """The function, model or result to explain, and what it is run on."""

    def __init__(self, f: Any, args: Sequence[Any], loss: Callable | None, backward: Callable | None) -> None:
        if not callable(f) and not isinstance(f, Tensor):
            raise TypeError(f"explain: f is {shown(f)}; it must be a function, a model, or a number computed on a tape")
        if isinstance(f, Tensor) and (args or loss is not None):
            raise TypeError(f"explain: f is {shown(f)}, computed already; it takes no arguments: give the function")
        if backward is not None and (is_model(f) or isinstance(f, Tensor)):
            raise TypeError(f"explain: with backward=, f is a function of NumPy arrays, not {shown(f)}")
        self.f, self.loss, self.backward, self.given = f, loss, backward, list(args)
        leaves, self.build = tree.flatten(self.given)
        self.reads = bool(args) and not is_model(f) and _takes_none(f)
        self.args = [a if self.reads else self._argument(a) for a in leaves]
        if args and not is_model(f) and not self.reads and not any(isinstance(a, Tensor) for a in self.args):
            raise ValueError(
                f"explain: no argument asks for a gradient ({', '.join(map(shown, args))}): give floats (2.0, not 2), float "
                "arrays, or tensors with requires_grad=True"
            )
        called, passed = (f.forward, args[:1]) if is_model(f) else (f, args)
        names = [] if self.reads or not args else list(argument_names(called, passed))
        self.names = {id(a): name for a, name in zip(self.args, names) if isinstance(a, Tensor)}
        if is_model(f):
            self.names |= {id(p): name for name, p in f.named_parameters()}

    def _argument(self, a: Any) -> Any:
        """A float number or array as a leaf, which asks for a gradient unless it is data of a model; all else as it is."""
        if isinstance(a, Tensor):
            return a
        array = np.asarray(a)
        if array.dtype.kind not in "f":
            return a
        return Tensor(array, requires_grad=not is_model(self.f))

    def forward(self) -> tuple[Tensor, Forward]:
        """The result, and what was seen on the way to it."""
        if isinstance(self.f, Tensor):
            return _one_number(self.f), Forward()
        from ..kernels.progress import report as compiling  # it knows Numba, which `import minigrad` does not wait for

        seen, spent = Forward(), compiling.seconds
        with random.held() as rewind:
            y = self._call(seen)
            if compiling.seconds != spent:  # the times would be those of compiling
                seen.restore()
                rewind()
                seen = Forward()
                y = self._call(seen)
            seen.restore()
        return _one_number(y), seen

    def _call(self, seen: Forward) -> Any:
        args = [] if self.reads else self.build(self.args)
        sources = [a for a in self.args if isinstance(a, Tensor) and a.requires_grad]
        if is_model(self.f):
            sources += [p for _, p in self.f.named_parameters() if p.requires_grad]
        with watching(seen), tracing(sources), recording(True):
            if not is_model(self.f):
                f = self.f if self.backward is None else by_hand(self.f, self.backward)
                y = f(*args)
                return y if self.loss is None else self.loss(y)
            x, *targets = args
            y = self.f(x)
            measure = self.loss or (cross_entropy if targets else None)
            return y if measure is None else measure(y, *targets)

    def directions(self, y: Tensor, direction: Any) -> dict[int, Any]:
        """How each leaf moves, by id: all ones, if nothing is given."""
        leaves = [x for x in history([y]) if x.node is None]
        if direction is None:
            return {id(x): np.ones_like(x.read()) for x in leaves}
        if is_model(self.f):
            names = {name: p for name, p in self.f.named_parameters() if p.requires_grad}
        else:
            named = {self.names.get(id(a), str(i)): a for i, a in enumerate(self.args)}
            names = {n: a for n, a in named.items() if isinstance(a, Tensor) and a.requires_grad}
            names = names or {x.name or str(i): x for i, x in enumerate(leaves)}
        if isinstance(direction, dict) and set(direction) <= set(names):
            given = [(names[name], name, v) for name, v in direction.items()]
        else:
            vs = tree.flatten(direction)[0]
            if len(vs) == 1 and len(names) != 1:
                vs = [direction]
            if len(vs) != len(names):
                told = (
                    f"{len(vs)} arrays"
                    if not isinstance(direction, dict)
                    else f"arrays for {', '.join(map(str, direction))}"
                )
                raise ValueError(f"explain: direction has {told}; give one for each of {', '.join(names)}")
            given = [(x, name, v) for (name, x), v in zip(names.items(), vs)]
        found = {}
        for x, name, v in given:
            array = np.asarray(v.data if isinstance(v, Tensor) else v)
            if array.shape != x.shape or array.dtype.kind not in "fiu":
                raise ValueError(
                    f"explain: direction of {name} is {shown(array)}; it must be an array of shape {x.shape}"
                )
            found[id(x)] = array.astype(x.dtype)
        return found

    def check(self, y: Tensor, names: dict[int, str]) -> Report:
        """The gradient check of the same function, at the same place."""
        if isinstance(self.f, Tensor):
            raise ValueError("explain: check needs the function, to evaluate it elsewhere; this is its result only")
        options: dict[str, Any] = {"loss": self.loss, "backward": self.backward, "curves": True}
        if is_model(self.f) or (self.args and not self.reads):
            return gradcheck(self.f, *self.given, **options)
        leaves = {names.get(id(x)) or x.name or f"leaf[{i}]": x for i, x in enumerate(history([y])) if x.node is None}
        return gradcheck(self.f, params=leaves, **options)


def _takes_none(f: Callable) -> bool:
    try:
        return not inspect.signature(f).parameters
    except (TypeError, ValueError):
        return False


def _one_number(y: Any) -> Tensor:
    if not isinstance(y, Tensor):
        raise TypeError(f"explain: f returned {shown(y)}; it must return a tensor")
    if isinstance(y.node, Freed):
        freed = f"{y.node.name} ({where_is(y.node.line)}) has been freed by the backward at {where_is(y.node.freed_by)}"
        raise RuntimeError(f"explain: the tape of {freed}; explain first, or pass retain_graph=True to it")
    if y.size != 1:
        raise ValueError(
            f"explain: the result has shape {y.shape}; backpropagation begins with one number: return a sum or a mean, give "
            "labels to a model, or loss="
        )
    if not y.requires_grad or not isinstance(y.node, Node):
        raise ValueError(
            "explain: nothing that the result was computed of asks for a gradient; tensors with requires_grad=True, "
            "floats given as arguments, and parameters of a model do"
        )
    return y
