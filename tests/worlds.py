"""Random training steps, as source text, and the changes of their world that people make between two calls.

A program is made of a model, a step, and terms that read settings in one of many ways; each part names its changes. Two
worlds of the same text are twins: the plain step runs in one, the compiled step in the other.
"""

import types

import numpy as np

import minigrad as mg

HEAD = """
import argparse, collections, contextlib, dataclasses, enum, functools, itertools, math, operator, random, types, typing
import numpy as np, minigrad as mg
from minigrad import nn, optim
from types import SimpleNamespace
four = mg.tensor([1.0, 1.0, 1.0, 1.0], dtype='float32')
ones = mg.tensor([1.0, 0.5, 2.0], requires_grad=True)
"""

# How a step reads a number: the setting, the expression, and what changes it.
TERMS = {
    "a global": ("K = 0.5", "K", ["globals().update(K=1.5)", "globals().update(K=-0.0)", "globals().update(K=1)"]),
    "a closure": (
        "def box():\n    k = 0.5\n    def get(): return k\n    def put(v):\n        nonlocal k\n        k = v\n    return get, put\nget, put = box()",
        "get()", ["put(1.5)", "put(0)"],
    ),
    "an attribute": ("cfg = SimpleNamespace(k=0.5)", "cfg.k", ["setattr(cfg, 'k', 1.5)", "vars(cfg).update(k=2.5)", "delattr(cfg, 'k')", "globals().update(cfg=SimpleNamespace(k=3.5))"]),
    "a chain": ("deep = SimpleNamespace(a=SimpleNamespace(b=SimpleNamespace(k=0.5)))", "deep.a.b.k", ["setattr(deep.a.b, 'k', 1.5)", "setattr(deep.a, 'b', SimpleNamespace(k=2.5))", "setattr(deep, 'a', SimpleNamespace(b=SimpleNamespace(k=0.1)))"]),
    "an alias": ("held = SimpleNamespace(k=0.5)\nlist_of = [held]", "list_of[0].k", ["setattr(held, 'k', 1.5)", "list_of.insert(0, SimpleNamespace(k=2.0))"]),
    "an entry": ("table = {'k': 0.5, 'n': {'k': 1.5}}", "(table['k'] + table['n']['k'])", ["table.update(k=2.5)", "table['n'].update(k=0.25)", "table.pop('k')", "table.update(n={'k': 7.0})"]),
    "a get": ("maybe = {}", "maybe.get('k', 0.5)", ["maybe.update(k=2.5)", "maybe.clear()"]),
    "a made key": ("stages = {'k0': 0.5, 'k1': 1.5}\nstage = 0", "stages[f'k{stage}']", ["globals().update(stage=1)", "stages.update(k0=0.7)"]),
    "a list": ("ks = [0.5, 0.25]", "sum(ks)", ["ks.append(1.5)", "ks.__setitem__(0, 2.5)", "ks.clear()", "ks.reverse()"]),
    "a loop": ("rates = [0.5, 0.25]", "functools.reduce(lambda a, b: a + b * len(rates), rates, 0.0)", ["rates.append(1.5)", "rates.pop()"]),
    "a comprehension": ("parts = {'a': 0.5, 'b': 0.25}", "sum([v for n, v in parts.items() if n != 'c'])", ["parts.update(d=1.5)", "parts.update(c=1.5)", "parts.pop('a')"]),
    "a set": ("on = {'l2'}", "(0.5 if 'l2' in on else 0.25)", ["on.discard('l2')", "on.add('l2')"]),
    "a deque": ("recent = collections.deque([0.5, 0.25], maxlen=2)", "max(recent)", ["recent.append(1.5)", "recent.appendleft(0.1)"]),
    "a default": ("def term(k=0.5): return k", "term()", ["setattr(term, '__defaults__', (1.5,))"]),
    "a keyword default": ("def keyed(*, k=0.5): return k", "keyed()", ["keyed.__kwdefaults__.update(k=1.5)"]),
    "a function's attribute": ("def marked(): return marked.k\nmarked.k = 0.5", "marked()", ["setattr(marked, 'k', 1.5)"]),
    "a replaced function": ("def plain(): return 0.5", "plain()", ["globals().update(plain=lambda: 1.5)"]),
    "a function in a table": ("pick = {'a': lambda k: k, 'b': lambda k: 2 * k}\nmode = 'a'", "pick[mode](0.5)", ["globals().update(mode='b')", "pick.update(a=lambda k: 5 * k)"]),
    "a schedule": ("def schedule(t): return 0.5 if t < 3 else 0.1 * t\nclock = SimpleNamespace(t=0)", "schedule(clock.t)", ["setattr(clock, 't', clock.t + 2)", "setattr(clock, 't', 1)"]),
    "a property": ("class Has:\n    k = 0.5\n    @property\n    def twice(self): return 2 * self.k\nhas = Has()", "has.twice", ["setattr(has, 'k', 1.5)", "setattr(Has, 'k', 2.5)", "setattr(Has, 'twice', 3.5)"]),
    "a method": ("class Owner:\n    def __init__(self): self.k = 0.5\n    def get(self, by=1): return self.k * by\nowner = Owner()", "owner.get(2)", ["setattr(owner, 'k', 1.5)", "setattr(Owner, 'get', lambda self, by: 2.5)", "setattr(owner, 'get', lambda by: 3.5)"]),
    "a bound method": ("class Bound:\n    k = 0.5\n    def get(self): return self.k\nbound = Bound()\nbound_get = bound.get", "bound_get()", ["setattr(bound, 'k', 1.5)", "setattr(Bound, 'k', 2.5)"]),
    "a callable object": ("class Calls:\n    def __init__(self, k): self.k = k\n    def __call__(self): return self.k\ncalls = Calls(0.5)", "calls()", ["setattr(calls, 'k', 1.5)", "setattr(Calls, '__call__', lambda self: 2.5)"]),
    "a special method": ("class Item:\n    def __init__(self): self.k = 0.5\n    def __getitem__(self, i): return self.k * i\n    def __len__(self): return 2\nitem = Item()", "(item[1] + len(item))", ["setattr(item, 'k', 1.5)", "setattr(Item, '__len__', lambda self: 1)"]),
    "an operator": ("class Adds:\n    def __init__(self): self.k = 0.5\n    def __add__(self, x): return self.k + x\n    def __radd__(self, x): return self.k + x\nadds = Adds()", "(adds + 1.0 + (1.0 + adds))", ["setattr(adds, 'k', 1.5)", "setattr(Adds, '__radd__', lambda self, x: 7.0)"]),
    "a truth": ("class True_:\n    on = True\n    def __bool__(self): return self.on\ntrue = True_()", "(0.5 if true else 0.25)", ["setattr(true, 'on', False)", "setattr(True_, '__bool__', lambda self: False)"]),
    "an inherited attribute": ("class Base:\n    k = 0.5\nclass Derived(Base): pass\nderived = Derived()", "derived.k", ["setattr(Base, 'k', 1.5)", "setattr(Derived, 'k', 2.5)", "setattr(derived, 'k', 3.5)"]),
    "super": ("class Low:\n    def get(self): return 0.5\nclass High(Low):\n    def get(self): return super().get() + 1\nhigh = High()", "high.get()", ["setattr(Low, 'get', lambda self: 1.5)", "setattr(high, '__class__', Low)"]),
    "a class method": ("class Kind:\n    k = 0.5\n    @classmethod\n    def get(cls): return cls.k\n    @staticmethod\n    def half(): return 0.25", "(Kind.get() + Kind.half())", ["setattr(Kind, 'k', 1.5)", "setattr(Kind, 'half', staticmethod(lambda: 2.5))"]),
    "a dataclass": ("@dataclasses.dataclass\nclass Hyper:\n    k: float = 0.5\n    extra: list = dataclasses.field(default_factory=list)\nhyper = Hyper()", "(hyper.k + len(hyper.extra))", ["setattr(hyper, 'k', 1.5)", "hyper.extra.append(1)", "globals().update(hyper=dataclasses.replace(hyper, k=2.5))"]),
    "slots": ("class Slots:\n    __slots__ = ('k',)\nslots = Slots()\nslots.k = 0.5", "slots.k", ["setattr(slots, 'k', 1.5)"]),
    "getattr": ("args = argparse.Namespace(k=0.5)", "(getattr(args, 'k', 0.1) + getattr(args, 'new', 0.1))", ["setattr(args, 'k', 1.5)", "setattr(args, 'new', 1.5)", "delattr(args, 'k')"]),
    "hasattr": ("probe = SimpleNamespace()", "(1.5 if hasattr(probe, 'k') else 0.5)", ["setattr(probe, 'k', 1)", "vars(probe).clear()"]),
    "a partial": ("def product(c, k): return c.k * k\nfactor = SimpleNamespace(k=0.5)\npart = functools.partial(product, factor)", "part(k=2.0)", ["setattr(factor, 'k', 1.5)"]),
    "a wrapper": ("def wrapper(f):\n    @functools.wraps(f)\n    def g(*args): return f(*args) * outer['k']\n    return g\nouter = {'k': 0.5}\n@wrapper\ndef wrapped(k): return k", "wrapped(2.0)", ["outer.update(k=1.5)", "globals().update(wrapped=lambda k: 0.1)"]),
    "an inner function": ("inner = SimpleNamespace(k=0.5)", "(lambda c: (lambda d: d.k * 2)(c))(inner)", ["setattr(inner, 'k', 1.5)"]),
    "stars": ("named = {'k': 0.5}\nlisted = (0.25,)", "(lambda *a, **b: a[0] + b['k'])(*listed, **named)", ["named.update(k=1.5)", "globals().update(listed=(2.5,))"]),
    "sorted": ("entries = [SimpleNamespace(k=0.5), SimpleNamespace(k=0.25)]", "sorted(entries, key=lambda e: e.k)[0].k", ["setattr(entries[0], 'k', 0.1)", "setattr(entries[1], 'k', 0.9)"]),
    "any": ("flags = [SimpleNamespace(on=False), SimpleNamespace(on=False)]", "(1.5 if any([f.on for f in flags]) else 0.5)", ["setattr(flags[1], 'on', True)", "flags.clear()"]),
    "isinstance": ("class Soft: pass\nclass Hard: pass\nform = Soft()", "(0.5 if isinstance(form, Soft) else 1.5)", ["globals().update(form=Hard())", "setattr(form, '__class__', Hard)"]),
    "is": ("token = SimpleNamespace()\nchosen = token", "(0.5 if chosen is token else 1.5)", ["globals().update(chosen=None)"]),
    "a match": ("kind = 'a'\ndef matched():\n    match kind:\n        case 'a': return 0.5\n        case _: return 1.5", "matched()", ["globals().update(kind='b')"]),
    "a while": ("until = SimpleNamespace(n=3)\ndef counted():\n    n = 0\n    while n < until.n: n += 1\n    return n / 4", "counted()", ["setattr(until, 'n', 5)", "setattr(until, 'n', 0)"]),
    "math": ("root = SimpleNamespace(k=0.25)", "math.sqrt(abs(root.k))", ["setattr(root, 'k', 2.25)"]),
    "a global of another function": ("FAR = 0.5\ndef far(): return near()\ndef near(): return FAR", "far()", ["globals().update(FAR=1.5)", "globals().update(near=lambda: 2.5)"]),
    "a shadowed builtin": ("", "(max(0.25, 0.5))", ["globals().update(max=min)"]),
    "a tensor's own": ("gate = mg.tensor([0.5], requires_grad=True)", "(0.5 if gate.requires_grad else 1.5)", ["setattr(gate, 'requires_grad', False)", "setattr(gate, 'requires_grad', True)"]),
    "a tensor": ("level = mg.tensor(0.5)", "level", ["setattr(level, 'data', np.array(1.5))", "level.data.__setitem__((), 2.5)", "globals().update(level=mg.tensor(3.5))", "globals().update(level=mg.tensor([1.0, 2.0, 3.0]))"]),
}  # fmt: skip

