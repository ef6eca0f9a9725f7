"""A loss as a function of one flat vector: what every second-order method descends.

A method knows nothing of tensors. It asks an `Objective` for the `Point` at a vector x, and the point for its value, its
gradient and products with its curvature, each computed when it is first asked for, from one recorded evaluation.

Vectors are float64 whatever the parameters are, so that products of vectors are summed in float64. x itself is rounded
to numbers that the parameters can hold: differences of points and of gradients then belong to each other.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..calculus import linearize_ggn, linearize_grad
from ..tape import Array, Freed, Tensor, alias, history, pull, recording, tracing

Closure = Callable[[], Any]  # returns the loss; or (loss, outputs), for the Gauss–Newton matrix
Linearized = tuple[
    Any, list[Tensor] | None, Callable[..., list[Tensor]]
]  # loss, gradient if it is the loss's, products


class Exhausted(Exception):
    """The evaluations that were allowed are used up."""


class Counts:
    """How often the loss, its gradient and products with its curvature were computed."""

    def __init__(self) -> None:
        self.n_fev = self.n_gev = self.n_hvp = 0

    def add(self, other: Counts) -> None:
        """Count what another has counted."""
        self.n_fev += other.n_fev
        self.n_gev += other.n_gev
        self.n_hvp += other.n_hvp


class Objective:
    """A loss over a flat vector. `best` is the point of the lowest value seen, `eps` the relative round-off of values.

    `at` raises Exhausted instead of evaluating the loss more than `max_evaluations` times. `rewind` is called before
    each evaluation, so that random layers draw the same again.
    """

    def __init__(self, max_evaluations: int | None = None) -> None:
        self.max_evaluations = max_evaluations
        self.counts = Counts()
        self.best: Point | None = None
        self.eps = 0.0
        self.rewind: Callable[[], None] = lambda: None

    def at(self, x: Array) -> Point:
        """The point at x, its value computed."""
        if self.max_evaluations is not None and self.counts.n_fev >= self.max_evaluations:
            raise Exhausted
        self.counts.n_fev += 1
        self.rewind()
        with recording(True), np.errstate(all="ignore"):  # a trial may leave the loss's domain
            point = self._record(x)
        if math.isfinite(point.value) and (self.best is None or point.value < self.best.value):
            self.best = point
        return point

    def _record(self, x: Array) -> Point:
        raise NotImplementedError


class Function(Objective):
    """f, which takes a tensor of `shape` and `dtype` and returns one number."""

    def __init__(
        self, f: Callable[[Tensor], Tensor], shape: tuple[int, ...], dtype: Any, max_evaluations: int | None = None
    ) -> None:
        super().__init__(max_evaluations)
        self.f, self.shape, self.dtype = f, shape, dtype

    def _record(self, x: Array) -> Point:
        leaf = Tensor(x.astype(self.dtype).reshape(self.shape), True)
        with tracing([leaf]):
            y = self.f(alias(leaf))
        self.eps = self.eps or check_loss(y, [leaf], "minimize: f", "x")
        return Point(self.counts, y, [leaf])


class Loss(Objective):
    """What a closure returns, over the parameters `xs` that it reads, plus ½ decay · x² for each entry.

    Products are with the Hessian; with `gauss_newton`, where the closure returns (loss, outputs), with the Gauss–Newton
    matrix. A `curvature` closure takes the closure's place in products: it may look at fewer examples.
    """

    def __init__(
        self,
        closure: Closure,
        xs: list[Tensor],
        max_evaluations: int | None = None,
        *,
        decay: Array | float = 0.0,
        gauss_newton: bool = False,
        curvature: Closure | None = None,
    ) -> None:
        super().__init__(max_evaluations)
        self.closure, self.xs, self.decay = closure, xs, decay
        self.gauss_newton, self.curvature = gauss_newton, curvature
        self._last: Callable[[], Tensor | None] = lambda: None

    def _record(self, x: Array) -> Point:
        if not np.array_equal(x, flat(self.xs)):
            for p, a in zip(self.xs, split(x, self.xs)):
                p.assign(a)
        found = self.closure()
        if self.gauss_newton and not (isinstance(found, tuple) and len(found) == 2):
            raise TypeError(f"the closure returned a {type(found).__name__}; for Gauss–Newton return (loss, outputs)")
        y = found[0] if self.gauss_newton else found
        self.eps = self.eps or check_loss(y, self.xs, "the closure", "the parameters")
        if y is self._last():
            raise RuntimeError("the closure returned the loss that it returned before; compute it inside the closure")
        self._last = weakref.ref(y)
        return Point(self.counts, y, self.xs, self._linearize(found), self.decay, self.curvature is not None)

    def _linearize(self, found: Any) -> Callable[[], Linearized] | None:
        rule, xs, rewind, other = (
            linearize_ggn if self.gauss_newton else linearize_grad, self.xs, self.rewind, self.curvature,
        )  # fmt: skip
        if other is None:
            return (lambda: rule(lambda: found, xs)) if self.gauss_newton else None

        def sampled() -> Linearized:
            rewind()
            with recording(True):
                found = other()
            return None, None, rule(lambda: found, xs)[2]

        return sampled


def check_loss(y: Any, xs: Sequence[Tensor], f: str, x: str) -> float:
    """The round-off of y, the loss that f returned first. Raises TypeError or ValueError if it cannot be minimized."""
    if not isinstance(y, Tensor):
        raise TypeError(f"{f} returned a {type(y).__name__}; it must return a tensor, computed from {x} by minigrad")
    if y.size != 1:
        raise ValueError(f"{f} returned shape {y.shape}; it must return one number: reduce it, e.g. by .sum()")
    if y.dtype.kind != "f":
        raise TypeError(f"{f} returned dtype {y.dtype}; it must return a real float")
    if isinstance(y.node, Freed):
        raise RuntimeError(f"{f} walked its loss; return it without calling backward, which is done for you")
    if {id(t) for t in history([y])}.isdisjoint(map(id, xs)):
        raise ValueError(
            f"{f} returned a loss that does not depend on {x}; compute it from {x} in each call, by minigrad, "
            "and not under no_grad, from detached tensors or by a compiled function"
        )
    eps = max(np.finfo(t.dtype).eps for t in (y, *xs))
    return float(eps)


class Point:
    """A vector x and the loss there: `value`, and the recorded evaluation that its derivatives are drawn from.

    `linearize` returns the loss, its gradient and products with the curvature: the Hessian of y, if not given. It
    returns products only if they are `sampled`, that is, of another loss.
    """

    def __init__(
        self,
        counts: Counts,
        y: Tensor,
        xs: Sequence[Tensor],
        linearize: Callable[[], Linearized] | None = None,
        decay: Array | float = 0.0,
        sampled: bool = False,
    ) -> None:
        self.x = flat(xs)
        self.value = float(y._data.reshape(()))
        self._decay, self._sampled = decay, sampled
        if np.any(decay):
            self.value += 0.5 * float(self.x @ (decay * self.x))
        self._counts, self._y, self._xs, self._linearize = counts, y, xs, linearize
        self._placed = [(x._data, x.version) for x in xs]
        self._gradient: Array | None = None
        self._products: Callable[..., list[Tensor]] | None = None
        self.released = False

    def place(self) -> None:
        """Put the parameters back to where they stood when the loss was recorded."""
        for p, (array, version) in zip(self._xs, self._placed):
            if p._data is not array or p.version != version:
                p.assign(array, version)

    @property
    def finite(self) -> bool:
        """Whether the value and the gradient are."""
        return math.isfinite(self.value) and bool(np.isfinite(self.gradient).all())

    @property
    def gradient(self) -> Array:
        """The gradient, a vector."""
        if self._gradient is None:
            self.place()
            with np.errstate(all="ignore"):
                grads = pull(self._y, self._xs, retain_graph=True) if self._y.requires_grad else None
            self._take(grads)
        return self._gradient  # type: ignore[return-value]

    def _take(self, grads: Sequence[Tensor] | None) -> None:
        self._counts.n_gev += 1
        self._gradient = (flat(grads) if grads else np.zeros_like(self.x)) + self._decay * self.x

    def record(self) -> None:
        """Record the gradient as it is drawn, if products are to be drawn from it."""
        if not self._sampled:
            self._record()

    def _record(self) -> None:
        if self._products is not None or not self._y.requires_grad:
            return
        self.place()
        y, xs = self._y, self._xs
        with np.errstate(all="ignore"):
            _, grads, self._products = self._linearize() if self._linearize else linearize_grad(lambda: y, xs)
        if grads is not None and self._gradient is None:
            self._take(grads)

    def product(self, v: Array) -> Array:
        """The curvature times v: a walk or two over the tape of the gradient, which is recorded once."""
        self._record()
        self._counts.n_hvp += 1
        if self._products is None:
            return self._decay * v
        self.place()
        with np.errstate(all="ignore"):
            return flat(self._products(*split(v, self._xs))) + self._decay * v

    def release(self) -> None:
        """Let go of the tape. The value and the gradient stay; products are over."""
        if self.released:
            return
        if math.isfinite(self.value):
            self.gradient  # noqa: B018
        self._y, self._products, self._linearize, self.released = Tensor(0.0), None, None, True


def flat(tensors: Sequence[Tensor]) -> Array:
    """The entries of all tensors, as one float64 vector of its own."""
    if len(tensors) == 1:
        return tensors[0]._data.astype(np.float64).ravel()
    return np.concatenate([t._data.ravel() for t in tensors], dtype=np.float64)


def split(v: Array, like: Sequence[Tensor]) -> list[Array]:
    """The vector v, cut into arrays of the shapes and dtypes of `like`."""
    if len(like) == 1:
        return [v.reshape(like[0].shape).astype(like[0].dtype)]
    ends = np.cumsum([t.size for t in like])
    return [v[b - t.size : b].reshape(t.shape).astype(t.dtype) for t, b in zip(like, ends)]
