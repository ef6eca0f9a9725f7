"""What changes something says so where it is done: every public method of what has state is called, and watched."""

import contextlib
import inspect

import numpy as np
import pytest
from calls import METHODS

import minigrad as mg
from minigrad import nn, optim, train
from minigrad.optim import averaging, second_order
from minigrad.tape import Watcher, watching

rng = np.random.default_rng(0)


class Effects(Watcher):
    def __init__(self):
        self.seen = []

    def changed(self, f, args, kwargs):
        self.seen.append(f.__name__)


def fingerprint(thing, depth=8, known=None):
    """Everything that a thing holds, as values to compare."""
    known = {} if known is None else known
    if id(thing) in known or depth == 0:
        return known.get(id(thing), "…")
    known[id(thing)] = len(known)
    inner = lambda x: fingerprint(x, depth - 1, known)  # noqa: E731
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.shape, thing.tobytes()
    if isinstance(thing, mg.Tensor):
        state = thing._data.tobytes(), str(thing.dtype), thing.version, thing.requires_grad
        return (*state, thing.grad is None or thing.grad.tobytes())
    if isinstance(thing, dict):
        return [(k, inner(v)) for k, v in thing.items()]
    if isinstance(thing, (list, tuple)):
        return [inner(v) for v in thing]
    if isinstance(thing, (bool, int, float, str, np.generic, np.dtype, type(None))):
        return repr(thing)
    return [(k, inner(v)) for k, v in vars(thing).items()] if hasattr(thing, "__dict__") else type(thing).__name__


def module():
    net = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2, rng=1)).eval()
    for p in net.parameters():
        p.grad = np.ones_like(p.data)
    return net


NEEDS = {c: {"lr": 0.1} for c in (optim.SGD, optim.Momentum, optim.Nesterov, optim.SQN)}
NEEDS[optim.Sophia] = {"hutchinson": True}


def optimizer(cls):
    def make():
        params = [mg.tensor(rng.standard_normal((3, 2)), requires_grad=True)]
        opt = cls(params, **NEEDS.get(cls, {}))
        params[0].grad = np.ones((3, 2))
        return opt

    return make


def loss_of(opt):
    (p,) = opt.params[:1]
    return lambda: (p * p * p * p).sum() + (p * p).sum()


def stepped(opt):
    if isinstance(opt, optim.SQN):
        return opt.step(lambda: loss_of(opt)())
    takes = isinstance(opt, (second_order.SecondOrder, optim.AdaHessian, optim.Sophia)) or type(opt) is optim.Nesterov
    return opt.step(loss_of(opt)) if takes else opt.step()


def average():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    kept = optim.Average([x], averaging.equal())
    x.data = np.array([5.0, 5.0])
    return kept


def model_average():
    net = nn.Linear(2, 2, rng=0)
    kept = train.Averaging(net, averaging.equal())
    net.weight.data = np.ones((2, 2), np.float32)
    return kept


def swap(kept):
    with kept.swapped():
        pass


def loaded(thing):
    state = {k: np.array(v) for k, v in thing.state_dict().items()}
    return thing.load_state_dict(state)


def tensor():
    x = mg.tensor(rng.random((2, 2)) + 1, requires_grad=True)
    x.grad = np.ones((2, 2))
    return x


def apply_row(name):
    f, args, kwargs = METHODS[name](getattr(mg.Tensor, name))
    return f(*args, **kwargs)


def zeroed(x):
    with mg.no_grad():
        x.zero_()


