"""NumPy's functions, called with tensors: which of ours each of them is, in two tables.

`np.sin(x)`, `array * x`, `np.var(x, ddof=1)` and SciPy's ufuncs ask the tensor, which looks here. A row is the name of a
function of minigrad, which then gets the arguments as they are; or the call, in NumPy's own parameters. What has no row,
and a parameter that the row does not know (`out=`, `where=`), raises TypeError and names the function: nothing becomes an
array in silence. Names are looked up when first used.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..tape import Array, Tensor, alias, leave
from .spelling import mg, spelt

SAME = (  # ufuncs that have one name in NumPy, or SciPy, and here
    "acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_count bitwise_or bitwise_xor cbrt ceil copysign cos "
    "cosh deg2rad erf erfc exp exp2 expm1 float_power floor floor_divide fmax fmin fmod gcd "
    "heaviside hypot isfinite isinf isnan lcm ldexp log log10 log1p log2 "
    "logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit matmul maximum minimum "
    "nextafter positive rad2deg reciprocal remainder sign signbit sin sinh sqrt square "
    "tan tanh trunc vecdot xlog1py xlogy"
)
SPECIAL = "entr erfcx erfinv i0 i0e i1 i1e k0 k0e k1 k1e log_ndtr ndtr ndtri"  # of SciPy, in mg.special
UFUNCS: dict[str, str | Callable] = {
    **dict(zip(SAME.split(), SAME.split())),
    **{name: f"special.{name}" for name in SPECIAL.split()},
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "conjugate": "conj",
    "degrees": "rad2deg",
    "divide": "div",
    "divmod": lambda x1, x2: (mg.floor_divide(x1, x2), mg.remainder(x1, x2)),
    "equal": lambda x1, x2: Tensor.__eq__(x1, x2),
    "expit": "sigmoid",
    "fabs": "abs",
    "gammaln": "lgamma",
    "greater": lambda x1, x2: Tensor.__gt__(x1, x2),
    "greater_equal": lambda x1, x2: Tensor.__ge__(x1, x2),
    "invert": "bitwise_invert",
    "left_shift": "bitwise_left_shift",
    "less": lambda x1, x2: Tensor.__lt__(x1, x2),
    "less_equal": lambda x1, x2: Tensor.__le__(x1, x2),
    "log_expit": "logsigmoid",
    "matvec": lambda x1, x2: mg.matmul(x1, x2[..., None])[..., 0],
    "modf": lambda x: (x - mg.trunc(x), mg.trunc(x)),
    "multiply": "mul",
    "negative": "neg",
    "not_equal": lambda x1, x2: Tensor.__ne__(x1, x2),
    "power": "power",
    "psi": "digamma",
    "radians": "deg2rad",
    "right_shift": "bitwise_right_shift",
    "rint": "round",
    "subtract": "sub",
    "vecmat": lambda x1, x2: mg.matmul(x1[..., None, :], x2)[..., 0, :],
}
REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}
SCANS = {"add": "cumulative_sum", "multiply": "cumulative_prod"}

_AS_THEY_ARE = (  # functions whose parameters, after the first ones, have one name in NumPy and here
    "all any argmax argmin argsort argwhere broadcast_arrays broadcast_to concat count_nonzero cumulative_prod "
    "cumulative_sum diff empty_like expand_dims flip full_like isin matrix_transpose max mean min moveaxis nonzero "
    "ones_like permute_dims prod repeat reshape roll searchsorted squeeze stack sum take take_along_axis tensordot "
    "tile trace tril triu unique_all unique_counts unique_inverse unique_values unstack zeros_like "
    "linalg.cholesky linalg.cross linalg.det linalg.diagonal linalg.eigh linalg.eigvalsh linalg.inv linalg.matmul "
    "linalg.matrix_norm linalg.matrix_power linalg.matrix_rank linalg.matrix_transpose linalg.outer linalg.pinv linalg.qr "
    "linalg.slogdet linalg.solve linalg.svd linalg.svdvals linalg.tensordot linalg.trace linalg.vecdot linalg.vector_norm"
)


def _flat(a: Any, axis: Any) -> tuple[Any, int]:
    """a and an axis; or all its entries in a row, where there is none."""
    return (mg.reshape(a, -1), 0) if axis is None else (a, axis)


def _at_least(n: int, a: Any) -> Any:
    """a with axes of length 1 added, as NumPy adds them, until there are n."""
    shape = np.shape(a)
    places = {1: [(1,)], 2: [(1, 1), (1, *shape)], 3: [(1, 1, 1), (1, *shape, 1), (*shape, 1)]}[n]
    return a if len(shape) >= n else mg.reshape(a, places[len(shape)])


def _joined(axis: int, least: int, arrays: Any) -> Any:
    return mg.concat([_at_least(least, a) for a in arrays], axis=axis)


def _parts(name: str, axis: int, a: Any, sections: Any) -> list[Any]:
    n = a.shape[axis]
    if isinstance(sections, (int, np.integer)):
        if name == "split" and n % sections:
            raise ValueError(f"np.split: an axis of length {n} has no {sections} equal parts")
        k, rest = divmod(n, int(sections))
        sections = np.cumsum([k + (i < rest) for i in range(int(sections))])[:-1]
    ends = [0, *(int(i) for i in sections), n]
    lead = (slice(None),) * (axis % a.ndim)
    return [a[(*lead, slice(i, j))] for i, j in itertools.pairwise(ends)]


def _last(a: Any, axis: int) -> Any:
    """a with one axis put last."""
    axis %= a.ndim
    return mg.permute_dims(a, (*(i for i in range(a.ndim) if i != axis), axis))


def _quantile(a: Any, q: Any, axis: Any, keepdims: bool) -> Any:
    """Quantiles on the line between the two entries beside them, as NumPy's default."""
    if isinstance(axis, tuple) or np.ndim(q) > 1:
        raise TypeError("np.quantile: of tensors, give one axis or None, and q of at most one axis")
    shape = [1 if axis is None or i == axis % a.ndim else n for i, n in enumerate(a.shape)]
    a = mg.sort(mg.reshape(a, -1) if axis is None else _last(a, axis), axis=-1)
    at = np.asarray(q, float) * (a.shape[-1] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, a.shape[-1] - 1)
    y = a[..., low] + (a[..., high] - a[..., low]) * (at - low)
    y = mg.permute_dims(y, (y.ndim - 1, *range(y.ndim - 1))) if at.ndim else y
    return mg.reshape(y, (*at.shape, *shape)) if keepdims else y


