"""Files in the published formats, right, cut, damaged and hostile."""

import gzip
import hashlib
import io
import math
import os
import pickle
import struct
import tarfile
import tracemalloc
import warnings

import numpy as np
import pytest
from generated import cases
from hypothesis import given
from hypothesis import strategies as st

from minigrad.data import ChecksumWarning, Loader, cifar10, cifar100, files, mnist, pickles, read, read_idx

RNG = np.random.default_rng(0)


# ---- MNIST ----


def idx(array):
    """The bytes of an IDX file."""
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


MNIST = {
    "train-images-idx3-ubyte": RNG.integers(0, 256, (20, 28, 28), np.uint8),
    "train-labels-idx1-ubyte": RNG.integers(0, 10, 20).astype(np.uint8),
    "t10k-images-idx3-ubyte": RNG.integers(0, 256, (6, 28, 28), np.uint8),
    "t10k-labels-idx1-ubyte": RNG.integers(0, 10, 6).astype(np.uint8),
}


def write_mnist(folder, zipped=False):
    for name, array in MNIST.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0, 3), ()])
def test_idx_holds_every_dtype_and_shape(tmp_path, dtype, shape):
    array = np.asarray(100 * RNG.standard_normal(shape)).astype(dtype)
    (tmp_path / "a").write_bytes(idx(array))
    (tmp_path / "b.gz").write_bytes(gzip.compress(idx(array)))
    for name in "a", "b.gz":
        found = read_idx(tmp_path / name)
        assert found.dtype == np.dtype(dtype) and found.dtype.isnative
        np.testing.assert_array_equal(found, array)
        found[...] = 0  # an array of its own


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist(tmp_path, zipped):
    write_mnist(tmp_path, zipped)
    train, test = mnist(tmp_path, verify=False)
    assert train.x.shape == (20, 1, 28, 28) and train.x.dtype == np.float32 and train.y.dtype == np.int64
    np.testing.assert_array_equal(np.rint(255 * train.x[:, 0]), MNIST["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(train.y, MNIST["train-labels-idx1-ubyte"])
    np.testing.assert_array_equal(test.y, MNIST["t10k-labels-idx1-ubyte"])
    assert test.x.min() >= 0 and test.x.max() <= 1
    np.testing.assert_array_equal(read(tmp_path, verify=False).test.x, test.x)


def test_files_of_ones_own_are_told_from_the_published(tmp_path, monkeypatch):
    write_mnist(tmp_path, zipped=True)
    with pytest.warns(
        ChecksumWarning, match=r"not as published.*train-images-idx3-ubyte.gz, train-labels.*verify=False"
    ):
        mnist(tmp_path)
    sums = {name: ("0" * 32, hashlib.md5(idx(array)).hexdigest()) for name, array in MNIST.items()}
    monkeypatch.setattr(files, "_MD5", sums)
    mnist(tmp_path)  # no warning, though gzipped anew: what is in the file counts


def damaged(content, how):
    if how == "cut":
        return content[:-7]
    if how == "longer":
        return content + b"\0"
    if how == "header cut":
        return content[:7]
    return b"<html>404 Not Found</html>"


@pytest.mark.parametrize("how", ["cut", "longer", "header cut", "html"])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_damaged_idx_file_is_named(tmp_path, how, zipped):
    write_mnist(tmp_path, zipped)
    path = tmp_path / f"t10k-labels-idx1-ubyte{'.gz' if zipped else ''}"
    content = damaged(idx(MNIST["t10k-labels-idx1-ubyte"]), how)
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(ValueError, match=f"{path.name}: .*(bytes|no IDX file)"):
        mnist(tmp_path, verify=False)


@pytest.mark.parametrize("shape", [(1,) * 65, (0, 2**32 - 1, 2**32 - 1)], ids=["many axes", "long axes"])
def test_an_idx_file_of_a_shape_that_no_array_has_is_named(tmp_path, shape):
    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    (tmp_path / "a").write_bytes(header + b"\0" * math.prod(shape))
    with pytest.raises(ValueError, match=r"a: .* axes; no array can have this shape"):
        read_idx(tmp_path / "a")


@pytest.mark.parametrize("damage", [lambda c: c[:-4], lambda c: c[: len(c) // 2], lambda c: c[:40] + b"####" + c[44:]])
def test_a_damaged_gzip_file_is_named(tmp_path, damage):
    write_mnist(tmp_path, zipped=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz: the gzip file is cut or damaged"):
        mnist(tmp_path, verify=False)


def test_mnist_files_that_do_not_fit(tmp_path):
    write_mnist(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(MNIST["train-images-idx3-ubyte"]))
    with pytest.raises(ValueError, match=r"train-labels.*: it holds uint8 \(20, 28, 28\); it must be uint8, of 1 axes"):
        mnist(tmp_path, verify=False)
    labels.write_bytes(idx(MNIST["t10k-labels-idx1-ubyte"]))
    with pytest.raises(ValueError, match="train has 20 images and 6 labels"):
        mnist(tmp_path, verify=False)
    labels.unlink()
    with pytest.raises(FileNotFoundError, match=r"train-labels-idx1-ubyte: not there, nor with .gz; get it from http"):
        mnist(tmp_path, verify=False)


# ---- CIFAR ----


def batch(n, fine=False):
    made = {"data": RNG.integers(0, 256, (n, 3072), np.uint8), "filenames": [f"{i}.png" for i in range(n)]}
    if fine:
        return made | {"fine_labels": list(range(90, 90 + n)), "coarse_labels": list(range(n))}
    return made | {"batch_label": "a batch", "labels": RNG.integers(0, 10, n).tolist()}


CIFAR10 = {name: batch(i + 2) for i, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"])}
CIFAR100 = {"train": batch(9, True), "test": batch(4, True)}


class Python2(pickle._Pickler):
    """Writes text and bytes as Python 2 wrote its strings, which is how the published files hold them."""

    dispatch = {**pickle._Pickler.dispatch}  # noqa: RUF012 (what pickle calls it)

    def save_string(self, value):
        content = value.encode() if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def python2(content):
    file = io.BytesIO()
    Python2(file, 2).dump(content)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


WRITERS = {
    "Python 2": python2,
    **{f"protocol {p}": lambda content, p=p: pickle.dumps(content, p) for p in range(2, 6)},
    "bytes as keys": lambda content: pickle.dumps({k.encode(): v for k, v in content.items()}),
    "Fortran order": lambda content: pickle.dumps(content | {"data": np.asfortranarray(content["data"])}),
    "NumPy integers": lambda content: pickle.dumps({k: [*map(np.int32, v)] if "labels" in k else v for k, v in content.items()}),
    "labels as array": lambda content: pickle.dumps({k: np.array(v, ">i2") if "labels" in k else v for k, v in content.items()}),
}  # fmt: skip


def binary(content):
    keys = ["labels"] if "labels" in content else ["coarse_labels", "fine_labels"]
    columns = [np.array(content[key], np.uint8)[:, None] for key in keys]
    return np.hstack([*columns, content["data"]]).tobytes()


def write_cifar(folder, batches, writer=python2):
    folder.mkdir(exist_ok=True)
    for name, content in batches.items():
        (folder / (f"{name}.bin" if writer is binary else name)).write_bytes(writer(content))


def archive(path, folder):
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, folder.name)


def same(split, batches, key):
    for dataset, names in zip(split, ([*batches][:-1], [*batches][-1:])):
        assert dataset.x.dtype == np.float32 and dataset.y.dtype == np.int64 and dataset.x.shape[1:] == (3, 32, 32)
        pixels = np.concatenate([batches[name]["data"] for name in names])
        np.testing.assert_array_equal(np.rint(255 * dataset.x).reshape(-1, 3072), pixels)
        np.testing.assert_array_equal(dataset.x.max(), np.float32(pixels.max()) / np.float32(255))
        np.testing.assert_array_equal(dataset.y, np.concatenate([batches[name][key] for name in names]))


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_cifar_for_python_whichever_python_wrote_it(tmp_path, writer):
    write_cifar(tmp_path, CIFAR10, writer)
    same(cifar10(tmp_path, verify=False), CIFAR10, "labels")
    write_cifar(tmp_path / "100", CIFAR100, writer)
    same(cifar100(tmp_path / "100", verify=False), CIFAR100, "fine_labels")


@pytest.mark.parametrize("writer", [python2, binary])
def test_cifar_in_a_folder_a_folder_above_and_an_archive(tmp_path, writer):
    ten, hundred = (
        ("cifar-10-batches-bin", "cifar-100-binary")
        if writer is binary
        else ("cifar-10-batches-py", "cifar-100-python")
    )
    write_cifar(tmp_path / ten, CIFAR10, writer)
    write_cifar(tmp_path / hundred, CIFAR100, writer)
    kind = "binary" if writer is binary else "python"
    zips = tmp_path / "zips"
    zips.mkdir()
    for name, folder in (f"cifar-10-{kind}.tar.gz", ten), (f"cifar-100-{kind}.tar.gz", hundred):
        archive(zips / name, tmp_path / folder)
    for place in tmp_path / ten, tmp_path, zips, zips / f"cifar-10-{kind}.tar.gz":
        same(cifar10(place, verify=False), CIFAR10, "labels")
        same(read(place, verify=False), CIFAR10, "labels")
    for place in tmp_path / hundred, tmp_path, zips, zips / f"cifar-100-{kind}.tar.gz":
        same(cifar100(str(place), verify=False), CIFAR100, "fine_labels")
        same(cifar100(place, "coarse", verify=False), CIFAR100, "coarse_labels")
    same(read(zips / f"cifar-100-{kind}.tar.gz", verify=False), CIFAR100, "fine_labels")


def test_the_published_sums_are_checked(tmp_path, monkeypatch):
    write_cifar(tmp_path, CIFAR10)
    with pytest.warns(ChecksumWarning, match=r"not as published, .*data_batch_1, data_batch_2, .*, test_batch in "):
        cifar10(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ChecksumWarning)  # whoever wants an error
        with pytest.raises(ChecksumWarning):
            cifar10(tmp_path)
    monkeypatch.setattr(files, "_MD5", {n: (hashlib.md5(python2(b)).hexdigest(),) for n, b in CIFAR10.items()})
    same(cifar10(tmp_path), CIFAR10, "labels")


def test_every_sum_has_the_form_of_one():
    assert all(len(s) == 32 and int(s, 16) for sums in files._MD5.values() for s in sums)
    assert len({s for sums in files._MD5.values() for s in sums}) == sum(map(len, files._MD5.values()))


def test_a_loader_takes_what_was_read(tmp_path):
    write_cifar(tmp_path, CIFAR10)
    assert [x.shape for x, y in Loader(cifar10(tmp_path, verify=False).train, 16)] == [(16, 3, 32, 32), (4, 3, 32, 32)]


def nested(depth):
    """A list of lists of lists, each of them the same one ten times: short as a pickle, 10 ** depth numbers in all."""
    return [nested(depth - 1)] * 10 if depth else 1


BAD = {
    "no pickle": (lambda b: b"<html>404</html>", "no file of CIFAR-10 for Python"),
    "cut": (lambda b: python2(b)[:-100], "no file of CIFAR-10 for Python: .*truncated"),
    "empty": (lambda b: b"", "it is cut or damaged"),
    "a list": (lambda b: pickle.dumps([1]), "it holds a list, not a dict"),
    "CIFAR-100": (lambda b: pickle.dumps(CIFAR100["train"]), "its keys are .*; CIFAR-10 has 'data' and 'labels'"),
    "wide": (lambda b: pickle.dumps(b | {"data": b["data"][:, :-1]}), r"its data are uint8 \(2, 3071\)"),
    "floats": (lambda b: pickle.dumps(b | {"data": b["data"] / 255}), r"its data are float64"),
    "objects": (lambda b: pickle.dumps(b | {"data": b["data"].astype(object)}), "only numbers are read"),
    "no array": (lambda b: pickle.dumps(b | {"data": b["data"].tolist()}), "its data are list"),
    "few labels": (lambda b: pickle.dumps(b | {"labels": [1]}), r"2 images and labels of shape \(1,\)"),
    "ragged labels": (
        lambda b: pickle.dumps(b | {"labels": [[1], [1, 2]]}),
        "its labels are a list; they must be integers",
    ),
    "labels that need all memory": (lambda b: pickle.dumps(b | {"labels": nested(30)}), "its labels are a list"),
    "half an array": (lambda b: b"\x80\x02}U\x04datacnumpy\nndarray\n)Rs.", "no file of CIFAR-10 for Python"),
    "odd keys": (lambda b: pickle.dumps({1: 2, "data": 3}), "its keys are .1, 'data'"),
    "text labels": (lambda b: pickle.dumps(b | {"labels": ["cat", "dog"]}), "its labels are .*; they must be integers"),
    "label 10": (lambda b: pickle.dumps(b | {"labels": [0, 10]}), "labels from 0 to 10; CIFAR-10 has 10 classes"),
    "label -1": (lambda b: pickle.dumps(b | {"labels": [-1, 1]}), "labels from -1 to 1"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_python_file_is_named(tmp_path, name):
    make, said = BAD[name]
    write_cifar(tmp_path, CIFAR10)
    (tmp_path / "data_batch_1").write_bytes(make(CIFAR10["data_batch_1"]))
    with pytest.raises(ValueError, match=f"data_batch_1: .*{said}"):
        cifar10(tmp_path, verify=False)


def test_a_python_file_cut_anywhere_is_an_error(tmp_path):
    content = python2(CIFAR10["data_batch_1"])
    for end in [*range(0, 200), *range(200, len(content), 97), len(content) - 1]:
        with pytest.raises(pickle.UnpicklingError):
            pickles.load(io.BytesIO(content[:end]))


def test_a_wrong_binary_file_is_named(tmp_path):
    write_cifar(tmp_path, CIFAR10, binary)
    path = tmp_path / "data_batch_3.bin"
    right = path.read_bytes()
    for content, said in [
        (right[:-1], "no multiple of 3073"),
        (b"", "0 bytes"),
        (b"\x0a" + right[1:], "labels from . to 10; CIFAR-10 has 10 classes"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"data_batch_3.bin: .*{said}"):
            cifar10(tmp_path, verify=False)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no data_batch_1 or data_batch_1.bin.*https://www.cs.toronto.edu"):
        cifar10(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere: no train or train.bin"):
        cifar100(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no files of MNIST, CIFAR-10 or CIFAR-100"):
        read(tmp_path)
    with pytest.raises(ValueError, match="labels is 'rough'; it must be 'fine' or 'coarse'"):
        cifar100(tmp_path, "rough")
    write_cifar(tmp_path, CIFAR10)
    for name in "test_batch", "data_batch_4":
        (tmp_path / name).unlink()
        for reader in cifar10, read:
            with pytest.raises(FileNotFoundError, match=f"{name} is missing"):
                reader(tmp_path, verify=False)


@pytest.mark.parametrize(
    "damage", [lambda c: c[: len(c) // 2], lambda c: b"no archive", lambda c: c[:99] + b"####" + c[103:]]
)
def test_a_damaged_archive_is_named(tmp_path, damage):
    write_cifar(tmp_path / "cifar-10-batches-py", CIFAR10)
    path = tmp_path / "cifar-10-python.tar.gz"
    archive(path, tmp_path / "cifar-10-batches-py")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"cifar-10-python.tar.gz: the archive is cut or damaged"):
        cifar10(path, verify=False)


@pytest.mark.parametrize("damage", [lambda c: c[:-8] + b"####" + c[-4:], lambda c: c[:-4]], ids=["sum", "end"])
def test_the_checksum_at_the_end_of_an_archive_counts(tmp_path, damage):
    write_cifar(tmp_path / "cifar-10-batches-py", CIFAR10)
    path = tmp_path / "cifar-10-python.tar.gz"
    archive(path, tmp_path / "cifar-10-batches-py")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"the archive is cut or damaged"):
        cifar10(path, verify=False)


# ---- bombs ----


def peak(function, *args):
    """Bytes that Python allocated at most while the function was refused, and what it said."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as refusal:
            function(*args)
        return tracemalloc.get_traced_memory()[1], str(refusal.value)
    finally:
        tracemalloc.stop()


@cases(20)
@given(
    st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 9), max_size=5),
    st.sampled_from(sorted(files._IDX)),
    st.booleans(),
)
def test_no_more_of_a_gzip_file_is_unpacked_than_its_header_promises(tmp_path, shape, code, zipped):
    """The content is 16 MB of zeros, wherever the header does not promise just that."""
    content = struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape) + bytes(2**24)
    (tmp_path / "a").write_bytes(gzip.compress(content, 1) if zipped else content)
    promised = np.dtype(files._IDX[code]).itemsize * math.prod(shape)
    used, said = peak(read_idx, tmp_path / "a")
    assert "a: " in said and ("bytes" in said or "no array" in said)
    assert used < 2**22 + 3 * min(promised, 2**24)  # the parts read, all of them, and the same with its head


def tar_of(path, *members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content, change in members:
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            for key, value in change.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))


def test_of_an_archive_only_files_count_and_none_is_written(tmp_path, monkeypatch):
    write_cifar(tmp_path / "cifar-10-batches-py", CIFAR10)
    right = [(name, python2(content), {}) for name, content in CIFAR10.items()]
    monkeypatch.chdir(tmp_path / "cifar-10-batches-py")
    for strange in [
        ("test_batch", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("test_batch", b"", {"type": tarfile.LNKTYPE, "linkname": "../../etc/passwd"}),
        ("test_batch", b"", {"type": tarfile.FIFOTYPE}),
        ("../../escaped", b"x", {}),
        ("test_batch", b"x", {"name": "/etc/test_batch"}),
    ]:
        tar_of(tmp_path / "a.tar.gz", *right, strange)
        same(cifar10(tmp_path / "a.tar.gz", verify=False), CIFAR10, "labels")
    assert {p.name for p in tmp_path.iterdir()} == {"a.tar.gz", "cifar-10-batches-py"}


def test_an_archive_unpacks_to_so_much_and_no_more(tmp_path, monkeypatch):
    path, zeros = tmp_path / "cifar-10-python.tar.gz", bytes(2**22)
    monkeypatch.setattr(files, "_LARGEST", 2**20)
    for name, change in ("test_batch", {}), ("other", {}), ("x", {"type": tarfile.XHDTYPE}), ("x", {"type": b"L"}):
        tar_of(path, (name, zeros, change))
        used, said = peak(cifar10, path)
        assert "python.tar.gz: the archive is cut or damaged (it unpacks to more than 1048576 bytes" in said
        assert used < 2**22
    path.write_bytes(gzip.compress(b"".join(tarfile.TarInfo(f"{i}").tobuf() for i in range(2000)) + bytes(1024)))
    assert "more than 1000 members" in peak(cifar10, path)[1]


def test_a_member_whose_size_leads_back_ends(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    info = tarfile.TarInfo("cifar-10-batches-py/x")
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[124:136] = b"\xff" * 10 + (-1024 % 2**16).to_bytes(2, "big")  # −1024
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    path.write_bytes(gzip.compress(2 * bytes(head) + bytes(1024)))
    with pytest.raises(ValueError, match="the archive is cut or damaged"):
        cifar10(path)


def test_a_sparse_file_is_refused(tmp_path):
    path = tmp_path / "cifar-10-python.tar.gz"
    pax = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(2**40), "GNU.sparse.map": "0,1"}
    tar_of(path, ("data_batch_1", b"x", {"pax_headers": pax}))
    used, said = peak(cifar10, path)
    assert "data_batch_1 is a sparse file" in said and used < 2**20


# ---- pickles that do harm ----


class Harm:
    """What a pickle does that calls `function(*args)`."""

    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("wrap", [lambda h: h, lambda h: {"data": h, "labels": []}, lambda h: {h.reduced[1][0]: [h]}])
def test_a_pickle_that_calls_something_is_refused_and_nothing_runs(tmp_path, protocol, wrap):
    trace = tmp_path / "trace"
    content = pickle.dumps(wrap(Harm(os.system, f"touch {trace}")), protocol)
    if protocol == 5:
        pickle.loads(content)
        assert trace.exists()  # it would have run
        trace.unlink()
    write_cifar(tmp_path / "files", CIFAR10)
    (tmp_path / "files" / "data_batch_2").write_bytes(content)
    with pytest.raises(ValueError, match=r"data_batch_2: .*it asks for (posix|nt).system, which no data needs"):
        cifar10(tmp_path / "files", verify=False)
    assert not trace.exists()


HARMS = {
    "eval": Harm(eval, "1"),
    "getattr": Harm(getattr, 1, "real"),
    "np.load": Harm(np.load, "x"),
    "np.frombuffer": Harm(np.frombuffer, b"12345678"),
    "math": Harm(math.factorial, 3),
    "import": Harm(__import__, "os"),
    "objects": np.array([1, "a"], object),
    "records": np.zeros(2, [("a", "i4")]),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_only_what_arrays_of_numbers_need_is_let_through(harm):
    with pytest.raises(pickle.UnpicklingError):
        pickles.load(io.BytesIO(pickle.dumps({"data": harm})))


def test_a_pickle_leaves_no_trace_on_the_reader():
    """BUILD sets attributes of whatever stands on the stack: not of our functions."""
    name = b"cnumpy.core.numeric\n_frombuffer\n"
    state = pickle.dumps((None, {"__defaults__": ("F",), "harm": 1}), 2)[2:-1]
    with pytest.raises(pickle.UnpicklingError, match="it holds a function"):
        pickles.load(io.BytesIO(b"\x80\x02" + name + state + b"b."))
    assert pickles._from_buffer.__defaults__ == ("C",) and not hasattr(pickles._from_buffer, "harm")


def test_what_a_pickle_may_hold_comes_out_as_pickle_gives_it():
    content = {"a": [1, 2.5, None, True, "text", b"\xff", (1, 2), {"b": 3}], "x": np.arange(6.0).reshape(2, 3)}
    found = pickles.load(io.BytesIO(pickle.dumps(content)))
    assert found["a"] == content["a"]
    np.testing.assert_array_equal(found["x"], content["x"])
