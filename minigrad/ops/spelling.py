"""PyTorch's names for what has another name here, as data: functions of `mg`, methods of tensors, `nn.functional`.

A row is the name of a function of minigrad, which then gets the arguments as they are (keywords are in `keywords.py`);
or the call, in PyTorch's own parameters. Names are looked up when first used, so that a row costs nothing before. Where
the array API standard or NumPy mean something else by a name, theirs is meant (`CLASHES`), and what could be either raises.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from .. import random
from ..errors import named
from ..tape import Tensor, as_tensor, draw, effect, no_grad, state


class Public:
    """The public names of minigrad, each found when it is first asked for: `mg.sin`, `mg.linalg.norm`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(__package__.partition(".")[0]), name)


mg: Any = Public()


def swapped_axes(x: Any, a: int, b: int) -> Any:
    """x with two axes exchanged."""
    order = list(range(np.ndim(x)))
    order[a], order[b] = order[b], order[a]
    return mg.permute_dims(x, order)


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


def _integers(method: str, *args: Any) -> Tensor:
    return mg.tensor(draw(_draw, method, *args))


class _Recording:
    """`set_grad_enabled`: at once, and as a block, after which it is as before."""

    def __init__(self, mode: bool) -> None:
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
    "cat": lambda tensors, dim=0: mg.concat(tensors, axis=dim),
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
    "inference_mode": no_grad,
    "inverse": "linalg.inv",
    "is_grad_enabled": lambda: state.recording,
    "is_tensor": lambda obj: isinstance(obj, Tensor),
    "le": lambda input, other: as_tensor(input) <= other,
    "lerp": lambda input, end, weight: input + weight * (end - input),
    "logdet": lambda A: mg.linalg.slogdet(A)[1],
    "lt": lambda input, other: as_tensor(input) < other,
    "manual_seed": lambda seed: mg.seed(seed),
    "masked_fill": lambda input, mask, value: mg.where(mask, value, input),
    "masked_select": lambda input, mask: input[mask],
    "matrix_power": "linalg.matrix_power",
    "movedim": lambda input, source, destination: mg.moveaxis(input, source, destination),
    "narrow": lambda input, dim, start, length: _at(input, dim, slice(start, start + length)),
    "ne": lambda input, other: Tensor.__ne__(as_tensor(input), other),
    "numel": lambda input: input.size,
    "permute": lambda input, dims: mg.permute_dims(input, dims),
    "pinverse": "linalg.pinv",
    "rand": lambda *size, dtype=None, requires_grad=False: _drawn("random", size, dtype, requires_grad),
    "randint": lambda low, high, size=None: (
        _integers("integers", 0, low, high) if size is None else _integers("integers", low, high, size)
    ),
    "randn": lambda *size, dtype=None, requires_grad=False: _drawn("standard_normal", size, dtype, requires_grad),
    "randperm": lambda n: _integers("permutation", n),
    "rsqrt": lambda input: 1 / mg.sqrt(input),
    "select": lambda input, dim, index: _at(input, dim, index),
    "set_grad_enabled": lambda mode: _Recording(mode),
    "sgn": "sign",
    "slogdet": "linalg.slogdet",
    "swapdims": lambda input, dim0, dim1: swapped_axes(input, dim0, dim1),
    "t": lambda input: _turned(input),
    "transpose": lambda input, dim0, dim1: swapped_axes(input, dim0, dim1),
    "true_divide": "div",
    "unbind": lambda input, dim=0: tuple(_at(input, dim, i) for i in range(input.shape[dim])),
    "unsqueeze": lambda input, dim: mg.expand_dims(input, axis=dim),
    # dtypes
    "double": np.dtype("float64"),
    "float": np.dtype("float32"),
    "half": np.dtype("float16"),
    "int": np.dtype("int32"),
    "long": np.dtype("int64"),
    "short": np.dtype("int16"),
}


def _turned(x: Any) -> Any:
    if x.ndim > 2:
        raise ValueError(f"t: a tensor of shape {x.shape} has more than two axes; use mT, or transpose(a, b)")
    return x if x.ndim < 2 else x.T


# ---- methods -----------------------------------------------------------------------------------------------------

SAME = (  # methods that are the function of this name: `x.sin()` is `mg.sin(x)`
    "gather ravel swapaxes abs acos acosh addbmm addcdiv addcmul addmm addmv addr all allclose any argmax argmin argsort asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_not bitwise_or "
    "bitwise_xor bmm cbrt ceil clip copysign cos cosh count_nonzero cumulative_prod cumulative_sum deg2rad det diag diagonal "
    "diff digamma dist div dot equal erf erfc exp exp2 expm1 flatten flip float_power floor floor_divide fmax fmin fmod "
    "frac hypot imag inner isclose isfinite isinf isnan lgamma log log10 log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp "
    "logical_and logical_not logical_or logical_xor logit logsumexp matmul max maximum mean median min minimum moveaxis mm mul mv "
    "nan_to_num neg nonzero norm outer pow prod quantile rad2deg reciprocal relu remainder repeat_interleave roll round "
    "scatter scatter_add searchsorted sigmoid sign signbit sin sinc sinh softmax sort sqrt square std sub subtract sum "
    "take take_along_axis tan tanh tensordot tile topk trace tril triu trunc unflatten var vecdot xlogy add "
    "multiply divide negative masked_scatter index_add"
)
ALSO = (  # those of FUNCTIONS
    "absolute amax amin arccos arccosh arcsin arcsinh arctan arctan2 arctanh "
    "chunk clamp clamp_max clamp_min clone cumprod cumsum erfinv eq ge ger gt index_select inverse le lerp "
    "logdet lt masked_fill masked_select matrix_power movedim narrow ne numel pinverse rsqrt select "
    "sgn slogdet swapdims t true_divide unbind unsqueeze"
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
            "repeat: PyTorch's x.repeat(2, 3) lays copies side by side, NumPy's repeats each entry; write mg.tile(x, (2, 3)), "
            "or mg.repeat(x, 2, axis=…)"
        )
    return mg.repeat(x, *sizes, axis=axis)


