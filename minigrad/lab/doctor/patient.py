"""The model under examination with its data and its training step; after every treatment it is put back as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ... import optim
from ...nn import BatchNorm1d, BatchNorm2d, Module
from ...nn.modes import draws, modes_restored
from ...tape import Array, Node, Tensor, history, no_grad, pull
from ...train.given import outputs, value_of
from ...train.state import restored
from .report import Layer

Step = Callable[[Array, Array], Any]
Penalty = Callable[[Module], Tensor]

BURN_IN = 60  # steps, in batches of
BATCH = 32
FEW = 20  # samples to be learnt by heart, within so many steps
BY_HEART = 400


class BurnIn(NamedTuple):
    """Some training from the start: losses before each step and after the last, and update-to-weight ratios."""

    losses: list[float]  # inf where one was not finite
    ratios: list[float]  # of each of the first steps, the median over weights of ‖Δw‖ / ‖w‖

    @property
    def start(self) -> float:
        return float(np.mean(self.losses[:3]))

    @property
    def end(self) -> float:
        return float(np.mean(self.losses[-8:]))

    @property
    def ratio(self) -> float:
        """Of the first three steps: under a rate far too high, weights soon grow until it looks harmless."""
        return float(np.median(self.ratios[:3]))


class Patient:
    """A model, samples x (N, …) with labels y (N,), a loss, an optimizer and a training step."""

    def __init__(
        self,
        model: Module,
        x: Array,
        y: Array,
        loss: Callable[[Tensor, Array], Tensor],
        optimizer: optim.Optimizer | None,
        step: Step | None,
        penalty: Penalty,
    ) -> None:
        self.model, self.x, self.y, self.loss, self.penalty = model, x, y, loss, penalty
        self.optimizer = optimizer or optim.Adam(model.parameters(), 1e-3)
        if step is None and self.optimizer.needs_closure:
            what = f"doctor: the step of {type(self.optimizer).__name__} needs a closure"
            raise ValueError(f"{what}; give an optimizer of first order, or step(x, y), which trains on a batch")
        self.step = step or self._plain_step
        order = np.random.default_rng(0).permutation(len(x))  # none of the model's streams
        self.held_out, self.learnt = np.split(order, [len(x) // 5])

    def _plain_step(self, x: Array, y: Array) -> None:
        self.optimizer.zero_grad()
        self._loss(x, y).backward()
        self.optimizer.step()

    @property
    def batch(self) -> tuple[Array, Array]:
        """The first samples of those to learn from, as many as one look takes."""
        first = self.learnt[:128]
        return self.x[first], self.y[first]

    def _loss(self, x: Array, y: Array) -> Tensor:
        found = self.loss(outputs("doctor", self.model, x), y)
        value_of("doctor", found)
        return found

    # ---- putting it back

    @contextmanager
    def kept(self, scale: float = 1.0) -> Iterator[None]:
        """In the block, all rates are `scale` times theirs; after it, the model, the optimizer and all random streams
        are as they were, bit for bit. A rate that is a schedule is at its peak in the block: warm-up is no ill.
        """
        with restored(self.model, self.optimizer), np.errstate(all="ignore"):
            for group in (g for g in self.optimizer.param_groups if "lr" in g):
                group["lr"] = scale * self._peak(group["lr"])
            yield

    def _peak(self, lr: Any) -> float:
        return max(map(lr, range(self.optimizer.steps, self.optimizer.steps + 10_000))) if callable(lr) else lr

    # ---- what is measured more than once

    def value(self, x: Array, y: Array) -> float:
        """The loss as the model stands, without a trace; inf if it is not finite."""
        with self.kept(), no_grad():
            found = self._loss(x, y).item()
        return found if np.isfinite(found) else float("inf")

    @cached_property
    def outputs(self) -> Array:
        """What the model gives for the batch, in test mode: no random layer shapes it."""
        with self.kept(), no_grad():
            return outputs("doctor", self.model.eval(), self.batch[0]).data

    @property
    def classes(self) -> int:
        return self.outputs.shape[1]

    @cached_property
    def initial_loss(self) -> float:
        return self.value(*self.batch)

    @cached_property
    def layers(self) -> list[Layer]:
        """One pass up and down at the start: every layer that has parameters, and every relu."""
        with self.kept():
            x, y = self.batch
            loss = self._loss(x, y)
            seen = _layers(self.model, loss)
            gradients = pull(loss, [t for _, t in seen]) if seen else []
            return [_layer(name, t, g.data) for (name, t), g in zip(seen, gradients)]

    def burn_in(self, scale: float = 1.0) -> BurnIn:
        """Train for a while on random batches, with all rates times `scale`, and put all back."""
        with self.kept(scale):
            return self._burn(BURN_IN)

    def held_out_accuracy(self) -> float:
        """That on the samples held out, after a burn-in."""
        with self.kept():
            self._burn(BURN_IN)
            with no_grad():
                said = self.model.eval()(self.x[self.held_out]).data.argmax(1)
            return float((said == self.y[self.held_out]).mean())

    @contextmanager
    def burnt_in(self, steps: int) -> Iterator[None]:
        """In the block, the model after so many steps, in the modes that it came with."""
        with self.kept():
            with modes_restored(self.model):
                self._burn(steps)
            yield

    def _burn(self, steps: int) -> BurnIn:
        rng = np.random.default_rng(1)
        weights = [p for p in self.model.parameters() if p.ndim >= 2 and p.requires_grad]
        losses: list[float] = []
        ratios: list[float] = []
        for i in range(steps):
            picked = rng.choice(self.learnt, min(BATCH, len(self.learnt)), replace=False)
            x, y = self.x[picked], self.y[picked]
            losses.append(self.value(x, y))
            before = [w.data.copy() for w in weights] if i < 3 else []
            try:
                self.step(x, y)
            except FloatingPointError:  # a step may guard itself
                losses.append(float("inf"))
            if not np.isfinite(losses[-1]):
                return BurnIn([*losses, float("inf")], ratios or [float("inf")])
            if before:
                ratios.append(float(np.median([_ratio(old, w.data) for old, w in zip(before, weights)])))
        return BurnIn(losses, ratios)

    def by_heart(self, scale: float = 1.0) -> tuple[float, int]:
        """The least loss reached on FEW samples, random layers off, and in how many steps, with all rates times `scale`."""
        few = self.learnt[:FEW]
        x, y = self.x[few], self.y[few]
        least = float("inf")
        with self.kept(scale):
            for i in range(BY_HEART):
                try:
                    self.step(x, y)
                except FloatingPointError:
                    break
                if i % 10 == 9:
                    least = min(least, self._without_noise(x, y))
                    if least < 0.01 * np.log(max(self.classes, 2)) or not np.isfinite(least):
                        break
        return least, i + 1

    def _without_noise(self, x: Array, y: Array) -> float:
        drawing = [m for m in self.model.modules() if draws(m)]
        with self.kept(), no_grad():
            for m in drawing:
                m.training = False
            found = self._loss(x, y).item()
        return found if np.isfinite(found) else float("inf")

    def batch_norms(self) -> dict[str, Any]:
        """Those whose running statistics should move in training, by path."""
        norms = {path: m for path, m in self.model.named_modules() if isinstance(m, BatchNorm1d | BatchNorm2d)}
        return {path: m for path, m in norms.items() if m.running_mean is not None and not m.frozen}

    def still(self) -> list[str]:
        """The batch norms whose statistics do not move in a step, by path."""
        with self.kept():
            norms = self.batch_norms()
            before = {path: m.running_mean.data.copy() for path, m in norms.items()}
            self._one_step()
            return [path for path, m in norms.items() if np.array_equal(before[path], m.running_mean.data)]

    def after_two_steps(self, *, forget: bool) -> list[Array]:
        """The parameters after two steps; with `forget`, what the first left in `.grad` is forgotten in between."""
        with self.kept():
            self.model.zero_grad()
            self._one_step()
            if forget:
                self.model.zero_grad()
            self._one_step()
            return [p.data.copy() for p in self.model.parameters()]

    def _one_step(self) -> None:
        few = self.learnt[:BATCH]
        self.step(self.x[few], self.y[few])


def _ratio(old: Array, new: Array) -> float:
    return float(np.linalg.norm(new - old) / (np.linalg.norm(old) + 1e-30))


def _layers(model: Module, loss: Tensor) -> list[tuple[str, Tensor]]:
    """The last value of each module that has parameters of its own, and every relu, in the order of the tape."""
    own = {path.rpartition(".")[0] for path, _ in model.named_parameters()}
    found: dict[str, Tensor] = {}
    last = "the input"
    for t in history([loss])[:-1]:
        node = t.node
        if not isinstance(node, Node) or not t.requires_grad:
            continue
        if node.op.name == "relu":
            found[_free(f"relu after {last}", found)] = t
        elif node.scope in own and node.scope:
            last = node.scope
            found.pop(last, None)
            found[last] = t
    return list(found.items())


def _free(name: str, taken: dict[str, Tensor]) -> str:
    """The name, or with a number where there is one like it."""
    names = [name, *(f"{name} ({i})" for i in range(2, len(taken) + 3))]
    return next(n for n in names if n not in taken)


def _layer(name: str, t: Tensor, gradient: Array) -> Layer:
    dead = None
    if name.startswith("relu"):
        units: Sequence[int] = [i for i in range(t.ndim) if i != 1]
        dead = float((t.data.max(tuple(units)) <= 0).mean()) if t.ndim > 1 else None
    rms = float(np.sqrt(np.square(gradient, dtype=np.float64).mean()))
    return Layer(name, t.shape, float(t.data.std(dtype=np.float64)), rms, dead)
