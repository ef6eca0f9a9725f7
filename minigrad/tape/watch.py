"""What a thread is doing, and who watches it.

Whatever the library does passes a door: `dispatch` (in tensor.py) for what it computes, `draw` for what is random,
`effect` for what is changed, `look` for a value that Python acts on. A `Watcher` sees what passes. So the compiler writes
down a step, and a trace explains one, without a word of either in a layer or an optimizer. Where nobody watches, a door
costs one look at `state.watcher`.
"""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from .primitive import Primitive
    from .tensor import Array, Tensor

P = ParamSpec("P")
R = TypeVar("R")
_SKIPS = 100  # remembered

tick = itertools.count(1)  # orders what all threads record


class Skip(NamedTuple):
    """A block that was not executed: its tape has nothing of it but a gap at this tick."""

    time: int
    scope: str
    kind: str
    p: float | None

    @property
    def text(self) -> str:
        """What happened, in words."""
        return "not executed" + ("" if self.p is None else f", p = {self.p:.3g}")


class State(threading.local):
    """What a thread is doing."""

    recording = True
    traced: tuple[Sequence[Tensor], ...] = ()  # what the functions that it is inside of are being differentiated by
    scope = ""  # the path of the module that it is inside of
    within: Primitive | None = None  # the operation whose derivative is being walked
    watcher: Watcher | None = None
    skips: tuple[Skip, ...] = ()  # the latest, while recording


state = State()


class Attributes:
    """The attributes of all modules, on which what they do may depend: how often one was set."""

    changes = 0

    def changed(self) -> None:
        self.changes += 1


attributes = Attributes()


class Watcher:
    """Sees what this thread does, in the block of `watching`; here every method does nothing.

    A method may refuse: what it raises comes out where the thing was done. With `eager` no value is put off, so that each
    is computed where its operation is called (ops/fusion.py).

    >>> class Names(Watcher):
    ...     def computed(self, f, inputs, params, out):
    ...         print(f.__name__)
    >>> import minigrad as mg, numpy as np
    >>> with watching(Names()):
    ...     y = mg.tanh(mg.add(np.ones(2), 1.0))
    add
    tanh
    """

    eager = False

    def computing(self, f: Callable) -> None:
        """A function of arrays begins."""

    def computed(self, f: Callable, inputs: tuple, params: dict[str, Any], out: Any) -> None:
        """f(*inputs, **params), a function of arrays, gave out; inputs may be tensors, their arrays are meant."""

    def failed(self) -> None:
        """What began last, or an effect, raised an error, which somebody may catch."""

    def drew(self, f: Callable, args: tuple, out: Any) -> None:
        """f(*args) drew random numbers and gave out."""

    def changed(self, f: Callable, args: tuple, kwargs: dict[str, Any]) -> None:
        """f(*args, **kwargs) was called for what it changes or checks; what happened inside was not told."""

    def assumed(self, f: Callable, args: tuple, out: bool) -> None:
        """Python goes on by what f(*args) found out about values."""

    def attribute_set(self, module: Any, name: str) -> None:
        """An attribute of a module was set or deleted, and not by an effect."""

    def looked(self, why: str, x: Any = None) -> None:
        """Python looks at a value, of the tensor x or of what `why` says, and may act on it."""

    def walk_begun(self, direction: str, tape: list) -> None:
        """A walk 'up' or 'down' this tape begins; walks may be nested."""

    def walk_ended(self) -> None:
        """The walk that began last is over."""

    def pulling(self, y: Any, g: Any) -> None:
        """The walk up has come to y with its gradient g, all paths added up, and asks the operation that made y."""

    def pulled(self, y: Any, wanted: list, gradients: list) -> None:
        """It has got a gradient for each of the wanted inputs (i, x) of that operation."""

    def entered(self, path: str, module: Any) -> None:
        """A module is called; `path` is empty where nothing is recorded, and of the outermost one."""

    def left(self, path: str, module: Any) -> None:
        """The module's call is over."""

    def skipped(self, module: Any) -> None:
        """The module did not execute the block that it is in charge of."""

    def released(self, x: Any) -> None:
        """A walk has passed the tensor x and let go of how it was made."""

    # ---- for those who want to know of each array where it came from

    def made(self, x: Any) -> None:
        """The tensor x was made of an array."""

    def took(self, x: Any) -> None:
        """The array of the tensor x was taken: labels, an index, a condition."""

    def detached(self, x: Any) -> None:
        """The tensor x goes on as a constant."""

    def constant(self, array: Any) -> None:
        """The library made an array that depends on nothing but shapes and numbers."""

    def given(self, data: Any) -> Any:
        """What the library is to take in place of data, which a caller gave."""
        return data

    def exposed(self, array: Any) -> Any:
        """What a caller gets in place of an array, and may look at."""
        return array

    def unchanging(self, x: Any) -> bool:
        """Whether nobody can write to x's array before it is used."""
        return False


