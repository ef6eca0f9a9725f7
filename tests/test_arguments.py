"""Wrong arguments for every public name: a call works, or minigrad itself says who was called, with what, and why not.

A message of Python's or NumPy's own, raised somewhere inside, helps nobody. The valid calls stand in `calls.py`; each
argument in turn is replaced by each of the wrong values, and left out, and one too many is given.
"""

import dis
import inspect
import signal
import warnings
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import pytest
from calls import CALLS, NO_CALLS
from generated import SECONDS, cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import data, lab, nn, optim, train, viz
from minigrad.errors import HOME

PACKAGES = {"nn": nn, "optim": optim, "data": data, "train": train, "viz": viz, "lab": lab}

# names that are not held yet, with the reason
UNHELD: dict[str, str] = {}


class Odd:
    """An object of no kind that anybody wants."""


WRONG = {
    "None": lambda: None, "text": lambda: "text", "empty text": lambda: "", "bytes": lambda: b"bytes",
    "-1": lambda: -1, "0": lambda: 0, "7": lambda: 7, "2.5": lambda: 2.5, "nan": lambda: float("nan"), "inf": lambda: float("inf"),
    "-inf": lambda: -float("inf"), "huge": lambda: 2**62, "beyond": lambda: 10**30, "True": lambda: True, "complex": lambda: 1 + 2j,
    "np.int64": lambda: np.int64(4), "np.float32": lambda: np.float32(0.5), "[]": lambda: [], "()": lambda: (), "{}": dict,
    "set": lambda: {1, 2}, "object": Odd, "function": lambda: len, "class": lambda: Odd, "generator": lambda: iter([1, 2]),
    "ragged": lambda: [[1.0], [1.0, 2.0]], "texts": lambda: ["a", "b"], "Nones": lambda: [None, None], "(1, 2, 3)": lambda: (1, 2, 3),
    "(-1, -1)": lambda: (-1, -1), "(2.5, 2.5)": lambda: (2.5, 2.5), "huge pair": lambda: (2**62, 2**62), "nested": lambda: [[[]]],
    "0-d": lambda: np.array(1.0), "1-d": lambda: np.ones(5), "empty": lambda: np.zeros((0, 3)), "5-d": lambda: np.ones((1, 2, 1, 2, 1)),
    "float32": lambda: np.ones((2, 3), np.float32), "ints": lambda: np.ones((2, 3), int), "bools": lambda: np.ones((2, 3), bool),
    "complexes": lambda: np.ones((2, 3), complex), "objects": lambda: np.array([Odd(), None]), "strings": lambda: np.array(["a", "b"]),
    "dates": lambda: np.array(["2020-01-01"], "datetime64[D]"), "nans": lambda: np.full((2, 3), np.nan),
    "tensor": lambda: mg.tensor([1.0, 2.0], requires_grad=True), "0-d tensor": lambda: mg.tensor(2), "tensors": lambda: [mg.tensor(1.0), mg.tensor([1.0])],
    "module": lambda: nn.ReLU(), "slice": lambda: slice(None), "Ellipsis": lambda: ...,
}  # fmt: skip


class TooLong(BaseException):
    """A call that does not end."""


def limited(f, seconds=5):
    """f(), or TooLong."""

    def stop(*_):
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return f()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def slots(name):
    """The places for arguments of the valid call: positions, keywords, and optional parameters that it does not give."""
    f, args, kwargs = CALLS[name]()
    found = [*range(name.startswith("Tensor."), len(args)), *kwargs]  # a method is not called on anything else
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except ValueError:
        return found
    given = {p.name for p in parameters[: len(args)]}
    return found + [
        p.name for p in parameters if p.default is not p.empty and p.name not in given and p.name not in kwargs
    ]


def outcome(name, slot, wrong):
    """What is wrong with how the call ends: nothing, if it works or minigrad says clearly why not."""
    f, args, kwargs = CALLS[name]()
    value = wrong()
    if isinstance(slot, int):
        args = (*args[:slot], value, *args[slot + 1 :])
    else:
        kwargs[slot] = value
    return judged(name, partial(f, *args, **kwargs), value, f)


