"""Every operation on every dtype: the value that exact arithmetic gives, or an error that says what is in the way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.tape import floats_for
from tests.bounds import moved, unit, within
from tests.cases import CASES, Case
from tests.generated import cases

INTEGERS = [np.dtype(c) for c in "?bhilBHIL"]
DTYPES = [*INTEGERS, *map(np.dtype, "efdgFD")]
MIXED = [*INTEGERS, *map(np.dtype, "efdg")]  # complex numbers are for complex steps, of one precision


def pool(dtype):
    """Numbers at both ends of a dtype, around 0, and between."""
    if dtype.kind == "b":
        return [False, True]
    if dtype.kind in "iu":
        least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        if np.finfo(np.longdouble).nmant < 63:  # what we compare with holds no more
            least, most = max(least, -(2**20)), min(most, 2**20)
        return sorted({least, least + 1, most, most - 1, 0, 1, 2, 3, 100, max(least, -1)})
    if dtype.char == "e":
        return [0.0, 1.0, -1.0, 0.1, -2.5, 3.0, 300.0, 65504.0, -65504.0, 6e-8]
    return [0.0, 1.0, -1.0, 0.1, -2.5, 3.0, 300.0, 1e-8]


def drawn(case, dtypes, rng, wild):
    """Inputs of the case's shapes; `wild` ones may be at the ends of their dtype, others are small."""
    small = [0, 1, 2, 3]
    return [
        np.array(rng.choice(np.array(pool(d) if wild else small, object), a.shape), d)
        for a, d in zip(case.inputs, dtypes)
    ]


def computed(case, arrays):
    mg.seed(0)
    return case.f(*[mg.Tensor(a) if isinstance(a, np.ndarray) else a for a in arrays]).data


def holds(case, inputs, wild=True):
    """Assert that the operation gives what it gives in longdouble, up to round-off, or names itself and the dtype.

    Round-off is that of the narrowest of the floats, and a few times that of the operation on the dtype that it is computed
    in: how well it does there is asked elsewhere. Returns the dtype of the result, None where it refused.
    """
    arrays = [np.asarray(a) for a in inputs]
    wide = [a.real.astype(np.longdouble) for a in arrays]
    with np.errstate(all="ignore"):
        try:
            got = computed(case, inputs)
        except TypeError as error:
            said = str(error)
            assert any(a.dtype.name in said for a in arrays) or "too large for int64" in said, said
            return None
        want = computed(case, wide)
        assert got.shape == want.shape
        if got.dtype.kind in "biu":  # the terms may be larger than what longdouble tells apart
            sizes = [np.abs(computed(case, [np.abs(a) for a in wide])).max(initial=0), *map(np.max, map(np.abs, wide))]
            lost = sum(sizes) * max(a.size for a in wide) * np.finfo(np.longdouble).eps
            assert (np.abs(got.astype(np.longdouble) - want) <= (lost if lost > 0.1 else 0)).all(), (got, want)
            return got.dtype
        terms = 30 + max(a.size for a in arrays)
        real = np.empty(0, got.dtype).real.dtype
        floats = [np.empty(0, a.dtype).real.dtype for a in arrays if a.dtype.kind in "fc"]
        real = min([real, np.dtype("d"), *[d for d in floats if d != "e"]])  # in which we compare
        inner = max(real, np.dtype("f"))
        like = computed(case, [a.astype(np.result_type(np.float32, *arrays)) for a in arrays])
        want = want.astype("d")
        near = max(
            moved(lambda *xs: [computed(case, xs).astype("d")], wide, terms, inner, seed)[0] for seed in range(1 + wild)
        )
        near = near if near < 0.1 * np.abs(want).max(initial=0) else np.inf  # as of sin at 10¹⁸: round-off is all
        bound = near + 4 * (unit(real) * np.abs(want) + np.abs(like - want)) + np.finfo(real).smallest_subnormal
        most = float(np.finfo(real).max) * (1 - 4 * unit(real))
        same = (np.abs(got.real - want) <= bound) | (got.real == want) | (np.isnan(got.real) & np.isnan(want))
        lost = (np.abs(want) + bound > most) | ~np.isfinite(bound)
        assert (same | lost).all(), (got, want, bound)
    return got.dtype


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_every_operation_on_every_dtype(case):
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        for wild in (False, True):
            holds(case, drawn(case, [dtype] * len(case.inputs), rng, wild), wild)


