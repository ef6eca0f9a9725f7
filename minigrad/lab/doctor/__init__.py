"""The doctor: does this model, with this data and this training step, have a chance to learn? If not, why not?

The sanity checks of CS231n ("Neural Networks Part 3: Learning and Evaluation"), in causal order: data, model, training
step, training. An ill early in the list shows in everything after it, so the first finding names the likely cause.
patient.py holds the model and puts it back; checks.py measures and judges, one function to a check; report.py is what
comes out.
"""

from .examine import doctor
from .report import Diagnosis, Finding, Layer

__all__ = ["Diagnosis", "Finding", "Layer", "doctor"]
