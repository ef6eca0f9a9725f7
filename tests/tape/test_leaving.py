"""Inside a function that is being differentiated, no value leaves the tape in silence."""

import array
import cmath
import copy
import math
import operator
import pickle
import struct

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim import curvature, minimize


def put(x):
    out = np.zeros(3)
    out[1] = x
    return out[1]


def fill(x):
    out = np.zeros(3)
    out.fill(x)
    return out[0]


def in_place(x):
    out = np.zeros(())
    out += x
    return out


def doubled(x):
    return 2.0 * x


WAYS = {  # from a tensor of one entry to what has no tape
    "float": float,
    "int": int,
    "complex": complex,
    "item": lambda x: x.item(),
    "round": round,
    "round to digits": lambda x: round(x, 3),
    "math.sin": math.sin,
    "math.floor": math.floor,
    "math.ceil": math.ceil,
    "math.trunc": math.trunc,
    "math.hypot": lambda x: math.hypot(x, 1.0),
    "cmath": lambda x: cmath.exp(x).real,
    "np.float64": np.float64,
    "an entry of an array": put,
    "fill": fill,
    "np.array": lambda x: np.array(x),
    "np.array of a list": lambda x: np.array([x, x]).sum(),
    "np.asarray": lambda x: np.asarray(x, float),
    "np.full": lambda x: np.full(2, x).sum(),
    "np.unwrap": lambda x: np.unwrap(x.reshape(1)),
    "np.add, into an array": lambda x: np.add(x, 1.0, out=np.zeros(())),
    "an array, in place": in_place,
    "tolist": lambda x: x.reshape(1).tolist()[0],
    "numpy": lambda x: x.numpy(),
    "mg.tensor": lambda x: mg.tensor(x),
    "mg.tensor of a list": lambda x: mg.tensor([x, x]).sum(),
    "Tensor": lambda x: mg.Tensor(x),
    "Parameter": lambda x: nn.Parameter(x),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "struct": lambda x: struct.unpack("d", struct.pack("d", x))[0],
    "array.array": lambda x: array.array("d", [x])[0],
    "range": lambda x: float(len(range(x))),
    "index": operator.index,
    "percent": lambda x: float("%.3f" % x),  # noqa: UP031
    "backward": lambda x: (x * mg.tensor(1.0, requires_grad=True)).backward() or 1.0,
}
BESIDE = {  # what stays: looked at, or held constant in so many words
    "detach": lambda x: float(x.detach()),
    "data": lambda x: float(x.data.real),
    "text": lambda x: float(f"{x:.3f}") * 0 + 1.0,
    "repr": lambda x: float(len(repr(x)) > 0),
    "comparison": lambda x: float(x > 0.1),
    "branch": lambda x: 1.0 if x else 2.0,
    "shape": lambda x: float(x.size),
    "a constant": lambda x: float(mg.tensor(3.0)),
    "of a constant": lambda x: math.sin((mg.tensor(3.0) * 2).sum()),
}
w = np.array([0.7, 1.2])


def scalar(leak):
    """A function of a vector to one number that meets what `leak` makes of it."""

    def f(x):
        h = mg.tanh(x).sum()
        return h * leak(h) + (x * x).sum()

    return f


def of_parameters(take):
    def run(f):
        p = nn.Parameter(w)
        return take(lambda: f(p), [p])

    return run


