"""The verdict on one parameter at one order, from the evidence alone: nothing is evaluated here.

Where the walks and the complex step agree, and central differences do not contradict them, that settles it. Where they
do not agree, central differences decide which of them is to be believed; what those cannot decide is WRONG.

Central differences may be off where the walks are right: over a steep place, in round-off, and at a kink. What contradicts
is slopes on both sides of x that no longer change as the step becomes smaller, with the gradient outside of them (`_against`).
At a kink they differ, and a convention lies between them; where they agree there is only one derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..tape import Array
from .report import EXACT, KINK, UNEXPLAINED, VACUOUS, WITHIN, WRONG, Entry, Kink, Row

EPS = float(np.finfo(np.float64).eps)
_MOST = 4  # entries that a report names, and kinks that are held against one
_NOISE = 1e-12  # of the largest derivative: below it a derivative is lost in the others' round-off
_PARTS = (1 / 63.7, 1 / 7.31, 1)  # of the usual step, to look at slopes: a wave cannot be in phase at all three
_BESIDE = 1e-6  # of it: a kink further off than this is not at x
_JUMP = 1e-5  # of the scale: central differences that are further off than this have met a kink, or a steep place


@dataclass
class Evidence:
    """What is known of one parameter at one order, probe by probe: an entry, or a direction (place None).

    `got` has one value per probe for each walk, the first being the one that is judged; the forward walk is asked about directions only. `recheck` gives
    central differences with their floors. `sides(i, part)` gives the slopes to the left and to the right under probe i, at
    this part of the usual step, and their round-off; `kink(i, part)` looks for a kink there. `of_function` says whether
    the derivative is of f itself, of which there are one-sided slopes at a kink.
    """

    places: list[tuple[int, ...] | None]
    scale: Array
    length: Array  # of the probes: 1 for an entry
    got: dict[str, Array]
    exact: Array | None
    central: Array
    round_off: Array
    recheck: Callable[[], tuple[Array, Array]]
    sides: Callable[[int, float], tuple[float, float, float]]
    kink: Callable[[int, float], Kink | None]
    failures: dict[str, str]  # walks that raised, or whose gradient is none, and what to say of it
    of_function: bool = True
    noise: float = 0.0  # round-off of the function and of the largest derivatives: what differs by less does not differ

    @property
    def judged(self) -> str:
        """The walk that this is about: the first."""
        return next(iter(self.got))

    def error(self, walk: str, expected: Array) -> Array | None:
        """The relative error at each probe, 0 where the walk was not asked; None if it raised."""
        if walk in self.failures:
            return None
        error = np.nan_to_num(_relative(self.got[walk], expected, self.scale), nan=np.inf, posinf=np.inf)
        asked = np.array([walk != "forward" or place is None for place in self.places])
        return np.where(asked & ~(np.abs(self.got[walk] - expected) <= self.noise * self.length), error, 0)

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
    row.central = _usual(e.got[e.judged], e.central)

    def agree(exact: Array) -> bool:
        row.complex_step = e.worst(e.judged, exact)
        row.walks = {walk: e.worst(walk, exact) for walk in e.got}
        return all(error is not None and error <= rtol for error in row.walks.values())

    agreed = e.exact is not None and agree(e.exact)
    lost = not agreed and _lost(e, largest)  # relative errors of noise would mean nothing
    if e.exact is not None and not (agreed or lost):
        e.noise = 10 * EPS * largest
        agreed = agree(e.exact)
    if agreed or lost:
        row.kink, against = _against(e)
        if against:
            return _contradicted(row, e, against)
        if lost:
            row.verdict, row.kink, row.complex_step, row.central, row.walks = VACUOUS, None, None, None, {}
        else:
            row.verdict = KINK if row.kink else EXACT if top(e.got[e.judged]) else VACUOUS
        return row
    row.kink = _convention(e, row, rtol)
    if row.kink:
        row.verdict = KINK
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
            row.kink, against = _against(e)
            if against:
                return _contradicted(row, e, against)
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


def _against(e: Evidence) -> tuple[Kink | None, dict[int, float]]:
    """Where central differences differ from the walk up by more than they may: the slopes that contradict the walk, by
    probe, and the kink that they meet."""
    gap = np.abs(e.got[e.judged] - e.central) - 10 * e.round_off
    places = np.flatnonzero(gap > _JUMP * e.scale)
    if not places.size:
        return None, {}
    worst = places[np.argsort(-(gap / np.where(e.scale > 0, e.scale, 1))[places], kind="stable")]
    found = {i: _contradiction(e, i) for i in map(int, worst[:_MOST])}
    against = {i: slope for i, (slope, _) in found.items() if slope is not None}
    kinks = [kink for slope, kink in found.values() if slope is not None and kink]
    return next(iter(kinks), None) if against else e.kink(int(worst[0]), 1), against


def _contradiction(e: Evidence, i: int) -> tuple[float | None, Kink | None]:
    """The slope nearest to the walk's answer to probe i, and the kink at x, if they contradict that answer."""
    got, seen, floor = float(e.got[e.judged][i]), [], 0.0
    for part in _PARTS:
        left, right, round_off = e.sides(i, part)
        seen.append((left, right))
        slopes, floor = np.array(seen), max(floor, round_off)
        changes = float(np.ptp(slopes, axis=0).max())
        margin = changes + floor + _JUMP * e.scale[i]
        if not (got < slopes.min() - margin or got > slopes.max() + margin):
            return None, None
    kink, near = None, e.kink(i, _PARTS[0])
    if near is not None:
        kink = e.kink(i, _BESIDE)
        one = e.of_function and e.places[i] is not None  # along a direction several kinks do not add up
        agree = float(np.abs(slopes[:, 0] - slopes[:, 1]).max()) <= margin
        if kink is None or kink.count < near.count or not (kink.count == 1 or (one and (agree or kink.count <= _MOST))):
            return None, None  # beside x no slope is that of the limit, and many dead units have a convention each
    if changes > 0.25 * np.abs(slopes).max() + floor:  # far from the limit
        return None, None
    return float(slopes.min() if got < slopes.min() else slopes.max()), kink


