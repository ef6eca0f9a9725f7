"""`mg.explain`: runs a function forward and back, and gives the page on which backpropagation can be watched."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import check_function, named, shown
from ..gradcheck import Report
from ..gradcheck.subject import is_model
from ..names import held
from ..ranges import SWITCH, whole
from ..ranges import check as _check
from ..tape import Tensor
from . import pages

_ORDER = whole(1, 2, "1 or 2")


class Explanation:
    """A run forward and back, as data and as a page; or two of them side by side.

    `to_dict()` is the trace (docs/trace.md), `save` writes a page, a picture or the data, a notebook shows it; `check` is the
    Report of the gradient check, if there was one.
    """

    def __init__(
        self, traces: Sequence[dict[str, Any]], names: Sequence[str] = (), check: Report | None = None
    ) -> None:
        self.check = check
        self.traces, self.names = list(traces), list(names) or [t["title"] for t in traces]

    def to_dict(self) -> dict[str, Any]:
        """The trace; of two side by side a dict of both."""
        if len(self.traces) == 1:
            return self.traces[0]
        return {"traces": self.traces, "names": self.names}

    @named
    def beside(self, other: Explanation, names: Sequence[str] = ("left", "right")) -> Explanation:
        """This run and another one side by side, their differences marked: train and eval, before and after.

        >>> import minigrad as mg
        >>> a, b = (mg.explain(lambda x: f(x) * f(x), 0.5) for f in (mg.tanh, mg.sin))
        >>> a.beside(b, ["tanh", "sin"])
        Explanation(tanh: 3 operations; sin: 3 operations)
        """
        if not isinstance(other, Explanation) or len(self.traces) != 1 or len(other.traces) != 1:
            raise TypeError(f"beside: other is {shown(other)}; it must be an Explanation of one run, as this must be")
        if isinstance(names, str) or len(names) != 2 or not all(isinstance(n, str) for n in names):
            raise ValueError(f"beside: names is {shown(names)}; it must be two texts")
        return Explanation([*self.traces, *other.traces], names)

    @property
    def html(self) -> str:
        """The page: one file that needs no network and no other file."""
        return pages.html({"traces": self.traces, "names": self.names})

    @named
    def save(self, path: str | os.PathLike) -> Path:
        """Write the file and return its path; its ending says what: .html for the page, .svg, .png or .pdf for a still
        picture of it, .json for the data. Raises ValueError for another ending, or for a picture of two runs."""
        path = Path(path)
        kind = path.suffix.lower()
        if kind == ".html":
            text = self.html
        elif kind == ".json":
            text = json.dumps(self.to_dict(), allow_nan=False)
        elif kind in (".svg", ".png", ".pdf"):
            return self._still(path)
        else:
            raise ValueError(
                f"explain: cannot save {path.name!r}; the ending must be one of .html .svg .png .pdf .json"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def _still(self, path: Path) -> Path:
        from . import still

        if len(self.traces) != 1:
            raise ValueError("explain: a still picture shows one run; save each by itself, or both as .html")
        path.parent.mkdir(parents=True, exist_ok=True)
        still.save(self.traces[0], path)
        return path

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from . import still

        found = {"text/plain": repr(self), "text/html": pages.frame(self.html)}
        if len(self.traces) == 1:
            found["image/svg+xml"] = still.svg(self.traces[0])
        return found

    def __repr__(self) -> str:
        def said(name: str, t: dict[str, Any]) -> str:
            count = sum(n["kind"] == "operation" for n in t["nodes"])
            order = ", with a Hessian-vector product" if t["order"] == 2 else ""
            verdict = f", gradient check {t['check']['summary']}" if t["check"] else ""
            return f"{name}: {count} operations{order}{verdict}"

        return f"Explanation({'; '.join(map(said, self.names, self.traces))})"


@named
def explain(
    f: Any,
    *args: Any,
    order: int = 1,
    direction: Any = None,
    check: bool = False,
    loss: Callable | None = None,
    backward: Callable | None = None,
) -> Explanation:
    """Return the Explanation of f at args: what is computed forward and back, each number of it, step by step.

    f is a function of floats, float arrays and tensors (or nested lists and dicts of them) that returns one number; or a
    model, with a batch and labels for its cross-entropy, or with `loss`, a function of its output and the rest of args;
    or a function without arguments and the parameters that it reads, or only the function; or a number that was computed
    already, whose tape is still there. It is run once in the mode that it is in, and leaves no trace: gradients, running
    statistics and random generators are what they were.

    With order=2 it is differentiated once more along `direction`, arrays like args or like the model's parameters (a list, or
    a dict by name); all ones, if not given: the adjoints of the parameters then move by the Hessian times it. With `check`,
    the gradient check's verdicts are part of it. With `backward`, f is a forward on NumPy arrays and this its backward, both
    written by hand as for `gradcheck`: the page shows them as one operation.

    Raises ValueError when the result is not one number, or nothing in it asks for a gradient.

    >>> import minigrad as mg
    >>> page = mg.explain(lambda a, b: a * b + a, 2.0, -3.0)
    >>> page
    Explanation(f: 2 operations)
    >>> [(n["name"] or n["op"], n["value"], n["adjoint"]) for n in page.to_dict()["nodes"]]
    [('a', 2.0, -2.0), ('b', -3.0, 2.0), ('mul', -6.0, 1.0), ('add', -4.0, 1.0)]
    """
    _check("explain", _ORDER, order=order)
    _check("explain", SWITCH, check=check)
    check_function("explain", "loss", loss, None)
    check_function("explain", "backward", backward, None)
    if direction is not None and order == 1:
        raise ValueError("explain: direction needs order=2, the derivative of the gradient along it")
    if backward is not None and (order == 2 or loss is not None):
        raise ValueError("explain: with backward=, which has no derivative itself, order is 1 and loss is None")
    from .record import Recording  # only here: `import minigrad` need not pay for them
    from .run import Run
    from .trace import trace

    run = Run(f, args, loss, backward)
    y, seen = run.forward()
    recorded = Recording(y, seen, run.directions(y, direction) if order == 2 else None)
    variables = held()
    report = run.check(y, variables) if check else None
    return Explanation([trace(recorded, _title(f, variables), run.names, variables, report)], check=report)


def _title(f: Any, variables: dict[int, str]) -> str:
    if isinstance(f, Tensor):
        return f.name or variables.get(id(f), "result")
    name = type(f).__name__ if is_model(f) else getattr(f, "__name__", type(f).__name__)
    return "f" if name == "<lambda>" else name
