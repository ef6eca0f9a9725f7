"""Training curves: 200 steps of ResNet-20 in float32 follow PyTorch's within float32's own noise.

Training amplifies round-off: a relu that falls on the other side of zero, and two runs of one framework part within
tens of steps. So noise is what PyTorch's float32 itself shows: it trains three times on the same numbers, as they are,
with channels last, and with the samples of each batch in another order, which changes round-off and nothing else. The
truth is PyTorch in float64. That the mathematics is the same to 1e-9 is tested in float64 (`test_torch.py`).
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

torch = pytest.importorskip("torch")
from peers.test_torch import Block  # noqa: E402

T, F = torch.nn, torch.nn.functional
STEPS, BATCH, SIDE, WIDTH = 200, 16, 16, 8
FIRST = 5  # steps before round-off has grown
RATE = {"lr": 0.001, "momentum": 0.9, "weight_decay": 1e-4}


@pytest.fixture(scope="module")
def data():
    """64 images of 10 classes, each class a pattern under noise, and the batches of every step."""
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=4 * BATCH)
    x = rng.normal(size=(10, 3, SIDE, SIDE))[labels] + 2 * rng.normal(size=(len(labels), 3, SIDE, SIDE))
    chosen = [rng.choice(len(labels), BATCH, replace=False) for _ in range(STEPS)]
    return [(x[i].astype("float32"), labels[i]) for i in chosen]


@pytest.fixture(scope="module")
def start():
    """The weights that every run starts from."""
    return nn.models.ResNet(3, width=WIDTH, rng=1).state_dict()


def ours(data, start, **changed):
    model = nn.models.ResNet(3, width=WIDTH)
    model.load_state_dict(start)
    opt = optim.SGD(model.parameters(), **RATE | changed)
    losses = []
    for x, labels in data:
        opt.zero_grad()
        loss = mg.cross_entropy(model(x), labels)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return np.array(losses)


class ResNet20(T.Module):
    def __init__(self):
        super().__init__()
        w = WIDTH
        self.conv1, self.bn1 = T.Conv2d(3, w, 3, 1, 1, bias=False), T.BatchNorm2d(w)
        self.stage1 = T.Sequential(*[Block(w, w, 1, "A") for _ in range(3)])
        self.stage2 = T.Sequential(Block(w, 2 * w, 2, "A"), *[Block(2 * w, 2 * w, 1, "A") for _ in range(2)])
        self.stage3 = T.Sequential(Block(2 * w, 4 * w, 2, "A"), *[Block(4 * w, 4 * w, 1, "A") for _ in range(2)])
        self.fc = T.Linear(4 * w, 10)

    def forward(self, x):
        x = self.stage3(self.stage2(self.stage1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


def torchs(data, start, dtype=torch.float32, layout=torch.contiguous_format):
    model = ResNet20()
    model.load_state_dict({k: torch.tensor(v) for k, v in start.items()})
    model.to(dtype=dtype, memory_format=layout)
    opt = torch.optim.SGD(model.parameters(), **RATE)
    losses = []
    for x, labels in data:
        opt.zero_grad()
        batch = torch.from_numpy(x).to(dtype=dtype, memory_format=layout)
        loss = F.cross_entropy(model(batch), torch.from_numpy(labels))
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return np.array(losses)


@pytest.fixture(scope="module")
def truth(data, start):
    """The losses in float64, and how far PyTorch's three runs in float32 are from them at most."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    losses = torchs(data, start, torch.float64)
    turned = [(x[::-1].copy(), labels[::-1].copy()) for x, labels in data]
    runs = torchs(data, start), torchs(data, start, layout=torch.channels_last), torchs(turned, start)
    torch.set_num_threads(before)
    assert losses[-10:].mean() < 0.5 * losses[:10].mean()  # it does learn
    return losses, max(np.abs(run - losses).max() for run in runs)


def test_two_hundred_steps_of_resnet20(data, start, truth):
    """No loss is further from the truth than 4 times PyTorch's own worst; the first five agree to 1e-5."""
    losses, noise = truth
    off = np.abs(ours(data, start) - losses)
    assert off[:FIRST].max() < 1e-5
    assert off.max() < 4 * noise


def test_a_small_mistake_would_be_seen(data, start, truth):
    """A rate wrong by a thousandth breaks the first bound, a momentum of 0.88 for 0.9 the second."""
    losses, noise = truth
    assert np.abs(ours(data[:FIRST], start, lr=RATE["lr"] * 1.001) - losses[:FIRST]).max() > 1e-5
    assert np.abs(ours(data, start, momentum=0.88) - losses).max() > 4 * noise
