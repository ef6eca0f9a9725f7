"""Curvature: products against dense matrices, estimates against the dense spectrum of a small network."""

import gc
import importlib
import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import linalg

import minigrad as mg
from minigrad import nn
from minigrad.data import Dataset, Loader
from minigrad.optim import curvature
from minigrad.optim.curvature import Density, density, diagonal, eigenvalues, lanczos, power_iteration, trace


def symmetric(values, seed=0):
    """A dense matrix with these eigenvalues."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))
    return (q * values) @ q.T


class Network:
    """4-8-3 with tanh and a soft-max loss, on 30 samples in float64; H is its dense Hessian after some descent."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.model = nn.Sequential(nn.Linear(4, 8, dtype=np.float64, rng=0), nn.Tanh(),
                                   nn.Linear(8, 3, dtype=np.float64, rng=1))  # fmt: skip
        self.x = rng.standard_normal((30, 4))
        self.labels = (self.x[:, :3] + 0.3 * rng.standard_normal((30, 3))).argmax(1)
        self.params = self.model.parameters()
        for _ in range(50):
            for p, g in zip(self.params, mg.grad(self.loss, params=self.params)()):
                p.data = p.data - 0.5 * g.data
        self.n = sum(p.size for p in self.params)
        self.H = curvature.hessian(self.loss, self.params) @ np.eye(self.n)

    def loss(self):
        return mg.cross_entropy(self.model(self.x), self.labels)

    def loss_of(self, x, labels):
        return mg.cross_entropy(self.model(x), labels)

    def batches(self, *sizes):
        ends = np.cumsum(sizes)
        assert ends[-1] == 30
        return [(self.x[b - n : b], self.labels[b - n : b]) for n, b in zip(sizes, ends)]

    def jacobian(self, f):
        """Of f(), by one product of reverse mode for each of its entries."""
        y = f()
        rows = [mg.pull(y, self.params, e.reshape(y.shape), retain_graph=True) for e in np.eye(y.size)]
        return np.stack([np.concatenate([g.data.ravel() for g in row]) for row in rows])


@pytest.fixture(scope="module")
def net():
    return Network()


# ---- operators -----------------------------------------------------------------------------------------------------


def test_the_hessian_of_a_softmax_regression_in_closed_form():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((7, 3)), mg.tensor(rng.standard_normal((4, 3)), requires_grad=True)
    labels = rng.integers(0, 4, 7)
    h = curvature.hessian(lambda: mg.cross_entropy(mg.tensor(x) @ w.T, labels), [w]) @ np.eye(12)
    p = np.exp(x @ w.data.T)
    p /= p.sum(1, keepdims=True)
    exact = sum(np.kron(np.diag(q) - np.outer(q, q), np.outer(r, r)) for q, r in zip(p, x)) / 7
    assert np.allclose(h, exact, rtol=1e-11, atol=1e-14)
    values = np.linalg.eigvalsh(h)
    assert (np.abs(values) < 1e-14).sum() == 3, "adding one vector to all classes changes nothing"


def test_products_of_vectors_matrices_and_structures_agree(net):
    H, v = curvature.hessian(net.loss, net.params), np.random.default_rng(0).standard_normal(net.n)
    assert H.shape == (net.n, net.n) and repr(H) == f"<operator of shape {H.shape}>"
    flat = H @ v
    assert np.array_equal(flat, (H @ np.stack([v, 2 * v], axis=1))[:, 0])
    parts = [a.reshape(p.shape) for a, p in zip(np.split(v, np.cumsum([p.size for p in net.params])[:-1]), net.params)]
    structured = H @ parts
    assert [a.shape for a in structured] == [p.shape for p in net.params]
    assert np.array_equal(np.concatenate([a.ravel() for a in structured]), flat)
    assert np.allclose(net.H, net.H.T, atol=1e-15) and np.allclose(flat, net.H @ v, rtol=1e-12)
    with pytest.raises(ValueError, match=r"H @ v: v has shape \(3,\)"):
        H @ np.ones(3)
    with pytest.raises(ValueError, match=r"dtype complex128; .* real"):
        H @ (1j * v)
    assert all(p.grad is None for p in net.params)


