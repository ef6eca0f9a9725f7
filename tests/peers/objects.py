"""PyTorch's own samples of modules and of optimizers (module_db, optim_db), given to minigrad's of the same name."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import meant
import numpy as np
import samples
import torch
from samples import CLEAR, REFUSALS, Call, Differ, LeftOut, Tally, draw, same, spread, verdict
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import minigrad as mg
from minigrad import nn, optim

MODULES = {info.name: info for info in module_db}
OPTIMIZERS = {info.name: info for info in optim_db}
NO_MATTER = {"foreach", "fused", "capturable", "differentiable"}  # how PyTorch computes it


@cache
def _by_name(space: Any) -> dict[str, Any]:
    return {name.lower(): getattr(space, name) for name in dir(space) if inspect.isclass(getattr(space, name, None))}


def counterpart(space: Any, cls: type) -> Any:
    return _by_name(space).get(cls.__name__.lower())


# ---- modules -----------------------------------------------------------------------------------------------------------


def _setting(value: Any) -> Any:
    """A constructor's argument as ours takes it."""
    if isinstance(value, torch.nn.Module):
        raise LeftOut("modules as arguments")
    if isinstance(value, torch.Tensor):
        return value.detach().numpy()
    if isinstance(value, torch.dtype):
        return samples.dtype_of(value)
    if callable(value):
        return samples.counterpart(f"nn.functional.{value.__name__}")
    return value


def _built(info: Any, sample: Any, double: bool = True) -> tuple[torch.nn.Module, Any]:
    given = sample.constructor_input
    theirs = info.module_cls(*given.args, **given.kwargs)
    theirs = theirs.double() if double else theirs
    kwargs = {k: _setting(v) for k, v in given.kwargs.items() if k not in ("device", "dtype")}
    ours = counterpart(nn, info.module_cls)(*map(_setting, given.args), **kwargs)
    values = {k: v.numpy().copy() for k, v in theirs.state_dict().items()}
    if double and isinstance(ours, nn.Module):
        ours.astype("float64")
    if values or ours.state_dict():
        if set(values) != set(ours.state_dict()):
            raise Differ(f"names {sorted(ours.state_dict())}, PyTorch has {sorted(values)}")
        ours.load_state_dict(values)
    return theirs, ours


def tally_module(name: str) -> Tally:
    """Outputs, gradients of inputs and parameters, second order, and the buffers after it, in both modes."""
    info, tally = MODULES[name], Tally(name)
    made = [
        (training, sample)
        for training in ((True, False) if info.train_and_eval_differ else (True,))
        for sample in draw(
            lambda training=training: info.module_inputs_func(
                info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
            )
        )
    ]
    tally["samples"], tally["float"] = len(made), True
    if info.is_lazy:
        tally["left_out"]["lazy modules: sizes are given"] = len(made)
        return tally
    if counterpart(nn, info.module_cls) is None:
        tally["missing"] = True
        return tally
    for training, sample in spread(made):
        tally["tried"] += 1
        given = sample.constructor_input
        shown = f"{name}{_shown(given)} {'' if training else '.eval()'}"
        if verdict(tally, name, shown, lambda t=training, s=sample: _module(info, s, t)):
            tally["agree"] += 1
    if info.module_error_inputs_func is not None:
        _module_errors(info, name, tally)
    return tally


def _shown(given: Any) -> str:
    try:
        return str(Call(given.args, given.kwargs))
    except LeftOut:
        return "(…)"


