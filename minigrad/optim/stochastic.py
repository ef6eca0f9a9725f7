"""Second order on mini-batches: curvature from Hessian-vector products or sampled gradients, never from noisy steps.

`SQN` learns an inverse Hessian from products on a larger batch; `AdaHessian` and `Sophia` divide by an estimate of the
curvature's diagonal. Random signs and labels depend on (seed, step) and on nothing else, so that a run resumes exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import numpy as np

from ..calculus import linearize_ggn, linearize_grad
from ..declared import Count, Fraction, NotNegative, Positive
from ..errors import shown
from ..ops.loss import cross_entropy
from ..tape import Array, Tensor, effect, history, pull, recording
from .curvature import placed, sample_labels, signs
from .directions import accept, two_loop
from .hyperparameters import Betas, DecoupledDecay, Epsilon, Every, Power, Rate, Seed
from .optimizer import Closure, Optimizer, Params, entries
from .vector import flat, split


class _Closed(Optimizer):
    """Rules whose `step` needs a closure. Their `_shared` options hold for all groups together."""

    _shared: ClassVar[tuple[str, ...]] = ("every", "seed")
    _takes_float16 = False

    def add_param_group(self, group: dict[str, Any]) -> None:
        for name in self._shared:
            if name in group:
                raise ValueError(f"{self._who}: {name} is given for a group, but it is one for all")
        super().add_param_group(group)

    @property
    def needs_closure(self) -> bool:
        """Always: the loss is differentiated twice."""
        return True

    def _closure(self, closure: Any) -> Callable[[], Any]:
        if not callable(closure):
            raise TypeError(f"{self._who}: step needs a closure that returns the loss, to differentiate it twice")
        return closure

    def _option(self, name: str) -> Any:
        return self.param_groups[0][name]

    @property
    def _trainable(self) -> list[Tensor]:
        return [p for p in self.params if p.requires_grad]


def _loss(value: Any) -> Any:
    """The loss of what a closure returned: it, or (loss, outputs)."""
    return value[0] if isinstance(value, tuple) else value


class SQN(_Closed):
    """θ ← θ − lr · H g, with L-BFGS's H from pairs (s, y = ∇²F s) of averaged iterates (Byrd et al. 2016).

    After each `every` steps s is the difference of the last two means of as many iterates, and y the Hessian at the
    newer mean times s. It is computed on the closure `curvature`, which should see a larger batch; on the step's own
    if none is given. No difference of noisy gradients enters. H is the identity until the first pair. A pair with
    sᵀy < threshold · ‖s‖ ‖y‖ is skipped, and counted in `skipped`. With `gauss_newton`, y is a Gauss–Newton product, for
    losses that are not convex; closures then return (loss, outputs). Vectors are kept in float64.

    >>> w = Tensor(np.array([1.0, 1.0]), requires_grad=True)
    >>> opt = SQN([w], lr=lambda k: 0.01 if k < 20 else 1.0)
    >>> losses = [opt.step(lambda: (np.array([1.0, 25.0]) * w * w).sum()) for _ in range(40)]
    >>> losses[-1] < 1e-9, len(opt.pairs), opt.skipped
    (True, 3, 0)
    """

    _shared = ("memory", "every", "threshold", "gauss_newton")

    lr: Rate
    memory: Annotated[Count, "pairs that are kept"] = 10
    every: Every = 10
    threshold: Annotated[Fraction, "the least sᵀy / (‖s‖ ‖y‖) of a pair that is kept"] = 1e-8
    gauss_newton: Annotated[bool, "y by a Gauss–Newton product; closures then return (loss, outputs)"] = False

    def __post_init__(self, params: Params) -> None:
        super().__post_init__(params)
        self.pairs: list[tuple[Array, Array]] = []
        self.skipped = 0
        self._sum = np.zeros(self._size)
        self._last: Array | None = None  # the mean of the iterates before these

    @property
    def needs_outputs(self) -> bool:
        """Whether y is a Gauss–Newton product."""
        return self._option("gauss_newton")

    @property
    def _size(self) -> int:
        return sum(p.size for p in self.params)

    def add_param_group(self, group: dict[str, Any]) -> None:
        if self.steps:
            raise RuntimeError("SQN: a group cannot be added after a step: the pairs are of the parameters there were")
        super().add_param_group(group)
        self._sum = np.zeros(self._size)

    def step(  # type: ignore[override]
        self, closure: Callable[[], Any], curvature: Callable[[], Any] | None = None
    ) -> float:
        """Move the parameters by the closure's gradient, and make a pair when it is time; return the loss before."""
        closure = self._closure(closure)
        loss = self._evaluate(lambda: _loss(closure()))
        effect(self._step)
        if self.steps % self._option("every") == 0:
            self._pair(closure if curvature is None else curvature)
        return loss

    def _step(self) -> None:
        moving = [p.requires_grad and p.grad is not None for p in self.params]
        g = [Tensor(p.grad if moves else np.zeros(p.shape)) for p, moves in zip(self.params, moving)]
        self._sum += flat(self.params)
        direction = two_loop(flat(g), self.pairs)
        rates = [self._rate(group) for group in self.param_groups for _ in group["params"]]
        for p, moves, rate, d in zip(self.params, moving, rates, split(direction, self.params)):
            if moves:
                p.data = p.data - rate * d
        self.steps += 1

    def _pair(self, curvature: Callable[[], Any]) -> None:
        mean, last = self._sum / self._option("every"), self._last
        self._sum, self._last = np.zeros_like(mean), mean
        if last is None:
            return
        s = mean - last
        y = self._product(curvature, mean, s)
        if accept(s, y, self._option("threshold")):
            self.pairs = [*self.pairs, (s, y)][-self._option("memory") :]
        else:
            self.skipped += 1

    def _product(self, curvature: Callable[[], Any], x: Array, s: Array) -> Array:
        """The curvature at x times s; zero for what is frozen."""
        along = {id(p): v for p, v in zip(self.params, split(s, self.params))}
        params = self._trainable
        with placed(self.params, split(x, self.params)):
            with recording(True):
                loss = curvature()
            if self._option("gauss_newton"):
                product = linearize_ggn(lambda: loss, params)[2]
            else:
                product = linearize_grad(lambda: _loss(loss), params)[2]
            found = dict(zip(map(id, params), product(*(along[id(p)] for p in params))))
        return np.concatenate([found[id(p)].data.ravel() if id(p) in found else np.zeros(p.size) for p in self.params])

    def state_dict(self) -> dict[str, Array]:
        """Copies of the state as arrays: as `Optimizer`'s, with the pairs `s` and `y`, and the means of iterates."""
        n = self._size
        own = {
            "s": np.reshape([s for s, _ in self.pairs], (-1, n)),
            "y": np.reshape([y for _, y in self.pairs], (-1, n)),
            "sum": self._sum.copy(),
            "last": np.zeros(0) if self._last is None else self._last.copy(),
            "skipped": np.array(self.skipped),
        }
        return super().state_dict() | own

    def load_state_dict(self, values: dict[str, Array]) -> None:
        """Take a state over, exactly. Raises ValueError, and changes nothing, when it is not one of these parameters."""
        n, names = self._size, ("s", "y", "sum", "last", "skipped")
        found, problems = entries(values)
        own = {name: np.array(found[name]) for name in names if name in found}
        problems += [f"missing: {name}" for name in names if name not in own]
        for name in own.keys() - {"skipped"}:
            several = name in ("s", "y")
            if own[name].ndim != 1 + several or own[name].shape[-1] not in (n, 0 if name == "last" else n):
                problems.append(f"{name} has shape {own[name].shape}; the parameters have {n} entries")
        if problems:
            raise ValueError("\n  ".join(["load_state_dict: this SQN and the state differ", *problems]))
        if own["s"].shape != own["y"].shape:
            raise ValueError(f"load_state_dict: s is {shown(own['s'])}, y {shown(own['y'])}; they must be of one shape")
        super().load_state_dict({k: v for k, v in values.items() if k not in names})
        self.pairs = list(zip(own["s"], own["y"]))
        self._sum, self._last = own["sum"], own["last"] if own["last"].size else None
        self.skipped = int(own["skipped"])


