"""What curvature costs: products beside the peers' as multiples of a gradient, and growth with the number of parameters.

    python tests/bench/curvature.py            prints the tables
    python tests/bench/curvature.py --write    renews the tables, the pictures and the machine's line in docs/curvature.md

Rows, peers and timing are those of `make bench`: contenders take turns in one run, and medians are compared.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import machine
import numpy as np
import style
import workloads
from nets import NETS, batch, directions, own
from timing import GRADIENT, OWN, OWN_MODES, Row, Steps, measured, median

import minigrad as mg
from minigrad import data, nn, optim, viz
from minigrad.optim.curvature import density, eigenvalues, hessian, power_iteration
from minigrad.optim.directions import bfgs_update, newton, two_loop

DOCS = Path(__file__).parents[2] / "docs"
NETWORKS = ("small_cnn", "digits_cnn", "mlp")
FUNC, GAUSS_NEWTON = "torch.func", "minigrad Gauss–Newton"


def products(name: str, repeated: bool) -> Steps:
    """The steps of `make bench`, and with them torch.func's forward over reverse and our Gauss–Newton product."""
    steps = workloads.products(name, repeated) | {GAUSS_NEWTON: _gauss_newton(name, repeated)}
    return steps if repeated else steps | _torch_func(name)


def _gauss_newton(name: str, repeated: bool) -> Callable[[], Any]:
    make, shape, *_ = NETS[name]
    model, (x, labels) = own(make), batch(shape)
    params, vs = model.parameters(), directions(model)

    def pair() -> tuple[mg.Tensor, mg.Tensor]:
        z = model(x)
        return mg.cross_entropy(z, labels), z

    if repeated:
        return partial(mg.linearize_ggn(pair, params)[2], *vs)
    return lambda: mg.ggnvp(lambda: model(x), lambda z: mg.cross_entropy(z, labels), params, vs)


def _torch_func(name: str) -> Steps:
    """jvp of grad, in the memory layout that suits images best."""
    try:
        import torch
        import torch_peer
    except ModuleNotFoundError:
        return {}
    make, shape, *_ = NETS[name]
    layout = torch.channels_last if len(shape) == 4 else None
    (x, labels), module = torch_peer._batch(shape), torch_peer._made(make)
    module, x = torch_peer._laid_out(module, x, layout)
    for m in module.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.track_running_stats, m.running_mean, m.running_var, m.num_batches_tracked = False, None, None, None
    params = {k: p.detach() for k, p in module.named_parameters()}
    vs = {k: torch.from_numpy(v) for k, v in zip(params, directions(own(make)), strict=True)}

    def loss(params: Any) -> Any:
        return torch.nn.functional.cross_entropy(torch.func.functional_call(module, params, (x,)), labels)

    gradient = torch.func.grad(loss)
    return {
        FUNC: lambda: torch.func.jvp(gradient, (params,), (vs,))[1],
        FUNC + GRADIENT: lambda: gradient(params),
    }


def multiples(row: Row) -> dict[str, float]:
    """Each contender's time over that of its own gradient; ours, both modes, over the faster of our gradients."""
    seconds = row.medians
    found = dict(row.multiples)
    found[GAUSS_NEWTON] = seconds[GAUSS_NEWTON] / min(
        seconds[k + GRADIENT] for k in OWN_MODES if k + GRADIENT in seconds
    )
    return found


def table(rows: list[Row]) -> str:
    """Multiples of the own gradient, and milliseconds; a ratio says how much longer the fastest peer takes."""
    names = sorted({k for row in rows for k in multiples(row)}, key=lambda k: (not k.startswith(OWN), k))
    lines = [["product", *names, "fastest peer / minigrad"], ["---"] + ["---:"] * (1 + len(names))]
    for row in rows:
        seconds, times = row.medians, multiples(row)
        cells = [f"{times[k]:.2f}× ({1e3 * seconds[k]:.3g})" if k in times else "" for k in names]
        rivals = [seconds[k] for k in times if not k.startswith(OWN)]
        ratio = f"{min(rivals) / seconds[row.own]:.2f}" if rivals else ""
        lines.append([row.workload, *cells, ratio])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# ---- growth --------------------------------------------------------------------------------------------------------


def chained_rosenbrock(x: mg.Tensor) -> mg.Tensor:
    """A function of any number of variables that costs as much as it has."""
    a, b = x[:-1], x[1:]
    return (100 * (b - a * a) ** 2 + (1 - a) ** 2).sum()


def newton_step(n: int) -> Callable[[], Any]:
    a = np.random.default_rng(0).standard_normal((n, n))
    return partial(newton, a @ a.T / n + np.eye(n), np.ones(n))


