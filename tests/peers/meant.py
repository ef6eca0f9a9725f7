"""What differs from PyTorch and is meant to, with the reason; what is left out; calls that differ in form. All of it data."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import minigrad as mg


class Meant(NamedTuple):
    names: str  # patterns, apart by blanks
    told: str  # a regular expression that the sample and what came of it contain
    reason: str


MEANT: list[Meant] = []


def entry(name: str, text: str) -> str | None:
    """The reason why this difference is meant, if it is."""
    for m in MEANT:
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in m.names.split()) and re.search(m.told, text, re.S):
            return m.reason
    return None


# names of op_db that are left out, by pattern
LEFT_OUT = {
    "private": "_* torch.ops.* native_* *_backward* __getitem__x",
    "sparse tensors": "*sparse* *_csr* *_coo*",
    "jiterator": "jiterator_*",
    "made in place": "resize_ resize_as_ *_ uniform normal_ exponential_",
    "complex numbers: the engine is real": "*complex* view_as_real real imag angle conj* polar is_complex istft stft fft.* *_physical",
    "uninitialised memory, storage": "empty* new_empty* as_strided* *_copy",
    "quantized, foreign": "*_mm_v2 *flash* *efficient*",
}


def left_out(name: str) -> str | None:
    if name.startswith("__") or name in KEPT:
        return None
    for reason, patterns in LEFT_OUT.items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split()):
            return reason
    return None


KEPT: set[str] = set()

# what is drawn: shapes and dtypes only
RANDOM = set(
    "bernoulli cauchy exponential geometric log_normal multinomial normal uniform rand_like randn_like randint_like "
    "randint randn nn.functional.dropout nn.functional.dropout2d nn.functional.dropout3d nn.functional.alpha_dropout "
    "nn.functional.feature_alpha_dropout nn.functional.fractional_max_pool2d nn.functional.fractional_max_pool3d "
    "nn.functional.rrelu".split()
)


def draws(name: str, module: Any) -> bool:
    """Whether a module of PyTorch's draws while it is trained."""
    return "Dropout" in name or "RReLU" in name or "Fractional" in name or bool(getattr(module, "dropout", 0))


ADAPTED: dict[str, Callable] = {}


def _with_first(change: Callable) -> Callable[[Callable], Callable]:
    return lambda f: lambda x, *args, **kwargs: f(change(x), *args, **kwargs)


def _transposed(x: Any) -> Any:
    return mg.matrix_transpose(x) if isinstance(x, mg.Tensor) else x.mT


PREPARED = {  # PyTorch's own wrappers of what only holds on symmetric input
    "gradcheck_wrapper_hermitian_input": _with_first(lambda x: x + _transposed(x)),
}

INVARIANT: dict[str, Callable] = {}  # a function of the results that does not depend on signs


def invariant(name: str, f: Callable) -> Callable:
    change = INVARIANT.get(name)
    return f if change is None else lambda *args, **kwargs: change(f(*args, **kwargs))
