"""Losses as layers: called with predictions and targets."""

from __future__ import annotations

from typing import Any

from ..ops import loss, losses
from ..ranges import UNIT, check
from ..tape import Tensor
from ..typing import ArrayLike
from .module import Module


class CrossEntropyLoss(Module):
    """−log softmax(logits)[label]: logits (N, K), labels N class indices, or probabilities (N, K): `mg.cross_entropy`."""

    def __init__(self, *, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        check("CrossEntropyLoss", UNIT, label_smoothing=label_smoothing)
        check("CrossEntropyLoss", loss.REDUCTION, reduction=reduction)
        self.reduction, self.label_smoothing = reduction, label_smoothing

    def forward(self, logits: ArrayLike, labels: ArrayLike) -> Tensor:
        return loss.cross_entropy(logits, labels, label_smoothing=self.label_smoothing, reduction=self.reduction)


class MSELoss(Module):
    """(x − target)², averaged over all entries unless `reduction` is 'sum' or 'none'."""

    def __init__(self, *, reduction: str = "mean") -> None:
        check("MSELoss", loss.REDUCTION, reduction=reduction)
        self.reduction = reduction

    def forward(self, x: ArrayLike, target: Any) -> Tensor:
        return losses.mse_loss(x, target, reduction=self.reduction)
