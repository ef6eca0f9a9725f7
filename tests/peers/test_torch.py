"""Equality with PyTorch in float64: layers (outputs, gradients, Hessian-vector products), optimizers, and training."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

torch = pytest.importorskip("torch")
F = torch.nn.functional
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


@pytest.fixture(autouse=True)
def _few_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Composed(torch.nn.Module):
    """Batch norm out of elementary operations, around torch's layer: any order of derivative can be trusted."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        bn = self.layer
        axes = (0, *range(2, x.ndim))
        by_channel = (1, -1) + (1,) * (x.ndim - 2)
        if bn.training or bn.running_mean is None:
            c = x - x.mean(axes, keepdim=True)
            y = c * (c * c).mean(axes, keepdim=True).add(bn.eps).rsqrt()
        else:
            y = (x - bn.running_mean.view(by_channel)) * bn.running_var.view(by_channel).add(bn.eps).rsqrt()
        return y if bn.weight is None else y * bn.weight.view(by_channel) + bn.bias.view(by_channel)


T = torch.nn
IMAGES, ROWS = (3, 4, 7, 6), (5, 4)
LAYERS = {
    "linear": (nn.Linear(4, 3), T.Linear(4, 3), ROWS),
    "linear-no-bias": (nn.Linear(4, 3, False), T.Linear(4, 3, False), ROWS),
    "linear-on-stacks": (nn.Linear(6, 3), T.Linear(6, 3), IMAGES),
    "conv": (nn.Conv2d(4, 6, 3), T.Conv2d(4, 6, 3), IMAGES),
    "conv-strided": (nn.Conv2d(4, 6, 3, 2, 1), T.Conv2d(4, 6, 3, 2, 1), IMAGES),
    "conv-oblong": (
        nn.Conv2d(4, 6, (3, 2), (1, 2), (2, 1), (2, 1)),
        T.Conv2d(4, 6, (3, 2), (1, 2), (2, 1), (2, 1)),
        IMAGES,
    ),
    "conv-groups": (nn.Conv2d(4, 6, 3, groups=2, bias=False), T.Conv2d(4, 6, 3, groups=2, bias=False), IMAGES),
    "conv-depthwise": (nn.Conv2d(4, 8, 3, padding=1, groups=4), T.Conv2d(4, 8, 3, padding=1, groups=4), IMAGES),
    "conv-same": (nn.Conv2d(4, 2, 5, padding="same"), T.Conv2d(4, 2, 5, padding="same"), IMAGES),
    "conv-same-even": (
        nn.Conv2d(4, 2, (2, 4), padding="same", dilation=(3, 1)),
        T.Conv2d(4, 2, (2, 4), padding="same", dilation=(3, 1)),
        IMAGES,
    ),
    "conv-valid": (nn.Conv2d(4, 2, 1, padding="valid"), T.Conv2d(4, 2, 1, padding="valid"), IMAGES),
    "bn1d": (nn.BatchNorm1d(4), T.BatchNorm1d(4), ROWS),
    "bn1d-cumulative": (nn.BatchNorm1d(4, momentum=None), T.BatchNorm1d(4, momentum=None), ROWS),
    "bn2d": (nn.BatchNorm2d(4), T.BatchNorm2d(4), IMAGES),
    "bn2d-eps-momentum": (nn.BatchNorm2d(4, 1e-2, 0.3), T.BatchNorm2d(4, 1e-2, 0.3), IMAGES),
    "bn2d-not-affine": (nn.BatchNorm2d(4, affine=False), T.BatchNorm2d(4, affine=False), IMAGES),
    "bn2d-untracked": (
        nn.BatchNorm2d(4, track_running_stats=False),
        T.BatchNorm2d(4, track_running_stats=False),
        IMAGES,
    ),
    "dropout-eval": (nn.Dropout(0.3), T.Dropout(0.3), ROWS),
    "relu": (nn.ReLU(), T.ReLU(), ROWS),
    "leaky-relu": (nn.LeakyReLU(0.2), T.LeakyReLU(0.2), ROWS),
    "elu": (nn.ELU(0.7), T.ELU(0.7), ROWS),
    "tanh": (nn.Tanh(), T.Tanh(), ROWS),
    "sigmoid": (nn.Sigmoid(), T.Sigmoid(), ROWS),
    "softplus": (nn.Softplus(), T.Softplus(threshold=100), ROWS),
    "softplus-beta": (nn.Softplus(2.5), T.Softplus(2.5, threshold=100), ROWS),
    "silu": (nn.SiLU(), T.SiLU(), ROWS),
    "gelu": (nn.GELU(), T.GELU(), ROWS),
    "gelu-tanh": (nn.GELU("tanh"), T.GELU(approximate="tanh"), ROWS),
    "softmax": (nn.Softmax(1), T.Softmax(1), IMAGES),
    "log-softmax": (nn.LogSoftmax(-1), T.LogSoftmax(-1), ROWS),
    "max-pool": (nn.MaxPool2d(2), T.MaxPool2d(2), IMAGES),
    "max-pool-overlapping": (nn.MaxPool2d(3, 2, 1), T.MaxPool2d(3, 2, 1), IMAGES),
    "avg-pool": (nn.AvgPool2d(2), T.AvgPool2d(2), IMAGES),
    "avg-pool-padded": (nn.AvgPool2d((3, 2), 1, 1), T.AvgPool2d((3, 2), 1, 1), IMAGES),
    "global-pool": (nn.AdaptiveAvgPool2d(1), T.AdaptiveAvgPool2d(1), IMAGES),
    "adaptive-pool": (nn.AdaptiveAvgPool2d((7, 2)), T.AdaptiveAvgPool2d((7, 2)), IMAGES),
    "flatten": (nn.Flatten(), T.Flatten(), IMAGES),
    "sequential": (
        nn.Sequential(nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(2), nn.Linear(20, 2)),
        T.Sequential(T.Conv2d(4, 3, 3), T.BatchNorm2d(3), T.ReLU(), T.Flatten(2), T.Linear(20, 2)),
        IMAGES,
    ),
}


