"""Softmax and the losses built on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernels
from ..tape import Array, Tensor, fused, general, primitive
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


def _composed_cross_entropy(logits: Tensor, *, labels: Array, smoothing: float) -> Tensor:
    log_p = log_softmax(logits, 1)
    loss = -getitem(log_p, (np.arange(len(labels)), labels))
    return loss if not smoothing else (1 - smoothing) * loss - smoothing * mean(log_p, 1)


def _forward(logits: Array, *, labels: Array, smoothing: float) -> tuple[Array, Array]:
    return kernels.softmax_cross_entropy(logits, labels, smoothing=smoothing)


def _backward(g: Array, probs: Array, logits: Array, *, labels: Array, smoothing: float) -> tuple[Array]:
    return (kernels.softmax_cross_entropy_backward(g, probs, labels, smoothing=smoothing),)


_cross_entropy = fused(_composed_cross_entropy, _forward, _backward)


def cross_entropy(logits: Any, labels: Any, *, label_smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    """−log softmax(logits)[label], averaged over the batch: logits (N, K), labels N ints in [0, K).

    With `label_smoothing` s the target is (1 − s) · one-hot + s/K (Szegedy et al. 2016). `reduction` is 'mean', 'sum'
    or 'none'. Raises TypeError for labels that are not integers, ValueError for shapes that do not fit, an empty
    batch or a label out of range.

    >>> round(cross_entropy(np.zeros((4, 10)), np.array([1, 2, 3, 4])).item(), 4)  # ln 10
    2.3026
    """
    logits = as_tensor(logits)
    labels = np.asarray(labels.data if isinstance(labels, Tensor) else labels)
    if logits.ndim != 2:
        raise ValueError(f"cross_entropy: logits have shape {logits.shape}; they must be (N, K): samples, classes")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels have dtype {labels.dtype}; they must be class indices, integers")
    n, k = logits.shape
    if labels.shape != (n,):
        raise ValueError(f"cross_entropy: logits are {logits.shape}, labels {labels.shape}; labels must be ({n},)")
    if n == 0:
        raise ValueError(f"cross_entropy: the batch is empty (logits {logits.shape}); its mean is not defined")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= k:
        raise ValueError(f"cross_entropy: label {low if low < 0 else high} is out of range; logits have {k} classes")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"cross_entropy: label_smoothing is {label_smoothing}; it must lie in [0, 1]")
    return reduced("cross_entropy", _cross_entropy(logits, labels=labels, smoothing=float(label_smoothing)), reduction)


def reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    """The losses themselves, their sum or their mean."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction is {reduction!r}; it must be 'mean', 'sum' or 'none'")
    return mean(losses) if reduction == "mean" else sum(losses) if reduction == "sum" else losses


def mse_loss(x: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """(x − target)², averaged over all entries; x and target have one shape."""
    x, target = as_tensor(x), as_tensor(target)
    if x.shape != target.shape:
        raise ValueError(f"mse_loss: x has shape {x.shape}, target has shape {target.shape}; they must be the same")
    d = x - target
    return reduced("mse_loss", d * d, reduction)
