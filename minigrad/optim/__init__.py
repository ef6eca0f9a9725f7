"""Optimizers: rules that move parameters along their gradients, and learning rates as functions of the step."""

from . import averaging, curvature, schedules
from .adaptive import ASGD, Adadelta, AdaGrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSProp, Rprop
from .averaging import Average
from .clip import clip_grad_norm, clip_grad_value
from .first_order import SGD, Lion, Momentum, Nesterov
from .layerwise import LAMB, Adafactor, Muon
from .minimize import Result, minimize
from .optimizer import Optimizer
from .second_order import BFGS, LBFGS, Newton, NewtonCG, NonlinearCG, TrustRegionNewtonCG
from .stochastic import SQN, AdaHessian, Sophia

__all__ = [
    "ASGD",
    "BFGS",
    "LAMB",
    "LBFGS",
    "SGD",
    "SQN",
    "AdaGrad",
    "AdaHessian",
    "Adadelta",
    "Adafactor",
    "Adam",
    "AdamW",
    "Adamax",
    "Average",
    "Lion",
    "Momentum",
    "Muon",
    "NAdam",
    "Nesterov",
    "Newton",
    "NewtonCG",
    "NonlinearCG",
    "Optimizer",
    "RAdam",
    "RMSProp",
    "Result",
    "Rprop",
    "Sophia",
    "TrustRegionNewtonCG",
    "averaging",
    "clip_grad_norm",
    "clip_grad_value",
    "curvature",
    "minimize",
    "schedules",
]
