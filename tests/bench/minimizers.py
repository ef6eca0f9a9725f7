"""minigrad's `optim.minimize` beside SciPy's method of the same name, on the problems of Moré, Garbow and Hillstrom.

    PYTHONPATH=tests python -m bench.minimizers [--variants plain moved …] [--methods bfgs …] [--problems …] [--write]

Both get the same exact derivatives: minigrad's gradients, and its products with the Hessian. Both stop when no entry
of the gradient exceeds GTOL times the factor on f, or when BUDGET evaluations of f are used up; every other tolerance
of SciPy's is switched off (but for Newton-CG's on x: 1e-8), and its limits on iterations are out of reach. L-BFGS has
each side's own memory, 30 and 10 pairs. A problem is solved when f has five digits of a published minimum (see
`Problem.solved_by`). Evaluations of f are counted here, by one counter for both: all of them, and those up to the first
point that solves the problem. `newton`, which SciPy does not have, runs alone.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
from optim.more_garbow_hillstrom import PROBLEMS, Problem

import minigrad as mg
from minigrad import Tensor, optim

GTOL, BUDGET = 1e-9, 5000
PAGE = Path(__file__).parents[2] / "docs" / "second_order.md"

SCIPY: dict[str, tuple[str, dict[str, Any]]] = {  # the method's name there, and what switches its own tolerances off
    "bfgs": ("BFGS", {"gtol": GTOL}),
    "lbfgs": ("L-BFGS-B", {"gtol": GTOL, "ftol": 0, "maxfun": 10**9, "maxcor": 10}),
    "cg": ("CG", {"gtol": GTOL}),
    "newton-cg": ("Newton-CG", {"xtol": 1e-8}),  # a mean change of x; with less it goes on for ever
    "trust-ncg": ("trust-ncg", {"gtol": GTOL}),
}
OWN: dict[str, dict[str, Any]] = {}  # minigrad's options
METHODS = (*SCIPY, "newton")


# ---- the problems, as they are and disguised ----------------------------------------------------------------------


class Posed(NamedTuple):
    """Minimize f from x0. f is `unit` times the function whose minima are published."""

    f: Callable[[Tensor], Tensor]
    x0: np.ndarray
    unit: float = 1.0


def plain(problem: Problem) -> Posed:
    """as published"""
    return Posed(problem.f, problem.start)


def moved(problem: Problem) -> Posed:
    """the variables rotated at random, shifted, and scaled by factors from 1/3 to 3"""
    n = problem.start.size
    rng = np.random.default_rng(problem.number)
    rotation = np.linalg.qr(rng.normal(size=(n, n)))[0]
    A, b = rotation * 3 ** rng.uniform(-1, 1, n), rng.normal(size=n)
    return Posed(lambda z: problem.f(A @ z + b), np.linalg.solve(A, problem.start - b))


def far(problem: Problem) -> Posed:
    """from ten times the start; from (10, …, 10) where that is 0"""
    start = problem.start if problem.start.any() else np.ones_like(problem.start)
    return Posed(problem.f, 10 * start)


def small(problem: Problem) -> Posed:
    """f multiplied by 1e-10"""
    return Posed(lambda x: 1e-10 * problem.f(x), problem.start, 1e-10)


def large(problem: Problem) -> Posed:
    """f multiplied by 1e10"""
    return Posed(lambda x: 1e10 * problem.f(x), problem.start, 1e10)


VARIANTS = {v.__name__: v for v in (plain, moved, far, small, large)}


# ---- a run of either ----------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """What a method did with a problem: f as published, and how often f, its gradient and products were computed."""

    solved: bool
    f: float
    evaluations: int
    until_solved: int | None
    gradients: int
    products: int
    reason: str


class Spent(Exception):
    """The evaluations are used up."""


class Watched:
    """A posed problem that notes the value of every evaluation."""

    def __init__(self, problem: Problem, posed: Posed) -> None:
        self.problem, self.posed = problem, posed
        self.values: list[float] = []

    def __call__(self, x: Tensor) -> Tensor:
        if len(self.values) == BUDGET:
            raise Spent
        y = self.posed.f(x)
        self.values.append(float(y.data) / self.posed.unit)
        return y

    def run(self, f: float, gradients: int, products: int, reason: str) -> Run:
        first = next((k for k, value in enumerate(self.values, 1) if self.problem.solved_by(value)), None)
        solved = self.problem.solved_by(f)
        return Run(solved, f, len(self.values), first if solved else None, gradients, products, reason)


class Traced:
    """A function on arrays for SciPy: its value, gradient and products at a point come from one recorded evaluation."""

    def __init__(self, f: Callable[[Tensor], Tensor]) -> None:
        self.f, self.gradients, self.products = f, 0, 0
        self.x: np.ndarray | None = None

    def _at(self, x: np.ndarray) -> None:
        if self.x is None or not np.array_equal(x, self.x):
            leaf = mg.tensor(x, requires_grad=True)
            self.x, self.leaf, self.y, self.slope = x.copy(), leaf, self.f(leaf), None

    def value(self, x: np.ndarray) -> float:
        self._at(x)
        return float(self.y.data)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        self._at(x)
        self.gradients += 1
        return mg.pull(self.y, [self.leaf], retain_graph=True)[0].data

    def product(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        self._at(x)
        self.products += 1
        if self.slope is None:
            self.slope = mg.pull(self.y, [self.leaf], create_graph=True)
        return mg.push(self.slope, [self.leaf], [v])[0].data


def ours(problem: Problem, posed: Posed, method: str) -> Run:
    """minigrad's run."""
    f = Watched(problem, posed)
    limits = {"gtol": GTOL * posed.unit, "max_iter": 10**9, "max_evaluations": BUDGET}
    found = optim.minimize(f, posed.x0, method, **limits, **OWN.get(method, {}))
    assert found.n_fev == len(f.values)
    return f.run(found.fun / posed.unit, found.n_gev, found.n_hvp, found.status)


