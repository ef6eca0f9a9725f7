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


MEANT = [
    Meant("*", r"\((int64 \(3,\), 2|2, int64 \(3,\)|2, 3)\) \[\]: no error", "a number is taken wherever an array is"),
    Meant("nn.functional.conv?d", r"int64.*float64 \(.,\)\) \[should be the same\]: no error",
          "integers go with floats: the result has the floats' dtype"),
    Meant("neg", r"bool \(2,\).*no error", "booleans are counted: an operation on them is one on integers"),
    Meant("mean", r"int64 .*no error", "the mean of integers is a float"),
    Meant("nn.functional.max_pool?d", r"\(float32 \(0, .*no error", "an image may have no channels: the result is as empty"),
    Meant("nn.functional.max_unpool?d", r"gradient: 0, PyTorch", "where entries go to one place, the last one stays, and it "
          "alone has a derivative; PyTorch's backward counts those that were overwritten, too"),
    Meant("std var std_mean var_mean", r"\(float64 [^)]*\)\): (value|result \d):", "`correction` is 0, as in NumPy and the array API; in PyTorch 1"),
    Meant("max min", r"1 results, PyTorch has 2|axis is |axis 0 is out of range", "as in the array API: `max(x, axis)` gives values, `argmax` "
          "places, `maximum` is of two arrays"),
    Meant("amax amin", r"number of dimensions must be within", "an array has at most 64 axes"),
    Meant("equal", r"shape", "the array API's `equal` compares entry by entry"),
    Meant("trace", r"float32 \(3, 4, 5\).*no error", "of matrices in stacks, as in the array API"),
    Meant("norm", r"value: ", "of a matrix it is a matrix norm, as in NumPy; PyTorch's (deprecated) flattens"),
    Meant("linalg.cross", r"no error", "shapes broadcast, as in the array API"),
    Meant("linalg.solve", r"\(0, 0, 0\), float64 \(0, 0\)", "b is a vector if it has one axis, as in the array API"),
    Meant("masked_fill", r"float32 \(1,\)\) .*no error", "the value broadcasts"),
    Meant("nextafter", r"it has no gradient", "the grid of floats has no derivative: a constant"),
    Meant("nn.LPPool?d", r"gradient: .*nan", "of a root of negative numbers, where all is NaN"),
    Meant("nn.GELU", r"\(\) : value", "the form without `approximate`"),
    Meant("Adagrad", r"after step", "`eps` is 1e-7 unless set; in PyTorch 1e-10"),
    Meant("LBFGS", r"after step|unexpected keyword", "another line search: a strong Wolfe one by default, steps are not `lr`"),
    Meant("Muon", r"after step", "PyTorch iterates in bfloat16, ours in the parameters' dtype"),
    Meant("special.bessel_j? special.bessel_y?", r": value: ", "PyTorch's are off by up to 1e-6; ours are SciPy's, which Bessel's "
          "integral and Wronski's determinant confirm to round-off"),
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
    "made in place": "resize_ resize_as_ *_ uniform normal_ exponential_",
    "complex numbers: the engine is real": "*complex* view_as_real real imag angle conj* polar is_complex istft stft *_physical",
    "uninitialised memory, storage": "empty* new_empty* as_strided* *_copy",
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


CONVERTING = {"double", "float", "half", "to", "type_as"}  # into a dtype that is named

ADAPTED: dict[str, Callable] = {}


def _with_first(change: Callable) -> Callable[[Callable], Callable]:
    return lambda f: lambda x, *args, **kwargs: f(change(x), *args, **kwargs)


def _transposed(x: Any) -> Any:
    return mg.matrix_transpose(x) if isinstance(x, mg.Tensor) else x.mT


PREPARED = {  # PyTorch's own wrappers of what only holds on symmetric input
    "gradcheck_wrapper_hermitian_input": _with_first(lambda x: x + _transposed(x)),
}


def _of_svd(r: Any) -> Any:
    """What no signs of pairs of vectors change, nor those that belong to no singular value."""
    u, s, vh = r
    k = s.shape[-1]
    u, vh = u[..., :k], vh[..., :k, :]
    return s, (u * s[..., None, :]) @ vh, u @ vh, u * u


INVARIANT: dict[str, Callable] = {"linalg.svd": _of_svd}  # functions of the results that do not depend on signs


def invariant(name: str, f: Callable) -> Callable:
    change = INVARIANT.get(name)
    return f if change is None else lambda *args, **kwargs: change(f(*args, **kwargs))
