"""Products, running sums and products, differences, and statistics made of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import INDEX, NUMBER, POSITIVE, SWITCH, Range, check
from ..tape import INTEGERS, Array, Tensor, as_tensor, dispatch, floats_for, linear, primitive
from ..typing import ArrayLike, DTypeLike
from .creation import astype
from .distances import vector_norm
from .elementwise import maximum, where
from .gather import take_along_axis
from .layout import along
from .linalg import matmul
from .reduce import Axis, _dropped, max, mean, min, std, sum, var
from .rounding import _is_nan
from .shape import concat, matrix_transpose, normal_axes, normal_axis, permute_dims, reshape
from .transcendental import logaddexp

__all__ = [
    "aminmax", "average", "corrcoef", "cov", "cummax", "cummin", "cumulative_prod", "cumulative_sum", "cumulative_trapezoid",
    "diff", "logcumsumexp", "nanmean", "nansum", "prod", "renorm", "std_mean", "trapezoid", "var_mean",
]  # fmt: skip


def _rows(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x with these axes last, as one."""
    rest = [a for a in range(x.ndim) if a not in axes]
    return reshape(permute_dims(x, (*rest, *axes)), (*(x.shape[a] for a in rest), math.prod(x.shape[a] for a in axes)))


def _converted(x: ArrayLike, dtype: DTypeLike | None) -> Tensor:
    x = as_tensor(x)
    return x if dtype is None else astype(x, dtype)


