"""`doctor`: takes a patient through the checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import optim
from ...errors import check_function, shown
from ...nn import Module, l2_penalty
from ...ops.loss import cross_entropy
from ...tape import as_array
from ...train.given import check_loss, check_model, check_optimizer, named_within
from .checks import CHECKS
from .patient import FEW, Patient, Penalty, Step
from .report import Diagnosis, Finding


@named_within
def doctor(
    model: Module,
    x: Any,
    y: Any,
    loss: Callable = cross_entropy,
    *,
    optimizer: optim.Optimizer | None = None,
    step: Step | None = None,
    penalty: Penalty | None = None,
    watch: Callable[[Finding], None] | None = None,
) -> Diagnosis:
    """Return the Diagnosis of a classifier before its training: x (N, …) are training samples, y (N,) their classes.

    A few hundred samples are best: 60 steps are taken on four fifths of them. `loss` is a function of outputs (N, K) and
    labels. `optimizer` is the one that training will use (Adam at 1e-3, if none is given), `step(x, y)` the training
    step as you wrote it, with this model and this optimizer; without one, a step is zero_grad, backward, step, in the
    mode in which the model comes. `penalty(model)` is the regularisation (1e-4 times `nn.l2_penalty`, if none is
    given). `watch` is called with each finding as it comes.

    Model, optimizer and random streams are left as they were, bit for bit. What else a `step` of yours changes is not
    put back: hand in one that only trains, without logs or schedules by hand.

    Raises ValueError for data that is no classification and for a step without its optimizer, TypeError for an
    optimizer without a learning rate.

    >>> from minigrad import data, nn
    >>> x, y = data.digits().train[:300]
    >>> print(doctor(nn.Sequential(nn.Flatten(), nn.Linear(64, 32, rng=0), nn.ReLU(), nn.Linear(32, 10, rng=0)), x, y).cause)
    <BLANKLINE>
    """
    check_model("doctor", model)
    check_loss("doctor", loss)
    if optimizer is not None:
        check_optimizer("doctor", optimizer)
    for name, function in ("step", step), ("penalty", penalty), ("watch", watch):
        check_function("doctor", name, function, None)
    x, y = as_array(x), as_array(y)
    if not x.ndim or y.ndim != 1 or y.dtype.kind not in "iu" or len(x) != len(y) or len(y) < FEW:
        what = f"x is {shown(x)}, y {shown(y)}"
        raise ValueError(f"doctor: {what}; give at least {FEW} samples (N, …) and their classes, integers (N,)")
    if step is not None and optimizer is None:
        raise ValueError("doctor: a step comes without its optimizer; give it too, so that its state can be put back")
    if optimizer is not None and any("lr" not in group for group in optimizer.param_groups):
        name = type(optimizer).__name__
        raise TypeError(f"doctor: {name} has no learning rate, which the doctor varies; give a first-order optimizer")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError("doctor: the model has no parameters that require grad; there is nothing to train")
    patient = Patient(model, x, y, loss, optimizer, step, penalty or _small_decay)
    if patient.outputs.ndim != 2 or int(y.max()) >= patient.classes:
        raise ValueError(
            f"doctor: the model returned shape {patient.outputs.shape} for labels up to {y.max()}; it must return (N, K), "
            "a number for each class"
        )
    findings = []
    for check in CHECKS:
        findings.append(check(patient))
        if watch is not None:
            watch(findings[-1])
    return Diagnosis(findings, patient.layers)


def _small_decay(model: Module) -> Any:
    return 1e-4 * l2_penalty(model)
