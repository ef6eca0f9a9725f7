"""Products and factorisations: values against NumPy, identities, and derivatives against witnesses that know no rule.

The certificate's complex step goes through the rules of the factorisations themselves. Here they are held against
differences of real values, extrapolated (Richardson), and against the equations that define them.
"""

import inspect
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import linalg
from tests.generated import cases

SEEDS = st.integers(0, 2**32)


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def slope(f, x, v):
    """The derivative of f, a function of arrays, along v: central differences at three steps, extrapolated twice.

    And how far the last step moved it, which is more than it is off.
    """
    d = [(f(x + h * v) - f(x - h * v)) / (2 * h) for h in (4e-3, 2e-3, 1e-3)]
    d = [(4 * fine - coarse) / 3 for coarse, fine in itertools.pairwise(d)]
    return (16 * d[1] - d[0]) / 15, np.abs(d[1] - d[0]).max() / 15


def agrees(f, x, seed, tolerance=1e-7, orders=2):
    """The gradient of a number f(x), both walks, and the Hessian along a direction."""
    v = drawn([seed, 1], *x.shape)
    want, off = slope(lambda a: f(mg.tensor(a)).data, x, v)
    size = max(1.0, abs(want)) * v.size
    gradient = mg.grad(f)(x).data
    assert abs(np.vdot(gradient, v) - want) < tolerance * size + off
    assert abs(mg.jvp(f, [x], [v])[1].data - np.vdot(gradient, v)) < tolerance * size
    if orders > 1:
        want, off = slope(lambda a: mg.grad(f)(a).data, x, v)
        got = mg.hvp(f, [x], [v])[0].data
        assert np.abs(got - want).max() < 10 * tolerance * max(1.0, np.abs(want).max()) + off


def spread(seed, *shape):
    """A matrix whose singular values, and whose symmetric part's eigenvalues, are apart."""
    x = 0.2 * drawn(seed, *shape)
    i = np.arange(min(shape[-2:]))
    x[..., i, i] += 1 + 1.5 * i
    return x


WEIGHTED = {  # functions of vectors that do not depend on their signs, and functions of the rest
    "eigh": lambda x, c: (lambda w, v: ((v * mg.exp(w * -0.3)[..., None, :] * v) * c).sum())(*linalg.eigh(x)),
    "eigvalsh": lambda x, c: (mg.sin(linalg.eigvalsh(x)) * c[..., 0]).sum(),
    "svd": lambda x, c: (lambda u, s, vh: (u @ (mg.sin(s)[..., None] * vh) * c).sum() + (u**4).sum())(
        *linalg.svd(x, full_matrices=False)
    ),
    "svdvals": lambda x, c: (mg.sin(linalg.svdvals(x)) * c[..., 0, : min(c.shape[-2:])]).sum(),
    "cholesky": lambda x, c: (linalg.cholesky(x @ x.mT + np.eye(x.shape[-2])) ** 2 * c[..., :1]).sum(),
    "qr": lambda x, c: (lambda q, r: (q**2).sum() * 0 + (q**2 * c[..., : q.shape[-1]]).sum() + mg.sin(r * r).sum())(
        *linalg.qr(x)
    ),
    "lu": lambda x, c: mg.sin(linalg.lu(x)[1]).sum() + (linalg.lu(x)[2] ** 2 * c[..., :1, :]).sum(),
    "inv": lambda x, c: (linalg.inv(x) * c).sum(),
    "det": lambda x, c: (mg.sin(linalg.det(x)) * c[..., 0, 0]).sum(),
    "slogdet": lambda x, c: (linalg.slogdet(x).logabsdet * c[..., 0, 0]).sum(),
    "pinv": lambda x, c: (mg.sin(linalg.pinv(x)) * c.mT).sum(),
    "matrix_exp": lambda x, c: (linalg.matrix_exp(x) * c).sum(),
    "nuclear": lambda x, c: linalg.matrix_norm(x, ord="nuc").sum() + linalg.matrix_norm(x, ord=-2).sum(),
}
ANY_SHAPE = "lu", "svd", "svdvals", "qr", "pinv", "nuclear", "cholesky"
SHAPES = [(3, 3), (2, 2, 2), (1, 1), (4, 2), (2, 3)]


