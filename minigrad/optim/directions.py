"""Where to go from a point: pure functions on float64 vectors, each an algorithm as the textbooks have it.

The book is Nocedal and Wright, Numerical Optimization (2006). g is the gradient, s a difference of points, y one of
gradients, H an inverse Hessian; `product` multiplies a vector by a Hessian, or what stands for it, that nobody stores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..tape import Array

Product = Callable[[Array], Array]
Pair = tuple[Array, Array]
EPS = float(np.finfo(np.float64).eps)
FAR = 100.0


def norm(v: Array) -> float:
    """The Euclidean norm, without overflow or underflow on the way."""
    square = float(v @ v)
    if 1e-280 < square < 1e280:
        return math.sqrt(square)
    top = float(np.abs(v).max(initial=0.0))
    return top * math.sqrt(float((v / top) @ (v / top))) if 0 < top < math.inf else top


# ---- quasi-Newton --------------------------------------------------------------------------------------------------


def accept(s: Array, y: Array, threshold: float = 1e-8) -> bool:
    """Whether the pair carries positive curvature: sᵀy ≥ threshold · ‖s‖ ‖y‖, whatever the scales of x and f.

    >>> accept(np.array([1.0, 0.0]), np.array([1e-20, 1e-20])), accept(np.array([1.0, 0.0]), np.array([-1.0, 0.0]))
    (True, False)
    """
    ns, ny = norm(s), norm(y)
    return 0 < ns < math.inf and 0 < ny < math.inf and float((s / ns) @ (y / ny)) >= threshold


def damped(s: Array, y: Array, bs: Array, fraction: float = 0.2) -> Array:
    """y moved towards B s, so far that sᵀy is at least fraction · sᵀBs (Powell 1978; N&W procedure 18.2)."""
    sy, sbs = float(s @ y), float(s @ bs)
    if sy >= fraction * sbs:
        return y
    theta = (1 - fraction) * sbs / (sbs - sy)
    return theta * y + (1 - theta) * bs


def scaling(s: Array, y: Array) -> float:
    """sᵀy / yᵀy: about the size of the inverse Hessian along the last step (N&W equation 7.20)."""
    ny = norm(y)
    return float(s @ (y / ny)) / ny


def two_loop(g: Array, pairs: Sequence[Pair], gamma: float | None = None) -> Array:
    """H g for L-BFGS's H: the pairs (s, y), oldest first, applied to γ I (N&W algorithm 7.4).

    γ is `scaling` of the newest pair if not given; without pairs it is 1.
    """
    if gamma is None:
        gamma = scaling(*pairs[-1]) if pairs else 1.0
    q, parts = g.copy(), []
    for s, y in reversed(pairs):
        rho = 1 / float(s @ y)
        a = rho * float(s @ q)
        q -= a * y
        parts.append((a, rho))
    q *= gamma
    for (s, y), (a, rho) in zip(pairs, reversed(parts)):
        q += (a - rho * float(y @ q)) * s
    return q


def bfgs_update(H: Array, s: Array, y: Array) -> Array:
    """(I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ with ρ = 1 / sᵀy: the least change of H with H y = s (N&W equation 6.17)."""
    rho = 1 / float(s @ y)
    Hy = H @ y
    half = np.outer((0.5 * rho * (1 + rho * float(y @ Hy))) * s - rho * Hy, s)
    return H + half + half.T


def conjugate(g: Array, y: Array, d: Array) -> Array:
    """−g + β d: the next direction of nonlinear conjugate gradients, from the last, d, and the change of gradient, y.

    β = max(0, gᵀy / ‖g − y‖²) is Polak and Ribière's, which starts afresh by itself where it would be negative
    (Gilbert, Nocedal 1992; N&W equation 5.45).
    """
    unit = norm(g - y)
    return max(0.0, float((g / unit) @ (y / unit))) * d - g if unit else -g


# ---- Newton --------------------------------------------------------------------------------------------------------


def newton(H: Array, g: Array, floor: float = 1e-3) -> Array:
    """−H⁻¹ g if the Hessian H is positive definite; else with |λ|, at least floor · max |λ|, for each eigenvalue λ.

    Turned round, directions of negative curvature lead downhill, away from saddles (Dauphin et al. 2014).
    """
    size = float(np.abs(H).max(initial=0.0))
    if not 0 < size < math.inf:
        return -g
    try:
        L = np.linalg.cholesky(H / size)
        return -np.linalg.solve(L.T, np.linalg.solve(L, g)) / size
    except np.linalg.LinAlgError:
        values, V = np.linalg.eigh(H / size)
        values = np.maximum(np.abs(values), floor * np.abs(values).max())
        return -(V @ ((V.T @ g) / values)) / size


class Solution(NamedTuple):
    """p, and how it was found: the decrease of the model −gᵀp − ½ pᵀBp, and the reason for stopping.

    The reason is "solved", "curvature" (a direction where B is not positive was met), "boundary" or "limit".
    """

    p: Array
    decrease: float
    reason: str


def conjugate_gradients(
    product: Product,
    g: Array,
    *,
    tol: float = 1e-10,
    max_products: int | None = None,
    radius: float = math.inf,
    preconditioner: Array | None = None,
) -> Solution:
    """Minimize the model gᵀp + ½ pᵀBp, where product(v) is B v, within ‖p‖ ≤ radius.

    It stops where the residual ‖g + Bp‖ ≤ tol · ‖g‖, at the boundary, or after `max_products` (by default twice the
    size of g). In a direction of non-positive curvature it goes on to the boundary, if there is one (Steihaug 1983;
    N&W algorithm 7.2); else it takes that direction too, as far as it would with the curvature's sign turned round,
    and no more than FAR times what it has so far: the direction stays downhill. `preconditioner` is a positive vector,
    about the diagonal of B; ‖p‖ then is √pᵀMp.
    """
    M = preconditioner
    scale = norm(g)  # of which everything is measured in parts, so that squares neither overflow nor vanish
    if not 0 < scale < math.inf:
        return Solution(np.zeros_like(g), 0.0, "solved")
    g, radius = g / scale, radius / scale
    p, r = np.zeros_like(g), g.copy()

    def solution(reason: str) -> Solution:
        return Solution(scale * p, -0.5 * scale * scale * float((g + r) @ p), reason)

    z = r if M is None else r / M
    d = -z
    rz = float(r @ z)
    pp, pd, dd = 0.0, 0.0, rz  # pᵀMp, pᵀMd and dᵀMd
    for _ in range(2 * g.size if max_products is None else max_products):
        Bd = product(d)
        bend = float(d @ Bd)
        flat = not bend > 4 * EPS * norm(d) * norm(Bd)
        if flat and (radius == math.inf or not math.isfinite(bend)):
            if math.isfinite(bend):
                longest = FAR * norm(p) / norm(d) if p.any() else 1 / abs(bend) if bend else 1.0
                step = min(rz / abs(bend), longest) if bend else longest
                p, r = p + step * d, r + step * Bd
            elif not p.any():
                p = d
            return solution("curvature")
        alpha = math.inf if flat else rz / bend
        if flat or pp + alpha * (2 * pd + alpha * dd) >= radius * radius:
            tau = _to_boundary(pp, pd, dd, radius)
            p, r = p + tau * d, r + tau * Bd
            return solution("curvature" if flat else "boundary")
        p, r = p + alpha * d, r + alpha * Bd
        if norm(r) <= tol:
            return solution("solved")
        z = r if M is None else r / M
        rz, before = float(r @ z), rz
        beta = rz / before
        pp += alpha * (2 * pd + alpha * dd)
        pd, dd = beta * (pd + alpha * dd), rz + beta * beta * dd
        d = beta * d - z
    return solution("limit")


def steihaug(product: Product, g: Array, radius: float, **options: float) -> Solution:
    """The step of a trust region: `conjugate_gradients` within ‖p‖ ≤ radius (Steihaug 1983)."""
    return conjugate_gradients(product, g, radius=radius, **options)  # type: ignore[arg-type]


def _to_boundary(pp: float, pd: float, dd: float, radius: float) -> float:
    """The τ ≥ 0 with ‖p + τ d‖ = radius."""
    gap = radius * radius - pp
    root = math.sqrt(max(pd * pd + dd * gap, 0.0))
    return gap / (pd + root) if pd > 0 else (root - pd) / dd
