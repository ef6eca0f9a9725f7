"""Files: weights and trees of arrays survive a round trip; a write that fails changes nothing; damage is noticed."""

import json
import os
import tracemalloc

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz"])
def test_neither_way_needs_the_memory_of_a_second_copy(tmp_path, name):
    """Beside the state dict, or the arrays read, there is one array at a time at most: of thirty."""
    net = nn.Sequential(*[nn.Linear(200, 200, rng=0) for _ in range(30)])
    size = sum(a.nbytes for a in net.state_dict().values())
    peaks = []
    for do in (train.save_weights, train.load_weights):
        do(net, tmp_path / name)  # what it imports is there
        tracemalloc.start()
        do(net, tmp_path / name)
        peaks.append(tracemalloc.get_traced_memory()[1] / size)
        tracemalloc.stop()
    assert peaks[0] < 1.2 and peaks[1] < 2.2, peaks  # loading checks all before it changes one: a second set of arrays


def test_an_archive_that_is_damaged_is_named(tmp_path):
    train.save_weights(network(), tmp_path / "w.npz")
    content = (tmp_path / "w.npz").read_bytes()
    for wrong in (content[:-30], content[:200] + b"?" + content[201:], b"", b"no archive"):
        (tmp_path / "v.npz").write_bytes(wrong)
        with pytest.raises(train.CheckpointError, match=r"v\.npz is no file of weights, or is damaged"):
            train.load_weights(network(), tmp_path / "v.npz")
    np.savez(tmp_path / "o.npz", a=np.array([object()]))
    with pytest.raises(train.CheckpointError, match=r"o\.npz is no file"):
        train.load_weights(network(), tmp_path / "o.npz")


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


# ---- every damage is one error that names the file, and nothing is changed --------------------------------------------


SMALL = nn.Linear(2, 1).requires_grad_(False)
SMALL.load_state_dict({path: 0 * value for path, value in SMALL.state_dict().items()})


def load(kind, path):
    if kind == "tree":
        return train.load_tree(path)
    reader = train.load_weights if kind == "weights" else train.load_pretrained
    try:
        reader(SMALL, path)
    finally:
        assert not SMALL.weight.data.any() and not SMALL.bias.data.any()  # since none of these loads


