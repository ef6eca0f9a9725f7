"""When does second order help a stochastic method? After an experiment of Byrd, Hansen, Nocedal and Singer (2016).

Logistic regression, 7,000 samples of 50 features, at three condition numbers of the Hessian. Every stochastic method
gets the same number of looks at samples (a Hessian-vector product costs as much as a gradient), both that reduce the
variance the same number of epochs, and each its best rate of a grid, found with one seed; numbers are medians over three
others.

    python examples/stochastic_quasi_newton.py            prints the tables (a few minutes)
    python examples/stochastic_quasi_newton.py --quick    a tenth of the data, one condition number
    python examples/stochastic_quasi_newton.py --write    renews the tables and the picture of the docs page
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad import optim
from minigrad.optim.curvature import hessian, placed
from minigrad.optim.directions import accept, two_loop
from minigrad.optim.vector import flat, split
from minigrad.viz import style

DOCS = Path(__file__).parents[1] / "docs"
BATCH, CURVATURE_BATCH, EVERY = 50, 300, 10  # a product on the larger batch after every 10th step
PASSES, EPOCHS = 20, 15
SPREADS = (10.0, 630.0, 10_000.0)  # of the variances of the features
SEEDS = (1, 2, 3)


class Problem:
    """Regularised logistic regression. The features' variances fall by `spread`, in directions mixed at random."""

    def __init__(self, spread: float, samples: int = 7000, features: int = 50) -> None:
        rng = np.random.default_rng(0)
        mixed, _ = np.linalg.qr(rng.standard_normal((features, features)))
        scales = np.sqrt(np.logspace(0, -np.log10(spread), features))
        truth = mixed.T @ (rng.standard_normal(features) / scales) * 2 / np.sqrt(features)
        self.x = (rng.standard_normal((samples, features)) * scales) @ mixed
        self.t = np.where(rng.random(samples) < 1 / (1 + np.exp(-self.x @ truth)), 1.0, -1.0)
        self.all = np.arange(samples)
        best = optim.minimize(partial(self.loss, self.all), np.zeros(features), method="newton", gtol=1e-12)
        self.least, self.w = best.fun, mg.tensor(best.x, requires_grad=True)
        values = np.linalg.eigvalsh(hessian(lambda: self.loss(self.all, self.w), [self.w]) @ np.eye(features))
        self.condition, self.top = values[-1] / values[0], values[-1]

    def loss(self, rows: np.ndarray, w: mg.Tensor) -> mg.Tensor:
        """Its mean over some samples."""
        return mg.softplus(mg.tensor(self.x[rows]) @ w * -self.t[rows]).mean() + 0.5e-5 * (w * w).sum()

    def excess(self, w: np.ndarray) -> float:
        """How far the loss over all samples is above the least."""
        return self.loss(self.all, mg.tensor(w)).item() - self.least


class Run(NamedTuple):
    """Excess loss against passes over the data."""

    passes: list[float]
    excess: list[float]

    @property
    def last(self) -> float:
        """What it came to; infinite, if to nothing."""
        return self.excess[-1] if np.isfinite(self.excess[-1]) else np.inf


class NoisyPairs(optim.SQN):
    """What SQN avoids: y as a difference of gradients on different samples."""

    before = np.nan  # the gradient at the mean before

    def _product(self, curvature, x, s):
        with placed(self.params, split(x, self.params)):
            g = flat(mg.grad(curvature, params=self.params)())
        y, self.before = g - self.before, g
        return y


def stochastic(make: Callable, problem: Problem, rate: float, seed: int, delay: int = 0) -> Run:
    """A rule of `optim` on mini-batches, with steps rate / (k + delay)."""
    rng, n, w = np.random.default_rng(seed), len(problem.all), problem.w
    w.data = np.zeros(w.shape)
    opt, looks, step, run = make([w], lambda k: rate / (k + 1 + delay)), 0, 0, Run([0.0], [problem.excess(w.data)])
    while looks < PASSES * n:
        loss = partial(problem.loss, rng.integers(0, n, BATCH), w)
        if isinstance(opt, optim.SQN):
            opt.step(loss, partial(problem.loss, rng.integers(0, n, CURVATURE_BATCH), w))
            looks += CURVATURE_BATCH * (step % EVERY == EVERY - 1)
        else:
            opt.step(loss)
        looks, step = looks + BATCH, step + 1
        if looks / n >= len(run.passes):
            run.passes.append(looks / n)
            run.excess.append(problem.excess(w.data))
    return run


