"""What a compiled function depends on is compared in each call, or refused: attacks on "nothing stale is ever computed".

Each gives a function, and a change to the world that makes it another function. After any change the compiled function
gives what the plain one gives. No attack needs to be replayed; what people write does, and is in `test_is_replayed`.
"""

import abc
import argparse
import collections
import contextlib
import dataclasses
import enum
import functools
import io
import itertools
import math
import operator
import random
import time
import types
import typing
import warnings
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

X = np.array([1.0, 2.0])
ONE = mg.tensor([1.0, 1.0], requires_grad=True)
GLOBAL = 2.0
SETTINGS = {"k": 2.0, "list": [1.0, 2.0]}
VERSIONED = types.SimpleNamespace(version=2.0)
ATTACKS = {}


def attack(f):
    ATTACKS[f.__name__] = f
    return f


def numbers(y):
    return [np.asarray(getattr(a, "data", a)).tolist() for a in mg.tree.flatten(y)[0]]


# ---- variables -----------------------------------------------------------------------------------------------------


@attack
def a_global():
    def change():
        global GLOBAL
        GLOBAL += 1

    return lambda x: ONE * x * GLOBAL, change


@attack
def a_global_that_shadows_a_builtin():
    space = {"ONE": ONE}
    exec("def f(x): return ONE * x * len([1, 2, 3])", space)
    return space["f"], lambda: space.update(len=lambda v: 7)


@attack
def a_global_that_comes_to_be():
    space = {"ONE": ONE}
    exec(
        "def f(x): return ONE * x * (K if 'K' in names() else 1)\ndef names(): return ['K'] if on else []\non = False\nK = 5",
        space,
    )
    return space["f"], lambda: space.update(on=True)


@attack
def a_free_variable():
    k = 2.0

    def f(x):
        return ONE * x * k

    def change():
        nonlocal k
        k = 3.0

    return f, change


@attack
def a_free_variable_two_functions_deep():
    k = 2.0

    def f(x):
        def g(y):
            return (lambda z: z * k)(y)

        return g(ONE * x)

    def change():
        nonlocal k
        k = 3.0

    return f, change


@attack
def defaults():
    def f(x, k=2.0):
        return ONE * x * k

    return f, lambda: setattr(f, "__defaults__", (3.0,))


@attack
def defaults_of_an_inner_function():
    def g(x, k=2.0):
        return x * k

    return lambda x: g(ONE * x), lambda: setattr(g, "__defaults__", (3.0,))


@attack
def keyword_defaults():
    def g(x, *, k=2.0):
        return x * k

    return lambda x: g(ONE * x), lambda: g.__kwdefaults__.update(k=3.0)


@attack
def a_mutable_default():
    def g(x, ks=[2.0]):  # noqa: B006
        return x * ks[0]

    return lambda x: g(ONE * x), lambda: g.__defaults__[0].__setitem__(0, 3.0)


@attack
def the_code_of_a_function():
    def g(x):
        return x * 2.0

    def h(x):
        return x * 3.0

    return lambda x: g(ONE * x), lambda: setattr(g, "__code__", h.__code__)


@attack
def an_attribute_of_a_function():
    def g(x):
        return x * g.k

    g.k = 2.0
    return lambda x: g(ONE * x), lambda: setattr(g, "k", 3.0)


@attack
def the_zero_that_is_negative():
    cfg = types.SimpleNamespace(k=0.0)
    return lambda x: mg.where(x > 0, ONE, ONE) / (x * 0 + cfg.k), lambda: setattr(cfg, "k", -0.0)


@attack
def a_number_of_another_type():
    cfg = types.SimpleNamespace(k=1)
    return lambda x: ONE * x * (2.0 if isinstance(cfg.k, bool) else 1.0), lambda: setattr(cfg, "k", True)


# ---- attributes ------------------------------------------------------------------------------------------------------


class Scale:
    k = 2.0

    def __call__(self, x):
        return ONE * x * self.k

    def __add__(self, x):
        return ONE * x + self.k

    def __getitem__(self, i):
        return self.k

    def __len__(self):
        return int(self.k)

    def __bool__(self):
        return self.k > 2.5

    def __iter__(self):
        return iter([self.k])

    def __contains__(self, x):
        return self.k > 2.5

    def __eq__(self, other):
        return self.k > 2.5

    def __lt__(self, other):
        return self.k > 2.5

    def __float__(self):
        return float(self.k)

    def __index__(self):
        return int(self.k)

    def __neg__(self):
        return self.k

    def __enter__(self):
        return self.k

    def __exit__(self, *_):
        pass

    def __format__(self, spec):
        return "a" if self.k > 2.5 else "b"

    @property
    def twice(self):
        return 2 * self.k

    @classmethod
    def of_class(cls):
        return cls.k

    @staticmethod
    def of_none():
        return 2.0

    def method(self):
        return self.k

    __hash__ = None


