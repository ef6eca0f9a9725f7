"""Convolution and its adjoints: jitted against plain, each against its adjoint, in every layout."""

import subprocess
import sys

import numpy as np
import pytest
from bounds import summed, within
from generated import SECONDS, cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

LAYOUTS = st.sampled_from(["plain", "channels last", "sliced", "reversed", "read-only", "broadcast"])
ENDS = "scale", "shift", "plus", "relu"


def pairs(lo, hi):
    return st.tuples(st.integers(lo, hi), st.integers(lo, hi))


@st.composite
def convolutions(draw):
    """Shapes of x and w, and the parameters of a convolution that has at least one window."""
    groups = draw(st.sampled_from([1, 1, 1, 2, 4, 8, 3]))
    c, o = (
        groups * draw(st.integers(1, 20 if groups < 4 else 9)),
        groups * draw(st.integers(1, 40 if groups < 4 else 17)),
    )
    if groups == 3:  # depthwise
        groups = c = o = draw(st.integers(2, 40))
    kernel, stride, padding, dilation = draw(pairs(1, 7)), draw(pairs(1, 4)), draw(pairs(0, 3)), draw(pairs(1, 2))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)]
    size = [least[0] + draw(st.integers(0, 9)), least[1] + draw(st.integers(0, 9))]
    shape = (draw(st.integers(0, 5)), c, *size)
    parameters = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return shape, (o, c // groups, *kernel), parameters


def agree(name, a, b, terms, end=None, **parameters):
    """The kernel and its twin give the same, up to round-off of sums of so many products."""
    end = end or {}
    ours = getattr(kernels, name)(a, b, **parameters, **end)
    twin, a64, b64 = getattr(plain, name), a.astype("d"), b.astype("d")
    sizes = {key: np.abs(value) for key, value in end.items()}
    assert ours.dtype == a.dtype
    magnitude = twin(abs(a64), abs(b64), **parameters, **sizes)
    within(ours, twin(a64, b64, **parameters, **end), summed(terms, magnitude, a.dtype))
    return ours


def agree_all(x, w, parameters, gradient=lambda y: y):
    """A convolution y, and both its adjoints at gradient(y)."""
    full = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1} | parameters
    g = gradient(agree("conv2d", x, w, w[0].size, **full))
    agree("conv2d_input", g, w, w[:, 0].size, size=x.shape[2:], **full)
    gw = agree("conv2d_weight", x, g, g[:, 0].size, kernel=w.shape[2:], **full)
    assert gw.flags.c_contiguous


def dot(a, b):
    return float((a * b).sum())


@pytest.fixture
def direct(monkeypatch):
    """Without Winograd's method, whose round-off is another: see test_winograd.py."""
    if kernels.JIT:
        monkeypatch.setattr("minigrad.kernels.winograd.USE", False)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2, 5])
@cases(3400 if SECONDS >= 300 else 400 if SECONDS else 40)  # 10,000 convolutions where there is time
@given(convolutions(), LAYOUTS, LAYOUTS, st.sampled_from("fd"), st.integers(0, 2**32 - 1))
def test_jitted_agree_with_plain(
    direct, laid_out, eager_threads, threads, convolution, layout_x, layout_g, dtype, seed
):
    kernels.set_num_threads(threads)
    shape, w_shape, parameters = convolution
    rng = np.random.default_rng(seed)
    x, w = laid_out(rng, shape, dtype, layout_x), laid_out(rng, w_shape, dtype, layout_g)
    agree_all(x, w, parameters, lambda y: laid_out(rng, y.shape, dtype, layout_g))


@pytest.mark.slow
@cases(60)
@given(convolutions(), LAYOUTS, st.sampled_from("fd"), st.sets(st.sampled_from(ENDS)), st.integers(0, 2**32 - 1))
def test_epilogues(direct, laid_out, convolution, layout, dtype, ends, seed):
    shape, w_shape, parameters = convolution
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal(shape).astype(dtype), rng.standard_normal(w_shape).astype(dtype)
    y = plain.conv2d(x, w, **parameters)
    end = {name: laid_out(rng, (2, len(w)), dtype, layout)[1] for name in ("scale", "shift")}
    end |= {"plus": laid_out(rng, y.shape, dtype, layout), "relu": True}
    agree("conv2d", x, w, w[0].size, {name: end[name] for name in ends}, **parameters)