def scipys(problem: Problem, posed: Posed, method: str) -> Run:
    """SciPy's run. Where it uses up its evaluations, its lowest value counts."""
    name, options = SCIPY[method]
    f = Watched(problem, posed)
    traced = Traced(f)
    options = {key: value * posed.unit if key == "gtol" else value for key, value in options.items()}
    products = {"hessp": traced.product} if method in ("newton-cg", "trust-ncg") else {}
    try:
        found = scipy.optimize.minimize(
            traced.value,
            posed.x0,
            method=name,
            jac=traced.gradient,
            options=options | {"maxiter": 10**9},
            callback=lambda x: _stop_when_flat(traced, x, posed) if method == "newton-cg" else None,
            **products,
        )
        value, reason = found.fun / posed.unit, found.message
    except Spent:
        value, reason = min(f.values), f"{BUDGET} evaluations"
    return f.run(value, traced.gradients, traced.products, reason)


def _stop_when_flat(traced: Traced, x: np.ndarray, posed: Posed) -> None:
    """Newton-CG knows no tolerance for the gradient: it is given this one."""
    if np.abs(mg.pull(traced.y, [traced.leaf], retain_graph=True)[0].data).max() <= GTOL * posed.unit:
        raise StopIteration


# ---- side by side -------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    """What both did with one problem; theirs is None for a method that SciPy does not have."""

    ours: Run
    theirs: Run | None


Found = dict[tuple[str, str], dict[str, Pair]]  # by variant and method: by problem


def compare(
    variants: Iterable[str] = VARIANTS, methods: Iterable[str] = METHODS, problems: Iterable[str] = PROBLEMS
) -> Found:
    """Run both on every problem, by every method, in every disguise."""
    found: Found = {}
    for variant in variants:
        for method in methods:
            pairs = found[variant, method] = {}
            for name in problems:
                problem = PROBLEMS[name]
                posed = VARIANTS[variant](problem)
                with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                    theirs = scipys(problem, posed, method) if method in SCIPY else None
                    pairs[name] = Pair(ours(problem, posed, method), theirs)
    return found


