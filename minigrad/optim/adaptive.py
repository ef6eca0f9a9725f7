"""First-order rules that give each number a rate of its own, from the size of its gradients: from AdaGrad to RAdam.

s is a sum or a running mean of squared gradients, m a running mean of gradients. All operations are elementwise. In
all of them `eps_inside` puts ε under the root: 1/√(s + ε) in place of 1/(√s + ε).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np  # noqa: F401 (for the examples, as is Tensor)

from ..kernels import rules
from ..tape import Tensor  # noqa: F401
from .first_order import Arithmetic, Elementwise
from .optimizer import Params, Rate

Betas = tuple[float, float]


class AdaGrad(Elementwise):
    """s ← s + g²; θ ← θ − lr · g / (√s + eps): the step shrinks for ever (Duchi, Hazan, Singer 2011).

    PyTorch's has eps = 1e-10, and a `lr_decay` for which there is `schedules.inverse`.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = AdaGrad([p], lr=0.5)
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data.round(6)
    array([0.5, 2.5])
    """

    _entries = ("s",)

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-2,
        eps: float = 1e-7,
        weight_decay: float = 0.0,
        *,
        eps_inside: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            eps=eps,
            weight_decay=weight_decay,
            eps_inside=eps_inside,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _rule(self, t: int, *, lr: float, eps: float, eps_inside: bool, **_: Any) -> Arithmetic:
        return rules.adagrad, (lr, *_under_root(eps, eps_inside))


def _under_root(eps: float, inside: bool) -> tuple[float, float]:
    """What is added to s under the root, and to the root."""
    return (eps, 0.0) if inside else (0.0, eps)


class RMSProp(Elementwise):
    """s ← rho · s + (1 − rho) · g²; θ ← θ − lr · g / (√s + eps) (Hinton 2012, lecture 6e).

    If `centered`, the variance s − a² takes the place of s, where a is the running mean of g (Graves 2013). With
    momentum, v ← momentum · v + g / (√s + eps); θ ← θ − lr · v. As in PyTorch, where rho is called alpha.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = RMSProp([p], lr=0.5, rho=0.75)
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data.round(6)
    array([0., 3.])
    """

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-2,
        rho: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        eps_inside: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            eps_inside=eps_inside,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _names(self, shape: tuple[int, ...], options: dict[str, Any]) -> tuple[str, ...]:
        return ("s", *["a"] * bool(options["centered"]), *["v"] * bool(options["momentum"]))

    def _rule(
        self,
        t: int,
        *,
        lr: float,
        rho: float,
        eps: float,
        momentum: float,
        centered: bool,
        eps_inside: bool,
        **_: Any,
    ) -> Arithmetic:
        numbers = lr, rho, 1 - rho, *_under_root(eps, eps_inside)
        if momentum:
            return rules.rmsprop_centered_momentum if centered else rules.rmsprop_momentum, (*numbers, momentum)
        return rules.rmsprop_centered if centered else rules.rmsprop, numbers


class Adadelta(Elementwise):
    """s ← rho · s + (1 − rho) · g²; u = √(d + eps) / √(s + eps) · g; d ← rho · d + (1 − rho) · u²; θ ← θ − lr · u.

    Zeiler 2012, whose rate is lr = 1: the steps have the units of θ. As in PyTorch.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Adadelta([p], rho=0.75, eps=1.0)
    >>> p.grad = np.array([0.0, 2.0])
    >>> opt.step(); p.data.round(4)
    array([1.    , 0.5858])
    """

    _entries = ("s", "d")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _rule(self, t: int, *, lr: float, rho: float, eps: float, **_: Any) -> Arithmetic:
        return rules.adadelta, (lr, rho, 1 - rho, eps)


class Adam(Elementwise):
    """θ ← θ − lr · m̂ / (√ŝ + eps), with running means m of g and s of g², and m̂, ŝ those without their start at 0.

    m ← β₁ m + (1 − β₁) g, s ← β₂ s + (1 − β₂) g², m̂ = m / (1 − β₁ᵗ), ŝ = s / (1 − β₂ᵗ), where t = 1, 2, … counts
    this parameter's updates (Kingma, Ba 2015, algorithm 1).

    - Without `bias_correction` m̂ = m and ŝ = s: the first step is (1 − β₁)/√(1 − β₂) ≈ 3.16 times as long.
    - `eps_hat` adds eps to √s, not to √ŝ: the paper's faster form (end of its section 2), and TensorFlow's.
    - `eps_inside` has √(ŝ + eps) in place of √ŝ + eps; with `eps_hat`, √(s + eps).
    - `amsgrad` divides by the largest s so far, h ← max(h, s), corrected as s is (Reddi et al. 2018, in PyTorch's form).

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Adam([p], lr=0.5)
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data.round(6)
    array([0.5, 2.5])
    """

    _entries = ("m", "s")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        bias_correction: bool = True,
        eps_hat: bool = False,
        eps_inside: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            bias_correction=bias_correction,
            eps_hat=eps_hat,
            eps_inside=eps_inside,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _names(self, shape: tuple[int, ...], options: dict[str, Any]) -> tuple[str, ...]:
        return ("m", "s", "h") if options["amsgrad"] else ("m", "s")

    def _rule(
        self,
        t: int,
        *,
        lr: float,
        betas: Betas,
        eps: float,
        amsgrad: bool,
        bias_correction: bool,
        eps_hat: bool,
        eps_inside: bool,
        **_: Any,
    ) -> Arithmetic:
        c1, c2 = corrections(t, betas) if bias_correction else (1.0, 1.0)
        root, eps = math.sqrt(c2), eps if eps_hat else eps * (c2 if eps_inside else math.sqrt(c2))
        numbers = lr * root / c1, *running(betas), *_under_root(eps, eps_inside)
        return rules.amsgrad if amsgrad else rules.adam, numbers


def corrections(t: int, betas: Betas) -> tuple[float, float]:
    """What the running means m and s fall short of, since they start at 0."""
    return 1 - betas[0] ** t, 1 - betas[1] ** t


def running(betas: Betas) -> tuple[float, float, float]:
    """What m takes of the new value, and what s keeps of the old and takes of the new."""
    return 1 - betas[0], betas[1], 1 - betas[1]


class AdamW(Adam):
    """Adam with decoupled weight decay: θ ← (1 − lr · weight_decay) θ before the step (Loshchilov, Hutter 2019)."""

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        bias_correction: bool = True,
        eps_hat: bool = False,
        eps_inside: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            bias_correction=bias_correction,
            eps_hat=eps_hat,
            eps_inside=eps_inside,
            decoupled_weight_decay=True,
        )


class Adamax(Elementwise):
    """u ← max(β₂ u, |g| + eps); θ ← θ − lr · m̂ / u: Adam with the infinity norm (Kingma, Ba 2015, algorithm 2).

    m̂ is Adam's. The paper has no eps, which here, as in PyTorch, keeps u above 0.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Adamax([p], lr=0.5)
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data.round(6)
    array([0.5, 2.5])
    """

    _entries = ("m", "u")

    def __init__(
        self,
        params: Params,
        lr: Rate = 2e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _rule(self, t: int, *, lr: float, betas: Betas, eps: float, **_: Any) -> Arithmetic:
        return rules.adamax, (lr / (1 - betas[0] ** t), 1 - betas[0], betas[1], eps)


class NAdam(Elementwise):
    """Adam with Nesterov's momentum (Dozat 2016): the step takes g and the next step's share of m.

    θ ← θ − lr · ((1 − μₜ)/(1 − Πₜ) · g + μₜ₊₁/(1 − Πₜ₊₁) · m) / (√ŝ + eps), with m, ŝ as in Adam,
    μₜ = β₁ (1 − 0.96^(t · momentum_decay) / 2) and Πₜ = μ₁ μ₂ … μₜ. As in PyTorch.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = NAdam([p], lr=0.5, betas=(0.0, 0.999))
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data.round(6)
    array([0.5, 2.5])
    """

    _entries = ("m", "s")

    def __init__(
        self,
        params: Params,
        lr: Rate = 2e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        *,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _rule(self, t: int, *, lr: float, betas: Betas, eps: float, momentum_decay: float, **_: Any) -> Arithmetic:
        q = 0.96**momentum_decay
        mu, following = (betas[0] * (1 - q**k / 2) for k in (t, t + 1))
        product = betas[0] ** t * _halving_product(q, t)
        root = math.sqrt(corrections(t, betas)[1])
        rates = (1 - mu) / (1 - product), following / (1 - product * following)
        return rules.nadam, (*(lr * root * rate for rate in rates), *running(betas), eps * root)


def _halving_product(q: float, t: int) -> float:
    """(1 − q/2)(1 − q²/2) … (1 − qᵗ/2), by the series of its logarithm, whose terms halve: its time is not that of t."""
    if q == 1:
        return 0.5**t
    return math.exp(-sum(0.5**k / k * q**k * (1 - q ** (k * t)) / (1 - q**k) for k in range(1, 60)))


class RAdam(Elementwise):
    """Adam whose rate is rectified by what is known of s, and at first not adapted at all (Liu et al. 2020).

    With ρ = 2/(1 − β₂) − 1 and ρₜ = ρ − 2t β₂ᵗ/(1 − β₂ᵗ): as long as ρₜ ≤ 5, θ ← θ − lr · m̂; from then on
    θ ← θ − lr · r · √(1 − β₂ᵗ) · m̂ / (√s + eps), with r² = (ρₜ − 4)(ρₜ − 2) ρ / ((ρ − 4)(ρ − 2) ρₜ). As in PyTorch.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = RAdam([p], lr=0.5)
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data.round(6)
    array([-4.  ,  2.05])
    """

    _entries = ("m", "s")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _rule(self, t: int, *, lr: float, betas: Betas, eps: float, **_: Any) -> Arithmetic:
        c1, c2 = corrections(t, betas)
        most = 2 / (1 - betas[1]) - 1
        length = most - 2 * t * betas[1] ** t / c2
        if length <= 5:
            return rules.adam_unscaled, (lr / c1, *running(betas))
        r = math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
        return rules.adam, (lr * r * math.sqrt(c2) / c1, *running(betas), 0.0, eps)
