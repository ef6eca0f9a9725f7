"""Layers that drop at random: units, channels, weights; and `averaged`, the mean over what they draw.

Training adds randomness, testing averages it out. A layer that draws keeps its generator as `rng`: a seed or generator
of its own, or None for the default one (`mg.seed`). `p` is always the probability of dropping. Blocks are dropped in
residual.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..errors import check_function
from ..ops import conv, elementwise, linalg, noise, shape
from ..ranges import FRACTION, SWITCH, check, choice, whole
from ..tape import Array, Tensor, draw, no_grad, total, wrap
from ..typing import ArrayLike, Rng
from .convolution import Conv2d
from .layers import Linear, own_generator
from .modes import draws, modes_restored
from .module import MODULE, Module

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)  # E f(z) ≈ Σ w f(node), z standard normal


class Dropout(Module):
    """Entries zeroed with probability p in training (Srivastava et al. 2014).

    With scaling 'inverted' the others are divided by 1 − p, and at test time x itself passes. With 'test', as in the
    paper, the others stay as they are, and at test time x is multiplied by 1 − p. `inplace` has no effect.

    >>> Dropout(0.2, scaling="test").eval()(np.ones(2)).data
    array([0.8, 0.8])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, *, scaling: str = "inverted", rng: Rng = None) -> None:
        name = type(self).__name__
        check(name, FRACTION, p=p)
        check(name, SWITCH, inplace=inplace)
        check(name, noise.SCALING, scaling=scaling)
        self.p, self.scaling, self.rng = p, scaling, own_generator(rng)

    def forward(self, x: ArrayLike) -> Tensor:
        return noise.dropout(x, self.p, training=self.training, scaling=self.scaling, rng=self.rng)


class Dropout2d(Dropout):
    """Whole channels of images (N, C, H, W) zeroed, those of each image by themselves; otherwise as `Dropout`.

    Tompson et al. 2015 call it spatial dropout.
    """

    def forward(self, x: ArrayLike) -> Tensor:
        return noise.dropout2d(x, self.p, training=self.training, scaling=self.scaling, rng=self.rng)


class Dropout1d(Dropout):
    """Whole channels of signals (N, C, L) or (C, L) zeroed; otherwise as `Dropout`."""

    def forward(self, x: ArrayLike) -> Tensor:
        return _channels(self, x, 1)


class Dropout3d(Dropout):
    """Whole channels of volumes (N, C, D, H, W) or (C, D, H, W) zeroed; otherwise as `Dropout`."""

    def forward(self, x: ArrayLike) -> Tensor:
        return _channels(self, x, 3)


def _channels(layer: Dropout, x: ArrayLike, d: int) -> Tensor:
    x, name = shape.as_tensor(x), type(layer).__name__
    if x.ndim not in (d + 1, d + 2):
        raise ValueError(
            f"{name}: x has shape {x.shape}; it must have channels, {d} axes behind them, and a batch or not"
        )
    size = (*x.shape[:-d], *[1] * d)
    return noise.drop(name, x, size, layer.p, layer.scaling, layer.training, layer.rng)


