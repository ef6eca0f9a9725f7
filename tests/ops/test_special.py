"""Special functions against witnesses other than the complex step, which here takes the declared slope for granted."""

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import special

pytest.importorskip("scipy")

# name: the function, where, and its name in PyTorch's torch.special, if it is there and has all derivatives
REAL, PART, POSITIVE, GAMMA = (-3.0, 3.0), (0.05, 0.95), (0.3, 9.0), (0.3, 9.0)
FUNCTIONS = {
    "erf": (special.erf, REAL, "erf"),
    "erfc": (special.erfc, REAL, "erfc"),
    "erfinv": (special.erfinv, (-0.95, 0.95), "erfinv"),
    "erfcx": (special.erfcx, REAL, "erfcx"),
    "ndtr": (special.ndtr, REAL, "ndtr"),
    "log_ndtr": (special.log_ndtr, REAL, "log_ndtr"),
    "ndtri": (special.ndtri, PART, "ndtri"),
    "entr": (special.entr, POSITIVE, "entr"),
    "gammaln": (special.gammaln, GAMMA, "gammaln"),
    "digamma": (special.digamma, GAMMA, "digamma"),
    "polygamma": (lambda x: special.polygamma(2, x), GAMMA, None),
    "multigammaln": (lambda x: special.multigammaln(x, 3), (1.3, 9.0), None),
    "gammainc": (lambda x: special.gammainc(1.5, x), POSITIVE, None),
    "gammaincc": (lambda x: special.gammaincc(1.5, x), POSITIVE, None),
    "zeta": (lambda q: special.zeta(2.5, q), POSITIVE, None),
    "i0": (special.i0, POSITIVE, "i0"),
    "i1": (special.i1, POSITIVE, "i1"),
    "i0e": (special.i0e, POSITIVE, "i0e"),
    "i1e": (special.i1e, POSITIVE, "i1e"),
    **{f.__name__: (f, POSITIVE, None) for f in (special.k0, special.k1, special.k0e, special.k1e)},
    **{f"bessel_{k}": (getattr(special, f"bessel_{k}"), POSITIVE, None) for k in ("j0", "j1", "y0", "y1")},
}


def slope(f):
    gradient = mg.grad(lambda x: mg.sum(f(x)))
    return lambda x: mg.as_tensor(gradient(x))


def derivative(f, order):
    return f if order == 0 else slope(derivative(f, order - 1))


def value(f, x):
    return mg.as_tensor(f(np.array(x))).data


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_slopes_are_those_of_differences(name, order):
    """Five points, whose error falls with h⁴: of its estimate at 2h it is a fifteenth, and round-off is ε/h of the largest."""
    f, (low, high), _ = FUNCTIONS[name]
    x, h = np.linspace(low + 0.1, high - 0.1, 7), 1e-3
    below = derivative(f, order - 1)

    def difference(h):
        return (
            8 * (value(below, x + h) - value(below, x - h)) - (value(below, x + 2 * h) - value(below, x - 2 * h))
        ) / (12 * h)

    got, want = value(derivative(f, order), x), difference(h)
    bound = np.abs(want - difference(2 * h)) + 1e-12 / h * np.maximum(1, np.abs(value(below, x)))
    assert (np.abs(got - want) <= bound).all()