DERIVATIVES = {
    "grad": lambda f: mg.grad(f)(w),
    "grad of params": lambda f: (lambda p: mg.grad(lambda: f(p), params=[p])())(nn.Parameter(w)),
    "value_and_grad": lambda f: mg.value_and_grad(f)(w),
    "vjp": lambda f: mg.vjp(f, w)[1](1.0),
    "jvp": lambda f: mg.jvp(f, (w,), (w,)),
    "linearize": lambda f: mg.linearize(f, w)[1](w),
    "hvp": lambda f: mg.hvp(f, (w,), (w,)),
    "hvp of parameters": of_parameters(lambda f, ps: mg.hvp(f, ps, [w])),
    "ggnvp": lambda f: mg.ggnvp(f, lambda z: z * z, (w,), (w,)),
    "ggnvp, in the loss": lambda f: mg.ggnvp(mg.tanh, f, (w,), (w,)),
    "jacobian": lambda f: mg.jacobian(f)(w),
    "hessian": lambda f: mg.hessian(f)(w),
    "gradcheck": lambda f: mg.gradcheck(f, w),
    "gradcheck of params": of_parameters(lambda f, ps: mg.gradcheck(f, params=ps)),
    "minimize": lambda f: minimize(f, w, max_iter=1),
    "minimize by products": lambda f: minimize(f, w, "newton-cg", max_iter=1),
    "curvature": of_parameters(lambda f, ps: curvature.hessian(f, ps) @ w),
    "grad of grad": lambda f: mg.grad(lambda x: mg.grad(f)(x).sum())(w),
    "grad beside jvp": lambda f: mg.grad(lambda x: mg.jvp(f, (x,), (w,))[1])(w),
    "jacobian of grad": lambda f: mg.jacobian(mg.grad(f))(w),
    "compiled, inside": lambda f: mg.grad(mg.compile(f))(w),
    "under no_grad": lambda f: _under_no_grad(f),
}


def _under_no_grad(f):
    with mg.no_grad():
        return mg.grad(f)(w)


def refuses(run):
    """Whether it raises our error, or NumPy's or another's that came of it."""
    try:
        run()
    except struct.error:
        return True
    except (TypeError, ValueError) as error:
        said = [str(e) for e in (error, error.__cause__, error.__context__) if e is not None]
        return any(
            way in text
            for text in said
            for way in ("derivative would be lost", "no counterpart", "cannot be written into an array", "is no index")
        )
    return False


@pytest.mark.parametrize("way", WAYS)
def test_no_value_leaves_in_silence(way):
    assert refuses(lambda: mg.grad(scalar(WAYS[way]))(w))


@pytest.mark.parametrize("name", DERIVATIVES)
def test_whatever_differentiates_it(name):
    assert refuses(lambda: DERIVATIVES[name](scalar(float)))
    DERIVATIVES[name](scalar(doubled))


BY_NUMPY = {  # these stay on the tape
    "np.sin": (np.sin, mg.sin),
    "np.exp": (np.exp, mg.exp),
    "np.stack": (lambda x: np.stack([x, x]).sum(), lambda x: 2 * x),
    "np.where": (lambda x: np.where(True, x, 0.0), lambda x: x),
    "an array's product": (lambda x: (np.ones(3) * x).sum(), lambda x: 3 * x),
    "a number of NumPy": (lambda x: np.float64(2.0) * x, lambda x: 2 * x),
}


@pytest.mark.parametrize("name", BY_NUMPY)
def test_functions_of_numpy_have_derivatives(name):
    theirs, ours = BY_NUMPY[name]
    assert np.allclose(mg.grad(scalar(theirs))(w).data, mg.grad(scalar(ours))(w).data)


@cases(40)
@given(st.sampled_from(sorted(WAYS)), st.sampled_from(sorted(DERIVATIVES)), st.booleans())
def test_no_value_leaves_whatever_the_way(way, name, first):
    leak = WAYS[way] if first else lambda h: doubled(WAYS[way](doubled(h)))
    assert refuses(lambda: DERIVATIVES[name](scalar(leak)))


@cases(30)
@given(
    st.sampled_from(sorted(BESIDE)), st.sampled_from(sorted(set(DERIVATIVES) - {"gradcheck", "gradcheck of params"}))
)
def test_what_is_only_looked_at_stays(way, name):
    DERIVATIVES[name](scalar(BESIDE[way]))


def test_the_error_names_the_way_out():
    with pytest.raises(TypeError, match=r"float of a tensor .*mg\.sin for math\.sin.* x\.detach\(\)"):
        mg.grad(lambda x: x * math.sin(x))(0.7)


