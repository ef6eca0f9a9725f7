"""Derivatives as text, read off their declarations: what the engine computes is what the page says.

`elementwise(exp, lambda y, x: y)` says "g * y". The text is the source of the lambda, without what is only bookkeeping;
with numbers in place of names it is the same for one case.
"""

from __future__ import annotations

import ast
import copy
import dis
import functools
import inspect
import linecache
import re
import textwrap
from collections.abc import Callable, Mapping
from types import CodeType, FunctionType
from typing import Any

from ..tape import Fused, Primitive

_LONG = 1500  # characters of a composition's source


def rule(op: Primitive) -> dict[str, Any]:
    """The derivative of an operation by words: its kind, arguments, rule up for each argument, and composition if fused."""
    arguments = _arguments(op)
    doc = inspect.getdoc(op) or ""
    return {
        "kind": op.kind,
        "arguments": arguments,
        "up": _up(op, arguments),
        "composition": _source(op.composition) if op.composition is not None else None,
        "doc": doc.partition("\n")[0],
    }


def worked(op: Primitive, i: int, g: float, y: float, inputs: list[float], params: Mapping[str, Any]) -> str | None:
    """The rule for argument i with the numbers of one case put in; None where the declaration is no one expression.

    >>> from minigrad.ops.elementwise import div
    >>> worked(div, 1, 1.0, 1.5, [-3.0, 2.0], {})
    '1 * (-1.5 / 2)'
    """
    found = _text(op, i)
    if found is None:
        return None
    names, text = found
    numbers = {name: v for name, v in params.items() if isinstance(v, int | float)}
    values = {name: _short(value) for name, value in (*zip(names, [g, y, *inputs]), *numbers.items())}

    def put(name: re.Match) -> str:
        text = values.get(name[0], name[0])
        signed = text.startswith("-") and name.start() and not name.string[: name.start()].endswith("(")
        return f"({text})" if signed else text

    return re.sub(r"(?<![\w.])[a-z]\w*(?![\w=(.])", put, text)


@functools.lru_cache(maxsize=512)
def _text(op: Primitive, i: int) -> tuple[list[str], str] | None:
    found = _expression(op, i)
    return found and (found[0], ast.unparse(found[1]))


def _short(x: float) -> str:
    return f"{x:.4g}"


def _arguments(op: Primitive) -> list[str]:
    f = op.composition or op.forward
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        p.name if p.kind in kinds else f"*{p.name}"
        for p in parameters
        if p.kind in (*kinds, inspect.Parameter.VAR_POSITIONAL)
    ]


def _up(op: Primitive, arguments: list[str]) -> list[str]:
    if isinstance(op, Fused):
        kernel = getattr(op.backward, "__name__", "")
        name = "the composition" if not kernel or kernel == "<lambda>" else kernel.strip("_")
        return [f"{name}(g, {', '.join(arguments)})"] * len(arguments)
    found = [_text(op, i) for i in range(len(op.statement))]
    return [f[1] if f else _named(s) for f, s in zip(found, op.statement)]


def _named(statement: Any) -> str:
    """What can be said of a rule that is more than one expression: its name, and the first line of its docstring."""
    name = getattr(statement, "__name__", "").strip("_")
    if not name or name == "<lambda>":
        return "a rule of its own"
    names = ", ".join(inspect.signature(statement).parameters) if isinstance(statement, FunctionType) else "g, y, …"
    doc = (inspect.getdoc(statement) or "").partition("\n")[0]
    return f"{name}({names})" + (f": {doc}" if doc else "")


def _expression(op: Primitive, i: int) -> tuple[list[str], ast.expr] | None:
    """The rule for argument i as names (g, y, inputs …) and an expression of them."""
    if not op.statement or (i >= len(op.statement) and len(op.statement) > 1):
        return None
    statement = op.statement[min(i, len(op.statement) - 1)]
    if not callable(statement):  # a number: the same slope everywhere
        slope = _constant(float(statement))
        return ["g"], _Name("g") if statement == 1 else _times(_Name("g"), slope)
    found = _body(statement)
    if found is None:
        return None
    names, body = found
    if op.kind != "elementwise":
        if names and "g" not in names:
            names, body = ["g", *names[1:]], _Put({names[0]: _Name("g")}).visit(body)
        return names, _along(body, statement, names)
    return ["g", *names], _times(_Name("g"), body)


def _along(body: ast.expr, rule: Callable, names: list[str]) -> ast.expr:
    """If the rule calls an elementwise operation along g, as tanh does, the slope of that one."""
    inner = _called(body, rule)
    if inner is None or inner.kind != "elementwise" or not isinstance(body, ast.Call) or body.keywords:
        return body
    first = body.args[0]
    found = _body(inner.statement[0]) if callable(inner.statement[0]) else None
    if found is None or not (isinstance(first, ast.Name) and first.id == names[0]):
        return body
    own, slope = found
    if any(isinstance(n, ast.Name) and n.id in own[:2] for n in ast.walk(slope)):
        return body  # it is not linear in g
    return _times(first, _Put(dict(zip(own[1:], body.args))).visit(slope))


