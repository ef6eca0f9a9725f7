"""The table: runs over seeds, kept in a file as they come, and what they say of each technique."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...train.checkpoint import write_atomically
from ...train.ensemble import each
from .recipe import Recipe, test_error
from .techniques import Technique

Results = dict[str, dict[str, float]]  # the test error in percent, by the recipe's key and the seed
START, END = "<!-- table: written by `minigrad lecture --table` -->", "<!-- end of the table -->"
EMPTY_PAGE = f"""# The lecture's techniques, measured

{START}

{END}

![Differences](images/lecture.png)
"""


class Row(NamedTuple):
    """Test errors in percent without and with a technique, means over `seeds`, and their paired difference.

    Each is (mean, standard error of the mean). A negative difference is an improvement.
    """

    technique: Technique
    without: tuple[float, float]
    with_it: tuple[float, float]
    difference: tuple[float, float]
    seeds: int

    @property
    def verdict(self) -> str:
        """'better' or 'worse' where the difference is more than two standard errors, else 'no clear difference'."""
        mean, error = self.difference
        if abs(mean) <= 2 * error or mean == 0:
            return "no clear difference"
        return "better" if mean < 0 else "worse"


def complete(
    techniques: Sequence[Technique],
    seeds: Iterable[int],
    path: Path,
    *,
    plain: Recipe = Recipe(),  # noqa: B008 (a constant)
    data_from: str = "digits",
    executor: Executor | None = None,
    workers: int | None = 2,
    watch: Callable[[int, int], None] | None = None,
) -> Results:
    """Run what is not in the JSON file yet, and return all its results. The file is written after each run.

    `watch` is called with the numbers of runs done and to do. Raises ValueError if the file is of other data or of
    another plain recipe, and RuntimeError, with the tracebacks, if runs failed: the others are in the file.
    """
    settings = {"data": data_from, "plain": f"{plain}"}
    results = _read(path, settings)
    recipes = dict.fromkeys(recipe for technique in techniques for recipe in technique.recipes(plain))
    jobs = [(r, s) for s in seeds for r in recipes if str(s) not in results.get(r.key, {})]
    failed: list[str] = []
    run = functools.partial(_run, data_from=data_from)
    if watch is not None:
        watch(0, len(jobs))
    for done, outcome in enumerate(each(run, jobs, executor, workers=workers, threads=1) if jobs else (), 1):
        recipe, seed = outcome.item
        if outcome.error is not None:
            failed.append(f"{recipe.key}, seed {seed}:\n{outcome.error}")
        else:
            results.setdefault(recipe.key, {})[str(seed)] = outcome.value
            content = {"settings": settings, "test error, %": results}
            write_atomically(path, (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
        if watch is not None:
            watch(done, len(jobs))
    if failed:
        raise RuntimeError("\n\n".join([f"lecture: {len(failed)} of {len(jobs)} runs failed", *failed]))
    return results


def _run(job: tuple[Recipe, int], data_from: str) -> float:
    return round(test_error(*job, data_from), 4)


def _read(path: Path, settings: dict[str, str]) -> Results:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    for name, value in settings.items():
        if content["settings"][name] != value:
            raise ValueError(
                f"lecture: {path} has results of {name} {content['settings'][name]}, not {value}; choose another file"
            )
    return content["test error, %"]


def rows(results: Results, techniques: Iterable[Technique], plain: Recipe = Recipe()) -> list[Row]:  # noqa: B008
    """A Row for each technique of which there are results for two seeds or more."""
    found = []
    for technique in techniques:
        without, with_it = (results.get(r.key, {}) for r in technique.recipes(plain))
        seeds = sorted(without.keys() & with_it.keys(), key=int)
        if len(seeds) >= 2:
            a, b = (np.array([part[s] for s in seeds]) for part in (without, with_it))
            found.append(Row(technique, _mean(a), _mean(b), _mean(b - a), len(seeds)))
    return found


def _mean(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def markdown(found: Sequence[Row]) -> str:
    """The rows as a table of Markdown."""
    lines = [
        "| technique | settings | claim | without, % | with, % | difference | measured |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    for row in found:
        t, (mean, error) = row.technique, row.difference
        cells = (
            t.name,
            t.how,
            t.claim,
            _said(row.without),
            _said(row.with_it),
            f"{mean:+.2f} ± {error:.2f}",
            row.verdict,
        )
        lines.append(f"| {' | '.join(cells)} |".replace("+-", "−").replace("| -", "| −"))
    counts = sorted({row.seeds for row in found})
    lines += ["", f"Seeds: {', '.join(map(str, counts))}. Test error in percent; ± is one standard error of the mean."]
    return "\n".join(lines)


def _said(value: tuple[float, float]) -> str:
    return f"{value[0]:.2f} ± {value[1]:.2f}"


def renewed(page: str, table: str) -> str:
    """The page with this table between its two markers; raises ValueError if it has none."""
    if START not in page or END not in page:
        raise ValueError(f"lecture: the page has no place for the table; give it the lines {START} and {END}")
    before, _, rest = page.partition(START)
    return f"{before}{START}\n\n{table}\n\n{END}{rest.partition(END)[2]}"
