"""The Python array API standard: each of its names is here with its signature, and gives what NumPy gives, or is left out."""

import functools
import inspect
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
from cases import CASES, CONSTANT
from documents import hold
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import fft, linalg

strict = pytest.importorskip("array_api_strict")

PARTS = {"": (strict, mg), "linalg.": (strict.linalg, linalg), "fft.": (strict.fft, fft)}
OWN = "Device ArrayAPIStrictFlags __version__ {0}_flags".replace(
    "{0}_flags", " ".join(f"{v}_array_api_strict_flags" for v in ("set", "get", "reset"))
).split()  # of array_api_strict, not of the standard
COMPLEX = "its result is complex, and numbers here are real"
LEFT_OUT = {
    **dict.fromkeys(["linalg.eig", "linalg.eigvals"], "of a matrix that is not symmetric: " + COMPLEX),
    **dict.fromkeys([f"fft.{n}" for n in ["fft", "ifft", "fftn", "ifftn", "rfft", "rfftn", "ihfft"]], COMPLEX),
    **dict.fromkeys([f"fft.{n}" for n in ["irfft", "irfftn", "hfft"]], "it takes complex numbers, and numbers here are real"),
}  # fmt: skip


def names():
    """The standard's names: functions, dtypes, constants, of the namespace and of its extensions."""
    found = [p + n for p, (theirs, _) in PARTS.items() for n in theirs.__all__ if n not in [*OWN, "fft", "linalg"]]
    return sorted({*found, "linalg.eig", "linalg.eigvals"})


def there(name):
    """minigrad's own of this name."""
    return functools.reduce(getattr, name.split("."), mg)


def theirs(name, module=strict):
    return functools.reduce(getattr, name.split("."), module)


HERE = [n for n in names() if n not in LEFT_OUT]
FUNCTIONS = [n for n in HERE if inspect.isfunction(theirs(n))]
OPERATORS = [
    *[
        "abs",
        "add",
        "and",
        "bool",
        "complex",
        "eq",
        "float",
        "floordiv",
        "ge",
        "getitem",
        "gt",
        "index",
        "int",
        "invert",
        "le",
        "lshift",
        "lt",
        "matmul",
        "mod",
        "mul",
        "ne",
        "neg",
        "or",
    ],
    *["pos", "pow", "rshift", "setitem", "sub", "truediv", "xor"],
    *[
        r + n
        for r in "ri"
        for n in [
            "add",
            "and",
            "floordiv",
            "lshift",
            "matmul",
            "mod",
            "mul",
            "or",
            "pow",
            "rshift",
            "sub",
            "truediv",
            "xor",
        ]
    ],
]
MEMBERS = [
    *[f"__{n}__" for n in [*OPERATORS, "array_namespace", "dlpack", "dlpack_device"]],
    *["T", "device", "dtype", "mT", "ndim", "shape", "size", "to_device"],
]  # fmt: skip


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_is_not_there(name):
    with pytest.raises(AttributeError):
        there(name)


def test_every_member_of_an_array_is_there():
    known = {n for n in dir(strict._array_object.Array) if n not in dir(object) and n[:2] + n[-2:] == "____"}
    internal = {f"__{n}__" for n in ["annotations", "array", "buffer", "iter", "module", "slots", "weakref"]}
    assert known - internal <= set(MEMBERS), "the standard has more"
    x = mg.tensor([[1.0, 2.0]])
    assert not [n for n in MEMBERS if not hasattr(x, n)]
    assert x.device == "cpu" and x.to_device("cpu") is x and x.mT.shape == x.T.shape == (2, 1) and x.size == 2
    assert x.__array_namespace__() is x.__array_namespace__(api_version=mg.__array_api_version__) is mg
    with pytest.raises(ValueError, match=r"1999.1.* of the standard is not known"):
        x.__array_namespace__(api_version="1999.1")


