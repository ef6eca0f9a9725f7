"""First-order rules that give each number a rate of its own, from the size of its gradients: from AdaGrad to RAdam.

s is a sum or a running mean of squared gradients, m a running mean of gradients. All operations are elementwise. In
all of them `eps_inside` puts ε under the root: 1/√(s + ε) in place of 1/(√s + ε).
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, field
from typing import Annotated, Any

import numpy as np  # noqa: F401 (for the examples, as is Tensor)

from ..declared import Fraction, NotNegative
from ..kernels import rules
from ..ranges import POSITIVE, Range, two
from ..tape import Tensor  # noqa: F401
from .first_order import Arithmetic, Elementwise, Options
from .hyperparameters import Betas, Decay, Decoupled, DecoupledDecay, Epsilon, EpsInside, Rate

_ETAS = Range(
    lambda v: two(POSITIVE, "").holds(v) and v[0] < 1 < v[1], "two numbers, one below 1 and one above", (tuple, list)
)
_SIZES = Range(lambda v: two(POSITIVE, "").holds(v) and v[0] <= v[1], "two numbers > 0 that ascend", (tuple, list))


class AdaGrad(Elementwise):
    """s ← s + g²; θ ← θ − lr · g / (√s + eps): the step shrinks for ever (Duchi, Hazan, Singer 2011).

    s starts at `initial_accumulator_value`. PyTorch's has eps = 1e-10, and a `lr_decay` for which there is
    `schedules.inverse`.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = AdaGrad([p], lr=0.5)
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data.round(6)
    array([0.5, 2.5])
    """

    lr: Rate = 1e-2
    eps: Epsilon = 1e-7
    weight_decay: Decay = 0.0
    _: KW_ONLY
    eps_inside: EpsInside = False
    decoupled_weight_decay: Decoupled = False
    initial_accumulator_value: Annotated[NotNegative, "what s starts from"] = 0.0

    _entries = ("s",)

    def _rule(self, t: int, h: Options) -> Arithmetic:
        inside, outside = _under_root(h.eps, h.eps_inside)
        return rules.adagrad, (h.lr, h.initial_accumulator_value + inside, outside)


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

    lr: Rate = 1e-2
    rho: Annotated[Fraction, "what running means keep of their value"] = 0.99
    eps: Epsilon = 1e-8
    weight_decay: Decay = 0.0
    momentum: Annotated[NotNegative, "what v keeps of its value"] = 0.0
    centered: Annotated[bool, "divide by the root of the variance, s − a²"] = False
    _: KW_ONLY
    eps_inside: EpsInside = False
    decoupled_weight_decay: Decoupled = False

    def _names(self, shape: tuple[int, ...], options: dict[str, Any]) -> tuple[str, ...]:
        return ("s", *["a"] * bool(options["centered"]), *["v"] * bool(options["momentum"]))

    def _rule(self, t: int, h: Options) -> Arithmetic:
        numbers = h.lr, h.rho, 1 - h.rho, *_under_root(h.eps, h.eps_inside)
        if h.momentum:
            return rules.rmsprop_centered_momentum if h.centered else rules.rmsprop_momentum, (*numbers, h.momentum)
        return rules.rmsprop_centered if h.centered else rules.rmsprop, numbers


class Rprop(Elementwise):
    """Each number steps by a size of its own, which grows while its gradient keeps its sign, and shrinks where that turns.

    size ← size · etas[1] where g · g′ > 0, size · etas[0] where g · g′ < 0 (and g ← 0 there), within step_sizes;
    θ ← θ − size · sign(g). g′ is the last g, and size begins as lr. For whole batches: the sign of a noisy gradient says
    little. Riedmiller, Braun 1993, in the form without backtracking, as in PyTorch.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Rprop([p], lr=0.5)
    >>> for g in ([10.0, -0.1], [1.0, 0.1]):
    ...     p.grad = np.array(g)
    ...     opt.step()
    >>> p.data
    array([-0.1,  2.5])
    """

    lr: Rate = 1e-2
    etas: Annotated[
        tuple[float, float], _ETAS, "what a size is multiplied by: where the sign turns, where it does not"
    ] = (0.5, 1.2)
    step_sizes: Annotated[tuple[float, float], _SIZES, "the smallest and the largest size"] = (1e-6, 50.0)
    _: KW_ONLY
    weight_decay: Decay = 0.0
    decoupled_weight_decay: Decoupled = False

    _entries = ("g", "size")

    def _rule(self, t: int, h: Options) -> Arithmetic:
        least, most = h.step_sizes
        first = min(max(h.lr, least), most)
        return rules.rprop, (*h.etas, *((first, first) if t == 1 else (least, most)))


class ASGD(Elementwise):
    """θ ← (1 − lambd · η) θ − η · g with η = lr / (1 + lambd · lr · t)^alpha, t = 0, 1, …; and the average of θ from t0 on.

    The average is `state[i]["a"]` of the i-th parameter; before t0 it is θ itself. Polyak, Juditsky 1992; Bottou 2012. As in
    PyTorch. For averages of whole models see `Average` and `train.Averaging`.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = ASGD([p], lr=0.5, lambd=0.0, t0=0)
    >>> for _ in range(3):
    ...     p.grad = np.array([1.0, 1.0])
    ...     opt.step()
    >>> p.data, opt.state[0]["a"]
    (array([-0.5,  0.5]), array([-0.25,  0.75]))
    """

    lr: Rate = 1e-2
    lambd: Annotated[NotNegative, "the part of θ that is taken from it, times η; and how fast η falls"] = 1e-4
    alpha: Annotated[NotNegative, "the power by which η falls"] = 0.75
    t0: Annotated[NotNegative, "the update from which on θ is averaged"] = 1e6
    weight_decay: Decay = 0.0
    _: KW_ONLY
    decoupled_weight_decay: Decoupled = field(default=False, init=False)

    _entries = ("a",)

    def _rule(self, t: int, h: Options) -> Arithmetic:
        eta = h.lr / (1 + h.lambd * h.lr * (t - 1)) ** h.alpha
        return rules.asgd, (eta, 1 - h.lambd * eta, 1 / max(1.0, t - 1 - h.t0))


class Adadelta(Elementwise):
    """s ← rho · s + (1 − rho) · g²; u = √(d + eps) / √(s + eps) · g; d ← rho · d + (1 − rho) · u²; θ ← θ − lr · u.

    Zeiler 2012, whose rate is lr = 1: the steps have the units of θ. As in PyTorch.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Adadelta([p], rho=0.75, eps=1.0)
    >>> p.grad = np.array([0.0, 2.0])
    >>> opt.step(); p.data.round(4)
    array([1.    , 0.5858])
    """

    lr: Rate = 1.0
    rho: Annotated[Fraction, "what running means keep of their value"] = 0.9
    eps: Epsilon = 1e-6
    weight_decay: Decay = 0.0
    _: KW_ONLY
    decoupled_weight_decay: Decoupled = False

    _entries = ("s", "d")

    def _rule(self, t: int, h: Options) -> Arithmetic:
        return rules.adadelta, (h.lr, h.rho, 1 - h.rho, h.eps)


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

    lr: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: Decay = 0.0
    amsgrad: Annotated[bool, "divide by the largest s so far"] = False
    _: KW_ONLY
    bias_correction: Annotated[bool, "take the means' start at 0 out"] = True
    eps_hat: Annotated[bool, "add eps before s is corrected"] = False
    eps_inside: EpsInside = False
    decoupled_weight_decay: Decoupled = False

    _entries = ("m", "s")

    def _names(self, shape: tuple[int, ...], options: dict[str, Any]) -> tuple[str, ...]:
        return ("m", "s", "h") if options["amsgrad"] else ("m", "s")

    def _rule(self, t: int, h: Options) -> Arithmetic:
        c1, c2 = corrections(t, h.betas) if h.bias_correction else (1.0, 1.0)
        root = math.sqrt(c2)
        eps = h.eps if h.eps_hat else h.eps * (c2 if h.eps_inside else root)
        numbers = h.lr * root / c1, *running(h.betas), *_under_root(eps, h.eps_inside)
        return rules.amsgrad if h.amsgrad else rules.adam, numbers


def corrections(t: int, betas: Betas) -> tuple[float, float]:
    """What the running means m and s fall short of, since they start at 0."""
    return 1 - betas[0] ** t, 1 - betas[1] ** t


def running(betas: Betas) -> tuple[float, float, float]:
    """What m takes of the new value, and what s keeps of the old and takes of the new."""
    return 1 - betas[0], betas[1], 1 - betas[1]


class AdamW(Adam):
    """Adam with decoupled weight decay: θ ← (1 − lr · weight_decay) θ before the step (Loshchilov, Hutter 2019)."""

    weight_decay: DecoupledDecay = 1e-2
    decoupled_weight_decay: Decoupled = field(default=True, init=False)


class Adamax(Elementwise):
    """u ← max(β₂ u, |g| + eps); θ ← θ − lr · m̂ / u: Adam with the infinity norm (Kingma, Ba 2015, algorithm 2).

    m̂ is Adam's. The paper has no eps, which here, as in PyTorch, keeps u above 0.

    >>> p = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> opt = Adamax([p], lr=0.5)
    >>> p.grad = np.array([10.0, -0.1])
    >>> opt.step(); p.data.round(6)
    array([0.5, 2.5])
    """

    lr: Rate = 2e-3
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: Decay = 0.0
    _: KW_ONLY
    decoupled_weight_decay: Decoupled = False

    _entries = ("m", "u")

    def _rule(self, t: int, h: Options) -> Arithmetic:
        return rules.adamax, (h.lr / (1 - h.betas[0] ** t), 1 - h.betas[0], h.betas[1], h.eps)


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

    lr: Rate = 2e-3
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: Decay = 0.0
    momentum_decay: Annotated[NotNegative, "how fast μₜ comes to β₁"] = 4e-3
    _: KW_ONLY
    decoupled_weight_decay: Decoupled = False

    _entries = ("m", "s")

    def _rule(self, t: int, h: Options) -> Arithmetic:
        q = 0.96**h.momentum_decay
        mu, following = (h.betas[0] * (1 - q**k / 2) for k in (t, t + 1))
        product = h.betas[0] ** t * _halving_product(q, t)
        root = math.sqrt(corrections(t, h.betas)[1])
        rates = (1 - mu) / (1 - product), following / (1 - product * following)
        return rules.nadam, (*(h.lr * root * rate for rate in rates), *running(h.betas), h.eps * root)


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

    lr: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    weight_decay: Decay = 0.0
    _: KW_ONLY
    decoupled_weight_decay: Decoupled = False

    _entries = ("m", "s")

    def _rule(self, t: int, h: Options) -> Arithmetic:
        c1, c2 = corrections(t, h.betas)
        most = 2 / (1 - h.betas[1]) - 1
        length = most - 2 * t * h.betas[1] ** t / c2
        if length <= 5:
            return rules.adam_unscaled, (h.lr / c1, *running(h.betas))
        r = math.sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
        return rules.adam, (h.lr * r * math.sqrt(c2) / c1, *running(h.betas), 0.0, h.eps)
