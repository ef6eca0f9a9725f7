"""Softmax and the losses built on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..tape import Array, Tensor, array_of, effect, fixed, fused, general, primitive
from .indexing import getitem
from .reduce import logsumexp, mean, sum
from .shape import as_tensor, normal_axes


@primitive
def _softmax(x: Array, *, axis: int) -> Array:
    z = np.exp(x - x.real.max(axis, keepdims=True))
    return z / z.sum(axis, keepdims=True)


def _along_softmax(u: Tensor, y: Tensor, x: Tensor, *, axis: int) -> Tensor:
    """(diag y − y yᵀ) u: the Jacobian of softmax is symmetric, so one rule serves both walks."""
    return y * (u - sum(u * y, axis, keepdims=True))


general(_softmax, [_along_softmax], [_along_softmax])


def softmax(x: Any, axis: int = -1) -> Tensor:
    """eˣ / Σ eˣ over `axis`: positive, with sum one.

    >>> softmax(np.array([0.0, 0.0])).data
    array([0.5, 0.5])
    """
    x = as_tensor(x)
    (axis,) = normal_axes("softmax", axis, x.ndim)
    return _softmax(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """log softmax(x) over `axis`, without overflow."""
    x = as_tensor(x)
    return x - logsumexp(x, axis, keepdims=True)


def _composed_cross_entropy(logits: Tensor, *, labels: Array, smoothing: float, reduction: str) -> Tensor:
    log_p = log_softmax(logits, 1)
    loss = -getitem(log_p, (fixed(np.arange(len(labels))), labels))
    return reduced(loss if not smoothing else (1 - smoothing) * loss - smoothing * mean(log_p, 1), reduction)


def _forward(logits: Array, *, labels: Array, smoothing: float, reduction: str) -> tuple[Array, Array]:
    losses, probs = kernels.softmax_cross_entropy(logits, labels, smoothing=smoothing)
    if reduction == "none":
        return losses, probs
    total = np.add.reduce(losses)
    return np.asarray(total / losses.dtype.type(len(losses)) if reduction == "mean" else total), probs


def _backward(
    g: Array, probs: Array, logits: Array, *, labels: Array, smoothing: float, reduction: str
) -> tuple[Array]:
    if reduction != "none":
        g = np.full(len(probs), g / g.dtype.type(len(probs)) if reduction == "mean" else g, g.dtype)
    return (kernels.softmax_cross_entropy_backward(g, probs, labels, smoothing=smoothing),)


def _tangent(ts: tuple[Array], probs: Array, logits: Array, *, reduction: str, **k: Any) -> Array:
    one = np.ones(len(logits) if reduction == "none" else (), logits.dtype)
    (slope,) = _backward(one, probs, logits, reduction=reduction, **k)
    return (ts[0] * slope).sum(axis=1 if reduction == "none" else None)


_cross_entropy = fused(_composed_cross_entropy, _forward, _backward, _tangent)


def cross_entropy(logits: Any, labels: Any, *, label_smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    """−log softmax(logits)[label], averaged over the batch: logits (N, K), labels N ints in [0, K).

    With `label_smoothing` s the target is (1 − s) · one-hot + s/K (Szegedy et al. 2016). `reduction` is 'mean', 'sum'
    or 'none'. Raises TypeError for labels that are not integers, ValueError for shapes that do not fit, an empty
    batch or a label out of range.

    >>> round(cross_entropy(np.zeros((4, 10)), np.array([1, 2, 3, 4])).item(), 4)  # ln 10
    2.3026
    """
    logits = as_tensor(logits)
    labels = array_of(labels)
    if logits.ndim != 2:
        raise ValueError(f"cross_entropy: logits have shape {logits.shape}; they must be (N, K): samples, classes")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels have dtype {labels.dtype}; they must be class indices, integers")
    n, k = logits.shape
    if labels.shape != (n,):
        raise ValueError(f"cross_entropy: logits are {logits.shape}, labels {labels.shape}; labels must be ({n},)")
    if n == 0:
        raise ValueError(f"cross_entropy: the batch is empty (logits {logits.shape}); its mean is not defined")
    effect(_check_range, labels, k)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing is {label_smoothing}; it must lie in [0, 1]")
    _check_reduction("cross_entropy", reduction)
    return _cross_entropy(logits, labels=labels, smoothing=float(label_smoothing), reduction=reduction)


def _check_range(labels: Array, k: int) -> None:
    unsigned = f"{labels.dtype.byteorder}u{labels.itemsize}"  # as such, negative numbers are huge: one look is enough
    if labels.view(unsigned).max() < k:
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= k:
        raise ValueError(f"cross_entropy: label {low if low < 0 else high} is out of range; logits have {k} classes")


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction is {reduction!r}; it must be 'mean', 'sum' or 'none'")


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses themselves, their sum or their mean."""
    return mean(losses) if reduction == "mean" else sum(losses) if reduction == "sum" else losses


def mse_loss(x: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """(x − target)², averaged over all entries; x and target have one shape."""
    x, target = as_tensor(x), as_tensor(target)
    if x.shape != target.shape:
        raise ValueError(f"mse_loss: x has shape {x.shape}, target has shape {target.shape}; they must be the same")
    _check_reduction("mse_loss", reduction)
    d = x - target
    return reduced(d * d, reduction)
