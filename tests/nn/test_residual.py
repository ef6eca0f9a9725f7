"""Stochastic depth: branches that are not executed, and training and test modes that agree in expectation."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

X = np.full((1000, 2), 10.0)


class Counted:
    def __init__(self, value):
        self.calls, self.value = 0, value

    def __call__(self):
        self.calls += 1
        return mg.tensor(self.value)


def test_a_dropped_branch_is_not_executed():
    depth = nn.StochasticDepth(0.3, rng=0)
    branch, x = Counted(np.ones(2)), mg.tensor(np.zeros(2))
    results = [depth(x, branch) for _ in range(2000)]
    dropped = [y is x for y in results]
    assert branch.calls == 2000 - sum(dropped)
    assert abs(sum(dropped) / 2000 - 0.3) < 4 * (0.3 * 0.7 / 2000) ** 0.5  # four standard errors


@pytest.mark.parametrize("mode", ["batch", "row"])
@pytest.mark.parametrize(("scaling", "kept", "tested"), [("inverted", 1 / 0.6, 1.0), ("test", 1.0, 0.6)])
def test_both_scalings_agree_with_their_expectation(mode, scaling, kept, tested):
    depth = nn.StochasticDepth(0.4, mode, scaling, rng=1)
    draws = [depth(X[:1], lambda: np.ones((1, 2))).data[0, 0] - 10 for _ in range(2000)]
    np.testing.assert_allclose(np.unique(np.round(draws, 12)), [0, kept], rtol=1e-12)
    at_test = depth.eval()(X[:1], lambda: np.ones((1, 2))).data[0, 0] - 10
    assert at_test == pytest.approx(tested)
    assert abs(np.mean(draws) - at_test) < 4 * kept * (0.4 * 0.6 / 2000) ** 0.5


def test_rows_are_dropped_one_by_one():
    depth = nn.StochasticDepth(0.25, "row", rng=2)
    branch = Counted(np.full(X.shape, 3.0))
    added = depth(X, branch).data - X
    assert branch.calls == 1 and np.array_equal(added[:, 0], added[:, 1])
    np.testing.assert_allclose(np.unique(added), [0, 4])
    assert abs((added[:, 0] == 0).mean() - 0.25) < 4 * (0.25 * 0.75 / 1000) ** 0.5


def test_float32_stays_float32():
    x = X.astype(np.float32)
    for mode in ("batch", "row"):
        for scaling in ("inverted", "test"):
            depth = nn.StochasticDepth(0.25, mode, scaling, rng=2)
            assert depth(x, lambda: x).dtype == depth.eval()(x, lambda: x).dtype == np.float32


@pytest.mark.parametrize("scaling", ["inverted", "test"])
def test_nothing_is_drawn_nor_scaled_at_probability_zero(scaling):
    rng = np.random.default_rng(0)
    depth = nn.StochasticDepth(0.0, scaling=scaling, rng=rng)
    before = rng.bit_generator.state
    assert depth(1.0, lambda: 2.0).item() == depth.eval()(1.0, lambda: 2.0).item() == 3
    assert rng.bit_generator.state == before


def test_residual():
    block = nn.Residual(nn.Linear(3, 2, rng=0), nn.Linear(3, 2, rng=1))
    x = np.ones((4, 3), np.float32)
    assert np.array_equal(block(x).data, (block.shortcut(x) + block.branch(x)).data)
    paths = ["branch.weight", "branch.bias", "shortcut.weight", "shortcut.bias"]
    assert [path for path, _ in block.named_parameters()] == paths
    assert nn.Residual(nn.ReLU(), drop=0.3).drop.p == 0.3
    depth = nn.StochasticDepth(0.2, "row")
    assert nn.Residual(nn.ReLU(), drop=depth).drop is depth


def test_parameters_of_a_dropped_branch_get_no_gradient_and_do_not_move():
    block = nn.Residual(nn.Linear(2, 2, rng=0), drop=0.5)
    opt = optim.SGD(block.parameters(), lr=1.0, momentum=0.9, weight_decay=0.1)
    x, seen = np.ones((1, 2), np.float32), set()
    mg.seed(0)
    for _ in range(20):
        opt.zero_grad()
        before = block.branch.weight.data.copy()
        x = mg.tensor(np.ones((1, 2), np.float32), requires_grad=True)
        block(x).sum().backward()
        dropped = block.branch.weight.grad is None
        opt.step()
        assert np.array_equal(before, block.branch.weight.data) == dropped
        seen.add(dropped)
    assert seen == {True, False}


@pytest.mark.slow
def test_linear_decay_and_expected_depth():
    rates = nn.linear_decay(54, 0.5)
    np.testing.assert_allclose(rates, [block / 54 * 0.5 for block in range(1, 55)])
    net = nn.models.resnet20(stochastic_depth=0.5, rng=0)
    drops = [m.p for m in net.modules() if isinstance(m, nn.StochasticDepth)]
    np.testing.assert_allclose(drops, nn.linear_decay(9, 0.5))
    assert nn.expected_depth(net) == pytest.approx((3 * 9 - 1) / 4)  # Huang et al. 2016, section 3
    x, executed = np.zeros((2, 3, 4, 4), np.float32), 0
    for _ in range(60):
        counts = [m.bn2.num_batches_tracked.item() for m in net.modules() if isinstance(m, nn.models.BasicBlock)]
        net(x)
        after = [m.bn2.num_batches_tracked.item() for m in net.modules() if isinstance(m, nn.models.BasicBlock)]
        executed += sum(after) - sum(counts)
    deviation = sum(p * (1 - p) for p in drops) ** 0.5 / 60**0.5
    assert abs(executed / 60 - nn.expected_depth(net)) < 4 * deviation


@pytest.mark.parametrize("mode", ["batch", "row"])
@pytest.mark.parametrize("scaling", ["inverted", "test"])
def test_derivatives_with_the_draws_held(mode, scaling):
    branch = nn.Linear(3, 3, dtype="float64", rng=0)
    block = nn.Residual(
        branch, drop=nn.StochasticDepth(0.4, mode, scaling, rng=0)
    )  # whose first draw lets the branch run
    for training in (True, False):
        report = mg.gradcheck(block.train(training), X[:4, [0, 1, 0]] / 10, order=2, loss=lambda y: mg.sin(y).sum())
        assert report.ok and {row.verdict for row in report.rows} == {"exact"}, str(report)


@pytest.mark.parametrize("scaling", ["inverted", "test"])
def test_dropping_rows_is_captured(scaling):
    plain, model = (nn.Residual(nn.Tanh(), drop=nn.StochasticDepth(0.5, "row", scaling, rng=0)) for _ in "ab")
    fast = mg.compile(lambda x: model(x))
    for mode in (True, False):
        plain.train(mode), model.train(mode)
        assert all(np.array_equal(fast(x).data, plain(x).data) for x in np.arange(24.0).reshape(3, 4, 2))
