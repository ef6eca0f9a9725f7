"""What an error says: the function that was called, what is wrong, and what it was given, each value with its type.

`named` is the one door for all of it. What goes wrong inside a public function is told in that function's name, whatever
it is made of, and a message of Python's or NumPy's own gets the arguments beside it. Nothing is paid for it until then.
"""

from __future__ import annotations

import dis
import functools
import inspect
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from numbers import Number
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .keywords import respelt as respelt

P = ParamSpec("P")
R = TypeVar("R")

HOME = os.path.dirname(os.path.abspath(__file__)) + os.sep  # of this package
_STANDARD = os.path.dirname(os.__file__) + os.sep
_STANDARD_OR_OURS = re.compile(f"{re.escape(HOME)}|{re.escape(_STANDARD)}(?!(dist|site)-packages)")
_LIBRARIES = re.compile(r"(.*[/\\])?(numpy|matplotlib|PIL|sklearn|scipy)[/\\]|<string>|<frozen|<__array_function__")
PREFIX = re.compile(r"[\w.-]+: ")

# what wrong arguments may raise, and what it is told as
FORWARD_ERRORS = ValueError, TypeError, IndexError, OverflowError, MemoryError  # of a function of arrays
ERRORS = *FORWARD_ERRORS, AttributeError, KeyError, ZeroDivisionError, RecursionError
_TOLD_AS = {AttributeError: TypeError, MemoryError: MemoryError, TypeError: TypeError, IndexError: IndexError}


def shown(value: Any) -> str:
    """The value with its type, in a few words; of an array dtype and shape.

    >>> shown("0.1"), shown(np.zeros((2, 3))), shown(None)
    ("'0.1' (str)", 'float64 (2, 3)', 'None')
    """
    if isinstance(value, np.ndarray) and value.dtype == object and not value.ndim:
        value = value.item()
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and isinstance(dtype, np.dtype) and not isinstance(value, np.generic):
        return f"{dtype} {shape}"
    if value is None:
        return "None"
    return f"{brief(value)} ({type(value).__name__})"


def brief(value: Any) -> str:
    """The value in a few words, without its type."""
    try:
        text = str(value) if isinstance(value, np.number) else repr(value)
    except Exception:  # whatever a stranger's repr does, there is something else to say
        return "…"
    return text if len(text) <= 60 and "\n" not in text else text[:56].partition("\n")[0] + " …"


def explained(error: BaseException, name: str, given: Iterable[str], named: dict[str, Any]) -> BaseException:
    """The error told in the name of a function: our own as it is, another with what the function was given."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if _raised_here(error) and not isinstance(error, AttributeError):
        prefix = PREFIX.match(text)
        error.args = (f"{name}: {text[prefix.end() if prefix else 0 :]}",)
        return error
    kind = next((told for base, told in _TOLD_AS.items() if isinstance(error, base)), ValueError)
    if not text.startswith(f"{name}: "):
        text = f"{name}: {text or type(error).__name__}"
    values = [*given, *(f"{what}={shown(value)}" for what, value in named.items() if what not in ("self", "cls"))]
    told = kind(f"{text} (given {', '.join(values) or 'nothing'})")
    told.__cause__ = error
    return told


def _raised_here(error: BaseException) -> bool:
    """Whether a `raise` of this package made it: then it says all that there is to say."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not trace.tb_frame.f_code.co_filename.startswith(HOME):
        return False
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"


def warn(text: str, kind: type[Warning] = UserWarning) -> None:
    """Warn, with the line that called this package, however deep inside it something was found."""
    frame, level = sys._getframe(1), 2
    while frame is not None and _STANDARD_OR_OURS.match(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1  # type: ignore[assignment]
    warnings.warn(text, kind, stacklevel=level)


def _strange(error: BaseException) -> bool:
    """Whether it comes from code that a caller passed in, or is the call itself, which does not fit the signature."""
    trace = error.__traceback__
    assert trace is not None
    if trace.tb_next is None:
        return isinstance(error, TypeError) and "argument" in str(error)
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not (_STANDARD_OR_OURS.match(file) or _LIBRARIES.match(file)):
            return True
        trace = trace.tb_next
    return False


def named(f: Callable[P, R]) -> Callable[P, R]:
    """Let what goes wrong inside f be told in f's name, or if f is a special method, in that of the class.

    >>> import math
    >>> named(math.factorial)(2.5)
    Traceback (most recent call last):
    TypeError: factorial: 'float' object cannot be interpreted as an integer (given n=2.5 (float))
    """

    @functools.wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return f(*args, **kwargs) if kwargs else f(*args)  # type: ignore[call-arg]  # which is faster
        except ERRORS as error:
            if _strange(error):
                again = _respelt(f, args, kwargs, error) if kwargs else None
                if again is None:
                    raise
            else:
                raise explained(error, _called(f, args), *_given(f, args, kwargs))  # noqa: B904
        return named(f)(*again[0], **again[1])  # not `call`, which would hold on to itself

    return call


def _called(f: Callable, args: tuple) -> str:
    """What a function is called in an error: a special method by its class."""
    if "." in f.__qualname__ and "<locals>" not in f.__qualname__:  # a method
        kind = type(args[0]).__name__ if args else ""
        return kind if f.__name__.startswith("__") else re.sub(r"^_\w+", kind, f.__qualname__)
    return f.__name__.lstrip("_").removesuffix("__")


def _respelt(f: Callable, args: tuple, kwargs: dict[str, Any], error: BaseException) -> tuple[tuple, dict] | None:
    """The arguments under our names, if the call itself did not fit, by its keywords."""
    assert error.__traceback__ is not None
    return respelt(f, args, kwargs) if error.__traceback__.tb_next is None else None


def _given(f: Callable, args: tuple, kwargs: dict[str, Any]) -> tuple[Iterable[str], dict[str, Any]]:
    try:
        return (), inspect.signature(f).bind_partial(*args, **kwargs).arguments
    except TypeError:
        return map(shown, args), kwargs


def check_function(name: str, setting: str, value: Any, *others: None) -> None:
    """Raise TypeError unless the value is a function, or one of the others that may stand for it."""
    if not callable(value) and not any(value is other for other in others):
        raise TypeError(f"{name}: {setting} is {shown(value)}; it must be a function{' or None' * bool(others)}")


def declaring(f: Callable[P, R]) -> Callable[P, R]:
    """`named`, for what declares how a primitive is differentiated: its arguments are the primitive, and rules."""

    def checked(op: Any, *rules: Any, **options: Any) -> Any:
        if not hasattr(op, "forward"):
            raise TypeError(f"{f.__name__}: op is {shown(op)}; it must be a primitive: mg.primitive(f)")
        for rule in rules:
            for one in rule if isinstance(rule, list | tuple) else [rule]:
                if not callable(one) and not isinstance(one, Number):
                    raise TypeError(f"{f.__name__}: a rule is {shown(one)}; it must be a function of tensors")
        return declare(op, *rules, **options)

    declare: Any = f
    wrapped: Any = functools.update_wrapper(checked, declare)
    return named(wrapped)
