"""What a gradient check found, as plain data and as a table to read. It computes nothing."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

EXACT = "exact"  # the complex step agrees to round-off
WITHIN = "within round-off"  # only central differences are to be had, and they agree as far as they can see
KINK = "kink"  # right, though central differences disagree: they straddle a decision of a piecewise operation
VACUOUS = "vacuous"  # the derivative is zero (or lost in noise): the check tells nothing
UNEXPLAINED = "unexplained"  # the complex step agrees, central differences do not, and nothing says why: a steep place?
NOT_DETERMINISTIC = "not deterministic"  # two evaluations with the same draws differ
WRONG = "WRONG"
VERDICTS = (VACUOUS, EXACT, WITHIN, KINK, UNEXPLAINED, NOT_DETERMINISTIC, WRONG)  # from the mildest; the last two fail


@dataclass
class Entry:
    """One derivative: that of entry `index` of a parameter, or along a random direction (index None)."""

    index: tuple[int, ...] | None
    got: float
    expected: float
    error: float  # |got − expected| over the larger of the two
    walk: str  # the walk that got it: reverse, forward or mixed


@dataclass
class Kink:
    """The first decision that differs between the two sides of a central difference, of `count` that do.

    Where no tape tells of decisions, it is the entry of a parameter along which f has a kink.
    """

    op: str
    index: tuple[int, ...]
    line: str
    scope: str
    count: int

    def __str__(self) -> str:
        return f"{self.op}{list(self.index) or ''} ({_place(self.scope, self.line)})"


@dataclass
class Suspect:
    """A primitive that, checked alone on the inputs it was recorded with, is wrong."""

    op: str
    line: str
    scope: str
    input: int
    order: int
    walk: str
    got: float | None
    expected: float | None
    detail: str = ""

    def __str__(self) -> str:
        order = f", order {self.order}" if self.order > 1 else ""
        said = self.detail or f"got {self.got:.9g}, expected {self.expected:.9g}"
        return f"rule of {self.op} ({_place(self.scope, self.line)}), input {self.input}, {self.walk}{order}: {said}"


@dataclass
class Row:
    """The verdict on one parameter at one order.

    `complex_step` is the worst relative error of the reverse walk against the complex step (None where that is not to
    be had), `central` the familiar |a − d| / (|a| + |d|) of the usual check, `walks` the worst relative error of each
    walk against the trusted witness: reverse, forward and, from order 2 on, mixed (forward over reverse). None stands
    for a walk that raised an error.
    """

    name: str
    shape: tuple[int, ...]
    order: int
    verdict: str
    complex_step: float | None = None
    central: float | None = None
    walks: dict[str, float | None] = field(default_factory=dict)
    worst: list[Entry] = field(default_factory=list)
    kink: Kink | None = None
    detail: str = ""

    @property
    def text(self) -> str:
        """The verdict in words: 'kink at relu[3] (net.py:12)'."""
        return f"{self.verdict} at {self.kink}" if self.kink else self.verdict


@dataclass
class Curve:
    """The error of difference quotients against their step, along one fixed direction of a parameter.

    For each of `steps` the relative error against the walk up: of (f(x+hv) − f(x−hv)) / 2h in `central`, of
    (f(x+hv) − f(x)) / h in `forward`, and of Im f(x+ihv) / h in `complex`, which is None where f takes no complex numbers.
    Large steps miss the curvature, small ones drown in round-off: a V. The complex step has no right arm.
    """

    name: str
    steps: list[float]
    central: list[float]
    forward: list[float]
    complex: list[float] | None


@dataclass
class Report:
    """The rows of a gradient check, one for each parameter and order, and the primitives suspected if one is wrong.

    `print(report)` is a table; `report.ok` says whether no row is WRONG or not deterministic; `report[name]` is a
    parameter's verdict over all orders; `report.to_dict()` is made of plain numbers, strings and lists. Notebooks show the
    table as HTML.
    """

    subject: str
    dtype: str
    order: int
    rows: list[Row]
    suspects: list[Suspect] = field(default_factory=list)
    evaluations: int = 0
    seconds: float = 0.0
    curves: list[Curve] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every derivative is right as far as can be told."""
        return all(row.verdict not in (WRONG, NOT_DETERMINISTIC) for row in self.rows)

    @property
    def verdicts(self) -> dict[str, str]:
        """The gravest verdict on each parameter over all orders (a zero at one order says nothing against another)."""
        found: dict[str, str] = {}
        for row in self.rows:
            found[row.name] = max(found.get(row.name, VACUOUS), row.verdict, key=VERDICTS.index)
        return found

    def __getitem__(self, name: str) -> str:
        return self.verdicts[name]

    def to_dict(self) -> dict[str, Any]:
        """The report as dicts, lists, strings and numbers, for JSON or a page."""
        rows = [{**asdict(row), "text": row.text} for row in self.rows]
        suspects = [{**asdict(s), "text": str(s)} for s in self.suspects]
        return _plain({**asdict(self), "rows": rows, "suspects": suspects, "ok": self.ok, "verdicts": self.verdicts})

    @property
    def summary(self) -> str:
        """One line: 'ok: 5 exact, 1 vacuous'."""
        counts = Counter(self.verdicts.values())
        said = ", ".join(f"{counts[v]} {v}" for v in reversed(VERDICTS) if counts[v])
        return f"{'ok' if self.ok else 'FAILED'}: {said} (up to order {self.order})"

    def _repr_html_(self) -> str:
        from . import table  # which knows this file

        return table.html(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def __str__(self) -> str:
        given = "" if self.dtype == "float64" else f", given in {self.dtype}"
        head = (
            f"Gradient check of {self.subject}, in float64{given}: {self.evaluations} evaluations, {self.seconds:.2f} s"
        )
        titles = ("parameter", "shape", "order", "complex step", "central", "walks", "verdict")
        table = [titles, *(_cells(row) for row in self.rows)]
        widths = [max(len(cells[i]) for cells in table) for i in range(len(titles))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip() for cells in table]
        lines.insert(1, "-" * max(map(len, lines)))
        for row in self.rows:
            if row.verdict in (WRONG, NOT_DETERMINISTIC) or row.detail:
                lines += ["", f"{row.name}, order {row.order}: {row.text}" + (f"; {row.detail}" if row.detail else "")]
            if row.verdict in (WRONG, UNEXPLAINED):
                lines += [f"  {_entry(row.name, e)}" for e in row.worst]
        if self.suspects:
            lines += ["", *(f"WRONG: {s}" for s in self.suspects)]
        return "\n".join([head, "", *lines, "", self.summary])


def _plain(x: Any) -> Any:
    """x with numbers that JSON does not know (nan, inf) as text."""
    if isinstance(x, dict):
        return {key: _plain(value) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(value) for value in x]
    return str(x) if isinstance(x, float) and not math.isfinite(x) else x


def _place(scope: str, line: str) -> str:
    return f"{scope}, {line}" if scope else line


def _number(x: float | None) -> str:
    return "-" if x is None else f"{x:.1e}"


def _cells(row: Row) -> tuple[str, ...]:
    walks = " ".join(f"{name} {_number(error)}" for name, error in row.walks.items())
    numbers = (_number(row.complex_step), _number(row.central))
    return row.name, str(row.shape), str(row.order), *numbers, walks, row.text


def _entry(name: str, e: Entry) -> str:
    at = "a random direction" if e.index is None else f"{name}{list(e.index)}"
    return f"{at}, {e.walk}: got {e.got:.9g}, expected {e.expected:.9g}, relative error {e.error:.1e}"
