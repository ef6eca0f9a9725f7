"""Products of tensors: sums over indices that they share, all by way of one: `contract`, of two tensors, by matmul."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import named, shown
from ..ranges import NUMBER, WHOLE, check
from ..tape import Tensor, mul, rounded_once
from ..typing import ArrayLike
from . import reduce
from .linalg import _matmul, matmul
from .matrices import diagonal_of
from .shape import _reshape, as_tensor, expand_dims, flatten, normal_axes, normal_axis, permute_dims

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "cross", "dot", "einsum", "inner", "kron", "mm", "mv", "outer",
    "tensordot", "vdot", "vecdot",
]  # fmt: skip

Labels = tuple[Any, ...]  # a name for each axis of a tensor


def _sizes(*operands: tuple[Tensor, Labels]) -> dict[Any, int]:
    return {label: n for x, labels in operands for label, n in zip(labels, x.shape)}


def _laid(x: Tensor, labels: Labels, *groups: Labels) -> Tensor:
    """x with its axes in the order of the groups, each group made one axis."""
    order = tuple(labels.index(label) for group in groups for label in group)
    x = x if order == tuple(range(x.ndim)) else permute_dims(x, order)
    sizes, shape = iter(x.shape), []
    for group in groups:
        shape.append(math.prod(itertools.islice(sizes, len(group))))
    return x if x.shape == tuple(shape) else _reshape(x, shape=tuple(shape))


def _only(x: Tensor, labels: Labels, kept: set) -> tuple[Tensor, Labels]:
    """x summed over what is not kept."""
    gone = tuple(i for i, label in enumerate(labels) if label not in kept)
    return (reduce.sum(x, gone), tuple(label for label in labels if label in kept)) if gone else (x, labels)


def contract(a: Tensor, la: Labels, b: Tensor, lb: Labels, kept: set) -> tuple[Tensor, Labels]:
    """The sum of a · b over the labels that are not kept: a product of matrices, one for each label of both that is kept."""
    a, la = _only(a, la, kept | set(lb))
    b, lb = _only(b, lb, kept | set(la))
    both = tuple(label for label in la if label in lb and label in kept)
    summed = tuple(label for label in la if label in lb and label not in kept)
    left, right = (tuple(label for label in own if label not in other) for own, other in ((la, lb), (lb, la)))
    sizes = _sizes((a, la), (b, lb))
    if summed:
        y = _matmul(_laid(a, la, both, left, summed), _laid(b, lb, both, summed, right))
    else:
        y = mul(_laid(a, la, both, left, ()), _laid(b, lb, both, (), right))
    labels = both + left + right
    return _reshape(y, shape=tuple(sizes[label] for label in labels)), labels


def _diagonals(x: Tensor, labels: Labels) -> tuple[Tensor, Labels]:
    """x on the diagonals of labels that it has twice."""
    while len(set(labels)) < len(labels):
        twice = next(label for label, n in Counter(labels).items() if n > 1)
        i, j = [k for k, label in enumerate(labels) if label == twice][:2]
        rest = [k for k in range(x.ndim) if k not in (i, j)]
        x = diagonal_of(permute_dims(x, (*rest, i, j)))
        labels = (*(labels[k] for k in rest), twice)
    return x, labels


def _parsed(subscripts: str, xs: Sequence[Tensor]) -> tuple[list[Labels], Labels]:
    """The labels of each operand and of the result; axes of an ellipsis are numbered from the last, from 0 down."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    parts = inputs.split(",")
    if len(parts) != len(xs):
        raise ValueError(f"einsum: {subscripts!r} is about {len(parts)} operands, not {len(xs)}")

    def labels(part: str, axes: int | None) -> Labels:
        before, dots, after = part.partition("...")
        if not all(c.isalpha() and c.isascii() for c in before + after):
            raise ValueError(f"einsum: {subscripts!r} has {part!r}; write letters, at most one '...', ',' and '->'")
        n = len(before) + len(after)
        if axes is not None and (n > axes or (n < axes and not dots)):
            raise ValueError(f"einsum: {part!r} of {subscripts!r} does not name the axes of {axes} of its operand")
        return (*before, *(range(n - (axes or 0), 0) if dots else ()), *after)

    found = [labels(part, x.ndim) for part, x in zip(parts, xs)]
    dotted = sorted({label for each in found for label in each if isinstance(label, int)})
    if arrow:
        before, dots, after = output.partition("...")
        labels(output, None)
        result = (*before, *(dotted if dots else ()), *after)
    else:
        counts = Counter(itertools.chain(*found))
        result = (*dotted, *sorted(label for label, n in counts.items() if isinstance(label, str) and n == 1))
    if len(set(result)) < len(result) or not set(result) <= set(itertools.chain(*found)):
        raise ValueError(f"einsum: the result {output!r} of {subscripts!r} must name axes of the operands, each once")
    return found, result


