"""Files: weights and trees of arrays survive a round trip; a write that fails changes nothing; damage is noticed."""

import os

import numpy as np
import pytest

from minigrad import nn, train
from minigrad.train import checkpoint


def network(rng=0):
    return nn.Sequential(nn.Linear(4, 16, rng=rng), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2, rng=rng))


def test_weights_survive_a_round_trip_in_a_file_that_others_read(tmp_path):
    from safetensors.numpy import load_file

    net = network()
    train.save_weights(net, tmp_path / "w.safetensors")
    stored = load_file(tmp_path / "w.safetensors")
    assert stored.keys() == net.state_dict().keys()
    assert all(np.array_equal(stored[k], v) and stored[k].dtype == v.dtype for k, v in net.state_dict().items())
    other = network(rng=5)
    train.load_weights(other, tmp_path / "w.safetensors")
    assert all(np.array_equal(x, y) for x, y in zip(net.state_dict().values(), other.state_dict().values()))
    with pytest.raises(ValueError, match="differ"):
        train.load_weights(nn.Linear(4, 2), tmp_path / "w.safetensors")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    train.save_weights(network(), path)
    old = path.read_bytes()

    def no_space(handle):
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", no_space)
    with pytest.raises(OSError, match="no space"):
        train.save_weights(network(rng=9), path)
    assert path.read_bytes() == old and os.listdir(tmp_path) == ["w.safetensors"]


def test_the_file_is_never_half_written(tmp_path, monkeypatch):
    """Until the very rename, the old content stands; the new one is complete beside it."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")
    replace, seen = os.replace, []

    def watched(source, target):
        seen.append((path.read_bytes(), os.stat(source).st_size))
        replace(source, target)

    monkeypatch.setattr(checkpoint.os, "replace", watched)
    train.save_weights(network(), path)
    assert seen == [(b"old", len(path.read_bytes()))]
    assert path.stat().st_mode & 0o777 == 0o666 & ~checkpoint._umask()


# ---- trees -----------------------------------------------------------------------------------------------------------


def alike(a, b):
    if isinstance(a, np.ndarray):
        return type(b) is np.ndarray and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(alike, a, b))
    return type(a) is type(b) and (a == b or a != a)


def test_trees_survive_a_round_trip(tmp_path):
    tree = {
        "numbers": [1, -2.5, 0.1, 1e300, float("inf"), float("nan"), 2**127 + 1, True, False, None],
        "text": ["", "ä → θ", "array:0", "text:array:x", 'a "quote"'],
        "arrays": [np.array(3), np.arange(6.0).reshape(2, 3), np.zeros((0, 4), np.float32), np.array([True, False])],
        "dtypes": {d: np.arange(3).astype(d) for d in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u4", "u8")},
        "empty": [{}, [], {"": {}}],
        "a/b": {"c": np.array(1)},
        "a": {"b/c": np.array(2)},  # the same path
        "layout": np.asarray(np.arange(6).reshape(2, 3)),
    }
    train.save_tree(tree, tmp_path / "tree.safetensors")
    assert alike(train.load_tree(tmp_path / "tree.safetensors"), tree)


def test_arrays_of_any_layout_keep_their_values(tmp_path):
    x = np.arange(24.0).reshape(2, 3, 4)
    layouts = [np.asfortranarray(x), x.T, x[:, ::-1], x[..., ::2], np.broadcast_to(x[0, 0], (3, 4)), x.astype(">f8")]
    train.save_tree(layouts, tmp_path / "tree.safetensors")
    assert all(np.array_equal(a, b) for a, b in zip(train.load_tree(tmp_path / "tree.safetensors"), layouts))


def test_scalars_of_numpy_come_back_as_pythons(tmp_path):
    train.save_tree([np.float32(0.5), np.int64(3), np.True_, (1, 2)], tmp_path / "tree.safetensors")
    back = train.load_tree(tmp_path / "tree.safetensors")
    assert back == [0.5, 3, True, [1, 2]] and [type(v) for v in back] == [float, int, bool, list]


def test_others_can_read_the_arrays(tmp_path):
    from safetensors.numpy import load_file

    train.save_tree({"model": {"fc.weight": np.ones(2)}, "step": 3}, tmp_path / "tree.safetensors")
    assert list(load_file(tmp_path / "tree.safetensors")) == ["model/fc.weight"]


def test_what_cannot_be_saved_leaves_no_file(tmp_path):
    with pytest.raises(TypeError, match="a function cannot be saved"):
        train.save_tree({"f": alike}, tmp_path / "tree.safetensors")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "cut", "cut in the header", "text", "weights only"])
def test_damage_is_noticed(tmp_path, damage):
    path = tmp_path / "tree.safetensors"
    train.save_tree({"x": np.zeros(100), "text": "t" * 100}, path)
    content = path.read_bytes()
    if damage == "weights only":
        train.save_weights(network(), path)
    else:
        cuts = {"empty": b"", "cut": content[:-1], "cut in the header": content[:50], "text": b"not a tensor file"}
        path.write_bytes(cuts[damage])
    with pytest.raises(train.CheckpointError, match="is no checkpoint, or is damaged"):
        train.load_tree(path)
