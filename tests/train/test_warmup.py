"""`warm_up` reaches every kernel, and after it training compiles nothing."""

import os
import subprocess
import sys

import numpy as np
import pytest

from minigrad import kernels, nn, train

pytestmark = pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")

NEW = """
from minigrad.train import warm_up, warmup
seen = []
done = warm_up(watch=lambda name, on_disk: seen.append(on_disk))
assert seen == [False] * len(done.compiled) and not done.on_disk and done.folder in str(done), done
print(*[f"{k.__module__}.{k.__name__}" for k in warmup.kernels_there_are() if not k.signatures])
"""
TRAINING = """
import numpy as np
import minigrad as mg
from minigrad import nn, optim
from minigrad.train import DigitsNet
from minigrad.kernels import jit

compiled = []
jit.watchers.append(lambda name, on_disk: on_disk or compiled.append(name))
small = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                      nn.Linear(256, 10))
for net, shape, rule in ((nn.models.resnet20(), (4, 3, 32, 32), lambda p: optim.SGD(p, 0.1, 0.9, weight_decay=1e-4)),
                         (DigitsNet(), (64, 1, 8, 8), lambda p: optim.AdamW(p, 1e-3)),
                         (small, (64, 1, 8, 8), lambda p: optim.SGD(p, 0.1))):
    opt = rule(net.parameters())
    for _ in range(2):
        opt.zero_grad()
        mg.cross_entropy(net(np.ones(shape, "f")), np.arange(shape[0]) % 10).backward()
        opt.step()
    with mg.no_grad():
        net.eval()(np.ones((1, *shape[1:]), "f"))
print(len(compiled), *compiled)
"""


def python(code, folder):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_reaches_every_kernel_and_then_training_compiles_nothing(tmp_path):
    assert python(NEW, tmp_path) == ""  # else add a layer to `everything` that needs what is missing
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert python(TRAINING, tmp_path) == "0"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == before


def test_the_models_are_left_in_the_asked_dtype_and_the_watchers_gone():
    from minigrad.kernels import jit

    net, before = nn.Linear(3, 2, rng=0), list(jit.watchers)
    train.warm_up([(net, (np.ones((4, 3), "f"), np.zeros(4, int)))], dtype="float64")
    assert net.weight.dtype == np.float64 and jit.watchers == before


def test_where_nothing_is_compiled_there_is_nothing_to_do(monkeypatch):
    monkeypatch.setattr(kernels, "JIT", False)
    assert train.warm_up() == train.Warmed([], [], 0.0, None)