@named
def einsum(subscripts: str, *operands: ArrayLike) -> Tensor:
    """The sum of products that the subscripts describe, by Einstein's convention, as in NumPy.

    A letter names an axis, `...` the axes that broadcast; a letter that an operand has twice is its diagonal. Without
    `->` the result has the letters that occur once, in alphabetical order. Each product of two is one of matrices; of more,
    the pairs are those of `np.einsum_path`.

    >>> einsum("ij,jk->ik", np.ones((2, 3)), np.ones((3, 4))).shape
    (2, 4)
    >>> float(einsum("ii", np.eye(3)).data)
    3.0
    """
    if not isinstance(subscripts, str):
        raise TypeError(f"einsum: subscripts is {shown(subscripts)}; it must be text, e.g. 'ij,jk->ik'")
    return _einsum(*operands, subscripts=subscripts)


@rounded_once
def _einsum(*xs: Tensor, subscripts: str) -> Tensor:
    found, result = _parsed(subscripts, xs)
    sizes: dict[Any, int] = {}
    for x, labels in zip(xs, found):
        for label, n in zip(labels, x.shape):
            if sizes.setdefault(label, n) != n and 1 not in (sizes[label], n):
                name = label if isinstance(label, str) else "..."
                raise ValueError(f"einsum: axes {name!r} of {subscripts!r} have lengths {sizes[label]} and {n}")
            sizes[label] = n if sizes[label] == 1 else sizes[label]
    terms = []
    for x, labels in zip(xs, found):  # an axis of length 1 that broadcasts is none
        keep = [i for i, (label, n) in enumerate(zip(labels, x.shape)) if n == sizes[label]]
        x = x if len(keep) == x.ndim else _reshape(x, shape=tuple(x.shape[i] for i in keep))
        terms.append(_diagonals(x, tuple(labels[i] for i in keep)))
    for pair in _path(terms, result):
        taken = [terms[i] for i in pair]
        terms = [term for i, term in enumerate(terms) if i not in pair]
        for i in range(1, len(taken)):
            later = [labels for _, labels in (*terms, *taken[i + 1 :])]
            taken[i] = contract(*taken[i - 1], *taken[i], {*result, *itertools.chain(*later)})
        terms.append(taken[-1])
    y, labels = _only(*terms[0], set(result))
    return permute_dims(y, tuple(labels.index(label) for label in result))


def _path(terms: list[tuple[Tensor, Labels]], result: Labels) -> list[tuple[int, ...]]:
    """Which terms to multiply, step by step; products go to the end."""
    if len(terms) < 3:
        return [(0, 1)] * (len(terms) - 1)
    numbers = {label: i for i, label in enumerate(_sizes(*terms))}
    operands: list[Any] = []
    for x, labels in terms:
        operands += [np.broadcast_to(0.0, x.shape), [numbers[label] for label in labels]]
    path, _ = np.einsum_path(*operands, [numbers[label] for label in result], optimize=("greedy", 2**62))
    return path[1:]


# ---- products by name ------------------------------------------------------------------------------------------------


