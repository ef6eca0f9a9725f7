"""NumPy's functions, called with tensors: each gives what NumPy gives for arrays, with a derivative, or says that it cannot."""

import ast
import functools
import inspect
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
import scipy.special
from documents import hold
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.ops import by_numpy, spelling


def resolved(name):
    """The public function of this name, or None."""
    try:
        return functools.reduce(getattr, name.split("."), mg)
    except AttributeError:
        return None


def names_used(module):
    """All that a file of tables asks of `mg`: in its code, and in rows that are names."""
    found = set()
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for n in ast.walk(tree):
        parts, at = [], n
        while isinstance(at, ast.Attribute):
            parts.append(at.attr)
            at = at.value
        if parts and id(n) not in inner and isinstance(at, ast.Name) and at.id == "mg":
            found.add(".".join(reversed(parts)))
    for table in ("FUNCTIONS", "UFUNCS"):
        found |= {row for row in getattr(module, table, {}).values() if isinstance(row, str)}
    return found


@pytest.mark.parametrize("module", [by_numpy, spelling], ids=lambda m: m.__name__)
def test_every_name_of_the_tables_is_there(module):
    assert not sorted(n for n in names_used(module) if resolved(n) is None)


# ---- each row, on drawn inputs

rng = np.random.default_rng(0)


def pos(*shape):
    return rng.random(shape) + 0.5


def any_(*shape):
    return rng.standard_normal(shape)


def unit(*shape):
    return rng.random(shape) * 0.8 + 0.1


def square(n=3):
    return any_(n, n) + n * np.eye(n)


def definite(n=3):
    a = any_(n, n)
    return a @ a.T + np.eye(n)


def ints(*shape):
    return rng.integers(1, 9, shape)


