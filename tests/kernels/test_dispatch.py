"""What runs: jitted or plain, compiled once per dtype, nothing at import, with or without a cache."""

import os
import subprocess
import sys
from time import perf_counter

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import plain


def python(code, **environment):
    """Run code in a fresh interpreter, warnings as errors, and return what it printed."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(
        command, env=os.environ | environment, check=True, capture_output=True, text=True, timeout=120
    ).stdout.strip()


@pytest.mark.slow
def test_import_is_light():
    code = "import sys, minigrad.kernels; print(*{'numba', 'threadpoolctl', 'scipy'} & set(sys.modules))"
    assert python(code) == ""


CONV = "import sys, numpy as np; from minigrad.kernels import conv2d; x = np.ones((1, 1, 3, 3), 'f')\n"


@pytest.mark.slow
@pytest.mark.parametrize("off", [{"MINIGRAD_JIT": "0"}, {"NUMBA_DISABLE_JIT": "1"}])
def test_the_jit_can_be_turned_off(off):
    assert python(CONV + "print(conv2d(x, x).item(), 'numba' in sys.modules)", **off) == "9.0 False"


@pytest.mark.slow
def test_works_where_nothing_can_be_cached():
    # No locator will find a directory: what a read-only home and a read-only package would give.
    hide = "from numba.core.caching import CacheImpl; CacheImpl._locator_classes = []\n"
    assert python(hide + CONV + "from minigrad.kernels import gate; print(gate(x, x).sum())") == "9.0"


@pytest.mark.slow
@pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")
def test_one_signature_per_dtype():
    """Layouts, strides, read-only arrays and all kinds of numbers lead to the same compiled kernel."""
    code = """
import numpy as np
from minigrad import kernels
from minigrad.kernels import blocks, conv, depthwise, elementwise, norm, pool, rules, softmax, step

asked = {}  # how often Python asks for a kernel of new types; kernels ask each other as they please
def counting(kernel, compile):
    def compile_for_args(*args, **options):
        asked[kernel] = asked.get(kernel, 0) + 1
        return compile(*args, **options)
    return compile_for_args
from minigrad.kernels import jit, winograd
for kernel in jit.KERNELS:
    kernel._compile_for_args = counting(kernel, kernel._compile_for_args)

