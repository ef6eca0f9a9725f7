"""Where a training run stands: all that it would need to go on, in one object that is saved and restored exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from ..errors import named, warn
from ..kernels import get_num_threads
from ..nn import Module, modes
from ..notebook import Table
from ..optim import Optimizer
from ..ranges import INDEX, check
from ..tape import Array, Tensor
from .averaging import Averaging
from .checkpoint import CheckpointError
from .evaluate import Batches, Running
from .given import check_batches, check_callbacks, check_kind, check_model, check_optimizer
from .settings import arrays, as_here, as_json, at, described, numbers, other_rates, past_rates, text

Batch = tuple[Array, Array]


class Records(Table, list[dict[str, Any]]):
    """What `fit` returns: a record for each epoch, shown as a table."""

    _text_columns = 0

    def _cells(self) -> tuple[list[Sequence[str]], list[str]]:
        columns = dict.fromkeys(["epoch", *(key for record in self for key in record)])
        rows = [[_figure(record.get(key, "")) for key in columns] for record in self]
        return [list(columns), *rows], []


def _figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class State:
    """What callbacks of `fit` are called with. They may change anything that it names.

    `model`, `optimizer`, `train`, `test`, `epochs`, `average` are those given to `fit`. `epoch` is the present one,
    counted from 1, `step` the number of optimizer steps so far, `loss` the mean loss of the last batch, `seen` the
    running `loss` and `accuracy` of the epoch. `record` is that of the epoch, None until it is over; `records` are all
    so far. `stopped` says that this epoch is the last.
    """

    @named
    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        train: Batches,
        test: Batches | None = None,
        *,
        epochs: int,
        average: Averaging | None = None,
        callbacks: Sequence[Callable[[State], Any]] = (),
        **settings: Any,
    ) -> None:
        check_run("State", model, optimizer, train, test, epochs, average, callbacks)
        self.model, self.optimizer, self.train, self.test = model, optimizer, train, test
        self.epochs, self.average, self.callbacks = epochs, average, callbacks
        self.epoch = self.step = 0
        self.loss = float("nan")
        self.record: dict[str, Any] | None = None
        self.records: list[dict[str, Any]] = []
        self.stopped = False
        self.seen = Epoch()
        self._given = {k: text(v) for k, v in settings.items()}

    @cached_property
    def settings(self) -> dict[str, str]:
        """What the run is of, and one that goes on from it must be of, too: as it is before any of it changes."""
        return {**described(self), **self._given}

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.stopped or len(self.records) >= self.epochs

    def batches(self) -> Iterator[Batch]:
        """Those of this epoch that are still to come."""
        done = self.seen.batches
        if not done:
            batches = iter(self.train)
        elif done == len(self.train):  # type: ignore[arg-type]
            return
        elif hasattr(self.train, "load_state_dict"):  # it knows where it was
            batches = iter(self.train)
        else:
            batches = islice(self.train, done, None)
        for batch in batches:
            self.seen.batches += 1
            yield batch

    def call(self, moment: str) -> None:
        """Call the callbacks that want to be called at this moment; one that returns True ends the training."""
        for callback in self.callbacks:
            if getattr(callback, "moment", "after_epoch") == moment:
                answer = callback(self)
                self.stopped |= isinstance(answer, bool | np.bool_) and bool(answer)

    def end(self) -> None:
        """Let those callbacks that have `at_end` finish."""
        for callback in self.callbacks:
            if hasattr(callback, "at_end"):
                callback.at_end(self)

    # ---- saving and restoring

    def state_dict(self) -> dict[str, Any]:
        """All of it as a tree of arrays and of what JSON knows."""
        return {
            "settings": self.settings,
            "threads": get_num_threads(),
            "model": self.model.state_dict(),
            "modules": {path: type(m).__name__ for path, m in self.model.named_modules()},
            "numbers": {path: _unfrozen(numbers(m)) for path, m in self.model.named_modules()},
            "arrays": arrays(self.model),
            "frozen": [path for path, p in self.model.named_parameters() if not p.requires_grad],
            "frozen_modules": [path for path, m in self.model.named_modules() if m.frozen],
            "optimizer": self.optimizer.state_dict(),
            "others": [p.data.copy() for p in self._others()],
            "rates": past_rates(self.optimizer),
            "average": _saved(self.average),
            "callbacks": [_saved(callback) for callback in self.callbacks],
            "streams": {path: rng.bit_generator.state for path, rng in modes.generators(self.model).items()},
            "train": _saved(self.train),
            "test": _saved(self.test),
            "seen": self.seen.state_dict(),
            "step": self.step,
            "loss": self.loss,
            "records": self.records,
            "stopped": self.stopped,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go to where a run of the same settings stood. Raises CheckpointError, and changes nothing, if they differ.

        Numbers of modules that callbacks have changed meanwhile are put back, with a warning that names them.
        """
        self._check(saved)
        before = self.state_dict()
        try:
            self._put(saved)
        except BaseException:
            with suppress(Exception):  # where it failed before
                self._put(before)
            raise

    def _put(self, saved: dict[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self._put_numbers(saved["numbers"])
        for path, p in self.model.named_parameters():
            p.requires_grad = path not in saved["frozen"]
        for path, m in self.model.named_modules():
            m.frozen = path in saved["frozen_modules"]
        self.optimizer.load_state_dict(saved["optimizer"])
        for x, data in zip(self._others(), saved["others"]):
            x.data = data
        _restore(self.average, saved["average"])
        for callback, state in zip(self.callbacks, saved["callbacks"]):
            _restore(callback, state)
        for path, rng in modes.generators(self.model).items():
            rng.bit_generator.state = saved["streams"][path]
        _restore(self.train, saved["train"])
        _restore(self.test, saved["test"])
        self.seen.load_state_dict(saved["seen"])
        self.step, self.loss = saved["step"], saved["loss"]
        self.records, self.stopped = saved["records"], saved["stopped"]
        self.epoch = len(self.records)

    def _others(self) -> list[Tensor]:
        """What the optimizer moves that is not the model's: a parameter of the loss, perhaps."""
        own = set(map(id, self.model.parameters()))
        return [p for p in self.optimizer.params if id(p) not in own]

    def _check(self, saved: dict[str, Any]) -> None:
        here, there = self.settings, saved["settings"]
        keys = [*here, *(key for key in there if key not in here)]
        differing = [key for key in keys if here.get(key) != there.get(key)]
        differences = [
            f"{key}: {there.get(key, 'none')} in the checkpoint, {here.get(key, 'none')} here" for key in differing
        ]
        differences += other_rates(self.optimizer, saved["rates"])
        modules = {path: type(m).__name__ for path, m in self.model.named_modules()}
        were, held = saved.get("modules", {}), saved.get("arrays", {})
        differences += [
            f"model.{path}: {were.get(path, 'none')} in the checkpoint, {modules.get(path, 'none')} here"
            for path in dict.fromkeys([*modules, *were])
            if modules.get(path) != were.get(path) and f"model.{path}" not in differing
        ]
        differences += [
            f"{path}: it has changed since the run began, and a checkpoint does not keep it; make it an nn.Buffer"
            for path, digest in held.items()
            if there.get(path, digest) != digest
        ]
        if differences:
            head = "this checkpoint is of a run with other settings; give the same, or begin anew"
            raise CheckpointError("\n  ".join([head, *differences]))
        if saved["seen"]["batches"] and not (
            hasattr(self.train, "load_state_dict") or isinstance(self.train, Sequence)
        ):
            raise TypeError(
                f"the checkpoint is from within an epoch, and {text(self.train)} cannot go on from there; "
                "give a data.Loader or a list of batches"
            )
        if saved["threads"] != get_num_threads():
            _warn(
                f"the run was begun with {saved['threads']} threads and goes on with {get_num_threads()}: results will "
                "differ from an uninterrupted run in the last digits"
            )
        if held:
            _warn(
                f"{', '.join(held)}: an array that is neither Parameter nor Buffer is in no checkpoint; the run "
                "goes on with what this model has there: make it an nn.Buffer"
            )

    def _put_numbers(self, saved: dict[str, dict[str, Any]]) -> None:
        """Let modules have the numbers of the checkpoint."""
        changed = []
        for path, m in self.model.named_modules():
            here = numbers(m)
            for name, value in saved.get(path, {}).items():
                if name not in here or repr(as_json(here[name])) != repr(value):
                    setattr(m, name, as_here(value, here.get(name)))
                    changed.append(f"{at(path, name)} is {value}, not {here.get(name, 'unset')}")
        if changed:
            _warn(f"numbers that changed after the run began go on as in its checkpoint: {'; '.join(changed)}")


def check_run(
    who: str, model: Any, optimizer: Any, train: Any, test: Any, epochs: Any, average: Any, callbacks: Any
) -> None:
    """Raise TypeError or ValueError, in the name of `who`, for what a run cannot be made of."""
    check_model(who, model)
    check_optimizer(who, optimizer)
    check_batches(who, train, "train")
    if test is not None:
        check_batches(who, test, "test")
    check(who, INDEX, epochs=epochs)
    check_callbacks(who, callbacks)
    check_kind(who, "average", average, average is None or isinstance(average, Averaging), "a train.Averaging or None")
    if average is not None and average.model is not model:
        raise ValueError(f"{who}: the average is that of another model; give train.Averaging(model, …)")


class Epoch(Running):
    """What was seen of an epoch: also its first rate, the number of batches, and how long things took."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0
        self.rate: float | None = None
        self.times: list[float] = []  # of the steps, in seconds
        self._begun = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the epoch began, without pauses between processes."""
        return time.perf_counter() - self._begun

    def state_dict(self) -> dict[str, Any]:
        own = {key: value for key, value in vars(self).items() if key != "_begun"}
        return {**own, "times": np.array(self.times), "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        state = dict(state)
        self._begun = time.perf_counter() - state.pop("seconds")
        vars(self).update(state, times=state["times"].tolist())


@contextmanager
def restored(model: Module, optimizer: Optimizer) -> Iterator[None]:
    """After the block, model, optimizer and random generators are what they were before it."""
    rates, saved = [group.get("lr") for group in optimizer.param_groups], optimizer.state_dict()
    try:
        with modes.restored(model, optimizer.params):
            yield
    finally:
        for group, lr in zip(optimizer.param_groups, rates):
            group.update({"lr": lr} if "lr" in group else {})
        optimizer.load_state_dict(saved)


def _unfrozen(own: dict[str, Any]) -> dict[str, Any]:
    """Without what is kept by itself, and may be an attribute or not."""
    return {k: v for k, v in own.items() if k != "frozen"}


def _warn(text: str) -> None:
    warn(f"fit: {text}")


def _saved(thing: Any) -> Any:
    return thing.state_dict() if hasattr(thing, "state_dict") else None


def _restore(thing: Any, state: Any) -> None:
    if state is not None:
        thing.load_state_dict(state)
