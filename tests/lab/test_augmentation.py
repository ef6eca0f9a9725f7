"""What `minigrad augment` shows: scenes, the usual transforms, and the command itself."""

import gzip
import pickle
import struct

import numpy as np
import pytest
from click.testing import CliRunner

from minigrad import data, lab
from minigrad.cli import main


def run(*args, code=0):
    result = CliRunner().invoke(main, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").split())


def test_scenes_are_images_in_range_that_differ():
    drawn = lab.scenes(6, size=24, seed=1)
    assert drawn.x.shape == (6, 3, 24, 24) and drawn.x.dtype == np.float32
    assert drawn.x.min() >= 0 and drawn.x.max() <= 1
    assert all(not np.array_equal(drawn.x[i], drawn.x[j]) for i in range(6) for j in range(i))
    np.testing.assert_array_equal(lab.scenes(6, size=24, seed=1).x, drawn.x)


def test_usual_transforms_fit_their_images():
    for images, grey in (
        (lab.scenes(), False),
        (data.Dataset(np.random.default_rng(0).random((4, 1, 8, 8)), np.arange(4)), True),
    ):
        transforms = lab.usual_transforms(images)
        assert ("color" in transforms) != grey
        for name, change in transforms.items():
            role = "mix" if isinstance(change, data.Mix) else "transform"
            x, _ = next(iter(data.Loader(images, 4, **{role: change})))
            assert x.shape == (4, *images.x.shape[1:]), name


# ---- the command ----


def test_the_command_lists_the_transforms():
    said = run("augment")
    assert "ColorJitter(brightness=0.4" in said and "Each image mirrored left to right" in said
    assert "RandomErasing" not in run("augment", "--transform", "hflip")


@pytest.mark.slow
def test_the_command_writes_a_picture(tmp_path):
    out = tmp_path / "a.png"
    said = run("augment", "--preview", "--out", out, "--epochs", 1)
    assert "11 rows, 1 epochs" in said and "digits has no colours: what needs them is shown on drawn scenes" in said
    height = struct.unpack(">I", out.read_bytes()[20:24])[0]
    said = run("augment", "--preview", "--out", out, "--transform", "affine", "--epochs", 1, "--seed", 3)
    assert "6 rows, 1 epochs" in said and "scenes" not in said
    assert struct.unpack(">I", out.read_bytes()[20:24])[0] < height
    said = run(
        "augment", "--preview", "--out", out, "--data", "scenes", "--transform", "color", "--transform", "cutmix"
    )
    assert "2 rows" in said and "no colours" not in said


@pytest.mark.slow
def test_the_command_reads_files_of_ones_own(tmp_path):
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        batch = {"data": rng.integers(0, 256, (2, 3072), np.uint8), "labels": [0, 9]}
        (tmp_path / name).write_bytes(pickle.dumps(batch))
    with pytest.warns(data.ChecksumWarning):
        said = run(
            "augment",
            "--preview",
            "--data",
            tmp_path,
            "--out",
            tmp_path / "a.pdf",
            "--epochs",
            1,
            "--transform",
            "color",
        )
    assert "6 rows, 1 epochs" in said and "no colours" not in said
    (tmp_path / "data_batch_2").write_bytes(gzip.compress(b"no"))
    assert "data_batch_2: no file of CIFAR-10" in run("augment", "--data", tmp_path, code=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bad", "code", "said"),
    [
        (["--transform", "twirl"], 2, "'twirl' is none of color, lighting, crop"),
        (["--data", "/nowhere"], 2, "/nowhere: no files of MNIST"),
        (["--epochs", "0"], 2, "--epochs"),
        (["--preview", "--out", "a.bmp"], 1, "bmp"),
    ],
)
def test_bad_options_are_named(bad, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in run("augment", *bad, code=code)
