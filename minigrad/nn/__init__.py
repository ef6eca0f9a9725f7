"""Objects that own parameters: modules, layers, residual blocks, losses, initialisers and whole models."""

from . import activations, attention, init, losses, models, norm, pooling, recurrent
from . import functional as functional
from .activations import *
from .attention import *
from .containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .dropout import (
    AlphaDropout,
    Averaged,
    DropConnect,
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    FeatureAlphaDropout,
    averaged,
)
from .embedding import Embedding, EmbeddingBag
from .layers import Bilinear, Flatten, Identity, Linear, Unflatten
from .losses import *
from .module import Buffer, Module, Parameter
from .norm import *
from .pooling import *
from .recurrent import *
from .regularise import gradient_noise_, l1_penalty, l2_penalty, max_norm_, weights
from .residual import Residual, StochasticDepth, expected_depth, linear_decay
from .summary import Summary, summary

__all__ = [
    "AlphaDropout",
    "Averaged",
    "Bilinear",
    "Buffer",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "DropConnect",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "EmbeddingBag",
    "FeatureAlphaDropout",
    "Flatten",
    "Identity",
    "Linear",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "Residual",
    "Sequential",
    "StochasticDepth",
    "Summary",
    "Unflatten",
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
__all__ += activations.__all__
__all__ += attention.__all__
__all__ += losses.__all__
__all__ += norm.__all__
__all__ += pooling.__all__
__all__ += recurrent.__all__
