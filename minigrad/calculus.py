"""Derivatives of functions, in a few lines each: every one is a walk of `tape.py` or two.

A function takes tensors, or nested lists, tuples and dicts of tensors, and returns a tensor. Where it takes no
arguments, the derivative is with respect to tensors that it reads: a loss and the parameters of a model.

Results are tensors (in the structure of what was differentiated). They are recorded, so that they can be
differentiated again, when they are computed inside a function that is itself being differentiated, or when an
argument requires grad.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import ops, tree
from .tape import Tensor, alias, history, pull, push, recording, state, zeros_like


class _Traced:
    """A function's value y, recorded on `xs`: its differentiable leaves (aliases of the arguments, or parameters)."""

    def __init__(self, f: Callable, args: Sequence[Any], params: Sequence[Tensor] | None = None, argnums: Any = None):
        if params is not None:
            self.xs, self.build = tree.flatten(params)
            for i, p in enumerate(self.xs):
                if not isinstance(p, Tensor) or not p.requires_grad:
                    raise TypeError(f"params[{i}] is not a tensor that requires grad, so nothing can be differentiated")
            self.nested = state.depth > 0
            self.y = _run(f, args)
            return
        chosen = range(len(args)) if argnums is None else argnums
        leaves, self.build = tree.flatten(tuple(args[i] for i in chosen))
        leaves = [_differentiable(x) for x in leaves]
        self.nested = state.depth > 0 or (state.recording and any(x.requires_grad for x in leaves))
        with recording(True):
            self.xs = [alias(x if x.requires_grad else Tensor(x._data, True)) for x in leaves]
        args = list(args)
        for i, arg in zip(chosen, self.build(self.xs)):
            args[i] = arg
        self.y = _run(f, args)

    def scalar(self, name: str) -> Tensor:
        if self.y.size != 1:
            raise ValueError(
                f"{name}: f returned shape {self.y.shape}; it must return one number (use .sum(), or jacobian)"
            )
        return self.y


def _run(f: Callable, args: Sequence[Any]) -> Tensor:
    state.depth += 1
    try:
        with recording(True):
            y = f(*args)
    finally:
        state.depth -= 1
    if not isinstance(y, Tensor):
        raise TypeError(f"f returned {type(y).__name__}; a function to differentiate must return a tensor")
    return y


def _differentiable(x: Any) -> Tensor:
    x = x if isinstance(x, Tensor) else Tensor(x)
    if x.dtype.kind not in "fc":
        raise TypeError(f"an argument has dtype {x.dtype}; derivatives need a float dtype, e.g. x.astype('float64')")
    return x


def _takes_none(f: Callable) -> bool:
    try:
        return not inspect.signature(f).parameters
    except (TypeError, ValueError):
        return False


def _traced(f: Callable, xs: Any) -> _Traced:
    """f recorded on its arguments xs; or, if it takes none, on the parameters xs that it reads."""
    return _Traced(f, (), xs) if _takes_none(f) else _Traced(f, tuple(xs))


def _gradients(traced: _Traced, g: Any = None, *, create_graph: bool | None = None) -> list[Tensor]:
    if not traced.y.requires_grad:
        return [zeros_like(x) for x in traced.xs]
    keep = traced.nested if create_graph is None else create_graph
    return pull(traced.y, traced.xs, g, create_graph=keep, retain_graph=True)


def value_and_grad(
    f: Callable, argnums: int | Sequence[int] = 0, *, params: Sequence[Tensor] | None = None
) -> Callable[..., tuple[Tensor, Any]]:
    """Return the function that computes f and its gradient with respect to argument `argnums`, or to `params`.

    f returns one number. The gradient has the structure of the argument (a tuple of them for several argnums; a
    list for params).

    >>> y, dy = value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    >>> y.item(), dy.data
    (5.0, array([2., 4.]))
    """

    def value_and_gradient(*args: Any) -> tuple[Tensor, Any]:
        if params is not None:
            traced = _Traced(f, args, params)
            y, grads = traced.scalar("grad"), traced.build(_gradients(traced))
        else:
            chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
            if any(not -len(args) <= i < len(args) for i in chosen):
                raise ValueError(f"grad: argnums={argnums}, but the function was called with {len(args)} arguments")
            traced = _Traced(f, args, argnums=[i % len(args) for i in chosen])
            y, grads = traced.scalar("grad"), traced.build(_gradients(traced))
            grads = grads[0] if isinstance(argnums, int) else grads
        return y if traced.nested else y.detach(), grads

    return value_and_gradient


def grad(f: Callable, argnums: int | Sequence[int] = 0, *, params: Sequence[Tensor] | None = None) -> Callable:
    """Return the function that computes the gradient of f, which returns one number; see `value_and_grad`.

    >>> cube = lambda x: x**3
    >>> [g(2.0).item() for g in (grad(cube), grad(grad(cube)), grad(grad(grad(cube))))]
    [12.0, 12.0, 6.0]
    """
    both = value_and_grad(f, argnums, params=params)
    return lambda *args: both(*args)[1]


