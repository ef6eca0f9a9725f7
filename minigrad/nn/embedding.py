"""Vectors looked up by number."""

from __future__ import annotations

import numpy as np

from ..ops import lookup
from ..ranges import COUNT, POSITIVE, SWITCH, WHOLE, check
from ..tape import Tensor
from ..typing import ArrayLike, DTypeLike, Rng
from . import init
from .module import Module, Parameter

__all__ = ["Embedding"]


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