def test_constants_and_dtypes():
    for name in set(HERE) - set(FUNCTIONS) - {"__array_api_version__"}:
        want = getattr(np, name)
        assert there(name) is want or there(name) == want or math.isnan(want), name
    assert mg.__array_api_version__ >= strict.__array_api_version__
    ours, info = mg.__array_namespace_info__(), strict.__array_namespace_info__()
    assert ours.default_device() in ours.devices() and ours.capabilities().keys() == info.capabilities().keys()
    for kind in (None, "bool", "integral", "real floating", ("signed integer", "complex floating")):
        assert ours.dtypes(kind=kind).keys() == info.dtypes(kind=kind).keys()
    assert ours.default_dtypes().keys() == info.default_dtypes().keys()


# ---- signatures


def differences(name):
    """Each parameter of the standard that a call would not reach here, or that has another default."""
    if name == "__array_namespace_info__":
        return []
    P = inspect.Parameter
    ours = inspect.signature(there(name)).parameters
    places = [p for p in ours.values() if p.kind in (P.POSITIONAL_ONLY, P.POSITIONAL_OR_KEYWORD)]
    said, found = [], []
    for i, p in enumerate(inspect.signature(theirs(name)).parameters.values()):
        own = ours.get(p.name)
        at_place = places[i] if i < len(places) and p.kind is not P.KEYWORD_ONLY else None
        if p.kind is P.VAR_POSITIONAL:
            own = next((q for q in ours.values() if q.kind is P.VAR_POSITIONAL), None)
        elif p.kind is P.POSITIONAL_ONLY:
            own = at_place
        elif p.kind is P.POSITIONAL_OR_KEYWORD and own is not at_place:
            found.append(f"{p.name} is at another place")
        elif own is not None and own.kind is P.POSITIONAL_ONLY:
            own = None  # it is asked for by name
        if own is None:
            found.append(f"{p.name} is not there")
            continue
        said.append(own.name)
        default = None if "Undef" in type(p.default).__name__ else p.default
        if own.default != default and not (own.default is not P.empty and default is P.empty):
            found.append(f"{p.name} is {own.default!r}, not {default!r}")
    required = [
        q.name for q in ours.values() if q.default is P.empty and q.kind not in (P.VAR_POSITIONAL, P.VAR_KEYWORD)
    ]
    return found + [f"{n} is required" for n in required if n not in said]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signature(name):
    assert differences(name) == []


# ---- values: those of NumPy's function of that name

