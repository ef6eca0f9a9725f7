"""First-order rules that step along the gradient or a momentum: SGD, Momentum, Nesterov, Lion.

`Elementwise` is what they and those of `adaptive.py` have in common: every number moves by itself, so a rule is the
name of its arithmetic (`kernels/rules.py`) and the coefficients of this step, and one kernel moves all parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, field
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from .. import kernels
from ..declared import ONCE, NotNegative, Number
from ..kernels import rules
from ..tape import Array, Tensor, effect
from .hyperparameters import Betas, Decay, Decoupled, DecoupledDecay, Maximize, Rate
from .optimizer import Closure, Optimizer, Params

Options = SimpleNamespace
Arithmetic = tuple[Callable[..., tuple], Sequence[float]]


class Elementwise(Optimizer):
    """Base of rules that move each number by itself, by `_rule`, in one kernel for all parameters of a group.

    `weight_decay` adds weight_decay · θ to the gradient (L2); if `decoupled_weight_decay`, it shrinks the parameter
    instead: θ ← (1 − lr · weight_decay) θ before the step (Loshchilov, Hutter 2019).
    """

    maximize: Maximize = field(default=False, kw_only=True)

    def _update(
        self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], t: int, options: dict[str, Any]
    ) -> None:
        rule, numbers = self._rule(t, Options(**options))
        names, decay = self._names(ps[0].shape, options), options["weight_decay"]
        arrays = [entries(ps, states, name) for name in names]
        if options["decoupled_weight_decay"]:
            kernels.update(rule, ps, gs, arrays, numbers, keep=1 - options["lr"] * decay)
        else:
            kernels.update(rule, ps, gs, arrays, numbers, decay=decay)

    def _rule(self, t: int, h: Options) -> Arithmetic:
        """The arithmetic of the t-th update, and its coefficients; h has the group's hyperparameters by name."""
        raise NotImplementedError


def entries(ps: list[Array], states: list[dict[str, Any]], name: str) -> list[Array]:
    """An array of each state; zeros like the parameter, where it is new."""
    try:
        return [state[name] for state in states]
    except KeyError:
        return [state.setdefault(name, np.zeros_like(p)) for p, state in zip(ps, states)]


class SGD(Elementwise):
    """θ ← θ − lr · v, with v ← momentum · v + (1 − dampening) · g: PyTorch's form of momentum.

    v starts as the first g, undamped. With `nesterov`, g + momentum · v takes the place of v in the step; without
    momentum, g does. A function of the step as `lr` scales the whole step, in which it differs from `Momentum`.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = SGD([p], lr=0.5)
    >>> p.grad = np.array([1.0, 1.0])
    >>> opt.step(); p.data
    array([0.5, 1.5])
    """

    lr: Rate = 1e-3
    momentum: Annotated[NotNegative, "what v keeps of its value"] = 0.0
    dampening: Annotated[Number, "what v leaves out of the gradient"] = 0.0
    weight_decay: Decay = 0.0
    nesterov: Annotated[bool, "step along g + momentum · v, in place of v"] = False
    _: KW_ONLY
    decoupled_weight_decay: Decoupled = False

    _entries = ("v",)

    def _check(self, options: dict[str, Any]) -> None:
        super()._check(options)
        if options["nesterov"] and not (options["momentum"] > 0 and options["dampening"] == 0):
            raise ValueError("SGD: nesterov is True; it must be False, unless momentum > 0 and dampening is 0")

    def _names(self, shape: tuple[int, ...], options: dict[str, Any]) -> tuple[str, ...]:
        return self._entries if options["momentum"] else ()

    def _rule(self, t: int, h: Options) -> Arithmetic:
        if not h.momentum:
            return rules.sgd, (h.lr,)
        return rules.nesterov if h.nesterov else rules.momentum, (h.lr, h.momentum, 1.0 if t == 1 else 1 - h.dampening)


