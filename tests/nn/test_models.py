"""Whole networks: paths, sizes, initial weights, Hessians, and the summary."""

import threading
import tracemalloc

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim, random
from minigrad.tape import Node, history

rng = np.random.default_rng(0)
MODELS = nn.models


def test_paths_of_resnet():
    paths = [path for path, _ in MODELS.resnet20(rng=0).named_parameters()]
    assert paths[:4] == ["conv1.weight", "bn1.weight", "bn1.bias", "stage1.0.conv1.weight"]
    assert paths[-2:] == ["fc.weight", "fc.bias"] and "stage3.2.bn2.bias" in paths
    assert not any("shortcut" in path for path in paths)
    projected = MODELS.resnet8(shortcut="B", rng=0).state_dict()
    assert projected["stage2.0.shortcut.0.weight"].shape == (32, 16, 1, 1) and "stage3.0.shortcut.1.weight" in projected


@pytest.mark.parametrize(
    ("name", "layers", "parameters"),  # Table 6 of He et al. 2016: 0.27, 0.46, 0.66, 0.85 million
    [("resnet8", 8, 75_290), ("resnet20", 20, 269_722), ("resnet32", 32, 464_154), ("resnet44", 44, 658_586),
     ("resnet56", 56, 853_018)],
)  # fmt: skip
def test_sizes_of_resnets(name, layers, parameters):
    net = getattr(MODELS, name)(rng=0)
    assert sum(p.size for p in net.parameters()) == parameters
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in net.modules()) == layers
    assert {p.dtype.name for p in net.parameters()} == {"float32"}


def test_sizes_of_lenets():
    x = rng.normal(size=(2, 3, 28, 28)).astype(np.float32)
    assert MODELS.lenet(7, 3, rng=0)(x).shape == (2, 7)
    assert MODELS.lenet(7, 3, image_size=8, dropout=0.3, rng=0)(x[:, :, :8, :8]).shape == (2, 7)
    assert len(MODELS.lenet(rng=0).parameters()) == 10


def test_options_of_resnet():
    x = rng.normal(size=(2, 1, 8, 8))
    net = MODELS.ResNet(1, 4, 1, width=8, dropout=0.5, stochastic_depth=0.2, dtype=np.float64, rng=0)
    assert net(x).shape == (2, 4) and net.fc.weight.shape == (4, 32)
    a, b = (MODELS.resnet8(4, 1, dropout=0.5, stochastic_depth=0.5, dtype="float64", rng=5) for _ in range(2))
    assert all(np.array_equal(a(x).data, b(x).data) for _ in range(5))  # one seed fixes weights and draws


def test_he_initialisation():
    for m in MODELS.resnet20(rng=0).modules():
        if isinstance(m, nn.Conv2d):
            std = (2 / (m.out_channels * 9)) ** 0.5
            assert abs(m.weight.data.std() / std - 1) < 4 / (2 * m.weight.size) ** 0.5


def test_zero_gamma_makes_every_block_its_shortcut():
    net = MODELS.resnet8(zero_gamma=True, rng=0)
    x = np.abs(rng.normal(size=(2, 16, 8, 8))).astype(np.float32)
    assert np.array_equal(net.stage1(x).data, x)
    assert {p.data.max() for path, p in net.named_parameters() if path.endswith("bn2.weight")} == {0}
    y = net.stage2(x).data
    assert np.array_equal(y[:, :16], x[:, :, ::2, ::2]) and not y[:, 16:].any()


def test_scopes_of_resnet():
    y = MODELS.resnet8(rng=0)(rng.normal(size=(2, 3, 8, 8)).astype(np.float32))
    by_scope = {}
    for t in history([y]):
        if isinstance(t.node, Node):
            by_scope.setdefault(t.node.scope, []).append(t.node.op.name)
    assert by_scope["stage1.0.conv1"] == ["conv2d"] and by_scope["stage1.0.bn2"] == ["batch_norm"]
    assert by_scope["stage1.0"] == ["relu", "add", "relu"]
    assert by_scope["stage2.0.shortcut"] == ["getitem", "pad"] and by_scope["fc"] == ["affine"]