USES = {
    "call": lambda s, x: s(x),
    "add": lambda s, x: s + x,
    "item": lambda s, x: ONE * x * s[0],
    "len": lambda s, x: ONE * x * len(s),
    "bool": lambda s, x: ONE * x * (2.0 if s else 1.0),
    "not": lambda s, x: ONE * x * (2.0 if not s else 1.0),
    "iter": lambda s, x: ONE * x * sum(s),
    "unpack": lambda s, x: ONE * x * next(iter([*s])),
    "contains": lambda s, x: ONE * x * (2.0 if 1 in s else 1.0),
    "equal": lambda s, x: ONE * x * (2.0 if s == 1 else 1.0),
    "less": lambda s, x: ONE * x * (2.0 if s < 1 else 1.0),
    "float": lambda s, x: ONE * x * float(s),
    "index": lambda s, x: ONE * x * [1.0, 2.0, 3.0, 4.0][s],
    "neg": lambda s, x: ONE * x * -s,
    "with": lambda s, x: _with(s, x),
    "format": lambda s, x: ONE * x * (2.0 if f"{s}" == "a" else 1.0),
    "property": lambda s, x: ONE * x * s.twice,
    "classmethod": lambda s, x: ONE * x * s.of_class(),
    "method": lambda s, x: ONE * x * s.method(),
    "bound method": lambda s, x: (lambda m: ONE * x * m())(s.method),
    "getattr": lambda s, x: ONE * x * getattr(s, "k"),  # noqa: B009
    "getattr with a default": lambda s, x: ONE * x * getattr(s, "k", 1.0),
    "getattr of a made name": lambda s, x: ONE * x * getattr(s, "kk"[1:]),
    "hasattr": lambda s, x: ONE * x * (2.0 if hasattr(s, "new") else 1.0),
    "attrgetter": lambda s, x: ONE * x * operator.attrgetter("k")(s),
    "methodcaller": lambda s, x: ONE * x * operator.methodcaller("method")(s),
    "vars": lambda s, x: ONE * x * vars(s).get("k", 1.0),
    "dict": lambda s, x: ONE * x * s.__dict__.get("k", 1.0),
    "class": lambda s, x: ONE * x * s.__class__.k,
    "type": lambda s, x: ONE * x * type(s).k,
    "map": lambda s, x: ONE * x * sum(map(Scale.method, [s])),
    "partial": lambda s, x: functools.partial(Scale.__call__, s)(x),
    "reduce": lambda s, x: ONE * x * functools.reduce(lambda a, b: a * b.k, [1.0, s]),
    "sorted": lambda s, x: ONE * x * sorted([s], key=lambda v: v.k)[0].k,
    "max": lambda s, x: ONE * x * max([s], key=Scale.method).k,
    "any": lambda s, x: ONE * x * (2.0 if any(v.k > 2.5 for v in [s]) else 1.0),
    "in a list": lambda s, x: ONE * x * [s][0].k,
    "in a dict": lambda s, x: ONE * x * {"s": s}["s"].k,
    "star": lambda s, x: (lambda *a: a[0](a[1]))(s, x),
    "keywords": lambda s, x: (lambda **a: a["s"](a["x"]))(s=s, x=x),
    "walrus": lambda s, x: ONE * x * (t := s).k + t.k,
    "swapped": lambda s, x: ONE * x * (s if x.shape == (2,) else None).k,
}


def _with(s, x):
    with s as k:
        return ONE * x * k


CHANGES = {
    "of the object": lambda s: setattr(s, "k", 3.0),
    "of the class": lambda s: setattr(type(s), "k", 3.0),
    "that goes": lambda s: delattr(s, "k") if "k" in vars(s) else setattr(s, "new", 1),
    "that comes": lambda s: (setattr(s, "new", 1), setattr(s, "k", 4.0)),
    "its class": lambda s: setattr(s, "__class__", type("Other", (type(s),), {"k": 5.0, "method": lambda self: 6.0})),
    "a method": lambda s: setattr(type(s), "method", lambda self: 7.0),
    "a call": lambda s: setattr(type(s), "__call__", lambda self, x: ONE * x * 9.0),
    "an item": lambda s: setattr(type(s), "__getitem__", lambda self, i: 11.0),
    "a method of its own": lambda s: setattr(s, "method", lambda: 8.0),
    "a property": lambda s: setattr(type(s), "twice", 13.0),
    "getattr": lambda s: setattr(type(s), "__getattribute__", lambda self, n: 17.0 if n == "k" else object.__getattribute__(self, n)),
}  # fmt: skip


def used(use, change, own):
    kind = type("Kind", (Scale,), {"k": 2.0, "__module__": __name__, "__hash__": None})
    s = kind()
    if own:
        s.k = 2.0
    how = USES[use]
    return lambda x: how(s, x), lambda: CHANGES[change](s)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("use", USES)
def test_a_use_of_an_object(use, own):
    for change in CHANGES:
        check(*used(use, change, own), what=(use, change))


@attack
def an_attribute_whose_name_is_no_name():
    cfg = types.SimpleNamespace()
    setattr(cfg, "class", 1.0)
    setattr(cfg, "k 2", 2.0)
    return lambda x: ONE * x * getattr(cfg, "class") * getattr(cfg, "k 2"), lambda: setattr(cfg, "class", 5.0)


@attack
def two_levels_deep():
    cfg = types.SimpleNamespace(loss=types.SimpleNamespace(weight=types.SimpleNamespace(k=1.0)))
    return lambda x: ONE * x * cfg.loss.weight.k, lambda: setattr(cfg.loss.weight, "k", 5.0)


@attack
def a_level_that_is_exchanged():
    cfg = types.SimpleNamespace(loss=types.SimpleNamespace(k=1.0))
    return lambda x: ONE * x * cfg.loss.k, lambda: setattr(cfg, "loss", types.SimpleNamespace(k=5.0))


