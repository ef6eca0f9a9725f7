"""Random small networks, with kernels and without, with one thread and with several: the same outputs, gradients and
Hessian-vector products. Each kernel is held against its twin in `tests/kernels`; here they meet the tape and each other.
"""

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import kernels, nn

pytestmark = pytest.mark.processor
FLOATS = pytest.mark.parametrize("dtype", ["float32", "float64"])
# Of the length of a result: sums of up to 6·11·11·8 products in another order, each off by 4√n eps (see test_threads.py), in
# 8 layers, there and back and twice again for a product with the Hessian; a batch norm multiplies it by up to 1/√0.1.
CLOSE = {
    dtype: 4 * (6 * 11 * 11 * 8) ** 0.5 * 8 * 4 / 0.1**0.5 * np.finfo(dtype).eps for dtype in ("float32", "float64")
}
SMOOTH = [nn.Tanh, nn.Sigmoid, nn.Softplus, nn.SiLU, nn.GELU, nn.ELU]  # a kink could fall to either side of round-off


@st.composite
def convolutions(draw, c):
    """A convolution on c channels, and the number of channels that come out."""
    groups = draw(st.sampled_from([1, 1, 1, c, 2 if c % 2 == 0 else 1]))
    o = groups * draw(st.sampled_from([1, 3, 8] if groups < c else [1, 2]))
    k, dilation = draw(st.sampled_from([(1, 1), (3, 1), (3, 1), (3, 1), (3, 2), (5, 1)]))
    stride, bias = draw(st.sampled_from([1, 1, 2])), draw(st.booleans())
    options = {"padding": k // 2 * dilation, "dilation": dilation, "groups": groups, "bias": bias, "stride": stride}
    return nn.Conv2d(c, o, k, rng=0, **options), o


@st.composite
def networks(draw, kinks=False):
    """A network for small images, in training mode, and the shape of a batch."""
    c, layers = draw(st.sampled_from([1, 3, 8])), []
    shape = (draw(st.integers(4, 6)), c, draw(st.integers(6, 11)), draw(st.integers(6, 11)))
    for _ in range(draw(st.integers(1, 3))):
        layer, c = draw(convolutions(c))
        norm = [nn.BatchNorm2d(c, eps=0.1)] if draw(st.booleans()) else []
        layers += [layer, *norm, draw(st.sampled_from([nn.ReLU, nn.LeakyReLU] if kinks else SMOOTH))()]
        if draw(st.booleans()):
            inside = nn.Conv2d(c, c, 3, padding=1, bias=False, rng=1), nn.BatchNorm2d(c, eps=0.1)
            layers.append(nn.Residual(nn.Sequential(*inside)))
    pools = [nn.AvgPool2d(2), nn.AvgPool2d(3, 1, 1), *([nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1)] if kinks else [])]
    if draw(st.booleans()) and all(layer.stride == (1, 1) for layer in layers if isinstance(layer, nn.Conv2d)):
        layers.append(draw(st.sampled_from(pools)))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 5, rng=2)), shape


def everything(net, shape, dtype):
    """Outputs, gradients in the input and all parameters, and the Hessian along a direction, by both walks."""
    rng = np.random.default_rng(0)
    for buffer in net.astype(dtype).buffers():
        buffer.data = np.ones_like(buffer.data)
    x = mg.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
    xs, labels = [x, *net.parameters()], rng.integers(0, 5, shape[0])

    def loss():
        return mg.cross_entropy(net(x), labels, label_smoothing=0.1)

    y = net(x)
    found = [y, *mg.pull(loss(), xs), net.eval()(x)]
    net.train()
    vs = [rng.standard_normal(a.shape).astype(dtype) for a in xs]
    found += mg.hvp(loss, xs, vs)
    gradients = mg.pull(loss(), xs, create_graph=True)
    found += mg.pull(sum(((g * v).sum() for g, v in zip(gradients, vs)), start=mg.tensor(np.zeros((), dtype))), xs)
    return [a.data for a in found]


def assert_close(ours, theirs, dtype):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype == dtype and a.shape == b.shape
        assert np.linalg.norm(a - b) <= CLOSE[dtype] * max(np.linalg.norm(b), 1e-2)


@pytest.fixture(autouse=True)
def same_threads_after():
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")
@FLOATS
@cases(25)
@given(network=networks())
def test_with_kernels_and_without(network, dtype):
    with pytest.MonkeyPatch.context() as patch:
        ours = everything(*network, dtype)
        patch.setattr(kernels, "JIT", False)
        assert_close(ours, everything(*network, dtype), dtype)


@pytest.mark.slow
@pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")
@cases(25)
@given(network=networks(kinks=True))
def test_with_kernels_and_without_at_kinks(network):
    with pytest.MonkeyPatch.context() as patch:
        ours = everything(*network, "float64")
        patch.setattr(kernels, "JIT", False)
        assert_close(ours, everything(*network, "float64"), "float64")


@pytest.mark.slow
@FLOATS
@cases(15)
@given(network=networks(), n=st.integers(2, 4))
def test_with_one_thread_and_with_several(network, n, dtype):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels.threads, "WORTH", 0)
        kernels.set_num_threads(1)
        one = everything(*network, dtype)
        kernels.set_num_threads(n)
        several = everything(*network, dtype)
        assert_close(several, one, dtype)
        for a, b in zip(several, everything(*network, dtype), strict=True):
            np.testing.assert_array_equal(a, b)
