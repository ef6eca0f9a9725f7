"""What all optimizers share: a checked list of parameters, the rate, and state that is saved and loaded exactly.

A rule is a subclass with one method, `_update`, that moves parameters. Nothing here knows of modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..tape import Array, Tensor, effect


class Optimizer:
    """Base of first-order optimizers: `step()` moves every parameter that has a gradient and requires grad.

    `lr` is a float or a function of the number of steps taken before (0 at the first). State is a list parallel to
    the parameters; a parameter that is skipped keeps its state, and its own count of updates where the rule has one.
    Raises TypeError or ValueError when params is empty or holds anything but distinct float leaf tensors.
    """

    def __init__(self, params: Iterable[Tensor], lr: float | Callable[[int], float]) -> None:
        self.params = _checked(type(self).__name__, params)
        self.lr = lr
        self.steps = 0
        self.state: list[dict[str, Any]] = [{} for _ in self.params]
        if not callable(lr):
            self._require("lr", lr, lr >= 0, "≥ 0")

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.lr(self.steps)) if callable(self.lr) else self.lr

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        effect(self._forget)

    def _forget(self) -> None:
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Move each parameter along its gradient, in place. Those frozen, or without a gradient, are left alone."""
        effect(self._step)

    def _step(self) -> None:
        moved, ps, gs, states = [], [], [], []
        for i, (p, state) in enumerate(zip(self.params, self.state)):
            g = p.grad
            if g is None or not p.requires_grad:
                continue
            if g.shape != p._data.shape:
                raise ValueError(f"{self._at(i)}: the gradient has shape {g.shape}, the parameter {p.shape}")
            if not p._data.flags.carray:  # to be moved in place
                p.data = np.array(p._data, order="C")
            moved.append(p)
            ps.append(p._data)
            gs.append(g)
            states.append(state)
        lr = self.rate
        if moved:
            self._update(ps, gs, states, lr)
        for p in moved:
            p.version += 1
        self.steps += 1

    def _update(self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], lr: float) -> None:
        """Move the arrays ps, given their gradients gs; `states` are their own dicts, empty at first."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Array]:
        """Copies of the state as arrays: 'steps', and 'i.name' for entry `name` of the i-th parameter's state."""
        entries = {f"{i}.{name}": np.array(v) for i, s in enumerate(self.state) for name, v in s.items()}
        return {"steps": np.array(self.steps), **entries}

    def load_state_dict(self, values: dict[str, Array]) -> None:
        """Take a state over, exactly: the optimizer then goes on as the one that saved it.

        Raises ValueError, and changes nothing, when an entry is not this rule's or does not fit its parameter.
        """
        state: list[dict[str, Any]] = [{} for _ in self.params]
        problems = [] if "steps" in values else ["missing: steps"]
        for key, value in values.items():
            if key == "steps":
                continue
            value = np.asarray(value)
            i, _, name = key.partition(".")
            if not i.isdigit() or int(i) >= len(self.params) or name not in self._entries:
                problems.append(f"unexpected: {key} (there are {len(self.params)} parameters, with {self._entries})")
                continue
            p = self.params[int(i)]
            if name == "t":
                state[int(i)][name] = int(value)
            elif value.shape != p.shape or value.dtype != p.dtype:
                problems.append(f"{self._at(int(i))} is {p.dtype} {p.shape}, {key} is {value.dtype} {value.shape}")
            else:
                state[int(i)][name] = np.array(value, order="C")
        problems += [
            f"missing: {i}.{name}" for i, s in enumerate(state) if s for name in self._entries if name not in s
        ]
        if problems:
            head = f"load_state_dict: this {type(self).__name__} and the state differ"
            raise ValueError("\n  ".join([head, *problems]))
        self.state, self.steps = state, int(values["steps"])

    _entries: tuple[str, ...] = ()  # the names in a parameter's state

    def _at(self, i: int) -> str:
        name = self.params[i].name
        return f"{type(self).__name__}: params[{i}]" + (f" ({name})" if name else "")

    def _require(self, name: str, value: Any, holds: bool, wanted: str) -> None:
        if not holds:
            raise ValueError(f"{type(self).__name__}: {name} is {value}; it must be {wanted}")


def _checked(name: str, params: Iterable[Tensor]) -> list[Tensor]:
    if isinstance(params, Tensor | dict) or not isinstance(params, Iterable):
        raise TypeError(f"{name}: params is a {type(params).__name__}; give a list of tensors, e.g. model.parameters()")
    params = list(params)
    if not params:
        raise ValueError(f"{name}: params is empty; there is nothing to optimize")
    first: dict[int, int] = {}
    for i, p in enumerate(params):
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: params[{i}] is a {type(p).__name__}, not a tensor; give model.parameters()")
        if not p.is_leaf or p.dtype.kind != "f":
            what = "the result of an operation" if not p.is_leaf else f"of dtype {p.dtype}"
            raise ValueError(f"{name}: params[{i}] is {what}; only float leaf tensors can be optimized")
        if id(p) in first:
            raise ValueError(f"{name}: params[{i}] and params[{first[id(p)]}] are one tensor; give each once")
        first[id(p)] = i
    return params
