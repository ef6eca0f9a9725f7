"""Losses beside cross-entropy, with PyTorch's names and conventions: a number for each entry or row, then reduced.

x and target have one shape, where PyTorch broadcasts them (and warns): a column beside a row is a mistake.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import NOT_NEGATIVE, NUMBER, POSITIVE, SWITCH, WHOLE, check, choice
from ..tape import Array, Tensor, as_tensor, dispatch, effect, in_floats, private, wrap
from ..typing import ArrayLike
from .activations import logsigmoid, softplus
from .distances import vector_norm
from .elementwise import abs, exp, log, maximum, relu, sqrt, where
from .indexing import getitem
from .layout import broadcast_arrays
from .loss import REDUCTION, reduced
from .reduce import logsumexp, mean, sum
from .shape import concat, expand_dims, pad, reshape
from .transcendental import logaddexp, xlogy

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "cosine_similarity", "ctc_loss",
    "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss", "mse_loss",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "pairwise_distance", "poisson_nll_loss",
    "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


def _pair(name: str, x: ArrayLike, target: ArrayLike, reduction: str) -> tuple[Tensor, Tensor]:
    x, target = as_tensor(x), as_tensor(target)
    check(name, REDUCTION, reduction=reduction)
    if x.shape != target.shape:
        raise ValueError(f"{name}: x has shape {x.shape}, target has shape {target.shape}; they must be the same")
    return x, target


def _weighted(
    f: Callable[[Tensor], Tensor], x: Tensor, target: Tensor, weight: ArrayLike | None, reduction: str
) -> Tensor:
    """f(x − target), reduced; with weights, the mean is that by weight."""

    def losses(x: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        y = f(x - target)
        if weight is None:
            return reduced(y, reduction)
        y = y * weight
        if reduction != "mean":
            return reduced(y, reduction)
        return sum(y) / sum(weight * np.ones(y.shape, y.dtype))

    return in_floats(losses, x, target, *[] if weight is None else [as_tensor(weight)])


# ---- of a number and another ---------------------------------------------------------------------------------------------


@named
def mse_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean", weight: ArrayLike | None = None) -> Tensor:
    """(x − target)², averaged over all entries; x and target have one shape."""
    x, target = _pair("mse_loss", x, target, reduction)
    return _weighted(lambda d: d * d, x, target, weight, reduction)


@named
def l1_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean", weight: ArrayLike | None = None) -> Tensor:
    """|x − target|, averaged over all entries; derivative 0 where they are equal."""
    x, target = _pair("l1_loss", x, target, reduction)
    return _weighted(abs, x, target, weight, reduction)


def _near(d: Array, limit: float) -> Array:
    return np.abs(d.real) < limit


@named
def smooth_l1_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d²/(2 beta) where |d| < beta, |d| − beta/2 elsewhere, d = x − target (Girshick 2015); with beta 0, `l1_loss`."""
    x, target = _pair("smooth_l1_loss", x, target, reduction)
    check("smooth_l1_loss", NOT_NEGATIVE, beta=beta)

    def losses(x: Tensor, t: Tensor) -> Tensor:
        d = x - t
        near = dispatch(_near, d, beta)
        return reduced(where(near, d * d * (0.5 / (beta or 1.0)), abs(d) - beta / 2), reduction)

    return in_floats(losses, x, target)


@named
def huber_loss(
    x: ArrayLike, target: ArrayLike, *, reduction: str = "mean", delta: float = 1.0, weight: ArrayLike | None = None
) -> Tensor:
    """d²/2 where |d| < delta, delta · (|d| − delta/2) elsewhere, d = x − target (Huber 1964)."""
    x, target = _pair("huber_loss", x, target, reduction)
    check("huber_loss", POSITIVE, delta=delta)

    def losses(d: Tensor) -> Tensor:
        return where(dispatch(_near, d, delta), d * d * 0.5, delta * (abs(d) - delta / 2))

    return _weighted(losses, x, target, weight, reduction)


# ---- of probabilities ------------------------------------------------------------------------------------------------------

_LEAST = math.exp(-100)


def _tiny(p: Array) -> Array:
    return p.real < _LEAST


def _log_at_least(p: Tensor) -> Tensor:
    """log p, −100 where it would be less: without a slope there."""
    tiny = dispatch(_tiny, p)
    return where(tiny, -100, log(where(tiny, 1, p)))


