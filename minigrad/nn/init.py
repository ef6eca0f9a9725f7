"""Initial weights: each function returns an ndarray of a shape, drawn from a generator. Nothing is changed in place.

Weights are (out, in, *kernel), as in PyTorch: fan-in is in · kernel size, fan-out is out · kernel size. Each has a form
with an underscore that fills a tensor, as PyTorch's do: `init.kaiming_normal_(layer.weight, nonlinearity="relu")`.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .. import random
from ..errors import named
from ..ranges import NOT_NEGATIVE, NUMBER, POSITIVE, UNIT, check, choice
from ..tape import Array, Tensor
from ..typing import DTypeLike, Rng, Shape


@named
def fans(shape: Shape) -> tuple[int, int]:
    """The fan-in and fan-out of a weight: how many inputs an output sees, and how many outputs an input reaches.

    >>> fans((16, 3, 5, 5))
    (75, 400)
    """
    if len(shape) < 2:
        raise ValueError(f"fans: shape {shape} has no fan-in; a weight is (out, in, *kernel)")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


@named
def zeros(shape: Shape, *, dtype: DTypeLike = np.float32) -> Array:
    """All zero."""
    return np.zeros(shape, dtype)


@named
def ones(shape: Shape, *, dtype: DTypeLike = np.float32) -> Array:
    """All one."""
    return np.ones(shape, dtype)


@named
def uniform(
    shape: Shape,
    low: float = 0.0,
    high: float = 1.0,
    *,
    rng: Rng = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Uniform in [low, high)."""
    check("uniform", NUMBER, low=low, high=high)
    return random.generator(rng).uniform(low, high, shape).astype(dtype)


@named
def normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    rng: Rng = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Gaussian with that mean and standard deviation."""
    check("normal", NUMBER, mean=mean)
    check("normal", NOT_NEGATIVE, std=std)
    return random.generator(rng).normal(mean, std, shape).astype(dtype)


@named
def constant(shape: Shape, value: float, *, dtype: DTypeLike = np.float32) -> Array:
    """All one value."""
    check("constant", NUMBER, value=value)
    return np.full(shape, value, dtype)


@named
def trunc_normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    low: float = -2.0,
    high: float = 2.0,
    *,
    rng: Rng = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Gaussian with that mean and standard deviation, as far as it lies in [low, high]: others are drawn again.

    Raises ValueError if less than a thousandth of it does.

    >>> bool(abs(trunc_normal((100, 3), std=5.0, rng=0)).max() <= 2)
    True
    """
    check("trunc_normal", NUMBER, mean=mean, low=low, high=high)
    check("trunc_normal", POSITIVE, std=std)
    below, above = (math.erf((edge - mean) / (std * math.sqrt(2))) for edge in (low, high))
    if above - below < 2e-3:
        raise ValueError(f"trunc_normal: [{low}, {high}] has less than a thousandth of a Gaussian of {mean} ± {std}")
    rng = random.generator(rng)
    drawn = rng.normal(mean, std, shape)
    while (out := (drawn < low) | (drawn > high)).any():
        drawn = np.where(out, rng.normal(mean, std, shape), drawn)
    return drawn.astype(dtype)