@named
def tensordot(x1: ArrayLike, x2: ArrayLike, /, *, axes: int | Sequence[Sequence[int]] = 2) -> Tensor:
    """The sum of products over the last `axes` axes of x1 and the first of x2, or over the axes of a pair of lists.

    >>> tensordot(np.ones((2, 3, 4)), np.ones((4, 3, 5)), axes=([1, 2], [1, 0])).shape
    (2, 5)
    """
    a, b = as_tensor(x1), as_tensor(x2)
    if WHOLE.holds(axes):
        n: Any = axes
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: axes is {n}; shapes {a.shape} and {b.shape} have no such number of axes each")
        ia, ib = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    elif isinstance(axes, (tuple, list)) and len(axes) == 2:
        ia, ib = normal_axes("tensordot", axes[0], a.ndim), normal_axes("tensordot", axes[1], b.ndim)
    else:
        raise TypeError(f"tensordot: axes is {shown(axes)}; it must be a whole number or a pair of lists of axes")
    if [a.shape[i] for i in ia] != [b.shape[i] for i in ib]:
        raise ValueError(f"tensordot: axes {ia} of {a.shape} and {ib} of {b.shape} must be of the same lengths")
    la: list[Any] = [("a", i) for i in range(a.ndim)]
    lb: list[Any] = [("b", i) for i in range(b.ndim)]
    for i, j in zip(ia, ib):
        lb[j] = la[i]
    kept = {*la, *lb} - {la[i] for i in ia}
    return contract(a, tuple(la), b, tuple(lb), kept)[0]


def _vector(name: str, x: ArrayLike) -> Tensor:
    x = as_tensor(x)
    if not x.ndim:
        raise ValueError(f"{name}: a tensor of shape {x.shape} is no vector")
    return x


@named
@rounded_once
def vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Tensor:
    """The dot products of vectors that lie along `axis`; other axes broadcast."""
    a, b = _vector("vecdot", x1), _vector("vecdot", x2)
    check("vecdot", WHOLE, axis=axis)
    ends = [x.shape[normal_axis("vecdot", axis, x.ndim)] for x in (a, b)]
    if ends[0] != ends[1]:
        raise ValueError(f"vecdot: axis {axis} of {a.shape} and of {b.shape} must be of one length")
    return reduce.sum(mul(a, b), axis)


