"""What a walk begins with: from what, along what, and the gradient or the directions to start from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import shown
from .tensor import Tensor, as_array, wrap
from .watch import constant


def walkable(name: str, ys: Any, xs: Any, *directions: Any) -> None:
    """Raise unless ys are tensors, xs tensors that require grad, and vs, if given, directions of as many."""
    for what, given in ("ys", ys), ("xs", xs), *(("vs", vs) for vs in directions):
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"{name}: {what} is {shown(given)}; it must be a list")
        for i, x in enumerate(given if what != "vs" else ()):
            if not isinstance(x, Tensor):
                raise TypeError(f"{name}: {what}[{i}] is {shown(x)}; it must be a tensor")
            if what == "xs" and not x.requires_grad:
                raise RuntimeError(f"{name}: xs[{i}] does not require grad; create it with requires_grad=True")
    for vs in directions:
        if len(vs) != len(xs):
            raise ValueError(f"{name}: {len(vs)} directions were given for {len(xs)} inputs")


def start(name: str, y: Tensor, g: Any) -> Tensor:
    """The gradient that a walk up from y begins with: g, or 1."""
    if not y.requires_grad:
        raise RuntimeError(
            f"{name}: nothing to differentiate: no input of this tensor requires grad, or it was computed under no_grad"
        )
    if g is None:
        if y.size != 1:
            raise RuntimeError(f"{name}: the tensor has shape {y.shape}; reduce it to a scalar (y.sum()) or pass g")
        return wrap(constant(np.ones_like(y._data)))
    g = g if isinstance(g, Tensor) else like(g, y, name)
    if g.shape != y.shape:
        raise ValueError(f"{name}: the tensor has shape {y.shape}, g has shape {g.shape}; they must be the same")
    return g


def like(v: Any, x: Tensor, name: str) -> Tensor:
    """A direction of x, or a gradient, of x's dtype or complex."""
    a = as_array(v, None, name)
    return Tensor(a if a.dtype.kind == "c" else as_array(a, x.dtype, name))
