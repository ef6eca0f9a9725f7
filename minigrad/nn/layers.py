"""Linear layers, and what only moves entries, with PyTorch's names, argument order, defaults, weight layouts and initial distributions.

A layer holds parameters and settings; its mathematics is a function of `ops`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import random
from ..ops import conv, linalg, shape
from ..ranges import COUNT, SWITCH, WHOLE, Range, check
from ..tape import Tensor
from ..typing import ArrayLike, DTypeLike, Rng
from . import init
from .module import Module, Parameter


class Identity(Module):
    """x itself; arguments, as PyTorch's, are ignored."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: ArrayLike) -> Tensor:
        return shape.as_tensor(x)


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` made one, so that (N, C, H, W) becomes (N, C·H·W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        check("Flatten", WHOLE, start_dim=start_dim, end_dim=end_dim)
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: ArrayLike) -> Tensor:
        x = shape.as_tensor(x)
        if self.end_dim == -1:
            return shape.flatten(x, self.start_dim)
        start, end = (shape.normal_axis("flatten", a, x.ndim) for a in (self.start_dim, self.end_dim))
        if start > end:
            raise ValueError(f"Flatten: start_dim={self.start_dim} comes after end_dim={self.end_dim} in {x.shape}")
        return shape.reshape(x, (*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


class Unflatten(Module):
    """The axis `dim` made several, of `unflattened_size`, one of which may be -1."""

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        check("Unflatten", WHOLE, dim=dim)
        check("Unflatten", _SIZE, unflattened_size=unflattened_size)
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: ArrayLike) -> Tensor:
        x = shape.as_tensor(x)
        dim = shape.normal_axis("unflatten", self.dim, x.ndim)
        return shape.reshape(x, (*x.shape[:dim], *self.unflattened_size, *x.shape[dim + 1 :]))


_SIZE = Range(lambda v: isinstance(v, tuple | list) and bool(v) and all(map(WHOLE.holds, v)), "whole numbers", tuple)


class Linear(Module):
    """x Wᵀ + b on the last axis: (…, in_features) gives (…, out_features). The weight is (out_features, in_features).

    Weight and bias start uniform in ±1/√in_features. Raises ValueError when x has another number of features,
    TypeError when its dtype is not the weight's.

    >>> Linear(3, 2, rng=0)(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("Linear", COUNT, in_features=in_features, out_features=out_features)
        check("Linear", SWITCH, bias=bias)
        rng = random.generator(rng)
        self.in_features, self.out_features = in_features, out_features
        size = (out_features, in_features)
        self.weight = Parameter(init.kaiming_uniform(size, a=math.sqrt(5), rng=rng, dtype=dtype))
        self.bias = _bias(out_features, in_features, rng, dtype) if bias else None

    def forward(self, x: ArrayLike) -> Tensor:
        return self.with_weights(x, self.weight, self.bias)

    def with_weights(self, x: ArrayLike, weight: Tensor, bias: Tensor | None) -> Tensor:
        """What the layer gives for x if these are its weight and bias, of its own shapes."""
        return transformed(self.checked(x), weight, bias)

    def checked(self, x: ArrayLike) -> Tensor:
        """x as a tensor, if it has the layer's features and dtype."""
        x = shape.as_tensor(x)
        if not x.ndim or x.shape[-1] != self.in_features:
            given = f"{x.shape[-1]} features" if x.ndim else "no axis of features"
            raise ValueError(
                f"linear: x has {given}, weight expects {self.in_features}; "
                f"x has shape {x.shape}, it must be (…, {self.in_features})"
            )
        conv.same_dtype("linear", x, self.weight)
        return x


class Bilinear(Module):
    """x₁ᵀ W_o x₂ + b_o for each output o: (…, in1_features) and (…, in2_features) give (…, out_features).

    Weight (out, in1, in2) and bias start uniform in ±1/√in1_features.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("Bilinear", COUNT, in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        check("Bilinear", SWITCH, bias=bias)
        rng, bound = random.generator(rng), in1_features**-0.5
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        size = (out_features, in1_features, in2_features)
        self.weight = Parameter(init.uniform(size, -bound, bound, rng=rng, dtype=dtype))
        self.bias = _bias(out_features, in1_features, rng, dtype) if bias else None

    def forward(self, x1: ArrayLike, x2: ArrayLike) -> Tensor:
        x1, x2 = shape.as_tensor(x1), shape.as_tensor(x2)
        o, a, b = self.weight.shape
        if not x1.ndim or x1.shape[:-1] != x2.shape[:-1] or x1.shape[-1] != a or x2.shape[-1] != b:
            raise ValueError(f"Bilinear: x1 has shape {x1.shape}, x2 {x2.shape}; they must be (…, {a}) and (…, {b})")
        side = shape.reshape(shape.permute_dims(self.weight, (0, 2, 1)), (o * b, a))
        y = shape.reshape(transformed(x1, side, None), (*x1.shape[:-1], o, b))
        y = shape.squeeze(linalg.matmul(y, shape.expand_dims(x2, -1)), -1)
        return y if self.bias is None else y + self.bias


def transformed(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x Wᵀ + b on the last axis."""
    if bias is None:
        return linalg.matmul(x, shape.matrix_transpose(weight))
    if x.ndim == 2:
        return linalg.affine(x, weight, bias)
    rows = shape.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
    return shape.reshape(linalg.affine(rows, weight, bias), (*x.shape[:-1], weight.shape[0]))


def own_generator(rng: Rng) -> np.random.Generator | None:
    """What a layer that draws keeps: None for the default generator; a seed becomes one generator, drawn on from."""
    return None if rng is None else random.generator(rng)


def _bias(size: int, fan_in: int, rng: np.random.Generator, dtype: DTypeLike) -> Parameter:
    bound = 1 / math.sqrt(fan_in)
    return Parameter(init.uniform((size,), -bound, bound, rng=rng, dtype=dtype))
