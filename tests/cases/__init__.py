"""One row for every primitive and every public operation: the list that the certificate is written from.

A row's name starts with the operation; what follows says what is special about the row. The example inputs are all
differentiable; labels, indices and sizes stand in the function. Add a primitive, add a row to the chapter that is named
after its file in `ops/`: a test fails otherwise.
"""

from . import (
    activations,
    decompositions,
    distances,
    elementwise,
    images,
    indexing,
    linalg,
    loss,
    matrices,
    norm,
    products,
    reduce,
    shape,
)
from .base import Case, a, case, pos

CHAPTERS = [
    elementwise, activations, reduce, shape, indexing, linalg, matrices, products, decompositions, distances, images, norm, loss,
]  # fmt: skip
CASES: list[Case] = [row for chapter in CHAPTERS for row in chapter.CASES]

__all__ = ["CASES", "Case", "a", "case", "pos"]
