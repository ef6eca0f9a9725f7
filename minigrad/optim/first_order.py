"""First-order rules that step along the gradient or a momentum: SGD, Momentum, Nesterov, Lion.

`Elementwise` is what they and those of `adaptive.py` have in common: every number moves by itself, so a rule is the
name of its arithmetic (`kernels/rules.py`) and the coefficients of this step, and one kernel moves all parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import kernels
from ..kernels import rules
from ..tape import Array, Tensor, effect
from .optimizer import Closure, Optimizer, Params, Rate

Arithmetic = tuple[Callable[..., tuple], Sequence[float]]


class Elementwise(Optimizer):
    """Base of rules that move each number by itself, by `_rule`, in one kernel for all parameters of a group.

    `weight_decay` adds weight_decay · θ to the gradient (L2); if `decoupled_weight_decay`, it shrinks the parameter
    instead: θ ← (1 − lr · weight_decay) θ before the step (Loshchilov, Hutter 2019).
    """

    _rule: Callable[..., Arithmetic]  # (t, **options) -> the arithmetic of the t-th update, and its coefficients

    def _update(
        self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], t: int, options: dict[str, Any]
    ) -> None:
        rule, numbers = self._rule(t, **options)
        names, decay = self._names(ps[0].shape, options), options["weight_decay"]
        arrays = [entries(ps, states, name) for name in names]
        if options["decoupled_weight_decay"]:
            kernels.update(rule, ps, gs, arrays, numbers, keep=1 - options["lr"] * decay)
        else:
            kernels.update(rule, ps, gs, arrays, numbers, decay=decay)


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

    _entries = ("v",)

    def __init__(
        self,
        params: Params,
        lr: Rate,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _check(self, options: dict[str, Any]) -> None:
        super()._check(options)
        holds = not options["nesterov"] or (options["momentum"] > 0 and options["dampening"] == 0)
        self._require("nesterov", options["nesterov"], holds, "False, unless momentum > 0 and dampening is 0")

    def _names(self, shape: tuple[int, ...], options: dict[str, Any]) -> tuple[str, ...]:
        return self._entries if options["momentum"] else ()

    def _rule(self, t: int, *, lr: float, momentum: float, dampening: float, nesterov: bool, **_: Any) -> Arithmetic:
        if not momentum:
            return rules.sgd, (lr,)
        return rules.nesterov if nesterov else rules.momentum, (lr, momentum, 1.0 if t == 1 else 1 - dampening)


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

    _entries = ("v",)

    def __init__(
        self,
        params: Params,
        lr: Rate,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        *,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, weight_decay=weight_decay, decoupled_weight_decay=decoupled_weight_decay
        )

    def _rule(self, t: int, *, lr: float, momentum: float, **_: Any) -> Arithmetic:
        return rules.velocity, (lr, momentum)


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

    def __init__(
        self,
        params: Params,
        lr: Rate,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        *,
        shifted: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(params, lr, momentum, weight_decay, decoupled_weight_decay=decoupled_weight_decay)
        self._require("shifted", shifted, isinstance(shifted, bool), "True or False")
        self.shifted = shifted
        self._left: list[tuple[Tensor, Array]] = []  # parameters that stand ahead, and where they belong

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
                    p.assign(p._data + p.dtype.type(group["momentum"]) * state["v"])

    def _return(self) -> None:
        for p, data in self._left:
            p.assign(data)
        self._left = []

    def _rule(self, t: int, *, lr: float, momentum: float, **options: Any) -> Arithmetic:
        if self.shifted:
            return rules.shifted_velocity, (lr, momentum)
        if not options["decoupled_weight_decay"]:  # what decays is the point ahead: its part momentum · v is added here
            momentum *= 1 - lr * options["weight_decay"]
        return rules.velocity, (lr, momentum)


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

    _entries = ("m",)

    def __init__(
        self, params: Params, lr: Rate = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay, decoupled_weight_decay=True)

    def _rule(self, t: int, *, lr: float, betas: tuple[float, float], **_: Any) -> Arithmetic:
        return rules.lion, (lr, 1 - betas[0], 1 - betas[1])
