"""The public face: what importing costs, and that every public name is documented."""

import inspect
import subprocess
import sys

import pytest

import minigrad as mg

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
    assert inspect.getdoc(thing) or name == "newaxis", f"mg.{name} has no docstring"  # which is None


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
