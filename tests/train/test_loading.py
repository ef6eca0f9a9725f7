"""What is loaded is loaded whole, bit for bit, or not at all: weights, models, optimizers, averages, runs."""

import warnings

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad import nn, optim, train

ORDERS = {
    "C": lambda a: a,
    "F": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, 0)[::2] if a.ndim else a,
    "reversed": lambda a: a[::-1] if a.ndim else a,
    "transposed": lambda a: a.T,
    "read-only": lambda a: np.broadcast_to(a, a.shape),
}
SHAPES = [(), (1,), (3,), (0,), (2, 0, 3), (2, 3), (3, 1, 2)]
SPECIAL = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0, 6e-8])


def array(dtype, shape, order, seed):
    rng = np.random.default_rng(seed)
    a = np.asarray(rng.standard_normal(shape) * 9)
    if np.dtype(dtype).kind == "f":
        a = np.where(rng.random(shape) < 0.3, rng.choice(SPECIAL, shape), a)
    return ORDERS[order](np.asarray(a.astype(dtype)))


def arrays(dtypes):
    return st.builds(
        array, st.sampled_from(dtypes), st.sampled_from(SHAPES), st.sampled_from(sorted(ORDERS)), st.integers(0, 9)
    )


def same(a, b):
    return a.keys() == b.keys() and all(
        (x.dtype, x.shape, x.tobytes()) == (b[k].dtype, b[k].shape, b[k].tobytes()) for k, x in a.items()
    )


class Held(nn.Module):
    """A module of any parameters and buffers."""

    def __init__(self, parameters, buffers=()):
        self.parameter = [nn.Parameter(a) for a in parameters]
        self.buffer = [nn.Buffer(a) for a in buffers]
        for p, a in zip(self.parameter, parameters):
            p.data = a  # in the order that it has

    def like(self):
        return Held([np.zeros_like(p.data) for p in self.parameter], [np.zeros_like(b.data) for b in self.buffer])


MODELS = st.builds(
    Held, st.lists(arrays(["f2", "f4", "f8"]), min_size=1, max_size=3), st.lists(arrays(["i8", "f4", "?"]), max_size=2)
)


@cases(40)
@given(MODELS, st.sampled_from(["w", "w.safetensors", "w.npz"]))
def test_weights_return_bit_for_bit(tmp_path, model, name):
    before = model.state_dict()
    train.save_weights(model, tmp_path / name)
    fresh = model.like()
    train.load_weights(fresh, tmp_path / name)
    assert same(fresh.state_dict(), before) and same(model.state_dict(), before)


@cases(40)
@given(st.lists(arrays(["f2", "f4", "f8", "i1", "u2", "i8", "u8", "?", ">f4", ">i8"]), max_size=4))
def test_trees_return_bit_for_bit(tmp_path, given):
    train.save_tree({"given": given, "one": [*given, 1.5, None, "text"]}, tmp_path / "t")
    found = train.load_tree(tmp_path / "t")
    for a, b in zip(given, found["given"], strict=True):
        assert b.dtype == a.dtype.newbyteorder("=") and b.shape == a.shape
        assert b.tobytes() == a.astype(b.dtype).tobytes()
    assert found["one"][len(given) :] == [1.5, None, "text"]


# ---- spoilt: one entry of a state is another, or none, or there is one more

SPOILT = {
    "missing": None,
    "None": lambda a: None,
    "text": lambda a: "text",
    "object": lambda a: np.array([object()]),
    "complex": lambda a: np.asarray(a, complex),
    "strings": lambda a: np.asarray(a).astype(str),
    "one axis more": lambda a: np.asarray(a)[None],
    "longer": lambda a: np.ones(np.size(a) + 1, np.asarray(a).dtype),
    "empty": lambda a: np.zeros((0, 7), np.asarray(a).dtype),
    "ragged": lambda a: [[1], [1, 2]],
}


@st.composite
def spoilt(draw, state):
    state = dict(state)
    how = draw(st.sampled_from([*SPOILT, "unexpected"]))
    if how == "unexpected":
        return {**state, "no.such.entry": np.ones(3)}
    key = draw(st.sampled_from(sorted(state)))
    if how == "missing":
        del state[key]
    else:
        state[key] = SPOILT[how](state[key])
    return state


def refused_or_whole(load, state_dict, spoilt, who):
    """Whatever is wrong with it, loading raises an error that names who, and changes nothing; or it is no fault."""
    before = {k: np.array(v) for k, v in state_dict().items()}
    try:
        load(spoilt)
    except (ValueError, TypeError) as error:
        assert str(error).startswith(who), error
        assert same({k: np.array(v) for k, v in state_dict().items()}, before)


@cases(60)
@given(st.data())
def test_a_model_takes_a_state_or_is_left_as_it_was(draw):
    model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3))
    other = nn.Sequential(nn.Linear(2, 3, rng=1), nn.BatchNorm1d(3)).state_dict()
    refused_or_whole(model.load_state_dict, model.state_dict, draw.draw(spoilt(other)), "load_state_dict: ")


def test_a_number_beyond_the_dtype_changes_nothing():
    model = nn.Linear(2, 3, rng=0)
    before, state = model.state_dict(), {"weight": np.ones((3, 2)), "bias": np.full(3, 1e300)}
    with warnings.catch_warnings(), pytest.raises(RuntimeWarning):
        warnings.simplefilter("error")
        model.load_state_dict(state)
    assert same(model.state_dict(), before)


