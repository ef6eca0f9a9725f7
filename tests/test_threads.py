"""Whole models, threads and processes: weights reproducible bit for bit, by trainings at once, after a fork, in child
processes of any kind, and without the JIT. The kernels themselves are tested in `tests/kernels`.
"""

import inspect
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import minigrad as mg
from minigrad import kernels, nn, optim

pytestmark = pytest.mark.processor
LIMIT = 120  # seconds after which a process is taken to hang


def train(steps=3, threads=None, seed=0, make=lambda **k: nn.models.resnet8(width=8, stochastic_depth=0.2, **k)):
    """The weights of a network after a few steps, as one vector."""
    if threads:
        mg.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    model = make(rng=seed)
    opt = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(steps):
        opt.zero_grad()
        x = rng.standard_normal((24, 3, 16, 16)).astype(opt.params[0].dtype)
        mg.cross_entropy(model(x), rng.integers(0, 10, 24)).backward()
        opt.step()
    return np.concatenate([p.data.ravel() for p in model.parameters()])


IMPORTS = "import os, sys\nimport numpy as np\nimport minigrad as mg\nfrom minigrad import kernels, nn, optim\n"
EAGER = "kernels.threads.WORTH = kernels.threads.WORTH_CALLING = 0  # even the smallest work goes to other threads\n"


def start(code, **environment):
    """A fresh interpreter that runs this code and knows `train`."""
    code = IMPORTS + inspect.getsource(train) + code
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code]
    return subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.PIPE, text=True)


def answer(process):
    """What it printed; an error if it failed, or hangs."""
    try:
        printed = process.communicate(timeout=LIMIT)[0]
    finally:
        process.kill()
    assert process.returncode == 0
    return printed.strip()


@pytest.fixture(autouse=True)
def same_threads_after():
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2])
def test_the_same_weights_bit_for_bit(n, monkeypatch):
    monkeypatch.setattr(kernels.threads, "WORTH", 0)
    once = train(threads=n)
    np.testing.assert_array_equal(once, train(threads=n))
    assert not np.array_equal(once, train(threads=n, seed=1))


@pytest.mark.slow
def test_the_same_weights_in_another_process():
    code = "import hashlib; print(hashlib.sha256(train(threads=2).tobytes()).hexdigest())"
    first, second = start(EAGER + code), start(EAGER + code)
    assert answer(first) == answer(second)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2])
def test_two_trainings_at_once_are_two_trainings(n, monkeypatch):
    monkeypatch.setattr(kernels.threads, "WORTH", 0)
    kernels.set_num_threads(n)
    one_after_the_other = [train(seed=seed) for seed in range(2)]
    with ThreadPoolExecutor(2) as trainers:
        for _ in range(3):
            at_once = trainers.map(lambda seed: train(seed=seed), range(2))
            for a, b in zip(one_after_the_other, at_once, strict=True):
                np.testing.assert_array_equal(a, b)


AFTER_FORK = """
first = train(threads=2)
child = os.fork()
same = np.array_equal(train(), first)
if child == 0:
    os._exit(0 if same else 1)
print(same, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_training_goes_on_after_a_fork():
    assert answer(start(EAGER + AFTER_FORK)) == "True 0"


FORK_WHILE_TRAINING = """
import threading
first = train(threads=2)
stop = threading.Event()
def others():
    while not stop.is_set():
        train(seed=1)
threading.Thread(target=others).start()
children = []
for _ in range(4):
    children.append(os.fork())
    if children[-1] == 0:
        os._exit(0 if np.array_equal(train(), first) else 1)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
stop.set()
print(codes)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_while_another_thread_trains():
    assert answer(start(EAGER + FORK_WHILE_TRAINING)) == "[0, 0, 0, 0]"


CHILDREN = """
def child(seed):
    kernels.threads.WORTH = kernels.threads.WORTH_CALLING = 0
    return train(seed=seed, threads=2)

if __name__ == "__main__":
    import multiprocessing
    kernels.threads.WORTH = kernels.threads.WORTH_CALLING = 0
    expected = [train(seed=seed, threads=2) for seed in range(3)]  # and now there are threads
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print(all(map(np.array_equal, expected, pool.map(child, range(3)))))
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_children_of_a_process_with_threads_train_alike(method, tmp_path):
    script = tmp_path / "children.py"  # children that are spawned import their parent's file
    script.write_text(IMPORTS + inspect.getsource(train) + CHILDREN)
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", str(script), method]
    assert answer(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) == "True"


SMOOTH = """
def make(rng):
    layers = [nn.Conv2d(3, 8, 3, padding=1, rng=0), nn.BatchNorm2d(8), nn.SiLU(), nn.AvgPool2d(2)]
    layers += [nn.Conv2d(8, 8, 3, padding=1, rng=1), nn.BatchNorm2d(8), nn.Tanh(), nn.Flatten(), nn.Linear(512, 10, rng=2)]
    return nn.Sequential(*layers)
"""
KINKS = "make = lambda rng: nn.models.resnet8(width=8, rng=rng).astype(float)"


@pytest.mark.slow
@pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")
@pytest.mark.parametrize(("model", "layers", "eps"), [(SMOOTH, 3, 2**-23), (KINKS, 9, 2**-52)], ids=["smooth", "kinks"])
def test_one_step_without_the_jit_is_the_same_step(model, layers, eps):
    """They sum in another order. The gradient of a weight sums n = 24·16·16 products, and so do the statistics of batch
    norm; round-off of such a sum is 4√n eps with a probability of 0.999 (Higham, Mary 2019, with λ = 4), and each layer,
    there and back, adds as much.

    A pre-activation that is nearer to 0 than its round-off takes the other side of a kink, which changes a step of
    float32 by a thousandth: of some 3e5 of them, one in a few runs. So float32 is compared where there are no kinks, and
    kinks in float64, where none of them is so near with a probability of 1 − 1e-8.
    """
    code = model + "\nprint(train(1, make=make).astype(float).tobytes().hex())"
    plain, jitted = start(code, MINIGRAD_JIT="0"), start(code)
    space: dict = {"nn": nn}
    exec(model, space)
    before = np.concatenate([p.data.ravel() for p in space["make"](rng=0).parameters()])
    plain, jitted = (np.frombuffer(bytes.fromhex(answer(p))) - before for p in (plain, jitted))
    assert np.linalg.norm(plain) > 0
    assert np.linalg.norm(plain - jitted) < 2 * layers * 4 * (24 * 16 * 16) ** 0.5 * eps * np.linalg.norm(plain)
