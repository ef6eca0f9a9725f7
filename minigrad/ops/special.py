"""Special functions. SciPy gives their values, but for erf and erfc; each derivative is a line, in closed form.

Of complex numbers they know steps only (`stepped`), so beside the complex step the tests hold them against central
differences and against PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernels
from ..errors import named
from ..extras import extra
from ..ranges import COUNT, INDEX, check
from ..tape import Array, Tensor, as_tensor, dispatch, elementwise, general, in_floats, primitive, private, rounded_once
from ..typing import ArrayLike
from .elementwise import decision, exp, log, where
from .reduce import sum
from .shape import expand_dims
from .transcendental import sinc, stepped, xlogy

__all__ = ["digamma", "erf", "erfc", "lgamma"]

_PEAK = 2 / math.sqrt(math.pi)


def _scipy(name: str) -> Callable:
    """SciPy's function of this name, in the dtype of its last argument; it has none in longdouble."""

    def value(*xs: Any) -> Array:
        f = getattr(extra("scipy.special", f"mg.special ({name})"), name)
        known = [x.astype(np.float64) if getattr(x, "dtype", None) == np.longdouble else x for x in xs]
        return np.asarray(f(*known)).astype(xs[-1].dtype, copy=False)

    return value


def _bell(x: Array) -> Array:
    return _PEAK * np.exp(-x * x)


# ---- errors and the normal distribution ---------------------------------------------------------------------------------


@primitive
def erf(x: Array) -> Array:
    """2/√π · ∫₀ˣ e^(−t²) dt."""
    return stepped(kernels.erf, _bell)(x)


@primitive
def erfc(x: Array) -> Array:
    """1 − erf(x), without cancellation."""
    return stepped(kernels.erfc, lambda x: -_bell(x))(x)


@primitive
def erfinv(x: Array) -> Array:
    """The number whose erf is x, of (−1, 1); ±∞ at ±1."""
    return stepped(_scipy("erfinv"), lambda x: np.exp(_scipy("erfinv")(x) ** 2) / _PEAK)(x)


@primitive
def erfcx(x: Array) -> Array:
    """e^(x²) · erfc(x), without overflow."""
    return stepped(_scipy("erfcx"), lambda x: 2 * x * _scipy("erfcx")(x) - _PEAK)(x)


elementwise(erf, lambda y, x: _PEAK * exp(-x * x))
elementwise(erfc, lambda y, x: -_PEAK * exp(-x * x))
elementwise(erfinv, lambda y, x: exp(y * y) / _PEAK)
elementwise(erfcx, lambda y, x: 2 * x * y - _PEAK)


@named
def ndtr(x: ArrayLike) -> Tensor:
    """The normal distribution, ∫ of its density from −∞ to x."""
    return 0.5 * erfc(as_tensor(x) * -math.sqrt(0.5))


@primitive
def log_ndtr(x: Array) -> Array:
    """log ndtr(x), without underflow."""
    return stepped(_scipy("log_ndtr"), lambda x: math.sqrt(2 / math.pi) / _scipy("erfcx")(x * -math.sqrt(0.5)))(x)


@primitive
def ndtri(x: Array) -> Array:
    """The number whose ndtr is x, of (0, 1)."""
    return stepped(_scipy("ndtri"), lambda x: math.sqrt(2 * math.pi) * np.exp(_scipy("ndtri")(x) ** 2 / 2))(x)


@primitive
def entr(x: Array) -> Array:
    """−x log x, 0 at 0, −∞ below."""
    return stepped(_scipy("entr"), lambda x: -1 - np.log(x))(x)


def _below(x: Array) -> Array:
    return x.real < 0


def _hazard(y: Tensor, x: Tensor) -> Tensor:
    """The normal density over ndtr(x): below 0 by erfcx, which does not underflow, and above, where that overflows, as it is."""
    below = dispatch(_below, x)
    above = where(below, 0, x)
    left = math.sqrt(2 / math.pi) / erfcx(where(below, x, 0) * -math.sqrt(0.5))
    return where(below, left, exp(-above * above / 2 - log_ndtr(above)) / math.sqrt(2 * math.pi))


elementwise(log_ndtr, _hazard)
elementwise(ndtri, lambda y, x: math.sqrt(2 * math.pi) * exp(y * y / 2))
elementwise(entr, lambda y, x: -1 - log(x))


# ---- the gamma function --------------------------------------------------------------------------------------------------


@primitive
def lgamma(x: Array) -> Array:
    """log |Γ(x)|."""
    return stepped(_scipy("gammaln"), _scipy("digamma"))(x)


@primitive
def _polygamma(x: Array, *, n: int) -> Array:
    def of(n: int) -> Callable:
        return _scipy("digamma") if n == 0 else lambda x: _polygamma_of_numbers(n, x)

    return stepped(of(n), of(n + 1))(x)


