"""gradcheck: gathers the evidence on each parameter at each order; verdict.py judges it.

At order k the quantity is D = the (k−1)-th directional derivative along fixed random directions, computed through the
tape, and what is checked is its gradient:

    reverse   one walk up from D
    forward   one walk down to D, itself built by walks down only
    mixed     one walk down to the gradient of one order less (from order 2 on: forward over reverse)

held against the complex step. At order 1 that step is taken through f itself: along single entries (all of them for a
small parameter, a seeded sample of a large one) and along random directions. From order 2 on it is taken through the
gradient of one order less, which gives every entry at once, derivatives being symmetric.

A random direction v looks at all entries together: it sees Σ vᵢ (got − expected)ᵢ. With central differences that
drowns one bad entry among thousands; at machine precision it does not. A factor 1.001 on one entry of 10⁶ shifts the
sum by about 10⁻⁶ of it, against a round-off of 10⁻¹⁵. The entry is then found by halving.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import check_function, shown
from ..ranges import INDEX, NOT_NEGATIVE, SWITCH, check, whole
from ..tape import Array, Node, Tensor, history
from . import witness
from .leaks import leaks
from .pair import Pair, pair
from .report import EXACT, NOT_DETERMINISTIC, UNEXPLAINED, WRONG, Curve, Entry, Report, Row, Suspect
from .subject import Subject, is_model, subject
from .suspects import suspects
from .verdict import Evidence, entry, judge, norm, same, top

RTOL = 1e-10  # of the parameter's scale: what counts as round-off for the complex step
_RULE_ERRORS = (ValueError, TypeError, IndexError)  # what a rule of a wrong shape or dtype raises in a walk


def gradcheck(
    f: Any,
    *inputs: Any,
    order: int = 1,
    params: Any = None,
    loss: Callable | None = None,
    check_inputs: bool | None = None,
    entries: int = 16,
    samples: int = 4,
    directions: int = 2,
    rtol: float = RTOL,
    seed: int = 0,
    backward: Callable | None = None,
    curves: bool = False,
) -> Report:
    """Return the Report on the derivatives of f at `inputs`, at orders 1 to `order`.

    f is a function of float arrays, tensors, or nested lists and dicts of them: each is checked. Or f is a model:
    each of its parameters that requires grad is checked, as the model stands (batch norm and dropout in training
    mode, with the random draws held), and the inputs too with `check_inputs`. `gradcheck(model, x)` checks its
    output, `gradcheck(model, x, labels)` its cross-entropy, `loss=` another function of the output and the rest of
    the inputs. `params` (a list, or a dict by name) are tensors to check instead, e.g. those that f reads. A result
    that is not one number is contracted with a fixed random cotangent.

    All is computed in float64, float32 models too, and put back afterwards bit for bit: data, gradients, running
    statistics, random generators. Parameters of up to `entries` entries are checked entry by entry, larger ones at
    `samples` random entries and along `directions` random directions (which see a fault in any entry). `rtol` is the
    largest relative difference from the complex step that passes for round-off. With `curves` the report has the error
    of difference quotients at steps of 0.1 to 1e-15 too.

    With `backward` it is NumPy code that is checked: f returns `out, cache` (or several outputs, and the cache last), and
    `backward(dout, cache)` (or one dout for each output) the gradients of those of f's inputs that are NumPy arrays of
    floats, in their order; all other inputs are passed on as they are. Or f returns `out` alone, and it is
    `backward(dout, *inputs)`. A loss that returns `loss, dx` itself is checked with `backward=lambda dloss, dx: dloss * dx`.
    Each call gets copies; draws from NumPy's global generator are held. Where a gradient is wrong, the report names the
    mistake if there is one that gives just these numbers. A backward that changes dout, the cache or an input in place, or
    goes by more than its arguments, is wrong too.

    Raises ValueError if there is nothing to check or f is not finite, TypeError if f does not return tensors (or, with
    `backward`, arrays of floats).

    >>> from minigrad import ops
    >>> report = gradcheck(lambda x: (ops.elementwise.relu(x) ** 2).sum(), np.array([-1.0, 2.0, 3.0]), order=2)
    >>> report.ok, report["x"]
    (True, 'exact')

    >>> def forward(x, w):
    ...     return x @ w, (x, w)
    >>> def backward(dout, cache):
    ...     x, w = cache
    ...     return dout @ w.T, dout.T @ x
    >>> rng = np.random.default_rng(0)
    >>> report = gradcheck(forward, rng.normal(size=(3, 2)), rng.normal(size=(2, 2)), backward=backward)
    >>> report.verdicts
    {'x': 'exact', 'w': 'WRONG'}
    >>> report.rows[1].detail
    'got is dout.T @ x, expected is x.T @ dout'
    """
    started = time.perf_counter()
    check_function("gradcheck", "f", f)
    check_function("gradcheck", "loss", loss, None)
    check("gradcheck", whole(1, 20), order=order)
    check("gradcheck", INDEX, entries=entries, samples=samples, directions=directions, seed=seed)
    check("gradcheck", NOT_NEGATIVE, rtol=rtol)
    check("gradcheck", SWITCH.or_none, check_inputs=check_inputs)
    check("gradcheck", SWITCH, curves=curves)
    if backward is not None:
        _check_backward(backward, order, params=params, loss=loss, check_inputs=check_inputs)

    def examine(s: Subject, order: int, entries: int) -> list[Row]:
        return _Examination(s, order, entries, samples, directions, rtol).rows()

    options = {"params": params, "loss": loss, "check_inputs": check_inputs, "seed": seed}
    with subject(f, inputs, **options) if backward is None else pair(f, backward, inputs, seed) as s:
        given = (
            np.result_type(*(x.data for x in s.leaves)).name if params is not None or is_model(f) else _given(inputs)
        )
        rows = examine(s, order, entries)
        wrong = [row.order for row in rows if row.verdict in (WRONG, UNEXPLAINED)]
        found = suspects(s, min(wrong), examine, _directions(s, order)) if wrong and s.taped else []
        if isinstance(s, Pair) and len(rows) == len(s.names) and NOT_DETERMINISTIC not in {r.verdict for r in rows}:
            from .mistakes import explain  # only here: it takes a tenth of what `import minigrad` does

            explain(s, rows)
        elif wrong and s.taped:
            _explain(s, rows, found)
        drawn = _curves(s) if curves else []
        evaluations = s.evaluations
    name = getattr(f, "__name__", type(f).__name__)
    seconds = time.perf_counter() - started
    return Report("f" if name == "<lambda>" else name, given, order, rows, found, evaluations, seconds, drawn)


def _check_backward(backward: Any, order: int, **for_tensors: Any) -> None:
    check_function("gradcheck", "backward", backward)
    if order != 1:
        raise ValueError(f"gradcheck: order is {order}; with backward= it is 1, for backward itself has no derivative")
    for name, value in for_tensors.items():
        if value is not None:
            raise ValueError(
                f"gradcheck: {name} is for functions of tensors, not with backward= (given {shown(value)})"
            )


def _explain(s: Subject, rows: list[Row], found: list[Suspect]) -> None:
    """What is unexplained is wrong if an operation is, or if values leave the tape: say where."""
    lines = dict(zip(s.names, leaks(s)))
    for row in rows:
        if row.verdict in (WRONG, UNEXPLAINED):
            said = f"a value of {row.name} leaves the tape: {', '.join(lines[row.name][:4])}" if lines[row.name] else ""
            row.detail = "; ".join(filter(None, (row.detail, said)))
            row.verdict = WRONG if found or said else row.verdict


def _curves(s: Subject) -> list[Curve]:
    """How far the difference quotients are from the gradient at each step, along one direction of each leaf."""
    s.misfits = {}
    grads, failed = _attempt(lambda: s.slopes(s.at(s.start)))
    found = []
    for p, (name, a) in enumerate(zip(s.names, s.start)):
        if failed or p in s.misfits or not a.size:
            continue
        v = np.random.default_rng([s.seed, 4, p]).standard_normal(a.shape)
        along = [v / np.abs(v).max() if q == p else None for q in range(len(s.start))]
        slope = float(np.vdot(grads[p], along[p]))
        found.append(witness.curve(name, lambda x: [np.asarray(s.at(x).data)], s.start, along, slope))
    return found


def _given(inputs: Any) -> str:
    arrays = [np.asarray(a.data if isinstance(a, Tensor) else a) for a in tree.flatten(list(inputs))[0]]
    return np.result_type(*(a for a in arrays if a.dtype.kind == "f")).name


def _directions(s: Subject, n: int) -> list[list[Array]]:
    """n random directions of all leaves."""
    return [
        [np.random.default_rng([s.seed, 1, i, j]).standard_normal(a.shape) for j, a in enumerate(s.start)]
        for i in range(n)
    ]


class _Examination:
    """The checks of one subject, order by order."""

    def __init__(self, s: Subject, order: int, entries: int, samples: int, directions: int, rtol: float) -> None:
        self.s, self.order, self.rtol = s, order, rtol
        self.entries, self.samples, self.count = entries, samples, directions
        self.vs = _directions(s, order)
        self.largest = 0.0  # of all derivatives met so far: round-off is relative to it
        self.complex_safe = True
        self.judged = next(iter(s.calls))

    def rows(self) -> list[Row]:
        """A row for each parameter and order."""
        rows = self._unsteady()
        if rows:
            return rows
        other_value = self._other_value()
        for k in range(1, self.order + 1):
            evidence = self._first_order() if k == 1 else self._higher_order(k)
            self.largest = max(self.largest, *(top(e.got[e.judged] if e.exact is None else e.exact) for e in evidence))
            for p, e in enumerate(evidence):
                row = judge(e, Row(self.s.names[p], self.s.start[p].shape, k, EXACT), self.largest, self.rtol)
                if other_value:
                    row.verdict, row.kink, row.detail = WRONG, None, other_value
                elif k == 1 and self._hidden(p, row, e):
                    row.worst = [self._hunt(p), *row.worst[:3]]
                rows.append(row)
        return rows

    def _hidden(self, p: int, row: Row, e: Evidence) -> bool:
        """Whether the walk up is wrong in a parameter of which only a few entries were looked at one by one."""
        if row.verdict != WRONG or e.exact is None or self.s.start[p].size <= self.entries:
            return False
        error = e.worst(e.judged, e.exact)
        return error is not None and error > self.rtol

    # ---- before anything else: does f have a derivative to speak of?

    def _unsteady(self) -> list[Row]:
        """Rows 'not deterministic' if two evaluations differ, with the draws held."""
        s = self.s
        runs = []
        for _ in range(2):
            y = s.at(s.start)
            grads, _ = _attempt(lambda: s.slopes(y))
            runs.append((s.value, grads))
        (value, grads), (again, grads_again) = runs
        if not all(np.isfinite(v).all() for v in (*value, *again)):
            raise ValueError("gradcheck: f is not finite at this point; give inputs at which it is")
        self.largest = max(float(np.abs(v).max(initial=0.0)) for v in value)
        detail = f"f gives two values at one point, though draws from {s.held} are held"
        differs = [not all(map(same, value, again))] * len(s.names)
        if not any(differs) and grads is not None and grads_again is not None:
            detail = f"{s.calls[self.judged]} gives two gradients at one point"
            differs = [not same(a, b) for a, b in zip(grads, grads_again)]
        found = zip(s.names, s.start, differs)
        return [Row(n, a.shape, 1, NOT_DETERMINISTIC, detail=detail) for n, a, bad in found if bad]

    def _other_value(self) -> str:
        """What to say if f computes another value on complex numbers: through a fused kernel unlike its spec."""
        s = self.s
        nodes = [t.node for t in history([s.at(s.start)])]
        fused = any(isinstance(node, Node) and node.op.composition is not None for node in nodes)
        value = s.value
        step = witness.complex_step(lambda x: [np.asarray(s.at(x).data, complex)], s.start, self.vs[0])
        if step is None or all(map(same, value, [v.real for v in s.value])):
            return ""
        self.complex_safe = fused
        return "f has another value on complex numbers: a fused kernel differs from its spec" if fused else ""

    # ---- evidence

    def _value(self, points: Sequence[Array]) -> list[Array]:
        return [np.asarray(self.s.at(points).data)]

    def _first_order(self) -> list[Evidence]:
        s = self.s
        y = s.at(s.start)
        grads, failed = _attempt(lambda: _checked(s, s.slopes(y)), s.calls[self.judged])
        failures = {self.judged: failed} if failed else {}
        tape = history([y])
        probes = [self._probes(p) for p in range(len(s.leaves))]
        tangents = []
        for p, (_, vs) in enumerate(probes if "forward" in s.calls else []):
            ts, failed = _attempt(
                lambda: [s.tangents([y], self._only(p, v), tape=tape)[0].data.item() for v in vs], s.calls["forward"]
            )
            tangents.append(ts or [np.nan] * len(vs))
            if failed:
                failures["forward"] = failed
        found = []
        for p, (places, vs) in enumerate(probes):  # all walks are done: the leaves may move
            a = np.full(s.start[p].shape, np.nan) if grads is None else grads[p]
            reverse = np.array([*(a[i] for i in places), *(np.vdot(a, v) for v in vs)])
            got = {self.judged: reverse}
            if tangents:
                got["forward"] = np.array([*np.zeros(len(places)), *tangents[p]])
            misfit = {self.judged: s.misfits[p]} if p in s.misfits else {}
            found.append(self._probed(p, places, vs, a, got, failures | misfit))
        return found

    def _probed(
        self, p: int, places: list, vs: list[Array], a: Array, got: dict[str, Array], failures: dict[str, str]
    ) -> Evidence:
        """What both witnesses say of f along each probe of parameter p, whose gradient by the walk up is a."""
        s = self.s
        along = [*(self._unit(p, i) for i in places), *(self._only(p, v) for v in vs)]
        steps = [witness.complex_step(self._value, s.start, v) if self.complex_safe else None for v in along]
        exact = np.array([np.nan if d is None else d[0].item() for d in steps])
        hs = [witness.step_size(s.start, v) for v in along]
        usual, round_off = _columns(witness.central(self._value, s.start, v, h, s.terms) for v, h in zip(along, hs))
        size = top(a, exact[: len(places)])

        def sides(i: int, part: float) -> tuple[float, float, float]:
            (left,), (right,), round_off = witness.sides(self._value, s.start, along[i], hs[i] * part, s.terms)
            return left.item(), right.item(), round_off

        a = np.where(np.isnan(a), size, a)  # where the walk failed, what the witness saw of its size must do
        return Evidence(
            places=[*places, *[None] * len(vs)],
            length=np.array([*[1.0] * len(places), *map(norm, vs)]),
            scale=np.array([*[size] * len(places), *(norm(v * a) for v in vs)]),
            got=got,
            exact=None if np.isnan(exact).any() else exact,
            central=usual,
            round_off=round_off,
            recheck=lambda: _columns(witness.floored(self._value, s.start, v, h, s.terms) for v, h in zip(along, hs)),
            sides=sides,
            kink=lambda i, part: witness.kink_between(s, along[i], hs[i] * part),
            failures=failures,
        )

    def _higher_order(self, k: int) -> list[Evidence]:
        s, fixed, last = self.s, self.vs[: k - 2], self.vs[k - 2]

        def reverse() -> list[Array]:
            return _checked(s, [g.data for g in s.gradient(s.along(s.start, [*fixed, last]))])

        def mixed() -> list[Array]:
            grads = s.gradient(s.along(s.start, fixed), create_graph=True)
            return _checked(s, [t.data for t in s.tangents(grads, last)])

        def forward() -> list[float]:
            y = s.along(s.start, [*fixed, last], walk="forward")
            tape = history([y])
            return [s.tangents([y], self._only(p, v), tape=tape)[0].data.item() for p, v in enumerate(self.vs[k - 1])]

        def gradient(points: Sequence[Array]) -> list[Array]:
            return [g.data for g in s.gradient(s.along(points, fixed))]

        walks = {
            name: _attempt(walk, f"the {name} walk")
            for name, walk in {"reverse": reverse, "forward": forward, "mixed": mixed}.items()
        }
        failures = {name: failed for name, (_, failed) in walks.items() if failed}
        h = witness.step_size(s.start, last)
        unknown = [np.full(a.shape, np.nan) for a in s.start], np.inf
        exact = witness.complex_step(gradient, s.start, last) if self.complex_safe else None
        usual, round_off = _attempt(lambda: witness.central(gradient, s.start, last, h))[0] or unknown

        floored = functools.cache(lambda: _attempt(lambda: witness.floored(gradient, s.start, last, h))[0] or unknown)
        kink = functools.cache(lambda part: witness.kink_between(s, last, h * part))
        slopes = functools.cache(lambda part: witness.sides(gradient, s.start, last, h * part))

        def evidence(p: int, v: Array) -> Evidence:
            def floors(floor: float) -> Array:
                return np.append(np.full(v.size, floor), floor * norm(v))

            def recheck() -> tuple[Array, Array]:
                d, floor = floored()
                return _summed(d[p], v), floors(floor)

            def sides(i: int, part: float) -> tuple[float, float, float]:
                left, right, floor = slopes(part)
                return _summed(left[p], v)[i].item(), _summed(right[p], v)[i].item(), floors(floor)[i].item()

            def answers(walk: str) -> Array:
                found = walks[walk][0]
                if walk == "forward":
                    return np.append(np.zeros(v.size), np.nan if found is None else found[p])
                return np.full(v.size + 1, np.nan) if found is None else _summed(found[p], v)

            seen = [found[p] for found in (walks["reverse"][0], exact) if found is not None]
            return Evidence(
                places=[*np.ndindex(v.shape), None],
                length=np.append(np.ones(v.size), norm(v)),
                scale=np.append(np.full(v.size, top(*seen)), max((norm(a * v) for a in seen), default=0.0)),
                got={walk: answers(walk) for walk in walks},
                exact=None if exact is None else _summed(exact[p], v),
                central=_summed(usual[p], v),
                round_off=floors(round_off),
                recheck=recheck,
                sides=sides,
                kink=lambda i, part: kink(part),
                of_function=False,
                failures=failures,
            )

        return [evidence(p, v) for p, v in enumerate(self.vs[k - 1])]

    def _probes(self, p: int) -> tuple[list[tuple[int, ...]], list[Array]]:
        """The entries of parameter p to look at one by one, and the directions in which to look at all."""
        a = self.s.start[p]
        rng = np.random.default_rng([self.s.seed, 2, p])
        few = a.size <= self.entries
        flat = np.arange(a.size) if few else np.sort(rng.choice(a.size, min(self.samples, a.size), replace=False))
        places = [tuple(map(int, np.unravel_index(i, a.shape))) for i in flat]
        return places, [rng.standard_normal(a.shape) for _ in range(1 if few else self.count)]

    def _only(self, p: int, v: Array) -> list[Array | None]:
        """The direction v of parameter p, with all others at rest."""
        return [v if q == p else None for q in range(len(self.s.leaves))]

    def _unit(self, p: int, index: tuple[int, ...]) -> list[Array | None]:
        v = np.zeros(self.s.start[p].shape)
        v[index] = 1
        return self._only(p, v)

    # ---- where to look

    def _hunt(self, p: int) -> Entry:
        """A wrong entry of a large parameter, found by halving: the half along which the sum is further off stays."""
        s = self.s
        grad = s.slopes(s.at(s.start))[p]
        v = np.random.default_rng([s.seed, 3, p]).standard_normal(grad.shape)

        def off(part: Array) -> float:
            some: Array = np.zeros(v.size)
            some[part] = v.ravel()[part]
            some = some.reshape(v.shape)
            step = witness.complex_step(lambda x: [np.asarray(s.at(x).data)], s.start, self._only(p, some))
            return 0.0 if step is None else float(np.vdot(some, grad)) - step[0].item()

        part, gap = np.arange(v.size), off(np.arange(v.size))
        while part.size > 1:
            half = part[: part.size // 2]
            gap_half = off(half)
            if abs(gap_half) >= abs(gap - gap_half):
                part, gap = half, gap_half
            else:
                part, gap = part[part.size // 2 :], gap - gap_half
        got = float(grad.flat[part[0]])
        index = tuple(map(int, np.unravel_index(part[0], grad.shape)))
        expected = got - off(part) / float(v.flat[part[0]])
        return entry(index, got, expected, self.judged)


# ---- small arithmetic


def _attempt(walk: Callable[[], Any], name: str = "it") -> tuple[Any, str]:
    """What `walk` returns, or None and the error of a rule that broke it, told of it by `name`."""
    try:
        return walk(), ""
    except _RULE_ERRORS as error:
        return None, f"{name} raised {type(error).__name__}: {error}"


def _checked(s: Subject, grads: list[Array]) -> list[Array]:
    """grads, or an error that says which has another shape or dtype than its leaf."""
    for name, a, g in zip(s.names, s.start, grads):
        if g.shape != a.shape or g.dtype != a.dtype:
            raise TypeError(f"the gradient of {name} is {g.dtype} {g.shape}, {name} itself is {a.dtype} {a.shape}")
    return grads


def _summed(a: Array, v: Array) -> Array:
    """The entries of a, and at the end their sum along v."""
    return np.append(a.ravel(), (a * v).sum())


def _columns(pairs: Iterable[tuple[list[Array], float]]) -> tuple[Array, Array]:
    ds, floors = zip(*pairs)
    return np.array([d[0].item() for d in ds]), np.array(floors)
