"""How a tensor was made: by which operation, of what, and where in the user's program."""

from __future__ import annotations

import dis
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import HOME as HOME

if TYPE_CHECKING:
    from .primitive import Primitive
    from .tensor import Tensor


class Node(NamedTuple):
    """How a tensor was made: op(*inputs, **params) at tick `time`, on the user's line `line`, in module `scope`."""

    op: Primitive
    inputs: tuple[Tensor, ...]
    params: dict[str, Any]
    saved: Any  # what a fused forward keeps for its own backward
    stamps: tuple  # witnesses of the inputs' data, see stale.py
    time: int
    line: tuple
    scope: str
    within: Primitive | None  # the operation whose derivative this is a part of, if a walk was recorded

    def __str__(self) -> str:
        return f"{self.op.name} ({where_is(self.line)})"


class Freed(NamedTuple):
    """What is left of a node once a backward walk has passed: enough to explain itself."""

    name: str
    line: tuple
    freed_by: tuple
    leaves: list[Tensor]  # in whose memory the value may lie

    def __str__(self) -> str:
        return f"{self.name} ({where_is(self.line)})"


def user_line() -> tuple:
    """The first frame outside this package: (code, instruction), turned into text only when it is asked for."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename.startswith(HOME) and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def where_is(line: tuple) -> str:
    """'file.py:12' for a recorded line."""
    return f"{os.path.basename(line[0].co_filename)}:{line_number(line)}"


def line_number(line: tuple) -> int:
    """12 for a recorded line 'file.py:12'."""
    code, instruction = line
    return next((n for start, n in reversed(list(dis.findlinestarts(code))) if start <= instruction and n), 0)