def _cov(m: Any, rowvar: bool, ddof: Any, bias: bool) -> Any:
    m = _at_least(2, m)
    m = m if rowvar or m.shape[0] == 1 else mg.matrix_transpose(m)
    c = m - mg.mean(m, axis=1, keepdims=True)
    y = mg.matmul(c, mg.matrix_transpose(c)) / (m.shape[1] - (ddof if ddof is not None else int(not bias)))
    return mg.reshape(y, ()) if y.shape == (1, 1) else y


def _corrcoef(x: Any, rowvar: bool) -> Any:
    c = _cov(x, rowvar, None, False)
    if c.ndim == 0:
        return c / c
    d = mg.sqrt(mg.sum(c * np.eye(len(c)), axis=1))
    return c / d[:, None] / d[None, :]


def _average(a: Any, axis: Any, weights: Any, keepdims: bool) -> Any:
    if weights is None:
        return mg.mean(a, axis=axis, keepdims=keepdims)
    if np.shape(weights) != np.shape(a):
        weights = mg.reshape(weights, tuple(n if i == axis % a.ndim else 1 for i, n in enumerate(a.shape)))
    weights = mg.broadcast_to(weights * mg.ones_like(a), shape=np.shape(a))
    return mg.sum(a * weights, axis=axis, keepdims=keepdims) / mg.sum(weights, axis=axis, keepdims=keepdims)