def _called(body: ast.expr, rule: Callable) -> Primitive | None:
    if not (isinstance(body, ast.Call) and isinstance(body.func, ast.Name) and body.args):
        return None
    known = inspect.getclosurevars(rule) if isinstance(rule, FunctionType) else None
    if known is None:
        return None
    name = body.func.id
    found = next((v[n] for v in (known.nonlocals, known.globals) for n in v if n.strip("_") == name), None)
    return found if isinstance(found, Primitive) else None


# ---- source text -------------------------------------------------------------------------------------------------


def _body(f: Callable) -> tuple[list[str], ast.expr] | None:
    """The names of a function's positional arguments and the one expression that it returns; None if it is more."""
    node = _syntax(f.__code__) if isinstance(f, FunctionType) else None
    if node is None:
        return None
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    body = node.body
    if isinstance(body, list):
        *before, last = body
        documented = all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in before)
        if not (documented and isinstance(last, ast.Return) and last.value is not None):
            return None
        body = last.value
    return names, _Plain().visit(copy.deepcopy(body))


@functools.lru_cache(maxsize=512)
def _syntax(code: CodeType) -> ast.Lambda | ast.FunctionDef | None:
    found = [n for n in _functions(code) if _is(n, code)]
    return found[0] if found else None


def _functions(code: CodeType) -> list[Any]:
    """The functions that begin on the line where this one does."""
    whole, line = _parse("".join(linecache.getlines(code.co_filename))), code.co_firstlineno
    if whole is None:  # no file of Python: the block alone
        try:
            lines, _ = inspect.getsourcelines(code)
        except (OSError, TypeError):
            return []
        text = textwrap.dedent("".join(lines)).strip()
        whole, line = next((t for t in map(_parse, (text, f"({text})", f"({text.rstrip(',)')})")) if t), None), 1
        if whole is None:
            return []
    kinds = ast.Lambda, ast.FunctionDef
    return [n for n in ast.walk(whole) if isinstance(n, kinds) and _first(n) == line]


def _first(node: ast.Lambda | ast.FunctionDef) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


@functools.lru_cache(maxsize=16)
def _parse(text: str) -> ast.AST | None:
    try:
        return ast.parse(text) if text.strip() else None
    except SyntaxError:
        return None


def _is(node: Any, code: CodeType) -> bool:
    """Whether it is this function: of the same name and arguments, and compiled to the same."""
    arguments = node.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    count = code.co_argcount + code.co_kwonlyargcount
    if names != list(code.co_varnames[:count]) or getattr(node, "name", "<lambda>") != code.co_name:
        return False
    if not isinstance(node, ast.Lambda):
        return True
    made = compile(ast.Expression(ast.fix_missing_locations(copy.deepcopy(node))), "", "eval").co_consts
    return any(isinstance(c, CodeType) and _reads(c) == _reads(code) for c in made)


def _reads(code: CodeType) -> list[str]:
    """What a function reads and computes, in order; whether a name is global or of a function around it is left open."""
    instructions = dis.get_instructions(code)
    kinds = "LOAD_", "BINARY_", "UNARY_", "COMPARE_"
    return [
        "code" if isinstance(i.argval, CodeType) else str(i.argval) for i in instructions if i.opname.startswith(kinds)
    ]


def _source(f: Callable) -> str | None:
    try:
        text = textwrap.dedent(inspect.getsource(f))
    except (OSError, TypeError):
        return None
    return text if len(text) <= _LONG else text[:_LONG] + " …"


# ---- expressions -------------------------------------------------------------------------------------------------


def _Name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _constant(x: float) -> ast.expr:
    short: float = float(f"{abs(x):.4g}")
    short = int(short) if short.is_integer() and short < 1e6 else short
    return ast.UnaryOp(ast.USub(), ast.Constant(short)) if x < 0 else ast.Constant(short)


def _times(a: ast.expr, b: ast.expr) -> ast.expr:
    return ast.BinOp(a, ast.Mult(), b)


class _Plain(ast.NodeTransformer):
    """Without what is only bookkeeping: `x._data` is x, `dispatch(f, x)` is f(x), `decision(m, x)` is m, `**k` goes."""

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.generic_visit(node)
        return node.value if node.attr == "_data" else node

    def visit_Name(self, node: ast.Name) -> Any:
        return _Name(node.id.strip("_"))

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        keywords = [k for k in node.keywords if k.arg is not None]
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "dispatch" and node.args:
            return ast.Call(node.args[0], node.args[1:], keywords)
        if name == "decision" and node.args:
            return node.args[0]
        return ast.Call(node.func, node.args, keywords)


class _Put(ast.NodeTransformer):
    """Expressions in place of names."""

    def __init__(self, by: Mapping[str, ast.expr]) -> None:
        self.by = by

    def visit_Name(self, node: ast.Name) -> Any:
        return copy.deepcopy(self.by.get(node.id, node))
