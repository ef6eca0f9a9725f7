"""The learning-rate range test finds the rates that train, and leaves no trace."""

import copy

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, nn, optim, train

RNG = np.random.default_rng(0)
X = RNG.standard_normal((48, 4))
Y = (X[:, 0] > X[:, 1]).astype(np.int64)


def quadratic(curvature=2.0):
    """f(w) = c/2 w², of which gradient descent with rate α diverges from α = 2/c on."""
    net = nn.Linear(1, 1, bias=False, dtype=np.float64, rng=0)
    net.weight.data[:] = 1
    batches = [(np.ones((1, 1)), np.zeros((1, 1)))]
    return net, batches, lambda out, y: (out * out).sum() * (curvature / 2)


@pytest.mark.parametrize("curvature", [0.5, 200.0])
def test_the_suggestion_is_a_tenth_of_the_rate_that_diverges(curvature):
    """With one sample and one weight all is known: after k steps the loss is Π (1 − αᵢ c)² times the first."""
    net, batches, loss = quadratic(curvature)
    found = train.lr_range(
        net, optim.SGD(net.parameters(), 0.1), batches, loss=loss, low=1e-6, high=1e3, steps=200, smoothing=0.0
    )
    factors = np.cumprod(np.append(1, 1 - found.rates[:-1] * curvature)) ** 2
    assert np.allclose(found.losses, found.losses[0] * factors, rtol=1e-9)
    assert np.array_equal(found.smoothed, found.losses)
    assert found.suggestion == found.rates[found.rates > 2 / curvature][0] / 10
    assert len(found.rates) < 200  # it ends where the loss explodes


def network():
    return nn.Sequential(
        nn.Linear(4, 8, rng=0), nn.BatchNorm1d(8), nn.Dropout(0.3, rng=1), nn.Dropout(0.1), nn.Linear(8, 2, rng=2)
    ).astype(np.float64)


@pytest.mark.parametrize("ends", ["well", "in an error"])
@pytest.mark.parametrize("rate", [0.05, optim.schedules.cosine(0.1, 100)])
def test_everything_is_put_back(rate, ends):
    mg.seed(3)
    net = network()
    params = net.parameters()
    opt = optim.AdamW([{"params": params[:2]}, {"params": params[2:], "lr": 0.01}], rate)
    loader = data.Loader(data.Dataset(X, Y), 16, seed=5)
    train.fit(net, opt, loader, epochs=2, progress=False)
    net[1].training = False
    next(iter(loader))
    twin = copy.deepcopy((net.state_dict(), opt.state_dict(), loader.state_dict(), [p.grad for p in params]))
    groups = [dict(group) for group in opt.param_groups]
    modes = [m.training for m in net.modules()]
    rngs = [net[2].rng, mg.random.generator()]
    drawn = copy.deepcopy([r.bit_generator.state for r in rngs])
    if ends == "well":
        train.lr_range(net, opt, loader, high=100.0, steps=30)
    else:
        with pytest.raises(ValueError, match="label 6 is out of range"):
            train.lr_range(net, opt, [(X, Y), (X, Y + 5)])
    after = net.state_dict(), opt.state_dict(), loader.state_dict(), [p.grad for p in params]
    for a, b in zip(twin[:2], after[:2]):
        assert a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)
    assert twin[2] == after[2] and all(np.array_equal(a, b) for a, b in zip(twin[3], after[3]))
    assert [dict(group) for group in opt.param_groups] == groups and [m.training for m in net.modules()] == modes
    assert [r.bit_generator.state for r in rngs] == drawn


def test_groups_keep_their_ratios():
    net, batches, loss = quadratic()
    other = nn.Linear(1, 1, bias=False, dtype=np.float64)
    seen = []

    class Watched(optim.SGD):
        def _update(self, ps, gs, states, t, options):
            seen.append(options["lr"])
            super()._update(ps, gs, states, t, options)

    opt = Watched([{"params": net.parameters()}, {"params": other.parameters(), "lr": 0.025}], 0.1)

    def both(out, y):
        return loss(out, y) + loss(other(y + 1), y)

    train.lr_range(net, opt, batches, loss=both, steps=20)
    assert np.allclose(np.array(seen[1::2]) / seen[::2], 0.25)


def test_smoothing_is_a_weighted_mean():
    net, batches, loss = quadratic()
    found = train.lr_range(net, optim.SGD(net.parameters(), 0.1), batches, loss=loss, high=0.5, steps=10, smoothing=0.5)
    weights = 0.5 ** np.arange(9, -1, -1)
    assert found.smoothed[-1] == pytest.approx(weights @ found.losses / weights.sum(), rel=1e-12)


def test_what_it_refuses():
    net, batches, loss = quadratic()
    opt = optim.SGD(net.parameters(), 0.1)
    with pytest.raises(ValueError, match="it must be 0 < low < high"):
        train.lr_range(net, opt, batches, low=1.0, high=0.1)
    with pytest.raises(ValueError, match="never falls below its start, from a rate of 100"):
        train.lr_range(net, opt, batches, loss=loss, low=100.0, high=1000.0)
    with pytest.raises(ValueError, match="cannot be gone through twice"):
        train.lr_range(net, opt, iter(batches), loss=loss)
