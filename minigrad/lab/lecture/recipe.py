"""One training run of the experiment: a small CNN on few images, and what each technique changes in it.

`Recipe()` is the plain run, without any regulariser: long enough to learn its images by heart. Every technique is one
or two fields of it, so that two runs differ in nothing else: images, initial weights and the order of the batches follow
from the seed alone. Nothing here looks at the test half but `test_error`, once, at the end.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ... import data, nn, optim
from ...compile import compile
from ...ops.elementwise import relu
from ...ops.loss import cross_entropy, log_softmax, softmax
from ...ops.pool import fractional_max_pool2d
from ...ops.shape import flatten
from ...optim import averaging
from ...tape import Array, Tensor
from ...train.evaluate import evaluate, predict
from ...train.transfer import discriminative_rates, freeze


@dataclass(frozen=True)
class Recipe:
    """Everything that a run depends on but for the data and the seed. A field at its default is a technique left out."""

    images: int = 200
    epochs: int = 100
    batch_size: int = 20
    optimizer: str = "adam"  # sgd | momentum | nesterov | adam | adamw
    lr: float = 1e-3
    decay: str = "constant"  # or cosine, to zero
    dropout: float = 0.0  # before both linear layers
    dropout2d: float = 0.0  # after both convolutions
    dropconnect: float = 0.0  # of the first linear layer's weights
    blocks: int = 0  # residual blocks after each convolution
    stochastic_depth: float = 0.0  # of the last block; linear decay
    pool: str = "max"  # halving; or fractional, by regions that are random, or fixed
    batch_norm: bool = False  # after both convolutions
    weight_decay: float = 0.0
    l1: float = 0.0
    label_smoothing: float = 0.0
    max_norm: float = 0.0
    gradient_noise: float = 0.0  # η
    patience: int = 0  # epochs: early stopping, one image in five being held out for it
    augment: str = ""  # shift | cutout
    mix: str = ""  # mixup | cutmix
    ema: float = 0.0  # the decay
    swa: float = 0.0  # the part of the epochs that is averaged
    members: int = 1  # of an ensemble
    cycles: int = 0  # of a snapshot ensemble, within the same number of epochs
    task: str = "all classes"  # or second half: the upper half of the classes, images / 20 of each
    pretrained: str = ""  # on the other half; what learns on is the head, the linear layers, or all, ten times slower

    @property
    def key(self) -> str:
        """What differs from the plain recipe, as text.

        >>> Recipe(dropout=0.5).key, Recipe().key
        ('dropout=0.5', 'plain')
        """
        plain = asdict(Recipe())
        return ", ".join(f"{k}={v}" for k, v in asdict(self).items() if v != plain[k]) or "plain"


class FixedRegions(nn.Module):
    """Fractional max-pooling by the same regions always: what is left of it without the draws."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def forward(self, x: Any) -> Tensor:
        return fractional_max_pool2d(x, self.size, rng=0)


