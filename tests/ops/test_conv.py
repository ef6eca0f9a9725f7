"""Convolution along one to three axes, and back: against sums over the taps, by dot products, and against PyTorch."""

import math

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg


@st.composite
def convolutions(draw):
    """The number of axes, and shapes and settings that fit: those of conv_transpose, that of its result's images."""
    d = draw(st.integers(1, 3))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(d))

    groups, single = draw(st.integers(1, 2)), draw(st.booleans())
    c, o = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel, stride, dilation, padding = each(1, 3), each(1, 3), each(1, 2), each(0, 2)
    reach = [a * (k - 1) + 1 for a, k in zip(dilation, kernel)]
    size = [max(1, r - 2 * p) + draw(st.integers(0, 3)) for r, p in zip(reach, padding)]
    lead = (c,) if single else (draw(st.integers(1, 2)), c)
    k = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return d, (*lead, *size), (o, c // groups, *kernel), k


def drawn(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def correlated(x, w, stride, padding, dilation, groups):
    """The sum over the taps, of one image after the other."""
    d = w.ndim - 2
    if x.ndim == d + 2:
        return np.stack([correlated(image, w, stride, padding, dilation, groups) for image in x])
    x = np.pad(x, [(0, 0), *((p, p) for p in padding)])
    axes = list(zip(x.shape[1:], w.shape[2:], stride, dilation))
    out = [(n - a * (k - 1) - 1) // s + 1 for n, k, s, a in axes]
    y = np.zeros((len(w), *out))
    for o in range(len(w)):
        first = o // (len(w) // groups) * w.shape[1]
        for tap in np.ndindex(*w.shape[1:]):
            at = [slice(i * a, i * a + (m - 1) * s + 1, s) for i, m, (_, _, s, a) in zip(tap[1:], out, axes)]
            y[o] += w[(o, *tap)] * x[(first + tap[0], *at)]
    return y


@cases(40)
@given(convolutions(), st.integers(0, 999))
def test_convolution_is_a_sum_over_taps(given_, seed):
    d, shape, kernel, k = given_
    x, w, b = drawn(seed, shape, kernel, kernel[:1])
    y = getattr(mg, f"conv{d}d")(x, w, b, **k)
    want = correlated(x, w, **k) + b.reshape(-1, *[1] * d)
    np.testing.assert_allclose(y.data, want, rtol=1e-12, atol=1e-12)
    assert getattr(mg, f"conv{d}d")(x.astype("f"), w.astype("f"), b.astype("f"), **k).dtype == np.float32


@cases(40)
@given(convolutions(), st.data(), st.integers(0, 999))
def test_transposed_convolution_is_the_adjoint(given_, data, seed):
    d, shape, kernel, k = given_
    settings = list(zip(shape[-d:], kernel[2:], k["stride"], k["padding"], k["dilation"]))
    out = [(n + 2 * p - a * (m - 1) - 1) // s + 1 for n, m, s, p, a in settings]
    extra = [n + 2 * p - a * (m - 1) - 1 - (o - 1) * s for o, (n, m, s, p, a) in zip(out, settings)]
    x, w = drawn(seed, shape, kernel)
    (g,) = drawn(seed + 1, (*shape[: -d - 1], kernel[0], *out))
    y = getattr(mg, f"conv_transpose{d}d")(g, w, output_padding=tuple(extra), **k)
    assert y.shape == x.shape
    np.testing.assert_allclose((y.data * x).sum(), (g * correlated(x, w, **k)).sum(), rtol=1e-10, atol=1e-10)


@cases(30)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3), st.sampled_from(["same", "valid"]), st.integers(0, 99))
def test_padding_by_name(n, kernel, dilation, padding, seed):
    x, w = drawn(seed, (2, n), (1, 2, kernel))
    reach = dilation * (kernel - 1)
    if padding == "valid" and reach >= n:
        with pytest.raises(ValueError, match="conv1d: a window of"):
            mg.conv1d(x, w, padding="valid", dilation=dilation)
        return
    y = mg.conv1d(x, w, padding=padding, dilation=dilation)
    x = np.pad(x, [(0, 0), (reach // 2, reach - reach // 2)]) if padding == "same" else x
    np.testing.assert_allclose(y.data, correlated(x, w, (1,), (0,), (dilation,), 1), atol=1e-12)


@cases(30)
@given(convolutions(), st.data(), st.integers(0, 999))
def test_as_pytorch_transposes(given_, data, seed):
    torch = pytest.importorskip("torch")
    d, shape, kernel, k = given_
    most = [max(s, a) - 1 for s, a in zip(k["stride"], k["dilation"])]
    k = {**k, "output_padding": tuple(data.draw(st.integers(0, m)) for m in most)}
    arrays = drawn(seed, shape, (shape[-d - 1], kernel[0] // k["groups"], *kernel[2:]), kernel[:1])
    settings = zip(shape[-d:], kernel[2:], k["stride"], k["padding"], k["dilation"], k["output_padding"])
    size = [(n - 1) * s - 2 * p + a * (m - 1) + e + 1 for n, m, s, p, a, e in settings]
    name = f"conv_transpose{d}d"
    if min(size) < 1:
        with pytest.raises(ValueError, match=f"{name}: an image"):
            getattr(mg, name)(*arrays, **k)
        return
    ours = [mg.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, want = getattr(mg, name)(*ours, **k), getattr(torch.nn.functional, name)(*theirs, **k)
    np.testing.assert_allclose(y.data, want.detach().numpy(), rtol=1e-10, atol=1e-10)
    g = np.cos(np.arange(math.prod(y.shape))).reshape(y.shape)
    for a, b in zip(mg.pull(y, ours, g), torch.autograd.grad(want, theirs, torch.tensor(g))):
        np.testing.assert_allclose(a.data, b.numpy(), rtol=1e-10, atol=1e-10)


def test_columns_are_windows_as_pytorch_lays_them_out():
    x = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    columns = mg.unfold_columns(x, (2, 3), padding=1, stride=2)
    windows = mg.unfold(x, (2, 3), 2, 1)
    assert np.array_equal(columns.data, windows.data.reshape(2, 18, -1))
    assert np.array_equal(mg.unfold_columns(x[0], (2, 3), padding=1, stride=2).data, columns.data[0])
    back = mg.fold_columns(columns, (4, 5), (2, 3), padding=1, stride=2)
    assert np.array_equal(back.data, mg.fold(windows, (4, 5), 2, 1).data)
    assert np.array_equal(mg.fold_columns(columns.data[0], (4, 5), (2, 3), padding=1, stride=2).data, back.data[0])
