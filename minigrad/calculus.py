"""Derivatives of functions, in a few lines each: every one is a walk of `tape/walks.py` or two.

A function takes tensors, or nested lists, tuples and dicts of tensors, and returns a tensor. Where it takes no
arguments, the derivative is with respect to tensors that it reads: a loss and the parameters of a model.

Results are tensors (in the structure of what was differentiated). They are recorded, so that they can be
differentiated again, when they are computed inside a function that is itself being differentiated, or when an
argument requires grad. A function that makes a number or an array of what depends on its arguments, `float(x)`, would lose
their derivative there: that raises TypeError (`leave` in tape/tensor.py).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import ops, tree
from .errors import check_function, named, shown
from .tape import Node, Tensor, alias, as_tensor, history, pull, push, recording, replay, state, tracing, zeros_like


class _Traced(NamedTuple):
    """A function that was recorded: its value y, on the leaves xs that it is differentiated by."""

    y: Tensor
    xs: list[Tensor]
    build: Callable[[list], Any]  # gives a list like xs the structure of what was differentiated
    nested: bool  # whether what is computed from the tape is recorded in its turn

    @property
    def value(self) -> Tensor:
        """y, cut off from the tape if nothing outside goes on with it."""
        return self.y if self.nested else self.y.detach()

    def scalar(self, name: str) -> Tensor:
        """y, if it is one number."""
        if self.y.size != 1:
            raise ValueError(
                f"{name}: f returned shape {self.y.shape}; it must return one number (use .sum(), or jacobian)"
            )
        return self.y


def _on_arguments(f: Callable, args: Sequence[Any], argnums: Any = None) -> _Traced:
    """f recorded on aliases of the chosen arguments, or of all."""
    chosen = range(len(args)) if argnums is None else argnums
    leaves, build = tree.flatten(tuple(args[i] for i in chosen))
    leaves = [_differentiable(x) for x in leaves]
    nested = bool(state.traced) or (state.recording and any(x.requires_grad for x in leaves))
    with recording(True):
        xs = [alias(x if x.requires_grad else Tensor(x._data, True)) for x in leaves]
    args = list(args)
    for i, arg in zip(chosen, build(xs)):
        args[i] = arg
    return _Traced(_run(f, args, xs), xs, build, nested)


def _on_params(f: Callable, args: Sequence[Any], params: Sequence[Tensor]) -> _Traced:
    """f recorded on parameters that it reads."""
    xs, build = tree.flatten(params)
    for i, p in enumerate(xs):
        if not isinstance(p, Tensor) or not p.requires_grad:
            raise TypeError(f"params[{i}] is not a tensor that requires grad, but {shown(p)}: it has no derivative")
    if len({id(p) for p in xs}) < len(xs):
        raise ValueError("params: one tensor stands there twice; give each once, however often it is used")
    nested = bool(state.traced)
    return _Traced(_run(f, args, xs), xs, build, nested)


def _run(f: Callable, args: Sequence[Any], xs: Sequence[Tensor]) -> Tensor:
    check_function("grad", "f", f)
    with tracing(xs):
        y = f(*args)
    if not isinstance(y, Tensor):
        raise TypeError(f"f returned {type(y).__name__}; a function to differentiate must return a tensor")
    return y


def _differentiable(x: Any) -> Tensor:
    x = as_tensor(x)
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
    return _on_params(f, (), xs) if _takes_none(f) else _on_arguments(f, tuple(xs))


def _gradients(traced: _Traced, g: Any = None, *, create_graph: bool | None = None) -> list[Tensor]:
    if not traced.y.requires_grad:
        return [zeros_like(x) for x in traced.xs]
    keep = traced.nested if create_graph is None else create_graph
    return pull(traced.y, traced.xs, g, create_graph=keep, retain_graph=True)


@named
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

    check_function("grad", "f", f)

    def value_and_gradient(*args: Any) -> tuple[Tensor, Any]:
        if params is not None:
            traced = _on_params(f, args, params)
        else:
            chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
            if any(not -len(args) <= i < len(args) for i in chosen):
                raise ValueError(f"grad: argnums={argnums}, but the function was called with {len(args)} arguments")
            traced = _on_arguments(f, args, [i % len(args) for i in chosen])
        traced.scalar("grad")
        grads = traced.build(_gradients(traced))
        return traced.value, grads[0] if params is None and isinstance(argnums, int) else grads

    value_and_gradient.__name__ = "value_and_grad"
    return named(value_and_gradient)


@named
def grad(f: Callable, argnums: int | Sequence[int] = 0, *, params: Sequence[Tensor] | None = None) -> Callable:
    """Return the function that computes the gradient of f, which returns one number; see `value_and_grad`.

    >>> cube = lambda x: x**3
    >>> [g(2.0).item() for g in (grad(cube), grad(grad(cube)), grad(grad(grad(cube))))]
    [12.0, 12.0, 6.0]
    """
    both = value_and_grad(f, argnums, params=params)

    def gradient(*args: Any) -> Any:
        return both(*args)[1]

    gradient.__name__ = "grad"
    return named(gradient)


@named
def vjp(f: Callable, *xs: Any) -> tuple[Tensor, Callable[[Any], Any]]:
    """Return f(*xs) and `pull`: pull(g) is the tuple of gradients d⟨g, f⟩/dx, one for each x (reverse mode).

    >>> y, pull = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pull(np.array([1.0, 10.0]))[0].data
    array([ 2., 40.])
    """
    traced = _on_arguments(f, xs)
    return traced.value, lambda g: traced.build(_gradients(traced, g))


@named
def linearize(f: Callable, *xs: Any, params: Sequence[Tensor] | None = None) -> tuple[Tensor, Callable[..., Tensor]]:
    """Return f(*xs) and `tangent`: tangent(*vs) is the derivative of f along vs (forward mode).

    f is evaluated once; each tangent is one walk down its tape. With `params`, f takes no arguments and the vs are
    directions of the parameters.

    >>> y, tangent = linearize(lambda x: x * x, np.array([1.0, 2.0]))
    >>> tangent(np.array([1.0, 0.0])).data, tangent(np.array([0.0, 1.0])).data
    (array([2., 0.]), array([0., 4.]))
    """
    traced = _on_arguments(f, xs) if params is None else _on_params(f, xs, params)
    return traced.value, _pushed(traced, [traced.y], lambda t: t[0])


def _pushed(traced: _Traced, ys: list[Tensor], build: Callable[[list[Tensor]], Any]) -> Callable[..., Any]:
    tape = history(ys)

    @named
    def tangent(*vs: Any) -> Any:
        directions = tree.flatten(vs)[0]
        _check_count("linearize", directions, traced.xs)
        return build(push(ys, traced.xs, directions, create_graph=traced.nested, tape=tape))

    return tangent


def _check_count(name: str, directions: list[Any], xs: list[Tensor]) -> None:
    if len(directions) != len(xs):
        raise ValueError(f"{name}: {len(directions)} directions were given for {len(xs)} inputs")


@named
def jvp(f: Callable, xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Tensor, Tensor]:
    """Return f(*xs) and its derivative along vs (forward mode).

    >>> y, t = jvp(lambda x: x**3, (2.0,), (1.0,))
    >>> y.item(), t.item()
    (8.0, 12.0)
    """
    traced = _traced(f, xs)
    return traced.value, _pushed(traced, [traced.y], lambda t: t[0])(*vs)


@named
def linearize_grad(f: Callable, xs: Sequence[Any]) -> tuple[Tensor, Any, Callable[..., Any]]:
    """Return f, its gradient and `hvp`: hvp(*vs) is the Hessian of f times vs, by one walk down the gradient's tape.

    What conjugate gradients and Lanczos need: the gradient is recorded once, then products are cheap.
    """
    traced = _traced(f, xs)
    traced.scalar("hvp")
    grads = _gradients(traced, create_graph=True)
    structured = traced.build(grads)
    return traced.y, structured, _pushed(traced, grads, traced.build)


@named
def hvp(f: Callable, xs: Sequence[Any], vs: Sequence[Any]) -> Any:
    """Return the Hessian of f at xs times vs, in the structure of xs: forward over reverse.

    xs are the arguments of f; or, if f takes none, the parameters that it reads. f returns one number.

    >>> hvp(lambda x: (x**3).sum(), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))[0].data
    array([ 6., 12.])
    """
    if len(xs) != len(vs):
        raise ValueError(f"hvp: {len(vs)} directions were given for {len(xs)} inputs")
    return linearize_grad(f, xs)[2](*vs)


@named
def linearize_ggn(f: Callable, xs: Sequence[Any]) -> tuple[Tensor, Any, Callable[..., Any]]:
    """Return the loss, its gradient and `product`: product(*vs) is the Gauss–Newton matrix Jᵀ H J times vs.

    f returns (loss, outputs): one number, and the tensor it was computed from, or a list of them. J is the derivative
    of the outputs, H the Hessian of the loss as a function of the outputs (Schraudolph 2002). xs are the arguments of
    f; or, if it takes none, the parameters that it reads. Everything is recorded once; a product is a walk down from
    xs to the outputs, one down the loss's own second tape, and one up. What the loss reads of xs around the outputs (a
    penalty on the weights) counts as an output. Raises ValueError when the loss was computed from something else.

    >>> w, x = np.array([1.0, 2.0]), np.array([[1.0, 1.0], [0.0, 2.0]])
    >>> def f(w):
    ...     z = ops.linalg.matmul(x, w)
    ...     return (z * z).sum(), z
    >>> loss, (gradient,), product = linearize_ggn(f, (w,))
    >>> product(np.array([1.0, 0.0]))[0].data, 2 * x.T @ x @ [1, 0]  # the Hessian, where outputs are linear in w
    (array([2., 2.]), array([2., 2.]))
    """
    traced, product = _gauss_newton(f, xs)
    return traced.y, traced.build(_gradients(traced)), product


def _gauss_newton(f: Callable, xs: Sequence[Any]) -> tuple[_Traced, Callable[..., Any]]:
    outputs: list[Tensor] = []

    @functools.wraps(f)
    def loss(*args: Any) -> Tensor:
        pair = f(*args)
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"ggnvp: f returned {type(pair).__name__}; it must return a pair: (loss, outputs)")
        outputs.extend(tree.flatten(pair[1])[0])
        return pair[0]

    traced = _traced(loss, xs)
    traced.scalar("ggnvp")
    points, loss_of = _split(traced.y, outputs, traced.xs)
    value, zs = replay(loss_of, points, {})
    slopes = pull(value, zs, create_graph=True)
    assert isinstance(zs[0].node, Node)
    tape, loss_tape = history(points), history(slopes, since=zs[0].node.time)
    with recording(True):
        joined = _joined(points)

    def product(*vs: Any) -> Any:
        directions = tree.flatten(vs)[0]
        _check_count("ggnvp", directions, traced.xs)
        down = push(points, traced.xs, directions, create_graph=traced.nested, tape=tape)
        gs = push(slopes, zs, down, create_graph=traced.nested, tape=loss_tape)
        with recording(traced.nested):
            g = _joined(gs)
        return traced.build(pull(joined, traced.xs, g, create_graph=traced.nested, retain_graph=True))

    return traced, product


def _split(loss: Tensor, outputs: list[Tensor], xs: list[Tensor]) -> tuple[list[Tensor], Callable[..., Tensor]]:
    """The points where the tape is cut, which are the outputs and the xs that the loss reads itself; and the loss as
    a function of them, which records its part of the tape again."""
    stops = {id(x) for x in (*outputs, *xs)}
    tape, needed = history([loss]), {id(loss)}
    for t in reversed(tape):
        if id(t) in needed and id(t) not in stops and isinstance(t.node, Node):
            needed.update(id(x) for x in t.node.inputs)
    for i, z in enumerate(outputs):
        if id(z) not in needed or not z.requires_grad:
            raise ValueError(
                f"ggnvp: the loss was not computed from outputs[{i}], or that does not depend on what is "
                "differentiated; return the very tensor that went into the loss"
            )
    points = [t for t in tape if id(t) in needed and id(t) in stops]
    between = [(t, t.node) for t in tape if id(t) in needed and id(t) not in stops]

    def loss_of(*zs: Tensor) -> Tensor:
        made = {id(p): z for p, z in zip(points, zs)}
        for t, node in between:
            if isinstance(node, Node):
                made[id(t)] = node.op(*(made.get(id(x), x) for x in node.inputs), **node.params)
        return made[id(loss)]

    return points, loss_of


def _joined(ts: list[Tensor]) -> Tensor:
    """One tensor of the entries of all, so that one walk up serves them."""
    return ts[0] if len(ts) == 1 else ops.shape.concat([ops.shape.reshape(t, (-1,)) for t in ts])


@named
def ggnvp(f: Callable, loss: Callable[[Any], Tensor], xs: Sequence[Any], vs: Sequence[Any]) -> Any:
    """Return the Gauss–Newton matrix of loss(f(*xs)) times vs, in the structure of xs; see `linearize_ggn`.

    f returns the outputs, a tensor or a list of them, which `loss` makes into one number. xs are the arguments of f;
    or, if f takes none, the parameters that it reads.

    >>> ggnvp(ops.elementwise.exp, lambda z: (z * z).sum(), (np.zeros(2),), (np.array([1.0, 3.0]),))[0].data
    array([2., 6.])
    """

    @functools.wraps(f)
    def both(*args: Any) -> tuple[Tensor, Any]:
        outputs = f(*args)
        return loss(outputs), outputs

    if len(xs) != len(vs):
        raise ValueError(f"ggnvp: {len(vs)} directions were given for {len(xs)} inputs")
    return _gauss_newton(both, xs)[1](*vs)


@named
def jacobian(f: Callable, argnum: int = 0) -> Callable[..., Tensor]:
    """Return the function that computes df/dx for argument `argnum`, of shape f.shape + x.shape.

    It walks down once for each entry of x or up once for each entry of f, whichever are fewer.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0])).data
    array([[2., 0.],
           [0., 4.]])
    """

    def jacobian_of(*args: Any) -> Tensor:
        traced = _on_arguments(f, args, [argnum])
        if len(traced.xs) != 1:
            raise TypeError(f"jacobian: {shown(args[argnum])} must be one tensor; use vjp or jvp for nested arguments")
        (x,), y = traced.xs, traced.y
        if x.size < y.size:
            tangent = _pushed(traced, [y], lambda t: t[0])
            columns = [tangent(e) for e in _basis(x)]
            return ops.shape.reshape(ops.shape.stack(columns, axis=y.ndim), (*y.shape, *x.shape)) if columns else y
        rows = [_gradients(traced, e)[0] for e in _basis(y)]
        return ops.shape.reshape(ops.shape.stack(rows), (*y.shape, *x.shape))

    jacobian_of.__name__ = "jacobian"
    return named(jacobian_of)


def _basis(x: Tensor) -> list[np.ndarray]:
    return list(np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape))


@named
def hessian(f: Callable, argnum: int = 0) -> Callable[..., Tensor]:
    """Return the function that computes the matrix of second derivatives of f, of shape x.shape + x.shape.

    >>> hessian(lambda x: (x[0] ** 2) * x[1])(np.array([1.0, 3.0])).data
    array([[6., 2.],
           [2., 0.]])
    """

    def hessian_of(*args: Any) -> Tensor:
        traced = _on_arguments(f, args, [argnum])
        if len(traced.xs) != 1:
            raise TypeError(f"hessian: {shown(args[argnum])} must be one tensor; use hvp for nested arguments")
        traced.scalar("hessian")
        grads = _gradients(traced, create_graph=True)
        (x,) = traced.xs
        tangent = _pushed(traced, grads, lambda t: t[0])
        return ops.shape.reshape(ops.shape.stack([tangent(e) for e in _basis(x)]), (*x.shape, *x.shape))

    hessian_of.__name__ = "hessian"
    return named(hessian_of)


@named
def per_example_grad(f: Callable, params: Sequence[Tensor], *batch: Any) -> list[Tensor]:
    """Return the gradients of f on each example by each parameter: tensors of shape (N, *p.shape).

    `batch` are arrays or tensors of N examples each. f is given them as tensors, one example at a time, as batches of one, and returns
    a number: their mean is the gradient of the mean loss, where f treats examples by themselves (batch norm in training
    does not). It costs N small steps.

    >>> w = Tensor(np.array([1.0, 2.0]), True)
    >>> (g,) = per_example_grad(lambda x, y: ((x @ w - y) ** 2).sum(), [w], np.eye(2), np.zeros(2))
    >>> g.data
    array([[2., 0.],
           [0., 4.]])
    """
    examples = [as_tensor(a) for a in batch]
    lengths = {a.shape[0] if a.ndim else 0 for a in examples}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"per_example_grad: the batch is {', '.join(map(shown, batch))}; give one length, above 0")
    found = []
    for i in range(lengths.pop()):
        traced = _on_params(f, [a[i : i + 1] for a in examples], params)
        traced.scalar("per_example_grad")
        found.append(_gradients(traced))
    return [ops.shape.stack(list(gs)) for gs in zip(*found)]
