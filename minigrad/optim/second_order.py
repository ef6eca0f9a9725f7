"""Second-order methods as optimizers of parameters: each `step(closure)` is a descent of some iterations.

The methods are those of `descent.py`, on the parameters as one vector. What this file adds is what parameters need:
groups, state that is saved and resumed exactly, and a guard against closures that are not functions of the parameters.

Within a step the loss is one function. Random layers draw the same in each evaluation, and anew in the next step;
`buffers` (`model.buffers()`, the running statistics of batch norm) are put back before each evaluation. After the step
both stand where the evaluation at its start left them, as after a step of first order.

Vectors, and the products in them, are float64. Parameters keep their dtype: a float32 network is evaluated in float32,
and a search takes values that differ by a few of float32's round-offs for equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import KW_ONLY
from typing import Annotated, Any, Literal

import numpy as np

from .. import random
from ..declared import ONCE, Count, CountOrNone, NotNegative
from ..errors import named, shown, warn
from ..ranges import check, instance
from ..tape import Array, Tensor, effectful
from . import descent
from .hyperparameters import Curvature, Damping, Forcing, History, OnReject, Products
from .optimizer import Optimizer, Params, entries
from .vector import Closure, Counts, Loss, Point, flat, split


class SecondOrder(Optimizer):
    """Base of the optimizers below. `step(closure)` does `max_iter` iterations, the state carries over to the next.

    One step of 200 iterations equals ten of 20, bit for bit. A step stops before it would evaluate the closure more
    than `max_evaluations` times, and when no entry of the gradient exceeds `gtol`. It leaves the parameters at the best
    point it has seen; when a search fails they have not moved, and the method starts afresh. `status` and `message`
    say why the last step stopped, `counts` what all steps have evaluated, `n_iter`, `n_skipped` and `n_damped` what
    became of them.

    Groups may differ in `weight_decay`, which adds ½ · weight_decay · ‖θ‖² to the loss. There is no learning rate: the
    search finds the length of a step. Parameters that are frozen are left out.

    A loss that has changed between two steps at unchanged parameters breaks the model that the method has made of it:
    `on_noise` is "warn", "raise", or "allow", for mini-batches.
    """

    _takes_float16 = False

    _: KW_ONLY
    max_iter: Annotated[Count, ONCE, "iterations of a step, at most"] = 20
    max_evaluations: Annotated[CountOrNone, ONCE, "evaluations of the closure in a step, at most"] = None
    gtol: Annotated[NotNegative, ONCE, "a step stops when no entry of the gradient is larger"] = 1e-7
    weight_decay: Annotated[NotNegative, "times ½ ‖θ‖² is added to the loss"] = 0.0
    on_noise: Annotated[Literal["warn", "raise", "allow"], ONCE, "what becomes of a loss that is not a function"] = (
        "warn"
    )
    buffers: Annotated[Iterable[Tensor], ONCE, "what an evaluation changes, and is put back before the next"] = ()

    @named
    def __post_init__(self, params: Params) -> None:
        self.method = self._method()
        super().__post_init__(params)
        listed = isinstance(self.buffers, Iterable) and not isinstance(self.buffers, Tensor | np.ndarray)
        self.buffers = list(self.buffers) if listed else [self.buffers]  # type: ignore[list-item]
        for i, b in enumerate(self.buffers):
            check(self._who, instance(Tensor, "a tensor"), **{f"buffers[{i}]": b})
        self.counts = Counts()
        self.n_iter = self.n_skipped = self.n_damped = 0
        self.status = self.message = "no step was taken"
        self._x = np.zeros(0)  # where the last step ended,
        self._value = np.nan  # the loss there,
        self._memory: dict[str, Any] = {}  # and what the method had learnt

    def _method(self) -> descent.Method:
        raise NotImplementedError

    @property
    def needs_closure(self) -> bool:
        """Always: the method chooses where the loss is evaluated."""
        return True

    def step(self, closure: Closure | None = None) -> float:
        """Minimize the loss for `max_iter` iterations; return what it was before.

        The closure computes the loss from the parameters, and returns it as a tensor: it is called as often as the
        method wants, and walked here. `.grad` becomes the gradient where the step ends.
        """
        return self._descend(closure)

    def _descend(self, closure: Closure | None, **options: Any) -> float:
        if not callable(closure):
            raise TypeError(f"{self._who}: step needs a closure that computes the loss and returns it, a tensor")
        xs = [p for p in self.params if p.requires_grad]
        if not xs:
            raise ValueError(f"{self._who}: every parameter is frozen; there is nothing to optimize")
        objective = Loss(closure, xs, self.max_evaluations, decay=self._decay(xs), **options)
        before = [(p, p._data, p.version) for p in xs]
        try:
            with random.held(advance=True) as rewind:
                buffers = _Buffers(self.buffers)
                objective.rewind = lambda: buffers.restore(rewind)
                start = objective.at(flat(xs))
                buffers.once()
                state = self._resume(start, objective)
                self.status, self.message = descent.descend(
                    self.method, objective, state, gtol=self.gtol, max_iter=self.max_iter
                )
                self._leave(state, objective)
                buffers.leave()
        except BaseException:  # the closure's: as if nothing had been
            for p, data, version in before:
                p.assign(data, version)
            raise
        return start.value

    def _decay(self, xs: Sequence[Tensor]) -> Array | float:
        of = {id(p): group["weight_decay"] for group in self.param_groups for p in group["params"]}
        decays = [of[id(p)] for p in xs]
        return np.repeat(decays, [p.size for p in xs]) if any(decays) else 0.0

    def _resume(self, start: Point, objective: Loss) -> descent.State:
        """The state that the last step left; a new one, if the parameters are not where that left them."""
        if not np.array_equal(start.x, self._x):
            self._memory = {}
        elif abs(start.value - self._value) > descent.noise(objective, start):
            self._noisy(start.value)
            self._memory.pop("mark", None)
        return descent.State(start, self.n_iter, self.n_skipped, self.n_damped, self._memory)

    def _noisy(self, value: float) -> None:
        what = f"{self._who}: the loss was {self._value:.9g} and is {value:.9g} at the same parameters: {descent.NOISY}"
        what += "; or pass on_noise='allow', if the data is meant to change between steps"
        if self.on_noise == "raise":
            raise RuntimeError(what)
        if self.on_noise == "warn":
            warn(what, RuntimeWarning)

    @effectful
    def _leave(self, state: descent.State, objective: Loss) -> None:
        """Put the parameters where the step ends, and keep what the next one needs."""
        if self.status != "max-iter":
            state.point = descent.end(objective, state, self.status)
        end = state.point
        end.place()
        gradient = end.gradient - objective.decay * end.x
        for p, g in zip(objective.xs, split(gradient, objective.xs)):
            p.grad = g
        self._x, self._value, self._memory = end.x, end.value, state.memory
        self.n_iter, self.n_skipped, self.n_damped = state.n_iter, state.n_skipped, state.n_damped
        self.counts.add(objective.counts)
        self.steps += 1

    # ---- saving and loading

    def state_dict(self) -> dict[str, Array]:
        """Copies of the state as arrays: what `Optimizer` saves, and under 'descent.' what the method has learnt."""
        memory = dict(self._memory)
        pairs = memory.pop("pairs", None)
        if pairs:
            memory["s"], memory["y"] = np.array([s for s, _ in pairs]), np.array([y for _, y in pairs])
        own = {
            **{f"memory.{name}": value for name, value in memory.items()},
            **{name: getattr(self, name) for name in ("n_iter", "n_skipped", "n_damped")},
            **{name: getattr(self.counts, name) for name in ("n_fev", "n_gev", "n_hvp")},
            "x": self._x,
            "value": self._value,
        }
        return super().state_dict() | {f"descent.{name}": np.array(value) for name, value in own.items()}

    def load_state_dict(self, values: dict[str, Array]) -> None:
        """Take a state over, exactly: with the same parameters and closure, the optimizer then goes on as the one that
        saved it. Raises ValueError, and changes nothing, when the state is not this method's or does not fit."""
        found, problems = entries(values)
        own = {k.removeprefix("descent."): np.array(v) for k, v in found.items() if k.startswith("descent.")}
        memory = {k.removeprefix("memory."): own.pop(k) for k in list(own) if k.startswith("memory.")}
        problems += [f"missing: descent.{name}" for name in _SAVED if name not in own]
        problems += [f"unexpected: descent.{name}" for name in own if name not in _SAVED]
        problems += [
            f"unexpected: descent.memory.{k} ({self.method.name} has {', '.join(self.method.remembers)})"
            for k in memory
            if k not in self.method.remembers
        ]
        size = sum(p.size for p in self.params)
        if "x" in own and own["x"].size > size:
            problems.append(f"descent.x has {own['x'].size} entries, the parameters have {size}")
        if own.get("value", _ONE).size != 1:
            problems.append(f"descent.value is {shown(own['value'])}; it must be one number")
        x, s, y = (part.get(k, np.zeros(0)) for part, k in ((own, "x"), (memory, "s"), (memory, "y")))
        for k, v in memory.items():
            if (x.ndim != 1 or v.shape[-1:] != x.shape) if k in _VECTORS else v.ndim > (k == "mark"):
                problems.append(f"descent.memory.{k} is {shown(v)}, descent.x is {shown(x)}")
        if s.shape != y.shape:
            problems.append(f"descent.memory.s is {shown(s)}, descent.memory.y {shown(y)}; they must be of one shape")
        if problems:
            raise ValueError("\n  ".join([f"load_state_dict: this {self._who} and the state differ", *problems]))
        super().load_state_dict({k: v for k, v in values.items() if not k.startswith("descent.")})
        self._x, self._value = own["x"], float(own["value"])
        self.n_iter, self.n_skipped, self.n_damped = (int(own[k]) for k in ("n_iter", "n_skipped", "n_damped"))
        self.counts.n_fev, self.counts.n_gev, self.counts.n_hvp = (int(own[k]) for k in ("n_fev", "n_gev", "n_hvp"))
        pairs = [(s.copy(), y.copy()) for s, y in zip(memory.pop("s", ()), memory.pop("y", ()))]
        self._memory = {k: v if v.ndim else v.item() for k, v in memory.items()}
        if "mark" in memory:
            self._memory["mark"] = tuple(memory["mark"].tolist())
        if pairs:
            self._memory["pairs"] = pairs


