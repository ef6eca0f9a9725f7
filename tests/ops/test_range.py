"""Values and slopes over all of a dtype's range, against closed forms in a wider one; and the conventions at kinks."""

import numpy as np
import pytest
from bounds import unit
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.tape import pull, push

WIDER = {"f": np.float64, "d": np.longdouble}
DTYPES = [d for d in WIDER if unit(WIDER[d]) < unit(d) / 8]  # not every machine has more than float64


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bell(x):
    return sigmoid(x) * sigmoid(-x)


def within(x, limit=1e4):
    return np.clip(x, -limit, limit)


def silu(x):
    s, d, n = sigmoid(x), bell(x), within(x)
    return np.maximum(x, -1e4) * s, s + n * d, d * (2 + n * (sigmoid(-x) - s))


def gelu(x):
    a = 2 * np.sqrt(2 / x.dtype.type(np.pi))
    n = within(x, 100)
    u, du, ddu = a * (n + 0.044715 * n**3), a * (1 + 3 * 0.044715 * n * n), a * 6 * 0.044715 * n
    s, d = sigmoid(u), bell(u)
    return np.maximum(x, -100) * s, s + n * d * du, 2 * d * du + n * (d * (sigmoid(-u) - s) * du**2 + d * ddu)


def below(x, slope, f, f1, f2):
    p, n = x > 0, np.minimum(x, 0)
    return np.where(p, x, slope * f(n)), np.where(p, 1, slope * f1(n)), np.where(p, 0, slope * f2(n))


def tanh(x):
    t = np.tanh(x)
    return t, 4 * bell(2 * x), -8 * t * bell(2 * x)


def power(n):
    return lambda x: (x**n, n * x ** (n - 1.0) if n else 0 * x, n * (n - 1) * x ** (n - 2.0) if n * (n - 1) else 0 * x)


def everywhere(x):
    return x


# The function; its value and two derivatives; where it is defined; how many times one rounding its argument may count.
FUNCTIONS = {
    "relu": (mg.relu, lambda x: below(x, 0, *[np.zeros_like] * 3), everywhere, 0),
    "leaky_relu": (mg.leaky_relu, lambda x: below(x, 0.01, everywhere, np.ones_like, np.zeros_like), everywhere, 0),
    "elu": (mg.elu, lambda x: below(x, 1, np.expm1, np.exp, np.exp), everywhere, 0),
    "elu 0.3": (lambda x: mg.elu(x, 0.3), lambda x: below(x, 0.3, np.expm1, np.exp, np.exp), everywhere, 0),
    "sigmoid": (mg.sigmoid, lambda x: (sigmoid(x), bell(x), bell(x) * (1 - 2 * sigmoid(x))), everywhere, 1),
    "tanh": (mg.tanh, tanh, everywhere, 1),
    "softplus": (
        mg.softplus,
        lambda x: (np.maximum(x, 0) + np.log1p(np.exp(-abs(x))), sigmoid(x), bell(x)),
        everywhere,
        1,
    ),
    "silu": (mg.silu, silu, everywhere, 1),
    "gelu tanh": (lambda x: mg.gelu(x, "tanh"), gelu, everywhere, 3),
    "exp": (mg.exp, lambda x: (np.exp(x),) * 3, everywhere, 1),
    "expm1": (mg.expm1, lambda x: (np.expm1(x), np.exp(x), np.exp(x)), everywhere, 1),
    "log": (mg.log, lambda x: (np.log(x), 1 / x, -1 / x**2), np.abs, 0),
    "log1p": (mg.log1p, lambda x: (np.log1p(x), 1 / (1 + x), -1 / (1 + x) ** 2), np.abs, 0),
    "sqrt": (mg.sqrt, lambda x: (np.sqrt(x), 0.5 / np.sqrt(x), -0.25 / np.sqrt(x) / x), np.abs, 0),
    "1 / x": (lambda x: 1 / x, lambda x: (1 / x, -1 / x**2, 2 / x**3), everywhere, 0),
    **{f"power {n}": (lambda x, n=n: x**n, power(n), everywhere, 0) for n in (0, 1, 2, 3, -1, np.int64(0), np.float32(2))},
    "power 0.5": (lambda x: x**0.5, power(0.5), np.abs, 0),
    "power arrays": (lambda x: x ** np.array([2.0]).astype(x.dtype), power(2), everywhere, 0),
    "power zeros": (lambda x: x ** np.array([0.0]).astype(x.dtype), power(0), everywhere, 0),
}  # fmt: skip
BY_VALUE = 1.0  # slopes that are reckoned from the value have the round-off of a number of size 1; gelu's, x (2 du/dx)²