# Those that may be refused: they do what a replay would not, or what nobody can see.
WILD_TERMS = {
    "a counter": ("count = SimpleNamespace(n=0)\ndef counts():\n    count.n += 1\n    return count.n / 8", "counts()", ["setattr(count, 'n', 0)"]),
    "a log": ("log = []\ndef logs():\n    log.append(0.25)\n    return sum(log)", "logs()", ["log.clear()"]),
    "an iterator": ("stream = iter([0.5, 0.25, 0.1, 0.75, 0.3, 0.2] * 99)", "next(stream)", ["next(stream)"]),
    "a generator": ("def numbers():\n    k = 0\n    while True:\n        k += 1\n        yield k / 8\nflow = numbers()", "next(flow)", ["next(flow)", "globals().update(flow=numbers())"]),
    "a generator inside": ("ends = [2, 3]\ndef to(n): yield from range(n)", "sum(to(ends[0])) / 4", ["ends.__setitem__(0, 4)"]),
    "random": ("dice = random.Random(0)", "dice.random()", ["dice.seed(1)"]),
    "a generator of NumPy": ("noise = np.random.default_rng(0)", "float(noise.random())", ["globals().update(noise=np.random.default_rng(1))"]),
    "an exception": ("def tried():\n    try: return absent['k']\n    except KeyError: return 0.5\nabsent = {}", "tried()", ["absent.update(k=1.5)"]),
    "attrgetter": ("far_off = SimpleNamespace(k=0.5)\nreach = operator.attrgetter('k')", "reach(far_off)", ["setattr(far_off, 'k', 1.5)"]),
    "a built name": ("built = SimpleNamespace(k=0.5, j=0.25)\nletter = 'k'", "getattr(built, letter)", ["globals().update(letter='j')", "setattr(built, 'k', 1.5)"]),
    "a descriptor": ("class Reads:\n    k = 0.5\n    def __get__(self, o, c): return self.k\nclass With:\n    d = Reads()\nwith_ = With()", "with_.d", ["setattr(vars(With)['d'], 'k', 1.5)", "setattr(Reads, 'k', 2.5)"]),
    "a class that makes attributes": ("class Makes:\n    def __init__(self): self.known = {'k': 0.5}\n    def __getattr__(self, n): return self.known[n]\nmakes = Makes()", "makes.k", ["makes.known.update(k=1.5)"]),
    "a metaclass": ("class Meta(type):\n    answer = False\n    def __instancecheck__(cls, x): return Meta.answer\nclass Of(metaclass=Meta): pass", "(0.5 if isinstance(3, Of) else 1.5)", ["setattr(Meta, 'answer', True)"]),
    "subclasses": ("class Root: pass\nkept = []", "len(Root.__subclasses__()) / 4", ["kept.append(type('Sub', (Root,), {}))"]),
    "a named tuple": ("Pair = collections.namedtuple('Pair', 'a b')\npair = Pair(0.5, [0.25])", "(pair.a + pair.b[0])", ["globals().update(pair=Pair(1.5, [1.0]))", "pair.b.__setitem__(0, 3.0)"]),
    "an enumeration": ("class Mode(enum.Enum):\n    A = 0.5\n    B = 1.5\nstate = SimpleNamespace(mode=Mode.A)", "state.mode.value", ["setattr(state, 'mode', Mode.B)"]),
    "a cached property": ("class Caches:\n    k = 0.5\n    @functools.cached_property\n    def twice(self): return 2 * self.k\ncaches = Caches()", "caches.twice", ["setattr(caches, 'k', 1.5)", "vars(caches).clear()"]),
    "a cache": ("store = [0.5]\n@functools.lru_cache\ndef cached(): return store[0]", "cached()", ["store.__setitem__(0, 1.5)", "cached.cache_clear()"]),
    "an array": ("raw = np.array([0.5, 0.25, 1.0])", "raw", ["raw.__setitem__(0, 1.5)", "globals().update(raw=np.array([1.0, 1.0, 2.0]))"]),
    "an array in an object": ("bag = SimpleNamespace(a=np.array([0.5, 0.25, 1.0]))", "bag.a", ["bag.a.__setitem__(0, 1.5)", "setattr(bag, 'a', np.array([1.0, 1.0, 2.0]))"]),
    "the value of a tensor": ("seen = mg.tensor(0.5)", "seen.item()", ["setattr(seen, 'data', np.array(1.5))"]),
    "a branch on a value": ("limit = mg.tensor(0.5)", "(0.5 if limit > 0.7 else 1.5)", ["setattr(limit, 'data', np.array(1.5))"]),
    "a memory of the last": ("last = SimpleNamespace(x=None)\ndef remembers(v):\n    before, last.x = last.x, v\n    return 0.5 if before is None else before", "remembers(0.25)", ["setattr(last, 'x', 1.5)"]),
    "a dict that fills": ("filled = collections.defaultdict(float)\ndef fills():\n    filled['n'] += 0.25\n    return filled['n']", "fills()", ["filled.clear()"]),
    "a global that is set": ("SET = 0.25\ndef sets():\n    global SET\n    SET = SET + 0.25\n    return SET", "sets()", ["globals().update(SET=0.5)"]),
    "a context": ("scale = SimpleNamespace(k=0.5)\n@contextlib.contextmanager\ndef doubled():\n    scale.k *= 2\n    yield\n    scale.k /= 2\ndef inside():\n    with doubled(): return scale.k", "inside()", ["setattr(scale, 'k', 1.5)"]),
    "a path by text": ("paths = SimpleNamespace(a=SimpleNamespace(k=0.5))", "operator.attrgetter('a.k')(paths)", ["setattr(paths.a, 'k', 1.5)"]),
    "vars": ("open_ = SimpleNamespace(k=0.5)", "vars(open_)['k']", ["setattr(open_, 'k', 1.5)"]),
    "type": ("class Cold: pass\nclass Warm(Cold): pass\nheat = Cold()", "(0.5 if heat.__class__ is Cold else 1.5)", ["globals().update(heat=Warm())", "setattr(heat, '__class__', Warm)"]),
    "a map of a method": ("class Mapped:\n    def __init__(self, k): self.k = k\n    def get(self): return self.k\nmapped = [Mapped(0.5), Mapped(0.25)]", "sum(map(Mapped.get, mapped))", ["setattr(mapped[0], 'k', 1.5)", "mapped.pop()"]),
    "an abstract registry": ("import abc\nclass Abstract(abc.ABC): pass", "(0.5 if isinstance(3, Abstract) else 1.5)", ["Abstract.register(int)"]),
}  # fmt: skip

