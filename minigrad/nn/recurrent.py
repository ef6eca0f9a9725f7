"""Recurrent networks: plain, LSTM (Hochreiter, Schmidhuber 1997) and GRU (Cho et al. 2014), step by step or whole.

Parameters have PyTorch's names, shapes and order of gates: `weight_ih_l0` of what comes in, `weight_hh_l0` of the state.
Sequences are (L, N, features), with `batch_first` (N, L, features), or of one sample (L, features).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .. import random
from ..errors import shown
from ..ops import elementwise, noise, shape
from ..ranges import COUNT, INDEX, SWITCH, UNIT, check, choice
from ..tape import Tensor, constant
from ..typing import ArrayLike, DTypeLike, Rng
from . import init
from .layers import own_generator, transformed
from .module import Module, Parameter

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

_NONLINEARITY = choice("tanh", "relu")
State = tuple[Tensor, ...]  # (h,), of an LSTM (h, c)


# ---- one step: from what the input and the state add to the gates ------------------------------------------------------


def _cut(x: Tensor, n: int) -> list[Tensor]:
    size = x.shape[-1] // n
    return [x[..., i * size : (i + 1) * size] for i in range(n)]


def _rnn(x: Tensor, h: Tensor, state: State, nonlinearity: str) -> State:
    return (elementwise.tanh(x + h) if nonlinearity == "tanh" else elementwise.relu(x + h),)


def _lstm(x: Tensor, h: Tensor, state: State, _: str) -> State:
    i, f, g, o = _cut(x + h, 4)
    c = elementwise.sigmoid(f) * state[1] + elementwise.sigmoid(i) * elementwise.tanh(g)
    return elementwise.sigmoid(o) * elementwise.tanh(c), c


def _gru(x: Tensor, h: Tensor, state: State, _: str) -> State:
    (xr, xz, xn), (hr, hz, hn) = _cut(x, 3), _cut(h, 3)
    z = elementwise.sigmoid(xz + hz)
    n = elementwise.tanh(xn + elementwise.sigmoid(xr + hr) * hn)
    return (n + z * (state[0] - n),)


class _Kind(Module):
    """What the three kinds differ in."""

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    step: ClassVar[Callable[[Tensor, Tensor, State, str], State]]
    nonlinearity: str = "tanh"
    hidden_size: int

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, gates, states, step in ("RNN", 1, 1, _rnn), ("LSTM", 4, 2, _lstm), ("GRU", 3, 1, _gru):
            if cls.__name__.startswith(name) and cls.__module__ == __name__:
                cls.gates, cls.states, cls.step = gates, states, staticmethod(step)

    def _begin(self, input_size: int, hidden_size: int, bias: bool, nonlinearity: str) -> None:
        name = type(self).__name__
        check(name, COUNT, input_size=input_size, hidden_size=hidden_size)
        check(name, SWITCH, bias=bias)
        check(name, _NONLINEARITY, nonlinearity=nonlinearity)
        self.input_size, self.hidden_size = input_size, hidden_size
        if self.gates == 1:
            self.nonlinearity = nonlinearity

    def _drawn(self, *size: int, rng: np.random.Generator, dtype: DTypeLike) -> Parameter:
        bound = self.hidden_size**-0.5
        return Parameter(init.uniform(size, -bound, bound, rng=rng, dtype=dtype))

    def _states(self, hx: Any, sizes: list[tuple[int, ...]], dtype: np.dtype) -> State:
        """The given states, or zeros, of these shapes."""
        name = type(self).__name__
        sizes = sizes[: self.states]
        if hx is None:
            return tuple(Tensor(constant(np.zeros(size, dtype))) for size in sizes)
        if self.states == 2 and (not isinstance(hx, tuple | list) or len(hx) != 2):
            raise TypeError(f"{name}: hx is {shown(hx)}; it must be the pair (h, c)")
        given = tuple(map(shape.as_tensor, hx if self.states == 2 else (hx,)))
        for what, x, size in zip("hc", given, sizes):
            if x.shape != size or x.dtype.kind not in "fc":
                raise ValueError(f"{name}: {what} is {x.dtype} {x.shape}; it must be floats {size}")
        return given


class _Cell(_Kind):
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def _make(self, bias: bool, dtype: DTypeLike, rng: Rng) -> None:
        made: dict[str, Any] = {"rng": random.generator(rng), "dtype": dtype}
        size = self.gates * self.hidden_size
        self.weight_ih = self._drawn(size, self.input_size, **made)
        self.weight_hh = self._drawn(size, self.hidden_size, **made)
        self.bias_ih = self._drawn(size, **made) if bias else None
        self.bias_hh = self._drawn(size, **made) if bias else None

    def forward(self, x: ArrayLike, hx: Any = None) -> Any:
        x = shape.as_tensor(x)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            wanted = f"(N, {self.input_size}) or ({self.input_size},)"
            raise ValueError(f"{type(self).__name__}: x has shape {x.shape}; it must be {wanted}")
        states = self._states(hx, [(*x.shape[:-1], self.hidden_size)] * 2, x.dtype)
        xs, h = transformed(_row(x), self.weight_ih, self.bias_ih), _row(states[0])
        new = type(self).step(
            xs, transformed(h, self.weight_hh, self.bias_hh), tuple(map(_row, states)), self.nonlinearity
        )
        new = new if x.ndim == 2 else tuple(shape.squeeze(s, 0) for s in new)
        return new if self.states == 2 else new[0]


def _row(x: Tensor) -> Tensor:
    return x if x.ndim == 2 else shape.expand_dims(x, 0)


class RNNCell(_Cell):
    """One step h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it: x (N, input_size), h (N, hidden_size) or None."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        self._begin(input_size, hidden_size, bias, nonlinearity)
        self._make(bias, dtype, rng)


