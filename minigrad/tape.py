"""The engine: tensors, primitives and the two walks over the tape.

The tape is the list of recorded operations in the order of their creation. `pull` walks it up (reverse mode) and
`push` walks it down (forward mode). A primitive states its derivative once, in one of three kinds (`elementwise`,
`linear`, `general`), and both walks read that statement. Rules are written in tensor operations, so a walk can itself
be recorded and walked again: every order of derivative exists by construction.

A tensor owns the node that made it, and nodes point only backwards: there are no cycles, so memory is freed by
reference count. This file knows no mathematics beyond what the chain rule itself needs: paths add up, copies add up.
"""

from __future__ import annotations

import dis
import functools
import itertools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from types import MethodType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from . import kernels

Array = np.ndarray
tick = itertools.count(1)  # orders the nodes of all threads
_HOME = os.path.dirname(os.path.abspath(__file__)) + os.sep


_array = attrgetter("_data")
_new = object.__new__
_MANY = 4096  # numbers from which a kernel of our own adds them up faster than NumPy


class _State(threading.local):
    """What a thread is doing: whether it records, in which module, and who writes down what is computed."""

    recording = True
    depth = 0  # how many functions that are being differentiated it is inside of
    scope = ""
    capture: Any = None  # see compile/


state = _State()
settings = [0]  # counts changes to attributes of modules, on which what they do may depend


class Node(NamedTuple):
    """How a tensor was made: op(*inputs, **params) at tick `time`, on the user's line `line`, in module `scope`."""

    op: Primitive
    inputs: tuple[Tensor, ...]
    params: dict[str, Any]
    saved: Any  # what a fused forward keeps for its own backward
    stamps: tuple  # witnesses of the leaves' data, see `_stamp`
    time: int
    line: tuple
    scope: str


class Freed(NamedTuple):
    """What is left of a node once a backward walk has passed: enough to explain itself."""

    name: str
    line: tuple
    freed_by: tuple


