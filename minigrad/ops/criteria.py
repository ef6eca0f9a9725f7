"""Losses beside cross-entropy, each a composition: of numbers, of binary labels, of margins, of distances, of sequences.

`reduction` is 'mean', 'sum' or 'none'. Shapes must be the same where PyTorch would broadcast and warn. Derivatives are those of
the value: where PyTorch's are not (`binary_cross_entropy` at probabilities 0 and 1, `gaussian_nll_loss` at a variance
below eps, `ctc_loss` on what is no log-softmax), the docstring says so. A hinge, max(0, z), has slope 0 at z = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import check_function, named, shown
from ..ranges import INDEX, NOT_NEGATIVE, NUMBER, POSITIVE, SWITCH, check, choice, whole
from ..tape import Array, Tensor, as_tensor, dispatch, effect, private
from ..typing import ArrayLike
from . import distances
from .activations import logsigmoid
from .elementwise import abs, exp, log, log1p, maximum, minimum, power, relu, where
from .indexing import getitem
from .loss import REDUCTION, class_weights, labels_of, reduced
from .products import rounded_once
from .reduce import logsumexp, mean, sum
from .shape import concat, normal_axis, reshape, stack
from .transcendental import xlogy

__all__ = [
    "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss", "cosine_similarity",
    "ctc_loss", "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss", "margin_ranking_loss",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "pairwise_distance", "poisson_nll_loss",
    "smooth_l1_loss", "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


def _same(name: str, reduction: str, **given: Any) -> list[Tensor]:
    """Tensors, after a check that they have one shape."""
    check(name, REDUCTION, reduction=reduction)
    tensors = {what: as_tensor(a) for what, a in given.items()}
    if len({a.shape for a in tensors.values()}) > 1:
        told = ", ".join(f"{what} has shape {a.shape}" for what, a in tensors.items())
        raise ValueError(f"{name}: {told}; they must be the same")
    return list(tensors.values())


def _weighted(name: str, losses: Tensor, weight: Any) -> Tensor:
    if weight is None:
        return losses
    weight = as_tensor(weight)
    try:
        fits = np.broadcast_shapes(weight.shape, losses.shape) == losses.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: weight has shape {weight.shape}; it must broadcast to {losses.shape}")
    return losses * weight


def _below(a: Array, bound: float) -> Array:
    return a.real < bound


def _is(a: Array, value: float) -> Array:
    return a.real == value


def _is_not(a: Array, value: float) -> Array:
    return a.real != value


# ---- of numbers ----------------------------------------------------------------------------------------------------


@named
def l1_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Tensor:
    """|x − target|, averaged over all entries."""
    return rounded_once(lambda x, t: reduced(abs(x - t), reduction))(*_same("l1_loss", reduction, x=x, target=target))


@named
def smooth_l1_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """½ d²/beta where d = |x − target| is below beta, d − ½ beta elsewhere (Girshick 2015)."""
    check("smooth_l1_loss", NOT_NEGATIVE, beta=beta)
    if beta == 0:
        return l1_loss(x, target, reduction=reduction)
    x, target = _same("smooth_l1_loss", reduction, x=x, target=target)
    return rounded_once(lambda x, t: reduced(_rounded(abs(x - t), beta) / beta, reduction))(x, target)


@named
def huber_loss(x: ArrayLike, target: ArrayLike, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """½ d² where d = |x − target| is below delta, delta · (d − ½ delta) elsewhere (Huber 1964).

    >>> huber_loss(np.array([0.5, 3.0]), np.zeros(2), reduction="none").data
    array([0.125, 2.5  ])
    """
    check("huber_loss", POSITIVE, delta=delta)
    x, target = _same("huber_loss", reduction, x=x, target=target)
    return rounded_once(lambda x, t: reduced(_rounded(abs(x - t), delta), reduction))(x, target)


def _rounded(d: Tensor, delta: float) -> Tensor:
    return where(dispatch(_below, d._data, delta), 0.5 * d * d, delta * (d - 0.5 * delta))


@named
def gaussian_nll_loss(
    x: ArrayLike, target: ArrayLike, var: ArrayLike, full: bool = False, eps: float = 1e-6, *, reduction: str = "mean"
) -> Tensor:
    """½ (log var + (x − target)²/var), var being at least eps; with `full`, + ½ log 2π: −log of a Gaussian density.

    `var` has x's shape, or with one variance for the last axis, a last axis that is 1 or left out; or it is a number. It must not
    be negative. Below eps it has slope 0, where PyTorch lets the slope at eps through (Nix, Weigend 1994).
    """
    check("gaussian_nll_loss", POSITIVE, eps=eps)
    check("gaussian_nll_loss", SWITCH, full=full)
    x, target = _same("gaussian_nll_loss", reduction, x=x, target=target)
    var = as_tensor(var)
    if x.ndim and var.shape == x.shape[:-1] != x.shape and var.ndim:
        var = reshape(var, (*var.shape, 1))
    if var.ndim and var.shape not in (x.shape, (*x.shape[:-1], 1)):
        raise ValueError(
            f"gaussian_nll_loss: var has shape {var.shape}, x has {x.shape}; var must have it, or one less"
        )
    effect(_check_variance, var._data)

    def loss(x: Tensor, t: Tensor, var: Tensor) -> Tensor:
        var, d = maximum(var, eps), x - t
        return reduced(0.5 * (log(var) + d * d / var) + (0.5 * math.log(2 * math.pi) if full else 0.0), reduction)

    return rounded_once(loss)(x, target, var)


def _check_variance(var: Array) -> None:
    if (var.real < 0).any():
        raise ValueError(f"gaussian_nll_loss: var has an entry {var.real.min()}; it must be ≥ 0")


@named
def poisson_nll_loss(
    x: ArrayLike,
    target: ArrayLike,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """eˣ − target · x, x being the logarithm of the rate; or x − target · log(x + eps) with `log_input=False`.

    With `full` comes Stirling's approximation of log target!, t log t − t + ½ log 2πt, for targets above 1.
    """
    check("poisson_nll_loss", SWITCH, log_input=log_input, full=full)
    check("poisson_nll_loss", POSITIVE, eps=eps)

    def loss(x: Tensor, t: Tensor) -> Tensor:
        y = exp(x) - t * x if log_input else x - t * log(x + eps)
        if full:
            small = dispatch(_at_most_one, t._data)
            safe = where(small, 1.0, t)
            y = y + where(small, 0.0, safe * log(safe) - safe + 0.5 * log(2 * math.pi * safe))
        return reduced(y, reduction)

    return rounded_once(loss)(*_same("poisson_nll_loss", reduction, x=x, target=target))


def _at_most_one(a: Array) -> Array:
    return a.real <= 1


@named
def kl_div(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target · (log target − x) of log-probabilities x: 0 where the target is 0. With `log_target` the target is given by its log.

    `reduction` may also be 'batchmean', the sum divided by the length of the first axis, which is the mathematician's mean.
    """
    check("kl_div", choice("mean", "sum", "none", "batchmean"), reduction=reduction)
    check("kl_div", SWITCH, log_target=log_target)
    x, target = _same("kl_div", "none", x=x, target=target)

    def loss(x: Tensor, t: Tensor) -> Tensor:
        y = exp(t) * (t - x) if log_target else xlogy(t, t) - t * x
        if reduction == "batchmean":
            return sum(y) / (y.shape[0] if y.ndim else 1)
        return reduced(y, reduction)

    return rounded_once(loss)(x, target)


