"""Winograd's convolution against the plain one, and against the errors of direct summation."""

import os
import subprocess
import sys

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

if not kernels.JIT:
    pytest.skip("nothing is compiled", allow_module_level=True)

from minigrad.kernels import epilogue, winograd
from minigrad.kernels.blocks import adjoint_axes, adjoint_axis, forward_axes, forward_axis
from minigrad.kernels.pack import order

# Of 3√n, which sums of n products of normal numbers seldom exceed. Direct summation rounds n partial sums, the k-th of size
# √k, and is off by u n/√6; Winograd's method by up to 6 times that (tested below); the worst of 1e5 results is at 4.5
# standard deviations. With n up to 2,023, the pixels that a gradient of weights adds up, that makes 1e-5.
TOLERANCE = 6 * 4.5 * 2**-24 * np.sqrt(2023 / 6) / 3
DEFAULT = {"stride": (1, 1), "dilation": (1, 1), "groups": 1}
RESNET = [((128, 16, 32, 32), 16), ((128, 32, 16, 16), 32), ((128, 64, 8, 8), 64)]


def last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def conv2d(x, w, padding, **end):
    ys, xs = forward_axes(*x.shape[2:], 3, 3, 1, 1, *padding, 1, 1)
    y = np.full((len(x), ys.size, xs.size, len(w)), np.nan, "f")
    winograd.correlate(last(x), w, False, order((3, 3), ((ys, xs),)), y, ys, xs, epilogue.arguments(x.dtype, 1, **end))
    return y.transpose(0, 3, 1, 2)


def conv2d_input(g, w, size, padding):
    ((ys, xs),) = adjoint_axes(*size, 3, 3, 1, 1, *padding, 1, 1)
    gx = np.full((len(g), *size, w.shape[1]), np.nan, "f")
    winograd.correlate(last(g), w, True, order((3, 3), ((ys, xs),)), gx, ys, xs, epilogue.arguments(g.dtype, 1))
    return gx.transpose(0, 3, 1, 2)


def conv2d_weight(x, g, padding):
    ys, xs = forward_axes(*x.shape[2:], 3, 3, 1, 1, *padding, 1, 1)
    return winograd.correlate_weight(last(x), last(g), ys, xs)


def close(ours, theirs, least=1e-30):
    """Equal up to round-off of the largest, or of numbers as large as `least`, what the sums are by chance."""
    assert ours.shape == theirs.shape and ours.dtype == np.float32
    scale = np.abs(theirs).max(initial=least)
    np.testing.assert_allclose(ours / scale, theirs / scale, rtol=0, atol=TOLERANCE)


@st.composite
def shapes(draw):
    padding = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    size = [max(1, 3 - 2 * p) + draw(st.integers(0, 14)) for p in padding]
    return (draw(st.integers(1, 7)), draw(st.integers(1, 70)), *size), draw(st.integers(1, 70)), padding


@pytest.mark.slow
@cases(60)
@given(shapes(), st.integers(0, 2**32 - 1))
def test_agrees_with_plain(shape, seed):
    shape, o, padding = shape
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal(shape).astype("f"), rng.standard_normal((o, shape[1], 3, 3)).astype("f")
    full = DEFAULT | {"padding": padding}
    y = plain.conv2d(x.astype("d"), w.astype("d"), **full)
    usual = 3 * np.sqrt(9 * shape[1])  # one of a few sums of normal numbers may be small, its round-off is not
    close(conv2d(x, w, padding), y, usual)

    end = {"scale": rng.standard_normal(o).astype("f"), "shift": rng.standard_normal(o).astype("f")}
    end |= {"plus": rng.standard_normal(y.shape).astype("f"), "relu": True}
    close(conv2d(x, w, padding, **end), plain.conv2d(x, w, **full, **end), usual)

    back = rng.standard_normal((shape[1], o, 3, 3)).astype("f")  # x as the gradient
    size = tuple(s + 2 - 2 * p for s, p in zip(shape[2:], padding, strict=True))
    if min(size) > 0 and max(padding) < 3:
        gx = plain.conv2d_input(x.astype("d"), back.astype("d"), size=size, **full)
        close(conv2d_input(x, back, size, padding), gx)

    g = rng.standard_normal((len(x), o, *y.shape[2:])).astype("f")
    close(conv2d_weight(x, g, padding), plain.conv2d_weight(x.astype("d"), g.astype("d"), kernel=(3, 3), **full))


