"""How some calls are written in a program: the same arithmetic, bit for bit, with less Python around it.

In a program the shapes are known, so small matrix products need not ask how many threads they are worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..kernels import JIT, threads
from ..ops import linalg, shape
from ..tape import Array


def written(f: Callable, arrays: Sequence[Array], args: Sequence[str], params: dict[str, Any]) -> str | None:
    """An expression for f(*args, **params), if there is a shorter one; `arrays` are what the args stand for."""
    form = _FORMS.get(f)
    return None if form is None else form(arrays, *args, **params)


def _permuted(arrays: Sequence[Array], x: str, *, axes: tuple[int, ...]) -> str:
    return f"{x}.transpose({tuple(map(int, axes))})"


def _product(arrays: Sequence[Array], a: str, b: str) -> str | None:
    return f"{a}.dot({b})" if _small(*arrays) else None


def _affine(arrays: Sequence[Array], x: str, w: str, b: str) -> str | None:
    return f"({w}.dot({x}.T) + {b}[:, None]).T" if _small(arrays[1], arrays[0].T, arrays[2]) else None


def _small(a: Array, b: Array, *others: Array) -> bool:
    """Whether `kernels.matmul` takes a and b to BLAS in one piece, however many threads there are."""
    if not JIT or a.ndim != 2 or b.ndim != 2 or any(x.dtype != a.dtype for x in (b, *others)):
        return False
    return a.dtype.char in "fd" and 2.0 * a.size * b.shape[1] < threads.WORTH_CALLING


_FORMS: dict[Callable, Callable[..., str | None]] = {
    shape._permute_dims.forward: _permuted,
    linalg._matmul.forward: _product,
    linalg._affine.forward: _affine,
}
