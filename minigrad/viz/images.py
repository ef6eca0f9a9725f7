"""What augmentation does, as a picture: each row a sample, the original first, then as it looks in some epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import data
from ..typing import Array
from . import style


def preview(rows: Sequence[tuple[str, data.Loader, int]], epochs: int = 5, path: style.Path = None) -> Any:
    """Return a Matplotlib figure of samples in the first epochs: a row for each (title, loader, index of the sample).

    Images are those that the loader gives, grey ones with the ink dark; under mixed ones stands their label. With `path`
    it is also saved there. Raises ValueError if there are no rows, or images that are neither grey nor RGB.

    >>> loader = data.Loader(data.Dataset(np.zeros((3, 1, 8, 8)), np.arange(3)), 2, mix=data.Mixup(classes=3))
    >>> len(preview([("mixup", loader, 1)], epochs=4).axes)
    5
    """
    if not rows:
        raise ValueError("preview: there are no rows; give at least one (title, loader, sample)")
    figure = style.figure(0.95 * (epochs + 1) + 1.7, 1.02 * len(rows) + 0.35, "viz.preview")
    grid = figure.subplots(len(rows), epochs + 1, squeeze=False)
    for axes, (title, loader, sample) in zip(grid, rows):
        _show(axes[0], loader.dataset.x[sample])
        axes[0].set_ylabel(title, rotation=0, ha="right", va="center", color=style.INK, fontsize=9, labelpad=8)
        for epoch in range(epochs):
            x, y = loader.look(epoch, [sample])
            _show(axes[1 + epoch], x[0], "" if loader.mix is None else _share(y[0]))
    for axes, title in zip(grid[0], ["original", *(f"epoch {epoch}" for epoch in range(epochs))]):
        axes.set_title(title, color=style.INK, fontsize=9)
    return style.finished(figure, "", path)


def _show(axes: Any, image: Array, note: str = "") -> None:
    if image.ndim != 3 or len(image) not in (1, 3):
        raise ValueError(f"preview: an image is {image.shape}; it must be (1, H, W) or (3, H, W)")
    pixels = np.clip(np.moveaxis(image, 0, -1), 0, 1)
    axes.imshow(pixels, cmap="gray_r", vmin=0, vmax=1)  # of colours, Matplotlib ignores the map
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cbd2d9")
    axes.set_xlabel(note, color=style.INK, fontsize=7, labelpad=2)


def _share(distribution: Array) -> str:
    """The classes that a sample is of, and to which part."""
    return " + ".join(f"{distribution[k]:.2f}·{k}" for k in np.flatnonzero(distribution > 0.005))


def usual_transforms(dataset: data.Dataset) -> dict[str, Any]:
    """Transforms by name, set as is common for images of this size; colour ones for RGB images only.

    But PCA lighting is ten times as strong as is common, or nothing of it would be seen.
    """
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


def scenes(count: int = 10, size: int = 32, seed: int = 0) -> data.Dataset:
    """Drawn colour images of a house under the sun, for pictures where there are no photographs: each a class.

    float32 (count, 3, size, size) in [0, 1].

    >>> scenes(4)
    Dataset(x: float32 (4, 3, 32, 32), y: int64 (4,))
    """
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
