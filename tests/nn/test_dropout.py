"""Layers that drop: what each computes, its modes, dtypes and errors. What they draw is in test_statistics.py."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.gradcheck import EXACT, gradcheck

F32, F64 = np.float32, np.float64
rng = np.random.default_rng(11)


def linear(dtype=F64, bias=True):
    return nn.Linear(5, 4, bias, dtype=dtype, rng=0)


def conv(dtype=F64, **options):
    return nn.Conv2d(2, 4, 3, dtype=dtype, rng=0, **options)


# name: a layer from (p, scaling, dtype), and the shape of an input
LAYERS = {
    "Dropout": (lambda p, s, d: nn.Dropout(p, scaling=s, rng=1), (3, 5)),
    "Dropout2d": (lambda p, s, d: nn.Dropout2d(p, scaling=s, rng=1), (3, 2, 2, 2)),
    "linear, batch": (lambda p, s, d: nn.DropConnect(linear(d), p, "batch", s, rng=1), (3, 5)),
    "linear, row": (lambda p, s, d: nn.DropConnect(linear(d), p, "row", s, rng=1), (3, 5)),
    "linear, row, sequences": (lambda p, s, d: nn.DropConnect(linear(d, False), p, "row", s, rng=1), (3, 2, 5)),
    "linear, gaussian": (
        lambda p, s, d: nn.DropConnect(linear(d), p, scaling=s, activation=mg.tanh, inference="gaussian", rng=1), (3, 5),
    ),
    "conv2d, batch": (lambda p, s, d: nn.DropConnect(conv(d, padding=1), p, "batch", s, rng=1), (2, 2, 4, 4)),
    "conv2d, row": (lambda p, s, d: nn.DropConnect(conv(d, stride=2, groups=2), p, "row", s, rng=1), (3, 2, 5, 4)),
    "conv2d, row, same": (
        lambda p, s, d: nn.DropConnect(nn.Conv2d(2, 3, 2, padding="same", bias=False, dtype=d), p, "row", s), (2, 2, 3, 3),
    ),
}  # fmt: skip
SCALINGS = ["inverted", "test"]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_derivatives_with_the_masks_held(name, scaling):
    make, shape = LAYERS[name]
    for mode in (True, False):
        layer = make(0.4, scaling, F64).train(mode)
        report = gradcheck(
            layer, rng.standard_normal(shape), order=2, check_inputs=True, loss=lambda y: mg.sin(y).sum(), entries=4
        )
        assert report.ok and {row.verdict for row in report.rows} == {EXACT}, str(report)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [F32, F64])
def test_dtypes_are_kept(name, dtype):
    make, shape = LAYERS[name]
    for scaling in SCALINGS:
        layer = make(0.3, scaling, dtype)
        x = mg.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
        for mode in (True, False):
            y = layer.train(mode)(x)
            y.sum().backward()
            assert y.dtype == x.grad.dtype == dtype
            assert all(p.grad.dtype == dtype for p in layer.parameters())


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_is_drawn_at_probability_zero_nor_at_test_time(name):
    make, shape = LAYERS[name]
    x, generator = rng.standard_normal(shape), np.random.default_rng(0)
    for scaling in SCALINGS:
        layer = make(0.0, scaling, F64)
        layer.rng = generator
        plain = layer.layer(x).data if isinstance(layer, nn.DropConnect) else x
        plain = mg.tanh(plain).data if getattr(layer, "activation", None) else plain
        before = generator.bit_generator.state
        assert np.array_equal(layer(x).data, plain) and np.array_equal(layer.eval()(x).data, plain)
        other = make(0.5, scaling, F64).eval()
        other.rng = generator
        assert np.array_equal(other(x).data, other(x).data)
        assert generator.bit_generator.state == before


def seeded(make):
    """The same layer twice, each made and then run from one state of the default generator."""
    for _ in range(2):
        mg.seed(4)
        yield make(0.5, "inverted", F64)


@pytest.mark.parametrize("name", LAYERS)
def test_a_seed_is_one_stream(name):
    make, shape = LAYERS[name]
    x = np.ones(shape)
    first, second = ([layer(x).data for _ in range(3)] for layer in seeded(make))
    assert all(np.array_equal(u, v) for u, v in zip(first, second))
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "conv2d, row, same"])
def test_compiled_steps_draw_the_same(name):
    """Captured, not stepped aside from: a warning would be an error."""
    make, shape = LAYERS[name]
    plain, model = make(0.5, "inverted", F32), make(0.5, "inverted", F32)
    fast = mg.compile(lambda x: model(x))
    for mode in (True, False):
        plain.train(mode), model.train(mode)
        for x in rng.standard_normal((4, *shape)).astype(F32):
            assert np.array_equal(fast(x).data, plain(x).data)


def test_the_two_scalings_are_one_layer_up_to_the_factor():
    x = rng.standard_normal((6, 5))
    inverted, paper = (nn.Dropout(0.2, scaling=s, rng=3) for s in SCALINGS)
    np.testing.assert_allclose(0.8 * inverted(x).data, paper(x).data, rtol=1e-15)
    np.testing.assert_allclose(0.8 * inverted.eval()(x).data, paper.eval()(x).data, rtol=1e-15)


def test_dropconnect_is_a_layer_with_masked_weights():
    layer, x = linear(), rng.standard_normal((3, 5))
    dropped = nn.DropConnect(layer, 0.5, rng=2)
    draws = np.random.default_rng(2)
    weight, bias = mg.dropout(layer.weight, 0.5, rng=draws).data, mg.dropout(layer.bias, 0.5, rng=draws).data
    np.testing.assert_allclose(dropped(x).data, x @ weight.T + bias, rtol=1e-13)
    assert [path for path, _ in dropped.named_parameters()] == ["layer.weight", "layer.bias"]


@pytest.mark.parametrize("kind", ["linear", "sequences", "conv2d"])
def test_each_row_has_weights_of_its_own(kind):
    layer = conv(padding=1, stride=2) if kind == "conv2d" else linear()
    x = rng.standard_normal({"linear": (3, 5), "sequences": (3, 2, 5), "conv2d": (3, 2, 4, 5)}[kind])
    y = nn.DropConnect(layer, 0.5, "row", rng=2)(x).data
    draws = np.random.default_rng(2)
    weights = mg.dropout(np.broadcast_to(layer.weight.data, (3, *layer.weight.shape)), 0.5, rng=draws)
    biases = mg.dropout(np.broadcast_to(layer.bias.data, (3, *layer.bias.shape)), 0.5, rng=draws)
    for i in range(3):
        np.testing.assert_allclose(y[i], layer.with_weights(x[i : i + 1], weights[i], biases[i]).data[0], rtol=1e-12)


def test_gaussian_inference_is_the_mean_of_the_activation():
    """For relu, E max(z, 0) = μ Φ(μ/σ) + σ φ(μ/σ); for the identity it is μ, whatever the variance."""
    from scipy.stats import norm

    x = rng.standard_normal((6, 5))
    layer = nn.DropConnect(linear(), 0.5, activation=mg.relu, inference="gaussian").eval()
    mean, variance = (t.data for t in layer.moments(x))
    sigma = np.sqrt(variance)
    exact = mean * norm.cdf(mean / sigma) + sigma * norm.pdf(mean / sigma)
    assert (abs(layer(x).data - exact) < 0.02 * sigma).all()
    for power in (1, 2, 4):
        layer.activation = lambda z: z**power
        moment = {1: mean, 2: mean**2 + variance, 4: mean**4 + 6 * mean**2 * variance + 3 * variance**2}[power]
        np.testing.assert_allclose(layer(x).data, moment, rtol=1e-12)


def test_gaussian_inference_has_a_gradient_where_nothing_varies():
    layer = nn.DropConnect(linear(F32, bias=False), activation=mg.tanh, inference="gaussian").eval()
    x = mg.tensor(np.zeros((2, 5), F32), requires_grad=True)
    layer(x).sum().backward()
    np.testing.assert_allclose(x.grad, np.tile(layer.layer.weight.data.sum(0), (2, 1)), rtol=1e-5)


def test_frozen_weights_get_no_gradient_and_are_dropped_all_the_same():
    layer = nn.DropConnect(linear(), rng=0)
    layer.requires_grad_(False)
    x = mg.tensor(rng.standard_normal((2, 5)), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert all(p.grad is None for p in layer.parameters()) and x.grad is not None
    assert not np.array_equal(y.data, layer(x).data) and np.array_equal(layer.eval()(x).data, layer(x).data)


# ---- averaging -----------------------------------------------------------------------------------------------------


def test_averaged_is_the_mean_over_draws_and_leaves_modes_alone():
    model = nn.Sequential(nn.Linear(4, 6, rng=0), nn.BatchNorm1d(6), nn.Dropout(0.5, rng=1), nn.Linear(6, 3, rng=2))
    model.train()
    model[2].training = False
    x = rng.standard_normal((5, 4)).astype(F32)
    before = model.state_dict()
    mean, std = nn.averaged(model, x, 7, transform=mg.softmax)
    assert [m.training for m in model] == [True, True, False, True]
    assert all(np.array_equal(v, before[k]) for k, v in model.state_dict().items())  # no batch norm saw the data
    model[2].rng = np.random.default_rng(1)
    model.eval()[2].training = True
    draws = np.stack([mg.softmax(model(x)).data for _ in range(7)])
    assert mean.dtype == std.dtype == F32
    np.testing.assert_allclose(mean, draws.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, draws.std(0, ddof=1), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(mean.sum(1), 1, rtol=1e-6)


def test_averaged_puts_modes_back_after_an_error():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="linear: x has 3 features"):
        nn.averaged(model, np.ones((1, 3), F32))
    assert all(m.training for m in model.modules())


def test_averaged_finds_every_layer_that_draws():
    layers = [
        nn.Dropout(),
        nn.Dropout2d(),
        nn.FractionalMaxPool2d(2),
        nn.DropConnect(linear()),
        nn.StochasticDepth(0.5),
    ]
    x = np.ones((1, 1, 4, 4))
    assert all("rng" in vars(m) for m in layers)
    assert nn.averaged(nn.Dropout(0.5, rng=0), x, 50).std.min() > 0


# ---- errors --------------------------------------------------------------------------------------------------------


BAD = {
    "probability": (lambda: nn.Dropout2d(1.0), ValueError, "Dropout2d: p is 1.0; it must be in [0, 1)"),
    "nan": (lambda: nn.Dropout(float("nan")), ValueError, "Dropout: p is nan"),
    "negative": (lambda: nn.DropConnect(linear(), -0.1), ValueError, "DropConnect: p is -0.1"),
    "scaling": (lambda: nn.Dropout(0.5, scaling="paper"), ValueError, "Dropout: scaling is 'paper'; it must be 'inverted' or 'test'"),
    "scaling of the function": (lambda: mg.dropout(np.ones(2), scaling="both"), ValueError, "dropout: scaling is 'both'"),
    "integers": (lambda: mg.dropout(np.arange(5)), TypeError, "dropout: x is int64; what survives is scaled"),
    "no image": (lambda: nn.Dropout2d()(np.ones((2, 3))), ValueError, "dropout2d: x has shape (2, 3); it must be (N, C, H, W)"),
    "layer": (lambda: nn.DropConnect(nn.ReLU()), TypeError, "DropConnect: layer is a ReLU; it must be a Linear or a Conv2d"),
    "mode": (lambda: nn.DropConnect(linear(), mode="sample"), ValueError, "DropConnect: mode is 'sample'; it must be 'batch' or 'row'"),
    "inference": (lambda: nn.DropConnect(linear(), inference="exact"), ValueError, "inference is 'exact'; it must be 'mean' or"),
    "no activation": (lambda: nn.DropConnect(linear(), inference="gaussian"), ValueError, "give it, e.g. mg.relu"),
    "features": (lambda: nn.DropConnect(linear(), mode="row")(np.ones((2, 3))), ValueError, "linear: x has 3 features"),
    "dtype": (lambda: nn.DropConnect(linear(), mode="row")(np.ones((2, 5), F32)), TypeError, "linear: x is float32"),
    "no batch": (lambda: nn.DropConnect(linear(), mode="row")(np.ones(5)), ValueError, "mode 'row' needs an axis of samples"),
    "channels": (lambda: nn.DropConnect(conv(), mode="row")(np.ones((1, 3, 4, 4))), ValueError, "conv2d: x has 3 channels"),
    "few draws": (lambda: nn.averaged(nn.Dropout(), np.ones(2), 1), ValueError, "averaged: n is 1"),
    "nothing draws": (lambda: nn.averaged(nn.ReLU(), np.ones(2)), ValueError, "averaged: no layer of this ReLU draws"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    do, error, message = BAD[name]
    with pytest.raises(error) as caught:
        do()
    assert message in str(caught.value)
