"""Rows of ops/loss.py."""

import numpy as np

import minigrad as mg

from .base import a, case

LABELS = np.array([2, 0, 1, 2])

CASES = [
    # losses
    case("softmax", mg.softmax, a(2, 4)),
    case("softmax axis 0", lambda x: mg.softmax(x, axis=0), a(3, 2)),
    case("log_softmax", mg.log_softmax, a(2, 4)),
    case("cross_entropy", lambda x: mg.cross_entropy(x, LABELS), a(4, 3)),
    case("cross_entropy smoothing, sum", lambda x: mg.cross_entropy(x, LABELS, label_smoothing=0.1, reduction="sum"), a(4, 3)),
    case("log_softmax times class probabilities (cross_entropy)", lambda x, t: mg.cross_entropy(x, mg.softmax(t), label_smoothing=0.1), a(4, 3), a(4, 3)),
    case("cross_entropy none", lambda x: mg.cross_entropy(x, LABELS, reduction="none"), a(4, 3)),
    case("mse_loss", mg.mse_loss, a(2, 3), a(2, 3)),
    case("mse_loss none", lambda x, y: mg.mse_loss(x, y, reduction="none"), a(2, 3), a(2, 3)),
]  # fmt: skip
