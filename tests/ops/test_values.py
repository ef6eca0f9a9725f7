"""Tensors as numbers and sequences, changed in place, and given new data."""

import math
import operator
import warnings

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn

IN_PLACE = {
    "+": (operator.iadd, operator.add), "-": (operator.isub, operator.sub), "*": (operator.imul, operator.mul),
    "/": (operator.itruediv, operator.truediv), "**": (operator.ipow, operator.pow), "@": (operator.imatmul, operator.matmul),
}  # fmt: skip
square = np.array([[1.0, 2.0], [0.5, 4.0]])
OTHERS = {
    "number": 2.0,
    "integer": 3,
    "array": np.array([[0.5, 1.0], [2.0, 3.0]]),
    "row": np.array([[1.0, 2.0]]),
    "float64": np.float64(1.5),
    "tensor": mg.tensor([[1.0, 0.25], [3.0, 1.0]]),
    "float32": np.ones((2, 2), np.float32),
}


def others(sign):
    return {k: v for k, v in OTHERS.items() if sign != "@" or (np.ndim(getattr(v, "data", v)) == 2 and k != "row")}


def address(x):
    return x.data.__array_interface__["data"][0]


MADE = {  # leaves, each with somebody else who has its array, or nobody
    "alone": lambda dtype: (nn.Parameter(square.astype(dtype)), None),
    "without gradient": lambda dtype: (mg.tensor(square, dtype=dtype), None),
    "of an array": lambda dtype: (lambda a: (mg.Tensor(a, True), a))(square.astype(dtype)),
    "read-only": lambda dtype: (lambda a: a.setflags(write=False) or (mg.Tensor(a, True), a))(square.astype(dtype)),
    "detached from": lambda dtype: (lambda p: (p, p.detach()))(nn.Parameter(square.astype(dtype))),
    "detached": lambda dtype: (lambda p: (p.detach(), p))(nn.Parameter(square.astype(dtype))),
    "detached from a tape": lambda dtype: (lambda y: (y.detach(), y))(nn.Parameter(square.astype(dtype)) * 1.0),
    "a view": lambda dtype: (lambda a: (mg.Tensor(a[:, :2]), a))(np.array(square, dtype)),
    "transposed": lambda dtype: (lambda a: (mg.Tensor(a.T), a))(square.T.astype(dtype)),
    "read": lambda dtype: (lambda p: (p, p.data))(nn.Parameter(square.astype(dtype))),
}


@cases(60)
@given(
    st.sampled_from(sorted(IN_PLACE)),
    st.sampled_from(sorted(OTHERS)),
    st.sampled_from(sorted(MADE)),
    st.sampled_from("fd"),
)
def test_in_place_under_no_grad_writes_into_the_leaf_and_into_nothing_else(sign, other, made, dtype):
    if other not in others(sign):
        return
    in_place, f = IN_PLACE[sign]
    x, holder = MADE[made](dtype)
    before, kept, where = x.version, None if holder is None else np.array(getattr(holder, "data", holder)), address(x)
    with mg.no_grad():
        want = f(mg.tensor(square, dtype=dtype), OTHERS[other]).data.astype(dtype)
        y = in_place(x, OTHERS[other])
    assert y is x and x.dtype == dtype and x.version > before and np.array_equal(x.data, want)
    assert kept is None or np.array_equal(getattr(holder, "data", holder), kept)
    assert holder is not None or address(x) == where  # nobody else's: written to


@pytest.mark.parametrize("sign", IN_PLACE)
def test_in_place_while_recording(sign):
    in_place, f = IN_PLACE[sign]
    p = nn.Parameter(square)
    with pytest.raises(RuntimeError, match=r".=: a leaf that requires grad cannot be changed while recording.*no_grad"):
        in_place(p, square)
    assert np.array_equal(p.data, square) and p.version == 0
    y = p * 1.0
    z = in_place(y, square)  # a recorded tensor: the name gets a new one
    assert z is not y and np.array_equal(y.data, square) and np.array_equal(z.data, f(square, square))
    with mg.no_grad():
        u = in_place(y, square)
    assert u is not y and not u.requires_grad and np.array_equal(y.data, square)
    c = mg.tensor(square)
    s = in_place(c, p)  # a constant meets what is recorded: a sum of losses
    assert s is not c and s.requires_grad and c.version == 0