@pytest.mark.parametrize("name", WEIGHTED)
@cases(8)
@given(st.sampled_from(SHAPES), SEEDS)
def test_derivatives_against_differences(name, shape, seed):
    if name not in ANY_SHAPE:
        shape = (*shape[:-1], shape[-2])
    c = mg.tensor(drawn([seed, 2], *shape))
    agrees(lambda x: WEIGHTED[name](x, c), spread(seed, *shape), seed)


@cases(20)
@given(st.integers(1, 6), st.integers(1, 6), st.booleans(), SEEDS)
def test_factors_are_what_they_are_called(m, n, batched, seed):
    x = drawn(seed, *[2] * batched, m, n)
    u, s, vh = (t.data for t in linalg.svd(x, full_matrices=True))
    k = min(m, n)
    assert u.shape[-2:] == (m, m) and vh.shape[-2:] == (n, n)
    assert np.allclose((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], x, atol=1e-12)
    for mode in ("reduced", "complete"):
        q, r = (t.data for t in linalg.qr(x, mode=mode))
        assert np.allclose(q @ r, x, atol=1e-12) and np.allclose(r, np.triu(r))
        assert q.shape[-1] == (m if mode == "complete" else k)
        assert np.allclose(q.swapaxes(-1, -2) @ q, np.eye(q.shape[-1]), atol=1e-12)
    for v in (u, vh):
        assert np.allclose(v.swapaxes(-1, -2) @ v, np.eye(v.shape[-1]), atol=1e-12)
    p, low, up = (t.data for t in linalg.lu(x))
    assert np.allclose(p @ low @ up, x, atol=1e-12) and np.abs(low).max() == 1
    assert np.array_equal(p.sum(-1), np.ones((*x.shape[:-1],))) and np.array_equal(p.sum(-2), np.ones((*x.shape[:-1],)))
    square = x @ x.swapaxes(-1, -2)
    w, v = (t.data for t in linalg.eigh(square))
    assert np.allclose(square @ v, v * w[..., None, :], atol=1e-11) and (np.diff(w) >= 0).all()
    low = linalg.cholesky(square + np.eye(m)).data
    assert np.allclose(low @ low.swapaxes(-1, -2), square + np.eye(m)) and np.allclose(low, np.tril(low))


@cases(10)
@given(st.integers(2, 5), SEEDS)
def test_tangents_solve_the_equations_of_eigenvectors(n, seed):
    x, t = spread(seed, n, n), drawn([seed, 1], n, n)
    x, t = (x + x.T) / 2, (t + t.T) / 2
    both = mg.jvp(lambda a: mg.concat([linalg.eigh(a)[0][None], linalg.eigh(a)[1]]), [x], [t])
    (w, v), (dw, dv) = ((y.data[0], y.data[1:]) for y in both)
    assert np.allclose(t @ v + x @ dv, dv * w + v * dw, atol=1e-10)
    assert np.allclose(v.T @ dv + dv.T @ v, 0, atol=1e-10)


# ---- where matrices are singular, or values repeat -----------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_two_derivatives_of_det_at_every_rank(n, lost):
    rank = max(n - lost, 0)
    x = drawn([n, lost], n, rank) @ drawn([lost, n], rank, n)
    agrees(linalg.det, x, n)


def test_the_third_derivative_of_det_where_the_rank_is_not_full_is_not_a_wrong_number():
    x = drawn(0, 3, 2) @ drawn(1, 2, 3)

    def second(a):
        return mg.hvp(linalg.det, [a], [np.ones((3, 3))])[0].sum()

    assert np.isnan(mg.grad(second)(x).data).all()
    assert np.isfinite(mg.grad(second)(drawn(0, 3, 3)).data).all()


