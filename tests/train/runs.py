"""A small training run in which all is random or has state; as a script, it runs in a folder and tells its steps."""

import sys
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import data, nn, optim, train

RNG = np.random.default_rng(0)
X = RNG.standard_normal((42, 1, 6, 6)).astype(np.float32)
Y = RNG.integers(0, 3, 42)
EPOCHS = 4
STEPS = EPOCHS * 4  # 42 samples are 7 batches of 6, and 4 groups of 2 batches, the last with one


class Net(nn.Module):
    """Dropout of the default generator and of its own, stochastic depth, batch norm, a generator in a list."""

    def __init__(self):
        self.conv = nn.Conv2d(1, 4, 3, padding=1, rng=1)
        self.bn = nn.BatchNorm2d(4)
        self.body = nn.Conv2d(4, 4, 3, padding=1, rng=2)
        self.depth = nn.StochasticDepth(0.3, rng=3)
        self.drop, self.drop2 = nn.Dropout(0.2), nn.Dropout2d(0.1, rng=4)
        self.fc = nn.Linear(4 * 36, 3, rng=5)
        self.sources = [np.random.Generator(np.random.MT19937(6))]

    def forward(self, x):
        x = mg.relu(self.bn(self.conv(x)))
        x = self.drop2(self.depth(x, lambda: self.body(x)))
        x = self.fc(self.drop(mg.flatten(x, 1)))
        return x + self.sources[0].normal(0, 0.01, x.shape).astype(np.float32) if self.training else x


def start(out=None, *, callbacks=(), net=None, optimizer=None, loader=None, **options):
    """(model, fit): `fit()` trains a new model; the same one, bit for bit, in every process."""
    mg.seed(11)
    net = net or Net()
    rate = optim.schedules.one_cycle(0.02, STEPS)
    optimizer = optimizer or optim.AdamW(net.parameters(), rate, weight_decay=0.1)
    augment = data.Affine(rotate=20, shift=1)
    loader = loader or data.Loader(data.Dataset(X, Y), 6, seed=7, transform=augment)
    test = data.Loader(data.Dataset(X[::2], Y[::2]), 5, shuffle=True)
    average = train.Averaging(net, optim.averaging.ema(0.9), batch_norm="recalibrate", batches=loader)
    options = {
        "epochs": EPOCHS,
        "accumulate": 2,
        "clip_norm": 1.0,
        "average": average,
        "checkpoint_every": 1,
        **options,
    }
    if out is not None:
        callbacks = [train.EarlyStopping(patience=9), train.CSVLog(out / "metrics.csv"), *callbacks]
    else:
        options.pop("checkpoint_every")

    def fit():
        return train.fit(net, optimizer, loader, test, out=out, callbacks=callbacks, progress=False, **options)

    return net, fit


if __name__ == "__main__":
    step = optim.AdamW.step

    def heard(self):
        step(self)
        print(self.steps, flush=True)

    optim.AdamW.step = heard
    start(Path(sys.argv[1]), resume=True)[1]()
    print("done", flush=True)
