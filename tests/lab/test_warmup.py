"""`warm_up` reaches every kernel there is, and after it training compiles nothing."""

import os
import subprocess
import sys

import numpy as np
import pytest

from minigrad import kernels, lab, nn
from minigrad.lab import warmup

pytestmark = [pytest.mark.processor, pytest.mark.skipif(not kernels.JIT, reason="nothing is compiled")]

ASKED = """
from minigrad.kernels import jit
for k in jit.KERNELS:
    for signature in k.signatures:  # of what was compiled here, or found on disk
        print("asked", k.__module__, k.__name__, signature)
"""
WARM_UP = """
from minigrad.lab import warm_up, warmup
warm_up()

def calls(kernel):
    "The kernels that a kernel calls: Numba compiles them with it."
    code, cells = kernel.py_func.__code__, kernel.py_func.__closure__ or ()
    names = kernel.py_func.__globals__ | dict(zip(code.co_freevars, (c.cell_contents for c in cells)))
    return [names[name] for name in (*code.co_names, *code.co_freevars) if names.get(name) in every]

every = warmup.kernels_there_are()
reached = [k for k in every if k.signatures]
for k in reached:
    reached += [other for other in calls(k) if other not in reached]
print(*[f"missed {k.__module__}.{k.__name__}" for k in every if k not in reached], sep="\\n")
"""
TRAINING = """
import numpy as np
import minigrad as mg
from minigrad import nn, optim
from minigrad.lab import DigitsNet

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
"""


def lines(code):
    """What a fresh interpreter prints. It has the kernels on disk that everybody has."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return set(filter(None, done.stdout.splitlines()))


@pytest.mark.slow
def test_it_reaches_every_kernel_and_training_asks_for_no_other():
    """Whether a kernel is needed depends on the width of a vector: tested at this one, and by `make below` at another."""
    warm, training = lines(WARM_UP + ASKED), lines(TRAINING + ASKED)
    assert not {line for line in warm if line.startswith("missed")}  # else add a layer to `everything` that needs it
    assert training <= warm


@pytest.mark.parametrize("bits", [128, 256, 512])
def test_its_layers_meet_both_sides_of_what_depends_on_the_width(bits, monkeypatch):
    from minigrad.kernels import conv
    from minigrad.kernels.blocks import adjoint_axes

    def spreads(weights, kernel, out):  # of 12x12 pixels
        pad = (out + kernel - 13) // 2
        phases = adjoint_axes(12, 12, kernel, kernel, 1, 1, pad, pad, 1, 1)
        return conv._spreads.__wrapped__(8, (out, out), weights, 1, phases, np.dtype("f4"))

    monkeypatch.setattr(conv, "lanes", lambda dtype: bits // 32)
    few, many = spreads(warmup._LAYERS[1][0]()[0].weight.shape, 4, 9), spreads((16, 32, 3, 3), 3, 12)
    assert few and not many


@pytest.mark.slow
def test_kernels_come_from_disk_once_they_are_there(tmp_path):
    once = "import numpy as np\nfrom minigrad import lab, nn\nprint(lab.warm_up([(nn.ELU(), (np.ones((4, 3), 'f'),))]))"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    said = [subprocess.check_output([sys.executable, "-c", once], env=environment, text=True) for _ in range(2)]
    assert " 0 found on disk" in said[0] and not said[0].startswith("0 ") and str(tmp_path) in said[0]
    assert said[1].startswith("0 kernels compiled") and " 0 found on disk" not in said[1]


def test_the_models_are_left_in_the_asked_dtype_and_the_watchers_gone():
    from minigrad.kernels import progress

    net, before = nn.Linear(3, 2, rng=0), list(progress.watchers)
    lab.warm_up([(net, (np.ones((4, 3), "f"), np.zeros(4, int)))], dtype="float64")
    assert net.weight.dtype == np.float64 and progress.watchers == before


def test_where_nothing_is_compiled_there_is_nothing_to_do(monkeypatch):
    monkeypatch.setattr(kernels, "JIT", False)
    assert lab.warm_up() == lab.Warmed([], [], 0.0, None)
