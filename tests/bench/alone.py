"""What needs a process of its own: peak memory, import time, and the first training step.

`python tests/bench/alone.py memory torch` (or `import`, or `first resnet20`) prints one number.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

MODES = {"torch": ("torch", "torch channels_last", "torch compile"), "jax": ("jax jit",)}  # of the packages


def peak_memory() -> dict[str, str]:
    """MB that a training step of ResNet-20, batch 128, holds at its peak, for each contender."""
    if not Path("/proc/self/clear_refs").exists():
        return {"not measured": "the kernel of this system does not tell the peak of a single step"}
    contenders = ["minigrad", *(mode for package in _installed() for mode in MODES[package])]
    return {who: f"{_child('memory', who):.0f} MB" for who in contenders}


def start_up() -> dict[str, str]:
    """Seconds to import, and to the end of the first training step, with and without kernels on disk."""
    found = {"import minigrad": _ms(_median("import", "minigrad")), "import numpy": _ms(_median("import", "numpy"))}
    for package in _installed():
        found[f"import {package}"] = _ms(_median("import", package))
    for net in ("digits_cnn", "resnet20"):
        found[f"first step of {net}, kernels on disk"] = f"{_median('first', net):.2f} s"
        with tempfile.TemporaryDirectory() as empty:
            found[f"first step of {net}, nothing on disk"] = f"{_child('first', net, NUMBA_CACHE_DIR=empty):.1f} s"
    return found


ALL = {"peak memory of a step": peak_memory, "start-up": start_up}


def _installed() -> list[str]:
    return [package for package in MODES if importlib.util.find_spec(package)]


def _median(*args: str) -> float:
    """Of five processes, after one that leaves its bytecode and kernels on disk."""
    return statistics.median([_child(*args) for _ in range(6)][1:])


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms"


def _child(*args: str, **environment: str) -> float:
    """The number that this file prints in a fresh process."""
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # imports would look slow
    command = [sys.executable, "-W", "ignore", __file__, *args]
    answer = subprocess.run(command, env=inherited | environment, check=True, capture_output=True, text=True)
    return float(answer.stdout.split()[-1])


def _import(name: str) -> float:
    start = time.perf_counter()
    importlib.import_module(name)
    return time.perf_counter() - start


def _first(name: str) -> float:
    """From before the import to the end of the first step, by minigrad alone."""
    start = time.perf_counter()
    import numpy as np
    from nets import NETS, batch

    import minigrad as mg
    from minigrad import nn, optim

    make, shape, rule, options = NETS[name]
    model, (x, labels) = make(nn), batch(shape)
    opt = getattr(optim, rule)(model.parameters(), **options)
    mg.cross_entropy(model(x), labels).backward()
    opt.step()
    assert all(np.isfinite(p.data).all() for p in model.parameters())
    return time.perf_counter() - start


def _memory(who: str) -> float:
    """The highest resident memory of later steps above that before the model was built, in MB (Linux)."""
    if who == "minigrad":
        from workloads import own_training

        first, *args = own_training("resnet20", 2)
        first(*args)  # loads the kernels: they are counted with the libraries
        before = _status("VmRSS")
        step = partial(*own_training("resnet20"))
    elif who in MODES["jax"]:
        import jax_peer

        jax_peer.training("digits_cnn")[who]()
        before = _status("VmRSS")
        step = jax_peer.training("resnet20")[who]
    else:
        import torch_peer

        torch_peer.training("digits_cnn", ("torch",))["torch"]()
        before = _status("VmRSS")
        step = torch_peer.training("resnet20", (who,))[who]
    step(), step()
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to what is resident now
    step(), step()
    return _status("VmHWM") - before


def _status(entry: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry + ":"))


if __name__ == "__main__":
    print({"memory": _memory, "import": _import, "first": _first}[sys.argv[1]](sys.argv[2]))
