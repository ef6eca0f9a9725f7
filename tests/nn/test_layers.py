"""Layers: what PyTorch does not decide for us; equality with PyTorch is in tests/peers."""

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn, random

F32 = np.float32


def test_sequential_is_a_sequence():
    a, b, c = nn.ReLU(), nn.Tanh(), nn.Sigmoid()
    net = nn.Sequential(a, b)
    assert net.append(c) is net
    assert len(net) == 3 and list(net) == [a, b, c] and net[-1] is c
    assert list(net[1:]) == [b, c] and isinstance(net[1:], nn.Sequential)
    x = np.linspace(-1, 1, 5)
    assert np.array_equal(net(x).data, mg.sigmoid(mg.tanh(mg.relu(x))).data)
    with pytest.raises(TypeError, match="Sequential: item 3 is a function"):
        net.append(lambda x: x)
    with pytest.raises(IndexError):
        net[3]


EDITS = ["append", "insert", "extend", "pop", "set", "set slice", "del", "del slice", "delattr", "+=", "slice", "none"]


@cases(60)
@given(st.data(), st.integers(0, 4), st.booleans())
def test_sequential_is_changed_as_a_list_is(data, size, named):
    """Any edits, beside the same of a list; the names are the places, but for one that was named otherwise."""

    def layers(n):
        return [nn.Linear(1, 1, rng=0) for _ in range(n)]

    plain = layers(size)
    net = nn.Sequential(*plain)
    if named:
        net.head = nn.Tanh()
        plain.append(net.head)
    for edit in data.draw(st.lists(st.sampled_from(EDITS), max_size=6)):
        i, j = data.draw(st.integers(-6, 6)), data.draw(st.integers(-6, 6))
        cut, new = slice(i, j, data.draw(st.sampled_from([None, 1, 2, -1]))), layers(data.draw(st.integers(0, 2)))

        def change(x, edit=edit, i=i, cut=cut, new=new):
            one = new[0] if new else plain[0] if plain else nn.ReLU  # a second time, or no module
            if edit in ("append", "insert", "set") and isinstance(one, type):
                return
            if edit == "append":
                x.append(one)
            elif edit == "insert":
                x.insert(i, one)
            elif edit in ("extend", "+="):
                x.extend(new) if edit == "extend" else x.__iadd__(new)
            elif edit == "pop":
                x.pop(i)
            elif edit == "set":
                x[i] = one
            elif edit == "set slice":
                x[cut] = new
            elif edit == "del":
                del x[i]
            elif edit == "del slice":
                del x[cut]

        if edit in ("delattr", "none"):  # not by place: but the places that are left follow the next edit
            places = [name for name, m in vars(net).items() if isinstance(m, nn.Module)]
            if places:
                at = i % len(places)
                delattr(net, places[at]) if edit == "delattr" else setattr(net, places[at], None)
                del plain[at]
            continue
        if edit == "slice":
            assert list(net[cut]) == plain[cut] and list(net + new) == plain + new
            continue
        wrong = None
        try:
            change(plain)
        except (IndexError, ValueError) as error:
            wrong = error
        if wrong is None:
            change(net)
            names = [path for path, _ in nn.Module.named_modules(net)[1:]]
            assert list(net) == plain and len(net) == len(plain)
            firsts = [i for i, m in enumerate(plain) if m not in plain[:i]]
            assert names == [str(i) if not isinstance(plain[i], nn.Tanh) else "head" for i in firsts]
        else:
            with pytest.raises(type(wrong)):
                change(net)
    assert list(net) == plain


def test_sequential_changes_nothing_when_it_is_given_no_module():
    net = nn.Sequential(a := nn.ReLU(), b := nn.Tanh())
    for change in (
        lambda: net.append(abs),
        lambda: net.insert(0, "relu"),
        lambda: net.extend([nn.ReLU(), 3]),
        lambda: net.__setitem__(0, None),
        lambda: net.__setitem__(slice(0, 1), [abs]),
    ):
        with pytest.raises(TypeError, match=r"Sequential(\.\w+)?: item \d is a \w+; it must be a Module"):
            change()
        assert list(net) == [a, b] and [path for path, _ in net.named_modules()] == ["", "0", "1"]
    assert net.pop() is b and net.insert(0, b) is net and list(net) == [b, a]


def test_one_seed_gives_one_set_of_weights_and_no_two_alike():
    a, b, c = (nn.Linear(30, 30, rng=r) for r in (0, 0, 1))
    assert np.array_equal(a.weight.data, b.weight.data) and np.array_equal(a.bias.data, b.bias.data)
    assert not np.array_equal(a.weight.data, c.weight.data)
    assert not np.allclose(a.weight.data[0], a.bias.data)
    mg.seed(5)
    d = nn.Conv2d(2, 3, 3)
    mg.seed(5)
    assert np.array_equal(d.weight.data, nn.Conv2d(2, 3, 3).weight.data)