KINDS = {"b": ["bool"], "i": ["int64", "int32", "int16"], "f": ["float32", "float64"]}
ELEMENTWISE = {  # by what the standard has them take: booleans, integers, floats
    "f": "acos acosh asin asinh atan atanh cos cosh exp expm1 imag log log1p log2 log10 reciprocal signbit sin sinh sqrt tan tanh",
    "if": "abs ceil floor isfinite isinf isnan negative positive real round sign square trunc conj",
    "b": "logical_not", "bi": "bitwise_invert",
}  # fmt: skip
OF_TWO = {
    "f": "atan2 copysign divide hypot logaddexp nextafter",
    "if": "add floor_divide greater greater_equal less less_equal maximum minimum multiply pow remainder subtract",
    "b": "logical_and logical_or logical_xor", "bi": "bitwise_and bitwise_or bitwise_xor",
    "i": "bitwise_left_shift bitwise_right_shift", "bif": "equal not_equal",
}  # fmt: skip
ROWS = {  # the arguments of calls, with x of any shape: where it has an axis, if `axis` occurs
    "bif": {
        "all any": "x | x, axis=-1 | x, axis=0, keepdims=True",
        "count_nonzero": "x | x, axis=-1, keepdims=True",
        "broadcast_to": "x, (2, *x.shape)",
        "concat": "[x, x], axis=-1 | (x, x), axis=0 | [x, x], axis=None",
        "expand_dims": "x, 0 | x, axis=-1 | x, axis=(0, -1)",
        "flip": "x | x, axis=-1",
        "moveaxis": "x, 0, -1  # axis",
        "permute_dims": "x, tuple(range(x.ndim))[::-1]",
        "repeat": "x, 2 | x, 3, axis=-1 | x, np.arange(x.shape[-1]), axis=-1",
        "reshape": "x, (-1,) if x.size else (0,) | x, (*x.shape, 1) | x, (1, *x.shape), copy=True",
        "roll": "x, 1 | x, -2, axis=-1 | x, (1, 2), axis=(0, -1)",
        "squeeze": "xp.expand_dims(x, 0), 0 | xp.expand_dims(x, -1), axis=-1",
        "stack": "[x, x] | [x, x], axis=-1",
        "tile": "x, (2,) | x, (2, 1, 3)",
        "unstack": "x, axis=0 | x, axis=-1",
        "take": "x, np.arange(x.shape[-1])[::-1].copy(), axis=-1",
        "take_along_axis": "x, np.argsort(np.zeros(x.shape), -1), axis=-1",
        "where": "x > 0, x, x | xp.asarray(True), x, xp.zeros_like(x)",
        "astype": "x, xp.float32 | x, xp.int64 | x, xp.bool, copy=False",
        "broadcast_arrays": "x, xp.zeros_like(x)",
        "empty_like zeros_like ones_like": "x | x, dtype=xp.float32",
        "full_like": "x, 1 | x, 1, dtype=xp.int8",
        "asarray": "x | x, dtype=xp.float64 | x, copy=True",
        "unique_all unique_counts unique_inverse unique_values": "x",
        "isin": "x, x | x, xp.zeros_like(x), invert=True",
        "linalg.matrix_transpose matrix_transpose": "xp.stack([x, x])  # axis",
        "fft.fftshift fft.ifftshift": "x, axes=-1 | x # axis",
        "nonzero": "x  # axis",
    },
    "if": {
        "argmax argmin": "x | x, axis=-1 | x, axis=0, keepdims=True",
        "argsort": "x, axis=-1, stable=True | x, axis=0, stable=True",
        "sort": "x, axis=-1 | x, axis=0",
        "max min": "x | x, axis=-1 | x, axis=0, keepdims=True",
        "prod sum": "x | x, axis=-1 | x, axis=0, keepdims=True | x, dtype=xp.float64",
        "cumulative_prod cumulative_sum": "x, axis=-1 | x, axis=0, include_initial=True | x, axis=-1, dtype=xp.float64",
        "diff": "x, axis=-1 | x, axis=0, n=2 | x, axis=-1, prepend=x, append=x",
        "clip": "x, -1, 2 | x, min=0 | x, max=1",
        "searchsorted": "xp.sort(xp.reshape(x, (-1,) if x.size else (0,))), x | xp.sort(xp.reshape(x, (-1,) if x.size else (0,))), x, side='right'",
        "linalg.outer": "xp.reshape(x, (x.size,)), xp.reshape(x, (x.size,))",
        "linalg.tensordot tensordot": "x, x, axes=x.ndim | x, x, axes=0 | x, x, axes=([0], [0])  # axis",
        "linalg.vecdot vecdot": "x, x | x, x, axis=0  # axis",
        "linalg.matmul matmul": "xp.expand_dims(x, -1), xp.expand_dims(x, -2)  # axis",
        "tril triu": "xp.stack([x, x]) | xp.stack([x, x]), k=1  # axis",
        "linalg.diagonal linalg.trace": "xp.stack([x, x]) | xp.stack([x, x]), offset=1  # axis",
    },
    "f": {
        "mean": "x | x, axis=-1 | x, axis=0, keepdims=True",
        "std var": "x | x, axis=-1 | x, axis=0, keepdims=True, correction=0.5",
        "linalg.vector_norm": "x | x, axis=-1, ord=1 | x, axis=0, ord=float('inf'), keepdims=True",
    },
}  # fmt: skip
MATRICES = {  # with a a batch of well-conditioned square matrices, s symmetric and definite ones, b of 4 rows
    "linalg.cholesky": "s | s, upper=True", "linalg.cross": "b[..., :3], -b[..., :3] * b[..., :3] | b[..., :3, :], a[..., :3, :1], axis=-2",
    "linalg.det linalg.inv linalg.slogdet": "a | s", "linalg.eigh linalg.eigvalsh": "s",
    "linalg.matrix_norm": "b | b, ord=1, keepdims=True | b, ord=2 | b, ord='nuc'", "linalg.matrix_power": "a, 3 | a, 0 | a, -2",
    "linalg.matrix_rank": "b | xp.zeros_like(a)", "linalg.pinv": "b | b, rtol=0.1",
    "linalg.qr": "b | b, mode='complete'", "linalg.solve": "a, b", "linalg.svd": "b, full_matrices=False", "linalg.svdvals": "b",
}  # fmt: skip
WITHOUT_TENSORS = {
    "arange": "3 | 1, 2, 0.25 | 5, 1, -2, dtype=xp.float32", "eye": "3 | 2, 3, k=1 | 3, dtype=xp.int64",
    "full": "(2, 3), 7 | 2, 1.5, dtype=xp.float32 | (), True", "linspace": "0, 1, 5 | 0.0, 3.0, num=4, endpoint=False, dtype=xp.float32",
    "ones zeros": "(2, 3) | 2, dtype=xp.int32 | ()", "empty": "(0, 3) | 0, dtype=xp.int32",
    "meshgrid": "xp.arange(3), xp.arange(2) | xp.arange(3), xp.arange(2), indexing='ij' | xp.arange(2)",
    "broadcast_shapes": "(2, 1), (3,) | ", "can_cast": "xp.int32, xp.float64 | xp.float64, xp.float32",
    "result_type": "xp.float32, xp.float64 | xp.int8, xp.uint8 | xp.float32, 1.0", "isdtype": "np.dtype('f4'), 'real floating' | np.dtype('i4'), ('bool', 'numeric')",
    "finfo": "xp.float32", "iinfo": "xp.int16", "from_dlpack": "np.arange(3.0)", "fft.fftfreq fft.rfftfreq": "5 | 4, d=0.5",
}  # fmt: skip
EMPTY = {
    "mean",
    "std",
    "var",
    "linalg.vector_norm",
}  # of no entries they raise, where NumPy gives NaN, or for ord=inf 0
UNINITIALISED = {"empty", "empty_like"}
UP_TO_SIGN = {"linalg.eigh", "linalg.qr", "linalg.svd"}
TABLES = {
    **{f"{kinds} of one": (kinds, dict.fromkeys(ELEMENTWISE[kinds].split(), "x")) for kinds in ELEMENTWISE},
    **{f"{kinds} of two": (kinds, dict.fromkeys(OF_TWO[kinds].split(), "x, y")) for kinds in OF_TWO},
    **{f"{kinds} rows": (kinds, {n: text for ns, text in ROWS[kinds].items() for n in ns.split()}) for kinds in ROWS},
    "matrices": ("f", {n: text for ns, text in MATRICES.items() for n in ns.split()}),
    "without": ("f", {n: text for ns, text in WITHOUT_TENSORS.items() for n in ns.split()}),
}
VALUES = [(n, kinds, text) for kinds, table in TABLES.values() for n, text in table.items()]