@pytest.mark.slow
def test_a_mean_over_batches_of_different_sizes_is_that_over_the_data(net):
    for batches in (net.batches(30), net.batches(12, 12, 6)):
        H = curvature.hessian(net.loss_of, net.params, batches)
        assert np.allclose(H @ np.eye(net.n), net.H, rtol=1e-12, atol=1e-14)
    loader = Loader(Dataset(net.x, net.labels), batch_size=8, seed=3)
    H = curvature.hessian(net.loss_of, net.params, loader)
    v = np.ones(net.n)
    assert np.allclose(H @ v, net.H @ v, rtol=1e-12, atol=1e-14) and np.array_equal(H @ v, H @ v)
    assert loader.epoch == 1


@pytest.mark.slow
def test_gauss_newton_and_both_fishers_against_dense_matrices(net):
    J = net.jacobian(lambda: net.model(net.x))
    p = np.exp(net.model(net.x).data)
    p /= p.sum(1, keepdims=True)
    HL = np.zeros((90, 90))
    for i, q in enumerate(p):
        HL[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] = (np.diag(q) - np.outer(q, q)) / 30
    exact = J.T @ HL @ J

    def pair(x, labels):
        z = net.model(x)
        return mg.cross_entropy(z, labels), z

    for batches in (None, net.batches(20, 10)):
        f = (lambda: pair(net.x, net.labels)) if batches is None else pair
        G = curvature.gauss_newton(f, net.params, batches) @ np.eye(net.n)
        assert np.allclose(G, exact, rtol=1e-10, atol=1e-14)
        logits = (lambda: net.model(net.x)) if batches is None else (lambda x, labels: net.model(x))
        assert np.allclose(curvature.fisher(logits, net.params, batches) @ np.eye(net.n), exact, atol=1e-14)

        g = net.jacobian(lambda: mg.cross_entropy(net.model(net.x), net.labels, reduction="none"))

        def losses(x, labels):
            return mg.cross_entropy(net.model(x), labels, reduction="none")

        given = (lambda: losses(net.x, net.labels)) if batches is None else losses
        empirical = curvature.empirical_fisher(given, net.params, batches) @ np.eye(net.n)
        assert np.allclose(empirical, g.T @ g / 30, rtol=1e-10, atol=1e-14)
    with pytest.raises(ValueError, match="one for each sample"):
        curvature.empirical_fisher(net.loss, net.params)


@pytest.mark.slow
def test_the_sampled_fisher_is_a_sum_over_drawn_labels_and_right_on_average(net):
    labels = curvature.sample_labels(net.model(net.x).data, np.random.default_rng(5))
    g = net.jacobian(lambda: mg.cross_entropy(net.model(net.x), labels, reduction="none"))
    F = curvature.fisher(lambda: net.model(net.x), net.params, sampled=True, rng=5)
    assert np.allclose(F @ np.eye(net.n), g.T @ g / 30, rtol=1e-10, atol=1e-14)
    batched = curvature.fisher(lambda x, _: net.model(x), net.params, net.batches(10, 20), sampled=True, rng=5)
    v = np.ones(net.n)
    assert np.array_equal(batched @ v, batched @ v), "labels are drawn once"
    exact = float(v @ (curvature.fisher(lambda: net.model(net.x), net.params) @ v))
    rng = np.random.default_rng(0)
    draws = [float(v @ (curvature.fisher(lambda: net.model(net.x), net.params, sampled=True, rng=rng) @ v))
             for _ in range(400)]  # fmt: skip
    assert abs(np.mean(draws) - exact) < 3 * np.std(draws) / 20


def test_sampled_labels_follow_the_softmax():
    logits = np.tile(np.log([0.5, 0.3, 0.2]), (20_000, 1))
    shares = np.bincount(curvature.sample_labels(logits, np.random.default_rng(0))) / 20_000
    assert np.allclose(shares, [0.5, 0.3, 0.2], atol=0.01)
    with pytest.raises(ValueError, match="they must be"):
        curvature.sample_labels(np.zeros(3), np.random.default_rng(0))