# not those that are given statistics, a value or weights, or are two operations, of a dtype each, or give float64 always
APART = (
    "standardize", "normalize", "along", "log_softmax", "binary_cross_entropy", "solve", "pinv", "lstsq", "tensorsolve",
    "cofactor_slope", "cholesky_solve", "householder_product", "fmax", "fmin", "copysign", "row_norm", "triplet_margin_with_distance_loss", "float_power",
    "scaled_dot_product_attention float mask", "cov by weights",
)  # fmt: skip
MANY = [c for c in CASES if len(c.inputs) > 1 and not c.name.startswith(APART)]


@cases(40)
@given(st.sampled_from(MANY), st.data(), st.integers(0, 2**32), st.booleans())
def test_operations_on_mixed_dtypes(case, data, seed, wild):
    dtypes = data.draw(st.lists(st.sampled_from(MIXED), min_size=len(case.inputs), max_size=len(case.inputs)))
    found = holds(case, drawn(case, dtypes, np.random.default_rng(seed), wild), wild)
    floats = [d for d in dtypes if d.kind in "fc"]
    if found is not None and floats:
        assert found == np.result_type(*floats)  # integers have no say


NUMBERS = [
    2, 300, -1, 2**40, True, 2.5, 1e-3, np.int8(-3), np.uint8(200), np.int64(2**40), np.float64(0.1), np.float32(0.1),
    np.float16(0.1), np.bool_(True), np.longdouble(0.1),
]  # fmt: skip
WITH_NUMBERS = {
    "add": mg.add, "sub": mg.sub, "mul": mg.mul, "div": mg.div, "maximum": mg.maximum, "minimum": mg.minimum,
    "where": lambda x, y: mg.where(np.array([True, False, True]), x, y),
}  # fmt: skip


