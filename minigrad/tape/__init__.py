"""The engine: tensors, primitives and the two walks over the tape. Read the files in this order.

watch.py      what a thread is doing, and who watches it
dtypes.py     what an operation computes in: one rule
node.py       how a tensor was made, and where
leaving.py    what must not leave the tape in silence
tensor.py     tensors, and the doors through which arrays come, are computed, and go
convert.py    the way from integers and float16 to it, and back
primitive.py  recorded functions, the three kinds of derivative, and what the chain rule itself needs
seed.py       what a walk begins with
hooks.py      a caller's functions of gradients on the way
walks.py      up and down the tape
fused.py      the fast form of a composition, which stays the truth
stale.py      whether a tape can still be walked

The tape is the list of recorded operations in the order of their creation. A tensor owns the node that made it, and
nodes point only backwards: there are no cycles, so memory is freed by reference count.
"""

from .convert import in_floats, rounded_once
from .dtypes import ENTRIES, FLOATS, INTEGERS, converted, floats_for, in_int64
from .fused import Fused, composite, fused, replay
from .hooks import Handle, listeners, register_hook, retain_grad
from .leaving import leave
from .node import HOME, Freed, Node, user_line, where_is
from .primitive import (
    Primitive,
    add,
    alias,
    broadcast_to,
    cast,
    elementwise,
    fit,
    general,
    linear,
    mul,
    primitive,
    sum_to,
    total,
    zeros_like,
)
from .stale import unchanged
from .tensor import (
    Array,
    Tensor,
    as_array,
    as_tensor,
    compute,
    copied,
    dispatch,
    private,
    real_dtype,
    rules,
    snapshot,
    tensor,
    wrap,
)
from .walks import backward, history, pull, push
from .watch import (
    Watcher,
    assume,
    attributes,
    constant,
    draw,
    effect,
    effectful,
    expose,
    look,
    no_grad,
    recording,
    skip,
    state,
    tick,
    tracing,
    watching,
)

__all__ = [
    "ENTRIES",
    "FLOATS",
    "HOME",
    "INTEGERS",
    "Array",
    "Freed",
    "Fused",
    "Handle",
    "Node",
    "Primitive",
    "Tensor",
    "Watcher",
    "add",
    "alias",
    "as_array",
    "as_tensor",
    "assume",
    "attributes",
    "backward",
    "broadcast_to",
    "cast",
    "composite",
    "compute",
    "constant",
    "converted",
    "copied",
    "dispatch",
    "draw",
    "effect",
    "effectful",
    "elementwise",
    "expose",
    "fit",
    "floats_for",
    "fused",
    "general",
    "history",
    "in_floats",
    "in_int64",
    "leave",
    "linear",
    "listeners",
    "look",
    "mul",
    "no_grad",
    "primitive",
    "private",
    "pull",
    "push",
    "real_dtype",
    "recording",
    "register_hook",
    "replay",
    "retain_grad",
    "rounded_once",
    "rules",
    "skip",
    "snapshot",
    "state",
    "sum_to",
    "tensor",
    "tick",
    "total",
    "tracing",
    "unchanged",
    "user_line",
    "watching",
    "where_is",
    "wrap",
    "zeros_like",
]  # fmt: skip
