"""What augmentation does, as a picture: each row a sample, the original first, then as it looks in some epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import data
from ..errors import named, shown
from ..escape import mathtext
from ..ranges import check, whole
from ..typing import Array
from . import style


@named
def preview(rows: Sequence[tuple[str, data.Loader, int]], epochs: int = 5, path: style.Path = None) -> Any:
    """Return a Matplotlib figure of samples in the first epochs: a row for each (title, loader, index of the sample).

    Images are those that the loader gives, grey ones with the ink dark; under mixed ones stands their label. With `path`
    it is also saved there. Raises ValueError if there are no rows, or images that are neither grey nor RGB.

    >>> loader = data.Loader(data.Dataset(np.zeros((3, 1, 8, 8)), np.arange(3)), 2, mix=data.Mixup(classes=3))
    >>> len(preview([("mixup", loader, 1)], epochs=4).axes)
    5
    """
    check("preview", whole(1, 1000), epochs=epochs)
    if not isinstance(rows, list | tuple) or not all(isinstance(row, tuple) and len(row) == 3 for row in rows):
        raise TypeError(f"preview: rows is {shown(rows)}; it must be a list of (title, loader, sample)")
    if not rows:
        raise ValueError("preview: there are no rows; give at least one (title, loader, sample)")
    figure = style.figure(0.95 * (epochs + 1) + 1.7, 1.02 * len(rows) + 0.35, "viz.preview")
    grid = figure.subplots(len(rows), epochs + 1, squeeze=False)
    for axes, (title, loader, sample) in zip(grid, rows):
        _show(axes[0], loader.dataset.x[sample])
        axes[0].set_ylabel(
            mathtext(title), rotation=0, ha="right", va="center", color=style.INK, fontsize=9, labelpad=8
        )
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
