"""One valid call of every public name, from which wrong ones are made: add a name, add a row.

A row makes the call anew: the function, its arguments, its keyword arguments. Names of subpackages are dotted paths,
and methods stand under "Tensor.". What makes no call (constants, types of results, modules) is listed as such.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING
from types import SimpleNamespace
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import data, fft, lab, linalg, nn, optim, special, train, viz
from minigrad.nn.function import Function

F32 = np.float32
Call = tuple[Callable, tuple, dict[str, Any]]


def call(f: Callable, *args: Any, **kwargs: Any) -> Call:
    return f, args, kwargs


def x(*shape: int, dtype: Any = np.float64) -> mg.Tensor:
    """Positive numbers, none equal to another."""
    n = math.prod(shape)
    return mg.tensor(np.linspace(0.2, 0.9, n).reshape(shape).astype(dtype), requires_grad=True)


def well(n: int) -> mg.Tensor:
    """A matrix far from singular."""
    return mg.tensor(np.eye(n) + np.linspace(0.1, 0.2, n), requires_grad=True)


def net() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3, rng=0))


def normed() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3, rng=0), nn.BatchNorm1d(3))


def images(n: int = 6) -> np.ndarray:
    return np.linspace(0, 1, n * 4, dtype=F32).reshape(n, 1, 2, 2)


def loader(classes: int = 3) -> data.Loader:
    return data.Loader(data.Dataset(images(), np.arange(6) % max(classes, 1)), 3, shuffle=False)


def streams() -> data.Streams:
    return data.Streams(0, epoch=0, samples=np.arange(6))


def leaf() -> mg.Tensor:
    p = x(3)
    p.grad = np.ones(3)
    return p


def square(p: Any) -> mg.Tensor:
    return mg.sum(mg.mul(p, p))


def print_nothing(*_: Any) -> None:
    pass


def run(transform: Any) -> Any:
    return transform(images(), streams())


RECORDS = [
    {"epoch": i, "loss": 1.0 / (i + 1), "accuracy": 0.5, "test_loss": 1.0, "test_accuracy": 0.4} for i in range(2)
]
RATES = SimpleNamespace(rates=np.array([0.1, 0.2]), losses=np.ones(2), smoothed=np.array([1.0, 0.5]), suggestion=0.1)
PROBS, LABELS = np.full((4, 2), 0.5), np.array([0, 1, 0, 1])

IMAGE = (2, 2, 4, 4)
UNARY = "abs digamma erf erfc hardsigmoid hardswish lgamma logsigmoid mish relu6 selu softsign tanhshrink acos asin asinh atan atanh cbrt ceil conj cos cosh deg2rad exp2 floor frac frexp imag isfinite isinf isnan isneginf isposinf isreal log10 log2 logical_not logit nan_to_num positive rad2deg real reciprocal round rsqrt sign signbit sinc sinh square tan trunc elu exp expm1 gelu leaky_relu log log1p neg relu sigmoid silu sin softplus sqrt tanh"
BINARY = "float_power allclose array_equal atan2 copysign equal floor_divide fmax fmin fmod greater greater_equal heaviside hypot isclose ldexp less less_equal logaddexp logaddexp2 logical_and logical_or logical_xor nextafter not_equal remainder xlog1py xlogy add div maximum minimum mul power sub"
MATRIX = "diag diag_embed diagflat diagonal norm pdist trace tril triu"
LINALG = (
    "cholesky cholesky_inverse cond det diagonal eigh eigvalsh inv logdet lu matrix_exp matrix_norm matrix_rank "
    "matrix_transpose norm pinv qr slogdet svd svdvals trace vander vector_norm"
)
REDUCE = "logsumexp max mean min std sum var"


def whole(*shape: int) -> mg.Tensor:
    """Positive integers."""
    return mg.tensor(np.arange(1, 1 + math.prod(shape)).reshape(shape))


def each(names: str, *args: Callable, **kwargs: Any) -> dict[str, Callable]:
    """The same call of several methods, its arguments made anew."""
    return {n: lambda f: call(f, *[a() for a in args], **kwargs) for n in names.split()}


ONE, TWO, SQUARE = (lambda: x(2, 3)), (lambda: x(3)), (lambda: x(3, 3))
METHODS: dict[str, Callable] = {  # of tensors, beside those that have a row of their own; rows that are not bound do no harm
    **each("absolute acos arccos arcsin arcsinh arctan arctanh asin asinh atan atanh cbrt ceil clone contiguous copy cos cosh", ONE),
    **each("cpu deg2rad dim digamma double erf erfc erfinv exp2 expm1 float floor frac half int is_floating_point isfinite isinf", ONE),
    **each("isnan lgamma log10 log1p log2 logical_not logit long nan_to_num neg negative nelement nonzero numel ravel", ONE),
    **each("rad2deg reciprocal requires_grad_ round rsqrt sgn sign signbit sin sinc sinh square squeeze tan t transpose tril triu trunc bool", ONE),
    **each("add arctan2 atan2 copysign div divide eq equal float_power floor_divide fmax fmin fmod ge gt hypot isclose le logaddexp", ONE, TWO),
    **each("logaddexp2 logical_and logical_or logical_xor lt maximum minimum mul multiply ne pow remainder sub subtract true_divide", ONE, TWO),
    **each("xlogy allclose dist", ONE, TWO),
    **each("bitwise_and bitwise_or bitwise_xor", lambda: whole(2, 3), lambda: whole(3)),
    "bitwise_not": lambda f: call(f, whole(2, 3)),
    "cumulative_prod": lambda f: call(f, x(2, 3), axis=1),
    "cumulative_sum": lambda f: call(f, x(2, 3), axis=1),
    "index_add": lambda f: call(f, x(2, 3), 1, np.array([0, 2]), x(2, 2)),
    "to_device": lambda f: call(f, x(2, 3), "cpu"),
    **each("acosh arccosh", lambda: x(2, 3) + 1.0),
    **each("imag real", ONE),
    "addmv": lambda f: call(f, x(3), x(3, 3), x(3)),
    "addr": lambda f: call(f, x(3, 3), x(3), x(3)),
    "addbmm": lambda f: call(f, x(3, 3), x(2, 3, 3), x(2, 3, 3)),
    **each("amax amin argmin argsort count_nonzero diff flip log_softmax median norm prod softmax sort", ONE),
    **each("cumprod cumsum logcumsumexp unbind unsqueeze", ONE, lambda: 1),
    **each("cumulative_prod cumulative_sum", ONE, axis=1),
    **each("to_device", ONE, lambda: "cpu"),
    **each("index_add", ONE, lambda: 1, lambda: np.array([0, 2]), lambda: x(2, 2)),
    **each("det inverse logdet slogdet diag trace diagonal", SQUARE),
    "matrix_power": lambda f: call(f, x(3, 3), 2),
    **each("matmul mm", SQUARE, SQUARE),
    **each("mv", SQUARE, TWO),
    **each("dot inner outer ger vecdot", TWO, TWO),
    "bmm": lambda f: call(f, x(2, 3, 3), x(2, 3, 3)),
    "addmm": lambda f: call(f, x(3, 3), x(3, 3), x(3, 3)),
    "baddbmm": lambda f: call(f, x(2, 3, 3), x(2, 3, 3), x(2, 3, 3)),
    **each("addcdiv addcmul", ONE, ONE, ONE),
    "lerp": lambda f: call(f, x(3), x(3), 0.5),
    "pinverse": lambda f: call(f, x(3, 2)),
    **each("add_ copy_ div_ fill_ mul_ sub_", lambda: x(3).detach(), lambda: 2.0),
    "zero_": lambda f: call(f, x(3).detach()),
    **each("chunk narrow select", ONE, lambda: 0, lambda: 0, lambda: 1),
    "chunk": lambda f: call(f, x(2, 3), 2, 1),
    "narrow": lambda f: call(f, x(2, 3), 1, 0, 2),
    "select": lambda f: call(f, x(2, 3), 1, 0),
    "clamp": lambda f: call(f, x(3), 0.3, 0.6),
    **each("clamp_max clamp_min", TWO, lambda: 0.5),
    "expand": lambda f: call(f, x(3), 2, -1),
    **each("expand_as reshape_as type_as view_as", ONE, ONE),
    **each("gather take_along_axis", ONE, lambda: 1, lambda: np.array([[0, 1], [2, 0]])),
    "take_along_axis": lambda f: call(f, x(2, 3), np.array([[0, 1], [2, 0]]), axis=1),
    "index_select": lambda f: call(f, x(2, 3), 1, np.array([0, 2])),
    "take": lambda f: call(f, x(2, 3), np.array([0, 2]), axis=1),
    "masked_fill": lambda f: call(f, x(3), np.array([True, False, True]), 0.5),
    "masked_select": lambda f: call(f, x(3), np.array([True, False, True])),
    **each("movedim moveaxis swapaxes swapdims", ONE, lambda: 0, lambda: 1),
    "numpy": lambda f: call(f, x(3).detach()),
    "permute": lambda f: call(f, x(2, 3), 1, 0),
    "quantile": lambda f: call(f, x(3), 0.5),
    **each("repeat", TWO, lambda: 2, axis=0),
    "repeat_interleave": lambda f: call(f, x(3), 2),
    "roll": lambda f: call(f, x(3), 1),
    "searchsorted": lambda f: call(f, x(3), x(2)),
    "split": lambda f: call(lambda x: x.chunk(2), x(4)),
    "tensordot": lambda f: call(f, x(3, 3), x(3, 3), axes=1),
    "tile": lambda f: call(f, x(3), (2,)),
    "to": lambda f: call(f, x(3), "float32"),
    "topk": lambda f: call(f, x(3), 2),
    "type": lambda f: call(f, x(3), "float32"),
    "unflatten": lambda f: call(f, x(6), 0, (2, 3)),
    "view": lambda f: call(f, x(2, 3), 3, 2),
    "where": lambda f: call(f, x(3), np.array([True, False, True]), 0.5),
    **each("scatter scatter_add", ONE, lambda: 1, lambda: np.array([[0, 1], [2, 0]]), lambda: x(2, 2)),
    **each("bernoulli byte char mvlgamma retain_grad short unique unique_consecutive", ONE),
    "mvlgamma": lambda f: call(f, x(2, 3) + 1.0, 2),
    "bernoulli": lambda f: call(f, x(2, 3).detach()),
    "multinomial": lambda f: call(f, x(4).detach(), 2),
    **each("cholesky matrix_exp qr svd", lambda: well(3)),
    **each("gcd lcm", lambda: whole(2, 3), lambda: whole(3)),
    **each("igamma igammac", lambda: x(3).detach(), TWO),
    "histc": lambda f: call(f, x(5).detach(), 2, 0.0, 1.0),
    **each("hsplit tensor_split vsplit", lambda: x(4, 4), lambda: 2),
    "dsplit": lambda f: call(f, x(1, 2, 4), 2),
    "split_with_sizes": lambda f: call(f, x(2, 3), (1, 2), 1),
    "diagonal_scatter": lambda f: call(f, x(3, 3), x(2), 1),
    "index_copy": lambda f: call(f, x(2, 3), 1, np.array([0, 2]), x(2, 2)),
    "index_fill": lambda f: call(f, x(2, 3), 1, np.array([0, 2]), 0.5),
    "index_put": lambda f: call(f, x(2, 3), (np.array([0, 1]), np.array([2, 0])), x(2)),
    "index_reduce": lambda f: call(f, x(2, 3), 1, np.array([0, 2]), x(2, 2), "mean"),
    "masked_scatter": lambda f: call(f, x(3), np.array([True, False, True]), x(2)),
    "put": lambda f: call(f, x(2, 3), np.array([0, 5]), x(2)),
    "scatter_reduce": lambda f: call(f, x(2, 3), 1, np.array([[0], [2]]), x(2, 1), "amax"),
    "select_scatter": lambda f: call(f, x(2, 3), x(2), 1, 0),
    "slice_scatter": lambda f: call(f, x(2, 3), x(2, 2), 1, 0, 2),
    "sum_to_size": lambda f: call(f, x(2, 3), 1, 3),
    "take_along_dim": lambda f: call(f, x(2, 3), np.array([[0, 1], [2, 0]]), 1),
    "unfold": lambda f: call(f, x(2, 3), 1, 2, 1),
    "new_full": lambda f: call(f, x(2), (2, 3), 0.5),
    **each("new_ones new_zeros", ONE, lambda: 2, lambda: 3),
    "new_tensor": lambda f: call(f, x(2), [1.0, 2.0]),
}  # fmt: skip
METHODS = {n: row for n, row in METHODS.items() if hasattr(mg.Tensor, n)}

CALLS: dict[str, Callable[[], Call]] = {
    # creation
    "arange": lambda: call(mg.arange, 0, 4, 1),
    "asarray": lambda: call(mg.asarray, np.ones(2)),
    "astype": lambda: call(mg.astype, x(2), "float32"),
    "can_cast": lambda: call(mg.can_cast, np.float32, np.float64),
    "eye": lambda: call(mg.eye, 2, 3, k=1),
    "finfo": lambda: call(mg.finfo, np.float32),
    "from_dlpack": lambda: call(mg.from_dlpack, np.ones(2)),
    "full": lambda: call(mg.full, (2, 3), 1.5),
    "full_like": lambda: call(mg.full_like, x(2), 1.5),
    "iinfo": lambda: call(mg.iinfo, np.int32),
    "isdtype": lambda: call(mg.isdtype, np.dtype("f4"), "real floating"),
    "linspace": lambda: call(mg.linspace, 0.0, 1.0, 3),
    "meshgrid": lambda: call(mg.meshgrid, x(2), x(3)),
    "result_type": lambda: call(mg.result_type, np.float32, x(2)),
    **{n: lambda n=n: call(getattr(mg, n), (2, 3)) for n in ["zeros", "ones", "empty"]},
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3)) for n in ["zeros_like", "ones_like", "empty_like"]},
    # layout
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3)) for n in ["atleast_1d", "atleast_2d", "atleast_3d", "flip", "fliplr", "flipud", "ravel", "rot90"]},
    **{n: lambda n=n: call(getattr(mg, n), [x(2, 3), x(2, 3)]) for n in ["column_stack", "dstack", "hstack", "vstack"]},
    "broadcast_arrays": lambda: call(mg.broadcast_arrays, x(2, 1), x(3)),
    "broadcast_shapes": lambda: call(mg.broadcast_shapes, (2, 1), (3,)),
    "moveaxis": lambda: call(mg.moveaxis, x(2, 3), 0, 1),
    "repeat": lambda: call(mg.repeat, x(2, 3), 2, axis=0),
    "roll": lambda: call(mg.roll, x(2, 3), 1, axis=0),
    "split": lambda: call(mg.split, x(2, 4), 2, 1),
    "swapaxes": lambda: call(mg.swapaxes, x(2, 3), 0, 1),
    "tile": lambda: call(mg.tile, x(2, 3), (2, 1)),
    "unflatten": lambda: call(mg.unflatten, x(2, 4), 1, (2, 2)),
    "unstack": lambda: call(mg.unstack, x(2, 3), axis=1),
    # places
    "gather": lambda: call(mg.gather, x(2, 3), 1, np.array([[0], [2]])),
    "index_add": lambda: call(mg.index_add, x(2, 3), 1, np.array([0, 2]), x(2, 2)),
    "index_copy": lambda: call(mg.index_copy, x(2, 3), 1, np.array([0, 2]), x(2, 2)),
    "index_fill": lambda: call(mg.index_fill, x(2, 3), 1, np.array([0, 2]), 0.5),
    "one_hot": lambda: call(mg.one_hot, np.array([0, 2]), 3),
    "scatter": lambda: call(mg.scatter, x(2, 3), 1, np.array([[0], [2]]), x(2, 1)),
    "scatter_add": lambda: call(mg.scatter_add, x(2, 3), 1, np.array([[0], [2]]), x(2, 1)),
    "scatter_reduce": lambda: call(mg.scatter_reduce, x(2, 3), 1, np.array([[0], [2]]), x(2, 1), "amax", include_self=True),
    "index_reduce": lambda: call(mg.index_reduce, x(2, 3), 1, np.array([0, 2]), x(2, 2), "mean", include_self=True),
    "take": lambda: call(mg.take, x(2, 3), np.array([0, 1]), axis=1),
    "take_along_axis": lambda: call(mg.take_along_axis, x(2, 3), np.array([[0], [2]]), axis=1),
    # order
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3)) for n in ["argsort", "sort", "msort", "nonzero", "argwhere", "count_nonzero", "mode", "unique_all", "unique_counts", "unique_inverse", "unique_values"]},
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3), 1) for n in ["argmax", "argmin", "median", "nanmedian"]},
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3), 0.3, 1) for n in ["quantile", "nanquantile"]},
    "bincount": lambda: call(mg.bincount, np.array([0, 2, 2])),
    "bucketize": lambda: call(mg.bucketize, x(2, 3), np.array([0.3, 0.6])),
    "isin": lambda: call(mg.isin, x(2, 3), x(2)),
    "kthvalue": lambda: call(mg.kthvalue, x(2, 3), 2, 1),
    **{n: lambda n=n: call(getattr(mg, n), whole(2, 3), whole(3)) for n in ["gcd", "lcm"]},
    "bitwise_count": lambda: call(mg.bitwise_count, whole(3)),
    "searchsorted": lambda: call(mg.searchsorted, np.array([0.3, 0.6]), x(2, 3)),
    "topk": lambda: call(mg.topk, x(2, 3), 2, 1),
    # statistics
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3)) for n in ["aminmax", "average", "cov", "corrcoef", "prod", "trapezoid", "cumulative_trapezoid", "diff"]},
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3), 1) for n in ["cummax", "cummin", "logcumsumexp", "nanmean", "nansum", "std_mean", "var_mean"]},
    "cumulative_sum": lambda: call(mg.cumulative_sum, x(2, 3), axis=1),
    "cumulative_prod": lambda: call(mg.cumulative_prod, x(2, 3), axis=1),
    "renorm": lambda: call(mg.renorm, x(2, 3), 2.0, 0, 0.5),
    "embedding": lambda: call(mg.embedding, np.array([1, 0]), x(3, 2), 0),
    "embedding_bag": lambda: call(mg.embedding_bag, np.array([[1, 0]]), x(3, 2)),
    "group_norm": lambda: call(mg.group_norm, x(2, 4, 3), 2, x(4), x(4), 1e-5),
    "instance_norm": lambda: call(mg.instance_norm, x(2, 4, 3)),
    "layer_norm": lambda: call(mg.layer_norm, x(2, 3), 3, x(3), x(3), 1e-5),
    "local_response_norm": lambda: call(mg.local_response_norm, x(2, 4, 3), 2, 1e-4, 0.75, 1.0),
    "rms_norm": lambda: call(mg.rms_norm, x(2, 3), 3, x(3), 1e-5),
    "scaled_dot_product_attention": lambda: call(mg.scaled_dot_product_attention, x(2, 3), x(4, 3), x(4, 2)),
    **{
        f"{n}_loss": lambda n=n: call(getattr(mg, f"{n}_loss"), x(2, 3), x(2, 3))
        for n in ["l1", "smooth_l1", "huber", "hinge_embedding", "soft_margin", "multilabel_soft_margin", "poisson_nll"]
    },
    "binary_cross_entropy": lambda: call(mg.binary_cross_entropy, x(2, 3), x(2, 3)),
    "binary_cross_entropy_with_logits": lambda: call(mg.binary_cross_entropy_with_logits, x(2, 3), x(2, 3)),
    "cosine_embedding_loss": lambda: call(mg.cosine_embedding_loss, x(2, 3), x(2, 3), np.array([1, -1]), 0.1),
    "cosine_similarity": lambda: call(mg.cosine_similarity, x(2, 3), x(2, 3), 1, 1e-8),
    "ctc_loss": lambda: call(mg.ctc_loss, x(4, 2, 3), np.array([[1, 2], [2, 2]]), [4, 4], [2, 2], 0),
    "gaussian_nll_loss": lambda: call(mg.gaussian_nll_loss, x(2, 3), x(2, 3), x(2, 1)),
    "kl_div": lambda: call(mg.kl_div, x(2, 3), x(2, 3)),
    "margin_ranking_loss": lambda: call(mg.margin_ranking_loss, x(3), x(3), np.array([1, -1, 1]), 0.1),
    "multi_margin_loss": lambda: call(mg.multi_margin_loss, x(2, 3), np.array([2, 0]), 1, 1.0),
    "multilabel_margin_loss": lambda: call(mg.multilabel_margin_loss, x(2, 3), np.array([[2, -1, 0], [0, 1, -1]])),
    "nll_loss": lambda: call(mg.nll_loss, x(4, 3), np.array([2, 0, 1, 2])),
    "pairwise_distance": lambda: call(mg.pairwise_distance, x(2, 3), x(2, 3), 2.0, 1e-6),
    "triplet_margin_loss": lambda: call(mg.triplet_margin_loss, x(2, 3), x(2, 3), x(2, 3), 1.0),
    "triplet_margin_with_distance_loss": lambda: call(mg.triplet_margin_with_distance_loss, x(2, 3), x(2, 3), x(2, 3)),
    "celu": lambda: call(mg.celu, x(2, 3), 0.5),
    "glu": lambda: call(mg.glu, x(2, 4), 1),
    "hardshrink": lambda: call(mg.hardshrink, x(2, 3), 0.4),
    "hardtanh": lambda: call(mg.hardtanh, x(2, 3), 0.3, 0.6),
    "prelu": lambda: call(mg.prelu, x(2, 3), x(3)),
    "rrelu": lambda: call(mg.rrelu, x(2, 3), 0.1, 0.3, True, rng=0),
    "softshrink": lambda: call(mg.softshrink, x(2, 3), 0.4),
    "threshold": lambda: call(mg.threshold, x(2, 3), 0.4, 0.1),
    "all": lambda: call(mg.all, np.array([[True, False]]), 1),
    "any": lambda: call(mg.any, np.array([[True, False]]), 1),
    "acosh": lambda: call(mg.acosh, np.array([1.5, 2.0])),
    **{n: lambda n=n: call(getattr(mg, n), np.arange(3)) for n in ["bitwise_count", "bitwise_invert"]},
    **{n: lambda n=n: call(getattr(mg, n), np.array([4, 6]), np.array([6, 2])) for n in ["gcd", "lcm"]},
    **{f"bitwise_{n}": lambda n=n: call(getattr(mg, f"bitwise_{n}"), np.arange(3), np.array([1, 2, 0])) for n in ["and", "or", "xor", "left_shift", "right_shift"]},
    "addcmul": lambda: call(mg.addcmul, x(2, 3), x(2, 3), x(3), value=0.5),
    "addcdiv": lambda: call(mg.addcdiv, x(2, 3), x(2, 3), x(3), value=0.5),
    "lerp": lambda: call(mg.lerp, x(2, 3), x(2, 3), 0.5),
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3)) for n in UNARY.split()},
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3), x(3)) for n in BINARY.split()},
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3), axis=1) for n in REDUCE.split()},
    "affine": lambda: call(mg.affine, x(2, 3), x(4, 3), x(4)),
    "avg_pool2d": lambda: call(mg.avg_pool2d, x(*IMAGE), 2),
    "batch_norm": lambda: call(mg.batch_norm, x(4, 3), x(3), x(3)),
    "broadcast_to": lambda: call(mg.broadcast_to, x(3), shape=(2, 3)),
    "clip": lambda: call(mg.clip, x(3), 0.3, 0.6),
    "concat": lambda: call(mg.concat, [x(2, 3), x(1, 3)], 0),
    "conv2d": lambda: call(mg.conv2d, x(*IMAGE), x(2, 2, 3, 3), x(2)),
    "crop": lambda: call(mg.crop, x(3, 4), [(1, 0), (1, 1)]),
    "cross_entropy": lambda: call(mg.cross_entropy, x(4, 3), np.array([2, 0, 1, 2])),
    "dropout": lambda: call(mg.dropout, x(3), 0.5, rng=0),
    "dropout2d": lambda: call(mg.dropout2d, x(*IMAGE), 0.5, rng=0),
    "expand_dims": lambda: call(mg.expand_dims, x(3), 0),
    "flatten": lambda: call(mg.flatten, x(2, 3, 4), 1),
    "fold": lambda: call(mg.fold, x(1, 1, 2, 2, 3, 3), 4),
    "fractional_max_pool2d": lambda: call(mg.fractional_max_pool2d, x(*IMAGE), 2, rng=0),
    "global_avg_pool2d": lambda: call(mg.global_avg_pool2d, x(*IMAGE)),
    "lp_normalize": lambda: call(mg.lp_normalize, x(2, 3)),
    "log_softmax": lambda: call(mg.log_softmax, x(2, 3), -1),
    "matmul": lambda: call(mg.matmul, x(2, 3), x(3, 4)),
    "matrix_transpose": lambda: call(mg.matrix_transpose, x(2, 3)),
    "max_pool2d": lambda: call(mg.max_pool2d, x(*IMAGE), 2),
    "mse_loss": lambda: call(mg.mse_loss, x(2, 3), x(2, 3)),
    "pad": lambda: call(mg.pad, x(2, 3), [(1, 0), (1, 1)]),
    "permute_dims": lambda: call(mg.permute_dims, x(2, 3), (1, 0)),
    "reshape": lambda: call(mg.reshape, x(2, 3), (3, 2)),
    "softmax": lambda: call(mg.softmax, x(2, 3), -1),
    "squeeze": lambda: call(mg.squeeze, x(1, 3), 0),
    "stack": lambda: call(mg.stack, [x(3), x(3)], 0),
    "sum_to": lambda: call(mg.sum_to, x(2, 3), shape=(3,)),
    "tensor": lambda: call(mg.tensor, [1.0, 2.0]),
    "unfold": lambda: call(mg.unfold, x(*IMAGE), 2),
    "where": lambda: call(mg.where, np.array([True, False, True]), x(2, 3), x(3)),
    # images: convolution, pooling, resizing
    "conv1d": lambda: call(mg.conv1d, x(2, 2, 5), x(3, 2, 3), x(3)),
    "conv3d": lambda: call(mg.conv3d, x(1, 2, 3, 3, 3), x(2, 2, 2, 2, 2), x(2)),
    "conv_transpose1d": lambda: call(mg.conv_transpose1d, x(2, 2, 3), x(2, 3, 3), x(3)),
    "conv_transpose2d": lambda: call(mg.conv_transpose2d, x(2, 2, 3, 3), x(2, 3, 2, 2), x(3)),
    "conv_transpose3d": lambda: call(mg.conv_transpose3d, x(1, 1, 2, 2, 2), x(1, 2, 2, 2, 2), x(2)),
    "unfold_columns": lambda: call(mg.unfold_columns, x(*IMAGE), 2),
    "fold_columns": lambda: call(mg.fold_columns, x(1, 8, 9), 4, 2),
    **{f"max_pool{d}d": lambda d=d: call(getattr(mg, f"max_pool{d}d"), x(2, 2, *[4] * d), 2) for d in (1, 3)},
    **{f"avg_pool{d}d": lambda d=d: call(getattr(mg, f"avg_pool{d}d"), x(2, 2, *[4] * d), 2) for d in (1, 3)},
    **{
        f"adaptive_{k}_pool{d}d": lambda k=k, d=d: call(getattr(mg, f"adaptive_{k}_pool{d}d"), x(2, 2, *[5] * d), 2)
        for k in ("avg", "max")
        for d in (1, 2, 3)
    },
    **{f"lp_pool{d}d": lambda d=d: call(getattr(mg, f"lp_pool{d}d"), x(2, 2, *[4] * d), 2, 2) for d in (1, 2, 3)},
    **{
        f"max_unpool{d}d": lambda d=d: call(getattr(mg, f"max_unpool{d}d"), x(1, 2, *[1] * d), np.ones((1, 2, *[1] * d), int), 2)
        for d in (1, 2, 3)
    },
    "affine_grid": lambda: call(mg.affine_grid, x(1, 2, 3), (1, 1, 2, 3)),
    "channel_shuffle": lambda: call(mg.channel_shuffle, x(1, 4, 2, 2), 2),
    "grid_sample": lambda: call(mg.grid_sample, x(*IMAGE), x(2, 3, 3, 2)),
    "interpolate": lambda: call(mg.interpolate, x(*IMAGE), scale_factor=2),
    "pad_last": lambda: call(mg.pad_last, x(2, 3), (1, 0)),
    "pixel_shuffle": lambda: call(mg.pixel_shuffle, x(1, 4, 2, 2), 2),
    "pixel_unshuffle": lambda: call(mg.pixel_unshuffle, x(*IMAGE), 2),
    "upsample": lambda: call(mg.upsample, x(*IMAGE), 3),
    "upsample_bilinear": lambda: call(mg.upsample_bilinear, x(*IMAGE), 3),
    "upsample_nearest": lambda: call(mg.upsample_nearest, x(*IMAGE), 3),
    # products, parts of matrices, distances, linear algebra
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3), x(2, 3)) for n in ("cdist", "dist", "inner", "kron", "outer", "vdot")},
    **{n: lambda n=n: call(getattr(mg, n), x(3, 3)) for n in MATRIX.split()},
    "addbmm": lambda: call(mg.addbmm, x(2, 2), x(2, 2, 3), x(2, 3, 2), beta=2, alpha=0.5),
    "addmm": lambda: call(mg.addmm, x(2, 2), x(2, 3), x(3, 2), beta=2, alpha=0.5),
    "addmv": lambda: call(mg.addmv, x(2), x(2, 3), x(3), beta=2, alpha=0.5),
    "addr": lambda: call(mg.addr, x(2, 3), x(2), x(3), beta=2, alpha=0.5),
    "baddbmm": lambda: call(mg.baddbmm, x(2, 2, 2), x(2, 2, 3), x(2, 3, 2), beta=2, alpha=0.5),
    "block_diag": lambda: call(mg.block_diag, x(2, 2), x(3)),
    "bmm": lambda: call(mg.bmm, x(2, 2, 3), x(2, 3, 2)),
    "cross": lambda: call(mg.cross, x(2, 3), x(2, 3), axis=-1),
    "dot": lambda: call(mg.dot, x(2, 3), x(3, 2)),
    "einsum": lambda: call(mg.einsum, "ij,jk", x(2, 3), x(3, 2)),
    "mm": lambda: call(mg.mm, x(2, 3), x(3, 2)),
    "mv": lambda: call(mg.mv, x(2, 3), x(3)),
    "tensordot": lambda: call(mg.tensordot, x(2, 3), x(3, 2), axes=1),
    "tril_indices": lambda: call(mg.tril_indices, 3, 1, 2),
    "triu_indices": lambda: call(mg.triu_indices, 3, 1, 2),
    "vecdot": lambda: call(mg.vecdot, x(2, 3), x(2, 3), axis=0),
    **{
        f"linalg.{n}": lambda n=n: call(getattr(linalg, n), well(3))
        for n in LINALG.split()
    },
    "fft.fftfreq": lambda: call(fft.fftfreq, 4, d=0.5),
    "fft.fftshift": lambda: call(fft.fftshift, x(2, 3), axes=1),
    "fft.ifftshift": lambda: call(fft.ifftshift, x(2, 3), axes=1),
    "fft.rfftfreq": lambda: call(fft.rfftfreq, 4, d=0.5),
    "signal.windows": lambda: call(mg.signal.windows.kaiser, 4, beta=2.0),
    "linalg.cholesky_solve": lambda: call(linalg.cholesky_solve, x(3, 2), well(3), upper=True),
    "linalg.cross": lambda: call(linalg.cross, x(2, 3), x(2, 3), axis=-1),
    "linalg.householder_product": lambda: call(linalg.householder_product, x(3, 2), x(2)),
    "linalg.lstsq": lambda: call(linalg.lstsq, well(3), x(3), rtol=0.1),
    "linalg.matmul": lambda: call(linalg.matmul, x(2, 3), x(3, 4)),
    "linalg.matrix_power": lambda: call(linalg.matrix_power, well(3), 3),
    "linalg.multi_dot": lambda: call(linalg.multi_dot, [x(2, 3), x(3, 4), x(4)]),
    "linalg.outer": lambda: call(linalg.outer, x(2), x(3)),
    "linalg.solve": lambda: call(linalg.solve, well(3), x(3)),
    "linalg.solve_triangular": lambda: call(linalg.solve_triangular, well(3), x(3, 2), upper=True),
    "linalg.tensordot": lambda: call(linalg.tensordot, x(2, 3), x(3, 2), axes=1),
    "linalg.tensorinv": lambda: call(linalg.tensorinv, well(4).reshape(2, 2, 4), 2),
    "linalg.tensorsolve": lambda: call(linalg.tensorsolve, well(4).reshape(2, 2, 4), x(2, 2)),
    "linalg.vecdot": lambda: call(linalg.vecdot, x(2, 3), x(2, 3), axis=0),
    # special functions, under the names of that chapter
    **{
        f"special.{n}": lambda n=n: call(getattr(special, n), x(2, 3))
        for n in special.__all__
        if n not in ("gammainc", "gammaincc", "multigammaln", "polygamma", "xlog1py", "xlogy", "zeta")
        and "polynomial" not in n
    },
    **{f"special.{n}": lambda n=n: call(getattr(special, n), x(2, 3), np.array([0, 1, 2])) for n in special.__all__ if "polynomial" in n},
    "special.zeta": lambda: call(special.zeta, x(2, 3).detach() + 1.0, x(3)),
    **{f"special.{n}": lambda n=n: call(getattr(special, n), x(2, 3).detach(), x(3)) for n in ["gammainc", "gammaincc", "xlog1py", "xlogy"]},
    "special.multigammaln": lambda: call(special.multigammaln, x(2, 3) + 1.0, 2),
    "special.polygamma": lambda: call(special.polygamma, 1, x(2, 3)),
    # PyTorch's functions that are no method of tensors
    "as_tensor": lambda: call(mg.as_tensor, np.ones(2), np.float32),
    "bernoulli": lambda: call(mg.bernoulli, x(2, 3)),
    "broadcast_tensors": lambda: call(mg.broadcast_tensors, x(2, 1), x(3)),
    "cartesian_prod": lambda: call(mg.cartesian_prod, x(2), x(3)),
    **{n: lambda n=n: call(getattr(mg, n), [x(2, 3), x(1, 3)], 0) for n in ["cat", "concatenate"]},
    **{n: lambda n=n: call(getattr(mg, n), well(3), upper=True) for n in ["cholesky", "cholesky_inverse"]},
    "cholesky_solve": lambda: call(mg.cholesky_solve, x(3, 2), well(3), upper=True),
    "combinations": lambda: call(mg.combinations, x(4), 2, with_replacement=True),
    "constant_pad_nd": lambda: call(mg.constant_pad_nd, x(2, 3), (1, 0), 0.5),
    "enable_grad": lambda: call(mg.enable_grad),
    "fill": lambda: call(mg.fill, x(2, 3), 0.5),
    "from_numpy": lambda: call(mg.from_numpy, np.ones(2)),
    "gradient": lambda: call(mg.gradient, x(3, 4), spacing=0.5),
    "histogram": lambda: call(mg.histogram, x(5).detach(), 2, range=(0.0, 1.0)),
    "i0": lambda: call(mg.i0, x(3)),
    "inference_mode": lambda: call(mg.inference_mode),
    "is_grad_enabled": lambda: call(mg.is_grad_enabled),
    "is_tensor": lambda: call(mg.is_tensor, x(2)),
    "logspace": lambda: call(mg.logspace, 0.0, 1.0, 3),
    "manual_seed": lambda: call(mg.manual_seed, 0),
    "normal": lambda: call(mg.normal, 0.0, 1.0, (2, 3)),
    "polygamma": lambda: call(mg.polygamma, 1, x(3)),
    **{n: lambda n=n: call(getattr(mg, n), 2, 3) for n in ["rand", "randn"]},
    **{n: lambda n=n: call(getattr(mg, n), x(2, 3)) for n in ["rand_like", "randn_like"]},
    "randint": lambda: call(mg.randint, 0, 4, (2, 3)),
    "randint_like": lambda: call(mg.randint_like, x(2, 3), 0, 4),
    "randperm": lambda: call(mg.randperm, 4),
    "rsub": lambda: call(mg.rsub, x(2, 3), x(3), alpha=2),
    "scalar_tensor": lambda: call(mg.scalar_tensor, 1.5),
    "set_grad_enabled": lambda: call(lambda mode: mg.set_grad_enabled(mode).__exit__(), True),
    "trapz": lambda: call(mg.trapz, x(2, 3), dx=0.5),
    "triangular_solve": lambda: call(mg.triangular_solve, x(3, 2), well(3)),
    "histogramdd": lambda: call(mg.histogramdd, x(5, 2).detach(), 2),
    "nonzero_static": lambda: call(mg.nonzero_static, x(3), size=2),
    "unravel_index": lambda: call(mg.unravel_index, np.array([1, 5]), (2, 3)),
    "unsafe_chunk": lambda: call(mg.unsafe_chunk, x(2, 4), 2, 1),
    "unsafe_split": lambda: call(mg.unsafe_split, x(2, 4), 2, 1),
    # those of `nn.functional` that are not the function of `mg`
    **{f"nn.functional.{n}": lambda n=n: call(getattr(F, n), x(2, 3), 0.5) for n in ["alpha_dropout", "dropout", "feature_alpha_dropout"]},
    **{f"nn.functional.{n}": lambda n=n: call(getattr(F, n), x(2, 3), 1) for n in ["log_softmax", "softmax", "softmin"]},
    **{f"nn.functional.dropout{d}d": lambda d=d: call(getattr(F, f"dropout{d}d"), x(2, 2, *[3] * d), 0.5) for d in (1, 2, 3)},
    "nn.functional.batch_norm": lambda: call(F.batch_norm, x(4, 3), np.zeros(3), np.ones(3), x(3), x(3), True),
    "nn.functional.bilinear": lambda: call(F.bilinear, x(2, 3), x(2, 4), x(5, 3, 4), x(5)),
    "nn.functional.fold": lambda: call(F.fold, x(1, 8, 9), 4, 2),
    "nn.functional.fractional_max_pool2d": lambda: call(F.fractional_max_pool2d, x(1, 2, 4, 4), 2, 2),
    "nn.functional.fractional_max_pool3d": lambda: call(F.fractional_max_pool3d, x(1, 2, 4, 4, 4), 2, 2),
    "nn.functional.linear": lambda: call(F.linear, x(2, 3), x(4, 3), x(4)),
    "nn.functional.linear_cross_entropy": lambda: call(F.linear_cross_entropy, x(4, 3), x(5, 3), np.array([2, 0, 1, 4])),
    "nn.functional.normalize": lambda: call(F.normalize, x(2, 3), 2.0, 1),
    "nn.functional.pad": lambda: call(F.pad, x(2, 3), (1, 0)),
    "nn.functional.relu": lambda: call(F.relu, x(2, 3), inplace=True),
    "nn.functional.unfold": lambda: call(F.unfold, x(*IMAGE), 2),
    # derivatives, and what is around them
    "Primitive": lambda: call(mg.Primitive, lambda a: a),
    "Tensor": lambda: call(mg.Tensor, [1.0, 2.0]),
    "compile": lambda: call(mg.compile, square),
    "elementwise": lambda: call(mg.elementwise, mg.Primitive(lambda a: a), 1.0),
    "fused": lambda: call(mg.fused, square, lambda a: (a, None)),
    "general": lambda: call(mg.general, mg.Primitive(lambda a: a), [square], [square]),
    "linear": lambda: call(mg.linear, mg.Primitive(lambda a: a), square),
    "primitive": lambda: call(mg.primitive, lambda a: a),
    "get_num_threads": lambda: call(mg.get_num_threads),
    "set_num_threads": lambda: call(mg.set_num_threads, mg.get_num_threads()),
    "ggnvp": lambda: call(mg.ggnvp, lambda p: mg.mul(p, p), mg.sum, (x(3),), (np.ones(3),)),
    "grad": lambda: call(lambda f, argnums, p: mg.grad(f, argnums)(p), square, 0, np.ones(3)),
    "gradcheck": lambda: call(mg.gradcheck, square, np.ones(2)),
    "explain": lambda: call(mg.explain, square, np.ones(2)),
    "graph": lambda: call(mg.graph, square(x(3))),
    "hessian": lambda: call(lambda f, p: mg.hessian(f)(p), square, np.ones(3)),
    "checkpoint": lambda: call(mg.checkpoint, square, x(3)),
    "composite": lambda: call(mg.composite, square),
    "debug": lambda: call(mg.debug),
    "per_example_grad": lambda: (lambda w: call(mg.per_example_grad, lambda a: mg.sum(mg.mul(a, w)), [w], np.ones((2, 3))))(x(3)),
    "hvp": lambda: call(mg.hvp, square, (np.ones(3),), (np.ones(3),)),
    "jacobian": lambda: call(lambda f, p: mg.jacobian(f)(p), square, np.ones(3)),
    "jvp": lambda: call(mg.jvp, square, (np.ones(3),), (np.ones(3),)),
    "linearize": lambda: call(mg.linearize, square, np.ones(3)),
    "linearize_ggn": lambda: call(mg.linearize_ggn, lambda p: (square(p), p), (np.ones(3),)),
    "linearize_grad": lambda: call(mg.linearize_grad, square, (np.ones(3),)),
    "no_grad": lambda: call(mg.no_grad),
    "pull": lambda: call(lambda y, xs: mg.pull(y, xs), *(lambda p: (square(p), [p]))(x(3))),
    "push": lambda: call(lambda ys, xs, vs: mg.push(ys, xs, vs), *(lambda p: ([square(p)], [p], [np.ones(3)]))(x(3))),
    "seed": lambda: call(mg.seed, 0),
    "value_and_grad": lambda: call(lambda f, argnums, p: mg.value_and_grad(f, argnums)(p), square, 0, np.ones(3)),
    "vjp": lambda: call(mg.vjp, square, np.ones(3)),
    # methods
    **{
        f"Tensor.{n}": lambda n=n: call(getattr(mg.Tensor, n), x(2, 3))
        for n in ["T", "abs", "detach", "exp", "log", "mT", "relu", "sigmoid", "sqrt", "tanh"]
        if callable(getattr(mg.Tensor, n))
    },
    **{f"Tensor.{n}": lambda n=n: call(getattr(mg.Tensor, n), x(2, 3), axis=1) for n in REDUCE.split()},
    "Tensor.argmax": lambda: call(mg.Tensor.argmax, x(2, 3), 1),
    "Tensor.astype": lambda: call(mg.Tensor.astype, x(2, 3), "float32"),
    "Tensor.register_hook": lambda: call(mg.Tensor.register_hook, x(2, 3), print_nothing),
    "Tensor.backward": lambda: call(mg.Tensor.backward, x(2, 3) * 2, np.ones((2, 3))),
    "Tensor.clip": lambda: call(mg.Tensor.clip, x(3), 0.3, 0.6),
    "Tensor.flatten": lambda: call(mg.Tensor.flatten, x(2, 3), 0),
    "Tensor.all": lambda: call(mg.Tensor.all, x(2, 3) > 0, 1),
    "Tensor.any": lambda: call(mg.Tensor.any, x(2, 3) > 0, 1),
    "Tensor.tolist": lambda: call(mg.Tensor.tolist, x(2)),
    "Tensor.item": lambda: call(mg.Tensor.item, x(1)),
    "Tensor.permute_dims": lambda: call(mg.Tensor.permute_dims, x(2, 3), 1, 0),
    "Tensor.reshape": lambda: call(mg.Tensor.reshape, x(2, 3), 3, 2),
    "Tensor.squeeze": lambda: call(mg.Tensor.squeeze, x(1, 3), 0),
    **{
        f"Tensor.__{n}__": lambda n=n: call(getattr(mg.Tensor, f"__{n}__"), x(2, 3), x(3))
        for n in ["add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "lt", "le", "gt", "ge", "eq", "ne"]
    },
    "Tensor.__matmul__": lambda: call(mg.Tensor.__matmul__, x(2, 3), x(3, 2)),
    "Tensor.__rmatmul__": lambda: call(mg.Tensor.__rmatmul__, x(3, 2), x(2, 3)),
    "Tensor.__getitem__": lambda: call(mg.Tensor.__getitem__, x(2, 3), (0, slice(1, 3))),
    **{f"Tensor.{n}": lambda n=n, row=row: row(getattr(mg.Tensor, n)) for n, row in METHODS.items()},
    **{
        f"Tensor.__{n}__": lambda n=n: call(getattr(mg.Tensor, f"__{n}__"), whole(2, 3), whole(3))
        for n in ["and", "rand", "or", "ror", "xor", "rxor", "lshift", "rlshift", "rshift", "rrshift"]
    },
    "Tensor.__setitem__": lambda: call(mg.Tensor.__setitem__, x(2, 3).detach(), (0, slice(1, 3)), 1.0),
    "add_at": lambda: call(mg.add_at, x(2, 3), [0, 0], x(2, 3)),
    "set_at": lambda: call(mg.set_at, x(2, 3), (0, slice(1, 3)), x(2)),
    # layers
    **{f"nn.{kind.__name__}": lambda kind=kind: call(kind, *[2] * sum(h.default is MISSING for h in kind.hyperparameters.values()))
       for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, Function)},
    **{f"nn.{type(made).__name__}.__call__": lambda made=made, given=given: call(made, *(x(*size) for size in given)) for made, *given in [
        *((made, (2, 3)) for made in (
            nn.CELU(), nn.GLU(0), nn.Hardshrink(), nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(), nn.LogSigmoid(), nn.Mish(), nn.PReLU(dtype="d"),
            nn.RReLU(rng=0), nn.ReLU6(), nn.SELU(), nn.Softmin(), nn.Softshrink(), nn.Softsign(), nn.Tanhshrink(), nn.Threshold(0.5, 1.0),
            nn.LayerNorm(3, dtype="d"), nn.RMSNorm(3, dtype="d"), nn.ModuleList([nn.ReLU()]), nn.Unflatten(1, (3, 1)), nn.RNNCell(3, 2, dtype="d"),
            nn.GRUCell(3, 2, dtype="d"), nn.LSTMCell(3, 2, dtype="d"), nn.RNN(3, 2, dtype="d"), nn.GRU(3, 2, dtype="d"), nn.LSTM(3, 2, dtype="d"),
            nn.TransformerEncoderLayer(3, 1, 4, 0.0, dtype="d")) if not isinstance(made, nn.ModuleList)),
        *((made, IMAGE) for made in (
            nn.AdaptiveMaxPool2d(1), nn.ChannelShuffle(2), nn.CircularPad2d(1), nn.ConstantPad2d(1, 0.5), nn.ConvTranspose2d(2, 2, 2, dtype="d"),
            nn.GroupNorm(2, 2, dtype="d"), nn.InstanceNorm2d(2), nn.LPPool2d(2, 2), nn.PixelUnshuffle(2), nn.ReflectionPad2d(1),
            nn.ReplicationPad2d(1), nn.Softmax2d(), nn.Unfold(2), nn.Upsample(scale_factor=2), nn.UpsamplingBilinear2d(scale_factor=2),
            nn.UpsamplingNearest2d(scale_factor=2), nn.ZeroPad2d(1))),
        *((made, (2, 2, 4)) for made in (
            nn.AdaptiveAvgPool1d(2), nn.AdaptiveMaxPool1d(2), nn.AvgPool1d(2), nn.CircularPad1d(1), nn.ConstantPad1d(1, 0.5), nn.Conv1d(2, 2, 2, dtype="d"),
            nn.ConvTranspose1d(2, 2, 2, dtype="d"), nn.InstanceNorm1d(2), nn.LPPool1d(2, 2), nn.MaxPool1d(2), nn.ReflectionPad1d(1),
            nn.ReplicationPad1d(1), nn.ZeroPad1d(1))),
        *((made, (1, 2, 2, 2, 2)) for made in (
            nn.AdaptiveAvgPool3d(2), nn.AdaptiveMaxPool3d(2), nn.AvgPool3d(2), nn.BatchNorm3d(2, dtype="d"), nn.CircularPad3d(1), nn.ConstantPad3d(1, 0.5),
            nn.Conv3d(2, 2, 2, dtype="d"), nn.ConvTranspose3d(2, 2, 2, dtype="d"), nn.InstanceNorm3d(2), nn.LPPool3d(2, 2), nn.MaxPool3d(2),
            nn.ReflectionPad3d(1), nn.ReplicationPad3d(1), nn.ZeroPad3d(1))),
        (nn.Bilinear(3, 2, 2, dtype="d"), (2, 3), (2, 2)), (nn.PixelShuffle(2), (1, 4, 2, 2)), (nn.Fold(3, 2), (1, 4, 4)),
        (nn.MultiheadAttention(4, 2, dtype="d"), (3, 4), (2, 4), (2, 4)), (nn.TransformerDecoderLayer(4, 2, 4, 0.0, dtype="d"), (3, 4), (2, 4)),
        (nn.Transformer(4, 2, 1, 1, 4, 0.0, dtype="d"), (3, 4), (2, 4)),
    ]},
    **{f"nn.MaxUnpool{d}d.__call__": lambda d=d: call(getattr(nn, f"MaxUnpool{d}d")(2), x(1, 1, *[1] * d), np.zeros((1, 1, *[1] * d), int)) for d in (1, 2, 3)},
    **{f"nn.{kind}": lambda kind=kind: call(getattr(nn, kind), 2, 2, 1) for kind in ("Bilinear", "Conv1d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")},
    **{f"nn.{kind}": lambda kind=kind: call(getattr(nn, kind), 3) for kind in (
        "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LayerNorm", "RMSNorm", "PReLU")},
    **{f"nn.{kind}": lambda kind=kind: call(getattr(nn, kind), 3, 2) for kind in ("RNNCell", "LSTMCell", "GRUCell", "RNN", "LSTM", "GRU", "Embedding")},
    **{f"nn.{kind}": lambda kind=kind: call(getattr(nn, kind), 4, 2) for kind in ("MultiheadAttention", "TransformerEncoderLayer", "TransformerDecoderLayer")},
    **{f"nn.{kind}": lambda kind=kind: call(getattr(nn, kind), 0.5) for kind in ("Dropout1d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")},
    "nn.AlphaDropout.__call__": lambda: call(nn.AlphaDropout(0.5, rng=0), x(2, 3)),
    "nn.FeatureAlphaDropout.__call__": lambda: call(nn.FeatureAlphaDropout(0.5, rng=0), x(2, 3)),
    "nn.Dropout1d.__call__": lambda: call(nn.Dropout1d(0.5, rng=0), x(2, 2, 3)),
    "nn.Dropout3d.__call__": lambda: call(nn.Dropout3d(0.5, rng=0), x(1, 2, 2, 1, 2)),
    "nn.EmbeddingBag": lambda: call(nn.EmbeddingBag, 5, 2),
    "nn.EmbeddingBag.__call__": lambda: call(nn.EmbeddingBag(5, 2, dtype="d"), np.array([[1, 4]])),
    **{f"nn.{type(made).__name__}.__call__": lambda made=made: call(made, x(2, 3), x(2, 3)) for made in (
        nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss(), nn.BCELoss(), nn.BCEWithLogitsLoss(), nn.KLDivLoss(), nn.PoissonNLLLoss(), nn.CosineSimilarity(),
        nn.PairwiseDistance(), nn.MultiLabelSoftMarginLoss())},
    "nn.NLLLoss.__call__": lambda: call(nn.NLLLoss(), x(4, 3), np.array([2, 0, 1, 2])),
    "nn.MultiMarginLoss.__call__": lambda: call(nn.MultiMarginLoss(), x(4, 3), np.array([2, 0, 1, 2])),
    "nn.TripletMarginLoss.__call__": lambda: call(nn.TripletMarginLoss(), x(2, 3), x(2, 3), x(2, 3)),
    "nn.Embedding.__call__": lambda: call(nn.Embedding(5, 2, dtype="d"), np.array([1, 4])),
    "nn.GroupNorm": lambda: call(nn.GroupNorm, 1, 2),
    "nn.Identity": lambda: call(nn.Identity),
    "nn.ModuleDict": lambda: call(nn.ModuleDict, {"a": nn.ReLU()}),
    "nn.ModuleList": lambda: call(nn.ModuleList, [nn.ReLU()]),
    "nn.ParameterDict": lambda: call(nn.ParameterDict, {"a": np.ones(2)}),
    "nn.ParameterList": lambda: call(nn.ParameterList, [np.ones(2)]),
    "nn.Softmax2d": lambda: call(nn.Softmax2d),
    "nn.Transformer": lambda: call(nn.Transformer, 4, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=4),
    "nn.TransformerDecoder": lambda: call(nn.TransformerDecoder, nn.TransformerDecoderLayer(4, 2, 4), num_layers=2),
    "nn.TransformerEncoder": lambda: call(nn.TransformerEncoder, nn.TransformerEncoderLayer(4, 2, 4), num_layers=2),
    "nn.TransformerEncoder.__call__": lambda: call(nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 4, 0.0, dtype="d"), 1), x(3, 4)),
    "nn.TransformerDecoder.__call__": lambda: call(nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 4, 0.0, dtype="d"), 1), x(3, 4), x(2, 4)),
    "nn.Unflatten": lambda: call(nn.Unflatten, 1, (2, 1)),
    **{f"nn.{n}": lambda n=n: call(getattr(nn, n)) for n in ["GELU", "Identity", "LogSoftmax", "ReLU", "SiLU", "Sigmoid", "Softmax", "Tanh"]},
    "nn.AdaptiveAvgPool2d": lambda: call(nn.AdaptiveAvgPool2d, 1),
    "nn.AvgPool2d": lambda: call(nn.AvgPool2d, 2),
    "nn.BatchNorm1d": lambda: call(nn.BatchNorm1d, 3),
    "nn.BatchNorm2d": lambda: call(nn.BatchNorm2d, 3),
    "nn.Buffer": lambda: call(nn.Buffer, np.ones(3)),
    "nn.Conv2d": lambda: call(nn.Conv2d, 2, 3, 3),
    "nn.DropConnect": lambda: call(nn.DropConnect, nn.Linear(3, 2), 0.5),
    "nn.Dropout": lambda: call(nn.Dropout, 0.5),
    "nn.Dropout2d": lambda: call(nn.Dropout2d, 0.5),
    "nn.Flatten": lambda: call(nn.Flatten, 1),
    "nn.FractionalMaxPool2d": lambda: call(nn.FractionalMaxPool2d, 2),
    "nn.Linear": lambda: call(nn.Linear, 3, 2),
    "nn.Module": lambda: call(nn.Module),
    "nn.Parameter": lambda: call(nn.Parameter, np.ones(3)),
    "nn.Residual": lambda: call(nn.Residual, nn.Linear(3, 3)),
    "nn.Sequential": lambda: call(nn.Sequential, nn.Linear(3, 3), nn.ReLU()),
    "nn.StochasticDepth": lambda: call(nn.StochasticDepth, 0.5),
    **{f"nn.{type(made).__name__}.__call__": lambda made=made: call(made, x(2, 3)) for made in [
        nn.GELU(), nn.Identity(), nn.LogSoftmax(), nn.ReLU(), nn.SiLU(), nn.Sigmoid(), nn.Softmax(), nn.Tanh(), nn.ELU(), nn.LeakyReLU(),
        nn.Softplus(), nn.Flatten(), nn.Dropout(rng=0), nn.BatchNorm1d(3, dtype="d"), nn.Linear(3, 2, dtype="d"), nn.Residual(nn.Tanh()),
        nn.Sequential(nn.Linear(3, 3, dtype="d"), nn.ReLU()), nn.DropConnect(nn.Linear(3, 2, dtype="d"), rng=0),
    ]},
    **{f"nn.{type(made).__name__}.__call__": lambda made=made: call(made, x(*IMAGE)) for made in [
        nn.AdaptiveAvgPool2d(), nn.AvgPool2d(2), nn.MaxPool2d(2), nn.FractionalMaxPool2d(2, rng=0), nn.BatchNorm2d(2, dtype="d"),
        nn.Conv2d(2, 3, 3, dtype="d"), nn.Dropout2d(rng=0),
    ]},
    "nn.CrossEntropyLoss.__call__": lambda: call(nn.CrossEntropyLoss(), x(4, 3), np.array([2, 0, 1, 2])),
    "nn.MSELoss.__call__": lambda: call(nn.MSELoss(), x(2, 3), x(2, 3)),
    "nn.Module.add_module": lambda: call(net().add_module, "more", nn.ReLU()),
    "nn.Module.apply": lambda: call(net().apply, print_nothing),
    "nn.Module.get_submodule": lambda: call(net().get_submodule, "1"),
    "nn.Module.register_buffer": lambda: call(net().register_buffer, "more", np.ones(2)),
    "nn.Module.register_parameter": lambda: call(net().register_parameter, "more", nn.Parameter(np.ones(2))),
    **{f"nn.Module.{n}": lambda n=n: call(getattr(nn.Module(), n), print_nothing) for n in (
        "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook", "register_full_backward_pre_hook")},
    "nn.Module.to": lambda: call(net().to, "float64"),
    "nn.Module.zero_grad": lambda: call(net().zero_grad, False),
    "nn.Module.astype": lambda: call(net().astype, "float64"),
    "nn.Module.load_state_dict": lambda: call(net().load_state_dict, net().state_dict()),
    "nn.Module.requires_grad_": lambda: call(net().requires_grad_, False),
    "nn.Module.train": lambda: call(net().train, False),
    "nn.Sequential.append": lambda: call(net().append, nn.ReLU()),
    "nn.Sequential.extend": lambda: call(net().extend, [nn.ReLU()]),
    "nn.Sequential.insert": lambda: call(net().insert, 1, nn.ReLU()),
    "nn.Sequential.__getitem__": lambda: call(nn.Sequential.__getitem__, net(), 0),
    "nn.Sequential.__setitem__": lambda: call(nn.Sequential.__setitem__, net(), 0, nn.ReLU()),
    "nn.Sequential.__delitem__": lambda: call(nn.Sequential.__delitem__, net(), 0),
    "nn.Sequential.__add__": lambda: call(nn.Sequential.__add__, net(), [nn.ReLU()]),
    "nn.Sequential.pop": lambda: call(net().pop, 0),
    "nn.averaged": lambda: call(nn.averaged, nn.Sequential(nn.Dropout(0.5, rng=0)), np.ones((2, 3), F32)),
    "nn.expected_depth": lambda: call(nn.expected_depth, net()),
    "nn.gradient_noise_": lambda: call(nn.gradient_noise_, [leaf()], 1, rng=0),
    "nn.l1_penalty": lambda: call(nn.l1_penalty, net()),
    "nn.l2_penalty": lambda: call(nn.l2_penalty, net()),
    "nn.linear_decay": lambda: call(nn.linear_decay, 3, 0.5),
    "nn.max_norm_": lambda: call(nn.max_norm_, net(), 1.0),
    "nn.summary": lambda: call(nn.summary, net(), images()),
    "nn.weights": lambda: call(nn.weights, net()),
    "nn.init.fans": lambda: call(nn.init.fans, (3, 2)),
    "nn.init.constant": lambda: call(nn.init.constant, (3, 2), 0.5),
    "nn.init.eye": lambda: call(nn.init.eye, (3, 2)),
    "nn.init.gain": lambda: call(nn.init.gain, "relu", 0.1),
    "nn.init.orthogonal": lambda: call(nn.init.orthogonal, (3, 2), 1.0, rng=0),
    "nn.init.sparse": lambda: call(nn.init.sparse, (3, 2), 0.5, rng=0),
    "nn.init.trunc_normal": lambda: call(nn.init.trunc_normal, (3, 2), 0.0, 1.0, -2.0, 2.0, rng=0),
    **{f"nn.init.{n}_": lambda n=n: call(getattr(nn.init, f"{n}_"), x(3, 2).detach()) for n in [
        "eye", "kaiming_normal", "kaiming_uniform", "normal", "ones", "orthogonal", "trunc_normal", "uniform",
        "xavier_normal", "xavier_uniform", "zeros"]},
    "nn.init.constant_": lambda: call(nn.init.constant_, x(3, 2).detach(), 0.5),
    "nn.init.sparse_": lambda: call(nn.init.sparse_, x(3, 2).detach(), 0.5),
    "nn.init.zeros": lambda: call(nn.init.zeros, (3, 2)),
    "nn.init.ones": lambda: call(nn.init.ones, (3, 2)),
    **{
        f"nn.init.{n}": lambda n=n: call(getattr(nn.init, n), (3, 2), rng=0, dtype="float32")
        for n in ["uniform", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal"]
    },
    "nn.models.ImageNetResNet": lambda: call(nn.models.ImageNetResNet, (1, 1, 1, 1), 2),
    "nn.models.MobileNetV2": lambda: call(nn.models.MobileNetV2, 2, blocks=((1, 2, 1, 1),), last=2),
    "nn.models.TextTransformer": lambda: call(nn.models.TextTransformer, 5, width=4, heads=2, layers=1),
    "nn.models.UNet": lambda: call(nn.models.UNet, 2, width=1, depth=1),
    "nn.models.vgg": lambda: call(nn.models.vgg, 2, blocks=((2,),)),
    "nn.models.LeNet": lambda: call(nn.models.LeNet, 10, image_size=8),
    "nn.models.ResNet": lambda: call(nn.models.ResNet, 1, width=2),
    "nn.models.Subsample": lambda: call(nn.models.Subsample, 4, 2),
    "nn.models.lenet": lambda: call(nn.models.lenet, 10, image_size=8),
    "nn.models.resnet8": lambda: call(nn.models.resnet8, 10, width=2),
    # optimizers
    **{
        f"optim.{n}": lambda n=n: call(getattr(optim, n), [leaf()], 0.1)
        for n in ["AdaGrad", "Adadelta", "AdaHessian", "Adam", "AdamW", "Adamax", "LAMB", "Lion", "Muon", "NAdam", "RAdam", "RMSProp", "Rprop", "ASGD", "Adafactor", "SGD", "SQN", "Sophia", "Momentum", "Nesterov"]
    },
    **{
        f"optim.{n}": lambda n=n: call(getattr(optim, n), [leaf()])
        for n in ["BFGS", "LBFGS", "Newton", "NewtonCG", "NonlinearCG", "TrustRegionNewtonCG"]
    },
    "optim.Average": lambda: call(optim.Average, [leaf()], optim.averaging.ema(0.9)),
    "optim.clip_grad_norm": lambda: call(optim.clip_grad_norm, [leaf()], 1.0),
    "optim.clip_grad_value": lambda: call(optim.clip_grad_value, [leaf()], 1.0),
    "optim.minimize": lambda: call(optim.minimize, square, np.ones(2)),
    "optim.averaging.ema": lambda: call(optim.averaging.ema, 0.9),
    "optim.averaging.equal": lambda: call(optim.averaging.equal),
    "optim.schedules.constant": lambda: call(optim.schedules.constant, 0.1),
    "optim.schedules.step_decay": lambda: call(optim.schedules.step_decay, 0.1, 2, 0.5),
    "optim.schedules.multi_step": lambda: call(optim.schedules.multi_step, 0.1, [1, 3], 0.5),
    "optim.schedules.exponential": lambda: call(optim.schedules.exponential, 0.1, 0.5),
    "optim.schedules.inverse": lambda: call(optim.schedules.inverse, 0.1, 0.5),
    "optim.schedules.polynomial": lambda: call(optim.schedules.polynomial, 0.1, 4, 1.0, 0.0),
    "optim.schedules.cosine": lambda: call(optim.schedules.cosine, 0.1, 4),
    "optim.schedules.warmup": lambda: call(optim.schedules.warmup, 0.1, 4),
    "optim.schedules.one_cycle": lambda: call(optim.schedules.one_cycle, 0.1, 4),
    "optim.schedules.warm_restarts": lambda: call(optim.schedules.warm_restarts, 0.1, 4),
    "optim.schedules.linear": lambda: call(optim.schedules.linear, 0.1, 4, 0.5, 1.0),
    "optim.schedules.multiplicative": lambda: call(optim.schedules.multiplicative, 0.1, lambda step: 0.9),
    "optim.schedules.product": lambda: call(optim.schedules.product, 0.1, [lambda step: 0.9]),
    "optim.schedules.cyclic": lambda: call(optim.schedules.cyclic, 0.1, 0.2, 4, 3),
    "optim.schedules.ReduceOnPlateau": lambda: call(optim.schedules.ReduceOnPlateau, 0.1),
    "optim.schedules.sequence": lambda: call(optim.schedules.sequence, [0.1, 0.2], [3]),
    # data
    "data.Affine": lambda: call(data.Affine, 10.0, 0.1, 0.1, 1.0),
    "data.ColorJitter": lambda: call(data.ColorJitter, 0.1, 0.1, 0.1, 0.1),
    "data.Compose": lambda: call(data.Compose, data.HorizontalFlip(), data.VerticalFlip()),
    "data.CutMix": lambda: call(data.CutMix, 3, 1.0),
    "data.Cutout": lambda: call(data.Cutout, 1, 0.0),
    "data.Dataset": lambda: call(data.Dataset, images(), np.arange(6)),
    "data.GaussianNoise": lambda: call(data.GaussianNoise, 0.1),
    "data.HorizontalFlip": lambda: call(data.HorizontalFlip, 0.5),
    "data.Lighting": lambda: call(data.Lighting, np.eye(3), np.ones(3), 0.1),
    "data.Lighting.fit": lambda: call(data.Lighting.fit, images(), 0.1),
    "data.Loader": lambda: call(data.Loader, data.Dataset(images(), np.arange(6)), 2),
    "data.Loader.look": lambda: call(loader().look, 0, [1, 2]),
    "data.Loader.load_state_dict": lambda: call(loader().load_state_dict, loader().state_dict()),
    "data.Mixup": lambda: call(data.Mixup, 3, 1.0),
    "data.Normalize": lambda: call(data.Normalize, np.zeros(3), np.ones(3)),
    "data.Normalize.fit": lambda: call(data.Normalize.fit, images()),
    "data.RandomCrop": lambda: call(data.RandomCrop, 1, (2, 2)),
    "data.RandomErasing": lambda: call(data.RandomErasing, 0.5, (0.1, 0.2), (0.5, 2.0), 0.0),
    "data.Streams": lambda: call(data.Streams, 0, 0, np.arange(3)),
    "data.VerticalFlip": lambda: call(data.VerticalFlip, 0.5),
    **{
        f"data.{type(made).__name__}.__call__": lambda made=made: call(made, images(), streams())
        for made in (
            data.Affine(10), data.ColorJitter(0.1), data.Compose(), data.Cutout(1), data.GaussianNoise(0.1),
            data.HorizontalFlip(), data.VerticalFlip(), data.Normalize([0.1], [1.0]), data.RandomCrop(1), data.RandomErasing(),
            data.Lighting(np.eye(1), np.ones(1)),
        )
    },
    **{
        f"data.{type(made).__name__}.__call__": lambda made=made: call(made, images(), images(), streams())
        for made in (data.Mixup(3), data.CutMix(3))
    },
    "data.cifar10": lambda: call(data.cifar10, "there/is/no/such/folder"),
    "data.cifar100": lambda: call(data.cifar100, "there/is/no/such/folder"),
    "data.digits": lambda: call(data.digits),
    "data.end_with_parent": lambda: call(data.end_with_parent),
    "data.mnist": lambda: call(data.mnist, "there/is/no/such/folder"),
    "data.read": lambda: call(data.read, "there/is/no/such/folder"),
    "data.read_idx": lambda: call(data.read_idx, "there/is/no/such/file"),
    "data.warp": lambda: call(data.warp, images(1), np.array([[[1.0, 0, 0], [0, 1, 0]]])),
    # training
    "train.Audit": lambda: call(train.Audit, net()),
    "train.Averaging": lambda: call(train.Averaging, net()),
    "train.CSVLog": lambda: call(train.CSVLog, "log.csv"),
    "train.EarlyStopping": lambda: call(train.EarlyStopping),
    "train.GradualUnfreezing": lambda: call(train.GradualUnfreezing, net(), [["1"]], 1),
    "train.MembersFailed": lambda: call(train.MembersFailed, {}, {0: "an error"}),
    "train.State": lambda: (lambda m: call(train.State, m, optim.SGD(m.parameters(), lr=0.1), loader(), epochs=1))(net()),
    "train.TensorBoardLog": lambda: call(train.TensorBoardLog, "logs"),
    "train.after_step": lambda: call(train.after_step, square),
    "train.before_step": lambda: call(train.before_step, square),
    "train.calibration": lambda: call(train.calibration, PROBS, LABELS),
    "train.disagreement": lambda: call(train.disagreement, np.stack([PROBS, PROBS]), LABELS),
    "train.discriminative_rates": lambda: call(train.discriminative_rates, net(), 0.1),
    "train.ensemble": lambda: call(train.ensemble, lambda seed: net(), 1, ThreadPoolExecutor(1)),
    "train.evaluate": lambda: call(train.evaluate, net(), loader()),
    "train.fit": lambda: (lambda m: call(train.fit, m, optim.SGD(m.parameters(), lr=0.1), loader(), epochs=1, progress=False))(
        net()
    ),
    "train.freeze": lambda: call(train.freeze, net(), "1.*"),
    "train.judge": lambda: call(train.judge, [net(), net()], loader()),
    "train.load_pretrained": lambda: call(train.load_pretrained, net(), net().state_dict()),
    "train.load_tree": lambda: call(train.load_tree, "there/is/no/such/file"),
    "train.load_weights": lambda: call(train.load_weights, net(), "there/is/no/such/file"),
    "train.lr_range": lambda: (lambda m: call(train.lr_range, m, optim.SGD(m.parameters(), lr=0.1), loader(0), low=1e-3, steps=20))(net()),
    "train.predict": lambda: call(train.predict, net(), loader()),
    "train.probabilities": lambda: call(train.probabilities, [net()], loader()),
    "train.processes": lambda: call(train.processes, 1),
    "train.recalibrate_batch_norm": lambda: call(train.recalibrate_batch_norm, normed(), loader()),
    "train.replace_head": lambda: call(train.replace_head, net(), "1", nn.Linear(4, 2)),
    "train.save_tree": lambda: call(train.save_tree, {"a": np.ones(2)}, "tree.npz"),
    "train.save_weights": lambda: call(train.save_weights, net(), "weights.npz"),
    "train.snapshots": lambda: (
        lambda m: call(
            train.snapshots, m, optim.SGD(m.parameters(), lr=0.1), loader(), cycles=1, epochs=1, progress=False
        )
    )(net()),
    "train.unfreeze": lambda: call(train.unfreeze, net(), "1.*"),
    # pictures
    "viz.curves": lambda: call(viz.curves, RECORDS),
    "viz.lr_range": lambda: call(viz.lr_range, RATES),
    "viz.preview": lambda: call(viz.preview, [("plain", loader(), 1)], 2),
    "viz.reliability": lambda: call(viz.reliability, train.calibration(PROBS, LABELS)),
    "viz.schedules": lambda: call(viz.schedules, 0.1, 3),
    "viz.spectrum": lambda: call(viz.spectrum, optim.curvature.Density(np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]))),
    # the laboratory
    "lab.DigitsNet": lambda: call(lab.DigitsNet, 4),
    "lab.doctor": lambda: call(lab.doctor, net(), images(24), np.arange(24) % 3),
    "lab.scenes": lambda: call(lab.scenes, 2, 16),
    "lab.usual_transforms": lambda: call(lab.usual_transforms, data.Dataset(images(), np.arange(6))),
    "lab.lecture.Recipe": lambda: call(lab.lecture.Recipe, 20),
    "lab.lecture.effects": lambda: call(lab.lecture.effects, [("dropout", -1.0, 0.5, "better")]),
    "lab.playground.Racer": lambda: call(lab.playground.Racer, "SGD", "SGD", 0.1),
    "lab.playground.race": lambda: call(lab.playground.race, lab.playground.SURFACES["saddle"], ["sgd"], budget=3),
}  # fmt: skip

# what is not called to compute something: results, exceptions, bases, subpackages, and what runs for minutes
NO_CALLS = {
    "bool", "complex128", "complex64", "e", "float32", "float64", "inf", "int16", "int32", "int64", "int8", "nan",
    "newaxis", "pi", "uint16", "uint32", "uint64", "uint8",
    "Tensor.assign", "Tensor.claim", "Tensor.read",  # the library's own, unchecked
    "divide", "multiply", "negative", "pow", "subtract",  # other names of div, mul, neg, power, sub
    "ops", "nn.Averaged", "nn.Summary", "nn.init", "nn.models", "optim.Optimizer", "optim.Result", "optim.averaging",
    "optim.curvature", "optim.schedules", "data.ChecksumWarning", "data.Mix", "data.Split", "train.CheckpointError",
    "train.Evaluation", "train.RateRange", "lab.Diagnosis", "lab.Findings", "lab.Settings", "lab.Warmed", "lab.lecture",
    "lab.playground", "lab.report", "lab.svm_accuracy", "lab.train_digits", "lab.training_step", "lab.warm_up",
}  # fmt: skip
