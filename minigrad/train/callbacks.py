"""Callbacks of `fit`: plain functions of the run's `State`.

`fit` calls each after every epoch, or at the moment that it is marked with:

    fit(..., callbacks=[
        before_step(lambda state: nn.gradient_noise_(state.model, state.step, rng=0)),
        after_step(lambda state: nn.max_norm_(state.model, 3.0)),
        lambda state: state.record["test_accuracy"] > 0.99,  # True ends the training
    ])

A callback that remembers something is an object with `__call__`. If it has `state_dict` and `load_state_dict`, what it
remembers is part of the checkpoint; if it has `at_end`, that is called with the state when the training is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import named, shown
from ..ranges import COUNT, NOT_NEGATIVE, SWITCH, check
from .given import check_kind
from .state import State

Callback = Callable[[State], Any]
_C = TypeVar("_C", bound=Callback)


def before_step(callback: _C) -> _C:
    """Mark a callback, to be called between the gradients (clipped) and the optimizer's step; return it."""
    return _marked(callback, "before_step")


def after_step(callback: _C) -> _C:
    """Mark a callback, to be called after each step of the optimizer; return it.

    >>> @after_step
    ... def stop_early(state):
    ...     return state.step >= 100
    """
    return _marked(callback, "after_step")


def _marked(callback: _C, moment: str) -> _C:
    check_kind(moment, "callback", callback, callable(callback), "a function of the State")
    try:
        callback.moment = moment  # type: ignore[attr-defined]
    except AttributeError:  # of a bound method, for one
        what = f"{moment}: {shown(callback)} takes no attributes; wrap it: lambda state: …"
        raise TypeError(what) from None
    return callback


def _weights(state: State) -> dict[str, Any]:
    """Copies of the model's arrays and, if there is one, of the average's."""
    average = {} if state.average is None else {"average": state.average.state_dict()}
    return {"model": state.model.state_dict(), **average}


class EarlyStopping:
    """End the training when a metric has not improved for `patience` epochs, and put the best epoch's weights back.

    `metric` is a key of the records. It is better when lower if 'loss' is in its name, when higher if 'accuracy' is;
    otherwise `better`, 'lower' or 'higher', must say so. An improvement is one by more than `min_delta`. The best
    weights (and buffers, and the average, if there is one) return when the training ends, for whatever reason, unless
    `restore` is False; a checkpoint has the last ones too. `best_epoch` and `best` say which they are. (Prechelt 1998.)

    Raises KeyError if the records do not have the metric, ValueError if an argument is out of its range.

    >>> stop = EarlyStopping("test_loss", patience=3)
    """

    @named
    def __init__(
        self,
        metric: str = "test_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        *,
        better: str | None = None,
        restore: bool = True,
    ) -> None:
        check_kind("EarlyStopping", "metric", metric, isinstance(metric, str), "a key of the records, e.g. 'test_loss'")
        check("EarlyStopping", SWITCH, restore=restore)
        better = better or ("lower" if "loss" in metric else "higher" if "accuracy" in metric else None)
        if better not in ("lower", "higher"):
            raise ValueError(f"EarlyStopping: say whether 'lower' or 'higher' is better for {metric!r}; not {better!r}")
        check("EarlyStopping", COUNT, patience=patience)
        check("EarlyStopping", NOT_NEGATIVE, min_delta=min_delta)
        self.metric, self.patience, self.min_delta = metric, patience, min_delta
        self.better, self.restore = better, restore
        self.best = float("inf") if better == "lower" else -float("inf")
        self.best_epoch = 0
        self._kept: dict[str, Any] = {}

    def __call__(self, state: State) -> bool:
        if self.metric not in (state.record or {}):
            have = ", ".join(state.record or {})
            raise KeyError(
                f"EarlyStopping: the records have no {self.metric!r}, but {have}; does fit get test data, and classes?"
            )
        value = float(state.record[self.metric])  # type: ignore[index]
        gain = self.best - value if self.better == "lower" else value - self.best
        if gain > self.min_delta:  # which NaN never is
            self.best, self.best_epoch = value, state.epoch
            self._kept = _weights(state) if self.restore else {}
        return state.epoch - self.best_epoch >= self.patience

    def at_end(self, state: State) -> None:
        """Put back what was kept."""
        if self._kept:
            state.model.load_state_dict(self._kept["model"])
            if state.average is not None:
                state.average.load_state_dict(self._kept["average"])

    def state_dict(self) -> dict[str, Any]:
        """The best value, its epoch, and what was kept of it."""
        return {"best": self.best, "best_epoch": self.best_epoch, "kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.best, self.best_epoch, self._kept = state["best"], state["best_epoch"], state["kept"]

    def __repr__(self) -> str:
        own = {key: value for key, value in vars(self).items() if key not in ("best", "best_epoch", "_kept")}
        return f"EarlyStopping({', '.join(f'{key}={value!r}' for key, value in own.items())})"
