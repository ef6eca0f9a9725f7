"""Random training steps, compiled and plain, in worlds that change between the calls: never another number, in silence.

`PYTHONPATH=.:tests python tests/compile/test_worlds.py 0 10000` runs so many and says what was refused, and why.
"""

import collections
import re
import sys
import warnings

import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st
from worlds import TERMS, World


def compared(world):
    """The compiled function, after what it did was found to be what the plain one did."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, _ = world.run(compiled=False)
        fast, step = world.run(compiled=True)
    for i, (a, b) in enumerate(zip(plain, fast, strict=True)):
        assert a == b, (i, world.order, world.source, step.explain())
    return step


@cases(120)
@given(st.integers(0, 2**32))
def test_a_random_step_in_a_world_that_changes(seed):
    compared(World(seed))


def test_tame_steps_are_replayed():
    """One in twenty may be refused, of a hundred."""
    refused = [
        (w.parts, step.refused)
        for w in (World(seed, tame=True) for seed in range(100))
        if (step := compared(w)).refused
    ]
    assert len(refused) <= 5, refused


@pytest.mark.parametrize("name", TERMS)
def test_a_setting_is_followed_and_replayed(name):
    """With every change that it has, one after the other."""
    for step, model in [("train", "mlp"), ("infer", "own"), ("clip", "normed")]:
        w = World.of(model, step, name)
        assert compared(w).replays, (step, w.source)


if __name__ == "__main__":
    first, last = map(int, sys.argv[1:3])
    counts, why = collections.Counter(), collections.Counter()
    for seed in range(first, last):
        w = World(seed)
        kind = "tame" if w.tame else "wild"
        step = compared(w)
        counts[kind] += 1
        if step.refused:
            counts[f"{kind} refused"] += 1
            why[kind, re.sub(r"'[^']*'|\([^)]*:\d+\)", "…", step.refused)] += 1
        counts["replays"] += step.replays
    print(dict(counts), *why.most_common(), sep="\n")