@pytest.mark.parametrize("name", [name for name, (*_, other) in FUNCTIONS.items() if other])
@cases(20)
@given(part=st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_as_pytorch(name, part):
    torch = pytest.importorskip("torch")
    f, (low, high), other = FUNCTIONS[name]
    x = low + (high - low) * np.array(part)
    t = torch.tensor(x, requires_grad=True)
    y = getattr(torch.special, other)(t)
    for order in range(3):
        np.testing.assert_allclose(value(derivative(f, order), x), y.detach().numpy(), rtol=1e-9, atol=1e-9)
        (y,) = torch.autograd.grad(y.sum(), t, create_graph=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_stays(name):
    f, (low, high), _ = FUNCTIONS[name]
    x = np.linspace(low, high, 5)
    got = mg.as_tensor(f(np.float32(x))).data
    assert got.dtype == np.float32 and slope(f)(np.float32(x)).dtype == np.float32
    np.testing.assert_allclose(got, value(f, np.float32(x).astype(float)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "f, x, order, want",
    [
        (special.log_ndtr, 40.0, 1, 0.0),  # the density, 1e-348
        (special.log_ndtr, 40.0, 2, 0.0),
        (special.log_ndtr, -1e5, 1, 1e5 + 1e-5),
        (special.bessel_y0, 0.0, 1, np.inf),
        (special.k0, 0.0, 1, -np.inf),
        (special.i0, 800.0, 1, np.inf),
        (special.i0e, 1e160, 1, 0.0),
        (special.i0, 712.0, 0, special.i0e(712.0).item() * np.exp(356.0) * np.exp(356.0)),
        (lambda x: special.gammainc(1.0, x), 0.0, 1, 1.0),
        (lambda x: special.gammainc(1.0, x), 0.0, 2, -1.0),
        (lambda x: special.gammaincc(1.0, x), 0.0, 3, -1.0),
    ],
)
def test_ends(f, x, order, want):
    assert value(derivative(f, order), x) == pytest.approx(want, rel=1e-12, abs=0)


@pytest.mark.parametrize("n", [0, 1])
def test_bessel_is_its_integral(n):
    """∫ cos(nt − x sin t) dt / π over half a turn, which sums of equal steps give to round-off."""
    x, t = np.linspace(0, 50, 101), (np.arange(400) + 0.5) * np.pi / 400
    want = np.cos(n * t[:, None] - x * np.sin(t)[:, None]).mean(0)
    np.testing.assert_allclose(value(getattr(special, f"bessel_j{n}"), x), want, rtol=0, atol=1e-14)


def test_bessels_second_kind_by_wronskis_determinant():
    x = np.linspace(0.1, 50, 101)
    j0, j1, y0, y1 = (value(f, x) for f in (special.bessel_j0, special.bessel_j1, special.bessel_y0, special.bessel_y1))
    np.testing.assert_allclose((j1 * y0 - j0 * y1) * np.pi * x / 2, 1, rtol=1e-13)


def test_the_normal_density_meets_where_its_forms_do():
    x = np.array([-1e-9, 0.0, 1e-9])
    for order in (1, 2, 3):
        np.testing.assert_allclose(np.diff(value(derivative(special.log_ndtr, order), x)), 0, atol=1e-8)


def test_polynomials_are_orthogonal():
    """Gauss's quadrature of n nodes is exact up to degree 2 n − 1: of two polynomials of degree below n."""
    from scipy.special import roots_chebyt, roots_hermite, roots_laguerre, roots_legendre

    for name, (x, weights) in {
        "chebyshev_polynomial_t": roots_chebyt(6),
        "hermite_polynomial_h": roots_hermite(6),
        "laguerre_polynomial_l": roots_laguerre(6),
        "legendre_polynomial_p": roots_legendre(6),
    }.items():
        p = value(lambda x, name=name: getattr(special, name)(x[:, None], np.arange(6)), x)
        gram = (p * weights[:, None]).T @ p
        size = np.sqrt(np.diag(gram))
        assert (np.abs(gram / size / size[:, None] - np.eye(6)) < 1e-11).all(), name


def test_polynomials_are_those_of_trigonometry():
    t = np.linspace(0.1, 3.0, 7)
    for k in range(5):
        want = {
            "t": np.cos(k * t),
            "u": np.sin((k + 1) * t) / np.sin(t),
            "v": np.cos((k + 0.5) * t) / np.cos(t / 2),
            "w": np.sin((k + 0.5) * t) / np.sin(t / 2),
        }
        for kind, y in want.items():
            got = value(lambda x, kind=kind, k=k: getattr(special, f"chebyshev_polynomial_{kind}")(x, k), np.cos(t))
            np.testing.assert_allclose(got, y, rtol=0, atol=1e-12)
            shifted = getattr(special, f"shifted_chebyshev_polynomial_{kind}")
            np.testing.assert_allclose(
                value(lambda x, f=shifted, k=k: f(x, k), (np.cos(t) + 1) / 2), y, rtol=0, atol=1e-12
            )


def test_zeta_refuses_a_derivative_in_its_power():
    with pytest.raises(NotImplementedError, match="its derivative in its first argument is not known here"):
        mg.grad(lambda s: special.zeta(s, 1.0))(np.array(2.0))


def test_gammainc_refuses_a_derivative_in_a():
    with pytest.raises(NotImplementedError, match="derivative in its first argument"):
        mg.grad(lambda a: special.gammainc(a, 1.0))(np.array(2.0))
