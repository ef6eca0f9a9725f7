"""Objects that own parameters: modules, layers, residual blocks, losses, initialisers and whole models."""

from . import init, models
from .activations import ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv2d,
    Dropout,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    Sequential,
)
from .losses import CrossEntropyLoss, MSELoss
from .module import Buffer, Module, Parameter
from .norm import BatchNorm1d, BatchNorm2d
from .residual import Residual, StochasticDepth, expected_depth, linear_decay
from .summary import Summary, summary

__all__ = [
    "ELU",
    "GELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "StochasticDepth",
    "Summary",
    "Tanh",
    "expected_depth",
    "init",
    "linear_decay",
    "models",
    "summary",
]  # fmt: skip