class _Diagonal(_Closed):
    """Rules that divide by an estimate of the curvature's diagonal, renewed in each `every`-th step.

    A new estimate is left in a parameter's state as `d`. A step whose loss reads a parameter that has none yet renews
    them too.
    """

    def step(self, closure: Closure | None = None) -> float:
        """Move the parameters by the closure's gradient and curvature; return the loss before."""
        loss = super().step(self._closure(closure))
        assert loss is not None
        return loss

    def _due(self, read: list[Tensor]) -> bool:
        estimated = {id(p) for p, state in zip(self.params, self.state) if state}
        return self.steps % self._option("every") == 0 or any(id(p) not in estimated for p in read)

    @property
    def _rng(self) -> np.random.Generator:
        return np.random.default_rng((self._option("seed"), self.steps))

    def _note(self, params: list[Tensor], estimates: list[Array]) -> None:
        found = dict(zip(map(id, params), estimates))
        for p, state in zip(self.params, self.state):
            if id(p) in found:
                state["d"] = found[id(p)]

    def _hutchinson(self, closure: Closure, estimate: Callable[[Array, Array], Array], draw: Callable) -> float:
        """The loss, with gradients in `.grad`; and when it is due, `estimate(v, Hv)` noted for one draw v."""
        loss, params = self._record(closure)
        if not self._due(params):
            return super()._evaluate(lambda: loss)
        _, grads, product = linearize_grad(lambda: loss, params)
        rng = self._rng
        drawn = {id(p): draw(p.shape, rng).astype(p.dtype) for p in self._trainable}
        vs = [drawn[id(p)] for p in params]
        self._forget()
        for p, g in zip(params, grads):
            p.grad = np.array(g.data)
        self._note(params, [estimate(v, h.data) for v, h in zip(vs, product(*vs))])
        return float(loss.item())