def _convolve(a: Any, v: Any, mode: str) -> Any:
    """Σ a[i] v[k − i], one product for each entry of the shorter."""
    a, v = (v, a) if len(v) > len(a) else (a, v)
    n, k = len(a), len(v)
    padded = mg.concat([np.zeros(k - 1), a, np.zeros(k - 1)])
    y = mg.stack([mg.sum(padded[i : i + k] * v[::-1]) for i in range(n + k - 1)])
    cut = {"full": (0, n + k - 1), "same": ((k - 1) // 2, (k - 1) // 2 + n), "valid": (k - 1, n)}[mode]
    return y[cut[0] : cut[1]]


def _dot(a: Any, b: Any) -> Any:
    if not np.ndim(a) or not np.ndim(b):
        return mg.mul(a, b)
    if np.ndim(b) <= 2:
        return mg.matmul(a, b)
    return mg.tensordot(a, b, axes=((np.ndim(a) - 1,), (np.ndim(b) - 2,)))


def _gradient(f: Any, spacing: tuple, axis: Any) -> Any:
    axes = range(f.ndim) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    steps = [1.0] * len(axes) if not spacing else list(spacing) if len(spacing) > 1 else list(spacing) * len(axes)
    out = []
    for a, h in zip(axes, steps):
        if np.ndim(h):
            raise TypeError("np.gradient: coordinates have no counterpart for tensors; give a number for each axis")
        g = _last(f, a)
        g = (
            mg.concat([g[..., 1:2] - g[..., :1], (g[..., 2:] - g[..., :-2]) / 2, g[..., -1:] - g[..., -2:-1]], axis=-1)
            / h
        )
        order = list(range(f.ndim - 1))
        order.insert(a % f.ndim, f.ndim - 1)
        out.append(mg.permute_dims(g, order))
    return out[0] if len(out) == 1 else tuple(out)


def _interp(x: Any, xp: Any, fp: Any, left: Any, right: Any) -> Any:
    i = np.clip(np.searchsorted(_held(xp), _held(x), side="right") - 1, 0, len(xp) - 2)
    xp = xp if isinstance(xp, Tensor) else np.asarray(xp, float)
    fp = fp if isinstance(fp, Tensor) else np.asarray(fp, float)
    y = fp[i] + (x - xp[i]) * ((fp[i + 1] - fp[i]) / (xp[i + 1] - xp[i]))
    y = mg.where(_held(x) < _held(xp)[0], fp[0] if left is None else left, y)
    return mg.where(_held(x) > _held(xp)[-1], fp[-1] if right is None else right, y)


def _held(x: Any) -> Array:
    """The values, for a decision."""
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    if axis is None and ord is None:
        y = mg.linalg.vector_norm(mg.reshape(x, -1))
        return mg.reshape(y, (1,) * x.ndim) if keepdims else y
    axis = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axis) == 1:
        return mg.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=2 if ord is None else ord)
    lead = [a for a in range(x.ndim) if a not in [b % x.ndim for b in axis]]
    y = mg.linalg.matrix_norm(mg.permute_dims(x, (*lead, *axis)), ord="fro" if ord is None else ord)
    return mg.reshape(y, tuple(1 if i not in lead else n for i, n in enumerate(x.shape))) if keepdims else y


def _without_nan(reduction: str, fill: float, a: Any, **k: Any) -> Any:
    return getattr(mg, reduction)(mg.where(mg.isnan(a), fill, a), **k)


def _nanmean(a: Any, axis: Any, keepdims: bool) -> Any:
    there = ~np.isnan(_held(a))
    return mg.sum(mg.where(there, a, 0.0), axis=axis, keepdims=keepdims) / there.sum(axis, keepdims=keepdims)


def _polyval(p: Any, x: Any) -> Any:
    y = mg.mul(x, 0.0)
    for c in p:
        y = y * x + c
    return y


def _rotated(m: Any, k: int, axes: tuple[int, int]) -> Any:
    a, b = axes
    order = list(range(m.ndim))
    order[a], order[b] = order[b], order[a]
    turn = {0: lambda: m, 1: lambda: mg.permute_dims(mg.flip(m, axis=b), order), 2: lambda: mg.flip(m, axis=axes)}
    return turn.get(k % 4, lambda: mg.flip(mg.permute_dims(m, order), axis=b))()


def _transposed(a: Any, axes: Any) -> Any:
    return mg.permute_dims(a, tuple(range(np.ndim(a)))[::-1] if axes is None else axes)


