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
    embedding,
    images,
    indexing,
    layer_norm,
    linalg,
    loss,
    losses,
    matrices,
    norm,
    products,
    reduce,
    rounding,
    shape,
    special,
    transcendental,
)
from .base import Case, a, case, pos

CHAPTERS = [
    elementwise, transcendental, rounding, activations, special, reduce, shape, indexing, linalg, products, matrices,
    decompositions, distances, images, norm, attention, embedding, loss, losses, layer_norm,
]  # fmt: skip
CASES: list[Case] = [row for chapter in CHAPTERS for row in chapter.CASES]

# public operations whose results are constants: truth, places, neighbours
CONSTANT = {
    *ops.logic.__all__, "all", "any", "fft.fftfreq", "fft.rfftfreq", "linalg.matrix_rank", "nextafter", "signbit", "tril_indices",
    "triu_indices",
} - {"conj", "positive", "real"}  # fmt: skip

__all__ = ["CASES", "CONSTANT", "Case", "a", "case", "pos"]
