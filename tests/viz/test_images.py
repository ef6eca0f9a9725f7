"""The picture of augmentation: what it shows is what the loader gives; and the command that writes it."""

import gzip
import pickle
import struct

import numpy as np
import pytest
from click.testing import CliRunner

from minigrad import data, viz
from minigrad.cli import main


def run(*args, code=0):
    result = CliRunner().invoke(main, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize("channels", [1, 3])
def test_a_row_shows_the_original_and_then_what_the_loader_gives(tmp_path, channels):
    rng = np.random.default_rng(0)
    images = data.Dataset(rng.random((5, channels, 8, 8)), np.arange(5))
    loader = data.Loader(images, 2, seed=4, transform=data.GaussianNoise(0.1))
    figure = viz.preview([("noise", loader, 3), ("again", loader, 1)], epochs=3, path=tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    shown = [axes.images[0].get_array() for axes in figure.axes]
    expected = [images.x[3], *(loader.look(e, [3])[0][0] for e in range(3))]
    expected += [images.x[1], *(loader.look(e, [1])[0][0] for e in range(3))]
    for image, right in zip(shown, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(image), np.clip(right.transpose(1, 2, 0), 0, 1).squeeze())
    assert [axes.get_title() for axes in figure.axes[:4]] == ["original", "epoch 0", "epoch 1", "epoch 2"]
    assert [figure.axes[i].get_ylabel() for i in (0, 4)] == ["noise", "again"] and loader.epoch == 0


def test_mixed_images_have_their_label_below():
    drawn = viz.scenes(4)
    loader = data.Loader(drawn, 1, mix=data.Mixup(4))
    figure = viz.preview([("mixup", loader, 2)], epochs=8)
    for epoch, axes in enumerate(figure.axes[1:]):
        (y,) = loader.look(epoch, [2])[1]
        assert axes.get_xlabel() == " + ".join(f"{p:.2f}·{k}" for k, p in enumerate(y) if p > 0.005)
    assert any("+" in axes.get_xlabel() for axes in figure.axes) and not figure.axes[0].get_xlabel()


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(ValueError, match="there are no rows"):
        viz.preview([])
    loader = data.Loader(data.Dataset(np.zeros((2, 2, 4, 4)), np.arange(2)), 1)
    with pytest.raises(ValueError, match=r"an image is \(2, 4, 4\)"):
        viz.preview([("two channels", loader, 0)])


def test_scenes_are_images_in_range_that_differ():
    drawn = viz.scenes(6, size=24, seed=1)
    assert drawn.x.shape == (6, 3, 24, 24) and drawn.x.dtype == np.float32
    assert drawn.x.min() >= 0 and drawn.x.max() <= 1
    assert all(not np.array_equal(drawn.x[i], drawn.x[j]) for i in range(6) for j in range(i))
    np.testing.assert_array_equal(viz.scenes(6, size=24, seed=1).x, drawn.x)


def test_usual_transforms_fit_their_images():
    for images, grey in (
        (viz.scenes(), False),
        (data.Dataset(np.random.default_rng(0).random((4, 1, 8, 8)), np.arange(4)), True),
    ):
        transforms = viz.usual_transforms(images)
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
