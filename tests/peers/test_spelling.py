"""PyTorch's names: its parameters are accepted by name and place, and the values are its own."""

import inspect
import re

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.keywords import KEYWORDS
from minigrad.ops import spelling

torch = pytest.importorskip("torch")
EVERYWHERE = {  # parameters of PyTorch's that nothing here has, and why
    "out": "tensors are not written to",
    "device": "there is the CPU",
    "layout": "arrays are strided",
    "memory_format": "arrays are strided",
    "pin_memory": "there is the CPU",
    "generator": "rng= or mg.seed",
    "names": "axes have no names",
    "_random_samples": "internal",
    "size_average": "old: reduction=",
    "reduce": "old: reduction=",
    "inplace": "accepted by name: nothing changes",
    "_stacklevel": "accepted by name: nothing changes",
}
LEFT_OUT = {  # of one function
    ("embedding", "max_norm"): "it would write to the weights", ("embedding", "norm_type"): "of max_norm",
    ("embedding", "scale_grad_by_freq"): "gradients are exact", ("embedding", "sparse"): "gradients are dense",
    ("softmax", "dtype"): "x.astype first", ("log_softmax", "dtype"): "x.astype first", ("softmin", "dtype"): "x.astype first",
    ("cumsum", "dtype"): "x.astype first", ("cumprod", "dtype"): "x.astype first",
    ("matrix_power", "n"): "by place", ("pinverse", "rcond"): "rtol", ("true_divide", "dividend"): "input, which it is", ("true_divide", "divisor"): "other",
    ("randint", "dtype"): "int64", ("randint", "requires_grad"): "integers", ("randperm", "dtype"): "int64", ("randperm", "requires_grad"): "integers",
    ("qr", "List"): "of its documentation", ("randint_like", "requires_grad"): "integers",
    ("linear_cross_entropy", "options"): "how it is computed",
    ("gather", "sparse_grad"): "gradients are dense",
    ("interpolate", "recompute_scale_factor"): "the scale that was asked for is the scale",
}  # fmt: skip