def test_a_sum_of_losses():
    p, total = nn.Parameter(square), mg.tensor(0.0)
    for k in range(3):
        total += (k * p).sum()
    total.backward()
    assert np.array_equal(p.grad, np.full((2, 2), 3.0))


def test_a_tape_notices():
    p = nn.Parameter(square)
    loss = (p * p).sum()
    with mg.no_grad():
        p -= 0.1
    with pytest.raises(RuntimeError, match="was changed after it was recorded"):
        loss.backward()


def test_in_place_keeps_shape_and_dtype():
    x, n = mg.tensor([1.0, 2.0]), mg.tensor([1, 2])
    with mg.no_grad():
        with pytest.raises(ValueError, match=r"\+=: the tensor has shape \(2,\), the result \(2, 2\); write x = x \+"):
            x += square
        with pytest.raises(TypeError, match=r"\+=: the tensor has dtype float64, which cannot hold .* complex128"):
            x += 1j
        with pytest.raises(TypeError, match=r"\*=: the tensor has dtype int64, which cannot hold .* float64"):
            n *= 0.3
        n *= 2
        n += np.array([1.0, 2.0])
    assert x.data.tolist() == [1.0, 2.0] and n.data.tolist() == [3, 6] and n.dtype.kind == "i"


def test_the_arguments_of_a_function_that_is_differentiated():
    def f(x):
        x *= 3.0
        x += 1.0
        return (x * x).sum()

    at = np.array([1.0, 2.0])
    assert mg.grad(f)(at).data.tolist() == (6 * (3 * at + 1)).tolist() and at.tolist() == [1.0, 2.0]
    assert mg.gradcheck(f, at, order=2).ok
    assert np.allclose(mg.optim.minimize(f, at).x, -1 / 3, atol=1e-5)


@pytest.mark.parametrize("sign", IN_PLACE)
@pytest.mark.parametrize("written", [False, True])
def test_values_that_are_put_off(sign, written):
    """What a value that is put off is folded into does not see that it was written to."""
    in_place, f = IN_PLACE[sign]
    rng = np.random.default_rng(0)
    x, w = mg.tensor(rng.random((2, 3, 6, 6)) + 0.5), mg.tensor(rng.random((4, 3, 3, 3)))
    with mg.no_grad():
        y = mg.conv2d(x, w)  # (2,4,4,4)
        z, other = mg.relu(y), np.eye(4) + 1.0
        if written:
            y.data  # noqa: B018
        before = np.array(mg.conv2d(x, w).data)
        y0 = y
        y = in_place(y, other)
        assert y is y0 and np.allclose(y.data, f(before, other), rtol=1e-13)
        assert np.allclose(z.data, before, rtol=1e-13)


# ---- compiled


def trained(wrap):
    p, q = nn.Parameter(square), nn.Parameter(np.array([1.0, -1.0], np.float32))

    def step(x):
        grads = mg.grad(lambda p, q: ((x @ p) ** 2).sum() + (mg.tanh(q) * x).sum(), (0, 1))(p, q)
        with mg.no_grad():
            for w, g in zip((p, q), grads):
                w -= 0.01 * g
                w *= 0.999
        return (p * p).sum() + q.sum()

    run = wrap(step)
    losses = [float(run(np.array([1.0 + k, 2.0]))) for k in range(6)]
    return losses, p, q


def test_compiled_in_place():
    plain, compiled = trained(lambda f: f), trained(mg.compile)
    assert plain[0] == compiled[0] and all(np.array_equal(a.data, b.data) for a, b in zip(plain[1:], compiled[1:]))
    assert compiled[2].dtype == np.float32 and compiled[1].version == plain[1].version


