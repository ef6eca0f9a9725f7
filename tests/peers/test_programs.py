"""Random programs of 5 to 30 operations, by PyTorch and by minigrad: values, gradients, products with the Hessian.

A program is drawn by running it in PyTorch. How far the two may be apart is derived from the program itself: every
operation is given inputs that are off by as many roundings as it has numbers to add up, with random signs, and what that
makes of the results is measured. That is what round-off may do (Higham 2002, section 3.1), at kinks, too.
"""

import warnings

import numpy as np
import pytest
from generated import SECONDS, cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg

torch = pytest.importorskip("torch")
F = torch.nn.functional
PARTS = 8
COUNT = 625 if SECONDS else 5  # of a part and turn; fuzzing takes two turns at least: 10,000


# ---- what is drawn -------------------------------------------------------------------------------------------------------

UNARY = {  # ours by name, or both
    name: (name, getattr(torch, name, None) or getattr(F, name))
    for name in ["tanh", "sin", "cos", "sigmoid", "relu", "abs", "silu", "square", "expm1", "asinh", "atan", "neg"]
} | {
    "exp": (lambda x: mg.exp(mg.tanh(x)), lambda x: torch.exp(torch.tanh(x))),
    "log": (lambda x: mg.log(mg.abs(x) + 0.5), lambda x: torch.log(torch.abs(x) + 0.5)),
    "log1p": (lambda x: mg.log1p(mg.relu(x)), lambda x: torch.log1p(torch.relu(x))),
    "sqrt": (lambda x: mg.sqrt(x * x + 1), lambda x: torch.sqrt(x * x + 1)),
    "power": (lambda x: mg.power(x, 3), lambda x: torch.pow(x, 3)),
    "elu": (lambda x: mg.elu(x, 0.7), lambda x: F.elu(x, 0.7)),
    "leaky_relu": (lambda x: mg.leaky_relu(x, 0.2), lambda x: F.leaky_relu(x, 0.2)),
    "softplus": ("softplus", lambda x: F.softplus(x, threshold=1000)),
    "clip": (lambda x: mg.clip(x, -0.7, 0.9), lambda x: torch.clip(x, -0.7, 0.9)),
    "rsub": (lambda x: 1.5 - x, lambda x: 1.5 - x),
    "scale": (lambda x: x * 0.5, lambda x: x * 0.5),
    "reciprocal": (lambda x: 1 / (x * x + 0.5), lambda x: 1 / (x * x + 0.5)),
    "sinh": (lambda x: mg.sinh(mg.tanh(x)), lambda x: torch.sinh(torch.tanh(x))),
    "cosh": (lambda x: mg.cosh(mg.sin(x)), lambda x: torch.cosh(torch.sin(x))),
    "log_softmax": (lambda x: mg.log_softmax(x, -1), lambda x: F.log_softmax(x, -1)),
    "floor": ("floor", torch.floor),
    "sign": ("sign", torch.sign),
}
BINARY = {
    "add": (lambda a, b: a + b, lambda a, b: a + b),
    "sub": (lambda a, b: a - b, lambda a, b: a - b),
    "mul": (lambda a, b: a * b, lambda a, b: a * b),
    "div": (lambda a, b: a / (b * b + 1), lambda a, b: a / (b * b + 1)),
    "maximum": (mg.maximum, torch.maximum),
    "minimum": (mg.minimum, torch.minimum),
    "logaddexp": ("logaddexp", torch.logaddexp),
    "atan2": (lambda a, b: mg.atan2(a, mg.abs(b) + 0.5), lambda a, b: torch.atan2(a, torch.abs(b) + 0.5)),
    "hypot": (lambda a, b: mg.hypot(a, mg.abs(b) + 0.5), lambda a, b: torch.hypot(a, torch.abs(b) + 0.5)),
    "where": (lambda a, b: mg.where(a > b, a * b, a - b), lambda a, b: torch.where(a > b, a * b, a - b)),
    "lerp": (lambda a, b: mg.lerp(a, b, 0.3), lambda a, b: torch.lerp(a, b, 0.3)),
}
REDUCE = {
    "sum": (mg.sum, lambda x, d, k: torch.sum(x, d, k)),
    "mean": (mg.mean, lambda x, d, k: torch.mean(x, d, k)),
    "max": (mg.max, lambda x, d, k: torch.amax(x, d, k)),
    "min": (mg.min, lambda x, d, k: torch.amin(x, d, k)),
    "logsumexp": (mg.logsumexp, lambda x, d, k: torch.logsumexp(x, d, k)),
    "var": (lambda x, d, k: mg.var(x, d, keepdims=k), lambda x, d, k: torch.var(x, d, correction=0, keepdim=k)),
    "std": (
        lambda x, d, k: mg.sqrt(mg.var(x, d, keepdims=k) + 0.1),
        lambda x, d, k: torch.sqrt(torch.var(x, d, correction=0, keepdim=k) + 0.1),
    ),
}


