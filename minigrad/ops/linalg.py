"""Matrix products."""

from __future__ import annotations

from typing import Any

from ..tape import Array, Tensor, linear, primitive
from .shape import as_tensor, expand_dims, matrix_transpose, squeeze


@primitive
def _matmul(a: Array, b: Array) -> Array:
    return a @ b


linear(
    _matmul,
    lambda g, y, a, b: _matmul(g, matrix_transpose(b)),
    lambda g, y, a, b: _matmul(matrix_transpose(a), g),
)


def matmul(a: Any, b: Any) -> Tensor:
    """The matrix product a @ b: (…, n, k) by (…, k, m) gives (…, n, m); leading axes broadcast.

    A vector on the left is a row, on the right a column, as in NumPy.

    >>> import numpy as np
    >>> matmul(Tensor(np.ones((5, 2, 3))), Tensor(np.ones((3, 4)))).shape
    (5, 2, 4)
    """
    a, b = as_tensor(a), as_tensor(b)
    if not a.ndim or not b.ndim:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape}; a scalar has no matrix product, use * instead")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: the last axis of {a.shape} and the {'second-last' if b.ndim > 1 else 'only'} axis of {b.shape} "
            f"must be equal: {a.shape[-1]} is not {b.shape[-2 if b.ndim > 1 else 0]}"
        )
    y = _matmul(a if a.ndim > 1 else expand_dims(a, 0), b if b.ndim > 1 else expand_dims(b, 1))
    y = y if a.ndim > 1 else squeeze(y, -2)
    return y if b.ndim > 1 else squeeze(y, -1)
