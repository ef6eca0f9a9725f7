"""Mathematics on tensors. Importing it gives tensors their operators and methods."""

from . import (
    activations,
    conv,
    elementwise,
    fusion,
    indexing,
    linalg,
    loss,
    noise,
    norm,
    operators,
    pool,
    reduce,
    resize,
    shape,
    taps,
)

__all__ = [
    "activations", "conv", "elementwise", "fusion", "indexing", "linalg", "loss", "noise", "norm", "operators", "pool", "reduce", "resize", "shape", "taps",
]  # fmt: skip
