"""The certificate: every operation at orders 1, 2 and 3, by both walks, against the complex step. It writes its own page.

Each row of cases.py is bent, sin(f(x)), before it is checked, so that linear operations too have derivatives of every
order: a rule that leaves the tape, or an adjoint whose own adjoint is wrong, shows at order 2 or 3.
"""

import functools
from pathlib import Path

import numpy as np
import pytest
from calls import CALLS
from cases import CASES, CONSTANT, case
from documents import hold

import minigrad as mg
from minigrad import Primitive, Tensor
from minigrad.gradcheck import EXACT, KINK, VACUOUS, gradcheck
from minigrad.tape import history, pull

PAGE = Path(__file__).parent.parent / "docs" / "certificate.md"
ORDERS = (1, 2, 3)
COMPOSITIONS = {"add", "broadcast_to", "mul", "sum_to"}  # public operations that live in tape/
INPUTS = {c.name: c.inputs for c in CASES}
CONSTANT_COLUMN = np.array([[1.0, 2.0], [1.0, -1.0], [1.0, 0.5]]), np.array([0.7, 0.0]), np.array([0.1, -0.4])
TO_ORDER_FOUR = [
    case("batch_norm (N, C)", mg.batch_norm, *INPUTS["batch_norm"]),
    case("batch_norm (N, C, H, W)", mg.batch_norm, *INPUTS["batch_norm images"]),
    case("batch_norm γ = 0", mg.batch_norm, *INPUTS["batch_norm γ = 0"]),
    case("batch_norm of a constant column", lambda *xs: mg.batch_norm(*xs, eps=0.5), *CONSTANT_COLUMN),
]


@functools.cache
def certify(c, order=3):
    return gradcheck(lambda *xs: mg.sin(c.f(*xs)), *c.inputs, order=order)


def recorded(f, inputs):
    """The result of f on fresh leaves, and the leaves."""
    xs = [Tensor(x, True) for x in inputs]
    return f(*xs), xs


def nodes(c, op):
    """The tensors that primitive `op` made in the row's own function."""
    y, _ = recorded(c.f, c.inputs)
    return [t for t in history([y]) if t.node is not None and t.node.op is op]


# ---- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("c", CASES, ids=lambda c: c.name)
def test_operation(c):
    report = certify(c)
    allowed = {EXACT, KINK} if c.kink else {EXACT}
    if "γ = 0" in c.name:
        allowed |= {VACUOUS}  # the gradient of x is γ times something
    assert {row.verdict for row in report.rows} <= allowed, str(report)
    assert max(error for row in report.rows for error in row.walks.values()) < 1e-12, str(report)


@pytest.mark.parametrize("c", TO_ORDER_FOUR, ids=lambda c: c.name)
def test_batch_norm_to_order_four(c):
    report = certify(c, 4)
    assert report.ok and max(row.order for row in report.rows) == 4
    assert {row.verdict for row in report.rows} <= {EXACT, VACUOUS}, str(report)
    assert EXACT in {row.verdict for row in report.rows if row.order == 4 and row.name == "input[0]"}


@pytest.mark.slow
def test_the_page_is_that_of_these_operations():
    hold(PAGE, page())


# ---- no operation is left out ----------------------------------------------------------------------------------------


def missing_rows():
    """Primitives and public operations without a row of their own."""
    public = {
        getattr(mg, name).__name__.strip("_")  # `divide` is `div`
        for name in mg.__all__
        if getattr(getattr(mg, name), "__module__", "").startswith("minigrad.ops.") and callable(getattr(mg, name))
    }
    public |= {*mg.linalg.__all__, *mg.fft.__all__}
    return (
        (set(Primitive.registry) | public | COMPOSITIONS) - {c.op for c in CASES} - {n.split(".")[-1] for n in CONSTANT}
    )


def test_every_operation_has_a_row():
    assert not missing_rows()


@pytest.mark.parametrize("name", sorted(CONSTANT))
def test_what_has_no_derivative_gives_constants(name):
    f, args, kwargs = CALLS[name]()
    y = f(*args, **kwargs)
    assert not any(isinstance(p, Tensor) and p.requires_grad for p in (y if isinstance(y, tuple) else (y,)))


def test_a_primitive_without_a_row_is_noticed(monkeypatch):
    monkeypatch.setattr(Primitive, "registry", dict(Primitive.registry))

    def new_operation(x):
        return x

    new_operation.__code__ = new_operation.__code__.replace(co_filename=mg.tape.__file__)  # as if the library's own
    mg.primitive(new_operation)
    assert missing_rows() == {"new_operation"}


