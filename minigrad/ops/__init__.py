"""Mathematics on tensors. Importing it gives tensors their operators and methods."""

from . import (
    activations,
    attention,
    by_numpy,
    conv,
    decompositions,
    distances,
    elementwise,
    embedding,
    entries,
    fusion,
    indexing,
    layer_norm,
    linalg,
    logic,
    loss,
    losses,
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
    special,
    spelling,
    taps,
    transcendental,
    values,
)

__all__ = [
    "activations", "attention", "by_numpy", "conv", "decompositions", "distances", "elementwise", "embedding",
    "entries", "fusion", "indexing", "layer_norm", "linalg", "logic", "loss", "losses", "matrices", "noise", "norm",
    "operators", "pool", "products", "reduce", "resize", "rounding", "shape", "special", "spelling", "taps",
    "transcendental", "values",
]  # fmt: skip
operators.bind([m for m in list(vars().values()) if isinstance(m, type(operators))])
