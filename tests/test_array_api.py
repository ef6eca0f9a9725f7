"""The Python array API standard: its names, signatures and values, by its own strict implementation. It writes the page."""

import inspect
import operator
import types
from pathlib import Path

import array_api_strict as strict
import numpy as np
import pytest
from cases import CASES, CONSTANT
from documents import hold
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg

PARTS = ("", "linalg", "fft")  # the namespace and its extensions
COMPLEX = "gives or takes complex numbers; the engine is real"
LEFT_OUT = {
    f"fft.{n}": COMPLEX for n in ("fft", "ifft", "fftn", "ifftn", "rfft", "irfft", "rfftn", "irfftn", "hfft", "ihfft")
}
STRICTS_OWN = {  # names of array_api_strict that are not the standard's
    "ArrayAPIStrictFlags", "Device", "__version__", "get_array_api_strict_flags", "reset_array_api_strict_flags",
    "set_array_api_strict_flags", "__buffer__", "__array__", "__annotations__", "__module__", "__slots__", "__weakref__",
}  # fmt: skip


def part(of, name):
    return getattr(of, name) if name else of


def names(where):
    return [
        n
        for n in sorted(part(strict, where).__all__)
        if n not in STRICTS_OWN and not isinstance(getattr(part(strict, where), n), types.ModuleType)
    ]


ALL = [f"{p}.{n}".strip(".") for p in PARTS for n in names(p)]
METHODS = [n for n in dir(type(strict.asarray(1.0))) if n not in STRICTS_OWN and (n[0] != "_" or n not in dir(object))]
METHODS = [n for n in METHODS if n.startswith("__") or not n.startswith("_")]
OWN_METHODS = {"to_device"}  # `stream` can be given by its place, which the standard does not ask for


def found(of, name):
    for n in name.split("."):
        of = getattr(of, n)
    return of


def is_function(name):
    f = found(strict, name)
    return callable(f) and not isinstance(f, type) and type(f).__name__ != "DType" and not hasattr(f, "_np_dtype")


FUNCTIONS = [n for n in ALL if n not in LEFT_OUT and is_function(n)]


# ---- names and signatures ---------------------------------------------------------------------------------------------------


def test_it_is_the_newest_standard_that_is_known():
    assert mg.__array_api_version__ == strict.__array_api_version__
    x = mg.asarray(1.0)
    assert x.__array_namespace__() is mg
    assert x.__array_namespace__(api_version=mg.__array_api_version__) is mg
    with pytest.raises(ValueError, match=r"1999\.01"):
        x.__array_namespace__(api_version="1999.01")


def test_every_name_is_there_or_left_out_for_a_reason():
    missing = set()
    for name in ALL:
        try:
            found(mg, name)
        except AttributeError:
            missing.add(name)
    assert missing == set(LEFT_OUT)
    assert [n for n in METHODS if not hasattr(mg.Tensor, n)] == []


def test_constants_and_dtypes():
    assert (mg.e, mg.inf, mg.pi, mg.newaxis) == (strict.e, strict.inf, strict.pi, strict.newaxis) and np.isnan(mg.nan)
    dtypes = strict.__array_namespace_info__().dtypes()
    for name, dtype in dtypes.items():
        assert np.dtype(getattr(mg, name)) == np.dtype(name) == dtype._np_dtype
    assert {*FUNCTIONS, *dtypes, *LEFT_OUT, "e", "inf", "nan", "newaxis", "pi"} >= {
        n for n in ALL if not n.startswith("__")
    }