def parts(y):
    return [p for each in y for p in parts(each)] if isinstance(y, (tuple, list)) else [y]


def as_ours(name, dtype):
    """The dtype that NumPy's result has here: sums and products of integers are int64, powers of them floats."""
    power = np.result_type(dtype, np.float32)
    return dtype if dtype.kind in "fb" else power if name == "pow" else np.dtype("i8")


def given_to(name, drawn, dtype, shape):
    """What the texts speak of, as arrays."""
    a = drawn.standard_normal((*shape[:-1], 4, 4)) * 0.3 + 2 * np.eye(4)
    found = {"a": a, "s": a @ np.swapaxes(a, -1, -2), "b": drawn.standard_normal((*shape[:-1], 4, 3))}
    whole, floats = drawn.integers(-4, 5, (2, *shape)), np.round(drawn.standard_normal((2, *shape)) * 4) / 2
    found["x"], found["y"] = whole if "int" in dtype else whole > 0 if dtype == "bool" else floats
    if "int" in dtype and name in ("floor_divide", "pow", "remainder", "bitwise_left_shift", "bitwise_right_shift"):
        found["y"] = np.abs(found["y"]) + 1
    return {k: np.asarray(v, dtype if k in "xy" or "float" in dtype else None) for k, v in found.items()}


