"""Every public name inside a compiled function, given other values of the same shapes: what the plain function gives."""

import warnings

import numpy as np
import pytest
from calls import CALLS

import minigrad as mg
from minigrad.nn.dropout import draws

# these do more than compute: they draw pictures, train, read files, or wait
APART = (
    "viz.",
    "lab.",
    "train.",
    "data.",
    "explain",
    "compile",
    "graph",
    "gradcheck",
    "set_",
    "nn.summary",
    "nn.averaged",
)


def values_of(a):
    """Other values than these, of the same shape and dtype."""
    if a.dtype.kind == "b":
        return [~a, a | True, a & False]
    if a.dtype.kind in "iu":
        return [
            np.zeros_like(a),
            np.full_like(a, 1),
            np.full_like(a, 100),
            np.full_like(a, -1 if a.dtype.kind == "i" else 7),
        ]
    return [-a, np.round(a), np.zeros_like(a), np.full_like(a, np.nan), a * 100]


def outcome(f, args):
    mg.seed(0)
    try:
        leaves = mg.tree.flatten(f(*args))[0]
    except Exception as error:
        return type(error)
    arrays = [getattr(a, "_data", a) for a in leaves]
    return [np.array(a) if isinstance(a, (np.ndarray, np.generic, bool, int, float)) else type(a) for a in arrays]


def made(name, compiled):
    """The function of the arrays that its valid call is given, and these."""
    mg.seed(0)
    f, args, kwargs = CALLS[name]()
    if any(isinstance(m, mg.nn.Module) and any(map(draws, m.modules())) for m in (f, getattr(f, "__self__", f))):
        pytest.skip("it draws from a stream of its own, which both would share")
    places = [i for i, a in enumerate(args) if isinstance(a, (np.ndarray, mg.Tensor))]
    tensors = [isinstance(args[i], mg.Tensor) for i in places]
    values = [np.array(args[i]._data if t else args[i]) for i, t in zip(places, tensors)]
    before, between = (
        args[: places[0]] if places else (),
        [args[i + 1 : j] for i, j in zip(places, [*places[1:], None])],
    )

    def call(*arrays):
        given = [*before]
        for a, tensor, rest in zip(arrays, tensors, between):
            given += [mg.tensor(a) if tensor else a, *rest]
        return f(*given, **kwargs)

    return mg.compile(call) if compiled else call, [v for v in values if v.dtype.kind in "biuf"] == values and values


@pytest.mark.parametrize("name", [n for n in CALLS if not n.startswith(APART)])
def test_a_name_with_other_values(name):
    (plain, values), (fast, _) = (made(name, compiled) for compiled in (False, True))
    if not values:
        return
    calls = [values, values]
    calls += [[*values[:i], other, *values[i + 1 :]] for i, v in enumerate(values) for other in values_of(v)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for given in calls:
            want, got = (outcome(f, [v.copy() for v in given]) for f in (plain, fast))
            if isinstance(want, type) or isinstance(got, type):
                assert isinstance(want, type) and isinstance(got, type), (given, want, got)
            else:
                np.testing.assert_equal(got, want, str(given))