def _module(info: Any, sample: Any, training: bool) -> bool:
    theirs, ours = _built(info, sample)
    theirs.train(training), ours.train(training)
    names = [n for n, p in theirs.named_parameters()]
    forward = sample.forward_input
    call = Call([[p.detach().requires_grad_() for p in theirs.parameters()], *forward.args], forward.kwargs)
    count = len(names)
    own = dict(ours.named_parameters())

    def f(params: Any, *args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    def g(params: Any, *args: Any, **kwargs: Any) -> Any:
        return torch.func.functional_call(theirs, dict(zip(names, params)), args, kwargs)

    order = 1 + (sum(leaf.numel() for leaf in call.leaves) <= samples.LARGE)
    random = meant.draws(info.name, theirs) and training
    samples.compare(f, g, call, order, given=[own[n] for n in names] if count else [], shapes=random)
    for n, b in theirs.named_buffers():
        same(f"buffer {n}", np.asarray(dict(ours.named_buffers())[n].data), b.numpy())
    return True


def _module_errors(info: Any, name: str, tally: Tally) -> None:
    found = tally["errors"]
    wrongs = draw(
        lambda: info.module_error_inputs_func(
            info, device="cpu", dtype=torch.float64, requires_grad=True, training=True
        )
    )
    for wrong in wrongs:
        sample = wrong.module_error_input
        found["tried"] += 1

        def run(wrong: Any = wrong, sample: Any = sample) -> bool:
            try:
                if wrong.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
                    given = sample.constructor_input
                    counterpart(nn, info.module_cls)(
                        *map(_setting, given.args),
                        **{k: _setting(v) for k, v in given.kwargs.items() if k not in ("device", "dtype")},
                    )
                else:
                    _, ours = _built(info, sample)
                    call = Call(sample.forward_input.args, sample.forward_input.kwargs)
                    samples.ours(ours, call, 0, call.arrays())
            except REFUSALS as error:
                if CLEAR.match(str(error)):
                    return True
                raise Differ(f"unclear error: {type(error).__name__}: {error}") from None
            raise Differ("no error")

        if verdict(tally, name, f"{_shown(sample.constructor_input)} [{wrong.error_regex!s:.80}]", run, found):
            found["agree"] += 1


# ---- optimizers --------------------------------------------------------------------------------------------------------


def _settings(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {
        k: v.numpy().copy() if isinstance(v, torch.Tensor) and v.numel() != 1 else v.item() if isinstance(v, torch.Tensor) else v
        for k, v in kwargs.items()
        if k not in NO_MATTER
    }  # fmt: skip


def tally_optimizer(name: str) -> Tally:
    """Ten steps on a bumpy function of two matrices."""
    info, tally = OPTIMIZERS[name], Tally(name)
    made = draw(lambda: info.optim_inputs_func(device="cpu"))
    tally["samples"], tally["float"] = len(made), True
    if info.only_supports_sparse_grads:
        tally["left_out"]["sparse tensors"] = len(made)
        return tally
    rule = counterpart(optim, info.optim_cls)
    if rule is None:
        tally["missing"] = True
        return tally
    for sample in made:
        tally["tried"] += 1
        if verdict(tally, name, f"{_settings(sample.kwargs)}", lambda s=sample: _steps(info, rule, s)):
            tally["agree"] += 1
    if info.optim_error_inputs_func is not None:
        _optimizer_errors(info, name, rule, tally)
    return tally


def _steps(info: Any, rule: Any, sample: Any) -> bool:
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=(3, 4)), rng.normal(size=(3, 1))]
    ps, qs = [mg.tensor(a, requires_grad=True) for a in starts], [torch.tensor(a, requires_grad=True) for a in starts]
    ours = rule(ps, **_settings(sample.kwargs))
    theirs = info.optim_cls(qs, **{k: v for k, v in sample.kwargs.items() if k not in NO_MATTER})

    def loss(x: Any, y: Any, sin: Any) -> Any:
        return (sin(x * y) + (x - 0.3) ** 2 * 0.5).sum() + (y * y).sum()

    def again() -> Any:
        theirs.zero_grad()
        value = loss(*qs, torch.sin)
        value.backward()
        return value

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        for step in range(10):
            if info.step_requires_closure:
                ours.step(lambda: loss(*ps, mg.sin)), theirs.step(again)
            else:
                ours.zero_grad(), again()
                loss(*ps, mg.sin).backward()
                ours.step(), theirs.step()
            for p, q in zip(ps, qs):
                same(f"after step {step + 1}", p.data, q.detach().numpy())
    finally:
        torch.set_default_dtype(before)
    return True


def _optimizer_errors(info: Any, name: str, rule: Any, tally: Tally) -> None:
    found = tally["errors"]
    for wrong in draw(lambda: info.optim_error_inputs_func(device="cpu", dtype=torch.float64)):
        sample = wrong.optimizer_error_input
        if issubclass(wrong.error_type, Warning) or set(sample.kwargs) & NO_MATTER:
            found["left_out"]["warnings, and how PyTorch computes"] = (
                found["left_out"].get("warnings, and how PyTorch computes", 0) + 1
            )
            continue
        found["tried"] += 1
        own: dict[int, Any] = {}

        def made(value: Any, own: dict = own) -> Any:
            if isinstance(value, torch.Tensor):
                if id(value) not in own:
                    own[id(value)] = mg.tensor(value.detach().numpy(), requires_grad=value.requires_grad)
                return own[id(value)]
            if isinstance(value, dict):
                return {k: made(v) for k, v in value.items()}
            if isinstance(value, (list, tuple)):
                return [made(v) for v in value]
            return value

        def run(wrong: Any = wrong, sample: Any = sample, made: Any = made) -> bool:
            params = [mg.tensor(np.ones((2, 2)), requires_grad=True)] if sample.params is None else made(sample.params)
            try:
                opt = rule(params, **_settings(sample.kwargs))
                if wrong.error_on == OptimizerErrorEnum.STEP_ERROR:
                    opt.step()
            except REFUSALS as error:
                if CLEAR.match(str(error)):
                    return True
                raise Differ(f"unclear error: {type(error).__name__}: {error}") from None
            raise Differ("no error")

        if verdict(tally, name, f"{sample.desc}: {sample.kwargs}", run, found):
            found["agree"] += 1
