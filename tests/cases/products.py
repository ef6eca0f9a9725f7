"""Rows of ops/products.py."""

import minigrad as mg

from .base import a, case

CASES = [
    case("einsum", lambda x, y: mg.einsum("ij,jk->ki", x, y), a(2, 3), a(3, 2)),
    case("einsum batch, ellipsis", lambda x, y: mg.einsum("...ij,...j", x, y), a(2, 1, 2, 3), a(2, 3)),
    case("einsum diagonal, sum", lambda x, y: mg.einsum("iij,kj->ji", x, y), a(2, 2, 3), a(2, 3)),
    case("einsum of three", lambda x, y, z: mg.einsum("i,ij,kj->k", x, y, z), a(2), a(2, 3), a(2, 3)),
    case("einsum of one", lambda x: mg.einsum("iji", x), a(2, 3, 2)),
    case("tensordot", mg.tensordot, a(2, 3, 2), a(3, 2, 2)),
    case("tensordot axes", lambda x, y: mg.tensordot(x, y, axes=([0], [-1])), a(2, 3), a(3, 2)),
    case("vecdot", lambda x, y: mg.vecdot(x, y, axis=-2), a(2, 3, 2), a(3, 1)),
    case("inner", mg.inner, a(2, 3), a(2, 3)),
    case("dot", mg.dot, a(2, 3), a(2, 3, 2)),
    case("vdot", mg.vdot, a(2, 3), a(3, 2)),
    case("outer", mg.outer, a(2), a(3)),
    case("kron", mg.kron, a(2, 3), a(2)),
    case("cross", mg.cross, a(2, 3), a(3)),
    case("cross axis", lambda x, y: mg.cross(x, y, axis=-2), a(3, 2), a(3, 1)),
    case("mm", mg.mm, a(2, 3), a(3, 2)),
    case("bmm", mg.bmm, a(2, 2, 3), a(2, 3, 2)),
    case("mv", mg.mv, a(2, 3), a(3)),
    case("addmm", lambda *xs: mg.addmm(*xs, beta=0.5, alpha=1.5), a(2), a(2, 3), a(3, 2)),
    case("addmv", mg.addmv, a(2), a(2, 3), a(3)),
    case("addr", mg.addr, a(2, 3), a(2), a(3)),
    case("addbmm", mg.addbmm, a(2, 2), a(2, 2, 3), a(2, 3, 2)),
    case("baddbmm", mg.baddbmm, a(2, 2, 2), a(2, 2, 3), a(2, 3, 2)),
]  # fmt: skip
