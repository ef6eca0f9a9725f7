"""Activations as layers: each is a function of `ops`, for use in a Sequential."""

from __future__ import annotations

from ..ops import activations, elementwise, loss
from ..ranges import NUMBER, POSITIVE, WHOLE, check
from ..tape import Tensor, mul
from ..typing import ArrayLike
from .module import Module


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x: ArrayLike) -> Tensor:
        return elementwise.relu(x)


class LeakyReLU(Module):
    """x where positive, negative_slope · x elsewhere."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        check("LeakyReLU", NUMBER, negative_slope=negative_slope)
        self.negative_slope = negative_slope

    def forward(self, x: ArrayLike) -> Tensor:
        return activations.leaky_relu(x, self.negative_slope)


class ELU(Module):
    """x where positive, alpha · (eˣ − 1) elsewhere."""

    def __init__(self, alpha: float = 1.0) -> None:
        check("ELU", NUMBER, alpha=alpha)
        self.alpha = alpha

    def forward(self, x: ArrayLike) -> Tensor:
        return activations.elu(x, self.alpha)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: ArrayLike) -> Tensor:
        return elementwise.tanh(x)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)."""

    def forward(self, x: ArrayLike) -> Tensor:
        return elementwise.sigmoid(x)


class Softplus(Module):
    """log(1 + e^(beta x)) / beta: a smooth relu."""

    def __init__(self, beta: float = 1.0) -> None:
        check("Softplus", POSITIVE, beta=beta)
        self.beta = beta

    def forward(self, x: ArrayLike) -> Tensor:
        return activations.softplus(x) if self.beta == 1 else activations.softplus(mul(x, self.beta)) / self.beta


class SiLU(Module):
    """x · sigmoid(x)."""

    def forward(self, x: ArrayLike) -> Tensor:
        return activations.silu(x)


class GELU(Module):
    """The tanh form of GELU, PyTorch's `GELU(approximate="tanh")`; raises ValueError for the other form."""

    def __init__(self, approximate: str = "tanh") -> None:
        if approximate != "tanh":
            raise ValueError(f"GELU: approximate is {approximate!r}; only the form 'tanh' is offered")
        self.approximate = approximate

    def forward(self, x: ArrayLike) -> Tensor:
        return activations.gelu(x)


class Softmax(Module):
    """eˣ / Σ eˣ over an axis."""

    def __init__(self, axis: int = -1) -> None:
        check(type(self).__name__, WHOLE, axis=axis)
        self.axis = axis

    def forward(self, x: ArrayLike) -> Tensor:
        return loss.softmax(x, self.axis)


class LogSoftmax(Module):
    """log softmax(x) over an axis."""

    def __init__(self, axis: int = -1) -> None:
        check(type(self).__name__, WHOLE, axis=axis)
        self.axis = axis

    def forward(self, x: ArrayLike) -> Tensor:
        return loss.log_softmax(x, self.axis)


class ReLU6(Module):
    """min(max(x, 0), 6)."""

    def forward(self, x: ArrayLike) -> Tensor:
        return elementwise.clip(x, 0.0, 6.0)
