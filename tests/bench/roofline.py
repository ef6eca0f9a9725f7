"""How near each kernel comes to what the machine can do: arithmetic against memory traffic.

A kernel that does I operations for each byte that it must move can do no more than min(peak FLOP/s, I · bandwidth):
the roof (S. Williams, A. Waterman, D. Patterson 2009). Operations are those of the definition, so Winograd may exceed
the roof; bytes are those of its inputs and outputs, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import machine
import numpy as np
import style
import workloads
from nets import batch
from threadpoolctl import threadpool_limits
from timing import median

from minigrad import kernels
from minigrad.kernels import rules, winograd


class Point(NamedTuple):
    name: str
    group: str
    flops: float
    bytes: float
    seconds: float


def _peak_flops(threads: int) -> float:
    with threadpool_limits(threads, user_api="blas"):  # which minigrad holds to one
        return machine.peak_flops()


def draw(path: Path, threads: int) -> dict[str, Any]:
    """Measure every kernel, save the picture, and return its numbers."""
    workloads.set_threads(threads)
    before = _peak_flops(threads), machine.peak_bandwidth()
    points = [Point(*what, median(call, 0.3)) for *what, call in _kernels()]
    peak, bandwidth = map(max, before, (_peak_flops(threads), machine.peak_bandwidth()))  # a limit is the best seen
    figure = style.figure(13, 0.17 * len(points) + 1.5)
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1))
    figure.suptitle(
        f"Kernels against the machine's limits: float32, {style.threads(threads)}", color=style.INK, fontsize=12
    )
    _roof(left, points, peak, bandwidth)
    _shares(right, points, peak, bandwidth)
    figure.savefig(path, dpi=130)
    return {
        "threads": threads, "GFLOP/s": peak / 1e9, "GB/s": bandwidth / 1e9,
        "kernels": {f"{p.group}: {p.name}": {"GFLOP/s": p.flops / p.seconds / 1e9, "GB/s": p.bytes / p.seconds / 1e9}
                    for p in points},
    }  # fmt: skip


def _colors(points: list[Point]) -> dict[str, str]:
    return dict(zip(dict.fromkeys(p.group for p in points), style.COLORS))


def _roof(axes: Any, points: list[Point], peak: float, bandwidth: float) -> None:
    """Rate against intensity, under the two limits; the numbers are those of the list."""
    style.axes(axes, "operations per byte", "GFLOP/s")
    low, ridge, high = 0.03, peak / bandwidth, 400
    axes.plot([low, ridge, high], [low * bandwidth / 1e9, peak / 1e9, peak / 1e9], color=style.INK, linewidth=1.4)
    axes.annotate(f"matrix product: {peak / 1e9:.0f} GFLOP/s", (ridge, 1.1 * peak / 1e9), ha="right", color=style.INK)
    axes.annotate(f"copy: {bandwidth / 1e9:.0f} GB/s", (low, 12 * low * bandwidth / 1e9), color=style.INK)
    for group, color in _colors(points).items():
        chosen = [p for p in points if p.group == group]
        intensity, rate = [p.flops / p.bytes for p in chosen], [p.flops / p.seconds / 1e9 for p in chosen]
        axes.scatter(intensity, rate, s=30, color=color, alpha=0.8, linewidths=0, label=group, zorder=3)
    for i, p in enumerate(points):
        axes.annotate(str(i + 1), (p.flops / p.bytes, p.flops / p.seconds / 1e9), BESIDE.get(p.group, (3, 3)),
                      fontsize=6.5, textcoords="offset points", color=style.INK, zorder=4)  # fmt: skip
    axes.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=style.INK)


def _shares(axes: Any, points: list[Point], peak: float, bandwidth: float) -> None:
    """Each kernel by name, and how much of what the roof allows it reaches."""
    colors = _colors(points)
    for i, p in enumerate(points):
        share = 100 * p.flops / p.seconds / min(peak, p.flops / p.bytes * bandwidth)
        axes.barh(-i, share, height=0.72, color=colors[p.group])
        axes.annotate(f"{share:.0f}", (share, -i), (3, 0), textcoords="offset points", va="center", fontsize=8,
                      color=style.INK)  # fmt: skip
    axes.axvline(100, color=style.INK, linewidth=1)
    axes.set_yticks([-i for i in range(len(points))], [f"{p.name}  {i + 1}" for i, p in enumerate(points)], fontsize=8)
    axes.set_xlabel("% of what the limits allow", color=style.INK)
    axes.margins(x=0.1, y=0.01)
    axes.tick_params(colors=style.INK, labelsize=8, length=0)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)


def _kernels() -> Iterator[tuple[str, str, float, float, Callable[[], object]]]:
    """Name, group, operations, bytes, call: convolutions of ResNet-20 and beyond, and the passes over memory."""
    yield from _convolutions("3×3 16, 32²", 32, 16, 16, 32, 3)
    yield from _convolutions("3×3 64, 8²", 128, 64, 64, 8, 3)
    yield from _convolutions("3×3 64, 8², no Winograd", 128, 64, 64, 8, 3, use=False)
    yield from _convolutions("3×3 16-32 stride 2, 32²", 32, 16, 32, 32, 3, stride=(2, 2))
    yield from _convolutions("1×1 64-256, 16²", 16, 64, 256, 16, 1)
    yield from _convolutions("5×5 16-32, 16²", 32, 16, 32, 16, 5)
    yield from _convolutions("7×7 3-64 stride 2, 64²", 16, 3, 64, 64, 7, stride=(2, 2))
    yield from _convolutions("3×3 groups 4, 64, 16²", 32, 64, 64, 16, 3, groups=4)
    yield from _convolutions("3×3 depthwise 64, 16²", 32, 64, 64, 16, 3, groups=64)
    x, g = (_images(64, 32, 32) for _ in range(2))
    gamma, mean, var = np.ones((3, 32), np.float32)
    n, number = x.size, x.itemsize
    norm, pool, other = "batch norm", "pooling", "elementwise, loss, optimizer"
    yield "moments", norm, 3 * n, n * number, lambda: kernels.channel_moments(x)
    yield "normalize", norm, 3 * n, 2 * n * number, lambda: kernels.normalize(x, mean, gamma, mean)
    back = lambda: kernels.batch_norm_backward(g, x, gamma, mean, var)  # noqa: E731
    yield "batch norm backward", norm, 9 * n, 3 * n * number, back
    window = {"kernel": (2, 2), "stride": (2, 2)}
    taken, index = kernels.max_pool2d(x, **window)
    yield "max-pool", pool, n, (n + n / 4) * number + n / 4, lambda: kernels.max_pool2d(x, **window)
    yield "average pool", pool, n, (n + n / 4) * number, lambda: kernels.avg_pool2d(x, **window)
    put = lambda: kernels.pool_put(taken, index, size=(32, 32), **window)  # noqa: E731
    yield "max-pool backward", pool, n / 4, (n + n / 4) * number + n / 4, put
    mean_put = lambda: kernels.avg_pool2d_input(taken, size=(32, 32), **window)  # noqa: E731
    yield "average pool backward", pool, n / 4, (n + n / 4) * number, mean_put
    yield "relu backward", other, n, 3 * n * number, lambda: kernels.gate(g, x)
    yield "gelu", other, 10 * n, 2 * n * number, lambda: kernels.gelu(x)
    yield "gelu backward", other, 20 * n, 3 * n * number, lambda: kernels.gelu_backward(g, x)
    logits, labels = batch((1024, 1000), 1000)
    loss = lambda: kernels.softmax_cross_entropy(logits, labels)  # noqa: E731
    yield "softmax cross-entropy", other, 5 * logits.size, 2 * logits.nbytes, loss
    p, d, m, s = (np.ones(2**20, np.float32) for _ in range(4))
    sgd = lambda: kernels.update(rules.momentum, [p], [d], [[m]], (1e-9, 0.9, 1.0))  # noqa: E731
    yield "SGD with momentum", other, 6 * p.size, 5 * p.nbytes, sgd
    adam = lambda: kernels.update(rules.adam, [p], [d], [[m], [s]], (1e-9, 0.1, 0.999, 1e-3, 0.0, 1e-8))  # noqa: E731
    yield "Adam", other, 12 * p.size, 7 * p.nbytes, adam


def _convolutions(
    name: str, n: int, c: int, o: int, size: int, k: int, use: bool = True, **options: Any
) -> Iterator[tuple]:
    """A convolution and its two adjoints; by Winograd's algorithm only if it may be used."""
    x, groups = _images(n, c, size), options.get("groups", 1)
    w = np.random.default_rng(1).standard_normal((o, c // groups, k, k)).astype(np.float32)
    options["padding"] = (k // 2, k // 2)
    y = kernels.conv2d(x, w, **options)
    flops, moved = 2 * y.size * w[0].size, x.nbytes + w.nbytes + y.nbytes
    own, own_w = {"size": (size, size), **options}, {"kernel": (k, k), **options}
    for kernel, group in (
        (lambda: kernels.conv2d(x, w, **options), "convolution"),
        (lambda: kernels.conv2d_input(y, w, **own), "its input gradient"),
        (lambda: kernels.conv2d_weight(x, y, **own_w), "its weight gradient"),
    ):
        yield f"{name}{SHORT[group]}", group, flops, moved, kernel if use else _direct(kernel)


BESIDE = {
    "convolution": (-10, -2),
    "its weight gradient": (3, -6),
}  # its number, in points: the three are near each other
SHORT = {"convolution": "", "its input gradient": ", gx", "its weight gradient": ", gw"}


def _direct(kernel: Callable[[], object]) -> Callable[[], object]:
    """The same without Winograd's algorithm."""

    def call() -> object:
        before, winograd.USE = winograd.USE, False
        try:
            return kernel()
        finally:
            winograd.USE = before

    return call


def _images(n: int, c: int, size: int) -> np.ndarray:  # (N,C,H,W), stored channels last
    a = np.random.default_rng(0).standard_normal((n, size, size, c)).astype(np.float32)
    return a.transpose(0, 3, 1, 2)
