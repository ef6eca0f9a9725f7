"""Vectors looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops import lookup
from ..ranges import COUNT, POSITIVE, SWITCH, WHOLE, check, choice
from ..tape import Tensor
from ..typing import ArrayLike, DTypeLike, Rng
from . import init
from .module import Module, Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class Embedding(Module):
    """Rows of the weight (num_embeddings, embedding_dim), looked up by ints of any shape: (…) gives (…, embedding_dim).

    The weight starts Gaussian, N(0, 1). Row `padding_idx` starts as zeros and gets no gradient. `max_norm` and
    `scale_grad_by_freq` are not offered; `sparse` has no effect: gradients are dense.

    >>> Embedding(10, 3, rng=0)(np.array([[1, 2], [4, 1]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("Embedding", COUNT, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        check("Embedding", WHOLE.or_none, padding_idx=padding_idx)
        check("Embedding", POSITIVE.or_none, max_norm=max_norm)
        check("Embedding", POSITIVE, norm_type=norm_type)
        check("Embedding", SWITCH, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)
        for name, value in {"max_norm": max_norm, "scale_grad_by_freq": scale_grad_by_freq}.items():
            if value:
                raise ValueError(f"Embedding: {name} is {value!r}; it is not offered (see nn.max_norm_ for norms)")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(f"Embedding: padding_idx is {padding_idx}; there are {num_embeddings} rows")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        weight = init.normal((num_embeddings, embedding_dim), rng=rng, dtype=dtype)
        if self.padding_idx is not None:
            weight[self.padding_idx] = 0
        self.weight = Parameter(weight)

    def forward(self, x: ArrayLike) -> Tensor:
        return lookup.embedding(x, self.weight, self.padding_idx)


class EmbeddingBag(Module):
    """The mean, sum or largest entries of rows of the weight (num_embeddings, embedding_dim), bag by bag.

    x is ints (N, L), a bag in each row, or (L,) with `offsets`, the places at which bags begin. `per_sample_weights`, with
    mode 'sum', weigh each row. The weight starts as that of `Embedding`; row `padding_idx` does not count. `max_norm` and
    `scale_grad_by_freq` are not offered; `sparse` has no effect.

    >>> EmbeddingBag(10, 3, rng=0)(np.array([1, 2, 4, 5, 4]), np.array([0, 2])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("EmbeddingBag", choice("mean", "sum", "max"), mode=mode)
        check("EmbeddingBag", SWITCH, include_last_offset=include_last_offset)
        settings = padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        made = Embedding(num_embeddings, embedding_dim, *settings, dtype=dtype, rng=rng)
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, made.padding_idx
        self.mode, self.include_last_offset, self.weight = mode, include_last_offset, made.weight

    def forward(self, x: ArrayLike, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        more: dict[str, Any] = {"include_last_offset": self.include_last_offset, "padding_idx": self.padding_idx}
        weights = per_sample_weights
        return lookup.embedding_bag(x, self.weight, offsets, mode=self.mode, per_sample_weights=weights, **more)
