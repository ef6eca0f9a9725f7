"""Optimizers race on a surface, with one budget of gradients: their paths, their losses, and an animation.

    python examples/playground.py [surface] [folder]

`minigrad playground` does the same from the command line; `--lecture` writes the pictures of docs/playground.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from minigrad import optim
from minigrad.lab import playground
from minigrad.lab.playground import Racer


def main(surface: str = "rosenbrock", folder: str = "runs/playground") -> list[playground.Track]:
    place, out = playground.SURFACES[surface], Path(folder)
    out.mkdir(parents=True, exist_ok=True)

    # A name gets the best learning rate of a grid; a Racer is any rule with its rate, a number or a schedule.
    decaying = Racer("momentum, decaying", optim.Momentum, optim.schedules.inverse(0.002, 0.01))
    tracks = playground.race(place, ["sgd", "adam", decaying, "lbfgs"], budget=100)

    for track in tracks:
        loss = track.losses[-1] - place.least
        print(f"{track.label:20} {loss:.1e} above the minimum after {track.spent[-1]} evaluations")
    playground.paths(place, tracks, out / f"{surface}-paths.png")
    playground.losses(place, tracks, out / f"{surface}-losses.png")
    print(f"see {playground.animate(place, tracks, out / f'{surface}.html').parent}")
    return tracks


if __name__ == "__main__":
    main(*sys.argv[1:])
