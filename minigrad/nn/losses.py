"""Losses and distances as layers: called with predictions and targets. Each is a function of `ops`.

What PyTorch has behind its deprecated arguments (`size_average`, `reduce`) is given by keyword here.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Any, Literal

from ..declared import NotNegative, Number, Positive
from ..ops import loss, losses
from ..ranges import INDEX, UNIT, WHOLE, Range, whole
from .function import Dim, Function, Weights

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CosineSimilarity", "CrossEntropyLoss", "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "PairwiseDistance", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss"]  # fmt: skip

Reduction = Annotated[Literal["mean", "sum", "none"], "whether losses are averaged, added up or returned one by one"]
_ONE_OR_TWO = whole(1, 2, "1 or 2")
_FUNCTION = Range(lambda v: v is None or callable(v), "a function, or None")


class _Loss(Function):
    _: KW_ONLY
    reduction: Reduction = "mean"


class _Weighted(Function):
    weight: Weights = None
    _: KW_ONLY
    reduction: Reduction = "mean"


class CrossEntropyLoss(_Weighted, f=loss.cross_entropy):
    """−log softmax(logits)[label]: logits (N, K) or (N, K, …), labels class indices, or probabilities: `mg.cross_entropy`."""

    _: KW_ONLY
    ignore_index: Annotated[int, WHOLE, "a label that does not count"] = -100
    label_smoothing: Annotated[float, UNIT] = 0.0


class NLLLoss(_Weighted, f=loss.nll_loss):
    """−logs[label]: log-probabilities (N, K) or (N, K, …), labels class indices."""

    _: KW_ONLY
    ignore_index: Annotated[int, WHOLE, "a label that does not count"] = -100


class MSELoss(_Loss, f=losses.mse_loss):
    """(x − target)², averaged over all entries unless `reduction` says otherwise."""


class L1Loss(_Loss, f=losses.l1_loss):
    """|x − target|."""


class SmoothL1Loss(_Loss, f=losses.smooth_l1_loss):
    """½ d²/beta where d = |x − target| is below beta, d − ½ beta elsewhere."""

    _: KW_ONLY
    beta: NotNegative = 1.0


class HuberLoss(Function, f=losses.huber_loss):
    """½ d² where d = |x − target| is below delta, delta · (d − ½ delta) elsewhere (Huber 1964)."""

    reduction: Reduction = "mean"
    delta: Positive = 1.0


class BCELoss(_Weighted, f=losses.binary_cross_entropy):
    """−(t log x + (1 − t) log(1 − x)) for probabilities x."""


class BCEWithLogitsLoss(_Weighted, f=losses.binary_cross_entropy_with_logits):
    """`BCELoss` of sigmoid(x), computed without overflow; `pos_weight` weighs the first term."""

    _: KW_ONLY
    pos_weight: Weights = None


class KLDivLoss(Function, f=losses.kl_div):
    """t · (log t − x) for log-probabilities x; 'batchmean' divides the sum by the number of samples."""

    _: KW_ONLY
    reduction: Annotated[Literal["mean", "sum", "none", "batchmean"], "how losses are put together"] = "mean"
    log_target: bool = False


class PoissonNLLLoss(Function, f=losses.poisson_nll_loss):
    """eˣ − t x, x being the logarithm of the rate, or with `log_input=False` x − t log(x + eps)."""

    log_input: bool = True
    full: bool = False
    _: KW_ONLY
    eps: Positive = 1e-8
    reduction: Reduction = "mean"


class GaussianNLLLoss(Function, f=losses.gaussian_nll_loss):
    """½ (log var + (x − t)²/var) of x, target t and var, which is at least eps."""

    _: KW_ONLY
    full: bool = False
    eps: Positive = 1e-6
    reduction: Reduction = "mean"


class HingeEmbeddingLoss(Function, f=losses.hinge_embedding_loss):
    """x where the target is 1, max(0, margin − x) where it is −1."""

    margin: Number = 1.0
    _: KW_ONLY
    reduction: Reduction = "mean"


class SoftMarginLoss(_Loss, f=losses.soft_margin_loss):
    """log(1 + e^(−t x)) for targets t of ±1."""


class MarginRankingLoss(Function, f=losses.margin_ranking_loss):
    """max(0, −t (x₁ − x₂) + margin): which of two is to rank higher."""

    margin: Number = 0.0
    _: KW_ONLY
    reduction: Reduction = "mean"


class MultiMarginLoss(Function, f=losses.multi_margin_loss):
    """Σ max(0, margin − x[label] + x[k])ᵖ / K over the other classes k: a hinge loss for K classes."""

    p: Annotated[int, _ONE_OR_TWO] = 1
    margin: Number = 1.0
    weight: Weights = None
    _: KW_ONLY
    reduction: Reduction = "mean"


class MultiLabelMarginLoss(_Loss, f=losses.multilabel_margin_loss):
    """A hinge loss between all labels of a sample and all other classes; the labels come first, −1 after them."""


class MultiLabelSoftMarginLoss(_Weighted, f=losses.multilabel_soft_margin_loss):
    """The mean over classes of `BCEWithLogitsLoss`."""


class CosineEmbeddingLoss(Function, f=losses.cosine_embedding_loss):
    """1 − cos(x₁, x₂) where the target is 1, max(0, cos(x₁, x₂) − margin) where it is −1."""

    margin: Number = 0.0
    _: KW_ONLY
    reduction: Reduction = "mean"


class TripletMarginLoss(Function, f=losses.triplet_margin_loss):
    """max(0, d(anchor, positive) − d(anchor, negative) + margin) by p-norms (Balntas et al. 2016)."""

    margin: Number = 1.0
    p: Number = 2.0
    eps: Number = 1e-6
    swap: bool = False
    _: KW_ONLY
    reduction: Reduction = "mean"


class TripletMarginWithDistanceLoss(Function, f=losses.triplet_margin_with_distance_loss):
    """`TripletMarginLoss` by a distance of one's own, a function of two tensors."""

    _: KW_ONLY
    distance_function: Annotated[Any, _FUNCTION] = None
    margin: Number = 1.0
    swap: bool = False
    reduction: Reduction = "mean"


class CTCLoss(Function, f=losses.ctc_loss):
    """−log of the probability of the targets, over all alignments (Graves et al. 2006)."""

    blank: Annotated[int, INDEX] = 0
    reduction: Reduction = "mean"
    zero_infinity: bool = False


class CosineSimilarity(Function, f=losses.cosine_similarity):
    """x₁ · x₂ / (‖x₁‖ ‖x₂‖) along an axis."""

    dim: Dim = 1
    eps: Positive = 1e-8


class PairwiseDistance(Function, f=losses.pairwise_distance):
    """‖x₁ − x₂ + eps‖ₚ along the last axis."""

    p: Number = 2.0
    eps: Number = 1e-6
    keepdim: bool = False