# Where the number goes.
USES = (
    "loss = loss * (1 + {})",
    "loss = loss + {} * (ones * ones).mean()",
    "h = h * ({} + 1)\n    loss = loss + mg.mean(h * h)",
    "loss = loss + mg.mean(mg.tanh(h) * {})",
)
BRANCHES = (
    "if {} > 0.4:\n        loss = loss * 1.5",
    "for _ in range(int(abs({}) * 2) % 3):\n        loss = loss + mg.mean(h) * 0.1",
    "loss = loss + (mg.mean(h) if {} < 1 else mg.mean(h * h))",
)

MODELS = {
    "mlp": "model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 3, rng=1))",
    "normed": "model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.3, rng=3), nn.Linear(4, 3, rng=1))",
    "own": """class Net(nn.Module):
    def __init__(self):
        self.first = nn.Linear(3, 4, rng=0)
        self.blocks = [nn.Tanh(), nn.GELU()]
        self.heads = {'a': nn.Linear(4, 3, rng=1), 'b': nn.Linear(4, 3, rng=2)}
        self.head, self.scale, self.act, self.flag = 'a', 1.5, mg.tanh, False
        self.cfg = SimpleNamespace(residual=0.5)
    def forward(self, x):
        h = self.first(x) * self.scale
        for block in self.blocks:
            h = block(h) + self.cfg.residual * h
        if self.flag and self.training:
            h = h * 2
        return self.act(self.heads[self.head](h))
model = Net()""",
}
MODEL_CHANGES = {
    "*": ["model.eval()", "model.train()", "model.requires_grad_(False)", "model.requires_grad_(True)",
          "model.parameters()[0].__setattr__('requires_grad', False)",
          "model.load_state_dict({n: np.full(v.shape, 0.3, v.dtype) for n, v in model.state_dict().items()})",
          "[setattr(p, 'data', 0.5 * p.data) for p in model.parameters()]",
          "[p.data.__imul__(0.5) for p in model.parameters()]",
          "model.zero_grad()"],
    "mlp": ["model.layers.__setitem__(1, nn.Sigmoid()) if hasattr(model, 'layers') else None", "model.append(nn.Tanh())",
            "setattr(model[0], 'forward', lambda x: mg.sum(x, 1, keepdims=True) * four)", "setattr(model[0], 'bias', None)"],
    "normed": ["setattr(model[1], 'momentum', 0.5)", "setattr(model[3], 'p', 0.6)", "model[1].eval()",
               "mg.seed(3)"],
    "own": ["setattr(model, 'head', 'b')", "setattr(model, 'scale', 0.5)", "setattr(model, 'act', mg.sin)", "setattr(model, 'flag', True)",
            "setattr(model.cfg, 'residual', 0.1)", "model.blocks.append(nn.Sigmoid())", "model.blocks.reverse()",
            "model.heads.update(a=nn.Linear(4, 3, rng=5))", "setattr(Net, 'forward', lambda self, x: self.first(x)[:, :3])"],
}  # fmt: skip