@attack
def what_a_function_returns():
    cfg = types.SimpleNamespace(loss=types.SimpleNamespace(k=1.0))

    def get():
        return cfg.loss

    return lambda x: ONE * x * get().k, lambda: setattr(cfg.loss, "k", 5.0)


@attack
def a_slot():
    class Slotted:
        __slots__ = ("k",)

    s = Slotted()
    s.k = 2.0
    return lambda x: ONE * x * s.k, lambda: setattr(s, "k", 3.0)


@attack
def a_descriptor():
    class Reads:
        def __init__(self):
            self.k = 2.0

        def __get__(self, owner, kind):
            return self.k

    class Has:
        d = Reads()

    h, d = Has(), vars(Has)["d"]
    return lambda x: ONE * x * h.d, lambda: setattr(d, "k", 3.0)


@attack
def a_data_descriptor():
    store = {"k": 2.0}

    class Reads:
        def __get__(self, owner, kind):
            return store["k"]

        def __set__(self, owner, value):
            store["k"] = value

    class Has:
        d = Reads()

    h = Has()
    return lambda x: ONE * x * h.d, lambda: setattr(h, "d", 3.0)


@attack
def a_cached_property():
    class Has:
        def __init__(self):
            self.k = 2.0

        @functools.cached_property
        def twice(self):
            return 2 * self.k

    h = Has()
    return lambda x: ONE * x * h.twice, lambda: vars(h).update(twice=9.0)


@attack
def getattr_of_a_class():
    class Has:
        def __init__(self):
            self.table = {"k": 2.0}

        def __getattr__(self, name):
            return self.table[name]

    h = Has()
    return lambda x: ONE * x * h.k, lambda: h.table.update(k=3.0)


def inherited():
    """A class, one below it, and a function that reads off an object of this one what the other defines."""

    class A:
        k = 2.0

    class B(A):
        pass

    b = B()
    return A, B, lambda x: ONE * x * b.k


@attack
def a_class_attribute_of_the_base():
    A, _, f = inherited()
    return f, lambda: setattr(A, "k", 3.0)


@attack
def a_class_attribute_that_hides_the_base():
    _, B, f = inherited()
    return f, lambda: setattr(B, "k", 3.0)


@attack
def bases():
    class A:
        def k(self):
            return 2.0

    class C:
        def k(self):
            return 3.0

    class B(A):
        pass

    b = B()
    return lambda x: ONE * x * b.k(), lambda: setattr(B, "__bases__", (C,))


@attack
def super_of_a_method():
    class A:
        def k(self):
            return 2.0

    class B(A):
        def k(self):
            return super().k() + 1

    b = B()
    return lambda x: ONE * x * b.k(), lambda: setattr(A, "k", lambda self: 7.0)


@attack
def a_static_method_replaced():
    class A:
        @staticmethod
        def k():
            return 2.0

    return lambda x: ONE * x * A.k(), lambda: setattr(A, "k", staticmethod(lambda: 3.0))


@attack
def a_class_that_is_called():
    class A:
        def __init__(self, x):
            self.x = x * 2.0

    return lambda x: ONE * A(x * ONE).x, lambda: setattr(A, "__init__", lambda self, x: setattr(self, "x", x * 5.0))


@attack
def new_of_a_class():
    class A:
        def __new__(cls, x):
            return x * 2.0

    return lambda x: A(x * ONE), lambda: setattr(A, "__new__", staticmethod(lambda cls, x: x * 5.0))


@attack
def a_hook_of_subclasses():
    class A:
        kinds: typing.ClassVar[list] = []

        def __init_subclass__(cls):
            A.kinds.append(cls)

    def change():
        class B(A):
            pass

    return lambda x: ONE * x * (1 + len(A.kinds)), change


@attack
def subclasses():
    class A:
        pass

    kept = []
    return lambda x: ONE * x * (1 + len(A.__subclasses__())), lambda: kept.append(type("B", (A,), {}))


@attack
def instance_checks():
    class Kind(type):
        answer = False

        def __instancecheck__(cls, x):
            return Kind.answer

    class A(metaclass=Kind):
        pass

    return lambda x: ONE * x * (2.0 if isinstance(3, A) else 1.0), lambda: setattr(Kind, "answer", True)


@attack
def an_abstract_class_that_registers():
    class A(abc.ABC):  # noqa: B024
        pass

    return lambda x: ONE * x * (2.0 if isinstance(3, A) else 1.0), lambda: A.register(int)


@attack
def a_dataclass():
    @dataclasses.dataclass
    class C:
        k: float = 2.0
        ks: list = dataclasses.field(default_factory=list)

    c = C()
    return lambda x: ONE * x * c.k * (1 + len(c.ks)), lambda: c.ks.append(1)


@attack
def an_enumeration():
    class Mode(enum.Enum):
        A = 2.0
        B = 3.0

    cfg = types.SimpleNamespace(mode=Mode.A)
    return lambda x: ONE * x * cfg.mode.value, lambda: setattr(cfg, "mode", Mode.B)


@attack
def a_named_tuple():
    Pair = collections.namedtuple("Pair", "a b")
    cfg = types.SimpleNamespace(p=Pair(1.0, 2.0))
    return lambda x: ONE * x * cfg.p.b, lambda: setattr(cfg, "p", Pair(1.0, 5.0))


