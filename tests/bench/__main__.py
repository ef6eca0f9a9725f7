"""`make bench`: minigrad beside the peers that are installed, in one run.

Each row times one workload for every contender in turn, round after round, so that a noisy machine disturbs all
alike. The table gives the median time of a step and the ratio: the fastest peer's median over minigrad's. Above 1
minigrad is faster.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import workloads


def medians(contenders: dict[str, Callable[[], object]], rounds: int, budget: float) -> dict[str, float]:
    """Seconds a step for each contender: the median over interleaved rounds, within about `budget` seconds in all."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for step in contenders.values():
        step(), step()  # compile, and fill caches
    start = time.perf_counter()
    for done in range(rounds):
        for name, step in contenders.items():
            before = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - before)
        if done >= 2 and time.perf_counter() - start > budget:
            break
    return {name: statistics.median(t) for name, t in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"workloads to run (all): {', '.join(workloads.ALL)}")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--budget", type=float, default=20.0, help="seconds for each workload and thread count")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {workloads.versions()}")
    print("median of interleaved steps; ratio = fastest peer / minigrad (above 1: minigrad is faster)\n")
    rows = []
    print(f"{'workload':<24}{'threads':>8}   {'time of a step (ms)':<58}{'ratio':>6}")
    for threads in options.threads:
        workloads.set_threads(threads)
        for name, build in workloads.ALL.items():
            if options.only and name not in options.only:
                continue
            found = medians(build(), options.rounds, options.budget)
            peers = [t for who, t in found.items() if who != "minigrad"]
            ratio = min(peers) / found["minigrad"] if peers else None
            shown = "  ".join(f"{who} {t * 1e3:.3g}" for who, t in found.items())
            print(f"{name:<24}{threads:>8}   {shown:<58}{'-' if ratio is None else f'{ratio:.2f}':>6}", flush=True)
            rows.append({"workload": name, "threads": threads, "seconds": found, "ratio": ratio})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
