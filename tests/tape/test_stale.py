"""What changes between recording and backward: each array of each operation, in every way that a caller can reach it.

A change is refused (the array is read-only), noticed (backward raises before it walks), or harmless (the gradient is that
of what was recorded). A gradient of something else is never given.
"""

import copy
from collections import Counter

import cases
import numpy as np
import pytest
from generated import cases as drawn
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.ops import norm
from minigrad.tape import Tensor, elementwise, linear, primitive, pull, push, stale

# ---- six kinds of change, none of which a sum of the numbers tells for sure ---------------------------------------------


def one(a):
    a[(-1,) * a.ndim] = a[(-1,) * a.ndim] == 0


def ulp(a):
    a[(0,) * a.ndim] = np.nextafter(a[(0,) * a.ndim], np.inf) if a.dtype.kind == "f" else a.flat[-1]


def exchange(a):
    a[[0, -1]] = a[[-1, 0]]


def roll(a):
    a[...] = np.roll(a, 1, axis=-1)


def signs(a):
    """Two of them: the words change by 2⁶³ each, which adds up to none."""
    flat = a.reshape(-1) if a.flags.c_contiguous else a.T.reshape(-1)
    flat[[0, -1]] = -flat[[0, -1]] if a.dtype.kind in "fi" else flat[[-1, 0]]


def fill(a):
    a[...] = a.flat[0]


CHANGES = [one, ulp, exchange, roll, signs, fill]


# ---- how a caller holds an array that is on a tape ------------------------------------------------------------------------


def parameter(a):
    return nn.Parameter(a), a


def wrapped(a):
    return Tensor(a, requires_grad=True), a


def taken_before(a):
    x = mg.tensor(a, requires_grad=True)
    return x, x.data


def taken_after(a):
    x = mg.tensor(a, requires_grad=True)
    return x, lambda: x.data


def detached(a):
    x = mg.tensor(a, requires_grad=True)
    return x, x.detach().data


def copied(a):
    x = mg.tensor(a, requires_grad=True)
    return x, copy.copy(x).data


def viewed(a):
    """A constant in the memory of a leaf."""
    x = mg.tensor(a, requires_grad=True)
    with mg.no_grad():
        return x.reshape(x.shape), lambda: x.data


def through_a_view(a):
    x = mg.tensor(a, requires_grad=True)
    with mg.no_grad():
        return x, x.T.data.T


def turned(a):
    """A recorded view of a leaf."""
    x = mg.tensor(a, requires_grad=True)
    return x.T.T, lambda: x.data


def turned_and_detached(a):
    x = mg.tensor(a, requires_grad=True)
    return x.T.T.detach(), lambda: x.data


def an_array(a):
    return a, a


def a_view_of_another(a):
    """An array that strides over a larger one."""
    wide = np.zeros((*a.shape, 2), a.dtype)
    wide[..., 0] = a
    return wide[..., 0], wide[..., 0]


HOLDS = [
    parameter, wrapped, taken_before, taken_after, detached, copied, viewed, through_a_view, turned, turned_and_detached,
    an_array, a_view_of_another,
]  # fmt: skip

