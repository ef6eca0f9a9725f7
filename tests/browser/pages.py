"""Writes the pages that the browser tests drive: `python tests/browser/pages.py FOLDER`, each a live explanation."""

import sys
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.nn import models

sys.path.insert(0, str(Path(__file__).parents[1]))  # this is run as a script
from programs import Program


def neuron(x1, w1, x2, w2, b):
    x1w1 = x1 * w1
    x2w2 = x2 * w2
    s = x1w1 + x2w2
    n = s + b
    o = mg.tanh(n)
    d = o - 1.0
    L = d * d
    return L


def fan(a, b):
    c = a * b
    d = c + a
    e = c * d
    return e * d + a


def diamonds(x):
    for _ in range(20):
        x = x * 0.5 + x * 0.5
    return x


def flat(x):
    for _ in range(5000):
        x = mg.tanh(x)
        x = x * 1.01
    return x


@mg.primitive
def cube(x):
    return x**3


mg.elementwise(cube, lambda y, x: 2 * x * x)  # it should be 3 · x · x


def wrong(x, w):
    h = cube(x * w)
    return (h * w).sum()


HOSTILE = [
    "<img src=x onerror=document.title='owned'>",
    "</script><script>document.title='owned'</script>",
    "]]>&quot;'\"`{{7*7}}${7*7}%TRACE%",
    "\u202egnp.elif\u202c\u2066tfel\u2069",
    "a\x00b\x1b[31mc\td\ne\x7f",
    "long" * 2500,
]


def hostile():
    leaves = [mg.tensor(np.array([0.5, float(i)]), requires_grad=True) for i in range(len(HOSTILE))]
    for leaf, name in zip(leaves, HOSTILE):
        leaf.name = name
    total = leaves[0]
    for leaf, name in zip(leaves[1:], HOSTILE[1:]):
        total = mg.tanh(total * leaf)
        total.name = name
    result = total.sum()
    result.name = HOSTILE[0]
    return mg.explain(result)


class Deep(nn.Module):
    def __init__(self):
        block = lambda: nn.Sequential(*[nn.Linear(2, 2, rng=0), nn.Tanh()] * 5)  # noqa: E731
        self.stack = nn.Sequential(*[block() for _ in range(1000)])

    def forward(self, x):
        return self.stack(x)


def pages():
    """Name and explanation of each page."""
    rng = np.random.default_rng(0)
    yield "scalar", mg.explain(neuron, 2.0, -3.0, 0.5, 1.0, 6.8813735870195432, check=True)
    yield "fanout", mg.explain(fan, 1.5, -2.0, check=True)
    yield "diamonds", mg.explain(diamonds, 1.5)
    yield "wrong", mg.explain(wrong, np.array([1.0, 2.0, -1.0]), np.array([0.5, -0.25, 2.0]), check=True)
    yield "hostile", hostile()
    mlp = nn.Sequential(
        nn.Linear(2, 16, rng=0), nn.Tanh(), nn.Linear(16, 16, rng=1), nn.Tanh(), nn.Linear(16, 2, rng=2)
    )
    x, y = rng.standard_normal((32, 2)).astype("f"), rng.integers(0, 2, 32)
    yield "mlp_hvp", mg.explain(mlp, x, y, order=2)
    digits, labels = rng.standard_normal((8, 1, 28, 28)).astype("f"), rng.integers(0, 10, 8)
    yield "lenet", mg.explain(models.lenet(rng=0), digits, labels, check=True)
    images, labels = rng.standard_normal((4, 3, 32, 32)).astype("f"), rng.integers(0, 10, 4)
    net = models.resnet20(rng=0, stochastic_depth=0.5)
    train = mg.explain(net, images, labels)
    yield "resnet20", train
    yield "train_eval", train.beside(mg.explain(net.eval(), images, labels), ["train", "eval"])
    yield (
        "before_after",
        mg.explain(neuron, 2.0, -3.0, 0.5, 1.0, 6.88).beside(
            mg.explain(neuron, 2.0, -3.0, 0.5, 1.0, 6.5), ["before", "after"]
        ),
    )
    yield "equal", mg.explain(fan, 1.5, -2.0).beside(mg.explain(fan, 1.5, -2.0), ["one", "again"])
    for seed in range(8):
        program = Program(seed, shape=() if seed % 2 else (2, 3))
        yield f"random{seed}", mg.explain(program.run, *program.leaves, order=1 + seed % 3 // 2)
    yield "flat", mg.explain(flat, 0.5)
    yield "deep", mg.explain(Deep(), x, y)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, page in pages():
        page.save(folder / f"{name}.html")
