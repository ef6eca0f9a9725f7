"""What random layers draw: how often, how independently, and whether training agrees with testing on average.

Seeds are fixed, and bounds are those of the law that the draws should follow: five standard errors, passed by a right
layer but for one seed in a million. Layers that drop are looked at through their masks, made visible as zeros.
"""

import itertools
import runpy
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.ops.pool import region_edges

STEPS, SIGMAS = 150, 5.0
CHANNELS, IMAGE = 6, (8, 6, 3, 3)


def unit_weights(layer):
    for p in layer.parameters():
        p.data = np.ones_like(p.data)
    return layer


def dropped_linear(mode, p, scaling, rng):
    return nn.DropConnect(unit_weights(nn.Linear(7, 5, bias=False, dtype="float64")), p, mode, scaling, rng=rng)


def dropped_conv(mode, p, scaling, rng):
    conv = unit_weights(nn.Conv2d(1, CHANNELS, 3, bias=False, dtype="float64"))
    return nn.DropConnect(conv, p, mode, scaling, rng=rng)


class Block(nn.Module):
    """0 + x, the branch x under stochastic depth."""

    def __init__(self, *settings, rng):
        self.drop = nn.StochasticDepth(*settings, rng=rng)

    def forward(self, x):
        return self.drop(np.zeros_like(x), lambda: x)


ONES, CENTRE = np.ones(IMAGE), np.pad(np.ones((8, 1, 1, 1)), ((0, 0), (0, 0), (1, 1), (1, 1)))

# name: a layer from (p, scaling, rng), an input that shows its mask, and along which axes of the output it is shared
LAYERS = {
    "Dropout": (lambda p, s, rng: nn.Dropout(p, scaling=s, rng=rng), ONES, ()),
    "Dropout2d": (lambda p, s, rng: nn.Dropout2d(p, scaling=s, rng=rng), ONES, (2, 3)),
    "DropConnect linear, batch": (lambda *k: dropped_linear("batch", *k), np.eye(7), ()),
    "DropConnect linear, batch, samples": (lambda *k: dropped_linear("batch", *k), np.eye(1, 7).repeat(8, 0), (0,)),
    "DropConnect linear, row": (lambda *k: dropped_linear("row", *k), np.eye(1, 7).repeat(8, 0), ()),
    "DropConnect conv2d, batch": (lambda *k: dropped_conv("batch", *k), CENTRE, (0,)),
    "DropConnect conv2d, row": (lambda *k: dropped_conv("row", *k), CENTRE, ()),
    "StochasticDepth batch": (lambda p, s, rng: Block(p, "batch", s, rng=rng), ONES, (0, 1, 2, 3)),
    "StochasticDepth row": (lambda p, s, rng: Block(p, "row", s, rng=rng), ONES, (1, 2, 3)),
}


def outputs(name, p, steps=STEPS):
    """What the layer gives in each of many steps: (step, *output)."""
    make, x, _ = LAYERS[name]
    layer = make(p, "inverted", 7)
    return np.stack([layer(x).data for _ in range(steps)])


def distinct(kept, shared):
    """One entry for each draw: shared axes reduced to their first entry."""
    return kept[tuple(slice(0, 1) if axis - 1 in shared else slice(None) for axis in range(kept.ndim))]


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("name", LAYERS)
def test_keep_rate(name, p):
    steps = {"StochasticDepth batch": 40 * STEPS, "StochasticDepth row": 10 * STEPS}.get(
        name, STEPS
    )  # that draw little
    kept = distinct(outputs(name, p, steps) != 0, LAYERS[name][2])
    assert abs(kept.mean() - (1 - p)) < SIGMAS * (p * (1 - p) / kept.size) ** 0.5


@pytest.mark.parametrize("name", LAYERS)
def test_independent_along_every_axis_that_does_not_share(name):
    """The correlation of neighbours: of steps, samples, channels, units, pixels. Where a mask is shared, it is one."""
    kept, shared, p = outputs(name, 0.3) != 0, LAYERS[name][2], 0.3
    centred = distinct(kept, shared) - (1 - p)
    for axis in range(kept.ndim):
        n = kept.shape[axis]
        if axis - 1 in shared:
            assert np.array_equal(kept, kept.take([0] * n, axis))
        elif n > 1:
            products = centred.take(range(1, n), axis) * centred.take(range(n - 1), axis)
            assert abs(products.mean()) < SIGMAS * p * (1 - p) / products.size**0.5


