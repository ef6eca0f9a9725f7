"""Every transform beside the obvious loop over samples, and its draws beside their law."""

import colorsys

import numpy as np
import pytest
from scipy import stats

from minigrad.data import (
    Affine,
    ColorJitter,
    Compose,
    CutMix,
    Cutout,
    GaussianNoise,
    HorizontalFlip,
    Lighting,
    Mixup,
    Normalize,
    RandomCrop,
    RandomErasing,
    Streams,
    VerticalFlip,
)
from minigrad.data.augment.color import turn_hue

RNG = np.random.default_rng(0)
COLORS = RNG.random((37, 3, 12, 9)).astype(np.float32)
PARTNERS = RNG.random((37, 3, 12, 9)).astype(np.float32)
TRANSFORMS = [
    RandomCrop(3),
    RandomCrop(2, size=(5, 7)),
    RandomCrop(4, reflect=True),
    HorizontalFlip(),
    VerticalFlip(),
    Affine(20, 0.2, 0.1, 2),
    ColorJitter(0.4, 0.4, 0.4, 0.1),
    Lighting.fit(COLORS),
    GaussianNoise(0.1),
    Normalize.fit(COLORS),
    RandomErasing(),
    RandomErasing(p=1, fill=None),
    Cutout(5),
    Compose(HorizontalFlip(), ColorJitter(hue=0.2), RandomErasing(), Normalize.fit(COLORS)),
]
MIXES = [Mixup(10), Mixup(10, alpha=0.2), CutMix(10), CutMix(10, alpha=0.5)]


def streams(n=37, seed=0, epoch=0):
    return Streams(seed, epoch, np.arange(n))


def by_sample(transform, x, seed=0, epoch=0):
    """Each sample transformed alone."""
    return np.concatenate([transform(x[i : i + 1], Streams(seed, epoch, [i])) for i in range(len(x))])


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sample_looks_the_same_in_any_batch(transform, dtype):
    x = COLORS.astype(dtype)
    before = x.copy()
    y = transform(x, streams())
    assert y.dtype == dtype
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(y, by_sample(transform, x))
    order = RNG.permutation(37)
    np.testing.assert_array_equal(transform(x[order], Streams(0, 0, order)), y[order])
    if not isinstance(transform, Normalize):
        assert not np.array_equal(transform(x, streams(epoch=1)), y)
        assert not np.array_equal(transform(x, streams(seed=1)), y)