def rms(a):
    return float(np.sqrt((a * a).mean()))


@pytest.mark.parametrize("shape, o", [((4, 16, 32, 32), 16), ((8, 64, 8, 8), 64), ((2, 128, 14, 14), 128)])
def test_errors_are_a_few_times_those_of_direct_summation(shape, o, monkeypatch):
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal(s).astype("f") for s in (shape, (shape[0], o, *shape[2:])))
    w = rng.standard_normal((o, shape[1], 3, 3)).astype("f")
    padding = {"padding": (1, 1)}
    calls = [
        (3, "conv2d", x, w, {}),
        (3, "conv2d_input", g, w, {"size": shape[2:]}),
        (6, "conv2d_weight", x, g, {"kernel": (3, 3)}),
    ]
    for factor, name, a, b, options in calls:
        exact = getattr(plain, name)(a.astype("d"), b.astype("d"), **options, **padding, **DEFAULT)
        error = {}
        for use in True, False:
            monkeypatch.setattr(winograd, "USE", use)
            error[use] = rms(getattr(kernels, name)(a, b, **options, **padding) - exact)
        assert error[False] < error[True] < factor * error[False]  # the first: both ways were taken


@pytest.mark.parametrize("shape, o", RESNET)
def test_is_chosen_where_it_wins(shape, o):
    n, c, h, _ = shape
    axis, other = forward_axis(h, 3, 1, 1, 1), adjoint_axis(h, 3, 1, 1, 1)[0]
    f4, f8 = np.dtype("f4"), np.dtype("f8")
    assert winograd.applies(f4, n, c, o, axis, axis) and winograd.applies(f4, n, o, c, other, other)
    assert not winograd.applies(f8, n, c, o, axis, axis)
    assert not winograd.applies(f4, n, 1, o, axis, axis)
    assert winograd.LANE == 4 or not winograd.applies(f4, n, 3, o, axis, axis)  # which fill a vector of four, nearly
    assert c == 16 or winograd.applies(f4, n, c + 1, o + 1, axis, axis)
    assert not winograd.applies(f4, 0, c, o, axis, axis)
    assert not winograd.applies(f4, 1, 16 * c, o, forward_axis(4, 3, 1, 1, 1), forward_axis(4, 3, 1, 1, 1))
    for kernel, stride, dilation in (5, 1, 1), (1, 1, 1), (3, 2, 1), (3, 1, 2):
        wrong = forward_axis(h, kernel, stride, 1, dilation)
        assert not winograd.applies(f4, n, c, o, wrong, wrong)
        assert not winograd.applies(f4, n, c, o, axis, wrong)
    assert not any(winograd.applies(f4, n, c, o, phase, phase) for phase in adjoint_axis(2 * h, 5, 2, 2, 1))


def everything():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((5, 32, 13, 10)).astype("f"), rng.standard_normal((32, 32, 3, 3)).astype("f")
    g = rng.standard_normal((5, 96, 13, 10)).astype("f")
    return [
        kernels.conv2d(x, w, padding=(1, 1)),
        kernels.conv2d_input(x, w, size=(13, 10), padding=(1, 1)),
        kernels.conv2d_weight(x, x, kernel=(3, 3), padding=(1, 1)),
        kernels.conv2d_weight(x, g, kernel=(3, 3), padding=(1, 1)),  # so many sums that threads share them
    ]


