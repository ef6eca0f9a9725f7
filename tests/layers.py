"""The layers that students of CS231n write, forward and backward, each from its formula: right ones, to be spoilt.

`LAYERS` has for each: forward, backward, and arguments. Losses return (loss, gradient).
"""

# ruff: noqa: F841, RUF059 a cache has what it has
import numpy as np

rng = np.random.default_rng(7)


def affine(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)


def affine_back(dout, cache):
    x, w = cache
    dx = (dout @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


def relu(x):
    return np.maximum(0, x), x


def relu_back(dout, x):
    dx = dout * (x > 0)
    return dx


def affine_relu(x, w, b):
    a, inner = affine(x, w, b)
    out, outer = relu(a)
    return out, (inner, outer)


def affine_relu_back(dout, cache):
    inner, a = cache
    x, w = inner
    da = dout * (a > 0)
    dx = (da @ w.T).reshape(x.shape)
    dw = x.reshape(len(x), -1).T @ da
    db = da.sum(axis=0)
    return dx, dw, db


def sigmoid(x):
    return 1 / (1 + np.exp(-x))  # no cache: backward gets x


def sigmoid_back(dout, x):
    y = 1 / (1 + np.exp(-x))
    dx = dout * y * (1 - y)
    return dx


def tanh(x):
    y = np.tanh(x)
    return y, y


def tanh_back(dout, y):
    dx = dout * (1 - y**2)
    return dx


def returned(dloss, dx):
    return dloss * dx


def svm(x, y):
    n = len(x)
    rows = np.arange(n)
    margins = np.maximum(0, x - x[rows, y][:, None] + 1)
    margins[rows, y] = 0
    loss = margins.sum() / n
    dx = (margins > 0) * 1.0
    dx[rows, y] -= dx.sum(axis=1)
    dx /= n
    return loss, dx


def softmax(x, y):
    n = len(x)
    rows = np.arange(n)
    shifted = x - x.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -logs[rows, y].sum() / n
    dx = np.exp(logs)
    dx[rows, y] -= 1
    dx /= n
    return loss, dx


def batchnorm(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-3), bn_param.get("momentum", 0.9)
    mu = x.mean(axis=0)
    var = ((x - mu) ** 2).mean(axis=0)
    std = np.sqrt(var + eps)
    xhat = (x - mu) / std
    bn_param["mean"] = momentum * bn_param.get("mean", 0) + (1 - momentum) * mu
    return gamma * xhat + beta, (x, mu, std, xhat, gamma)


def batchnorm_back(dout, cache):
    x, mu, std, xhat, gamma = cache
    n = len(x)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dstd = -(dxhat * (x - mu)).sum(axis=0) / std**2
    dvar = dstd / (2 * std)
    dmu = -dxhat.sum(axis=0) / std
    dx = dxhat / std + dvar * 2 * (x - mu) / n
    dx += dmu / n
    return dx, dgamma, dbeta


def batchnorm_alt_back(dout, cache):
    x, mu, std, xhat, gamma = cache
    n = len(x)
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dx = gamma / (n * std) * (n * dout - dbeta - xhat * dgamma)
    return dx, dgamma, dbeta


def layernorm(x, gamma, beta, ln_param):
    mu = x.mean(axis=1, keepdims=True)
    var = ((x - mu) ** 2).mean(axis=1, keepdims=True)
    std = np.sqrt(var + ln_param["eps"])
    xhat = (x - mu) / std
    return gamma * xhat + beta, (xhat, std, gamma, x - mu, var)


def layernorm_back(dout, cache):
    xhat, std, gamma, centred, var = cache
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    mean = dxhat.mean(axis=1, keepdims=True)
    square = (dxhat * xhat).mean(axis=1, keepdims=True)
    dx = (dxhat - mean - xhat * square) / std
    return dx, dgamma, dbeta


def dropout(x, dropout_param):
    p = dropout_param["p"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])  # noqa: NPY002 as the course does
    mask = (np.random.rand(*x.shape) < p) / p  # noqa: NPY002
    return x * mask, (mask, p)


def dropout_back(dout, cache):
    mask, p = cache
    dx = dout * mask
    return dx


def conv(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    (n, c, h, width), (f, _, hh, ww) = x.shape, w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh, ow = 1 + (h + 2 * pad - hh) // stride, 1 + (width + 2 * pad - ww) // stride
    out = np.zeros((n, f, oh, ow))
    for i in range(oh):
        for j in range(ow):
            window = xp[:, :, i * stride : i * stride + hh, j * stride : j * stride + ww]
            for k in range(f):
                out[:, k, i, j] = (window * w[k]).sum(axis=(1, 2, 3)) + b[k]
    return out, (x, xp, w, stride, pad)


def conv_back(dout, cache):
    x, xp, w, stride, pad = cache
    (n, f, oh, ow), (_, _, hh, ww) = dout.shape, w.shape
    dxp, dw = np.zeros(xp.shape), np.zeros(w.shape)
    db = dout.sum(axis=(0, 2, 3))
    for m in range(n):
        for k in range(f):
            for i in range(oh):
                for j in range(ow):
                    rows, cols = slice(i * stride, i * stride + hh), slice(j * stride, j * stride + ww)
                    dw[k] += dout[m, k, i, j] * xp[m, :, rows, cols]
                    dxp[m, :, rows, cols] += dout[m, k, i, j] * w[k]
    dx = dxp[:, :, pad:-pad, pad:-pad]
    return dx, dw, db


def max_pool(x, pool_param):
    size, stride = pool_param["size"], pool_param["stride"]
    n, c, h, w = x.shape
    oh, ow = 1 + (h - size) // stride, 1 + (w - size) // stride
    out = np.zeros((n, c, oh, ow))
    for i in range(oh):
        for j in range(ow):
            out[:, :, i, j] = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size].max(axis=(2, 3))
    return out, (x, size, stride)


