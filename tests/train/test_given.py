"""What `fit` and its kin are given: mistakes that users make, said before anything is trained; the user's own errors as they are."""

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, nn, optim, train

X, Y = np.linspace(-1, 1, 32, dtype=np.float32).reshape(8, 4), np.arange(8) % 3
BATCHES = [(X, Y)]


def network():
    return nn.Sequential(nn.Linear(4, 5, rng=0), nn.ReLU(), nn.Linear(5, 3, rng=1))


def fitted(model=None, batches=BATCHES, optimizer=None, **options):
    model = network() if model is None else model
    optimizer = optimizer or optim.SGD(model.parameters(), lr=0.1)
    return train.fit(model, optimizer, batches, **{"epochs": 1, "progress": False, **options})


class Returns(nn.Module):
    """A model of the user's own, which returns what f makes of its outputs."""

    def __init__(self, f):
        self.layer, self.f = nn.Linear(4, 3, rng=0), f

    def forward(self, x):
        return self.f(self.layer(x))


MISTAKES = {
    "a data set": ({"batches": data.Dataset(X, Y)}, r"train is Dataset\(.*data.Loader\(train, 32\)"),
    "an array": ({"batches": X}, r"train is float32 \(8, 4\); it must be an iterable of batches"),
    "samples only": ({"batches": [X]}, r"a batch is float32 \(8, 4\); it must be a pair \(x, y\)"),
    "three parts": ({"batches": [(X, Y, X)]}, "a batch has 3 parts"),
    "a dict": ({"batches": [{"x": X, "y": Y}]}, r"a batch is .*\(dict\)"),
    "one label": ({"batches": [(X, 1)]}, r"the labels of a batch are 1 \(int\)"),
    "a callback": ({"callbacks": print}, "callbacks is .*; it must be a list of functions"),
    "a class as callback": ({"callbacks": [train.EarlyStopping]}, r"callbacks\[0\] is .*give an instance, EarlyStopping"),
    "a class as loss": ({"loss": nn.CrossEntropyLoss}, r"loss is .*give an instance, CrossEntropyLoss\(…\)"),
    "a loss for each sample": ({"loss": lambda o, y: mg.cross_entropy(o, y, reduction="none")}, r"the loss returned is float32 \(8,\)"),
    "a number as loss": ({"loss": lambda o, y: 0.5}, r"the loss returned is 0.5 \(float\)"),
    "a tuple of outputs": ({"model": Returns(lambda o: (o, o))}, r"the model returned is .*\(tuple\)"),
    "an array as output": ({"model": Returns(lambda o: o.data)}, r"the model returned is float32 \(8, 3\)"),
    "features": ({"batches": [(X[:, :3], Y)]}, r"linear: x has 3 features"),
    "dtype": ({"batches": [(X.astype("f8"), Y)]}, r"linear: x is float64"),
    "labels of floats": ({"batches": [(X, Y / 1.0)]}, r"cross_entropy: labels have dtype float64"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_by_fit(mistake):
    options, said = MISTAKES[mistake]
    with pytest.raises((TypeError, ValueError), match=f"^fit: .*{said}"):
        fitted(**options)


def fails(*_):
    raise KeyError("mine")


def test_errors_of_ones_own_code_pass_as_they_are():
    def batches():
        yield fails()

    for options in (
        {"callbacks": [fails]},
        {"callbacks": [train.after_step(lambda state: fails())]},
        {"loss": fails},
        {"model": Returns(fails)},
        {"batches": batches()},
        {"test": batches()},
    ):
        with pytest.raises(KeyError) as caught:
            fitted(**options)
        assert caught.value.args == ("mine",)
    for act in (
        lambda: train.evaluate(Returns(fails), BATCHES),
        lambda: train.predict(Returns(fails), BATCHES),
        lambda: train.lr_range(Returns(fails), optim.SGD(network().parameters(), lr=1.0), BATCHES),
        lambda: train.load_pretrained(network(), network().state_dict(), rename=fails),
    ):
        with pytest.raises(KeyError) as caught:
            act()
        assert caught.value.args == ("mine",)


def test_where_all_is_frozen_nothing_is_trained():
    model = network()
    train.freeze(model, "*")
    with pytest.raises(ValueError, match=r"^fit: all parameters are frozen"):
        fitted(model)


def test_a_schedule_that_has_ended_is_warned_of():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=optim.schedules.cosine(0.1, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(model, optimizer=optimizer, epochs=2)
    with pytest.warns(UserWarning, match=r"fit: the rate of this SGD is 0 after the 2 steps") as said:
        fitted(model, optimizer=optimizer)
    assert said[0].filename == __file__


def test_one_pattern_may_differ():
    old, new = nn.models.lenet(10), nn.models.lenet(5)
    assert len(train.load_pretrained(new, old.state_dict(), may_differ="fc3.*").misfits) == 2
    with pytest.raises(ValueError, match="2 entries differ that may not"):
        train.load_pretrained(new, old.state_dict(), may_differ="conv*")


def test_layers_are_lists_and_models_too():
    with pytest.raises(TypeError, match=r"^GradualUnfreezing: layers is '12' \(str\)"):
        train.GradualUnfreezing(network(), "12")
    with pytest.raises(TypeError, match=r"^probabilities: models is Sequential"):
        train.probabilities(network(), BATCHES)
    with pytest.raises(ValueError, match=r"^calibration: label 2 is out of range for 2 classes"):
        train.calibration(np.full((2, 2), 0.5), np.array([0, 2]))
