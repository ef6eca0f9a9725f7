"""Register tiles for Numba: rows x vectors of numbers kept in SIMD registers across a loop.

Numba's vectoriser does not find this shape by itself, and without it a convolution is ten times slower. A tile is a
tuple of LLVM vectors, `acc[i * vecs + j]` being vector j of row i. Each row has its own place in memory, given by a
tuple of offsets, so a row can be any pixel of an image. The intrinsics know nothing of convolution.

    offs = tile_offsets(table, p, 8)               offs[i] = table[p + i]
    acc  = tile_zero(a, 8, 2)                      8 rows of 2 vectors, of a's dtype
    acc  = tile_fma(acc, a, offs, k, w, j, 1)      acc[i]   += a[offs[i] + k] * w[j : j + 2 * lanes]
    acc  = tile_fma(acc, a, offs, k, w, j, 4)      four of these at once, k and j advancing by 1 and by 2 * lanes
    acc  = tile_fma_each(acc, a, offs, k, w, j)    acc[i]   += a[offs[i] + k : ... + 2 * lanes] * w[j : j + 2 * lanes]
    acc  = tile_fma_by(acc, a, offs, k, w, j)      acc[i, v] += a[offs[i] + k : ... + lanes] * w[j + v]
    acc  = tile_fma_few(acc, a, offs, k, w, j, many, 4)
               acc[i, o * many + s] += a[offs[i] + k + s] * w[j + o * many + s], o < lanes / many and s < many; four of these
    acc  = tile_fma_rest(acc, a, offs, k, w, j, many, valid)           one of these, s < valid
    acc  = tile_fold(acc, many)                    acc[i, o] = the sum over s of acc[i, o * many + s]
    tile_store(out, offs, o, acc, valid)           out[offs[i] + o : ... + valid]  = acc[i]
    tile_add(out, offs, o, acc, valid)             out[offs[i] + o : ... + valid] += acc[i]
    acc  = tile_finish(acc, s, t, j, p, offs, o, valid, relu)
               acc[i] = relu?(acc[i] * s[j : j + 2 * lanes] + t[j : ...] + p[offs[i] + o : ... + valid]), empty arrays left out
    offs = tile_steps(step, 8)                     offs[i] = i * step
    acc  = tile_load(a, offs, k)                   acc[i]   = a[offs[i] + k : ... + lanes], 8 rows of one vector
    acc  = tile_load_part(a, offs, k, lo, hi, valid)
               the same of rows lo to hi, and of these the first `valid` numbers; the others are zeros
    acc  = tile_squares(acc, a)                    acc[i]   += a[i] * a[i], or all into the one vector of acc
    sums = tile_sums(acc)                          sums[i]   = the numbers of acc[i], added up
    transpose(out, o, to, a, k, step)              out[o + j * to + i] = a[k + i * step + j], i and j < lanes
    transpose_part(out, o, to, a, k, step, rows, columns)
               the same, with zeros for all but i < rows and j < columns
    copy(dst, d, src, s, count)                    dst[d : d + count] = src[s : s + count]
    clear(dst, lo, hi)                             dst[lo : hi] = 0
    prefetch(a, k)                                 a[k] comes into the fastest cache, and nobody waits for it

The vectors of a tile can be added, subtracted, and multiplied by a number.

Arrays are C-contiguous and offsets are flat, whatever the number of axes. Nothing is checked.
"""

import operator
from typing import Any

import llvmlite.binding as llvm
import numba.extending
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config
from numba.extending import models, overload, register_jitable, register_model

I32 = ir.IntType(32)
intrinsic: Any = numba.extending.intrinsic  # what it makes is called with other arguments than what it decorates


def _features() -> set[str]:
    """The vector features Numba compiles for: the host's, unless NUMBA_CPU_FEATURES says otherwise."""
    asked = vars(config)["CPU_FEATURES"]
    if asked is not None:
        return {f[1:] for f in asked.split(",") if f.startswith("+")}
    return {name for name, present in llvm.get_host_cpu_features().items() if present}


_FEATURES = _features()
_NEON = "neon" in _FEATURES or "fp-armv8" in _FEATURES

