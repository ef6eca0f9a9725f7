"""Indexing and its adjoint against NumPy: whatever it takes for an index, entries that are named twice count twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from tests.generated import cases


def nested(kind, a):
    """The array as nested lists or tuples."""
    return kind(nested(kind, b) for b in a) if a.ndim else int(a)


def forms(a):
    """Integers as everything that NumPy takes for an array of them."""
    made = [a, a.astype(np.int8), mg.tensor(a), *(nested(kind, a) for kind in (list, tuple) if a.ndim)]
    if a.ndim == 1 and a.size and (np.diff(a) == 1).all() and a[0] >= 0:
        made.append(range(a[0], a[-1] + 1))
    if (a >= 0).all():
        made.append(a.astype(np.uint8))
    return made


@st.composite
def indexed(draw):
    """A shape, and an index for it: mostly one that fits."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    common = [(), (1,), (3,), (2, 1), (2, 3)] if draw(st.booleans()) else [(2,)]
    parts, axis = [], 0

    def part(kind):
        n = shape[axis] if axis < len(shape) else 2
        if kind == "integer":
            return draw(st.sampled_from([int, np.int64, np.uint8]))(rng.integers(0, n))
        if kind == "negative":
            return -int(rng.integers(1, n + 1))
        if kind == "slice":
            ends = [None, *range(-n - 1, n + 2)]
            return slice(*(draw(st.sampled_from(ends)) for _ in range(2)), draw(st.sampled_from([None, 1, 2, -1, -2])))
        if kind == "mask":
            mask = rng.random(n) < 0.6
            return draw(st.sampled_from([mask, mask.tolist(), tuple(mask.tolist()), mg.tensor(mask)]))
        size = draw(st.sampled_from(common))
        return draw(
            st.sampled_from(forms(rng.integers(-n, n, size) if draw(st.booleans()) else rng.integers(0, n, size)))
        )

    kinds = ["integer", "negative", "slice", "mask", "array", "array", "array"]
    for _ in range(draw(st.integers(0, len(shape)))):
        kind = draw(st.sampled_from([*kinds, "new", "rest", "truth", "masks"]))
        if kind == "new":
            parts.append(None)
        elif kind == "truth":
            parts.append(draw(st.sampled_from([True, False, np.True_, np.array(True)])))
        elif kind == "rest" and not any(p is ... for p in parts):
            parts.append(...)
        elif kind == "masks":
            parts.append(rng.random(shape[axis : axis + 2]) < 0.6)
            axis += 2
        elif kind in kinds:
            parts.append(part(kind))
            axis += 1
    if len(parts) == 1 and draw(st.booleans()) and not isinstance(parts[0], tuple):
        return shape, parts[0]
    return shape, tuple(parts)


def for_numpy(index):
    one = lambda p: p.data if isinstance(p, mg.Tensor) else p  # noqa: E731
    return tuple(map(one, index)) if isinstance(index, tuple) else one(index)


@cases(150)
@given(indexed(), st.integers(0, 2**32))
def test_the_adjoint_of_any_index_counts_every_time_that_an_entry_is_named(of, seed):
    shape, index = of
    rng = np.random.default_rng(seed)
    x, there = mg.tensor(rng.integers(-9, 9, shape).astype("d"), requires_grad=True), for_numpy(index)
    try:
        want = x.data[there]
    except (IndexError, ValueError):
        with pytest.raises((IndexError, ValueError), match="getitem"):
            x[index]
        return
    y = x[index]
    assert np.array_equal(y.data, want)
    g, total = rng.integers(-9, 9, want.shape).astype("d"), np.zeros(shape)
    np.add.at(total, there, g)
    y.backward(g, retain_graph=True)
    assert np.array_equal(x.grad, total)
    v = mg.tensor(g, requires_grad=True)
    (back,) = mg.pull(mg.pull(y, [x], v, create_graph=True)[0], [v], x.data)
    assert np.array_equal(back.data, want), "the adjoint of the adjoint is indexing itself"


@pytest.mark.parametrize(
    "index",
    [
        ((0, 0), slice(None)),
        ((0, 0), (1, 1)),
        ([0, -3],),
        (((0, 0), (2, 0)), 1),
        (range(2), (0, 0)),
        ([], 0),
        (np.array([0, 0], np.uint8), None, ...),
        [[0, 0]],
        (True, (0, 0)),
        ((True, False, True), 0),
        (mg.tensor([1, 1]), ...),
    ],
    ids=str,
)
def test_an_entry_that_is_named_twice(index):
    x = mg.tensor(np.ones((3, 2)), requires_grad=True)
    x[index].sum().backward()
    total = np.zeros((3, 2))
    np.add.at(total, for_numpy(index), 1.0)
    assert np.array_equal(x.grad, total)
