"""The side of autograd (HIPS): NumPy, any order. Its convolution is SciPy-like and far too slow; it does dense networks."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
from nets import NETS, batch, directions, own
from numpy_peer import _SGD, _Adam
from timing import GRADIENT, Steps
from translated import forward

AUTOGRAD = "autograd"
VERSION = f"autograd {version('autograd')}"


def set_threads(n: int) -> None:
    """BLAS has as many as minigrad gives it."""


class Ops:
    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return anp.dot(x, w.T) + b

    def relu(self, x: Any) -> Any:
        return anp.maximum(x, 0)

    def tanh(self, x: Any) -> Any:
        return anp.tanh(x)

    def gelu(self, x: Any) -> Any:
        return 0.5 * x * (1 + anp.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def _loss(model: Any, x: np.ndarray, labels: np.ndarray) -> Callable[[list], Any]:
    return lambda weights: _cross_entropy(forward(Ops(), model, weights, x), labels)


def _cross_entropy(logits: Any, labels: np.ndarray) -> Any:
    shifted = logits - anp.max(logits, axis=1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels]
    return anp.mean(anp.log(anp.sum(anp.exp(shifted), axis=1)) - chosen)


class _Weight:
    """An array and its gradient, as the optimizers want them."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.grad = data.copy(), np.zeros_like(data)


def training(name: str) -> Steps:
    make, shape, rule, options = NETS[name]
    if len(shape) == 4:
        return {}
    model, (x, labels) = own(make), batch(shape)
    weights = [_Weight(p.data) for p in model.parameters()]
    update = {"SGD": _SGD, "Adam": _Adam}[rule](weights, **options)
    gradient = autograd.value_and_grad(_loss(model, x, labels))

    def step() -> Any:
        value, gradients = gradient([w.data for w in weights])
        for w, g in zip(weights, gradients):
            w.grad = g
        update.step()
        return value

    return {AUTOGRAD: step}


def products(name: str, repeated: bool) -> Steps:
    """Forward over reverse, which is autograd's faster way; a recorded gradient cannot be used again."""
    make, shape, *_ = NETS[name]
    if len(shape) == 4 or repeated:
        return {}
    model, (x, labels) = own(make), batch(shape)
    weights, vs = [p.data for p in model.parameters()], directions(model)
    gradient = autograd.grad(_loss(model, x, labels))
    product = autograd.differential_operators.make_jvp(gradient)(weights)
    return {AUTOGRAD: lambda: product(vs)[1], AUTOGRAD + GRADIENT: lambda: gradient(weights)}


def layer(build: Callable[[Any], Any], shape: tuple[int, ...]) -> Steps:
    if len(shape) == 4:
        return {}
    module, (x, _) = own(build), batch(shape)
    weights, g = [p.data for p in module.parameters()], batch(module(x).shape)[0]

    def step() -> Any:
        back, _ = autograd.make_vjp(lambda inputs: forward(Ops(), module, inputs[1:], inputs[0]))([x, *weights])
        return back(g)

    return {AUTOGRAD: step}


def cross_entropy(n: int, classes: int) -> Steps:
    logits, labels = batch((n, classes), classes)
    gradient = autograd.grad(lambda logits: _cross_entropy(logits, labels))
    return {AUTOGRAD: lambda: [gradient(logits)]}


def scalar_chain(length: int) -> Steps:
    def chain(x: Any) -> Any:
        for _ in range(length):
            x = x * 1.0000001
        return x

    gradient = autograd.grad(chain)
    return {AUTOGRAD: lambda: [gradient(np.float32(1))]}
