"""The learning-rate range test: a few steps with a rate that grows, to see which rates a model can be trained with."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..data import Loader
from ..nn import Module
from ..ops.loss import cross_entropy
from ..optim import Optimizer
from ..ranges import COUNT, FRACTION, POSITIVE, check
from ..tape import Array
from .evaluate import Batches, Loss
from .given import check_batches, check_loss, check_model, check_optimizer, named_within, outputs, pairs, value_of
from .state import restored


class RateRange(NamedTuple):
    """Rates in ascending order, the loss before the step with each, the same smoothed, and the rate to begin with."""

    rates: Array
    losses: Array
    smoothed: Array
    suggestion: float


@named_within
def lr_range(
    model: Module,
    optimizer: Optimizer,
    batches: Batches,
    *,
    loss: Loss = cross_entropy,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    smoothing: float = 0.9,
    stop: float = 4.0,
) -> RateRange:
    """Train for a few steps while the rate grows from `low` to `high`, by the same factor each time; put everything back.

    The test of Smith 2017, with a geometric growth. `batches` are gone through again if they are too few. It ends when
    the smoothed loss exceeds `stop` times its minimum, or a loss is not finite. smoothed is the mean of the losses so
    far with weights `smoothing`ᵏ, k steps back. `suggestion` is a tenth of the rate at which the smoothed loss is
    lowest: there the loss has stopped falling, so the best rate is below. It is a place to start, and the largest rate
    for a one-cycle schedule. The rates of groups keep their ratios to that of the first.

    Model, optimizer, random streams and the position of a Loader are afterwards as they were.
    Raises ValueError if the bounds do not ascend from above 0, or the loss never falls.

    >>> from minigrad import nn, optim
    >>> x = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)
    >>> net = nn.Linear(2, 2, rng=0)
    >>> found = lr_range(net, optim.SGD(net.parameters(), lr=1.0), [(x, (x[:, 0] > 0).astype(int))], high=1000.0)
    >>> bool(0.1 < found.suggestion < 100)
    True
    """
    check_model("lr_range", model)
    check_optimizer("lr_range", optimizer)
    check_batches("lr_range", batches)
    check_loss("lr_range", loss)
    check("lr_range", POSITIVE, low=low, high=high, stop=stop)
    check("lr_range", COUNT, steps=steps)
    check("lr_range", FRACTION, smoothing=smoothing)
    if not low < high or steps < 2:
        raise ValueError(
            f"lr_range: low is {low}, high {high}, steps {steps}; it must be 0 < low < high, and at least 2 steps"
        )
    if optimizer.needs_closure:
        what = f"lr_range: the step of {type(optimizer).__name__} needs a closure"
        raise ValueError(f"{what}; give an optimizer of first order, e.g. optim.SGD(model.parameters(), lr=1.0)")
    rates = np.geomspace(low, high, steps)
    losses: list[float] = []
    smoothed: list[float] = []
    sum_, weight = 0.0, 0.0
    with restored(model, optimizer):
        model.train()
        ratios = _ratios(optimizer)
        for rate, (x, y) in zip(rates, pairs("lr_range", _again(batches))):
            for group, ratio in zip(optimizer.param_groups, ratios):
                group["lr"] = float(rate * ratio)
            optimizer.zero_grad()
            error = loss(outputs("lr_range", model, x), y)
            value = value_of("lr_range", error)
            if not math.isfinite(value):
                break
            sum_, weight = smoothing * sum_ + value, smoothing * weight + 1
            losses.append(value)
            smoothed.append(sum_ / weight)
            if smoothed[-1] > stop * min(smoothed):
                break
            with np.errstate(over="ignore", invalid="ignore"):  # the last steps are meant to fail
                error.backward()
                optimizer.step()
    lowest = int(np.argmin(smoothed)) if smoothed else 0
    if not lowest:
        raise ValueError(f"lr_range: the loss never falls below its start, from a rate of {low} on; try a lower one")
    return RateRange(rates[: len(losses)], np.array(losses), np.array(smoothed), float(rates[lowest] / 10))


def _again(batches: Batches) -> Iterator[Any]:
    """The batches over and over; the position of a Loader stays as it is."""
    batches = copy.copy(batches) if isinstance(batches, Loader) else batches
    while True:
        seen = 0
        for batch in batches:
            seen += 1
            yield batch
        if not seen:
            raise ValueError(
                "lr_range: there are no batches, or they cannot be gone through twice; give a Loader or a list"
            )


def _ratios(optimizer: Optimizer) -> list[float]:
    """Of each group's rate to that of the first, now."""
    lrs = [group["lr"] for group in optimizer.param_groups]
    now = [float(lr(optimizer.steps)) if callable(lr) else lr for lr in lrs]
    return [rate / now[0] if now[0] else 1.0 for rate in now]
