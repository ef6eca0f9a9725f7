"""Members of an ensemble, in a module of their own: other processes import them by name."""

import os

import numpy as np

from minigrad import data, kernels, nn, optim, train


def member(seed):
    rng = np.random.default_rng(seed)
    layers = nn.Flatten(), nn.Linear(64, 16, rng=rng), nn.ReLU(), nn.Dropout(0.1, rng=seed), nn.Linear(16, 10, rng=rng)
    model = nn.Sequential(*layers)
    model.threads, model.process = kernels.get_num_threads(), os.getpid()
    x, y = data.digits().train[:128]
    batches = data.Loader(data.Dataset(x, y), 32, seed=seed)
    train.fit(model, optim.Adam(model.parameters(), 1e-2), batches, epochs=4, progress=False)
    return model


def fails_at_2(seed):
    if seed == 2:
        raise ValueError("out of luck")
    return nn.Linear(2, 2, rng=seed)


def dies_at_1(seed):
    if seed == 1:
        os._exit(3)
    return nn.Linear(2, 2, rng=seed)


def no_model(seed):
    return seed


def not_to_be_sent(seed):
    model = nn.Linear(2, 2)
    model.hook = lambda: None
    return model