def test_scipy_finds_eigenvalues_and_solves_with_the_operator(net):
    exact = np.linalg.eigvalsh(net.H)
    S = curvature.hessian(net.loss, net.params).to_scipy()
    assert np.allclose(linalg.eigsh(S, 3, which="LA", return_eigenvectors=False), exact[-3:], rtol=1e-9)
    b = np.random.default_rng(0).standard_normal(net.n)

    def damped():
        return net.loss() + sum((0.05 * (p * p).sum() for p in net.params), mg.tensor(0.0))

    damped_H = curvature.hessian(damped, net.params).to_scipy()
    assert np.linalg.eigvalsh(net.H + 0.1 * np.eye(net.n))[0] > 0
    x, info = linalg.cg(damped_H, b, rtol=1e-12)
    assert info == 0 and np.allclose(x, np.linalg.solve(net.H + 0.1 * np.eye(net.n), b), rtol=1e-8)


def test_without_scipy_the_error_says_so(net, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name="scipy")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ModuleNotFoundError, match="to_scipy needs scipy, which is not installed"):
        curvature.hessian(net.loss, net.params).to_scipy()


def test_frozen_parameters_are_left_out_and_tied_ones_count_once():
    a, b = (mg.tensor(np.array([1.0, 2.0]), requires_grad=True) for _ in range(2))
    b.requires_grad = False
    H = curvature.hessian(lambda: (a * a * b * a).sum(), [a, b])
    assert np.allclose(H @ np.eye(2), np.diag([6.0, 24.0]))
    with pytest.raises(ValueError, match="no parameter requires grad"):
        curvature.hessian(lambda: b.sum(), [b])
    with pytest.raises(ValueError, match="stands there twice"):
        curvature.hessian(lambda: (a * a).sum(), [a, a])


def test_what_is_no_function_of_the_parameters_is_refused():
    model = nn.Sequential(nn.Linear(4, 5, rng=0), nn.Dropout(0.5, rng=0), nn.Linear(5, 3, rng=0))
    x, labels = np.ones((6, 4), np.float32), np.zeros(6, int)
    params = model.parameters()

    def loss(x, labels):
        return mg.cross_entropy(model(x), labels)

    v = np.ones(sum(p.size for p in params))
    H = curvature.hessian(loss, params, [(x, labels)])
    H @ v
    with pytest.raises(RuntimeError, match=r"the loss on batch 0 was .* put the model in eval mode"):
        H @ v
    fixed = curvature.hessian(lambda: loss(x, labels), params)  # recorded once, its mask is held
    assert np.array_equal(fixed @ v, fixed @ v)
    params[0].data = params[0].data * 2
    with pytest.raises(RuntimeError, match="parameters changed"):
        H @ v
    with pytest.raises(RuntimeError, match="changed after it was recorded"):
        fixed @ v
    with pytest.raises(ValueError, match="no batches"):
        curvature.hessian(loss, params, [])


def test_what_would_give_zeros_or_wrong_weights_in_silence_is_refused():
    w = mg.tensor(np.array([1.0, 2.0]), requires_grad=True)

    def cube():
        return (w**3).sum()

    for of in (curvature.hessian, curvature.sharpness, curvature.worst_rise):  # w's entries are tensors too
        with pytest.raises(TypeError, match="params is a Tensor; give a list"):
            of(cube, w)
    with pytest.raises(ValueError, match="loss does not depend on the parameters"):
        curvature.hessian(lambda: (w.detach() ** 3).sum(), [w])
    with pytest.raises(ValueError, match="loss does not depend on the parameters"):
        curvature.hessian(lambda x: (mg.tensor(x) ** 2).sum(), [w], [np.ones(3)]) @ np.ones(2)
    with pytest.raises(TypeError, match="a batch is a dict"):  # its length would be taken for a number of samples
        curvature.hessian(lambda batch: (batch["x"] @ w).sum() ** 2, [w], [{"x": np.ones((3, 2))}])
    assert np.array_equal(curvature.hessian(lambda: w.sum(), [w]) @ np.ones(2), [0, 0]), "a plane has none"