class AlphaDropout(Module):
    """Dropout for SELU (Klambauer et al. 2017): entries are set to SELU's lower limit α', with probability p in training.

    Then all are scaled and shifted so that mean 0 and variance 1 stay. At test time x itself passes.
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, *, rng: Rng = None) -> None:
        check(type(self).__name__, FRACTION, p=p)
        check(type(self).__name__, SWITCH, inplace=inplace)
        self.p, self.rng = p, own_generator(rng)

    def _size(self, x: Tensor) -> tuple[int, ...]:
        return x.shape

    def forward(self, x: ArrayLike) -> Tensor:
        x = shape.as_tensor(x)
        if x.dtype.kind not in "fc":
            raise TypeError(f"{type(self).__name__}: x is {x.dtype} {x.shape}; it must be floats")
        if not self.training or self.p == 0:
            return x
        low = -1.7580993408473766  # −λα of SELU
        scale = ((1 - self.p) * (1 + self.p * low * low)) ** -0.5
        mask = wrap(draw(noise.mask, self.rng, self._size(x), x.dtype, self.p, 1.0))
        return x * (mask * scale) + (mask * -low + (low - low * self.p)) * scale


class FeatureAlphaDropout(AlphaDropout):
    """`AlphaDropout` of whole channels of x (N, C, …)."""

    def _size(self, x: Tensor) -> tuple[int, ...]:
        if x.ndim < 2:
            raise ValueError(f"{type(self).__name__}: x has shape {x.shape}; it must be (N, C, …)")
        return (*x.shape[:2], *[1] * (x.ndim - 2))


class DropConnect(Module):
    """A Linear or Conv2d layer whose weights and biases are zeroed with probability p in training (Wan et al. 2013).

    `mode` 'batch' draws one mask for all samples, 'row' one for each, as in the paper; that takes memory for the weights
    times the batch. `scaling` is that of `Dropout`, for weights. What comes out is given to `activation`, if there is
    one.

    At test time the weights are their means, which is the mean of the layer's output only if nothing bends it. With
    inference 'gaussian' the output before the activation is taken for Gaussian, with the mean and variance that it has
    over masks (see `moments`), and the activation, which must act entry by entry, is averaged over that: the moment
    matching of the paper, by Gauss-Hermite quadrature where the paper draws samples.

    >>> layer = DropConnect(Linear(3, 2, rng=0), 0.5, activation=elementwise.relu, inference="gaussian", rng=1)
    >>> layer(np.ones((4, 3), np.float32)).shape, layer.eval()(np.ones((4, 3), np.float32)).shape
    ((4, 2), (4, 2))
    """

    def __init__(
        self,
        layer: Linear | Conv2d,
        p: float = 0.5,
        mode: str = "batch",
        scaling: str = "inverted",
        *,
        activation: Callable[[Any], Tensor] | None = None,
        inference: str = "mean",
        rng: Rng = None,
    ) -> None:
        if not isinstance(layer, Linear | Conv2d):
            raise TypeError(f"DropConnect: layer is a {type(layer).__name__}; it must be a Linear or a Conv2d")
        check("DropConnect", FRACTION, p=p)
        check("DropConnect", noise.MODE, mode=mode)
        check("DropConnect", noise.SCALING, scaling=scaling)
        check("DropConnect", choice("mean", "gaussian"), inference=inference)
        check_function("DropConnect", "activation", activation, None)
        if inference == "gaussian" and activation is None:
            raise ValueError("DropConnect: inference='gaussian' averages over the activation; give it, e.g. mg.relu")
        self.layer, self.activation = layer, activation
        self.p, self.mode, self.scaling, self.inference = p, mode, scaling, inference
        self.rng = own_generator(rng)

    def forward(self, x: ArrayLike) -> Tensor:
        activation = self.activation or shape.as_tensor
        if self.training:
            return activation(self._masked(shape.as_tensor(x)))
        if self.inference == "mean" or self.p == 0:
            return activation(self._mean(x))
        mean, variance = self.moments(x)
        tiny = float(np.finfo(mean.dtype).tiny)  # so that the root has a slope where nothing varies
        deviation = elementwise.sqrt(variance + tiny)
        weights = _WEIGHTS / _WEIGHTS.sum()
        return total(activation(mean + deviation * float(z)) * float(w) for z, w in zip(_NODES, weights))

    def moments(self, x: ArrayLike) -> tuple[Tensor, Tensor]:
        """The mean and the variance over masks of each output for x, before the activation.

        An output is Σ m w x + m b with independent masks m: its variance is var(m) · (Σ w² x² + b²).
        """
        x, w, b = shape.as_tensor(x), self.layer.weight, self.layer.bias
        spread = self.p * (1 - self.p) * noise.factor(self.p, self.scaling, True) ** 2
        return self._mean(x), self._scaled(x * x, spread, w * w, None if b is None else b * b)

    def _mean(self, x: ArrayLike) -> Tensor:
        return self._scaled(x, noise.factor(self.p, self.scaling, False), self.layer.weight, self.layer.bias)

    def _scaled(self, x: ArrayLike, scale: float, weight: Tensor, bias: Tensor | None) -> Tensor:
        if scale == 1:
            return self.layer.with_weights(x, weight, bias)
        return self.layer.with_weights(x, weight * scale, None if bias is None else bias * scale)

    def _masked(self, x: Tensor) -> Tensor:
        batch = () if self.mode == "batch" or self.p == 0 else x.shape[:1]

        def drop(w: Tensor) -> Tensor:
            return noise.drop("DropConnect", w, (*batch, *w.shape), self.p, self.scaling, True, self.rng)

        layer = self.layer
        weight, bias = drop(layer.weight), None if layer.bias is None else drop(layer.bias)
        if not batch:
            return layer.with_weights(x, weight, bias)
        if isinstance(layer, Linear):
            return _linear_rows(layer, x, weight, bias)
        return _conv2d_rows(layer, x, weight, bias)


def _linear_rows(layer: Linear, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The linear map of each sample by weights of its own: (N, …, in), (N, out, in), (N, out) -> (N, …, out)."""
    x = layer.checked(x)
    if x.ndim < 2:
        raise ValueError(f"DropConnect: x has shape {x.shape}; mode 'row' needs an axis of samples before the features")
    inner = x.shape[1:-1]
    rows = shape.reshape(x, (len(x), math.prod(inner), layer.in_features))
    y = linalg.matmul(rows, shape.matrix_transpose(weight))  # (N,rows,in) · (N,in,out)
    if bias is not None:
        y = y + shape.expand_dims(bias, 1)
    return shape.reshape(y, (len(x), *inner, layer.out_features))


