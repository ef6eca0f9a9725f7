"""PyTorch's own sample inputs, given to PyTorch and to minigrad's counterpart of the same name.

A counterpart is found by its name: `linalg.norm` is `mg.linalg.norm`, `nn.functional.relu` is `mg.nn.functional.relu`. It
is called with PyTorch's own arguments, tensors as tensors of the same numbers, dtypes as NumPy's. What comes of a sample
is one of: *agree*, *differ*, *refused* (ours raises, and says why), *meant* (it differs, and `meant.py` says why it does).
"""

from __future__ import annotations

import collections
import itertools
import random
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import meant
import numpy as np
import torch

import minigrad as mg

CLOSE = 1e-9  # of the scale of an array, in float64
MOST = 60  # samples of a name that are run: the first half of it, and as many evenly spread over the others
LARGE = 4096  # entries; where there are more, second order is left out
SINGLES = 12  # samples of a name that are run in float32, too
REFUSALS = (ValueError, TypeError, IndexError, NotImplementedError, OverflowError, RuntimeError)
CLEAR = re.compile(r"[\w.\[\] -]+: |[\w.]+\(\)")  # an error begins with the name of what was called
NO_MATTER = {"device", "layout", "memory_format", "pin_memory", "requires_grad", "non_blocking"}  # to a CPU's tensors


class LeftOut(Exception):
    """Nothing to compare, and why."""


class Differ(Exception):
    """What differs."""


# ---- the counterpart of a name ---------------------------------------------------------------------------------------

NO_OPERATIONS = {"linear", "general", "tensor", "pad", "unfold", "fold"}  # names that are something else in mg itself
SPACES = ["nn", "functional"], ["special"], ["linalg"]  # whose names may stand in mg itself


def _walk(root: Any, path: str) -> Any:
    for part in path.split("."):
        try:
            root = getattr(root, part, None)
        except TypeError:  # of a name that is refused with a reason
            return None
    return root if callable(root) and not isinstance(root, type) else None


@cache
def counterpart(name: str) -> Callable | None:
    """What minigrad has under PyTorch's name: in the same namespace, or in mg itself, or as a method."""
    if name in meant.ADAPTED:
        return meant.ADAPTED[name]
    if name.endswith("_copy") and name != "index_copy":  # a view that is copied: there are no views here
        return counterpart(name.removesuffix("_copy"))
    *space, last = name.split(".")
    public = not last.startswith("_") and name not in NO_OPERATIONS and (space or hasattr(torch, last))
    found = _walk(mg, name) if public else None
    if found is None and space in SPACES and last not in NO_OPERATIONS:
        found = _walk(mg, last)
    if found is None and not space and callable(getattr(mg.Tensor, last, None)):
        found = getattr(mg.Tensor, last)
    return found


# ---- one call, on both sides -----------------------------------------------------------------------------------------


