"""The two witnesses that a derivative is held against, and the kinks that lie between them.

The complex step: for a function that is analytic piece by piece, f(x + ihv) = f(x) + ih·Df(x)v + O(h²), so the
imaginary part over h = 1e-30 is the derivative to the last digit: nothing is subtracted, so nothing cancels. Branches
are decided on the real part, which the step does not move, so it is exact at kinks too. Squire and Trapp, SIAM Review
40 (1998); Martins, Sturdza and Alonso, ACM TOMS 29 (2003).

Central differences, (f(x + hv) − f(x − hv)) / 2h, see no better than their floor, about 1e-10, and not at all through
a kink; but they ask nothing of f.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..tape import Array, Node, Tensor, history, where_is
from .report import Curve, Kink
from .subject import Subject

STEP = 1e-30
EPS = float(np.finfo(np.float64).eps)

Quantity = Callable[[Sequence[Array]], list[Array]]  # of the points where the leaves stand


def moved(points: Sequence[Array], v: Sequence[Array | None], h: complex) -> list[Array]:
    """The points a step h along v, where None stands for zero: all complex if h is."""
    return [x + h * (np.zeros(x.shape) if d is None else d) for x, d in zip(points, v)]


def complex_step(
    quantity: Quantity, points: Sequence[Array], v: Sequence[Array | None], h: float = STEP
) -> list[Array] | None:
    """The derivative of `quantity` along v to machine precision; None if it does not take complex numbers.

    It does not if it raises on them, or drops the imaginary part and returns real numbers.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            values = quantity(moved(points, v, 1j * h))
        except Exception:  # whatever it raises, it does not take them
            return None
    return [q.imag / h for q in values] if all(q.dtype.kind == "c" for q in values) else None


def step_size(points: Sequence[Array], v: Sequence[Array | None]) -> float:
    """The h that balances the truncation h² of a central difference and its round-off ε/h."""
    parts = [(x, d) for x, d in zip(points, v) if d is not None and d.size]
    at = max((float(np.abs(x[d != 0]).max(initial=0.0)) for x, d in parts), default=0.0)
    length = max((float(np.abs(d).max()) for _, d in parts), default=0.0)
    return EPS ** (1 / 3) * max(1.0, at) / (length or 1.0)


def central(
    quantity: Quantity, points: Sequence[Array], v: Sequence[Array | None], h: float, terms: float = 0.0
) -> tuple[list[Array], float]:
    """The central difference of `quantity` along v, and the round-off in it, of `terms` that cancel in it too."""
    with np.errstate(all="ignore"):  # the step may leave f's domain
        right, left = quantity(moved(points, v, h)), quantity(moved(points, v, -h))
    size = max((float(np.abs(q).max(initial=0.0)) for q in (*right, *left)), default=0.0)
    size = max(size, terms)
    return [(a - b) / (2 * h) for a, b in zip(right, left)], 10 * EPS * size / h


def floored(
    quantity: Quantity, points: Sequence[Array], v: Sequence[Array | None], h: float, terms: float = 0.0
) -> tuple[list[Array], float]:
    """The central difference, and all that may be wrong with it: its round-off, and how far twice the step moves it."""
    one, round_off = central(quantity, points, v, h, terms)
    two, _ = central(quantity, points, v, 2 * h)
    return one, round_off + max((float(np.abs(a - b).max(initial=0.0)) for a, b in zip(one, two)), default=0.0)


def sides(
    quantity: Quantity, points: Sequence[Array], v: Sequence[Array | None], h: float, terms: float = 0.0
) -> tuple[list[Array], list[Array], float]:
    """The slopes of `quantity` along v on the left and on the right, and the round-off in them."""
    with np.errstate(all="ignore"):
        left, here, right = (quantity(moved(points, v, d)) for d in (-h, 0.0, h))
    size = max((float(np.abs(q).max(initial=0.0)) for q in (*left, *here, *right)), default=0.0)
    size = max(size, terms)
    on_the_left, on_the_right = ([(b - a) / h for a, b in zip(x, y)] for x, y in ((left, here), (here, right)))
    return on_the_left, on_the_right, 20 * EPS * size / h


