"""One row for every primitive and every public operation: the list that the certificate is written from.

A row's name starts with the operation; what follows says what is special about the row. The example inputs are all
differentiable; labels, indices and sizes stand in the function. Add a primitive, add a row: a test fails otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import minigrad as mg
from minigrad import Primitive
from minigrad.ops import norm

P = Primitive.registry
rng = np.random.default_rng(20)


@dataclass(eq=False)
class Case:
    name: str
    f: Callable
    inputs: tuple[np.ndarray, ...]
    kink: bool = False  # whether the inputs stand at a kink or a tie, where central differences are of no use

    @property
    def op(self) -> str:
        return self.name.split()[0]


def case(name: str, f: Callable, *inputs: np.ndarray, kink: bool = False) -> Case:
    return Case(name, f, inputs, kink)


def a(*shape: int) -> np.ndarray:
    """Entries on both sides of zero, none near it, no two equal."""
    n = int(np.prod(shape))
    return rng.permuted(np.linspace(0.2, 1.8, n) * np.where(np.arange(n) % 2, 1, -1)).reshape(shape)


def pos(*shape: int) -> np.ndarray:
    """Positive entries."""
    return np.abs(a(*shape))


LABELS = np.array([2, 0, 1, 2])
STRIDED = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 1}
GROUPED = {"stride": (1, 2), "padding": (0, 1), "dilation": (1, 1), "groups": 2}
TIES = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])


def stats(x: mg.Tensor) -> dict:
    """What the kernels of batch norm need of x: mean and 1/√(variance + ε)."""
    mean, var = norm.channel_moments(x)
    return {"eps": 1e-3, "stats": (mean, 1 / np.sqrt(var + 1e-3))}


CASES = [
    # arithmetic
    case("add", mg.add, a(2, 3), a(2, 3)),
    case("add broadcast", mg.add, a(2, 1, 3), a(4, 1)),
    case("sub", mg.sub, a(2, 3), a(3)),
    case("mul", mg.mul, a(2, 3), a(2, 3)),
    case("mul broadcast", mg.mul, a(2, 1, 3), a(4, 1)),
    case("mul by a scalar tensor", mg.mul, a(2, 3), a()),
    case("div", mg.div, a(2, 3), a(2, 1)),
    case("neg", mg.neg, a(2, 3)),
    case("power 3", lambda x: mg.power(x, 3), a(2, 3)),
    case("power −½", lambda x: mg.power(x, -0.5), pos(2, 3)),
    case("power 1", lambda x: mg.power(x, 1), a(2, 3)),
    case("power 2 at 0", lambda x: mg.power(x, 2), np.array([0.0, 1.0])),
    case("tensor_power", lambda x, y: x**y, pos(2, 3), a(3)),
    case("tensor_power at 0", lambda x: x ** np.array([0.0, 1.0, 2.0]), np.zeros(3)),
    case("power number ** tensor", lambda x: 2.0**x, a(2, 3)),
    case("alias", P["alias"], a(2, 3)),
    case("cast", lambda x: P["cast"](x, dtype=np.dtype("float64")), a(2, 3)),
    # functions of one entry
    case("exp", mg.exp, a(2, 3)),
    case("log", mg.log, pos(2, 3)),
    case("expm1", mg.expm1, a(2, 3)),
    case("log1p", mg.log1p, pos(2, 3)),
    case("sqrt", mg.sqrt, pos(2, 3)),
    case("sin", mg.sin, a(2, 3)),
    case("cos", mg.cos, a(2, 3)),
    case("tanh", mg.tanh, a(2, 3)),
    case("sigmoid", mg.sigmoid, a(2, 3)),
    case("sigmoid far out", mg.sigmoid, np.array([-15.0, 0.0, 15.0])),
    case("along_tanh", P["along_tanh"], a(2, 3), a(2, 3)),
    case("along_sigmoid", P["along_sigmoid"], a(2, 3), a(2, 3)),
    # piecewise
    case("relu", mg.relu, a(2, 3)),
    case("relu at 0", mg.relu, np.array([-1.0, 0.0, 1e-9, 2.0]), kink=True),
    case("abs", mg.abs, a(2, 3)),
    case("abs at 0", mg.abs, np.array([-1.0, 0.0, 2.0]), kink=True),
    case("maximum", mg.maximum, a(2, 3), a(2, 3) + 0.1),
    case("maximum broadcast", mg.maximum, a(2, 3), a(3)),
    case("maximum tied", mg.maximum, np.array([1.0, 2.0]), np.array([1.0, 3.0]), kink=True),
    case("minimum", mg.minimum, a(3, 4), a(3, 1) / 2),
    case("clip", lambda x: mg.clip(x, -1.0, 1.0), a(2, 4)),
    case("where", lambda x, y: mg.where(np.array([True, False, True]), x, y), a(2, 3), a(3)),
    # activations
    case("gate", lambda g: P["gate"](g, by=np.array([[-1.0, 0.0, 2.0], [3.0, 1.0, -2.0]])), a(2, 3)),
    case("leaky_relu", mg.leaky_relu, a(2, 3)),
    case("leaky_relu at 0", mg.leaky_relu, np.array([-1.0, 0.0, 2.0]), kink=True),
    case("elu", mg.elu, a(2, 3)),
    case("elu at 0", mg.elu, np.array([-1.0, 0.0, 2.0]), kink=True),
    case("elu at 0, α = 0.3", lambda x: mg.elu(x, 0.3), np.array([-1.0, 0.0, 2.0]), kink=True),
    case("softplus", mg.softplus, a(2, 3)),
    case("silu", mg.silu, a(2, 3)),
    case("gelu", mg.gelu, a(2, 3)),
    # reductions
    case("sum", mg.sum, a(2, 3)),
    case("sum axis", lambda x: mg.sum(x, axis=1), a(2, 3, 2)),
    case("sum axes keepdims", lambda x: mg.sum(x, axis=(0, -1), keepdims=True), a(2, 3, 2)),
    case("mean", lambda x: mg.mean(x, axis=0), a(2, 3)),
    case("mean all keepdims", lambda x: mg.mean(x, keepdims=True), a(2, 3)),
    case("var", mg.var, a(2, 3)),
    case("var axis correction", lambda x: mg.var(x, axis=-1, keepdims=True, correction=1), a(2, 3)),
    case("std", lambda x: mg.std(x, axis=(0, 2)), a(2, 3, 2)),
    case("max", mg.max, a(2, 3)),
    case("max axis", lambda x: mg.max(x, axis=1), a(3, 4)),
    case("max axes keepdims", lambda x: mg.max(x, axis=(0, 2), keepdims=True), a(2, 3, 2)),
    case("max tied", lambda x: mg.max(x, axis=1), TIES, kink=True),
    case("min", lambda x: mg.min(x, axis=0), a(2, 3)),
    case("logsumexp", lambda x: mg.logsumexp(x, axis=1), a(2, 3)),
    case("logsumexp all, large", lambda x: mg.logsumexp(x + 1000.0), a(2, 3)),
    case("sum_to", lambda x: mg.sum_to(x, shape=(1, 3)), a(2, 2, 3)),
    case("broadcast_to", lambda x: mg.broadcast_to(x, shape=(2, 4, 3)), a(4, 1)),
    # shapes
    case("reshape", lambda x: mg.reshape(x, (3, -1)), a(2, 3)),
    case("flatten", lambda x: mg.flatten(x, 1), a(2, 2, 2)),
    case("squeeze", lambda x: mg.squeeze(x, 1), a(2, 1, 3)),
    case("expand_dims", lambda x: mg.expand_dims(x, -1), a(2, 3)),
    case("permute_dims", lambda x: mg.permute_dims(x, (2, 0, 1)), a(2, 3, 2)),
    case("matrix_transpose", mg.matrix_transpose, a(2, 3, 2)),
    case("pad", lambda x: mg.pad(x, [(1, 2), (0, 1)]), a(2, 3)),
    case("crop", lambda x: mg.crop(x, [(1, 0), (1, 1)]), a(3, 4)),
    case("concat", lambda *xs: mg.concat(xs, axis=1), a(2, 1), a(2, 3), a(2, 2)),
    case("stack", lambda *xs: mg.stack(xs, axis=-1), a(2, 3), a(2, 3)),
    # indexing
    case("getitem basic", lambda x: x[1, ::2], a(2, 5)),
    case("getitem new axis, ellipsis, backwards", lambda x: x[None, ..., ::-1], a(2, 3)),
    case("getitem advanced", lambda x: x[[0, 2], :], a(3, 2)),
    case("getitem repeated", lambda x: x[[0, 0, 2], [1, 1, 0]], a(3, 2)),
    case("getitem boolean", lambda x: x[np.array([True, False, True])], a(3, 2)),
    case("putitem", lambda x: P["putitem"](x, index=(slice(0, 3, 2),), shape=(4, 2)), a(2, 2)),
    case("putitem repeated", lambda x: P["putitem"](x, index=([0, 0, 2],), shape=(4, 2)), a(3, 2)),
    # matrix products
    case("matmul", mg.matmul, a(2, 3), a(3, 2)),
    case("matmul batched", mg.matmul, a(2, 2, 3), a(2, 3, 1)),
    case("matmul broadcast", mg.matmul, a(2, 1, 2, 3), a(2, 3, 2)),
    case("matmul vector left", mg.matmul, a(3), a(2, 3, 2)),
    case("matmul vector right", mg.matmul, a(2, 3), a(3)),
    case("matmul vectors", mg.matmul, a(3), a(3)),
    # images
    case("conv2d", mg.conv2d, a(2, 2, 4, 4), a(3, 2, 3, 3), a(3)),
    case("conv2d stride, padding, dilation", lambda x, w: P["conv2d"](x, w, **STRIDED), a(1, 2, 5, 6), a(2, 2, 3, 2)),
    case("conv2d groups", lambda x, w: P["conv2d"](x, w, **GROUPED), a(2, 4, 3, 5), a(4, 2, 2, 3)),
    case("conv2d 1×1, odd size", lambda x, w: mg.conv2d(x, w, stride=2), a(2, 3, 5, 3), a(2, 3, 1, 1)),
    case("conv2d_input", lambda g, w: P["conv2d_input"](g, w, size=(5, 6), **STRIDED), a(1, 2, 3, 4), a(2, 2, 3, 2)),
    case("conv2d_input groups", lambda g, w: P["conv2d_input"](g, w, size=(3, 5), **GROUPED), a(1, 4, 2, 3), a(4, 1, 2, 3)),
    case("conv2d_weight", lambda x, g: P["conv2d_weight"](x, g, kernel=(3, 2), **STRIDED), a(1, 2, 5, 6), a(1, 2, 3, 4)),
    case("conv2d_weight groups", lambda x, g: P["conv2d_weight"](x, g, kernel=(2, 3), **GROUPED), a(1, 2, 3, 5), a(1, 2, 2, 3)),
    case("affine", mg.affine, a(3, 4), a(2, 4), a(2)),
    case("unfold", lambda x: mg.unfold(x, 2), a(1, 2, 3, 4)),
    case("unfold stride, padding, dilation", lambda x: mg.unfold(x, (2, 3), (2, 1), 1, (1, 2)), a(1, 2, 3, 4)),
    case("fold", lambda x: mg.fold(x, (3, 4), stride=(2, 1), padding=1), a(1, 2, 2, 3, 2, 4)),
    case("max_pool2d", lambda x: mg.max_pool2d(x, 2), a(2, 2, 4, 4)),
    case("max_pool2d overlapping", lambda x: mg.max_pool2d(x, 3, stride=1), a(1, 2, 5, 4)),
    case("max_pool2d padded, odd", lambda x: mg.max_pool2d(x, 3, stride=2, padding=1), a(1, 2, 5, 7)),
    case("max_pool2d tied", lambda x: mg.max_pool2d(x, 2, stride=1), np.ones((1, 1, 3, 3)), kink=True),
    case("pool_take", lambda x: P["pool_take"](x, winners=WINNERS, **OVERLAPPING), a(1, 1, 3, 3)),
    case("pool_put", lambda g: P["pool_put"](g, winners=WINNERS, size=(3, 3), **OVERLAPPING), a(1, 1, 2, 2)),
    case("avg_pool2d", lambda x: mg.avg_pool2d(x, 2), a(2, 2, 4, 4)),
    case("avg_pool2d overlapping, padded, odd", lambda x: mg.avg_pool2d(x, 3, stride=2, padding=1), a(1, 2, 5, 4)),
    case("avg_pool2d_input", lambda g: P["avg_pool2d_input"](g, size=(5, 4), **POOL), a(1, 2, 3, 2)),
    case("fractional_max_pool2d", lambda x: mg.fractional_max_pool2d(x, (3, 4), rng=0), a(2, 2, 5, 6)),
    case("fractional_max_pool2d disjoint, rows", lambda x: mg.fractional_max_pool2d(x, 3, **BY_ROW, rng=1), a(3, 1, 7, 4)),
    case("fractional_max_pool2d default generator", lambda x: mg.fractional_max_pool2d(x, 2), a(1, 2, 4, 4)),
    case("fractional_max_pool2d tied", lambda x: mg.fractional_max_pool2d(x, 3, rng=0), np.ones((1, 1, 5, 5)), kink=True),
    case("global_avg_pool2d", mg.global_avg_pool2d, a(2, 3, 2, 2)),
    # normalisation and noise
    case("batch_norm", mg.batch_norm, a(5, 3), a(3), a(3)),
    case("batch_norm images", mg.batch_norm, a(2, 3, 2, 3), a(3), a(3)),
    case("batch_norm γ = 0", mg.batch_norm, a(4, 2), np.zeros(2), a(2)),
    case("normalize", lambda x, *k: norm.normalize(x, np.array([0.1, -0.3]), np.array([0.5, 2.0]), *k), a(4, 2), a(2), a(2)),
    case("normalize statistics", norm.normalize, a(4, 2, 2, 1), a(2), pos(2), a(2), a(2)),
    case("standardize", lambda x: P["standardize"](x, **stats(x)), a(3, 2, 2, 2)),
    case("standardize_pull", lambda g, x: P["standardize_pull"](g, x, **stats(x)), a(5, 3), a(5, 3)),
    case("standardize_second", lambda *k: P["standardize_second"](*k, **stats(k[2])), a(5, 2), a(5, 2), a(5, 2)),
    case("dropout", lambda x: mg.dropout(x, 0.4, rng=3), a(3, 4)),
    case("dropout default generator", lambda x: mg.dropout(x, 0.4), a(3, 4)),
    case("dropout scaled at test time", lambda x: mg.dropout(x, 0.4, training=False, scaling="test"), a(3, 4)),
    case("dropout2d", lambda x: mg.dropout2d(x, 0.4, rng=3), a(3, 2, 2, 2)),
    # losses
    case("softmax", mg.softmax, a(2, 4)),
    case("softmax axis 0", lambda x: mg.softmax(x, axis=0), a(3, 2)),
    case("log_softmax", mg.log_softmax, a(2, 4)),
    case("cross_entropy", lambda x: mg.cross_entropy(x, LABELS), a(4, 3)),
    case("cross_entropy smoothing, sum", lambda x: mg.cross_entropy(x, LABELS, label_smoothing=0.1, reduction="sum"), a(4, 3)),
    case("log_softmax times class probabilities (cross_entropy)", lambda x, t: mg.cross_entropy(x, mg.softmax(t), label_smoothing=0.1), a(4, 3), a(4, 3)),
    case("cross_entropy none", lambda x: mg.cross_entropy(x, LABELS, reduction="none"), a(4, 3)),
    case("mse_loss", mg.mse_loss, a(2, 3), a(2, 3)),
    case("mse_loss none", lambda x, y: mg.mse_loss(x, y, reduction="none"), a(2, 3), a(2, 3)),
]  # fmt: skip

WINNERS = np.array([[[[3, 2], [1, 3]]]], np.uint8)  # overlapping windows share a winner
OVERLAPPING = {"kernel": (2, 2), "stride": (1, 1), "padding": (0, 0)}
BY_ROW = {"regions": "disjoint", "sequence": "random", "mode": "row"}
POOL = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1)}
