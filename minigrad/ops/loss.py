"""Softmax and the losses built on it."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named, shown
from ..ranges import UNIT, WHOLE, check, choice
from ..tape import (
    FLOATS,
    Array,
    Tensor,
    assume,
    constant,
    dispatch,
    effect,
    fused,
    general,
    in_floats,
    primitive,
    private,
)
from ..typing import ArrayLike
from .elementwise import where
from .indexing import getitem
from .reduce import _softmax, mean, sum
from .shape import as_tensor, normal_axis, permute_dims, reshape

__all__ = ["cross_entropy", "log_softmax", "nll_loss", "softmax"]

REDUCTION = choice("mean", "sum", "none")


@named
def softmax(x: ArrayLike, axis: int = -1) -> Tensor:
    """eˣ / Σ eˣ over `axis`: positive, with sum one.

    >>> softmax(np.array([0.0, 0.0])).data
    array([0.5, 0.5])
    """
    x = as_tensor(x)
    return _softmax(x, axes=(normal_axis("softmax", axis, x.ndim),))


@primitive
def _log_softmax(x: Array, *, axes: tuple[int, ...]) -> Array:
    below = kernels.plain.from_top(x, axes)  # first: the logarithm would be lost beside a large x
    return below - np.log(np.exp(below).sum(axes, keepdims=True))


general(
    _log_softmax,
    [lambda g, y, x, *, axes: g - _softmax(x, axes=axes) * sum(g, axes, keepdims=True)],
    [lambda t, y, x, *, axes: t - sum(t * _softmax(x, axes=axes), axes, keepdims=True)],
)


@named
def log_softmax(x: ArrayLike, axis: int = -1) -> Tensor:
    """log softmax(x) over `axis`, without overflow."""
    x = as_tensor(x)
    return _log_softmax(x, axes=(normal_axis("log_softmax", axis, x.ndim),))


def _composed_cross_entropy(logits: Tensor, *, labels: Array, smoothing: float, reduction: str) -> Tensor:
    log_p = log_softmax(logits, 1)
    loss = -getitem(log_p, (constant(np.arange(len(labels))), labels))
    return reduced(_smoothed(loss, log_p, smoothing), reduction)


def _smoothed(loss: Tensor, log_p: Tensor, smoothing: float) -> Tensor:
    """The loss where a part of the target is spread over all classes; 0 · ∞ is left out."""
    if smoothing == 0:
        return loss
    spread = -smoothing * mean(log_p, 1)
    return spread if smoothing == 1 else (1 - smoothing) * loss + spread


def _fused_cross_entropy(logits: Array, *, labels: Array, smoothing: float, reduction: str) -> tuple[Array, Array]:
    losses, slopes = kernels.softmax_cross_entropy(logits, labels, smoothing=smoothing)
    if reduction == "none":
        return losses, slopes
    total = np.add.reduce(losses)
    return np.asarray(total / losses.dtype.type(len(losses)) if reduction == "mean" else total), slopes


def _cross_entropy_backward(g: Array, slopes: Array, logits: Array, *, reduction: str, **_: Any) -> tuple[Array]:
    if reduction == "none":
        return (g[:, None] * slopes,)
    return ((g / g.dtype.type(len(slopes)) if reduction == "mean" else g) * slopes,)


def _cross_entropy_tangent(ts: tuple[Array], slopes: Array, logits: Array, *, reduction: str, **_: Any) -> Array:
    moved = (ts[0] * slopes).sum(axis=1 if reduction == "none" else None)
    return moved / moved.dtype.type(len(slopes)) if reduction == "mean" else moved


_cross_entropy = fused(_composed_cross_entropy, _fused_cross_entropy, _cross_entropy_backward, _cross_entropy_tangent)


@named
def cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """−log softmax(logits)[label], averaged over the batch: logits (N, K), labels N ints in [0, K).

    Labels may also be class probabilities, floats (N, K) whose rows have sum one (mixup, distillation): then
    −Σ_k t_k log softmax(logits)_k. With `label_smoothing` s the target is (1 − s) · one-hot + s/K (Szegedy et al. 2016).
    `weight` has a number for each class; labels of `ignore_index` do not count. Logits may be (N, K, d, …), of images, or
    (K,), with labels (N, d, …) or one. `reduction` is 'mean' (by weight), 'sum' or 'none'. Raises TypeError for labels
    that are neither, ValueError for shapes that do not fit, an empty batch, a label out of range or rows that are no
    probabilities.

    >>> round(cross_entropy(np.zeros((4, 10)), np.array([1, 2, 3, 4])).item(), 4)  # ln 10
    2.3026
    """
    logits, target = as_tensor(logits), labels
    labels = private(labels)
    if not logits.ndim:
        raise ValueError("cross_entropy: logits have shape (); they must be (N, K): samples, classes")
    axis = 0 if logits.ndim == 1 else 1
    soft = labels.dtype.kind in "fc" and labels.ndim == logits.ndim
    if soft and labels.shape != logits.shape:
        raise ValueError(
            f"cross_entropy: logits are {logits.shape}, class probabilities {labels.shape}; they must be the same"
        )
    if labels.dtype.kind not in "iu" and not soft:
        raise TypeError(
            f"cross_entropy: labels have dtype {labels.dtype}; they must be class indices, integers, "
            f"or class probabilities, floats {logits.shape}, not {shown(target)}"
        )
    n, k = logits.shape[0] if axis else 1, logits.shape[axis]
    wanted = (*logits.shape[:axis], *logits.shape[axis + 1 :])
    if not soft and labels.shape != wanted:
        raise ValueError(f"cross_entropy: logits are {logits.shape}, labels {labels.shape}; labels must be {wanted}")
    if n == 0:
        raise ValueError(f"cross_entropy: the batch is empty (logits {logits.shape}); its mean is not defined")
    check("cross_entropy", WHOLE, ignore_index=ignore_index)
    if soft and ignore_index >= 0:
        raise ValueError(f"cross_entropy: ignore_index is {ignore_index}; class probabilities have no label to ignore")
    check("cross_entropy", UNIT, label_smoothing=label_smoothing)
    check("cross_entropy", REDUCTION, reduction=reduction)
    smoothing = float(label_smoothing)
    if logits.ndim == 2 and weight is None:
        if soft:
            effect(_check_probabilities, labels, k)
            return _soft_cross_entropy(logits, as_tensor(target), smoothing, reduction)
        if assume(_all_count, labels, ignore_index, k):
            return _cross_entropy(logits, labels=labels, smoothing=smoothing, reduction=reduction)
    rows = _rows(logits, axis)
    if soft:
        target = _rows(as_tensor(target), axis)
        effect(_check_probabilities, target._data, k)
        found = _soft_losses(rows, target, smoothing, weight, reduction)
    else:
        found = _hard_losses("cross_entropy", rows, labels, weight, ignore_index, smoothing, reduction)
    return reshape(found, wanted) if reduction == "none" else found


def _rows(x: Tensor, axis: int) -> Tensor:
    """(N, K, d, …) or (K,) as (N·d…, K)."""
    if x.ndim == 2:
        return x
    x = permute_dims(x, (*range(axis), *range(axis + 1, x.ndim), axis))
    return reshape(x, (-1, x.shape[-1]) if x.size else (math.prod(x.shape[:-1]), x.shape[-1]))


def _all_count(labels: Array, ignore_index: int, k: int) -> bool:
    """Whether all labels are classes, and none is to be ignored."""
    return _in_range(labels, k) and not (0 <= ignore_index < k and bool((labels == ignore_index).any()))


def _counted(labels: Array, ignore_index: int) -> tuple[Array, Array]:
    """The labels in a row, 0 for those that are ignored, and which are not."""
    labels = labels.reshape(-1)
    counts = labels != ignore_index
    return np.where(counts, labels, 0), counts


def _hard_losses(
    name: str,
    x: Tensor,
    labels: Array,
    weight: Any,
    ignore_index: int,
    smoothing: float,
    reduction: str,
    log: bool = True,
) -> Tensor:
    """The losses of rows (M, K), logits or without `log` log-probabilities, which are reduced by weight."""
    given = [x] if weight is None else [x, as_tensor(weight)]
    if any(a.dtype.char not in FLOATS for a in given):
        rest = ignore_index, smoothing, reduction, log
        return in_floats(lambda x, weight=None: _hard_losses(name, x, labels, weight, *rest), *given)
    (labels, counts), k = dispatch(_counted, labels, ignore_index), x.shape[1]
    effect(_check_range, labels, k)
    log_p = log_softmax(x, 1) if log else x
    each = as_tensor(constant(np.ones(k, x.dtype)) if weight is None else weight)
    if each.shape != (k,):
        raise ValueError(f"{name}: weight has shape {each.shape}; it must be ({k},), one for each class")
    weights = where(counts, getitem(each, labels), 0)
    losses = where(counts, -getitem(log_p, (constant(np.arange(len(labels))), labels)), 0) * weights
    if smoothing:
        losses = (1 - smoothing) * losses - smoothing / k * where(counts, sum(log_p * each, 1), 0)
    return sum(losses) / sum(weights) if reduction == "mean" else reduced(losses, reduction)


def _soft_losses(x: Tensor, target: Tensor, smoothing: float, weight: Any, reduction: str) -> Tensor:
    if target.dtype != x.dtype and target.dtype.kind == x.dtype.kind:
        target = target.astype(x.dtype)
    if x.dtype.char not in FLOATS:
        return in_floats(_soft_losses, x, target, smoothing=smoothing, weight=weight, reduction=reduction)
    k = x.shape[1]
    target = (1 - smoothing) * target + smoothing / k if smoothing else target
    log_p = log_softmax(x, 1)
    each = 1 if weight is None else as_tensor(weight)
    if weight is not None and each.shape != (k,):  # type: ignore[union-attr]
        raise ValueError(f"cross_entropy: weight has shape {each.shape}; it must be ({k},), one for each class")  # type: ignore[union-attr]
    losses = -sum(target * each * where(dispatch(_without_weight, target._data, log_p._data), 0, log_p), 1)
    return reduced(losses, reduction)


@named
def nll_loss(
    x: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """−x[label] of log-probabilities x (N, K), (N, K, d, …) or (K,), weighted and averaged as in `cross_entropy`."""
    x, labels = as_tensor(x), private(target)
    axis = 0 if x.ndim == 1 else 1
    wanted = (*x.shape[:axis], *x.shape[axis + 1 :])
    check("nll_loss", WHOLE, ignore_index=ignore_index)
    check("nll_loss", REDUCTION, reduction=reduction)
    if not x.ndim or labels.shape != wanted or labels.dtype.kind not in "iu":
        raise ValueError(f"nll_loss: x is {shown(x)}, target {shown(target)}; they must be (N, K) and N integers")
    found = _hard_losses("nll_loss", _rows(x, axis), labels, weight, ignore_index, 0.0, reduction, log=False)
    return reshape(found, wanted) if reduction == "none" else found


def _soft_cross_entropy(logits: Tensor, target: Tensor, smoothing: float, reduction: str) -> Tensor:
    if target.dtype != logits.dtype and target.dtype.kind == logits.dtype.kind:
        target = target.astype(logits.dtype)
    if logits.dtype.char not in FLOATS:
        return in_floats(_soft_cross_entropy, logits, target, smoothing=smoothing, reduction=reduction)
    log_p = log_softmax(logits, 1)
    loss = -sum(target * where(dispatch(_without_weight, target._data, log_p._data), 0, log_p), 1)
    return reduced(_smoothed(loss, log_p, smoothing), reduction)


def _without_weight(target: Array, log_p: Array) -> Array:
    """Where an impossible class, of logit −∞, has probability 0: it does not count."""
    return (target.real == 0) & (log_p.real == -np.inf)


def _check_probabilities(target: Array, _: int) -> None:
    t = target.real  # within what float16 rounds off, and a step of a gradient check
    wrong = ~((t.min(1) >= -1e-3) & (abs(t.sum(1) - 1) <= 1e-2))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"cross_entropy: class probabilities in row {row} are {t[row].tolist()}; they must be ≥ 0 with sum 1"
        )


def _in_range(labels: Array, k: int) -> bool:
    huge = 1 << 8 * labels.itemsize - (labels.dtype.kind == "i")  # as unsigned, negative numbers are at least this
    return not labels.size or bool(np.maximum.reduce(labels.reshape(-1).view(_unsigned(labels.dtype))) < min(k, huge))


def _check_range(labels: Array, k: int) -> None:
    if _in_range(labels, k):
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= k:
        raise ValueError(f"cross_entropy: label {low if low < 0 else high} is out of range; logits have {k} classes")


@functools.lru_cache
def _unsigned(dtype: np.dtype) -> np.dtype:
    return np.dtype(f"{dtype.byteorder}u{dtype.itemsize}")


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses themselves, their sum or their mean."""
    return mean(losses) if reduction == "mean" else sum(losses) if reduction == "sum" else losses