rng = np.random.default_rng(0)
base = rng.standard_normal((4, 6, 8, 8)).astype("f")
frozen = base.copy()
frozen.flags.writeable = False
w = rng.standard_normal((5, 6, 3, 3)).astype("f")
pool_of = dict(kernel=(2, 2), stride=(2, 2))
same = np.broadcast_to(base[:1], base.shape)
for x in base, base[::-1], frozen, same, base.transpose(0, 1, 3, 2), base[:1], base[:, :, :3, :3]:
    for weight in w, w[:, :, ::-1], np.broadcast_to(w[:1], w.shape):
        y = kernels.conv2d(x, weight)
        kernels.conv2d_input(y[::-1], weight, size=x.shape[2:])
        kernels.conv2d_weight(x, y, kernel=(3, 3))
    for weight in w[:1].reshape(6, 1, 3, 3), frozen[:1, :, :3, :3].reshape(6, 1, 3, 3):
        y = kernels.conv2d(x, weight, groups=6)
        kernels.conv2d_weight(x, y[::-1], kernel=(3, 3), groups=6)
    g, index = kernels.max_pool2d(x, **pool_of)
    kernels.pool_take(x, index[:, ::-1], **pool_of)
    kernels.pool_put(g[:, ::-1], index[:, ::-1], size=x.shape[2:], **pool_of)
    kernels.avg_pool2d_input(kernels.avg_pool2d(x, **pool_of)[::-1], size=x.shape[2:], **pool_of)
    gamma = np.broadcast_to(x[:1, 0, 0, 0], 6)
    mean, var = kernels.channel_moments(x)
    kernels.channel_sums(x)
    kernels.normalize(x, mean, gamma, gamma)
    kernels.batch_norm_backward(x[::-1], x, gamma, mean, var)
    kernels.batch_norm_backward(x[::-1], x, gamma, mean, var, gate=x[:, ::-1])
    kernels.normalize(x[:, :, 0, 0], gamma, *kernels.channel_moments(x[:, :, 0, 0]))
    for smoothing in 0, np.float64(0.5):
        kernels.softmax_cross_entropy(x[:, :, 0, 0], np.arange(len(x), dtype="i4"), smoothing=smoothing)
    for alpha in 1, 0.5, np.float64(0.5):
        kernels.gate(x[::-1], x), kernels.sigmoid_backward(x, x[::-1]), kernels.tanh_backward(x, x[::-1])
        kernels.gelu_backward(x[::-1], kernels.gelu(x)), kernels.silu_backward(x[::-1], kernels.silu(x)), kernels.sigmoid(x)
        kernels.elu_backward(x[::-1], kernels.elu(x, alpha=alpha), alpha=alpha)
        kernels.leaky_relu_backward(x[::-1], kernels.leaky_relu(x, slope=alpha), slope=alpha)
    p, m, s = (np.zeros(x.shape, "f") for _ in range(3))
    for lr in 1, 0.1, np.float32(0.1), np.float64(0.1):
        kernels.update(rules.sgd, [p], [x], [], [lr])
        kernels.update(rules.nesterov, [p], [x], [[m]], [lr, 0.5, 1], decay=lr)
        kernels.update(rules.adam, [p], [x], [[m], [s]], [lr, 0.1, 0.9, 0.1, 0, 1e-8], keep=lr)
own = [step._walk(rule, n, k) for rule, n, k in ((rules.sgd, 0, 1), (rules.nesterov, 1, 3), (rules.adam, 2, 6))]
assert [len(kernel.signatures) for kernel in own] == [1, 1, 1]
assert len(asked) > 25
print({kernel.__name__: count for kernel, count in asked.items() if count > 1})
"""
    assert python(code) == "{}"


def test_mixed_dtypes_take_the_plain_path(monkeypatch):
    x, w = np.ones((1, 2, 4, 4), "f"), np.ones((3, 2, 2, 2), "d")
    assert kernels.conv2d(x, w).dtype == np.float64
    monkeypatch.setattr(plain, "conv2d", lambda *args, **options: "plain")
    assert kernels.conv2d(x, w) == "plain"
    assert kernels.conv2d(x.astype(">f4"), x.astype(">f4")) == "plain"
    assert kernels.conv2d(w, w, shift=np.ones(3, "f")) == "plain"
    assert not kernels.JIT or isinstance(kernels.conv2d(w, w, shift=np.ones(3)), np.ndarray)


def test_misaligned_arrays():
    bytes_ = np.zeros(4 * 2 * 5 * 5 + 1, "u1")
    x = bytes_[1:].view("f").reshape(1, 2, 5, 5)
    x[...] = np.arange(50).reshape(1, 2, 5, 5)
    w = np.ones((1, 2, 5, 5), "f")
    assert not x.flags.aligned
    assert kernels.conv2d(x, w).item() == 49 * 25


def test_every_function_has_a_plain_twin():
    missing = [name for name in kernels.__all__ if not name.endswith("num_threads") and not hasattr(plain, name)]
    assert missing == []


@pytest.mark.skipif(not kernels.JIT, reason="no choice to make")
def test_dispatch_is_cheap(monkeypatch):
    x = np.ones((1, 1, 1, 1), "f")
    monkeypatch.setattr(kernels._jitted_elementwise, "gate", lambda g, y: g)

    def once():
        start = perf_counter()
        for _ in range(1000):
            kernels.gate(x, x)
        return perf_counter() - start

    assert min(once() for _ in range(20)) / 1000 < 2e-6
