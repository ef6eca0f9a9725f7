"""Inverses, determinants and factorisations of matrices, the last two axes. Its public names are those of `mg.linalg`.

LAPACK computes them, in float32 or float64 (longdouble has the precision of float64). What LAPACK gives for a complex matrix
is not analytic, so on a complex step each factorisation is that of the real part, and the step goes through its own rule.

- *Symmetric matrices*: `cholesky`, `eigh` and `eigvalsh` are those of the symmetric part (x + xᵀ) / 2, in value and
  derivative; so gradients are symmetric, and entries above the diagonal count as much as those below it.
- *Signs* of eigenvectors, singular vectors and columns of Q are LAPACK's. What depends on them has no meaning.
- *Repeated values*: where two eigenvalues or singular values are equal up to round-off, the vectors are not determined, and
  what is derived from them is NaN. What uses the values alone has a gradient there (its second derivatives are NaN).
- *Singular matrices*: `inv`, `solve` and `cholesky` raise. `det` has its first two derivatives at every rank (the third is
  NaN where the rank is not full, of matrices of three rows and more). `pinv` and `lstsq` take the rank for constant.

Left out: `eig` and `eigvals`, whose results are complex, and numbers here are real.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import named, shown
from ..ranges import INDEX, SWITCH, WHOLE, check, choice
from ..tape import (
    FLOATS,
    Array,
    Primitive,
    Tensor,
    constant,
    dispatch,
    general,
    in_floats,
    no_grad,
    primitive,
    private,
    rounded_once,
    wrap,
)
from ..typing import ArrayLike, DTypeLike
from . import matrices, products, reduce
from .elementwise import decision, where
from .linalg import matmul
from .matrices import diagonal_matrix, diagonal_of, matrix, tril, triu
from .shape import as_tensor, concat, expand_dims, normal_axes, pad, permute_dims, reshape, swapped

__all__ = [
    "cholesky", "cholesky_inverse", "cholesky_solve", "det", "diagonal", "eigh", "eigvalsh", "householder_product", "inv", "logdet", "lstsq", "lu", "matrix_exp",
    "matrix_power", "matrix_rank", "multi_dot", "outer", "pinv", "qr", "slogdet", "solve", "solve_triangular", "svd", "svdvals",
    "tensorinv", "tensorsolve", "trace", "vander",
]  # fmt: skip


class EighResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


class LstsqResult(NamedTuple):
    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


_IN_LAPACK = {"g": "d", "G": "D", "e": "f"}


def lapack(f: Callable[..., Array]) -> Callable[..., Array]:
    """f, which knows neither longdouble nor float16, by way of other floats."""

    @functools.wraps(f)
    def g(*xs: Array, **params: Any) -> Array:
        wide = np.result_type(*xs)
        if wide.char not in _IN_LAPACK:
            return f(*xs, **params)
        return f(*[x.astype(_IN_LAPACK[wide.char]) for x in xs], **params).astype(wide)

    return g


def stepped(op: Primitive) -> None:
    """Let op, whose function is not analytic, take a complex step: along its imaginary part, by op's own rule."""
    real = op.forward

    @functools.wraps(real)
    def forward(*xs: Array, **params: Any) -> Array:
        if all(x.dtype.kind != "c" for x in xs):
            return real(*xs, **params)
        parts, y = [x.real for x in xs], real(*[x.real for x in xs], **params)
        assert op.jvp is not None
        with no_grad():
            ts = [wrap(x.imag) if x.dtype.kind == "c" else None for x in xs]
            return y + 1j * op.jvp(ts, wrap(y), *map(wrap, parts), **params)._data

    op.forward = forward


def _square(name: str, x: ArrayLike) -> Tensor:
    x = matrix(name, x)
    if x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: matrices of shape {x.shape} are not square")
    return x


def _symmetric(x: Tensor) -> Tensor:
    return x * 0.5 + swapped(x) * 0.5


def _identity(x: Tensor) -> Tensor:
    """1 for square matrices x, in their dtype."""
    return decision(constant(np.eye(x.shape[-1])), x)


def _traced(a: Tensor, b: Tensor) -> Tensor:
    """⟨a, b⟩, for each matrix."""
    return reduce.sum(a * b, (-2, -1))


def _each(y: Tensor) -> Tensor:
    """One number for each matrix, to multiply matrices by."""
    return y[..., None, None]


# ---- where the standard's functions of matrices are not NumPy's of the same name ----------------------------------------


@named
def diagonal(x: ArrayLike, /, *, offset: int = 0) -> Tensor:
    """The diagonals of matrices, the last two axes; `offset` counts those above."""
    return matrices.diagonal(matrix("diagonal", x), offset, -2, -1)