@named
def inner(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The sums of products over the last axes of both, as in NumPy; with a number, the product."""
    a, b = as_tensor(a), as_tensor(b)
    return tensordot(a, b, axes=([-1], [-1])) if a.ndim and b.ndim else mul(a, b)


@named
def dot(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The sums of products over the last axis of a and the last but one of b, as in NumPy; with a number, the product."""
    a, b = as_tensor(a), as_tensor(b)
    return tensordot(a, b, axes=([-1], [-min(b.ndim, 2)])) if a.ndim and b.ndim else mul(a, b)


@named
def vdot(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The sum of products of all entries."""
    return dot(_flat(a), _flat(b))


def _flat(x: ArrayLike) -> Tensor:
    x = as_tensor(x)
    return flatten(x) if x.ndim else expand_dims(x, 0)


@named
def outer(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The products of each entry of a with each of b, a matrix.

    >>> outer([1.0, 2.0], [3.0, 4.0]).data
    array([[3., 4.],
           [6., 8.]])
    """
    return mul(expand_dims(_flat(a), 1), _flat(b))


@named
def kron(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The Kronecker product: each entry of a times all of b, laid out as a is.

    >>> kron([1.0, 10.0], [1.0, 2.0]).data
    array([ 1.,  2., 10., 20.])
    """
    a, b = as_tensor(a), as_tensor(b)
    n = max(a.ndim, b.ndim)
    sa, sb = ((1,) * (n - x.ndim) + x.shape for x in (a, b))
    wide = _reshape(a, shape=tuple(itertools.chain(*((i, 1) for i in sa))))
    y = mul(wide, _reshape(b, shape=tuple(itertools.chain(*((1, i) for i in sb)))))
    return _reshape(y, shape=tuple(i * j for i, j in zip(sa, sb)))


@named
@rounded_once
def cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Tensor:
    """The cross products of vectors of length 3 that lie along `axis`; other axes broadcast.

    >>> cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]).data
    array([0., 0., 1.])
    """
    a, b = _vector("cross", x1), _vector("cross", x2)
    check("cross", WHOLE, axis=axis)
    at = [normal_axis("cross", axis, x.ndim) for x in (a, b)]
    if [x.shape[i] for x, i in zip((a, b), at)] != [3, 3]:
        raise ValueError(f"cross: axis {axis} of {a.shape} and of {b.shape} must be of length 3")

    def turned(x: Tensor, i: int, order: list[int]) -> Tensor:
        return x[(slice(None),) * i + (order,)]

    one, two = [1, 2, 0], [2, 0, 1]
    return turned(a, at[0], one) * turned(b, at[1], two) - turned(a, at[0], two) * turned(b, at[1], one)


# ---- PyTorch's, which say how many axes there must be ----------------------------------------------------------------


def _product(name: str, a: ArrayLike, b: ArrayLike, na: int, nb: int) -> Tensor:
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim != na or b.ndim != nb or (na == 3 and a.shape[0] != b.shape[0]):
        raise ValueError(f"{name}: shapes {a.shape} and {b.shape}; they must have {na} and {nb} axes, and one batch")
    return matmul(a, b)


@named
def mm(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The product of two matrices, (n, k) by (k, m); nothing broadcasts."""
    return _product("mm", a, b, 2, 2)


@named
def bmm(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The products of two batches of matrices, (N, n, k) by (N, k, m); nothing broadcasts."""
    return _product("bmm", a, b, 3, 3)


@named
def mv(a: ArrayLike, b: ArrayLike) -> Tensor:
    """The product of a matrix and a vector, (n, k) by (k)."""
    return _product("mv", a, b, 2, 1)


def _added(
    name: str, product: Callable[..., Tensor], x: ArrayLike, a: ArrayLike, b: ArrayLike, beta: float, alpha: float
) -> Tensor:
    """beta · x + alpha · product(a, b) in the shape of the product; where beta is 0, x has no say, be it NaN."""
    check(name, NUMBER, beta=beta, alpha=alpha)

    @rounded_once
    def added(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        y = product(a, b)
        if np.broadcast_shapes(x.shape, y.shape) != y.shape:
            raise ValueError(f"{name}: x of shape {x.shape} does not broadcast to the product's {y.shape}")
        y = y if alpha == 1 else mul(y, alpha)
        return y + (x if beta == 1 else mul(x, beta)) if beta else y

    return added(x, a, b)


@named
def addmm(x: ArrayLike, mat1: ArrayLike, mat2: ArrayLike, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · x + alpha · (mat1 @ mat2), of matrices; x broadcasts."""
    return _added("addmm", mm, x, mat1, mat2, beta, alpha)


@named
def addmv(x: ArrayLike, mat: ArrayLike, vec: ArrayLike, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · x + alpha · (mat @ vec), of a matrix and a vector; x broadcasts."""
    return _added("addmv", mv, x, mat, vec, beta, alpha)


@named
def addr(x: ArrayLike, vec1: ArrayLike, vec2: ArrayLike, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · x + alpha · outer(vec1, vec2); x broadcasts."""
    return _added("addr", outer, x, vec1, vec2, beta, alpha)


@named
def baddbmm(x: ArrayLike, batch1: ArrayLike, batch2: ArrayLike, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · x + alpha · (batch1 @ batch2), of batches of matrices; x broadcasts."""
    return _added("baddbmm", bmm, x, batch1, batch2, beta, alpha)


@named
def addbmm(x: ArrayLike, batch1: ArrayLike, batch2: ArrayLike, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta · x + alpha · (the sum over the batch of batch1 @ batch2); x broadcasts."""
    return _added("addbmm", lambda a, b: reduce.sum(bmm(a, b), 0), x, batch1, batch2, beta, alpha)
