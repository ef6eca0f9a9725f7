"""One row for every primitive and every public operation: the list that the certificate is written from.

A row's name starts with the operation; what follows says what is special about the row. The example inputs are all
differentiable; labels, indices and sizes stand in the function. Add a primitive, add a row to the chapter that is named
after its file in `ops/`: a test fails otherwise.
"""

from minigrad import ops

from . import (
    activations,
    attention,
    decompositions,
    distances,
    elementwise,
    gather,
    grouping,
    images,
    indexing,
    layout,
    linalg,
    loss,
    losses,
    matrices,
    norm,
    products,
    reduce,
    rounding,
    shape,
    sorting,
    special,
    statistics,
    transcendental,
)
from .base import Case, a, case, pos

CHAPTERS = [
    elementwise, transcendental, rounding, activations, special, reduce, shape, indexing, sorting, linalg, products,
    matrices, decompositions, distances, images, norm, attention, loss, losses, gather, grouping, layout, statistics,
]  # fmt: skip
CASES: list[Case] = [row for chapter in CHAPTERS for row in chapter.CASES]

# public operations whose results are constants: truth, places, neighbours
CONSTANT = {
    *ops.logic.__all__, *(n for n in ops.creation.__all__ if hasattr(getattr(ops.creation, n), "__wrapped__")),
    "all", "any", "argmax", "argmin", "argsort", "argwhere", "broadcast_shapes", "bucketize", "count_nonzero", "fft.fftfreq",
    "fft.rfftfreq", "isin", "linalg.matrix_rank", "nextafter", "nonzero", "one_hot", "searchsorted", "signbit", "tril_indices",
    "triu_indices", "unique_all", "unique_counts", "unique_inverse", "unique_values",
} - {"asarray", "astype", "conj", "full", "full_like", "linspace", "meshgrid", "positive", "real"}  # fmt: skip

__all__ = ["CASES", "CONSTANT", "Case", "a", "case", "pos"]
