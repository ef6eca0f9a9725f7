"""First-order rules, in PyTorch's form. The arithmetic is one fused kernel for each rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import kernels
from ..tape import Array, Tensor
from .optimizer import Optimizer


class SGD(Optimizer):
    """θ ← θ − lr · v, with v ← momentum · v + (1 − dampening) · g, and g ← ∇ + weight_decay · θ.

    v starts as the first g, undamped. With `nesterov`, g + momentum · v takes the place of v in the step; without
    momentum, g does. A function of the step as `lr` scales the whole step, as in PyTorch.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = SGD([p], lr=0.5)
    >>> p.grad = np.array([1.0, 1.0])
    >>> opt.step(); p.data
    array([0.5, 1.5])
    """

    _entries = ("v",)

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float | Callable[[int], float],
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        self._require("momentum", momentum, momentum >= 0, "≥ 0")
        self._require("weight_decay", weight_decay, weight_decay >= 0, "≥ 0")
        self._require("nesterov", nesterov, not nesterov or (momentum > 0 and dampening == 0), _NESTEROV)
        self.momentum, self.dampening, self.weight_decay, self.nesterov = momentum, dampening, weight_decay, nesterov

    def _update(self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], lr: float) -> None:
        first = [not state for state in states]
        if self.momentum:
            for p, state in zip(ps, states):
                if not state:
                    state["v"] = np.zeros_like(p)
        kernels.sgd_step(
            ps,
            gs,
            [state["v"] for state in states] if self.momentum else None,
            lr=lr,
            momentum=self.momentum,
            dampening=self.dampening,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            first=first,
        )


_NESTEROV = "False, unless momentum > 0 and dampening is 0"


class Adam(Optimizer):
    """θ ← θ − lr · m̂ / (√ŝ + eps), with running means m of g and s of g², and m̂, ŝ those without their start at 0.

    m ← β₁ m + (1 − β₁) g, s ← β₂ s + (1 − β₂) g², m̂ = m / (1 − β₁ᵗ), ŝ = s / (1 − β₂ᵗ), where t = 1, 2, … counts
    this parameter's updates (Kingma, Ba 2015). `weight_decay` adds weight_decay · θ to the gradient.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Adam([p], lr=0.5)
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data.round(6)
    array([0.5, 2.5])
    """

    _entries = ("m", "s", "t")
    _decoupled = False

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float | Callable[[int], float] = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr)
        self._require("betas", betas, len(betas) == 2 and all(0 <= b < 1 for b in betas), "two numbers in [0, 1)")
        self._require("eps", eps, eps >= 0, "≥ 0")
        self._require("weight_decay", weight_decay, weight_decay >= 0, "≥ 0")
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    def _update(self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], lr: float) -> None:
        for p, state in zip(ps, states):
            if not state:
                state.update(m=np.zeros_like(p), s=np.zeros_like(p), t=0)
            state["t"] += 1
        kernels.adam_step(
            ps,
            gs,
            [state["m"] for state in states],
            [state["s"] for state in states],
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            eps=self.eps,
            weight_decay=self.weight_decay,
            decoupled=self._decoupled,
            t=[state["t"] for state in states],
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: θ ← (1 − lr · weight_decay) θ before the step (Loshchilov, Hutter 2019)."""

    _decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float | Callable[[int], float] = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