@pytest.mark.parametrize(("name", "kinds", "text"), VALUES, ids=[v[0] for v in VALUES])
@cases(12)
@given(st.data())
def test_values_are_numpys(name, kinds, text, data):
    shape = data.draw(st.sampled_from([(), (3,), (2, 3), (0,), (2, 0), (2, 1, 3), (1,)]))
    dtype = data.draw(st.sampled_from([d for kind in kinds for d in KINDS[kind]]))
    arrays = given_to(name, np.random.default_rng(data.draw(st.integers(0, 99))), dtype, shape)
    tensors = {k: mg.tensor(v) for k, v in arrays.items()}
    for call in text.split("|"):
        if "axis" in text.partition("#")[2] + call and not shape:
            continue
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of empty slices
            try:
                want = eval(f"f({call}\n)", {"f": theirs(name, np), "xp": np, "np": np, **arrays})
            except (ValueError, np.linalg.LinAlgError):
                continue  # NumPy raises
            try:
                got = eval(f"f({call}\n)", {"f": there(name), "xp": mg, "np": np, **tensors})
            except ValueError as error:
                assert name in EMPTY and 0 in shape and "is empty" in str(error)
                continue
        for g, w in zip(parts(got), parts(want), strict=True):
            if not isinstance(w, (np.ndarray, np.generic)):
                assert g == w or str(g) == str(w), call
                continue
            assert isinstance(g, mg.Tensor), call
            g, close = g.data, 1e-5 if dtype == "float32" else 1e-10
            assert g.shape == w.shape, call
            assert g.dtype in (w.dtype, as_ours(name, w.dtype)), call
            if name in UNINITIALISED:
                continue
            if name == "unique_values":
                w = np.sort(w)  # in any order
            if name in UP_TO_SIGN:
                g, w = abs(g), abs(w)
            np.testing.assert_allclose(g, w, rtol=close, atol=close, err_msg=call)


def test_each_function_has_its_values_compared():
    assert set(FUNCTIONS) - {n for n, *_ in VALUES} - {"__array_namespace_info__"} == set()


# ---- derivatives


def plain(name):
    return there(name).__name__.strip("_")  # `divide` is `div`


LOOKS = {
    "can_cast",
    "finfo",
    "iinfo",
    "isdtype",
    "result_type",
    "__array_namespace_info__",
    "from_dlpack",
    "broadcast_shapes",
}
LOOKS |= {"fft.fftfreq", "fft.rfftfreq", "asarray"}
CONSTANTS = [
    n
    for n in FUNCTIONS
    if n in LOOKS or {plain(n), n} & {c.split(".")[-1] for c in CONSTANT} or n == "linalg.matrix_rank"
]


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - set(CONSTANTS)))
def test_every_differentiable_name_has_a_row_of_the_certificate(name):
    assert plain(name) in {c.op for c in CASES}


# ---- what the tables cannot say


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def of_the_others(x, v):
    """Gradient of the product of all entries of a vector, and its derivative along v: products of the other entries."""
    n = range(len(x))
    slope = np.array([math.prod(x[j] for j in n if j != i) for i in n])
    bent = [sum(v[j] * math.prod(x[k] for k in n if k not in (i, j)) for j in n if j != i) for i in n]
    return slope, np.array(bent)


