"""Operations that end the pass over memory of the one before, and nobody can tell but by the clock."""

import contextlib
import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import fusion, norm
from minigrad.ops.fusion import Deferred
from minigrad.tape import history, pull, push, rules

rng = np.random.default_rng(0)
BATCH_NORM = mg.Primitive.registry["batch_norm"]


@contextlib.contextmanager
def unfused():
    """Every operation computes its own value."""
    with pytest.MonkeyPatch.context() as patch:
        for f in list(rules):
            patch.delitem(rules, f)
        yield


def leaf(*shape, dtype=np.float64):
    return mg.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)


def plain_batch_norm(x, gamma, beta):
    return BATCH_NORM.composition(x, gamma, beta, eps=1e-5, moments=None)


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
    for batch_norm in (mg.batch_norm, plain_batch_norm):
        y = FORMS[form](lambda h, bn=batch_norm: bn(h, gamma, beta), x * 1, s * 1)
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


@pytest.mark.slow
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


# ---- convolution: bias, evaluation-mode batch norm, shortcut, relu; relu before max-pooling ------------------------------


def derivatives(f, leaves, vs):
    """The value of f, and every derivative of the tanh of its entries up to order 3."""
    y = f(*leaves)
    loss = mg.tanh(y).sum()
    first = pull(loss, leaves, retain_graph=True)
    grads = pull(loss, leaves, create_graph=True)
    second = push(grads, leaves, vs, create_graph=True)
    third = push(second, leaves, vs)
    return [t.data for t in (y, *push([y], leaves, vs), *first, *grads, *second, *third)]


MEAN, VAR = rng.standard_normal(4), rng.random(4) + 0.5
ENDS = {
    "bias": lambda y, b, s: y + b,
    "bias, relu": lambda y, b, s: mg.relu(y + b),
    "relu": lambda y, b, s: mg.relu(y),
    "shortcut, relu": lambda y, b, s: mg.relu(y + s),
    "bias, shortcut, relu": lambda y, b, s: mg.relu(s + (b + y)),
    "shortcut, bias": lambda y, b, s: y + s + b,
    "two shortcuts": lambda y, b, s: y + s + s,
    "itself": lambda y, b, s: mg.relu(y + y),
    "used twice": lambda y, b, s: mg.relu(y + b) * y,
    "number": lambda y, b, s: mg.relu(y + 0.5),
    "row": lambda y, b, s: y + s[:1],
    "normalize, relu": lambda y, b, s: mg.relu(norm.normalize(y, MEAN, VAR, b.reshape(-1), b.reshape(-1))),
    "normalize, shortcut, relu": lambda y, b, s: mg.relu(
        norm.normalize(y, MEAN, VAR, b.reshape(-1), b.reshape(-1)) + s
    ),
    "relu, max-pool": lambda y, b, s: mg.max_pool2d(mg.relu(y + b), 2),
    "relu, overlapping max-pool": lambda y, b, s: mg.max_pool2d(mg.relu(y), 3, stride=1, padding=1),
    "relu, max-pool and more": lambda y, b, s: (lambda h: mg.max_pool2d(h, 2) + mg.avg_pool2d(h, 2))(mg.relu(y)),
    "tanh, relu, max-pool": lambda y, b, s: mg.max_pool2d(mg.relu(mg.tanh(y)), 2),
}


def test_a_bias_of_what_is_there_already_is_one_pass_with_a_relu():
    x, w, b = (
        leaf(2, 8, 20, 20, dtype=np.float32),
        leaf(8, 8, 3, 3, dtype=np.float32),
        leaf(1, 8, 1, 1, dtype=np.float32),
    )
    x.data[0, 0, 0, :9:4] = np.nan, np.inf, -np.inf
    y = mg.conv2d(x, w)  # of a leaf, which may change: it is not put off
    z = y + b
    r = mg.relu(z)
    assert isinstance(z, Deferred) and z.pending
    assert np.array_equal(r.data, np.maximum(y.data + b.data, 0), equal_nan=True)
    assert np.array_equal((y + b).data, y.data + b.data, equal_nan=True)
    assert type(x + b) is not Deferred and type(mg.tensor(x.data) + b) is not Deferred  # which may change, too


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("x_is", ["leaf", "computed"])
def test_what_a_convolution_ends_with_at_orders_0_to_3(end, x_is, monkeypatch):
    monkeypatch.setattr(fusion, "_MANY", 0)  # so few numbers are not worth a kernel
    leaves = [leaf(2, 1, 5, 6), leaf(4, 1, 3, 3), leaf(1, 4, 1, 1), leaf(2, 4, 5, 6)]
    vs = [rng.standard_normal(a.shape) for a in leaves]

    def f(x, w, b, s):
        return ENDS[end](mg.conv2d(x if x_is == "leaf" else x * 1, w, padding=1), b, s * 1)

    ours = derivatives(f, leaves, vs)
    with unfused():
        plain = derivatives(f, leaves, vs)
    for a, b in zip(ours, plain, strict=True):
        assert np.allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("end", ENDS)
