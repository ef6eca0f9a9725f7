"""Rows of ops/matrices.py."""

import minigrad as mg

from .base import a, case

CASES = [
    case("diagonal", mg.diagonal, a(2, 3)),
    case("diagonal planes", lambda x: mg.diagonal(x, -1, 2, 0), a(3, 2, 3)),
    case("trace", mg.trace, a(3, 3, 2)),
    case("diag", lambda x: mg.diag(x, 1), a(2)),
    case("diag of a matrix", mg.diag, a(2, 3)),
    case("diag_embed", lambda x: mg.diag_embed(x, -1, 0, 2), a(2, 3)),
    case("diagflat", mg.diagflat, a(2, 2)),
    case("tril", lambda x: mg.tril(x, 1), a(2, 3, 3)),
    case("triu", mg.triu, a(3, 2)),
    case("block_diag", mg.block_diag, a(2, 3), a(2), a(1, 1)),
]  # fmt: skip