@cases(40)
@given(st.integers(1, 7), st.integers(0, 3), st.integers(0, 999))
def test_products_with_zeros(n, zeros, seed):
    x, v, w = numbers(3, n, seed=seed)
    x[:zeros] = 0
    (product,) = mg.hvp(mg.prod, (x,), (v,))
    slope, bent = of_the_others(x, v)
    np.testing.assert_allclose(mg.grad(mg.prod)(x).data, slope, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(product.data, bent, rtol=1e-11, atol=1e-13)

    def running(x):
        return (mg.cumulative_prod(x) * w).sum()

    (product,) = mg.hvp(running, (x,), (v,))
    each = [[np.pad(p, (0, n - i)) * w[i - 1] for p in of_the_others(x[:i], v[:i])] for i in range(1, n + 1)]
    slope, bent = (sum(e[k] for e in each) for k in (0, 1))
    np.testing.assert_allclose(mg.grad(running)(x).data, slope, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(product.data, bent, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["prod", "cumulative_prod"])
def test_products_with_zeros_are_torchs(name):
    torch = pytest.importorskip("torch")
    x, w = numbers(3, 4), numbers(3, 4, seed=1)
    x[0, 1] = x[1, :2] = x[2] = 0
    for axis in (0, 1):
        weights = w if name != "prod" else w.sum(axis)
        t = torch.tensor(x, requires_grad=True)
        their = {"prod": torch.prod, "cumulative_prod": torch.cumprod}[name](t, axis)
        (their * torch.tensor(weights)).sum().backward()
        slope = mg.grad(lambda x, axis=axis, weights=weights: (getattr(mg, name)(x, axis=axis) * weights).sum())(x)
        np.testing.assert_allclose(slope.data, t.grad.numpy(), rtol=1e-12, atol=1e-14)


def gradient_at(f, x, w):
    """The gradient of Σ w f(x), and f's value."""
    leaf = mg.tensor(x, requires_grad=True)
    y = f(leaf)
    (y * w).sum().backward()
    return leaf.grad, y.data


@cases(40)
@given(st.sampled_from([(5,), (3, 4), (2, 3, 4)]), st.booleans(), st.integers(-1, 0), st.integers(0, 999))
def test_order_is_numpys_and_the_gradient_goes_to_where_each_entry_was(shape, descending, axis, seed):
    drawn = np.random.default_rng(seed)
    x, w = np.round(drawn.standard_normal(shape) * 2) / 2, drawn.standard_normal(shape)  # with ties
    order = np.argsort(-x if descending else x, axis, stable=True)
    np.testing.assert_array_equal(mg.argsort(x, axis=axis, descending=descending).data, order)
    slope, y = gradient_at(lambda x: mg.sort(x, axis=axis, descending=descending), x, w)
    want = np.zeros(shape)
    np.put_along_axis(want, order, w, axis)
    np.testing.assert_array_equal(y, np.take_along_axis(x, order, axis))
    np.testing.assert_array_equal(slope, want)
    k = drawn.integers(1, x.shape[axis] + 1)
    found = mg.topk(mg.tensor(x), k, axis, largest=descending)
    np.testing.assert_array_equal(found.values.data, np.take(y, range(k), axis))
    first = np.take(order, range(k), axis)
    slope, _ = gradient_at(lambda x: mg.topk(x, k, axis, largest=descending).values, x, np.take(w, range(k), axis))
    want = np.zeros(shape)
    np.put_along_axis(want, first, np.take(w, range(k), axis), axis)
    np.testing.assert_array_equal(slope, want)


@cases(40)
@given(st.sampled_from([(5,), (3, 4), (2, 3, 4)]), st.sampled_from([None, 0, -1]), st.floats(0, 1), st.integers(0, 999))
def test_quantiles_are_numpys_and_the_gradient_is_their_slope(shape, axis, q, seed):
    x = np.random.default_rng(seed).permutation(math.prod(shape)).reshape(shape) * 1.0
    for method in ("linear", "lower", "higher", "midpoint", "nearest"):
        want = np.quantile(x, q, axis=axis, method=method)
        np.testing.assert_allclose(mg.quantile(x, q, axis, method=method).data, want, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(mg.median(x, axis).data, np.median(x, axis))
    v, h = (
        numbers(*shape, seed=seed),
        1e-3,
    )  # no two entries change places, so the differences are exact but for round-off
    for ours, f in (
        (lambda x: mg.quantile(x, q, axis), lambda x: np.quantile(x, q, axis)),
        (lambda x: mg.median(x, axis), lambda x: np.median(x, axis)),
    ):
        slope, y = gradient_at(ours, x, 1.0)
        assert y.shape == f(x).shape
        assert float((slope * v).sum()) == pytest.approx(float(np.sum(f(x + h * v) - f(x - h * v)) / (2 * h)), abs=1e-9)


@cases(40)
@given(st.sampled_from([(5,), (3, 4), (2, 3, 4)]), st.integers(0, 2), st.integers(1, 6), st.integers(0, 999))
def test_gathering_and_scattering_are_adjoint(shape, axis, n, seed):
    axis %= len(shape)
    drawn = np.random.default_rng(seed)
    x, places = drawn.standard_normal(shape), [*shape]
    places[axis] = n
    at, g = drawn.integers(0, shape[axis], places), drawn.standard_normal(places)
    gathered = mg.gather(x, axis, at)
    np.testing.assert_array_equal(gathered.data, np.take_along_axis(x, at, axis))
    np.testing.assert_array_equal(mg.take_along_axis(x, at, axis=axis).data, gathered.data)
    spread = mg.scatter_add(np.zeros(shape), axis, at, g).data
    assert (gathered.data * g).sum() == pytest.approx((x * spread).sum(), rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(gradient_at(lambda x: mg.gather(x, axis, at), x, g)[0], spread, rtol=1e-12, atol=1e-13)
    slope, _ = gradient_at(lambda g: mg.scatter_add(np.zeros(shape), axis, at, g), g, x)
    np.testing.assert_array_equal(slope, gathered.data)
    line = at.reshape(-1)[:n]
    slope, y = gradient_at(
        lambda x: mg.take(x, line, axis=axis), x, weights := drawn.standard_normal(np.take(x, line, axis).shape)
    )
    np.testing.assert_array_equal(y, np.take(x, line, axis))
    assert (y * weights).sum() == pytest.approx((x * slope).sum(), rel=1e-12, abs=1e-12)


def test_where_several_are_scattered_to_one_place_the_last_one_counts_and_has_the_gradient():
    slope, y = gradient_at(lambda s: mg.scatter(np.zeros(3), 0, [1, 1, 0], s), np.array([1.0, 2.0, 3.0]), np.ones(3))
    np.testing.assert_array_equal(y, [3.0, 2.0, 0.0])
    np.testing.assert_array_equal(slope, [0.0, 1.0, 1.0])


# ---- DLPack


def their_libraries():
    """How each makes an array of a tensor, and ones."""
    yield np.from_dlpack, np.ones
    try:
        import torch
    except ImportError:
        return
    yield torch.from_dlpack, torch.ones


def test_memory_is_shared_both_ways_and_a_tape_notices_what_is_written():
    for taken, made in their_libraries():
        for way in ("out", "in"):
            if way == "out":
                c = mg.tensor(np.ones(3))
                other = taken(c)
            else:
                other = made(3)
                c = mg.from_dlpack(other)
            leaf = mg.tensor(np.arange(3.0), requires_grad=True)
            loss = (leaf * c).sum()
            other[0] = 7
            assert c.data[0] == 7
            with pytest.raises(RuntimeError, match="was changed after it was recorded"):
                loss.backward()


def test_what_may_not_be_written_to_is_given_as_a_copy():
    for taken, made in their_libraries():
        leaf = mg.tensor(np.arange(3.0), requires_grad=True)
        computed = mg.tensor(np.arange(3.0)) * 2
        other = taken(computed)
        other[0] = 7
        assert computed.tolist() == [0.0, 2.0, 4.0]
        for t in leaf, leaf * 2:
            with pytest.raises(BufferError, match=r"requires grad .* x.detach\(\)"):
                taken(t)
        other = made(3)
        copied = mg.from_dlpack(other, copy=True)
        other[0] = 7
        assert copied.tolist() == [1.0, 1.0, 1.0]
    assert leaf.__dlpack_device__() == np.ones(1).__dlpack_device__()


def test_without_a_copy_memory_that_may_not_be_written_to_is_read_only():
    computed = mg.tensor(np.arange(3.0)) * 2
    other = np.from_dlpack(computed, copy=False)
    assert np.shares_memory(other, computed.data) and not other.flags.writeable


def test_numbers_that_fill_a_tensor_or_end_a_line_have_derivatives_and_keep_their_dtype():
    for f in (
        lambda v: mg.full((3,), v),
        lambda v: mg.full_like(np.ones(3, np.float32), v),
        lambda v: mg.linspace(v, 2.0, 3),
    ):
        v = mg.tensor(np.float32(0.5), requires_grad=True)
        y = f(v)
        y.sum().backward()
        assert y.dtype == v.grad.dtype == np.float32 and v.grad == (3.0 if y[-1].item() == 0.5 else 1.5)


# ---- functions that others have written for the standard


def softmax(x):
    """As a library writes it that asks its argument for the functions."""
    xp = x.__array_namespace__()
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return xp.sum((e / xp.sum(e, axis=-1, keepdims=True)) ** 2)


def lstsq(x):
    xp = x.__array_namespace__()
    a = xp.stack([xp.ones_like(x), x, x**2], axis=-1)
    fit = xp.linalg.solve(a.mT @ a, a.mT @ xp.sin(x))
    return xp.linalg.vector_norm(fit) + xp.sum(xp.linspace(0.0, 1.0, 3, dtype=x.dtype, device=x.device) * fit)


OF_SCIPY = {  # of those that do not write into arrays
    "entropy": lambda x: scipy.stats.entropy(x),
    "gmean": lambda x: scipy.stats.gmean(x),
    "moment": lambda x: scipy.stats.moment(x, 3),
    "rosen": scipy.optimize.rosen,
    "skew": lambda x: scipy.stats.skew(x),
    "softmax": lambda x: (scipy.special.softmax(x) ** 2).sum(),
    "trapezoid": lambda x: scipy.integrate.trapezoid(x * x),
}


@pytest.mark.parametrize("f", [softmax, lstsq, *OF_SCIPY.values()], ids=["own softmax", "own lstsq", *OF_SCIPY])
def test_consumers_of_the_namespace_are_differentiated_unchanged(f, monkeypatch):
    monkeypatch.setattr("scipy._lib._array_api_override.SCIPY_ARRAY_API", True)
    x = np.array([0.3, 0.7, 1.1, 0.4])
    assert float(mg.value_and_grad(f)(x)[0].data) == pytest.approx(float(f(x)), rel=1e-12)
    assert mg.gradcheck(f, x, order=2).ok


# ---- the page


def page():
    text = (Path(__file__).parent / "array_api.md").read_text(encoding="utf-8")
    reasons = {}
    for name, why in LEFT_OUT.items():
        reasons.setdefault(why, []).append(f"`{name}`")
    marks = {
        "{version}": mg.__array_api_version__, "{n}": str(len(names())), "{here}": str(len(HERE)),
        "{functions}": str(len(FUNCTIONS)), "{differentiable}": str(len(FUNCTIONS) - len(CONSTANTS)), "{members}": str(len(MEMBERS)),
        "{left}": "".join(f"| {', '.join(found)} | {why} |\n" for why, found in reasons.items()),
        "{with}": ", ".join(f"`{n}`" for n in FUNCTIONS if n not in CONSTANTS), "{without}": ", ".join(f"`{n}`" for n in CONSTANTS),
    }  # fmt: skip
    for mark, filled in marks.items():
        text = text.replace(mark, filled)
    return text


def test_the_page_on_the_array_api():
    hold(Path(__file__).parent.parent / "docs" / "array_api.md", page())
