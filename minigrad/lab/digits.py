"""The digits recipe: model, data, augmentation, optimizer and schedule, in one place.

The writers of the test half do not occur in the training half, so what helps is to see each training digit in many
hands: turned, stretched, sheared and shifted, anew in every epoch.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import data, nn, optim, random
from ..extras import extra
from ..graph import Graph, graph
from ..nn.models import BasicBlock
from ..ops.elementwise import relu
from ..ops.loss import cross_entropy
from ..ops.shape import flatten
from ..tape import Tensor, no_grad
from ..train.averaging import Averaging
from ..train.loop import fit
from ..train.state import State


class DigitsNet(nn.Module):
    """conv – bn – relu, two residual blocks with stochastic depth, dropout, linear: 8×8 images to 10 classes.

    >>> net = DigitsNet(rng=0)
    >>> sum(p.size for p in net.parameters()), net(np.zeros((2, 1, 8, 8), np.float32)).shape
    (50962, (2, 10))
    """

    def __init__(
        self,
        width: int = 24,
        *,
        dropout: float = 0.2,
        stochastic_depth: float = 0.1,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        rng = np.random.default_rng(rng) if isinstance(rng, int) else rng
        drop1 = nn.StochasticDepth(stochastic_depth / 2, rng=rng)  # linear decay: early features serve all that follows
        drop2 = nn.StochasticDepth(stochastic_depth, rng=rng)
        self.conv = nn.Conv2d(1, width, 3, padding=1, bias=False, rng=rng)
        self.bn = nn.BatchNorm2d(width)
        self.block1 = BasicBlock(width, width, 1, "B", drop1, rng=rng)
        self.block2 = BasicBlock(width, 2 * width, 2, "B", drop2, rng=rng)
        self.dropout = nn.Dropout(dropout, rng=rng)
        self.fc = nn.Linear(2 * width * 4 * 4, 10, rng=rng)

    def forward(self, x: Any) -> Tensor:
        x = relu(self.bn(self.conv(x)))  # (N,1,8,8) -> (N,24,8,8)
        x = self.block2(self.block1(x))  # -> (N,48,4,4)
        return self.fc(self.dropout(flatten(x, 1)))


class Settings(NamedTuple):
    """All that a run depends on, but for the code and the number of threads."""

    seed: int = 0
    epochs: int = 80
    batch_size: int = 64
    lr: float = 3e-3
    warmup: float = 0.15  # of all steps
    weight_decay: float = 0.2
    label_smoothing: float = 0.1
    augment: data.Affine = data.Affine(rotate=15, scale=0.2, shear=0.25, shift=1)
    average: float | None = None  # the decay of the exponential average that is tested and kept, if any


class Run(NamedTuple):
    """A trained model, the records of its epochs, and what it was trained and tested on."""

    model: DigitsNet
    records: list[dict[str, Any]]
    train: data.Loader
    test: data.Loader
    settings: Settings


def train_digits(
    settings: Settings = Settings(),  # noqa: B008 (a constant)
    *,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    callbacks: Sequence[Callable[[State], Any]] = (),
    progress: bool = True,
) -> Run:
    """Train a DigitsNet; with `out`, leave weights, metrics and a checkpoint in that folder, as `fit` does.

    The same settings and number of threads give the same weights, bit for bit.
    """
    s = settings
    digits = data.digits()
    train = data.Loader(digits.train, s.batch_size, seed=s.seed, transform=s.augment, drop_last=True)
    test = data.Loader(digits.test, 256, shuffle=False)
    model = DigitsNet(rng=s.seed)
    steps = s.epochs * len(train)
    rate = optim.schedules.one_cycle(s.lr, steps, rise=s.warmup, start=0.0, end=0.0)
    optimizer = optim.AdamW(model.parameters(), rate, weight_decay=s.weight_decay)
    loss = functools.partial(cross_entropy, label_smoothing=s.label_smoothing)
    average = None
    if s.average is not None:
        average = Averaging(model, optim.averaging.ema(s.average, "warmup"), batch_norm="average")
    records = fit(
        model, optimizer, train, test, epochs=s.epochs, loss=loss, average=average, callbacks=callbacks, out=out,
        resume=resume, checkpoint_every=checkpoint_every, progress=progress,
    )  # fmt: skip
    if average is not None:
        average.put()
    return Run(model, records, train, test, s)


def training_step(run: Run) -> Graph:
    """Return the graph of one more training step, of those the random draws may give the first that drops no block.

    The draws then stand before that step: what is computed next sees them again.
    """
    model, (x, y) = run.model.train(), run.train.dataset[: run.settings.batch_size]
    while True:
        with random.held():
            step = graph(cross_entropy(model(x), y))
        if sum(node.kind == "parameter" for node in step.nodes) == len(model.parameters()):
            return step
        with no_grad():
            model(x)  # on to the next draws


def svm_accuracy(digits: data.Split) -> float:
    """The test accuracy of the RBF support vector machine in scikit-learn's own example of digit classification."""
    svm = extra("sklearn.svm", "lab.svm_accuracy").SVC(gamma=0.001)
    pixels = [16 * part.x.reshape(len(part), -1) for part in digits]
    return float(svm.fit(pixels[0], digits.train.y).score(pixels[1], digits.test.y))
