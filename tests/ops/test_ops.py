"""Values of the operations against NumPy and closed forms; derivatives at kinks; orders and adjoints: tests/cases.py."""

import itertools

import numpy as np
import pytest

import minigrad as mg

rng = np.random.default_rng(0)
X = rng.standard_normal((3, 4, 5))
POSITIVE = np.abs(X) + 0.1


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


VALUES = {
    "exp": (mg.exp, np.exp, X),
    "log": (mg.log, np.log, POSITIVE),
    "log1p": (mg.log1p, np.log1p, POSITIVE),
    "sqrt": (mg.sqrt, np.sqrt, POSITIVE),
    "sin": (mg.sin, np.sin, X),
    "cos": (mg.cos, np.cos, X),
    "tanh": (mg.tanh, np.tanh, X),
    "sigmoid": (mg.sigmoid, sigmoid, X),
    "abs": (abs, np.abs, X),
    "relu": (mg.relu, lambda x: np.maximum(x, 0), X),
    "leaky_relu": (mg.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x), X),
    "elu": (mg.elu, lambda x: np.where(x > 0, x, np.exp(x) - 1), X),
    "softplus": (mg.softplus, lambda x: np.log1p(np.exp(x)), X),
    "silu": (mg.silu, lambda x: x * sigmoid(x), X),
    "clip": (lambda x: mg.clip(x, -0.5, 0.5), lambda x: np.clip(x, -0.5, 0.5), X),
    "minimum": (lambda x: mg.minimum(x, 0.3), lambda x: np.minimum(x, 0.3), X),
    "power 2": (lambda x: x**2, np.square, X),
    "power 0": (lambda x: x**0, np.ones_like, X),
    "power -1.5": (lambda x: x**-1.5, lambda x: x**-1.5, POSITIVE),
    "power of 2": (lambda x: 2**x, np.exp2, X),
    "rsub": (lambda x: 1 - x, lambda x: 1 - x, X),
    "rdiv": (lambda x: 1 / x, np.reciprocal, POSITIVE),
    "sum": (lambda x: x.sum(axis=(0, -1)), lambda x: x.sum((0, -1)), X),
    "sum keepdims": (lambda x: x.sum(axis=1, keepdims=True), lambda x: x.sum(1, keepdims=True), X),
    "sum all": (lambda x: x.sum(keepdims=True), lambda x: x.sum(keepdims=True), X),
    "mean": (lambda x: x.mean(axis=1), lambda x: x.mean(1), X),
    "var": (lambda x: x.var(axis=-1, correction=1), lambda x: x.var(-1, ddof=1), X),
    "std": (lambda x: x.std(axis=0), lambda x: x.std(0), X),
    "max": (lambda x: x.max(axis=(1, 2)), lambda x: x.max((1, 2)), X),
    "min": (lambda x: x.min(axis=0, keepdims=True), lambda x: x.min(0, keepdims=True), X),
    "logsumexp": (lambda x: x.logsumexp(axis=1), lambda x: np.log(np.exp(x).sum(1)), X),
    "softmax": (lambda x: mg.softmax(x, 1), lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True), X),
    "log_softmax": (mg.log_softmax, lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)), X),
    "reshape": (lambda x: x.reshape(4, -1), lambda x: x.reshape(4, -1), X),
    "flatten": (lambda x: x.flatten(1), lambda x: x.reshape(3, 20), X),
    "permute_dims": (lambda x: x.permute_dims(2, 0, 1), lambda x: x.transpose(2, 0, 1), X),
    "T": (lambda x: x.T, np.transpose, X),
    "mT": (lambda x: x.mT, lambda x: np.swapaxes(x, -1, -2), X),
    "expand, squeeze": (lambda x: mg.squeeze(mg.expand_dims(x, 1), 1), lambda x: x, X),
    "pad": (lambda x: mg.pad(x, [(1, 2), 0, 1]), lambda x: np.pad(x, [(1, 2), (0, 0), (1, 1)]), X),
    "crop": (lambda x: mg.crop(x, [(1, 0), 1, (2, 2)]), lambda x: x[1:, 1:-1, 2:-2], X),
    "concat": (lambda x: mg.concat([x, x * 2], axis=1), lambda x: np.concatenate([x, 2 * x], 1), X),
    "stack": (lambda x: mg.stack([x, x], axis=-1), lambda x: np.stack([x, x], -1), X),
    "matmul": (lambda x: x @ x.mT, lambda x: x @ np.swapaxes(x, -1, -2), X),
    "matmul vectors": (lambda x: x[0, 0] @ x[1, 1], lambda x: x[0, 0] @ x[1, 1], X),
    "matmul row": (lambda x: x[0, :, 0] @ x, lambda x: x[0, :, 0] @ x, X),
    "slice": (lambda x: x[1:, ::-1, None, 2], lambda x: x[1:, ::-1, None, 2], X),
    "ellipsis": (lambda x: x[..., -1], lambda x: x[..., -1], X),
    "mask": (lambda x: x[x > 0], lambda x: x[x > 0], X),
    "index arrays": (lambda x: x[[0, 2, 0], [1, 1, 3]], lambda x: x[[0, 2, 0], [1, 1, 3]], X),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_dtype(name, dtype):
    f, reference, x = VALUES[name]
    x = x.astype(dtype)
    y = f(mg.tensor(x, requires_grad=True))
    assert y.dtype == dtype, f"{name} of {dtype} became {y.dtype}"
    assert np.allclose(y.data, reference(x), rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-7)
    gx = mg.grad(lambda x: f(x).sum())(x)
    assert gx.dtype == dtype and gx.shape == x.shape


