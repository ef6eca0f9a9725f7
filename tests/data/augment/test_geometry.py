"""Images turned, scaled, sheared and shifted: exact where that can be said, and within their bounds."""

import numpy as np
import pytest

from minigrad.data import Affine, Streams, warp

IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
IMAGES = np.random.default_rng(0).random((37, 1, 8, 8)).astype(np.float32)


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
