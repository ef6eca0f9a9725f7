"""minigrad: a tape-based autograd framework on NumPy, with Numba kernels. The public names, and nothing else.

The subpackages `nn`, `optim`, `data`, `train`, `viz` and `lab` are imported when they are first asked for.
"""

from importlib import import_module as _import_module
from typing import Any as _Any

from . import ops
from .calculus import (
    ggnvp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    linearize,
    linearize_ggn,
    linearize_grad,
    value_and_grad,
    vjp,
)
from .compile import compile
from .explain import explain
from .gradcheck import gradcheck
from .graph import graph
from .kernels import get_num_threads, set_num_threads
from .ops.conv import conv2d, fold, unfold
from .ops.elementwise import (
    abs,
    clip,
    cos,
    div,
    elu,
    exp,
    expm1,
    gelu,
    leaky_relu,
    log,
    log1p,
    maximum,
    minimum,
    neg,
    power,
    relu,
    sigmoid,
    silu,
    sin,
    softplus,
    sqrt,
    sub,
    tanh,
    where,
)
from .ops.linalg import affine, matmul
from .ops.loss import cross_entropy, log_softmax, mse_loss, softmax
from .ops.noise import dropout, dropout2d
from .ops.norm import batch_norm
from .ops.pool import avg_pool2d, fractional_max_pool2d, global_avg_pool2d, max_pool2d
from .ops.reduce import logsumexp, max, mean, min, std, sum, var
from .ops.shape import concat, crop, expand_dims, flatten, matrix_transpose, pad, permute_dims, reshape, squeeze, stack
from .random import seed
from .tape import (
    Primitive,
    Tensor,
    add,
    broadcast_to,
    elementwise,
    fused,
    general,
    linear,
    mul,
    no_grad,
    primitive,
    pull,
    push,
    sum_to,
    tensor,
)

__all__ = [
    "Primitive", "Tensor", "abs", "add", "affine", "avg_pool2d", "batch_norm", "broadcast_to", "clip", "compile", "concat", "conv2d",
    "cos", "crop", "cross_entropy", "div", "dropout", "dropout2d", "elementwise", "elu", "exp", "expand_dims", "explain", "expm1", "flatten", "fold", "fractional_max_pool2d",
    "fused", "gelu", "general", "get_num_threads", "ggnvp", "global_avg_pool2d", "grad", "gradcheck", "graph", "hessian",
    "hvp", "jacobian", "jvp", "leaky_relu", "linear", "linearize", "linearize_ggn", "linearize_grad", "log", "log1p", "log_softmax",
    "logsumexp", "matmul", "matrix_transpose", "max", "max_pool2d", "maximum", "mean", "min", "minimum", "mse_loss",
    "mul", "neg", "no_grad", "ops", "pad", "permute_dims", "power", "primitive", "pull", "push", "relu", "reshape",
    "seed", "set_num_threads", "sigmoid", "silu", "sin", "softmax", "softplus", "sqrt", "squeeze", "stack", "std",
    "sub", "sum", "sum_to", "tanh", "tensor", "unfold", "value_and_grad", "var", "vjp", "where",
]  # fmt: skip
__version__ = "0.1.0"
_SUBPACKAGES = ("data", "lab", "nn", "optim", "train", "viz")


def __getattr__(name: str) -> _Any:
    if name in _SUBPACKAGES:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBPACKAGES])
