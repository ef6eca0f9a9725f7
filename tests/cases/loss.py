"""Rows of ops/loss.py."""

import numpy as np

import minigrad as mg
from minigrad import Primitive

from .base import a, case, pos

PIXELS = np.array([[0, 2], [1, 2]])
LABELS = np.array([2, 0, 1, 2])
P = Primitive.registry

CASES = [
    # losses
    case("softmax", mg.softmax, a(2, 4)),
    case("softmax axis 0", lambda x: mg.softmax(x, axis=0), a(3, 2)),
    case("along_softmax", lambda u, y: P["along_softmax"](u, y, axes=(1,)), a(2, 4), a(2, 4)),
    case("along_softmax axis 0", lambda u, y: P["along_softmax"](u, y, axes=(0,)), a(3, 2), a(3, 2)),
    case("log_softmax", mg.log_softmax, a(2, 4)),
    case("cross_entropy", lambda x: mg.cross_entropy(x, LABELS), a(4, 3)),
    case("cross_entropy smoothing, sum", lambda x: mg.cross_entropy(x, LABELS, label_smoothing=0.1, reduction="sum"), a(4, 3)),
    case("log_softmax times class probabilities (cross_entropy)", lambda x, t: mg.cross_entropy(x, mg.softmax(t), label_smoothing=0.1), a(4, 3), a(4, 3)),
    case("cross_entropy none", lambda x: mg.cross_entropy(x, LABELS, reduction="none"), a(4, 3)),
    case("nll_loss", lambda x: mg.nll_loss(x, LABELS), a(4, 3)),
    case("nll_loss of images, weighted, ignoring", lambda x, w: mg.nll_loss(x, PIXELS, w, ignore_index=1), a(2, 3, 2), pos(3)),
    case("log_softmax of images (cross_entropy)", lambda x: mg.cross_entropy(x, PIXELS), a(2, 3, 2)),
    case("log_softmax weighted, ignoring, smoothing (cross_entropy)", lambda x, w: mg.cross_entropy(x, LABELS, w, ignore_index=0, label_smoothing=0.2), a(4, 3), pos(3)),
    case("log_softmax of one row (cross_entropy)", lambda x: mg.cross_entropy(x, np.array(1)), a(3)),
    case("log_softmax probabilities, weighted (cross_entropy)", lambda x, t, w: mg.cross_entropy(x, mg.softmax(t), w, reduction="sum"), a(4, 3), a(4, 3), pos(3)),
]  # fmt: skip