class LSTMCell(_Cell):
    """One step of an LSTM: x (N, input_size) and (h, c), each (N, hidden_size), or None; returns (h', c').

    c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c'), the gates i, f, g, o being W_ih x + b_ih + W_hh h + b_hh.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: DTypeLike = np.float32, rng: Rng = None
    ) -> None:
        self._begin(input_size, hidden_size, bias, "tanh")
        self._make(bias, dtype, rng)


class GRUCell(_Cell):
    """One step of a GRU: x (N, input_size) and h (N, hidden_size), or None; returns h'.

    h' = (1 − z) n + z h with the gates r, z = σ(W x + b + W h + b) and n = tanh(W x + b + r (W h + b)).
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: DTypeLike = np.float32, rng: Rng = None
    ) -> None:
        self._begin(input_size, hidden_size, bias, "tanh")
        self._make(bias, dtype, rng)


# ---- whole sequences ----------------------------------------------------------------------------------------------------


class _Recurrent(_Kind):
    proj_size: int = 0

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        self._begin(input_size, hidden_size, bias, "tanh")
        self._make(num_layers, bias, batch_first, dropout, bidirectional, dtype, rng)

    def _make(
        self,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        dtype: DTypeLike,
        rng: Rng,
    ) -> None:
        name = type(self).__name__
        check(name, COUNT, num_layers=num_layers)
        check(name, SWITCH, batch_first=batch_first, bidirectional=bidirectional)
        check(name, UNIT, dropout=dropout)
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.rng = dropout, bidirectional, own_generator(rng)
        made: dict[str, Any] = {"rng": random.generator(self.rng), "dtype": dtype}
        size, out = self.gates * self.hidden_size, self.proj_size or self.hidden_size
        for layer in range(num_layers):
            for way in self._ways(layer):
                setattr(self, f"weight_ih{way}", self._drawn(size, self._width(layer), **made))
                setattr(self, f"weight_hh{way}", self._drawn(size, out, **made))
                setattr(self, f"bias_ih{way}", self._drawn(size, **made) if bias else None)
                setattr(self, f"bias_hh{way}", self._drawn(size, **made) if bias else None)
                if self.proj_size:
                    setattr(self, f"weight_hr{way}", self._drawn(out, self.hidden_size, **made))

    def _ways(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def _width(self, layer: int) -> int:
        """How many features come into a layer."""
        return self.input_size if layer == 0 else (self.proj_size or self.hidden_size) * (1 + self.bidirectional)

    def forward(self, x: ArrayLike, hx: Any = None) -> Any:
        x = shape.as_tensor(x)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size or x.shape[-2 if self.batch_first else 0] == 0:
            order = "(N, L, " if self.batch_first else "(L, N, "
            wanted = f"{order}{self.input_size}), or (L, {self.input_size}), L ≥ 1"
            raise ValueError(f"{type(self).__name__}: x has shape {x.shape}; it must be {wanted}")
        single = x.ndim == 2
        steps = shape.expand_dims(x, 1) if single else shape.permute_dims(x, (1, 0, 2)) if self.batch_first else x
        many = self.num_layers * (1 + self.bidirectional)
        batch = () if single else (steps.shape[1],)
        sizes: list[tuple[int, ...]] = [
            (many, *batch, n) for n in (self.proj_size or self.hidden_size, self.hidden_size)
        ]
        given = self._states(hx, sizes, x.dtype)
        if single:
            given = tuple(shape.expand_dims(s, 1) for s in given)
        last: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for way in self._ways(layer):
                y, state = self._run(steps, tuple(s[len(last)] for s in given), way)
                outputs.append(y)
                last.append(state)
            steps = outputs[0] if len(outputs) == 1 else shape.concat(outputs, -1)
            if self.dropout and layer < self.num_layers - 1:
                steps = _dropped(steps, self.dropout, self.training, self.rng)
        ends = tuple(shape.stack(list(s)) for s in zip(*last))  # (layers · directions, N, features)
        if single:
            steps, ends = shape.squeeze(steps, 1), tuple(shape.squeeze(s, 1) for s in ends)
        elif self.batch_first:
            steps = shape.permute_dims(steps, (1, 0, 2))
        return steps, ends if self.states == 2 else ends[0]

    def _run(self, steps: Tensor, state: State, way: str) -> tuple[Tensor, State]:
        """One layer in one direction: its outputs (L, N, features), and the state at the end."""
        w, b = getattr(self, f"weight_hh{way}"), getattr(self, f"bias_hh{way}")
        project = getattr(self, f"weight_hr{way}") if self.proj_size else None
        gates = transformed(steps, getattr(self, f"weight_ih{way}"), getattr(self, f"bias_ih{way}"))  # (L,N,gates)
        backwards = way.endswith("_reverse")
        found = []
        for x in reversed(_each(gates)) if backwards else _each(gates):
            h, *more = type(self).step(x, transformed(state[0], w, b), state, self.nonlinearity)
            state = (h if project is None else transformed(h, project, None), *more)
            found.append(state[0])
        return shape.stack(found[::-1] if backwards else found), state


def _each(xs: Tensor) -> list[Tensor]:
    """The entries along the first axis, by halves: a gradient is then put back in log₂ L passes, not in L."""
    if len(xs) == 1:
        return [shape.squeeze(xs, 0)]
    half = len(xs) // 2
    return [*_each(xs[:half]), *_each(xs[half:])]


def _dropped(x: Tensor, p: float, training: bool, rng: Rng) -> Tensor:
    """Dropout with a p that may be 1."""
    if p == 1 and training:
        return x * 0.0
    return x if p == 1 else noise.dropout(x, p, training=training, rng=rng)


class RNN(_Recurrent):
    """`RNNCell` over sequences, `num_layers` of them one after the other, in both directions if `bidirectional`.

    Returns the outputs of the last layer (L, N, hidden_size · directions), and the last states of each layer and
    direction (num_layers · directions, N, hidden_size). `dropout` stands between layers. `nonlinearity` is 'tanh' or 'relu'.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        self._begin(input_size, hidden_size, bias, nonlinearity)
        self._make(num_layers, bias, batch_first, dropout, bidirectional, dtype, rng)


class LSTM(_Recurrent):
    """`LSTMCell` over sequences; otherwise as `RNN`. Returns the outputs, and (h, c) at the end; so is `hx` given.

    With `proj_size`, h has that many features, a linear map of σ(o) tanh(c) (Sak et al. 2014).

    >>> y, (h, c) = LSTM(3, 5, num_layers=2, rng=0)(np.ones((7, 2, 3), np.float32))
    >>> y.shape, h.shape, c.shape
    ((7, 2, 5), (2, 2, 5), (2, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        check("LSTM", INDEX, proj_size=proj_size)
        self._begin(input_size, hidden_size, bias, "tanh")
        if proj_size >= hidden_size:
            raise ValueError(f"LSTM: proj_size is {proj_size}; it must be less than hidden_size={hidden_size}")
        self.proj_size = proj_size
        self._make(num_layers, bias, batch_first, dropout, bidirectional, dtype, rng)


class GRU(_Recurrent):
    """`GRUCell` over sequences; otherwise as `RNN`."""