@pytest.mark.slow
def test_can_be_turned_off(monkeypatch):
    on = everything()
    monkeypatch.setattr(winograd, "USE", False)
    for a, b in zip(on, everything(), strict=True):
        assert not np.array_equal(a, b)
        close(a, b)
    code = "from minigrad.kernels import winograd; print(winograd.USE)"
    environment = os.environ | {"MINIGRAD_WINOGRAD": "0"}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment, text=True).strip() == "False"


def test_one_and_two_threads_agree(eager_threads):
    kernels.set_num_threads(1)
    one = everything()
    kernels.set_num_threads(2)
    two = everything()
    for a, b in zip(one[:2], two[:2], strict=True):
        np.testing.assert_array_equal(a, b)  # blocks do not meet
    for a, b in zip(one[2:], two[2:], strict=True):
        close(b, a)
    for _ in range(5):
        for a, b in zip(two, everything(), strict=True):
            np.testing.assert_array_equal(a, b)


# ---- numbers of different sizes: how far each result may be off, and where results are not finite ------------------------

ONE = {"padding": (1, 1)}


def growth():
    """The norm of the transforms, their numbers taken as positive: the largest over outputs and over taps."""
    b, g, a = (
        np.abs([f.py_func(row) for row in np.eye(n)]).T
        for f, n in ((winograd._b, 6), (winograd._g, 3), (winograd._a, 6))
    )
    paths = np.einsum("ip,pa,pr->iar", a, g, b)  # from tap a and pixel r to output i
    return max(np.linalg.norm(m, 2) for m in (*paths, *paths.swapaxes(0, 1))) ** 2


def windows(x):
    """Σ x² over the window of each output."""
    return plain.conv2d(np.square(x.astype("d")).sum(1, keepdims=True), np.ones((1, 1, 3, 3)), **ONE)


def directly(name, *arrays, **options):
    """What the kernel says without Winograd's algorithm."""
    use, winograd.USE = winograd.USE, False
    try:
        return getattr(kernels, name)(*arrays, **options)
    finally:
        winograd.USE = use