_VECTORS = "H", "s", "y", "d"  # in a method's memory
_ONE = np.zeros(1)
_SAVED = ("n_iter", "n_skipped", "n_damped", "n_fev", "n_gev", "n_hvp", "x", "value")


class Newton(SecondOrder):
    """θ ← θ − α H⁻¹ g with the whole Hessian H, which takes N products and O(N³): to teach, and for few parameters.

    A line search finds α, near a minimum 1. Where H is not positive definite its eigenvalues are made so; `damping`
    adds that part of the largest curvature to all. The other options are those of `SecondOrder`.

    >>> p = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    >>> opt = Newton([p])
    >>> opt.step(lambda: (p * p).sum()), p.data, opt.n_iter
    (25.0, array([0., 0.]), 1)
    """

    _: KW_ONLY
    damping: Annotated[Damping, ONCE] = descent.Newton.damping

    def _method(self) -> descent.Method:
        return descent.Newton(self.damping)


class BFGS(SecondOrder):
    """θ ← θ − α H g, with an estimate H of the inverse Hessian that learns from every step: O(N²) in time and memory.

    A pair (s, y) of differences of points and gradients is accepted if sᵀy ≥ curvature · ‖s‖ ‖y‖, else left out
    (`on_reject="skip"`), mended ("damp"), or taken for a reason to start afresh ("reset").

    >>> p = Tensor(np.array([-1.2, 1.0]), requires_grad=True)
    >>> opt = BFGS([p], max_iter=100)
    >>> loss = opt.step(lambda: 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2)
    >>> p.data.round(6), opt.status
    (array([1., 1.]), 'converged')
    """

    _: KW_ONLY
    curvature: Annotated[Curvature, ONCE] = descent.BFGS.curvature
    on_reject: Annotated[OnReject, ONCE] = descent.BFGS.on_reject

    def _method(self) -> descent.Method:
        return descent.BFGS(self.curvature, self.on_reject)