# rows whose further arrays stand in the parameters of the operation: labels, conditions, indices, moments
GIVEN = [
    ("where", lambda x, c: mg.where(c, x, 2 * x), (cases.a(3, 4), cases.a(3, 4) > 0)),
    ("getitem", lambda x, i: x[i], (cases.a(4, 2), np.array([0, 2, 2]))),
    ("getitem in a tuple", lambda x, i: x[i, :1], (cases.a(4, 2), np.array([0, 2, 3]))),
    ("getitem boolean", lambda x, m: x[m], (cases.a(3, 4), cases.a(3, 4) > 0)),
    ("cross_entropy", mg.cross_entropy, (cases.a(4, 3), np.array([2, 0, 1, 1]))),
    ("cross_entropy none", lambda x, y: mg.cross_entropy(x, y, reduction="none"), (cases.a(4, 3), np.array([2, 0, 1, 1]))),
    ("cross_entropy soft", mg.cross_entropy, (cases.a(2, 4), np.full((2, 4), 0.25))),
    ("mean of moments", lambda x, m: norm.batch_norm(x, np.ones(3), np.zeros(3), moments=(m, np.ones(3))), (cases.a(5, 3), cases.a(3))),
    ("variance of moments", lambda x, v: norm.batch_norm(x, np.ones(3), np.zeros(3), moments=(np.zeros(3), v)), (cases.a(5, 3), cases.pos(3))),
    ("take", lambda x, i: mg.take(x, i, axis=0), (cases.a(4, 2), np.array([0, 2, 3]))),
    ("take_along_axis", lambda x, i: mg.take_along_axis(x, i), (cases.a(2, 3), np.array([[2, 0], [1, 2]]))),
    ("gather", lambda x, i: mg.gather(x, 1, i), (cases.a(2, 3), np.array([[2, 0], [1, 2]]))),
    ("scatter", lambda x, i, v: mg.scatter(x, 1, i, v), (cases.a(2, 3), np.array([[2, 0], [1, 2]]), cases.a(2, 2))),
    ("scatter_add", lambda x, i, v: mg.scatter_add(x, 1, i, v), (cases.a(2, 3), np.array([[2, 0], [1, 2]]), cases.a(2, 2))),
    ("index_add", lambda x, i, v: mg.index_add(x, 1, i, v), (cases.a(2, 3), np.array([0, 2]), cases.a(2, 2))),
    ("index_copy", lambda x, i, v: mg.index_copy(x, 1, i, v), (cases.a(2, 3), np.array([0, 2]), cases.a(2, 2))),
    ("index_fill", lambda x, i: mg.index_fill(x, 1, i, 2.0), (cases.a(2, 3), np.array([0, 2]))),
    ("set_at", lambda x, i, v: mg.set_at(x, i, v), (cases.a(4, 2), np.array([0, 2, 3]), cases.a(3, 2))),
    ("repeat", lambda x, n: mg.repeat(x, n, axis=1), (cases.a(2, 3), np.array([2, 0, 1]))),
    ("embedding", lambda w, i: mg.embedding(i, w, 1), (cases.a(4, 2), np.array([0, 1, 3]))),
    ("embedding_bag", lambda w, i: mg.embedding_bag(i, w, [0, 2]), (cases.a(4, 2), np.array([0, 1, 3]))),
    ("nll_loss", mg.nll_loss, (cases.a(4, 3), np.array([2, 0, 1, 1]))),
    ("cross_entropy weighted", lambda x, y: mg.cross_entropy(x, y, np.ones(3)), (cases.a(4, 3), np.array([2, 0, 1, 1]))),
    ("multi_margin_loss", mg.multi_margin_loss, (cases.a(4, 3), np.array([2, 0, 1, 1]))),
    ("multilabel_margin_loss", mg.multilabel_margin_loss, (cases.a(2, 3), np.array([[2, -1, 0], [0, 1, -1]]))),
    ("hinge_embedding_loss", mg.hinge_embedding_loss, (cases.a(4), np.array([1, -1, -1, 1]))),
    ("cosine_embedding_loss", mg.cosine_embedding_loss, (cases.a(2, 3), cases.a(2, 3), np.array([1, -1]))),
    ("ctc_loss", lambda x, y: mg.ctc_loss(mg.log_softmax(x), y, [5, 4], [2, 2]), (cases.a(5, 2, 3), np.array([[1, 2], [2, 2]]))),
    ("max_unpool1d", lambda x, i: mg.max_unpool1d(x, i, 2), (cases.a(2, 2), np.array([[1, 2], [0, 3]]))),
    ("bincount of weights", lambda w, i: mg.bincount(i, w), (cases.a(3), np.array([0, 2, 2]))),
    ("attention", lambda q, m: mg.scaled_dot_product_attention(q, q, q, m), (cases.a(3, 2), np.tri(3, dtype=bool))),
    ("ldexp", mg.ldexp, (cases.a(2, 3), np.array([1, -2, 3]))),
    ("mul by integers", lambda x, n: x * n, (cases.a(2, 3), np.arange(6).reshape(2, 3))),
]  # fmt: skip


@primitive
def looked_up(x, *, table):
    return x * table["slopes"][0]


linear(looked_up, lambda g, y, x, *, table: looked_up(g, table=table))
BUFFER = np.zeros(6)


@primitive
def into_a_buffer(x):
    return np.exp(x, out=BUFFER)


elementwise(into_a_buffer, lambda y, x: y)


