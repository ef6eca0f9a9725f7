"""Linear algebra: the names of the array API standard's extension `linalg`, and what NumPy's and PyTorch's have beside.

Matrices are the last two axes; axes before them are a batch. See `ops/decompositions.py` for what is promised at repeated
eigenvalues and at singular matrices. `eig` and `eigvals` are left out: their results are complex.
"""

from .ops.decompositions import *
from .ops.decompositions import __all__ as _decompositions
from .ops.distances import cond, matrix_norm, norm, vector_norm
from .ops.linalg import matmul
from .ops.products import cross, tensordot, vecdot
from .ops.shape import matrix_transpose

__all__ = [
    "cond", "cross", "matmul", "matrix_norm", "matrix_transpose", "norm", "tensordot", "vecdot", "vector_norm",
]  # fmt: skip
__all__ += _decompositions
