"""Functions of one entry: jitted against plain, in any layout, with NaN and infinity; and the exponential to the ulp."""

import numpy as np
import pytest
from bounds import unit
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import kernels
from minigrad.kernels import plain

# An exponential multiplies the relative error of its argument by its size, here 4 times a normal number: 24, since none of
# so few is beyond 6. Ten roundings surround it, a function of the machine's among them.
TOLERANCE = {dtype: (24 + 10) * 2 * unit(dtype) for dtype in "fd"}
FUNCTIONS = {
    "sigmoid": {},
    "tanh": {},
    "silu": {},
    "gelu": {},
    "erf": {},
    "erfc": {},
    "gelu_erf": {},
    "elu": {"alpha": 0.7},
    "leaky_relu": {"slope": 0.1},
}
EDGES = [0.0, -0.0, 1e-30, -1e-30, 20.0, -20.0, 90.0, -90.0, 800.0, -800.0, np.nan]


def layouts(a):
    yield a
    yield np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)  # channels last
    yield np.repeat(a, 2, axis=2)[:, :, ::2]
    yield a[::-1]


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_relu_and_gate(dtype, n_threads, eager_threads):
    kernels.set_num_threads(n_threads)
    rng = np.random.default_rng(0)
    g, y = rng.standard_normal((2, 3, 4, 25, 35)).astype(dtype)
    y[0, 0] = 0
    y[1, 1] = np.nan
    g[2, 2] = np.nan
    for one in layouts(g):
        for other in layouts(y):
            ours = kernels.gate(one, other)
            assert ours.dtype == np.dtype(dtype) and ours.shape == g.shape
            assert np.array_equal(ours, np.where(other > 0, one, 0), equal_nan=True)
            assert np.array_equal(ours, plain.gate(one, other), equal_nan=True)
        for some in one, one[:1, :, :5]:  # few numbers are left to NumPy
            ours = kernels.relu(some)
            assert ours.dtype == np.dtype(dtype) and np.array_equal(ours, plain.relu(some), equal_nan=True)
    broadcast = np.broadcast_to(np.ones(1, dtype), y.shape)
    assert np.array_equal(kernels.gate(broadcast, y), y > 0)
    assert kernels.gate(g[:0], y[:0]).shape == (0, 4, 25, 35)


@pytest.mark.slow
@cases(40)
@given(
    st.sampled_from(list(FUNCTIONS)),
    st.sampled_from([(), (7,), (3, 0), (5, 33), (2, 3, 4, 5)]),
    st.sampled_from(["plain", "channels last", "sliced", "reversed", "read-only", "broadcast"]),
    st.sampled_from("fd"),
    st.integers(0, 2**32 - 1),
)
def test_jitted_agree_with_plain(laid_out, name, shape, layout, dtype, seed):
    layout = layout if shape and (layout != "channels last" or len(shape) > 2) else "plain"
    rng = np.random.default_rng(seed)
    x, g = (laid_out(rng, shape, dtype, layout) for _ in range(2))
    agree(name, 4 * x, g, dtype)


def agree(name, x, g, dtype):
    for kind, arrays in (name, (x,)), (name + "_backward", (g, x)):
        if not hasattr(plain, kind):  # NumPy's tanh is a kernel of its own
            continue
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            twin = getattr(plain, kind)(*(a.astype("d") for a in arrays), **FUNCTIONS[name])
        ours = getattr(kernels, kind)(*arrays, **FUNCTIONS[name])
        assert ours.shape == twin.shape and ours.dtype == np.dtype(dtype)
        np.testing.assert_allclose(ours, twin, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("n_threads", [1, 2])
def test_edges(name, dtype, n_threads, eager_threads):
    kernels.set_num_threads(n_threads)
    agree(name, np.array(EDGES, dtype), np.full(len(EDGES), 0.5, dtype), dtype)


@pytest.mark.slow
@pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")
@pytest.mark.parametrize("dtype", "fd")
def test_the_exponential_is_right_to_two_ulp(dtype):
    import numba

    from minigrad.kernels.exponential import exp

    @numba.njit(fastmath=True)  # whoever calls it
    def loop(x):
        return np.array([exp(a) for a in x], x.dtype)

    least, most = np.log(np.finfo(dtype).smallest_subnormal), np.log(np.finfo(dtype).max)
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(least - 1, most + 1, 100_000), rng.normal(size=100_000), [0.0, -0.0, least, most]])
    x = np.concatenate([x, [np.inf, -np.inf, np.nan, 1e30, -1e30]]).astype(dtype)
    with np.errstate(over="ignore", under="ignore"):
        right = np.exp(x.astype(np.longdouble))
        rounded = right.astype(dtype)
    ours, finite = loop(x), np.isfinite(rounded)
    np.testing.assert_array_equal(ours[~finite], rounded[~finite])
    assert (np.abs(ours[finite] - right[finite]) <= 2 * np.spacing(rounded[finite])).all()
