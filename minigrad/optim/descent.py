"""The methods of second order: a direction and a search along it, or a model and a region in which it is trusted.

A `Method` moves a `State` from one point to the next. The state is all that it remembers, so a run can stop after any
iteration and go on later as if it had not. No decision rests on an absolute number: f and c · f take the same path.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..declared import Declared
from ..ranges import check
from ..tape import Array
from . import directions, line_search
from .directions import norm
from .hyperparameters import Curvature, Damping, Forcing, History, OnReject, Products
from .line_search import Trial
from .vector import Exhausted, Objective, Point

NOISY = (
    "something in it changes from one evaluation to the next (dropout, batch norm, sampled data or labels); hold that "
    "the same: one batch within a step, model.eval(), random numbers from minigrad's generators only"
)
UNBOUNDED = "f is -inf in the direction of descent: it has no minimum"
FLAT = (
    "f stays exactly the same along the direction of its gradient: it does not read what is moved, or is flat there; "
    "compute it anew in each call"
)
PATIENCE = 10  # iterations that may pass without progress
NOISE = 16  # values within so many round-offs of each other are not told apart


@dataclass
class State:
    """Where a descent is: the point, how many iterations it took, and what the method has learnt (`memory`)."""

    point: Point
    n_iter: int = 0
    n_skipped: int = 0
    n_damped: int = 0
    memory: dict[str, Any] = field(default_factory=dict)


class Stuck(Exception):
    """A method found no better point: (status, sentence)."""


@np.errstate(all="ignore")  # what is not finite is met everywhere, and led round
def descend(
    method: Method,
    objective: Objective,
    state: State,
    *,
    gtol: float = 1e-5,
    gtol_rel: float = 0.0,
    max_iter: int = 1000,
    callback: Callable[[State], Any] | None = None,
) -> tuple[str, str]:
    """Move the state until there is a reason to stop, and return the reason: one word, and a sentence."""
    if method.curved:
        state.point.record()
    if not state.point.finite:
        return "not-finite", f"f, {state.point.value}, or its gradient is not finite where the descent starts"
    goal = max(gtol, gtol_rel * state.memory.setdefault("first", top(state.point.gradient)))
    end = state.n_iter + max_iter
    try:
        while True:
            size = top(state.point.gradient)
            if size <= goal:
                return "converged", f"the largest entry of the gradient, {size:.3g}, is at most {goal:.3g}"
            if state.n_iter >= end:
                return "max-iter", f"the {max_iter} iterations that were allowed are done"
            if _stalled(objective, state, size):
                raise Stuck("no-progress", f"in {PATIENCE} iterations f fell by no more than its round-off")
            method.iterate(objective, state)
            state.n_iter += 1
            if callback is not None and callback(state):
                return "stopped", "the callback asked to stop"
    except Exhausted:
        return "max-evaluations", f"the {objective.max_evaluations} evaluations that were allowed are used up"
    except Stuck as stuck:
        state.memory.clear()
        return _noisy(objective, state.point) or stuck.args


def _stalled(objective: Objective, state: State, size: float) -> bool:
    """Whether for some iterations neither f fell by more than its round-off nor the gradient to half its size."""
    value, least, at = state.memory.get("mark", (math.inf, math.inf, 0))
    if state.point.value < value - noise(objective, state.point) or size < least / 2:
        state.memory["mark"] = state.point.value, size, state.n_iter
        return False
    return state.n_iter - at >= PATIENCE


def _noisy(objective: Objective, point: Point) -> tuple[str, str] | None:
    """The reason why nothing was found, if it is that the loss at one point is not always the same."""
    try:
        again = objective.at(point.x).value
    except Exhausted:
        return None
    if abs(again - point.value) <= noise(objective, point):
        return None
    return "noisy", f"f is {point.value:.9g} and then {again:.9g} at the same point: {NOISY}"


def top(v: Array) -> float:
    """The largest entry, in absolute value."""
    return float(np.abs(v).max(initial=0.0))


def noise(objective: Objective, point: Point) -> float:
    """How far values about that of `point` may be wrong by round-off."""
    return NOISE * objective.eps * abs(point.value)


def end(objective: Objective, state: State, status: str) -> Point:
    """The lowest point that was seen; but the one where a descent converged, if another is lower by round-off alone."""
    best = objective.best or state.point
    allowed = noise(objective, state.point) if status == "converged" else 0.0
    return best if best.value < state.point.value - allowed else state.point


def first_scale(state: State) -> float:
    """How far to go along −g at first, per length of g: to the minimum of f's quadratic model along it.

    That takes one product with the Hessian. Where the model has no minimum, it is as far as the linear model takes to
    fall by 2 |f|.
    """
    if "scale" not in state.memory:
        point = state.point
        size = norm(point.gradient)
        unit = point.gradient / size
        try:
            bend = float(unit @ point.product(unit))
        except NotImplementedError:  # an operation of the user's that has a gradient, and no more
            bend = 0.0
        curved = bend > 0 and math.isfinite(1 / bend)
        scale = 1 / bend if curved else 2 * abs(point.value) / size / size or 1.0
        state.memory["scale"] = min(scale, 1e300)
    return state.memory["scale"]


class Method(Declared):
    """One way to go from a point to a better one."""

    name: ClassVar[str]
    remembers: ClassVar[tuple[str, ...]] = ("first", "scale", "mark")  # what is in a state's memory
    curved = False  # whether the gradient is to be recorded at every point, for products with the curvature

    def __post_init__(self) -> None:
        for name, h in self.hyperparameters.items():
            check(self.name, h.range, **{name: getattr(self, name)})

    def iterate(self, objective: Objective, state: State) -> None:
        """Move the state on by one point. Raises Stuck, and leaves the state's point, if there is no better one."""
        raise NotImplementedError


