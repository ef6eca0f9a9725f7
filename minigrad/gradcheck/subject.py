"""What is checked: a number that depends on named float arrays, evaluated anywhere, leaving no trace.

A model's parameters and buffers, or a function's arguments, are moved to float64 or complex128 for the time of the
check. Every evaluation starts from the same running statistics and the same random draws. It judges nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from .. import random, tree
from ..errors import shown
from ..ops.loss import cross_entropy
from ..tape import Array, Tensor, alias, mul, pull, push, recording, sum_to, total, tracing


class Subject:
    """A number y that depends on `leaves`, tensors called `names`, at the float64 arrays `start`.

    `at(points)` evaluates it; the walks that follow must come before the next `at`, which moves the leaves. `calls`
    are the walks that there are at order 1 and what they are called, the first of which is judged.
    """

    calls: ClassVar[dict[str, str]] = {"reverse": "the reverse walk", "forward": "the forward walk"}
    held = "minigrad's generators"
    taped = True
    terms = 0.0  # norm of the terms that y sums, where y itself may be small: round-off is relative to it

    def __init__(
        self,
        f: Callable[[], Any],
        names: Sequence[str],
        leaves: Sequence[Tensor],
        buffers: Sequence[Tensor],
        rewind: Callable[[], None],
        seed: int,
    ) -> None:
        self.f, self.names, self.leaves, self.rewind, self.seed = f, list(names), list(leaves), rewind, seed
        self.buffers = [(b, _wide(b.data)) for b in buffers]
        self.start = [_wide(x.data) for x in leaves]
        self.evaluations = 0
        self.value: list[Array] = []  # what f returned last, before it was contracted to one number
        self.misfits: dict[int, str] = {}  # what is wrong with the gradients of some leaves

    def at(self, points: Sequence[Array]) -> Tensor:
        """y with the leaves at `points`, recorded: f's result, contracted with a fixed random cotangent."""
        self.evaluations += 1
        kind = np.result_type(*points)
        for x, a in zip(self.leaves, points):
            x.assign(a)
        for b, a in self.buffers:
            b.assign(a.astype(kind if a.dtype.kind == "f" else a.dtype))
        self.rewind()
        with tracing(self.leaves):
            ys = tree.flatten(self.f())[0]
            for y in ys:
                if not isinstance(y, Tensor):
                    raise TypeError(
                        f"gradcheck: f returned {type(y).__name__}; it must return a tensor, or several; "
                        "of NumPy code, whose derivative you wrote too, give backward="
                    )
            self.value = [y._data for y in ys]
            # (not the numbers of default_rng(0), which may well be f's own arguments)
            return total(_contracted(y, np.random.default_rng([self.seed, 5, i])) for i, y in enumerate(ys))

    def gradient(self, y: Tensor, create_graph: bool = False) -> list[Tensor]:
        """dy/dleaf for every leaf, by the walk up. It keeps the tape."""
        if not y.requires_grad:
            return [Tensor(np.zeros_like(x.data)) for x in self.leaves]
        return pull(y, self.leaves, create_graph=create_graph, retain_graph=True)

    def slopes(self, y: Tensor) -> list[Array]:
        """The same as arrays, each of its leaf's shape."""
        return [g.data for g in self.gradient(y)]

    def tangents(self, ys: list[Tensor], vs: Sequence[Array | None], **options: Any) -> list[Tensor]:
        """The derivatives of ys along vs, by the walk down."""
        return push(ys, self.leaves, vs, **options)

    def along(self, points: Sequence[Array], vs: Sequence[Sequence[Array]], walk: str = "reverse") -> Tensor:
        """The derivative of y at `points` along each of vs in turn: of order len(vs), and recorded."""
        y = self.at(points)
        for v in vs:
            if walk == "forward":
                (y,) = self.tangents([y], v, create_graph=True)
            else:
                grads = self.gradient(y, create_graph=True)
                with recording(True):
                    y = total(sum_to(mul(g, Tensor(d)), shape=()) for g, d in zip(grads, v))
        return y


def _contracted(y: Tensor, rng: np.random.Generator) -> Tensor:
    return sum_to(y if y.size == 1 else mul(y, rng.standard_normal(y.shape)), shape=())


def _wide(a: Array) -> Array:
    """A copy of a, of float64 if it is a float array."""
    return a.astype(np.float64) if a.dtype.kind == "f" else a.copy()


def is_model(f: Any) -> bool:
    """Whether f owns parameters and is called on data."""
    return hasattr(f, "named_parameters")


