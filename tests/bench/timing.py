"""Interleaved timing: every contender in turn, round after round, so that a noisy machine disturbs all alike."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Steps = dict[str, Callable[[], object]]
OWN = "minigrad"
GRADIENT = " gradient"  # 'torch gradient' is no rival: it is what a product of 'torch' is measured against
# A contender's turn in a round: a pause, in which the threads of the one before stop waiting for work (they keep a core
# busy for that); steps that are not timed, in which its own wake up; then steps that are, of which the median counts.
PAUSE, SLICE = 0.1, 0.03  # seconds
MIN_ROUNDS, MAX_ROUNDS = 5, 30
BUSY = 0.15  # cores that other processes keep busy, from which a row is not to be trusted


class Row(NamedTuple):
    """What was measured: for each contender the seconds of a step, one number for each round."""

    workload: str
    threads: int
    rounds: dict[str, list[float]]
    others: float  # how many cores other processes kept busy meanwhile

    @property
    def medians(self) -> dict[str, float]:
        return {name: statistics.median(times) for name, times in self.rounds.items()}

    @property
    def fastest(self) -> str | None:
        """The peer with the smallest median."""
        peers = {k: v for k, v in self.medians.items() if k != OWN and not k.endswith(GRADIENT)}
        return min(peers, key=peers.__getitem__) if peers else None

    @property
    def ratio(self) -> float | None:
        """The fastest peer's median over minigrad's: above 1, minigrad is faster."""
        return self.medians[self.fastest] / self.medians[OWN] if self.fastest else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """The quartiles of that ratio, taken round by round: how noisy it is."""
        if self.fastest is None:
            return None
        low, _, high = statistics.quantiles(a / b for a, b in zip(self.rounds[self.fastest], self.rounds[OWN]))
        return low, high

    @property
    def multiples(self) -> dict[str, float]:
        """Where gradients were timed too: each contender's time as a multiple of its own gradient's."""
        medians = self.medians
        return {k: v / medians[k + GRADIENT] for k, v in medians.items() if k + GRADIENT in medians}

    def as_dict(self) -> dict[str, object]:
        return {
            "workload": self.workload, "threads": self.threads, "seconds": self.medians, "ratio": self.ratio,
            "fastest": self.fastest, "spread": self.spread, "multiples": self.multiples, "others": self.others,
        }  # fmt: skip


def measured(workload: str, threads: int, steps: Steps, budget: float, tries: int = 1) -> Row:
    """The row of a workload. If other processes disturb it, it is measured again, and the quietest one returned."""
    rows: list[Row] = []
    while len(rows) < tries and (not rows or rows[-1].others > BUSY):
        start, before = time.perf_counter(), _busy_elsewhere()
        rounds = interleaved(steps, budget)
        others = (_busy_elsewhere() - before) / (time.perf_counter() - start)
        rows.append(Row(workload, threads, rounds, max(0.0, others)))
    return min(rows, key=lambda row: row.others)


def _busy_elsewhere() -> float:
    """Seconds that the cores have spent on other processes, where the system tells (Linux)."""
    try:
        user, nice, system, _, _, irq, soft, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    except OSError:
        return 0.0
    own = os.times()
    busy = (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
    return busy - own.user - own.system


def interleaved(steps: Steps, budget: float) -> dict[str, list[float]]:
    """Seconds of a step in each round, for each contender; the rounds take about `budget` seconds in all."""
    for step in steps.values():
        step(), step()  # compile, and fill caches
    rounds: dict[str, list[float]] = {name: [] for name in steps}
    start = time.perf_counter()
    for done in range(1, MAX_ROUNDS + 1):
        for name, step in steps.items():
            time.sleep(PAUSE)
            _slice(step)
            rounds[name].append(statistics.median(_slice(step)))
        if done >= MIN_ROUNDS and time.perf_counter() - start > budget:
            break
    return rounds


def median(step: Callable[[], object], budget: float) -> float:
    """The median seconds of one step by itself."""
    return statistics.median(interleaved({"": step}, budget)[""])


def shortest(step: Callable[[], object], budget: float) -> float:
    """The shortest time of one step by itself."""
    start, least = time.perf_counter(), float("inf")
    while time.perf_counter() - start < budget:
        least = min(least, *_slice(step), *_slice(step))
    return least


def _slice(step: Callable[[], object]) -> list[float]:
    """The seconds of each step, for SLICE seconds and one step at least."""
    times, start = [], time.perf_counter()
    while not times or time.perf_counter() - start < SLICE:
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    return times
