"""The mirror image of the training loop, without training: `predict` and `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..nn import Module
from ..nn.modes import modes_restored
from ..ops.loss import cross_entropy
from ..tape import Array, Tensor, as_array, no_grad
from .given import check_batches, check_loss, check_model, named_within, outputs, pairs, value_of

Batches = Iterable[tuple[Array, Array]]
Loss = Callable[[Tensor, Array], Tensor]


class Evaluation(NamedTuple):
    """Mean loss and fraction of samples classified rightly: None where there are no classes."""

    loss: float
    accuracy: float | None


@named_within
def evaluate(model: Module, batches: Batches, loss: Loss = cross_entropy) -> Evaluation:
    """Return the model's loss and accuracy, in test mode and without recording; its mode is then put back.

    There is an accuracy where outputs are (N, K), K ≥ 2, and labels are N integers in [0, K) or distributions (N, K).
    Raises ValueError if there are no samples.

    >>> from minigrad import nn, ops
    >>> evaluate(nn.Linear(2, 1, bias=False, rng=0), [(np.zeros((4, 2), "f4"), np.ones((4, 1), "f4"))], ops.losses.mse_loss)
    Evaluation(loss=1.0, accuracy=None)
    """
    check_model("evaluate", model)
    check_batches("evaluate", batches)
    check_loss("evaluate", loss)
    return evaluated(model, batches, loss, "evaluate: batches")


def evaluated(model: Module, batches: Batches, loss: Loss, what: str) -> Evaluation:
    """As `evaluate`, of batches that an error calls `what`."""
    seen, who = Running(), what.partition(":")[0]
    for logits, y in _tested(who, model, batches):
        with no_grad():
            seen.add(logits.data, y, value_of(who, loss(logits, y)))
    if not seen.count:
        raise ValueError(f"{what} gave no samples; {_AGAIN}")
    return Evaluation(seen.loss, seen.accuracy)


@named_within
def predict(model: Module, batches: Batches) -> tuple[Array, Array]:
    """Return the model's outputs (N, K) and the labels (N,) of all batches, as `evaluate` sees them.

    Raises ValueError if there are no batches.
    """
    check_model("predict", model)
    check_batches("predict", batches)
    found = [(logits.data, y) for logits, y in _tested("predict", model, batches)]
    if not found:
        raise ValueError(f"predict: batches gave no samples; {_AGAIN}")
    logits, labels = zip(*found, strict=True)
    return np.concatenate(logits), np.concatenate(labels)


def _tested(who: str, model: Module, batches: Batches) -> Iterator[tuple[Tensor, Array]]:
    with modes_restored(model):
        model.eval()
        for x, y in pairs(who, batches):
            with no_grad():
                logits = outputs(who, model, x)
            yield logits, y


_AGAIN = "give a Loader or a list of batches (an iterator gives its batches once)"


class Running:
    """Mean loss and accuracy of the samples seen so far."""

    def __init__(self) -> None:
        self.count, self._loss = 0, 0.0
        self._right: int | None = 0  # None as soon as a batch has no classes

    def add(self, outputs: Array, labels: Array, loss: float) -> None:
        """Take in a batch and its mean loss. Labels may be distributions (N, K): the likeliest class counts as right."""
        self.count += len(labels)
        self._loss += loss * len(labels)
        right = _right(outputs, as_array(labels))
        self._right = None if right is None or self._right is None else self._right + right

    @property
    def loss(self) -> float:
        return self._loss / self.count

    @property
    def accuracy(self) -> float | None:
        return None if self._right is None else self._right / self.count


def _right(outputs: Array, labels: Array) -> int | None:
    """How many outputs are largest at their label; None if the labels are no classes: neither integers in [0, K), nor
    distributions over the K ≥ 2 outputs, within the bounds of `cross_entropy`."""
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        return None
    if labels.shape == outputs.shape:
        classes = bool(((labels >= -1e-3).all(1) & (np.abs(labels.sum(1) - 1) <= 1e-2)).all())
        labels = labels.argmax(1)
    else:
        whole = labels.dtype.kind in "iu" and labels.shape == outputs.shape[:1]
        classes = whole and bool(((labels >= 0) & (labels < outputs.shape[1])).all())
    return int((outputs.argmax(1) == labels).sum()) if classes else None
