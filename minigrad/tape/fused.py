"""Fused primitives: the fast form of a composition, which stays the truth.

Own kernels serve the value and the first order. At every other order, for a walk that is itself recorded, and for
complex input the composition is differentiated instead, so speed never costs correctness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import check_function, shown
from .primitive import Primitive, alias, fit
from .tensor import Tensor, dispatch, wrap
from .walks import pull, push
from .watch import recording, state

REAL = frozenset("fdg")  # the characters of the dtypes that kernels are given


class Fused(Primitive):
    """The fast form of `composition`, a function of tensors; see `fused`.

    `reuse(saved)`, if given, are parameters that spare the composition computing again what the forward pass saved.
    """

    kind = "fused"
    composition: Callable[..., Tensor]
    reuse: Callable[[Any], dict[str, Any]] | None = None

    def __init__(
        self, composition: Callable, forward: Callable, backward: Callable | None, tangent: Callable | None
    ) -> None:
        super().__init__(composition)
        self.composition, self.forward, self.backward, self.tangent = composition, forward, backward, tangent

    def evaluate(self, inputs: tuple[Tensor, ...], params: dict[str, Any]) -> tuple[Tensor, Any]:
        for x in inputs:
            if x.dtype.char not in REAL:  # other input takes the composition, and the tape shows that
                return alias(self.composition(*inputs, **params)), None
        y, saved = dispatch(self.forward, *inputs, **params)
        return wrap(y), saved

    def pull_back(self, g: Tensor, y: Tensor, wanted: list[tuple[int, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        node: Any = y.node
        if self.backward is not None and not state.recording and g.dtype.char in REAL:
            gxs = dispatch(self.backward, g, node.saved, *node.inputs, **node.params)
            return [(x, fit(wrap(gxs[i]), x)) for i, x in wanted]
        params = node.params if self.reuse is None else node.params | self.reuse(node.saved)
        z, aliases = replay(self.composition, node.inputs, params)
        gzs = pull(z, [aliases[i] for i, _ in wanted], g, create_graph=state.recording)
        return [(x, gx) for (_, x), gx in zip(wanted, gzs)]

    def push_on(self, ts: list[Tensor | None], y: Tensor) -> Tensor:
        node: Any = y.node
        if self.tangent is None or state.recording or any(t is not None and t.dtype.char not in REAL for t in ts):
            return self.jvp(ts, y, *node.inputs, **node.params)
        arrays = tuple(None if t is None else t._data for t in ts)
        return wrap(dispatch(self.tangent, arrays, node.saved, *node.inputs, **node.params))

    def jvp(self, ts: Sequence[Tensor | None], y: Tensor, *xs: Tensor, **k: Any) -> Tensor:
        """The tangent of y by the composition."""
        z, aliases = replay(self.composition, xs, k)
        moved = [(a, t) for a, t in zip(aliases, ts) if t is not None]
        return push([z], [a for a, _ in moved], [t for _, t in moved], create_graph=state.recording)[0]


def fused(
    composition: Callable,
    forward: Callable,
    backward: Callable | None = None,
    tangent: Callable | None = None,
) -> Fused:
    """Return the fast form of a composition: functions of ndarrays, which serve value and first order.

    `forward(*arrays, **params)` returns (y, saved); `backward(g, saved, *arrays, **params)` returns one gradient
    per input; `tangent(ts, saved, *arrays, **params)` returns the tangent of y, ts holding one array or None per input.
    At every other order, in forward mode and for complex input the engine differentiates the composition.

    >>> import numpy as np
    >>> cube = fused(
    ...     lambda x: x * x * x,
    ...     forward=lambda x: (x**3, x * x),
    ...     backward=lambda g, saved, x: (3 * g * saved,),
    ... )
    >>> x = Tensor(np.array(2.0), requires_grad=True)
    >>> (dy,) = pull(cube(x), [x], create_graph=True)
    >>> dy.data.item(), pull(dy, [x])[0].data.item()
    (12.0, 12.0)
    """
    for name, f, *optional in (
        ("composition", composition),
        ("forward", forward),
        ("backward", backward, None),
        ("tangent", tangent, None),
    ):
        check_function("fused", name, f, *optional)
    return Fused(composition, forward, backward, tangent)


class Composite(Primitive):
    """A function of tensors as one operation; see `composite`."""

    def __init__(self, f: Callable) -> None:
        super().__init__(f)
        self.composition, self.numbers, self.may_alias, self.foreign = f, None, True, True

    def evaluate(self, inputs: tuple[Tensor, ...], params: dict[str, Any]) -> tuple[Tensor, Any]:
        with recording(False):
            y = self.composition(*inputs, **params)
        if not isinstance(y, Tensor):
            raise TypeError(f"{self.name}: it returned {shown(y)}; a composite must return a tensor")
        return wrap(y._data), None


def composite(f: Callable) -> Primitive:
    """Return f, a function of tensors, as one operation whose derivative is declared, in place of that of what it is made of.

    The declarations are those of a primitive: `elementwise`, `linear` or `general`. For gradients that are to be
    others (straight through a rounding, limited on the way back), or to be computed better (at once, or without ∞ · 0).
    `gradcheck` calls it WRONG where the declared derivative is not that of f.

    >>> import minigrad as mg
    >>> @composite
    ... def rounded(x):
    ...     return mg.where(x > 0.5, 1.0, 0.0 * x)
    >>> mg.elementwise(rounded, 1)  # straight through: Bengio, Léonard, Courville 2013
    >>> x = mg.tensor([0.2, 0.7], requires_grad=True)
    >>> y = rounded(x); y.sum().backward()
    >>> y.tolist(), x.grad.tolist()
    ([0.0, 1.0], [1.0, 1.0])
    """
    check_function("composite", "f", f)
    return Composite(f)


def replay(f: Callable, xs: Iterable[Tensor], params: dict) -> tuple[Tensor, list[Tensor]]:
    """Record f afresh on aliases of xs: a walk back from the result to the aliases sees f alone, not what lies behind."""
    with recording(True):
        aliases = [alias(x) if x.requires_grad else x for x in xs]
        return f(*aliases, **params), aliases
