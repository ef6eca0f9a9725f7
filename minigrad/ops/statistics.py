"""Products, running sums and products, differences, and statistics made of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import INDEX, NUMBER, POSITIVE, SWITCH, Range, check
from ..tape import (
    INTEGERS,
    Array,
    Tensor,
    as_tensor,
    dispatch,
    floats_for,
    in_floats,
    in_int64,
    linear,
    mul,
    primitive,
    rounded_once,
    wrap,
)
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
    y = in_floats(_multiplied, y) if y.dtype.kind in "fc" else wrap(dispatch(in_int64(_prod), y))
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    return _dropped(reshape(y, kept), axes, keepdims)


def _multiplied(y: Tensor) -> Tensor:
    while (n := y.shape[-1]) > 1:
        half = y[..., : n // 2] * y[..., n // 2 : n // 2 * 2]
        y = concat([half, y[..., -1:]], -1) if n % 2 else half
    return y


def _prod(x: Array) -> Array:
    return np.multiply.reduce(x, -1, keepdims=True)


_prod.multiplies = True  # type: ignore[attr-defined]


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
    if x.dtype.kind in "fc":
        y = in_floats(lambda x: _scanned(mul, x, axis), x)
    else:
        y = wrap(dispatch(in_int64(_cumulative_prod), x, axis=axis))
    return _with_initial(y, axis, 1) if include_initial else y


def _cumulative_prod(x: Array, *, axis: int) -> Array:
    return np.multiply.accumulate(x, axis)


_cumulative_prod.multiplies = True  # type: ignore[attr-defined]


@named
def logcumsumexp(x: ArrayLike, axis: int) -> Tensor:
    """log Σ eˣ over the first entries along `axis`, without overflow."""
    x = as_tensor(x)
    if not x.ndim:
        return x
    axis = normal_axis("logcumsumexp", axis, x.ndim)
    return in_floats(lambda x: _scanned(logaddexp, x, axis), x)


def _last_best(x: Array, axis: int, largest: bool) -> Array:
    """The place of the best of the first entries, the last of several; NaN is best."""
    real = x.real
    best = (np.maximum if largest else np.minimum).accumulate(real, axis)
    places = np.arange(x.shape[axis]).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.maximum.accumulate(np.where((real == best) | np.isnan(real), places, 0), axis)


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

    def differences(*around: Tensor) -> Tensor:
        x = concat(around, axis) if len(around) > 1 else around[0]
        for _ in range(n if n < x.shape[axis] else x.shape[axis]):  # then nothing is left
            x = along(x, axis, slice(1, None)) - along(x, axis, slice(0, -1 if x.shape[axis] else None))
        return x

    return rounded_once(differences)(*around)


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
    return in_floats(lambda x: nansum(x, axes, keepdims) / dispatch(_counts, x, axes, keepdims), x)


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
    return rounded_once(lambda x, w: sum(x * w, axis, keepdims) / sum(w, axis, keepdims))(x, w)


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

    def covariances(rows: Tensor, w: Tensor, a: Tensor) -> Tensor:
        total = sum(w)
        c = rows - average(rows, 1, w, keepdims=True)
        return matmul(c * w, matrix_transpose(c)) / maximum(total - correction * sum(w * a) / total, 0)

    a = _weights("aweights", aweights, rows, "biufc")
    y = in_floats(covariances, rows, _weights("fweights", fweights, rows, "iu") * a, a)
    return y if x.ndim == 2 else reshape(y, ())


@named
def corrcoef(x: ArrayLike) -> Tensor:
    """The correlations (D, D) of D variables, the rows of x (D, N)."""
    x = as_tensor(x)
    rows = x if x.ndim == 2 else reshape(x, (1, -1))

    def correlations(rows: Tensor) -> Tensor:
        c = rows - mean(rows, 1, keepdims=True)
        unit = c / vector_norm(c, axis=1, keepdims=True)
        return matmul(unit, matrix_transpose(unit))

    y = in_floats(correlations, rows)
    return y if x.ndim == 2 else reshape(y, ())


def _integral(name: str, f: Callable[..., Tensor], y: Any, x: Any, dx: Any, axis: int) -> Tensor:
    """f of the areas along an axis: means of neighbours times the distances of their places."""
    y = as_tensor(y)
    axis = normal_axis(name, axis, y.ndim)
    before, after = slice(0, -1 if y.shape[axis] else None), slice(1, None)

    def areas(y: Tensor, x: Tensor | None = None) -> Tensor:
        d = dx if x is None else x if whole else diff(x, axis=axis)
        return f((along(y, axis, after) + along(y, axis, before)) / 2 * d, axis)

    if x is None:
        check(name, NUMBER, dx=dx)
        return in_floats(areas, y)
    x = as_tensor(x)
    x = x if x.ndim == y.ndim else reshape(x, tuple(-1 if a == axis else 1 for a in range(y.ndim)))
    whole = x.dtype.kind not in "fc"
    return in_floats(areas, y, diff(x, axis=axis) if whole else x)  # distances of integers are exact


@named
def trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The integral of y along `axis` by trapezoids, at the places x or dx apart."""
    return _integral("trapezoid", sum, y, x, dx, axis)


@named
def cumulative_trapezoid(y: ArrayLike, x: ArrayLike | None = None, dx: float = 1.0, axis: int = -1) -> Tensor:
    """The integrals of y from its first entry on, by trapezoids."""
    return _integral("cumulative_trapezoid", lambda x, axis: cumulative_sum(x, axis=axis), y, x, dx, axis)


_ORDER = Range(lambda p: p == np.inf or POSITIVE.holds(p), "> 0")


@named
def renorm(x: ArrayLike, p: float, axis: int, maxnorm: float) -> Tensor:
    """x with each slice at a place of `axis` whose norm of order p is above maxnorm scaled down to it."""
    x = as_tensor(x)
    check("renorm", POSITIVE, maxnorm=maxnorm)
    check("renorm", _ORDER, p=p)
    axis = normal_axis("renorm", axis, x.ndim)
    others = tuple(a for a in range(x.ndim) if a != axis)

    def scaled(x: Tensor) -> Tensor:
        norms = vector_norm(x, axis=others, keepdims=True, ord=p)
        large = dispatch(_above, norms, maxnorm)
        return where(large, x * (maxnorm / (where(large, norms, 1) + 1e-7)), x)

    return in_floats(scaled, x)


def _above(x: Array, limit: float) -> Array:
    return x.real > limit