class Call:
    """Arguments of PyTorch's, its tensors made leaves: as they are, or as minigrad's."""

    def __init__(self, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.leaves: list[torch.Tensor] = []
        self._places: dict[int, int] = {}
        self.args = self._read(tuple(args))
        self.kwargs = {k: self._read(v) for k, v in kwargs.items() if k not in NO_MATTER}
        if self.kwargs.get("dropout_p"):
            raise LeftOut("random numbers")
        self.wanted = [i for i, leaf in enumerate(self.leaves) if leaf.requires_grad]

    def _read(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if (
                value.layout is not torch.strided
                or value.is_quantized
                or type(value) not in (torch.Tensor, torch.nn.Parameter)
            ):
                raise LeftOut("sparse, nested or quantized tensors")
            if value.device.type != "cpu":
                raise LeftOut("other devices")
            if value.dtype.is_complex:
                raise LeftOut("complex numbers: the engine is real")
            if value.dtype in (torch.bfloat16,):
                raise LeftOut("bfloat16")
            if id(value) not in self._places:
                self._places[id(value)] = len(self.leaves)
                self.leaves.append(value.detach().resolve_neg().requires_grad_(value.requires_grad))
            return _Place(self._places[id(value)])
        if isinstance(value, complex) or value in (torch.complex64, torch.complex128):
            raise LeftOut("complex numbers: the engine is real")
        if isinstance(value, (torch.Generator, torch.device, torch.storage.TypedStorage, torch.storage.UntypedStorage)):
            raise LeftOut("devices, generators, storages")
        if callable(value):
            raise LeftOut("functions as arguments")
        if isinstance(value, torch.Size):
            return tuple(value)
        if isinstance(value, (list, tuple)):
            if not all(isinstance(i, (int, float, bool, str, type(None))) for i in value):
                return type(value)(map(self._read, value))
            return value
        if isinstance(value, dict):
            return {k: self._read(v) for k, v in value.items()}
        return value

    def _written(self, value: Any, tensors: Sequence[Any], own: bool) -> Any:
        if isinstance(value, _Place):
            return tensors[value.i]
        if own and isinstance(value, torch.dtype):
            return dtype_of(value)
        if isinstance(value, (list, tuple)):
            return type(value)(self._written(v, tensors, own) for v in value)
        if isinstance(value, dict):
            return {k: self._written(v, tensors, own) for k, v in value.items()}
        return value

    def of(self, tensors: Sequence[Any], own: bool) -> tuple[tuple, dict[str, Any]]:
        """The arguments with these tensors in their places."""
        return self._written(self.args, tensors, own), self._written(self.kwargs, tensors, own)

    def arrays(self) -> list[np.ndarray]:
        return [leaf.detach().numpy() for leaf in self.leaves]

    def __str__(self) -> str:
        shown = [f"{str(leaf.dtype).removeprefix('torch.')} {tuple(leaf.shape)}" for leaf in self.leaves]
        args, kwargs = self.of(shown, own=True)
        return f"({', '.join([*map(str, args), *(f'{k}={v}' for k, v in kwargs.items())])})"


class _Place:
    def __init__(self, i: int) -> None:
        self.i = i


@cache
def dtype_of(dtype: torch.dtype) -> np.dtype:
    if dtype is torch.bfloat16:
        raise LeftOut("bfloat16")
    return torch.empty(0, dtype=dtype).numpy().dtype


def flat(y: Any) -> list[Any]:
    """The tensors and numbers of a result."""
    if isinstance(y, (tuple, list)):
        return [t for part in y for t in flat(part)]
    return [] if y is None else [y]


class Results:
    """Values, the gradients of the leaves wanted, and the second order along a direction."""

    def __init__(self, values: list[np.ndarray], smooth: list[bool]) -> None:
        self.values, self.smooth = values, smooth
        self.gradients: list[np.ndarray] | None = None
        self.seconds: list[np.ndarray] | None = None


def weights(shape: tuple[int, ...], k: int) -> np.ndarray:
    """A cotangent for the k-th output, or a direction for the k-th leaf."""
    return np.random.default_rng(k).uniform(0.5, 1.5, shape)


def theirs(f: Callable, call: Call, order: int) -> Results:
    leaves = [leaf.detach().requires_grad_(leaf.requires_grad) for leaf in call.leaves]
    args, kwargs = call.of(leaves, own=False)
    ys = flat(f(*args, **kwargs))
    if any(isinstance(y, torch.Tensor) and (y.is_complex() or y.layout is not torch.strided) for y in ys):
        raise LeftOut("complex numbers: the engine is real" if any(y.is_complex() for y in ys) else "sparse results")
    if any(isinstance(y, torch.Tensor) and y.dtype is torch.bfloat16 for y in ys):
        raise LeftOut("bfloat16")
    values = [y.detach().resolve_neg().numpy() if isinstance(y, torch.Tensor) else np.asarray(y) for y in ys]
    found = Results(values, [isinstance(y, torch.Tensor) and y.requires_grad for y in ys])
    xs = [leaves[i] for i in call.wanted]
    if order and xs and any(found.smooth):
        loss = sum(
            (torch.from_numpy(weights(y.shape, k)).to(y.dtype) * torch.sin(y)).sum()
            for k, y in enumerate(ys)
            if found.smooth[k]
        )
        grads = torch.autograd.grad(loss, xs, create_graph=order > 1, allow_unused=True)
        found.gradients = [_or_zeros(g, x) for g, x in zip(grads, xs)]
        if order > 1:
            try:
                turned = [
                    (g * torch.from_numpy(weights(x.shape, 100 + k)).to(g.dtype)).sum()
                    for k, (g, x) in enumerate(zip(grads, xs))
                    if g is not None and g.requires_grad
                ]
                second = torch.autograd.grad(sum(turned), xs, allow_unused=True) if turned else [None] * len(xs)
                found.seconds = [_or_zeros(g, x) for g, x in zip(second, xs)]
            except (RuntimeError, NotImplementedError):  # torch has no second order of this operation
                found.seconds = None
    return found


def _or_zeros(g: torch.Tensor | None, x: torch.Tensor) -> np.ndarray:
    return np.zeros(x.shape) if g is None else g.detach().resolve_neg().numpy(force=True)


def ours(
    f: Callable,
    call: Call,
    order: int,
    arrays: list[np.ndarray],
    smooth: Sequence[bool] | None = None,
    given: Sequence[mg.Tensor] = (),
) -> Results:
    """The same of minigrad's: what PyTorch finds smooth has to be so. The first leaves may be given: a module's own."""
    leaves = [*given, *(mg.Tensor(a, requires_grad=i in call.wanted) for i, a in enumerate(arrays) if i >= len(given))]
    args, kwargs = call.of(leaves, own=True)
    ys = flat(f(*args, **kwargs))
    values = [y.data if isinstance(y, mg.Tensor) else np.asarray(y) for y in ys]
    found = Results(values, [isinstance(y, mg.Tensor) and y.requires_grad for y in ys])
    xs = [leaves[i] for i in call.wanted]
    if order and xs and any(found.smooth) and (smooth is None or any(smooth)):
        chosen = [k for k in range(len(ys)) if found.smooth[k] and (smooth is None or (k < len(smooth) and smooth[k]))]
        if not chosen:
            return found
        terms = [mg.sum(mg.mul(weights(ys[k].shape, k).astype(ys[k].dtype), mg.sin(ys[k]))) for k in chosen]
        loss = terms[0]
        for term in terms[1:]:
            loss = loss + term
        grads = mg.pull(loss, xs, create_graph=order > 1)
        found.gradients = [g.data for g in grads]
        if order > 1:
            turned = [
                mg.sum(mg.mul(g, weights(g.shape, 100 + k).astype(g.dtype)))
                for k, g in enumerate(grads)
                if g.requires_grad
            ]
            if turned:
                total = turned[0]
                for term in turned[1:]:
                    total = total + term
                found.seconds = [g.data for g in mg.pull(total, xs)]
            else:
                found.seconds = [np.zeros(g.shape) for g in grads]
    return found


# ---- are they the same? ----------------------------------------------------------------------------------------------


def same(what: str, a: np.ndarray, b: np.ndarray, close: float = CLOSE) -> None:
    """Raise Differ unless a, ours, is b, to so much of the scale of b."""
    if a.shape != b.shape:
        raise Differ(f"{what}: shape {a.shape}, PyTorch has {b.shape}")
    if not b.size:
        return
    if a.dtype.kind != b.dtype.kind and not {a.dtype.kind, b.dtype.kind} <= set("iu"):
        raise Differ(f"{what}: dtype {a.dtype}, PyTorch has {b.dtype}")
    if b.dtype.kind in "biu":
        if not np.array_equal(a, b):
            raise Differ(f"{what}: {_brief(a)} ({a.dtype}), PyTorch has {_brief(b)} ({b.dtype})")
        return
    a, b = np.asarray(a, "d"), np.asarray(b, "d")
    finite = np.isfinite(b)
    scale = max(1e-3, np.abs(b[finite]).max(initial=0))
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        raise Differ(f"{what}: {_brief(a[~finite])} where PyTorch has {_brief(b[~finite])}")
    if not (np.abs(a[finite] - b[finite]) <= close * scale).all():
        gap = np.abs(a[finite] - b[finite])
        worst = np.nanargmax(np.where(np.isnan(gap), np.inf, gap))
        raise Differ(f"{what}: {a[finite][worst]:.12g}, PyTorch has {b[finite][worst]:.12g}")


def _brief(a: np.ndarray) -> str:
    return re.sub(r"\s+", " ", np.array2string(a, threshold=6, edgeitems=2))[:80]


def compare(
    f: Callable, g: Callable, call: Call, order: int, given: Sequence[mg.Tensor] = (), shapes: bool = False
) -> Results:
    """Ours, f, is theirs, g: values, gradients, second order; or only shapes, of what is drawn."""
    there = theirs(g, call, order)
    there_too = order if there.seconds is not None else min(order, 1)
    here = ours(f, call, there_too, call.arrays(), there.smooth, given)
    if shapes:
        for a, b in itertools.zip_longest(here.values, there.values):
            if a is None or b is None or a.shape != b.shape or a.dtype.kind != b.dtype.kind:
                raise Differ(f"{a} has another shape or dtype than {b}")
        return there
    if len(here.values) != len(there.values):
        raise Differ(f"{len(here.values)} results, PyTorch has {len(there.values)}")
    close = max([CLOSE, *(64 * np.finfo(b.dtype).eps for b in there.values if b.dtype.kind == "f")])
    for k, (a, b) in enumerate(zip(here.values, there.values)):
        same("value" if len(there.values) == 1 else f"result {k}", a, b, close)
    if there.gradients is not None and here.gradients is None:
        if any(np.any(g) for g in there.gradients):
            raise Differ("it has no gradient")
        here.gradients, here.seconds = there.gradients, there.seconds
    # derivatives are those of sin(y): round-off of a large y, in which processors differ, turns it by so much
    large = max((np.abs(b[np.isfinite(b)]).max(initial=0) for b in there.values if b.dtype.kind == "f"), default=0.0)
    close += 4 * np.finfo(float).eps * float(large)
    for what in ("gradients", "seconds"):
        pair = getattr(here, what), getattr(there, what)
        if pair[0] is not None and pair[1] is not None:
            for a, b in zip(*pair):
                same({"gradients": "gradient", "seconds": "second order"}[what], a, b, close)
    return there


STEEP = "layer_norm", "group_norm", "instance_norm", "batch_norm", "rms_norm"


def single(f: Callable, call: Call) -> None:
    """Ours in float32 is ours in float64 to round-off, which is derived from how far the results move with the inputs."""
    rounded = [a.astype("f") if a.dtype == np.float64 else a for a in call.arrays()]
    wide = [a.astype("d") if a.dtype == np.float32 else a for a in rounded]
    there, here = ours(f, call, 1, wide), ours(f, call, 1, rounded)
    told = any(isinstance(v, torch.dtype) for v in (*call.args, *call.kwargs.values()))
    u, terms = np.finfo("f").eps / 2, 8 + max((a.size for a in wide), default=1)
    lists = [there.values + (there.gradients or [])]
    rng = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        for _ in range(3):
            near = [
                a * (1 + terms * u * rng.choice([-1.0, 1.0], a.shape)) if a.dtype == np.float64 else a for a in wide
            ]
            try:
                moved = ours(f, call, 1, near)
            except REFUSALS:  # at the edge of a domain
                raise LeftOut("float32 at the edge of a domain") from None
            lists.append(moved.values + (moved.gradients or []))
    results, name = here.values + (here.gradients or []), getattr(f, "__name__", "")
    for k, (b, *others) in enumerate(zip(*lists)):
        a, what = results[k], "value" if k < len(here.values) else "gradient"
        if b.dtype != np.float64 or told:
            continue
        if a.dtype != np.float32:
            raise Differ(f"{what} in float32 has dtype {a.dtype}")
        if any(o.shape != b.shape for o in others) or a.shape != b.shape:
            raise LeftOut("float32: shapes depend on values")
        usual = np.isfinite(b) & (np.abs(b) < np.finfo("f").max / 4)
        for o in others:
            usual &= np.isfinite(o)
        if not usual.any():
            continue
        widest = np.max([np.abs(o - b)[usual].max(initial=0) for o in others])
        # of the cotangents, or what a norm makes of them where all entries are alike, if a gradient cancels
        size = np.abs(b[usual]).max(initial=1e-5**-0.5 if what == "gradient" and name.endswith(STEEP) else 1)
        bound = 2 * (widest + (terms + 5) * u * size)
        gap = np.abs(np.asarray(a, "d") - b)[usual]
        if not (gap <= bound).all():
            raise Differ(f"{what} in float32: off by {np.nanmax(gap):.3g}, round-off is {bound:.3g}")


# ---- a name of op_db ---------------------------------------------------------------------------------------------------


class Tally(collections.UserDict):
    """What came of the samples of a name: counts, and texts of what differs."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name=name, samples=0, tried=0, agree=0, once=0, single=0, differ=[], refused={}, meant={}, left_out={},
            missing=False, errors={"tried": 0, "agree": 0, "differ": [], "left_out": {}, "meant": {}},
        )  # fmt: skip

    def add(self, kind: str, key: str) -> None:
        self[kind][key] = self[kind].get(key, 0) + 1


def _seeded() -> None:
    torch.manual_seed(0), np.random.seed(0), random.seed(0)  # noqa: NPY002 the databases draw from it


def draw(make: Callable[[], Any]) -> list[Any]:
    _seeded()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(make())


def spread(items: list[Any]) -> list[Any]:
    """At most MOST: the first, and then evenly spread ones."""
    if len(items) <= MOST:
        return items
    later = np.linspace(MOST // 2, len(items) - 1, MOST - MOST // 2).astype(int)
    return items[: MOST // 2] + [items[i] for i in later]


def label(op: Any) -> str:
    return f"{op.name} ({op.variant_test_name})" if op.variant_test_name else op.name


def verdict(tally: Tally, name: str, call: Any, run: Callable[[], Any], into: Any = None) -> Any:
    """Run one, and count what came of it."""
    into = tally if into is None else into
    text = None
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return run()
    except LeftOut as reason:
        into["left_out"][str(reason)] = into["left_out"].get(str(reason), 0) + 1
        into["tried"] -= 1
        return None
    except Differ as difference:
        text = f"{call}: {difference}"
        kind = "differ"
    except REFUSALS as error:
        text = f"{call}: {type(error).__name__}: {error}"
        kind = "refused" if CLEAR.match(str(error)) else "differ"
        told = f"{type(error).__name__}: {error}"
    except Exception as error:
        text, kind = f"{call}: {type(error).__name__}: {error}", "differ"
    entry = meant.entry(name, text)
    if entry is not None:
        into["meant"][entry] = into["meant"].get(entry, 0) + 1
    elif kind == "refused" and into is tally:
        tally.add("refused", re.sub(r"\s+", " ", told)[:160])
    else:
        into["differ"].append(re.sub(r"\s+", " ", text)[:400])
    return None


def tally_op(op: Any) -> Tally:
    """All samples of an entry of op_db, and its error inputs."""
    tally = Tally(label(op))
    dtype = torch.float64 if torch.float64 in op.dtypes else None
    if dtype is None:
        kinds = [d for d in (torch.int64, torch.bool) if d in op.dtypes]
        if not kinds:
            tally["left_out"]["no real dtype"] = 1
            return tally
        dtype = kinds[0]
    smooth = dtype is torch.float64 and op.supports_autograd
    tally["float"] = dtype is torch.float64
    samples = draw(lambda: op.sample_inputs("cpu", dtype, requires_grad=smooth))
    tally["samples"] = len(samples)
    f = counterpart(op.name)
    if (reason := meant.left_out(op.name) or meant.left_out(label(op))) is not None:
        tally["left_out"][reason] = len(samples)
        return tally
    if f is None:
        tally["missing"] = True
        return tally
    shapes_only = op.name in meant.RANDOM
    prepared = meant.PREPARED.get(getattr(op.gradcheck_wrapper, "__name__", ""))

    def g(x: Any, *args: Any, **kwargs: Any) -> Any:
        return op.op(x, *args, **kwargs)

    here, there = (f, g) if prepared is None else (prepared(f), prepared(g))
    if op.name in meant.BEHIND:
        here, there = map(meant._with_first(meant.BEHIND[op.name]), (here, there))
    here, there = (meant.invariant(op.name, h) for h in (here, there))
    for n, sample in enumerate(spread(samples)):
        tally["tried"] += 1
        try:
            call = Call((sample.input, *sample.args), sample.kwargs)
        except LeftOut as reason:
            tally.add("left_out", str(reason))
            tally["tried"] -= 1
            continue
        small = sum(leaf.numel() for leaf in call.leaves) <= LARGE

        def run(call: Call = call, small: bool = small, n: int = n) -> str:
            found = compare(here, there, call, (1 + small) if smooth else 0, shapes=shapes_only)
            if shapes_only:
                return "shapes"
            if smooth and n < SINGLES and small and op.name not in meant.CONVERTING:
                try:
                    single(here, call)
                    tally["single"] += 1
                except LeftOut:
                    pass
            return "once" if found.gradients is not None and found.seconds is None else "all"

        came = verdict(tally, op.name, call, run)
        if came is not None:
            tally["agree"] += 1
            tally["once"] += came == "once"
    _errors(op, f, tally)
    return tally


def _errors(op: Any, f: Callable, tally: Tally) -> None:
    """What PyTorch refuses, ours has to refuse, in words that say who does."""
    if op.error_inputs_func is None:
        return
    found = tally["errors"]
    for wrong in draw(lambda: op.error_inputs("cpu")):
        sample = wrong.sample_input
        found["tried"] += 1
        if "out" in sample.kwargs or issubclass(wrong.error_type, Warning):
            found["left_out"]["out="] = found["left_out"].get("out=", 0) + 1
            found["tried"] -= 1
            continue
        _wrong(tally, op.name, f, lambda sample=sample: Call((sample.input, *sample.args), sample.kwargs), wrong)


def _wrong(tally: Tally, name: str, f: Callable, make: Callable[[], Any], wrong: Any) -> None:
    found = tally["errors"]

    def run() -> bool:
        call = make()
        shown.append(f"{call} [{wrong.error_regex!s:.80}]")
        try:
            y = ours(f, call, 0, call.arrays())
        except REFUSALS as error:
            if CLEAR.match(str(error)):
                return True
            raise Differ(f"unclear error: {type(error).__name__}: {error}") from None
        raise Differ(f"no error: {[v.shape for v in y.values]}")

    shown: list[str] = []
    if verdict(tally, name, _Shown(shown), run, found):
        found["agree"] += 1


class _Shown:
    def __init__(self, parts: list[str]) -> None:
        self.parts = parts

    def __str__(self) -> str:
        return " ".join(self.parts)


@cache
def op_db() -> dict[str, Any]:
    from torch.testing._internal.common_methods_invocations import op_db

    return {label(op): op for op in op_db}


def names() -> Iterator[str]:
    yield from op_db()