def test_the_hessian_is_symmetric():
    net = MODELS.resnet8(dtype=np.float64, dropout=0.2, stochastic_depth=0.3, rng=1)
    x, labels = rng.normal(size=(3, 3, 8, 8)), np.array([1, 5, 9])
    u, v = ([rng.normal(size=p.shape) for p in net.parameters()] for _ in range(2))

    def product(w):
        with random.held():
            return mg.hvp(lambda: mg.cross_entropy(net(x), labels), net.parameters(), w)

    hu, hv = product(u), product(v)
    uhv, vhu = (sum((a * b.data).sum() for a, b in zip(*pair)) for pair in ((u, hv), (v, hu)))
    size = sum(np.linalg.norm(b.data) ** 2 for b in hv) ** 0.5 * sum((a * a).sum() for a in u) ** 0.5
    assert abs(uhv) > 1e-3 and abs(uhv - vhu) < 1e-12 * size


# ---- summary ---------------------------------------------------------------------------------------------------------


def test_summary_counts_and_leaves_the_model_alone():
    net = MODELS.resnet8(dropout=0.5, stochastic_depth=0.5)
    x = rng.normal(size=(4, 3, 8, 8)).astype(np.float32)
    mg.seed(3)
    before, drawn = net.state_dict(), random.generator().bit_generator.state
    table = nn.summary(net, x)
    assert table.parameters == sum(p.size for p in net.parameters()) == 75_290
    assert [row.path for row in table] == [path for path, _ in net.named_modules()]
    rows = {row.path: row for row in table}
    assert rows["stage2.0.conv1"].shape in (None, (4, 32, 4, 4)) and rows["stage2"].shape == (4, 32, 4, 4)
    assert rows["conv1"][:4] == ("conv1", "Conv2d", (4, 16, 8, 8), 432)
    assert 0 <= rows["conv1"].kept - 4 * 16 * 8 * 8 * 4 <= 64  # kernels align what they allocate
    assert random.generator().bit_generator.state == drawn and "forward" not in vars(net)
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())
    *_, total, depth = str(table).splitlines()
    assert total.split()[:2] == ["total", "75,290"] and table.depth == (2, 3)
    assert depth == "stochastic depth: 2 of 3 branches expected in training"
    assert str(nn.summary(MODELS.resnet8(), x)).splitlines()[-1].startswith("total")


def test_summary_says_which_modules_were_not_called_and_counts_shared_parameters_once():
    net = nn.Sequential(nn.Linear(2, 2), nn.Identity())
    net.append(nn.Linear(2, 2))
    net[2].weight = net[0].weight
    net.head = [nn.ReLU()]
    table = nn.summary(net, np.ones((1, 2), np.float32))
    assert [row.parameters for row in table] == [0, 6, 0, 2, 0] and table[4].path == "head.0"
    assert table[4].shape is None and "not called" in str(table)


def test_summary_measures_what_the_tape_holds():
    net = MODELS.resnet8(rng=0)
    x = rng.normal(size=(16, 3, 32, 32)).astype(np.float32)
    net(x)  # compiles, and makes the threads' scratch memory
    claimed = nn.summary(net, x).kept
    tracemalloc.start()
    try:
        y = net(x)
        measured = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert y.shape == (16, 10)
    assert 0.99 * claimed < measured < 1.02 * claimed + 200_000  # the nodes themselves are small


@pytest.mark.slow
def test_two_threads_train_two_models_as_each_would_alone():
    x, labels = np.random.default_rng(0).standard_normal((32, 1, 16, 16)).astype(np.float32), np.arange(32) % 10

    def train(seed, out):
        model = nn.models.resnet8(in_channels=1, rng=seed)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(4):
            optimizer.zero_grad()
            mg.cross_entropy(model(x), labels).backward()
            optimizer.step()
        out[seed] = model.state_dict()

    together, alone = {}, {}
    threads = [threading.Thread(target=train, args=(seed, together)) for seed in (1, 2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for seed in (1, 2):
        train(seed, alone)
        assert all(np.array_equal(together[seed][k], v) for k, v in alone[seed].items())