def accepts(ours, theirs, skip=0):
    """What a signature of the standard allows and ours does not, or None."""
    kinds = inspect.Parameter
    ours, theirs = (list(inspect.signature(f).parameters.values())[skip:] for f in (ours, theirs))
    by_name = {p.name: p for p in ours if p.kind in (kinds.KEYWORD_ONLY, kinds.POSITIONAL_OR_KEYWORD)}
    for i, p in enumerate(theirs):
        if p.kind is kinds.KEYWORD_ONLY:
            mine = by_name.get(p.name)
        else:
            mine = ours[i] if i < len(ours) and ours[i].kind is not kinds.KEYWORD_ONLY else None
            if p.kind is kinds.VAR_POSITIONAL and mine is not None and mine.kind is not p.kind:
                return f"{p} is {mine}"
            if p.kind is kinds.POSITIONAL_OR_KEYWORD and (mine is None or by_name.get(p.name) is not mine):
                return f"{p} has another name, or another place"
        if mine is None:
            return f"{p} is not there"
        there = (
            None if type(p.default).__name__ == "Undef" else p.default
        )  # no default and None are told apart by no one
        if p.default is p.empty and p.kind is not kinds.VAR_POSITIONAL:
            continue  # a default of ours where the standard has none
        if mine.default != there:
            return f"{p} is {mine}"
    known = {p.name for p in theirs if p.kind is kinds.KEYWORD_ONLY}
    more = [p for p in ours[sum(p.kind is not kinds.KEYWORD_ONLY for p in theirs) :] if p.name not in known]
    needed = [p for p in more if p.default is p.empty and p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
    return f"{needed} have no default" if needed else None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signature(name):
    assert accepts(found(mg, name), found(strict, name)) is None


@pytest.mark.parametrize(
    "name", [n for n in METHODS if inspect.isfunction(getattr(type(strict.asarray(1.0)), n)) and n not in OWN_METHODS]
)
def test_signature_of_methods(name):
    assert accepts(getattr(mg.Tensor, name), getattr(type(strict.asarray(1.0)), name), 1) is None


# ---- values -----------------------------------------------------------------------------------------------------------------


class Draw:
    """Inputs drawn from a seed, the same for each namespace."""

    def __init__(self, xp, seed, dtype):
        self.xp, self.dtype, self.rng = xp, dtype, np.random.default_rng(seed)

    def array(self, a, dtype=None):
        return self.xp.asarray(a.astype(self.dtype if dtype is None else dtype))

    def f(self, *shape):
        """Floats, some of them equal, and zero among them."""
        return self.array(np.round(self.rng.normal(size=shape) * 4) / 4)

    def p(self, *shape):
        return self.array(self.rng.uniform(0.25, 4, shape))

    def unit(self, *shape):
        return self.array(self.rng.uniform(-0.9, 0.9, shape))

    def i(self, *shape, low=-5, high=6, dtype="int64"):
        return self.array(self.rng.integers(low, high, shape), dtype)

    def b(self, *shape):
        return self.array(self.rng.integers(0, 2, shape), "bool")

    def places(self, n, *shape):
        return self.array(self.rng.integers(0, n, shape), "int64")

    def apart(self, n):
        """A symmetric, positive definite matrix."""
        a = self.rng.normal(size=(n, n))
        return self.array(a @ a.T + np.diag(np.arange(1.0, n + 1)))


def one(name, inputs="f"):
    return {name: lambda xp, d: found(xp, name)(getattr(d, inputs)(2, 3))}


def two(name, inputs="f"):
    return {name: lambda xp, d: found(xp, name)(getattr(d, inputs)(2, 3), getattr(d, inputs)(3))}


def reduced(name, **settings):
    return {
        name: lambda xp, d: [
            getattr(xp, name)(d.f(2, 3, 2), axis=axis, keepdims=keepdims, **settings)
            for axis in (None, 1, -1)
            for keepdims in (False, True)
        ]
    }


def rows(f, names, *more):
    return {k: v for n in names.split() for k, v in f(n, *more).items()}


CALLS = {
    **rows(one, "abs asinh atan ceil cos cosh exp expm1 floor imag_of_real isfinite isinf isnan negative positive real round "
           "sign signbit sin sinh square tan tanh trunc".replace("imag_of_real ", "")),
    **rows(one, "log log10 log1p log2 reciprocal sqrt", "p"),
    **rows(one, "acos asin atanh", "unit"),
    "acosh": lambda xp, d: xp.acosh(d.p(2, 3) + 1),
    "conj": lambda xp, d: xp.conj(d.f(2, 3)) if xp is mg else d.f(2, 3),  # strict takes complex numbers only
    "imag": lambda xp, d: xp.imag(d.f(2, 3)) if xp is mg else d.f(2, 3) * 0,
    "real": lambda xp, d: xp.real(d.f(2, 3)) if xp is mg else d.f(2, 3),
    **rows(one, "bitwise_invert", "i"),
    "logical_not": lambda xp, d: xp.logical_not(d.b(2, 3)),
    **rows(two, "add atan2 copysign equal greater greater_equal hypot less less_equal logaddexp maximum minimum multiply "
           "nextafter not_equal subtract"),
    **rows(two, "divide floor_divide pow remainder", "p"),
    **rows(two, "bitwise_and bitwise_or bitwise_xor", "i"),
    **rows(two, "logical_and logical_or logical_xor", "b"),
    "bitwise_left_shift": lambda xp, d: xp.bitwise_left_shift(d.i(2, 3), d.i(3, low=0)),
    "bitwise_right_shift": lambda xp, d: xp.bitwise_right_shift(d.i(2, 3), d.i(3, low=0)),
    "clip": lambda xp, d: [xp.clip(d.f(2, 3), -0.5, 0.5), xp.clip(d.f(2, 3), max=d.f(3)), xp.clip(d.f(2, 3), min=d.f(2, 1))],
    "where": lambda xp, d: [xp.where(d.b(2, 3), d.f(3), d.f(2, 1)), xp.where(d.b(2, 3), d.f(3), 1.5)],
    # reductions
    **rows(reduced, "max mean min prod sum"),
    "std": lambda xp, d: [xp.std(d.f(3, 4), axis=a, correction=c) for a in (None, 0, (0, 1)) for c in (0, 1)],
    "var": lambda xp, d: [xp.var(d.f(3, 4), axis=a, correction=c) for a in (None, 0, (0, 1)) for c in (0, 1)],
    "all": lambda xp, d: [xp.all(d.b(2, 3), axis=a, keepdims=k) for a in (None, 0, (0, 1)) for k in (False, True)],
    "any": lambda xp, d: [xp.any(d.b(2, 3), axis=a, keepdims=k) for a in (None, 0, (0, 1)) for k in (False, True)],
    "count_nonzero": lambda xp, d: [xp.count_nonzero(d.i(2, 3, low=0, high=2), axis=a, keepdims=k) for a in (None, 0, (0, 1)) for k in (False, True)],
    "argmax": lambda xp, d: [xp.argmax(d.f(3, 4), axis=a, keepdims=k) for a in (None, 0, -1) for k in (False, True)],
    "argmin": lambda xp, d: [xp.argmin(d.f(3, 4), axis=a, keepdims=k) for a in (None, 0, -1) for k in (False, True)],
    "cumulative_sum": lambda xp, d: [xp.cumulative_sum(d.f(3, 4), axis=a, include_initial=k) for a in (0, -1) for k in (False, True)],
    "cumulative_prod": lambda xp, d: [xp.cumulative_prod(d.f(3, 4), axis=a, include_initial=k) for a in (0, -1) for k in (False, True)],
    "diff": lambda xp, d: [xp.diff(d.f(3, 4), axis=0), xp.diff(d.f(3, 4), n=2), xp.diff(d.f(3, 4), prepend=d.f(3, 1), append=d.f(3, 2))],
    # order and sets
    "argsort": lambda xp, d: [xp.argsort(d.f(3, 5), axis=a, descending=k) for a in (0, -1) for k in (False, True)],
    "sort": lambda xp, d: [xp.sort(d.f(3, 5), axis=a, descending=k) for a in (0, -1) for k in (False, True)],
    "searchsorted": lambda xp, d: [xp.searchsorted(xp.sort(d.f(7)), d.f(2, 3), side=s) for s in ("left", "right")],
    "nonzero": lambda xp, d: xp.nonzero(d.b(3, 4)),
    "isin": lambda xp, d: [xp.isin(d.i(3, 4), d.i(3)), xp.isin(d.i(3, 4), d.i(3), invert=True) if xp is mg else ~xp.isin(d.i(3, 4), d.i(3))],  # strict 2.6.1 forgets it
    **rows(one, "unique_all unique_counts unique_inverse unique_values", "i"),
    # layout
    "broadcast_arrays": lambda xp, d: xp.broadcast_arrays(d.f(2, 1), d.f(3)),
    "broadcast_shapes": lambda xp, d: xp.broadcast_shapes((2, 1), (3,)),
    "broadcast_to": lambda xp, d: xp.broadcast_to(d.f(3), (2, 3)),
    "concat": lambda xp, d: [xp.concat([d.f(2, 3), d.f(2, 3)], axis=a) for a in (0, -1, None)],
    "expand_dims": lambda xp, d: [xp.expand_dims(d.f(2, 3), axis=a) for a in (0, 1, -1)],
    "flip": lambda xp, d: [xp.flip(d.f(2, 3), axis=a) for a in (None, 0, -1, (0, 1))],
    "matrix_transpose": lambda xp, d: xp.matrix_transpose(d.f(2, 3, 4)),
    "moveaxis": lambda xp, d: [xp.moveaxis(d.f(2, 3, 4), 0, -1), xp.moveaxis(d.f(2, 3, 4), (0, 2), (1, 0))],
    "permute_dims": lambda xp, d: xp.permute_dims(d.f(2, 3, 4), (2, 0, 1)),
    "repeat": lambda xp, d: [xp.repeat(d.f(2, 3), 2), xp.repeat(d.f(2, 3), d.i(3, low=0, high=4), axis=1)],
    "reshape": lambda xp, d: [xp.reshape(d.f(2, 6), (3, -1)), xp.reshape(d.f(2, 6), (4, 3), copy=True)],
    "roll": lambda xp, d: [xp.roll(d.f(2, 5), 2), xp.roll(d.f(2, 5), -1, axis=1), xp.roll(d.f(2, 5), (1, -3), axis=(0, 1))],
    "squeeze": lambda xp, d: [xp.squeeze(d.f(1, 3, 1), a) for a in (0, -1, (0, 2))],
    "stack": lambda xp, d: [xp.stack([d.f(2, 3), d.f(2, 3)], axis=a) for a in (0, 1, -1)],
    "tile": lambda xp, d: [xp.tile(d.f(2, 3), r) for r in ((2,), (2, 1), (1, 2, 3))],
    "tril": lambda xp, d: [xp.tril(d.f(3, 4), k=k) for k in (-1, 0, 2)],
    "triu": lambda xp, d: [xp.triu(d.f(3, 4), k=k) for k in (-1, 0, 2)],
    "unstack": lambda xp, d: [y for a in (0, -1) for y in xp.unstack(d.f(2, 3), axis=a)],
    "take": lambda xp, d: [xp.take(d.f(3, 4), d.places(3, 5), axis=0), xp.take(d.f(4), d.places(4, 2))],
    "take_along_axis": lambda xp, d: [xp.take_along_axis(d.f(3, 4), d.places(3, 2, 4), axis=0), xp.take_along_axis(d.f(3, 4), d.places(4, 3, 2))],
    "meshgrid": lambda xp, d: [y for k in ("xy", "ij") for y in xp.meshgrid(d.f(2), d.f(3), d.f(4), indexing=k)],
    # creation
    "arange": lambda xp, d: [xp.arange(5), xp.arange(1, 6, 2), xp.arange(2.0, step=0.5, stop=4.0), xp.arange(4, dtype=found(xp, d.dtype))],
    "asarray": lambda xp, d: [xp.asarray([[1, 2], [3, 4]]), xp.asarray(d.f(2), copy=True), xp.asarray(2.5), xp.asarray([True])],
    "astype": lambda xp, d: [xp.astype(d.f(2, 3), t) for t in (xp.float32, xp.float64)] + [xp.astype(d.b(3), xp.int64)],
    "empty": lambda xp, d: xp.empty((2, 0)),
    "empty_like": lambda xp, d: xp.empty_like(d.f(0, 3)),
    "eye": lambda xp, d: [xp.eye(3), xp.eye(2, 3, k=1, dtype=found(xp, d.dtype))],
    "full": lambda xp, d: [xp.full((2, 3), 1.5), xp.full(2, 3), xp.full((), True), xp.full((2,), 1, dtype=found(xp, d.dtype))],
    "full_like": lambda xp, d: xp.full_like(d.f(2, 3), 2.0),
    "linspace": lambda xp, d: [xp.linspace(0.0, 1.0, 5), xp.linspace(2, -1, 4, endpoint=False, dtype=found(xp, d.dtype))],
    "ones": lambda xp, d: [xp.ones((2, 3)), xp.ones(2, dtype=xp.int64)],
    "ones_like": lambda xp, d: xp.ones_like(d.f(2, 3)),
    "zeros": lambda xp, d: [xp.zeros((2, 3)), xp.zeros(2, dtype=xp.bool)],
    "zeros_like": lambda xp, d: xp.zeros_like(d.f(2, 3)),
    "from_dlpack": lambda xp, d: xp.from_dlpack(np.arange(3.0)),
    # dtypes
    "can_cast": lambda xp, d: [xp.can_cast(xp.float32, xp.float64), xp.can_cast(xp.int64, xp.int8), xp.can_cast(d.f(2), xp.float64)],
    "finfo": lambda xp, d: [float(getattr(xp.finfo(d.f(2)), n)) for n in ("bits", "eps", "max", "min", "smallest_normal")],
    "iinfo": lambda xp, d: [getattr(xp.iinfo(xp.int16), n) for n in ("bits", "max", "min")],
    "isdtype": lambda xp, d: [xp.isdtype(found(xp, t), k) for t in ("bool", "int8", "uint8", "float32", "complex64") for k in (
        "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric", xp.float32, ("bool", xp.int8))],
    "result_type": lambda xp, d: [str(np.dtype(str(t).rsplit(".")[-1])) for t in (
        xp.result_type(xp.float32, xp.float64), xp.result_type(d.f(2), 1.0), xp.result_type(xp.int8, xp.uint8), xp.result_type(xp.int32, xp.int64))],
    # linear algebra
    "matmul": lambda xp, d: [xp.matmul(d.f(2, 3, 4), d.f(4, 2)), xp.matmul(d.f(3), d.f(3))],
    "tensordot": lambda xp, d: [xp.tensordot(d.f(2, 3, 4), d.f(3, 4, 2)), xp.tensordot(d.f(2, 3), d.f(4, 3), axes=((1,), (1,)))],
    "vecdot": lambda xp, d: [xp.vecdot(d.f(2, 3), d.f(3)), xp.vecdot(d.f(3, 2), d.f(3, 2), axis=-2)],
    "linalg.matmul": lambda xp, d: xp.linalg.matmul(d.f(2, 3), d.f(3, 2)),
    "linalg.matrix_transpose": lambda xp, d: xp.linalg.matrix_transpose(d.f(2, 3, 4)),
    "linalg.tensordot": lambda xp, d: xp.linalg.tensordot(d.f(2, 3), d.f(3, 2), axes=1),
    "linalg.vecdot": lambda xp, d: xp.linalg.vecdot(d.f(2, 3), d.f(2, 3)),
    "linalg.outer": lambda xp, d: xp.linalg.outer(d.f(2), d.f(3)),
    "linalg.cross": lambda xp, d: xp.linalg.cross(d.f(2, 3), d.f(2, 3)),
    "linalg.diagonal": lambda xp, d: [xp.linalg.diagonal(d.f(2, 3, 4), offset=k) for k in (-1, 0, 2)],
    "linalg.trace": lambda xp, d: [xp.linalg.trace(d.f(2, 3, 4), offset=k) for k in (-1, 0, 2)],
    "linalg.matrix_power": lambda xp, d: [xp.linalg.matrix_power(d.apart(3), n) for n in (0, 1, 3, -1)],
    "linalg.det": lambda xp, d: xp.linalg.det(d.apart(3)),
    "linalg.slogdet": lambda xp, d: xp.linalg.slogdet(d.apart(3)),
    "linalg.inv": lambda xp, d: xp.linalg.inv(d.apart(3)),
    "linalg.pinv": lambda xp, d: xp.linalg.pinv(d.apart(4)[:, :3]),
    "linalg.solve": lambda xp, d: xp.linalg.solve(d.apart(3), d.f(3, 2)),
    "linalg.cholesky": lambda xp, d: [xp.linalg.cholesky(d.apart(3), upper=k) for k in (False, True)],
    "linalg.eigvalsh": lambda xp, d: xp.linalg.eigvalsh(d.apart(3)),
    "linalg.eigh": lambda xp, d: (lambda w, v: [w, v * w @ v.T])(*xp.linalg.eigh(d.apart(3))),  # unique but for signs
    "linalg.qr": lambda xp, d: (lambda q, r: [q @ r, abs(r)])(*xp.linalg.qr(d.apart(3))),
    "linalg.svd": lambda xp, d: (lambda u, s, v: [s, u * s @ v])(*xp.linalg.svd(d.apart(4)[:, :3], full_matrices=False)),
    "linalg.svdvals": lambda xp, d: xp.linalg.svdvals(d.f(3, 4)),
    "linalg.matrix_rank": lambda xp, d: xp.linalg.matrix_rank(d.apart(4)[:, :2] @ d.apart(4)[:2, :]),
    "linalg.matrix_norm": lambda xp, d: [xp.linalg.matrix_norm(d.f(2, 3, 4), ord=k) for k in ("fro", "nuc", 1, 2, -1, xp.inf)],
    "linalg.vector_norm": lambda xp, d: [xp.linalg.vector_norm(d.p(3, 4), axis=a, ord=k) for a in (None, 0) for k in (0, 1, 2, 3, xp.inf, -xp.inf)],
    # frequencies
    "fft.fftfreq": lambda xp, d: [xp.fft.fftfreq(n, d=0.5) for n in (4, 5)],
    "fft.rfftfreq": lambda xp, d: [xp.fft.rfftfreq(n, d=0.5) for n in (4, 5)],
    "fft.fftshift": lambda xp, d: [xp.fft.fftshift(d.f(4, 5)), xp.fft.fftshift(d.f(4, 5), axes=1)],
    "fft.ifftshift": lambda xp, d: [xp.fft.ifftshift(d.f(4, 5)), xp.fft.ifftshift(d.f(4, 5), axes=1)],
}  # fmt: skip

BINARY = "add sub mul truediv floordiv mod pow lt le gt ge eq ne"
METHOD_CALLS = {
    **{f"__{o}__": lambda x, d, o=o: [getattr(d.p(2, 3), f"__{o}__")(y) for y in (d.p(3), 1.5)] for o in BINARY.split()},
    **{f"__r{o}__": lambda x, d, o=o: getattr(d.p(2, 3), f"__r{o}__")(d.p(3)) for o in BINARY.split()[:7]},
    **{f"__{o}__": lambda x, d, o=o: getattr(d.i(2, 3), f"__{o}__")(d.i(3, low=0)) for o in ["and", "or", "xor", "lshift", "rshift"]},
    **{f"__r{o}__": lambda x, d, o=o: getattr(d.i(2, 3, low=0), f"__r{o}__")(d.i(3, low=0)) for o in ["and", "or", "xor", "lshift", "rshift"]},
    **{f"__i{o}__": lambda x, d, o=o: in_place(o, d.p(2, 3), d.p(3)) for o in BINARY.split()[:7]},
    **{f"__i{o}__": lambda x, d, o=o: in_place(o, d.i(2, 3), d.i(3, low=0)) for o in ["and", "or", "xor", "lshift", "rshift"]},
    "__matmul__": lambda xp, d: d.f(2, 3) @ d.f(3, 2),
    "__rmatmul__": lambda xp, d: d.f(3, 2).__rmatmul__(d.f(2, 3)),
    "__imatmul__": lambda xp, d: in_place("matmul", d.f(2, 3), d.f(3, 3)),
    "__abs__": lambda xp, d: abs(d.f(2, 3)),
    "__neg__": lambda xp, d: -d.f(2, 3),
    "__pos__": lambda xp, d: +d.f(2, 3),
    "__invert__": lambda xp, d: [~d.i(2, 3), ~d.b(2, 3)],
    "__bool__": lambda xp, d: bool(d.f(1, 1)[0, 0]),
    "__int__": lambda xp, d: int(d.i()),
    "__index__": lambda xp, d: range(10)[abs(d.i())],
    "__float__": lambda xp, d: float(d.f()),
    "__complex__": lambda xp, d: complex(d.f()),
    "__iter__": lambda xp, d: list(d.f(3)),
    "__getitem__": lambda xp, d: (lambda x: [x[0, ...], x[..., 1], x[:, None, ::-1], x[-1, 1:], x[x > 0], x[d.i(2, low=0, high=3), d.i(2, low=0, high=3)]])(d.f(3, 4)),
    "__setitem__": lambda xp, d: assigned(d.f(3, 4), 1.0),
    "to_device": lambda xp, d: d.f(2).to_device(d.f(2).device),
    "__dlpack__": lambda xp, d: np.from_dlpack(d.f(2, 3)),
    "__dlpack_device__": lambda xp, d: list(map(int, d.f(2).__dlpack_device__())),
    "__array_namespace__": lambda xp, d: d.f(2).__array_namespace__() is xp,
    **{n: lambda xp, d, n=n: getattr(d.f(2, 3), n) for n in ("T", "mT", "ndim", "shape", "size")},
    "dtype": lambda xp, d: d.f(2).dtype == found(xp, d.dtype),
    "device": lambda xp, d: "cpu" in str(d.f(2).device).lower(),
}  # fmt: skip


def in_place(o, x, y):
    """x, after x o= y."""
    return getattr(operator, f"i{o}" if o != "pow" else "ipow")(x, y)


def assigned(x, value):
    x[1, :] = value
    x[0, 0] = x[2, 3]
    return x


def flat(y):
    if isinstance(y, tuple | list):
        return [z for part in y for z in flat(part)]
    if type(y).__module__.startswith("array_api_strict"):
        y = y._array
    return [np.asarray(y.data if isinstance(y, mg.Tensor) else y)]


def agree(ours, theirs, bound, what):
    ours, theirs = flat(ours), flat(theirs)
    assert len(ours) == len(theirs), what
    for a, b in zip(ours, theirs):
        assert a.shape == b.shape and a.dtype == b.dtype, (what, a.shape, b.shape, a.dtype, b.dtype)
        if b.dtype.kind in "fc":
            np.testing.assert_allclose(a, b, rtol=bound, atol=bound * max(1, np.abs(b).max(initial=0)), err_msg=what)
        else:
            assert np.array_equal(a, b), (what, a, b)


def test_every_function_is_called():
    assert set(CALLS) == set(FUNCTIONS) - {"__array_namespace_info__"}
    assert set(METHOD_CALLS) == {*METHODS, *(f"__{o}__" for o in BINARY.split()[7:])}


BOUND = {"float64": 1e-12, "float32": 2e-4}  # some hundred sums of round-off; a solution's is that times its condition


@pytest.mark.parametrize("name", sorted(CALLS))
@cases(4)
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(sorted(BOUND)))
def test_values_are_those_of_the_standard(name, seed, dtype):
    ours, theirs = (CALLS[name](xp, Draw(xp, seed, dtype)) for xp in (mg, strict))
    agree(ours, theirs, BOUND[dtype], name)