@cases(60)
@given(
    st.sampled_from(sorted(WITH_NUMBERS)),
    st.sampled_from(DTYPES),
    st.sampled_from(NUMBERS),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_numbers_are_weak(name, dtype, number, left, seed):
    case = Case(name, WITH_NUMBERS[name], (np.zeros(3),))
    (x,) = drawn(case, [dtype], np.random.default_rng(seed), wild=True)
    found = holds(case, [number, x] if left else [x, number])
    if found is not None and dtype.kind in "fc":
        assert found == dtype
    elif found is not None and found.kind == "f":
        assert found == floats_for(dtype)[0]


def test_class_probabilities_take_the_dtype_of_the_logits():
    target = np.array([[0.25, 0.75]])
    for dtype in ("float16", "float32", "float64"):
        assert mg.cross_entropy(np.array([[1.0, 2.0]], dtype), target).dtype == dtype
    whole = mg.cross_entropy(np.array([[1, 200]], np.uint8), target)
    assert whole.dtype == np.float64 and whole.item() == pytest.approx(0.25 * 199, rel=1e-12)


def test_bounds_beyond_the_dtype():
    x = mg.tensor(np.array([0, 7, 255], np.uint8))
    assert mg.clip(x, -1, 300).data.tolist() == [0, 7, 255]
    assert mg.clip(x, 1, 200).data.tolist() == [1, 7, 200] and mg.clip(x, 1, 200).dtype == np.uint8
    assert mg.clip(x, 0.5, 200.5).data.tolist() == [0.5, 7, 200.5]
    with pytest.raises(TypeError, match="an integer of 1329 bits is too large for float32"):
        mg.tensor([1.0], dtype="float32") + 10**400


@pytest.mark.parametrize("case", [c for c in CASES if not c.kink and "large" not in c.name], ids=lambda c: c.name)
def test_gradients_of_float16(case):
    """Those of float64, up to the round-off of float16 in the inputs and in each gradient."""
    rng = np.random.default_rng(0)
    halves = [a.astype(np.float16) for a in case.inputs]
    shape = computed(case, case.inputs).shape
    g = rng.standard_normal(shape).astype(np.float16)

    def gradients(*arrays):
        xs = [mg.tensor(a, requires_grad=True) for a in arrays]
        mg.seed(0)
        case.f(*xs).backward(g.astype(arrays[0].dtype))
        assert all(x.grad.dtype == x.dtype for x in xs)
        return [x.grad.astype("d") for x in xs]

    bounds = moved(gradients, halves, 8, np.dtype("e"))
    for got, want, bound in zip(gradients(*halves), gradients(*(a.astype("d") for a in halves)), bounds, strict=True):
        within(got, want, bound)


@pytest.mark.parametrize("dtype", ["O", "U3", "S3", "M8[s]", "m8[s]", [("a", "i4")]], ids=str)
@pytest.mark.parametrize("name", sorted({c.op for c in CASES if c.f is getattr(mg, c.op, None)}))
def test_what_is_no_number_is_refused(name, dtype):
    f, count = next((c.f, len(c.inputs)) for c in CASES if c.op == name and c.f is getattr(mg, name, None))
    with pytest.raises(TypeError, match=r"dtype .* is not numeric"):
        f(*[np.zeros(3, dtype)] * count)


def test_layers_say_how_to_give_them_images():
    images = np.zeros((1, 1, 4, 4), np.uint8)
    for layer in (mg.nn.Conv2d(1, 2, 3, rng=0), mg.nn.Linear(4, 2, rng=0), mg.nn.BatchNorm2d(1)):
        with pytest.raises(
            TypeError, match=r"x is uint8, weight is float32; make them one, e.g. x.astype\('float32'\)"
        ):
            layer(images)


def test_integers_have_no_gradient():
    x = mg.tensor([1.5, 2.5], requires_grad=True)
    assert not x.astype("int64").requires_grad
    y = (x * np.array([2, 3]) + x.astype("int32")).sum()
    y.backward()
    assert y.dtype == x.dtype and x.grad.tolist() == [2, 3]


def test_integers_that_are_too_large_are_refused_by_name_in_a_compiled_function_too():
    square = mg.compile(lambda x: mg.sum(mg.mul(x, x)))
    assert square(np.array([3, 4])).item() == square(np.array([3, 4])).item() == 25
    with pytest.raises(TypeError, match=r"mul: int64 and int64 give ±1.21e\+24, too large for int64; use floats"):
        square(np.array([2**40, 4]))


def test_sums_of_integers_are_int64_even_over_nothing():
    for x in (np.array(3, "int32"), np.ones((1, 2), "uint8"), np.array([True])):
        for axis in (None, 0, ()):
            if x.ndim or axis != 0:
                y = mg.sum(x, axis)
                assert y.dtype == np.int64 and np.array_equal(y.data, x.sum(axis))


def test_products_of_many_small_integers():
    small = np.full(20, 200, np.uint8)
    for f in (mg.prod, mg.cumulative_prod):
        with pytest.raises(TypeError, match=rf"^{f.__name__}: uint8 give ±1.05e\+46, too large for int64; use floats"):
            f(small)
    assert mg.prod(np.array([2**62] * 40 + [0])).item() == 0  # though ∞ · 0 is NaN in float64
    with pytest.raises(TypeError, match="cumulative_prod: int64 give ±inf, too large for int64"):
        mg.cumulative_prod(np.array([2**62] * 40 + [0]))


def test_entries_and_a_source_of_another_dtype():
    large = [-500, -300]  # below all of int8
    assert mg.scatter_reduce(np.zeros(2, "int8"), 0, [0, 0], large, "amax", include_self=False).tolist() == [-300, 0]
    assert mg.index_reduce(np.ones(2, "int64"), 0, [0, 0], [-1e30, -1e20], "amax", include_self=False).tolist() == [
        -1e20,
        1,
    ]


def test_a_number_that_the_dtype_cannot_hold_does_not_fill():
    for value, dtype in ((0.5, "int64"), (300, "uint8"), (np.nan, "int64"), (1j, "float32")):
        with pytest.raises(TypeError, match=f"^full: the tensor has dtype {dtype}, which cannot hold the new value"):
            mg.full(2, value, dtype=dtype)
    assert mg.full(2, 3.0, dtype="uint8").tolist() == [3, 3]


def test_comparisons_take_numbers_as_weak():
    x = mg.tensor([0.1, 0.2], dtype="float32")
    assert (x == np.float64(0.1)).tolist() == (x == 0.1).tolist() == [True, False]
    assert (mg.tensor(np.array([200], np.uint8)) > -1).all()


def test_large_products_that_cancel_in_float64_are_refused():
    large = np.array([2**62, 1, 2**62])
    with pytest.raises(TypeError, match="matmul: int64 and int64 give"):
        mg.matmul(large, np.array([2**62, 2**63 - 1, -(2**62)]) * np.array([1, 1, 1]))
    assert mg.matmul(large, np.array([1, 5, -1])).data == 5