def test_rows_are_about_what_they_are_named_after():
    for name, op in Primitive.registry.items():
        assert any(nodes(c, op) for c in CASES if c.op == name), f"no row named {name} records the primitive {name}"
    assert len({c.name for c in CASES}) == len(CASES)


# ---- the certificate can fail: every rule of every primitive is spoilt in turn -------------------------------------------


def off_by_a_thousandth(rule):
    return lambda *args, **k: 1.001 * rule(*args, **k)


def off_by_a_constant(rule):
    """Of a derivative that is zero."""
    return lambda *args, **k: rule(*args, **k) + 0.001


def off_the_tape(rule):
    return lambda *args, **k: rule(*args, **k).detach()


def kernel_off(rule):
    return lambda *args, **k: tuple(1.001 * g for g in rule(*args, **k))


def ways_to_spoil(op):
    if op.kind == "fused":
        return [("jvp", off_by_a_thousandth), ("backward", kernel_off)]
    if op.kind == "flat":
        return [("jvp", off_by_a_constant), ("vjp", off_by_a_constant)]
    return [("jvp", off_by_a_thousandth), ("vjp", off_by_a_thousandth), ("vjp", off_the_tape)]


SPOILT = [(name, attribute, spoil) for name, op in Primitive.registry.items() for attribute, spoil in ways_to_spoil(op)]


@pytest.mark.slow
@pytest.mark.parametrize("name, attribute, spoil", SPOILT, ids=lambda x: getattr(x, "__name__", x))
def test_spoilt_rule_is_caught_and_named(name, attribute, spoil, monkeypatch):
    op = Primitive.registry[name]
    c = next(c for c in CASES if c.op == name and nodes(c, op))
    monkeypatch.setattr(op, attribute, spoil(getattr(op, attribute)))
    report = gradcheck(lambda *xs: mg.sin(c.f(*xs)), *c.inputs, order=2)
    assert not report.ok, str(report)
    assert name in {s.op for s in report.suspects}, str(report)


# ---- linear operations: the adjoint identity ---------------------------------------------------------------------------

LINEAR = [c for c in CASES if c.op in Primitive.registry and Primitive.registry[c.op].kind == "linear"]


@pytest.mark.parametrize("c", LINEAR, ids=lambda c: c.name)
def test_adjoint(c):
    """⟨A t, u⟩ = ⟨t, Aᵀ u⟩ in each argument, and A is the operation itself: op(x + t) − op(x) = A t."""
    rng = np.random.default_rng(0)
    op = Primitive.registry[c.op]
    for y in nodes(c, op):
        inputs, params = y.node.inputs, y.node.params
        u = Tensor(rng.standard_normal(y.shape))
        for i, x in enumerate(inputs):
            t = Tensor(rng.standard_normal(x.shape))
            at = op.jvp([t if j == i else None for j in range(len(inputs))], y, *inputs, **params).data
            atu = mg.tape.fit(op.vjp(i, u, y, *inputs, **params), x).data
            left, right = np.vdot(at, u.data), np.vdot(t.data, atu)
            assert abs(left - right) <= 1e-12 * np.linalg.norm(at) * np.linalg.norm(u.data)
            moved = op(*inputs[:i], Tensor(x.data + t.data), *inputs[i + 1 :], **params).data - y.data
            np.testing.assert_allclose(moved, at, rtol=0, atol=1e-12 * max(1.0, np.abs(y.data).max()))


# ---- fused operations: equal to their spec -------------------------------------------------------------------------------

FUSED = [c for c in CASES if c.op in Primitive.registry and Primitive.registry[c.op].kind == "fused"]


def test_there_are_fused_operations():
    activations = {"elu", "gelu", "gelu_tanh", "leaky_relu", "silu"}
    others = {"batch_norm", "cross_entropy", "max_pool2d", "normalize", "row_norm", "standardize_second"}
    assert {c.op for c in FUSED} == activations | others


