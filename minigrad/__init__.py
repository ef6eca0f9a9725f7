"""minigrad: a tape-based autograd framework on NumPy, with Numba kernels. The public names, and nothing else.

The subpackages `nn`, `optim`, `data`, `train`, `viz`, `lab`, `linalg`, `fft`, `signal` and `special` are imported when they are first
asked for.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from . import ops
from .anomalies import debug
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
    per_example_grad,
    value_and_grad,
    vjp,
)
from .compile import compile
from .explain import explain
from .gradcheck import gradcheck
from .graph import graph
from .kernels import get_num_threads, set_num_threads
from .ops.activations import *
from .ops.attention import *
from .ops.conv import *
from .ops.creation import *
from .ops.distances import *
from .ops.elementwise import *
from .ops.entries import *
from .ops.gather import *
from .ops.grouping import *
from .ops.layout import *
from .ops.linalg import *
from .ops.logic import *
from .ops.lookup import *
from .ops.loss import *
from .ops.losses import *
from .ops.matrices import *
from .ops.noise import *
from .ops.norm import *
from .ops.pool import *
from .ops.products import *
from .ops.reduce import *
from .ops.resize import *
from .ops.rounding import *
from .ops.rownorm import *
from .ops.shape import *
from .ops.sorting import *
from .ops.special import *
from .ops.statistics import *
from .ops.transcendental import *
from .random import seed
from .recompute import checkpoint
from .tape import (
    Primitive,
    Tensor,
    add,
    broadcast_to,
    composite,
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

if _TYPE_CHECKING:
    from .spelled import *  # a stub: PyTorch's names, found by __getattr__

__all__ = [
    "Primitive", "Tensor", "add", "broadcast_to", "checkpoint", "compile", "composite", "debug", "elementwise", "explain", "fused", "general", "get_num_threads", "ggnvp", "grad", "gradcheck", "graph", "hessian", "hvp", "jacobian", "jvp", "linear", "linearize", "linearize_ggn", "linearize_grad", "mul", "no_grad", "ops", "per_example_grad", "primitive", "pull", "push", "seed", "set_num_threads", "sum_to", "tensor", "value_and_grad", "vjp",
]  # fmt: skip
__all__ += ops.activations.__all__
__all__ += ops.attention.__all__
__all__ += ops.conv.__all__
__all__ += ops.creation.__all__
__all__ += ops.elementwise.__all__
__all__ += ops.layout.__all__
__all__ += ops.gather.__all__
__all__ += ops.grouping.__all__
__all__ += ops.entries.__all__
__all__ += ops.linalg.__all__
__all__ += ops.logic.__all__
__all__ += ops.rounding.__all__
__all__ += ops.sorting.__all__
__all__ += ops.transcendental.__all__
__all__ += ops.loss.__all__
__all__ += ops.losses.__all__
__all__ += ops.noise.__all__
__all__ += ops.norm.__all__
__all__ += ops.pool.__all__
__all__ += ops.reduce.__all__
__all__ += ops.lookup.__all__
__all__ += ops.rownorm.__all__
__all__ += ops.resize.__all__
__all__ += ops.shape.__all__
__all__ += ops.statistics.__all__
__all__ += ops.special.__all__
__all__ += ops.distances.__all__
__all__ += ops.matrices.__all__
__all__ += ops.products.__all__
__version__ = "0.1.0"
__array_api_version__ = ops.interchange.VERSION
__array_namespace_info__ = ops.interchange.Info
_SUBPACKAGES = ("data", "fft", "lab", "linalg", "nn", "optim", "signal", "special", "train", "viz")


def __getattr__(name: str) -> _Any:
    if name in _SUBPACKAGES:
        return _import_module(f"{__name__}.{name}")
    if name in ops.spelling.FUNCTIONS:  # PyTorch's
        return ops.spelling.function(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBPACKAGES])
