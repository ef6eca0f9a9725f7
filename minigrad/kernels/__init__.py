"""Floor 0: loops over ndarrays. Arrays and numbers in, arrays out; no Tensor, no derivative rule, no policy.

Each function here runs jitted when its arrays are all float32 or all float64, and as plain NumPy (`plain.py`, the same
names) for every other dtype or under MINIGRAD_JIT=0. Nothing is compiled, nor Numba imported, before the first call.

Images are logically (N,C,H,W), with any strides; results are stored channels last, which is the fast path of every
kernel. Spatial arguments are pairs of ints. Callers have checked the shapes.
"""

import importlib
import os
from types import ModuleType

import numpy as np

from . import plain
from .threads import get_num_threads, set_num_threads

__all__ = [
    "adam_step",
    "avg_pool2d",
    "avg_pool2d_input",
    "batch_norm_backward",
    "channel_moments",
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
    "fold",
    "gate",
    "get_num_threads",
    "normalize",
    "pool_put",
    "pool_take",
    "pool_winners",
    "set_num_threads",
    "sgd_step",
    "softmax_cross_entropy",
    "softmax_cross_entropy_backward",
    "unfold",
]

Array = np.ndarray
Pair = tuple[int, int]

JIT = os.environ.get("MINIGRAD_JIT", "1") != "0" and os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


def conv2d(
    x: Array, w: Array, *, stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1), groups: int = 1
) -> Array:  # (N,C,H,W), (O,C/groups,kh,kw) -> (N,O,OH,OW)
    """Cross-correlate images with O kernels.

    In float32, here and in the two adjoints, most convolutions with 3x3 kernels at stride 1 go by Winograd's algorithm:
    faster, with two or three times the round-off. MINIGRAD_WINOGRAD=0 turns that off.
    """
    room = _room("conv", x, w)
    return room.conv2d(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)


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


def pool_winners(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> Array:  # (N,C,H,W) -> (N,C,OH,OW) int32
    """Where each window has its (first) maximum: h*W + w in the image. Padding never wins, NaN always does."""
    return _room("pool", x).pool_winners(x, kernel=kernel, stride=stride, padding=padding)


def pool_take(x: Array, index: Array) -> Array:  # (N,C,H,W), (N,C,OH,OW) -> (N,C,OH,OW)
    """Gather x at the places that pool_winners found."""
    return _room("pool", x).pool_take(x, index)


def pool_put(g: Array, index: Array, *, size: Pair) -> Array:  # (N,C,OH,OW) twice -> (N,C,H,W)
    """The adjoint of pool_take: add g up at these places."""
    return _room("pool", g).pool_put(g, index, size=size)


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


def normalize(
    x: Array, mean: Array, scale: Array, shift: Array, *, plus: Array | None = None, relu: bool = False
) -> Array:  # (N,C) or (N,C,H,W), three of (C,) -> like x
    """(x - mean) * scale + shift, channel by channel; then + plus, an array like x; then relu."""
    arrays = (x, mean, scale, shift) if plus is None else (x, mean, scale, shift, plus)
    return _room("norm", *arrays).normalize(x, mean, scale, shift, plus=plus, relu=relu)


def gate(g: Array, y: Array) -> Array:  # two of one shape -> like g
    """g where y > 0, else 0."""
    return _room("relu", g, y).gate(g, y)


def batch_norm_backward(
    g: Array, x: Array, gamma: Array, mean: Array, istd: Array
) -> tuple[Array, Array, Array]:  # -> gx, ggamma (C,), gbeta (C,)
    """The gradients of normalize(x, mean, gamma * istd, beta), through mean and istd = 1 / sqrt(variance + eps) too."""
    return _room("norm", g, x, gamma, mean, istd).batch_norm_backward(g, x, gamma, mean, istd)


def softmax_cross_entropy(
    logits: Array, labels: Array, *, smoothing: float = 0.0
) -> tuple[Array, Array]:  # (N,K), (N,) ints -> losses (N,), probs (N,K)
    """The loss of each sample against the target (1 - smoothing) * onehot + smoothing / K."""
    return _room("softmax", logits).softmax_cross_entropy(logits, labels, smoothing=smoothing)


def softmax_cross_entropy_backward(
    g: Array, probs: Array, labels: Array, *, smoothing: float = 0.0
) -> Array:  # (N,), (N,K), (N,) -> (N,K)
    """g * (probs - target), the gradient of the losses in the logits."""
    return _room("softmax", g, probs).softmax_cross_entropy_backward(g, probs, labels, smoothing=smoothing)


def sgd_step(
    p: Array,
    g: Array,
    v: Array | None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    first: bool = False,
) -> None:
    """Move p, and its momentum buffer v, in place. On the `first` step the buffer starts as the gradient, undamped."""
    room = _room("step", p, g) if v is None else _room("step", p, g, v)
    room.sgd_step(
        p,
        g,
        v,
        lr=lr,
        momentum=momentum,
        dampening=dampening,
        nesterov=nesterov,
        weight_decay=weight_decay,
        first=first,
    )


def adam_step(
    p: Array,
    g: Array,
    m: Array,
    s: Array,
    *,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    t: int,
) -> None:
    """Move p, and its moments m and s, in place: step t = 1, 2, ... of Adam, or of AdamW if `decoupled`."""
    room = _room("step", p, g, m, s)
    room.adam_step(
        p, g, m, s, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay, decoupled=decoupled, t=t
    )


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
