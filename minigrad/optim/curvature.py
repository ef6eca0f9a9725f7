"""Curvature of a loss: its Hessian, Gauss–Newton and Fisher matrices as operators, and what their products tell.

First the operators, `H @ v`, of one closure or averaged over batches. Then estimates that need nothing but products:
trace and diagonal (Hutchinson), eigenvalues (power iteration, Lanczos) and the density of the spectrum (stochastic
Lanczos quadrature). These take any symmetric `A` with `A @ v` and `A.shape`: an array will do. Vectors are float64,
whatever the parameters are. All draws come from the generator, or the seed, that the caller gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ..calculus import linearize_ggn, linearize_grad, value_and_grad
from ..extras import extra
from ..ops.loss import cross_entropy
from ..ops.reduce import mean
from ..random import generator
from ..ranges import COUNT, check
from ..tape import Array, Tensor, history, no_grad
from .vector import flat, split

Rng = np.random.Generator | int | None


class Operator:
    """A symmetric matrix over all entries of some tensors, known by its products: `H @ v`.

    v is a flat vector of all entries, in the order of the tensors; a matrix of such columns; or a list of arrays with
    the tensors' shapes. The product has the same form. `shape` is (n, n), `dtype` float64. `product(*vs)` takes an
    array for each tensor and returns as many tensors, as `mg.linearize_grad` and `mg.linearize_ggn` give it.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> H = Operator(mg.linearize_grad(lambda: (x**3).sum(), [x])[2], [x])
    >>> H.shape, H @ np.ones(2), (H @ np.eye(2)).tolist()
    ((2, 2), array([ 6., 12.]), [[6.0, 0.0], [0.0, 12.0]])
    """

    dtype = np.dtype(np.float64)

    def __init__(self, product: Callable[..., Sequence[Tensor]], tensors: Sequence[Tensor]) -> None:
        self._product, self._tensors = product, list(tensors)
        n = sum(t.size for t in tensors)
        self.shape = n, n

    def __matmul__(self, v: Any) -> Any:
        if isinstance(v, (list, tuple)):
            return [np.array(p.data) for p in self._product(*v)]
        v, n = np.asarray(v), self.shape[0]
        if v.ndim not in (1, 2) or len(v) != n or v.dtype.kind not in "fiub":
            what = f"v has shape {v.shape} and dtype {v.dtype}"
            raise ValueError(f"H @ v: {what}; it must be ({n},), ({n}, k), or a list of arrays, and real")
        if v.ndim == 2:
            return np.stack([self @ column for column in v.T], axis=1)
        return flat(self._product(*split(v, self._tensors)))

    def to_scipy(self) -> Any:
        """A `scipy.sparse.linalg.LinearOperator`, for `eigsh`, `cg` and their like; an error says if SciPy is missing."""
        linalg = extra("scipy.sparse.linalg", "to_scipy")

        def product(v: Array) -> Array:
            return self @ v.ravel()

        return linalg.LinearOperator(self.shape, matvec=product, rmatvec=product, dtype=self.dtype)

    def __repr__(self) -> str:
        return f"<operator of shape {self.shape}>"


def hessian(loss: Callable[..., Tensor], params: Iterable[Tensor], batches: Iterable[Any] | None = None) -> Operator:
    """The Hessian of a loss in the parameters that require grad.

    Without `batches`, `loss()` is recorded once, with its gradient, and a product is one walk down that tape. With
    them, such as a data loader, `loss(*batch)` is a mean over a batch, and a product the mean over all samples: the
    loss is recorded anew for each batch and product, and nothing is kept but the batches, which are drawn once.

    The loss must be a function of the parameters: put a model in eval mode, or batch norm's running statistics move
    each time it is called. Raises RuntimeError when parameters changed, or the loss on a batch did (as by dropout).

    >>> w = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> H = hessian(lambda x: ((x * w).sum() ** 2) / len(x), [w], batches=[np.eye(2), np.eye(2)[:1]])
    >>> H @ np.array([1.0, 0.0])  # (2 · [1, 1] + 1 · [2, 0]) / 3
    array([1.33333333, 0.66666667])
    """
    return _operator(linearize_grad, loss, params, batches)


def gauss_newton(f: Callable[..., Any], params: Iterable[Tensor], batches: Iterable[Any] | None = None) -> Operator:
    """The Gauss–Newton matrix Jᵀ H J, where f returns (loss, outputs); see `mg.linearize_ggn`, and `hessian`.

    It is positive semidefinite where the loss is convex in the outputs.
    """
    return _operator(linearize_ggn, f, params, batches)


def fisher(
    logits: Callable[..., Tensor],
    params: Iterable[Tensor],
    batches: Iterable[Any] | None = None,
    *,
    sampled: bool = False,
    rng: Rng = None,
) -> Operator:
    """The Fisher matrix E g gᵀ of a softmax classifier, g the gradient of one sample's loss −log p(label).

    The labels are the model's own: the expectation over them is taken exactly, which is the Gauss–Newton matrix of
    the cross-entropy (Martens 2020), or `sampled`, by one label for each sample, drawn once from p. `logits()` or
    `logits(*batch)` returns (N, K).
    """
    if not sampled:

        def exact(*batch: Any) -> tuple[Tensor, Tensor]:
            z = logits(*batch)
            return cross_entropy(z, np.zeros(len(z), int)), z  # its Hessian in z does not depend on the labels

        return gauss_newton(exact, params, batches)
    rng = generator(rng)
    given = [()] if batches is None else [_as_tuple(batch) for batch in batches]
    with no_grad():
        labelled = [(*batch, sample_labels(logits(*batch).data, rng)) for batch in given]

    def losses(*batch: Any) -> Tensor:
        return cross_entropy(logits(*batch[:-1]), batch[-1], reduction="none")

    if batches is None:
        return empirical_fisher(lambda: losses(*labelled[0]), params)
    return empirical_fisher(losses, params, labelled)


def empirical_fisher(
    losses: Callable[..., Tensor], params: Iterable[Tensor], batches: Iterable[Any] | None = None
) -> Operator:
    """The mean of g gᵀ over the samples, g the gradient of one sample's loss with the label that the data has.

    `losses()` or `losses(*batch)` returns one number for each sample, (N,). It is a different matrix than `fisher`
    (Kunstner et al. 2019). In a model with batch norm in train mode a loss depends on other samples too.
    """

    def squares(*batch: Any) -> tuple[Tensor, Tensor]:
        z = losses(*batch)
        if z.ndim != 1:
            raise ValueError(f"fisher: losses have shape {z.shape}; give one for each sample: reduction='none'")
        return 0.5 * mean(z * z), z  # of which Gauss–Newton is JᵀJ/N

    return gauss_newton(squares, params, batches)


def sample_labels(logits: Array, rng: np.random.Generator) -> Array:
    """One label for each row of logits (N, K), drawn from softmax(logits) by adding Gumbel noise."""
    if logits.ndim != 2:
        raise ValueError(f"sample_labels: logits have shape {logits.shape}; they must be (N, K): samples, classes")
    return (logits + rng.gumbel(size=logits.shape)).argmax(1)


def _operator(linearize: Callable, f: Callable, params: Iterable[Tensor], batches: Iterable[Any] | None) -> Operator:
    params = _trainable(params)
    if batches is None:
        return Operator(_linearized(linearize, f, (), params)[1], params)
    kept = [_as_tuple(batch) for batch in batches]
    if not kept:
        raise ValueError("curvature: there are no batches")
    sizes = [_samples(batch[0]) for batch in kept]
    versions = [p.version for p in params]
    before: dict[int, float] = {}

    def product(*vs: Array) -> list[Tensor]:
        if versions != [p.version for p in params]:
            raise RuntimeError("H @ v: parameters changed since the operator was made; make it anew")
        sums = [np.zeros(p.shape) for p in params]
        for i, (batch, size) in enumerate(zip(kept, sizes)):
            loss, along = _linearized(linearize, f, batch, params)
            if not np.isclose(loss, before.setdefault(i, loss), rtol=1e-5, equal_nan=True):
                raise RuntimeError(
                    f"H @ v: the loss on batch {i} was {before[i]:.6g}, now it is {loss:.6g}, with the same "
                    "parameters; put the model in eval mode, and let it draw nothing"
                )
            for total, p in zip(sums, along(*vs)):
                total += size / sum(sizes) * p.data
        return [Tensor(total) for total in sums]

    return Operator(product, params)


def _trainable(params: Iterable[Tensor]) -> list[Tensor]:
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        what = f"curvature: params is a {type(params).__name__}"
        raise TypeError(f"{what}; give a list of tensors, e.g. model.parameters()")
    params = [p for p in params if p.requires_grad]
    if not params:
        raise ValueError("curvature: no parameter requires grad, so there is no curvature to speak of")
    return params


def _linearized(linearize: Callable, f: Callable, batch: tuple, params: list[Tensor]) -> tuple[float, Callable]:
    """The loss on a batch, and the products there."""
    loss, _, product = linearize(lambda: f(*batch), params)
    if {id(t) for t in history([loss])}.isdisjoint(map(id, params)):
        raise ValueError(
            "curvature: the loss does not depend on the parameters; compute it from them in each call, and not from "
            "detached tensors"
        )
    return loss.item(), product


def _samples(x: Any) -> int:
    if isinstance(x, Mapping):
        raise TypeError(
            "curvature: a batch is a dict, whose length is not the number of its samples; give tuples of arrays"
        )
    return len(x)


def _as_tuple(batch: Any) -> tuple:
    return tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)


# ---- trace and diagonal --------------------------------------------------------------------------------------------


class Estimate(NamedTuple):
    """A mean over random probes: `value`, its standard error `error`, and how many `samples` it is of."""

    value: Any
    error: Any
    samples: int


def trace(A: Any, samples: int = 100, *, rng: Rng = None) -> Estimate:
    """The trace of A as the mean of vᵀAv over random signs v, with its standard error (Hutchinson 1990).

    A sample's variance is 2 (‖A‖_F² − Σ aᵢᵢ²): nothing for a diagonal matrix. The number of samples is fixed
    beforehand; stopping when the mean looks settled would bias it.

    >>> trace(np.diag([1.0, 2.0, 3.0]), samples=2, rng=0)
    Estimate(value=6.0, error=0.0, samples=2)
    """
    draws = np.array([float(v @ _times(A, v)) for v in _probes("trace", A, samples, rng)])
    return Estimate(float(draws.mean()), float(draws.std(ddof=1) / samples**0.5), samples)


def diagonal(A: Any, samples: int = 100, *, rng: Rng = None) -> Estimate:
    """The diagonal of A as the mean of v ⊙ Av over random signs v, with standard errors (Bekas et al. 2007).

    The variance of a sample of entry i is the sum of the squares of row i off the diagonal.
    """
    mean, squares = np.zeros(A.shape[0]), np.zeros(A.shape[0])
    for k, v in enumerate(_probes("diagonal", A, samples, rng), 1):  # Welford's sums: one pass, no cancellation
        away = v * _times(A, v) - mean
        mean += away / k
        squares += (1 - 1 / k) * away**2
    return Estimate(mean, np.sqrt(squares / (samples - 1) / samples), samples)


def _times(A: Any, v: Array) -> Array:
    product = A @ v
    if not np.isfinite(product).all():
        raise FloatingPointError(
            "curvature: A @ v is not finite; the loss or its derivatives are not, at these parameters"
        )
    return product


def _probes(name: str, A: Any, samples: int, rng: Rng) -> Iterator[Array]:
    if samples < 2:
        raise ValueError(f"{name}: samples is {samples}; it takes 2 to tell an error")
    rng = generator(rng)
    return (signs(A.shape[0], rng) for _ in range(samples))


def signs(shape: int | tuple[int, ...], rng: np.random.Generator) -> Array:
    """Independent random signs, −1.0 or 1.0 (Rademacher)."""
    return rng.integers(0, 2, shape) * 2.0 - 1.0


# ---- eigenvalues ---------------------------------------------------------------------------------------------------


class Eigenvalues(NamedTuple):
    """`values`, their unit `vectors` as columns, `errors` (an eigenvalue lies within that, and round-off), and `products` spent."""

    values: Array
    vectors: Array
    errors: Array
    products: int


def power_iteration(A: Any, *, tol: float = 1e-3, max_products: int = 1000, rng: Rng = None) -> Eigenvalues:
    """The eigenvalue of largest modulus, by v ← Av / ‖Av‖ until the error ‖Av − λv‖ is at most tol · |λ|.

    Each product shrinks the error of the vector by the ratio of the two largest moduli. Where `max_products` did not
    suffice, `errors` tells. `eigenvalues` needs fewer products.
    """
    check("power_iteration", COUNT, max_products=max_products)
    v = _unit(generator(rng).standard_normal(A.shape[0]))
    for products in range(1, max_products + 1):
        w = _times(A, v)
        value = float(v @ w)
        error = float(np.linalg.norm(w - value * v))
        if error <= tol * abs(value) or products == max_products:
            break
        v = _unit(w)
    return Eigenvalues(np.array([value]), v[:, None], np.array([error]), products)


def _unit(v: Array) -> Array:
    return v / np.linalg.norm(v)


class Tridiagonal(NamedTuple):
    """Qᵀ A Q = T for orthonormal `basis` columns Q: the `diagonal` of T, and beside it `off`, with what comes next."""

    diagonal: Array
    off: Array
    basis: Array

    @property
    def eigenpairs(self) -> tuple[Array, Array]:
        """Eigenvalues, ascending, and eigenvectors of T."""
        beside = self.off[:-1]
        return np.linalg.eigh(np.diag(self.diagonal) + np.diag(beside, 1) + np.diag(beside, -1))


def lanczos(A: Any, steps: int, start: Array | None = None, *, rng: Rng = None) -> Tridiagonal:
    """A after `steps` of Lanczos' method from `start`, or from a normal vector: it spends one product each.

    Every vector is orthogonalised against all before: without that, eigenvalues come back as copies of themselves
    (Parlett 1998, chapter 13). Where the space is exhausted, `off` is 0, or of the size of round-off, and it goes on
    from another vector: Q is orthonormal, and Qᵀ A Q is T, to round-off, in either case. It keeps `steps` vectors.
    """
    check("lanczos", COUNT, steps=steps)
    *_, last = _lanczos(A, min(steps, A.shape[0]), start, rng)
    return last


def _lanczos(A: Any, most: int, start: Array | None, rng: Rng) -> Iterator[Tridiagonal]:
    """The tridiagonal matrices after 1, 2, …, `most` steps."""
    n, rng = A.shape[0], generator(rng)
    basis, diagonal, off = np.empty((most, n)), np.zeros(most), np.zeros(most)
    w = rng.standard_normal(n) if start is None else np.asarray(start, float)
    for j in range(most):
        basis[j] = q = _unit(w)
        w = _times(A, q)
        diagonal[j] = q @ w
        w = _orthogonal(w, basis[: j + 1])
        off[j] = np.linalg.norm(w)
        if off[j] <= n * np.finfo(float).eps * max(np.abs(diagonal).max(), off.max()):
            # What is left of w is round-off, or nothing. Any vector that is orthogonal to the basis goes on as well:
            # Qᵀ A Q has round-off between it and the basis. So would w's own direction, where `off` is just above.
            off[j] = 0
            w = _orthogonal(rng.standard_normal(n), basis[: j + 1])
        yield Tridiagonal(diagonal[: j + 1], off[: j + 1], basis[: j + 1].T)


def _orthogonal(w: Array, rows: Array) -> Array:
    """w without its part in the span of orthonormal rows, to round-off relative to what is left.

    A pass leaves round-off of the w that it began with, so it is repeated until it takes away less than half
    (Daniel, Gragg, Kaufman, Stewart 1976).
    """
    before = np.inf
    while (norm := float(np.linalg.norm(w))) < before / 2:
        w, before = w - rows.T @ (rows @ w), norm
    return w


def eigenvalues(
    A: Any, count: int = 1, *, smallest: bool = False, tol: float = 1e-3, max_products: int = 200, rng: Rng = None
) -> Eigenvalues:
    """The `count` largest eigenvalues, largest first, or the `smallest` ones, smallest first, by Lanczos' method.

    It goes on until each is known to tol times the largest modulus, or `max_products` are spent; `errors` tells.
    Eigenvalues that are equal count once, unless the whole space is searched.

    >>> eigenvalues(np.diag([1.0, 5.0, -9.0]), rng=0).values, eigenvalues(np.diag([1.0, 5.0, -9.0]), 2).values
    (array([5.]), array([5., 1.]))
    """
    n = A.shape[0]
    if not 1 <= count <= n:
        raise ValueError(f"eigenvalues: count is {count}; the operator has {n}")
    most = min(n, max(max_products, count))
    for products, T in enumerate(_lanczos(A, most, None, rng), 1):
        if products < most and (products < count or products % 5):
            continue
        values, vectors = T.eigenpairs
        chosen = slice(count) if smallest else slice(None, -count - 1, -1)
        errors = np.abs(T.off[-1] * vectors[-1])
        if products == most or (errors[chosen] <= tol * np.abs(values).max()).all():
            break
    return Eigenvalues(values[chosen], T.basis @ vectors[:, chosen], errors[chosen], products)


def sharpness(
    loss: Callable[..., Tensor],
    params: Iterable[Tensor],
    batches: Iterable[Any] | None = None,
    *,
    tol: float = 1e-3,
    rng: Rng = None,
) -> float:
    """The largest eigenvalue of the Hessian: gradient descent is stable up to the rate 2 / sharpness; see `hessian`."""
    return float(eigenvalues(hessian(loss, params, batches), tol=tol, rng=rng).values[0])


def worst_rise(loss: Callable[[], Tensor], params: Iterable[Tensor], radius: float = 0.05) -> float:
    """How much the loss rises within `radius` of the parameters, to first order: at radius · ∇/‖∇‖ (Foret et al. 2021).

    The parameters are moved for one evaluation, and put back.
    """
    params = _trainable(params)
    here, grads = value_and_grad(loss, params=params)()
    norm = np.linalg.norm(flat(grads))
    if norm == 0:
        return 0.0
    with placed(params, [p.read() + p.dtype.type(radius / norm) * g.data for p, g in zip(params, grads)]), no_grad():
        return loss().item() - here.item()


@contextmanager
def placed(params: Sequence[Tensor], arrays: Sequence[Array]) -> Iterator[None]:
    """Within the block, the parameters have other values. What was recorded before it stays valid."""
    before = [(p._data, p.version) for p in params]
    try:
        for p, array in zip(params, arrays):
            p.data = array
        yield
    finally:
        for p, (array, version) in zip(params, before):
            p.assign(array, version)


# ---- the density of the spectrum -----------------------------------------------------------------------------------


class Density(NamedTuple):
    """A spectrum as point masses: `nodes` and `weights`, (probes, steps); each row's weights add up to 1."""

    nodes: Array
    weights: Array

    def smoothed(self, grid: Array | None = None, *, width: float | None = None) -> tuple[Array, Array]:
        """A grid and the density on it, each mass a Gaussian of standard deviation `width`, by default 1 % of the range.

        >>> grid, density = Density(np.array([[0.0, 1.0]]), np.array([[0.9, 0.1]])).smoothed()
        >>> round(float(np.trapezoid(density, grid)), 6)
        1.0
        """
        low, high = self.nodes.min(), self.nodes.max()
        if width is None:
            width = max(0.01 * (high - low), 1e-3 * abs(low), 1e-3 * abs(high)) or 1.0
        if grid is None:
            grid = np.linspace(low - 5 * width, high + 5 * width, 1001)
        bells = np.exp(-0.5 * ((grid[:, None] - self.nodes.ravel()) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        return grid, bells @ self.weights.ravel() / len(self.weights)


def density(A: Any, *, probes: int = 10, steps: int = 60, rng: Rng = None) -> Density:
    """The density of A's eigenvalues by stochastic Lanczos quadrature, with probes · steps products.

    From a random unit vector v, m steps of Lanczos' method give the Gauss quadrature of v's spectral measure: nodes are
    the eigenvalues of T, weights the squared first entries of its eigenvectors. It is exact for polynomials up to
    degree 2m − 1, and its mean over v is the spectrum's (Golub, Welsch 1969; Ubaru et al. 2017; Ghorbani et al. 2019).
    """
    check("density", COUNT, probes=probes, steps=steps)
    rng = generator(rng)
    found = []
    for _ in range(probes):
        values, vectors = lanczos(A, steps, signs(A.shape[0], rng), rng=rng).eigenpairs
        found.append((values, vectors[0] ** 2))
    nodes, weights = zip(*found)
    return Density(np.stack(nodes), np.stack(weights))
