"""PyTorch's keywords, and ours: what a public function tries before it refuses a keyword that it does not know.

`dim=` is `axis=` here, `keepdim=` is `keepdims=`, `input=` the first argument; this is the one table of them. Nothing is
paid for it by calls that use our own. Where PyTorch would answer something else, the call raises and says what to write.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

FIRST, SECOND = 0, 1  # arguments that are known by their place

KEYWORDS: dict[str, tuple[str | int, ...]] = {  # PyTorch's, and ours in the order in which they are looked for
    "axis": ("axes", "dim", "dims"),
    "dim": ("axis", "axes"),
    "dim0": ("axis1",),
    "dim1": ("axis2",),
    "dims": ("axes", "axis"),
    "end": ("stop", SECOND),
    "end_dim": ("end",),
    "exponent": (SECOND,),
    "input": (FIRST,),
    "input1": (FIRST,),
    "input2": (SECOND,),
    "keepdim": ("keepdims",),
    "keepdims": ("keepdim",),
    "logits": ("x", FIRST),
    "mat2": (SECOND,),
    "max": ("high",),
    "min": ("low",),
    "other": (SECOND,),
    "p": ("ord",),
    "self": (FIRST,),
    "size": ("shape",),
    "start_dim": ("start",),
    "steps": ("num",),
    "target": ("labels",),
    "tensor": (FIRST,),
    "tensors": (FIRST,),
    "vec": (SECOND,),
    "vec2": (SECOND,),
}

_PAIR = "{0}: PyTorch's {0}(dim=…) returns values and indices; write {0}(axis=…) for the values, arg{0}(axis=…) for the indices"
_SPREAD = (
    "{0}: PyTorch's {0}(dim=…) divides by n − 1, NumPy's by n; say which: correction=1 or correction=0, or write axis="
)
AMBIGUOUS = {  # with `dim`, unless one of these others is there
    "max": (_PAIR, ()),
    "min": (_PAIR, ()),
    "sort": (_PAIR, ()),
    "std": (_SPREAD, ("correction", "unbiased")),
    "var": (_SPREAD, ("correction", "unbiased")),
}


def respelt(f: Callable, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
    """The arguments of f with PyTorch's keywords replaced by ours; None where that makes no call of it."""
    plan = (_plan.__wrapped__ if inspect.ismethod(f) else _plan)(f, len(args), tuple(kwargs))  # not to keep its object
    if plan is None:
        return None
    unknown, places = plan
    if "dim" in unknown and (told := AMBIGUOUS.get(f.__name__)) and not any(k in kwargs for k in told[1]):
        raise TypeError(told[0].format(f.__name__))
    named: dict[str, Any] = {}
    placed = dict(enumerate(args))
    for k, value in kwargs.items():
        if k == "unbiased" and k in unknown:
            value = int(value)
        to = places[k]
        (placed if isinstance(to, int) else named)[to] = value  # type: ignore[index]
    return tuple(placed[i] for i in range(len(placed))), named


@functools.lru_cache(1024)
def _plan(f: Callable, given: int, keywords: tuple[str, ...]) -> tuple[set[str], dict[str, str | int]] | None:
    """Which of the keywords are not f's own, and where each goes."""
    try:
        parameters = inspect.signature(f).parameters
    except (TypeError, ValueError):
        return None
    kinds = inspect.Parameter
    by_place = [n for n, p in parameters.items() if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    own = {n for n, p in parameters.items() if p.kind in (kinds.KEYWORD_ONLY, kinds.POSITIONAL_OR_KEYWORD)}
    unknown = {k for k in keywords if k not in own}
    if not unknown or any(p.kind is kinds.VAR_KEYWORD for p in parameters.values()):
        return None
    places: dict[str, str | int] = {k: k for k in keywords}
    for k in unknown:
        names = ("correction",) if k == "unbiased" else KEYWORDS.get(k, ())
        to = next((n for n in names if n in own or (isinstance(n, int) and n < len(by_place))), None)
        if to is None:
            return None
        if isinstance(to, int) and (by_place[to] not in own or k in ("input", "other")):
            places[k] = to
        else:
            places[k] = by_place[to] if isinstance(to, int) else to
    if any(isinstance(p, int) and p < given for p in places.values()):
        return None
    filled = {*range(given), *(p for p in places.values() if isinstance(p, int))}
    if len(set(places.values())) < len(places) or filled != set(range(len(filled))):
        return None
    return unknown, places
