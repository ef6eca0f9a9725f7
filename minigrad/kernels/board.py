"""The board, by which threads share the parts of a kernel's work: a part is had in nanoseconds, not for a turn of the GIL.

The board is an array of words that all threads look at. Who has work to share writes down what to call and how many
parts there are, and opens it; from then on everybody, the caller too, adds one to NEXT and makes the part whose number
that was, until none is left. Then the caller closes, and waits for those who came in.

A thread comes in by adding one to INSIDE, and only then looks whether the board is open. A caller closes, and only then
looks whether anybody is inside. So what is on the board never changes under a thread that reads it. (For both, in that
order, all of this is sequentially consistent.) A thread that was asleep, or is late, is not waited for.
"""

from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .jit import kernel

intrinsic: Any = numba.extending.intrinsic  # what it makes is called with other arguments than what it decorates

MOST = 512  # threads besides the caller
# Words of the board; those that are written by many lie in cache lines of their own.
OPEN = 0  # how many threads besides the caller may come in
NEXT = 8
INSIDE = 16
COUNT, PARTS, NUMBERS, TASK, ARGS, FAILED = range(24, 30)
ASLEEP = 32  # and the following words: whether each thread looks no more
CALLED = ASLEEP + MOST  # and the following words: how often each was called to Python
WORDS = CALLED + MOST

IDLE = 150_000  # looks at the board, about a millisecond, until a thread goes to sleep: to be woken takes a tenth of that or more
BURST = 16  # looks between two pauses: a hypervisor takes the core from a thread that does nothing but pause

_WORD = ir.IntType(64)
_TASK = ir.FunctionType(_WORD, [_WORD.as_pointer(), _WORD.as_pointer()])  # of what was given, and the numbers of a part
_MACHINE = llvm.get_process_triple().partition("-")[0]
# What a processor does best while it waits for another: an intrinsic of LLVM, and its arguments.
_WAITS = {
    "x86_64": ("llvm.x86.sse2.pause", []),
    "aarch64": ("llvm.aarch64.isb", [15]),
    "arm64": ("llvm.aarch64.isb", [15]),
}


def address(kernel, args: tuple) -> int:
    """Where a kernel's machine code for such arguments is."""
    signature = tuple(map(kernel.typeof_pyval, args))
    kernel.compile(signature)
    compiled = kernel.overloads[signature]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


@kernel
def serve(board, me, heard, idle):
    """Make parts of whatever is on the board; until thread `me` is called to Python, or has looked in vain `idle` times."""
    looks = 0
    _set(board, ASLEEP + me, 0)
    while looks < idle and _read(board, CALLED + me) == heard:
        if _read(board, OPEN) > me and _read(board, NEXT) < _read(board, COUNT):
            _add(board, INSIDE, 1)
            if _read(board, OPEN) > me:
                _take(board)
            _add(board, INSIDE, -1)
            looks = 0
        else:
            looks += 1
            if looks % BURST == 0:
                _pause()
    _set(board, ASLEEP + me, 1)  # said here: until Python says it, a turn of the GIL may pass


@cache
def share(numbers):
    """The kernel that shares work whose parts are so many numbers each."""

    @kernel
    def share(board, helpers, address, parts, *args):
        """Call the kernel at that address with args and each row of parts; True if all is well."""
        _write_down(board, address, parts, args, numbers)
        _set(board, NEXT, 0)
        _set(board, OPEN, helpers)
        _take(board)
        _set(board, OPEN, 0)
        while _read(board, INSIDE) > 0:
            _pause()
        return _read(board, FAILED) == 0

    return share