@pytest.mark.parametrize(
    ("layer", "bound"),
    [(nn.Linear(50, 400, rng=0), 50**-0.5), (nn.Conv2d(8, 40, (3, 5), groups=2, rng=0), (4 * 15) ** -0.5)],
)
def test_initial_weights_are_uniform_within_the_bound(layer, bound):
    for p in layer.parameters():
        a = p.data
        assert a.dtype == F32 and np.abs(a).max() <= bound * (1 + 1e-6)
        assert np.abs(a).max() > bound * (1 - 10 / a.size)
        assert abs(a.std() / (bound / 3**0.5) - 1) < 3 / a.size**0.5


def test_dtype_argument():
    layers = [
        nn.Linear(2, 2, dtype="float64"),
        nn.Conv2d(1, 1, 1, dtype=np.float64),
        nn.BatchNorm1d(2, dtype="float64"),
    ]
    assert {p.dtype.name for m in layers for p in m.parameters()} == {"float64"}
    assert nn.Linear(2, 2, dtype="float64")(np.ones((1, 2))).dtype == np.float64


def test_dropout():
    layer = nn.Dropout(0.25, rng=0)
    x = np.ones((200, 200), F32)
    y = layer(x).data
    assert y.dtype == F32 and set(np.unique(y)) == {F32(0), F32(1) / F32(0.75)}
    assert abs(y.mean() - 1) < 4 * (1 / 3 / x.size) ** 0.5  # four standard errors
    assert not np.array_equal(y, layer(x).data)  # a seed is one stream, not one mask
    assert layer.eval()(x).data is x


def test_draws_can_be_held():
    net = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5, rng=3), nn.Dropout(0.5, rng=np.random.default_rng(4)))
    x = np.ones((20, 20))
    with random.held() as rewind:
        a = net(x).data
        rewind()
        b = net(x).data
    assert np.array_equal(a, b) and not np.array_equal(net(x).data, net(x).data)


def test_gradient_of_a_model_with_dropout_by_complex_step():
    net = nn.Sequential(
        nn.Linear(6, 8, rng=0), nn.Dropout(0.4, rng=1), nn.Tanh(), nn.BatchNorm1d(8), nn.Linear(8, 3, rng=2)
    )
    net.astype("float64")
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(5, 6)), np.array([0, 1, 2, 1, 0])
    with random.held() as rewind:
        mg.cross_entropy(net(x), labels).backward()
        for p in net.parameters():
            v, a = rng.normal(size=p.shape), p.data
            rewind()
            p.assign(a + 1e-30j * v)
            slope = mg.cross_entropy(net(x), labels).data.imag / 1e-30
            p.assign(a)
            np.testing.assert_allclose((p.grad * v).sum(), slope, rtol=1e-12, atol=1e-14)
    assert all(b.dtype.kind != "c" for b in net.buffers())  # running statistics stay real


def test_adaptive_pooling_is_the_mean_of_equal_windows():
    x = np.arange(48.0).reshape(1, 1, 6, 8)
    assert np.array_equal(nn.AdaptiveAvgPool2d((2, 4))(x).data, x.reshape(1, 1, 2, 3, 4, 2).mean((3, 5)))
    uneven = nn.AdaptiveAvgPool2d(4)(x).data  # regions from ⌊o·n/4⌋ to ⌈(o + 1)·n/4⌉
    assert uneven.shape == (1, 1, 4, 4) and uneven[0, 0, 1, 0] == x[0, 0, 1:3, :2].mean()


def test_identity_and_flatten():
    x = np.ones((2, 3, 4))
    assert nn.Identity()(x).data is x
    assert nn.Flatten()(x).shape == (2, 12) and nn.Flatten(0)(x).shape == (24,)


