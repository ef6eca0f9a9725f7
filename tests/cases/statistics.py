"""Rows of ops/statistics.py."""

import numpy as np

import minigrad as mg
from minigrad import Primitive

from .base import a, case, pos

P = Primitive.registry
ZERO = np.array([[0.5, 0.0, 2.0], [0.0, 0.0, 1.5]])
HOLES = np.array([[True, False, True], [True, True, True]])

CASES = [
    case("prod", mg.prod, a(2, 3)),
    case("prod axis", lambda x: mg.prod(x, axis=1, keepdims=True), a(2, 3)),
    case("prod axes", lambda x: mg.prod(x, axis=(0, 2)), a(2, 3, 2)),
    case("cumsum", lambda x: P["cumsum"](x, axis=1, backwards=True), a(2, 3)),
    case("cumulative_sum", lambda x: mg.cumulative_sum(x, axis=0), a(3, 2)),
    case("cumulative_sum from 0", lambda x: mg.cumulative_sum(x, include_initial=True), a(3)),
    case("cumulative_prod", lambda x: mg.cumulative_prod(x, axis=1), a(2, 5)),
    case("cumulative_prod with zeros", lambda x: mg.cumulative_prod(x, axis=1, include_initial=True), ZERO),
    case("logcumsumexp", lambda x: mg.logcumsumexp(x, 1), a(2, 3)),
    case("cummax", lambda x: mg.cummax(x, 1)[0], a(2, 3)),
    case("cummin", lambda x: mg.cummin(x, 1)[0], a(2, 3)),
    case("diff", lambda x: mg.diff(x, n=2), a(2, 4)),
    case("diff with more", lambda x, y: mg.diff(x, axis=0, prepend=y), a(2, 3), a(1, 3)),
    case("aminmax", lambda x: mg.stack(mg.aminmax(x, axis=1)), a(2, 3)),
    case("nansum", lambda x: mg.nansum(mg.where(HOLES, x, np.nan), 1), a(2, 3)),
    case("nanmean", lambda x: mg.nanmean(mg.where(HOLES, x, np.nan), 1), a(2, 3)),
    case("var_mean", lambda x: mg.stack(mg.var_mean(x, 1)), a(2, 3)),
    case("std_mean", lambda x: mg.stack(mg.std_mean(x, 1, correction=1)), a(2, 3)),
    case("average", lambda x, w: mg.average(x, 1, w), a(2, 3), pos(3)),
    case("cov", mg.cov, a(2, 3)),
    case("cov by weights", lambda x, w: mg.cov(x, fweights=[1, 2, 1], aweights=mg.sigmoid(w)), a(2, 3), a(3)),
    case("corrcoef", mg.corrcoef, a(2, 4)),
    case("trapezoid", mg.trapezoid, a(2, 3), np.array([0.0, 0.4, 1.0])),
    case("cumulative_trapezoid", lambda y: mg.cumulative_trapezoid(y, dx=0.5), a(2, 3)),
    case("renorm", lambda x: mg.renorm(x, 2, 0, 1.0), a(2, 3)),
]  # fmt: skip
