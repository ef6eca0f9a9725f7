"""A forward and a backward written by hand on NumPy arrays, as a subject: its walk up is that backward.

There is no tape, so nothing is known but what the two functions return and what they do to the arrays they are given.
Which mistake was made is told by mistakes.py.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import random, tree
from ..errors import shown
from ..tape import Array, Tensor
from .subject import Subject, _wide, argument_names

Call = tuple[list[Array], list[Any], list[Any]]  # cotangents, cache, and the arguments that forward was given


class Pair(Subject):
    """forward(*inputs), of which the NumPy arrays of floats are checked, and its backward.

    Each call of forward is given copies of all arguments, and starts from the same state of NumPy's global generator.
    """

    calls = {"backward": "backward"}  # noqa: RUF012 never changed
    held = "NumPy's global generator and minigrad's"
    taped = False

    def __init__(
        self, forward: Callable, backward: Callable, inputs: Sequence[Any], rewind: Callable[[], None], seed: int
    ) -> None:
        self.backward, self.inputs = backward, [a.data if isinstance(a, Tensor) else a for a in inputs]
        self.places = [i for i, a in enumerate(self.inputs) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        if not self.places:
            given = ", ".join(map(shown, inputs)) or "no arguments"
            raise ValueError(f"gradcheck: there is nothing to check: give forward arrays of floats (given {given})")
        self.arguments = list(argument_names(forward, [None] * len(inputs)))
        leaves = [Tensor(_wide(self.inputs[i])) for i in self.places]
        super().__init__(forward, [self.arguments[i] for i in self.places], leaves, [], rewind, seed)
        self.returned: list[Any] = []  # what backward returned last, by leaf
        self.views: set[int] = set()  # which of it lies in the memory of dout

    def at(self, points: Sequence[Array]) -> Tensor:
        """What forward returns at the points, contracted with fixed random cotangents."""
        self.evaluations += 1
        self.rewind()
        args = copy.deepcopy([None if i in self.places else a for i, a in enumerate(self.inputs)])
        for i, a in zip(self.places, points):
            args[i] = a.copy()
        found = self.f(*args)
        if isinstance(found, tuple) and len(found) < 2:
            raise TypeError(f"gradcheck: forward returned {shown(found)}; it must return out, or (out, …, cache)")
        outs, cache = (found[:-1], [found[-1]]) if isinstance(found, tuple) else ([found], args)
        self.value = [_output(out) for out in outs]
        douts = self.cotangents()
        self.called: Call = douts, cache, args
        terms = [(a * d).ravel() for a, d in zip(self.value, douts)]
        self.terms = float(np.sqrt(sum((np.abs(t) ** 2).sum() for t in terms)))
        return Tensor(np.asarray(sum(t.sum() for t in terms)))

    def cotangents(self) -> list[Array]:
        """One for each output: a NumPy number for a number."""
        rngs = [np.random.default_rng([self.seed, 5, i]) for i in range(len(self.value))]
        return [rng.standard_normal(a.shape)[()] for rng, a in zip(rngs, self.value)]

    def slopes(self, y: Tensor) -> list[Array]:
        """What backward returns for each leaf; not-a-numbers for what is no gradient, of which `misfits` tells."""
        self.returned = self._backward(self.called)
        count = len(self.returned)
        if count != len(self.names):
            several = f"{count} gradients" if count != 1 else "one gradient"
            said = f"backward returns {several}; it must return one for each of {', '.join(self.names)}"
            self.misfits, self.returned = dict.fromkeys(range(len(self.names)), said), []
        else:
            self.misfits = {p: said for p, g in enumerate(self.returned) if (said := self._misfit(p, g))}
            self.views = {p for p, g in enumerate(self.returned) if _overlap(g, self.called[0])}
        return [
            np.full(a.shape, np.nan) if p in self.misfits else np.array(self.returned[p])
            for p, a in enumerate(self.start)
        ]

    def _backward(self, call: Call) -> list[Any]:
        douts, cache, _ = call
        found = self.backward(*douts, *cache)
        return list(found) if isinstance(found, tuple | list) else [found]

    def _misfit(self, p: int, g: Any) -> str:
        a = np.asarray(g)
        if a.shape == self.start[p].shape and a.dtype == np.float64:
            return ""
        if a.shape == self.start[p].shape and a.dtype.kind in "fiu":
            return f"backward gives {a.dtype} where {self.names[p]} is float64"
        return f"backward gives {shown(g)}, but {self.names[p]} is {shown(self.start[p])}"

    def misconduct(self) -> tuple[str, list[int]]:
        """What the two do to what is not theirs, which is wrong however right the gradients are; and of which leaves."""
        with contextlib.suppress(ValueError, TypeError, IndexError), np.errstate(all="ignore"):
            self.at(self.start)
            call, kept = self.called, copy.deepcopy(self.called)
            here = [i for i, p in enumerate(self.places) if not _same(call[2][p], self.start[i])]
            if here:
                return f"forward changes {self.names[here[0]]} in place", here[:1]
            grads = self._backward(call)
            for what, given, before in zip(("dout", "its cache"), call, kept):
                for a, b in zip(tree.flatten(given)[0], tree.flatten(before)[0]):
                    if isinstance(a, np.ndarray) and not _same(a, b):
                        name = next((self.names[i] for i, p in enumerate(self.places) if call[2][p] is a), what)
                        mine = [i for i, g in enumerate(grads) if _overlap(g, [a])]
                        return f"backward changes {name} in place", mine or [0]
            first = copy.deepcopy(grads)
            self.at([a.ravel()[::-1].reshape(a.shape) for a in self.start])
            self._backward(self.called)
            for i, (a, b) in enumerate(zip(grads, first)):
                if not _same(a, b):
                    return "backward gives out an array that its next call overwrites", [i]
            for i, (a, b) in enumerate(zip(self._backward(kept), first)):
                if not _same(a, b):
                    return "backward does not go by its arguments alone, but by what another call left behind", [i]
        return "", []


def _same(a: Any, b: Any) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind in "fc")


def _overlap(g: Any, arrays: list[Any]) -> bool:
    return isinstance(g, np.ndarray) and any(np.shares_memory(g, a) for a in arrays if isinstance(a, np.ndarray))


def _output(out: Any) -> Array:
    a = np.asarray(out)
    if a.dtype not in (np.float64, np.complex128):
        said = "float64 arrays" if a.dtype.kind == "f" else "arrays of floats: out, or (out, …, cache)"
        raise TypeError(f"gradcheck: forward returned {shown(out)} for float64 arguments; it must return {said}")
    return a


@contextmanager
def pair(forward: Callable, backward: Callable, inputs: Sequence[Any], seed: int) -> Iterator[Pair]:
    """The Pair, for the block. NumPy's global generator is held, and stands afterwards where it stood."""
    state = np.random.get_state()  # noqa: NPY002 students draw from it
    with random.held() as rewind:

        def again() -> None:
            rewind()
            np.random.set_state(state)  # noqa: NPY002

        try:
            yield Pair(forward, backward, inputs, again, seed)
        finally:
            np.random.set_state(state)  # noqa: NPY002