BAD = {
    "linear: features": (
        lambda: nn.Linear(4, 2)(np.ones((3, 5), F32)),
        ValueError,
        "linear: x has 5 features, weight expects 4; x has shape (3, 5), it must be (…, 4)",
    ),
    "linear: scalar": (lambda: nn.Linear(4, 2)(1.0), ValueError, "no axis of features"),
    "linear: dtype": (lambda: nn.Linear(4, 2)(np.ones((3, 4))), TypeError, "linear: x is float64, weight is float32"),
    "linear: no features": (lambda: nn.Linear(0, 2), ValueError, "Linear: in_features is 0"),
    "conv: channels": (lambda: nn.Conv2d(3, 4, 3)(np.ones((1, 2, 5, 5), F32)), ValueError, "x has 2 channels, weight"),
    "conv: dtype": (lambda: nn.Conv2d(1, 1, 1)(np.ones((1, 1, 2, 2))), TypeError, "conv2d: x is float64"),
    "conv: groups": (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "groups=2 must divide in_channels=3"),
    "conv: padding": (lambda: nn.Conv2d(3, 4, 3, padding="full"), ValueError, "padding is 'full'; it must be 'same'"),
    "conv: same, strided": (lambda: nn.Conv2d(3, 4, 3, 2, "same"), ValueError, "padding='same' needs stride 1"),
    "conv: kernel": (lambda: nn.Conv2d(3, 4, 0), ValueError, "Conv2d: kernel_size is 0"),
    "conv: no channels": (lambda: nn.Conv2d(3, 0, 3), ValueError, "Conv2d: out_channels is 0"),
    "dropout": (lambda: nn.Dropout(1.0), ValueError, "Dropout: p is 1.0"),
    "gelu": (lambda: nn.GELU("erf"), ValueError, "GELU: approximate is 'erf'"),
    "bn: axes": (
        lambda: nn.BatchNorm2d(4)(np.ones((3, 4), F32)),
        ValueError,
        "BatchNorm2d: x has shape (3, 4); it must be (N, C, H, W) with C = 4",
    ),
    "bn: channels": (
        lambda: nn.BatchNorm1d(4)(np.ones((3, 5), F32)),
        ValueError,
        "it must be (N, C) or (N, C, L) with C = 4",
    ),
    "bn: dtype": (
        lambda: nn.BatchNorm1d(4)(np.ones((3, 4))),
        TypeError,
        "BatchNorm1d: x is float64, weight is float32",
    ),
    "bn: dtype in eval": (lambda: nn.BatchNorm1d(4).eval()(np.ones((3, 4))), TypeError, "x is float64"),
    "bn: one value": (lambda: nn.BatchNorm1d(4)(np.ones((1, 4), F32)), ValueError, "more than one value"),
    "bn: no features": (lambda: nn.BatchNorm1d(0), ValueError, "num_features is 0"),
    "depth: probability": (lambda: nn.StochasticDepth(1.0), ValueError, "StochasticDepth: p is 1.0"),
    "depth: mode": (lambda: nn.StochasticDepth(0.1, "rows"), ValueError, "mode is 'rows'"),
    "depth: scaling": (lambda: nn.StochasticDepth(0.1, scaling="paper"), ValueError, "scaling is 'paper'"),
    "depth: shapes": (
        lambda: nn.StochasticDepth(0.0)(np.ones((2, 3)), lambda: np.ones((2, 1))),
        ValueError,
        "StochasticDepth: the shortcut has shape (2, 3), the branch (2, 1)",
    ),
    "init: fans": (lambda: nn.init.kaiming_normal((3,)), ValueError, "shape (3,) has no fan-in"),
    "init: mode": (lambda: nn.init.kaiming_uniform((3, 3), mode="fan"), ValueError, "mode is 'fan'"),
    "resnet: shortcut": (lambda: nn.models.resnet8(shortcut="C"), ValueError, "shortcut is 'C'"),
    "lenet: size": (lambda: nn.models.lenet(image_size=3), ValueError, "image_size is 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    do, error, message = BAD[name]
    with pytest.raises(error) as caught:
        do()
    assert message in str(caught.value)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize(("shape", "fans"), [((300, 200), (200, 300)), ((40, 30, 3, 5), (450, 600))])
def test_initialisers(shape, fans, mode):
    init, fan = nn.init, fans[mode == "fan_out"]
    n = np.prod(shape) ** 0.5
    assert init.fans(shape) == fans
    for a in (0.0, 0.5):
        std = (2 / (1 + a * a) / fan) ** 0.5
        u, g = (f(shape, a=a, mode=mode, rng=1) for f in (init.kaiming_uniform, init.kaiming_normal))
        assert np.abs(u).max() <= std * 3**0.5 * (1 + 1e-6) and abs(u.std() / std - 1) < 3 / n
        assert abs(g.std() / std - 1) < 3 / n and np.abs(g).max() > 3 * std
    std = 2.0 * (2 / sum(fans)) ** 0.5
    u, g = (f(shape, gain=2.0, rng=1) for f in (init.xavier_uniform, init.xavier_normal))
    assert np.abs(u).max() <= std * 3**0.5 * (1 + 1e-6) and abs(u.std() / std - 1) < 3 / n
    assert abs(g.std() / std - 1) < 3 / n
    assert init.zeros(shape).dtype == F32 and init.ones(shape, dtype="float64").sum() == np.prod(shape)
    assert 2 <= init.uniform(shape, 2, 3, rng=0, dtype="float64").min() < 2.001
    assert abs(init.normal(shape, 5.0, rng=0).mean() - 5) < 4 / n
