"""A backward written by hand: right ones pass, and of each layer ten mistakes are found, and named where they can be."""

import inspect

import layers
import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st
from layers import LAYERS

from minigrad.gradcheck import EXACT, KINK, NOT_DETERMINISTIC, UNEXPLAINED, VERDICTS, WITHIN, WRONG, gradcheck

# layer: what is written instead of what, and how the report names it ("" where nothing but the numbers tells)
MISTAKES = {
    "affine": [
        ("dout @ w.T", "dout @ w.T * len(x)", "got is 5 times what is expected (5 is x.shape[0])"),
        ("dout @ w.T", "-dout @ w.T", "its sign is wrong"),
        ("(dout @ w.T).reshape(x.shape)", "dout @ w.T", "the numbers are right, the shape is not: reshape to (5, 2, 2)"),
        ("(dout @ w.T).reshape(x.shape)", "(dout @ w.T).reshape(x.shape[0], x.shape[2], -1).transpose(0, 2, 1)", "got is expected.transpose(0, 2, 1)"),
        ("x.reshape(len(x), -1).T @ dout", "dout.T @ x.reshape(len(x), -1)", "got is dout.T @ x.reshape(5, -1), expected is x.reshape(5, -1).T @ dout"),
        ("x.reshape(len(x), -1).T @ dout", "x.reshape(len(x), -1).T @ dout / len(x)", "got is 1/5 of what is expected (5 is dout.shape[0])"),
        ("dout.sum(axis=0)", "dout", "the sum over axis 0 is forgotten, along which b was broadcast"),
        ("dout.sum(axis=0)", "dout.sum(axis=1)", "got is dout.sum(axis=1), expected is dout.sum(axis=0)"),
        ("dout.sum(axis=0)", "dout.sum()", "got is dout.sum(axis=(0, 1)), expected is dout.sum(axis=0)"),
        ("dout.sum(axis=0)", "dout.mean(axis=0)", "got is dout.mean(axis=0), expected is dout.sum(axis=0)"),
        ("return dx, dw, db", "return dx, db, dw", "got is the gradient of b: backward returns them in another order"),
        ("return dx, dw, db", "return dx, dw", "backward returns 2 gradients"),
        ("dout.sum(axis=0)", "np.ones(len(dout)) @ np.ones(dout.shape)", "dout is not used: got is right where dout is 1 everywhere"),
    ],
    "relu": [
        ("dout * (x > 0)", "dout", "the mask is forgotten: got is dout itself"),
        ("dout * (x > 0)", "dout * (x < 0)", "the mask is inverted"),
        ("dout * (x > 0)", "dout * (x > 0.5)", "the mask is another"),
        ("dout * (x > 0)", "dout * x", "got is dout * x, expected is dout * (x > 0)"),
        ("dout * (x > 0)", "(x > 0) * 1.0", "dout is not used: got is right where dout is 1 everywhere"),
        ("dout * (x > 0)", "dout * (dout > 0)", "the mask is another"),
        ("dout * (x > 0)", "-dout * (x > 0)", "its sign is wrong"),
        ("dout * (x > 0)", "np.maximum(0, x)", "got is out"),
        ("dout * (x > 0)", "(dout * (x > 0)).astype(np.float32)", "all its entries are float32 numbers: computed in single precision"),
        ("dout * (x > 0)", "dout\n    dx[x <= 0] = 0", "backward changes dout in place"),
        ("dout * (x > 0)", "dout * np.where(x > 0, 1, 0.01)", "a factor (x > 0) is missing"),
        ("dout * (x > 0)", "(dout * (x > 0)).sum(axis=0)", "got is (dout * (x > 0)).sum(axis=0), expected is dout * (x > 0)"),
    ],
    "affine_relu": [
        ("da = dout * (a > 0)", "da = dout", "got is dout @ w.T, expected is (dout * (out > 0)) @ w.T"),
        ("da = dout * (a > 0)", "da = dout * (a < 0)", "got is (dout * (out <= 0)) @ w.T, expected is (dout * (out > 0)) @ w.T"),
        ("da = dout * (a > 0)", "da = dout * (dout > 0)", "got is (dout * (dout > 0)) @ w.T, expected is (dout * (out > 0)) @ w.T"),
        ("da = dout * (a > 0)", "da = dout * a", "got is (dout * cache[2]) @ w.T, expected is (dout * (out > 0)) @ w.T"),
        ("da = dout * (a > 0)", "da = (a > 0) * 1.0", "dout is not used: got is right where dout is 1 everywhere"),
        ("db = da", "db = dout", "got is dout.sum(axis=0), expected is (dout * (out > 0)).sum(axis=0)"),
        ("@ da", "@ dout", "got is x.reshape(5, -1).T @ dout, expected is x.reshape(5, -1).T @ (dout * (out > 0))"),
        ("(da @ w.T)", "(dout @ w.T)", "got is dout @ w.T, expected is (dout * (out > 0)) @ w.T"),
        ("x.reshape(len(x), -1).T @ da", "np.maximum(0, x).reshape(len(x), -1).T @ da", ""),
        ("da.sum(axis=0)", "da.sum(axis=0, keepdims=True)", "the numbers are right, the shape is not: reshape to (3,)"),
        ("return dx, dw, db", "return dx, dw, None", "backward gives None, but b is float64 (3,)"),
    ],
    "sigmoid": [
        ("dout * y * (1 - y)", "dout * y", "got is dout * out, expected is dout * out * (1 - out)"),
        ("dout * y * (1 - y)", "dout * (1 - y)", "got is dout * (1 - out), expected is dout * out * (1 - out)"),
        ("dout * y * (1 - y)", "y * (1 - y)", "dout is not used: got is right where dout is 1 everywhere"),
        ("dout * y * (1 - y)", "dout * x * (1 - x)", "got is dout * x * (1 - x), expected is dout * out * (1 - out)"),
        ("dout * y * (1 - y)", "dout * y * (1 - y) ** 2", "a factor (1 - out) is too many"),
        ("dout * y * (1 - y)", "dout * y * (1 + y)", ""),
        ("dout * y * (1 - y)", "-dout * y * (1 - y)", "its sign is wrong"),
        ("dout * y * (1 - y)", "dout * (1 - y**2)", "got is dout * (1 - out**2), expected is dout * out * (1 - out)"),
        ("dout * y * (1 - y)", "dout * y * (y - 1)", "its sign is wrong"),
        ("np.exp(-x)", "np.exp(x)", None),
        ("dout * y * (1 - y)", "dout * y * (1 - y) / len(x)", "got is 1/3 of what is expected (3 is x.shape[0])"),
        ("np.exp(-x)", "np.exp(-dout)", ""),
    ],
    "tanh": [
        ("(1 - y**2)", "(1 - y)", "got is dout * (1 - out), expected is dout * (1 - out**2)"),
        ("(1 - y**2)", "y * (1 - y)", "got is dout * out * (1 - out), expected is dout * (1 - out**2)"),
        ("(1 - y**2)", "(1 + y**2)", ""),
        ("(1 - y**2)", "(1 - np.tanh(y) ** 2)", ""),
        ("dout * (1 - y**2)", "(1 - y**2)", "dout is not used: got is right where dout is 1 everywhere"),
        ("dout * (1 - y**2)", "dout", "got is dout, expected is dout * (1 - out**2)"),
        ("dout * (1 - y**2)", "dout - y**2", ""),
        ("dout * (1 - y**2)", "dout * (1 - y**2) / 2", "got is 1/2 of what is expected"),
        ("dout * (1 - y**2)", "dout * (1 - y**2) ** 2", "a factor (1 - out**2) is too many"),
        ("dout * (1 - y**2)", "np.zeros(y.shape)", "got is zero everywhere"),
        ("dout * (1 - y**2)", "dout.T * (1 - y.T**2)", "got is the transpose of what is expected"),
    ],
    "svm": [
        ("    dx /= n\n", "", "got is 5 times what is expected (5 is x.shape[0])"),
        ("    dx[rows, y] -= dx.sum(axis=1)\n", "", ""),
        ("-= dx.sum(axis=1)", "+= dx.sum(axis=1)", ""),
        ("-= dx.sum(axis=1)", "-= 1", ""),
        ("-= dx.sum(axis=1)", "-= dx.sum()", "only the entries x[i, y[i]] of the labels are wrong"),
        ("dx /= n", "dx /= x.size", "got is 1/3 of what is expected (3 is x.shape[1])"),
        ("dx /= n", "dx /= -n", "its sign is wrong"),
        ("(margins > 0) * 1.0", "(margins >= 0) * 1.0", ""),
        ("(margins > 0) * 1.0", "margins.copy()", ""),
        ("(margins > 0) * 1.0", "(x > 0) * 1.0", ""),
        ("(margins > 0) * 1.0", "(margins > 1) * 1.0", ""),
    ],
    "softmax": [
        ("    dx /= n\n", "", "got is 5 times what is expected (5 is x.shape[0])"),
        ("    dx[rows, y] -= 1\n", "", "only the entries x[i, y[i]] of the labels are wrong"),
        ("-= 1\n", "-= 1 / n\n", "only the entries x[i, y[i]] of the labels are wrong"),
        ("-= 1\n", "+= 1\n", "only the entries x[i, y[i]] of the labels are wrong"),
        ("dx /= n", "dx *= n", "got is 25 times what is expected, throughout"),
        ("dx /= n", "dx /= x.size", "got is 1/3 of what is expected (3 is x.shape[1])"),
        ("np.exp(logs)", "np.exp(shifted)", ""),
        ("np.exp(logs)", "logs.copy()", ""),
        ("np.exp(logs)", "np.exp(x) / np.exp(x).sum(axis=0)", ""),
        ("dx = np.exp(logs)", "dx = np.exp(logs).T.copy().reshape(x.shape)", ""),
        ("dx /= n", "dx = -dx / n", "its sign is wrong"),
    ],
    "batchnorm": [
        ("    dx += dmu / n\n", "", "the path through the mean is missing"),
        ("dx = dxhat / std + dvar * 2 * (x - mu) / n", "dx = dxhat / std", "the path through the variance is missing"),
        ("dx = dxhat / std + dvar * 2 * (x - mu) / n\n    dx += dmu / n", "dx = dxhat / std", "mean and variance are treated as constants"),
        ("dvar * 2 * (x - mu) / n", "dvar * 2 * (x - mu)", "the path through the variance is 6 times what it should be"),
        ("dvar * 2 * (x - mu) / n", "dvar * (x - mu) / n", "the path through the variance is 1/2 of what it should be"),
        ("dmu = -dxhat", "dmu = dxhat", "the path through the mean has the wrong sign"),
        ("dx += dmu / n", "dx += dmu", "the path through the mean is 6 times what it should be"),
        ("dxhat = dout * gamma", "dxhat = dout", "a factor gamma is missing"),
        ("(dout * xhat).sum(axis=0)", "dout.sum(axis=0)", "got is the gradient of beta"),
        ("(dout * xhat).sum(axis=0)", "(dout * x).sum(axis=0)", "got is (dout * x).sum(axis=0), expected is (dout * cache[3]).sum(axis=0)"),
        ("(dout * xhat).sum(axis=0)", "(dout * xhat).mean(axis=0)", "got is (dout * cache[3]).mean(axis=0), expected is (dout * cache[3]).sum(axis=0)"),
        ("return dx, dgamma, dbeta", "return dx, dbeta, dgamma", "got is the gradient of beta: backward returns them in another order"),
        ("n = len(x)", "n = len(x)\n    std = np.sqrt(std**2 - 1e-2)", "eps is missing"),
    ],
    "batchnorm_alt": [
        ("n * dout - dbeta - xhat * dgamma", "n * dout - dbeta", "the path through the variance is missing"),
        ("n * dout - dbeta - xhat * dgamma", "n * dout - xhat * dgamma", "the path through the mean is missing"),
        ("n * dout - dbeta - xhat * dgamma", "n * dout", "mean and variance are treated as constants"),
        ("n * dout - dbeta - xhat * dgamma", "n * dout + dbeta - xhat * dgamma", "the path through the mean has the wrong sign"),
        ("n * dout - dbeta - xhat * dgamma", "n * dout - dbeta + xhat * dgamma", "the path through the variance has the wrong sign"),
        ("n * dout - dbeta - xhat * dgamma", "dout - dbeta - xhat * dgamma", "what comes straight from dout is 1/6 of what it should be"),
        ("gamma / (n * std)", "1 / (n * std)", "a factor gamma is missing"),
        ("gamma / (n * std)", "gamma / std", "got is 6 times what is expected (6 is x.shape[0])"),
        ("gamma / (n * std)", "gamma / (n * std**2)", "a factor cache[2] is missing"),
        ("dgamma = (dout * xhat).sum(axis=0)", "dgamma = (dout * xhat).sum(axis=0) * gamma", "a factor gamma is too many"),
        ("xhat * dgamma", "(x - mu) * dgamma", ""),
    ],
    "layernorm": [
        ("dxhat - mean - xhat * square", "dxhat - mean", "the path through the variance is missing"),
        ("dxhat - mean - xhat * square", "dxhat - xhat * square", "the path through the mean is missing"),
        ("dxhat - mean - xhat * square", "dxhat", "mean and variance are treated as constants"),
        ("dxhat = dout * gamma", "dxhat = dout", "got is right if gamma were 1"),
        ("dxhat.mean(axis=1, keepdims=True)", "dxhat.mean(axis=0, keepdims=True)", ""),
        ("(dxhat * xhat).mean(axis=1, keepdims=True)", "(dxhat * xhat).sum(axis=1, keepdims=True)", "the path through the variance is 6 times what it should be"),
        ("(dxhat * xhat).mean(axis=1, keepdims=True)", "(dxhat * xhat).mean(axis=0, keepdims=True)", ""),
        ("dbeta = dout.sum(axis=0)", "dbeta = dout.sum(axis=1)", "got is dout.sum(axis=1), expected is dout.sum(axis=0)"),
        ("dbeta = dout.sum(axis=0)", "dbeta = dout", "the sum over axis 0 is forgotten, along which beta was broadcast"),
        ("dgamma = (dout * xhat).sum(axis=0)", "dgamma = (dout * gamma * xhat).sum(axis=0)", "a factor gamma is too many"),
        ("/ std\n", "/ np.sqrt(var)\n", "eps is missing"),
        ("* square) / std", "* square) / std / len(dout)", "got is 1/4 of what is expected (4 is x.shape[0])"),
        ("xhat, std, gamma, centred, var = cache", "xhat, std, gamma, centred, var = cache\n    std, xhat = np.sqrt(var), centred / np.sqrt(var)", "eps is missing"),
    ],
    "dropout": [
        ("dout * mask", "dout", "the mask is forgotten: got is dout itself"),
        ('dout * mask', 'dout * mask * p', "got is 0.6 times what is expected (0.6 is dropout_param['p'])"),
        ('dout * mask', 'dout * mask / p', "got is 1.66667 times what is expected (0.6 is dropout_param['p'])"),
        ("dout * mask", "dout * (mask == 0)", "the mask is inverted, and its factor forgotten"),
        ("dout * mask", "dout * (mask == 0) / p", "the mask is inverted"),
        ("dout * mask", "dout * p", "the mask is forgotten: got is dout times 0.6"),
        ("dout * mask", "mask", "dout is not used: got is right where dout is 1 everywhere"),
        ("dout * mask", "dout * (np.random.rand(*dout.shape) < p) / p", "backward does not go by its arguments alone, but by what another call left behind"),
        ("dout * mask", "dout * mask[:, :1]", "the mask is another"),
        ('dout * mask', 'dout * mask / (1 - p)', "got is 2.5 times what is expected (0.6 is dropout_param['p'])"),
        ("dout * mask", "dout * mask[::-1]", "the mask is another"),
    ],
    "conv": [
        ("dxp[m, :, rows, cols] +=", "dxp[m, :, rows, cols] =", "where contributions to x overlap, only the last is kept: = instead of +="),
        ("dw[k] +=", "dw[k] =", "where contributions to w overlap, only the last is kept: = instead of +="),
        ("dxp[:, :, pad:-pad, pad:-pad]", "dxp", "the padding is not cropped: got is (2, 2, 7, 7), x is (2, 2, 5, 5)"),
        ("dxp[:, :, pad:-pad, pad:-pad]", "dxp[:, :, : -2 * pad, : -2 * pad]", "got is what is expected, shifted by 1 along axes (2, 3)"),
        ("dxp[:, :, pad:-pad, pad:-pad]", "dxp[:, :, 2 * pad :, 2 * pad :]", "got is what is expected, shifted by -1 along axes (2, 3)"),
        ("* w[k]", "* w[k][:, ::-1, ::-1]", "got is right if w were flipped along axes (2, 3)"),
        ("* w[k]", "* w[k].transpose(0, 2, 1)", "got is right if w were its transpose(0, 1, 3, 2)"),
        ("dout[m, k, i, j] * xp[m, :, rows, cols]", "dout[m, k, i, j] * xp[m, :, rows, cols].transpose(0, 2, 1)", "got is expected.transpose(0, 1, 3, 2)"),
        ("dout.sum(axis=(0, 2, 3))", "dout.sum(axis=(2, 3))", "the sum over axis 0 is forgotten, along which b was broadcast"),
        ("dout.sum(axis=(0, 2, 3))", "dout.mean(axis=(0, 2, 3))", "got is dout.mean(axis=(0, 2, 3)), expected is dout.sum(axis=(0, 2, 3))"),
        ("dout.sum(axis=(0, 2, 3))", "dout[0].sum(axis=(1, 2))", "only dout[0, …] is used"),
        ("for m in range(n)", "for m in range(n - 1)", "only dout[0, …] is used"),
        ("for i in range(oh)", "for i in range(oh - 1)", "dout[:, :, 2, …] is not used"),
        ("rows, cols = slice(i * stride, i * stride + hh)", "rows, cols = slice(i, i + hh)", ""),
        ("dxp[m, :, rows, cols] += dout[m, k, i, j] * w[k]", "dxp[m, :, rows, cols] += dout[m, k, i, j]", "each entry gets the dout of all outputs that it reaches, with nothing in between"),
    ],
    "max_pool": [
        ("+= mask * dout[:, :, i : i + 1, j : j + 1]", "= mask * dout[:, :, i : i + 1, j : j + 1]", "where contributions to x overlap, only the last is kept: = instead of +="),
        ("mask * dout[:, :, i : i + 1, j : j + 1]", "dout[:, :, i : i + 1, j : j + 1]", "each entry gets the dout of all outputs that it reaches, with nothing in between"),
        ("mask * dout[:, :, i : i + 1, j : j + 1]", "mask", "dout is not used: got is right where dout is 1 everywhere"),
        ("window.max(", "window.min(", ""),
        ("mask * dout[:, :, i : i + 1, j : j + 1]", "mask * dout[:, :, i : i + 1, j : j + 1] / size**2", "got is 1/9 of what is expected, throughout"),
        ("a, b = i * stride, j * stride", "a, b = i, j", None),
        ("a, b = i * stride, j * stride", "a, b = j * stride, i * stride", ""),
        ("axis=(2, 3)", "axis=(0, 1, 2, 3)", ""),
        ("axis=(2, 3)", "axis=(1, 2, 3)", ""),
        ("mask * dout", "window * mask * dout", "a factor x is too many"),
        ("range(oh)", "range(oh - 1)", "dout[:, :, 2, …] is not used"),
        ("dx[:, :, a : a + size, b : b + size] += mask * dout", "dx[:, :, b : b + size, a : a + size] += mask * dout", ""),
    ],
    "spatial_batchnorm": [
        ("transpose(0, 2, 3, 1).reshape(-1, c)", "reshape(-1, c)", ""),
        ("dx.reshape(n, h, w, c).transpose(0, 3, 1, 2)", "dx.reshape(n, c, h, w)", "got is expected.transpose(0, 2, 3, 1), reshaped to (2, 3, 2, 4)"),
        ("dx.reshape(n, h, w, c).transpose(0, 3, 1, 2)", "dx.reshape(n, w, h, c).transpose(0, 3, 2, 1)", "the axes are in another order before a reshape: (0, 1, 3, 2)"),
        ("dbeta / len(flat)", "dbeta / n", "the path through the mean is 8 times what it should be"),
        (" - dbeta / len(flat) - xhat * dgamma / len(flat)", "", "mean and variance are treated as constants"),
        (" - xhat * dgamma / len(flat)", "", "the path through the variance is missing"),
        (" - dbeta / len(flat)", "", "the path through the mean is missing"),
        ("gamma / std", "1 / std", "a factor gamma is missing"),
        ("dbeta = flat.sum(axis=0)", "dbeta = flat.mean(axis=0)", "the path through the mean is 1/16 of what it should be"),
        ("(flat * xhat).sum(axis=0)", "(flat * x).sum(axis=0)", "got is (dout * x).sum(axis=(0, 2, 3))"),
        ("dx = dx.reshape(n, h, w, c).transpose(0, 3, 1, 2)", "pass", "got is expected.transpose(0, 2, 3, 1), reshaped to (16, 3)"),
    ],
    "groupnorm": [
        ("dxhat - mean - y * square", "dxhat - mean", "the path through the variance is missing"),
        ("dxhat - mean - y * square", "dxhat - y * square", "the path through the mean is missing"),
        ("dxhat - mean - y * square", "dxhat", "mean and variance are treated as constants"),
        ("(dout * gamma)", "dout", "got is right if gamma were 1"),
        ("dout.sum(axis=(0, 2, 3), keepdims=True)", "dout.sum(axis=(0, 2, 3))", "the numbers are right, the shape is not: reshape to (1, 6, 1, 1)"),
        ("dout.sum(axis=(0, 2, 3), keepdims=True)", "dout.sum(axis=0, keepdims=True)", "the sum over axes (2, 3) is forgotten, along which beta was broadcast"),
        ("dout.sum(axis=(0, 2, 3), keepdims=True)", "dout.sum(axis=(2, 3), keepdims=True)", "the sum over axis 0 is forgotten, along which beta was broadcast"),
        ("(dout * xhat).sum(", "(dout * gamma * xhat).sum(", "a factor gamma is too many"),
        ("dxhat.mean(axis=2, keepdims=True)", "dxhat.sum(axis=2, keepdims=True)", "the path through the mean is 18 times what it should be"),
        ("reshape(n, G, -1)\n    y", "reshape(n, -1, G).transpose(0, 2, 1)\n    y", ""),
        ("dx = dx.reshape(dout.shape)", "pass", "the numbers are right, the shape is not: reshape to (2, 6, 2, 3)"),
        ("dxhat - mean - y * square", "dxhat - mean + y * square", "the path through the variance has the wrong sign"),
    ],
    "rnn_step": [
        ("da = dout * (1 - y**2)", "da = dout", "got is dout @ wx.T, expected is (dout * (1 - out**2)) @ wx.T"),
        ("da = dout * (1 - y**2)", "da = dout * (1 - y)", "got is (dout * (1 - out)) @ wx.T, expected is (dout * (1 - out**2)) @ wx.T"),
        ("(1 - y**2)", "(1 - h**2)", "got is (dout * (1 - h**2)) @ wx.T, expected is (dout * (1 - out**2)) @ wx.T"),
        ("da @ wh.T", "da @ wh", "got is (dout * (1 - out**2)) @ wh, expected is (dout * (1 - out**2)) @ wh.T"),
        ("x.T @ da", "da.T @ x", "got is (dout * (1 - out**2)).T @ x, expected is x.T @ (dout * (1 - out**2))"),
        ("h.T @ da", "y.T @ da", "got is out.T @ (dout * (1 - out**2)), expected is h.T @ (dout * (1 - out**2))"),
        ("h.T @ da", "da.T @ da", ""),
        ("db = da.sum(axis=0)", "db = dout.sum(axis=0)", "got is dout.sum(axis=0), expected is (dout * (1 - out**2)).sum(axis=0)"),
        ("db = da.sum(axis=0)", "db = da.sum(axis=1)", "got is (dout * (1 - out**2)).sum(axis=1), expected is (dout * (1 - out**2)).sum(axis=0)"),
        ("return dx, dh, dwx, dwh, db", "return dh, dx, dwx, dwh, db", "got is the gradient of h: backward returns them in another order"),
        ("da = dout * (1 - y**2)", "da = 1 - y**2", "dout is not used: got is right where dout is 1 everywhere"),
        ("return dx, dh, dwx, dwh, db", "return dx, dh, dwx, dwh.T, db", "got is (dout * (1 - out**2)).T @ h, expected is h.T @ (dout * (1 - out**2))"),
    ],
    "rnn": [
        ("dh = dh + dout[:, k]", "dh = dout[:, k]", "where contributions to x overlap, only the first is kept: = instead of +="),
        ("dh = dh + dout[:, k]", "dh = dh + dout[:, -1] * (k == t - 1)", "only dout[:, 2, …] is used"),
        ("dwx +=", "dwx =", ""),
        ("dwh +=", "dwh =", ""),
        ("db +=", "db =", ""),
        ("da @ wh.T", "da @ wh", ""),
        ("reversed(range(t))", "range(t)", ""),
        ("reversed(range(t))", "reversed(range(1, t))", "only x[:, 0, …] is wrong"),
        ("(1 - y**2)", "(1 - h**2)", ""),
        ("(1 - y**2)", "1", ""),
        ("dwh += h.T @ da", "dwh += y.T @ da", ""),
        ("dh = da @ wh.T", "dh += da @ wh.T", ""),
        ("dh = da @ wh.T", "dh = da @ wh.T / t", ""),
    ],
    "embedding": [
        ("np.add.at(dw, x, dout)", "dw[x] = dout", "where contributions to w overlap, only the last is kept: = instead of +="),
        ("np.add.at(dw, x, dout)", "dw[x] += dout", "where contributions to w overlap, only the last is kept: = instead of +="),
        ("np.add.at(dw, x, dout)", "np.add.at(dw, x, -dout)", "its sign is wrong"),
        ("np.add.at(dw, x, dout)", "np.add.at(dw, x.T, dout.transpose(1, 0, 2)[:, ::-1])", ""),
        ("np.add.at(dw, x, dout)", "np.add.at(dw, x, 1.0)", "dout is not used: got is right where dout is 1 everywhere"),
        ("np.add.at(dw, x, dout)", "np.add.at(dw, x[:, :-1], dout[:, :-1])", "dout[:, 2, …] is not used"),
        ("np.add.at(dw, x, dout)", "np.add.at(dw, x[0], dout[0])", "only dout[0, …] is used"),
        ("np.add.at(dw, x, dout)", "np.add.at(dw, x, dout / x.size)", "got is 1/6 of what is expected (6 is w.shape[0])"),
        ("np.zeros(shape)", "np.ones(shape)", ""),
        ("np.add.at(dw, x, dout)", "np.add.at(dw, x + 1, dout)", "got is what is expected, shifted by 1 along axis 0"),
        ("return dw", "return dw.T", "got is the transpose of what is expected"),
        ("return dw", "return dout", "got is dout"),
    ],
    "temporal_affine": [
        ("dout.sum(axis=(0, 1))", "dout.sum(axis=0)", "the sum over axis 0 is forgotten, along which b was broadcast"),
        ("dout.sum(axis=(0, 1))", "dout[:, -1].sum(axis=0)", "only dout[:, 2, …] is used"),
        ("dout.sum(axis=(0, 1))", "dout.mean(axis=(0, 1))", "got is dout.mean(axis=(0, 1)), expected is dout.sum(axis=(0, 1))"),
        ("dout.sum(axis=(0, 1))", "dout.sum(axis=0).mean(axis=0)", "got is 1/3 of what is expected (3 is dout.shape[1])"),
        ("(flat @ w.T).reshape(n, t, d)", "flat @ w.T", "the numbers are right, the shape is not: reshape to (2, 3, 4)"),
        ("(flat @ w.T).reshape(n, t, d)", "(flat @ w.T).reshape(t, n, d).transpose(1, 0, 2)", "the axes are in another order before a reshape: (1, 0, 2)"),
        ("dout.reshape(n * t, -1)", "dout.transpose(1, 0, 2).reshape(n * t, -1)", "got is expected.transpose(1, 0, 2), reshaped to (2, 3, 4)"),
        ("x.reshape(n * t, d).T @ flat", "flat.T @ x.reshape(n * t, d)", "got is the transpose of what is expected"),
        ("x.reshape(n * t, d).T @ flat", "x.reshape(n * t, d).T @ flat / t", "got is 1/3 of what is expected (3 is dout.shape[1])"),
        ("x.reshape(n * t, d).T @ flat", "x[:, -1].T @ dout[:, -1]", "only dout[:, 2, …] is used"),
        ("return dx, dw, db", "return dx, dw, dw.sum(axis=0)", ""),
    ],
    "lstm_step": [
        ("dcell = dcell + dh * o * (1 - t**2)", "dcell = dh * o * (1 - t**2)", "dout[1] is not used"),
        ("dcell = dcell + dh * o * (1 - t**2)", "pass", "got is dout[1] * cache[6]"),
        ("dh * o * (1 - t**2)", "dh * o", ""),
        ("do = dh * t", "do = dh", ""),
        ("dcell * f\n", "dcell\n", "a factor cache[6] is missing"),
        ("dg * (1 - g**2)", "dg * g * (1 - g)", ""),
        ("di * i * (1 - i), df * f * (1 - f)", "df * f * (1 - f), di * i * (1 - i)", "the numbers are right, at other places"),
        ("di * i * (1 - i)", "di", ""),
        ("da @ wx.T, da @ wh.T, dc", "da @ wx.T, dc, da @ wh.T", "got is the gradient of c: backward returns them in another order"),
        ("da.sum(axis=0)", "da.sum(axis=1)", ""),
        ("da.sum(axis=0)", "da", "the sum over axis 0 is forgotten, along which b was broadcast"),
        ("di = dcell * g", "di = dcell * i", ""),
    ],
    "temporal_softmax": [
        ("    dx *= keep[:, None]\n", "", ""),
        ("    dx /= n\n", "", "got is 4 times what is expected (4 is x.shape[0])"),
        ("dx /= n", "dx /= n * t", "got is 1/3 of what is expected (3 is x.shape[1])"),
        ("    dx[np.arange(n * t), labels] -= 1\n", "", ""),
        ("-= 1\n", "-= keep.sum() / len(keep)\n", ""),
        ("dx /= n", "dx /= keep.sum()", "got is 0.444444 times what is expected, throughout"),
        ("dx.reshape(n, t, v)", "dx", "the numbers are right, the shape is not: reshape to (4, 3, 5)"),
        ("dx.reshape(n, t, v)", "dx.reshape(t, n, v).transpose(1, 0, 2)", "the axes are in another order before a reshape: (1, 0, 2)"),
        ("dx.reshape(n, t, v)", "-dx.reshape(n, t, v)", "its sign is wrong"),
        ("dx *= keep[:, None]", "dx *= ~keep[:, None]", ""),
        ("dx *= keep[:, None]", "dx *= dx > 0", ""),
    ],
}  # fmt: skip


