"""Mathematics on tensors. Importing it gives tensors their operators and methods."""

from . import (
    activations,
    by_numpy,
    conv,
    elementwise,
    entries,
    fusion,
    indexing,
    linalg,
    loss,
    noise,
    norm,
    operators,
    pool,
    reduce,
    shape,
    spelling,
)

__all__ = [
    "activations", "by_numpy", "conv", "elementwise", "entries", "fusion", "indexing", "linalg", "loss", "noise", "norm", "operators", "pool", "reduce", "shape", "spelling",
]  # fmt: skip
operators.bind([m for m in list(vars().values()) if isinstance(m, type(operators))])
