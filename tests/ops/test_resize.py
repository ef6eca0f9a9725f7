"""Resizing, shuffling, padding and sampling: against NumPy's own and plain loops, and against PyTorch."""

import functools
import itertools
import math

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.gradcheck import EXACT

SIZES = st.integers(1, 8)
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def image(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def places(n, m, aligned):
    """Where m pixels lie among n."""
    if aligned:
        return np.linspace(0, n - 1, m) if m > 1 else np.zeros(1)
    return (np.arange(m) + 0.5) * n / m - 0.5


def along_each(x, out, one):
    """one(row, m) of all rows along each of the last axes."""
    for axis, m in enumerate(out, start=x.ndim - len(out)):
        x = np.apply_along_axis(one, axis, x, m)
    return x


@cases(40)
@given(st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=3), st.booleans(), st.integers(0, 999))
def test_linear_interpolation_is_that_of_numpy(sizes, aligned, seed):
    size, out = zip(*sizes)
    x = image((2, 1, *size), seed)
    want = along_each(x, out, lambda row, m: np.interp(places(len(row), m, aligned), np.arange(len(row)), row))
    got = mg.interpolate(x, out, mode=LINEAR[len(size)], align_corners=aligned)
    np.testing.assert_allclose(got.data, want, rtol=1e-12, atol=1e-12)
    assert mg.interpolate(x.astype("f"), out, mode=LINEAR[len(size)]).dtype == np.float32