class LBFGS(SecondOrder):
    """BFGS from the last `history_size` pairs, which are all that it stores: O(N). Full batches and no noise: try this.

    The options are those of `BFGS`. (Nocedal 1980; Liu, Nocedal 1989.)

    >>> p = Tensor(np.zeros(3), requires_grad=True)
    >>> opt = LBFGS([p])
    >>> loss = opt.step(lambda: ((p - np.array([1.0, 2.0, 3.0])) ** 4).sum())
    >>> p.data.round(1)
    array([1., 2., 3.])
    """

    _: KW_ONLY
    history_size: Annotated[History, ONCE] = descent.LBFGS.history_size
    curvature: Annotated[Curvature, ONCE] = descent.LBFGS.curvature
    on_reject: Annotated[OnReject, ONCE] = descent.LBFGS.on_reject

    def _method(self) -> descent.Method:
        return descent.LBFGS(self.curvature, self.on_reject, self.history_size)


class NonlinearCG(SecondOrder):
    """Nonlinear conjugate gradients: one stored vector, and a more exact search (Polak, Ribière 1969).

    >>> p = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    >>> opt = NonlinearCG([p])
    >>> loss = opt.step(lambda: (p * p * np.array([1.0, 10.0])).sum()); bool(np.allclose(p.data, 0, atol=1e-7))
    True
    """

    def _method(self) -> descent.Method:
        return descent.NonlinearCG()


