"""Functions of a caller's that a walk up calls with the gradient of a tensor, and computed tensors that keep theirs.

They are known by the tensor's identity and go with it: a tensor has no room for them, and a walk asks one empty table.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from ..errors import check_function, named
from .primitive import alias, fit
from .tensor import Tensor, as_tensor
from .watch import attributes, effectful, look

listeners: dict[int, dict[int, Callable]] = {}  # of each tensor by its id, in the order of registering
retained: set[int] = set()  # the ids of computed tensors that get a `grad`
_keys = itertools.count()


class Handle:
    """Takes a hook away again: `remove()`, or the end of a `with` block."""

    @effectful
    def __init__(self, table: dict[int, Any], hook: Any, first: bool = False) -> None:
        self.table, self.key = table, next(_keys)
        others = dict(table) if first else {}
        for key in others:
            del table[key]
        table.update({self.key: hook, **others})
        attributes.changed()

    @effectful
    def remove(self) -> None:
        """Take the hook away; a second time, nothing happens."""
        self.table.pop(self.key, None)
        attributes.changed()

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


@named
def register_hook(x: Tensor, hook: Callable[[Tensor], Any]) -> Handle:
    """Let every walk up call hook(g) with the gradient g of x, all paths added up; what it returns, if not None, takes g's place.

    It is a method of tensors. In a recorded walk g is a recorded tensor, and so is what the hook makes of it: higher
    derivatives are those of the changed gradient. Returns a handle whose `remove()` ends it. Raises RuntimeError for a
    tensor that requires no grad. Fused operations and `jvp` do not pass the hook: it belongs to walks up alone.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> with x.register_hook(lambda g: g * 10):
    ...     (x * x).sum().backward()
    >>> x.grad
    array([20., 40.])
    """
    check_function("register_hook", "hook", hook)
    _differentiable("register_hook", x)
    if id(x) not in listeners:
        listeners[id(x)] = {}
        weakref.finalize(x, listeners.pop, id(x), None).atexit = False
    return Handle(listeners[id(x)], hook)


@named
def retain_grad(x: Tensor) -> None:
    """Let `backward` give x a `grad` even if x was computed, as it does a leaf. It is a method of tensors.

    >>> import minigrad as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> y.retain_grad()
    >>> (y * y).backward()
    >>> float(y.grad)
    18.0
    """
    _differentiable("retain_grad", x)
    if x.node is not None and id(x) not in retained:
        retained.add(id(x))
        weakref.finalize(x, retained.discard, id(x)).atexit = False


def _differentiable(name: str, x: Tensor) -> None:
    look(f"{name} changes what a walk does")
    if not x.requires_grad:
        raise RuntimeError(f"{name}: the tensor, {x.dtype} {x.shape}, requires no grad, so no walk comes by")


def hooked(x: Tensor, g: Tensor) -> Tensor:
    """The gradient with which the walk goes on from x."""
    look("a hook is called with a gradient")
    for hook in list(listeners[id(x)].values()):
        new = hook(alias(g))  # g may be that of others, too
        if new is not None:
            new = as_tensor(new)
            if new.shape != x.shape or new.dtype.kind != g.dtype.kind:
                raise ValueError(
                    f"register_hook: the hook gave {new.dtype} {new.shape} for the gradient of a tensor that is "
                    f"{x.dtype} {x.shape}; it must return a gradient of that shape and kind, or None"
                )
            g = fit(new, x)
    return g
