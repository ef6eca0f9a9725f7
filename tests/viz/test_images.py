"""The picture of augmentation: what it shows is what the loader gives."""

import numpy as np
import pytest

from minigrad import data, viz


@pytest.mark.slow
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
    images = data.Dataset(np.random.default_rng(0).random((4, 3, 8, 8)), np.arange(4))
    loader = data.Loader(images, 1, mix=data.Mixup(4))
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