@named
def orthogonal(shape: Shape, gain: float = 1.0, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Array:
    """gain times a matrix (out, in · kernel size) whose rows, or columns if these are fewer, are orthonormal: any as likely
    (Saxe, McClelland, Ganguli 2014; Mezzadri 2007).

    >>> w = orthogonal((2, 5), rng=0)
    >>> np.allclose(w @ w.T, np.eye(2), atol=1e-6)
    True
    """
    check("orthogonal", NUMBER, gain=gain)
    columns, rows = fans(shape)[0], shape[0]
    a = random.generator(rng).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(a)
    q *= np.sign(np.diag(r))  # else some are likelier than others
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(dtype)


@named
def sparse(
    shape: Shape, sparsity: float, std: float = 0.01, *, rng: Rng = None, dtype: DTypeLike = np.float32
) -> Array:
    """A matrix, Gaussian, in each column of which a part `sparsity`, rounded up, is zero (Martens 2010)."""
    check("sparse", UNIT, sparsity=sparsity)
    check("sparse", NOT_NEGATIVE, std=std)
    if len(shape) != 2:
        raise ValueError(f"sparse: shape {shape} is no matrix's; it must be (out, in)")
    rng = random.generator(rng)
    places = rng.permuted(np.tile(np.arange(shape[0])[:, None], (1, shape[1])), axis=0)
    return np.where(places < math.ceil(sparsity * shape[0]), 0, rng.normal(0, std, shape)).astype(dtype)


@named
def eye(shape: Shape, *, dtype: DTypeLike = np.float32) -> Array:
    """The matrix with ones on its diagonal."""
    if len(shape) != 2:
        raise ValueError(f"eye: shape {shape} is no matrix's; it must be (out, in)")
    return np.eye(*shape, dtype=dtype)


_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}


@named
def gain(nonlinearity: str, a: float = 0.01) -> float:
    """What a layer's weights are to be multiplied by, as PyTorch recommends it for the function that follows.

    'linear', 'sigmoid' 1, 'tanh' 5/3, 'relu' √2, 'leaky_relu' √(2/(1 + a²)), 'selu' 3/4.

    >>> gain("tanh") == 5 / 3
    True
    """
    check("gain", choice(*_GAINS, "leaky_relu"), nonlinearity=nonlinearity)
    check("gain", NUMBER, a=a)
    return math.sqrt(2 / (1 + a * a)) if nonlinearity == "leaky_relu" else _GAINS[nonlinearity]


@named
def xavier_uniform(shape: Shape, gain: float = 1.0, **draw: Any) -> Array:
    """Uniform with variance gain² · 2 / (fan-in + fan-out) (Glorot, Bengio 2010)."""
    check("xavier_uniform", NOT_NEGATIVE, gain=gain)
    bound = gain * math.sqrt(6 / sum(fans(shape)))
    return uniform(shape, -bound, bound, **draw)


@named
def xavier_normal(shape: Shape, gain: float = 1.0, **draw: Any) -> Array:
    """Gaussian with variance gain² · 2 / (fan-in + fan-out) (Glorot, Bengio 2010)."""
    check("xavier_normal", NOT_NEGATIVE, gain=gain)
    return normal(shape, 0.0, gain * math.sqrt(2 / sum(fans(shape))), **draw)


@named
def kaiming_uniform(
    shape: Shape, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", **draw: Any
) -> Array:
    """Uniform with variance gain² / fan: 2 / ((1 + a²) fan), for units leaky with slope a (He et al. 2015).

    >>> w = kaiming_uniform((8, 6), rng=0)
    >>> w.shape, bool(abs(w).max() <= 1)  # the bound is √(6 / fan-in)
    ((8, 6), True)
    """
    bound = math.sqrt(3) * _kaiming_std(shape, a, mode, nonlinearity)
    return uniform(shape, -bound, bound, **draw)


@named
def kaiming_normal(
    shape: Shape, a: float = 0.0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", **draw: Any
) -> Array:
    """Gaussian with variance gain² / fan: 2 / ((1 + a²) fan), for units leaky with slope a (He et al. 2015)."""
    return normal(shape, 0.0, _kaiming_std(shape, a, mode, nonlinearity), **draw)


def _kaiming_std(shape: Shape, a: float, mode: str, nonlinearity: str) -> float:
    check("kaiming", NUMBER, a=a)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode is {mode!r}; it must be 'fan_in' or 'fan_out'")
    return gain(nonlinearity, a) / math.sqrt(fans(shape)[mode == "fan_out"])


def __getattr__(name: str) -> Any:
    draw = globals().get(name[:-1]) if name.endswith("_") and not name.startswith("_") else None
    if draw is None or name in ("fans_", "gain_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    @functools.wraps(draw)
    def fill(x: Tensor, *args: Any, **options: Any) -> Tensor:
        x.data = draw(x.shape, *args, dtype=x.dtype, **options)
        return x

    fill.__name__ = name
    return named(fill)
