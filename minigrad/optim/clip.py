"""Keep gradients in bounds, between `backward` and `step`: by their common norm, or each number by itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from ..errors import named, shown
from ..ranges import POSITIVE, check
from ..tape import Array, Tensor, constant, dispatch, effect, wrap


@named
def clip_grad_norm(params: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients alike, so that their norm is no more than max_norm; return the norm that it was.

    It is the norm of one vector of all gradients (Pascanu, Mikolov, Bengio 2013); parameters without a gradient do not
    count. With max_norm = inf it is only measured. PyTorch's, which adds 1e-6 to the norm, clips a trifle more.
    Raises FloatingPointError, and changes nothing, if the norm is not finite. The norm is a tensor, of
    one number.

    >>> p = Tensor(np.zeros(2), requires_grad=True)
    >>> p.grad = np.array([3.0, 4.0])
    >>> clip_grad_norm([p], 1.0).item(), p.grad
    (5.0, array([0.6, 0.8]))
    """
    params = _checked("clip_grad_norm", params, "max_norm", max_norm)
    found = constant(np.zeros(()))
    effect(_clip_norm, params, float(max_norm), found)
    return wrap(dispatch(_value, found))


@named
def clip_grad_value(params: Iterable[Tensor], max_value: float) -> None:
    """Bring every number of every gradient into [−max_value, max_value].

    Raises FloatingPointError, and changes nothing, if one is NaN.

    >>> p = Tensor(np.zeros(3), requires_grad=True)
    >>> p.grad = np.array([3.0, -4.0, 0.5])
    >>> clip_grad_value([p], 1.0); p.grad
    array([ 1. , -1. ,  0.5])
    """
    effect(_clip_value, _checked("clip_grad_value", params, "max_value", max_value), float(max_value))


def _clip_norm(params: list[Tensor], most: float, found: Array) -> None:
    gradients = [p.grad for p in params if p.grad is not None]
    found[...] = norm = _norm(gradients)
    if not math.isfinite(norm):
        raise FloatingPointError(
            f"clip_grad_norm: the norm of the gradients is {norm}, for {_blame(params, _not_finite)}"
        )
    if norm > most:
        for p in params:
            if p.grad is not None:
                p.grad = np.asarray(np.multiply(p.grad, most / norm, dtype=_wide(p.grad)), p.grad.dtype)


def _clip_value(params: list[Tensor], most: float) -> None:
    blamed = _blame(params, np.isnan)
    if blamed:
        raise FloatingPointError(f"clip_grad_value: NaN is the gradient of {blamed}")
    for p in params:
        if p.grad is not None:
            p.grad = np.asarray(np.clip(p.grad, -most, most, dtype=_wide(p.grad)), p.grad.dtype)


def _not_finite(g: Array) -> Array:
    return ~np.isfinite(g)


def _value(found: Array) -> Array:
    return found.copy()


def _norm(gradients: list[Array]) -> float:
    """The norm of all numbers, also where their squares are too large or too small for the dtype."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        squares = sum(float(np.vdot(g, g)) for g in (g.astype(_wide(g), copy=False) for g in gradients))
    if 1e-30 < squares < math.inf:
        return math.sqrt(squares)
    largest = max((float(np.abs(g).max()) for g in gradients if g.size), default=0.0)
    if largest == 0 or not math.isfinite(largest):
        return largest
    return largest * math.sqrt(sum(float(np.sum((g.astype(np.float64) / largest) ** 2)) for g in gradients))


def _wide(g: Array) -> np.dtype:
    """The dtype to compute in: float32 for float16."""
    return np.result_type(g, np.float32)


def _blame(params: list[Tensor], bad: Callable[[Array], Array]) -> str:
    """Which gradient has the first bad numbers, and what to do; nothing if none has."""
    for i, p in enumerate(params):
        if p.grad is not None and bad(p.grad).any():
            name = f" ({p.name})" if p.name else ""
            return (
                f"{np.count_nonzero(bad(p.grad))} of the {p.grad.size} numbers of params[{i}]{name}; lower the "
                "learning rate, or look for an overflow, log(0), sqrt(0) or a division by 0 in the loss"
            )
    return ""


def _checked(name: str, params: Iterable[Tensor], what: str, most: float) -> list[Tensor]:
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        raise TypeError(f"{name}: params is a {type(params).__name__}; give a list of tensors, e.g. model.parameters()")
    if most is not math.inf and most != math.inf:
        check(name, POSITIVE, **{what: most})
    params = list(params)
    for i, p in enumerate(params):
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: params[{i}] is {shown(p)}; it must be a tensor")
    return list({id(p): p for p in params}.values())  # one that stands there twice has one gradient