class LectureNet(nn.Module):
    """conv – relu – pool, twice, then linear – relu – linear; the recipe says what is between."""

    def __init__(self, recipe: Recipe, shape: tuple[int, ...], classes: int, rng: np.random.Generator) -> None:
        channels, height, width = shape
        sizes = [(height // 2, width // 2), (height // 4, width // 4)]
        if recipe.pool != "max":  # by a factor of about 1.5
            sizes = [(round(height * f), round(width * f)) for f in (0.66, 0.44)]
        drops = iter(nn.linear_decay(2 * recipe.blocks, recipe.stochastic_depth))
        noise = np.random.default_rng(rng.integers(2**32))  # draws in training do not move those of the weights

        def stage(channels: int, features: int, size: tuple[int, int]) -> nn.Sequential:
            layers: list[nn.Module] = [nn.Conv2d(channels, features, 3, padding=1, rng=rng)]
            layers += [nn.BatchNorm2d(features)] * recipe.batch_norm
            layers += [nn.ReLU()]
            layers += [nn.Dropout2d(recipe.dropout2d, rng=noise)] if recipe.dropout2d else []
            poolings = {
                "max": nn.MaxPool2d(2),
                "random": nn.FractionalMaxPool2d(size, rng=noise),
                "fixed": FixedRegions(size),
            }
            layers += [poolings[recipe.pool]]
            for _ in range(recipe.blocks):
                branch = nn.Sequential(
                    nn.Conv2d(features, features, 3, padding=1, rng=rng),
                    nn.ReLU(),
                    nn.Conv2d(features, features, 3, padding=1, rng=rng),
                )
                layers += [nn.Residual(branch, drop=nn.StochasticDepth(next(drops), "row", rng=noise)), nn.ReLU()]
            return nn.Sequential(*layers)

        self.trunk = nn.Sequential(stage(channels, 16, sizes[0]), stage(16, 32, sizes[1]))
        hidden = nn.Linear(32 * sizes[1][0] * sizes[1][1], 64, rng=rng)
        self.hidden = nn.DropConnect(hidden, recipe.dropconnect, "row", rng=noise) if recipe.dropconnect else hidden
        self.head = nn.Linear(64, classes, rng=rng)
        self.drop = nn.Dropout(recipe.dropout, rng=noise)

    def forward(self, x: Any) -> Tensor:
        x = flatten(self.trunk(x), 1)
        return self.head(self.drop(relu(self.hidden(self.drop(x)))))


@dataclass(frozen=True)
class Task:
    """What a run learns from, what stops it early if that is asked for, and what it is judged by."""

    train: data.Dataset
    test: data.Dataset
    classes: int
    held_out: data.Dataset | None = None
    other: data.Dataset | None = None  # other classes of the same kind, to learn from before


def test_error(recipe: Recipe, seed: int, data_from: str = "digits") -> float:
    """The percentage of the test half that the recipe gets wrong, for the images, weights and order of this seed."""
    task = _task(recipe, seed, source(data_from))
    models = [model for m in range(recipe.members) for model in _trained(recipe, task, seed, m)]
    batches = data.Loader(task.test, 500, shuffle=False)
    outputs = [predict(model, batches) for model in models]
    probs = np.mean([softmax(logits).data for logits, _ in outputs], axis=0)
    return 100 * float((probs.argmax(1) != outputs[0][1]).mean())


@functools.lru_cache(2)
def source(data_from: str) -> data.Split:
    """The digits, or the data set in a folder."""
    return data.digits() if data_from == "digits" else data.read(data_from)


def training_half(split: data.Split, images: int, seed: int) -> data.Dataset:
    """So many of the training images, drawn by the seed."""
    if images > len(split.train):
        raise ValueError(f"lecture: there are {len(split.train)} training images; {images} cannot be drawn")
    return _some(split.train, np.random.default_rng((seed, 1)).permutation(len(split.train))[:images])


def _task(recipe: Recipe, seed: int, split: data.Split) -> Task:
    classes = int(split.train.y.max()) + 1
    if recipe.task == "all classes":
        train = training_half(split, recipe.images, seed)
        if not recipe.patience:
            return Task(train, split.test, classes)
        kept = len(train) - len(train) // 5
        return Task(_some(train, slice(kept)), split.test, classes, held_out=_some(train, slice(kept, None)))
    half = classes // 2
    lower, (upper, test) = _some(split.train, split.train.y < half), (_upper(part, half) for part in split)
    order = np.random.default_rng((seed, 1)).permutation(len(upper))
    few = [order[upper.y[order] == k][: recipe.images // 20] for k in range(classes - half)]
    return Task(_some(upper, np.concatenate(few)), test, classes - half, other=lower)


def _upper(part: data.Dataset, half: int) -> data.Dataset:
    """The classes from `half` on, counted from 0."""
    x, y = part[part.y >= half]
    return data.Dataset(x, y - half)


def _some(part: data.Dataset, which: Any) -> data.Dataset:
    return data.Dataset(*part[which])


def _trained(recipe: Recipe, task: Task, seed: int, member: int = 0) -> list[nn.Module]:
    """The models whose predictions are averaged: one, but for snapshot ensembles."""
    rng = np.random.default_rng((seed, 2, member))
    model = LectureNet(recipe, task.train.x.shape[1:], task.classes, rng)
    batches = _batches(recipe, task, seed + 1000 * member)
    rate = {
        "constant": recipe.lr,
        "cosine": optim.schedules.cosine(recipe.lr, recipe.epochs * len(batches)),
        "cycles": optim.schedules.warm_restarts(recipe.lr, recipe.epochs // (recipe.cycles or 1) * len(batches)),
    }["cycles" if recipe.cycles else recipe.decay]
    if recipe.pretrained and task.other is not None:
        _pretrain(model, recipe, task.other, seed)
    step = _step(model, _optimizer(recipe, model, rate), recipe, seed)
    average = averaging.Average(model.parameters(), averaging.ema(recipe.ema) if recipe.ema else averaging.equal())
    stop = _Best(model, recipe, task.held_out) if task.held_out else None
    taken: list[nn.Module] = []
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        for x, y in batches:
            step(x, y)
            if recipe.ema:
                average.update()
        if recipe.swa and epoch > (1 - recipe.swa) * recipe.epochs:
            average.update()
        if recipe.cycles and epoch % (recipe.epochs // recipe.cycles) == 0:
            taken.append(copy.deepcopy(model))
        if stop is not None and stop.after(epoch):
            break
    if average.count:
        average.put()
    if stop is not None:
        stop.restore()
    return taken or [model]


def _optimizer(recipe: Recipe, model: nn.Module, rate: Any) -> optim.Optimizer:
    rules: dict[str, Callable[..., optim.Optimizer]] = {
        "sgd": optim.SGD,
        "momentum": functools.partial(optim.SGD, momentum=0.9),
        "nesterov": functools.partial(optim.SGD, momentum=0.9, nesterov=True),
        "adam": optim.Adam,
        "adamw": optim.AdamW,
    }
    learnt: Any = [p for p in model.parameters() if p.requires_grad]
    if recipe.pretrained == "all":
        learnt = discriminative_rates(model, rate, factor=10, layers=[["trunk", "hidden"], "head"])
    return rules[recipe.optimizer](learnt, rate, weight_decay=recipe.weight_decay)


def _batches(recipe: Recipe, task: Task, seed: int) -> data.Loader:
    _, channels, height, _ = task.train.x.shape
    moved: Any = data.Affine(rotate=15, scale=0.2, shear=0.25, shift=1)  # that of `minigrad train`
    if channels == 3:
        moved = data.Compose(data.RandomCrop(height // 8), data.HorizontalFlip())
    transform = {"": None, "shift": moved, "cutout": data.Cutout(height // 2)}[recipe.augment]
    mix = {"": None, "mixup": data.Mixup(task.classes), "cutmix": data.CutMix(task.classes)}[recipe.mix]
    return data.Loader(task.train, recipe.batch_size, seed=seed, transform=transform, mix=mix)


def _step(model: nn.Module, optimizer: optim.Optimizer, recipe: Recipe, seed: int) -> Callable:
    """One step of training, recorded once and replayed where that can be."""

    def step(x: Array, y: Array) -> None:
        optimizer.zero_grad()
        logits = model(x)
        if recipe.mix:
            loss = -(y * log_softmax(logits)).sum(1).mean()
        else:
            loss = cross_entropy(logits, y, label_smoothing=recipe.label_smoothing)
        if recipe.l1:
            loss = loss + recipe.l1 * nn.l1_penalty(model)
        loss.backward()
        if recipe.gradient_noise:
            nn.gradient_noise_(model, optimizer.steps, recipe.gradient_noise, rng=seed)
        optimizer.step()
        if recipe.max_norm:
            nn.max_norm_(model, recipe.max_norm)

    return step if recipe.gradient_noise else compile(step)  # noise whose size depends on the step is not replayed


def _pretrain(model: LectureNet, recipe: Recipe, other: data.Dataset, seed: int) -> None:
    """Give the model the trunk and the hidden layer of one that has learnt the other classes, all images of them."""
    teacher = replace(recipe, pretrained="", epochs=max(1, recipe.epochs // 4))
    (taught,) = _trained(teacher, Task(other, other, int(other.y.max()) + 1), seed, member=1)
    shared = {path: a for path, a in taught.state_dict().items() if not path.startswith("head.")}
    model.load_state_dict(shared, strict=False)
    if recipe.pretrained != "all":
        freeze(model, "trunk", *(["hidden"] if recipe.pretrained == "head" else []))


class _Best:
    """Early stopping: the weights that had the least loss on images held out."""

    def __init__(self, model: nn.Module, recipe: Recipe, held_out: data.Dataset) -> None:
        self.model, self.patience = model, recipe.patience
        self.batches = data.Loader(held_out, len(held_out), shuffle=False)
        self.loss, self.epoch, self.weights = np.inf, 0, model.state_dict()

    def after(self, epoch: int) -> bool:
        """Whether it is time to stop."""
        loss = evaluate(self.model, self.batches).loss
        if loss < self.loss:
            self.loss, self.epoch, self.weights = loss, epoch, self.model.state_dict()
        return epoch - self.epoch >= self.patience

    def restore(self) -> None:
        self.model.load_state_dict(self.weights)
