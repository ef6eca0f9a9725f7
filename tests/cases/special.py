"""Rows of ops/special.py. Complex numbers are steps here, so that tests/ops/test_special.py asks other witnesses, too."""

import numpy as np

import minigrad as mg
from minigrad import special

from .base import a, case, pos

PART = np.linspace(0.1, 0.9, 6).reshape(2, 3)

CASES = [
    case("erf", mg.erf, a(2, 3)),
    case("erfc", mg.erfc, a(2, 3)),
    case("erfinv", special.erfinv, a(2, 3) / 2),
    case("erfcx", special.erfcx, a(2, 3)),
    case("ndtr", special.ndtr, a(2, 3)),
    case("log_ndtr", special.log_ndtr, a(2, 3)),
    case("log_ndtr far out", special.log_ndtr, np.array([-30.0, 8.0, 20.0])),
    case("ndtri", special.ndtri, PART),
    case("entr", special.entr, pos(2, 3)),
    case("lgamma", mg.lgamma, pos(2, 3)),
    case("digamma", mg.digamma, pos(2, 3) + 0.5),
    case("polygamma", lambda x: special.polygamma(2, x), pos(2, 3) + 0.5),
    case("multigammaln", lambda x: special.multigammaln(x, 3), pos(2, 3) + 2),
    case("gammainc", lambda x: special.gammainc(np.array([0.5, 1.5, 3.0]), x), pos(2, 3)),
    case("gammaincc", lambda x: special.gammaincc(np.array([0.5, 1.5, 3.0]), x), pos(2, 3)),
    *(
        case(f"bessel {f.__name__}", f, pos(2, 3) + 0.5)
        for f in (
            special.bessel_j0, special.bessel_j1, special.bessel_y0, special.bessel_y1, special.i0, special.i1, special.i0e,
            special.i1e, special.k0, special.k1, special.k0e, special.k1e,
        )
    ),
    case("zeta", lambda q: special.zeta(np.array([1.5, 3.0, 4.2]), q), pos(2, 3)),
    case("spherical_bessel_j0", special.spherical_bessel_j0, np.array([0.0, -1.0, 0.3, 4.0])),
    *(
        case(f"polynomial {name}", lambda x, name=name: getattr(special, name)(x, np.array([-1, 0, 1, 2, 5])), 0.5 * a(5))
        for name in special.__all__
        if "_polynomial_" in name
    ),
    case("bessel i1 at 0", special.i1, np.array([0.0, -1.0])),
]  # fmt: skip