@pytest.mark.slow
@pytest.mark.parametrize(("scaling", "survivor", "tested"), [("inverted", 1 / 0.75, 1.0), ("test", 1.0, 0.75)])
@pytest.mark.parametrize("name", LAYERS)
def test_training_is_testing_on_average(name, scaling, survivor, tested):
    """Entry by entry: the mean over steps of what training gives is what testing gives."""
    make, x, _ = LAYERS[name]
    layer = make(0.25, scaling, 3)
    drawn = np.stack([layer(x).data for _ in range(4 * STEPS)])
    at_test = layer.eval()(x).data
    assert np.array_equal(at_test, layer(x).data)  # the same twice
    seen = at_test != 0
    assert np.allclose(drawn[drawn != 0], survivor) and np.allclose(at_test[seen], tested)
    assert (abs(drawn.mean(0) - at_test)[seen] < SIGMAS * survivor * (0.25 * 0.75 / len(drawn)) ** 0.5).all()
    assert (drawn[:, ~seen] == 0).all()


# ---- where the formula is exact, over all masks --------------------------------------------------------------------


def all_masks(n):
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


@pytest.mark.parametrize("p", [0.5, 0.2])
def test_dropout_before_a_linear_output_is_the_average_of_all_masks(p):
    """2ⁿ thinned networks, weighted by their probability, are the one that testing runs; probabilities are not."""
    rng = np.random.default_rng(0)
    h, w = rng.standard_normal(8), rng.standard_normal((3, 8))
    masks = all_masks(8)
    chances = (p ** (1 - masks) * (1 - p) ** masks).prod(1)
    logits = (masks * h / (1 - p)) @ w.T
    tested = nn.Dropout(p).eval()(h).data @ w.T
    np.testing.assert_allclose(chances @ logits, tested, rtol=1e-12)
    probs = mg.softmax(logits).data
    geometric = np.exp(chances @ np.log(probs))
    np.testing.assert_allclose(geometric / geometric.sum(), mg.softmax(tested).data, rtol=1e-12)
    assert abs(chances @ probs - mg.softmax(tested).data).max() > 0.01  # the arithmetic mean is another


# ---- where it does not hold ----------------------------------------------------------------------------------------


def relu_layer(inference, p=0.5, scaling="inverted", seed=0):
    layer = nn.Linear(40, 30, dtype="float64", rng=1)
    return nn.DropConnect(layer, p, "row", scaling, activation=mg.relu, inference=inference, rng=seed)


@pytest.mark.slow
@pytest.mark.parametrize("scaling", ["inverted", "test"])
def test_dropconnect_before_a_relu_exceeds_its_mean_weights_and_moment_matching_mends_it(scaling):
    x = np.random.default_rng(2).standard_normal((4, 40))
    train = relu_layer("mean", scaling=scaling)
    drawn = np.stack([train(x).data for _ in range(800)])
    mean, error = drawn.mean(0), drawn.std(0) / 800**0.5
    by_weights, by_moments = (relu_layer(kind, scaling=scaling).eval()(x).data for kind in ("mean", "gaussian"))
    assert (mean - by_weights > -SIGMAS * error).all()  # Jensen: relu bends upwards
    assert (mean - by_weights).mean() > SIGMAS * error.mean()
    assert abs(mean - by_moments).mean() < 0.1 * abs(mean - by_weights).mean()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["batch", "row"])
@pytest.mark.parametrize("scaling", ["inverted", "test"])
@pytest.mark.parametrize("kind", ["linear", "conv2d"])
def test_the_moments_of_dropconnect(kind, scaling, mode):
    rng = np.random.default_rng(3)
    if kind == "linear":
        layer, x = nn.Linear(6, 5, dtype="float64", rng=0), rng.standard_normal((3, 6))
    else:
        layer, x = nn.Conv2d(2, 3, 2, dtype="float64", rng=0), rng.standard_normal((2, 2, 3, 3))
    dropped = nn.DropConnect(layer, 0.3, mode, scaling, rng=4)
    drawn = np.stack([dropped(x).data for _ in range(1500)])
    mean, variance = (t.data for t in dropped.moments(x))
    assert (abs(drawn.mean(0) - mean) < SIGMAS * (variance / 1500) ** 0.5).all()
    np.testing.assert_allclose(drawn.var(0), variance, rtol=0.25)
    assert np.array_equal(dropped.eval()(x).data, mean)


@pytest.mark.slow
def test_fractional_pooling_is_averaged_at_test_time_but_only_so_far():
    """The mean over all pairs of pseudo-random sequences is exact; testing takes the mean over a few of them."""
    x = np.random.default_rng(5).standard_normal((1, 2, 7, 6))
    sequences = [
        {tuple(e) for e in region_edges(size, 4, 1, "pseudorandom", 400, np.random.default_rng(0))} for size in (7, 6)
    ]
    assert [len(s) for s in sequences] == [2, 4]  # α = 6/4 and 5/4: no more than 4 ways each
    layer = nn.FractionalMaxPool2d(4, rng=0)
    drawn = np.stack([layer(x).data for _ in range(2000)])
    chances = [shift_chances(size, 4) for size in (7, 6)]
    exact = sum(p * q * pooled(x, e, f) for e, p in chances[0].items() for f, q in chances[1].items())
    assert (abs(drawn.mean(0) - exact) < SIGMAS * drawn.std(0) / 2000**0.5 + 1e-12).all()
    errors = []
    for samples in (1, 400):
        tested = nn.FractionalMaxPool2d(4, samples=samples).eval()(x).data
        assert (abs(tested - exact) < SIGMAS * drawn.std(0) / samples**0.5 + 1e-12).all()
        errors.append(abs(tested - exact).max())
    assert errors[1] < errors[0] / 5