def spoilt(layer, old, new):
    """The layer with other text in its backward; of a loss, in the forward that returns its gradient."""
    forward, backward, args = LAYERS[layer]
    loss = backward is layers.returned
    f = forward if loss else backward
    source = inspect.getsource(f)
    assert old in source
    names = dict(vars(layers))
    exec(source.replace(old, new), names)
    spoilt = names[f.__name__]
    return (spoilt, backward, args) if loss else (forward, spoilt, args)


@cases(20)
@given(st.integers(0, 2**32 - 1), st.floats(-2, 1), st.sampled_from(sorted(LAYERS)))
def test_right_ones_pass(seed, power, layer):
    rng = np.random.default_rng(seed)
    forward, backward, args = LAYERS[layer]
    args = [10**power * rng.normal(size=a.shape) if is_float(a) else a for a in args]
    report = gradcheck(forward, *args, backward=backward, seed=seed)
    assert report.ok and UNEXPLAINED not in report.verdicts.values(), str(report)


@pytest.mark.parametrize("layer", LAYERS)
def test_right_ones_are_exact_where_they_take_complex_arrays(layer):
    forward, backward, args = LAYERS[layer]
    report = gradcheck(forward, *args, backward=backward)
    naive = layer in ("conv", "max_pool")  # their forwards fill arrays of floats
    assert set(report.verdicts.values()) == {WITHIN if naive else EXACT}, str(report)
    assert [row.name for row in report.rows] == [
        n for n, a in zip(inspect.signature(forward).parameters, args) if is_float(a)
    ]


