"""Transfer learning on the digits: what 0–4 have taught, used for 5–9 with 1, 5, 10 or 50 labels of each.

    python examples/transfer.py [folder]     the table and the picture of docs/transfer.md; default: runs/transfer

A network learns the digits 0–4 of the training half. Its head is replaced, and it goes on to 5–9 in three ways: only
the new head learns; all layers learn, later ones faster, unfrozen from the last to the first; or, for comparison, a new
network learns from scratch. Each way takes the same number of steps on the same images, and is judged by the 5–9 of the
test half, written by other people. The frozen arrays are audited in every run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from minigrad import data, lab, nn, optim, train
from minigrad.train.ensemble import each
from minigrad.viz import style

LABELS, SEEDS, STEPS = (1, 5, 10, 50), 10, 150
WAYS = ("from scratch", "only the head", "fine-tuned")
TRUNK = [["conv", "bn"], "block1", "block2"]
AUGMENT = data.Affine(rotate=15, scale=0.2, shear=0.25, shift=1)  # that of `minigrad train`


def digits(part: data.Dataset, low: int, high: int) -> data.Dataset:
    """The digits from low to high, counted from 0."""
    x, y = part[(low <= part.y) & (part.y <= high)]
    return data.Dataset(x, y - low)


def network(seed: int) -> lab.DigitsNet:
    model = lab.DigitsNet(width=16, dropout=0.0, stochastic_depth=0.0, rng=seed)
    train.replace_head(model, "fc", head(model, seed))
    return model


def head(model: lab.DigitsNet, seed: int) -> nn.Linear:
    return nn.Linear(model.fc.in_features, 5, rng=seed + 1)


def learn(model: nn.Module, optimizer: optim.Optimizer, part: data.Dataset, seed: int, steps: int, **options) -> None:
    batches = data.Loader(part, min(32, len(part)), seed=seed, transform=AUGMENT, drop_last=True)
    train.fit(model, optimizer, batches, epochs=-(-steps // len(batches)), progress=False, **options)


def taught(seed: int, steps: int = 2 * STEPS) -> lab.DigitsNet:
    """A network that knows 0–4."""
    model = network(seed)
    learn(model, optim.AdamW(model.parameters(), 3e-3), digits(data.digits().train, 0, 4), seed, steps)
    return model


def few(labels: int, seed: int) -> data.Dataset:
    """So many of each of 5–9."""
    part = digits(data.digits().train, 5, 9)
    order = np.random.default_rng(seed).permutation(len(part))
    return data.Dataset(*part[np.concatenate([order[part.y[order] == k][:labels] for k in range(5)])])


def adapt(way: str, known: lab.DigitsNet, part: data.Dataset, seed: int, steps: int = STEPS) -> nn.Module:
    """Learn these images in that way, from what the known network knows."""
    model = network(seed + 100)
    if way == "from scratch":
        learn(model, optim.AdamW(model.parameters(), 3e-3), part, seed, steps)
        return model
    loaded = train.load_pretrained(model, {k: v for k, v in known.state_dict().items() if not k.startswith("fc.")}, may_differ=["fc.*"])  # fmt: skip
    assert loaded.missing == ["fc.weight", "fc.bias"]
    if way == "only the head":
        train.freeze(model, "conv", "bn", "block?")
        with train.Audit(model) as audit:
            learn(model, optim.AdamW(model.parameters(), 3e-3), part, seed, steps)
        assert not audit.changes, audit.changes
        return model
    groups = train.discriminative_rates(model, 3e-3, layers=[*TRUNK, "fc"])
    batches = -(-steps // max(1, len(part) // min(32, len(part))))
    thaw = train.GradualUnfreezing(
        model, [*TRUNK, "fc"], every=max(1, batches // 8)
    )  # all learn after 3/8 of the steps
    learn(model, optim.AdamW(groups, 3e-3), part, seed, steps, callbacks=[thaw])
    return model


def errors(seed: int, labels: Iterable[int] = LABELS, steps: int = STEPS) -> dict[tuple[str, int], float]:
    """The test error in percent, by way and number of labels."""
    known, found = taught(seed, 2 * steps), {}
    tests = data.Loader(digits(data.digits().test, 5, 9), 256, shuffle=False)
    for n in labels:
        for way in WAYS:
            model = adapt(way, known, few(n, seed), seed, steps)
            found[way, n] = 100 * (1 - train.evaluate(model, tests).accuracy)
    return found


def table(runs: list[dict[tuple[str, int], float]]) -> str:
    labels = sorted({n for _, n in runs[0]})
    lines = [f"| labels of each digit | {' | '.join(map(str, labels))} |", f"|---|{'---:|' * len(labels)}"]
    for way in WAYS:
        cells = ["{:.1f} ± {:.1f}".format(*moments([run[way, n] for run in runs])) for n in labels]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    for way in WAYS[1:]:
        cells = ["{:+.1f} ± {:.1f}".format(*moments([run[way, n] - run[WAYS[0], n] for run in runs])) for n in labels]
        lines.append(f"| {way}, minus from scratch | {' | '.join(cells)} |".replace("| -", "| −"))
    return "\n".join(lines)


def moments(values: list[float]) -> tuple[float, float]:
    """Mean, and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5)


def picture(runs: list[dict[tuple[str, int], float]], path: Path) -> None:
    figure = style.figure(6.4, 3.6, "the picture")
    axes = figure.subplots()
    for i, (way, color) in enumerate(zip(WAYS, (style.PALE, style.ORANGE, style.BLUE))):
        means, spread = zip(*(moments([run[way, n] for run in runs]) for n in LABELS))
        x = np.array(LABELS) * (1 + 0.03 * (i - 1))
        axes.errorbar(x, means, yerr=spread, fmt="o-", color=color, label=way, linewidth=1.6, markersize=5)
    axes.set_xscale("log", base=10)
    axes.set_xticks(LABELS, map(str, LABELS))
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    style.label(axes, x="labels of each of 5–9", title="test error, %")
    style.quiet(axes)
    style.legend(axes, "best")
    style.finished(figure, "", path)


def main(folder: str = "runs/transfer", seeds: int = SEEDS, executor: Executor | None = None) -> None:
    outcomes = list(each(errors, range(seeds), executor))
    for outcome in outcomes:
        if outcome.error:
            raise SystemExit(outcome.error)
    runs = [outcome.value for outcome in sorted(outcomes)]
    Path(folder).mkdir(parents=True, exist_ok=True)
    picture(runs, Path(folder) / "transfer.png")
    print(table(runs))
    print(f"{seeds} seeds; ± is one standard error of the mean. {Path(folder) / 'transfer.png'}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