def _conv2d_rows(layer: Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of each image by weights of its own: the images side by side as channels, each a group."""
    conv.check_image("conv2d", x)
    n, c, h, w = x.shape
    if c != layer.in_channels:
        raise ValueError(f"conv2d: x has {c} channels, weight expects {layer.in_channels}")
    side, padding = layer.padded(shape.reshape(x, (1, n * c, h, w)))
    filters = shape.reshape(weight, (n * layer.out_channels, *weight.shape[2:]))
    shifts = None if bias is None else shape.reshape(bias, (-1,))
    y = conv.conv2d(side, filters, shifts, layer.stride, padding, layer.dilation, n * layer.groups)
    return shape.reshape(y, (n, layer.out_channels, *y.shape[2:]))


class Averaged(NamedTuple):
    """Mean and standard deviation of a model's output over random draws, arrays of the output's shape."""

    mean: Array
    std: Array


def averaged(
    model: Module, x: ArrayLike, n: int = 10, *, transform: Callable[[Tensor], Tensor] | None = None
) -> Averaged:
    """Average a model's output for x over n draws of its random layers, all of them (Monte Carlo dropout).

    Layers that draw are in training mode, all others (batch norm) in test mode; afterwards each is as it was. Test mode
    replaces this average by one forward pass, which is exact only for models that are linear behind the random layers;
    the standard deviation says how far single draws disagree (Gal and Ghahramani 2016; for fractional max-pooling,
    Graham 2014). `transform` is applied to each output before averaging: `mg.softmax` averages probabilities. Nothing
    is recorded. Raises ValueError if n < 2, or if no layer draws.

    >>> layer = Dropout(0.5, rng=0)
    >>> mean, std = averaged(layer, np.ones(4), 2000)
    >>> mean.round(1), std.round(1)
    (array([1., 1., 1., 1.]), array([1., 1., 1., 1.]))
    """
    check("averaged", MODULE, model=model)
    check("averaged", whole(2, 10**6), n=n)  # a mean and a spread need two
    check_function("averaged", "transform", transform, None)
    drawing = [m for m in model.modules() if draws(m)]
    if not drawing:
        raise ValueError(f"averaged: no layer of this {type(model).__name__} draws; there is nothing to average")
    with modes_restored(model), no_grad():
        model.eval()
        for m in drawing:
            m.training = True
        outputs = (model(x) if transform is None else transform(model(x)) for _ in range(n))
        return _moments(shape.as_tensor(y).data for y in outputs)


def _moments(values: Iterable[Array]) -> Averaged:
    """Mean and standard deviation (of a sample: over n − 1), one value after another (Welford 1962)."""
    for n, y in enumerate(values, 1):
        if n == 1:
            mean, squares = y.astype(np.result_type(y.dtype, np.float64)), np.zeros(y.shape)
        else:
            step = y - mean
            mean += step / n
            squares += (np.conj(step) * (y - mean)).real
    return Averaged(mean.astype(y.dtype), np.sqrt(squares / (n - 1)).astype(y.dtype))
