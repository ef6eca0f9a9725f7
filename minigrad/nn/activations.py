"""Activations as layers: each is a function of `ops`."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, Any, Literal

import numpy as np

from ..declared import Number, Positive
from ..ops import activations, elementwise, loss
from ..ranges import COUNT, NUMBER, check
from ..tape import Tensor
from ..typing import ArrayLike, DTypeLike
from .function import Dim, Function, Inplace
from .layers import own_generator
from .module import Module, Parameter

__all__ = ["CELU", "ELU", "GELU", "GLU", "SELU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold"]  # fmt: skip


class ReLU(Function, f=elementwise.relu):
    """max(x, 0)."""

    inplace: Inplace = False


class ReLU6(Function, f=activations.relu6):
    """min(max(x, 0), 6)."""

    inplace: Inplace = False


class LeakyReLU(Function, f=activations.leaky_relu):
    """x where positive, negative_slope · x elsewhere."""

    negative_slope: Number = 0.01
    inplace: Inplace = False


class PReLU(Module):
    """x where positive, weight · x elsewhere: slopes that are learnt, one or one for each channel (He et al. 2015)."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float32) -> None:
        check("PReLU", COUNT, num_parameters=num_parameters)
        check("PReLU", NUMBER, init=init)
        self.num_parameters = num_parameters
        self.weight = Parameter(np.full(num_parameters, init, dtype))

    def forward(self, x: ArrayLike) -> Tensor:
        return activations.prelu(x, self.weight)


class RReLU(Function, f=activations.rrelu):
    """x where positive, a · x elsewhere, a drawn from [lower, upper] for each entry; at test time their mean (Xu et al. 2015)."""

    lower: Number = 1 / 8
    upper: Number = 1 / 3
    inplace: Inplace = False
    _: KW_ONLY
    rng: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rng = own_generator(self.rng)


class ELU(Function, f=activations.elu):
    """x where positive, alpha · (eˣ − 1) elsewhere."""

    alpha: Number = 1.0
    inplace: Inplace = False


class CELU(Function, f=activations.celu):
    """x where positive, alpha · (e^(x/alpha) − 1) elsewhere: smooth at 0."""

    alpha: Number = 1.0
    inplace: Inplace = False


class SELU(Function, f=activations.selu):
    """ELU, scaled so that layers keep mean 0 and variance 1 (Klambauer et al. 2017)."""

    inplace: Inplace = False


class Tanh(Function, f=elementwise.tanh):
    """The hyperbolic tangent."""


class Sigmoid(Function, f=elementwise.sigmoid):
    """1 / (1 + e⁻ˣ)."""


class LogSigmoid(Function, f=activations.logsigmoid):
    """log(sigmoid(x))."""


class Softplus(Function, f=activations.softplus):
    """log(1 + e^(beta x)) / beta: a smooth relu; x itself where beta · x is above a threshold, if there is one."""

    beta: Positive = 1.0
    threshold: Annotated[float | None, NUMBER.or_none] = None


class SiLU(Function, f=activations.silu):
    """x · sigmoid(x)."""

    inplace: Inplace = False


class Mish(Function, f=activations.mish):
    """x · tanh(softplus(x)) (Misra 2019)."""

    inplace: Inplace = False


class GELU(Function, f=activations.gelu):
    """x · Φ(x), Φ being the normal distribution, or with 'tanh' an approximation of it (Hendrycks, Gimpel 2016)."""

    approximate: Literal["none", "tanh"] = "none"


class Hardtanh(Function, f=activations.hardtanh):
    """x, but no less than min_val and no more than max_val."""

    min_val: Number = -1.0
    max_val: Number = 1.0
    inplace: Inplace = False


class Hardsigmoid(Function, f=activations.hardsigmoid):
    """x/6 + ½, but in [0, 1]."""

    inplace: Inplace = False


class Hardswish(Function, f=activations.hardswish):
    """x · hardsigmoid(x) (Howard et al. 2019)."""

    inplace: Inplace = False


class Softsign(Function, f=activations.softsign):
    """x / (1 + |x|)."""


class Tanhshrink(Function, f=activations.tanhshrink):
    """x − tanh(x)."""


class Softshrink(Function, f=activations.softshrink):
    """x, moved towards 0 by lambd, and 0 within."""

    lambd: Number = 0.5


class Hardshrink(Function, f=activations.hardshrink):
    """x, but 0 within lambd of 0."""

    lambd: Number = 0.5


class Threshold(Function, f=activations.threshold):
    """x where above the threshold, value elsewhere."""

    threshold: Number
    value: Number
    inplace: Inplace = False


class GLU(Function, f=activations.glu):
    """The first half along an axis times the sigmoid of the second half (Dauphin et al. 2017)."""

    dim: Dim = -1


class Softmax(Function, f=loss.softmax):
    """eˣ / Σ eˣ over an axis."""

    dim: Dim = -1


def _softmin(x: ArrayLike, axis: int) -> Tensor:
    return loss.softmax(elementwise.neg(x), axis)


class Softmin(Function, f=_softmin):
    """e⁻ˣ / Σ e⁻ˣ over an axis."""

    dim: Dim = -1


class LogSoftmax(Function, f=loss.log_softmax):
    """log softmax(x) over an axis."""

    dim: Dim = -1


class Softmax2d(Module):
    """Softmax over the channels of images (N, C, H, W) or (C, H, W)."""

    def forward(self, x: ArrayLike) -> Tensor:
        return loss.softmax(x, -3)
