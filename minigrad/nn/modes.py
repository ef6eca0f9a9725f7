"""What a model is besides its numbers: the modes of its modules, and what its layers draw from; and how all of it is
put back after a block that changes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import random
from ..tape import Tensor
from .module import Module


def draws(module: Module) -> bool:
    """Whether this module itself draws at random in training: such a layer keeps its generator in `rng`, None for the
    default one."""
    return "rng" in vars(module)


def generators(model: Module) -> dict[str, np.random.Generator]:
    """Every generator that the model's layers draw from, each once, by path; and the default one (`mg.seed`)."""
    found = {id(random.generator()): ("default", random.generator())}
    for path, module in model.named_modules():
        for name, rng in _generators(vars(module)):
            found.setdefault(id(rng), (f"model.{path}.{name}", rng))
    return dict(found.values())


def _generators(items: Mapping[Any, Any]) -> Iterator[tuple[str, np.random.Generator]]:
    for name, value in items.items():
        if isinstance(value, np.random.Generator):
            yield name, value
        elif isinstance(value, list | tuple | dict):
            inside = value if isinstance(value, dict) else dict(enumerate(value))
            yield from ((f"{name}.{below}", rng) for below, rng in _generators(inside))


@contextmanager
def modes_restored(model: Module) -> Iterator[None]:
    """After the block, every module is in the mode that it was in before, however the block ends."""
    before = [(m, m.training) for m in model.modules()]
    try:
        yield
    finally:
        for m, training in before:
            m.training = training


@contextmanager
def restored(model: Module, others: Iterable[Tensor] = ()) -> Iterator[None]:
    """After the block, the model is what it was before, bit for bit: parameters, buffers, gradients, what is frozen,
    modes and random generators; and so are the `others`, further tensors."""
    tensors = {id(x): x for x in [*model.parameters(), *model.buffers(), *others]}.values()
    before = [(x, x.read().copy(), None if x.grad is None else x.grad.copy(), x.requires_grad) for x in tensors]
    drawn = [(rng, rng.bit_generator.state) for rng in generators(model).values()]
    try:
        with modes_restored(model):
            yield
    finally:
        for x, data, grad, requires_grad in before:
            x.data, x.grad, x.requires_grad = data, grad, requires_grad
        for rng, state in drawn:
            rng.bit_generator.state = state
