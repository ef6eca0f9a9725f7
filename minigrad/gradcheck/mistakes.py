"""Which mistake a wrong backward made: a table of hypotheses, each held against the numbers.

A hypothesis gives pairs (what to say, the gradient that a backward with this mistake would return); the first that
equals what was returned, to round-off, is told. All of them are made of the Jacobian of forward, by the same witnesses
as the check's, and of the arrays at hand. What cannot be shown on the numbers is not said.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from .. import tree
from ..tape import Array
from . import witness
from .pair import Pair
from .report import WRONG, Row

Guess = tuple[str, Array]
_MOST = 1 << 22  # entries of a Jacobian that is computed for this


def explain(s: Pair, rows: list[Row]) -> None:
    """Say in the rows that are wrong which mistake it is; and make those wrong whose arrays are mistreated."""
    evidence = functools.cache(lambda: _Evidence(s))
    for p, row in enumerate(rows):
        if row.verdict == WRONG and s.returned and sum(a.size for a in s.value) * s.start[p].size <= _MOST:
            row.detail = "; ".join(filter(None, (_named(evidence(), p), row.detail)))
    said, leaves = s.misconduct()
    for p in leaves:
        rows[p].verdict, rows[p].kink = WRONG, None
        rows[p].detail = "; ".join(filter(None, (said, rows[p].detail)))
    for p in s.views:  # which is no mistake as long as nobody changes it
        if rows[p].verdict != WRONG:
            rows[p].detail = "; ".join(
                filter(None, (rows[p].detail, "backward gives out dout itself, or a view of it"))
            )


class _Evidence:
    """What all hypotheses are made of."""

    def __init__(self, s: Pair) -> None:
        self.s = s
        s.slopes(s.at(s.start))
        self.returned = s.returned
        self.outs, (self.douts, cache, args) = s.value, s.called
        self.pool = dict(zip(s.names, s.start))  # arrays by name
        kept = [np.asarray(a) for a in tree.flatten(cache)[0] if isinstance(a, np.ndarray) and a.dtype.kind in "fb"]
        single = len(self.outs) == 1
        self.out_names = ["out"] if single else [f"out[{k}]" for k in range(len(self.outs))]
        self.dout_names = ["dout"] if single else [f"dout[{k}]" for k in range(len(self.outs))]
        self.pool |= dict(zip(self.out_names, self.outs))
        self.pool |= {f"cache[{i}]": a.astype(float) for i, a in enumerate(kept) if not self._has(a)}
        given = [(s.arguments[i], a) for i, a in enumerate(args) if i not in s.places]
        self.numbers = {f"{a:g} is {name}": float(a) for name, a in _numbers(given)}
        self.integers = [a for _, g in given for a in tree.flatten(g)[0] if isinstance(a, np.ndarray)]

    def named_douts(self) -> dict[str, Array]:
        return dict(zip(self.dout_names, map(np.asarray, self.douts)))

    def _has(self, a: Array) -> bool:
        return any(a.shape == b.shape and np.array_equal(a, b) for b in self.pool.values())

    @functools.cache  # noqa: B019 it lives for one check
    def jacobian(self, p: int, at: tuple[bytes, ...] = ()) -> tuple[list[Array], float]:
        """dout_k / dx for each output k, (out.size, x.size), and how exact it is, relatively."""
        s = self.s
        start = [np.frombuffer(b).reshape(a.shape) for a, b in zip(s.start, at)] if at else s.start

        def values(points: Sequence[Array]) -> list[Array]:
            s.at(points)
            return [a if a.dtype.kind == y.dtype.kind else a.astype(y.dtype) for a, y in zip(s.value, s.value)]

        def columns(derivative: Callable) -> list[list[Array]] | None:
            found = []
            for index in np.ndindex(s.start[p].shape):
                v = [None if q != p else np.zeros(a.shape) for q, a in enumerate(s.start)]
                v[p][index] = 1  # type: ignore[index]
                d = derivative(v)
                if d is None:
                    return None
                found.append(d)
            return found

        usual = columns(lambda v: witness.central(values, start, v, witness.step_size(start, v))[0])
        exact = columns(lambda v: witness.complex_step(values, start, v))
        a = _stacked(usual)
        if exact is not None:
            b = _stacked(exact)
            if all(np.abs(x - y).max(initial=0) <= 1e-5 * (np.abs(x).max(initial=0) or 1) for x, y in zip(a, b)):
                return b, 1e-10
        return a, 1e-7

    def expected(self, p: int, douts: list[Array] | None = None, at: list[Array] | None = None) -> Array:
        """The gradient of leaf p, for these cotangents, at these points."""
        js, _ = self.jacobian(p, tuple(a.tobytes() for a in at or ()))
        parts = (j.T @ np.ravel(d) for j, d in zip(js, self.douts if douts is None else douts))
        return sum(parts, np.zeros(self.s.start[p].size)).reshape(self.s.start[p].shape)


class _Case:
    """One wrong gradient: `got`, where `expected` is right."""

    def __init__(self, evidence: _Evidence, p: int) -> None:
        self.all, self.p = evidence, p
        self.name, self.x = evidence.s.names[p], evidence.s.start[p]
        self.got = np.asarray(evidence.returned[p])
        # (a loss that returns its gradient has it in the cache)
        self.pool = {
            name: a for name, a in evidence.pool.items() if not (name[:5] == "cache" and _parallel(a, self.got))
        }
        self.expected, self.tol = evidence.expected(p), evidence.jacobian(p)[1]

    def equal(self, a: Array, b: Array) -> bool:
        """Whether a and b are the same to round-off."""
        size = max((float(np.abs(c).max(initial=0)) for c in (a, b, self.expected)), default=0.0)
        return a.shape == b.shape and bool((np.abs(a - b) <= self.tol * size).all())

    def dims(self) -> Iterator[tuple[str, float]]:
        """Numbers that a factor may come from, with what they are."""
        arrays = {self.name: self.x} | self.all.named_douts() | self.pool
        yield "2", 2.0
        for name, a in arrays.items():
            yield from ((f"{n} is {name}.shape[{i}]", n) for i, n in enumerate(a.shape))
        yield from self.all.numbers.items()
        yield from ((f"{a.size} is {name}.size", a.size) for name, a in arrays.items())


def _named(evidence: _Evidence, p: int) -> str:
    case = _Case(evidence, p) if np.asarray(evidence.returned[p]).dtype.kind in "fiu" else None
    if case is None or not np.isfinite(case.got).all() or not np.isfinite(case.expected).all():
        return ""
    if case.equal(case.got, case.expected):
        return ""  # of these numbers at least nothing is wrong
    for hypothesis in HYPOTHESES:
        with np.errstate(all="ignore"), contextlib.suppress(Exception):  # forward may not bear what it is given
            for said, guess in hypothesis(case):
                if case.equal(case.got, guess):
                    return said
    return ""


# ---- the hypotheses, in the order in which they are asked


def _zero(c: _Case) -> Iterable[Guess]:
    yield "got is zero everywhere", np.zeros(c.got.shape)


def _sign(c: _Case) -> Iterable[Guess]:
    yield "its sign is wrong", -c.expected
    ones = [np.ones(np.shape(d)) for d in c.all.douts]
    yield "dout is not used: got is right where dout is 1 everywhere", c.all.expected(c.p, ones)


def _setting(c: _Case) -> Iterable[Guess]:
    """A setting such as the p of dropout that stands before the right gradient."""
    for said, n in c.all.numbers.items():
        for value in (n, 1 / n, 1 - n, 1 / (1 - n)) if 0 < n < 1 else ():
            yield f"got is {_times_what(value)} what is expected ({said})", value * c.expected


def _factor(c: _Case) -> Iterable[Guess]:
    """A number that stands before the right gradient."""
    if c.got.shape != c.expected.shape or not c.expected.any():
        return
    k = float(np.vdot(c.got, c.expected) / np.vdot(c.expected, c.expected))
    for said, n in c.dims():
        for value in (n, 1 / n) if n else ():
            if value not in (0, 1, -1) and min(abs(k - value), abs(k + value)) <= 1e2 * c.tol * abs(k):
                yield (
                    f"got is {_times_what(k)} what is expected" + ("" if said == "2" else f" ({said})"),
                    k * c.expected,
                )
    if np.count_nonzero(c.expected) > 1:
        yield f"got is {_times_what(k)} what is expected, throughout", k * c.expected


def _other(c: _Case) -> Iterable[Guess]:
    """Gradients in another order."""
    for q, name in enumerate(c.all.s.names):
        if q != c.p and c.all.s.start[q].size * sum(a.size for a in c.all.outs) <= _MOST:
            theirs = np.asarray(c.all.returned[q])
            swapped = theirs.shape != c.all.s.start[q].shape or not c.equal(theirs, c.all.expected(q))
            said = ": backward returns them in another order" if swapped else ""
            yield f"got is the gradient of {name}{said}", c.all.expected(q)


def _axes(c: _Case) -> Iterable[Guess]:
    """Transposed, or reshaped as if the axes stood in another order."""
    for axes in itertools.permutations(range(c.x.ndim)):
        if axes == tuple(range(c.x.ndim)):
            continue
        turned = c.expected.transpose(axes)
        what = "the transpose of what is expected" if c.x.ndim == 2 else f"expected.transpose{axes}"
        yield f"got is {what}", turned
        if turned.size == c.got.size:
            yield f"got is {what}, reshaped to {c.got.shape}", turned.reshape(c.got.shape)
        back = c.expected.reshape(turned.shape).transpose(np.argsort(axes))
        yield f"the axes are in another order before a reshape: {axes}", back
    for axes in _subsets(c.x.ndim):
        yield f"got is what is expected, flipped along {_axis(axes)}", np.flip(c.expected, axes)


def _shape(c: _Case) -> Iterable[Guess]:
    """Broadcasting not undone, padding not cropped, axes too many or too few."""
    shape = c.expected.shape
    if c.got.shape == shape:
        return
    if c.got.size == c.expected.size:
        yield f"the numbers are right, the shape is not: reshape to {shape}", c.expected.reshape(c.got.shape)
    for axes in _subsets(c.got.ndim):
        summed = c.got.sum(axes)
        if summed.size == c.expected.size and c.equal(summed.reshape(shape), c.expected):
            yield f"the sum over {_axis(axes)} is forgotten, along which {c.name} was broadcast", c.got
        mean = c.got.mean(axes)
        if mean.size == c.expected.size and c.equal(mean.reshape(shape), c.expected):
            yield f"got repeats what is expected along {_axis(axes)}", c.got
    extra = [n - m for n, m in zip(c.got.shape, shape)]
    if c.got.ndim == c.expected.ndim and min(extra, default=-1) >= 0 and not any(n % 2 for n in extra):
        inside = tuple(slice(n // 2, m + n // 2) for n, m in zip(extra, shape))
        if c.equal(c.got[inside], c.expected):
            yield f"the padding is not cropped: got is {c.got.shape}, {c.name} is {shape}", c.got


def _shifted(c: _Case) -> Iterable[Guess]:
    """Right entries, some places beside where they belong: cropped or padded at the wrong end, off by a stride."""
    if c.got.shape != c.expected.shape:
        return
    for axes in _subsets(c.x.ndim):
        for by in (1, -1, 2, -2, 3, -3):
            if all(c.x.shape[i] > 2 * abs(by) - 1 and c.x.shape[i] > abs(by) for i in axes):
                here = tuple(
                    slice(max(by, 0), min(by, 0) or None) if i in axes else slice(None) for i in range(c.x.ndim)
                )
                there = tuple(
                    slice(max(-by, 0), min(-by, 0) or None) if i in axes else slice(None) for i in range(c.x.ndim)
                )
                rolled = np.roll(c.expected, [by] * len(axes), axes)
                said = f"got is what is expected, shifted by {by} along {_axis(axes)}"
                if np.count_nonzero(c.expected[there]) > 1 and c.equal(c.got[here], c.expected[there]):
                    yield said, c.got
                yield said, rolled


def _formulas(c: _Case) -> Iterable[Guess]:
    """A product of dout and other arrays, summed or not, that is not the product it should be."""
    found = list(_products(c))
    right = next((text for text, a in found if a.size == c.x.size and c.equal(a.reshape(c.x.shape), c.expected)), "")
    for text, a in found:
        if a.size == c.got.size:
            yield f"got is {text}, expected is {right}" if right else f"got is {text}", a.reshape(c.got.shape)
    for name, a in c.pool.items():
        yield f"got is {name}", a


def _products(c: _Case) -> Iterator[tuple[str, Array]]:
    """What a backward usually multiplies dout by, and how it brings that to the shape of an argument."""
    for name, dout in c.all.named_douts().items():
        terms = {name: dout}
        for what, a in (c.pool | {name: dout}).items():
            if (b := _aligned(a, dout.shape)) is not None:
                terms[f"{name} * ({what} > 0)"] = dout * (b > 0)
                terms[f"{name} * ({what} <= 0)"] = dout * (b <= 0)
                terms[f"{name} * {what}"] = dout * b
                if a.size == dout.size:
                    terms[f"{name} * (1 - {what})"] = dout * (1 - b)
                    terms[f"{name} * (1 - {what}**2)"] = dout * (1 - b**2)
                    terms[f"{name} * {what} * (1 - {what})"] = dout * b * (1 - b)
        yield from terms.items()
        for axes in _subsets(dout.ndim):
            axis = axes[0] if len(axes) == 1 else axes
            for text, a in terms.items():
                short = f"({text})" if " " in text else text
                yield f"{short}.sum(axis={axis})", a.sum(axes)
                yield f"{short}.mean(axis={axis})", a.mean(axes)
        for (text, d), (what, a) in itertools.product(terms.items(), c.pool.items()):
            if dout.ndim == 2 and a.ndim >= 2:
                m, e = (what, a) if a.ndim == 2 else (f"{what}.reshape({len(a)}, -1)", a.reshape(len(a), -1))
                short = f"({text})" if " " in text else text
                sides = {short: d, f"{short}.T": d.T}, {m: e, f"{m}.T": e.T}
                for left, right in (sides, sides[::-1]):
                    for (f, u), (g, v) in itertools.product(left.items(), right.items()):
                        if u.shape[1] == v.shape[0]:
                            yield f"{f} @ {g}", u @ v


def _elsewhere(c: _Case) -> Iterable[Guess]:
    """Right, if another argument were 1, transposed, or flipped."""
    s, v = (
        c.all.s,
        [None if q != c.p else np.random.default_rng(0).standard_normal(a.shape) for q, a in enumerate(c.all.s.start)],
    )
    if c.got.shape != c.x.shape:
        return
    for q, a in enumerate(s.start):
        forms = {f"{s.names[q]} were 1": np.ones(a.shape)}
        turns = (axes for axes in itertools.permutations(range(a.ndim)) if axes != tuple(range(a.ndim)))
        forms |= {f"{s.names[q]} were its transpose{axes if a.ndim > 2 else ''}": a.transpose(axes) for axes in turns}
        forms |= {f"{s.names[q]} were flipped along {_axis(axes)}": np.flip(a, axes) for axes in _subsets(a.ndim)}
        for text, b in forms.items() if q != c.p else ():
            if b.shape == a.shape and not np.array_equal(a, b):
                at = [*s.start[:q], b, *s.start[q + 1 :]]
                h = witness.step_size(at, v)
                d, floor = witness.floored(lambda points: [s.at(points).data], at, v, h, s.terms)
                if abs(d[0].item() - np.vdot(c.got, v[c.p])) <= 10 * floor + 1e-7 * np.abs(c.got).max(initial=0):
                    yield f"got is right if {text}", c.all.expected(c.p, at=at)


def _mask(c: _Case) -> Iterable[Guess]:
    """What a mask lets through, of entries that are each passed on or not."""
    if len(c.all.douts) != 1 or np.shape(c.all.douts[0]) != c.expected.shape or c.got.shape != c.expected.shape:
        return
    dout = c.all.douts[0]
    passed = c.expected[np.abs(c.expected) > c.tol * np.abs(c.expected).max(initial=0)]
    right = np.abs(c.expected) > c.tol * np.abs(c.expected).max(initial=0)
    gains = passed / dout[right]
    if not passed.size or right.all() or not c.equal(gains, np.full(gains.shape, gains[0])):
        return
    gain = float(gains[0])
    yield "the mask is forgotten: got is dout itself", dout
    k = float(np.vdot(c.got, dout) / np.vdot(dout, dout))
    yield f"the mask is forgotten: got is dout times {k:.6g}", dout * k
    yield "the mask is inverted", dout * gain * ~right
    yield "the mask is inverted, and its factor forgotten", dout * ~right * 1.0
    there = np.abs(c.got) > c.tol * np.abs(c.got).max(initial=0)
    apart = np.argwhere(there != right)
    if apart.size:
        i = tuple(map(int, apart[0]))
        said = f"the mask is another: it {'passes' if there[i] else 'stops'} {c.name}{list(i)} = {c.x[i]:.6g}"
        yield said, dout * gain * there


def _used(c: _Case) -> Iterable[Guess]:
    """Parts of dout that are not looked at."""
    douts = [np.asarray(d) for d in c.all.douts]
    for k, d in enumerate(douts):
        zero = [np.zeros(e.shape) for e in douts]
        if len(douts) > 1:
            yield f"{c.all.dout_names[k]} is not used", c.all.expected(c.p, [*douts[:k], zero[k], *douts[k + 1 :]])
        for axis in range(d.ndim):
            for i in range(d.shape[axis]) if d.shape[axis] > 1 else ():
                one = np.zeros(d.shape)
                at = (slice(None),) * axis + (i,)
                one[at] = d[at]
                place = "".join([":, " * axis, str(i), ", …" * (axis < d.ndim - 1)])
                only, but = ([*douts[:k], a, *douts[k + 1 :]] for a in (one, d - one))
                yield f"only {c.all.dout_names[k]}[{place}] is used", c.all.expected(c.p, only)
                yield f"{c.all.dout_names[k]}[{place}] is not used", c.all.expected(c.p, but)


def _overwritten(c: _Case) -> Iterable[Guess]:
    """Several contributions reach an entry, and the last (or first) of them is kept: `=` where `+=` is needed."""
    s = c.all.s
    big = 1 + 2 * float(np.ptp(c.x)) if c.x.size else 0.0
    reached: list[list[Array]] = []
    for index in np.ndindex(c.x.shape):  # which outputs each entry could reach: a maximum looks at all it may take
        changed = [np.zeros(a.shape, bool) for a in c.all.outs]
        for step in (big, -big):
            points = [a.copy() for a in s.start]
            points[c.p][index] += step
            s.at(points)
            changed = [was | (a != b) for was, a, b in zip(changed, s.value, c.all.outs)]
        reached.append(changed)
    for k, (j, d) in enumerate(zip(c.all.jacobian(c.p)[0], map(np.asarray, c.all.douts))):
        terms = (j * d.reshape(-1, 1)).reshape(*d.shape, -1)
        could = np.stack([r[k] for r in reached], -1).reshape(terms.shape)
        yield (
            "each entry gets the dout of all outputs that it reaches, with nothing in between",
            np.tensordot(d, could, d.ndim).reshape(c.x.shape),
        )
        box = whole = np.ones(terms.shape, bool)  # a loop passes windows, or all there is
        for axis in range(d.ndim):
            along = could.any(tuple(i for i in range(d.ndim) if i != axis), keepdims=True)
            box, whole = box & along, whole & (along | (along.sum(axis, keepdims=True) > 1))
        for reach, kept in itertools.product(
            (box, whole), [*itertools.permutations(range(d.ndim)), *_subsets(d.ndim)[:-1]]
        ):
            order = (*kept, *(i for i in range(d.ndim) if i not in kept), d.ndim)
            shape = int(np.prod([d.shape[i] for i in kept])), -1, c.x.size
            parts = terms.transpose(order).reshape(shape).sum(1)  # contributions that were not added up
            there = np.asarray(reach.transpose(order).reshape(shape).any(1))
            if (there.sum(0) > 1).any():
                last, first = len(there) - 1 - there[::-1].argmax(0), there.argmax(0)
                for which, at in (("last", last), ("first", first)):
                    guess = np.where(there.any(0), parts[at, np.arange(c.x.size)], 0)
                    said = f"where contributions to {c.name} overlap, only the {which} is kept: = instead of +="
                    yield said, guess.reshape(c.x.shape)


def _normalised(c: _Case) -> Iterable[Guess]:
    """Of a normalisation: the paths through the mean and the variance, and eps."""
    s = c.all.s
    others = [q for q in range(len(s.start)) if q != c.p]
    if (
        len(c.all.outs) != 1
        or c.all.outs[0].shape != c.x.shape
        or len(others) not in (0, 2)
        or c.got.shape != c.x.shape
    ):
        return
    found = []
    for scale in (1.0, None):  # with gamma 1 and with gamma as it is, beta 0
        points = list(s.start)
        if others:
            points[others[1]] = np.zeros(points[others[1]].shape)
            points[others[0]] = points[others[0]] if scale is None else np.ones(points[others[0]].shape)
        s.at(points)
        found.append(s.value[0])
    normal, scaled = found
    with np.errstate(all="ignore"):
        h = np.asarray(c.all.douts[0]) * np.where(normal == 0, 0, scaled / normal)
    n = c.x.ndim
    ways = [(c.x.shape, axes) for axes in _subsets(n)]
    if n > 1:  # groups of channels
        ways += [((c.x.shape[0], int(g), -1), (2,)) for g in c.all.numbers.values() if g > 0 and c.x.shape[1] % g == 0]
    for shape, axes in ways:
        x, y, t = (a.reshape(shape) for a in (c.x, normal, h))
        centred = x - x.mean(axes, keepdims=True)
        if not centred.any() or not t.any():
            continue
        power = (centred**2).sum(axes, keepdims=True)
        slope = (y * centred).sum(axes, keepdims=True) / np.where(power > 0, power, 1)
        if not c.equal(y, slope * centred):
            continue

        def paths(y: Array, slope: Array, t: Array = t, axes: tuple = axes) -> list[Array]:
            mean, square = t.mean(axes, keepdims=True), (t * y).mean(axes, keepdims=True)
            return [slope * t, -slope * mean, -slope * y * square]

        direct, mean, variance = paths(y, slope)
        if not c.equal((direct + mean + variance).reshape(c.x.shape), c.expected):
            continue
        paths_ = np.stack([np.broadcast_to(a, x.shape).ravel() for a in (direct, mean, variance)], 1)
        k, _, rank, _ = np.linalg.lstsq(paths_, c.got.reshape(shape).ravel())
        k = np.where(np.abs(k - np.round(k, 6)) < 1e-8, np.round(k, 6), k)
        if rank == 3:
            wrong = [(f"the path through the {w}", a) for w, a in zip(("mean", "variance"), k[1:]) if a != 1]
            wrong = [("what comes straight from dout", k[0]), *wrong] if k[0] != 1 else wrong
            said = [
                f"{w} {'is missing' if not a else 'has the wrong sign' if a == -1 else f'is {_times_what(a)} what it should be'}"
                for w, a in wrong
            ]
            text = "mean and variance are treated as constants" if k.tolist() == [1, 0, 0] else "; ".join(said)
            yield text, (paths_ @ k).reshape(c.x.shape)
        bare = np.sqrt(x.size // power.size / np.where(power > 0, power, 1))
        for other in (paths(centred * bare, bare), paths(centred * bare, slope), paths(y, bare)):
            yield "eps is missing", sum(other).reshape(c.x.shape)  # type: ignore[union-attr]


def _times(c: _Case) -> Iterable[Guess]:
    """A factor that is an array: forgotten, or one too many."""
    if c.got.shape != c.expected.shape:
        return
    for what, b in c.pool.items():
        a = _aligned(b, c.x.shape)
        if a is None or a.size < 2:
            continue
        with np.errstate(all="ignore"):
            forms = {
                what: a,
                f"(1 - {what})": 1 - a,
                f"(1 + {what})": 1 + a,
                f"(1 - {what}**2)": 1 - a**2,
                f"({what} > 0)": a > 0.0,
            }
            for text, f in forms.items():
                if c.equal(c.got * f, c.expected):
                    yield f"a factor {text} is missing", c.got
                yield f"a factor {text} is too many", c.expected * f


def _plus(c: _Case) -> Iterable[Guess]:
    """An addend that is a multiple of an array."""
    if c.got.shape != c.expected.shape or np.count_nonzero(c.expected) < 3:
        return
    gap = c.expected - c.got
    for what, a in (c.pool | c.all.named_douts()).items():
        if a.shape == gap.shape and np.count_nonzero(a) > 2:
            k = float(np.vdot(gap, a) / np.vdot(a, a))
            if abs(k) > 1e3 * c.tol and c.equal(k * a, gap):
                yield f"an addend {f'{k:.6g} · ' * (abs(k - 1) > 1e-6)}{what} is missing", c.got


def _single(c: _Case) -> Iterable[Guess]:
    with np.errstate(over="ignore"):
        if (
            np.abs(c.got - c.expected).max(initial=0) <= 1e-5 * np.abs(c.expected).max(initial=0)
            if c.got.shape == c.expected.shape
            else False
        ):
            yield (
                "all its entries are float32 numbers: computed in single precision",
                c.got.astype(np.float32).astype(float),
            )


def _places(c: _Case) -> Iterable[Guess]:
    """The right numbers at wrong places; or wrong ones at some places only."""
    if c.got.shape != c.expected.shape:
        return
    order = np.empty(c.got.size)
    order[np.argsort(c.got, axis=None)] = np.sort(c.expected, axis=None)
    yield "the numbers are right, at other places", order.reshape(c.got.shape)
    wrong = np.abs(c.got - c.expected) > c.tol * np.abs(c.expected).max(initial=0)
    if wrong.all():
        return
    for labels in c.all.integers:
        if c.x.ndim == 2 and labels.shape == c.x.shape[:1] and labels.dtype.kind in "iu":
            at = np.zeros(c.x.shape, bool)
            at[np.arange(len(labels)), labels] = True
            if np.array_equal(wrong, at):
                yield f"only the entries {c.name}[i, y[i]] of the labels are wrong", c.got
    for axis, n in enumerate(c.x.shape):
        for i in {0, n - 1} if n > 1 else ():
            at = np.zeros(c.x.shape, bool)
            at[(slice(None),) * axis + (i,)] = True
            if not wrong[~at].any():
                place = "".join([":, " * axis, str(i), ", …" * (axis < c.x.ndim - 1)])
                yield f"only {c.name}[{place}] is wrong", c.got
    for text, at in ((f"{c.name} < 0", c.x < 0), (f"{c.name} > 0", c.x > 0)):
        if np.array_equal(wrong, at):
            yield f"wrong where {text}, right elsewhere", c.got


HYPOTHESES: tuple[Callable[[_Case], Iterable[Guess]], ...] = (
    _zero, _mask, _sign, _setting, _single, _other, _shape, _formulas, _factor, _axes, _shifted, _used, _normalised, _times, _overwritten, _plus,
    _elsewhere, _places,
)  # fmt: skip


# ---- small things


def _stacked(columns: list[list[Array]] | None) -> list[Array]:
    """Of a list over entries of lists over outputs: for each output (out.size, entries)."""
    return [np.stack([a.ravel() for a in of_output], 1) for of_output in zip(*(columns or []))]


def _subsets(n: int) -> list[tuple[int, ...]]:
    """The subsets of n axes, single ones first."""
    return [axes for k in range(1, n + 1) for axes in itertools.combinations(range(n), k)]


def _axis(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def _aligned(a: Array, shape: tuple[int, ...]) -> Array | None:
    """a, if it broadcasts to the shape, or goes along one of its axes."""
    if a.ndim <= len(shape) and all(n in (1, m) for n, m in zip(a.shape[::-1], shape[::-1])):
        return a
    if a.ndim == 1 and shape.count(len(a)) == 1:
        return a.reshape([-1 if n == len(a) else 1 for n in shape])
    return None


def _parallel(a: Array, b: Array) -> bool:
    return a.shape == b.shape and np.linalg.matrix_rank(np.stack([a.ravel(), b.ravel()])) < 2


def _times_what(k: float) -> str:
    """'3 times' or '1/3 of'."""
    part = 1 / k if k else 0.0
    if abs(k) < 1 and abs(part - round(part)) < 1e-6 * abs(part):
        return f"{'-' if k < 0 else ''}1/{abs(round(part))} of"
    return f"{k:.6g} times"


def _numbers(given: Iterable[tuple[str, object]]) -> Iterator[tuple[str, float]]:
    """The numbers among arguments, in their dicts and lists too, by name."""
    for name, a in given:
        if isinstance(a, dict):
            yield from _numbers((f"{name}[{key!r}]", b) for key, b in a.items())
        elif isinstance(a, list | tuple):
            yield from _numbers((f"{name}[{i}]", b) for i, b in enumerate(a))
        elif isinstance(a, int | float | np.number) and not isinstance(a, bool):
            yield name, float(a)
