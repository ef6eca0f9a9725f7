"""Every layer beside PyTorch's: its signature, and outputs, gradients, Hessian-vector products and names of its state.

A row is the call that makes the layer, of both libraries, and the shapes of its inputs; "int 5 3" are ints below 5, "±"
signs, "+" positive, "p" probabilities that add up to one.
"""

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import models
from minigrad.tree import flatten

torch = pytest.importorskip("torch")
T = torch.nn
CLOSE = {"rtol": 1e-9, "atol": 1e-11}

SIGNAL, IMAGE, VOLUME, ROWS = (3, 4, 9), (3, 4, 6, 5), (2, 4, 3, 4, 3), (5, 4)
LAYERS = {
    # convolutions
    "Conv1d(4, 6, 3)": SIGNAL, "Conv1d(4, 6, 3, 2, 1, 2, 2, False)": SIGNAL, "Conv1d(4, 6, 3)@": (4, 9),
    "Conv2d(4, 6, 3, padding=1, padding_mode='reflect')": IMAGE, "Conv2d(4, 6, (3, 2), padding=(1, 0), padding_mode='circular')": IMAGE,
    "Conv2d(4, 6, 3, padding='same', padding_mode='replicate', dilation=2)": IMAGE, "Conv2d(4, 6, 3)@": (4, 6, 5),
    "Conv1d(4, 6, 4, padding='same', padding_mode='replicate')": SIGNAL,
    "Conv3d(4, 2, 2)": VOLUME, "Conv3d(4, 6, (2, 1, 3), (1, 2, 1), (1, 0, 1), groups=2)": VOLUME,
    "ConvTranspose1d(4, 6, 3, 2)": SIGNAL, "ConvTranspose2d(4, 6, 3, 2, 1, 1, 2)": IMAGE, "ConvTranspose2d(4, 6, (3, 2), (1, 2), bias=False)": IMAGE,
    "ConvTranspose3d(4, 2, 2, 2)": VOLUME,
    # pooling
    "MaxPool1d(2)": SIGNAL, "MaxPool1d(3, 2, 1, 2, ceil_mode=True)": SIGNAL, "MaxPool2d((3, 2), 2, 1, 1)": IMAGE, "MaxPool3d(2)": VOLUME,
    "MaxPool2d(2, ceil_mode=True)": IMAGE, "MaxPool2d(2)@": (4, 6, 5),
    "AvgPool1d(3, 2, 1)": SIGNAL, "AvgPool2d(3, 2, 1, True, False)": IMAGE, "AvgPool2d(2, divisor_override=3)": IMAGE, "AvgPool3d(2)": VOLUME,
    "LPPool1d(2, 3)": SIGNAL, "LPPool2d(3, 2)": ("+", IMAGE), "LPPool3d(2, 2)": VOLUME,
    "AdaptiveAvgPool1d(4)": SIGNAL, "AdaptiveAvgPool2d((4, None))": IMAGE, "AdaptiveAvgPool3d(2)": VOLUME,
    "AdaptiveMaxPool1d(4)": SIGNAL, "AdaptiveMaxPool2d((4, 3))": IMAGE, "AdaptiveMaxPool3d(2)": VOLUME,
    # padding, resizing, rearranging
    **{f"{kind}Pad{d}d({pad})": shape for d, pad, shape in ((1, (1, 2), SIGNAL), (2, (1, 0, 2, 1), IMAGE), (3, 1, VOLUME))
       for kind in ("Zero", "Reflection", "Replication", "Circular")},
    "ConstantPad1d(2, 1.5)": SIGNAL, "ConstantPad2d((1, 2, 0, 1), -1.0)": IMAGE, "ConstantPad3d(1, 0.5)": VOLUME,
    "Upsample(scale_factor=2)": IMAGE, "Upsample((7, 9), mode='bilinear')": IMAGE, "Upsample(12, mode='linear', align_corners=True)": SIGNAL,
    "UpsamplingNearest2d(scale_factor=2)": IMAGE, "UpsamplingBilinear2d((8, 9))": IMAGE,
    "PixelShuffle(2)": IMAGE, "PixelUnshuffle(2)": (2, 3, 4, 6), "ChannelShuffle(2)": IMAGE,
    "Unfold((2, 3), 1, 1, 2)": IMAGE, "Fold((6, 5), (2, 3), 1, 1, 2)": (3, 24, 12),
    "Flatten(1, 2)": IMAGE, "Unflatten(1, (2, 2))": IMAGE, "Identity(3, a=2)": IMAGE,
    # norms
    "BatchNorm1d(4)": SIGNAL, "BatchNorm3d(4)": VOLUME, "BatchNorm2d(4, bias=False)": IMAGE,
    "LayerNorm((6, 5))": IMAGE, "LayerNorm(5, 1e-3, bias=False)": IMAGE, "LayerNorm(5, elementwise_affine=False)": IMAGE,
    "GroupNorm(2, 4)": IMAGE, "GroupNorm(4, 4, affine=False)": (5, 4, 3), "RMSNorm((6, 5))": IMAGE, "RMSNorm(4, 0.1)": ROWS,
    "InstanceNorm1d(4)": SIGNAL, "InstanceNorm2d(4, affine=True, track_running_stats=True)": IMAGE, "InstanceNorm3d(4, affine=True)": VOLUME,
    "LocalResponseNorm(3, k=2.0)": IMAGE,
    # activations
    **{f"{name}()": ROWS for name in ["CELU(0.7)", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax(-1)", "Mish", "PReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax(0)", "Softmin(1)", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink"]},
    "GELU('tanh')": ROWS, "GELU('none')": ROWS, "Hardtanh(-0.3, 0.5)": ROWS, "Threshold(0.1, 2.0)": ROWS, "PReLU(4)": IMAGE, "Softplus(2.5, 1.0)": ROWS,
    "ReLU(inplace=True)": ROWS, "Softmax2d()": IMAGE, "GLU(1)": IMAGE, "Softshrink(0.1)": ROWS, "RReLU()": ROWS,
    # linear, embedding
    "Linear(4, 3)": (4,), "Bilinear(4, 3, 2)": (ROWS, (5, 3)), "Bilinear(4, 3, 2, False)": ((2, 5, 4), (2, 5, 3)),
    "Embedding(7, 3)": ("int 7", (2, 5)), "Embedding(7, 3, padding_idx=2)": ("int 7", (4, 5)),
    **{f"EmbeddingBag(7, 3, mode='{mode}')": ("int 7", (2, 5)) for mode in ("sum", "mean", "max")},
    # recurrent, attention
    **{f"{kind}Cell(4, 6)": ROWS for kind in ("RNN", "LSTM", "GRU")},
    **{f"{kind}Cell(4, 6)@": ((5, 4), *(((5, 6),) if kind != "LSTM" else ())) for kind in ("RNN", "LSTM", "GRU")},
    **{f"{kind}({settings})": (5, 3, 4) for kind in ("RNN", "LSTM", "GRU") for settings in (
        "4, 6", "4, 5, 2, bidirectional=True", "4, 5, batch_first=True, bias=False")},
    "LSTM(4, 6, 2, proj_size=2)": (5, 3, 4), "RNN(4, 6, nonlinearity='relu')": (5, 3, 4), "GRU(4, 6, 2)@": ((5, 4), (2, 6)),
    "MultiheadAttention(8, 2)": ((3, 2, 8), (4, 2, 8), (4, 2, 8)), "MultiheadAttention(8, 2, kdim=3, vdim=5, batch_first=True)": ((2, 3, 8), (2, 4, 3), (2, 4, 5)),
    "MultiheadAttention(8, 2, bias=False, add_bias_kv=True, add_zero_attn=True)": ((3, 2, 8), (4, 2, 8), (4, 2, 8)),
    "TransformerEncoderLayer(8, 2, 12, 0.0)": (3, 2, 8), "TransformerEncoderLayer(8, 2, 12, 0.0, norm_first=True, batch_first=True)": (3, 2, 8),
    "TransformerDecoderLayer(8, 2, 12, 0.0, bias=False)": ((3, 2, 8), (4, 2, 8)),
    "TransformerEncoder(TransformerEncoderLayer(8, 2, 12, 0.0), 2, LayerNorm(8), enable_nested_tensor=False)": (3, 2, 8),
    "TransformerDecoder(TransformerDecoderLayer(8, 2, 12, 0.0), 2)": ((3, 2, 8), (4, 2, 8)),
    # losses and distances
    **{f"{loss}({reduction})": shapes for reduction in ("", "reduction='sum'", "reduction='none'") for loss, shapes in {
        "MSELoss": (ROWS, ROWS), "L1Loss": (ROWS, ROWS), "SmoothL1Loss": (ROWS, ROWS), "HuberLoss": (ROWS, ROWS),
        "CrossEntropyLoss": (ROWS, "int 4", (5,)), "NLLLoss": (ROWS, "int 4", (5,)), "KLDivLoss": (ROWS, "+", ROWS),
        "BCELoss": ("p", ROWS, "p", ROWS), "BCEWithLogitsLoss": (ROWS, "p", ROWS), "PoissonNLLLoss": (ROWS, "+", ROWS),
        "GaussianNLLLoss": (ROWS, ROWS, "+", ROWS), "HingeEmbeddingLoss": (ROWS, "±", ROWS), "SoftMarginLoss": (ROWS, "±", ROWS),
        "MarginRankingLoss": ((5,), (5,), "±", (5,)), "MultiMarginLoss": (ROWS, "int 4", (5,)), "MultiLabelMarginLoss": (ROWS, "int 4", ROWS),
        "MultiLabelSoftMarginLoss": (ROWS, "p", ROWS), "CosineEmbeddingLoss": (ROWS, ROWS, "±", (5,)), "TripletMarginLoss": (ROWS, ROWS, ROWS),
        "TripletMarginWithDistanceLoss": (ROWS, ROWS, ROWS)}.items()},
    "CrossEntropyLoss(ignore_index=1, label_smoothing=0.1)": ((3, 4, 5), "int 4", (3, 5)), "CrossEntropyLoss()@": (ROWS, "p", ROWS),
    "KLDivLoss(reduction='batchmean', log_target=True)": (ROWS, ROWS), "SmoothL1Loss(beta=0.3)": (ROWS, ROWS), "HuberLoss('sum', 0.5)": (ROWS, ROWS),
    "PoissonNLLLoss(False, True)": ("+", ROWS, "+", ROWS), "GaussianNLLLoss(full=True)": (ROWS, ROWS, "+", ROWS), "MultiMarginLoss(2, 0.7)": (ROWS, "int 4", (5,)),
    "TripletMarginLoss(2.0, 3.0, swap=True)": (ROWS, ROWS, ROWS), "CosineEmbeddingLoss(0.3)": (ROWS, ROWS, "±", (5,)),
    "CosineSimilarity()": (ROWS, ROWS), "CosineSimilarity(0, 1e-3)": (ROWS, ROWS), "PairwiseDistance()": (ROWS, ROWS), "PairwiseDistance(3.0, keepdim=True)": (ROWS, ROWS),
    # at test time
    **{f"{kind}(0.3).eval()": IMAGE for kind in ("Dropout", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout")},
    "Dropout1d(0.3).eval()": SIGNAL, "Dropout3d(0.3).eval()": VOLUME,
}  # fmt: skip
LAYERS = {call.replace(")()", ")"): given for call, given in LAYERS.items()}

# what PyTorch does not differentiate twice, and where it rounds a constant to float32
FIRST_ORDER = ("LSTM(4, 6, 2, proj_size=2)", "EmbeddingBag", "Hardsigmoid", "MultiMarginLoss", "MultiLabelMarginLoss")
ROUNDED = ("CELU(0.7)", "Hardsigmoid()")


def arrays(given, rng):
    """The inputs of a row, and whether each can be differentiated."""
    if given and isinstance(given[0], int):
        given = (given,)
    kind, found = "", []
    for g in given:
        if isinstance(g, str):
            kind = g
            continue
        if kind.startswith("int"):
            found.append(rng.integers(int(kind[3:]), size=g))
        elif kind == "±":
            found.append(rng.choice([-1.0, 1.0], g))
        elif kind == "+":
            found.append(rng.uniform(0.3, 2.0, g))
        elif kind == "p":
            found.append((lambda p: p / p.sum(-1, keepdims=True))(rng.uniform(0.3, 2.0, g)))
        else:
            found.append(rng.normal(size=g))
        kind = ""
    return found


def twins(call):
    """Both layers, in float64, with the same weights."""
    call = call.rstrip("@")
    ours = eval(call, dict(vars(nn)))
    theirs = eval(call, dict(vars(T))).double()
    rng = np.random.default_rng(7)
    state = {}
    for k, v in theirs.state_dict().items():
        state[k] = v.numpy() if v.numpy().dtype.kind != "f" else rng.uniform(0.5, 1.5, tuple(v.shape))
        state[k] = state[k] - 1 if state[k].ndim > 1 else state[k]
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    assert list(ours.state_dict()) == list(state) or sorted(ours.state_dict()) == sorted(state)
    ours.double().load_state_dict(theirs.state_dict())  # as it is
    assert [k for k, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in state.items()}
    return ours, theirs


def tensors(y):
    return [x for x in flatten(y)[0] if x is not None]


@pytest.fixture
def _twice():
    """PyTorch's attention by a way that it can differentiate twice."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        yield


@pytest.mark.usefixtures("_twice")
@pytest.mark.filterwarnings("ignore:.*")
@pytest.mark.parametrize("call", LAYERS)
def test_layer(call):
    ours, theirs = twins(call)
    rtol = 1e-7 if call in ROUNDED else 1e-9
    if call == "RReLU()":
        ours.eval(), theirs.eval()
    rng = np.random.default_rng(3)
    given = arrays(LAYERS[call], rng)
    xs = [mg.tensor(a, requires_grad=a.dtype.kind == "f") for a in given]
    xts = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in given]
    if call.startswith(
        (
            "KLDivLoss",
            "HingeE",
            "BCE",
            "SoftMargin",
            "MarginR",
            "CosineE",
            "MultiLabel",
            "CrossEntropyLoss()@",
            "Poisson",
            "Gauss",
        )
    ):
        for x, xt in zip(xs[1:], xts[1:]):  # targets
            x.requires_grad = xt.requires_grad = False
    ys = tensors(ours(*xs))
    yts = tensors(theirs(*[xt.clone() if "inplace" in call else xt for xt in xts]))
    for y, yt in zip(ys, yts, strict=True):
        np.testing.assert_allclose(y.data, yt.detach().numpy(), rtol=rtol, atol=1e-11)
    gs = [rng.normal(size=y.shape) for y in ys]
    leaves, leaves_t = [*xs, *ours.parameters()], [*xts, *theirs.parameters()]
    leaves, leaves_t = ([x for x in each if x.requires_grad] for each in (leaves, leaves_t))

    def loss():  # cubed, so that linear layers have a Hessian too
        return sum((y**3 * g).sum() for y, g in zip(tensors(ours(*xs)), gs))

    loss_t = sum((y**3 * torch.tensor(g)).sum() for y, g in zip(yts, gs))
    loss().backward()
    grads = torch.autograd.grad(loss_t, leaves_t, create_graph=not call.startswith(FIRST_ORDER), allow_unused=True)
    largest = max(1.0, *(g.abs().max().item() for g in grads if g is not None and g.numel()))
    for x, gt in zip(leaves, grads):
        want = np.zeros(x.shape) if gt is None else gt.detach().numpy()
        np.testing.assert_allclose(
            np.zeros(x.shape) if x.grad is None else x.grad, want, rtol=rtol, atol=1e-11 * largest
        )
    if call.startswith(FIRST_ORDER):
        return
    vs = [rng.normal(size=x.shape) for x in leaves]
    along = sum((d * torch.tensor(v)).sum() for d, v in zip(grads, vs) if d is not None)
    products = torch.autograd.grad(along, leaves_t, allow_unused=True)
    largest = max(1.0, *(want.abs().max().item() for want in products if want is not None and want.numel()))
    for hv, want, x in zip(mg.hvp(loss, leaves, vs), products, leaves, strict=True):
        want = np.zeros(x.shape) if want is None else want.numpy()
        np.testing.assert_allclose(hv.data, want, rtol=rtol, atol=1e-11 * largest)


# ---- signatures ----------------------------------------------------------------------------------------------------------

NEVER = {"size_average", "reduce", "device", "dtype", "_weight", "_freeze", "_random_samples", "min_value", "max_value"}
DIFFER = {  # what is meant, and why
    "FractionalMaxPool2d": "regions instead of a kernel size: the paper's forms",
    "Softmax": "the last axis where PyTorch asks for one", "LogSoftmax": "as Softmax", "Softmin": "as Softmax",
    "Dropout": "scaling and a generator by keyword", "Softplus": "no threshold unless asked for: smooth everywhere",
}  # fmt: skip
MISSING = {
    "AdaptiveLogSoftmaxWithLoss": "a loss for huge vocabularies", "LinearCrossEntropyLoss": "new and unstable", "FractionalMaxPool3d": "no volumes",
    "DataParallel": "one CPU", "SyncBatchNorm": "one CPU", "CrossMapLRN2d": "the old name of LocalResponseNorm", "NLLLoss2d": "the old name of NLLLoss",
    "Container": "the old name of Module", "RNNBase": "a base", "RNNCellBase": "a base",
}  # fmt: skip
THEIRS = [n for n in sorted(vars(T)) if isinstance(getattr(T, n), type) and issubclass(getattr(T, n), T.Module)]


def test_what_is_missing_is_said():
    assert {n for n in THEIRS if not hasattr(nn, n) and not n.startswith("Lazy")} == set(MISSING)


def settings(kind):
    """Name, default and whether it can be given by place, of each setting that both libraries may have."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except ValueError:
        return None
    return [p for p in parameters if p.name not in NEVER and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


@pytest.mark.parametrize("name", [n for n in THEIRS if hasattr(nn, n) and n not in DIFFER])
def test_signature(name):
    ours, theirs = settings(getattr(nn, name)), settings(getattr(T, name))
    by_name = {p.name: p for p in ours}
    if not theirs:  # theirs takes anything
        return
    assert [p.name for p in theirs if p.name not in by_name] == []
    deprecated = inspect.signature(getattr(T, name)).parameters.keys() & {"size_average"}
    for p in theirs:
        if p.default is not p.empty and name not in ("Transformer",) and p.name != "activation":
            assert by_name[p.name].default == p.default or p.default in (by_name[p.name].default,), p.name
    by_place = [p.name for p in ours if p.kind is not p.KEYWORD_ONLY]
    expected = [p.name for p in theirs if p.kind is not p.KEYWORD_ONLY]
    if deprecated:  # what stands behind them is given by keyword
        expected = expected[: len(by_place)]
    assert by_place == [n for n in expected if n in by_place] and by_place == expected[: len(by_place)]
    left = expected[len(by_place) :]
    assert not left or left == ["bias"], left  # behind device and dtype


# ---- whole networks, in plain PyTorch with torchvision's names -------------------------------------------------------------


class Block(T.Module):
    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        outputs = width * (4 if bottleneck else 1)
        if bottleneck:
            self.conv1, self.bn1 = T.Conv2d(inputs, width, 1, bias=False), T.BatchNorm2d(width)
            self.conv2, self.bn2 = T.Conv2d(width, width, 3, stride, 1, bias=False), T.BatchNorm2d(width)
            self.conv3, self.bn3 = T.Conv2d(width, outputs, 1, bias=False), T.BatchNorm2d(outputs)
        else:
            self.conv1, self.bn1 = T.Conv2d(inputs, width, 3, stride, 1, bias=False), T.BatchNorm2d(width)
            self.conv2, self.bn2 = T.Conv2d(width, width, 3, 1, 1, bias=False), T.BatchNorm2d(width)
        self.relu, self.downsample = T.ReLU(), None
        if stride != 1 or inputs != outputs:
            self.downsample = T.Sequential(T.Conv2d(inputs, outputs, 1, stride, bias=False), T.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "conv3"):
            y = self.bn3(self.conv3(self.relu(y)))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class TorchvisionResNet(T.Module):
    def __init__(self, layers, classes, bottleneck):
        super().__init__()
        self.conv1, self.bn1 = T.Conv2d(3, 64, 7, 2, 3, bias=False), T.BatchNorm2d(64)
        self.relu, self.maxpool = T.ReLU(), T.MaxPool2d(3, 2, 1)
        inputs = 64
        for i, n in enumerate(layers):
            blocks, width = [], 64 * 2**i
            for j in range(n):
                blocks.append(Block(inputs, width, 2 if i and not j else 1, bottleneck))
                inputs = width * (4 if bottleneck else 1)
            setattr(self, f"layer{i + 1}", T.Sequential(*blocks))
        self.avgpool, self.fc = T.AdaptiveAvgPool2d((1, 1)), T.Linear(inputs, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


@pytest.mark.parametrize(("make", "layers", "bottleneck", "parameters"), [
    (models.resnet18, (2, 2, 2, 2), False, 11_689_512), (models.resnet50, (3, 4, 6, 3), True, 25_557_032),
])  # fmt: skip
def test_a_resnet_with_the_weights_of_another(make, layers, bottleneck, parameters):
    torch.manual_seed(0)
    theirs = TorchvisionResNet(layers, 1000, bottleneck)
    ours = make(rng=0)
    assert sum(p.size for p in ours.parameters()) == parameters == sum(p.numel() for p in theirs.parameters())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    rng = np.random.default_rng(0)
    a, labels = rng.normal(size=(2, 3, 64, 64)), np.array([3, 141])
    theirs.double()(torch.tensor(a))  # moves the running statistics
    ours.double().load_state_dict(theirs.state_dict())
    for training in True, False:
        ours.train(training), theirs.train(training)
        ours.zero_grad(), theirs.zero_grad()
        y, yt = ours(a), theirs(torch.tensor(a))
        np.testing.assert_allclose(y.data, yt.detach().numpy(), rtol=1e-8, atol=1e-9)
        mg.cross_entropy(y, labels).backward()
        T.functional.cross_entropy(yt, torch.tensor(labels)).backward()
        for (k, p), (_, pt) in zip(ours.named_parameters(), theirs.named_parameters()):
            want = pt.grad.numpy()
            assert np.linalg.norm(p.grad - want) <= 1e-8 * np.linalg.norm(want) + 1e-12, k
    for k, v in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[k], v.numpy(), err_msg=k, rtol=1e-9, atol=1e-11)


# ---- hooks -----------------------------------------------------------------------------------------------------------------


def hooked_run(net, x, scale, log):
    """Hooks of all kinds; what they see goes into log."""

    def before(module, args):
        log.append(("before", args[0]))
        return (args[0] * 2,)

    def after(module, args, y):
        log.append(("after", args[0], y))
        return y + 1

    def backward(module, grad_input, grad_output):
        log.append(("backward", *grad_input, *grad_output))
        return (grad_input[0] * scale,)

    handles = [net[0].register_forward_pre_hook(before), net[1].register_forward_hook(after)]
    handles += [net[2].register_full_backward_hook(backward)]
    handles += [net[0].weight.register_hook(lambda g: g * 3)]
    y = net(x)
    mid = net[1](x)
    mid.retain_grad()
    (y**3).sum().backward()
    (mid**2).sum().backward()
    log.append(("retained", mid.grad))
    for h in handles:
        h.remove()
    net(x)
    return [x.grad, *(p.grad for p in net.parameters())]


def test_hooks():
    ours = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2), nn.Sigmoid()).double()
    theirs = T.Sequential(T.Linear(3, 3), T.Tanh(), T.Linear(3, 2), T.Sigmoid()).double()
    ours.load_state_dict(theirs.state_dict())
    a = np.random.default_rng(0).normal(size=(4, 3))
    log, log_t = [], []
    grads = hooked_run(ours, mg.tensor(a, requires_grad=True), 0.5, log)
    grads_t = hooked_run(theirs, torch.tensor(a, requires_grad=True), 0.5, log_t)
    for g, gt in zip(grads, grads_t, strict=True):
        np.testing.assert_allclose(g, gt.numpy(), **CLOSE)
    assert [entry[0] for entry in log] == [entry[0] for entry in log_t]
    for entry, entry_t in zip(log, log_t):
        for x, xt in zip(entry[1:], entry_t[1:], strict=True):
            np.testing.assert_allclose(x.data if isinstance(x, mg.Tensor) else x, xt.detach().numpy(), **CLOSE)