@named
def trace(x: ArrayLike, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Tensor:
    """The sums of the diagonals of matrices, the last two axes, computed in `dtype` if one is given."""
    x = matrix("trace", x)
    return matrices.trace(x if dtype is None else x.astype(dtype), offset, -2, -1)


@named
def outer(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """The products of each entry of one vector with each of another, a matrix."""
    a, b = as_tensor(x1), as_tensor(x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(
            f"outer: shapes {a.shape} and {b.shape} are not those of vectors; mg.outer flattens them first"
        )
    return products.outer(a, b)


# ---- inverses --------------------------------------------------------------------------------------------------------


@primitive
@lapack
def _inv(a: Array) -> Array:
    return np.linalg.inv(a)


general(
    _inv,
    [lambda g, y, a: -(swapped(y) @ g @ swapped(y))],
    [lambda t, y, a: -(y @ t @ y)],
)


@primitive
@lapack
def _solve(a: Array, b: Array) -> Array:
    return np.linalg.solve(a, b)


general(
    _solve,
    [lambda g, y, a, b: -(_solve(swapped(a), g) @ swapped(y)), lambda g, y, a, b: _solve(swapped(a), g)],
    [lambda t, y, a, b: -_solve(a, t @ y), lambda t, y, a, b: _solve(a, t)],
)


@named
def inv(x: ArrayLike, /) -> Tensor:
    """The inverses of square matrices; ValueError where one is singular.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]])).data
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return _inv(_square("inv", x))


@named
def solve(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """The solutions y of x1 @ y = x2, where x2 is one vector or a batch of matrices; ValueError where x1 is singular.

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0])).data
    array([1. , 0.5])
    """
    return _solved("solve", x1, x2)


def _solved(name: str, x1: ArrayLike, x2: ArrayLike) -> Tensor:
    a, b = _square(name, x1), as_tensor(x2)
    if b.ndim == 1:
        return _solved(name, a, expand_dims(b, 1))[..., 0]
    if not b.ndim or b.shape[-2] != a.shape[-1]:
        raise ValueError(f"{name}: shapes {a.shape} and {b.shape}; as many rows are needed on the right as on the left")
    return _solve(a, b)


@named
def solve_triangular(
    a: ArrayLike, b: ArrayLike, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """The solutions y of a @ y = b (of y @ a = b, if not `left`), of the upper or lower triangle of a alone.

    `unitriangular` takes the diagonal of a for ones.
    """
    check("solve_triangular", SWITCH, upper=upper, left=left, unitriangular=unitriangular)
    a, b = _square("solve_triangular", a), matrix("solve_triangular", b)
    f = triu if upper else tril
    if unitriangular:
        a = f(a, 1 if upper else -1) + _identity(a)
    a = f(a)
    return _solved("solve_triangular", a, b) if left else swapped(_solved("solve_triangular", swapped(a), swapped(b)))


def _tolerance(name: str, rtol: Any, what: str = "rtol") -> Any:
    """What is given as a tolerance, None, a number or one for each matrix, as None or an array."""
    found = None if rtol is None else private(rtol)
    if found is not None and (found.dtype.kind not in "fiu" or not (found >= 0).all()):
        raise ValueError(f"{name}: {what} is {shown(rtol)}; it must be ≥ 0, an array of such numbers, or None")
    return found


@primitive
@lapack
def _pinv(a: Array, *, rtol: Any) -> Array:
    return np.linalg.pinv(a, rcond=max(a.shape[-2:]) * float(np.finfo(a.dtype).eps) if rtol is None else rtol)


def _pinv_up(g: Tensor, y: Tensor, a: Tensor, *, rtol: Any) -> Tensor:
    """Golub and Pereyra, 1973."""
    yt, gt = swapped(y), swapped(g)
    left, right = gt @ y @ yt, yt @ y @ gt
    return left - a @ (y @ left) + right - (right @ y) @ a - yt @ g @ yt


def _pinv_down(t: Tensor, y: Tensor, a: Tensor, *, rtol: Any) -> Tensor:
    yt, tt = swapped(y), swapped(t)
    left, right = y @ yt @ tt, tt @ yt @ y
    return left - (left @ a) @ y + right - y @ (a @ right) - y @ t @ y


general(_pinv, [_pinv_up], [_pinv_down])
stepped(_pinv)


@named
def pinv(x: ArrayLike, /, *, rtol: ArrayLike | None = None) -> Tensor:
    """The pseudo-inverses of matrices: singular values up to `rtol` times the largest count as zero.

    By default that is the number of rows or columns, whichever is more, times the dtype's precision.
    """
    return _pinv(matrix("pinv", x), rtol=_tolerance("pinv", rtol))


@named
def lstsq(a: ArrayLike, b: ArrayLike, *, rtol: ArrayLike | None = None) -> LstsqResult:
    """The y of least norm for which ‖a @ y − b‖ is least; with it the squared residuals of each column, a's rank and
    its singular values. b is a vector or a matrix; the rank is taken for constant."""
    rtol = _tolerance("lstsq", rtol)
    a, b = matrix("lstsq", a), as_tensor(b)
    if not b.ndim or b.shape[0 if b.ndim == 1 else -2] != a.shape[-2]:
        raise ValueError(f"lstsq: shapes {a.shape} and {b.shape}; as many rows are needed on the right as on the left")
    y = rounded_once(lambda a, b: matmul(_pinv(a, rtol=rtol), b))(a, b)
    rest = matmul(a, y) - b
    return LstsqResult(y, reduce.sum(rest * rest, -1 if b.ndim == 1 else -2), matrix_rank(a, rtol=rtol), svdvals(a))


@named
def matrix_power(x: ArrayLike, n: int, /) -> Tensor:
    """Square matrices to the power n; a negative power is one of the inverse.

    >>> matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 3).data
    array([[1., 3.],
           [0., 1.]])
    """
    x = _square("matrix_power", x)
    check("matrix_power", WHOLE, n=n)
    return rounded_once(_times)(x, n=n)


def _times(x: Tensor, n: int) -> Tensor:
    if n < 0:
        x, n = _inv(x), -n
    y = None
    while n:
        if n % 2:
            y = x if y is None else y @ x
        n //= 2
        x = x @ x if n else x
    return where(constant(np.eye(x.shape[-1], dtype=bool)), x**0, 0) if y is None else y * 1


@named
def multi_dot(arrays: Sequence[Any]) -> Tensor:
    """The product of several matrices, in the order of pairs that multiplies least; the first and last may be vectors."""
    if not isinstance(arrays, (list, tuple)) or len(arrays) < 2:
        raise TypeError(f"multi_dot: arrays is {shown(arrays)}; it must be a list of two tensors or more")
    xs = [as_tensor(x) for x in arrays]
    if any(x.ndim != 2 for x in xs[1:-1]) or not {xs[0].ndim, xs[-1].ndim} <= {1, 2}:
        raise ValueError(f"multi_dot: shapes {[x.shape for x in xs]}; they must be matrices, or vectors at both ends")
    rows = [1 if x.ndim == 1 and i == 0 else x.shape[0] for i, x in enumerate(xs)]
    sizes = [*rows, 1 if xs[-1].ndim == 1 else xs[-1].shape[1]]

    @functools.cache
    def best(i: int, j: int) -> tuple[int, int]:
        """What the product of xs[i:j] costs, and where to part it."""
        costs = [(best(i, k)[0] + best(k, j)[0] + sizes[i] * sizes[k] * sizes[j], k) for k in range(i + 1, j)]
        return min(costs, default=(0, i))

    def product(xs: tuple[Tensor, ...], i: int, j: int) -> Tensor:
        k = best(i, j)[1]
        return xs[i] if j == i + 1 else matmul(product(xs, i, k), product(xs, k, j))

    return rounded_once(lambda *xs: product(xs, 0, len(xs)))(*xs)


_PADE = [
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800,
    33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
]  # fmt: skip


def _halvings(x: Array) -> Array:
    size = float(np.abs(x.real).sum(-2).max(initial=0))
    if not math.isfinite(size):
        raise ValueError(f"matrix_exp: the matrix is not finite, or too large: its norm is {size}")
    return np.asarray(max(0, math.ceil(math.log2(size / 5.37))) if size else 0)


@named
def matrix_exp(x: ArrayLike) -> Tensor:
    """The exponential of square matrices, by the [13/13] Padé approximant, scaling and squaring (Higham, 2005)."""
    x = _square("matrix_exp", x)
    if x.dtype.char not in FLOATS:
        return in_floats(matrix_exp, x)
    halvings = int(wrap(dispatch(_halvings, x)).item())
    x = x * 0.5**halvings
    one, b = _identity(x), [c / _PADE[0] for c in _PADE]
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    odd = x @ (x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2) + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * one)
    even = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2) + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * one
    y = _solve(even - odd, even + odd)
    for _ in range(halvings):
        y = y @ y
    return y


@named
def tensorinv(a: ArrayLike, ind: int = 2) -> Tensor:
    """The inverse of a for `tensordot` over `ind` axes: the first `ind` axes of a are rows, the others columns."""
    a = as_tensor(a)
    check("tensorinv", INDEX, ind=ind)
    rows, columns = a.shape[:ind], a.shape[ind:]
    if not 0 < ind < a.ndim or math.prod(rows) != math.prod(columns):
        raise ValueError(f"tensorinv: the first {ind} axes of {a.shape} and the others must have equally many entries")
    return reshape(inv(reshape(a, (math.prod(rows), math.prod(columns)))), (*columns, *rows))


@named
def tensorsolve(a: ArrayLike, b: ArrayLike, axes: Sequence[int] | None = None) -> Tensor:
    """The y with `tensordot(a, y, axes=y.ndim)` = b: the first axes of a are those of b, once `axes` are moved to the end."""
    a, b = as_tensor(a), as_tensor(b)
    if axes is not None:
        last = normal_axes("tensorsolve", axes, a.ndim)
        a = permute_dims(a, (*(i for i in range(a.ndim) if i not in last), *last))
    columns = a.shape[b.ndim :]
    if math.prod(columns) != b.size or a.size != b.size**2:
        raise ValueError(f"tensorsolve: shapes {a.shape} and {b.shape}; the first and the last axes of a must fit b's")
    return reshape(solve(reshape(a, (b.size, b.size)), reshape(b, (b.size,))), columns)


@named
def vander(x: ArrayLike, N: int | None = None) -> Tensor:
    """The powers 0 to N − 1 of the entries of x, along a new last axis; N is x's length by default.

    >>> vander([2.0, 3.0], 3).data
    array([[1., 2., 4.],
           [1., 3., 9.]])
    """
    x = as_tensor(x)
    check("vander", INDEX.or_none, N=N)
    if not x.ndim:
        raise ValueError(f"vander: a tensor of shape {x.shape} is no vector")
    return expand_dims(x, -1) ** decision(constant(np.arange(x.shape[-1] if N is None else N)), x)


# ---- determinants ----------------------------------------------------------------------------------------------------


@primitive
@lapack
def _det(a: Array) -> Array:
    return np.linalg.det(a)


def _factors(a: Array) -> tuple[Array, Array, Array, Array]:
    """U, S, Vᵀ with signs such that det a is the product of S, and for each i the product of all others."""
    u, s, vh = np.linalg.svd(a)
    sign = np.rint(np.linalg.det(u) * np.linalg.det(vh))[..., None]
    s = np.maximum(s, np.maximum(s.max(-1, initial=0, keepdims=True) * np.finfo(s.dtype).eps ** 2, 1e-30))
    if s.shape[-1]:
        u[..., 0] *= sign
        s[..., :1] *= sign
    return u, s, vh, np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(-1)


@primitive
@lapack
def _cofactor(a: Array) -> Array:
    u, _, vh, others = _factors(a)
    return (u * others[..., None, :]) @ vh


@primitive
@lapack
def _cofactor_slope(t: Array, a: Array) -> Array:
    u, s, vh, others = _factors(a)
    pairs = np.where(np.eye(s.shape[-1], dtype=bool), 0, others[..., None] / s[..., None, :])  # all but two
    p = np.swapaxes(u, -1, -2) @ t @ np.swapaxes(vh, -1, -2)
    own = (pairs @ np.diagonal(p, 0, -2, -1)[..., None])[..., 0]
    middle = -pairs * np.swapaxes(p, -1, -2)
    return u @ (middle + own[..., None] * np.eye(s.shape[-1], dtype=s.dtype)) @ vh


def _cofactor_curve(w: Tensor, y: Tensor, t: Tensor, a: Tensor) -> Tensor:
    """The third derivative of det along t and w, of matrices of full rank."""
    if a.shape[-1] < 3:
        return decision(constant(np.zeros(a.shape)), a)
    c, s, whole = _cofactor(a), _cofactor_slope(w, a), where(dispatch(_deficient, a), np.nan, _det(a))
    turns = s @ swapped(t) @ c + c @ swapped(t) @ s
    return (_each(_traced(s, t)) * c + _each(_traced(c, t)) * s - turns - _each(_traced(c, w)) * y) / _each(whole)


def _deficient(a: Array) -> Array:
    s = np.linalg.svd(a.real.astype("d"), compute_uv=False)
    return s[..., -1] <= a.shape[-1] * np.finfo(a.dtype).eps * s[..., 0]


general(
    _det,
    [lambda g, y, a: _each(g) * _cofactor(a)],
    [lambda t, y, a: _traced(t, _cofactor(a))],
)
general(  # the second derivative of det is symmetric
    _cofactor,
    [lambda g, y, a: _cofactor_slope(g, a)],
    [lambda t, y, a: _cofactor_slope(t, a)],
)
general(
    _cofactor_slope,
    [lambda g, y, t, a: _cofactor_slope(g, a), _cofactor_curve],
    [lambda u, y, t, a: _cofactor_slope(u, a), _cofactor_curve],
)
stepped(_cofactor)
stepped(_cofactor_slope)


@named
def det(x: ArrayLike, /) -> Tensor:
    """The determinants of square matrices; its first two derivatives are right at every rank.

    >>> float(det(np.array([[2.0, 1.0], [0.0, 3.0]])).data)
    6.0
    """
    return _det(_square("det", x))


@primitive
@lapack
def _logabsdet(a: Array) -> Array:
    return np.linalg.slogdet(a)[1]


general(
    _logabsdet,
    [lambda g, y, a: _each(g) * swapped(_inv(a))],
    [lambda t, y, a: reduce.sum(diagonal_of(_inv(a) @ t), -1)],
)
stepped(_logabsdet)


def _sign_of_det(a: Array) -> Array:
    return lapack(lambda a: np.asarray(np.linalg.slogdet(a)[0]))(a.real)


@named
def slogdet(x: ArrayLike, /) -> SlogdetResult:
    """The signs of the determinants of square matrices, and the logarithms of their absolute values.

    Of a singular matrix they are 0 and −∞, without a derivative: asking for it raises.
    """
    x = _square("slogdet", x)
    if x.dtype.char not in FLOATS:
        return SlogdetResult(*[in_floats(lambda x, i: slogdet(x)[i], x, i=i) for i in range(2)])
    return SlogdetResult(decision(dispatch(_sign_of_det, x), x), _logabsdet(x))


@named
def logdet(x: ArrayLike) -> Tensor:
    """The logarithms of the determinants of square matrices: −∞ of a singular one, NaN where it is negative."""
    sign, size = slogdet(x)
    return where(dispatch(_is_negative, sign), np.nan, size)


def _is_negative(x: Array) -> Array:
    return x.real < 0


# ---- Cholesky --------------------------------------------------------------------------------------------------------


@primitive
@lapack
def _cholesky(a: Array) -> Array:
    return np.linalg.cholesky(a / 2 + np.swapaxes(a, -1, -2) / 2)


def _lower_half(x: Tensor) -> Tensor:
    """The lower triangle, with half of the diagonal."""
    n = x.shape[-1]
    return x * decision(constant(np.tri(n) - np.eye(n) / 2), x)


def _cholesky_up(g: Tensor, y: Tensor, a: Tensor) -> Tensor:
    up = swapped(y)
    return _symmetric(_solve(up, swapped(_solve(up, swapped(_lower_half(up @ g))))))


def _cholesky_down(t: Tensor, y: Tensor, a: Tensor) -> Tensor:
    return y @ _lower_half(_solve(y, swapped(_solve(y, _symmetric(t)))))


general(_cholesky, [_cholesky_up], [_cholesky_down])
stepped(_cholesky)


@named
def cholesky(x: ArrayLike, /, *, upper: bool = False) -> Tensor:
    """The lower triangular L with L Lᵀ = (x + xᵀ) / 2, or the upper one, Lᵀ; ValueError where that is not positive definite.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 5.0]])).data
    array([[2., 0.],
           [1., 2.]])
    """
    x = _square("cholesky", x)
    check("cholesky", SWITCH, upper=upper)
    return swapped(_cholesky(x)) if upper else _cholesky(x)


@named
def cholesky_solve(b: ArrayLike, l: ArrayLike, *, upper: bool = False) -> Tensor:  # noqa: E741
    """The solutions y of (L Lᵀ) y = b, or with `upper` of (Lᵀ L) y = b, of the triangle of L alone."""
    check("cholesky_solve", SWITCH, upper=upper)
    low = swapped(triu(_square("cholesky_solve", l))) if upper else tril(_square("cholesky_solve", l))
    return _solved_twice(low, matrix("cholesky_solve", b))


@rounded_once
def _solved_twice(low: Tensor, b: Tensor) -> Tensor:
    return _solved("cholesky_solve", swapped(low), _solved("cholesky_solve", low, b))


@named
def cholesky_inverse(l: ArrayLike, *, upper: bool = False) -> Tensor:  # noqa: E741
    """The inverse of L Lᵀ, or with `upper` of Lᵀ L, of the triangle of L alone."""
    l = _square("cholesky_inverse", l)  # noqa: E741
    return cholesky_solve(_identity(l), l, upper=upper)


# ---- eigenvalues and singular values: in one array, so that both walks see all of them at once -----------------------


def _over(x: Tensor, gap: Tensor, none: Array) -> Tensor:
    """x / gap; where there is no gap, 0 if x is 0, since nothing asks for it, else NaN."""
    unknown = decision(dispatch(_unknown, x, none), x)
    return where(none, unknown, x) / where(none, 1, gap)


def _unknown(x: Array, none: Array) -> Array:
    return np.where(none & (x.real != 0), np.nan, 0)


def _equal(a: Array, b: Array) -> Array:
    """Where a number of each column b is one of each row a, up to round-off."""
    a, b = a.real, b.real
    size = np.maximum(np.abs(a).max((-2, -1), initial=0), np.abs(b).max((-2, -1), initial=0))[..., None, None]
    return np.abs(a - b) <= max(a.shape[-1], b.shape[-2]) * np.finfo(a.dtype).eps * size


def _between(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """x_ij / (a_j − b_i), and 0 on the diagonal."""
    a, b = a[..., None, :], b[..., :, None]
    return _over(_off_diagonal(x), a - b, dispatch(_equal, a, b))


def _off_diagonal(x: Tensor) -> Tensor:
    return where(constant(np.eye(x.shape[-1], dtype=bool)), 0, x)


@primitive
@lapack
def _eigh(a: Array) -> Array:
    w, v = np.linalg.eigh(a / 2 + np.swapaxes(a, -1, -2) / 2)
    return np.concatenate([w[..., None, :], v], -2)


def _row_and_rest(y: Tensor) -> tuple[Tensor, Tensor]:
    return y[..., 0, :], y[..., 1:, :]


def _eigh_up(g: Tensor, y: Tensor, a: Tensor) -> Tensor:
    (w, v), (gw, gv) = _row_and_rest(y), _row_and_rest(g)
    return _symmetric(v @ (diagonal_matrix(gw) + _between(swapped(v) @ gv, w, w)) @ swapped(v))


def _eigh_down(t: Tensor, y: Tensor, a: Tensor) -> Tensor:
    w, v = _row_and_rest(y)
    p = swapped(v) @ _symmetric(t) @ v
    return concat([diagonal_of(p)[..., None, :], v @ _between(p, w, w)], -2)


general(_eigh, [_eigh_up], [_eigh_down])
stepped(_eigh)


@named
def eigh(x: ArrayLike, /) -> EighResult:
    """The eigenvalues of symmetric matrices, in ascending order, and their eigenvectors, which are columns.

    >>> eigh(np.array([[2.0, 1.0], [1.0, 2.0]])).eigenvalues.data
    array([1., 3.])
    """
    return EighResult(*_row_and_rest(_eigh(_square("eigh", x))))


@named
def eigvalsh(x: ArrayLike, /) -> Tensor:
    """The eigenvalues of symmetric matrices, in ascending order."""
    return _row_and_rest(_eigh(_square("eigvalsh", x)))[0]


@primitive
@lapack
def _svd(a: Array) -> Array:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    return np.concatenate([s[..., None, :], u, np.swapaxes(vh, -1, -2)], -2)


def _svd_parts(y: Tensor, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    m = a.shape[-2]
    return y[..., 1 : m + 1, :], y[..., 0, :], y[..., m + 1 :, :]


def _inside(x: Tensor, s: Tensor) -> Tensor:
    """The skew part of x over s_i + s_j."""
    return _between((x - swapped(x)) * 0.5, s, -s)


def _outside(u: Tensor, x: Tensor, s: Tensor) -> Tensor:
    """What of the columns of x is orthogonal to all columns of u, each over its own s."""
    if u.shape[-1] == u.shape[-2]:
        return x * 0
    s = s[..., None, :]
    return _over(x - u @ (swapped(u) @ x), s, dispatch(_equal, s, s * 0))


def _svd_up(g: Tensor, y: Tensor, a: Tensor) -> Tensor:
    (u, s, v), (gu, gs, gv) = _svd_parts(y, a), _svd_parts(g, a)
    one, two = swapped(u) @ gu, swapped(v) @ gv
    middle = diagonal_matrix(gs) + _symmetric(_between(one + two, s, s)) + _inside(one - two, s)
    return (u @ middle + _outside(u, gu, s)) @ swapped(v) + u @ swapped(_outside(v, gv, s))


def _svd_down(t: Tensor, y: Tensor, a: Tensor) -> Tensor:
    u, s, v = _svd_parts(y, a)
    right = t @ v
    p = swapped(u) @ right
    one, two = _between(_symmetric(p), s, s), _inside(p, s)
    du = u @ (one + two) + _outside(u, right, s)
    dv = v @ (one - two) + _outside(v, swapped(t) @ u, s)
    return concat([diagonal_of(p)[..., None, :], du, dv], -2)


general(_svd, [_svd_up], [_svd_down])
stepped(_svd)


def _completed(name: str, q: Tensor, x: Tensor, what: str) -> Tensor:
    """Orthogonal columns with what completes them to a basis, which has no derivative, being any that does."""
    if x._data.size and (x.requires_grad or x.dtype.kind == "c"):
        raise ValueError(f"{name}: with {what} the last columns have no derivative at shape {x.shape}; ask for fewer")
    return concat([q, wrap(dispatch(_complement, q))], -1)


@lapack
def _complement(q: Array) -> Array:
    return np.linalg.qr(q, mode="complete")[0][..., q.shape[-1] :]


@named
def svd(x: ArrayLike, /, *, full_matrices: bool = True) -> SVDResult:
    """U, S and Vᵀ with x = U diag(S) Vᵀ: orthogonal columns, and the singular values in descending order.

    With `full_matrices` U and V are square; the columns that complete them have no derivative, so a matrix that is not
    square then needs to be a constant.
    """
    x = matrix("svd", x)
    check("svd", SWITCH, full_matrices=full_matrices)
    rows, columns = x.shape[-2:]
    u, s, v = _svd_parts(_svd(x), x)
    if full_matrices and rows != columns:
        u, v = _completed("svd", u, x, "full_matrices=True"), _completed("svd", v, x, "full_matrices=True")
    return SVDResult(u, s, swapped(v))


@named
def svdvals(x: ArrayLike, /) -> Tensor:
    """The singular values of matrices, in descending order."""
    x = matrix("svdvals", x)
    return _svd_parts(_svd(x), x)[1]


def _ranks(x: Array, rtol: Any, atol: Any, hermitian: bool) -> Array:
    x = x.real.astype("d" if x.dtype.char not in "fF" else "f")
    s = np.linalg.svd(x, compute_uv=False, hermitian=hermitian)
    atol = np.asarray(0 if atol is None else atol)[..., None]
    rtol = np.where(atol > 0, 0, max(x.shape[-2:]) * np.finfo(s.dtype).eps) if rtol is None else rtol[..., None]
    return np.asarray((s > np.maximum(atol, rtol * s.max(-1, initial=0, keepdims=True))).sum(-1))


@named
def matrix_rank(
    x: ArrayLike, /, *, rtol: ArrayLike | None = None, atol: ArrayLike | None = None, hermitian: bool = False
) -> Tensor:
    """The number of singular values above `rtol` times the largest, and above `atol`.

    The default of `rtol` is that of `pinv`, or 0 where there is an `atol`. Of a symmetric matrix, if `hermitian`, the
    lower triangle is read.
    """
    check("matrix_rank", SWITCH, hermitian=hermitian)
    limits = (_tolerance("matrix_rank", v, what) for what, v in (("rtol", rtol), ("atol", atol)))
    return wrap(dispatch(_ranks, matrix("matrix_rank", x), *limits, hermitian))


# ---- Q R -------------------------------------------------------------------------------------------------------------


@primitive
@lapack
def _qr(a: Array) -> Array:
    return np.concatenate(np.linalg.qr(a), -2)


def _qr_parts(y: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    m = a.shape[-2]
    return y[..., :m, :], y[..., m:, :]


def _over_r(x: Tensor, r: Tensor) -> Tensor:
    """x R⁻¹."""
    return swapped(_solve(swapped(r), swapped(x)))


def _qr_up(g: Tensor, y: Tensor, a: Tensor) -> Tensor:
    """Walter and Lehmann, 2018."""
    (q, r), (gq, gr) = _qr_parts(y, a), _qr_parts(g, a)
    m = r @ swapped(triu(gr)) - swapped(gq) @ q
    low = tril(m, -1)
    return swapped(_solve(r, swapped(gq + q @ (low + swapped(low) + diagonal_matrix(diagonal_of(m))))))


def _qr_down(t: Tensor, y: Tensor, a: Tensor) -> Tensor:
    q, r = _qr_parts(y, a)
    x = _over_r(t, r)
    c = swapped(q) @ x
    low = tril(c, -1)
    turn = low - swapped(low)
    return concat([q @ (turn - c) + x, (c - turn) @ r], -2)


general(_qr, [_qr_up], [_qr_down])
stepped(_qr)


@named
def qr(x: ArrayLike, /, *, mode: str = "reduced") -> QRResult:
    """Q and R with x = Q R: orthogonal columns, and an upper triangle. The first columns must be independent.

    With the mode "complete" Q is square; its last columns have no derivative, so a matrix of more rows than columns then
    needs to be a constant.
    """
    x = matrix("qr", x)
    check("qr", choice("reduced", "complete"), mode=mode)
    rows, columns = x.shape[-2:]
    y = _qr(x[..., :rows])
    q, r = _qr_parts(y, x)
    r = r if rows >= columns else concat([r, swapped(q) @ x[..., rows:]], -1)
    if mode == "complete" and rows > columns:
        q, r = (
            _completed("qr", q, x, "mode='complete'"),
            pad(r, [*[(0, 0)] * (x.ndim - 2), (0, rows - columns), (0, 0)]),
        )
    return QRResult(q, r)


@named
def householder_product(a: ArrayLike, tau: ArrayLike) -> Tensor:
    """The first columns of a product of reflections 1 − tau_i v vᵀ, where v is column i of a from its diagonal on, the first
    entry 1: what LAPACK makes of the factored form of Q."""
    a, tau = matrix("householder_product", a), as_tensor(tau)
    rows, columns = a.shape[-2:]
    if rows < columns or not tau.ndim or tau.shape[:-1] != a.shape[:-2] or tau.shape[-1] > columns:
        raise ValueError(
            f"householder_product: shapes {a.shape} and {tau.shape}; they must be (…, m, n) and (…, k), k ≤ n ≤ m"
        )
    return rounded_once(_reflected)(a, tau)


def _reflected(a: Tensor, tau: Tensor) -> Tensor:
    one = decision(constant(np.broadcast_to(np.eye(*a.shape[-2:]), a.shape)), a)
    vs, q = tril(a, -1) + one, one
    for i in reversed(range(tau.shape[-1])):
        v = vs[..., i : i + 1]
        q = q - tau[..., i, None, None] * v @ (swapped(v) @ q)
    return q


# ---- L U -------------------------------------------------------------------------------------------------------------


class LUResult(NamedTuple):
    P: Tensor
    L: Tensor
    U: Tensor


def _eliminated(a: Array, pivot: bool) -> tuple[Array, Array]:
    """L without its diagonal, and U, in one array; and the order in which rows were taken."""
    lu, order = a.copy(), np.broadcast_to(np.arange(a.shape[-2]), a.shape[:-1]).copy()
    for k in range(min(a.shape[-2:])):
        if pivot:
            rows = np.broadcast_to(np.arange(a.shape[-2]), order.shape).copy()
            top = k + np.abs(lu[..., k:, k].real).argmax(-1)[..., None]
            rows[..., k] = top[..., 0]
            np.put_along_axis(rows, top, k, -1)
            lu, order = np.take_along_axis(lu, rows[..., None], -2), np.take_along_axis(order, rows, -1)
        lead = lu[..., k : k + 1, k : k + 1]
        lu[..., k + 1 :, k : k + 1] /= np.where(lead == 0, 1, lead)
        lu[..., k + 1 :, k + 1 :] -= lu[..., k + 1 :, k : k + 1] * lu[..., k : k + 1, k + 1 :]
    return lu, order


def _permutation(a: Array) -> Array:
    """P with a = P L U."""
    order = _eliminated(a.real.astype("d") if a.dtype.char not in FLOATS else a.real, True)[1]
    return np.asarray(order[..., None, :] == np.arange(a.shape[-2])[:, None])


@primitive
def _lu(a: Array) -> Array:
    return _eliminated(a, False)[0]


def _unit_lower(y: Tensor) -> Tensor:
    return tril(y, -1) + _identity(y)


def _lu_up(g: Tensor, y: Tensor, a: Tensor) -> Tensor:
    low, up = _unit_lower(y), triu(y)
    middle = tril(swapped(low) @ tril(g, -1), -1) + triu(triu(g) @ swapped(up))
    return _solve(swapped(low), swapped(_solve(up, swapped(middle))))


def _lu_down(t: Tensor, y: Tensor, a: Tensor) -> Tensor:
    low, up = _unit_lower(y), triu(y)
    c = _over_r(_solve(low, t), up)
    return low @ tril(c, -1) + triu(c) @ up


general(_lu, [_lu_up], [_lu_down])


@named
def lu(x: ArrayLike, *, pivot: bool = True) -> LUResult:
    """P, L and U with x = P L U: a permutation, which is constant, a lower triangle with ones on its diagonal, an upper one.

    Without `pivot`, P is 1, and every leading square of x must be regular. Its derivative asks for the leading square of
    Pᵀ x to be.
    """
    x = matrix("lu", x)
    check("lu", SWITCH, pivot=pivot)
    n, (rows, columns) = min(x.shape[-2:]), x.shape[-2:]
    p = (
        decision(dispatch(_permutation, x), x)
        if pivot
        else decision(constant(np.broadcast_to(np.eye(rows), (*x.shape[:-1], rows))), x)
    )
    x = swapped(p) @ x if pivot else x
    y = _lu(x[..., :n, :n])
    low, up = _unit_lower(y), triu(y)
    if rows > columns:
        low = concat([low, _over_r(x[..., n:, :], up)], -2)
    if columns > rows:
        up = concat([up, _solve(low, x[..., n:])], -1)
    return LUResult(p, low, up)
