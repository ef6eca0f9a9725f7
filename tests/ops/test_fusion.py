"""relu(batch_norm(x)) and relu(batch_norm(x) + shortcut) take one pass over memory, and nobody can tell but by the clock."""

import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.tape import Deferred, history, pull, push

rng = np.random.default_rng(0)
BATCH_NORM = mg.Primitive.registry["batch_norm"]


def leaf(*shape, dtype=np.float64):
    return mg.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)


def plain_batch_norm(x, gamma, beta):
    return BATCH_NORM.spec(x, gamma, beta, eps=1e-5, moments=None)


FORMS = {
    "bn": lambda bn, x, s: bn(x),
    "bn, relu": lambda bn, x, s: mg.relu(bn(x)),
    "bn + shortcut, relu": lambda bn, x, s: mg.relu(bn(x) + s),
    "shortcut + bn, relu": lambda bn, x, s: mg.relu(s + bn(x)),
    "bn + shortcut": lambda bn, x, s: bn(x) + s,
    "bn + bn, relu": lambda bn, x, s: mg.relu(bn(x) + bn(s)),
    "bn + shortcut + x, relu": lambda bn, x, s: mg.relu(bn(x) + s + x),
    "bn used three times": lambda bn, x, s: (lambda h: mg.relu(h) + mg.relu(h + s) * h)(bn(x)),
    "bn + itself": lambda bn, x, s: (lambda h: mg.relu(h + h))(bn(x)),
    "bn + row": lambda bn, x, s: mg.relu(bn(x) + s[:1]),
    "bn + number": lambda bn, x, s: mg.relu(bn(x) + 1.0),
    "bn, tanh": lambda bn, x, s: mg.tanh(bn(x)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(6, 3, 4, 5), (7, 3)])
def test_equal_to_the_composition_at_orders_1_2_3(form, shape):
    x, s, gamma, beta = leaf(*shape), leaf(*shape), leaf(3), leaf(3)
    leaves = [x, s, gamma, beta]
    vs = [rng.standard_normal(a.shape) for a in leaves]
    found = []
    for norm in (mg.batch_norm, plain_batch_norm):
        y = FORMS[form](lambda h, norm=norm: norm(h, gamma, beta), x * 1, s * 1)
        loss = mg.tanh(y).sum()
        first = pull(loss, leaves, retain_graph=True)
        grads = pull(loss, leaves, create_graph=True)
        second = push(grads, leaves, vs, create_graph=True)
        third = push(second, leaves, vs)
        found.append([t.data for t in (y, *push([y], leaves, vs), *first, *grads, *second, *third)])
    for ours, theirs in zip(*found):
        assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_those_of_separate_operations_bit_for_bit(dtype):
    x, s, gamma, beta = (leaf(*shape, dtype=dtype) for shape in [(8, 5, 3, 3), (8, 5, 3, 3), (5,), (5,)])
    h = mg.batch_norm(x * 1, gamma, beta)
    folded = mg.relu(h + s * 1)
    assert np.array_equal(folded.data, np.maximum(h.data + s.data, 0))
    assert folded.dtype == dtype and np.array_equal(mg.relu(h).data, np.maximum(h.data, 0))


def test_values_folded_into_the_next_operation_are_never_computed():
    x, gamma, beta = leaf(8, 4, 6, 6), leaf(4), leaf(4)
    h = mg.batch_norm(x * 1, gamma, beta)
    z = h + x * 2
    y = mg.relu(z)
    y.sum().backward()
    assert isinstance(h, Deferred) and h.pending and z.pending and h.nbytes == 0
    assert (h.shape, h.dtype, h.ndim, h.size) == ((8, 4, 6, 6), np.float64, 4, 8 * 4 * 36)
    assert np.array_equal(y.data, np.maximum(z.data, 0)), "asked for, they are there"
    assert not h.pending or not z.pending


def test_the_tape_shows_every_operation():
    x, gamma, beta = leaf(8, 4), leaf(4), leaf(4)
    y = mg.relu(mg.batch_norm(x * 1, gamma, beta) + x * 2)
    names = [t.node.op.name for t in history([y]) if t.node]
    assert names == ["mul", "batch_norm", "mul", "add", "relu"]


def test_a_pending_value_does_not_see_later_changes():
    x, gamma, beta = leaf(8, 4), leaf(4), leaf(4)
    expected = plain_batch_norm(x * 1, gamma, beta).data
    h = mg.batch_norm(x * 1, gamma, beta)
    gamma.data *= 2
    beta.data[:] = 7
    assert np.allclose(h.data, expected)
    batch = rng.standard_normal((8, 4))
    expected = plain_batch_norm(mg.tensor(batch), gamma, beta).data
    h = mg.batch_norm(batch, gamma, beta)  # an array of the caller's: computed at once
    batch[:] = 0
    assert np.allclose(h.data, expected)
    s = np.ones((8, 4))
    z = mg.batch_norm(x * 1, gamma, beta) + s
    s[:] = 100
    assert abs(z.data).max() < 50


def test_nan_passes():
    x = leaf(8, 2)
    x.data[0, 0] = np.nan
    y = mg.relu(mg.batch_norm(x * 1, leaf(2), leaf(2)))
    assert np.isnan(y.data[:, 0]).all() and np.isfinite(y.data[:, 1]).all()


def test_a_pending_value_keeps_no_cycle():
    gc.collect()
    gc.disable()
    try:
        x, gamma, beta = leaf(8, 4), leaf(4), leaf(4)
        h = mg.batch_norm(x * 1, gamma, beta)
        y = mg.relu(h)
        refs = [weakref.ref(h), weakref.ref(y)]
        del h, y
        assert [r() for r in refs] == [None, None]
    finally:
        gc.enable()