class Tensor:
    """An ndarray that remembers how it was computed.

    `data` is the ndarray, `grad` an ndarray of the same shape once a backward walk has reached this leaf (never a
    graph), `requires_grad` says whether derivatives flow to it, `node` how it was made (None for a leaf).
    Arithmetic and methods are bound by `minigrad.ops.operators`.

    >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    >>> x.shape, x.dtype.name, x.requires_grad
    ((2,), 'float64', True)
    """

    __slots__ = ("__weakref__", "_data", "grad", "locked", "name", "node", "requires_grad", "version")
    __array_ufunc__ = None  # so that ndarray + Tensor asks Tensor
    _data: Array
    grad: Array | None
    locked: bool  # whether nobody outside can write to the array
    name: str | None
    node: Node | Freed | None
    requires_grad: bool
    version: int

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        data = data._data if isinstance(data, Tensor) else as_array(data)
        if data.dtype.kind not in "fciub":
            raise TypeError(f"tensor: data of dtype {data.dtype} is not numeric; give numbers or an array of them")
        if requires_grad and data.dtype.kind not in "fc":
            raise TypeError(f"tensor: dtype {data.dtype} has no derivatives; use a float dtype, e.g. float32")
        self._data, self.requires_grad = data, requires_grad
        self.grad = self.name = self.node = None
        self.locked = False
        self.version = 0
        if state.capture is not None:
            state.capture.created(self)

    def _get_data(self) -> Array:
        if state.capture is not None:
            state.capture.refuse("the value of a tensor is read")
        if self.node is None and not self.locked:
            return self._data
        view = self._data.view()  # what was computed is part of a tape, or of work that is still to be done
        view.flags.writeable = False
        return view

    def _set_data(self, value: Any) -> None:
        if self.node is not None:
            raise RuntimeError(
                f"data: this tensor was made by {_made_by(self.node)}, and its value is part of the tape; "
                "change a leaf instead, or detach() first"
            )
        if state.capture is not None:
            state.capture.refuse("the value of a tensor is set")
        value = np.asarray(value)
        if value.shape != self._data.shape:
            raise ValueError(f"data: the tensor has shape {self._data.shape}, the new value has shape {value.shape}")
        self._data = value
        self.locked = False
        self.version += 1

    data = property(
        _get_data,
        _set_data,
        doc="""The value, an ndarray: of a computed tensor it cannot be written to (copy it).

        A leaf's may be replaced by another of its shape, or written to, before recording or after backward.""",
    )
    shape = property(attrgetter("_data.shape"), doc="The shape, a tuple of ints.")
    dtype = property(attrgetter("_data.dtype"), doc="The NumPy dtype.")
    ndim = property(attrgetter("_data.ndim"), doc="The number of axes.")
    size = property(attrgetter("_data.size"), doc="The number of entries.")
    nbytes = property(attrgetter("_data.nbytes"), doc="The bytes that its value takes.")
    is_leaf = property(lambda self: self.node is None, doc="Whether no recorded operation made this tensor.")

    if TYPE_CHECKING:  # bound by ops/operators.py, and declared here for type checkers only

        def __add__(self, other: Any) -> Tensor: ...

        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __getitem__ = __add__

        def __lt__(self, other: Any) -> Any: ...

        __le__ = __gt__ = __ge__ = __lt__

        def exp(self) -> Tensor: ...

        log = sqrt = tanh = sigmoid = relu = abs = __neg__ = __abs__ = exp
        T: Tensor
        mT: Tensor

        def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...

        mean = max = min = logsumexp = sum

        def var(self, axis: Any = None, keepdims: bool = False, *, correction: float = 0) -> Tensor: ...

        std = var

        def argmax(self, axis: int | None = None) -> Any: ...
        def reshape(self, *sizes: Any) -> Tensor: ...

        permute_dims = reshape

        def flatten(self, start: int = 0) -> Tensor: ...
        def squeeze(self, axis: Any) -> Tensor: ...
        def clip(self, low: float | None = None, high: float | None = None) -> Tensor: ...
        def astype(self, dtype: Any) -> Tensor: ...

    def backward(self, g: Any = None, *, retain_graph: bool = False) -> None:
        """Add d⟨g, self⟩/dx to `x.grad` for every leaf x that asked for gradients, and free the tape on the way.

        `g` has this tensor's shape; a tensor of one entry needs none. With `retain_graph` the tape stays and can be
        walked again. Raises RuntimeError when there is nothing to differentiate, when the tape has been freed by an
        earlier walk, or when a leaf's data changed after it was recorded.

        >>> x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
        >>> mul(x, x).backward(np.array([1.0, 1.0]))
        >>> x.grad
        array([2., 4.])
        """
        seed = _seed(self, g)
        known = {id(seed._data)}
        for leaf, gx in _pull(self, seed, None, create_graph=False, retain_graph=retain_graph):
            effect(_accumulate, leaf, gx._data, id(gx._data) in known)
            known.add(id(gx._data))

    def detach(self) -> Tensor:
        """A leaf with the same data (shared, not copied) and no history."""
        x = wrap(self._data)
        x.locked = self.locked or self.node is not None
        return x

    def item(self) -> Any:
        """The value of a tensor of one entry, as a Python number."""
        return self.data.item()

    def __repr__(self) -> str:
        made = f", from={self.node.op.name}" if isinstance(self.node, Node) else ""
        grad = ", requires_grad=True" if self.requires_grad and not made else ""
        name = f", name={self.name!r}" if self.name else ""
        return f"tensor({np.array2string(self.data, prefix='tensor(', separator=', ')}{name}{made}{grad})"

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len: a tensor of shape () has no length")
        return len(self._data)

    def __float__(self) -> float:
        return float(self.data.item())

    def __int__(self) -> int:
        return int(self.data.item())

    def __bool__(self) -> bool:
        return bool(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise TypeError("a tensor that requires grad became an ndarray: its derivative would be lost; use x.data")
        return np.array(self.data, dtype=dtype, copy=copy)

    def __reduce__(self) -> tuple:  # copies and pickles are leaves
        return _restore, (type(self), self._data, self.requires_grad, self.grad, self.name)


def _restore(cls: type[Tensor], data: Array, requires_grad: bool, grad: Array | None, name: str | None) -> Tensor:
    x = cls.__new__(cls)
    Tensor.__init__(x, data, requires_grad)
    x.grad, x.name = grad, name
    return x


class Deferred(Tensor):
    """A computed tensor whose value is the result of `finish(*args, **options)`, when it is first asked for.

    The operation after it may fold itself into the same pass over memory, as a further option of `finish`; its own
    value is then never computed at all. See `Primitive.defer` and `Primitive.fold`.
    """

    __slots__ = ("_dtype", "_shape", "_value", "args", "finish", "options")

    _value: Array | None

    def __init__(
        self, finish: Callable[..., Array], args: tuple, shape: tuple, dtype: np.dtype, **options: Any
    ) -> None:
        self.finish, self.args, self.options = finish, args, options
        self._shape, self._dtype, self._value = shape, dtype, None
        self.grad = self.name = self.node = None
        self.requires_grad, self.locked = False, True
        self.version = 0

    @property
    def pending(self) -> bool:
        """Whether the value has not been computed yet."""
        return self._value is None

    def value(self, **more: Any) -> Array:
        """The value, with further options."""
        return launch(self.finish, *self.args, **self.options, **more)

    def with_option(self, **more: Any) -> Deferred:
        """Another one, with further options."""
        return Deferred(self.finish, self.args, self._shape, self._dtype, **self.options, **more)

    @property
    def _data(self) -> Array:  # type: ignore[override]
        if self._value is None:
            self._value = self.value()
        return self._value

    shape = property(attrgetter("_shape"))
    dtype = property(attrgetter("_dtype"))
    ndim = property(lambda self: len(self._shape))
    size = property(lambda self: math.prod(self._shape))
    nbytes = property(lambda self: 0 if self.pending else self._value.nbytes)

    def __reduce__(self) -> tuple:
        return _restore, (Tensor, self._data, self.requires_grad, self.grad, self.name)


def tensor(data: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a new leaf tensor holding a copy of `data`: a number, nested list, ndarray or tensor.

    Arrays keep their dtype unless `dtype` is given. Raises TypeError for data that is not numeric.

    >>> tensor([[1, 2], [3, 4]], dtype="float32", requires_grad=True).shape
    (2, 2)
    """
    return Tensor(launch(np.array, array_of(data), dtype=dtype), requires_grad)


# ---- the doors that a capture watches ----------------------------------------------------------------------------


def launch(f: Callable, *arrays: Any, **params: Any) -> Any:
    """f(*arrays, **params): whatever the library computes on ndarrays passes here, so that a capture can write it down."""
    out = f(*arrays, **params)
    if state.capture is not None:
        state.capture.launched(f, arrays, params, out)
    return out


def effect(f: Callable[..., None], *args: Any) -> None:
    """f(*args), done for what it changes or checks: a capture repeats it as a whole and does not look inside."""
    capture, state.capture = state.capture, None
    try:
        f(*args)
    finally:
        state.capture = capture
    if capture is not None:
        capture.affected(f, args)


def real_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of the real part: masks and statistics are real."""
    return np.empty(0, dtype).real.dtype


def fixed(array: Array) -> Array:
    """An array of the library's own making that depends on nothing but shapes and numbers."""
    if state.capture is not None:
        state.capture.knows(array)
    return array


def array_of(x: Any) -> Array:
    """The array of an input that takes no part in derivatives: labels, an index, a condition."""
    if not isinstance(x, Tensor):
        return as_array(x)
    if state.capture is not None:
        state.capture.entered((x,))
    return x._data


def as_array(data: Any, dtype: Any = None) -> Array:
    """What a caller gave, as an ndarray: itself, if it is one of that dtype."""
    if state.capture is not None:
        data = state.capture.given(data)
    return np.asarray(data, dtype)


def shown(array: Array) -> Array:
    """An array of the library's that goes to the caller, who may look at it."""
    return array if state.capture is None else state.capture.watched(array)


def snapshot(x: Tensor) -> Tensor:
    """A constant: a copy of x's data as it is now."""
    if state.capture is not None:
        state.capture.entered((x,))
    y = wrap(launch(np.array, x._data))
    y.version, y.locked = -1, True
    return y


def _accumulate(leaf: Tensor, g: Array, shared: bool) -> None:
    if leaf.grad is not None:
        leaf.grad = leaf.grad + g
    else:  # a copy, where g is a view, or shared with another leaf or the caller
        leaf.grad = g if g.flags.owndata and g.flags.writeable and not shared else np.array(g)


# ---- recording ---------------------------------------------------------------------------------------------------


@contextmanager
def recording(on: bool) -> Iterator[None]:
    """Within the block, this thread records operations (or does not)."""
    before, state.recording = state.recording, on
    try:
        yield
    finally:
        state.recording = before


def no_grad() -> Any:
    """Return a context in which nothing is recorded on this thread, for evaluation and for updates by hand.

    >>> x = Tensor(np.ones(2), requires_grad=True)
    >>> with no_grad():
    ...     mul(x, x).requires_grad
    False
    """
    return recording(False)


def user_line() -> tuple:
    """The first frame outside this package: (code, instruction), turned into text only when it is asked for."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename.startswith(_HOME) and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def where_is(line: tuple) -> str:
    """'file.py:12' for a recorded line."""
    code, instruction = line
    number = next((n for start, n in reversed(list(dis.findlinestarts(code))) if start <= instruction and n), 0)
    return f"{os.path.basename(code.co_filename)}:{number}"


def _made_by(node: Node | Freed) -> str:
    name = node.name if isinstance(node, Freed) else node.op.name
    return f"{name} ({where_is(node.line)})"


def _stamp(x: Tensor) -> tuple | None:
    """A witness of a leaf's content: its version, and a checksum.

    Assignments to `data`, optimizer steps and load_state_dict change the version; the checksum betrays writes into
    the array behind the tensor's back. Recorded tensors need none: their data cannot be assigned. Nor do the numbers
    that `_constant` wrapped: nobody else holds them.
    """
    return None if x.node is not None or x.version < 0 else (x.version, _checksum(x._data))


def _checksum(a: Array) -> Any:
    if a.nbytes <= 4096 or a.itemsize > 8:
        return a.tobytes()
    words = a.view(f"u{a.itemsize}").ravel("K")  # in the order of memory: their sum runs at its speed,
    if words.dtype.itemsize == 4 and words.size % 2 == 0 and words.flags.contiguous:
        words = words.view("u8")
    return int(np.add.reduce(words, dtype=words.dtype)), a.flat[:: a.size // 16].tobytes()  # samples tell a permutation


# ---- primitives --------------------------------------------------------------------------------------------------


class Primitive:
    """A recorded function of ndarrays.

    Positional arguments are arrays and differentiable, keyword arguments are parameters. One of `elementwise`,
    `linear` and `general` fills in `vjp(i, g, y, *inputs, **params)`, the gradient for input i, and
    `jvp(ts, y, *inputs, **params)`, the tangent of y. For a fused primitive, `spec` is the composition it equals, and
    `backward` and `tangent` are its own first-order rules, on ndarrays; `known(saved)`, if given, are parameters that
    spare `spec` computing again what the forward pass saved. `branch`, if given, returns the decisions that a piecewise
    function took, so that a gradient check can tell a kink from a mistake.

    Two hooks let neighbours share a pass over memory, without a trace on the tape. `defer` is a pair of functions that
    together are `forward`: `prepare(*arrays, **params)` gives (saved, shape, dtype, args, options), with copies of what
    may change meanwhile (but for the first input, which are args[0]), and `finish(*args, **options)`, a pass over
    memory, is put off. The operation that comes next
    may `fold(*inputs, **params)` itself into that pass (None: it cannot). On the way back, the `backward` of a fused
    primitive may take over the pass that its gradient waits for: `fold_gradient(g)` gives (array, options of backward).
    """

    registry: ClassVar[dict[str, Primitive]] = {}

    def __init__(self, forward: Callable) -> None:
        functools.update_wrapper(self, forward)
        self.forward = forward
        self.name = forward.__name__.strip("_").removeprefix("composed_")
        self.vjp: Callable | None = None
        self.jvp: Callable | None = None
        self.kind = "undeclared"
        self.spec: Callable | None = None
        self.backward: Callable | None = None
        self.tangent: Callable | None = None
        self.branch: Callable | None = None
        self.known: Callable | None = None
        self.defer: tuple[Callable, Callable] | None = None
        self.fold: Callable | None = None
        self.fold_gradient: Callable | None = None
        self.views = True  # whether the result may lie in the memory of an input
        code = getattr(forward, "__code__", None)
        if code is not None and code.co_filename.startswith(_HOME):  # the library's own, which the tests certify
            Primitive.registry[self.name] = self
            self.views = False

    def __call__(self, *args: Any, **params: Any) -> Tensor:
        inputs: tuple[Tensor, ...] = args
        for a in args:
            if not isinstance(a, Tensor):
                inputs = tuple([a if isinstance(a, Tensor) else _constant(a, args) for a in args])
                break
        capture = state.capture
        if capture is not None:
            capture.entered(inputs)
        saved = None
        y = None if self.fold is None else self.fold(*inputs, **params)
        if y is None:
            if self.spec is not None and any(x.dtype.kind != "f" for x in inputs):
                return self.spec(*inputs, **params)  # complex (or integer) input takes the composition
            try:
                if self.defer is not None:
                    y, saved = self._put_off(inputs, params)
                elif capture is None:  # as launch does, with one call less
                    y = self.forward(*map(_array, inputs), **params)
                else:
                    y = launch(self.forward, *map(_array, inputs), **params)
                if self.spec is not None and type(y) is tuple:
                    y, saved = y
            except (ValueError, TypeError, IndexError) as error:
                raise self._explained(error, inputs) from error
        if type(y) is not Deferred:
            y = wrap(y) if type(y) is Array else _as_tensor(y)
            y.locked = not self.views or all(x.locked for x in inputs)
        if state.recording:
            for x in inputs:
                if x.requires_grad:
                    y.requires_grad = True
                    stamps = tuple([_stamp(x) for x in inputs])
                    line = user_line()
                    fields = (self, inputs, params, saved, stamps, next(tick), line, state.scope)
                    y.node = tuple.__new__(Node, fields)
                    break
        return y

    def _put_off(self, inputs: tuple[Tensor, ...], params: dict[str, Any]) -> tuple[Array | Deferred, Any]:
        """The value, if it can be, for later; and what a fused forward saves."""
        assert self.defer is not None
        prepare, finish = self.defer
        saved, shape, dtype, args, options = launch(prepare, *map(_array, inputs), **params)
        if not inputs[0].locked and state.capture is None:  # it may change before the value is asked for
            if inputs[0].size * 8 > math.prod(shape):
                return finish(*args, **options), saved
            args = (args[0].copy(), *args[1:])
        return Deferred(finish, args, shape, dtype, **options), saved

    def _explained(self, error: Exception, inputs: Sequence[Tensor]) -> Exception:
        text = str(error)
        if not text.startswith(self.name + ":"):
            given = ", ".join(f"{x.dtype} {x.shape}" for x in inputs)
            text = f"{self.name}: {text} (given {given})"
        return type(error)(text) if type(error) in (ValueError, TypeError, IndexError) else ValueError(text)

    def __get__(self, x: Any, owner: type | None = None) -> Any:
        return self if x is None else MethodType(self, x)  # a primitive can be a method, as a function can

    def __repr__(self) -> str:
        return f"<{self.kind} primitive {self.name}>"


def primitive(forward: Callable) -> Primitive:
    """Return the recorded form of a function of ndarrays; then declare its derivative once.

    Positional arguments are arrays, keyword-only arguments are parameters. The same door serves the library and its
    users. Keep the function complex-analytic (branch on the real part) and every check applies to it.

    >>> @primitive
    ... def cube(x):
    ...     return x**3
    >>> elementwise(cube, lambda y, x: mul(3.0, mul(x, x)))
    >>> x = Tensor(np.array(2.0), requires_grad=True)
    >>> cube(x).backward()
    >>> float(x.grad)
    12.0
    """
    return Primitive(forward)


def elementwise(op: Primitive, *partials: Callable | float) -> None:
    """Declare op entry by entry: `partials[i](y, *inputs, **params)` is dy/dx_i. Up: g·d. Down: t·d.

    A partial that is the same everywhere may be given as a number.
    """

    def along(d: Callable | float) -> Callable:
        if callable(d):
            return lambda t, y, *xs, **k: mul(t, d(y, *xs, **k))
        return lambda t, y, *xs, **k: t if d == 1 else mul(t, d)

    rules = [along(d) for d in partials]  # the same up and down
    general(op, rules, rules)
    op.kind = "elementwise"


def linear(op: Primitive, *adjoints: Callable, jointly: bool = False) -> None:
    """Declare op linear in each argument: up goes `adjoints[i](g, y, *inputs, **params)`, down goes op itself.

    `jointly` says that op is linear in all its arguments together (concat), so their tangents go through it at once;
    a single adjoint `(i, g, y, *inputs, **params)` then serves any number of arguments.
    """
    op.kind = "linear"
    if jointly:
        (op.vjp,) = adjoints
        op.jvp = lambda ts, y, *xs, **k: op(*(zeros_like(x) if t is None else t for t, x in zip(ts, xs)), **k)
    else:
        op.vjp = lambda i, g, y, *xs, **k: adjoints[i](g, y, *xs, **k)
        op.jvp = lambda ts, y, *xs, **k: total(
            op(*xs[:i], t, *xs[i + 1 :], **k) for i, t in enumerate(ts) if t is not None
        )


def general(op: Primitive, vjps: Sequence[Callable], jvps: Sequence[Callable]) -> None:
    """Declare both rules: `vjps[i](g, y, *inputs, **params)` for input i, `jvps[i](t, y, *inputs, **params)` likewise."""
    op.kind = "general"
    op.vjp = lambda i, g, y, *xs, **k: vjps[i](g, y, *xs, **k)
    op.jvp = lambda ts, y, *xs, **k: total(d(t, y, *xs, **k) for t, d in zip(ts, jvps) if t is not None)


def fused(
    spec: Callable,
    forward: Callable | None = None,
    backward: Callable | None = None,
    tangent: Callable | None = None,
    *,
    defer: tuple[Callable, Callable] | None = None,
) -> Primitive:
    """Return the fast form of the composition `spec`: functions of ndarrays, which serve value and first order.

    `forward(*arrays, **params)` returns (y, saved); `backward(g, saved, *arrays, **params)` returns one gradient
    per input (an array or a Deferred); `tangent(ts, saved, *arrays, **params)` returns the tangent of y, ts holding one
    array or None per input. Instead of `forward`, the two functions of `defer` may be given. At every other order, in
    forward mode and for complex input the engine differentiates `spec`, so speed never costs correctness.

    >>> cube = fused(
    ...     lambda x: mul(x, mul(x, x)),
    ...     forward=lambda x: (x**3, x * x),
    ...     backward=lambda g, saved, x: (3 * g * saved,),
    ... )
    >>> x = Tensor(np.array(2.0), requires_grad=True)
    >>> (dy,) = pull(cube(x), [x], create_graph=True)
    >>> dy.data.item(), pull(dy, [x])[0].data.item()
    (12.0, 12.0)
    """

    def jvp(ts: Sequence[Tensor | None], y: Tensor, *xs: Tensor, **k: Any) -> Tensor:
        z, aliases = replay(spec, xs, k)
        moved = [(a, t) for a, t in zip(aliases, ts) if t is not None]
        return push([z], [a for a, _ in moved], [t for _, t in moved], create_graph=state.recording)[0]

    def at_once(*arrays: Array, **params: Any) -> tuple[Array, Any]:
        assert defer is not None
        prepare, finish = defer
        saved, _, _, args, options = prepare(*arrays, **params)
        return finish(*args, **options), saved

    op = Primitive(spec)
    op.defer, forward = defer, forward or at_once
    op.forward, op.backward, op.tangent, op.spec, op.kind, op.jvp = forward, backward, tangent, spec, "fused", jvp
    return op


def replay(f: Callable, xs: Iterable[Tensor], params: dict) -> tuple[Tensor, list[Tensor]]:
    """Record f afresh on aliases of xs: a walk back from the result to the aliases sees f alone, not what lies behind."""
    with recording(True):
        aliases = [alias(x) if x.requires_grad else x for x in xs]
        return f(*aliases, **params), aliases


def _constant(a: Any, args: tuple) -> Tensor:
    """Wrap what is not a tensor. Scalars are weak (NEP 50): they take the dtype of the arrays they meet."""
    if isinstance(a, (int, float, complex, np.generic)):
        for b in args:
            if isinstance(b, Tensor) and b.dtype.kind in "fc" and not isinstance(a, (complex, np.complexfloating)):
                x = wrap(fixed(np.asarray(a, b.dtype)))
                x.version = -1
                return x
        others = [b.dtype for b in args if isinstance(b, (Tensor, np.ndarray))]
        scalar = a.item() if isinstance(a, np.generic) else a
        a = fixed(np.asarray(scalar, np.result_type(*others, scalar) if others else None))
    elif not isinstance(a, (np.ndarray, list, tuple)):
        raise TypeError(f"expected a tensor, an array or a number, not {type(a).__name__}")
    return Tensor(a)


def wrap(array: Array) -> Tensor:
    """Tensor(array) without its checks, for arrays of our own making."""
    y = _new(Tensor)
    y._data = array
    y.grad = y.name = y.node = None
    y.requires_grad = y.locked = False
    y.version = 0
    if state.capture is not None:
        state.capture.created(y)
    return y


def _as_tensor(y: Any) -> Tensor:
    """What a function of arrays returned: an array, a NumPy number, or a value put off."""
    return wrap(y) if type(y) is Array else y if isinstance(y, Tensor) else wrap(launch(np.asarray, y))


# ---- the walk up -------------------------------------------------------------------------------------------------


def pull(
    y: Tensor,
    xs: Sequence[Tensor],
    g: Any = None,
    *,
    create_graph: bool = False,
    retain_graph: bool | None = None,
) -> list[Tensor]:
    """Return d⟨g, y⟩/dx for each x in xs, as tensors, by one walk up the tape (reverse mode).

    `g` has the shape of y; a y of one entry needs none. xs may be leaves or recorded tensors; an x that y does not
    depend on gets zeros. With `create_graph` the walk is recorded and can be walked again; the tape is then kept,
    as it is with `retain_graph`.

    >>> x = Tensor(np.array(3.0), requires_grad=True)
    >>> y = mul(x, mul(x, x))
    >>> (dy,) = pull(y, [x], create_graph=True)
    >>> (d2y,) = pull(dy, [x])
    >>> float(dy.data), float(d2y.data)
    (27.0, 18.0)
    """
    for i, x in enumerate(xs):
        if not x.requires_grad:
            raise RuntimeError(f"pull: xs[{i}] does not require grad; create it with requires_grad=True")
    retain_graph = create_graph if retain_graph is None else retain_graph
    found = _pull(y, _seed(y, g), xs, create_graph=create_graph, retain_graph=retain_graph)
    grads = {id(x): gx for x, gx in found}
    return [grads[id(x)] if id(x) in grads else zeros_like(x) for x in xs]


def _seed(y: Tensor, g: Any) -> Tensor:
    if not y.requires_grad:
        raise RuntimeError(
            "backward: nothing to differentiate: no input of this tensor requires grad, or it was computed under no_grad"
        )
    if g is None:
        if y.size != 1:
            raise RuntimeError(f"backward: the tensor has shape {y.shape}; reduce it to a scalar (y.sum()) or pass g")
        return Tensor(fixed(np.ones_like(y._data)))
    g = g if isinstance(g, Tensor) else _like(g, y)
    if g.shape != y.shape:
        raise ValueError(f"backward: the tensor has shape {y.shape}, g has shape {g.shape}; they must be the same")
    return g


def _like(v: Any, x: Tensor) -> Tensor:
    """A direction of x, or a gradient, of x's dtype or complex."""
    a = as_array(v)
    return Tensor(a if a.dtype.kind == "c" else as_array(a, x.dtype))


def _pull(
    y: Tensor, g: Tensor, xs: Sequence[Tensor] | None, *, create_graph: bool, retain_graph: bool
) -> list[tuple[Tensor, Tensor]]:
    """The pairs (x, gradient) for the xs that y depends on; for every leaf, where no xs are named."""
    targets = None if xs is None else {id(x) for x in xs}
    tape = history([y], since=0 if xs is None else min(map(_time, xs), default=0))
    reached = None if targets is None else _downstream(tape, targets)
    check(tape, targets, reached)
    if state.capture is not None:
        state.capture.walked(tape)
    freed_by = () if retain_graph else user_line()
    grads = {id(y): g}
    found = []
    with recording(create_graph):
        while tape:  # popping lets go of each tensor as the walk passes
            t = tape.pop()
            g_t = grads.pop(id(t), None)
            if g_t is None or (reached is not None and id(t) not in reached):
                continue
            if t.node is None if targets is None else id(t) in targets:
                found.append((t, g_t))
            node = t.node
            if not isinstance(node, Node):
                continue
            if type(g_t) is Deferred and any(g is g_t for g in grads.values()):
                g_t._data  # noqa: B018 others wait for it too: computed now, it is computed once
            for x, gx in _pull_back(g_t, t, node, reached, create_graph):
                before = grads.get(id(x))
                grads[id(x)] = gx if before is None else add(before, gx)
            if not retain_graph:
                t.node = Freed(node.op.name, node.line, freed_by)
            del t, g_t, node
    return found


def check(tape: list[Tensor], targets: set[int] | None, reached: set[int] | None) -> None:
    """Raise, before anything is walked, if an earlier walk has freed a part of the tape or its leaves have changed.

    What lies behind a freed node would be lost in silence; rules applied to changed data would be wrong in silence.
    """
    stamps: dict[int, tuple | None] = {}  # a leaf may be an input of many operations
    for t in tape:
        node = t.node
        if isinstance(node, Freed):
            if targets is None or id(t) not in targets:
                raise RuntimeError(
                    f"backward: {_made_by(node)} has been freed by the backward at {where_is(node.freed_by)}; pass "
                    "retain_graph=True to that one to walk the tape twice, or detach() its result to hold it constant"
                )
        elif node is not None and (reached is None or id(t) in reached):
            for i, (x, stamp) in enumerate(zip(node.inputs, node.stamps)):
                if stamp is None:
                    continue
                if id(x) not in stamps:
                    stamps[id(x)] = _stamp(x)
                if stamp != stamps[id(x)]:
                    name = f" ({x.name})" if x.name else ""
                    raise RuntimeError(
                        f"backward: input {i}{name} of {_made_by(node)}, {x.dtype} {x.shape}, was changed after it "
                        "was recorded; run backward before the change, or compute the loss again after it"
                    )


def _pull_back(
    g: Tensor, y: Tensor, node: Node, reached: set[int] | None, create_graph: bool
) -> list[tuple[Tensor, Tensor]]:
    """The pairs (input, gradient) of one operation."""
    op, inputs, params = node.op, node.inputs, node.params
    wanted = [(i, x) for i, x in enumerate(inputs) if x.requires_grad and (reached is None or id(x) in reached)]
    if op.spec is None:
        if op.vjp is None:
            raise NotImplementedError(f"{op.name}: no derivative is declared; use elementwise, linear or general")
        return [(x, fit(op.vjp(i, g, y, *inputs, **params), x)) for i, x in wanted]
    if op.backward is not None and not create_graph and g.dtype.kind == "f":
        folded = op.fold_gradient(g) if op.fold_gradient is not None and isinstance(g, Deferred) and g.pending else None
        g_array, options = (g._data, {}) if folded is None else folded
        gxs = launch(op.backward, g_array, node.saved, *map(_array, inputs), **params, **options)
        return [(x, fit(_as_tensor(gxs[i]), x)) for i, x in wanted]
    known = {} if op.known is None else op.known(node.saved)
    z, aliases = replay(op.spec, inputs, params | known)
    gzs = pull(z, [aliases[i] for i, _ in wanted], g, create_graph=create_graph)
    return [(x, gx) for (_, x), gx in zip(wanted, gzs)]


def fit(g: Tensor, x: Tensor) -> Tensor:
    """Undo what broadcasting and dtype promotion did between x and g."""
    if g.shape != x.shape:
        g = sum_to(g, shape=x.shape)
    if g.dtype != x.dtype and g.dtype.kind == x.dtype.kind:
        g = cast(g, dtype=x.dtype)
    return g


# ---- the walk down -----------------------------------------------------------------------------------------------


def push(
    ys: Sequence[Tensor],
    xs: Sequence[Tensor],
    vs: Sequence[Any],
    *,
    create_graph: bool = False,
    tape: list[Tensor] | None = None,
) -> list[Tensor]:
    """Return the tangents of ys when xs move along vs, by one walk down the recorded tape (forward mode).

    Nothing is evaluated again, so one tape serves many directions: pass `tape=history(ys)` to sort it once. vs are
    tensors or arrays of the shapes of xs; None stands for zero. With `create_graph` the walk is recorded.

    >>> x = Tensor(np.array(3.0), requires_grad=True)
    >>> y = mul(x, mul(x, x))
    >>> float(push([y], [x], [np.array(1.0)])[0].data)
    27.0
    """
    tangents: dict[int, Tensor] = {}
    for i, (x, v) in enumerate(zip(xs, vs, strict=True)):
        if not x.requires_grad:
            raise RuntimeError(f"push: xs[{i}] does not require grad; create it with requires_grad=True")
        if v is not None:
            v = v if isinstance(v, Tensor) else _like(v, x)
            if v.shape != x.shape:
                raise ValueError(f"push: xs[{i}] has shape {x.shape}, its direction has shape {v.shape}")
            tangents[id(x)] = v
    with recording(create_graph):
        tape = history(ys, since=min(map(_time, xs), default=0)) if tape is None else tape
        check(tape, {id(x) for x in xs}, None)
        if state.capture is not None:
            state.capture.walked(tape)
        for y in tape:
            node = y.node
            if not isinstance(node, Node) or id(y) in tangents:
                continue
            ts = [tangents.get(id(x)) for x in node.inputs]
            if any(t is not None for t in ts):
                t = broadcast_to(_push_on(ts, y, node, create_graph), shape=y.shape)
                tangents[id(y)] = fit(t, y)
    return [tangents[id(y)] if id(y) in tangents else zeros_like(y) for y in ys]


def _push_on(ts: list[Tensor | None], y: Tensor, node: Node, create_graph: bool) -> Tensor:
    """The tangent of one operation's result."""
    op = node.op
    if op.jvp is None:
        raise NotImplementedError(f"{op.name}: no derivative is declared")
    if op.tangent is None or create_graph or any(t is not None and t.dtype.kind != "f" for t in ts):
        return op.jvp(ts, y, *node.inputs, **node.params)
    arrays = tuple(None if t is None else t._data for t in ts)
    return _as_tensor(launch(op.tangent, arrays, node.saved, *map(_array, node.inputs), **node.params))


# ---- the tape ----------------------------------------------------------------------------------------------------


def history(ys: Iterable[Tensor], since: int = 0) -> list[Tensor]:
    """Every tensor that the ys depend on through recorded operations, in order of creation: a topological order.

    Operations older than tick `since` are not entered.
    """
    found = {id(y): y for y in ys}
    stack = list(found.values())
    while stack:
        node = stack.pop().node
        if isinstance(node, Node) and node.time >= since:
            for x in node.inputs:
                if x.requires_grad and id(x) not in found:
                    found[id(x)] = x
                    stack.append(x)
    return sorted(found.values(), key=_time)


def _time(t: Tensor) -> int:
    return t.node.time if isinstance(t.node, Node) else 0


def _downstream(tape: list[Tensor], sources: Iterable[int]) -> set[int]:
    """The ids of the sources and of all on the tape that depends on them: gradients need to flow nowhere else."""
    reached = set(sources)
    for t in tape:
        if isinstance(t.node, Node) and any(id(x) in reached for x in t.node.inputs):
            reached.add(id(t))
    return reached


# ---- what the chain rule itself needs: paths add up, copies add up -------------------------------------------------


@primitive
def add(a: Array, b: Array) -> Array:
    """a + b, with broadcasting."""
    return a + b


elementwise(add, 1, 1)


@primitive
def mul(a: Array, b: Array) -> Array:
    """a · b entry by entry, with broadcasting."""
    return a * b


elementwise(mul, lambda y, a, b: b, lambda y, a, b: a)


@primitive
def _sum_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    if x.ndim == 2 and x.shape[1:] == shape and x.dtype.kind == "f":
        return _ones(len(x), x.dtype).dot(x)  # the bias of a layer: BLAS is faster than a reduction
    lead = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[lead:])):
        raise ValueError(f"sum_to: {shape} does not broadcast to {x.shape}, so there are no copies to add up")
    if x.ndim == 4 and shape[-3:] == (x.shape[1], 1, 1) and shape[:-3] in ((), (1,)) and x.size > _MANY:
        return kernels.channel_sums(x).reshape(shape)  # the bias of a convolution
    ones = tuple(i + lead for i, n in enumerate(shape) if n == 1 and x.shape[i + lead] != 1)
    return np.add.reduce(x, axis=(*range(lead), *ones), keepdims=True).reshape(shape)


