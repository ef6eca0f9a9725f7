"""What a piece of bytecode reads and sets outside of itself, instruction by instruction.

An instruction that is not listed here is a reason to refuse: what was not understood is never taken to be harmless.
"""

from __future__ import annotations

import dis
import functools
import inspect
import types
from typing import NamedTuple


class Chain(NamedTuple):
    """A variable, and attributes read off it one after the other: `cfg.loss.weight`."""

    kind: str  # 'global', 'free' (of an enclosing function), 'parameter' (one that is never assigned to)
    variable: str
    attributes: tuple[str, ...]
    called: bool  # whether the value is called at once
    stored: bool  # whether the last attribute is not read but set or deleted


class Reads(NamedTuple):
    """What a code object reads and sets."""

    refused: str | None
    chains: frozenset[Chain]
    names: frozenset[str]  # attributes of anything else
    stored: frozenset[str]  # those of them that are set or deleted
    inner: tuple[types.CodeType, ...]  # functions that it makes


# on 3.11 to 3.14; names of variables and attributes are looked at below
_LISTED = """
    BEFORE_WITH BINARY_OP BINARY_SLICE BINARY_SUBSCR BUILD_CONST_KEY_MAP BUILD_LIST BUILD_MAP BUILD_SET BUILD_SLICE
    BUILD_STRING BUILD_TUPLE CACHE CALL CALL_FUNCTION_EX CALL_INTRINSIC_1 CALL_KW COMPARE_OP CONTAINS_OP
    CONVERT_VALUE COPY COPY_FREE_VARS DELETE_FAST DELETE_SUBSCR DICT_MERGE DICT_UPDATE END_FOR EXTENDED_ARG
    FORMAT_SIMPLE FORMAT_VALUE FORMAT_WITH_SPEC FOR_ITER GET_ITER GET_LEN GET_YIELD_FROM_ITER IS_OP JUMP_BACKWARD
    JUMP_BACKWARD_NO_INTERRUPT JUMP_FORWARD JUMP_IF_FALSE_OR_POP JUMP_IF_TRUE_OR_POP KW_NAMES LIST_APPEND
    LIST_EXTEND LIST_TO_TUPLE LOAD_ASSERTION_ERROR LOAD_CLOSURE LOAD_COMMON_CONSTANT LOAD_CONST LOAD_FAST
    LOAD_FAST_AND_CLEAR LOAD_FAST_BORROW LOAD_FAST_BORROW_LOAD_FAST_BORROW LOAD_FAST_CHECK LOAD_FAST_LOAD_FAST
    LOAD_SMALL_INT LOAD_SPECIAL MAKE_CELL MAKE_FUNCTION MAP_ADD MATCH_MAPPING MATCH_SEQUENCE NOP NOT_TAKEN
    POP_EXCEPT POP_ITER POP_JUMP_BACKWARD_IF_FALSE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE
    POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE
    POP_JUMP_FORWARD_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE POP_JUMP_IF_TRUE POP_TOP
    PRECALL PUSH_EXC_INFO PUSH_NULL RAISE_VARARGS RERAISE RESUME RETURN_CONST RETURN_GENERATOR RETURN_VALUE SET_ADD
    SET_FUNCTION_ATTRIBUTE SET_UPDATE STORE_FAST STORE_FAST_LOAD_FAST STORE_FAST_MAYBE_NULL STORE_FAST_STORE_FAST
    STORE_SLICE STORE_SUBSCR SWAP TO_BOOL UNARY_INVERT UNARY_NEGATIVE UNARY_NOT UNARY_POSITIVE UNPACK_EX
    UNPACK_SEQUENCE WITH_EXCEPT_START YIELD_VALUE
"""
_HARMLESS = frozenset(_LISTED.split())
_PARTS = {"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "STORE_ATTR", "DELETE_ATTR"}
_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"}
_FREE = {"LOAD_DEREF", "STORE_DEREF", "DELETE_DEREF", "LOAD_CLASSDEREF"}
_LOCAL = {"LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW"}
_BETWEEN = {"CACHE", "EXTENDED_ARG", "NOP", "RESUME", "NOT_TAKEN"}
_SIMPLE = _LOCAL | _GLOBAL | _FREE | {"LOAD_CONST", "LOAD_ATTR", "PUSH_NULL", "LOAD_SMALL_INT"}
_BY_NAME = {"getattr", "hasattr"}


@functools.cache
def reads(code: types.CodeType) -> Reads:
    """What this code object reads and sets; what those inside of it do is theirs."""
    instructions = [i for i in dis.get_instructions(code) if i.opname not in _BETWEEN]
    stored_locals = {
        name
        for i in instructions
        if i.opname.startswith(("STORE_FAST", "DELETE_FAST"))
        for name in (i.argval if isinstance(i.argval, tuple) else (i.argval,))
    }
    parameters = {*code.co_varnames[: _count(code)]} - stored_locals
    chains: set[Chain] = set()
    names: set[str] = set()
    stored: set[str] = set()
    refused: str | None = None
    open_: Chain | None = None  # what the instruction before has put on the stack
    handlers = 0

    def close() -> None:
        nonlocal open_
        if open_ is not None:
            chains.add(open_)
        open_ = None

    for at, i in enumerate(instructions):
        op, name = i.opname, i.argval
        if i.is_jump_target:
            close()  # there may be something else on the stack
        if op in _PARTS:
            sets = op in ("STORE_ATTR", "DELETE_ATTR")
            if _private(name):
                refused = refused or f"uses {name!r}"
            if open_ is not None and op != "LOAD_SUPER_ATTR":
                called = op == "LOAD_METHOD" or (op == "LOAD_ATTR" and "NULL|self" in (i.argrepr or ""))
                open_ = open_._replace(attributes=(*open_.attributes, name), called=called, stored=sets)
                if sets:
                    close()
            else:
                names.add(name)
                if sets:
                    stored.add(name)
            continue
        close()
        if op in _GLOBAL or op in _FREE:
            kind = "global" if op in _GLOBAL or _is_global(code, name) else "free"
            if kind == "free" and name not in code.co_freevars:
                continue  # a variable of its own, which functions inside of it share
            sets = op.startswith(("STORE", "DELETE"))
            open_ = Chain(kind, name, (), _calls(instructions, at), sets)
            if sets:
                close()
            elif kind == "global" and name in _BY_NAME:
                constant = _named(instructions, at)
                if constant is None:
                    refused = refused or f"calls {name} with a name that does not stand there"
                elif _private(constant):
                    refused = refused or f"uses {constant!r}"
                else:
                    names.add(constant)
        elif op in _LOCAL and name in parameters:
            open_ = Chain("parameter", name, (), _calls(instructions, at), False)
        elif op == "PUSH_EXC_INFO":
            handlers += 1
        elif op == "WITH_EXCEPT_START":
            handlers -= 1
        elif op == "CALL_INTRINSIC_1" and (i.arg or 0) not in (3, 5, 6):  # of generators; + x; a list as a tuple
            refused = refused or f"uses the instruction {op} {i.argval}"
        if op not in _HARMLESS and op not in _GLOBAL and op not in _FREE:
            refused = refused or _WHY.get(op, f"uses the instruction {op}, of which nothing is known")
    close()
    if handlers > 0:
        refused = refused or _WHY["CHECK_EXC_MATCH"]
    if code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        refused = refused or "is a coroutine"
    inner = tuple(c for c in code.co_consts if isinstance(c, types.CodeType))
    return Reads(refused, frozenset(chains), frozenset(names), frozenset(stored), inner)


_WHY = {
    "CHECK_EXC_MATCH": "catches exceptions, which depend on values, or cleans up after them",
    "IMPORT_NAME": "imports",
    "IMPORT_FROM": "imports",
    "LOAD_BUILD_CLASS": "makes a class",
    "MATCH_CLASS": "matches a class",
}
_OPEN = {"__init__", "__call__"}  # the names with two underscores that are as good as others


def _private(name: str) -> bool:
    """Whether an attribute leads behind what is watched: `__dict__`, `__class__`, `__closure__` and kin."""
    return name.startswith("__") and name.endswith("__") and name not in _OPEN


def _count(code: types.CodeType) -> int:
    flags = bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return code.co_argcount + code.co_kwonlyargcount + flags


def _is_global(code: types.CodeType, name: str) -> bool:
    return name not in code.co_freevars and name not in code.co_cellvars


def _calls(instructions: list[dis.Instruction], at: int) -> bool:
    """Whether what is loaded here is what a call calls: a NULL is below it (3.11, 3.12) or above it (from 3.13 on)."""
    i = instructions[at]
    before = at > 0 and instructions[at - 1].opname == "PUSH_NULL"
    after = at + 1 < len(instructions) and instructions[at + 1].opname == "PUSH_NULL"
    return before or after or (i.opname == "LOAD_GLOBAL" and "NULL" in (i.argrepr or ""))


def _named(instructions: list[dis.Instruction], at: int) -> str | None:
    """The constant name of getattr(…, name) or getattr(…, name, default), of simple arguments."""
    given: list[dis.Instruction] = []
    for i in instructions[at + 1 :]:
        if i.opname in ("PRECALL", "CALL"):
            n = i.arg or 0
            constants = [j.argval for j in given if j.opname == "LOAD_CONST" and isinstance(j.argval, str)]
            last = given[-(n - 1)] if n in (2, 3) and len(given) >= n else None
            return last.argval if last is not None and last.opname == "LOAD_CONST" and constants else None
        if i.opname not in _SIMPLE:
            return None
        given.append(i)
    return None
