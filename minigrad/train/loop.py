"""The training loop, and its mirror image without training: `fit`, `predict`, `evaluate`."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..extras import extra
from ..nn import Module
from ..ops.loss import cross_entropy
from ..optim import Optimizer
from ..tape import Array, Tensor, no_grad
from .checkpoint import save_weights

Batches = Iterable[tuple[Array, Array]]
Loss = Callable[[Tensor, Array], Tensor]


def fit(
    model: Module,
    optimizer: Optimizer,
    train: Batches,
    test: Batches | None = None,
    *,
    epochs: int,
    loss: Loss = cross_entropy,
    out: str | os.PathLike | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train the model and return one record of metrics for each epoch.

    `train` and `test` give batches (x, y) each time they are iterated over. With `out`, a folder, each epoch leaves
    its record there as a line of `metrics.jsonl` and the weights as `weights.safetensors`. Losses are means over
    samples, 'step_ms' is the median time of a step in milliseconds. `progress` shows a bar.
    Raises FloatingPointError as soon as the loss is not finite.
    """
    records: list[dict[str, Any]] = []
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        (Path(out) / "metrics.jsonl").write_text("")
    with _bar(progress, epochs, train) as tick:
        for epoch in range(1, epochs + 1):
            started, seen, times = time.perf_counter(), Running(), []
            rate = optimizer.rate
            model.train()
            for x, y in train:
                begun = time.perf_counter()
                logits = model(x)
                error = loss(logits, y)
                optimizer.zero_grad()
                error.backward()
                optimizer.step()
                times.append(time.perf_counter() - begun)
                seen.add(logits.data, y, _finite(error.item(), epoch))
                tick(epoch, seen, records)
            record = {"epoch": epoch, "loss": seen.loss, "accuracy": seen.accuracy, "lr": rate}
            if test is not None:
                record |= {f"test_{key}": value for key, value in evaluate(model, test, loss)._asdict().items()}
            record |= {"step_ms": 1000 * statistics.median(times), "seconds": time.perf_counter() - started}
            records.append(record)
            if out is not None:
                with open(Path(out) / "metrics.jsonl", "a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
                save_weights(model, Path(out) / "weights.safetensors")
    return records


class Evaluation(NamedTuple):
    """Mean loss and fraction of samples classified rightly."""

    loss: float
    accuracy: float


def evaluate(model: Module, batches: Batches, loss: Loss = cross_entropy) -> Evaluation:
    """Return the model's loss and accuracy, in test mode and without recording; its mode is then put back."""
    seen = Running()
    for logits, y in _tested(model, batches):
        with no_grad():
            seen.add(logits.data, y, loss(logits, y).item())
    return Evaluation(seen.loss, seen.accuracy)


def predict(model: Module, batches: Batches) -> tuple[Array, Array]:
    """Return the model's outputs (N, K) and the labels (N,) of all batches, as `evaluate` sees them."""
    outputs, labels = zip(*((logits.data, y) for logits, y in _tested(model, batches)), strict=True)
    return np.concatenate(outputs), np.concatenate(labels)


def _tested(model: Module, batches: Batches) -> Iterator[tuple[Tensor, Array]]:
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        for x, y in batches:
            with no_grad():
                logits = model(x)
            yield logits, y
    finally:
        for m, mode in modes:
            m.training = mode


class Running:
    """Mean loss and accuracy of the samples seen so far."""

    def __init__(self) -> None:
        self.count, self._loss, self._right = 0, 0.0, 0

    def add(self, logits: Array, labels: Array, loss: float) -> None:
        """Take in a batch and its mean loss."""
        self.count += len(labels)
        self._loss += loss * len(labels)
        self._right += int((logits.argmax(1) == labels).sum())

    @property
    def loss(self) -> float:
        return self._loss / self.count

    @property
    def accuracy(self) -> float:
        return self._right / self.count


def _finite(loss: float, epoch: int) -> float:
    if not np.isfinite(loss):
        raise FloatingPointError(f"fit: the loss is {loss} in epoch {epoch}; try a smaller learning rate")
    return loss


@contextmanager
def _bar(shown: bool, epochs: int, train: Any) -> Iterator[Callable]:
    if not shown:
        yield lambda epoch, seen, records: None
        return
    tqdm = extra("tqdm", "train.fit's progress bar (progress=False does without)").tqdm
    total = epochs * len(train) if hasattr(train, "__len__") else None
    with tqdm(total=total, unit="step", dynamic_ncols=True) as bar:

        def tick(epoch: int, seen: Running, records: list[dict[str, Any]]) -> None:
            bar.set_description_str(f"epoch {epoch}/{epochs}", refresh=False)
            text = f"loss {seen.loss:.3f}, accuracy {seen.accuracy:.1%}"
            if records and "test_accuracy" in records[-1]:
                text += f", test {records[-1]['test_accuracy']:.1%}"
            bar.set_postfix_str(text, refresh=False)
            bar.update()

        yield tick