def test_inference_is_fused_and_equal(end):
    x, w, b, s = leaf(2, 3, 5, 6), leaf(4, 3, 3, 3), leaf(1, 4, 1, 1), leaf(2, 4, 5, 6)

    def f():
        return ENDS[end](mg.conv2d(x * 1, w, padding=1), b, s * 1).data

    with mg.no_grad():
        ours = f()
        with unfused():
            assert np.allclose(ours, f(), rtol=1e-12, atol=1e-12)


def test_a_residual_block_in_evaluation_is_one_pass():
    x, w, gamma, beta, s = leaf(2, 4, 5, 6), leaf(4, 4, 3, 3), leaf(4), leaf(4), leaf(2, 4, 5, 6)
    with mg.no_grad():
        y = mg.conv2d(x * 1, w, padding=1)
        n = norm.normalize(y, MEAN, VAR, gamma, beta)
        z = n + s * 1
        assert mg.relu(z).shape == (2, 4, 5, 6) and y.pending and n.pending and z.pending
        assert np.allclose(z.data, (norm.normalize(mg.tensor(y.data), MEAN, VAR, gamma, beta) + s).data)


def test_the_tape_keeps_what_it_will_ask_for():
    x, w, gamma, beta = leaf(2, 4, 5, 6), leaf(4, 4, 3, 3), leaf(4), leaf(4)
    y = mg.conv2d(x * 1, w, padding=1)
    n = norm.normalize(y, MEAN, VAR, gamma, beta)  # the gradient of gamma needs y
    mg.relu(n).sum().backward()
    assert not y.pending and n.pending


def test_a_pending_convolution_does_not_see_later_changes():
    x, w, b = leaf(2, 1, 6, 6), leaf(32, 1, 3, 3), leaf(32)
    for given in (lambda: x, lambda: x * 1):
        expected = mg.conv2d(given(), w, b).data.copy()
        y = mg.conv2d(given(), w, b)
        assert y.pending
        for t in (x, w, b):
            t.data *= 3
        assert np.array_equal(y.data, expected)


def test_computed_values_cannot_be_written_to():
    x = leaf(3)
    y = x * 2
    for computed in (y, y.detach(), y[:2], mg.relu(y)):
        with pytest.raises(ValueError, match="read-only"):
            computed.data[0] = 1
    with mg.no_grad(), pytest.raises(ValueError, match="read-only"):
        (x * 2).data[:] = 0
    z = x.detach()
    z.data[0] = 5
    assert x.data[0] == 5, "a detached leaf shares"
    y.detach().data = np.zeros(3)


def test_relu_between_batch_norms_leaves_its_gate_to_the_gradient_kernel():
    x, gamma, beta = leaf(6, 3, 4, 4), leaf(3), leaf(3)
    gates = []
    with pytest.MonkeyPatch.context() as patch:
        gate = mg.kernels.gate

        def counting(*args):
            gates.append(1)
            return gate(*args)

        patch.setattr(mg.kernels, "gate", counting)
        mg.tanh(mg.relu(mg.tanh(x))).sum().backward()
        assert gates.pop()
        mg.tanh(mg.relu(mg.batch_norm(x * 1, gamma, beta))).sum().backward()
    assert not gates


def test_higher_orders_of_max_pooling_keep_the_winners_of_the_forward_pass():
    x = leaf(2, 3, 4, 4)
    with pytest.MonkeyPatch.context() as patch:
        y = mg.max_pool2d(x * 1, 2)
        patch.setattr(mg.kernels, "max_pool2d", None)
        (gx,) = mg.pull((y * y).sum(), [x], create_graph=True)
        (second,) = mg.pull(gx.sum(), [x])
    assert np.array_equal(second.data, 2 * (gx.data != 0))


# ---- what two operations read is computed once ------------------------------------------------------------------------


@contextlib.contextmanager
def counted(*names):
    """How often kernels are called, by name."""
    calls = dict.fromkeys(names, 0)
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            kernel = getattr(mg.kernels, name)

            def counting(*args, _kernel=kernel, _name=name, **k):
                calls[_name] += 1
                return _kernel(*args, **k)

            patch.setattr(mg.kernels, name, counting)
            if kernel in fusion._ENDS:
                patch.setitem(fusion._ENDS, counting, fusion._ENDS[kernel])
        yield calls


READ_TWICE = {
    "relu + sigmoid": lambda h, s: mg.relu(h) + mg.sigmoid(h),
    "sigmoid + relu": lambda h, s: mg.sigmoid(h) + mg.relu(h),
    "relu + relu": lambda h, s: mg.relu(h) + mg.relu(h),
    "relu * itself": lambda h, s: mg.relu(h) * h,
    "itself * relu": lambda h, s: h * mg.relu(h),
    "itself + itself": lambda h, s: mg.relu(h + h),
    "shortcut, relu, and tanh": lambda h, s: mg.relu(h + s) + mg.tanh(h),
    "two shortcuts": lambda h, s: mg.relu(h + s) * mg.relu(h + s * 2),
    "three readers": lambda h, s: mg.relu(h) + mg.relu(h + s) * h,
    "concat": lambda h, s: mg.concat([mg.relu(h), h], 1).sum(1, keepdims=True),
    "where": lambda h, s: mg.where(s > 0, mg.relu(h), h),
    "relu of both": lambda h, s: (lambda z: mg.relu(z) + mg.exp(-z))(h + s),
}