@pytest.mark.parametrize("value", [-1000.0, 1000.0])
@pytest.mark.parametrize("f", [mg.sigmoid, mg.softplus, mg.tanh, mg.elu, mg.silu, mg.gelu])
def test_no_overflow(f, value):
    x = mg.tensor([value], requires_grad=True)
    f(x).sum().backward()
    assert np.isfinite(x.grad).all()


def test_large_logits():
    logits = mg.tensor([[1e4, 0.0], [-1e4, 0.0]], requires_grad=True)
    mg.cross_entropy(logits, np.array([0, 0]), reduction="sum").backward()
    assert np.allclose(logits.grad, [[0, 0], [-1, 1]])
    assert mg.logsumexp(mg.tensor([-np.inf, 0.0])).item() == 0


@pytest.mark.parametrize(
    ("f", "slope"),
    [(mg.relu, 0.0), (abs, 0.0), (lambda x: mg.maximum(x, 0), 0.5), (lambda x: mg.clip(x, 0, 1), 0.5)],
)
def test_one_convention_at_kinks(f, slope):
    assert mg.grad(f)(0.0).item() == slope


def test_ties_share_the_gradient():
    assert np.allclose(mg.grad(lambda x: x.max())(np.array([2.0, 1.0, 2.0])).data, [0.5, 0, 0.5])
    ties = np.zeros((1, 1, 2, 2))
    assert np.array_equal(mg.grad(lambda x: mg.max_pool2d(x, 2).sum())(ties).data.ravel(), [1, 0, 0, 0])


@pytest.mark.parametrize("kind", ["numbers", "arrays", "tensors"])
def test_clip_is_flat_where_there_is_no_room(kind):
    """All orders of x, low and high: x has slope 1 between the bounds, ½ at one of them, and 0 where they meet or cross."""
    for low, high, value in itertools.product((-1.0, 0.0, 1.0), repeat=3):
        wrapped = {"numbers": float, "arrays": lambda v: np.full(2, v), "tensors": lambda v: mg.tensor([v, v])}[kind]
        x, f = np.full(2, value), lambda x: mg.clip(x, wrapped(low), wrapped(high))
        slope = 0 if low >= high else 1 if low < value < high else 0.5 if value in (low, high) else 0
        assert np.array_equal(f(x).data, np.clip(x, low, high))
        assert np.array_equal(mg.grad(lambda x: f(x).sum())(x).data, [slope, slope])
        assert np.array_equal(mg.jvp(f, (x,), (np.ones(2),))[1].data, [slope, slope])
        assert np.array_equal(f(x + 1e-30j).data.imag, slope * np.full(2, 1e-30))
    assert np.isnan(mg.clip([np.nan, 1.0], 1.0, 1.0).data).tolist() == [True, False]


def test_nan_is_never_hidden():
    x = mg.tensor([np.nan, 1.0])
    for f in (mg.relu, lambda x: mg.maximum(x, 0), mg.max, lambda x: mg.clip(x, 0, 1)):
        assert np.isnan(f(x).data).any()


@pytest.mark.parametrize(
    "f",
    [
        mg.softshrink,
        mg.hardshrink,
        mg.sign,
        mg.hardtanh,
        mg.mish,
        lambda x: mg.heaviside(x, 0.5),
        lambda x: mg.threshold(x, 0, 1),
    ],
)
def test_nan_stays(f):
    assert np.isnan(f(mg.tensor([np.nan, 2.0])).data).tolist() == [True, False]