@intrinsic(prefer_literal=True)
def _write_down(typing, board, address, parts, args, numbers):
    """Put a job on the board: a task, which calls the kernel with args and the numbers of a part."""
    if any(isinstance(kind, types.Array) and (kind.layout, kind.mutable) != ("C", True) for kind in args.types):
        raise numba.TypingError(f"kernels see C-contiguous, writable arrays: {args}")
    kinds = [*args.types, *[types.int64] * numbers.literal_value]

    def codegen(context, builder, signature, values):
        board_, address_, parts_, args_, _ = values
        args_ = lent(context, builder, args_)
        given = cgutils.alloca_once(builder, ir.LiteralStructType([_WORD, args_.type]))
        builder.store(address_, cgutils.gep_inbounds(builder, given, 0, 0))
        builder.store(args_, cgutils.gep_inbounds(builder, given, 0, 1))
        rows = context.make_array(parts)(context, builder, parts_)
        written = {
            COUNT: builder.extract_value(rows.shape, 0),
            PARTS: builder.ptrtoint(rows.data, _WORD),
            NUMBERS: _WORD(numbers.literal_value),
            TASK: builder.ptrtoint(task(context, builder, given.type), _WORD),
            ARGS: builder.ptrtoint(given, _WORD),
            FAILED: _WORD(0),
        }
        for word, value in written.items():
            builder.store(value, _word(context, builder, board, board_, _WORD(word)))
        return context.get_dummy_value()

    def lent(context, builder, values):
        """The arrays as they are, but without what counts references: the caller keeps them, and threads that count to the
        same word wait for each other.
        """
        for i, kind in enumerate(args.types):
            if isinstance(kind, types.Array):
                array = context.make_array(kind)(context, builder, builder.extract_value(values, i))
                array.meminfo = array.meminfo.type(None)
                values = builder.insert_value(values, array._getvalue(), i)
        return values

    def task(context, builder, given):
        function = ir.Function(builder.module, _TASK, f"task.{builder.function.name}")
        function.linkage = "internal"
        inner = ir.IRBuilder(function.append_basic_block())
        given, part = inner.bitcast(function.args[0], given), function.args[1]
        values = inner.load(cgutils.gep_inbounds(inner, given, 0, 1))
        values = [inner.extract_value(values, i) for i in range(len(args.types))]
        values += [inner.load(inner.gep(part, [_WORD(i)])) for i in range(numbers.literal_value)]
        convention = context.call_conv
        pointer = convention.get_function_type(types.none, kinds).as_pointer()
        callee = inner.inttoptr(inner.load(cgutils.gep_inbounds(inner, given, 0, 0)), pointer)
        status, _ = convention.call_function(inner, callee, types.none, kinds, values)
        inner.ret(inner.zext(status.is_error, _WORD))
        return function

    return types.void(board, types.int64, parts, args, numbers), codegen


@intrinsic
def _take(typing, board):
    """Make parts until none is left."""

    def codegen(context, builder, signature, args):
        def word(i):
            return _word(context, builder, board, args[0], _WORD(i))

        count, numbers = builder.load(word(COUNT)), builder.load(word(NUMBERS))
        parts = builder.inttoptr(builder.load(word(PARTS)), _WORD.as_pointer())
        task = builder.inttoptr(builder.load(word(TASK)), _TASK.as_pointer())
        given = builder.inttoptr(builder.load(word(ARGS)), _WORD.as_pointer())
        take, make, end = map(builder.append_basic_block, ("take", "make", "end"))
        builder.branch(take)
        builder.position_at_end(take)
        i = builder.atomic_rmw("add", word(NEXT), _WORD(1), "seq_cst")
        builder.cbranch(builder.icmp_signed("<", i, count), make, end)
        builder.position_at_end(make)
        failed = builder.call(task, [given, builder.gep(parts, [builder.mul(i, numbers)])])
        builder.atomic_rmw("or", word(FAILED), failed, "seq_cst")
        builder.branch(take)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(board), codegen


def _word(context, builder, board, value, i):
    return builder.gep(context.make_array(board)(context, builder, value).data, [i])


@intrinsic
def _read(typing, board, i):
    def codegen(context, builder, signature, args):
        return builder.load_atomic(_word(context, builder, board, *args), "seq_cst", 8)

    return types.int64(board, types.intp), codegen


@intrinsic
def _set(typing, board, i, value):
    def codegen(context, builder, signature, args):
        builder.store_atomic(args[2], _word(context, builder, board, *args[:2]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(board, types.intp, types.int64), codegen


@intrinsic
def _add(typing, board, i, value):
    def codegen(context, builder, signature, args):
        return builder.atomic_rmw("add", _word(context, builder, board, *args[:2]), args[2], "seq_cst")

    return types.int64(board, types.intp, types.int64), codegen


@intrinsic
def _pause(typing):
    """Wait a moment."""

    def codegen(context, builder, signature, args):
        if _MACHINE in _WAITS:
            name, numbers = _WAITS[_MACHINE]
            word = ir.FunctionType(ir.VoidType(), [ir.IntType(32)] * len(numbers))
            wait = cgutils.get_or_insert_function(builder.module, word, name)
            builder.call(wait, [ir.IntType(32)(n) for n in numbers])
        return context.get_dummy_value()

    return types.void(), codegen
