"""The average of a model along its training, and what becomes of the statistics of its batch norms.

Running statistics belong to the weights that they were measured with. Averaged weights have none of their own, so
whoever averages a model with batch norm says where they are to come from.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np

from ..data import Loader
from ..errors import check_function, named, shown
from ..nn import BatchNorm1d, BatchNorm2d, Module
from ..nn.modes import modes_restored
from ..optim.averaging import Average, Weight, ema
from ..ranges import COUNT, check
from ..tape import Array, no_grad
from .given import check_batches, check_model, named_within, samples

POLICIES = ("copy", "average", "recalibrate")


class Averaging:
    """A model's average: weights that follow those of the model, and a policy for its batch norms.

    `weight` is that of `optim.averaging`: by default the lecture's exponential one, θ̄ ← 0.995 θ̄ + 0.005 θ. The average
    is moved `every` 'step' or every 'epoch', from epoch `start` on; before that it is the model itself. Equal weights
    every epoch from a late start are SWA (Izmailov et al. 2018).

    `batch_norm` says what running statistics go with the average, and must be given if the model has any:

    - 'copy': the model's own, as they are now.
    - 'average': averaged as the weights are (and so is any other float buffer).
    - 'recalibrate': measured with the averaged weights, on `batches`, whenever the average is swapped in.

    Give it to `fit`, or call `update` after each step.

    >>> from minigrad import nn
    >>> net = nn.Linear(1, 1, bias=False)
    >>> net.weight.data[:] = 1
    >>> average = Averaging(net, ema(0.75))
    >>> net.weight.data = np.full((1, 1), 5, np.float32)
    >>> average.update()
    >>> with average.swapped():
    ...     print(net.weight.data)
    [[2.]]
    """

    @named
    def __init__(
        self,
        model: Module,
        weight: Weight | None = None,
        *,
        every: str = "step",
        start: int = 1,
        batch_norm: str | None = None,
        batches: Any = None,
    ) -> None:
        check_model("Averaging", model)
        check_function("Averaging", "weight", weight, None)
        if every not in ("step", "epoch"):
            raise ValueError(f"Averaging: every is {every!r}; it must be 'step' or 'epoch'")
        check("Averaging", COUNT, start=start)  # an epoch, the first of which is 1
        _check_policy(model, batch_norm, batches)
        self.model, self.every, self.start, self.batch_norm, self.batches = model, every, start, batch_norm, batches
        buffers = [b for b in model.buffers() if b.dtype.kind == "f"] if batch_norm == "average" else []
        self.average = Average([*model.parameters(), *buffers], ema() if weight is None else weight)

    def update(self) -> None:
        """Move the average towards what the model is now."""
        self.average.update()

    def after(self, moment: str, epoch: int) -> None:
        """Take in that a step or an epoch of training has ended, as `fit` says it."""
        if moment == self.every and epoch >= self.start:
            self.average.update()
        elif epoch < self.start:
            self.average.reset()

    @contextmanager
    def swapped(self) -> Iterator[Module]:
        """In the block, the model is the average; after it, however it ends, what it was before."""
        with self.average.swapped(), ExitStack() as undo:
            if self.batch_norm == "recalibrate":
                for b in self.model.buffers():
                    undo.callback(setattr, b, "data", b.data)
                recalibrate_batch_norm(self.model, self.batches)
            yield self.model

    def put(self) -> None:
        """Let the model be the average, for good."""
        self.average.put()
        if self.batch_norm == "recalibrate":
            recalibrate_batch_norm(self.model, self.batches)

    def state_dict(self) -> dict[str, Array]:
        """Copies of the average and its count, as arrays."""
        return self.average.state_dict()

    def load_state_dict(self, state: dict[str, Array]) -> None:
        """Take over what `state_dict` gave. Raises ValueError if it is of another model."""
        self.average.load_state_dict(state)

    def __repr__(self) -> str:
        weights = [float(f"{self.average.weight(t):.9g}") for t in (1, 10, 1000)]  # a function says little of itself
        return f"Averaging(weights {weights}, every={self.every!r}, start={self.start}, batch_norm={self.batch_norm!r})"


@named_within
def recalibrate_batch_norm(model: Module, batches: Any) -> None:
    """Give every batch norm the statistics that its input has over all `batches` (x, …), with the weights as they are.

    One pass: batch norms work as in training, all other layers as at test time. Mean and variance are those of all
    values that a layer sees, pooled over batches of any size (Chan, Golub, LeVeque 1983), not a mean of the batches'.
    Nothing else is changed: neither modes, nor the position of a Loader, nor what is frozen. Raises ValueError if the model has no running
    statistics, or if a batch norm saw no data; the statistics are then as before.

    >>> from minigrad import nn
    >>> layer, x = nn.BatchNorm1d(1), np.array([[1.0], [2], [6]], np.float32)
    >>> recalibrate_batch_norm(layer, [(x[:2], None), (x, None)])
    >>> layer.running_mean.data.round(3), layer.running_var.data.round(3)  # of 1, 2, 1, 2, 6
    (array([2.4], dtype=float32), array([4.3], dtype=float32))
    """
    check_model("recalibrate_batch_norm", model)
    check_batches("recalibrate_batch_norm", batches)
    if not _norms(model):
        raise ValueError("recalibrate_batch_norm: the model has no batch norm with running statistics")
    norms = [norm for norm in _norms(model) if not norm.frozen]
    if not norms:
        return
    pools = [_Pool() for _ in norms]
    with modes_restored(model):
        model.eval()
        try:
            for norm, pool in zip(norms, pools):
                norm.training, norm._track = True, pool.add
            again = copy.copy(batches) if isinstance(batches, Loader) else batches
            for x in samples("recalibrate_batch_norm", again):
                with no_grad():
                    model(x)
        finally:
            for norm in norms:
                del norm._track  # an attribute of this layer, over the method of its class
    for path, m in model.named_modules():
        if any(m is norm and not pool.batches for norm, pool in zip(norms, pools)):
            raise ValueError(f"recalibrate_batch_norm: the batch norm {path!r} saw no data; are there any batches?")
    for norm, pool in zip(norms, pools):
        norm.running_mean.data = pool.mean.astype(norm.running_mean.dtype)
        norm.running_var.data = (pool.squares / (pool.count - 1)).astype(norm.running_var.dtype)
        norm.num_batches_tracked.data = np.array(pool.batches)


class _Pool:
    """Mean and squared deviations of all values seen, from the moments of batches."""

    def __init__(self) -> None:
        self.batches, self.count = 0, 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0

    def add(self, mean: Array, var: Array, n: int) -> None:
        """Take in n values a channel, with this mean and biased variance."""
        mean, var = mean.astype(np.float64), var.astype(np.float64)
        apart, self.count = mean - self.mean, self.count + n
        self.squares = self.squares + n * var + apart * apart * (n * (self.count - n) / self.count)
        self.mean = self.mean + apart * (n / self.count)
        self.batches += 1


def _norms(model: Module) -> list[Any]:
    return [m for m in model.modules() if isinstance(m, BatchNorm1d | BatchNorm2d) and m.running_mean is not None]


def _check_policy(model: Module, batch_norm: str | None, batches: Any) -> None:
    if batch_norm is None and _norms(model):
        raise ValueError(
            "Averaging: the model has batch norms, whose running statistics are not those of averaged weights; say with "
            "batch_norm='copy', 'average' or 'recalibrate' (with batches=…) which ones the average is to have"
        )
    if batch_norm is not None and batch_norm not in POLICIES:
        raise ValueError(
            f"Averaging: batch_norm is {batch_norm!r}; it must be {', '.join(map(repr, POLICIES))} or None"
        )
    if (batch_norm == "recalibrate") != (batches is not None):
        raise ValueError(
            f"Averaging: batch_norm is {batch_norm!r} and batches {shown(batches)}: batches are what batch_norm='recalibrate' measures statistics on; give both or neither"
        )


def swapped(average: Averaging | None) -> AbstractContextManager[Any]:
    """average.swapped(), or a block in which nothing changes, if there is none."""
    return nullcontext() if average is None else average.swapped()
