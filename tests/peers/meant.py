"""What differs from PyTorch and is meant to, with the reason; what is left out; calls that differ in form. All of it data."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.ops import spelling
from minigrad.tape import as_tensor


class Meant(NamedTuple):
    names: str  # patterns, apart by blanks
    told: str  # a regular expression that the sample and what came of it contain
    reason: str


MEANT = [
    Meant("*", r"\((int64 \(3,\), 2|2, int64 \(3,\)|2, 3)\) \[\]: no error", "a number is taken wherever an array is"),
    Meant("nn.functional.conv?d", r"int64.*float64 \(.,\)\) \[should be the same\]: no error",
          "integers go with floats: the result has the floats' dtype"),
    Meant("neg", r"bool \(2,\).*no error", "booleans are counted: an operation on them is one on integers"),
    Meant("mean", r"int64.*no error", "the mean of integers is a float"),
    Meant("nn.functional.max_pool?d", r"\(float32 \(0, .*no error", "an image may have no channels: the result is as empty"),
    Meant("nn.functional.max_unpool?d", r"gradient: 0, PyTorch", "where entries go to one place, the last one stays, and it "
          "alone has a derivative; PyTorch's backward counts those that were overwritten, too"),
    Meant("amax amin aminmax", r"number of dimensions must be within", "an array has at most 64 axes"),
    Meant("equal", r"shape", "the array API's `equal` compares entry by entry"),
    Meant("trace", r"float32 \(3, 4, 5\).*no error", "of matrices in stacks, as in the array API"),
    Meant("norm", r"value: |ord is |is for one axis", "of a matrix it is a matrix norm, as in NumPy; PyTorch's (deprecated) flattens"),
    Meant("linalg.cross", r"no error", "shapes broadcast, as in the array API"),
    Meant("masked_fill", r"float32 \(1,\)\) .*no error", "the value broadcasts"),
    Meant("nextafter", r"it has no gradient", "the grid of floats has no derivative: a constant"),
    Meant("nn.LPPool?d", r"gradient: .*nan", "of a root of negative numbers, where all is NaN"),
    Meant("Adagrad", r"after step", "`eps` is 1e-7 unless set; in PyTorch 1e-10"),
    Meant("LBFGS", r"after step|unexpected keyword", "another line search: a strong Wolfe one by default, steps are not `lr`"),
    Meant("Muon", r"after step", "PyTorch iterates in bfloat16, ours in the parameters' dtype"),
    Meant("polygamma special.polygamma matrix_exp", r"gradient: |second order: ", "values of 1e7 and more: the sine that is taken of them magnifies their round-off"),
    Meant("mvlgamma special.multigammaln", r"second order: ", "PyTorch's trigamma has 9 digits"),
    Meant("cholesky_inverse cholesky_solve", r"(gradient|second order): 0, ", "the other triangle is not read: no derivative there; PyTorch has one"),
    Meant("nn.functional.linear_cross_entropy", r"functions with out=|options=.*second order: ", "PyTorch's chunked form has no derivative, or another second one than its plain form, with which ours agrees"),
    Meant("nn.NLLLoss scatter scatter_add", r"(float16|float64 .*float32) .*no error", "dtypes promote"),
    Meant("Muon", r"only support 2D parameters.*no error", "what is not a matrix goes by AdamW"),
    Meant("nn.CTCLoss", r"gradient: |second order: ", "PyTorch's derivative holds only behind a log_softmax (behind one it agrees: see nn.functional.ctc_loss)"),
    Meant("special.bessel_* special.modified_bessel_* special.scaled_modified_bessel_*", r"value: |gradient: |second order: ", "PyTorch's has 7 digits; ours are SciPy's"),
    Meant("linalg.norm linalg.vector_norm", r"(second order|gradient): .*nan", "0 at zero, where PyTorch has NaN"),
    Meant("median nanmedian", r"\): (value|result 0|gradient|second order)|results, PyTorch", "the mean of the two middle entries, as in NumPy; values alone"),
    Meant("quantile nanquantile", r"gradient: 0", "no derivative in the place q"),
    Meant("bincount", r"int64, PyTorch has float64", "weights that are integers stay integers"),
    Meant("corrcoef cov", r"shape \(1, 1\)", "a matrix of one variable stays a matrix"),
    Meant("nn.functional.*", r"eps is -0.5|momentum is -1", "settings that make no sense are refused"),
    Meant("nn.functional.cross_entropy nn.CrossEntropyLoss nn.functional.linear_cross_entropy", r"class probabilities in row", "classes' probabilities must add up to 1"),
    Meant("linspace", r"int64 \(2,\).*no error", "the ends may be arrays, as in NumPy"),
    Meant("arange", r"inconsistent with step sign.*no error", "empty, as in NumPy and the array API"),
    Meant("roll", r"shifts. required", "nothing is moved"),
    Meant("*", r"float64 \(\).*(axis (0|-1) is out of range for a tensor of 0 axes|of shape \(\) (has no places|is no vector))|nn.*axis 0 is out of range for a tensor of 0 axes",
          "a number has no axes, as in the array API"),
    Meant("signal.windows.*", r"strided tensors only|dtype=float16", "there is one layout, and float16 is a float dtype"),
    Meant("histogramdd", r"must be monotonically increasing", "the edges of bins ascend, as in NumPy"),
    Meant("tensordot", r"must be of the same lengths", "axes that are summed over are of one length, as in the array API"),
    Meant("svd linalg.svd", r"the last columns have no derivative", "columns that complete a basis have no derivative: refused where one is needed; PyTorch finds out in backward"),
    Meant("cov", r"aweights=float32.*(value|gradient|second order): ", "weights are taken in the dtype of x; PyTorch reckons with them in float32"),
    Meant("nn.functional.batch_norm nn.BatchNorm?d", r"batch_norm: x has shape \(0,", "an empty batch has no moments"),
    Meant("nn.FractionalMaxPool2d", r"_random_samples|multiple values", "the layer has Graham's regions and settings; PyTorch's form is `nn.functional.fractional_max_pool2d`"),
    Meant("Adagrad", r"lr_decay", "its `lr_decay` is `schedules.inverse` here"),
    Meant("nn.functional.normalize", r"second order: 0, PyTorch has -\d\.\d+e-", "a constant: PyTorch's rest is round-off"),
    Meant("index_add", r"source tensor shape must match.*no error", "the source broadcasts"),
    Meant("nn.functional.hardsigmoid", r"gradient: ", "PyTorch's slope is 1/6 rounded to float32, in float64, too"),
]  # fmt: skip


def entry(name: str, text: str) -> str | None:
    """The reason why this difference is meant, if it is."""
    for m in MEANT:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in m.names.split()) and re.search(m.told, text, re.S):
            return m.reason
    return None


# names of op_db that are left out, by pattern
LEFT_OUT = {
    "private": "_* torch.ops.* native_* *_backward *_backward_data torch._*",
    "sparse tensors": "*sparse* *_csr* *_coo*",
    "jiterator": "jiterator_*",
    "made in place": "resize_ resize_as_ *_ uniform normal_ exponential_ cauchy exponential geometric log_normal normal?(in_place)",
    "complex numbers: the engine is real": "*complex* view_as_real real imag angle conj* polar is_complex istft stft *_physical fft.* "
    "cdouble cfloat chalf H mH resolve_conj resolve_neg linalg.eig linalg.eigvals",
    "uninitialised memory, storage": "empty* new_empty* as_strided*",
    "bfloat16": "bfloat16",
    "masked tensors: `mg.where(mask, x, …)` says what stands for the others": "masked.*",
    "LAPACK's packed forms: the factors themselves are given": "geqrf ormqr lu lu_unpack lu_solve linalg.lu_factor* linalg.lu_solve linalg.ldl_*",
}


def left_out(name: str) -> str | None:
    if name.startswith("__") or name in KEPT:
        return None
    for reason, patterns in LEFT_OUT.items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split()):
            return reason
    return None


KEPT = {"index_copy", "real", "conj"}

# what is drawn: shapes and dtypes only
RANDOM = {
    "bernoulli",
    "cauchy",
    "exponential",
    "geometric",
    "log_normal",
    "multinomial",
    "normal",
    "uniform",
    "rand_like",
    "randn_like",
    "randint_like",
    "randint",
    "randn",
    "nn.functional.dropout",
    "nn.functional.dropout2d",
    "nn.functional.dropout3d",
    "nn.functional.alpha_dropout",
    "nn.functional.feature_alpha_dropout",
    "nn.functional.fractional_max_pool2d",
    "nn.functional.fractional_max_pool3d",
    "nn.functional.rrelu",
}


def draws(name: str, module: Any) -> bool:
    """Whether a module of PyTorch's draws while it is trained."""
    return "Dropout" in name or "RReLU" in name or "Fractional" in name or bool(getattr(module, "dropout", 0))


