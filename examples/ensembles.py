"""Five members, trained apart in processes; five snapshots of one run; and what each is worth on the digits.

python examples/ensembles.py [folder]     the numbers and the picture of docs/ensembles.md; default: runs/ensembles
"""

from __future__ import annotations

import sys
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from minigrad import data, nn, optim, train, viz

IMAGES, EPOCHS, MEMBERS = 200, 60, 5


def network(seed: int) -> nn.Module:
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, rng=rng),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, rng=rng),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 64, rng=rng),
        nn.ReLU(),
        nn.Linear(64, 10, rng=rng),
    )


def batches(seed: int) -> data.Loader:
    """The same few images for every member; the order is its own."""
    return data.Loader(data.Dataset(*data.digits().train[:IMAGES]), 20, seed=seed)


def member(seed: int, epochs: int = EPOCHS) -> nn.Module:
    model = network(seed)
    train.fit(model, optim.Adam(model.parameters(), 1e-3), batches(seed), epochs=epochs, progress=False)
    return model


def snapshots(cycles: int = MEMBERS, epochs: int = EPOCHS // MEMBERS) -> list[nn.Module]:
    """As many models from one run, as long as that of one member."""
    model = network(0)
    optimizer = optim.Adam(model.parameters(), 2e-3)
    return train.snapshots(model, optimizer, batches(0), cycles=cycles, epochs=epochs, progress=False)


def main(folder: str = "runs/ensembles", members: int = MEMBERS, executor: Executor | None = None) -> None:
    tests = data.Loader(data.digits().test, 256, shuffle=False)
    apart = train.judge(train.ensemble(member, members, executor), tests)
    along = train.judge(snapshots(), tests)
    print(f"{members} members, trained apart\n{apart}\n\n{MEMBERS} snapshots of one run\n{along}")
    Path(folder).mkdir(parents=True, exist_ok=True)
    shown = {"one member": apart.calibrations[0], "ensemble": apart.calibration, "snapshots": along.calibration}
    viz.reliability(shown, Path(folder) / "reliability.png")


if __name__ == "__main__":
    main(*sys.argv[1:2])
