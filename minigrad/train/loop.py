"""The training loop: `fit`. What a run is stands in state.py, how it is kept on disk in resume.py."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..errors import warn
from ..nn import Module
from ..ops.loss import cross_entropy
from ..ops.shape import concat
from ..optim import Optimizer, clip_grad_norm
from ..ranges import COUNT, POSITIVE, SWITCH, check
from ..tape import Array, as_array
from .averaging import Averaging, swapped
from .evaluate import Batches, Loss, evaluated
from .given import check_loss, named_within, outputs, pairs, value_of
from .progress import bar
from .resume import Saving
from .state import Batch, Epoch, Records, State, check_run


@named_within
def fit(
    model: Module,
    optimizer: Optimizer,
    train: Batches,
    test: Batches | None = None,
    *,
    epochs: int,
    loss: Loss = cross_entropy,
    accumulate: int = 1,
    clip_norm: float | None = None,
    average: Averaging | None = None,
    callbacks: Sequence[Callable[[State], Any]] = (),
    out: str | os.PathLike | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train the model and return one record of metrics for each epoch.

    `train` and `test` give batches (x, y) each time they are iterated over. Each step takes `accumulate` batches: the
    gradient is that of the mean over all their samples, for losses that are means, as if they were one batch (which a
    batch norm can tell). `clip_norm` bounds its norm. With an `average`, test metrics are those of the average.

    Callbacks are functions of the run's `State`, called after each epoch, or when `before_step` and `after_step` say.
    One that returns True ends the training: with the epoch, which then ends at once.

    With `out`, a folder, each epoch leaves its record there as a line of `metrics.jsonl`, the weights (those of the
    average, if there is one) as `weights.safetensors`, and a checkpoint, which is also written each `checkpoint_every`
    steps. What an old run left in the folder stays until this one has a checkpoint. A run with `resume` goes on from
    the checkpoint, if there is one: killed at any moment and resumed, it equals the uninterrupted run bit for bit.
    Ctrl-C lets the step end and leaves a checkpoint.

    An optimizer whose step needs a closure (L-BFGS, Newton, Sophia, …) is given one: the loss of all samples of the step's
    batches, which it evaluates as often as it wants. It takes neither `clip_norm` nor callbacks `before_step`.

    In records, losses are means over samples, 'lr' is the rate of the epoch's first step (if the optimizer has one),
    'step_ms' the median time of a step in milliseconds; there is an 'accuracy' only where there are classes (see
    `evaluate`). `progress` shows a bar. Raises ValueError for an optimizer that holds none of the model's parameters,
    and warns if it lacks some that require grad. Raises FloatingPointError as soon as the loss is not finite,
    CheckpointError (a ValueError) if the checkpoint is that of other settings, which are named.
    """
    check_run("fit", model, optimizer, train, test, epochs, average, callbacks)
    check_loss("fit", loss)
    check("fit", COUNT, accumulate=accumulate)
    if clip_norm != math.inf:  # which only measures
        check("fit", POSITIVE.or_none, clip_norm=clip_norm)
    check("fit", SWITCH, resume=resume, progress=progress)
    settings = {"loss": loss, "accumulate": accumulate, "clip_norm": clip_norm}
    state = State(model, optimizer, train, test, epochs=epochs, average=average, callbacks=callbacks, **settings)
    _check_optimizer(model, optimizer, clip_norm, callbacks)
    with Saving(state, out, resume, checkpoint_every) as saving, bar(progress, state, accumulate) as tick:
        while not state.over:
            state.epoch, state.record = len(state.records) + 1, None
            model.train()
            for batches in _groups(pairs("fit", state.batches()), accumulate):
                begun = time.perf_counter()
                if state.seen.rate is None and "lr" in optimizer.defaults:
                    state.seen.rate = optimizer.rate
                optimizer.zero_grad()
                if optimizer.needs_closure:
                    state.loss = _closed_step(state, batches, loss)
                else:
                    state.loss = _backward(state, batches, loss)
                    if clip_norm is not None:
                        clip_grad_norm(optimizer.params, clip_norm)
                    state.call("before_step")
                    optimizer.step()
                state.step += 1
                if average is not None:
                    average.after("step", state.epoch)
                state.call("after_step")
                state.seen.times.append(time.perf_counter() - begun)
                tick()
                if state.stopped:
                    break
                saving.after_step()
            if average is not None:
                average.after("epoch", state.epoch)
            state.record = _record(state, loss)
            state.records.append(state.record)
            state.call("after_epoch")
            state.seen = Epoch()
            saving.after_epoch()
        state.end()
        saving.write_weights()
    return Records(state.records)


