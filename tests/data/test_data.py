"""Data: what a sample looks like depends on (seed, epoch, sample) and on nothing else."""

import sys

import numpy as np
import pytest

from minigrad.data import Affine, Dataset, Loader, Streams, digits, warp

IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
IMAGES = np.random.default_rng(0).random((37, 1, 8, 8)).astype(np.float32)
NUMBERED = Dataset(IMAGES, np.arange(37))


def seen(loader):
    """{label: image} and the order of the labels in one epoch."""
    batches = list(loader)
    labels = np.concatenate([y for _, y in batches])
    return dict(zip(labels, np.concatenate([x for x, _ in batches]))), labels


def test_digits_are_scikit_learns_own_split():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    parts = train_test_split(bunch.images, bunch.target, test_size=0.5, shuffle=False)
    train, test = digits()
    np.testing.assert_array_equal(16 * train.x[:, 0], parts[0])
    np.testing.assert_array_equal(16 * test.x[:, 0], parts[1])
    np.testing.assert_array_equal(train.y, parts[2])
    np.testing.assert_array_equal(test.y, parts[3])
    assert train.x.dtype == np.float32 and train.y.dtype == np.int64 and train.x.max() == 1


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.datasets", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r'data.digits needs sklearn.*pip install "minigrad-numba\[app\]"'):
        digits()


@pytest.mark.parametrize(("x", "y"), [(np.ones((2, 3)), np.ones(3)), (np.ones(()), np.ones(())), ([], [])])
def test_a_dataset_that_does_not_fit_is_refused(x, y):
    with pytest.raises(ValueError, match="Dataset"):
        Dataset(x, y)


def test_each_epoch_has_every_sample_once_in_an_order_of_its_own():
    loader = Loader(NUMBERED, 8, seed=3)
    orders = [seen(loader)[1] for _ in range(3)]
    assert all(sorted(order) == list(range(37)) for order in orders) and loader.epoch == 3
    assert not np.array_equal(orders[0], orders[1]) and not np.array_equal(orders[1], orders[2])
    again = Loader(NUMBERED, 8, seed=3)
    again.epoch = 2  # a run resumed
    np.testing.assert_array_equal(seen(again)[1], orders[2])
    assert not np.array_equal(seen(Loader(NUMBERED, 8, seed=4))[1], orders[0])
    np.testing.assert_array_equal(seen(Loader(NUMBERED, 5, seed=3))[1], orders[0])  # the same for any batch size
    np.testing.assert_array_equal(seen(Loader(NUMBERED, 8, shuffle=False))[1], np.arange(37))


def test_a_broken_off_epoch_counts():
    loader = Loader(NUMBERED, 8)
    next(iter(loader))
    assert loader.epoch == 1


def test_lengths_and_bad_arguments():
    assert [len(y) for _, y in Loader(NUMBERED, 8)] == [8, 8, 8, 8, 5] and len(Loader(NUMBERED, 8)) == 5
    assert (
        [len(y) for _, y in Loader(NUMBERED, 8, drop_last=True)]
        == [8] * 4
        == [8] * len(Loader(NUMBERED, 8, drop_last=True))
    )
    with pytest.raises(ValueError, match="batch_size is 0"):
        Loader(NUMBERED, 0)
    with pytest.raises(ValueError, match="drop_last leaves no batch"):
        Loader(NUMBERED, 38, drop_last=True)


def test_augmentation_depends_on_seed_epoch_and_sample_only():
    change = Affine(rotate=20, scale=0.2, shear=0.2, shift=1)
    first, _ = seen(Loader(NUMBERED, 8, seed=1, transform=change))
    otherwise, _ = seen(Loader(NUMBERED, 5, shuffle=False, seed=1, transform=change))
    for label, image in first.items():
        np.testing.assert_array_equal(image, otherwise[label])
    loader = Loader(NUMBERED, 8, seed=1, transform=change)
    list(loader)
    second, _ = seen(loader)
    reseeded, _ = seen(Loader(NUMBERED, 8, seed=2, transform=change))
    assert all(not np.array_equal(first[i], second[i]) and not np.array_equal(first[i], reseeded[i]) for i in range(37))


