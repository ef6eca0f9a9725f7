"""PyTorch's names for what has another name here, as data: functions of `mg`, methods of tensors, `nn.functional`.

A row is the name of a function of minigrad, which then gets the arguments as they are (keywords are in `keywords.py`);
or the call, in PyTorch's own parameters. Names are looked up when first used, so that a row costs nothing before. Where
the array API standard or NumPy mean something else by a name, theirs is meant (`CLASHES`), and what could be either raises.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .. import random
from ..errors import named, shown
from ..ranges import COUNT, INDEX, SWITCH, WHOLE, Range, check
from ..tape import Tensor, as_tensor, draw, effect, no_grad, state


class Public:
    """The public names of minigrad, each found when it is first asked for: `mg.sin`, `mg.linalg.norm`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(__package__.partition(".")[0]), name)


mg: Any = Public()


def _joined(tensors: Any, dim: int) -> Tensor:
    """Without those of shape (0,), with which a loop may begin."""
    xs = mg.ops.shape._sequence("cat", tensors)
    return mg.concat([x for x in xs if x.shape != (0,)] or xs, axis=dim)


def _at(x: Any, dim: int, part: Any) -> Any:
    return x[(slice(None),) * (dim % x.ndim) + (part,)]


def _chunk(x: Any, chunks: int, dim: int) -> tuple:
    n = x.shape[dim]
    size = max(1, -(-n // chunks))
    return tuple(_at(x, dim, slice(i, i + size)) for i in range(0, max(n, 1), size))


def _divided(a: Any, b: Any, rounding_mode: str | None) -> Any:
    if rounding_mode is None:
        return mg.div(a, b)
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(f"div: rounding_mode is {rounding_mode!r}; it must be None, 'floor' or 'trunc'")
    return mg.floor_divide(a, b) if rounding_mode == "floor" else mg.trunc(mg.div(a, b))


def _drawn(kind: str, size: tuple, dtype: Any, requires_grad: bool) -> Tensor:
    size = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    x = draw(_draw, kind, size).astype(np.float32 if dtype is None else dtype)
    return mg.tensor(x, requires_grad=requires_grad)


def _draw(method: str, *args: Any) -> Any:
    return getattr(random.generator(None), method)(*args)


def _integers(method: str, *args: Any, dtype: Any = None) -> Tensor:
    return mg.tensor(draw(_draw, method, *args), dtype=dtype)


class _Recording:
    """`set_grad_enabled`: at once, and as a block, after which it is as before."""

    def __init__(self, mode: bool) -> None:
        check("set_grad_enabled", SWITCH, mode=mode)
        self.before, state.recording = state.recording, bool(mode)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: Any) -> None:
        state.recording = self.before


FUNCTIONS: dict[str, Any] = {
    "absolute": "abs",
    "amax": lambda input, dim=None, keepdim=False: mg.max(input, axis=dim, keepdims=keepdim),
    "amin": lambda input, dim=None, keepdim=False: mg.min(input, axis=dim, keepdims=keepdim),
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "as_tensor": lambda data, dtype=None: as_tensor(data) if dtype is None else as_tensor(data).astype(dtype),
    "cat": lambda tensors, dim=0: _joined(tensors, dim),
    "chunk": lambda input, chunks, dim=0: _chunk(input, chunks, dim),
    "clamp": lambda input, min=None, max=None: mg.clip(input, min, max),
    "clamp_max": lambda input, max: mg.clip(input, None, max),
    "clamp_min": lambda input, min: mg.clip(input, min, None),
    "clone": lambda input: mg.where(True, input, input),
    "concatenate": lambda tensors, dim=0: mg.concat(tensors, axis=dim),
    "cumprod": lambda input, dim: mg.cumulative_prod(input, axis=dim),
    "cumsum": lambda input, dim: mg.cumulative_sum(input, axis=dim),
    "det": "linalg.det",
    "enable_grad": lambda: _Recording(True),
    "erfinv": "special.erfinv",
    "eq": lambda input, other: Tensor.__eq__(as_tensor(input), other),
    "from_numpy": lambda ndarray: Tensor(ndarray),
    "ge": lambda input, other: as_tensor(input) >= other,
    "ger": lambda input, vec2: mg.reshape(input, (-1, 1)) * mg.reshape(vec2, (1, -1)),
    "gt": lambda input, other: as_tensor(input) > other,
    "index_select": lambda input, dim, index: mg.take(input, index, axis=dim),
    "inference_mode": "no_grad",
    "inverse": "linalg.inv",
    "is_grad_enabled": lambda: state.recording,
    "is_tensor": lambda obj: isinstance(obj, Tensor),
    "le": lambda input, other: as_tensor(input) <= other,
    "lerp": lambda input, end, weight: input + weight * (end - input),
    "logdet": lambda A: mg.linalg.slogdet(A)[1],
    "lt": lambda input, other: as_tensor(input) < other,
    "manual_seed": lambda seed: mg.seed(seed),
    "masked_fill": lambda input, mask, value: mg.where(mask, value, input),
    "masked_select": lambda input, mask: _masked_select(input, mask),
    "matrix_power": "linalg.matrix_power",
    "movedim": lambda input, source, destination: mg.moveaxis(input, source, destination),
    "narrow": lambda input, dim, start, length: _narrow(input, dim, start, length),
    "ne": lambda input, other: Tensor.__ne__(as_tensor(input), other),
    "numel": lambda input: input.size,
    "permute": lambda input, dims: mg.permute_dims(input, dims),
    "pinverse": "linalg.pinv",
    "rand": lambda *size, dtype=None, requires_grad=False: _drawn("random", size, dtype, requires_grad),
    "randint": lambda low, high, size=None, *, dtype=None: _integers(
        "integers", *((0, low, high) if size is None else (low, high, size)), dtype=dtype
    ),
    "randn": lambda *size, dtype=None, requires_grad=False: _drawn("standard_normal", size, dtype, requires_grad),
    "randperm": lambda n: _integers("permutation", _held("randperm", INDEX, n=n)),
    "rsqrt": lambda input: 1 / mg.sqrt(input),
    "select": lambda input, dim, index: _at(input, dim, index),
    "set_grad_enabled": lambda mode: _Recording(mode),
    "sgn": "sign",
    "slogdet": "linalg.slogdet",
    "swapdims": lambda input, dim0, dim1: mg.swapaxes(input, dim0, dim1),
    "t": lambda input: _turned(input),
    "transpose": lambda input, dim0, dim1: mg.swapaxes(input, dim0, dim1),
    "true_divide": "div",
    "unbind": lambda input, dim=0: tuple(_at(input, dim, i) for i in range(input.shape[dim])),
    "unsqueeze": lambda input, dim: mg.expand_dims(input, axis=dim),
    # what is composed of others below
    "bernoulli": lambda input: _drawn_like(input, "binomial", 1, as_tensor(input)._data),
    "bitwise_not": "bitwise_invert",
    "broadcast_tensors": lambda *tensors: tuple(mg.broadcast_arrays(*tensors)),
    "cartesian_prod": lambda *tensors: _cartesian(tensors),
    "cholesky": lambda input, upper=False: mg.linalg.cholesky(input, upper=upper),
    "cholesky_inverse": lambda L, upper=False: mg.linalg.cholesky_inverse(L, upper=upper),
    "cholesky_solve": lambda B, L, upper=False: mg.linalg.cholesky_solve(B, L, upper=upper),
    "combinations": lambda input, r=2, with_replacement=False: _combinations(input, r, with_replacement),
    "constant_pad_nd": lambda input, pad, value=0: mg.pad_last(input, pad, "constant", value),
    "diagonal_scatter": lambda input, src, offset=0, dim1=0, dim2=1: _on_diagonal(input, src, offset, dim1, dim2),
    "dsplit": lambda input, indices_or_sections: _split_stack("dsplit", input, indices_or_sections, 3),
    "fill": lambda input, value: mg.where(np.ones(np.shape(input), bool), value, input),
    "gcd": lambda input, other: _whole("gcd", input, other),
    "gradient": lambda input, *, spacing=1, dim=None, edge_order=1: _gradient(input, spacing, dim, edge_order),
    "histc": lambda input, bins=100, min=0, max=0: _histc(input, bins, min, max),
    "histogram": lambda input, bins, *, range=None, weight=None, density=False: _histogram(
        input, bins, range, weight, density
    ),
    "histogramdd": lambda input, bins, *, range=None, weight=None, density=False: _histogramdd(
        input, bins, range, weight, density
    ),
    "hsplit": lambda input, indices_or_sections: _split_stack("hsplit", input, indices_or_sections, 2),
    "i0": "special.i0",
    "igamma": "special.gammainc",
    "igammac": "special.gammaincc",
    "index_put": lambda input, indices, values, accumulate=False: _put_at(input, indices, values, accumulate),
    "lcm": lambda input, other: _whole("lcm", input, other),
    "logspace": lambda start, end, steps, base=10.0, *, dtype=None, requires_grad=False: mg.tensor(
        _logspace(start, end, steps, base, dtype), requires_grad=requires_grad
    ),
    "masked_scatter": lambda input, mask, source: _masked_scatter(input, mask, source),
    "matrix_exp": lambda A: mg.linalg.matrix_exp(A),
    "multinomial": lambda input, num_samples, replacement=False: _multinomial(input, num_samples, replacement),
    "mvlgamma": lambda input, p: mg.special.multigammaln(input, p),
    "nonzero_static": lambda input, *, size, fill_value=-1: _padded_rows(mg.argwhere(input), size, fill_value),
    "normal": lambda mean, std=1.0, size=None, *, dtype=None: _normal(mean, std, size, dtype),
    "polygamma": lambda n, input: mg.special.polygamma(n, input),
    "put": lambda input, index, source, accumulate=False: _put(input, index, source, accumulate),
    "qr": lambda input, some=True: mg.linalg.qr(input, mode="reduced" if some else "complete"),
    "rand_like": lambda input, *, dtype=None, requires_grad=False: _drawn(
        "random", input.shape, dtype or input.dtype, requires_grad
    ),
    "randint_like": lambda input, low, high=None, *, dtype=None: _integers_like(input, low, high, dtype),
    "randn_like": lambda input, *, dtype=None, requires_grad=False: _drawn(
        "standard_normal", input.shape, dtype or input.dtype, requires_grad
    ),
    "repeat_interleave": lambda input, repeats, dim=None, *, output_size=None: _interleaved(
        input, repeats, dim, output_size
    ),
    "rsub": lambda input, other, *, alpha=1: other - input * alpha,
    "scalar_tensor": lambda s, *, dtype=None, requires_grad=False: mg.tensor(
        np.asarray(s, dtype or np.float32), requires_grad=requires_grad
    ),
    "select_scatter": lambda input, src, dim, index: _at_slice(input, src, dim, index),
    "slice_scatter": lambda input, src, dim=0, start=None, end=None, step=1: _at_slice(
        input, src, dim, slice(start, end, step)
    ),
    "split_with_sizes": lambda input, split_sizes, dim=0: _pieces(input, split_sizes, dim),
    "svd": lambda input, some=True, compute_uv=True: _old_svd(input, some, compute_uv),
    "take_along_dim": lambda input, indices, dim=None: (
        mg.take_along_axis(input, indices, axis=dim) if dim is not None else mg.take(input, mg.ravel(indices))
    ),
    "tensor_split": lambda input, indices_or_sections, dim=0: _tensor_split(input, indices_or_sections, dim),
    "trapz": lambda y, x=None, *, dx=1.0, dim=-1: mg.trapezoid(y, x, dx, dim),
    "triangular_solve": lambda b, A, upper=True, transpose=False, unitriangular=False: _triangular(
        b, A, upper, transpose, unitriangular
    ),
    "unique": lambda input, sorted=True, return_inverse=False, return_counts=False, dim=None: _unique(
        input, return_inverse, return_counts, dim
    ),
    "unique_consecutive": lambda input, return_inverse=False, return_counts=False, dim=None: _runs(
        input, return_inverse, return_counts, dim
    ),
    "unravel_index": lambda indices, shape: tuple(
        mg.tensor(a) for a in np.unravel_index(as_tensor(indices)._data, shape)
    ),
    "unsafe_chunk": lambda input, chunks, dim=0: _chunk(input, chunks, dim),
    "unsafe_split": lambda tensor, split_size_or_sections, dim=0: _pieces(tensor, split_size_or_sections, dim),
    "vsplit": lambda input, indices_or_sections: _split_stack("vsplit", input, indices_or_sections, 1),
    # dtypes
    "double": np.dtype("float64"),
    "float": np.dtype("float32"),
    "half": np.dtype("float16"),
    "int": np.dtype("int32"),
    "long": np.dtype("int64"),
    "short": np.dtype("int16"),
}


def _held(who: str, allowed: Range, **value: Any) -> Any:
    """The value, if it is in the range."""
    check(who, allowed, **value)
    return next(iter(value.values()))


def _turned(x: Any) -> Any:
    if x.ndim > 2:
        raise ValueError(f"t: a tensor of shape {x.shape} has more than two axes; use mT, or transpose(a, b)")
    return x if x.ndim < 2 else x.T


# ---- calls of PyTorch's that are a few operations here ------------------------------------------------------------


def _placed(x: Any, src: Any, index: Any) -> Tensor:
    """x with src at x[index], which has its shape."""
    x, src = as_tensor(x), as_tensor(src)
    shape = np.empty(x.shape, bool)[index].shape
    if src.shape != shape:
        raise ValueError(f"scatter: the source has shape {src.shape}; the part of x that it replaces has {shape}")
    return mg.set_at(x, index, src)


def _at_slice(x: Any, src: Any, dim: int, part: Any) -> Tensor:
    x = as_tensor(x)
    if not -x.ndim <= dim < x.ndim:
        raise IndexError(f"scatter: dim is {dim}; x has shape {x.shape}")
    return _placed(x, src, (slice(None),) * (dim % x.ndim) + (part,))


def _on_diagonal(x: Any, src: Any, offset: int, dim1: int, dim2: int) -> Tensor:
    x = as_tensor(x)
    a, b = dim1 % x.ndim, dim2 % x.ndim
    n = max(0, min(x.shape[a] + min(offset, 0), x.shape[b] - max(offset, 0)))
    order = [i for i in range(x.ndim) if i not in (a, b)] + [a, b]
    i = np.arange(n)
    y = _placed(mg.permute_dims(x, order), src, (..., i - min(offset, 0), i + max(offset, 0)))
    return mg.permute_dims(y, [int(i) for i in np.argsort(order)])


def _put_at(x: Any, indices: Any, values: Any, accumulate: bool) -> Tensor:
    return (mg.add_at if accumulate else mg.set_at)(x, tuple(slice(None) if i is None else i for i in indices), values)


def _put(x: Any, index: Any, source: Any, accumulate: bool) -> Tensor:
    x, index = as_tensor(x), as_tensor(index)._data.ravel()
    source = mg.ravel(source)
    if index.size != source.size:
        raise ValueError(f"put: {index.size} places for {source.size} entries of the source")
    return mg.reshape((mg.add_at if accumulate else mg.set_at)(mg.ravel(x), index, source), x.shape)


def _masked_scatter(x: Any, mask: Any, source: Any) -> Tensor:
    x, given, mask, source = as_tensor(x), mask, as_tensor(mask)._data, mg.ravel(source)
    if mask.dtype != bool:
        raise TypeError(f"masked_scatter: mask is {shown(given)}; it must be boolean")
    shape = np.broadcast_shapes(x.shape, mask.shape)
    mask = np.broadcast_to(mask, shape)
    n = int(mask.sum())
    if source.size < n:
        raise ValueError(f"masked_scatter: the source has {source.size} entries; the mask takes {n}")
    return mg.set_at(mg.broadcast_to(x, shape=shape), mask, source[:n])


def _masked_select(x: Any, mask: Any) -> Tensor:
    x, given, mask = as_tensor(x), mask, as_tensor(mask)._data
    if mask.dtype != bool:
        raise TypeError(f"masked_select: mask is {shown(given)}; it must be boolean")
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return mg.broadcast_to(x, shape=shape)[np.broadcast_to(mask, shape)]


def _narrow(x: Any, dim: int, start: Any, length: int) -> Any:
    x = as_tensor(x)
    if as_tensor(start).dtype.kind not in "iu":
        raise TypeError(f"narrow: start is {start}; it must be a whole number")
    start = int(start)
    if not -x.ndim <= dim < x.ndim:
        raise IndexError(f"narrow: dim is {dim}; x has shape {x.shape}")
    n = x.shape[dim]
    begin = start + n if start < 0 else start
    if length < 0 or not 0 <= begin <= n - length:
        raise IndexError(f"narrow: start {start} and length {length} do not fit axis {dim} of {x.shape}")
    return _at(x, dim, slice(begin, begin + length))


def _cuts(x: Any, sizes: Any, dim: int) -> tuple:
    ends = np.cumsum([0, *sizes])
    return tuple(_at(x, dim, slice(int(a), int(b))) for a, b in itertools.pairwise(ends))


def _pieces(x: Any, size: Any, dim: int) -> tuple:
    """PyTorch's split: pieces of this length, the last one shorter, or of these lengths."""
    x = as_tensor(x)
    n = x.shape[dim]
    if isinstance(size, (list, tuple)):
        if sum(size) != n or min(size, default=0) < 0:
            raise ValueError(f"split: sizes {size} do not add up to the {n} entries of axis {dim} of {x.shape}")
        return _cuts(x, size, dim)
    if size < 0 or (size == 0 and n):
        raise ValueError(f"split: size is {size}; it must be at least 1")
    return tuple(_at(x, dim, slice(i, i + size)) for i in range(0, max(n, 1), max(size, 1)))


_PLACES = Range(lambda v: all(map(WHOLE.holds, v)), "a whole number ≥ 1, or a list of whole numbers", (list, tuple))


def _tensor_split(x: Any, parts: Any, dim: int) -> tuple:
    x = as_tensor(x)
    if isinstance(parts, (Tensor, np.ndarray)):
        parts = parts.tolist()
    if not x.ndim or not -x.ndim <= dim < x.ndim:
        raise IndexError(f"tensor_split: dim is {dim}; x has shape {x.shape}")
    n = x.shape[dim]
    if isinstance(parts, (list, tuple)):
        check("tensor_split", _PLACES, indices_or_sections=parts)
        return tuple(_at(x, dim, slice(a, b)) for a, b in zip([0, *parts], [*parts, n]))
    check("tensor_split", COUNT, indices_or_sections=parts)
    return _cuts(x, [n // parts + 1] * (n % parts) + [n // parts] * (parts - n % parts), dim)


def _split_stack(name: str, x: Any, parts: Any, least: int) -> tuple:
    x = as_tensor(x)
    if x.ndim < (1 if name == "hsplit" else max(least, 2)):
        raise ValueError(f"{name}: a tensor of shape {x.shape} has too few axes")
    dim = 0 if x.ndim == 1 else least - 1
    if isinstance(parts, int) and (parts < 1 or x.shape[dim] % parts):
        raise ValueError(f"{name}: axis {dim} of {x.shape} has no {parts} equal parts")
    return _tensor_split(x, parts, dim)


def _cartesian(tensors: Any) -> Tensor:
    if not tensors or any(np.ndim(t) != 1 for t in tensors):
        raise ValueError(f"cartesian_prod: shapes {[np.shape(t) for t in tensors]}; give vectors")
    if len(tensors) == 1:
        return as_tensor(tensors[0])
    grids = mg.meshgrid(*tensors, indexing="ij")
    return mg.stack([mg.ravel(g) for g in grids], -1)


def _combinations(x: Any, r: int, again: bool) -> Tensor:
    x = as_tensor(x)
    if x.ndim != 1 or r < 0:
        raise ValueError(f"combinations: x has shape {x.shape}, r is {r}; give a vector, and r ≥ 0")
    if not r:
        return x[:0]
    pick = itertools.combinations_with_replacement if again else itertools.combinations
    return x[np.array(list(pick(range(x.size), r)), int).reshape(-1, r)]


def _wide(x: Any) -> Tensor:
    return as_tensor(x).astype(np.float64)


def _whole(name: str, a: Any, b: Any) -> Tensor:
    a, b = as_tensor(a)._data, as_tensor(b)._data
    if a.dtype.kind not in "iu" or b.dtype.kind not in "iu":
        raise TypeError(f"{name}: dtypes {a.dtype} and {b.dtype}; they must be integers")
    return mg.tensor(getattr(np, name)(a, b))


def _logspace(start: Any, end: Any, steps: int, base: float, dtype: Any) -> Any:
    if not isinstance(steps, (int, np.integer)) or steps < 0:
        raise TypeError(f"logspace: steps is {shown(steps)}; it must be a whole number ≥ 0")
    ends = [as_tensor(v)._data for v in (start, end)]
    if any(v.ndim for v in ends):
        raise ValueError(f"logspace: start and end have shapes {[v.shape for v in ends]}; they must be numbers")
    found = np.logspace(float(ends[0]), float(ends[1]), int(steps), base=float(base))
    return found.astype(np.float32 if dtype is None else dtype)


def _gradient(x: Any, spacing: Any, dim: Any, edge_order: int) -> tuple:
    """Central differences, one-sided at the ends, along each axis; spacing: a step, one for each, or places."""
    x = as_tensor(x)
    axes = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if any(not -x.ndim <= a < x.ndim for a in axes) or len({a % x.ndim for a in axes}) < len(axes):
        raise IndexError(f"gradient: dim is {dim}; it must be axes of {x.shape}, each once")
    spacing = 1 if spacing is None else spacing
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(axes)
    if len(steps) != len(axes) or edge_order not in (1, 2):
        raise ValueError(f"gradient: {len(steps)} spacings for {len(axes)} axes, edge_order {edge_order}")
    return tuple(_slope(x, a % x.ndim, h, edge_order) for a, h in zip(axes, steps))


def _slope(x: Tensor, axis: int, h: Any, order: int) -> Tensor:
    n = x.shape[axis]
    if n <= order:
        raise ValueError(f"gradient: axis {axis} of {x.shape} has fewer than {order + 1} entries")
    h = as_tensor(h)
    d = h[1:] - h[:-1] if h.ndim else mg.reshape(h, (1,)) * np.ones(n - 1)
    d = mg.reshape(d.astype(x.dtype), tuple(-1 if i == axis else 1 for i in range(x.ndim)))

    def part(y: Tensor, a: Any, b: Any) -> Tensor:
        return _at(y, axis, slice(a, b))

    steep = (part(x, 1, None) - part(x, None, -1)) / d
    a, b = part(d, None, -1), part(d, 1, None)
    inner = (b * part(steep, None, -1) + a * part(steep, 1, None)) / (a + b)
    first, last = part(steep, None, 1), part(steep, -1, None)
    if order == 2:
        first = first - (part(inner, None, 1) - first) * part(a, None, 1) / part(b, None, 1) * _ratio(part, a, b, 0)
        last = last + (last - part(inner, -1, None)) * part(b, -1, None) / part(a, -1, None) * _ratio(part, b, a, -1)
    return mg.concat([first, inner, last], axis)


def _ratio(part: Callable, a: Any, b: Any, i: int) -> Any:
    """By how much the one-sided slope of second order goes on from the difference."""
    return part(b, i, i + 1 or None) / part(a, i, i + 1 or None)


def _histc(x: Any, bins: int, low: float, high: float) -> Tensor:
    a = as_tensor(x)._data.ravel()
    if bins < 1 or high < low:
        raise ValueError(f"histc: bins {bins}, min {low}, max {high}; there must be a bin, and min ≤ max")
    if low == high and a.size:
        low, high = a.min(), a.max()
    if low == high:
        low, high = low - 1, high + 1
    return mg.tensor(np.histogram(a, int(bins), (float(low), float(high)))[0].astype(a.dtype))


def _histogram(x: Any, bins: Any, limits: Any, weight: Any, density: bool) -> tuple[Tensor, Tensor]:
    a = as_tensor(x)._data.ravel()
    w = None if weight is None else as_tensor(weight)._data.ravel()
    bins = bins if isinstance(bins, int) else as_tensor(bins)._data
    if limits is None and isinstance(bins, int) and not a.size:
        limits = (0.0, 1.0)
    counts, edges = np.histogram(a, bins, limits, density=density, weights=w)
    return mg.tensor(counts.astype(a.dtype)), mg.tensor(edges.astype(a.dtype))


def _histogramdd(x: Any, bins: Any, limits: Any, weight: Any, density: bool) -> tuple[Tensor, list[Tensor]]:
    x = as_tensor(x)
    a, w = x._data.reshape(-1, x.shape[-1]), None if weight is None else as_tensor(weight)._data.ravel()
    bins = [
        n if isinstance(n, int) else as_tensor(n)._data
        for n in ([bins] * a.shape[1] if isinstance(bins, int) else bins)
    ]
    limits = [(0.0, 1.0)] * a.shape[1] if limits is None and not a.size else limits
    pairs: Any = None if limits is None else np.reshape(limits, (-1, 2))
    counts, edges = np.histogramdd(a, bins, pairs, density=density, weights=w)
    return mg.tensor(counts.astype(a.dtype)), [mg.tensor(e.astype(a.dtype)) for e in edges]


def _padded_rows(rows: Tensor, size: int, value: int) -> Tensor:
    """The first rows, or these and as many of one value as there are to `size`."""
    return mg.pad(rows[:size], ((0, max(0, size - rows.shape[0])), (0, 0)), value=value)


def _normal(mean: Any, std: Any, size: Any, dtype: Any) -> Tensor:
    mean, std = as_tensor(mean)._data, as_tensor(std)._data
    if (std < 0).any():
        raise ValueError(f"normal: std is {std}; it must be ≥ 0")
    shape = np.broadcast_shapes(mean.shape, std.shape) if size is None else mg.ops.shape._ints("normal", "size", size)
    return mg.tensor(np.asarray(draw(_draw, "normal", mean, std, shape)).astype(dtype or np.result_type(mean, std)))


def _drawn_like(x: Any, method: str, *args: Any) -> Tensor:
    return mg.tensor(np.asarray(draw(_draw, method, *args)).astype(as_tensor(x).dtype))


def _integers_like(x: Any, low: int, high: int | None, dtype: Any) -> Tensor:
    low, high = (0, low) if high is None else (low, high)
    return mg.tensor(np.asarray(draw(_draw, "integers", low, high, x.shape)).astype(dtype or x.dtype))


def _multinomial(x: Any, n: int, again: bool) -> Tensor:
    p = as_tensor(x)._data
    if p.dtype.kind != "f" or n < 1:
        raise ValueError(f"multinomial: {n} draws by weights of dtype {p.dtype}; at least one, by floats")
    rows = np.atleast_2d(p)
    if p.ndim not in (1, 2) or (rows < 0).any() or (rows.sum(1) <= 0).any():
        raise ValueError(f"multinomial: weights of shape {p.shape}; they must be ≥ 0, some of each row above 0")
    if not again and n > (rows > 0).sum(1).min():
        raise ValueError(f"multinomial: {n} draws without replacement of fewer entries above 0")
    picked = [draw(_draw, "choice", r.size, int(n), bool(again), r / r.sum()) for r in rows.astype(np.float64)]
    return mg.tensor(np.array(picked).reshape(*p.shape[:-1], int(n)))


def _interleaved(x: Any, repeats: Any, dim: int | None, size: int | None) -> Tensor:
    y = mg.repeat(x, repeats, axis=dim)
    if size is not None and size != y.shape[0 if dim is None else dim]:
        raise ValueError(f"repeat_interleave: output_size is {size}; the result has shape {y.shape}")
    return y


def _old_svd(x: Any, some: bool, vectors: bool) -> tuple:
    u, s, vh = mg.linalg.svd(x, full_matrices=not some)
    if not vectors:
        return mg.zeros_like(u), s, mg.zeros_like(mg.matrix_transpose(vh))
    return u, s, mg.matrix_transpose(vh)


def _triangular(b: Any, a: Any, upper: bool, transpose: bool, unit: bool) -> tuple[Tensor, Tensor]:
    a = as_tensor(a)
    lead = np.broadcast_shapes(a.shape[:-2], np.shape(b)[:-2])
    a = mg.broadcast_to(a, shape=(*lead, *a.shape[-2:]))
    b = mg.broadcast_to(b, shape=(*lead, *np.shape(b)[-2:]))
    m = mg.matrix_transpose(a) if transpose else a
    return mg.linalg.solve_triangular(m, b, upper=upper != transpose, unitriangular=unit), a


def _unique(x: Any, inverse: bool, counts: bool, dim: int | None) -> Any:
    x = as_tensor(x)._data
    found = np.unique(x, return_inverse=True, return_counts=True, axis=dim)
    where = found[1].reshape(x.shape if dim is None else -1)
    return _chosen(found[0], (inverse, where), (counts, found[2]))


def _chosen(values: Any, *others: Any) -> Any:
    parts = [mg.tensor(values), *(mg.tensor(a) for wanted, a in others if wanted)]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _runs(x: Any, inverse: bool, counts: bool, dim: int | None) -> Any:
    x = as_tensor(x)._data
    rows = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]).reshape(max(len(rows) - 1, 0), -1).any(1) if len(rows) > 1 else new[1:]
    at = np.flatnonzero(new)
    run = np.cumsum(new) - 1
    values = rows[at] if dim is None else np.moveaxis(rows[at], 0, dim)
    lengths = np.diff([*at, len(rows)]).astype(int)
    return _chosen(values, (inverse, run.reshape(x.shape if dim is None else -1)), (counts, lengths))


def _windows(x: Any, dim: int, size: int, step: int) -> Tensor:
    """PyTorch's x.unfold: windows along an axis, laid out along a new last one."""
    x = as_tensor(x)
    n = x.shape[dim] if x.ndim else 1
    if not 0 <= size <= n or step < 1:
        raise ValueError(f"unfold: size {size} and step {step} do not fit axis {dim} of {x.shape}")
    if not x.ndim:
        return mg.reshape(x, (1,))[:size]
    at = np.arange(0, n - size + 1, step)[:, None] + np.arange(size)
    return mg.moveaxis(_at(x, dim, at), dim % x.ndim + 1, -1)


# ---- methods -----------------------------------------------------------------------------------------------------

SAME = (  # methods that are the function of this name: `x.sin()` is `mg.sin(x)`
    "gather ravel swapaxes abs acos acosh addbmm addcdiv addcmul addmm addmv addr all allclose any argmax argmin argsort asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_not bitwise_or "
    "bitwise_xor bmm cbrt ceil clip copysign cos cosh count_nonzero cumulative_prod cumulative_sum deg2rad det diag diagonal "
    "diff digamma dist div dot equal erf erfc exp exp2 expm1 flatten flip floor floor_divide fmax fmin fmod "
    "frac hypot imag inner isclose isfinite isinf isnan lgamma log log10 log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp "
    "logical_and logical_not logical_or logical_xor logit logsumexp matmul max maximum mean median min minimum moveaxis mm mul mv "
    "nan_to_num neg nonzero norm outer pow prod quantile rad2deg reciprocal relu remainder roll round "
    "scatter scatter_add searchsorted sigmoid sign signbit sin sinc sinh softmax sort sqrt square std sub subtract sum "
    "take take_along_axis tan tanh tensordot tile topk trace tril triu trunc unflatten var vecdot xlogy add "
    "multiply divide negative index_add index_copy index_fill index_reduce scatter_reduce"
)
ALSO = (  # those of FUNCTIONS
    "absolute amax amin arccos arccosh arcsin arcsinh arctan arctan2 arctanh "
    "chunk clamp clamp_max clamp_min clone cumprod cumsum erfinv eq ge ger gt index_select inverse le lerp "
    "logdet lt masked_fill masked_select matrix_power movedim narrow ne numel pinverse rsqrt select "
    "sgn slogdet swapdims t true_divide unbind unsqueeze bernoulli bitwise_not cholesky diagonal_scatter dsplit gcd "
    "histc hsplit igamma igammac index_put lcm masked_scatter matrix_exp multinomial mvlgamma put qr select_scatter slice_scatter "
    "split_with_sizes svd take_along_dim tensor_split unique unique_consecutive vsplit repeat_interleave"
)


def _sizes(given: tuple) -> tuple:
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else given


def _view(x: Tensor, shape: tuple) -> Tensor:
    if len(shape) == 1 and not isinstance(shape[0], (int, np.integer, tuple, list)):
        raise TypeError(f"view: {shape[0]!r} is no shape; to change the dtype write x.astype(dtype), which converts")
    return mg.reshape(x, _sizes(shape))


def _expand(x: Tensor, sizes: tuple) -> Tensor:
    lead = len(sizes) - x.ndim
    if lead < 0:
        raise ValueError(f"expand: {sizes} has fewer axes than the tensor, of shape {x.shape}")
    if any(n == -1 for n in sizes[:lead]):
        raise ValueError(f"expand: −1 in {sizes} stands for an axis that the tensor, of shape {x.shape}, does not have")
    return mg.broadcast_to(x, shape=tuple(x.shape[i - lead] if n == -1 else n for i, n in enumerate(sizes)))


def _repeat(x: Tensor, sizes: tuple, axis: int | None) -> Tensor:
    if axis is None:
        raise TypeError(
            "repeat: axis is None; PyTorch's x.repeat(2, 3) lays copies side by side, NumPy's repeats each entry: write "
            "mg.tile(x, (2, 3)), or mg.repeat(x, 2, axis=…)"
        )
    return mg.repeat(x, *sizes, axis=axis)


def _split(x: Tensor, *_: Any, **__: Any) -> Any:
    raise TypeError(
        "split: PyTorch's x.split(2) gives pieces of length 2, NumPy's two pieces; write x.chunk(2) for two pieces, "
        "or index: x[:2], x[2:4]"
    )


def _transposed(x: Tensor, axes: tuple) -> Tensor:
    if len(axes) == 2 and all(isinstance(a, (int, np.integer)) for a in axes):
        return mg.swapaxes(x, *axes)
    return mg.permute_dims(x, _sizes(axes) if axes and axes[0] is not None else tuple(range(x.ndim))[::-1])


def _to(x: Tensor, what: Any, dtype: Any) -> Tensor:
    if isinstance(what, Tensor):
        return x.astype(what.dtype)
    if isinstance(what, str) and what.split(":")[0] in ("cuda", "mps", "xpu", "meta"):
        raise ValueError(f"to: there is no device {what!r}; tensors are in the memory of the CPU")
    if what is None or str(what) == "cpu":
        return x if dtype is None else x.astype(dtype)
    return x.astype(what)


def _squeezed(x: Tensor, axis: Any) -> Tensor:
    return mg.squeeze(x, axis=tuple(i for i, n in enumerate(x.shape) if n == 1) if axis is None else axis)


def _required(x: Tensor, requires_grad: bool) -> Tensor:
    if x.node is not None:
        raise RuntimeError("requires_grad_: only of a leaf can it be set; this tensor was computed: detach() first")
    if requires_grad and x.dtype.kind not in "fc":
        raise TypeError(f"requires_grad_: dtype {x.dtype} has no derivatives; use a float dtype, e.g. float32")
    effect(setattr, x, "requires_grad", bool(requires_grad))
    return x


def _written(x: Tensor, value: Any) -> Tensor:
    x[...] = value
    return x


def _new(x: Tensor, values: Any, dtype: Any, requires_grad: bool) -> Tensor:
    return mg.tensor(values.astype(x.dtype if dtype is None else dtype), requires_grad=requires_grad)


METHODS: dict[str, Any] = {
    "add_": lambda x, other, *, alpha=1: _written(x, x + alpha * other),
    "bool": lambda x: x.astype(bool),
    "byte": lambda x: x.astype(np.uint8),
    "char": lambda x: x.astype(np.int8),
    "contiguous": lambda x: x,
    "copy": lambda x: mg.where(True, x, x),
    "copy_": lambda x, src: _written(x, src),
    "cpu": lambda x: x,
    "dim": lambda x: x.ndim,
    "div_": lambda x, other: _written(x, x / other),
    "double": lambda x: x.astype(np.float64),
    "expand": lambda x, *sizes: _expand(x, _sizes(sizes)),
    "expand_as": lambda x, other: _expand(x, other.shape),
    "fill_": lambda x, value: _written(x, value),
    "float": lambda x: x.astype(np.float32),
    "half": lambda x: x.astype(np.float16),
    "int": lambda x: x.astype(np.int32),
    "is_floating_point": lambda x: x.dtype.kind == "f",
    "long": lambda x: x.astype(np.int64),
    "mul_": lambda x, other: _written(x, x * other),
    "nelement": lambda x: x.size,
    "new_full": lambda x, size, fill_value, *, dtype=None, requires_grad=False: _new(
        x, np.full(size, fill_value), dtype, requires_grad
    ),
    "new_ones": lambda x, *size, dtype=None, requires_grad=False: _new(x, np.ones(_sizes(size)), dtype, requires_grad),
    "new_tensor": lambda x, data, *, dtype=None, requires_grad=False: mg.tensor(
        data, dtype=dtype or None, requires_grad=requires_grad
    ),
    "new_zeros": lambda x, *size, dtype=None, requires_grad=False: _new(
        x, np.zeros(_sizes(size)), dtype, requires_grad
    ),
    "numpy": lambda x: x.__array__(),
    "permute": lambda x, *dims: mg.permute_dims(x, _sizes(dims)),
    "repeat": lambda x, *repeats, axis=None: _repeat(x, repeats, axis),
    "requires_grad_": lambda x, requires_grad=True: _required(x, requires_grad),
    "reshape_as": lambda x, other: mg.reshape(x, other.shape),
    "short": lambda x: x.astype(np.int16),
    "split": _split,
    "squeeze": lambda x, axis=None: _squeezed(x, axis),
    "sum_to_size": lambda x, *size: mg.sum_to(x, shape=_sizes(size)),
    "sub_": lambda x, other, *, alpha=1: _written(x, x - alpha * other),
    "to": lambda x, what=None, dtype=None: _to(x, what, dtype),
    "transpose": lambda x, *axes: _transposed(x, axes),
    "type": lambda x, dtype: x.astype(dtype),
    "type_as": lambda x, other: x.astype(other.dtype),
    "unfold": lambda x, dimension, size, step: _windows(x, dimension, size, step),
    "view": lambda x, *shape: _view(x, shape),
    "view_as": lambda x, other: mg.reshape(x, other.shape),
    "where": lambda x, condition, other: mg.where(condition, x, other),
    "zero_": lambda x: _written(x, 0),
}

CLASHES = {  # name: what PyTorch means, what is meant here, what to write
    "x.max(1), x.min(1)": (
        "values and indices",
        "values, as in NumPy",
        "`x.max(axis=1)`, `x.argmax(axis=1)`; with `dim=` it raises",
    ),
    "x.var(), x.std()": (
        "divided by n − 1",
        "divided by n, as in the standard",
        "`correction=1`; with `dim=` alone it raises",
    ),
    "x.sort(1)": (
        "values and indices",
        "values, as in the standard",
        "`mg.sort(x, axis=1)`, `mg.argsort(x, axis=1)`; with `dim=` it raises",
    ),
    "x.repeat(2, 3)": (
        "copies side by side",
        "each entry repeated, as in NumPy",
        "`mg.tile(x, (2, 3))`, `mg.repeat(x, 2, axis=0)`; it raises",
    ),
    "x.split(2)": ("pieces of length 2", "two pieces, as in NumPy", "`x.chunk(2)`, or an index; it raises"),
    "x.squeeze(1)": (
        "unchanged where the axis has another length",
        "an error there, as in the standard",
        "`x.squeeze()` takes all axes of length 1",
    ),
    "mg.equal(x, y)": ("one truth value", "entry by entry, as in the standard", "`np.array_equal(x, y)`"),
    "mg.nonzero(x)": ("one array of indices (n, d)", "one array for each axis, as in the standard", "`mg.argwhere(x)`"),
    "mg.zeros(2, 3)": ("a shape in several arguments", "one tuple, as in the standard", "`mg.zeros((2, 3))`"),
    "np.transpose(x, (1, 0))": (
        "`x.transpose(0, 1)` exchanges two axes",
        "so it does here; with a tuple it is NumPy's order of axes",
        "`mg.permute_dims`",
    ),
    "x += y": (
        "changes x, on the tape too",
        "gives a new tensor under the old name, except under `no_grad`",
        "see [in place](architecture.md)",
    ),
}


@functools.cache
def function(name: str) -> Any:
    """What PyTorch's function of this name is here. Raises KeyError if there is none."""
    return found(name, FUNCTIONS[name])


def found(name: str, row: Any) -> Any:
    """What a row of a table stands for. Raises AttributeError if there is no such name yet."""
    if isinstance(row, str):
        return functools.reduce(getattr, row.split("."), mg)
    if isinstance(row, type) or not callable(row):
        return row
    return spelt(name, row)


def spelt(name: str, row: Callable) -> Callable:
    """A row that is a call, as a function of that name."""
    row.__name__ = row.__qualname__ = name
    row.__module__ = __package__.partition(".")[0]
    row.__doc__ = row.__doc__ or f"PyTorch's `{name}`: see the page on spellings."
    return named(row)


def methods(modules: list[ModuleType]) -> dict[str, Any]:
    """The methods of tensors, of the functions that there are in these modules of mathematics."""

    def there(path: str) -> Any:
        return next((vars(m)[path] for m in modules if path in getattr(m, "__all__", ())), None)

    bound: dict[str, Any] = {}
    for name in SAME.split():
        if (f := there(name)) is not None:
            bound[name] = f
    for name in ALSO.split():
        row = FUNCTIONS[name]
        if not isinstance(row, str):
            bound[name] = spelt(name, row)
        elif "." in row:
            bound[name] = spelt(name, _later(row))
        elif (f := there(row)) is not None:
            bound[name] = f
    bound.update((name, spelt(name, row)) for name, row in METHODS.items())
    return bound


def _later(path: str) -> Callable:
    return lambda x, *args, **kwargs: functools.reduce(getattr, path.split("."), mg)(x, *args, **kwargs)


# ---- torch.nn.functional ------------------------------------------------------------------------------------------

FUNCTIONAL_SAME = (  # those that `mg` has under PyTorch's name, with PyTorch's order of arguments
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d "
    "affine_grid avg_pool1d avg_pool2d avg_pool3d binary_cross_entropy binary_cross_entropy_with_logits "
    "celu channel_shuffle conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d cosine_embedding_loss "
    "cosine_similarity cross_entropy elu embedding embedding_bag gaussian_nll_loss gelu glu grid_sample group_norm "
    "gumbel_softmax hardshrink hardsigmoid hardswish hardtanh hinge_embedding_loss huber_loss instance_norm interpolate kl_div "
    "l1_loss layer_norm leaky_relu local_response_norm logsigmoid lp_pool1d lp_pool2d lp_pool3d margin_ranking_loss "
    "max_pool1d max_pool2d max_pool3d max_unpool1d max_unpool2d max_unpool3d mish mse_loss multi_margin_loss "
    "multilabel_margin_loss multilabel_soft_margin_loss nll_loss one_hot pairwise_distance pdist pixel_shuffle "
    "pixel_unshuffle poisson_nll_loss prelu relu relu6 rms_norm rrelu scaled_dot_product_attention selu sigmoid silu "
    "smooth_l1_loss soft_margin_loss softplus softshrink softsign tanh tanhshrink threshold "
    "triplet_margin_loss upsample upsample_bilinear upsample_nearest"
)


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    if bias is not None and np.ndim(x) == 2:
        return mg.affine(x, weight, bias)
    y = mg.matmul(x, mg.matrix_transpose(weight) if np.ndim(weight) > 1 else weight)
    return y if bias is None else y + bias


def _batch_norm(
    x: Any, mean: Any, var: Any, weight: Any, bias: Any, training: bool, momentum: float, eps: float
) -> Any:
    x = as_tensor(x)
    channels = x.shape[1] if x.ndim > 1 else 0
    weight = np.ones(channels, x.dtype) if weight is None else weight
    bias = np.zeros(channels, x.dtype) if bias is None else bias
    if x.ndim < 2:
        raise ValueError(f"batch_norm: x has shape {x.shape}; it must be (N, C, …)")
    if not training and mean is not None:
        across = (1, channels, *(1,) * (x.ndim - 2))
        scale = weight / mg.sqrt(as_tensor(var) + eps)
        return x * mg.reshape(scale, across) + mg.reshape(bias - mean * scale, across)
    if mean is not None:
        m, v = (as_tensor(a) for a in mg.ops.norm.channel_moments(x))
        n = x.size // channels
        with no_grad():
            mean[...] = (1 - momentum) * mean + momentum * m
            var[...] = (1 - momentum) * var + momentum * v * (n / max(n - 1, 1))
    return mg.batch_norm(x, weight, bias, eps=eps)


def _dropped(name: str, x: Any, p: float, training: bool, axes: int | None) -> Any:
    """Dropout of entries, or of whole channels of (N, C, …); p = 1 leaves nothing. `axes` is those of one example."""
    x = as_tensor(x)
    if p == 1:
        return x * 0 if training else x
    if axes is None:
        return mg.ops.noise.drop(name, x, x.shape, p, "inverted", training, None)
    if x.ndim < 2:
        raise ValueError(f"{name}: x has shape {x.shape}; it must be (N, C, …)")
    lead = 1 if x.ndim == axes and name != "dropout2d" else 2  # an example without a batch has its channels first
    return mg.ops.noise.drop(name, x, (*x.shape[:lead], *[1] * (x.ndim - lead)), p, "inverted", training, None)


def _alpha_dropped(layer: str, x: Any, p: float, training: bool) -> Any:
    if p == 1:
        return as_tensor(x) * (0 if training else 1)
    f = getattr(mg.nn, layer)(p)
    return f.train(training)(x)


def _bilinear(x1: Any, x2: Any, weight: Any, bias: Any) -> Tensor:
    y = mg.einsum("...i,oij,...j->...o", x1, weight, x2)
    return y if bias is None else y + bias


def _in_dtype(f: str, x: Any, dim: int | None, dtype: Any) -> Tensor:
    x = as_tensor(x) if dtype is None else as_tensor(x).astype(dtype)
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    if not x.ndim and dim in (0, -1):
        return mg.reshape(getattr(mg, f)(mg.reshape(x, (1,)), 0), ())
    return getattr(mg, f)(x, dim)


def _linear_cross_entropy(x: Any, weight: Any, target: Any, bias: Any, ignore_index: int | None, k: Any) -> Tensor:
    if ignore_index is not None:
        k["ignore_index"] = ignore_index
    if np.ndim(weight) > 2:  # (C, …, in): the logits are (N, C, …)
        y = mg.tensordot(x, weight, axes=([-1], [-1]))
        return mg.cross_entropy(y if bias is None else y + bias, target, **k)
    return mg.cross_entropy(_linear(x, weight, bias), target, **k)


def _fractional(axes: int) -> Callable:
    return lambda input, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None: (
        mg.ops.pool.fractional_windows(
            input, axes, kernel_size, output_size, output_ratio, return_indices, _random_samples
        )
    )


FUNCTIONAL: dict[str, Any] = {
    "alpha_dropout": lambda input, p=0.5, training=False, inplace=False: _alpha_dropped(
        "AlphaDropout", input, p, training
    ),
    "feature_alpha_dropout": lambda input, p=0.5, training=False, inplace=False: _alpha_dropped(
        "FeatureAlphaDropout", input, p, training
    ),
    "bilinear": lambda input1, input2, weight, bias=None: _bilinear(input1, input2, weight, bias),
    "linear_cross_entropy": lambda input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean", ignore_index=None, label_smoothing=0.0: (
        _linear_cross_entropy(
            input,
            linear_weight,
            target,
            linear_bias,
            ignore_index,
            {"weight": weight, "reduction": reduction, "label_smoothing": label_smoothing},
        )
    ),
    "log_softmax": lambda input, dim=None, dtype=None: _in_dtype("log_softmax", input, dim, dtype),
    "softmax": lambda input, dim=None, dtype=None: _in_dtype("softmax", input, dim, dtype),
    "softmin": lambda input, dim=None, dtype=None: _in_dtype("softmax", -as_tensor(input), dim, dtype),
    "normalize": lambda input, p=2.0, dim=1, eps=1e-12: mg.lp_normalize(input, p, dim, eps),
    "batch_norm": lambda input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05: (
        _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    ),
    "dropout": lambda input, p=0.5, training=True, inplace=False: _dropped("dropout", input, p, training, None),
    "dropout1d": lambda input, p=0.5, training=True, inplace=False: _dropped("dropout1d", input, p, training, 2),
    "dropout2d": lambda input, p=0.5, training=True, inplace=False: _dropped("dropout2d", input, p, training, 3),
    "dropout3d": lambda input, p=0.5, training=True, inplace=False: _dropped("dropout3d", input, p, training, 4),
    "fold": "fold_columns",
    **{f"fractional_max_pool{n}d": _fractional(n) for n in (2, 3)},
    "linear": lambda input, weight, bias=None: _linear(input, weight, bias),
    "pad": "pad_last",
    "unfold": "unfold_columns",
    **dict(zip(FUNCTIONAL_SAME.split(), FUNCTIONAL_SAME.split())),
}
IGNORED = {"inplace", "options", "_stacklevel"}  # what changes no value
OLD = {"size_average", "reduce"}  # PyTorch's old spellings of `reduction`


@functools.cache
def functional(name: str) -> Callable:
    """PyTorch's `nn.functional.<name>`. Raises KeyError for others; AttributeError if it is not there yet."""
    f = found(name, FUNCTIONAL[name])

    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for k in OLD & kwargs.keys():
                if kwargs[k] is not None:
                    raise TypeError(f"{name}: {k}= is PyTorch's old spelling; use reduction='mean', 'sum' or 'none'")
            kwargs = {k: v for k, v in kwargs.items() if k not in IGNORED | OLD}
        return f(*args, **kwargs)

    functools.update_wrapper(call, f)
    call.__name__ = call.__qualname__ = name
    return named(call)