@attack
def a_typed_tuple():
    class Pair(typing.NamedTuple):
        a: float
        b: list

    p = Pair(1.0, [2.0])
    return lambda x: ONE * x * p.b[0], lambda: p.b.__setitem__(0, 3.0)


@attack
def arguments_of_a_program():
    args = argparse.Namespace(k=2.0)
    return lambda x: ONE * x * args.k, lambda: setattr(args, "k", 3.0)


@attack
def a_weak_reference():
    box = [Scale()]
    r = weakref.ref(box[0])
    return lambda x: ONE * x * (1.0 if r() is None else 2.0), box.clear


@attack
def a_proxy():
    s = Scale()
    p = weakref.proxy(s)
    return lambda x: ONE * x * p.k, lambda: setattr(s, "k", 3.0)


@attack
def a_mapping_proxy():
    d = {"k": 2.0}
    p = types.MappingProxyType(d)
    return lambda x: ONE * x * p["k"], lambda: d.update(k=3.0)


@attack
def a_module_of_code():
    m = types.ModuleType("settings_of_a_test")
    m.k = 2.0
    return lambda x: ONE * x * m.k, lambda: setattr(m, "k", 3.0)


@attack
def a_function_of_minigrad_that_is_replaced():
    m = types.SimpleNamespace(exp=mg.exp)
    return lambda x: m.exp(ONE * x), lambda: setattr(m, "exp", mg.sin)


@attack
def a_name_of_the_library():
    before = mg.exp2

    def change():
        mg.exp2 = mg.sin if mg.exp2 is before else before

    return lambda x: mg.exp2(ONE * x), change


# ---- containers ----------------------------------------------------------------------------------------------------