@contextmanager
def subject(
    f: Callable,
    inputs: Sequence[Any],
    *,
    params: Any = None,
    loss: Callable | None = None,
    check_inputs: bool | None = None,
    seed: int = 0,
) -> Iterator[Subject]:
    """The Subject that gradcheck's arguments describe, for the block. After it, all is as it was, bit for bit."""
    named, buffers = _state(f, params)
    leaves, build = tree.flatten(list(inputs))
    args = [a if isinstance(a, Tensor) else _float_or_other(a) for a in leaves]
    for a in args:
        if isinstance(a, Tensor) and a.dtype.kind == "c":
            raise TypeError(
                f"gradcheck: an argument is {a.dtype}; the check itself steps into the complex plane: give floats"
            )
    args = [Tensor(_wide(a.data), True) if isinstance(a, Tensor) and a.dtype.kind == "f" else a for a in args]
    checked = [(n, p) for n, p in named if p.requires_grad]
    buffers = buffers + [p for _, p in named if not p.requires_grad]
    if check_inputs or (check_inputs is None and not named):
        names = list(argument_names(f, inputs))
        checked += [(n, a) for n, a in zip(names, args, strict=True) if isinstance(a, Tensor) and a.requires_grad]
    else:
        args = [a.detach() if isinstance(a, Tensor) else a for a in args]
    if not checked:
        raise ValueError(
            "gradcheck: there is nothing to check: give float arrays as arguments, or parameters that require grad"
        )
    names, tensors = [n for n, _ in checked], [t for _, t in checked]
    call = _call(f, lambda: build([_argument(a) for a in args]), loss)
    before = [(t, t._data, t.version, t.grad) for t in (*(p for _, p in named), *buffers)]
    try:
        with random.held() as rewind:
            yield Subject(call, names, tensors, buffers, rewind, seed)
    finally:
        for t, data, version, grad in before:
            t.assign(data, version)
            t.grad = grad


def _argument(a: Any) -> Any:
    """a; what is checked as f's own tensor, for f may go on in its place (x *= 2)."""
    return alias(a) if isinstance(a, Tensor) and a.requires_grad else a


def _call(f: Callable, args: Callable[[], list[Any]], loss: Callable | None) -> Callable[[], Any]:
    if not is_model(f):
        return (lambda: loss(f(*args()))) if loss else (lambda: f(*args()))

    def call() -> Any:
        x, *targets = args()
        measure = loss or (cross_entropy if targets else None)
        return f(x) if measure is None else measure(f(x), *targets)

    return call


def _state(f: Any, params: Any) -> tuple[list[tuple[str, Tensor]], list[Tensor]]:
    """The named parameters (f's own, or those given) and f's buffers."""
    buffers = [b for _, b in f.named_buffers()] if hasattr(f, "named_buffers") else []
    if params is None:
        return (list(f.named_parameters()) if is_model(f) else []), buffers
    if not isinstance(params, Iterable) or isinstance(params, str | Tensor | np.ndarray):
        raise TypeError(
            f"gradcheck: params is {shown(params)}; it must be a list of tensors, or a dict of them by name"
        )
    given: dict = params if isinstance(params, dict) else dict(enumerate(params))
    for name, p in given.items():
        if not isinstance(p, Tensor):
            raise TypeError(f"gradcheck: params[{name!r}] is {shown(p)}; it must be a tensor")
    if isinstance(params, dict):
        return list(given.items()), buffers
    own = {id(p): n for n, p in f.named_parameters()} if is_model(f) else {}
    named = [(own.get(id(p)) or p.name or f"params[{i}]", p) for i, p in given.items()]
    others = [p for _, p in f.named_parameters() if id(p) not in {id(q) for q in given.values()}] if is_model(f) else []
    return named, buffers + others


def _float_or_other(a: Any) -> Any:
    """A float number or array as a tensor; anything else (labels, sizes, None) as it is."""
    return Tensor(a) if np.asarray(a).dtype.kind in "fc" else a


def argument_names(f: Callable, inputs: Sequence[Any]) -> Iterator[str]:
    """The name of each leaf of the arguments: x, w[0], params['b']."""
    try:
        given = list(inspect.signature(f).bind(*inputs).arguments.items())
    except (TypeError, ValueError):
        given = []
    tops = [n for n, _ in given] if len(given) == len(inputs) else [f"input[{i}]" for i in range(len(inputs))]
    for name, value in zip(tops, inputs):
        yield from _paths(name, value)


def _paths(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, branch in value.items():
            yield from _paths(f"{name}[{key!r}]", branch)
    elif isinstance(value, (list, tuple)):
        for i, branch in enumerate(value):
            yield from _paths(f"{name}[{i}]", branch)
    else:
        yield name