@functools.lru_cache(16)
def _ones(n: int, dtype: np.dtype) -> Array:
    return np.ones(n, dtype)


@primitive
def _broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(x, shape)


@primitive
def _cast(x: Array, *, dtype: Any) -> Array:
    # a complex step keeps its imaginary part
    return x.astype(np.result_type(dtype, np.complex64) if x.dtype.kind == "c" else dtype)


@primitive
def alias(x: Array) -> Array:
    """x itself, as a tensor of its own: a walk can stop here, or a name be given."""
    return x


def sum_to(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    """x summed over its broadcast axes down to `shape`: the adjoint of `broadcast_to`."""
    return x if x.shape == shape else _sum_to(x, shape=shape)


def broadcast_to(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    """x repeated to `shape` by NumPy's broadcasting: the adjoint of `sum_to`."""
    return x if x.shape == shape else _broadcast_to(x, shape=tuple(shape))


def cast(x: Tensor, *, dtype: Any) -> Tensor:
    """x in another dtype; its own adjoint."""
    return x if x.dtype == dtype else _cast(x, dtype=np.dtype(dtype))


linear(_sum_to, lambda g, y, x, *, shape: broadcast_to(g, shape=x.shape))
_broadcast_to.views = alias.views = True
linear(_broadcast_to, lambda g, y, x, *, shape: sum_to(g, shape=x.shape))
linear(_cast, lambda g, y, x, *, dtype: cast(g, dtype=x.dtype))
linear(alias, lambda g, y, x: g)


def zeros_like(x: Tensor) -> Tensor:
    """A constant of x's shape and dtype, all zero."""
    return Tensor(fixed(np.zeros_like(x._data)))


def total(tensors: Iterable[Tensor]) -> Tensor:
    """The sum of one or more tensors."""
    return functools.reduce(add, tensors)