def outcome(f, held, places, change, walk):
    """'refused', 'noticed' or 'harmless', for held = (argument, what the caller writes to) by place."""
    arguments = [argument for argument, _ in held]
    leaves = [x for x in arguments if isinstance(x, Tensor) and x.requires_grad and x.is_leaf]
    y = mg.sin(f(*arguments)).sum()
    if not y.requires_grad or not leaves:
        return None
    for i in places:
        target = held[i][1]
        try:
            change(target() if callable(target) else target)
        except ValueError as error:
            assert "read-only" in str(error)
            return "refused"
    try:
        if walk == "up":
            return [g.data for g in pull(y, leaves)]
        if walk == "up to the last":
            return [g.data for g in pull(y, leaves[-1:])]
        return [t.data for t in push([y], leaves, [np.ones(x.shape) for x in leaves])]
    except RuntimeError as error:
        assert "was changed after it was recorded" in str(error)
        return "noticed"


def check(f, inputs, hold, i, change, walk):
    def build():
        return [(hold if j == i else taken_after)(np.array(a)) if a.dtype.kind == "f" or j == i else an_array(np.array(a))
                for j, a in enumerate(inputs)]  # fmt: skip

    if not inputs[i].ndim and change in (exchange, roll):
        return None
    if inputs[i].dtype.kind != "f" and hold not in (an_array, a_view_of_another):
        return None
    found = outcome(f, build(), [i], change, walk)
    if isinstance(found, list):
        right = outcome(f, build(), [], change, walk)
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, right, strict=True)), (
            f"{hold.__name__}, {change.__name__}, {walk}: a gradient of what was not recorded"
        )
        return "harmless"
    return found


ROWS = [(c.name, c.f, c.inputs) for c in cases.CASES if "default generator" not in c.name] + GIVEN
WALKS = ["up", "up to the last", "down"]


@pytest.mark.slow
@pytest.mark.parametrize("hold", HOLDS)
def test_every_array_of_every_operation(hold, monkeypatch):
    said = Counter()
    for row, (name, f, inputs) in enumerate(ROWS):
        for i in range(len(inputs)):
            for k, change in enumerate(CHANGES):
                monkeypatch.setattr(stale, "_FEW", (1 << 16, 0)[(row + k) % 2])  # bytes, or checksums
                try:
                    said[check(f, inputs, hold, i, change, WALKS[(k + i) % 3])] += 1
                except AssertionError as error:
                    raise AssertionError(f"{name}, argument {i}: {error}") from None
    assert said["noticed"] + said["refused"] + said["harmless"] > 300, said
    if hold not in (parameter, turned_and_detached):  # these take copies
        assert said["noticed"] > 200, said


@drawn(60)
@given(st.sampled_from(ROWS), st.sampled_from(HOLDS), st.sampled_from(CHANGES), st.sampled_from(WALKS), st.data())
def test_drawn_changes(row, hold, change, walk, data):
    _, f, inputs = row
    check(f, inputs, hold, data.draw(st.integers(0, len(inputs) - 1)), change, walk)


@drawn(200)
@given(
    st.sampled_from("fdFDhbBH"), st.integers(1, 40), st.integers(1, 40), st.sampled_from(["C", "F", "strided", "odd"]),
    st.integers(0, 2**32), st.sampled_from([*CHANGES, "permute", "exchange two"]),
)  # fmt: skip
def test_a_witness_tells_any_change(kind, n, m, order, seed, change):
    """Bytes and checksums alike, whatever the dtype and the strides; and the same content has the same witness."""
    rng = np.random.default_rng(seed)
    a = (rng.integers(-3, 4, (n, m)) if rng.random() < 0.5 else rng.standard_normal((n, m))).astype(kind)
    if order == "F":
        a = np.asfortranarray(a)
    elif order == "strided":
        a = np.repeat(a, 2, axis=1)[:, ::2]
    elif order == "odd":  # not aligned
        room = np.zeros(a.nbytes + 1, "u1")
        b = room[1:].view(kind).reshape(a.shape)
        b[...] = a
        a = b
    before, old = witnesses(a), a.copy()
    assert witnesses(a) == before
    if change == "permute":
        a[...] = rng.permutation(a.ravel()).reshape(a.shape)
    elif change == "exchange two":
        i, j = rng.integers(0, n, 2), rng.integers(0, m, 2)
        a[i, j] = a[i[::-1], j[::-1]]
    elif a.dtype.kind == "c" and change is ulp:
        return
    else:
        change(a)
    same = a.tobytes() == old.tobytes()
    assert [x == y for x, y in zip(witnesses(a), before)] == [same, same]


