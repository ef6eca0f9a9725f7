"""Derivatives of functions: closed forms, structures, nesting, parameters."""

import itertools

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn

rng = np.random.default_rng(0)
A = rng.standard_normal((4, 4))
S = A + A.T
b = rng.standard_normal(4)


def quadratic(x):
    return 0.5 * x @ (S @ x) + b @ x


def test_gradient_hessian_and_product_of_a_quadratic():
    x, v = rng.standard_normal(4), rng.standard_normal(4)
    assert np.allclose(mg.grad(quadratic)(x).data, S @ x + b, rtol=1e-13)
    assert np.allclose(mg.hessian(quadratic)(x).data, S, rtol=1e-13)
    products = mg.hvp(quadratic, (x,), (v,))
    assert type(products) is tuple
    assert np.allclose(products[0].data, S @ v, rtol=1e-13)


@pytest.mark.parametrize("shape", [(3, 2), (2, 5)])
def test_jacobian_of_a_linear_map_up_or_down(shape):
    m = rng.standard_normal(shape)
    assert np.allclose(mg.jacobian(lambda x: m @ x)(rng.standard_normal(shape[1])).data, m, rtol=1e-15)


def test_jacobian_of_matrices_has_the_shape_of_both():
    x = rng.standard_normal((2, 3))
    j = mg.jacobian(lambda x: x * x)(x)
    assert j.shape == (2, 3, 2, 3)
    assert np.allclose(j.data.reshape(6, 6), np.diag(2 * x.ravel()))


def test_softmax_regression_hessian_in_closed_form():
    """H = 1/N Σ (diag p − p pᵀ) ⊗ x xᵀ."""
    n, d, k = 7, 3, 4
    x, labels, w = rng.standard_normal((n, d)), rng.integers(0, k, n), rng.standard_normal((k, d))
    h = mg.hessian(lambda w: mg.cross_entropy(mg.tensor(x) @ w.T, labels))(w).data.reshape(k * d, k * d)
    p = np.exp(x @ w.T)
    p /= p.sum(1, keepdims=True)
    exact = sum(np.kron(np.diag(q) - np.outer(q, q), np.outer(r, r)) for q, r in zip(p, x)) / n
    assert np.allclose(h, exact, rtol=1e-11, atol=1e-14)


def test_nested_lists_and_dicts():
    p = {"w": rng.standard_normal((3, 2)), "layers": [rng.standard_normal(2), (rng.standard_normal(2),)]}

    def f(p, x):
        return mg.tanh(x @ p["w"] * p["layers"][0] + p["layers"][1][0]).sum()

    x = rng.standard_normal((5, 3))
    g = mg.grad(f)(p, x)
    assert g["w"].shape == (3, 2) and g["layers"][1][0].shape == (2,)
    gp, gx = mg.grad(f, argnums=(0, 1))(p, x)
    assert np.array_equal(gp["w"].data, g["w"].data) and gx.shape == x.shape
    v = {"w": np.ones((3, 2)), "layers": [np.ones(2), (np.ones(2),)]}
    _, t = mg.jvp(lambda p: f(p, x), (p,), (v,))
    assert np.isclose(t.item(), sum(q.data.sum() for q in (g["w"], g["layers"][0], g["layers"][1][0])), rtol=1e-12)
    (hv,) = mg.hvp(lambda p: f(p, x), (p,), (v,))
    (hu,) = mg.hvp(lambda p: f(p, x), (p,), (g,))
    uhv = sum((hv["w"].data * g["w"].data).sum() for _ in [0]) + (hv["layers"][0].data * g["layers"][0].data).sum()
    uhv += (hv["layers"][1][0].data * g["layers"][1][0].data).sum()
    vhu = hu["w"].data.sum() + hu["layers"][0].data.sum() + hu["layers"][1][0].data.sum()
    assert np.isclose(uhv, vhu, rtol=1e-12)