@named
def prod(x: ArrayLike, /, *, axis: Axis = None, dtype: DTypeLike | None = None, keepdims: bool = False) -> Tensor:
    """The product over `axis` (all axes by default); its derivatives are right where entries are 0, at every order.

    A tree of products of two, so that none is divided by.

    >>> prod(np.array([2.0, 0.0, 3.0])).item()
    0.0
    """
    x = _converted(x, dtype)
    check("prod", SWITCH, keepdims=keepdims)
    axes = normal_axes("prod", axis, x.ndim)
    y = _rows(x, axes)
    if not y.shape[-1]:
        y = as_tensor(np.ones((*y.shape[:-1], 1), y.dtype))
    y = y if y.dtype.kind in "fc" or y.shape[-1] > 1 else y * 1  # integers become int64, as in every product
    while (n := y.shape[-1]) > 1:
        half = y[..., : n // 2] * y[..., n // 2 : n // 2 * 2]
        y = concat([half, y[..., -1:]], -1) if n % 2 else half
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    return _dropped(reshape(y, kept), axes, keepdims)


# ---- running sums ---------------------------------------------------------------------------------------------------------------


@primitive
def _cumsum(x: Array, *, axis: int, backwards: bool) -> Array:
    if not backwards:
        return np.add.accumulate(x, axis)
    return np.flip(np.add.accumulate(np.flip(x, axis), axis), axis)


linear(_cumsum, lambda g, y, x, *, axis, backwards: _cumsum(g, axis=axis, backwards=not backwards))
_cumsum.numbers = INTEGERS


def _one_axis(name: str, x: Tensor, axis: int | None) -> int:
    if axis is None:
        if x.ndim > 1:
            raise ValueError(f"{name}: x has shape {x.shape}; say along which axis")
        return 0
    return normal_axis(name, axis, x.ndim)


def _with_initial(y: Tensor, axis: int, value: float) -> Tensor:
    shape = (*y.shape[:axis], 1, *y.shape[axis + 1 :])
    return concat([np.full(shape, value, y.dtype), y], axis)


@named
def cumulative_sum(
    x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike | None = None, include_initial: bool = False
) -> Tensor:
    """The sums of the first entries along `axis`, which a vector need not name; with `include_initial`, of none first.

    >>> cumulative_sum(np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 3.0, 6.0]
    """
    x = _converted(x, dtype)
    check("cumulative_sum", SWITCH, include_initial=include_initial)
    if not x.ndim:
        x = reshape(x, (1,))
    axis = _one_axis("cumulative_sum", x, axis)
    y = _cumsum(x, axis=axis, backwards=False)
    return _with_initial(y, axis, 0) if include_initial else y


def _scanned(f: Callable[[Tensor, Tensor], Tensor], x: Tensor, axis: int) -> Tensor:
    """f of the first entries along an axis, f being associative: each round takes in twice as many."""
    reach, n = 1, x.shape[axis]
    while reach < n:
        rest = f(along(x, axis, slice(0, n - reach)), along(x, axis, slice(reach, None)))
        x = concat([along(x, axis, slice(0, reach)), rest], axis)
        reach *= 2
    return x


@named
def cumulative_prod(
    x: ArrayLike, /, *, axis: int | None = None, dtype: DTypeLike | None = None, include_initial: bool = False
) -> Tensor:
    """The products of the first entries along `axis`; derivatives as of `prod`."""
    x = _converted(x, dtype)
    check("cumulative_prod", SWITCH, include_initial=include_initial)
    if not x.ndim:
        x = reshape(x, (1,))
    axis = _one_axis("cumulative_prod", x, axis)
    y = _scanned(lambda a, b: a * b, x if x.dtype.kind in "fc" else x * 1, axis)
    return _with_initial(y, axis, 1) if include_initial else y


@named
def logcumsumexp(x: ArrayLike, axis: int) -> Tensor:
    """log Σ eˣ over the first entries along `axis`, without overflow."""
    x = as_tensor(x)
    return _scanned(logaddexp, x, normal_axis("logcumsumexp", axis, x.ndim)) if x.ndim else x


def _last_best(x: Array, axis: int, largest: bool) -> Array:
    """The place of the best of the first entries, the last of several; NaN is best."""
    real = x.real if largest else -x.real
    best = np.maximum.accumulate(real, axis)
    places = np.arange(x.shape[axis]).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.maximum.accumulate(np.where((real >= best) | np.isnan(real), places, 0), axis)


def _running(name: str, x: ArrayLike, axis: int, largest: bool) -> tuple[Tensor, Tensor]:
    x = as_tensor(x)
    if not x.ndim:
        return x, as_tensor(np.array(0))
    axis = normal_axis(name, axis, x.ndim)
    places = as_tensor(dispatch(_last_best, x, axis, largest))
    return take_along_axis(x, places, axis=axis), places


@named
def cummax(x: ArrayLike, axis: int) -> tuple[Tensor, Tensor]:
    """The largest of the first entries along `axis`, and its place, the last of several, which has the derivative."""
    return _running("cummax", x, axis, True)


@named
def cummin(x: ArrayLike, axis: int) -> tuple[Tensor, Tensor]:
    """The smallest of the first entries along `axis`, and its place, the last of several, which has the derivative."""
    return _running("cummin", x, axis, False)


@named
def diff(
    x: ArrayLike,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: ArrayLike | None = None,
    append: ArrayLike | None = None,
) -> Tensor:
    """The differences of neighbours along `axis`, taken n times, of x with other entries before and after it if given."""
    x = as_tensor(x)
    check("diff", INDEX, n=n)
    axis = normal_axis("diff", axis, x.ndim)
    if not n:
        return x
    around = [x if v is x else as_tensor(v) for v in (prepend, x, append) if v is not None]
    x = concat(around, axis) if len(around) > 1 else x
    for _ in range(n):
        x = along(x, axis, slice(1, None)) - along(x, axis, slice(0, -1 if x.shape[axis] else None))
    return x


# ---- statistics -----------------------------------------------------------------------------------------------------------------


@named
def aminmax(x: ArrayLike, *, axis: int | None = None, keepdims: bool = False) -> tuple[Tensor, Tensor]:
    """The smallest and the largest entry over `axis`; tied entries share the gradient equally."""
    return min(x, axis, keepdims), max(x, axis, keepdims)


@named
def nansum(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum of the entries that are not NaN."""
    x = as_tensor(x)
    return sum(where(dispatch(_is_nan, x), 0, x), axis, keepdims)


@named
def nanmean(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean of the entries that are not NaN; NaN where there is none."""
    x = as_tensor(x)
    axes = normal_axes("nanmean", axis, x.ndim)
    counts = dispatch(_counts, x, axes, keepdims)
    return nansum(x, axes, keepdims) / counts


def _counts(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    return np.asarray((~np.isnan(x.real)).sum(axis=axes, keepdims=keepdims)).astype(x.real.dtype)


@named
def var_mean(
    x: ArrayLike, axis: Axis = None, keepdims: bool = False, *, correction: float = 0
) -> tuple[Tensor, Tensor]:
    """The variance and the mean over `axis`."""
    return var(x, axis, keepdims, correction=correction), mean(x, axis, keepdims)


@named
def std_mean(
    x: ArrayLike, axis: Axis = None, keepdims: bool = False, *, correction: float = 0
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean over `axis`."""
    return std(x, axis, keepdims, correction=correction), mean(x, axis, keepdims)


@named
def average(x: ArrayLike, axis: Axis = None, weights: ArrayLike | None = None, *, keepdims: bool = False) -> Tensor:
    """The mean over `axis`, by weights of x's shape, or of that of the one axis."""
    if weights is None:
        return mean(x, axis, keepdims)
    x, w = as_tensor(x), as_tensor(weights)
    if w.ndim == 1 and x.ndim != 1:
        (at,) = normal_axes("average", axis, x.ndim)
        w = reshape(w, tuple(n if a == at else 1 for a, n in enumerate(x.shape)))
    w = w + np.zeros(x.shape, w.dtype)
    return sum(x * w, axis, keepdims) / sum(w, axis, keepdims)


def _weights(what: str, given: ArrayLike | None, rows: Tensor, kinds: str) -> Tensor:
    n, dtype = rows.shape[1], floats_for(rows.dtype)[1]
    w = as_tensor(np.ones(n, int) if given is None else given)
    if w.shape != (n,) or w.dtype.kind not in kinds or (w.read().real < 0).any():
        raise ValueError(f"cov: {what} is {shown(given)}; it must be {n} {'whole ' * (kinds == 'iu')}numbers ≥ 0")
    return w if w.dtype.kind == "c" else astype(w, dtype)


@named
def cov(
    x: ArrayLike, *, correction: float = 1, fweights: ArrayLike | None = None, aweights: ArrayLike | None = None
) -> Tensor:
    """The covariances (D, D) of D variables, the rows of x (D, N): products of deviations over N − correction.

    An observation counts `fweights` (N,) times, whole numbers, and by its weight of `aweights` (N,).
    """
    x = as_tensor(x)
    check("cov", NUMBER, correction=correction)
    if x.ndim not in (1, 2):
        raise ValueError(f"cov: x has shape {x.shape}; it must be (D, N), or (N,)")
    rows = x if x.ndim == 2 else reshape(x, (1, -1))
    a = _weights("aweights", aweights, rows, "iufc")
    w = _weights("fweights", fweights, rows, "iu") * a
    total = sum(w)
    c = rows - average(rows, 1, w, keepdims=True)
    y = matmul(c * w, matrix_transpose(c)) / maximum(total - correction * sum(w * a) / total, 0)
    return y if x.ndim == 2 else reshape(y, ())


@named
def corrcoef(x: ArrayLike) -> Tensor:
    """The correlations (D, D) of D variables, the rows of x (D, N)."""
    x = as_tensor(x)
    rows = x if x.ndim == 2 else reshape(x, (1, -1))
    c = rows - mean(rows, 1, keepdims=True)
    unit = c / vector_norm(c, axis=1, keepdims=True)
    y = matmul(unit, matrix_transpose(unit))
    return y if x.ndim == 2 else reshape(y, ())


def _steps(name: str, y: Tensor, x: Any, dx: Any, axis: int) -> tuple[Tensor, Any]:
    """Means of neighbours along an axis, and the distances of their places."""
    axis = normal_axis(name, axis, y.ndim)
    if x is not None:
        x = as_tensor(x)
        dx = diff(
            x if x.ndim == y.ndim else reshape(x, tuple(-1 if a == axis else 1 for a in range(y.ndim))), axis=axis
        )
    else:
        check(name, NUMBER, dx=dx)
    return (along(y, axis, slice(1, None)) + along(y, axis, slice(0, -1 if y.shape[axis] else None))) / 2, dx


@named
def trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The integral of y along `axis` by trapezoids, at the places x or dx apart."""
    middle, d = _steps("trapezoid", as_tensor(y), x, dx, axis)
    return sum(middle * d, axis)


@named
def cumulative_trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The integrals of y from its first entry on, by trapezoids."""
    middle, d = _steps("cumulative_trapezoid", as_tensor(y), x, dx, axis)
    return cumulative_sum(middle * d, axis=axis)


_ORDER = Range(lambda p: p == np.inf or POSITIVE.holds(p), "> 0")


@named
def renorm(x: ArrayLike, p: float, axis: int, maxnorm: float) -> Tensor:
    """x with each slice at a place of `axis` whose norm of order p is above maxnorm scaled down to it."""
    x = as_tensor(x)
    check("renorm", POSITIVE, maxnorm=maxnorm)
    check("renorm", _ORDER, p=p)
    axis = normal_axis("renorm", axis, x.ndim)
    others = tuple(a for a in range(x.ndim) if a != axis)
    norms = vector_norm(x, axis=others, keepdims=True, ord=p)
    large = dispatch(_above, norms, maxnorm)
    return where(large, x * (maxnorm / (where(large, norms, 1) + 1e-7)), x)


def _above(x: Array, limit: float) -> Array:
    return x.real > limit