def max_pool_back(dout, cache):
    x, size, stride = cache
    dx = np.zeros(x.shape)
    n, c, oh, ow = dout.shape
    for i in range(oh):
        for j in range(ow):
            a, b = i * stride, j * stride
            window = x[:, :, a : a + size, b : b + size]
            mask = window == window.max(axis=(2, 3), keepdims=True)
            dx[:, :, a : a + size, b : b + size] += mask * dout[:, :, i : i + 1, j : j + 1]
    return dx


def spatial_batchnorm(x, gamma, beta, bn_param):
    n, c, h, w = x.shape
    out, cache = batchnorm(x.transpose(0, 2, 3, 1).reshape(-1, c), gamma, beta, bn_param)
    return out.reshape(n, h, w, c).transpose(0, 3, 1, 2), cache


def spatial_batchnorm_back(dout, cache):
    x, mu, std, xhat, gamma = cache
    n, c, h, w = dout.shape
    flat = dout.transpose(0, 2, 3, 1).reshape(-1, c)
    dbeta = flat.sum(axis=0)
    dgamma = (flat * xhat).sum(axis=0)
    dx = gamma / std * (flat - dbeta / len(flat) - xhat * dgamma / len(flat))
    dx = dx.reshape(n, h, w, c).transpose(0, 3, 1, 2)
    return dx, dgamma, dbeta


def groupnorm(x, gamma, beta, G, gn_param):
    n, c, h, w = x.shape
    groups = x.reshape(n, G, -1)
    mu = groups.mean(axis=2, keepdims=True)
    std = np.sqrt(((groups - mu) ** 2).mean(axis=2, keepdims=True) + gn_param["eps"])
    xhat = ((groups - mu) / std).reshape(x.shape)
    return gamma * xhat + beta, (xhat, std, gamma, G)


def groupnorm_back(dout, cache):
    xhat, std, gamma, G = cache
    n = len(dout)
    dbeta = dout.sum(axis=(0, 2, 3), keepdims=True)
    dgamma = (dout * xhat).sum(axis=(0, 2, 3), keepdims=True)
    dxhat = (dout * gamma).reshape(n, G, -1)
    y = xhat.reshape(n, G, -1)
    mean = dxhat.mean(axis=2, keepdims=True)
    square = (dxhat * y).mean(axis=2, keepdims=True)
    dx = (dxhat - mean - y * square) / std
    dx = dx.reshape(dout.shape)
    return dx, dgamma, dbeta


def rnn_step(x, h, wx, wh, b):
    y = np.tanh(x @ wx + h @ wh + b)
    return y, (x, h, wx, wh, y)


def rnn_step_back(dout, cache):
    x, h, wx, wh, y = cache
    da = dout * (1 - y**2)
    dx = da @ wx.T
    dh = da @ wh.T
    dwx = x.T @ da
    dwh = h.T @ da
    db = da.sum(axis=0)
    return dx, dh, dwx, dwh, db


def rnn(x, h0, wx, wh, b):
    n, t, _ = x.shape
    steps, hs, h = [], [], h0
    for k in range(t):
        h, step = rnn_step(x[:, k], h, wx, wh, b)
        steps.append(step)
        hs.append(h)
    return np.stack(hs, axis=1), steps


def rnn_back(dout, steps):
    n, t, _ = dout.shape
    x, h, wx, wh, y = steps[0]
    dx = np.zeros((n, t, wx.shape[0]))
    dh, dwx, dwh, db = np.zeros(h.shape), np.zeros(wx.shape), np.zeros(wh.shape), np.zeros(wh.shape[1])
    for k in reversed(range(t)):
        dh = dh + dout[:, k]
        x, h, wx, wh, y = steps[k]
        da = dh * (1 - y**2)
        dx[:, k] = da @ wx.T
        dh = da @ wh.T
        dwx += x.T @ da
        dwh += h.T @ da
        db += da.sum(axis=0)
    return dx, dh, dwx, dwh, db


def embedding(x, w):
    return w[x], (x, w.shape)


def embedding_back(dout, cache):
    x, shape = cache
    dw = np.zeros(shape)
    np.add.at(dw, x, dout)
    return dw