class NewtonCG(SecondOrder):
    """θ ← θ + α d, where conjugate gradients solve (B + λ I) d = −g from products alone, as exactly as is worth it.

    B is the Hessian (`curvature="hessian"`), or the Gauss–Newton matrix ("gauss-newton"), which has no negative
    curvature; the closure then returns (loss, outputs), the outputs being the tensor that the loss was computed from.
    Each product is a walk or two over one recorded gradient. `damping`, if not 0, starts λ at so many times the
    curvature along g, and λ then follows how well the quadratic model told the decrease (Levenberg 1944; Martens
    2010). `preconditioner()` returns positive arrays like the parameters that require grad, about the diagonal of B, at
    the point where they stand. The residual is at most `forcing` · ‖g‖, after at most `max_products` products.

    >>> p = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    >>> opt = NewtonCG([p])
    >>> loss = opt.step(lambda: (p**4).sum() + (p * p).sum()); bool(np.allclose(p.data, 0, atol=1e-7))
    True
    """

    _: KW_ONLY
    curvature: Annotated[Literal["hessian", "gauss-newton"], ONCE, "the matrix B"] = "hessian"
    damping: Annotated[Damping, ONCE] = descent.NewtonCG.damping
    forcing: Annotated[Forcing, ONCE] = descent.NewtonCG.forcing
    max_products: Annotated[Products, ONCE] = descent.NewtonCG.max_products
    preconditioner: Annotated[
        Callable[[], Sequence[Array | Tensor]] | None, ONCE, "returns about the diagonal of B, all of it positive"
    ] = None

    def _method(self) -> descent.Method:
        of_vector = None if self.preconditioner is None else self._diagonal
        return descent.NewtonCG(self.damping, self.forcing, self.max_products, of_vector)

    @property
    def needs_outputs(self) -> bool:
        """Whether B is the Gauss–Newton matrix."""
        return self.curvature == "gauss-newton"

    def step(self, closure: Closure | None = None, curvature: Closure | None = None) -> float:
        """As `SecondOrder.step`. A closure `curvature`, of the same kind, takes the place of `closure` in products: on
        a part of the batch it costs a part (Byrd, Chin, Neveitt, Nocedal 2011)."""
        return self._descend(closure, gauss_newton=self.curvature == "gauss-newton", curvature=curvature)

    def _diagonal(self, point: Point) -> Array:
        assert self.preconditioner is not None
        point.place()
        diagonal = flat([a if isinstance(a, Tensor) else Tensor(a) for a in self.preconditioner()])
        if diagonal.size != point.x.size:
            what = f"NewtonCG: preconditioner returned {diagonal.size} numbers"
            raise ValueError(f"{what}; the parameters that require grad have {point.x.size}")
        if not (diagonal > 0).all():
            raise ValueError(f"NewtonCG: preconditioner returned {diagonal.min()}; all of it must be > 0")
        return diagonal


class TrustRegionNewtonCG(SecondOrder):
    """The quadratic model of the loss, minimized by conjugate gradients within a radius that grows while it is right.

    Needs no line search, and goes along directions of negative curvature as far as the radius (Steihaug 1983).

    >>> p = Tensor(np.array([0.0, 1e-3]), requires_grad=True)  # beside a saddle
    >>> opt = TrustRegionNewtonCG([p])
    >>> loss = opt.step(lambda: p[0] ** 2 - p[1] ** 2 + p[1] ** 4); p.data.round(4)
    array([0.    , 0.7071])
    """

    _: KW_ONLY
    forcing: Annotated[Forcing, ONCE] = descent.TrustNCG.forcing
    max_products: Annotated[Products, ONCE] = descent.TrustNCG.max_products

    def _method(self) -> descent.Method:
        return descent.TrustNCG(self.forcing, self.max_products)


class _Buffers:
    """Tensors that an evaluation changes without being asked, held for a step."""

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.before = [(b, b.read().copy()) for b in tensors]
        self.after: list[tuple[Tensor, Array]] = []

    def restore(self, rewind: Callable[[], None]) -> None:
        rewind()
        for b, data in self.before:
            b.data = data.copy()

    def once(self) -> None:
        self.after = [(b, b.read().copy()) for b, _ in self.before]

    def leave(self) -> None:
        for b, data in self.after:
            b.data = data
