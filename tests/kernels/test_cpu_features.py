"""The kernels on processors with narrower vectors: the parity tests again, compiled for AVX2 and for plain SSE."""

import os
import pathlib
import subprocess
import sys

import pytest

from minigrad import kernels

HERE = pathlib.Path(__file__).parent
PARITY = "test_jitted_agree_with_plain or test_epilogues or test_agrees_with_plain"
FEATURES = {
    "haswell": "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+avx,+avx2,+fma,+bmi,+bmi2,+popcnt,+cx16",
    "x86-64": "+sse,+sse2",
}


def runs_here(features):
    import llvmlite.binding as llvm

    return all(llvm.get_host_cpu_features().get(name.lstrip("+"), False) for name in features.split(","))


@pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")
@pytest.mark.parametrize("processor", FEATURES)
def test_narrower_vectors(processor):
    if not runs_here(FEATURES[processor]):
        pytest.skip("this processor lacks them itself")
    limits = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": FEATURES[processor]}  # which have kernels of their own
    files = [str(HERE / "test_conv.py"), str(HERE / "test_winograd.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files, "-k", PARITY]
    done = subprocess.run(command, env=os.environ | limits, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