class Momentum(Elementwise):
    """v ← momentum · v − lr · g; θ ← θ + v: the form of Polyak (1964) and of the lecture.

    For a constant rate it is `SGD(momentum=…)`, with −lr times that one's v. A rate that changes changes only what
    is added to v here, and the whole step there.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Momentum([p], lr=0.5)
    >>> for _ in range(2):
    ...     p.grad = np.array([1.0, 1.0])
    ...     opt.step()
    >>> p.data
    array([-0.45,  0.55])
    """

    lr: Rate
    momentum: Annotated[NotNegative, "what v keeps of its value"] = 0.9
    weight_decay: Decay = 0.0
    _: KW_ONLY
    decoupled_weight_decay: Decoupled = False

    _entries = ("v",)

    def _rule(self, t: int, h: Options) -> Arithmetic:
        return rules.velocity, (h.lr, h.momentum)


class Nesterov(Momentum):
    """v ← momentum · v − lr · ∇f(θ + momentum · v); θ ← θ + v (Nesterov 1983, as in Sutskever et al. 2013).

    The gradient is taken ahead, so `step` needs a closure, at whose calls the parameters stand at θ + momentum · v. If
    `shifted`, the parameters are φ = θ + momentum · v all the time and the gradient is theirs, so that no closure is
    needed: v' = momentum · v − lr · ∇f(φ); φ ← φ − momentum · v + (1 + momentum) · v'. The iterates are the same, up
    to that change of variables, for any rate.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Nesterov([p], lr=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     loss = opt.step(lambda: (p * p).sum())
    >>> p.data
    array([0.125, 0.25 ])
    """

    _: KW_ONLY
    shifted: Annotated[bool, ONCE, "the parameters are those ahead, and so are their gradients"] = False

    def __post_init__(self, params: Params) -> None:
        super().__post_init__(params)
        self._left: list[tuple[Tensor, Array]] = []  # parameters that stand ahead, and where they belong

    @property
    def needs_closure(self) -> bool:
        """Whether the gradient is taken ahead."""
        return not self.shifted

    def step(self, closure: Closure | None = None) -> float | None:
        """As of every optimizer; the look-ahead form needs the closure, and returns the loss at the point ahead."""
        if self.shifted:
            return super().step(closure)
        if closure is None:
            raise TypeError("Nesterov: step needs a closure, to take the gradient ahead; or use shifted=True")
        effect(self._look_ahead)
        try:
            loss = self._evaluate(closure)
        finally:
            effect(self._return)
        effect(self._step)
        return loss

    def _look_ahead(self) -> None:
        states = iter(self.state)
        for group in self.param_groups:
            for p, state in zip(group["params"], states):
                if p.requires_grad and "v" in state:
                    self._left.append((p, p._data))
                    p.assign((p._data + p.dtype.type(group["momentum"]) * state["v"]).astype(p.dtype, copy=False))

    def _return(self) -> None:
        for p, data in self._left:
            p.assign(data)
        self._left = []

    def _rule(self, t: int, h: Options) -> Arithmetic:
        if self.shifted:
            return rules.shifted_velocity, (h.lr, h.momentum)
        if h.decoupled_weight_decay:
            return rules.velocity, (h.lr, h.momentum)
        return rules.velocity, (
            h.lr,
            h.momentum * (1 - h.lr * h.weight_decay),
        )  # L2 of the point ahead, θ + momentum · v


class Lion(Elementwise):
    """θ ← θ − lr · sign(β₁ m + (1 − β₁) g), then m ← β₂ m + (1 − β₂) g (Chen et al. 2023, algorithm 2).

    Weight decay is decoupled. Every number moves by lr, so the paper takes a rate 3 to 10 times smaller than Adam's,
    and a decay as many times larger.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Lion([p], lr=0.5)
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data
    array([0.5, 2.5])
    """

    lr: Rate = 1e-4
    betas: Annotated[Betas, "what m keeps of its value: in the step, and after it"] = (0.9, 0.99)
    weight_decay: DecoupledDecay = 0.0
    decoupled_weight_decay: Decoupled = field(default=True, init=False)

    _entries = ("m",)

    def _rule(self, t: int, h: Options) -> Arithmetic:
        return rules.lion, (h.lr, 1 - h.betas[0], 1 - h.betas[1])