def judged(name, act, value, f):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            limited(act)
            return None
        except TooLong:
            return "it does not end"
        except Exception as error:
            return complaint(name, error, value, f)


def complaint(name, error, value, f):
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    text, code = str(error), trace.tb_frame.f_code
    if (isinstance(error, TypeError) and "argument" in text and code.co_filename == __file__) or code.co_name == "call":
        return (
            None if "(" in text else f"{type(error).__name__}: {text}"
        )  # it does not fit the signature: Python says so
    where = f"{code.co_filename}:{trace.tb_lineno}"
    told = f"{type(error).__name__}: {text} [{where}]"
    if not code.co_filename.startswith(HOME) or dis.opname[code.co_code[trace.tb_lasti]] != "RAISE_VARARGS":
        return f"not said by minigrad: {told}"
    if isinstance(error, (KeyError, AssertionError, AttributeError)):
        return f"no kind of error for an argument: {told}"
    if isinstance(error, OSError):
        return None  # it names the file
    if not text.startswith(tuple(f"{who}:" for who in called(name))):
        return f"it does not name {called(name)[0]}: {told}"
    return f"it does not show the value: {told}" if isinstance(error, TypeError) and not shows(text, value) else None


def called(name):
    """What a message may call the function: operators as what they stand for, methods with their class or not."""
    *_, owner, last = ("", *name.split("."))
    if "f" in inspect.signature(CALLS[name]()[0]).parameters:
        return [last, *mg.__all__]  # a function of the caller's goes on with the argument
    plain = last.strip("_")
    if plain != last:
        return [owner if plain == "call" else OPERATIONS.get(plain, plain.removeprefix("r"))]
    return [f"{owner}.{last}", owner] if owner[:1].isupper() and owner != "Tensor" else [OPERATIONS.get(last, last)]


OPERATIONS = {"truediv": "div", "rtruediv": "div", "pow": "power", "rpow": "power", "Primitive": "primitive"}


def shows(text, value):
    """Whether a message shows the value or an entry of it, its type, or its dtype."""
    found = [type(value).__name__, str(value)[:40], repr(value)[:40]]
    if isinstance(value, (np.ndarray, mg.Tensor)):
        array = np.asarray(value.data if isinstance(value, mg.Tensor) else value)
        found += ["array", str(array.dtype), array.dtype.type.__name__, *map(repr, array.ravel().tolist())]
        found += [type(entry).__name__ for entry in array.flat]
    elif isinstance(value, Iterable):
        entries = [1] if isinstance(value, Iterator) else [*value]
        found += ["int64", "|S5", *map(repr, entries), *(type(entry).__name__ for entry in entries)]
    return callable(value) or any(part and part.lower() in text.lower() for part in found)


ROWS = sorted(CALLS)


def check(name, slot, which):
    found = outcome(name, slot, WRONG[which])
    assert found is None, f"{name}: {slot!r} = {which}: {found}"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what is taken for a path is written here


def test_every_public_name_has_a_valid_call():
    there = set(mg.__all__) | {f"{p}.{n}" for p, m in PACKAGES.items() for n in m.__all__}
    assert not there - set(CALLS) - NO_CALLS
    assert not NO_CALLS - there


@pytest.mark.parametrize("name", ROWS)
def test_the_valid_call_works(name):
    f, args, kwargs = CALLS[name]()
    try:
        f(*args, **kwargs)
    except (FileNotFoundError, RuntimeError) as error:
        assert "no/such" in str(error) or "end_with_parent" in str(error)


@st.composite
def mistakes(draw):
    name = draw(st.sampled_from([n for n in ROWS if n not in UNHELD and slots(n)]))
    return name, draw(st.sampled_from(slots(name))), draw(st.sampled_from(sorted(WRONG)))


@cases(1000 if SECONDS else 300)
@given(mistakes())
def test_a_wrong_argument(mistake):
    check(*mistake)