def _split(x: Tensor, *_: Any, **__: Any) -> Any:
    raise TypeError(
        "split: PyTorch's x.split(2) gives pieces of length 2, NumPy's two pieces; write x.chunk(2) for two pieces, "
        "or index: x[:2], x[2:4]"
    )


def _transposed(x: Tensor, axes: tuple) -> Tensor:
    if len(axes) == 2 and all(isinstance(a, (int, np.integer)) for a in axes):
        return swapped_axes(x, *axes)
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


METHODS: dict[str, Any] = {
    "add_": lambda x, other, *, alpha=1: _written(x, x + alpha * other),
    "bool": lambda x: x.astype(bool),
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
    "numpy": lambda x: x.__array__(),
    "permute": lambda x, *dims: mg.permute_dims(x, _sizes(dims)),
    "repeat": lambda x, *repeats, axis=None: _repeat(x, repeats, axis),
    "requires_grad_": lambda x, requires_grad=True: _required(x, requires_grad),
    "reshape_as": lambda x, other: mg.reshape(x, other.shape),
    "split": _split,
    "squeeze": lambda x, axis=None: _squeezed(x, axis),
    "sub_": lambda x, other, *, alpha=1: _written(x, x - alpha * other),
    "to": lambda x, what=None, dtype=None: _to(x, what, dtype),
    "transpose": lambda x, *axes: _transposed(x, axes),
    "type": lambda x, dtype: x.astype(dtype),
    "type_as": lambda x, other: x.astype(other.dtype),
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
    "affine_grid alpha_dropout avg_pool1d avg_pool2d avg_pool3d bilinear binary_cross_entropy binary_cross_entropy_with_logits "
    "celu channel_shuffle conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d cosine_embedding_loss "
    "cosine_similarity cross_entropy elu embedding embedding_bag feature_alpha_dropout gaussian_nll_loss gelu glu grid_sample group_norm "
    "gumbel_softmax hardshrink hardsigmoid hardswish hardtanh hinge_embedding_loss huber_loss instance_norm interpolate kl_div "
    "l1_loss layer_norm leaky_relu local_response_norm log_softmax logsigmoid lp_pool1d lp_pool2d lp_pool3d margin_ranking_loss "
    "max_pool1d max_pool2d max_pool3d max_unpool1d max_unpool2d max_unpool3d mish mse_loss multi_margin_loss "
    "multilabel_margin_loss multilabel_soft_margin_loss nll_loss one_hot pairwise_distance pdist pixel_shuffle "
    "pixel_unshuffle poisson_nll_loss prelu relu relu6 rms_norm rrelu scaled_dot_product_attention selu sigmoid silu "
    "smooth_l1_loss soft_margin_loss softmax softmin softplus softshrink softsign tanh tanhshrink threshold "
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
    channels = x.shape[1]
    weight = np.ones(channels, x.dtype) if weight is None else weight
    bias = np.zeros(channels, x.dtype) if bias is None else bias
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


def _dropped(name: str, x: Any, p: float, training: bool) -> Any:
    return getattr(mg, name)(x, p, training=training)


FUNCTIONAL: dict[str, Any] = {
    "normalize": lambda input, p=2.0, dim=1, eps=1e-12: mg.lp_normalize(input, p, dim, eps),
    "batch_norm": lambda input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05: (
        _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    ),
    "dropout": lambda input, p=0.5, training=True, inplace=False: _dropped("dropout", input, p, training),
    "dropout1d": lambda input, p=0.5, training=True, inplace=False: _dropped("dropout1d", input, p, training),
    "dropout2d": lambda input, p=0.5, training=True, inplace=False: _dropped("dropout2d", input, p, training),
    "dropout3d": lambda input, p=0.5, training=True, inplace=False: _dropped("dropout3d", input, p, training),
    "fold": "fold_columns",
    "linear": lambda input, weight, bias=None: _linear(input, weight, bias),
    "pad": "pad_last",
    "unfold": "unfold_columns",
    **dict(zip(FUNCTIONAL_SAME.split(), FUNCTIONAL_SAME.split())),
}
IGNORED = {"inplace", "_stacklevel"}  # what changes no value
OLD = {"size_average", "reduce"}  # PyTorch's old spellings of `reduction`


@functools.cache
def functional(name: str) -> Callable:
    """PyTorch's `nn.functional.<name>`. Raises KeyError for others; AttributeError if it is not there yet."""
    f = found(name, FUNCTIONAL[name])

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for k in OLD & kwargs.keys():
                if kwargs[k] is not None:
                    raise TypeError(f"{name}: {k}= is PyTorch's old spelling; use reduction='mean', 'sum' or 'none'")
            kwargs = {k: v for k, v in kwargs.items() if k not in IGNORED | OLD}
        return f(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call