@pytest.mark.parametrize("form", READ_TWICE)
@pytest.mark.parametrize("end", ["value", "gradients"])
def test_a_convolution_that_two_operations_read_is_computed_once(form, end):
    x, w, s = leaf(2, 3, 6, 6), leaf(4, 3, 3, 3), leaf(2, 4, 6, 6)

    def run():
        y = READ_TWICE[form](mg.conv2d(x * 1, w, padding=1), s * 1)
        return [y.data.copy(), *(g.data for g in (pull(y.sum(), [x, w]) if end == "gradients" else ()))]

    with counted("conv2d", "conv2d_input", "conv2d_weight") as calls:
        ours = run()
    assert calls == {"conv2d": 1} | dict.fromkeys(["conv2d_input", "conv2d_weight"], int(end == "gradients"))
    with unfused():
        assert all(np.array_equal(a, b) for a, b in zip(ours, run(), strict=True)), "bit for bit"


@pytest.mark.parametrize("form", READ_TWICE)
def test_a_batch_norm_that_two_operations_read_is_computed_once(form):
    x, gamma, beta, s = leaf(2, 4, 6, 6), leaf(4), leaf(4), leaf(2, 4, 6, 6)
    with counted("normalize", "batch_norm_backward") as calls:
        y = READ_TWICE[form](mg.batch_norm(x * 1, gamma, beta), s * 1)
        pull(y.sum(), [x, gamma, beta])
    assert calls == {"normalize": 1, "batch_norm_backward": 1}


def test_in_evaluation_mode_too():
    x, w, gamma, beta = leaf(2, 3, 6, 6), leaf(4, 3, 3, 3), leaf(4), leaf(4)
    with mg.no_grad(), counted("conv2d", "normalize") as calls:
        h = mg.conv2d(x * 1, w, padding=1)
        n = norm.normalize(h, MEAN, VAR, gamma, beta)
        y = mg.relu(n) * mg.tanh(h) + n
        expected = norm.normalize(mg.tensor(h.data), MEAN, VAR, gamma, beta)
    assert calls["conv2d"] == 1
    assert np.allclose(y.data, (mg.relu(expected) * mg.tanh(h) + expected).data)


def test_for_a_reader_that_comes_after_the_folded_pass_has_run_the_value_is_computed_and_kept():
    x, w = leaf(2, 3, 6, 6), leaf(4, 3, 3, 3)
    with counted("conv2d") as calls:
        h = mg.conv2d(x * 1, w, padding=1)
        late = mg.tanh(mg.relu(h)) + mg.tanh(h) + mg.relu(h) * h
    assert calls == {"conv2d": 2}
    with unfused():
        h = mg.conv2d(x * 1, w, padding=1)
        assert np.array_equal(late.data, (mg.tanh(mg.relu(h)) + mg.tanh(h) + mg.relu(h) * h).data)


@pytest.mark.parametrize(
    ("form", "gates"),
    [
        (lambda b, x, s: mg.relu(b(x) + b(s)), 1),  # two batch norms wait for what the gate lets through
        (lambda b, x, s: mg.relu(b(x) + s), 1),  # a batch norm and a shortcut
        (lambda b, x, s: mg.relu(b(x)), 0),  # one batch norm: the gate goes into its pass
        (lambda b, x, s: mg.relu(b(x)) + mg.relu(b(s)), 0),  # one gate each
        (lambda b, x, s: mg.max_pool2d(mg.relu(x), 2), 1),
        (lambda b, x, s: mg.max_pool2d(mg.relu(b(x) + s), 2), 1),
        (lambda b, x, s: mg.relu(mg.tanh(x) + mg.tanh(s)), 1),
    ],
)
def test_on_the_way_back_a_gate_is_computed_once(form, gates):
    x, gamma, beta, s = leaf(2, 4, 6, 6), leaf(4), leaf(4), leaf(2, 4, 6, 6)
    with counted("gate", "pool_put", "batch_norm_backward") as calls:
        mg.tanh(form(lambda h: mg.batch_norm(h, gamma, beta), x * 1, s * 1)).sum().backward()
    assert calls["gate"] == gates and calls["pool_put"] <= 1
    assert all(np.isfinite(p.grad).all() for p in (x, s) if p.grad is not None)


def test_a_value_asked_for_later_lets_go_of_what_it_was_made_from():
    x, w = leaf(2, 3, 6, 6), leaf(4, 3, 3, 3)
    y = mg.relu(mg.conv2d(x * 1, w))
    assert y.pending
    y.data  # noqa: B018
    assert not y.pending and y.args == () and y.folded is None
