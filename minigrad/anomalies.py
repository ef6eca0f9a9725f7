"""Where the first NaN or infinity is made: forward, or on the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .errors import shown
from .tape import Tensor, Watcher, state, user_line, watching, where_is


class _Anomalies(Watcher):
    """Raises where something that is not finite is made of what is."""

    eager = True

    def __init__(self) -> None:
        self._walks = 0
        self._arrived: list[Any] = []  # gradients, of walks within walks

    def walk_begun(self, direction: str, tape: list) -> None:
        self._walks += direction == "up"

    def walk_ended(self) -> None:
        self._walks = max(0, self._walks - 1)

    def computed(self, f: Callable, inputs: tuple, params: dict[str, Any], out: Any) -> None:
        y = out[0] if isinstance(out, tuple) else out
        if self._walks or _finite(y):
            return
        for x in inputs:
            if not _finite(_array(x)):
                if isinstance(x, Tensor) and x.node is None and x.requires_grad:
                    raise FloatingPointError(
                        f"debug: {x.name or 'a leaf'}, {shown(_array(x))}, {_what(_array(x))} before "
                        f"{_name(f)} reads it{_place(state.scope, user_line())}: it was given so, or an update made it so"
                    )
                return  # not made here
        given = " and ".join(shown(_array(x)) for x in inputs)
        raise FloatingPointError(
            f"debug: {_name(f)} of {given} {_what(y)}, of finite numbers{_place(state.scope, user_line())}"
        )

    def pulling(self, y: Any, g: Any) -> None:
        self._arrived.append(g)

    def pulled(self, y: Any, wanted: list, gradients: list) -> None:
        if not _finite(self._arrived.pop()._data):
            return
        for (i, x), g in zip(wanted, gradients):
            if not _finite(g._data):
                node: Any = y.node
                raise FloatingPointError(
                    f"debug: on the way back, {node.op.name} sends its input {i}, {shown(x._data)}, a gradient that "
                    f"{_what(g._data)}, of a finite one{_place(node.scope, node.line)}"
                )


def _array(x: Any) -> Any:
    return x._data if isinstance(x, Tensor) else x


def _finite(a: Any) -> bool:
    return not isinstance(a, np.ndarray | np.generic) or a.dtype.kind not in "fc" or bool(np.isfinite(a).all())


def _what(a: Any) -> str:
    """'has NaN at (0, 1)': the kind and the place of the first."""
    at = tuple(map(int, np.argwhere(~np.isfinite(a))[0]))
    return f"has {'NaN' if np.isnan(a[at]) else a[at].real} at {at}" if at else f"is {'NaN' if np.isnan(a) else a}"


def _name(f: Callable) -> str:
    return getattr(f, "__name__", type(f).__name__).strip("_").removeprefix("composed_").removeprefix("fused_")


def _place(scope: str, line: tuple) -> str:
    return f"{f', in {scope}' if scope else ''} ({where_is(line)})"


@contextmanager
def debug() -> Iterator[None]:
    """Return a context in which the first NaN or infinity that is made raises FloatingPointError, forward or on the way back.

    Made means that what it was computed of is finite: a mask of −∞ may pass through. The message names the operation, the
    path of the module and the line, as do parameters that an update has spoilt. Every value is looked at, and none is put
    off: use it to find a fault, not to train.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 0.0], requires_grad=True)
    >>> try:
    ...     with debug():
    ...         mg.sqrt(x).sum().backward()
    ... except FloatingPointError as error:
    ...     print(str(error).rpartition(" (")[0])
    debug: on the way back, sqrt sends its input 0, float64 (2,), a gradient that has inf at (1,), of a finite one
    """
    with np.errstate(all="ignore"), watching(_Anomalies()):  # NumPy's warnings say less
        yield
