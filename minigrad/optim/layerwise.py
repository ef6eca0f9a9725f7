"""First-order rules that look at a whole parameter, not at each of its numbers: LAMB by its norm, Muon as a matrix."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY
from typing import Annotated, Any

import numpy as np

from .. import kernels
from ..declared import Count, NotNegative, Positive
from ..kernels import rules
from ..ranges import NOT_NEGATIVE, number, two
from ..tape import Array, Tensor  # noqa: F401 (doctests)
from .adaptive import corrections, running
from .first_order import entries
from .hyperparameters import Betas, DecoupledDecay, Epsilon, Maximize, Rate
from .optimizer import Optimizer


def _adam(t: int, lr: float, options: dict[str, Any]) -> tuple[float, ...]:
    """The coefficients of `rules.adam`."""
    c1, c2 = corrections(t, options["betas"])
    return lr * math.sqrt(c2) / c1, *running(options["betas"]), 0.0, options["eps"] * math.sqrt(c2)


class LAMB(Optimizer):
    """θ ← θ − lr · ‖θ‖/‖u‖ · u for each parameter, with u = m̂ / (√ŝ + eps) + weight_decay · θ (You et al. 2020).

    m̂ and ŝ are Adam's. Where one of the norms is 0, their ratio is taken to be 1. For large batches.

    >>> p = Tensor(np.array([3.0, 4.0]), requires_grad=True)
    >>> opt = LAMB([p], lr=0.1, weight_decay=0.0)
    >>> p.grad = np.array([0.0, 2.0])
    >>> opt.step(); p.data.round(5)
    array([3. , 3.5])
    """

    lr: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-6
    weight_decay: Annotated[NotNegative, "the part of θ that is added to u"] = 1e-2
    _: KW_ONLY
    maximize: Maximize = False

    _entries = ("m", "s")

    def _update(
        self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], t: int, options: dict[str, Any]
    ) -> None:
        lr, decay = options["lr"], options["weight_decay"]
        us = [np.zeros_like(p) for p in ps]  # moved by Adam at the rate −1, they become its steps
        arrays = [entries(ps, states, name) for name in self._entries]
        kernels.update(rules.adam, us, gs, arrays, _adam(t, -1.0, options))
        for p, u in zip(ps, us):
            u += decay * p
            norms = float(np.linalg.norm(p)), float(np.linalg.norm(u))
            p -= lr * (norms[0] / norms[1] if all(norms) else 1.0) * u


class Adafactor(Optimizer):
    """A step of RMS 1 at most, times the size of θ, along g / √v, where v of a matrix is kept as its rows' and columns' means.

    ρ = min(lr, 1/√t), α = max(eps[1], RMS(θ)) · ρ, take = t^beta2_decay; θ ← (1 − lr · weight_decay) θ − α · u / max(1, RMS(u)/d),
    u = g / √v. Of a matrix (the last two axes) r and c follow the means of g² over its rows and columns, v = r cᵀ / mean(r): an
    array of state has as many numbers as a row. Shazeer, Stern 2018, in PyTorch's form, which says None for the eps that
    is 0 here.

    >>> p = Tensor(np.array([[3.0, 4.0]]), requires_grad=True)
    >>> opt = Adafactor([p], lr=0.1)
    >>> p.grad = np.array([[2.0, -5.0]])
    >>> opt.step(); (p.data - [[3.0, 4.0]]).round(4)
    array([[-0.3536,  0.3536]])
    """

    lr: Rate = 1e-2
    beta2_decay: Annotated[float, number(most=0, text="≤ 0"), "the power of t that v takes of the new value"] = -0.8
    eps: Annotated[
        tuple[float, float],
        two(NOT_NEGATIVE, "two numbers ≥ 0"),
        "the least of √v and of its mean (0: the dtype's round-off), and the least size of θ",
    ] = (0.0, 1e-3)
    d: Annotated[Positive, "the largest RMS of u"] = 1.0
    weight_decay: DecoupledDecay = 0.0
    _: KW_ONLY
    maximize: Maximize = False

    def _names(self, shape: tuple[int, ...], options: dict[str, Any]) -> tuple[str, ...]:
        return ("rows", "columns") if len(shape) > 1 else ("v",)

    def _shape_of(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        return {"rows": (*shape[:-1], 1), "columns": (*shape[:-2], 1, *shape[-1:])}.get(name, shape)

    def _update(
        self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], t: int, options: dict[str, Any]
    ) -> None:
        take, lr = t ** options["beta2_decay"], options["lr"]
        for p, g, state in zip(ps, gs, states):
            least = options["eps"][0] or float(np.finfo(p.dtype).eps)
            step = max(options["eps"][1], _rms(p)) * min(lr, 1 / math.sqrt(t))
            for name in self._names(p.shape, options):
                axis = {"rows": -1, "columns": -2}.get(name, ())
                new = np.mean(g * g, axis=axis, keepdims=True, dtype=p.dtype)
                old = state.setdefault(name, np.zeros_like(new))
                old += p.dtype.type(take) * (new - old)
            if p.ndim > 1:
                rows = state["rows"]
                v = rows * state["columns"] / np.maximum(rows.mean(axis=-2, keepdims=True), least)
            else:
                v = state["v"]
            u = g / np.sqrt(np.maximum(v, least * least))
            p *= 1 - lr * options["weight_decay"]
            p -= p.dtype.type(step / max(1.0, _rms(u) / options["d"])) * u


def _rms(a: Array) -> float:
    return float(np.linalg.norm(a)) / math.sqrt(a.size) if a.size else 0.0


class Muon(Optimizer):
    """θ ← (1 − lr · weight_decay) θ − lr · scale · orthogonal(u) for matrices (Jordan et al. 2024); AdamW for the rest.

    v ← momentum · v + (1 − momentum) g, and u is v, or with `nesterov` momentum · v + (1 − momentum) g. `orthogonal`
    brings all singular values near 1, by `ns_steps` Newton–Schulz iterations. `scale` is √max(1, rows/columns) or, to
    `match_adamw` in the size of steps, 0.2 √max(rows, columns).

    Parameters with other than two axes (biases, norms, convolutions), and all of a group with `adamw=True` (embeddings
    and the last layer, by the authors' advice), are moved by AdamW at the same lr; a group of their own may have
    another. PyTorch's Muon refuses them, and iterates in bfloat16 where this one keeps the parameter's dtype.

    >>> p = Tensor(np.array([[3.0, 0.0], [0.0, 2.0]]), requires_grad=True)
    >>> opt = Muon([p], lr=0.1, weight_decay=0.0, ns_steps=20)
    >>> p.grad = np.array([[0.0, 5.0], [1.0, 0.0]])
    >>> opt.step(); bool(np.all(abs(np.linalg.svd(p.data - np.diag([3.0, 2.0]))[1] - 0.1) < 0.04))
    True
    """

    lr: Rate = 1e-3
    momentum: Annotated[NotNegative, "what v keeps of its value"] = 0.95
    weight_decay: DecoupledDecay = 0.1
    nesterov: Annotated[bool, "step along momentum · v + (1 − momentum) g, in place of v"] = True
    ns_steps: Annotated[Count, "iterations that make a matrix orthogonal"] = 5
    _: KW_ONLY
    match_adamw: Annotated[bool, "steps as large as AdamW's"] = False
    adamw: Annotated[bool, "move all of the group by AdamW"] = False
    betas: Betas = (0.9, 0.999)
    eps: Epsilon = 1e-8
    maximize: Maximize = False

    def _names(self, shape: tuple[int, ...], options: dict[str, Any]) -> tuple[str, ...]:
        return ("m", "s") if options["adamw"] or len(shape) != 2 else ("v",)

    def _update(
        self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], t: int, options: dict[str, Any]
    ) -> None:
        lr, keep = options["lr"], 1 - options["lr"] * options["weight_decay"]
        by_adamw = [options["adamw"] or p.ndim != 2 for p in ps]
        rest = [triple for triple, so in zip(zip(ps, gs, states), by_adamw) if so]
        if rest:
            ps_, gs_, states_ = map(list, zip(*rest))
            arrays = [entries(ps_, states_, name) for name in ("m", "s")]
            kernels.update(rules.adam, ps_, gs_, arrays, _adam(t, lr, options), keep=keep)
        for p, g, state in (triple for triple, so in zip(zip(ps, gs, states), by_adamw) if not so):
            take, (rows, columns) = 1 - options["momentum"], p.shape
            (v,) = entries([p], [state], "v")
            v += take * (g - v)
            u = v + take * (g - v) if options["nesterov"] else v
            scale = 0.2 * math.sqrt(max(p.shape)) if options["match_adamw"] else math.sqrt(max(1, rows / columns))
            p *= keep
            p -= lr * scale * orthogonal(u, options["ns_steps"])


def orthogonal(a: Array, steps: int = 5) -> Array:
    """U S Vᵀ with the U and Vᵀ of a's singular value decomposition, and an S between about 0.7 and 1.2 where a's is not 0.

    Each Newton–Schulz step is an odd polynomial of degree five in the singular values, whose coefficients (of Jordan et
    al. 2024) are the ones that raise small values fastest; it does not converge to 1.

    >>> orthogonal(np.diag([9.0, 1.0, 0.0]), 10).diagonal().round(1)
    array([1.1, 1. , 0. ])
    """
    x = a.T if a.shape[0] > a.shape[1] else a
    x = x / max(float(np.linalg.norm(x)), 1e-7)  # no singular value is above 1
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if a.shape[0] > a.shape[1] else x