class AdaHessian(_Diagonal):
    """θ ← θ − lr · (m̂ / (ŝ^(power/2) + eps) + weight_decay · θ), Adam with d², d = |v ⊙ Hv|, for g² (Yao et al. 2021).

    v are random signs, H the Hessian of the closure's loss; d is averaged over the positions of a convolution's kernel.
    It is renewed in each `every`-th step. m̂ and ŝ are running means of g and d² without their start at 0.

    >>> w = Tensor(np.array([1.0, 1.0]), requires_grad=True)
    >>> opt = AdaHessian([w], lr=0.5)
    >>> opt.step(lambda: (np.array([1.0, 100.0]) * w * w).sum()), w.data.round(3)  # as if the loss were round
    (101.0, array([0.5, 0.5]))
    """

    lr: Rate = 0.15
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-4
    weight_decay: DecoupledDecay = 0.0
    power: Power = 1.0
    every: Every = 1
    seed: Seed = 0

    _entries = ("m", "s", "d")

    def _evaluate(self, closure: Closure) -> float:
        return self._hutchinson(closure, _spatial_mean, signs)

    def _update(
        self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], t: int, options: dict[str, Any]
    ) -> None:
        lr, (beta1, beta2), power = options["lr"], options["betas"], options["power"]
        for p, g, state in zip(ps, gs, states):
            m, s = _moved(state, "m", g, beta1), _moved(state, "s", state["d"] ** 2, beta2)
            scale = (s / (1 - beta2**t)) ** (power / 2) + options["eps"]
            p -= lr * (m / (1 - beta1**t) / scale + options["weight_decay"] * p)


