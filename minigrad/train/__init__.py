"""Training: the loop, evaluation, weights on disk, and the recipe for the digits."""

from .checkpoint import load_weights, save_weights
from .digits import DigitsNet, Settings, svm_accuracy, train_digits, training_step
from .loop import Evaluation, evaluate, fit, predict
from .warmup import Warmed, warm_up

__all__ = [
    "DigitsNet", "Evaluation", "Settings", "Warmed", "evaluate", "fit", "load_weights", "predict", "save_weights",
    "svm_accuracy", "train_digits", "training_step", "warm_up",
]  # fmt: skip