@pytest.mark.parametrize("name", sorted(METHOD_CALLS))
@cases(4)
@given(seed=st.integers(0, 2**32 - 1), dtype=st.sampled_from(sorted(BOUND)))
def test_values_of_methods(name, seed, dtype):
    ours, theirs = (METHOD_CALLS[name](xp, Draw(xp, seed, dtype)) for xp in (mg, strict))
    agree(ours, theirs, BOUND[dtype], name)


def test_what_is_known_of_the_namespace():
    ours, theirs = mg.__array_namespace_info__(), strict.__array_namespace_info__()
    assert set(ours.capabilities()) == set(theirs.capabilities())
    assert ours.default_device() == "cpu" and ours.devices() == ["cpu"]
    assert ours.default_dtypes() == {k: v._np_dtype for k, v in theirs.default_dtypes().items()}
    for kind in (None, "bool", "signed integer", "integral", "real floating", "numeric", ("bool", "real floating")):
        assert ours.dtypes(kind=kind) == {k: v._np_dtype for k, v in theirs.dtypes(kind=kind).items()}
    for f in (ours.default_dtypes, ours.dtypes, mg.zeros_like):
        with pytest.raises(ValueError, match="cuda"):
            f(*[np.ones(2)] * (f is mg.zeros_like), device="cuda")


