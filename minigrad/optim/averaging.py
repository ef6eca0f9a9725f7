"""Averages of parameters along the path of an optimizer: smoother than the last iterate, which noise moves about.

Every average is one rule, θ̄ ← θ̄ + w (θ − θ̄), with a weight w that is a function of t = 1, 2, …, the number of the
update, as a schedule is of the step. Nothing here knows of modules: `train.Averaging` averages a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from ..errors import named
from ..ranges import FRACTION, check, choice, instance
from ..tape import Array, Tensor, effectful
from .optimizer import entries

Weight = Callable[[int], float]
_FORM = choice("plain", "warmup", "corrected")


def ema(decay: float = 0.995, form: str = "plain") -> Weight:
    """The weight of an exponential moving average: θ̄ ← decay · θ̄ + (1 − decay) · θ.

    `form` says what becomes of the start θ̄₀ = θ₀, which the 'plain' average, the lecture's, forgets as decayᵗ:

    - 'plain': 1 − decay, at every t.
    - 'warmup': 1 − min(decay, (1 + t)/(10 + t)), so that early updates count for more. The rule is that of TensorFlow's
      ExponentialMovingAverage with `num_updates`.
    - 'corrected': (1 − decay)/(1 − decayᵗ). The start does not count at all: the average is Σ decayᵗ⁻ⁱ θᵢ over the sum
      of these powers, as Adam corrects its means (Kingma, Ba 2015).

    >>> [round(ema(0.9, form)(1), 3) for form in ("plain", "warmup", "corrected")]
    [0.1, 0.818, 1.0]
    """
    check("ema", FRACTION, decay=decay)
    check("ema", _FORM, form=form)
    if form == "plain":
        return lambda t: 1 - decay
    if form == "warmup":
        return lambda t: 1 - min(decay, (1 + t) / (10 + t))
    return lambda t: (1 - decay) / (1 - decay**t)


def equal() -> Weight:
    """The weight 1/t of the plain mean over all updates (Polyak, Juditsky 1992; SWA: Izmailov et al. 2018).

    >>> [equal()(t) for t in (1, 2, 4)]
    [1.0, 0.5, 0.25]
    """
    return lambda t: 1 / t


class Average:
    """The running average of tensors: `update()` takes in what they are now, `values` is the average, in float64.

    It starts as the tensors are when it is made. (float64, because in float32 a weight of 1/t is soon too small to be
    seen.) Raises TypeError for anything but float tensors, ValueError if there are none.

    >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> average = Average([x], ema(0.75))
    >>> x.data = np.array([5.0, 2.0]); average.update()
    >>> average.values[0], average.count
    (array([2., 2.]), 1)
    """

    @named
    def __init__(self, tensors: Iterable[Tensor], weight: Weight | None = None) -> None:
        check("Average", instance(Iterable, "a list of float leaf tensors"), tensors=tensors)
        check("Average", instance(Callable | None, "a function of t, e.g. ema(0.99), or None"), weight=weight)
        self.tensors, self.weight = list(tensors), ema() if weight is None else weight
        if not self.tensors:
            raise ValueError("Average: there are no tensors to average")
        for i, x in enumerate(self.tensors):
            if not isinstance(x, Tensor) or x.dtype.kind != "f" or not x.is_leaf:
                raise TypeError(f"Average: item {i} is {x!r}; only float leaf tensors can be averaged")
        self.inside = False  # whether the tensors hold the average at present
        self.reset()

    @effectful
    def reset(self) -> None:
        """Start anew, from what the tensors are now."""
        self._outside("reset")
        self.count = 0
        self.values = [x.read().astype(np.float64) for x in self.tensors]

    @effectful
    def update(self) -> None:
        """Move the average towards what the tensors are now."""
        self._outside("update")
        self.count += 1
        weight = self.weight(self.count)
        for value, x in zip(self.values, self.tensors):
            value += weight * (x.read() - value)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """In the block, the tensors hold the average; after it, however it ends, what they held before.

        >>> x = Tensor(np.array([1.0]), requires_grad=True)
        >>> average = Average([x], equal())
        >>> x.data = np.array([3.0]); average.update()
        >>> x.data = np.array([5.0]); average.update()
        >>> with average.swapped():
        ...     print(x.data)
        [4.]
        >>> x.data
        array([5.])
        """
        self._outside("swapped")
        before = [x._data for x in self.tensors]
        try:
            self.put()
            self.inside = True
            yield
        finally:
            self.inside = False
            for x, data in zip(self.tensors, before):
                x.assign(data)

    @effectful
    def put(self) -> None:
        """Let the tensors be the average, for good."""
        self._outside("put")
        for x, value in zip(self.tensors, self.values):
            x.data = value.astype(x.dtype)

    def state_dict(self) -> dict[str, Array]:
        """Copies of the average, by the position of its tensor, and the number of updates, as arrays."""
        return {"count": np.array(self.count)} | {str(i): v.copy() for i, v in enumerate(self.values)}

    @effectful
    def load_state_dict(self, state: dict[str, Array]) -> None:
        """Take an average over, exactly. Raises ValueError, and changes nothing, if it is that of other tensors."""
        wanted = {"count": ()} | {str(i): v.shape for i, v in enumerate(self.values)}
        found, problems = entries(state)
        if problems:
            raise ValueError("\n  ".join(["Average: the state and this average differ", *problems]))
        given = {key: value.shape for key, value in found.items()}
        if wanted != given:
            differing = sorted(k for k in wanted.keys() | given.keys() if wanted.get(k) != given.get(k))
            raise ValueError(
                f"Average: the state is that of other tensors; it differs in {', '.join(differing)}: "
                f"{[given.get(k) for k in differing]} in the state, {[wanted.get(k) for k in differing]} here"
            )
        values = [np.array(state[str(i)], np.float64) for i in range(len(self.tensors))]
        self.count, self.values = int(state["count"]), values

    def _outside(self, name: str) -> None:
        if self.inside:
            raise RuntimeError(
                f"Average: {name} was called inside swapped(), where the tensors hold the average itself"
            )