CONTAINERS = {
    "a list": ([2.0, 3.0], lambda c: c.__setitem__(0, 5.0), lambda c: c[0]),
    "a list that grows": ([2.0, 3.0], lambda c: c.append(5.0), lambda c: len(c)),
    "a list that is turned round": ([2.0, 3.0], lambda c: c.reverse(), lambda c: c[0]),
    "a sum": ([2.0, 3.0], lambda c: c.append(5.0), lambda c: sum(c)),
    "a slice": ([2.0, 3.0], lambda c: c.__setitem__(0, 5.0), lambda c: c[:1][0]),
    "unpacked": ([2.0, 3.0], lambda c: c.__setitem__(0, 5.0), lambda c: (lambda a, b: a)(*c)),
    "a comprehension": ([2.0, 3.0], lambda c: c.append(5.0), lambda c: sum([v for v in c])),  # noqa: C416
    "a generator expression": ([2.0, 3.0], lambda c: c.append(5.0), lambda c: sum(v for v in c)),
    "zipped": ([2.0, 3.0], lambda c: c.__setitem__(0, 5.0), lambda c: sum(a * b for a, b in zip(c, c))),
    "nested": ([[2.0], 3.0], lambda c: c[0].__setitem__(0, 5.0), lambda c: c[0][0]),
    "in a tuple": (([2.0],), lambda c: c[0].__setitem__(0, 5.0), lambda c: c[0][0]),
    "a dict": ({"k": 2.0}, lambda c: c.update(k=5.0), lambda c: c["k"]),
    "a dict asked": ({"k": 2.0}, lambda c: c.clear(), lambda c: c.get("k", 7.0)),
    "keywords": ({"k": 2.0}, lambda c: c.update(k=5.0), lambda c: (lambda k: k)(**c)),
    "keys": ({"k": 2.0}, lambda c: c.update(kk=5.0), lambda c: len("".join(c))),
    "items": ({"k": 2.0}, lambda c: c.update(k=5.0), lambda c: sum(v for _, v in c.items())),
    "order": ({"a": 2.0, "b": 3.0}, lambda c: c.update(a=c.pop("a")), lambda c: next(iter([*c.values()]))),
    "a set": ({2.0}, lambda c: c.add(5.0), lambda c: len(c)),
    "a member": ({2.0}, lambda c: c.add(5.0), lambda c: 2.0 if 5.0 in c else 1.0),
    "a deque": (collections.deque([2.0]), lambda c: c.appendleft(5.0), lambda c: c[0]),
    "an ordered dict": (collections.OrderedDict(a=2.0, b=3.0), lambda c: c.move_to_end("a"), lambda c: next(iter([*c.values()]))),
    "a default dict": (collections.defaultdict(lambda: 2.0), lambda c: c.update(k=5.0), lambda c: c["k"]),
    "a counter": (collections.Counter("aab"), lambda c: c.update("a"), lambda c: c["a"]),
    "a user's list": (type("Mine", (list,), {"__module__": __name__})([2.0]), lambda c: c.__setitem__(0, 5.0), lambda c: c[0]),
    "bytes": (bytearray(b"\x02"), lambda c: c.__setitem__(0, 5), lambda c: c[0]),
    "a view": ({"k": 2.0}, lambda c: c.update(kk=5.0), lambda c: len(c.keys())),
    "an array": (np.array([2.0, 2.0]), lambda c: c.__setitem__(0, 5.0), lambda c: c[0]),
    "an array's entry": (np.array([2.0, 2.0]), lambda c: c.__setitem__(0, 5.0), lambda c: float(c[0])),
    "an array of one": (np.array(2.0), lambda c: c.__setitem__((), 5.0), lambda c: float(c)),
    "a chain": (collections.ChainMap({"k": 2.0}), lambda c: c.update(k=5.0), lambda c: c["k"]),
    "an iterator": (itertools.count(1), lambda c: next(c), lambda c: next(c)),
    "a generator": ((i for i in range(99)), lambda c: next(c), lambda c: next(c)),
    "a list of functions": ([math.sqrt, math.exp], lambda c: c.reverse(), lambda c: c[0](4.0)),
    "a memory": (memoryview(bytearray(b"\x02")), lambda c: c.__setitem__(0, 5), lambda c: c[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container(name):
    c, change, use = CONTAINERS[name]
    if not isinstance(c, (collections.abc.Iterator, itertools.count)):
        check(lambda x: ONE * x * use(c), lambda: change(c))
        held = types.SimpleNamespace(c=c)
        check(lambda x: ONE * x * use(held.c), lambda: change(c))
        check(functools.partial(lambda x, c: ONE * x * use(c), c=c), lambda: change(c))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        mg.compile(lambda x: ONE * x * use(c))(X)
    assert said or not isinstance(c, (collections.abc.Iterator, itertools.count))


@attack
def a_global_container_by_path():
    return lambda x: ONE * x * SETTINGS["list"][0], lambda: SETTINGS["list"].__setitem__(0, SETTINGS["list"][0] + 1)


@attack
def a_list_of_objects():
    cs = [types.SimpleNamespace(k=2.0), types.SimpleNamespace(k=3.0)]
    return lambda x: ONE * x * sum(c.k for c in cs), lambda: setattr(cs[1], "k", 9.0)


@attack
def a_dict_of_functions():
    table = {"loss": lambda y: y * 2.0}
    return lambda x: table["loss"](ONE * x), lambda: table.update(loss=lambda y: y * 3.0)


# ---- functions -----------------------------------------------------------------------------------------------------


@attack
def a_partial_with_a_list():
    ks = [2.0]
    f = functools.partial(lambda ks, x: ONE * x * ks[0], ks)
    return f, lambda: ks.__setitem__(0, 3.0)


@attack
def a_partial_of_a_partial():
    cfg = types.SimpleNamespace(k=2.0)
    f = functools.partial(functools.partial(lambda c, m, x: ONE * x * c.k * m, cfg), 2.0)
    return f, lambda: setattr(cfg, "k", 3.0)


@attack
def the_keywords_of_a_partial():
    f = functools.partial(lambda x, k: ONE * x * k, k=2.0)
    return f, lambda: f.keywords.update(k=3.0)


@attack
def a_cache():
    @functools.lru_cache
    def get():
        return box[0]

    box = [2.0]
    return lambda x: ONE * x * get(), lambda: (box.__setitem__(0, 3.0), get.cache_clear())


@attack
def a_single_dispatch():
    @functools.singledispatch
    def g(x):
        return x * 2.0

    return lambda x: g(ONE * x), lambda: g.register(mg.Tensor, lambda x: x * 3.0)


@attack
def a_wrapped_function():
    cfg = types.SimpleNamespace(k=2.0)

    def wrapper(f):
        @functools.wraps(f)
        def g(*args):
            return f(*args) * cfg.k

        return g

    @wrapper
    def f(x):
        return ONE * x

    return f, lambda: setattr(cfg, "k", 3.0)


@attack
def a_derivative_made_before():
    cfg = types.SimpleNamespace(k=2.0)
    g = mg.grad(lambda w: (w * w * cfg.k).sum())
    return lambda x: g(mg.tensor(x)), lambda: setattr(cfg, "k", 3.0)


@attack
def a_function_in_a_model():
    cfg = types.SimpleNamespace(k=2.0)

    class Apply(nn.Module):
        def __init__(self, f):
            self.f = f

        def forward(self, x):
            return self.f(x)

    return nn.Sequential(Apply(lambda x: ONE * x * cfg.k)), lambda: setattr(cfg, "k", 3.0)


@attack
def a_primitive_of_ones_own():
    cfg = types.SimpleNamespace(k=2.0)

    @mg.primitive
    def scaled(x):
        return x * cfg.k

    mg.elementwise(scaled, lambda y, x: cfg.k + 0 * x)
    return lambda x: mg.grad(lambda w: scaled(w).sum())(mg.tensor(x)), lambda: setattr(cfg, "k", 3.0)


@attack
def a_generator_function():
    cfg = types.SimpleNamespace(k=2.0)

    def ks():
        yield cfg.k
        yield 2 * cfg.k

    return lambda x: ONE * x * sum(ks()), lambda: setattr(cfg, "k", 3.0)


@attack
def a_context_manager():
    cfg = types.SimpleNamespace(k=2.0)

    @contextlib.contextmanager
    def scaled():
        yield cfg.k

    def f(x):
        with scaled() as k:
            return ONE * x * k

    return f, lambda: setattr(cfg, "k", 3.0)


@attack
def an_exception_that_is_caught():
    def f(x):
        try:
            return ONE * x * SETTINGS["missing"]
        except KeyError:
            return ONE * x

    return f, lambda: SETTINGS.update(missing=3.0) or None


# ---- what is outside --------------------------------------------------------------------------------------------------


@attack
def a_clock():
    now = [time.perf_counter]
    return lambda x: ONE * x * (now[0]() > 0), lambda: now.__setitem__(0, lambda: 0.0)


@attack
def a_file():
    file = io.StringIO("2 3 5")
    return lambda x: ONE * x * len(file.getvalue()), lambda: file.write("222222222")


@attack
def the_random_module():
    return lambda x: ONE * x * (random.getstate()[2] is None), lambda: random.seed(0)


READS = {
    "max": lambda x: x.max(),
    "np.max": lambda x: np.max(x),
    "np.asarray": lambda x: np.asarray(x).max(),
    "np.array": lambda x: np.array(x).max(),
    "np.sum": lambda x: np.sum(x),
    "float": lambda x: float(x[0]),
    "item": lambda x: x.item(0),
    "tolist": lambda x: x.tolist()[0],
    "iter": lambda x: next(iter([*x])),
    "unpack": lambda x: (lambda a, b: a)(*x),
    "reversed": lambda x: next(reversed(x)),
    "sorted": lambda x: sorted(x)[0],
    "min": lambda x: min(x),
    "bool": lambda x: 2.0 if x.any() else 1.0,
    "compare": lambda x: 2.0 if (x > 1.5).all() else 1.0,
    "np.float64": lambda x: float(np.float64(x).max()),
    "bytes": lambda x: bytes(x)[7],
    "memory": lambda x: memoryview(x)[0],
    "flat": lambda x: x.flat[0],
    "T": lambda x: x.T[0],
    "dot": lambda x: x @ x,
    "norm": lambda x: np.linalg.norm(x),
    "copy": lambda x: x.copy()[0],
    "fsum": lambda x: math.fsum(x),
    "format": lambda x: len(f"{x}"),
    "str": lambda x: len(str(x)),
    "contains": lambda x: 2.0 if 2.0 in x else 1.0,
    "where": lambda x: len(np.nonzero(x > 1.5)[0]),
    "ufunc out": lambda x: np.add(x, 1.0, out=np.zeros(2))[0],
    "reduce": lambda x: np.add.reduce(x),
    "ctypes": lambda x: x.ctypes.data % 1 + x.__array_interface__["shape"][0] * x.view().max(),
    "tensor": lambda x: mg.tensor(x).item() if x.size == 1 else mg.tensor(x)[0].item(),
    "tensor bool": lambda x: 2.0 if mg.tensor(x)[0] > 1.5 else 1.0,
    "tensor data": lambda x: mg.tensor(x).data[0],
    "tensor array": lambda x: np.asarray(mg.tensor(x))[0],
    "tensor list": lambda x: mg.tensor(x).tolist()[0],
    "tensor iter": lambda x: float(next(iter([*mg.tensor(x)]))),
    "tensor str": lambda x: len(repr(mg.tensor(x))),
    "argmax": lambda x: int(mg.argmax(mg.tensor(x))),
    "unique": lambda x: len(mg.unique_values(mg.tensor(x))),
    "nonzero": lambda x: mg.nonzero(mg.tensor(x) > 1.5)[0].shape[0],
    "mask": lambda x: mg.tensor(x)[x > 1.5].shape[0],
    "mask of a tensor": lambda x: mg.tensor(x)[mg.tensor(x) > 1.5].shape[0],
    "full": lambda x: mg.full((2,), mg.tensor(x)[0]),
    "arange": lambda x: mg.arange(float(x[0]) + 3).shape[0],
    "one_hot": lambda x: mg.one_hot(mg.tensor(x).astype(int)).shape[1],
}


@pytest.mark.parametrize("name", READS)
def test_values_that_are_read(name):
    use = READS[name]
    f = lambda x: ONE * x * use(x)  # noqa: E731
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast = mg.compile(f)
        for x in (X, 2 * X, -X, X[::-1].copy(), np.array([2.0, 2.0])):
            assert outcome(fast, x) == outcome(f, x)


KINDS = {
    "type": lambda x: type(x) is np.ndarray,
    "type of a part": lambda x: type({"x": x}["x"]) is np.ndarray,
    "class": lambda x: x.__class__ is np.ndarray,
    "isinstance": lambda x: isinstance(x, np.ndarray),
    "in a function": lambda x: (lambda y: type(y) is np.ndarray)(x),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_type_of_an_argument(name):
    use = KINDS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast = mg.compile(lambda x: ONE * x if use(x) else ONE * x * 100)
        for _ in range(3):
            assert numbers(fast(X)) == [X.tolist()]


# ---- tensors and models --------------------------------------------------------------------------------------------


def tensor_changes():
    t = mg.tensor([2.0, 3.0], requires_grad=True)
    u = mg.tensor([2.0, 3.0])
    return {
        "requires_grad": (lambda x: ONE * x * (2.0 if t.requires_grad else 1.0), lambda: setattr(t, "requires_grad", not t.requires_grad)),
        "name": (lambda x: ONE * x * (2.0 if t.name == "a" else 1.0), lambda: setattr(t, "name", "a")),
        "dtype": (lambda x: ONE * x * (2.0 if t.dtype == np.float32 else 1.0), lambda: t.assign(t._data.astype("f"))),
        "version": (lambda x: ONE * x * t.version, lambda: setattr(t, "data", t.data + 1)),
        "a version of one's own": (lambda x, c=VERSIONED: ONE * x * c.version, lambda: None),
        "grad": (lambda x: ONE * x * (1.0 if t.grad is None else 2.0), lambda: setattr(t, "grad", t.data)),
        "grad by getattr": (lambda x: ONE * x * (1.0 if getattr(t, "grad") is None else 2.0), lambda: setattr(t, "grad", t.data)),  # noqa: B009
        "data": (lambda x: ONE * x * t.data[0], lambda: setattr(t, "data", t.data + 1)),
        "written": (lambda x: ONE * x * u, lambda: u.data.__setitem__(0, 7.0)),
        "exchanged": (lambda x: ONE * x * u, lambda: setattr(u, "data", u.data + 1)),
        "is": (lambda x: ONE * x * (2.0 if x is u else 1.0), lambda: None),
        "a loop over parameters": (lambda x: ONE * x * sum(p.requires_grad for p in [t]), lambda: setattr(t, "requires_grad", False)),
    }  # fmt: skip


@pytest.mark.parametrize("name", tensor_changes())
def test_a_tensor(name):
    check(*tensor_changes()[name])


class Net(nn.Module):
    def __init__(self):
        self.weight = nn.Parameter(np.array([1.0, 2.0]))
        self.blocks = [nn.Tanh(), [nn.Identity()], {"a": nn.Identity()}]
        self.scale = 2.0
        self.table = {"k": 1.0}
        self.f = mg.tanh
        self.offset = nn.Buffer(np.zeros(2))

    def forward(self, x):
        y = self.blocks[0](x * self.weight * self.scale * self.table["k"])
        return self.blocks[2]["a"](self.blocks[1][0](self.f(y))) + self.offset


MODEL_CHANGES = {
    "scale": lambda m: setattr(m, "scale", 3.0),
    "scale by the dict": lambda m: vars(m).update(scale=3.0),
    "table": lambda m: m.table.update(k=3.0),
    "block": lambda m: m.blocks.__setitem__(0, nn.Sigmoid()),
    "nested block": lambda m: m.blocks[1].__setitem__(0, nn.Sigmoid()),
    "block in a dict": lambda m: m.blocks[2].update(a=nn.Sigmoid()),
    "function": lambda m: setattr(m, "f", mg.sin),
    "parameter": lambda m: setattr(m, "weight", nn.Parameter(np.array([5.0, 6.0]))),
    "values": lambda m: setattr(m.weight, "data", np.array([5.0, 6.0])),
    "buffer": lambda m: setattr(m, "offset", nn.Buffer(np.ones(2))),
    "buffer's values": lambda m: setattr(m.offset, "data", np.ones(2)),
    "forward of the object": lambda m: setattr(m, "forward", lambda x: ONE * x),
    "forward of the class": lambda m: setattr(type(m), "forward", lambda self, x: ONE * x),
    "forward of a block": lambda m: setattr(m.blocks[0], "forward", lambda x: ONE * x),
    "a hook": lambda m: m.register_forward_hook(lambda *_: ONE * 3.0),
    "a hook before": lambda m: m.blocks[0].register_forward_pre_hook(lambda m, args: (args[0] * 2.0,)),
    "state": lambda m: m.load_state_dict({"weight": np.array([7.0, 8.0]), "offset": np.ones(2)}),
    "dtype": lambda m: m.astype("float32"),
    "call of the class": lambda m: setattr(type(m), "__call__", lambda self, x: ONE * x),
}


@pytest.mark.parametrize("change", MODEL_CHANGES)
def test_a_model(change):
    kind = type("Kind", (Net,), {"__module__": __name__})
    for wrap in (lambda m: m, lambda m: lambda x: m(x), lambda m: nn.Sequential(m), lambda m: m.forward):
        m = kind()
        check(wrap(m), lambda m=m: MODEL_CHANGES[change](m))
        kind = type("Kind", (Net,), {"__module__": __name__})


@pytest.mark.parametrize("name", ["forward", "__call__"])
def test_a_method_of_the_librarys_layers(name, monkeypatch):
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh())
    check(lambda x: net(mg.tensor(x.astype("f"))), lambda: monkeypatch.setattr(nn.Tanh, name, lambda self, x: x * 2.0))


def test_modes_and_lists_of_the_librarys_containers():
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Tanh())
    fast = mg.compile(lambda x: net(x))
    x = np.ones((3, 2), np.float32)
    for change in (
        lambda: None,
        lambda: net.append(nn.ReLU()),
        lambda: setattr(net[0], "bias", None),
        lambda: net.layers.reverse() if hasattr(net, "layers") else None,
        lambda: net.eval(),
    ):
        change()
        for _ in range(2):
            assert numbers(fast(x)) == numbers(net(x))


# ---- the check -----------------------------------------------------------------------------------------------------


def check(f, change, what=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fast = mg.compile(f)
        for k in range(4):
            for x in (X, 2 * X):
                assert outcome(fast, x) == outcome(f, x), what
            if k % 2 == 0:
                with contextlib.suppress(Exception):
                    change()


def outcome(f, x):
    try:
        return numbers(f(x))
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack(name):
    check(*ATTACKS[name]())


# ---- what a call does besides ----------------------------------------------------------------------------------------


def effects():
    class Meter:
        def __init__(self):
            self.n = 0
            self.seen = []

        def __call__(self, x):
            self.n += 1
            return ONE * x

        def keep(self, x):
            self.seen.append(x.shape)
            return ONE * x

        def write(self, x):
            self.table = {"n": self.n}
            return ONE * x

    count = 0

    def counts(x):
        nonlocal count
        count += 1
        return ONE * x

    def told():
        return count

    a, b, c = Meter(), Meter(), Meter()
    d, e, out, s = {"n": 0}, [], io.StringIO(), {0}
    holder = types.SimpleNamespace(n=0)

    def nested(x):
        def inner():
            holder.n += 1

        inner()
        return ONE * x

    return {
        "a counter": (a, lambda: a.n),
        "a list": (b.keep, lambda: b.seen),
        "an attribute that comes": (c.write, lambda: vars(c).get("table")),
        "a free variable": (counts, told),
        "a dict": (lambda x: d.update(n=d["n"] + 1) or ONE * x, lambda: d["n"]),
        "an entry": (lambda x: d.__setitem__("n", d["n"] + 1) or ONE * x, lambda: d["n"]),
        "appended": (lambda x: e.append(1) or ONE * x, lambda: e),
        "extended": (lambda x: e.extend([1, 2]) or ONE * x, lambda: e),
        "printed": (lambda x: print(1, file=out) or ONE * x, out.getvalue),
        "written": (lambda x: out.write("1") and ONE * x, out.getvalue),
        "a set": (lambda x: s.add(len(s)) or ONE * x, lambda: s),
        "by setattr": (lambda x: setattr(holder, "n", holder.n + 1) or ONE * x, lambda: holder.n),
        "by an inner function": (nested, lambda: holder.n),
        "a comprehension": (lambda x: [e.append(k) for k in range(2)] and ONE * x, lambda: e),
        "popped": (lambda x: ONE * x * (e.pop() if e else e.append(1) or 1), lambda: e),
        "sorted": (lambda x: e.sort() or e.insert(0, 2) or ONE * x, lambda: e),
        "by map": (lambda x: [*map(e.append, [1])] and ONE * x, lambda: e),
        "global": (lambda x: globals().update(COUNTED=globals().get("COUNTED", 0) + 1) or ONE * x, lambda: globals().pop("COUNTED", 0)),
        "an array": (lambda x: ONE * x.__iadd__(1.0), lambda: None),
    }  # fmt: skip


@pytest.mark.parametrize("name", effects())
def test_an_effect_happens_once_in_each_call(name):
    ends = []
    for wrap in (lambda f: f, mg.compile):
        f, state = effects()[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f = wrap(f)
            xs = [X.copy() for _ in range(5)]
            ends.append(([numbers(f(x)) for x in xs], [*map(numbers, xs)], state()))
    assert ends[0] == ends[1]


def told(y):
    """What the caller of a function sees of what it returned, or of an argument."""
    if isinstance(y, dict):
        return {k: told(v) for k, v in y.items()}
    return [told(v) for v in y] if isinstance(y, (list, tuple)) else numbers(y)


GIVEN = {
    "taken out": (lambda b: ONE * b["x"] * b.pop("k"), lambda x: {"x": x, "k": 2.0}),
    "put in": (lambda b: b.setdefault("h", ONE * b["x"]) * 2.0, lambda x: {"x": x}),
    "replaced": (lambda b: b.update(x=ONE * b["x"]) or b["x"] * 2.0, lambda x: {"x": x}),
    "an array that stays": (lambda b: b.update(y=b["x"]) or ONE * b["y"], lambda x: {"x": x}),
    "appended": (lambda b: b.append(1.0) or ONE * b[0], lambda x: [x]),
    "inside of a tuple": (lambda b: b[1].append(1.0) or ONE * b[0], lambda x: (x, [1.0])),
    "sorted": (lambda b: b[1].sort() or ONE * b[0] * b[1][0], lambda x: [x, [2.0, 1.0]]),
    "of another kind": (lambda b: ONE * b["x"] * b["none"], lambda x: collections.defaultdict(lambda: 2.0, x=x)),
    "in order": (lambda b: ONE * b["x"] * (2.0 if isinstance(b, collections.OrderedDict) else 1.0), lambda x: collections.OrderedDict(x=x)),
    "returned": (lambda b: b, lambda x: [x]),
    "returned in part": (lambda b: [b["x"], ONE * b["x"]], lambda x: {"x": x}),
    "read": (lambda b: ONE * b["x"] * b["k"] * len(b), lambda x: {"x": x, "k": 2.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_lists_and_dicts_that_are_arguments_are_the_callers(name):
    f, make = GIVEN[name]
    ends = []
    for wrap in (lambda f: f, mg.compile):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            g = wrap(f)
            batches = [make(X + k) for k in range(4)]
            ends.append(([told(g(b)) for b in batches], told(batches)))
            assert all(type(a) is np.ndarray for a in mg.tree.flatten(batches)[0] if isinstance(a, np.ndarray))
    assert ends[0] == ends[1]


def test_what_was_there_before_is_returned_itself():
    kept, t = [1.0, 2.0], mg.tensor([1.0, 2.0], requires_grad=True)
    for f, what in ((lambda x: t, t), (lambda x: kept, kept), (lambda x: X, X)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fast = mg.compile(f)
            assert [fast(np.ones(2)) is what for _ in range(3)] == [True] * 3
