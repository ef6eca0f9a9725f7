"""What the register tiles become on processors that are not here: their inner loops, read from the assembly.

A tile is as fast as its inner loop lets it be: all sums in registers, each number of the input and each vector of the
weights loaded once. Numba compiles for the vector features that it is told of, LLVM makes assembly for the processor.
"""

import json
import os
import re
import subprocess
import sys

import pytest

SSE = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16"
AVX2 = SSE + ",+avx,+avx2,+fma,+bmi,+bmi2"
AVX512 = AVX2 + ",+avx512f,+avx512vl,+avx512bw,+avx512dq"
MACHINES = {  # what Numba is told, and LLVM: triple, processor, features
    "AVX2": (("haswell", AVX2), ("x86_64-linux-gnu", "haswell", AVX2)),
    "AVX-512": (("skylake-avx512", AVX512), ("x86_64-linux-gnu", "skylake-avx512", AVX512 + ",-prefer-256-bit")),
    "NEON": (("nehalem", SSE + ",+neon"), ("aarch64-linux-gnu", "cortex-a76", "")),
}
READ = """
import json, re, sys
import llvmlite.binding as llvm
import numba
from numba import types
from minigrad.kernels import conv, jit, tile, winograd

def array(dtype, axes=1):
    return types.Array(dtype, axes, "C")

f, i, n = array(types.float32), array(types.int64), types.intp
end = types.Tuple([f, f, f, types.boolean])
rows = types.Tuple([array(types.int64, 2), n, n, n, n])
pixels = f, i, n, rows, i, n, n, f, n, array(types.float32, 4), i, n, n, end, n
weights = f, i, n, i, n, n, f, n, n, n, f, array(types.float32, 3), i, n
few_weights = i, f, i, n, n, f, n, n, array(types.float32, 4), n
TILES = {
    "pixels": (conv._pixels_wide, pixels, tile.WIDE, tile.VECS, tile.DEPTH),
    "pixels, one vector": (conv._pixels_slim, pixels, tile.TALL, 1, tile.DEPTH),
    "pixels, few channels": (conv._few_pixel_tiles(2), pixels, tile.TALL, 1, tile.DEPTH),
    "weights, few channels": (conv._few_weights_two, few_weights, tile.WIDE, 2, 1),
    "weights": (conv._weights_wide, weights, tile.WIDE, tile.VECS, 1),
    "products": (winograd._products_wide, (f, n, n, f, n, f, n, n), tile.WIDE, tile.VECS, tile.DEPTH),
}
triple, processor, features = sys.argv[1:]
llvm.initialize_all_targets(), llvm.initialize_all_asmprinters()
machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, features=features, opt=3)
found = {}
for name, (kernel, signature, *shape) in TILES.items():
    compiled = numba.njit(nogil=True, fastmath=jit.FASTMATH, error_model="numpy")(kernel.py_func)
    compiled.compile(signature)
    (text,) = compiled.inspect_llvm().values()
    text = re.sub(r'target (triple|datalayout) = .*', "", text)
    text = re.sub(r'"target-(cpu|features)"="[^"]*"', "", text)
    text = re.sub(r"(tail )?call i8 @llvm.x86.atomic[^\\n]*", "add i8 0, 0", text)  # of counted references
    found[name] = machine.emit_assembly(llvm.parse_assembly(text)), shape
print(json.dumps(found))
"""


def inner_loop(assembly):
    """The lines of the loop that has most multiply-adds, of those that hold no other loop."""
    lines, loops = assembly.splitlines(), []
    labels = {m[1]: i for i, line in enumerate(lines) if (m := re.match(r"(\.?L\w+):", line))}
    for end, line in enumerate(lines):
        back = re.match(r"\s+(?:j\w+|b\.\w+|cbn?z|tbn?z)\b.*?(\.LBB\w+)", line)
        if back and labels.get(back[1], end) < end:
            start = labels[back[1]]
            if not any(start <= first and last <= end for first, last in loops):
                loops.append((start, end))
    bodies = [[b for b in lines[start : end + 1] if re.match(r"\s+\w", b)] for start, end in loops]
    return max(bodies, key=lambda body: sum(map(adds, body)))


def adds(line):
    return bool(re.match(r"\s+(vfn?m(add|sub)\w*ps|fml[as])\b", line))


def loaded(line):
    """How many numbers or vectors of floats a line loads; from the stack is a sum that found no register."""
    if re.match(r"\s+(v\w+ps|vbroadcastss|vmovss)\b.*\(%[^)]*\)", line):
        return 0 if re.search(r"(\)|[xyz]mm\d+), .*\(", line) and "vmov" in line else 1
    if re.match(r"\s+(ldp|ldr|ld1r?|ldur)\s+\{?[qsdv]\d+", line):
        return 2 if "ldp" in line else 1
    return 0


def spilled(line):
    return bool(re.search(r"\(%rsp|\[sp\b", line) and re.search(r"%[xyz]mm|\b[qv]\d", line))


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_sums_stay_in_registers_and_nothing_is_loaded_twice(machine):
    (name, features), target = MACHINES[machine]
    told = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    done = subprocess.run(
        [sys.executable, "-c", READ, *target], env=os.environ | told, capture_output=True, text=True, check=True
    )
    for what, (assembly, (rows, vecs, depth)) in json.loads(done.stdout).items():
        body = inner_loop(assembly)
        sums, loads = len(list(filter(adds, body))), sum(map(loaded, body))
        rounds, rest = divmod(sums, rows * vecs)  # an unrolled loop has several steps
        assert rest == 0 and rounds % depth == 0, (what, sums)
        print(what, rows, vecs, sums, loads)
        assert loads <= rounds * (rows + vecs), (what, loads, "\n".join(body))
        assert not any(map(spilled, body)), (what, "\n".join(body))


def test_a_spill_is_seen():
    body = ["\tvmovups\t%ymm3, 32(%rsp)", "\tvfmadd231ps\t(%rax), %ymm1, %ymm2", "\tldr\tq3, [sp, #16]"]
    assert list(map(spilled, body)) == [True, False, True] and adds(body[1]) and loaded(body[1]) == 1