def _same_weights(ours, theirs, rng):
    """Random values in both, by name: parameters near 1, running statistics positive."""
    theirs.double()
    values = {k: np.array(v.numpy()) for k, v in theirs.state_dict().items()}
    assert {k: v.shape for k, v in values.items()} == {k: v.shape for k, v in ours.state_dict().items()}
    for k, v in values.items():
        if v.dtype.kind == "f":
            values[k] = rng.uniform(0.5, 1.5, v.shape) if v.ndim == 1 else rng.normal(size=v.shape)
    ours.astype("float64").load_state_dict(values)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in values.items()})


def _trusted(theirs):
    """torch's module for second derivatives, its batch norms as compositions."""
    if isinstance(theirs, (T.BatchNorm1d, T.BatchNorm2d)):
        return Composed(theirs)
    return T.Sequential(*map(_trusted, theirs)) if isinstance(theirs, T.Sequential) else theirs


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch copies the input for even kernels, and says so
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, training):
    ours, theirs, shape = LAYERS[name]
    if name.endswith("-eval") and training:
        pytest.skip("the two draw different masks")
    rng = np.random.default_rng(7)
    _same_weights(ours, theirs, rng)
    ours.train(training), theirs.train(training)
    a = rng.normal(size=shape)
    x, xt = mg.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)

    y, yt = ours(x), theirs(xt)
    np.testing.assert_allclose(y.data, yt.detach().numpy(), **CLOSE)
    g = rng.normal(size=y.shape)
    y.backward(g), yt.backward(torch.tensor(g))
    np.testing.assert_allclose(x.grad, xt.grad.numpy(), **CLOSE)
    gradients = {k: p.grad.numpy() for k, p in theirs.named_parameters()}
    assert [k for k, _ in ours.named_parameters()] == list(gradients)
    for k, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad, gradients[k], err_msg=k, **CLOSE)
    _same_state(ours, theirs)

    def loss():  # cubed, so that linear layers have a Hessian too
        return (ours(x) ** 3 * g).sum()

    leaves, leaves_t = [x, *ours.parameters()], [xt, *theirs.parameters()]
    vs = [rng.normal(size=p.shape) for p in leaves]
    grads = torch.autograd.grad((_trusted(theirs)(xt) ** 3 * torch.tensor(g)).sum(), leaves_t, create_graph=True)
    along = sum((d * torch.tensor(v)).sum() for d, v in zip(grads, vs))
    products = torch.autograd.grad(along, leaves_t)
    largest = max(want.abs().max().item() for want in products)  # a bias before batch norm has a zero product
    for hv, want in zip(mg.hvp(loss, leaves, vs), products, strict=True):
        np.testing.assert_allclose(hv.data, want.numpy(), rtol=1e-9, atol=1e-12 * largest)