# ---- of binary labels ------------------------------------------------------------------------------------------------

_LEAST = -100.0


def _limited_log(p: Tensor, q: Tensor, f: Callable) -> Tensor:
    """f(q), the logarithm of p, and −100 with slope 0 below that."""
    tiny = dispatch(_below, p._data, math.exp(_LEAST))
    return where(tiny, _LEAST, f(where(tiny, 0.5, q)))


@named
def binary_cross_entropy(
    x: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, reduction: str = "mean"
) -> Tensor:
    """−(target · log x + (1 − target) · log(1 − x)) for probabilities x, times the weight.

    Logarithms are at least −100, as in PyTorch; there the slope is 0, where PyTorch's is of the order of 10¹². Raises
    ValueError for x outside [0, 1]. See `binary_cross_entropy_with_logits`, which loses no digits.
    """
    x, target = _same("binary_cross_entropy", reduction, x=x, target=target)
    effect(_check_unit, x._data)

    def loss(x: Tensor, t: Tensor) -> Tensor:
        y = t * _limited_log(x, x, log) + (1 - t) * _limited_log(1 - x, -x, log1p)
        return reduced(_weighted("binary_cross_entropy", -y, weight), reduction)

    return rounded_once(loss)(x, target)


def _check_unit(x: Array) -> None:
    if not ((x.real >= 0) & (x.real <= 1) | np.isnan(x.real)).all():
        raise ValueError(
            f"binary_cross_entropy: x has entries from {x.real.min()} to {x.real.max()}; they must be in [0, 1]: "
            "use binary_cross_entropy_with_logits for logits"
        )


