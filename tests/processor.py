"""The vector features that tests run with: the host's, or those one level below it, for NumPy, BLAS, Numba and PyTorch alike.

    python tests/processor.py [command …]   runs the command with the features limited; without one, names them

x86 with AVX-512 goes down to AVX2, and with AVX2 to SSE4.2 (x86-64-v2, NumPy's own baseline). Below NEON is nothing.
"""

import os
import sys

LEVELS = ("AVX-512", "AVX2", "SSE4.2")
LIMIT = "MINIGRAD_TEST_BELOW"  # the level that an environment is limited to
_SSE = "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16"
_NUMBA = {"AVX2": ("haswell", _SSE + ",+avx,+avx2,+fma,+bmi,+bmi2,+f16c"), "SSE4.2": ("nehalem", _SSE)}
_BLAS = {"AVX2": "Haswell", "SSE4.2": "Nehalem"}  # OpenBLAS
_TORCH = {"AVX2": ("avx2", "AVX2"), "SSE4.2": ("default", "SSE41")}  # its own loops, and those of oneDNN
_ABOVE = {"AVX2": ("AVX512", "X86_V4"), "SSE4.2": ("AVX", "FMA", "F16C", "XOP", "X86_V3", "X86_V4")}  # NumPy's prefixes
_REGISTERS = {"AVX2": ("zmm",), "SSE4.2": ("zmm", "ymm")}


def host() -> str | None:
    """The level of this processor, whatever the environment says; None for one that is not x86 with AVX2."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    return next((level for level, name in zip(LEVELS, ("avx512f", "avx2")) if features.get(name, False)), None)


def limits() -> dict[str, str]:
    """The environment that limits a process to one level below the host's; empty where there is none."""
    from numpy._core._multiarray_umath import __cpu_dispatch__ as dispatched

    if host() is None:
        return {}
    level = LEVELS[LEVELS.index(host()) + 1]
    name, features = _NUMBA[level]
    above = " ".join(f for f in dispatched if f.startswith(_ABOVE[level]))
    limit = {LIMIT: level, "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NPY_DISABLE_CPU_FEATURES": above}
    limit |= dict(zip(("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"), _TORCH[level]))
    return (
        {"OPENBLAS_CORETYPE": _BLAS[level]} | {k: os.environ[k] for k in os.environ if k == "OPENBLAS_CORETYPE"} | limit
    )


def check() -> None:
    """Fail unless the limit that the environment names took effect: by what NumPy runs, and what Numba compiles to."""
    level = os.environ.get(LIMIT)
    if level is None:
        return
    import numba
    import numpy as np
    from numpy.lib.introspect import opt_func_info

    targets = {
        found["current"] for types in opt_func_info("^(add|multiply|exp|tanh)$").values() for found in types.values()
    }
    too_much = [t for t in targets if t.startswith(_ABOVE[level])]
    assert targets and not too_much, f"NumPy still runs its loops for {too_much}"

    axpy = numba.njit("void(f4, f4[::1], f4[::1])", fastmath=True)(_axpy)
    (assembly,) = axpy.inspect_asm().values()
    x, y = np.ones(100, "f"), np.ones(100, "f")
    axpy(2.0, x, y)
    assert "xmm" in assembly and y[0] == 3 and not any(r in assembly for r in _REGISTERS[level]), (
        "Numba compiles for more"
    )


def _axpy(a, x, y):
    for i in range(x.size):
        y[i] += a * x[i]


def named() -> str:
    """The processor, and the features that it runs with."""
    import llvmlite.binding as llvm
    from threadpoolctl import threadpool_info

    blas = {lib["architecture"] for lib in threadpool_info() if "architecture" in lib}
    limited = f", limited to {os.environ[LIMIT]}" if LIMIT in os.environ else ""
    return f"processor: {llvm.get_host_cpu_name()} ({host() or 'no AVX'}{limited}); BLAS for {', '.join(blas)}"


if __name__ == "__main__":
    if not sys.argv[1:]:
        print(named())
    elif not limits():
        print(f"{named()}: there is nothing below it to run on")
    else:
        os.execvpe(sys.argv[1], sys.argv[1:], os.environ | limits())