BYTES = 64 if "avx512f" in _FEATURES else 32 if "avx2" in _FEATURES else 16
FMA = "llvm.fma" if "fma" in _FEATURES or "avx512f" in _FEATURES or _NEON else "llvm.fmuladd"
DEPTH = 4  # steps of the inner loop done at once, so that its counters do not cost more than its sums
REGISTERS = 32 if "avx512f" in _FEATURES or _NEON else 16  # for vectors
ROWS = 8  # eight offsets still fit the general registers
VECS = 2  # a number of a that is loaded is multiplied by so many vectors: with one, loads are as many as products
# Rows of such a tile, whose sums, vectors of w and the number fill the registers; and of one that is one vector wide, where
# a vector of w is loaded for more of them (16 are too many for NEON: see tests/kernels/test_assembly.py).
WIDE = min(ROWS, (REGISTERS - VECS - 1) // VECS)
TALL = 12 if _NEON else REGISTERS // 2


class Vec(types.Type):
    """One SIMD register of float32 or float64."""

    def __init__(self, dtype, lanes=None):
        self.dtype, self.lanes = dtype, lanes or BYTES * 8 // dtype.bitwidth
        super().__init__(f"Vec({dtype} x {self.lanes})")


@register_model(Vec)
class VecModel(models.PrimitiveModel):
    def __init__(self, manager, vec):
        super().__init__(manager, vec, _vector(vec))


@register_jitable
def round_up(n: int, step: int) -> int:
    """The least multiple of step that is not below n."""
    return (n + step - 1) // step * step


def lanes(dtype: np.dtype) -> int:
    """How many numbers of a dtype one register holds."""
    return BYTES // dtype.itemsize


def _vector(vec):
    return ir.VectorType(ir.FloatType() if vec.dtype == types.float32 else ir.DoubleType(), vec.lanes)


def _name(vec):
    return f"v{vec.lanes}f{vec.dtype.bitwidth}"


def _pointer(context, builder, array, value, *offsets):
    """The address of array.flat[sum(offsets)]."""
    p = context.make_array(array)(context, builder, value).data
    for offset in offsets:
        p = builder.gep(p, [offset])
    return p


def _vector_at(builder, p, vector):
    return builder.bitcast(p, vector.as_pointer())


def _load(builder, p, vec, mask=None):
    """The vector at p, with zeros outside the mask."""
    vector, p = _vector(vec), _vector_at(builder, p, _vector(vec))
    if mask is None:
        return builder.load(p, align=vec.dtype.bitwidth // 8)
    load = _declare(builder, f"llvm.masked.load.{_name(vec)}.p0", [p.type, I32, mask.type, vector], vector)
    return builder.call(load, [p, I32(vec.dtype.bitwidth // 8), mask, ir.Constant(vector, [0.0] * vec.lanes)])


def _store(builder, value, p, vec, mask=None):
    p = _vector_at(builder, p, _vector(vec))
    if mask is None:
        return builder.store(value, p, align=vec.dtype.bitwidth // 8)
    store = _declare(builder, f"llvm.masked.store.{_name(vec)}.p0", [value.type, p.type, I32, mask.type], ir.VoidType())
    return builder.call(store, [value, p, I32(vec.dtype.bitwidth // 8), mask])


def _mask(builder, valid, first, vec):
    """Which of the numbers first, first + 1, ... are below `valid`."""
    vector = ir.VectorType(valid.type, vec.lanes)
    return builder.icmp_signed(
        "<", ir.Constant(vector, list(range(first, first + vec.lanes))), _splat(builder, valid, vector)
    )


def _splat(builder, scalar, vector):
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, I32(0))
    zeros = ir.Constant(ir.VectorType(I32, vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)


@intrinsic
def lanes_of(typing, array):
    """lanes(array.dtype), a constant of the compiled kernel."""

    def codegen(context, builder, signature, args):
        return context.get_constant(types.intp, Vec(array.dtype).lanes)

    return types.intp(array), codegen


@intrinsic(prefer_literal=True)
def tile_offsets(typing, table, p, rows):
    offs = types.UniTuple(types.intp, rows.literal_value)

    def codegen(context, builder, signature, args):
        first = _pointer(context, builder, table, args[0], args[1])
        loads = [builder.load(builder.gep(first, [I32(i)])) for i in range(offs.count)]
        return context.make_tuple(builder, offs, loads)

    return offs(table, types.intp, rows), codegen


@intrinsic(prefer_literal=True)
def tile_steps(typing, step, rows):
    offs = types.UniTuple(types.intp, rows.literal_value)

    def codegen(context, builder, signature, args):
        return context.make_tuple(builder, offs, [builder.mul(args[0], args[0].type(i)) for i in range(offs.count)])

    return offs(types.intp, rows), codegen


@intrinsic
def tile_load(typing, a, offs, k):
    acc = types.UniTuple(Vec(a.dtype), offs.count)

    def codegen(context, builder, signature, args):
        a_, offs_, k_ = args
        rows = [_pointer(context, builder, a, a_, builder.extract_value(offs_, i), k_) for i in range(offs.count)]
        return context.make_tuple(builder, acc, [_load(builder, p, acc.dtype) for p in rows])

    return acc(a, offs, types.intp), codegen


@intrinsic
def tile_load_part(typing, a, offs, k, lo, hi, valid):
    acc = types.UniTuple(Vec(a.dtype), offs.count)

    def codegen(context, builder, signature, args):
        a_, offs_, k_, lo_, hi_, valid_ = args
        vec, rows = acc.dtype, []
        whole, mask = builder.icmp_signed(">=", valid_, valid_.type(vec.lanes)), _mask(builder, valid_, 0, vec)
        for i in range(offs.count):
            p = _pointer(context, builder, a, a_, builder.extract_value(offs_, i), k_)
            row = cgutils.alloca_once_value(builder, ir.Constant(_vector(vec), [0.0] * vec.lanes))
            there = [builder.icmp_signed("<=", lo_, lo_.type(i)), builder.icmp_signed("<", hi_.type(i), hi_)]
            with builder.if_then(builder.and_(*there)), builder.if_else(whole) as (then, otherwise):
                with then:
                    builder.store(_load(builder, p, vec), row)
                with otherwise:
                    builder.store(_load(builder, p, vec, mask), row)
            rows.append(builder.load(row))
        return context.make_tuple(builder, acc, rows)

    return acc(a, offs, *[types.intp] * 4), codegen


@intrinsic(prefer_literal=True)
def tile_zero(typing, like, rows, vecs):
    vec = Vec(like.dtype)
    acc = types.UniTuple(vec, rows.literal_value * vecs.literal_value)

    def codegen(context, builder, signature, args):
        zero = ir.Constant(_vector(vec), [0.0] * vec.lanes)
        return context.make_tuple(builder, acc, [zero] * acc.count)

    return acc(like, rows, vecs), codegen


@intrinsic(prefer_literal=True)
def tile_fma(typing, acc, a, offs, k, w, j, depth):
    rows, vecs, vec = offs.count, acc.count // offs.count, acc.dtype

    def codegen(context, builder, signature, args):
        fma = _declare(builder, f"{FMA}.{_name(vec)}", [_vector(vec)] * 3, _vector(vec))
        sums, a_, offs_, k_, w_, j_, _ = args
        sums = [builder.extract_value(sums, i) for i in range(acc.count)]
        row = [_pointer(context, builder, a, a_, builder.extract_value(offs_, i), k_) for i in range(rows)]
        ws = _pointer(context, builder, w, w_, j_)
        wd = [_load(builder, builder.gep(ws, [I32(i * vec.lanes)]), vec) for i in range(depth.literal_value * vecs)]
        for i in range(rows):  # one row after another: a row's address need not stay in a register
            for d in range(depth.literal_value):
                ai = _splat(builder, builder.load(builder.gep(row[i], [I32(d)])), _vector(vec))
                for v in range(vecs):
                    sums[i * vecs + v] = builder.call(fma, [ai, wd[d * vecs + v], sums[i * vecs + v]])
        return context.make_tuple(builder, acc, sums)

    return acc(acc, a, offs, types.intp, w, types.intp, depth), codegen


@intrinsic
def tile_fma_each(typing, acc, a, offs, k, w, j):
    rows, vecs, vec = offs.count, acc.count // offs.count, acc.dtype

    def codegen(context, builder, signature, args):
        fma = _declare(builder, f"{FMA}.{_name(vec)}", [_vector(vec)] * 3, _vector(vec))
        sums, a_, offs_, k_, w_, j_ = args
        ws, out = _pointer(context, builder, w, w_, j_), []
        wv = [_load(builder, builder.gep(ws, [I32(v * vec.lanes)]), vec) for v in range(vecs)]
        for i in range(rows):
            row = _pointer(context, builder, a, a_, builder.extract_value(offs_, i), k_)
            for v in range(vecs):
                av = _load(builder, builder.gep(row, [I32(v * vec.lanes)]), vec)
                out.append(builder.call(fma, [av, wv[v], builder.extract_value(sums, i * vecs + v)]))
        return context.make_tuple(builder, acc, out)

    return acc(acc, a, offs, types.intp, w, types.intp), codegen


@intrinsic
def tile_fma_by(typing, acc, a, offs, k, w, j):
    rows, many, vec = offs.count, acc.count // offs.count, acc.dtype

    def codegen(context, builder, signature, args):
        fma = _declare(builder, f"{FMA}.{_name(vec)}", [_vector(vec)] * 3, _vector(vec))
        sums, a_, offs_, k_, w_, j_ = args
        ws, out = _pointer(context, builder, w, w_, j_), []
        by = [_splat(builder, builder.load(builder.gep(ws, [I32(v)])), _vector(vec)) for v in range(many)]
        for i in range(rows):
            row = _load(builder, _pointer(context, builder, a, a_, builder.extract_value(offs_, i), k_), vec)
            out += [builder.call(fma, [row, by[v], builder.extract_value(sums, i * many + v)]) for v in range(many)]
        return context.make_tuple(builder, acc, out)

    return acc(acc, a, offs, types.intp, w, types.intp), codegen


@intrinsic(prefer_literal=True)
def tile_fma_few(typing, acc, a, offs, k, w, j, many, depth):
    codegen = _few(acc, a, offs, w, many.literal_value, depth.literal_value)
    return acc(acc, a, offs, types.intp, w, types.intp, many, depth), codegen


@intrinsic(prefer_literal=True)
def tile_fma_rest(typing, acc, a, offs, k, w, j, many, valid):
    codegen = _few(acc, a, offs, w, many.literal_value, None)
    return acc(acc, a, offs, types.intp, w, types.intp, many, types.intp), codegen


def _few(acc, a, offs, w, many, depth):
    """Multiply-adds of numbers that lie together, repeated over a vector; the first `valid` of them if there is no depth."""
    vec, part = acc.dtype, Vec(acc.dtype.dtype, many)
    picks = ir.Constant(ir.VectorType(I32, vec.lanes), [i % many for i in range(vec.lanes)])

    def codegen(context, builder, signature, args):
        fma = _declare(builder, f"{FMA}.{_name(vec)}", [_vector(vec)] * 3, _vector(vec))
        sums, a_, offs_, k_, w_, j_, _, valid = args
        sums = [builder.extract_value(sums, i) for i in range(acc.count)]
        ws, mask = _pointer(context, builder, w, w_, j_), None if depth else _mask(builder, valid, 0, part)
        wd = [_load(builder, builder.gep(ws, [I32(d * vec.lanes)]), vec) for d in range(depth or 1)]
        for i in range(acc.count):
            row = _pointer(context, builder, a, a_, builder.extract_value(offs_, i), k_)
            for d, wv in enumerate(wd):
                few = _load(builder, builder.gep(row, [I32(d * many)]), part, mask)
                few = builder.shuffle_vector(few, ir.Constant(_vector(part), ir.Undefined), picks)
                sums[i] = builder.call(fma, [few, wv, sums[i]])
        return context.make_tuple(builder, acc, sums)

    return codegen


@intrinsic(prefer_literal=True)
def tile_fold(typing, acc, many):
    vec, many_ = acc.dtype, many.literal_value

    def codegen(context, builder, signature, args):
        def picked(row, picks):
            return builder.shuffle_vector(row, row, ir.Constant(ir.VectorType(I32, vec.lanes), picks))

        rows = []
        for i in range(acc.count):
            row, half = builder.extract_value(args[0], i), many_
            while half > 1:
                half //= 2
                row = builder.fadd(row, picked(row, [j ^ half for j in range(vec.lanes)]))
            rows.append(picked(row, [j * many_ % vec.lanes for j in range(vec.lanes)]))
        return context.make_tuple(builder, acc, rows)

    return acc(acc, many), codegen


@intrinsic
def tile_finish(typing, acc, scale, shift, j, plus, offs, o, valid, relu):
    rows, vecs, vec = offs.count, acc.count // offs.count, acc.dtype

    def codegen(context, builder, signature, args):
        acc_, scale_, shift_, j_, plus_, offs_, o_, valid_, relu_ = args
        sums = cgutils.alloca_once_value(builder, acc_)

        def given(array, value):
            return builder.icmp_signed("!=", context.make_array(array)(context, builder, value).nitems, o_.type(0))

        def change(by):
            old = builder.load(sums)
            new = [by(i, builder.extract_value(old, i)) for i in range(acc.count)]
            builder.store(context.make_tuple(builder, acc, new), sums)

        def vectors(p, mask=lambda v: None):
            return [_load(builder, builder.gep(p, [I32(v * vec.lanes)]), vec, mask(v)) for v in range(vecs)]

        with builder.if_then(given(scale, scale_), likely=False):
            scales = vectors(_pointer(context, builder, scale, scale_, j_))
            shifts = vectors(_pointer(context, builder, shift, shift_, j_))
            fma = _declare(builder, f"{FMA}.{_name(vec)}", [_vector(vec)] * 3, _vector(vec))
            change(lambda i, a: builder.call(fma, [a, scales[i % vecs], shifts[i % vecs]]))
        with builder.if_then(given(plus, plus_), likely=False):
            ps = [_pointer(context, builder, plus, plus_, builder.extract_value(offs_, i), o_) for i in range(rows)]
            masks = [_mask(builder, valid_, v * vec.lanes, vec) for v in range(vecs)]
            added = [value for p in ps for value in vectors(p, masks.__getitem__)]
            change(lambda i, a: builder.fadd(a, added[i]))
        with builder.if_then(context.cast(builder, relu_, types.boolean, types.boolean), likely=False):
            zero = ir.Constant(_vector(vec), [0.0] * vec.lanes)
            change(lambda i, a: builder.select(builder.fcmp_ordered("<", a, zero), zero, a))  # a NaN stays
        return builder.load(sums)

    return acc(acc, scale, shift, types.intp, plus, offs, types.intp, types.intp, types.boolean), codegen


@intrinsic
def tile_store(typing, out, offs, o, acc, valid):
    def put(builder, p, value, vec, mask=None):
        _store(builder, value, p, vec, mask)

    return types.void(out, offs, types.intp, acc, types.intp), _writer(out, offs, acc, put)


@intrinsic
def tile_add(typing, out, offs, o, acc, valid):
    def put(builder, p, value, vec, mask=None):
        _store(builder, builder.fadd(_load(builder, p, vec, mask), value), p, vec, mask)

    return types.void(out, offs, types.intp, acc, types.intp), _writer(out, offs, acc, put)


def _writer(out, offs, acc, put):
    """Write each row of a tile by whole vectors, or number by number where fewer than a row are valid."""
    rows, vecs, vec = offs.count, acc.count // offs.count, acc.dtype

    def codegen(context, builder, signature, args):
        out_, offs_, o_, acc_, valid_ = args
        width = vec.lanes * vecs
        ps = [_pointer(context, builder, out, out_, builder.extract_value(offs_, i), o_) for i in range(rows)]
        with builder.if_else(builder.icmp_signed(">=", valid_, valid_.type(width))) as (whole, part):
            with whole:
                for i, p in enumerate(ps):
                    for v in range(vecs):
                        value = builder.extract_value(acc_, i * vecs + v)
                        put(builder, builder.gep(p, [I32(v * vec.lanes)]), value, vec)
            with part:
                for i, p in enumerate(ps):
                    for v in range(vecs):
                        mask = _mask(builder, valid_, v * vec.lanes, vec)
                        put(
                            builder,
                            builder.gep(p, [I32(v * vec.lanes)]),
                            builder.extract_value(acc_, i * vecs + v),
                            vec,
                            mask,
                        )
        return context.get_dummy_value()

    return codegen


@intrinsic
def transpose(typing, out, o, to, a, k, step):
    def codegen(context, builder, signature, args):
        out_, o_, to_, a_, k_, step_ = args
        p = _pointer(context, builder, a, a_, k_)
        vec = Vec(a.dtype)
        rows = [_load(builder, builder.gep(p, [builder.mul(step_, step_.type(i))]), vec) for i in range(vec.lanes)]
        return _transposed(context, builder, out, out_, o_, to_, rows, vec)

    return types.void(out, types.intp, types.intp, a, types.intp, types.intp), codegen


@intrinsic
def transpose_part(typing, out, o, to, a, k, step, rows, columns):
    def codegen(context, builder, signature, args):
        out_, o_, to_, a_, k_, step_, rows_, columns_ = args
        p, vec, loaded = _pointer(context, builder, a, a_, k_), Vec(a.dtype), []
        for i in range(vec.lanes):
            there = builder.icmp_signed("<", rows_.type(i), rows_)
            mask = _mask(builder, builder.select(there, columns_, columns_.type(0)), 0, vec)
            loaded.append(_load(builder, builder.gep(p, [builder.mul(step_, step_.type(i))]), vec, mask))
        return _transposed(context, builder, out, out_, o_, to_, loaded, vec)

    return types.void(out, types.intp, types.intp, a, *[types.intp] * 4), codegen


def _transposed(context, builder, out, value, o, to, rows, vec):
    """Store the columns of a square of numbers, `to` apart."""
    half = vec.lanes // 2
    for _ in range(half.bit_length()):  # each time, the bits of row and column turn by one place
        pairs = [(first, rows[i], rows[i + half]) for i in range(half) for first in (0, half)]
        rows = [_interleave(builder, *pair, vec) for pair in pairs]
    for i, row in enumerate(rows):
        _store(builder, row, _pointer(context, builder, out, value, o, builder.mul(to, to.type(i))), vec)
    return context.get_dummy_value()


def _interleave(builder, first, a, b, vec):
    """a[first], b[first], a[first + 1], ..."""
    picks = [first + i // 2 + i % 2 * vec.lanes for i in range(vec.lanes)]
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, vec.lanes), picks))


@intrinsic
def tile_squares(typing, acc, a):
    def codegen(context, builder, signature, args):
        fma = _declare(builder, f"{FMA}.{_name(a.dtype)}", [_vector(a.dtype)] * 3, _vector(a.dtype))
        rows = [builder.extract_value(args[0], i) for i in range(acc.count)]
        for i in range(a.count):
            ai = builder.extract_value(args[1], i)
            rows[i % acc.count] = builder.call(fma, [ai, ai, rows[i % acc.count]])
        return context.make_tuple(builder, acc, rows)

    return acc(acc, a), codegen


@intrinsic
def tile_sums(typing, acc):
    sums, vec = types.UniTuple(acc.dtype.dtype, acc.count), acc.dtype

    def codegen(context, builder, signature, args):
        rows = []
        for i in range(acc.count):
            row, half = builder.extract_value(args[0], i), vec.lanes
            while half > 1:  # the upper half to the lower
                half //= 2
                picks = [half + j if j < half else j for j in range(vec.lanes)]
                row = builder.fadd(
                    row, builder.shuffle_vector(row, row, ir.Constant(ir.VectorType(I32, vec.lanes), picks))
                )
            rows.append(builder.extract_element(row, I32(0)))
        return context.make_tuple(builder, sums, rows)

    return sums(acc), codegen


@intrinsic
def _sum(typing, a, b):
    return a(a, a), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic
def _difference(typing, a, b):
    return a(a, a), lambda context, builder, signature, args: builder.fsub(*args)


@intrinsic
def _multiple(typing, factor, a):
    def codegen(context, builder, signature, args):
        number = context.cast(builder, args[0], factor, a.dtype)
        return builder.fmul(_splat(builder, number, _vector(a)), args[1])

    return a(factor, a), codegen


@overload(operator.add)
def _add(a, b):
    if isinstance(a, Vec) and a == b:
        return lambda a, b: _sum(a, b)


@overload(operator.sub)
def _sub(a, b):
    if isinstance(a, Vec) and a == b:
        return lambda a, b: _difference(a, b)


@overload(operator.mul)
def _mul(a, b):
    if isinstance(a, types.Float) and isinstance(b, Vec):
        return lambda a, b: _multiple(a, b)


@intrinsic
def copy(typing, dst, d, src, s, count):
    def codegen(context, builder, signature, args):
        dst_, d_, src_, s_, count_ = args
        to, source = _pointer(context, builder, dst, dst_, d_), _pointer(context, builder, src, src_, s_)
        cgutils.raw_memcpy(builder, to, source, count_, dst.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(dst, types.intp, src, types.intp, types.intp), codegen


@intrinsic
def clear(typing, dst, lo, hi):
    def codegen(context, builder, signature, args):
        dst_, lo_, hi_ = args
        size = builder.mul(builder.sub(hi_, lo_), lo_.type(dst.dtype.bitwidth // 8))
        cgutils.memset(builder, _pointer(context, builder, dst, dst_, lo_), size, 0)
        return context.get_dummy_value()

    return types.void(dst, types.intp, types.intp), codegen


@intrinsic
def prefetch(typing, a, k):
    def codegen(context, builder, signature, args):
        p = builder.bitcast(_pointer(context, builder, signature.args[0], *args), ir.IntType(8).as_pointer())
        ask = _declare(builder, "llvm.prefetch.p0", [p.type, I32, I32, I32], ir.VoidType())
        builder.call(ask, [p, I32(0), I32(3), I32(1)])  # to read data, and into every cache
        return context.get_dummy_value()

    return types.void(a, types.intp), codegen


def _declare(builder, name, arguments, result):
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)