def shift_chances(size, n):
    """The chance of each pseudo-random sequence of overlapping regions: every shift ⌈reach · u⌉ is equally likely."""
    reach, found = size - 1, {}
    for shift in range(1, reach + 1):
        edges = [-(-(reach * i + shift) // n) for i in range(n + 1)]
        key = tuple(e - edges[0] for e in edges)
        found[key] = found.get(key, 0) + 1 / reach
    return found


def pooled(x, rows, columns):
    """Max-pooling over overlapping regions, as it is said."""
    pick = [
        [x[:, :, a : b + 1, c : d + 1].max((2, 3)) for c, d in itertools.pairwise(columns)]
        for a, b in itertools.pairwise(rows)
    ]
    return np.array(pick).transpose(2, 3, 0, 1)


def test_random_sequences_shuffle_their_widths():
    """Each place has a wide region equally often, and which images have it is independent."""
    edges = region_edges(11, 8, 0, "random", 4000, np.random.default_rng(0))
    wide = np.diff(edges) == 2
    assert (wide.sum(1) == 3).all() and not (np.diff(edges) > 2).any()
    assert (abs(wide.mean(0) - 3 / 8) < SIGMAS * (3 / 8 * 5 / 8 / 4000) ** 0.5).all()
    a, b = wide[1:, 0] - 3 / 8, wide[:-1, 0] - 3 / 8
    assert abs((a * b).mean()) < SIGMAS * (3 / 8 * 5 / 8) / 4000**0.5


def test_pseudorandom_sequences_are_those_of_the_paper():
    rng = np.random.default_rng(1)
    for size, n, overlap in ((10, 7, 0), (25, 18, 1), (9, 2, 0)):
        alpha = (size - overlap) / n
        formula = {tuple((e := np.ceil(alpha * (np.arange(n + 1) + u) - 1e-9)) - e[0]) for u in rng.random(4000)}
        drawn = {tuple(e) for e in region_edges(size, n, overlap, "pseudorandom", 4000, rng)}
        assert drawn == formula and len(drawn) <= n


@pytest.mark.parametrize("mode", ["batch", "row"])
def test_fractional_regions_by_batch_and_by_row(mode):
    """Equal images: pooled alike with one set of regions, and not with one each; two steps differ in either case."""
    x = np.random.default_rng(0).standard_normal((1, 3, 20, 20)).repeat(6, 0)
    layer = nn.FractionalMaxPool2d(13, sequence="random", mode=mode, rng=0)
    first, second = layer(x).data, layer(x).data
    alike = [np.array_equal(first[0], y) for y in first[1:]]
    assert alike == [mode == "batch"] * 5 and not np.array_equal(first, second)


def test_batch_norm_is_noise_that_fades_as_batches_grow():
    """What batch norm gives for one sample depends on the others in its batch: its spread goes with 1/√N."""
    rng = np.random.default_rng(0)
    layer, sample = nn.BatchNorm1d(20, dtype="float64"), rng.standard_normal((1, 20))
    spread = []
    for n in (8, 128):
        seen = [layer(np.concatenate([sample, rng.standard_normal((n - 1, 20))])).data[0] for _ in range(400)]
        spread.append(np.std(seen, axis=0).mean())
    assert spread[0] / spread[1] == pytest.approx(4, rel=0.15)


def test_averaging_comes_closer_to_the_expectation_as_draws_grow():
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(5, 20, rng=0), nn.ReLU(), nn.Dropout(0.5, rng=1), nn.Linear(20, 3, rng=2))
    x = rng.standard_normal((4, 5)).astype(np.float32)
    tested = model.eval()(x).data
    for n in (50, 800):
        mean, std = nn.averaged(model, x, n)
        assert (abs(mean - tested) < SIGMAS * std / n**0.5 + 1e-6).all()  # exact in expectation: what follows is linear


@pytest.mark.slow
def test_the_pictures_of_the_docs():
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "noise_in_training.py"))
    example["spread"].__globals__["DRAWS"] = 30
    figures = [example[name]() for name in ("spread", "regions", "depth")]  # saving them is what takes time
    assert [len(figure.axes) for figure in figures] == [6, 12, 4]
    assert all(len(axes.lines) in (2, 3) for axes in figures[0].axes)