@pytest.mark.parametrize("c, groups", [(1, 1), (16, 1), (5, 5)])  # direct, Winograd, depthwise
def test_epilogues_keep_nan_and_infinity(c, groups):
    x, w = np.ones((4, c, 16, 16), "f"), np.ones((c, c // groups, 3, 3), "f")
    x[0, 0, 0, 0], x[1, 0, 0, 0], x[2, 0, 0, 0] = np.nan, np.inf, -np.inf
    y = kernels.conv2d(x, w, padding=(1, 1), groups=groups, shift=np.ones(c, "f"), plus=np.ones_like(x), relu=True)
    assert np.isnan(y[0, 0, 0, 0]) and y[3, 0, 5, 5] == pytest.approx(9 * c // groups + 2)
    if c != 16:  # Winograd spreads an infinity as NaN
        assert y[1, 0, 0, 0] == np.inf and y[2, 0, 0, 0] == 0


@cases(40)
@given(convolutions(), st.sampled_from([kernels, plain]), st.integers(0, 2**32 - 1))
def test_adjoints(convolution, room, seed):
    shape, w_shape, parameters = convolution
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal(shape), rng.standard_normal(w_shape)
    y = room.conv2d(x, w, **parameters)
    g = rng.standard_normal(y.shape)
    forward, scale = dot(y, g), 1 + np.abs(y * g).sum()
    assert abs(dot(x, room.conv2d_input(g, w, size=shape[2:], **parameters)) - forward) <= 1e-12 * scale
    assert abs(dot(w, room.conv2d_weight(x, g, kernel=w_shape[2:], **parameters)) - forward) <= 1e-12 * scale


def test_plain_agrees_with_the_definition():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, 7, 6)), rng.standard_normal((6, 2, 3, 2))
    y = plain.conv2d(x, w, stride=(2, 1), padding=(1, 2), dilation=(1, 3), groups=2)
    assert y.shape == (2, 6, 4, 7)
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (2, 2)])
    for n, o, i, j in np.ndindex(*y.shape):
        window = padded[n, o // 3 * 2 : o // 3 * 2 + 2, 2 * i : 2 * i + 3, j : j + 4 : 3]
        assert y[n, o, i, j] == pytest.approx((window * w[o]).sum(), abs=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape, w_shape, parameters",
    [
        ((2, 3, 2, 2), (5, 3, 5, 5), {"padding": (2, 2)}),  # the kernel is larger than the image
        ((3, 7, 9, 9), (4, 7, 1, 1), {"stride": (3, 3)}),  # stride larger than the kernel: pixels nobody reads
        ((2, 70, 6, 5), (70, 1, 3, 3), {"padding": (1, 1), "groups": 70}),  # depthwise
        ((2, 3, 15, 14), (64, 3, 7, 7), {"stride": (2, 2), "padding": (3, 3)}),
        ((1, 65, 3, 3), (33, 65, 3, 3), {"padding": (1, 1)}),
        ((9, 2, 1, 1), (3, 2, 1, 1), {}),
        ((1, 4, 200, 3), (8, 4, 3, 3), {"padding": (1, 1)}),  # more rows than one block
        ((1, 3, 3, 3000), (8, 3, 3, 3), {}),  # one row is more than a block should hold
        ((64, 2, 3, 3), (8, 2, 3, 3), {"padding": (1, 1)}),  # several images per block
        ((2, 3, 5, 1), (4, 3, 1, 1), {"stride": (7, 7), "padding": (1, 1)}),
        ((0, 3, 8, 8), (4, 3, 3, 3), {}),
        ((3, 1, 9, 8), (40, 1, 5, 5), {"stride": (2, 1), "padding": (2, 3)}),  # so few channels that they are spread
        ((3, 2, 12, 9), (70, 2, 3, 4), {"stride": (1, 2), "padding": (1, 5), "dilation": (3, 2)}),
        ((3, 8, 5, 7), (12, 4, 1, 1), {"groups": 2}),  # pixels in one column
        ((2, 24, 9, 9), (40, 24, 1, 1), {"stride": (2, 2)}),  # read where they are
        ((2, 12, 20, 9), (8, 12, 3, 3), {}),
        ((1, 6, 3, 5), (18, 3, 3, 5), {"groups": 2}),  # the last tile of weights is not full
    ],
)
@pytest.mark.parametrize("dtype", "fd")
def test_odd_shapes(shape, w_shape, parameters, dtype, direct):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(shape).astype(dtype), rng.standard_normal(w_shape).astype(dtype)
    agree_all(x, w, parameters)


@pytest.mark.parametrize(
    "w_shape, parameters",
    [
        ((12, 6, 3, 3), {"stride": (2, 2), "padding": (1, 1)}),  # the input gradient in four phases
        ((40, 6, 1, 2), {"stride": (3, 2)}),  # with pixels nobody reads
        ((12, 3, 3, 3), {"groups": 2, "stride": (2, 1), "padding": (3, 0)}),
        ((6, 1, 3, 3), {"groups": 6, "stride": (2, 2)}),  # depthwise
        ((40, 6, 5, 5), {"padding": (2, 2)}),
    ],
)
def test_threads_agree(eager_threads, w_shape, parameters):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 6, 11, 9)), rng.standard_normal(w_shape)
    for n in 1, 2, 5:
        kernels.set_num_threads(n)
        agree_all(x, w, parameters)


