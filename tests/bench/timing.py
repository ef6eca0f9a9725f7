"""Interleaved timing: every contender in turn, round after round, so that a noisy machine disturbs all alike."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Steps = dict[str, Callable[[], object]]
OWN, COMPILED = OWN_MODES = ("minigrad", "minigrad compile")
TORCH = "torch"  # how the names of PyTorch's modes begin
GRADIENT = " gradient"  # 'torch gradient' is no rival: it is what a product of 'torch' is measured against
# A contender's turn in a round: a pause, in which the threads of the one before stop waiting for work (they keep a core
# busy for that); steps that are not timed, in which its own wake up; then steps that are, of which the median counts.
PAUSE, SLICE = 0.05, 0.03  # seconds
MIN_ROUNDS, MAX_ROUNDS = 3, 30
AGREE = 1.1  # the largest ratio of several runs over the smallest, up to which they agree
BUSY = 0.15  # cores that other processes keep busy, from which a row is not to be trusted


class Row(NamedTuple):
    """What was measured: for each contender the seconds of a step, one number for each round."""

    workload: str
    threads: int
    rounds: dict[str, list[float]]
    others: float  # how many cores other processes kept busy meanwhile
    runs: tuple[Row, ...] = ()  # the rows of all runs of the whole table, if there were several

    @property
    def medians(self) -> dict[str, float]:
        return {name: statistics.median(times) for name, times in self.rounds.items()}

    @property
    def own(self) -> str:
        """minigrad's mode with the smallest median."""
        return self._least(lambda name: name in OWN_MODES) or OWN

    def fastest(self, peer: str = "") -> str | None:
        """The peer with the smallest median, of all or of those whose names begin so."""
        return self._least(lambda name: name not in OWN_MODES and name.startswith(peer))

    def _least(self, wanted: Callable[[str], bool]) -> str | None:
        medians = self.medians
        names = [name for name in medians if wanted(name) and not name.endswith(GRADIENT)]
        return min(names, key=medians.__getitem__, default=None)

    def ratio(self, peer: str = "") -> float | None:
        """The fastest peer's median over that of minigrad's faster mode: above 1, minigrad is faster."""
        fastest = self.fastest(peer)
        return self.medians[fastest] / self.medians[self.own] if fastest else None

    def spread(self, peer: str = "") -> tuple[float, float] | None:
        """The quartiles of that ratio, taken round by round: how noisy it is."""
        fastest = self.fastest(peer)
        if fastest is None:
            return None
        rounds = zip(self.rounds[fastest], self.rounds[self.own])
        low, _, high = statistics.quantiles(a / b for a, b in rounds)
        return low, high

    def ratios(self, peer: str = "") -> list[float]:
        """That ratio in each run of the table."""
        return [ratio for row in self.runs or (self,) if (ratio := row.ratio(peer)) is not None]

    def agree(self, peer: str = "") -> bool:
        """Whether the ratios of all runs lie close together."""
        ratios = self.ratios(peer)
        return not ratios or max(ratios) <= AGREE * min(ratios)

    @property
    def multiples(self) -> dict[str, float]:
        """Where gradients were timed too: each contender's time as a multiple of its own gradient's.

        Both modes of minigrad are measured against the faster of their gradients.
        """
        medians = self.medians
        found = {k: v / medians[k + GRADIENT] for k, v in medians.items() if k + GRADIENT in medians}
        own = [medians[k + GRADIENT] for k in found if k in OWN_MODES]
        return {k: medians[k] / min(own) if k in OWN_MODES else v for k, v in found.items()}

    def as_dict(self) -> dict[str, object]:
        medians = self.medians
        peers = [name for name in medians if name not in OWN_MODES and not name.endswith(GRADIENT)]
        found = {
            key: {"fastest": self.fastest(peer), "ratio": self.ratio(peer), "spread": self.spread(peer),
                  "ratio of each run": self.ratios(peer), "runs agree": self.agree(peer)}
            for key, peer in (("all peers", ""), ("PyTorch", TORCH))
        }  # fmt: skip
        return {
            "workload": self.workload, "threads": self.threads, "rounds": self.rounds, "seconds": medians, "own": self.own, **found,
            "ratios": {name: medians[name] / medians[self.own] for name in peers}, "multiples": self.multiples,
            "others": self.others,
        }  # fmt: skip


def from_dict(told: dict[str, Any]) -> Row:
    """The row that was told by `as_dict`, without other runs."""
    return Row(told["workload"], told["threads"], told["rounds"], told["others"])


def of_runs(rows: list[Row]) -> Row:
    """The row of the run with the median ratio; it knows those of all runs."""
    middle = sorted(rows, key=lambda row: row.ratio() or 0.0)[len(rows) // 2]
    return middle._replace(runs=tuple(rows)) if len(rows) > 1 else middle


def measured(workload: str, threads: int, steps: Steps, budget: float, tries: int = 1) -> Row:
    """The row of a workload. If other processes disturb it, it is measured again, and the quietest one returned."""
    rows: list[Row] = []
    while len(rows) < tries and (not rows or rows[-1].others > BUSY):
        start, before = time.perf_counter(), _busy_elsewhere()
        rounds = interleaved(steps, budget)
        others = (_busy_elsewhere() - before) / (time.perf_counter() - start)
        rows.append(Row(workload, threads, rounds, max(0.0, others)))
    return min(rows, key=lambda row: row.others)


@contextlib.contextmanager
def busy(wanted: bool = True) -> Iterator[None]:
    """Meanwhile another process keeps one core busy, the last of those that this one may use."""
    if not wanted:
        yield
        return
    spinning = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(spinning.pid, {max(os.sched_getaffinity(0))})
    try:
        yield
    finally:
        spinning.kill()
        spinning.wait()


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