def _trapezoid(y: Any, x: Any, dx: float, axis: int) -> Any:
    y = _last(y, axis)
    step = dx if x is None else x[1:] - x[:-1]
    if x is not None and np.ndim(x) > 1:
        raise TypeError("np.trapezoid: x of more than one axis has no counterpart for tensors")
    return mg.sum(step * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


def _vander(x: Any, N: int | None, increasing: bool) -> Any:
    powers = range(len(x) if N is None else N)
    return mg.stack([x**i if i else mg.ones_like(x) for i in (powers if increasing else reversed(powers))], axis=1)


FUNCTIONS: dict[str, str | Callable] = {
    **dict(zip(_AS_THEY_ARE.split(), _AS_THEY_ARE.split())),
    "amax": "max",
    "amin": "min",
    "append": lambda arr, values, axis=None: mg.concat([arr, values], axis=axis),
    "around": "round",
    "array_split": lambda ary, indices_or_sections, axis=0: _parts("array_split", axis, ary, indices_or_sections),
    "astype": lambda x, dtype: x.astype(dtype),
    "atleast_1d": lambda *arys: [_at_least(1, a) for a in arys] if len(arys) > 1 else _at_least(1, arys[0]),
    "atleast_2d": lambda *arys: [_at_least(2, a) for a in arys] if len(arys) > 1 else _at_least(2, arys[0]),
    "atleast_3d": lambda *arys: [_at_least(3, a) for a in arys] if len(arys) > 1 else _at_least(3, arys[0]),
    "average": lambda a, axis=None, weights=None, keepdims=False: _average(a, axis, weights, keepdims),
    "clip": lambda a, a_min=None, a_max=None, min=None, max=None: mg.clip(
        a, a_min if a_min is not None else min, a_max if a_max is not None else max
    ),
    "column_stack": lambda tup: mg.concat([a[:, None] if np.ndim(a) == 1 else a for a in tup], axis=1),
    "concatenate": lambda arrays, axis=0: mg.concat(arrays, axis=axis),
    "convolve": lambda a, v, mode="full": _convolve(a, v, mode),
    "copy": lambda a: alias(a),
    "corrcoef": lambda x, rowvar=True: _corrcoef(x, rowvar),
    "correlate": lambda a, v, mode="valid": _convolve(a, v[::-1], mode),
    "cov": lambda m, rowvar=True, bias=False, ddof=None: _cov(m, rowvar, ddof, bias),
    "cross": lambda a, b, axis=-1: mg.linalg.cross(a, b, axis=axis),
    "cumprod": lambda a, axis=None: mg.cumulative_prod(_flat(a, axis)[0], axis=_flat(a, axis)[1]),
    "cumsum": lambda a, axis=None: mg.cumulative_sum(_flat(a, axis)[0], axis=_flat(a, axis)[1]),
    "diag": lambda v, k=0: mg.diag(v, k),
    "diagflat": lambda v, k=0: mg.diag(mg.reshape(v, -1), k),
    "diagonal": lambda a, offset=0, axis1=0, axis2=1: mg.linalg.diagonal(
        mg.permute_dims(a, [i for i in range(a.ndim) if i not in (axis1 % a.ndim, axis2 % a.ndim)] + [axis1, axis2]),
        offset=offset,
    ),
    "dot": lambda a, b: _dot(a, b),
    "dsplit": lambda ary, indices_or_sections: _parts("split", 2, ary, indices_or_sections),
    "dstack": lambda tup: _joined(2, 3, tup),
    "ediff1d": lambda ary: mg.reshape(ary, -1)[1:] - mg.reshape(ary, -1)[:-1],
    "einsum": lambda *operands: mg.einsum(*operands),
    "extract": lambda condition, arr: mg.reshape(arr, -1)[np.ravel(_held(condition)) != 0],
    "fix": "trunc",
    "flatnonzero": lambda a: mg.nonzero(mg.reshape(a, -1))[0],
    "fliplr": lambda m: mg.flip(m, axis=1),
    "flipud": lambda m: mg.flip(m, axis=0),
    "gradient": lambda f, *varargs, axis=None: _gradient(f, varargs, axis),
    "hsplit": lambda ary, indices_or_sections: _parts("split", int(ary.ndim > 1), ary, indices_or_sections),
    "hstack": lambda tup: _joined(int(np.ndim(tup[0]) > 1), 1, tup),
    "inner": lambda a, b: mg.mul(a, b) if not (np.ndim(a) and np.ndim(b)) else mg.tensordot(a, b, axes=((-1,), (-1,))),
    "i0": "special.i0",
    "interp": lambda x, xp, fp, left=None, right=None: _interp(x, xp, fp, left, right),
    "isclose": lambda a, b, rtol=1e-5, atol=1e-8, equal_nan=False: mg.tensor(
        np.isclose(_held(a), _held(b), rtol, atol, equal_nan)
    ),
    "kron": "kron",
    "linspace": lambda start, stop, num=50, endpoint=True: mg.linspace(start, stop, num, endpoint=endpoint),
    "median": lambda a, axis=None, keepdims=False: _quantile(a, 0.5, axis, keepdims),
    "meshgrid": lambda *xi, indexing="xy": mg.meshgrid(*xi, indexing=indexing),
    "nan_to_num": lambda x, nan=0.0: mg.where(mg.isnan(x), nan, x),
    "nanmax": lambda a, axis=None, keepdims=False: _without_nan("max", -np.inf, a, axis=axis, keepdims=keepdims),
    "nanmean": lambda a, axis=None, keepdims=False: _nanmean(a, axis, keepdims),
    "nanmin": lambda a, axis=None, keepdims=False: _without_nan("min", np.inf, a, axis=axis, keepdims=keepdims),
    "nanprod": lambda a, axis=None, keepdims=False: _without_nan("prod", 1.0, a, axis=axis, keepdims=keepdims),
    "nansum": lambda a, axis=None, keepdims=False: _without_nan("sum", 0.0, a, axis=axis, keepdims=keepdims),
    "outer": lambda a, b: mg.reshape(a, (-1, 1)) * mg.reshape(b, (1, -1)),
    "pad": lambda array, pad_width, mode="constant": (
        mg.pad(array, pad_width, mode=mode) if mode != "constant" else mg.pad(array, pad_width)
    ),
    "percentile": lambda a, q, axis=None, keepdims=False: _quantile(a, np.divide(q, 100), axis, keepdims),
    "polyval": lambda p, x: _polyval(p, x),
    "ptp": lambda a, axis=None, keepdims=False: (
        mg.max(a, axis=axis, keepdims=keepdims) - mg.min(a, axis=axis, keepdims=keepdims)
    ),
    "quantile": lambda a, q, axis=None, keepdims=False: _quantile(a, q, axis, keepdims),
    "ravel": lambda a: mg.reshape(a, -1),
    "real": lambda val: alias(val),
    "rollaxis": lambda a, axis, start=0: mg.moveaxis(a, axis, start if start <= axis % a.ndim else start - 1),
    "rot90": lambda m, k=1, axes=(0, 1): _rotated(m, k, axes),
    "round": "round",
    "select": lambda condlist, choicelist, default=0: functools.reduce(
        lambda rest, pair: mg.where(_held(pair[0]), pair[1], rest), list(zip(condlist, choicelist))[::-1], default
    ),
    "sinc": "sinc",
    "sort": lambda a, axis=-1, stable=None: mg.sort(_flat(a, axis)[0], axis=_flat(a, axis)[1]),
    "split": lambda ary, indices_or_sections, axis=0: _parts("split", axis, ary, indices_or_sections),
    "std": lambda a, axis=None, ddof=0, keepdims=False, mean=None, correction=0: mg.std(
        a, axis=axis, keepdims=keepdims, correction=ddof or correction
    ),
    "swapaxes": "swapaxes",
    "transpose": lambda a, axes=None: _transposed(a, axes),
    "trapezoid": lambda y, x=None, dx=1.0, axis=-1: _trapezoid(y, x, dx, axis),
    "vander": lambda x, N=None, increasing=False: _vander(x, N, increasing),
    "var": lambda a, axis=None, ddof=0, keepdims=False, correction=0: mg.var(
        a, axis=axis, keepdims=keepdims, correction=ddof or correction
    ),
    "vdot": lambda a, b: mg.sum(mg.reshape(a, -1) * mg.reshape(b, -1)),
    "vsplit": lambda ary, indices_or_sections: _parts("split", 0, ary, indices_or_sections),
    "vstack": lambda tup: _joined(0, 2, tup),
    "where": lambda condition, x, y: mg.where(condition, x, y),
    "linalg.multi_dot": lambda arrays: functools.reduce(mg.matmul, arrays),
    "linalg.norm": lambda x, ord=None, axis=None, keepdims=False: _norm(x, ord, axis, keepdims),
    # what is asked of a tensor beside its values
    "iscomplexobj": lambda x: x.dtype.kind == "c",
    "isrealobj": lambda x: x.dtype.kind != "c",
    "ndim": lambda a: a.ndim,
    "result_type": lambda *arrays_and_dtypes: np.result_type(
        *[a.dtype if isinstance(a, Tensor) else a for a in arrays_and_dtypes]
    ),
    "shape": lambda a: a.shape,
    "size": lambda a, axis=None: a.size if axis is None else a.shape[axis],
}
# what only looks at values: a branch, or text
LOOKS = "allclose array2string array_equal array_equiv array_repr array_str can_cast common_type may_share_memory shares_memory"
# what hands values on, where no tape follows them
LEAVES = "save savetxt savez savez_compressed"


@functools.cache
def counterpart(f: Callable) -> Callable | None:
    """What NumPy's function f is for tensors, if it is there."""
    row = UFUNCS.get(f.__name__) if isinstance(f, np.ufunc) else FUNCTIONS.get(path(f))
    if isinstance(row, str):
        try:
            return functools.reduce(getattr, row.split("."), mg)
        except AttributeError:
            return None
    return row if row is None else spelt(f"np.{path(f)}", row)


def path(f: Callable) -> str:
    """The name under which a function of NumPy is known, without `np.`: `linalg.norm`.

    >>> path(np.sum), path(np.linalg.norm), path(np.sin)
    ('sum', 'linalg.norm', 'sin')
    """
    module = getattr(f, "__module__", None) or ""
    return f"{module.removeprefix('numpy').lstrip('.')}.{f.__name__}".lstrip(".")


def _none(name: str) -> TypeError:
    return TypeError(
        f"{name}: it has no counterpart for tensors; use functions of minigrad, or {name} of x.data, which holds x constant"
    )


_parameters = functools.cache(inspect.signature)


def by_function(x: Tensor, f: Callable, types: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    """f(*args, **kwargs) of NumPy, some of whose arguments are tensors."""
    if not all(issubclass(kind, Tensor | np.ndarray) for kind in types):
        return NotImplemented
    name = path(f)
    if name in LOOKS.split() or name in LEAVES.split():
        leaves, build = tree.flatten((list(args), kwargs))
        if name in LEAVES.split():
            leaves = [leave(a, f"np.{name}") if isinstance(a, Tensor) else a for a in leaves]
        args, kwargs = build([a.data if isinstance(a, Tensor) else a for a in leaves])
        return f(*args, **kwargs)
    call = counterpart(f)
    if call is None:
        raise _none(f"np.{name}")
    signature, known = _parameters(f), _parameters(call)
    first: list[Any] = []
    named: dict[str, Any] = {}
    bound = signature.bind(*args, **kwargs)
    for parameter, value in bound.arguments.items():
        there, ours = signature.parameters[parameter], known.parameters.get(parameter)
        if there.kind is there.VAR_POSITIONAL:
            first = [*named.values(), *first, *value]  # what comes before it is positional too
            named = {}
        elif there.kind is there.VAR_KEYWORD:
            named.update(value)
        elif value is there.default or value is np._NoValue or (value is None and parameter in ("out", "dtype")):
            continue
        elif ours is not None and ours.kind is not ours.POSITIONAL_ONLY and (first or named):
            named[parameter] = value
        elif there.default is there.empty and not named:
            first.append(value)
        else:
            named[parameter] = value
    for parameter in named:
        if parameter not in known.parameters:
            raise TypeError(f"np.{name}: {parameter}= has no counterpart for tensors")
    return call(*first, **named)


def by_ufunc(x: Tensor, f: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """A ufunc of NumPy or another library, some of whose inputs are tensors."""
    call = counterpart(f)
    if call is None:
        raise _none(f"np.{f.__name__}")
    if method == "__call__" and not kwargs:
        return call(*inputs)
    return _method(call, f, method, inputs, kwargs)


def _method(call: Callable, f: np.ufunc, method: str, inputs: tuple, kwargs: dict[str, Any]) -> Any:
    name = f"np.{f.__name__}" + ("" if method == "__call__" else f".{method}")
    out = kwargs.pop("out", None)
    if out is not None:
        return _into(name, f, method, inputs, kwargs, out)
    given = {k: v for k, v in kwargs.items() if not (k == "where" and v is True) and v is not None}
    if method == "outer" and not given:
        a, b = inputs
        return call(mg.reshape(a, (*np.shape(a), *(1,) * np.ndim(b))), b)
    table = {"reduce": REDUCTIONS, "accumulate": SCANS}.get(method, {})
    if f.__name__ in table and set(given) <= {"axis", "keepdims"}:
        given.setdefault("axis", 0)
        return getattr(mg, table[f.__name__])(*inputs, **given)
    if method != "__call__":
        raise _none(name)
    raise TypeError(f"{name}: {', '.join(f'{k}=' for k in given)} has no counterpart for tensors")


def _into(name: str, f: np.ufunc, method: str, inputs: tuple, kwargs: dict[str, Any], out: tuple) -> Any:
    """The result written into arrays, `a += x` among them: of constants only."""
    if any(isinstance(a, Tensor) for a in out):
        raise TypeError(f"{name}: out= is a tensor; tensors are not written to, a new one is computed: y = {name}(…)")
    if any(isinstance(a, Tensor) and a.requires_grad for a in inputs):
        raise TypeError(
            f"{name}: the result of a tensor that requires grad cannot be written into an array (out=, or a += x), "
            "which has no derivative; compute a new tensor: a = a + x"
        )
    return getattr(f, method)(*[a.data if isinstance(a, Tensor) else a for a in inputs], out=out, **kwargs)
