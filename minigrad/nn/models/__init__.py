"""Whole networks, each a few lines on the layers. Paths are those of their attributes (`stage1.0.conv1.weight`).

Each is a Module like any other: read it, copy it, change it. cifar.py has a LeNet and the residual networks for 32×32
images, resnet.py those for large ones, whose parameters have the names and shapes of torchvision's; images.py other
networks for images, text.py one for sequences of tokens.
"""

from .cifar import BasicBlock, LeNet, ResNet, Subsample, lenet, resnet8, resnet20, resnet32, resnet44, resnet56
from .images import MobileNetV2, UNet, mobilenet_v2, unet, vgg
from .resnet import ImageNetResNet, resnet18, resnet34, resnet50
from .text import TextTransformer

__all__ = [
    "BasicBlock", "ImageNetResNet", "LeNet", "MobileNetV2", "ResNet", "Subsample", "TextTransformer", "UNet", "lenet",
    "mobilenet_v2", "resnet8", "resnet18", "resnet20", "resnet32", "resnet34", "resnet44", "resnet50", "resnet56", "unet",
    "vgg",
]  # fmt: skip
