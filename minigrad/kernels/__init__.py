"""Floor 0: loops over ndarrays. Arrays and numbers in, arrays out; no Tensor, no derivative rule, no policy.

Each function here runs jitted when its arrays are all float32 or all float64, and as plain NumPy (`plain.py`, the same
names) for every other dtype or under MINIGRAD_JIT=0. Nothing is compiled, nor Numba imported, before the first call.

Images are logically (N,C,H,W), with any strides; results are stored channels last, which is the fast path of every
kernel. Spatial arguments are pairs of ints. Callers have checked the shapes.
"""

import importlib
import os
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np

from . import plain
from .threads import get_num_threads, set_num_threads

__all__ = [
    "avg_pool2d",
    "avg_pool2d_input",
    "batch_norm_backward",
    "batch_norm_second",
    "channel_moments",
    "channel_sums",
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
    "elu",
    "elu_backward",
    "fold",
    "gate",
    "gelu",
    "gelu_backward",
    "get_num_threads",
    "leaky_relu",
    "leaky_relu_backward",
    "matmul",
    "max_pool2d",
    "normalize",
    "pool_put",
    "pool_take",
    "set_num_threads",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax_cross_entropy",
    "tanh_backward",
    "unfold",
    "update",
]

Array = np.ndarray
Pair = tuple[int, int]

JIT = os.environ.get("MINIGRAD_JIT", "1") != "0" and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")

FEW = 4096  # numbers up to which a few calls of NumPy take less time than one of a kernel


def conv2d(
    x: Array,
    w: Array,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    scale: Array | None = None,
    shift: Array | None = None,
    plus: Array | None = None,
    relu: bool = False,
) -> Array:  # (N,C,H,W), (O,C/groups,kh,kw) -> (N,O,OH,OW)
    """Cross-correlate images with O kernels; then * scale and + shift, both (O,); + plus, an array like it; then relu.

    In float32, here and in the two adjoints, most convolutions with 3x3 kernels at stride 1 go by Winograd's algorithm:
    faster, with two or three times the round-off. MINIGRAD_WINOGRAD=0 turns that off.
    """
    room = _room("conv", x, w, *(a for a in (scale, shift, plus) if a is not None))
    return room.conv2d(
        x,
        w,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        scale=scale,
        shift=shift,
        plus=plus,
        relu=relu,
    )