def _here(f):
    return getattr(mg, f, None) if isinstance(f, str) else f


def _present(table):
    return {name: (_here(a), b) for name, (a, b) in table.items() if _here(a) is not None}


class Program:
    """Leaves, and steps (ours, PyTorch's, the places of their inputs, text); what no step uses is summed into the loss."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng(seed)
        self.arrays, self.told = [], []
        for _ in range(int(rng.integers(1, 4))):
            self._leaf()
        for _ in range(int(rng.integers(0, 2))):
            self._integers()
        self.steps = []
        self.values = [torch.from_numpy(a.copy()) for a in self.arrays]
        for _ in range(int(rng.integers(5, 31))):
            self._step()
        used = {i for *_, places, _ in self.steps for i in places}
        first = len(self.arrays)
        self.ends = [i for i in range(first, len(self.values)) if i not in used and self.values[i].is_floating_point()]

    def __str__(self):
        lines = [f"x{i} = {t}" for i, t in enumerate(self.told)]
        lines += [f"x{len(self.told) + k} = {text}" for k, (*_, text) in enumerate(self.steps)]
        return "\n".join(lines)

    def _leaf(self):
        rng = self.rng
        shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(0, 5)))
        way = ["", "transposed", "sliced", "expanded", "reversed", "fortran"][rng.integers(6)]
        if not shape:
            a = np.array(rng.normal())
        elif way == "sliced":
            a = np.array(rng.normal(size=tuple(2 * n for n in shape)))[tuple(slice(0, None, 2) for _ in shape)]
        elif way == "expanded":
            a = np.broadcast_to(rng.normal(size=(1, *shape[1:])), shape)
        elif way == "reversed":
            a = np.array(rng.normal(size=shape))[tuple(slice(None, None, -1) for _ in shape)]
        elif way == "transposed":
            a = np.array(rng.normal(size=shape[::-1])).T
        else:
            a = np.array(rng.normal(size=shape), order="F" if way == "fortran" else "C")
        self.arrays.append(_rounded(a))
        self.told.append(f"leaf {shape} {way}")

    def _integers(self):
        shape = tuple(int(n) for n in self.rng.integers(1, 4, self.rng.integers(0, 3)))
        dtype = ["int64", "int32", "int8"][self.rng.integers(3)]
        self.arrays.append(np.asarray(self.rng.integers(-3, 4, shape), dtype))
        self.told.append(f"{dtype} {shape}")

    def _pick(self, good=lambda v: True):
        """The place of a float value, rather a late one."""
        places = [i for i, v in enumerate(self.values) if v.is_floating_point() and good(v)]
        if not places:
            return None
        return places[-1 - min(int(self.rng.geometric(0.35)) - 1, len(places) - 1)]

    def _step(self):
        kinds = [self._unary, self._binary, self._reduce, self._shape, self._index, self._product, self._image, self._norm, self._loss, self._integer]  # fmt: skip
        for _ in range(20):
            kind = self.rng.choice(len(kinds), p=[0.22, 0.22, 0.1, 0.14, 0.08, 0.08, 0.06, 0.05, 0.02, 0.03])
            drawn = kinds[kind]()
            if drawn is None:
                continue
            ours, theirs, places, text = drawn
            value = theirs(*(self.values[i] for i in places))
            if not value.numel() or value.numel() > 600 or not torch.isfinite(value).all() or value.abs().max() > 50:
                continue
            self.steps.append((ours, theirs, places, f"{text} of {', '.join(f'x{i}' for i in places)}"))
            self.values.append(value)
            return

    def _unary(self):
        table = _present(UNARY)
        name = list(table)[self.rng.integers(len(table))]
        i = self._pick(lambda v: v.ndim > 0) if "softmax" in name else self._pick()
        return None if i is None else (*table[name], (i,), name)

    def _fitting(self, i):
        def fits(v):
            try:
                return len(torch.broadcast_shapes(v.shape, self.values[i].shape)) < 6
            except RuntimeError:
                return False

        return self._pick(fits)

    def _binary(self):
        table = _present(BINARY)
        name = list(table)[self.rng.integers(len(table))]
        i = self._pick(lambda v: v.ndim < 6)
        return None if i is None else (*table[name], (i, self._fitting(i)), name)

    def _integer(self):
        """Numbers of an integer array with floats: the result has the floats' dtype."""
        whole = [i for i, v in enumerate(self.values) if not v.is_floating_point()]
        if not whole:
            return None
        i = whole[self.rng.integers(len(whole))]
        j = self._fitting(i)
        names = ["add", "sub", "mul"]
        name = names[self.rng.integers(3)]
        return (
            None if j is None else (*BINARY[name], (j, i) if self.rng.random() < 0.5 else (i, j), f"{name} (integers)")
        )

    def _reduce(self):
        name = list(REDUCE)[self.rng.integers(len(REDUCE))]
        i = self._pick(lambda v: v.ndim > 0)
        if i is None:
            return None
        n = self.values[i].ndim
        axes = tuple(int(a) for a in self.rng.choice(n, self.rng.integers(1, n + 1), replace=False))
        keep = bool(self.rng.random() < 0.4)
        a, b = REDUCE[name]
        return (lambda x: a(x, axes, keep)), (lambda x: b(x, axes, keep)), (i,), f"{name} {axes} {keep}"

    def _shape(self):
        rng, i = self.rng, self._pick()
        shape = tuple(self.values[i].shape)
        n = len(shape)
        kind = rng.integers(8)
        if kind == 0 and n:
            order = tuple(int(a) for a in rng.permutation(n))
            return (lambda x: mg.permute_dims(x, order)), (lambda x: x.permute(order)), (i,), f"permute {order}"
        if kind == 1:
            return (lambda x: mg.reshape(x, (-1,))), (lambda x: x.reshape(-1)), (i,), "reshape -1"
        if kind == 2 and n < 4:
            axis = int(rng.integers(-n - 1, n + 1))
            return (lambda x: mg.expand_dims(x, axis)), (lambda x: x.unsqueeze(axis)), (i,), f"expand_dims {axis}"
        if kind == 3 and 1 in shape:
            axis = shape.index(1)
            return (lambda x: mg.squeeze(x, axis)), (lambda x: x.squeeze(axis)), (i,), f"squeeze {axis}"
        if kind == 4 and n < 4:
            to = (int(rng.integers(1, 4)), *shape)
            return (
                (lambda x: mg.broadcast_to(x, shape=to)),
                (lambda x: torch.broadcast_to(x, to)),
                (i,),
                f"broadcast {to}",
            )
        if kind == 5 and n:
            axis, (k, j) = int(rng.integers(n)), (i, self._pick(lambda v: tuple(v.shape) == shape))
            return (
                (lambda x, y: mg.concat([x, y], axis)),
                (lambda x, y: torch.cat([x, y], axis)),
                (k, j),
                f"concat {axis}",
            )
        if kind == 6 and n < 4:
            axis, (k, j) = int(rng.integers(n + 1)), (i, self._pick(lambda v: tuple(v.shape) == shape))
            return (
                (lambda x, y: mg.stack([x, y], axis)),
                (lambda x, y: torch.stack([x, y], axis)),
                (k, j),
                f"stack {axis}",
            )
        if kind == 7 and n:
            widths = tuple((int(a), int(b)) for a, b in rng.integers(0, 3, (n, 2)))
            flat = tuple(w for pair in widths[::-1] for w in pair)
            return (lambda x: mg.pad(x, widths)), (lambda x: F.pad(x, flat)), (i,), f"pad {widths}"
        return None

    def _index(self):
        i = self._pick(lambda v: v.ndim > 0)
        if i is None:
            return None
        rng, shape = self.rng, tuple(self.values[i].shape)
        kind = rng.integers(4)
        if kind == 0:
            index = tuple(slice(int(rng.integers(0, n)), None, int(rng.integers(1, 3))) for n in shape)
        elif kind == 1:
            index = (Ellipsis, int(rng.integers(-shape[-1], shape[-1])))
        elif kind == 2:
            index = (None, rng.integers(0, shape[0], int(rng.integers(1, 6))))
        else:
            rows = rng.integers(0, shape[0], (2, 2))
            return (lambda x: x[rows]), (lambda x: x[torch.from_numpy(rows)]), (i,), f"[{rows.tolist()}]"
        there = tuple(torch.from_numpy(p) if isinstance(p, np.ndarray) else p for p in index)
        return (lambda x: x[index]), (lambda x: x[there]), (i,), f"[{index}]"

    def _product(self):
        i = self._pick(lambda v: v.ndim > 0)
        if i is None:
            return None
        n = self.values[i].shape[-1]
        if self.values[i].ndim == 1:
            j = self._pick(lambda v: v.ndim > 0 and (v.shape[-2] if v.ndim > 1 else v.shape[0]) == n)
        else:
            lead = self.values[i].shape[:-2]

            def fits(v):
                try:
                    return (
                        v.ndim > 0
                        and (v.shape[-2] if v.ndim > 1 else v.shape[0]) == n
                        and bool(torch.broadcast_shapes(lead, v.shape[:-2]) is not None)
                    )
                except RuntimeError:
                    return False

            j = self._pick(fits)
        if j is None:
            return None
        return (lambda a, b: (a @ b) * 0.5), (lambda a, b: (a @ b) * 0.5), (i, j), "matmul / 2"

    def _image(self):
        """A convolution with a part of the image itself as its weight, or pooling."""
        i = self._pick(lambda v: v.ndim == 4)
        if i is None:
            return None
        rng, (_, _, h, w) = self.rng, self.values[i].shape
        kind = rng.integers(4)
        if kind == 0:
            k, n = int(rng.integers(1, min(h, 3) + 1)), int(rng.integers(1, min(w, 3) + 1))
            s, p = int(rng.integers(1, 3)), int(rng.integers(0, 2))
            f = lambda m: lambda x: m(x, x[:2, :, :k, :n] * 0.3, stride=s, padding=p)  # noqa: E731
            return f(mg.conv2d), f(F.conv2d), (i,), f"conv2d {k}×{n} stride {s} padding {p}"
        if h < 2 or w < 2:
            return None
        s = int(rng.integers(1, 3))
        f = [None, (mg.max_pool2d, F.max_pool2d), (mg.avg_pool2d, F.avg_pool2d)][kind % 2 + 1]
        a, b = f
        return (lambda x: a(x, 2, s)), (lambda x: b(x, 2, s)), (i,), f"{a.__name__} 2, {s}"

    def _norm(self):
        i = self._pick(lambda v: v.ndim > 0)
        if i is None:
            return None
        kind = self.rng.integers(3)
        axis = int(self.rng.integers(self.values[i].ndim))
        if kind == 0:
            return (lambda x: mg.softmax(x, axis)), (lambda x: F.softmax(x, axis)), (i,), f"softmax {axis}"
        if kind == 1 and self.values[i].ndim in (2, 4) and self.values[i].numel() // self.values[i].shape[1] > 1:
            n = self.values[i].shape[1]
            if not (self.values[i].transpose(0, 1).reshape(n, -1).var(1) > 1e-6).all():
                return None  # of equal numbers it is 0 but for round-off, on either side of a kink

            def theirs(x):  # of an array in Fortran's order PyTorch's gradient is wrong; finite differences say ours
                return F.batch_norm(
                    x.contiguous(),
                    None,
                    None,
                    torch.ones(n, dtype=x.dtype),
                    torch.zeros(n, dtype=x.dtype),
                    True,
                    eps=0.1,
                )

            def ours(x):
                return mg.batch_norm(x, np.ones(n, x.dtype), np.zeros(n, x.dtype), eps=0.1)

            return ours, theirs, (i,), "batch_norm"
        if kind == 2 and hasattr(mg, "layer_norm"):
            n = self.values[i].shape[-1]
            return (
                (lambda x: mg.layer_norm(x, (n,), eps=0.1)),
                (lambda x: F.layer_norm(x, (n,), eps=0.1)),
                (i,),
                "layer_norm",
            )
        return None

    def _loss(self):
        kind = self.rng.integers(2)
        if kind == 0:
            i = self._pick(lambda v: v.ndim == 2)
            if i is None:
                return None
            labels = self.rng.integers(0, self.values[i].shape[1], self.values[i].shape[0])
            there = torch.from_numpy(labels)
            return (lambda x: mg.cross_entropy(x, labels)), (lambda x: F.cross_entropy(x, there)), (i,), "cross_entropy"
        i = self._pick()
        shape = self.values[i].shape
        j = self._pick(lambda v: v.shape == shape)
        return mg.mse_loss, F.mse_loss, (i, j), "mse_loss"

    # ---- running it ----------------------------------------------------------------------------------------------------

    def direction(self, k, like):
        return np.asarray(np.random.default_rng(k).uniform(0.5, 1.5, like.shape), like.dtype)

    def theirs(self, order, dtype=torch.float64, noise=None):
        """Values of the ends, gradients, products; `noise` is a generator and the size of one rounding."""
        leaves = [torch.from_numpy(a.copy() if _negative(a) else a) for a in self.arrays]
        leaves = [x.to(dtype).detach().requires_grad_() if x.is_floating_point() else x for x in leaves]
        values = list(leaves)
        for _, f, places, _ in self.steps:
            values.append(f(*(self._off(values[i], noise) for i in places)))
        xs = [x for x in leaves if x.is_floating_point()]
        ys = [values[i] for i in self.ends]
        loss = sum(
            (torch.from_numpy(self.direction(k, y.detach().numpy())) * torch.sin(y)).sum() for k, y in enumerate(ys)
        )
        results = [y.detach().numpy() for y in ys]
        if not loss.requires_grad:
            return [*results, *(np.zeros(x.shape) for x in xs * order)]
        grads = torch.autograd.grad(loss, xs, create_graph=order > 1, allow_unused=True)
        results += [np.zeros(x.shape) if g is None else g.detach().numpy() for g, x in zip(grads, xs)]
        if order > 1:
            turned = [
                (g * torch.from_numpy(self.direction(100 + k, g.detach().numpy()))).sum()
                for k, g in enumerate(grads)
                if g is not None and g.requires_grad
            ]
            second = torch.autograd.grad(sum(turned), xs, allow_unused=True) if turned else [None] * len(xs)
            results += [np.zeros(x.shape) if g is None else g.detach().numpy() for g, x in zip(second, xs)]
        return results

    @staticmethod
    def _off(x, noise):
        if noise is None or not x.is_floating_point():
            return x
        rng, u = noise
        return x * torch.from_numpy(np.asarray(1 + (8 + x.numel()) * u * rng.choice([-1.0, 1.0], tuple(x.shape))))

    def ours(self, order, dtype="d"):
        leaves = [
            mg.Tensor(_cast(a, dtype), requires_grad=True) if a.dtype.kind == "f" else mg.Tensor(a) for a in self.arrays
        ]
        values = list(leaves)
        for f, _, places, _ in self.steps:
            values.append(f(*(values[i] for i in places)))
        xs = [x for x in leaves if x.requires_grad]
        ys = [values[i] for i in self.ends]
        total = None
        for k, y in enumerate(ys):
            term = mg.sum(mg.mul(self.direction(k, y.data), mg.sin(y)))
            total = term if total is None else total + term
        results = [y.data for y in ys]
        if not total.requires_grad:
            return [*results, *(np.zeros(x.shape, dtype) for x in xs * order)]
        grads = mg.pull(total, xs, create_graph=order > 1)
        results += [g.data for g in grads]
        if order > 1:
            turned = None
            for k, g in enumerate(grads):
                if g.requires_grad:
                    term = mg.sum(mg.mul(self.direction(100 + k, g.data), g))
                    turned = term if turned is None else turned + term
            results += (
                [np.zeros(x.shape, dtype) for x in xs] if turned is None else [g.data for g in mg.pull(turned, xs)]
            )
        return results

    def roundings(self, exact, u):
        """What is allowed in any case: as many roundings of the largest number as there are entries and steps."""
        count = 8 + max((a.size for a in self.arrays), default=1) + len(self.steps)
        return [count * u * (1 + np.abs(a).max(initial=0)) for a in exact]

    def bounds(self, exact, order, u, draws):
        """How far round-off of this size may carry each result: twice the furthest of so many draws, and of one more.

        That one is what PyTorch's own float32 makes of it, scaled: the roundings inside of its derivatives are in it.
        """
        rng = np.random.default_rng(1)
        widest = [np.zeros(a.shape) for a in exact]
        for _ in range(draws):
            near = self.theirs(order, noise=(rng, u))
            widest = [np.maximum(w, np.abs(b - a)) for w, a, b in zip(widest, exact, near)]
        near, ratio = self.theirs(order, dtype=torch.float32), u / (np.finfo("f").eps / 2)
        widest = [np.maximum(w, ratio * np.abs(b - a)) for w, a, b in zip(widest, exact, near)]
        return [2 * (w.max(initial=0) + r) for w, r in zip(widest, self.roundings(exact, u))]


