"""Batch norm as a layer: running statistics against their closed form, and frozen when frozen."""

import numpy as np
import pytest

from minigrad import nn, no_grad

rng = np.random.default_rng(0)
BATCHES = [rng.normal(3, 2, size=(n, 2, 4, 3)) for n in (4, 7, 5)]


def moments(x):
    return x.mean((0, 2, 3)), x.var((0, 2, 3), ddof=1)


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
def test_running_statistics(momentum):
    layer = nn.BatchNorm2d(2, momentum=momentum, dtype="float64")
    mean, var = np.zeros(2), np.ones(2)
    for k, x in enumerate(BATCHES, 1):
        layer(x)
        rate = 1 / k if momentum is None else momentum
        m, v = moments(x)
        mean, var = mean + rate * (m - mean), var + rate * (v - var)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-13)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-13)
    assert layer.num_batches_tracked.item() == 3
    if momentum is None:  # the plain average over batches
        np.testing.assert_allclose(layer.running_var.data, np.mean([moments(x)[1] for x in BATCHES], 0), rtol=1e-13)


def test_training_normalises_and_eval_uses_the_running_statistics():
    layer = nn.BatchNorm2d(2, dtype="float64")
    layer.weight.data, layer.bias.data = np.array([2.0, 3.0]), np.array([-1.0, 1.0])
    y = layer(BATCHES[0]).data
    np.testing.assert_allclose(y.mean((0, 2, 3)), [-1, 1], atol=1e-12)
    np.testing.assert_allclose(y.std((0, 2, 3)), [2, 3], rtol=1e-5)
    layer.eval()
    mean, var = (layer.running_mean.data[:, None, None], layer.running_var.data[:, None, None])
    expected = (BATCHES[1] - mean) / np.sqrt(var + 1e-5) * np.array([[[2.0]], [[3.0]]]) + np.array([[[-1.0]], [[1.0]]])
    np.testing.assert_allclose(layer(BATCHES[1]).data, expected, rtol=1e-12)


def test_frozen_means_frozen():
    layer = nn.BatchNorm2d(2, dtype="float64")
    layer(BATCHES[0])
    before = layer.eval().state_dict()
    layer(BATCHES[1]).sum().backward()
    with no_grad():
        layer(BATCHES[2])
    assert all(np.array_equal(before[k], v) for k, v in layer.state_dict().items())
    assert layer.weight.grad is not None  # only statistics are frozen by eval


def test_backward_still_works_after_the_statistics_have_moved():
    layer = nn.BatchNorm2d(2, dtype="float64").eval()
    y = layer(BATCHES[0]).sum()
    layer.train()(BATCHES[1])
    y.backward()


def test_float32_stays_float32():
    layer = nn.BatchNorm2d(2)
    x = BATCHES[0].astype(np.float32)
    assert layer(x).dtype == layer.eval()(x).dtype == layer.running_var.dtype == np.float32
    plain = nn.BatchNorm2d(2, affine=False)
    assert plain(x).dtype == plain.eval()(x).dtype == np.float32 and plain.parameters() == []
    assert plain.train()(BATCHES[0]).dtype == np.float64 and plain.running_mean.dtype == np.float32


def test_without_running_statistics_the_batch_is_used_in_both_modes():
    layer = nn.BatchNorm2d(2, track_running_stats=False, dtype="float64")
    assert layer.buffers() == [] and np.array_equal(layer(BATCHES[0]).data, layer.eval()(BATCHES[0]).data)