def points(dtype, seed):
    info, rng = np.finfo(dtype), np.random.default_rng(seed)
    spread = np.exp2(rng.uniform(info.minexp - 10, info.maxexp - 0.01, 60)).astype(dtype)
    near = rng.normal(0, 8, 40).astype(dtype)
    edges = np.array([0, info.smallest_subnormal, info.tiny, info.max, np.inf, 1, info.eps, 88, 104, 710, 746], dtype)
    return np.concatenate([spread, -spread, near, edges, -edges])


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
@cases(4)
@given(st.sampled_from(DTYPES), st.booleans(), st.integers(0, 2**32 - 1))
def test_values_and_slopes_over_the_whole_range(name, dtype, composed, seed):
    f, truth, domain, rounded = FUNCTIONS[name]
    op = mg.Primitive.registry.get(name.replace(" ", "_"))
    info = np.finfo(dtype)
    x = mg.tensor(domain(points(dtype, seed)), requires_grad=True)
    with np.errstate(all="ignore"):
        if composed and name in ("silu", "gelu tanh"):
            f = op.composition
        y = f(x)
        (first,) = pull(y, [x], np.ones(x.shape, dtype), create_graph=True)
        (second,) = (
            pull(first, [x], np.ones(x.shape, dtype)) if first.requires_grad else (mg.tensor(np.zeros_like(x.data)),)
        )
        (down,) = push([f(x)], [x], [np.ones(x.shape, dtype)])
        exact = truth(x.data.astype(WIDER[dtype]))
        size = 1 + rounded * np.minimum(np.abs(x.data), 1000).astype("d") ** (1 + (rounded == 3) * 2)
        for ours, right in zip((y, first, down, second), (exact[0], exact[1], exact[1], exact[2]), strict=True):
            assert ours.dtype == np.dtype(dtype)
            there = np.abs(right) < info.max / 16  # n · x**(n − 1) may overflow before n is there
            absolute = (BY_VALUE if rounded < 3 else 300) if ours is not y and rounded else 0
            bound = 32 * unit(dtype) * (size * np.abs(right) + absolute) + 4 * info.tiny
            error = np.abs(ours.data - right)
            assert (error <= bound)[there].all(), (
                x.data[there & ~(error <= bound)],
                ours.data[there & ~(error <= bound)],
            )


def rows(dtype, seed):
    """Logits of any size and offset, some of them −∞, and labels that are possible."""
    rng = np.random.default_rng(seed)
    n, k = 6, int(rng.integers(2, 90))
    largest = np.finfo(dtype).maxexp * np.log10(2) - 2
    x = rng.standard_normal((n, k)) * 10 ** rng.uniform(-6, 3, (n, 1))
    x = x + 10 ** rng.uniform(-6, rng.choice([2, largest]), (n, 1)) * rng.choice([-1, 1], (n, 1))
    labels = rng.integers(0, k, n)
    if rng.integers(2):
        gone = rng.random((n, k)) < 0.3
        gone[np.arange(n), labels] = False
        x[gone] = -np.inf
    return x.astype(dtype), labels


@pytest.mark.slow
@cases(20)
@given(st.sampled_from(DTYPES), st.sampled_from([0.0, 0.1, 1.0]), st.integers(0, 2**32 - 1))
def test_softmax_and_its_kin_over_the_whole_range(dtype, smoothing, seed):
    x, labels = rows(dtype, seed)
    n, k = x.shape
    wide = x.astype(WIDER[dtype])
    near = wide - wide.max(1, keepdims=True)
    p = np.exp(near) / np.exp(near).sum(1, keepdims=True)
    log_p = near - np.log(np.exp(near).sum(1, keepdims=True))
    # k terms are added up, each rounded a few times, and so is each difference from the largest
    u, finite = (k + 16) * unit(dtype), np.isfinite(log_p)
    size = np.where(finite, np.abs(near), 0)

    def agree(ours, right, bound):
        same = ours == right
        with np.errstate(invalid="ignore"):
            assert (same | (np.abs(ours - right) <= bound)).all()

    agree(mg.log_softmax(x).data, log_p, u * (1 + size))
    agree(mg.softmax(x).data, p, u * (1 + size) * p + np.finfo(dtype).tiny)
    lse = mg.logsumexp(x, axis=1)
    agree(lse.data, wide.max(1) - log_p[np.arange(n), wide.argmax(1)], u * (1 + np.abs(wide.max(1))))

    t = mg.tensor(x, requires_grad=True)
    mg.logsumexp(t, axis=1).sum().backward()
    agree(t.grad, p, u * (1 + size) * p + np.finfo(dtype).tiny)

    target = np.full((n, k), smoothing / k)
    target[np.arange(n), labels] += 1 - smoothing
    with np.errstate(invalid="ignore"):
        losses = -np.where(target == 0, 0, target * log_p).sum(1)
    op = mg.Primitive.registry["cross_entropy"]
    options = {"labels": labels, "smoothing": smoothing, "reduction": "none"}
    soft = np.eye(k)[labels].astype(dtype)
    for f in (
        lambda t: op(t, **options),
        lambda t: op.composition(t, **options),
        lambda t: mg.cross_entropy(t, soft, label_smoothing=smoothing, reduction="none"),
    ):
        t = mg.tensor(x, requires_grad=True)
        y = f(t)
        agree(y.data, losses, u * (1 + 2 * size.max(1)))
        (g,) = pull(y, [t], np.ones(n, dtype))
        agree(g.data, p - target, u * (1 + size))


