"""MyGrad's side of the benchmark: eager, on NumPy, first order. Running statistics are not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mygrad
import numpy as np
from mygrad import nnet
from nets import NETS, batch, own
from numpy_peer import _SGD, _Adam
from timing import Steps
from translated import forward

MYGRAD = "MyGrad"
VERSION = f"MyGrad {mygrad.__version__}"


def set_threads(n: int) -> None:
    """BLAS has as many as minigrad gives it."""


class Ops:
    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return mygrad.matmul(x, w.T) + b

    def conv2d(self, x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
        if groups > 1:
            raise NotImplementedError
        return nnet.layers.conv_nd(x, w, stride=stride, padding=padding, dilation=dilation)

    def add_channels(self, y: Any, b: Any) -> Any:
        return y + b.reshape(1, -1, 1, 1)

    def batch_norm(self, x: Any, gamma: Any, beta: Any, m: Any) -> Any:
        return nnet.layers.batchnorm(x, gamma=gamma, beta=beta, eps=m.eps)

    def max_pool2d(self, x: Any, k: int) -> Any:
        return nnet.layers.max_pool(x, (k, k), k)

    def relu(self, x: Any) -> Any:
        return nnet.activations.relu(x)

    def tanh(self, x: Any) -> Any:
        return mygrad.tanh(x)

    def gelu(self, x: Any) -> Any:
        return 0.5 * x * (1 + mygrad.tanh(0.7978845608 * (x + 0.044715 * x**3)))

    def flatten(self, x: Any) -> Any:
        return x.reshape(len(x), -1)


def training(name: str) -> Steps:
    make, shape, rule, options = NETS[name]
    if name == "resnet20":
        return {}  # would take seconds a step
    model, (x, labels) = own(make), batch(shape)
    weights = _weights(model)
    update = {"SGD": _SGD, "Adam": _Adam}[rule](weights, **options)

    def step() -> Any:
        loss = nnet.losses.softmax_crossentropy(forward(Ops(), model, weights, mygrad.tensor(x, constant=True)), labels)
        loss.backward()
        update.step()
        return loss.item()

    return {MYGRAD: step}


def layer(build: Callable[[Any], Any], shape: tuple[int, ...]) -> Steps:
    module, x = own(build), mygrad.tensor(batch(shape)[0])
    weights, g = _weights(module), batch(module(batch(shape)[0]).shape)[0]

    def step() -> Any:
        forward(Ops(), module, weights, x).backward(g)
        return [x.grad, *(w.grad for w in weights)]

    try:
        step()
    except (NotImplementedError, AttributeError, ValueError):  # groups, average pooling, windows that leave a rest
        return {}
    return {MYGRAD: step}


def cross_entropy(n: int, classes: int) -> Steps:
    a, labels = batch((n, classes), classes)
    logits = mygrad.tensor(a)

    def step() -> Any:
        nnet.losses.softmax_crossentropy(logits, labels).backward()
        return [logits.grad]

    return {MYGRAD: step}


def scalar_chain(length: int) -> Steps:
    x = mygrad.tensor(np.float32(1))

    def step() -> Any:
        y = x
        for _ in range(length):
            y = y * 1.0000001
        y.backward()
        return [x.grad]

    return {MYGRAD: step}


def _weights(module: Any) -> list:
    return [mygrad.tensor(p.data.copy()) for p in module.parameters()]
