"""`make bench`: minigrad beside the peers that are installed, in one run.

Each row times one workload for every contender in turn, round after round, so that a noisy machine disturbs all
alike. The table gives the median time and the ratio: the fastest peer's median over that of minigrad's faster mode.
Above 1 minigrad is faster. Then come blocks drawn from a seed, once more with fewer vector features than there are, and
peak memory and start-up, each in processes of its own. `quick` is a look.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import alone
import drawn
import machine
import page
import timing
import workloads

TESTS = Path(__file__).parents[1]
sys.path.append(str(TESTS))
import processor  # noqa: E402

QUICK = "digits_cnn training", "small_cnn training", "tiny_mlp training", "inference 1", "mlp hvp", "conv 3x3, 128"
LIMITED = os.environ.get(processor.LIMIT)  # the level of vector features that this process is limited to
DOCS = TESTS.parent / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "only", nargs="*", help="run the rows whose names contain one of these: conv, hvp, memory, drawn, ...; or quick"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--budget", type=float, default=1.0, help="seconds for each row and thread count, about")
    parser.add_argument("--tries", type=int, default=1, help="measure a row again if other processes disturb it")
    parser.add_argument("--repeat", type=int, default=1, help="run the whole table so many times, and compare the runs")
    parser.add_argument("--seed", type=int, default=drawn.SEED, help="of the drawn blocks")
    parser.add_argument("--blocks", type=int, default=drawn.COUNT, help="how many are drawn")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its pictures")
    options = parser.parse_args()
    if options.list:
        print("\n".join([*workloads.ALL, "drawn", *alone.ALL]))
        return
    if options.write and options.only:
        parser.error("--write writes the whole page: it needs all rows")
    found = run(options)
    if options.json:
        told = {key: [row.as_dict() for row in found[key]] for key in ("rows", "all_runs")}
        told["drawn"] = [str(block) for block in found["drawn"]]
        told["drawn_rows"] = {str(of): [row.as_dict() for row in rows] for of, rows in found["drawn_rows"].items()}
        options.json.write_text(json.dumps(found | told, indent=1) + "\n")
    if options.write:
        import roofline
        import scaling

        print("\nthe pictures", flush=True)
        found["roofline"] = roofline.draw(DOCS / "images" / "roofline.png", max(options.threads))
        found["scaling"] = scaling.draw(DOCS / "images" / "scaling.png", min(options.threads))
        found |= {"blocks": workloads.BLOCKS, "networks": workloads.NETWORKS}
        page.write(DOCS / "performance.md", found)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Time what was asked for, and print each row as soon as it is there."""
    only, threads, budget, tries, repeat = (
        options.only, options.threads, options.budget, options.tries, options.repeat
    )  # fmt: skip
    blocks = drawn.draw(options.seed, options.blocks)
    quick = only == ["quick"]
    if quick:
        only, threads, budget, blocks = [*QUICK, "drawn"], threads[:1], budget / 3, blocks[:12]
        workloads.without_compilers()

    def wanted(name: str) -> bool:
        return not only or any(part in name for part in only)

    described = machine.describe()
    print(f"{described}\n{workloads.versions()}")
    print("median ms; ratios of the fastest peer, and of PyTorch's fastest mode, to minigrad's (above 1: it is faster)")
    tables: list[list[timing.Row]] = []
    for i in range(repeat):
        print(f"\nrun {i + 1} of {repeat}" if repeat > 1 else "")
        tables.append([])
        for name in filter(wanted, workloads.ALL):
            for n in threads:
                workloads.set_threads(n)
                tables[-1].append(timing.measured(name, n, workloads.ALL[name](), budget, tries))
                print(page.line(tables[-1][-1]), flush=True)
    rows = [timing.of_runs(list(of_all)) for of_all in zip(*tables)]
    if repeat > 1:
        print(f"\nthe ratios of all runs\n{page.runs(rows)}")
    drawn_rows = _drawn(blocks, threads, budget / 2, tries) if wanted("drawn") else {}
    if drawn_rows and not quick and LIMITED is None and processor.limits():
        drawn_rows |= _drawn_below(options)
    apart = {name: measure() for name, measure in alone.ALL.items() if wanted(name)}
    for name, values in apart.items():
        print(f"\n{name}")
        for what, value in values.items():
            print(f"  {what:<44}{value}")
    every = [row for table in tables for row in table]
    return {
        "machine": described, "versions": workloads.versions(), "rows": rows, "all_runs": every, "apart": apart,
        "drawn": blocks, "drawn_rows": drawn_rows, "seed": options.seed,
    }  # fmt: skip


def _drawn(blocks: list[drawn.Block], threads: list[int], budget: float, tries: int) -> dict[drawn.Column, list[Any]]:
    """The rows of drawn blocks, for one thread, for more, and beside a busy process; PyTorch is their only peer."""
    found: dict[drawn.Column, list[Any]] = {column: [] for column in drawn.columns(threads, LIMITED or "")}
    print(f"\ndrawn blocks: {', '.join(map(str, found))}")
    for name, make in drawn.rows(blocks, workloads.layer_beside_torch).items():
        steps = make()
        for column, rows in found.items():
            workloads.set_threads(column.threads)
            with timing.busy(column.busy):
                rows.append(timing.measured(name, column.threads, steps, budget, 1 if column.busy else tries))
            print(page.line(rows[-1]), flush=True)
    for column, rows in found.items():
        print(f"\n{column}: geometric mean, tenth percentile, least")
        for name, ratios in drawn.by_class(blocks, rows).items():
            print(f"  {name:<30}{len(ratios):>4}  {drawn.summary(ratios)}")
    return found


def _drawn_below(options: argparse.Namespace) -> dict[drawn.Column, list[Any]]:
    """The rows of the same blocks with vector features limited to the level below the host's, by a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "rows.json")
        args = ["drawn", "--json", told, "--budget", options.budget / 2, "--seed", options.seed]
        args += ["--blocks", options.blocks, "--threads", *options.threads]
        command = [sys.executable, TESTS / "processor.py", sys.executable, TESTS / "bench", *args]
        subprocess.run(list(map(str, command)), check=True)
        rows = json.loads(told.read_text())["drawn_rows"].values()
    columns = drawn.columns(options.threads, processor.limits()[processor.LIMIT])
    return {column: list(map(timing.from_dict, of_column)) for column, of_column in zip(columns, rows, strict=True)}


if __name__ == "__main__":
    main()
