"""Regularisers that are no layers: penalties to add to a loss, the max-norm constraint, gradient noise.

Each is a plain function of a model, or of a list of tensors. Of a model they take the weights: see `weights`. Decoupled
weight decay belongs to the optimizers, label smoothing to `mg.cross_entropy`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import numpy as np

from .. import random
from ..errors import named, shown
from ..ops import elementwise, reduce
from ..ranges import INDEX, NOT_NEGATIVE, NUMBER, POSITIVE, Range, check
from ..tape import Tensor, effect, look, total
from ..typing import Rng
from .module import Module

_PATTERNS = Range(
    lambda v: isinstance(v, list | tuple | set) and all(isinstance(p, str) for p in v), "a list of patterns", list
)


@named
def weights(model: Module, leave_out: Sequence[str] = ()) -> list[Tensor]:
    """The model's parameters with two or more axes: matrices and kernels, not biases, nor scales and shifts of norms.

    Those whose path matches a pattern of `leave_out` ('fc.*', '*.conv1.weight') are left out too. Raises ValueError for
    a pattern that matches no path: a misspelt one would leave nothing out.

    >>> from minigrad import nn
    >>> net = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.Linear(4, 2, rng=0))
    >>> [p.shape for p in weights(net)], [p.shape for p in weights(net, leave_out=["2.*"])]
    ([(4, 3), (2, 4)], [(4, 3)])
    """
    check("weights", _PATTERNS, leave_out=leave_out)
    named = model.named_parameters()
    for pattern in leave_out:
        if not any(fnmatchcase(path, pattern) for path, _ in named):
            raise ValueError(
                f"weights: no parameter matches {pattern!r}; there are {', '.join(path for path, _ in named)}"
            )
    return [p for path, p in named if p.ndim >= 2 and not any(fnmatchcase(path, pattern) for pattern in leave_out)]


@named
def l2_penalty(model: Module | Iterable[Tensor], leave_out: Sequence[str] = ()) -> Tensor:
    """Σ w² over the model's `weights`, or over all entries of the given tensors.

    Added λ times to a loss, it adds 2λ w to the gradient: under SGD the same as weight decay 2λ, but not under Adam,
    which divides it by the size of past gradients (Loshchilov and Hutter 2019).

    >>> l2_penalty([Tensor(np.array([3.0, -4.0]))]).item(), l1_penalty([Tensor(np.array([3.0, -4.0]))]).item()
    (25.0, 7.0)
    """
    return total(reduce.sum(w * w) for w in _chosen("l2_penalty", model, leave_out))


@named
def l1_penalty(model: Module | Iterable[Tensor], leave_out: Sequence[str] = ()) -> Tensor:
    """Σ |w| over the model's `weights`, or over all entries of the given tensors: it draws small weights to zero."""
    return total(reduce.sum(elementwise.abs(w)) for w in _chosen("l1_penalty", model, leave_out))


@named
def max_norm_(model: Module | Iterable[Tensor], limit: float, leave_out: Sequence[str] = ()) -> None:
    """After a step: scale the weights into each unit down to the norm `limit` where they exceed it, in place.

    The unit is an output of a linear layer or an output channel of a convolution: w[i], of any number of axes. The
    constraint of Srebro and Shraibman 2005 that goes with dropout (Srivastava et al. 2014, section 5.1). Frozen
    parameters are left alone.

    >>> from minigrad import nn
    >>> layer = nn.Linear(2, 2, dtype="float64"); layer.weight.data = np.array([[3.0, 4.0], [0.3, 0.4]])
    >>> max_norm_(layer, 1.0); layer.weight.data
    array([[0.6, 0.8],
           [0.3, 0.4]])
    """
    check("max_norm_", POSITIVE, limit=limit)
    for w in _chosen("max_norm_", model, leave_out):
        if w.ndim < 2:
            raise ValueError(f"max_norm_: a parameter has shape {w.shape}; units have weights of two or more axes")
        if w.requires_grad:
            effect(_limit_norms, w, limit)


def _limit_norms(w: Tensor, limit: float) -> None:
    norms = np.sqrt(np.square(w.read(), dtype=np.float64).sum(tuple(range(1, w.ndim)), keepdims=True))
    if (norms > limit).any():
        w.data = (w.read() * np.minimum(1, limit / np.maximum(norms, limit))).astype(w.dtype)


@named
def gradient_noise_(
    params: Module | Iterable[Tensor],
    step: int,
    eta: float = 0.3,
    gamma: float = 0.55,
    *,
    rng: Rng = None,
) -> None:
    """Before a step: add Gaussian noise of variance η/(1 + t)^γ to the gradient of each parameter that has one.

    `step` is t, counted from 0, as `optimizer.steps` is. Neelakantan et al. 2015; they choose η from 0.01, 0.3 and 1.
    With an int as `rng` the noise of a step depends on the seed and on t alone.

    >>> p = Tensor(np.zeros(10_000), requires_grad=True); p.grad = np.zeros(10_000)
    >>> gradient_noise_([p], step=99, eta=1.0, gamma=0.5, rng=0)
    >>> round(float(p.grad.std()), 2)  # √(1/√100) = 0.316, but for chance
    0.31
    """
    check("gradient_noise_", INDEX, step=step)
    check("gradient_noise_", NOT_NEGATIVE, eta=eta)
    check("gradient_noise_", NUMBER, gamma=gamma)
    look("gradient noise depends on the number of the step")
    source = np.random.default_rng([rng, step]) if isinstance(rng, int | np.integer) else random.generator(rng)
    deviation = float((eta / (1.0 + step) ** gamma) ** 0.5)
    effect(_add_noise, params.parameters() if isinstance(params, Module) else _listed(params), deviation, source)


def _add_noise(params: Sequence[Tensor], deviation: float, source: np.random.Generator) -> None:
    for p in params:
        if p.grad is not None and p.requires_grad:
            p.grad = p.grad + deviation * source.standard_normal(p.shape).astype(p.grad.dtype)


def _listed(tensors: Iterable[Tensor]) -> list[Tensor]:
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)  # of one tensor, not its rows
    for i, x in enumerate(listed):
        if not isinstance(x, Tensor):
            raise TypeError(f"regularise: tensor {i} is {shown(x)}; give a Module, or a list of tensors")
    return listed


def _chosen(name: str, model: Module | Iterable[Tensor], leave_out: Sequence[str]) -> list[Tensor]:
    if isinstance(model, Module):
        chosen = weights(model, leave_out)
    elif leave_out:
        raise ValueError(f"{name}: leave_out names paths in a model; of a list, pass only the tensors that are meant")
    else:
        chosen = _listed(model)
    if not chosen:
        raise ValueError(f"{name}: there are no weights")
    return chosen
