"""L-BFGS or Adam? The usual advice: full batches and no noise, try L-BFGS; otherwise Adam. Here is the test of it.

    python examples/lbfgs_or_adam.py [folder]

A small residual CNN learns handwritten digits twice: from all training images at once, as they are; and from mini-batches
of 64, each image turned, stretched and shifted anew, so that the noise never ends. Adam, L-BFGS and Newton-CG each spend
the same number of evaluations, a gradient or a product with the curvature counting as one; a mini-batch costs its share
of a full batch. The loss that is shown is always that of all training images, as they are.

Within one step the loss must be one function of the parameters. Dropout and stochastic depth are off. Batch norm stays
on, with the statistics of the batch at hand, which are a function of the parameters too; its running statistics are put
back before each evaluation of a search (`buffers=`), and only the accuracy on the test images uses them, once they have
settled on the training images.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import data, lab, optim, train
from minigrad.lab.playground.pictures import draw_lines, figure
from minigrad.viz.style import INK

Track = tuple[list[float], list[float], list[float], float]  # evaluations, seconds, losses; the accuracy at the end
AUGMENT = data.Affine(rotate=15, scale=0.2, shear=0.25, shift=1)
METHODS = ("Adam", "L-BFGS", "Newton-CG")


def optimizer_of(method: str, net: lab.DigitsNet, full: bool) -> optim.Optimizer:
    """Second-order methods go one iteration on a mini-batch before the next comes; L-BFGS some on a full batch."""
    if method == "Adam":
        return optim.Adam(net.parameters(), 3e-3)
    options: dict[str, Any] = {"buffers": net.buffers(), "on_noise": "allow"}
    if method == "L-BFGS":
        return optim.LBFGS(net.parameters(), max_iter=5 if full else 1, **options)
    return optim.NewtonCG(
        net.parameters(), curvature="gauss-newton", damping=1.0, max_products=20, max_iter=1, **options
    )


def batches(images: data.Dataset, full: bool, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All images, again and again; or augmented mini-batches, epoch after epoch."""
    loader = data.Loader(images, 64, seed=seed, transform=AUGMENT, drop_last=True)
    while True:
        yield from [images[:]] if full else loader


def run(method: str, digits: data.Split, full: bool, budget: float, seed: int = 0) -> Track:
    """Train until `budget` evaluations of the full batch are spent."""
    net = lab.DigitsNet(12, dropout=0, stochastic_depth=0, rng=seed)
    optimizer, images = optimizer_of(method, net, full), digits.train[:]

    def loss_on(x: np.ndarray, labels: np.ndarray) -> Any:
        outputs = net(x)
        loss = mg.cross_entropy(outputs, labels)
        return (loss, outputs) if method == "Newton-CG" else loss

    spent, seconds, losses, elapsed = [0.0], [0.0], [_watch(net, images)], 0.0
    for step, batch in enumerate(batches(digits.train, full, seed), 1):
        begun = time.perf_counter()
        optimizer.step(lambda: loss_on(*batch))
        elapsed += time.perf_counter() - begun
        searches = isinstance(optimizer, optim.LBFGS | optim.NewtonCG)
        evaluations = (
            (optimizer.counts.n_gev + optimizer.counts.n_hvp if searches else step) * len(batch[1]) / len(images[1])
        )
        if full or step % 14 == 0 or evaluations >= budget:
            spent.append(evaluations)
            seconds.append(elapsed)
            losses.append(_watch(net, images))
        if evaluations >= budget or (full and searches and optimizer.status == "converged"):
            break
    _settle(net, images[0])
    accuracy = train.evaluate(net, data.Loader(digits.test, 256, shuffle=False)).accuracy
    return spent, seconds, losses, accuracy


def _settle(net: lab.DigitsNet, x: np.ndarray) -> None:
    """Bring batch norm's running statistics, which lag behind after few steps, to those of the training images."""
    with mg.no_grad():
        for _ in range(50):
            net(x)


def _watch(net: lab.DigitsNet, full: tuple[np.ndarray, np.ndarray]) -> float:
    """The loss of all training images as training sees it; the net's running statistics stay what they are."""
    kept = [b.data.copy() for b in net.buffers()]
    with mg.no_grad():
        loss = mg.cross_entropy(net(full[0]), full[1]).item()
    for b, value in zip(net.buffers(), kept):
        b.data = value
    return loss


def main(folder: str = "runs/lbfgs_or_adam", budget: float = 100) -> dict[tuple[str, str], Track]:
    digits, found = data.digits(), {}
    regimes = {"full batch": True, "augmented mini-batches": False}
    for full, method in itertools.product(regimes.values(), METHODS):
        run(method, digits, full, budget=1)  # compiles kernels
    print("| batches | method | training loss | test accuracy | evaluations | seconds |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for regime, full in regimes.items():
        for method in METHODS:
            found[regime, method] = spent, seconds, losses, accuracy = run(method, digits, full, budget)
            print(f"| {regime} | {method} | {losses[-1]:.1e} | {accuracy:.1%} | {spent[-1]:.0f} | {seconds[-1]:.1f} |")

    picture = figure(11.5, 8)
    for row, regime in zip(picture.subplots(2, 2), regimes):
        for axes, k, label in zip(row, (0, 1), ("full-batch gradients and products", "seconds")):
            lines = [(m, np.array(found[regime, m][k]), np.array(found[regime, m][2])) for m in METHODS]
            draw_lines(axes, lines, label, "training loss")
            axes.set_title(regime, color=INK)
    Path(folder).mkdir(parents=True, exist_ok=True)
    picture.savefig(Path(folder) / "lbfgs_or_adam.png", dpi=110)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
