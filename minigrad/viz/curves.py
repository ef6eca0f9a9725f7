"""Learning curves, by Matplotlib; pyplot and its global state are not touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import named, shown
from . import style

_PARTS = (("train", "", style.PALE), ("test", "test_", style.BLUE))


@named
def curves(records: Sequence[dict[str, Any]], path: style.Path = None, *, title: str = "") -> Any:
    """Return a Matplotlib figure of loss and accuracy against the epoch, from the records of `train.fit`: of the loss
    alone, if none has an accuracy.

    With `path` it is also saved there; the ending says in which format. Raises ValueError if there are no records.
    """
    if not isinstance(records, list | tuple) or not all(isinstance(r, dict) for r in records):
        raise TypeError(f"curves: records is {shown(records)}; it must be the list of dicts that train.fit returned")
    if not records:
        raise ValueError("curves: there are no records; train for at least one epoch")
    figure = style.figure(9, 3.4, "viz.curves")
    last = "test_accuracy" if any("test_accuracy" in r for r in records) else "accuracy"
    accuracies = [r[last] for r in records if last in r]
    left, *right = figure.subplots(1, 2 if accuracies else 1, squeeze=False)[0]
    _lines(left, records, "loss", "loss", 1, "upper right")
    for axes in right:
        _lines(axes, records, "accuracy", "accuracy, %", 100, "lower right")
        axes.set_ylim(max(0, min(90, 100 * max(accuracies) - 10)), 100.3)  # the last percents are the ones that differ
    return style.finished(figure, title, path)


def _lines(axes: Any, records: Sequence[dict[str, Any]], key: str, label: str, unit: float, legend: str) -> None:
    for name, prefix, color in _PARTS:
        points = [(r["epoch"], unit * r[prefix + key]) for r in records if prefix + key in r]
        if points:
            x, y = zip(*points)
            marker = "o" if len(points) == 1 else None
            axes.plot(x, y, color=color, label=f"{name}, last {y[-1]:.3g}", linewidth=1.6, marker=marker)
    style.label(axes, x="epoch", title=label)
    style.quiet(axes)
    style.legend(axes, legend)
    axes.xaxis.get_major_locator().set_params(integer=True)
