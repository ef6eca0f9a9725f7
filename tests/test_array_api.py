"""The Python array API standard: each of its names is here with its signature, and gives what NumPy gives, or is left out."""

import functools
import inspect
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
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
    with pytest.raises(ValueError, match=r"1999\.1.* of the standard is not known"):
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
LOOKS |= {"fft.fftfreq", "fft.rfftfreq"}
CONSTANTS = [
    n
    for n in FUNCTIONS
    if n in LOOKS or {plain(n), n} & {c.split(".")[-1] for c in CONSTANT} or n == "linalg.matrix_rank"
]


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - set(CONSTANTS)))
def test_every_differentiable_name_has_a_row_of_the_certificate(name):
    assert plain(name) in {c.op for c in CASES}


# ---- members of tensors


@pytest.mark.parametrize("name", ["abs", "neg", "pos", *[n for n in OPERATORS if n[0] in "ri" and n[1:] in OPERATORS]])
def test_operators_are_numpys(name):
    """Also with the operands exchanged (r…), and in place (i…)."""
    drawn, bits = np.random.default_rng(0), name[1:] in ("and", "or", "xor", "lshift", "rshift")
    x, y = drawn.integers(0, 9, (2, 3, 3)) if bits else drawn.uniform(0.5, 4, (2, 3, 3))
    args = () if name in ("abs", "neg", "pos") else (y,)
    for kind in {name, name[1:]} & set(OPERATORS):
        want = getattr(x.copy(), f"__{kind}__")(*args)
        got = getattr(mg.tensor(x), f"__{kind}__")(*map(mg.tensor, args))
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-14)


def own_parameters(name, array):
    """Those of a member, but for its array."""
    return list(inspect.signature(getattr(array, name)).parameters.values())[1:]


@pytest.mark.parametrize(
    "name", [n for n in MEMBERS if inspect.isfunction(getattr(strict._array_object.Array, n, None))]
)
def test_signature_of_members(name):
    ours, theirs = (own_parameters(name, array) for array in (mg.Tensor, strict._array_object.Array))
    by_name = {p.name: p for p in ours if p.kind is p.KEYWORD_ONLY}
    places = [p for p in ours if p.kind is not p.KEYWORD_ONLY]
    for i, p in enumerate(theirs):
        if p.name in by_name:
            assert by_name[p.name].default == (None if "Undef" in type(p.default).__name__ else p.default)
        else:
            assert i < len(places) and p.kind is not p.KEYWORD_ONLY, p


# ---- the page


def page():
    code = lambda names: ", ".join(f"`{n}`" for n in names)  # noqa: E731
    groups = {
        "functions with a derivative (that of `floor`, `round`, `sign` and kin is 0)": set(FUNCTIONS) - set(CONSTANTS),
        "functions without one: places, decisions, sets, what is made of nothing": CONSTANTS,
        "dtypes and constants": set(HERE) - set(FUNCTIONS),
    }
    rows = [(f"{len(set(n))} {what}", code(sorted(set(n)))) for what, n in groups.items()]
    reasons = {reason: code(n for n in LEFT_OUT if LEFT_OUT[n] == reason) for reason in LEFT_OUT.values()}
    rows += [(f"left out: {reason}", names) for reason, names in reasons.items()]
    rows += [(f"and {len(MEMBERS)} methods and attributes of tensors", code(MEMBERS))]
    text = (Path(__file__).parent / "array_api.md").read_text(encoding="utf-8")
    filled = {"version": mg.__array_api_version__, "n": len(names()), "here": len(HERE), "calls": len(VALUES)}
    for k, v in {**filled, "table": "".join(f"| {a} | {b} |\n" for a, b in rows)}.items():
        text = text.replace(f"{{{k}}}", str(v))
    return text


def test_the_page_on_the_array_api():
    hold(Path(__file__).parent.parent / "docs" / "array_api.md", page())
