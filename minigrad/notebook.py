"""What a notebook shows of minigrad's objects and of work in progress: tables, and a line that is written over.

IPython is asked only where it is running already. No widgets: a line is an output like others, so it looks the same in
every viewer, and the saved file has its last state alone. Everything falls back to the text that a terminal shows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from .escape import printable, xml


class Table:
    """A mix-in for what is shown as a table: text in terminals, HTML in notebooks, in the colours that are there.

    `_cells` gives the rows, the first is the head, and lines of text to stand below; `_text_columns` is how many
    columns are text, to the left: figures stand to the right. `_total`: the last row is a total.
    """

    _text_columns = 1
    _total = False

    def _cells(self) -> tuple[list[Sequence[str]], list[str]]:
        raise NotImplementedError

    def __repr__(self) -> str:
        rows, notes = self._cells()
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [
            "  ".join(
                c.ljust(w) if i < self._text_columns else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))
            )
            for cells in rows
        ]
        lines = [line.rstrip() for line in lines]
        rule = "-" * max(map(len, lines))
        body, total = (lines[1:-1], [rule, lines[-1]]) if self._total else (lines[1:], [])
        return "\n".join([lines[0], rule, *body, *total, *notes])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        (head, *rows), notes = self._cells()
        body = [self._row("td", cells, self._total and cells is rows[-1]) for cells in rows]
        page = f"<table><thead>{self._row('th', head)}</thead><tbody>{''.join(body)}</tbody></table>"
        return {"text/plain": repr(self), "text/html": page + "".join(f"<p>{xml(note)}</p>" for note in notes)}

    def _row(self, tag: str, cells: Sequence[str], total: bool = False) -> str:
        weight = "; font-weight: bold" if total else ""
        sides = ["left" if i < self._text_columns else "right" for i in range(len(cells))]
        row = (f'<{tag} style="text-align: {side}{weight}">{xml(c)}</{tag}>' for side, c in zip(sides, cells))
        return f"<tr>{''.join(row)}</tr>"


def shell() -> Any:
    """The IPython shell of the notebook in which this runs, or None: in a script, or in a terminal."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    found = ask() if ask else None
    return found if hasattr(found, "kernel") else None


class Line:
    """A stream that shows the last line written to it, below the cell that runs."""

    encoding = "utf-8"  # for whoever asks before drawing

    def __init__(self) -> None:
        self.cell: int | None = None
        self.handle: Any = None

    def write(self, text: str) -> int:
        if line := printable(text.replace("\r", "")).strip():
            from IPython.display import display  # it is running: `shell()` is not None

            cell, show = shell().execution_count, {"text/plain": line}
            if cell != self.cell:
                self.cell, self.handle = cell, display(show, raw=True, display_id=True)
            else:
                self.handle.update(show, raw=True)
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""
