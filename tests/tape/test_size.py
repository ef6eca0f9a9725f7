"""The engine stays small enough to be read: its lines of code, without docstrings, comments and blank lines."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

from minigrad import tape

FILES = sorted(Path(tape.__file__).parent.glob("*.py"))
LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip


def code_lines(source):
    """The numbers of the lines with code.

    >>> sorted(code_lines('\"\"\"About.\"\"\"\\n\\nx = (  # a pair\\n    1, 2)\\n'))
    [3, 4]
    """
    lines = set()
    for t in tokenize.generate_tokens(io.StringIO(source).readline):
        if t.type not in LAYOUT:
            lines |= set(range(t.start[0], t.end[0] + 1))
    for n in ast.walk(ast.parse(source)):
        if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(n) is not None:
            lines -= set(range(n.body[0].lineno, n.body[0].end_lineno + 1))
    return lines


SIZES = {path.stem: len(code_lines(path.read_text(encoding="utf-8"))) for path in FILES}


def test_the_walks_and_the_primitives_are_an_evening():
    assert SIZES["walks"] + SIZES["primitive"] <= 290, SIZES


@pytest.mark.parametrize("name", SIZES)
def test_no_file_of_the_engine_is_long(name):
    assert SIZES[name] <= 260