def _check_fractions(p: Array) -> None:
    if ((p.real < 0) | (p.real > 1)).any():
        what = "x has entries outside [0, 1]; give probabilities, or logits to …_with_logits"
        raise ValueError(f"binary_cross_entropy: {what}")


@named
def binary_cross_entropy(
    x: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, reduction: str = "mean"
) -> Tensor:
    """−t log x − (1 − t) log(1 − x) of probabilities x, with logarithms no less than −100 as in PyTorch.

    Raises ValueError for x outside [0, 1]. `binary_cross_entropy_with_logits` is exact where this one is cut off.
    """
    x, target = _pair("binary_cross_entropy", x, target, reduction)
    effect(_check_fractions, x._data)

    def losses(x: Tensor, t: Tensor) -> Tensor:
        found = -(t * _log_at_least(x) + (1 - t) * _log_at_least(1 - x))
        return reduced(found if weight is None else found * weight, reduction)

    return in_floats(losses, x, target)


@named
def binary_cross_entropy_with_logits(
    x: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: str = "mean",
    pos_weight: ArrayLike | None = None,
) -> Tensor:
    """−t log sigmoid(x) − (1 − t) log sigmoid(−x), without overflow; `pos_weight` multiplies the first of them.

    >>> round(binary_cross_entropy_with_logits(np.array([0.0]), np.array([1.0])).item(), 4)
    0.6931
    """
    x, target = _pair("binary_cross_entropy_with_logits", x, target, reduction)

    def losses(x: Tensor, t: Tensor) -> Tensor:
        few = softplus(-x) if pos_weight is None else softplus(-x) * ((as_tensor(pos_weight) - 1) * t + 1)
        found = (1 - t) * x + few
        return reduced(found if weight is None else found * weight, reduction)

    return in_floats(losses, x, target)