@pytest.mark.parametrize("mix", MIXES, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_so_does_a_mixed_one(mix, dtype):
    x, partners = COLORS.astype(dtype), PARTNERS.astype(dtype)
    y, share = mix(x, partners, streams())
    assert y.dtype == dtype and share.shape == (37,) and share.min() >= 0 and share.max() <= 1
    for i in range(37):
        alone, own = mix(x[i : i + 1], partners[i : i + 1], Streams(0, 0, [i]))
        np.testing.assert_array_equal(alone[0], y[i])
        assert own[0] == share[i]


@pytest.mark.parametrize(
    "transform",
    [RandomCrop(), HorizontalFlip(0), VerticalFlip(0), Affine(), ColorJitter(), Lighting.fit(COLORS, std=0),
     GaussianNoise(0), Normalize(np.zeros(3), np.ones(3)), RandomErasing(p=0), RandomErasing(p=0, fill=None), Cutout(0),
     Compose(), Compose(RandomCrop(), Cutout(0))],
    ids=repr,
)  # fmt: skip
def test_identity_settings_give_the_images_themselves(transform):
    np.testing.assert_array_equal(transform(COLORS, streams()), COLORS)


# ---- beside a loop over the samples ----


def test_crop():
    for reflect in False, True:
        draws = streams().uniform(0, 1, (2,))
        y = RandomCrop(3, size=(10, 8), reflect=reflect)(COLORS, streams())
        for image, (u, v), crop in zip(COLORS, draws, y, strict=True):
            framed = np.pad(image, [(0, 0), (3, 3), (3, 3)], mode="reflect" if reflect else "constant")
            top, left = int(u * (12 + 6 - 10 + 1)), int(v * (9 + 6 - 8 + 1))
            np.testing.assert_array_equal(crop, framed[:, top : top + 10, left : left + 8])


def test_flips():
    y = HorizontalFlip(0.3)(COLORS, streams())
    z = VerticalFlip(0.3)(COLORS, streams())
    for image, u, wide, high in zip(COLORS, streams().uniform(), y, z, strict=True):
        np.testing.assert_array_equal(wide, np.flip(image, 2) if u < 0.3 else image)
        np.testing.assert_array_equal(high, np.flip(image, 1) if u < 0.3 else image)
    np.testing.assert_array_equal(HorizontalFlip(1)(COLORS, streams()), np.flip(COLORS, 3))


def jittered(image, u, brightness, contrast, saturation, hue):
    """One image, pixel by pixel; the hue by Python's own colorsys."""
    c, h, w = image.shape
    image = np.clip(image * max(0, 1 + brightness * u[0]), 0, 1)
    grey = np.tensordot([0.299, 0.587, 0.114], image, 1) if c == 3 else image.mean(0)
    image = np.clip(grey.mean() + (image - grey.mean()) * max(0, 1 + contrast * u[1]), 0, 1)
    if c == 3:
        grey = np.tensordot([0.299, 0.587, 0.114], image, 1)
        image = np.clip(grey + (image - grey) * max(0, 1 + saturation * u[2]), 0, 1)
    if hue:
        for i in range(h):
            for j in range(w):
                angle, s, v = colorsys.rgb_to_hsv(*image[:, i, j])
                image[:, i, j] = colorsys.hsv_to_rgb((angle + hue * u[3]) % 1, s, v)
    return image


@pytest.mark.parametrize(
    "settings", [(0.8, 0.8, 0.8, 0.5), (2, 0, 0, 0), (0, 2, 0, 0), (0, 0, 2, 0), (0, 0, 0, 0.5), (0.3, 0.5, 0, 0)]
)
def test_color_jitter(settings):
    x = COLORS.astype(float)
    x[5] = 0.5  # a grey image has no hue
    x[6] = 0
    y = ColorJitter(*settings)(x, streams())
    for image, u, jitter in zip(x, streams().uniform(-1, 1, (4,)), y, strict=True):
        np.testing.assert_allclose(jitter, jittered(image, u, *settings), atol=1e-12)
    assert y.min() >= 0 and y.max() <= 1


def test_grey_images_have_brightness_and_contrast_only():
    grey = COLORS[:, :1].astype(float)
    y = ColorJitter(0.5, 0.5)(grey, streams())
    for image, u, jitter in zip(grey, streams().uniform(-1, 1, (4,)), y, strict=True):
        np.testing.assert_allclose(jitter, jittered(image, u, 0.5, 0.5, 0, 0), atol=1e-12)
    with pytest.raises(ValueError, match="must have 3 channels"):
        ColorJitter(hue=0.1)(grey, streams())


def test_hue():
    assert np.allclose(turn_hue(np.array([1.0, 0, 0]).reshape(1, 3, 1, 1), 0.5).ravel(), [0, 1, 1])  # red to cyan
    x = COLORS.astype(float)
    np.testing.assert_allclose(turn_hue(x, 0), x, atol=1e-15)
    np.testing.assert_allclose(turn_hue(turn_hue(x, 0.3), -0.3), x, atol=1e-12)
    np.testing.assert_allclose(turn_hue(x, 1 / 3), x[:, [2, 0, 1]], atol=1e-12)  # red to green to blue


def test_lighting():
    x = COLORS.astype(float)
    light = Lighting.fit(x, std=0.5)
    pixels = x.transpose(0, 2, 3, 1).reshape(-1, 3)
    covariance = (pixels - pixels.mean(0)).T @ (pixels - pixels.mean(0)) / len(pixels)
    np.testing.assert_allclose(light.vectors.T @ np.diag(light.values) @ light.vectors, covariance, atol=1e-15)
    np.testing.assert_allclose(light.vectors @ light.vectors.T, np.eye(3), atol=1e-14)
    assert np.all(np.diff(light.values) <= 0)
    y = light(x, streams())
    for image, a, lit in zip(x, 0.5 * streams().normal((3,)), y, strict=True):
        shift = sum(a[k] * light.values[k] * light.vectors[k] for k in range(3))
        np.testing.assert_allclose(lit, image + shift[:, None, None], atol=1e-14)


def test_the_light_has_the_covariance_of_the_formula():
    light = Lighting.fit(COLORS.astype(float), std=2)
    shifts = light(np.zeros((40_000, 3, 1, 1)), streams(40_000))[:, :, 0, 0]
    expected = light.vectors.T @ np.diag(4 * light.values**2) @ light.vectors
    np.testing.assert_allclose(np.cov(shifts.T), expected, atol=5 * expected.max() / 200)


def test_noise_and_normalisation():
    y = GaussianNoise(0.3)(np.zeros((100, 3, 16, 16)), streams(100))
    assert stats.kstest(y.ravel() / 0.3, "norm").pvalue > 0.01
    assert abs(np.corrcoef(y.reshape(100, -1)[:, :50].T) - np.eye(50)).max() < 0.5  # pixels of their own
    z = Normalize.fit(COLORS)(COLORS, streams())
    np.testing.assert_allclose(z.mean((0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(z.std((0, 2, 3)), 1, atol=1e-6)


def test_erasing():
    erase = RandomErasing(p=0.7, area=(0.05, 0.9), ratio=(0.2, 4), fill=0.25)
    y = erase(COLORS, streams())
    noisy = RandomErasing(p=0.7, area=(0.05, 0.9), ratio=(0.2, 4), fill=None)(COLORS, streams())
    for i, (image, erased) in enumerate(zip(COLORS, y, strict=True)):
        own = Streams(0, 0, [i])
        wanted = own.uniform()[0] < 0.7
        height = width = 0
        for u, v in own.uniform(0, 1, (10, 2))[0]:
            area, ratio = 12 * 9 * (0.05 + 0.85 * u), 0.2 * 20**v
            h, w = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
            if wanted and h <= 12 and w <= 9:
                height, width = h, w
                break
        top, left = own.uniform(0, 1, (2,))[0]
        top, left = int(top * (12 - height + 1)), int(left * (9 - width + 1))
        expected = image.copy()
        expected[:, top : top + height, left : left + width] = 0.25
        np.testing.assert_array_equal(erased, expected)
        expected[:, top : top + height, left : left + width] = own.uniform(0, 1, (3, 12, 9))[0][
            :, top : top + height, left : left + width
        ]
        np.testing.assert_array_equal(noisy[i], expected)


@pytest.mark.parametrize("size", [1, 4, 5, 30])
def test_cutout(size):
    y = Cutout(size, fill=0.5)(COLORS, streams())
    for image, (u, v), cut in zip(COLORS, streams().uniform(0, 1, (2,)), y, strict=True):
        expected = image.copy()
        for row in range(12):
            for col in range(9):
                if 0 <= row - int(12 * u) + size // 2 < size and 0 <= col - int(9 * v) + size // 2 < size:
                    expected[:, row, col] = 0.5
        np.testing.assert_array_equal(cut, expected)


def test_mixup():
    y, share = Mixup(10, alpha=0.4)(COLORS.astype(float), PARTNERS.astype(float), streams())
    for a, b, lam, mixed in zip(COLORS.astype(float), PARTNERS.astype(float), streams().beta(0.4), y, strict=True):
        np.testing.assert_array_equal(mixed, lam * a + (1 - lam) * b)
    np.testing.assert_array_equal(share, streams().beta(0.4))


def test_cutmix():
    y, share = CutMix(10)(COLORS, PARTNERS, streams())
    for i, mixed in enumerate(y):
        own = Streams(0, 0, [i])
        side = np.sqrt(1 - own.beta(1.0)[0])
        h, w = int(12 * side), int(9 * side)
        row, col = (int(n * u) for n, u in zip((12, 9), own.uniform(0, 1, (2,))[0]))
        top, left = max(0, row - h // 2), max(0, col - w // 2)
        bottom, right = min(12, row - h // 2 + h), min(9, col - w // 2 + w)
        expected = COLORS[i].copy()
        expected[:, top:bottom, left:right] = PARTNERS[i][:, top:bottom, left:right]
        np.testing.assert_array_equal(mixed, expected)
        assert share[i] == pytest.approx(1 - (bottom - top) * (right - left) / 108)


# ---- beside their laws, with seeds that stand ----


def test_crops_are_uniform_over_all_places():
    marked = np.zeros((20_000, 1, 5, 6))
    marked[:, :, 2, 3] = 1
    places = RandomCrop(2)(marked, streams(20_000)).reshape(20_000, -1).argmax(1)
    counts = np.bincount(places, minlength=30).reshape(5, 6)
    assert counts[:, 0].sum() == 0 and (counts[:, 1:] > 0).all()  # 5×5 places of the shift
    assert stats.chisquare(counts[:, 1:].ravel()).pvalue > 0.01


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_flips_and_erasures_have_their_rate(p):
    x = np.ones((20_000, 1, 1, 2))
    x[..., 0] = 0
    flipped = (HorizontalFlip(p)(x, streams(20_000))[..., 0] == 1).sum()
    assert stats.binomtest(int(flipped), 20_000, p).pvalue > 0.01
    ones = np.ones((20_000, 1, 6, 6))
    erased = (RandomErasing(p, area=(0.1, 0.3), ratio=(0.5, 2))(ones, streams(20_000)).min((1, 2, 3)) == 0).sum()
    assert stats.binomtest(int(erased), 20_000, p).pvalue > 0.01


def test_erased_areas_and_ratios_follow_their_laws():
    top, left, height, width = RandomErasing(1, area=(0.1, 0.2), ratio=(0.5, 2)).rectangles(streams(20_000), 400, 400)
    area, ratio = height * width / 400**2, np.log(height / width)
    assert stats.kstest((area - 0.1) / 0.1, "uniform").statistic < 0.015  # whole pixels: not the law to the last digit
    assert stats.kstest((ratio + np.log(2)) / np.log(4), "uniform").statistic < 0.015
    for start, side in (top, height), (left, width):
        assert stats.kstest((start + 0.5) / (400 - side + 1), "uniform").statistic < 0.015


def test_nothing_is_erased_where_nothing_fits():
    x = np.ones((50, 1, 4, 400))
    np.testing.assert_array_equal(RandomErasing(1, area=(0.5, 0.6), ratio=(1, 1))(x, streams(50)), x)


@pytest.mark.parametrize("a", [0.2, 0.5, 1.0, 1.5, 8.0])
def test_beta(a):
    draws = streams(20_000, seed=3).beta(a)
    assert stats.kstest(draws, stats.beta(a, a).cdf).pvalue > 0.01
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 4 / np.sqrt(20_000)


def test_beta_does_not_overflow_and_normal_and_integers_follow_their_laws():
    with np.errstate(all="raise", under="ignore"):
        extreme = streams(10_000).beta(1e-4)
    assert np.isfinite(extreme).all() and 0.48 < (extreme > 0.5).mean() < 0.52
    normal = streams(10_000).normal((2,))
    assert normal.shape == (10_000, 2)
    assert stats.kstest(normal.ravel(), "norm").pvalue > 0.01 and abs(np.corrcoef(normal.T)[0, 1]) < 0.04
    counts = np.bincount(streams(10_000).integers(7))
    assert len(counts) == 7 and stats.chisquare(counts).pvalue > 0.01
    np.testing.assert_array_equal(streams(9).integers(np.arange(1, 10)) < np.arange(1, 10), True)


def test_uses_of_a_sample_are_independent():
    a, b = (Streams(0, 0, np.arange(20_000), use).uniform() for use in (0, 1))
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(20_000) and not np.intersect1d(a, b).size


def test_the_cut_area_follows_from_the_law_of_its_side():
    """With alpha 1 the side is k pixels with probability ((k + 1)² − k²)/n²; then the part that lies inside is counted."""
    n = 16
    x = np.ones((20_000, 1, n, n), np.float32)
    y, share = CutMix(10)(x, 0 * x, streams(20_000))
    np.testing.assert_allclose(y.mean((1, 2, 3)), share, atol=1e-6)
    centre = np.arange(n)
    expected = 0.0
    for k in range(n):
        length = np.minimum(n, centre - k // 2 + k) - np.maximum(0, centre - k // 2)
        expected += ((k + 1) ** 2 - k**2) / n**2 * length.mean() ** 2 / n**2
    assert abs((1 - share).mean() - expected) < 4 * share.std() / np.sqrt(20_000)


# ---- what does not fit ----


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RandomCrop(-1), "padding is -1; it must be a whole number ≥ 0"),
        (lambda: RandomCrop(1.5), "padding is 1.5"),
        (lambda: RandomCrop(size=5), r"size is 5 \(int\); it must be \(height, width\), whole numbers ≥ 1"),
        (lambda: RandomCrop(size=(5, 0)), r"size is \(5, 0\)"),
        (lambda: Affine(scale=-1), "Affine: scale is -1; it must be ≥ 0"),
        (lambda: Affine(scale=(0.8, 1.2)), r"Affine: scale is \(0.8, 1.2\) \(tuple\); it must be ≥ 0"),
        (lambda: Affine(float("nan")), "rotate is nan"),
        (lambda: HorizontalFlip(1.1), "p is 1.1"),
        (lambda: VerticalFlip(-0.1), "p is -0.1"),
        (lambda: ColorJitter(brightness=-1), "brightness is -1"),
        (lambda: ColorJitter(hue=0.6), r"hue is 0.6; it must be in \[0, 0.5\]"),
        (lambda: Lighting(np.eye(3), np.ones(2)), "of shapes"),
        (lambda: Lighting(np.eye(3), np.ones(3), std=-1), "std is -1"),
        (lambda: GaussianNoise(float("nan")), "std is nan"),
        (lambda: Normalize([0, 0], [1, 0]), "std is .*> 0"),
        (lambda: Normalize([0, 0], [1]), "of shapes"),
        (lambda: RandomErasing(p=2), "p is 2"),
        (lambda: RandomErasing(area=(0.5, 0.2)), r"area is \(0.5, 0.2\)"),
        (lambda: RandomErasing(ratio=(0, 1)), "ratio is"),
        (lambda: Cutout(-2), "size is -2"),
        (lambda: Mixup(10, alpha=0), "alpha is 0; it must be > 0"),
        (lambda: CutMix(0), "classes is 0"),
    ],
)
def test_bad_settings_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_settings_may_be_numbers_of_numpy():
    assert Mixup(np.int64(10)) == Mixup(10) and Cutout(np.int8(3)) == Cutout(3)
    assert RandomCrop(np.int32(2), size=tuple(np.array([3, 4]))) == RandomCrop(2, size=(3, 4))


@pytest.mark.parametrize("transform", TRANSFORMS[:-1], ids=repr)
def test_what_are_no_images_is_refused(transform):
    for x in COLORS[:, 0], (255 * COLORS).astype(np.uint8):
        with pytest.raises(
            ValueError, match=r"images are (float32|uint8) \(37, .*; they must be floats \(N, C, H, W\)"
        ):
            transform(x, streams())
    with pytest.raises(ValueError, match="37 images and 36 streams"):
        transform(COLORS, streams(36))


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="they must have 3 channels"):
        Lighting.fit(COLORS)(COLORS[:, :1], streams())
    with pytest.raises(ValueError, match=r"from -1.* to .*must lie in \[0, 1\] \(normalise after it\)"):
        ColorJitter(0.1)(COLORS - 1, streams())
    with pytest.raises(ValueError, match=r"size is \(20, 20\); the images are \(12, 9\), padded by 2"):
        RandomCrop(2, size=(20, 20))(COLORS, streams())
    with pytest.raises(ValueError, match="reflect at most 8"):
        RandomCrop(9, reflect=True)(COLORS, streams())
    with pytest.raises(ValueError, match=r"Mixup: images float32 .*, partners float64 .*; make them alike"):
        Mixup(10)(COLORS, PARTNERS.astype(float), streams())
