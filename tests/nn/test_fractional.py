"""Fractional max-pooling against its definition: regions, winners, gradients, modes and errors."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.gradcheck import EXACT, gradcheck
from minigrad.ops.pool import region_edges

rng = np.random.default_rng(5)
KINDS = [
    {"regions": regions, "sequence": sequence, "mode": mode}
    for regions in ("overlapping", "disjoint")
    for sequence in ("pseudorandom", "random")
    for mode in ("batch", "row")
]
SIZES = [((5, 6), (3, 4)), ((7, 4), (2, 3)), ((9, 9), (1, 4)), ((3, 3), (2, 2))]


def by_definition(x, out, regions, sequence, mode, seed):
    """The maximum of each region, in loops; the draws are those of the generator, rows first."""
    generator, overlap = np.random.default_rng(seed), int(regions == "overlapping")
    count = len(x) if mode == "row" else 1
    rows, columns = (region_edges(s, n, overlap, sequence, count, generator) for s, n in zip(x.shape[2:], out))
    y = np.empty((*x.shape[:2], *out))
    for n, c in np.ndindex(x.shape[:2]):
        down, across = (itertools.pairwise(e[n % count]) for e in (rows, columns))
        for (i, (a, b)), (j, (p, q)) in itertools.product(enumerate(down), enumerate(across)):
            y[n, c, i, j] = x[n, c, a : b + overlap, p : q + overlap].max()
    return y


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: " ".join(k.values()))
@pytest.mark.parametrize(("size", "out"), SIZES)
def test_each_region_gives_its_largest_entry(size, out, kind):
    x = rng.standard_normal((3, 2, *size))
    for seed in range(3):
        y = mg.fractional_max_pool2d(x, out, **kind, rng=seed)
        assert np.array_equal(y.data, by_definition(x, out, *kind.values(), seed))


@pytest.mark.parametrize("sequence", ["pseudorandom", "random"])
@pytest.mark.parametrize(("size", "n", "overlap"), [(10, 7, 0), (10, 7, 1), (9, 2, 0), (5, 5, 0), (5, 4, 1), (6, 1, 1)])
def test_regions_reach_from_the_first_pixel_to_the_last(size, n, overlap, sequence):
    edges = region_edges(size, n, overlap, sequence, 200, np.random.default_rng(0))
    widths, reach = np.diff(edges), size - overlap
    assert edges.shape == (200, n + 1) and (edges[:, 0] == 0).all() and (edges[:, -1] == reach).all()
    assert widths.min() >= reach // n and widths.max() <= -(-reach // n)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: " ".join(k.values()))
def test_derivatives_with_the_regions_held(kind):
    x = rng.standard_normal((2, 2, 6, 5))
    layer = nn.FractionalMaxPool2d((4, 3), **kind, samples=3, rng=0)
    for mode in (True, False):
        report = gradcheck(layer.train(mode), x, order=2, loss=lambda y: mg.sin(y).sum())
        assert report.ok and {row.verdict for row in report.rows} == {EXACT}, str(report)


def test_pixels_shared_by_regions_collect_the_gradient_of_each():
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1  # wins in all four overlapping regions of 2×2 pixels
    assert np.array_equal(mg.grad(lambda x: mg.fractional_max_pool2d(x, 2, rng=0).sum())(x).data, 4 * x)


def test_ties_and_nan():
    x = np.zeros((1, 1, 4, 4))
    g = mg.grad(lambda x: mg.fractional_max_pool2d(x, 2, regions="disjoint", rng=0).sum())(x).data
    assert np.array_equal(np.argwhere(g[0, 0]), [[0, 0], [0, 2], [2, 0], [2, 2]])  # the first of each region
    x[0, 0, 1, 1] = np.nan
    y = mg.fractional_max_pool2d(x, 2, regions="disjoint", rng=0).data
    assert np.isnan(y[0, 0, 0, 0]) and not np.isnan(y).all()


def test_with_whole_numbers_it_is_max_pooling():
    x = rng.standard_normal((2, 3, 8, 6))
    assert np.array_equal(mg.fractional_max_pool2d(x, (4, 3), regions="disjoint").data, mg.max_pool2d(x, 2).data)
    assert np.array_equal(mg.fractional_max_pool2d(x, (7, 5)).data, mg.max_pool2d(x, 2, stride=1).data)
    assert np.array_equal(mg.fractional_max_pool2d(x, (8, 6), regions="disjoint").data, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(dtype):
    x = mg.tensor(rng.standard_normal((2, 1, 6, 6)).astype(dtype), requires_grad=True)
    for mode in (True, False):
        y = nn.FractionalMaxPool2d(4).train(mode)(x)
        y.sum().backward()
        assert y.dtype == x.grad.dtype == dtype


def test_test_mode_is_the_mean_over_fixed_regions_and_draws_nothing():
    x, generator = rng.standard_normal((3, 2, 7, 7)), np.random.default_rng(0)
    layer = nn.FractionalMaxPool2d(5, mode="row", samples=3, rng=generator).eval()
    before = generator.bit_generator.state
    y = layer(x).data
    assert generator.bit_generator.state == before and np.array_equal(y, layer(x).data)
    poolings = [mg.fractional_max_pool2d(x, 5, rng=seed).data for seed in range(3)]
    np.testing.assert_allclose(y, np.mean(poolings, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(y[1:], layer(x[1:]).data)  # what a sample gives does not depend on its place


def test_a_ratio_gives_the_size():
    x = np.zeros((1, 1, 25, 30))
    assert nn.FractionalMaxPool2d(output_ratio=2**-0.5)(x).shape[2:] == (17, 21)
    assert nn.FractionalMaxPool2d(output_ratio=(0.5, 0.01))(x).shape[2:] == (12, 1)
    assert nn.FractionalMaxPool2d((20, 9))(x).shape[2:] == (20, 9)


@pytest.mark.slow
def test_compiled_steps_draw_the_same():
    for kind in KINDS:
        plain, model = (nn.FractionalMaxPool2d(4, **kind, rng=1) for _ in range(2))
        fast = mg.compile(lambda x: model(x))
        for mode in (True, False):
            plain.train(mode), model.train(mode)
            for x in rng.standard_normal((3, 2, 2, 6, 6)):
                assert np.array_equal(fast(x).data, plain(x).data)


def test_a_seed_is_one_stream():
    x = rng.standard_normal((2, 1, 16, 16))
    first, second = ([layer(x).data for _ in range(3)] for layer in (nn.FractionalMaxPool2d(11, rng=3) for _ in "ab"))
    assert all(map(np.array_equal, first, second)) and not np.array_equal(first[0], first[1])


def test_an_empty_batch():
    for kind in KINDS:
        assert mg.fractional_max_pool2d(np.zeros((0, 2, 5, 5)), 3, **kind).shape == (0, 2, 3, 3)


IMAGE = np.zeros((1, 1, 4, 5))
BAD = {
    "too many": (lambda: mg.fractional_max_pool2d(IMAGE, 4), "(4, 5) has no (4, 4) overlapping regions; output_size may be at most (3, 4)"),
    "too many, disjoint": (lambda: mg.fractional_max_pool2d(IMAGE, (4, 6), regions="disjoint"), "at most (4, 5)"),
    "no image": (lambda: mg.fractional_max_pool2d(IMAGE[0], 2), "fractional_max_pool2d: x has shape (1, 4, 5)"),
    "size": (lambda: nn.FractionalMaxPool2d(0), "FractionalMaxPool2d: output_size is 0; it must be an int or a pair of ints ≥ 1"),
    "regions": (lambda: nn.FractionalMaxPool2d(2, regions="tiled"), "regions is 'tiled'; it must be 'overlapping' or 'disjoint'"),
    "sequence": (lambda: nn.FractionalMaxPool2d(2, sequence="fixed"), "sequence is 'fixed'; it must be 'pseudorandom' or 'random'"),
    "mode": (lambda: nn.FractionalMaxPool2d(2, mode="channel"), "mode is 'channel'; it must be 'batch' or 'row'"),
    "samples": (lambda: nn.FractionalMaxPool2d(2, samples=0), "FractionalMaxPool2d: samples is 0; it must be a whole number ≥ 1"),
    "neither": (lambda: nn.FractionalMaxPool2d(), "give one of output_size and output_ratio"),
    "both": (lambda: nn.FractionalMaxPool2d(2, 0.5), "give one of output_size and output_ratio"),
    "ratio": (lambda: nn.FractionalMaxPool2d(output_ratio=1.5), "output_ratio is 1.5; it must be a number, or two, in (0, 1)"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    do, message = BAD[name]
    with pytest.raises(ValueError) as caught:
        do()
    assert message in str(caught.value)
