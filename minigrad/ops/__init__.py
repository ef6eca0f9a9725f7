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
    logic,
    loss,
    matrices,
    noise,
    norm,
    operators,
    pool,
    products,
    reduce,
    resize,
    rounding,
    shape,
    taps,
    transcendental,
    values,
)

__all__ = [
    "activations", "conv", "decompositions", "distances", "elementwise", "fusion", "indexing", "linalg", "logic",
    "loss", "matrices", "noise", "norm", "operators", "pool", "products", "reduce", "resize", "rounding", "shape",
    "taps", "transcendental", "values",
]  # fmt: skip
