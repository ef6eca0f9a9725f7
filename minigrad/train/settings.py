"""What a run is of, as text that two processes can compare: the model, the optimizer, the data, the callbacks."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import tree
from ..data import Dataset, Loader
from ..nn import Buffer, Module, Parameter
from ..optim import Optimizer
from ..tape import Tensor

if TYPE_CHECKING:
    from .state import State


def described(state: State) -> dict[str, str]:
    """The settings of a run by name: of the model, the optimizer, the data, the average and the callbacks."""
    model, optimizer = state.model, state.optimizer
    found = {}
    for path, m in model.named_modules():
        own = ", ".join(f"{k}={v!r}" for k, v in numbers(m).items() if k != "frozen" or v)
        found[f"model.{path}"] = f"{type(m).__name__}({own})"
    found |= {
        f"model.{path}": f"{x.dtype} {x.shape}" for path, x in [*model.named_parameters(), *model.named_buffers()]
    }
    found["optimizer"] = type(optimizer).__name__
    for i, group in enumerate(optimizer.param_groups):
        options = {**group, "params": len(group["params"])}
        found |= {f"optimizer.groups.{i}.{name}": text(v) for name, v in options.items()}
    found |= {
        f"optimizer.{name}": text(v)
        for name, h in optimizer.hyperparameters.items()
        if h.once and _is_plain(v := getattr(optimizer, name))
    }
    for name, batches in ("train", state.train), ("test", state.test):
        found[name] = type(batches).__name__
        found |= {f"{name}.{what}": text(getattr(batches, what)) for what in _LOADER if hasattr(batches, what)}
        found[f"{name}.data"] = _data(batches)
    found |= arrays(model)
    found["average"] = text(state.average)
    found["callbacks"] = text(list(state.callbacks))
    return found


_LOADER = ("batch_size", "shuffle", "seed", "transform", "drop_last", "mix")  # not workers: they change no batch


_SOME = 64  # samples of a data set of the caller's own that are looked at
_LARGE = 2**28  # bytes of an array above which rows are looked at, not all of it


def _data(batches: Any) -> str:
    """What a Loader, or a list of batches, is made of, in short; nothing is known of what can only be gone through."""
    whole = getattr(batches, "dataset", batches)
    if isinstance(whole, Dataset):
        return _digest([whole.x, whole.y])
    if isinstance(whole, list | tuple):
        return _digest(whole)
    if not (hasattr(whole, "__len__") and hasattr(whole, "__getitem__")):
        return ""
    some = np.linspace(0, len(whole) - 1, min(_SOME, len(whole))).astype(int)
    looks = [_digest(whole[some] if isinstance(batches, Loader) else [whole[i] for i in some.tolist()]) for _ in "ab"]
    return f"{len(whole)}, {looks[0]}" if looks[0] == looks[1] else str(len(whole))  # it may draw at random


def _digest(parts: Any) -> str:
    """Shapes, dtypes and a checksum of all arrays in nested lists, tuples and dicts."""
    arrays = [x.data if isinstance(x, Tensor) else np.asarray(x) for x in tree.flatten(parts)[0]]
    kinds = [f"{a.dtype} {a.shape}" for a in arrays]
    found = zlib.crc32("".join(kinds).encode())
    for a in arrays:
        if a.nbytes > _LARGE:
            a = a[np.linspace(0, len(a) - 1, min(4096, len(a))).astype(int)]
        found = zlib.crc32(text(a).encode() if a.dtype.hasobject else a.tobytes(), found)
    return f"{', '.join(kinds[:2])}{' …' * (len(kinds) > 2)}, checksum {found:08x}"


def arrays(model: Module) -> dict[str, str]:
    """What its modules hold in arrays that are neither parameters nor buffers, by path."""
    return {
        at(path, name): _digest([x])
        for path, m in model.named_modules()
        for name, x in _inside(vars(m))
        if isinstance(x, np.ndarray | Tensor) and not isinstance(x, Parameter | Buffer)
    }


def at(path: str, name: str) -> str:
    return ".".join(["model", *[path] * bool(path), name])


def _inside(items: dict) -> Iterator[tuple[str, Any]]:
    for name, x in items.items():
        if isinstance(x, list | tuple | dict):
            yield from (
                (f"{name}.{below}", y) for below, y in _inside(x if isinstance(x, dict) else dict(enumerate(x)))
            )
        else:
            yield name, x


def numbers(module: Module) -> dict[str, Any]:
    """Its own numbers, names and switches, but for its mode."""
    return {k: v for k, v in vars(module).items() if k != "training" and _is_plain(v)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, int | float | str | np.generic)


def as_json(value: Any) -> Any:
    """A plain value as it returns from a checkpoint."""
    if isinstance(value, dict):
        return {k: as_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def as_here(value: Any, here: Any) -> Any:
    """What has returned from a checkpoint, of the kind that stands here."""
    if isinstance(here, tuple) and isinstance(value, list):
        return tuple(value)
    return type(here)(value) if isinstance(here, np.generic) else value


def text(value: Any) -> str:
    """What it is, in another process too: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def past_rates(optimizer: Optimizer) -> list[list[tuple[int, float]]]:
    """Of each group, what its rate was at some steps, if it is a function: which says more than its name."""
    steps = [k for k in [0, *(2**i for i in range(40))] if k < optimizer.steps]
    rates = (group.get("lr") for group in optimizer.param_groups)
    return [[(k, float(lr(k))) for k in steps] if callable(lr) else [] for lr in rates]


def other_rates(optimizer: Optimizer, past: list[list[tuple[int, float]]]) -> list[str]:
    """The first step of each group at which its schedule gives another rate than it gave then."""
    found = []
    for i, (group, rates) in enumerate(zip(optimizer.param_groups, past)):
        for k, rate in rates if callable(group.get("lr")) else ():
            if group["lr"](k) != rate:
                found.append(f"optimizer.groups.{i}.lr at step {k}: {rate} in the checkpoint, {group['lr'](k)} here")
                break
    return found