# ---- direction × line search ---------------------------------------------------------------------------------------


class Ray:
    """The loss along x + α d, and the points where a search looked at it."""

    def __init__(self, objective: Objective, point: Point, d: Array, curved: bool) -> None:
        self.objective, self.x, self.d, self.curved = objective, point.x, d, curved
        self.points: dict[float, Point] = {}

    def __call__(self, alpha: float) -> tuple[float, float]:
        for earlier in self.points.values():
            earlier.release()  # one tape at a time
        self.points[alpha] = point = self.objective.at(self.x + alpha * self.d)
        if not math.isfinite(point.value):
            return point.value, math.nan
        if self.curved:
            point.record()
        slope = float(point.gradient @ self.d)
        if not self.curved:
            point.release()
        return point.value, slope


class LineSearchMethod(Method):
    """A direction of descent, and a step along it that satisfies the strong Wolfe conditions."""

    c1 = 1e-4
    c2 = 0.9

    def direction(self, state: State) -> Array:
        raise NotImplementedError

    def first_step(self, state: State, slope: float) -> float:
        """Where a search begins."""
        return 1.0

    def learn(self, state: State, d: Array, found: Trial, new: Point) -> None:
        """Take over what a step along d has shown."""

    def forget(self, state: State) -> bool:
        """Start afresh, with a direction of steepest descent; False if that was what failed."""
        return False

    def iterate(self, objective: Objective, state: State) -> None:
        point = state.point
        if self.curved and point.released:
            state.point = point = objective.at(point.x)
        while True:
            d = self.direction(state)
            slope = float(d @ point.gradient)
            if -math.inf < slope < 0:
                ray = Ray(objective, point, d, self.curved)
                found = line_search.strong_wolfe(
                    ray,
                    point.value,
                    slope,
                    self.first_step(state, slope),
                    c1=self.c1,
                    c2=self.c2,
                    noise=noise(objective, point),
                )
                if found.ok or found.trial.value < point.value:
                    new = ray.points[found.trial.alpha]
                    self.learn(state, d, found.trial, new)
                    state.point = new
                    return
                if found.unbounded:
                    raise Stuck("unbounded", UNBOUNDED)
                if len(ray.points) > 2 and all(p.value == point.value for p in ray.points.values()):
                    raise Stuck("flat", FLAT)
            if not self.forget(state):
                raise Stuck(
                    "no-progress", "f does not fall in the direction of steepest descent, as far as can be told"
                )


class QuasiNewton(LineSearchMethod):
    """What BFGS and L-BFGS share: which pairs (s, y) to learn from, and the scale of the first step.

    A pair without positive curvature, sᵀy < curvature · ‖s‖ ‖y‖, is left out (`on_reject="skip"`), mended ("damp"), or
    takes all that was learnt with it ("reset").
    """

    curvature: Curvature = 1e-8
    on_reject: OnReject = "skip"

    def learn(self, state: State, d: Array, found: Trial, new: Point) -> None:
        s, y = new.x - state.point.x, new.gradient - state.point.gradient
        bs = -found.alpha * state.point.gradient  # B s, as s = −α H g, and B is H⁻¹
        if not directions.accept(s, y, self.curvature):
            if self.on_reject != "damp" or not directions.accept(s, bs, self.curvature):
                state.n_skipped += 1
                if self.on_reject == "reset":
                    self.forget(state)
                return
            y = directions.damped(s, y, bs)
            state.n_damped += 1
        state.memory["scale"] = directions.scaling(s, y)
        self.add(state, s, y, bs)

    def add(self, state: State, s: Array, y: Array, bs: Array) -> None:
        raise NotImplementedError


