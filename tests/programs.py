"""Random programs, each as a function of its leaves, in which every edge can be opened."""

import numpy as np

import minigrad as mg

UNARY = [mg.tanh, mg.sin, lambda x: x * 0.5, lambda x: x + 1.0, mg.sigmoid, lambda x: x * x, mg.softplus, lambda x: -x]
BINARY = [mg.add, mg.mul, mg.sub, mg.maximum, lambda a, b: a / (b * b + 1.0)]


class Program:
    """`count` operations on leaves of one shape; two of `forks` use a value again and again.

    `run(leaves, open=…)` gives the loss; each value that an operation is given passes `open` first.
    """

    def __init__(self, seed, count=8, leaves=3, shape=()):
        rng = np.random.default_rng(seed)
        self.leaves = [rng.normal(size=shape) for _ in range(leaves)]
        self.directions = [rng.normal(size=shape) for _ in range(leaves)]
        self.steps = []
        for k in range(count):
            there = leaves + k
            if rng.random() < 0.45:
                self.steps.append((UNARY[rng.integers(len(UNARY))], [int(rng.integers(there))]))
            else:
                recent = int(rng.integers(max(0, there - 4), there))
                self.steps.append((BINARY[rng.integers(len(BINARY))], [recent, int(rng.integers(there))]))

    def run(self, *leaves):
        values = list(leaves)
        for f, places in self.steps:
            values.append(f(*(values[i] for i in places)))
        used = {i for _, places in self.steps for i in places}
        ends = [v for i, v in enumerate(values) if i not in used]
        total = ends[0]
        for end in ends[1:]:
            total = total + end
        return mg.tanh(total * 0.3).sum() if total.ndim else mg.tanh(total * 0.3)
