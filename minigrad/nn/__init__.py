"""Objects that own parameters: modules, layers, residual blocks, losses, initialisers and whole models."""

from . import init, models
from .activations import ELU, GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .dropout import Averaged, DropConnect, Dropout, Dropout2d, averaged
from .layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv2d,
    Flatten,
    FractionalMaxPool2d,
    Identity,
    Linear,
    MaxPool2d,
)
from .losses import CrossEntropyLoss, MSELoss
from .module import Buffer, Module, Parameter
from .norm import BatchNorm1d, BatchNorm2d
from .regularise import gradient_noise_, l1_penalty, l2_penalty, max_norm_, weights
from .residual import Residual, StochasticDepth, expected_depth, linear_decay
from .summary import Summary, summary

__all__ = [
    "ELU",
    "GELU",
    "AdaptiveAvgPool2d",
    "Averaged",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Buffer",
    "Conv2d",
    "CrossEntropyLoss",
    "DropConnect",
    "Dropout",
    "Dropout2d",
    "Flatten",
    "FractionalMaxPool2d",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
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
    "averaged",
    "expected_depth",
    "gradient_noise_",
    "init",
    "l1_penalty",
    "l2_penalty",
    "linear_decay",
    "max_norm_",
    "models",
    "summary",
    "weights",
]  # fmt: skip
