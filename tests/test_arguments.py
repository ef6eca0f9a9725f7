"""Wrong arguments for every public name: a call works, or minigrad itself says who was called, with what, and why not.

A message of Python's or NumPy's own, raised somewhere inside, helps nobody. The valid calls stand in `calls.py`; each
argument in turn is replaced by each of the wrong values, and left out, and one too many is given.
"""

import dis
import functools
import inspect
import re
import signal
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from calls import CALLS, NO_CALLS
from generated import SECONDS, cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import data, fft, lab, linalg, nn, optim, special, train, viz
from minigrad.errors import HOME
from minigrad.ops import spelling
from minigrad.ranges import whole

PACKAGES = {
    "nn": nn,
    "optim": optim,
    "data": data,
    "train": train,
    "viz": viz,
    "lab": lab,
    "linalg": linalg,
    "fft": fft,
    "special": special,
}


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


SIGNATURE = re.compile(r"\(\) (missing|takes|got) .*argument")


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


@functools.cache
def slots(name):
    """The places for arguments of the valid call: positions, keywords, and optional parameters that it does not give."""
    f, args, kwargs = CALLS[name]()
    found = [
        *range(name.startswith(("Tensor.", "nn.Sequential.__")), len(args)),
        *kwargs,
    ]  # a method is not called on anything else
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except ValueError:
        return found
    given = {p.name for p in parameters[: len(args)]}
    return found + [
        p.name for p in parameters if p.default is not p.empty and p.name not in given and p.name not in kwargs
    ]


AS_MANY = "epochs", "cycles", "budget", "depth", "layers", "num_layers", "num_encoder_layers", "num_decoder_layers"


def outcome(name, slot, wrong):
    """What is wrong with how the call ends: nothing, if it works or minigrad says clearly why not."""
    f, args, kwargs = CALLS[name]()
    value = wrong()
    if slot in ("callback", "loss") and callable(value):
        return None  # what it does is the caller's
    if slot in AS_MANY and whole(100).holds(value):
        return None  # it takes as long as was asked for
    if isinstance(slot, int):
        args = (*args[:slot], value, *args[slot + 1 :])
    else:
        kwargs[slot] = value
    return judged(name, functools.partial(f, *args, **kwargs), value, f)


def judged(name, act, value, f):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            limited(act, 60 if name in SLOW else 5)
            return None
        except TooLong:
            return "it does not end"
        except Exception as error:
            return complaint(name, error, value, f)


def shown_in(text, value):
    """Whether a message shows a wrong value, or of a list the part that is wrong."""
    return shows(text, value) or (isinstance(value, list) and any(shows(text, part) for part in value))


def complaint(name, error, value, f):
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    text, code = str(error), trace.tb_frame.f_code
    if isinstance(error, TypeError) and SIGNATURE.search(text):
        return None  # it does not fit the signature, and Python says so
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
    return f"it does not show the value: {told}" if isinstance(error, TypeError) and not shown_in(text, value) else None


def called(name):
    """What a message may call the function: operators as what they stand for, methods with their class or not."""
    *_, owner, last = ("", *name.split("."))
    if {"f", "model"} & {*inspect.signature(CALLS[name]()[0]).parameters}:
        return [last, *mg.__all__]  # a function of the caller's goes on with the argument
    plain = last.strip("_")
    if (owner, plain) == ("Tensor", "setitem"):
        return ["set_at", "x[…] = …"]
    if last.startswith("__"):
        operations = mg.__all__ if owner in nn.__all__ else []  # a layer is told as what it computes
        return [owner, *operations] if owner != "Tensor" else [OPERATIONS.get(plain, plain.removeprefix("r"))]
    return (
        [f"{owner}.{last}", owner, *[last] * (owner == "Module")]
        if owner[:1].isupper() and owner != "Tensor"
        else [OPERATIONS.get(last, last), SPELT.get(last, last), last, *ALIASES.get(name, ())]
    )


SPELT = {
    n: row.rpartition(".")[2] for n, row in spelling.FUNCTIONS.items() if isinstance(row, str)
}  # PyTorch's, and ours
ALIASES = {f"special.{n}": [f.__name__] for n, f in vars(special).items() if n in special.__all__}  # psi is digamma
ALIASES["signal.windows"] = ["kaiser"]
OPERATIONS = {
    **{"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"},
    "truediv": "div",
    "rtruediv": "div",
    "pow": "power",
    "rpow": "power",
    "Primitive": "primitive",
    "true_divide": "div",
}
OPERATIONS |= {f"{r}{n}": f"bitwise_{n}" for n in ("and", "or", "xor") for r in ("", "r")}
OPERATIONS |= {
    f"{r}{n}shift": f"bitwise_{side}_shift" for n, side in (("l", "left"), ("r", "right")) for r in ("", "r")
}
OPERATIONS |= {
    "divide": "div",
    "multiply": "mul",
    "subtract": "sub",
    "negative": "neg",
}


