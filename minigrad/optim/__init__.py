"""Optimizers: rules that move parameters along their gradients, and learning rates as functions of the step."""

from . import schedules
from .first_order import SGD, Adam, AdamW
from .optimizer import Optimizer

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "schedules"]