def test_compiled_in_place_of_one_tensor_in_two_programs():
    w = nn.Parameter(np.zeros(2))

    @mg.compile
    def add(x):
        with mg.no_grad():
            y = w
            y += mg.tensor(x) * 1.0
        return w * 2.0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it may say that it runs as it is
        values = [add(np.full(2, k)).data.tolist() for k in (1.0, 2.0, 3.0)]
    assert values == [[2.0, 2.0], [6.0, 6.0], [12.0, 12.0]] and w.data.tolist() == [6.0, 6.0]


# ---- data


@cases(60)
@given(
    st.sampled_from(["f4", "f8", "c8", "c16", "i4", "i8", "u1", "i1", "?"]),
    st.sampled_from(["f2", "f4", "f8", "c16", "i4", "i8", "u1", "?"]),
    st.lists(st.sampled_from([0, 1, 1, 0.5, -3, 300, 2.75, 1 + 2j, np.nan]), min_size=2, max_size=2),
)
def test_new_data_keeps_the_dtype_or_is_refused(dtype, given, numbers):
    x = mg.tensor([0, 1], dtype=dtype)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        value = np.array(numbers).astype(given)
    real, whole = value.dtype.kind != "c", x.dtype.kind in "iub?"
    with np.errstate(invalid="ignore"):
        fits = (real or x.dtype.kind == "c") and (not whole or np.array_equal(value.astype(x.dtype), value))
    if not fits:
        with pytest.raises(TypeError, match="data: the tensor has dtype"):
            x.data = value
        assert x.data.tolist() == [0, 1]
        return
    x.data = value
    assert x.dtype == dtype and np.array_equal(x.data, value.astype(dtype), equal_nan=True)


def test_data_of_lists_and_of_the_same_dtype():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    w.data = [3, 4]
    assert w.dtype == np.float64 and w.data.tolist() == [3.0, 4.0]
    array = np.array([5.0, 6.0])
    w.data = array
    assert np.array_equal(w.data, array) and not np.shares_memory(w.data, array)
    with pytest.raises(TypeError, match="which cannot hold"):
        w.data = ["a", "b"]
    with pytest.raises(TypeError, match="which cannot hold"):
        w.data = [1j, 2j]


# ---- numbers and sequences


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_entry_is_a_number(shape, requires_grad):
    x = mg.tensor(np.full(shape, 2.625), requires_grad=requires_grad)
    assert f"{x:.2f}" == "2.62" and f"{x:8.1e}" == " 2.6e+00" and round(x, 2) == 2.62 and round(x) == 3
    assert (float(x), int(x), complex(x), x.item()) == (2.625, 2, 2.625, 2.625)
    assert (math.floor(x), math.ceil(x), math.trunc(x)) == (2, 3, 2) and type(round(x)) is int
    assert f"{x}" == str(x) == repr(x) and bool(x)
    with pytest.raises(TypeError, match="dtype float64 is no index; use int"):
        range(x)


def test_integers_are_indices():
    n = mg.tensor(2)
    assert list(range(n)) == [0, 1] and [5, 6, 7][n] == 7 and np.arange(4.0)[n] == 2.0 and hex(n) == "0x2"
    assert f"{n:d}" == "2" and round(mg.tensor(25), -1) == 20


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (float, ValueError), (int, ValueError), (complex, ValueError), (round, ValueError), (bool, ValueError),
        (mg.Tensor.item, ValueError), (math.sin, ValueError), (lambda x: f"{x:.3f}", TypeError),
        (lambda x: operator.index(x.astype("int64")), ValueError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(2,), (0,), (2, 1)])
def test_other_shapes_are_none_and_the_error_says_which(ask, error, shape):
    with pytest.raises(error, match=rf"shape \({shape[0]}"):
        ask(mg.tensor(np.ones(shape)))