def test_results_are_stored_channels_last():
    x, w = np.ones((2, 3, 5, 4), "f"), np.ones((6, 3, 3, 3), "f")
    y = kernels.conv2d(x, w)
    gx = kernels.conv2d_input(y, w, size=(5, 4))
    for image in y, gx, plain.conv2d_input(y, w, size=(5, 4), stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        assert image.transpose(0, 2, 3, 1).flags.c_contiguous


def test_nan_and_infinity_stay_in_their_windows():
    x, w = np.zeros((1, 1, 5, 5), "f"), np.ones((1, 1, 3, 3), "f")
    x[0, 0, 0, 0], x[0, 0, 4, 4] = np.nan, np.inf
    y = kernels.conv2d(x, w)[0, 0]
    assert np.isnan(y[0, 0]) and np.isinf(y[2, 2]) and np.isfinite(y).sum() == 7


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float16"])
def test_other_dtypes_are_kept(dtype):
    x, w = np.ones((2, 3, 5, 4), dtype), np.full((6, 3, 3, 3), 1 / 8, dtype)
    y = kernels.conv2d(x, w, padding=(1, 1))
    assert y.dtype == dtype
    assert kernels.conv2d_input(y, w, size=(5, 4), padding=(1, 1)).dtype == dtype
    assert kernels.conv2d_weight(x, y, kernel=(3, 3), padding=(1, 1)).dtype == dtype


def test_complex_step_gives_the_derivative():
    rng = np.random.default_rng(0)
    x, w, v = rng.standard_normal((2, 3, 6, 6)), rng.standard_normal((4, 3, 3, 3)), rng.standard_normal((4, 3, 3, 3))
    y = kernels.conv2d(x, w + 1e-30j * v, stride=(2, 2))
    np.testing.assert_allclose(y.imag / 1e-30, kernels.conv2d(x, v, stride=(2, 2)), rtol=0, atol=1e-12)


@cases(25)
@given(convolutions(), st.sampled_from(["d", "D"]), st.integers(0, 2**32 - 1))
def test_fold_is_the_adjoint_of_unfold(convolution, dtype, seed):
    shape, (_, _, *kernel), parameters = convolution
    del parameters["groups"]
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    cols = kernels.unfold(x, kernel=kernel, **parameters)
    other = rng.standard_normal(cols.shape).astype(dtype)
    gap = (cols * other).sum() - (x * kernels.fold(other, size=shape[2:], **parameters)).sum()
    assert abs(gap) <= 1e-12 * (1 + np.abs(cols * other).sum())


AT_THE_END = """
import ctypes, mmap, sys
import numpy as np
from minigrad import kernels

rng, kept = np.random.default_rng(int(sys.argv[1])), []

def at_the_end(*shape):
    size = 4 * int(np.prod(shape))
    pages = -(-size // mmap.PAGESIZE) + 1
    memory = mmap.mmap(-1, pages * mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    last = ctypes.c_void_p(start + (pages - 1) * mmap.PAGESIZE)
    assert ctypes.CDLL(None, use_errno=True).mprotect(last, mmap.PAGESIZE, 0) == 0
    kept.append(memory)
    a = np.frombuffer(memory, np.float32, size // 4, (pages - 1) * mmap.PAGESIZE - size)
    a[:] = rng.standard_normal(a.size)
    return a.reshape(shape)

for _ in range(150):
    kind, kernel, stride, padding = rng.integers(4), int(rng.integers(1, 6)), int(rng.integers(1, 3)), int(rng.integers(2))
    groups = int(rng.integers(1, 5))
    c, o = (groups * int(rng.integers(1, 24)) for _ in "co")
    if kind == 0:
        groups, o = c, c
    elif kind == 1:
        groups, kernel, stride = 1, 3, 1
    size = [kernel + int(rng.integers(12)) for _ in "hw"]
    full = dict(stride=(stride, stride), padding=(padding, padding), dilation=(1, 1), groups=groups)
    x = at_the_end(int(rng.integers(1, 4)), *size, c).transpose(0, 3, 1, 2)
    w = at_the_end(o, c // groups, kernel, kernel)
    y = kernels.conv2d(x, w, **full)
    g = at_the_end(*y.transpose(0, 2, 3, 1).shape).transpose(0, 3, 1, 2)
    kernels.conv2d_input(g, w, size=size, **full)
    kernels.conv2d_weight(x, g, kernel=(kernel, kernel), **full)
print("read what there is")
"""


@pytest.mark.slow
@pytest.mark.processor
@pytest.mark.skipif(sys.platform != "linux", reason="memory is protected by a call of Linux")
def test_nothing_is_read_past_the_end():
    """Arrays end where memory does: a vector that reaches further would be the end of the process."""
    run = subprocess.run([sys.executable, "-c", AT_THE_END, "0"], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and run.stdout == "read what there is\n", run.stderr[-2000:]