# ---- what the standard does not know: derivatives ---------------------------------------------------------------------------


def has_row(name):
    """Whether the certificate has a row for this function, whatever it is called there."""
    f = found(mg, name)
    tops = {c.name.split()[0] for c in CASES}
    return any(
        getattr(mg, n, None) is f or getattr(mg.linalg, n, None) is f or getattr(mg.fft, n, None) is f for n in tops
    )


WITHOUT = {n for n in CALLS if n in CONSTANT}


@pytest.mark.parametrize("name", [n for n in CALLS if n not in WITHOUT])
def test_what_has_a_derivative_has_a_row_in_the_certificate(name):
    assert has_row(name)


# ---- DLPack -----------------------------------------------------------------------------------------------------------------


def others():
    return [np.from_dlpack, lambda x: pytest.importorskip("torch").from_dlpack(x).numpy()]


@pytest.mark.parametrize("taken", others(), ids=["numpy", "torch"])
def test_memory_given_away_is_watched(taken):
    x = mg.tensor(np.arange(3.0))
    w = mg.tensor(np.ones(3), requires_grad=True)
    theirs = taken(x)
    assert np.shares_memory(theirs, x.data)
    y = (x * w).sum()
    theirs[0] = 5.0
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()
    assert x[0].item() == 5.0