def _same_state(ours, theirs, **tolerance):
    state = ours.state_dict()
    for k, v in theirs.state_dict().items():
        np.testing.assert_allclose(state[k], v.numpy(), err_msg=k, **(tolerance or CLOSE))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses(reduction, smoothing):
    rng = np.random.default_rng(3)
    a, labels, target = rng.normal(size=(6, 5)), rng.integers(5, size=6), rng.normal(size=(6, 5))
    pairs = [
        (
            nn.CrossEntropyLoss(reduction=reduction, label_smoothing=smoothing),
            T.CrossEntropyLoss(reduction=reduction, label_smoothing=smoothing),
            labels,
        ),
        (nn.MSELoss(reduction=reduction), T.MSELoss(reduction=reduction), target),
    ]
    for ours, theirs, goal in pairs:
        x, xt = mg.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        v = rng.normal(size=a.shape)
        y, yt = ours(x, goal), theirs(xt, torch.tensor(goal))
        np.testing.assert_allclose(y.data, yt.item(), **CLOSE)
        (gt,) = torch.autograd.grad(yt, xt, create_graph=True)
        (hvt,) = torch.autograd.grad((gt * torch.tensor(v)).sum(), xt)
        (hv,) = mg.hvp(lambda: ours(x, goal), [x], [v])
        y.backward()
        np.testing.assert_allclose(x.grad, gt.detach().numpy(), **CLOSE)
        np.testing.assert_allclose(hv.data, hvt.numpy(), **CLOSE)


# ---- initial distributions: the same families, so the same moments ---------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: nn.Linear(300, 200, rng=0), lambda: T.Linear(300, 200)),
        (lambda: nn.Conv2d(64, 64, 3, groups=2, rng=0), lambda: T.Conv2d(64, 64, 3, groups=2)),
    ],
)
def test_initial_distributions(ours, theirs):
    torch.manual_seed(0)
    want = dict(theirs().named_parameters())
    for name, p in ours().named_parameters():
        q = want[name].detach().numpy()
        assert p.shape == q.shape and p.dtype == q.dtype
        n = p.size**0.5  # a uniform's standard deviation is estimated to about 1/(2√n), its bound to about 1/n
        assert abs(p.data.std() / q.std() - 1) < 4 / n
        assert abs(np.abs(p.data).max() / np.abs(q).max() - 1) < 10 / p.size + 1e-3 * (p.size < 1000) * 40


@pytest.mark.parametrize("name", ["kaiming_uniform", "kaiming_normal", "xavier_uniform", "xavier_normal"])
def test_initialisers(name):
    torch.manual_seed(0)
    for shape in [(120, 70), (40, 30, 3, 5)]:
        q = getattr(T.init, name + "_")(torch.empty(shape)).numpy()
        a = getattr(nn.init, name)(shape, rng=0)
        assert abs(a.std() / q.std() - 1) < 4 / a.size**0.5


@pytest.mark.parametrize("name", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains(name):
    assert nn.init.gain(name) == pytest.approx(T.init.calculate_gain(name), rel=1e-15)


def test_weights_by_name(tmp_path):
    """A state dict as it is, and by a file of safetensors' own; and the way back."""
    from safetensors.torch import load_file, save_file

    from minigrad import train

    theirs = T.Sequential(T.Conv2d(3, 4, 3), T.BatchNorm2d(4), T.ReLU(), T.Flatten(), T.Linear(16, 2))
    make = lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))  # noqa: E731
    ours, other = make(), make()
    ours.load_state_dict(theirs.state_dict())
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    train.load_weights(other, tmp_path / "theirs.safetensors")
    for net in (ours, other):
        _same_state(net, theirs, rtol=0, atol=0)
    train.save_weights(make(), tmp_path / "ours.safetensors")
    theirs.load_state_dict(load_file(tmp_path / "ours.safetensors"))


# ---- training a residual network -------------------------------------------------------------------------------------


class Block(T.Module):
    def __init__(self, c, o, stride, option):
        super().__init__()
        self.conv1, self.bn1 = T.Conv2d(c, o, 3, stride, 1, bias=False), T.BatchNorm2d(o)
        self.conv2, self.bn2 = T.Conv2d(o, o, 3, 1, 1, bias=False), T.BatchNorm2d(o)
        self.stride, self.more = stride, o - c
        if option == "B" and stride > 1:
            self.shortcut = T.Sequential(T.Conv2d(c, o, 1, stride, bias=False), T.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "shortcut"):
            return F.relu(y + self.shortcut(x))
        return F.relu(y + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more)))


