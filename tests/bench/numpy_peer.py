"""Plain NumPy, as in the book behind DeZero (K. Saito 2020): a tape of closures, convolution by im2col and a product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from nets import NETS, batch, own
from numpy.lib.stride_tricks import sliding_window_view
from timing import Steps
from translated import forward

NUMPY = "NumPy im2col"
VERSION = ""  # NumPy's is told anyhow


def set_threads(n: int) -> None:
    """BLAS has as many as minigrad gives it."""


class Variable:
    """An array, its gradient, and how that gradient goes on to the inputs."""

    def __init__(self, data: Any, inputs: Sequence[Variable] = (), back: Callable[[Any], tuple] | None = None) -> None:
        self.data, self.inputs, self.back, self.grad = data, inputs, back, None

    def __add__(self, other: Variable) -> Variable:
        return Variable(self.data + other.data, (self, other), lambda g: (g, g))

    def __mul__(self, factor: float) -> Variable:
        return Variable(self.data * factor, (self,), lambda g: (g * factor,))

    def backward(self, g: Any = None) -> None:
        """Add gradients to all that this one was computed from."""
        self.grad = np.ones_like(self.data) if g is None else g
        for v in reversed(_sorted(self)):
            if v.back is not None:
                for x, gx in zip(v.inputs, v.back(v.grad)):
                    x.grad = gx if x.grad is None else x.grad + gx
                v.grad = None


def _sorted(last: Variable) -> list[Variable]:
    """What it was computed from, each before what uses it."""
    order, seen, stack = [], set(), [(last, False)]
    while stack:
        v, done = stack.pop()
        if done:
            order.append(v)
        elif id(v) not in seen:
            seen.add(id(v))
            stack += [(v, True), *((x, False) for x in v.inputs)]
    return order


class Ops:
    def linear(self, x: Any, w: Any, b: Any) -> Variable:
        return Variable(x.data @ w.data.T + b.data, (x, w, b), lambda g: (g @ w.data, g.T @ x.data, g.sum(0)))

    def conv2d(self, x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Variable:
        (sh, sw), (ph, pw), (n, c, h, width), (o, _, kh, kw) = stride, padding, x.data.shape, w.data.shape
        if groups > 1 or dilation != (1, 1):
            raise NotImplementedError
        padded = np.pad(x.data, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
        cols = sliding_window_view(padded, (kh, kw), (2, 3))[:, :, ::sh, ::sw].transpose(0, 2, 3, 1, 4, 5)
        oh, ow = cols.shape[1:3]
        cols = cols.reshape(n * oh * ow, -1)
        rows = w.data.reshape(o, -1)

        def back(g: Any) -> tuple:
            g = g.transpose(0, 2, 3, 1).reshape(-1, o)
            gcols = (g @ rows).reshape(n, oh, ow, c, kh, kw)
            gx = np.zeros_like(padded)
            for i in range(kh):
                for j in range(kw):
                    gx[:, :, i : i + sh * oh : sh, j : j + sw * ow : sw] += gcols[..., i, j].transpose(0, 3, 1, 2)
            return gx[:, :, ph : ph + h, pw : pw + width], (g.T @ cols).reshape(w.data.shape)

        return Variable((cols @ rows.T).reshape(n, oh, ow, o).transpose(0, 3, 1, 2), (x, w), back)

    def add_channels(self, y: Any, b: Any) -> Variable:
        return Variable(y.data + b.data[:, None, None], (y, b), lambda g: (g, g.sum((0, 2, 3))))

    def batch_norm(self, x: Any, gamma: Any, beta: Any, m: Any) -> Variable:
        axes, by_channel = (0, 2, 3), (1, -1, 1, 1)
        centred = x.data - x.data.mean(axes, keepdims=True)
        istd = 1 / np.sqrt(np.square(centred).mean(axes, keepdims=True) + m.eps)
        unit, scale = centred * istd, gamma.data.reshape(by_channel)

        def back(g: Any) -> tuple:
            sums, products = g.sum(axes, keepdims=True), (g * unit).sum(axes, keepdims=True)
            count = x.data.size // x.data.shape[1]
            return scale * istd * (g - (sums + unit * products) / count), products.ravel(), sums.ravel()

        return Variable(scale * unit + beta.data.reshape(by_channel), (x, gamma, beta), back)

    def max_pool2d(self, x: Any, k: int) -> Variable:
        n, c, h, w = x.data.shape
        oh, ow = h // k, w // k
        windows = x.data[:, :, : oh * k, : ow * k].reshape(n, c, oh, k, ow, k).transpose(0, 1, 2, 4, 3, 5)
        windows = windows.reshape(n, c, oh, ow, k * k)
        winner = windows.argmax(-1)[..., None]

        def back(g: Any) -> tuple:
            gw = np.zeros_like(windows)
            np.put_along_axis(gw, winner, g[..., None], -1)
            gx = np.zeros_like(x.data)
            gx[:, :, : oh * k, : ow * k] = gw.reshape(n, c, oh, ow, k, k).swapaxes(3, 4).reshape(n, c, oh * k, ow * k)
            return (gx,)

        return Variable(np.take_along_axis(windows, winner, -1)[..., 0], (x,), back)

    def relu(self, x: Any) -> Variable:
        return Variable(np.maximum(x.data, 0), (x,), lambda g: (g * (x.data > 0),))

    def tanh(self, x: Any) -> Variable:
        y = np.tanh(x.data)
        return Variable(y, (x,), lambda g: (g * (1 - y * y),))

    def flatten(self, x: Any) -> Variable:
        return Variable(x.data.reshape(len(x.data), -1), (x,), lambda g: (g.reshape(x.data.shape),))


def _cross_entropy(logits: Variable, labels: np.ndarray) -> Variable:
    rows = np.arange(len(labels))
    shifted = logits.data - logits.data.max(1, keepdims=True)
    p = np.exp(shifted)
    total = p.sum(1, keepdims=True)
    p /= total

    def back(g: Any) -> tuple:
        gx = p.copy()
        gx[rows, labels] -= 1
        return (gx * (g / np.float32(len(labels))),)

    return Variable((np.log(total[:, 0]) - shifted[rows, labels]).mean(), (logits,), back)


def training(name: str) -> Steps:
    """Forward, backward and the optimizer's step; running statistics are not kept."""
    make, shape, rule, options = NETS[name]
    model, (x, labels) = own(make), batch(shape)
    if name == "resnet20":
        return {}  # would take seconds a step
    weights = [Variable(p.data.copy()) for p in model.parameters()]
    update = {"SGD": _SGD, "Adam": _Adam}[rule](weights, **options)

    def step() -> Any:
        for w in weights:
            w.grad = None
        loss = _cross_entropy(forward(Ops(), model, weights, Variable(x)), labels)
        loss.backward()
        update.step()
        return loss.data

    return {NUMPY: step}


