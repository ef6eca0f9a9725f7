"""Functions of a caller's around a module's `forward`, and with the gradients that pass it.

A module without hooks looks at one attribute. Gradients are caught by hooks of tensors (`tape/hooks.py`), on aliases of
what goes in and comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tree
from ..errors import check_function, named
from ..ops import shape
from ..ranges import SWITCH, check
from ..tape import Handle, Tensor, alias, cast, look, state


class _Hook:
    """A function, and when it is called: 'before' or 'after' forward, or with gradients ('up into', 'up out of')."""

    def __init__(self, when: str, f: Callable, with_kwargs: bool) -> None:
        self.when, self.f, self.with_kwargs = when, f, with_kwargs


class _Hooked:
    """What a Module has of hooks."""

    forward: Callable[..., Any]
    _hooks: dict[int, _Hook] | None = None

    @named
    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call hook(module, args) before each `forward`; what it returns, if not None, is taken as the arguments.

        `with_kwargs`: hook(module, args, kwargs), which returns None or (args, kwargs). Returns a handle with `remove()`.
        """
        return self._hook("before", hook, prepend, with_kwargs)

    @named
    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call hook(module, args, output) after each `forward`; what it returns, if not None, is taken as the output.

        `with_kwargs`: hook(module, args, kwargs, output). Returns a handle whose `remove()` ends it.

        >>> from minigrad import nn
        >>> import numpy as np
        >>> net, shapes = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), []
        >>> with net[0].register_forward_hook(lambda module, args, y: shapes.append(y.shape)):
        ...     y = net(np.ones((2, 3), np.float32))
        >>> shapes
        [(2, 4)]
        """
        return self._hook("after", hook, prepend, with_kwargs)

    @named
    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call hook(module, grad_input, grad_output) in each walk up that passes the module's output and its inputs.

        Both are tuples of tensors: of the positional arguments (None for what requires no grad), and of the tensors in the
        output, zeros for those that nothing used. What the hook returns, if not None, goes on as the gradients of the
        inputs. Where no input requires grad, it is called with None for each once the outputs' gradients are there.
        Returns a handle whose `remove()` ends it.
        """
        return self._hook("up out of", hook, prepend, False)

    @named
    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call hook(module, grad_output) in each walk up that comes to the module's output; what it returns goes on."""
        return self._hook("up into", hook, prepend, False)

    def _hook(self, when: str, hook: Callable, prepend: bool, with_kwargs: bool) -> Handle:
        check_function(type(self).__name__, "hook", hook)
        check(type(self).__name__, SWITCH, prepend=prepend, with_kwargs=with_kwargs)
        if self._hooks is None:
            self._hooks = {}
        return Handle(self._hooks, _Hook(when, hook, with_kwargs), prepend)

    def _those(self, when: str) -> list[_Hook]:
        return [h for h in (self._hooks or {}).values() if h.when == when]

    def _hooked(self, *args: Any, **kwargs: Any) -> Any:
        """forward(*args, **kwargs), with the hooks."""
        look("a hook of a module is called")
        for h in self._those("before"):
            new = h.f(self, args, kwargs) if h.with_kwargs else h.f(self, args)
            if new is not None and h.with_kwargs:
                args, kwargs = new
            elif new is not None:
                args = new if isinstance(new, tuple) else (new,)
        up = state.recording and bool(self._those("up into") or self._those("up out of"))
        gradients: list[tuple] = []  # of the outputs, in the latest walk
        which = [i for i, a in enumerate(args) if up and isinstance(a, Tensor) and a.requires_grad]

        def into(gs: tuple) -> tuple:
            for h in self._those("up into"):
                gs = _replaced(gs, h.f(self, gs))
            gradients[:] = [gs]
            if not which:
                out((None,) * len(args))
            return gs

        def out(gs: tuple) -> tuple:
            for h in self._those("up out of"):
                gs = _replaced(gs, h.f(self, gs, gradients[0] if gradients else ()))
            return gs

        def out_of(gs: tuple) -> tuple:
            given = dict(zip(which, gs))
            new = out(tuple(given.get(i) for i in range(len(args))))
            return tuple(new[i] for i in which)

        if which:
            caught = dict(zip(which, _caught([args[i] for i in which], out_of)))
            args = tuple(caught.get(i, a) for i, a in enumerate(args))
        y = self.forward(*args, **kwargs)
        for h in self._those("after"):
            new = h.f(self, args, kwargs, y) if h.with_kwargs else h.f(self, args, y)
            y = y if new is None else new
        if not up:
            return y
        flat, build = tree.flatten(y)
        tensors = [i for i, x in enumerate(flat) if isinstance(x, Tensor) and x.requires_grad]
        caught = dict(zip(tensors, _caught([flat[i] for i in tensors], into)))
        return build([caught.get(i, x) for i, x in enumerate(flat)])


def _replaced(gs: tuple, new: Any) -> tuple:
    if new is None:
        return gs
    new = new if isinstance(new, tuple) else (new,)
    if len(new) != len(gs):
        raise ValueError(f"register_full_backward_hook: the hook gave {len(new)} gradients; there are {len(gs)}")
    return new


def _caught(xs: list[Tensor], f: Callable[[tuple], tuple]) -> list[Tensor]:
    """The same tensors; a walk up calls f with the gradients of all of them at once, and goes on with what f returns."""
    if len(xs) < 2:
        ys = [alias(x) for x in xs]
        for y in ys:
            y.register_hook(lambda g: f((g,))[0])
        return ys
    ends = [0]
    for x in xs:
        ends.append(ends[-1] + x.size)

    def parts(row: Tensor) -> list[Tensor]:
        cut = [shape.reshape(row[a:b], x.shape) for x, a, b in zip(xs, ends, ends[1:])]
        return [cast(part, dtype=x.dtype) for part, x in zip(cut, xs)]

    row = shape.concat([shape.reshape(x, (-1,)) for x in xs])
    row.register_hook(lambda g: shape.concat([shape.reshape(gx, (-1,)) for gx in f(tuple(parts(g)))]))
    return parts(row)
