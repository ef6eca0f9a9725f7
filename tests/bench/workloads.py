"""The rows of the benchmark: for each, one step as a function, for minigrad and for every peer installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from nets import NETS, batch
from timing import GRADIENT, OWN, Steps

import minigrad as mg
from minigrad import nn, optim

try:
    import torch
    import torch_peer
except ImportError:
    torch = torch_peer = None


def versions() -> str:
    """The versions of what is compared."""
    import numba

    found = [f"NumPy {np.__version__}", f"Numba {numba.__version__}"]
    return ", ".join([*found, f"PyTorch {torch.__version__}"] if torch else found)


def set_threads(n: int) -> None:
    """Give every contender n threads."""
    mg.set_num_threads(n)
    if torch:
        torch.set_num_threads(n)


def own_training(name: str, n: int | None = None) -> Callable[[], object]:
    """minigrad's training step, on n samples."""
    make, shape, rule, options = NETS[name]
    model, (x, labels) = make(nn), batch(shape if n is None else (n, *shape[1:]))
    opt = getattr(optim, rule)(model.parameters(), **options)

    def step() -> None:
        opt.zero_grad()
        mg.cross_entropy(model(x), labels).backward()
        opt.step()

    return step


def training(name: str) -> Steps:
    """Forward, backward and the optimizer's step."""
    return {OWN: own_training(name)} | (torch_peer.training(name) if torch else {})


def inference(name: str, n: int) -> Steps:
    """The logits of n inputs, in eval mode, nothing recorded."""
    make, shape, *_ = NETS[name]
    model, x = make(nn).eval(), batch((n, *shape[1:]))[0]

    def step() -> None:
        with mg.no_grad():
            model(x)

    return {OWN: step} | (torch_peer.inference(name, n) if torch else {})


def products(name: str, repeated: bool) -> Steps:
    """A Hessian-vector product over all parameters: with its gradient, or `repeated` on one recorded gradient."""
    make, shape, *_ = NETS[name]
    model, (x, labels) = make(nn), batch(shape)
    params = list(model.parameters())
    rng = np.random.default_rng(1)
    vs = [rng.standard_normal(p.shape).astype(p.dtype) for p in params]

    def loss() -> mg.Tensor:
        return mg.cross_entropy(model(x), labels)

    product = mg.linearize_grad(loss, params)[2] if repeated else lambda *vs: mg.hvp(loss, params, vs)
    own: Steps = {OWN: lambda: product(*vs), OWN + GRADIENT: mg.grad(loss, params=params)}
    return own | (torch_peer.products(name, repeated) if torch else {})


def layer(build: Callable[[Any], Any], shape: tuple[int, ...]) -> Steps:
    """Forward and backward through one layer, gradients in its input and its parameters.

    Images come and go in the memory layout that the layers before and after would use.
    """
    module, x = build(nn), mg.tensor(_as_inside(batch(shape)[0]), requires_grad=True)
    g = _as_inside(batch(module(x).shape)[0])

    def step() -> None:
        x.grad = None
        for p in module.parameters():
            p.grad = None
        module(x).backward(g)

    return {OWN: step} | (torch_peer.layer(build, shape) if torch else {})


def _as_inside(x: np.ndarray) -> np.ndarray:
    """The same array; images channels last in memory, as minigrad's layers leave them."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if x.ndim == 4 else x


def cross_entropy(n: int, classes: int) -> Steps:
    """Softmax cross-entropy and its gradient."""
    a, labels = batch((n, classes), classes)
    logits = mg.tensor(a, requires_grad=True)

    def step() -> None:
        logits.grad = None
        mg.cross_entropy(logits, labels).backward()

    return {OWN: step} | (torch_peer.cross_entropy(n, classes) if torch else {})


def adam(name: str) -> Steps:
    """One step of Adam over the parameters of a network."""
    params = list(NETS[name][0](nn).parameters())
    for p in params:
        p.grad = np.ones_like(p.data)
    return {OWN: optim.Adam(params).step} | (torch_peer.adam(name) if torch else {})


def scalar_chain(length: int) -> Steps:
    """Multiplications of a scalar one after the other, and back: the overhead of recorded operations."""
    x = mg.tensor(np.float32(1), requires_grad=True)

    def step() -> None:
        y = x
        for _ in range(length):
            y = y * 1.0000001
        y.backward()

    return {OWN: step} | (torch_peer.scalar_chain(length) if torch else {})


def _conv(c: int, o: int, k: int, **options: Any) -> Callable[[Any], Any]:
    return lambda t: t.Conv2d(c, o, k, bias=False, **options)


# row: how its contenders are made. First whole networks, then single blocks, so that nothing is tuned to one network.
NETWORKS: dict[str, Callable[[], Steps]] = {
    **{f"{name} training": partial(training, name) for name in NETS},
    **{f"resnet20 inference {n}": partial(inference, "resnet20", n) for n in (1, 128)},
    **{f"{name} hvp": partial(products, name, False) for name in ("small_cnn", "digits_cnn", "mlp")},
    **{f"{name} hvp repeated": partial(products, name, True) for name in ("small_cnn", "digits_cnn", "mlp")},
}
BLOCKS: dict[str, Callable[[], Steps]] = {
    "conv 7x7 stride 2, 3-64": partial(layer, _conv(3, 64, 7, stride=2, padding=3), (16, 3, 64, 64)),
    "conv 1x1, 64-256": partial(layer, _conv(64, 256, 1), (16, 64, 16, 16)),
    "conv 5x5, 16-32": partial(layer, _conv(16, 32, 5, padding=2), (32, 16, 16, 16)),
    "conv 3x3, 128": partial(layer, _conv(128, 128, 3, padding=1), (16, 128, 16, 16)),
    "conv 3x3, 256": partial(layer, _conv(256, 256, 3, padding=1), (16, 256, 8, 8)),
    "conv 3x3, 20-33, odd": partial(layer, _conv(20, 33, 3, padding=1), (32, 20, 17, 19)),
    "conv 3x3 dilation 2, 32": partial(layer, _conv(32, 32, 3, padding=2, dilation=2), (32, 32, 16, 16)),
    "conv 3x3 groups 4, 64": partial(layer, _conv(64, 64, 3, padding=1, groups=4), (32, 64, 16, 16)),
    "conv 3x3 depthwise, 64": partial(layer, _conv(64, 64, 3, padding=1, groups=64), (32, 64, 16, 16)),
    "max-pool 2x2": partial(layer, lambda t: t.MaxPool2d(2), (64, 32, 28, 28)),
    "avg-pool 2x2": partial(layer, lambda t: t.AvgPool2d(2), (64, 32, 28, 28)),
    "batch norm": partial(layer, lambda t: t.BatchNorm2d(32), (64, 32, 16, 16)),
    "batch norm, relu": partial(layer, lambda t: t.Sequential(t.BatchNorm2d(32), t.ReLU()), (64, 32, 16, 16)),
    "linear, gelu": partial(layer, lambda t: t.Sequential(t.Linear(256, 256), t.GELU("tanh")), (128, 256)),
    "cross-entropy 128x10": partial(cross_entropy, 128, 10),
    "cross-entropy 128x1000": partial(cross_entropy, 128, 1000),
    "adam step, resnet20": partial(adam, "resnet20"),
    "scalar chain, 1000": partial(scalar_chain, 1000),
}
ALL = NETWORKS | BLOCKS
