"""Matrix products cut over threads equal those that are not."""

import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from minigrad import kernels
from minigrad.kernels import threads

rng = np.random.default_rng(0)


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("m, k, n", [(257, 33, 5), (5, 33, 257), (64, 1, 64), (1, 7, 300), (3, 0, 4), (31, 32, 33)])
def test_equal_to_one_product(m, k, n, dtype, eager_threads):
    kernels.set_num_threads(3)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    for x, y in [(a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b)), (a[::-1], b[:, ::-1])]:
        out = kernels.matmul(x, y)
        assert out.dtype == a.dtype
        np.testing.assert_allclose(out, x @ y, rtol=1e-5 if dtype == "f" else 1e-12, atol=1e-5 if dtype == "f" else 0)


@pytest.mark.slow
def test_blas_is_held_to_one_thread():
    kernels.set_num_threads(2)
    assert set(blas_threads()) <= {1}
    code = """
import minigrad as mg, numpy as np
from threadpoolctl import threadpool_info
x = mg.tensor(np.ones((4, 4), np.float32))
x @ x
assert all(library["num_threads"] == 1 for library in threadpool_info() if library["user_api"] == "blas")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_axes_integers_and_complex_numbers_are_numpys():
    assert threads.WORTH_CALLING > 0
    for a, b in [
        (rng.standard_normal((4, 5, 6)), rng.standard_normal((6, 7))),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2)),
        (rng.standard_normal((2, 3)) * 1j, rng.standard_normal((3, 2))),
    ]:
        assert np.array_equal(kernels.matmul(a, b), a @ b)
