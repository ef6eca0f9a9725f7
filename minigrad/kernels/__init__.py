"""Floor 0: loops over ndarrays. Arrays and numbers in, arrays out; no Tensor, no derivative rule, no policy.

Each function here runs jitted when its arrays are all float32 or all float64, and as plain NumPy (`plain.py`, where it
is described) for every other dtype or under MINIGRAD_JIT=0. Nothing is compiled, nor Numba imported, before the first
call.

Images are logically (N,C,H,W), with any strides; results are stored channels last, which is the fast path of every
kernel. Spatial arguments are pairs of ints. Callers have checked the shapes.
"""

import functools
import importlib
import inspect
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..typing import Array
from . import plain
from .threads import get_num_threads, set_num_threads

__all__ = [
    "add_rows",
    "avg_pool2d",
    "avg_pool2d_input",
    "batch_norm_backward",
    "batch_norm_second",
    "channel_moments",
    "channel_sums",
    "checksum",
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
    "elu",
    "elu_backward",
    "erf",
    "erfc",
    "fold",
    "gate",
    "gelu",
    "gelu_backward",
    "gelu_erf",
    "gelu_erf_backward",
    "get_num_threads",
    "leaky_relu",
    "leaky_relu_backward",
    "matmul",
    "max_pool2d",
    "normalize",
    "normalize_groups",
    "normalize_groups_backward",
    "normalize_rows",
    "normalize_rows_backward",
    "pool_put",
    "pool_take",
    "relu",
    "set_num_threads",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax_cross_entropy",
    "softmax_rows",
    "softmax_rows_backward",
    "tanh_backward",
    "taps",
    "unfold",
    "update",
]

JIT = os.environ.get("MINIGRAD_JIT", "1") != "0" and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

FEW = 4096  # numbers up to which a few calls of NumPy take less time than one of a kernel


_FLOATS = (np.dtype("f4"), np.dtype("f8"))
P = ParamSpec("P")
R = TypeVar("R")


class _Jitted:
    """A module of jitted kernels, imported when the first of them is needed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, kernel: str) -> Any:
        function = getattr(importlib.import_module(f"{__name__}.{self._name}"), kernel)
        setattr(self, kernel, function)
        return function


def _dispatched(in_numpy: Callable[P, R], module: str, few: int = 0) -> Callable[P, R]:
    """A function of plain.py, or its namesake in a module of jitted kernels if all its arrays are of one of our floats.

    Which parameters are arrays, plain.py says: those annotated so. Up to `few` numbers, a few calls of NumPy take less
    time than one of a kernel. The function is written out, as dataclasses write theirs: collecting arguments and
    passing them on would take longer than a small kernel. That of `gate` is

        def gate(g, y):
            dtype = g.dtype
            if JIT and dtype in _FLOATS and y.dtype == dtype:
                return _jitted_elementwise.gate(g, y)
            return plain.gate(g, y)
    """
    parameters = inspect.signature(in_numpy).parameters.values()
    first, *others = (p.name for p in parameters if p.annotation is Array)
    optional = (p.name for p in parameters if p.annotation == Array | None)
    conditions = [
        *[f"{first}.size > {few}"] * bool(few),
        "JIT and dtype in _FLOATS",
        *(f"{a}.dtype == dtype" for a in others),
        *(f"({a} is None or {a}.dtype == dtype)" for a in optional),
    ]
    takes = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
    gives = [p.name if p.kind is not p.KEYWORD_ONLY else f"{p.name}={p.name}" for p in parameters]
    keywords = [p.kind is p.KEYWORD_ONLY for p in parameters]
    if True in keywords:
        takes.insert(keywords.index(True), "*")
    name, passed = in_numpy.__name__, ", ".join(gives)
    source = f"""
def {name}({", ".join(takes)}):
    dtype = {first}.dtype
    if {" and ".join(conditions)}:
        return _jitted_{module}.{name}({passed})
    return plain.{name}({passed})
"""
    globals().setdefault(f"_jitted_{module}", _Jitted(module))
    namespace: dict[str, Any] = {}
    exec(source, globals(), namespace)
    return functools.update_wrapper(namespace[name], in_numpy)


conv2d = _dispatched(plain.conv2d, "conv")
conv2d_input = _dispatched(plain.conv2d_input, "conv")
conv2d_weight = _dispatched(plain.conv2d_weight, "conv")
matmul = _dispatched(plain.matmul, "blas")
unfold, fold = plain.unfold, plain.fold
taps = _dispatched(plain.taps, "along")

max_pool2d = _dispatched(plain.max_pool2d, "pool")
pool_take = _dispatched(plain.pool_take, "pool")
pool_put = _dispatched(plain.pool_put, "pool")
avg_pool2d = _dispatched(plain.avg_pool2d, "pool")
avg_pool2d_input = _dispatched(plain.avg_pool2d_input, "pool")

channel_moments = _dispatched(plain.channel_moments, "norm")
channel_sums = _dispatched(plain.channel_sums, "norm")
normalize = _dispatched(plain.normalize, "norm")
batch_norm_backward = _dispatched(plain.batch_norm_backward, "norm")
batch_norm_second = _dispatched(plain.batch_norm_second, "norm")

relu = _dispatched(plain.relu, "elementwise", few=FEW)
gate = _dispatched(plain.gate, "elementwise")
sigmoid = _dispatched(plain.sigmoid, "elementwise")
sigmoid_backward = _dispatched(plain.sigmoid_backward, "elementwise", few=FEW)
tanh_backward = _dispatched(plain.tanh_backward, "elementwise", few=FEW)
silu = _dispatched(plain.silu, "elementwise")
silu_backward = _dispatched(plain.silu_backward, "elementwise")
gelu = _dispatched(plain.gelu, "elementwise")
gelu_backward = _dispatched(plain.gelu_backward, "elementwise")
erf = _dispatched(plain.erf, "elementwise")
erfc = _dispatched(plain.erfc, "elementwise")
gelu_erf = _dispatched(plain.gelu_erf, "elementwise")
gelu_erf_backward = _dispatched(plain.gelu_erf_backward, "elementwise")
elu = _dispatched(plain.elu, "elementwise")
elu_backward = _dispatched(plain.elu_backward, "elementwise")
leaky_relu = _dispatched(plain.leaky_relu, "elementwise")
leaky_relu_backward = _dispatched(plain.leaky_relu_backward, "elementwise")

normalize_groups = _dispatched(plain.normalize_groups, "norm")
normalize_groups_backward = _dispatched(plain.normalize_groups_backward, "norm")
normalize_rows = _dispatched(plain.normalize_rows, "rows")
normalize_rows_backward = _dispatched(plain.normalize_rows_backward, "rows")
add_rows = _dispatched(plain.add_rows, "rows")

softmax_rows = _dispatched(plain.softmax_rows, "softmax")
softmax_rows_backward = _dispatched(plain.softmax_rows_backward, "softmax")
softmax_cross_entropy = _dispatched(plain.softmax_cross_entropy, "softmax")


_jitted_step, _jitted_witness = _Jitted("step"), _Jitted("witness")


@functools.wraps(plain.checksum)
def checksum(words):
    return tuple(map(int, (_jitted_witness if JIT else plain).checksum(words)))


@functools.wraps(plain.update)
def update(rule, ps, gs, states, numbers, *, keep=1.0, decay=0.0):
    module = _jitted_step if JIT and ps[0].dtype in _FLOATS else plain
    module.update(rule, ps, gs, states, numbers, keep=keep, decay=decay)
