"""Minimize a plain function of one array: `minimize(f, x0)`, in the manner of `scipy.optimize.minimize`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import random
from ..errors import check_function, shown
from ..ranges import COUNT, INDEX, NOT_NEGATIVE, SWITCH, check
from ..tape import Array, Tensor, as_array
from ..typing import ArrayLike
from . import descent
from .vector import Function


@dataclass
class Result:
    """What `minimize` found: the best point seen, what it cost, and why it stopped.

    x, fun, grad and grad_norm (the largest entry of the gradient, in absolute value) belong together. n_fev, n_gev
    and n_hvp count evaluations of f, of its gradient, and products with its Hessian; n_skipped and n_damped the
    curvature pairs that a quasi-Newton method did not trust. success says whether the gradient is within tolerance,
    status is one word for the reason, message a sentence. path lists x0 and every iterate, if it was asked for.
    """

    x: Array
    fun: float
    grad: Array
    grad_norm: float
    n_iter: int
    n_fev: int
    n_gev: int
    n_hvp: int
    n_skipped: int
    n_damped: int
    success: bool
    status: str
    message: str
    path: list[Array] | None = None

    def __repr__(self) -> str:
        path = None if self.path is None else f"{len(self.path)} points"
        found = {**vars(self), "path": path, "x": _short(self.x), "grad": _short(self.grad)}
        return "\n".join(f"{name:>9}  {value}" for name, value in found.items())


def _short(a: Array) -> str:
    return np.array2string(a, threshold=20, max_line_width=100, prefix=11 * " ")


def minimize(
    f: Callable[[Tensor], Tensor],
    x0: ArrayLike,
    method: str = "lbfgs",
    *,
    gtol: float = 1e-5,
    gtol_rel: float = 0.0,
    max_iter: int = 1000,
    max_evaluations: int | None = None,
    callback: Callable[[Array], Any] | None = None,
    path: bool = False,
    **options: Any,
) -> Result:
    """Return the lowest point that a second-order method finds for f, which takes a tensor and returns one number.

    x0 is a float array of any shape. `method` is one of "newton", "bfgs", "lbfgs", "cg", "newton-cg" and "trust-ncg";
    `options` are those of its class in `descent.py` (Nocedal, Wright 2006). It stops when the largest entry of the
    gradient is at most max(gtol, gtol_rel · that at x0), after max_iter iterations, before f would be evaluated more
    than max_evaluations times, when `callback(x)` is true after an iteration, or when no lower point can be found.

    Where f is nan or inf it is stepped back from. Random layers draw the same in every evaluation. Raises TypeError
    or ValueError when f does not return one real number that depends on x, and for unknown methods and options.

    >>> rosenbrock = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    >>> minimize(rosenbrock, [-1.2, 1.0], "bfgs").x.round(5)
    array([1., 1.])
    """
    check_function("minimize", "f", f)
    check_function("minimize", "callback", callback, None)
    if not isinstance(method, str) or method not in descent.METHODS:
        raise ValueError(f"minimize: method is {method!r}; it must be one of {', '.join(descent.METHODS)}")
    given, x0 = x0, as_array(x0, None, "minimize")
    if x0.dtype.kind != "f" or x0.dtype == np.float16:
        raise TypeError(
            f"minimize: x0 has dtype {x0.dtype}; give floats, e.g. x0.astype('float64'), not {shown(given)}"
        )
    if not x0.size:
        raise ValueError("minimize: x0 is empty; there is nothing to minimize over")
    check("minimize", NOT_NEGATIVE, gtol=gtol, gtol_rel=gtol_rel)
    check("minimize", INDEX, max_iter=max_iter)
    check("minimize", COUNT.or_none, max_evaluations=max_evaluations)
    check("minimize", SWITCH, path=path)
    accepted = inspect.signature(descent.METHODS[method]).parameters
    for name in options:
        if name not in accepted:
            raise TypeError(f"minimize: {method}: unknown option {name!r}; it takes {', '.join(accepted) or 'none'}")
    rule = descent.METHODS[method](**options)
    objective = Function(f, x0.shape, x0.dtype, max_evaluations)
    with random.held() as rewind:
        objective.rewind = rewind
        state = descent.State(objective.at(x0.astype(np.float64).ravel()))
        points = [x0.copy()]

        def here(state: descent.State) -> Array:
            return state.point.x.reshape(x0.shape).astype(x0.dtype)

        def after(state: descent.State) -> Any:
            if path:
                points.append(here(state))
            return callback is not None and callback(here(state))

        status, message = descent.descend(
            rule, objective, state, gtol=gtol, gtol_rel=gtol_rel, max_iter=max_iter, callback=after
        )
        best = descent.end(objective, state, status)
        if status == "converged" and best is not state.point:
            status = "no-progress"
            message = f"{message}, at a point where f is {state.point.value:.9g}: another one was lower"
        return Result(
            x=best.x.reshape(x0.shape).astype(x0.dtype),
            fun=best.value,
            grad=best.gradient.reshape(x0.shape),
            grad_norm=descent.top(best.gradient),
            n_iter=state.n_iter,
            n_fev=objective.counts.n_fev,
            n_gev=objective.counts.n_gev,
            n_hvp=objective.counts.n_hvp,
            n_skipped=state.n_skipped,
            n_damped=state.n_damped,
            success=status == "converged",
            status=status,
            message=message,
            path=points if path else None,
        )