DOMAIN = {  # of ufuncs that are not for all numbers
    **dict.fromkeys(
        ["acos", "arccos", "asin", "arcsin", "atanh", "arctanh", "erfinv", "erfcinv", "logit", "ndtri"], unit
    ),
    **dict.fromkeys(["acosh", "arccosh"], lambda *s: pos(*s) + 1),
    **dict.fromkeys(
        [
            "log",
            "log10",
            "log2",
            "log1p",
            "sqrt",
            "power",
            "float_power",
            "digamma",
            "psi",
            "gammaln",
            "entr",
            "k0",
            "k0e",
            "k1",
            "k1e",
            "xlogy",
            "xlog1py",
            "reciprocal",
            "floor_divide",
            "remainder",
            "fmod",
            "divmod",
        ],
        pos,
    ),
    **dict.fromkeys(
        [
            "bitwise_and",
            "bitwise_or",
            "bitwise_xor",
            "bitwise_count",
            "invert",
            "left_shift",
            "right_shift",
            "gcd",
            "lcm",
        ],
        ints,
    ),
}
SHAPES = {"matmul": ((2, 3), (3, 4)), "vecdot": ((2, 3), (2, 3)), "matvec": ((2, 3), (3,)), "vecmat": ((2,), (2, 3))}
x = any_(3, 4)
B = np.array([True, False, True])
ARGS = {  # the calls of a function: arrays of floats in it become tensors
    "amax": [((x,), {"axis": 0}), ((x,), {})],
    "amin": [((x,), {"axis": 0, "keepdims": True})],
    "append": [((x, any_(2, 4)), {"axis": 0})],
    "around": [((x,), {})],
    "argwhere": [((x,), {})],
    "array_split": [((any_(7), 3), {}), ((x, 3), {"axis": 1})],
    "astype": [((x, np.float32), {})],
    "atleast_1d": [((np.array(2.0),), {}), ((x, x), {})],
    "atleast_2d": [((any_(3),), {})],
    "atleast_3d": [((any_(3),), {}), ((x,), {})],
    "average": [((x,), {}), ((x,), {"axis": 1, "weights": pos(4)}), ((x,), {"weights": pos(3, 4), "axis": 0})],
    "broadcast_arrays": [((x, any_(4)), {})],
    "broadcast_to": [((any_(4), (3, 4)), {})],
    "clip": [((x, -0.5, 0.5), {}), ((x,), {"min": 0.0}), ((x, None, 0.3), {})],
    "column_stack": [(([any_(3), any_(3, 2)],), {})],
    "concat": [(([x, x],), {"axis": 1})],
    "concatenate": [(([x, x],), {}), (([x, x], 1), {})],
    "convolve": [((any_(5), any_(3), m), {}) for m in ("full", "same", "valid")] + [((any_(2), any_(6)), {})],
    "correlate": [((any_(5), any_(3)), {}), ((any_(5), any_(3), "full"), {}), ((any_(5), any_(3), "same"), {})],
    "cov": [((x,), {}), ((x,), {"rowvar": False}), ((x,), {"bias": True}), ((any_(5),), {"ddof": 0})],
    "cross": [((any_(2, 3), any_(2, 3)), {})],
    "cumprod": [((x,), {}), ((x, 1), {})],
    "cumsum": [((x,), {}), ((x,), {"axis": 0})],
    "diag": [((any_(3),), {}), ((x,), {"k": 1})],
    "diagonal": [((x,), {}), ((any_(2, 3, 4), 1, 0, 2), {})],
    "diff": [((x,), {}), ((x,), {"n": 2, "axis": 0})],
    "dot": [((x, any_(4)), {}), ((x, 2.0), {}), ((any_(4), any_(4)), {}), ((x, any_(2, 4, 3)), {})],
    "dsplit": [((any_(2, 3, 4), 2), {})],
    "dstack": [(([x, x],), {}), (([any_(3), any_(3)],), {})],
    "einsum": [(("ij,kj->ik", x, any_(2, 4)), {})],
    "expand_dims": [((x, 1), {})],
    "extract": [((x > 0, x), {})],
    "flip": [((x,), {}), ((x, 1), {})],
    "full_like": [((x, 2.0), {})],
    "gradient": [((any_(6),), {}), ((x, 0.5), {}), ((x,), {"axis": 1}), ((x, 0.5, 2.0), {})],
    "hsplit": [((x, 2), {}), ((any_(6), 3), {})],
    "hstack": [(([x, x],), {}), (([any_(3), any_(2)],), {})],
    "i0": [((any_(3),), {})],
    "inner": [((x, any_(2, 4)), {}), ((any_(3), any_(3)), {}), ((x, 2.0), {})],
    "interp": [((any_(6), np.arange(-2.0, 3.0), any_(5)), {}), ((unit(4), np.arange(3.0), any_(3)), {"left": 0.0})],
    "isclose": [((x, x + 1e-9), {})],
    "isin": [((ints(4), ints(3)), {})],
    "kron": [((any_(2, 2), any_(3, 2)), {})],
    "linspace": [((np.array(0.5), np.array(2.0), 5), {}), ((np.array(0.5), np.array(2.0)), {"num": 4, "endpoint": False})],
    "median": [((x,), {}), ((x,), {"axis": 1}), ((any_(5),), {"axis": 0, "keepdims": True})],
    "meshgrid": [((any_(3), any_(2)), {}), ((any_(3), any_(2)), {"indexing": "ij"})],
    "moveaxis": [((any_(2, 3, 4), 0, 2), {})],
    "nan_to_num": [((np.array([1.0, np.nan]),), {})],
    "outer": [((any_(3), any_(2)), {})],
    "pad": [((x, 1), {}), ((x, [(1, 0), (0, 2)]), {})],
    "percentile": [((x, 30), {}), ((x, [10, 60]), {"axis": 1})],
    "permute_dims": [((any_(2, 3, 4), (2, 0, 1)), {})],
    "polyval": [((any_(4), any_(3)), {})],
    "quantile": [((x, 0.3), {}), ((x, [0.1, 0.9]), {"axis": 0, "keepdims": True}), ((any_(7), 1.0), {})],
    "repeat": [((x, 2), {"axis": 1}), ((any_(3), 2), {})],
    "reshape": [((x, (2, 6)), {}), ((x, -1), {})],
    "result_type": [((x, np.float32), {})],
    "roll": [((x, 1), {}), ((x, 2), {"axis": 1})],
    "rollaxis": [((any_(2, 3, 4), 2), {}), ((any_(2, 3, 4), 0, 3), {})],
    "rot90": [((x,), {"k": k}) for k in range(4)],
    "round": [((x,), {})],
    "searchsorted": [((np.sort(any_(5)), any_(3)), {})],
    "select": [(([x > 0.5, x < -0.5], [x, x**2]), {"default": 0.0})],
    "size": [((x,), {}), ((x, 1), {})],
    "sort": [((x,), {}), ((x,), {"axis": None}), ((x, 0), {})],
    "split": [((x, 2), {"axis": 1}), ((any_(7), [2, 5]), {})],
    "squeeze": [((any_(1, 3), 0), {})],
    "stack": [(([x, x],), {}), (([x, x], 1), {})],
    "std": [((x,), {}), ((x,), {"axis": 1, "ddof": 1})],
    "swapaxes": [((any_(2, 3, 4), 0, 2), {})],
    "take": [((x, np.array([0, 2])), {"axis": 0})],
    "take_along_axis": [((x, np.argsort(x, 1), 1), {})],
    "tensordot": [((any_(2, 3, 4), any_(3, 4, 2)), {}), ((x, any_(3, 2)), {"axes": ((0,), (0,))})],
    "tile": [((x, (2, 1)), {})],
    "transpose": [((x,), {}), ((any_(2, 3, 4), (1, 2, 0)), {})],
    "trapezoid": [((x,), {}), ((x,), {"x": np.array([0.0, 1, 3, 4])}), ((x,), {"dx": 0.5, "axis": 0})],
    "tril": [((x,), {}), ((x,), {"k": 1})],
    "vander": [((any_(3),), {}), ((any_(3), 2), {"increasing": True})],
    "var": [((x,), {}), ((x,), {"axis": 1, "ddof": 1}), ((x, 1, None, None, 1, True), {})],
    "vdot": [((any_(3), any_(3)), {})],
    "vsplit": [((any_(4, 2), 2), {})],
    "vstack": [(([x, x],), {}), (([any_(3), any_(3)],), {})],
    "where": [((B, any_(3), 0.0), {}), ((x > 0, x, -x), {})],
    **{f"nan{n}": [((np.where(x > 1, np.nan, x),), {}), ((np.where(x > 1, np.nan, x),), {"axis": 0})] for n in ["max", "mean", "min", "prod", "sum"]},
    **{n: [((x,), {}), ((x,), {"axis": 1}), ((x, 0), {})] for n in ["argmax", "argmin", "max", "mean", "min", "prod", "ptp", "sum"]},
    **{n: [((x,), {}), ((x, 0), {})] for n in ("argsort",)},
    **{n: [((x > 0,), {"axis": 0}), ((x,), {})] for n in ("all", "any", "count_nonzero")},
    **{n: [((any_(3),), {})] for n in ["cumulative_prod", "cumulative_sum", "diagflat", "ediff1d", "flatnonzero", "sinc"]},
    "linalg.cholesky": [((definite(),), {})],
    "linalg.cross": [((any_(2, 3), any_(2, 3)), {})],
    "linalg.eigh": [((definite(),), {})],
    "linalg.eigvalsh": [((definite(),), {})],
    "linalg.matmul": [((x, any_(4, 2)), {})],
    "linalg.matrix_power": [((square(), 3), {})],
    "linalg.multi_dot": [(([x, any_(4, 2), any_(2, 3)],), {})],
    "linalg.norm": [((x,), {}), ((any_(3),), {"ord": 3}), ((x,), {"axis": 1}), ((x, "fro"), {}), ((x, "nuc"), {}), ((x,), {"axis": 0, "keepdims": True})],
    "linalg.outer": [((any_(3), any_(2)), {})],
    "linalg.solve": [((square(), any_(3, 2)), {}), ((square(), any_(3)), {})],
    "linalg.tensordot": [((any_(2, 3), any_(3, 2)), {"axes": 1})],
    "linalg.vecdot": [((x, x[::-1].copy()), {})],
    "linalg.vector_norm": [((x,), {}), ((x,), {"axis": 1, "ord": 1})],
    **{f"linalg.{n}": [((square(),), {})] for n in ["det", "inv", "slogdet", "matrix_norm", "diagonal", "trace", "matrix_transpose", "matrix_rank"]},
    **{f"linalg.{n}": [((any_(4, 3),), {})] for n in ["pinv", "qr", "svdvals"]},
    "linalg.svd": [((any_(4, 3), False), {})],
}  # fmt: skip
SAME_UP_TO_SIGN = {"linalg.qr", "linalg.svd", "linalg.eigh"}  # checked by what they are made of, elsewhere
SYMMETRIC = {"linalg.cholesky", "linalg.eigvalsh"}  # functions of one triangle
UNINITIALISED = {"empty_like"}


