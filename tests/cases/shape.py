"""Rows of ops/shape.py."""

import minigrad as mg

from .base import a, case

CASES = [
    # shapes
    case("reshape", lambda x: mg.reshape(x, (3, -1)), a(2, 3)),
    case("flatten", lambda x: mg.flatten(x, 1), a(2, 2, 2)),
    case("squeeze", lambda x: mg.squeeze(x, 1), a(2, 1, 3)),
    case("expand_dims", lambda x: mg.expand_dims(x, -1), a(2, 3)),
    case("permute_dims", lambda x: mg.permute_dims(x, (2, 0, 1)), a(2, 3, 2)),
    case("matrix_transpose", mg.matrix_transpose, a(2, 3, 2)),
    case("pad", lambda x: mg.pad(x, [(1, 2), (0, 1)]), a(2, 3)),
    case("pad value", lambda x: mg.pad(x, 1, value=2.0), a(2, 3)),
    case("pad edge", lambda x: mg.pad(x, [(1, 2), 0], "edge"), a(2, 3)),
    case("pad reflect twice", lambda x: mg.pad(x, [0, (3, 5)], "reflect"), a(2, 3)),
    case("pad symmetric", lambda x: mg.pad(x, 1, "symmetric"), a(2, 3)),
    case("pad circular", lambda x: mg.pad(x, [(2, 1), (0, 4)], "circular"), a(2, 3)),
    case("crop", lambda x: mg.crop(x, [(1, 0), (1, 1)]), a(3, 4)),
    case("concat", lambda *xs: mg.concat(xs, axis=1), a(2, 1), a(2, 3), a(2, 2)),
    case("stack", lambda *xs: mg.stack(xs, axis=-1), a(2, 3), a(2, 3)),
    # the order of frequencies, of fft.py
    case("fftshift", mg.fft.fftshift, a(2, 3)),
    case("ifftshift", lambda x: mg.fft.ifftshift(x, axes=-1), a(2, 3)),
]  # fmt: skip