def _check_optimizer(model: Module, optimizer: Optimizer, clip_norm: float | None, callbacks: Sequence) -> None:
    """Raise ValueError for an optimizer that would not train this model so; warn of parameters that it leaves alone."""
    who, kind = type(optimizer).__name__, type(model).__name__
    held = {id(p) for p in optimizer.params}
    named = model.named_parameters()
    if not any(id(p) in held for _, p in named):
        what = f"fit: this {who} holds none of the {len(named)} parameters of this {kind}"
        raise ValueError(f"{what}; give {who}(model.parameters(), …)")
    if optimizer.steps and "lr" in optimizer.defaults and not any(map(optimizer._rate, optimizer.param_groups)):
        warn(
            f"fit: the rate of this {who} is 0 after the {optimizer.steps} steps that it has taken: nothing will be "
            "learnt; make a new optimizer, or a schedule that is longer"
        )
    if not any(p.requires_grad for p in [*model.parameters(), *optimizer.params]):
        raise ValueError("fit: all parameters are frozen; let some learn (train.unfreeze)")
    left = [path for path, p in named if p.requires_grad and id(p) not in held]
    if left:
        told = ", ".join(left[:3]) + f" and {len(left) - 3} more" * (len(left) > 3)
        warn(
            f"fit: this {who} does not hold {told} of this {kind}, which require grad: they will not be trained; give "
            "the optimizer all of model.parameters(), or freeze them (train.freeze)"
        )
    if optimizer.needs_closure:
        how = f"{who} evaluates the loss and its gradient itself, within its step"
        if clip_norm is not None:
            raise ValueError(f"fit: clip_norm is {clip_norm}, but {how}; leave it out")
        early = [c for c in callbacks if getattr(c, "moment", "") == "before_step"]
        if early:
            raise ValueError(f"fit: {early[0]!r} is to be called before the step, but {how}; use after_step")


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """So many batches at a time; the last group holds what is left."""
    while group := list(islice(batches, size)):
        yield group


def _backward(state: State, batches: list[Batch], loss: Loss) -> float:
    """Leave in `.grad` the gradient of the mean loss over all samples of the batches; return that mean."""
    samples, mean = _samples(batches, state), 0.0
    for x, y in batches:
        share = len(y) / samples
        logits = outputs("fit", state.model, x)
        error = loss(logits, y)
        value = _finite(value_of("fit", error), state)
        (error if share == 1 else error * share).backward()
        state.seen.add(logits.data, y, value)
        mean += share * value
    return mean


def _closed_step(state: State, batches: list[Batch], loss: Loss) -> float:
    """A step of an optimizer that evaluates the loss of all the batches itself, at points that it chooses; return the loss
    at the first: where the parameters stand, or ahead of it (Nesterov).

    Each evaluation begins with the buffers (running statistics) as they were; they stay as the first one leaves them.
    """
    _samples(batches, state)
    y = batches[0][1] if len(batches) == 1 else np.concatenate([as_array(y) for _, y in batches])
    buffers = state.model.buffers()
    before, after = [b.data.copy() for b in buffers], list[Array]()
    values: list[float] = []

    def closure() -> Any:
        for b, data in zip(buffers, before):
            b.data = data.copy()
        found = [outputs("fit", state.model, x) for x, _ in batches]
        output = found[0] if len(found) == 1 else concat(found)
        error = loss(output, y)
        if not values:
            values.append(_finite(value_of("fit", error), state))
            after.extend(b.data.copy() for b in buffers)
            state.seen.add(output.data, y, values[0])
        return (error, output) if state.optimizer.needs_outputs else error

    state.optimizer.step(closure)
    for b, data in zip(buffers, after):
        b.data = data
    return values[0]


def _samples(batches: list[Batch], state: State) -> int:
    samples = sum(len(y) for _, y in batches)
    if not samples:
        raise ValueError(f"fit: a batch of train has no samples, in epoch {state.epoch}, step {state.step + 1}")
    return samples


def _finite(loss: float, state: State) -> float:
    if not np.isfinite(loss):
        where = f"epoch {state.epoch}, step {state.step + 1}"
        raise FloatingPointError(f"fit: the loss is {loss} in {where}; try a smaller learning rate")
    return loss


def _record(state: State, loss: Loss) -> dict[str, Any]:
    seen = state.seen
    if not seen.times:
        raise ValueError(f"fit: train gave no batches in epoch {state.epoch}; give a Loader or a list of batches")
    record = {"epoch": state.epoch, "loss": seen.loss, "accuracy": seen.accuracy, "lr": seen.rate}
    if state.test is not None:
        with swapped(state.average):
            tested = evaluated(state.model, state.test, loss, f"fit: test, in epoch {state.epoch},")
        record |= {f"test_{key}": value for key, value in tested._asdict().items()}
    record |= {"step_ms": 1000 * statistics.median(seen.times), "seconds": seen.seconds}
    return {key: value for key, value in record.items() if value is not None}