@named
def binary_cross_entropy_with_logits(
    x: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    reduction: str = "mean",
    pos_weight: ArrayLike | None = None,
) -> Tensor:
    """−(pos_weight · target · log σ(x) + (1 − target) · log σ(−x)) for logits x, times the weight, without overflow.

    >>> binary_cross_entropy_with_logits(np.array([-1000.0, 0.0]), np.array([0.0, 1.0]), reduction="none").data.round(4)
    array([0.    , 0.6931])
    """

    def loss(x: Tensor, t: Tensor) -> Tensor:
        positive = _weighted("binary_cross_entropy_with_logits", t * logsigmoid(x), pos_weight)
        return reduced(
            _weighted("binary_cross_entropy_with_logits", -(positive + (1 - t) * logsigmoid(-x)), weight), reduction
        )

    return rounded_once(loss)(*_same("binary_cross_entropy_with_logits", reduction, x=x, target=target))


@named
def multilabel_soft_margin_loss(
    x: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None, *, reduction: str = "mean"
) -> Tensor:
    """The mean over the last axis, the classes, of binary cross-entropy with logits, times the weights of classes."""

    def loss(x: Tensor, t: Tensor) -> Tensor:
        y = _weighted("multilabel_soft_margin_loss", -(t * logsigmoid(x) + (1 - t) * logsigmoid(-x)), weight)
        return reduced(mean(y, -1), reduction)

    x, target = _same("multilabel_soft_margin_loss", reduction, x=x, target=target)
    if not x.ndim:
        raise ValueError("multilabel_soft_margin_loss: x is a scalar; its last axis must be the classes")
    return rounded_once(loss)(x, target)


@named
def soft_margin_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Tensor:
    """log(1 + e^(−target · x)) for targets of ±1, without overflow."""
    tensors = _same("soft_margin_loss", reduction, x=x, target=target)
    return rounded_once(lambda x, t: reduced(-logsigmoid(t * x), reduction))(*tensors)


# ---- of margins ----------------------------------------------------------------------------------------------------------


@named
def hinge_embedding_loss(x: ArrayLike, target: ArrayLike, margin: float = 1.0, *, reduction: str = "mean") -> Tensor:
    """x where the target is 1, max(0, margin − x) where it is −1."""
    check("hinge_embedding_loss", NUMBER, margin=margin)
    x, target = _same("hinge_embedding_loss", reduction, x=x, target=target)
    alike, other = dispatch(_is_not, target._data, -1), dispatch(_is_not, target._data, 1)
    return rounded_once(
        lambda x: reduced(where(other, relu(margin - x), 0.0) + where(alike, x, 0.0), reduction)
    )(x)  # fmt: skip