def witnesses(a):
    few = stale._FEW
    try:
        stale._FEW = 1 << 16
        octets = stale.content(a)
        stale._FEW = -1
        return octets, stale.content(a)
    finally:
        stale._FEW = few


def test_the_checker_is_checked(monkeypatch):
    """With the sum of old for a witness, exchanges pass."""
    monkeypatch.setattr(stale, "content", lambda a: float(np.sum(a)))
    with pytest.raises(AssertionError, match="not recorded"):
        for name, f, inputs in ROWS:
            if name.startswith("mul"):
                for change in CHANGES:
                    check(f, inputs, wrapped, 0, change, "up")


# ---- operations of one's own: nothing of theirs is trusted ---------------------------------------------------------------


@pytest.mark.parametrize("change", CHANGES)
def test_arrays_in_the_parameters_of_an_operation_of_ones_own(change):
    slopes = np.array([1.0, 2.0, 3.0])
    x = mg.tensor(np.ones(3), requires_grad=True)
    y = looked_up(x, table={"slopes": [slopes]}).sum()
    change(slopes)
    with pytest.raises(
        RuntimeError, match=r"an array that looked_up \(test_stale.py:\d+\) was given, float64 \(3,\), was changed"
    ):
        y.backward()


def test_a_result_that_the_operation_writes_over_in_its_next_call():
    x = mg.tensor(np.ones(6), requires_grad=True)
    y = into_a_buffer(x).sum()
    into_a_buffer(2 * x)
    with pytest.raises(RuntimeError, match="was changed"):
        y.backward()


# ---- what is no change --------------------------------------------------------------------------------------------------


def test_a_view_outlives_its_tape():
    w, u = mg.tensor(np.ones((2, 3)), requires_grad=True), mg.tensor(np.ones((2, 3)), requires_grad=True)
    turned = w.T
    turned.sum().backward()
    loss = (w * w).sum()
    with mg.no_grad():
        turned.reshape(3, 2).data[0, 0] = 5
    with pytest.raises(RuntimeError, match="was changed"):
        loss.backward()
    loss = (turned.T.detach() * u).sum()
    w.data[0, 0] = 7
    loss.backward()
    assert np.array_equal(u.grad, [[5, 1, 1], [1, 1, 1]])


def test_a_look_is_no_change():
    x = mg.tensor(np.arange(3.0), requires_grad=True)
    y = (x * x).sum()
    assert x.data.sum() == 3 and x.detach().data.sum() == 3 and copy.deepcopy(x).data.sum() == 3 and repr(x)
    y.backward()
    assert np.array_equal(x.grad, [0, 2, 4])


def test_a_value_that_comes_back_is_no_change():
    x = mg.tensor(np.arange(3.0), requires_grad=True)
    y, array, version = (x * x).sum(), x._data, x.version
    x.assign(array + 1)
    z = (x * x * x).sum()
    x.assign(array, version)
    y.backward()
    assert np.array_equal(x.grad, [0, 2, 4])
    x.assign(array + 2)  # again a version of that number
    with pytest.raises(RuntimeError, match="was changed"):
        z.backward()


def test_data_is_set_to_a_copy():
    x, a = mg.tensor(np.zeros(3), requires_grad=True), np.ones(3)
    x.data = a
    y = (x * x).sum()
    a[:] = 5
    y.backward()
    assert np.array_equal(x.grad, [2, 2, 2])


def test_what_the_library_owns_is_not_read_again(monkeypatch):
    """A step of training looks at the content of the batch alone."""
    sizes = []
    whole = stale.content
    monkeypatch.setattr(stale, "content", lambda a: sizes.append(a.size) or whole(a))
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, rng=0), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10, rng=0)
    )
    opt = mg.optim.SGD(net.parameters(), lr=0.1)
    x, labels = np.zeros((2, 1, 8, 8), np.float32), np.array([3, 4])
    for _ in range(3):
        opt.zero_grad()
        mg.cross_entropy(net(x), labels).backward()
        opt.step()
    net.state_dict()
    assert set(sizes) == {x.size}
