"""Rows of ops/layout.py and ops/creation.py."""

import numpy as np

import minigrad as mg

from .base import a, case

X = (2, 3)

CASES = [
    case("broadcast_arrays", lambda x, y: sum(mg.broadcast_arrays(x, y)), a(2, 1), a(3)),
    case("moveaxis", lambda x: mg.moveaxis(x, (0, 1), (-1, 0)), a(2, 3, 2)),
    case("swapaxes", lambda x: mg.swapaxes(x, 0, -1), a(2, 3, 2)),
    case("ravel", mg.ravel, a(*X)),
    case("unflatten", lambda x: mg.unflatten(x, 1, (2, -1)), a(2, 4)),
    case("flip", mg.flip, a(*X)),
    case("flip axis", lambda x: mg.flip(x, axis=-1), a(*X)),
    case("flipud", mg.flipud, a(*X)),
    case("fliplr", mg.fliplr, a(*X)),
    case("rot90", mg.rot90, a(*X)),
    case("rot90 thrice", lambda x: mg.rot90(x, 3), a(*X)),
    case("roll", lambda x: mg.roll(x, 2), a(*X)),
    case("roll axes", lambda x: mg.roll(x, (1, -1), axis=(0, 1)), a(*X)),
    case("tile", lambda x: mg.tile(x, (2, 1, 2)), a(*X)),
    case("repeat", lambda x: mg.repeat(x, 2), a(*X)),
    case("repeat each", lambda x: mg.repeat(x, np.array([2, 0, 1]), axis=1), a(*X)),
    case("unstack", lambda x: mg.stack(mg.unstack(x, axis=1)[::-1]), a(*X)),
    case("split", lambda x: mg.concat(mg.split(x, [1], 1)[::-1], 1), a(*X)),
    case("atleast_1d", mg.atleast_1d, a()),
    case("atleast_2d", mg.atleast_2d, a(3)),
    case("atleast_3d", mg.atleast_3d, a(*X)),
    case("hstack", lambda *xs: mg.hstack(xs), a(2, 1), a(*X)),
    case("vstack", lambda *xs: mg.vstack(xs), a(3), a(*X)),
    case("dstack", lambda *xs: mg.dstack(xs), a(*X), a(*X)),
    case("column_stack", lambda *xs: mg.column_stack(xs), a(2), a(*X)),
    case("full", lambda v: mg.full((2, 3), v), a()),
    case("full_like", lambda v: mg.full_like(np.ones((2, 3)), v), a()),
    case("linspace", lambda v, w: mg.linspace(v, w, 4), a(), a()),
    case("linspace endpoint", lambda v: mg.linspace(v, 2.0, 4, endpoint=False), a()),
    case("asarray", lambda x: mg.asarray(x, copy=True), a(*X)),
    case("astype", lambda x: mg.astype(x, mg.float64), a(*X)),
    case("meshgrid", lambda x, y: mg.meshgrid(x, y)[0] * mg.meshgrid(x, y)[1], a(2), a(3)),
]  # fmt: skip
