"""Softmax and the losses built on it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named, shown
from ..ranges import UNIT, WHOLE, check, choice
from ..tape import (
    FLOATS,
    Array,
    Tensor,
    constant,
    dispatch,
    effect,
    fused,
    general,
    in_floats,
    primitive,
    private,
    real_dtype,
)
from ..typing import ArrayLike
from .elementwise import where
from .indexing import getitem
from .reduce import _softmax, mean, sum
from .shape import as_tensor, normal_axis, permute_dims, reshape

__all__ = ["cross_entropy", "log_softmax", "mse_loss", "nll_loss", "softmax"]

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


def _composed_cross_entropy(logits: Tensor, *, labels: Array, ignored: int, smoothing: float, reduction: str) -> Tensor:
    safe, counts, n = dispatch(_counting, labels, ignored, real_dtype(logits.dtype))
    log_p = log_softmax(logits, 1)
    loss = _smoothed(-getitem(log_p, (constant(np.arange(len(safe))), safe)), log_p, smoothing)
    loss = where(counts, loss, 0.0)
    return sum(loss) / n if reduction == "mean" else reduced(loss, reduction)


def _counting(labels: Array, ignored: int, dtype: np.dtype) -> tuple[Array, Array, Array]:
    """Labels, those that are ignored being 0; which of them count; and how many."""
    counts = labels != ignored
    return np.where(counts, labels, 0), counts, np.asarray(np.count_nonzero(counts), dtype)


def _counted(labels: Array, ignored: int) -> tuple[Array, Array | None, int]:
    """Labels, those that are ignored being 0; which of them count, or None if all do; and how many."""
    counts = labels != ignored
    n = int(np.count_nonzero(counts))
    return (labels, None, n) if n == len(labels) else (np.where(counts, labels, 0), counts, n)


def _smoothed(loss: Tensor, log_p: Tensor, smoothing: float) -> Tensor:
    """The loss where a part of the target is spread over all classes; 0 · ∞ is left out."""
    if smoothing == 0:
        return loss
    spread = -smoothing * mean(log_p, 1)
    return spread if smoothing == 1 else (1 - smoothing) * loss + spread


def _fused_cross_entropy(
    logits: Array, *, labels: Array, ignored: int, smoothing: float, reduction: str
) -> tuple[Array, tuple[Array, int]]:
    labels, counts, n = _counted(labels, ignored)
    losses, slopes = kernels.softmax_cross_entropy(logits, labels, smoothing=smoothing)
    if counts is not None:
        losses[~counts], slopes[~counts] = 0, 0
    if reduction == "none":
        return losses, (slopes, n)
    total = np.add.reduce(losses)
    return np.asarray(total / losses.dtype.type(n) if reduction == "mean" else total), (slopes, n)


def _cross_entropy_backward(
    g: Array, saved: tuple[Array, int], logits: Array, *, reduction: str, **_: Any
) -> tuple[Array]:
    slopes, n = saved
    if reduction == "none":
        return (g[:, None] * slopes,)
    return ((g / g.dtype.type(n) if reduction == "mean" else g) * slopes,)


def _cross_entropy_tangent(
    ts: tuple[Array], saved: tuple[Array, int], logits: Array, *, reduction: str, **_: Any
) -> Array:
    slopes, n = saved
    moved = (ts[0] * slopes).sum(axis=1 if reduction == "none" else None)
    return moved / moved.dtype.type(n) if reduction == "mean" else moved


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

    Logits may be (N, K, d₁, …) with labels (N, d₁, …), or (K,) with one label. Labels `ignore_index` do not count;
    `weight` (K,) weighs classes, and 'mean' is then the weighted one.

    Labels may also be class probabilities, floats shaped as the logits that have sum one over classes (mixup, distillation): then
    −Σ_k t_k log softmax(logits)_k. With `label_smoothing` s the target is (1 − s) · one-hot + s/K (Szegedy et al. 2016).
    `reduction` is 'mean', 'sum' or 'none'. Raises TypeError for labels that are neither, ValueError for shapes that do
    not fit, an empty batch, labels that are all ignored, a label out of range or rows that are no probabilities.

    >>> round(cross_entropy(np.zeros((4, 10)), np.array([1, 2, 3, 4])).item(), 4)  # ln 10
    2.3026
    """
    logits, target = as_tensor(logits), labels
    check("cross_entropy", UNIT, label_smoothing=label_smoothing)
    check("cross_entropy", REDUCTION, reduction=reduction)
    check("cross_entropy", WHOLE, ignore_index=ignore_index)
    labels = private(labels)
    if not logits.ndim:
        raise ValueError("cross_entropy: logits are a scalar; they must be (N, K): samples, classes")
    soft = labels.ndim == logits.ndim and labels.dtype.kind in "fc"
    if labels.dtype.kind not in "iu" and not soft:
        raise TypeError(
            f"cross_entropy: labels have dtype {labels.dtype}; they must be class indices, integers, "
            f"or class probabilities, floats {logits.shape}, not {shown(target)}"
        )
    if soft and labels.shape != logits.shape:
        raise ValueError(
            f"cross_entropy: logits are {logits.shape}, class probabilities {labels.shape}; they must be the same"
        )
    rows = _rows(logits)
    n, k = rows.shape
    s, w = float(label_smoothing), None if weight is None else class_weights("cross_entropy", weight, k)
    if not soft:
        labels = labels_of("cross_entropy", labels, _places(logits), k, ignore_index, reduction)
        if w is None:
            y = _cross_entropy(rows, labels=labels, ignored=ignore_index, smoothing=s, reduction=reduction)
            return _placed(y, logits, reduction)
        return in_reals(_weighted, rows, labels, ignore_index, constant(w), s, reduction, logits)
    if n == 0:
        raise ValueError(f"cross_entropy: the batch is empty (logits {logits.shape}); its mean is not defined")
    if labels.ndim == 2:
        effect(_check_probabilities, labels, k)
    else:
        effect(_check_probabilities, dispatch(np.moveaxis, labels, 1 if labels.ndim > 2 else 0, -1), k)
    soft_rows = _rows(as_tensor(target))
    return _placed(_soft_cross_entropy(rows, soft_rows, s, reduction, w, logits.ndim == 1), logits, reduction)