@pytest.mark.parametrize("taken", others(), ids=["numpy", "torch"])
def test_what_is_computed_is_given_away_as_a_copy(taken):
    y = mg.tensor(np.arange(3.0)) * 2
    theirs = taken(y)
    theirs[0] = 5.0
    assert y.tolist() == [0.0, 2.0, 4.0]
    with pytest.raises(BufferError, match="detach"):
        taken(mg.tensor(np.ones(2), requires_grad=True))


@pytest.mark.parametrize("made", [lambda: np.arange(3.0), lambda: pytest.importorskip("torch").arange(3.0)])
def test_memory_taken_over_is_watched(made):
    theirs = made()
    x = mg.from_dlpack(theirs)
    w = mg.tensor(np.ones(3, x.dtype), requires_grad=True)
    assert np.shares_memory(x.data, np.asarray(theirs))
    assert not np.shares_memory(mg.from_dlpack(theirs, copy=True).data, np.asarray(theirs))
    y = (x * w).sum()
    theirs[0] = 5.0
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


def test_without_a_copy_means_read_only():
    y = mg.tensor(np.arange(3.0)) * 2
    theirs = np.from_dlpack(y, copy=False)
    assert np.shares_memory(theirs, y.data) and not theirs.flags.writeable


# ---- the page ---------------------------------------------------------------------------------------------------------------