# ---- estimates -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_hutchinsons_trace_and_its_standard_error(net):
    exact = np.trace(net.H)
    found = trace(curvature.hessian(net.loss, net.params), samples=200, rng=0)
    assert found.samples == 200 and abs(found.value - exact) < 3 * found.error
    variance = 2 * (np.sum(net.H**2) - np.sum(np.diag(net.H) ** 2))
    assert np.isclose(trace(net.H, samples=20_000, rng=1).error, np.sqrt(variance / 20_000), rtol=0.03)


def test_the_variance_of_hutchinsons_trace_over_all_signs():
    """2 (‖A‖_F² − Σ aᵢᵢ²), exactly, and the mean is the trace."""
    A = symmetric(np.array([-1.0, 0.5, 2.0, 3.0, 7.0, 0.0]))
    draws = [np.array(v) @ A @ np.array(v) for v in itertools.product([-1.0, 1.0], repeat=6)]
    assert np.isclose(np.mean(draws), np.trace(A), rtol=1e-13)
    assert np.isclose(np.var(draws), 2 * (np.sum(A**2) - np.sum(np.diag(A) ** 2)), rtol=1e-12)


def test_the_diagonal_and_its_errors(net):
    found = diagonal(net.H, samples=500, rng=0)
    deviations = (found.value - np.diag(net.H)) / found.error
    assert 0.7 < deviations.std() < 1.3 and np.abs(deviations).max() < 4.5
    exact = np.sqrt((np.sum(net.H**2, axis=1) - np.diag(net.H) ** 2) / 500)
    assert np.allclose(found.error, exact, rtol=0.25)
    assert np.allclose(diagonal(np.diag([1.0, -2.0]), 2, rng=0).value, [1, -2])
    with pytest.raises(ValueError, match="samples is 1"):
        trace(net.H, 1)


def test_lanczos_with_all_steps_gives_the_whole_spectrum(net):
    T = lanczos(net.H, net.n, rng=0)
    assert np.allclose(T.basis.T @ T.basis, np.eye(net.n), atol=1e-13)
    assert np.allclose(T.eigenpairs[0], np.linalg.eigvalsh(net.H), atol=1e-13)


def test_lanczos_goes_on_where_a_space_is_exhausted():
    A = np.diag([3.0, 3.0, 1.0, 0.0])  # of which a start in the span of two eigenvectors sees two, exactly
    T = lanczos(A, 4, np.array([1.0, 0.0, 1.0, 0.0]), rng=0)
    assert T.off[1] == 0 and np.allclose(T.eigenpairs[0], [0, 1, 3, 3], rtol=0, atol=round_off(4, 3))
    assert np.array_equal(eigenvalues(np.zeros((3, 3)), 2, rng=0).values, [0, 0])


def round_off(n, norm):
    """What Lanczos' method leaves of QᵀQ − I (norm 1) and of QᵀAQ − T, per entry.

    With u = eps / 2, a pass of orthogonalisation leaves (n√n + n + 1) u of the vector that it begins with, which is at
    most twice as long as what is left; a product with A leaves n u ‖A‖ √n, and dividing by the norm a little: together
    less than 4 n√n eps for n ≥ 2. Sums of errors of both signs stay far below that.
    """
    return 4 * n**1.5 * np.finfo(float).eps * norm


