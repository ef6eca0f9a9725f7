"""JAX's side of the benchmark: whole steps compiled by XLA, images channels last, weights given back to be overwritten."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
from jax import lax
from nets import NETS, batch, directions, own
from timing import GRADIENT, Steps
from translated import forward

from minigrad import nn

JAX = "jax jit"
LAYOUT = ("NHWC", "HWIO", "NHWC")
VERSION = f"JAX {jax.__version__}"
jax.config.update("jax_platforms", "cpu")


def set_threads(n: int) -> None:
    """XLA makes its threads with its client, as many as NPROC says: so it gets a new one."""
    os.environ["NPROC"] = str(n)
    jax.clear_caches()
    jax.extend.backend.clear_backends()


class Ops:
    """The functions of a forward pass. With `seen`, batch norms note their new running statistics there."""

    relu, tanh = staticmethod(jax.nn.relu), staticmethod(jnp.tanh)
    gelu = staticmethod(partial(jax.nn.gelu, approximate=True))

    def __init__(self, seen: list | None = None) -> None:
        self.seen = seen

    def linear(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w.T + b

    def conv2d(self, x: Any, w: Any, *, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
        return lax.conv_general_dilated(
            x, w, stride, [(p, p) for p in padding], rhs_dilation=dilation, dimension_numbers=LAYOUT,
            feature_group_count=groups,
        )  # fmt: skip

    def add_channels(self, y: Any, b: Any) -> Any:
        return y + b

    def batch_norm(self, x: Any, gamma: Any, beta: Any, m: Any) -> Any:
        if m.training:
            mean, var, n = x.mean((0, 1, 2)), x.var((0, 1, 2)), x.size // x.shape[-1]
            if self.seen is not None:
                self.seen += [mean, var * n / (n - 1)]
        else:
            mean, var = m.running_mean.data, m.running_var.data
        return (x - mean) * (gamma * lax.rsqrt(var + m.eps)) + beta

    def max_pool2d(self, x: Any, k: int) -> Any:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, k, k, 1), (1, k, k, 1), "VALID")

    def avg_pool2d(self, x: Any, k: int) -> Any:
        return lax.reduce_window(x, 0.0, lax.add, (1, k, k, 1), (1, k, k, 1), "VALID") / k**2

    def subsample(self, x: Any, channels: int, stride: int) -> Any:
        return jnp.pad(x[:, ::stride, ::stride], [(0, 0)] * 3 + [(0, channels - x.shape[-1])])

    def global_mean(self, x: Any) -> Any:
        return x.mean((1, 2))

    def flatten(self, x: Any) -> Any:
        return x.transpose(0, 3, 1, 2).reshape(len(x), -1)  # the order that the weights of the next layer expect


def training(name: str) -> Steps:
    """A training step as one function: loss, gradients, optimizer, running statistics; all state is donated."""
    make, shape, rule, options = NETS[name]
    model, (x, labels) = own(make), _batch(shape)
    weights = _weights(model)
    running = [_array(b.data) for b in model.buffers() if b.ndim]
    state = [[jnp.zeros_like(w) for w in weights] for _ in range(2 if rule == "Adam" else 1)]
    update = {"SGD": _sgd, "Adam": _adam}[rule]

    def loss(weights: Any, x: Any, labels: Any) -> Any:
        seen: list = []
        return _cross_entropy(forward(Ops(seen), model, weights, x), labels), seen

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def compiled(weights: Any, state: Any, running: Any, t: Any, x: Any, labels: Any) -> Any:
        (value, seen), gradients = jax.value_and_grad(loss, has_aux=True)(weights, x, labels)
        weights, state = update(weights, gradients, state, t, **options)
        return value, weights, state, [0.9 * a + 0.1 * b for a, b in zip(running, seen)]

    t = 0

    def step() -> Any:
        nonlocal weights, state, running, t
        t += 1
        value, weights, state, running = compiled(weights, state, running, t, x, labels)
        jax.block_until_ready(weights)
        return value

    return {JAX: step}


def _sgd(weights: Any, gradients: Any, state: Any, t: Any, lr: float, momentum: float = 0, weight_decay: float = 0):
    gradients = [g + weight_decay * w for g, w in zip(gradients, weights)]
    v = [momentum * v + g for v, g in zip(state[0], gradients)]
    return [w - lr * d for w, d in zip(weights, v)], [v]


def _adam(weights: Any, gradients: Any, state: Any, t: Any, lr: float = 1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    m = [beta1 * m + (1 - beta1) * g for m, g in zip(state[0], gradients)]
    s = [beta2 * s + (1 - beta2) * g * g for s, g in zip(state[1], gradients)]
    scale, root = lr / (1 - beta1**t), jnp.sqrt(1 - beta2**t)
    return [w - scale * m / (jnp.sqrt(s) / root + eps) for w, m, s in zip(weights, m, s)], [m, s]


def inference(name: str, n: int) -> Steps:
    make, shape, *_ = NETS[name]
    model, (x, _) = own(make).eval(), _batch((n, *shape[1:]))
    weights, compiled = _weights(model), jax.jit(lambda weights, x: forward(Ops(), model, weights, x))
    return {JAX: lambda: compiled(weights, x).block_until_ready()}


def products(name: str, repeated: bool) -> Steps:
    """Forward over reverse; if `repeated`, of a gradient that was linearized before."""
    make, shape, *_ = NETS[name]
    model, (x, labels) = own(make), _batch(shape)
    weights, vs = _weights(model), [_weight(v) for v in directions(model)]

    def gradient(weights: Any) -> Any:
        return jax.grad(lambda weights: _cross_entropy(forward(Ops(), model, weights, x), labels))(weights)

    if repeated:
        product = jax.linearize(jax.jit(gradient), weights)[1]  # holds what was computed: an argument, not a constant
        compiled = partial(jax.jit(lambda product, vs: product(vs)), product)
    else:
        both = jax.jit(lambda weights, vs: jax.jvp(gradient, (weights,), (vs,))[1])
        compiled = partial(both, weights)
    first = jax.jit(gradient)
    ready = jax.block_until_ready
    return {JAX: lambda: ready(compiled(vs)), JAX + GRADIENT: lambda: ready(first(weights))}


def layer(build: Callable[[Any], Any], shape: tuple[int, ...]) -> Steps:
    module = own(build)
    weights, x = _weights(module), _batch(shape)[0]
    g = _array(batch(module(batch(shape)[0]).shape)[0])

    @jax.jit
    def compiled(weights: Any, x: Any, g: Any) -> Any:
        y, pull = jax.vjp(lambda weights, x: forward(Ops(), module, weights, x), weights, x)
        return y, pull(g)

    def step() -> Any:
        _, (gw, gx) = jax.block_until_ready(compiled(weights, x, g))
        return [gx, *gw]

    return {JAX: step}


def cross_entropy(n: int, classes: int) -> Steps:
    logits, labels = _batch((n, classes), classes)
    compiled = jax.jit(jax.value_and_grad(_cross_entropy))
    return {JAX: lambda: jax.block_until_ready(compiled(logits, labels))[1:]}


def adam(name: str) -> Steps:
    weights = _weights(own(NETS[name][0]))
    gradients = [jnp.ones_like(w) for w in weights]
    state = [[jnp.zeros_like(w) for w in weights] for _ in range(2)]
    compiled = jax.jit(_adam, donate_argnums=(0, 2))
    t = 0

    def step() -> Any:
        nonlocal weights, state, t
        t += 1
        weights, state = jax.block_until_ready(compiled(weights, gradients, state, t))
        return weights

    return {JAX: step}


def _cross_entropy(logits: Any, labels: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


def _weights(module: nn.Module) -> list:
    return [_weight(p.data) for p in module.parameters()]


def _weight(a: np.ndarray) -> Any:  # (O,C,kh,kw) -> (kh,kw,C,O)
    return jnp.asarray(a.transpose(2, 3, 1, 0) if a.ndim == 4 else a)


def _array(a: np.ndarray) -> Any:  # (N,C,H,W) -> (N,H,W,C)
    return jnp.asarray(np.moveaxis(a, 1, -1) if a.ndim == 4 else a)


def _batch(shape: tuple[int, ...], classes: int = 2) -> tuple[Any, Any]:
    x, labels = batch(shape, classes)
    return _array(x), jnp.asarray(labels, np.int32)
