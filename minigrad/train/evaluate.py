"""The mirror image of the training loop, without training: `predict` and `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..nn import Module
from ..nn.modes import modes_restored
from ..ops.loss import cross_entropy
from ..tape import Array, Tensor, no_grad

Batches = Iterable[tuple[Array, Array]]
Loss = Callable[[Tensor, Array], Tensor]


class Evaluation(NamedTuple):
    """Mean loss and fraction of samples classified rightly."""

    loss: float
    accuracy: float


def evaluate(model: Module, batches: Batches, loss: Loss = cross_entropy) -> Evaluation:
    """Return the model's loss and accuracy, in test mode and without recording; its mode is then put back."""
    seen = Running()
    for logits, y in _tested(model, batches):
        with no_grad():
            seen.add(logits.data, y, loss(logits, y).item())
    return Evaluation(seen.loss, seen.accuracy)


def predict(model: Module, batches: Batches) -> tuple[Array, Array]:
    """Return the model's outputs (N, K) and the labels (N,) of all batches, as `evaluate` sees them."""
    outputs, labels = zip(*((logits.data, y) for logits, y in _tested(model, batches)), strict=True)
    return np.concatenate(outputs), np.concatenate(labels)


def _tested(model: Module, batches: Batches) -> Iterator[tuple[Tensor, Array]]:
    with modes_restored(model):
        model.eval()
        for x, y in batches:
            with no_grad():
                logits = model(x)
            yield logits, y


class Running:
    """Mean loss and accuracy of the samples seen so far."""

    def __init__(self) -> None:
        self.count, self._loss, self._right = 0, 0.0, 0

    def add(self, logits: Array, labels: Array, loss: float) -> None:
        """Take in a batch and its mean loss. Labels may be distributions (N, K): the likeliest class counts as right."""
        labels = labels.argmax(1) if labels.ndim == 2 else labels
        self.count += len(labels)
        self._loss += loss * len(labels)
        self._right += int((logits.argmax(1) == labels).sum())

    @property
    def loss(self) -> float:
        return self._loss / self.count

    @property
    def accuracy(self) -> float:
        return self._right / self.count
