"""Where a training run stands: all that it would need to go on, in one object that is saved and restored exactly."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np

from ..kernels import get_num_threads
from ..nn import Module, modes
from ..optim import Optimizer
from ..tape import Array
from .averaging import Averaging
from .checkpoint import CheckpointError
from .evaluate import Batches, Running

Batch = tuple[Array, Array]


class State:
    """What callbacks of `fit` are called with. They may change anything that it names.

    `model`, `optimizer`, `train`, `test`, `epochs`, `average` are those given to `fit`. `epoch` is the present one,
    counted from 1, `step` the number of optimizer steps so far, `loss` the mean loss of the last batch, `seen` the
    running `loss` and `accuracy` of the epoch. `record` is that of the epoch, None until it is over; `records` are all
    so far. `stopped` says that this epoch is the last.
    """

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
        if average is not None and average.model is not model:
            raise ValueError("fit: the average is that of another model; give train.Averaging(model, …)")
        self.model, self.optimizer, self.train, self.test = model, optimizer, train, test
        self.epochs, self.average, self.callbacks = epochs, average, callbacks
        self.epoch = self.step = 0
        self.loss = float("nan")
        self.record: dict[str, Any] | None = None
        self.records: list[dict[str, Any]] = []
        self.stopped = False
        self.seen = Epoch()
        self._settings = {**_described(self), **{k: _text(v) for k, v in settings.items()}}

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
            "settings": self._settings,
            "threads": get_num_threads(),
            "model": self.model.state_dict(),
            "frozen": [path for path, p in self.model.named_parameters() if not p.requires_grad],
            "frozen_modules": [path for path, m in self.model.named_modules() if m.frozen],
            "optimizer": self.optimizer.state_dict(),
            "rates": _past_rates(self.optimizer),
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
        """Go to where a run of the same settings stood. Raises CheckpointError, and changes nothing, if they differ."""
        self._check(saved)
        self.model.load_state_dict(saved["model"])
        for path, p in self.model.named_parameters():
            p.requires_grad = path not in saved["frozen"]
        for path, m in self.model.named_modules():
            m.frozen = path in saved["frozen_modules"]
        self.optimizer.load_state_dict(saved["optimizer"])
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

    def _check(self, saved: dict[str, Any]) -> None:
        here, there = self._settings, saved["settings"]
        keys = [*here, *(key for key in there if key not in here)]
        differences = [
            f"{key}: {there.get(key, 'none')} in the checkpoint, {here.get(key, 'none')} here"
            for key in keys
            if here.get(key) != there.get(key)
        ]
        differences += _other_rates(self.optimizer, saved["rates"])
        if differences:
            head = "this checkpoint is of a run with other settings; give the same, or begin anew"
            raise CheckpointError("\n  ".join([head, *differences]))
        if saved["seen"]["batches"] and not (
            hasattr(self.train, "load_state_dict") or isinstance(self.train, Sequence)
        ):
            raise TypeError(
                f"the checkpoint is from within an epoch, and {_text(self.train)} cannot go on from there; "
                "give a data.Loader or a list of batches"
            )
        if saved["threads"] != get_num_threads():
            warnings.warn(
                f"the run was begun with {saved['threads']} threads and goes on with {get_num_threads()}: results will "
                "differ from an uninterrupted run in the last digits",
                stacklevel=7,  # whoever called `fit`
            )


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
    rates, saved = [group["lr"] for group in optimizer.param_groups], optimizer.state_dict()
    try:
        with modes.restored(model, optimizer.params):
            yield
    finally:
        for group, lr in zip(optimizer.param_groups, rates):
            group["lr"] = lr
        optimizer.load_state_dict(saved)


def _saved(thing: Any) -> Any:
    return thing.state_dict() if hasattr(thing, "state_dict") else None


def _restore(thing: Any, state: Any) -> None:
    if state is not None:
        thing.load_state_dict(state)


# ---- what must be the same for a run to go on


def _described(state: State) -> dict[str, str]:
    """The settings of a run by name: of the model, the optimizer, the data, the average and the callbacks."""
    model, optimizer, loader = state.model, state.optimizer, state.train
    found = {f"model.{path}": f"{type(m).__name__}{_plain(m)}" for path, m in model.named_modules()}
    found |= {
        f"model.{path}": f"{x.dtype} {x.shape}" for path, x in [*model.named_parameters(), *model.named_buffers()]
    }
    found["optimizer"] = type(optimizer).__name__
    for i, group in enumerate(optimizer.param_groups):
        numbers = {**group, "params": len(group["params"])}
        found |= {f"optimizer.groups.{i}.{name}": _text(v) for name, v in numbers.items()}
    found["train"] = type(loader).__name__
    found |= {f"train.{name}": _text(getattr(loader, name)) for name in _LOADER if hasattr(loader, name)}
    found["average"] = _text(state.average)
    found["callbacks"] = _text(list(state.callbacks))
    return found


_LOADER = ("batch_size", "shuffle", "seed", "transform", "drop_last", "mix")  # not workers: they change no batch


def _plain(module: Module) -> str:
    """Its own numbers, names and switches, but for its mode."""
    own = {k: v for k, v in vars(module).items() if k != "training" and _is_plain(v)}
    return "(" + ", ".join(f"{k}={v!r}" for k, v in own.items()) + ")"


def _is_plain(value: Any) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, tuple) else isinstance(value, int | float | str)


def _text(value: Any) -> str:
    """What it is, in another process too: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _past_rates(optimizer: Optimizer) -> list[list[tuple[int, float]]]:
    """Of each group, what its rate was at some steps, if it is a function: which says more than its name."""
    steps = [k for k in [0, *(2**i for i in range(40))] if k < optimizer.steps]
    rates = (group["lr"] for group in optimizer.param_groups)
    return [[(k, float(lr(k))) for k in steps] if callable(lr) else [] for lr in rates]


def _other_rates(optimizer: Optimizer, past: list[list[tuple[int, float]]]) -> list[str]:
    """The first step of each group at which its schedule gives another rate than it gave then."""
    found = []
    for i, (group, rates) in enumerate(zip(optimizer.param_groups, past)):
        for k, rate in rates if callable(group["lr"]) else ():
            if group["lr"](k) != rate:
                found.append(f"optimizer.groups.{i}.lr at step {k}: {rate} in the checkpoint, {group['lr'](k)} here")
                break
    return found
