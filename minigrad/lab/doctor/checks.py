"""The checks, in causal order: each measures one thing, and names the likely cause where it is not as expected."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...gradcheck import Report, gradcheck
from ...tape import Tensor, no_grad
from .patient import BURN_IN, FEW, Patient
from .report import Finding

CHECKED = 4  # samples of a gradient check
_BRIEF: dict[str, Any] = {"entries": 2, "samples": 2, "directions": 1}


def inputs(patient: Patient) -> Finding:
    """Are inputs finite, and of the order of one?"""
    x = patient.x.astype(np.float64)
    mean, std = x.mean(), x.std()
    found = Finding("inputs", f"mean {mean:.3g}, standard deviation {std:.3g}", "finite, of the order of one")
    if not np.isfinite(x).all():
        return found._replace(cause="the inputs are not finite: look for missing values, or a division by zero")
    if std > 10 or abs(mean) > 10 * max(std, 1) or std < 1e-3:
        text = (
            "the inputs are not normalised: subtract the mean and divide by the standard deviation of the training set"
        )
        return found._replace(cause=text)
    return found


def double_softmax(patient: Patient) -> Finding:
    """Does the loss take a softmax of what is one already?"""
    out = patient.outputs
    distribution = bool((out >= 0).all()) and bool(np.allclose(out.sum(1), 1, atol=1e-3))
    sure = np.eye(patient.classes, dtype=out.dtype)
    with no_grad():
        least = patient.loss(Tensor(sure), np.arange(patient.classes)).item()
    if not distribution:
        return Finding("outputs", "not distributions: logits", "logits, for a loss that takes a softmax")
    found = Finding("outputs", f"distributions; one that is sure and right costs {least:.3f}", "a loss of 0 for it")
    if least < 0.05 * math.log(patient.classes):
        return found
    text = "softmax is applied twice, by the model and by the loss: let the model return logits, without its softmax"
    return found._replace(cause=text)


def labels(patient: Patient) -> Finding:
    """Do the labels have to do with the inputs? Neighbours, and the model itself, should tell better than chance."""
    x, y = patient.x[:600].reshape(len(patient.x[:600]), -1).astype(np.float64), patient.y[:600]
    if len(x) < 50:
        return Finding("labels", f"{len(x)} samples: too few to tell", "50 samples or more")
    chance = float((np.bincount(y) ** 2).sum() / len(y) ** 2)
    near = _nearest_neighbour_accuracy(x, y)
    found = Finding("labels", f"the nearest neighbour knows {near:.0%}, chance {chance:.0%}", "better than chance")
    if near > chance + _margin(chance, len(x)):
        return found
    learnt, base = patient.held_out_accuracy(), float(np.bincount(y).max() / len(y))
    found = found._replace(
        measured=f"{found.measured}; on samples held out, the model {learnt:.0%} after {BURN_IN} steps"
    )
    if learnt > base + _margin(base, len(patient.held_out)):
        return found
    text = "the labels do not go with the inputs: were one of the two shuffled, sorted or cut without the other?"
    return found._replace(cause=text)


def _margin(p: float, n: int) -> float:
    """Three standard deviations of a frequency."""
    return 3 * math.sqrt(p * (1 - p) / n)


def _nearest_neighbour_accuracy(x: np.ndarray, y: np.ndarray) -> float:
    squares = (x * x).sum(1)
    distances = squares[:, None] + squares[None] - 2 * x @ x.T
    np.fill_diagonal(distances, np.inf)
    return float((y[distances.argmin(1)] == y).mean())


def initial_loss(patient: Patient) -> Finding:
    """Is the loss that of knowing nothing?"""
    known_nothing, value = math.log(patient.classes), patient.initial_loss
    found = Finding("initial loss", f"{value:.3f}", f"ln {patient.classes} = {known_nothing:.3f}, all classes alike")
    if not value < 2 * known_nothing:
        return found._replace(
            cause="the model begins sure and wrong: its last layer starts too large, or the inputs are not normalised"
        )
    if value < 0.5 * known_nothing:
        text = "the model knows the labels before it has learnt: has it been trained already, or do labels leak into x?"
        return found._replace(cause=text)
    return found


def regularisation(patient: Patient) -> Finding:
    """Does the penalty add to the loss?"""
    with patient.kept(), no_grad():
        penalty = patient.penalty(patient.model).item()
    found = Finding("regularisation", f"adds {penalty:.3g}", "more than 0, and less than the loss itself")
    if not penalty > 0:
        return found._replace(cause="the penalty does not raise the loss: wrong sign, or a factor of zero")
    if penalty > 10 * math.log(patient.classes):
        return found._replace(cause="regularisation outweighs the loss: divide its factor by ten or more")
    return found


def dead_units(patient: Patient) -> Finding:
    """Do relus let anything pass, at the start?"""
    relus = [layer for layer in patient.layers if layer.dead is not None]
    if not relus:
        return Finding("dead relus", "there are none", "fewer than 60 % in any layer")
    worst = max(relus, key=lambda layer: layer.dead or 0)
    found = Finding(
        "dead relus", f"at most {worst.dead:.0%} ({worst.name})", "fewer than 60 % in any layer, at the start"
    )
    if (worst.dead or 0) < 0.6:
        return found
    first = next(layer for layer in relus if (layer.dead or 0) >= 0.6)
    text = f"dead relus from the initialisation on, first in '{first.name}': biases too negative, or weights too large"
    return found._replace(cause=f"{text}; start biases at 0 and weights by nn.init.kaiming_normal")


def scales(patient: Patient) -> Finding:
    """Do activations and gradients keep their scale through the layers?"""
    sizes = [layer for layer in patient.layers if layer.dead is None]
    wanted = "no layer a thousand times larger or smaller than another"
    if len(sizes) < 2:
        return Finding("scales", "fewer than two layers", wanted)
    spans = {}
    for what in ("activation", "gradient"):
        values = np.array([getattr(layer, what) for layer in sizes])
        spans[what] = float(values.max() / max(values.min(), 1e-300)) if np.isfinite(values).all() else math.inf
    measured = ", ".join(f"{what}s span a factor of {span:.3g}" for what, span in spans.items())
    found = Finding("scales", measured, wanted)
    if spans["activation"] > 1e3:
        return found._replace(cause="activations explode or vanish with depth: initialise by nn.init.kaiming_normal, or normalise")  # fmt: skip
    if spans["gradient"] > 1e4:
        return found._replace(cause="gradients explode or vanish with depth: use residual blocks, batch norm, or another initialisation")  # fmt: skip
    return found


def modes(patient: Patient) -> Finding:
    """Does batch norm see the batches that it is trained with?"""
    norms = patient.batch_norms()
    if not norms:
        return Finding("batch norm", "there is none to train", "running statistics that move in a step")
    still = patient.still()
    moved = f"running statistics of {len(norms) - len(still)} of {len(norms)} move in a step"
    found = Finding("batch norm", moved, f"those of all {len(norms)}")
    if not still:
        return found
    text = f"batch norm was left in eval mode ({still[0]}): call model.train() before training, or train.freeze it if it is meant"
    return found._replace(cause=text)


def old_gradients(patient: Patient) -> Finding:
    """Does a step use gradients that the step before it has left?"""
    left, again, forgotten = (patient.after_two_steps(forget=forget) for forget in (False, False, True))
    found = Finding("old gradients", "not used by the next step", "not used by the next step")
    if not _alike(left, again):
        return found._replace(measured="the step draws from elsewhere and cannot be repeated: no telling")
    if _alike(left, forgotten):
        return found
    text = "zero_grad was forgotten: gradients of all steps add up; call optimizer.zero_grad() before backward"
    return found._replace(measured="added to those of the next step", cause=text)


def _alike(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(np.allclose(a, b, rtol=1e-3, atol=1e-7, equal_nan=True) for a, b in zip(some, others))


def learning_rate(patient: Patient) -> Finding:
    """Do steps move weights by about a thousandth of themselves, and the loss down?"""
    burn = patient.burn_in()
    what = f"updates are {burn.ratio:.1e} of the weights; loss {burn.start:.3g} to {burn.end:.3g} in {BURN_IN} steps"
    found = Finding("learning rate", what, "about 1e-3 (1e-5 to 0.3), and a loss that falls")
    if burn.ratio > 0.3:
        text = f"the learning rate is too high, by a factor of about {burn.ratio / 1e-2:.0f}: divide it by that"
        return found._replace(cause=text)
    if burn.end < 0.9 * burn.start:
        return found
    for scale, cause in (
        (0.01, "the learning rate is too high: with a hundredth of it the loss falls"),
        (100.0, "the learning rate is too low: with a hundred times as much the loss falls"),
    ):
        other = patient.burn_in(scale)
        if other.end < 0.9 * min(burn.start, burn.end):
            return found._replace(cause=f"{cause}, to {other.end:.3g}; find one by train.lr_range")
    if burn.ratio < 1e-5:
        return found._replace(
            cause="the steps hardly move the weights: the learning rate is too low, or nothing learns"
        )
    return found  # neither is to blame; whether it can learn at all is the next question


def by_heart(patient: Patient) -> Finding:
    """Can it learn a few samples by heart?"""
    least, steps = patient.by_heart()
    goal = 0.05 * math.log(patient.classes)
    found = Finding(
        "few by heart", f"loss {least:.3g} on {FEW} samples after {steps} steps", f"below {goal:.2f}: nearly zero"
    )
    if least < goal:
        return found
    for scale, cause in (
        (0.1, "the learning rate is too high: with a tenth of it"),
        (0.01, "the learning rate is too high: with a hundredth of it"),
        (10.0, "the learning rate is too low: with ten times as much"),
    ):
        other, steps = patient.by_heart(scale)
        if other < goal:
            return found._replace(cause=f"{cause}, {steps} steps are enough; find one by train.lr_range")
    return found._replace(
        cause="the model does not learn even a few samples by heart: if nothing above is to blame, it is too small or too "
        "strongly regularised, or the step minimises something else than this loss on these labels"
    )


def data_gradient(patient: Patient) -> Finding:
    """Is the gradient of the data loss right, after a short burn-in, random layers on and their draws held?"""
    few = patient.learnt[:CHECKED]
    x, y = patient.x[few], patient.y[few]
    return _gradient(
        "gradient of the loss", patient, lambda: gradcheck(patient.model, x, y, loss=patient.loss, **_BRIEF)
    )


def penalty_gradient(patient: Patient) -> Finding:
    """Is the gradient of the regularisation right, by itself? Added to a larger loss, its faults would not show."""
    learnt = {path: p for path, p in patient.model.named_parameters() if p.requires_grad}
    return _gradient("gradient of the penalty", patient, lambda: gradcheck(_penalty(patient), params=learnt, **_BRIEF))


def _gradient(name: str, patient: Patient, check: Callable[[], Report]) -> Finding:
    found = Finding(name, "not finite", "right")
    with patient.burnt_in(8):
        try:
            report = check()
        except ValueError as error:
            return found._replace(cause=f"it cannot be checked after a few steps: {error}")
    found = found._replace(measured=report.summary)
    suspects = "; ".join(map(str, report.suspects[:2])) or "see mg.gradcheck"
    return found if report.ok else found._replace(cause=f"a derivative is wrong: {suspects}")


def _penalty(patient: Patient) -> Callable[[], Tensor]:
    def penalty() -> Tensor:
        return patient.penalty(patient.model)

    return penalty


CHECKS: tuple[Callable[[Patient], Finding], ...] = (
    inputs, labels, double_softmax, initial_loss, regularisation, dead_units, scales, modes, old_gradients,
    learning_rate, by_heart, data_gradient, penalty_gradient,
)  # fmt: skip
