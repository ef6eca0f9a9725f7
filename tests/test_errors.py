"""Bad input gets a message that names the operation, what was given and what is wanted."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim

rng = np.random.default_rng(0)
F32 = np.float32


def t(*shape, dtype=np.float64):
    return mg.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)


def image(c=3, size=8, n=2, dtype=np.float64):
    return t(n, c, size, size, dtype=dtype)


def changed(state, **new):
    return {**state, **new}


net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
STATE = net.state_dict()

# (what is done, the error, what its message must say)
CASES = {
    "add: shapes": (lambda: t(2) + t(3), ValueError, ["add", "(2,)", "(3,)", "float64"]),
    "mul: ndarray": (lambda: t(2, 3) * np.ones(4), ValueError, ["mul", "(2, 3)", "(4,)"]),
    "add: a string": (lambda: t(2) + "one", TypeError, ["str"]),
    "tensor: strings": (lambda: mg.tensor(["a"]), TypeError, ["tensor", "not numeric"]),
    "tensor: ints want no grad": (lambda: mg.tensor([1, 2], requires_grad=True), TypeError, ["int64", "float"]),
    "matmul: inner sizes": (lambda: t(2, 3) @ t(4, 5), ValueError, ["matmul", "(2, 3)", "(4, 5)", "3 is not 4"]),
    "matmul: scalar": (lambda: t(2) @ t(), ValueError, ["matmul", "scalar"]),
    "matmul: batches": (lambda: t(2, 3, 3) @ t(4, 3, 3), ValueError, ["matmul", "(2, 3, 3)", "(4, 3, 3)"]),
    "sum: axis": (lambda: t(2, 3).sum(axis=2), ValueError, ["sum", "axis 2", "2 axes"]),
    "sum: axis twice": (lambda: t(2, 3).sum(axis=(0, -2)), ValueError, ["sum", "twice"]),
    "mean: empty": (lambda: t(0, 3).mean(axis=0), ValueError, ["mean", "(0, 3)", "empty"]),
    "max: empty": (lambda: t(0).max(), ValueError, ["max", "(0,)"]),
    "var: too few": (lambda: t(1).var(correction=1), ValueError, ["var", "correction 1"]),
    "reshape": (lambda: t(2, 3).reshape(4, -1), ValueError, ["reshape", "(2, 3)", "6 entries", "(4, -1)"]),
    "squeeze": (lambda: t(2, 3).squeeze(0), ValueError, ["squeeze", "(2, 3)", "length 1"]),
    "permute_dims": (lambda: t(2, 3).permute_dims(0), ValueError, ["permute_dims", "(2, 3)"]),
    "concat: shapes": (lambda: mg.concat([t(2, 3), t(2, 4)]), ValueError, ["concat", "(2, 3)", "(2, 4)", "axis 0"]),
    "concat: nothing": (lambda: mg.concat([]), ValueError, ["concat", "at least one"]),
    "pad: widths": (lambda: mg.pad(t(2, 3), [(1, 1)] * 3), ValueError, ["pad", "(2, 3)", "each axis"]),
    "crop: too much": (lambda: mg.crop(t(3), [(2, 2)]), ValueError, ["crop", "(3,)"]),
    "getitem: out of range": (lambda: t(3)[5], IndexError, ["getitem", "(3,)"]),
    "where: condition": (lambda: mg.where(np.ones(2), t(2), 0), TypeError, ["where", "boolean", "float64"]),
    "conv2d: channels": (
        lambda: mg.conv2d(image(3), t(8, 1, 3, 3)),
        ValueError,
        ["conv2d: x has 3 channels, weight expects 1; weight must be (O, 3, 3, 3)"],
    ),
    "conv2d: axes of x": (
        lambda: mg.conv2d(t(3, 8, 8), t(8, 3, 3, 3)),
        ValueError,
        ["conv2d", "(3, 8, 8)", "(N, C, H, W)"],
    ),
    "conv2d: axes of w": (
        lambda: mg.conv2d(image(), t(3, 3)),
        ValueError,
        ["conv2d", "(3, 3)", "(O, C/groups, kh, kw)"],
    ),
    "conv2d: groups": (lambda: mg.conv2d(image(3), t(4, 1, 3, 3), groups=2), ValueError, ["conv2d", "groups=2", "3"]),
    "conv2d: kernel too large": (
        lambda: mg.conv2d(image(), t(1, 3, 9, 9)),
        ValueError,
        ["conv2d", "(9, 9)", "(8, 8)", "padding"],
    ),
    "conv2d: bias": (lambda: mg.conv2d(image(), t(4, 3, 3, 3), t(3)), ValueError, ["conv2d", "bias", "(3,)", "(4,)"]),
    "conv2d: stride": (
        lambda: mg.conv2d(image(), t(4, 3, 3, 3), stride=0),
        ValueError,
        ["conv2d", "stride", "0", "≥ 1"],
    ),
    "conv2d: dtypes": (
        lambda: mg.conv2d(image(), t(4, 3, 3, 3, dtype=F32)),
        TypeError,
        ["conv2d", "float64", "float32", "astype"],
    ),
    "max_pool2d: window": (lambda: mg.max_pool2d(image(size=2), 3), ValueError, ["max_pool2d", "(3, 3)", "(2, 2)"]),
    "max_pool2d: padding": (
        lambda: mg.max_pool2d(image(), 2, padding=2),
        ValueError,
        ["max_pool2d", "padding", "half"],
    ),
    "fold: windows": (lambda: mg.fold(t(1, 1, 3, 3, 2, 2), 5), ValueError, ["fold", "(3, 3)", "(2, 2)"]),
    "batch_norm: channels": (
        lambda: mg.batch_norm(image(), t(4), t(4)),
        ValueError,
        ["batch_norm", "gamma", "(4,)", "3"],
    ),
    "batch_norm: one value": (
        lambda: mg.batch_norm(t(1, 3), t(3), t(3)),
        ValueError,
        ["batch_norm", "(1, 3)", "eval()"],
    ),
    "cross_entropy: label range": (
        lambda: mg.cross_entropy(t(2, 3), np.array([0, 3])),
        ValueError,
        ["cross_entropy", "label 3", "3 classes"],
    ),
    "cross_entropy: negative label": (lambda: mg.cross_entropy(t(2, 3), np.array([0, -1])), ValueError, ["label -1"]),
    "cross_entropy: float labels": (
        lambda: mg.cross_entropy(t(2, 3), np.zeros(2)),
        TypeError,
        ["cross_entropy", "float64", "integers"],
    ),
    "cross_entropy: shapes": (
        lambda: mg.cross_entropy(t(2, 3), np.zeros(5, int)),
        ValueError,
        ["cross_entropy", "(2, 3)", "(5,)"],
    ),
    "cross_entropy: empty batch": (
        lambda: mg.cross_entropy(t(0, 3), np.zeros(0, int)),
        ValueError,
        ["cross_entropy", "empty"],
    ),
    "cross_entropy: reduction": (
        lambda: mg.cross_entropy(t(2, 3), np.zeros(2, int), reduction="avg"),
        ValueError,
        ["cross_entropy", "'avg'", "'mean'"],
    ),
    "mse_loss": (lambda: mg.mse_loss(t(3), t(3, 1)), ValueError, ["mse_loss", "(3,)", "(3, 1)"]),
    "dropout: p": (lambda: mg.dropout(t(3), 1.0), ValueError, ["dropout", "1.0", "[0, 1)"]),
    "backward: not a scalar": (lambda: (t(3) * 2).backward(), RuntimeError, ["backward", "(3,)", "sum()"]),
    "backward: shape of g": (lambda: (t(3) * 2).backward(np.ones(2)), ValueError, ["backward", "(3,)", "(2,)"]),
    "backward: nothing recorded": (
        lambda: mg.tensor([1.0]).sum().backward(),
        RuntimeError,
        ["backward", "requires grad"],
    ),
    "data: shape": (lambda: setattr(t(3), "data", np.ones(2)), ValueError, ["data", "(3,)", "(2,)"]),
    "tensor: misspelt attribute read": (lambda: t(3).gard, AttributeError, ["gard"]),
    "tensor: misspelt attribute set": (lambda: setattr(t(3), "gard", None), AttributeError, ["gard"]),
    "grad: not a number": (lambda: mg.grad(lambda x: x * 2)(np.ones(3)), ValueError, ["grad", "(3,)", "one number"]),
    "grad: not a tensor": (lambda: mg.grad(lambda x: 3.0)(np.ones(3)), TypeError, ["float", "tensor"]),
    "grad: integers": (lambda: mg.grad(lambda x: x.sum())(np.arange(3)), TypeError, ["int64", "float"]),
    "grad: argnums": (
        lambda: mg.grad(lambda x: x.sum(), argnums=1)(np.ones(3)),
        ValueError,
        ["argnums=1", "1 argument"],
    ),
    "hvp: directions": (lambda: mg.hvp(lambda x: x.sum(), (np.ones(3),), ()), ValueError, ["hvp", "0 directions", "1"]),
    "jvp: shape": (lambda: mg.jvp(lambda x: x, (np.ones(3),), (np.ones(2),)), ValueError, ["(3,)", "(2,)"]),
    "set_num_threads": (lambda: mg.set_num_threads(0), ValueError, ["set_num_threads", "0"]),
    # layers and optimizers
    "nn.Linear: features": (lambda: nn.Linear(4, 2)(t(3, 5, dtype=F32)), ValueError, ["linear", "5", "4"]),
    "nn.Linear: dtype": (lambda: nn.Linear(4, 2)(t(3, 4)), TypeError, ["linear", "float64", "float32"]),
    "nn: misspelt attribute": (lambda: net.paramters(), AttributeError, ["paramters", "parameters"]),
    "nn: empty batch": (
        lambda: net(np.zeros((0, 1, 8, 8), F32)),
        ValueError,
        ["batch_norm", "(0, 4, 6, 6)"],
    ),
    "load_state_dict: missing": (
        lambda: net.load_state_dict({k: v for k, v in STATE.items() if k != "0.weight"}),
        (KeyError, ValueError),
        ["0.weight", "missing"],
    ),
    "load_state_dict: unexpected": (
        lambda: net.load_state_dict(changed(STATE, extra=np.ones(1))),
        (KeyError, ValueError),
        ["extra", "unexpected"],
    ),
    "load_state_dict: shape": (
        lambda: net.load_state_dict({**STATE, "0.weight": np.ones((4, 2, 3, 3))}),
        ValueError,
        ["0.weight", "(4, 2, 3, 3)", "(4, 1, 3, 3)"],
    ),
    "optim: no parameters": (lambda: optim.SGD([], lr=0.1), ValueError, ["SGD", "params is empty"]),
    "optim: not tensors": (lambda: optim.Adam([np.ones(2)]), TypeError, ["Adam", "ndarray"]),
    "optim: rate": (lambda: optim.SGD(net.parameters(), lr=-1.0), ValueError, ["SGD", "lr", "-1"]),
}


@pytest.mark.parametrize("case", CASES)
def test_message(case):
    act, error, words = CASES[case]
    with pytest.raises(error) as caught:
        act()
    message = str(caught.value)
    assert all(word in message for word in words), message


def test_nothing_changed_when_a_state_dict_was_refused():
    before = net.state_dict()
    with pytest.raises((KeyError, ValueError)):
        net.load_state_dict({**{k: v + 1 for k, v in STATE.items()}, "0.weight": np.ones(3)})
    assert all(np.array_equal(before[k], v) for k, v in net.state_dict().items())