def _rows(logits: Tensor) -> Tensor:
    """(N, K, d₁, …), or (K,), as (N · d₁ …, K)."""
    if logits.ndim == 2:
        return logits
    if logits.ndim > 2:
        logits = permute_dims(logits, (0, *range(2, logits.ndim), 1))
    return reshape(logits, (math.prod(logits.shape[:-1]), logits.shape[-1]))


def _places(logits: Tensor) -> tuple[int, ...]:
    """The shape of labels."""
    return (logits.shape[0], *logits.shape[2:]) if logits.ndim > 1 else ()


def _placed(y: Tensor, logits: Tensor, reduction: str) -> Tensor:
    return y if reduction != "none" or logits.ndim == 2 else reshape(y, _places(logits))


def labels_of(
    name: str, labels: Any, shape: tuple[int, ...], k: int, ignored: int | None = None, reduction: str = "none"
) -> Array:
    """Labels of that shape, checked to be ints in [0, k), or `ignored`, in a row."""
    given, labels = labels, private(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{name}: labels are {shown(given)}; they must be class indices, integers")
    if labels.shape != shape:
        raise ValueError(f"{name}: labels have shape {labels.shape}; they must be {shape}")
    if labels.size == 0:
        raise ValueError(f"{name}: the batch is empty (labels {shape}); its mean is not defined")
    if labels.ndim != 1:
        labels = dispatch(np.reshape, labels, -1)
    effect(_check_range, labels, k, ignored, reduction == "mean", name)
    return labels


def class_weights(name: str, weight: Any, k: int) -> Array:
    """A weight for each of k classes, as an array: it has no derivative."""
    given, weight = weight, private(weight)
    if weight.shape != (k,) or weight.dtype.kind not in "fiu":
        raise ValueError(f"{name}: weight is {shown(given)}; it must be {k} numbers, one for each class")
    return weight


def _weighted(
    rows: Tensor, labels: Array, ignored: int, weight: Array, smoothing: float, reduction: str, like: Tensor,
    *, logs: bool = False,
) -> Tensor:  # fmt: skip
    log_p, dtype = rows if logs else log_softmax(rows, 1), real_dtype(rows.dtype)
    safe, counts, _ = dispatch(_counting, labels, ignored, dtype)
    each = dispatch(_weights, safe, counts, weight, dtype)
    own = -getitem(log_p, (constant(np.arange(len(labels))), safe))
    own = where(dispatch(_is_zero, each), 0.0, own) * each
    if smoothing:
        spread = -sum(log_p * dispatch(np.asarray, weight, dtype=dtype), 1) * (smoothing / rows.shape[1])
        own = (1 - smoothing) * own + where(counts, spread, 0.0)
    if reduction == "mean":
        return sum(own) / dispatch(_total, each)
    return _placed(reduced(own, reduction), like, reduction)


def _weights(labels: Array, counts: Array, weight: Array, dtype: np.dtype) -> Array:
    """The weight of each label, 0 for those that do not count."""
    return np.where(counts, weight[labels], 0).astype(dtype)


def _is_zero(a: Array) -> Array:
    return a == 0


def _total(a: Array) -> Array:
    return np.asarray(a.sum())


def in_reals(f: Callable[..., Tensor], x: Tensor, *args: Any, **k: Any) -> Tensor:
    """f(x, *args), in floats where x holds integers or float16."""
    return f(x, *args, **k) if x.dtype.char in FLOATS else in_floats(lambda x: f(x, *args, **k), x)


@named
def nll_loss(
    x: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """−x[label] of log-probabilities, averaged over the batch: x (N, K), (N, K, d₁, …) or (K,), labels as in `cross_entropy`.

    Labels `ignore_index` do not count; `weight` (K,) weighs classes, and 'mean' is then the weighted one.
    """
    check("nll_loss", REDUCTION, reduction=reduction)
    check("nll_loss", WHOLE, ignore_index=ignore_index)
    x = as_tensor(x)
    if not x.ndim:
        raise ValueError("nll_loss: x is a scalar; it must be (N, K): samples, classes")
    rows = _rows(x)
    k = rows.shape[1]
    w = np.ones(k) if weight is None else class_weights("nll_loss", weight, k)
    labels = labels_of("nll_loss", target, _places(x), k, ignore_index, reduction)
    return in_reals(_weighted, rows, labels, ignore_index, constant(w), 0.0, reduction, x, logs=True)


def _soft_cross_entropy(
    logits: Tensor, target: Tensor, smoothing: float, reduction: str, weight: Array | None, alone: bool
) -> Tensor:
    if target.dtype != logits.dtype and target.dtype.kind == logits.dtype.kind:
        target = target.astype(logits.dtype)
    if logits.dtype.char not in FLOATS:
        return in_floats(lambda x, t: _soft_cross_entropy(x, t, smoothing, reduction, weight, alone), logits, target)
    log_p = log_softmax(logits, 1)
    if weight is not None:
        w = constant(weight.astype(real_dtype(logits.dtype)))
        if smoothing:
            target = (1 - smoothing) * target + smoothing / logits.shape[1]
        target, smoothing = target * w, 0.0
    loss = -sum(target * where(dispatch(_without_weight, target._data, log_p._data), 0, log_p), 1)
    return reduced(_smoothed(loss, log_p, smoothing), reduction)


def _without_weight(target: Array, log_p: Array) -> Array:
    """Where an impossible class, of logit −∞, has probability 0: it does not count."""
    return (target.real == 0) & (log_p.real == -np.inf)


def _check_probabilities(target: Array, k: int) -> None:
    t = target.real.reshape(-1, k)  # within what float16 rounds off, and a step of a gradient check
    wrong = ~((t.min(1) >= -1e-3) & (abs(t.sum(1) - 1) <= 1e-2))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"cross_entropy: class probabilities in row {row} are {t[row].tolist()}; they must be ≥ 0 with sum 1"
        )


def _check_range(labels: Array, k: int, ignored: int | None, some: bool, name: str) -> None:
    huge = 1 << 8 * labels.itemsize - 1  # as unsigned, negative numbers are at least this: one look is enough
    if np.maximum.reduce(labels.view(_unsigned(labels.dtype))) >= min(k, huge):
        counting = labels if ignored is None else labels[labels != ignored]
        low, high = int(counting.min(initial=0)), int(counting.max(initial=0))
        if low < 0 or high >= k:
            raise ValueError(f"{name}: label {low if low < 0 else high} is out of range; logits have {k} classes")
    elif ignored is None or not 0 <= ignored < k:
        return
    if some and (labels == ignored).all():
        raise ValueError(f"{name}: every label is {ignored}, which is ignored; there is no mean")


@functools.lru_cache
def _unsigned(dtype: np.dtype) -> np.dtype:
    return np.dtype(f"{dtype.byteorder}u{dtype.itemsize}")


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses themselves, their sum or their mean."""
    return mean(losses) if reduction == "mean" else sum(losses) if reduction == "sum" else losses


@named
def mse_loss(x: ArrayLike, target: ArrayLike, *, reduction: str = "mean") -> Tensor:
    """(x − target)², averaged over all entries; x and target have one shape."""
    x, target = as_tensor(x), as_tensor(target)
    if x.shape != target.shape:
        raise ValueError(f"mse_loss: x has shape {x.shape}, target has shape {target.shape}; they must be the same")
    check("mse_loss", REDUCTION, reduction=reduction)
    if x.dtype.char not in FLOATS or target.dtype.char not in FLOATS:
        return in_floats(mse_loss, x, target, reduction=reduction)
    d = x - target
    return reduced(d * d, reduction)
