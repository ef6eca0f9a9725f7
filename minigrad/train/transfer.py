"""Transfer learning: what a model has learnt elsewhere, kept, loaded, and learnt on from.

Layers are named by path patterns ('stage1', 'fc.*', '*.bn?'), as the shell matches file names; a pattern that matches a
module means everything in it. One that matches nothing is an error, since a misspelt one would silently do nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from ..errors import check_function, named
from ..nn import Module
from ..optim.hyperparameters import Rate
from ..ranges import COUNT, INDEX, NOT_NEGATIVE, POSITIVE, check
from ..tape import Array, Tensor
from .checkpoint import read
from .given import check_kind, check_model
from .state import State

Layers = Sequence[str | Sequence[str]]  # from the input to the output; each a pattern, or several

# ---- freezing ------------------------------------------------------------------------------------------------------


@named
def freeze(model: Module, *patterns: str) -> list[str]:
    """Let nothing that matches learn or move; return the paths of all parameters that are frozen now.

    Frozen parameters have `requires_grad` False. A module is `frozen`, and in test mode whatever `train()` says, if it
    lies in what matches, or in a module of which nothing is left to learn: so the running statistics of a frozen batch
    norm stay, and frozen layers drop nothing. Raises ValueError for a pattern without a match.

    >>> from minigrad import nn
    >>> net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    >>> freeze(net, "[01]"), net.train()[1].training, net.training
    (['0.weight', '0.bias', '1.weight', '1.bias'], False, True)
    """
    chosen = _chosen("freeze", model, patterns)
    for path, p in model.named_parameters():
        if chosen(path):
            p.requires_grad = False
    modules = dict(model.named_modules())
    done = {path for path, m in modules.items() if chosen(path) or _has_learnt(m)}
    for path, m in modules.items():
        if not done.isdisjoint(["", *_prefixes(path)]):
            m.frozen, m.training = True, False
    return [path for path, p in model.named_parameters() if not p.requires_grad]


def _has_learnt(m: Module) -> bool:
    """Whether it has parameters, all of them frozen."""
    learnable = m.parameters()
    return bool(learnable) and not any(p.requires_grad for p in learnable)


@named
def unfreeze(model: Module, *patterns: str) -> list[str]:
    """Let what matches learn again, in the model's present mode; return the paths of the parameters still frozen.

    A module without parameters, such as a dropout, goes with the one that holds it.
    """
    chosen = _chosen("unfreeze", model, patterns)
    for path, p in model.named_parameters():
        if chosen(path):
            p.requires_grad = True
    modules = dict(model.named_modules())
    mode = model.training or model.frozen  # a model that was frozen as a whole is one in training
    for path, m in modules.items():
        holder = _holder(path, modules)
        if m.frozen and (chosen(path) or any(p.requires_grad for p in holder.parameters())):
            m.frozen, m.training = False, mode
    return [path for path, p in model.named_parameters() if not p.requires_grad]


def _holder(path: str, modules: dict[str, Module]) -> Module:
    """The module at this path, or else the nearest above it, that has parameters."""
    above = [modules[p] for p in reversed(["", *_prefixes(path)]) if p in modules]
    return next((m for m in above if m.parameters()), modules[""])


class GradualUnfreezing:
    """A callback for `fit`: at first only the last of the layers learns, and after each `every` epochs one more.

    Make it before the training: that freezes all the others. Or call it with the number of epochs done. (J. Howard,
    S. Ruder, "Universal language model fine-tuning for text classification", 2018, section 3.3.) A run that resumes
    from a checkpoint goes on with as many layers.

    >>> from minigrad import nn
    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    >>> thaw = GradualUnfreezing(net, ["0", "1", "2"])
    >>> [(thaw(done), sum(p.requires_grad for p in net.parameters()))[1] for done in range(4)]
    [2, 4, 6, 6]
    """

    @named
    def __init__(self, model: Module, layers: Layers, every: int = 1) -> None:
        check("GradualUnfreezing", COUNT, every=every)
        check_model("GradualUnfreezing", model)
        _check_layers("GradualUnfreezing", layers)
        self.model, self.parts, self.every = model, [_patterns(layer) for layer in layers], every
        freeze(model, *(pattern for part in self.parts for pattern in part))
        self(0)

    @named
    def __call__(self, run: State | int) -> None:
        good = isinstance(run, State) or INDEX.holds(run)
        check_kind("GradualUnfreezing", "run", run, good, "the State, or the number of epochs done")
        self.done = run if isinstance(run, int) else run.epoch
        for part in self.parts[::-1][: 1 + self.done // self.every]:
            unfreeze(self.model, *part)

    def state_dict(self) -> dict[str, int]:
        """The number of epochs done."""
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let as many layers learn as after so many epochs."""
        self(int(state["done"]))