def curve(name: str, quantity: Quantity, points: Sequence[Array], v: Sequence[Array | None], slope: float) -> Curve:
    """How far the difference quotients of a number along v are from `slope`, relatively, at steps of 0.1 to 1e-15."""
    steps = [10 ** (-k / 2) for k in range(2, 31)]
    (here,) = quantity(points)
    quotients: tuple[list[float], ...] = [], [], []
    for h in steps:
        with np.errstate(all="ignore"):  # the step may leave f's domain
            (right,), (left,) = quantity(moved(points, v, h)), quantity(moved(points, v, -h))
            imaginary = complex_step(quantity, points, v, h)
        quotients[0].append(((right - left) / (2 * h)).item())
        quotients[1].append(((right - here) / h).item())
        if imaginary is not None:
            quotients[2].append(imaginary[0].item())
    errors = [[abs(q - slope) / (abs(slope) or 1.0) for q in column] for column in quotients]
    return Curve(name, steps, errors[0], errors[1], errors[2] if len(errors[2]) == len(steps) else None)


def kink_between(subject: Subject, v: Sequence[Array | None], h: float) -> Kink | None:
    """The first decision that a piecewise operation takes differently at x + hv and at x − hv."""
    if not subject.taped:
        return _bend(subject, v, h)
    right = list(_decisions(subject.at(moved(subject.start, v, h))))
    left = list(_decisions(subject.at(moved(subject.start, v, -h))))
    found: list[Kink] = []
    for (node, a), (_, b) in zip(right, left):
        if a.shape != b.shape:
            break
        found += [_kink(node, node.op.name, tuple(map(int, i))) for i in np.argwhere(a != b)]
    if not found and [a.shape for _, a in right] != [b.shape for _, b in left]:  # f itself branched: two tapes
        found = [_kink(node, "control flow", ()) for node, _ in (right or left)[-1:]]
    if not found:
        return None
    found[0].count = len(found)
    return found[0]


def _bend(subject: Subject, v: Sequence[Array | None], h: float) -> Kink | None:
    """A kink where no tape tells of decisions: f(x + tv) − 2f(x) + f(x − tv) does not go with t² there.

    It would wherever f is smooth, and its steps t are not below what round-off lets see.
    """
    h = max(h, 1e-3 * step_size(subject.start, v))
    ts = h * np.array([1, 1 / 2, 1 / 4])
    f = [[subject.at(moved(subject.start, v, d)).data.item() for d in (-t, 0.0, t)] for t in ts]
    bends = np.array([left - 2 * here + right for left, here, right in f]) / ts**2
    slope = max(abs(right - left) / (2 * t) for (left, _, right), t in zip(f, ts))
    floor = 100 * EPS * max(subject.terms, np.abs(f).max()) / ts[-1]
    if not np.ptp(bends) * h > max(floor, 1e-3 * slope):
        return None
    p, d = next((p, d) for p, d in enumerate(v) if d is not None)
    index = tuple(map(int, np.unravel_index(np.flatnonzero(d)[0], d.shape))) if np.count_nonzero(d) == 1 else ()
    return Kink(subject.names[p], index, where_is((subject.f.__code__, 0)), "", 1)


def _kink(node: Node, name: str, index: tuple[int, ...]) -> Kink:
    return Kink(name, index, where_is(node.line), node.scope, 1)


def _decisions(y: Tensor) -> Iterator[tuple[Node, Array]]:
    """What each recorded operation decided: its `branch`, or an array it was given (winners, a condition, an index)."""
    for t in history([y]):
        node = t.node
        if isinstance(node, Node):
            if node.op.branch is not None:
                yield node, np.asarray(node.op.branch(t.data, *(x.data for x in node.inputs), **node.params))
            else:
                yield from ((node, a) for a in node.params.values() if isinstance(a, np.ndarray))
