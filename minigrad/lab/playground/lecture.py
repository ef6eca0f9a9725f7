"""The pictures of a first lecture on optimization, ready: `LECTURE[name](path)` draws one.

They follow the lecture "Training Neural Networks, Part II" of Stanford's CS231n. Most are a `Scene`: some racers on a
surface, with their paths on the left and what they are to show against the evaluations on the right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import calculus, optim
from ...ops.elementwise import cos, sqrt
from ...optim import schedules
from ...tape import Array, Tensor
from ...viz.style import INK, Path, finished, quiet
from .pictures import color, draw_lines, draw_losses, draw_paths, figure
from .race import Racer, Rate, Track, race
from .surfaces import SURFACES, Surface


class Scene(NamedTuple):
    """Racers on a surface, and what the right panel shows of them: "loss", or "step", the length of each step."""

    title: str
    surface: Surface
    racers: Sequence[Racer]
    budget: int
    shows: str = "loss"

    def draw(self, path: Path = None) -> Any:
        """The picture; with `path`, it is also saved there."""
        made = figure(11.5, 4.4)
        left, right = made.subplots(1, 2)
        tracks = race(self.surface, self.racers, self.budget)
        draw_paths(left, self.surface, tracks)
        if self.shows == "loss":
            draw_losses(right, self.surface, tracks)
        else:
            draw_lines(right, [_steps(track) for track in tracks], "step", "length of the step")
        return finished(made, self.title, path, dpi=110)


def _steps(track: Track) -> tuple[str, Array, Array]:
    lengths = np.linalg.norm(np.diff(track.points, axis=0), axis=1)
    return track.label, np.arange(1, len(lengths) + 1), np.maximum(lengths, 1e-12)


def _uncorrected(params: Any, lr: Rate) -> optim.Adam:
    return optim.Adam(params, lr, bias_correction=False)


def _slope(x: Tensor) -> Tensor:
    return sqrt(1 + x[0] ** 2) + sqrt(1 + x[1] ** 2)


QUADRATIC, SADDLE, NOISY = SURFACES["quadratic"], SURFACES["saddle"], SURFACES["noisy-bowl"]
SLOPE = Surface("slope", _slope, (-9, 2), ((-10, -3.5), (4, 3.5)), ((0, 0),), "nearly as steep everywhere")

SCENES = {
    "zigzag": Scene(
        "Gradient descent zigzags: a rate that the steep direction bears is too small for the flat one",
        QUADRATIC,
        [Racer("SGD, lr 0.095", optim.SGD, 0.095), Racer("SGD, lr 0.02", optim.SGD, 0.02)],
        40,
    ),
    "saddle": Scene(
        "At a saddle the gradient vanishes: gradient descent waits, adaptive steps do not",
        SADDLE,
        [
            Racer("SGD", optim.SGD, 0.1),
            Racer("Momentum", optim.Momentum, 0.1),
            Racer("RMSProp", optim.RMSProp, 0.1),
            Racer("trust-ncg", "trust-ncg"),
        ],
        100,
    ),
    "noise": Scene(
        "With noisy gradients a constant rate wanders about the minimum; one that decays arrives",
        NOISY,
        [
            Racer("lr 0.2", optim.SGD, 0.2),
            Racer("lr 0.02", optim.SGD, 0.02),
            Racer("lr 0.2 / (1 + 0.1 t)", optim.SGD, schedules.inverse(0.2, 0.1)),
        ],
        200,
    ),
    "momentum": Scene(
        "Momentum builds up speed along the valley, and overshoots; Nesterov's looks ahead and overshoots less",
        QUADRATIC,
        [
            Racer("SGD", optim.SGD, 0.02),
            Racer("Momentum", optim.Momentum, 0.02),
            Racer("Nesterov", optim.Nesterov, 0.02),
        ],
        80,
    ),
    "adagrad": Scene(
        "AdaGrad divides by all gradients ever seen, so its steps shrink for ever; RMSProp forgets, and keeps going",
        SLOPE,
        [Racer("AdaGrad, lr 0.25", optim.AdaGrad, 0.25), Racer("RMSProp, lr 0.05", optim.RMSProp, 0.05)],
        75,
        "step",
    ),
    "rmsprop": Scene(
        "RMSProp takes steps of one size in each direction, however steep: it heads for the minimum at once",
        QUADRATIC,
        [
            Racer("SGD, lr 0.09", optim.SGD, 0.09),
            Racer("RMSProp, lr 0.3, decaying", optim.RMSProp, schedules.exponential(0.3, 0.04)),
            Racer("Adam, lr 0.5", optim.Adam, 0.5),
        ],
        80,
    ),
    "adam": Scene(
        "Adam's first steps: without bias correction the first is 3.2 times as long, and later ones longer still",
        QUADRATIC,
        [Racer("Adam", optim.Adam, 0.2), Racer("without correction", _uncorrected, 0.2)],
        30,
        "step",
    ),
    "bfgs": Scene(
        "BFGS learns the curvature from gradients as it goes; Newton's method is told it, and pays for that",
        SURFACES["rosenbrock"],
        [Racer("SGD", optim.SGD, 0.001), Racer("BFGS", "bfgs"), Racer("Newton", "newton")],
        100,
    ),
}


def decay(path: Path = None) -> Any:
    """Schedules, and what they make of one noisy race."""
    steps, top = 200, 0.3
    rates = {
        "constant": schedules.constant(top),
        "step": schedules.step_decay(top, 60, 0.2),
        "exponential": schedules.exponential(top, 0.02),
        "1/t": schedules.inverse(top, 0.1),
        "cosine": schedules.cosine(top, steps),
    }
    made = figure(11.5, 4.4)
    left, right = made.subplots(1, 2)
    t = np.arange(steps)
    draw_lines(left, [(k, t, np.array([max(rate(int(i)), 1e-3) for i in t])) for k, rate in rates.items()],
               "step", "learning rate")  # fmt: skip
    draw_lines(right, [_mean_loss(label, rate, steps) for label, rate in rates.items()],
               "step", "loss above the minimum, mean of 40 races")  # fmt: skip
    return finished(
        made, "A constant rate leaves loss on the table: the noise keeps it up until the rate comes down", path, dpi=110
    )


def _mean_loss(label: str, rate: Rate, steps: int, races: int = 40) -> tuple[str, Array, Array]:
    """Many races at once: their points are one parameter of shape (2, races)."""
    rng = np.random.default_rng(0)
    x = Tensor(np.repeat(np.array(NOISY.start)[:, None], races, axis=1), True)
    optimizer, losses = optim.SGD([x], rate), [NOISY.values(x.data.T).mean()]
    for _ in range(steps):
        noise = NOISY.noise * rng.standard_normal(x.shape)
        optimizer.step(lambda: (NOISY.f(x) + (noise * x).sum(0)).sum())
        losses.append(NOISY.values(x.data.T).mean())
    return label, np.arange(steps + 1), np.array(losses) - NOISY.least


def _wave(x: Tensor) -> Tensor:
    return 0.12 * x**2 - cos(x)


def steps(path: Path = None) -> Any:
    """On a curve: the tangent, which says which way, and the parabola, which says how far too."""
    at, lr = 1.0, 0.5
    f = lambda x: _wave(Tensor(np.asarray(x, float))).data  # noqa: E731
    slope = calculus.grad(_wave)(at).item()
    bend = calculus.hessian(_wave)(at).item()
    x = np.linspace(-2.2, 2.2, 300)
    tangent = lambda x: f(at) + slope * (x - at)  # noqa: E731
    parabola = lambda x: tangent(x) + bend * (x - at) ** 2 / 2  # noqa: E731
    panels = (
        (tangent, at - lr * slope, "first order: the tangent tells the direction;\nhow far to go is up to the rate"),
        (
            parabola,
            at - slope / bend,
            "second order: the parabola has a minimum;\nthe step goes there, and needs no rate",
        ),
    )
    made = figure(11.5, 4.2)
    for axes, (model, end, says) in zip(made.subplots(1, 2, sharey=True), panels):
        axes.plot(x, f(x), color=INK, linewidth=2)
        axes.plot(x, model(x), color=color(1), linewidth=1.8, linestyle=(0, (5, 2)))
        axes.plot([end, end], [model(end), f(end)], color=color(1), linewidth=1.2, linestyle=":")
        axes.plot(end, model(end), "o", color=color(1), markersize=5)
        axes.plot(at, f(at), "o", color=INK, markersize=8)
        axes.annotate(
            "", (end, f(end)), (at, f(at)), arrowprops={"arrowstyle": "->", "color": color(0), "linewidth": 2}
        )
        axes.plot(end, f(end), "o", color=color(0), markersize=8)
        axes.set(ylim=(-1.6, 0.7), xlim=(x[0], x[-1]), xticks=[], yticks=[])
        axes.set_title(says, color=INK, fontsize=11)
        quiet(axes, grid=False)
        axes.text(-1.75, f(-1.75), "loss", color=INK, weight="bold", ha="right", va="top")
        axes.text(at + 0.08, f(at) - 0.08, "here", color=INK, weight="bold", va="top")
        axes.text((at + end) / 2, (f(at) + f(end)) / 2 + 0.1, "the step", color=color(0), weight="bold", ha="right")
        axes.text(1.8, model(1.8) - 0.1, "its model", color=color(1), weight="bold", ha="left", va="top")
    return finished(made, "A step of first order and a step of second order", path, dpi=110)


LECTURE: dict[str, Callable[..., Any]] = {
    **{name: scene.draw for name, scene in SCENES.items()},
    "decay": decay,
    "steps": steps,
}