class BFGS(QuasiNewton):
    """d = −H g, where H, the estimate of the inverse Hessian, learns from every step.

    Broyden, Fletcher, Goldfarb and Shanno, 1970. H starts as ‖s‖² / sᵀy I, from the first pair: of the two usual
    scales the larger. For twice as many updates as there are variables, while H still knows little, it grows as a whole
    where it was too small along a step, sᵀy < sᵀBs (Al-Baali 1998): directions not yet seen have that size too.
    """

    name = "bfgs"
    remembers = (*Method.remembers, "H", "updates")

    def direction(self, state: State) -> Array:
        H, g = state.memory.get("H"), state.point.gradient
        return -first_scale(state) * g if H is None else -(H @ g)

    def add(self, state: State, s: Array, y: Array, bs: Array) -> None:
        H, updates = state.memory.get("H"), state.memory.get("updates", 0)
        ns, sy = norm(s), float(s @ y)
        if H is None:
            H = np.eye(s.size) * (ns / (sy / ns))
        elif updates < 2 * s.size:
            H = H * max(1.0, float(s @ bs) / sy)
        state.memory["H"] = directions.bfgs_update(H, s, y)
        state.memory["updates"] = updates + 1

    def forget(self, state: State) -> bool:
        state.memory.pop("updates", None)
        return state.memory.pop("H", None) is not None


class LBFGS(QuasiNewton):
    """BFGS from the last `history_size` pairs, which are all that it stores (Nocedal 1980; Liu, Nocedal 1989)."""

    history_size: History = 30

    name = "lbfgs"
    remembers = (*Method.remembers, "s", "y")

    def direction(self, state: State) -> Array:
        pairs = state.memory.get("pairs", ())
        return -directions.two_loop(state.point.gradient, pairs, first_scale(state))

    def add(self, state: State, s: Array, y: Array, bs: Array) -> None:
        state.memory["pairs"] = [*state.memory.get("pairs", ()), (s, y)][-self.history_size :]

    def forget(self, state: State) -> bool:
        return bool(state.memory.pop("pairs", None))


class NonlinearCG(LineSearchMethod):
    """d = −g + β d: conjugate directions for functions that are not quadratic, with Polak and Ribière's β.

    It stores one vector, and needs a more exact search than the others.
    """

    name = "cg"
    remembers = (*Method.remembers, "d", "fall")
    c2 = 0.1

    def direction(self, state: State) -> Array:
        d = state.memory.get("d")
        return -state.point.gradient if d is None else d

    def first_step(self, state: State, slope: float) -> float:
        """So long that the linear model falls as far as it did in the last step (N&W equation 3.60)."""
        return state.memory["fall"] / slope if "d" in state.memory else first_scale(state)

    def learn(self, state: State, d: Array, found: Trial, new: Point) -> None:
        y = new.gradient - state.point.gradient
        state.memory["fall"] = found.alpha * float(d @ state.point.gradient)
        s = found.alpha * d
        if directions.accept(s, y):
            state.memory["scale"] = directions.scaling(s, y)
        state.memory["d"] = directions.conjugate(new.gradient, y, d)

    def forget(self, state: State) -> bool:
        return state.memory.pop("d", None) is not None


class NewtonType(LineSearchMethod):
    """What Newton's method and Newton–CG share: if no step along their direction is any good, steepest descent."""

    curved = True

    def solve(self, state: State) -> Array:
        """−B⁻¹ g, more or less."""
        raise NotImplementedError

    def direction(self, state: State) -> Array:
        if "plain" not in state.memory:
            d = self.solve(state)
            if np.isfinite(d).all():
                return d
        return -first_scale(state) * state.point.gradient

    def learn(self, state: State, d: Array, found: Trial, new: Point) -> None:
        state.memory.pop("plain", None)
        state.memory.pop("scale", None)

    def forget(self, state: State) -> bool:
        if "plain" in state.memory:
            return False
        state.memory["plain"] = True
        return True


class Newton(NewtonType):
    """d = −H⁻¹ g with the whole Hessian, which takes as many products as there are variables: for few of them.

    A line search damps the step, and where the Hessian is not positive definite its eigenvalues are made so. `damping`
    adds that part of the largest curvature to all.
    """

    damping: Damping = 0.0

    name = "newton"
    remembers = (*Method.remembers, "plain")

    def solve(self, state: State) -> Array:
        point = state.point
        H = np.array([point.product(e) for e in np.eye(point.x.size)])
        H = (H + H.T) / 2
        if self.damping:
            H += self.damping * np.abs(H).sum(axis=1).max() * np.eye(len(H))
        return directions.newton(H, point.gradient)