@pytest.mark.slow
@given(
    st.integers(0, 2**32 - 1), st.integers(2, 24), st.floats(-20, 0), st.sampled_from([1.0, 1e-120, 1e120])
)  # whose squares are numbers, round-off included
def test_lanczos_after_a_breakdown_or_nearly_one(seed, n, exponent, scale):
    """Equal eigenvalues end the space that a vector sees; moved apart by 10^exponent, they nearly do.

    Whatever is found beside the diagonal, Q is orthonormal and QᵀAQ is T, so the eigenvalues are A's (Weyl).
    """
    rng = np.random.default_rng(seed)
    values = rng.choice(rng.standard_normal(rng.integers(1, n + 1)), n) + 10**exponent * rng.standard_normal(n)
    A = scale * symmetric(values)
    T = lanczos(A, n, rng=seed)
    norm, Q = np.abs(scale * values).max(), T.basis
    within = np.diag(T.diagonal) + np.diag(T.off[:-1], 1) + np.diag(T.off[:-1], -1)
    assert np.abs(Q.T @ Q - np.eye(n)).max() <= round_off(n, 1)
    assert np.abs(Q.T @ A @ Q - within).max() <= round_off(n, norm)
    assert T.off[-1] <= round_off(n, norm), "nothing comes after the whole space"
    # the error of a matrix's eigenvalues is at most its norm: n times its largest entry; A's own are known to as much
    assert np.allclose(T.eigenpairs[0], np.linalg.eigvalsh(A), rtol=0, atol=2 * n * round_off(n, norm))


@pytest.mark.parametrize("smallest", [False, True])
def test_eigenvalues_are_those_of_the_dense_hessian_within_their_errors(net, smallest):
    exact = np.linalg.eigvalsh(net.H)
    exact = exact[:3] if smallest else exact[::-1][:3]
    found = eigenvalues(curvature.hessian(net.loss, net.params), 3, smallest=smallest, tol=1e-6, rng=0)
    assert (
        np.all(np.abs(found.values - exact) <= found.errors + 1e-13) and found.errors.max() < 1e-6 * np.abs(net.H).sum()
    )
    assert np.allclose(net.H @ found.vectors, found.vectors * found.values, atol=2 * found.errors.max() + 1e-13)
    assert found.products < net.n
    with pytest.raises(ValueError, match="count is 0"):
        eigenvalues(net.H, 0)
    with pytest.raises(ValueError, match="steps is 0"):
        lanczos(net.H, 0)
    with pytest.raises(ValueError, match="max_products is 0"):
        power_iteration(net.H, max_products=0)
    with pytest.raises(ValueError, match="probes is 0"):
        density(net.H, probes=0)


def test_power_iteration_finds_the_largest_modulus():
    found = power_iteration(symmetric(np.array([-5.0, 1.0, 2.0, 3.0])), tol=1e-8, rng=0)
    assert np.isclose(found.values[0], -5, rtol=1e-14) and found.errors[0] <= 5e-8
    stopped = power_iteration(symmetric(np.array([-5.0, 1.0, 4.99, 3.0])), tol=1e-8, max_products=5, rng=0)
    assert stopped.products == 5 and stopped.errors[0] > 1e-3, "the error tells that it has not converged"
    assert power_iteration(np.zeros((3, 3)), rng=0).values[0] == 0


@pytest.mark.parametrize("estimate", [trace, diagonal, density, eigenvalues, power_iteration])
def test_a_product_that_is_not_finite_is_an_error(estimate):
    w = mg.tensor(np.array([1.0, 0.0]), requires_grad=True)
    with np.errstate(all="ignore"):
        H = curvature.hessian(lambda: mg.sqrt(w).sum(), [w])
        with pytest.raises(FloatingPointError, match="not finite"):
            estimate(H, rng=0)


def test_the_density_matches_the_moments_of_its_probe_exactly(net):
    """m nodes integrate polynomials up to degree 2m − 1: Σ w θᵏ = vᵀ Hᵏ v."""
    found = density(net.H, probes=1, steps=6, rng=0)
    v = curvature.signs(net.n, np.random.default_rng(0)) / np.sqrt(net.n)
    for k in range(12):
        moment = v @ np.linalg.matrix_power(net.H, k) @ v
        assert np.isclose(found.weights[0] @ found.nodes[0] ** k, moment, rtol=1e-10)


