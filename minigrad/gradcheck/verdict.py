"""The verdict on one parameter at one order, from the evidence alone: nothing is evaluated here.

Where the walks and the complex step agree, that settles it. Where they do not, central differences decide which of
them is to be believed; what those cannot decide is WRONG.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..tape import Array
from .report import EXACT, KINK, VACUOUS, WITHIN, WRONG, Entry, Kink, Row

_NOISE = 1e-12  # of the largest derivative: below it a derivative is lost in the others' round-off
_JUMP = 1e-5  # of the scale: central differences that are further off than this have met a kink, or a steep place


@dataclass
class Evidence:
    """What is known of one parameter at one order, probe by probe: an entry, or a direction (place None).

    `got` has one value per probe for each walk; the forward walk is asked about directions only. `recheck` gives
    central differences with their floors, `kink(i)` looks for one under probe i.
    """

    places: list[tuple[int, ...] | None]
    scale: Array
    got: dict[str, Array]
    exact: Array | None
    central: Array
    round_off: Array
    recheck: Callable[[], tuple[Array, Array]]
    kink: Callable[[int], Kink | None]
    failures: dict[str, str]  # walks that raised

    def error(self, walk: str, expected: Array) -> Array | None:
        """The relative error at each probe, 0 where the walk was not asked; None if it raised."""
        if walk in self.failures:
            return None
        error = np.nan_to_num(_relative(self.got[walk], expected, self.scale), nan=np.inf, posinf=np.inf)
        return np.where([walk == "forward" and place is not None for place in self.places], 0, error)

    def worst(self, walk: str, expected: Array) -> float | None:
        """The largest relative error; None if the walk raised."""
        error = self.error(walk, expected)
        return None if error is None else float(error.max(initial=0.0))

    def within(self, walk: str, central: Array, floor: Array) -> bool:
        """Whether the walk agrees with central differences as far as those can see."""
        asked = np.array([walk != "forward" or place is None for place in self.places])
        return walk not in self.failures and bool((np.abs(self.got[walk] - central) <= floor)[asked].all())


def judge(e: Evidence, row: Row, largest: float, rtol: float) -> Row:
    """The row, filled in with the verdict on e. `largest` is the largest derivative of any parameter."""
    row.central = _usual(e.got["reverse"], e.central)
    if e.exact is not None:
        row.complex_step = e.worst("reverse", e.exact)
        row.walks = {walk: e.worst(walk, e.exact) for walk in e.got}
        if all(error is not None and error <= rtol for error in row.walks.values()):
            row.kink = _kink(e)
            row.verdict = KINK if row.kink else EXACT if top(e.exact) else VACUOUS
            return row
    if _lost(e, largest):  # relative errors of noise would mean nothing
        row.verdict, row.complex_step, row.central, row.walks = VACUOUS, None, None, {}
        return row
    central, floor = e.recheck()
    if e.exact is None and np.isinf(floor).any():  # no witness at all: the walks it needs have failed
        row.verdict, row.detail = WRONG, _raised(e)
        return row
    right = all(e.within(walk, central, floor) for walk in e.got)
    exact = e.exact
    if right and exact is not None and (np.abs(exact - central) > floor).any():
        row.detail = "the complex step does not go through f (it drops imaginary parts); central differences decide"
        exact = None
    row.verdict = WRONG
    if exact is None and not e.failures and _walks_agree(e, rtol):
        if not right:
            row.kink = _kink(e)
            row.verdict = KINK if row.kink else WRONG
        elif floor.max() <= 1e-2 * e.scale.max():
            row.verdict = WITHIN
        else:
            row.verdict = VACUOUS
            row.detail = f"central differences are too noisy to tell (floor {floor.max():.1e})"
    expected = central if exact is None else exact
    row.walks = {walk: e.worst(walk, expected) for walk in e.got}
    if row.verdict == WRONG:
        _explain(row, e, expected, rtol if exact is not None else 1e-4)
    return row


def _lost(e: Evidence, largest: float) -> bool:
    """Whether nothing but round-off of the other derivatives is left of this one."""
    found = [*e.got.values(), *([] if e.exact is None else [e.exact])]
    if e.failures or not all(np.isfinite(a).all() for a in found):
        return False
    if e.exact is None and (np.abs(e.central) > 10 * e.round_off).any():
        return False
    return top(*found) <= _NOISE * largest


def _kink(e: Evidence) -> Kink | None:
    """The kink that central differences meet, where they differ from the walk up by more than they may."""
    gap = np.abs(e.got["reverse"] - e.central) - 10 * e.round_off
    if not (gap > _JUMP * e.scale).any():
        return None
    return e.kink(int(np.argmax(gap / np.where(e.scale > 0, e.scale, 1))))


def _walks_agree(e: Evidence, rtol: float) -> bool:
    """Whether the walks give one answer along the directions, which all of them are asked about."""
    at = np.array([place is None for place in e.places])
    return all((_relative(got, e.got["reverse"], e.scale)[at] <= rtol).all() for got in e.got.values())


def _explain(row: Row, e: Evidence, expected: Array, limit: float) -> None:
    """Add to the row the worst entries, and which walks are at fault."""
    wrong = [walk for walk, error in row.walks.items() if error is None or error > limit]
    said = _raised(e)
    if wrong and len(wrong) < len(row.walks) and not said:
        said = f"only the {' and '.join(wrong)} walk{'s are' if len(wrong) > 1 else ' is'} wrong"
    row.detail = "; ".join(filter(None, (said, row.detail)))
    for walk, got in e.got.items():
        error = e.error(walk, expected)
        for i in [] if error is None else np.flatnonzero(error > limit):
            row.worst.append(entry(e.places[i], float(got[i]), float(expected[i]), walk))
    row.worst.sort(key=lambda x: (x.index is None, x.walk != "reverse", -abs(x.got - x.expected)))
    del row.worst[4:]


def entry(place: tuple[int, ...] | None, got: float, expected: float, walk: str) -> Entry:
    """An entry of a report, with its own relative error."""
    return Entry(place, got, expected, abs(got - expected) / max(abs(got), abs(expected), 1e-300), walk)


def _raised(e: Evidence) -> str:
    """The walks that raised, and what."""
    return "; ".join(f"the {walk} walk raised {text}" for walk, text in e.failures.items())


def _relative(got: Array, expected: Array, scale: Array) -> Array:
    """|got − expected| over the scale; 0 where both are equal, whatever the scale."""
    gap = np.abs(got - expected)
    return np.where(gap == 0, 0, gap / np.where(scale > 0, scale, 1e-300))


def _usual(a: Array, d: Array) -> float | None:
    """The relative error that courses teach: max |a − d| / max(10⁻⁸, |a| + |d|)."""
    error = np.abs(a - d) / np.maximum(1e-8, np.abs(a) + np.abs(d))
    return None if np.isnan(error).any() else float(error.max(initial=0.0))


def same(a: Array, b: Array) -> bool:
    """Whether a and b are equal but for round-off."""
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-12 * (top(a, b) or 1.0), equal_nan=True)


def top(*arrays: Array) -> float:
    """The largest finite absolute value."""
    return max((float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in map(np.asarray, arrays)), default=0.0)


def norm(a: Array) -> float:
    """The Euclidean norm."""
    return float(np.sqrt((a * a).sum()))
