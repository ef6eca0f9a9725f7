"""Every kernel in plain NumPy: short, obviously right, and good for complex numbers.

Here kernels are described. This is what runs with MINIGRAD_JIT=0 or for dtypes other than float32 and float64, and
what the jitted kernels are tested against. Branches look at the real part only and nothing is conjugated, so a complex
step passes through. It is never tuned for speed. Images are logically (N,C,H,W); results are stored channels last.
"""

import math

import numpy as np

from ..typing import Array, Pair

# Convolution: unfold the windows, then one matrix product per image and group.


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
):  # (N,C,H,W), (O,C/groups,kh,kw) -> (N,O,OH,OW)
    """Cross-correlate images with O kernels; then * scale and + shift, both (O,); + plus, an array like it; then relu.

    In float32, here and in the two adjoints, most convolutions with 3x3 kernels at stride 1 go by Winograd's algorithm:
    faster, with two or three times the round-off. MINIGRAD_WINOGRAD=0 turns that off.
    """
    n, (o, _, kh, kw) = len(x), w.shape
    cols = unfold(x, kernel=(kh, kw), stride=stride, padding=padding, dilation=dilation)
    oh, ow = cols.shape[4:]
    cols = cols.reshape(n, groups, w[0].size, oh * ow)  # (N,G,K,P)
    y = w.reshape(groups, o // groups, w[0].size) @ cols  # (N,G,O/G,P)
    y = y.reshape(n, o, oh, ow)
    y = y if scale is None else y * _channel(scale, y)
    y = y if shift is None else y + _channel(shift, y)
    y = y if plus is None else y + plus
    return _channels_last(np.where(y.real <= 0, 0, y).astype(y.dtype) if relu else y)


def conv2d_input(
    g: Array,
    w: Array,
    *,
    size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
):  # (N,O,OH,OW), (O,C/groups,kh,kw) -> (N,C,H,W)
    """The adjoint of conv2d in x, for images of that size."""
    n, o, oh, ow = g.shape
    w_t = w.reshape(groups, o // groups, w[0].size).swapaxes(1, 2)  # (G,K,O/G)
    cols = w_t @ g.reshape(n, groups, o // groups, oh * ow)  # (N,G,K,P)
    cols = cols.reshape(n, groups * w.shape[1], *w.shape[2:], oh, ow)
    return fold(cols, size=size, stride=stride, padding=padding, dilation=dilation)


def conv2d_weight(
    x: Array,
    g: Array,
    *,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
):  # (N,C,H,W), (N,O,OH,OW) -> (O,C/groups,kh,kw)
    """The adjoint of conv2d in w, for kernels of that size."""
    (n, c, _, _), (_, o, oh, ow) = x.shape, g.shape
    cols = unfold(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    cols = cols.reshape(n, groups, c // groups * kernel[0] * kernel[1], oh * ow)  # (N,G,K,P)
    gw = g.reshape(n, groups, o // groups, oh * ow) @ cols.swapaxes(2, 3)  # (N,G,O/G,K)
    return gw.sum(axis=0).reshape(o, c // groups, *kernel)


def unfold(
    x, *, kernel: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1)
):  # (N,C,H,W) -> (N,C,kh,kw,oh,ow)
    """Every window of every image."""
    n, c, *size = x.shape
    x = _pad(x, padding)
    cols = np.empty((n, c, *kernel, *_windows(size, kernel, stride, padding, dilation)), x.dtype)
    for a, b in np.ndindex(*kernel):
        cols[:, :, a, b] = x[_tap(a, b, cols.shape[4:], stride, dilation)]
    return cols


def fold(
    cols, *, size: Pair, stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1)
):  # (N,C,kh,kw,oh,ow) -> (N,C,H,W)
    """The adjoint of unfold: add every window back to where it came from."""
    (n, c, *kernel), windows = cols.shape[:4], cols.shape[4:]
    (h, w), (ph, pw) = size, padding
    x = np.zeros((n, c, h + 2 * ph, w + 2 * pw), cols.dtype)
    for a, b in np.ndindex(*kernel):
        x[_tap(a, b, windows, stride, dilation)] += cols[:, :, a, b]
    return _channels_last(x[:, :, ph : ph + h, pw : pw + w])


# Pooling


def max_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
):  # (N,C,H,W) -> (N,C,OH,OW), (N,C,OH,OW) ints
    """The maximum of each window, and the (first) tap it has it at, a * kw + b. Padding never wins, NaN always does."""
    n, c, *size = x.shape
    windows = _windows(size, kernel, stride, padding)
    inside, x = _pad(np.ones((1, 1, *size), bool), padding), _pad(x, padding)
    best, winners = np.zeros((n, c, *windows), x.dtype), np.full((n, c, *windows), -1)
    for a, b in np.ndindex(*kernel):
        tap = _tap(a, b, windows, stride)
        wins = inside[tap] & ((x[tap].real > best.real) | np.isnan(x[tap].real) | (winners < 0))
        best, winners = np.where(wins, x[tap], best), np.where(wins, a * kernel[1] + b, winners)
    return _channels_last(best), _channels_last(winners.astype(np.uint8 if winners.max(initial=0) < 256 else np.int32))


def pool_take(
    x: Array, winners, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
):  # (N,C,H,W), (N,C,OH,OW) -> (N,C,OH,OW)
    """Gather x at the taps that max_pool2d found."""
    x, y = _pad(x, padding), np.zeros(winners.shape, x.dtype)
    for a, b in np.ndindex(*kernel):
        y = np.where(winners == a * kernel[1] + b, x[_tap(a, b, y.shape[2:], stride)], y)
    return _channels_last(y)


def pool_put(
    g: Array, winners, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
):  # (N,C,OH,OW) twice -> (N,C,H,W)
    """The adjoint of pool_take: add g up at these taps."""
    taps = np.arange(kernel[0] * kernel[1]).reshape(*kernel, 1, 1)
    cols = np.where(winners[:, :, None, None] == taps, g[:, :, None, None], g.dtype.type(0))
    return fold(cols, size=size, stride=stride, padding=padding, dilation=(1, 1))


def avg_pool2d(x: Array, *, kernel: Pair, stride: Pair, padding: Pair = (0, 0)):  # (N,C,H,W) -> (N,C,OH,OW)
    """The mean of each window; zeros of the padding count."""
    cols = unfold(x, kernel=kernel, stride=stride, padding=padding, dilation=(1, 1))
    return _channels_last(cols.mean(axis=(2, 3)))


def avg_pool2d_input(
    g: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
):  # (N,C,OH,OW) -> (N,C,H,W)
    """The adjoint of avg_pool2d."""
    (n, c, *windows), (kh, kw) = g.shape, kernel
    cols = np.broadcast_to((g / (kh * kw))[:, :, None, None], (n, c, kh, kw, *windows))
    return fold(cols, size=size, stride=stride, padding=padding, dilation=(1, 1))


# Batch normalisation: y = gamma * (x - mean) * istd + beta, channel by channel


def taps(x: Array, starts, places, weights):  # (L,N,R), (M+1,), (T,) twice -> (L,M,R)
    """Each y[:, m] is the sum of weights[t] * x[:, places[t]] over the taps t from starts[m] to starts[m + 1]."""
    many = np.diff(starts)
    y = np.zeros((len(x), len(many), x.shape[2]), x.dtype)
    weights = weights.astype(x.real.dtype)[:, None]
    for k in range(many.max(initial=0)):  # the k-th tap of all that have so many
        rows = np.flatnonzero(many > k)
        t = starts[rows] + k
        y[:, rows if len(rows) < len(many) else slice(None)] += weights[t] * x[:, places[t]]
    return y


def channel_moments(x: Array):  # (N,C) or (N,C,H,W) -> mean (C,), biased variance (C,)
    """The mean and the biased variance of each channel; 0 where it has no numbers."""
    axes, m = (0, *range(2, x.ndim)), _channel_size(x)
    mean = x.sum(axis=axes) / m
    centred = x - _channel(mean, x)
    return mean, (centred * centred).sum(axis=axes) / m


def _channel_size(x: Array) -> int:
    """How many numbers each channel has, but at least 1: to divide by."""
    return max(1, x.size // max(1, x.shape[1]))


def channel_sums(x: Array):  # (N,C) or (N,C,H,W) -> (C,)
    """The sum of each channel: the gradient of a bias."""
    return x.sum(axis=(0, *range(2, x.ndim)))


def normalize(
    x: Array, mean: Array, scale: Array, shift: Array, *, plus: Array | None = None, relu: bool = False
):  # x, three of (C,) -> y like x
    """(x - mean) * scale + shift, channel by channel; then + plus, an array like x; then relu."""
    y = (x - _channel(mean, x)) * _channel(scale, x) + _channel(shift, x)
    y = y if plus is None else y + plus
    return _channels_last(np.where(y.real <= 0, 0, y).astype(y.dtype) if relu else y)


def batch_norm_backward(
    g: Array, x: Array, gamma: Array, mean: Array, istd: Array, *, gate: Array | None = None
):  # -> gx like x, ggamma (C,), gbeta (C,)
    """The gradients of normalize(x, mean, gamma * istd, beta), through mean and istd = 1 / sqrt(variance + eps) too.

    With a `gate`, an array like x, g counts only where the gate is positive: the relu that came next.
    """
    g = g if gate is None else np.where(gate.real > 0, g, g.dtype.type(0))
    axes, m = (0, *range(2, x.ndim)), _channel_size(x)
    xhat = (x - _channel(mean, x)) * _channel(istd, x)
    ggamma, gbeta = (g * xhat).sum(axis=axes), g.sum(axis=axes)
    gx = _channel(gamma * istd, x) * (g - _channel(gbeta / m, x) - xhat * _channel(ggamma / m, x))
    return _channels_last(gx), ggamma, gbeta


def batch_norm_second(g: Array, t: Array, x: Array, mean: Array, istd: Array):
    """How batch_norm_backward's gx, with gamma = 1, changes when x moves along t; symmetric in g and t."""
    axes = (0, *range(2, x.ndim))

    def average(a):
        return a.mean(axis=axes, keepdims=True)

    def pulled(u):
        return i * (u - average(u) - xhat * average(u * xhat))

    i = _channel(istd, x)
    xhat = (x - _channel(mean, x)) * i
    a, b = average(g * xhat), average(t * xhat)
    return _channels_last(-i * (b * pulled(g) + a * pulled(t) + xhat * average(g * pulled(t))))


# Functions of one entry, and their gradients


def relu(x: Array):
    """max(x, 0)."""
    return np.maximum(x, 0) if x.dtype.kind != "c" else np.where(x.real <= 0, 0, x)


def gate(g: Array, y: Array):  # two of one shape -> like g
    """g where y > 0, else 0."""
    return np.where(y.real > 0, g, g.dtype.type(0))


def sigmoid(x: Array):
    """1 / (1 + exp(-x)), without overflow."""
    right = x.real >= 0
    z = np.exp(np.where(right, -x, x))
    return np.where(right, 1, z) / (1 + z)


def sigmoid_backward(g: Array, y: Array):
    """g times the derivative of the sigmoid where its value is y."""
    return g * (y * (1 - y))


def tanh_backward(g: Array, y: Array):
    """g times the derivative of tanh where its value is y."""
    return g * (1 - y * y)


SILU_IS_RELU, GELU_IS_RELU, GELU_ERF_IS_RELU = (
    1024,
    32,
    40,
)  # beyond, the sigmoid is 0 or 1 in every dtype: what is far out counts as this far


def silu(x: Array):
    """x * sigmoid(x)."""
    near = np.where(x.real < -SILU_IS_RELU, -SILU_IS_RELU, x)
    return near * sigmoid(near)


def silu_backward(g: Array, x: Array):
    """g times the derivative of silu at x."""
    x = _near(x, SILU_IS_RELU)
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


def gelu(x: Array):
    """x / 2 * (1 + tanh(u)) = x * sigmoid(2 u), u = sqrt(2 / pi) * (x + 0.044715 * x**3)."""
    near = _near(x, GELU_IS_RELU)
    s = sigmoid((8 / np.pi) ** 0.5 * (near + 0.044715 * near**3))
    return np.where(x.real < -GELU_IS_RELU, near, x) * s


def gelu_backward(g: Array, x: Array):
    """g times the derivative of gelu at x."""
    x = _near(x, GELU_IS_RELU)
    s = sigmoid((8 / np.pi) ** 0.5 * (x + 0.044715 * x**3))
    return g * (s * (1 + x * (1 - s) * (8 / np.pi) ** 0.5 * (1 + 3 * 0.044715 * x * x)))


def _by_number(f):
    """A function of Python's numbers as one of arrays, in their dtype."""
    every = np.vectorize(f, otypes=[np.float64])
    return lambda x: every(x).astype(x.dtype)


_erf, _erfc = _by_number(math.erf), _by_number(math.erfc)


def erf(x: Array):
    """2/sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    return _erf(x)


def erfc(x: Array):
    """1 - erf(x), without cancellation."""
    return _erfc(x)


def gelu_erf(x: Array):
    """x times the normal distribution, erfc(-x / sqrt(2)) / 2."""
    near = np.where(x < -GELU_ERF_IS_RELU, -GELU_ERF_IS_RELU, x)
    return (near * (0.5 * _erfc(near * -math.sqrt(0.5)))).astype(x.dtype)


def gelu_erf_backward(g: Array, x: Array):
    """g times the derivative of gelu_erf at x."""
    near = _near(x, GELU_ERF_IS_RELU)
    density = np.exp(-0.5 * near * near) / math.sqrt(2 * math.pi)
    return (g * (0.5 * _erfc(near * -math.sqrt(0.5)) + near * density)).astype(x.dtype)


def _near(x, limit):
    return np.where(np.abs(x.real) > limit, np.copysign(limit, x.real), x)


def elu(x: Array, *, alpha: float):
    """x where positive, alpha * (exp(x) - 1) elsewhere."""
    return np.where(x.real > 0, x, alpha * np.expm1(np.where(x.real > 0, 0, x))).astype(x.dtype)


def elu_backward(g: Array, x: Array, *, alpha: float):
    """g times the derivative of elu at x, which is alpha at 0."""
    return (g * np.where(x.real > 0, 1, alpha * np.exp(np.where(x.real > 0, 0, x)))).astype(x.dtype)


def leaky_relu(x: Array, *, slope: float):
    """x where positive, slope * x elsewhere."""
    return np.where(x.real > 0, x, slope * x)


def leaky_relu_backward(g: Array, x: Array, *, slope: float):
    """g times the derivative of leaky_relu at x, which is slope at 0."""
    return np.where(x.real > 0, g, slope * g).astype(x.dtype)


# Normalisation of rows: y = (x - mean) / sqrt(variance + eps) * weight + bias, or with the mean square, not centred.
# weight and bias are (R,K) for R rows after each other, an entry serving F/K numbers in a row.


def normalize_rows(x: Array, weight: Array, bias: Array, *, eps: float, centred: bool):  # (M,F) -> y (M,F), stats (M,2)
    """Rows normalised, scaled and shifted; and their means and 1 / sqrt(variance + eps), which the gradients need."""
    mean = x.mean(axis=1, keepdims=True) * centred
    istd = (np.square(x - mean).mean(axis=1, keepdims=True) + x.dtype.type(eps)) ** -0.5
    w, b = (_each(v, x) for v in (weight, bias))
    return ((x - mean) * istd * w + b).astype(x.dtype), np.concatenate([mean, istd], 1).astype(x.dtype)


def normalize_rows_backward(g: Array, x: Array, weight: Array, stats: Array, *, centred: bool):
    """The gradients of x, weight and bias."""
    mean, istd = stats[:, :1], stats[:, 1:]
    y, h = (x - mean) * istd, g * _each(weight, x)
    gx = istd * (h - h.mean(axis=1, keepdims=True) * centred - y * (h * y).mean(axis=1, keepdims=True))
    parts = -1, *weight.shape, x.shape[1] // weight.shape[1]
    return gx.astype(x.dtype), (g * y).reshape(parts).sum(axis=(0, 3)), g.reshape(parts).sum(axis=(0, 3))


def _each(v, x):
    """(R,K) repeated to x's shape."""
    return np.tile(np.repeat(v, x.shape[1] // v.shape[1], 1), (len(x) // len(v), 1))


def normalize_groups(x: Array, weight: Array, bias: Array, *, eps: float):  # (N,C,H,W), (G,C/G) -> y, stats (N*G,2)
    """Images of which G groups of channels are normalised, each by itself: `normalize_rows` for images channels last."""
    y, stats = normalize_rows(x.reshape(len(x) * len(weight), -1), weight, bias, eps=eps, centred=True)
    return _channels_last(y.reshape(x.shape)), stats


def normalize_groups_backward(g: Array, x: Array, weight: Array, stats: Array):
    """The gradients of x, weight and bias."""
    rows = len(x) * len(weight), -1
    gx, gw, gb = normalize_rows_backward(g.reshape(rows), x.reshape(rows), weight, stats, centred=True)
    return _channels_last(gx.reshape(x.shape)), gw, gb


def softmax_rows(x: Array):
    """Over the last axis."""
    z = np.exp(from_top(x, x.ndim - 1))
    return z / z.sum(-1, keepdims=True)


def softmax_rows_backward(g: Array, y: Array):
    """The gradient of softmax, whose value is y, over the last axis."""
    return y * (g - (g * y).sum(-1, keepdims=True))


def add_rows(g: Array, ids, *, rows: int):  # (N,F), ids (N,) -> (rows,F)
    """Row ids[i] of the result is the sum of all rows g[i]."""
    out = np.zeros((rows, g.shape[1]), g.dtype)
    np.add.at(out, ids, g)
    return out


# Softmax cross-entropy: loss = -sum(target * log softmax(logits)), target = (1 - smoothing) * onehot + smoothing / K


def softmax_cross_entropy(logits: Array, labels, *, smoothing: float = 0.0):  # (N,K), (N,) -> losses (N,), slopes (N,K)
    """The loss of each sample against the target (1 - smoothing) * onehot + smoothing / K, and its gradient."""
    shifted = from_top(logits, 1)
    e = np.exp(shifted)
    total = e.sum(axis=1, keepdims=True)
    own, target = (np.arange(len(labels)), labels), np.full(logits.shape, smoothing / logits.shape[1], logits.dtype)
    target[own] += 1 - smoothing
    losses = np.log(total[:, 0])
    if smoothing < 1:
        losses -= (1 - smoothing) * shifted[own]
    if smoothing > 0:  # or an impossible class, of logit -inf, would make the loss NaN
        losses -= smoothing * shifted.mean(axis=1)
    return losses, e / total - target


def checksum(words):
    """(Σ low · high of each word mixed with its place, Σ words) of 64-bit words: equal, but for a chance of 2⁻⁶⁴, for
    equal words alone."""
    v = words ^ (np.arange(1, words.size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))  # 2⁶⁴ / golden ratio
    by_place = (v & np.uint64(0xFFFFFFFF)) * (v >> np.uint64(32))
    return by_place.sum(dtype=np.uint64), words.sum(dtype=np.uint64)


def from_top(x: Array, axis):
    """x less its largest entry along axis, which is 0 from itself even where it is infinite."""
    if not x.size:
        return x
    top = x.real.max(axis=axis, keepdims=True)
    if not (top == np.inf).any():
        return x - top
    with np.errstate(invalid="ignore"):
        return np.where(x.real == np.inf, 0, x - top)


# Optimizer steps, in place: parameters, gradients and state are lists of arrays


def update(rule, ps, gs, states, numbers, *, keep=1.0, decay=0.0):
    """Move all ps, and their state, in place, by a rule of `rules.py` with these numbers as its coefficients.

    Each entry of `states` has one array for each of ps. Decay comes before the rule, which sees keep * p in place of p,
    and g + decay * p in place of g.
    """
    for p, g, *own in zip(ps, gs, *states, strict=True):
        for old, new in zip((p, *own), rule(keep * p, g + decay * p, *own, *numbers), strict=True):
            old[...] = new


def _windows(size, kernel, stride, padding, dilation=(1, 1)):
    """How many windows fit along each axis."""
    axes = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)


def _pad(x, padding, value=0):
    (n, c, h, w), (ph, pw) = x.shape, padding
    padded = np.full((n, c, h + 2 * ph, w + 2 * pw), value, x.dtype)
    padded[:, :, ph : ph + h, pw : pw + w] = x
    return padded


def _tap(a, b, windows, stride, dilation=(1, 1)):
    """The slices of a padded image that tap (a, b) of every window sees."""
    (oh, ow), (sh, sw), (dh, dw) = windows, stride, dilation
    return ..., slice(a * dh, a * dh + sh * oh, sh), slice(b * dw, b * dw + sw * ow, sw)


def _channel(v, x):
    """A (C,) vector shaped to broadcast along axis 1 of x."""
    return v.reshape(-1, *[1] * (x.ndim - 2))


def _channels_last(y):
    """The same logical array, its memory in the order (N,H,W,C)."""
    return np.ascontiguousarray(y.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if y.ndim == 4 else y


def matmul(a: Array, b: Array):
    """a @ b."""
    return a @ b