class Change(NamedTuple):
    """A frozen array that is not what it was: its path, what it is, and by how much its entries moved at most."""

    path: str
    kind: str  # parameter | buffer
    largest: float  # nan if the array is gone or has another shape

    def __str__(self) -> str:
        return f"{self.kind} {self.path} moved by up to {self.largest:.3g}"


class Audit:
    """Which frozen arrays changed? Take it before, ask it after; or use it as a context manager.

    Frozen are parameters with `requires_grad` False, and buffers of modules all of whose parameters are: whether or not
    `freeze` was used, so that running statistics are found that went on moving under parameters frozen by hand.

    >>> from minigrad import nn
    >>> net = nn.Sequential(nn.BatchNorm1d(2).requires_grad_(False), nn.Linear(2, 2))
    >>> with Audit(net) as audit:
    ...     _ = net(np.ones((4, 2), np.float32))
    >>> [change.path for change in audit.changes]
    ['0.running_mean', '0.running_var', '0.num_batches_tracked']
    """

    @named
    def __init__(self, model: Module) -> None:
        check_model("Audit", model)
        self.model = model
        self.before = {path: (kind, x.read().copy()) for path, (kind, x) in _frozen(model).items()}
        self.changes: list[Change] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.look()

    def look(self) -> list[Change]:
        """The changes so far, also left in `changes`."""
        now = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        self.changes = [
            Change(path, kind, _largest(old, now.get(path)))
            for path, (kind, old) in self.before.items()
            if path not in now or old.tobytes() != now[path].read().tobytes()
        ]
        return self.changes


def _frozen(model: Module) -> dict[str, tuple[str, Tensor]]:
    """All arrays that must not change, by path."""
    found: dict[str, tuple[str, Tensor]] = {}
    modules = dict(model.named_modules())
    for path, p in model.named_parameters():
        if not p.requires_grad:
            found[path] = "parameter", p
    for path, b in model.named_buffers():
        owner = modules.get(path.rpartition(".")[0], model)
        if owner.frozen or not any(p.requires_grad for p in _holder(path, modules).parameters()):
            found[path] = "buffer", b
    return found


def _largest(old: Array, new: Tensor | None) -> float:
    if new is None or new.shape != old.shape:
        return float("nan")
    return float(np.abs(new.data.astype(np.float64) - old).max(initial=0))


def _prefixes(path: str) -> list[str]:
    """'a.b.c' as a, a.b, a.b.c."""
    names = path.split(".") if path else []
    return [".".join(names[: i + 1]) for i in range(len(names))]