def ufunc(name):
    found = (getattr(module, name, None) for module in (np, scipy.special))
    return next((f for f in found if isinstance(f, np.ufunc)), None)


def calls(name):
    """The function of NumPy or SciPy, and arguments for it."""
    if name in by_numpy.UFUNCS:
        f = ufunc(name)
        draw = DOMAIN.get(f.__name__, any_)
        shapes = SHAPES.get(name, ((3, 4), (4,)))
        args = [draw(*s) for s in shapes[: f.nin]]
        if name == "ldexp":
            args[1] = ints(4)
        return f, [(tuple(args), {})]
    return functools.reduce(getattr, name.split("."), np), ARGS.get(name, [((x,), {})])


def mapped(f, args):
    """Nested arguments, with f of every array of floats."""
    if isinstance(args, (list, tuple)):
        return type(args)(mapped(f, a) for a in args)
    if isinstance(args, dict):
        return {k: mapped(f, a) for k, a in args.items()}
    return f(args) if isinstance(args, np.ndarray) and args.dtype.kind == "f" else args


def parts(out):
    return [p for o in out for p in parts(o)] if isinstance(out, (list, tuple)) else [out]


ROWS = sorted({n for n in by_numpy.UFUNCS if ufunc(n) is not None} | set(by_numpy.FUNCTIONS))