class _SGD:
    def __init__(self, weights: list, lr: float, momentum: float = 0.0) -> None:
        self.weights, self.lr, self.momentum = weights, lr, momentum
        self.v = [np.zeros_like(w.data) for w in weights]

    def step(self) -> None:
        for w, v in zip(self.weights, self.v):
            v *= self.momentum
            v += w.grad
            w.data -= self.lr * v


class _Adam:
    def __init__(self, weights: list, lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8):
        self.weights, self.lr, self.beta1, self.beta2, self.eps, self.t = weights, lr, beta1, beta2, eps, 0
        self.m, self.s = ([np.zeros_like(w.data) for w in weights] for _ in range(2))

    def step(self) -> None:
        self.t += 1
        lr, root = self.lr / (1 - self.beta1**self.t), (1 - self.beta2**self.t) ** 0.5
        for w, m, s in zip(self.weights, self.m, self.s):
            m += (1 - self.beta1) * (w.grad - m)
            s += (1 - self.beta2) * (w.grad * w.grad - s)
            w.data -= lr * m / (np.sqrt(s) / root + self.eps)


def cross_entropy(n: int, classes: int) -> Steps:
    a, labels = batch((n, classes), classes)

    def step() -> Any:
        logits = Variable(a)
        _cross_entropy(logits, labels).backward()
        return [logits.grad]

    return {NUMPY: step}


def adam(name: str) -> Steps:
    weights = [Variable(p.data.copy()) for p in own(NETS[name][0]).parameters()]
    for w in weights:
        w.grad = np.ones_like(w.data)
    update = _Adam(weights)

    def step() -> Any:
        update.step()
        return [w.data for w in weights]

    return {NUMPY: step}


def scalar_chain(length: int) -> Steps:
    def step() -> Any:
        x = y = Variable(np.float32(1))
        for _ in range(length):
            y = y * 1.0000001
        y.backward()
        return [x.grad]

    return {NUMPY: step}