class _Both(Watcher):
    """Two watchers: the inner one is told first."""

    def __init__(self, outer: Watcher, inner: Watcher) -> None:
        self.inner, self.outer = inner, outer
        self.eager = inner.eager or outer.eager

    def given(self, data: Any) -> Any:
        return self.outer.given(self.inner.given(data))

    def exposed(self, array: Any) -> Any:
        return self.inner.exposed(self.outer.exposed(array))

    def unchanging(self, x: Any) -> bool:
        return self.inner.unchanging(x) or self.outer.unchanging(x)


def _tell_both(name: str) -> Callable:
    def tell(self: _Both, *args: Any) -> None:
        getattr(self.inner, name)(*args)
        getattr(self.outer, name)(*args)

    return tell


for _name in set(vars(Watcher)) - set(vars(_Both)):
    if not _name.startswith("_"):
        setattr(_Both, _name, _tell_both(_name))


@contextmanager
def watching(watcher: Watcher) -> Iterator[Watcher]:
    """Within the block, the watcher sees what this thread does; so do those who watched before."""
    before = state.watcher
    state.watcher = watcher if before is None else _Both(before, watcher)
    try:
        yield watcher
    finally:
        state.watcher = before


# ---- the doors ---------------------------------------------------------------------------------------------------


def draw(f: Callable, *args: Any) -> Any:
    """f(*args), which draws random numbers: whatever is random passes here."""
    out = f(*args)
    if state.watcher is not None:
        state.watcher.drew(f, args, out)
    return out


def effect(f: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """f(*args, **kwargs), called for what it changes or checks: those who watch see it as a whole, not what is inside."""
    watcher = state.watcher
    if watcher is None:
        return f(*args, **kwargs)
    state.watcher = None
    try:
        out = f(*args, **kwargs)
    except BaseException:
        watcher.failed()
        raise
    finally:
        state.watcher = watcher
    watcher.changed(f, args, kwargs)
    return out


def effectful(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Declare that a method changes something: each call is an `effect`."""

    @functools.wraps(method)
    def told(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(self, *args, **kwargs) if state.watcher is None else effect(method, self, *args, **kwargs)

    return told


def assume(f: Callable[..., bool], *args: Any) -> bool:
    """f(*args), by which Python goes on: a replay asks again, before it does anything."""
    out = f(*args)
    if state.watcher is not None:
        state.watcher.assumed(f, args, out)
    return out


def look(why: str) -> None:
    """Say that what follows depends on a value, or on a circumstance, of this very call."""
    if state.watcher is not None:
        state.watcher.looked(why)


def skip(module: Any) -> None:
    """Say that a block of a model is not executed this time."""
    if state.recording:
        skipped = Skip(next(tick), state.scope, type(module).__name__, getattr(module, "p", None))
        state.skips = (*state.skips[1 - _SKIPS :], skipped)
    if state.watcher is not None:
        state.watcher.skipped(module)


def expose(array: Array) -> Array:
    """An array of the library's that goes to the caller, who may look at it."""
    return array if state.watcher is None else state.watcher.exposed(array)


def constant(array: Array) -> Array:
    """An array of the library's own making that depends on nothing but shapes and numbers."""
    if state.watcher is not None:
        state.watcher.constant(array)
    return array


# ---- recording and walking -----------------------------------------------------------------------------------------


@contextmanager
def recording(on: bool) -> Iterator[None]:
    """Within the block, this thread records operations (or does not)."""
    before, state.recording = state.recording, on
    try:
        yield
    finally:
        state.recording = before


@contextmanager
def tracing(xs: Sequence[Tensor]) -> Iterator[None]:
    """Within the block, this thread records a function that is to be differentiated by xs."""
    before, state.traced = state.traced, (*state.traced, xs)
    try:
        with recording(True):
            yield
    finally:
        state.traced = before


def no_grad() -> Any:
    """Return a context in which nothing is recorded on this thread, for evaluation and for updates by hand.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 1.0], requires_grad=True)
    >>> with no_grad():
    ...     (x * x).requires_grad
    False
    """
    return recording(False)


class walking:
    """A context in which this thread walks; gives the operation whose derivative the walk is a part of, or None."""

    def __init__(self, direction: str, tape: list, create_graph: bool) -> None:
        self.direction, self.tape, self.create_graph = direction, tape, create_graph

    def __enter__(self) -> Primitive | None:
        self.watcher, self.before = state.watcher, (state.recording, state.within)
        if self.watcher is not None:
            self.watcher.walk_begun(self.direction, self.tape)
        state.recording = self.create_graph
        return state.within

    def __exit__(self, *_: object) -> None:
        state.recording, state.within = self.before
        if self.watcher is not None:
            self.watcher.walk_ended()