@pytest.mark.parametrize("composed", [False, True])
def test_logits_of_infinite_size(composed):
    """The largest share, at infinity too; where no class is possible nothing is said."""
    x = np.array([[np.inf, 0.0, -np.inf], [np.inf, np.inf, 1.0]])
    assert np.array_equal(mg.softmax(x).data, [[1, 0, 0], [0.5, 0.5, 0]])
    with np.errstate(divide="ignore", invalid="ignore"):
        f = mg.Primitive.registry["cross_entropy"]
        f = f.composition if composed else f
        options = {"labels": np.array([0, 0]), "smoothing": 0.0, "reduction": "none"}
        assert np.allclose(f(mg.tensor(x), **options).data, [0, np.log(2)])
        assert np.isnan(f(mg.tensor(np.full((2, 3), -np.inf)), **options).data).all()
    t = mg.tensor(np.array([[-np.inf, -np.inf], [np.inf, 1.0], [-np.inf, 1.0]]), requires_grad=True)
    y = mg.logsumexp(t, axis=1)
    (g,) = pull(y, [t], np.ones(3), create_graph=True)
    assert np.array_equal(y.data, [-np.inf, np.inf, 1]) and np.array_equal(g.data, [[0, 0], [1, 0], [0, 1]])
    assert np.array_equal(pull(g, [t], np.ones((3, 2)))[0].data, np.zeros((3, 2)))


# ---- kinks: the convention lies between the one-sided slopes, and is their value where they agree --------------------------

KINKS = {
    "relu": (mg.relu, [0.0, -1.0, 0.0, 2.0]),
    "abs": (mg.abs, [0.0, -1.0, -0.0, 2.0]),
    "leaky_relu": (mg.leaky_relu, [0.0, -1.0, 2.0]),
    "leaky_relu steep": (lambda x: mg.leaky_relu(x, 3.0), [0.0, -1.0, 2.0]),
    "leaky_relu of one slope": (lambda x: mg.leaky_relu(x, 1.0), [0.0, -0.0, 2.0]),
    "elu": (mg.elu, [0.0, -1.0, 2.0]),
    "elu at −0": (mg.elu, [-0.0, -1.0, 2.0]),
    "elu 0.3": (lambda x: mg.elu(x, 0.3), [0.0, -1.0, 2.0]),
    "elu 2": (lambda x: mg.elu(x, 2.0), [0.0, -1.0, 2.0]),
    "maximum": (lambda x: mg.maximum(x[:2], x[1:]), [1.0, 1.0, 0.0]),
    "maximum with itself": (lambda x: mg.maximum(x, x), [1.0, 0.0]),
    "minimum": (lambda x: mg.minimum(x[:2], x[1:]), [1.0, 1.0, 1.0]),
    "clip": (lambda x: mg.clip(x, -1.0, 2.0), [-1.0, 2.0, 0.0, 3.0]),
    "max": (mg.max, [1.0, 3.0, 3.0, 3.0]),
    "min": (lambda x: mg.min(x, axis=0), [1.0, 1.0, 2.0]),
    "max_pool2d": (lambda x: mg.max_pool2d(mg.reshape(x, (1, 1, 3, 3)), 2, 1), np.ones(9)),
    "fractional_max_pool2d": (lambda x: mg.fractional_max_pool2d(mg.reshape(x, (1, 1, 3, 3)), 2, rng=0), np.ones(9)),
    "std": (mg.std, np.ones(4)),
    "std of rows": (lambda x: mg.std(mg.reshape(x, (2, 2)), axis=1, correction=1), [1.0, 1.0, 0.0, 2.0]),
    "power 1": (lambda x: x**1, [0.0, 1.0]),
    "power 2": (lambda x: x**2, [0.0, -0.0]),
    "power 0": (lambda x: x**0, [0.0, 1.0]),
    "power array": (lambda x: x ** np.array([0.0, 1.0, 2.0, 3.0]), np.zeros(4)),
}