def test_sequences():
    x = mg.tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    assert [row.data.tolist() for row in x] == x.data.tolist() and len(list(x)) == len(x) == 3
    a, b, c = x
    (a * b * c).sum().backward()
    assert x.grad[0].tolist() == [8.0, 15.0]
    assert list(mg.tensor(np.zeros((0, 3)))) == [] and [v.item() for v in reversed(mg.tensor([1.0, 2.0]))] == [2.0, 1.0]
    for ask in (list, tuple, iter, lambda x: [*x], sum):
        with pytest.raises(TypeError, match="cannot be iterated over"):
            ask(mg.tensor(3.0))
    with pytest.raises(TypeError, match="has no length"):
        len(mg.tensor(3.0))


def test_entries_are_written_under_no_grad_or_of_constants():
    p, c = nn.Parameter(np.arange(4.0).reshape(2, 2)), mg.tensor([1.0, 2.0, 3.0])
    c[[0, 0]] = [5.0, 6.0]
    c[c > 5] = 7
    assert c.data.tolist() == [7.0, 2.0, 3.0] and c.version == 2
    loss = (p * p).sum()
    with mg.no_grad():
        p[0] = 9.0
        p[:, 1] = np.array([1.0, 2.0])
        assert p[1].zero_().data.tolist() == [0.0, 0.0]
    assert p.data.tolist() == [[9.0, 1.0], [2.0, 2.0]] and p.requires_grad
    with pytest.raises(RuntimeError, match="was changed after it was recorded"):
        loss.backward()


@pytest.mark.parametrize(
    "write",
    [
        lambda p: p.__setitem__(0, 1.0),
        lambda p: (p * 2.0).__setitem__(0, 1.0),
        lambda p: mg.tensor([1.0, 2.0]).__setitem__(0, p[0]),
        lambda p: p.zero_(),
        lambda p: mg.grad(lambda x: x.__setitem__(0, 1.0))(p),
    ],
)
def test_entries_on_a_tape_cannot_be_written(write):
    with pytest.raises(TypeError, match=r"x\.at\[index\]\.set\(value\), or \.add\(value\)"):
        write(nn.Parameter(np.ones(2)))


def test_writing_keeps_shape_and_dtype():
    x, n = mg.tensor([1.0, 2.0]), mg.tensor([1, 2])
    with pytest.raises(ValueError, match=r"set_at: values of shape \(3,\) do not fill x\[index\], of shape \(2,\)"):
        x[:] = np.ones(3)
    with pytest.raises(TypeError, match="cannot hold"):
        n[0] = 0.5
    with pytest.raises(IndexError, match="set_at"):
        x[5] = 1.0
    assert x.data.tolist() == [1.0, 2.0] and n.data.tolist() == [1, 2]


INDICES = {
    "int": 1, "negative": -1, "slice": slice(None, None, 2), "ellipsis": (..., 0), "None": (None, 1), "ints": [0, 2, 0],
    "grid": (np.array([[0], [2]]), np.array([1, 1])), "mask": np.array([True, False, True]), "all": ..., "both": (0, 1),
    "mixed": (slice(1, None), [3, 0]), "reversed": slice(None, None, -1), "empty": slice(0, 0),
}  # fmt: skip


@cases(60)
@given(st.sampled_from(sorted(INDICES)), st.integers(0, 99), st.booleans())
def test_at_is_what_numpy_writes(which, seed, scalar):
    rng = np.random.default_rng(seed)
    index, a = INDICES[which], rng.standard_normal((3, 4))
    v = np.array(1.5) if scalar else rng.standard_normal(a[index].shape)
    want, added = a.copy(), a.copy()
    want[index] = v
    np.add.at(added, index, v)
    assert np.array_equal(mg.tensor(a).at[index].set(v).data, want)
    assert np.allclose(mg.tensor(a).at[index].add(v).data, added)
    for f in (
        lambda x, u: (x.at[index].set(u) ** 2 * want).sum(),
        lambda x, u: (x.at[index].add(u) ** 2 * added).sum(),
    ):
        assert mg.gradcheck(f, a, v, order=2).ok


def test_of_values_for_one_place_the_last_has_the_gradient():
    v = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    mg.set_at(np.zeros(3), [0, 2, 2], v).sum().backward()
    assert v.grad.tolist() == [1.0, 0.0, 1.0]
