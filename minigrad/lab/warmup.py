"""Compile kernels before they are needed: small calls that reach every one of them."""

from __future__ import annotations

import importlib
import os
import pkgutil
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .. import kernels, nn, optim, tree
from ..calculus import hvp
from ..ops.loss import cross_entropy
from ..ops.special import erf, erfc
from ..tape import Tensor, no_grad
from .digits import DigitsNet

Sample = tuple[nn.Module, tuple]  # a model, and a batch for it: inputs, and perhaps labels


class Warmed(NamedTuple):
    """The names of the kernels that were compiled, and of those that were on disk; the seconds it took; the folder.

    Of a kernel on disk, those that it calls are part. The folder is None where none can be written: every process
    compiles anew then.
    """

    compiled: list[str]
    on_disk: list[str]
    seconds: float
    folder: str | None

    def __str__(self) -> str:
        done = f"{len(self.compiled)} kernels compiled in {self.seconds:.1f} s, {len(self.on_disk)} found on disk: "
        return done + (self.folder or "no folder can be written; let NUMBA_CACHE_DIR name one")


def warm_up(
    samples: Iterable[Sample] | None = None,
    *,
    dtype: Any = np.float32,
    watch: Callable[[str, bool | None], None] | None = None,
) -> Warmed:
    """Compile the kernels that training these models needs, or every kernel, and leave them on disk.

    `watch` is called with each kernel that is ready: its name, and whether it was on disk; and with None for that, each
    second that one is being compiled. Without it, stderr tells.
    """
    names: dict[bool | None, list[str]] = {False: [], True: [], None: []}
    start = time.perf_counter()
    if not kernels.JIT:
        return Warmed([], [], 0.0, None)
    jit = _jit()
    progress = jit.progress
    before, progress.report.total = progress.watchers[:], None if samples else len(jit.KERNELS)
    progress.watchers[:] = [lambda name, on_disk: names[on_disk].append(name), watch or progress.report]
    worth, kernels.threads.WORTH = kernels.threads.WORTH, 0  # what shares work is compiled too, if there are threads
    try:
        for model, batch in everything() if samples is None else samples:
            _train(model, *batch, dtype=np.dtype(dtype))
    finally:
        kernels.threads.WORTH = worth
        progress.watchers[:], progress.report.total = before, None
    folder = jit.FOLDERS[-1] if jit.FOLDERS and os.access(jit.FOLDERS[-1], os.W_OK) else None
    return Warmed(names[False], names[True], time.perf_counter() - start, folder)


def kernels_there_are() -> list[Any]:
    """Every kernel, needed or not."""
    return _jit().KERNELS


def _jit() -> Any:
    """The room that compiles, once every kernel has told it of itself."""
    for module in pkgutil.iter_modules(kernels.__path__):
        importlib.import_module(f"{kernels.__name__}.{module.name}")
    return importlib.import_module(f"{kernels.__name__}.jit")


def _train(model: nn.Module, x: Any, labels: Any = None, *, dtype: np.dtype) -> None:
    """Do on this batch whatever needs kernels of its own: training, evaluation, a Hessian-vector product."""
    model.astype(dtype).train()
    x = Tensor(x.astype(dtype), requires_grad=True) if getattr(x, "dtype", np.dtype("O")).kind == "f" else x
    params = list(model.parameters())

    def loss() -> Tensor:
        y = model(x)
        if labels is not None:
            return cross_entropy(y, labels, label_smoothing=0.1)
        return sum(((a * a).mean() for a in tree.flatten(y)[0] if isinstance(a, Tensor)), start=Tensor(dtype.type(0)))

    loss().backward()
    for make in _OPTIMIZERS if params else ():
        make(params).step()
    moved = [*params, x] if isinstance(x, Tensor) else params
    if moved:
        hvp(loss, moved, [np.ones_like(p.data) for p in moved])
    with no_grad():
        model.eval()(x)


_OPTIMIZERS: list[Callable[..., optim.Optimizer]] = [
    lambda params: optim.SGD(params, lr=0.0),
    lambda params: optim.SGD(params, lr=0.0, momentum=0.9),
    lambda params: optim.AdamW(params, lr=0.0),
]


def everything() -> Iterator[Sample]:
    """Every kind of layer, small; a test asks whether they reach every kernel."""
    rng = np.random.default_rng(0)
    for layer, shape in _LAYERS:
        yield layer(), (rng.standard_normal(shape, np.float32),)
    yield nn.Embedding(8, 4, rng=0), (np.arange(6).reshape(2, 3),)
    for net, shape in (DigitsNet(rng=0), (8, 1, 8, 8)), (nn.models.resnet8(rng=0), (8, 3, 16, 16)):
        yield net, (rng.standard_normal(shape, np.float32), np.arange(len(shape) * 2) % 10)


def _conv(c: int, o: int, k: int, **options: Any) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Conv2d(c, o, k, **options), nn.BatchNorm2d(o), nn.ReLU())


class _Errors(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return erf(x) + erfc(x)


_IMAGES, _ROWS = (8, 32, 12, 12), (160, 32)  # rows of more numbers than `kernels.FEW`
_LAYERS: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (_conv(3, 16, 3, padding=1), (8, 3, 12, 12)),
    (_conv(1, 48, 4), (8, 1, 12, 12)),  # channels so few that they leave a vector of any width empty
    (_conv(32, 32, 3, padding=1), _IMAGES),
    (_conv(32, 33, 3, padding=1, stride=2, bias=False), _IMAGES),
    *[(_conv(32, o, 3), _IMAGES) for o in (1, 2, 4, 8)],  # which leave lanes of a vector empty
    (_conv(32, 48, 1), _IMAGES),
    (_conv(32, 16, 5, padding=2), _IMAGES),
    (_conv(32, 32, 3, padding=2, dilation=2), _IMAGES),
    (_conv(32, 32, 3, padding=1, groups=4), _IMAGES),
    (_conv(32, 32, 3, padding=1, groups=32), _IMAGES),
    (lambda: nn.MaxPool2d(2), _IMAGES),
    (lambda: nn.MaxPool2d(3, 2, 1), _IMAGES),
    (lambda: nn.AvgPool2d(2), _IMAGES),
    (lambda: nn.AvgPool2d(3, 2, 1), _IMAGES),
    (lambda: nn.AdaptiveAvgPool2d(1), _IMAGES),
    (lambda: nn.AdaptiveAvgPool2d(5), _IMAGES),
    (lambda: nn.BatchNorm2d(32), _IMAGES),
    (lambda: nn.Sequential(nn.MaxPool2d(2), nn.GroupNorm(4, 32)), _IMAGES),  # channels last, as layers leave them
    (lambda: nn.LayerNorm(32), _ROWS),
    (lambda: nn.Sequential(nn.Linear(32, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 10)), _ROWS),
    (_Errors, _ROWS),
    (lambda: nn.Sequential(nn.Linear(32, 32), nn.Dropout(0.5), nn.Linear(32, 10)), _ROWS),
    *(
        (lambda f=f: nn.Sequential(nn.Linear(32, 32), f(), nn.Linear(32, 10)), _ROWS)
        for f in (nn.ELU, nn.GELU, lambda: nn.GELU("tanh"), nn.LeakyReLU, nn.LogSoftmax, nn.ReLU, nn.SiLU, nn.Sigmoid,
                  nn.Softmax, nn.Softplus, nn.Tanh)
    ),
]  # fmt: skip