def slopes(f, x, v, weights):
    """Σ w f's derivative along v at x, by a walk up and a walk down; and its second, by a walk over each."""
    t = mg.tensor(x, requires_grad=True)
    y = (f(t) * weights).sum()
    (g,) = pull(y, [t], create_graph=True)
    (down,) = push([y], [t], [v], create_graph=True)
    second = [
        float(pull((a * b).sum(), [t], retain_graph=True)[0].data @ v) if a.requires_grad else 0.0
        for a, b in ((g, v), (down, 1.0))
    ]
    return [float(g.data @ v), float(down.data)], second


@pytest.mark.parametrize("name", KINKS)
@cases(6)
@given(st.integers(0, 2**32 - 1))
def test_a_convention_lies_between_the_slopes(name, seed):
    f, x = KINKS[name]
    x, rng = np.array(x), np.random.default_rng(seed)
    op = mg.Primitive.registry.get(name)
    v, h = rng.standard_normal(x.shape), 2.0**-30
    weights = np.abs(rng.standard_normal(f(x).shape))
    kept = slopes(f, x, v, weights)
    sides = [slopes(f, x + s * h * v, v, weights) for s in (1, -1)]
    for order, (here, *both) in enumerate(zip(kept, *sides, strict=True)):
        if order and name.startswith("std"):
            continue  # round-off of a curvature of 1 / h
        low, high = min(map(min, both)), max(map(max, both))
        slack = 64 * h * (1 + np.abs(v).sum() ** 2) * weights.sum()  # how far slopes move by such a step
        assert low - slack <= min(here) and max(here) <= high + slack
    if op is not None and op.composition is not None and name in ("elu", "leaky_relu"):
        options = {"elu": {"alpha": 1.0}, "leaky_relu": {"slope": 0.01}}[name]
        composed = slopes(lambda t: op.composition(t, **options), x, v, weights)
        np.testing.assert_allclose(composed, kept, rtol=0, atol=64 * unit("d") * np.abs(v).sum() ** 2 * weights.sum())


def test_every_operation_with_branches_is_looked_at():
    jumps = {"copysign", "fmod", "remainder"}  # there is no slope where they do; those that are flat have none anywhere
    have = {name for name, op in mg.Primitive.registry.items() if op.branch is not None and op.kind != "flat"}
    assert have - jumps <= set(KINKS)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("dtype", "fd")
def test_ties_at_infinity_share(value, dtype):
    x = np.array([value, 1.0], dtype)
    for f in mg.maximum, mg.minimum:
        a, b = (mg.tensor(x, requires_grad=True) for _ in "ab")
        f(a, b).sum().backward()
        assert np.array_equal(a.grad, [0.5, 0.5]) and np.array_equal(b.grad, [0.5, 0.5]) and a.grad.dtype == x.dtype
    for f in mg.max, mg.min:
        a = mg.tensor(np.full(2, value, dtype), requires_grad=True)
        f(a).backward()
        assert np.array_equal(a.grad, [0.5, 0.5])
    a = mg.tensor(x, requires_grad=True)
    mg.clip(a, *(None, value) if value > 0 else (value, None)).sum().backward()
    assert np.array_equal(a.grad, [0.5, 1])


@pytest.mark.parametrize(
    "base, exponent", [(0.0, 0.0), (0.0, 2.0), (0.0, 0.5), (1e-310, 0.0), (np.inf, -1.0), (np.inf, 0.0)]
)
def test_both_slopes_of_a_power_at_its_ends(base, exponent):
    a, b = mg.tensor([base], requires_grad=True), mg.tensor([exponent], requires_grad=True)
    with np.errstate(all="ignore"):
        mg.power(a, b).sum().backward()
    assert not np.isnan(a.grad).any() and not np.isnan(b.grad).any()
    if base == 0:
        assert b.grad == 0


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize("scale", [-140, -60, 0, 60, 120])
def test_std_of_any_size(dtype, scale):
    x = np.random.default_rng(0).integers(1, 9, (3, 8)).astype(dtype) * np.exp2(scale).astype(dtype)
    t = mg.tensor(x, requires_grad=True)
    y = mg.std(t, axis=1)
    y.sum().backward()
    wide = x.astype(WIDER[dtype])
    right = wide.std(1)
    c = wide - wide.mean(1, keepdims=True)
    # a mean is off by some roundings of the largest entry, and a deviation by as much
    loss = 32 * unit(dtype) * np.abs(wide).max() + 32 * np.finfo(dtype).smallest_subnormal
    assert (np.abs(y.data - right) <= loss).all()
    assert (np.abs(t.grad - c / right[:, None] / 8) <= 4 * loss / right[:, None]).all()


def test_nan_gets_the_slope_and_the_others_do_not():
    x = mg.tensor([1.0, np.nan, 0.0], requires_grad=True)
    mg.max(x).backward()
    assert np.array_equal(x.grad, [0, 1, 0])