class Total(NamedTuple):
    """One side's sums over all problems, and over those that both sides solve: what it took until they were solved."""

    solved: int
    evaluations: int
    gradients: int
    products: int
    shared: int
    until_solved: int


def totals(pairs: dict[str, Pair]) -> list[Total]:
    """minigrad's, and SciPy's where there is one."""
    sides = list(zip(*((p.ours,) if p.theirs is None else p for p in pairs.values())))
    shared = [i for i, runs in enumerate(zip(*sides)) if all(run.solved for run in runs)]
    return [
        Total(
            *(sum(getattr(run, field) for run in side) for field in ("solved", "evaluations", "gradients", "products")),
            len(shared),
            sum(side[i].until_solved or 0 for i in shared),
        )
        for side in sides
    ]


def summary(found: Found) -> list[list[str]]:
    """A table: minigrad's number / SciPy's."""
    rows = [["variant", "method", "solved", "evaluations", "until solved", "gradients", "products"]]
    for (variant, method), pairs in found.items():
        both = totals(pairs)
        cells = [" / ".join(f"{getattr(t, field):,}" for t in both) for field in Total._fields]
        solved, evaluations, gradients, products, _, until = cells
        rows.append([variant, method, f"{solved} of {len(pairs)}", evaluations, until, gradients, products])
    return rows


def details(found: Found) -> list[list[str]]:
    """A table: for each problem, evaluations until it was solved, minigrad's / SciPy's; a dash where it was not."""
    rows = []
    for (variant, _), pairs in found.items():
        for name, pair in pairs.items():
            row = next((row for row in rows if row[:2] == [variant, name]), None)
            if row is None:
                rows.append(row := [variant, name])
            row.append(" / ".join(str(run.until_solved or "–") for run in pair if run is not None))
    return [["variant", "problem", *dict.fromkeys(method for _, method in found)], *rows]


def text(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)


def markdown(rows: list[list[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + " --- |" * 2 + " ---: |" * (len(rows[0]) - 2), *body])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.minimizers", description=__doc__)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--pairs", type=int, help="so many for both sides' L-BFGS")
    parser.add_argument("--details", action="store_true", help="print each problem, not only the sums")
    parser.add_argument("--json", type=Path, help="write every run here")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/second_order.md")
    options = parser.parse_args()
    if options.write and (set(options.variants), set(options.methods)) != (set(VARIANTS), set(METHODS)):
        parser.error("--write writes the whole table: it needs all variants and methods")
    if options.pairs:
        if options.write:
            parser.error("--write is for the methods as they come, without --pairs")
        OWN["lbfgs"], SCIPY["lbfgs"][1]["maxcor"] = {"history_size": options.pairs}, options.pairs
    found = compare(options.variants, options.methods, options.problems)
    if options.details:
        print(text(details(found)), end="\n\n")
    print("minigrad / SciPy", text(summary(found)), sep="\n")
    if options.json:
        runs = [
            {"variant": variant, "method": method, "problem": name, "who": who} | run._asdict()
            for (variant, method), pairs in found.items()
            for name, pair in pairs.items()
            for who, run in pair._asdict().items()
            if run is not None
        ]
        options.json.write_text(json.dumps(runs, indent=1) + "\n")
    if options.write:
        write(found)


def write(found: Found) -> None:
    """Put the tables between the page's marks."""
    page = PAGE.read_text(encoding="utf-8")
    alone = {key: pairs for key, pairs in found.items() if key[0] == "plain"}
    for mark, table in (("totals", summary(found)), ("problems", details(alone))):
        begin, end = f"<!-- {mark} -->\n", f"\n<!-- end of {mark} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        if not after:
            raise SystemExit(f"{PAGE.name} lacks the marks {begin.strip()} and {end.strip()}")
        page = before + begin + "\n" + markdown(table) + "\n" + end + after
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
