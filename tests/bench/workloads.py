"""The rows of the benchmark: for each, one step as a function, for minigrad and for every peer installed.

A step returns what it computed, so that `tests/peers/test_bench.py` can compare. minigrad has two modes: as it is, and
through `mg.compile`; where that refuses, the row has only the first.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from nets import NETS, batch, directions, own
from timing import COMPILED, GRADIENT, OWN, Steps

import minigrad as mg
from minigrad import optim
from minigrad.tape import as_array, effect


def _installed(*names: str) -> list[Any]:
    """Those peers whose framework is there."""
    found = []
    for name in names:
        try:
            found.append(importlib.import_module(name))
        except ModuleNotFoundError as error:
            print(f"  ({name} left out: no {error.name})", file=sys.stderr)
    return found


PEERS = _installed("torch_peer", "jax_peer", "mygrad_peer", "autograd_peer", "numpy_peer")


def versions() -> str:
    """The versions of what is compared."""
    import numba

    told = [f"NumPy {np.__version__}", f"Numba {numba.__version__}", *(peer.VERSION for peer in PEERS)]
    return ", ".join(filter(None, told))


def set_threads(n: int) -> None:
    """Give every contender n threads."""
    mg.set_num_threads(n)
    for peer in PEERS:
        peer.set_threads(n)


def _peers(workload: str, *args: Any, of: list[Any] = PEERS) -> Steps:
    """The steps of every peer that knows this workload."""
    steps: Steps = {}
    for peer in of:
        if hasattr(peer, workload):
            steps |= getattr(peer, workload)(*args)
    return steps


def _modes(make: Callable[[], tuple]) -> Steps:
    """Both modes of a function and its arguments, each on a state of its own."""
    steps: Steps = {OWN: partial(_valued, *make())}
    if hasattr(mg, "compile"):
        trial, compiled = (partial(mg.compile(function), *args) for function, *args in (make(), make()))
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                trial()
                steps[COMPILED] = compiled
            except RuntimeWarning as why:
                print(f"  (minigrad compile left out: {why})", file=sys.stderr)
    return steps


def _valued(step: Callable[..., Any], *args: Any) -> Any:
    """The step's results, computed: in eager mode some are put off until somebody asks."""
    results = step(*args)
    for result in results if isinstance(results, (list, tuple)) else [results]:
        as_array(result)
    return results


def own_training(name: str, n: int | None = None) -> tuple:
    """minigrad's training step and its arguments, n samples."""
    make, shape, rule, options = NETS[name]
    model = own(make)
    opt = getattr(optim, rule)(model.parameters(), **options)

    def step(x: np.ndarray, labels: np.ndarray) -> mg.Tensor:
        opt.zero_grad()
        loss = mg.cross_entropy(model(x), labels)
        loss.backward()
        opt.step()
        return loss

    return step, *batch(shape if n is None else (n, *shape[1:]))


def training(name: str) -> Steps:
    """Forward, backward and the optimizer's step."""
    return _modes(partial(own_training, name)) | _peers("training", name)


def own_inference(name: str, n: int) -> tuple:
    make, shape, *_ = NETS[name]
    model = own(make).eval()

    def step(x: np.ndarray) -> mg.Tensor:
        with mg.no_grad():
            return model(x)

    return step, batch((n, *shape[1:]))[0]


def inference(name: str, n: int) -> Steps:
    """The logits of n inputs, in eval mode, nothing recorded."""
    return _modes(partial(own_inference, name, n)) | _peers("inference", name, n)


def products(name: str, repeated: bool) -> Steps:
    """A Hessian-vector product over all parameters: with its gradient, or `repeated` on one recorded gradient."""
    make, shape, *_ = NETS[name]

    def setting() -> tuple:
        model = own(make)
        return list(model.parameters()), lambda x, labels: mg.cross_entropy(model(x), labels), directions(model)

    def gradient() -> tuple:
        params, loss, _ = setting()
        return lambda x, labels: mg.grad(lambda: loss(x, labels), params=params)(), *batch(shape)

    def product() -> tuple:
        params, loss, vs = setting()
        if repeated:
            return mg.linearize_grad(partial(loss, *batch(shape)), params)[2], *vs
        return lambda x, labels, *vs: mg.hvp(lambda: loss(x, labels), params, vs), *batch(shape), *vs

    gradients = {name + GRADIENT: step for name, step in _modes(gradient).items()}
    return _modes(product) | gradients | _peers("products", name, repeated)


def layer(build: Callable[[Any], Any], shape: tuple[int, ...]) -> Steps:
    """Forward and backward through one layer, gradients in its input and its parameters.

    Images come and go in the memory layout that the layers before and after would use.
    """
    return _modes(partial(_own_layer, build, shape)) | _translated(_peers("layer", build, shape))


def _translated(steps: Steps) -> Steps:
    """The steps of those peers into which the layer is translated."""
    found: Steps = {}
    for name, step in steps.items():
        with contextlib.suppress(NotImplementedError):
            step()
            found[name] = step
    return found


def _own_layer(build: Callable[[Any], Any], shape: tuple[int, ...]) -> tuple:
    module, x = own(build), mg.tensor(_as_inside(batch(shape)[0]), requires_grad=True)
    wanted = [x, *module.parameters()]

    def step(g: np.ndarray) -> list[mg.Tensor]:
        y = module(x)
        effect(_look_at, as_array(y))  # the gradients do not need its value: whoever trains does
        return mg.pull(y, wanted, g)

    return step, _as_inside(batch(module(x).shape)[0])