def vjp(f: Callable, *xs: Any) -> tuple[Tensor, Callable[[Any], Any]]:
    """Return f(*xs) and `pull`: pull(g) is the tuple of gradients d⟨g, f⟩/dx, one for each x (reverse mode).

    >>> y, pull = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pull(np.array([1.0, 10.0]))[0].data
    array([ 2., 40.])
    """
    traced = _Traced(f, xs)
    return traced.y if traced.nested else traced.y.detach(), lambda g: traced.build(_gradients(traced, g))


def linearize(f: Callable, *xs: Any, params: Sequence[Tensor] | None = None) -> tuple[Tensor, Callable[..., Tensor]]:
    """Return f(*xs) and `tangent`: tangent(*vs) is the derivative of f along vs (forward mode).

    f is evaluated once; each tangent is one walk down its tape. With `params`, f takes no arguments and the vs are
    directions of the parameters.

    >>> y, tangent = linearize(lambda x: x * x, np.array([1.0, 2.0]))
    >>> tangent(np.array([1.0, 0.0])).data, tangent(np.array([0.0, 1.0])).data
    (array([2., 0.]), array([0., 4.]))
    """
    traced = _Traced(f, xs, params)
    return traced.y if traced.nested else traced.y.detach(), _pushed(traced, [traced.y], lambda t: t[0])


def _pushed(traced: _Traced, ys: list[Tensor], build: Callable[[list[Tensor]], Any]) -> Callable[..., Any]:
    tape = history(ys)

    def tangent(*vs: Any) -> Any:
        directions = tree.flatten(vs)[0]
        if len(directions) != len(traced.xs):
            raise ValueError(f"linearize: {len(directions)} directions were given for {len(traced.xs)} inputs")
        return build(push(ys, traced.xs, directions, create_graph=traced.nested, tape=tape))

    return tangent


def jvp(f: Callable, xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """Return f(*xs) and its derivative along vs (forward mode).

    >>> y, t = jvp(lambda x: x**3, (2.0,), (1.0,))
    >>> y.item(), t.item()
    (8.0, 12.0)
    """
    traced = _traced(f, xs)
    return traced.y if traced.nested else traced.y.detach(), _pushed(traced, [traced.y], lambda t: t[0])(*vs)


def linearize_grad(f: Callable, xs: Sequence[Any]) -> tuple[Tensor, Any, Callable[..., Any]]:
    """Return f, its gradient and `hvp`: hvp(*vs) is the Hessian of f times vs, by one walk down the gradient's tape.

    What conjugate gradients and Lanczos need: the gradient is recorded once, then products are cheap.
    """
    traced = _traced(f, xs)
    traced.scalar("hvp")
    grads = _gradients(traced, create_graph=True)
    structured = traced.build(grads)
    return traced.y, structured, _pushed(traced, grads, traced.build)


def hvp(f: Callable, xs: Sequence[Any], vs: Sequence[Any]) -> Any:
    """Return the Hessian of f at xs times vs, in the structure of xs: forward over reverse.

    xs are the arguments of f; or, if f takes none, the parameters that it reads. f returns one number.

    >>> hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))[0].data
    array([ 6., 12.])
    """
    if len(xs) != len(vs):
        raise ValueError(f"hvp: {len(vs)} directions were given for {len(xs)} inputs")
    return linearize_grad(f, xs)[2](*vs)


def jacobian(f: Callable, argnum: int = 0) -> Callable[..., Tensor]:
    """Return the function that computes df/dx for argument `argnum`, of shape f.shape + x.shape.

    It walks down once for each entry of x or up once for each entry of f, whichever are fewer.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0])).data
    array([[2., 0.],
           [0., 4.]])
    """

    def jacobian_of(*args: Any) -> Tensor:
        traced = _Traced(f, args, argnums=[argnum])
        if len(traced.xs) != 1:
            raise TypeError("jacobian: the argument must be one tensor; use vjp or jvp for nested arguments")
        (x,), y = traced.xs, traced.y
        if x.size < y.size:
            tangent = _pushed(traced, [y], lambda t: t[0])
            columns = [tangent(e) for e in _basis(x)]
            return ops.shape.reshape(ops.shape.stack(columns, axis=y.ndim), (*y.shape, *x.shape)) if columns else y
        rows = [_gradients(traced, e)[0] for e in _basis(y)]
        return ops.shape.reshape(ops.shape.stack(rows), (*y.shape, *x.shape))

    return jacobian_of


def _basis(x: Tensor) -> list[np.ndarray]:
    return list(np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape))


def hessian(f: Callable, argnum: int = 0) -> Callable[..., Tensor]:
    """Return the function that computes the matrix of second derivatives of f, of shape x.shape + x.shape.

    >>> hessian(lambda x: (x[0] ** 2) * x[1])(np.array([1.0, 3.0])).data
    array([[6., 2.],
           [2., 0.]])
    """

    def hessian_of(*args: Any) -> Tensor:
        traced = _Traced(f, args, argnums=[argnum])
        if len(traced.xs) != 1:
            raise TypeError("hessian: the argument must be one tensor; use hvp for nested arguments")
        traced.scalar("hessian")
        grads = _gradients(traced, create_graph=True)
        (x,) = traced.xs
        tangent = _pushed(traced, grads, lambda t: t[0])
        return ops.shape.reshape(ops.shape.stack([tangent(e) for e in _basis(x)]), (*x.shape, *x.shape))

    return hessian_of
