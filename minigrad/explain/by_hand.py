"""A forward and a backward written by hand on NumPy arrays, as one operation of a tape. Nothing here judges them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import shown
from ..ops.reduce import sum
from ..tape import Primitive, Tensor, general, mul


def by_hand(forward: Callable, backward: Callable) -> Callable[..., Tensor]:
    """The function of tensors that computes forward, and whose derivative is backward; see `gradcheck` for their form.

    A result that is not one number is contracted with fixed random numbers, as the check does.
    """

    def f(*args: Any) -> Tensor:
        places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        kept: dict[str, Any] = {}

        def value(*arrays: Any) -> Any:
            given = list(args)
            for i, a in zip(places, arrays):
                given[i] = a.copy()
            found = forward(*given)
            outs, kept["cache"] = (found[:-1], found[-1:]) if isinstance(found, tuple) else ((found,), given)
            if len(outs) != 1:
                raise ValueError(f"explain: forward returns {len(outs)} outputs before its cache; a page shows one")
            return np.asarray(outs[0])

        def slope(i: int, g: Tensor) -> Tensor:
            if kept.get("of") is not g:
                found = backward(g.data.copy()[()], *kept["cache"])
                kept["of"], kept["slopes"] = g, list(found) if isinstance(found, tuple | list) else [found]
            slopes, x = kept["slopes"], args[places[i]]
            if len(slopes) != len(places) or np.shape(slopes[i]) != x.shape:
                gave = ", ".join(map(shown, slopes))
                raise ValueError(
                    f"explain: backward gives {gave}, which are no gradients of {len(places)} arguments: gradcheck tells"
                )
            return Tensor(np.array(slopes[i], x.dtype))

        value.sources = forward, backward  # type: ignore[attr-defined]  # that a page shows
        op = Primitive(value)
        del Primitive.registry[op.name]  # it is no operation of the library
        op.name = getattr(forward, "__name__", "forward")
        general(op, [lambda g, y, *xs, i=i: slope(i, g) for i in range(len(places))], [])
        op.statement = [backward] * len(places)  # as a reader knows it
        y = op(*(args[i] for i in places))
        return y if y.size == 1 else sum(mul(y, np.random.default_rng([0, 0]).standard_normal(y.shape)))

    f.__name__ = getattr(forward, "__name__", "forward")
    return f