def test_a_loss_with_parameters():
    w = mg.tensor(rng.standard_normal((3, 2)), requires_grad=True)
    c = mg.tensor(rng.standard_normal(2), requires_grad=True)
    x = rng.standard_normal((5, 3))

    def loss(x):
        return mg.tanh(mg.tensor(x) @ w + c).sum()

    _, (gw, gc) = mg.value_and_grad(loss, params=[w, c])(x)
    loss(x).backward()
    assert np.allclose(gw.data, w.grad, rtol=1e-15) and np.allclose(gc.data, c.grad, rtol=1e-15)
    vs = [np.ones((3, 2)), np.ones(2)]
    hv = mg.hvp(lambda: loss(x), [w, c], vs)
    same = mg.hvp(lambda w, c: mg.tanh(mg.tensor(x) @ w + c).sum(), (w.data, c.data), vs)
    assert all(np.allclose(a.data, b.data, rtol=1e-13) for a, b in zip(hv, same))
    assert w.grad is not None and (w.grad == gw.data).all(), "products leave .grad alone"


def test_linearize_evaluates_once():
    calls = []

    def f(x):
        calls.append(1)
        return mg.exp(x)

    x = rng.standard_normal(3)
    _, tangent = mg.linearize(f, x)
    for _ in range(5):
        v = rng.standard_normal(3)
        assert np.allclose(tangent(v).data, np.exp(x) * v, rtol=1e-14)
    assert len(calls) == 1


def test_vjp_can_be_pulled_many_times():
    _, pull = mg.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    for g in (np.ones(2), np.array([0.0, 1.0])):
        gx, gy = pull(g)
        assert np.array_equal(gx.data, g * [3, 4]) and np.array_equal(gy.data, g * [1, 2])


def test_no_perturbation_confusion():
    """d/dx (x · d/dy (x + y)) = 1, though both derivatives are along 1."""

    def inner(x):
        return x * mg.grad(lambda y: x + y)(1.0)

    assert mg.grad(inner)(3.0).item() == 1
    assert mg.jvp(lambda x: x * mg.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (3.0,), (1.0,))[1].item() == 1


def test_a_gradient_taken_inside_a_recorded_loss_can_be_differentiated():
    """A gradient penalty: d/dw |d/dx (w x²)|² = 8 w x²."""
    w = mg.tensor(3.0, requires_grad=True)
    x = mg.tensor(2.0, requires_grad=True)
    penalty = mg.grad(lambda x: w * x * x)(x) ** 2
    penalty.backward()
    assert w.grad == 8 * 3 * 4 and x.grad == 8 * 9 * 2


def test_top_level_derivatives_are_not_recorded():
    g = mg.grad(quadratic)(rng.standard_normal(4))
    assert not g.requires_grad
    assert not mg.hvp(quadratic, (b,), (b,))[0].requires_grad
    assert mg.grad(quadratic)(mg.tensor(b, requires_grad=True)).requires_grad


def test_derivatives_work_under_no_grad():
    with mg.no_grad():
        assert np.allclose(mg.grad(quadratic)(b).data, S @ b + b)


def test_constant_functions_have_zero_derivatives():
    assert mg.grad(lambda x: mg.tensor(3.0))(2.0).item() == 0
    assert np.array_equal(mg.hessian(lambda x: x.sum())(np.ones(2)).data, np.zeros((2, 2)))
    assert mg.jvp(lambda x: mg.tensor(1.0), (2.0,), (1.0,))[1].item() == 0


def test_newton_converges_quadratically_on_logistic_regression():
    x = rng.standard_normal((60, 3))
    t = np.sign(x @ np.ones(3) + rng.standard_normal(60))

    def loss(w):
        return mg.softplus(-t * (mg.tensor(x) @ w)).mean() + 0.05 * (w * w).sum()

    w, norms = np.full(3, -2.0), []
    for _ in range(9):
        g = mg.grad(loss)(w).data
        norms.append(np.linalg.norm(g))
        w = w - np.linalg.solve(mg.hessian(loss)(w).data, g)
    assert norms[-1] < 1e-14
    exponents = [np.log(c) / np.log(a) for a, c in itertools.pairwise(norms) if c > 1e-14 and a < 0.1]
    assert exponents and min(exponents) > 1.7