def layer_beside_torch(build: Callable[[Any], Any], shape: tuple[int, ...]) -> Steps:
    """`layer`, with PyTorch as the only peer."""
    beside = [peer for peer in PEERS if peer.__name__ == "torch_peer"]
    return _modes(partial(_own_layer, build, shape)) | _peers("layer", build, shape, of=beside)


def without_compilers() -> None:
    """Leave torch.compile out: it takes minutes."""
    for peer in PEERS:
        if peer.__name__ == "torch_peer":
            peer.COMPILE_SECONDS = 0


def _look_at(y: np.ndarray) -> None:
    """What keeps a value from being left out."""


def _as_inside(x: np.ndarray) -> np.ndarray:
    """The same array; images channels last in memory, as minigrad's layers leave them."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if x.ndim == 4 else x


def cross_entropy(n: int, classes: int) -> Steps:
    """Softmax cross-entropy and its gradient."""

    def make() -> tuple:
        a, labels = batch((n, classes), classes)
        logits = mg.tensor(a, requires_grad=True)

        def step(labels: np.ndarray) -> list[mg.Tensor]:
            return mg.pull(mg.cross_entropy(logits, labels), [logits])

        return step, labels

    return _modes(make) | _peers("cross_entropy", n, classes)


def attention(shape: tuple[int, ...], causal: bool) -> Steps:
    """Scaled dot-product attention and its gradients."""

    def make() -> tuple:
        qkv = [mg.tensor(batch(shape)[0], requires_grad=True) for _ in range(3)]

        def step(g: np.ndarray) -> list[mg.Tensor]:
            return mg.pull(mg.scaled_dot_product_attention(*qkv, is_causal=causal), qkv, g)

        return step, batch(shape)[0]

    return _modes(make) | _peers("attention", shape, causal)


def embedding(n: int, shape: tuple[int, int]) -> Steps:
    """n rows looked up, and the gradient of the table."""

    def make() -> tuple:
        weight = mg.tensor(batch(shape)[0], requires_grad=True)

        def step(ids: np.ndarray, g: np.ndarray) -> list[mg.Tensor]:
            return mg.pull(mg.embedding(ids, weight), [weight], g)

        return step, batch((n, 1), shape[0])[1], batch((n, shape[1]))[0]

    return _modes(make) | _peers("embedding", n, shape)


def adam(name: str) -> Steps:
    """One step of Adam over the parameters of a network."""

    def make() -> tuple:
        params = list(own(NETS[name][0]).parameters())
        for p in params:
            p.grad = np.ones_like(p.data)
        opt = optim.Adam(params)

        def step() -> list[mg.Tensor]:
            opt.step()
            return params

        return (step,)

    return _modes(make) | _peers("adam", name)


def scalar_chain(length: int) -> Steps:
    """Multiplications of a scalar one after the other, and back: the overhead of recorded operations."""

    x = mg.tensor(np.float32(1), requires_grad=True)

    def step() -> list[mg.Tensor]:
        y = x
        for _ in range(length):
            y = y * 1.0000001
        return mg.pull(y, [x])  # compiled, this would be a constant

    return {OWN: step} | _peers("scalar_chain", length)


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
    "transposed conv 4x4 stride 2, 64-32": partial(
        layer, lambda t: t.ConvTranspose2d(64, 32, 4, 2, 1), (16, 64, 16, 16)
    ),
    "transposed conv 2x2 stride 2, 64-32": partial(layer, lambda t: t.ConvTranspose2d(64, 32, 2, 2), (16, 64, 16, 16)),
    "bilinear upsampling by 2": partial(layer, lambda t: t.Upsample(scale_factor=2, mode="bilinear"), (16, 64, 16, 16)),
    "max-pool 2x2": partial(layer, lambda t: t.MaxPool2d(2), (64, 32, 28, 28)),
    "avg-pool 2x2": partial(layer, lambda t: t.AvgPool2d(2), (64, 32, 28, 28)),
    "batch norm": partial(layer, lambda t: t.BatchNorm2d(32), (64, 32, 16, 16)),
    "batch norm, relu": partial(layer, lambda t: t.Sequential(t.BatchNorm2d(32), t.ReLU()), (64, 32, 16, 16)),
    "group norm": partial(layer, lambda t: t.GroupNorm(8, 64), (32, 64, 16, 16)),
    "layer norm": partial(layer, lambda t: t.LayerNorm(256), (2048, 256)),
    "RMS norm": partial(layer, lambda t: t.RMSNorm(256), (2048, 256)),
    "attention 8x4x128x32": partial(attention, (8, 4, 128, 32), False),
    "attention 8x4x128x32, causal": partial(attention, (8, 4, 128, 32), True),
    "embedding 4096 of 5000x128": partial(embedding, 4096, (5000, 128)),
    "linear, gelu": partial(layer, lambda t: t.Sequential(t.Linear(256, 256), t.GELU("tanh")), (128, 256)),
    "cross-entropy 128x10": partial(cross_entropy, 128, 10),
    "cross-entropy 128x1000": partial(cross_entropy, 128, 1000),
    "adam step, resnet20": partial(adam, "resnet20"),
    "scalar chain, 1000": partial(scalar_chain, 1000),
}
ALL = NETWORKS | BLOCKS
