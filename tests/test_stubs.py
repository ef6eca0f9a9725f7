"""The stubs that editors and mypy read: they list exactly what is bound to tensors, and PyTorch's names of functions."""

import inspect
import keyword
import subprocess
import sys
from pathlib import Path

import pytest
from documents import hold

import minigrad as mg
from minigrad.keywords import KEYWORDS
from minigrad.ops import operators, spelling

ROOT = Path(__file__).parent.parent
HEAD = '''"""{what} Written by tests/test_stubs.py (`make docs`)."""

import builtins
from collections.abc import Iterator
from typing import Any

from {tape}tensor import Tensor

'''
NUMBERS = {  # what is no tensor
    "__float__": "float", "__int__": "int", "__index__": "int", "__complex__": "complex", "__bool__": "bool", "__format__": "str", "__hash__": "int",
    "__iter__": "Iterator[Tensor]", "__setitem__": "None", "backward": "None", "dim": "int", "numel": "int", "nelement": "int", "tolist": "Any",
    "item": "Any", "numpy": "Any", "allclose": "bool", "is_floating_point": "bool", "chunk": "tuple[Tensor, ...]", "unbind": "tuple[Tensor, ...]",
    "is_tensor": "bool", "is_grad_enabled": "bool", "register_hook": "Any", "at": "Any", "__floor__": "int", "__ceil__": "int", "__trunc__": "int",
    "__round__": "Any", "set_grad_enabled": "Any", "enable_grad": "Any", "inference_mode": "Any", "manual_seed": "None", "split": "Any",
    "__divmod__": "tuple[Tensor, Tensor]", "__rdivmod__": "tuple[Tensor, Tensor]", "__array_ufunc__": "Any", "__array_function__": "Any",
    "broadcast_arrays": "Any", "slogdet": "Any", "nonzero": "Any", "topk": "Any",
}  # fmt: skip


def parameters(f, skip):
    """The parameters as they are, and PyTorch's keywords for them."""
    found = list(inspect.signature(f).parameters.values())[skip:]
    kinds = inspect.Parameter
    names = {p.name for p in found if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)}
    more = {k: next((o for o in ours if o in names), None) for k, ours in KEYWORDS.items() if k not in names}
    more = {
        k: o
        for k, o in more.items()
        if o is not None and k in ("dim", "dims", "keepdim", "axis", "keepdims", "start_dim", "end_dim", "min", "max")
    }
    if "correction" in names:
        more["unbiased"] = "correction"
    text, star = [], any(p.kind is kinds.VAR_POSITIONAL for p in found)
    optional = False
    positional_only = [p for p in found if p.kind is kinds.POSITIONAL_ONLY]
    for p in found:
        optional |= p.default is not p.empty or p.name in more.values()
        default = (
            " = ..." if optional and p.kind is not kinds.VAR_POSITIONAL and p.kind is not kinds.VAR_KEYWORD else ""
        )
        mark = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.kind is kinds.KEYWORD_ONLY and not star:
            text.append("*")
            star = True
        if p.kind is not kinds.VAR_KEYWORD:
            text.append(f"{mark}{p.name}: Any{default}")
        if positional_only and p is positional_only[-1]:
            text.append("/")
    if more and not star:
        text.append("*")
    text += [f"{k}: Any = ..." for k in sorted(more)]
    return text + [f"**{p.name}: Any" for p in found if p.kind is kinds.VAR_KEYWORD]


def returns(name, f):
    if name in NUMBERS:
        return (
            f"builtins.{NUMBERS[name]}"
            if NUMBERS[name] in ("bool", "int", "float", "complex", "str")
            else NUMBERS[name]
        )
    given = str(getattr(f, "__annotations__", {}).get("return", "Tensor"))
    return (
        f"builtins.{given}"
        if given in ("bool", "int", "float", "str")
        else "Tensor"
        if given in ("Tensor", "Array", "Any")
        else "Any"
    )


def declaration(name, f, skip, indent=""):
    if isinstance(f, property):
        return f"{indent}@property\n{indent}def {name}(self) -> {NUMBERS.get(name, 'Tensor')}: ...\n"
    try:
        inner = parameters(f, skip)
    except ValueError:
        inner = []
    override = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
    given = ", ".join(["self"] * skip + inner)
    return f"{indent}def {name}({given}) -> {returns(name, f)}: ...{override}\n"