MODULE = {
    "train": lambda m: m.train(), "eval": lambda m: m.train() and m.eval(), "requires_grad_": lambda m: m.requires_grad_(False),
    "zero_grad": lambda m: m.zero_grad(), "astype": lambda m: m.astype("float64"), "load_state_dict": loaded,
    "named_modules": lambda m: m.named_modules(), "named_parameters": lambda m: m.named_parameters(),
    "named_buffers": lambda m: m.named_buffers(), "modules": lambda m: m.modules(), "parameters": lambda m: m.parameters(),
    "buffers": lambda m: m.buffers(), "state_dict": lambda m: m.state_dict(), "forward": lambda m: m.train()(np.ones((5, 3), np.float32)),
    **{name: lambda m, name=name: getattr(m, name)() for name in ("children", "named_children", "cpu", "to", "half", "float", "double")},
    **{name: lambda m, name=name: getattr(m, name)(lambda *args: None) for name in (
        "apply", "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook", "register_full_backward_pre_hook")},
    "type": lambda m: m.type("float64"), "get_submodule": lambda m: m.get_submodule("0"), "get_parameter": lambda m: m.get_parameter("0.bias"),
    "get_buffer": lambda m: m.get_buffer("1.running_mean"), "add_module": lambda m: m.add_module("more", nn.ReLU()),
    "register_module": lambda m: m.register_module("more", nn.ReLU()), "register_buffer": lambda m: m.register_buffer("more", np.ones(2)),
    "register_parameter": lambda m: m.register_parameter("more", nn.Parameter(np.ones(2))),
}  # fmt: skip
OPTIMIZER = {
    "add_param_group": lambda o: o.add_param_group({"params": [mg.tensor([1.0], requires_grad=True)]}),
    "zero_grad": lambda o: o.zero_grad(), "step": stepped, "load_state_dict": loaded, "state_dict": lambda o: o.state_dict(),
    "needs_closure": lambda o: o.needs_closure, "needs_outputs": lambda o: o.needs_outputs,
    "rate": lambda o: isinstance(o, second_order.SecondOrder) or o.rate,
}  # fmt: skip
AVERAGE = {
    "reset": lambda a: a.reset(), "update": lambda a: a.update(), "swapped": swap, "put": lambda a: a.put(),
    "state_dict": lambda a: a.state_dict(), "load_state_dict": loaded,
}  # fmt: skip
MODEL_AVERAGE = {**AVERAGE, "after": lambda a: a.after("step", 1)}
del MODEL_AVERAGE["reset"]
TENSOR = {
    "assign": lambda x: x.assign(np.zeros((2, 2))), "backward": lambda x: (x * x).sum().backward(), "claim": lambda x: x.claim(),
    "reshape": lambda x: x.reshape(4), "permute_dims": lambda x: x.permute_dims(1, 0), "astype": lambda x: x.astype("float32"),
    "item": lambda x: x.sum().item(), "read": lambda x: x.read(), "squeeze": lambda x: x.reshape(4, 1).squeeze(1), "data": lambda x: setattr(x, "data", np.ones((2, 2))),
    "register_hook": lambda x: x.register_hook(lambda g: None), "retain_grad": lambda x: (x * x).retain_grad(),
    **{name: lambda x, name=name: getattr(x, name)() for name in (
        "abs", "all", "any", "argmax", "clip", "detach", "exp", "flatten", "log", "logsumexp", "max", "mean", "min", "relu", "sigmoid",
        "sqrt", "std", "sum", "tanh", "tolist", "var")},
    **{name: lambda x, name=name: apply_row(name) for name in sorted(METHODS)},
    "requires_grad_": lambda x: x.requires_grad_(False), "zero_": zeroed,
    **{name: lambda x, name=name: getattr(x, name)[0] for name in ("at",)},
    **{name: lambda x, name=name: getattr(x, name) for name in ("T", "mT", "device", "dtype", "is_leaf", "nbytes", "ndim", "shape", "size")},
}  # fmt: skip
ATTRIBUTES = {
    "device",
    "grad",
    "handed",
    "locked",
    "name",
    "node",
    "requires_grad",
    "version",
    "pending",
}  # of tensors: plain slots
OPTIMIZERS = [
    c for c in vars(optim).values() if isinstance(c, type) and issubclass(c, optim.Optimizer) and c is not optim.Optimizer
]  # fmt: skip


def own(cls):
    """The public names of a class of ours."""
    return {n for c in cls.__mro__ if c.__module__.startswith("minigrad") for n in vars(c) if not n.startswith("_")}


THINGS = {
    nn.Module: (module, MODULE, {"training", "frozen"}),
    optim.Average: (average, AVERAGE, set()),
    train.Averaging: (model_average, MODEL_AVERAGE, set()),
    mg.Tensor: (tensor, TENSOR, ATTRIBUTES),
    **{c: (optimizer(c), OPTIMIZER, None) for c in OPTIMIZERS},
}


@pytest.mark.parametrize("cls", THINGS, ids=lambda c: c.__name__)
def test_every_public_method_is_looked_at(cls):
    _, calls, attributes = THINGS[cls]
    if attributes is None:  # a rule's options
        attributes = {
            n
            for n in own(cls)
            if not callable(getattr(cls, n)) and not isinstance(inspect.getattr_static(cls, n), property)
        }
        attributes |= {n for n in own(cls) if inspect.isclass(getattr(cls, n))}
    assert own(cls) - attributes - calls.keys() == set(), "say here how they are called"


@pytest.mark.parametrize(("cls", "name"), [(c, n) for c, (_, calls, _) in THINGS.items() for n in calls])
def test_a_method_that_changes_something_says_so(cls, name):
    make, calls, _ = THINGS[cls]
    thing, effects = make(), Effects()
    before = fingerprint(thing)
    with watching(effects), contextlib.suppress(NotImplementedError):
        calls[name](thing)
    changed = fingerprint(thing) != before
    assert effects.seen or not changed, f"{cls.__name__}.{name} changes something, and does not say so"
    if (cls is nn.Module or name != "astype") and name in {
        "train",
        "requires_grad_",
        "zero_grad",
        "astype",
        "step",
        "update",
        "put",
        "assign",
        "backward",
        "data",
    }:
        assert changed, "the test would see it"


def test_one_that_does_not_say_it_is_found():
    class Silent(nn.Module):
        def forward(self):
            self.count = 1

    thing, effects = Silent(), Effects()
    before = fingerprint(thing)
    with watching(effects):
        thing()
    assert fingerprint(thing) != before and not effects.seen
