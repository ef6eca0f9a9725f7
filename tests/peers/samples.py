"""PyTorch's own sample inputs, run through its operations and through those that minigrad has in their place.

`counterpart` finds the function here by the name there: `mg.nn.functional`, `mg.linalg`, `mg.special`, `mg.fft`, `mg`, or a
method. It is given PyTorch's own arguments. `compare` runs one sample both ways, and says how it went.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

import minigrad as mg
from minigrad.tape import pull

AGREE, DIFFER, REFUSED, SKIPPED = "agree", "differ", "refused", "skipped"
TOLERANCE = 1e-9  # of the largest entry, in float64
LARGE = 3000  # entries of all inputs, above which second order is left out
REFUSALS = TypeError, ValueError, NotImplementedError, IndexError, AttributeError
NO_MATTER = {
    "device",
    "layout",
    "memory_format",
    "pin_memory",
    "requires_grad",
    "non_blocking",
    "copy",
}  # of a CPU's tensors
SPACES = {"linalg": "linalg", "special": "special", "fft": "fft", "nn.functional": "nn.functional"}


class Outcome(NamedTuple):
    """How one sample went: what, where it differs or why it was refused, and to which order it was compared."""

    what: str
    said: str = ""
    order: int = 0


def _attribute(thing: Any, path: str) -> Any:
    for name in path.split("."):
        thing = getattr(thing, name, None)
    return thing


def counterpart(name: str) -> Callable | None:
    """minigrad's function for PyTorch's of this name, if there is one."""
    space, _, last = name.rpartition(".")
    if name in ADAPTERS:
        return ADAPTERS[name]
    if last.startswith("_") and not last.startswith("__"):
        return None
    if space:
        return _attribute(mg, f"{SPACES[space]}.{last}") if space in SPACES else None
    found = getattr(mg, last, None)
    if not callable(found) or isinstance(found, type) or last in ("compile", "graph", "grad"):
        found = getattr(mg.Tensor, last, None)
    return found if callable(found) else None


# ---- arguments --------------------------------------------------------------------------------------------------------

_DTYPES = {getattr(torch, n): np.dtype(n) for n in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool", "complex64", "complex128")}  # fmt: skip


def array(x: torch.Tensor, dtype: Any = None) -> np.ndarray:
    """Its values, as they are strided; float ones in the dtype."""
    a = x.detach().numpy()
    return a.astype(dtype) if dtype is not None and a.dtype.kind == "f" else a


def ours(value: Any, dtype: Any, leaves: list) -> Any:
    """PyTorch's argument as minigrad's; tensors that require grad become leaves."""
    if isinstance(value, torch.Tensor):
        x = mg.Tensor(array(value, dtype), requires_grad=value.requires_grad)
        if value.requires_grad:
            leaves.append(x)
        return x
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, torch.dtype):
        return _DTYPES[value]
    if isinstance(value, (list, tuple)):
        return type(value)([ours(v, dtype, leaves) for v in value])
    if isinstance(value, dict):
        return {k: ours(v, dtype, leaves) for k, v in value.items()}
    return value


def theirs(value: Any, dtype: Any, leaves: list) -> Any:
    """A fresh argument for PyTorch, float tensors in the dtype."""
    if isinstance(value, torch.Tensor):
        y = value.detach()
        y = y.to(dtype) if y.is_floating_point() else y
        if value.requires_grad:
            y = y.clone(memory_format=torch.preserve_format).requires_grad_()
            leaves.append(y)
        return y
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        return type(value)([theirs(v, dtype, leaves) for v in value])
    if isinstance(value, dict):
        return {k: theirs(v, dtype, leaves) for k, v in value.items()}
    return value


def parts(y: Any) -> list:
    """The tensors of a result, and what else it holds."""
    if isinstance(y, (tuple, list)) and not isinstance(y, torch.Size):
        return [p for v in y for p in parts(v)]
    return [y]


def _value(p: Any) -> np.ndarray:
    if isinstance(p, torch.Tensor):
        return p.detach().resolve_conj().resolve_neg().numpy()
    return np.asarray(p._data if isinstance(p, mg.Tensor) else p)


# ---- both ways -----------------------------------------------------------------------------------------------------------


def _bent(y: Any, sin: Callable, wrap: Callable) -> Any:
    """One number of the floats in a result: Σ c · sin(y), so that linear operations have a second order, too."""
    rng, sums = np.random.default_rng(0), []
    for p in parts(y):
        if isinstance(p, (torch.Tensor, mg.Tensor)):
            c = rng.uniform(0.5, 1.5, tuple(p.shape))
            if p.requires_grad:
                sums.append((sin(p) * wrap(c, p)).sum())
    return sum(sums[1:], start=sums[0]) if sums else None


def run_theirs(f: Callable, sample: Any, dtype: Any, order: int) -> tuple[list, list, list | None]:
    """Values, gradients, and products with the Hessian (None where PyTorch has none)."""
    leaves: list = []
    args = theirs([sample.input, *sample.args], dtype, leaves)
    y = f(*args, **theirs(sample.kwargs, dtype, leaves))
    values = [_value(p).copy() for p in parts(y)]
    loss = _bent(y, torch.sin, lambda c, p: torch.tensor(c, dtype=p.dtype)) if order else None
    if loss is None:
        return values, [], []
    try:
        gs = torch.autograd.grad(loss, leaves, create_graph=order > 1, allow_unused=True)
    except (RuntimeError, NotImplementedError):
        return values, [], None
    grads = [np.zeros(x.shape) if g is None else _value(g).copy() for g, x in zip(gs, leaves)]
    if order < 2:
        return values, grads, []
    rng = np.random.default_rng(1)
    along = [
        (g * torch.tensor(rng.normal(size=tuple(x.shape)), dtype=x.dtype)).sum() if g is not None else None
        for g, x in zip(gs, leaves)
    ]
    along = [a for a in along if a is not None and a.requires_grad]
    if not along:
        return values, grads, [np.zeros(x.shape) for x in leaves]
    try:
        hs = torch.autograd.grad(sum(along[1:], start=along[0]), leaves, allow_unused=True)
    except (RuntimeError, NotImplementedError):
        return values, grads, None
    return values, grads, [np.zeros(x.shape) if h is None else _value(h) for h, x in zip(hs, leaves)]


def run_ours(f: Callable, sample: Any, dtype: Any, order: int) -> tuple[list, list, list]:
    """The same here."""
    leaves: list = []
    args = ours([sample.input, *sample.args], dtype, leaves)
    kwargs = {k: v for k, v in ours(sample.kwargs, dtype, leaves).items() if k not in NO_MATTER}
    y = f(*args, **kwargs)
    values = [_value(p) for p in parts(y)]
    loss = _bent(y, mg.sin, lambda c, p: c.astype(p.dtype)) if order else None
    if loss is None:
        return values, [np.zeros(x.shape) for x in leaves], [np.zeros(x.shape) for x in leaves]
    gs = pull(loss, leaves, create_graph=order > 1)
    grads = [g.data for g in gs]
    if order < 2:
        return values, grads, []
    rng = np.random.default_rng(1)
    along = sum((g * rng.normal(size=x.shape) for g, x in zip(gs, leaves)), start=mg.tensor(0.0)) if False else None
    terms = [(g * rng.normal(size=x.shape)).sum() for g, x in zip(gs, leaves)]
    along = mg.ops.reduce.sum(mg.stack(terms))
    if not along.requires_grad:
        return values, grads, [np.zeros(x.shape) for x in leaves]
    return values, grads, [h.data for h in pull(along, leaves)]


def apart(a: np.ndarray, b: np.ndarray, tolerance: float = TOLERANCE) -> str:
    """How a, which is ours, differs from b; empty if it does not, but for round-off."""
    if a.shape != b.shape:
        return f"shape {a.shape}, not {b.shape}"
    if a.dtype.kind != b.dtype.kind and not {a.dtype.kind, b.dtype.kind} <= set("iu"):
        return f"dtype {a.dtype}, not {b.dtype}"
    if b.dtype.kind not in "fc":
        return "" if (a == b).all() else "other values"
    finite = np.isfinite(b)
    if not (np.isfinite(a) == finite).all() or not ((a == b) | finite | (np.isnan(a) & np.isnan(b))).all():
        return "not finite in other places"
    scale = np.abs(b[finite]).max(initial=1e-3)
    error = np.abs(a[finite] - b[finite]).max(initial=0) / scale
    return "" if error <= tolerance else f"by {error:.1e} of the largest"


def compare(op: Any, f: Callable, sample: Any) -> Outcome:
    """One sample in float64: values, gradients, and products with the Hessian where it is small."""
    given = parts([sample.input, *sample.args, *sample.kwargs.values()])
    tensors = [x for x in given if isinstance(x, torch.Tensor)]
    if any(x.is_complex() for x in tensors) or torch.complex128 in given or torch.complex64 in given:
        return Outcome(SKIPPED, "complex numbers")
    if any(x.layout != torch.strided for x in tensors):
        return Outcome(SKIPPED, "sparse")
    wants = any(x.requires_grad for x in tensors)
    order = (2 if sum(x.numel() for x in tensors) <= LARGE else 1) if wants else 0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            want = run_theirs(op, sample, torch.float64, order)
        except Exception as error:
            return Outcome(SKIPPED, f"PyTorch: {error}")
        order = 1 if want[2] is None and order else order
        try:
            got = run_ours(f, sample, np.float64, order)
        except REFUSALS as error:
            return Outcome(REFUSED, str(error))
    for k, what in enumerate(("value", "gradient", "product")[: 1 + order]):
        mine, other = got[k], want[k] or []
        if k == 0 and len(mine) != len(other):
            return Outcome(DIFFER, f"{len(mine)} results, not {len(other)}")
        if k and not other:
            break
        for i, (a, b) in enumerate(zip(mine, other)):
            if said := apart(np.asarray(a), np.asarray(b)):
                return Outcome(DIFFER, f"{what} {i}: {said}")
    return Outcome(AGREE, "", order)


def samples(op: Any) -> Iterator[Any]:
    """Its samples in float64, or where it has none of floats in int64."""
    dtype = torch.float64 if torch.float64 in op.dtypes else torch.int64 if torch.int64 in op.dtypes else None
    if dtype is None:
        return
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 what they draw from
    yield from op.sample_inputs("cpu", dtype, requires_grad=op.supports_autograd and dtype == torch.float64)


def title(op: Any) -> str:
    return op.name + (f" {op.variant_test_name}" if op.variant_test_name else "")


OPS = {title(op): op for op in op_db}
ADAPTERS: dict[str, Callable] = {}
