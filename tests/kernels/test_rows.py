"""Rows: jitted against plain, stable far from zero; against PyTorch, if it is there."""

import numpy as np
import pytest
from bounds import moved, within
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import kernels
from minigrad.kernels import plain


def agree(f, arrays, terms, dtype):
    """f(room, *arrays) gives the same by the kernels and by their twins, whose own sums count as well."""
    ours, exact = f(kernels, *arrays), f(plain, *(a.astype("d") for a in arrays))
    bounds = moved(lambda *inputs: f(plain, *inputs), arrays, terms, dtype)
    for a, b, bound in zip(ours, exact, bounds, strict=True):
        assert a.dtype == np.dtype(dtype)
        within(a, b, bound)
    return exact


@pytest.mark.slow
@cases(60)
@given(
    st.integers(1, 9), st.integers(1, 4), st.integers(2, 9), st.sampled_from([1, 3, 70]), st.booleans(),
    st.sampled_from("fd"), st.integers(1, 2), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_jitted_agree_with_plain(m, r, k, span, centred, dtype, n_threads, seed):
    kernels.set_num_threads(n_threads)
    rng = np.random.default_rng(seed)
    x, g = rng.standard_normal((2, m * r, k * span)).astype(dtype)
    w, b = rng.standard_normal((2, r, k)).astype(dtype)
    how = {"eps": 1e-2, "centred": centred}
    _, stats = agree(lambda room, *a: room.normalize_rows(*a, **how), (x, w, b), x.shape[1], dtype)
    given_ = g, x, w, stats.astype(dtype)
    agree(lambda room, *a: room.normalize_rows_backward(*a, centred=centred), given_, x.size, dtype)
    y = agree(lambda room, a: [room.softmax_rows(a)], (x,), x.shape[1], dtype)[0].astype(dtype)
    agree(lambda room, *a: [room.softmax_rows_backward(*a)], (g, y), x.shape[1], dtype)
    ids = rng.integers(0, 5, len(x))
    agree(lambda room, a: [room.add_rows(a, ids, rows=5)], (x,), len(x), dtype)


@pytest.mark.parametrize("offset", [1000, -30_000, 1e6])
def test_no_digits_cancel_far_from_zero(offset):
    x = (offset + abs(offset) * 1e-4 * np.random.default_rng(0).standard_normal((8, 4096))).astype("f")
    w = np.ones((1, 4096), "f")
    y, _ = kernels.normalize_rows(x, w, 0 * w, eps=1e-5, centred=True)
    c = x - x.mean(1, keepdims=True, dtype="d")
    np.testing.assert_allclose(y, c / np.sqrt((c * c).mean(1, keepdims=True) + 1e-5), atol=2e-3)


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (3, 4, 1, 1), (3, 1, 1, 5)])
@pytest.mark.parametrize("layout", ["channels last", "sliced", "reversed", "read-only"])
def test_how_images_lie_in_memory_changes_no_result(laid_out, shape, layout):
    rng = np.random.default_rng(0)
    x, g = (laid_out(rng, shape, "d", layout) for _ in range(2))
    for norm in (
        lambda x: mg.layer_norm(x, shape[3:]),
        lambda x: mg.layer_norm(x, shape[1:]),
        lambda x: mg.rms_norm(x, shape[3:]),
        lambda x: mg.rms_norm(x, shape[1:]),
        lambda x: mg.group_norm(x, shape[1] // 2 or 1),
        lambda x: mg.group_norm(x, shape[1]),
    ):
        for ours, theirs in zip(*(results(norm, *lay) for lay in ((x, g), map(np.ascontiguousarray, (x, g))))):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def results(f, x, g):
    x = mg.tensor(x, requires_grad=True)
    y = f(x)
    return y.data, mg.pull(y, [x], g)[0].data


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_pytorch(dtype):
    torch = pytest.importorskip("torch")
    f, rng = torch.nn.functional, np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    ids = rng.integers(0, 7, (4, 5))
    pairs = [
        (lambda x, w, b: mg.layer_norm(x, (3, 4), w, b), lambda x, w, b: f.layer_norm(x, (3, 4), w, b), draw(2, 3, 4), draw(3, 4), draw(3, 4)),
        (lambda x, w: mg.rms_norm(x, 4, w), lambda x, w: f.rms_norm(x, (4,), w), draw(2, 3, 4), draw(4)),
        (lambda x, w, b: mg.group_norm(x, 2, w, b), lambda x, w, b: f.group_norm(x, 2, w, b), draw(2, 4, 3, 5), draw(4), draw(4)),
        (lambda x, w, b: mg.instance_norm(x, None, None, w, b), lambda x, w, b: f.instance_norm(x, None, None, w, b), draw(2, 4, 3, 5), draw(4), draw(4)),
        (mg.scaled_dot_product_attention, f.scaled_dot_product_attention, draw(2, 3, 4), draw(2, 5, 4), draw(2, 5, 3)),
        (lambda w: mg.embedding(ids, w, 3), lambda w: f.embedding(torch.from_numpy(ids), w, 3), draw(7, 3)),
    ]  # fmt: skip
    tol = 1e-10 if dtype == "float64" else 2e-5
    for ours, theirs, *arrays in pairs:
        xs, ts = (
            [mg.tensor(a, requires_grad=True) for a in arrays],
            [torch.tensor(a, requires_grad=True) for a in arrays],
        )
        y, z = ours(*xs), theirs(*ts)
        g = draw(*y.shape)
        found = [y, *mg.pull(y, xs, g)]
        for a, b in zip(found, [z, *torch.autograd.grad(z, ts, torch.from_numpy(g))], strict=True):
            assert a.dtype == np.dtype(dtype)
            np.testing.assert_allclose(
                a.data, b.detach().numpy(), rtol=0, atol=tol * max(1, float(b.detach().abs().max()))
            )