@named
def margin_ranking_loss(
    x1: ArrayLike, x2: ArrayLike, target: ArrayLike, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, margin − target · (x1 − x2)): with target 1, x1 is to rank higher, with −1, x2."""
    check("margin_ranking_loss", NUMBER, margin=margin)
    tensors = _same("margin_ranking_loss", reduction, x1=x1, x2=x2, target=target)
    return rounded_once(lambda a, b, t: reduced(relu(margin - t * (a - b)), reduction))(*tensors)


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
    """Σ max(0, margin − x[label] + x[k])ᵖ / K over the other classes k, times the label's weight: scores x (N, K) or (K,).

    Weston, Watkins 1999; the SVM loss of CS231n is K times this.

    >>> multi_margin_loss(np.array([[3.2, 5.1, -1.7]]), np.array([0])).data * 3
    array(2.9)
    """
    check("multi_margin_loss", REDUCTION, reduction=reduction)
    check("multi_margin_loss", whole(1, 2, "1 or 2"), p=p)
    check("multi_margin_loss", NUMBER, margin=margin)
    x = as_tensor(x)
    if x.ndim not in (1, 2):
        raise ValueError(f"multi_margin_loss: x has shape {x.shape}; it must be (N, K) or (K,)")
    k = x.shape[-1]
    labels = labels_of("multi_margin_loss", target, x.shape[:-1], k)
    rows = dispatch(_each_row, labels)
    others = dispatch(_other_classes, labels, k)
    w = None if weight is None else dispatch(_entries, class_weights("multi_margin_loss", weight, k), labels)

    def loss(x: Tensor) -> Tensor:
        scores = x if x.ndim == 2 else reshape(x, (1, k))
        z = relu(margin - reshape(getitem(scores, (rows, labels)), (-1, 1)) + scores)
        each = sum(where(others, z if p == 1 else z * z, 0.0), 1) / k
        each = each if w is None else each * w
        return reduced(each if x.ndim == 2 else reshape(each, ()), reduction)

    return rounded_once(loss)(x)


def _each_row(labels: Array) -> Array:
    return np.arange(len(labels))


def _other_classes(labels: Array, k: int) -> Array:
    return np.arange(k) != labels[:, None]


def _entries(weight: Array, labels: Array) -> Array:
    return weight[labels]


@named
def multilabel_margin_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Tensor:
    """Σ max(0, 1 − x[label] + x[k]) / K over all labels of a sample and all classes k that are none: scores x (N, K) or (K,).

    A target has x's shape; it is the labels, then −1, after which nothing counts.
    """
    x, t = as_tensor(x), private(target)
    _same("multilabel_margin_loss", reduction, x=x, target=t)
    if x.ndim not in (1, 2):
        raise ValueError(f"multilabel_margin_loss: x has shape {x.shape}; it must be (N, K) or (K,)")
    if t.dtype.kind not in "iu":
        raise TypeError(f"multilabel_margin_loss: target is {shown(target)}; it must be ints, class indices")
    k = x.shape[-1]
    effect(_check_labels, t, k)
    labels, pairs = dispatch(_first_labels, t, k), dispatch(_pairs, t, k)

    def loss(x: Tensor) -> Tensor:
        scores = x if x.ndim == 2 else reshape(x, (1, k))
        own = getitem(scores, (dispatch(_row_numbers, labels), labels))  # (N, labels)
        z = relu(1 - reshape(own, (-1, k, 1)) + reshape(scores, (-1, 1, k)))
        each = sum(where(pairs, z, 0.0), (1, 2)) / k
        return reduced(each if x.ndim == 2 else reshape(each, ()), reduction)

    return rounded_once(loss)(x)


def _check_labels(t: Array, k: int) -> None:
    if t.size and (t.min() < -1 or t.max() >= k):
        raise ValueError(
            f"multilabel_margin_loss: labels are from {t.min()} to {t.max()}; there are {k} classes, and −1"
        )


def _counting(t: Array, k: int) -> Array:
    return np.logical_and.accumulate(t.reshape(-1, k) >= 0, axis=1)


def _first_labels(t: Array, k: int) -> Array:
    return np.where(_counting(t, k), t.reshape(-1, k), 0)


def _pairs(t: Array, k: int) -> Array:
    counts, is_label = _counting(t, k), np.zeros((t.size // max(k, 1), k), bool)
    n, place = np.nonzero(counts)
    is_label[n, t.reshape(-1, k)[n, place]] = True
    return counts[:, :, None] & ~is_label[:, None, :]


def _row_numbers(labels: Array) -> Array:
    return np.broadcast_to(np.arange(len(labels))[:, None], labels.shape).copy()


# ---- of distances --------------------------------------------------------------------------------------------------------


@named
def cosine_similarity(x1: ArrayLike, x2: ArrayLike, axis: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (‖x1‖ ‖x2‖) along an axis, norms being at least eps; shapes broadcast."""
    check("cosine_similarity", POSITIVE, eps=eps)
    x1, x2 = as_tensor(x1), as_tensor(x2)
    ndim = max((x1.ndim, x2.ndim))
    axis = normal_axis("cosine_similarity", axis, ndim) - ndim  # of both, counted from behind

    def unit(x: Tensor) -> Tensor:
        return x / maximum(distances.vector_norm(x, axis=axis, keepdims=True), eps)

    def similarity(a: Tensor, b: Tensor) -> Tensor:
        return sum(unit(_of_rank(a, -axis)) * unit(_of_rank(b, -axis)), axis)

    return rounded_once(similarity)(x1, x2)


def _of_rank(x: Tensor, n: int) -> Tensor:
    return x if x.ndim >= n else reshape(x, (*[1] * (n - x.ndim), *x.shape))


