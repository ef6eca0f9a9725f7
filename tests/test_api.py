"""The public face: what importing costs, and that every public name is documented."""

import copy
import inspect
import pickle
import subprocess
import sys

import pytest

import minigrad as mg
from minigrad.ops import spelling

SUBPACKAGES = ["nn", "optim", "data", "train", "viz", "lab"]


@pytest.mark.slow
def test_importing_is_light_and_compiles_nothing():
    code = (
        "import sys, minigrad\n"
        "heavy = {'numba', 'matplotlib', 'sklearn', 'scipy', 'graphviz', 'click', 'tqdm', 'safetensors', 'hypothesis'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", mg.__all__)
def test_every_public_name_is_there_and_documented(name):
    thing = getattr(mg, name)
    assert thing is None or inspect.getdoc(thing), f"mg.{name} has no docstring"  # newaxis is None


@pytest.mark.parametrize("package", SUBPACKAGES)
def test_every_public_name_of_a_subpackage_too(package):
    module = getattr(mg, package)
    assert module.__doc__
    for name in module.__all__:
        thing = getattr(module, name)
        assert inspect.getdoc(thing), f"mg.{package}.{name} has no docstring"


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="no attribute 'conv4d'"):
        mg.conv4d  # noqa: B018


def test_every_function_is_its_own_copy():
    """What a model holds, `self.act = mg.tanh`, can be pickled and copied with it."""
    spelt = {name: getattr(mg, name) for name in spelling.FUNCTIONS}
    for name in [*mg.__all__, *spelt]:
        f = getattr(mg, name)
        if callable(f):
            assert pickle.loads(pickle.dumps(f)) is f and copy.deepcopy(f) is f, name
