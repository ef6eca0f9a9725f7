"""How far two computations of one thing may be apart, from what they compute: no number here is what a machine gave."""

import numpy as np


def unit(dtype):
    """The unit round-off: the largest relative error of one rounding."""
    return np.finfo(dtype).eps / 2


def summed(terms, magnitude, dtype):
    """The difference of two sums of so many products, each in any order, where the products' sizes add up to `magnitude`.

    A sum of n terms is off by at most γ = n u / (1 − n u) times the sum of their sizes (Higham 2002, section 3.1). A
    product is one rounding more, what an epilogue does four; sums of less than the smallest normal number may be lost.
    """
    error = (np.asarray(terms) + 5) * unit(dtype)
    return 2 * error / (1 - error) * np.asarray(magnitude, "d") + np.finfo(dtype).tiny


def moved(f, arrays, terms, dtype, seed=0):
    """How far the results of f may be off, entry by entry, where sums of so many terms are taken of its arrays.

    Such a sum is one of inputs that differ by at most terms · u, relatively (Higham 2002, section 3.1): f in float64 is
    asked three times how far its results move when its inputs do so, with random signs. Errors of both signs leave room
    of √terms; twice that is given, and as many roundings of the largest result.
    """
    rng, arrays = np.random.default_rng(seed), [np.asarray(a, "d") for a in arrays]
    exact, widest = f(*arrays), 0.0
    for _ in range(3):
        near = f(*(a * (1 + terms * unit(dtype) * rng.choice([-1.0, 1.0], a.shape)) for a in arrays))
        widest = [
            np.maximum(w, np.abs(b - a).max(initial=0))
            for w, a, b in zip(np.broadcast_to(widest, len(exact)), exact, near)
        ]
    return [2 * (w + (terms + 5) * unit(dtype) * np.abs(a).max(initial=0)) for w, a in zip(widest, exact)]


def within(ours, theirs, bound):
    """Assert that they differ by at most the bound."""
    assert ours.shape == theirs.shape
    gap = np.abs(np.asarray(ours, "d") - theirs)
    assert (gap <= bound).all(), (
        f"{(gap / bound).max():.3g} times the bound, at {np.unravel_index((gap / bound).argmax(), gap.shape)}"
    )
