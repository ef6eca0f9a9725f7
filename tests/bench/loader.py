"""Does the loader keep a trainer fed? How long it waits for batches, with no worker, with threads and with processes.

    python tests/bench/loader.py [WORKLOAD]

For each workload, or those that have the word in their name, contenders take turns, round after round. A step of training
is timed in two parts: waiting for the batch, and the rest. `idle` is the part of the time spent waiting, `step` the
median of a whole step, and what it is beside that without workers.
"""

from __future__ import annotations

import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

import minigrad as mg
from minigrad import data, lab, nn, optim

ROUNDS, SECONDS, FIRST = 4, 1.5, 2  # of a turn; the first steps, in which the workers start, do not count
CROP = data.Compose(data.RandomCrop(4), data.HorizontalFlip())
HEAVY = data.Compose(data.RandomCrop(4), data.HorizontalFlip(), data.Affine(10, 0.1, 0.1, 2),
                     data.ColorJitter(0.4, 0.4, 0.4, 0.1), data.Cutout(8))  # fmt: skip


def pixel_by_pixel(x, streams):
    """A transform that never leaves Python: the worst for threads."""
    x = x.copy()
    for image, u in zip(x, streams.uniform()):
        for row in image[0]:
            for col in range(len(row)):
                row[col] = min(1.0, float(row[col]) * (0.5 + u))
    return x


def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10, rng=0))


def workloads():
    """Name, data set, batch size, transform, model."""
    rng = np.random.default_rng(0)
    digits = data.digits().train
    cifar = data.Dataset(rng.random((8192, 3, 32, 32), np.float32), rng.integers(0, 10, 8192))
    affine = lab.Settings().augment
    yield "digits, Affine", digits, 64, affine, lab.DigitsNet(rng=0)
    yield "32×32×3, crop and flip, resnet8", cifar, 128, CROP, nn.models.resnet8(rng=0)
    yield "32×32×3, five transforms, resnet8", cifar, 128, HEAVY, nn.models.resnet8(rng=0)
    yield "32×32×3, five transforms, linear", cifar, 128, HEAVY, linear()
    yield "32×32×3, pure Python, linear", cifar, 128, pixel_by_pixel, linear()


def trained(model, loader):
    """Seconds of each step: waiting, and in all."""
    optimizer = optim.SGD(model.parameters(), lr=0.01)

    def step(x, y):
        optimizer.zero_grad()
        loss = mg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    batches, times = iter(loader), []
    ends = time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < ends:
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            batch = next(batches)
        got = time.perf_counter()
        step(*batch).item()
        times.append((got - start, time.perf_counter() - start))
    batches.close()
    return times[FIRST:]


def main():
    wanted = " ".join(sys.argv[1:])
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context) as one, ProcessPoolExecutor(2, context) as two:
        contenders = {"none": 0, "1 thread": 1, "2 threads": 2, "1 process": one, "2 processes": two}
        for name, dataset, batch_size, transform, model in workloads():
            if wanted not in name:
                continue
            times = {label: [] for label in contenders}
            for _ in range(ROUNDS):
                for label, workers in contenders.items():
                    loader = data.Loader(dataset, batch_size, transform=transform, drop_last=True, workers=workers)
                    times[label] += trained(model, loader)
            medians = {label: statistics.median(whole for _, whole in rows) for label, rows in times.items()}
            print(name)
            for label, rows in times.items():
                waited, whole = map(sum, zip(*rows))
                print(f"  {label:12} idle {waited / whole:5.1%}  step {1000 * medians[label]:6.2f} ms"
                      f"  {medians[label] / medians['none']:.2f}×")  # fmt: skip


if __name__ == "__main__":
    main()
