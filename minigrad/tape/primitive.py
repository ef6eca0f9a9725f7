"""Primitives: recorded functions of ndarrays, each with its derivative stated once, in one of three kinds.

Rules are written in tensor operations, so what a walk computes can itself be recorded and walked again: every order of
derivative exists by construction. Of mathematics there is only what the chain rule itself needs: paths add up (`add`),
a slope multiplies (`mul`), copies add up (`sum_to` and `broadcast_to`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from types import MethodType
from typing import Any, ClassVar

import numpy as np

from ..errors import FORWARD_ERRORS, check_function, declaring, explained, respelt, shown
from .convert import by_way_of
from .dtypes import DOUBLE, ENTRIES, INTEGERS, REALS, SINGLE
from .node import HOME, Node, user_line
from .stale import of_arrays, stamp, views
from .tensor import VALUED, Array, Tensor, compute, fresh, rules, tensors, wrap
from .watch import constant, state, tick

_array = attrgetter("_data")


class Primitive:
    """A recorded function of ndarrays: positional arguments are differentiable, keyword arguments are parameters.

    A call asks it to `evaluate`, a walk up to `pull_back`, a walk down to `push_on`. One of `elementwise`, `linear` and
    `general` fills in `vjp(i, g, y, *inputs, **params)`, the gradient for input i, and `jvp(ts, y, *inputs, **params)`,
    the tangent of y. `branch`, if given, returns the decisions that a piecewise function took, so that a gradient check
    can tell a kink from a mistake. `may_alias` says whether the result may lie in the memory of an input, `numbers` what it
    computes integers and float16 in (dtypes.py), `statement` is the derivative as it was declared, `foreign` whether it is a user's own: it takes all dtypes itself, and none
    of its arrays is trusted not to change.
    """

    registry: ClassVar[dict[str, Primitive]] = {}  # the library's own, which the tests certify
    kind = "undeclared"
    statement: Sequence[Any] = ()  # the partials, the adjoints, or the rules up
    composition: Any = None  # what a fused primitive equals
    vjp: Callable | None = None
    jvp: Callable | None = None
    branch: Callable | None = None

    def __init__(self, forward: Callable) -> None:
        check_function("primitive", "forward", forward)
        functools.update_wrapper(self, forward)
        self.forward = forward
        self.name = getattr(forward, "__name__", type(forward).__name__).strip("_").removeprefix("composed_")
        ours = getattr(getattr(forward, "__code__", None), "co_filename", "").startswith(HOME)
        self.may_alias = self.foreign = not ours
        self.numbers = REALS if ours else None
        if ours:
            Primitive.registry[self.name] = self

    def __call__(self, *args: Any, **params: Any) -> Tensor:
        inputs: tuple[Tensor, ...] = args
        try:
            for a in args:
                # a number, an array, a value that is put off; or of another dtype
                if type(a) not in VALUED or ((d := a._data.dtype) is not SINGLE and d is not DOUBLE):
                    inputs = tensors(args)
                    if (elsewhere := by_way_of(self, inputs, params)) is not None:
                        return elsewhere
                    break
            y, saved = self.evaluate(inputs, params)
        except FORWARD_ERRORS as error:
            if params and isinstance(error, TypeError) and (again := respelt(self, args, params)) is not None:
                return self(*again[0], **again[1])
            raise explained(error, self.name, map(shown, inputs), params)  # noqa: B904 it has its cause
        y.locked = not self.may_alias or (not self.foreign and all(x.locked for x in inputs))
        if state.recording and not y.requires_grad:
            for x in inputs:
                if x.requires_grad:
                    y.requires_grad = True
                    stamps = tuple([stamp(x) for x in inputs]) + (of_arrays(params, y) if self.foreign else ())
                    line = user_line()
                    fields = (self, inputs, params, saved, stamps, next(tick), line, state.scope, state.within)
                    y.node = tuple.__new__(Node, fields)
                    return y
        return y if y.locked else views(y, inputs)

    def evaluate(self, inputs: tuple[Tensor, ...], params: dict[str, Any]) -> tuple[Tensor, Any]:
        """The result, not recorded yet, and what to save for the walks."""
        rule = rules.get(self.forward)
        y = None if rule is None else rule(*inputs, **params)
        if y is None and state.watcher is None:  # as dispatch does, with fewer calls
            y = self.forward(*map(_array, inputs), **params)
            if type(y) is Array:
                return fresh(y), None
        elif y is None:
            y = compute(self.forward, inputs, params)
        return wrap(y), None

    def pull_back(self, g: Tensor, y: Tensor, wanted: list[tuple[int, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        """The pairs (x, gradient) of the wanted inputs (i, x), from the gradient of y."""
        if self.vjp is None:
            raise NotImplementedError(f"{self.name}: no derivative is declared; use elementwise, linear or general")
        if len(wanted) > 1:
            g._data  # noqa: B018 several rules read it: if it is put off, it is computed once
        node: Any = y.node
        return [(x, fit(self.vjp(i, g, y, *node.inputs, **node.params), x)) for i, x in wanted]

    def push_on(self, ts: list[Tensor | None], y: Tensor) -> Tensor:
        """The tangent of y, from those of its inputs; None stands for zero."""
        if self.jvp is None:
            raise NotImplementedError(f"{self.name}: no derivative is declared")
        node: Any = y.node
        return self.jvp(ts, y, *node.inputs, **node.params)

    def __get__(self, x: Any, owner: type | None = None) -> Any:
        return self if x is None else MethodType(self, x)  # a primitive can be a method, as a function can

    def __reduce__(self) -> str:  # a copy is itself
        return self.__qualname__  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<{self.kind} primitive {self.name}>"


def primitive(forward: Callable) -> Primitive:
    """Return the recorded form of a function of ndarrays; then declare its derivative once.

    Positional arguments are arrays, keyword-only arguments are parameters. The same door serves the library and its
    users. Keep the function complex-analytic (branch on the real part) and every check applies to it.

    >>> @primitive
    ... def cube(x):
    ...     return x**3
    >>> elementwise(cube, lambda y, x: mul(3.0, mul(x, x)))
    >>> x = Tensor(np.array(2.0), requires_grad=True)
    >>> cube(x).backward()
    >>> float(x.grad)
    12.0
    """
    return Primitive(forward)


@declaring
def elementwise(op: Primitive, *partials: Callable | float) -> None:
    """Declare op entry by entry: `partials[i](y, *inputs, **params)` is dy/dx_i. Up: g·d. Down: t·d.

    A partial that is the same everywhere may be given as a number.
    """

    def along(d: Callable | float) -> Callable:
        if callable(d):
            return lambda t, y, *xs, **k: mul(t, d(y, *xs, **k))
        return lambda t, y, *xs, **k: t if d == 1 else mul(t, d)

    both = [along(d) for d in partials]  # the same up and down
    general(op, both, both)
    op.kind, op.statement = "elementwise", partials


@declaring
def linear(op: Primitive, *adjoints: Callable, jointly: bool = False) -> None:
    """Declare op linear in each argument: up goes `adjoints[i](g, y, *inputs, **params)`, down goes op itself.

    `jointly` says that op is linear in all its arguments together (concat), so their tangents go through it at once;
    a single adjoint `(i, g, y, *inputs, **params)` then serves any number of arguments.
    """
    op.kind, op.statement = "linear", adjoints
    if jointly:
        (op.vjp,) = adjoints
        op.jvp = lambda ts, y, *xs, **k: op(*(zeros_like(x) if t is None else t for t, x in zip(ts, xs)), **k)
    else:
        op.vjp = lambda i, g, y, *xs, **k: adjoints[i](g, y, *xs, **k)
        op.jvp = lambda ts, y, *xs, **k: total(
            op(*xs[:i], t, *xs[i + 1 :], **k) for i, t in enumerate(ts) if t is not None
        )


@declaring
def general(op: Primitive, vjps: Sequence[Callable], jvps: Sequence[Callable]) -> None:
    """Declare both rules: `vjps[i](g, y, *inputs, **params)` for input i, `jvps[i](t, y, *inputs, **params)` likewise."""
    op.kind, op.statement = "general", vjps
    op.vjp = lambda i, g, y, *xs, **k: vjps[i](g, y, *xs, **k)
    op.jvp = lambda ts, y, *xs, **k: total(d(t, y, *xs, **k) for t, d in zip(ts, jvps) if t is not None)


def fit(g: Tensor, x: Tensor) -> Tensor:
    """Undo what broadcasting and dtype promotion did between x and g."""
    if g.shape != x.shape:
        g = sum_to(g, shape=x.shape)
    if g.dtype != x.dtype and g.dtype.kind == x.dtype.kind:
        g = cast(g, dtype=x.dtype)
    return g


# ---- what the chain rule itself needs ----------------------------------------------------------------------------


@primitive
def add(a: Array, b: Array) -> Array:
    """a + b, with broadcasting."""
    return a + b


elementwise(add, 1, 1)


@primitive
def mul(a: Array, b: Array) -> Array:
    """a · b entry by entry, with broadcasting."""
    return a * b


elementwise(mul, lambda y, a, b: b, lambda y, a, b: a)


@primitive
def _sum_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    lead = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[lead:])):
        raise ValueError(f"sum_to: {shape} does not broadcast to {x.shape}, so there are no copies to add up")
    ones = tuple(i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1)
    return np.add.reduce(x, axis=(*range(lead), *ones), keepdims=True).reshape(shape)


@primitive
def _broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(x, shape)


@primitive
def _cast(x: Array, *, dtype: Any) -> Array:
    # a complex step keeps its imaginary part
    return x.astype(np.result_type(dtype, np.complex64) if x.dtype.kind == "c" else dtype)


@primitive
def alias(x: Array) -> Array:
    """x itself, as a tensor of its own: a walk can stop here, or a name be given."""
    return x


def sum_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """x summed over its broadcast axes down to `shape`: the adjoint of `broadcast_to`."""
    return x if type(shape) is tuple and isinstance(x, Tensor) and x.shape == shape else _sum_to(x, shape=shape)


def broadcast_to(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """x repeated to `shape` by NumPy's broadcasting: the adjoint of `sum_to`."""
    same = type(shape) is tuple and isinstance(x, Tensor) and x.shape == shape
    return x if same else _broadcast_to(x, shape=tuple(shape) if isinstance(shape, list) else shape)


def cast(x: Tensor, *, dtype: Any) -> Tensor:
    """x in another dtype; its own adjoint."""
    return x if x.dtype == dtype else _cast(x, dtype=np.dtype(dtype))


add.numbers = mul.numbers = _sum_to.numbers = INTEGERS
_broadcast_to.numbers = _cast.numbers = alias.numbers = ENTRIES
linear(_sum_to, lambda g, y, x, *, shape: broadcast_to(g, shape=x.shape))
_broadcast_to.may_alias = alias.may_alias = True
linear(_broadcast_to, lambda g, y, x, *, shape: sum_to(g, shape=x.shape))
linear(_cast, lambda g, y, x, *, dtype: cast(g, dtype=x.dtype))
linear(alias, lambda g, y, x: g)


def zeros_like(x: Tensor) -> Tensor:
    """A constant of x's shape and dtype, all zero."""
    return Tensor(constant(np.zeros_like(x._data)))


def total(tensors: Iterable[Tensor]) -> Tensor:
    """The sum of one or more tensors."""
    return functools.reduce(add, tensors)