def test_quotient_of_fmod_is_that_of_its_value():
    """1 / 0.1 rounds to 10, but the float 0.1 is above a tenth, and fmod is almost 0.1: the quotient is 9."""
    b = np.round(np.random.default_rng(0).uniform(0.1, 2, 2000), 2)
    a = b * np.random.default_rng(1).integers(1, 9, 2000)
    for f, exact in ((mg.fmod, np.fmod), (mg.remainder, np.remainder)):
        slope = mg.as_tensor(mg.grad(lambda b, f=f: mg.sum(f(a, b)))(b)).data
        np.testing.assert_array_equal(slope, -np.rint((a - exact(a, b)) / b))


@pytest.mark.parametrize("n", [3, np.array([3, -2])])
def test_ldexp_keeps_the_dtype(n):
    x = np.float32([1.5, 2.5])
    assert mg.ldexp(x, n).dtype == np.float32
    np.testing.assert_array_equal(mg.ldexp(x, n).data, np.ldexp(x, n))


def test_where_lets_no_derivative_through_the_other_branch():
    """√x at 0 has an infinite slope; a multiplication by the mask would make it NaN."""
    with np.errstate(divide="ignore"):
        g = mg.grad(lambda x: mg.where(x > 0, mg.sqrt(mg.where(x > 0, x, 1)), 0).sum())(np.array([0.0, 4.0]))
    assert np.array_equal(g.data, [0, 0.25])


def test_comparisons_are_boolean_tensors():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    assert (x > 1).dtype == bool and not (x > 1).requires_grad and (x == x).all() and (x != 1).tolist() == [False, True]
    assert len({x, x}) == 1


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", ">i2"])
@pytest.mark.parametrize("classes", [100, 128, 200, 256, 300, 70000])
def test_cross_entropy_labels_of_every_integer_type(dtype, classes):
    logits = np.linspace(0, 1, 2 * classes, dtype=np.float32).reshape(2, classes)
    top = min(classes, np.iinfo(dtype).max + 1) - 1
    right, wrong = np.array([0, top]), [-1] * (dtype != "u1") + [classes] * (classes <= np.iinfo(dtype).max)
    expected = mg.cross_entropy(logits, right).item()
    assert mg.cross_entropy(logits, right.astype(dtype)).item() == expected
    for label in wrong:
        with pytest.raises(ValueError, match=f"label {label} is out of range; logits have {classes} classes"):
            mg.cross_entropy(logits, np.array([0, label], dtype))


def test_cross_entropy_smoothing_in_closed_form():
    logits, labels, s = rng.standard_normal((6, 4)), rng.integers(0, 4, 6), 0.1
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = (1 - s) * np.eye(4)[labels] + s / 4
    loss = mg.cross_entropy(logits, labels, label_smoothing=s)
    assert np.isclose(loss.item(), -(target * log_p).sum(1).mean(), rtol=1e-13)
    g = mg.grad(lambda z: mg.cross_entropy(z, labels, label_smoothing=s))(logits)
    assert np.allclose(g.data, (np.exp(log_p) - target) / 6, rtol=1e-12)


def test_dropout_keeps_the_expectation_and_its_seed():
    x = np.ones((400, 400))
    y = mg.dropout(x, 0.3, rng=1).data
    assert abs((y == 0).mean() - 0.3) < 5 * np.sqrt(0.21 / x.size)
    assert np.allclose(y[y != 0], 1 / 0.7)
    assert np.array_equal(y, mg.dropout(x, 0.3, rng=1).data)
    mg.seed(3)
    a = mg.dropout(x, 0.3).data
    mg.seed(3)
    assert np.array_equal(a, mg.dropout(x, 0.3).data)
    assert mg.dropout(x, 0.3, training=False).data is x
    assert mg.dropout(x.astype(np.float32)).dtype == np.float32


def test_normalize_is_batch_norm_with_given_statistics():
    x, gamma, beta = rng.standard_normal((8, 3, 4, 4)), rng.standard_normal(3), rng.standard_normal(3)
    same = mg.ops.norm.normalize(x, x.mean((0, 2, 3)), x.var((0, 2, 3)), gamma, beta)
    assert np.allclose(mg.batch_norm(x, gamma, beta).data, same.data, rtol=1e-12)
