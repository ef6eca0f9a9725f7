"""The training loop: `fit`. What a run is stands in state.py, how it is kept on disk in resume.py."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..nn import Module
from ..ops.loss import cross_entropy
from ..optim import Optimizer, clip_grad_norm
from .averaging import Averaging, swapped
from .evaluate import Batches, Loss, evaluate
from .progress import bar
from .resume import Saving
from .state import Batch, Epoch, State


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

    In records, losses are means over samples, 'lr' is the rate of the epoch's first step, 'step_ms' the median time of
    a step in milliseconds. `progress` shows a bar. Raises FloatingPointError as soon as the loss is not finite,
    CheckpointError (a ValueError) if the checkpoint is that of other settings, which are named.
    """
    settings = {"loss": loss, "accumulate": accumulate, "clip_norm": clip_norm}
    state = State(model, optimizer, train, test, epochs=epochs, average=average, callbacks=callbacks, **settings)
    with Saving(state, out, resume, checkpoint_every) as saving, bar(progress, state, accumulate) as tick:
        while not state.over:
            state.epoch, state.record = len(state.records) + 1, None
            model.train()
            for batches in _groups(state.batches(), accumulate):
                begun = time.perf_counter()
                if state.seen.rate is None:
                    state.seen.rate = optimizer.rate
                optimizer.zero_grad()
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
    return state.records


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """So many batches at a time; the last group holds what is left."""
    if size < 1:
        raise ValueError(f"fit: accumulate is {size}; it must be a number of batches, at least 1")
    while group := list(islice(batches, size)):
        yield group


def _backward(state: State, batches: list[Batch], loss: Loss) -> float:
    """Leave in `.grad` the gradient of the mean loss over all samples of the batches; return that mean."""
    samples, mean = sum(len(y) for _, y in batches), 0.0
    for x, y in batches:
        share = len(y) / samples
        logits = state.model(x)
        error = loss(logits, y)
        value = _finite(error.item(), state)
        (error if share == 1 else error * share).backward()
        state.seen.add(logits.data, y, value)
        mean += share * value
    return mean


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
            tested = evaluate(state.model, state.test, loss)
        record |= {f"test_{key}": value for key, value in tested._asdict().items()}
    return record | {"step_ms": 1000 * statistics.median(seen.times), "seconds": seen.seconds}