def spoilt(rng, a, pattern, size):
    """Normal numbers, a few of which are as large, or as small, as `size`."""
    a = a.copy()
    n, c, i, j = (int(rng.integers(s)) for s in a.shape)
    where = {
        "pixel": (n, c, i, j),
        "pixel of all channels": (n, slice(None), i, j),
        "row": (n, c, i),
        "column": (n, slice(None), slice(None), j),
        "channel": (slice(None), c),
        "image": (n,),
        "all but a corner": (slice(None), slice(None), slice(i // 2 + 1, None)),
        "alternating": (n, c, slice(i % 2, None, 2), slice(j % 2, None, 2)),
    }[pattern]
    if np.isfinite(size) and size:
        a[where] *= size
    else:
        a[where] = size
    return a


PATTERNS = ["pixel", "pixel of all channels", "row", "column", "channel", "image", "all but a corner", "alternating"]
SIZES = st.one_of(
    st.floats(-30, 30).map(lambda e: 10.0**e), st.sampled_from([0.0, np.inf, -np.inf, np.nan, 3e38, 17.0, 1e3])
)


@pytest.mark.slow
@cases(40)
@given(
    st.sampled_from(PATTERNS), SIZES, st.floats(-30, 30), st.sampled_from(["x", "w"]), st.integers(0, 2**32 - 1)
)  # fmt: skip
def test_each_result_is_off_by_what_its_own_window_allows(pattern, size, scale, what, seed):
    rng = np.random.default_rng(seed)
    c, o, h, w = map(int, rng.integers([16, 16, 8, 8], [33, 33, 20, 20]))
    shape = 3, c, h, w
    x, w = rng.standard_normal(shape).astype("f"), rng.standard_normal((o, shape[1], 3, 3)).astype("f")
    if rng.integers(2):
        x = np.maximum(x, 0)
    with np.errstate(over="ignore", under="ignore"):
        x = (spoilt(rng, x, pattern, size if what == "x" else 1.0) * 10.0**scale).astype("f")
        w = w if what == "x" else spoilt(rng, w, "pixel", np.float32(size))
    u, tiny, c = 2.0**-24, np.finfo("f").tiny, shape[1]
    back = w.swapaxes(0, 1)[:, :, ::-1, ::-1]  # with which the adjoint is a convolution
    for name, k, options in ("conv2d", w, {}), ("conv2d_input", back.copy(), {"size": shape[2:]}):
        ours, direct = (
            f(name, x, k, **ONE, **options) for f in (lambda n, *a, **k: getattr(kernels, n)(*a, **k), directly)
        )
        finite = np.isfinite(direct)
        np.testing.assert_array_equal(np.isfinite(ours), finite)
        np.testing.assert_array_equal(ours[~finite], direct[~finite])
        with np.errstate(invalid="ignore", over="ignore"):
            exact = plain.conv2d(x.astype("d"), w.astype("d"), **ONE)
            norms = np.sqrt(windows(x)) * np.sqrt(np.square(w.astype("d")).sum((1, 2, 3)))[:, None, None]
            bound = (c + 25) * u * growth() * winograd.SPREAD * norms + (9 * c + 5) * tiny
            assert (np.abs(ours - exact)[finite] <= bound[finite]).all()


@pytest.mark.slow
@cases(20)
@given(st.sampled_from(PATTERNS), SIZES, st.sampled_from("xg"), st.integers(0, 2**32 - 1))
def test_a_gradient_of_weights_is_off_by_what_its_channels_allow(pattern, size, what, seed):
    rng = np.random.default_rng(seed)
    x, g = rng.standard_normal((2, 2, 16, 12, 12)).astype("f")
    with np.errstate(over="ignore"):
        x, g = (spoilt(rng, a, pattern, np.float32(size if name == what else 1)) for a, name in ((x, "x"), (g, "g")))
    ours, direct = (
        kernels.conv2d_weight(x, g, kernel=(3, 3), **ONE),
        directly("conv2d_weight", x, g, kernel=(3, 3), **ONE),
    )
    finite = np.isfinite(direct)
    np.testing.assert_array_equal(np.isfinite(ours), finite)
    with np.errstate(invalid="ignore", over="ignore"):
        exact = plain.conv2d_weight(x.astype("d"), g.astype("d"), kernel=(3, 3), **ONE)
        padded = np.pad(x.astype("d"), [(0, 0), (0, 0), (1, 1), (1, 1)])
        tiles = [(4 * i, 4 * j) for i in range(3) for j in range(3)]
        patches = [np.square(padded[:, :, i : i + 6, j : j + 6]).sum((2, 3)) ** 0.5 for i, j in tiles]
        pixels = [np.square(g[:, :, i : i + 4, j : j + 4].astype("d")).sum((2, 3)) ** 0.5 for i, j in tiles]
        sizes = sum(np.einsum("no,nc->oc", a, b) for a, b in zip(pixels, patches, strict=True))
        bound = (2 * len(tiles) + 25) * 2.0**-24 * growth() * sizes + 9 * np.finfo("f").tiny * x.size
        unbounded = ~np.isfinite(bound)[
            :, :, None, None
        ]  # a tile with NaN says nothing of the taps that do not meet it
        assert ((np.abs(ours - exact) <= bound[:, :, None, None]) | unbounded)[finite].all()


@pytest.mark.parametrize("value", [1e6, -1e20, 3e38, np.inf, np.nan])
def test_tiles_are_summed_directly_and_others_are_not(value, monkeypatch):
    monkeypatch.setattr(winograd, "_wins", lambda *_: True)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 16, 15, 13)).astype("f"), rng.standard_normal((16, 16, 3, 3)).astype("f")
    end = {"scale": rng.random(16, "f"), "shift": rng.random(16, "f"), "plus": rng.random(x.shape, "f"), "relu": True}
    before = kernels.conv2d(x, w, **ONE, **end)
    x[1, 3, 6, 6] = x[2, 2, 14, 12] = value  # inside of one tile, and at the end
    y, direct = kernels.conv2d(x, w, **ONE, **end), directly("conv2d", x, w, **ONE, **end)
    again = np.zeros(x.shape, bool)
    again[1, :, 4:8, 4:8] = again[2, :, 12:, 8:] = True
    np.testing.assert_array_equal(y[again], direct[again])
    np.testing.assert_array_equal(y[~again], before[~again])
    assert not np.array_equal(y[~again], direct[~again])
    if not np.isfinite(value):
        assert (~np.isfinite(directly("conv2d", x, w, **ONE))).sum() == 16 * (9 + 4)