def test_functions_of_repeated_eigenvalues_alone_have_a_gradient():
    for x in (np.eye(3), np.diag([1.0, 1.0, 2.0]), np.zeros((3, 3))):
        assert np.allclose(mg.grad(lambda a: linalg.eigvalsh(a).sum())(x).data, np.eye(3))
        assert np.allclose(mg.grad(lambda a: mg.exp(linalg.eigvalsh(a)).sum())(x).data, linalg.matrix_exp(x).data)
    assert np.allclose(mg.grad(lambda a: linalg.svdvals(a).sum())(np.eye(3)).data, np.eye(3))


def test_what_is_derived_from_undetermined_vectors_is_nan():
    nearly = np.eye(3) + 1e-17 * drawn(0, 3, 3)
    for x in (np.eye(3), nearly, np.diag([1.0, 1.0, 2.0])):
        assert np.isnan(mg.grad(lambda a: linalg.eigh(a)[1][0, 1])(x).data).any()
        assert np.isnan(mg.grad(lambda a: linalg.svd(a).U[0, 1])(x).data).any()
    apart = np.diag([1.0, 2.0, 3.0])
    assert np.isfinite(mg.grad(lambda a: linalg.eigh(a)[1][0, 1])(apart).data).all()


@pytest.mark.parametrize("f", [linalg.inv, linalg.cholesky, lambda x: linalg.solve(x, np.ones(2))])
def test_singular_matrices_are_refused(f):
    with pytest.raises(ValueError, match=r"^(inv|cholesky|solve): .*\(2, 2\)"):
        f(np.zeros((2, 2)))


def test_bases_that_are_completed_have_no_derivative():
    x = mg.tensor(drawn(0, 3, 2), requires_grad=True)
    for f in (lambda: linalg.svd(x), lambda: linalg.qr(x, mode="complete")):
        with pytest.raises(ValueError, match="have no derivative at shape"):
            f()
    assert linalg.svd(x.detach()).U.shape == (3, 3)


# ---- norms ---------------------------------------------------------------------------------------------------------------


@cases(40)
@given(
    st.sampled_from([0, 0.5, 1, 1.5, 2, 3, -1, -2, np.inf, -np.inf]),
    st.sampled_from([None, 0, (0, 2)]),
    st.booleans(),
    SEEDS,
)
def test_vector_norms_are_those_of_numpy(order, axis, keepdims, seed):
    x = drawn(seed, 2, 3, 2)
    got = linalg.vector_norm(x, ord=order, axis=axis, keepdims=keepdims)
    want = np.linalg.vector_norm(x, ord=order, axis=axis, keepdims=keepdims)
    assert got.shape == want.shape and np.allclose(got.data, want, rtol=1e-13)
    if 0 < abs(order) < np.inf:
        agrees(lambda a: linalg.vector_norm(a, ord=order, axis=axis).sum(), x + np.sign(x), seed, 1e-6)


