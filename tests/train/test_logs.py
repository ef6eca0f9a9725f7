"""CSV files and TensorBoard's event files, read back."""

import csv
import struct
import sys

import numpy as np
import pytest
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event

from minigrad import nn, optim, train

RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


def fitted(callbacks, epochs=3, **options):
    net = nn.Linear(3, 2, rng=0)
    opt = optim.SGD(net.parameters(), 0.1)
    return net, train.fit(
        net, opt, [(X, Y)], [(X, Y)], epochs=epochs, callbacks=callbacks, progress=False, **options
    )  # fmt: skip


def events(folder):
    """Of all event files in the folder, oldest first: TFRecords (length, its checksum, data, its checksum)."""
    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            (length,), checks = struct.unpack("<Q", content[:8]), struct.unpack("<I", content[8:12])
            data, end = content[12 : 12 + length], content[12 + length : 16 + length]
            assert checks == (masked(content[:8]),) and struct.unpack("<I", end) == (masked(data),)
            found.append(Event.FromString(data))
            content = content[16 + length :]
    return found


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def scalars(folder):
    return [
        (v.tag, e.step, v.simple_value) for e in events(folder) for v in e.summary.value if v.HasField("simple_value")
    ]


def test_a_csv_file_has_a_row_for_each_epoch_and_a_column_for_each_metric(tmp_path):
    def extra(state):
        if state.epoch == 2:
            state.record["note"] = 'a "word", and a comma'

    _, records = fitted([extra, train.CSVLog(tmp_path / "logs" / "run.csv")])
    with open(tmp_path / "logs" / "run.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row.pop("note") for row in rows] == ["", 'a "word", and a comma', ""]
    assert [{k: float(v) for k, v in row.items()} for row in rows] == [
        {k: v for k, v in r.items() if k != "note"} for r in records
    ]
    assert [p.name for p in (tmp_path / "logs").iterdir()] == ["run.csv"]


def test_event_files_have_the_records_as_scalars(tmp_path):
    _, records = fitted([train.TensorBoardLog(tmp_path)])
    assert events(tmp_path)[0].file_version == "brain.Event:2"
    tags = {"loss": "loss/train", "accuracy": "accuracy/train", "test_loss": "loss/test", "lr": "lr",
            "test_accuracy": "accuracy/test", "step_ms": "step_ms", "seconds": "seconds"}  # fmt: skip
    wanted = [(tags[k], r["epoch"], float(np.float32(v))) for r in records for k, v in r.items() if k != "epoch"]
    assert sorted(scalars(tmp_path)) == sorted(wanted)


def test_histograms_of_the_weights(tmp_path):
    net, _ = fitted([train.TensorBoardLog(tmp_path, weights=True)], epochs=2)
    found = [(v.tag, e.step, v.histo) for e in events(tmp_path) for v in e.summary.value if v.HasField("histo")]
    assert [f[:2] for f in found] == [("weight", 1), ("bias", 1), ("weight", 2), ("bias", 2)]
    histogram = found[2][2]
    assert histogram.num == 6 and histogram.min == net.weight.data.min() and histogram.max == net.weight.data.max()
    assert histogram.sum == pytest.approx(net.weight.data.sum())


def test_a_resumed_run_goes_on_and_purges_what_it_repeats(tmp_path):
    """TensorBoard drops what came before a session's start at a step not below the start's."""
    fitted([train.TensorBoardLog(tmp_path / "logs")], epochs=2, out=tmp_path)
    fitted([train.TensorBoardLog(tmp_path / "logs")], epochs=4, out=tmp_path, resume=True)
    found = scalars(tmp_path / "logs")
    assert [step for tag, step, _ in found if tag == "loss/train"] == [1, 2, 3, 4]
    starts = [e.step for e in events(tmp_path / "logs") if e.HasField("session_log")]
    assert starts == [1, 3]


def test_what_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ModuleNotFoundError, match=r"train.TensorBoardLog needs tensorboardX.*pip install"):
        fitted([train.TensorBoardLog(tmp_path)])