@pytest.mark.parametrize("border", range(1, 8))
def test_what_reads_nothing_is_exact(border, monkeypatch):
    monkeypatch.setattr(winograd, "_wins", lambda *_: True)
    rng = np.random.default_rng(border)
    x, w = np.zeros((2, 16, 20, 19), "f"), rng.standard_normal((16, 16, 3, 3)).astype("f")
    inside = (slice(None), slice(None), slice(border, -border), slice(border, -border))
    x[inside] = rng.standard_normal(x[inside].shape)
    end = {"scale": rng.random(16, "f"), "shift": rng.random(16, "f"), "plus": rng.random(x.shape, "f"), "relu": True}
    direct, empty = directly("conv2d", x, w, **ONE, **end), np.broadcast_to(windows(x) == 0, x.shape)
    y = kernels.conv2d(x, w, **ONE, **end)
    np.testing.assert_array_equal(y[empty], direct[empty])
    close(y, direct)


@pytest.mark.parametrize("size", [(16, 16), (14, 14), (7, 7), (9, 13)])
@pytest.mark.parametrize("images", ["normal", "rectified", "constant", "zero", "of one bright row"])
def test_ordinary_images_stay(images, size):
    """What layers see is not summed again: the test looks for what no layer wants."""
    x = np.random.default_rng(0).standard_normal((4, 16, *size)).astype("f")
    x = {
        "normal": x,
        "rectified": np.maximum(x, 0),
        "constant": np.ones_like(x),
        "zero": 0 * x,
        "of one bright row": np.concatenate([x[:, :, :1] * 10, x[:, :, 1:]], 2),
    }[images]
    w = np.ones((16, 16, 3, 3), "f")
    for padding in 0, 1, 2:
        ys, xs = forward_axes(*size, 3, 3, 1, 1, padding, padding, 1, 1)
        y = np.empty((len(x), ys.size, xs.size, len(w)), "f")
        end = epilogue.arguments(x.dtype, 1)
        assert winograd.correlate(last(x), w, False, order((3, 3), ((ys, xs),)), y, ys, xs, end).size == 0


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30, 1e-30, 0.0])
def test_wild_weights_are_not_transformed(value):
    w = np.ones((16, 16, 3, 3), "f")
    assert winograd.tame(w)
    assert not winograd.tame(w * np.float32(value) if value < 1 else np.append(w.ravel(), np.float32(value)))


def test_one_signature():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 32, 16, 16)).astype("f"), rng.standard_normal((32, 32, 3, 3)).astype("f")
    frozen = x.copy()
    frozen.flags.writeable = False
    for image in x, x[::-1], frozen, x.transpose(0, 1, 3, 2), np.broadcast_to(x[:1], x.shape):
        for weight in w, w[:, :, ::-1], np.broadcast_to(w[:1], w.shape):
            y = kernels.conv2d(image, weight, padding=(1, 1))
            kernels.conv2d_input(y[::-1], weight, size=(16, 16), padding=(1, 1))
            kernels.conv2d_weight(image, y[::-1], kernel=(3, 3), padding=(1, 1))
    compiled = {
        name: len(f.signatures)
        for name, f in vars(winograd).items()
        if hasattr(f, "signatures") and f.__module__ == winograd.__name__
    }
    assert compiled["_correlate_blocks"] == compiled["_correlate_weight"] == 1
    assert {name: count for name, count in compiled.items() if count > 1} == {}
