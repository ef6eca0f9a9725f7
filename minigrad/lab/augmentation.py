"""What `minigrad augment` shows: transforms as they are usually set, and drawn scenes where there are no photographs."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import data
from ..errors import named, shown
from ..ranges import INDEX, check, whole
from ..typing import Array


@named
def usual_transforms(dataset: data.Dataset) -> dict[str, Any]:
    """Transforms by name, set as is common for images of this size; colour ones for RGB images only.

    But PCA lighting is ten times as strong as is common, or nothing of it would be seen.
    """
    if not isinstance(dataset, data.Dataset):
        raise TypeError(f"usual_transforms: dataset is {shown(dataset)}; it must be a data.Dataset")
    images, classes = dataset.x, int(dataset.y.max()) + 1
    side = min(images.shape[2:])
    anywhere = {
        "crop": data.RandomCrop(padding=max(1, side // 8)),
        "hflip": data.HorizontalFlip(),
        "vflip": data.VerticalFlip(),
        "affine": data.Affine(rotate=15, scale=0.2, shear=0.1, shift=side / 12),
        "noise": data.GaussianNoise(0.1),
        "erasing": data.RandomErasing(p=0.8),
        "cutout": data.Cutout(max(2, 3 * side // 8)),
        "mixup": data.Mixup(classes),
        "cutmix": data.CutMix(classes),
    }
    if images.shape[1] != 3:
        return anywhere
    color = {"color": data.ColorJitter(0.4, 0.4, 0.4, 0.1), "lighting": data.Lighting.fit(images, std=1.0)}
    return color | anywhere


@named
def scenes(count: int = 10, size: int = 32, seed: int = 0) -> data.Dataset:
    """Drawn colour images of a house under the sun, for pictures where there are no photographs: each a class.

    float32 (count, 3, size, size) in [0, 1].

    >>> scenes(4)
    Dataset(x: float32 (4, 3, 32, 32), y: int64 (4,))
    """
    check("scenes", whole(1, 10**6), count=count, size=size)
    check("scenes", INDEX, seed=seed)
    rng = np.random.default_rng(seed)
    fine = 4 * size  # drawn large, then averaged
    drawn = np.stack([_scene(fine, rng.random(12)) for _ in range(count)])
    means = drawn.reshape(count, size, 4, size, 4, 3).mean((2, 4))
    return data.Dataset(np.ascontiguousarray(means.transpose(0, 3, 1, 2), np.float32), np.arange(count))


def _scene(n: int, u: Array) -> Array:
    """Sky, sun, hill and house (n, n, 3), from twelve numbers in [0, 1)."""
    y, x = (np.mgrid[:n, :n] + 0.5) / n
    sky = np.array([0.25 + 0.3 * u[0], 0.5 + 0.2 * u[1], 0.9])
    picture = sky + (1 - sky) * 0.8 * y[..., None]

    def paint(where: Array, *color: float) -> None:
        picture[where] = color

    paint((x - 0.15 - 0.7 * u[2]) ** 2 + (y - 0.2) ** 2 < 0.1**2, 1, 0.85, 0.2)
    ground = 0.68 + 0.06 * np.sin(6 * x + 6 * u[3])
    paint(y > ground, 0.2 + 0.25 * u[4], 0.5 + 0.2 * u[5], 0.2)
    left, width, top = 0.12 + 0.36 * u[6], 0.28 + 0.1 * u[7], 0.5
    house = (x > left) & (x < left + width)
    paint(house & (y > top) & (y < 0.82), 0.75 + 0.2 * u[8], 0.55 + 0.3 * u[9], 0.35 + 0.3 * u[10])
    slope = 1 - np.abs(x - left - width / 2) / (0.62 * width)
    paint((y < top) & (y > top - 0.24 * slope), 0.75, 0.15 + 0.15 * u[11], 0.12)
    door = np.abs(x - left - 0.3 * width) < 0.11 * width
    paint(door & (y > 0.64) & (y < 0.82), 0.3, 0.18, 0.1)
    window = np.abs(x - left - 0.7 * width) < 0.13 * width
    paint(window & (y > 0.58) & (y < 0.68), 0.95, 0.95, 0.6)
    return picture