SLOW = "conv", "lstm_step"


@pytest.mark.parametrize(
    "layer, old, new, name",
    [
        pytest.param(layer, *row, marks=[pytest.mark.slow] * (layer in SLOW))
        for layer, rows in MISTAKES.items()
        for row in rows
    ],
    ids=str,
)
def test_mistakes_are_found_and_named(layer, old, new, name):
    forward, backward, args = spoilt(layer, old, new)
    report = gradcheck(forward, *args, backward=backward)
    assert report.ok == (name is None), str(report)
    assert (name or "") in " ".join(row.detail for row in report.rows), str(report)
    if name is not None:
        assert any(row.worst or row.detail for row in report.rows if row.verdict == WRONG)


def test_each_layer_has_ten_mistakes_and_most_of_them_have_a_name():
    assert all(sum(name is not None for *_, name in rows) >= 10 for rows in MISTAKES.values())
    names = [name for rows in MISTAKES.values() for *_, name in rows if name is not None]
    assert np.mean([bool(name) for name in names]) > 0.7


def is_float(a):
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


# ---- what a pair does beside computing gradients

x, w = np.random.default_rng(0).normal(size=(2, 3, 3))


def product(x, w):
    return x * w, (x, w)


def _in_place_x(dout, cache):
    x, w = cache
    x *= dout
    return dout * w, x


