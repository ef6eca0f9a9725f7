"""Rows of ops/decompositions.py. Whatever the entries of x are, the matrices made of them here are far from singular, and
their eigenvalues and singular values far from each other."""

import numpy as np

import minigrad as mg
from minigrad import Primitive, linalg

from .base import a, case

P = Primitive.registry


def apart(x):
    """A matrix near one that has 1, 2.5, 4, … on its diagonal, whose eigenvalues differ by more than it is away."""
    rows, columns = x.shape[-2:]
    y = mg.tanh(x) * 0.2
    return y + (np.eye(rows, columns) * (1 + 1.5 * np.arange(columns))).astype(y.dtype)


def turned(v):
    """v with the signs of its columns such that its diagonal is positive, as it is near that of 1."""
    return v * np.sign(np.diagonal(v.data.real, 0, -2, -1))[..., None, :].astype(v.data.real.dtype)


def positive(x):
    y = mg.tanh(x)
    return y @ y.mT + np.eye(x.shape[-2]).astype(y.dtype)


CASES = [
    case("inv", lambda x: linalg.inv(apart(x)), a(2, 2, 2)),
    case("solve", lambda x, y: linalg.solve(apart(x), y), a(3, 3), a(2, 3, 2)),
    case("solve vector", lambda x, y: linalg.solve(apart(x), y), a(2, 2, 2), a(2)),
    case("solve_triangular", lambda x, y: linalg.solve_triangular(apart(x), y, upper=False), a(3, 3), a(3, 2)),
    case("solve_triangular right", lambda x, y: linalg.solve_triangular(apart(x), y, upper=True, left=False, unitriangular=True), a(3, 3), a(2, 3)),
    case("pinv tall", lambda x: linalg.pinv(apart(x)), a(3, 2)),
    case("pinv wide", lambda x: linalg.pinv(apart(x)), a(2, 3)),
    case("pinv rank 1", lambda x, y: linalg.pinv(mg.outer(mg.tanh(x) + 2, mg.tanh(y) + 2), rtol=0.01), a(2), a(3)),
    case("lstsq", lambda x, y: linalg.lstsq(apart(x), y).solution, a(3, 2), a(3)),
    case("matrix_power 5", lambda x: linalg.matrix_power(mg.tanh(x), 5), a(2, 2)),
    case("matrix_power −2", lambda x: linalg.matrix_power(apart(x), -2), a(2, 2)),
    case("multi_dot", lambda *xs: linalg.multi_dot(xs), a(2), a(2, 3), a(3, 2)),
    case("matrix_exp", lambda x: linalg.matrix_exp(mg.tanh(x) * 4), a(2, 2)),
    case("tensorinv", lambda x: linalg.tensorinv(apart(x.reshape(4, 4)).reshape(2, 2, 4)), a(2, 2, 4)),
    case("tensorsolve", lambda x, y: linalg.tensorsolve(apart(x.reshape(4, 4)).reshape(2, 2, 4), y), a(4, 4), a(2, 2)),
    case("vander", lambda x: linalg.vander(mg.tanh(x), 4), a(3)),
    case("det", lambda x: linalg.det(apart(x)), a(2, 3, 3)),
    case("det 2 × 2", linalg.det, a(2, 2)),
    case("cofactor", lambda x: P["cofactor"](apart(x)), a(3, 3)),
    case("cofactor_slope", lambda t, x: P["cofactor_slope"](t, apart(x)), a(3, 3), a(3, 3)),
    case("slogdet", lambda x: linalg.slogdet(apart(x)).logabsdet, a(2, 3, 3)),
    case("logabsdet", lambda x: linalg.logdet(apart(x)), a(2, 2)),
    case("logdet", lambda x: linalg.logdet(positive(x)), a(2, 2)),
    case("cholesky", lambda x: linalg.cholesky(positive(x)), a(2, 2, 2)),
    case("cholesky upper", lambda x: linalg.cholesky(positive(x), upper=True), a(3, 3)),
    case("cholesky_solve", lambda x, y: linalg.cholesky_solve(x, apart(y)), a(3, 2), a(3, 3)),
    case("cholesky_inverse", lambda x: linalg.cholesky_inverse(apart(x), upper=True), a(3, 3)),
    case("eigh", lambda x: mg.concat([turned(linalg.eigh(apart(x))[1]), linalg.eigh(apart(x))[0][..., None]], -1), a(3, 3)),
    case("eigh batched", lambda x: turned(linalg.eigh(apart(x))[1]), a(2, 2, 2)),
    case("eigvalsh", lambda x: linalg.eigvalsh(apart(x)), a(3, 3)),
    case("svd U", lambda x: turned(linalg.svd(apart(x), full_matrices=False).U), a(3, 2)),
    case("svd V", lambda x: turned(linalg.svd(apart(x), full_matrices=False).Vh.mT), a(2, 2, 3)),
    case("svd square", lambda x: mg.concat(linalg.svd(apart(x))[::2]), a(3, 3)),
    case("svdvals", lambda x: linalg.svdvals(apart(x)), a(2, 3)),
    case("qr", lambda x: mg.concat(linalg.qr(apart(x)), -2), a(3, 2)),
    case("qr wide", lambda x: mg.concat(linalg.qr(apart(x)), -1), a(2, 3)),
    case("qr batched", lambda x: mg.concat(linalg.qr(apart(x)), -1), a(2, 2, 2)),
    case("lu", lambda x: mg.concat(linalg.lu(mg.permute_dims(apart(x), (1, 0)))[1:], -1), a(3, 3)),
    case("lu tall", lambda x: mg.concat(linalg.lu(apart(x))[1:], -2), a(2, 3, 2)),
    case("lu wide", lambda x: mg.concat(linalg.lu(apart(x), pivot=False)[1:], -1), a(2, 3)),
    case("householder_product", lambda x, y: linalg.householder_product(mg.tanh(x), mg.tanh(y)), a(2, 3, 2), a(2, 2)),
    case("cond", lambda x: linalg.cond(apart(x)), a(3, 2)),
    case("cond 1", lambda x: linalg.cond(apart(x), 1), a(2, 2)),
    case("matrix_norm nuc", lambda x: linalg.matrix_norm(apart(x), ord="nuc"), a(2, 3)),
    case("matrix_norm −2", lambda x: linalg.matrix_norm(apart(x), ord=-2), a(3, 2)),
    case("linalg.diagonal", lambda x: linalg.diagonal(x, offset=1), a(2, 2, 3)),
    case("linalg.trace", linalg.trace, a(2, 3, 3)),
    case("linalg.outer", linalg.outer, a(2), a(3)),
]  # fmt: skip