@pytest.mark.parametrize("name", ROWS)
def test_values_and_derivatives(name):
    f, drawn = calls(name)
    for args, kwargs in drawn:
        want = f(*args, **kwargs)
        leaves = []

        def leaf(a):
            leaves.append(mg.tensor(a, requires_grad=True))
            return leaves[-1]

        tensors = mapped(leaf, (args, kwargs))
        if not leaves:  # of integers only
            tensors = mapped_all(args, kwargs)
        got = f(*tensors[0], **tensors[1])
        for w, g in zip(parts(want), parts(got), strict=True):
            if isinstance(w, (np.ndarray, np.generic)):
                assert isinstance(g, mg.Tensor), f"{name}: {type(g)}"
                assert g.shape == np.shape(w)
                if name not in SAME_UP_TO_SIGN | UNINITIALISED:
                    np.testing.assert_allclose(g.data, w, rtol=1e-10, atol=1e-12)
            else:
                assert g == w
        if name not in SAME_UP_TO_SIGN:
            check_slope(name, f, (args, kwargs), leaves, got)


def mapped_all(args, kwargs):
    return tuple(mg.tensor(a) if isinstance(a, np.ndarray) else a for a in args), kwargs


def check_slope(name, f, given, leaves, got):
    """The gradient of Σ w · out along a direction, against NumPy's own values on both sides."""
    outs = [g for g in parts(got) if isinstance(g, mg.Tensor) and g.requires_grad]
    if not outs or not leaves:
        return
    at = [i for i, g in enumerate(parts(got)) if isinstance(g, mg.Tensor) and g.requires_grad]
    weights = [np.random.default_rng(1).standard_normal(g.shape) for g in outs]
    sum((g * w).sum() for g, w in zip(outs, weights)).backward()
    directions = [np.random.default_rng(2).standard_normal(v.shape) for v in leaves]
    directions = [d + d.T for d in directions] if name in SYMMETRIC else directions
    slope = sum(float((v.grad * d).sum()) for v, d in zip(leaves, directions) if v.grad is not None)
    h = 1e-6

    def value(t):
        each = iter(directions)
        args, kwargs = mapped(lambda a: a + t * next(each), given)
        out = parts(f(*args, **kwargs))
        return sum(float((np.nan_to_num(out[i]) * w).sum()) for i, w in zip(at, weights))

    numeric = (value(h) - value(-h)) / (2 * h)
    if name not in ("nextafter", "astype") and np.isfinite(slope):
        assert slope == pytest.approx(numeric, rel=1e-6, abs=1e-6)


# ---- what the protocols promise

OPERATORS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "**": lambda a, b: a**b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "//": lambda a, b: a // b, "%": lambda a, b: a % b,
    "&": lambda a, b: (a > 1) & (b > 1), "|": lambda a, b: (a > 1) | (b > 1), "^": lambda a, b: (a > 1) ^ (b > 1),
}  # fmt: skip
OTHERS = {
    "array": np.array([1.0, 2.0, 0.5]),
    "float64": np.float64(1.5),
    "float32 array": np.array([1.0, 2.0, 0.5], np.float32),
    "ints": np.array([1, 2, 3]),
    "0-d": np.array(2.0),
    "column": np.array([[1.0], [2.0]]),
    "int64": np.int64(2),
    "float": 1.5,
}