# The step: what stands before `loss` is final, and after.
RULES = {
    "sgd": "opt = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)",
    "adam": "opt = optim.Adam(model.parameters(), lr=0.05)",
    "scheduled": "opt = optim.SGD(model.parameters(), lr=lambda k: 0.1 / (1 + k))",
}
RULE_CHANGES = ["opt.param_groups[0].update(lr=0.01)", "opt.zero_grad()", "opt.load_state_dict(opt.state_dict())"]
STEPS = {
    "train": ("    opt.zero_grad()\n", "    loss.backward()\n    opt.step()\n    return loss"),
    "clip": ("    model.zero_grad()\n", "    loss.backward()\n    norm = optim.clip_grad_norm(model.parameters(), 0.5)\n    opt.step()\n    return loss, norm"),
    "accumulate": ("    if clear['on']:\n        opt.zero_grad()\n", "    loss.backward()\n    if clear['on']:\n        opt.step()\n    return {'loss': loss}"),
    "infer": ("", "    return loss, h"),
    "no tape": ("", "    return [loss]"),
    "product": ("", "    return loss, product(x, y)"),
    "newton": ("", "    return newton(x, y), loss"),
    "lbfgs": ("", "    return lbfgs(x, y), loss"),
    "average": ("    opt.zero_grad()\n", "    loss.backward()\n    opt.step()\n    ema.update()\n    return loss"),
    "two": ("    opt.zero_grad()\n    opt2.zero_grad()\n", "    loss = loss + mg.mean(other(x) * h)\n    loss.backward()\n    opt.step()\n    opt2.step()\n    return loss"),
}  # fmt: skip
STEP_SETTINGS = {
    "accumulate": ("clear = {'on': True}", ["clear.update(on=False)", "clear.update(on=True)"]),
    "product": (
        "w = mg.tensor([0.5, -0.3, 0.2], requires_grad=True)\nridge = SimpleNamespace(k=0.5)\n"
        "def product(x, y):\n    f = lambda w: mg.mean(mg.tanh(mg.matmul(x, w)) ** 3) + ridge.k * (w ** 4).sum()\n    return mg.hvp(f, (w,), (ones.detach(),))",
        ["setattr(ridge, 'k', 1.5)", "setattr(w, 'data', w.data * 2)"],
    ),
    "newton": (
        "v = mg.tensor([0.5, -0.3, 0.2], requires_grad=True)\nnewton_opt = optim.Newton([v])\nquartic = SimpleNamespace(k=0.5)\n"
        "def newton(x, y):\n    return newton_opt.step(lambda: mg.mean(mg.matmul(x, v) ** 2) + quartic.k * (v ** 4).sum())",
        ["setattr(quartic, 'k', 1.5)", "setattr(v, 'data', np.ones(3))"],
    ),
    "lbfgs": (
        "u = mg.tensor([0.5, -0.3, 0.2], requires_grad=True)\nlbfgs_opt = optim.LBFGS([u])\nsextic = SimpleNamespace(k=0.5)\n"
        "def lbfgs(x, y):\n    return lbfgs_opt.step(lambda: mg.mean(mg.matmul(x, u) ** 2) + sextic.k * (u ** 6).sum())",
        ["setattr(sextic, 'k', 1.5)", "setattr(u, 'data', np.ones(3))"],
    ),
    "average": ("from minigrad import train\nema = train.Averaging(model, batch_norm='copy')", ["ema.update()"]),
    "two": (
        "other = nn.Linear(3, 3, rng=7)\nopt2 = optim.SGD(other.parameters(), lr=0.05)",
        ["opt2.param_groups[0].update(lr=0.5)", "setattr(other, 'bias', None)", "other.requires_grad_(False)"],
    ),
}  # fmt: skip
READING = {"newton", "lbfgs", "average"}  # line searches read values; an average is counted
ARRAYS = {"level", "raw", "bag.a"}  # terms that are no plain numbers
LOSSES = "mg.cross_entropy(h, y)", "mg.mean((h - 0.5) ** 2)"
FORMS = {
    "two": ("x, y", "x, y", "[x, y]"),
    "dict": ("batch", "batch['x'], batch['y']", "[{'x': x, 'y': y}]"),
    "pair": ("batch", "batch[0], batch[1]", "[(x, y)]"),
    "flag": ("x, y, scale=1.0", "x, y", "[x, y]"),
}


