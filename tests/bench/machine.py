"""The machine: what it is, in a line, and the limits that it was measured to have."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import numpy as np
from timing import shortest

from minigrad.kernels import crew, threads


def describe() -> str:
    """Processor, vector units, cores, memory, Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [_processor(), f"{cores} cores", platform.system(), f"Python {platform.python_version()}"]
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        parts.insert(2, f"{memory:.0f} GB")
    return ", ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = facts.get("model name", platform.machine())
    vectors = [v for flag, v in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in facts.get("flags", "").split()]
    return f"{name} ({vectors[0]})" if vectors else name


def peak_flops() -> float:
    """Floating-point operations a second of a large float32 matrix product: the best that BLAS reaches here."""
    a = np.random.default_rng(0).standard_normal((1536, 1536)).astype(np.float32)
    out = np.empty_like(a)
    return 2 * 1536**3 / shortest(lambda: np.matmul(a, a, out=out), 1)


def peak_bandwidth() -> float:
    """Bytes a second, read and written, of a copy that fits no cache of the core, by all threads at once."""
    a = np.ones(2**25, np.float32)  # 128 MB
    b = np.ones_like(a)

    def copy(lo: int, hi: int) -> None:
        b[lo:hi] = a[lo:hi]

    return 2 * a.nbytes / shortest(lambda: crew.call(copy, threads.spans(a.size, a.size)), 1)
