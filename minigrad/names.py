"""What the user's program calls a tensor.

A tape node knows the instruction of the user's program at which it was recorded; the instruction after it tells to which
variable the result goes (`stored`, and for a whole tape `named_values`). Whatever else is a variable of a caller has that
name (`held`). Nothing here is asked while a program is recorded, and no name is guessed: where none is certain, none is
given.
"""

from __future__ import annotations

import dis
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from types import CodeType, FrameType
from typing import Any

from .errors import HOME

_ENTRIES = 16  # of a list or dict that are named
_NOTHING = "CACHE", "EXTENDED_ARG", "NOP", "NOT_TAKEN"  # instructions without an effect
_GIVES = re.compile(r"(PRE)?CALL|(BINARY|UNARY)_|COMPARE_OP|LOAD_ATTR|FOR_ITER")  # instructions that give one result
_NOBODY = re.compile(r"@.*|_+|_i+|_i?\d+|_[oid]h|In|Out|__\w+__")  # pytest's own variables, IPython's and Python's


def stored(line: tuple) -> str:
    """The variable, or attribute of one, to which a statement assigns what its instruction gave; '' if there is none.

    `line` is that of a tape node: (code, offset of the instruction).

    >>> import minigrad as mg
    >>> x = mg.tensor(2.0, requires_grad=True)
    >>> loss = x * x
    >>> stored(loss.node.line), stored((x + 1.0).node.line)
    ('loss', '')
    """
    code, offset = line
    here, first, second = _around(code, offset)
    if not _GIVES.match(here.opname) or first is None:
        return ""
    name = next(iter(_variables(first)), "")
    if first.opname.startswith("LOAD_") and name and second is not None and second.opname == "STORE_ATTR":
        return f"{name}.{second.argval}"
    return name if first.opname.startswith("STORE_") and not _NOBODY.fullmatch(name) else ""


def named_values(tape: Iterable[Any]) -> dict[int, str]:
    """The name of each tensor of a tape, in tape order, that has one, by `id`.

    A name set by hand wins. Where a call recorded several operations, its result is the last; where a loop passes the
    same statement again, the values are told apart if it is one operation, or calls each module of a list.

    >>> import minigrad as mg
    >>> x = mg.tensor(2.0, requires_grad=True)
    >>> y = mg.sin(x)
    >>> z = y
    >>> for _ in range(2):
    ...     z = z * y
    >>> named_values([y, z.node.inputs[0], z]) == {id(y): "y", id(z.node.inputs[0]): "z", id(z): "z"}
    True
    """
    tape = list(tape)
    names: dict[int, str] = {}
    for line, run in groupby((y for y in tape if hasattr(y.node, "op")), lambda y: y.node.line):
        values = list(run)
        if name := stored(line):
            names |= dict.fromkeys(map(id, _results(line, values)), name)
    return names | {id(y): y.name for y in tape if y.name}


def held(frame: FrameType | None = None) -> dict[int, str]:
    """The variables of a frame by the `id` of what they hold: locals, globals, then entries of lists and dicts of them.

    Without one, the frame is that of the caller who is outside of this package. Where a thing has several names, the first
    one wins, and one that begins with _ comes last.

    >>> w, ws = object(), [object(), object()]
    >>> names = held(sys._getframe())
    >>> names[id(w)], names[id(ws[1])]
    ('w', 'ws[1]')
    """
    if frame is None:
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith(HOME) and frame.f_back is not None:
            frame = frame.f_back
    variables = [(name, value) for name, value in frame.f_locals.items() if isinstance(name, str)]
    if frame.f_globals is not frame.f_locals:
        variables += frame.f_globals.items()
    variables = [(name, value) for name, value in variables if not _NOBODY.fullmatch(name)]
    variables.sort(key=lambda variable: variable[0].startswith("_"))
    entries = [
        (f"{name}[{key!r}]", value)
        for name, entries in variables
        if type(entries) in (list, tuple, dict) and len(entries) <= _ENTRIES
        for key, value in (entries.items() if type(entries) is dict else enumerate(entries))
        if type(key) in (int, str)
    ]
    names: dict[int, str] = {}
    for name, value in variables + entries:
        names.setdefault(id(value), name)
    return names


def _results(line: tuple, run: list) -> list:
    """Those of the operations that one instruction recorded in a row that a pass of it ended with, as far as is known."""
    code, offset = line
    here, *_ = _around(code, offset)
    operations = {y.node.op.name for y in run}
    if len(operations) == 1 and (here.opname.startswith(("BINARY_OP", "UNARY_")) or operations <= {*code.co_names}):
        return run  # `x = x * w` or `x = mg.sin(x)`, each pass one operation
    used = {id(x) for y in run for x in y.node.inputs}
    ends = [y for y in run if id(y) not in used]
    if len(ends) == 1 and (held_in := _iterated(code, here)):  # `for layer in self.layers: x = layer(x)`
        calls = [_until(y.node.scope.split("."), held_in) for y in run]
        if all(calls) and len(set(calls)) == len([*groupby(calls)]):  # no module comes back
            return [y for y, call, after in zip(run, calls, [*calls[1:], None]) if call != after]
    return ends if len(ends) == 1 else []  # a call that gave several has no name for any


@lru_cache(64)
def _instructions(code: CodeType) -> list[dis.Instruction]:
    return [each for each in dis.get_instructions(code) if each.opname not in _NOTHING]


def _around(code: CodeType, offset: int) -> tuple[dis.Instruction, dis.Instruction | None, dis.Instruction | None]:
    """The instruction at this offset, and the two that take its result; copies of it on the way are passed over."""
    program = _instructions(code)
    at = bisect_right(program, offset, key=lambda each: each.offset) - 1  # a frame may point behind it, into its caches
    here, later = program[at], program[at + 1 : at + 9]
    if here.opname == "PRECALL":  # of Python 3.11, where some calls happen before the instruction CALL
        del later[:1]
    first, second, *_ = *(each for each in later if each.opname != "COPY"), None, None
    return here, first, second


def _variables(instruction: dis.Instruction) -> tuple[str, ...]:
    """The variables that an instruction loads or stores: in newer Pythons, one may take two."""
    if not re.fullmatch(r"(LOAD|STORE)_(FAST|NAME|GLOBAL|DEREF)(_.*)?", instruction.opname):
        return ()
    return instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)


def _iterated(code: CodeType, here: dis.Instruction) -> str:
    """If what is called there is a variable of `for layer in self.layers`, the name of that attribute, else ''."""
    begins = here.positions and here.positions[::2]  # line and column
    if not begins or None in begins:
        return ""
    attributes: dict[str, str] = {}  # by variable
    inside, attribute, program = False, "", _instructions(code)
    for i, each in enumerate(program):
        if each.opname == "FOR_ITER":
            before = [e for e in program[max(i - 5, 0) : i] if e.opname != "GET_ITER" and "CALL" not in e.opname]
            inside, attribute = True, before[-1].argval if before and before[-1].opname == "LOAD_ATTR" else ""
        elif inside and each.opname.startswith(("STORE_", "UNPACK_SEQUENCE")):
            attributes.update(dict.fromkeys(_variables(each), attribute))
        else:
            inside = False
            if each.opname.startswith("LOAD_") and each.positions and each.positions[::2] == begins:
                return next((attributes.get(name, "") for name in _variables(each)[:1]), "")
    return ""


def _until(path: list[str], part: str) -> tuple[str, ...]:
    """The beginning of a path up to what follows the part; empty if nothing does."""
    end = path.index(part) + 2 if part in path[:-1] else 0
    return tuple(path[:end])