def svrg(memory: int, problem: Problem, rate: float, seed: int) -> Run:
    """Gradients with reduced variance (Johnson, Zhang 2013), times L-BFGS's H of Hessian pairs (Moritz et al. 2016)."""
    rng, n = np.random.default_rng(seed), len(problem.all)
    w, looks, pairs, last = np.zeros(problem.x.shape[1]), 0, [], None
    run = Run([0.0], [problem.excess(w)])

    def gradient(rows: np.ndarray, w: np.ndarray) -> np.ndarray:
        return mg.grad(partial(problem.loss, rows))(w).data

    for _ in range(EPOCHS):
        anchor, full, total = w, gradient(problem.all, w), np.zeros_like(w)
        for k in range(1, n // BATCH + 1):
            rows, total = rng.integers(0, n, BATCH), total + w
            w = w - rate * two_loop(gradient(rows, w) - gradient(rows, anchor) + full, pairs)
            if memory and k % EVERY == 0:
                mean, total = total / EVERY, np.zeros_like(w)
                if last is not None:
                    s, large = mean - last, partial(problem.loss, rng.integers(0, n, CURVATURE_BATCH))
                    y = mg.hvp(large, (mean,), (s,))[0].data
                    pairs = [*pairs, (s, y)][-memory:] if accept(s, y) else pairs
                    looks += CURVATURE_BATCH
                last = mean
        looks += 3 * n
        run.passes.append(looks / n)
        run.excess.append(problem.excess(w))
    return run


SGD = partial(stochastic, optim.SGD)
SQN = partial(stochastic, partial(optim.SQN, every=EVERY, memory=20))
GRID = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
METHODS: dict[str, tuple[Callable, tuple[float, ...]]] = {  # with the rates among which each may choose
    "SGD, stable": (SGD, GRID),
    "SGD": (SGD, GRID),
    "SGD, delayed": (partial(SGD, delay=30), GRID),
    "Adam": (partial(stochastic, optim.Adam), (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)),
    "noisy pairs": (partial(stochastic, partial(NoisyPairs, every=EVERY, memory=20)), (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
    "SQN": (SQN, (1.0, 3.0, 10.0, 30.0, 100.0)),
    "SQN, delayed": (partial(SQN, delay=30), (1.0, 3.0, 10.0, 30.0, 100.0)),
    "SVRG": (partial(svrg, 0), (0.3, 1.0, 3.0, 10.0, 20.0)),
    "SVRG with pairs": (partial(svrg, 20), (0.03, 0.1, 0.3, 1.0)),
}


class Result(NamedTuple):
    """A method on a problem: its best rate, and a run for each seed."""

    rate: float
    runs: list[Run]

    @property
    def excess(self) -> float:
        return float(np.median([run.last for run in self.runs]))

    @property
    def median(self) -> Run:
        return sorted(self.runs, key=lambda run: run.last)[len(self.runs) // 2]


def measure(problem: Problem) -> dict[str, Result]:
    """Every method at its best rate; the first only at rates with which the first step is stable: up to 2 / λmax."""
    found, tried = {}, {}
    for name, (method, rates) in METHODS.items():
        if name == "SGD, stable":
            rates = [r for r in rates if r * problem.top <= 2]
        with np.errstate(all="ignore"):  # some rates are too large
            for rate in rates:
                if (method, rate) not in tried:
                    tried[method, rate] = method(problem, rate, 0).last
            best = min(rates, key=lambda rate: tried[method, rate])
            found[name] = Result(best, [method(problem, best, seed) for seed in SEEDS])
        print(f"  {name:<16} rate {best:<6g} excess loss {found[name].excess:.1e}", flush=True)
    return found


def table(results: dict[float, dict[str, Result]]) -> str:
    """Final excess losses, and in brackets the rates."""
    names = list(METHODS)
    lines = [["condition number", *names], ["---:"] * (1 + len(names))]
    for condition, found in results.items():
        lines.append(
            [
                f"{condition:.0f}",
                *(f"{found[name].excess:.1e} ({found[name].rate:g})".replace("0.0e+00", "0") for name in names),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


COLORS = {
    "SGD, stable": "#b8c2cc", "SGD": "#7a8794", "Adam": "#c79a1e", "noisy pairs": "#8a5fa8", "SQN": "#2f5d9b",
    "SVRG": "#3f8f6b", "SVRG with pairs": "#d1603d",
}  # fmt: skip


def picture(results: dict[float, dict[str, Result]]) -> Any:
    """A panel for each condition number."""
    figure = style.figure(11, 3.9, "the picture")
    for axes, (condition, found) in zip(np.ravel(figure.subplots(1, len(results), sharey=True)), results.items()):
        for name, color in COLORS.items():
            axes.semilogy(*found[name].median, color=color, label=name, linewidth=1.7)
        axes.set_title(f"condition number {condition:.0f}", loc="left", fontsize=11)
        axes.set_xlabel("passes over the data")
        axes.set_ylim(1e-11, 1)
        style.quiet(axes)
    figure.axes[0].set_ylabel("loss above the least")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    return figure


def problems(quick: bool) -> Iterator[Problem]:
    return (Problem(spread, 700 if quick else 7000) for spread in (SPREADS[1:2] if quick else SPREADS))


def write(results: dict[float, dict[str, Result]]) -> None:
    """Put the table between its marks on the docs page, and the picture beside it."""
    page = DOCS / "stochastic_quasi_newton.md"
    text = page.read_text(encoding="utf-8")
    text = re.sub(
        r"(<!-- table -->\n).*?(<!-- end -->)", lambda m: m[1] + table(results) + "\n" + m[2], text, flags=re.S
    )
    page.write_text(text, encoding="utf-8")
    picture(results).savefig(DOCS / "images" / "stochastic_quasi_newton.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    results = {}
    for problem in problems(options.quick):
        print(f"condition number {problem.condition:.0f}, least loss {problem.least:.4f}")
        results[problem.condition] = measure(problem)
    print(table(results))
    if options.write:
        write(results)


if __name__ == "__main__":
    main()