def test_what_does_not_depend_on_the_argument_is_a_constant():
    scale = nn.Parameter(np.array(2.0))
    assert mg.grad(lambda x: x * float(scale * 3))(0.5).item() == 6.0
    with pytest.raises(TypeError):
        mg.grad(lambda x: x * float(scale * x))(0.5)
    with pytest.raises(TypeError):  # it is what is differentiated here
        mg.grad(lambda: scale * float(scale), params=[scale])()
    assert mg.grad(lambda x: mg.grad(lambda y: y * float(mg.tensor(3.0)))(x * x) * x)(2.0).item() == 3.0


def test_the_inner_variable_and_the_outer_one():
    inner = lambda x: mg.grad(lambda y: y * y * x)(2.0)  # noqa: E731
    assert mg.grad(lambda x: inner(x))(3.0).item() == 4.0
    with pytest.raises(TypeError):  # what the inner derivative depends on
        mg.grad(lambda x: x * float(inner(x)))(3.0)
    with pytest.raises(TypeError):
        mg.grad(lambda x: mg.grad(lambda y: y * y * float(x))(2.0))(3.0)


def test_after_the_function_values_are_free():
    value, slope = mg.value_and_grad(lambda x: (x * x).sum())(w)
    assert float(value) == (w * w).sum() and slope[0].item() == 2 * w[0]
    with pytest.raises(ZeroDivisionError):
        mg.grad(lambda x: x / (1 // 0))(2.0)
    assert float(mg.tensor(2.0, requires_grad=True)) == 2.0  # an error leaves nothing behind


def test_a_rule_that_leaves_the_tape_is_refused_where_it_matters():
    @mg.primitive
    def cube(x):
        return x**3

    mg.elementwise(cube, lambda y, x: 3 * float(x) ** 2)
    assert mg.grad(cube)(2.0).item() == 12.0  # at first order it is right
    for higher in (
        lambda: mg.hessian(cube)(2.0),
        lambda: mg.grad(mg.grad(cube))(2.0),
        lambda: mg.hvp(cube, (2.0,), (1.0,)),
    ):
        with pytest.raises(TypeError, match="derivative would be lost"):
            higher()


def test_a_tensor_is_no_keyword_of_an_operation():
    @mg.primitive
    def scaled(x, *, k):
        return x * k

    mg.elementwise(scaled, lambda y, x, *, k: k)
    assert mg.grad(lambda x: scaled(x, k=2.0).sum())(w).data.tolist() == [2.0, 2.0]
    with pytest.raises(TypeError, match=r"scaled: .* by position"):
        mg.grad(lambda x: scaled(x, k=x).sum())(w)


LOGGED = (
    float,
    lambda loss: loss.item(),
    lambda loss: f"{loss:.3f}",
    lambda loss: round(loss, 3),
    lambda loss: int(loss),
)


@pytest.mark.parametrize("rule", [optim.Adam, optim.LBFGS, optim.Newton, optim.AdaHessian, optim.BFGS])
def test_the_closure_of_a_step_may_look_at_its_loss(rule):
    p, seen = nn.Parameter(w), []

    def closure():
        loss = ((p - 1.0) ** 4).sum() + (p * p).sum()
        seen.extend(look(loss) for look in LOGGED)
        return loss

    opt = rule([p])
    for _ in range(2):
        opt.step(closure)
    assert len(seen) >= 2 * len(LOGGED) and seen[0] > seen[-len(LOGGED)]


def test_so_may_the_closure_that_gives_the_curvature():
    p, seen = nn.Parameter(w), []

    def closure():
        loss = (p * p * p * p).sum()
        seen.append(float(loss))
        return loss

    optim.Newton([p]).step(closure)
    q = nn.Parameter(w)
    opt = optim.SQN([q], lr=0.1, every=1)
    for _ in range(3):
        opt.step(lambda: (q * q).sum(), curvature=lambda: seen.append((q * q).sum().item()) or (q * q).sum())
    assert len(seen) > 1