def test_softplus_is_smooth_at_zero_too():
    """Where a composition of relu and abs would have its kinks: a logistic regression starts at 0."""
    x = np.array([-2.0, 0.0, 1.0])
    p = 1 / (1 + np.exp(-x))
    assert np.allclose(mg.grad(lambda x: mg.softplus(x).sum())(x).data, p, rtol=1e-15)
    assert np.allclose(mg.hvp(lambda x: mg.softplus(x).sum(), (x,), (np.ones(3),))[0].data, p * (1 - p), rtol=1e-14)


# ---- Gauss–Newton --------------------------------------------------------------------------------------------------


def dense_ggn(f, loss, x):
    """Jᵀ H J from the dense Jacobian and Hessian."""
    z = f(mg.tensor(x)).data
    j = mg.jacobian(f)(x).data.reshape(z.size, x.size)
    return j.T @ mg.hessian(loss)(z).data.reshape(z.size, z.size) @ j


def columns(product, shape):
    size = int(np.prod(shape))
    return np.stack([product(e.reshape(shape))[0].data.ravel() for e in np.eye(size)], axis=1)


LABELS = rng.integers(0, 3, 5)


@pytest.mark.parametrize(
    "loss",
    [lambda z: (z * z).sum(), lambda z: mg.cross_entropy(z, LABELS), lambda z: (z**4).mean() + mg.exp(z[0, 0])],
    ids=["squares", "cross-entropy", "quartic"],
)
def test_gauss_newton_products_equal_the_dense_matrix(loss):
    x, w = mg.tensor(rng.standard_normal((5, 2))), rng.standard_normal((2, 3))

    def outputs(w):
        return mg.tanh(x @ w) * 2

    exact = dense_ggn(outputs, loss, w)
    assert np.allclose(columns(lambda v: mg.ggnvp(outputs, loss, (w,), (v,)), w.shape), exact, rtol=1e-12, atol=1e-14)
    value, (gradient,), product = mg.linearize_ggn(lambda w: (loss(z := outputs(w)), z), (w,))
    assert np.allclose(columns(product, w.shape), exact, rtol=1e-12, atol=1e-14)
    assert value.item() == loss(outputs(mg.tensor(w))).item()
    assert np.array_equal(gradient.data, mg.grad(lambda w: loss(outputs(w)))(w).data)
    assert not product(w)[0].requires_grad


def test_gauss_newton_of_softmax_cross_entropy_in_closed_form():
    """(diag p − p pᵀ)/N for the logits themselves."""
    z, u = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
    labels = rng.integers(0, 4, 6)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    (product,) = mg.ggnvp(lambda z: mg.mul(z, 1.0), lambda z: mg.cross_entropy(z, labels), (z,), (u,))
    assert np.allclose(product.data, (p * u - p * (p * u).sum(1, keepdims=True)) / 6, rtol=1e-14, atol=1e-16)


def test_gauss_newton_is_the_hessian_where_the_model_is_linear():
    x, w, v = (rng.standard_normal(s) for s in ((5, 2), (2, 3), (2, 3)))

    def f(w):
        z = mg.tensor(x) @ w
        return mg.cross_entropy(z, LABELS) + 0.1 * (w * w).sum(), z  # a penalty is read around the outputs

    (product,) = mg.linearize_ggn(f, (w,))[2](v)
    assert np.allclose(product.data, mg.hvp(lambda w: f(w)[0], (w,), (v,))[0].data, rtol=1e-13)


def test_gauss_newton_with_several_outputs_one_of_them_behind_the_other():
    """Each output is held on its own: of L(z₁, z₂) with z₂ = c(z₁), the loss reads z₁ directly and through z₂."""
    w = rng.standard_normal(4)

    def outputs(w):
        z1 = mg.tensor(S) @ mg.tanh(w)
        return [z1, mg.sin(z1)]

    def loss(zs):
        return (zs[0] ** 2 * zs[1]).sum() + mg.exp(zs[1]).sum()

    def stacked(w):
        return mg.concat(outputs(w))

    exact = dense_ggn(stacked, lambda z: loss([z[:4], z[4:]]), w)
    product = mg.linearize_ggn(lambda w: (loss(z := outputs(w)), z), (w,))[2]
    assert np.allclose(columns(product, (4,)), exact, rtol=1e-12, atol=1e-13)


