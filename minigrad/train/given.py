"""What a function around a model may be given, each kind of thing once: the model, an optimizer, batches, a path."""

from __future__ import annotations

import functools
import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ..data import Dataset
from ..errors import HOME, PREFIX, check_function, named, shown
from ..nn import Module
from ..optim import Optimizer
from ..tape import Array, Tensor

_WHOLE = str, bytes, dict, set, np.ndarray, Tensor  # are iterated over, but are no list of things
P = ParamSpec("P")
R = TypeVar("R")


def check_kind(who: str, name: str, value: Any, good: bool, want: str) -> None:
    """Raise TypeError unless it is good: the value is of another kind than wanted."""
    if not good:
        raise TypeError(f"{who}: {name} is {shown(value)}; it must be {want}")


def check_model(who: str, value: Any, name: str = "model") -> None:
    """Raise TypeError unless it is a module."""
    made = "an nn.Module" + (f": an instance, {value.__name__}(…)" if isinstance(value, type) else "")
    check_kind(who, name, value, isinstance(value, Module), made)


def check_models(who: str, value: Any) -> None:
    """Raise TypeError unless these are modules, in a list; ValueError if there are none."""
    listed = isinstance(value, list | tuple) and all(isinstance(m, Module) for m in value)
    check_kind(who, "models", value, listed, "a list of nn.Modules")
    if not value:
        raise ValueError(f"{who}: there are no models")


def check_optimizer(who: str, value: Any) -> None:
    """Raise TypeError unless it is an optimizer."""
    want = "an optimizer, e.g. optim.SGD(model.parameters(), lr=0.1)"
    check_kind(who, "optimizer", value, isinstance(value, Optimizer), want)


def check_batches(who: str, value: Any, name: str = "batches") -> None:
    """Raise TypeError for what cannot be batches. What each batch is, `pairs` looks at."""
    single = isinstance(value, (*_WHOLE, Module, Dataset, type))
    how = f"data.Loader({name}, 32)" if isinstance(value, Dataset) else "a data.Loader or a list"
    want = f"an iterable of batches (x, y): {how}"
    check_kind(who, name, value, not single and (isinstance(value, Iterable) or hasattr(value, "__getitem__")), want)


def check_loss(who: str, value: Any) -> None:
    """Raise TypeError unless it can be called with outputs and labels."""
    check_function(who, "loss", value)
    if isinstance(value, type):
        raise TypeError(f"{who}: loss is {shown(value)}, a class; give an instance, {value.__name__}(…)")


def check_path(who: str, name: str, value: Any) -> None:
    """Raise TypeError unless it is a path."""
    check_kind(who, name, value, isinstance(value, str | os.PathLike), "a path: a str or a pathlib.Path")
    if not os.fspath(value):
        raise ValueError(f"{who}: {name} is ''; it must be a path")


def check_callbacks(who: str, value: Any) -> None:
    """Raise TypeError unless these are functions, in a list."""
    check_kind(who, "callbacks", value, isinstance(value, list | tuple), "a list of functions")
    for i, callback in enumerate(value):
        check_kind(who, f"callbacks[{i}]", callback, callable(callback), "a function of the State")
        if isinstance(callback, type):
            what = f"{who}: callbacks[{i}] is {shown(callback)}, a class"
            raise TypeError(f"{what}; give an instance, {callback.__name__}(…)")


def pairs(who: str, batches: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """The batches, each of which must be a pair of samples and as many labels."""
    for batch in batches:
        x, y, *others = _parts(who, batch, 2)
        if others:
            raise TypeError(f"{who}: a batch has {2 + len(others)} parts; it must be a pair (x, y)")
        try:
            len(y)
        except TypeError:
            what = f"{who}: the labels of a batch are {shown(y)}"
            raise TypeError(f"{what}; they must be an array, with one entry or row for each sample") from None
        yield x, y


def _parts(who: str, batch: Any, least: int) -> list[Any]:
    parts = batch if not isinstance(batch, _WHOLE) and isinstance(batch, Iterable) else ()
    parts = list(parts)
    want = "a pair (x, y)" if least == 2 else "(x, …)"
    check_kind(who, "a batch", batch, len(parts) >= least, want)
    return parts


def samples(who: str, batches: Iterable[Any]) -> Iterator[Any]:
    """The samples of batches (x, …)."""
    for batch in batches:
        yield _parts(who, batch, 1)[0]


def outputs(who: str, model: Module, x: Any) -> Tensor:
    """What the model makes of x, which must be a tensor."""
    found = model(x)
    check_kind(who, "what the model returned", found, isinstance(found, Tensor), "a tensor")
    return found


def value_of(who: str, loss: Any) -> float:
    """The number in the tensor that a loss function returned."""
    good = isinstance(loss, Tensor) and loss.size == 1
    check_kind(who, "what the loss returned", loss, good, "a tensor of one number, made by operations of minigrad")
    return loss.item()


def named_within(f: Callable[P, R]) -> Callable[P, R]:
    """`named`, for a function that calls models: what one of our layers says keeps the name of the layer, after f's."""

    @functools.wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return f(*args, **kwargs)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            text = error.args[0] if error.args else None
            ours = all(frame.f_code.co_filename.startswith(HOME) for frame, _ in traceback.walk_tb(error.__traceback__))
            if ours and isinstance(text, str) and PREFIX.match(text) and not text.startswith(f"{f.__name__}: "):
                error.args = (f"{f.__name__}: {text}",)
            raise

    return named(call)


def probabilities_of(who: str, probs: Any, labels: Any, ndim: int, want: str) -> tuple[Array, Array]:
    """Probabilities of this many axes, the last of which are classes, and the label of each sample, as arrays."""
    told = f"{who}: probs is {shown(probs)} and labels {shown(labels)}"
    probs, labels = np.asarray(probs), np.asarray(labels)
    if probs.dtype.kind not in "fiu" or labels.dtype.kind not in "biu":
        raise TypeError(f"{told}; they must be probabilities and the classes, integers")
    if probs.ndim != ndim or probs.shape[-2:-1] != labels.shape or not probs.size:
        raise ValueError(f"{told}; they must be {want}")
    if not np.isfinite(probs).all():
        raise ValueError(f"{told}; probs has entries that are not finite")
    wrong = labels[(labels < 0) | (labels >= probs.shape[-1])]
    if len(wrong):
        raise ValueError(f"{who}: label {wrong[0]} is out of range for {probs.shape[-1]} classes")
    return probs, labels