CONVERTING = {"float_power", "double", "float", "half", "to", "type_as"}  # into a dtype that is named


def _reduction(f: Callable) -> Callable:
    """sum, prod, …: `dim`, `keepdim` and `dtype` by place or name."""

    def call(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        x = x if dtype is None else x.astype(dtype)
        return f(x, axis=dim, keepdims=keepdim)

    return call


def _scan(f: Callable) -> Callable:
    return lambda x, dim, *, dtype=None: f(x if x.ndim else mg.reshape(x, (1,)), axis=dim, dtype=dtype).reshape(x.shape)


def _scaled(f: Callable) -> Callable:
    return lambda x, other, *, alpha=1: f(x, other if alpha == 1 else alpha * other)


def _pair(f: Callable, at: Callable) -> Callable:
    def call(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        x = as_tensor(x)
        if dim is None:
            return f(x)
        if isinstance(dim, mg.Tensor):
            return {mg.max: mg.maximum, mg.min: mg.minimum}[f](x, dim)
        if not x.ndim:
            return f(x), mg.tensor(0)
        return f(x, axis=dim, keepdims=keepdim), at(x, axis=dim, keepdims=keepdim)

    return call


def _sorted(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    if not x.ndim:
        return x, mg.tensor(0)
    k = {"axis": dim, "descending": descending, "stable": True}
    return mg.sort(x, **k), mg.argsort(x, **k)


def _spread(f: Callable, names: int) -> Callable:
    def call(x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None else int(unbiased)
        return f(x, axis=dim, keepdims=keepdim, correction=correction)

    return call


def _einsum(*args: Any) -> Any:
    *tensors, subscripts = args
    return mg.einsum(subscripts, *tensors)


def _sides(x1: Any, x2: Any, out_int32: bool = False, right: bool = False, side: Any = None, sorter: Any = None) -> Any:
    found = mg.searchsorted(x1, x2, side=side or ("right" if right else "left"), sorter=sorter)
    return found.astype("int32") if out_int32 else found


def _symmetric(f: Callable) -> Callable:
    """UPLO: the triangle that is read, mirrored."""

    def call(x: Any, UPLO: str = "L") -> Any:
        t = mg.tril(x) if UPLO.upper() == "L" else mg.triu(x)
        return f(t + mg.matrix_transpose(t) - mg.diag_embed(mg.diagonal(x, 0, -2, -1)))

    return call


def _embedding(weight: Any, x: Any, *args: Any, **k: Any) -> Any:
    return mg.embedding(x, weight, *args, **k)


def _embedding_bag(weight: Any, x: Any, *args: Any, **k: Any) -> Any:
    return mg.embedding_bag(x, weight, *args, **k)


def _bounds(x: Any, boundaries: Any, out_int32: bool = False, right: bool = False) -> Any:
    found = mg.bucketize(x, boundaries, right=right)
    return found.astype("int32") if out_int32 else found


def _solved(a: Any, b: Any, *, left: bool = True) -> Any:
    vector = b.ndim == 1 or (b.ndim == a.ndim - 1 and b.shape == a.shape[:-1])
    if vector:
        return mg.linalg.solve(a, b[..., None])[..., 0]
    if left:
        return mg.linalg.solve(a, b)
    return mg.matrix_transpose(mg.linalg.solve(mg.matrix_transpose(a), mg.matrix_transpose(b)))


def _windowed(x: Any, dim: int, size: int, step: int) -> Any:
    return x.unfold(dim, size, step)


def _many(f: Callable) -> Callable:
    """atleast_1d: of several tensors, too."""
    return lambda x, *more: (
        [f(t) for t in ([*x] if isinstance(x, (list, tuple)) else [x, *more])]
        if more or isinstance(x, (list, tuple))
        else f(x)
    )


def _dropped(name: str) -> Callable:
    return lambda x, *args, **k: getattr(mg.nn.functional, name)(x, *args, **k)


ADAPTED: dict[str, Callable] = {  # PyTorch's form of the call, and ours
    **{n: _reduction(getattr(mg, n)) for n in ("sum", "mean", "nansum", "nanmean", "prod", "all", "any")},
    **{n: _scan(getattr(mg, f"cumulative_{n[3:]}")) for n in ("cumsum", "cumprod")},
    **{n: _scaled(getattr(mg, n)) for n in ("add", "sub")},
    "max": _pair(mg.max, mg.argmax), "min": _pair(mg.min, mg.argmin),
    "sort": _sorted, "argsort": lambda *args, **k: _sorted(*args, **k)[1],
    **{n: _spread(getattr(mg, n), 1) for n in ("std", "var", "std_mean", "var_mean")},
    "nn.functional.embedding": _embedding, "nn.functional.embedding_bag": _embedding_bag,
    "einsum": lambda tensors, subscripts: mg.einsum(subscripts, *tensors),
    "searchsorted": _sides, "bucketize": _bounds,
    "div": lambda x, other, *, rounding_mode=None: x.div(other) if rounding_mode is None else mg.floor_divide(x, other) if rounding_mode == "floor" else mg.trunc(mg.div(x, other)),
    "cdist": lambda x1, x2, p=2.0, compute_mode=None: mg.cdist(x1, x2, p),
    "diff": lambda x, n=1, dim=-1, prepend=None, append=None: mg.diff(x, n=n, axis=dim, prepend=prepend, append=append),
    "roll": lambda x, shifts, dims=None: mg.roll(x, shifts, axis=dims or None if not isinstance(dims, int) else dims),
    "split": lambda x, size, dim=0: mg.split_with_sizes(x, size, dim) if isinstance(size, (list, tuple)) else mg.unsafe_split(x, size, dim),
    "repeat": lambda x, *sizes: mg.tile(x, spelling._sizes(sizes)),
    "nonzero": lambda x, *, as_tuple=False: mg.nonzero(x) if as_tuple else mg.argwhere(x),
    "squeeze": lambda x, dim=None: mg.squeeze(x, tuple(i for i, n in enumerate(x.shape) if n == 1 and (dim is None or i in {d % x.ndim for d in ((dim,) if isinstance(dim, int) else dim)}))) if x.ndim else x,
    "where": lambda x, condition, y: mg.where(condition.astype(bool), x, y),
    "meshgrid": lambda *xs, indexing="ij": mg.meshgrid(*(xs[0] if isinstance(xs[0], (list, tuple)) else xs), indexing=indexing),
    **{n: _many(getattr(mg, n)) for n in ("atleast_1d", "atleast_2d", "atleast_3d")},
    "to": lambda x, *args, copy=False, **k: x.to(next((a for a in args if isinstance(a, (mg.Tensor, np.dtype))), None), **k),
    "index_select": lambda x, dim, index: mg.index_select(x, dim, index),
    "unfold": _windowed,
    "T": lambda x: x.T, "mT": lambda x: x.mT,
    "broadcast_tensors": lambda *xs: mg.broadcast_tensors(*(xs[0] if isinstance(xs[0], (list, tuple)) else xs)),
    "cartesian_prod": lambda *xs: mg.cartesian_prod(*(xs[0] if isinstance(xs[0], (list, tuple)) else xs)),
    "slice": lambda x, dim=0, start=None, end=None, step=1: x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)],
    "linalg.matrix_norm": lambda x, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None: mg.linalg.norm(x if dtype is None else x.astype(dtype), ord=ord, axis=tuple(dim), keepdims=keepdim),
    "linalg.eigh": _symmetric(mg.linalg.eigh), "linalg.eigvalsh": _symmetric(mg.linalg.eigvalsh),
    "linalg.solve": _solved,
    "linalg.vecdot": lambda x, y, *, dim=-1: mg.linalg.vecdot(x, y, axis=dim),
    "linalg.cross": lambda x, y, *, dim=-1: mg.linalg.cross(x, y, axis=dim),
    "cross": lambda x, y, dim=-1: mg.cross(x, y, axis=dim),
    "linalg.lstsq": lambda a, b, rcond=None, *, driver=None: mg.linalg.lstsq(a, b, rtol=rcond)[0],
    "linalg.pinv": lambda a, b=None, *, rtol=None, hermitian=False: mg.linalg.pinv(a if b is None else a @ b.mT, rtol=rtol),
    "linalg.qr": lambda x, mode="reduced": mg.linalg.qr(x, mode=mode),
    "linalg.diagonal": lambda x, *, offset=0, dim1=-2, dim2=-1: mg.diagonal(x, offset, dim1, dim2),
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: mg.diagonal(x, offset, dim1, dim2),
    "diag_embed": lambda x, offset=0, dim1=-2, dim2=-1: mg.diag_embed(x, offset, dim1, dim2),
    "diagflat": lambda x, offset=0: mg.diagflat(x, offset),
    "linspace": lambda start, end, steps, *, dtype=None: mg.linspace(start, end, steps) if dtype is None else mg.linspace(*(as_tensor(v).astype("d") for v in (start, end)), steps).astype(dtype),
    "polygamma": lambda x, n: mg.polygamma(n, x), "special.polygamma": lambda x, n: mg.special.polygamma(n, x),
    **{n: (lambda name: lambda x, q, dim=None, keepdim=False, *, interpolation="linear": getattr(mg, name)(x, q, dim, keepdim, method=interpolation))(n) for n in ("quantile", "nanquantile")},
    "softmax": lambda x, dim, dtype=None: mg.nn.functional.softmax(x, dim, dtype),
    "log_softmax": lambda x, dim, dtype=None: mg.nn.functional.log_softmax(x, dim, dtype),
    "tril_indices": lambda row, col, offset=0, dtype=None: mg.stack([*mg.tril_indices(row, offset, col)]),
    "triu_indices": lambda row, col, offset=0, dtype=None: mg.stack([*mg.triu_indices(row, offset, col)]),
    "__rdiv__": lambda x, other: other / x,
    "new_ones": lambda x, *size, **k: x.new_ones(*size, **k),
    "isin": lambda x, y, assume_unique=False, invert=False: mg.isin(x, y, invert=invert),
    "special.logsumexp": lambda x, dim, keepdim=False: mg.logsumexp(x, dim, keepdim),
}  # fmt: skip


def _with_first(change: Callable) -> Callable[[Callable], Callable]:
    return lambda f: lambda x, *args, **kwargs: f(change(x), *args, **kwargs)


def _transposed(x: Any) -> Any:
    return mg.matrix_transpose(x) if isinstance(x, mg.Tensor) else x.mT


PREPARED = {  # PyTorch's own wrappers of what only holds on symmetric input
    "gradcheck_wrapper_hermitian_input": _with_first(lambda x: x + _transposed(x)),
}


BEHIND = {  # what is given to a function first, so that its derivative is what PyTorch says it is
    "nn.functional.ctc_loss": lambda x: x.log_softmax(-1),
}


def _of_svd(r: Any) -> Any:
    """What no signs of pairs of vectors change, nor those that belong to no singular value."""
    u, s, vh = r
    k = s.shape[-1]
    u, vh = u[..., :k], vh[..., :k, :]
    return s, (u * s[..., None, :]) @ vh, u @ vh, u * u


INVARIANT: dict[str, Callable] = {
    "linalg.eigh": lambda r: (r[0], r[1] * r[1]),
    "svd": lambda r: _of_svd((r[0], r[1], r[2].mT)),
    "linalg.svd": _of_svd,
    "linalg.lstsq": lambda r: r[0] if isinstance(r, tuple) else r,
}  # functions of the results that do not depend on signs


def invariant(name: str, f: Callable) -> Callable:
    change = INVARIANT.get(name)
    return f if change is None else lambda *args, **kwargs: change(f(*args, **kwargs))