class NewtonCG(NewtonType):
    """B d = −g solved by conjugate gradients, as exactly as is worth it, from products with B alone.

    B is the Hessian, or what the objective's products are of. The residual is to be at most η ‖g‖, where
    η = min(`forcing`, √(‖g‖ / ‖first g‖)) (after N&W algorithm 7.1, whose η depends on the scale of f). `damping`, if
    not 0, adds λ to the diagonal of B (Levenberg 1944): λ starts as so many times the curvature along g, and follows
    how well the quadratic model told the decrease (Martens 2010). `preconditioner` maps a point to a positive vector,
    about the diagonal of B.
    """

    damping: Damping = 0.0
    forcing: Forcing = 0.1
    max_products: Products = None
    preconditioner: Callable[[Point], Array] | None = None

    name = "newton-cg"
    remembers = (*Method.remembers, "plain", "size", "decrease", "lambda")

    def solve(self, state: State) -> Array:
        memory, point = state.memory, state.point
        if self.damping and "lambda" not in memory:
            memory["lambda"] = self.damping / first_scale(state)
        damping = memory.get("lambda", 0.0)
        solution = directions.conjugate_gradients(
            (lambda v: point.product(v) + damping * v) if damping else point.product,
            point.gradient,
            tol=_forcing(self.forcing, state),
            max_products=self.max_products or min(4 * point.x.size, 250),
            preconditioner=None if self.preconditioner is None else self.preconditioner(point) + damping,
        )
        memory["decrease"] = solution.decrease
        return solution.p

    def learn(self, state: State, d: Array, found: Trial, new: Point) -> None:
        super().learn(state, d, found, new)
        if self.damping:
            told = state.memory["decrease"]
            ratio = (state.point.value - new.value) / told if told > 0 else 0.0
            state.memory["lambda"] *= 1.5 if ratio < 0.25 or found.alpha < 1 else 2 / 3 if ratio > 0.75 else 1.0


def _forcing(most: float, state: State) -> float:
    """The part of the gradient that may be left when a system is solved with it: ever less, for superlinear convergence."""
    size = norm(state.point.gradient)
    return min(most, math.sqrt(size / state.memory.setdefault("size", size)))


# ---- model × trust region ------------------------------------------------------------------------------------------


class TrustNCG(Method):
    """The quadratic model minimized within a radius that grows while the model tells the truth (Steihaug 1983).

    Conn, Gould and Toint, Trust-Region Methods (2000). The first radius is the step to the minimum of the model along
    −g. Rejected trials cost a value each, and no gradient.
    """

    forcing: Forcing = 0.1
    max_products: Products = None

    name = "trust-ncg"
    remembers = (*Method.remembers, "size", "radius")

    def iterate(self, objective: Objective, state: State) -> None:
        memory = state.memory
        if state.point.released:
            state.point = objective.at(state.point.x)
        point, g = state.point, state.point.gradient
        radius = memory.get("radius") or first_scale(state) * norm(g)
        eta = _forcing(self.forcing, state)
        while True:
            p, decrease, reason = directions.steihaug(
                point.product, g, radius, tol=eta, max_products=self.max_products or min(4 * g.size, 250)
            )
            length = norm(p)
            if not decrease > 0 or length <= directions.EPS * norm(point.x):
                raise Stuck(
                    "no-progress", "the trust region has shrunk to nothing: f does not fall, as far as can be told"
                )
            new = objective.at(point.x + p)
            if new.value == -math.inf:
                raise Stuck("unbounded", UNBOUNDED)
            error = noise(objective, point)
            ratio = (point.value - new.value + error) / (decrease + error)
            if not math.isfinite(ratio):
                radius = 0.1 * length
            elif ratio < 0.25:
                slope = float(g @ p)
                bend = new.value - point.value - slope
                radius = min(max(-slope / (2 * bend) if bend > 0 else 0.5, 0.1), 0.5) * length
            elif ratio > 0.75 and reason != "solved":
                radius = 2 * radius
            memory["radius"] = radius
            if ratio > 1e-4 and math.isfinite(ratio) and new.finite:
                point.release()
                state.point = new
                return


METHODS: dict[str, type[Method]] = {m.name: m for m in (Newton, BFGS, LBFGS, NonlinearCG, NewtonCG, TrustNCG)}
