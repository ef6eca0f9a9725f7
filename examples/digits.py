"""Handwritten digits, start to finish: data, model, training, and a look inside.

    python examples/digits.py

`minigrad train` does the same with stronger augmentation and more epochs, and writes a report.
"""

from __future__ import annotations

import sys

import minigrad as mg
from minigrad import data, nn, optim, train


def conv_bn(channels_in: int, channels: int) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]


def network() -> nn.Sequential:
    """8×8 images to 10 classes. In training, stochastic depth leaves out the residual branch one time in ten."""
    branch = nn.Sequential(*conv_bn(16, 16), nn.ReLU(), *conv_bn(16, 16))
    return nn.Sequential(
        *conv_bn(1, 16),
        nn.ReLU(),
        nn.Residual(branch, drop=0.1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(16 * 4 * 4, 10),
    )


def main(epochs: int = 15) -> float:
    mg.seed(0)
    digits = data.digits()
    batches = data.Loader(digits.train, 64, transform=data.Affine(rotate=10, scale=0.1, shear=0.1, shift=0.5))
    tests = data.Loader(digits.test, 256, shuffle=False)

    net = network()
    opt = optim.AdamW(net.parameters(), optim.schedules.cosine(5e-3, epochs * len(batches)))
    train.fit(net, opt, batches, tests, epochs=epochs)

    # The gradient of this very network, batch norm, dropout and stochastic depth in training mode, is right:
    print(mg.gradcheck(net, *digits.train[:4]).summary)

    # The tape of one training step, before backward frees it:
    x, labels = digits.train[:64]
    print(mg.graph(mg.cross_entropy(net(x), labels)))  # .save("step.svg") draws it

    accuracy = train.evaluate(net, tests).accuracy
    print(f"test accuracy {accuracy:.2%}")
    return accuracy


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