def test_gauss_newton_of_parameters_with_a_deferred_output_inside_the_network():
    """The output of a batch norm whose value waits for the operations after it; ones before it are left alone."""
    x = rng.standard_normal((8, 3))
    w = mg.tensor(rng.standard_normal((3, 4)), requires_grad=True)
    gamma = mg.tensor(rng.standard_normal(4), requires_grad=True)

    def outputs():
        return mg.batch_norm(mg.tensor(x) @ w, gamma, np.zeros(4))

    def loss(z):
        return (mg.relu(z + 1.0) ** 3).sum()

    def f():
        z = outputs()
        assert z.pending
        return loss(z), z

    _, grads, product = mg.linearize_ggn(f, [w, gamma])
    vs = [rng.standard_normal((3, 4)), rng.standard_normal(4)]

    def of(w, gamma):
        return mg.batch_norm(mg.tensor(x) @ w, gamma, np.zeros(4))

    _, jv = mg.jvp(of, (w.data, gamma.data), vs)
    (hjv,) = mg.hvp(loss, (outputs().data,), (jv,))
    exact = mg.vjp(of, w.data, gamma.data)[1](hjv)
    assert all(np.allclose(p.data, e.data, rtol=1e-11, atol=1e-12) for p, e in zip(product(*vs), exact))
    exact = mg.grad(lambda w, gamma: loss(of(w, gamma)), (0, 1))(w.data, gamma.data)
    assert all(np.allclose(p.data, e.data, rtol=1e-12) for p, e in zip(grads, exact))
    assert w.grad is None


def test_gauss_newton_products_can_be_differentiated():
    """L = z², z = x³: G = 18 x⁴, dG/dx = 72 x³."""
    slope = mg.grad(lambda x: mg.ggnvp(lambda x: x**3, lambda z: z * z, (x,), (1.0,))[0])(2.0)
    assert np.isclose(slope.item(), 72 * 8, rtol=1e-14)


def test_gauss_newton_refuses_what_it_would_get_wrong():
    w = rng.standard_normal(3)
    with pytest.raises(TypeError, match=r"must return a pair: \(loss, outputs\)"):
        mg.linearize_ggn(lambda w: (w * w).sum(), (w,))
    with pytest.raises(ValueError, match=r"not computed from outputs\[0\]"):
        mg.linearize_ggn(lambda w: ((w * w).sum(), w * 2), (w,))
    with pytest.raises(ValueError, match="must return one number"):
        mg.linearize_ggn(lambda w: (w * w, w), (w,))
    with pytest.raises(ValueError, match="2 directions were given for 1 inputs"):
        mg.ggnvp(lambda w: w * 2, lambda z: (z * z).sum(), (w,), (w, w))


# ---- gradients of each example ----------------------------------------------------------------------------------------


@cases(20)
@given(st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([np.float32, np.float64]))
def test_gradients_of_each_example(seed, n, dtype):
    """Their mean is the gradient of the mean loss; each is that of its example alone."""
    rng = np.random.default_rng(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 2, rng=rng, dtype=dtype), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3, rng=rng, dtype=dtype)
    )
    x, y = rng.normal(size=(n, 1, 3, 3)).astype(dtype), rng.integers(3, size=n)

    def loss(x, y):
        return mg.cross_entropy(net(x), y)

    ps = net.parameters()
    each = mg.per_example_grad(loss, ps, x, y)
    whole = mg.grad(loss, params=ps)(x, y)
    tolerance = 30 * np.finfo(dtype).eps  # of some twenty sums of numbers below 1
    for p, g, w in zip(ps, each, whole):
        assert g.shape == (n, *p.shape) and g.dtype == dtype
        np.testing.assert_allclose(g.data.mean(0), w.data, rtol=0, atol=tolerance * max(1.0, np.abs(g.data).max()))
    alone = mg.grad(loss, params=ps)(x[-1:], y[-1:])
    for g, w in zip(each, alone):
        np.testing.assert_array_equal(g.data[-1], w.data)


def test_gradients_of_each_example_need_a_batch_of_one_length():
    w = mg.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="give one length"):
        mg.per_example_grad(lambda x, y: (x * y * w).sum(), [w], np.ones(3), np.ones(2))
