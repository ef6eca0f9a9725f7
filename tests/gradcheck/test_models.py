"""The check of a model as it stands: batch norm in training mode, dropout and stochastic depth on, and no trace left."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.gradcheck import EXACT, VACUOUS, gradcheck
from minigrad.ops.norm import channel_moments, normalize


class Net:
    """A convolution, batch norm, a branch that is dropped at random, dropout, and a linear layer, with no help of nn."""

    def __init__(self, dtype="float32", seed=0):
        rng = np.random.default_rng(seed)
        self.training = True

        def weight(*shape):
            return mg.tensor(rng.normal(size=shape) / 2, dtype=dtype, requires_grad=True)

        self.p = {
            "conv.weight": weight(4, 1, 3, 3),
            "conv.bias": weight(4),
            "bn.weight": weight(4),
            "bn.bias": weight(4),
            "branch.weight": weight(4, 4, 3, 3),
            "fc.weight": weight(16, 3),
        }
        self.b = {
            "bn.running_mean": mg.tensor(np.zeros(4), dtype=dtype),
            "bn.running_var": mg.tensor(np.ones(4), dtype=dtype),
            "bn.count": mg.tensor(np.array(7)),
        }

    def named_parameters(self):
        return list(self.p.items())

    def named_buffers(self):
        return iter(self.b.items())

    def __call__(self, x):
        p, b = self.p, self.b
        h = mg.conv2d(x, p["conv.weight"], p["conv.bias"], padding=1)
        if self.training:
            mean, var = channel_moments(h.data)
            b["bn.running_mean"].data = 0.9 * b["bn.running_mean"].data + 0.1 * mean
            b["bn.running_var"].data = 0.9 * b["bn.running_var"].data + 0.1 * var
            b["bn.count"].data = b["bn.count"].data + 1
            h = mg.batch_norm(h, p["bn.weight"], p["bn.bias"])
        else:
            h = normalize(h, b["bn.running_mean"].data, b["bn.running_var"].data, p["bn.weight"], p["bn.bias"])
        h = mg.relu(h)
        if not self.training or mg.random.generator().random() < 0.7:
            h = h + mg.conv2d(h, p["branch.weight"], padding=1)
        h = mg.dropout(mg.max_pool2d(h, 2), 0.3, training=self.training)
        return mg.flatten(h, 1) @ p["fc.weight"]


rng = np.random.default_rng(1)
X = rng.normal(size=(5, 1, 4, 4)).astype(np.float32)
LABELS = np.array([0, 2, 1, 1, 0])


def snapshot(net):
    tensors = [*net.p.values(), *net.b.values()]
    return [(t.data.tobytes(), t.dtype, id(t.data), t.version, t.grad is None or t.grad.tobytes()) for t in tensors]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_model_with_batch_norm_dropout_and_stochastic_depth(seed):
    mg.seed(seed)
    report = gradcheck(Net(), X, LABELS, order=2)
    assert report.ok, str(report)
    assert report.dtype == "float32" and report["conv.weight"] == EXACT
    assert report["conv.bias"] == VACUOUS  # batch norm takes it out again
    assert report["branch.weight"] in (EXACT, VACUOUS)
    assert {row.order for row in report.rows} == {1, 2}


@pytest.mark.slow
def test_no_trace():
    net, x = Net(), Tensor(X)
    mg.seed(5)
    mg.cross_entropy(net(x), LABELS).backward()
    before, draws = snapshot(net), mg.random.generator().bit_generator.state
    pending = mg.cross_entropy(net.p["fc.weight"] @ np.ones((3, 4), np.float32), np.zeros(16, int))
    assert gradcheck(net, x, LABELS, check_inputs=True).ok
    assert snapshot(net) == before and mg.random.generator().bit_generator.state == draws
    assert x.dtype == np.float32 and x.grad is None
    pending.backward()  # a tape recorded before the check is still good


def test_no_trace_after_an_error():
    net = Net()
    before = snapshot(net)
    calls = []

    def loss(y):
        calls.append(y)
        if len(calls) > 3:
            raise RuntimeError("no more")
        return mg.sum(y)

    with pytest.raises(RuntimeError, match="no more"):
        gradcheck(net, X, loss=loss)
    assert snapshot(net) == before


def test_evaluation_mode_and_random_projection():
    net = Net("float64")
    net.training = False
    report = gradcheck(net, X.astype(np.float64), order=2)
    assert report.ok and report["conv.bias"] == EXACT and report["branch.weight"] == EXACT


def test_own_loss_and_own_targets():
    net = Net()
    report = gradcheck(net, X, np.ones((5, 3), np.float32), loss=mg.mse_loss)
    assert report.ok and report["fc.weight"] == EXACT


def test_inputs_too():
    report = gradcheck(Net(), X, LABELS, check_inputs=True)
    assert report["input[0]"] == EXACT and len(report.verdicts) == 7


def test_frozen_parameters_are_held():
    net = Net()
    net.p["conv.weight"].requires_grad = False
    report = gradcheck(net, X, LABELS)
    assert report.ok and "conv.weight" not in report.verdicts and net.p["conv.weight"].dtype == np.float32


def test_chosen_parameters():
    net = Net()
    assert list(gradcheck(net, X, LABELS, params=[net.p["fc.weight"]]).verdicts) == ["fc.weight"]


def test_function_that_reads_parameters():
    w = mg.tensor(rng.normal(size=(3, 2)), dtype="float32", requires_grad=True)
    report = gradcheck(lambda: mg.tanh(w).sum(), params=[w], order=2)
    assert report.verdicts == {"params[0]": EXACT} and report.dtype == "float32" and w.dtype == np.float32


@pytest.mark.slow
def test_wrong_layer_is_named_by_its_path():
    bad = mg.primitive(lambda x: x * 1.0)
    bad.name = "bad"
    mg.elementwise(bad, 0.999)

    class Wrong(Net):
        def __call__(self, x):
            mg.tape.state.scope = "head"
            try:
                return bad(super().__call__(x))
            finally:
                mg.tape.state.scope = ""

    report = gradcheck(Wrong(), X, LABELS)
    (suspect,) = report.suspects
    assert suspect.op == "bad" and suspect.scope == "head" and "(head, test_models.py:" in str(report)