def temporal_affine(x, w, b):
    n, t, d = x.shape
    return (x.reshape(n * t, d) @ w + b).reshape(n, t, -1), (x, w)


def temporal_affine_back(dout, cache):
    x, w = cache
    n, t, d = x.shape
    flat = dout.reshape(n * t, -1)
    dx = (flat @ w.T).reshape(n, t, d)
    dw = x.reshape(n * t, d).T @ flat
    db = dout.sum(axis=(0, 1))
    return dx, dw, db


def lstm_step(x, h, c, wx, wh, b):
    a = x @ wx + h @ wh + b
    i, f, o, g = np.split(a, 4, axis=1)
    i, f, o, g = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), 1 / (1 + np.exp(-o)), np.tanh(g)
    cell = f * c + i * g
    t = np.tanh(cell)
    return o * t, cell, (x, h, c, wx, wh, i, f, o, g, t)


def lstm_step_back(dh, dcell, cache):
    x, h, c, wx, wh, i, f, o, g, t = cache
    do = dh * t
    dcell = dcell + dh * o * (1 - t**2)
    di = dcell * g
    df = dcell * c
    dg = dcell * i
    dc = dcell * f
    da = np.concatenate([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)], axis=1)
    return da @ wx.T, da @ wh.T, dc, x.T @ da, h.T @ da, da.sum(axis=0)


def temporal_softmax(x, y, mask):
    n, t, v = x.shape
    flat = x.reshape(n * t, v)
    labels = y.reshape(-1)
    keep = mask.reshape(-1)
    logs = flat - flat.max(axis=1, keepdims=True)
    logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
    loss = -(keep * logs[np.arange(n * t), labels]).sum() / n
    dx = np.exp(logs)
    dx[np.arange(n * t), labels] -= 1
    dx *= keep[:, None]
    dx /= n
    return loss, dx.reshape(n, t, v)


LABELS = np.array([2, 0, 1, 2, 2])
MASK = np.array([[True, True, False], [True, False, False], [True, True, True], [True, True, True]])
_params = {"eps": 1e-3}


def _draw(*shape):
    return rng.normal(size=shape)


LAYERS = {
    "affine": (affine, affine_back, (_draw(5, 2, 2), _draw(4, 3), _draw(3))),
    "relu": (relu, relu_back, (_draw(4, 5),)),
    "affine_relu": (affine_relu, affine_relu_back, (_draw(5, 2, 2), _draw(4, 3), _draw(3))),
    "sigmoid": (sigmoid, sigmoid_back, (_draw(3, 4),)),
    "tanh": (tanh, tanh_back, (_draw(3, 4),)),
    "svm": (svm, returned, (_draw(5, 3), LABELS)),
    "softmax": (softmax, returned, (_draw(5, 3), LABELS)),
    "batchnorm": (batchnorm, batchnorm_back, (_draw(6, 4) * 3 + 1, _draw(4), _draw(4), {"mode": "train", "eps": 1e-2})),
    "batchnorm_alt": (batchnorm, batchnorm_alt_back, (_draw(6, 4) * 3 + 1, _draw(4), _draw(4), {"mode": "train"})),
    "layernorm": (layernorm, layernorm_back, (_draw(4, 6) * 2, _draw(6), _draw(6), _params)),
    "dropout": (dropout, dropout_back, (_draw(4, 6), {"p": 0.6, "mode": "train", "seed": 123})),
    "conv": (conv, conv_back, (_draw(2, 2, 5, 5), _draw(3, 2, 3, 3), _draw(3), {"stride": 2, "pad": 1})),
    "max_pool": (max_pool, max_pool_back, (_draw(2, 2, 5, 5), {"size": 3, "stride": 1})),
    "spatial_batchnorm": (spatial_batchnorm, spatial_batchnorm_back, (_draw(2, 3, 2, 4), _draw(3), _draw(3), {"eps": 1e-3})),
    "groupnorm": (groupnorm, groupnorm_back, (_draw(2, 6, 2, 3), _draw(1, 6, 1, 1), _draw(1, 6, 1, 1), 2, {"eps": 1e-3})),
    "rnn_step": (rnn_step, rnn_step_back, (_draw(4, 3), _draw(4, 5), _draw(3, 5), _draw(5, 5), _draw(5))),
    "rnn": (rnn, rnn_back, (_draw(2, 3, 4), _draw(2, 5), _draw(4, 5) / 2, _draw(5, 5) / 2, _draw(5) / 2)),
    "embedding": (embedding, embedding_back, (np.array([[0, 2, 1], [2, 2, 4]]), _draw(6, 3))),
    "temporal_affine": (temporal_affine, temporal_affine_back, (_draw(2, 3, 4), _draw(4, 5), _draw(5))),
    "lstm_step": (lstm_step, lstm_step_back, (_draw(3, 4), _draw(3, 2), _draw(3, 2), _draw(4, 8), _draw(2, 8), _draw(8))),
    "temporal_softmax": (temporal_softmax, returned, (_draw(4, 3, 5), rng.integers(5, size=(4, 3)), MASK)),
}  # fmt: skip