@pytest.mark.parametrize("sign", OPERATORS)
@pytest.mark.parametrize("other", OTHERS)
def test_an_array_and_a_tensor_make_a_tensor(sign, other):
    f, a, b = OPERATORS[sign], OTHERS[other], np.array([1.0, 3.0, 2.0])
    for left in True, False:
        t = mg.tensor(b, requires_grad=True)
        y = f(a, t) if left else f(t, a)
        want = f(a, b) if left else f(b, a)
        assert type(y) is mg.Tensor
        np.testing.assert_allclose(y.data, want)
        if sign in "+-*/**":
            assert y.requires_grad


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_of_numpy_have_no_say_in_the_dtype(dtype):
    t = mg.tensor([1.0, 2.0], dtype=dtype)
    for y in (
        np.float64(2) * t,
        t * np.float64(2),
        np.int64(2) + t,
        np.sin(t),
        np.add(2.0, t),
        np.multiply(t, np.float32(3)),
    ):
        assert y.dtype == dtype


@pytest.mark.parametrize("method", ["reduce", "accumulate", "outer"])
@pytest.mark.parametrize("f", [np.add, np.multiply, np.maximum, np.minimum, np.logical_and, np.logical_or, np.subtract])
def test_methods_of_ufuncs(f, method):
    a = rng.standard_normal((3, 4))
    t = mg.tensor(a, requires_grad=True)
    args = ((a, a[0]), (t, a[0])) if method == "outer" else ((a,), (t,))
    try:
        y = getattr(f, method)(*args[1])
    except TypeError as error:
        assert f"np.{f.__name__}" in str(error)
        return
    np.testing.assert_allclose(y.data, getattr(f, method)(*args[0]))


def leaf(*shape):
    return mg.tensor(np.ones(shape), requires_grad=True)