def test_streams_are_uniform_and_independent():
    streams = Streams(0, 0, np.arange(20_000))
    u = streams.uniform(-1, 3, (4,))
    assert u.shape == (20_000, 4) and u.min() >= -1 and u.max() < 3
    error = 4 * 4 / np.sqrt(12 * len(u))  # four standard errors of the mean of a uniform of width 4
    assert np.abs(u.mean(0) - 1).max() < error and abs(u.var() - 16 / 12) < 0.05
    correlations = np.corrcoef(np.column_stack([u[:-1], u[1:]]).T) - np.eye(8)
    assert np.abs(correlations).max() < 4.5 / np.sqrt(len(u))
    assert not np.intersect1d(u, streams.uniform(-1, 3, (4,))).size  # the next ones are new
    halves = Streams(0, 0, [5])
    np.testing.assert_array_equal(
        np.append(halves.uniform(), halves.uniform()), Streams(0, 0, [5]).uniform(shape=(2,))[0]
    )


def test_no_two_keys_share_a_stream():
    firsts = [Streams(s, e, np.arange(50)).uniform() for s in range(10) for e in range(10)]
    assert len(np.unique(firsts)) == 5000


def test_the_identity_changes_nothing():
    np.testing.assert_array_equal(warp(IMAGES, np.tile(IDENTITY, (37, 1, 1))), IMAGES)
    np.testing.assert_array_equal(Affine()(IMAGES, Streams(0, 0, np.arange(37))), IMAGES)


def test_a_shift_by_whole_pixels_moves_the_image_and_fills_with_zeros():
    for dx, dy in [(1, 0), (-2, 3), (7, 0), (8, 0), (0, -30)]:
        moved = warp(IMAGES, np.tile(np.add(IDENTITY, [[0, 0, dx], [0, 0, dy]]), (37, 1, 1)))
        expected = np.zeros_like(IMAGES)
        for row in range(8):
            for col in range(8):
                if 0 <= row + dy < 8 and 0 <= col + dx < 8:
                    expected[:, :, row, col] = IMAGES[:, :, row + dy, col + dx]
        np.testing.assert_array_equal(moved, expected)


def test_a_quarter_turn_is_exact_and_half_a_pixel_is_the_mean():
    turned = warp(IMAGES, np.tile([[0.0, -1, 0], [1, 0, 0]], (37, 1, 1)))
    np.testing.assert_array_equal(turned, np.rot90(IMAGES, 1, (2, 3)))
    half = warp(IMAGES, np.tile([[1.0, 0, 0.5], [0, 1, 0]], (37, 1, 1)))
    np.testing.assert_allclose(half[..., :-1], (IMAGES[..., :-1] + IMAGES[..., 1:]) / 2, rtol=1e-6)


def test_warp_agrees_with_an_affine_function():
    """Bilinear interpolation is exact on affine images, wherever the neighbours lie inside."""
    rows, cols = np.mgrid[:9, :7].astype(float)
    image = (2 + 3 * rows - 5 * cols)[None, None]
    matrix = np.array([[0.5, 0.1, 0.3], [-0.2, 0.4, -0.1]])
    x, y = np.einsum("ij,jhw->ihw", matrix, np.stack([cols - 3, rows - 4, np.ones((9, 7))]))
    np.testing.assert_allclose(warp(image, matrix[None])[0, 0], 2 + 3 * (y + 4) - 5 * (x + 3), atol=1e-12)


def test_augmented_images_keep_dtype_and_range_and_the_bounds_hold():
    change = Affine(rotate=30, scale=0.5, shear=0.3, shift=2)
    streams = Streams(0, 0, np.arange(37))
    y = change(IMAGES, streams)
    assert y.dtype == np.float32 and y.shape == IMAGES.shape and y.min() >= 0 and y.max() <= IMAGES.max()
    shifts = Affine(shift=2).matrices(Streams(0, 0, np.arange(5000)))
    np.testing.assert_array_equal(shifts[:, :, :2], np.tile(np.eye(2), (5000, 1, 1)))
    assert 1.99 < np.abs(shifts[:, :, 2]).max() <= 2
    turns = Affine(rotate=30).matrices(Streams(0, 0, np.arange(5000)))[:, :, :2]
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(2), (5000, 1, 1)), atol=1e-12)
    angles = np.degrees(np.arctan2(turns[:, 1, 0], turns[:, 0, 0]))
    assert -30 <= angles.min() < -29.9 and 29.9 < angles.max() <= 30
    scales = np.linalg.norm(Affine(scale=0.5).matrices(Streams(0, 0, np.arange(5000)))[:, :, :2], axis=1)
    assert 1 / 1.5 <= scales.min() < 0.67 and 1.49 < scales.max() <= 1.5


def test_warp_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"images \(37, 1, 8, 8\), matrices \(2, 3\)"):
        warp(IMAGES, IDENTITY)