def refused(kind, path, content):
    path.write_bytes(content)
    with pytest.raises(train.CheckpointError, match=path.name):
        load(kind, path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The content of a file of weights and of a tree, each small."""
    folder = tmp_path_factory.mktemp("written")
    train.save_weights(nn.Linear(2, 1, rng=0), folder / "weights")
    tree = {"model": {"w": np.arange(5.0)}, "records": [{"loss": 0.5, "note": "array: ä"}], "step": 3, "none": None}
    train.save_tree(tree, folder / "tree")
    contents = {kind: (folder / kind).read_bytes() for kind in ("weights", "tree")}
    return contents | {"pretrained": contents["weights"]}


def flipped(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


KINDS = ["weights", "pretrained", "tree"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["weights", "tree"])
def test_no_byte_of_the_header_may_have_a_flipped_bit(written, tmp_path, kind):
    content = written[kind]
    end = 8 + int.from_bytes(content[:8], "little")
    for bit in range(0, 8 * end, 5):
        refused(kind, tmp_path / "file", flipped(content, bit))


@cases(150)
@given(st.sampled_from(KINDS), st.data())
def test_no_bit_may_flip(written, tmp_path, kind, data):
    content = written[kind]
    refused(kind, tmp_path / "file", flipped(content, data.draw(st.integers(0, 8 * len(content) - 1))))


@cases(100)
@given(st.sampled_from(KINDS), st.data())
def test_no_bytes_may_be_lost_doubled_or_overwritten(written, tmp_path, kind, data):
    content = written[kind]
    begin, end = sorted(data.draw(st.integers(0, len(content))) for _ in range(2))
    middle = data.draw(st.sampled_from([b"", 2 * content[begin:end], bytes(end - begin), b"\xff" * (end - begin)]))
    changed = content[:begin] + middle + content[end:]
    if changed != content:
        refused(kind, tmp_path / "file", changed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["weights", "tree"])
def test_a_file_cut_anywhere_is_refused(written, tmp_path, kind):
    for end in range(len(written[kind])):
        refused(kind, tmp_path / "file", written[kind][:end])


def raw(head, data=b""):
    head = head.encode() if isinstance(head, str) else head
    return len(head).to_bytes(8, "little") + head + data


ONE = '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'
WRONG = {
    "empty": (b"", "too small"),
    "text": (b"no weights at all, but a text", ""),
    "a zip": (b"PK\x03\x04" + bytes(100), ""),
    "an absurd header": (b"\xff" * 8 + b"{}", "too large"),
    "no JSON": (raw("NaN"), "JSON"),
    "deep JSON": (raw('{"a":' * 100_000), "recursion"),
    "a key twice": (raw("{" + ONE + "," + ONE + "}", b"1"), "a key comes twice"),
    "bytes left over": (raw("{" + ONE + "}", b"12"), ""),
    "offsets that overlap": (raw("{" + ONE + "," + ONE.replace('"a"', '"b"') + "}", b"1"), "offset"),
    "a shape that does not fit": (raw("{" + ONE.replace("[1]", "[2]") + "}", b"1"), ""),
    "a shape beyond all memory": (raw("{" + ONE.replace("[1]", "[18446744073709551615,2]") + "}", b"1"), "overflow"),
    "a dtype that nobody knows": (raw("{" + ONE.replace("U8", "Q9") + "}", b"1"), "Q9"),
    "a dtype that NumPy lacks": (raw("{" + ONE.replace("U8", "BF16").replace("0,1]", "0,2]") + "}", b"12"), "BF16.*F32"),
    "metadata that are none": (raw('{"__metadata__":{"a":{}}}'), ""),
    "a later format": (raw('{"__metadata__":{"minigrad":"minigrad 2 sha256:%s "}}' % ("0" * 64)), "format is 2, .* 1"),
    "half a mark": (raw('{"__metadata__":{"minigrad":"minigrad 1"}}'), "mark of minigrad"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_such_file_is_named(tmp_path, kind, name):
    content, said = WRONG[name]
    refused(kind, tmp_path / "file", content)
    with pytest.raises(train.CheckpointError, match=f"file is no .*, or is damaged: .*{said}.*Take another copy of it"):
        load(kind, tmp_path / "file")


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_and_a_missing_file(tmp_path, kind):
    with pytest.raises(train.CheckpointError, match="it is no regular file"):
        load(kind, tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(kind, tmp_path / "nowhere")


def test_weights_and_checkpoints_are_told_apart(written, tmp_path):
    refused("tree", tmp_path / "file", written["weights"])
    refused("weights", tmp_path / "file", written["tree"])
    (tmp_path / "file").write_bytes(written["weights"])
    with pytest.raises(train.CheckpointError, match=r"file: load_state_dict: Linear and the state dict differ"):
        train.load_weights(nn.Linear(1, 1), tmp_path / "file")


def test_files_without_a_checksum_still_load(written, tmp_path):
    """Those of other programs, and those that minigrad wrote before it had one."""
    from safetensors.numpy import save_file

    net = network()
    for metadata in None, {"format": "pt"}:
        save_file(net.state_dict(), tmp_path / "w", metadata)
        other = network(rng=5)
        train.load_weights(other, tmp_path / "w")
        assert alike(other.state_dict(), net.state_dict())
    tree = {"w": "array:w", "step": 3}
    save_file({"w": np.arange(3.0)}, tmp_path / "tree", {"minigrad.checkpoint": json.dumps(tree)})
    assert alike(train.load_tree(tmp_path / "tree"), {"w": np.arange(3.0), "step": 3})


def test_the_same_weights_are_the_same_bytes(written, tmp_path):
    train.save_weights(nn.Linear(2, 1, rng=0), tmp_path / "w")
    assert (tmp_path / "w").read_bytes() == written["weights"]


def test_what_the_format_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    net = nn.Module()
    setattr(net, "__metadata__", nn.Parameter(np.ones(2)))  # noqa: B010 (its name is mangled otherwise)
    with pytest.raises(ValueError, match="'__metadata__'; rename it"):
        train.save_weights(net, tmp_path / "w")
    with pytest.raises(TypeError, match="the key 1 is no string"):
        train.save_tree({"a": {1: 2}}, tmp_path / "w")
    with pytest.raises(TypeError, match=r"save_tree: .*complex128"):
        train.save_tree([np.ones(2, complex)], tmp_path / "w")
    assert not os.listdir(tmp_path)
    train.save_tree({"__metadata__": np.ones(2)}, tmp_path / "w")  # of a tree, the names are ours
    assert alike(train.load_tree(tmp_path / "w"), {"__metadata__": np.ones(2)})


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.builds(lambda n, d: np.arange(n).astype(d), st.integers(0, 3), st.sampled_from(["f4", "i8", "u1", "?"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.slow
@cases(15)  # each is synced to the disk
@given(TREES)
def test_any_tree_survives_a_round_trip(tmp_path, tree):
    train.save_tree(tree, tmp_path / "tree")
    assert alike(train.load_tree(tmp_path / "tree"), tree)