@pytest.mark.parametrize("c", FUSED, ids=lambda c: c.name)
def test_fused_equals_spec(c):
    """The value, the kernel's own gradient, and the derivatives of orders 2 and 3."""
    rng = np.random.default_rng(0)
    op = Primitive.registry[c.op]
    (made,) = nodes(c, op)
    params = made.node.params
    inputs = [x.data for x in made.node.inputs]
    u, v = rng.standard_normal(made.shape), [rng.standard_normal(a.shape) for a in inputs]

    def derivatives(f):
        y, xs = recorded(lambda *xs: f(*xs, **params), inputs)
        found = [y.data, *(g.data for g in pull(y, xs, u))]
        y, xs = recorded(lambda *xs: (mg.sin(f(*xs, **params)) * u).sum(), inputs)
        for _ in ORDERS:
            grads = pull(y, xs, create_graph=True)
            found += [g.data for g in grads]
            y = mg.tape.total((g * d).sum() for g, d in zip(grads, v))
        return found

    for got, expected in zip(derivatives(op), derivatives(op.composition), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12 * max(1.0, np.abs(expected).max()))


# ---- the page ------------------------------------------------------------------------------------------------------------

INTRODUCTION = """\
# The certificate

The tests write this page (`tests/test_certificate.py`). It lists every primitive and every public operation, and how
far its derivatives of orders 1, 2 and 3 are from the truth. An operation without a row fails the tests, as does a row
that is not exact.

**What is checked.** A row of `tests/cases/` is a function f and an example point. The number checked is
Σ cᵢ sin(f(x))ᵢ with fixed random c. The sine gives linear operations derivatives of every order too. At order k the
gradient of the (k − 1)-th derivative along fixed random directions is computed in float64, with the fused kernels,
by three walks of the tape:

- *reverse*: a walk up, of a walk up, of a walk up;
- *forward*: a walk down, of a walk down, of a walk down;
- *mixed*: a walk down a recorded walk up (what a Hessian-vector product is).

**What it is held against.** The complex step: f(x + ihv) = f(x) + ih·Df(x)v + O(h²), so the imaginary part divided by
h = 10⁻³⁰ is the derivative to the last digit, since nothing is subtracted. Branches are decided on the real part,
which so small a step does not move, so it is exact at kinks as well (W. Squire and G. Trapp, *Using complex variables
to estimate derivatives of real functions*, SIAM Review 40, 1998; J. Martins, P. Sturdza and J. Alonso, *The
complex-step derivative approximation*, ACM Transactions on Mathematical Software 29, 2003). At order 1 the step goes
through f itself; at higher orders through the gradient of one order less, which the orders below have certified.
Linear operations are tested by ⟨A t, u⟩ = ⟨t, Aᵀu⟩ besides, and fused ones against the composition they stand for.

**How to read it.** `< 1e-12` bounds the worst relative error over all arguments; the scale is the largest entry of
that argument's derivative. An argument whose derivative is zero here (x where γ = 0, at order 1) tells nothing and does
not count. Errors are given by bounds so that the page is the same on every machine.

**What it does not say.** The points are examples, not all points. A derivative can be exact and its function badly
conditioned. At a kink (rows "at 0", "tied") there is no derivative: there the rows certify that the documented
convention (see the chapter on kinks in [architecture](architecture.md)) is kept by all walks at all orders. float32 has the same
rules with fewer digits. Nothing here is about speed.

"""


def bucket(errors):
    return next((f"< 1e-{n}" for n in (12, 9, 6) if max(errors) < 10.0**-n), "WRONG")


def cells(report, order):
    """The cell of each walk at one order; rows that are zero at that order do not count."""
    rows = [row for row in report.rows if row.order == order and row.verdict != VACUOUS]
    return [bucket([row.walks[w] for row in rows]) for w in ("reverse", "forward", "mixed")[: 2 if order == 1 else 3]]


def table(reports, orders):
    heads = [f"{k} {w}" for k in orders for w in ("reverse", "forward", "mixed")[: 2 if k == 1 else 3]]
    lines = [["operation", "kind", *heads], ["---"] * (2 + len(heads))]
    for c, report in reports:
        op = Primitive.registry.get(c.op)
        kind = op.kind if op is not None else "composition"
        lines.append([c.name.replace("**", "\\*\\*"), kind, *(cell for k in orders for cell in cells(report, k))])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def page():
    main = table([(c, certify(c)) for c in CASES], ORDERS)
    norm = table([(c, certify(c, 4)) for c in TO_ORDER_FOUR], (*ORDERS, 4))
    return f"{INTRODUCTION}## Operations\n\n{main}\n## Batch normalisation in training mode, to order 4\n\n{norm}"