@pytest.mark.slow
def test_the_density_is_that_of_the_dense_spectrum(net):
    H = curvature.hessian(net.loss, net.params)
    found = density(H, probes=30, steps=40, rng=0)
    exact = np.linalg.eigvalsh(net.H)
    assert np.allclose(found.weights.sum(1), 1)
    width = 0.05 * (exact[-1] - exact[0])
    grid, smoothed = found.smoothed(width=width)
    _, wanted = Density(exact[None], np.full((1, net.n), 1 / net.n)).smoothed(grid, width=width)
    assert np.isclose(np.trapezoid(smoothed, grid), 1, atol=1e-6)
    assert np.trapezoid(np.abs(smoothed - wanted), grid) < 0.06
    mean = (found.weights * found.nodes).sum() / 30
    assert np.isclose(mean, exact.mean(), rtol=0.1)


def test_a_density_of_equal_eigenvalues_is_one_mass():
    found = density(2.0 * np.eye(5), probes=2, steps=5, rng=0)
    assert np.allclose(found.weights @ np.ones(5), 1) and np.allclose((found.weights * found.nodes).sum(1), 2)
    grid, smoothed = found.smoothed()
    assert np.isclose(np.trapezoid(smoothed, grid), 1, atol=1e-6) and abs(grid[smoothed.argmax()] - 2) < 1e-3


def test_draws_are_those_of_the_generator_given():
    A = symmetric(np.arange(8.0))
    for estimate in (trace, diagonal, density, eigenvalues, power_iteration):
        first, second = estimate(A, rng=7), estimate(A, rng=np.random.default_rng(7))
        assert all(np.array_equal(a, b) for a, b in zip(first, second))


def test_sharpness_and_the_worst_rise_nearby(net):
    assert np.isclose(curvature.sharpness(net.loss, net.params, rng=0), np.linalg.eigvalsh(net.H)[-1], rtol=1e-3)
    before = [p.data.copy() for p in net.params]
    g = np.concatenate([g.data.ravel() for g in mg.grad(net.loss, params=net.params)()])
    rise = curvature.worst_rise(net.loss, net.params, radius=1e-4)
    step = 1e-4 * g / np.linalg.norm(g)
    assert np.isclose(rise, step @ g + 0.5 * step @ net.H @ step, rtol=1e-6)
    assert all(np.array_equal(p.data, b) for p, b in zip(net.params, before))
    w = mg.tensor(np.zeros(2), requires_grad=True)
    assert curvature.worst_rise(lambda: (w * w).sum(), [w]) == 0


@pytest.mark.slow
def test_resnet8_top_eigenvalue_by_lanczos_and_by_power_iteration():
    model = nn.models.resnet8(width=4, rng=0).eval()
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((16, 3, 32, 32)).astype("f"), rng.integers(0, 10, 16)
    H = curvature.hessian(lambda: mg.cross_entropy(model(x), labels), model.parameters())
    by_lanczos = eigenvalues(H, tol=1e-4, rng=0)
    by_power = power_iteration(H, tol=1e-3, rng=1)
    assert by_power.errors[0] <= 1e-3 * by_power.values[0]
    assert np.isclose(by_lanczos.values[0], by_power.values[0], rtol=1e-4)


# ---- memory --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind, times", [("hessian", 400), ("gauss_newton", 200), ("batches", 100)])
def test_products_leave_nothing_behind(kind, times):
    """With the collector off, on one recorded tape, or each with tapes of its own.

    It grows by less than 1 MB: the interpreter's lists of free objects, which a collection empties. It
    finds no cycles, and next to nothing is left.
    """
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((8, 1, 8, 8)).astype("f"), rng.integers(0, 10, 8)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False, rng=0), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64, 10, rng=0),
    )  # fmt: skip

    def loss(x, labels):
        return mg.cross_entropy(model.eval()(x), labels)

    if kind == "gauss_newton":
        z = model(x)
        A = curvature.gauss_newton(lambda: (mg.cross_entropy(z, labels), z), model.parameters())
    elif kind == "hessian":
        A = curvature.hessian(lambda: loss(x, labels), model.parameters())
    else:
        A = curvature.hessian(loss, model.parameters(), [(x, labels)])
    v = np.ones(A.shape[0])
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(10):
            A @ v
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            A @ v
        assert tracemalloc.get_traced_memory()[0] - before < 1e6
        assert gc.collect() == 0
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()
        gc.enable()