def theirs(f):
    """The parameters of a function of PyTorch, from its signature or from the first line of its documentation."""
    try:
        found = [
            p.name for p in inspect.signature(f).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if found:
            return found
    except (TypeError, ValueError):
        pass
    line = re.match(r"\s*(?:torch\.)?\w+\((.*?)\)\s*->", f.__doc__ or "", re.S)
    if line is None:
        return []
    text = re.sub(r"\([^)]*\)", "", line.group(1))
    names = [re.split("[:=]", w)[0].strip() for w in re.sub(r"\[[^\]]*\]", "", text).split(",")]
    return [n for n in names if n.isidentifier()]


def accepted(ours, name, parameter):
    """Whether a call f(parameter=…) would find its way."""
    signature = inspect.signature(ours).parameters
    kinds = inspect.Parameter
    own = {n for n, p in signature.items() if p.kind is not kinds.POSITIONAL_ONLY}
    if parameter in own or any(p.kind is kinds.VAR_KEYWORD for p in signature.values()):
        return True
    places = [n for n, p in signature.items() if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    return any(to in own or (isinstance(to, int) and to < len(places)) for to in KEYWORDS.get(parameter, ()))


def missing(ours, name, f):
    return [p for p in theirs(f) if p not in EVERYWHERE and (name, p) not in LEFT_OUT and not accepted(ours, name, p)]


def there(get):
    try:
        return get()
    except AttributeError:
        pytest.skip("not there yet")


@pytest.mark.parametrize("name", sorted(spelling.FUNCTIONAL))
def test_parameters_of_functional(name):
    ours = there(lambda: getattr(F, name))
    f = getattr(torch.nn.functional, f"{name}_with_indices" if "max_pool" in name and "un" not in name else name)
    assert not missing(ours, name, f)
    order = [p for p in theirs(f) if p not in EVERYWHERE and (name, p) not in LEFT_OUT]
    kinds = inspect.Parameter
    places = [
        n
        for n, p in inspect.signature(ours).parameters.items()
        if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
    ]
    places = [p for p in places if p not in EVERYWHERE and (name, p) not in LEFT_OUT]
    same = {"input2": "x2", "target": "labels", "dim": "axis", "keepdim": "keepdims", "axis": "dim"}
    for i, (a, b) in enumerate(zip(order[1:], places[1:])):
        assert a == b or same.get(a) == b, f"{name}: at place {i + 1} PyTorch has {a}, {name} here has {b}"


@pytest.mark.parametrize(
    "name", sorted(n for n, row in spelling.FUNCTIONS.items() if callable(row) or isinstance(row, str))
)
def test_parameters_of_functions(name):
    f = getattr(torch, name)
    ours = there(lambda: getattr(mg, name))
    if isinstance(f, type) or isinstance(ours, np.dtype):
        return
    assert not missing(ours, name, f)


rng = np.random.default_rng(0)
x, y, square = rng.standard_normal((3, 4)), rng.standard_normal((3, 4)), rng.standard_normal((3, 3)) + 3 * np.eye(3)
index, mask = np.array([[0, 1, 1], [2, 0, 3], [1, 1, 0]]), rng.random((3, 4)) > 0.5
CALLS = {  # of a module that is PyTorch or minigrad, and a function that makes tensors of arrays
    "cat": lambda m, t: m.cat([t(x), t(y)], dim=1),
    "unsqueeze": lambda m, t: m.unsqueeze(t(x), 1),
    "transpose": lambda m, t: m.transpose(t(x), 0, 1),
    "permute": lambda m, t: m.permute(t(x), (1, 0)),
    "view": lambda m, t: t(x).view(2, -1).view([12]),
    "view_as": lambda m, t: t(x).view_as(t(x.T.copy())),
    "clamp": lambda m, t: m.clamp(t(x), min=-0.5, max=0.5) + t(x).clamp(0.1),
    "chunk": lambda m, t: m.chunk(t(x), 3, dim=1)[1] + t(x).chunk(2, 1)[0],
    "masked_fill": lambda m, t: t(x).masked_fill(t(mask), 0.5),
    "masked_select": lambda m, t: m.masked_select(t(x), t(mask)),
    "index_select": lambda m, t: m.index_select(t(x), 1, t(np.array([0, 2, 2]))),
    "gather": lambda m, t: m.gather(t(x), 1, t(index)),
    "movedim": lambda m, t: m.movedim(t(x), 0, 1),
    "narrow": lambda m, t: t(x).narrow(1, 1, 2),
    "select": lambda m, t: t(x).select(1, 2),
    "unbind": lambda m, t: m.unbind(t(x), 1)[2] * t(x).unbind()[0][:3],
    "expand": lambda m, t: t(x)[:1].expand(5, -1) * t(x)[0].expand(5, 4),
    "t": lambda m, t: t(x).t() @ t(y),
    "mm": lambda m, t: m.mm(t(x), t(y).t()),
    "addmm": lambda m, t: m.addmm(t(square), t(x), t(y).t(), beta=0.5, alpha=2.0),
    "lerp": lambda m, t: m.lerp(t(x), t(y), 0.3),
    "addcmul": lambda m, t: m.addcmul(t(x), t(y), t(x), value=0.3),
    "rsqrt": lambda m, t: m.rsqrt(t(abs(x))),
    "sum over dim": lambda m, t: t(x).sum(dim=1, keepdim=True) + t(x).sum(0),
    "mean over dims": lambda m, t: t(x).mean(dim=(0, 1)),
    "var, unbiased": lambda m, t: t(x).var(dim=1, unbiased=True) + m.std(t(x), dim=1, correction=0),
    "amax": lambda m, t: t(x).amax(dim=1) + m.amin(t(x), 1, keepdim=True),
    "logsumexp": lambda m, t: m.logsumexp(t(x), dim=1),
    "softmax": lambda m, t: m.softmax(t(x), dim=0) * t(x).softmax(dim=1) + t(x).log_softmax(1),
    "input, other": lambda m, t: m.add(input=t(x), other=t(y)) * m.mul(t(x), other=2.0),
    "floor_divide, remainder": lambda m, t: (t(x) % 0.7) + (t(x).detach() // 0.7) + (3.0 // t(x).detach()),
    "div, rounding": lambda m, t: m.true_divide(t(x), t(y)),
    "unary": lambda m, t: +t(x) - (-t(x)),
    "float": lambda m, t: t(x).float().double(),
    "clone": lambda m, t: t(x).clone() * t(x).contiguous(),
    "size": lambda m, t: t(x) * t(x).size(0) + t(x).numel() * t(x).dim() + len(t(x).size()),
    "cumsum": lambda m, t: m.cumsum(t(x), dim=1) * t(x).cumsum(0),
    "cumprod": lambda m, t: m.cumprod(t(x), dim=1),
    "flatten": lambda m, t: m.flatten(t(x), start_dim=0),
    "flip": lambda m, t: m.flip(t(x), dims=(0, 1)),
    "norm": lambda m, t: m.norm(t(x)) + t(x).norm() + t(x).norm(dim=1).sum(),
    "dist": lambda m, t: m.dist(t(x), t(y)),
    "inverse": lambda m, t: m.inverse(t(square)) + t(square).inverse(),
    "logdet": lambda m, t: m.logdet(t(square)),
    "matrix_power": lambda m, t: m.matrix_power(t(square), 3),
    "where": lambda m, t: t(x).where(t(mask), t(y)),
    "comparisons": lambda m, t: t(x).double() * m.gt(t(x), t(y)).double() + m.eq(t(x), 1.0).double() + t(x).le(0.1).double(),
    "swapaxes": lambda m, t: m.swapaxes(t(x), 0, 1) + t(x).swapdims(0, 1),
    "squeeze": lambda m, t: t(x)[:1].squeeze(),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_values_and_gradients_are_pytorchs(name):
    leaves = []

    def of_torch(a):
        leaves.append(torch.tensor(a, requires_grad=a.dtype.kind == "f"))
        return leaves[-1]

    want = CALLS[name](torch, of_torch)
    n = len(leaves)

    def of_minigrad(a):
        leaves.append(mg.tensor(a, requires_grad=a.dtype.kind == "f"))
        return leaves[-1]

    try:
        got = CALLS[name](mg, of_minigrad)
    except (AttributeError, TypeError) as error:
        if "has no attribute" in str(error):
            pytest.skip("not there yet")
        raise
    np.testing.assert_allclose(got.data, want.detach().numpy(), rtol=1e-9, atol=1e-12)
    if want.requires_grad:
        g = rng.standard_normal(want.shape)
        want.backward(torch.tensor(g))
        got.backward(g)
        for a, b in zip(leaves[:n], leaves[n:]):
            if a.grad is not None or b.grad is not None:
                mine = np.zeros(b.shape) if b.grad is None else b.grad
                np.testing.assert_allclose(mine, 0 if a.grad is None else a.grad.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2, 2)])
def test_functional_batch_norm(shape, training):
    a, w, b = rng.standard_normal(shape), rng.random(3) + 0.5, rng.standard_normal(3)
    mean, var = rng.standard_normal(3), rng.random(3) + 0.5
    t = [torch.tensor(v) for v in (a, mean, var, w, b)]
    m = [mg.tensor(v) for v in (a, mean, var, w, b)]
    want = torch.nn.functional.batch_norm(*t, training, 0.2, 1e-3)
    got = F.batch_norm(*m, training, 0.2, 1e-3)
    for p, q in [(got, want), (m[1], t[1]), (m[2], t[2])]:
        np.testing.assert_allclose(p.data, q.numpy(), rtol=1e-9, atol=1e-9)


def test_functional_linear():
    w, b = rng.standard_normal((2, 4)), rng.standard_normal(2)
    for a in (x, x[0], rng.standard_normal((2, 3, 4))):
        for bias in (b, None):
            want = torch.nn.functional.linear(*[v if v is None else torch.tensor(v) for v in (a, w, bias)])
            got = F.linear(mg.tensor(a), mg.tensor(w), None if bias is None else mg.tensor(bias))
            np.testing.assert_allclose(got.data, want.numpy(), rtol=1e-9)


@pytest.mark.parametrize("old", ["size_average", "reduce"])
def test_old_spellings_raise(old):
    with pytest.raises(TypeError, match=f"mse_loss: {old}= is PyTorch's old spelling"):
        F.mse_loss(mg.tensor([1.0]), mg.tensor([1.0]), **{old: True})
