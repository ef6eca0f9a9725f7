"""Bad input gets a message that names the operation, what was given and what is wanted."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, lab, nn, optim, viz

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
SET = data.Dataset(np.zeros((6, 1, 2, 2), F32), np.arange(6))

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
        lambda: mg.conv2d(t(8, 8), t(8, 3, 3, 3)),
        ValueError,
        ["conv2d", "(8, 8)", "(N, C, H, W)"],
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
    # named as they were called, whatever they are made of
    "mean: axis": (lambda: mg.mean(t(2, 3), axis=5), ValueError, ["mean: axis 5", "2 axes"]),
    "std: axis": (lambda: mg.std(t(2, 3), axis=5), ValueError, ["std: axis 5"]),
    "min: axis": (lambda: mg.min(t(2, 3), axis=5), ValueError, ["min: axis 5"]),
    "min: empty": (lambda: mg.min(t(0)), ValueError, ["min:", "(0,)", "empty"]),
    "sum: axis as text": (lambda: t(2, 3).sum("0"), TypeError, ["sum: axis is '0' (str)", "int"]),
    "sum: a float axis": (lambda: t(2, 3).sum(1.0), TypeError, ["sum: axis is 1.0 (float)"]),
    "log_softmax: axis": (lambda: mg.log_softmax(t(2), axis=1), ValueError, ["log_softmax: axis 1"]),
    "minimum: shapes": (lambda: mg.minimum(t(2), t(3)), ValueError, ["minimum:", "(2,)", "(3,)"]),
    "clip: text": (lambda: mg.clip(t(2), "0"), TypeError, ["clip:", "'0' (str)"]),
    "stack: shapes": (lambda: mg.stack([t(2), t(3)]), ValueError, ["stack: shapes [(2,), (3,)]"]),
    "stack: no sequence": (lambda: mg.stack(5), TypeError, ["stack: xs is 5 (int)", "sequence"]),
    "flatten: start": (lambda: mg.flatten(t(2, 3), 7), ValueError, ["flatten: axis 7"]),
    "exp: text": (lambda: mg.exp("x"), TypeError, ["exp:", "'x' (str)"]),
    "tensor: ragged": (lambda: mg.tensor([[1], [1, 2]]), ValueError, ["tensor: [[1], [1, 2]] (list) makes no array"]),
    "tensor: None": (lambda: mg.tensor(None), TypeError, ["tensor:", "None", "not numeric"]),
    "less: shapes": (lambda: t(2) < t(3), ValueError, ["less:", "(2,)", "(3,)"]),
    "reshape: a float": (lambda: t(4).reshape(2.0, 2), TypeError, ["reshape: shape is (2.0, 2) (tuple)", "ints"]),
    "reshape: two unknown": (lambda: t(4).reshape(-1, -1), ValueError, ["reshape", "4 entries", "(-1, -1)"]),
    "reshape: negative": (lambda: t(6).reshape(-2, -3), ValueError, ["reshape", "(-2, -3)"]),
    "permute_dims: text": (lambda: mg.permute_dims(t(2, 3), "01"), TypeError, ["permute_dims: axes is '01' (str)"]),
    "pad: negative": (lambda: mg.pad(t(2), -1), ValueError, ["pad: widths -1 (int)", "≥ 0"]),
    "pad: text": (lambda: mg.pad(t(2), "1"), ValueError, ["pad: widths '1' (str)"]),
    "leaky_relu: slope": (
        lambda: mg.leaky_relu(t(2), "0.1"),
        ValueError,
        ["leaky_relu: negative_slope is '0.1' (str)", "a number"],
    ),
    "dropout: p as text": (lambda: mg.dropout(t(2), "0.5"), ValueError, ["dropout: p is '0.5' (str)"]),
    "dropout: rng": (
        lambda: mg.dropout(t(2), 0.5, rng="0"),
        ValueError,
        ["dropout: rng is '0' (str)", "Generator"],
    ),
    "max_pool2d: a float": (lambda: mg.max_pool2d(image(), 2.5), ValueError, ["max_pool2d: kernel_size is 2.5", "int"]),
    "conv2d: groups as text": (
        lambda: mg.conv2d(image(), t(4, 3, 3, 3), groups="1"),
        ValueError,
        ["conv2d: groups is '1' (str)"],
    ),
    "cross_entropy: smoothing": (
        lambda: mg.cross_entropy(t(2, 3), np.zeros(2, int), label_smoothing=2),
        ValueError,
        ["cross_entropy: label_smoothing is 2; it must be in [0, 1]"],
    ),
    "where: a list": (lambda: mg.where([1, 0], t(2), 0), TypeError, ["where:", "[1, 0] (list)", "boolean"]),
    "seed": (lambda: mg.seed(-1), ValueError, ["seed: n is -1", "≥ 0"]),
    "np.unwrap": (lambda: np.unwrap(t(2)), TypeError, ["np.unwrap", "no counterpart", "x.data"]),
    "np.sum, out": (lambda: np.sum(t(2), out=np.zeros(())), TypeError, ["np.sum: out="]),
    "max(dim=)": (lambda: t(2).max(dim=0), TypeError, ["max: ", "values and indices", "argmax(axis=…)"]),
    "var(dim=)": (lambda: t(2).var(dim=0), TypeError, ["var: ", "n − 1", "correction=1"]),
    "repeat": (lambda: t(2).repeat(2, 3), TypeError, ["repeat: ", "mg.tile(x, (2, 3))", "mg.repeat"]),
    "split": (lambda: t(4).split(2), TypeError, ["split: ", "x.chunk(2)"]),
    "to a device": (lambda: t(2).to("cuda:0"), ValueError, ["to: there is no device 'cuda:0'"]),
    # derivatives
    "primitive: no function": (lambda: mg.primitive("f"), TypeError, ["primitive: forward is 'f' (str)", "function"]),
    "linear: no primitive": (lambda: mg.linear("f", len), TypeError, ["linear: op is 'f' (str)", "mg.primitive"]),
    "general: no rule": (
        lambda: mg.general(mg.Primitive(len), [3.0], ["x"]),
        TypeError,
        ["general: a rule is 'x' (str)"],
    ),
    "grad: no function": (lambda: mg.grad(3), TypeError, ["grad: f is 3 (int)", "function"]),
    "value_and_grad: not a number": (
        lambda: mg.value_and_grad(lambda x: x * 2)(np.ones(3)),
        ValueError,
        ["value_and_grad", "(3,)"],
    ),
    "linearize_grad: not a number": (
        lambda: mg.linearize_grad(lambda x: x * 2, (np.ones(3),)),
        ValueError,
        ["linearize_grad: f returned shape (3,)"],
    ),
    "linearize_ggn: no pair": (
        lambda: mg.linearize_ggn(mg.sum, (np.ones(3),)),
        TypeError,
        ["linearize_ggn:", "(loss, outputs)"],
    ),
    "jvp: text": (lambda: mg.jvp(lambda x: x, ("a",), (1.0,)), TypeError, ["jvp:", "'a' (str)"]),
    "pull: no list": (lambda: mg.pull(t(2).sum(), t(2)), TypeError, ["pull: xs is float64 (2,)", "list"]),
    "pull: no tensor": (lambda: mg.pull(t(2).sum(), [1.0]), TypeError, ["pull: xs[0] is 1.0 (float)", "tensor"]),
    "push: directions": (lambda: mg.push([t(2)], [t(2)], []), ValueError, ["push: 0 directions", "1"]),
    "backward: text": (lambda: (t(3) * 2).backward("g"), ValueError, ["backward:", "makes no array of float64"]),
    "graph: no tensor": (lambda: mg.graph([3]), TypeError, ["graph:", "int"]),
    "compile: no function": (lambda: mg.compile(3), TypeError, ["compile", "function"]),
    # data
    "Dataset: lengths": (
        lambda: data.Dataset(np.ones(3), np.ones(2)),
        ValueError,
        ["Dataset", "(3,)", "(2,)", "one length"],
    ),
    "Dataset: ragged": (
        lambda: data.Dataset([[1], [1, 2]], [0, 1]),
        ValueError,
        ["Dataset: x is [[1], [1, 2]] (list)"],
    ),
    "Loader: batch_size": (
        lambda: data.Loader(SET, "8"),
        ValueError,
        ["Loader: batch_size is '8' (str)", "whole number"],
    ),
    "Loader: no data set": (lambda: data.Loader(3, 2), TypeError, ["Loader: dataset is 3 (int)", "Dataset(x, y)"]),
    "Loader: transform": (
        lambda: data.Loader(SET, 2, transform=[len]),
        TypeError,
        ["Loader: transform is", "(list)", "function"],
    ),
    "Loader: shuffle": (
        lambda: data.Loader(SET, 2, shuffle="no"),
        ValueError,
        ["Loader: shuffle is 'no'", "True or False"],
    ),
    "Loader.look: sample": (
        lambda: data.Loader(SET, 2).look(0, [99]),
        IndexError,
        ["Loader.look: ", "99", "samples=[99] (list)"],
    ),
    "Loader: state": (
        lambda: data.Loader(SET, 2).load_state_dict(None),
        TypeError,
        ["Loader: the state is None", "state_dict()"],
    ),
    "Compose: no function": (
        lambda: data.Compose([len, 3]),
        TypeError,
        ["Compose: transform 1 is 3 (int)", "function"],
    ),
    "HorizontalFlip: p": (lambda: data.HorizontalFlip("0.5"), ValueError, ["HorizontalFlip: p is '0.5' (str)"]),
    "RandomCrop: padding": (
        lambda: data.RandomCrop(1.5),
        ValueError,
        ["RandomCrop: padding is 1.5", "whole number ≥ 0"],
    ),
    "RandomErasing: area": (
        lambda: data.RandomErasing(area=0.5),
        ValueError,
        ["RandomErasing: area is 0.5 (float)", "(least, most)"],
    ),
    "Normalize: shapes": (lambda: data.Normalize([0.0], [1.0, 1.0]), ValueError, ["Normalize", "(1,)", "(2,)"]),
    "Streams: samples": (lambda: data.Streams(0, 0, "abc"), TypeError, ["Streams: samples are 'abc' (str)", "(N,)"]),
    "transform: a list": (
        lambda: data.HorizontalFlip()([1.0], data.Streams(0, 0, [0])),
        TypeError,
        ["HorizontalFlip: images are [1.0] (list)", "(N, C, H, W)"],
    ),
    "mnist: no path": (lambda: data.mnist(None), TypeError, ["mnist:", "folder=None"]),
    "read_idx: no file": (lambda: data.read_idx("no.idx"), FileNotFoundError, ["read_idx: no.idx"]),
    # rates, clipping, averages, minimizers
    "schedules: rate": (lambda: optim.schedules.cosine("0.1", 5), ValueError, ["cosine: lr is '0.1' (str)"]),
    "schedules: steps": (
        lambda: optim.schedules.warmup(0.1, "5"),
        ValueError,
        ["warmup: steps is '5' (str)", "≥ 1"],
    ),
    "schedules: milestones": (
        lambda: optim.schedules.multi_step(0.1, 3),
        ValueError,
        ["multi_step: milestones are 3", "ascend"],
    ),
    "clip_grad_norm: limit": (
        lambda: optim.clip_grad_norm(net.parameters(), "1"),
        ValueError,
        ["clip_grad_norm: max_norm is '1' (str)"],
    ),
    "clip_grad_norm: no tensors": (
        lambda: optim.clip_grad_norm([1], 1.0),
        TypeError,
        ["clip_grad_norm: params[0] is 1 (int)"],
    ),
    "ema: decay": (lambda: optim.averaging.ema(1.0), ValueError, ["ema: decay is 1.0; it must be in [0, 1)"]),
    "ema: form": (lambda: optim.averaging.ema(0.9, "best"), ValueError, ["ema: form is 'best'", "'corrected'"]),
    "Average: no list": (lambda: optim.Average(3), ValueError, ["Average: tensors is 3", "list"]),
    "minimize: no function": (lambda: optim.minimize(3, [1.0]), TypeError, ["minimize: f is 3 (int)", "function"]),
    "minimize: method": (
        lambda: optim.minimize(mg.sum, [1.0], "sgd"),
        ValueError,
        ["minimize: method is 'sgd'", "lbfgs"],
    ),
    "minimize: integers": (
        lambda: optim.minimize(mg.sum, [1, 2]),
        TypeError,
        ["minimize: x0 has dtype int64", "[1, 2] (list)"],
    ),
    "minimize: max_iter": (
        lambda: optim.minimize(mg.sum, [1.0], max_iter=1.5),
        ValueError,
        ["minimize:", "1.5", "whole number"],
    ),
    "LBFGS: buffers": (
        lambda: optim.LBFGS(net.parameters(), buffers=[3]),
        ValueError,
        ["LBFGS: buffers[0] is 3", "tensor"],
    ),
    # pictures
    "curves: records": (lambda: viz.curves("loss"), TypeError, ["curves: records is 'loss' (str)", "train.fit"]),
    "preview: rows": (lambda: viz.preview([1]), TypeError, ["preview: rows is [1] (list)", "(title, loader, sample)"]),
    "schedules: a text": (
        lambda: viz.schedules("0.1", 3),
        ValueError,
        ["schedules: learning rate is '0.1' (str)"],
    ),
    "schedules: path": (lambda: viz.schedules(0.1, 3, 5), ValueError, ["schedules: path is 5"]),
    "reliability": (lambda: viz.reliability(3), TypeError, ["reliability:", "calibrations=3 (int)"]),
    # laboratory
    "scenes: size": (lambda: lab.scenes(2, "32"), ValueError, ["scenes: size is '32' (str)"]),
    "race: budget": (
        lambda: lab.playground.race(lab.playground.SURFACES["saddle"], ["sgd"], 0),
        ValueError,
        ["race: budget is 0", "whole number from 1"],
    ),
    "race: surface": (
        lambda: lab.playground.race("saddle", ["sgd"]),
        ValueError,
        ["race: surface is 'saddle'", "SURFACES"],
    ),
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