def page():
    code = lambda names: ", ".join(f"`{n}`" for n in names)  # noqa: E731
    public = [n for n in ALL if n not in LEFT_OUT]
    reasons = "; ".join(
        f"{reason}: {code(n for n in LEFT_OUT if LEFT_OUT[n] == reason)}" for reason in {*LEFT_OUT.values()}
    )
    groups = {
        "functions with a derivative": [n for n in public if n in CALLS and n not in WITHOUT],
        "functions without one: places, decisions, sets, constants": [n for n in public if n in WITHOUT],
        "dtypes, constants, and what is known of the namespace": [n for n in public if n not in CALLS],
    }
    table = "".join(f"| {len(names)} {what} | {code(names)} |\n" for what, names in groups.items())
    table += (
        f"| {len(LEFT_OUT)} left out | {reasons} |\n| and {len(METHODS)} methods and attributes | {code(METHODS)} |\n"
    )
    text = (Path(__file__).parent / "array_api.md").read_text(encoding="utf-8")
    filled = {
        "version": strict.__array_api_version__,
        "calls": len(CALLS),
        "methods": len(METHODS),
        "n": len(ALL),
        "table": table,
    }
    for k, v in filled.items():
        text = text.replace(f"{{{k}}}", str(v))
    return text


def test_the_page_on_the_array_api():
    hold(Path(__file__).parent.parent / "docs" / "array_api.md", page())