def batch(rng, n):
    """Rows and their labels."""
    return rng.standard_normal((n, 3)).astype("f"), rng.integers(0, 3, n)


class World:
    """A random step, and what can happen between its calls."""

    def __init__(self, seed, tame=None):
        rng = np.random.default_rng(seed)

        def one(xs):
            return [*xs][rng.integers(len(xs))]

        self.tame = rng.random() < 0.6 if tame is None else tame
        step = one(sorted({*STEPS} - (READING if self.tame else set())))
        terms = TERMS if self.tame else {**TERMS, **WILD_TERMS}
        names = [str(n) for n in rng.permutation([*terms])[: rng.integers(1, 4)]]
        if not self.tame and not {*names} & {*WILD_TERMS} and step not in READING:
            names[0] = one(WILD_TERMS)
        uses = [one([*USES, *(BRANCHES if terms[n][1] not in ARRAYS else [])]) for n in names]
        self._make(rng, one(MODELS), one(RULES), step, one(FORMS), names, uses, one(LOSSES))
        wild = (
            []
            if self.tame or "normed" not in self.parts
            else ["model[1].register_forward_hook(lambda m, args, y: y * 2)"] * 3
        )
        own = [c for n in names for c in terms[n][2]]
        changes = [*wild, *self.changes]
        self.order = [one(own) if rng.random() < 0.6 else one(changes) for _ in range(4)]
        if rng.random() < 0.2:  # another shape
            self.batches[1] = batch(rng, 6)

    @classmethod
    def of(cls, model, step, name):
        """The step that uses this one setting, and all changes of it."""
        self = cls.__new__(cls)
        self.tame = True
        self._make(np.random.default_rng(0), model, "sgd", step, "two", [name], [USES[0]], LOSSES[1])
        self.order = TERMS[name][2]
        return self

    def _make(self, rng, model, rule, step, form, names, uses, loss):
        self.parts = [model, step, form, *names]
        terms = {**TERMS, **WILD_TERMS}
        setting, changes = STEP_SETTINGS.get(step, ("", []))
        before, after = STEPS[step]
        parameters, unpacked, self.call = FORMS[form]
        self.source = "\n".join([
            HEAD, *(terms[n][0] for n in names), MODELS[model], RULES[rule], setting, f"def step({parameters}):",
            *([f"    x, y = {unpacked}"] if unpacked != "x, y" else []),
            *([before.rstrip("\n")] if before else []),
            *(["    with mg.no_grad():\n        h = model(x)\n        loss = mg.cross_entropy(h, y)"] if step == "no tape" else
              ["    h = model(x)", f"    loss = {loss}"]),
            *(f"    {use.format(terms[n][1])}" for n, use in zip(names, uses)), after,
        ])  # fmt: skip
        self.changes = [*MODEL_CHANGES["*"], *MODEL_CHANGES[model], *RULE_CHANGES, *changes]
        self.batches = [batch(rng, 4) for _ in range(3)]

    def run(self, compiled):
        """What comes out of the calls, and what is left in the world; and the compiled function."""
        world = types.ModuleType("world")
        mg.seed(0)
        exec(self.source, vars(world))
        step = mg.compile(world.step) if compiled else world.step
        out = []
        for turn in range(len(self.order) + 1):
            for x, y in self.batches if turn % 2 else self.batches[:2]:
                args = eval(self.call, {"x": x.copy(), "y": y.copy()})
                try:
                    out.append(numbers(step(*args)))
                except Exception as error:
                    out.append([type(error).__name__])
                out[-1] += numbers(args)
            if turn < len(self.order):
                try:
                    eval(self.order[turn], vars(world))
                except Exception as error:
                    out.append([type(error).__name__])
            out.append(self.left(world))
        return out, step

    def left(self, world):
        """Numbers that the world holds."""
        found = []
        for name, v in sorted(vars(world).items()):
            if name.startswith("__") or isinstance(v, types.ModuleType):
                continue
            if isinstance(v, mg.nn.Module):
                found += [a for p in v.parameters() for a in numbers([p, p.grad])] + numbers(v.state_dict())
            elif isinstance(v, mg.optim.Optimizer):
                found += numbers(v.state_dict())
            elif isinstance(v, mg.Tensor):
                found += numbers([v, v.grad])
            elif isinstance(v, (int, float, list, dict, types.SimpleNamespace)):
                found.append(repr(v) if "0x" not in repr(v) else type(v).__name__)
        return found


def numbers(tree):
    """Arrays as bytes, the rest as text."""
    out = []
    for leaf in mg.tree.flatten(tree)[0]:
        a = getattr(leaf, "_data", leaf)
        if isinstance(a, (np.ndarray, np.generic)):
            out.append((str(a.dtype), a.shape, np.asarray(a).tobytes()))
        else:
            out.append(repr(a) if isinstance(a, (int, float, str, type(None))) else type(a).__name__)
    return out