REFUSED = {  # what is called, and what the message names
    "no counterpart": (lambda: np.unwrap(leaf(2)), "np.unwrap: it has no counterpart"),
    "no counterpart in linalg": (lambda: np.linalg.eig(leaf(2, 2)), "np.linalg.eig: it has no counterpart"),
    "no counterpart in fft": (lambda: np.fft.hfft(leaf(4)), "np.fft.hfft: it has no counterpart"),
    "ufunc": (lambda: np.spacing(leaf(2)), "np.spacing: it has no counterpart"),
    "constant": (lambda: np.spacing(mg.tensor([1.0])), "np.spacing: it has no counterpart"),
    "out": (lambda: np.sum(leaf(2), out=np.zeros(())), "np.sum: out="),
    "where": (lambda: np.sum(leaf(2), where=np.array([True, False])), "np.sum: where="),
    "where of a ufunc": (lambda: np.sin(leaf(2), where=np.array([True, False])), "np.sin: where="),
    "initial": (lambda: np.max(leaf(2), initial=3.0), "np.max: initial="),
    "order": (lambda: np.reshape(leaf(4), (2, 2), order="F"), "np.reshape: order="),
    "out of a ufunc": (lambda: np.sin(leaf(2), out=np.zeros(2)), "np.sin: the result of a tensor that requires grad"),
    "out is a tensor": (lambda: np.sin(np.zeros(2), out=leaf(2)), "np.sin: out= is a tensor"),
    "at": (lambda: np.add.at(np.zeros(2), [0], leaf(1)), "np.add.at"),
    "reduceat": (lambda: np.add.reduceat(leaf(4), [0, 2]), "np.add.reduceat"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_names_the_function(case):
    act, words = REFUSED[case]
    with pytest.raises(TypeError) as caught:
        act()
    assert str(caught.value).startswith(words), caught.value


def test_an_array_takes_constants_only():
    a = np.ones(2)
    b = a
    a += mg.tensor([1.0, 2.0])
    assert a is b and type(a) is np.ndarray and a.tolist() == [2.0, 3.0]
    with pytest.raises(TypeError, match=r"np.add: .*a = a \+ x"):
        a += leaf(2)
    assert a.tolist() == [2.0, 3.0]


def test_what_only_looks():
    t, c = leaf(2, 3), mg.tensor([1.0, 2.0])
    assert np.shape(t) == (2, 3) and np.ndim(t) == 2 and np.size(t) == 6 and np.size(t, 1) == 3
    assert not np.iscomplexobj(t) and np.isrealobj(t) and np.result_type(t, np.float32) == np.float64
    assert np.allclose(t, np.ones((2, 3))) and np.array_equal(t, t) and np.array_repr(c) == "array([1., 2.])"
    np.testing.assert_allclose(c, [1.0, 2.0])
    np.testing.assert_array_equal(c, c)
    with pytest.raises(TypeError, match="requires grad"):
        np.testing.assert_allclose(t, np.ones((2, 3)))


def test_saving_is_leaving(tmp_path):
    np.save(tmp_path / "x.npy", leaf(2))
    assert np.load(tmp_path / "x.npy").tolist() == [1.0, 1.0]

    def f(x):
        np.save(tmp_path / "x.npy", x)
        return (x * x).sum()

    with pytest.raises(TypeError, match="derivative would be lost"):
        mg.grad(f)(np.ones(2))


def test_a_class_that_is_neither_array_nor_tensor_answers_itself():
    class Other:
        def __array_function__(self, f, types, args, kwargs):
            return "other"

    assert np.concatenate([leaf(2), Other()]) == "other"


def test_inside_a_compiled_function():
    @mg.compile
    def f(a, w):
        return np.sum(a * w) + np.sum(np.sin(w) * 2.0)

    w = mg.tensor([0.3, 0.4])
    for a in np.ones(2), np.array([2.0, 3.0]):
        assert f(a, w).item() == pytest.approx(float((a * w.data).sum() + 2 * np.sin(w.data).sum()))


# ---- functions that others have written for NumPy


def rosen(x):
    """As SciPy's tutorial on optimization writes it."""
    return sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


def beale(x):
    return (
        (1.5 - x[0] + x[0] * x[1]) ** 2 + (2.25 - x[0] + x[0] * x[1] ** 2) ** 2 + (2.625 - x[0] + x[0] * x[1] ** 3) ** 2
    )


def ackley(x):
    n = np.size(x)
    return -20 * np.exp(-0.2 * np.sqrt(np.sum(x**2) / n)) - np.exp(np.sum(np.cos(2 * np.pi * x)) / n) + 20 + np.e


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def rastrigin(x):
    return 10.0 * len(x) + np.sum(x**2 - 10.0 * np.cos(2 * np.pi * x))


def logistic(w):
    """A loss as HIPS autograd's tutorial writes it."""
    inputs = np.array([[0.52, 1.12], [0.88, -1.08], [0.52, 0.06], [0.74, -2.49]])
    targets = np.array([True, True, False, True])
    predictions = 0.5 * (np.tanh(np.dot(inputs, w[:2]) / 2.0) + 1)
    label_probabilities = predictions * targets + (1 - predictions) * (1 - targets)
    return -np.sum(np.log(label_probabilities))


def tanh_by_hand(x):
    y = np.exp(-2.0 * x)
    return np.sum((1.0 - y) / (1.0 + y))


def gaussian(x):
    """A mixture's log density, as in many scripts."""
    means = np.array([[0.0, 1.0], [2.0, -1.0], [-1.0, 0.5]])
    d = np.expand_dims(x[:2], 0) - means
    z = -0.5 * np.sum(d**2, axis=1) - np.log(2 * np.pi)
    top = np.max(z)
    return top + np.log(np.mean(np.exp(z - top)))


def regression(x):
    """Least squares on a Vandermonde matrix, whose residual is averaged with weights."""
    t = np.linspace(0, 1, 7)
    y = np.polyval(x, t)
    return np.average((y - np.sin(3 * t)) ** 2, weights=np.arange(1.0, 8.0))


def smoothed(x):
    """Differences of a convolved signal."""
    s = np.convolve(np.concatenate([x, x[::-1]]), np.array([0.25, 0.5, 0.25]), mode="same")
    return np.sum((s[1:] - s[:-1]) ** 2) + np.var(s)


def pca(x):
    data = np.vstack([x, x**2, np.sin(x)])
    c = np.cov(data)
    return np.sum(np.outer(c[0], c[1])) + np.trapezoid(x)


def distances(x):
    """Euclidean distances of points to each other."""
    p = np.reshape(x[:4], (2, 2))
    d = p[:, None, :] - p[None, :, :]
    return np.sum(np.sqrt(np.sum(d**2, axis=-1) + 0.1))


def splines(x):
    return np.sum(np.interp(np.array([0.1, 1.2, 2.9]), np.arange(len(x)), x) ** 2)


OF_OTHERS = {
    f.__name__: f
    for f in (
        rosen, beale, ackley, himmelblau, rastrigin, logistic, tanh_by_hand, gaussian, regression, smoothed, pca,
        distances, splines,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", OF_OTHERS)
def test_functions_written_for_numpy_work_unchanged(name):
    f, at = OF_OTHERS[name], np.array([0.7, -0.4, 1.3, 0.2])
    value, slope = mg.value_and_grad(f)(at)
    assert value.item() == pytest.approx(float(f(at)), rel=1e-12)
    h = 1e-6
    numeric = [(f(at + h * e) - f(at - h * e)) / (2 * h) for e in np.eye(4)]
    np.testing.assert_allclose(slope.data, numeric, rtol=1e-6, atol=1e-6)
    assert mg.gradcheck(f, at, order=2).ok


@cases(20)
@given(st.integers(2, 8), st.integers(0, 1000))
def test_rosenbrock_and_its_own_derivatives(n, seed):
    x, p = np.random.default_rng(seed).standard_normal((2, n))
    np.testing.assert_allclose(mg.grad(rosen)(x).data, scipy.optimize.rosen_der(x), rtol=1e-10, atol=1e-9)
    (product,) = mg.hvp(rosen, (x,), (p,))
    np.testing.assert_allclose(product.data, scipy.optimize.rosen_hess_prod(x, p), rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(mg.hessian(rosen)(x).data, scipy.optimize.rosen_hess(x), rtol=1e-10, atol=1e-9)


def test_scipys_own_rosenbrock_by_the_array_api(monkeypatch):
    """SciPy makes arrays of what it is given, unless SCIPY_ARRAY_API=1 lets it ask for the namespace."""
    monkeypatch.setattr("scipy._lib._array_api_override.SCIPY_ARRAY_API", True)
    at, p = rng.standard_normal((2, 5))
    slope = mg.grad(scipy.optimize.rosen)(at)
    (product,) = mg.hvp(scipy.optimize.rosen, (at,), (p,))
    monkeypatch.undo()
    np.testing.assert_allclose(slope.data, scipy.optimize.rosen_der(at), rtol=1e-10)
    np.testing.assert_allclose(product.data, scipy.optimize.rosen_hess_prod(at, p), rtol=1e-10)


# ---- what there is of NumPy


def public():
    """NumPy's public functions: all that take arrays as arguments."""
    for where, module in (("", np), ("linalg.", np.linalg), ("fft.", np.fft)):
        for name in sorted(module.__all__):
            f = getattr(module, name, None)
            if isinstance(f, np.ufunc) or hasattr(f, "_implementation"):
                yield where + name, f


def answer(f):
    if by_numpy.counterpart(f) is not None:
        return "counterpart"
    name = by_numpy.path(f)
    if name in by_numpy.LOOKS.split():
        return "looks"
    return "saves" if name in by_numpy.LEAVES.split() else "raises"


def page():
    found = {"counterpart": [], "looks": [], "saves": [], "raises": []}
    for name, f in public():
        found[answer(f)].append(f"`{name}`")
    n, there = sum(map(len, found.values())), len(found["counterpart"]) + len(found["looks"]) + len(found["saves"])
    text = (Path(__file__).parent / "numpy.md").read_text(encoding="utf-8")
    rows = {
        "have a counterpart, with its derivative where it has one": found["counterpart"],
        "only look at values (a truth value, or text), or write them to a file": found["looks"] + found["saves"],
        "raise, and name themselves": found["raises"],
    }
    table = "".join(f"| {len(names)} {what} | {', '.join(names)} |\n" for what, names in rows.items())
    return text.replace("{n}", str(n)).replace("{there}", str(there)).replace("{table}", table)


def test_the_page_on_numpy():
    hold(Path(__file__).parent.parent / "docs" / "numpy.md", page())


def test_rows_have_numpys_own_parameters():
    for name, row in by_numpy.FUNCTIONS.items():
        f = functools.reduce(getattr, name.split("."), np)
        assert hasattr(f, "_implementation"), name
        if callable(row):
            theirs, ours = inspect.signature(f).parameters, inspect.signature(row).parameters
            assert set(ours) <= set(theirs), name
            for p in ours:
                if ours[p].default is not inspect.Parameter.empty and theirs[p].default is not np._NoValue:
                    assert ours[p].default == theirs[p].default or theirs[p].default is None, (name, p)