def _rounded(a):
    """float32 numbers in float64, its strides kept."""
    if a.ndim and not a.strides[0]:
        return np.broadcast_to(a[:1].astype("f").astype("d"), a.shape)
    if not _negative(a) and a.flags.forc:
        return np.asarray(a).astype("f").astype("d")
    a = a.copy() if a.base is None else a
    a[...] = a.astype("f")
    return a


def _cast(a, dtype):
    return a if a.dtype == dtype else a.astype(dtype)


def _negative(a):
    return any(s < 0 for s in a.strides)


def check(program, order):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        exact = program.theirs(order)
        for dtype in "df":
            u = np.finfo(dtype).eps / 2
            ours, bounds = program.ours(order, dtype), program.roundings(exact, u)
            assert len(ours) == len(exact), f"{program}"
            for k, (a, b) in enumerate(zip(ours, exact)):
                what = f"result {k} in {np.dtype(dtype)} of\n{program}"
                assert a.dtype == dtype, f"dtype {a.dtype}: {what}"
                assert a.shape == b.shape, f"{a.shape}, PyTorch has {b.shape}: {what}"
            gaps = [np.abs(np.asarray(a, "d") - b).max(initial=0) for a, b in zip(ours, exact)]
            for draws in (3, 50):  # many where the largest of numbers that are 0 but for round-off decides
                if not all(gap <= bound for gap, bound in zip(gaps, bounds)):
                    bounds = program.bounds(exact, order, u, draws)
            for k, (gap, bound) in enumerate(zip(gaps, bounds)):
                assert gap <= bound, (
                    f"off by {gap:.3g}, round-off is {bound:.3g}: result {k} in {np.dtype(dtype)} of\n{program}"
                )


@pytest.mark.parametrize("part", range(PARTS))
@cases(COUNT)
@given(st.integers(0, 2**32 - 1))
def test_program(part, seed):
    torch.set_num_threads(1)
    program = Program([part, seed])
    if program.ends:
        check(program, order=1 + (seed % 3 == 0))