def _spatial_mean(v: Array, hv: Array) -> Array:
    """|v ⊙ Hv|, of a convolution's weights (O,C,kh,kw) the mean over kh and kw."""
    d = np.abs(v * hv)
    return d if d.ndim < 3 else np.broadcast_to(d.mean(axis=tuple(range(2, d.ndim)), keepdims=True), d.shape).copy()


def _moved(state: dict[str, Any], name: str, new: Array, beta: float) -> Array:
    """The running mean state[name], from 0 on, moved towards `new`."""
    mean = state[name] = beta * state.get(name, 0) + (1 - beta) * new
    return mean


class Sophia(_Diagonal):
    """θ ← (1 − lr · weight_decay) θ − lr · clip(m / max(gamma · h, eps), −1, 1), with running means m of g and h of the
    curvature's diagonal, renewed in each `every`-th step (Liu et al. 2024).

    Its estimate of h needs the outputs: the closure returns (loss, logits), logits (N, K). Labels are *sampled* from
    softmax(logits), and h moves towards N · ĝ², ĝ the gradient of their mean cross-entropy: unbiased for the diagonal of
    the Gauss–Newton matrix. With `hutchinson` the closure returns the loss alone, and h moves towards v ⊙ Hv, v normal.

    >>> w = Tensor(np.array([1.0, 1.0]), requires_grad=True)
    >>> opt = Sophia([w], lr=0.1, gamma=1.0, hutchinson=True)
    >>> opt.step(lambda: (np.array([1.0, 100.0]) * w * w).sum()), w.data.round(3)
    (101.0, array([0.9, 0.9]))
    """

    lr: Rate = 1e-4
    betas: Betas = (0.96, 0.99)
    gamma: Annotated[Positive, "times the curvature is what m is divided by: the smaller, the more is clipped"] = 0.05
    eps: Annotated[NotNegative, "the least curvature, times gamma, that is divided by"] = 1e-12
    weight_decay: DecoupledDecay = 0.0
    every: Every = 10
    hutchinson: Annotated[bool, "estimate the Hessian's diagonal, for which the closure returns the loss alone"] = False
    seed: Seed = 0

    _entries = ("m", "h")
    _shared = ("every", "seed", "hutchinson")

    @property
    def needs_outputs(self) -> bool:
        """Whether labels are sampled, from the logits."""
        return not self._option("hutchinson")

    def _evaluate(self, closure: Callable[[], Any]) -> float:
        if self._option("hutchinson"):
            return self._hutchinson(closure, np.multiply, _normal)
        return super()._evaluate(lambda: self._sampled(closure))

    def _sampled(self, closure: Callable[[], Any]) -> Tensor:
        """The loss; when it is due, the diagonal is estimated on the way."""
        pair = closure()
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError("Sophia: the closure must return (loss, logits); or the loss alone, with hutchinson=True")
        loss, logits = pair
        read = {id(x) for x in history([logits])}
        params = [p for p in self._trainable if id(p) in read]
        if self._due(params):
            sampled = cross_entropy(logits, sample_labels(logits.data, self._rng))
            grads = pull(sampled, params, retain_graph=True)
            self._note(params, [len(logits) * g.data**2 for g in grads])
        return loss

    def _update(
        self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], t: int, options: dict[str, Any]
    ) -> None:
        lr, (beta1, beta2) = options["lr"], options["betas"]
        for p, g, state in zip(ps, gs, states):
            m = _moved(state, "m", g, beta1)
            if "d" in state or "h" not in state:
                _moved(state, "h", state.pop("d", np.zeros_like(p)), beta2)
            p *= 1 - lr * options["weight_decay"]
            p -= lr * np.clip(m / np.maximum(options["gamma"] * state["h"], options["eps"]), -1, 1)


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return rng.standard_normal(shape)