def bound():
    """What is bound to tensors from above the engine."""
    names = {**operators._BOUND, **spelling.methods([m for m in vars(mg.ops).values() if inspect.ismodule(m)])}
    return {n: vars(mg.Tensor)[n] for n in sorted(names)}


def methods():
    body = "".join(declaration(n, f, 0 if isinstance(f, property) else 1, "    ") for n, f in bound().items())
    return HEAD.format(what="The operators and methods of tensors.", tape=".") + "class Methods:\n" + body


def functions():
    text = HEAD.format(what="PyTorch's names of functions, as `mg.<name>`.", tape=".tape.")
    for name in sorted(set(spelling.FUNCTIONS) - set(mg.__all__)):
        f = getattr(mg, name)
        plain = callable(f) and not isinstance(f, type(mg.tensor(1.0).dtype))
        text += declaration(name, f, 0) if plain else f"{name}: Any\n"
    return text


def test_the_stub_of_tensors_lists_what_is_bound():
    hold(ROOT / "minigrad" / "tape" / "methods.pyi", methods())


def test_the_stub_of_functions_lists_pytorchs_names():
    hold(ROOT / "minigrad" / "spelled.pyi", functions())


def test_no_name_is_a_keyword_of_python():
    assert not [n for n in [*spelling.FUNCTIONS, *spelling.METHODS] if keyword.iskeyword(n)]


PROGRAM = """
import numpy as np
import minigrad as mg

x = mg.tensor(np.ones((2, 3)), requires_grad=True)
y: mg.Tensor = x.view(-1).sum(dim=0)
z: mg.Tensor = (x.unsqueeze(0).permute(0, 2, 1) @ x.float() // 2 % 3).mean(dim=1, keepdim=True)
m: mg.Tensor = (x > 0) & ~(x == 1)
w: mg.Tensor = mg.cat([x, +x], dim=1).clamp(min=0.0).transpose(0, 1).masked_fill(m.t(), 0.0)
v: mg.Tensor = x.at[0].set(1.0) + np.ones(3) * x
n: int = x.numel() + x.dim()
s: float = float(y)
"""


@pytest.mark.slow
def test_mypy_sees_it_in_a_program(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text(
        "import minigrad as mg\nmg.tensor(1.0).no_such_method()\nmg.tensor(1.0).sum(no_such=1)\n"
    )
    run = [sys.executable, "-m", "mypy", "--no-incremental", "--follow-imports=silent", "--ignore-missing-imports"]
    environment = {"MYPYPATH": str(ROOT), "PATH": ""}
    told = subprocess.run(
        [*run, "."], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False
    ).stdout
    assert "program.py" not in told, told
    assert 'wrong.py:2: error: "Tensor" has no attribute "no_such_method"' in told and "wrong.py:3: error" in told


# ---- the page


def spellings():
    code = lambda names: ", ".join(f"`{n}`" for n in sorted(names))  # noqa: E731
    place = {0: "the first argument", 1: "the second argument"}
    rows = lambda table: "".join(f"| {a} | {b} |\n" for a, b in table) + "\n"  # noqa: E731
    text = (Path(__file__).parent / "spellings.md").read_text(encoding="utf-8")
    parts = {
        "clashes": "".join(f"| `{k}` | {' | '.join(v)} |\n" for k, v in spelling.CLASHES.items()),
        "keywords": rows((f"`{k}=`", ", ".join(place.get(v) or f"`{v}=`" for v in to)) for k, to in KEYWORDS.items()),
        "functions": rows(
            (f"`{k}`", f"`{row}`" if isinstance(row, str) else "a dtype" if not callable(row) else "")
            for k, row in sorted(spelling.FUNCTIONS.items())
        ),
        "methods": code([*spelling.METHODS, *spelling.ALSO.split()]),
        "same": code(n for n in spelling.SAME.split() if hasattr(mg.Tensor, n)),
        "functional": code(n for n in spelling.FUNCTIONAL if there(n)),
    }
    for k, v in parts.items():
        text = text.replace(f"{{{k}}}", v)
    return text


def there(name):
    try:
        return spelling.functional(name)
    except AttributeError:
        return None


def test_the_page_on_spellings():
    hold(ROOT / "docs" / "spellings.md", spellings())