RULES = [
    "AdaGrad",
    "Adadelta",
    "Adam",
    "AdamW",
    "Adamax",
    "LAMB",
    "Lion",
    "Muon",
    "NAdam",
    "RAdam",
    "RMSProp",
    "SGD",
    "Momentum",
]
NEED_RATE = ["SGD", "Momentum", "Nesterov", "SQN"]
METHODS = ["Nesterov", "AdaHessian", "BFGS", "LBFGS", "Newton", "NonlinearCG", "Sophia", "SQN"]


def moved(name, shape=(2, 3), steps=2):
    """An optimizer of this kind after some steps."""
    p = nn.Parameter(np.linspace(0.5, 2, int(np.prod(shape))).reshape(shape))
    params = [p, *([nn.Parameter(np.ones(2))] if len(shape) > 1 else [])]
    options = {"hutchinson": True} if name == "Sophia" else {"lr": 0.01} if name in NEED_RATE else {}
    optimizer = getattr(optim, name)(params, **options)
    for _ in range(steps):
        if name in METHODS:
            optimizer.step(lambda: sum(((q * q * q).sum() for q in params), 0.0))
        else:
            for q in optimizer.params:
                q.grad = np.ones_like(q.data)
            optimizer.step()
    return optimizer


@cases(60)
@given(st.data())
def test_an_optimizer_takes_a_state_or_is_left_as_it_was(draw):
    name = draw.draw(st.sampled_from(RULES + METHODS))
    optimizer = moved(name)
    if draw.draw(st.booleans()):
        state = draw.draw(spoilt(moved(name, steps=3).state_dict()))
    else:
        other = draw.draw(st.sampled_from([n for n in RULES + METHODS if n != name]))
        state = moved(other, draw.draw(st.sampled_from([(2, 3), (3, 2), (6,), (7,)]))).state_dict()
    refused_or_whole(optimizer.load_state_dict, optimizer.state_dict, state, "load_state_dict: ")


@pytest.mark.parametrize("name", RULES + METHODS)
def test_an_optimizer_refuses_the_state_of_other_shapes(name):
    optimizer = moved(name)
    if not any("." in key and not key.startswith("groups") for key in optimizer.state_dict()):
        return  # it remembers nothing of its parameters
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"^load_state_dict: "):
        optimizer.load_state_dict(moved(name, (8,)).state_dict())
    assert same(optimizer.state_dict(), before)


@cases(20)
@given(st.data())
def test_an_average_takes_a_state_or_is_left_as_it_was(draw):
    average, other = (train.Averaging(nn.Linear(2, 3, rng=i)) for i in range(2))
    refused_or_whole(average.load_state_dict, average.state_dict, draw.draw(spoilt(other.state_dict())), "Average: ")


# ---- files and runs


def test_weights_that_do_not_fit_are_told_with_file_path_and_shapes(tmp_path):
    path = tmp_path / "weights.safetensors"
    train.save_weights(nn.Sequential(nn.Linear(4, 3)), path)
    model = nn.Sequential(nn.Linear(5, 3, rng=0), nn.BatchNorm1d(3, affine=False))
    before = model.state_dict()
    with pytest.raises(train.CheckpointError) as caught:
        train.load_weights(model, path)
    text = str(caught.value)
    for said in (
        f"load_weights: {path}: ",
        "wrong shape: 0.weight is (3, 5) in the model, (3, 4) in",
        "missing: 1.running_mean (3,)",
    ):
        assert said in text
    assert same(model.state_dict(), before)


class Fails:
    """A callback that cannot take its state back."""

    def __call__(self, state):
        pass

    def state_dict(self):
        return {"n": 1}

    def load_state_dict(self, state):
        raise RuntimeError("mine")

    def __repr__(self):
        return "Fails()"


def test_a_run_whose_callback_fails_to_load_is_left_as_it_was(tmp_path):
    batches = [(np.ones((4, 2), np.float32), np.arange(4) % 2)]

    def run(**options):
        model = nn.Linear(2, 2, rng=0)
        optimizer = optim.Adam(model.parameters(), 0.1)
        before = model.state_dict(), optimizer.state_dict()
        try:
            train.fit(model, optimizer, batches, epochs=3, callbacks=[Fails()], out=tmp_path, progress=False, **options)
        except RuntimeError as error:
            assert str(error) == "mine"
            assert same(model.state_dict(), before[0]) and same(optimizer.state_dict(), before[1])
            return True
        return False

    assert not run()
    assert run(resume=True)


def test_a_model_that_a_run_was_resumed_with_can_be_resumed_again(tmp_path):
    batches = [(np.ones((4, 2), np.float32), np.arange(4) % 2)]
    model = nn.Sequential(nn.Linear(2, 2, rng=0))
    train.freeze(model, "0.weight")
    for epochs in 1, 2, 3:
        optimizer = optim.Adam(model.parameters(), 0.1)
        found = train.fit(model, optimizer, batches, epochs=epochs, out=tmp_path, resume=True, progress=False)
        assert len(found) == epochs


@pytest.mark.parametrize("below", ["", "below"])
def test_out_must_be_a_folder(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    model = nn.Linear(2, 2, rng=0)
    with pytest.raises(OSError, match=r"fit: out is no folder that can be made: .*file"):
        train.fit(model, optim.SGD(model.parameters(), lr=0.1), [], epochs=1, out=tmp_path / "file" / below)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("save", [train.save_weights, train.save_tree])
def test_what_cannot_be_written_is_told_with_its_path(tmp_path, save):
    what = nn.Linear(2, 2) if save is train.save_weights else {}
    for path in tmp_path, tmp_path / "no" / "such":
        with pytest.raises(OSError, match=f"not written: '{path}'"):
            save(what, path)
    assert list(tmp_path.parent.glob(".*partial")) == []
