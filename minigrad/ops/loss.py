"""Softmax and the losses built on it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named, shown
from ..ranges import UNIT, check, choice
from ..tape import FLOATS, Array, Tensor, constant, dispatch, effect, fused, general, in_floats, primitive, private
from ..typing import ArrayLike
from .elementwise import where
from .indexing import getitem
from .reduce import _softmax, mean, sum
from .shape import as_tensor, normal_axis

__all__ = ["cross_entropy", "log_softmax", "mse_loss", "softmax"]

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
    logits: ArrayLike, labels: ArrayLike, *, label_smoothing: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """−log softmax(logits)[label], averaged over the batch: logits (N, K), labels N ints in [0, K).

    Labels may also be class probabilities, floats (N, K) whose rows have sum one (mixup, distillation): then
    −Σ_k t_k log softmax(logits)_k. With `label_smoothing` s the target is (1 − s) · one-hot + s/K (Szegedy et al. 2016).
    `reduction` is 'mean', 'sum' or 'none'. Raises TypeError for labels that are neither, ValueError for shapes that do
    not fit, an empty batch, a label out of range or rows that are no probabilities.

    >>> round(cross_entropy(np.zeros((4, 10)), np.array([1, 2, 3, 4])).item(), 4)  # ln 10
    2.3026
    """
    logits, target = as_tensor(logits), labels
    labels = private(labels)
    if logits.ndim != 2:
        raise ValueError(f"cross_entropy: logits have shape {logits.shape}; they must be (N, K): samples, classes")
    soft = labels.ndim == 2 and labels.dtype.kind in "fc"
    if labels.dtype.kind not in "iu" and not soft:
        raise TypeError(
            f"cross_entropy: labels have dtype {labels.dtype}; they must be class indices, integers, "
            f"or class probabilities, floats {logits.shape}, not {shown(target)}"
        )
    n, k = logits.shape
    if soft and labels.shape != (n, k):
        raise ValueError(
            f"cross_entropy: logits are {logits.shape}, class probabilities {labels.shape}; they must be the same"
        )
    if not soft and labels.shape != (n,):
        raise ValueError(f"cross_entropy: logits are {logits.shape}, labels {labels.shape}; labels must be ({n},)")
    if n == 0:
        raise ValueError(f"cross_entropy: the batch is empty (logits {logits.shape}); its mean is not defined")
    effect(_check_probabilities if soft else _check_range, labels, k)
    check("cross_entropy", UNIT, label_smoothing=label_smoothing)
    check("cross_entropy", REDUCTION, reduction=reduction)
    if soft:
        return _soft_cross_entropy(logits, as_tensor(target), float(label_smoothing), reduction)
    return _cross_entropy(logits, labels=labels, smoothing=float(label_smoothing), reduction=reduction)


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


def _check_range(labels: Array, k: int) -> None:
    huge = 1 << 8 * labels.itemsize - 1  # as unsigned, negative numbers are at least this: one look is enough
    if np.maximum.reduce(labels.view(_unsigned(labels.dtype))) < min(k, huge):
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