@named
def pairwise_distance(
    x1: ArrayLike, x2: ArrayLike, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> Tensor:
    """‖x1 − x2 + eps‖ₚ along the last axis; shapes broadcast."""
    check("pairwise_distance", NUMBER, p=p, eps=eps)
    check("pairwise_distance", SWITCH, keepdims=keepdims)
    x1, x2 = as_tensor(x1), as_tensor(x2)
    if not x1.ndim or not x2.ndim:
        raise ValueError(f"pairwise_distance: x1 is {x1.shape}, x2 {x2.shape}; their last axis must be that of vectors")
    return rounded_once(lambda a, b: distances.vector_norm(a - b + eps, axis=-1, keepdims=keepdims, ord=p))(x1, x2)


@named
def cosine_embedding_loss(
    x1: ArrayLike, x2: ArrayLike, target: ArrayLike, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """1 − cos(x1, x2) where the target is 1, max(0, cos(x1, x2) − margin) where it is −1: x1, x2 (N, D) or (D,).

    10⁻¹², PyTorch's ε, is added to squares of norms.
    """
    check("cosine_embedding_loss", NUMBER, margin=margin)
    x1, x2 = _same("cosine_embedding_loss", reduction, x1=x1, x2=x2)
    target = as_tensor(target)
    if x1.ndim not in (1, 2) or target.shape != x1.shape[:-1]:
        raise ValueError(
            f"cosine_embedding_loss: x1 and x2 have shape {x1.shape}, target {target.shape}; they must be (N, D) and (N,), "
            "or (D,) and ()"
        )
    alike, other = dispatch(_is, target._data, 1), dispatch(_is, target._data, -1)

    def loss(a: Tensor, b: Tensor) -> Tensor:
        squares = (sum(a * a, -1) + 1e-12) * (sum(b * b, -1) + 1e-12)
        cosine = sum(a * b, -1) * power(squares, -0.5)
        return reduced(where(alike, 1 - cosine, 0.0) + where(other, relu(cosine - margin), 0.0), reduction)

    return rounded_once(loss)(x1, x2)


@named
def triplet_margin_loss(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) − d(anchor, negative) + margin), d being `pairwise_distance` (Balntas et al. 2016).

    With `swap`, d(positive, negative) counts in place of d(anchor, negative) where it is smaller.
    """
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=lambda a, b: pairwise_distance(a, b, p, eps), margin=margin,
        swap=swap, reduction=reduction,
    )  # fmt: skip


@named
def triplet_margin_with_distance_loss(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` by a distance of one's own, a function of two tensors."""
    name = "triplet_margin_with_distance_loss"
    check_function(name, "distance_function", distance_function, None)
    check(name, NUMBER, margin=margin)
    check(name, SWITCH, swap=swap)
    d = distance_function or pairwise_distance

    def loss(a: Tensor, p: Tensor, n: Tensor) -> Tensor:
        away = d(a, n)
        return reduced(relu(d(a, p) - (minimum(away, d(p, n)) if swap else away) + margin), reduction)

    return rounded_once(loss)(*_same(name, reduction, anchor=anchor, positive=positive, negative=negative))


# ---- of sequences ---------------------------------------------------------------------------------------------------------


@named
def ctc_loss(
    log_probs: ArrayLike,
    targets: ArrayLike,
    input_lengths: ArrayLike,
    target_lengths: ArrayLike,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """−log of the probability of the targets, over all alignments with blanks between them (Graves et al. 2006).

    log_probs (T, N, K) or (T, K) of the classes at each time, targets (N, S) or one after another (Σ lengths,), lengths (N,)
    or a number. 'mean' first divides by the targets' lengths. With `zero_infinity` a target that is too long costs
    nothing. The gradient in log_probs is that of this function, PyTorch's the one in logits before a log-softmax:
    behind a log-softmax they are the same.
    """
    check("ctc_loss", REDUCTION, reduction=reduction)
    check("ctc_loss", INDEX, blank=blank)
    check("ctc_loss", SWITCH, zero_infinity=zero_infinity)
    x = as_tensor(log_probs)
    if x.ndim not in (2, 3):
        raise ValueError(f"ctc_loss: log_probs have shape {x.shape}; they must be (T, N, K) or (T, K)")
    steps, n, k = x.shape if x.ndim == 3 else (x.shape[0], 1, x.shape[1])
    times, lengths = (np.atleast_1d(private(a)) for a in (input_lengths, target_lengths))
    labels = private(targets)
    labels = labels[None] if x.ndim == 2 and labels.ndim == 1 else labels
    _check_sequences(labels, times, lengths, steps, n, k, blank)
    if labels.ndim == 1:  # one after another: in rows, with blanks behind
        rows, labels = np.split(labels, np.cumsum(lengths)[:-1]), np.full((n, int(lengths.max(initial=0))), blank)
        for row, own in zip(labels, rows):
            row[: len(own)] = own
    path = np.full((n, 2 * labels.shape[1] + 1), blank)
    path[:, 1::2] = labels
    leaps = np.zeros(path.shape, bool)  # where the blank before may be left out
    leaps[:, 2:] = (path[:, 2:] != blank) & (path[:, 2:] != path[:, :-2])

    def loss(x: Tensor) -> Tensor:
        at = reshape(x, (steps, n, k))
        said = [getitem(at, (t, np.arange(n)[:, None], path)) for t in range(steps)]  # each (N, 2S + 1)
        alpha = where(np.arange(path.shape[1]) < 2, said[0], -np.inf)
        first, second = np.full((n, 1), -np.inf, x.dtype), np.full((n, 2), -np.inf, x.dtype)
        for t in range(1, steps):
            before = concat([first, alpha[:, :-1]], 1)
            leapt = where(leaps, concat([second, alpha[:, :-2]], 1)[:, : path.shape[1]], -np.inf)
            alpha = where((t < times)[:, None], logsumexp(stack([alpha, before, leapt]), 0) + said[t], alpha)
        ends = [alpha[np.arange(n), 2 * lengths], alpha[np.arange(n), np.maximum(2 * lengths - 1, 0)]]
        ends[1] = where(lengths > 0, ends[1], -np.inf)
        y = -logsumexp(stack(ends), 0)
        if zero_infinity:
            y = where(dispatch(_is, y._data, np.inf), 0.0, y)
        if reduction == "mean":
            return mean(y / np.maximum(lengths, 1).astype(x.dtype))
        return sum(y) if reduction == "sum" else reshape(y, ()) if x.ndim == 2 else y

    return rounded_once(loss)(x)


def _check_sequences(labels: Array, times: Array, lengths: Array, steps: int, n: int, k: int, blank: int) -> None:
    for what, a in {"targets": labels, "input_lengths": times, "target_lengths": lengths}.items():
        if a.dtype.kind not in "iu":
            raise TypeError(f"ctc_loss: {what} have dtype {a.dtype}; they must be ints")
    if times.shape != (n,) or lengths.shape != (n,):
        raise ValueError(f"ctc_loss: lengths have shapes {times.shape} and {lengths.shape}; they must be ({n},)")
    fits = labels.size >= lengths.sum() if labels.ndim == 1 else labels.ndim == 2 and len(labels) == n
    if not fits or (labels.ndim == 2 and lengths.max(initial=0) > labels.shape[1]) or lengths.min(initial=0) < 0:
        raise ValueError(f"ctc_loss: targets have shape {labels.shape}, lengths {lengths.tolist()}, for {n} samples")
    if not steps or times.min(initial=1) < 1 or times.max(initial=1) > steps:
        raise ValueError(f"ctc_loss: input_lengths are {times.tolist()}; they must be from 1 to T = {steps}")
    if blank >= k or (labels.size and (labels.min() < 0 or labels.max() >= k)):
        raise ValueError(f"ctc_loss: blank {blank} and the targets must be classes, from 0 to {k - 1}")


@named
def bilinear(x1: ArrayLike, x2: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Tensor:
    """x1ᵀ W_o x2 + b_o for each output o: x1 (…, in1), x2 (…, in2), weight (out, in1, in2), bias (out,)."""
    from .products import einsum

    x1, x2, w = as_tensor(x1), as_tensor(x2), as_tensor(weight)
    if w.ndim != 3 or not x1.ndim or not x2.ndim or (x1.shape[-1], x2.shape[-1]) != w.shape[1:]:
        raise ValueError(
            f"bilinear: x1 is {x1.shape}, x2 {x2.shape}, weight {w.shape}; they must be (…, in1), (…, in2), (out, in1, in2)"
        )
    y = einsum("...i,oij,...j->...o", x1, w, x2)
    return y if bias is None else y + as_tensor(bias)
