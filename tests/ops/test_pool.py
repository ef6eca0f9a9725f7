"""Pooling with all its settings, against windows taken one by one, and against PyTorch."""

import math

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg


@st.composite
def pools(draw, largest):
    """An image and windows on it along one to three axes: settings as PyTorch takes them."""
    d = draw(st.integers(1, 3))

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(d))

    kernel, stride = each(1, 3), each(1, 4)
    dilation = each(1, 2) if largest else (1,) * d
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    reach = [a * (k - 1) + 1 for a, k in zip(dilation, kernel)]
    size = [
        max(1 + a * (k > 1), r - 2 * p) + draw(st.integers(0, 4))
        for a, k, r, p in zip(dilation, kernel, reach, padding)
    ]
    lead = draw(st.sampled_from([(2,), (1, 2), (2, 1)]))
    k = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    return d, (*lead, *size), k | ({"dilation": dilation} if largest else {})


def axis_of_windows(n, k, s, p, a, ceil):
    """Where the windows start, and how long an axis with its padding is."""
    room = n + 2 * p - a * (k - 1) - 1
    count = (math.ceil(room / s) if ceil else room // s) + 1
    return [i * s - p for i in range(count) if i * s - p < n or i == 0]


def windows(shape, k):
    """(window, places, starts) of each window: the places along each axis are those inside the image."""
    size, kernel = shape[-len(k["kernel_size"]) :], k["kernel_size"]
    dilation = k.get("dilation", (1,) * len(size))
    settings = zip(size, kernel, k["stride"], k["padding"], dilation)
    starts = [axis_of_windows(*v, k["ceil_mode"]) for v in settings]
    out = tuple(map(len, starts))
    for o in np.ndindex(out):
        each = []
        for at, n, m, a in zip([s[i] for s, i in zip(starts, o)], size, kernel, dilation):
            each.append(([i for i in range(at, at + a * m, a) if 0 <= i < n], at))
        yield o, [places for places, _ in each], [at for _, at in each]


def by_one(x, k, reduced):
    """Each window reduced, and put in its place."""
    d, results = len(k["kernel_size"]), {}
    for o, places, starts in windows(x.shape, k):
        results[o] = reduced(x[(..., *np.ix_(*places))].reshape(*x.shape[:-d], -1), places, starts)
    y = np.empty((*x.shape[:-d], *(i + 1 for i in o)), np.asarray(results[o]).dtype)
    for o, value in results.items():
        y[(..., *o)] = value
    return y


def image(shape, seed, dtype=np.float64):
    return np.random.default_rng(seed).permutation(math.prod(shape)).reshape(shape).astype(dtype)


@cases(60)
@given(pools(True), st.sampled_from("fdi"), st.integers(0, 999))
def test_max_pool_takes_the_largest_of_each_window(pool, dtype, seed):
    (d, shape, k), f = pool, getattr(mg, f"max_pool{pool[0]}d")
    x = image(shape, seed, dtype)
    y, indices = f(x, **k, return_indices=True)
    want = by_one(x, k, lambda v, *_: v.max(-1))
    assert y.dtype == x.dtype and np.array_equal(y.data, want)
    assert np.array_equal(f(x, **k).data, want)
    flat = x.reshape(*x.shape[:-d], -1)
    found = np.take_along_axis(flat, indices.data.reshape(*x.shape[:-d], -1), -1)
    assert np.array_equal(found.reshape(want.shape), want)


@cases(60)
@given(pools(False), st.booleans(), st.sampled_from([None, 3, -2]), st.integers(0, 999))
def test_avg_pool_averages_each_window(pool, with_padding, divisor, seed):
    (d, shape, k), f = pool, getattr(mg, f"avg_pool{pool[0]}d")
    x = image(shape, seed)
    k = {**k, "count_include_pad": with_padding} | ({"divisor_override": divisor} if d > 1 else {})

    def mean(values, places, starts):
        ends = [min(at + m, n + p) for at, m, n, p in zip(starts, k["kernel_size"], shape[-d:], k["padding"])]
        all_of_it = math.prod(end - at for end, at in zip(ends, starts))
        count = all_of_it if with_padding else math.prod(map(len, places))
        return values.sum(-1) / (divisor if d > 1 and divisor else count)

    np.testing.assert_allclose(f(x, **k).data, by_one(x, k, mean), rtol=1e-12, atol=1e-12)
    assert f(x.astype("f"), **k).dtype == np.float32


@cases(60)
@given(st.integers(1, 3), st.data(), st.integers(0, 999))
def test_adaptive_pooling_reduces_each_region(d, data, seed):
    size = data.draw(st.lists(st.integers(1, 7), min_size=d, max_size=d))
    out = data.draw(st.lists(st.one_of(st.none(), st.integers(1, 9)), min_size=d, max_size=d))
    x = image((2, *size), seed)
    y, at = getattr(mg, f"adaptive_max_pool{d}d")(x, out, True)
    mean = getattr(mg, f"adaptive_avg_pool{d}d")(x, out)
    out = [n if m is None else m for n, m in zip(size, out)]
    assert y.shape == at.shape == mean.shape == (2, *out)
    for o in np.ndindex(*out):
        region = tuple(slice(i * n // m, -(-(i + 1) * n // m)) for i, n, m in zip(o, size, out))
        part = x[(slice(None), *region)].reshape(2, -1)
        assert np.array_equal(y.data[(slice(None), *o)], part.max(1))
        np.testing.assert_allclose(mean.data[(slice(None), *o)], part.mean(1), rtol=1e-13)
    assert np.array_equal(np.take_along_axis(x.reshape(2, -1), at.data.reshape(2, -1), 1), y.data.reshape(2, -1))
    whole = getattr(mg, f"adaptive_max_pool{d}d")(x, out)
    assert np.array_equal(whole.data, y.data)


@cases(30)
@given(pools(False), st.integers(0, 999))
def test_lp_pool_is_a_norm_of_each_window(pool, seed):
    (d, shape, k), f = pool, getattr(mg, f"lp_pool{pool[0]}d")
    k = {**k, "padding": (0,) * d, "kernel_size": tuple(min(n, m) for n, m in zip(shape[-d:], k["kernel_size"]))}
    x = image(shape, seed) + 1
    # as PyTorch: the mean over what of the window is inside the image, times the size of a whole one
    want = by_one(x, k, lambda v, *_: ((v**3).mean(-1) * math.prod(k["kernel_size"])) ** (1 / 3))
    got = f(x, 3, k["kernel_size"], k["stride"], k["ceil_mode"])
    np.testing.assert_allclose(got.data, want, rtol=1e-12)


def test_unpooling_puts_winners_back():
    x = image((2, 3, 4, 6), 0)
    y, at = mg.max_pool2d(x, 2, return_indices=True)
    back = mg.max_unpool2d(y, at, 2)
    assert back.shape == x.shape
    assert np.array_equal(back.data, np.where(np.isin(x, y.data), x, 0))


def test_of_entries_that_go_to_one_place_the_last_one_counts():
    x = mg.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    y = mg.max_unpool1d(x, np.array([[0, 4, 0]]), 2)
    assert np.array_equal(y.data, [[3, 0, 0, 0, 2, 0]])
    y.sum().backward()
    assert np.array_equal(x.grad, [[0, 1, 1]])


def test_nan_wins_and_padding_never_does():
    x = np.full((1, 4), -np.inf)
    y, at = mg.max_pool1d(x, 3, 2, 1, 1, True, True)
    assert np.array_equal(y.data, [[-np.inf] * 3]) and np.array_equal(at.data, [[0, 1, 3]])
    x[0, 1] = np.nan
    assert np.array_equal(np.isnan(mg.max_pool1d(x, 2, 1, 0, 1, True).data), [[True, True, False]])
    assert np.array_equal(np.isnan(mg.avg_pool1d(x, 2, 1, 0, True, False).data), [[True, True, False]])


@cases(30)
@given(pools(True), pools(False), st.integers(0, 999))
def test_as_pytorch_pools(largest, mean, seed):
    torch = pytest.importorskip("torch")
    for name, (d, shape, k) in ("max", largest), ("avg", mean):
        x = image(shape, seed)
        xt, xm = torch.tensor(x, requires_grad=True), mg.tensor(x, requires_grad=True)
        extra = {"return_indices": True} if name == "max" else {}
        try:
            want = getattr(torch.nn.functional, f"{name}_pool{d}d")(xt, **k, **extra)
        except RuntimeError as error:  # it counts no padding here
            assert "smaller than kernel size" in str(error)
            continue
        got = getattr(mg, f"{name}_pool{d}d")(xm, **k, **extra)
        if name == "max":
            (want, at), (got, ours) = want, got
            assert np.array_equal(ours.data, at.numpy())
        np.testing.assert_allclose(got.data, want.detach().numpy(), rtol=1e-12, atol=1e-12)
        g = np.cos(np.arange(got.size)).reshape(got.shape)
        (theirs,) = torch.autograd.grad(want, [xt], torch.tensor(g))
        (gradient,) = mg.pull(got, [xm], g)
        np.testing.assert_allclose(gradient.data, theirs.numpy(), rtol=1e-12, atol=1e-12)
