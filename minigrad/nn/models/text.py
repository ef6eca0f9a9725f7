"""A transformer that predicts the next token, such as a character, of a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import shown
from ...ranges import COUNT, FRACTION, check
from ...tape import Tensor, as_array
from ...typing import ArrayLike, DTypeLike, Rng
from ..attention import Transformer, TransformerEncoder, TransformerEncoderLayer
from ..dropout import Dropout
from ..embedding import Embedding
from ..layers import Linear, own_generator
from ..module import Module
from ..norm import LayerNorm


class TextTransformer(Module):
    """Logits (N, L, vocabulary) of the next token at each place of sequences of tokens (N, L), ints; L ≤ context.

    Token and place embeddings, `layers` encoder layers with norms first that look back only, a norm and a linear layer
    (as GPT-2; Radford et al. 2019).

    >>> model = TextTransformer(10, width=8, heads=2, layers=1, context=6, rng=0)
    >>> model(np.array([[1, 2, 3]])).shape
    (1, 3, 10)
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        context: int = 64,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("TextTransformer", COUNT, vocabulary=vocabulary, width=width, heads=heads, layers=layers, context=context)
        check("TextTransformer", FRACTION, dropout=dropout)
        rng = own_generator(rng)
        made: dict[str, Any] = {"dtype": dtype, "rng": rng}
        self.tokens = Embedding(vocabulary, width, **made)
        self.places = Embedding(context, width, **made)
        self.dropout = Dropout(dropout, rng=rng)
        layer = TransformerEncoderLayer(
            width, heads, 4 * width, dropout, "gelu", norm_first=True, batch_first=True, **made
        )
        self.encoder = TransformerEncoder(layer, layers, LayerNorm(width, dtype=dtype))
        self.head = Linear(width, vocabulary, **made)
        self.context = context

    def forward(self, tokens: ArrayLike) -> Tensor:
        ids = as_array(tokens, name="TextTransformer")
        if ids.ndim != 2 or not 0 < ids.shape[1] <= self.context:
            given = shown(tokens)
            raise ValueError(f"TextTransformer: tokens is {given}; it must be ints (N, L), L from 1 to {self.context}")
        length = ids.shape[1]
        x = self.tokens(tokens) + self.places(np.arange(length))
        mask = Transformer.generate_square_subsequent_mask(length, dtype=x.dtype)
        return self.head(self.encoder(self.dropout(x), mask, is_causal=True))