def _polygamma_of_numbers(n: int, x: Array) -> Array:
    far = x < -1e6  # SciPy's series takes a step for each unit of a negative x
    return np.where(far, x.dtype.type(np.nan), _scipy("polygamma")(n, np.where(far, x.dtype.type(1), x)))


elementwise(lgamma, lambda y, x: _polygamma(x, n=0))
elementwise(_polygamma, lambda y, x, *, n: _polygamma(x, n=n + 1))


@named
def digamma(x: ArrayLike) -> Tensor:
    """The derivative of lgamma."""
    return _polygamma(x, n=0)


@named
def polygamma(n: int, x: ArrayLike) -> Tensor:
    """The n-th derivative of digamma; NaN below −10⁶ for n ≥ 1, where SciPy's series has no end in sight."""
    check("polygamma", INDEX, n=n)
    return _polygamma(x, n=int(n))


@named
def multigammaln(x: ArrayLike, p: int) -> Tensor:
    """The logarithm of the gamma function of dimension p."""
    check("multigammaln", COUNT, p=p)
    x = as_tensor(x)
    halves = (np.arange(p) / 2).astype(x.dtype if x.dtype.kind in "fc" else np.float64)
    terms = lgamma(expand_dims(x, -1) - halves)
    return sum(terms, -1) + p * (p - 1) / 4 * math.log(math.pi)


def _no_rule(name: str) -> Any:
    def rule(*_: Any, **__: Any) -> Tensor:
        what = "its derivative in its first argument is not known here; give that as a real constant (detach it)"
        raise NotImplementedError(f"{name}: {what}")

    return rule


_NO_RULE, _NO_RULE_C, _NO_RULE_ZETA = _no_rule("gammainc"), _no_rule("gammaincc"), _no_rule("zeta")


@primitive
def gammainc(a: Array, x: Array) -> Array:
    """The part of Γ(a) that is ∫₀ˣ t^(a−1) e^(−t) dt; it has a derivative in x only."""
    return stepped(_scipy("gammainc"), _NO_RULE, _gamma_density)(a, x)


@primitive
def gammaincc(a: Array, x: Array) -> Array:
    """1 − gammainc(a, x), without cancellation."""
    return stepped(_scipy("gammaincc"), _NO_RULE_C, lambda a, x: -_gamma_density(a, x))(a, x)


def _gamma_density(a: Array, x: Array) -> Array:
    return np.exp(_scipy("xlogy")(a - 1, x) - x - _scipy("gammaln")(a))


def _density(a: Tensor, x: Tensor) -> Tensor:
    return exp(xlogy(a - 1, x) - x - lgamma(a))


general(
    gammainc,
    [_NO_RULE, lambda g, y, a, x: g * _density(a, x)],
    [_NO_RULE, lambda t, y, a, x: t * _density(a, x)],
)
general(
    gammaincc,
    [_NO_RULE_C, lambda g, y, a, x: -g * _density(a, x)],
    [_NO_RULE_C, lambda t, y, a, x: -t * _density(a, x)],
)


@primitive
def zeta(s: Array, q: Array) -> Array:
    """Hurwitz's Σ (q + k)^(−s) over k ≥ 0, Riemann's at q = 1; it has a derivative in q only."""
    return stepped(_scipy("zeta"), _NO_RULE_ZETA, lambda s, q: -s * _scipy("zeta")(s + 1, q))(s, q)


general(
    zeta,
    [_NO_RULE_ZETA, lambda g, y, s, q: g * -s * zeta(s + 1, q)],
    [_NO_RULE_ZETA, lambda t, y, s, q: t * -s * zeta(s + 1, q)],
)


# ---- Bessel's functions --------------------------------------------------------------------------------------------------

# C′ₙ = below · Cₙ₋₁ + above · Cₙ₊₁ + same · Cₙ, where C₋₁ is ±C₁
_BESSEL = {
    "jv": (0.5, -0.5, None, -1),
    "yv": (0.5, -0.5, None, -1),
    "iv": (0.5, 0.5, None, 1),
    "kv": (-0.5, -0.5, None, 1),
    "kve": (-0.5, -0.5, lambda x: 1, 1),
    "ive": (0.5, 0.5, lambda x: -np.sign(x.real), 1),
}


@primitive
def _bessel(x: Array, *, kind: str, n: int) -> Array:
    def value(x: Array, n: int = n) -> Array:
        if n < 2 and kind != "iv":  # j0, k1e, …, which know huge x; but i0 overflows before iv does
            return _scipy(f"{kind[0]}{n}{kind[2:]}")(x)
        return _scipy(kind)(n, x)

    def slope(x: Array) -> Array:
        below, above, same, mirror = _BESSEL[kind]
        moved = below * (mirror * value(x, 1) if n == 0 else value(x, n - 1)) + above * value(x, n + 1)
        return moved if same is None else moved + same(x) * value(x)

    return stepped(value, slope)(x)


