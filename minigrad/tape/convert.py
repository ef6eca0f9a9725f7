"""Operations on integers and float16, by way of the dtypes that are computed in (dtypes.py).

The way there and back is recorded: derivatives are those of the operation on wider floats, rounded as the result is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import DOUBLE, ENTRIES, FLOATS, INTEGERS, REALS, SINGLE, floats_for, in_int64
from .tensor import Tensor, _constant, dispatch, real_dtype, wrap

if TYPE_CHECKING:
    from .primitive import Primitive


def by_way_of(op: Primitive, inputs: tuple[Tensor, ...], params: dict[str, Any]) -> Tensor | None:
    """op(*inputs) by way of other dtypes, or None where it takes those of the inputs."""
    for x in inputs:
        if (d := x.dtype) is not SINGLE and d is not DOUBLE and d.char not in FLOATS:
            break
    else:
        return None
    dtypes = {x.dtype for x in inputs}
    if op.numbers is None or (op.numbers == ENTRIES and len(dtypes) == 1):
        return None
    if op.numbers == REALS or any(d.kind in "fc" for d in dtypes):
        return in_floats(op, *inputs, **params)
    if op.numbers == INTEGERS:
        return wrap(dispatch(in_int64(op.forward), *inputs, **params))
    if np.result_type(*dtypes).kind == "f":
        given = " and ".join(sorted(map(str, dtypes)))
        raise TypeError(f"no integer dtype holds the numbers of {given}; make them one, e.g. x.astype('int64')")
    return None


def in_floats(f: Callable[..., Tensor], *xs: Tensor, **params: Any) -> Tensor:
    """f(*xs), a function of reals: where integers or float16 are among xs, it is computed wide, and rounded once.

    >>> import minigrad as mg
    >>> in_floats(lambda x: mg.sum(x) / 4, Tensor(np.full(4, 200, np.uint8))).data
    array(200., dtype=float32)
    """
    if all(x.dtype.char in FLOATS for x in xs) and len({real_dtype(x.dtype) for x in xs}) < 2:
        return f(*xs, **params)
    dtypes = [x.dtype for x in xs if x.version >= 0] or [x.dtype for x in xs]  # numbers have no say
    wide, own = floats_for(*dtypes)
    return f(*[x.astype(wide) for x in xs], **params).astype(own)


def rounded_once(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """f(*tensors, **params), several operations, as one: what has floats among the tensors is computed wide, and rounded once."""

    @functools.wraps(f)
    def once(*xs: Any, **params: Any) -> Tensor:
        given = [x if isinstance(x, Tensor) else _constant(x, xs) for x in xs]
        return in_floats(f, *given, **params) if any(x.dtype.kind in "fc" for x in given) else f(*given, **params)

    return once