@named
def kl_div(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """t (log t − x) of log-probabilities x and probabilities t, or with `log_target` their logarithms.

    `reduction` 'batchmean' divides the sum by the number of rows: the divergence; 'mean', by that of entries.
    """
    check("kl_div", choice("mean", "sum", "none", "batchmean"), reduction=reduction)
    check("kl_div", SWITCH, log_target=log_target)
    x, target = _pair("kl_div", x, target, "none")

    def losses(x: Tensor, t: Tensor) -> Tensor:
        found = exp(t) * (t - x) if log_target else xlogy(t, t) - t * x
        if reduction == "batchmean":
            return sum(found) / (x.shape[0] if x.ndim else 1)
        return reduced(found, reduction)

    return in_floats(losses, x, target)


def _check_variances(var: Array) -> None:
    if (var.real < 0).any():
        raise ValueError("gaussian_nll_loss: var has negative entries; a variance is ≥ 0")


@named
def gaussian_nll_loss(
    x: ArrayLike,
    target: ArrayLike,
    var: ArrayLike,
    full: bool = False,
    eps: float = 1e-6,
    *,
    reduction: str = "mean",
) -> Tensor:
    """½ (log v + (x − t)²/v) for a Gaussian of mean x and variance v, no less than eps; `full` adds ½ log 2π.

    x and target broadcast; var has their shape, or 1 in its place, or lacks the last axis. Raises ValueError for a negative variance.
    """
    check("gaussian_nll_loss", REDUCTION, reduction=reduction)
    x, target = broadcast_arrays(x, target)
    check("gaussian_nll_loss", SWITCH, full=full)
    check("gaussian_nll_loss", POSITIVE, eps=eps)
    var = as_tensor(var)
    if var.shape == x.shape[:-1] and x.ndim:
        var = expand_dims(var, -1)
    if var.ndim and (var.ndim != x.ndim or any(n not in (1, m) for n, m in zip(var.shape, x.shape))):
        raise ValueError(
            f"gaussian_nll_loss: var has shape {var.shape}, x {x.shape}; it must be the same, or 1 in places"
        )
    effect(_check_variances, var._data)

    def losses(x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        v = v + wrap(dispatch(_missing, v, eps))  # as PyTorch, with the slope 1
        found = 0.5 * (log(v) + (x - t) * (x - t) / v) + (0.5 * math.log(2 * math.pi) if full else 0)
        return reduced(found, reduction)

    return in_floats(losses, x, target, var)


def _missing(v: Array, least: float) -> Array:
    return np.maximum(least - v.real, 0).astype(v.real.dtype)


def _many(t: Array) -> Array:
    return t.real > 1


@named
def poisson_nll_loss(
    x: ArrayLike,
    target: ArrayLike,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    *,
    reduction: str = "mean",
) -> Tensor:
    """eˣ − t x, or without `log_input` x − t log(x + eps); `full` adds Stirling's t log t − t + ½ log 2πt where t > 1."""
    x, target = _pair("poisson_nll_loss", x, target, reduction)
    check("poisson_nll_loss", SWITCH, log_input=log_input, full=full)
    check("poisson_nll_loss", NOT_NEGATIVE, eps=eps)

    def losses(x: Tensor, t: Tensor) -> Tensor:
        found = exp(x) - t * x if log_input else x - t * log(x + eps)
        if full:
            many = dispatch(_many, t)
            s = where(many, t, 1)
            found = found + where(many, s * log(s) - s + 0.5 * log(2 * math.pi * s), 0)
        return reduced(found, reduction)

    return in_floats(losses, x, target)


# ---- of margins --------------------------------------------------------------------------------------------------------------


def _is(t: Array, value: float) -> Array:
    return t.real == value


@named
def hinge_embedding_loss(x: ArrayLike, target: ArrayLike, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """x where the target is 1, max(0, margin − x) where it is −1."""
    x, target = _pair("hinge_embedding_loss", x, target, reduction)
    check("hinge_embedding_loss", NUMBER, margin=margin)

    def losses(x: Tensor, t: Tensor) -> Tensor:
        return reduced(where(dispatch(_is, t, 1), 0, relu(margin - x)) + where(dispatch(_is, t, -1), 0, x), reduction)

    return in_floats(losses, x, target)


@named
def margin_ranking_loss(
    x1: ArrayLike, x2: ArrayLike, target: ArrayLike, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, margin − t (x1 − x2)), with t = 1 where x1 is to be the larger, −1 where x2 is; with broadcasting."""
    check("margin_ranking_loss", REDUCTION, reduction=reduction)
    check("margin_ranking_loss", NUMBER, margin=margin)

    def losses(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
        return reduced(relu(margin - t * (a - b)), reduction)

    return in_floats(losses, *map(as_tensor, (x1, x2, target)))


@named
def soft_margin_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Tensor:
    """log(1 + e^(−t x)) with targets ±1, without overflow."""
    x, target = _pair("soft_margin_loss", x, target, reduction)
    return in_floats(lambda x, t: reduced(softplus(-t * x), reduction), x, target)


def _classes(name: str, x: Tensor, target: Any) -> tuple[Tensor, Array, bool]:
    """x as (N, C), labels (N,), and whether there was no batch."""
    labels = private(target)
    single = x.ndim < 2
    if single:
        x, labels = reshape(x, (1, -1)), np.reshape(labels, (1,)) if labels.size == 1 else labels
    if x.ndim != 2 or labels.shape != x.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(f"{name}: x is {shown(x)}, target {shown(target)}; they must be (N, C) and N integers")
    if labels.size and not 0 <= labels.min() <= labels.max() < x.shape[1]:
        raise ValueError(f"{name}: targets go from {labels.min()} to {labels.max()}; x has {x.shape[1]} classes")
    return x, labels, single


@named
def multi_margin_loss(
    x: ArrayLike,
    target: ArrayLike,
    p: int = 1,
    margin: float = 1.0,
    weight: ArrayLike | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Σ_{j ≠ t} max(0, margin − x_t + x_j)^p / C of scores x (N, C): for p = 1 and times C, CS231n's hinge loss of an SVM.

    p is 1 or 2; `weight` has a number for each class. Crammer, Singer 2001.
    """
    name = "multi_margin_loss"
    check(name, REDUCTION, reduction=reduction)
    check(name, NUMBER, margin=margin)
    if p not in (1, 2):
        raise ValueError(f"{name}: p is {shown(p)}; it must be 1 or 2")
    x, labels, single = _classes(name, as_tensor(x), target)
    rows = np.arange(len(labels))
    others = rows[:, None] * 0 + np.arange(x.shape[1]) != labels[:, None]

    def losses(x: Tensor, weight: Tensor | None = None) -> Tensor:
        above = relu(margin - expand_dims(getitem(x, (rows, labels)), 1) + x)
        above = above if p == 1 else above * above
        if weight is not None:
            above = above * expand_dims(getitem(weight, labels), 1)
        found = sum(where(others, above, 0), 1) / x.shape[1]
        return reduced(reshape(found, ()) if single else found, reduction)

    return in_floats(losses, x, *[] if weight is None else [as_tensor(weight)])


def _marked(target: Array, classes: int) -> tuple[Array, Array]:
    """Where the listed classes are, each counted, up to the first −1 of a row."""
    listed = np.cumprod(target >= 0, axis=1).astype(bool)
    safe = np.where(listed, target, 0)
    if safe.size and safe.max() >= classes:
        raise ValueError(f"multilabel_margin_loss: target {safe.max()} is out of range; x has {classes} classes")
    inside = np.zeros((len(target), classes), bool)
    np.logical_or.at(inside, (np.arange(len(target))[:, None], safe), listed)
    return safe, np.stack([listed, inside]) if classes == target.shape[1] else inside


@named
def multilabel_margin_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Tensor:
    """Σ over listed classes j and others i of max(0, 1 − x_j + x_i) / C of scores x (N, C) or (C,).

    The target, of x's shape, lists classes, up to the first −1 of a row.
    """
    name = "multilabel_margin_loss"
    x, labels = as_tensor(x), private(target)
    check(name, REDUCTION, reduction=reduction)
    if x.ndim > 2 or labels.shape != x.shape or labels.dtype.kind not in "iu":
        raise ValueError(f"{name}: x is {shown(x)}, target {shown(target)}; they must be (N, C) both, target integers")
    single = x.ndim < 2
    x, labels = (reshape(x, (1, -1)), labels.reshape(1, -1)) if single else (x, labels)
    places, (listed, inside) = dispatch(_marked, labels, x.shape[1])
    counts = listed[:, :, None] & ~inside[:, None, :]

    def losses(x: Tensor) -> Tensor:
        wanted = getitem(x, (np.arange(len(labels))[:, None], places))
        above = relu(1 - expand_dims(wanted, 2) + expand_dims(x, 1))  # (N, listed, others)
        found = sum(where(counts, above, 0), (1, 2)) / x.shape[1]
        return reduced(reshape(found, ()) if single else found, reduction)

    return in_floats(losses, x)


@named
def multilabel_soft_margin_loss(
    x: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The mean over classes of −t log sigmoid(x) − (1 − t) log sigmoid(−x), times the class's weight."""
    x, target = _pair("multilabel_soft_margin_loss", x, target, reduction)

    def losses(x: Tensor, t: Tensor) -> Tensor:
        found = -(t * logsigmoid(x) + (1 - t) * logsigmoid(-x))
        return reduced(mean(found if weight is None else found * weight, -1), reduction)

    return in_floats(losses, x, target)


# ---- of vectors ------------------------------------------------------------------------------------------------------------


@named
def cosine_similarity(x1: ArrayLike, x2: ArrayLike, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (max(‖x1‖, eps) max(‖x2‖, eps)) over `axis`, with broadcasting."""
    check("cosine_similarity", NOT_NEGATIVE, eps=eps)

    def similarity(a: Tensor, b: Tensor) -> Tensor:
        a, b = a + 0 * b, b + 0 * a
        a, b = (x / maximum(vector_norm(x, axis=axis, keepdims=True), eps) for x in (a, b))
        return sum(a * b, axis)

    return in_floats(similarity, as_tensor(x1), as_tensor(x2))


@named
def cosine_embedding_loss(
    x1: ArrayLike, x2: ArrayLike, target: ArrayLike, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """1 − cos(x1, x2) where the target is 1, max(0, cos(x1, x2) − margin) where it is −1; x1 and x2 are (N, D) or (D,)."""
    name = "cosine_embedding_loss"
    a, b = _pair(name, x1, x2, reduction)
    target = as_tensor(target)
    check(name, NUMBER, margin=margin)
    if a.ndim not in (1, 2) or target.shape != a.shape[:-1]:
        raise ValueError(f"{name}: x1 and x2 are {a.shape}, target {target.shape}; they must be (N, D) and (N,)")

    def losses(a: Tensor, b: Tensor) -> Tensor:
        cos = sum(a * b, -1) / sqrt((sum(a * a, -1) + 1e-12) * (sum(b * b, -1) + 1e-12))
        alike, other = dispatch(_is, target, 1), dispatch(_is, target, -1)
        return reduced(where(alike, 1 - cos, 0) + where(other, relu(cos - margin), 0), reduction)

    return in_floats(losses, a, b)


@named
def pairwise_distance(x1: ArrayLike, x2: ArrayLike, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x1 − x2 + eps‖ of order p over the last axis, with broadcasting."""
    check("pairwise_distance", NUMBER, p=p, eps=eps)
    check("pairwise_distance", SWITCH, keepdim=keepdim)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return vector_norm(a - b + eps, axis=-1, keepdims=keepdim, ord=p)

    return in_floats(distance, as_tensor(x1), as_tensor(x2))


@named
def triplet_margin_with_distance_loss(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    distance_function: Callable[[Any, Any], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) − d(a, n) + margin), by default with `pairwise_distance`; `swap` takes the smaller of d(a, n), d(p, n)."""
    name = "triplet_margin_with_distance_loss"
    check(name, REDUCTION, reduction=reduction)
    check(name, POSITIVE, margin=margin)
    check(name, SWITCH, swap=swap)
    d = distance_function or pairwise_distance

    def losses(a: Tensor, p: Tensor, n: Tensor) -> Tensor:
        far = d(a, n)
        if swap:
            far = -maximum(-far, -d(p, n))
        return reduced(relu(d(a, p) - far + margin), reduction)

    return in_floats(losses, *map(as_tensor, (anchor, positive, negative)))


@named
def triplet_margin_loss(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) − d(a, n) + margin) with `pairwise_distance` of order p (Balntas et al. 2016)."""
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


# ---- of sequences ------------------------------------------------------------------------------------------------------------


@named
def ctc_loss(
    log_probs: ArrayLike,
    targets: ArrayLike,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    *,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """−log of the probability that sequences of log-probabilities (T, N, C) spell their targets, over all alignments.

    targets are (N, S) or all of them one after another; without a batch log_probs are (T, C). 'mean' divides each by the
    length of its target, then averages. With `zero_infinity` impossible targets count 0. Graves et al. 2006: the forward
    sums, in logarithms, so that every order of derivative exists.
    """
    name = "ctc_loss"
    x, labels = as_tensor(log_probs), private(targets)
    check(name, REDUCTION, reduction=reduction)
    check(name, WHOLE, blank=blank)
    check(name, SWITCH, zero_infinity=zero_infinity)
    single = x.ndim == 2
    x = expand_dims(x, 1) if single else x
    steps, lengths = (np.atleast_1d(np.asarray(private(n), int)) for n in (input_lengths, target_lengths))
    if x.ndim != 3 or steps.shape != (x.shape[1],) or lengths.shape != steps.shape or not 0 <= blank < x.shape[2]:
        raise ValueError(
            f"{name}: log_probs are {shown(x)}, with {len(steps)} input and {len(lengths)} target lengths and blank {blank}; "
            "they must be (T, N, C), N and N, and a class"
        )
    if labels.ndim == 1:
        ends = np.cumsum(lengths)
        rows = [labels[end - n : end] for n, end in zip(lengths, ends)]
    else:
        rows = [row[:n] for row, n in zip(labels, lengths)]

    def over_sequences(x: Tensor) -> Tensor:
        found = [_spelt(x[: steps[i], i], np.asarray(row, int), blank) for i, row in enumerate(rows)]
        losses = concat([reshape(loss, (1,)) for loss in found])
        if zero_infinity:
            losses = where(dispatch(np.isinf, losses), 0, losses)
        if reduction == "mean":
            return mean(losses / np.maximum(lengths, 1).astype(losses.dtype))
        return reshape(losses, ()) if single and reduction == "none" else reduced(losses, reduction)

    return in_floats(over_sequences, x)


def _spelt(x: Tensor, labels: Array, blank: int) -> Tensor:
    """−log of the probability of one target, from log-probabilities (T, C)."""
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    leaps = np.zeros(len(states), bool)  # over a blank, between two labels that differ
    leaps[3::2] = labels[1:] != labels[:-1]
    emitted = x[:, states]  # (T, states)
    never = np.full(len(states), -np.inf, x.dtype)
    a = where(np.arange(len(states)) < 2, emitted[0], never)
    for t in range(1, x.shape[0]):
        on = pad(a, (1, 0), value=-np.inf)[: len(states)] if len(states) > 1 else never
        over = where(leaps, pad(a, (2, 0), value=-np.inf)[: len(states)], never) if len(states) > 2 else never
        a = logaddexp(logaddexp(a, on), over) + emitted[t]
    return -(logsumexp(a[-2:]) if len(states) > 1 else a[-1])