@cases(40)
@given(st.lists(st.tuples(SIZES, SIZES), min_size=1, max_size=3), st.sampled_from("fiB"), st.integers(0, 999))
def test_nearest_takes_entries_and_area_their_means(sizes, dtype, seed):
    size, out = zip(*sizes)
    x = (100 * image((2, 1, *size), seed)).astype(dtype)
    nearest = mg.interpolate(x, out)
    assert nearest.dtype == x.dtype
    assert np.array_equal(nearest.data, along_each(x, out, lambda row, m: row[np.arange(m) * len(row) // m]))
    exact = mg.interpolate(x, out, mode="nearest-exact")
    middle = along_each(x, out, lambda row, m: row[(2 * np.arange(m) + 1) * len(row) // (2 * m)])
    assert np.array_equal(exact.data, middle)

    def means(row, m):
        return np.array([row[i * len(row) // m : -(-(i + 1) * len(row) // m)].mean() for i in range(m)])

    area = mg.interpolate(x.astype(float), out, mode="area")
    np.testing.assert_allclose(area.data, along_each(x.astype(float), out, means), rtol=1e-12, atol=1e-12)


@cases(20)
@given(SIZES, SIZES, st.sampled_from(["bilinear", "bicubic"]), st.booleans(), st.integers(0, 999))
def test_a_constant_stays_one_and_cubics_pass_through_pixels(n, m, mode, antialias, seed):
    y = mg.interpolate(np.full((1, 1, n, n), 3.0), m, mode=mode, antialias=antialias)
    np.testing.assert_allclose(y.data, 3.0, rtol=1e-14)
    x = image((1, 1, n, 1), seed)
    y = mg.interpolate(x, (3 * n, 1), mode="bicubic")
    np.testing.assert_allclose(y.data[:, :, 1::3], x, rtol=1e-12, atol=1e-12)


@cases(60)
@given(
    st.tuples(SIZES, SIZES),
    st.one_of(st.tuples(SIZES, SIZES), st.tuples(*[st.floats(0.4, 3)] * 2)),
    st.sampled_from(["nearest", "nearest-exact", "area", "bilinear", "bicubic"]),
    st.sampled_from([None, False, True]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 999),
)
def test_as_pytorch_resizes(size, out, mode, aligned, antialias, again, seed):
    torch = pytest.importorskip("torch")
    k = {"mode": mode, "align_corners": aligned, "antialias": antialias}
    k |= {"size": out} if isinstance(out[0], int) else {"scale_factor": out, "recompute_scale_factor": again}
    x = image((2, 3, *size), seed)
    xm = mg.tensor(x, requires_grad=True)
    try:
        want = torch.nn.functional.interpolate(torch.tensor(x), **k)
    except (RuntimeError, ValueError):
        want = None
    if want is None or 0 in want.shape:
        with pytest.raises(ValueError, match=r"^interpolate: "):
            mg.interpolate(xm, **k)
        return
    got = mg.interpolate(xm, **k)
    assert got.shape == tuple(want.shape)
    if antialias and got.shape[-1] == 1:
        return  # there PyTorch 2.13 gives something else than of the image turned by 90°
    np.testing.assert_allclose(got.data, want.numpy(), rtol=1e-9, atol=1e-9)
    g = np.cos(np.arange(got.size)).reshape(got.shape)
    # The adjoint of PyTorch's values: its own derivative (2.13) leaves an axis alone that keeps its size, whatever the factor.
    pixels = torch.eye(size[0] * size[1], dtype=torch.float64).reshape(-1, 1, *size)
    columns = torch.nn.functional.interpolate(pixels, **k).numpy()[:, 0]
    theirs = np.einsum("pij,ncij->ncp", columns, g).reshape(x.shape)
    np.testing.assert_allclose(mg.pull(got, [xm], g)[0].data, theirs, rtol=1e-9, atol=1e-9)


def test_older_names():
    x = image((1, 2, 3, 4), 0)
    assert np.array_equal(mg.upsample_nearest(x, 5).data, mg.interpolate(x, 5).data)
    aligned = mg.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    assert np.array_equal(mg.upsample_bilinear(x, scale_factor=2).data, aligned.data)
    assert np.array_equal(mg.upsample(x, None, 2, "bilinear", True).data, aligned.data)


@cases(20)
@given(st.integers(1, 2), SIZES, SIZES, st.integers(1, 3), st.integers(0, 2))
def test_pixels_and_channels_are_dealt(c, h, w, r, lead):
    x = image((2,) * lead + (c * r * r, h, w), 0)
    y = mg.pixel_shuffle(x, r)
    for i, j, k in itertools.product(range(c), range(r), range(r)):
        assert np.array_equal(y.data[..., i, j::r, k::r], x[..., i * r * r + j * r + k, :, :])
    assert np.array_equal(mg.pixel_unshuffle(y, r).data, x)
    x = image((1, c * r, h, w), 0)
    dealt = mg.channel_shuffle(x, r).data
    assert all(np.array_equal(dealt[:, i * r + j], x[:, j * c + i]) for i in range(c) for j in range(r))


@cases(60)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=3),
    st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"]),
    st.sampled_from("fdi"),
)
def test_pad_as_numpy_pads(axes, mode, dtype):
    shape, widths = [n for n, _, _ in axes], [w for _, *w in axes]
    x = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    y = mg.pad(x, widths, mode)
    assert y.dtype == x.dtype and np.array_equal(y.data, np.pad(x, widths, mode))
    assert np.array_equal(mg.pad(x, widths, value=3).data, np.pad(x, widths, constant_values=3))


@cases(80)
@given(
    st.tuples(SIZES, SIZES),
    st.lists(st.integers(-3, 4), max_size=4),
    st.sampled_from(["constant", "reflect", "replicate", "circular"]),
)
def test_as_pytorch_pads(shape, pad, mode):
    torch = pytest.importorskip("torch")
    x = np.arange(1.0, math.prod(shape) + 1).reshape(1, 1, *shape)
    x = x if len(pad) > 2 else x[0]
    pad = pad[: len(pad) // 2 * 2]
    try:
        want = torch.nn.functional.pad(torch.tensor(x), pad, mode).numpy()
    except (RuntimeError, ValueError, NotImplementedError):
        return
    try:
        got = mg.pad_last(x, pad, mode)
    except ValueError:
        assert mode == "circular" and min(pad) < 0  # where PyTorch gives memory that was never written
        return
    assert np.array_equal(got.data, want)


# ---- sampling ----------------------------------------------------------------------------------------------------------


def brought_back(at, n, beyond, aligned):
    """A coordinate reflected into the image until it is there, then held to its border."""
    low, high = (0, n - 1) if aligned else (-0.5, n - 0.5)
    while beyond == "reflection" and not low <= at <= high:
        at = 2 * low - at if at < low else 2 * high - at
        if low == high:
            return 0.0
    return at if beyond == "zeros" else min(max(at, 0), n - 1)


def sampled(x, grid, mode, beyond, aligned):
    """One image (C, …) at one place of the grid."""
    size = x.shape[1:]
    at = [(g + 1) / 2 * (n - 1) if aligned else ((g + 1) * n - 1) / 2 for g, n in zip(grid[::-1], size)]
    at = [brought_back(p, n, beyond, aligned) for p, n in zip(at, size)]
    if mode == "nearest":
        taps = [[(round(p), 1.0)] for p in at]
    else:
        taps = [[(math.floor(p), 1 - p + math.floor(p)), (math.floor(p) + 1, p - math.floor(p))] for p in at]
    y = np.zeros(len(x))
    for corner in itertools.product(*taps):
        pixel = tuple(p for p, _ in corner)
        if all(0 <= p < n for p, n in zip(pixel, size)):
            y += x[(slice(None), *pixel)] * math.prod(w for _, w in corner)
    return y


BEYOND = st.sampled_from(["zeros", "border", "reflection"])


@cases(40)
@given(
    st.integers(2, 3), st.data(), st.sampled_from(["bilinear", "nearest"]), BEYOND, st.booleans(), st.integers(0, 999)
)
def test_each_place_of_a_grid_is_sampled(d, data, mode, beyond, aligned, seed):
    size, out = (tuple(data.draw(st.integers(1, 4)) for _ in range(d)) for _ in range(2))
    x, grid = image((2, 2, *size), seed), 1.5 * image((2, *out, d), seed + 1)
    y = mg.grid_sample(x, grid, mode, beyond, aligned)
    for n, *o in np.ndindex(2, *out):
        want = sampled(x[n], grid[(n, *o)], mode, beyond, aligned)
        np.testing.assert_allclose(y.data[(n, slice(None), *o)], want, rtol=1e-10, atol=1e-10)


@cases(40)
@given(
    st.integers(2, 3),
    st.data(),
    st.sampled_from(["bilinear", "nearest", "bicubic"]),
    BEYOND,
    st.booleans(),
    st.integers(0, 999),
)
def test_as_pytorch_samples(d, data, mode, beyond, aligned, seed):
    torch = pytest.importorskip("torch")
    mode = mode if d == 2 else mode.replace("bicubic", "bilinear")
    size, out = (tuple(data.draw(st.integers(1, 4)) for _ in range(d)) for _ in range(2))
    arrays = image((2, 2, *size), seed), 1.5 * image((2, *out, d), seed + 1)
    ours, theirs = ([f(a, requires_grad=True) for a in arrays] for f in (mg.tensor, torch.tensor))
    y, want = (
        mg.grid_sample(*ours, mode, beyond, aligned),
        torch.nn.functional.grid_sample(*theirs, mode, beyond, aligned),
    )
    np.testing.assert_allclose(y.data, want.detach().numpy(), rtol=1e-9, atol=1e-9)
    g = np.cos(np.arange(y.size)).reshape(y.shape)
    for a, b in zip(mg.pull(y, ours, g), torch.autograd.grad(want, theirs, torch.tensor(g))):
        np.testing.assert_allclose(a.data, b.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("aligned", [False, True])
def test_reflected_samples_have_derivatives_of_every_order(mode, aligned):
    f = functools.partial(mg.grid_sample, mode=mode, padding_mode="reflection", align_corners=aligned)
    report = mg.gradcheck(lambda x, g: mg.sin(f(x, g)), image((1, 1, 3, 4), 0), 2 * image((1, 2, 2, 2), 1), order=3)
    assert {row.verdict for row in report.rows} == {EXACT}, str(report)


@cases(20)
@given(st.integers(2, 3), st.data(), st.booleans(), st.integers(0, 99))
def test_affine_grids(d, data, aligned, seed):
    size = tuple(data.draw(st.integers(1, 4)) for _ in range(d))
    theta = image((2, d, d + 1), seed)
    grid = mg.affine_grid(theta, (2, 1, *size), aligned)
    assert grid.shape == (2, *size, d) and mg.affine_grid(theta.astype("f"), (2, 1, *size)).dtype == np.float32
    for o in np.ndindex(*size):
        at = [(2 * i / (n - 1) - 1 if aligned else (2 * i + 1) / n - 1) if n > 1 else 0.0 for i, n in zip(o, size)]
        np.testing.assert_allclose(grid.data[(slice(None), *o)], theta @ [*at[::-1], 1.0], rtol=1e-12, atol=1e-12)
    same = np.broadcast_to(np.eye(d, d + 1), (2, d, d + 1))
    x = image((2, 2, *size), seed)
    np.testing.assert_allclose(
        mg.grid_sample(x, mg.affine_grid(same, x.shape, aligned), "bilinear", "border", aligned).data, x
    )
