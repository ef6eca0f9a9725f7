"""The lab: what is built from the library and shown by the command line.

The digits' recipe and its report, the doctor, the lecture's experiment, the playground, and kernels compiled ahead of
time. The library knows nothing of it.
"""

from . import lecture, playground
from .augmentation import scenes, usual_transforms
from .digits import DigitsNet, Settings, svm_accuracy, train_digits, training_step
from .doctor import Diagnosis, doctor
from .report import Findings, report
from .warmup import Warmed, warm_up

__all__ = [
    "Diagnosis", "DigitsNet", "Findings", "Settings", "Warmed", "doctor", "lecture", "playground", "report", "scenes",
    "svm_accuracy", "train_digits", "training_step", "usual_transforms", "warm_up",
]  # fmt: skip