def bfgs(n: int) -> Callable[[], Any]:
    s, y = np.random.default_rng(0).random((2, n))
    return partial(bfgs_update, np.eye(n), s, y)


def lbfgs(n: int) -> Callable[[], Any]:
    pairs = list(np.random.default_rng(0).random((10, 2, n)))
    return partial(two_loop, np.ones(n), [(s, y) for s, y in pairs])


def hessian_product(n: int) -> Callable[[], Any]:
    x, v = np.random.default_rng(0).random((2, n))
    return partial(mg.linearize_grad(chained_rosenbrock, (x,))[2], v)


def gradient(n: int) -> Callable[[], Any]:
    return partial(mg.grad(chained_rosenbrock), np.random.default_rng(0).random(n))


DENSE, LONG = (100, 200, 400, 800, 1600), (1_000, 10_000, 100_000, 300_000, 1_000_000)
GROWTH = {
    "Newton's linear system": (newton_step, DENSE, 3),
    "BFGS update": (bfgs, DENSE, 2),
    "L-BFGS direction, 10 pairs": (lbfgs, LONG, 1),
    "Hessian-vector product": (hessian_product, LONG, 1),
    "gradient": (gradient, LONG, 1),
}


def growth(path: Path | None) -> str:
    """Time each for several sizes; the table of slopes, and the picture."""
    figure = style.figure(7.2, 4.6)
    axes = style.axes(figure.subplots(), "parameters N", "ms")
    lines = ["| step | theory | slope measured | ms at the largest N |", "| --- | ---: | ---: | ---: |"]
    for (name, (make, sizes, power)), color in zip(GROWTH.items(), style.COLORS):
        ms = [1e3 * median(make(n), 0.5) for n in sizes]
        slope = float(np.polyfit(np.log(sizes[-3:]), np.log(ms[-3:]), 1)[0])
        axes.plot(sizes, ms, "o-", color=color, linewidth=1.6, markersize=4, label=f"{name}, slope {slope:.2f}")
        lines.append(f"| {name} | {power} | {slope:.2f} | {ms[-1]:.3g} (N = {sizes[-1]:,}) |")
    axes.legend(frameon=False, fontsize=9, labelcolor=style.INK)
    if path is not None:
        figure.savefig(path, dpi=120)
    return "\n".join(lines)


def resnet8(path: Path | None) -> str:
    """The spectrum of ResNet-8 after an epoch of digits, and its largest eigenvalue by both methods."""
    mg.seed(0)
    digits, model = data.digits(), nn.models.resnet8(in_channels=1, rng=0)
    opt = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for x, labels in data.Loader(digits.train, 64):
        opt.step(lambda: mg.cross_entropy(model(x), labels))
    x, labels = digits.train[np.arange(256)]
    H = hessian(lambda: mg.cross_entropy(model.eval()(x), labels), model.parameters())
    title = f"Hessian of ResNet-8 ({H.shape[0]:,} parameters) after an epoch of digits"
    viz.spectrum(density(H, probes=8, steps=40, rng=0), path, title=title)
    lanczos, power = eigenvalues(H, rng=0), power_iteration(H, rng=0)
    return (
        f"ResNet-8's largest eigenvalue: {lanczos.values[0]:.4f} by Lanczos, {lanczos.products} products; "
        f"{power.values[0]:.4f} by power iteration, {power.products} products"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--budget", type=float, default=1.5, help="seconds for each row, about")
    parser.add_argument("--write", action="store_true", help="renew docs/curvature.md")
    options = parser.parse_args()
    workloads.set_threads(options.threads)
    rows = []
    for name in NETWORKS:
        for repeated in (False, True):
            label = f"{name}, {'one more' if repeated else 'with its gradient'}"
            rows.append(measured(label, options.threads, products(name, repeated), options.budget))
            print(f"{label}: other processes took {rows[-1].others:.2f} cores", file=sys.stderr, flush=True)
    busy = max(row.others for row in rows)
    described = f"{machine.describe()}; {style.threads(options.threads)}; {workloads.versions()}."
    described += f" Other processes took up to {busy:.1f} cores meanwhile."
    slopes = growth(DOCS / "images" / "curvature_growth.png" if options.write else None)
    largest = resnet8(DOCS / "images" / "spectrum.png" if options.write else None)
    print("\n\n".join([described, table(rows), slopes, largest]))
    if options.write:
        page = DOCS / "curvature.md"
        text = page.read_text(encoding="utf-8")
        for mark, part in (("machine", described), ("products", table(rows)), ("growth", slopes)):
            text = re.sub(
                rf"(<!-- {mark} -->\n).*?(<!-- end -->)", lambda m: m[1] + part + "\n" + m[2], text, flags=re.S
            )
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