def _convention(e: Evidence, row: Row, rtol: float) -> Kink | None:
    """The kink at x where the walks take another side than the complex step, if they may, and if that is all that differs."""
    error = None if e.exact is None or e.failures or not e.of_function else e.error(e.judged, e.exact)
    if error is None or not _walks_agree(e, rtol) or sum(p is not None for p in e.places) < np.prod(row.shape):
        return None
    found = None
    for i in np.flatnonzero(error > rtol):
        kink = e.kink(int(i), _BESIDE)
        if kink is None:
            return None
        if e.places[i] is not None:
            left, right, round_off = e.sides(int(i), _PARTS[0])
            margin = round_off + _JUMP * e.scale[i]
            if not min(left, right) - margin <= e.got[e.judged][i] <= max(left, right) + margin:
                return None
            found = found or kink
    return found


def _contradicted(row: Row, e: Evidence, against: dict[int, float]) -> Row:
    """WRONG; but where the walks and the complex step agree and no kink is to blame, somebody has to say why."""
    said = "it is not between the slopes on both sides" if row.kink else "central differences contradict it"
    row.verdict = WRONG if row.kink or e.exact is None else UNEXPLAINED
    row.detail = said if e.exact is None else f"the complex step agrees with the walks, but {said}"
    got = e.got[e.judged]
    row.worst = [entry(e.places[i], float(got[i]), slope, e.judged) for i, slope in against.items()]
    row.worst.sort(key=lambda x: (x.index is None, -abs(x.got - x.expected)))
    return row


def _walks_agree(e: Evidence, rtol: float) -> bool:
    """Whether the walks give one answer along the directions, which all of them are asked about."""
    at = np.array([place is None for place in e.places])
    return all((_relative(got, e.got[e.judged], e.scale)[at] <= rtol).all() for got in e.got.values())


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
    row.worst.sort(key=lambda x: (x.index is None, x.walk != e.judged, -abs(x.got - x.expected)))
    del row.worst[_MOST:]


def entry(place: tuple[int, ...] | None, got: float, expected: float, walk: str) -> Entry:
    """An entry of a report, with its own relative error."""
    return Entry(place, got, expected, abs(got - expected) / max(abs(got), abs(expected), 1e-300), walk)


def _raised(e: Evidence) -> str:
    """What is wrong with the walks that raised, or gave no gradient."""
    return "; ".join(dict.fromkeys(e.failures.values()))


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
    """The Euclidean norm, of the smallest numbers too."""
    largest = top(a) or 1.0
    return largest * float(np.sqrt(((a / largest) ** 2).sum()))