def _in_place_dout(dout, cache):
    x, w = cache
    dw = dout * x
    dout *= w
    return dout, dw


def _in_place_cache(dout, cache):
    dx, dw = dout * cache["w"], dout * cache["twice"] / 2
    cache["twice"] *= 2
    return dx, dw


def _with_twice(x, w):
    return x * w, {"x": x, "w": w, "twice": 2 * x}


_left: list = []


def _leaves_global(x, w):
    _left[:] = [x, w]
    return x * w


def _by_global(dout, *_):
    x, w = _left
    return dout * w, dout * x


_buffer = np.zeros((3, 3))


def _hands_out_a_buffer(dout, cache):
    x, w = cache
    np.multiply(dout, w, out=_buffer)
    return _buffer, dout * x


_total = np.zeros((3, 3))


def _adds_up(dout, cache):
    global _total
    x, w = cache
    _total = _total + dout * w
    return _total, dout * x


def _own_draws(x, w):
    mask = np.random.default_rng().random(x.shape) < 0.5
    return x * w * mask, (x * mask, w * mask)


def _changes_x(x, w):
    y = x * w
    x *= 2
    return y, (x / 2, w)


def _right(dout, cache):
    x, w = cache
    return dout * w, dout * x


@pytest.mark.parametrize(
    "forward, backward, verdict, text",
    [
        (product, _in_place_x, WRONG, "backward changes x in place"),
        (product, _in_place_dout, WRONG, "backward changes dout in place"),
        (_with_twice, _in_place_cache, WRONG, "backward changes its cache in place"),
        (_leaves_global, _by_global, WRONG, "does not go by its arguments alone, but by what another call left behind"),
        (product, _hands_out_a_buffer, WRONG, "backward gives out an array that its next call overwrites"),
        (product, _adds_up, NOT_DETERMINISTIC, "backward gives two gradients at one point"),
        (_own_draws, _right, NOT_DETERMINISTIC, "though draws from NumPy's global generator and minigrad's are held"),
        (_changes_x, _right, WRONG, "forward changes x in place"),
        (product, lambda d, c: d * c[1], WRONG, "backward returns one gradient; it must return one for each of x, w"),
        (product, lambda d, c: None, WRONG, "backward returns one gradient"),
        (product, lambda d, c: (d * c[1], None), WRONG, "backward gives None, but w is float64 (3, 3)"),
        (product, lambda d, c: (d * c[1], "dw"), WRONG, "backward gives 'dw' (str), but w is"),
        (
            product,
            lambda d, c: (d * c[1], (d * c[0])[0]),
            WRONG,
            "backward gives float64 (3,), but w is float64 (3, 3)",
        ),
        (product, lambda d, c: (d * c[1], np.float32(d * c[0])), WRONG, "backward gives float32 where w is float64"),
        (product, lambda d, c: (d * c[1], np.float32(d * c[0]) * 1.0), WRONG, "computed in single precision"),
        (product, lambda d, c: (d * c[1], d @ c[0]), WRONG, "got is dout @ x, expected is dout * x"),
        (
            product,
            lambda d, c: (d * c[0], d * c[1]),
            WRONG,
            "got is the gradient of w: backward returns them in another order",
        ),
        (product, lambda d, c: (d / 0, d * c[0]), WRONG, ""),
        (product, lambda d, c: (d @ d[0, 0], d), WRONG, "backward raised ValueError"),
        (lambda x, w: x + w, lambda d, x, w: (d, d), EXACT, "backward gives out dout itself, or a view of it"),
        (lambda x, w: x + w, lambda d, x, w: [d.copy(), d * 1], EXACT, ""),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_conduct(forward, backward, verdict, text):
    report = gradcheck(forward, x, w, backward=backward)
    gravest = max(report.verdicts.values(), key=VERDICTS.index)
    assert gravest == verdict, str(report)
    assert text in str(report), str(report)


def test_all_is_left_as_it_was():
    a, b, before = x.copy(), w.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    settings = {"p": 0.5}

    def forward(x, w, settings):
        settings["p"] = np.random.rand()  # noqa: NPY002
        return x * w * (np.random.rand(3, 3) < 0.5), (x, w)  # noqa: NPY002

    gradcheck(forward, x, w, settings, backward=_right)
    assert np.array_equal(a, x) and np.array_equal(b, w) and settings == {"p": 0.5}
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_kink_of_numpy_code_is_no_mistake():
    def hinge(x):
        return np.abs(x).sum(), np.sign(x)  # drops imaginary parts

    report = gradcheck(hinge, np.array([-1.0, 1e-9, 2.0]), backward=lambda dout, sign: dout * sign)
    assert report.ok and report["x"] == KINK and report.rows[0].kink.index == (1,), str(report)
    assert report.rows[0].text.startswith("kink at x[1] (test_backward.py:")
    wrong = gradcheck(hinge, np.array([-1.0, 1e-9, 2.0]), backward=lambda dout, sign: -dout * sign)
    assert wrong["x"] == WRONG
    relu = gradcheck(lambda x: np.maximum(0, x), np.array([-1.0, 0.0, 2.0]), backward=lambda d, x: d * (x > 0))
    assert relu["x"] == KINK
    beyond = gradcheck(lambda x: np.maximum(0, x), np.array([-1.0, 0.0, 2.0]), backward=lambda d, x: d * (x > 0) * 2)
    assert beyond["x"] == WRONG


def test_one_wrong_entry_of_ten_thousand():
    big = np.random.default_rng(1).normal(size=(100, 100))

    def backward(dout, x):
        dx = 2 * dout * x
        dx[37, 61] *= 1.001
        return dx

    report = gradcheck(lambda x: x**2, big, backward=backward)
    assert report["x"] == WRONG and report.rows[0].worst[0].index == (37, 61)


def test_several_outputs_numbers_and_float32():
    def forward(x, n):
        return (x**n).sum(), x / 2, x

    def backward(dsum, dhalf, x):
        assert isinstance(dsum, float)
        return 3 * dsum * x**2 + dhalf / 2

    report = gradcheck(forward, x.astype(np.float32), 3, backward=backward)
    assert report["x"] == EXACT and report.dtype == "float32"


@pytest.mark.parametrize(
    "run, error, text",
    [
        (
            lambda: gradcheck(product, [1.0], {"p": 0.5}, backward=_right),
            ValueError,
            r"arrays of floats \(given \[1.0\]",
        ),
        (lambda: gradcheck(product, x, w, backward=_right, order=2), ValueError, "order is 2; with backward= it is 1"),
        (
            lambda: gradcheck(product, x, w, backward=_right, loss=np.sum),
            ValueError,
            "loss is for functions of tensors",
        ),
        (lambda: gradcheck(product, x, w, backward=1), TypeError, "backward is 1"),
        (lambda: gradcheck(lambda x: (x,), x, backward=_right), TypeError, r"out, or \(out, …, cache\)"),
        (lambda: gradcheck(lambda x: x.astype(np.float32), x, backward=_right), TypeError, "forward returned float32"),
        (lambda: gradcheck(lambda x: x > 0, x, backward=_right), TypeError, "forward returned bool"),
        (lambda: gradcheck(lambda x: None, x, backward=_right), TypeError, "forward returned None"),
        (lambda: gradcheck(lambda x: x / 0, x, backward=_right), ValueError, "not finite"),
        (lambda: gradcheck(lambda x: (np.tanh(x.data), x), x), TypeError, "give backward="),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_errors(run, error, text):
    with pytest.raises(error, match=text):
        run()


def test_draws_from_numpys_global_generator_are_held():
    def forward(x):
        mask = np.random.random(x.shape) < 0.5  # noqa: NPY002
        return x * mask, mask

    assert gradcheck(forward, x, backward=lambda dout, mask: dout * mask)["x"] == EXACT


def test_round_off_is_that_of_the_terms_where_their_sum_cancels():
    """Central differences see the sum over outputs times dout; it is 0 here, and its terms are not."""
    seen = []
    real_only = lambda x: np.hypot(1e3 * x, 0)  # noqa: E731
    backward = lambda dout, x: seen.append(dout) or 1e3 * dout  # noqa: E731
    gradcheck(real_only, np.ones(12), backward=backward)
    d = seen[0]
    at = np.where(d > 0, 1 / (d > 0).sum(), 1 / (d < 0).sum()) / np.abs(d)
    report = gradcheck(real_only, at, backward=backward)
    assert report["x"] == WITHIN, str(report)


def test_nothing_is_said_where_the_numbers_do_not_tell():
    """Of a single number any factor might be the mistake."""
    one = gradcheck(lambda x: x**2, np.array([0.7]), backward=lambda dout, x: 1.2345 * dout * x)
    assert one["x"] == WRONG and "times" not in one.rows[0].detail, str(one)