def _bessel_slope(y: Tensor, x: Tensor, *, kind: str, n: int) -> Tensor:
    below, above, same, mirror = _BESSEL[kind]
    first = mirror * _bessel(x, kind=kind, n=1) if n == 0 else _bessel(x, kind=kind, n=n - 1)
    slope = below * first + above * _bessel(x, kind=kind, n=n + 1)
    return slope if same is None else slope + decision(dispatch(same, x), x) * y


elementwise(_bessel, _bessel_slope)


def _of_bessel(name: str, kind: str, n: int, doc: str) -> Callable[[ArrayLike], Tensor]:
    def function(x: ArrayLike) -> Tensor:
        return _bessel(x, kind=kind, n=n)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc} of order {n}."
    return named(function)


bessel_j0, bessel_j1 = (_of_bessel(f"bessel_j{n}", "jv", n, "Bessel's function of the first kind") for n in (0, 1))
bessel_y0, bessel_y1 = (_of_bessel(f"bessel_y{n}", "yv", n, "Bessel's function of the second kind") for n in (0, 1))
i0, i1 = (_of_bessel(f"i{n}", "iv", n, "The modified Bessel function of the first kind") for n in (0, 1))
i0e, i1e = (
    _of_bessel(f"i{n}e", "ive", n, "e^(−|x|) times the modified Bessel function of the first kind") for n in (0, 1)
)
k0, k1 = (_of_bessel(f"k{n}", "kv", n, "The modified Bessel function of the second kind") for n in (0, 1))
k0e, k1e = (_of_bessel(f"k{n}e", "kve", n, "eˣ times the modified Bessel function of the second kind") for n in (0, 1))


@named
def spherical_bessel_j0(x: ArrayLike) -> Tensor:
    """sin(x) / x, the spherical Bessel function of the first kind of order 0."""
    return rounded_once(lambda x: sinc(x / math.pi))(x)


# ---- orthogonal polynomials ----------------------------------------------------------------------------------------------

# p₀ = 1, p₁ = slope · x + rest, and p_{k+1} = (a x + b) p_k − c p_{k−1} with (a, b, c) of k
_CHEBYSHEV: Callable = lambda k: (2, 0, 1)  # noqa: E731
_POLYNOMIALS: dict[str, tuple[int, int, Callable]] = {
    "chebyshev_polynomial_t": (1, 0, _CHEBYSHEV),
    "chebyshev_polynomial_u": (2, 0, _CHEBYSHEV),
    "chebyshev_polynomial_v": (2, -1, _CHEBYSHEV),
    "chebyshev_polynomial_w": (2, 1, _CHEBYSHEV),
    "hermite_polynomial_h": (2, 0, lambda k: (2, 0, 2 * k)),
    "hermite_polynomial_he": (1, 0, lambda k: (1, 0, k)),
    "laguerre_polynomial_l": (-1, 1, lambda k: (-1 / (k + 1), (2 * k + 1) / (k + 1), k / (k + 1))),
    "legendre_polynomial_p": (1, 0, lambda k: ((2 * k + 1) / (k + 1), 0, k / (k + 1))),
}


def _polynomial(name: str, shifted: bool = False) -> Callable[[ArrayLike, ArrayLike], Tensor]:
    slope, rest, step = _POLYNOMIALS[name]

    def function(x: ArrayLike, n: ArrayLike) -> Tensor:
        degrees = np.trunc(private(n))

        def values(x: Tensor) -> Tensor:
            x = 2 * x - 1 if shifted else x
            before: Any = np.ones((), x.dtype)
            y = where(degrees == 0, before, 0 * x)
            p = slope * x + rest
            for k in range(1, int(degrees.max(initial=0)) + 1):
                y = where(degrees == k, p, y)
                a, b, c = step(k)
                before, p = p, (a * x + b) * p - c * before
            return y

        return in_floats(values, as_tensor(x))

    function.__name__ = function.__qualname__ = "shifted_" * shifted + name
    family, _, kind = name.split("_")
    function.__doc__ = (
        f"{family.capitalize()}'s polynomials {kind.capitalize()} of degree n"
        f"{', of 2 x − 1' * shifted}; n is an array, cut to whole numbers, and below 0 they are 0."
    )
    return named(function)


chebyshev_polynomial_t, chebyshev_polynomial_u, chebyshev_polynomial_v, chebyshev_polynomial_w = (
    _polynomial(f"chebyshev_polynomial_{kind}") for kind in "tuvw"
)
(
    shifted_chebyshev_polynomial_t,
    shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v,
    shifted_chebyshev_polynomial_w,
) = (_polynomial(f"chebyshev_polynomial_{kind}", shifted=True) for kind in "tuvw")
hermite_polynomial_h, hermite_polynomial_he = (_polynomial(f"hermite_polynomial_{kind}") for kind in ("h", "he"))
laguerre_polynomial_l, legendre_polynomial_p = map(_polynomial, ("laguerre_polynomial_l", "legendre_polynomial_p"))