class TorchResNet(T.Module):
    def __init__(self, n, option="A"):
        super().__init__()
        self.conv1, self.bn1 = T.Conv2d(3, 16, 3, 1, 1, bias=False), T.BatchNorm2d(16)
        self.stage1 = T.Sequential(*[Block(16, 16, 1, option) for _ in range(n)])
        self.stage2 = T.Sequential(Block(16, 32, 2, option), *[Block(32, 32, 1, option) for _ in range(n - 1)])
        self.stage3 = T.Sequential(Block(32, 64, 2, option), *[Block(64, 64, 1, option) for _ in range(n - 1)])
        self.fc = T.Linear(64, 10)

    def forward(self, x):
        x = self.stage3(self.stage2(self.stage1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


def _twins(n, option, seed):
    ours, theirs = nn.models.ResNet(n, rng=seed, dtype=np.float64, shortcut=option), TorchResNet(n, option).double()
    state = ours.state_dict()
    assert {k: v.shape for k, v in state.items()} == {k: tuple(v.shape) for k, v in theirs.state_dict().items()}
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    return ours, theirs


def _train(ours, theirs, steps, batch, **options):
    """Both twins by SGD from the same weights on the same batches; the largest relative difference of the losses."""
    rng = np.random.default_rng(11)
    opt, opt_t = optim.SGD(ours.parameters(), **options), torch.optim.SGD(theirs.parameters(), **options)
    worst = 0.0
    for _ in range(steps):
        a, labels = rng.normal(size=(batch, 3, 32, 32)), rng.integers(10, size=batch)
        opt.zero_grad(), opt_t.zero_grad()
        loss = mg.cross_entropy(ours(mg.tensor(a)), labels)
        loss_t = F.cross_entropy(theirs(torch.tensor(a)), torch.tensor(labels))
        loss.backward(), loss_t.backward()
        opt.step(), opt_t.step()
        worst = max(worst, abs(loss.item() / loss_t.item() - 1))
    return worst


def test_thirty_steps_of_resnet20():
    ours, theirs = _twins(3, "A", seed=1)
    worst = _train(ours, theirs, steps=30, batch=4, lr=0.01, momentum=0.9, weight_decay=1e-4)
    assert worst < 1e-9
    for k, v in theirs.state_dict().items():
        a, b = ours.state_dict()[k], v.numpy()
        assert np.linalg.norm(a - b) <= 1e-9 * np.linalg.norm(b), k
    a = np.random.default_rng(2).normal(size=(2, 3, 32, 32))
    ours.eval(), theirs.eval()
    np.testing.assert_allclose(ours(a).data, theirs(torch.tensor(a)).detach().numpy(), rtol=1e-8, atol=1e-9)


def test_resnet_with_projections_and_nesterov():
    ours, theirs = _twins(1, "B", seed=2)
    assert _train(ours, theirs, steps=5, batch=4, lr=0.02, momentum=0.9, nesterov=True) < 1e-9
    _same_state(ours, theirs, rtol=1e-8, atol=1e-9)


def test_hessian_product_of_resnet8():
    ours, theirs = _twins(1, "A", seed=3)
    rng = np.random.default_rng(4)
    a, labels = rng.normal(size=(3, 3, 16, 16)), np.array([1, 7, 3])
    vs = [rng.normal(size=p.shape) for p in ours.parameters()]
    products = mg.hvp(lambda: mg.cross_entropy(ours(a), labels), ours.parameters(), vs)
    ps = list(theirs.parameters())
    names = [k for k, _ in theirs.named_parameters()]
    grads = torch.autograd.grad(F.cross_entropy(theirs(torch.tensor(a)), torch.tensor(labels)), ps, create_graph=True)
    by_name = dict(zip([k for k, _ in ours.named_parameters()], vs))
    along = sum((d * torch.tensor(by_name[k])).sum() for k, d in zip(names, grads))
    want = dict(zip(names, torch.autograd.grad(along, ps)))
    for (k, _), hv in zip(ours.named_parameters(), products):
        b = want[k].numpy()
        assert np.linalg.norm(hv.data - b) <= 1e-9 * np.linalg.norm(b) + 1e-12, k