@cases(40)
@given(st.sampled_from(["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]), st.booleans(), SEEDS)
def test_matrix_norms_are_those_of_numpy(order, keepdims, seed):
    x = drawn(seed, 2, 3, 4)
    want = np.linalg.matrix_norm(x, ord=order, keepdims=keepdims)
    assert np.allclose(linalg.matrix_norm(x, ord=order, keepdims=keepdims).data, want, rtol=1e-12)
    want = np.linalg.norm(x, order, (2, 0), keepdims)
    assert np.allclose(mg.norm(x, order, (2, 0), keepdims).data, want, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1e200])
@pytest.mark.parametrize("order", [0.5, 1, 2, 3, np.inf])
def test_norms_are_in_range_where_their_result_is(size, order):
    f = mg.value_and_grad(lambda x: linalg.vector_norm(x, ord=order))
    (value, gradient), (want, slopes) = f(np.array([3.0, -4.0]) * size), f(np.array([3.0, -4.0]))
    assert np.isclose(value.data / size, want.data) and np.allclose(gradient.data, slopes.data)


@pytest.mark.parametrize("order", [0.5, 1, 1.5, 2, 3, np.inf])
def test_norms_at_zero_have_the_derivative_zero(order):
    assert mg.grad(lambda x: linalg.vector_norm(x, ord=order))(np.zeros(3)).data.tolist() == [0, 0, 0]


# ---- products ------------------------------------------------------------------------------------------------------------


@st.composite
def subscripts(draw):
    """Subscripts, and shapes of operands that fit them."""
    sizes = dict(zip("abcde", draw(st.lists(st.integers(1, 3), min_size=5, max_size=5))))
    terms = draw(st.lists(st.text("abcde", max_size=3), min_size=1, max_size=4))
    dots = draw(st.lists(st.sampled_from([None, (), (2,), (3, 2), (1,)]), min_size=len(terms), max_size=len(terms)))
    text = ",".join(("..." if d is not None else "") + term for term, d in zip(terms, dots))
    letters = sorted(set("".join(terms)))
    if draw(st.booleans()):
        output = "".join(draw(st.permutations(letters)))[: draw(st.integers(0, len(letters)))]
        text += "->" + ("..." if any(d is not None for d in dots) else "") + output
    return text, [(d or ()) + tuple(sizes[c] for c in term) for term, d in zip(terms, dots)]


@cases(150)
@given(subscripts(), SEEDS)
def test_einsum_is_that_of_numpy(drawn_subscripts, seed):
    text, shapes = drawn_subscripts
    xs = [drawn([seed, i], *shape) for i, shape in enumerate(shapes)]
    want = np.einsum(text, *xs)
    got = mg.einsum(text, *xs)
    assert got.shape == want.shape and np.allclose(got.data, want, rtol=1e-12, atol=1e-12)
    gradients = mg.grad(lambda *xs: mg.einsum(text, *xs).sum(), argnums=tuple(range(len(xs))))(*xs)
    vs = [drawn([seed, i, 1], *shape) for i, shape in enumerate(shapes)]
    for i, (g, v) in enumerate(zip(gradients, vs)):
        along = np.einsum(text, *xs[:i], v, *xs[i + 1 :]).sum()  # it is linear in each
        assert np.isclose(np.vdot(g.data, v), along, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "text, shapes, match",
    [
        ("ij,jk", [(2, 3)], "is about 2 operands, not 1"),
        ("ij,jk", [(2, 3), (4, 2)], "axes 'j' of 'ij,jk' have lengths 3 and 4"),
        ("ij->k", [(2, 3)], "must name axes of the operands"),
        ("ij->ii", [(2, 3)], "each once"),
        ("ijk", [(2, 3)], "does not name the axes of 2"),
        ("i1", [(2, 3)], "write letters"),
    ],
)
def test_wrong_subscripts(text, shapes, match):
    with pytest.raises(ValueError, match=match):
        mg.einsum(text, *map(np.ones, shapes))


PRODUCTS = {
    "kron": (lambda draw: (draw(2, 3), draw(2)), mg.kron, np.kron),
    "outer": (lambda draw: (draw(2, 3), draw(2)), mg.outer, np.outer),
    "inner": (lambda draw: (draw(2, 3), draw(4, 1, 3)), mg.inner, np.inner),
    "dot": (lambda draw: (draw(2, 3), draw(4, 3, 2)), mg.dot, np.dot),
    "vdot": (lambda draw: (draw(2, 3), draw(3, 2)), mg.vdot, np.vdot),
    "cross": (lambda draw: (draw(2, 3), draw(3)), mg.cross, np.linalg.cross),
    "vecdot": (lambda draw: (draw(2, 3), draw(3)), mg.vecdot, np.vecdot),
    "tensordot": (lambda draw: (draw(2, 3, 4), draw(3, 4, 2)), mg.tensordot, np.tensordot),
    "multi_dot": (lambda draw: ([draw(2), draw(2, 3), draw(3, 4), draw(4, 2)],), linalg.multi_dot, np.linalg.multi_dot),
    "matrix_power": (lambda draw: (draw(2, 3, 3), -3), linalg.matrix_power, np.linalg.matrix_power),
    "tril": (lambda draw: (draw(2, 3, 4), -1), mg.tril, np.tril),
    "triu": (lambda draw: (draw(2, 3, 4), 1), mg.triu, np.triu),
    "diag": (lambda draw: (draw(3), -2), mg.diag, np.diag),
    "diagonal": (lambda draw: (draw(3, 2, 4), -1, 2, 0), mg.diagonal, np.diagonal),
    "trace": (lambda draw: (draw(3, 2, 4), 1, 0, -1), mg.trace, np.trace),
    "pinv": (lambda draw: (draw(3, 1) @ draw(1, 4),), linalg.pinv, np.linalg.pinv),
    "tensorinv": (lambda draw: (draw(2, 3, 6),), linalg.tensorinv, np.linalg.tensorinv),
    "tensorsolve": (lambda draw: (draw(6, 2, 3), draw(2, 3), (0,)), linalg.tensorsolve, np.linalg.tensorsolve),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_values_are_those_of_numpy(name):
    draw, f, reference = PRODUCTS[name]
    args = draw(lambda *shape: drawn(len(name), *shape))
    got, want = f(*args), reference(*args)
    assert got.shape == want.shape and np.allclose(got.data, want, rtol=1e-10, atol=1e-12)


def test_the_names_and_signatures_of_the_standard():
    import array_api_strict

    for name in array_api_strict.linalg.__all__:
        if name in ("eig", "eigvals"):  # complex
            assert not hasattr(linalg, name)
            continue
        if name in ("EighResult", "QRResult", "SlogdetResult", "SVDResult", "annotations"):
            continue
        ours, theirs = (inspect.signature(getattr(m, name)).parameters for m in (linalg, array_api_strict.linalg))
        assert set(ours) >= set(theirs) - {"kwargs"} or name in ("matmul", "matrix_transpose"), name


def test_float32_stays():
    x = mg.tensor(spread(0, 3, 3), dtype="float32")
    y = x @ x.mT
    results = [
        linalg.inv(x), linalg.det(x), linalg.pinv(x), linalg.cholesky(y), linalg.matrix_exp(x), linalg.logdet(y), linalg.cond(x),
        linalg.norm(x), linalg.vector_norm(x, ord=3), linalg.matrix_norm(x, ord="nuc"), *linalg.eigh(x), *linalg.svd(x), *linalg.qr(x),
        *linalg.slogdet(x), linalg.solve(x, x[0]), linalg.matrix_power(x, 0), mg.einsum("ij,kj", x, x), mg.cdist(x, x), mg.tril(x),
    ]  # fmt: skip
    assert {r.dtype for r in results} == {np.dtype("float32")}


@pytest.mark.parametrize("n", [1, 4, 5])
def test_frequencies_are_those_of_numpy(n):
    x = drawn(n, n, 3)
    assert np.array_equal(mg.fft.fftfreq(n, d=0.5).data, np.fft.fftfreq(n, 0.5))
    assert np.array_equal(mg.fft.rfftfreq(n, d=0.5).data, np.fft.rfftfreq(n, 0.5))
    for axes in (None, 0, (0, 1)):
        assert np.array_equal(mg.fft.fftshift(x, axes=axes).data, np.fft.fftshift(x, axes))
        assert np.array_equal(mg.fft.ifftshift(x, axes=axes).data, np.fft.ifftshift(x, axes))
