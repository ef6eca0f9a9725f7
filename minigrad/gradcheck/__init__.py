"""The gradient check: is a derivative right, and if not, which rule is wrong?

`gradcheck` (check.py) asks three witnesses: the complex step and central differences (witness.py), and both walks of
the tape against each other. subject.py moves what is checked about and puts it back; verdict.py judges; suspects.py
names the primitive at fault, leaks.py the lines where values leave the tape; report.py is what comes out, table.py the
same as HTML. pair.py is a forward and a backward in plain NumPy in the place of what is checked, mistakes.py names what
is wrong with those. Nothing here trains or knows layers.
"""

from .check import gradcheck
from .report import (
    EXACT,
    KINK,
    NOT_DETERMINISTIC,
    UNEXPLAINED,
    VACUOUS,
    VERDICTS,
    WITHIN,
    WRONG,
    Curve,
    Entry,
    Kink,
    Report,
    Row,
    Suspect,
)

__all__ = [
    "EXACT", "KINK", "NOT_DETERMINISTIC", "UNEXPLAINED", "VACUOUS", "VERDICTS", "WITHIN", "WRONG",
    "Curve", "Entry", "Kink", "Report", "Row", "Suspect", "gradcheck",
]  # fmt: skip