def conv2d_input(
    g: Array,
    w: Array,
    *,
    size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:  # (N,O,OH,OW), (O,C/groups,kh,kw) -> (N,C,H,W)
    """The adjoint of conv2d in x, for images of that size."""
    room = _room("conv", g, w)
    return room.conv2d_input(g, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv2d_weight(
    x: Array,
    g: Array,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:  # (N,C,H,W), (N,O,OH,OW) -> (O,C/groups,kh,kw)
    """The adjoint of conv2d in w, for kernels of that size."""
    room = _room("conv", x, g)
    return room.conv2d_weight(x, g, kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups)


def matmul(a: Array, b: Array) -> Array:
    """a @ b."""
    return _room("blas", a, b).matmul(a, b)


def unfold(
    x: Array, *, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1)
) -> Array:  # (N,C,H,W) -> (N,C,kh,kw,oh,ow)
    """Every window of every image."""
    return plain.unfold(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


def fold(
    cols: Array, *, size: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1)
) -> Array:  # (N,C,kh,kw,oh,ow) -> (N,C,H,W)
    """The adjoint of unfold: add every window back to where it came from."""
    return plain.fold(cols, size=size, stride=stride, padding=padding, dilation=dilation)


def max_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> tuple[Array, Array]:  # (N,C,H,W) -> maxima (N,C,OH,OW), winners (N,C,OH,OW) ints
    """The maximum of each window, and the (first) tap it has it at, a * kw + b. Padding never wins, NaN always does."""
    return _room("pool", x).max_pool2d(x, kernel=kernel, stride=stride, padding=padding)


def pool_take(
    x: Array, winners: Array, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> Array:  # (N,C,H,W), (N,C,OH,OW) -> (N,C,OH,OW)
    """Gather x at the taps that max_pool2d found."""
    return _room("pool", x).pool_take(x, winners, kernel=kernel, stride=stride, padding=padding)


def pool_put(
    g: Array, winners: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> Array:  # (N,C,OH,OW) twice -> (N,C,H,W)
    """The adjoint of pool_take: add g up at these taps."""
    return _room("pool", g).pool_put(g, winners, size=size, kernel=kernel, stride=stride, padding=padding)


def avg_pool2d(x: Array, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Array:  # (N,C,H,W) -> (N,C,OH,OW)
    """The mean of each window; zeros of the padding count."""
    return _room("pool", x).avg_pool2d(x, kernel=kernel, stride=stride, padding=padding)


def avg_pool2d_input(
    g: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> Array:  # (N,C,OH,OW) -> (N,C,H,W)
    """The adjoint of avg_pool2d."""
    return _room("pool", g).avg_pool2d_input(g, size=size, kernel=kernel, stride=stride, padding=padding)


def channel_moments(x: Array) -> tuple[Array, Array]:  # (N,C) or (N,C,H,W) -> mean (C,), biased variance (C,)
    """The mean and the biased variance of each channel."""
    return _room("norm", x).channel_moments(x)


def channel_sums(x: Array) -> Array:  # (N,C) or (N,C,H,W) -> (C,)
    """The sum of each channel: the gradient of a bias."""
    return _room("norm", x).channel_sums(x)


def normalize(
    x: Array, mean: Array, scale: Array, shift: Array, *, plus: Array | None = None, relu: bool = False
) -> Array:  # (N,C) or (N,C,H,W), three of (C,) -> like x
    """(x - mean) * scale + shift, channel by channel; then + plus, an array like x; then relu."""
    arrays = (x, mean, scale, shift) if plus is None else (x, mean, scale, shift, plus)
    return _room("norm", *arrays).normalize(x, mean, scale, shift, plus=plus, relu=relu)


def gate(g: Array, y: Array) -> Array:  # two of one shape -> like y
    """g where y > 0, else 0."""
    return _room("elementwise", g, y).gate(g, y)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    return _room("elementwise", x).sigmoid(x)


def sigmoid_backward(g: Array, y: Array) -> Array:
    """g times the derivative of the sigmoid where its value is y."""
    return (_room("elementwise", g, y) if g.size > FEW else plain).sigmoid_backward(g, y)


def tanh_backward(g: Array, y: Array) -> Array:
    """g times the derivative of tanh where its value is y."""
    return (_room("elementwise", g, y) if g.size > FEW else plain).tanh_backward(g, y)


def silu(x: Array) -> Array:
    """x * sigmoid(x)."""
    return _room("elementwise", x).silu(x)


def silu_backward(g: Array, x: Array) -> Array:
    """g times the derivative of silu at x."""
    return _room("elementwise", g, x).silu_backward(g, x)


def gelu(x: Array) -> Array:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))."""
    return _room("elementwise", x).gelu(x)


def gelu_backward(g: Array, x: Array) -> Array:
    """g times the derivative of gelu at x."""
    return _room("elementwise", g, x).gelu_backward(g, x)


def elu(x: Array, *, alpha: float) -> Array:
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    return _room("elementwise", x).elu(x, alpha=alpha)


def elu_backward(g: Array, x: Array, *, alpha: float) -> Array:
    """g times the derivative of elu at x, which is taken to be 0 at 0."""
    return _room("elementwise", g, x).elu_backward(g, x, alpha=alpha)


def leaky_relu(x: Array, *, slope: float) -> Array:
    """x where positive, slope * x elsewhere."""
    return _room("elementwise", x).leaky_relu(x, slope=slope)


def leaky_relu_backward(g: Array, x: Array, *, slope: float) -> Array:
    """g times the derivative of leaky_relu at x, which is taken to be 0 at 0."""
    return _room("elementwise", g, x).leaky_relu_backward(g, x, slope=slope)


def batch_norm_backward(
    g: Array, x: Array, gamma: Array, mean: Array, istd: Array, *, gate: Array | None = None
) -> tuple[Array, Array, Array]:  # -> gx, ggamma (C,), gbeta (C,)
    """The gradients of normalize(x, mean, gamma * istd, beta), through mean and istd = 1 / sqrt(variance + eps) too.

    With a `gate`, an array like x, g counts only where the gate is positive: the relu that came next.
    """
    arrays = (g, x, gamma, mean, istd) if gate is None else (g, x, gamma, mean, istd, gate)
    return _room("norm", *arrays).batch_norm_backward(g, x, gamma, mean, istd, gate=gate)


def batch_norm_second(g: Array, t: Array, x: Array, mean: Array, istd: Array) -> Array:
    """How batch_norm_backward's gx, with gamma = 1, changes when x moves along t; symmetric in g and t."""
    return _room("norm", g, t, x, mean, istd).batch_norm_second(g, t, x, mean, istd)


def softmax_cross_entropy(
    logits: Array, labels: Array, *, smoothing: float = 0.0
) -> tuple[Array, Array]:  # (N,K), (N,) ints -> losses (N,), slopes (N,K)
    """The loss of each sample against the target (1 - smoothing) * onehot + smoothing / K, and its gradient."""
    return _room("softmax", logits).softmax_cross_entropy(logits, labels, smoothing=smoothing)


def update(
    rule: Callable[..., tuple],
    ps: Sequence[Array],
    gs: Sequence[Array],
    states: Sequence[Sequence[Array]],
    numbers: Sequence[float],
    *,
    keep: float = 1.0,
    decay: float = 0.0,
) -> None:
    """Move all ps, and their state, in place, by a rule of `rules.py` with these numbers as its coefficients.

    Each entry of `states` has one array for each of ps. Decay comes before the rule, which sees keep * p in place of p,
    and g + decay * p in place of g.
    """
    _room("step", ps[0]).update(rule, ps, gs, states, numbers, keep=keep, decay=decay)


_FLOATS = (np.dtype("f4"), np.dtype("f8"))
_rooms: dict[str, ModuleType] = {}


def _room(name, *arrays):
    """The module that has the kernel: jitted if all arrays are of one of our floats, else plain NumPy."""
    dtype = arrays[0].dtype
    if not JIT or dtype not in _FLOATS:
        return plain
    for a in arrays:
        if a.dtype != dtype:
            return plain
    room = _rooms.get(name)
    if room is None:
        room = _rooms[name] = importlib.import_module(f"{__name__}.{name}")
    return room
