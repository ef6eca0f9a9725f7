"""Mathematics on tensors. Importing it gives tensors their operators and methods."""

from . import (
    activations,
    conv,
    decompositions,
    distances,
    elementwise,
    fusion,
    indexing,
    linalg,
    loss,
    matrices,
    noise,
    norm,
    operators,
    pool,
    products,
    reduce,
    resize,
    shape,
    taps,
)

__all__ = [
    "activations", "conv", "decompositions", "distances", "elementwise", "fusion", "indexing", "linalg", "loss", "matrices", "noise", "norm", "operators", "pool", "products", "reduce", "resize", "shape", "taps",
]  # fmt: skip