def _chosen(name: str, model: Module, patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path, or one above it, matches one of the patterns; all of them match something."""
    check_model(name, model)
    paths = [path for path, _ in [*model.named_modules(), *model.named_parameters()]]
    for pattern in patterns:
        check_kind(name, "a pattern", pattern, isinstance(pattern, str), "a path, a str")
        if not any(fnmatchcase(path, pattern) for path in paths):
            near = get_close_matches(pattern, paths, 3) or [path for path in paths if path and "." not in path]
            raise ValueError(f"{name}: nothing in the model matches {pattern!r}; there are {', '.join(near)}, …")
    return lambda path: any(fnmatchcase(above, pattern) for above in ["", *_prefixes(path)] for pattern in patterns)


def _patterns(layer: str | Iterable[str]) -> list[str]:
    return [layer] if isinstance(layer, str) else list(layer)


def _check_layers(who: str, layers: Layers) -> None:
    """Raise TypeError unless they are lists of paths in a list; ValueError if there are none."""
    listed = isinstance(layers, list | tuple) and all(isinstance(layer, str | list | tuple) for layer in layers)
    check_kind(who, "layers", layers, listed, "a list of paths, from the input to the output")
    if not layers:
        raise ValueError(f"{who}: there are no layers")


# ---- the head, and the rates -----------------------------------------------------------------------------------------


@named
def replace_head(model: Module, path: str, head: Module) -> Module:
    """Put another module in place of the one at this path; return the old one.

    Raises ValueError if there is no such module, or if both are linear and take another number of features.

    >>> from minigrad import nn
    >>> net = nn.models.lenet(10)
    >>> old = replace_head(net, "fc3", nn.Linear(84, 5, rng=0))
    >>> old.out_features, net.fc3.out_features
    (10, 5)
    """
    check_model("replace_head", model)
    check_kind("replace_head", "path", path, isinstance(path, str), "the path of a module, a str")
    check_model("replace_head", head, "head")
    modules = dict(model.named_modules())
    if path not in modules or not path:
        near = get_close_matches(path, modules, 3) or [p for p in modules if p and "." not in p]
        raise ValueError(f"replace_head: there is no module {path!r}; there are {', '.join(near)}, …")
    old, parent, _, name = modules[path], *path.rpartition(".")
    wanted, given = (getattr(m, "in_features", None) if hasattr(m, "in_features") else None for m in (old, head))
    if None not in (wanted, given) and wanted != given:
        raise ValueError(f"replace_head: {path} takes {wanted} features, the new one {given}; they must be the same")
    owner: Any = modules.get(parent)
    if owner is not None:
        setattr(owner, name, head)
        return old
    above, _, within = parent.rpartition(".")  # a list or dict of a module
    held = getattr(modules[above], within)
    held[int(name) if isinstance(held, list) else name] = head
    return old


@named
def discriminative_rates(
    model: Module, lr: Rate, factor: float = 2.6, layers: Layers | None = None
) -> list[dict[str, Any]]:
    """Return groups for an optimizer: the last layer learns at rate lr, each layer before it `factor` times slower.

    Early layers hold what is common to many tasks (Howard and Ruder 2018, section 3.2, where factor is 2.6). `layers`
    go from the input to the output; without them, each attribute of the model that holds parameters is one. Frozen
    parameters are in the groups too: an optimizer passes them over until they are unfrozen. lr may be a schedule.

    >>> from minigrad import nn
    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    >>> [(len(group["params"]), group["lr"]) for group in discriminative_rates(net, 0.1, factor=2)]
    [(2, 0.05), (2, 0.1)]
    """
    check("discriminative_rates", POSITIVE, factor=factor)
    if not callable(lr):
        check("discriminative_rates", NOT_NEGATIVE, lr=lr)
    check_model("discriminative_rates", model)
    if layers is not None:
        _check_layers("discriminative_rates", layers)
    named = model.named_parameters()
    if layers is None:
        layers = list(dict.fromkeys(path.partition(".")[0] for path, _ in named))
    groups: list[list[Tensor]] = [[] for _ in layers]
    chosen = [_chosen("discriminative_rates", model, _patterns(layer)) for layer in layers]
    for path, p in named:
        of = [i for i, matches in enumerate(chosen) if matches(path)]
        if len(of) != 1:
            raise ValueError(f"discriminative_rates: {path} is in {len(of)} of the layers; it must be in one")
        groups[of[0]].append(p)
    if not all(groups):
        raise ValueError("discriminative_rates: one of the layers has no parameters; leave it out")
    last = len(groups) - 1
    return [{"params": group, "lr": _scaled(lr, factor ** (i - last))} for i, group in enumerate(groups)]


def _scaled(lr: Rate, by: float) -> Rate:
    return (lambda step: lr(step) * by) if callable(lr) else lr * by


# ---- pretrained weights ----------------------------------------------------------------------------------------------


class Loaded(NamedTuple):
    """What became of each entry: loaded; only in the model; only in the file; in both, but of another shape or kind."""

    matched: list[str]
    missing: list[str]
    unexpected: list[str]
    misfits: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{len(self.matched)} entries loaded"]
        lines += [f"only in the model: {path}" for path in self.missing]
        lines += [f"only in the file: {path}" for path in self.unexpected]
        lines += [f"does not fit: {path}: {why}" for path, why in self.misfits.items()]
        return "\n  ".join(lines)


@named
def load_pretrained(
    model: Module,
    weights: str | os.PathLike | dict[str, Any],
    *,
    may_differ: str | Iterable[str] = (),
    rename: Callable[[str], str] | None = None,
) -> Loaded:
    """Load the entries of a safetensors file, or of a state dict, that the model has; return what became of each.

    Entries that are in one of the two only, or do not fit, must match a pattern of `may_differ` ('head.*'; '*' allows
    all), else ValueError lists them and nothing is changed; nor is it if no entry matches at all. `rename` turns a path
    of the file into one of the model's.

    >>> from minigrad import nn
    >>> old, new = nn.models.lenet(10), nn.models.lenet(5)
    >>> print(load_pretrained(new, old.state_dict(), may_differ=["fc3.*"]))
    8 entries loaded
      does not fit: fc3.weight: (10, 84) in the file, (5, 84) in the model
      does not fit: fc3.bias: (10,) in the file, (5,) in the model
    """
    check_model("load_pretrained", model)
    check_function("load_pretrained", "rename", rename, None)
    allowed = _patterns(may_differ)
    for pattern in allowed:
        check_kind(
            "load_pretrained", "may_differ", may_differ, isinstance(pattern, str), "a pattern, or a list of them"
        )
    given = weights if isinstance(weights, dict) else read(weights, "load_pretrained")[0]
    arrays = {path: np.asarray(a.data if isinstance(a, Tensor) else a) for path, a in given.items()}
    if rename is not None:
        renamed = {rename(path): a for path, a in arrays.items()}
        if len(renamed) < len(arrays):
            raise ValueError("load_pretrained: rename gives two entries one path")
        arrays = renamed
    own = model.state_dict()
    both = {path: _misfit(arrays[path], own[path]) for path in own if path in arrays}
    found = Loaded(
        [path for path, why in both.items() if why is None],
        [path for path in own if path not in arrays],
        [path for path in arrays if path not in own],
        {path: why for path, why in both.items() if why is not None},
    )
    differing = [*found.missing, *found.unexpected, *found.misfits]
    refused = [path for path in differing if not any(fnmatchcase(path, pattern) for pattern in allowed)]
    if refused or not found.matched:
        what = f"{len(refused)} entries differ that may not" if refused else "no entry of the file fits the model"
        raise ValueError(f"load_pretrained: {what} (name them in may_differ if that is meant):\n  {found}")
    model.load_state_dict({path: arrays[path] for path in found.matched}, strict=False)
    return found


def _misfit(new: Array, own: Array) -> str | None:
    if new.shape != own.shape:
        return f"{new.shape} in the file, {own.shape} in the model"
    if not np.can_cast(new.dtype, own.dtype, "same_kind"):
        return f"{new.dtype} in the file, {own.dtype} in the model"
    return None
