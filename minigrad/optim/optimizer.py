"""What all optimizers share: checked parameters in groups, the rate, and state that is saved and loaded exactly.

A first-order rule is a subclass that declares its hyperparameters (`hyperparameters.py`), names the arrays of its state
in `_entries`, and moves parameters in `_update`. Nothing here knows of modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar
from typing import Any, ClassVar

import numpy as np

from ..declared import Declared
from ..errors import shown
from ..ranges import INDEX, NOT_NEGATIVE, SWITCH, check
from ..tape import Array, Freed, Tensor, effect, effectful, history, pull, recording

Params = Iterable[Tensor] | Iterable[dict[str, Any]]
Closure = Callable[[], Tensor]


class _HasParams:
    params: list[Tensor]  # of all groups


class Optimizer(Declared, _HasParams):
    """Base of optimizers: `step()` moves every parameter that has a gradient and requires grad, in place.

    `params` is a list of tensors, or of groups: dicts of a list `params` and of any hyperparameters that differ from
    those given to the constructor. `param_groups` holds them as dicts, which may be changed between steps. `lr` is a
    float or a function of the number of steps taken before (0 at the first).

    A parameter of float16 is moved in float32: its state is float32, and has the exact parameter as `master`, of which the
    parameter is the rounded copy. So no step is lost in round-off (Micikevicius et al. 2018). Rules that need curvature
    refuse float16.

    `params` and `state` are lists over the parameters of all groups. A parameter that is skipped keeps its state, and
    its own count `t` of updates. Raises TypeError or ValueError when there is nothing to optimize, or anything but
    distinct float leaf tensors, or a hyperparameter that is unknown or out of its range.
    """

    params: InitVar[Params]
    _entries: ClassVar[tuple[str, ...]] = ()  # the arrays in a parameter's state
    _takes_float16: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in vars(cls).keys() & cls.hyperparameters.keys():
            delattr(cls, name)  # so that an optimizer's `lr` is only where it is changed, in its groups

    def __post_init__(self, params: Params) -> None:
        values = {name: vars(self).get(name, h.default) for name, h in self.hyperparameters.items()}
        self._check(values)
        self.defaults = {name: value for name, value in values.items() if not self.hyperparameters[name].once}
        for name in self.defaults.keys() & vars(self).keys():
            delattr(self, name)
        self.params = []
        self.state: list[dict[str, Any]] = []
        self.param_groups: list[dict[str, Any]] = []
        self.steps = 0
        for group in self._groups(params):
            self.add_param_group(group)

    def __repr__(self) -> str:
        groups = [{**group, "params": f"<{len(group['params'])}>"} for group in self.param_groups]
        told = [", ".join(f"{name}={value}" for name, value in group.items()) for group in groups]
        return f"{self._who}({'; '.join(told)})"

    @effectful
    def add_param_group(self, group: dict[str, Any]) -> None:
        """Optimize more parameters: those of `group["params"]`, with the other entries in place of the defaults."""
        options = {k: v for k, v in group.items() if k != "params"}
        unknown = sorted(options.keys() - self.defaults.keys())
        if unknown or "params" not in group:
            fault = f"the unknown {unknown[0]!r}" if unknown else "no 'params'"
            raise ValueError(f"{self._who}: a group has {fault}; give 'params' and any of {', '.join(self.defaults)}")
        options = {**self.defaults, **options}
        self._check(options)
        params = self._tensors(group["params"])
        self.param_groups.append({"params": params, **options})
        self.params += params
        self.state += [{} for _ in params]

    @property
    def rate(self) -> float:
        """The learning rate of the next step, of the first group."""
        return self._rate(self.param_groups[0])

    @property
    def needs_closure(self) -> bool:
        """Whether `step` must be given a closure, since it evaluates the loss itself."""
        return False

    @property
    def needs_outputs(self) -> bool:
        """Whether that closure returns (loss, outputs), the outputs being what the loss was computed from."""
        return False

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters; or make them zero, so that those without a new one are moved, too."""
        check("zero_grad", SWITCH, set_to_none=set_to_none)
        self._forget(set_to_none)

    def step(self, closure: Closure | None = None) -> float | None:
        """Move each parameter along its gradient. Those frozen, or without a gradient, are left alone.

        With a `closure`, which returns the loss as a tensor, the gradients are computed first, by a walk of its tape,
        and are left in `.grad`; returns the loss before the step. Without one, the gradients are those in `.grad`.
        """
        loss = None if closure is None else self._evaluate(closure)
        effect(self._step)
        return loss

    @effectful
    def _forget(self, set_to_none: bool = True) -> None:
        for p in self.params:
            p.grad = None if set_to_none or p.grad is None else np.zeros_like(p.grad)

    def _evaluate(self, closure: Closure) -> float:
        """The loss; `.grad` becomes its gradient, None for a parameter that it does not depend on."""
        loss, params = self._record(closure)
        value = float(loss.item())
        self._forget()
        for p, g in zip(params, pull(loss, params) if params else ()):
            effect(setattr, p, "grad", np.array(g._data))
        return value

    def _record(self, closure: Callable[[], Any]) -> tuple[Tensor, list[Tensor]]:
        """The loss that the closure returns, checked, and those of the parameters to be moved that it depends on."""
        if not callable(closure):
            what = f"{self._who}: step was given a {type(closure).__name__}"
            raise TypeError(f"{what}; give a function that computes the loss and returns it, or call backward first")
        with recording(True):
            loss = closure()
        if not isinstance(loss, Tensor):
            raise TypeError(f"{self._who}: the closure returned a {type(loss).__name__}; return the loss, a tensor")
        if loss.size != 1:
            raise ValueError(
                f"{self._who}: the closure returned shape {loss.shape}; return one number, e.g. by .mean()"
            )
        if isinstance(loss.node, Freed):
            raise RuntimeError(
                f"{self._who}: the closure's loss has been walked; return it without calling backward, step does that"
            )
        read = {id(x) for x in history([loss])}
        trainable = [p for p in self.params if p.requires_grad]
        params = [p for p in trainable if id(p) in read]
        if trainable and not params:
            raise ValueError(
                f"{self._who}: the closure's loss does not depend on the parameters; compute it from them in each "
                "call, and not under no_grad, from detached tensors or by a compiled function"
            )
        return loss, params

    def _step(self) -> None:
        states = iter(self.state)
        todo = [(group, self._rate(group), self._to_move(group["params"], states)) for group in self.param_groups]
        for group, rate, updates in todo:
            options = {**group, "lr": rate}
            del options["params"]
            for t, (moved, of) in updates.items():
                for state in of:
                    state["t"] = t
                gs = [_computed_in(p.grad) for p in moved if p.grad is not None]
                if options.get("maximize"):
                    gs = [-g for g in gs]
                arrays = [_master(p._data, state) for p, state in zip(moved, of)]
                self._update(arrays, gs, of, t, options)
                for p, array in zip(moved, arrays):
                    if array is not p._data:
                        p._data[...] = array
                    p.assign(p._data)
        self.steps += 1

    def _to_move(
        self, params: list[Tensor], states: Iterator[dict[str, Any]]
    ) -> dict[int, tuple[list[Tensor], list[dict[str, Any]]]]:
        """Those that have a gradient, and their states, by the number of their update: one, unless some were skipped."""
        updates: dict[int, tuple[list[Tensor], list[dict[str, Any]]]] = {}
        last = 0
        for p, state in zip(params, states):
            g = p.grad
            if g is None or not p.requires_grad:
                continue
            if not isinstance(g, (np.ndarray, np.generic)) or g.shape != p._data.shape:
                at = self._at(next(i for i, q in enumerate(self.params) if q is p))
                if not isinstance(g, (np.ndarray, np.generic)):
                    raise TypeError(f"{at}: the gradient is a {type(g).__name__}; it must be a NumPy array")
                raise ValueError(f"{at}: the gradient has shape {g.shape}, the parameter {p.shape}")
            if not p._data.flags.carray:  # to be moved in place
                p.data = np.array(p._data, order="C")
            t = state.get("t", 0) + 1
            if t != last:
                (moved, of), last = updates.setdefault(t, ([], [])), t
            moved.append(p)
            of.append(state)
        return updates

    def _update(
        self, ps: list[Array], gs: list[Array], states: list[dict[str, Any]], t: int, options: dict[str, Any]
    ) -> None:
        """Move the arrays ps, given their gradients, in their t-th update; `states` are their own dicts."""
        raise NotImplementedError

    # ---- groups

    def _rate(self, group: dict[str, Any]) -> float:
        lr = group["lr"]
        rate = lr(self.steps) if callable(lr) else lr
        if isinstance(rate, np.ndarray) and not rate.ndim:  # of np.where, for one
            rate = rate.item()
        check(self._who, NOT_NEGATIVE, **{f"lr at step {self.steps}": rate})
        return float(rate)

    def _check(self, options: dict[str, Any]) -> None:
        for name, value in options.items():
            self._require(name, value)

    def _groups(self, params: Any) -> list[dict[str, Any]]:
        if isinstance(params, Tensor | dict | np.ndarray) or not isinstance(params, Iterable):
            what = f"{self._who}: params is a {type(params).__name__}"
            raise TypeError(f"{what}; give a list of tensors, e.g. model.parameters(), or of groups")
        params = list(params)
        if params and all(isinstance(p, dict) for p in params):
            return params
        return [{"params": params}]

    def _tensors(self, params: Any) -> list[Tensor]:
        """The tensors of a new group, checked."""
        if isinstance(params, Tensor | dict) or not isinstance(params, Iterable):
            raise TypeError(f"{self._who}: a group's params is a {type(params).__name__}; give a list of tensors")
        params = list(params)
        if not params:
            raise ValueError(f"{self._who}: params is empty; there is nothing to optimize")
        first = {id(p): i for i, p in enumerate(self.params)}
        for i, p in enumerate(params, len(self.params)):
            at = f"{self._who}: params[{i}]"
            if not isinstance(p, Tensor):
                raise TypeError(f"{at} is a {type(p).__name__}, not a tensor; give model.parameters()")
            if not p.is_leaf or p.dtype.kind != "f":
                what = "the result of an operation" if not p.is_leaf else f"of dtype {p.dtype}"
                raise ValueError(f"{at} is {what}; only float leaf tensors can be optimized")
            if p.dtype == np.float16 and not self._takes_float16:
                what = "of float16, in whose round-off curvature is lost"
                raise ValueError(f"{at} is {what}; use float32, e.g. model.astype('float32')")
            if id(p) in first:
                raise ValueError(f"{at} and params[{first[id(p)]}] are one tensor; give each once")
            first[id(p)] = i
        return params

    @property
    def _who(self) -> str:
        return type(self).__name__

    def _at(self, i: int) -> str:
        name = self.params[i].name
        return f"{self._who}: params[{i}]" + (f" ({name})" if name else "")

    # ---- saving and loading

    def state_dict(self) -> dict[str, Array]:
        """Copies of the state as arrays: 'steps', 'i.name' for entry `name` of the state of params[i], and
        'groups.j.name' for the hyperparameters of the j-th group. A rate that is a function is not among them: its
        position is the number of steps.
        """
        saved = {"steps": np.array(self.steps)}
        for j, group in enumerate(self.param_groups):
            numbers = {**group, "params": len(group["params"])}
            saved |= {f"groups.{j}.{name}": np.array(v) for name, v in numbers.items() if not callable(v)}
        return saved | {f"{i}.{name}": np.array(v) for i, s in enumerate(self.state) for name, v in s.items()}

    @effectful
    def load_state_dict(self, values: dict[str, Array]) -> None:
        """Take a state over, exactly, hyperparameters included: the optimizer then goes on as the one that saved it.

        Raises ValueError, and changes nothing, when an entry is missing, is not this rule's or does not fit its
        parameter, and when a rate was a function and is a number here, or the reverse.
        """
        left, problems = entries(values)
        groups: list[dict[str, Any]] = []
        state: list[dict[str, Any]] = []
        for j, group in enumerate(self.param_groups):
            groups.append(self._load_group(f"groups.{j}.", group, left, problems))
            for _ in group["params"]:
                state.append(self._load_entries(len(state), groups[-1], left, problems))
        steps = left.pop("steps", None)
        problems += ["missing: steps"] * (steps is None)
        problems += [
            f"unexpected: {key} (there are {len(self.params)} parameters, {len(groups)} groups)" for key in left
        ]
        if problems:
            head = f"load_state_dict: this {self._who} and the state differ"
            raise ValueError("\n  ".join([head, *problems]))
        for group, loaded in zip(self.param_groups, groups):
            group.update(loaded)
        self.state, self.steps = state, int(steps)  # type: ignore[arg-type]

    def _load_group(
        self, prefix: str, group: dict[str, Any], left: dict[str, Array], problems: list[str]
    ) -> dict[str, Any]:
        """The group with the hyperparameters that are taken out of `left`."""
        loaded = dict(group)
        for name, value in group.items():
            found = left.pop(prefix + name, None)
            if name == "params":
                if found is not None and not np.array_equal(found, len(value)):
                    problems.append(f"{prefix}params: {len(value)} parameters here, {found} in the state")
            elif found is None and not callable(value):
                was = " (it was a function of the step: give that again)" if name == "lr" else ""
                problems.append(f"missing: {prefix}{name}{was}")
            elif found is not None and callable(value):
                problems.append(f"{prefix}{name} is {found} in the state, a function of the step here")
            elif found is not None:
                loaded[name] = tuple(found.tolist()) if found.ndim == 1 else found.tolist()
        try:
            self._check({k: v for k, v in loaded.items() if k != "params"})
        except ValueError as error:
            problems.append(str(error))
        return loaded

    def _load_entries(
        self, i: int, group: dict[str, Any], left: dict[str, Array], problems: list[str]
    ) -> dict[str, Any]:
        """The state of params[i] that is taken out of `left`; empty if there is none."""
        p, names = self.params[i], self._names(self.params[i].shape, group)
        dtype = _computed_in(np.empty(0, p.dtype)).dtype
        names = names if dtype == p.dtype else (*names, "master")
        found = {name: left.pop(f"{i}.{name}") for name in ("t", *names) if f"{i}.{name}" in left}
        if not found:
            return {}
        problems += [f"missing: {i}.{name}" for name in ("t", *names) if name not in found]
        for name in found.keys() - {"t"}:
            value = found[name]
            shape = self._shape_of(name, p.shape)
            if value.shape != shape or value.dtype != dtype:
                problems.append(
                    f"{self._at(i)} is {p.dtype} {p.shape}, {i}.{name} is {value.dtype} {value.shape}"
                    + f"; it must be {shape}" * (shape != p.shape)
                )
        return found if problems else {k: int(v) if k == "t" else np.array(v, order="C") for k, v in found.items()}

    def _names(self, shape: tuple[int, ...], options: dict[str, Any]) -> tuple[str, ...]:
        """The arrays in the state of a parameter of this shape, in a group with these options."""
        return self._entries

    def _shape_of(self, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an array in the state of a parameter of this shape."""
        return shape


def entries(values: Any) -> tuple[dict[str, Array], list[str]]:
    """The entries of a state as arrays, and what is wrong with those that hold no numbers, or no count."""
    if not isinstance(values, Mapping):
        raise TypeError(f"load_state_dict: the state is {shown(values)}; it must be a dict of arrays")
    found, problems = {}, []
    for key, value in values.items():
        try:
            a = np.asarray(value)
        except ValueError:  # it is ragged
            a = np.asarray(None)
        key = str(key)
        found[key] = a
        if a.dtype.kind not in "biuf" and not (key.startswith("groups.") and a.ndim < 2):
            problems.append(f"{key} is {shown(value)}; it must hold numbers")
        elif (key == "steps" or key.endswith(("skipped", ".t")) or ".n_" in key) and not (
            not a.ndim and INDEX.holds(a.item())
        ):
            problems.append(f"{key} is {shown(value)}; it must be a whole number ≥ 0")
    return found, problems


_HALF = "e"  # the character of float16


def _computed_in(a: Array) -> Array:
    """The array in the dtype that a step computes in."""
    return a.astype(np.float32) if a.dtype.char == _HALF else a


def _master(p: Array, state: dict[str, Any]) -> Array:
    """What a step is to move: p itself, or if that is float16 the float32 array in its state of which p is the rounding."""
    if p.dtype.char != _HALF:
        return p
    if "master" not in state or not np.array_equal(state["master"].astype(p.dtype), p):  # new, or changed meanwhile
        state["master"] = _computed_in(p)
    return state["master"]
