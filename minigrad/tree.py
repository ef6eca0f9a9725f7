"""Nested lists, tuples and dicts of tensors as flat lists, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Return the leaves of a tree of lists, tuples and dicts in order, and a function that builds it of other leaves.

    >>> leaves, build = flatten({"w": 1, "b": [2, 3]})
    >>> leaves, build([x * 10 for x in leaves])
    ([1, 2, 3], {'w': 10, 'b': [20, 30]})
    """
    if isinstance(tree, dict):
        leaves, build = flatten(list(tree.values()))
        return leaves, lambda new: dict(zip(tree, build(new), strict=True))
    if not isinstance(tree, (list, tuple)):
        return [tree], lambda new: new[0]
    parts = [flatten(branch) for branch in tree]
    ends = [0]
    for leaves, _ in parts:
        ends.append(ends[-1] + len(leaves))

    def build_sequence(new: list[Any]) -> Any:
        made = [build(new[a:b]) for (_, build), a, b in zip(parts, ends, ends[1:])]
        return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made)

    return [leaf for leaves, _ in parts for leaf in leaves], build_sequence


def exchange(tree: Any, f: Callable[[Any], Any]) -> Any:
    """The tree with f(leaf) for each leaf: its lists and dicts are the same ones, only what is in them is exchanged.

    >>> inner = [1, 2]
    >>> exchange((inner, 3), lambda x: -x), inner
    (([-1, -2], -3), [-1, -2])
    """
    if type(tree) in (list, dict):
        for key, branch in [*(tree.items() if type(tree) is dict else enumerate(tree))]:
            new = exchange(branch, f)
            if new is not branch:
                tree[key] = new
        return tree
    if not isinstance(tree, tuple):
        return f(tree)
    made = [exchange(branch, f) for branch in tree]
    if all(new is branch for new, branch in zip(made, tree)):
        return tree
    return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made)