def shows(text, value):
    """Whether a message shows the value or an entry of it, its type, or its dtype."""
    found = [
        type(value).__name__,
        "dtype" if isinstance(value, (bytes, dict)) else "",
        str(value)[:40],
        repr(value)[:40],
    ]
    if isinstance(value, (np.ndarray, mg.Tensor)):
        array = np.asarray(value.data if isinstance(value, mg.Tensor) else value)
        found += ["array", str(array.dtype), array.dtype.type.__name__, *map(repr, array.ravel().tolist())]
        found += [type(entry).__name__ for entry in array.flat]
    elif isinstance(value, Iterable):
        entries = [1, 1.0] if isinstance(value, Iterator) or repr([*value][:1]) == "[[1.0]]" else [*value]
        found += ["int64", "|S5", *map(repr, entries), *(type(entry).__name__ for entry in entries)]
    return callable(value) or any(part and part.lower() in text.lower() for part in found)


ROWS = sorted(CALLS)
SLOW = {n for n in ROWS if n.startswith("viz.")} | {
    "data.digits",
    "lab.doctor",
    "lab.lecture.effects",
    "train.ensemble",
}
HELD = [name for name in ROWS if slots(name)]


def check(name, slot, which):
    found = outcome(name, slot, WRONG[which])
    assert found is None, f"{name}: {slot!r} = {which}: {found}"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what is taken for a path is written here


def test_every_public_name_has_a_valid_call():
    there = set(mg.__all__) | {f"{p}.{n}" for p, m in PACKAGES.items() for n in m.__all__}
    there |= {f"Tensor.{n}" for n, f in vars(mg.Tensor).items() if callable(f) and not n.startswith("_")}
    there |= {n for n, f in spelling.FUNCTIONS.items() if callable(f) and f"Tensor.{n}" not in CALLS}
    there |= {f"nn.functional.{n}" for n, f in spelling.FUNCTIONAL.items() if callable(f)}
    assert not there - set(CALLS) - NO_CALLS
    assert not NO_CALLS - there


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in ROWS])
def test_the_valid_call_works(name):
    f, args, kwargs = CALLS[name]()
    try:
        f(*args, **kwargs)
    except (FileNotFoundError, RuntimeError) as error:
        assert "no/such" in str(error) or "end_with_parent" in str(error)


@st.composite
def mistakes(draw, names):
    name = draw(st.sampled_from(names))
    return name, draw(st.sampled_from(slots(name))), draw(st.sampled_from(sorted(WRONG)))


@cases(1000 if SECONDS else 150)
@given(mistakes([n for n in HELD if n not in SLOW]))
def test_a_wrong_argument(mistake):
    check(*mistake)


@pytest.mark.slow
@cases(20)
@given(mistakes([n for n in HELD if n in SLOW]))
def test_a_wrong_argument_of_a_picture(mistake):
    check(*mistake)


@pytest.mark.parametrize("name", [n for n in HELD if n not in SLOW])
def test_what_is_missing_and_what_is_too_much(name):
    f, args, kwargs = CALLS[name]()
    for act in (
        (lambda: f(*args[:-1], **kwargs)),
        (lambda: f(*args, **kwargs, no_such_setting=1)),
        lambda: f(*args, *[None] * 30),
    ):
        found = judged(name, act, print, f)
        assert found is None, found


@pytest.mark.parametrize(
    "name", [n for n in HELD if "." not in n and isinstance(getattr(mg, n), type(mg.sum) | mg.Primitive)]
)
def test_messages_begin_with_the_name_of_the_function_that_was_called(name):
    f, args, kwargs = CALLS[name]()
    for i, kept in enumerate(args):
        wrong = (
            [object(), "text", np.full((0, 1, 9, 9, 1), 1j)]
            if isinstance(kept, (mg.Tensor, np.ndarray))
            else [object()]
        )
        for value in wrong:
            try:
                f(*args[:i], value, *args[i + 1 :], **kwargs)
            except Exception as error:
                assert str(error).startswith(f"{name}:"), str(error)


AXES = "sum mean var std max min logsumexp softmax log_softmax squeeze expand_dims concat stack"


@pytest.mark.parametrize("name", AXES.split())
def test_a_wrong_axis_is_told_by_the_function_that_was_called(name):
    x = np.ones((2, 3))
    for axis in 5, -9, "0", 0.5, (0, "1"), object():
        with pytest.raises((ValueError, TypeError), match=f"^{name}: "):
            getattr(mg, name)([x, x] if name in ("concat", "stack") else x, axis)
    for method in [getattr(mg.tensor(x), name)] if hasattr(mg.Tensor, name) else []:
        with pytest.raises(ValueError, match=f"^{name}: axis 5 is out of range for a tensor of 2 axes"):
            method(5)


def test_errors_of_a_callers_own_function_are_left_as_they_are():
    def wrong(p):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        mg.grad(wrong)(1.0)
    with pytest.raises(KeyError, match="mine"):
        optim.minimize(wrong, [1.0])
    with pytest.raises(ValueError, match="mine"):
        mg.concat(wrong_part() for _ in range(2))


def wrong_part():
    raise ValueError("mine")
